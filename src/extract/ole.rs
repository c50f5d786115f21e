//! Turns a compound file into what it is: a Word, Excel or PowerPoint document before 2007, an Outlook message, an Office document
//! with a password, an embedded object; and the objects inside each.

use super::compound::Compound;
use super::octets::{slice, strings, u32_at, until_zero};
use super::office_lock::Lock;
use super::reading::{File, Reading};
use super::*;
use super::{excel97, ole_properties, powerpoint97, vba, word97};
use std::collections::HashSet;

/// Objects in objects in objects.
const DEPTH: usize = 10;

/// Streams that were read as what they are, or that hold formatting and pictures only.
const READ: [&str; 14] = [
    "WordDocument",
    "0Table",
    "1Table",
    "Data",
    "Workbook",
    "Book",
    "PowerPoint Document",
    "Pictures",
    "Current User",
    "\u{1}CompObj",
    "\u{1}Ole",
    "\u{3}ObjInfo",
    "\u{1}Ole10Native",
    "Package",
];

/// A storage of a compound file and where it is shown.
pub(super) struct Storage<'x> {
    pub compound: &'x Compound<'x>,
    pub index: usize,
    pub place: &'x str,
    pub group: u32,
    pub depth: usize,
}

impl Storage<'_> {
    pub(super) fn named(&self, name: &str) -> Option<Vec<u8>> {
        self.compound.named(self.index, name)
    }
}

impl Reading {
    pub(super) fn ole(&mut self, file: &File, place: &str, group: u32) {
        let Some(compound) = Compound::open(file.octets) else {
            self.text(place, TextKind::Alternative, group, strings(file.octets));
            // MS-OFFCRYPTO §2.3.4.4: the name of the stream stands in UTF-16.
            let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
            let encrypted = memchr::memmem::find(file.octets, &name).is_some();
            return self.unreadable(place, if encrypted { Reason::Password } else { Reason::Damaged });
        };
        if compound.damaged {
            self.unreadable(place, Reason::Damaged);
        }
        let mut seen = HashSet::new();
        let root = Storage { compound: &compound, index: 0, place, group, depth: file.depth };
        if !self.storage(&root, &mut seen) {
            self.unreadable(place, Reason::Unsupported);
        }
    }

    /// A stream's octets, paid for: a thousand entries may name one chain.
    pub(super) fn stream(&mut self, storage: &Storage, entry: usize) -> Vec<u8> {
        let (octets, whole) = storage.compound.stream(entry);
        if !whole {
            self.unreadable(storage.place, Reason::Damaged);
        }
        if !self.budget.spend(octets.len() as u64) {
            self.unreadable(storage.place, Reason::OverBudget);
            return Vec::new();
        }
        octets
    }

    /// False when nobody knows what it is.
    pub(super) fn storage(&mut self, storage: &Storage, seen: &mut HashSet<usize>) -> bool {
        let compound = storage.compound;
        if !seen.insert(storage.index) {
            return true;
        }
        if storage.depth > self.budget.depth().max(DEPTH) {
            self.unreadable(storage.place, Reason::OverBudget);
            return true;
        }
        let children = compound.children(storage.index);
        let find = |name: &str| children.iter().copied().find(|child| compound.name(*child).eq_ignore_ascii_case(name));
        if let Some(package) = find("EncryptedPackage") {
            self.locked_package(storage, package);
            return true;
        }
        if find("__properties_version1.0").is_some() {
            self.outlook_message(storage, seen);
            return true;
        }
        let mut known = true;
        if let Some(main) = find("WordDocument") {
            let main = self.stream(storage, main);
            self.word97(storage, &main);
        } else if let Some(book) = find("Workbook").or_else(|| find("Book")) {
            let book = self.stream(storage, book);
            self.excel97(storage, &book);
        } else if let Some(slides) = find("PowerPoint Document") {
            let slides = self.stream(storage, slides);
            self.powerpoint97(storage, &slides, find("EncryptedSummary").is_some());
        } else if let Some(native) = find("\u{1}Ole10Native") {
            let octets = self.stream(storage, native);
            self.packaged(storage, &octets);
        } else if let Some(package) =
            ["Package", "CONTENTS", "package_stream", "EmbeddedOdf"].iter().find_map(|name| find(name))
        {
            let octets = self.stream(storage, package);
            let name = compound.name(package).to_ascii_lowercase();
            let depth = storage.depth + 1;
            self.file(File { within: storage.place, name: &name, declared: "", charset: None, octets: &octets, depth });
        } else {
            known = false;
        }
        for child in children {
            let name = compound.name(child).to_owned();
            match compound.is_stream(child) {
                true if name.starts_with('\u{5}') => {
                    let octets = self.stream(storage, child);
                    self.text(storage.place, TextKind::Properties, storage.group, ole_properties::read(&octets));
                }
                true => {
                    let (octets, _) = compound.stream(child);
                    if let Some(source) = vba::source(&octets) {
                        known = true;
                        let place = self.place(storage.place, &format!("macro {name}"));
                        let text = crate::mime::text_in_charset(&source, None).0.into_owned();
                        if self.budget.spend(text.len() as u64) {
                            self.text(&place, TextKind::Attachment, storage.group, text);
                        }
                    } else if !READ.contains(&name.as_str()) && self.budget.spend(octets.len() as u64) {
                        // Anyone can put a stream beside the others.
                        self.text(storage.place, TextKind::Alternative, storage.group, strings(&octets));
                    }
                }
                false => {
                    let place = format!("{} > {}", storage.place, legible(&name));
                    let inner = Storage { index: child, place: &place, depth: storage.depth + 1, ..*storage };
                    let kept = self.group_of_object(&name, storage.group);
                    known |= self.storage(&Storage { group: kept, ..inner }, seen) && !matches!(name.as_str(), "VBA");
                }
            }
        }
        // The controls, fonts and drawings that documents carry; their strings are all a reader could see.
        known || is_furniture(compound, storage.index)
    }

    /// A document since 2007 with a password: tried with those that the message tells.
    fn locked_package(&mut self, storage: &Storage, package: usize) {
        let package = self.stream(storage, package);
        let lock = storage.named("EncryptionInfo").and_then(|info| Lock::read(&info));
        let opened = lock.and_then(|lock| {
            self.open_with(storage.place, lock.cost(), |password| {
                // One that fits by chance would give noise.
                lock.open(&package, password).filter(|octets| octets.starts_with(b"PK"))
            })
        });
        let Some(octets) = opened else { return self.unreadable(storage.place, Reason::Password) };
        if !self.budget.spend(octets.len() as u64) {
            return self.unreadable(storage.place, Reason::OverBudget);
        }
        let file = File { within: "", name: "", declared: "", charset: None, octets: &octets, depth: storage.depth + 1 };
        self.zip(&file, storage.place, storage.group);
    }

    /// Embedded documents are attachments of their own; the storages of macros belong to their document.
    fn group_of_object(&mut self, name: &str, outer: u32) -> u32 {
        if name.starts_with('_') || name.starts_with("MBD") || name.starts_with("Object") { self.new_group() } else { outer }
    }

    fn word97(&mut self, storage: &Storage, main: &[u8]) {
        let (place, group) = (storage.place, storage.group);
        let read = word97::read(main, |name| storage.named(name).unwrap_or_default());
        let text = match read {
            Ok(text) => text,
            Err(reason) => {
                if reason == Reason::Damaged {
                    self.text(place, TextKind::Alternative, group, strings(main));
                }
                return self.unreadable(place, reason);
            }
        };
        for (name, text) in text.texts {
            let place = if name.is_empty() { place.to_owned() } else { format!("{place} > {name}") };
            self.text(&place, TextKind::Attachment, group, text);
        }
        self.text(place, TextKind::Alternative, group, text.everything);
        self.text(place, TextKind::Alternative, group, text.codes);
        self.text(place, TextKind::Alternative, group, text.remains);
        if text.damaged {
            self.text(place, TextKind::Alternative, group, strings(main));
            self.unreadable(place, Reason::Damaged);
        }
    }

    fn excel97(&mut self, storage: &Storage, stream: &[u8]) {
        let (place, group) = (storage.place, storage.group);
        let book = match excel97::read(stream, self.budget.text_left()) {
            Ok(book) => book,
            Err(reason) => {
                if reason == Reason::Damaged {
                    self.text(place, TextKind::Alternative, group, strings(stream));
                }
                return self.unreadable(place, reason);
            }
        };
        for sheet in book.sheets {
            let place = self.place(place, &sheet.name);
            self.name(&place, group, &sheet.name);
            let (content, table) = sheet.builder.finish();
            self.table(&place, TextKind::Attachment, group, content, Some(table));
            self.text(&place, TextKind::Attachment, group, sheet.beside);
        }
        self.text(place, TextKind::Alternative, group, book.beside);
        self.text(&format!("{place} > unused strings"), TextKind::Alternative, group, book.unused);
        if book.damaged {
            self.unreadable(place, Reason::Damaged);
        }
        if book.over_budget {
            self.unreadable(place, Reason::OverBudget);
        }
    }

    fn powerpoint97(&mut self, storage: &Storage, stream: &[u8], encrypted: bool) {
        let (place, group) = (storage.place, storage.group);
        let slides = powerpoint97::read(stream);
        // MS-PPT §2.3.2: an encrypted presentation says so in the stream beside.
        let token = storage.named("Current User").and_then(|user| u32_at(&user, 12));
        if encrypted || slides.encrypted || token == Some(0xf3d1_c4df) {
            return self.unreadable(place, Reason::Password);
        }
        for (name, text) in &slides.texts {
            self.text(&format!("{place} > {name}"), TextKind::Attachment, group, text.as_str());
        }
        if slides.damaged {
            self.unreadable(place, Reason::Damaged);
        }
        for (n, object) in slides.objects.iter().enumerate() {
            let (octets, reason) = match object.packed {
                true => self.budget.unpack(flate2::read::ZlibDecoder::new(object.octets.as_slice())),
                false => (object.octets.clone(), None),
            };
            let name = format!("object {}", n + 1);
            if let Some(reason) = reason {
                self.unreadable(&format!("{place} > {name}"), reason);
            }
            // Macros are kept like objects.
            let file =
                File { within: place, name: "", declared: &name, charset: None, octets: &octets, depth: storage.depth + 1 };
            self.file(file);
        }
    }

    /// A file that was put into a document by the packager: its names, then its octets (MS-OLEDS §2.3.6).
    pub(super) fn packaged(&mut self, storage: &Storage, octets: &[u8]) {
        let (name, content) = package(octets).unwrap_or_else(|| (String::new(), octets.get(4..).unwrap_or_default()));
        let declared = if name.is_empty() { "embedded object" } else { "" };
        self.file(File {
            within: storage.place,
            name: &name,
            declared,
            charset: None,
            octets: content,
            depth: storage.depth + 1,
        });
    }
}

/// The name and the octets of an `Ole10Native` stream.
pub(super) fn package(octets: &[u8]) -> Option<(String, &[u8])> {
    let rest = octets.get(6..)?;
    let label = until_zero(rest);
    let path = until_zero(rest.get(label.len() + 1..)?);
    let at = 6 + label.len() + 1 + path.len() + 1 + 4;
    let temporary = u32_at(octets, at)? as usize;
    let length = u32_at(octets, at.checked_add(4)?.checked_add(temporary)?)? as usize;
    let content = slice(octets, at + 8 + temporary, length)?;
    let name = if label.is_empty() { path } else { label };
    let name = crate::mime::text_in_charset(name, None).0;
    Some((name.rsplit(['\\', '/']).next().unwrap_or(&name).to_owned(), content))
}

fn legible(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Storages that hold settings of a document rather than text.
fn is_furniture(compound: &Compound, storage: usize) -> bool {
    const NAMES: [&str; 12] = [
        "Equation Native",
        "\u{3}OCXNAME",
        "\u{3}OCXDATA",
        "\u{3}ObjInfo",
        "dir",
        "_VBA_PROJECT",
        "PROJECT",
        "MsoDataStore",
        "ObjectPool",
        "contents",
        "\u{3}VBFrame",
        "o",
    ];
    let name = compound.name(storage);
    NAMES.contains(&name)
        || matches!(name, "Macros" | "_VBA_PROJECT_CUR" | "VBA" | "MsoDataStore" | "Forms")
        || compound.children(storage).iter().any(|child| NAMES.contains(&compound.name(*child)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packaged_file_has_its_name_and_octets() {
        let mut stream = b"\0\0\0\0\x02\0a.txt\0C:\\x\\a.txt\0\0\0\x03\0".to_vec();
        stream.extend(4u32.to_le_bytes());
        stream.extend(b"tmp\0");
        stream.extend(5u32.to_le_bytes());
        stream.extend(b"hello rest");
        assert_eq!(package(&stream), Some(("a.txt".to_owned(), &b"hello"[..])));
        assert_eq!(package(&stream[..20]), None);
    }
}
