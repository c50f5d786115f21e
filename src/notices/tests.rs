//! What the gate's own mails promise: they say what happened, and never what was in the message.

use super::*;
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

const NOW: UnixTime = UnixTime(1_795_284_240);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

struct Desk {
    hostname: Domain,
    postmaster: Address,
    inside: Vec<Domain>,
    alice: Address,
}

fn desk() -> Desk {
    Desk {
        hostname: Domain::parse("gate.example.org").unwrap(),
        postmaster: address("postmaster@example.org"),
        inside: vec![Domain::parse("example.org").unwrap()],
        alice: address("alice@compta.example.org"),
    }
}

impl Desk {
    fn head(&self, language: Language) -> Letterhead<'_> {
        let Desk { hostname, postmaster, inside, .. } = self;
        Letterhead { hostname, postmaster, inside, language, now: NOW, number: 0xabc }
    }
}

fn reference() -> Reference {
    Reference::from_random([7; 8])
}

fn copy_of(octets: &[u8]) -> RawMessage {
    RawMessage::new(octets).unwrap()
}

fn parse(outgoing: &Outgoing) -> Message<'_> {
    MessageParser::new().parse(outgoing.raw.as_bytes()).unwrap()
}

/// What holds of each mail of the gate.
fn is_proper(outgoing: &Outgoing) {
    assert_eq!(outgoing.mail_from, None);
    assert_eq!(outgoing.protection, Protection::None);
    assert!(!outgoing.raw.is_eight_bit(), "needs 8BITMIME");
    let text = std::str::from_utf8(outgoing.raw.as_bytes()).unwrap();
    for line in text.split("\r\n") {
        assert!(line.len() <= 998 && !line.contains('\r'), "{line}");
    }
    let header = std::str::from_utf8(outgoing.raw.header()).unwrap();
    let mut names: Vec<String> = header
        .split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']) && !line.is_empty())
        .map(|line| line.split(':').next().unwrap().to_ascii_lowercase())
        .collect();
    names.sort_unstable();
    let expected: &[&str] = &[
        "auto-submitted",
        "content-language",
        "content-transfer-encoding",
        "content-type",
        "date",
        "from",
        "message-id",
        "mime-version",
        "subject",
        "to",
        "x-auto-response-suppress",
    ];
    names.retain(|name| name != "content-transfer-encoding");
    let expected: Vec<&str> = expected.iter().copied().filter(|name| *name != "content-transfer-encoding").collect();
    assert_eq!(names, expected);
    let parsed = parse(outgoing);
    assert_eq!(parsed.from().unwrap().first().unwrap().address(), Some("postmaster@example.org"));
    assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some("alice@compta.example.org"));
    assert_eq!(parsed.date().unwrap().to_timestamp(), NOW.0);
    assert_eq!(parsed.message_id(), Some(format!("0000000000000abc.{}@gate.example.org", reference()).as_str()));
    assert!(parsed.subject().unwrap().ends_with(&format!("({})", reference())), "{:?}", parsed.subject());
}

#[test]
fn each_notice_says_what_happened_in_the_senders_language() {
    let desk = desk();
    let recipients: Vec<Address> = (0..25).map(|n| address(&format!("b{n}@example.net"))).collect();
    let about = About { sender: Some(&desk.alice), reference: reference(), at: NOW, recipients: &recipients };
    let causes = [
        Bilingual { fr: "NIR x12".into(), en: "SSN x12".into() },
        Bilingual { fr: "NIR x12".into(), en: "SSN x12".into() },
        Bilingual {
            fr: "boîte personnelle\r\nBcc: x@example.com".into(), en: "personal mailbox\r\nBcc: x@example.com".into()
        },
    ];
    for (language, words) in [
        (
            Language::Fr,
            ["retenu pour examen", "a été refusé", "a été accepté", "abandonné", "et 5 autres", "30\u{a0}jours", "NIR x12"],
        ),
        (
            Language::En,
            ["held for review", "has been refused", "has been accepted", "was dropped", "and 5 others", "30 days", "SSN x12"],
        ),
    ] {
        let head = desk.head(language);
        let all = [
            held(&head, &about, &causes, 30).unwrap(),
            rejected(&head, &about).unwrap(),
            released(&head, &about).unwrap(),
            hold_expired(&head, &about).unwrap(),
        ];
        for (notice, word) in all.iter().zip(words) {
            is_proper(notice);
            let parsed = parse(notice);
            let text = parsed.body_text(0).unwrap();
            for said in [word, words[4], "PST-", "b19@example.net"] {
                assert!(text.contains(said), "{said}: {text}");
            }
            assert!(!text.contains("b20@"), "{text}");
            assert!(!text.contains("\r\nBcc"), "a cause made a line: {text}");
        }
        let parsed = parse(&all[0]);
        let text = parsed.body_text(0).unwrap();
        assert!(text.contains(words[5]) && text.matches(words[6]).count() == 1, "{text}");
        assert_eq!(parsed.content_language().as_text(), Some(if language == Language::Fr { "fr" } else { "en" }));
    }
}

#[test]
fn times_are_written_as_people_write_them() {
    assert_eq!(Words::Fr.time(NOW), "21/11/2026 à 18:04 (UTC)");
    assert_eq!(Words::En.time(UnixTime(0)), "1970-01-01 00:00 (UTC)");
    assert_eq!(Words::Fr.time(UnixTime(0)), "01/01/1970 à 00:00 (UTC)");
}

#[test]
fn nothing_is_written_to_strangers_or_to_nobody() {
    let desk = desk();
    let head = desk.head(Language::Fr);
    let recipients = [address("b@example.net")];
    for (sender, why) in [
        (None, NoNotice::NullSender),
        (Some(address("carol@example.com")), NoNotice::Outside),
        (Some(address("mallory@notexample.org")), NoNotice::Outside),
    ] {
        let about = About { sender: sender.as_ref(), reference: reference(), at: NOW, recipients: &recipients };
        assert_eq!(held(&head, &about, &[], 30).unwrap_err(), why);
        assert_eq!(rejected(&head, &about).unwrap_err(), why);
        assert_eq!(released(&head, &about).unwrap_err(), why);
        assert_eq!(hold_expired(&head, &about).unwrap_err(), why);
        let copy = Copy { sender: sender.as_ref(), reference: reference(), queued_at: NOW, raw: None, asked: None };
        let failed = [(recipients[0].clone(), Outcome::Damaged)];
        assert_eq!(report(&head, &copy, Action::Failed, &failed).unwrap_err(), why);
    }
}

fn delivery_status(outgoing: &Outgoing) -> String {
    let parsed = parse(outgoing);
    let part = parsed.parts.iter().find(|part| part.is_content_type("message", "delivery-status")).unwrap();
    match &part.body {
        PartType::Text(text) => text.to_string(),
        PartType::Binary(octets) | PartType::InlineBinary(octets) => String::from_utf8(octets.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failure_report_has_the_three_parts_of_rfc_3464_and_no_body() {
    let desk = desk();
    let raw = copy_of(
        b"Subject: [...]\r\nTo: b@example.net,\r\n c@example.net\r\nX-Odd: caf\xe9\r\n\r\nCANARY-BODY\r\nX-Body: CANARY\r\n",
    );
    let copy = Copy {
        sender: Some(&desk.alice),
        reference: reference(),
        queued_at: UnixTime(NOW.0 - 86_400),
        raw: Some(&raw),
        asked: None,
    };
    let recipients = [
        (address("b@example.net"), Outcome::Refused("550 5.1.1 nobody\r\nX-Injected: yes \u{e9}".into())),
        (address("c@example.net"), Outcome::Expired("no connection within 30 s".into())),
        (address("d@example.net"), Outcome::Damaged),
        (address("\"e e\"@example.net"), Outcome::Refused("554".into())),
    ];
    for language in [Language::Fr, Language::En] {
        let report = report(&desk.head(language), &copy, Action::Failed, &recipients).unwrap();
        is_proper(&report);
        let text = std::str::from_utf8(report.raw.as_bytes()).unwrap();
        assert!(!text.contains("CANARY"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("X-Injected")), "{text}");
        let parsed = parse(&report);
        let kind = parsed.content_type().unwrap();
        assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("report")));
        assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
        let kinds: Vec<String> = (parsed.parts[1..].iter())
            .map(|part| part.content_type().unwrap())
            .map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap()))
            .collect();
        assert_eq!(kinds, ["text/plain", "message/delivery-status", "text/rfc822-headers"]);
        assert_eq!(parsed.header_raw("Auto-Submitted").unwrap().trim(), "auto-replied");
        let status = delivery_status(&report);
        let groups: Vec<&str> = status.trim_end().split("\r\n\r\n").collect();
        assert_eq!(groups.len(), 5, "{status}");
        assert!(groups[0].starts_with("Reporting-MTA: dns; gate.example.org\r\n"));
        assert_eq!(
            groups[1].split("\r\n").take(4).collect::<Vec<_>>(),
            [
                "Final-Recipient: rfc822; b@example.net",
                "Action: failed",
                "Status: 5.1.1",
                "Diagnostic-Code: smtp; 550 5.1.1 nobody??X-Injected: yes ?"
            ]
        );
        for (group, expected) in groups[2..].iter().zip(["Status: 5.4.7", "Status: 5.3.0", "Status: 5.0.0"]) {
            assert!(group.contains(expected), "{group}");
        }
        assert!(!groups[2].contains("Diagnostic-Code"), "our own words are no SMTP reply: {}", groups[2]);
        assert!(groups[4].contains("rfc822; \"e e\"@example.net"));
        assert!(text.contains("Subject: [...]\r\nTo: b@example.net,\r\n c@example.net\r\nX-Odd: caf?\r\n"), "{text}");
    }
}

#[test]
fn a_delay_report_says_until_when_it_is_tried() {
    let desk = desk();
    let raw = copy_of(b"Subject: x\r\n\r\nCANARY\r\n");
    let copy = Copy { sender: Some(&desk.alice), reference: reference(), queued_at: NOW, raw: Some(&raw), asked: None };
    for (why, status) in
        [("451 4.3.2 later", "4.3.2"), ("451 5.1.1 odd", "4.0.0"), ("450", "4.0.0"), ("", "4.0.0"), ("421 4.3.2000 x", "4.0.0")]
    {
        let recipients = [(address("b@example.net"), Outcome::NotYet(why.into()))];
        let until = UnixTime(NOW.0 + 432_000);
        let report = report(&desk.head(Language::En), &copy, Action::Delayed { until }, &recipients).unwrap();
        is_proper(&report);
        let told = delivery_status(&report);
        assert!(told.contains("Action: delayed\r\n") && told.contains(&format!("Status: {status}\r\n")), "{told}");
        assert!(told.contains(&format!("Will-Retry-Until: {}", until.rfc5322())), "{told}");
        assert!(!std::str::from_utf8(report.raw.as_bytes()).unwrap().contains("CANARY"));
    }
}

#[test]
fn what_is_no_header_is_not_quoted_as_one() {
    let desk = desk();
    let cases: [(&[u8], &str); 6] = [
        (b"A: b\r\nCANARY without an empty line\r\nC: d\r\n", "A: b\r\n"),
        (b"\r\nCANARY\r\n", ""),
        (b" CANARY folded from nowhere\r\nA: b\r\n\r\n", ""),
        (b"A: b\r\n: CANARY\r\n\r\n", "A: b\r\n"),
        (b"A: b\r\n\tfolded\r\n\r\nCANARY: c\r\n", "A: b\r\n\tfolded\r\n"),
        (b"A: b", "A: b\r\n"),
    ];
    for (octets, quoted) in cases {
        let raw = copy_of(octets);
        let copy = Copy { sender: Some(&desk.alice), reference: reference(), queued_at: NOW, raw: Some(&raw), asked: None };
        let recipients = [(address("b@example.net"), Outcome::Refused("550 5.1.1 no".into()))];
        let report = report(&desk.head(Language::En), &copy, Action::Failed, &recipients).unwrap();
        let text = std::str::from_utf8(report.raw.as_bytes()).unwrap();
        assert!(!text.contains("CANARY"), "{text}");
        let (_, part) = text.split_once("text/rfc822-headers").unwrap();
        let (_, part) = part.split_once("\r\n\r\n").unwrap();
        assert!(part.starts_with(&format!("{quoted}\r\n--")), "{part}");
    }
    let long = format!("{}X-Long: {}\r\n\r\n", "A: b\r\n".repeat(10_000), "y".repeat(3000));
    let raw = copy_of(long.as_bytes());
    let copy = Copy { sender: Some(&desk.alice), reference: reference(), queued_at: NOW, raw: Some(&raw), asked: None };
    let recipients = [(address("b@example.net"), Outcome::Damaged)];
    let report = report(&desk.head(Language::Fr), &copy, Action::Failed, &recipients).unwrap();
    is_proper(&report);
    assert!(report.raw.len() < 64 << 10);
}
