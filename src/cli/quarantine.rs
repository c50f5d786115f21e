//! `postern quarantine`: what is held, and what an officer decides of it.

use super::{ConfigFile, Done, Format, report};
use crate::config::Settings;
use crate::console::{Request, ask};
use crate::mail::Reference;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
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
    #[arg(value_parser = reference)]
    reference: Reference,
    #[command(flatten)]
    file: ConfigFile,
    /// Who decides, for the audit; default: the name of the user who runs the command
    #[arg(long)]
    officer: Option<String>,
}

impl Quarantine {
    pub fn run(self) -> Done {
        match self {
            Quarantine::List(list) => {
                report::rows(super::ask_or_open(&list.file.config, Request::QuarantineList {})?, list.format)
            }
            Quarantine::Show(one) => {
                let request = Request::QuarantineShow { reference: one.reference };
                report::rows(super::ask_or_open(&one.file.config, request)?, one.format)
            }
            // Release and rejection send mail: only the running gate does that.
            Quarantine::Release(act) => {
                let settings = Settings::load(&act.file.config)?;
                let request = Request::QuarantineRelease { reference: act.reference, officer: officer(act.officer) };
                report::rows(ask(&settings.control_socket(), &request)?, Format::Text)
            }
            Quarantine::Reject(act) => {
                let settings = Settings::load(&act.file.config)?;
                let request = Request::QuarantineReject { reference: act.reference, officer: officer(act.officer) };
                report::rows(ask(&settings.control_socket(), &request)?, Format::Text)
            }
        }
    }
}

pub fn officer(given: Option<String>) -> String {
    given.or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "operator".into())
}

fn reference(text: &str) -> Result<Reference, String> {
    Reference::parse(text).ok_or_else(|| "a reference looks like PST-7F3A2CQX9KMD".into())
}
