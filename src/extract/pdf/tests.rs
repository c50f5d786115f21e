//! What documents made by ReportLab, changed by qpdf, and some made by hand say.

use crate::extract::{Extracted, Limits, Reader, Reason, extract_file};
use std::path::PathBuf;

const TOLD: &str = "1 85 05 78 006 084 91";

fn read(name: &str) -> Extracted {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/documents/pdf").join(name);
    let octets = std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    extract_file(name, &octets, &Limits::default(), &Reader::here())
}

fn says(extracted: &Extracted, wanted: &str) -> bool {
    extracted.texts.iter().any(|text| text.content.contains(wanted))
}

fn reasons(extracted: &Extracted) -> Vec<Reason> {
    extracted.unreadable.iter().map(|one| one.reason).collect()
}

#[test]
fn pages_are_read_whatever_way_the_file_is_built() {
    for name in ["standard.pdf", "owner-only.pdf", "object-streams.pdf", "linearized.pdf", "broken-xref.pdf"] {
        let extracted = read(name);
        for wanted in [
            format!("N° de sécurité sociale : {TOLD}").as_str(),
            "185057800608491",
            "Bonnet 2 69 05 49 588 157 80",
            "FR76 3000 6000 0112 3456 7890 189",
            "Texte invisible 4111 1111 1111 1111",
            "En blanc : Pierre Martin",
            "Hors page : Jeanne Petit",
            "Suivi de Claire Bonnet",
        ] {
            assert!(says(&extracted, wanted), "{name}: {wanted}: {:?}", extracted.texts);
        }
        assert_eq!(reasons(&extracted), [], "{name}");
    }
}

#[test]
fn letters_are_those_that_the_font_tells() {
    for (name, wanted) in [
        ("truetype.pdf", "N° de sécurité sociale : 1 85 05 78 006 084 91"),
        ("truetype.pdf", "Œuvre — été"),
        ("form.pdf", TOLD),
        ("fonts.pdf", "185057800608491"),
        ("fonts.pdf", "éŒ7"),
    ] {
        let extracted = read(name);
        assert!(says(&extracted, wanted), "{name}: {wanted}: {:?}", extracted.texts);
        assert_eq!(reasons(&extracted), [], "{name}");
    }
    assert_eq!(reasons(&read("no-letters.pdf")), [Reason::Unsupported]);
}

#[test]
fn what_an_older_version_said_is_still_in_the_file() {
    let extracted = read("older-version.pdf");
    let place = extracted.texts.iter().find(|text| text.content.contains(TOLD)).map(|text| text.place.0.to_string());
    assert_eq!(place.as_deref(), Some("older-version.pdf > 1 version before > page 1"));
}

#[test]
fn a_locked_file_opens_with_a_told_password_only() {
    for name in ["locked-rc4-40.pdf", "locked-rc4.pdf", "locked-aes128.pdf", "locked-aes256.pdf"] {
        let extracted = read(name);
        assert_eq!((reasons(&extracted), says(&extracted, TOLD)), (vec![Reason::Password], false), "{name}");
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/documents/pdf").join(name);
        let octets = std::fs::read(path).unwrap();
        let archive = tar(&[("mdp.txt", b"mdp : Soleil-2031\n"), (name, &octets)]);
        let extracted = extract_file("a.tar", &archive, &Limits::default(), &Reader::here());
        assert!(says(&extracted, TOLD) && extracted.opened.len() == 1, "{name}: {:?}", extracted.unreadable);
    }
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in members {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[257..262].copy_from_slice(b"ustar");
        out.extend(header);
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out
}
