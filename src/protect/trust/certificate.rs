//! Turns an X.509 certificate (DER) into a recipient's certificate, or a sentence that says why not.

use super::super::smime::{self, PublicKey, curve_of, validity};
use super::super::{CannotSeal, cms};
use super::{Description, NotUsable, PROBE, Trust, addresses_in, day, path};
use crate::mail::{Address, UnixTime};
use aws_lc_rs::{digest, rsa};
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use std::fmt::Write as _;
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

pub(super) const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");
pub(super) const ANY_EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
pub(super) const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// The largest certificate that is looked at: with post-quantum keys and signatures they reach 30 KB.
pub(super) const LARGEST: usize = 128 * 1024;

pub(super) fn judge(octets: &[u8], at: UnixTime, trust: &Trust) -> Result<smime::RecipientCertificate, NotUsable> {
    if octets.len() > LARGEST {
        return Err(format!("it has {} octets; {LARGEST} are the most for a certificate", octets.len()).into());
    }
    let certificate = Certificate::from_der(octets).map_err(|_| "this is not a certificate in DER".to_owned())?;
    signature_algorithm(&certificate)?;
    let (not_before, not_after) = validity(&certificate);
    dates(not_before, not_after, at)?;
    critical_extensions(&certificate)?;
    let key = public_key(&certificate)?;
    usage(&certificate, &key)?;
    let addresses = certificate_addresses(&certificate)?;
    let path = match path::find(octets, &certificate, at, trust) {
        Ok(path) => {
            path.check_revocation(at, trust)?;
            Some(path)
        }
        Err(why) if trust.needs_path => return Err(why.into()),
        // Believed without a path, it has no authority that could revoke it: who put it there takes it away.
        Err(_) => None,
    };
    let fingerprint = fingerprint(octets);
    let judged =
        smime::RecipientCertificate { certificate, key, addresses, not_before, not_after, fingerprint, path, told: None };
    let trial = cms::envelop(PROBE, &judged).and_then(|sealed| cms::check_enveloped(&sealed, &judged, PROBE.len()));
    trial.map_err(|CannotSeal(why)| format!("a trial message could not be sealed to it: {why}"))?;
    Ok(judged)
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

/// Allow-list: what is not on it is refused, whoever invents it.
pub(super) fn signature_algorithm(certificate: &Certificate) -> Result<(), String> {
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

pub(super) fn dates(not_before: UnixTime, not_after: UnixTime, at: UnixTime) -> Result<(), String> {
    if at < not_before {
        return Err(format!("it is not valid before {}", day(not_before)));
    }
    if at > not_after {
        return Err(format!("it expired on {}", day(not_after)));
    }
    Ok(())
}

/// RFC 5280 §4.2: a critical extension that is not understood forbids the use of the certificate, and none may stand there twice: two
/// readers could take two of them.
fn critical_extensions(certificate: &Certificate) -> Result<(), String> {
    // subjectAltName, basicConstraints, keyUsage, extKeyUsage, certificatePolicies, authority and subject key identifier
    const KNOWN: [&str; 7] = ["2.5.29.17", "2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.32", "2.5.29.35", "2.5.29.14"];
    match unknown_critical(certificate, &KNOWN)? {
        Some(id) => Err(format!("it has a critical extension that is not known here ({id})")),
        None => Ok(()),
    }
}

/// The first critical extension that is not among `known`.
pub(super) fn unknown_critical(certificate: &Certificate, known: &[&str]) -> Result<Option<String>, String> {
    const MOST: usize = 64;
    let extensions: &[_] = certificate.tbs_certificate().extensions().map_or(&[], |all| all.as_slice());
    if extensions.len() > MOST {
        return Err(format!("it has {} extensions; {MOST} are the most", extensions.len()));
    }
    let mut unknown = None;
    for (nth, extension) in extensions.iter().enumerate() {
        let id = extension.extn_id.to_string();
        if extensions[..nth].iter().any(|earlier| earlier.extn_id == extension.extn_id) {
            return Err(format!("it has the extension {id} twice"));
        }
        if extension.critical && !known.contains(&id.as_str()) {
            unknown = unknown.or(Some(id));
        }
    }
    Ok(unknown)
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
pub(super) fn rsa_bits(key: &[u8]) -> Option<usize> {
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
pub(super) fn certificate_addresses(certificate: &Certificate) -> Result<Vec<Address>, String> {
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

/// SHA-256, hexadecimal.
pub(super) fn fingerprint(octets: &[u8]) -> String {
    digest::digest(&digest::SHA256, octets).as_ref().iter().fold(String::with_capacity(64), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Whether a PKCS#10 request (DER, RFC 2986) is signed by the key it names, and then whether that key is RSA: who cannot sign with it may
/// have copied it from another's certificate.
pub fn proves_possession(request: &[u8]) -> Option<bool> {
    let parsed = x509_cert::request::CertReq::from_der(request).ok()?;
    let key = &parsed.info.public_key;
    let signed = super::asn1::Signed::read(request)?;
    let strong = key.algorithm.oid != cms::RSA_ENCRYPTION
        || rsa_bits(key.subject_public_key.raw_bytes()).is_some_and(|bits| (2048..=8192).contains(&bits));
    (strong && signed.is_by(key)).then_some(key.algorithm.oid == cms::RSA_ENCRYPTION)
}
