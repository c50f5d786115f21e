//! `postern keys`: certificates and OpenPGP keys of recipients, each with whether it can be used and why not.

mod approve;
mod bind;
mod ca;
mod expire;
mod find;
mod generate;
mod harvest;
pub mod secret;
mod show;
mod wkd;

use super::{ConfigFile, Done, Failure, Format, report};
use crate::config::Settings;
use crate::console::Answer;
use crate::lookup::{KeyReport, examine};
use crate::mail::{Address, UnixTime};
use crate::serve;
use crate::world::Clock;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern keys import claire.pem --config config.toml")]
pub enum Keys {
    /// Take keys into keys/recipients/: each is tried first, one that cannot be used is refused with the reason
    #[command(after_help = "Example:\n  postern keys import claire.pem paul.asc --config config.toml")]
    Import(Import),
    /// All recipients' keys
    #[command(after_help = "Example:\n  postern keys list --config config.toml --format json")]
    List(List),
    /// All that is known of one key, or of the keys of one address
    #[command(after_help = "Example:\n  postern keys show claire@example.org --config config.toml")]
    Show(show::Show),
    /// Let a key take the place of another one that is still valid; without a fingerprint: show which keys wait for that
    #[command(
        after_help = "Example:\n  postern keys approve\n  postern keys approve 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )]
    Approve(approve::Approve),
    /// The internal certification authority: issue, revoke and list certificates of our own people
    #[command(subcommand)]
    Ca(ca::Ca),
    /// Make keys of their own for one of our people, in keys/ours/: OpenPGP, S/MIME by the internal authority, or a request to another one
    #[command(
        after_help = "Example:\n  postern keys generate alice@example.org --name \"Alice Martin\"\n  postern keys generate alice@example.org --smime --csr alice.csr"
    )]
    Generate(generate::Generate),
    /// What others look up in our Web Key Directory
    #[command(subcommand)]
    Wkd(wkd::Wkd),
    /// Passwords agreed with recipients who have no key
    #[command(subcommand)]
    Secret(secret::Secret),
    /// Ask every source for the keys of one address: what each gave, how long it took, why each key is taken or refused
    #[command(after_help = "Example:\n  postern keys find claire@example.com --config config.toml")]
    Find(find::Find),
    /// Take keys of correspondents from mail that they sent, into keys/harvested/
    #[command(after_help = "Example:\n  postern keys harvest /var/mail/archive/Maildir --config config.toml")]
    Harvest(harvest::Harvest),
    /// Correspondents' keys that end soon and have no successor
    #[command(after_help = "Example:\n  postern keys expire --days 60 --config config.toml")]
    Expire(expire::Expire),
}

#[derive(Debug, Args)]
pub struct Import {
    /// S/MIME certificates (PEM or DER) and OpenPGP keys (armored or binary)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Use the key for this address and no other, though more stand in it; of several keys for the address this is the one that is used
    #[arg(long = "for", value_name = "ADDRESS")]
    addresses: Vec<Address>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const LISTED: &[&str] = &["addresses", "kind", "usable", "expires", "file", "reason", "fingerprint"];
/// Octets of a key file.
const FILE_LIMIT: u64 = 16 << 20;

impl Keys {
    pub fn run(self) -> Done {
        match self {
            Keys::Import(import) => import.run(),
            Keys::Show(show) => show.run(),
            Keys::Approve(approve) => approve.run(),
            Keys::Ca(ca) => ca.run(),
            Keys::Generate(generate) => generate.run(),
            Keys::Wkd(wkd) => wkd.run(),
            Keys::Secret(secret) => secret.run(),
            Keys::Find(find) => find.run(),
            Keys::Harvest(harvest) => harvest.run(),
            Keys::Expire(expire) => expire.run(),
            Keys::List(list) => {
                let settings = Settings::load(&list.file.config)?;
                let (folder, _) = serve::open_keys(&settings);
                report::rows(Answer::Rows(folder.reports().iter().map(row).collect()), list.format, LISTED)
            }
        }
    }
}

impl Import {
    fn run(self) -> Done {
        let settings = Settings::load(&self.file.config)?;
        let recipients = settings.keys.join("recipients");
        let now = Clock::system().now();
        let trust = serve::open_trust(&settings, None).0;
        let mut refused = false;
        for path in &self.files {
            let wrong = |why: String| Failure::Wrong(format!("{}: {why}", path.display()));
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if std::fs::metadata(path).map_err(|why| wrong(why.to_string()))?.len() > FILE_LIMIT {
                return Err(wrong("is too large for a key".into()));
            }
            let octets = std::fs::read(path).map_err(|why| wrong(why.to_string()))?;
            let reports = examine(&name, &octets, &trust, now);
            for report in &reports {
                println!("{}", line(report));
            }
            // Taken as a whole or not at all: a file of which half is usable would hide the other half.
            if reports.is_empty() || reports.iter().any(|report| report.usable.is_err()) {
                eprintln!("{}: not imported", path.display());
                refused = true;
                continue;
            }
            if !bind::may_be_taken(&settings, path, &reports, &self.addresses, now)? {
                refused = true;
                continue;
            }
            std::fs::create_dir_all(&recipients)?;
            let target = recipients.join(&name);
            if target.exists() && std::fs::read(&target)? != octets {
                return Err(Failure::Wrong(format!(
                    "{} is there already with another key; rename one of them or remove the old one first",
                    target.display()
                )));
            }
            // The binding first: a key that is there before it would be everybody's for a moment.
            bind::write(&recipients, &reports, &self.addresses)?;
            let half = recipients.join(format!(".{name}.new"));
            std::fs::write(&half, &octets)?;
            std::fs::rename(&half, &target)?;
        }
        if refused { Err(Failure::Failed) } else { Ok(()) }
    }
}

fn line(report: &KeyReport) -> String {
    let addresses: Vec<String> = report.addresses.iter().map(ToString::to_string).collect();
    match &report.usable {
        Ok(()) => format!("usable: {} for {} ({})", report::said(&report.kind), addresses.join(", "), report.fingerprint),
        Err(reason) => format!("refused: {} {}: {reason}", report::said(&report.kind), addresses.join(", ")),
    }
}

fn row(report: &KeyReport) -> Value {
    json!({
        "file": report.file, "kind": report.kind, "addresses": report.addresses, "fingerprint": report.fingerprint,
        "expires": report.expires.map(UnixTime::rfc3339), "usable": report.usable.is_ok(),
        "reason": report.usable.as_ref().err(),
        "not_for": report.not_for.iter().map(|(address, why)| json!({"address": address, "reason": why})).collect::<Vec<_>>(),
    })
}
