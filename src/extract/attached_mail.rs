//! Turns a message, the outermost or an attached one, into its header text, its bodies and its attachments.

use super::reading::{File, Reading};
use super::sniff::{self, Format};
use super::*;
use crate::mail::RawMessage;
use crate::mime::{self, Encoding, Kind, ParsedMessage, Part};
use std::borrow::Cow;

impl Reading {
    /// All parts of a parsed message. `within` is the place of the message, empty for the outermost.
    pub(super) fn message(&mut self, message: &ParsedMessage, within: &str, depth: usize) {
        // The place of the message that each part belongs to.
        let mut homes: Vec<String> = Vec::with_capacity(message.parts.len());
        let mut sealed: Option<usize> = None;
        for (index, part) in message.parts.iter().enumerate() {
            let parent = part.parent.map(|parent| (&message.parts[parent], parent));
            let home = match parent {
                None => within.to_owned(),
                Some((above, parent)) if above.kind == Kind::Message => {
                    self.attached(above, &homes[parent], message.body_of(above))
                }
                Some((_, parent)) => homes[parent].clone(),
            };
            let is_message = parent.is_none_or(|(above, _)| above.kind == Kind::Message);
            self.header(message, part, &home, is_message);
            match part.kind {
                Kind::Multipart => {
                    if part.content_type == "multipart/encrypted" && message.is_pgp_mime(index) {
                        sealed = part.children.get(1).copied();
                    }
                }
                Kind::Message => {}
                Kind::Leaf if sealed == Some(index) => {
                    let place = self.place(&home, &label(part));
                    let octets = part.decoded(message.raw).0;
                    self.seen_sealed(&place, part.file_name.as_deref().unwrap_or(""), "application/pgp-encrypted", &octets);
                }
                Kind::Leaf => self.leaf(message, part, &home, depth),
            }
            homes.push(home);
        }
        for aside in &message.asides {
            let octets = &message.raw.as_bytes()[aside.range.clone()];
            let group = self.new_group();
            let home = homes[aside.part].clone();
            let place = self.place(&home, "text outside the parts");
            // The one sentence that most clients write for old readers; nothing else is taken on trust.
            if !octets.trim_ascii().eq_ignore_ascii_case(b"This is a multi-part message in MIME format.") {
                let text = mime::text_in_charset(octets, None).0;
                self.text(&place, TextKind::Alternative, group, text);
            }
        }
    }

    fn attached(&mut self, part: &Part, home: &str, octets: &[u8]) -> String {
        let name = part.file_name.clone().unwrap_or_else(|| label(part));
        let place = self.place(home, &name);
        let group = self.new_group();
        self.name(&place, group, part.file_name.as_deref().unwrap_or(""));
        self.seen_archive(
            &place,
            &File { within: home, name: &name, declared: &part.content_type, charset: None, octets, depth: 0 },
            "message/rfc822",
            FileKind::Message,
        );
        place
    }

    /// The readable fields of a message, or the unusual ones of a part: both can carry text past a reader of bodies only.
    fn header(&mut self, message: &ParsedMessage, part: &Part, home: &str, is_message: bool) {
        let mut lines = String::new();
        for field in &part.fields {
            let mut value = message.text_of(field);
            // Of the type only its comments: names are told as such, and a boundary is a number drawn by lot.
            if field.name.eq_ignore_ascii_case("content-type") {
                value.drain(..value.find('(').unwrap_or(value.len()));
            }
            if !value.is_empty() {
                lines.reserve(field.name.len() + value.len() + 3);
                lines.push_str(&field.name);
                lines.push_str(": ");
                lines.push_str(&value);
                lines.push('\n');
            }
        }
        let usual = [
            "charset",
            "boundary",
            "name",
            "format",
            "delsp",
            "protocol",
            "micalg",
            "type",
            "start",
            "report-type",
            "smime-type",
        ];
        let told =
            |(name, value): &&(String, String)| !usual.contains(&name.as_str()) || name == "boundary" && holds_number(value);
        for (name, value) in part.parameters.iter().filter(told) {
            lines.push_str(&format!("{name}: {value}\n"));
        }
        if lines.is_empty() {
            return;
        }
        let place = match (is_message, part.number.as_str()) {
            (true, _) | (_, "") => self.place(home, "header"),
            (false, number) => self.place(home, &format!("{number} header")),
        };
        let group = self.new_group();
        self.text(&place, TextKind::Header, group, lines);
    }

    fn leaf(&mut self, message: &ParsedMessage, part: &Part, home: &str, depth: usize) {
        let body = message.body_of(part);
        let is_body =
            part.file_name.is_none() && !part.attachment && matches!(part.content_type.as_str(), "text/plain" | "text/html");
        if part.encoding == Encoding::Unknown {
            // Whoever does not know the word shows the octets; whoever guesses decodes them.
            for (name, octets) in [
                ("read as base64", mime::decode_base64(body).octets),
                ("read as quoted-printable", mime::decode_quoted_printable(body).octets),
            ] {
                let within = self.place(home, &label(part));
                let declared = part.content_type.as_str();
                self.file(File { within: &within, name, declared, charset: part.charset(), octets: &octets, depth: depth + 1 });
            }
        }
        let (octets, damage, until_padding) = decode(part, body);
        if !self.budget.spend(if matches!(octets, Cow::Owned(_)) { octets.len() as u64 } else { 0 }) {
            let place = self.place(home, &label(part));
            return self.unreadable(&place, Reason::OverBudget);
        }
        let name = part.file_name.as_deref().unwrap_or("");
        let place = if name.is_empty() { self.place(home, &label(part)) } else { self.place(home, name) };
        let group = self.new_group();
        self.name(&place, group, name);
        for other in &part.other_names {
            self.name(&place, group, other);
        }
        if part.encoding == Encoding::Base64 && damage {
            self.unreadable(&place, Reason::Damaged);
            self.text(&place, TextKind::Alternative, group, mime::text_in_charset(body, None).0);
            if let Some(until) = until_padding {
                let first = &octets[..until.min(octets.len())];
                let file =
                    File { within: home, name, declared: &part.content_type, charset: part.charset(), octets: first, depth };
                self.file_at(file, &place, group);
            }
        }
        if part.content_type == "message/partial" {
            // Pieces are put together by the recipient's reader only (RFC 2046 §5.2.2): none of them can be read alone.
            self.unreadable(&place, Reason::Unsupported);
        }
        let file = File { within: home, name, declared: &part.content_type, charset: part.charset(), octets: &octets, depth };
        if !is_body {
            let shown_in_text = part.fields.iter().any(|field| field.name.eq_ignore_ascii_case("content-id"));
            self.inline = shown_in_text && !part.attachment;
            self.file_at(file, &place, group);
            self.inline = false;
            return;
        }
        match sniff::sniff(&file) {
            Format::ArmoredOpenpgp => self.seen_sealed(&place, name, "application/pgp-encrypted", &octets),
            Format::Empty => {}
            format @ (Format::Text | Format::Html | Format::Xml | Format::Message | Format::Rtf) => {
                self.body(part, octets, &place, group, format, depth);
            }
            // A body that is no text, whatever its label says.
            _ => self.file_at(file, &place, group),
        }
    }

    fn body(&mut self, part: &Part, octets: Cow<'_, [u8]>, place: &str, group: u32, format: Format, depth: usize) {
        let html = part.content_type == "text/html";
        let charset = part.charset().or_else(|| html.then(|| super::html::declared_charset(&octets)).flatten());
        // Every second octet is nought: UTF-16, whatever else it is said to be.
        let really = sniff::wide(&octets[..octets.len().min(4096)]);
        let said = charset.is_some_and(|label| label.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("utf-16")));
        let charset = really.filter(|_| !said).or(charset).map(str::to_owned);
        if charset.as_deref().is_some_and(|label| !label.eq_ignore_ascii_case("utf-8")) {
            let text = mime::text_in_charset(&octets, charset.as_deref()).0;
            self.other_charset(&octets, charset.as_deref(), &text, place, group);
        }
        // Said twice: some readers take the last (and mime takes the first).
        for other in part.parameters.iter().filter(|(name, _)| name == "charset").map(|(_, value)| value).skip(1) {
            let text = mime::text_in_charset(&octets, Some(other)).0;
            self.text(place, TextKind::Alternative, group, text);
        }
        let text = into_text(octets, charset.as_deref());
        if html {
            self.html(&text, place, TextKind::Body, group);
        } else {
            if format == Format::Html {
                // Some readers look at the content and show it as HTML all the same.
                self.html(&text, place, TextKind::Alternative, group);
            }
            self.embedded(&text, place, depth);
            let flowed = part.parameter("format").is_some_and(|format| format.eq_ignore_ascii_case("flowed"));
            let delsp = part.parameter("delsp").is_some_and(|value| value.eq_ignore_ascii_case("yes"));
            let text = if flowed { unflow(text, delsp) } else { text };
            self.text(place, TextKind::Body, group, text);
        }
    }

    /// A file that is a message, or several in an mbox.
    pub(super) fn mail_file(&mut self, file: &File, place: &str, group: u32) {
        let octets = file.octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file.octets);
        let mut good = true;
        for (n, piece) in messages(octets).into_iter().enumerate() {
            let within = if n == 0 { place.to_owned() } else { self.place(place, &format!("message {}", n + 1)) };
            let raw = canonical(piece);
            let parsed = RawMessage::new(raw).ok();
            let parsed = parsed.as_ref().and_then(|raw| mime::parse(raw, &mime::Limits::default()).ok());
            match parsed {
                Some(message) if file.depth < self.budget.depth() => self.message(&message, &within, file.depth + 1),
                Some(_) => self.unreadable(&within, Reason::OverBudget),
                None => good = false,
            }
        }
        if !good {
            self.unreadable(place, Reason::Damaged);
            self.text(place, TextKind::Attachment, group, mime::text_in_charset(octets, None).0);
        }
    }
}

/// A boundary is drawn by lot; one with fifteen digits by themselves, or what begins like an IBAN, may be no such thing.
fn holds_number(boundary: &str) -> bool {
    boundary.split(|c: char| !c.is_ascii_alphanumeric()).any(|group| {
        let octets = group.as_bytes();
        let account = octets.len() >= 14
            && octets[..2].iter().all(u8::is_ascii_alphabetic)
            && octets[2..4].iter().all(u8::is_ascii_digit);
        account || (15..=19).contains(&octets.len()) && octets.iter().all(u8::is_ascii_digit)
    })
}

fn decode<'x>(part: &Part, body: &'x [u8]) -> (Cow<'x, [u8]>, bool, Option<usize>) {
    let decoded = match part.encoding {
        Encoding::QuotedPrintable => mime::decode_quoted_printable(body),
        Encoding::Base64 => mime::decode_base64(body),
        _ => return (body.into(), false, None),
    };
    (decoded.octets.into(), decoded.damage, decoded.until_padding)
}

/// Most bodies are UTF-8 already: then octets become text without a copy.
fn into_text(octets: Cow<'_, [u8]>, charset: Option<&str>) -> String {
    let utf8 = charset.is_none_or(|label| label.eq_ignore_ascii_case("utf-8"));
    let marked = matches!(octets[..], [0xff | 0xfe | 0xef, ..]);
    match octets {
        Cow::Owned(octets) if utf8 && !marked => match String::from_utf8(octets) {
            Ok(text) => text,
            Err(wrong) => mime::text_in_charset(wrong.as_bytes(), charset).0.into_owned(),
        },
        octets => mime::text_in_charset(&octets, charset).0.into_owned(),
    }
}

/// Joins the lines that end in a blank (RFC 3676 §4.1), so that what is wrapped is found whole.
fn unflow(text: String, delsp: bool) -> String {
    if !text.contains(" \r\n") && !text.contains(" \n") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\r', '\n']);
        if content.ends_with(' ') && content != "-- " {
            out.push_str(if delsp { &content[..content.len() - 1] } else { content });
        } else {
            out.push_str(line);
        }
    }
    out
}

fn label(part: &Part) -> String {
    if part.number.is_empty() { "body".to_owned() } else { format!("{} {}", part.number, part.content_type) }
}

const FIRST_FIELDS: [&str; 22] = [
    "return-path",
    "received",
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "delivered-to",
    "sender",
    "reply-to",
    "x-mozilla-status",
    "x-account-key",
    "x-envelope-from",
    "dkim-signature",
    "arc-seal",
    "authentication-results",
    "x-original-to",
    "x-unsent",
    "thread-topic",
    "x-sender",
];

/// Whether a text begins with a message header: two known fields among its first lines, nothing else before them.
pub(super) fn looks_like_message(octets: &[u8]) -> bool {
    let mut known = 0;
    let mut lines =
        octets[..octets.len().min(8192)].split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut first = true;
    for line in lines.by_ref().take(60) {
        if line.is_empty() {
            break;
        }
        let separator = std::mem::replace(&mut first, false) && line.starts_with(b"From ");
        if separator || matches!(line[0], b' ' | b'\t') {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line) else { return false };
        let name = &line[..colon];
        if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return false;
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        known += usize::from(FIRST_FIELDS.contains(&name.as_str()) || name.starts_with("content-t"));
    }
    known >= 2
}

/// A MIME entity of its own: what opaque S/MIME signs.
pub(super) fn looks_like_entity(octets: &[u8]) -> bool {
    let start = octets[..octets.len().min(8)].to_ascii_lowercase();
    start == b"content-" || start == b"mime-ver" || looks_like_message(octets)
}

/// The messages of an mbox file; one when it is none.
fn messages(octets: &[u8]) -> Vec<&[u8]> {
    if !octets.starts_with(b"From ") {
        return vec![octets];
    }
    let mut starts = vec![0];
    for mark in [&b"\n\nFrom "[..], b"\r\n\r\nFrom "] {
        starts.extend(memchr::memmem::find_iter(octets, mark).map(|at| at + mark.len() - 5));
    }
    starts.sort_unstable();
    let ends = starts.iter().skip(1).copied().chain([octets.len()]);
    let pieces = starts.iter().zip(ends).map(|(start, end)| &octets[*start..end]);
    // The separator line itself is no field.
    pieces.take(10_000).map(|piece| memchr::memchr(b'\n', piece).map_or(&piece[..0], |n| &piece[n + 1..])).collect()
}

/// CRLF line ends, as files on disk rarely have them, and no NUL.
fn canonical(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 32);
    let mut before = 0;
    for (n, &octet) in octets.iter().enumerate() {
        match octet {
            b'\n' if before != b'\r' => out.extend_from_slice(b"\r\n"),
            b'\r' if octets.get(n + 1) != Some(&b'\n') => out.extend_from_slice(b"\r\n"),
            0 => {}
            octet => out.push(octet),
        }
        before = octet;
    }
    out
}
