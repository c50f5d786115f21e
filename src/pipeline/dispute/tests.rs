//! What an answer is good for, and what it is not: the same message however a client wraps it, and no other.

use super::*;
use crate::extract::{Limits, Reader, extract};

const PLAIN: &str = "Bonjour,\r\n\r\nLe dossier 1 85 05 78 006 084 91 de la rentr=C3=A9e est joint, avec les pi=C3=A8ces que vous avez demand=C3=A9es.\r\n-- \r\nAlice\r\n";

fn key() -> hmac::Key {
    key_of(b"a key of this test")
}

fn digest(text: &str) -> [u8; 32] {
    let raw = RawMessage::new(text.as_bytes()).unwrap();
    let message = mime::parse(&raw, &mime::Limits::default()).unwrap_or_else(|why| panic!("{why}\n{text}"));
    content(&message, &extract(&message, &Limits::default(), &Reader::here()), &key())
}

fn head(more: &str) -> String {
    format!(
        "From: alice@example.org\r\nTo: b@example.net\r\nSubject: Dossier de rentr\u{e9}e\r\nDate: Sun, 22 Nov 2026 10:00:00 +0100\r\n\
         Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n{more}"
    )
}

fn quoted(body: &str) -> String {
    head(&format!("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{body}"))
}

/// Text, HTML, and a file: what most clients send.
fn mixed(boundary: &str, text: &str, html: &str, file: &str) -> String {
    let inner = format!("{boundary}-2");
    head(&format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\nContent-Type: multipart/alternative; \
         boundary=\"{inner}\"\r\n\r\n--{inner}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n--{inner}\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--{inner}--\r\n--{boundary}\r\nContent-Type: application/octet-stream; \
         name=\"liste.bin\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"liste.bin\"\r\n\r\n{file}\r\n\
         --{boundary}--\r\n"
    ))
}

const HTML: &str = "<html><body><p>Le <b>dossier</b> est joint.</p><img src=\"cid:image001.png@01DC5B2A\"></body></html>";

#[test]
fn a_message_that_a_client_wraps_anew_holds_the_same() {
    let first = quoted(PLAIN);
    let whole = String::from(
        "Bonjour,\r\n\r\nLe dossier 1 85 05 78 006 084 91 de la rentr\u{e9}e est joint, avec les pi\u{e8}ces que vous avez demand\u{e9}es.\r\n-- \r\nAlice\r\n",
    );
    let eight =
        format!("Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{whole}");
    let flowed = eight.replace(" est joint, avec", " est joint, \r\navec");
    let base64 = {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(&whole);
        format!("Content-Type: text/plain; charset=\"UTF-8\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n")
    };
    let mixed_first = mixed("b1", "Le dossier est joint.", HTML, "AAECAwQF");
    let outlook = HTML
        .replace("<p>", "<p class=\"MsoNormal\">\r\n")
        .replace("01DC5B2A", "01DC9F11")
        .replace("<html>", "<html xmlns:o=\"x\">");
    let outlook = outlook.replace("</b> est", "</b>\r\nest");
    for (name, first, again) in [
        ("another Date and Message-ID", &first, first.replace("10:00:00", "10:07:31").replace("<1@", "<2@")),
        (
            "the words in brackets in front",
            &first,
            first.replace("Subject: ", "Subject: [confirme PST-7F3A2CQX9KMD accord du chef] "),
        ),
        ("the words in brackets behind", &first, first.replace("e\r\nDate", "e [examen PST-7F3A2CQX9KMD]\r\nDate")),
        ("an encoded Subject", &first, first.replace("Dossier de rentr\u{e9}e", "=?utf-8?q?Dossier_de_rentr=C3=A9e?=")),
        (
            "other client's header fields",
            &first,
            first.replace("MIME-Version", "X-Mailer: other\r\nUser-Agent: z\r\nMIME-Version"),
        ),
        ("8bit instead of quoted-printable", &first, head(&eight)),
        ("wrapped as format=flowed", &first, head(&flowed)),
        ("base64", &first, head(&base64)),
        ("another boundary", &mixed_first, mixed("=_other", "Le dossier est joint.", HTML, "AAECAwQF")),
        ("base64 in other lines", &mixed_first, mixed("b1", "Le dossier est joint.", HTML, "AAEC\r\nAwQF")),
        ("HTML written anew by Outlook", &mixed_first, mixed("b1", "Le dossier \r\nest joint.\r\n", &outlook, "AAECAwQF")),
    ] {
        assert_eq!(digest(first), digest(&again), "{name}\n{again}");
    }
}

#[test]
fn a_message_that_says_or_carries_something_else_is_another() {
    let first = quoted(PLAIN);
    let mixed_first = mixed("b1", "Le dossier est joint.", HTML, "AAECAwQF");
    for (name, first, again) in [
        ("another number", &first, first.replace("084 91", "084 92")),
        ("another Subject", &first, first.replace("Dossier de", "Dossiers de")),
        ("a word more", &first, first.replace("Alice\r\n", "Alice Martin\r\n")),
        ("another file", &mixed_first, mixed("b1", "Le dossier est joint.", HTML, "AAECAwQG")),
        ("another name of the file", &mixed_first, mixed_first.replace("liste.bin", "listf.bin")),
        ("another HTML", &mixed_first, mixed("b1", "Le dossier est joint.", &HTML.replace("dossier", "contrat"), "AAECAwQF")),
        ("no file", &mixed_first, quoted("Le dossier est joint.")),
        (
            "a text that is a file",
            &first,
            first.replace("Content-Type: text/plain;", "Content-Type: text/plain; name=\"x.txt\";"),
        ),
        (
            "ciphertext for a body",
            &first,
            first.replace("Bonjour,", "-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----"),
        ),
    ] {
        assert_ne!(digest(first), digest(&again), "{name}\n{again}");
    }
    assert_ne!(digest(&first), {
        let raw = RawMessage::new(first.as_bytes()).unwrap();
        let message = mime::parse(&raw, &mime::Limits::default()).unwrap();
        content(&message, &extract(&message, &Limits::default(), &Reader::here()), &key_of(b"another"))
    });
}

#[test]
fn words_in_brackets_inside_what_the_client_signed_are_seen() {
    let signed = |inner: &str| {
        head(&format!(
            "Content-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"; micalg=pgp-sha256\r\n\r\n--b\r\n\
             {inner}Content-Type: text/plain\r\n\r\nx\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
        ))
    };
    let limits = mime::Limits::default();
    for (text, expected) in [
        (signed(""), false),
        (signed("Subject: Dossier\r\n"), false),
        (signed("Subject: [confirme PST-7F3A2CQX9KMD] Dossier\r\n"), true),
        (signed("Subject: =?utf-8?q?=5Bexamen_PST-7F3A2CQX9KMD=5D?=\r\n"), true),
        (quoted("x").replace("Subject: ", "Subject: [confirme PST-7F3A2CQX9KMD] "), false),
    ] {
        assert_eq!(is_tag_signed(&RawMessage::new(text.as_bytes()).unwrap(), &limits), expected, "{text}");
    }
}

#[test]
fn only_different_versions_of_something_alike_are_counted() {
    let past = |rows: &[(u8, u8)]| -> Vec<PastRefusal> {
        rows.iter().map(|(likeness, version)| PastRefusal { likeness: [*likeness; 16], version: [*version; 16] }).collect()
    };
    for (rows, likeness, refused, versions) in [
        (&[][..], &[1][..], false, 0),
        (&[(1, 1)], &[2], false, 0),
        (&[(1, 1)], &[1], true, 1),
        // The same message again and again, to two recipients.
        (&[(1, 1), (2, 1), (1, 1), (2, 1), (1, 1)], &[1, 2], true, 1),
        (&[(1, 1), (1, 2), (1, 3), (9, 4)], &[1], true, 3),
    ] {
        let likeness: Vec<[u8; 16]> = likeness.iter().map(|one| [*one; 16]).collect();
        assert_eq!(alike(&past(rows), &likeness), Alike { refused, versions }, "{rows:?}");
    }
}
