//! Turns a message's header in two: what must stand outside so that the mail travels, and what only the reader sees (RFC 9788).

use super::legacy_display;
use super::{CannotSeal, boundary_for};
use crate::mail::{RawMessage, UnixTime};
use crate::mime::{self, Field, Limits, ParsedMessage};

/// The fields outside a sealed copy. Only [`outer`] makes them, from a list of what may stand there: no Subject, no Bcc, no field
/// that nobody thought of comes into a sealed copy's clear header.
pub struct Outer {
    trace: Vec<u8>,
    /// Names and values, the values as they stood, folding and all.
    fields: Vec<(&'static str, Vec<u8>)>,
    hides_subject: bool,
}

/// What is sealed: an entity that carries the protected header fields on top.
pub struct Payload(Vec<u8>);

impl Payload {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A Subject to stand for the author's, without the tag that asked for encryption.
pub struct Subject(String);

impl Subject {
    pub fn new(text: String) -> Subject {
        Subject(text)
    }

    /// Decoded.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What follows the colon, encoded and folded, without the last CRLF.
    fn value(&self) -> Vec<u8> {
        let field = self.field();
        let colon = memchr::memchr(b':', &field).map_or(0, |at| at + 1);
        field[colon..].strip_suffix(b"\r\n").unwrap_or(&field[colon..]).to_vec()
    }

    /// The whole field, encoded and folded, with its CRLF.
    fn field(&self) -> Vec<u8> {
        mime::fold("Subject", &mime::encode_unstructured(&self.0)).into_bytes()
    }
}

/// For what a payload is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum For {
    /// Thunderbird shows no protected Subject inside S/MIME (measured, version 153): it is repeated on top of the text
    /// (RFC 9788, Legacy Display Elements).
    SealedSmime,
    /// Thunderbird and others show the protected Subject: a repetition would be shown twice.
    SealedOpenpgp,
    Signed,
}

/// The Subject that everybody on the way sees (RFC 9788, baseline Header Confidentiality Policy).
pub const HIDDEN_SUBJECT: &[u8] = b" [...]";

/// What mail servers need, nothing else; everything that is not named here stays inside.
const OUTSIDE: [&str; 8] = ["From", "To", "Cc", "Date", "Message-ID", "In-Reply-To", "References", "Subject"];

/// Fields that are not the author's words and not part of what is protected: trace and signatures of servers, structure, Bcc (which
/// no copy may show), and claims about protection that only we make. Matched as whole names, or as beginnings if they end in `-`.
const NOT_INSIDE: [&str; 17] = [
    "bcc",
    "resent-bcc",
    "received",
    "return-path",
    "delivered-to",
    "x-original-to",
    "dkim-signature",
    "domainkey-signature",
    "authentication-results",
    "received-spf",
    "hp-outer",
    "mime-version",
    "content-",
    "arc-",
    "x-postern-",
    "apparently-to",
    "x-envelope-to",
];

/// What stands in the clear Subject of a sealed copy.
#[derive(Clone, Copy)]
pub enum OuterSubject<'s> {
    Hidden,
    /// As the policies allow: the author's, or this one.
    Shown(Option<&'s Subject>),
}

/// The clear header of every sealed copy of this message that shows no Subject.
pub fn outer(message: &ParsedMessage<'_>) -> Outer {
    outer_with(message, OuterSubject::Hidden)
}

/// The clear header of sealed copies of this message.
pub fn outer_with(message: &ParsedMessage<'_>, subject: OuterSubject<'_>) -> Outer {
    let octets = message.raw.as_bytes();
    let mut trace = Vec::new();
    for field in message.fields("Received") {
        trace.extend_from_slice(b"Received:");
        trace.extend_from_slice(&without_for(&octets[field.value.clone()]));
        trace.extend_from_slice(b"\r\n");
    }
    let mut fields = Vec::new();
    for name in OUTSIDE {
        let Some(field) = message.field(name) else { continue };
        let value = &octets[field.value.clone()];
        let value = match name {
            "Subject" => match subject {
                OuterSubject::Hidden => HIDDEN_SUBJECT.to_vec(),
                OuterSubject::Shown(None) => value.to_vec(),
                OuterSubject::Shown(Some(other)) => other.value(),
            },
            // Old clients write words of the Subject before and after the ids.
            "Message-ID" | "In-Reply-To" | "References" => message_ids(value),
            "Date" => without_comments(value),
            _ => without_telling_names(message, field, value),
        };
        if !value.iter().all(|b| b.is_ascii_whitespace()) {
            fields.push((name, value));
        }
    }
    let hides_subject = matches!(subject, OuterSubject::Hidden);
    Outer { trace, fields, hides_subject }
}

/// Digits in the names of one address field beyond which they are no longer taken for names: `Bureau 3C, DR75` has fewer, an identity
/// number, an account or a card more.
const DIGITS_OF_NAMES: usize = 8;

/// An address field whose display names, groups or comments carry a number: the addresses alone. Inside the seal it stands as written.
/// A name is no place that anybody looks at for what must not be seen, and so one that is tried.
fn without_telling_names(message: &ParsedMessage<'_>, field: &Field, value: &[u8]) -> Vec<u8> {
    let mut names = message.text_of(field);
    let addresses: Vec<String> =
        message.mailboxes(&field.name).into_iter().filter_map(|mailbox| mailbox.address).map(|a| a.to_string()).collect();
    for address in &addresses {
        names = names.replacen(address.as_str(), "", 1);
    }
    if names.chars().filter(|c| c.is_numeric()).count() <= DIGITS_OF_NAMES {
        return value.to_vec();
    }
    format!(" {}", addresses.join(",\r\n ")).into_bytes()
}

impl Outer {
    /// The header fields, each with its CRLF, MIME-Version last; an entity of about so many octets is to follow.
    pub(super) fn render(&self, to_follow: usize) -> Vec<u8> {
        let header: usize = self.fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut out = Vec::with_capacity(self.trace.len() + header + to_follow + 1024);
        out.extend_from_slice(&self.trace);
        for (name, value) in &self.fields {
            push_field(&mut out, name, value);
        }
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        out
    }

    /// What the sealed part says about the outside, so that the reader can tell what was changed on the way (RFC 9788, HP-Outer).
    fn render_hp_outer(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.fields {
            out.extend_from_slice(b"HP-Outer: ");
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            // RFC 5322 §2.1.1: 998 octets a line.
            let first_line = memchr::memchr(b'\r', value).unwrap_or(value.len());
            if first_line > 900 {
                out.extend_from_slice(b"\r\n ");
            }
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The payload of a message: `entity` (Content-* fields, empty line, body; CRLF; 7 bit) with the author's fields on top.
/// `subject` replaces the message's own when it is to be changed.
///
/// An entity that the client signed is put into a multipart/mixed unchanged: its own header must not grow, and a reader takes the
/// innermost part that is not a cryptographic layer for the payload, which must therefore be ours.
pub fn payload(
    message: &ParsedMessage<'_>,
    entity: &[u8],
    signed_by_client: bool,
    subject: Option<&Subject>,
    outer: &Outer,
    purpose: For,
) -> Result<Payload, CannotSeal> {
    const UNREADABLE: CannotSeal = CannotSeal("the entity to seal cannot be read");
    let shown = match purpose {
        For::SealedSmime => legacy_display::lines(message, subject, outer.hides_subject),
        For::SealedOpenpgp | For::Signed => None,
    };
    let entity = match (signed_by_client, &shown) {
        (true, shown) => wrapped(entity, shown.as_deref()),
        (false, Some(lines)) => legacy_display::insert(entity, lines)?,
        (false, None) => entity.to_vec(),
    };
    let raw = RawMessage::new(entity).map_err(|_| UNREADABLE)?;
    let parsed = mime::parse(&raw, &Limits::default()).map_err(|_| UNREADABLE)?;
    let top = parsed.top();
    let mut parameters: Vec<(String, String)> =
        top.parameters.iter().filter(|(name, _)| name != "hp" && name != "protected-headers").cloned().collect();
    let hp = if purpose == For::Signed { "clear" } else { "cipher" };
    parameters.push(("hp".to_owned(), hp.to_owned()));
    // Not in RFC 9788, but without it Thunderbird 153 shows "[...]".
    parameters.push(("protected-headers".to_owned(), "v1".to_owned()));

    let mut out = Vec::with_capacity(raw.len() + message.raw.header().len() + 1024);
    for field in &message.top().fields {
        if !goes_inside(field) {
            continue;
        }
        match subject {
            Some(subject) if field.name.trim().eq_ignore_ascii_case("Subject") => out.extend_from_slice(&subject.field()),
            _ => push_whole(&mut out, &message.raw.as_bytes()[field.whole.clone()]),
        }
    }
    if purpose != For::Signed {
        outer.render_hp_outer(&mut out);
    }
    out.extend_from_slice(content_type(&top.content_type, &parameters).as_bytes());
    for field in &top.fields {
        if !field.name.trim().eq_ignore_ascii_case("Content-Type") {
            push_whole(&mut out, &raw.as_bytes()[field.whole.clone()]);
        }
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(raw.body());
    Ok(Payload(out))
}

/// The clear header of a copy that is signed but not sealed: all fields except those that describe the old content.
pub fn outer_of_signed(message: &ParsedMessage<'_>, subject: Option<&Subject>) -> Vec<u8> {
    let mut out = Vec::new();
    for field in &message.top().fields {
        let name = field.name.trim().to_ascii_lowercase();
        if name.starts_with("content-") || name.starts_with("x-postern-") || name == "mime-version" {
            continue;
        }
        match subject {
            Some(subject) if name == "subject" => out.extend_from_slice(&subject.field()),
            _ => push_whole(&mut out, &message.raw.as_bytes()[field.whole.clone()]),
        }
    }
    out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    out
}

/// The moment of the Date field, if there is one that can be read.
pub fn date(message: &ParsedMessage<'_>) -> Option<UnixTime> {
    let text = message.written(message.field("Date")?);
    mail_parser::DateTime::parse_rfc822(text.trim()).map(|date| UnixTime(date.to_timestamp()))
}

/// A Content-Type field with its CRLF, one parameter a line. The parameters are what we read (RFC 2045, RFC 2231), so that a reader of the
/// sealed part cannot read others.
pub(super) fn content_type(media_type: &str, parameters: &[(String, String)]) -> String {
    let mut out = format!("Content-Type: {}", if is_media_type(media_type) { media_type } else { "text/plain" });
    for (name, value) in parameters {
        if name.is_empty() || !name.bytes().all(is_token) || name.contains('*') {
            continue;
        }
        if value.bytes().all(|b| (b' '..=b'~').contains(&b)) && value.len() < 200 {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            out.push_str(&format!(";\r\n {name}=\"{escaped}\""));
            continue;
        }
        let mut encoded = String::from("utf-8''");
        let mut number = 0;
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            if encoded.len() > 60 {
                out.push_str(&format!(";\r\n {name}*{number}*={encoded}"));
                encoded.clear();
                number += 1;
            }
        }
        if number == 0 {
            out.push_str(&format!(";\r\n {name}*={encoded}"));
        } else if !encoded.is_empty() {
            out.push_str(&format!(";\r\n {name}*{number}*={encoded}"));
        }
    }
    out.push_str("\r\n");
    out
}

fn goes_inside(field: &Field) -> bool {
    let name = field.name.trim().to_ascii_lowercase();
    !NOT_INSIDE.iter().any(|not| if not.ends_with('-') { name.starts_with(not) } else { name == *not })
}

fn is_media_type(text: &str) -> bool {
    text.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty() && a.bytes().chain(b.bytes()).all(is_token))
}

/// RFC 2045 §5.1 `token`.
fn is_token(b: u8) -> bool {
    b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b)
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    if !value.first().is_some_and(|b| b.is_ascii_whitespace()) {
        out.push(b' ');
    }
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The last field of a message without a body may lack its CRLF.
fn push_whole(out: &mut Vec<u8>, whole: &[u8]) {
    out.extend_from_slice(whole);
    if !whole.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
}

/// The `<…>` of a value, each on a line of its own; a single id that somebody wrote without brackets stays.
fn message_ids(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = value;
    while let Some(open) = memchr::memchr(b'<', rest) {
        let Some(length) = memchr::memchr(b'>', &rest[open..]) else { break };
        let id = &rest[open..=open + length];
        if id.iter().all(|b| b.is_ascii_graphic()) {
            out.extend_from_slice(if out.is_empty() { b" " } else { b"\r\n " });
            out.extend_from_slice(id);
        }
        rest = &rest[open + length + 1..];
    }
    let bare = value.trim_ascii();
    if out.is_empty() && bare.contains(&b'@') && bare.iter().all(|b| b.is_ascii_graphic() && !b"<>()".contains(b)) {
        out.push(b' ');
        out.extend_from_slice(bare);
    }
    out
}

/// A value without `(…)`, nested or not, and without what is not ASCII.
fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut depth = 0usize;
    let mut out = Vec::with_capacity(value.len());
    for &b in value {
        match b {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'\r' | b'\n' => {}
            _ if depth == 0 && b.is_ascii() => out.push(b),
            _ => {}
        }
    }
    let end = out.iter().rposition(|b| !b.is_ascii_whitespace()).map_or(0, |at| at + 1);
    out.truncate(end);
    out
}

/// A Received value without its `for` clause: it can name a recipient whom the others must not see (RFC 5321 §7.6).
fn without_for(value: &[u8]) -> Vec<u8> {
    let lower = value.to_ascii_lowercase();
    let Some(at) = memchr::memmem::find_iter(&lower, b"for").find(|&at| {
        at > 0
            && lower[at - 1].is_ascii_whitespace()
            && lower.get(at + 3).is_some_and(|b| b.is_ascii_whitespace() || *b == b'<')
    }) else {
        return value.to_vec();
    };
    let Some(end) = memchr::memrchr(b';', value).filter(|&end| end > at) else {
        return value[..at - 1].trim_ascii_end().to_vec();
    };
    [value[..at].trim_ascii_end(), b";\r\n ", value[end + 1..].trim_ascii_start()].concat()
}

/// What the client signed, inside a multipart/mixed of ours, after a text of its own if something must be shown.
fn wrapped(entity: &[u8], shown: Option<&str>) -> Vec<u8> {
    let boundary = boundary_for(entity);
    let mut out = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n").into_bytes();
    if let Some(lines) = shown {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(&legacy_display::part_of(lines));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
    out.extend_from_slice(entity);
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(octets: Vec<u8>) -> String {
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn only_ids_stand_outside() {
        for (value, outside) in [
            (" <1@example.org>", " <1@example.org>"),
            (" Your mail about money <1@example.org> (secret)\r\n <2@example.org>", " <1@example.org>\r\n <2@example.org>"),
            (" 1@example.org ", " 1@example.org"),
            (" a secret word", ""),
            (" secret", ""),
            (" <two words> <1@example.org>", " <1@example.org>"),
            (" <1@example.org", ""),
        ] {
            assert_eq!(text(message_ids(value.as_bytes())), outside, "{value}");
        }
    }

    #[test]
    fn a_date_is_left_without_comments() {
        for (value, outside) in [
            (" Sat, 21 Nov 2026 12:00:00 +0000", " Sat, 21 Nov 2026 12:00:00 +0000"),
            (" Sat, 21 Nov 2026 12:00:00 +0000 (CET (or so))", " Sat, 21 Nov 2026 12:00:00 +0000"),
            (" Sat (secret), 21 Nov 2026\r\n 12:00:00 +0000", " Sat , 21 Nov 2026 12:00:00 +0000"),
            (" (secret", ""),
        ] {
            assert_eq!(text(without_comments(value.as_bytes())), outside, "{value}");
        }
    }

    #[test]
    fn a_trace_names_no_recipient() {
        for (value, outside) in [
            (" from a by b with ESMTP id 1; Sat", " from a by b with ESMTP id 1; Sat"),
            (" from a by b id 1\r\n\tfor <blind@example.net>; Sat", " from a by b id 1;\r\n Sat"),
            (" from a by b FOR blind@example.net; Sat", " from a by b;\r\n Sat"),
            (" from a by b for <blind@example.net>", " from a by b"),
            (" from fortune.example by b; Sat", " from fortune.example by b; Sat"),
        ] {
            assert_eq!(text(without_for(value.as_bytes())), outside, "{value}");
        }
    }
}
