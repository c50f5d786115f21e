//! Turns hidden header fields into lines on top of the text, for readers that cannot show protected fields (RFC 9788, Legacy Display Elements).

use super::CannotSeal;
use super::header_protection::{Subject, content_type};
use crate::mail::RawMessage;
use crate::mime::{self, Encoding, Kind, Limits, ParsedMessage, Part};

/// Fields that readers show and that do not stand outside as they were: `Name: value` lines, CRLF, decoded. `None`: nothing is hidden.
pub fn lines(message: &ParsedMessage<'_>, subject: Option<&Subject>, hides_subject: bool) -> Option<String> {
    let mut out = String::new();
    // RFC 9788 calls these user-facing; From, To, Cc and Date stand outside.
    for name in ["Subject", "Reply-To", "Followup-To", "Sender"] {
        for field in message.fields(name).filter(|_| hides_subject || name != "Subject") {
            let text = match subject {
                Some(subject) if name == "Subject" => subject.text().to_owned(),
                _ => message.text_of(field),
            };
            let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            if !text.trim().is_empty() {
                out.push_str(&format!("{name}: {}\r\n", text.trim()));
            }
        }
    }
    (!out.is_empty()).then_some(out)
}

/// `entity` with the lines on top of each of its main bodies; unchanged where it has none (a picture, a file, a calendar).
pub fn insert(entity: &[u8], lines: &str) -> Result<Vec<u8>, CannotSeal> {
    const UNREADABLE: CannotSeal = CannotSeal("the entity to seal cannot be read");
    let raw = RawMessage::new(entity).map_err(|_| UNREADABLE)?;
    let parsed = mime::parse(&raw, &Limits::default()).map_err(|_| UNREADABLE)?;
    let mut main = Vec::new();
    main_bodies(&parsed, 0, &mut main);
    // In the order of the octets.
    main.sort_by_key(|part| part.header.start);
    let mut out = Vec::with_capacity(entity.len() + main.len() * (lines.len() * 2 + 128));
    let mut done = 0;
    for part in main {
        let Some(written) = with_lines(part, &raw, lines) else { continue };
        out.extend_from_slice(&entity[done..part.header.start]);
        out.extend_from_slice(&written);
        done = part.body.end;
    }
    out.extend_from_slice(&entity[done..]);
    Ok(out)
}

/// A text/plain entity that consists of the lines alone.
pub fn part_of(lines: &str) -> Vec<u8> {
    let parameters = [("charset".to_owned(), "utf-8".to_owned()), ("hp-legacy-display".to_owned(), "1".to_owned())];
    let mut out = content_type("text/plain", &parameters).into_bytes();
    push_encoded(&mut out, lines.as_bytes(), Encoding::QuotedPrintable);
    out
}

/// Main bodies (RFC 9788, Main Body Part): the text itself, every alternative, the first part of a mixed or related multipart.
fn main_bodies<'p>(message: &'p ParsedMessage<'_>, index: usize, found: &mut Vec<&'p Part>) {
    let Some(part) = message.parts.get(index) else { return };
    match (part.kind, part.content_type.as_str()) {
        (Kind::Leaf, "text/plain" | "text/html") if !part.attachment => found.push(part),
        (Kind::Multipart, "multipart/alternative") => {
            part.children.iter().for_each(|&child| main_bodies(message, child, found))
        }
        (Kind::Multipart, "multipart/mixed" | "multipart/related") => {
            if let Some(&child) = part.children.first() {
                main_bodies(message, child, found);
            }
        }
        _ => {}
    }
}

/// The part's header and body, written anew; `None` when its text cannot be joined with ours octet by octet.
fn with_lines(part: &Part, raw: &RawMessage, lines: &str) -> Option<Vec<u8>> {
    let (body, damage) = part.decoded(raw);
    if damage || part.encoding == Encoding::Unknown {
        return None;
    }
    let html = part.content_type == "text/html";
    let shown = if html {
        let escaped = lines.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        format!("<div class=\"header-protection-legacy-display\">\r\n<pre>{}</pre>\r\n</div>\r\n", escaped.trim_end())
    } else {
        format!("{lines}\r\n")
    };
    let mut parameters: Vec<(String, String)> =
        part.parameters.iter().filter(|(name, _)| name != "hp-legacy-display").cloned().collect();
    let charset = part.charset().unwrap_or("us-ascii").to_owned();
    let shown = match encoding_rs::Encoding::for_label(charset.as_bytes()) {
        _ if shown.is_ascii() && !charset.to_ascii_lowercase().starts_with("utf-16") => shown.into_bytes(),
        // Nothing but ASCII there so far, so the text may as well be called UTF-8, of which ASCII is a part.
        _ if body.is_ascii() && !charset.to_ascii_lowercase().starts_with("iso-2022") => {
            parameters.retain(|(name, _)| name != "charset");
            parameters.insert(0, ("charset".to_owned(), "utf-8".to_owned()));
            shown.into_bytes()
        }
        Some(encoding) if encoding.output_encoding() == encoding => {
            let (octets, _, _) = encoding.encode(&shown);
            octets.into_owned()
        }
        _ => return None,
    };
    parameters.push(("hp-legacy-display".to_owned(), "1".to_owned()));
    let at = if html { after_body_tag(&body) } else { 0 };
    let whole = [&body[..at], &shown, &body[at..]].concat();

    let mut out = Vec::with_capacity(whole.len() * 3 / 2 + 512);
    for field in &part.fields {
        let name = field.name.trim();
        if !name.eq_ignore_ascii_case("Content-Type") && !name.eq_ignore_ascii_case("Content-Transfer-Encoding") {
            out.extend_from_slice(&raw.as_bytes()[field.whole.clone()]);
        }
    }
    out.extend_from_slice(content_type(&part.content_type, &parameters).as_bytes());
    push_encoded(&mut out, &whole, part.encoding);
    Some(out)
}

/// Behind `<body …>`, or at the beginning where there is no such tag.
fn after_body_tag(html: &[u8]) -> usize {
    let lower = html.to_ascii_lowercase();
    let found = memchr::memmem::find_iter(&lower, b"<body")
        .find(|&at| lower.get(at + 5).is_some_and(|b| b.is_ascii_whitespace() || *b == b'>'));
    found.and_then(|at| Some(at + memchr::memchr(b'>', &lower[at..])? + 1)).unwrap_or_default()
}

/// Content-Transfer-Encoding, the empty line and the body, 7 bit.
pub(super) fn push_encoded(out: &mut Vec<u8>, body: &[u8], before: Encoding) {
    let plain = body.is_ascii() && body.split(|&b| b == b'\n').all(|line| line.len() <= 900) && RawMessage::new(body).is_ok();
    match before {
        Encoding::Base64 => {
            out.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n\r\n");
            super::to_base64_lines(body, out);
        }
        Encoding::SevenBit | Encoding::EightBit | Encoding::Binary if plain => {
            out.extend_from_slice(b"Content-Transfer-Encoding: 7bit\r\n\r\n");
            out.extend_from_slice(body);
        }
        _ => {
            out.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n");
            quoted_printable(body, out);
        }
    }
}

/// RFC 2045 §6.7: lines of at most 76 octets; a CR or LF that is no line end is encoded.
fn quoted_printable(body: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut column = 0;
    let mut at = 0;
    while at < body.len() {
        if body[at..].starts_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
            (at, column) = (at + 2, 0);
            continue;
        }
        let b = body[at];
        let last = at + 1 == body.len() || body[at + 1..].starts_with(b"\r\n");
        let literal = (b'!'..=b'~').contains(&b) && b != b'=' || (b == b' ' || b == b'\t') && !last;
        let width = if literal { 1 } else { 3 };
        if column + width > 75 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if literal {
            out.push(b);
        } else {
            out.extend_from_slice(&[b'=', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        }
        column += width;
        at += 1;
    }
}
