//! Turns an Outlook message (`.msg`, MS-OXMSG) into its header, bodies, fields and attachments.
//!
//! | read | not read |
//! |---|---|
//! | subject, correspondents, transport header, plain, HTML and rich text bodies | numbers and dates among the fields |
//! | all fields that hold text, those with names of their own (labels) under their names; code pages | |
//! | attachments by value, attached messages, embedded objects | attachments by reference: their path only |

use super::mapi::{self, BINARY, NUMBER, Property};
use super::octets::{slice, u16_at, u32_at, utf16};
use super::ole::Storage;
use super::reading::{File, Reading};
use super::*;
use std::collections::{HashMap, HashSet};

/// Properties of one message.
const MOST: usize = 20_000;

impl Reading {
    pub(super) fn outlook_message(&mut self, storage: &Storage, seen: &mut HashSet<usize>) {
        let names = names(storage);
        let properties = self.properties(storage, &names);
        let page = mapi::code_page(&properties, 1252);
        let compound = storage.compound;
        let mut recipients = String::new();
        let mut attachments = Vec::new();
        for child in compound.children(storage.index) {
            let name = compound.name(child).to_ascii_lowercase();
            let inner = Storage { index: child, ..*storage };
            if name.starts_with("__recip") {
                let properties = self.properties(&inner, &names);
                recipients.push_str(&mapi::recipient(&properties, page));
            } else if name.starts_with("__attach") {
                attachments.push(child);
            }
        }
        self.mapi_message(&properties, &recipients, page, storage.place, storage.group);
        for child in attachments {
            let inner = Storage { index: child, ..*storage };
            self.outlook_attachment(&inner, &names, page, seen);
        }
    }

    fn outlook_attachment(&mut self, storage: &Storage, names: &HashMap<u16, String>, page: u32, seen: &mut HashSet<usize>) {
        let compound = storage.compound;
        let properties = self.properties(storage, names);
        let name = mapi::attachment_name(&properties, page);
        let declared = mapi::find(&properties, mapi::ATTACH_TYPE).and_then(|property| property.text(page));
        let declared = declared.unwrap_or_default().to_ascii_lowercase();
        let depth = storage.depth + 1;
        for property in &properties {
            // Link targets, titles, what an attachment says of itself.
            if let Some(text) = property.text(page).filter(|text| text.len() > 3 && *text != name) {
                self.text(storage.place, TextKind::Properties, storage.group, text);
            }
        }
        if let Some(data) = properties.iter().find(|property| property.id == mapi::ATTACH_DATA && property.kind == BINARY) {
            let declared = if name.is_empty() && declared.is_empty() { "attachment" } else { declared.as_str() };
            let file = File { within: storage.place, name: &name, declared, charset: None, octets: &data.octets, depth };
            return self.file(file);
        }
        if let Some(object) = compound.find(storage.index, "__substg1.0_3701000D") {
            let shown = if name.is_empty() { "attached message" } else { &name };
            let place = self.place(storage.place, shown);
            let group = self.new_group();
            self.name(&place, group, &name);
            if !self.budget.file() || depth > self.budget.depth() {
                return self.unreadable(&place, Reason::OverBudget);
            }
            let inner = Storage { compound, index: object, place: &place, group, depth };
            if !self.storage(&inner, seen) {
                self.unreadable(&place, Reason::Unsupported);
            }
        }
    }

    /// The streams and fixed values of a message, recipient or attachment.
    fn properties(&mut self, storage: &Storage, names: &HashMap<u16, String>) -> Vec<Property> {
        let compound = storage.compound;
        let mut found = Vec::new();
        for child in compound.children(storage.index).into_iter().take(MOST) {
            let name = compound.name(child).to_ascii_lowercase();
            if !compound.is_stream(child) {
                continue;
            }
            if let Some(tag) = name.strip_prefix("__substg1.0_") {
                // Values of lists have a number behind: `…101F-00000000`; the stream without one holds their lengths.
                let (id, kind) = (hexadecimal(tag.get(..4)), hexadecimal(tag.get(4..8)));
                let (Some(id), Some(kind)) = (id, kind) else { continue };
                if kind & 0x1000 != 0 && tag.len() == 8 {
                    continue;
                }
                let octets = self.stream(storage, child);
                found.push(Property { id, kind: kind & 0xefff, name: names.get(&id).cloned(), octets });
            } else if name == "__properties_version1.0" {
                let octets = self.stream(storage, child);
                // The head has 8, 24 or 32 octets, an entry 16: all are multiples of 8.
                for at in (0..octets.len()).step_by(8) {
                    let (Some(tag), Some(value)) = (u32_at(&octets, at), slice(&octets, at + 8, 4)) else { break };
                    if matches!(tag, 0x3ffd_0003 | 0x3fde_0003) {
                        found.push(Property { id: (tag >> 16) as u16, kind: NUMBER, name: None, octets: value.to_vec() });
                    }
                }
            }
        }
        found
    }
}

fn hexadecimal(digits: Option<&str>) -> Option<u16> {
    u16::from_str_radix(digits?, 16).ok()
}

/// What the properties that somebody defined are called (MS-OXMSG §2.2.3), by their number.
fn names(storage: &Storage) -> HashMap<u16, String> {
    let compound = storage.compound;
    let mut names = HashMap::new();
    let Some(mapping) = compound.find(0, "__nameid_version1.0") else { return names };
    let entries = compound.named(mapping, "__substg1.0_00030102").unwrap_or_default();
    let strings = compound.named(mapping, "__substg1.0_00040102").unwrap_or_default();
    for entry in entries.chunks_exact(8).take(MOST) {
        let (Some(at), Some(kind), Some(index)) = (u32_at(entry, 0), u16_at(entry, 4), u16_at(entry, 6)) else { continue };
        if kind & 1 == 1
            && let Some(length) = u32_at(&strings, at as usize)
            && let Some(name) = slice(&strings, at as usize + 4, length as usize)
        {
            names.insert(0x8000u16.wrapping_add(index), utf16(name));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    pub(in crate::extract) fn message() -> Vec<u8> {
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        for storage in [
            "/__nameid_version1.0",
            "/__recip_version1.0_#00000000",
            "/__attach_version1.0_#00000000",
            "/__attach_version1.0_#00000001",
            "/__attach_version1.0_#00000001/__substg1.0_3701000D",
        ] {
            file.create_storage(storage).unwrap();
        }
        let mut fixed = vec![0; 32];
        fixed.extend(0x3ffd_0003u32.to_le_bytes());
        fixed.extend([6, 0, 0, 0]);
        fixed.extend(1251u32.to_le_bytes());
        fixed.extend([0; 4]);
        let label = wide("msip_labels");
        let names = [&(label.len() as u32).to_le_bytes()[..], &label].concat();
        let packed = [&[0u8, 0, 0, 0, 28, 0, 0, 0][..], b"MELA\0\0\0\0{\\rtf1 rich 1 85 {\\b 05} 78}"].concat();
        let embedded = "/__attach_version1.0_#00000001/__substg1.0_3701000D";
        for (path, octets) in [
            ("/__properties_version1.0".to_owned(), fixed),
            ("/__substg1.0_0037001F".to_owned(), wide("Dossier Élodie")),
            ("/__substg1.0_1000001E".to_owned(), b"\xcf\xf0\xe8\xe2\xe5\xf2".to_vec()),
            ("/__substg1.0_10130102".to_owned(), b"<p>41<b>11</b></p>".to_vec()),
            ("/__substg1.0_10090102".to_owned(), packed),
            ("/__substg1.0_8000001F".to_owned(), wide("MSIP_Label_1_Name=Confidentiel")),
            ("/__nameid_version1.0/__substg1.0_00030102".to_owned(), vec![0, 0, 0, 0, 1, 0, 0, 0]),
            ("/__nameid_version1.0/__substg1.0_00040102".to_owned(), names),
            ("/__recip_version1.0_#00000000/__substg1.0_39FE001F".to_owned(), wide("b@example.org")),
            ("/__attach_version1.0_#00000000/__substg1.0_3707001F".to_owned(), wide("agents.csv")),
            ("/__attach_version1.0_#00000000/__substg1.0_37010102".to_owned(), b"Nom;NIR\nX;2\n".to_vec()),
            (format!("{embedded}/__properties_version1.0"), vec![0; 24]),
            (format!("{embedded}/__substg1.0_0037001F"), wide("inner subject")),
        ] {
            file.create_stream(&path).unwrap().write_all(&octets).unwrap();
        }
        file.flush().unwrap();
        file.into_inner().into_inner()
    }

    #[test]
    fn all_of_a_message_is_read() {
        let extracted = extract_file("a.msg", &message(), &Limits::default(), &Reader::here());
        for (kind, place, needle) in [
            (TextKind::Header, "a.msg > header", "Subject: Dossier Élodie\n"),
            (TextKind::Header, "a.msg > header", "Recipient: b@example.org"),
            (TextKind::Body, "a.msg > body", "Привет"),
            (TextKind::Body, "a.msg > body", "4111"),
            (TextKind::Alternative, "a.msg > body", "rich 1 85 05 78"),
            (TextKind::Properties, "a.msg", "msip_labels: MSIP_Label_1_Name=Confidentiel"),
            (TextKind::Attachment, "a.msg > agents.csv", "X\t2"),
            (TextKind::FileName, "a.msg > agents.csv", "agents.csv"),
            (TextKind::Header, "a.msg > attached message > header", "inner subject"),
        ] {
            let found = extracted.texts.iter().any(|t| t.kind == kind && &*t.place.0 == place && t.content.contains(needle));
            assert!(found, "{needle}: {:#?}", extracted.texts);
        }
        assert_eq!(extracted.unreadable, []);
    }
}
