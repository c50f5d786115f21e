//! Turns octets into what they are, by content; names and labels only decide between readings of the same text.

use super::FileKind;
use super::archive;
use super::archive::compressed::{self, Codec};
use super::reading::File;
use memchr::memmem;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Empty,
    Text,
    Html,
    Xml,
    Rtf,
    Pdf,
    Zip,
    /// One file, compressed.
    Compressed(Codec),
    SevenZip,
    Rar,
    /// A disc image.
    Disc,
    Cabinet,
    Ar,
    Cpio,
    Tar,
    /// The container of Office before 2007 and of encrypted Office documents.
    Ole,
    /// Outlook's `winmail.dat`.
    Tnef,
    Message,
    /// An ASN.1 sequence that is, or may be, S/MIME.
    Cms,
    ArmoredOpenpgp,
    Image,
    Executable,
    Unknown(file_format::FileFormat),
}

/// How far readers look for a format's mark behind foreign octets in front of it.
const LOOK: usize = 1024;

pub(super) fn sniff(file: &File) -> Format {
    let octets = file.octets;
    let start = &octets[..octets.len().min(LOOK)];
    if octets.is_empty() {
        return Format::Empty;
    }
    match octets {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => return Format::Zip,
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => return Format::Ole,
        _ if octets.starts_with(&super::tnef::SIGNATURE) => return Format::Tnef,
        [0x30, ..] if is_cms(octets) => return Format::Cms,
        _ => {}
    }
    if let Some(codec) = compressed::codec(octets) {
        return Format::Compressed(codec);
    }
    match () {
        () if is_tar(octets) => return Format::Tar,
        () if archive::is_seven_zip(start) == Some(0) => return Format::SevenZip,
        () if archive::is_rar(start) == Some(0) => return Format::Rar,
        () if archive::is_ar(octets) => return Format::Ar,
        () if archive::is_cpio(octets) => return Format::Cpio,
        () if archive::is_cabinet(octets) => return Format::Cabinet,
        () if archive::is_disc(octets) => return Format::Disc,
        () => {}
    }
    let trimmed = start.trim_ascii_start();
    let trimmed = trimmed.strip_prefix(b"\xef\xbb\xbf").unwrap_or(trimmed);
    if trimmed.starts_with(b"{\\rt") {
        return Format::Rtf;
    }
    if memmem::find(start, b"%PDF-").is_some() {
        return Format::Pdf;
    }
    if trimmed.starts_with(b"-----BEGIN PGP MESSAGE-----") && crate::mime::armored_ciphertext(octets).is_some() {
        return Format::ArmoredOpenpgp;
    }
    if archive::is_old_tar(octets) {
        return Format::Tar;
    }
    if is_text(octets) {
        return kind_of_text(file, trimmed);
    }
    if compressed::is_zlib(octets) {
        return Format::Compressed(Codec::Zlib);
    }
    // Octets in front of an archive (a self-extracting program) hide it from those who look at the beginning only.
    if ends_as_zip(octets) {
        return Format::Zip;
    }
    if super::picture::head(octets).is_some() {
        return Format::Image;
    }
    let format = super::guard::guarded(|| file_format::FileFormat::from_bytes(octets)).unwrap_or_default();
    match format.kind() {
        file_format::Kind::Image => Format::Image,
        file_format::Kind::Executable => Format::Executable,
        _ if file.declared.starts_with("text/") => Format::Text,
        _ => Format::Unknown(format),
    }
}

/// Whether reading it takes a parser that others wrote. Said without any such parser, and "yes" of everything that is not certainly
/// ours: a text, a message, a signature, a picture (of which only the head is looked at).
pub(super) fn is_foreign(file: &File) -> bool {
    let octets = file.octets;
    match octets {
        [] => false,
        [0x30, ..] if is_cms(octets) => false,
        _ if is_text(octets) => match sniff(file) {
            Format::Message | Format::ArmoredOpenpgp => false,
            Format::Text | Format::Html => ends_as_zip(octets),
            _ => true,
        },
        _ if super::picture::head(octets).is_some() => {
            let start = &octets[..octets.len().min(LOOK)];
            ends_as_zip(octets)
                || archive::is_seven_zip(octets).is_some()
                || archive::is_rar(octets).is_some()
                || is_tar(octets)
                || memmem::find(start, b"%PDF-").is_some()
        }
        _ => true,
    }
}

/// The kind of a file that nobody could read, by its first octets and its name, without any parser.
pub(super) fn at_a_glance(file: &File) -> (&'static str, FileKind) {
    let ending = file.name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let office = matches!(
        ending.as_str(),
        "docx"
            | "docm"
            | "dotx"
            | "xlsx"
            | "xlsm"
            | "xltx"
            | "xlsb"
            | "pptx"
            | "pptm"
            | "potx"
            | "ppsx"
            | "odt"
            | "ods"
            | "odp"
    );
    let start = &file.octets[..file.octets.len().min(LOOK)];
    match start {
        [b'P', b'K', 3 | 5, 4 | 6, ..] if office => ("application/zip", FileKind::Office),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => ("application/zip", FileKind::Archive),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => ("application/x-ole-storage", FileKind::Office),
        [0x1f, 0x8b, ..] => ("application/gzip", FileKind::Archive),
        [b'7', b'z', 0xbc, 0xaf, ..] => ("application/x-7z-compressed", FileKind::Archive),
        [b'R', b'a', b'r', b'!', ..] => ("application/vnd.rar", FileKind::Archive),
        [b'{', b'\\', b'r', b't', ..] => ("application/rtf", FileKind::Office),
        [0x7f, b'E', b'L', b'F', ..] | [b'M', b'Z', ..] => ("application/octet-stream", FileKind::Executable),
        _ if memmem::find(start, b"%PDF-").is_some() => ("application/pdf", FileKind::Pdf),
        _ => ("application/octet-stream", if office { FileKind::Office } else { FileKind::Other }),
    }
}

/// The end of a zip archive, with at least one member before it.
pub(super) fn ends_as_zip(octets: &[u8]) -> bool {
    let end = &octets[octets.len().saturating_sub(66_000)..];
    memmem::rfind(end, b"PK\x05\x06").is_some() && memmem::find(octets, b"PK\x03\x04").is_some()
}

fn kind_of_text(file: &File, start: &[u8]) -> Format {
    let lower = start.to_ascii_lowercase();
    let declared = file.declared;
    let ending = file.name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    if matches!(declared, "message/rfc822" | "message/global")
        || (ending == "eml" && super::attached_mail::looks_like_entity(file.octets))
    {
        return Format::Message;
    }
    if super::attached_mail::looks_like_message(file.octets) {
        return Format::Message;
    }
    let html = matches!(declared, "text/html" | "text/enriched" | "text/richtext")
        || matches!(ending.as_str(), "html" | "htm" | "xhtml" | "mht" | "mhtml");
    if html || [&b"<!doctype html"[..], b"<html", b"<body", b"<table"].iter().any(|mark| memmem::find(&lower, mark).is_some()) {
        return Format::Html;
    }
    if lower.starts_with(b"<?xml")
        || (lower.starts_with(b"<") && (declared.ends_with("xml") || matches!(ending.as_str(), "xml" | "svg")))
    {
        return Format::Xml;
    }
    Format::Text
}

/// Text in UTF-8 or an 8-bit charset has hardly any control characters; text in UTF-16 has a mark, or zero octets in every second
/// place.
pub(super) fn is_text(octets: &[u8]) -> bool {
    let sample = &octets[..octets.len().min(4096)];
    if sample.starts_with(b"\xff\xfe") || sample.starts_with(b"\xfe\xff") || wide(sample).is_some() {
        return true;
    }
    let controls = sample.iter().filter(|b| **b < 32 && !matches!(**b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)).count();
    controls * 50 <= sample.len()
        && (std::str::from_utf8(sample).is_ok_and(|_| true)
            || sample.iter().filter(|b| **b >= 128).count() * 3 <= sample.len()
            || std::str::from_utf8(octets).is_ok())
}

/// UTF-16 without a mark.
pub(super) fn wide(sample: &[u8]) -> Option<&'static str> {
    if sample.len() < 8 {
        return None;
    }
    let half = sample.len() / 2;
    let zeros = |from: usize| sample.iter().skip(from).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match () {
        () if odd * 10 >= half * 7 && even * 10 < half => Some("utf-16le"),
        () if even * 10 >= half * 7 && odd * 10 < half => Some("utf-16be"),
        () => None,
    }
}

pub(super) fn is_image(octets: &[u8]) -> bool {
    let file = File { within: "", name: "", declared: "", charset: None, octets, depth: 0 };
    matches!(sniff(&file), Format::Image | Format::Empty)
}

/// The header of a tape archive says so at octet 257 (POSIX ustar and GNU).
fn is_tar(octets: &[u8]) -> bool {
    octets.get(257..262) == Some(b"ustar")
}

/// An object identifier of PKCS #7 or CMS at the beginning.
fn is_cms(octets: &[u8]) -> bool {
    memmem::find(&octets[..octets.len().min(64)], &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01]).is_some()
}

/// Media type and kind for [`super::FileSeen`].
pub(super) fn describe(format: &Format, file: &File) -> (String, FileKind) {
    let (media_type, kind) = match format {
        Format::Empty => (if file.declared.is_empty() { "application/x-empty" } else { file.declared }, FileKind::Other),
        Format::Text => (if file.declared.starts_with("text/") { file.declared } else { "text/plain" }, FileKind::Text),
        Format::Html => ("text/html", FileKind::Text),
        Format::Xml => (if svg(file.octets) { "image/svg+xml" } else { "text/xml" }, FileKind::Text),
        Format::Rtf => ("application/rtf", FileKind::Office),
        Format::Pdf => ("application/pdf", FileKind::Pdf),
        Format::Zip => ("application/zip", FileKind::Archive),
        Format::Compressed(codec) => (codec.media_type(), FileKind::Archive),
        Format::SevenZip => ("application/x-7z-compressed", FileKind::Archive),
        Format::Rar => ("application/vnd.rar", FileKind::Archive),
        Format::Disc => ("application/x-iso9660-image", FileKind::Archive),
        Format::Cabinet => ("application/vnd.ms-cab-compressed", FileKind::Archive),
        Format::Ar => ("application/x-archive", FileKind::Archive),
        Format::Cpio => ("application/x-cpio", FileKind::Archive),
        Format::Tar => ("application/x-tar", FileKind::Archive),
        Format::Ole => return (file_format::FileFormat::from_bytes(file.octets).media_type().to_owned(), FileKind::Office),
        Format::Tnef => ("application/ms-tnef", FileKind::Message),
        Format::Message => ("message/rfc822", FileKind::Message),
        Format::Cms if crate::mime::sealed_content(file.octets).is_some() => {
            ("application/pkcs7-mime", FileKind::SealedByClient)
        }
        Format::Cms => ("application/pkcs7-mime", FileKind::Other),
        Format::ArmoredOpenpgp => ("application/pgp-encrypted", FileKind::SealedByClient),
        Format::Image if let Some(head) = super::picture::head(file.octets) => (head.media_type, FileKind::Image),
        Format::Image | Format::Executable | Format::Unknown(_) => {
            let found = file_format::FileFormat::from_bytes(file.octets);
            let kind = match found.kind() {
                file_format::Kind::Image => FileKind::Image,
                file_format::Kind::Executable => FileKind::Executable,
                file_format::Kind::Archive | file_format::Kind::Compressed | file_format::Kind::Package => FileKind::Archive,
                file_format::Kind::Document | file_format::Kind::Presentation | file_format::Kind::Spreadsheet => {
                    FileKind::Office
                }
                _ => FileKind::Other,
            };
            return (found.media_type().to_owned(), kind);
        }
    };
    (media_type.to_owned(), kind)
}

fn svg(octets: &[u8]) -> bool {
    memmem::find(&octets[..octets.len().min(LOOK)], b"<svg").is_some()
}
