//! Turns scripts of answers into what was written and what became of each recipient.

use super::*;
use crate::mail::{Protection, RawMessage};

const ALL: Capabilities = Capabilities {
    pipelining: true,
    eight_bit_mime: true,
    size: true,
    starttls: false,
    requiretls: false,
    smtputf8: true,
    dsn: true,
    auth_plain: false,
    auth_login: false,
};
const BARE: Capabilities = Capabilities {
    pipelining: false,
    eight_bit_mime: false,
    size: false,
    starttls: false,
    requiretls: false,
    smtputf8: false,
    dsn: false,
    auth_plain: false,
    auth_login: false,
};

fn copy(recipients: usize, raw: &[u8]) -> Outgoing {
    Outgoing {
        mail_from: Some(Address::parse("a@example.org").unwrap()),
        recipients: (0..recipients).map(|i| Address::parse(&format!("r{i}@example.net")).unwrap()).collect(),
        raw: RawMessage::new(raw.to_vec()).unwrap(),
        protection: Protection::None,
        requires_tls: false,
        transport: Default::default(),
    }
}

/// Plays the answers, one each time one is read; when they run out the connection is lost.
fn play(message: &Outgoing, can: Capabilities, answers: &[&str]) -> (Vec<String>, Vec<Outcome>, Afterwards) {
    let mut transaction = Transaction::new(message, can).unwrap();
    let (mut written, mut script) = (Vec::new(), answers.iter());
    let afterwards = loop {
        match transaction.step() {
            Step::Write(octets) => written.push(String::from_utf8(octets).unwrap()),
            Step::WriteMessage => written.push("MESSAGE".to_owned()),
            Step::Read(_) => match script.next() {
                Some(line) => {
                    let mut reader = Answers::default();
                    reader.take_in(format!("{line}\r\n").as_bytes());
                    transaction.answered(reader.take_out().map(|answer| answer.expect("one line is one answer")));
                }
                None => transaction.broken("gone"),
            },
            Step::Done(afterwards) => break afterwards,
        }
        assert!(written.len() < 50, "the machine does not end");
    };
    (written, transaction.outcomes().map(|(_, outcome)| outcome).collect(), afterwards)
}

/// D delivered, R delivered and to be told of, L later, C later as there were too many, O later by the operator's fault, F failed.
fn letters(outcomes: &[Outcome]) -> String {
    let letter = |outcome: &Outcome| match outcome {
        Outcome::Delivered { .. } => 'D',
        Outcome::Relayed { .. } => 'R',
        Outcome::Later { whose: Whose::Upstream, .. } => 'L',
        Outcome::Later { whose: Whose::Operator, .. } => 'O',
        Outcome::Later { whose: Whose::Crowd, .. } => 'C',
        Outcome::Failed { .. } => 'F',
    };
    outcomes.iter().map(letter).collect()
}

#[test]
fn with_pipelining_the_envelope_and_data_go_in_one_piece() {
    let (written, outcomes, afterwards) =
        play(&copy(2, b"x\r\n"), ALL, &["250 ok", "250 ok", "250 ok", "354 go", "250 2.0.0 queued"]);
    assert_eq!(
        written,
        ["MAIL FROM:<a@example.org> SIZE=3\r\nRCPT TO:<r0@example.net>\r\nRCPT TO:<r1@example.net>\r\nDATA\r\n", "MESSAGE"]
    );
    assert_eq!((letters(&outcomes).as_str(), afterwards), ("DD", Afterwards::Reuse));
    assert_eq!(outcomes[0], Outcome::Delivered { said: "250 2.0.0 queued".to_owned() });
}

#[test]
fn without_pipelining_each_command_waits_for_its_answer() {
    let (written, outcomes, _) = play(&copy(2, b"x\r\n"), BARE, &["250 ok", "250 ok", "550 no", "354 go", "250 ok"]);
    let wanted = [
        "MAIL FROM:<a@example.org>\r\n",
        "RCPT TO:<r0@example.net>\r\n",
        "RCPT TO:<r1@example.net>\r\n",
        "DATA\r\n",
        "MESSAGE",
    ];
    assert_eq!(written, wanted);
    assert_eq!(letters(&outcomes), "DF");
}

#[test]
fn without_pipelining_no_data_is_asked_for_when_nobody_was_taken() {
    let (written, outcomes, afterwards) = play(&copy(2, b"x\r\n"), BARE, &["250 ok", "550 no", "450 busy"]);
    assert_eq!(written.len(), 3);
    assert_eq!((letters(&outcomes).as_str(), afterwards), ("FL", Afterwards::Reset));
}

#[test]
fn a_354_that_nobody_wanted_gets_a_lone_dot_and_never_the_message() {
    let (written, outcomes, afterwards) =
        play(&copy(2, b"x\r\n"), ALL, &["250 ok", "550 no", "550 no", "354 go", "554 no valid recipients"]);
    assert_eq!(written[1..], [".\r\n"]);
    assert_eq!((letters(&outcomes).as_str(), afterwards), ("FF", Afterwards::Reset));
}

#[test]
fn a_354_behind_a_refused_mail_is_hung_up_on() {
    let (written, outcomes, afterwards) = play(&copy(1, b"x\r\n"), ALL, &["451 wait", "250 ok", "354 go"]);
    assert_eq!(written.len(), 1);
    assert_eq!((letters(&outcomes).as_str(), afterwards), ("L", Afterwards::Close));
}

#[test]
fn many_recipients_go_out_in_flights() {
    let mut answers = vec!["250 ok"; 251];
    answers.extend(["354 go", "250 ok"]);
    let (written, outcomes, _) = play(&copy(250, b"x\r\n"), ALL, &answers);
    assert_eq!(written.iter().map(|piece| piece.matches("RCPT").count()).collect::<Vec<_>>(), [100, 100, 50, 0]);
    assert!(written[2].ends_with("DATA\r\n"));
    assert_eq!(letters(&outcomes), "D".repeat(250));
}

#[test]
fn the_envelope_names_size_and_body_only_where_they_were_offered() {
    let eight = copy(1, b"\r\n\xc3\xa9");
    for (message, can, wanted) in [
        (&eight, ALL, Ok("MAIL FROM:<a@example.org> SIZE=6 BODY=8BITMIME\r\n")),
        (&eight, BARE, Err(CannotCarry::EightBit)),
        (&copy(1, b"x"), BARE, Ok("MAIL FROM:<a@example.org>\r\n")),
        (&copy(1, b".x\r\n"), ALL, Ok("MAIL FROM:<a@example.org> SIZE=4\r\n")),
        (&Outgoing { mail_from: None, ..copy(1, b"") }, ALL, Ok("MAIL FROM:<> SIZE=0\r\n")),
    ] {
        let transaction = Transaction::new(message, can).map(|mut transaction| transaction.step());
        match (transaction, wanted) {
            (Ok(Step::Write(octets)), Ok(wanted)) => assert!(octets.starts_with(wanted.as_bytes()), "{wanted}"),
            (got, wanted) => assert_eq!(got.err(), wanted.err()),
        }
    }
}

#[test]
fn a_quoted_local_part_is_quoted_again() {
    let mut message = copy(1, b"");
    message.recipients = vec![Address::parse("\"a> NOTIFY=NEVER\"@example.net").unwrap()];
    let (written, ..) = play(&message, ALL, &[]);
    assert!(written[0].contains("RCPT TO:<\"a> NOTIFY=NEVER\"@example.net>\r\n"), "{written:?}");
}

#[test]
fn every_answer_at_every_place_comes_to_what_the_table_says() {
    // What is answered to MAIL, to the second of two recipients, to DATA and to the end of data.
    let places: [(usize, &[&str]); 4] = [
        (0, &["250 ok", "503 bad sequence", "503 bad sequence", "503 bad sequence"]),
        (2, &["250 ok", "250 ok", "250 ok", "354 go", "250 ok"]),
        (3, &["250 ok", "250 ok", "250 ok", "354 go", "250 ok"]),
        (4, &["250 ok", "250 ok", "250 ok", "354 go", "250 ok"]),
    ];
    for (answer, wanted) in [
        // answer                                    MAIL  RCPT  DATA  end
        ("250 ok", ["OO", "DD", "LL", "DD"]),
        ("259 odd but good", ["OO", "DD", "LL", "DD"]),
        ("354 what", ["LL", "LL", "DD", "LL"]),
        ("421 closing", ["LL", "LL", "LL", "LL"]),
        ("421 4.7.0 closing", ["LL", "LL", "LL", "LL"]),
        ("450 busy", ["LL", "DL", "LL", "LL"]),
        ("451 4.7.1 grey", ["LL", "DL", "LL", "LL"]),
        ("452 4.3.1 full", ["LL", "DL", "LL", "LL"]),
        ("452 4.5.3 too many", ["LL", "DC", "LL", "LL"]),
        ("550 no", ["FF", "DF", "FF", "FF"]),
        ("550 5.1.1 no such user", ["FF", "DF", "FF", "FF"]),
        ("550 5.7.1 relaying denied", ["FF", "DF", "FF", "FF"]),
        ("550 4.7.1 two minds", ["FF", "DF", "FF", "FF"]),
        ("552 too much", ["FF", "DC", "FF", "FF"]),
        ("552 5.5.3 too many recipients", ["FF", "DC", "FF", "FF"]),
        ("552 5.2.2 mailbox full", ["FF", "DF", "FF", "FF"]),
        ("553 5.1.8 no such sender domain", ["FF", "DF", "FF", "FF"]),
        ("554 5.6.0 virus", ["FF", "DF", "FF", "FF"]),
        ("571 5.7.1 unwanted", ["LL"; 4]),
        ("501 5.1.3 bad address", ["FF", "DF", "OO", "OO"]),
        ("501 5.5.4 bad parameter", ["OO", "DO", "OO", "OO"]),
        ("500 what", ["OO", "DO", "OO", "OO"]),
        ("502 5.5.1 not implemented", ["OO", "DO", "OO", "OO"]),
        ("503 5.5.1 bad sequence", ["OO", "DO", "OO", "OO"]),
        ("521 5.3.2 no mail here", ["OO", "DO", "OO", "OO"]),
        ("530 5.7.0 authenticate first", ["OO", "DO", "OO", "OO"]),
        ("535 5.7.8 wrong password", ["OO", "DO", "OO", "OO"]),
        ("550 5.7.8 wrong password", ["OO", "DO", "OO", "OO"]),
        ("554 5.3.5 misconfigured", ["OO", "DO", "OO", "OO"]),
        ("554 5.5.1 protocol error", ["OO", "DO", "OO", "OO"]),
        ("555 5.5.4 parameter unknown", ["OO", "DO", "OO", "OO"]),
        ("!!! garbage", ["LL", "LL", "LL", "LL"]),
        ("550no separator", ["LL", "LL", "LL", "LL"]),
        ("999 odd", ["LL", "LL", "LL", "LL"]),
        ("", ["LL", "LL", "LL", "LL"]),
    ] {
        for ((place, script), wanted) in places.iter().zip(wanted) {
            let mut script = script.to_vec();
            script[*place] = answer;
            let (_, outcomes, _) = play(&copy(2, b"x\r\n"), ALL, &script);
            assert_eq!(letters(&outcomes), wanted, "{answer:?} at answer {place}");
        }
    }
}

#[test]
fn what_was_decided_before_the_connection_broke_stays_decided() {
    let (_, outcomes, afterwards) = play(&copy(3, b"x\r\n"), ALL, &["250 ok", "550 5.1.1 no", "250 ok"]);
    assert_eq!((letters(&outcomes).as_str(), afterwards), ("FLL", Afterwards::Close));
    let (_, outcomes, _) = play(&copy(2, b"x\r\n"), ALL, &["250 ok", "250 ok", "550 no", "354 go"]);
    assert_eq!(letters(&outcomes), "LF", "no answer after the data is no success and no failure");
}

#[test]
fn the_connection_is_left_in_a_known_state() {
    for (answers, wanted) in [
        (&["250 ok", "250 ok", "354 go", "250 ok"][..], Afterwards::Reuse),
        (&["250 ok", "250 ok", "354 go", "554 no"], Afterwards::Reset),
        (&["250 ok", "250 ok", "354 go", "500 what is this"], Afterwards::Close),
        (&["250 ok", "250 ok", "451 no"], Afterwards::Reset),
        (&["550 no", "503 no", "503 no"], Afterwards::Reset),
        (&["421 bye"], Afterwards::Close),
    ] {
        assert_eq!(play(&copy(1, b"x\r\n"), ALL, answers).2, wanted, "{answers:?}");
    }
}

fn asking(notify: &str, original: Option<(&str, &str)>) -> crate::mail::Reports {
    let original = original.map(|(kind, text)| (kind.to_owned(), text.to_owned()));
    crate::mail::Reports { notify: (!notify.is_empty()).then(|| parameters::notify(notify).unwrap()), original }
}

#[test]
fn what_reports_were_asked_for_goes_on_where_dsn_is_offered_and_is_ours_to_tell_where_not() {
    let mut message = copy(3, b"x\r\n");
    message.transport.ret = Some(Return::Full);
    message.transport.envid = Some("QQ+31 4".to_owned());
    let reports = [asking("SUCCESS,DELAY", Some(("rfc822", "R+0@old.example"))), asking("NEVER", None)];
    message.transport.reports = message.recipients.iter().cloned().zip(reports).collect();
    let answers = ["250 ok", "250 ok", "250 ok", "250 ok", "354 go", "250 ok"];
    let (written, outcomes, _) = play(&message, ALL, &answers);
    assert_eq!(
        written[0],
        "MAIL FROM:<a@example.org> SIZE=3 RET=FULL ENVID=QQ+2B31+204\r\n\
         RCPT TO:<r0@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;R+2B0@old.example\r\n\
         RCPT TO:<r1@example.net> NOTIFY=NEVER\r\nRCPT TO:<r2@example.net>\r\nDATA\r\n"
    );
    assert_eq!(letters(&outcomes), "DDD", "the next server tells of success itself");
    let (written, outcomes, _) = play(&message, Capabilities { dsn: false, ..ALL }, &answers);
    assert!(!written[0].contains("RET=") && !written[0].contains("NOTIFY") && !written[0].contains("ENVID"), "{written:?}");
    assert_eq!(letters(&outcomes), "RDD");
    // Where TLS is demanded all the way, the body is not to come back in a bounce either.
    message.requires_tls = true;
    let (written, ..) = play(&message, ALL, &[]);
    assert!(written[0].contains(" RET=HDRS ENVID="), "{written:?}");
}

#[test]
fn addresses_beyond_ascii_go_where_smtputf8_is_offered_and_fail_for_good_where_not() {
    let to = |addresses: &[&str]| addresses.iter().map(|text| Address::parse(text).unwrap()).collect::<Vec<_>>();
    let mixed =
        Outgoing { recipients: to(&["élodie@example.net", "bob@café.example", "用户@example.net"]), ..copy(0, b"x\r\n") };
    let answers = ["250 ok", "250 ok", "250 ok", "250 ok", "354 go", "250 ok"];
    let (written, outcomes, _) = play(&mixed, ALL, &answers);
    assert_eq!(
        written[0],
        "MAIL FROM:<a@example.org> SIZE=3 SMTPUTF8\r\nRCPT TO:<élodie@example.net>\r\nRCPT TO:<bob@xn--caf-dma.example>\r\n\
         RCPT TO:<用户@example.net>\r\nDATA\r\n"
    );
    assert_eq!(letters(&outcomes), "DDD");
    // The others are served, and nothing beyond ASCII is said.
    for can in [Capabilities { smtputf8: false, ..ALL }, BARE] {
        let (written, outcomes, afterwards) = play(&mixed, can, &["250 ok", "250 ok", "354 go", "250 ok"]);
        assert!(written.iter().all(|piece| piece.is_ascii() && !piece.contains("SMTPUTF8")), "{written:?}");
        assert_eq!((letters(&outcomes).as_str(), afterwards), ("FDF", Afterwards::Reuse));
        let Outcome::Failed { said } = &outcomes[0] else { panic!() };
        assert!(said.starts_with("550 5.6.7 "), "{said}");
    }
    // Sender or header: nobody gets it, and the connection is not troubled with it.
    let sender = Outgoing { mail_from: to(&["élodie@example.org"]).pop(), ..copy(2, b"x\r\n") };
    let header = copy(2, "To: é@example.net\r\n\r\nx\r\n".as_bytes());
    let mut nested = copy(2, b"x\r\n");
    nested.transport.smtputf8 = true;
    for message in [&sender, &header, &nested] {
        let (written, outcomes, afterwards) = play(message, Capabilities { smtputf8: false, ..ALL }, &[]);
        assert_eq!((written.len(), letters(&outcomes).as_str(), afterwards), (0, "FF", Afterwards::Reuse));
        assert!(play(message, ALL, &[]).0[0].contains(" SMTPUTF8"));
    }
    let all = Outgoing { recipients: to(&["é@example.net"]), ..copy(0, b"x\r\n") };
    assert_eq!(play(&all, BARE, &[]).0.len(), 0);
    // Many of them between others: flights are counted by what is sent.
    let many = (0..250).map(|i| if i % 2 == 0 { format!("é{i}@example.net") } else { format!("r{i}@example.net") });
    let many = Outgoing { recipients: many.map(|text| Address::parse(&text).unwrap()).collect(), ..copy(0, b"x\r\n") };
    let mut answers = vec!["250 ok"; 126];
    answers.extend(["354 go", "250 ok"]);
    let (written, outcomes, _) = play(&many, Capabilities { smtputf8: false, ..ALL }, &answers);
    assert_eq!(written.iter().map(|piece| piece.matches("RCPT").count()).collect::<Vec<_>>(), [100, 25, 0]);
    assert_eq!(letters(&outcomes), "FD".repeat(125));
}
