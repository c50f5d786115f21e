//! What quarantine promises: two keys open, nothing else does, and what was decided is gone.

use super::*;
use crate::detect::{Category, Finding, Found, RuleId, Status, ValueId};
use crate::extract::{Place, Reason, Unreadable};
use crate::mail::{Address, Identity, Language, Protection, RawMessage, UnixTime};
use crate::policy::{Applied, Bilingual, Disposition, PolicyId, Requirements, Verdict};
use rustls::crypto::hpke::Hpke;

const NOW: UnixTime = UnixTime(1_795_000_000);

struct Keys {
    public: PublicKeys,
    review: [u8; 32],
    release: [u8; 32],
}

fn keys() -> Keys {
    let pair = || {
        let suite = rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256;
        let (public, private) = suite.generate_key_pair().unwrap();
        (public.0.try_into().unwrap(), private.secret_bytes().try_into().unwrap())
    };
    let ((review_public, review), (release_public, release)) = (pair(), pair());
    Keys { public: PublicKeys { review: review_public, release: release_public }, review, release }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn submission(identity: Identity) -> Submission {
    Submission {
        reference: Reference::from_random([9; 8]),
        identity,
        mail_from: Some(address("alice@example.org")),
        recipients: vec![address("bob@example.net"), address("\"odd one\"@example.net")],
        raw: RawMessage::new(&b"Subject: CANARY-SUBJECT\r\n\r\nCANARY-BODY \xe9\r\n.\r\nno end"[..]).unwrap(),
        origin: Origin::Listener("submission".into()),
        received_at: NOW,
        language: Language::En,
        requires_tls: true,
        transport: Default::default(),
    }
}

fn alice() -> Identity {
    let login = address("alice@example.org");
    Identity::Account {
        login: login.clone(),
        owns: vec![login, address("a@example.org")],
        names: vec!["Alice Dupont".into()],
        attributes: Default::default(),
    }
}

fn decision() -> Decision {
    let requires = Requirements { encrypt: true, tls: true, ..Requirements::NONE };
    let applied = |policy: &str, no_key| Applied {
        policy: PolicyId(policy.into()),
        disposition: Disposition::Quarantine,
        requires,
        because: Bilingual { fr: "NIR x2".into(), en: "NIR x2".into() },
        tell_sender: Some(Bilingual { fr: "à revoir".into(), en: "to review".into() }),
        no_key,
        container: !no_key,
        recourse: Default::default(),
    };
    let verdict = Verdict {
        recipient: address("bob@example.net"),
        disposition: Disposition::Quarantine,
        requires,
        reasons: vec![applied("many-identities", false), applied("identity-leaves-encrypted", true)],
    };
    let watched = vec![PolicyId("watched".into())];
    Decision {
        disposition: Disposition::Quarantine,
        verdicts: vec![verdict],
        watched,
        ruleset: "sha256:ab".into(),
        answer: Default::default(),
    }
}

fn findings() -> Findings {
    let found = |n: usize| Found {
        place: Place("CANARY-FILE.xlsx > B2".into()),
        confidence: Confidence::High,
        masked: format!("•••••••••••••{n:02}"),
        value: ValueId(n as u64),
        digest: Default::default(),
        text: 0,
        span: (0, 15),
    };
    let finding = Finding {
        rule: RuleId("fr-nir".into()),
        category: Category::Identity,
        status: Status::Active,
        confidence: Confidence::High,
        places: (0..12).map(found).collect(),
    };
    let unreadable = Unreadable { part: Place("CANARY-ZIP.zip".into()), reason: Reason::Password };
    Findings { found: vec![finding], unreadable: vec![unreadable], ..Findings::default() }
}

fn held(keys: &Keys, identity: Identity) -> Held {
    hold(&submission(identity), &decision(), &findings(), &Facts::default(), &keys.public).unwrap()
}

fn audit(event: &str) -> AuditLine {
    AuditLine(serde_json::Map::from_iter([("event".to_owned(), event.into())]))
}

async fn quarantine(folder: &std::path::Path) -> (Store, Quarantine, Clock) {
    let settings = crate::store::Settings { reserve_octets: 0, ..Default::default() };
    let store = Store::open(folder, &settings).unwrap();
    let clock = Clock::set_to(NOW);
    let quarantine = Quarantine::new(store.clone(), Settings::default(), clock.clone());
    (store, quarantine, clock)
}

fn acceptance(held: Held) -> Acceptance {
    Acceptance {
        reference: held.reference,
        at: held.at,
        outgoing: vec![],
        held: Some(held),
        notices: vec![],
        calls: vec![],
        counters: Default::default(),
        audit: audit("held"),
    }
}

#[tokio::test]
async fn either_key_gives_back_the_message_and_the_decision_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let (store, quarantine, _) = quarantine(folder.path()).await;
    let keys = keys();
    let senders = vec![crate::mail::Domain::parse("example.org").unwrap()];
    for identity in [alice(), Identity::Relay { listener: "relay".into(), senders, login: None }, Identity::Gate] {
        let reference = crate::world::Dice::system().reference();
        let held = hold(
            &Submission { reference, ..submission(identity.clone()) },
            &decision(),
            &findings(),
            &Facts::default(),
            &keys.public,
        );
        store.commit(acceptance(held.unwrap())).await.unwrap();
        let by_release = quarantine.open_for_release(reference, &keys.release).await.unwrap();
        let by_review = quarantine.open(reference, &PrivateKey::new(Purpose::Review, &keys.review)).await.unwrap();
        for opened in [by_release, by_review] {
            let expected = submission(identity.clone());
            assert_eq!(opened.submission.raw, expected.raw);
            assert_eq!(opened.submission.identity, identity);
            assert_eq!(opened.submission.recipients, expected.recipients);
            assert_eq!(opened.submission.reference, reference);
            assert_eq!((opened.submission.origin, opened.submission.language), (Origin::Release, Language::En));
            assert_eq!(opened.submission.received_at, NOW);
            // Decision has no equality; its Debug shows every field.
            assert_eq!(format!("{:?}", opened.decision), format!("{:?}", decision()));
        }
    }
}

#[test]
fn a_key_opens_for_its_purpose_its_message_and_unchanged_octets_only() {
    let keys = keys();
    let reference = Reference::from_random([1; 8]);
    let sealed = sealed::seal(reference, b"record", &keys.public).unwrap();
    let open = |reference, sealed: &[u8], purpose, key: &[u8; 32]| {
        sealed::open(reference, sealed, &PrivateKey::new(purpose, key)).map_err(|why| why.to_string())
    };
    assert_eq!(open(reference, &sealed, Purpose::Review, &keys.review).unwrap(), b"record");
    assert_eq!(open(reference, &sealed, Purpose::Release, &keys.release).unwrap(), b"record");
    open(reference, &sealed, Purpose::Release, &keys.review).unwrap_err();
    open(reference, &sealed, Purpose::Review, &keys.release).unwrap_err();
    open(reference, &sealed, Purpose::Review, &[7; 32]).unwrap_err();
    open(Reference::from_random([2; 8]), &sealed, Purpose::Review, &keys.review).unwrap_err();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        for (purpose, key) in [(Purpose::Review, &keys.review), (Purpose::Release, &keys.release)] {
            open(reference, &changed, purpose, key).expect_err(&format!("octet {at}"));
        }
        open(reference, &sealed[..at], Purpose::Review, &keys.review).expect_err(&format!("cut at {at}"));
    }
    // The same twice is never the same.
    assert_ne!(sealed, sealed::seal(reference, b"record", &keys.public).unwrap());
}

#[test]
fn a_public_key_that_everybody_shares_a_secret_with_is_refused() {
    // RFC 7748 §6.1: the point of order one makes the shared secret zero.
    let keys = PublicKeys { review: keys().public.review, release: [0; 32] };
    assert_eq!(sealed::seal(Reference::from_random([1; 8]), b"record", &keys), Err(CannotSeal::Key));
}

#[tokio::test]
async fn what_lies_there_and_what_lists_show_hold_no_content() {
    let folder = tempfile::tempdir().unwrap();
    let (store, quarantine, _) = quarantine(folder.path()).await;
    store.commit(acceptance(held(&keys(), alice()))).await.unwrap();
    let listed = quarantine.list(Some(HeldState::Held), 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    let shown = serde_json::to_string(&listed).unwrap();
    assert!(!shown.contains("CANARY"), "{shown}");
    assert_eq!(listed[0].summary["findings"][0]["count"], 12);
    assert_eq!(listed[0].summary["findings"][0]["masked"].as_array().unwrap().len(), MASKED);
    assert_eq!(listed[0].summary["recipients"][0]["reasons"][0]["policy"], "many-identities");
    assert_eq!(listed[0].summary["unreadable"][0], "password");
    drop((store, quarantine));
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let octets = std::fs::read(file.unwrap().path()).unwrap();
        assert!(memchr::memmem::find(&octets, b"CANARY").is_none());
    }
}

#[tokio::test]
async fn what_was_released_rejected_or_has_expired_cannot_be_opened_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (store, quarantine, clock) = quarantine(folder.path()).await;
    let keys = keys();
    let mut references = Vec::new();
    for number in 0..4 {
        let reference = crate::world::Dice::seeded(number).reference();
        references.push(reference);
        let held = Held { reference, at: NOW.plus(number * 86_400), ..held(&keys, alice()) };
        store.commit(acceptance(held)).await.unwrap();
    }
    assert!(quarantine.overdue().await.unwrap().is_empty());
    clock.advance(31 * 86_400);
    let overdue: Vec<Reference> = quarantine.overdue().await.unwrap().iter().map(|held| held.reference).collect();
    assert_eq!(overdue, references[..1]);
    quarantine.expire(references[0], vec![], audit("expired")).await.unwrap();
    quarantine.reject(references[1], vec![], audit("rejected")).await.unwrap();
    let copy = Outgoing {
        mail_from: None,
        recipients: vec![address("bob@example.net")],
        raw: RawMessage::new(&b"A: b\r\n\r\n"[..]).unwrap(),
        protection: Protection::Openpgp,
        requires_tls: false,
        transport: Default::default(),
    };
    let (reference, at) = (references[2], clock.now());
    let released = Acceptance {
        reference,
        at,
        outgoing: vec![copy],
        held: None,
        notices: vec![],
        calls: vec![],
        counters: Default::default(),
        audit: audit("released"),
    };
    assert!(!quarantine.release(reference, released).await.unwrap().is_held());
    let states: Vec<HeldState> = quarantine.list(None, 10).await.unwrap().iter().map(|held| held.state).collect();
    assert_eq!(states, [HeldState::Expired, HeldState::Rejected, HeldState::Released, HeldState::Held]);
    for reference in &references[..3] {
        let why = quarantine.open_for_release(*reference, &keys.release).await.unwrap_err();
        assert_eq!(why, CannotOpen::Store(StoreError::NotHeld));
        assert_eq!(quarantine.reject(*reference, vec![], audit("rejected")).await, Err(StoreError::NotHeld));
        assert_eq!(quarantine.show(*reference).await.unwrap().unwrap().octets, 0);
    }
    assert_eq!(quarantine.show(Reference::from_random([3; 8])).await.unwrap().map(|held| held.state), None);
}
