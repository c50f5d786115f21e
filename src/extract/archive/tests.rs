//! What archives made by 7-Zip, Info-ZIP, xz, zstd, lzip, GNU tar, cpio, ar and genisoimage (and RAR headers made by hand) say.

use crate::extract::{Extracted, Limits, Reader, Reason, TextKind, extract_file};
use std::path::PathBuf;

const TOLD: &str = "1 85 05 78 006 084 91";

fn sample(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/documents/archives").join(name);
    std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn read(name: &str, octets: &[u8]) -> Extracted {
    extract_file(name, octets, &Limits::default(), &Reader::here())
}

fn says(extracted: &Extracted, wanted: &str) -> bool {
    extracted.texts.iter().any(|text| text.content.contains(wanted))
}

fn reasons(extracted: &Extracted) -> Vec<Reason> {
    extracted.unreadable.iter().map(|one| one.reason).collect()
}

#[test]
fn every_way_of_packing_is_undone() {
    for name in [
        "plain.7z",
        "ppmd.7z",
        "plain.zip",
        "deflate64.zip",
        "bzip2.zip",
        "lzma.zip",
        "xz.zip",
        "zstd.zip",
        "suivi.txt.gz",
        "suivi.txt.bz2",
        "two.bz2",
        "suivi.txt.xz",
        "two.xz",
        "suivi.txt.zst",
        "suivi.txt.lz",
        "suivi.txt.lzma",
        "ustar.tgz",
        "v7.tar.bz2",
        "gnu.tar.xz",
        "pax.tar.zst",
        "suivi.cpio",
        "suivi.a",
        "disc.iso.gz",
        "stored.cab",
    ] {
        let extracted = read(name, &sample(name));
        assert!(says(&extracted, TOLD), "{name}: {:?}", extracted.unreadable);
        assert_eq!(reasons(&extracted), [], "{name}");
    }
}

#[test]
fn second_members_streams_and_long_names_are_read() {
    for (name, wanted) in [
        ("plain.7z", "2 69 05 49 588 157 80"),
        ("plain.zip", "2 69 05 49 588 157 80"),
        ("ustar.tgz", "2 69 05 49 588 157 80"),
        ("two.bz2", "2 69 05 49 588 157 80"),
        ("two.xz", "2 69 05 49 588 157 80"),
        (
            "gnu.tar.xz",
            "tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom",
        ),
        (
            "pax.tar.zst",
            "tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom_tres_long_nom",
        ),
        ("plain.7z", "dossier été/annexe.txt"),
        ("disc.iso.gz", "suivi.txt"),
        ("stored5.rar", "Note : suivi de Claire Bonnet"),
        ("stored5.rar", "dossier été.txt"),
        ("stored5.rar", "fermé.txt"),
        ("stored4.rar", "1850578006084 91.txt"),
    ] {
        let extracted = read(name, &sample(name));
        assert!(says(&extracted, wanted), "{name}: {wanted}");
    }
}

#[test]
fn of_rar_the_stored_members_are_read_and_of_the_others_it_is_said_why_not() {
    for name in ["stored4.rar", "stored5.rar"] {
        let extracted = read(name, &sample(name));
        assert!(says(&extracted, TOLD), "{name}");
        assert_eq!(reasons(&extracted), [Reason::Unsupported, Reason::Password], "{name}");
    }
    for name in ["locked-names4.rar", "locked-names5.rar"] {
        assert_eq!(reasons(&read(name, &sample(name))), [Reason::Password], "{name}");
    }
}

const LOCKED: [&str; 6] =
    ["locked.zip", "locked-stream.zip", "locked-aes.zip", "locked-aes128.zip", "locked.7z", "locked-names.7z"];

/// A message with one attachment.
fn mail(name: &str, octets: &[u8], body: &str) -> Extracted {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(octets);
    let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let raw = format!(
        "From: a@example.org\r\nTo: b@example.org\r\nSubject: suivi\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: application/octet-stream; name={name}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n--b--\r\n",
        lines.join("\r\n")
    );
    let raw = crate::mail::RawMessage::new(raw.into_bytes()).unwrap();
    let parsed = crate::mime::parse(&raw, &crate::mime::Limits::default()).unwrap();
    crate::extract::extract(&parsed, &Limits::default(), &Reader::here())
}

#[test]
fn a_password_told_in_the_body_opens_what_is_attached_before_it() {
    for name in LOCKED {
        let told = mail(name, &sample(name), "Bonjour,\r\nle mot de passe est Soleil-2031.\r\nCordialement");
        assert!(says(&told, TOLD), "{name}: {:?}", told.unreadable);
        assert_eq!((reasons(&told), told.opened.is_empty()), (Vec::new(), false), "{name}");
    }
}

#[test]
fn without_its_password_a_locked_archive_is_unreadable() {
    for name in LOCKED {
        for body in ["Bonjour", "mdp Lune-2032"] {
            let untold = mail(name, &sample(name), body);
            assert!(!says(&untold, TOLD) && untold.opened.is_empty(), "{name}");
            assert_eq!(reasons(&untold), [Reason::Password], "{name}: {body}");
        }
    }
}

#[test]
fn an_archive_behind_a_program_or_a_picture_is_found() {
    let program = [&b"\x7fELF\x02\x01\x01\0"[..], &[0x90; 4000]].concat();
    let picture = [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01"[..], &[7; 300]].concat();
    for front in [program, picture] {
        for name in ["plain.7z", "plain.zip", "stored5.rar", "stored4.rar"] {
            let extracted = read("a.bin", &[&front[..], &sample(name)].concat());
            assert!(says(&extracted, TOLD), "{name}");
        }
    }
}

#[test]
fn damaged_archives_never_pass_for_read_and_never_break_the_reader() {
    let mut dice = 0x2545_f491_4f6c_dd1du64;
    let mut roll = |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice % sides as u64) as usize
    };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/documents/archives");
    for path in std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|ending| ending != "toml"))
    {
        let octets = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for _ in 0..30 {
            let mut broken = octets.clone();
            for _ in 0..1 + roll(8) {
                let at = roll(broken.len());
                broken[at] = roll(256) as u8;
            }
            if roll(3) == 0 {
                broken.truncate(roll(broken.len()) + 1);
            }
            let extracted = read(&name, &broken);
            let any = extracted.texts.iter().any(|text| text.kind != TextKind::FileName) || !extracted.unreadable.is_empty();
            assert!(any || extracted.files.len() > 1 || broken.len() < 64, "{name}: nothing is said of it");
        }
    }
}
