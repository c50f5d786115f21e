//! Turns Office Open XML and OpenDocument files into the text of all their parts, and their properties.
//!
//! | read | not read |
//! |---|---|
//! | every XML part: body, headers, footers, notes, comments, masters, charts, drawings, pivot caches, links, custom XML | formatting |
//! | deleted and hidden runs, notes and text boxes apart, so that they cut no number in two | |
//! | properties, sensitivity labels, attributes that people see or fill in, targets of links | |
//! | embedded documents, packages and macros, as files; strings of fonts and pictures | Power Pivot's model: `unsupported` |
//! | locked since 2007: with a password that the message tells | locked OpenDocument: `password` |

use super::archive::zip::Member;
use super::markup::{Markup, Token};
use super::reading::{File, Reading};
use super::xml;
use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    Word,
    Slides,
    Spreadsheet,
    /// xlsb: the same container, binary sheets.
    BinarySpreadsheet,
    OpenText,
    OpenSlides,
    OpenSpreadsheet,
    Book,
}

impl Document {
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Document::Word => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Document::Slides => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            Document::Spreadsheet => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Document::BinarySpreadsheet => "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
            Document::OpenText => "application/vnd.oasis.opendocument.text",
            Document::OpenSlides => "application/vnd.oasis.opendocument.presentation",
            Document::OpenSpreadsheet => "application/vnd.oasis.opendocument.spreadsheet",
            Document::Book => "application/epub+zip",
        }
    }
}

/// By the names of its members, because anyone can rename a file.
pub(super) fn recognise(octets: &[u8], members: &[Member]) -> Option<Document> {
    let has = |name: &str| members.iter().any(|member| member.name == name);
    if has("[Content_Types].xml") {
        let under = |folder: &str| members.iter().any(|member| member.name.starts_with(folder));
        return match () {
            () if has("xl/workbook.bin") => Some(Document::BinarySpreadsheet),
            () if under("xl/") => Some(Document::Spreadsheet),
            () if under("ppt/") => Some(Document::Slides),
            () if under("word/") => Some(Document::Word),
            () => None,
        };
    }
    let mimetype = members.iter().find(|member| member.name == "mimetype")?;
    let stored = mimetype.stored(octets);
    let is = |word: &[u8]| memchr::memmem::find(stored, word).is_some();
    if is(b"epub+zip") {
        return Some(Document::Book);
    }
    if !has("content.xml") {
        return None;
    }
    Some(match () {
        () if is(b"spreadsheet") => Document::OpenSpreadsheet,
        () if is(b"presentation") => Document::OpenSlides,
        () => Document::OpenText,
    })
}

/// One unpacked member.
pub(super) struct DocumentPart {
    pub name: String,
    pub octets: Vec<u8>,
}

impl Reading {
    pub(super) fn office(&mut self, file: &File, place: &str, group: u32, members: &[Member], document: Document) {
        let mut parts: Vec<DocumentPart> = Vec::new();
        let mut embedded: Vec<DocumentPart> = Vec::new();
        for member in members.iter().filter(|member| !member.is_folder) {
            if member.encrypted {
                self.unreadable(place, Reason::Password);
                continue;
            }
            let lower = member.name.to_ascii_lowercase();
            let (octets, reason) = member.unpack(file.octets, &mut self.budget);
            if let Some(reason) = reason {
                self.unreadable(place, reason);
                if reason == Reason::OverBudget {
                    break;
                }
            }
            let part = DocumentPart { name: member.name.clone(), octets };
            match document == Document::Book || is_xml(&lower) || is_binary_sheet(&lower, document) {
                true => parts.push(part),
                false => embedded.push(part),
            }
        }
        if document == Document::Book {
            return self.book(parts, place, group, file.depth);
        }
        if is_encrypted_opendocument(&parts) {
            return self.unreadable(place, Reason::Password);
        }
        parts.sort_by_key(|part| (rank(&part.name), part.name.len(), part.name.clone()));
        if matches!(document, Document::Spreadsheet | Document::BinarySpreadsheet) {
            self.workbook(&parts, place, group);
        }
        for part in &parts {
            self.document_part(part, place, group, document);
        }
        for part in &embedded {
            let lower = part.name.to_ascii_lowercase();
            let name = part.name.rsplit('/').next().unwrap_or(&part.name);
            let furniture = is_furniture(&lower) && !super::sniff::ends_as_zip(&part.octets);
            if furniture || super::sniff::is_image(&part.octets) || is_picture(&part.octets) {
                // Fonts, printer settings and pictures hold no text of the author, but whoever wants can put some there.
                let inner = format!("{place} > {name}");
                self.picture(&inner, group, PictureRole::Beside, &part.octets);
                self.text(&inner, TextKind::Alternative, group, super::octets::strings(&part.octets));
                continue;
            }
            self.file(File { within: place, name, declared: "", charset: None, octets: &part.octets, depth: file.depth + 1 });
        }
    }

    fn document_part(&mut self, part: &DocumentPart, place: &str, group: u32, document: Document) {
        let name = part.name.as_str();
        let lower = name.to_ascii_lowercase();
        let workbook = matches!(document, Document::Spreadsheet | Document::BinarySpreadsheet);
        let inner = place_of(name).map_or_else(|| place.to_owned(), |inner| format!("{place} > {inner}"));
        // The sheets and their strings were read as tables.
        let sheet = lower.starts_with("xl/worksheets/") || lower.starts_with("xl/macrosheets/");
        if workbook && (sheet && !lower.ends_with(".rels") || lower == "xl/sharedstrings.xml") {
            return;
        }
        if lower.ends_with(".bin") {
            let known = matches!(lower.as_str(), "xl/sharedstrings.bin" | "xl/styles.bin");
            let text = if known { String::new() } else { super::octets::strings(&part.octets) };
            return self.text(&inner, TextKind::Attachment, group, text);
        }
        if document == Document::OpenSpreadsheet
            && lower.ends_with("content.xml")
            && self.open_spreadsheet(&part.octets, place, group)
        {
            return;
        }
        if lower.starts_with("customxml/") && !lower.ends_with(".rels") {
            return self.xml_data(&part.octets, &inner, group);
        }
        let read = xml::read(&part.octets, self.budget.text_left());
        if read.damaged {
            self.unreadable(place, Reason::Damaged);
        }
        if lower.starts_with("docprops/") || lower == "meta.xml" {
            self.text(place, TextKind::Alternative, group, read.beside);
            return self.text(place, TextKind::Properties, group, read.pairs);
        }
        if lower.ends_with("settings.xml") && document != Document::Word {
            // Switches of the program, which few could use to carry something.
            return self.text(&inner, TextKind::Alternative, group, read.pairs);
        }
        if lower.ends_with("labelinfo.xml") {
            return self.text(place, TextKind::Properties, group, labels(&part.octets));
        }
        self.text(&inner, TextKind::Alternative, group, read.beside);
        self.text(&inner, TextKind::Alternative, group, read.hidden);
        self.text(&inner, TextKind::Attachment, group, read.text);
    }

    /// A file of XML that is no part of a container: flat office documents, exports, drawings.
    pub(super) fn xml_file(&mut self, file: &File, place: &str, group: u32) {
        let start = xml::decode(&file.octets[..file.octets.len().min(4096)]).into_owned();
        let is = |mark: &str| memchr::memmem::find(start.as_bytes(), mark.as_bytes()).is_some();
        let table = is("urn:schemas-microsoft-com:office:spreadsheet") || is("opendocument.spreadsheet");
        if table && self.open_spreadsheet(file.octets, place, group) {
            return;
        }
        if !(is("wordDocument") || is("<pkg:package") || is("office:document")) {
            return self.xml_data(file.octets, place, group);
        }
        let read = xml::read(file.octets, self.budget.text_left());
        if read.damaged {
            self.unreadable(place, Reason::Damaged);
        }
        self.text(place, TextKind::Attachment, group, read.text);
        self.text(place, TextKind::Alternative, group, read.hidden);
        self.text(place, TextKind::Alternative, group, read.beside);
        self.packed_in_xml(file, place);
    }

    /// Pictures and objects in the elements of flat documents.
    fn packed_in_xml(&mut self, file: &File, place: &str) {
        let source = xml::decode(file.octets);
        let mut inside = false;
        for token in Markup::new(&source) {
            match token {
                Token::Start(tag) => inside = matches!(tag.name, "binaryData" | "binData" | "binary-data" | "docSuppData"),
                Token::End(_) => inside = false,
                Token::Text(text) if inside && text.len() > 64 => {
                    let octets = crate::mime::decode_base64(text.as_bytes()).octets;
                    if !self.budget.spend(octets.len() as u64) {
                        return self.unreadable(place, Reason::OverBudget);
                    }
                    let declared = "embedded object";
                    self.file(File {
                        within: place,
                        name: "",
                        declared,
                        charset: None,
                        octets: &octets,
                        depth: file.depth + 1,
                    });
                }
                _ => {}
            }
        }
    }

    pub(super) fn xml_data(&mut self, octets: &[u8], place: &str, group: u32) {
        let data = xml::read_data(octets, self.budget.text_left());
        if data.damaged {
            self.unreadable(place, Reason::Damaged);
        }
        self.text(place, TextKind::Attachment, group, data.lines);
        self.text(place, TextKind::Alternative, group, data.joined.unwrap_or_default());
        self.text(place, TextKind::Alternative, group, data.beside);
    }
}

/// Sensitivity labels in the form that headers give them (MS-OFFCRYPTO §2.6.4).
fn labels(octets: &[u8]) -> String {
    let source = xml::decode(octets);
    let mut out = String::new();
    for token in Markup::new(&source) {
        let Token::Start(tag) = token else { continue };
        if tag.name != "label" {
            continue;
        }
        let id = tag.attribute("id").unwrap_or_default();
        let id = id.trim_matches(['{', '}']);
        for (key, value) in tag.attributes().filter(|(key, _)| *key != "id") {
            let name: String = key.chars().take(1).flat_map(char::to_uppercase).chain(key.chars().skip(1)).collect();
            out.push_str(&format!("MSIP_Label_{id}_{name}: {}\n", super::markup::unescape(value)));
        }
    }
    out
}

fn is_xml(lower: &str) -> bool {
    [".xml", ".rels", ".vml", ".rdf"].iter().any(|ending| lower.ends_with(ending))
}

fn is_binary_sheet(lower: &str, document: Document) -> bool {
    document == Document::BinarySpreadsheet
        && lower.starts_with("xl/")
        && lower.ends_with(".bin")
        && !["printersettings", "vbaproject", "embeddings", "activex", "ctrlprops"].iter().any(|part| lower.contains(part))
}

/// The vector pictures of office programs, which few tools know: Windows' and StarOffice's.
fn is_picture(octets: &[u8]) -> bool {
    octets.starts_with(b"VCLMTF")
        || octets.starts_with(&[0xd7, 0xcd, 0xc6, 0x9a])
        || octets.starts_with(&[1, 0, 9, 0, 0, 3])
        || (octets.starts_with(&[1, 0, 0, 0]) && octets.get(40..44) == Some(b" EMF"))
}

/// The body first, then what belongs to it.
fn rank(name: &str) -> u8 {
    match name {
        "word/document.xml" | "content.xml" | "xl/workbook.xml" => 0,
        name if name.starts_with("ppt/slides/") => 1,
        name if name.starts_with("docProps/") => 9,
        _ => 5,
    }
}

/// `slide 3`, `comments`: what an officer looks for; the body needs no name.
fn place_of(name: &str) -> Option<String> {
    if matches!(name, "word/document.xml" | "content.xml") {
        return None;
    }
    let file = name.rsplit('/').next().unwrap_or(name);
    let stem = file.split('.').next().unwrap_or(file);
    let digits = stem.len() - stem.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (word, number) = stem.split_at(stem.len() - digits);
    Some(if number.is_empty() { word.to_owned() } else { format!("{word} {number}") })
}

fn is_furniture(lower: &str) -> bool {
    [".odttf", ".fntdata", ".ttf", ".otf"].iter().any(|ending| lower.ends_with(ending))
        || lower == "mimetype"
        || lower.contains("/printersettings/")
        || (lower.contains("activex") && lower.ends_with(".bin"))
}

/// The manifest of an OpenDocument tells which members are encrypted (ODF 1.3 part 2 §3.8).
fn is_encrypted_opendocument(parts: &[DocumentPart]) -> bool {
    parts
        .iter()
        .filter(|part| part.name == "META-INF/manifest.xml")
        .any(|part| memchr::memmem::find(&part.octets, b"encryption-data").is_some())
}
