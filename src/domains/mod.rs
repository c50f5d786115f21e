//! Turns what DNS says of a domain into what is wrong with it, and the very line to publish instead.
//!
//! | file | judges |
//! |---|---|
//! | `spf`, `spf_check` | SPF (RFC 7208) |
//! | `dmarc` | DMARC and alignment (RFC 9989) |
//! | `mta_sts` | MTA-STS (RFC 8461) |
//! | `spf_findings`, `sending` | what others ask about mail that we send: SPF; DKIM, DMARC, PTR |
//! | `receiving` | what others ask before they send us mail: MX, MTA-STS, TLSRPT; and BIMI, WKD |
//! | `proposal` | nothing: it writes the records to publish |
//!
//! DKIM's own record is judged in [`crate::dkim::published`].

pub mod answers;
pub mod dmarc;
pub mod mta_sts;
pub mod proposal;
mod receiving;
mod sending;
pub mod settings;
pub mod spf;
pub mod spf_check;
mod spf_findings;

pub use answers::{Answer, Answers, Data, Found, Kind, Question};
pub use sending::{alignment, dkim};
pub use settings::Settings;

use crate::dkim;
use crate::mail::{Domain, Language};
use std::net::IpAddr;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub topic: Topic,
    pub level: Level,
    pub said: Said,
    /// Records to publish.
    pub publish: Vec<Line>,
    /// Records to take out, as they stand.
    pub remove: Vec<Line>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    Spf,
    Dkim,
    Dmarc,
    Alignment,
    Mx,
    MtaSts,
    TlsRpt,
    Bimi,
    Wkd,
    Ptr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Right,
    /// To know.
    Note,
    /// It works, and could fail or be abused.
    Warning,
    /// Nobody could say: not answered.
    Unknown,
    /// Mail is refused, lost or believed to be forged.
    Wrong,
}

/// One sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub fr: String,
    pub en: String,
}

impl Said {
    pub fn new(fr: impl Into<String>, en: impl Into<String>) -> Said {
        Said { fr: fr.into(), en: en.into() }
    }

    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::Fr => &self.fr,
            Language::En => &self.en,
        }
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Without a final dot.
    pub name: String,
    /// `TXT`, `MX`, `PTR` …
    pub kind: &'static str,
    /// TXT in one piece and without quotes.
    pub value: String,
}

impl Line {
    pub fn txt(name: impl Into<String>, value: impl Into<String>) -> Line {
        Line { name: name.into(), kind: "TXT", value: value.into() }
    }

    /// As a line of a zone file (RFC 1035 §5.1). Control characters of a foreign record do not reach the terminal.
    pub fn zone_line(&self) -> String {
        if self.kind != "TXT" {
            return format!("{}. IN {} {}", self.name, self.kind, self.value);
        }
        let mut strings = vec![String::new()];
        let mut octets = 0;
        for b in self.value.bytes() {
            if octets == 255 {
                strings.push(String::new());
                octets = 0;
            }
            octets += 1;
            if let Some(string) = strings.last_mut() {
                match b {
                    b'"' | b'\\' => string.push_str(&format!("\\{}", char::from(b))),
                    0x20..=0x7e => string.push(char::from(b)),
                    other => string.push_str(&format!("\\{other:03}")),
                }
            }
        }
        let strings: Vec<String> = strings.into_iter().map(|string| format!("\"{string}\"")).collect();
        match &strings[..] {
            [one] => format!("{}. IN TXT {one}", self.name),
            several => format!("{}. IN TXT ( {} )", self.name, several.join(" ")),
        }
    }
}

impl From<&dkim::Record> for Line {
    fn from(record: &dkim::Record) -> Line {
        Line::txt(&record.name, &record.text)
    }
}

/// One of our domains.
#[derive(Clone, Debug)]
pub struct Ours {
    pub domain: Domain,
    /// The `d=` that its mail is signed with; `None`: it is not signed, which is to say: it is refused.
    pub signed_by: Option<Domain>,
    /// Its own keys.
    pub keys: Vec<OurKey>,
}

#[derive(Clone, Debug)]
pub struct OurKey {
    pub record: dkim::Record,
    pub phase: Phase,
}

/// What is asked of a key's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It is to be published before the key is used.
    Waiting,
    Signing,
    /// Mail that it signed is still on its way.
    Retiring,
    /// The key is gone; the record is to go.
    Retired,
}

/// What is true of all our domains together.
#[derive(Clone, Debug)]
pub struct House {
    pub hostname: Domain,
    /// The upstream's host; `None` where nothing leaves the machine.
    pub smarthost: Option<String>,
    pub settings: Settings,
    /// All domains that may stand in MAIL FROM.
    pub senders: Vec<Domain>,
    /// `20261122`, for numbers that change with what they number.
    pub today: String,
}

/// Everything about one domain, in the order of [`Topic`].
pub fn examine(ours: &Ours, house: &House, answers: &Answers) -> Vec<Finding> {
    let mut findings = spf_findings::examine(&ours.domain, house, answers);
    findings.extend(sending::dkim(ours, answers));
    findings.extend(sending::dmarc(ours, house, answers));
    findings.extend(sending::alignment(ours, house, answers));
    findings.extend(receiving::examine(&ours.domain, house, answers));
    findings
}

/// What is asked of the machines that send, whatever the domain: names of their addresses.
pub fn examine_house(house: &House, answers: &Answers) -> Vec<Finding> {
    sending::ptr(house, answers)
}

/// From where our mail reaches the Internet, and whether that is the operator's word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SendsFrom {
    Said(Vec<IpAddr>),
    /// The smarthost's own addresses: many send from others than they receive on.
    Guessed(Vec<IpAddr>),
    Unknown,
}

impl House {
    fn sends_from(&self, answers: &Answers) -> SendsFrom {
        if !self.settings.sends_from.is_empty() {
            return SendsFrom::Said(self.settings.sends_from.clone());
        }
        let Some(host) = &self.smarthost else { return SendsFrom::Unknown };
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => answers.addresses(host).some().unwrap_or_default(),
        };
        let outside: Vec<IpAddr> = found.into_iter().filter(|address| !is_local(*address)).collect();
        if outside.is_empty() { SendsFrom::Unknown } else { SendsFrom::Guessed(outside) }
    }
}

/// Of this machine or a private network: nothing on the Internet comes from there.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.segments()[0] & 0xfe00 == 0xfc00
                || v6.segments()[0] & 0xffc0 == 0xfe80
        }
    }
}

fn finding(topic: Topic, level: Level, said: Said) -> Finding {
    Finding { topic, level, said, publish: Vec::new(), remove: Vec::new() }
}

impl Finding {
    fn publish(mut self, line: Line) -> Finding {
        self.publish.push(line);
        self
    }

    fn remove(mut self, lines: impl IntoIterator<Item = Line>) -> Finding {
        self.remove.extend(lines);
        self
    }
}

/// What could not be asked: nobody knows whether it is right.
fn unknown(topic: Topic, name: &str, why: &str) -> Finding {
    let said = Said::new(
        format!("{name} n'a pas pu être demandé au DNS ({why}) ; réessayez, ou indiquez un autre résolveur avec --resolver"),
        format!("{name} could not be asked of DNS ({why}); try again, or name another resolver with --resolver"),
    );
    finding(topic, Level::Unknown, said)
}

/// Foreign text on a terminal or in a log: printable and not long.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().count() > 200 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
