//! Foreign programs open what the gate sealed and check the seal inside: the entity is what was submitted.

use super::gate::{ALICE, Gate, Setup, certificates_in, contains, files_below};
use super::peers::{self, must};
use super::people::{Algorithm, GnupgHome, SmimePerson};
use super::sink::Sink;
use mail_parser::MimeHeaders;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub const RECIPIENT: &str = "claire@example.net";
const SUBJECT: &str = "Dossier Kirschblauwal";
/// Asks for encryption: the number is invented, its key is right.
const TEXT: &str =
    "Bonjour,\r\n\r\nnuméro de sécurité sociale : 2 85 05 75 116 203 01\r\n.\r\n  des blancs à la fin  \r\n\r\nÀ bientôt\r\n";

fn table() -> Vec<u8> {
    (1..200).map(|n| format!("{n};Zwetschgenknödel;é\r\n")).collect::<String>().into_bytes()
}

pub fn message(to: &str) -> Vec<u8> {
    use base64::Engine;
    assert!(TEXT.contains(&nir("2850575116203")), "{}", nir("2850575116203"));
    let table = base64::engine::general_purpose::STANDARD.encode(table());
    let table: Vec<&str> = table.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "Date: {}\r\nFrom: Alice Martin <{ALICE}>\r\nTo: <{to}>\r\nSubject: {SUBJECT}\r\nMessage-ID: <sealed@client.example.org>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"part-1\"\r\n\r\n--part-1\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{TEXT}\r\n--part-1\r\n\
         Content-Type: text/plain; charset=utf-8; name=\"table.txt\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"table.txt\"\r\n\r\n{}\r\n--part-1--\r\n",
        now(),
        table.join("\r\n")
    )
    .into_bytes()
}

/// As on the card, with its key 97 - n mod 97.
pub fn nir(thirteen: &str) -> String {
    let number: u64 = thirteen.parse().expect("13 digits");
    let d = thirteen;
    format!("{} {} {} {} {} {} {:02}", &d[..1], &d[1..3], &d[3..5], &d[5..7], &d[7..10], &d[10..13], 97 - number % 97)
}

fn now() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    mail_parser::DateTime::from_timestamp(now.as_secs() as i64).to_rfc822()
}

/// Submits the message for one recipient who has this key, and returns what the upstream received, with the gate.
fn sealed_with(file: &str, key: Vec<u8>) -> (Gate, Vec<u8>) {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).with_key(file, key).start();
    let reply = gate.submit(&[RECIPIENT], &message(RECIPIENT));
    assert_eq!(reply.code, 250, "{reply:?}\n{}", gate.log());
    let taken = sink.wait_for(1, Duration::from_secs(20)).remove(0);
    assert_eq!(taken.recipients, [RECIPIENT]);
    for (what, canary) in [("Subject", "Kirschblauwal"), ("text", "bient"), ("number", "85 05 75"), ("file name", "table.txt")]
    {
        assert!(!contains(&taken.data, canary.as_bytes()), "the {what} is in clear\n{}", String::from_utf8_lossy(&taken.data));
    }
    let outer = mail_parser::MessageParser::default().parse(&taken.data).expect("a message");
    assert_eq!(outer.subject(), Some("[...]"));
    (gate, taken.data)
}

/// The decrypted entity carries what was submitted: subject, text and attachment, octet for octet.
fn is_what_was_submitted(entity: &[u8]) {
    let shown = String::from_utf8_lossy(entity);
    let parsed = mail_parser::MessageParser::default().parse(entity).unwrap_or_else(|| panic!("no entity: {shown}"));
    assert_eq!(parsed.subject(), Some(SUBJECT), "the protected Subject\n{shown}");
    assert!(shown.contains("hp=\"cipher\"") && shown.contains("protected-headers=\"v1\""), "{shown}");
    let texts: Vec<String> =
        (0..parsed.text_body.len()).filter_map(|n| parsed.body_text(n)).map(|text| text.replace("\r\n", "\n")).collect();
    let wanted = TEXT.replace("\r\n", "\n");
    assert!(
        texts.iter().any(|text| text.trim_end_matches('\n').ends_with(wanted.trim_end_matches('\n'))),
        "{texts:?}\n{shown}"
    );
    let file = parsed.attachments().find(|part| part.attachment_name() == Some("table.txt")).expect("the attachment");
    assert_eq!(file.contents(), table());
}

/// The certificate of the gate's own authority, which seals are checked against, in a file without its key.
fn authority(gate: &Gate) -> PathBuf {
    let files = files_below(&gate.path("data"));
    let certificate = gate.path("believed-authority.pem");
    for found in files.iter().filter_map(|file| certificates_in(file)) {
        std::fs::write(&certificate, found).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-noout", "-ext", "basicConstraints", "-in"]).arg(&certificate);
        let output = peers::run(&mut openssl, b"", Duration::from_secs(10));
        if String::from_utf8_lossy(&output.stdout).contains("CA:TRUE") {
            return certificate;
        }
    }
    panic!("no authority among {files:?}");
}

fn openssl_decrypt(gate: &Gate, sealed: &[u8], person: &SmimePerson) -> Vec<u8> {
    let file = gate.path("sealed.eml");
    std::fs::write(&file, sealed).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["cms", "-decrypt", "-in"]).arg(&file).arg("-recip").arg(&person.certificate).arg("-inkey").arg(&person.key);
    must(&mut openssl, b"")
}

/// Checks the seal inside against the gate's authority and for alice's address; returns what it covers.
fn openssl_verify(gate: &Gate, signed: &[u8]) -> Vec<u8> {
    let (file, signer) = (gate.path("signed.eml"), gate.path("signer.pem"));
    std::fs::write(&file, signed).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["cms", "-verify", "-in"]).arg(&file).arg("-CAfile").arg(authority(gate));
    let entity = must(openssl.args(["-purpose", "smimesign", "-signer"]).arg(&signer), b"");
    let mut openssl = Command::new("openssl");
    let addresses = must(openssl.args(["x509", "-noout", "-email", "-in"]).arg(&signer), b"");
    assert!(contains(&addresses, ALICE.as_bytes()), "{}", String::from_utf8_lossy(&addresses));
    entity
}

fn opened_by_openssl(test: &str, algorithm: Algorithm) {
    if !peers::are_here(test, &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let person = SmimePerson::make(folder.path(), RECIPIENT, algorithm);
    let (gate, sealed) = sealed_with("claire.pem", person.certificate_pem());
    let signed = openssl_decrypt(&gate, &sealed, &person);
    let entity = openssl_verify(&gate, &signed);
    is_what_was_submitted(&entity);
    // The seal is a seal: one octet of the content changed, and it is broken.
    let mut altered = signed.clone();
    let at = memchr::memmem::find(&altered, b"part-1").or_else(|| memchr::memmem::find(&altered, b"\r\n\r\n")).unwrap() + 4;
    altered[at] ^= 1;
    let file = gate.path("altered.eml");
    std::fs::write(&file, altered).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["cms", "-verify", "-in"]).arg(&file).arg("-CAfile").arg(authority(&gate)).args(["-out", "/dev/null"]);
    assert!(!peers::run(&mut openssl, b"", Duration::from_secs(10)).status.success(), "an altered seal was believed");
}

#[test]
fn openssl_decrypts_and_verifies_what_was_sealed_to_an_rsa_certificate() {
    opened_by_openssl("readers::openssl_decrypts_and_verifies_what_was_sealed_to_an_rsa_certificate", Algorithm::Rsa);
}

#[test]
fn openssl_decrypts_and_verifies_what_was_sealed_to_a_p256_certificate() {
    opened_by_openssl("readers::openssl_decrypts_and_verifies_what_was_sealed_to_a_p256_certificate", Algorithm::P256);
}

/// The CMS structure of an application/pkcs7-mime message, or the last one of several: the outermost signature.
pub fn der_of(sealed: &[u8]) -> Vec<u8> {
    let parsed = mail_parser::MessageParser::default().parse(sealed).expect("a message");
    parsed.parts.iter().rfind(|part| part.contents().first() == Some(&0x30)).expect("a CMS structure").contents().to_vec()
}

/// NSS decrypts, and finds the seal good under this authority; the entity that it covers, or what it objected to.
fn nss_opens(sealed: &[u8], person: &SmimePerson, authority: &Path) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sql:{}", folder.path().display());
    must(Command::new("certutil").args(["-N", "--empty-password", "-d", &database]), b"");
    must(Command::new("pk12util").args(["-W", "x", "-K", "", "-d", &database, "-i"]).arg(person.pkcs12()), b"");
    must(Command::new("certutil").args(["-A", "-n", "authority", "-t", ",C,", "-d", &database, "-i"]).arg(authority), b"");
    let opened = must(Command::new("cmsutil").args(["-D", "-d", &database]), &der_of(sealed));
    let check = |cms: &[u8], content: Option<&[u8]>| {
        let mut cmsutil = Command::new("cmsutil");
        cmsutil.args(["-D", "-n", "-h", "0", "-d", &database]);
        if let Some(content) = content {
            std::fs::write(folder.path().join("content"), content).unwrap();
            cmsutil.arg("-c").arg(folder.path().join("content"));
        }
        let output = peers::run(&mut cmsutil, cms, Duration::from_secs(30));
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if said.contains("GoodSignature") { Ok(()) } else { Err(said) }
    };
    match Signed::of(&opened) {
        Signed::Detached { content, signature } => check(&signature, Some(&content)).map(|()| content),
        Signed::Opaque { cms } => check(&cms, None).map(|()| must(Command::new("cmsutil").args(["-D", "-d", &database]), &cms)),
    }
}

/// The same by gpgsm.
fn gpgsm_opens(sealed: &[u8], person: &SmimePerson, authority: &Path) -> Result<Vec<u8>, String> {
    let home = GnupgHome::make();
    home.import_into_gpgsm(|| person.pkcs12()).expect("gpgsm takes the key");
    // gpgsm believes an authority by its fingerprint in this list.
    let mut openssl = Command::new("openssl");
    let print = must(openssl.args(["x509", "-noout", "-fingerprint", "-sha1", "-in"]).arg(authority), b"");
    let print = String::from_utf8_lossy(&print).rsplit('=').next().unwrap_or("").trim().replace(':', "");
    std::fs::write(home.path("trustlist.txt"), format!("{print} S relax\n")).unwrap();
    must(Command::new("gpgconf").arg("--homedir").arg(home.path("")).args(["--kill", "gpg-agent"]), b"");
    must(home.gpgsm().arg("--import").arg(authority), b"");
    let opened = must(home.gpgsm().arg("--decrypt"), &der_of(sealed));
    let mut gpgsm = home.gpgsm();
    gpgsm.args(["--status-fd", "2"]);
    let (input, content) = match Signed::of(&opened) {
        Signed::Detached { content, signature } => {
            std::fs::write(home.path("content"), &content).unwrap();
            std::fs::write(home.path("signature"), &signature).unwrap();
            gpgsm.arg("--verify").arg(home.path("signature")).arg(home.path("content"));
            (Vec::new(), Some(content))
        }
        Signed::Opaque { cms } => {
            gpgsm.arg("--output").arg(home.path("content")).arg("--verify");
            (cms, None)
        }
    };
    let output = peers::run(&mut gpgsm, &input, Duration::from_secs(30));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !said.contains("[GNUPG:] GOODSIG") || !said.contains("[GNUPG:] TRUST_FULLY") {
        return Err(said);
    }
    Ok(content.unwrap_or_else(|| std::fs::read(home.path("content")).unwrap()))
}

#[test]
fn nss_cmsutil_decrypts_and_verifies_what_was_sealed() {
    if !peers::are_here(
        "readers::nss_cmsutil_decrypts_and_verifies_what_was_sealed",
        &["cmsutil", "certutil", "pk12util", "openssl"],
    ) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let person = SmimePerson::make(folder.path(), RECIPIENT, Algorithm::Rsa);
    let (gate, sealed) = sealed_with("claire.pem", person.certificate_pem());
    is_what_was_submitted(&nss_opens(&sealed, &person, &authority(&gate)).unwrap());
}

#[test]
fn gpgsm_decrypts_and_verifies_what_was_sealed() {
    if !peers::are_here("readers::gpgsm_decrypts_and_verifies_what_was_sealed", &["gpgsm", "gpg-agent", "openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let person = SmimePerson::make(folder.path(), RECIPIENT, Algorithm::Rsa);
    let (gate, sealed) = sealed_with("claire.pem", person.certificate_pem());
    is_what_was_submitted(&gpgsm_opens(&sealed, &person, &authority(&gate)).unwrap());
}

/// The two forms of a signed S/MIME entity (RFC 8551 §3.5).
pub enum Signed {
    Detached { content: Vec<u8>, signature: Vec<u8> },
    Opaque { cms: Vec<u8> },
}

impl Signed {
    pub fn of(entity: &[u8]) -> Signed {
        let parsed = mail_parser::MessageParser::default().parse(entity).expect("an entity");
        let kind = parsed.root_part().content_type().expect("a type");
        if kind.subtype() != Some("signed") {
            return Signed::Opaque { cms: der_of(entity) };
        }
        let boundary = format!("--{}", kind.attribute("boundary").expect("a boundary"));
        let edges: Vec<usize> = memchr::memmem::find_iter(entity, boundary.as_bytes()).collect();
        // RFC 2046 §5.1.1: the line end before a boundary belongs to the boundary.
        let line_end = if entity[..edges[1]].ends_with(b"\r\n") { 2 } else { 1 };
        let first = edges[0] + boundary.len();
        let begin = first + memchr::memchr(b'\n', &entity[first..]).expect("a line end") + 1;
        let content = entity[begin..edges[1] - line_end].to_vec();
        // Readers are given CRLF, whatever their own tool printed.
        let content =
            if line_end == 2 { content } else { String::from_utf8_lossy(&content).replace('\n', "\r\n").into_bytes() };
        Signed::Detached { content, signature: der_of(entity) }
    }
}

fn opened_by_gpg(test: &str, make: impl Fn(&GnupgHome) -> Vec<u8>) {
    if !peers::are_here(test, &["gpg", "gpg-agent"]) {
        return;
    }
    let home = GnupgHome::make();
    let (gate, sealed) = sealed_with("claire.asc", make(&home));
    let parsed = mail_parser::MessageParser::default().parse(&sealed).expect("a message");
    // RFC 3156 §4: the first part says the version, the second is the OpenPGP message.
    let kinds: Vec<&str> = parsed.parts.iter().filter_map(|part| part.content_type()?.subtype()).collect();
    assert_eq!(kinds, ["encrypted", "pgp-encrypted", "octet-stream"]);
    let armored = parsed.parts[2].contents();
    let output = peers::run(home.gpg().args(["--status-fd", "2", "--decrypt"]), armored, Duration::from_secs(30));
    let status = String::from_utf8_lossy(&output.stderr);
    assert!(status.contains("[GNUPG:] DECRYPTION_OKAY") && status.contains("[GNUPG:] GOODMDC"), "{status}");
    assert!(!status.contains("BADSIG"), "{status}");
    is_what_was_submitted(&output.stdout);
    drop(gate);
}

#[test]
fn gpg_decrypts_what_was_sealed_to_a_curve25519_key() {
    opened_by_gpg("readers::gpg_decrypts_what_was_sealed_to_a_curve25519_key", |home| home.curve25519_person(RECIPIENT));
}

#[test]
fn gpg_decrypts_what_was_sealed_to_an_rsa_key() {
    opened_by_gpg("readers::gpg_decrypts_what_was_sealed_to_an_rsa_key", |home| home.person(RECIPIENT, Algorithm::Rsa));
}

/// The readers are checked too: each opens what OpenSSL signed and sealed, and objects when the seal is another's.
#[test]
fn every_smime_reader_opens_what_openssl_sealed_and_objects_to_another_authority() {
    let test = "readers::every_smime_reader_opens_what_openssl_sealed_and_objects_to_another_authority";
    if !peers::are_here(test, &["openssl", "cmsutil", "certutil", "pk12util", "gpgsm", "gpg-agent"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let person = SmimePerson::make(folder.path(), RECIPIENT, Algorithm::Rsa);
    let [ours, other] = ["ours", "other"].map(|name| {
        let (certificate, key) = (folder.path().join(format!("{name}.pem")), folder.path().join(format!("{name}.key")));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", &format!("/CN={name}")]);
        openssl.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        must(openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate), b"");
        (certificate, key)
    });
    let (leaf, leaf_key, request) = (folder.path().join("l.pem"), folder.path().join("l.key"), folder.path().join("l.csr"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=alice"]);
    openssl.args(["-addext", &format!("subjectAltName=email:{ALICE}"), "-addext", "extendedKeyUsage=emailProtection"]);
    must(openssl.args(["-addext", "keyUsage=digitalSignature"]).arg("-keyout").arg(&leaf_key).arg("-out").arg(&request), b"");
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-req", "-days", "30", "-set_serial", "77", "-copy_extensions", "copyall", "-in"]).arg(&request);
    must(openssl.arg("-CA").arg(&ours.0).arg("-CAkey").arg(&ours.1).arg("-out").arg(&leaf), b"");
    for form in [&["-binary", "-crlfeol"][..], &["-binary", "-nodetach", "-crlfeol"]] {
        let mut openssl = Command::new("openssl");
        openssl.args(["cms", "-sign"]).args(form).arg("-signer").arg(&leaf).arg("-inkey").arg(&leaf_key);
        let signed = must(&mut openssl, b"Content-Type: text/plain\r\n\r\nhello\r\n");
        let sealed = must(Command::new("openssl").args(["cms", "-encrypt", "-aes-256-cbc"]).arg(&person.certificate), &signed);
        for (reader, opens) in [("NSS", nss_opens as fn(&[u8], &SmimePerson, &Path) -> _), ("gpgsm", gpgsm_opens)] {
            let opened: Result<Vec<u8>, String> = opens(&sealed, &person, &ours.0);
            assert!(contains(&opened.unwrap_or_else(|said| panic!("{reader}: {said}")), b"hello"), "{reader}");
            assert!(opens(&sealed, &person, &other.0).is_err(), "{reader} believed a seal under another authority");
        }
    }
}

#[test]
fn a_person_made_by_openssl_can_open_what_openssl_sealed() {
    if !peers::are_here("readers::a_person_made_by_openssl_can_open_what_openssl_sealed", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (algorithm, name) in [(Algorithm::Rsa, "rsa@example.net"), (Algorithm::P256, "ec@example.net")] {
        let person = SmimePerson::make(folder.path(), name, algorithm);
        let mut openssl = Command::new("openssl");
        let sealed =
            must(openssl.args(["cms", "-encrypt", "-aes-256-cbc"]).arg(&person.certificate), b"Subject: x\r\n\r\nhello\r\n");
        let file = folder.path().join("sealed");
        std::fs::write(&file, sealed).unwrap();
        let mut openssl = Command::new("openssl");
        openssl
            .args(["cms", "-decrypt", "-in"])
            .arg(&file)
            .arg("-recip")
            .arg(&person.certificate)
            .arg("-inkey")
            .arg(&person.key);
        assert!(contains(&must(&mut openssl, b""), b"hello"));
        assert!(Path::new(&person.pkcs12()).is_file());
    }
}
