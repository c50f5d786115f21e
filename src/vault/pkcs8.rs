//! Turns an encrypted private key (PKCS#8, PBES2: RFC 5958, RFC 8018) and its passphrase into the key.

use aws_lc_rs::cipher::{AES_128, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use der::asn1::{Any, ObjectIdentifier, OctetString};
use der::{Decode, Sequence};
use spki::AlgorithmIdentifierOwned as Algorithm;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// The rounds that a file may ask for: some seconds of work.
const MOST_ROUNDS: u32 = 20_000_000;

/// The rounds of what is written here (OWASP 2023 for PBKDF2-HMAC-SHA256).
const ROUNDS: u32 = 600_000;

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");

const OTHER: &str =
    "is encrypted in a way that is not read here; run: openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256";
const WRONG: &str = "is not opened by the passphrase that is here";

#[derive(Sequence)]
struct EncryptedPrivateKeyInfo {
    algorithm: Algorithm,
    content: OctetString,
}

#[derive(Sequence)]
struct Pbes2 {
    derivation: Algorithm,
    encryption: Algorithm,
}

#[derive(Sequence)]
struct Pbkdf2 {
    salt: OctetString,
    rounds: u32,
    #[asn1(optional = "true")]
    key_length: Option<u32>,
    #[asn1(optional = "true")]
    prf: Option<Algorithm>,
}

/// The DER of the block `ENCRYPTED PRIVATE KEY` of a PEM text, if it has one.
pub fn locked(pem: &[u8]) -> Option<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    use base64::Engine as _;
    let text = std::str::from_utf8(pem).ok()?;
    let inside = text.split_once(BEGIN)?.1.split_once(END)?.0;
    let digits: String = inside.split_whitespace().collect();
    // What is damaged is still locked: reading it fails, with a sentence.
    Some(base64::engine::general_purpose::STANDARD.decode(digits).unwrap_or_default())
}

/// A PrivateKeyInfo in DER under a passphrase: PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC, which OpenSSL, GnuTLS and NSS open.
pub fn lock(key: &[u8], passphrase: &[u8]) -> Option<Vec<u8>> {
    use aws_lc_rs::cipher::PaddedBlockEncryptingKey;
    use der::Encode;
    const AES_256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");
    const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
    let mut salt = [0u8; 16];
    aws_lc_rs::rand::fill(&mut salt).ok()?;
    let mut derived = Zeroizing::new([0u8; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, NonZeroU32::new(ROUNDS)?, &salt, passphrase, &mut derived[..]);
    let sealing = UnboundCipherKey::new(&AES_256, &derived[..]).and_then(PaddedBlockEncryptingKey::cbc_pkcs7).ok()?;
    let mut content = key.to_vec();
    let context = sealing.encrypt(&mut content).ok()?;
    let DecryptionContext::Iv128(iv) = &context else { return None };
    let algorithm = |oid, parameters: Any| Algorithm { oid, parameters: Some(parameters) };
    let derivation = Pbkdf2 {
        salt: OctetString::new(salt).ok()?,
        rounds: ROUNDS,
        key_length: None,
        prf: Some(algorithm(HMAC_SHA256, Any::null())),
    };
    let scheme = Pbes2 {
        derivation: algorithm(PBKDF2, Any::encode_from(&derivation).ok()?),
        encryption: algorithm(AES_256_CBC, Any::encode_from(&OctetString::new(iv.as_ref().as_slice()).ok()?).ok()?),
    };
    let info = EncryptedPrivateKeyInfo {
        algorithm: algorithm(PBES2, Any::encode_from(&scheme).ok()?),
        content: OctetString::new(content).ok()?,
    };
    info.to_der().ok()
}

/// The PrivateKeyInfo in DER. Errors are sentences without key or passphrase.
pub fn unlock(locked: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let info = EncryptedPrivateKeyInfo::from_der(locked).map_err(|_| "holds an encrypted key that cannot be read")?;
    let scheme: Pbes2 = parameters(&info.algorithm, PBES2)?;
    let derivation: Pbkdf2 = parameters(&scheme.derivation, PBKDF2)?;
    let (cipher, length) = match scheme.encryption.oid.to_string().as_str() {
        "2.16.840.1.101.3.4.1.2" => (&AES_128, 16),
        "2.16.840.1.101.3.4.1.42" => (&AES_256, 32),
        _ => return Err(OTHER),
    };
    let iv: OctetString = decoded(scheme.encryption.parameters.as_ref())?;
    let prf = match derivation.prf.as_ref().map(|prf| prf.oid.to_string()).as_deref() {
        None | Some("1.2.840.113549.2.7") => pbkdf2::PBKDF2_HMAC_SHA1,
        Some("1.2.840.113549.2.9") => pbkdf2::PBKDF2_HMAC_SHA256,
        Some("1.2.840.113549.2.10") => pbkdf2::PBKDF2_HMAC_SHA384,
        Some("1.2.840.113549.2.11") => pbkdf2::PBKDF2_HMAC_SHA512,
        Some(_) => return Err(OTHER),
    };
    let rounds = NonZeroU32::new(derivation.rounds).filter(|rounds| rounds.get() <= MOST_ROUNDS).ok_or(OTHER)?;
    if derivation.key_length.is_some_and(|said| said != length) {
        return Err(OTHER);
    }
    let mut key = Zeroizing::new(vec![0u8; length as usize]);
    pbkdf2::derive(prf, rounds, derivation.salt.as_bytes(), passphrase, &mut key);
    let iv: [u8; 16] = iv.as_bytes().try_into().map_err(|_| OTHER)?;
    let opening = UnboundCipherKey::new(cipher, &key).and_then(PaddedBlockDecryptingKey::cbc_pkcs7).map_err(|_| OTHER)?;
    let mut content = Zeroizing::new(info.content.as_bytes().to_vec());
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let open = opening.decrypt(&mut content, context).map_err(|_| WRONG)?;
    // A wrong passphrase gives right padding once in 256 times.
    Any::from_der(open).map_err(|_| WRONG)?;
    Ok(Zeroizing::new(open.to_vec()))
}

fn parameters<T: for<'d> Decode<'d, Error = der::Error>>(
    algorithm: &Algorithm,
    expected: ObjectIdentifier,
) -> Result<T, &'static str> {
    if algorithm.oid != expected {
        return Err(OTHER);
    }
    decoded(algorithm.parameters.as_ref())
}

fn decoded<T: for<'d> Decode<'d, Error = der::Error>>(any: Option<&Any>) -> Result<T, &'static str> {
    use der::Encode;
    let octets = any.and_then(|any| any.to_der().ok()).ok_or(OTHER)?;
    T::from_der(&octets).map_err(|_| OTHER)
}
