//! `postern spool`: copies that wait for the upstream.

use super::{ConfigFile, Done, Failure, Format, quarantine, report};
use crate::console::{Answer, Request};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern spool list --config config.toml")]
pub enum Spool {
    /// All copies that wait, with their recipients, attempts and last answer
    #[command(after_help = "Example:\n  postern spool list --config config.toml")]
    List(List),
    /// Try now instead of at the next due time
    #[command(after_help = "Example:\n  postern spool retry        (all)\n  postern spool retry 42")]
    Retry(Retry),
    /// Give up on a copy; its sender gets a delivery report
    #[command(after_help = "Example:\n  postern spool bounce 42 --officer postmaster")]
    Bounce(Bounce),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Retry {
    /// The number in `spool list`; without it all
    id: Option<i64>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Bounce {
    /// The number in `spool list`
    id: i64,
    #[command(flatten)]
    file: ConfigFile,
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    officer: Option<String>,
}

const WAITING: &[&str] = &["id", "reference", "from", "to", "state", "attempts", "next", "protection", "said"];

/// One line for each recipient who still waits.
fn waiting(copy: &Value) -> Vec<Value> {
    let deliveries = copy["deliveries"].as_array().into_iter().flatten();
    deliveries
        .map(|delivery| {
            json!({"id": copy["id"], "reference": copy["reference"], "from": copy["mail_from"], "to": delivery["recipient"],
                "state": delivery["state"], "attempts": copy["attempts"], "next": copy["next_at"], "protection": copy["protection"],
                "said": delivery["said"]})
        })
        .collect()
}

impl Spool {
    pub fn run(self) -> Done {
        let (file, format, request) = match self {
            Spool::List(list) => {
                return match (super::ask_or_open(&list.file.config, Request::SpoolList {})?, list.format) {
                    (Answer::No(sentence), _) => Err(Failure::Wrong(sentence)),
                    (Answer::Rows(copies), Format::Text) => {
                        report::rows(Answer::Rows(copies.iter().flat_map(waiting).collect()), Format::Text, WAITING)
                    }
                    (answer, format) => report::rows(answer, format, &[]),
                };
            }
            Spool::Retry(retry) => (retry.file, Format::Text, Request::SpoolRetry { id: retry.id }),
            Spool::Bounce(bounce) => {
                let officer = quarantine::officer(bounce.officer);
                (bounce.file, Format::Text, Request::SpoolBounce { id: bounce.id, officer })
            }
        };
        report::rows(super::ask_or_open(&file.config, request)?, format, &["id", "reference", "state", "due now"])
    }
}
