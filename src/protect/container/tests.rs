//! Containers are opened by other people's programs, and by nothing but their password.

use super::*;
use crate::mail::RawMessage;
use std::path::Path;
use std::process::{Command, Output};

const SECRET: &str = "k7q2-9fmd-x3wa-htz8-c4rn";
const WRONG: &str = "k7q2-9fmd-x3wa-htz8-c4rm";
const CANARY: &str = "kanarienvogel";

fn message() -> RawMessage {
    let attachment = "UEsDBAoAAAAAAA==";
    let text = format!(
        "Received: by gate.example.org id 1; Sat, 21 Nov 2026 12:00:00 +0000\r\nFrom: =?utf-8?Q?Alice_Martin?= <alice@example.org>\r\n\
         To: Nobody <nobody@example.net>\r\nSubject: =?utf-8?Q?R=C3=A9union_{CANARY}?=\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\
         Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n\
         --b1\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n--b2\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\nChère {CANARY}.\r\n--b2\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         <script>alert(1)</script><p>Ch&egrave;re \"{CANARY}\" <img src=\"cid:p@1\"></p>\r\n--b2--\r\n\
         --b1\r\nContent-Type: image/png\r\nContent-ID: <p@1>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n\
         --b1\r\nContent-Type: application/octet-stream; name=\"../{CANARY}.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{attachment}\r\n\
         --b1\r\nContent-Type: application/octet-stream; name=\"../{CANARY}.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{attachment}\r\n\
         --b1\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nattached {CANARY}\r\n--b1--\r\n"
    );
    RawMessage::new(text.into_bytes()).unwrap()
}

fn password(text: &str) -> Password {
    Password::kept(Zeroizing::new(text.to_owned()), Language::Fr)
}

/// The file in a folder of its own.
fn locked(form: Form) -> (tempfile::TempDir, Vec<u8>) {
    let contents = Contents::of(&message(), Language::Fr).unwrap();
    let locked = lock(&contents, form, &password(SECRET)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(form.file_name()), locked.as_bytes()).unwrap();
    (folder, locked.octets)
}

fn is_here(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !here {
        assert!(std::env::var_os("POSTERN_REQUIRE_PEERS").is_none(), "{program} is required");
        println!("LEFT OUT a container: not installed: {program}");
    }
    here
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(folder).stdin(std::process::Stdio::null()).output().unwrap()
}

fn must(folder: &Path, program: &str, arguments: &[&str]) {
    let output = run(folder, program, arguments);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

fn tells_nothing(octets: &[u8]) {
    let lower = octets.to_ascii_lowercase();
    let utf16: Vec<u8> = CANARY.bytes().flat_map(|b| [0, b]).collect();
    for word in [CANARY.as_bytes(), b"message.eml", b"message.html", b"attachment.", &utf16] {
        assert!(memchr::memmem::find(&lower, word).is_none(), "{}", String::from_utf8_lossy(word));
    }
}

fn holds_everything(folder: &Path) {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(read("message.eml"), message().as_bytes(), "the message is not the one that was sent");
    for name in [&format!("_{CANARY}.bin"), &format!("_{CANARY}-2.bin")] {
        assert_eq!(read(name), b"PK\x03\x04\x0a\0\0\0\0\0");
    }
    assert_eq!(read("attachment.eml"), format!("Subject: inner\r\n\r\nattached {CANARY}").as_bytes());
    assert_eq!(read("attachment.png"), b"\x89PNG\r\n\x1a\n");
    let page = String::from_utf8(read("message.html")).unwrap();
    assert!(page.contains(&format!("<h1>Réunion {CANARY}</h1>")) && page.contains("Alice Martin &lt;alice@example.org&gt;"));
    // Of the alternatives the page shows the HTML, which can do nothing: it stands in an attribute.
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
    assert!(page.contains("data:image/png;base64,iVBORw0KGgo=") && !page.contains("cid:"));
}

#[test]
fn seven_zip_and_libarchive_open_the_archive_with_its_password_only() {
    let (folder, octets) = locked(Form::Zip);
    tells_nothing(&octets);
    // AE-2 (vendor version 2) of AES-256 (3), stored; the checksum of the clear text is not there.
    let extra = memchr::memmem::find(&octets, b"\x01\x99\x07\x00").unwrap();
    assert_eq!(&octets[extra + 4..extra + 11], b"\x02\x00AE\x03\x00\x00");
    let central = memchr::memmem::find(&octets, b"PK\x01\x02").unwrap();
    assert_eq!(&octets[central + 16..central + 20], [0; 4]);
    for program in ["7z", "bsdtar"] {
        if !is_here(program) {
            continue;
        }
        let unpack = |password: &str, to: &str| {
            std::fs::create_dir_all(folder.path().join(to)).unwrap();
            let (into, word) = (format!("-o{to}"), format!("-p{password}"));
            match program {
                "7z" => run(folder.path(), program, &["x", "-y", &into, &word, "message.zip"]),
                _ => run(folder.path(), program, &["-C", to, "--passphrase", password, "-xf", "message.zip"]),
            }
        };
        assert!(!unpack(WRONG, "wrong").status.success(), "{program} opened it with a wrong password");
        let opened = unpack(SECRET, program);
        assert!(opened.status.success(), "{program}: {}", String::from_utf8_lossy(&opened.stderr));
        let inner = folder.path().join(format!("inner-{program}"));
        std::fs::create_dir_all(&inner).unwrap();
        let archive = format!("../{program}/message.zip");
        let arguments: &[&str] = if program == "7z" { &["x", "-y", &archive] } else { &["-xf", &archive] };
        must(&inner, program, arguments);
        holds_everything(&inner);
    }
}

#[test]
fn qpdf_opens_the_document_with_its_password_only() {
    let (folder, octets) = locked(Form::Pdf);
    tells_nothing(&octets);
    assert!(octets.starts_with(b"%PDF-2.0"));
    if !is_here("qpdf") {
        return;
    }
    let with = format!("--password={SECRET}");
    must(folder.path(), "qpdf", &[&with, "--check", "message.pdf"]);
    assert!(!run(folder.path(), "qpdf", &[&format!("--password={WRONG}"), "--check", "message.pdf"]).status.success());
    assert!(!run(folder.path(), "qpdf", &["--check", "message.pdf"]).status.success());
    let shown = run(folder.path(), "qpdf", &[&with, "--show-encryption", "message.pdf"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("R = 6") && shown.contains("stream encryption method: AESv3"), "{shown}");
    let listed = run(folder.path(), "qpdf", &[&with, "--list-attachments", "--verbose", "message.pdf"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for name in ["message.eml", "message.html", CANARY] {
        assert!(listed.contains(name), "{listed}");
    }
    let contents = Contents::of(&message(), Language::Fr).unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir_all(&out).unwrap();
    for (number, file) in contents.files.iter().enumerate() {
        let shown = run(folder.path(), "qpdf", &[&with, &format!("--show-attachment={number:05}"), "message.pdf"]);
        assert!(shown.status.success());
        std::fs::write(out.join(&file.name), shown.stdout).unwrap();
    }
    holds_everything(&out);
}

#[test]
fn the_letter_says_how_to_open_it_and_nothing_else() {
    for (form, language, word) in [
        (Form::Zip, Language::Fr, "mot de passe"),
        (Form::Zip, Language::En, "password"),
        (Form::Pdf, Language::Fr, "lecteur de PDF"),
        (Form::Pdf, Language::En, "PDF reader"),
    ] {
        let contents = Contents::of(&message(), Language::Fr).unwrap();
        let locked = lock(&contents, form, &password(SECRET)).unwrap();
        let mut entity = b"From: a@example.org\r\nMIME-Version: 1.0\r\n".to_vec();
        write_entity(&locked, language, &mut entity);
        assert!(entity.is_ascii() && entity.split(|b| *b == b'\n').all(|line| line.len() <= 998));
        let raw = RawMessage::new(entity).unwrap();
        let read = crate::mime::parse(&raw, &crate::mime::Limits::default()).unwrap();
        let leaves: Vec<_> = read.leaves().collect();
        assert_eq!(leaves.len(), 2);
        let text = leaves[0].text(&raw).0.into_owned();
        assert!(text.contains(word) && !text.contains(SECRET) && !text.contains(CANARY), "{text}");
        assert_eq!(leaves[1].decoded(&raw).0, locked.as_bytes());
        assert_eq!(leaves[1].file_name.as_deref(), Some(form.file_name()));
    }
}

#[test]
fn two_files_of_one_message_have_nothing_in_common() {
    let contents = Contents::of(&message(), Language::Fr).unwrap();
    for form in [Form::Zip, Form::Pdf] {
        let [one, two] = [0, 1].map(|_| lock(&contents, form, &password(SECRET)).unwrap().octets);
        assert_ne!(one, two);
    }
}
