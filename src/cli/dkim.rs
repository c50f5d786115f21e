//! `postern dkim`: our DKIM keys, how they follow each other, and what to publish of them.

use super::language::{self, here};
use super::report::aligned;
use super::{ConfigFile, Done, Failure, Format};
use crate::config::Settings;
use crate::dkim::Record;
use crate::domains::Line;
use crate::domains::proposal::revoked;
use crate::mail::{Domain, Language, UnixTime};
use crate::serve::signing;
use crate::vault::{Begun, DkimKey, DkimState, Vault};
use crate::world::Clock;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  postern dkim dns --config config.toml")]
pub enum Dkim {
    /// Make the keys of our domains where they are missing: RSA-2048 and Ed25519
    #[command(after_help = "Example:\n  postern dkim generate --config config.toml")]
    Generate(Of),
    /// Print the DNS records to publish, in zone-file form
    #[command(after_help = "Example:\n  postern dkim dns --config config.toml >> zone.example.org")]
    Dns(Of),
    /// The keys of our domains: which sign, which wait, which are to go
    #[command(after_help = "Example:\n  postern dkim list --config config.toml")]
    List(Of),
    /// The same with what DNS shows of each key now, and what comes next
    #[command(after_help = "Example:\n  postern dkim show example.org --config config.toml")]
    Show(Asking),
    /// Let new keys follow: makes them and prints what to publish; later, switches when DNS shows them (a running gate does so by itself)
    #[command(
        after_help = "Example:\n  postern dkim rotate example.org --config config.toml\n\nThe old keys sign until every resolver shows the new ones; their records must stay until `postern dkim list` says retired."
    )]
    Rotate(Asking),
}

#[derive(Debug, Args)]
pub struct Of {
    /// One domain; without it all of ours
    domain: Option<Domain>,
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Asking {
    #[command(flatten)]
    of: Of,
    /// Resolver to ask instead of those of [lookup.dns], like 192.0.2.53 or 192.0.2.53:5353; may stand several times
    #[arg(long, value_name = "ADDRESS", value_parser = super::dns::resolver)]
    resolver: Vec<SocketAddr>,
    /// fr or en; that of the terminal by default
    #[arg(long, value_parser = language::parse)]
    language: Option<Language>,
}

impl Dkim {
    pub fn run(self) -> Done {
        match self {
            Dkim::Generate(of) => {
                let (settings, domains) = of.load()?;
                let vault = open_vault(&settings)?;
                for domain in &domains {
                    signing::signer(&vault, &settings, domain)?;
                }
                print_records(&settings, &domains, of.format)
            }
            Dkim::Dns(of) => {
                let (settings, domains) = of.load()?;
                // As ever: keys that are missing are made, so that there is something to publish.
                let vault = open_vault(&settings)?;
                for domain in &domains {
                    signing::signer(&vault, &settings, domain)?;
                }
                print_records(&settings, &domains, of.format)
            }
            Dkim::List(of) => list(&of),
            Dkim::Show(asking) => show(&asking),
            Dkim::Rotate(asking) => rotate(&asking),
        }
    }
}

impl Of {
    /// Nothing is made or signed for a domain that is not ours.
    fn load(&self) -> Result<(Settings, Vec<Domain>), Failure> {
        let settings = Settings::load(&self.file.config)?;
        let ours = settings.dkim.domains(&settings.inside);
        match &self.domain {
            None => Ok((settings, ours)),
            Some(domain) if ours.contains(domain) => Ok((settings, vec![domain.clone()])),
            Some(domain) if settings.is_inside(domain) => Err(Failure::Wrong(format!(
                "{domain} is signed with the keys of a domain above it; for keys of its own write [[dkim.domain]] name = \"{domain}\""
            ))),
            Some(domain) => Err(Failure::Wrong(format!(
                "{domain} is none of our domains: nothing is signed for others; ours are {}",
                ours.iter().map(Domain::as_str).collect::<Vec<_>>().join(", ")
            ))),
        }
    }
}

fn open_vault(settings: &Settings) -> Result<Arc<Vault>, Failure> {
    Ok(Arc::new(crate::serve::open_vault(settings, Clock::system())?))
}

/// What is to stand in DNS now: keys that wait, sign and retire, and the end of those that are retired.
fn print_records(settings: &Settings, domains: &[Domain], format: Format) -> Done {
    for domain in domains {
        for key in signing::keys_of(settings, domain, Clock::system().now())? {
            let record = key.record(domain);
            match key.state {
                DkimState::Unused => {}
                DkimState::Retired => print_line(&revoked(&record.name), format),
                DkimState::Made | DkimState::Visible | DkimState::Signing | DkimState::Retiring => match format {
                    Format::Json => print_line(&Line::from(&record), format),
                    Format::Text => println!("{}", record.zone_line()),
                },
            }
        }
    }
    Ok(())
}

fn print_line(line: &Line, format: Format) {
    match format {
        Format::Json => println!("{}", json!({"name": line.name, "type": line.kind, "value": line.value})),
        Format::Text => println!("{}", line.zone_line()),
    }
}

fn row(domain: &Domain, key: &DkimKey) -> Value {
    let Record { name, text } = key.record(domain);
    json!({"domain": domain, "selector": key.selector, "kind": key.kind, "state": key.state, "since": key.since.rfc3339(),
        "name": name, "type": "TXT", "value": text})
}

fn list(of: &Of) -> Done {
    let (settings, domains) = of.load()?;
    let mut lines = vec![["domain", "selector", "kind", "state", "since"].map(str::to_owned).to_vec()];
    for domain in &domains {
        for key in signing::keys_of(&settings, domain, Clock::system().now())? {
            let row = row(domain, &key);
            let cell = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            match of.format {
                Format::Json => println!("{row}"),
                Format::Text => lines.push(["domain", "selector", "kind", "state", "since"].map(cell).to_vec()),
            }
        }
    }
    if of.format == Format::Text {
        match lines.len() {
            1 => println!("there are no keys yet: postern dkim generate makes them, and so does the first start"),
            _ => print!("{}", aligned(lines)),
        }
    }
    Ok(())
}

fn show(asking: &Asking) -> Done {
    let (mut settings, domains) = asking.of.load()?;
    asking.use_resolvers(&mut settings);
    let now = Clock::system().now();
    let language = asking.language.unwrap_or_else(here);
    let mut wrong = false;
    for domain in &domains {
        let keys = signing::keys_of(&settings, domain, now)?;
        let ours = signing::ours(&settings, domain, now)?;
        let findings = super::wait_for(super::dns::judge(&settings, |answers| crate::domains::dkim(&ours, answers)))?;
        let findings = findings.map_err(Failure::Wrong)?;
        for key in &keys {
            // Its own is the one whose sentence begins with its name.
            let name = key.record(domain).name;
            let found = findings.iter().find(|found| found.said.en.starts_with(&format!("{name} ")));
            wrong |= found.is_some_and(super::dns::is_wrong);
            let next = next(key, &settings, language);
            match asking.of.format {
                Format::Json => {
                    let mut row = row(domain, key);
                    row["dns"] = found.map_or(Value::Null, super::dns::finding_json);
                    row["next"] = json!(next);
                    println!("{row}");
                }
                Format::Text => {
                    let state = super::report::said(&key.state);
                    println!("{name}  {state}, {}", key.since.rfc3339());
                    if let Some(found) = found {
                        super::dns::print_finding(found, language);
                    }
                    println!("  {next}");
                }
            }
        }
    }
    if wrong { Err(Failure::Failed) } else { Ok(()) }
}

/// What comes next for a key, and when at the earliest.
fn next(key: &DkimKey, settings: &Settings, language: Language) -> String {
    let pace = signing::pace(settings);
    let after = |seconds: i64| UnixTime(key.since.0).plus(seconds).rfc3339();
    let (fr, en) = match key.state {
        DkimState::Made => {
            ("signera quand son enregistrement sera visible".to_owned(), "will sign when its record can be seen".to_owned())
        }
        DkimState::Visible => {
            let at = after(pace.settle);
            (
                format!("signera à partir de {at}, si elle est encore visible"),
                format!("will sign from {at} on, if it is still seen"),
            )
        }
        DkimState::Signing => {
            ("signe ; postern dkim rotate la remplace".to_owned(), "signs; postern dkim rotate replaces it".to_owned())
        }
        DkimState::Retiring => {
            let at = after(pace.retire);
            (
                format!("ne signe plus ; laissez l'enregistrement jusqu'à {at}"),
                format!("signs no more; leave the record until {at}"),
            )
        }
        DkimState::Retired => (
            "détruite ; publiez l'enregistrement révoqué (p= vide) ou retirez-le".to_owned(),
            "destroyed; publish the record as revoked (an empty p=) or take it out".to_owned(),
        ),
        DkimState::Unused => ("n'est pas utilisée".to_owned(), "is not used".to_owned()),
    };
    language::say(language, &fr, &en).to_owned()
}

impl Asking {
    fn use_resolvers(&self, settings: &mut Settings) {
        if !self.resolver.is_empty() {
            settings.lookup.dns.servers = self.resolver.clone();
        }
    }
}

fn rotate(asking: &Asking) -> Done {
    let (mut settings, domains) = asking.of.load()?;
    asking.use_resolvers(&mut settings);
    let language = asking.language.unwrap_or_else(here);
    if let Some(domain) = domains.iter().find(|domain| !signing::rotates(&settings, domain)) {
        return Err(Failure::Wrong(format!(
            "[[dkim.domain]] names the keys of {domain}: take its selectors out, and the gate can rotate them, or change them there"
        )));
    }
    let vault = open_vault(&settings)?;
    for domain in &domains {
        // What signs today is the row's beginning.
        signing::signer(&vault, &settings, domain)?;
        let (begun, _) = vault.dkim_rotate(domain, settings.dkim.of(domain))?;
        let steps = super::wait_for(signing::step(&settings, &vault, domain))??;
        let keys = vault.dkim_row(domain, settings.dkim.of(domain))?;
        let waits = keys.iter().any(|key| matches!(key.state, DkimState::Made | DkimState::Visible));
        let switched = steps.iter().any(|step| step.to == Some(DkimState::Signing));
        let (fr, en) = match (begun, switched, waits) {
            (_, true, _) => (
                "les nouvelles clés signent désormais ; laissez les enregistrements des anciennes",
                "the new keys sign from now on; leave the records of the old ones",
            ),
            (Begun::Made, ..) => ("de nouvelles clés sont faites ; publiez", "new keys were made; publish"),
            (Begun::Underway, false, _) => {
                ("les nouvelles clés attendent d'être visibles ; publiez", "the new keys wait to be seen; publish")
            }
        };
        eprintln!("{domain}: {}", language::say(language, fr, en));
        for key in keys.iter().filter(|key| key.state != DkimState::Unused) {
            match asking.of.format {
                Format::Json => println!("{}", row(domain, key)),
                Format::Text if matches!(key.state, DkimState::Made | DkimState::Visible) => {
                    println!("{}", key.record(domain).zone_line());
                    eprintln!("  {}: {}", key.selector, next(key, &settings, language));
                }
                Format::Text => eprintln!("  {}: {}", key.selector, next(key, &settings, language)),
            }
        }
    }
    Ok(())
}
