//! Turns the text of a JSON Web Token into its parts, and its signature with a published key into a yes or no (RFC 7515, 7517, 7519, 8725).
//!
//! What a token says about where its key is to be found (`jku`, `jwk`, `x5u`, `x5c`) is never looked at.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

/// Octets of a token; SMTP's own limit on AUTH is 12288 in base64.
const TOKEN_OCTETS: usize = 16 * 1024;
/// The least of an RSA key (RFC 7518 §3.3).
const RSA_OCTETS: usize = 256;

/// Read, not yet believed.
pub(super) struct Token<'t> {
    signed: &'t str,
    signature: &'t str,
    header: Map<String, Value>,
    pub claims: Map<String, Value>,
}

/// How a token is signed: asymmetric, and no others. A token that is signed with a secret (HS256) could be made by whoever knows the
/// public key, where the two are confused (RFC 8725 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    Rs256,
    Ps256,
    Es256,
    EdDsa,
}

/// A key of an issuer.
#[derive(Clone)]
pub(super) struct Key {
    jwk: Jwk,
}

impl<'t> Token<'t> {
    /// `None`: it is no JWT in its compact form, and may be a token of another kind.
    pub fn read(text: &'t str) -> Option<Token<'t>> {
        if text.len() > TOKEN_OCTETS {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        if claims.contains('.') {
            return None;
        }
        let object = |part: &str| {
            let octets = URL_SAFE_NO_PAD.decode(part).ok()?;
            match serde_json::from_slice(&octets).ok()? {
                Value::Object(object) => Some(object),
                _ => None,
            }
        };
        Some(Token { signed, signature, header: object(header)?, claims: object(claims)? })
    }

    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    pub fn key_id(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// `typ` of the header in lower case, without `application/` (RFC 7515 §4.1.9); empty when it is not said.
    pub fn kind(&self) -> String {
        let kind = self.header.get("typ").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        kind.strip_prefix("application/").map_or(kind.clone(), str::to_owned)
    }

    /// Errors are sentences for the log.
    pub fn signed(&self) -> Result<Signed, &'static str> {
        // RFC 7515 §4.1.11: what must be understood and is not.
        if self.header.contains_key("crit") {
            return Err("its header has a crit");
        }
        match self.header.get("alg").and_then(Value::as_str) {
            Some("RS256") => Ok(Signed::Rs256),
            Some("PS256") => Ok(Signed::Ps256),
            Some("ES256") => Ok(Signed::Es256),
            Some("EdDSA" | "Ed25519") => Ok(Signed::EdDsa),
            _ => Err("it is signed by none of RS256, PS256, ES256, EdDSA"),
        }
    }

    /// Whether `key` made the signature.
    pub fn is_signed_by(&self, key: &Key, signed: Signed) -> bool {
        let algorithm = match signed {
            Signed::Rs256 => Algorithm::RS256,
            Signed::Ps256 => Algorithm::PS256,
            Signed::Es256 => Algorithm::ES256,
            Signed::EdDsa => Algorithm::EdDSA,
        };
        let Ok(key) = DecodingKey::from_jwk(&key.jwk) else { return false };
        jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), &key, algorithm).unwrap_or(false)
    }
}

impl Key {
    /// Every key of a JWK Set that can be read; others are passed over (RFC 7517 §5). `None`: it is no JWK Set.
    pub fn read_all(octets: &[u8], most: usize) -> Option<Vec<Key>> {
        let set: Value = serde_json::from_slice(octets).ok()?;
        let keys = set.get("keys")?.as_array()?;
        let read = keys.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
        Some(read.take(most).map(|jwk| Key { jwk }).collect())
    }

    pub fn id(&self) -> Option<&str> {
        self.jwk.common.key_id.as_deref()
    }

    /// Whether it is for signatures of this kind: its type decides, never the token alone.
    pub fn fits(&self, signed: Signed) -> bool {
        let common = &self.jwk.common;
        if common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
            return false;
        }
        let named = common.key_algorithm.map(|algorithm| algorithm.to_string());
        let names: &[&str] = match signed {
            Signed::Rs256 => &["RS256"],
            Signed::Ps256 => &["PS256"],
            Signed::Es256 => &["ES256"],
            Signed::EdDsa => &["EdDSA", "Ed25519"],
        };
        if named.is_some_and(|named| !names.contains(&named.as_str())) {
            return false;
        }
        match (&self.jwk.algorithm, signed) {
            (AlgorithmParameters::RSA(key), Signed::Rs256 | Signed::Ps256) => {
                URL_SAFE_NO_PAD.decode(&key.n).is_ok_and(|n| n.iter().skip_while(|octet| **octet == 0).count() >= RSA_OCTETS)
            }
            (AlgorithmParameters::EllipticCurve(key), Signed::Es256) => key.curve == EllipticCurve::P256,
            (AlgorithmParameters::OctetKeyPair(key), Signed::EdDsa) => key.curve == EllipticCurve::Ed25519,
            _ => false,
        }
    }
}
