//! SMTPUTF8, delivery reports, chunks and named logins through the running gate: what is asked at its door is done at its other side,
//! by the next server or by the gate itself.

use super::byte_for_byte::below_our_fields;
use super::client::{Client, Reply, stuffed};
use super::gate::{ALICE, PASSWORD, Setup, contains, message, wait_until};
use super::peers;
use super::sink::Sink;
use std::process::Command;
use std::time::Duration;

const BOB: &str = "bob@example.net";
const SOON: Duration = Duration::from_secs(20);

/// The answer to the first command that is refused, or to the message.
fn transact(client: &mut Client, commands: &[&str], message: &[u8]) -> Reply {
    for line in commands {
        let reply = client.command(line).unwrap();
        if !reply.is_good() {
            client.good("RSET").unwrap();
            return reply;
        }
    }
    let reply = client.command("DATA").unwrap();
    assert_eq!(reply.code, 354, "{reply:?}");
    client.write(&stuffed(message)).unwrap();
    client.reply().unwrap()
}

fn with_header(header: &str) -> Vec<u8> {
    format!("{header}\r\nSubject: essai\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\nMessage-ID: <a@client.example.org>\r\nMIME-Version: 1.0\r\n\r\nCANARY\r\n")
        .into_bytes()
}

#[test]
fn success_is_told_by_us_where_the_next_server_tells_of_none() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let mut client = gate.client();
    let commands = [
        "MAIL FROM:<alice@example.org> RET=FULL ENVID=QQ+2B1",
        "RCPT TO:<bob@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Robert+2BX@old.example",
        "RCPT TO:<carol@example.net>",
    ];
    assert_eq!(transact(&mut client, &commands, &message(BOB, "Bonjour", "CANARY\r\n")).code, 250);
    wait_until(SOON, "the message and the report", || {
        gate.command(&["spool", "retry"], b"");
        sink.taken_count() == 2
    });
    let taken = sink.taken();
    let original = taken.iter().find(|one| one.mail_from == ALICE).expect("the message");
    assert!(!original.mail_parameters.contains("RET") && !original.mail_parameters.contains("ENVID"), "it was not offered");
    let report = taken.iter().find(|one| one.mail_from.is_empty()).expect("the report");
    assert_eq!(report.recipients, [ALICE]);
    let text = String::from_utf8_lossy(&report.data);
    for line in [
        "Original-Envelope-Id: QQ+1\r\nReporting-MTA: dns; gate.example.org",
        "Original-Recipient: rfc822; Robert+X@old.example\r\nFinal-Recipient: rfc822; bob@example.net\r\nAction: relayed\r\nStatus: 2.",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("carol") || !text.contains("Final-Recipient: rfc822; carol"), "{text}");
    assert!(!text.contains("CANARY"), "RET=FULL brings no body back: {text}");
}

#[test]
fn who_cannot_be_written_to_without_smtputf8_is_told_of_and_the_others_are_served() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let mut client = gate.client();
    let commands =
        ["MAIL FROM:<alice@example.org> SMTPUTF8", "RCPT TO:<\u{E9}lodie@example.net>", "RCPT TO:<bob@caf\u{E9}.example>"];
    // The address does not stand in the header: the others can have it.
    assert_eq!(transact(&mut client, &commands, &with_header("From: alice@example.org\r\nTo: bob@example.net")).code, 250);
    // Here it does: nobody can.
    let header = "From: alice@example.org\r\nTo: \u{E9}lodie@example.net";
    assert_eq!(transact(&mut client, &commands, &with_header(header)).code, 250);
    wait_until(SOON, "one message and two reports", || {
        gate.command(&["spool", "retry"], b"");
        sink.taken_count() == 3
    });
    for transcript in sink.transcripts() {
        assert!(transcript.is_ascii(), "nothing beyond ASCII was sent: {}", String::from_utf8_lossy(&transcript));
    }
    let taken = sink.taken();
    let served: Vec<_> = taken.iter().filter(|one| !one.mail_from.is_empty()).collect();
    assert_eq!(served.len(), 1);
    assert_eq!(served[0].recipients, ["bob@xn--caf-dma.example"]);
    let reports: Vec<String> = taken
        .iter()
        .filter(|one| one.mail_from.is_empty())
        .map(|one| String::from_utf8_lossy(&one.data).into_owned())
        .collect();
    let told = |status: &str| reports.iter().any(|report| report.contains(&format!("Status: {status}\r\n")));
    assert!(told("5.6.7") && told("5.6.9"), "{reports:#?}");
    let fields = "Final-Recipient: utf-8; \\x{E9}lodie@example.net\r\nAction: failed\r\n";
    assert!(reports.iter().all(|report| report.contains(fields) && !report.contains("CANARY")), "{reports:#?}");
}

/// \u{E9}lodie has an account; each row is MAIL FROM, From, and what comes of it.
#[test]
fn an_address_beyond_ascii_is_owned_in_its_one_form_and_in_no_other() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    gate.add_user("\u{E9}lodie@example.org", PASSWORD);
    let mut client = Client::starttls(gate.listener("submission"), &gate.certificate(), "gate.example.org").unwrap();
    let reply = client.log_in("\u{E9}lodie@example.org", PASSWORD).unwrap();
    assert_eq!(reply.code, 235, "{reply:?}");
    let own = "\u{E9}lodie@example.org";
    for (mail_from, from, code) in [
        (own, own, 250),
        ("e\u{301}lodie@example.org", "e\u{301}lodie@example.org", 250),
        ("\u{C9}LODIE@Example.ORG", "\u{C9}lodie <\u{C9}LODIE@example.org>", 250),
        (own, "\"\u{E9}lodie\"@example.org", 250),
        ("elodie@example.org", own, 553),
        (own, "elodie@example.org", 553),
        (own, "\u{E9}lodi\u{435}@example.org", 553),
        (own, "\u{E8}lodie@example.org", 553),
        (own, "\u{E9}lodie@ex\u{430}mple.org", 553),
        (own, "\u{E9}lodie@\u{FF45}xample.org", 553),
        (own, "\u{E9}lodie\u{200B}@example.org", 553),
        (own, "\u{E9}lodie\u{FF20}example.org", 553),
        (own, "\u{E9}lodie@example.org, alice@example.org", 553),
        (own, "alice@example.org", 553),
        (own, "\"alice@example.org\" <\u{E9}lodie@example.org>", 553),
        (own, "=?utf-8?q?=C3=A9lodie=40example.org?=", 553),
        (own, "\u{E9}lodie@example.org\r\nSender: alice@example.org", 553),
        (own, "\u{E9}lodie@example.org\r\nSender: elodie@example.org", 553),
        (own, "\u{E9}lodie@example.org\r\nResent-From: alice@example.org", 553),
    ] {
        let mail = format!("MAIL FROM:<{mail_from}> SMTPUTF8");
        let header = format!("From: {from}\r\nTo: bob@example.net");
        let reply = transact(&mut client, &[&mail, "RCPT TO:<bob@example.net>"], &with_header(&header));
        assert_eq!(reply.code, code, "{mail_from} {from}: {reply:?}");
    }
    // Without SMTPUTF8 neither the envelope nor the header may have it.
    let reply = transact(&mut client, &["MAIL FROM:<\u{E9}lodie@example.org>"], b"");
    assert_eq!((reply.code, reply.text.get(..5)), (553, Some("5.6.7")), "{reply:?}");
    let header = with_header("From: \u{E9}lodie@example.org\r\nTo: bob@example.net");
    let mut alice = gate.client();
    let reply = transact(&mut alice, &["MAIL FROM:<alice@example.org>", "RCPT TO:<bob@example.net>"], &header);
    assert_eq!(reply.code, 554, "{reply:?}");
}

#[test]
fn replies_have_accents_only_for_who_asked_for_them() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let mut client = gate.client();
    for (mail, accents) in [("MAIL FROM:<alice@example.org>", false), ("MAIL FROM:<alice@example.org> SMTPUTF8", true)] {
        let said = client.good(mail).unwrap().text;
        assert_eq!(said.contains("accept\u{E9}"), accents, "{said}");
        let said = client.good("RSET").unwrap().text;
        assert_eq!(said.contains("remis \u{E0} z\u{E9}ro"), accents, "{said}");
        assert!(client.good("NOOP").unwrap().text.is_ascii());
    }
}

#[test]
fn chunks_and_data_bring_the_same_octets_upstream() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let sent = message(BOB, "Bonjour", "D\u{E9}j\u{E0}\r\n.\r\n..\r\n. \r\nMAIL FROM:<boss@example.org>\r\n.\r\nfin\r\n");
    let mut client = gate.client();
    for size in [usize::MAX, 1_000, 100, 7] {
        client.good("MAIL FROM:<alice@example.org> BODY=8BITMIME").unwrap();
        client.good("RCPT TO:<bob@example.net>").unwrap();
        let mut wire = Vec::new();
        let chunks: Vec<&[u8]> = sent.chunks(size.min(sent.len())).collect();
        for chunk in &chunks {
            wire.extend_from_slice(format!("BDAT {}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
        }
        // All in one piece (RFC 2920), the end by itself.
        wire.extend_from_slice(b"BDAT 0 LAST\r\n");
        client.write(&wire).unwrap();
        for _ in 0..=chunks.len() {
            let reply = client.reply().unwrap();
            assert_eq!(reply.code, 250, "{reply:?}");
        }
    }
    assert_eq!(client.send(ALICE, &[BOB], &sent).unwrap().code, 250);
    for taken in sink.wait_for(5, SOON) {
        assert_eq!(below_our_fields(&taken.data), sent, "{}", String::from_utf8_lossy(&taken.data));
    }
    for (chunk, code) in [
        (&b"From: alice@example.org\r\n\r\nx\n.\nMAIL FROM:<boss@example.org>\r\n"[..], 550),
        (b"From: boss@example.org\r\n\r\nx\r\n", 553),
    ] {
        client.good("MAIL FROM:<alice@example.org>").unwrap();
        client.good("RCPT TO:<bob@example.net>").unwrap();
        client.write(&[format!("BDAT {} LAST\r\n", chunk.len()).as_bytes(), chunk].concat()).unwrap();
        assert_eq!(client.reply().unwrap().code, code);
        assert_eq!(client.command("NOOP").unwrap().text, "2.0.0 ok");
    }
    assert_eq!(sink.taken_count(), 5);
}

#[test]
fn a_server_before_us_names_its_login_only_where_the_settings_trust_it_with_that() {
    let sink = Sink::start();
    let listener = |name: &str, identity: &str| {
        format!(
            "[[listener]]\nname = \"{name}\"\naddress = \"127.0.0.1:0\"\ntls = \"none\"\ntrusted = [\"127.0.0.1/32\"]\n\
             senders = [\"example.org\"]\n{identity}\n"
        )
    };
    let more = listener("webmail", "identity = \"xclient\"")
        + &listener("groupware", "identity = \"header\"\nidentity_header = \"X-Authenticated-User\"");
    let gate = Setup::towards(&sink).with(&more).start();
    let named = |login: &str| format!("X-Authenticated-User: {login}\r\nFrom: press@example.org\r\nTo: bob@example.net");
    let commands = ["MAIL FROM:<press@example.org>", "RCPT TO:<bob@example.net>"];
    for (door, xclient, header, code, login) in [
        ("webmail", "XCLIENT LOGIN=alice@example.org", "From: press@example.org".to_owned(), 250, "alice@example.org"),
        ("webmail", "XCLIENT LOGIN=carol@example.org", named("boss@example.org"), 250, "carol@example.org"),
        ("webmail", "XCLIENT LOGIN=eve@example.com", named("boss@example.org"), 250, ""),
        ("groupware", "XCLIENT LOGIN=boss@example.org", named("dave@example.org"), 250, "dave@example.org"),
        ("groupware", "NOOP", "From: press@example.org".to_owned(), 250, ""),
        ("groupware", "NOOP", named("eve@example.com"), 553, ""),
        ("groupware", "NOOP", format!("X-Authenticated-User: boss@example.org\r\n{}", named("dave@example.org")), 553, ""),
        ("relay", "XCLIENT LOGIN=boss@example.org", named("boss@example.org"), 250, ""),
        // A named login stays within the server's domains, in the message too.
        ("webmail", "XCLIENT LOGIN=alice@example.org", "From: eve@example.com".to_owned(), 553, ""),
    ] {
        let mut client = Client::plain(gate.listener(door)).unwrap();
        client.good("EHLO mx.example.org").unwrap();
        let said = client.command(xclient).unwrap();
        assert_eq!(said.code == 220, xclient.contains("XCLIENT") && door == "webmail" && !xclient.contains("eve"), "{said:?}");
        client.good("EHLO mx.example.org").unwrap();
        let reply = transact(&mut client, &commands, &with_header(&header));
        assert_eq!(reply.code, code, "{door} {xclient} {header}: {reply:?}");
        let audit = String::from_utf8(gate.command(&["audit", "export"], b"").stdout).unwrap();
        let about = |line: &&str| line.contains("\"identity\"") && reply.reference().is_some_and(|one| line.contains(one));
        let line = audit.lines().rfind(about);
        let line = line.unwrap_or_default();
        assert_eq!(line.contains("\"for\""), !login.is_empty() && code == 250, "{door} {xclient}: {line}");
        assert!(line.contains(&format!("\"for\":\"{login}\"")) || login.is_empty(), "{line}");
    }
    for taken in sink.wait_for(6, SOON) {
        assert!(!contains(&taken.data, b"X-Authenticated-User"), "{}", String::from_utf8_lossy(&taken.data));
    }
}

#[test]
fn smtplib_submits_to_an_address_beyond_ascii_with_wishes_for_reports() {
    if !peers::are_here("transport::smtplib_submits_to_an_address_beyond_ascii_with_wishes_for_reports", &["python3"]) {
        return;
    }
    let sink = Sink::with_extensions(&["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING"]);
    let gate = Setup::towards(&sink).start();
    let password_file = gate.path("password");
    std::fs::write(&password_file, PASSWORD).unwrap();
    let mut python = Command::new("python3");
    python
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/submit_utf8.py"))
        .arg(gate.listener("submission").ip().to_string());
    python.arg(gate.listener("submission").port().to_string()).arg(gate.certificate()).arg(ALICE).arg(&password_file);
    peers::must(python.arg("\u{E9}lodie@example.net").arg(BOB).env("PYTHONUTF8", "1").current_dir(gate.path("")), b"");
    let taken = sink.wait_for(1, SOON).remove(0);
    for parameter in ["SMTPUTF8", "BODY=8BITMIME", "RET=HDRS", "ENVID=python1"] {
        assert!(taken.mail_parameters.contains(parameter), "{}", taken.mail_parameters);
    }
    let transcript = String::from_utf8(sink.transcripts().concat()).unwrap();
    for line in
        ["RCPT TO:<\u{E9}lodie@example.net> NOTIFY=FAILURE,DELAY\r\n", "RCPT TO:<bob@example.net> NOTIFY=FAILURE,DELAY\r\n"]
    {
        assert!(transcript.contains(line), "{transcript}");
    }
    assert!(contains(&taken.data, "To: \u{E9}lodie@example.net\r\n".as_bytes()), "{}", String::from_utf8_lossy(&taken.data));
    assert!(contains(&taken.data, "D\u{E9}j\u{E0} l'\u{E9}t\u{E9}\r\n.\r\nfin\r\n".as_bytes()));
}
