//! Makes two invented correspondents with keys of their own, so that what was sealed to them can be opened and looked at.

use crate::cli::demo::shell;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};
use sequoia_openpgp as openpgp;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::serialize::SerializeInto;
use sequoia_openpgp::types::Features;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const SMIME: &str = "claire.martin@prefecture.example";
const OPENPGP: &str = "paul.leroy@association.example";

/// Where their private keys lie.
pub struct People {
    certificate: PathBuf,
    key: PathBuf,
    openpgp: PathBuf,
    /// A keyring of his own: the one of whoever runs the demo stays as it is.
    keyring: PathBuf,
}

/// Public keys into `keys/recipients/`, private ones into `correspondents/`.
pub fn make(folder: &Path) -> Result<People, String> {
    let (recipients, private) = (folder.join("keys/recipients"), folder.join("correspondents"));
    let people = People {
        certificate: private.join("claire.martin.pem"),
        key: private.join("claire.martin.key.pem"),
        openpgp: private.join("paul.leroy.secret.asc"),
        keyring: private.join("gnupg"),
    };
    let files = || -> std::io::Result<()> {
        std::fs::create_dir_all(&recipients)?;
        std::fs::create_dir_all(&private)?;
        // GnuPG warns about a keyring that others may enter.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&people.keyring)
    };
    files().map_err(|why| why.to_string())?;
    let (certificate, key) = smime().map_err(|why| why.to_string())?;
    let (public, secret) = pgp().map_err(|why| why.to_string())?;
    for (path, octets) in [
        (recipients.join("claire.martin.pem"), certificate.as_bytes()),
        (people.certificate.clone(), certificate.as_bytes()),
        (people.key.clone(), key.as_bytes()),
        (recipients.join("paul.leroy.asc"), &public),
        (people.openpgp.clone(), &secret),
    ] {
        std::fs::write(&path, octets).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    Ok(people)
}

impl People {
    /// Prints the letter that the gate sealed into `file`: opened, then its signature read.
    pub fn smime_command(&self, file: &Path) -> String {
        format!(
            "openssl cms -decrypt -in {} -recip {} -inkey {} | openssl cms -verify -noverify",
            shell(file),
            shell(&self.certificate),
            shell(&self.key)
        )
    }

    pub fn openpgp_command(&self, file: &Path) -> String {
        let ring = shell(&self.keyring);
        format!("gpg --homedir {ring} -q --import {}; gpg --homedir {ring} -d {}", shell(&self.openpgp), shell(file))
    }
}

fn smime() -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Claire Martin");
    params.subject_alt_names = vec![SanType::Rfc822Name(SMIME.try_into()?)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn pgp() -> openpgp::Result<(Vec<u8>, Vec<u8>)> {
    let (certificate, _) = CertBuilder::general_purpose(Some(format!("Paul Leroy <{OPENPGP}>")))
        .set_profile(openpgp::Profile::RFC4880)?
        .set_features(Features::empty().set_seipdv1())?
        .generate()?;
    Ok((certificate.armored().to_vec()?, certificate.as_tsk().armored().to_vec()?))
}
