//! `postern quarantine`: what is held, and what an officer decides of it.

use super::report::{self, Paint};
use super::{ConfigFile, Done, Format};
use crate::config::Settings;
use crate::console::{Answer, Request, ask};
use crate::mail::Reference;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::path::Path;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern quarantine list --config config.toml")]
pub enum Quarantine {
    /// All held messages, oldest first
    #[command(after_help = "Example:\n  postern quarantine list --config config.toml --format json")]
    List(List),
    /// Why one message is held: rules, places, masked values
    #[command(after_help = "Example:\n  postern quarantine show PST-7F3A2CQX9KMD")]
    Show(One),
    /// Send a held message on: it takes the whole walk again, and is still encrypted and signed
    #[command(after_help = "Example:\n  postern quarantine release PST-7F3A2CQX9KMD --officer dpo")]
    Release(Act),
    /// Refuse a held message; its sender is told
    #[command(after_help = "Example:\n  postern quarantine reject PST-7F3A2CQX9KMD --officer dpo")]
    Reject(Act),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub struct One {
    /// The reference in the reply, the notice and the audit
    #[arg(value_parser = reference)]
    reference: Reference,
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Act {
    /// The reference in the reply, the notice and the audit
    #[arg(value_parser = reference)]
    reference: Reference,
    #[command(flatten)]
    file: ConfigFile,
    /// Who decides, for the audit; default: the name of the user who runs the command
    #[arg(long, value_name = "NAME")]
    officer: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const LISTED: &[&str] = &["reference", "at", "sender", "recipients", "rules"];
const DECIDED: &[&str] = &["reference", "state"];

impl Quarantine {
    pub fn run(self) -> Done {
        match self {
            Quarantine::List(list) => {
                report::rows(super::ask_or_open(&list.file.config, Request::QuarantineList {})?, list.format, LISTED)
            }
            Quarantine::Show(one) => {
                let request = Request::QuarantineShow { reference: one.reference };
                match (super::ask_or_open(&one.file.config, request)?, one.format) {
                    (Answer::Rows(held), Format::Text) => {
                        held.iter().for_each(|held| print!("{}", shown(held, &one.file.config)));
                        Ok(())
                    }
                    (answer, format) => report::rows(answer, format, &[]),
                }
            }
            // Release and rejection send mail: only the running gate does that.
            Quarantine::Release(act) => {
                let settings = Settings::load(&act.file.config)?;
                let request = Request::QuarantineRelease { reference: act.reference, officer: officer(act.officer) };
                report::rows(ask(&settings.control_socket(), &request)?, act.format, DECIDED)
            }
            Quarantine::Reject(act) => {
                let settings = Settings::load(&act.file.config)?;
                let request = Request::QuarantineReject { reference: act.reference, officer: officer(act.officer) };
                report::rows(ask(&settings.control_socket(), &request)?, act.format, DECIDED)
            }
        }
    }
}

/// A held message for the person who decides: who, why, what was found (masked), and what may be done.
fn shown(held: &Value, config: &Path) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let words = |value: &Value| value.as_array().into_iter().flatten().map(word).collect::<Vec<_>>().join(", ");
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (summary, reference) = (&held["summary"], word(&held["reference"]));
    let language = if summary["language"] == "en" { "en" } else { "fr" };
    let mut text = format!("{}  {}  {}\n", Paint::Bold.on(&reference), word(&held["state"]), word(&held["at"]));
    if let Some(decided) = held["decided_at"].as_str() {
        text.push_str(&format!("  decided: {decided}\n"));
    }
    text.push_str(&format!("  from:    {}\n  size:    {} octets\n", word(&held["sender"]), summary["size"]));
    for recipient in items(&summary["recipients"]) {
        text.push_str(&format!(
            "  to:      {}  {}\n",
            word(&recipient["address"]),
            Paint::Yellow.on(word(&recipient["verdict"]))
        ));
        for reason in items(&recipient["reasons"]) {
            text.push_str(&format!("           by {}: {}\n", word(&reason["policy"]), word(&reason["because"][language])));
        }
    }
    for finding in items(&summary["findings"]) {
        let (rule, tier) = (word(&finding["rule"]), word(&finding["confidence"]));
        text.push_str(&format!("  found:   {rule} ({tier}): {} different  {}\n", finding["unique"], words(&finding["masked"])));
    }
    for unread in items(&summary["unreadable"]) {
        text.push_str(&format!("  unread:  {} ({})\n", word(&unread["part"]), word(&unread["reason"])));
    }
    let facts = words(&summary["facts"]);
    if !facts.is_empty() {
        text.push_str(&format!("  facts:   {facts}\n"));
    }
    if held["state"] == "held" {
        let rest = format!("{reference} --config {}", config.display());
        text.push_str(&format!("  decide:  postern quarantine release {rest}\n           postern quarantine reject {rest}\n"));
    }
    text
}

pub fn officer(given: Option<String>) -> String {
    given.or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "operator".into())
}

fn reference(text: &str) -> Result<Reference, String> {
    Reference::parse(text).ok_or_else(|| "a reference looks like PST-7F3A2CQX9KMD".into())
}
