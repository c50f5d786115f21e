//! `postern demo`: a gate on loopback, the shipped samples through real SMTP, and what became of each.

mod client;
mod correspondents;

use super::report::{Paint, table};
use super::{Done, Failure};
use crate::accounts::{Accounts, NewAccount};
use crate::config::Settings;
use crate::mail::{Address, Language, Protection, Reference};
use crate::pipeline::Gate;
use crate::serve::{Gatehouse, Signals, runtime};
use crate::store::{DeliveryState, HeldState};
use clap::Args;
use client::{Client, Said};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  postern demo          (goes on serving until Ctrl-C)\n  postern demo --once   (ends after the table; not 0 if an outcome is not the expected one)"
)]
pub struct Demo {
    /// End after the table, with 1 if any outcome is not the expected one
    #[arg(long)]
    once: bool,
    /// Where the demo keeps its data; made anew at each start
    #[arg(long, value_name = "DIR", default_value = "postern-demo")]
    folder: PathBuf,
}

/// Says that a folder is a demo's, and may be made anew.
const MARK: &str = "this-is-a-demo-of-postern";
const SAMPLES: &str = include_str!("demo_samples/samples.toml");
/// Until the built-in upstream has a copy.
const DELIVERED_WITHIN: Duration = Duration::from_secs(20);

macro_rules! sample {
    ($($name:literal),* $(,)?) => {
        fn octets(file: &str) -> Option<&'static [u8]> {
            match file {
                $($name => Some(include_bytes!(concat!("demo_samples/", $name))),)*
                _ => None,
            }
        }
    };
}

sample!(
    "01-clean-to-a-citizen.eml",
    "02-iban-list-in-a-workbook.eml",
    "03-nir-in-a-pdf-to-an-smime-certificate.eml",
    "04-nir-in-a-pdf-to-an-openpgp-key.eml",
    "05-nir-in-a-pdf-without-a-key.eml",
    "06-payslip-to-my-own-mailbox.eml",
    "07-reply-to-a-citizen.eml",
    "08-private-key-in-a-zip-in-a-zip.eml",
    "09-zip-with-a-password.eml",
);

#[derive(serde::Deserialize)]
struct Samples {
    from: Address,
    sample: Vec<Sample>,
}

#[derive(serde::Deserialize)]
struct Sample {
    file: String,
    to: Address,
    shows: String,
    expect: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
enum Outcome {
    #[serde(rename = "sent")]
    Sent,
    #[serde(rename = "held")]
    Held,
    #[serde(rename = "refused")]
    Refused,
    #[serde(rename = "encrypted with S/MIME")]
    Smime,
    #[serde(rename = "encrypted with OpenPGP")]
    Openpgp,
    #[serde(rename = "not delivered")]
    Undelivered,
}

impl Demo {
    pub fn run(self) -> Done {
        prepare(&self.folder)?;
        let folder = std::fs::canonicalize(&self.folder)?;
        let settings = Settings::from_text(&folder.join("config.toml"), &configuration())?;
        std::fs::write(&settings.path, configuration())?;
        crate::serve::log_to_stderr(&crate::config::file::Log {
            level: crate::config::file::Level::Warn,
            ..Default::default()
        });
        let runtime = runtime()?;
        runtime.block_on(async {
            let people = correspondents::make(&folder).map_err(Failure::Wrong)?;
            let samples: Samples = toml::from_str(SAMPLES)?;
            let password = zeroize::Zeroizing::new(format!("{:016x}", crate::world::Dice::system().roll()));
            let mut signals = Signals::new()?;
            let gatehouse = Gatehouse::open(settings).await?;
            let new = NewAccount {
                login: samples.from.clone(),
                owns: vec![samples.from.clone()],
                names: vec!["Marie Dupont".into()],
                language: Language::Fr,
            };
            accounts(&gatehouse)?.add(new, password.as_bytes(), "demo").await?;
            let all_expected = show(&gatehouse, &samples, &password, &folder, &people).await?;
            if self.once {
                gatehouse.drain().await;
                return if all_expected { Ok(()) } else { Err(Failure::Failed) };
            }
            println!("\nServing until Ctrl-C:");
            for (name, address) in gatehouse.listeners() {
                println!("  {name:12} {address}");
            }
            println!("  login {}, password {}", samples.from, &*password);
            signals.next().await;
            gatehouse.drain().await;
            Ok(())
        })
    }
}

/// A second handle on the accounts of the running gate: the store is shared.
fn accounts(gatehouse: &Gatehouse) -> Result<Accounts, Failure> {
    let gate = gatehouse.gate();
    Accounts::new(gate.store.clone(), Default::default(), gate.clock.clone()).map_err(|why| Failure::Wrong(why.to_string()))
}

/// `config.example.toml` but for ports of the system's choice and the samples' own domain.
fn configuration() -> String {
    crate::config::EXAMPLE
        .replace("127.0.0.1:1587", "127.0.0.1:0")
        .replace("127.0.0.1:1465", "127.0.0.1:0")
        .replace("127.0.0.1:1525", "127.0.0.1:0")
        .replace("\nrules = \"rules\"", "\n# rules = \"rules\"")
        .replace("\"gate.example.org\"", "\"gate.example.gouv.fr\"")
        .replace("[\"example.org\"]", "[\"example.gouv.fr\"]")
}

/// An empty folder; one of an earlier demo is made anew, anything else is left alone.
fn prepare(folder: &Path) -> Result<(), Failure> {
    if folder.join(MARK).exists() {
        std::fs::remove_dir_all(folder)?;
    } else if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::Wrong(format!(
            "{} is not empty and not from a demo; write --folder with another name",
            folder.display()
        )));
    }
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::write(folder.join(MARK), "`postern demo` deletes this folder and makes it anew.\n")?)
}

/// Submits every sample, then prints the table. True when every outcome is the expected one.
async fn show(
    gatehouse: &Gatehouse,
    samples: &Samples,
    password: &str,
    folder: &Path,
    people: &correspondents::People,
) -> Result<bool, Failure> {
    let address = gatehouse.listeners().find(|(name, _)| *name == "submissions").map(|(_, address)| address);
    let address = address.ok_or_else(|| Failure::Wrong("the demo's configuration has no listener \"submissions\"".into()))?;
    let certificate = gatehouse.gate().vault.tls().certificates;
    let mut client = Client::connect(address, certificate, &samples.from.to_string(), password).await?;
    let mut rows = Vec::new();
    let mut all_expected = true;
    for sample in &samples.sample {
        let octets = octets(&sample.file).ok_or_else(|| Failure::Wrong(format!("{} is not shipped", sample.file)))?;
        let said = client.submit(&samples.from, &sample.to, octets).await?;
        let (outcome, reference) = became(gatehouse.gate(), &said).await?;
        let as_expected = outcome == sample.expect;
        all_expected &= as_expected;
        let became = super::report::said(&outcome);
        rows.push(json!({
            "sample": sample.shows,
            "to": sample.to,
            "became": if as_expected { became } else { format!("{became} (expected: {})", super::report::said(&sample.expect)) },
            "look at": where_to_look(outcome, reference, &said),
        }));
    }
    print!("{}", table(&rows));
    println!();
    println!("What left is in {}", folder.join("data/outbox/new").display());
    println!("  the S/MIME one opens with:  {}", people.smime_command());
    println!("  the OpenPGP one opens with: {}", people.openpgp_command());
    println!("What is held:  postern quarantine list --config {}", folder.join("config.toml").display());
    println!("Every decision: postern audit export --config {}", folder.join("config.toml").display());
    if !all_expected {
        println!("{}", Paint::Red.on("Not every outcome is the expected one."));
    }
    Ok(all_expected)
}

fn where_to_look(outcome: Outcome, reference: Option<Reference>, said: &Said) -> String {
    let reference = reference.map(|reference| reference.to_string()).unwrap_or_default();
    match outcome {
        Outcome::Refused => format!("{} {}", said.code, said.text),
        Outcome::Held => format!("postern quarantine show {reference}"),
        Outcome::Undelivered => format!("{} {}", said.code, said.text),
        Outcome::Sent | Outcome::Smime | Outcome::Openpgp => format!("outbox/new/*{reference}*"),
    }
}

/// What memory says of the message, not what the reply promised.
async fn became(gate: &Gate, said: &Said) -> Result<(Outcome, Option<Reference>), Failure> {
    let reference = said.text.split_whitespace().find_map(Reference::parse);
    if said.code >= 500 {
        return Ok((Outcome::Refused, reference));
    }
    let Some(reference) = reference.filter(|_| said.code == 250) else { return Ok((Outcome::Undelivered, reference)) };
    if gate.quarantine.show(reference).await?.is_some_and(|held| held.state == HeldState::Held) {
        return Ok((Outcome::Held, Some(reference)));
    }
    let deadline = tokio::time::Instant::now() + DELIVERED_WITHIN;
    loop {
        let copies = gate.store.list_copies(Some(reference), 10).await?;
        let delivered = copies.iter().flat_map(|copy| &copy.deliveries).all(|one| one.state == DeliveryState::Delivered);
        if delivered && !copies.is_empty() {
            let outcome = match copies[0].protection {
                Protection::Smime => Outcome::Smime,
                Protection::Openpgp => Outcome::Openpgp,
                Protection::None | Protection::Client => Outcome::Sent,
            };
            return Ok((outcome, Some(reference)));
        }
        if tokio::time::Instant::now() > deadline {
            return Ok((Outcome::Undelivered, Some(reference)));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
