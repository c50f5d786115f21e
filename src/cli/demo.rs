//! `postern demo`: a gate on loopback, the shipped samples through real SMTP, and what became of each.

mod client;
mod correspondents;

use super::report::Paint;
use super::{Done, Failure};
use crate::accounts::{Accounts, NewAccount};
use crate::config::Settings;
use crate::mail::{Address, Attributes, Language, Protection, Reference};
use crate::pipeline::Gate;
use crate::serve::{Gatehouse, Signals, runtime};
use crate::store::{DeliveryState, HeldState};
use clap::Args;
use client::{Client, Said};
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
    shows_fr: String,
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
    #[serde(rename = "under a password")]
    Container,
    #[serde(rename = "not delivered")]
    Undelivered,
}

impl Outcome {
    fn word(self, language: Language) -> &'static str {
        let (fr, en) = match self {
            Outcome::Sent => ("envoyé, signé", "sent, signed"),
            Outcome::Held => ("retenu pour examen", "held"),
            Outcome::Refused => ("refusé", "refused"),
            Outcome::Smime => ("chiffré (S/MIME)", "encrypted (S/MIME)"),
            Outcome::Openpgp => ("chiffré (OpenPGP)", "encrypted (OpenPGP)"),
            Outcome::Container => ("chiffré (mot de passe)", "encrypted (password)"),
            Outcome::Undelivered => ("pas remis", "not delivered"),
        };
        if language == Language::Fr { fr } else { en }
    }

    fn colour(self) -> Paint {
        match self {
            Outcome::Sent | Outcome::Smime | Outcome::Openpgp | Outcome::Container => Paint::Green,
            Outcome::Held => Paint::Yellow,
            Outcome::Refused | Outcome::Undelivered => Paint::Red,
        }
    }
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
            let password = zeroize::Zeroizing::new(format!("Essai-0-{:016x}", crate::world::Dice::system().roll()));
            let mut signals = Signals::new()?;
            let gatehouse = Gatehouse::open(settings).await?;
            let new = NewAccount {
                login: samples.from.clone(),
                owns: vec![samples.from.clone()],
                names: vec!["Marie Dupont".into()],
                language: Language::Fr,
                attributes: Attributes::default(),
                app_passwords_only: false,
                because: "postern demo".into(),
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

/// Submits every sample, prints what became of each, and where to look. True when every outcome is the expected one.
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
    let language = super::language::here();
    let outbox = folder.join("data/outbox/new");
    let (mut all_expected, mut sealed) = (true, Vec::new());
    for sample in &samples.sample {
        let octets = octets(&sample.file).ok_or_else(|| Failure::Wrong(format!("{} is not shipped", sample.file)))?;
        let said = client.submit(&samples.from, &sample.to, octets).await?;
        let (outcome, reference) = became(gatehouse.gate(), &said).await?;
        let shows = if language == Language::Fr { &sample.shows_fr } else { &sample.shows };
        let mut first = format!("{} → {}", Paint::Bold.on(shows), outcome.colour().on(outcome.word(language)));
        if outcome != sample.expect {
            all_expected = false;
            first.push_str(&format!("  {}", Paint::Red.on(format!("(expected: {})", sample.expect.word(language)))));
        }
        println!("{first}");
        let why = match (outcome, reference) {
            (Outcome::Refused | Outcome::Undelivered, _) => format!("{} {}", said.code, said.text),
            (Outcome::Held, Some(reference)) => {
                format!("{reference}  {}", held_because(gatehouse.gate(), reference, language).await?)
            }
            (_, Some(reference)) => {
                let file = file_of(&outbox, reference);
                match outcome {
                    Outcome::Smime => sealed.push(people.smime_command(&file)),
                    Outcome::Openpgp => sealed.push(people.openpgp_command(&file)),
                    _ => {}
                }
                reference.to_string()
            }
            (_, None) => String::new(),
        };
        for line in wrapped(&format!("{}  {why}", sample.to)) {
            println!("    {}", Paint::Faint.on(line));
        }
    }
    let config = shell(&folder.join("config.toml"));
    let postern = program();
    let say = |fr: &str, en: &str| println!("{}", Paint::Bold.on(if language == Language::Fr { fr } else { en }));
    println!();
    say("Ce qui est parti :", "What left:");
    println!("  ls {}", shell(&outbox));
    say("Ouvrir ce qui est chiffré :", "Open what was encrypted:");
    sealed.iter().for_each(|command| println!("  {command}"));
    say("Ce qui est retenu, et chaque décision :", "What is held, and every decision:");
    println!("  {postern} quarantine list --config {config}");
    println!("  {postern} audit export --config {config}");
    if !all_expected {
        println!("{}", Paint::Red.on("Not every outcome is the expected one."));
    }
    Ok(all_expected)
}

/// The copy of a message in the built-in upstream.
fn file_of(outbox: &Path, reference: Reference) -> PathBuf {
    let name = reference.to_string();
    let mut files = outbox.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    files.find(|file| file.to_string_lossy().contains(&name)).unwrap_or_else(|| outbox.to_owned())
}

async fn held_because(gate: &Gate, reference: Reference, language: Language) -> Result<String, Failure> {
    let held = gate.quarantine.show(reference).await?;
    let word = if language == Language::Fr { "fr" } else { "en" };
    let because = held.map(|held| held.summary["recipients"][0]["reasons"][0]["because"][word].clone());
    Ok(because.and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default())
}

/// Lines of at most so many characters, so that nothing is longer than 120 with its indent.
const LINE: usize = 112;

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    // Two blanks part address and reason, and stay.
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > LINE {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// A path as a shell takes it.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c));
    if plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// How this program is called: by its name where the shell finds it, else by its path.
fn program() -> String {
    let here = std::env::current_exe().ok();
    let found = std::env::var_os("PATH")
        .and_then(|paths| std::env::split_paths(&paths).map(|folder| folder.join("postern")).find(|file| file.is_file()));
    match here {
        Some(here) if found.is_none_or(|found| std::fs::canonicalize(found).ok() != Some(here.clone())) => shell(&here),
        _ => "postern".into(),
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
                Protection::Container => Outcome::Container,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_fits_a_terminal_and_a_shell() {
        let lines = wrapped(&"mot ".repeat(100));
        assert!(lines.iter().all(|line| line.chars().count() <= LINE) && lines.len() > 3, "{lines:?}");
        assert_eq!(wrapped("a@example.org  why"), ["a@example.org  why"]);
        assert_eq!(shell(Path::new("/tmp/demo")), "/tmp/demo");
        assert_eq!(shell(Path::new("/tmp/my demo's")), "'/tmp/my demo'\\''s'");
    }
}
