//! Turns a domain into its two DKIM keys: the operator's, or ones that are made once and kept.

use super::VaultError;
use super::authority::private_block;
use super::files::{self, IfThere};
use super::rotation;
use crate::mail::UnixTime;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Both keys of one domain. Many verifiers still know only RSA; the others get Ed25519 (RFC 8463) as well.
#[derive(Clone)]
pub struct DkimKeys {
    /// `r2026`; the file's name.
    pub rsa_selector: String,
    /// PKCS#8.
    pub rsa_pem: Zeroizing<String>,
    /// `e2026`.
    pub ed25519_selector: String,
    /// PKCS#8.
    pub ed25519_der: Zeroizing<Vec<u8>>,
    /// SubjectPublicKeyInfo in base64: the `p=` of the RSA key's record (RFC 6376 §3.6.1).
    pub rsa_public: String,
    /// The 32 octets in base64: the `p=` of the Ed25519 key's record (RFC 8463 §4).
    pub ed25519_public: String,
}

/// Looks in the row of rotated keys, else in `given/*.pem`, then in `made/*.pem`, both of one domain; of several keys of a kind the last by name
/// is used, so that the next year's selector takes over. What is in neither is made in the latter.
pub(super) fn open(given: &Path, made: &Path, now: UnixTime) -> Result<DkimKeys, VaultError> {
    if let Some(selectors) = rotation::signing(made)? {
        return chosen(given, made, &selectors);
    }
    let (mut rsa, mut ed25519) = (None, None);
    for folder in [made, given] {
        for path in files::files_in(folder, &["pem"])? {
            let selector = selector_of(&path)?;
            match read(&files::read_private(&path)?) {
                Some(Key::Rsa(pem, public)) => rsa = Some((selector, pem, public)),
                Some(Key::Ed25519(der, public)) => ed25519 = Some((selector, der, public)),
                None => return Err(no_key(path)),
            }
        }
    }
    let year: String = now.rfc3339().chars().take(4).collect();
    if rsa.is_none() {
        files::private_folder(made)?;
        write(&made.join(format!("r{year}.pem")), &new_rsa()?)?;
    }
    if ed25519.is_none() {
        files::private_folder(made)?;
        write(&made.join(format!("e{year}.pem")), &new_ed25519()?)?;
    }
    match (rsa, ed25519) {
        (Some(rsa), Some(ed25519)) => Ok(both(rsa, ed25519)),
        // What was missing is there now.
        _ => open(given, made, now),
    }
}

/// The keys of these two selectors and no others; makes none.
pub(super) fn chosen(given: &Path, made: &Path, selectors: &[String]) -> Result<DkimKeys, VaultError> {
    let (mut rsa, mut ed25519) = (None, None);
    for selector in selectors {
        let path = rotation::path_of(given, made, selector);
        match read(&files::read_private(&path)?) {
            Some(Key::Rsa(pem, public)) => rsa = Some((selector.clone(), pem, public)),
            Some(Key::Ed25519(der, public)) => ed25519 = Some((selector.clone(), der, public)),
            None => return Err(no_key(path)),
        }
    }
    match (rsa, ed25519) {
        (Some(rsa), Some(ed25519)) => Ok(both(rsa, ed25519)),
        _ => Err(VaultError::Content(
            given.into(),
            "the selectors are not of one RSA key and one Ed25519 key; write one of each",
        )),
    }
}

fn both(
    (rsa_selector, rsa_pem, rsa_public): (String, Zeroizing<String>, String),
    (ed25519_selector, ed25519_der, ed25519_public): (String, Zeroizing<Vec<u8>>, String),
) -> DkimKeys {
    DkimKeys { rsa_selector, rsa_pem, ed25519_selector, ed25519_der, rsa_public, ed25519_public }
}

/// The key files of a domain, the operator's and ours.
pub(super) fn present(given: &Path, made: &Path) -> Result<Vec<PathBuf>, VaultError> {
    let mut files = files::files_in(given, &["pem"])?;
    files.extend(files::files_in(made, &["pem"])?);
    files.extend(files::files_in(&made.join(rotation::FOLDER), &["pem"])?);
    Ok(files)
}

/// The file's name.
pub(super) fn selector_of(path: &Path) -> Result<String, VaultError> {
    let selector = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    match crate::dkim::settings::is_selector(selector) {
        true => Ok(selector.to_owned()),
        false => Err(VaultError::Content(path.into(), "its name is the selector and must be of letters, digits and hyphens")),
    }
}

/// Whether a file is a key that can sign.
pub(super) fn judge(path: &Path) -> Result<(), VaultError> {
    selector_of(path)?;
    read(&files::read_private(path)?).map(drop).ok_or_else(|| no_key(path.into()))
}

pub(super) fn no_key(path: PathBuf) -> VaultError {
    VaultError::Content(path, "is neither an RSA key of 2048 bits or more nor Ed25519, in PKCS#8 PEM")
}

/// PKCS#8 in PEM.
pub(super) fn new_rsa() -> Result<Zeroizing<String>, VaultError> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(|_| VaultError::Generate("a DKIM key"))?;
    Ok(Zeroizing::new(key.serialize_pem()))
}

pub(super) fn new_ed25519() -> Result<Zeroizing<String>, VaultError> {
    let key = Ed25519KeyPair::generate().and_then(|key| key.to_pkcs8v1()).map_err(|_| VaultError::Generate("a DKIM key"))?;
    Ok(Zeroizing::new(super::to_pem("PRIVATE KEY", key.as_ref())))
}

pub(super) enum Key {
    Rsa(Zeroizing<String>, String),
    Ed25519(Zeroizing<Vec<u8>>, String),
}

pub(super) fn read(pem: &[u8]) -> Option<Key> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
    let der = der.secret_pkcs8_der();
    // OpenSSL writes PKCS#8 version 1, without the public key.
    if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return Some(Key::Ed25519(Zeroizing::new(der.to_vec()), STANDARD.encode(key.public_key().as_ref())));
    }
    let text = std::str::from_utf8(pem).ok()?;
    let key = KeyPair::from_pkcs8_pem_and_sign_algo(private_block(text), &PKCS_RSA_SHA256).ok()?;
    Some(Key::Rsa(Zeroizing::new(private_block(text).to_owned()), STANDARD.encode(key.subject_public_key_info())))
}

fn write(path: &Path, pem: &str) -> Result<(), VaultError> {
    files::write_private(path, pem.as_bytes(), IfThere::Keep)
}
