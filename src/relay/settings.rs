//! Turns the `[upstream]` table as written into the one way out that the relay uses.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// `[upstream]` as it stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamFile {
    /// The smarthost, `host:port`; port 465 means TLS from the first octet, every other one STARTTLS (RFC 8314).
    pub address: Option<String>,
    /// Instead of a smarthost: a Maildir into which every message is put. For trying out and for tests.
    pub capture: Option<PathBuf>,
    /// "required" (the default unless the smarthost is on loopback): a verified certificate or nothing is sent.
    /// "opportunistic": TLS where offered, whoever answers; mail that demands verified TLS waits. "none": clear text.
    pub tls: Option<Tls>,
    /// Clear text to another machine is readable by all between: write "clear text accepted" to have it all the same.
    pub insecure: Option<String>,
    /// The name that the smarthost's certificate must bear, when it is not the host of `address`.
    pub hostname: Option<String>,
    /// A PEM file with the certification authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The account to log in with (AUTH PLAIN or LOGIN), only ever over verified TLS or loopback.
    pub user: Option<String>,
    /// The file that holds its password, on the first line.
    pub password_file: Option<PathBuf>,
    /// What becomes of mail that demands verified TLS all the way (a policy's `tls`, a client's REQUIRETLS) when the smarthost has proved
    /// its name but does not offer REQUIRETLS (RFC 8689), and so promises nothing about the next server.
    pub without_requiretls: WithoutRequiretls,
    /// Connections at once: 1 to 100.
    pub connections: Option<usize>,
    /// Messages over one connection before it is closed.
    pub messages_per_connection: Option<usize>,
    /// Seconds after which an unused connection is closed.
    pub idle: Option<u64>,
    /// Seconds to wait in each phase.
    pub timeouts: Timeouts,
}

/// How the way to the smarthost is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    None,
    Opportunistic,
    Required,
}

/// See [`UpstreamFile::without_requiretls`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WithoutRequiretls {
    /// It waits, the operator hears of it, and in the end its sender.
    #[default]
    Hold,
    /// Its sender is told at once (5.7.30).
    Refuse,
    /// It leaves: the operator knows that the smarthost goes on over TLS.
    Send,
}

/// Seconds to wait in each phase; the defaults are the least that RFC 5321 §4.5.3.2 allows a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// For the connection, and for the TLS handshake.
    pub connect: u64,
    pub greeting: u64,
    /// EHLO, STARTTLS, AUTH and RSET.
    pub command: u64,
    pub mail: u64,
    pub recipient: u64,
    pub data_start: u64,
    /// For each block of the message to be taken.
    pub data_block: u64,
    /// From the final dot to its answer: giving up early is how mail is delivered twice (RFC 1047).
    pub data_end: u64,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: 30,
            greeting: 300,
            command: 300,
            mail: 300,
            recipient: 300,
            data_start: 120,
            data_block: 180,
            data_end: 600,
        }
    }
}

/// The way out, checked.
#[derive(Clone, Debug)]
pub enum Way {
    Smarthost(Box<Smarthost>),
    Capture(PathBuf),
}

/// A smarthost that may be connected to.
#[derive(Clone, Debug)]
pub struct Smarthost {
    /// A name or an IP address, without brackets.
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// TLS from the first octet.
    pub implicit_tls: bool,
    /// What its certificate must be for.
    pub hostname: rustls_pki_types::ServerName<'static>,
    pub ca: Option<PathBuf>,
    pub login: Option<Login>,
    pub without_requiretls: WithoutRequiretls,
    pub connections: usize,
    pub messages_per_connection: usize,
    pub idle: Duration,
    pub timeouts: Timeouts,
}

/// The password is read anew for each connection, so that it can be changed while the gate runs.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password_file: PathBuf,
}

const CONSENT: &str = "clear text accepted";
const CONNECTIONS: usize = 4;
const CONNECTIONS_LIMIT: usize = 100;
const MESSAGES_PER_CONNECTION: usize = 100;
const IDLE_SECONDS: u64 = 30;

impl UpstreamFile {
    /// All that is wrong at once, each as a sentence that says what to write instead.
    pub fn check(&self) -> Result<Way, Vec<String>> {
        let mut wrong = Vec::new();
        match (&self.address, &self.capture) {
            (None, Some(folder)) => {
                let mail_only = UpstreamFile { capture: Some(folder.clone()), ..UpstreamFile::default() };
                if *self != mail_only {
                    wrong.push("[upstream] capture goes alone: leave out the settings for a smarthost beside it".to_owned());
                    return Err(wrong);
                }
                return Ok(Way::Capture(folder.clone()));
            }
            (None, None) => {
                wrong.push("[upstream] needs address = \"smtp.example.org:587\" or capture = \"data/outbox\"".to_owned());
                return Err(wrong);
            }
            (Some(_), Some(_)) => wrong.push("[upstream] takes address or capture, not both: leave one out".to_owned()),
            (Some(_), None) => {}
        }
        let (host, port) = self.address.as_deref().and_then(host_and_port).unwrap_or_else(|| {
            wrong.push(
                "[upstream] address is written host:port, such as \"smtp.example.org:587\" or \"[2001:db8::1]:25\"".into(),
            );
            (String::new(), 0)
        });
        let loopback = is_loopback(&host);
        let tls = self.tls.unwrap_or(if loopback { Tls::None } else { Tls::Required });
        match (&self.insecure, tls, loopback) {
            (Some(word), ..) if word != CONSENT => {
                wrong.push(format!("[upstream] insecure is written insecure = \"{CONSENT}\", or left out"));
            }
            (Some(_), Tls::Required, _) | (Some(_), _, true) => {
                wrong.push("[upstream] insecure has no meaning here: leave it out".to_owned());
            }
            (None, Tls::None, false) if !host.is_empty() => wrong.push(format!(
                "[upstream] tls = \"none\" would send mail in clear text to {host}: write tls = \"required\", or add insecure = \
                 \"{CONSENT}\""
            )),
            _ => {}
        }
        let name = self.hostname.clone().unwrap_or_else(|| host.clone());
        let hostname = rustls_pki_types::ServerName::try_from(name);
        if hostname.is_err() && !host.is_empty() {
            wrong.push(
                "[upstream] hostname is the name in the smarthost's certificate, such as \"smtp.example.org\"".to_owned(),
            );
        }
        let login = match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => Some(Login { user: user.clone(), password_file: file.clone() }),
            (None, None) => None,
            _ => {
                wrong.push("[upstream] user and password_file go together: write both or neither".to_owned());
                None
            }
        };
        if login.is_some() && tls != Tls::Required && !loopback {
            wrong.push("[upstream] a password is sent over verified TLS only: write tls = \"required\"".to_owned());
        }
        let connections = within(self.connections, CONNECTIONS, 1..=CONNECTIONS_LIMIT, "connections", &mut wrong);
        let messages =
            within(self.messages_per_connection, MESSAGES_PER_CONNECTION, 1..=1_000_000, "messages_per_connection", &mut wrong);
        for (name, seconds) in self.timeouts.named() {
            within(Some(seconds as usize), 0, 1..=3_600, name, &mut wrong);
        }
        match hostname {
            Ok(hostname) if wrong.is_empty() => Ok(Way::Smarthost(Box::new(Smarthost {
                host,
                port,
                tls,
                implicit_tls: port == 465 && tls != Tls::None,
                hostname,
                ca: self.ca.clone(),
                login,
                without_requiretls: self.without_requiretls,
                connections,
                messages_per_connection: messages,
                idle: Duration::from_secs(self.idle.unwrap_or(IDLE_SECONDS)),
                timeouts: self.timeouts,
            }))),
            _ => Err(wrong),
        }
    }
}

impl Timeouts {
    fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("timeouts.connect", self.connect),
            ("timeouts.greeting", self.greeting),
            ("timeouts.command", self.command),
            ("timeouts.mail", self.mail),
            ("timeouts.recipient", self.recipient),
            ("timeouts.data_start", self.data_start),
            ("timeouts.data_block", self.data_block),
            ("timeouts.data_end", self.data_end),
        ]
    }
}

impl Smarthost {
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Only what can never leave this machine: a name that merely resolves to 127.0.0.1 today is not loopback.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (address.port() != 0).then(|| (address.ip().to_string(), address.port()));
    }
    let (host, port) = text.rsplit_once(':')?;
    let host = crate::mail::Domain::parse(host).ok()?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some((host.to_string(), port))
}

fn within(
    value: Option<usize>,
    default: usize,
    range: std::ops::RangeInclusive<usize>,
    name: &str,
    wrong: &mut Vec<String>,
) -> usize {
    let value = value.unwrap_or(default);
    if !range.contains(&value) {
        wrong.push(format!("[upstream] {name} lies between {} and {}", range.start(), range.end()));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Way, Vec<String>> {
        toml::from_str::<UpstreamFile>(text).expect("the table is TOML with known keys").check()
    }

    #[test]
    fn right_tables_give_the_way_out_with_its_defaults() {
        for (text, host, tls, implicit) in [
            (r#"address = "127.0.0.1:2525""#, "127.0.0.1", Tls::None, false),
            (r#"address = "[::1]:2525""#, "::1", Tls::None, false),
            (r#"address = "localhost:2525""#, "localhost", Tls::None, false),
            (r#"address = "smtp.example.org:587""#, "smtp.example.org", Tls::Required, false),
            (r#"address = "smtp.example.org:465""#, "smtp.example.org", Tls::Required, true),
            ("address = \"192.0.2.1:25\"\ntls = \"opportunistic\"", "192.0.2.1", Tls::Opportunistic, false),
            ("address = \"192.0.2.1:25\"\ntls = \"none\"\ninsecure = \"clear text accepted\"", "192.0.2.1", Tls::None, false),
            ("address = \"127.0.0.1:25\"\ntls = \"required\"", "127.0.0.1", Tls::Required, false),
        ] {
            let Ok(Way::Smarthost(way)) = check(text) else { panic!("{text}") };
            assert_eq!((way.host.as_str(), way.tls, way.implicit_tls), (host, tls, implicit), "{text}");
        }
        assert!(matches!(check(r#"capture = "data/outbox""#), Ok(Way::Capture(_))));
    }

    #[test]
    fn wrong_tables_are_answered_with_what_to_write() {
        for (text, sentence) in [
            ("", "needs address = \"smtp.example.org:587\" or capture"),
            ("address = \"a.example:25\"\ncapture = \"x\"", "not both: leave one out"),
            ("capture = \"x\"\ntls = \"none\"", "capture goes alone"),
            (r#"address = "smtp.example.org""#, "address is written host:port"),
            (r#"address = "smtp.example.org:0""#, "address is written host:port"),
            (r#"address = "sm tp:25""#, "address is written host:port"),
            ("address = \"192.0.2.1:25\"\ntls = \"none\"", "write tls = \"required\", or add insecure"),
            ("address = \"192.0.2.1:25\"\ntls = \"none\"\ninsecure = \"yes\"", "insecure is written insecure = "),
            ("address = \"127.0.0.1:25\"\ninsecure = \"clear text accepted\"", "leave it out"),
            ("address = \"a.example:25\"\nuser = \"u\"", "write both or neither"),
            (
                "address = \"a.example:25\"\ntls = \"opportunistic\"\nuser = \"u\"\npassword_file = \"p\"",
                "a password is sent over verified TLS only",
            ),
            ("address = \"a.example:25\"\nconnections = 0", "connections lies between 1 and 100"),
            ("address = \"a.example:25\"\n[timeouts]\nmail = 0", "timeouts.mail lies between 1 and 3600"),
        ] {
            let wrong = check(text).err().unwrap_or_default();
            assert!(wrong.iter().any(|said| said.contains(sentence)), "{text}\n{wrong:?}");
        }
        assert!(toml::from_str::<UpstreamFile>("adress = \"a:1\"").is_err());
    }
}
