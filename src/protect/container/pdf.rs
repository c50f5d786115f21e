//! Turns files into an encrypted PDF 2.0 that carries them as attachments, with a page that lists them.

use super::super::CannotSeal;
use super::contents::{Contents, File};
use crate::mail::Language;
use lopdf::content::{Content, Operation};
use lopdf::encryption::crypt_filters::{Aes256CryptFilter, CryptFilter};
use lopdf::{
    Dictionary, Document, EncryptionState, EncryptionVersion, Object, Permissions, SaveOptions, Stream, StringFormat,
    dictionary,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

const FAILED: CannotSeal = CannotSeal("the PDF could not be written");
/// Lines of the page and characters of a line: the page tells what there is, it does not show it.
const LINES: usize = 45;
const WIDTH: usize = 90;

/// AES-256 with the key of ISO 32000-2, 7.6.4.3 (revision 6); strings, and so the names of files, are encrypted too.
pub(super) fn lock(contents: &Contents, password: &str) -> Result<Vec<u8>, CannotSeal> {
    let mut document = document(contents)?;
    let mut random = Zeroizing::new([0u8; 32 + 16 + 16]);
    aws_lc_rs::rand::fill(&mut random[..]).map_err(|_| FAILED)?;
    let (key, rest) = random.split_at(32);
    let (owner, identifier) = rest.split_at(16);
    // Nobody is given the owner's password: it would only lift restrictions that there are none of.
    let owner = Zeroizing::new(owner.iter().map(|octet| format!("{octet:02x}")).collect::<String>());
    let identifier = Object::String(identifier.to_vec(), StringFormat::Hexadecimal);
    document.trailer.set("ID", Object::Array(vec![identifier.clone(), identifier]));
    let filter: Arc<dyn CryptFilter> = Arc::new(Aes256CryptFilter);
    let version = EncryptionVersion::V5 {
        encrypt_metadata: true,
        crypt_filters: BTreeMap::from([(b"StdCF".to_vec(), filter)]),
        file_encryption_key: key,
        stream_filter: b"StdCF".to_vec(),
        string_filter: b"StdCF".to_vec(),
        owner_password: &owner,
        user_password: password,
        permissions: Permissions::all(),
    };
    let state = EncryptionState::try_from(version).map_err(|_| FAILED)?;
    document.encrypt(&state).map_err(|_| FAILED)?;
    let mut octets = Vec::new();
    // No object streams: what is encrypted object by object must not be gathered afterwards.
    document
        .save_with_options(&mut octets, SaveOptions::builder().use_object_streams(false).use_xref_streams(false).build())
        .map_err(|_| FAILED)?;
    Ok(octets)
}

fn document(contents: &Contents) -> Result<Document, CannotSeal> {
    let mut document = Document::with_version("2.0");
    let pages = document.new_object_id();
    let font = document.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
    });
    let text = document.add_object(Stream::new(Dictionary::new(), page(contents)?));
    let page = document.add_object(dictionary! {
        "Type" => "Page",
        "Parent" => pages,
        "Contents" => text,
        "Resources" => dictionary! { "Font" => dictionary! { "F1" => font } },
        "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
    });
    document.set_object(pages, dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 });
    let mut names = Vec::new();
    let mut associated = Vec::new();
    for (number, file) in contents.files.iter().enumerate() {
        let specification = attach(&mut document, file)?;
        // Sorted by its number, because names in a name tree must be (7.9.6).
        names.push(Object::string_literal(format!("{number:05}")));
        names.push(specification.into());
        associated.push(specification.into());
    }
    let catalog = document.add_object(dictionary! {
        "Type" => "Catalog",
        "Pages" => pages,
        "PageMode" => "UseAttachments",
        "Names" => dictionary! { "EmbeddedFiles" => dictionary! { "Names" => names } },
        "AF" => associated,
    });
    document.trailer.set("Root", catalog);
    Ok(document)
}

/// A file specification with its embedded file (7.11.4).
fn attach(document: &mut Document, file: &File) -> Result<lopdf::ObjectId, CannotSeal> {
    let subtype = file.media_type.clone().into_bytes();
    let mut stream =
        Stream::new(dictionary! { "Type" => "EmbeddedFile", "Subtype" => Object::Name(subtype) }, file.octets.clone());
    stream.compress().map_err(|_| FAILED)?;
    let embedded = document.add_object(stream);
    let plain: String = file.name.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '_' }).collect();
    Ok(document.add_object(dictionary! {
        "Type" => "Filespec",
        "F" => Object::string_literal(plain),
        "UF" => Object::String(utf16(&file.name), StringFormat::Literal),
        "EF" => dictionary! { "F" => embedded, "UF" => embedded },
        "AFRelationship" => "Data",
    }))
}

/// A text string (7.9.2.2) with its byte order mark.
fn utf16(text: &str) -> Vec<u8> {
    let mut octets = vec![0xfe, 0xff];
    octets.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    octets
}

fn page(contents: &Contents) -> Result<Vec<u8>, CannotSeal> {
    let (title, below) = match contents.language {
        Language::Fr => ("Message confidentiel", "Le message et ses pièces sont joints à ce document :"),
        Language::En => ("Confidential message", "The message and its attachments are attached to this document:"),
    };
    let mut lines: Vec<String> = contents.lines.clone();
    lines.push(String::new());
    lines.push(below.to_owned());
    lines.extend(contents.files.iter().map(|file| format!("   {}", file.name)));
    let mut operations = vec![
        Operation::new("BT", vec![]),
        Operation::new("TL", vec![16.into()]),
        Operation::new("Td", vec![56.into(), 780.into()]),
        Operation::new("Tf", vec!["F1".into(), 18.into()]),
        Operation::new("Tj", vec![win_ansi(title)]),
        Operation::new("T*", vec![]),
        Operation::new("Tf", vec!["F1".into(), 11.into()]),
    ];
    for line in lines.iter().take(LINES) {
        let mut short: String = line.chars().take(WIDTH).collect();
        if short.len() < line.len() {
            short.push('…');
        }
        operations.push(Operation::new("T*", vec![]));
        operations.push(Operation::new("Tj", vec![win_ansi(&short)]));
    }
    operations.push(Operation::new("ET", vec![]));
    Content { operations }.encode().map_err(|_| FAILED)
}

/// WinAnsiEncoding is windows-1252 (Annex D); what it lacks stands as a question mark, the attached files have it whole.
fn win_ansi(text: &str) -> Object {
    let octets = text.chars().map(|c| {
        let mut buffer = [0u8; 4];
        let (octets, _, lost) = encoding_rs::WINDOWS_1252.encode(c.encode_utf8(&mut buffer));
        match octets.first() {
            Some(octet) if !lost && !c.is_control() => *octet,
            _ => b'?',
        }
    });
    Object::String(octets.collect(), StringFormat::Literal)
}
