//! `postern serve`: the gate itself, until it is told to stop.

use super::{Done, Failure};
use crate::config::Settings;
use crate::config::file::LogFormat;
use crate::serve::{Gatehouse, Signal};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  postern serve --config config.toml\n\nSIGHUP reloads rules, policies and recipients' keys; SIGTERM drains and ends."
)]
pub struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Serve {
    pub fn run(self) -> Done {
        let settings = Settings::load(&self.config)?;
        let log = settings.log.clone();
        crate::serve::log_to_stderr(&log);
        let runtime = crate::serve::runtime()?;
        runtime.block_on(async {
            let mut signals = crate::serve::Signals::new()?;
            let gatehouse = Gatehouse::open(settings).await.map_err(|error| Failure::Wrong(error.to_string()))?;
            let listeners: Vec<_> = gatehouse
                .listeners()
                .map(|(name, address)| serde_json::json!({"name": name, "address": address.to_string()}))
                .collect();
            let ready = serde_json::json!({"event": "ready", "listeners": listeners});
            let mut out = std::io::stdout().lock();
            writeln!(out, "{ready}")?;
            out.flush()?;
            drop(out);
            for record in gatehouse.made_records() {
                match log.format {
                    LogFormat::Text => eprintln!("publish this DNS record of a new DKIM key: {}", record.zone_line()),
                    LogFormat::Json => eprintln!(
                        "{}",
                        serde_json::json!({"event": "dkim-key-made", "name": record.name, "type": "TXT", "value": record.text})
                    ),
                }
            }
            crate::serve::tell_systemd_ready();
            while signals.next().await == Signal::Reload {
                gatehouse.reload().await;
            }
            gatehouse.drain().await;
            Ok(())
        })
    }
}
