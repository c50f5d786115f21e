//! Runs the dialogs of `tests/dialogs/` against the session: each file names its attack or its RFC.
//!
//! ```text
//! # a comment
//! @ submission starttls           the listener: submission|relay|certified|xclient, implicit|starttls|none, then limits as name=number
//! > EHLO desk.example.org         the client sends this line with CRLF
//! >> MAIL\n.\x00                   the client sends these octets, escapes read, nothing added
//! < 250 2.1.0                     the next line from the server begins so
//! <* 250 +PIPELINING -AUTH        the next reply, of however many lines, has this code, a line that begins so, none that does
//! = submitted a@x.org > b@y.net : Subject: a\r\n\r\nbody\r\n
//! = tls                           a handshake was asked for and is now done
//! = closed                        the server closes
//! ```
//! Before each client line and at the end, everything that was said or submitted must have been expected.

use super::parameters;
use super::reply::{Accepted, Refusal};
use super::session::{Action, Entrance, Limits, LoggedIn, NamesLoginBy, Profile, Session, Tls};
use crate::mail::{Address, Domain, Identity, Language, Transport};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// The gatekeeper of the dialogs: alice with the password `sesame`, recipients below `refused.example` unwanted.
struct Gate {
    session: Session,
    /// Reply lines not yet expected by the dialog.
    said: VecDeque<String>,
    submitted: VecDeque<String>,
    closed: bool,
    handshake: bool,
}

impl Gate {
    fn open(description: &str) -> Gate {
        let mut words = description.split_whitespace();
        let senders = vec![Domain::parse("example.org").unwrap()];
        let entrance = match words.next() {
            Some("submission") => Entrance::Submission,
            Some("relay") => Entrance::Relay { senders, needs_tls: false, names_login_by: NamesLoginBy::Message },
            Some("certified") => Entrance::Relay { senders, needs_tls: true, names_login_by: NamesLoginBy::Message },
            Some("xclient") => Entrance::Relay { senders, needs_tls: false, names_login_by: NamesLoginBy::Xclient },
            other => panic!("there is no listener {other:?}; try: submission, relay, certified, xclient"),
        };
        let tls = match words.next() {
            Some("implicit") => Tls::Implicit,
            Some("starttls") => Tls::Starttls,
            Some("none") => Tls::None,
            other => panic!("there is no TLS {other:?}; try: implicit, starttls, none"),
        };
        let mut limits = Limits {
            max_message: 1_000,
            max_discarded: 2_000,
            max_recipients: 3,
            max_messages: 3,
            max_errors: 5,
            max_commands: 40,
            max_idle_commands: 20,
            max_failed_logins: 3,
        };
        for word in words {
            match word.split_once('=') {
                Some(("max_errors", n)) => limits.max_errors = n.parse().unwrap(),
                Some(("max_idle_commands", n)) => limits.max_idle_commands = n.parse().unwrap(),
                Some(("max_commands", n)) => limits.max_commands = n.parse().unwrap(),
                _ => panic!("there is no limit {word:?}"),
            }
        }
        let hostname = Domain::parse("gate.example.org").unwrap();
        let profile = Profile { hostname, listener: "test".to_owned(), entrance, tls, language: Language::En, limits };
        let session = Session::new(Arc::new(profile));
        let mut gate = Gate { session, said: VecDeque::new(), submitted: VecDeque::new(), closed: false, handshake: false };
        gate.run();
        gate
    }

    fn send(&mut self, octets: &[u8]) {
        assert!(!self.closed, "the server has closed already");
        assert!(!self.handshake, "the server waits for a handshake");
        self.session.feed(octets);
        self.run();
    }

    fn run(&mut self) {
        loop {
            match self.session.advance() {
                Action::Read(_) => break,
                Action::Close => {
                    self.closed = true;
                    break;
                }
                Action::StartTls => {
                    self.handshake = true;
                    break;
                }
                Action::LogIn(credentials) => {
                    let right = credentials.login == "alice@example.org" && **credentials.password == *b"sesame";
                    self.session.logged_in(if right { Ok(alice()) } else { Err(Refusal::of::<535>(7, 8, "wrong")) });
                }
                Action::Sender(_) => self.session.answered(Ok(())),
                Action::Recipient(recipient) => self.session.answered(match recipient.domain().as_str() {
                    "refused.example" => Err(Refusal::of::<550>(7, 1, "unwanted")),
                    "later.example" => Err(Refusal::of::<421>(3, 2, "gone")),
                    _ => Ok(()),
                }),
                Action::Submit(letter) => {
                    let from = letter.mail_from.map_or(String::new(), |address| address.to_string());
                    let to: Vec<String> = letter.recipients.iter().map(Address::to_string).collect();
                    let content = letter.raw.as_bytes().escape_ascii();
                    let strict = if letter.requires_tls { " : requiretls" } else { "" };
                    let asked = asked(&letter.transport, &letter.recipients);
                    let who = match self.session.identity() {
                        Some(Identity::Relay { login: Some(login), .. }) => format!(" : for {login}"),
                        _ => String::new(),
                    };
                    self.submitted.push_back(format!("{from} > {}{strict}{who}{asked} : {content}", to.join(" ")));
                    self.session.submitted(match to[0].starts_with("blocked") {
                        true => Err(Refusal::of::<550>(7, 1, "PST-7F3A2CQX9KMD NIR x12 vers gmail.com")),
                        false => Ok(Accepted::in_a_test("PST-7F3A2CQX9KMD")),
                    });
                }
            }
        }
        let text = String::from_utf8(self.session.output().to_vec()).unwrap();
        assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
        self.said.extend(text.split_terminator("\r\n").map(str::to_owned));
        self.session.sent();
    }

    fn nothing_left(&self) {
        assert!(self.said.is_empty(), "the server also said {:?}", self.said);
        assert!(self.submitted.is_empty(), "the server also took {:?}", self.submitted);
    }

    /// The lines of the next reply.
    fn reply(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.said.pop_front() {
            let last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if last {
                break;
            }
        }
        lines
    }
}

/// ` : smtputf8 ret=hdrs envid=x | notify=NEVER orcpt=rfc822;b@y.net`: for each recipient a bar and its own.
fn asked(transport: &Transport, recipients: &[Address]) -> String {
    let mut words = Vec::new();
    words.extend(transport.smtputf8.then(|| "smtputf8".to_owned()));
    words.extend(transport.ret.map(|ret| format!("ret={ret:?}").to_lowercase()));
    words.extend(transport.envid.as_ref().map(|envid| format!("envid={envid}")));
    if !transport.reports.is_empty() {
        for recipient in recipients {
            words.push("|".to_owned());
            let Some(reports) = transport.reports.get(recipient) else { continue };
            words.extend(reports.notify.map(|notify| format!("notify={}", parameters::notify_words(notify))));
            words.extend(reports.original.as_ref().map(|(kind, text)| format!("orcpt={kind};{text}")));
        }
    }
    if words.is_empty() { String::new() } else { format!(" : {}", words.join(" ")) }
}

fn alice() -> LoggedIn {
    let login = Address::parse("alice@example.org").unwrap();
    let owns = vec![login.clone(), Address::parse("press@example.org").unwrap()];
    LoggedIn {
        identity: Identity::Account { login, owns, names: vec![], attributes: Default::default() },
        language: Language::En,
    }
}

fn play(dialog: &str) {
    let mut gate: Option<Gate> = None;
    for (number, line) in dialog.lines().enumerate() {
        let at = || format!("line {}: {line}", number + 1);
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match mark {
            "" | "#" => {}
            "@" => {
                if let Some(gate) = &gate {
                    gate.nothing_left();
                }
                gate = Some(Gate::open(rest));
            }
            _ => step(gate.as_mut().expect("a dialog begins with @"), mark, rest),
        }));
        if let Err(panic) = run {
            let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("{}: {why}", at());
        }
    }
    gate.expect("a dialog begins with @").nothing_left();
}

fn step(gate: &mut Gate, mark: &str, rest: &str) {
    match mark {
        ">" => {
            gate.nothing_left();
            gate.send(format!("{rest}\r\n").as_bytes());
        }
        ">>" => {
            gate.nothing_left();
            gate.send(&unescape(rest));
        }
        "<" => {
            let said = gate.said.pop_front();
            assert!(said.as_ref().is_some_and(|said| said.starts_with(rest)), "the server said {said:?}");
        }
        "<*" => {
            let lines = gate.reply();
            let mut words = rest.split_whitespace();
            let code = words.next().expect("a code");
            assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with(code)), "the server said {lines:?}");
            for word in words {
                let begins = lines.iter().any(|line| line[4..].starts_with(&word[1..]));
                assert_eq!(begins, word.starts_with('+'), "{word}: the server said {lines:?}");
            }
        }
        "=" => match rest.split_once(' ').unwrap_or((rest, "")) {
            ("closed", _) => assert!(gate.closed, "the server has not closed"),
            ("tls", _) => {
                assert!(gate.handshake, "the server does not wait for a handshake");
                gate.nothing_left();
                gate.handshake = false;
                gate.session.tls_started();
                gate.run();
            }
            ("submitted", letter) => assert_eq!(gate.submitted.pop_front().as_deref(), Some(letter)),
            (other, _) => panic!("there is no \"= {other}\"; try: closed, tls, submitted"),
        },
        other => panic!("a line begins with # @ > >> < <* or =, not {other:?}"),
    }
}

/// `\r \n \0 \\` and `\xNN`; `{200}x` repeats the next character.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => octets.push(match rest.next().expect("an escape") {
                'r' => b'\r',
                'n' => b'\n',
                '0' => 0,
                '\\' => b'\\',
                'x' => u8::from_str_radix(&rest.by_ref().take(2).collect::<String>(), 16).expect("two hex digits"),
                other => panic!("there is no escape \\{other}"),
            }),
            '{' => {
                let count: String = rest.by_ref().take_while(|&c| c != '}').collect();
                let octet = rest.next().expect("a character to repeat") as u8;
                octets.extend(std::iter::repeat_n(octet, count.parse().expect("a number")));
            }
            c => octets.extend_from_slice(c.to_string().as_bytes()),
        }
    }
    octets
}

#[test]
fn every_dialog_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs");
    let mut played = 0;
    let mut failed = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let dialog = std::fs::read_to_string(&path).unwrap();
        assert!(dialog.starts_with("# "), "{path:?} does not say what it shows");
        if let Err(panic) = std::panic::catch_unwind(|| play(&dialog)) {
            let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            failed.push(format!("{}: {why}", path.file_name().unwrap().display()));
        }
        played += 1;
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
    assert!(played >= 25, "only {played} dialogs were found");
}

#[test]
fn a_dialog_that_does_not_go_as_written_is_noticed() {
    for wrong in [
        "@ relay none\n",
        "@ relay none\n< 220\n> NOOP\n",
        "@ relay none\n< 220\n> NOOP\n< 251\n",
        "@ relay none\n< 220\n= closed\n",
        "@ relay none\n< 220\n> EHLO a\n<* 250 +AUTH\n",
    ] {
        assert!(std::panic::catch_unwind(|| play(wrong)).is_err(), "{wrong}");
    }
}

mod foreign_input {
    use super::*;
    use proptest::prelude::*;

    const FRAGMENTS: [&[u8]; 33] = [
        b"EHLO a\r\n",
        b"HELO a\r\n",
        b"MAIL FROM:<a@example.org>\r\n",
        b"MAIL FROM:<>\r\n",
        b"RCPT TO:<b@example.net>\r\n",
        b"RCPT TO:<b@refused.example>\r\n",
        b"DATA\r\n",
        b"x\r\n",
        b".\r\n",
        b"..\r\n",
        b"\r\n.\r\n",
        b"RSET\r\n",
        b"QUIT\r\n",
        b"AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlc2FtZQ==\r\n",
        b"AUTH LOGIN\r\n",
        b"YQ==\r\n",
        b"*\r\n",
        b"VRFY a\r\n",
        b"NOOP\r\n",
        b"AUTH ",
        b"MAIL FROM:<",
        "MAIL FROM:<\u{e9}@example.org> SMTPUTF8 RET=HDRS ENVID=a+2Bb\r\n".as_bytes(),
        b"RCPT TO:<b@example.net> NOTIFY=SUCCESS ORCPT=utf-8;\\x{E9}@example.net\r\n",
        b"BDAT 5\r\n",
        b"BDAT 4 LAST\r\n",
        b"BDAT 0 LAST\r\n",
        b"BDAT 99999 LAST\r\n",
        b"XCLIENT LOGIN=a@example.org\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\xff\xc3\xa9",
        b" ",
    ];

    fn check(listener: &str, wire: &[u8], cut: usize) {
        let mut gate = Gate::open(listener);
        for piece in wire.chunks(cut) {
            if gate.closed {
                break;
            }
            gate.send(piece);
        }
        let replies = gate.said.iter().filter(|line| line.as_bytes().get(3) == Some(&b' ')).count();
        // The greeting, one for each line, and one for a line that is broken or without end.
        let lines = wire.iter().filter(|&&b| b == b'\n').count();
        assert!(replies <= 1 + lines + 1, "{replies} replies to {lines} lines");
        for line in &gate.said {
            assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn random_octets_never_panic_nor_get_more_than_one_reply_a_command(
            wire in proptest::collection::vec(any::<u8>(), 0..600), cut in 1usize..100,
        ) {
            for listener in ["submission none max_commands=500", "relay none"] {
                check(listener, &wire, cut);
            }
        }

        #[test]
        fn random_dialogues_never_panic_nor_get_more_than_one_reply_a_command(
            fragments in proptest::collection::vec(0..FRAGMENTS.len(), 0..60), cut in 1usize..100,
        ) {
            let wire: Vec<u8> = fragments.iter().flat_map(|&i| FRAGMENTS[i].iter().copied()).collect();
            for listener in ["submission none", "relay none", "submission implicit", "xclient none"] {
                check(listener, &wire, cut);
            }
        }
    }
}
