//! Hostile keys and answers: thousands of seeded mutations of real ones, each of which ends soon, as a key with its reason.

use super::made;
use crate::lookup::harvest::offered;
use crate::lookup::judge::{Memory, judge};
use crate::lookup::ldap::{candidates, wire};
use crate::lookup::source::{Candidate, Given};
use crate::mail::{Address, RawMessage, UnixTime};
use crate::protect::cms::{self, Content};
use crate::protect::smime::{RsaPadding, Signer};
use crate::protect::trust::{CheckRevocation, Revocations, Trust, asks, describe_certificate};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::time::Duration;

/// Of each real input.
const MUTATIONS: u64 = 500;
/// What one may cost: a source's budget is seconds, and most of it belongs to the network.
const ENOUGH: Duration = Duration::from_secs(2);
/// Octets by which the process may have grown at the end.
const MOST_MEMORY: u64 = 300 << 20;
/// 2026-11-22, 12:00.
const AT: UnixTime = UnixTime(1_795_348_800);

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

/// Bits, octets, lengths blown up in one, two and four octets, pieces cut out, doubled, put elsewhere.
fn mutate(octets: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut out = octets.to_vec();
    for _ in 0..1 + dice.below(6) {
        let length = out.len();
        if length < 16 {
            break;
        }
        let (at, size) = (dice.below(length - 8), 1 + dice.below(length / 4));
        match dice.below(8) {
            0 => out[at] ^= 1 << dice.below(8),
            1 => out[at] = [0, 0x80, 0x84, 0xff, 0x30, 0x7f][dice.below(6)],
            2 => out[at..at + 2].copy_from_slice(&[0x82, 0xff]),
            3 => out[at..at + 5].copy_from_slice(&[0x84, 0xff, 0xff, 0xff, 0xff]),
            4 => out.truncate(length - dice.below(length / 4)),
            5 => drop(out.drain(at..(at + dice.below(64)).min(length))),
            6 => {
                let piece = out[at..(at + size).min(length)].to_vec();
                out.splice(at..at, piece);
            }
            _ => out.copy_within(at..(at + size).min(length), dice.below(length - size)),
        }
    }
    out
}

/// Processor time of this thread (Linux, proc(5) schedstat): a loaded machine changes nothing.
fn spent() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// Octets that the process had at its largest.
fn largest() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Runs `look` on the real octets and on each mutation; every one within its time, all within their memory.
fn try_all(name: &str, real: &[u8], mut look: impl FnMut(&[u8]) -> bool) {
    let before = largest();
    assert!(look(real), "{name}: what is real is taken");
    let mut dice = Dice(20_261_122 ^ name.len() as u64);
    for number in 0..MUTATIONS {
        let octets = mutate(real, &mut dice);
        let began = spent();
        look(&octets);
        let took = spent().saturating_sub(began);
        assert!(took < ENOUGH, "{name}, mutation {number}: {took:?}");
    }
    assert!(largest() - before < MOST_MEMORY, "{name}: {} octets more", largest() - before);
}

/// What a source's candidate becomes: at least one key, each usable for this address or refused with a sentence. Whether one is usable.
fn judged(candidate: Candidate, recipient: &Address, trust: &Trust, at: UnixTime) -> bool {
    let given = Given { candidates: vec![("there".to_owned(), candidate)], ..Given::default() };
    let all = judge(&given, recipient, trust, at, &Memory::default());
    assert!(!all.is_empty(), "neither a key nor a reason");
    for one in &all {
        match (&one.key, &one.report.usable) {
            (Some(key), Ok(())) => assert!(key.is_for(recipient), "another's key"),
            (None, Err(reason)) => assert!(reason.len() > 10 && reason.is_ascii(), "{reason}"),
            _ => panic!("a key that is usable and refused at once"),
        }
    }
    all.iter().any(|one| one.key.is_some())
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/usable").join(name)).unwrap()
}

fn der(name: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(&fixture(name)).unwrap().to_vec()
}

#[test]
fn no_mutated_certificate_is_more_than_a_refused_key() {
    for name in ["rsa-2048.pem", "p256.pem", "p384.pem", "two-addresses.pem", "any-extended-usage.pem"] {
        let real = der(name);
        let recipient = describe_certificate(&real).addresses[0].clone();
        try_all(name, &real, |octets| judged(Candidate::Certificate(octets.to_vec()), &recipient, &Trust::default(), AT));
        // With paths, revocation and what certificates ask to be fetched.
        let mut trust = Trust::new(std::slice::from_ref(&real), std::slice::from_ref(&real));
        trust.check_revocation = CheckRevocation::Hard;
        try_all(name, &real, |octets| {
            let _ = asks(octets, AT, &trust);
            let _ = judged(Candidate::Certificate(octets.to_vec()), &recipient, &trust, AT);
            true
        });
    }
}

#[test]
fn no_mutated_openpgp_key_is_more_than_a_refused_key() {
    let bob = Address::parse("bob@example.net").unwrap();
    let fresh = made::cert(&["bob@example.net", "Robert <robert@example.net>"]);
    for (name, real) in [
        ("binary", made::binary(&fresh)),
        ("armored", made::armored(&fresh)),
        ("revoked", made::binary(&made::revoked("bob@example.net").1)),
    ] {
        try_all(name, &real, |octets| {
            let usable = judged(Candidate::Openpgp(octets.to_vec()), &bob, &Trust::default(), made::now());
            usable || name == "revoked"
        });
    }
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, content].concat()
}

#[test]
fn no_mutated_answer_of_a_directory_is_more_than_refused() {
    let certificate = der("p256.pem");
    let recipient = describe_certificate(&certificate).addresses[0].clone();
    let values = tlv(0x31, &tlv(4, &certificate));
    let attribute = tlv(0x30, &[tlv(4, b"userCertificate;binary"), values].concat());
    let entry = tlv(0x64, &[tlv(4, b"cn=bob,dc=example"), tlv(0x30, &attribute)].concat());
    let answer = tlv(0x30, &[vec![2, 1, 2], entry].concat());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    try_all("ldap", &answer, |octets| {
        let mut allowance = 1 << 20;
        let Ok(wire::Answer::Entry(entry)) = runtime.block_on(wire::read(&mut &octets[..], 2, &mut allowance)) else {
            return false;
        };
        let values = entry.attributes.into_iter().flat_map(|(_, values)| values);
        let all: Vec<Candidate> = values.flat_map(|value| candidates(value).unwrap_or_default()).collect();
        all.into_iter().filter(|one| judged(one.clone(), &recipient, &Trust::default(), AT)).count() > 0
    });
}

/// CMS as directories (userSMIMECertificate) and signed mail carry it; lists of revoked certificates.
#[test]
fn no_mutated_signed_message_or_list_is_more_than_refused() {
    let root = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = Issuer::new(params, root);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![rcgen::SanType::Rfc822Name("bob@example.net".try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2090, 1, 1));
    let leaf = params.signed_by(&key, &issuer).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let signer = Signer::new(leaf.der(), &[], &private).unwrap();
    let signed = cms::sign(b"Content-Type: text/plain\r\n\r\nx\r\n", Content::Inside, &signer, RsaPadding::Pkcs1, AT).unwrap();
    let bob = Address::parse("bob@example.net").unwrap();
    try_all("cms", &signed, |octets| {
        let all = candidates(octets.to_vec()).unwrap_or_default();
        all.into_iter().filter(|one| judged(one.clone(), &bob, &Trust::default(), AT)).count() > 0
    });
    let entity = b"Content-Type: text/plain\r\n\r\nx\r\n";
    let mail = crate::protect::smime::sign(entity, &signer, AT).unwrap();
    let head = b"From: bob@example.net\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n";
    let mut taken = 0;
    try_all("mail", &[&head[..], &mail].concat(), |octets| {
        let offer = RawMessage::new(octets.to_vec()).map(|raw| offered(&raw, &[], &Trust::default(), AT));
        taken += usize::from(offer.is_ok_and(|offer| !offer.keys.is_empty()));
        true
    });
    assert!(taken >= 1, "what is real is taken");
    // What its reader said of itself is kept with it.
    let raw = RawMessage::new([&head[..], &mail].concat()).unwrap();
    let offer = offered(&raw, &[], &Trust::default(), AT);
    let text = offer.keys[0].taken.as_ref().unwrap();
    let told = crate::lookup::harvest::told_in(text.as_bytes()).expect("our own signatures tell what we read");
    assert!(crate::protect::capabilities::of_list(&told).is_empty(), "and that is CBC");
    let date = |days: i64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs((AT.0 + days * 86_400) as u64);
    let list = CertificateRevocationListParams {
        this_update: date(-1),
        next_update: date(2),
        crl_number: SerialNumber::from_slice(&[1]),
        issuing_distribution_point: None,
        revoked_certs: (0..5)
            .map(|number| rcgen::RevokedCertParams {
                serial_number: SerialNumber::from_slice(&[0x10, number]),
                revocation_time: date(-1),
                reason_code: None,
                invalidity_date: None,
            })
            .collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&issuer).unwrap();
    try_all("crl", list.der().as_ref(), |octets| match Revocations::default().add_list(octets) {
        Ok(()) => true,
        Err(why) => {
            assert!(why.len() > 10, "{why}");
            false
        }
    });
    // What is no answer of a responder at all, and what begins like one (RFC 6960 §4.2.1).
    let basic = tlv(0x30, &[tlv(0x06, &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1]), tlv(4, &signed)].concat());
    let answer = tlv(0x30, &[vec![10, 1, 0], tlv(0xa0, &basic)].concat());
    try_all("ocsp", &answer, |octets| {
        let read = Revocations::default().add_answer(octets);
        assert!(read.is_err_and(|why| why.len() > 10));
        true
    });
}

/// Not mutations but monsters: a megabyte of nothing, and of the same structure inside itself.
#[test]
fn garbage_and_endless_nesting_are_refused_at_once() {
    let bob = Address::parse("bob@example.net").unwrap();
    // From inside out, and so from the end: the shortest length of each, as DER wants it.
    let mut nested: Vec<u8> = vec![0x00, 0x30];
    for _ in 0..50_000 {
        let length = nested.len();
        let octets: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
        nested.extend(octets.iter().rev());
        if length > 0x7f {
            nested.push(0x80 | octets.len() as u8);
        }
        nested.push(0x30);
    }
    nested.reverse();
    let mut dice = Dice(1);
    let noise: Vec<u8> = (0..1 << 20).map(|_| dice.below(256) as u8).collect();
    for octets in
        [nested, noise, vec![0x30; 1 << 20], vec![0xff; 1 << 20], b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n".repeat(20_000)]
    {
        let began = spent();
        assert!(!judged(Candidate::Certificate(octets.clone()), &bob, &Trust::default(), AT));
        assert!(!judged(Candidate::Openpgp(octets.clone()), &bob, &Trust::default(), AT));
        assert!(candidates(octets.clone()).is_err());
        assert!(Revocations::default().add_list(&octets).is_err() && Revocations::default().add_answer(&octets).is_err());
        assert!(spent().saturating_sub(began) < ENOUGH);
    }
}
