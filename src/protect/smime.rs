//! Turns a payload into S/MIME (RFC 8551): signed by the sender's certificate, then sealed to one recipient's.

use super::capabilities::{self, Capabilities, pss_sha256};
use super::cms::{self, Enveloped};
use super::{CannotSeal, boundary_for, to_base64_lines};
use crate::mail::{Address, UnixTime};
use crate::mime::KeyName;
use ::cms::cert::IssuerAndSerialNumber;
use aws_lc_rs::{digest, rand, signature};
use der::asn1::ObjectIdentifier;
use der::{Any, Decode, Encode};
use rustls_pki_types::PrivateKeyDer;
use spki::AlgorithmIdentifierOwned as Algorithm;
use std::fmt;
use std::sync::Arc;
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectKeyIdentifier;

/// A recipient's certificate that was judged usable by [`super::trust::judge_certificate`], which alone makes one.
pub struct RecipientCertificate {
    pub(super) certificate: Certificate,
    pub(super) key: PublicKey,
    pub(super) addresses: Vec<Address>,
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    pub(super) fingerprint: String,
    /// The authorities from its issuer up to an anchor; `None`: it is believed without one.
    pub(super) path: Option<super::trust::path::Path>,
    /// What its owner's reader said of itself in a signed message.
    pub(super) told: Option<Capabilities>,
}

/// The keys we can encrypt to.
pub(super) enum PublicKey {
    /// SubjectPublicKeyInfo, DER.
    Rsa { spki: Vec<u8> },
    /// An uncompressed point.
    Ec { curve: Curve, point: Vec<u8> },
    /// 32 octets (RFC 8410).
    X25519 { point: Vec<u8> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

impl RecipientCertificate {
    /// The mailboxes it is for.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// SHA-256 of its DER, 64 hexadecimal digits.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether an authority that the operator trusts vouches for it.
    pub fn has_path(&self) -> bool {
        self.path.is_some()
    }

    /// SubjectPublicKeyInfo in DER: the same for a renewed certificate of the same key.
    pub fn public_key_der(&self) -> Vec<u8> {
        self.certificate.tbs_certificate().subject_public_key_info().to_der().unwrap_or_default()
    }

    /// What sealed messages call it (RFC 5652 §6.2).
    pub(super) fn names(&self) -> Vec<KeyName> {
        let tbs = self.certificate.tbs_certificate();
        let (issuer, serial) = (tbs.issuer().to_der(), tbs.serial_number().to_der());
        let certificate = issuer.ok().zip(serial.ok()).map(|(issuer, serial)| KeyName::Certificate([issuer, serial].concat()));
        let identifier = tbs.get_extension::<SubjectKeyIdentifier>().ok().flatten();
        let subject = identifier.map(|(_, identifier)| KeyName::SubjectKey(identifier.0.as_bytes().to_vec()));
        certificate.into_iter().chain(subject).collect()
    }

    /// With the SMIMECapabilities (DER) of a message that its owner signed: newer than what stands in the certificate (RFC 8551 §2.5.2).
    pub fn with_told(mut self, list: &[u8]) -> RecipientCertificate {
        self.told = Some(capabilities::of_list(list));
        self
    }

    pub(super) fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// What its reader understands: by the operator's word, else by its own, else by its certificate.
    pub(super) fn capabilities(&self, recipient: &Address, said: &capabilities::Said) -> Capabilities {
        capabilities::said_of(recipient, said)
            .or_else(|| self.told.clone())
            .unwrap_or_else(|| capabilities::of_certificate(&self.certificate))
    }

    pub(super) fn issuer_and_serial(&self) -> IssuerAndSerialNumber {
        issuer_and_serial(&self.certificate)
    }
}

impl fmt::Debug for RecipientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "smime::RecipientCertificate({})", self.fingerprint)
    }
}

/// A sender's certificate with its private key and the chain that readers need.
pub struct Signer {
    leaf: Certificate,
    chain: Vec<Certificate>,
    key: Key,
    not_before: UnixTime,
    not_after: UnixTime,
}

enum Key {
    Rsa(signature::RsaKeyPair),
    Ec(signature::EcdsaKeyPair, Curve),
    /// In a token; `None`: an RSA key.
    Elsewhere(Arc<dyn HeldElsewhere>, Option<Curve>),
}

/// A private key that signs where it lies and that nobody can take out.
pub trait HeldElsewhere: Send + Sync {
    /// Over `octets`, which it hashes: of RSA as long as the modulus, of ECDSA in DER (RFC 5753 §7.2). `None`: it cannot be reached, or
    /// refuses; then nothing is sent.
    fn sign(&self, scheme: Scheme, octets: &[u8]) -> Option<Vec<u8>>;
}

/// What is asked of such a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    RsaPkcs1Sha256,
    /// A salt of 32 octets, MGF1 with SHA-256.
    RsaPssSha256,
    EcdsaP256Sha256,
    EcdsaP384Sha384,
}

impl Scheme {
    fn verification(self) -> &'static dyn signature::VerificationAlgorithm {
        match self {
            Scheme::RsaPkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Scheme::RsaPssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
            Scheme::EcdsaP256Sha256 => &signature::ECDSA_P256_SHA256_ASN1,
            Scheme::EcdsaP384Sha384 => &signature::ECDSA_P384_SHA384_ASN1,
        }
    }
}

/// Why certificate and key do not make a [`Signer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSigner {
    #[error("the certificate cannot be read")]
    Certificate,
    #[error("the private key is neither RSA (2048 to 8192 bits) nor on P-256 or P-384")]
    Key,
    #[error("the private key does not belong to the certificate")]
    Pair,
    #[error("the private key did not sign when it was tried")]
    Silent,
}

impl Signer {
    /// `chain`: the certificates between the leaf and the root, the root too if readers should see it; DER.
    pub fn new(leaf: &[u8], chain: &[Vec<u8>], key: &PrivateKeyDer<'_>) -> Result<Signer, BadSigner> {
        let leaf = Certificate::from_der(leaf).map_err(|_| BadSigner::Certificate)?;
        let chain: Result<Vec<_>, _> = chain.iter().map(|der| Certificate::from_der(der)).collect();
        let chain = chain.map_err(|_| BadSigner::Certificate)?;
        let tbs = leaf.tbs_certificate();
        let spki = tbs.subject_public_key_info();
        let key = if spki.algorithm.oid == cms::RSA_ENCRYPTION {
            Key::Rsa(
                match key {
                    PrivateKeyDer::Pkcs1(der) => signature::RsaKeyPair::from_der(der.secret_pkcs1_der()),
                    other => signature::RsaKeyPair::from_pkcs8(other.secret_der()),
                }
                .map_err(|_| BadSigner::Key)?,
            )
        } else {
            let curve = curve_of(&spki.algorithm).ok_or(BadSigner::Key)?;
            let signing = match curve {
                Curve::P256 => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
                Curve::P384 => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
            };
            let pair = signature::EcdsaKeyPair::from_private_key_der(signing, key.secret_der()).map_err(|_| BadSigner::Key)?;
            Key::Ec(pair, curve)
        };
        let public: &[u8] = match &key {
            Key::Rsa(pair) => signature::KeyPair::public_key(pair).as_ref(),
            Key::Ec(pair, _) => signature::KeyPair::public_key(pair).as_ref(),
            Key::Elsewhere(..) => return Err(BadSigner::Key),
        };
        if public != spki.subject_public_key.raw_bytes() {
            return Err(BadSigner::Pair);
        }
        let (not_before, not_after) = validity(&leaf);
        Ok(Signer { leaf, chain, key, not_before, not_after })
    }

    /// The same with a private key that lies elsewhere, which signs once to show that it belongs to the leaf.
    pub fn elsewhere(leaf: &[u8], chain: &[Vec<u8>], key: Arc<dyn HeldElsewhere>) -> Result<Signer, BadSigner> {
        let leaf = Certificate::from_der(leaf).map_err(|_| BadSigner::Certificate)?;
        let chain: Result<Vec<_>, _> = chain.iter().map(|der| Certificate::from_der(der)).collect();
        let chain = chain.map_err(|_| BadSigner::Certificate)?;
        let spki = leaf.tbs_certificate().subject_public_key_info();
        let curve = match spki.algorithm.oid == cms::RSA_ENCRYPTION {
            true => None,
            false => Some(curve_of(&spki.algorithm).ok_or(BadSigner::Key)?),
        };
        let probe = super::trust::PROBE;
        let scheme = scheme_of(curve, RsaPadding::Pkcs1);
        let signed = key.sign(scheme, probe).ok_or(BadSigner::Silent)?;
        let public = signature::UnparsedPublicKey::new(scheme.verification(), spki.subject_public_key.raw_bytes());
        public.verify(probe, &signed).map_err(|_| BadSigner::Pair)?;
        let (not_before, not_after) = validity(&leaf);
        Ok(Signer { leaf, chain, key: Key::Elsewhere(key, curve), not_before, not_after })
    }

    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Whether a signature made at this moment lies within the certificate's validity.
    pub fn is_valid_at(&self, at: UnixTime) -> bool {
        (self.not_before..=self.not_after).contains(&at)
    }

    pub(super) fn issuer_and_serial(&self) -> IssuerAndSerialNumber {
        issuer_and_serial(&self.leaf)
    }

    pub(super) fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.chain)
    }

    /// The digest that goes with the key (RFC 5753 §7.1.1, RFC 5754 §3.3), and its `micalg` (RFC 8551 §3.5.3.2).
    pub(super) fn digest(&self) -> (&'static digest::Algorithm, ObjectIdentifier, &'static str) {
        const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
        const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
        match self.key {
            Key::Ec(_, Curve::P384) | Key::Elsewhere(_, Some(Curve::P384)) => (&digest::SHA384, SHA384, "sha-384"),
            Key::Rsa(_) | Key::Ec(_, Curve::P256) | Key::Elsewhere(..) => (&digest::SHA256, SHA256, "sha-256"),
        }
    }

    /// The SignerInfo's signatureAlgorithm and signature over `attributes`.
    pub(super) fn sign(&self, attributes: &[u8], padding: RsaPadding) -> Result<(Algorithm, Vec<u8>), CannotSeal> {
        const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
        const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
        const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
        const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
        let random = rand::SystemRandom::new();
        let curve = match &self.key {
            Key::Rsa(_) => None,
            Key::Ec(_, curve) => Some(*curve),
            Key::Elsewhere(_, curve) => *curve,
        };
        let scheme = scheme_of(curve, padding);
        let algorithm = match scheme {
            Scheme::RsaPkcs1Sha256 => cms::algorithm(RSA_SHA256, Some(Any::null())),
            Scheme::RsaPssSha256 => cms::algorithm(RSASSA_PSS, Some(Any::encode_from(&pss_sha256()?)?)),
            Scheme::EcdsaP256Sha256 => cms::algorithm(ECDSA_SHA256, None),
            Scheme::EcdsaP384Sha384 => cms::algorithm(ECDSA_SHA384, None),
        };
        match &self.key {
            Key::Rsa(pair) => {
                let mut octets = vec![0; pair.public_modulus_len()];
                let encoding: &'static dyn signature::RsaEncoding = match padding {
                    RsaPadding::Pkcs1 => &signature::RSA_PKCS1_SHA256,
                    RsaPadding::Pss => &signature::RSA_PSS_SHA256,
                };
                pair.sign(encoding, &random, attributes, &mut octets).map_err(|_| CannotSeal("the RSA signature failed"))?;
                Ok((algorithm, octets))
            }
            Key::Ec(pair, _) => {
                let signature = pair.sign(&random, attributes).map_err(|_| CannotSeal("the ECDSA signature failed"))?;
                Ok((algorithm, signature.as_ref().to_vec()))
            }
            Key::Elsewhere(key, _) => {
                let signed = key.sign(scheme, attributes);
                Ok((algorithm, signed.ok_or(CannotSeal("the token that holds the sender's key did not sign"))?))
            }
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "smime::Signer(until {})", self.not_after.rfc3339())
    }
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureForm {
    /// multipart/signed: readers without S/MIME show the text all the same, and inside an encryption nothing is in base64 twice.
    #[default]
    Detached,
    /// application/pkcs7-mime with signed-data: mail servers that rewrite texts cannot break it.
    Opaque,
}

/// How an RSA key of ours signs. Elliptic keys have one way only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RsaPadding {
    /// Every reader verifies it.
    #[default]
    Pkcs1,
    /// RSASSA-PSS (RFC 4056), which some security frameworks demand.
    Pss,
}

fn scheme_of(curve: Option<Curve>, padding: RsaPadding) -> Scheme {
    match (curve, padding) {
        (None, RsaPadding::Pkcs1) => Scheme::RsaPkcs1Sha256,
        (None, RsaPadding::Pss) => Scheme::RsaPssSha256,
        (Some(Curve::P256), _) => Scheme::EcdsaP256Sha256,
        (Some(Curve::P384), _) => Scheme::EcdsaP384Sha384,
    }
}

/// A multipart/signed entity around `entity`, which it holds octet for octet; CRLF, 7 bit if `entity` is.
pub fn sign(entity: &[u8], signer: &Signer, at: UnixTime) -> Result<Vec<u8>, CannotSeal> {
    sign_as(entity, signer, at, SignatureForm::default(), RsaPadding::default())
}

/// The same in the form that is asked for.
pub fn sign_as(
    entity: &[u8],
    signer: &Signer,
    at: UnixTime,
    form: SignatureForm,
    padding: RsaPadding,
) -> Result<Vec<u8>, CannotSeal> {
    if !signer.is_valid_at(at) {
        return Err(CannotSeal("the sender's certificate is not valid at the signing time"));
    }
    match form {
        SignatureForm::Detached => multipart_signed(entity, signer, at, padding),
        SignatureForm::Opaque => opaque(entity, signer, at, padding),
    }
}

/// RFC 8551 §3.5.2.
fn opaque(entity: &[u8], signer: &Signer, at: UnixTime, padding: RsaPadding) -> Result<Vec<u8>, CannotSeal> {
    let signed = cms::sign(entity, cms::Content::Inside, signer, padding, at)?;
    let mut out = Vec::with_capacity(signed.len() * 3 / 2 + 256);
    write_pkcs7_mime("signed-data", &signed, &mut out);
    Ok(out)
}

/// RFC 8551 §3.5.3.
fn multipart_signed(entity: &[u8], signer: &Signer, at: UnixTime, padding: RsaPadding) -> Result<Vec<u8>, CannotSeal> {
    let signature = cms::sign(entity, cms::Content::Detached, signer, padding, at)?;
    let (_, _, micalg) = signer.digest();
    let boundary = boundary_for(entity);
    let mut out = Vec::with_capacity(entity.len() + signature.len() * 3 / 2 + 1024);
    out.extend_from_slice(
        format!(
            "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n micalg={micalg}; boundary=\"{boundary}\"\r\n\
             \r\n--{boundary}\r\n"
        )
        .as_bytes(),
    );
    out.extend_from_slice(entity);
    out.extend_from_slice(
        format!(
            "\r\n--{boundary}\r\n\
             Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
             Content-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
        )
        .as_bytes(),
    );
    to_base64_lines(&signature, &mut out);
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Ok(out)
}

/// An application/pkcs7-mime entity (RFC 8551 §3.3) that only `recipient` can open.
pub(super) fn write_entity(sealed: &Enveloped, out: &mut Vec<u8>) {
    write_pkcs7_mime(sealed.smime_type(), sealed.as_der(), out);
}

fn write_pkcs7_mime(smime_type: &str, der: &[u8], out: &mut Vec<u8>) {
    let header = format!(
        "Content-Type: application/pkcs7-mime; smime-type={smime_type};\r\n name=\"smime.p7m\"\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n"
    );
    out.extend_from_slice(header.as_bytes());
    to_base64_lines(der, out);
}

/// P-256 or P-384 of an id-ecPublicKey algorithm; anything else is `None`.
pub(super) fn curve_of(algorithm: &Algorithm) -> Option<Curve> {
    const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
    if algorithm.oid != cms::EC_PUBLIC_KEY {
        return None;
    }
    let curve: ObjectIdentifier = algorithm.parameters.as_ref()?.decode_as().ok()?;
    match curve {
        P256 => Some(Curve::P256),
        P384 => Some(Curve::P384),
        _ => None,
    }
}

/// notBefore and notAfter.
pub(super) fn validity(certificate: &Certificate) -> (UnixTime, UnixTime) {
    let validity = certificate.tbs_certificate().validity();
    let seconds = |time: &x509_cert::time::Time| UnixTime(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX));
    (seconds(&validity.not_before), seconds(&validity.not_after))
}

fn issuer_and_serial(certificate: &Certificate) -> IssuerAndSerialNumber {
    let tbs = certificate.tbs_certificate();
    IssuerAndSerialNumber { issuer: tbs.issuer().clone(), serial_number: tbs.serial_number().clone() }
}
