//! Turns parts that cannot travel as they stand (8-bit octets, lines over 998) into the same content in quoted-printable or base64.

use super::encode::{base64_lines, fold, quoted_printable};
use super::header::decode_words;
use super::parameters::structured;
use super::write::{LONGEST_LINE, charset_of, write_field};
use super::{Encoding, Kind, Limits, Malformed, ParsedMessage, Part};
use crate::mail::RawMessage;
use std::ops::Range;

/// The inner MIME entity of a message: what is encrypted or signed (RFC 8551 §3.1, RFC 3156 §3). All lines end in CRLF, are ASCII
/// and at most 998 octets long.
#[derive(Clone, PartialEq, Eq)]
pub struct SealableEntity {
    /// The `Content-*` fields, each with its CRLF; `Content-Type` is always there.
    pub header: Vec<u8>,
    /// What follows the empty line.
    pub body: Vec<u8>,
}

impl SealableEntity {
    /// Header, empty line, body. `more` are whole fields with their CRLF that stand before the Content- fields (protected headers).
    pub fn octets(&self, more: &[u8]) -> Vec<u8> {
        [more, &self.header, b"\r\n", &self.body].concat()
    }

    /// The same entity with one more parameter on its Content-Type: `with_parameter("hp", "cipher")`. The value is a token or needs
    /// no escapes in quotes.
    pub fn with_parameter(mut self, name: &str, value: &str) -> SealableEntity {
        let lower = self.header.to_ascii_lowercase();
        let start = if lower.starts_with(b"content-type:") {
            0
        } else {
            match memchr::memmem::find(&lower, b"\ncontent-type:") {
                Some(at) => at + 1,
                None => return self,
            }
        };
        let mut end = start;
        loop {
            end = memchr::memchr(b'\n', &self.header[end..]).map_or(self.header.len(), |n| end + n + 1);
            if !matches!(self.header.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let mut place = end;
        while place > start && matches!(self.header[place - 1], b'\r' | b'\n' | b' ' | b'\t' | b';') {
            place -= 1;
        }
        self.header.splice(place..end, format!(";\r\n {name}=\"{value}\"\r\n").into_bytes());
        self
    }
}

impl std::fmt::Debug for SealableEntity {
    /// Never the content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealableEntity({} octets)", self.header.len() + self.body.len())
    }
}

/// Why a message cannot be brought into 7-bit form without breaking something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} (part {part})")]
pub struct CannotRewrite {
    pub what: &'static str,
    /// [`Part::number`].
    pub part: String,
}

/// Why parts are re-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The route takes 8-bit octets; only lines over 998 octets must go.
    ShortLines,
    /// The route lacks 8BITMIME (RFC 6152 §3), or the content is to be signed or sealed (RFC 8551 §3.1.2).
    SevenBit,
}

/// True when a line of the body is over 998 octets: such a message cannot be sent as it stands (RFC 5321 §4.5.3.1.6).
pub fn needs_reencoding(message: &ParsedMessage) -> bool {
    has_long_line(message.raw.body())
}

/// The whole message in 7-bit form; the same octets when it is that already.
pub fn seven_bit(message: &ParsedMessage) -> Result<RawMessage, CannotRewrite> {
    reencode(message, Need::SevenBit)
}

/// The whole message with those leaves encoded that need it; everything else byte for byte.
pub fn reencode(message: &ParsedMessage, need: Need) -> Result<RawMessage, CannotRewrite> {
    let edits = edits(message, need)?;
    if edits.is_empty() {
        return Ok(message.raw.clone());
    }
    let out = apply(message.raw.as_bytes(), 0..message.raw.len(), &edits);
    RawMessage::new(out).map_err(|_| CannotRewrite { what: "a part with bare line ends", part: String::new() })
}

/// The message's content as an entity of its own, with everything in it 7-bit safe and every decoded content the same.
pub fn entity_for_sealing(message: &ParsedMessage) -> Result<SealableEntity, CannotRewrite> {
    let octets = message.raw.as_bytes();
    let edits = edits(message, Need::SevenBit)?;
    let top = message.top();
    let mut header = Vec::new();
    for field in &top.fields {
        if field.name.len() > 8 && field.name.as_bytes()[..8].eq_ignore_ascii_case(b"content-") {
            header.extend(apply(octets, field.whole.clone(), &edits));
            if !header.is_empty() && !header.ends_with(b"\r\n") {
                header.extend_from_slice(b"\r\n");
            }
        }
    }
    // Edits at the end of the header section add fields.
    let end = top.header.end;
    for edit in edits.iter().filter(|edit| edit.range == (end..end)) {
        header.extend_from_slice(&edit.with);
    }
    if top.field("Content-Type").is_none() && !header.to_ascii_lowercase().starts_with(b"content-type:") {
        let mut with_type = b"Content-Type: text/plain; charset=us-ascii\r\n".to_vec();
        with_type.append(&mut header);
        header = with_type;
    }
    Ok(SealableEntity { header, body: apply(octets, top.body.clone(), &edits) })
}

struct Edit {
    range: Range<usize>,
    with: Vec<u8>,
}

fn apply(octets: &[u8], within: Range<usize>, edits: &[Edit]) -> Vec<u8> {
    let mut out = Vec::with_capacity(within.len() + within.len() / 8);
    let mut at = within.start;
    for edit in edits {
        // An insertion belongs to the range that begins there, not to the one that ends there.
        let ends_here = edit.range.is_empty() && edit.range.start == within.end;
        if edit.range.start < at || edit.range.end > within.end || ends_here {
            continue;
        }
        out.extend_from_slice(&octets[at..edit.range.start]);
        out.extend_from_slice(&edit.with);
        at = edit.range.end;
    }
    out.extend_from_slice(&octets[at..within.end]);
    out
}

/// All replacements, in the order of the raw octets, none overlapping another.
fn edits(message: &ParsedMessage, need: Need) -> Result<Vec<Edit>, CannotRewrite> {
    let octets = message.raw.as_bytes();
    let cannot = |part: &Part, what| CannotRewrite { what, part: part.number.clone() };
    let bad = |text: &[u8]| (need == Need::SevenBit && !text.is_ascii()) || has_long_line(text);
    let mut edits = Vec::new();
    if !bad(octets) {
        return Ok(edits);
    }
    for aside in &message.asides {
        if bad(&octets[aside.range.clone()]) {
            return Err(cannot(&message.parts[aside.part], "text outside the parts that cannot travel as it stands"));
        }
    }
    let mut touched = vec![false; message.parts.len()];
    for (index, part) in message.parts.iter().enumerate() {
        let header = bad(&octets[part.header.clone()]);
        let body = part.kind == Kind::Leaf && bad(&octets[part.body.clone()]);
        if (header || body) && part.in_signed {
            return Err(cannot(part, "a part that the client signed would have to be re-encoded"));
        }
        if body {
            let mut above = Some(index);
            while let Some(n) = above {
                touched[n] = true;
                above = message.parts[n].parent;
            }
        }
    }
    for (index, part) in message.parts.iter().enumerate() {
        let body = part.kind == Kind::Leaf && touched[index];
        let encoding = if body { Some(new_encoding(part)) } else { None };
        header_edits(octets, part, encoding, touched[index], need, &mut edits)
            .map_err(|why| CannotRewrite { what: why.what, part: part.number.clone() })?;
        let Some(encoding) = encoding else { continue };
        let (content, damage) = part.decoded(message.raw);
        // Broken quoted-printable stands for itself with every reader; of broken base64 they make different things.
        if (damage && part.encoding == Encoding::Base64) || part.encoding == Encoding::Unknown {
            return Err(cannot(part, "a part with a broken encoding that cannot travel as it stands"));
        }
        let mut with = if encoding == "base64" { base64_lines(&content) } else { quoted_printable(&content) };
        // The CRLF before a boundary is not part of the body; base64's last line has one of its own that may go.
        if encoding == "base64" && part.body.end < octets.len() {
            with.truncate(with.len().saturating_sub(2));
        }
        edits.push(Edit { range: part.body.clone(), with });
    }
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    Ok(edits)
}

/// Text stays readable in quoted-printable; what is mostly not ASCII, or no text, is shorter in base64.
fn new_encoding(part: &Part) -> &'static str {
    if part.content_type.starts_with("text/") && !part.charset().is_some_and(|c| c.to_ascii_lowercase().starts_with("utf-16")) {
        "quoted-printable"
    } else {
        "base64"
    }
}

fn header_edits(
    octets: &[u8],
    part: &Part,
    encoding: Option<&str>,
    touched: bool,
    need: Need,
    edits: &mut Vec<Edit>,
) -> Result<(), Malformed> {
    let mut named = false;
    for field in &part.fields {
        let whole = &octets[field.whole.clone()];
        if field.name.eq_ignore_ascii_case("content-transfer-encoding") && touched {
            let label = match encoding {
                // A field that is repeated is written once.
                Some(_) if named => String::new(),
                Some(encoding) => fold("Content-Transfer-Encoding", encoding),
                // What is inside is 7-bit now; a multipart may say no less and no more.
                None if need == Need::SevenBit && part.encoding != Encoding::SevenBit => {
                    fold("Content-Transfer-Encoding", "7bit")
                }
                None => continue,
            };
            named = true;
            edits.push(Edit { range: field.whole.clone(), with: label.into_bytes() });
        } else if (need == Need::SevenBit && !whole.is_ascii()) || has_long_line(whole) {
            let mut with = Vec::new();
            write_field(octets, field, &mut with)?;
            edits.push(Edit { range: field.whole.clone(), with });
        }
    }
    let Some(encoding) = encoding else { return Ok(()) };
    let mut with = Vec::new();
    if part.field("Content-Type").is_none() {
        let charset = charset_of(&octets[part.body.clone()]);
        with.extend(format!("Content-Type: text/plain; charset={charset}\r\n").into_bytes());
    }
    if !named {
        with.extend(fold("Content-Transfer-Encoding", encoding).into_bytes());
    }
    if !with.is_empty() {
        edits.push(Edit { range: part.header.end..part.header.end, with });
    }
    Ok(())
}

fn has_long_line(octets: &[u8]) -> bool {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', octets) {
        if end.saturating_sub(start) > LONGEST_LINE + 1 {
            return true;
        }
        start = end + 1;
    }
    octets.len() - start > LONGEST_LINE
}

/// `type; name=value` with its raw 8-bit parameters in RFC 2231 form; `None` when the type itself is not ASCII.
pub(super) fn ascii_parameters(value: &str) -> Option<String> {
    let read = structured(value, &Limits::default(), "").ok()?;
    let mut out = read.token.is_ascii().then(|| read.token.clone())?;
    for parameter in &read.parameters {
        let text = decode_words(&parameter.value);
        if !parameter.name.is_ascii() {
            return None;
        }
        out.push_str("; ");
        if text.is_ascii() && !text.contains(|c: char| c.is_control()) {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            out.push_str(&format!("{}=\"{escaped}\"", parameter.name));
        } else {
            out.push_str(&format!("{}*=UTF-8''", parameter.name));
            for octet in text.bytes() {
                match octet {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out.push(octet as char),
                    _ => out.push_str(&format!("%{octet:02X}")),
                }
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn raw(octets: &[u8]) -> RawMessage {
        RawMessage::new(octets.to_vec()).unwrap()
    }

    fn contents(raw: &RawMessage) -> Vec<Vec<u8>> {
        let message = parse(raw, &Limits::default()).unwrap();
        message.leaves().map(|part| part.decoded(raw).0.into_owned()).collect()
    }

    fn eight_bit() -> RawMessage {
        let long = "x".repeat(2_000);
        raw(format!(
            "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
             --b\r\n\r\nplain ascii =\r\nFrom x  \r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
             \u{e9}t\u{e9} \r\n.\r\n{long}\r\n--b\r\nContent-Type: application/octet-stream; name=\"\u{e9}\"\r\nContent-Transfer-Encoding: binary\r\n\r\n\
             \u{1}\u{e9}\r\n\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: \u{e9}\r\n\r\n\u{e8}\r\n--b--\r\n"
        )
        .as_bytes())
    }

    #[test]
    fn every_content_is_the_same_in_seven_bits() {
        let before = eight_bit();
        let message = parse(&before, &Limits::default()).unwrap();
        assert!(needs_reencoding(&message));
        let after = seven_bit(&message).unwrap();
        assert!(after.as_bytes().is_ascii() && !has_long_line(after.as_bytes()));
        assert_eq!(contents(&before), contents(&after));
        let again = parse(&after, &Limits::default()).unwrap();
        assert_eq!(again.parts[3].parameter("name"), Some("\u{e9}"));
        assert_eq!(again.mailboxes("From"), message.mailboxes("From"));
        let names: Vec<_> = again.parts.iter().map(|part| part.encoding).collect();
        assert!(!names.contains(&Encoding::EightBit) && !names.contains(&Encoding::Binary));
        let unchanged = b"--b\r\n\r\nplain ascii =\r\nFrom x  \r\n--b\r\n";
        assert!(memchr::memmem::find(after.as_bytes(), unchanged).is_some(), "what can travel stays byte for byte");
        assert_eq!(seven_bit(&again).unwrap().as_bytes(), after.as_bytes());
        let foreign = mail_parser::MessageParser::default().parse(after.as_bytes()).unwrap();
        assert_eq!(foreign.attachment(0).map(|a| a.contents().len()), Some("\u{1}\u{e9}\r\n".len()));
    }

    #[test]
    fn short_lines_leave_eight_bit_alone() {
        let before = eight_bit();
        let after = reencode(&parse(&before, &Limits::default()).unwrap(), Need::ShortLines).unwrap();
        assert_eq!(contents(&before), contents(&after));
        assert!(!has_long_line(after.as_bytes()) && !after.as_bytes().is_ascii());
    }

    #[test]
    fn the_entity_for_sealing_holds_the_content_and_nothing_of_the_envelope() {
        let before = eight_bit();
        let entity = entity_for_sealing(&parse(&before, &Limits::default()).unwrap()).unwrap();
        let octets = raw(&entity.clone().with_parameter("hp", "cipher").octets(b"Subject: x\r\n"));
        assert!(octets.as_bytes().is_ascii() && octets.as_bytes().starts_with(b"Subject: x\r\nContent-Type: multipart/mixed;\r\n boundary=b;\r\n hp=\"cipher\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n--b\r\n"));
        assert_eq!(contents(&before), contents(&octets));

        for (message, expected) in [
            (&b"From: a@b.example\r\n\r\nhello"[..], &b"Content-Type: text/plain; charset=us-ascii\r\n\r\nhello"[..]),
            (b"Content-Type: text/html\r\nFrom: a@b.example\r\n\r\n", b"Content-Type: text/html\r\n\r\n"),
            (
                "From: a@b.example\r\n\r\n\u{e9}".as_bytes(),
                b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9",
            ),
            (
                "Content-Type: text/plain\r\nSubject: \u{e9}\r\n\r\n\u{e9}".as_bytes(),
                b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9",
            ),
        ] {
            let message = raw(message);
            let entity = entity_for_sealing(&parse(&message, &Limits::default()).unwrap()).unwrap();
            assert_eq!(String::from_utf8_lossy(&entity.octets(b"")), String::from_utf8_lossy(expected));
        }
    }

    #[test]
    fn what_the_client_signed_is_never_changed() {
        let signed = |text: &str| {
            raw(format!(
                "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"\r\n\r\n\
                 --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--b--\r\n"
            )
            .as_bytes())
        };
        let plain = signed("hello");
        let message = parse(&plain, &Limits::default()).unwrap();
        assert!(message.is_signed_by_client());
        assert_eq!(entity_for_sealing(&message).unwrap().body, plain.body());
        for text in ["\u{e9}", &"x".repeat(999)] {
            let bad = signed(text);
            assert!(entity_for_sealing(&parse(&bad, &Limits::default()).unwrap()).is_err());
        }
    }
}
