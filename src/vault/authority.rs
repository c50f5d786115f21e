//! Turns a gate's name into an internal certification authority, and a sender's address into a certificate of it.

use super::VaultError;
use super::files::{self, IfThere};
use super::register::{self, Reason, Register};
use crate::mail::{Address, UnixTime};
use crate::protect::trust::certificate::proves_possession;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertificateSigningRequestParams,
    CrlDistributionPoint, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData, RevocationReason, RevokedCertParams, RsaKeySize,
    SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
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
    key_id: Vec<u8>,
    register: Register,
    folder: PathBuf,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Purpose {
    /// Signing mail and receiving encrypted mail
    #[default]
    Both,
    /// Signing mail
    Sign,
    /// Receiving encrypted mail
    Encrypt,
}

/// The longest that a list of revoked certificates may stand for today's.
pub const MOST_LIST_DAYS: u32 = 400;

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
        let key_id = parsed.tbs_certificate().get_extension::<x509_cert::ext::pkix::SubjectKeyIdentifier>();
        let key_id = key_id.ok().flatten().ok_or_else(|| damaged(()))?.1.0.as_bytes().to_vec();
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|_| damaged(()))?;
        let folder = path.with_extension("");
        let register = Register::open(&folder)?;
        Ok(Authority { certificate, issuer, not_after: UnixTime(end as i64), key_id, register, folder })
    }

    pub fn register(&self) -> &Register {
        &self.register
    }

    /// Where everybody finds the list of revoked certificates: written into what is issued from now on. `None` takes it out.
    pub fn set_list_url(&self, url: Option<&str>) -> Result<(), VaultError> {
        let path = self.folder.join("crl-url");
        files::write_private(&path, url.unwrap_or_default().as_bytes(), IfThere::Replace)
    }

    pub fn list_url(&self) -> Result<Option<String>, VaultError> {
        let text = files::read_private_if_there(&self.folder.join("crl-url"))?;
        let text = text.map(|octets| String::from_utf8_lossy(&octets).trim().to_owned());
        Ok(text.filter(|text| !text.is_empty()))
    }

    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A certificate for signing mail in the name of one address, with its RSA-2048 key.
    pub fn issue(&self, address: &Address, name: Option<&str>, now: UnixTime) -> Result<KeyAndCertificate, VaultError> {
        self.issue_for(address, name, Purpose::Sign, now)
    }

    /// A certificate for one address, with its RSA-2048 key.
    pub fn issue_for(
        &self,
        address: &Address,
        name: Option<&str>,
        purpose: Purpose,
        now: UnixTime,
    ) -> Result<KeyAndCertificate, VaultError> {
        const WHAT: VaultError = VaultError::Generate("a sender's certificate");
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(|_| WHAT)?;
        let certificate = self.certify(&key, address, name, purpose, true, now)?;
        Ok(Zeroizing::new(certificate + &Zeroizing::new(key.serialize_pem())))
    }

    /// A certificate in PEM for a key that never was here: of a PKCS#10 request in PEM only its public key is taken, and only when the
    /// request proves that its author has the private one.
    pub fn issue_requested(
        &self,
        request: &str,
        address: &Address,
        name: Option<&str>,
        purpose: Purpose,
        now: UnixTime,
    ) -> Result<String, VaultError> {
        const WHAT: VaultError =
            VaultError::Generate("a certificate: the request is no PKCS#10 in PEM with an RSA, P-256 or P-384 key");
        let der = rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(request.as_bytes()).map_err(|_| WHAT)?;
        let is_rsa =
            proves_possession(&der).ok_or(VaultError::Generate("a certificate: the request is not signed by its own key"))?;
        let request = CertificateSigningRequestParams::from_der(&der).map_err(|_| WHAT)?;
        self.certify(&request.public_key, address, name, purpose, is_rsa, now)
    }

    fn certify(
        &self,
        key: &impl PublicKeyData,
        address: &Address,
        name: Option<&str>,
        purpose: Purpose,
        is_rsa: bool,
        now: UnixTime,
    ) -> Result<String, VaultError> {
        const WHAT: VaultError = VaultError::Generate("a sender's certificate");
        let until = now.plus(LEAF_LIFE).min(self.not_after);
        let mut params = params(now, until)?;
        let text = address.to_string();
        params.distinguished_name =
            name_of(name.map(common_name).filter(|n| !n.is_empty()).as_deref().unwrap_or(&common_name(&text)), None);
        params.subject_alt_names = vec![SanType::Rfc822Name(text.as_str().try_into().map_err(|_| WHAT)?)];
        // Explicit, so that the subject key identifier is written too.
        params.is_ca = IsCa::ExplicitNoCa;
        if purpose != Purpose::Encrypt {
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        }
        if purpose != Purpose::Sign {
            params.key_usages.push(if is_rsa { KeyUsagePurpose::KeyEncipherment } else { KeyUsagePurpose::KeyAgreement });
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        params.use_authority_key_identifier_extension = true;
        params.crl_distribution_points =
            self.list_url()?.into_iter().map(|url| CrlDistributionPoint { uris: vec![url] }).collect();
        let serial = params.serial_number.as_ref().map(SerialNumber::to_bytes).unwrap_or_default();
        let certificate = params.signed_by(key, &self.issuer).map_err(|_| WHAT)?;
        self.register.note_issued(&serial, address, until, now)?;
        Ok(certificate.pem())
    }

    /// The list of revoked certificates in DER, for so many days; those that have ended since do not stand in it. Each list has a higher
    /// number than the one before, which is remembered.
    pub fn make_list(&self, days: u32, now: UnixTime) -> Result<Vec<u8>, VaultError> {
        const WHAT: VaultError = VaultError::Generate("a list of revoked certificates");
        let date_time = |at: UnixTime| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(at.0.max(0) as u64);
        let issued = self.register.issued()?;
        let ended = |serial: &str| issued.iter().any(|one| one.serial == serial && one.until < now.plus(-BACKDATED).0);
        let revoked = self.register.revoked()?;
        let revoked = revoked.iter().filter(|one| !ended(&one.serial)).filter_map(|one| {
            Some(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&register::unhex(&one.serial)?),
                revocation_time: date_time(UnixTime(one.at)),
                // RFC 5280 §5.3.1: "unspecified" is said by saying nothing.
                reason_code: reason_code(one.reason),
                invalidity_date: None,
            })
        });
        let counter = self.folder.join("crl-number");
        let last = files::read_private_if_there(&counter)?;
        let last = last.and_then(|text| String::from_utf8_lossy(&text).trim().parse::<u64>().ok()).unwrap_or(0);
        let number = (last + 1).max(u64::try_from(now.0).unwrap_or(0));
        let list = CertificateRevocationListParams {
            this_update: date_time(now),
            next_update: date_time(now.plus(i64::from(days.clamp(1, MOST_LIST_DAYS)) * DAY)),
            crl_number: SerialNumber::from(
                number.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect::<Vec<u8>>(),
            ),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::PreSpecified(self.key_id.clone()),
        };
        let list = list.signed_by(&self.issuer).map_err(|_| WHAT)?;
        files::write_private(&counter, number.to_string().as_bytes(), IfThere::Replace)?;
        Ok(list.der().as_ref().to_vec())
    }
}

fn reason_code(reason: Reason) -> Option<RevocationReason> {
    match reason {
        Reason::Unspecified => None,
        Reason::KeyCompromise => Some(RevocationReason::KeyCompromise),
        Reason::AffiliationChanged => Some(RevocationReason::AffiliationChanged),
        Reason::Superseded => Some(RevocationReason::Superseded),
        Reason::CessationOfOperation => Some(RevocationReason::CessationOfOperation),
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
    let date_time = |at: UnixTime| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(at.0.max(0) as u64);
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = date_time(now.plus(-BACKDATED));
    params.not_after = date_time(not_after);
    Ok(params)
}

pub(super) fn name_of(common: &str, organization: Option<&str>) -> DistinguishedName {
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
