//! `postern spool`: copies that wait for the upstream.

use super::{ConfigFile, Done, Format, quarantine, report};
use crate::console::Request;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
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
    #[arg(long)]
    officer: Option<String>,
}

impl Spool {
    pub fn run(self) -> Done {
        let (file, format, request) = match self {
            Spool::List(list) => (list.file, list.format, Request::SpoolList {}),
            Spool::Retry(retry) => (retry.file, Format::Text, Request::SpoolRetry { id: retry.id }),
            Spool::Bounce(bounce) => {
                let officer = quarantine::officer(bounce.officer);
                (bounce.file, Format::Text, Request::SpoolBounce { id: bounce.id, officer })
            }
        };
        report::rows(super::ask_or_open(&file.config, request)?, format)
    }
}
