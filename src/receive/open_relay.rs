//! Turns every combination of a listener's settings into the proof that strangers relay nothing over it, or that it is refused.

use super::settings::{Listener, Receive, TlsMode};
use crate::mail::{Address, Domain, Identity, Language};
use crate::smtp::reply::{Accepted, Refusal};
use crate::smtp::session::{Action, LoggedIn, Session};
use std::net::IpAddr;
use std::sync::Arc;

/// What became of one attempt to hand in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The connection is not taken, or ends in the handshake.
    TurnedAway,
    /// MAIL, RCPT or DATA was refused, with this code.
    Refused(u16),
    Taken,
}

/// Who comes, and with what.
#[derive(Clone, Copy, Debug)]
struct Client {
    from: &'static str,
    certificate: bool,
    /// Says STARTTLS where it can.
    tls: bool,
    login: bool,
}

const STRANGER: Client = Client { from: "203.0.113.9", certificate: false, tls: true, login: false };

/// One message over a session of this listener, as the door would let it.
fn attempt(listener: &Listener, client: Client, envelope: (&str, &str)) -> Fate {
    let peer: IpAddr = client.from.parse().unwrap();
    // rustls asks for a certificate wherever client_ca is set, and nothing goes before the handshake.
    let handshake = client.certificate || listener.client_ca.is_none();
    if !listener.admits(peer) || (listener.tls == TlsMode::Implicit && !handshake) {
        return Fate::TurnedAway;
    }
    let profile = listener.profile(&Receive::default(), Domain::parse("gate.example.org").unwrap(), Language::En);
    let mut session = Session::new(Arc::new(profile));
    let (mail_from, recipient) = envelope;
    let mut lines = vec!["EHLO client.example".to_owned()];
    if client.tls && listener.tls == TlsMode::Starttls {
        lines.extend(["STARTTLS".to_owned(), "EHLO client.example".to_owned()]);
    }
    if client.login {
        // \0alice@example.org\0sesame
        lines.push("AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlc2FtZQ==".to_owned());
    } else {
        // Guesses and claims of strangers.
        lines.extend([
            "AUTH PLAIN AGEAYg==".to_owned(),
            "XCLIENT LOGIN=alice@example.org".to_owned(),
            "EHLO again.example".to_owned(),
        ]);
    }
    lines.extend([
        format!("MAIL FROM:<{mail_from}>"),
        format!("RCPT TO:<{recipient}>"),
        "DATA".to_owned(),
        "x\r\n.".to_owned(),
    ]);
    let mut last = 0;
    for line in lines {
        let envelope = line.starts_with("MAIL") || line.starts_with("RCPT") || line.starts_with("DATA");
        session.feed(format!("{line}\r\n").as_bytes());
        loop {
            match session.advance() {
                Action::Read(_) => break,
                Action::Close => return Fate::Refused(last),
                Action::StartTls if !handshake => return Fate::TurnedAway,
                Action::StartTls => {
                    session.sent();
                    session.tls_started();
                    break;
                }
                Action::LogIn(credentials) => session.logged_in(match credentials.login.as_str() {
                    "alice@example.org" => Ok(alice()),
                    _ => Err(Refusal::of::<535>(7, 8, "wrong")),
                }),
                Action::Sender(_) | Action::Recipient(_) => session.answered(Ok(())),
                Action::Submit(_) => {
                    session.submitted(Ok(Accepted::in_a_test("taken")));
                    return Fate::Taken;
                }
            }
        }
        let said = String::from_utf8_lossy(session.output()).into_owned();
        session.sent();
        last = said.lines().last().and_then(|line| line.get(..3)).and_then(|code| code.parse().ok()).unwrap_or(last);
        if envelope && last >= 400 {
            return Fate::Refused(last);
        }
    }
    Fate::Refused(last)
}

fn alice() -> LoggedIn {
    let login = Address::parse("alice@example.org").unwrap();
    let identity = Identity::Account { owns: vec![login.clone()], login, names: vec![], attributes: Default::default() };
    LoggedIn { identity, language: Language::En }
}

/// Every listener that these settings can make.
fn listeners() -> Vec<Listener> {
    let mut all = Vec::new();
    let choices: [&[&str]; 7] = [
        &["127.0.0.1:2525", "0.0.0.0:25", "[::]:25"],
        &["none", "starttls", "implicit"],
        &["auth = true", "auth = false", ""],
        &[
            "",
            "trusted = []",
            "trusted = [\"127.0.0.1/32\"]",
            "trusted = [\"192.0.2.0/24\", \"2001:db8::/32\"]",
            "trusted = [\"0.0.0.0/0\"]",
            "trusted = [\"::/0\"]",
            "trusted = [\"0.0.0.0/1\", \"128.0.0.0/1\"]",
            "trusted = [\"192.0.0.0/4\"]",
            "trusted = [\"2000::/3\"]",
        ],
        &["", "client_ca = \"ca.pem\""],
        &["", "senders = []", "senders = [\"example.org\"]", "senders = [\"org\"]"],
        &["", "identity = \"xclient\"", "identity = \"header\"\nidentity_header = \"X-Authenticated-User\""],
    ];
    let count = choices.iter().map(|choices| choices.len()).product();
    for mut number in 0..count {
        let mut pick = |choices: &[&'static str]| {
            let chosen = choices[number % choices.len()];
            number /= choices.len();
            chosen
        };
        let (address, tls) = (pick(choices[0]), pick(choices[1]));
        let rest: Vec<&str> = choices[2..].iter().map(|choices| pick(choices)).collect();
        let text = format!("name = \"a\"\naddress = \"{address}\"\ntls = \"{tls}\"\n{}", rest.join("\n"));
        all.push(toml::from_str(&text).unwrap_or_else(|why| panic!("{text}: {why}")));
    }
    all
}

/// Sender and recipient: outside and inside, in all pairs, with forms that others relay by.
const ENVELOPES: [(&str, &str); 9] = [
    ("eve@example.com", "victim@example.net"),
    ("alice@example.org", "victim@example.net"),
    ("", "victim@example.net"),
    ("eve@example.com", "bob@example.org"),
    ("alice@example.org", "victim%example.net@example.org"),
    ("alice@example.org", "@gate.example.org:victim@example.net"),
    ("alice@example.org", "\"victim@example.net\"@example.org"),
    ("alice@example.org", "example.net!victim@example.org"),
    ("postmaster@gate.example.org", "victim@[192.0.2.1]"),
];

#[test]
fn no_settings_that_check_accepts_make_an_open_relay() {
    let (mut refused, mut accepted, mut attempts) = (0, 0, 0);
    for listener in listeners() {
        let problems = listener.problems();
        if !problems.is_empty() {
            assert!(problems.iter().all(|problem| problem.contains("write ") || problem.contains("remove it")), "{problems:?}");
            refused += 1;
            continue;
        }
        accepted += 1;
        let shown = || toml::to_string(&listener).unwrap_or_default();
        for tls in [true, false] {
            for from in ["203.0.113.9", "2001:db9::9", "198.51.100.1", "::ffff:203.0.113.9"] {
                // Nobody in particular: no login, no certificate, from no network of ours.
                for envelope in ENVELOPES {
                    let fate = attempt(&listener, Client { from, tls, ..STRANGER }, envelope);
                    assert!(matches!(fate, Fate::TurnedAway | Fate::Refused(_)), "{fate:?} {from} {envelope:?}\n{}", shown());
                    attempts += 1;
                }
            }
            // Who may send, sends as somebody of ours only, and by no route.
            let admitted = |from: &&str| listener.admits(from.parse().unwrap());
            let from = ["127.0.0.1", "192.0.2.7", "2001:db8::7"].into_iter().find(admitted).expect("somebody may come");
            let ours = Client { from, certificate: true, tls, login: listener.auth };
            for envelope in ENVELOPES {
                let fate = attempt(&listener, ours, envelope);
                let may = match envelope {
                    ("alice@example.org", "victim@example.net") => true,
                    // Servers hand on bounces.
                    ("", "victim@example.net") => !listener.auth,
                    _ => false,
                };
                let secure = tls || listener.tls != TlsMode::Starttls || (!listener.auth && listener.client_ca.is_none());
                assert_eq!(fate == Fate::Taken, may && secure, "{fate:?} {ours:?} {envelope:?}\n{}", shown());
                attempts += 1;
            }
        }
    }
    println!("{accepted} listeners accepted, {refused} refused, {attempts} attempts");
    assert!(accepted >= 50 && refused >= 1_000, "{accepted} {refused}");
}

#[test]
fn the_attempts_would_notice_an_open_relay() {
    let text = "name = \"a\"\naddress = \"0.0.0.0:25\"\ntls = \"none\"\ntrusted = [\"0.0.0.0/0\"]\nsenders = [\"example.org\", \"com\"]";
    let open: Listener = toml::from_str(text).unwrap();
    assert_eq!(open.problems().len(), 2);
    assert_eq!(attempt(&open, STRANGER, ENVELOPES[0]), Fate::Taken);
    assert_eq!(attempt(&open, STRANGER, ENVELOPES[1]), Fate::Taken);
}
