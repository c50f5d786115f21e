//! Turns octets into sealed octets that either of two private keys opens, and nobody else.
//!
//! | octets | what |
//! |---|---|
//! | 8 | `PSTQ` and the version `0001` |
//! | 32 + 48 | HPKE encapsulation and content key, sealed to the review key |
//! | 32 + 48 | the same, sealed to the release key |
//! | 12 | nonce |
//! | rest | the record under AES-256-GCM, with its tag |
//!
//! HPKE (RFC 9180) base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. The purpose of the key and the message's reference
//! are in the `info`, and all octets before the record in its associated data: nothing can be moved to another message or purpose.

use super::{CannotOpen, CannotSeal};
use crate::mail::Reference;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"PSTQ0001";
/// An X25519 public key, as it is on the wire (RFC 7748 §5).
pub const PUBLIC_KEY_OCTETS: usize = 32;
const ENCAPSULATED: usize = 32;
const CONTENT_KEY: usize = 32;
const TAG: usize = 16;
const SLOT: usize = ENCAPSULATED + CONTENT_KEY + TAG;
const HEADER: usize = MAGIC.len() + 2 * SLOT + NONCE_LEN;

/// The two keys every held message is sealed to (X25519, RFC 7748).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    pub review: [u8; PUBLIC_KEY_OCTETS],
    pub release: [u8; PUBLIC_KEY_OCTETS],
}

/// What a private key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A person reads the message.
    Review,
    /// The gate sends it by the walk, and shows it to nobody.
    Release,
}

/// One of the two private keys; wiped when dropped.
pub struct PrivateKey {
    purpose: Purpose,
    secret: HpkePrivateKey,
}

impl PrivateKey {
    /// `secret` is the X25519 private key as 32 octets (RFC 7748 §5).
    pub fn new(purpose: Purpose, secret: &[u8; 32]) -> PrivateKey {
        PrivateKey { purpose, secret: HpkePrivateKey::from(secret.to_vec()) }
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey({:?})", self.purpose)
    }
}

pub(super) fn seal(reference: Reference, record: &[u8], keys: &PublicKeys) -> Result<Vec<u8>, CannotSeal> {
    let mut content_key = Zeroizing::new([0; CONTENT_KEY]);
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut *content_key).map_err(|_| CannotSeal::Key)?;
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| CannotSeal::Key)?;
    let mut sealed = Vec::with_capacity(HEADER + record.len() + TAG);
    sealed.extend_from_slice(MAGIC);
    for (purpose, key) in [(Purpose::Review, keys.review), (Purpose::Release, keys.release)] {
        let key = HpkePublicKey(key.to_vec());
        let (encapsulated, wrapped) =
            SUITE.seal(&info(purpose, reference), MAGIC, &*content_key, &key).map_err(|_| CannotSeal::Key)?;
        sealed.extend_from_slice(&encapsulated.0);
        sealed.extend_from_slice(&wrapped);
    }
    sealed.extend_from_slice(&nonce);
    if sealed.len() != HEADER {
        return Err(CannotSeal::Key);
    }
    let aad = Aad::from(sealed.clone());
    sealed.extend_from_slice(record);
    let tag = cipher(&*content_key)
        .and_then(|cipher| {
            cipher.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed[HEADER..]).ok()
        })
        .ok_or(CannotSeal::Record)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

pub(super) fn open(reference: Reference, sealed: &[u8], key: &PrivateKey) -> Result<Vec<u8>, CannotOpen> {
    let (header, record) = sealed.split_at_checked(HEADER).ok_or(CannotOpen::Sealed)?;
    if &header[..MAGIC.len()] != MAGIC {
        return Err(CannotOpen::Version);
    }
    let at = MAGIC.len() + if key.purpose == Purpose::Review { 0 } else { SLOT };
    let (encapsulated, wrapped) = header[at..at + SLOT].split_at(ENCAPSULATED);
    let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
    let content_key = SUITE
        .open(&encapsulated, &info(key.purpose, reference), MAGIC, wrapped, &key.secret)
        .map(Zeroizing::new)
        .map_err(|_| CannotOpen::Sealed)?;
    let mut nonce = [0; NONCE_LEN];
    nonce.copy_from_slice(&header[HEADER - NONCE_LEN..]);
    let cipher = cipher(&content_key).ok_or(CannotOpen::Sealed)?;
    let mut record = record.to_vec();
    let opened = cipher
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(header), &mut record)
        .map_err(|_| CannotOpen::Sealed)?
        .len();
    record.truncate(opened);
    Ok(record)
}

fn info(purpose: Purpose, reference: Reference) -> Vec<u8> {
    let word = match purpose {
        Purpose::Review => "review",
        Purpose::Release => "release",
    };
    format!("postern quarantine v1 {word} {reference}").into_bytes()
}

fn cipher(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}
