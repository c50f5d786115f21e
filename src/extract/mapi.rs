//! Turns the properties of an Outlook message (MS-OXPROPS) into its header, its bodies and its other fields; shared by `.msg` files
//! and `winmail.dat`.

use super::octets::{in_code_page, until_zero, utf16_until_zero};
use super::reading::Reading;
use super::*;
use super::{rich_text_packed, rtf};

#[derive(Clone, Debug)]
pub(super) struct Property {
    pub id: u16,
    /// MS-OXCDATA §2.11.1.
    pub kind: u16,
    /// Of a property that somebody defined.
    pub name: Option<String>,
    pub octets: Vec<u8>,
}

pub(super) const TEXT8: u16 = 0x1e;
pub(super) const TEXT16: u16 = 0x1f;
pub(super) const BINARY: u16 = 0x0102;
pub(super) const NUMBER: u16 = 0x03;

pub(super) const SUBJECT: u16 = 0x0037;
pub(super) const BODY: u16 = 0x1000;
pub(super) const RTF: u16 = 0x1009;
pub(super) const HTML: u16 = 0x1013;
pub(super) const ATTACH_DATA: u16 = 0x3701;
pub(super) const ATTACH_NAME: u16 = 0x3704;
pub(super) const ATTACH_LONG_NAME: u16 = 0x3707;
pub(super) const ATTACH_TYPE: u16 = 0x370e;
const TRANSPORT_HEADER: u16 = 0x007d;
const DISPLAY_NAME: u16 = 0x3001;
const INTERNET_CODE_PAGE: u16 = 0x3fde;
const MESSAGE_CODE_PAGE: u16 = 0x3ffd;

/// Fields of the header, in the order in which readers show them.
const HEADER: [(u16, &str); 14] = [
    (0x0042, "From"),
    (0x5d02, "From"),
    (0x0065, "From"),
    (0x0c1a, "Sender"),
    (0x5d01, "Sender"),
    (0x0c1f, "Sender"),
    (0x0e04, "To"),
    (0x0e03, "Cc"),
    (0x0e02, "Bcc"),
    (SUBJECT, "Subject"),
    (0x0070, "Thread-Topic"),
    (0x1035, "Message-ID"),
    (0x1042, "In-Reply-To"),
    (0x1039, "References"),
];

impl Property {
    pub(super) fn text(&self, page: u32) -> Option<String> {
        match self.kind {
            TEXT16 => Some(utf16_until_zero(&self.octets)),
            TEXT8 => Some(in_code_page(until_zero(&self.octets), page)),
            _ => None,
        }
    }

    fn number(&self) -> Option<u32> {
        (self.kind == NUMBER).then(|| super::octets::u32_at(&self.octets, 0)).flatten()
    }
}

pub(super) fn find(properties: &[Property], id: u16) -> Option<&Property> {
    properties.iter().find(|property| property.id == id)
}

/// The code page of 8-bit texts.
pub(super) fn code_page(properties: &[Property], otherwise: u32) -> u32 {
    let said = |id: u16| find(properties, id).and_then(Property::number);
    said(MESSAGE_CODE_PAGE).or_else(|| said(INTERNET_CODE_PAGE)).filter(|page| *page != 0 && *page != 1200).unwrap_or(otherwise)
}

/// The name of an attachment: the long one, else the short one, else what it is called in the message.
pub(super) fn attachment_name(properties: &[Property], page: u32) -> String {
    [ATTACH_LONG_NAME, ATTACH_NAME, DISPLAY_NAME]
        .iter()
        .find_map(|id| find(properties, *id)?.text(page).filter(|name| !name.is_empty()))
        .unwrap_or_default()
}

/// Names and addresses of a recipient on one line.
pub(super) fn recipient(properties: &[Property], page: u32) -> String {
    let words = [DISPLAY_NAME, 0x39fe, 0x3003].iter().filter_map(|id| find(properties, *id)?.text(page));
    let mut line = String::from("Recipient:");
    for word in words.filter(|word| !word.is_empty()) {
        line.push(' ');
        line.push_str(&word);
    }
    line.push('\n');
    line
}

impl Reading {
    /// All but the attachments. `recipients` are lines for the header.
    pub(super) fn mapi_message(&mut self, properties: &[Property], recipients: &str, page: u32, place: &str, group: u32) {
        let mut header = String::new();
        let mut others = String::new();
        for (id, name) in HEADER {
            if let Some(text) = find(properties, id).and_then(|property| property.text(page)).filter(|text| !text.is_empty()) {
                header.push_str(&format!("{name}: {text}\n"));
            }
        }
        header.push_str(recipients);
        if let Some(text) = find(properties, TRANSPORT_HEADER).and_then(|property| property.text(page)) {
            header.push_str(&text);
        }
        let known = |id: u16| matches!(id, BODY | HTML | TRANSPORT_HEADER) || HEADER.iter().any(|(known, _)| *known == id);
        for property in properties.iter().filter(|property| !known(property.id)) {
            if let Some(text) = property.text(page).filter(|text| !text.trim().is_empty()) {
                match &property.name {
                    Some(name) => others.push_str(&format!("{name}: {text}\n")),
                    None => others.push_str(&format!("{text}\n")),
                }
            }
        }
        self.text(&format!("{place} > header"), TextKind::Header, group, header);
        self.text(place, TextKind::Properties, group, others);
        let body = format!("{place} > body");
        if let Some(text) = find(properties, BODY).and_then(|property| property.text(page)) {
            self.text(&body, TextKind::Body, group, text);
        }
        for html in properties.iter().filter(|property| property.id == HTML) {
            let text = html.text(page).unwrap_or_else(|| {
                let said = find(properties, INTERNET_CODE_PAGE).and_then(Property::number).map(super::octets::code_page);
                let label = said.or_else(|| super::html::declared_charset(&html.octets));
                crate::mime::text_in_charset(&html.octets, label).0.into_owned()
            });
            self.html(&text, &body, TextKind::Body, group);
        }
        for packed in properties.iter().filter(|property| property.id == RTF && property.kind == BINARY) {
            let limit = usize::try_from(self.budget.left()).unwrap_or(usize::MAX);
            match rich_text_packed::unpack(&packed.octets, limit) {
                Some((octets, whole)) => {
                    if !whole {
                        self.unreadable(&body, Reason::Damaged);
                    }
                    if self.budget.spend(octets.len() as u64) {
                        // As the body where there is no other.
                        let alone = find(properties, BODY).is_none() && find(properties, HTML).is_none();
                        let kind = if alone { TextKind::Body } else { TextKind::Alternative };
                        self.rich_text(&rtf::read(&octets), &body, kind, group, 1);
                    }
                }
                None if packed.octets.is_empty() => {}
                None => self.unreadable(&body, Reason::Damaged),
            }
        }
    }
}
