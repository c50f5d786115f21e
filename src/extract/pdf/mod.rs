//! Turns a PDF into the text of its pages, its form fields, notes and properties.
//!
//! | read | not read |
//! |---|---|
//! | pages by drawing order and by place, forms, notes, fields, properties, scripts, bookmarks, attached files | letters of fonts that name none: told as unsupported |
//! | what older versions of the file said, where it was saved by adding to it | |
//! | images that a page shows, handed on as pictures | JBIG2 |
//! | files with a password that the message tells, or none | other passwords, certificates |

mod font;
mod lexer;
mod page;
mod pictures;

use super::reading::Reading;
use super::*;
use font::Font;
use lopdf::xref::XrefRecovery;
use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId};
use memchr::memmem;
use page::Page;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// Older versions of one file that are read, the latest first.
const VERSIONS: usize = 8;
/// Octets of text on a page of pictures, below which it counts as scanned: a page number, a stamp of the scanner.
const SCANNED: usize = 64;
/// Of one attempt to open a file: the slowest form hashes about a hundred times (ISO 32000-2 §7.6.4.3.4).
const COST: u64 = 5_000;

/// Fonts by their object, so that each is understood once; and what pages have drawn.
#[derive(Default)]
struct Known {
    fonts: HashMap<ObjectId, Rc<Font>>,
    drawn: BTreeSet<ObjectId>,
}

impl Reading {
    pub(super) fn pdf(&mut self, octets: &[u8], place: &str, group: u32, depth: usize) {
        let limit = limit(self);
        let mut document = match load(octets, None, limit) {
            Ok(document) => document,
            Err(Reason::Password) => Document::new(),
            Err(reason) => {
                let text = super::plain::printable(octets);
                self.text(place, TextKind::Alternative, group, text);
                return self.unreadable(place, reason);
            }
        };
        let mut password = None;
        if document.is_encrypted() || document.objects.is_empty() {
            // An empty password opens it for everybody, so for us too; another may be told in the message.
            let opened = self.open_with(place, COST, |candidate| {
                let document = load(octets, Some(candidate), limit).ok()?;
                (!document.is_encrypted()).then(|| (document, candidate.to_owned()))
            });
            let Some((opened, candidate)) = opened else { return self.unreadable(place, Reason::Password) };
            (document, password) = (opened, Some(candidate));
        }
        let pages = document.get_pages();
        let cut = document.xref_recovery == Some(XrefRecovery::Reconstructed) && is_cut(octets);
        if pages.is_empty() || cut || promised(&document).is_some_and(|count| count > pages.len() as i64) {
            self.unreadable(place, Reason::Damaged);
        }
        let mut known = Known::default();
        let mut seen = BTreeSet::new();
        let mut said = HashSet::new();
        for (number, id) in &pages {
            let place = format!("{place} > page {number}");
            if !seen.insert(*id) {
                continue;
            }
            if self.budget.left() == 0 || !self.budget.file() {
                self.unreadable(&place, Reason::OverBudget);
                break;
            }
            let mut page = Page::new(&document, &mut known, limit.min(self.budget.text_left().saturating_mul(4)));
            page.read(*id);
            let (images, failed, drawn) = (page.images, page.failed, std::mem::take(&mut page.drawn));
            let (spent, text, beside) = page.finish();
            self.budget.spend(spent as u64);
            if let Some(reason) = failed {
                self.unreadable(&place, reason);
            }
            // A scanned page, with or without a number that was added to it: whoever sees it reads what is on the picture.
            let scanned = images && text.split_whitespace().map(str::len).sum::<usize>() < SCANNED;
            self.page_pictures(&document, &place, group, &drawn, scanned, failed.is_none() && text.trim().is_empty());
            said.insert(squeezed(&text));
            self.text(&place, TextKind::Attachment, group, text);
            self.text(&place, TextKind::Alternative, group, beside);
            let notes = annotations(&document, *id);
            self.text(&format!("{place} > notes"), TextKind::Attachment, group, notes);
        }
        let fields = form_fields(&document);
        self.text(&format!("{place} > form"), TextKind::Attachment, group, fields);
        let info = document.trailer.get(b"Info").ok().and_then(|info| dictionary(&document, info));
        let lines = info.map(|info| strings(&document, info)).unwrap_or_default();
        self.text(place, TextKind::Properties, group, lines);
        let beside = self.beside_pages(&document, octets, &mut known);
        self.text(&format!("{place} > beside the pages"), TextKind::Alternative, group, beside);
        self.embedded_files(&document, place, depth);
        self.older_versions(octets, place, group, password.as_deref(), &mut said);
    }

    fn page_pictures(&mut self, document: &Document, place: &str, group: u32, drawn: &[ObjectId], scanned: bool, bare: bool) {
        let role = if scanned { PictureRole::Page } else { PictureRole::Beside };
        let mut any = false;
        for id in drawn {
            let Some(octets) = pictures::picture(document, *id, limit(self)) else { continue };
            if !self.budget.spend(octets.len() as u64) {
                return self.unreadable(place, Reason::OverBudget);
            }
            any = true;
            // A page may be cut into strips, and have a logo; only without any text must all of it be read.
            self.picture(place, group, if bare { role } else { PictureRole::Beside }, &octets);
        }
        if scanned && bare && !any {
            self.unreadable(place, Reason::Unsupported);
        }
    }

    /// A file is saved by adding to its end (ISO 32000-2 §7.5.6): what was before is still in it, and each end marks a version.
    fn older_versions(&mut self, octets: &[u8], place: &str, group: u32, password: Option<&str>, said: &mut HashSet<u64>) {
        let ends: Vec<usize> = memmem::find_iter(octets, b"%%EOF").map(|at| at + 5).collect();
        let Some((_, older)) = ends.split_last() else { return };
        // The first end of a file made for the web closes its first page only.
        let linear = memmem::find(&octets[..octets.len().min(1024)], b"/Linearized").is_some();
        let older = older.iter().skip(usize::from(linear));
        for (back, end) in older.rev().take(VERSIONS).enumerate() {
            if !self.budget.spend(*end as u64) {
                return self.unreadable(place, Reason::OverBudget);
            }
            let Ok(document) = load(&octets[..*end], password, limit(self)) else { continue };
            if document.is_encrypted() {
                continue;
            }
            let mut known = Known::default();
            let place = format!("{place} > {} version{} before", back + 1, if back == 0 { "" } else { "s" });
            for (number, id) in document.get_pages() {
                if self.budget.left() == 0 {
                    return self.unreadable(&place, Reason::OverBudget);
                }
                let mut page = Page::new(&document, &mut known, limit(self));
                page.read(id);
                let (spent, text, _) = page.finish();
                self.budget.spend(spent as u64);
                if said.insert(squeezed(&text)) {
                    self.text(&format!("{place} > page {number}"), TextKind::Alternative, group, text);
                }
                let notes = annotations(&document, id);
                if said.insert(squeezed(&notes)) {
                    self.text(&format!("{place} > page {number} > notes"), TextKind::Alternative, group, notes);
                }
            }
            let fields = form_fields(&document);
            if said.insert(squeezed(&fields)) {
                self.text(&format!("{place} > form"), TextKind::Alternative, group, fields);
            }
        }
    }

    /// All that is in the file and on no page: strings of every object (bookmarks, notes, fields, scripts, descriptions), streams
    /// that no page draws (XMP, XFA, appearances, forms), comments, and what stands behind the end.
    fn beside_pages(&mut self, document: &Document, octets: &[u8], known: &mut Known) -> String {
        let mut out = String::new();
        for (id, object) in &document.objects {
            if out.len() > limit(self) {
                break;
            }
            strings_in(object, &mut out);
            let Object::Stream(stream) = object else { continue };
            let kind = |key: &[u8]| stream.dict.get(key).and_then(Object::as_name).unwrap_or_default();
            let binary = matches!(kind(b"Subtype"), b"Image" | b"Type1C" | b"CIDFontType0C" | b"OpenType")
                || matches!(kind(b"Type"), b"XRef" | b"ObjStm" | b"EmbeddedFile")
                || stream.dict.has(b"Length1");
            if binary || known.drawn.contains(id) {
                continue;
            }
            let Ok(content) = stream.get_plain_content_with_limit(limit(self)) else { continue };
            if !self.budget.spend(content.len() as u64) || !super::sniff::is_text(&content) {
                continue;
            }
            if memmem::find(&content, b"begincmap").is_some() {
                // The letters of a font; they say nothing by themselves.
                continue;
            }
            if memmem::find(&content, b"Tj").is_some() || memmem::find(&content, b"TJ").is_some() {
                let mut page = Page::new(document, known, limit(self));
                page.stray(&content, &stream.dict);
                out.push_str(&page.finish().1);
            } else {
                out.push_str(&crate::mime::text_in_charset(&content, None).0);
            }
            out.push('\n');
        }
        for line in octets.split(|b| matches!(b, b'\n' | b'\r')).filter(|line| line.first() == Some(&b'%')) {
            out.push_str(&super::plain::printable(line));
        }
        let end = memmem::rfind(octets, b"%%EOF").map_or(octets.len(), |at| at + 5);
        out.push_str(&super::plain::printable(&octets[end..]));
        out
    }

    /// Files attached to a PDF (ISO 32000-1 §7.11.4).
    fn embedded_files(&mut self, document: &Document, place: &str, depth: usize) {
        for object in document.objects.values() {
            let Ok(spec) = object.as_dict() else { continue };
            let Some(files) = spec.get(b"EF").ok().and_then(|files| dictionary(document, files)) else { continue };
            let name = [&b"UF"[..], b"F"].iter().find_map(|key| spec.get(key).ok()).and_then(text_string).unwrap_or_default();
            let Some(stream) = [&b"UF"[..], b"F"].iter().find_map(|key| files.get(key).ok()) else { continue };
            let Ok((_, Object::Stream(stream))) = document.dereference(stream) else { continue };
            match stream.get_plain_content_with_limit(limit(self)) {
                Ok(octets) if self.budget.spend(octets.len() as u64) => {
                    let name = if name.is_empty() { "attached file" } else { name.as_str() };
                    self.file(super::reading::File {
                        within: place,
                        name,
                        declared: "",
                        charset: None,
                        octets: &octets,
                        depth: depth + 1,
                    });
                }
                Ok(_) => self.unreadable(place, Reason::OverBudget),
                Err(_) => self.unreadable(place, Reason::Damaged),
            }
        }
    }
}

fn limit(reading: &Reading) -> usize {
    usize::try_from(reading.budget.left()).unwrap_or(usize::MAX).min(64 << 20)
}

/// `None` as the password tries the empty one.
fn load(octets: &[u8], password: Option<&str>, limit: usize) -> Result<Document, Reason> {
    let options =
        LoadOptions { password: password.map(str::to_owned), max_decompressed_size: Some(limit), ..LoadOptions::default() };
    Document::load_mem_with_options(octets, options).map_err(|error| match error {
        lopdf::Error::Decompress(_) => Reason::OverBudget,
        lopdf::Error::Unimplemented(_) => Reason::Unsupported,
        lopdf::Error::Decryption(_) | lopdf::Error::InvalidPassword => Reason::Password,
        _ => Reason::Damaged,
    })
}

/// Nothing marks an end behind the last object.
fn is_cut(octets: &[u8]) -> bool {
    let end = memmem::rfind(octets, b"%%EOF").or_else(|| memmem::rfind(octets, b"startxref"));
    memmem::rfind(octets, b" obj").is_some_and(|object| end.is_none_or(|end| end < object))
}

/// Equal for texts that differ in blanks only.
fn squeezed(text: &str) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    text.split_whitespace().for_each(|word| word.hash(&mut hasher));
    hasher.finish()
}

/// All strings of an object, without recursion: arrays may be nested a hundred thousand times.
fn strings_in(object: &Object, out: &mut String) {
    let mut waiting = vec![object];
    while let Some(object) = waiting.pop() {
        match object {
            Object::String(..) => {
                if let Some(text) = text_string(object).filter(|text| text.len() >= 4) {
                    out.push_str(&text);
                    out.push('\n');
                }
            }
            Object::Array(items) => waiting.extend(items.iter().rev()),
            Object::Dictionary(dictionary) => waiting.extend(dictionary.iter().map(|(_, value)| value)),
            Object::Stream(stream) => waiting.extend(stream.dict.iter().map(|(_, value)| value)),
            _ => {}
        }
    }
}

/// How many pages the root of the page tree says there are.
fn promised(document: &Document) -> Option<i64> {
    let root = dictionary(document, document.catalog().ok()?.get(b"Pages").ok()?)?;
    root.get(b"Count").ok()?.as_i64().ok()
}

fn dictionary<'d>(document: &'d Document, object: &'d Object) -> Option<&'d Dictionary> {
    match document.dereference(object).ok()?.1 {
        Object::Dictionary(dictionary) => Some(dictionary),
        Object::Stream(stream) => Some(&stream.dict),
        _ => None,
    }
}

/// UTF-16 with a mark, UTF-8 with a mark, or PDFDocEncoding, which is near windows-1252 (ISO 32000-2 §7.9.2.2).
fn text_string(object: &Object) -> Option<String> {
    let Object::String(octets, _) = object else { return None };
    let label = if std::str::from_utf8(octets).is_ok() { None } else { Some("windows-1252") };
    Some(crate::mime::text_in_charset(octets, label).0.into_owned())
}

fn strings(document: &Document, dictionary: &Dictionary) -> String {
    let mut out = String::new();
    for (key, value) in dictionary.iter() {
        let value = document.dereference(value).ok().and_then(|(_, value)| text_string(value));
        let technical = matches!(key.as_slice(), b"CreationDate" | b"ModDate" | b"Producer" | b"Creator");
        if let Some(value) = value.filter(|value| !value.trim().is_empty() && !technical) {
            out.push_str(&format!("{}: {value}\n", String::from_utf8_lossy(key)));
        }
    }
    out
}

fn annotations(document: &Document, page: ObjectId) -> String {
    let mut out = String::new();
    let add = |text: Option<String>, out: &mut String| {
        if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            out.push_str(&text);
            out.push('\n');
        }
    };
    for note in document.get_page_annotations(page).unwrap_or_default().into_iter().take(10_000) {
        for key in [&b"Contents"[..], b"V", b"TU"] {
            let value =
                note.get(key).ok().and_then(|value| document.dereference(value).ok()).and_then(|(_, value)| text_string(value));
            add(value, &mut out);
        }
        let target =
            note.get(b"A").ok().and_then(|action| dictionary(document, action)).and_then(|action| action.get(b"URI").ok());
        add(target.and_then(text_string), &mut out);
    }
    out
}

/// The values of a form (ISO 32000-1 §12.7); its tree is walked without following a loop.
fn form_fields(document: &Document) -> String {
    let mut out = String::new();
    let form =
        document.catalog().ok().and_then(|catalog| catalog.get(b"AcroForm").ok()).and_then(|form| dictionary(document, form));
    let mut waiting: Vec<&Object> =
        form.and_then(|form| array(document, form.get(b"Fields").ok()?)).into_iter().flatten().collect();
    let mut left = 10_000;
    while let Some(field) = waiting.pop() {
        left -= 1;
        if left == 0 {
            break;
        }
        let Some(field) = dictionary(document, field) else { continue };
        let text = |key: &[u8]| document.dereference(field.get(key).ok()?).ok().and_then(|(_, value)| text_string(value));
        if let Some(value) = text(b"V").filter(|value| !value.trim().is_empty()) {
            out.push_str(&format!("{}: {value}\n", text(b"T").unwrap_or_default()));
        }
        waiting.extend(field.get(b"Kids").ok().and_then(|kids| array(document, kids)).into_iter().flatten());
    }
    out
}

fn array<'d>(document: &'d Document, object: &'d Object) -> Option<&'d Vec<Object>> {
    document.dereference(object).ok()?.1.as_array().ok()
}

#[cfg(test)]
mod tests;
