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
    ("a group", "From: team: alice@example.org, boss@example.org;"),
    ("a group around the boss", "From: alice@example.org: boss@example.org;"),
    ("an address as the group's name", "From: \"boss@example.org\": alice@example.org;"),
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
    ("Resent-From", "From: alice@example.org\r\nResent-From: boss@example.org"),
    ("Resent-From in other case", "From: alice@example.org\r\nrEsEnT-fRoM: boss@example.org"),
    ("a second Resent-From", "From: alice@example.org\r\nResent-From: alice@example.org\r\nResent-From: boss@example.org"),
    ("Resent-From of two", "From: alice@example.org\r\nResent-From: alice@example.org, boss@example.org"),
    ("Resent-From of a group", "From: alice@example.org\r\nResent-From: team: boss@example.org;"),
    ("Resent-Sender", "From: alice@example.org\r\nResent-From: alice@example.org\r\nResent-Sender: boss@example.org"),
    ("Resent-Sender alone", "From: alice@example.org\r\nResent-Sender: boss@example.org"),
    ("her own Resent-From around the boss's From", "From: boss@example.org\r\nResent-From: alice@example.org"),
    ("the boss in the name of Resent-From", "From: alice@example.org\r\nResent-From: \"boss@example.org\" <alice@example.org>"),
    ("an encoded Resent-From", "From: alice@example.org\r\nResent-From: =?utf-8?q?boss=40example.org?="),
    ("a Resent-From that is nobody", "From: alice@example.org\r\nResent-From: boss"),
    ("a folded Resent-From", "From: alice@example.org\r\nResent-From:\r\n boss@example.org"),
    ("Sender of a group", "From: alice@example.org\r\nSender: team: boss@example.org;"),
    ("an empty Sender", "From: alice@example.org\r\nSender:"),
    ("the boss in the name of Sender", "From: alice@example.org\r\nSender: \"boss@example.org\" <alice@example.org>"),
    ("an encoded Sender", "From: alice@example.org\r\nSender: =?utf-8?q?boss=40example.org?="),
    ("a bang path", "From: example.org!boss@example.org"),
    ("a trailing dot", "From: boss@example.org."),
    ("two trailing dots", "From: alice@example.org.."),
    ("a domain in UTF-8", "From: alice@ex\u{E4}mple.org"),
    ("full-width letters", "From: \u{FF41}lice@example.org"),
    ("the Kelvin sign", "From: \u{212A}im@example.org"),
    ("another script in the name", "From: \"b\u{43E}ss@example.org\" <alice@example.org>"),
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
    ("with an apostrophe in the name", "From: Alice O'Brien <alice@example.org>"),
    ("folded", "From: Alice Martin\r\n\t<alice@example.org>"),
    ("with an organisation that has an at sign", "From: \"Alice @ Finances\" <alice@example.org>"),
    ("as her own Sender", "From: alice@example.org\r\nSender: alice@example.org"),
    ("resent by herself", "From: alice@example.org\r\nResent-From: Alice <alice@example.org>\r\nResent-To: bob@example.net"),
    ("with a trailing dot", "From: alice@example.org."),
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
    let mut wrong = Vec::new();
    for (what, head) in POSES {
        let reply = attempt(&gate, &mut client, ALICE, &headed(head));
        let harmless = reply.text.chars().all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic());
        if !matches!(reply.code, 550 | 553 | 554) || !harmless {
            wrong.push(format!("{what}: {reply:?}"));
        }
    }
    for (how, head) in HERS {
        let reply = attempt(&gate, &mut client, ALICE, &headed(head));
        if reply.code != 250 {
            wrong.push(format!("{how}: {reply:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(sink.wait_for(HERS.len(), SOON).len(), HERS.len());
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
        ("MAIL FROM:<boss@example.org> SMTPUTF8", 553),
        ("MAIL FROM:<\u{430}lice@example.org> SMTPUTF8", 553),
        ("MAIL FROM:<\u{FF41}lice@example.org> SMTPUTF8", 501),
        ("MAIL FROM:<boss@example.org> RET=HDRS ENVID=x", 553),
        ("MAIL FROM:<boss@example.org> AUTH=alice@example.org", 553),
        ("XCLIENT LOGIN=boss@example.org", 550),
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

// --- where a message ends, and where a line ends --------------------------------------------------------------------------------

/// Ends of data for some other server. After each stands a whole transaction in the boss's name.
const LOOK_ALIKES: &[&str] = &[
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r.\r\n",
    "\r\n.\r",
    "\n.\r",
    "\r.\n",
    "\r\n\0.\r\n",
    "\r\n.\0\r\n",
    "\r\r\n.\r\r\n",
    "\n\n.\n\n",
];

#[test]
fn nothing_is_smuggled_in_or_out() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    for end in LOOK_ALIKES {
        let mut client = gate.client();
        client.good("MAIL FROM:<alice@example.org>").unwrap();
        client.good(&format!("RCPT TO:<{OUTSIDE}>")).unwrap();
        assert_eq!(client.command("DATA").unwrap().code, 354);
        let smuggled =
            "MAIL FROM:<boss@example.org>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nFrom: boss@example.org\r\n\r\nx";
        let mut wire = headed("From: alice@example.org");
        wire.extend_from_slice(format!("body{end}{smuggled}\r\n.\r\n").as_bytes());
        client.write(&wire).unwrap();
        let reply = client.reply().unwrap();
        assert_eq!((reply.code, reply.text.get(..5)), (550, Some("5.5.2")), "{end:?}: {reply:?}");
        // Exactly one reply: the next one answers the next command.
        assert_eq!(client.command("NOOP").unwrap().text, "2.0.0 ok", "{end:?}");
    }
    // Out: dots and long lines, whatever stands in them, make one transaction.
    let tricky = [
        headed("From: alice@example.org"),
        b".\r\n..\r\n. \r\n.x\r\n\r\n.\r\nMAIL FROM:<boss@example.org>\r\n".to_vec(),
        vec![b'.'; 4000],
        b"\r\n.\r\nQUIT\r\n".to_vec(),
    ]
    .concat();
    assert_eq!(gate.submit(&[OUTSIDE], &tricky).code, 250);
    let taken = sink.wait_for(1, SOON).remove(0);
    assert_eq!((taken.mail_from.as_str(), taken.recipients.as_slice()), (ALICE, &[OUTSIDE.to_string()][..]));
    for transcript in sink.transcripts() {
        let whole = transcript.iter().enumerate().all(|(at, &octet)| match octet {
            b'\n' => at > 0 && transcript[at - 1] == b'\r',
            b'\r' => transcript.get(at + 1) == Some(&b'\n'),
            octet => octet != 0,
        });
        assert!(whole, "a bare CR, LF or NUL went upstream");
    }
    assert_eq!(sink.taken_count(), 1);
}

#[test]
fn what_was_sent_in_clear_before_tls_is_forgotten() {
    let gate = Setup::default().start();
    let mut client = Client::plain(gate.listener("submission")).unwrap();
    client.good("EHLO a.example").unwrap();
    client.write(b"STARTTLS\r\nEHLO evil.example\r\nNOOP\r\n").unwrap();
    assert_eq!(client.reply().unwrap().code, 220);
    // No answer to what was injected, in clear or after.
    let mut rest = Client::starttls(gate.listener("submission"), &gate.certificate(), HOSTNAME).unwrap();
    assert_eq!(rest.command("MAIL FROM:<alice@example.org>").unwrap().code, 503, "the EHLO before TLS is forgotten");
    let mut plain = Client::plain(gate.listener("submission")).unwrap();
    plain.good("EHLO a.example").unwrap();
    assert_eq!(plain.command("AUTH PLAIN AGEAYg==").unwrap().code, 538);
    assert_eq!(plain.command("MAIL FROM:<alice@example.org>").unwrap().code, 530);
    for (line, code) in [("NOOP\rRSET", 500), ("NOOP\nRSET", 500), ("NO\0OP", 500)] {
        let mut client = Client::plain(gate.listener("submission")).unwrap();
        let reply = client.command(line).unwrap();
        assert_eq!(reply.code, code, "{line:?}");
        assert!(client.command("NOOP").is_err(), "the connection is closed");
    }
}

/// Everything that a foreigner words and that the gate says again: one line stays one line.
#[test]
fn no_foreign_word_makes_a_line_of_its_own() {
    let sink = Sink::start();
    let setup = Setup::towards(&sink).with("[log]\nlevel = \"debug\"");
    let gate = setup.start();
    sink.spare(ALICE);
    sink.fail(
        Phase::Rcpt,
        Act::Say("550-5.1.1 a\u{1b}[31m\r\n550-5.1.1 b\u{85}c\u{2028}d\r\n550 5.1.1 \rX-Injected: yes\u{7}"),
        1,
    );
    let mut client = gate.client();
    // EHLO, quoted local part, Subject, display name and file name all try.
    assert_eq!(client.command("EHLO a.example\u{1b}[2J").unwrap().code, 501);
    assert_eq!(client.command("EHLO [127.0.0.1]").unwrap().code, 250);
    let head = "From: =?utf-8?q?Alice=0D=0ABcc:_eve=40example.com?= <alice@example.org>\r\n\
                Cc: =?utf-8?q?x=0D=0AX-Injected:_yes?= <c@example.net>\r\nX-Postern-Verdict: allow\r\nBcc: secret@example.net";
    let message = String::from_utf8(headed(head)).unwrap().replace("essai", "=?utf-8?q?essai=0D=0AX-Injected:_yes=1B[31m?=");
    let odd = "\"b\\\"X-Injected: yes\\\\\"@example.net";
    let reply = client.send(ALICE, &[odd], message.as_bytes()).unwrap();
    assert!(matches!(reply.code, 250 | 553), "{reply:?}");
    if reply.code == 250 {
        wait_until(SOON, "the report", || {
            gate.command(&["spool", "retry"], b"");
            sink.taken_count() > 0
        });
        let report = sink.taken().remove(0);
        let lines: Vec<&str> = std::str::from_utf8(&report.data).unwrap().split("\r\n").collect();
        assert!(
            lines.iter().all(|line| !line.starts_with("X-Injected") && !line.starts_with("X-Postern-Verdict")),
            "{lines:#?}"
        );
        assert!(lines.iter().all(|line| line.chars().all(|c| c == '\t' || !c.is_control())), "{lines:#?}");
        assert!(lines.iter().filter(|line| line.starts_with("Bcc")).count() == 0);
    }
    let audit = gate.command(&["audit", "export"], b"").stdout;
    for line in String::from_utf8(audit).unwrap().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    for line in gate.log().lines() {
        assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
        assert!(!line.starts_with("X-Injected") && !line.starts_with("550"), "{line:?}");
    }
}

// --- what must not leave in clear -------------------------------------------------------------------------------------------------

fn secret(to: &str, number: usize) -> Vec<u8> {
    message(to, &format!("Dossier {CANARY} {number}"), &format!("{CANARY}\r\n{NIR}\r\n{CANARY}\r\n"))
}

/// SIGHUP, until rules and keys were read again.
fn reload(gate: &Gate) {
    let times = || gate.log().matches("rules and policies reloaded").count();
    let before = times();
    gate.signal("HUP");
    wait_until(SOON, "the reload", || times() > before);
}

/// The canary is nowhere: not on the wire, not in the log at debug level, not at rest, not in what commands print.
fn is_silent(gate: &Gate, sink: &Sink) {
    for transcript in sink.transcripts() {
        assert_eq!(form_of(CANARY, &transcript), None, "on the wire\n{}", String::from_utf8_lossy(&transcript));
        assert!(!contains(&transcript, b"116 203") && !contains(&transcript, b"116203"));
    }
    assert_eq!(form_of(CANARY, gate.log().as_bytes()), None, "in the log\n{}", gate.log());
    for (file, octets) in gate.at_rest() {
        assert_eq!(form_of(CANARY, &octets), None, "at rest in {}", file.display());
    }
    for command in [["quarantine", "list"], ["spool", "list"], ["audit", "export"]] {
        let output = gate.command(&command, b"");
        assert_eq!(form_of(CANARY, &[output.stdout, output.stderr].concat()), None, "printed by {command:?}");
    }
}

fn quarantine(gate: &Gate, act: &str, reference: &str) -> bool {
    gate.command(&["quarantine", act, reference, "--officer", "dpo@example.org"], b"").status.success()
}

fn audit_lines(gate: &Gate, reference: &str, event: &str) -> usize {
    let audit = String::from_utf8(gate.command(&["audit", "export"], b"").stdout).unwrap();
    audit.lines().filter(|line| line.contains(reference) && line.contains(event)).count()
}

/// With keys that come and go between the steps: accepted, held, released, refused upstream, put off, put away.
#[test]
fn keys_that_come_and_go_let_nothing_out_in_clear() {
    if !peers::are_here("attacks::keys_that_come_and_go_let_nothing_out_in_clear", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let claire = "claire@example.net";
    let person = SmimePerson::make(folder.path(), claire, Algorithm::P256);
    let sink = Sink::start();
    sink.spare(ALICE);
    let gate = Setup::towards(&sink).with("[log]\nlevel = \"debug\"").start();
    let key = gate.path("keys/recipients/claire.pem");
    // Held for want of a key; no release without one.
    let reply = gate.submit(&[claire], &secret(claire, 1));
    let held = reply.reference().unwrap().to_string();
    assert!(reply.text.contains("retenu"), "{reply:?}");
    assert!(!quarantine(&gate, "release", &held), "there is no key");
    // With a damaged one neither.
    std::fs::write(&key, &person.certificate_pem()[..400]).unwrap();
    reload(&gate);
    assert!(!quarantine(&gate, "release", &held), "the key is damaged");
    // With a key that is another's neither.
    let other = SmimePerson::make(folder.path(), "other@example.net", Algorithm::P256);
    std::fs::write(&key, other.certificate_pem()).unwrap();
    reload(&gate);
    assert!(!quarantine(&gate, "release", &held), "the key is another's");
    // With the right one yes, by two officers at once: one wins, once, sealed.
    std::fs::write(&key, person.certificate_pem()).unwrap();
    reload(&gate);
    let won: Vec<bool> = std::thread::scope(|scope| {
        let acts = ["release", "reject", "release", "release"];
        let tries: Vec<_> = acts.iter().map(|act| scope.spawn(|| quarantine(&gate, act, &held))).collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    let ended = audit_lines(&gate, &held, "released") + audit_lines(&gate, &held, "rejected");
    assert_eq!(ended, 1, "one audit line for one end");
    // Accepted sealed, put off upstream, its key taken away, then refused: the report knows nothing either.
    sink.fail(Phase::Rcpt, Act::Say("451 4.3.0 later"), 1);
    let reply = gate.submit(&[claire], &secret(claire, 2));
    assert!(reply.code == 250 && !reply.text.contains("retenu"), "{reply:?}");
    std::fs::remove_file(&key).unwrap();
    reload(&gate);
    sink.fail(Phase::Rcpt, Act::Say("550 5.1.1 gone"), 1);
    wait_until(SOON, "the report", || {
        gate.command(&["spool", "retry"], b"");
        sink.taken().iter().any(|one| contains(&one.data, b"message/delivery-status"))
    });
    // The key is gone: held again, and rejected.
    let reply = gate.submit(&[claire, ALICE], &secret(claire, 3));
    assert!(reply.text.contains("retenu"), "{reply:?}");
    let held = reply.reference().unwrap().to_string();
    assert!(quarantine(&gate, "reject", &held) && !quarantine(&gate, "release", &held));
    is_silent(&gate, &sink);
}

/// Labels that claim a seal, and a real one with the secret beside it.
#[test]
fn a_label_is_no_seal() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).with("[log]\nlevel = \"debug\"").start();
    let mut client = gate.client();
    let body = format!("{CANARY} {NIR}");
    let pgp = format!("-----BEGIN PGP MESSAGE-----\r\n\r\n{body}\r\n-----END PGP MESSAGE-----");
    let base64 = |text: &str| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let encrypted = |inner: &str| {
        format!(
            "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n--b\r\n\
             Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n\
             {inner}\r\n--b--\r\n"
        )
    };
    let fakes = [
        ("S/MIME by its type", format!("Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\n{body}")),
        (
            "S/MIME in base64",
            format!(
                "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{}",
                base64(&body)
            ),
        ),
        ("PGP/MIME around clear text", encrypted(&body)),
        ("PGP/MIME around armored clear text", encrypted(&pgp)),
        (
            "armor around base64 of clear text",
            encrypted(&format!("-----BEGIN PGP MESSAGE-----\r\n\r\n{}\r\n-----END PGP MESSAGE-----", base64(&body))),
        ),
        ("inline armor", format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{pgp}")),
        (
            "a forward",
            format!("Content-Type: message/rfc822\r\n\r\nSubject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}"),
        ),
        ("a forward of a fake", format!("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n{}", encrypted(&pgp))),
        ("a label of ours", format!("X-Postern-Protection: smime\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}")),
    ];
    for (what, rest) in fakes {
        let message = format!(
            "From: <{ALICE}>\r\nTo: <{OUTSIDE}>\r\nSubject: {CANARY}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n\
             Message-ID: <f@client.example.org>\r\nMIME-Version: 1.0\r\n{rest}\r\n"
        );
        let reply = client.send(ALICE, &[OUTSIDE], message.as_bytes()).unwrap();
        assert!(reply.code >= 500 || reply.text.contains("retenu"), "{what}: {reply:?}");
    }
    is_silent(&gate, &sink);
}

#[test]
fn what_is_refused_or_broken_leaves_nothing_at_rest() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).with("[log]\nlevel = \"debug\"").start();
    let key = "-----BEGIN RSA PRIVATE KEY-----\r\nMIIEpAIBAAKCAQEAwM7hT0vM9pQ\r\n-----END RSA PRIVATE KEY-----";
    let blocked = message(OUTSIDE, CANARY, &format!("{CANARY}\r\n{key}\r\n"));
    let reply = gate.submit(&[OUTSIDE], &blocked);
    assert_eq!(reply.code, 550, "{reply:?}");
    let first: String = reply.text.chars().take(60).collect();
    assert!(first.contains("PST-") && first.len() > 25, "{first}");
    let card = message(OUTSIDE, CANARY, &format!("{CANARY} carte bancaire 4111 1111 1111 1111\r\n"));
    assert_eq!(gate.submit(&[OUTSIDE], &card).code, 550);
    let tagged = message(OUTSIDE, &format!("[chiffrer] {CANARY}"), &format!("bonjour {CANARY}\r\n"));
    let reply = gate.submit(&[OUTSIDE], &tagged);
    assert!(reply.text.contains("retenu"), "{reply:?}");
    // A client that goes away in the middle.
    let mut client = gate.client();
    client.good("MAIL FROM:<alice@example.org>").unwrap();
    client.good(&format!("RCPT TO:<{OUTSIDE}>")).unwrap();
    assert_eq!(client.command("DATA").unwrap().code, 354);
    client.write(&message(OUTSIDE, CANARY, CANARY)).unwrap();
    drop(client);
    sink.wait_for(1, SOON);
    is_silent(&gate, &sink);
    assert!(
        !gate.at_rest().iter().any(|(_, octets)| contains(octets, b"4111111111111111") || contains(octets, b"MIIEpAIBAAKC"))
    );
}

/// The end of a hold is told to whom its beginning was told, in the same language, not to the login in the house's.
#[test]
fn the_end_of_a_hold_is_told_as_its_beginning_was() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let (login, alias) = ("carol@example.org", "press@example.org");
    let arguments = ["user", "add", login, "--alias", alias, "--language", "en", "--password-stdin"];
    assert!(gate.command(&arguments, PASSWORD.as_bytes()).status.success());
    let mut client = Client::starttls(gate.listener("submission"), &gate.certificate(), HOSTNAME).unwrap();
    assert!(client.log_in(login, PASSWORD).unwrap().is_good());
    let message = String::from_utf8(secret(OUTSIDE, 1)).unwrap().replace(&format!("Alice Martin <{ALICE}>"), alias);
    let reply = client.send(alias, &[OUTSIDE], message.as_bytes()).unwrap();
    assert!(reply.code == 250 && reply.text.contains("held for review"), "{reply:?}");
    assert!(quarantine(&gate, "reject", reply.reference().unwrap()));
    for notice in sink.wait_for(2, SOON) {
        assert_eq!(notice.recipients, [alias.to_string()]);
        assert!(contains(&notice.data, b"Content-Language: en"), "{}", String::from_utf8_lossy(&notice.data));
    }
}

// --- the officers' socket -----------------------------------------------------------------------------------------------------

fn ask_raw(gate: &Gate, request: &[u8]) -> String {
    let socket = gate.control_socket();
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    // It may be closed before all of it is written.
    let _ = stream.write_all(request);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn the_control_socket_is_closed_to_others_and_takes_no_rubbish() {
    use std::os::unix::fs::PermissionsExt;
    let gate = Setup::default().start();
    let socket = gate.control_socket();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(&gate.path("data"))), (0o600, 0o700));
    for request in [
        &b"\n"[..],
        b"{}\n",
        b"{\"do\":\"user-list\",\"as\":\"root\"}\n",
        b"{\"do\":\"quarantine-release\",\"reference\":\"../../x\",\"officer\":\"a\"}\n",
        b"{\"do\":\"format-disk\"}\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\n",
        &[b'['; 200_000],
        &[b"{\"do\":\"user-list\",\"x\":\"".as_slice(), &[b'a'; 1_000_000]].concat(),
    ] {
        let answer = ask_raw(&gate, request);
        assert!(answer.is_empty() || answer.starts_with("{\"no\":"), "{answer}");
        assert!(!answer.contains("rows"), "{answer}");
    }
    assert!(ask_raw(&gate, b"{\"do\":\"user-list\"}\n").contains(ALICE));
}

// --- denial -----------------------------------------------------------------------------------------------------------------------

/// Others hold connections, drip commands and data, guess passwords and keep the processors busy: an honest client is served.
#[test]
fn an_honest_client_is_served_while_others_waste() {
    let gate = Setup::default().start();
    // A password that was right a moment ago is not shut out by those who guess from the same network.
    drop(gate.client());
    let address = gate.listener("submission");
    let mut idle = Vec::new();
    for _ in 0..45 {
        if let Ok(client) = Client::plain(address) {
            idle.push(client);
        }
    }
    // One network has its places and no more.
    let more: Vec<Client> = (0..20).filter_map(|_| Client::plain(address).ok()).collect();
    assert!(more.len() <= 5, "{} of 20 more were let in", more.len());
    drop(more);
    drop(idle.split_off(20));
    std::thread::sleep(Duration::from_millis(200));
    let (end, certificate) = (Instant::now() + Duration::from_secs(4), gate.certificate());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let Ok(mut client) = Client::starttls(address, &certificate, HOSTNAME) else { return };
                let mut n = 0;
                while Instant::now() < end && n < 50 {
                    n += 1;
                    match client.log_in(&format!("guess{n}@example.org"), "wrong") {
                        Ok(reply) if reply.code == 535 || reply.code == 454 => {}
                        _ => return,
                    }
                }
            });
        }
        let started = Instant::now();
        let mut client = Client::starttls(address, &certificate, HOSTNAME).unwrap();
        assert_eq!(client.log_in(ALICE, PASSWORD).unwrap().code, 235);
        let reply = client.send(ALICE, &[OUTSIDE], &message(OUTSIDE, "Bonjour", "bonjour\r\n")).unwrap();
        assert_eq!(reply.code, 250, "{reply:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    });
}

/// A line of text does not wait behind all large messages that came before it.
#[test]
fn a_small_message_overtakes_many_large_ones() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    const LARGE: usize = 6;
    let gate = Setup::default().start();
    let relay = gate.listener("relay");
    let text = "Veuillez trouver ci-joint le compte rendu de la séance.\r\n".repeat(22_000);
    let large = message(OUTSIDE, "Compte rendu", &text);
    let (sent, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..LARGE {
            scope.spawn(|| {
                let mut client = Client::plain(relay).unwrap();
                client.good("EHLO exchange.example.org").unwrap();
                client.good("MAIL FROM:<alice@example.org>").unwrap();
                client.good(&format!("RCPT TO:<{OUTSIDE}>")).unwrap();
                assert_eq!(client.command("DATA").unwrap().code, 354);
                client.write(&super::client::stuffed(&large)).unwrap();
                sent.fetch_add(1, Ordering::SeqCst);
                let reply = client.reply().unwrap();
                assert_eq!(reply.code, 250, "{reply:?}");
                answered.fetch_add(1, Ordering::SeqCst);
            });
        }
        wait_until(SOON, "all are sent", || sent.load(Ordering::SeqCst) == LARGE);
        let mut client = Client::plain(relay).unwrap();
        client.good("EHLO exchange.example.org").unwrap();
        let reply = client.send(ALICE, &[OUTSIDE], &message(OUTSIDE, "Bonjour", "bonjour\r\n")).unwrap();
        assert_eq!(reply.code, 250, "{reply:?}");
        assert!(answered.load(Ordering::SeqCst) < LARGE - 1, "it came after {answered:?} of {LARGE}");
    });
}
