//! Paths made with rcgen: each differs from a good one in one thing.

use super::super::*;
use crate::mail::UnixTime;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use std::time::{Duration, Instant};

/// 2026-11-22T12:00:00Z
pub const AT: UnixTime = UnixTime(1_795_348_800);

struct Maker {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2040, 1, 1));
    params
}

fn authority(params: CertificateParams, above: Option<&Maker>) -> Maker {
    let key = key();
    let certificate = match above {
        Some(above) => params.signed_by(&key, &above.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    Maker { der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
}

fn root() -> Maker {
    authority(authority_params("Root"), None)
}

fn below(above: &Maker, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Maker {
    let mut params = authority_params(name);
    change(&mut params);
    authority(params, Some(above))
}

fn leaf_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example  Org");
    params.distinguished_name.push(DnType::CommonName, "Claire Martin");
    params.subject_alt_names = vec![SanType::Rfc822Name("claire@example.org".try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2039, 1, 1));
    params
}

fn leaf(above: &Maker) -> Vec<u8> {
    leaf_params().signed_by(&key(), &above.issuer).unwrap().der().to_vec()
}

fn constrained(permitted: Vec<GeneralSubtree>, excluded: Vec<GeneralSubtree>) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.name_constraints = Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded })
}

fn mail(text: &str) -> Vec<GeneralSubtree> {
    vec![GeneralSubtree::Rfc822Name(text.to_owned())]
}

fn organisation(text: &str) -> Vec<GeneralSubtree> {
    let mut name = rcgen::DistinguishedName::new();
    name.push(DnType::OrganizationName, text);
    vec![GeneralSubtree::DirectoryName(name)]
}

fn extension(oid: &[u64], content: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(true);
    extension
}

#[track_caller]
fn judged(leaf: &[u8], anchors: &[&Maker], between: &[&Maker]) -> Result<(), String> {
    let der = |makers: &[&Maker]| makers.iter().map(|maker| maker.der.clone()).collect::<Vec<_>>();
    let trust = Trust::new(&der(anchors), &der(between));
    judge_certificate("test", leaf, AT, &trust).map(|judged| assert!(judged.has_path())).map_err(|why| why.reason)
}

/// One authority between root and leaf, changed; what is said of the leaf.
fn with_one_between(change: impl FnOnce(&mut CertificateParams)) -> Result<(), String> {
    let root = root();
    let between = below(&root, "Between", change);
    judged(&leaf(&between), &[&root], &[&between])
}

#[test]
fn one_wrong_thing_on_the_path_is_enough_and_is_named() {
    let past = || (rcgen::date_time_ymd(2019, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    let unchanged = with_one_between(|_| {});
    assert_eq!(unchanged, Ok(()));
    let cases: [(&str, Result<(), String>); 15] = [
        (
            "\"Between\", above it, cannot be used: it expired on 2021-01-01",
            with_one_between(|p| (p.not_before, p.not_after) = past()),
        ),
        ("it is not valid before 2030-01-01", with_one_between(|p| p.not_before = rcgen::date_time_ymd(2030, 1, 1))),
        ("it is no certification authority", with_one_between(|p| p.is_ca = IsCa::ExplicitNoCa)),
        ("it is no certification authority", with_one_between(|p| p.is_ca = IsCa::NoCa)),
        ("key usage lacks keyCertSign", with_one_between(|p| p.key_usages = vec![KeyUsagePurpose::CrlSign])),
        (
            "may not give out certificates for mail",
            with_one_between(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        ),
        (
            "critical extension that is not known here (1.3.6.1.4.1.99999.7)",
            with_one_between(|p| p.custom_extensions = vec![extension(&[1, 3, 6, 1, 4, 1, 99999, 7], &[5, 0])]),
        ),
        (
            "requireExplicitPolicy",
            with_one_between(|p| p.custom_extensions = vec![extension(&[2, 5, 29, 36], &[0x30, 3, 0x80, 1, 0])]),
        ),
        (
            "name constraints cannot be read",
            with_one_between(|p| p.custom_extensions = vec![extension(&[2, 5, 29, 30], &[0x30, 1, 0xff])]),
        ),
        ("may not give out its names", with_one_between(constrained(mail("example.net"), vec![]))),
        ("may not give out its names", with_one_between(constrained(mail(".example.org"), vec![]))),
        ("may not give out its names", with_one_between(constrained(vec![], mail("example.org")))),
        ("may not give out its names", with_one_between(constrained(vec![], mail("claire@example.org")))),
        ("may not give out its names", with_one_between(constrained(organisation("Another"), vec![]))),
        ("may not give out its names", with_one_between(constrained(vec![], organisation("EXAMPLE org")))),
    ];
    let wrong: Vec<_> = cases.iter().filter(|(expected, found)| !matches!(found, Err(why) if why.contains(expected))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn constraints_that_the_names_keep_to_do_not_hinder() {
    assert_eq!(with_one_between(constrained(mail("EXAMPLE.org"), mail("example.net"))), Ok(()));
    assert_eq!(with_one_between(constrained(organisation("example ORG"), organisation("Another"))), Ok(()));
    assert_eq!(with_one_between(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection]), Ok(()));
    assert_eq!(with_one_between(|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))), Ok(()));
    // Constraints of a form that no name here has.
    assert_eq!(with_one_between(constrained(vec![GeneralSubtree::DnsName("example.net".into())], vec![])), Ok(()));
}

#[test]
fn the_anchors_own_dates_and_constraints_count_too() {
    let mut params = authority_params("Root");
    params.name_constraints = Some(NameConstraints { permitted_subtrees: mail("example.net"), excluded_subtrees: vec![] });
    let narrow = authority(params, None);
    assert!(judged(&leaf(&narrow), &[&narrow], &[]).unwrap_err().contains("may not give out its names"));
    let mut params = authority_params("Root");
    params.not_after = rcgen::date_time_ymd(2025, 1, 1);
    let old = authority(params, None);
    assert!(judged(&leaf(&old), &[&old], &[]).unwrap_err().contains("it expired on 2025-01-01"));
}

#[test]
fn the_path_must_be_whole_and_signed() {
    let (one, other) = (root(), root());
    let between = below(&one, "Between", |_| {});
    assert_eq!(judged(&leaf(&one), &[&one], &[]), Ok(()));
    assert_eq!(judged(&leaf(&between), &[&one], &[]), Err(path::no_path()));
    // The same name, another key.
    assert!(judged(&leaf(&one), &[&other], &[]).unwrap_err().contains("\"Root\" did not sign it"));
    // Both of one name: the right one is found, whichever stands first.
    assert_eq!(judged(&leaf(&one), &[&other, &one], &[]), Ok(()));
    assert_eq!(judged(&leaf(&between), &[&one], &[&other, &between]), Ok(()));
    let mut forged = leaf(&one);
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert!(judged(&forged, &[&one], &[]).unwrap_err().contains("did not sign it"));
    // Who is an anchor needs no other; a leaf that is one is no authority for others.
    let pinned = Maker { der: leaf(&one), issuer: root().issuer };
    assert_eq!(judged(&pinned.der, &[&pinned], &[]), Ok(()));
}

#[test]
fn no_more_authorities_stand_below_one_another_than_the_upper_allows() {
    let mut params = authority_params("Root");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    let root = authority(params, None);
    let upper = below(&root, "Upper", |_| {});
    let lower = below(&upper, "Lower", |_| {});
    assert_eq!(judged(&leaf(&upper), &[&root], &[&upper]), Ok(()));
    let why = judged(&leaf(&lower), &[&root], &[&upper, &lower]).unwrap_err();
    assert!(why.contains("may have no further authorities below it"), "{why}");
    // Nine of them are more than any organisation has.
    let mut chain = vec![self::root()];
    for nth in 0..9 {
        let next = below(chain.last().unwrap(), &format!("Nth {nth}"), |_| {});
        chain.push(next);
    }
    let between: Vec<&Maker> = chain[1..].iter().collect();
    assert_eq!(judged(&leaf(&chain[5]), &[&chain[0]], &between), Ok(()));
    assert!(judged(&leaf(&chain[9]), &[&chain[0]], &between).is_err());
}

/// Two authorities that vouch for each other, hundreds of one name, and both: none may cost more than its budget.
#[test]
fn loops_and_crowds_of_authorities_end() {
    let anchor = root();
    let (key_a, key_b) = (key(), key());
    let (a, b) = (authority_params("A"), authority_params("B"));
    let issuer_a = Issuer::from_params(&a, &key_a);
    let issuer_b = Issuer::from_params(&b, &key_b);
    let a_by_b = a.signed_by(&key_a, &issuer_b).unwrap().der().to_vec();
    let b_by_a = b.signed_by(&key_b, &issuer_a).unwrap().der().to_vec();
    let leaf = leaf_params().signed_by(&key(), &issuer_a).unwrap().der().to_vec();
    let trust = Trust::new(&[&anchor.der], &[&a_by_b, &b_by_a]);
    let began = Instant::now();
    assert!(judge_certificate("test", &leaf, AT, &trust).is_err());

    // Each of them looks like the issuer of the leaf and of all others.
    let mut crowd: Vec<Vec<u8>> = Vec::new();
    let params = authority_params("A");
    let keys: Vec<KeyPair> = (0..30).map(|_| key()).collect();
    for key in &keys {
        for above in keys.iter().take(10) {
            crowd.push(params.signed_by(key, &Issuer::from_params(&params, above)).unwrap().der().to_vec());
        }
    }
    let trust = Trust::new(&[anchor.der], &crowd);
    let why = judge_certificate("test", &leaf, AT, &trust).unwrap_err();
    assert!(why.reason.contains("too many authorities of one name"), "{why:?}");
    // 64 signatures take some milliseconds; unoptimised and on a busy machine far less than this.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_hostile_certificate_costs_no_more_than_a_look() {
    let root = root();
    let many = |count: usize| {
        let mut params = leaf_params();
        params.subject_alt_names =
            (0..count).map(|nth| SanType::Rfc822Name(format!("u{nth}@example.org").as_str().try_into().unwrap())).collect();
        params.signed_by(&key(), &root.issuer).unwrap().der().to_vec()
    };
    let mut twice = leaf_params();
    twice.custom_extensions = vec![
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 7], vec![5, 0]),
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 7], vec![5, 0]),
    ];
    let mut crowded = leaf_params();
    crowded.custom_extensions =
        (0..100).map(|nth| CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 8, nth], vec![5, 0])).collect();
    let mut fat = leaf_params();
    fat.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 9], vec![0; 1 << 20])];
    let signed = |params: CertificateParams| params.signed_by(&key(), &root.issuer).unwrap().der().to_vec();
    let mut garbage = vec![0x30, 0x83, 0x0f, 0xff, 0xfb];
    garbage.resize(1 << 20, 0x30);
    for (expected, der) in [
        ("it bears 2000 addresses; 500 are the most", many(2000)),
        ("131072 are the most for a certificate", many(10_000)),
        ("131072 are the most for a certificate", signed(fat)),
        ("it has the extension 1.3.6.1.4.1.99999.7 twice", signed(twice)),
        ("64 are the most", signed(crowded)),
        ("131072 are the most for a certificate", garbage.clone()),
        ("this is not a certificate in DER", garbage[..100_000].to_vec()),
        ("this is not a certificate in DER", vec![0x30; 100_000]),
    ] {
        let began = Instant::now();
        let why = judge_certificate("test", &der, AT, &Trust::default()).unwrap_err();
        assert!(why.reason.contains(expected), "{expected}: {why:?}");
        describe_certificate(&der);
        assert!(began.elapsed() < Duration::from_secs(1), "{expected}: {:?}", began.elapsed());
    }
    let few = judge_certificate("test", &many(400), AT, &Trust::default());
    assert_eq!(few.unwrap().addresses().len(), 400);
}

#[test]
fn an_openpgp_key_with_ten_thousand_user_ids_is_refused_at_a_look() {
    use sequoia_openpgp::packet::UserID;
    use sequoia_openpgp::{Packet, cert::CertBuilder};
    let (cert, _) = CertBuilder::new().add_userid("claire@example.org").add_transport_encryption_subkey().generate().unwrap();
    let flood = (0..10_000).map(|nth| Packet::from(UserID::from(format!("u{nth}@example.org"))));
    let flooded = cert.insert_packets(flood).unwrap().0;
    let began = Instant::now();
    let why = judge_openpgp("test", &flooded, AT).unwrap_err();
    assert!(why.reason.contains("user ids and subkeys; 500 are the most"), "{why:?}");
    assert!(describe_openpgp(&flooded, AT).addresses.is_empty());
    assert!(began.elapsed() < Duration::from_secs(1));
}
