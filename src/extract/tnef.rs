//! Turns Outlook's own wrapping of a message (`winmail.dat`, MS-OXTNEF) into its header, bodies, fields and attachments.
//!
//! | read | not read |
//! |---|---|
//! | subject, correspondents, plain, HTML and rich text bodies, all fields that hold text | numbers and dates among the fields |
//! | attachments under their long names, attached messages, wrapped messages inside | embedded objects of unknown kind: their strings only |

use super::mapi::{self, BINARY, Property};
use super::octets::{in_code_page, slice, slice_to_end, u16_at, u32_at, until_zero, utf16_until_zero};
use super::reading::{File, Reading};
use super::*;

pub(super) const SIGNATURE: [u8; 4] = [0x78, 0x9f, 0x3e, 0x22];
/// Properties of one list, values of one property.
const MOST: usize = 20_000;

#[derive(Default)]
struct Attachment {
    title: String,
    octets: Vec<u8>,
    properties: Vec<Property>,
}

impl Reading {
    pub(super) fn tnef(&mut self, file: &File, place: &str, group: u32) {
        let octets = file.octets;
        let mut at = 6;
        let mut page = 1252;
        let mut properties: Vec<Property> = Vec::new();
        let mut recipients = String::new();
        let mut attachments: Vec<Attachment> = Vec::new();
        let mut fields = String::new();
        while at < octets.len() {
            let (Some(level), Some(tag), Some(length)) = (octets.get(at), u32_at(octets, at + 1), u32_at(octets, at + 5))
            else {
                self.unreadable(place, Reason::Damaged);
                break;
            };
            let content = slice_to_end(octets, at + 9, length as usize);
            if content.len() < length as usize || !matches!(level, 1 | 2) {
                self.unreadable(place, Reason::Damaged);
            }
            // A checksum of two octets follows.
            at = at.saturating_add(11).saturating_add(length as usize);
            let text = || in_code_page(until_zero(content), page);
            match tag & 0xffff {
                0x9007 => page = u32_at(content, 0).unwrap_or(page),
                0x8004 => properties.push(eight_bit(mapi::SUBJECT, content)),
                0x800c => properties.push(eight_bit(mapi::BODY, content)),
                0x8000 => fields.push_str(&format!("From: {}\n", printable_words(content))),
                0x9003 => properties.extend(list(content, &mut 0)),
                0x9004 => {
                    let mut next = 4;
                    for _ in 0..u32_at(content, 0).unwrap_or(0).min(10_000) {
                        let row = list(content, &mut next);
                        if row.is_empty() {
                            break;
                        }
                        recipients.push_str(&mapi::recipient(&row, page));
                    }
                }
                0x9002 => attachments.push(Attachment::default()),
                0x8010 => {
                    let title = text();
                    current(&mut attachments).title = title;
                }
                0x800f => current(&mut attachments).octets = content.to_vec(),
                0x9005 => current(&mut attachments).properties.extend(list(content, &mut 0)),
                // The message's class and identifiers, and dates.
                0x8008 | 0x8009 | 0x8005..=0x8007 | 0x8020 | 0x9006 | 0x9008 | 0x8011..=0x8013 => {}
                _ => fields.push_str(&printable_words(content)),
            }
        }
        let page = mapi::code_page(&properties, page);
        self.mapi_message(&properties, &recipients, page, place, group);
        self.text(place, TextKind::Properties, group, fields);
        for attachment in attachments {
            self.tnef_attachment(&attachment, page, place, group, file.depth + 1);
        }
    }

    fn tnef_attachment(&mut self, attachment: &Attachment, page: u32, place: &str, group: u32, depth: usize) {
        let name = Some(mapi::attachment_name(&attachment.properties, page)).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| attachment.title.clone());
        let object = attachment.properties.iter().find(|property| property.id == mapi::ATTACH_DATA);
        // An attached message or object stands in a property, behind the identifier of its interface.
        let octets = match object {
            Some(object) if attachment.octets.is_empty() => match object.kind {
                BINARY => &object.octets,
                _ => object.octets.get(16..).unwrap_or_default(),
            },
            _ => attachment.octets.as_slice(),
        };
        for property in attachment.properties.iter().filter(|property| property.id != mapi::ATTACH_DATA) {
            if let Some(text) = property.text(page).filter(|text| text.len() > 3 && *text != name) {
                self.text(place, TextKind::Properties, group, text);
            }
        }
        let declared = if name.is_empty() { "attachment" } else { "" };
        if !octets.is_empty() && self.budget.spend(octets.len() as u64) {
            self.file(File { within: place, name: &name, declared, charset: None, octets, depth });
        }
    }
}

fn current(attachments: &mut Vec<Attachment>) -> &mut Attachment {
    if attachments.is_empty() {
        attachments.push(Attachment::default());
    }
    let last = attachments.len() - 1;
    &mut attachments[last]
}

fn eight_bit(id: u16, octets: &[u8]) -> Property {
    Property { id, kind: mapi::TEXT8, name: None, octets: octets.to_vec() }
}

fn printable_words(octets: &[u8]) -> String {
    super::octets::strings(octets)
}

/// A list of properties (MS-OXTNEF §2.1.3.4); of a broken one those before the damage.
fn list(octets: &[u8], at: &mut usize) -> Vec<Property> {
    let count = u32_at(octets, *at).unwrap_or(0) as usize;
    *at = at.saturating_add(4);
    let mut found = Vec::new();
    for _ in 0..count.min(MOST) {
        if property(octets, at, &mut found).is_none() {
            break;
        }
    }
    found
}

fn property(octets: &[u8], at: &mut usize, found: &mut Vec<Property>) -> Option<()> {
    let (kind, id) = (u16_at(octets, *at)?, u16_at(octets, *at + 2)?);
    *at += 4;
    let mut name = None;
    if id >= 0x8000 {
        let is_name = u32_at(octets, *at + 16)? == 1;
        *at += 20;
        let length = if is_name { u32_at(octets, *at)? as usize } else { 0 };
        if is_name {
            name = Some(utf16_until_zero(slice(octets, *at + 4, length)?));
        }
        *at += 4 + length.next_multiple_of(4);
    }
    let many = kind & 0x1000 != 0;
    let base = kind & 0xefff;
    let counted = matches!(base, mapi::TEXT8 | mapi::TEXT16 | BINARY | 0x0d);
    let values = if many || counted {
        let values = u32_at(octets, *at)? as usize;
        *at += 4;
        values
    } else {
        1
    };
    for _ in 0..values.min(MOST) {
        let length = match base {
            _ if counted => {
                let length = u32_at(octets, *at)? as usize;
                *at += 4;
                length
            }
            0x02 | 0x03 | 0x04 | 0x0a | 0x0b => 4,
            0x05 | 0x06 | 0x07 | 0x14 | 0x40 => 8,
            0x48 => 16,
            _ => return None,
        };
        let value = slice(octets, *at, length)?;
        *at += length.next_multiple_of(4);
        found.push(Property { id, kind: base, name: name.clone(), octets: value.to_vec() });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(level: u8, tag: u32, content: &[u8]) -> Vec<u8> {
        let sum = content.iter().fold(0u16, |sum, b| sum.wrapping_add(u16::from(*b)));
        [&[level][..], &tag.to_le_bytes(), &(content.len() as u32).to_le_bytes(), content, &sum.to_le_bytes()].concat()
    }

    fn text_property(kind: u16, id: u16, octets: &[u8]) -> Vec<u8> {
        let mut out = [&kind.to_le_bytes()[..], &id.to_le_bytes()].concat();
        out.extend(1u32.to_le_bytes());
        out.extend((octets.len() as u32).to_le_bytes());
        out.extend(octets);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn winmail() -> Vec<u8> {
        let html = text_property(0x0102, mapi::HTML, b"<p>41<b>11</b>");
        let mut properties = 2u32.to_le_bytes().to_vec();
        properties.extend(html);
        properties.extend(text_property(0x1f, mapi::SUBJECT, &wide("Élodie")));
        let mut named = 1u32.to_le_bytes().to_vec();
        named.extend(text_property(0x1f, mapi::ATTACH_LONG_NAME, &wide("a long name.txt")));
        [
            &SIGNATURE[..],
            &[1, 0],
            &attribute(1, 0x0006_9007, &1252u32.to_le_bytes()),
            &attribute(1, 0x0002_800c, b"body t\xe9l\0"),
            &attribute(1, 0x0006_9003, &properties),
            &attribute(2, 0x0006_9002, &[0; 14]),
            &attribute(2, 0x0001_8010, b"SHORT.TXT\0"),
            &attribute(2, 0x0006_800f, b"what is attached"),
            &attribute(2, 0x0006_9005, &named),
        ]
        .concat()
    }

    #[test]
    fn what_outlook_wraps_is_unwrapped() {
        let extracted = extract_file("winmail.dat", &winmail(), &Limits::default(), &Reader::here());
        for (place, needle) in [
            ("winmail.dat > body", "body tél"),
            ("winmail.dat > body", "4111"),
            ("winmail.dat > header", "Subject: Élodie"),
            ("winmail.dat > a long name.txt", "what is attached"),
        ] {
            let found = extracted.texts.iter().any(|text| &*text.place.0 == place && text.content.contains(needle));
            assert!(found, "{needle}: {:#?}", extracted.texts);
        }
        assert_eq!(extracted.unreadable, []);
        let cut = extract_file("winmail.dat", &winmail()[..60], &Limits::default(), &Reader::here());
        assert_eq!(cut.unreadable[0].reason, Reason::Damaged);
    }
}
