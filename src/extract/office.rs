//! Turns Office Open XML and OpenDocument files into the text of all their parts, and their properties.

use super::archive::zip::Member;
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
    let mimetype = members.iter().find(|member| member.name == "mimetype").filter(|_| has("content.xml"))?;
    let stored = mimetype.stored(octets);
    let is = |word: &[u8]| memchr::memmem::find(stored, word).is_some();
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
            let is_text =
                lower.ends_with(".xml") || lower.ends_with(".rels") || lower.ends_with(".vml") || lower.ends_with(".rdf");
            let (octets, reason) = member.unpack(file.octets, &mut self.budget);
            if let Some(reason) = reason {
                self.unreadable(place, reason);
                if reason == Reason::OverBudget {
                    break;
                }
            }
            let part = DocumentPart { name: member.name.clone(), octets };
            if is_text {
                parts.push(part);
            } else if is_settings_of_machine(&lower) || super::sniff::is_image(&part.octets) {
                self.picture(place, group, PictureRole::Beside, &part.octets);
                // Fonts, printer settings and pictures hold no text of the author, but whoever wants can put some there.
                self.text(place, TextKind::Alternative, group, super::plain::printable(&part.octets));
            } else {
                embedded.push(part);
            }
        }
        if is_encrypted_opendocument(&parts) {
            return self.unreadable(place, Reason::Password);
        }
        if document == Document::BinarySpreadsheet {
            self.unreadable(place, Reason::Unsupported);
        }
        parts.sort_by_key(|part| (rank(&part.name), part.name.len(), part.name.clone()));
        if document == Document::Spreadsheet {
            self.workbook(&parts, place, group);
        }
        for part in &parts {
            self.document_part(part, place, group, document);
        }
        for part in &embedded {
            let name = part.name.rsplit('/').next().unwrap_or(&part.name);
            self.file(File { within: place, name, declared: "", charset: None, octets: &part.octets, depth: file.depth + 1 });
        }
    }

    fn document_part(&mut self, part: &DocumentPart, place: &str, group: u32, document: Document) {
        let read = xml::read(&part.octets, self.budget.text_left());
        if read.damaged {
            self.unreadable(place, Reason::Damaged);
        }
        let name = part.name.as_str();
        if name.starts_with("docProps/") || name == "meta.xml" {
            return self.text(place, TextKind::Properties, group, read.pairs);
        }
        let inner = place_of(name).map_or_else(|| place.to_owned(), |inner| format!("{place} > {inner}"));
        self.text(&inner, TextKind::Alternative, group, read.beside);
        self.text(&inner, TextKind::Alternative, group, read.hidden);
        // The sheets and their strings were read as tables.
        let table = name.starts_with("xl/worksheets/") && !name.ends_with(".rels");
        if document == Document::Spreadsheet && (table || name == "xl/sharedStrings.xml") {
            return;
        }
        self.text(&inner, TextKind::Attachment, group, read.text);
    }

    /// A file of XML that is no part of a container: flat office documents, exports, drawings.
    pub(super) fn xml_file(&mut self, file: &File, place: &str, group: u32) {
        let read = xml::read(file.octets, self.budget.text_left());
        if read.damaged {
            self.unreadable(place, Reason::Damaged);
        }
        self.text(place, TextKind::Attachment, group, read.text);
        // Attributes of unknown XML may hold anything: the source is a second reading.
        self.text(place, TextKind::Alternative, group, xml::decode(file.octets));
    }
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

fn is_settings_of_machine(lower: &str) -> bool {
    lower.ends_with(".odttf") || lower.ends_with(".fntdata") || lower == "mimetype" || lower.contains("/printersettings/")
}

/// The manifest of an OpenDocument tells which members are encrypted (ODF 1.3 part 2 §3.8).
fn is_encrypted_opendocument(parts: &[DocumentPart]) -> bool {
    parts
        .iter()
        .filter(|part| part.name == "META-INF/manifest.xml")
        .any(|part| memchr::memmem::find(&part.octets, b"encryption-data").is_some())
}
