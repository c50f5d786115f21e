//! `postern keys secret`: passwords agreed with recipients who have no key, for the containers that are sent to them.

use super::super::{ConfigFile, Done, Failure, Format, quarantine, report, wait_for};
use crate::config::Settings;
use crate::console::Answer;
use crate::mail::{Address, Language};
use crate::pipeline::{Laws, service_tells};
use crate::protect::container::Password;
use crate::store::{DATABASE, Store};
use crate::vault::{Kept, Secrets};
use crate::world::Clock;
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::BufRead;
use zeroize::Zeroizing;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern keys secret set jean@example.net --generate --config config.toml")]
pub enum Secret {
    /// Agree on a password with a recipient: yours, read from standard input, or a new one, which is printed this once
    #[command(
        after_help = "Example:\n  postern keys secret set jean@example.net --generate --config config.toml\n\nTell it to the recipient by telephone or on paper, never by mail."
    )]
    Set(Set),
    /// With whom a password is agreed; never the passwords
    #[command(after_help = "Example:\n  postern keys secret list --config config.toml --format json")]
    List(List),
    /// Forget a recipient's password: what policies want encrypted is held again
    #[command(after_help = "Example:\n  postern keys secret forget jean@example.net --config config.toml")]
    Forget(Forget),
}

#[derive(Debug, Args)]
pub struct Set {
    /// The recipient
    address: Address,
    /// Make a password of 100 random bits and print it
    #[arg(long)]
    generate: bool,
    /// Read the password from the first line of standard input (the default)
    #[arg(long, conflicts_with = "generate")]
    password_stdin: bool,
    /// The recipient's language, for the letter around the container: fr or en; default: the house's
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    language: Option<Language>,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Args)]
pub struct Forget {
    /// The recipient
    address: Address,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Args)]
pub struct Who {
    /// Who does it, for the audit; default: the name of the user who runs the command
    #[arg(long, value_name = "NAME")]
    officer: Option<String>,
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

const LISTED: &[&str] = &["address", "language", "by", "at"];
/// Octets read from standard input.
const LINE_LIMIT: u64 = 4096;

impl Secret {
    pub fn run(self) -> Done {
        match self {
            Secret::Set(set) => set.run(),
            Secret::List(list) => {
                let secrets = open(&Settings::load(&list.file.config)?)?;
                let row = |kept: Kept| json!({"address": kept.address, "language": kept.language, "by": kept.set_by, "at": kept.at.rfc3339()});
                let rows = wait_for(secrets.list())??.into_iter().map(row).collect();
                report::rows(Answer::Rows(rows), list.format, LISTED)
            }
            Secret::Forget(forget) => {
                let secrets = open(&Settings::load(&forget.who.file.config)?)?;
                let (by, at) = (quarantine::officer(forget.who.officer), Clock::system().now());
                match wait_for(secrets.forget(&forget.address, &by, at))?? {
                    true => Ok(()),
                    false => Err(Failure::Wrong(format!("no password is agreed with {}", forget.address))),
                }
            }
        }
    }
}

impl Set {
    fn run(self) -> Done {
        let settings = Settings::load(&self.who.file.config)?;
        let letters = self.language.unwrap_or(settings.language);
        let password = if self.generate {
            Password::generate(letters).map_err(|why| Failure::Wrong(why.to_string()))?
        } else {
            let mut line = Zeroizing::new(String::new());
            std::io::Read::take(std::io::stdin().lock(), LINE_LIMIT).read_line(&mut line)?;
            let text = line.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                return Err(Failure::Wrong("write the password on standard input, or --generate".into()));
            }
            let chosen = Password::chosen(text, &self.address, letters);
            chosen.map_err(|weak| Failure::Wrong(weak.sentence(settings.language)))?
        };
        let secrets = open(&settings)?;
        let (by, at) = (quarantine::officer(self.who.officer), Clock::system().now());
        wait_for(secrets.set(&self.address, &password, self.language, &by, at))??;
        if self.generate {
            println!("{}", password.as_str());
        }
        Ok(())
    }
}

/// With whom a password is agreed, or told by the service, of these; nobody before the gate's first start.
pub fn agreed(settings: &Settings, laws: &Laws, recipients: &[Address]) -> Result<BTreeSet<Address>, Failure> {
    if !laws.policy.uses_containers() {
        return Ok(BTreeSet::new());
    }
    let mut agreed = everyone(settings, laws)?;
    agreed.retain(|address| recipients.contains(address));
    if settings.protect.password_hook.url.is_some() {
        agreed.extend(recipients.iter().filter(|recipient| service_tells(recipient, &settings.inside)).cloned());
    }
    Ok(agreed)
}

/// All with whom a password is agreed.
pub fn everyone(settings: &Settings, laws: &Laws) -> Result<BTreeSet<Address>, Failure> {
    if !laws.policy.uses_containers() || !settings.data.join(DATABASE).is_file() {
        return Ok(BTreeSet::new());
    }
    let kept = wait_for(open(settings)?.list())??;
    Ok(kept.into_iter().map(|kept| kept.address).collect())
}

/// Beside a gate that may be running: it sees what is agreed with its next message.
fn open(settings: &Settings) -> Result<Secrets, Failure> {
    Ok(Secrets::open(&settings.data, Store::open_beside(&settings.data, &settings.store)?)?)
}

fn language(text: &str) -> Result<Language, String> {
    match text {
        "fr" => Ok(Language::Fr),
        "en" => Ok(Language::En),
        _ => Err("write fr or en".into()),
    }
}
