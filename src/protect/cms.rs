//! Turns octets into CMS structures (RFC 5652): SignedData by a key of ours, EnvelopedData to one recipient.
//!
//! The structures come from the ASN.1 types of `cms` and `x509-cert`; all arithmetic is done by aws-lc.

use super::CannotSeal;
use super::smime::{Curve, PublicKey, RecipientCertificate, Signer};
use crate::mail::UnixTime;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::{agreement, cipher, digest, rand, rsa};
use cms::cert::CertificateChoices;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::enveloped_data::{
    EncryptedContentInfo, EnvelopedData, KeyAgreeRecipientIdentifier, KeyAgreeRecipientInfo, KeyTransRecipientInfo,
    OriginatorIdentifierOrKey, OriginatorPublicKey, RecipientEncryptedKey, RecipientIdentifier, RecipientInfo, RecipientInfos,
};
use cms::signed_data::{CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos};
use der::asn1::{BitString, GeneralizedTime, ObjectIdentifier, OctetString, SetOfVec, UtcTime};
use der::{Any, Decode, Encode, Sequence};
use spki::AlgorithmIdentifierOwned as Algorithm;
use std::time::Duration;
use x509_cert::attr::Attribute;
use x509_cert::time::Time;
use zeroize::Zeroizing;

pub(super) const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
pub(super) const ID_SIGNED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
pub(super) const ID_ENVELOPED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.3");
const AES256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");
const AES128_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2");
const AES256_WRAP: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.45");
const DH_STD_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.1.11.1");
pub(super) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(super) const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const SMIME_CAPABILITIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.15");

/// UTCTime ends here; later moments are GeneralizedTime (RFC 5652 §11.3).
const YEAR_2050: i64 = 2_524_608_000;

/// DER of a ContentInfo that holds an EnvelopedData. Only [`envelop`] makes one: clear octets cannot become it.
pub struct Enveloped(Vec<u8>);

impl Enveloped {
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }
}

/// ECC-CMS-SharedInfo (RFC 5753 §7.2), without entityUInfo.
#[derive(Sequence)]
struct SharedInfo {
    key_info: Algorithm,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    supp_pub_info: OctetString,
}

/// One entry of SMIMECapabilities (RFC 8551 §2.5.2) without parameters.
#[derive(Sequence)]
struct Capability {
    id: ObjectIdentifier,
}

/// EnvelopedData, AES-256-CBC, with one RecipientInfo. What it holds must be signed: CBC alone is malleable (EFAIL).
pub fn envelop(content: &[u8], recipient: &RecipientCertificate) -> Result<Enveloped, CannotSeal> {
    let mut key = Zeroizing::new([0u8; 32]);
    rand::fill(&mut key[..]).map_err(|_| CannotSeal("no random octets for the content key"))?;
    let unbound = cipher::UnboundCipherKey::new(&cipher::AES_256, &key[..]).map_err(|_| CannotSeal("content key"))?;
    let encrypting =
        cipher::PaddedBlockEncryptingKey::cbc_pkcs7(unbound).map_err(|_| CannotSeal("AES-256-CBC is not available"))?;
    // Zeroizing: should anything fail before the encryption is complete, the clear copy is wiped.
    let mut octets = Zeroizing::new(Vec::with_capacity(content.len() + cipher::AES_CBC_IV_LEN));
    octets.extend_from_slice(content);
    let context = encrypting.encrypt(&mut *octets).map_err(|_| CannotSeal("AES-256-CBC failed"))?;
    let iv: &[u8] = (&context).try_into().map_err(|_| CannotSeal("AES-256-CBC gave no IV"))?;
    let recipient_info = recipient_info(recipient, &key)?;
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
    Ok(Enveloped(info.to_der()?))
}

/// SignedData over `content`, which is not inside it (detached). Signed attributes: contentType, messageDigest, signingTime,
/// sMIMECapabilities. Certificates: the signer's and its chain.
pub fn sign_detached(content: &[u8], signer: &Signer, at: UnixTime) -> Result<Vec<u8>, CannotSeal> {
    let (digest_algorithm, digest_id, _) = signer.digest();
    let digest = digest::digest(digest_algorithm, content);
    let capabilities = vec![Capability { id: AES256_CBC }, Capability { id: AES128_CBC }];
    // DER of a SET OF: sorted by SetOfVec; it is this form, with tag 0x31, that is signed (RFC 5652 §5.4).
    let attributes: SetOfVec<Attribute> = SetOfVec::try_from(vec![
        attribute(CONTENT_TYPE, Any::encode_from(&ID_DATA)?)?,
        attribute(MESSAGE_DIGEST, Any::encode_from(&OctetString::new(digest.as_ref())?)?)?,
        attribute(SIGNING_TIME, Any::encode_from(&time(at)?)?)?,
        attribute(SMIME_CAPABILITIES, Any::encode_from(&capabilities)?)?,
    ])?;
    let (signature_algorithm, signature) = signer.sign(&attributes.to_der()?)?;
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
        encap_content_info: EncapsulatedContentInfo { econtent_type: ID_DATA, econtent: None },
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

fn recipient_info(recipient: &RecipientCertificate, key: &[u8; 32]) -> Result<RecipientInfo, CannotSeal> {
    match recipient.public_key() {
        PublicKey::Rsa { spki } => {
            let public = rsa::PublicEncryptingKey::from_der(spki).map_err(|_| CannotSeal("the RSA key is not usable"))?;
            let mut octets = vec![0u8; public.key_size_bytes()];
            let public = rsa::Pkcs1PublicEncryptingKey::new(public).map_err(|_| CannotSeal("the RSA key is not usable"))?;
            // PKCS#1 v1.5: OAEP is not read by NSS 3.87, gpgsm 2.2 and py-cryptography. Its known weakness is an oracle at
            // the decrypting side, of which we are none.
            let encrypted = public.encrypt(key, &mut octets).map_err(|_| CannotSeal("the RSA encryption failed"))?;
            Ok(RecipientInfo::Ktri(KeyTransRecipientInfo {
                version: CmsVersion::V0,
                rid: RecipientIdentifier::IssuerAndSerialNumber(recipient.issuer_and_serial()),
                key_enc_alg: algorithm(RSA_ENCRYPTION, Some(Any::null())),
                enc_key: OctetString::new(encrypted.to_vec())?,
            }))
        }
        PublicKey::Ec { curve, point } => {
            let (originator, wrapped) = agree_and_wrap(*curve, point, key)?;
            Ok(RecipientInfo::Kari(KeyAgreeRecipientInfo {
                version: CmsVersion::V3,
                originator: OriginatorIdentifierOrKey::OriginatorKey(OriginatorPublicKey {
                    algorithm: algorithm(EC_PUBLIC_KEY, None),
                    public_key: BitString::from_bytes(&originator)?,
                }),
                ukm: None,
                key_enc_alg: algorithm(DH_STD_SHA256, Some(Any::encode_from(&algorithm(AES256_WRAP, None))?)),
                recipient_enc_keys: vec![RecipientEncryptedKey {
                    rid: KeyAgreeRecipientIdentifier::IssuerAndSerialNumber(recipient.issuer_and_serial()),
                    enc_key: OctetString::new(wrapped)?,
                }],
            }))
        }
    }
}

/// dhSinglePass-stdDH-sha256kdf with aes256-wrap (RFC 5753 §3.1.1): the ephemeral public point and the wrapped content key.
fn agree_and_wrap(curve: Curve, point: &[u8], key: &[u8; 32]) -> Result<(Vec<u8>, Vec<u8>), CannotSeal> {
    let algorithm_of_curve = match curve {
        Curve::P256 => &agreement::ECDH_P256,
        Curve::P384 => &agreement::ECDH_P384,
    };
    let ephemeral = agreement::EphemeralPrivateKey::generate(algorithm_of_curve, &rand::SystemRandom::new())
        .map_err(|_| CannotSeal("no ephemeral key could be made"))?;
    let public = ephemeral.compute_public_key().map_err(|_| CannotSeal("no ephemeral key could be made"))?;
    let shared = SharedInfo {
        key_info: algorithm(AES256_WRAP, None),
        // The length of the wrapping key in bits, four octets.
        supp_pub_info: OctetString::new(256u32.to_be_bytes())?,
    }
    .to_der()?;
    let peer = agreement::UnparsedPublicKey::new(algorithm_of_curve, point);
    // ANSI X9.63 KDF: SHA-256 gives the 32 octets in one block, so the counter is 1.
    let wrapping = agreement::agree_ephemeral(ephemeral, peer, CannotSeal("the key agreement failed"), |secret| {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(secret);
        hash.update(&1u32.to_be_bytes());
        hash.update(&shared);
        let mut out = Zeroizing::new([0u8; 32]);
        out.copy_from_slice(hash.finish().as_ref());
        Ok(out)
    })?;
    let wrapping = AesKek::new(&AES_256, &wrapping[..]).map_err(|_| CannotSeal("the key wrapping failed"))?;
    let mut wrapped = vec![0u8; key.len() + 8];
    let length = wrapping.wrap(key, &mut wrapped).map_err(|_| CannotSeal("the key wrapping failed"))?.len();
    wrapped.truncate(length);
    Ok((public.as_ref().to_vec(), wrapped))
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
