//! Turns the folder `keys/ours/` into what signs in the name of senders who have keys of their own; makes OpenPGP keys for the others.

use super::VaultError;
use super::passphrase::{self, Passphrase};
use super::token::{KeyName, Tokens};
use super::{files, pkcs8};
use crate::mail::{Address, UnixTime};
use crate::protect::{openpgp, smime};
use der::Decode;
use pgp::parse::Parse;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sequoia_openpgp as pgp;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};
use zeroize::Zeroizing;

/// Signers by the addresses in their certificates.
#[derive(Default)]
pub struct Ours {
    smime: Vec<(Vec<Address>, Arc<smime::Signer>)>,
    openpgp: Vec<(Vec<Address>, Arc<openpgp::Signer>)>,
}

impl Ours {
    /// `*.pem`: a certificate, its chain and its private key in one file, in any order; `*.p11`: the same with a line `pkcs11:…` in the place
    /// of the key; `*.asc`, `*.pgp`, `*.gpg`: OpenPGP secret keys.
    pub fn read(folder: &Path, tokens: &Tokens, now: UnixTime) -> Result<Ours, VaultError> {
        let mut ours = Ours::default();
        let passphrase = Passphrase::find(folder)?;
        for path in files::files_in(folder, &["pem"])? {
            ours.smime.push(read_smime(&path, &files::read_private(&path)?, passphrase.as_ref())?);
        }
        for path in files::files_in(folder, &["p11"])? {
            ours.smime.push(read_in_token(&path, &files::read_private(&path)?, tokens)?);
        }
        for path in files::files_in(folder, &["asc", "pgp", "gpg"])? {
            let octets = unlock_openpgp(&path, files::read_private(&path)?, passphrase.as_ref())?;
            let signer = openpgp::Signer::new(&octets, now).map_err(|_| {
                VaultError::Content(
                    path.clone(),
                    "holds no Ed25519 OpenPGP key that signs today, or one whose passphrase is not known here",
                )
            })?;
            let cert =
                pgp::Cert::from_bytes(&octets[..]).map_err(|_| VaultError::Content(path.clone(), "holds no OpenPGP key"))?;
            let addresses = cert.userids().filter_map(|id| Address::parse(id.userid().email().ok()??).ok()).collect();
            ours.openpgp.push((addresses, Arc::new(signer)));
        }
        Ok(ours)
    }

    /// The one that is valid longest.
    pub fn smime(&self, address: &Address, now: UnixTime) -> Option<Arc<smime::Signer>> {
        let valid = self.smime.iter().filter(|(addresses, signer)| addresses.contains(address) && signer.is_valid_at(now));
        valid.max_by_key(|(_, signer)| signer.not_after()).map(|(_, signer)| signer.clone())
    }

    /// Valid or not.
    pub fn has_smime(&self, address: &Address) -> bool {
        self.smime.iter().any(|(addresses, _)| addresses.contains(address))
    }

    pub fn openpgp(&self, address: &Address) -> Option<Arc<openpgp::Signer>> {
        self.openpgp.iter().find(|(addresses, _)| addresses.contains(address)).map(|(_, signer)| signer.clone())
    }
}

/// A secret key that signs and does nothing else: a reader who found an encryption key in it would encrypt to us what nobody could
/// decrypt. Version 4, Ed25519, SEIPDv1 only: GnuPG 2.2 and RNP read nothing newer.
pub fn make_openpgp(address: &Address, name: Option<&str>, now: UnixTime) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    use pgp::cert::{CertBuilder, CipherSuite};
    use pgp::serialize::SerializeInto;
    use pgp::types::{Features, KeyFlags};
    const HOUR: i64 = 3600;
    let user_id = user_id(address, name);
    let created = SystemTime::UNIX_EPOCH + Duration::from_secs(now.plus(-HOUR).0.max(0) as u64);
    let make = || -> pgp::Result<Vec<u8>> {
        let (cert, _) = CertBuilder::new()
            .set_profile(pgp::Profile::RFC4880)?
            .set_features(Features::empty().set_seipdv1())?
            .set_cipher_suite(CipherSuite::Cv25519)
            .set_creation_time(created)
            .set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
            .add_userid(user_id)
            .generate()?;
        cert.as_tsk().armored().to_vec()
    };
    make().map(Zeroizing::new).map_err(|_| VaultError::Generate("an OpenPGP key"))
}

/// `Marie Dupont <marie@example.org>`; nothing in a name can look like a second address.
pub(super) fn user_id(address: &Address, name: Option<&str>) -> String {
    let name: String =
        name.unwrap_or_default().chars().filter(|c| !c.is_control() && !"<>()@\"".contains(*c)).take(64).collect();
    if name.trim().is_empty() { format!("<{address}>") } else { format!("{} <{address}>", name.trim()) }
}

/// The same key without its passphrase, in memory only; as it is when it has none.
fn unlock_openpgp(
    path: &Path,
    octets: Zeroizing<Vec<u8>>,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    use pgp::serialize::SerializeInto;
    let Ok(cert) = pgp::Cert::from_bytes(&octets[..]) else { return Ok(octets) };
    if !cert.keys().secret().any(|key| key.key().secret().is_encrypted()) {
        return Ok(octets);
    }
    let wrong = |what| VaultError::Content(path.into(), what);
    let passphrase = passphrase.ok_or_else(|| wrong(passphrase::NONE))?;
    let password = pgp::crypto::Password::from(passphrase.octets());
    let unlock = || -> pgp::Result<Vec<u8>> {
        let mut open: Vec<pgp::Packet> = Vec::new();
        for key in cert.keys().secret() {
            let key = key.key().clone();
            let key = if key.secret().is_encrypted() { key.decrypt_secret(&password)? } else { key };
            open.push(match key.fingerprint() == cert.fingerprint() {
                true => key.role_into_primary().into(),
                false => key.role_into_subordinate().into(),
            });
        }
        cert.clone().insert_packets(open)?.0.as_tsk().to_vec()
    };
    unlock().map(Zeroizing::new).map_err(|_| wrong("is not opened by the passphrase that is here"))
}

fn read_smime(
    path: &Path,
    pem: &[u8],
    passphrase: Option<&Passphrase>,
) -> Result<(Vec<Address>, Arc<smime::Signer>), VaultError> {
    let wrong = |what| VaultError::Content(path.into(), what);
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| wrong("cannot be read as PEM"))?;
    let key = match pkcs8::locked(pem) {
        Some(locked) => {
            let passphrase = passphrase.ok_or_else(|| wrong(passphrase::NONE))?;
            let open = pkcs8::unlock(&locked, passphrase.octets()).map_err(wrong)?;
            PrivateKeyDer::Pkcs8(open.to_vec().into())
        }
        None => PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| wrong("holds no private key in PEM; put certificate, chain and key into one .pem file"))?,
    };
    let belongs = |der: &CertificateDer<'_>| smime::Signer::new(der, &[], &key).is_ok();
    let leaf = certificates.iter().find(|der| belongs(der)).ok_or_else(|| wrong("holds no certificate of its private key"))?;
    let chain: Vec<Vec<u8>> = certificates.iter().filter(|der| *der != leaf).map(|der| der.to_vec()).collect();
    let signer = smime::Signer::new(leaf, &chain, &key).map_err(|_| wrong("holds a certificate that cannot be read"))?;
    let addresses = addresses_of(leaf);
    if addresses.is_empty() {
        return Err(wrong("holds a certificate without a mail address"));
    }
    Ok((addresses, Arc::new(signer)))
}

/// Certificate and chain in PEM, the leaf first, and a line that names the private key.
fn read_in_token(path: &Path, text: &[u8], tokens: &Tokens) -> Result<(Vec<Address>, Arc<smime::Signer>), VaultError> {
    let wrong = |what| VaultError::Content(path.into(), what);
    let lines = std::str::from_utf8(text).map_err(|_| wrong("is not text"))?.lines();
    let name = lines.map(str::trim).find(|line| line.starts_with("pkcs11:"));
    let name =
        name.ok_or_else(|| wrong("names no key; write a line such as pkcs11:token=LABEL;object=KEY below the certificate"))?;
    let name = KeyName::parse(name).map_err(wrong)?;
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|_| wrong("cannot be read as PEM"))?;
    let (leaf, chain) =
        certificates.split_first().ok_or_else(|| wrong("holds no certificate; put it above the pkcs11: line"))?;
    let addresses = addresses_of(leaf);
    if addresses.is_empty() {
        return Err(wrong("holds a certificate without a mail address; the leaf comes first"));
    }
    let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.to_vec()).collect();
    let signer = smime::Signer::elsewhere(leaf, &chain, tokens.key(&name, path)?).map_err(|why| {
        wrong(match why {
            smime::BadSigner::Certificate => "holds a certificate that cannot be read",
            smime::BadSigner::Key => "holds a certificate whose key is neither RSA nor on P-256 or P-384",
            smime::BadSigner::Pair => "names a key that does not belong to its certificate (the leaf comes first)",
            smime::BadSigner::Silent => {
                "names a key that does not sign: it needs CKA_SIGN, and no word of its user for each signature"
            }
        })
    })?;
    Ok((addresses, Arc::new(signer)))
}

fn addresses_of(leaf: &[u8]) -> Vec<Address> {
    let Ok(certificate) = Certificate::from_der(leaf) else { return Vec::new() };
    let Ok(Some((_, names))) = certificate.tbs_certificate().get_extension::<SubjectAltName>() else { return Vec::new() };
    names
        .0
        .iter()
        .filter_map(|name| match name {
            GeneralName::Rfc822Name(text) => Address::parse(text.as_str()).ok(),
            _ => None,
        })
        .collect()
}
