//! Recipients without a key: under a password where a policy is content with one, never in clear where it is not; Subjects and requests.

use super::*;
use crate::policy::Applied;
use proptest::prelude::*;
use zeroize::Zeroizing;

const NOBODY: &str = "nobody@example.net";
const CONTAINER: Requirements = Requirements { to_key: false, ..ENCRYPT };

fn password() -> Password {
    Password::kept(Zeroizing::new("k7q2-9fmd-x3wa-htz8-c4rn".to_owned()), Language::En)
}

fn copies_under(
    raw: RawMessage,
    requires: &[(&str, Requirements)],
    keys: &Keys,
    passwords: &Passwords,
) -> Vec<Result<Outgoing, CannotProtect>> {
    let recipients: Vec<&str> = requires.iter().map(|(recipient, _)| *recipient).collect();
    let (submission, decision) = (submission(raw, &recipients), decision(requires));
    let message = mime::parse(&submission.raw, &Limits::default()).unwrap();
    protect(&submission, &message, &decision, keys, passwords, &signers(), &Settings::default()).collect()
}

fn header_of(raw: &RawMessage) -> String {
    String::from_utf8(raw.header().to_vec()).unwrap()
}

#[test]
fn a_recipient_without_a_key_gets_a_container_that_tells_nothing_outside() {
    let passwords = Passwords::from([(address(NOBODY), password())]);
    let made = copies_under(message(), &[(NOBODY, CONTAINER), ("bob@example.org", CONTAINER)], &keys(), &passwords);
    let made: Vec<Outgoing> = made.into_iter().map(Result::unwrap).collect();
    // Who has a key gets it sealed to the key.
    assert_eq!(made.iter().map(|copy| copy.protection).collect::<Vec<_>>(), [Protection::Container, Protection::Smime]);
    assert_eq!(made[0].recipients, [address(NOBODY)]);
    assert!(!shows_canary(&made[0]));
    let header = header_of(&made[0].raw);
    assert!(header.contains("Subject: [...]\r\n"), "{header}");
    for kept in ["Message-ID: <1@example.org>", "<0@example.net>", "Date: Sat, 21 Nov 2026"] {
        assert!(header.contains(kept), "{kept} is needed for threads: {header}");
    }
    for hidden in ["Bcc", "Thread-Topic", "Keywords", "X-Project", "blind@"] {
        assert!(!header.contains(hidden), "{header}");
    }
}

#[test]
fn several_recipients_have_a_container_each_under_their_own_password() {
    let others: Vec<String> = (0..3).map(|n| format!("n{n}@example.net")).collect();
    let keys: Keys = others.iter().map(|one| (address(one), LookUp::Absent(Vec::new()))).collect();
    let passwords: Passwords = others.iter().map(|one| (address(one), Password::generate(Language::Fr).unwrap())).collect();
    let requires: Vec<(&str, Requirements)> = others.iter().map(|one| (one.as_str(), CONTAINER)).collect();
    let made: Vec<Outgoing> = copies_under(message(), &requires, &keys, &passwords).into_iter().map(Result::unwrap).collect();
    assert!(made.len() == 3 && made.iter().all(|copy| copy.recipients.len() == 1));
    assert!(made[0].raw != made[1].raw && made[1].raw != made[2].raw);
}

#[test]
fn what_may_be_sealed_for_one_message_counts_containers_too() {
    let passwords = Passwords::from([(address(NOBODY), password())]);
    let submission = submission(message(), &[NOBODY]);
    let parsed = mime::parse(&submission.raw, &Limits::default()).unwrap();
    let settings = Settings { sealed_octets: 100, ..Settings::default() };
    let decision = decision(&[(NOBODY, CONTAINER)]);
    let (keys, signers) = (keys(), signers());
    let mut made = protect(&submission, &parsed, &decision, &keys, &passwords, &signers, &settings);
    assert_eq!(made.next().unwrap().unwrap_err().cause, Cause::TooLarge);
    assert!(made.next().is_none());
}

#[test]
fn the_subject_stands_outside_only_where_the_policy_says_so() {
    let shown = Requirements { hide_subject: false, ..CONTAINER };
    let stripped = Requirements { strip_subject_tag: true, ..shown };
    let passwords = Passwords::from([(address(NOBODY), password())]);
    for recipient in [NOBODY, "bob@example.org", "dave@example.net"] {
        for (requires, begins) in [(CONTAINER, "[...]"), (shown, "[chiffrer]"), (stripped, "=?")] {
            let made = copies_under(message(), &[(recipient, requires)], &keys(), &passwords).remove(0).unwrap();
            let read = mime::parse(&made.raw, &Limits::default()).unwrap();
            let field = read.field("Subject").unwrap();
            let written = String::from_utf8_lossy(&made.raw.as_bytes()[field.value.clone()]).trim().to_owned();
            assert!(written.starts_with(begins), "{recipient}: {written}");
            let subject = read.subject().unwrap();
            assert_eq!(subject.contains("Réunion"), !requires.hide_subject, "{recipient}: {subject}");
            assert_eq!(subject.contains("[chiffrer]"), begins == "[chiffrer]", "{recipient}: {subject}");
        }
    }
}

/// The tag is no word of the author's: wherever it was written, no reader sees it, in clear or under a seal.
#[test]
fn the_tag_is_gone_from_every_form_of_the_subject() {
    let strip = |requires: Requirements| Requirements { strip_subject_tag: true, ..requires };
    let written = message();
    for subject in [
        "[chiffrer] Paie",
        "=?utf-8?B?W2NoaWZmcmVyXSBQYWll?=",
        "=?utf-8?Q?=5BChiffrer=5D?= Paie",
        "=?utf-8?Q?=5Bchif?=\r\n =?utf-8?Q?frer=5D_Paie?=",
        "RE: [ENCRYPT] Paie",
    ] {
        let raw = mime::write::with_field(&written, "Subject", "x").unwrap();
        let text =
            String::from_utf8(raw.as_bytes().to_vec()).unwrap().replace("Subject: x\r\n", &format!("Subject: {subject}\r\n"));
        let raw = RawMessage::new(text.into_bytes()).unwrap();
        for requires in [strip(NOTHING), strip(Requirements { sign: true, ..NOTHING })] {
            let made = copies_under(raw.clone(), &[(NOBODY, requires)], &keys(), &Passwords::new()).remove(0).unwrap();
            let read = mime::parse(&made.raw, &Limits::default()).unwrap();
            let seen = read.subject().unwrap();
            assert!(
                seen.ends_with("Paie") && !seen.to_lowercase().contains("ch") && !seen.contains("ENC"),
                "{subject}: {seen}"
            );
        }
        let (submission, settings, signers) = (submission(raw.clone(), &[NOBODY]), Settings::default(), signers());
        let parsed = mime::parse(&submission.raw, &Limits::default()).unwrap();
        let mut copies = Copies {
            redated: None,
            submission: &submission,
            message: &parsed,
            signers: &signers,
            settings: &settings,
            plan: VecDeque::new(),
            entity: None,
            outer: BTreeMap::new(),
            prepared: BTreeMap::new(),
            contents: BTreeMap::new(),
            sealed: 0,
        };
        for purpose in [For::SealedSmime, For::SealedOpenpgp] {
            let payload = copies.payload(purpose, Heading { strip_tag: true, hide_subject: true }).unwrap();
            let inner = RawMessage::new(payload.into_bytes()).unwrap();
            let read = mime::parse(&inner, &Limits::default()).unwrap();
            let seen = read.subject().unwrap();
            assert!(seen.ends_with("Paie") && !seen.contains('['), "{subject}: {seen}");
        }
    }
}

#[test]
fn the_field_that_asked_for_encryption_leaves_in_no_copy() {
    let asking = mime::write::with_field(&message(), "X-Postern-Encrypt", "yes").unwrap();
    let passwords = Passwords::from([(address(NOBODY), password())]);
    let sign = Requirements { sign: true, ..NOTHING };
    for (recipient, requires) in
        [(NOBODY, NOTHING), (NOBODY, sign), (NOBODY, CONTAINER), ("bob@example.org", ENCRYPT), ("dave@example.net", ENCRYPT)]
    {
        let made = copies_under(asking.clone(), &[(recipient, requires)], &keys(), &passwords).remove(0).unwrap();
        let lower = made.raw.as_bytes().to_ascii_lowercase();
        assert!(memchr::memmem::find(&lower, b"x-postern").is_none(), "{recipient} {requires:?}");
    }
    // Everything else of it is as it was.
    let made = copies_under(asking, &[(NOBODY, NOTHING)], &keys(), &passwords).remove(0).unwrap();
    assert_eq!(made.raw, message());
}

fn subject_of(copy: &Outgoing) -> String {
    mime::parse(&copy.raw, &Limits::default()).unwrap().subject().unwrap_or_default()
}

fn any_look_up() -> impl Strategy<Value = Option<LookUp>> {
    prop_oneof![
        Just(None),
        Just(Some(LookUp::Absent(Vec::new()))),
        Just(Some(LookUp::Failed("the directory does not answer".to_owned()))),
        Just(Some(LookUp::Usable(Vec::new()))),
        Just(Some(LookUp::Usable(vec![smime_key(&WORLD.bob_rsa)]))),
        Just(Some(LookUp::Usable(vec![openpgp_key()]))),
        // Another's key.
        Just(Some(LookUp::Usable(vec![smime_key(&WORLD.carol_p256)]))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    /// Required encryption is never clear; wished-for encryption is clear only when it is proven that there is no key; a password
    /// is used only where a policy is content with it and there is proven to be no key.
    #[test]
    fn nobody_gets_in_clear_what_had_to_be_sealed(
        look_up in any_look_up(),
        has_password in any::<bool>(),
        has_signers in any::<bool>(),
        bits in any::<[bool; 7]>(),
    ) {
        let [encrypt, to_key, encrypt_if_possible, sign, tls, individual_copies, hide_subject] = bits;
        let requires =
            Requirements { encrypt, to_key, encrypt_if_possible, tls, sign, individual_copies, strip_subject_tag: tls, hide_subject };
        let bob = "bob@example.org";
        let keys: Keys = look_up.iter().map(|look_up| (address(bob), look_up.clone())).collect();
        let passwords: Passwords = has_password.then(|| (address(bob), password())).into_iter().collect();
        let signers = if has_signers { signers() } else { Signers::default() };
        let submission = submission(message(), &[bob]);
        let parsed = mime::parse(&submission.raw, &Limits::default()).unwrap();
        let decision = decision(&[(bob, requires)]);
        let settings = Settings::default();
        let made: Vec<_> = protect(&submission, &parsed, &decision, &keys, &passwords, &signers, &settings).collect();
        // Never silence: one copy, or one error.
        prop_assert_eq!(made.len(), 1);
        let proven_absent = matches!(look_up, Some(LookUp::Absent(_)));
        match &made[0] {
            Ok(copy) => {
                prop_assert_eq!(copy.requires_tls, tls);
                match copy.protection {
                    Protection::None => {
                        prop_assert!(!encrypt, "clear where encryption is required");
                        prop_assert!(!encrypt_if_possible || proven_absent, "clear where nobody knows whether there is a key");
                    }
                    Protection::Container => {
                        prop_assert!(encrypt && !to_key && has_password && proven_absent);
                        prop_assert!(!hide_subject || !shows_canary(copy));
                        prop_assert_eq!(subject_of(copy).contains("Réunion"), !hide_subject);
                    }
                    Protection::Smime | Protection::Openpgp => {
                        prop_assert!(matches!(look_up, Some(LookUp::Usable(_))));
                        prop_assert!(encrypt || encrypt_if_possible);
                        prop_assert!(!hide_subject || !shows_canary(copy));
                        prop_assert_eq!(subject_of(copy).contains("Réunion"), !hide_subject);
                    }
                    Protection::Client => prop_assert!(false, "the client sealed nothing"),
                }
            }
            Err(why) => {
                prop_assert!(!why.to_string().contains(CANARY));
                if proven_absent && encrypt && !sign {
                    prop_assert!(to_key || !has_password);
                    prop_assert_eq!(why.cause, Cause::NoKey);
                }
                if matches!(look_up, None | Some(LookUp::Failed(_))) && (encrypt || encrypt_if_possible) {
                    prop_assert_eq!(why.cause, Cause::LookUpFailed);
                }
            }
        }
    }
}

#[test]
fn a_verdict_is_in_a_container_only_when_every_policy_is_content_with_one() {
    let applied = |container| Applied {
        policy: crate::policy::PolicyId("p".into()),
        disposition: Disposition::Allow,
        requires: CONTAINER,
        because: Default::default(),
        tell_sender: None,
        no_key: false,
        container,
        recourse: Default::default(),
    };
    let verdict = |requires, container| Verdict {
        recipient: address(NOBODY),
        disposition: Disposition::Allow,
        requires,
        reasons: vec![applied(container)],
    };
    assert!(verdict(CONTAINER, true).is_in_container());
    assert!(!verdict(ENCRYPT, true).is_in_container() && !verdict(CONTAINER, false).is_in_container());
}
