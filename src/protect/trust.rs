//! Turns what somebody calls a recipient's key into one that may be used today, or a sentence that says why not.

use super::cms;
use super::openpgp::{self as pgp, system_time, unix_time};
use super::smime::{self, PublicKey, curve_of, validity};
use super::{CannotSeal, WhyNot};
use crate::mail::{Address, UnixTime};
use aws_lc_rs::{digest, rsa};
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use rustls_pki_types::CertificateDer;
use sequoia_openpgp::policy::{Policy, StandardPolicy};
use sequoia_openpgp::types::RevocationStatus;
use sequoia_openpgp::{Cert, cert::amalgamation::ValidAmalgamation, packet::UserID};
use std::fmt::Write as _;
use std::time::Duration;
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

/// Whom we believe about S/MIME certificates.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Certification authorities. Empty: a certificate that the operator put into `keys/recipients/` is trusted as it is, because
    /// putting it there is the operator's act, and most correspondents' authorities are on no list of ours. As soon as one
    /// anchor is configured, every certificate needs a path to an anchor.
    pub anchors: Vec<CertificateDer<'static>>,
    /// Certificates between, for building that path.
    pub intermediates: Vec<CertificateDer<'static>>,
}

/// Octets that are sealed to a key on import, to see that they can be.
const PROBE: &[u8] = b"Content-Type: text/plain\r\n\r\npostern seals this to see that the key can be used.\r\n";

const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");
const ANY_EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// Judges one X.509 certificate (DER) as a recipient's, at a time: form, signature algorithm, dates, usage, key, addresses, path,
/// and a trial sealing (RFC 8550, RFC 8551 §4). `source` is where it was found, for the sentence.
pub fn judge_certificate(
    source: &str,
    certificate: &[u8],
    at: UnixTime,
    trust: &Trust,
) -> Result<smime::RecipientCertificate, WhyNot> {
    certificate_or_why(certificate, at, trust).map_err(|reason| WhyNot { source: source.to_owned(), reason })
}

/// Judges the dates again: what was usable when it was loaded may have expired since.
pub fn judge_again(source: &str, certificate: &smime::RecipientCertificate, at: UnixTime) -> Result<(), WhyNot> {
    dates(certificate.not_before, certificate.not_after, at).map_err(|reason| WhyNot { source: source.to_owned(), reason })
}

/// Judges one OpenPGP certificate as a recipient's, at a time: valid by today's rules, not expired, not revoked, an address in a user
/// id, a usable encryption key, and a trial sealing.
pub fn judge_openpgp(source: &str, cert: &Cert, at: UnixTime) -> Result<pgp::RecipientCertificate, WhyNot> {
    openpgp_or_why(cert, at).map_err(|reason| WhyNot { source: source.to_owned(), reason })
}

/// What a key says of itself, usable or not: for reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    pub addresses: Vec<Address>,
    /// Hexadecimal; empty when it cannot be read.
    pub fingerprint: String,
    pub expires: Option<UnixTime>,
    /// A certification authority's: no recipient's, but of use for building paths.
    pub authority: bool,
}

/// Describes an X.509 certificate (DER) without judging it.
pub fn describe_certificate(octets: &[u8]) -> Description {
    let Ok(certificate) = Certificate::from_der(octets) else { return Description::default() };
    let tbs = certificate.tbs_certificate();
    let usage = tbs.get_extension::<KeyUsage>().ok().flatten().map(|(_, usage)| usage);
    let constraints = tbs.get_extension::<BasicConstraints>().ok().flatten();
    let signs_certificates = usage.is_some_and(|u| u.key_cert_sign() && !u.key_encipherment() && !u.key_agreement());
    Description {
        addresses: certificate_addresses(&certificate).unwrap_or_default(),
        fingerprint: fingerprint(octets),
        expires: Some(validity(&certificate).1),
        authority: signs_certificates && constraints.is_some_and(|(_, constraints)| constraints.ca),
    }
}

/// Describes an OpenPGP certificate without judging it.
pub fn describe_openpgp(cert: &Cert, at: UnixTime) -> Description {
    let texts: Vec<String> = cert.userids().filter_map(|id| address_of(id.userid())).collect();
    let policy = StandardPolicy::new();
    let valid = cert.with_policy(&policy as &dyn Policy, system_time(at)).ok();
    Description {
        addresses: addresses_in(&texts).unwrap_or_default(),
        fingerprint: cert.fingerprint().to_hex(),
        expires: valid.and_then(|valid| valid.primary_key().key_expiration_time()).map(unix_time),
        authority: false,
    }
}

fn certificate_or_why(octets: &[u8], at: UnixTime, trust: &Trust) -> Result<smime::RecipientCertificate, String> {
    let certificate = Certificate::from_der(octets).map_err(|_| "this is not a certificate in DER".to_owned())?;
    signature_algorithm(&certificate)?;
    let (not_before, not_after) = validity(&certificate);
    dates(not_before, not_after, at)?;
    critical_extensions(&certificate)?;
    let key = public_key(&certificate)?;
    usage(&certificate, &key)?;
    let addresses = certificate_addresses(&certificate)?;
    if !trust.anchors.is_empty() {
        path(octets, at, trust)?;
    }
    let fingerprint = fingerprint(octets);
    let judged = smime::RecipientCertificate { certificate, key, addresses, not_before, not_after, fingerprint };
    let trial = cms::envelop(PROBE, &judged).and_then(|sealed| cms::check_enveloped(&sealed, &judged, PROBE.len()));
    trial.map_err(|CannotSeal(why)| format!("a trial message could not be sealed to it: {why}"))?;
    Ok(judged)
}

/// Allow-list: what is not on it is refused, whoever invents it.
fn signature_algorithm(certificate: &Certificate) -> Result<(), String> {
    let algorithm = certificate.signature_algorithm();
    if algorithm != certificate.tbs_certificate().signature() {
        // RFC 5280 §4.1.1.2: both must be the same, or one of them lies.
        return Err("it names two different signature algorithms".to_owned());
    }
    match algorithm.oid.to_string().as_str() {
        // RSA with SHA-256, SHA-384, SHA-512; ECDSA with the same; Ed25519, Ed448.
        "1.2.840.113549.1.1.11" | "1.2.840.113549.1.1.12" | "1.2.840.113549.1.1.13" => Ok(()),
        "1.2.840.10045.4.3.2" | "1.2.840.10045.4.3.3" | "1.2.840.10045.4.3.4" => Ok(()),
        "1.3.101.112" | "1.3.101.113" => Ok(()),
        // RSASSA-PSS: the hash stands in the parameters, SHA-1 when it is left out (RFC 4055 §3.1).
        "1.2.840.113549.1.1.10" => {
            let parameters = algorithm.parameters.as_ref().and_then(|p| p.to_der().ok()).unwrap_or_default();
            let named = |last: u8| {
                memchr::memmem::find(&parameters, &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last]).is_some()
            };
            if named(1) || named(2) || named(3) {
                Ok(())
            } else {
                Err("its issuer signed it with SHA-1, which can be forged; ask for a newer certificate".to_owned())
            }
        }
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" | "1.3.14.3.2.29" => {
            Err("its issuer signed it with SHA-1, which can be forged; ask for a newer certificate".to_owned())
        }
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.2" => {
            Err("its issuer signed it with MD5, which can be forged; ask for a newer certificate".to_owned())
        }
        other => Err(format!("its issuer signed it with an algorithm that is not accepted ({other})")),
    }
}

fn dates(not_before: UnixTime, not_after: UnixTime, at: UnixTime) -> Result<(), String> {
    if at < not_before {
        return Err(format!("it is not valid before {}", day(not_before)));
    }
    if at > not_after {
        return Err(format!("it expired on {}", day(not_after)));
    }
    Ok(())
}

/// RFC 5280 §4.2: a critical extension that is not understood forbids the use of the certificate.
fn critical_extensions(certificate: &Certificate) -> Result<(), String> {
    // subjectAltName, basicConstraints, keyUsage, extKeyUsage, certificatePolicies, authority and subject key identifier
    const KNOWN: [&str; 7] = ["2.5.29.17", "2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.32", "2.5.29.35", "2.5.29.14"];
    for extension in certificate.tbs_certificate().extensions().into_iter().flatten() {
        let id = extension.extn_id.to_string();
        if extension.critical && !KNOWN.contains(&id.as_str()) {
            return Err(format!("it has a critical extension that is not known here ({id})"));
        }
    }
    Ok(())
}

fn public_key(certificate: &Certificate) -> Result<PublicKey, String> {
    let info = certificate.tbs_certificate().subject_public_key_info();
    if info.algorithm.oid == cms::RSA_ENCRYPTION {
        let spki = info.to_der().map_err(|_| "its RSA key cannot be read".to_owned())?;
        let bits = rsa_bits(info.subject_public_key.raw_bytes()).ok_or("its RSA key cannot be read")?;
        if bits < 2048 {
            return Err(format!("its RSA key has {bits} bits; 2048 is the least"));
        }
        if bits > 8192 {
            return Err(format!("its RSA key has {bits} bits; 8192 is the most"));
        }
        rsa::PublicEncryptingKey::from_der(&spki).map_err(|_| "its RSA key is not usable".to_owned())?;
        return Ok(PublicKey::Rsa { spki });
    }
    if info.algorithm.oid == cms::EC_PUBLIC_KEY {
        let curve = curve_of(&info.algorithm).ok_or("its key is on a curve other than P-256 and P-384")?;
        return Ok(PublicKey::Ec { curve, point: info.subject_public_key.raw_bytes().to_vec() });
    }
    if info.algorithm.oid == cms::X25519 {
        return match info.subject_public_key.raw_bytes() {
            point if point.len() == 32 => Ok(PublicKey::X25519 { point: point.to_vec() }),
            _ => Err("its X25519 key has not 32 octets".to_owned()),
        };
    }
    Err(format!("its key is neither RSA nor on P-256, P-384 or X25519 ({})", info.algorithm.oid))
}

/// The length of the modulus of an RSAPublicKey (RFC 8017 §A.1.1).
fn rsa_bits(key: &[u8]) -> Option<usize> {
    #[derive(der::Sequence)]
    struct RsaPublicKey {
        modulus: der::asn1::Uint,
        _exponent: der::asn1::Uint,
    }
    let key = RsaPublicKey::from_der(key).ok()?;
    let octets = key.modulus.as_bytes();
    Some(octets.len() * 8 - octets.first()?.leading_zeros() as usize)
}

fn usage(certificate: &Certificate, key: &PublicKey) -> Result<(), String> {
    let tbs = certificate.tbs_certificate();
    let unreadable = |_| "its key usage cannot be read".to_owned();
    if let Some((_, usage)) = tbs.get_extension::<KeyUsage>().map_err(unreadable)? {
        match key {
            PublicKey::Rsa { .. } if !usage.key_encipherment() => {
                return Err("its key may not be used for encryption (key usage lacks keyEncipherment)".to_owned());
            }
            PublicKey::Ec { .. } | PublicKey::X25519 { .. } if !usage.key_agreement() || usage.decipher_only() => {
                return Err("its key may not be used for encryption (key usage lacks keyAgreement)".to_owned());
            }
            _ => {}
        }
    }
    if let Some((_, extended)) = tbs.get_extension::<ExtendedKeyUsage>().map_err(unreadable)?
        && !extended.0.contains(&EMAIL_PROTECTION)
        && !extended.0.contains(&ANY_EXTENDED_KEY_USAGE)
    {
        return Err("it is not for mail (extended key usage lacks emailProtection)".to_owned());
    }
    Ok(())
}

/// rfc822Name of the subjectAltName; only where there is none, the emailAddress of old subjects (RFC 8550 §3).
fn certificate_addresses(certificate: &Certificate) -> Result<Vec<Address>, String> {
    let tbs = certificate.tbs_certificate();
    let names = tbs.get_extension::<SubjectAltName>().map_err(|_| "its alternative names cannot be read".to_owned())?;
    let mut texts: Vec<String> = Vec::new();
    for name in names.iter().flat_map(|(_, names)| names.0.iter()) {
        if let GeneralName::Rfc822Name(text) = name {
            texts.push(text.to_string());
        }
    }
    if texts.is_empty() {
        for attribute in tbs.subject().iter().filter(|attribute| attribute.oid == EMAIL_ADDRESS) {
            let text = std::str::from_utf8(attribute.value.value()).map_err(|_| "its address is not ASCII".to_owned())?;
            texts.push(text.to_owned());
        }
    }
    addresses_in(&texts)
}

/// A name with white space or a control character is no mistake but an attempt ("alice@example.org\0.attacker.example", two readers,
/// two addresses): the whole key is refused. Other unreadable names are passed over.
fn addresses_in(texts: &[String]) -> Result<Vec<Address>, String> {
    let mut addresses: Vec<Address> = Vec::new();
    for text in texts {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("one of its addresses holds white space or a control character".to_owned());
        }
        if let Ok(address) = Address::parse(text)
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("it bears no mail address".to_owned()) } else { Ok(addresses) }
}

fn path(certificate: &[u8], at: UnixTime, trust: &Trust) -> Result<(), String> {
    /// The octets of id-kp-emailProtection.
    const EMAIL: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 4];
    let der = CertificateDer::from(certificate);
    let leaf = webpki::EndEntityCert::try_from(&der).map_err(|_| "it has no form in which a path could be built".to_owned())?;
    let anchors: Vec<_> = trust.anchors.iter().filter_map(|anchor| webpki::anchor_from_trusted_cert(anchor).ok()).collect();
    let at = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.0).unwrap_or(0)));
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &trust.intermediates,
        at,
        // Not `required`: intermediates of mail authorities rightly bear no extended key usage; the leaf's own was judged before.
        webpki::KeyUsage::required_if_present(EMAIL),
        None,
        None,
    )
    .map(drop)
    .map_err(|_| "no path leads from it to a configured authority".to_owned())
}

fn openpgp_or_why(cert: &Cert, at: UnixTime) -> Result<pgp::RecipientCertificate, String> {
    let policy = StandardPolicy::new();
    let time = system_time(at);
    let valid = cert
        .with_policy(&policy as &dyn Policy, time)
        .map_err(|_| "its signature on itself is not accepted: SHA-1, a key under 2048 bits, or made later than now")?;
    if matches!(valid.revocation_status(), RevocationStatus::Revoked(_)) {
        return Err("its owner revoked it".to_owned());
    }
    if valid.alive().is_err() {
        return Err(match valid.primary_key().key_expiration_time() {
            Some(end) if end <= time => format!("it expired on {}", day(unix_time(end))),
            _ => "it is not valid yet".to_owned(),
        });
    }
    let mut texts = Vec::new();
    for user_id in valid.userids() {
        if matches!(user_id.revocation_status(), RevocationStatus::Revoked(_)) {
            continue;
        }
        texts.extend(address_of(user_id.userid()));
    }
    let addresses = addresses_in(&texts)?;
    let mut keys = Vec::new();
    let mut last_end: Option<UnixTime> = None;
    let mut endless = false;
    let usable = cert.keys().with_policy(&policy, time).supported().alive().revoked(false);
    for amalgamation in usable.for_transport_encryption().for_storage_encryption() {
        match amalgamation.key_expiration_time() {
            Some(end) => last_end = last_end.max(Some(unix_time(end))),
            None => endless = true,
        }
        keys.push(amalgamation.key().clone().parts_into_public().role_into_unspecified());
    }
    if keys.is_empty() {
        return Err(why_no_encryption_key(cert, &policy, at));
    }
    let own_end = valid.primary_key().key_expiration_time().map(unix_time);
    let expires = match (own_end, if endless { None } else { last_end }) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    // A secret key that somebody dropped here by mistake is not kept in memory.
    let cert = cert.clone().strip_secret_key_material();
    let judged = pgp::RecipientCertificate { cert, keys, addresses, expires };
    pgp::encrypt(PROBE, &judged, None, at)
        .map_err(|CannotSeal(why)| format!("a trial message could not be sealed to it: {why}"))?;
    Ok(judged)
}

fn why_no_encryption_key(cert: &Cert, policy: &dyn Policy, at: UnixTime) -> String {
    let time = system_time(at);
    let all = || cert.keys().with_policy(policy, time).for_transport_encryption().for_storage_encryption();
    if all().next().is_none() {
        return "it has no encryption key".to_owned();
    }
    if all().supported().next().is_none() {
        return "its encryption key is of an algorithm that is not supported".to_owned();
    }
    if all().supported().revoked(false).next().is_none() {
        return "its encryption key was revoked".to_owned();
    }
    match all().supported().revoked(false).filter_map(|key| key.key_expiration_time()).max() {
        Some(end) if end <= time => format!("its encryption key expired on {}", day(unix_time(end))),
        _ => "its encryption key is not valid yet".to_owned(),
    }
}

/// The address of a user id of the form `a@b` or `Name <a@b>`: exactly that, so that `<alice@example.org> <mallory@example.net>`
/// and comments give nobody a second address.
fn address_of(user_id: &UserID) -> Option<String> {
    let text = std::str::from_utf8(user_id.value()).ok()?;
    match text.strip_suffix('>') {
        Some(rest) => {
            let (name, address) = rest.split_once('<')?;
            let plain = name.is_empty() || name.ends_with(' ');
            (plain && !address.contains(['<', '>'])).then(|| address.to_owned())
        }
        // A name alone is no address and nothing suspicious.
        None => (text.contains('@') && !text.contains([' ', '<', '>'])).then(|| text.to_owned()),
    }
}

/// SHA-256, hexadecimal.
fn fingerprint(octets: &[u8]) -> String {
    digest::digest(&digest::SHA256, octets).as_ref().iter().fold(String::with_capacity(64), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn day(at: UnixTime) -> String {
    at.rfc3339().chars().take(10).collect()
}
