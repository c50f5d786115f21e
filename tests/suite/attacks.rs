//! Attacks on the running gate: who somebody is, where a message ends, what gets into a line, and whether what must be sealed gets
//! out in clear. Each is a row of data where it can be.

use super::canary::form_of;
use super::client::{Client, Reply};
use super::gate::{ALICE, Gate, HOSTNAME, PASSWORD, Setup, contains, message, wait_until};
use super::peers;
use super::people::{Algorithm, SmimePerson};
use super::sink::{Act, Phase, Sink};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const BOSS: &str = "boss@example.org";
const OUTSIDE: &str = "bob@example.net";
const CANARY: &str = "Schnabeltier42";
const NIR: &str = "numéro de sécurité sociale : 2 85 05 75 116 203 01";
const SOON: Duration = Duration::from_secs(20);

// --- who somebody is ---------------------------------------------------------------------------------------------------------

/// Header fields by which alice poses as her boss, who has an account in the same organisation. Refused, or nothing of it is left.
const POSES: &[(&str, &str)] = &[
    ("two From, hers first", "From: alice@example.org\r\nFrom: boss@example.org"),
    ("two From, hers last", "From: boss@example.org\r\nFrom: alice@example.org"),
    ("a From in other case beside", "fRoM: boss@example.org\r\nFrom: alice@example.org"),
    ("a blank before the colon", "From : boss@example.org\r\nFrom: alice@example.org"),
    ("a tab before the colon", "From: alice@example.org\r\nFrom\t: boss@example.org"),
    ("only one, with a blank before the colon", "From : boss@example.org"),
    ("a NUL in the name", "From\0: boss@example.org\r\nFrom: alice@example.org"),
    ("a NUL in the address", "From: alice@example.org\0boss@example.org"),
    ("a BOM before the name", "\u{FEFF}From: boss@example.org\r\nFrom: alice@example.org"),
    ("folded at once", "From:\r\n boss@example.org"),
    ("folded between two", "From: alice@example.org,\r\n boss@example.org"),
    ("after a line that only looks empty", "From: alice@example.org\r\n \r\nFrom: boss@example.org"),
    ("after a tab line that only looks empty", "From: alice@example.org\r\nSubject: a\r\n\t\r\nFrom: boss@example.org"),
    ("behind a blank at the line's start", " From: boss@example.org\r\nFrom: alice@example.org"),
    ("after a line that is no field", "From: alice@example.org\r\nthis is no field\r\nFrom: boss@example.org"),
    ("an mbox line", "From boss@example.org Sat Nov 21 10:00:00 2026\r\nFrom: alice@example.org"),
    ("an escaped mbox line", ">From: boss@example.org\r\nFrom: alice@example.org"),
    ("a group", "From: team: alice@example.org, boss@example.org;"),
    ("a group around the boss", "From: alice@example.org: boss@example.org;"),
    ("an empty group", "From: alice@example.org:;"),
    ("two with hers as Sender", "From: boss@example.org, alice@example.org\r\nSender: alice@example.org"),
    ("a semicolon", "From: alice@example.org; boss@example.org"),
    ("two angles", "From: <boss@example.org> <alice@example.org>"),
    ("angles in angles", "From: <<boss@example.org>alice@example.org>"),
    ("words behind the angle", "From: <boss@example.org> alice@example.org"),
    ("an address before the angle", "From: boss@example.org <alice@example.org>"),
    ("her address before the boss's angle", "From: alice@example.org <boss@example.org>"),
    ("an encoded address", "From: =?utf-8?q?boss=40example.org?="),
    ("an encoded address in angles", "From: <=?utf-8?q?boss=40example.org?=>"),
    ("an encoded comma", "From: =?utf-8?q?boss=40example.org=2C?= alice@example.org"),
    ("an encoded angle", "From: =?utf-8?q?=3Cboss=40example.org=3E?= <alice@example.org>"),
    ("encoded in base64", "From: =?utf-8?b?Ym9zc0BleGFtcGxlLm9yZw==?= <alice@example.org>"),
    ("an encoded line break", "From: =?utf-8?q?a=0D=0AFrom:_boss=40example.org?= <alice@example.org>"),
    ("hers in a comment", "From: boss@example.org (alice@example.org)"),
    ("hers in angles in a comment", "From: (<alice@example.org>) boss@example.org"),
    ("the boss in a comment", "From: alice@example.org (boss@example.org)"),
    ("an open comment", "From: alice@example.org (\r\nFrom: boss@example.org\r\nX: )"),
    ("a comment inside", "From: boss(alice@example.org)@example.org"),
    ("a route", "From: <@alice@example.org:boss@example.org>"),
    ("a route of hosts", "From: <@example.org,@example.net:boss@example.org>"),
    ("a quoted address as local part", "From: \"boss@example.org\"@example.org"),
    ("an angle in a quoted local part", "From: <\"alice@example.org> \"@example.net>"),
    ("an escaped quote", "From: \"alice@example.org\\\" <boss@example.org>, \" <boss@example.org>"),
    ("an open quote", "From: \"alice <alice@example.org>\r\n boss@example.org"),
    ("quotes around an address", "From: \"boss@example.org\" <alice@example.org>"),
    ("blanks around the at sign", "From: boss @ example.org"),
    ("the same in the name", "From: boss @ example.org <alice@example.org>"),
    ("a full-width at sign in the name", "From: \"boss\u{FF20}example.org\" <alice@example.org>"),
    ("a zero-width space in the name", "From: \"boss\u{200B}@example.org\" <alice@example.org>"),
    ("a right-to-left name", "From: \"\u{202E}gro.elpmaxe@ssob\" <alice@example.org>"),
    ("a local part in UTF-8", "From: b\u{F6}ss@example.org"),
    ("a look-alike in UTF-8", "From: \u{430}lice@example.org"),
    ("another case of the boss", "From: BOSS@EXAMPLE.ORG"),
    ("plus", "From: alice+boss@example.org"),
    ("dots", "From: al.ice@example.org"),
    ("a domain below", "From: alice@sub.example.org"),
    ("a domain that ends the same", "From: alice@notexample.org"),
    ("nobody", "Subject: a"),
    ("an empty From", "From:"),
    ("empty angles", "From: <>"),
    ("a name alone", "From: boss"),
    ("an address literal", "From: alice@[127.0.0.1]"),
    ("percent", "From: boss%example.org@example.org"),
    ("Sender", "From: alice@example.org\r\nSender: boss@example.org"),
    ("two Sender", "From: alice@example.org\r\nSender: alice@example.org\r\nSender: boss@example.org"),
    ("Sender with a blank before the colon", "From: alice@example.org\r\nSender : boss@example.org"),
];

/// What alice may well write.
const HERS: &[(&str, &str)] = &[
    ("plainly", "From: alice@example.org"),
    ("in capitals", "From: ALICE@Example.ORG"),
    ("with a name", "From: \"Martin, Alice\" <alice@example.org>"),
    ("with an encoded name", "From: =?utf-8?q?Alic=C3=A9?= <alice@example.org>"),
    ("with a comment", "From: alice@example.org (Alice Martin)"),
    ("in a group of one", "From: Alice: alice@example.org;"),
    ("folded", "From: Alice Martin\r\n\t<alice@example.org>"),
    ("with an organisation that has an at sign", "From: \"Alice @ Finances\" <alice@example.org>"),
    ("as her own Sender", "From: alice@example.org\r\nSender: alice@example.org"),
    ("answers to the boss", "From: alice@example.org\r\nReply-To: boss@example.org"),
    ("quoting needlessly", "From: \"alice\"@example.org"),
];

fn headed(head: &str) -> Vec<u8> {
    format!(
        "{head}\r\nTo: <{OUTSIDE}>\r\nSubject: essai\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n\
         Message-ID: <a@client.example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nbonjour\r\n"
    )
    .into_bytes()
}

/// Sends over one open session; EOF (a session that was closed) opens another.
fn attempt(gate: &Gate, client: &mut Client, from: &str, message: &[u8]) -> Reply {
    match client.send(from, &[OUTSIDE], message) {
        Ok(reply) if reply.code != 421 => reply,
        _ => {
            *client = gate.client();
            client.send(from, &[OUTSIDE], message).unwrap()
        }
    }
}

#[test]
fn nobody_poses_as_a_colleague_in_any_form_of_from() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    gate.add_user(BOSS, PASSWORD);
    let mut client = gate.client();
    for (what, head) in POSES {
        let reply = attempt(&gate, &mut client, ALICE, &headed(head));
        assert!(matches!(reply.code, 550 | 553 | 554), "{what}: {reply:?}");
        assert_eq!(reply.text.lines().count(), reply.text.split('\n').count(), "{what}");
        assert!(reply.text.chars().all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic()), "{what}: {reply:?}");
    }
    assert_eq!(sink.taken_count(), 0);
    for (n, (how, head)) in HERS.iter().enumerate() {
        let reply = attempt(&gate, &mut client, ALICE, &headed(head));
        assert_eq!(reply.code, 250, "{how}: {reply:?}");
        sink.wait_for(n + 1, SOON);
    }
}

#[test]
fn nobody_poses_as_a_colleague_in_the_envelope() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    gate.add_user(BOSS, PASSWORD);
    let mut client = gate.client();
    for (line, code) in [
        ("MAIL FROM:<boss@example.org>", 553),
        ("MAIL FROM:<>", 553),
        ("MAIL FROM:<\"boss\"@example.org>", 553),
        ("MAIL FROM:<alice@example.org@example.net>", 501),
        ("MAIL FROM:<@example.org:boss@example.org>", 553),
        ("MAIL FROM:<alice@sub.example.org>", 553),
        ("MAIL FROM:<alice+boss@example.org>", 553),
        ("MAIL FROM:<alice@example.org> AUTH=<boss@example.org> X=1", 555),
        ("MAIL FROM: <alice@example.org><boss@example.org>", 501),
    ] {
        let reply = client.command(line).unwrap();
        assert_eq!(reply.code, code, "{line}: {reply:?}");
    }
    // A second login, a login inside a transaction and a second TLS leave the first in force.
    let reply = client.log_in(BOSS, PASSWORD).unwrap();
    assert_eq!(reply.code, 503, "{reply:?}");
    assert_eq!(client.command("STARTTLS").unwrap().code, 503);
    assert_eq!(client.command("MAIL FROM:<boss@example.org>").unwrap().code, 553);
    assert_eq!(client.command("MAIL FROM:<alice@example.org>").unwrap().code, 250);
    assert_eq!(client.command("AUTH PLAIN AGEAYg==").unwrap().code, 503);
    assert_eq!(client.command("RSET").unwrap().code, 250);
    assert_eq!(client.send(ALICE, &[OUTSIDE], &headed("From: boss@example.org")).unwrap().code, 553);
    assert_eq!(sink.taken_count(), 0);
}

#[test]
fn a_relay_stays_within_its_domains() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let mut client = Client::plain(gate.listener("relay")).unwrap();
    client.good("EHLO exchange.example.org").unwrap();
    for (mail_from, head, code) in [
        ("eve@example.com", "From: eve@example.com", 553),
        ("alice@notexample.org", "From: alice@notexample.org", 553),
        ("alice@example.org", "From: eve@example.com", 553),
        ("", "From: eve@example.com", 553),
        ("", "From: alice@example.org, eve@example.com\r\nSender: alice@example.org", 553),
        ("alice@example.org", "From: alice@example.org\r\nSender: eve@example.com", 553),
        ("alice@example.org", "From: \"eve@example.com\" <alice@example.org>", 553),
        ("alice@sub.example.org", "From: alice@sub.example.org", 250),
        ("", "From: alice@example.org", 250),
        ("alice@example.org", "From: boss@example.org", 250),
    ] {
        let reply = client.send(mail_from, &[OUTSIDE], &headed(head)).unwrap();
        assert_eq!(reply.code, code, "<{mail_from}> {head}: {reply:?}");
    }
    assert_eq!(client.command("AUTH PLAIN AGEAYg==").unwrap().code, 502);
    sink.wait_for(3, SOON);
}

#[test]
fn a_disabled_account_is_out_of_its_open_sessions_even_in_the_middle_of_a_message() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let (mut idle, mut in_data) = (gate.client(), gate.client());
    in_data.good("MAIL FROM:<alice@example.org>").unwrap();
    in_data.good(&format!("RCPT TO:<{OUTSIDE}>")).unwrap();
    assert_eq!(in_data.command("DATA").unwrap().code, 354);
    let output = gate.command(&["user", "disable", ALICE], b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    in_data.write(&super::client::stuffed(&headed("From: alice@example.org"))).unwrap();
    let reply = in_data.reply().unwrap();
    assert_eq!(reply.code, 550, "{reply:?}");
    assert_eq!(idle.command("MAIL FROM:<alice@example.org>").unwrap().code, 550);
    assert!(gate.try_client().is_err());
    assert_eq!(sink.taken_count(), 0);
}
