//! Turns calendars (RFC 5545) and contacts (RFC 6350, and vCard 2.1 and 3.0) into one text for each event and card, and what is
//! attached inline into files.
//!
//! | read | not read |
//! |---|---|
//! | every property of every component, folded lines joined, escapes and quoted-printable decoded, charsets | |
//! | values of parameters (names of attendees) | |
//! | inline attachments and keys, as files; photographs and logos as images | what a link leads to |

use super::reading::{File, Reading};
use super::*;
use crate::mime::{decode_base64, decode_quoted_printable, text_in_charset};

/// Cards in one file that get a place of their own.
const CARDS: usize = 20_000;

pub(super) fn is_cards(text: &str) -> bool {
    let start = text.trim_start_matches(['\u{feff}', ' ', '\r', '\n', '\t']);
    let start = start.get(..15.min(start.len())).unwrap_or("").to_ascii_uppercase();
    start.starts_with("BEGIN:VCALENDAR") || start.starts_with("BEGIN:VCARD") || start.starts_with("BEGIN:VEVENT")
}

/// A property that stands on one line once it is unfolded.
struct Property {
    name: String,
    parameters: String,
    value: String,
}

impl Reading {
    pub(super) fn cards(&mut self, text: &str, place: &str, group: u32, depth: usize) {
        let mut card = String::new();
        let mut number = 0;
        let mut open = 0usize;
        for property in properties(text) {
            let (name, value) = (property.name.to_ascii_uppercase(), property.value.trim());
            match name.as_str() {
                "BEGIN" => {
                    open += 1;
                    if !matches!(
                        value.to_ascii_uppercase().as_str(),
                        "VCALENDAR" | "VTIMEZONE" | "STANDARD" | "DAYLIGHT" | "VALARM"
                    ) && number < CARDS
                    {
                        self.card(place, group, number, &mut card);
                        number += 1;
                    }
                    continue;
                }
                "END" => {
                    open = open.saturating_sub(1);
                    continue;
                }
                _ => {}
            }
            if let Some(octets) = inline(&property) {
                let file_name = parameter(&property.parameters, &["FILENAME", "X-FILENAME", "X-APPLE-FILENAME"]);
                let declared = parameter(&property.parameters, &["FMTTYPE", "MEDIATYPE"]).unwrap_or_default();
                let declared = if declared.is_empty() { name.to_ascii_lowercase() } else { declared.to_ascii_lowercase() };
                if !self.budget.spend(octets.len() as u64) {
                    return self.unreadable(place, Reason::OverBudget);
                }
                let name = file_name.unwrap_or_default();
                self.file(File {
                    within: place,
                    name: &name,
                    declared: &declared,
                    charset: None,
                    octets: &octets,
                    depth: depth + 1,
                });
                continue;
            }
            card.push_str(&property.name);
            card.push_str(": ");
            card.push_str(&readable(&property));
            // Names and addresses stand in parameters too.
            for said in property.parameters.split(';').filter_map(|said| said.split_once('=')) {
                if matches!(
                    said.0.to_ascii_uppercase().as_str(),
                    "CN" | "EMAIL" | "LABEL" | "DIR" | "ALTREP" | "X-ADDRESS" | "SENT-BY"
                ) {
                    card.push_str(" (");
                    card.push_str(said.1.trim_matches('"'));
                    card.push(')');
                }
            }
            card.push('\n');
        }
        self.card(place, group, number, &mut card);
        if open > 0 {
            self.unreadable(place, Reason::Damaged);
        }
    }

    /// The text gathered so far; what stands before the first card belongs to the whole.
    fn card(&mut self, place: &str, group: u32, number: usize, card: &mut String) {
        let place = if number == 0 { place.to_owned() } else { format!("{place} > entry {number}") };
        self.text(&place, TextKind::Attachment, group, std::mem::take(card));
    }
}

/// Lines that begin with a blank go on with the line before (RFC 5545 §3.1); of quoted-printable those after a `=`.
fn properties(text: &str) -> Vec<Property> {
    let mut out: Vec<Property> = Vec::new();
    let mut soft = false;
    for line in text.trim_start_matches('\u{feff}').lines() {
        if let Some(last) = out.last_mut() {
            if let Some(more) = line.strip_prefix([' ', '\t']) {
                last.value.push_str(more);
                continue;
            }
            if soft {
                last.value.push('\n');
                last.value.push_str(line);
                soft = line.ends_with('=');
                continue;
            }
        }
        let Some(colon) = colon(line) else {
            // Base64 of vCard 2.1 stands on lines of its own.
            if let Some(last) = out.last_mut().filter(|_| !line.trim().is_empty()) {
                last.value.push('\n');
                last.value.push_str(line.trim());
            }
            continue;
        };
        let (head, value) = (&line[..colon], &line[colon + 1..]);
        let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
        soft = is_quoted(parameters) && value.ends_with('=');
        out.push(Property { name: name.to_owned(), parameters: parameters.to_owned(), value: value.to_owned() });
    }
    out
}

/// The colon that ends the name and its parameters; one in quotation marks does not.
fn colon(line: &str) -> Option<usize> {
    let mut quoted = false;
    line.bytes().position(|octet| {
        quoted ^= octet == b'"';
        octet == b':' && !quoted
    })
}

fn is_quoted(parameters: &str) -> bool {
    parameters.to_ascii_uppercase().contains("QUOTED-PRINTABLE")
}

fn parameter(parameters: &str, names: &[&str]) -> Option<String> {
    parameters
        .split(';')
        .filter_map(|said| said.split_once('='))
        .find(|(name, _)| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value.trim_matches('"').to_owned())
}

/// Octets in base64, by a parameter or by a `data:` address.
fn inline(property: &Property) -> Option<Vec<u8>> {
    let upper = property.parameters.to_ascii_uppercase();
    let said = ["ENCODING=B", "ENCODING=BASE64", "VALUE=BINARY"].iter().any(|mark| upper.split(';').any(|part| part == *mark))
        || upper.split(';').any(|part| part == "BASE64");
    let data =
        property.value.trim_start().strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")).map(|(_, rest)| rest);
    let letters = data.or(said.then_some(property.value.as_str()))?;
    Some(decode_base64(letters.as_bytes()).octets).filter(|octets| !octets.is_empty())
}

fn readable(property: &Property) -> String {
    let value = match is_quoted(&property.parameters) {
        true => {
            let octets = decode_quoted_printable(property.value.as_bytes()).octets;
            let charset = parameter(&property.parameters, &["CHARSET"]);
            text_in_charset(&octets, charset.as_deref()).0.into_owned()
        }
        false => property.value.clone(),
    };
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => out.push('\n'),
                Some(c) => out.push(c),
                None => {}
            },
            // Between the parts of a name or an address.
            ';' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_and_events_are_read_property_by_property() {
        let calendar = "BEGIN:VCALENDAR\r\nX-WR-CALNAME:Agenda\r\nBEGIN:VEVENT\r\nSUMMARY:Num\r\n éro 41\r\n 11\r\nATTENDEE;CN=\"Durand: Ann\":mailto:ann@example.org\r\n\
            DESCRIPTION:one\\ntwo\\, three\r\nATTACH;ENCODING=BASE64;VALUE=BINARY;FILENAME=a.txt:aGVsbG8gd29y\r\n bGQ=\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let contacts = "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:Dur=E9;El=\n=E9onore\nPHOTO;ENCODING=BASE64;TYPE=PNG:\niVBORw0KGgo=\n\nEND:VCARD\n\
            BEGIN:VCARD\nFN:Second\nNOTE:data\nEND:VCARD\n";
        let cut = "BEGIN:VCARD\nFN:Cut";
        for (name, source, place, needle) in [
            ("a.ics", calendar, "a.ics", "X-WR-CALNAME: Agenda"),
            ("a.ics", calendar, "a.ics > entry 1", "SUMMARY: Numéro 4111\n"),
            ("a.ics", calendar, "a.ics > entry 1", "mailto:ann@example.org (Durand: Ann)"),
            ("a.ics", calendar, "a.ics > entry 1", "one\ntwo, three"),
            ("a.ics", calendar, "a.ics > a.txt", "hello world"),
            ("a.vcf", contacts, "a.vcf > entry 1", "N: Duré Eléonore\n"),
            ("a.vcf", contacts, "a.vcf > entry 2", "FN: Second"),
            ("a.vcf", cut, "a.vcf > entry 1", "FN: Cut"),
        ] {
            let extracted = extract_file(name, source.as_bytes(), &Limits::default(), &Reader::here());
            let found = extracted.texts.iter().any(|text| &*text.place.0 == place && text.content.contains(needle));
            assert!(found, "{needle}: {:#?}", extracted.texts);
            assert_eq!(extracted.unreadable.len(), usize::from(source == cut), "{:?}", extracted.unreadable);
        }
    }
}
