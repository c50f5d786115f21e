//! Every decision and every failure: who gets what, and that nobody gets what they must not.

use super::*;

fn one(results: Vec<Result<Outgoing, CannotProtect>>) -> Outgoing {
    let [Ok(outgoing)] = &results[..] else { panic!("{results:?}") };
    outgoing.clone()
}

#[test]
fn a_sealed_copy_shows_nothing_of_subject_fields_and_content() {
    for recipient in ["bob@example.org", "carol@example.net", "dave@example.net"] {
        let outgoing = one(copies(message(), &[(recipient, ENCRYPT)], &keys(), &signers()));
        assert!(!shows_canary(&outgoing), "{}", String::from_utf8_lossy(outgoing.raw.header()));
        let parsed = mime::parse(&outgoing.raw, &Limits::default()).unwrap();
        assert_eq!(parsed.subject().unwrap(), "[...]");
        let mut names: Vec<String> = parsed.top().fields.iter().map(|field| field.name.to_ascii_lowercase()).collect();
        names.retain(|name| !name.starts_with("content-"));
        let allowed =
            ["received", "from", "to", "cc", "date", "message-id", "in-reply-to", "references", "subject", "mime-version"];
        assert_eq!(names, allowed, "{recipient}");
        assert!(!String::from_utf8_lossy(outgoing.raw.as_bytes()).contains("blind"), "Bcc and Received for");
        assert!(outgoing.raw.as_bytes().split(|&b| b == b'\n').all(|line| line.len() <= 78 + 1));
        assert_eq!(outgoing.recipients, [address(recipient)]);
        assert!(parsed.is_sealed_by_client(), "the structure is one that the gate itself takes for sealed");
    }
}

#[test]
fn each_recipient_of_a_sealed_message_has_a_copy_of_their_own_and_the_others_share_one() {
    let tls = Requirements { tls: true, ..NOTHING };
    let alone = Requirements { individual_copies: true, ..NOTHING };
    let requires = [
        ("bob@example.org", ENCRYPT),
        ("w@example.net", NOTHING),
        ("carol@example.net", Requirements { tls: true, ..ENCRYPT }),
        ("x@example.net", NOTHING),
        ("y@example.net", tls),
        ("z@example.net", alone),
        ("zz@example.net", alone),
    ];
    let made: Vec<Outgoing> = copies(message(), &requires, &keys(), &signers()).into_iter().map(Result::unwrap).collect();
    let who: Vec<(String, Protection, bool)> = made
        .iter()
        .map(|copy| {
            let names: Vec<&str> = copy.recipients.iter().map(Address::local).collect();
            (names.join(" "), copy.protection, copy.requires_tls)
        })
        .collect();
    let expected = [
        ("bob", Protection::Smime, false),
        ("w x", Protection::None, false),
        ("carol", Protection::Smime, true),
        ("y", Protection::None, true),
        ("z", Protection::None, false),
        ("zz", Protection::None, false),
    ];
    assert_eq!(who, expected.map(|(names, protection, tls)| (names.to_owned(), protection, tls)));
    assert_eq!(made[1].raw, message(), "what need not change leaves byte for byte");
}

#[test]
fn no_failure_lets_a_clear_octet_out_to_one_for_whom_encryption_is_required() {
    let good = signers();
    let signer_sets = [
        ("all", good.clone()),
        ("no S/MIME signer", Signers { smime: None, ..good.clone() }),
        ("no OpenPGP signer", Signers { openpgp: None, ..good.clone() }),
        ("no signer", Signers::default()),
    ];
    let mut broken = judge_certificate("test", &der(&WORLD.bob_rsa.certificate), AT, &Trust::default()).unwrap();
    broken.key = smime::PublicKey::Rsa { spki: b"not a key".to_vec() };
    let mut off_curve = judge_certificate("test", &der(&WORLD.carol_p256.certificate), AT, &Trust::default()).unwrap();
    off_curve.key = smime::PublicKey::Ec { curve: smime::Curve::P256, point: vec![4; 65] };
    let mut empty = trust::judge_openpgp("test", &WORLD.dave_openpgp, AT).unwrap();
    empty.keys.clear();
    let key_sets = [
        ("bob@example.org", "usable", Some(LookUp::Usable(vec![smime_key(&WORLD.bob_rsa)]))),
        ("carol@example.net", "usable p256", Some(LookUp::Usable(vec![smime_key(&WORLD.carol_p256)]))),
        ("dave@example.net", "usable openpgp", Some(LookUp::Usable(vec![openpgp_key()]))),
        ("carol@example.net", "another's certificate", Some(LookUp::Usable(vec![smime_key(&WORLD.bob_rsa)]))),
        ("carol@example.net", "another's openpgp key", Some(LookUp::Usable(vec![openpgp_key()]))),
        ("dave@example.net", "none after all", Some(LookUp::Usable(Vec::new()))),
        ("bob@example.org", "bad RSA octets", Some(LookUp::Usable(vec![RecipientKey::Smime(Arc::new(broken))]))),
        ("carol@example.net", "a point off the curve", Some(LookUp::Usable(vec![RecipientKey::Smime(Arc::new(off_curve))]))),
        ("dave@example.net", "no encryption key", Some(LookUp::Usable(vec![RecipientKey::Openpgp(Arc::new(empty))]))),
        ("dave@example.net", "absent", Some(LookUp::Absent(Vec::new()))),
        ("dave@example.net", "failed", Some(LookUp::Failed("timeout".to_owned()))),
        ("dave@example.net", "never looked up", None),
    ];
    let flips = [false, true];
    let (mut sealed, mut failed) = (0, 0);
    for (signer_name, signers) in &signer_sets {
        for (recipient, key_name, look_up) in &key_sets {
            for bits in 0..16 {
                let bit = |n: usize| flips[bits >> n & 1];
                let requires = Requirements {
                    encrypt: true,
                    to_key: true,
                    encrypt_if_possible: bit(0),
                    sign: bit(1),
                    tls: bit(2),
                    individual_copies: bit(3),
                    strip_subject_tag: bit(0),
                    hide_subject: true,
                };
                let keys: Keys = look_up.iter().map(|key| (address(recipient), key.clone())).collect();
                for result in copies(message(), &[(*recipient, requires)], &keys, signers) {
                    match result {
                        Ok(outgoing) => {
                            assert!(!shows_canary(&outgoing), "{signer_name}, {key_name}, {requires:?}");
                            assert!(matches!(outgoing.protection, Protection::Smime | Protection::Openpgp));
                            assert!(key_name.starts_with("usable"), "{key_name}");
                            sealed += 1;
                        }
                        Err(why) => {
                            assert!(!why.to_string().contains(CANARY));
                            failed += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(sealed > 50 && failed > 200, "{sealed} sealed, {failed} failed: both happen");
}

#[test]
fn an_error_is_the_last_item_and_comes_before_any_copy_where_it_can_be_foreseen() {
    let requires = [("w@example.net", NOTHING), ("nobody@example.net", ENCRYPT), ("bob@example.org", ENCRYPT)];
    let results = copies(message(), &requires, &keys(), &signers());
    let [Err(why)] = &results[..] else { panic!("{results:?}") };
    assert_eq!((why.cause, why.recipient.local()), (Cause::NoKey, "nobody"));
}

#[test]
fn each_obstacle_has_its_cause() {
    let may = Requirements { encrypt_if_possible: true, ..NOTHING };
    let sign = Requirements { sign: true, ..NOTHING };
    let none = Signers::default();
    for (recipient, requires, signers, cause) in [
        ("nobody@example.net", ENCRYPT, &signers(), Cause::NoKey),
        ("unknown@example.net", ENCRYPT, &signers(), Cause::LookUpFailed),
        ("unknown@example.net", may, &signers(), Cause::LookUpFailed),
        ("never@example.net", may, &signers(), Cause::LookUpFailed),
        ("bob@example.org", ENCRYPT, &none, Cause::Failed),
        ("bob@example.org", may, &none, Cause::Failed),
        ("w@example.net", sign, &none, Cause::Failed),
    ] {
        let results = copies(message(), &[(recipient, requires)], &keys(), signers);
        let [Err(why)] = &results[..] else { panic!("{recipient} {requires:?}: {results:?}") };
        assert_eq!(why.cause, cause, "{recipient} {requires:?}");
    }
}

#[test]
fn encryption_where_possible_seals_where_there_is_a_key_and_only_there() {
    let may = Requirements { encrypt_if_possible: true, ..NOTHING };
    let made = copies(message(), &[("dave@example.net", may), ("nobody@example.net", may)], &keys(), &signers());
    let protections: Vec<Protection> = made.into_iter().map(|copy| copy.unwrap().protection).collect();
    assert_eq!(protections, [Protection::Openpgp, Protection::None]);
}

#[test]
fn what_the_decision_does_not_allow_is_not_made() {
    let submission = submission(message(), &["w@example.net"]);
    let parsed = mime::parse(&submission.raw, &Limits::default()).unwrap();
    let (keys, signers, settings) = (keys(), signers(), Settings::default());
    let good = decision(&[("w@example.net", NOTHING)]);
    let mut wrong = Vec::new();
    for disposition in [Disposition::Defer, Disposition::Quarantine, Disposition::Block] {
        wrong.push(Decision { disposition, ..good.clone() });
        let mut other = good.clone();
        other.verdicts[0].disposition = disposition;
        wrong.push(other);
    }
    wrong.push(Decision { verdicts: Vec::new(), ..good.clone() });
    wrong.push(decision(&[("somebody.else@example.net", NOTHING)]));
    for decision in &wrong {
        let results: Vec<_> = protect(&submission, &parsed, decision, &keys, &Passwords::new(), &signers, &settings).collect();
        assert!(matches!(results[..], [Err(_)]), "{decision:?}");
    }
    assert!(protect(&submission, &parsed, &good, &keys, &Passwords::new(), &signers, &settings).all(|copy| copy.is_ok()));
}

#[test]
fn more_than_may_be_sealed_is_an_error_and_nothing_follows() {
    let settings = Settings { sealed_octets: 10_000, ..Settings::default() };
    let requires = [("bob@example.org", ENCRYPT), ("carol@example.net", ENCRYPT), ("dave@example.net", ENCRYPT)];
    let results = copies_with(message(), &requires, &keys(), &signers(), &settings);
    assert!(matches!(&results[..], [Ok(_), Err(why)] if why.cause == Cause::TooLarge), "{results:?}");
}

#[test]
fn who_can_read_both_forms_gets_the_preferred_one() {
    let both = Keys::from([(address("bob@example.org"), LookUp::Usable(vec![openpgp_key(), smime_key(&WORLD.bob_rsa)]))]);
    let signers = signers();
    let without = Signers { smime: None, ..signers.clone() };
    for (prefer, signers, expected) in [
        (Prefer::Smime, &signers, Protection::Smime),
        (Prefer::Openpgp, &signers, Protection::Openpgp),
        // S/MIME without a signature inside is malleable.
        (Prefer::Smime, &without, Protection::Openpgp),
    ] {
        let settings = Settings { prefer, ..Settings::default() };
        let outgoing = one(copies_with(message(), &[("bob@example.org", ENCRYPT)], &both, signers, &settings));
        assert_eq!(outgoing.protection, expected);
    }
}

#[test]
fn what_the_client_sealed_is_left_as_it_is() {
    let sealed = one(copies(message(), &[("dave@example.net", ENCRYPT)], &keys(), &signers())).raw;
    let outgoing = one(copies(sealed.clone(), &[("nobody@example.net", ENCRYPT)], &keys(), &Signers::default()));
    assert_eq!((outgoing.protection, outgoing.raw), (Protection::Client, sealed));
}

#[test]
fn the_subject_of_what_the_client_sealed_is_hidden_where_encryption_is_required() {
    let sealed = one(copies(message(), &[("dave@example.net", ENCRYPT)], &keys(), &signers())).raw;
    let shown = mime::write::replace_subject(&sealed, &format!("Dossier {CANARY}")).unwrap();
    let outgoing = one(copies(shown.clone(), &[("nobody@example.net", ENCRYPT)], &keys(), &Signers::default()));
    assert_eq!((outgoing.protection, outgoing.raw), (Protection::Client, sealed));
    let free = one(copies(shown.clone(), &[("nobody@example.net", NOTHING)], &keys(), &Signers::default()));
    assert_eq!(free.raw, shown, "what need not change leaves byte for byte");
}

#[test]
fn no_number_stands_in_the_names_outside_a_sealed_copy() {
    const NUMBER: &str = "2 85 05 75 116 203 01";
    let original = String::from_utf8(message().as_bytes().to_vec()).unwrap();
    for to in [
        format!("To: \"Bob {NUMBER}\" <bob@example.org>, carol@example.net"),
        format!("To: =?utf-8?q?{}?= <bob@example.org>,\r\n carol@example.net", NUMBER.replace(' ', "_")),
        format!("To: bob@example.org ({NUMBER}), carol@example.net"),
        format!("To: {NUMBER}: bob@example.org, carol@example.net;"),
    ] {
        let changed = original.replace("To: Bob <bob@example.org>,\r\n carol@example.net", &to);
        let raw = RawMessage::new(changed.into_bytes()).unwrap();
        let outgoing = one(copies(raw, &[("bob@example.org", ENCRYPT)], &keys(), &signers()));
        let parsed = mime::parse(&outgoing.raw, &Limits::default()).unwrap();
        assert!(!parsed.text_of(parsed.field("To").unwrap()).contains("116"), "{to}");
        let shown: Vec<Address> = parsed.mailboxes("To").into_iter().map(|mailbox| mailbox.address.unwrap()).collect();
        assert_eq!(shown, [address("bob@example.org"), address("carol@example.net")], "{to}");
    }
}

#[test]
fn a_label_of_encryption_on_clear_text_is_no_encryption() {
    let text = format!(
        "From: alice@example.org\r\nMIME-Version: 1.0\r\n\
         Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n\r\n{CANARY}\r\n"
    );
    let raw = RawMessage::new(text.into_bytes()).unwrap();
    let results = copies(raw, &[("nobody@example.net", ENCRYPT)], &keys(), &signers());
    assert!(matches!(&results[..], [Err(why)] if why.cause == Cause::NoKey), "{results:?}");
}

#[test]
fn the_tag_that_asked_for_encryption_is_taken_out_of_the_subject() {
    let strip = Requirements { strip_subject_tag: true, ..NOTHING };
    let outgoing = one(copies(message(), &[("w@example.net", strip)], &keys(), &signers()));
    let parsed = mime::parse(&outgoing.raw, &Limits::default()).unwrap();
    assert_eq!(parsed.subject().unwrap(), format!("Réunion {CANARY}"));
    assert_eq!(outgoing.raw.body(), message().body());
}

#[test]
fn a_message_signed_by_the_client_is_not_signed_again_in_clear_and_not_touched_when_sealed() {
    let sign = Requirements { sign: true, ..NOTHING };
    let signed = one(copies(message(), &[("w@example.net", sign)], &keys(), &signers())).raw;
    let again = one(copies(signed.clone(), &[("w@example.net", sign)], &keys(), &Signers::default()));
    assert_eq!(again.raw, signed);

    let parsed = mime::parse(&signed, &Limits::default()).unwrap();
    assert!(parsed.is_signed_by_client());
    let entity = mime::write::entity_for_sealing(&parsed).unwrap().octets(b"");
    for purpose in [For::SealedSmime, For::SealedOpenpgp] {
        let payload = payload(&parsed, &entity, true, None, &outer(&parsed), purpose).unwrap();
        assert!(memchr::memmem::find(payload.as_bytes(), signed.body()).is_some(), "byte for byte");
        let inner = RawMessage::new(payload.as_bytes()).unwrap();
        let inner = mime::parse(&inner, &Limits::default()).unwrap();
        assert_eq!(inner.top().content_type, "multipart/mixed");
        assert_eq!(inner.top().parameter("hp"), Some("cipher"));
    }
}

#[test]
fn the_payload_carries_the_authors_fields_and_says_what_stands_outside() {
    let raw = message();
    let parsed = mime::parse(&raw, &Limits::default()).unwrap();
    let entity = mime::write::entity_for_sealing(&parsed).unwrap().octets(b"");
    for (purpose, hp, legacy) in
        [(For::SealedSmime, "cipher", true), (For::SealedOpenpgp, "cipher", false), (For::Signed, "clear", false)]
    {
        let payload = payload(&parsed, &entity, false, None, &outer(&parsed), purpose).unwrap();
        let inner_raw = RawMessage::new(payload.as_bytes()).unwrap();
        let inner = mime::parse(&inner_raw, &Limits::default()).unwrap();
        assert_eq!(inner.subject(), parsed.subject());
        for name in ["From", "To", "Cc", "Date", "Message-ID", "In-Reply-To", "References", "Reply-To", "Keywords", "X-Project"]
        {
            let value = |message: &ParsedMessage<'_>| message.field(name).map(|field| message.text_of(field));
            assert_eq!(value(&inner), value(&parsed), "{name}");
            assert_eq!(inner.fields(name).count(), 1, "{name}");
        }
        for name in ["Bcc", "Received", "MIME-Version"] {
            assert!(inner.field(name).is_none(), "{name}");
        }
        assert_eq!(inner.top().parameter("hp"), Some(hp));
        assert_eq!(inner.top().parameter("protected-headers"), Some("v1"));
        let outside: Vec<String> = inner.fields("HP-Outer").map(|field| inner.text_of(field)).collect();
        if purpose == For::Signed {
            assert!(outside.is_empty());
        } else {
            assert_eq!(outside.len(), 8);
            assert!(outside.contains(&"Subject: [...]".to_owned()), "{outside:?}");
            assert!(outside.contains(&"In-Reply-To: <0@example.net>".to_owned()), "{outside:?}");
        }
        let marked: Vec<&str> = inner
            .parts
            .iter()
            .filter(|part| part.parameter("hp-legacy-display") == Some("1"))
            .map(|part| part.content_type.as_str())
            .collect();
        assert_eq!(marked, if legacy { vec!["text/plain", "text/html"] } else { vec![] });
        for part in inner.leaves().filter(|part| part.content_type.starts_with("text/")) {
            let (text, right) = part.text(&inner_raw);
            assert!(right && text.contains("Chère"), "{text}");
            assert_eq!(text.contains(&format!("Subject: [chiffrer] Réunion {CANARY}")), legacy, "{text}");
        }
        let file = inner.leaves().find(|part| part.attachment).unwrap();
        assert_eq!(&*file.decoded(&inner_raw).0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(inner_raw.as_bytes().is_ascii());
    }
}

#[test]
fn legacy_lines_stand_in_front_whatever_the_body_is_written_in() {
    for (head, body, expected) in [
        ("", "hello\r\n", "Subject: \u{e9}t\u{e9}\r\n\r\nhello\r\n"),
        (
            "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n",
            "caf=E9",
            "Subject: été\r\n\r\ncafé",
        ),
        (
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n",
            "Y2Fmw6k=\r\n",
            "Subject: été\r\n\r\ncafé",
        ),
        (
            "Content-Type: text/html; charset=utf-8\r\n",
            "<p>x</p>",
            "<div class=\"header-protection-legacy-display\">\r\n<pre>Subject: été</pre>\r\n</div>\r\n<p>x</p>",
        ),
        ("Content-Type: application/pdf\r\n", "%PDF", "%PDF"),
        ("Content-Type: text/plain\r\nContent-Disposition: attachment\r\n", "a file", "a file"),
    ] {
        let text =
            format!("From: a@example.org\r\nSubject: =?utf-8?Q?=C3=A9t=C3=A9?=\r\nMIME-Version: 1.0\r\n{head}\r\n{body}");
        let raw = RawMessage::new(text.into_bytes()).unwrap();
        let parsed = mime::parse(&raw, &Limits::default()).unwrap();
        let entity = mime::write::entity_for_sealing(&parsed).unwrap().octets(b"");
        let payload = payload(&parsed, &entity, false, None, &outer(&parsed), For::SealedSmime).unwrap();
        let inner = RawMessage::new(payload.as_bytes()).unwrap();
        assert!(inner.as_bytes().is_ascii());
        let parsed = mime::parse(&inner, &Limits::default()).unwrap();
        assert_eq!(parsed.top().text(&inner).0, expected, "{head}");
    }
}

#[test]
fn parameters_are_written_so_that_every_reader_reads_the_same() {
    let parameters = |value: &str| vec![("name".to_owned(), value.to_owned())];
    for value in ["a b.pdf", "qu\"o\\te.pdf", "été.pdf", "two\r\nlines", &"long".repeat(80), &"é".repeat(90), "%41"] {
        let field = header_protection::content_type("application/pdf", &parameters(value));
        assert!(field.is_ascii() && field.lines().all(|line| line.len() < 250));
        let raw = RawMessage::new(format!("{field}\r\nx").into_bytes()).unwrap();
        let parsed = mime::parse(&raw, &Limits::default()).unwrap();
        assert_eq!(parsed.top().parameter("name"), Some(value), "{field}");
    }
}

#[test]
fn a_date_far_from_the_receipt_is_put_right_in_what_is_signed_or_sealed_and_nowhere_else() {
    let original = String::from_utf8(message().as_bytes().to_vec()).unwrap();
    let sign = Requirements { sign: true, ..NOTHING };
    let with_date = |date: &str| {
        let line = format!("Date: Sat, 21 Nov 2026 12:00:00 +0000 ({CANARY})\r\n");
        assert!(original.contains(&line));
        RawMessage::new(original.replace(&line, date).into_bytes()).unwrap()
    };
    // Received at 12:50 UTC.
    for (date, repaired) in [
        ("Date: Sat, 21 Nov 2026 11:50:00 +0000\r\n", false),
        ("Date: Sat, 21 Nov 2026 14:50:00 +0100\r\n", false),
        ("Date: Sat, 21 Nov 2026 11:49:59 +0000\r\n", true),
        ("Date: Sat, 21 Nov 2026 13:50:01 +0000\r\n", true),
        ("Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n", true),
        ("Date: yesterday\r\n", true),
    ] {
        let raw = with_date(date);
        let shown = |raw: &RawMessage| {
            let parsed = mime::parse(raw, &Limits::default()).unwrap();
            assert_eq!(parsed.fields("Date").count(), 1);
            format!("Date: {}\r\n", parsed.written(parsed.field("Date").unwrap()).trim())
        };
        let expected = if repaired { "Date: Sat, 21 Nov 2026 12:50:00 +0000\r\n" } else { date };
        for (recipient, requires) in [("dave@example.net", ENCRYPT), ("bob@example.org", ENCRYPT), ("w@example.net", sign)] {
            let outgoing = one(copies(raw.clone(), &[(recipient, requires)], &keys(), &signers()));
            assert_eq!(shown(&outgoing.raw), expected, "{recipient}");
            if requires.sign {
                let inner = String::from_utf8_lossy(outgoing.raw.body()).into_owned();
                assert!(inner.contains(expected), "the signed Date is the shown one");
            }
        }
        let clear = one(copies(raw.clone(), &[("w@example.net", NOTHING)], &keys(), &signers()));
        assert_eq!(clear.raw, raw, "what need not change leaves byte for byte");
    }
}

#[test]
fn what_is_not_seven_bit_is_never_signed() {
    let text = "From: alice@example.org\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nSubject: \u{e9}t\u{e9}\r\nMIME-Version: 1.0\r\n\r\nx\r\n";
    let raw = RawMessage::new(text.as_bytes().to_vec()).unwrap();
    for recipient in ["bob@example.org", "dave@example.net"] {
        let results = copies(raw.clone(), &[(recipient, ENCRYPT)], &keys(), &signers());
        assert!(matches!(&results[..], [Err(why)] if why.why == "the payload is not 7-bit"), "{results:?}");
    }
    let fixes = mime::write::Fixes { received: None, date: AT, message_id: "x@example.org".into(), hops: 9, utf8: false };
    let repaired = mime::write::repair(&raw, &fixes).unwrap();
    assert!(copies(repaired, &[("bob@example.org", ENCRYPT)], &keys(), &signers()).iter().all(Result::is_ok));
}

#[test]
fn the_newer_algorithms_are_used_where_somebody_says_that_they_are_understood() {
    const GCM: &str = "2.16.840.1.101.3.4.1.46";
    const CBC: &str = "2.16.840.1.101.3.4.1.42";
    const OAEP: &str = "1.2.840.113549.1.1.7";
    const PKCS1: &str = "1.2.840.113549.1.1.1";
    const ECDH: &str = "1.3.132.1.11.1";
    for (said, recipient, smime_type, cipher, transport) in [
        ("", "bob@example.org", "enveloped-data", CBC, PKCS1),
        ("'bob@example.org' = ['aes-256-gcm']", "bob@example.org", "authEnveloped-data", GCM, PKCS1),
        ("'example.org' = ['rsa-oaep']", "bob@example.org", "enveloped-data", CBC, OAEP),
        ("'example.org' = ['rsa-oaep', 'aes-256-gcm']", "bob@example.org", "authEnveloped-data", GCM, OAEP),
        ("'example.com' = ['rsa-oaep', 'aes-256-gcm']", "bob@example.org", "enveloped-data", CBC, PKCS1),
        ("'example.net' = ['rsa-oaep', 'aes-256-gcm']", "carol@example.net", "authEnveloped-data", GCM, ECDH),
    ] {
        let settings = Settings { capabilities: toml::from_str(said).unwrap(), ..Settings::default() };
        let outgoing = one(copies_with(message(), &[(recipient, ENCRYPT)], &keys(), &signers(), &settings));
        let parsed = mime::parse(&outgoing.raw, &Limits::default()).unwrap();
        assert_eq!(parsed.top().parameter("smime-type"), Some(smime_type), "{said}");
        assert!(parsed.is_sealed_by_client(), "the structure is one that the gate itself takes for sealed");
        let der = parsed.top().decoded(&outgoing.raw).0;
        for (id, there) in [(GCM, cipher == GCM), (CBC, cipher == CBC), (OAEP, transport == OAEP), (ECDH, transport == ECDH)] {
            let id = der::asn1::ObjectIdentifier::new_unwrap(id);
            let written = der::Encode::to_der(&id).unwrap();
            assert_eq!(memchr::memmem::find(&der, &written).is_some(), there, "{said}: {id}");
        }
        assert!(!shows_canary(&outgoing));
    }
}

#[test]
fn each_ciphertext_names_one_recipient_and_no_copy_tells_of_another() {
    use sequoia_openpgp::Packet;
    use sequoia_openpgp::parse::Parse;
    // Dave and nobody else stands in Cc; the others are blind or stand in To.
    let everybody = ["bob@example.org", "carol@example.net", "dave@example.net"];
    let requires: Vec<(&str, Requirements)> = everybody.iter().map(|recipient| (*recipient, ENCRYPT)).collect();
    let text = String::from_utf8(message().as_bytes().to_vec()).unwrap();
    let hidden = text.replace("To: Bob <bob@example.org>,\r\n carol@example.net\r\n", "To: undisclosed-recipients:;\r\n");
    let raw = RawMessage::new(hidden.replace("Cc: dave@example.net\r\n", "").into_bytes()).unwrap();
    let made: Vec<Outgoing> = copies(raw, &requires, &keys(), &signers()).into_iter().map(Result::unwrap).collect();
    assert_eq!(made.len(), everybody.len());
    for (outgoing, recipient) in made.iter().zip(everybody) {
        assert_eq!(outgoing.recipients, [address(recipient)]);
        let shown = String::from_utf8_lossy(outgoing.raw.as_bytes()).to_lowercase();
        for other in ["bob", "carol", "dave", "blind"] {
            assert!(!shown.contains(&format!("{other}@")), "{other} stands in the copy of {recipient}");
        }
        let parsed = mime::parse(&outgoing.raw, &Limits::default()).unwrap();
        if outgoing.protection == Protection::Smime {
            use der::Decode;
            let der = parsed.top().decoded(&outgoing.raw).0;
            let info = ::cms::content_info::ContentInfo::from_der(&der).unwrap();
            let enveloped: ::cms::enveloped_data::EnvelopedData = info.content.decode_as().unwrap();
            assert_eq!(enveloped.recip_infos.0.len(), 1, "{recipient}");
        } else {
            let pile = sequoia_openpgp::PacketPile::from_bytes(parsed.body_of(&parsed.parts[2])).unwrap();
            let named: Vec<_> = pile
                .children()
                .filter_map(|packet| match packet {
                    Packet::PKESK(key) => key.recipient(),
                    _ => None,
                })
                .collect();
            let own: Vec<_> = WORLD.dave_openpgp.keys().map(|key| key.key().keyid()).collect();
            assert!(named.len() == 1 && named.iter().all(|id| own.contains(&id.clone().into())), "{named:?}");
        }
    }
}

#[test]
fn a_certificate_with_post_quantum_keys_gets_its_session_key_under_these_alone() {
    use sequoia_openpgp::cert::{CertBuilder, CipherSuite};
    use sequoia_openpgp::parse::Parse;
    use sequoia_openpgp::types::{KeyFlags, PublicKeyAlgorithm};
    use sequoia_openpgp::{Packet, PacketPile, Profile};
    let encrypts = KeyFlags::empty().set_transport_encryption().set_storage_encryption();
    let older = |builder: CertBuilder<'static>| builder.add_subkey(encrypts.clone(), None, CipherSuite::Cv25519);
    let newer = |builder: CertBuilder<'static>| builder.add_subkey(encrypts.clone(), None, CipherSuite::MLDSA65_Ed25519);
    let start = || {
        let builder = CertBuilder::new().set_profile(Profile::RFC9580).unwrap().set_cipher_suite(CipherSuite::Cv25519);
        builder.set_creation_time(openpgp::system_time(AT.plus(-86_400))).add_userid("Eve <eve@example.net>")
    };
    let hybrid = PublicKeyAlgorithm::MLKEM768_X25519;
    for (builder, expected) in [
        (older(start()), vec![PublicKeyAlgorithm::X25519]),
        (older(older(start())), vec![PublicKeyAlgorithm::X25519; 2]),
        (newer(start()), vec![hybrid]),
        (newer(older(start())), vec![hybrid]),
    ] {
        let (cert, _) = builder.generate().unwrap();
        let judged = trust::judge_openpgp("test", &cert, AT).unwrap();
        let signers = signers();
        let sealed = openpgp::encrypt(b"x", &judged, signers.openpgp.as_deref(), AT).unwrap();
        let pile = PacketPile::from_bytes(sealed.as_armor()).unwrap();
        let algorithms: Vec<PublicKeyAlgorithm> = pile
            .children()
            .filter_map(|packet| match packet {
                Packet::PKESK(key) => Some(key.pk_algo()),
                _ => None,
            })
            .collect();
        assert_eq!(algorithms, expected);
        assert!(!pile.children().any(|packet| matches!(packet, Packet::CompressedData(_))));
        let armor = String::from_utf8(sealed.as_armor().to_vec()).unwrap();
        assert_eq!(armor.matches('\n').count(), armor.matches("\r\n").count(), "CRLF throughout");
    }
}

#[test]
fn a_sealed_copy_names_a_key_of_its_recipient_and_of_nobody_else() {
    let keys = keys();
    let recipients = ["bob@example.org", "carol@example.net", "dave@example.net"];
    for recipient in recipients {
        let outgoing = one(copies(message(), &[(recipient, ENCRYPT)], &keys, &signers()));
        let parsed = mime::parse(&outgoing.raw, &Limits::default()).unwrap();
        let sealed = parsed.parts.last().unwrap().decoded(&outgoing.raw).0;
        let named = mime::sealed_to(&sealed);
        assert_eq!(named.len(), 1, "{recipient}: {named:?}");
        for other in recipients {
            let own = names_of(keys.get(&address(other)));
            assert_eq!(own.contains(&named[0]), other == recipient, "{recipient}, {other}: {named:?}");
        }
    }
    assert!(mime::sealed_to(b"-----BEGIN PGP MESSAGE-----").is_empty());
    assert!(mime::sealed_to(&[0x30, 0x80, 0x06]).is_empty());
}
