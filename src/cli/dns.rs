//! `postern dns`: what our domains must say in DNS, whether they do, and the very line to change.

use super::language::{self, here};
use super::report::{Paint, said};
use super::{ConfigFile, Done, Failure, Format};
use crate::config::Settings;
use crate::domains::{Answers, Finding, Level, Line, examine, examine_house, proposal};
use crate::lookup::http::Http;
use crate::lookup::names::Names;
use crate::lookup::records::Records;
use crate::mail::{Domain, Language};
use crate::serve::signing;
use crate::world::Clock;
use clap::Args;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  postern dns --config config.toml\n  postern dns example.org --resolver 192.0.2.53 --config config.toml\n\nSPF, DKIM, DMARC and alignment, MX, MTA-STS, TLSRPT, BIMI, WKD and the names of sending addresses. Exit code 1: something is wrong, or nobody could say."
)]
pub struct Dns {
    /// One domain; without it all that may send
    domain: Option<Domain>,
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Resolver to ask instead of those of [lookup.dns], like 192.0.2.53 or 192.0.2.53:5353; may stand several times
    #[arg(long, value_name = "ADDRESS", value_parser = resolver)]
    resolver: Vec<SocketAddr>,
    /// Only print the records to publish; nobody is asked
    #[arg(long)]
    print: bool,
    /// fr or en; that of the terminal by default
    #[arg(long, value_parser = language::parse)]
    language: Option<Language>,
}

/// For all questions about one domain.
const PATIENCE: Duration = Duration::from_secs(40);

/// The port of DNS where none is written.
pub fn resolver(text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let address = bare.map(|address| SocketAddr::new(address, 53)).or_else(|_| text.parse());
    address.map_err(|_| "write the address of a resolver, like 192.0.2.53 or [2001:db8::53]:53".to_owned())
}

impl Dns {
    pub fn run(self) -> Done {
        let mut settings = Settings::load(&self.file.config)?;
        if !self.resolver.is_empty() {
            settings.lookup.dns.servers = self.resolver.clone();
        }
        let domains = match &self.domain {
            Some(domain) => vec![domain.clone()],
            None => signing::domains(&settings),
        };
        match self.print {
            true => self.print_all(&settings, &domains),
            false => self.check(&settings, &domains),
        }
    }

    fn print_all(&self, settings: &Settings, domains: &[Domain]) -> Done {
        let now = Clock::system().now();
        let house = signing::house(settings, now);
        for domain in domains {
            let ours = signing::ours(settings, domain, now)?;
            for line in proposal::lines(&ours, &house) {
                match self.format {
                    Format::Json => println!("{}", line_json(&line)),
                    Format::Text => println!("{}", line.zone_line()),
                }
            }
            if self.format == Format::Text {
                println!("; {}", crate::domains::mta_sts::url(domain.as_str()));
                proposal::mta_sts_policy(&[], "testing").lines().for_each(|line| println!(";   {line}"));
            }
            if ours.keys.is_empty() && ours.signed_by.as_ref() == Some(domain) {
                eprintln!("{domain} has no DKIM keys yet: postern dkim generate makes them, and so does the first start");
            }
        }
        Ok(())
    }

    fn check(&self, settings: &Settings, domains: &[Domain]) -> Done {
        let now = Clock::system().now();
        let house = signing::house(settings, now);
        let language = self.language.unwrap_or_else(here);
        let mut bad = 0;
        let mut tell = |about: &str, findings: Vec<Finding>| {
            if self.format == Format::Text && !findings.is_empty() {
                println!("{}", Paint::Bold.on(about));
            }
            for found in findings {
                bad += usize::from(is_wrong(&found));
                match self.format {
                    Format::Json => {
                        let mut object = finding_json(&found);
                        object["domain"] = json!(about);
                        println!("{object}");
                    }
                    Format::Text => print_finding(&found, language),
                }
            }
        };
        for domain in domains {
            let ours = signing::ours(settings, domain, now)?;
            let findings = super::wait_for(judge(settings, |answers| examine(&ours, &house, answers)))?;
            tell(domain.as_str(), findings.map_err(Failure::Wrong)?);
        }
        let findings = super::wait_for(judge(settings, |answers| examine_house(&house, answers)))?;
        tell(house.hostname.as_str(), findings.map_err(Failure::Wrong)?);
        match bad {
            0 => Ok(()),
            1 => {
                eprintln!("{}", language::say(language, "1 chose à corriger", "1 thing to mend"));
                Err(Failure::Failed)
            }
            many => {
                let (fr, en) = (format!("{many} choses à corriger"), format!("{many} things to mend"));
                eprintln!("{}", language::say(language, &fr, &en));
                Err(Failure::Failed)
            }
        }
    }
}

/// Whether a command must not end well because of it.
pub fn is_wrong(found: &Finding) -> bool {
    matches!(found.level, Level::Wrong | Level::Unknown)
}

/// Asks the settings' resolvers and web servers for all that a judgement wants.
pub async fn judge<T>(settings: &Settings, judge: impl FnMut(&Answers) -> T) -> Result<T, String> {
    let servers = &settings.lookup.dns.servers;
    let http = Http::new(&settings.lookup.http, Names::new(servers)?)?;
    Ok(Records::new(servers, Some(http))?.judge(PATIENCE, judge).await)
}

fn line_json(line: &Line) -> Value {
    json!({"name": line.name, "type": line.kind, "value": line.value})
}

pub fn finding_json(found: &Finding) -> Value {
    json!({
        "record": found.topic,
        "level": found.level,
        "fr": found.said.fr,
        "en": found.said.en,
        "publish": found.publish.iter().map(line_json).collect::<Vec<_>>(),
        "remove": found.remove.iter().map(line_json).collect::<Vec<_>>(),
    })
}

pub fn print_finding(found: &Finding, language: Language) {
    let (paint, fr, en) = match found.level {
        Level::Right => (Paint::Green, "juste", "right"),
        Level::Note => (Paint::Faint, "note", "note"),
        Level::Warning => (Paint::Yellow, "attention", "warning"),
        Level::Unknown => (Paint::Red, "inconnu", "unknown"),
        Level::Wrong => (Paint::Red, "faux", "wrong"),
    };
    let level = paint.on(format!("{}:", language::say(language, fr, en)));
    println!("  {level} [{}] {}", said(&found.topic), found.said.text(language));
    for line in &found.remove {
        println!("      {} {}", language::say(language, "retirez :", "take out:"), line.zone_line());
    }
    for line in &found.publish {
        println!("      {} {}", language::say(language, "publiez :", "publish:"), line.zone_line());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_is_an_address_with_or_without_its_port() {
        for (text, expected) in [
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("192.0.2.53:5353", Some("192.0.2.53:5353")),
            ("2001:db8::53", Some("[2001:db8::53]:53")),
            ("[2001:db8::53]", Some("[2001:db8::53]:53")),
            ("[2001:db8::53]:5353", Some("[2001:db8::53]:5353")),
            ("ns.example.org", None),
            ("", None),
        ] {
            assert_eq!(resolver(text).ok().map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
    }
}
