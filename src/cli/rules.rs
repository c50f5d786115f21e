//! `postern rules`: the officer's tools for rules and policies.

use super::{Done, Failure, Format, report};
use crate::cli::report::Paint;
use crate::config::{laws, rules_folder};
use crate::detect::{self, run_tests, try_text, validators};
use crate::policy;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Subcommand)]
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
    id: String,
    text: String,
    #[command(flatten)]
    folder: Folder,
}

#[derive(Debug, Args)]
pub struct Explain {
    id: String,
    #[command(flatten)]
    folder: Folder,
}

impl Rules {
    pub fn run(self) -> Done {
        match self {
            Rules::Test(test) => test.run(),
            Rules::Try(one) => one.run(),
            Rules::Explain(one) => one.run(),
            Rules::Validators(shown) => {
                let rows = validators().iter().map(
                    |validator| json!({"validator": validator.name, "checks": validator.about.1, "example": validator.example}),
                );
                report::rows(crate::console::Answer::Rows(rows.collect()), shown.format)
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
        let Some(tried) = try_text(&rules, &self.id, &self.text) else { return Ok(()) };
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
                    println!("{}{}{}", &self.text[..start], colour.on(&self.text[start..end]), &self.text[end..]);
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
        report::rows(crate::console::Answer::Rows(vec![row]), self.folder.format)
    }
}

fn known(rules: &detect::RuleSet, id: &str) -> Done {
    if rules.rule(id).is_some() {
        return Ok(());
    }
    let names = rules.rules().iter().map(|rule| &*rule.id.0);
    Err(Failure::Wrong(format!("there is no rule \"{id}\"; {}", detect::suggestion(id, names))))
}
