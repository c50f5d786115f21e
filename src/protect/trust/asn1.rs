//! Turns a signed DER structure (certificate, CRL, OCSP answer) into what was signed, how, and by whom it can have been.

use der::asn1::BitStringRef;
use der::{AnyRef, Decode, Encode, Reader, SliceReader};
use spki::AlgorithmIdentifierOwned as Algorithm;
use x509_cert::time::Time;

use crate::mail::UnixTime;

/// SEQUENCE { what was signed, signatureAlgorithm, signature BIT STRING, … }: the form that certificates, CRLs and basic OCSP responses
/// share. What was signed is kept as it came: writing it anew could change it.
#[derive(Clone)]
pub struct Signed {
    pub message: Vec<u8>,
    algorithm: Algorithm,
    signature: Vec<u8>,
}

impl Signed {
    pub fn read(octets: &[u8]) -> Option<Signed> {
        let whole = AnyRef::from_der(octets).ok()?;
        let mut reader = SliceReader::new(whole.value()).ok()?;
        let message = reader.tlv_bytes().ok()?.to_vec();
        let algorithm = Algorithm::decode(&mut reader).ok()?;
        let signature = BitStringRef::decode(&mut reader).ok()?.as_bytes()?.to_vec();
        Some(Signed { message, algorithm, signature })
    }

    /// Whether the holder of this key signed it. Only algorithms that nobody can forge today exist here: RSA of 2048 bits or more
    /// and ECDSA with SHA-2, Ed25519.
    pub fn is_by(&self, key: &spki::SubjectPublicKeyInfoOwned) -> bool {
        let (Ok(key_algorithm), Ok(signature_algorithm)) = (key.algorithm.to_der(), self.algorithm.to_der()) else {
            return false;
        };
        let Some(point) = key.subject_public_key.as_bytes() else { return false };
        webpki::ALL_VERIFICATION_ALGS.iter().any(|known| {
            inside(&key_algorithm) == Some(known.public_key_alg_id().as_ref())
                && inside(&signature_algorithm) == Some(known.signature_alg_id().as_ref())
                && known.verify_signature(point, &self.message, &self.signature).is_ok()
        })
    }
}

/// What stands in a SEQUENCE.
fn inside(der: &[u8]) -> Option<&[u8]> {
    AnyRef::from_der(der).ok().map(|any| any.value())
}

pub fn unix(time: &Time) -> UnixTime {
    UnixTime(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
}
