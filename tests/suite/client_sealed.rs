//! What a client encrypted itself: to the recipient's known key it leaves as it is, and the recipient opens it; to any other key, or
//! with a password, it is no way past inspection.

use super::gate::{ALICE, Setup, contains};
use super::peers::{self, must};
use super::people::{Algorithm, GnupgHome, SmimePerson};
use super::sink::Sink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const CLAIRE: &str = "claire@example.net";
const SECRET: &str = "Content-Type: text/plain; charset=utf-8\r\n\r\nKirschblauwal\r\n";

fn head(rest: &str) -> Vec<u8> {
    format!(
        "Date: {}\r\nFrom: <{ALICE}>\r\nTo: <{CLAIRE}>\r\nSubject: Bonjour\r\nMessage-ID: <own@client.example.org>\r\n\
         MIME-Version: 1.0\r\n{rest}",
        now()
    )
    .into_bytes()
}

fn now() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    mail_parser::DateTime::from_timestamp(now.as_secs() as i64).to_rfc822()
}

fn pgp_mime(armored: &[u8]) -> Vec<u8> {
    let armored = String::from_utf8(armored.to_vec()).unwrap().replace("\r\n", "\n").replace('\n', "\r\n");
    head(&format!(
        "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n--b\r\n\
         Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b\r\nContent-Type: application/octet-stream; name=encrypted.asc\r\n\r\n\
         {armored}\r\n--b--\r\n"
    ))
}

fn smime(recipients: &[&Path]) -> Vec<u8> {
    let mut openssl = Command::new("openssl");
    let sealed = must(openssl.args(["cms", "-encrypt", "-aes-256-cbc"]).args(recipients), SECRET.as_bytes());
    let text = String::from_utf8(sealed).unwrap().replace("\r\n", "\n").replace('\n', "\r\n");
    head(text.strip_prefix("MIME-Version: 1.0\r\n").unwrap())
}

#[test]
fn what_the_client_sealed_to_the_recipients_key_leaves_and_to_any_other_is_held() {
    let test = "client_sealed::what_the_client_sealed_to_the_recipients_key_leaves_and_to_any_other_is_held";
    if !peers::are_here(test, &["gpg", "gpg-agent", "openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let home = GnupgHome::make();
    let public = home.curve25519_person(CLAIRE);
    home.curve25519_person("mallory@example.com");
    let person = SmimePerson::make(folder.path(), CLAIRE, Algorithm::Rsa);
    let other = SmimePerson::make(folder.path(), "mallory@example.com", Algorithm::Rsa);
    let encrypt = |arguments: &[&str]| {
        let mut gpg = home.gpg();
        must(gpg.args(["--trust-model", "always", "--armor", "--output", "-"]).args(arguments), SECRET.as_bytes())
    };
    let to = |who: &[&str]| {
        let recipients: Vec<&str> = who.iter().flat_map(|who| ["--recipient", who]).collect();
        pgp_mime(&encrypt(&[&recipients[..], &["--encrypt"]].concat()))
    };
    let both = [person.certificate.as_path(), other.certificate.as_path()];
    let openpgp = [
        ("to the recipient", to(&[CLAIRE]), true),
        ("to another", to(&["mallory@example.com"]), false),
        ("to the recipient and another", to(&[CLAIRE, "mallory@example.com"]), false),
        ("to the recipient, hidden", pgp_mime(&encrypt(&["--hidden-recipient", CLAIRE, "--encrypt"])), false),
        ("with a password", pgp_mime(&encrypt(&["--passphrase", "x", "--symmetric"])), false),
    ];
    let smime = [
        ("to the recipient", smime(&both[..1]), true),
        ("to another", smime(&both[1..]), false),
        ("to the recipient and another", smime(&both), false),
    ];
    for (file, key, messages) in [("claire.asc", public, &openpgp[..]), ("claire.pem", person.certificate_pem(), &smime[..])] {
        let sink = Sink::start();
        let gate = Setup::towards(&sink).with_key(file, key).start();
        for (what, message, leaves) in messages {
            let reply = gate.submit(&[CLAIRE], message);
            assert_eq!(reply.code, 250, "{file}, {what}: {reply:?}");
            assert_eq!(!reply.text.contains("retenu"), *leaves, "{file}, {what}: {reply:?}\n{}", gate.log());
        }
        let mut taken = sink.wait_for(1, Duration::from_secs(20));
        taken.retain(|taken| taken.recipients == [CLAIRE]);
        assert_eq!(taken.len(), 1, "{file}: one leaves");
        let taken = taken.remove(0);
        assert!(taken.data.ends_with(&messages[0].1), "{file}: it leaves byte for byte");
        let opened = if file == "claire.asc" {
            let begin = memchr::memmem::find(&taken.data, b"-----BEGIN PGP MESSAGE").unwrap();
            must(home.gpg().arg("--decrypt"), &taken.data[begin..])
        } else {
            let file = gate.path("sealed.eml");
            std::fs::write(&file, &taken.data).unwrap();
            let mut openssl = Command::new("openssl");
            openssl.args(["cms", "-decrypt", "-in"]).arg(&file).arg("-recip").arg(&person.certificate);
            must(openssl.arg("-inkey").arg(&person.key), b"")
        };
        assert!(contains(&opened, b"Kirschblauwal"), "{file}");
    }
}
