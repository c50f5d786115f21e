//! `postern keys expire`: correspondents' keys that end soon and have no successor.

use super::{LISTED, row};
use crate::cli::{ConfigFile, Done, Failure, Format, report};
use crate::config::Settings;
use crate::console::Answer;
use crate::serve;
use clap::Args;

#[derive(Debug, Args)]
pub struct Expire {
    /// How far to look ahead; left out: [lookup] warn_days
    #[arg(long)]
    days: Option<u32>,
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Expire {
    /// Ends with 1 when there are some.
    pub fn run(self) -> Done {
        let settings = Settings::load(&self.file.config)?;
        let (folder, now) = serve::open_keys(&settings);
        let days = self.days.unwrap_or(settings.lookup.warn_days);
        let ending = folder.ending_before(now, now.plus(i64::from(days) * 86_400));
        report::rows(Answer::Rows(ending.iter().map(row).collect()), self.format, LISTED)?;
        if ending.is_empty() { Ok(()) } else { Err(Failure::Failed) }
    }
}
