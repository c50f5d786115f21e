//! `postern rules`: the officer's tools for rules and policies.

mod compare;
mod domain;
mod explain;
mod new;
mod test;
mod try_out;

use super::index::Index;
use super::{Done, Failure, Format, language, report};
use crate::console::Answer;
use crate::detect::{RuleSet, Strength, suggestion, validators};
use crate::facts::Fact;
use crate::mail::Language;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example, a rule from the first line to its use:\n  postern rules new project-names --rules my-rules\n  \
    postern rules test project-names --rules my-rules\n  \
    postern rules try project-names 'Projet Alizé : calendrier' --rules my-rules\n  \
    postern backtest --config config.toml --rules my-rules Sent.mbox"
)]
pub enum Rules {
    /// Run the tests that stand in the rule files, and the cases of policy.toml
    #[command(after_help = "Examples:\n  postern rules test\n  postern rules test fr-nir --format json\n\n\
        Exit codes: 0 all pass, 1 a test or case fails, 2 a file cannot be read as rules")]
    Test(test::Test),
    /// What one rule makes of a text, and why
    #[command(after_help = "Examples:\n  postern rules try fr-nir 'N° de sécurité sociale : 1 85 05 78 006 084 91'\n  \
        postern rules try iban - < letter.txt")]
    Try(try_out::Try),
    /// A rule in words: what it looks for, how surely, why it exists, and which policies use it
    #[command(after_help = "Example:\n  postern rules explain iban")]
    Explain(explain::Explain),
    /// Write the file of a new rule, with explanations and tests that pass; it is a draft until you say otherwise
    #[command(after_help = "Examples:\n  postern rules new project-names --rules my-rules\n  \
        postern rules new case-number --from shape --rules my-rules --language fr")]
    New(new::New),
    /// The check digits and lists that a rule can name as validator, with examples
    #[command(after_help = "Example:\n  postern rules validators")]
    Validators(Shown),
    /// Register internal documents or the rows of a table, for rules to find
    #[command(
        after_help = "Examples:\n  postern rules index registre-hr/\n  postern rules index agents.csv --columns nir,nom,naissance\n  postern rules index --list"
    )]
    Index(Index),
    /// What a policy can ask of a message besides findings: facts, and when they hold
    #[command(after_help = "Example:\n  postern rules facts --language fr")]
    Facts(Shown),
    /// Whether a domain is taken for personal mailboxes, by which entry of which list, and who else says so
    #[command(
        after_help = "Examples:\n  postern rules domain gmail.com\n  postern rules domain mairie@orange.fr --language fr\n\n\
        Your own additions and exceptions: personal-domains-local.txt and personal-domains-except.txt in the folder lists"
    )]
    Domain(domain::OfDomain),
    /// What one folder of rules finds in messages and files that another does not
    #[command(after_help = "Example:\n  postern rules compare rules my-rules archive/ notes.docx\n\n\
        Exit codes: 0 nothing is lost, 1 NEW no longer finds at medium or above what OLD found, 2 the call or a file was wrong")]
    Compare(compare::Compare),
}

#[derive(Debug, Args)]
pub struct Shown {
    /// fr or en; default: that of the terminal
    #[arg(long, value_name = "fr|en", value_parser = language::parse)]
    language: Option<Language>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Folder {
    /// The folder of rules; default: the shipped ones
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// fr or en; default: that of the terminal
    #[arg(long, value_name = "fr|en", value_parser = language::parse)]
    language: Option<Language>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Folder {
    fn language(&self) -> Language {
        self.language.unwrap_or_else(language::here)
    }
}

impl Rules {
    pub fn run(self) -> Done {
        match self {
            Rules::Test(test) => test.run(),
            Rules::Try(one) => one.run(),
            Rules::Explain(one) => one.run(),
            Rules::Index(index) => index.run(),
            Rules::New(new) => new.run(),
            Rules::Validators(shown) => shown.validators(),
            Rules::Facts(shown) => shown.facts(),
            Rules::Domain(one) => one.run(),
            Rules::Compare(compare) => compare.run(),
        }
    }
}

impl Shown {
    fn validators(self) -> Done {
        let language = self.language.unwrap_or_else(language::here);
        let rows = validators().iter().map(|validator| {
            let strength = match validator.strength {
                Strength::Strong => "strong",
                Strength::Weak => "weak",
                Strength::AsWritten => "as written",
            };
            let checks = language::say(language, validator.about.0, validator.about.1);
            json!({"validator": validator.name, "strength": strength, "example": validator.example, "checks": checks})
        });
        report::rows(Answer::Rows(rows.collect()), self.format, &["validator", "strength", "example", "checks"])?;
        if self.format == Format::Text {
            eprintln!(
                "\n{}",
                language::say(
                    language,
                    "strong : moins d'un sosie sur 500 passe ; weak : jusqu'à un sur 10, donc exigez aussi un mot (near) ; \
                     as written : jeton ou mot de passe, lu avec ses majuscules et ses signes.",
                    "strong: fewer than one look-alike in 500 passes; weak: up to one in 10, so ask for a word too (near); as written: a token or \
                     password, read with its case and signs."
                )
            );
        }
        Ok(())
    }

    fn facts(self) -> Done {
        let language = self.language.unwrap_or_else(language::here);
        let rows = Fact::ALL.iter().map(|fact| {
            let (fr, en) = fact.meaning();
            let of = if fact.is_of_recipient() { "recipient" } else { "message" };
            match self.format {
                Format::Json => json!({"fact": fact, "of": of, "fr": fr, "en": en}),
                Format::Text => json!({"fact": fact, "of": of, "holds when": language::say(language, fr, en)}),
            }
        });
        report::rows(Answer::Rows(rows.collect()), self.format, &["fact", "of", "holds when"])
    }
}

fn known(rules: &RuleSet, id: &str) -> Done {
    if rules.rule(id).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = rules.rules().iter().map(|rule| &*rule.id.0).collect();
    Err(Failure::Wrong(format!("there is no rule \"{id}\"; {}", suggestion(id, &names))))
}
