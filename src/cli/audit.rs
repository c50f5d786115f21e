//! `postern audit`: the chain of decisions, checked and exported.

use super::{ConfigFile, Done, Failure, Format, report};
use crate::console::{Answer, Request};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check that the chain is whole: nothing altered, removed or put in another order
    #[command(after_help = "Example:\n  postern audit verify --config config.toml")]
    Verify(Over),
    /// Every line of the audit, as JSON
    #[command(after_help = "Example:\n  postern audit export --config config.toml > audit.jsonl")]
    Export(Over),
}

#[derive(Debug, Args)]
pub struct Over {
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Audit {
    pub fn run(self) -> Done {
        match self {
            Audit::Verify(over) => match super::ask_or_open(&over.file.config, Request::AuditVerify {})? {
                Answer::Rows(rows) => {
                    let whole = rows.iter().all(|row| row["whole"] == true);
                    report::rows(Answer::Rows(rows), over.format)?;
                    if whole { Ok(()) } else { Err(Failure::Failed) }
                }
                no => report::rows(no, over.format),
            },
            // One JSON object per line is the only form an audit line has.
            Audit::Export(over) => report::rows(super::ask_or_open(&over.file.config, Request::AuditExport {})?, Format::Json),
        }
    }
}
