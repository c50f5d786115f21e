//! `postern audit`: the chain of decisions, proved whole or written out line by line, beside a running gate or without one.

use super::{ConfigFile, Done, Failure, Format, report};
use crate::audit::{self, Break, Head, Report};
use crate::config::Settings;
use crate::console::Answer;
use crate::store::{Store, StoreError};
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::{BufReader, Write};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern audit verify --config config.toml")]
pub enum Audit {
    /// Check that the chain is whole: nothing altered, removed or put in another order
    #[command(after_help = "Examples:\n  postern audit verify --config config.toml\n  postern audit verify audit.jsonl\n  \
        postern audit verify audit.jsonl --head 1200:9f2c…   (a head that an earlier verify printed: shows that nothing was cut off)")]
    Verify(Verify),
    /// Every line of the audit, as JSON
    #[command(after_help = "Example:\n  postern audit export --config config.toml > audit.jsonl")]
    Export(Export),
}

#[derive(Debug, Args)]
pub struct Verify {
    /// A file that `postern audit export` wrote; without it the gate's own audit
    #[arg(value_name = "FILE")]
    exported: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
    /// A line known earlier, as NUMBER:HASH; it must still stand there. Can be repeated
    #[arg(long = "head", value_name = "NUMBER:HASH", value_parser = head)]
    heads: Vec<Head>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    file: ConfigFile,
    /// An audit line has one form: one JSON object per line
    #[arg(long, value_enum, default_value_t = Format::Json, hide = true)]
    format: Format,
}

impl Audit {
    pub fn run(self) -> Done {
        match self {
            Audit::Verify(verify) => verify.run(),
            Audit::Export(export) => export.run(),
        }
    }
}

impl Verify {
    fn run(self) -> Done {
        let proof: Result<Report, Break> = match &self.exported {
            Some(path) => {
                let file = std::fs::File::open(path).map_err(|why| Failure::Wrong(format!("{}: {why}", path.display())))?;
                audit::verify(BufReader::new(file), &self.heads)
            }
            None => {
                let store = beside(&self.file)?;
                super::wait_for(audit::verify_store(&store, &self.heads))??
            }
        };
        let whole = proof.is_ok();
        let row = match proof {
            Ok(report) => {
                let head = report.head.as_ref().map(|head| format!("{}:{}", head.seq, head.hash));
                json!({"whole": true, "lines": report.lines, "head": head})
            }
            Err(broken) => json!({"whole": false, "broken": broken.to_string()}),
        };
        report::rows(Answer::Rows(vec![row]), self.format, &["whole", "lines", "head", "broken"])?;
        if whole { Ok(()) } else { Err(Failure::Failed) }
    }
}

impl Export {
    fn run(self) -> Done {
        /// Either side of the export.
        enum Stop {
            Store(StoreError),
            Out(std::io::Error),
        }
        impl From<StoreError> for Stop {
            fn from(why: StoreError) -> Stop {
                Stop::Store(why)
            }
        }
        let store = beside(&self.file)?;
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        match super::wait_for(audit::export(&store, |line| writeln!(out, "{line}").map_err(Stop::Out)))? {
            Ok(()) => Ok(out.flush()?),
            Err(Stop::Store(why)) => Err(why.into()),
            Err(Stop::Out(why)) => Err(why.into()),
        }
    }
}

/// The store, for reading: a gate may be running on it.
fn beside(file: &ConfigFile) -> Result<Store, Failure> {
    let settings = Settings::load(&file.config)?;
    if !settings.data.is_dir() {
        return Err(Failure::Wrong(format!("{}: there is no store yet; `postern serve` makes it", settings.data.display())));
    }
    Ok(Store::open_beside(&settings.data, &settings.store)?)
}

fn head(text: &str) -> Result<Head, String> {
    let parts = text.split_once(':').and_then(|(seq, hash)| Some(Head { seq: seq.parse().ok()?, hash: hash.to_owned() }));
    parts.ok_or_else(|| "write NUMBER:HASH as `postern audit verify` prints it, like 1200:9f2c…".into())
}
