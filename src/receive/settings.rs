//! Turns the tables `[[listener]]` and `[receive]` of the configuration into what the doors hold to.

use crate::mail::{Domain, Language};
use crate::smtp::session::{Entrance, Limits, NamesLoginBy, Profile, Tls};
use crate::world::network::Network;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// One `[[listener]]`: either for people with a login (`auth = true`) or for mail servers before us (`trusted`, `client_ca`).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Stands in the audit and in policies.
    pub name: String,
    /// Address and port, like `0.0.0.0:587` or `[::]:587`.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
    /// `implicit` (port 465), `starttls` (port 587) or `none` (loopback, or trusted networks only).
    pub tls: TlsMode,
    /// People log in here with PLAIN or LOGIN; nothing is taken before.
    #[serde(default)]
    pub auth: bool,
    /// Networks of the mail servers before us. They do not log in.
    #[serde(default)]
    pub trusted: Vec<Network>,
    /// The sender domains, with those below them, that those servers may use.
    #[serde(default)]
    pub senders: Vec<Domain>,
    /// A PEM file of certificate authorities: those servers prove themselves by a certificate from one of them. With `trusted`,
    /// both must hold; alone, the certificate is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// How those servers say whose message they hand on: `envelope` (they do not; MAIL FROM and From speak), `xclient` (Postfix's
    /// XCLIENT LOGIN=…) or `header`.
    #[serde(default)]
    pub identity: IdentityBy,
    /// With `identity = "header"`: the field, like `X-Authenticated-User`, that those servers set and that nobody behind them can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_header: Option<String>,
}

/// By what a mail server before us names the login that it speaks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityBy {
    #[default]
    Envelope,
    Xclient,
    Header,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// STARTTLS (RFC 3207); no password before it.
    Starttls,
    None,
}

/// `[receive]`: what clients may ask for, and how long they may take. Times are in seconds, sizes in octets.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Receive {
    /// The largest message (552 5.3.4).
    pub max_message: u64,
    /// Octets of a refused message that are still read before the connection is closed.
    pub max_discarded: u64,
    /// Octets of all messages that are coming in or are being decided; beyond, new ones get 452 4.3.1.
    pub max_memory: u64,
    /// Recipients of one message (452 4.5.3); RFC 5321 §4.5.3.1.8 demands 100.
    pub max_recipients: usize,
    /// Sessions at once, for each listener (421 4.3.2).
    pub max_sessions: usize,
    /// Sessions at once from one IPv4 address or one IPv6 /64; trusted networks are only bound by `max_sessions`.
    pub max_sessions_per_network: usize,
    /// Messages of one session.
    pub max_messages_per_session: u32,
    /// Wrong commands of one session.
    pub max_errors: u32,
    /// Commands of one session.
    pub max_commands: u32,
    /// Commands between two messages that bring none nearer: NOOP, RSET, EHLO ...
    pub max_idle_commands: u32,
    /// Failed logins of one session.
    pub max_failed_logins: u32,
    /// Until a command is complete; RFC 5321 §4.5.3.2.7 asks for 300.
    pub command_timeout: u64,
    /// From the connection until the login.
    pub login_timeout: u64,
    /// For the TLS handshake.
    pub handshake_timeout: u64,
    /// Between two pieces of a message; RFC 5321 §4.5.3.2.5 has 180 for the other side.
    pub data_timeout: u64,
    /// Octets a second that a message must come in with, on average after its first minute.
    pub min_data_rate: u64,
    /// For a client to take a reply.
    pub write_timeout: u64,
    /// For messages under way when the gate stops.
    pub drain_timeout: u64,
}

impl Default for Receive {
    fn default() -> Receive {
        Receive {
            max_message: 50_000_000,
            max_discarded: 64_000_000,
            max_memory: 512_000_000,
            max_recipients: 1_000,
            max_sessions: 1_000,
            max_sessions_per_network: 50,
            max_messages_per_session: 1_000,
            max_errors: 20,
            max_commands: 100_000,
            max_idle_commands: 100,
            max_failed_logins: 5,
            command_timeout: 300,
            login_timeout: 180,
            handshake_timeout: 30,
            data_timeout: 180,
            min_data_rate: 1_024,
            write_timeout: 60,
            drain_timeout: 30,
        }
    }
}

impl Listener {
    /// What the sessions of this listener are told.
    pub fn profile(&self, receive: &Receive, hostname: Domain, language: Language) -> Profile {
        let entrance = match self.auth {
            true => Entrance::Submission,
            false => Entrance::Relay {
                senders: self.senders.clone(),
                needs_tls: self.client_ca.is_some(),
                names_login_by: match self.identity {
                    IdentityBy::Xclient => NamesLoginBy::Xclient,
                    IdentityBy::Envelope | IdentityBy::Header => NamesLoginBy::Message,
                },
            },
        };
        let tls = match self.tls {
            TlsMode::Implicit => Tls::Implicit,
            TlsMode::Starttls => Tls::Starttls,
            TlsMode::None => Tls::None,
        };
        Profile { hostname, listener: self.name.clone(), entrance, tls, language, limits: receive.limits() }
    }

    /// Whether this client may speak at all: people from anywhere, servers from their networks, and from anywhere where the handshake
    /// asks for their certificate instead.
    pub fn admits(&self, peer: IpAddr) -> bool {
        let by_certificate_alone = self.trusted.is_empty() && self.client_ca.is_some();
        self.auth || by_certificate_alone || self.trusted.iter().any(|network| network.contains(peer))
    }

    /// Sentences for the operator: what is wrong, and what to write instead. Empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let loopback = self.address.ip().to_canonical().is_loopback();
        let everybody = self.trusted.iter().any(Network::is_everything);
        let relay = !self.trusted.is_empty() || self.client_ca.is_some();
        let name = &self.name;
        let mut problems = Vec::new();
        let mut say = |wrong: bool, what: &str| {
            if wrong {
                problems.push(format!("listener \"{name}\": {what}"));
            }
        };
        say(
            name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
            "its name stands in logs and in the audit; write letters, digits, - _ . only",
        );
        say(
            !self.auth && !relay,
            "nobody could send here; write auth = true for people with a login, or trusted = [\"192.0.2.10/32\"] and senders = [...] for a mail server before the gate",
        );
        say(
            self.auth && relay,
            "people who log in and trusted servers cannot share a listener; write two [[listener]] tables, one with auth = true, one with trusted or client_ca",
        );
        say(
            self.auth && !self.senders.is_empty(),
            "senders is for trusted servers; remove it, a login may use the addresses of its account only",
        );
        say(
            self.auth && self.tls == TlsMode::None && !loopback,
            "passwords would cross the network in clear; write tls = \"starttls\" or tls = \"implicit\", or an address of loopback like 127.0.0.1:587",
        );
        say(
            !self.auth && relay && self.senders.is_empty(),
            "a trusted server could send as anybody; write senders = [\"example.org\"] with the domains it may use",
        );
        say(
            !self.auth && everybody && self.client_ca.is_none(),
            "trusted names the whole Internet: an open relay; write the networks of your own mail servers, like trusted = [\"192.0.2.10/32\"], or add client_ca",
        );
        say(
            !self.auth && !everybody && self.client_ca.is_none() && is_internet(&self.trusted),
            "trusted names so much of the Internet that strangers are in it: an open relay; write the networks of your own mail servers, like trusted = [\"192.0.2.10/32\"], or add client_ca",
        );
        say(
            self.senders.iter().any(|domain| !domain.as_str().contains('.')),
            "senders names a whole top-level domain: everybody's mail; write your own domains, like senders = [\"example.org\"]",
        );
        say(
            self.auth && (self.identity != IdentityBy::Envelope || self.identity_header.is_some()),
            "identity is for trusted servers; remove it, who logs in is known by the login",
        );
        say(
            self.identity == IdentityBy::Header && !self.identity_header.as_deref().is_some_and(is_header_of_theirs),
            "identity = \"header\" needs the name of a field that your server sets and that starts with X-; write identity_header = \"X-Authenticated-User\"",
        );
        say(
            self.identity != IdentityBy::Header && self.identity_header.is_some(),
            "identity_header has no effect; write identity = \"header\" too, or remove it",
        );
        say(
            self.client_ca.is_some() && self.tls == TlsMode::None,
            "client_ca needs TLS; write tls = \"starttls\" or tls = \"implicit\"",
        );
        problems
    }
}

/// More than two /8, or as much of IPv6 as no organisation has: many networks can be the whole Internet without one of them being it.
fn is_internet(networks: &[Network]) -> bool {
    let share = |ipv4: bool| -> f64 {
        let of_kind = networks.iter().filter(|network| network.is_ipv4() == ipv4);
        of_kind.filter_map(Network::share).map(|power| 0.5f64.powi(power.into())).sum()
    };
    share(true) > 0.5f64.powi(7) || share(false) > 0.5f64.powi(18)
}

/// Of the experimental names only, so that no field with a meaning is taken out of messages; and none of ours.
fn is_header_of_theirs(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.len() > 2
        && lower.len() <= 64
        && lower.starts_with("x-")
        && !lower.starts_with("x-postern-")
        && lower.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl Receive {
    /// As [`Listener::problems`].
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let default = Receive::default();
        for (name, value, at_least, usual) in [
            ("max_message", self.max_message, 65_536, default.max_message),
            ("max_discarded", self.max_discarded, 65_536, default.max_discarded),
            ("max_recipients", self.max_recipients as u64, 100, default.max_recipients as u64),
            ("max_sessions", self.max_sessions as u64, 1, default.max_sessions as u64),
            ("max_sessions_per_network", self.max_sessions_per_network as u64, 1, default.max_sessions_per_network as u64),
            ("max_messages_per_session", self.max_messages_per_session.into(), 1, default.max_messages_per_session.into()),
            ("max_errors", self.max_errors.into(), 1, default.max_errors.into()),
            ("max_commands", self.max_commands.into(), 200, default.max_commands.into()),
            ("max_idle_commands", self.max_idle_commands.into(), 10, default.max_idle_commands.into()),
            ("max_failed_logins", self.max_failed_logins.into(), 1, default.max_failed_logins.into()),
            ("command_timeout", self.command_timeout, 1, default.command_timeout),
            ("login_timeout", self.login_timeout, 1, default.login_timeout),
            ("handshake_timeout", self.handshake_timeout, 1, default.handshake_timeout),
            ("data_timeout", self.data_timeout, 1, default.data_timeout),
            ("write_timeout", self.write_timeout, 1, default.write_timeout),
            // One message of the largest size must find room in what is used before the gate calls itself full.
            ("max_memory", self.max_memory, self.max_message.saturating_mul(2), default.max_memory),
        ] {
            if value < at_least {
                problems.push(format!("receive.{name} = {value} is too little; write {at_least} or more (usual: {usual})"));
            }
        }
        problems
    }

    fn limits(&self) -> Limits {
        Limits {
            max_message: self.max_message,
            max_discarded: self.max_discarded,
            max_recipients: self.max_recipients,
            max_messages: self.max_messages_per_session,
            max_errors: self.max_errors,
            max_commands: self.max_commands,
            max_idle_commands: self.max_idle_commands,
            max_failed_logins: self.max_failed_logins,
        }
    }
}

/// All problems of all listeners and of `[receive]`, in sentences; empty when there are none.
pub fn problems(listeners: &[Listener], receive: &Receive) -> Vec<String> {
    let mut problems: Vec<String> = listeners.iter().flat_map(Listener::problems).collect();
    if listeners.is_empty() {
        problems.push("there is no listener; write a [[listener]] with name, address, tls and auth = true".to_owned());
    }
    for (i, listener) in listeners.iter().enumerate() {
        for other in &listeners[..i] {
            if other.name == listener.name {
                problems.push(format!("two listeners are named \"{}\"; write another name for one of them", listener.name));
            }
            if other.address == listener.address && listener.address.port() != 0 {
                problems.push(format!(
                    "listeners \"{}\" and \"{}\" both want {}; write another port for one of them",
                    other.name, listener.name, listener.address
                ));
            }
        }
    }
    problems.extend(receive.problems());
    problems
}

pub(super) fn seconds(count: u64) -> Duration {
    // A year: beyond that the runtime's clock may not reach.
    Duration::from_secs(count.min(31_536_000))
}

fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        let hint =
            format!("\"{text}\" is no address to listen on; write an IP address and a port, like 127.0.0.1:1587 or [::]:587");
        serde::de::Error::custom(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        listener: Vec<Listener>,
        #[serde(default)]
        receive: Receive,
    }

    fn read(text: &str) -> Result<Vec<String>, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        Ok(problems(&file.listener, &file.receive))
    }

    const MINIMAL: &str = r#"
        [[listener]]
        name = "submission"
        address = "127.0.0.1:1587"
        tls = "starttls"
        auth = true
        [[listener]]
        name = "relay"
        address = "127.0.0.1:1525"
        tls = "none"
        trusted = ["127.0.0.1/32"]
        senders = ["example.org"]
    "#;

    #[test]
    fn the_minimal_configuration_has_no_problems() {
        assert_eq!(read(MINIMAL), Ok(vec![]));
    }

    #[test]
    fn networks_of_an_organisation_are_no_internet() {
        for trusted in
            ["10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16", "198.51.100.0/24", "fc00::/7", "fe80::/10", "2001:db8::/32"]
        {
            for identity in ["", "identity = \"xclient\"", "identity = \"header\"\nidentity_header = \"X-Authenticated-User\""]
            {
                let text = format!("{}\n{identity}", MINIMAL.replace("127.0.0.1/32", trusted));
                assert_eq!(read(&text), Ok(vec![]), "{text}");
            }
        }
    }

    #[test]
    fn each_wrong_setting_is_told_with_what_to_write_instead() {
        let listener = |rest: &str| format!("[[listener]]\nname = \"a\"\n{rest}\n");
        for (text, sentence) in [
            (listener("address = \"0.0.0.0:587\"\ntls = \"none\"\nauth = true"), "write tls = \"starttls\""),
            (listener("address = \"127.0.0.1:587\"\ntls = \"none\""), "write auth = true"),
            (
                listener("address = \"127.0.0.1:587\"\ntls = \"none\"\nauth = true\ntrusted = [\"127.0.0.1\"]"),
                "write two [[listener]]",
            ),
            (listener("address = \"127.0.0.1:25\"\ntls = \"none\"\ntrusted = [\"127.0.0.1\"]"), "write senders ="),
            (
                listener(
                    "address = \"0.0.0.0:25\"\ntls = \"starttls\"\ntrusted = [\"0.0.0.0/0\"]\nsenders = [\"example.org\"]",
                ),
                "an open relay",
            ),
            (
                listener("address = \"0.0.0.0:25\"\ntls = \"none\"\nclient_ca = \"ca.pem\"\nsenders = [\"example.org\"]"),
                "client_ca needs TLS",
            ),
            (
                listener("address = \"127.0.0.1:587\"\ntls = \"starttls\"\nauth = true\nsenders = [\"example.org\"]"),
                "remove it",
            ),
            (
                listener(
                    "address = \"0.0.0.0:25\"\ntls = \"starttls\"\ntrusted = [\"0.0.0.0/1\", \"128.0.0.0/1\"]\nsenders = [\"example.org\"]",
                ),
                "strangers are in it",
            ),
            (
                listener("address = \"0.0.0.0:25\"\ntls = \"starttls\"\ntrusted = [\"2000::/3\"]\nsenders = [\"example.org\"]"),
                "strangers are in it",
            ),
            (MINIMAL.replace("senders = [\"example.org\"]", "senders = [\"org\"]"), "a whole top-level domain"),
            (MINIMAL.replace("auth = true", "auth = true\nidentity = \"xclient\""), "identity is for trusted servers"),
            (format!("{MINIMAL}\nidentity = \"header\""), "write identity_header ="),
            (format!("{MINIMAL}\nidentity = \"header\"\nidentity_header = \"From\""), "starts with X-"),
            (format!("{MINIMAL}\nidentity = \"header\"\nidentity_header = \"X-Postern-User\""), "starts with X-"),
            (format!("{MINIMAL}\nidentity = \"header\"\nidentity_header = \"X-A: b\""), "starts with X-"),
            (format!("{MINIMAL}\nidentity_header = \"X-Authenticated-User\""), "has no effect"),
            (MINIMAL.replace("\"relay\"", "\"submission\""), "two listeners are named"),
            (MINIMAL.replace("1525", "1587"), "write another port"),
            (format!("{MINIMAL}\n[receive]\nmax_recipients = 5"), "receive.max_recipients = 5 is too little; write 100"),
            ("".to_owned(), "there is no listener"),
        ] {
            let problems = read(&text).unwrap();
            assert!(problems.iter().any(|problem| problem.contains(sentence)), "{sentence}: {problems:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_too() {
        for (from, to, sentence) in [
            ("127.0.0.1:1587", "localhost", "write an IP address and a port"),
            ("127.0.0.1/32", "127.0.0.1/8", "write 127.0.0.0/8"),
            ("\"starttls\"", "\"STARTTLS\"", "expected one of `implicit`, `starttls`, `none`"),
            ("auth =", "auht =", "unknown field `auht`"),
            ("example.org", "example..org", "not a domain name"),
        ] {
            let error = read(&MINIMAL.replace(from, to)).unwrap_err();
            assert!(error.contains(sentence), "{sentence}: {error}");
        }
    }
}
