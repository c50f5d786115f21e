//! A changed key waits for an officer while the one before is valid; everything else does not.

use crate::lookup::known::{KnownKeys, approve};
use crate::mail::{Address, UnixTime};
use crate::protect::RecipientKey;
use crate::protect::trust::{Trust, judge_certificate, judge_openpgp};
use sequoia_openpgp::Cert;
use sequoia_openpgp::parse::Parse;
use std::path::Path;
use std::sync::Arc;

/// 2026-11-22, 12:00.
const AT: UnixTime = UnixTime(1_795_348_800);

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)).unwrap()
}

fn smime(name: &str) -> RecipientKey {
    use rustls_pki_types::pem::PemObject;
    let der = rustls_pki_types::CertificateDer::from_pem_slice(&fixture(name)).unwrap();
    RecipientKey::Smime(Arc::new(judge_certificate("test", &der, AT, &Trust::default()).unwrap()))
}

fn openpgp(name: &str) -> RecipientKey {
    RecipientKey::Openpgp(Arc::new(judge_openpgp("test", &Cert::from_bytes(&fixture(name)).unwrap(), AT).unwrap()))
}

fn fingerprint(key: &RecipientKey) -> String {
    match key {
        RecipientKey::Smime(certificate) => certificate.fingerprint().to_owned(),
        RecipientKey::Openpgp(certificate) => certificate.fingerprint(),
    }
}

#[test]
fn a_changed_key_waits_for_an_officer_while_the_one_before_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
    std::fs::create_dir(&data).unwrap();
    let bob = Address::parse("bob@example.org").unwrap();
    let (first, second) = (smime("usable/rsa-2048.pem"), smime("usable/p256.pem"));
    let known = KnownKeys::open(&data, &keys).unwrap();
    let admit = |known: &KnownKeys, found: &[&RecipientKey], at: UnixTime| {
        let found: Vec<RecipientKey> = found.iter().map(|&key| key.clone()).collect();
        known.admit(&bob, "ldap", &found, at).unwrap().into_iter().map(|one| one.is_ok()).collect::<Vec<_>>()
    };
    assert_eq!(admit(&known, &[&first], AT), [true], "the first is taken");
    assert_eq!(admit(&known, &[&first], AT), [true]);
    assert_eq!(admit(&known, &[&second], AT), [false], "another one waits");
    assert_eq!(admit(&known, &[&second, &first], AT), [false, true], "and the one before goes on being used");
    // Of another kind it is the first.
    assert_eq!(admit(&known, &[&openpgp("usable/cv25519.asc")], AT), [true]);
    let waiting = known.waiting().unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].fingerprint.clone(), waiting[0].instead_of.clone()), (fingerprint(&second), fingerprint(&first)));
    // It is written down: the next start knows as much.
    drop(known);
    let known = KnownKeys::open(&data, &keys).unwrap();
    assert_eq!(admit(&known, &[&second], AT), [false]);
    // Another address's key is not this one's.
    let carol = Address::parse("carol@example.org").unwrap();
    assert!(known.admit(&carol, "ldap", std::slice::from_ref(&second), AT).unwrap()[0].is_ok());

    approve(&keys, &fingerprint(&second).to_uppercase(), AT).unwrap();
    assert_eq!(admit(&known, &[&second], AT), [true], "an officer's word is heard without a restart");
    assert!(known.waiting().unwrap().is_empty());
    assert_eq!(admit(&known, &[&smime("usable/p384.pem")], AT), [false], "and it is for that key only");
}

#[test]
fn a_key_in_the_place_of_one_that_ended_or_was_withdrawn_needs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let bob = Address::parse("bob@example.org").unwrap();
    let (first, second) = (smime("usable/rsa-2048.pem"), smime("usable/p256.pem"));
    let end = match &first {
        RecipientKey::Smime(certificate) => certificate.not_after(),
        RecipientKey::Openpgp(_) => unreachable!(),
    };
    let known = KnownKeys::open(folder.path(), folder.path()).unwrap();
    let admit = |key: &RecipientKey, at: UnixTime| known.admit(&bob, "wkd", std::slice::from_ref(key), at).unwrap()[0].is_ok();
    assert!(admit(&first, AT));
    assert!(!admit(&second, end));
    assert!(admit(&second, end.plus(1)));
    assert!(!admit(&first, AT), "the second is the known one now");
    known.forget(&bob, &fingerprint(&second)).unwrap();
    assert!(admit(&first, AT));
}

#[test]
fn a_damaged_book_is_an_error_and_not_a_first_time() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("known.json"), "{\"known\":").unwrap();
    assert!(KnownKeys::open(folder.path(), folder.path()).err().unwrap().to_string().contains("is damaged"));
}
