//! Turns a payload into OpenPGP (RFC 9580) in PGP/MIME (RFC 3156): sealed to one recipient, or signed in clear.

use super::{CannotSeal, boundary_for, seipd1};
use crate::mail::{Address, UnixTime};
use crate::mime::KeyName;
use openpgp::packet::{Key, Packet, key};
use openpgp::parse::Parse;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::stream::{Armorer, Encryptor, LiteralWriter, Message, Recipient, Signer as SigningWriter};
use openpgp::types::{DataFormat, Features, HashAlgorithm, PublicKeyAlgorithm};
use sequoia_openpgp as openpgp;
use std::fmt;
use std::io::Write;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// A recipient's certificate that was judged usable by [`super::trust::judge_openpgp`], which alone makes one.
pub struct RecipientCertificate {
    pub(super) cert: openpgp::Cert,
    /// The encryption-capable keys that were valid when it was judged; never empty.
    pub(super) keys: Vec<Key<key::PublicParts, key::UnspecifiedRole>>,
    pub(super) addresses: Vec<Address>,
    pub(super) expires: Option<UnixTime>,
}

impl RecipientCertificate {
    /// The mailboxes of its user ids.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The earliest moment at which the certificate or its last encryption key is no longer usable; `None`: never.
    pub fn expires(&self) -> Option<UnixTime> {
        self.expires
    }

    /// Of the primary key, hexadecimal: 40 digits for version 4, 64 for version 6.
    pub fn fingerprint(&self) -> String {
        self.cert.fingerprint().to_hex()
    }

    /// What sealed messages call its keys: all of them, clients may know an older subkey.
    pub(super) fn names(&self) -> Vec<KeyName> {
        let ids = self.cert.keys().map(|key| key.key().keyid());
        ids.filter_map(|id| Some(KeyName::Openpgp(id.as_bytes().try_into().ok()?))).collect()
    }

    /// For judging it again at another time.
    pub fn certificate(&self) -> &openpgp::Cert {
        &self.cert
    }
}

impl fmt::Debug for RecipientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "openpgp::RecipientCertificate({})", self.cert.fingerprint())
    }
}

/// A key of ours that signs.
pub struct Signer {
    pair: openpgp::crypto::KeyPair,
    created: UnixTime,
}

/// Why octets do not hold a [`Signer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSigner {
    #[error("the OpenPGP key cannot be read")]
    Unreadable,
    #[error("the OpenPGP key has no signing key that is valid today and free of a passphrase")]
    NoSigningKey,
    #[error("the OpenPGP key is RSA or DSA: keys of ours are Ed25519")]
    Algorithm,
}

impl Signer {
    /// From a transferable secret key (RFC 9580 §10.2), binary or armored.
    pub fn new(secret_key: &[u8], at: UnixTime) -> Result<Signer, BadSigner> {
        let cert = openpgp::Cert::from_bytes(secret_key).map_err(|_| BadSigner::Unreadable)?;
        let policy = StandardPolicy::new();
        let usable = cert
            .keys()
            .unencrypted_secret()
            .with_policy(&policy, system_time(at))
            .supported()
            .alive()
            .revoked(false)
            .for_signing()
            .next()
            .ok_or(BadSigner::NoSigningKey)?;
        // The RSA private operation of the RustCrypto backend is not constant-time (RUSTSEC-2023-0071): it is never used.
        if !matches!(usable.key().pk_algo(), PublicKeyAlgorithm::EdDSA | PublicKeyAlgorithm::Ed25519) {
            return Err(BadSigner::Algorithm);
        }
        let created = unix_time(usable.key().creation_time());
        let pair = usable.key().clone().into_keypair().map_err(|_| BadSigner::NoSigningKey)?;
        Ok(Signer { pair, created })
    }

    /// A signature must not be older than its key.
    fn signing_time(&self, at: UnixTime) -> SystemTime {
        system_time(at.max(self.created))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "openpgp::Signer({})", self.pair.public().fingerprint())
    }
}

/// An armored encrypted message, lines ending in CRLF. Only [`encrypt`] makes one: clear octets cannot become it.
pub struct Encrypted(Vec<u8>);

impl Encrypted {
    pub fn as_armor(&self) -> &[u8] {
        &self.0
    }
}

/// Encrypts `payload` to one recipient, signed inside when there is a signer. Never compressed: some readers fail on it and its
/// length tells about the content. SEIPDv1 for version 4 keys, whatever they announce, because GnuPG 2.2 and RNP read nothing
/// else; SEIPDv2 for version 6. Where the certificate has post-quantum keys (RFC 9980), to them alone: beside a session key under an
/// older algorithm they would protect nothing.
pub fn encrypt(
    payload: &[u8],
    recipient: &RecipientCertificate,
    signer: Option<&Signer>,
    at: UnixTime,
) -> Result<Encrypted, CannotSeal> {
    const FAILED: CannotSeal = CannotSeal("the OpenPGP encryption failed");
    if recipient.keys.is_empty() {
        return Err(CannotSeal("the OpenPGP key has no encryption key"));
    }
    let post_quantum = recipient.keys.iter().any(is_post_quantum);
    let keys = recipient.keys.iter().filter(|key| !post_quantum || is_post_quantum(key));
    match recipient.cert.primary_key().key().version() {
        4 => {
            let mut packets = Zeroizing::new(Vec::with_capacity(payload.len() + 1024));
            write_signed(Message::new(&mut *packets), payload, &recipient.cert, signer, at).map_err(|_| FAILED)?;
            Ok(Encrypted(seipd1::seal(&packets, keys)?))
        }
        6 => {
            let recipients = keys.map(|key| Recipient::new(Features::empty().set_seipdv2(), key.key_handle(), key));
            let mut out = Vec::with_capacity(payload.len() * 3 / 2 + 2048);
            let armor = Armorer::new(Message::new(&mut out)).build();
            let message = armor.and_then(|armor| Encryptor::for_recipients(armor, recipients).build());
            message.and_then(|message| write_signed(message, payload, &recipient.cert, signer, at)).map_err(|_| FAILED)?;
            Ok(Encrypted(with_crlf(&out)))
        }
        _ => Err(CannotSeal("the OpenPGP key is of an unknown version")),
    }
}

/// A literal packet, signed when there is a signer.
fn write_signed<'w>(
    message: Message<'w>,
    payload: &[u8],
    recipient: &openpgp::Cert,
    signer: Option<&Signer>,
    at: UnixTime,
) -> openpgp::Result<()> {
    let message = match signer {
        None => message,
        Some(signer) => SigningWriter::new(message, signer.pair.clone())?
            .creation_time(signer.signing_time(at))
            // The signature names the reader it is for, so that they cannot pass it on as if meant for another (RFC 9580 §5.2.3.36).
            .add_intended_recipient(recipient)
            .build()?,
    };
    let mut literal = LiteralWriter::new(message).format(DataFormat::Binary).build()?;
    literal.write_all(payload)?;
    literal.finalize()
}

fn is_post_quantum<P: key::KeyParts, R: key::KeyRole>(key: &Key<P, R>) -> bool {
    matches!(key.pk_algo(), PublicKeyAlgorithm::MLKEM768_X25519 | PublicKeyAlgorithm::MLKEM1024_X448)
}

/// A multipart/encrypted entity (RFC 3156 §4).
pub(super) fn write_entity(sealed: &Encrypted, out: &mut Vec<u8>) {
    let boundary = boundary_for(sealed.as_armor());
    let head = format!(
        "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n boundary=\"{boundary}\"\r\n\
         \r\n--{boundary}\r\n\
         Content-Type: application/pgp-encrypted\r\n\
         Content-Description: PGP/MIME version identification\r\n\
         \r\nVersion: 1\r\n\
         \r\n--{boundary}\r\n\
         Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\
         Content-Description: OpenPGP encrypted message\r\n\
         Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(sealed.as_armor());
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
}

/// A multipart/signed entity (RFC 3156 §5) around `entity`, which it holds octet for octet.
pub fn sign(entity: &[u8], signer: &Signer, at: UnixTime) -> Result<Vec<u8>, CannotSeal> {
    let write = || -> openpgp::Result<Vec<u8>> {
        let mut out = Vec::new();
        let message = Armorer::new(Message::new(&mut out)).kind(openpgp::armor::Kind::Signature).build()?;
        let mut message =
            SigningWriter::new(message, signer.pair.clone())?.creation_time(signer.signing_time(at)).detached().build()?;
        message.write_all(entity)?;
        message.finalize()?;
        Ok(out)
    };
    let armored = write().map_err(|_| CannotSeal("the OpenPGP signature failed"))?;
    let micalg = micalg_of(&armored)?;
    let boundary = boundary_for(entity);
    let mut out = Vec::with_capacity(entity.len() + armored.len() + 1024);
    out.extend_from_slice(
        format!(
            "Content-Type: multipart/signed; protocol=\"application/pgp-signature\";\r\n micalg={micalg}; boundary=\"{boundary}\"\r\n\
             \r\n--{boundary}\r\n"
        )
        .as_bytes(),
    );
    out.extend_from_slice(entity);
    out.extend_from_slice(
        format!(
            "\r\n--{boundary}\r\n\
             Content-Type: application/pgp-signature; name=\"signature.asc\"\r\n\
             Content-Description: OpenPGP digital signature\r\n\
             Content-Disposition: attachment; filename=\"signature.asc\"\r\n\r\n"
        )
        .as_bytes(),
    );
    out.extend_from_slice(&with_crlf(&armored));
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Ok(out)
}

/// RFC 3156 §5: the hash is read from the signature that was made, so that label and signature cannot differ.
fn micalg_of(armored: &[u8]) -> Result<&'static str, CannotSeal> {
    const UNKNOWN: CannotSeal = CannotSeal("the OpenPGP signature's hash is unknown");
    match Packet::from_bytes(armored).map_err(|_| UNKNOWN)? {
        Packet::Signature(signature) => match signature.hash_algo() {
            HashAlgorithm::SHA256 => Ok("pgp-sha256"),
            HashAlgorithm::SHA384 => Ok("pgp-sha384"),
            HashAlgorithm::SHA512 => Ok("pgp-sha512"),
            _ => Err(UNKNOWN),
        },
        _ => Err(UNKNOWN),
    }
}

pub(super) fn system_time(at: UnixTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at.0).unwrap_or(0))
}

pub(super) fn unix_time(at: SystemTime) -> UnixTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Armor comes with bare LF.
fn with_crlf(armored: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(armored.len() + armored.len() / 60 + 8);
    for line in armored.split_inclusive(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out
}
