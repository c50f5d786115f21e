//! The people of the matrix: keys that foreign programs made, and the sender's own.

use super::super::peers::must;
use super::super::people::GnupgHome;
use super::messages::SENDER;
use super::readers::Servant;
use postern::mail::{Address, UnixTime};
use postern::protect::{RecipientKey, Signers, openpgp, smime, trust};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

pub const RECIPIENT: &str = "claire@example.net";

pub fn now() -> UnixTime {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixTime(now.as_secs() as i64)
}

pub fn recipient() -> Address {
    Address::parse(RECIPIENT).unwrap()
}

/// A certificate and its key in PEM files.
pub struct Certified {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certified {
    pub fn pem(&self) -> Vec<u8> {
        std::fs::read(&self.certificate).unwrap()
    }

    pub fn der(&self) -> Vec<u8> {
        CertificateDer::from_pem_slice(&self.pem()).unwrap().to_vec()
    }

    /// As the gate takes it from `keys/recipients/`.
    pub fn judged(&self) -> RecipientKey {
        let judged = trust::judge_certificate("matrix", &self.der(), now(), &trust::Trust::default());
        RecipientKey::Smime(Arc::new(judged.unwrap_or_else(|why| panic!("{}", why.reason))))
    }

    /// PKCS#12 in the old form that gpgsm 2.2 and NSS import, password "x".
    pub fn pkcs12(&self) -> PathBuf {
        let file = self.key.with_extension("p12");
        let mut openssl = Command::new("openssl");
        openssl.args(["pkcs12", "-export", "-passout", "pass:x", "-macalg", "sha1", "-name", "me"]);
        openssl.args(["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-in"]).arg(&self.certificate);
        must(openssl.arg("-inkey").arg(&self.key).arg("-out").arg(&file), b"");
        file
    }

    /// PKCS#8 in DER.
    pub fn key_der(&self) -> PathBuf {
        let file = self.key.with_extension("p8");
        let mut openssl = Command::new("openssl");
        openssl.args(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in"]).arg(&self.key);
        must(openssl.arg("-out").arg(&file), b"");
        file
    }
}

/// An authority by OpenSSL that certifies senders and recipients.
pub struct Authority {
    pub folder: PathBuf,
    pub own: Certified,
}

/// What `openssl genpkey` needs to make a key.
pub const RSA_2048: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
pub const RSA_3072: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"];
pub const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
pub const X25519: &[&str] = &["-algorithm", "X25519"];

impl Authority {
    pub fn make(folder: &Path) -> Authority {
        let own = Certified { certificate: folder.join("authority.pem"), key: folder.join("authority.key") };
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:3072", "-nodes", "-sha256", "-days", "30", "-subj", "/CN=Matrix CA"]);
        openssl.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout"]).arg(&own.key);
        must(openssl.arg("-out").arg(&own.certificate), b"");
        Authority { folder: folder.to_owned(), own }
    }

    pub fn certify(&self, name: &str, address: &str, algorithm: &[&str], usage: &str) -> Certified {
        let made =
            Certified { certificate: self.folder.join(format!("{name}.pem")), key: self.folder.join(format!("{name}.key")) };
        let [public, request, extensions] = ["pub", "csr", "ext"].map(|ending| self.folder.join(format!("{name}.{ending}")));
        must(Command::new("openssl").arg("genpkey").args(algorithm).arg("-out").arg(&made.key), b"");
        must(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&made.key).arg("-out").arg(&public), b"");
        // An X25519 key cannot sign its request: the authority's does, and the key is put in its place.
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-new", "-subj", &format!("/CN={name}"), "-key"]).arg(&self.own.key);
        must(openssl.arg("-out").arg(&request), b"");
        let text = format!(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,{usage}\nextendedKeyUsage=emailProtection\nsubjectAltName=email:{address}\n\
             subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        );
        std::fs::write(&extensions, text).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-req", "-sha256", "-days", "20", "-in"]).arg(&request).arg("-force_pubkey").arg(&public);
        openssl.arg("-CA").arg(&self.own.certificate).arg("-CAkey").arg(&self.own.key).arg("-extfile").arg(&extensions);
        must(openssl.arg("-out").arg(&made.certificate), b"");
        made
    }

    /// The sender with a key of this kind.
    pub fn sender(&self, name: &str, algorithm: &[&str]) -> Signers {
        let made = self.certify(name, SENDER, algorithm, "digitalSignature");
        let key = PrivateKeyDer::from_pem_slice(&std::fs::read(&made.key).unwrap()).unwrap();
        let signer = smime::Signer::new(&made.der(), &[self.own.der()], &key).unwrap();
        Signers { smime: Some(Arc::new(signer)), openpgp: None }
    }
}

/// The sender's OpenPGP key as the gate makes its own: version 4, Ed25519. Its public half goes to `public`.
pub fn openpgp_sender(public: &Path) -> Signers {
    use sequoia_openpgp::cert::{CertBuilder, CipherSuite};
    use sequoia_openpgp::serialize::SerializeInto;
    use sequoia_openpgp::types::{Features, KeyFlags};
    let created = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
    let builder = CertBuilder::new().set_profile(sequoia_openpgp::Profile::RFC4880).unwrap();
    let (cert, _) = builder
        .set_features(Features::empty().set_seipdv1())
        .unwrap()
        .set_cipher_suite(CipherSuite::Cv25519)
        .set_creation_time(created)
        .set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
        .add_userid(format!("Marie Dupont <{SENDER}>"))
        .generate()
        .unwrap();
    std::fs::write(public, cert.armored().to_vec().unwrap()).unwrap();
    let secret = cert.as_tsk().armored().to_vec().unwrap();
    Signers { smime: None, openpgp: Some(Arc::new(openpgp::Signer::new(&secret, now()).unwrap())) }
}

/// A recipient's OpenPGP key, both halves in armored files.
pub struct Keyring {
    pub secret: PathBuf,
    pub public: PathBuf,
}

impl Keyring {
    fn at(folder: &Path, name: &str) -> Keyring {
        Keyring { secret: folder.join(format!("{name}.secret.asc")), public: folder.join(format!("{name}.public.asc")) }
    }

    /// By GnuPG.
    pub fn gnupg(folder: &Path, name: &str, primary: &str, subkey: &str) -> Keyring {
        let (home, ring) = (GnupgHome::make(), Keyring::at(folder, name));
        let public = home.key(RECIPIENT, primary, subkey);
        std::fs::write(&ring.public, public).unwrap();
        std::fs::write(&ring.secret, must(home.gpg().args(["--armor", "--export-secret-keys", RECIPIENT]), b"")).unwrap();
        ring
    }

    /// By OpenPGP.js: `kind` is "v4", "v6" or "pqc".
    pub fn javascript(folder: &Path, kind: &str, by: &mut Servant) -> Keyring {
        let ring = Keyring::at(folder, kind);
        let job = serde_json::json!({"make": kind, "address": RECIPIENT, "secret": ring.secret, "public": ring.public});
        by.ask_json(&job).unwrap();
        ring
    }

    pub fn judged(&self) -> RecipientKey {
        use sequoia_openpgp::parse::Parse;
        let cert = sequoia_openpgp::Cert::from_bytes(&std::fs::read(&self.public).unwrap()).unwrap();
        let judged = trust::judge_openpgp("matrix", &cert, now());
        RecipientKey::Openpgp(Arc::new(judged.unwrap_or_else(|why| panic!("{}: {}", self.public.display(), why.reason))))
    }
}
