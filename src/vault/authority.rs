//! Turns a gate's name into an internal certification authority, and a sender's address into a certificate of it.

use super::VaultError;
use super::files::{self, IfThere};
use crate::mail::{Address, UnixTime};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

const DAY: i64 = 24 * 60 * 60;
/// Certificates begin to be valid this much before they are made: a message that waited in quarantine is signed with its own date, and
/// not every reader's clock is right.
const BACKDATED: i64 = 30 * DAY;
const AUTHORITY_LIFE: i64 = 3650 * DAY;
const LEAF_LIFE: i64 = 500 * DAY;
const TLS_LIFE: i64 = 800 * DAY;

/// RSA throughout: gpgsm 2.2 and older NSS read nothing else in S/MIME without trouble.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    not_after: UnixTime,
}

/// A key and its certificate, both in PEM, as they stand in one file.
pub type KeyAndCertificate = Zeroizing<String>;

impl Authority {
    /// Reads `path`, or makes it. Making takes some tenths of a second.
    pub fn open(path: &Path, hostname: &str, now: UnixTime) -> Result<Authority, VaultError> {
        if let Some(pem) = files::read_private_if_there(path)? {
            return Authority::read(path, &pem);
        }
        let made = make_authority(hostname, now)?;
        files::write_private(path, made.as_bytes(), IfThere::Keep)?;
        Authority::read(path, &files::read_private(path)?)
    }

    fn read(path: &Path, pem: &[u8]) -> Result<Authority, VaultError> {
        let damaged = |_| VaultError::Content(path.into(), "does not hold our certification authority's key and certificate");
        let certificate = CertificateDer::from_pem_slice(pem).map_err(|_| damaged(()))?;
        let text = std::str::from_utf8(pem).map_err(|_| damaged(()))?;
        let key = KeyPair::from_pkcs8_pem_and_sign_algo(private_block(text), &PKCS_RSA_SHA256).map_err(|_| damaged(()))?;
        let parsed = <x509_cert::Certificate as der::Decode>::from_der(&certificate).map_err(|_| damaged(()))?;
        if parsed.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes() != key.public_key_raw() {
            return Err(VaultError::Content(path.into(), "holds a key that does not belong to its certificate"));
        }
        let end = parsed.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|_| damaged(()))?;
        Ok(Authority { certificate, issuer, not_after: UnixTime(end as i64) })
    }

    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A certificate for signing mail in the name of one address, with its RSA-2048 key.
    pub fn issue(&self, address: &Address, name: Option<&str>, now: UnixTime) -> Result<KeyAndCertificate, VaultError> {
        const WHAT: VaultError = VaultError::Generate("a sender's certificate");
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(|_| WHAT)?;
        let mut params = params(now, now.plus(LEAF_LIFE).min(self.not_after))?;
        let address = address.to_string();
        params.distinguished_name =
            name_of(name.map(common_name).filter(|n| !n.is_empty()).as_deref().unwrap_or(&common_name(&address)), None);
        params.subject_alt_names = vec![SanType::Rfc822Name(address.as_str().try_into().map_err(|_| WHAT)?)];
        // Explicit, so that the subject key identifier is written too.
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|_| WHAT)?;
        Ok(Zeroizing::new(certificate.pem() + &Zeroizing::new(key.serialize_pem())))
    }
}

/// A certificate for our listeners when the operator gives none: self-signed, P-256, for the host name and loopback.
pub fn make_tls(hostname: &str, now: UnixTime) -> Result<KeyAndCertificate, VaultError> {
    const WHAT: VaultError = VaultError::Generate("a TLS certificate");
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|_| WHAT)?;
    let mut params = params(now, now.plus(TLS_LIFE))?;
    params.distinguished_name = name_of(&common_name(hostname), None);
    for dns in [hostname, "localhost"] {
        let san = SanType::DnsName(dns.try_into().map_err(|_| WHAT)?);
        if !params.subject_alt_names.contains(&san) {
            params.subject_alt_names.push(san);
        }
    }
    params.subject_alt_names.push(SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()));
    params.subject_alt_names.push(SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into()));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key).map_err(|_| WHAT)?;
    Ok(Zeroizing::new(certificate.pem() + &Zeroizing::new(key.serialize_pem())))
}

/// The PEM block of the private key in a file that holds more.
pub fn private_block(pem: &str) -> &str {
    const END: &str = "-----END PRIVATE KEY-----";
    let begin = pem.find("-----BEGIN PRIVATE KEY-----").unwrap_or(0);
    let end = pem[begin..].find(END).map_or(pem.len(), |at| begin + at + END.len());
    &pem[begin..end]
}

fn make_authority(hostname: &str, now: UnixTime) -> Result<KeyAndCertificate, VaultError> {
    const WHAT: VaultError = VaultError::Generate("a certification authority");
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).map_err(|_| WHAT)?;
    let mut params = params(now, now.plus(AUTHORITY_LIFE))?;
    params.distinguished_name = name_of(&common_name(&format!("Mail CA of {hostname}")), Some(&common_name(hostname)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(|_| WHAT)?;
    Ok(Zeroizing::new(certificate.pem() + &Zeroizing::new(key.serialize_pem())))
}

/// 127 random bits of serial number; dates.
fn params(now: UnixTime, not_after: UnixTime) -> Result<CertificateParams, VaultError> {
    let mut serial = [0u8; 16];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| VaultError::Generate("a serial number"))?;
    // RFC 5280 §4.1.2.2: positive, and its first octet not zero, so that its DER has one form.
    serial[0] = serial[0] & 0x7f | 0x40;
    let at = |time: UnixTime| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(time.0.max(0) as u64);
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = at(now.plus(-BACKDATED));
    params.not_after = at(not_after);
    Ok(params)
}

fn name_of(common: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common);
    name
}

/// ub-common-name is 64 characters (RFC 5280 appendix A.1).
fn common_name(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect::<String>().trim().to_owned()
}
