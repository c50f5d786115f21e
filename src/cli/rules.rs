//! `postern rules`: the officer's tools for rules and policies.

use super::index::Index;
use super::{Done, Failure, Format, report};
use crate::cli::report::Paint;
use crate::config::{laws, rules_folder};
use crate::console::Answer;
use crate::detect::{self, run_tests, try_text, validators};
use crate::policy;
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern rules try fr-nir 'N° de sécurité sociale : 1 85 05 78 006 084 91'")]
pub enum Rules {
    /// Run the tests that stand in the rule files, and the cases of policy.toml
    #[command(after_help = "Examples:\n  postern rules test\n  postern rules test fr-nir --format json")]
    Test(Test),
    /// What one rule makes of a text, and why
    #[command(after_help = "Example:\n  postern rules try fr-nir 'N° de sécurité sociale : 1 85 05 78 006 084 91'")]
    Try(Try),
    /// What a rule looks for, and why it exists
    #[command(after_help = "Example:\n  postern rules explain iban")]
    Explain(Explain),
    /// The check digits and lists that a rule can name as validator, with examples
    #[command(after_help = "Example:\n  postern rules validators")]
    Validators(Shown),
    /// Register internal documents or the rows of a table, for rules to find
    #[command(
        after_help = "Examples:\n  postern rules index registre-hr/\n  postern rules index agents.csv --columns nir,nom,naissance\n  postern rules index --list"
    )]
    Index(Index),
}

#[derive(Debug, Args)]
pub struct Shown {
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Folder {
    /// The folder of rules; default: the shipped ones
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Test {
    /// One rule; without it all rules and the policies
    id: Option<String>,
    #[command(flatten)]
    folder: Folder,
}

#[derive(Debug, Args)]
pub struct Try {
    /// The rule
    id: String,
    /// The text, or `-` for standard input
    text: String,
    #[command(flatten)]
    folder: Folder,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// The rule
    id: String,
    #[command(flatten)]
    folder: Folder,
}

/// Octets of a text to try.
const TEXT_LIMIT: u64 = 16 << 20;

impl Rules {
    pub fn run(self) -> Done {
        match self {
            Rules::Test(test) => test.run(),
            Rules::Try(one) => one.run(),
            Rules::Explain(one) => one.run(),
            Rules::Index(index) => index.run(),
            Rules::Validators(shown) => {
                let rows = validators().iter().map(
                    |validator| json!({"validator": validator.name, "checks": validator.about.1, "example": validator.example}),
                );
                report::rows(Answer::Rows(rows.collect()), shown.format, &["validator", "example", "checks"])
            }
        }
    }
}

impl Test {
    fn run(self) -> Done {
        let folder = rules_folder(self.folder.rules.as_deref())?;
        // Loading runs every test: what fails is a problem with file and line, and the set is not taken.
        if self.id.is_none() {
            let laws = match laws::load(&folder, &Arc::from([])) {
                Ok(laws) => laws,
                Err(problems) => {
                    eprintln!("{problems}");
                    return Err(Failure::Failed);
                }
            };
            let tests = run_tests(&laws.rules, None).len();
            let cases = policy::run_cases(&laws.policy).len();
            let rules = laws.rules.rules().len();
            match self.folder.format {
                Format::Json => {
                    println!("{}", json!({"rules": rules, "tests": tests, "cases": cases, "failed": 0, "ruleset": &*laws.hash}))
                }
                Format::Text => println!("{rules} rules, {tests} tests, {cases} cases of policies: all pass"),
            }
            return Ok(());
        }
        let (rules, _) = match laws::load_rules(&folder) {
            Ok(loaded) => loaded,
            Err(problems) => {
                eprintln!("{problems}");
                return Err(Failure::Failed);
            }
        };
        let id = self.id.as_deref().unwrap_or_default();
        known(&rules, id)?;
        let outcomes = run_tests(&rules, Some(id));
        for outcome in &outcomes {
            match self.folder.format {
                Format::Json => println!(
                    "{}",
                    json!({"rule": outcome.rule, "file": outcome.file, "line": outcome.line, "passed": outcome.passed,
                        "got": outcome.got, "because": outcome.because})
                ),
                Format::Text => println!("{}:{}: {}", outcome.file, outcome.line, outcome.sentence()),
            }
        }
        if outcomes.iter().all(|outcome| outcome.passed) { Ok(()) } else { Err(Failure::Failed) }
    }
}

impl Try {
    fn run(self) -> Done {
        let folder = rules_folder(self.folder.rules.as_deref())?;
        let (rules, _) = laws::load_rules(&folder)?;
        known(&rules, &self.id)?;
        let text = match self.text.as_str() {
            "-" => std::io::read_to_string(std::io::stdin().take(TEXT_LIMIT))?,
            _ => self.text,
        };
        let Some(tried) = try_text(&rules, &self.id, &text) else { return Ok(()) };
        match self.folder.format {
            Format::Json => println!(
                "{}",
                json!({"rule": tried.rule, "confidence": tried.confidence, "summary": tried.summary,
                    "places": tried.places.iter().map(|place| json!({
                        "start": place.span.0, "end": place.span.1, "confidence": place.confidence, "reasons": place.reasons,
                    })).collect::<Vec<_>>()})
            ),
            Format::Text => {
                // The text is the officer's own; showing where it matched reveals nothing to anyone else.
                for place in &tried.places {
                    let (start, end) = place.span;
                    let colour = if place.confidence.is_some() { Paint::Red } else { Paint::Faint };
                    println!("{}{}{}", &text[..start], colour.on(&text[start..end]), &text[end..]);
                    for reason in &place.reasons {
                        println!("  {reason}");
                    }
                }
                println!("{}", tried.summary);
            }
        }
        Ok(())
    }
}

impl Explain {
    fn run(self) -> Done {
        let folder = rules_folder(self.folder.rules.as_deref())?;
        let (rules, _) = laws::load_rules(&folder)?;
        known(&rules, &self.id)?;
        let Some(rule) = rules.rule(&self.id) else { return Ok(()) };
        let row = json!({
            "rule": rule.id, "fr": rule.title_fr, "en": rule.title_en, "description": rule.description, "why": rule.why,
            "looks for": rule.looks_for(), "category": rule.category, "status": rule.status, "owner": rule.owner,
            "reviewed": rule.reviewed, "file": rule.file,
        });
        report::rows(
            Answer::Rows(vec![row]),
            self.folder.format,
            &["rule", "fr", "en", "description", "why", "looks for", "category", "status", "owner", "reviewed", "file"],
        )
    }
}

fn known(rules: &detect::RuleSet, id: &str) -> Done {
    if rules.rule(id).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = rules.rules().iter().map(|rule| &*rule.id.0).collect();
    Err(Failure::Wrong(format!("there is no rule \"{id}\"; {}", detect::suggestion(id, &names))))
}
