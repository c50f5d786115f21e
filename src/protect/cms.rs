//! Turns octets into CMS structures (RFC 5652): SignedData by a key of ours, EnvelopedData or AuthEnvelopedData to one recipient.
//!
//! The structures come from the ASN.1 types of `cms` and `x509-cert`; all arithmetic is done by aws-lc.

use super::CannotSeal;
use super::capabilities::{AES256_CBC, AES256_GCM, Capabilities, Capability, RSAES_OAEP, SMIME_CAPABILITIES, oaep_sha256};
use super::smime::{Curve, PublicKey, RecipientCertificate, RsaPadding, Signer};
use crate::mail::UnixTime;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::{aead, agreement, cipher, digest, hkdf, rand, rsa};
use cms::authenveloped_data::AuthEnvelopedData;
use cms::cert::CertificateChoices;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::enveloped_data::{
    EncryptedContentInfo, EnvelopedData, KeyAgreeRecipientIdentifier, KeyAgreeRecipientInfo, KeyTransRecipientInfo,
    OriginatorIdentifierOrKey, OriginatorPublicKey, RecipientEncryptedKey, RecipientIdentifier, RecipientInfo, RecipientInfos,
};
use cms::signed_data::{CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos};
use der::asn1::{BitString, GeneralizedTime, ObjectIdentifier, OctetString, SetOfVec, UtcTime};
use der::{Any, Decode, Encode, Sequence, Tag};
use spki::AlgorithmIdentifierOwned as Algorithm;
use std::time::Duration;
use x509_cert::attr::Attribute;
use x509_cert::time::Time;
use zeroize::Zeroizing;

pub(super) const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
pub(super) const ID_SIGNED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
pub(super) const ID_ENVELOPED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.3");
const ID_AUTH_ENVELOPED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.23");
const AES128_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2");
const AES256_WRAP: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.45");
const DH_STD_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.1.11.1");
const DH_STD_HKDF_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.19");
pub(super) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(super) const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(super) const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");

/// UTCTime ends here; later moments are GeneralizedTime (RFC 5652 §11.3).
const YEAR_2050: i64 = 2_524_608_000;

/// DER of a ContentInfo that holds an EnvelopedData or AuthEnvelopedData. Only [`envelop`] and [`envelop_as`] make one: clear octets
/// cannot become it.
pub struct Enveloped(Vec<u8>, Cipher);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cipher {
    Cbc,
    Gcm,
}

impl Enveloped {
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// The `smime-type` of its entity (RFC 8551 §3.2.2).
    pub fn smime_type(&self) -> &'static str {
        match self.1 {
            Cipher::Cbc => "enveloped-data",
            Cipher::Gcm => "authEnveloped-data",
        }
    }
}

/// GCMParameters (RFC 5084 §3.2). The length of the tag is written: its default is 12.
#[derive(Sequence)]
struct GcmParameters {
    nonce: OctetString,
    tag_octets: u8,
}

/// ECC-CMS-SharedInfo (RFC 5753 §7.2), without entityUInfo.
#[derive(Sequence)]
struct SharedInfo {
    key_info: Algorithm,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    supp_pub_info: OctetString,
}

/// EnvelopedData, AES-256-CBC, with one RecipientInfo: what everybody reads.
pub fn envelop(content: &[u8], recipient: &RecipientCertificate) -> Result<Enveloped, CannotSeal> {
    envelop_as(content, recipient, &Capabilities::new())
}

/// The same with what this recipient's reader understands beyond that. What it holds must be signed, with either cipher: CBC alone is
/// malleable (EFAIL), and a GCM tag tells nothing of who wrote it.
pub fn envelop_as(
    content: &[u8],
    recipient: &RecipientCertificate,
    capabilities: &Capabilities,
) -> Result<Enveloped, CannotSeal> {
    let mut key = Zeroizing::new([0u8; 32]);
    rand::fill(&mut key[..]).map_err(|_| CannotSeal("no random octets for the content key"))?;
    let recipient_info = recipient_info(recipient, &key, capabilities)?;
    if capabilities.contains(&Capability::Aes256Gcm) {
        return with_gcm(content, &key, recipient_info);
    }
    with_cbc(content, &key, recipient_info)
}

fn with_cbc(content: &[u8], key: &[u8; 32], recipient_info: RecipientInfo) -> Result<Enveloped, CannotSeal> {
    let unbound = cipher::UnboundCipherKey::new(&cipher::AES_256, key).map_err(|_| CannotSeal("content key"))?;
    let encrypting =
        cipher::PaddedBlockEncryptingKey::cbc_pkcs7(unbound).map_err(|_| CannotSeal("AES-256-CBC is not available"))?;
    // Zeroizing: should anything fail before the encryption is complete, the clear copy is wiped.
    let mut octets = Zeroizing::new(Vec::with_capacity(content.len() + cipher::AES_CBC_IV_LEN));
    octets.extend_from_slice(content);
    let context = encrypting.encrypt(&mut *octets).map_err(|_| CannotSeal("AES-256-CBC failed"))?;
    let iv: &[u8] = (&context).try_into().map_err(|_| CannotSeal("AES-256-CBC gave no IV"))?;
    // RFC 5652 §6.1: version 0 only if every RecipientInfo is of version 0.
    let version = match recipient_info {
        RecipientInfo::Ktri(_) => CmsVersion::V0,
        _ => CmsVersion::V2,
    };
    let enveloped = EnvelopedData {
        version,
        originator_info: None,
        recip_infos: RecipientInfos(SetOfVec::try_from(vec![recipient_info])?),
        encrypted_content: EncryptedContentInfo {
            content_type: ID_DATA,
            content_enc_alg: algorithm(AES256_CBC, Some(Any::encode_from(&OctetString::new(iv)?)?)),
            encrypted_content: Some(OctetString::new(std::mem::take(&mut *octets))?),
        },
        unprotected_attrs: None,
    };
    let info = ContentInfo { content_type: ID_ENVELOPED, content: Any::encode_from(&enveloped)? };
    Ok(Enveloped(info.to_der()?, Cipher::Cbc))
}

/// AuthEnvelopedData (RFC 5083) with AES-256-GCM, no further data authenticated. The key is used once, and so is the nonce.
fn with_gcm(content: &[u8], key: &[u8; 32], recipient_info: RecipientInfo) -> Result<Enveloped, CannotSeal> {
    let unbound = aead::UnboundKey::new(&aead::AES_256_GCM, key).map_err(|_| CannotSeal("content key"))?;
    let mut nonce = [0u8; aead::NONCE_LEN];
    rand::fill(&mut nonce).map_err(|_| CannotSeal("no random octets for the nonce"))?;
    let mut octets = Zeroizing::new(content.to_vec());
    let tag = aead::LessSafeKey::new(unbound)
        .seal_in_place_separate_tag(aead::Nonce::assume_unique_for_key(nonce), aead::Aad::empty(), &mut octets)
        .map_err(|_| CannotSeal("AES-256-GCM failed"))?;
    let parameters = GcmParameters { nonce: OctetString::new(nonce)?, tag_octets: 16 };
    let enveloped = AuthEnvelopedData {
        version: CmsVersion::V0,
        originator_info: None,
        recip_infos: RecipientInfos(SetOfVec::try_from(vec![recipient_info])?),
        auth_encrypted_content_info: EncryptedContentInfo {
            content_type: ID_DATA,
            content_enc_alg: algorithm(AES256_GCM, Some(Any::encode_from(&parameters)?)),
            encrypted_content: Some(OctetString::new(std::mem::take(&mut *octets))?),
        },
        auth_attrs: None,
        mac: OctetString::new(tag.as_ref())?,
        unauth_attrs: None,
    };
    let info = ContentInfo { content_type: ID_AUTH_ENVELOPED, content: Any::encode_from(&enveloped)? };
    Ok(Enveloped(info.to_der()?, Cipher::Gcm))
}

/// Where the signed octets stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Beside the structure.
    Detached,
    /// In it.
    Inside,
}

/// SignedData over `content`. Signed attributes: contentType, messageDigest, signingTime, sMIMECapabilities. Certificates: the
/// signer's and its chain.
pub fn sign(content: &[u8], place: Content, signer: &Signer, padding: RsaPadding, at: UnixTime) -> Result<Vec<u8>, CannotSeal> {
    let (digest_algorithm, digest_id, _) = signer.digest();
    let digest = digest::digest(digest_algorithm, content);
    // SMIMECapabilities (RFC 8551 §2.5.2), most preferred first.
    let capabilities = vec![algorithm(AES256_CBC, None), algorithm(AES128_CBC, None)];
    // DER of a SET OF: sorted by SetOfVec; it is this form, with tag 0x31, that is signed (RFC 5652 §5.4).
    let attributes: SetOfVec<Attribute> = SetOfVec::try_from(vec![
        attribute(CONTENT_TYPE, Any::encode_from(&ID_DATA)?)?,
        attribute(MESSAGE_DIGEST, Any::encode_from(&OctetString::new(digest.as_ref())?)?)?,
        attribute(SIGNING_TIME, Any::encode_from(&time(at)?)?)?,
        attribute(SMIME_CAPABILITIES, Any::encode_from(&capabilities)?)?,
    ])?;
    let (signature_algorithm, signature) = signer.sign(&attributes.to_der()?, padding)?;
    let info = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(signer.issuer_and_serial()),
        digest_alg: algorithm(digest_id, None),
        signed_attrs: Some(attributes),
        signature_algorithm,
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let certificates: Vec<CertificateChoices> =
        signer.certificates().map(|certificate| CertificateChoices::Certificate(certificate.clone())).collect();
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::try_from(vec![algorithm(digest_id, None)])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: ID_DATA,
            econtent: match place {
                Content::Detached => None,
                Content::Inside => Some(Any::new(Tag::OctetString, content)?),
            },
        },
        certificates: Some(CertificateSet(SetOfVec::try_from(certificates)?)),
        crls: None,
        signer_infos: SignerInfos(SetOfVec::try_from(vec![info])?),
    };
    let info = ContentInfo { content_type: ID_SIGNED, content: Any::encode_from(&signed)? };
    Ok(info.to_der()?)
}

/// Reads what [`envelop`] made: one recipient, the expected algorithm, content present and padded. For the trial sealing of a
/// key that is being imported.
pub fn check_enveloped(sealed: &Enveloped, recipient: &RecipientCertificate, content_length: usize) -> Result<(), CannotSeal> {
    let info = ContentInfo::from_der(sealed.as_der())?;
    let enveloped: EnvelopedData = info.content.decode_as()?;
    let recipients = enveloped.recip_infos.0.as_slice();
    let named = match recipients {
        [RecipientInfo::Ktri(info)] => {
            info.rid == RecipientIdentifier::IssuerAndSerialNumber(recipient.issuer_and_serial())
                && info.enc_key.as_bytes().len() >= 256
        }
        [RecipientInfo::Kari(info)] => match info.recipient_enc_keys.as_slice() {
            [key] => {
                key.rid == KeyAgreeRecipientIdentifier::IssuerAndSerialNumber(recipient.issuer_and_serial())
                    && key.enc_key.as_bytes().len() == 40
            }
            _ => false,
        },
        _ => false,
    };
    let padded = (content_length / 16 + 1) * 16;
    let whole = enveloped.encrypted_content.encrypted_content.as_ref().is_some_and(|c| c.as_bytes().len() == padded);
    if info.content_type == ID_ENVELOPED && named && whole { Ok(()) } else { Err(CannotSeal("the trial message is malformed")) }
}

fn recipient_info(
    recipient: &RecipientCertificate,
    key: &[u8; 32],
    capabilities: &Capabilities,
) -> Result<RecipientInfo, CannotSeal> {
    match recipient.public_key() {
        PublicKey::Rsa { spki } => {
            let public = rsa::PublicEncryptingKey::from_der(spki).map_err(|_| CannotSeal("the RSA key is not usable"))?;
            let (key_enc_alg, encrypted) = encrypt_with_rsa(public, key, capabilities.contains(&Capability::RsaOaep))?;
            Ok(RecipientInfo::Ktri(KeyTransRecipientInfo {
                version: CmsVersion::V0,
                rid: RecipientIdentifier::IssuerAndSerialNumber(recipient.issuer_and_serial()),
                key_enc_alg,
                enc_key: OctetString::new(encrypted)?,
            }))
        }
        PublicKey::Ec { curve, point } => {
            let curve = match curve {
                Curve::P256 => &agreement::ECDH_P256,
                Curve::P384 => &agreement::ECDH_P384,
            };
            agreed(recipient, EC_PUBLIC_KEY, DH_STD_SHA256, agree_and_wrap(curve, point, key, x963_sha256)?)
        }
        // RFC 8418 §2.
        PublicKey::X25519 { point } => {
            agreed(recipient, X25519, DH_STD_HKDF_SHA256, agree_and_wrap(&agreement::X25519, point, key, hkdf_sha256)?)
        }
    }
}

/// The algorithm and the encrypted content key.
fn encrypt_with_rsa(public: rsa::PublicEncryptingKey, key: &[u8; 32], oaep: bool) -> Result<(Algorithm, Vec<u8>), CannotSeal> {
    const NOT_USABLE: CannotSeal = CannotSeal("the RSA key is not usable");
    const FAILED: CannotSeal = CannotSeal("the RSA encryption failed");
    let mut octets = vec![0u8; public.key_size_bytes()];
    if oaep {
        let public = rsa::OaepPublicEncryptingKey::new(public).map_err(|_| NOT_USABLE)?;
        let encrypted = public.encrypt(&rsa::OAEP_SHA256_MGF1SHA256, key, &mut octets, None).map_err(|_| FAILED)?;
        return Ok((algorithm(RSAES_OAEP, Some(Any::encode_from(&oaep_sha256()?)?)), encrypted.to_vec()));
    }
    let public = rsa::Pkcs1PublicEncryptingKey::new(public).map_err(|_| NOT_USABLE)?;
    // PKCS#1 v1.5: OAEP is not read by NSS 3.87, gpgsm 2.2 and py-cryptography. Its known weakness is an oracle at the decrypting
    // side, of which we are none.
    let encrypted = public.encrypt(key, &mut octets).map_err(|_| FAILED)?;
    Ok((algorithm(RSA_ENCRYPTION, Some(Any::null())), encrypted.to_vec()))
}

fn agreed(
    recipient: &RecipientCertificate,
    kind_of_key: ObjectIdentifier,
    scheme: ObjectIdentifier,
    (originator, wrapped): (Vec<u8>, Vec<u8>),
) -> Result<RecipientInfo, CannotSeal> {
    Ok(RecipientInfo::Kari(KeyAgreeRecipientInfo {
        version: CmsVersion::V3,
        originator: OriginatorIdentifierOrKey::OriginatorKey(OriginatorPublicKey {
            algorithm: algorithm(kind_of_key, None),
            public_key: BitString::from_bytes(&originator)?,
        }),
        ukm: None,
        key_enc_alg: algorithm(scheme, Some(Any::encode_from(&algorithm(AES256_WRAP, None))?)),
        recipient_enc_keys: vec![RecipientEncryptedKey {
            rid: KeyAgreeRecipientIdentifier::IssuerAndSerialNumber(recipient.issuer_and_serial()),
            enc_key: OctetString::new(wrapped)?,
        }],
    }))
}

/// A wrapping key from a shared secret and the DER of the ECC-CMS-SharedInfo.
type Derive = fn(&[u8], &[u8]) -> Result<Zeroizing<[u8; 32]>, CannotSeal>;

/// dhSinglePass-stdDH with aes256-wrap (RFC 5753 §3.1.1): the ephemeral public key and the wrapped content key.
fn agree_and_wrap(
    curve: &'static agreement::Algorithm,
    point: &[u8],
    key: &[u8; 32],
    derive: Derive,
) -> Result<(Vec<u8>, Vec<u8>), CannotSeal> {
    let ephemeral = agreement::EphemeralPrivateKey::generate(curve, &rand::SystemRandom::new())
        .map_err(|_| CannotSeal("no ephemeral key could be made"))?;
    let public = ephemeral.compute_public_key().map_err(|_| CannotSeal("no ephemeral key could be made"))?;
    let shared = SharedInfo {
        key_info: algorithm(AES256_WRAP, None),
        // The length of the wrapping key in bits, four octets.
        supp_pub_info: OctetString::new(256u32.to_be_bytes())?,
    }
    .to_der()?;
    let peer = agreement::UnparsedPublicKey::new(curve, point);
    let failed = CannotSeal("the key agreement failed");
    let wrapping = agreement::agree_ephemeral(ephemeral, peer, failed, |secret| derive(secret, &shared))?;
    let wrapping = AesKek::new(&AES_256, &wrapping[..]).map_err(|_| CannotSeal("the key wrapping failed"))?;
    let mut wrapped = vec![0u8; key.len() + 8];
    let length = wrapping.wrap(key, &mut wrapped).map_err(|_| CannotSeal("the key wrapping failed"))?.len();
    wrapped.truncate(length);
    Ok((public.as_ref().to_vec(), wrapped))
}

/// ANSI X9.63: SHA-256 gives the 32 octets in one block, so the counter is 1.
fn x963_sha256(secret: &[u8], shared: &[u8]) -> Result<Zeroizing<[u8; 32]>, CannotSeal> {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(secret);
    hash.update(&1u32.to_be_bytes());
    hash.update(shared);
    let mut out = Zeroizing::new([0u8; 32]);
    out.copy_from_slice(hash.finish().as_ref());
    Ok(out)
}

/// RFC 5869 without a salt, the shared info as its info.
fn hkdf_sha256(secret: &[u8], shared: &[u8]) -> Result<Zeroizing<[u8; 32]>, CannotSeal> {
    let mut out = Zeroizing::new([0u8; 32]);
    let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
    let info = [shared];
    let expanded = pseudorandom.expand(&info, hkdf::HKDF_SHA256).and_then(|derived| derived.fill(&mut out[..]));
    expanded.map_err(|_| CannotSeal("the key derivation failed"))?;
    Ok(out)
}

pub(super) fn algorithm(oid: ObjectIdentifier, parameters: Option<Any>) -> Algorithm {
    Algorithm { oid, parameters }
}

fn attribute(oid: ObjectIdentifier, value: Any) -> Result<Attribute, CannotSeal> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}

fn time(at: UnixTime) -> Result<Time, CannotSeal> {
    let since = Duration::from_secs(u64::try_from(at.0).map_err(|_| CannotSeal("the signing time lies before 1970"))?);
    Ok(if at.0 < YEAR_2050 {
        Time::UtcTime(UtcTime::from_unix_duration(since)?)
    } else {
        Time::GeneralTime(GeneralizedTime::from_unix_duration(since)?)
    })
}
