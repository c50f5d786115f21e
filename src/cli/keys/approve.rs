//! `postern keys approve`: an officer's word that a key which a look-up brought may take the place of one that is still valid.

use super::super::{ConfigFile, Done, Failure, Format, report};
use crate::config::Settings;
use crate::console::Answer;
use crate::lookup::known::{KnownKeys, approve};
use crate::protect::trust::claims::plain;
use crate::world::Clock;
use clap::Args;

#[derive(Debug, Args)]
pub struct Approve {
    /// The key's fingerprint, as it is shown without one
    fingerprint: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const SHOWN: &[&str] = &["address", "kind", "source", "since", "fingerprint", "instead_of"];

impl Approve {
    pub fn run(self) -> Done {
        let settings = Settings::load(&self.file.config)?;
        let waiting = KnownKeys::open(&settings.data, &settings.keys)?.waiting()?;
        let Some(fingerprint) = self.fingerprint else {
            let rows = waiting.iter().map(|one| serde_json::to_value(one).unwrap_or_default()).collect();
            return report::rows(Answer::Rows(rows), self.format, SHOWN);
        };
        if plain(&fingerprint).is_empty() {
            return Err(Failure::Wrong(format!(
                "\"{fingerprint}\" is no fingerprint; `postern keys approve` shows those that wait"
            )));
        }
        let Some(one) = waiting.iter().find(|one| plain(&one.fingerprint) == plain(&fingerprint)) else {
            return Err(Failure::Wrong(format!("no key {fingerprint} waits; `postern keys approve` shows those that do")));
        };
        approve(&settings.keys, &one.fingerprint, Clock::system().now())?;
        println!("approved: {} for {}; it is taken when it is looked up again", one.fingerprint, one.address);
        Ok(())
    }
}
