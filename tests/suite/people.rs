//! Invented correspondents whose keys foreign programs made: S/MIME by OpenSSL, OpenPGP by GnuPG.

use super::peers::{must, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub struct SmimePerson {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rsa,
    P256,
}

impl SmimePerson {
    /// A self-signed encryption certificate, valid for a year from now.
    pub fn make(folder: &Path, address: &str, algorithm: Algorithm) -> SmimePerson {
        let name = address.split('@').next().expect("a local part");
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        let (kind, usage): (&[&str], &str) = match algorithm {
            Algorithm::Rsa => (&["-newkey", "rsa:2048"], "keyUsage=critical,digitalSignature,keyEncipherment"),
            Algorithm::P256 => (
                &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
                "keyUsage=critical,digitalSignature,keyAgreement",
            ),
        };
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-nodes", "-sha256", "-days", "365", "-subj", &format!("/CN={name}")]).args(kind);
        openssl.args(["-addext", usage, "-addext", "extendedKeyUsage=emailProtection"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", &format!("subjectAltName=email:{address}")]);
        must(openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate), b"");
        SmimePerson { certificate, key }
    }

    pub fn certificate_pem(&self) -> Vec<u8> {
        std::fs::read(&self.certificate).expect("the certificate")
    }

    /// PKCS#12 in the old form that gpgsm 2.2 and NSS import: only the leaf, password "x".
    pub fn pkcs12(&self) -> PathBuf {
        let file = self.key.with_extension("p12");
        let mut openssl = Command::new("openssl");
        openssl.args(["pkcs12", "-export", "-passout", "pass:x", "-macalg", "sha1", "-name", "me"]);
        openssl.args(["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES"]);
        must(openssl.arg("-in").arg(&self.certificate).arg("-inkey").arg(&self.key).arg("-out").arg(&file), b"");
        file
    }
}

/// A GnuPG home with its own agent, ended when dropped.
pub struct GnupgHome {
    folder: tempfile::TempDir,
}

impl GnupgHome {
    pub fn make() -> GnupgHome {
        // A short path: the agent's socket lies in it, and such paths end at 108 octets.
        let folder = tempfile::Builder::new().prefix("gh").rand_bytes(8).tempdir_in("/tmp").expect("a GnuPG home");
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(folder.path(), closed).expect("the home's mode");
        std::fs::write(folder.path().join("gpg-agent.conf"), "allow-loopback-pinentry\n").expect("the agent's settings");
        std::fs::write(folder.path().join("gpgsm.conf"), "disable-crl-checks\ndisable-dirmngr\n").expect("gpgsm's settings");
        GnupgHome { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.env("GNUPGHOME", self.folder.path()).args([
            "--batch",
            "--no-tty",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        gpg
    }

    /// gpgsm takes the passphrase "x" from a file.
    pub fn gpgsm(&self) -> Command {
        std::fs::write(self.path("x"), "x\n").expect("the passphrase");
        let mut gpgsm = Command::new("sh");
        // The passphrase comes on descriptor 3; the arguments follow.
        gpgsm.env("GNUPGHOME", self.folder.path()).arg("-c");
        gpgsm.arg("exec 3< \"$GNUPGHOME/x\"; exec gpgsm --batch --no-tty --pinentry-mode loopback --passphrase-fd 3 \"$@\"");
        gpgsm.arg("gpgsm");
        gpgsm
    }

    /// Takes a person's key into gpgsm. Version 2.2 now and then decrypts a PKCS#12 file and takes the result for wrong; another salt helps.
    pub fn import_into_gpgsm(&self, export: impl Fn() -> PathBuf) -> Result<(), String> {
        let mut said = String::new();
        for _ in 0..3 {
            let output = run(self.gpgsm().arg("--import").arg(export()), b"", Duration::from_secs(60));
            if output.status.success() {
                return Ok(());
            }
            said = String::from_utf8_lossy(&output.stderr).into_owned();
        }
        Err(said)
    }

    /// A new key; its public half, armored.
    pub fn person(&self, address: &str, algorithm: Algorithm) -> Vec<u8> {
        let (primary, subkey) = match algorithm {
            Algorithm::Rsa => ("rsa2048", "rsa2048"),
            Algorithm::P256 => ("nistp256", "nistp256"),
        };
        self.key(address, primary, subkey)
    }

    pub fn curve25519_person(&self, address: &str) -> Vec<u8> {
        self.key(address, "ed25519", "cv25519")
    }

    /// With algorithms by their GnuPG names; the public half, armored.
    pub fn key(&self, address: &str, primary: &str, subkey: &str) -> Vec<u8> {
        must(self.gpg().args(["--quick-generate-key", &format!("Someone <{address}>"), primary, "sign", "1y"]), b"");
        let listing = must(self.gpg().args(["--with-colons", "--list-keys", address]), b"");
        let listing = String::from_utf8(listing).expect("a listing");
        let print = listing.lines().find_map(|line| line.strip_prefix("fpr:")).expect("a fingerprint").trim_matches(':');
        must(self.gpg().args(["--quick-add-key", print, subkey, "encrypt", "1y"]), b"");
        must(self.gpg().args(["--armor", "--export", address]), b"")
    }
}

impl Drop for GnupgHome {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.folder.path()).args(["--kill", "all"]).status();
    }
}
