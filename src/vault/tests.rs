//! Keys that are made, kept, found again, and refused.

use super::*;
use crate::protect::openpgp;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// 2026-11-21T12:00:00Z
const AT: UnixTime = UnixTime(1_795_262_400);

fn open(folder: &Path, now: UnixTime) -> Result<Vault, VaultError> {
    let hostname = Domain::parse("gate.example.org").unwrap();
    Vault::open(&folder.join("data"), &folder.join("keys"), &hostname, Clock::set_to(now))
}

fn alice() -> Address {
    Address::parse("alice@example.org").unwrap()
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(all_files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn what_is_missing_is_made_privately_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path(), AT).unwrap();
    let names = ["Alice Martin".to_owned()];
    let signers = vault.signers_for(&alice(), &names).unwrap();
    assert!(signers.smime.is_some() && signers.openpgp.is_some());
    let domain = Domain::parse("example.org").unwrap();
    let dkim = vault.dkim_keys(&domain).unwrap();
    assert_eq!((dkim.rsa_selector.as_str(), dkim.ed25519_selector.as_str()), ("r2026", "e2026"));
    let files = all_files(&folder.path().join("data/keys"));
    assert_eq!(files.len(), 9, "{files:?}");
    for path in &files {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700, "{path:?}");
    }
    let before: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();

    let again = open(folder.path(), AT.plus(86_400 * 200)).unwrap();
    again.signers_for(&alice(), &names).unwrap();
    assert_eq!(again.review_public(), vault.review_public());
    assert_eq!(again.release_keys().public, vault.release_keys().public);
    assert_ne!(vault.review_public(), vault.release_keys().public);
    assert_eq!(again.ca_certificate_pem().unwrap(), vault.ca_certificate_pem().unwrap());
    assert_eq!(again.dkim_keys(&domain).unwrap().rsa_public, dkim.rsa_public);
    assert_eq!(again.tls().certificates, vault.tls().certificates);
    assert_eq!(files.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>(), before);
}

#[test]
fn a_private_key_that_others_may_read_is_refused_with_the_command_that_helps() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), AT).unwrap();
    let path = folder.path().join("data/keys/review.key");
    for mode in [0o640, 0o604, 0o644, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let Err(why) = open(folder.path(), AT) else { panic!("{mode:o}") };
        assert_eq!(why, VaultError::Permissions(path.clone()));
        assert!(why.to_string().contains("chmod 600"), "{why}");
    }
}

#[test]
fn a_damaged_key_is_an_error_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path(), AT).unwrap();
    vault.signers_for(&alice(), &[]).unwrap();
    for name in [
        "review.key",
        "tls.pem",
        "authority.pem",
        "senders/alice@example.org.smime.pem",
        "senders/alice@example.org.openpgp.asc",
    ] {
        let path = folder.path().join("data/keys").join(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, b"-----BEGIN damage").unwrap();
        let result = open(folder.path(), AT).and_then(|vault| vault.signers_for(&alice(), &[]).map(drop));
        assert!(matches!(&result, Err(VaultError::Content(at, _)) if *at == path), "{name}: {result:?}");
        assert_eq!(fs::read(&path).unwrap(), b"-----BEGIN damage");
        fs::write(&path, good).unwrap();
    }
    assert!(open(folder.path(), AT).unwrap().signers_for(&alice(), &[]).is_ok());
}

#[test]
fn a_senders_certificate_is_renewed_before_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), AT).unwrap().signers_for(&alice(), &[]).unwrap().smime.unwrap();
    assert!(first.is_valid_at(AT) && first.is_valid_at(AT.plus(-86_400 * 20)));
    let later = AT.plus(86_400 * 480);
    let second = open(folder.path(), later).unwrap().signers_for(&alice(), &[]).unwrap().smime.unwrap();
    assert!(second.not_after() > first.not_after());
}

#[test]
fn a_new_host_name_gets_a_new_tls_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), AT).unwrap().tls();
    let other = Domain::parse("other.example.org").unwrap();
    let second =
        Vault::open(&folder.path().join("data"), &folder.path().join("keys"), &other, Clock::set_to(AT)).unwrap().tls();
    assert_ne!(first.certificates, second.certificates);
    let name = rustls_pki_types::ServerName::try_from("other.example.org").unwrap();
    let leaf = webpki::EndEntityCert::try_from(&second.certificates[0]).unwrap();
    assert!(leaf.verify_is_valid_for_subject_name(&name).is_ok());
    assert!(leaf.verify_is_valid_for_subject_name(&"localhost".try_into().unwrap()).is_ok());
    assert!(leaf.verify_is_valid_for_subject_name(&"127.0.0.1".try_into().unwrap()).is_ok());
}

#[test]
fn the_operators_own_keys_go_first() {
    let folder = tempfile::tempdir().unwrap();
    // Another gate's authority stands in for the one that gave Alice her certificate.
    let issuer = open(&folder.path().join("issuer"), AT).unwrap();
    let authority = issuer.authority().unwrap();
    let pem = authority.issue(&alice(), Some("Alice"), AT).unwrap();
    let ours = folder.path().join("keys/ours");
    fs::create_dir_all(&ours).unwrap();
    let chained = pem.to_string() + &issuer.ca_certificate_pem().unwrap();
    fs::write(ours.join("whatever.pem"), chained).unwrap();
    let key = ours::make_openpgp(&alice(), Some("Alice"), AT).unwrap();
    fs::write(ours.join("alice.asc"), &key).unwrap();
    assert!(matches!(open(folder.path(), AT), Err(VaultError::Permissions(_))));
    for name in ["whatever.pem", "alice.asc"] {
        fs::set_permissions(ours.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let vault = open(folder.path(), AT).unwrap();
    let signers = vault.signers_for(&alice(), &[]).unwrap();
    let own = openpgp::Signer::new(&key, AT).unwrap();
    assert_eq!(format!("{:?}", signers.openpgp.unwrap()), format!("{own:?}"));
    assert!(all_files(&folder.path().join("data/keys/senders")).is_empty(), "nothing had to be made");
    assert!(vault.signers_for(&Address::parse("other@example.org").unwrap(), &[]).is_ok());

    let dkim = folder.path().join("keys/dkim/example.org");
    fs::create_dir_all(&dkim).unwrap();
    let made = vault.dkim_keys(&Domain::parse("example.org").unwrap()).unwrap();
    fs::write(dkim.join("mail1.pem"), made.rsa_pem.as_bytes()).unwrap();
    fs::set_permissions(dkim.join("mail1.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let found = vault.dkim_keys(&Domain::parse("example.org").unwrap()).unwrap();
    assert_eq!((found.rsa_selector.as_str(), found.ed25519_selector.as_str()), ("mail1", "e2026"));
}

#[test]
fn an_address_leads_out_of_no_folder() {
    for (address, name) in [
        ("alice@example.org", "alice@example.org"),
        ("\"../../etc/x\"@example.org", "%22%2E./../etc"),
        ("a/b@example.org", "a%2Fb@example.org"),
        ("a+b_c-d@example.org", "a+b_c-d@example.org"),
    ] {
        let made = files::name_of(address);
        assert!(!made.contains('/') && !made.starts_with('.'), "{made}");
        if !name.contains('"') && !name.contains("etc") {
            assert_eq!(made, name);
        }
    }
}

#[test]
fn hpke_opens_with_the_keys_what_was_sealed_to_their_public_half() {
    use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256;
    use rustls::crypto::hpke::{Hpke, HpkePrivateKey};
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path(), AT).unwrap();
    let suite: &dyn Hpke = DH_KEM_X25519_HKDF_SHA256_AES_256;
    let public = rustls::crypto::hpke::HpkePublicKey(vault.release_keys().public.to_vec());
    let (enc, sealed) = suite.seal(b"info", b"", b"content", &public).unwrap();
    let private = HpkePrivateKey::from(vault.release_keys().private.to_vec());
    assert_eq!(suite.open(&enc, b"info", b"", &sealed, &private).unwrap(), b"content");
    let other = HpkePrivateKey::from(vault.review_keys().private.to_vec());
    assert!(suite.open(&enc, b"info", b"", &sealed, &other).is_err());
}

/// What the gate makes for itself must satisfy the strictest of readers.
#[test]
fn foreign_readers_verify_a_signature_by_our_own_authority() {
    let programs = ["openssl", "gpgsm", "gpg-agent", "gpgconf"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = |program: &&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !programs.iter().all(here) {
        assert!(std::env::var_os("POSTERN_REQUIRE_PEERS").is_none(), "{programs:?} are required");
        println!("LEFT OUT foreign_readers_verify_a_signature_by_our_own_authority: one of {programs:?} is not installed");
        return;
    }
    // The readers look at the real clock.
    let clock = Clock::system();
    let folder = tempfile::Builder::new().prefix("v").tempdir_in("/tmp").unwrap();
    let hostname = Domain::parse("gate.example.org").unwrap();
    let vault = Vault::open(&folder.path().join("data"), &folder.path().join("keys"), &hostname, clock.clone()).unwrap();
    let signer = vault.signers_for(&alice(), &["Alice Martin, née Durand".to_owned()]).unwrap().smime.unwrap();
    let content = b"Content-Type: text/plain\r\n\r\nhello\r\n";
    let signed = smime::sign(content, &signer, clock.now()).unwrap();
    fs::write(folder.path().join("signed"), &signed).unwrap();
    fs::write(folder.path().join("content"), content).unwrap();
    fs::write(folder.path().join("ca.pem"), vault.ca_certificate_pem().unwrap()).unwrap();
    let run = |line: &str| {
        let mut words = line.split_whitespace();
        let mut command = std::process::Command::new(words.next().unwrap());
        let output = command.args(words).current_dir(folder.path()).env("GNUPGHOME", folder.path()).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    run("openssl cms -verify -in signed -CAfile ca.pem -x509_strict -purpose smimesign -out verified -signer leaf.pem");
    assert_eq!(fs::read(folder.path().join("verified")).unwrap(), content);
    let leaf = run("openssl x509 -in leaf.pem -noout -text");
    for expected in [
        "email:alice@example.org",
        "E-mail Protection",
        "Digital Signature, Non Repudiation",
        "CA:FALSE",
        "sha256WithRSAEncryption",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
        "(2048 bit)",
    ] {
        assert!(leaf.contains(expected), "{expected} {leaf}");
    }
    let authority = run("openssl x509 -in ca.pem -noout -text");
    for expected in ["CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "(3072 bit)", "Mail CA of gate.example.org"] {
        assert!(authority.contains(expected), "{expected} {authority}");
    }
    run("openssl smime -pk7out -in signed -out signature.pem");
    run("openssl pkcs7 -in signature.pem -outform DER -out signature");
    let fingerprint = run("openssl x509 -in ca.pem -noout -fingerprint -sha1");
    let fingerprint = fingerprint.trim().rsplit('=').next().unwrap().replace(':', "");
    fs::write(folder.path().join("trustlist.txt"), format!("{fingerprint} S relax\n")).unwrap();
    run("gpgsm --batch --quiet --import ca.pem");
    let verified = run("gpgsm --batch --disable-crl-checks --status-fd 1 --verify signature content");
    run("gpgconf --kill all");
    assert!(verified.contains("GOODSIG") && verified.contains("TRUST_FULLY"), "{verified}");
}

#[test]
fn vault_and_signers_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Vault>();
    shared::<Signers>();
    shared::<DkimKeys>();
    shared::<crate::protect::LookUp>();
}

fn openssl(folder: &Path, line: &str) -> bool {
    let run = std::process::Command::new("openssl").args(line.split(' ')).current_dir(folder).output();
    run.is_ok_and(|output| {
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
        true
    })
}

#[test]
fn keys_with_a_passphrase_are_opened_by_it_and_by_no_other() {
    use sequoia_openpgp::cert::{CertBuilder, CipherSuite};
    use sequoia_openpgp::serialize::SerializeInto;
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join("keys/ours");
    fs::create_dir_all(&ours).unwrap();
    let private = |path: &Path, octets: &[u8]| {
        fs::write(path, octets).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    // A certificate and key of another gate's authority, whose key OpenSSL then locks.
    let issuer = open(&folder.path().join("issuer"), AT).unwrap();
    let pem = issuer.authority().unwrap().issue(&alice(), Some("Alice"), AT).unwrap();
    fs::write(folder.path().join("open.pem"), &*pem).unwrap();
    let certificate = pem.split("-----BEGIN PRIVATE KEY").next().unwrap().to_owned();
    let mut locked = Vec::new();
    for prf in ["hmacWithSHA256", "hmacWithSHA512", "hmacWithSHA1"] {
        if !openssl(
            folder.path(),
            &format!("pkcs8 -topk8 -in open.pem -out locked.pem -v2 aes-256-cbc -v2prf {prf} -passout pass:phrase"),
        ) {
            assert!(std::env::var_os("POSTERN_REQUIRE_PEERS").is_none(), "openssl is required");
            return println!("LEFT OUT keys_with_a_passphrase_are_opened_by_it_and_by_no_other: openssl is not installed");
        }
        locked.push(certificate.clone() + &fs::read_to_string(folder.path().join("locked.pem")).unwrap());
    }
    openssl(folder.path(), "pkcs8 -topk8 -in open.pem -out scrypt.pem -scrypt -passout pass:phrase");
    let scrypt = certificate.clone() + &fs::read_to_string(folder.path().join("scrypt.pem")).unwrap();
    let refused = |expected: &str| {
        let Err(why) = open(folder.path(), AT) else { panic!("{expected}") };
        assert!(why.to_string().contains(expected), "{expected}: {why}");
    };
    private(&ours.join("alice.pem"), locked[0].as_bytes());
    refused("has a passphrase; give it as the systemd credential postern-keys");
    private(&ours.join("passphrase"), b"wrong\n");
    refused("is not opened by the passphrase that is here");
    private(&ours.join("passphrase"), b"phrase\n");
    for locked in &locked {
        private(&ours.join("alice.pem"), locked.as_bytes());
        let signers = open(folder.path(), AT).unwrap().signers_for(&alice(), &[]).unwrap();
        assert!(signers.smime.unwrap().is_valid_at(AT));
        assert!(!folder.path().join("data/keys/senders/alice@example.org.smime.pem").exists(), "nothing had to be made");
    }
    private(&ours.join("alice.pem"), scrypt.as_bytes());
    refused("openssl pkcs8 -topk8 -v2 aes-256-cbc");
    private(
        &ours.join("alice.pem"),
        locked[0].replace("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA").as_bytes(),
    );
    refused("holds an encrypted key that cannot be read");
    private(&ours.join("alice.pem"), locked[0].as_bytes());

    let created = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(AT.0 as u64 - 3600);
    let make = |password: &str| {
        let builder = CertBuilder::new().set_profile(sequoia_openpgp::Profile::RFC4880).unwrap();
        let builder =
            builder.set_cipher_suite(CipherSuite::Cv25519).set_creation_time(created).add_userid("<alice@example.org>");
        let (cert, _) = builder.add_signing_subkey().set_password(Some(password.into())).generate().unwrap();
        cert.as_tsk().armored().to_vec().unwrap()
    };
    private(&ours.join("alice.asc"), &make("another"));
    refused("is not opened by the passphrase that is here");
    private(&ours.join("alice.asc"), &make("phrase"));
    assert!(open(folder.path(), AT).unwrap().signers_for(&alice(), &[]).unwrap().openpgp.is_some());
}

#[test]
fn who_signs_with_a_revoked_certificate_signs_with_a_new_one_from_the_next_message_on() {
    let folder = tempfile::tempdir().unwrap();
    let gate = open(folder.path(), AT).unwrap();
    let first = gate.signers_for(&alice(), &[]).unwrap().smime.unwrap();
    assert!(Arc::ptr_eq(&first, &gate.signers_for(&alice(), &[]).unwrap().smime.unwrap()));
    // Another process: the command.
    let command = open(folder.path(), AT).unwrap();
    let serials = command.revoke("Alice@example.org", Reason::KeyCompromise).unwrap();
    assert_eq!(serials.len(), 1);
    assert!(command.revoke("alice@example.org", Reason::Superseded).unwrap().is_empty());
    assert!(command.revoke("neither", Reason::Superseded).is_err());
    let second = gate.signers_for(&alice(), &[]).unwrap().smime.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    let third = open(folder.path(), AT).unwrap().signers_for(&alice(), &[]).unwrap().smime.unwrap();
    assert_eq!(third.not_after(), second.not_after());
    let issued = command.authority().unwrap().register().issued().unwrap();
    assert_eq!(issued.len(), 2, "one for each, none in vain");
    // Lists rise in number also within one second, and what has ended leaves them.
    let authority = command.authority().unwrap();
    let number = |list: &[u8]| {
        let list = <x509_cert::crl::CertificateList as der::Decode>::from_der(list).unwrap();
        let count = list.tbs_cert_list.revoked_certificates.map_or(0, |all| all.len());
        let extensions = list.tbs_cert_list.crl_extensions.unwrap();
        let number =
            extensions.iter().find(|one| one.extn_id.to_string() == "2.5.29.20").unwrap().extn_value.as_bytes().to_vec();
        (number, count)
    };
    let (one, two) = (number(&authority.make_list(7, AT).unwrap()), number(&authority.make_list(7, AT).unwrap()));
    assert!(one.0 < two.0 && one.1 == 1, "{one:?} {two:?}");
    assert_eq!(number(&authority.make_list(7, AT.plus(86_400 * 600)).unwrap()).1, 0);
}

#[test]
fn a_key_of_another_user_is_refused() {
    // Only root can give a file away; everybody else cannot be in this place.
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), AT).unwrap();
    let path = folder.path().join("data/keys/review.key");
    if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
        let Err(why) = open(folder.path(), AT) else { panic!("a file of another user was read") };
        assert_eq!(why, VaultError::Owner(path));
        assert!(why.to_string().contains("chown"));
    }
}
