//! Turns an outgoing copy and a domain's keys into the copy with two DKIM-Signature fields on top (RFC 6376 §5, RFC 8463).

use super::canonical::{Field, body_hash, fields, relaxed};
use super::{CannotSign, Record};
use crate::mail::{Domain, Outgoing, UnixTime};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

/// Named once more than they occur, present or not, so that none of them can be added or doubled after us without breaking the
/// signature (RFC 6376 §5.4.2, §8.15: a second From or Subject that a reader shows instead of the signed one).
const OVER_SIGNED: [&str; 12] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "In-Reply-To",
    "References",
];

/// Signed as often as they occur and no more: a mailing list rightly adds these to a message it otherwise leaves alone
/// (RFC 2369, RFC 2919), and our signature is to survive that. Bcc is in no list: it is gone before we sign.
const SIGNED_IF_PRESENT: [&str; 12] = [
    "Sender",
    "Resent-From",
    "Resent-To",
    "Auto-Submitted",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Help",
    "List-Owner",
    "List-Archive",
];

/// How long a signature is good: our own spool keeps a copy for five days, the upstream's as long again, and some days are left for
/// the reader; after that a captured message is worth nothing to one who replays it (RFC 6376 §3.5 `x=`, §8.6).
const GOOD_FOR_SECONDS: i64 = 14 * 24 * 3600;

/// Folded lines stay below this many characters (RFC 5322 §2.1.1).
const LINE: usize = 76;

/// The keys of one domain.
pub struct Signer {
    domain: Domain,
    rsa: Key<RsaKeyPair>,
    ed25519: Key<Ed25519KeyPair>,
    random: SystemRandom,
}

struct Key<K> {
    selector: String,
    pair: K,
}

/// A new pair of private keys, as [`Signer::new`] takes them.
pub struct Keys {
    pub rsa_pkcs8_pem: Zeroizing<String>,
    pub ed25519_pkcs8_der: Zeroizing<Vec<u8>>,
}

impl Signer {
    /// `rsa_pkcs8_pem`: `-----BEGIN PRIVATE KEY-----`, 2048 to 8192 bits (RFC 8301 §3.2 wants at least 2048 of signers).
    /// `ed25519_pkcs8_der`: PKCS#8 of either version, with or without its public half (RFC 8410).
    pub fn new(
        domain: Domain,
        selector_rsa: &str,
        rsa_pkcs8_pem: &str,
        selector_ed: &str,
        ed25519_pkcs8_der: &[u8],
    ) -> Result<Signer, CannotSign> {
        let no_key = |selector: &str, wanted| CannotSign::Key { domain: domain.clone(), selector: selector.to_owned(), wanted };
        for selector in [selector_rsa, selector_ed] {
            // A selector is a piece of a domain name (RFC 6376 §3.1).
            if selector.len() > 63 || Domain::parse(selector).is_err() {
                return Err(CannotSign::Selector(selector.chars().filter(|c| c.is_ascii_graphic()).take(63).collect()));
            }
        }
        let no_rsa = || no_key(selector_rsa, "RSA key of at least 2048 bits in PKCS#8 PEM");
        let der = PrivatePkcs8KeyDer::from_pem_slice(rsa_pkcs8_pem.as_bytes()).map_err(|_| no_rsa())?;
        let rsa = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| no_rsa())?;
        if rsa.public_modulus_len() < 256 {
            return Err(no_rsa());
        }
        let ed25519 = Ed25519KeyPair::from_pkcs8_maybe_unchecked(ed25519_pkcs8_der)
            .map_err(|_| no_key(selector_ed, "Ed25519 key in PKCS#8 DER"))?;
        Ok(Signer {
            rsa: Key { selector: selector_rsa.to_ascii_lowercase(), pair: rsa },
            ed25519: Key { selector: selector_ed.to_ascii_lowercase(), pair: ed25519 },
            domain,
            random: SystemRandom::new(),
        })
    }

    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What to publish so that verifiers find both public keys.
    pub fn records(&self) -> Result<[Record; 2], CannotSign> {
        let spki: PublicKeyX509Der<'_> = self.rsa.pair.public_key().as_der().map_err(|_| CannotSign::Arithmetic)?;
        let rsa = STANDARD.encode(spki.as_ref());
        let ed25519 = STANDARD.encode(self.ed25519.pair.public_key().as_ref());
        Ok([
            Record::new(&self.rsa.selector, &self.domain, "rsa", &rsa),
            Record::new(&self.ed25519.selector, &self.domain, "ed25519", &ed25519),
        ])
    }

    fn rsa_sha256(&self, octets: &[u8]) -> Result<Vec<u8>, CannotSign> {
        let mut signature = vec![0; self.rsa.pair.public_modulus_len()];
        let done = self.rsa.pair.sign(&RSA_PKCS1_SHA256, &self.random, octets, &mut signature);
        done.map(|()| signature).map_err(|_| CannotSign::Arithmetic)
    }

    /// PureEdDSA over the SHA-256 of what RSA would sign (RFC 8463 §3).
    fn ed25519_sha256(&self, octets: &[u8]) -> Result<Vec<u8>, CannotSign> {
        let hash = digest::digest(&digest::SHA256, octets);
        let signature = self.ed25519.pair.try_sign(hash.as_ref()).map_err(|_| CannotSign::Arithmetic)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl std::fmt::Debug for Signer {
    /// Never the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({}, {}, {})", self.domain, self.rsa.selector, self.ed25519.selector)
    }
}

/// Makes the keys of a first start: RSA of 2048 bits, which still fits every resolver's answer, and Ed25519.
pub fn generate() -> Result<Keys, CannotSign> {
    let failed = |_| CannotSign::Arithmetic;
    let rsa = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let der: Pkcs8V1Der<'_> = rsa.as_der().map_err(failed)?;
    let ed25519 = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).map_err(failed)?;
    Ok(Keys { rsa_pkcs8_pem: Zeroizing::new(pem(der.as_ref())), ed25519_pkcs8_der: Zeroizing::new(ed25519.as_ref().to_vec()) })
}

/// Puts the two signatures on top of the copy; nothing else of it changes, and its body is hashed once for both.
///
/// DKIM-Signature fields that are already there stay, ours included: RFC 6376 §4.2 asks signers not to remove any, one that no
/// longer verifies counts for nothing (§6.1), and what need not change leaves byte for byte.
pub fn sign(mut outgoing: Outgoing, signer: &Signer, at: UnixTime) -> Result<Outgoing, CannotSign> {
    let fields = fields(outgoing.raw.header());
    if fields.iter().filter(|field| field.is("From")).count() != 1 {
        return Err(CannotSign::NoFrom);
    }
    let signed = Signed::select(&fields);
    let hash = STANDARD.encode(body_hash(outgoing.raw.body()));
    let text = |algorithm, selector: &str| signed.template(algorithm, &signer.domain, selector, at, &hash);

    let rsa = text("rsa-sha256", &signer.rsa.selector);
    let ed25519 = text("ed25519-sha256", &signer.ed25519.selector);
    let mut above = finished(&rsa, &signer.rsa_sha256(&signed.octets_to_sign(&rsa))?);
    above.push_str(&finished(&ed25519, &signer.ed25519_sha256(&signed.octets_to_sign(&ed25519))?));
    outgoing.raw = outgoing.raw.below(above.as_bytes()).map_err(|_| CannotSign::Header)?;
    Ok(outgoing)
}

/// What both signatures cover of the header.
struct Signed {
    /// The `h=` tag's names, in the order in which they are hashed.
    names: Vec<&'static str>,
    /// The relaxed fields, each with its CRLF.
    relaxed: Vec<u8>,
}

impl Signed {
    /// Of a repeated field the lowest is taken first (RFC 6376 §5.4.2); a name without field left stands for nothing.
    fn select(fields: &[Field<'_>]) -> Signed {
        let mut signed = Signed { names: Vec::with_capacity(32), relaxed: Vec::with_capacity(2048) };
        let beyond = OVER_SIGNED.iter().map(|name| (*name, true)).chain(SIGNED_IF_PRESENT.iter().map(|name| (*name, false)));
        for (name, over) in beyond {
            for field in fields.iter().rev().filter(|field| field.is(name)) {
                signed.names.push(name);
                relaxed(*field, &mut signed.relaxed);
                signed.relaxed.extend_from_slice(b"\r\n");
            }
            if over {
                signed.names.push(name);
            }
        }
        signed
    }

    /// The field up to and with an empty `b=`.
    fn template(&self, algorithm: &str, domain: &Domain, selector: &str, at: UnixTime, body_hash: &str) -> String {
        let (made, ends) = (at.0.max(0), at.plus(GOOD_FOR_SECONDS).0.max(0));
        let mut text = format!("DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed;\r\n\td={domain};\r\n\ts={selector};");
        text.push_str(&format!(" t={made}; x={ends};\r\n\th="));
        let mut column = 10;
        for (i, name) in self.names.iter().enumerate() {
            if i > 0 {
                text.push(':');
            }
            if column + name.len() + 1 > LINE {
                text.push_str("\r\n\t");
                column = 8;
            }
            text.push_str(name);
            column += name.len() + 1;
        }
        text.push_str(&format!(";\r\n\tbh={body_hash};\r\n\tb="));
        text
    }

    /// The selected fields, then the signature's own field with an empty `b=` and without CRLF (RFC 6376 §3.7).
    fn octets_to_sign(&self, template: &str) -> Vec<u8> {
        let mut octets = Vec::with_capacity(self.relaxed.len() + template.len());
        octets.extend_from_slice(&self.relaxed);
        if let Some((name, value)) = template.split_once(':') {
            relaxed(Field { name: name.as_bytes(), value: value.as_bytes() }, &mut octets);
        }
        octets
    }
}

fn finished(template: &str, signature: &[u8]) -> String {
    let encoded = STANDARD.encode(signature);
    let mut text = template.to_owned();
    for (i, c) in encoded.chars().enumerate() {
        if i > 0 && i % (LINE - 8) == 0 {
            text.push_str("\r\n\t");
        }
        text.push(c);
    }
    text.push_str("\r\n");
    text
}

fn pem(der: &[u8]) -> String {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let mut text = String::with_capacity(encoded.len() + encoded.len() / 64 + 64);
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    for (i, c) in encoded.chars().enumerate() {
        if i > 0 && i % 64 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}
