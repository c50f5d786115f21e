//! What leaves, and above all what does not.

mod cases;
mod containers;
mod peers;

use super::smime;
use super::trust::{Trust, judge_certificate};
use super::*;
use crate::mail::{Identity, Language, Origin, Reference};
use crate::mime::Limits;
use crate::policy::Requirements;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize, SanType,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use std::sync::LazyLock;

/// 2026-11-21T12:00:00Z, and the Date of [`message`].
const AT: UnixTime = UnixTime(1_795_262_400);

/// What no clear copy may show.
const CANARY: &str = "kanarienvogel";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A key and its certificate in PEM.
struct Pair {
    certificate: String,
    key: String,
}

/// The sender's authority and certificate, and recipients of both kinds: made once, RSA keys take their time.
struct World {
    authority: Pair,
    alice: Pair,
    bob_rsa: Pair,
    carol_p256: Pair,
    /// A sender's OpenPGP key, armored, secret.
    alice_openpgp: Vec<u8>,
    dave_openpgp: sequoia_openpgp::Cert,
}

/// With RSA, as the gate makes it and foreign readers want it.
static RSA: LazyLock<World> =
    LazyLock::new(|| make_world(|| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()));

/// With P-256 and one RSA certificate whose key nobody has: made in no time.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut world = make_world(|| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
    let certificate = include_str!("../../tests/keys/usable/rsa-2048.pem").to_owned();
    world.bob_rsa = Pair { certificate, key: String::new() };
    world
});

fn make_world(make_key: fn() -> KeyPair) -> World {
    let authority_key = make_key();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Test Mail CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2040, 1, 1));
    let authority = params.self_signed(&authority_key).unwrap();
    let authority_pair = Pair { certificate: authority.pem(), key: authority_key.serialize_pem() };
    let issuer = Issuer::new(params, authority_key);
    let issue = |mail: &str, key: KeyPair, usage: Vec<KeyUsagePurpose>| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, mail);
        params.subject_alt_names = vec![SanType::Rfc822Name(mail.try_into().unwrap())];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = usage;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2026, 1, 2), rcgen::date_time_ymd(2039, 1, 1));
        Pair { certificate: params.signed_by(&key, &issuer).unwrap().pem(), key: key.serialize_pem() }
    };
    let p256 = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let openpgp = |user_ids: &[&str]| {
        use sequoia_openpgp::cert::CertBuilder;
        let created = openpgp::system_time(AT.plus(-86_400));
        CertBuilder::general_purpose(user_ids.iter().copied()).set_creation_time(created).generate().unwrap().0
    };
    let alice_openpgp = {
        use sequoia_openpgp::serialize::SerializeInto;
        openpgp(&["Alice <alice@example.org>"]).as_tsk().armored().to_vec().unwrap()
    };
    World {
        alice: issue("alice@example.org", make_key(), vec![KeyUsagePurpose::DigitalSignature]),
        bob_rsa: issue("bob@example.org", make_key(), vec![KeyUsagePurpose::KeyEncipherment]),
        carol_p256: issue("carol@example.net", p256(), vec![KeyUsagePurpose::KeyAgreement]),
        authority: authority_pair,
        alice_openpgp,
        dave_openpgp: openpgp(&["Dave <dave@example.net>", "Bob <bob@example.org>"]),
    }
}

/// Bob's, with this extension (RFC 4262).
pub(super) fn certificate_with_capabilities(list: &[u8]) -> x509_cert::Certificate {
    use der::Decode;
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::Rfc822Name("bob@example.org".try_into().unwrap())];
    let id = [1, 2, 840, 113549, 1, 9, 15];
    params.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&id, list.to_vec())];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    x509_cert::Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap()
}

fn der(pem: &str) -> Vec<u8> {
    rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

fn signers() -> Signers {
    signers_of(&WORLD)
}

fn signers_of(world: &World) -> Signers {
    let key = PrivateKeyDer::from_pem_slice(world.alice.key.as_bytes()).unwrap();
    let signer = smime::Signer::new(&der(&world.alice.certificate), &[der(&world.authority.certificate)], &key).unwrap();
    let openpgp = openpgp::Signer::new(&world.alice_openpgp, AT).unwrap();
    Signers { smime: Some(Arc::new(signer)), openpgp: Some(Arc::new(openpgp)) }
}

fn smime_key(pair: &Pair) -> RecipientKey {
    RecipientKey::Smime(Arc::new(judge_certificate("test", &der(&pair.certificate), AT, &Trust::default()).unwrap()))
}

fn openpgp_key() -> RecipientKey {
    RecipientKey::Openpgp(Arc::new(trust::judge_openpgp("test", &WORLD.dave_openpgp, AT).unwrap()))
}

fn keys() -> Keys {
    Keys::from([
        (address("bob@example.org"), LookUp::Usable(vec![smime_key(&WORLD.bob_rsa)])),
        (address("carol@example.net"), LookUp::Usable(vec![smime_key(&WORLD.carol_p256)])),
        (address("dave@example.net"), LookUp::Usable(vec![openpgp_key()])),
        (address("nobody@example.net"), LookUp::Absent(Vec::new())),
        (address("contested@example.net"), LookUp::Contested(Vec::new())),
        (address("unknown@example.net"), LookUp::Failed("the directory does not answer".to_owned())),
    ])
}

/// A multipart with the canary wherever a message can have one that must not be seen outside.
fn message() -> RawMessage {
    let text = format!(
        "Received: from pc ([192.0.2.7]) by gate.example.org with ESMTPSA id 1\r\n for <blind@example.net>; Sat, 21 Nov 2026 12:00:00 +0000\r\n\
         From: =?utf-8?Q?Alice_Martin?= <alice@example.org>\r\n\
         To: Bob <bob@example.org>,\r\n carol@example.net\r\n\
         Cc: dave@example.net\r\n\
         Bcc: blind-{CANARY}@example.net\r\n\
         Subject: [chiffrer] =?utf-8?Q?R=C3=A9union_{CANARY}?=\r\n\
         Date: Sat, 21 Nov 2026 12:00:00 +0000 ({CANARY})\r\n\
         Message-ID: <1@example.org>\r\n\
         In-Reply-To: Your message of {CANARY} <0@example.net>\r\n\
         References: <00@example.net> ({CANARY})\r\n <0@example.net>\r\n\
         Reply-To: {CANARY} <alice@example.org>\r\n\
         Keywords: {CANARY}\r\nComments: {CANARY}\r\nThread-Topic: {CANARY}\r\nX-Project: {CANARY}\r\nList-Id: {CANARY}.example.org\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b1\"\r\n\
         \r\n\
         --b1\r\n\
         Content-Type: multipart/alternative; boundary=b2\r\n\
         \r\n\
         --b2\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\
         \r\n\
         Chère {CANARY}, voilà.\r\n.\r\nFrom here on\r\n\
         --b2\r\n\
         Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\
         \r\n\
         <html><body class=3D\"x\"><p>Ch=C3=A8re {CANARY}</p></body></html>\r\n\
         --b2--\r\n\
         --b1\r\n\
         Content-Type: application/octet-stream; name=\"{CANARY}.bin\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"{CANARY}.bin\"\r\n\
         \r\n\
         AAECAwQFBgcICQ==\r\n\
         --b1--\r\n"
    );
    RawMessage::new(text.into_bytes()).unwrap()
}

fn submission(raw: RawMessage, recipients: &[&str]) -> Submission {
    let alice = address("alice@example.org");
    Submission {
        reference: Reference::from_random([7; 8]),
        identity: Identity::Account {
            login: alice.clone(),
            owns: vec![alice.clone()],
            names: vec!["Alice".to_owned()],
            attributes: Default::default(),
        },
        mail_from: Some(alice),
        recipients: recipients.iter().map(|text| address(text)).collect(),
        raw,
        origin: Origin::Inspection,
        // 50 minutes later: the signature must bear the Date's time nevertheless.
        received_at: AT.plus(3_000),
        language: Language::En,
        requires_tls: false,
        transport: Default::default(),
    }
}

fn decision(requires: &[(&str, Requirements)]) -> Decision {
    let verdicts = requires
        .iter()
        .map(|(recipient, requires)| Verdict {
            recipient: address(recipient),
            disposition: Disposition::Allow,
            requires: *requires,
            reasons: Vec::new(),
        })
        .collect();
    Decision {
        disposition: Disposition::Allow,
        verdicts,
        watched: Vec::new(),
        ruleset: "sha256:0".into(),
        answer: Default::default(),
    }
}

const ENCRYPT: Requirements = Requirements {
    encrypt: true,
    to_key: true,
    encrypt_if_possible: false,
    tls: false,
    sign: false,
    individual_copies: false,
    strip_subject_tag: false,
    hide_subject: true,
};
const NOTHING: Requirements = Requirements { encrypt: false, ..ENCRYPT };

/// All copies for these recipients, or the error that ended it.
fn copies(
    raw: RawMessage,
    requires: &[(&str, Requirements)],
    keys: &Keys,
    signers: &Signers,
) -> Vec<Result<Outgoing, CannotProtect>> {
    copies_with(raw, requires, keys, signers, &Settings::default())
}

fn copies_with(
    raw: RawMessage,
    requires: &[(&str, Requirements)],
    keys: &Keys,
    signers: &Signers,
    settings: &Settings,
) -> Vec<Result<Outgoing, CannotProtect>> {
    let recipients: Vec<&str> = requires.iter().map(|(recipient, _)| *recipient).collect();
    let submission = submission(raw, &recipients);
    let message = mime::parse(&submission.raw, &Limits::default()).unwrap();
    let decision = decision(requires);
    protect(&submission, &message, &decision, keys, &Passwords::new(), signers, settings).collect()
}

fn shows_canary(outgoing: &Outgoing) -> bool {
    let octets = outgoing.raw.as_bytes().to_ascii_lowercase();
    memchr::memmem::find(&octets, CANARY.as_bytes()).is_some()
}
