//! `postern keys approve`: an officer's word that a key which a look-up brought may take the place of one that is still valid.

use super::super::{ConfigFile, Done, Failure, Format, quarantine, report, wait_for};
use crate::audit;
use crate::config::Settings;
use crate::console::Answer;
use crate::lookup::known::{KnownKeys, approve};
use crate::protect::trust::claims::plain;
use crate::store::Store;
use crate::world::Clock;
use clap::Args;

#[derive(Debug, Args)]
pub struct Approve {
    /// The key's fingerprint, as it is shown without one
    fingerprint: Option<String>,
    /// Who does it, for the audit; default: the name of the user who runs the command
    #[arg(long, value_name = "NAME")]
    officer: Option<String>,
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
        // Audited first: a key that nobody can be asked about is not put in force.
        let (by, at) = (quarantine::officer(self.officer), Clock::system().now());
        let line = audit::line::key_approved(at, &one.address, &one.fingerprint, &one.instead_of, &by);
        let store = Store::open_beside(&settings.data, &settings.store)?;
        wait_for(async { store.record(at, line).await })??;
        approve(&settings.keys, &one.fingerprint, at)?;
        println!("approved: {} for {}; the next message uses it", one.fingerprint, one.address);
        Ok(())
    }
}
