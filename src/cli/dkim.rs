//! `postern dkim`: our DKIM keys and what to publish of them.

use super::{ConfigFile, Done, Format};
use crate::config::Settings;
use crate::mail::Domain;
use crate::serve;
use crate::world::Clock;
use clap::{Args, Subcommand};
use serde_json::json;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern dkim dns --config config.toml")]
pub enum Dkim {
    /// Make the keys of our domains where they are missing: RSA-2048 and Ed25519
    #[command(after_help = "Example:\n  postern dkim generate --config config.toml")]
    Generate(Of),
    /// Print the DNS records to publish, in zone-file form
    #[command(after_help = "Example:\n  postern dkim dns --config config.toml >> zone.example.org")]
    Dns(Of),
}

#[derive(Debug, Args)]
pub struct Of {
    /// One domain; without it all of `inside`
    domain: Option<Domain>,
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Dkim {
    pub fn run(self) -> Done {
        let (Dkim::Generate(of) | Dkim::Dns(of)) = self;
        let settings = Settings::load(&of.file.config)?;
        let vault = serve::open_vault(&settings, Clock::system())?;
        let domains: Vec<Domain> = match of.domain {
            Some(domain) => vec![domain],
            None => settings.inside.to_vec(),
        };
        for signer in serve::dkim_signers(&vault, &domains)?.iter() {
            for record in signer.records()? {
                match of.format {
                    Format::Json => println!("{}", json!({"name": record.name, "type": "TXT", "value": record.text})),
                    Format::Text => println!("{}", record.zone_line()),
                }
            }
        }
        Ok(())
    }
}
