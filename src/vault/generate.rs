//! Turns an address of ours into keys of its own in `keys/ours/`: OpenPGP, S/MIME by our authority, or a request to another authority.

use super::authority::Purpose;
use super::files::{self, IfThere};
use super::passphrase::Passphrase;
use super::{Vault, VaultError, pkcs8, to_pem};
use crate::mail::{Address, UnixTime};
use aws_lc_rs::digest;
use pgp::cert::{CertBuilder, CipherSuite};
use pgp::serialize::SerializeInto;
use pgp::types::{Features, KeyFlags};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SanType};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sequoia_openpgp as pgp;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// What is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Version 4, Ed25519 and X25519; with `post_quantum` version 6, and ML-KEM-768 + X25519 for what is received (RFC 9980).
    Openpgp { post_quantum: bool },
    /// RSA-2048, certified by the internal authority.
    Smime,
    /// RSA-3072, and a PKCS#10 request in PEM for another authority in this file.
    Request(PathBuf),
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The private key's file, of mode 0600.
    pub file: PathBuf,
    /// Of the certificate: 40 or 64 hexadecimal digits; empty for a request.
    pub fingerprint: String,
    pub expires: Option<UnixTime>,
    /// It opens with the passphrase of `keys/ours/`.
    pub locked: bool,
}

/// A key made with a clock an hour ahead would be "from the future" for others.
const BACKDATED: i64 = 3600;
/// Seconds: as long as the certificates of our authority; `gpg --edit-key` or a new one makes it longer.
const LIFE: u64 = 2 * 365 * 86_400;

impl Vault {
    /// `ours`: the folder `keys/ours`, made (0700) when missing; a file that is there is not replaced. Where a passphrase for it is known,
    /// private keys are written under it.
    pub fn generate(
        &self,
        ours: &Path,
        address: &Address,
        name: Option<&str>,
        purpose: Purpose,
        form: &Form,
    ) -> Result<Made, VaultError> {
        let now = self.clock.now();
        files::private_folder(ours)?;
        let passphrase = Passphrase::find(ours)?;
        let file = |ending: &str| ours.join(format!("{}.{ending}", files::name_of(&address.key())));
        let locked = passphrase.is_some();
        match form {
            Form::Openpgp { post_quantum } => {
                let file = file("asc");
                let (octets, fingerprint, expires) = openpgp(address, name, purpose, *post_quantum, passphrase.as_ref(), now)?;
                write_new(&file, &octets)?;
                Ok(Made { file, fingerprint, expires: Some(expires), locked })
            }
            Form::Smime => {
                let file = file("pem");
                // Before the authority writes into its register what would then be thrown away.
                if file.exists() {
                    return Err(VaultError::Content(file, THERE));
                }
                let authority = self.authority()?;
                let pem = authority.issue_for(address, name, purpose, now)?;
                let mut text = lock_pem(&pem, passphrase.as_ref())?;
                text.push_str(&self.ca_certificate_pem()?);
                let leaf = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| VaultError::Generate(LEAF))?;
                let until = <x509_cert::Certificate as der::Decode>::from_der(&leaf).map_err(|_| VaultError::Generate(LEAF))?;
                let until = until.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
                write_new(&file, text.as_bytes())?;
                Ok(Made { file, fingerprint: sha256(&leaf), expires: i64::try_from(until).ok().map(UnixTime), locked })
            }
            Form::Request(request) => {
                let file = file("key");
                const WHAT: VaultError = VaultError::Generate("a certificate request");
                let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).map_err(|_| WHAT)?;
                let mut params = CertificateParams::default();
                params.distinguished_name = rcgen::DistinguishedName::new();
                let text = address.to_string();
                let common = name.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(&text);
                params.distinguished_name.push(DnType::CommonName, common);
                params.subject_alt_names = vec![SanType::Rfc822Name(text.as_str().try_into().map_err(|_| WHAT)?)];
                let made = params.serialize_request(&key).and_then(|request| request.pem()).map_err(|_| WHAT)?;
                let pem = Zeroizing::new(key.serialize_pem());
                write_new(&file, lock_pem(&pem, passphrase.as_ref())?.as_bytes())?;
                std::fs::write(request, made).map_err(|why| VaultError::Write(request.clone(), why.kind()))?;
                Ok(Made { file, fingerprint: String::new(), expires: None, locked })
            }
        }
    }
}

const LEAF: &str = "a certificate";
const THERE: &str = "is there already: move it away first, for what was encrypted to it opens with nothing else";

fn write_new(path: &Path, octets: &[u8]) -> Result<(), VaultError> {
    if path.exists() {
        return Err(VaultError::Content(path.into(), THERE));
    }
    files::write_private(path, octets, IfThere::Keep)
}

fn sha256(octets: &[u8]) -> String {
    super::hex(digest::digest(&digest::SHA256, octets).as_ref())
}

/// Its private key under the passphrase, if there is one; the rest as it is.
fn lock_pem(pem: &str, passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, VaultError> {
    const WHAT: VaultError = VaultError::Generate("a private key under a passphrase");
    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
    const END: &str = "-----END PRIVATE KEY-----";
    let Some(passphrase) = passphrase else { return Ok(Zeroizing::new(pem.to_owned())) };
    let start = pem.find(BEGIN).ok_or(WHAT)?;
    let end = pem.find(END).map(|at| at + END.len()).ok_or(WHAT)?;
    let der = rustls_pki_types::PrivatePkcs8KeyDer::from_pem_slice(&pem.as_bytes()[start..end]).map_err(|_| WHAT)?;
    let locked = pkcs8::lock(der.secret_pkcs8_der(), passphrase.octets()).ok_or(WHAT)?;
    let rest = pem[end..].trim_start_matches(['\r', '\n']);
    Ok(Zeroizing::new(format!("{}{}{rest}", &pem[..start], to_pem("ENCRYPTED PRIVATE KEY", &locked))))
}

type Secret = (Zeroizing<Vec<u8>>, String, UnixTime);

fn openpgp(
    address: &Address,
    name: Option<&str>,
    purpose: Purpose,
    post_quantum: bool,
    passphrase: Option<&Passphrase>,
    now: UnixTime,
) -> Result<Secret, VaultError> {
    let user_id = super::ours::user_id(address, name);
    let created = now.plus(-BACKDATED);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(created.0.max(0) as u64);
    let both = KeyFlags::empty().set_transport_encryption().set_storage_encryption();
    let make = || -> pgp::Result<Secret> {
        let builder = match post_quantum {
            // RFC 9980 §3: ML-KEM-768 + X25519 may stand in version 4 too, but those who know it know version 6.
            true => CertBuilder::new().set_profile(pgp::Profile::RFC9580)?,
            // GnuPG 2.2 and RNP read nothing newer.
            false => CertBuilder::new().set_profile(pgp::Profile::RFC4880)?.set_features(Features::empty().set_seipdv1())?,
        };
        let mut builder = builder
            .set_cipher_suite(CipherSuite::Cv25519)
            .set_creation_time(at)
            .set_validity_period(Duration::from_secs(LIFE))
            .set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
            .set_password(passphrase.map(|one| pgp::crypto::Password::from(one.octets())))
            .add_userid(user_id);
        if purpose != Purpose::Sign {
            let suite = if post_quantum { CipherSuite::MLDSA65_Ed25519 } else { CipherSuite::Cv25519 };
            builder = builder.add_subkey(both, None, suite);
        }
        let (cert, _) = builder.generate()?;
        let octets = Zeroizing::new(cert.as_tsk().armored().to_vec()?);
        Ok((octets, cert.fingerprint().to_hex(), created.plus(LIFE as i64)))
    };
    make().map_err(|_| VaultError::Generate("an OpenPGP key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_under_a_passphrase_opens_with_it_and_with_no_other() {
        let key = KeyPair::generate().unwrap().serialize_der();
        let locked = pkcs8::lock(&key, b"pass").unwrap();
        assert_eq!(pkcs8::unlock(&locked, b"pass").unwrap()[..], key[..]);
        assert!(pkcs8::unlock(&locked, b"Pass").is_err());
        assert_ne!(pkcs8::lock(&key, b"pass").unwrap(), locked, "another salt each time");
    }
}
