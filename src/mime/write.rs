//! Turns a message into the one that leaves: what RFC 6409 §8 lets a submission server put right in the top header, and nothing else.

pub use super::reencode::{CannotRewrite, Need, SealableEntity, entity_for_sealing, needs_reencoding, reencode, seven_bit};

use super::encode::{encode_mailboxes, encode_unstructured, fold};
use super::header::{self, decode_words, trim_crlf, unfold};
use super::{Field, Limits, Malformed, mailbox};
use crate::mail::{RawMessage, UnixTime};

/// What the gate adds to a message that lacks it.
#[derive(Clone, Debug)]
pub struct Fixes {
    /// A whole `Received` value, without name and CRLF; the caller knows from where. Unfolded or folded with CRLF and a blank.
    pub received: Option<String>,
    /// For a missing Date.
    pub date: UnixTime,
    /// For a missing Message-ID, without angle brackets: `7F3A2CQX9KMD@gate.example.org`.
    pub message_id: String,
    /// Received fields before the message is taken for a loop (RFC 5321 §6.3).
    pub hops: usize,
    /// SMTPUTF8 was asked for (RFC 6532): a field in UTF-8 that has no form in ASCII stays as it is written.
    pub utf8: bool,
}

/// Longest line that may travel (RFC 5322 §2.1.1), without its CRLF.
pub(super) const LONGEST_LINE: usize = 998;

/// Our own namespace: what stands there must never come from outside.
const OURS: &[u8] = b"x-postern-";

/// The one field there that senders may write: it asks for encryption, and stays until what it asks for is done.
pub const ASKS_ENCRYPTION: &str = "X-Postern-Encrypt";

/// Puts right what RFC 6409 §8 allows, in the top header only; the body is copied as it stands. Added when missing: Date,
/// Message-ID, MIME-Version (always: without it one reader believes the Content- fields and another does not), and for an 8-bit
/// body without Content-Type its charset. Removed: Bcc, Resent-Bcc (RFC 5322 §3.6.3), Return-Path (RFC 5321 §4.4) and
/// `X-Postern-*`, except [`ASKS_ENCRYPTION`]. Raw 8-bit octets become RFC 2047 words; lines over 998 octets are folded.
///
/// A message that needs none of it is the same again behind `Received`.
pub fn repair(raw: &RawMessage, fixes: &Fixes) -> Result<RawMessage, Malformed> {
    let octets = raw.as_bytes();
    let header_end = raw.header().len();
    let (fields, _, _) = header::split(octets, 0, header_end, &Limits::default(), "header")?;
    let has = |name: &str| fields.iter().any(|field| field.name.eq_ignore_ascii_case(name));
    if fields.iter().filter(|field| field.name.eq_ignore_ascii_case("Received")).count() > fixes.hops {
        return Err(Malformed {
            what: "too many Received fields: the message goes round in a loop",
            place: "Received".to_owned(),
        });
    }
    let mut out = Vec::with_capacity(header_end + 512);
    if let Some(received) = &fixes.received {
        let value = received.trim_end().replace("\r\n", "");
        out.extend_from_slice(fold("Received", value.trim_start()).as_bytes());
    }
    for field in &fields {
        if is_removed(field) {
            continue;
        }
        match write_field(octets, field, &mut out) {
            Err(_) if fixes.utf8 && may_stay(&octets[field.whole.clone()]) => {
                out.extend_from_slice(&octets[field.whole.clone()])
            }
            written => written?,
        }
    }
    let mut add = |name: &str, value: &str| out.extend_from_slice(fold(name, value).as_bytes());
    if !has("Date") {
        add("Date", &fixes.date.rfc5322());
    }
    if !has("Message-ID") {
        add("Message-ID", &format!("<{}>", fixes.message_id));
    }
    if !has("MIME-Version") {
        add("MIME-Version", "1.0");
    }
    if !has("Content-Type") && !has("Content-Transfer-Encoding") && !raw.body().is_ascii() {
        add("Content-Type", &format!("text/plain; charset={}", charset_of(raw.body())));
        add("Content-Transfer-Encoding", "8bit");
    }
    raw.with_header(&out).map_err(|_| Malformed { what: "a header line that cannot be put right", place: "header".to_owned() })
}

/// The message with its Subject replaced (or added), everything else byte for byte. `subject` is text, not yet encoded.
pub fn replace_subject(raw: &RawMessage, subject: &str) -> Result<RawMessage, Malformed> {
    with_field(raw, "Subject", &encode_unstructured(subject))
}

/// The message with the value of a field replaced where it first stands, or added at the end of the top header. The value is
/// ASCII and is folded here.
pub fn with_field(raw: &RawMessage, name: &str, value: &str) -> Result<RawMessage, Malformed> {
    let octets = raw.as_bytes();
    let header_end = raw.header().len();
    let (fields, _, _) = header::split(octets, 0, header_end, &Limits::default(), "header")?;
    let written = fold(name, value);
    let place = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.whole.clone());
    let range = place.unwrap_or(header_end..header_end);
    let mut out = Vec::with_capacity(octets.len() + written.len() + 4);
    out.extend_from_slice(&octets[..range.start]);
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(written.as_bytes());
    out.extend_from_slice(&octets[range.end..]);
    RawMessage::new(out).map_err(|_| Malformed { what: "a header value with a line break", place: name.to_owned() })
}

/// The message without the top header's fields of this name; everything else byte for byte.
pub fn without_field(raw: &RawMessage, name: &str) -> Result<RawMessage, Malformed> {
    let octets = raw.as_bytes();
    let (fields, _, _) = header::split(octets, 0, raw.header().len(), &Limits::default(), "header")?;
    if !fields.iter().any(|field| field.name.trim().eq_ignore_ascii_case(name)) {
        return Ok(raw.clone());
    }
    let mut out = Vec::with_capacity(octets.len());
    let mut done = 0;
    for field in fields.iter().filter(|field| field.name.trim().eq_ignore_ascii_case(name)) {
        out.extend_from_slice(&octets[done..field.whole.start]);
        done = field.whole.end;
    }
    out.extend_from_slice(&octets[done..]);
    RawMessage::new(out).map_err(|_| Malformed { what: "a header that cannot be put right", place: name.to_owned() })
}

/// The unfolded values of the top header's fields of this name, not decoded.
pub fn values_of(raw: &RawMessage, name: &str) -> Result<Vec<String>, Malformed> {
    let octets = raw.as_bytes();
    let (fields, _, _) = header::split(octets, 0, raw.header().len(), &Limits::default(), "header")?;
    let named = fields.iter().filter(|field| field.name.trim().eq_ignore_ascii_case(name));
    Ok(named.map(|field| unfold(&octets[field.value.clone()])).collect())
}

/// Takes `[tag]` from the beginning of a decoded Subject, wherever among the leading bracketed words and reply prefixes it
/// stands; ASCII case does not matter. `None` when it is not there.
pub fn remove_subject_tag(subject: &str, tag: &str) -> Option<String> {
    let mut rest = subject;
    loop {
        let trimmed = rest.trim_start();
        let at = subject.len() - trimmed.len();
        if let Some(inner) = trimmed.strip_prefix('[') {
            let close = inner.find(']')?;
            if inner[..close].trim().to_lowercase() == tag.to_lowercase() {
                let after = inner[close + 1..].trim_start();
                return Some(format!("{}{after}", &subject[..at]));
            }
            rest = &inner[close + 1..];
        } else {
            // Re:, RE :, Fwd:, TR:, Rép. : a short word and a colon.
            let colon = trimmed.find(':').filter(|n| *n > 0 && *n <= 8 && !trimmed[..*n].trim_end().contains(' '))?;
            rest = &trimmed[colon + 1..];
        }
    }
}

fn is_removed(field: &Field) -> bool {
    let name = field.name.as_bytes();
    let ours = name.len() >= OURS.len() && name[..OURS.len()].eq_ignore_ascii_case(OURS);
    let asks = field.name.eq_ignore_ascii_case(ASKS_ENCRYPTION);
    ours && !asks || ["Bcc", "Resent-Bcc", "Return-Path"].iter().any(|gone| field.name.eq_ignore_ascii_case(gone))
}

/// Whole lines of UTF-8, none too long to travel.
fn may_stay(whole: &[u8]) -> bool {
    std::str::from_utf8(whole).is_ok()
        && whole.ends_with(b"\r\n")
        && whole.split(|b| *b == b'\n').all(|line| trim_crlf(line).len() <= LONGEST_LINE)
}

/// RFC 8187 and friends do not exist for headers: raw octets are taken as UTF-8 when they are that, else as windows-1252.
pub(super) fn charset_of(octets: &[u8]) -> &'static str {
    if std::str::from_utf8(octets).is_ok() { "utf-8" } else { "windows-1252" }
}

/// Writes a field as it stands, or, when it is not ASCII or has a line that is too long, in a form that may travel.
pub(super) fn write_field(octets: &[u8], field: &Field, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let whole = &octets[field.whole.clone()];
    let long = whole.split(|b| *b == b'\n').any(|line| trim_crlf(line).len() > LONGEST_LINE);
    let refuse = |what| Err(Malformed { what, place: field.name.clone() });
    if whole.is_ascii() && !long {
        out.extend_from_slice(whole);
        if !whole.ends_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
        return Ok(());
    }
    let value = unfold(&octets[field.value.clone()]);
    let written = if value.is_ascii() { fold(&field.name, &value) } else { fold(&field.name, &ascii_value(field, &value)?) };
    if written.split("\r\n").any(|line| line.len() > LONGEST_LINE) {
        return refuse("a header line of more than 998 characters that cannot be folded");
    }
    out.extend_from_slice(written.as_bytes());
    Ok(())
}

/// Fields whose value is a list of addresses (RFC 5322 §3.6.2, 3.6.3, 3.6.6).
const ADDRESSES: [&str; 12] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "resent-from",
    "resent-sender",
    "resent-to",
    "resent-cc",
    "return-receipt-to",
    "disposition-notification-to",
    "resent-reply-to",
];

/// Fields whose syntax leaves no place for encoded words (RFC 2047 §5).
const NO_WORDS: [&str; 6] = ["message-id", "references", "in-reply-to", "date", "mime-version", "content-transfer-encoding"];

fn ascii_value(field: &Field, value: &str) -> Result<String, Malformed> {
    let name = field.name.to_ascii_lowercase();
    let refuse = |what| Err(Malformed { what, place: field.name.clone() });
    if NO_WORDS.contains(&name.as_str()) {
        return refuse("characters outside ASCII where none may stand");
    }
    if matches!(name.as_str(), "content-type" | "content-disposition") {
        return super::reencode::ascii_parameters(value).ok_or(()).or_else(|()| refuse("characters outside ASCII in its type"));
    }
    if ADDRESSES.contains(&name.as_str()) {
        // RFC 6532 addresses need SMTPUTF8; only display names can be put right.
        return encode_mailboxes(&mailbox::mailboxes(value))
            .ok_or(())
            .or_else(|()| refuse("an address with characters outside ASCII, or one that cannot be read"));
    }
    // Words that were encoded already are decoded first, so that the whole is encoded once.
    Ok(encode_unstructured(&decode_words(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixes() -> Fixes {
        Fixes {
            received: Some(
                "from [192.0.2.1] by gate.example.org with ESMTPSA id X; Sat, 21 Nov 2026 18:00:00 +0000".to_owned(),
            ),
            date: UnixTime(1_795_000_000),
            message_id: "ref@gate.example.org".to_owned(),
            hops: 3,
            utf8: false,
        }
    }

    fn repaired(text: &[u8]) -> Result<Vec<u8>, Malformed> {
        let bare = Fixes { received: None, ..fixes() };
        Ok(repair(&RawMessage::new(text.to_vec()).unwrap(), &bare)?.as_bytes().to_vec())
    }

    const RIGHT: &str =
        "From: a@b.example\r\nDate: Sat, 21 Nov 2026 18:00:00 +0000\r\nMessage-ID: <x@b.example>\r\nMIME-Version: 1.0\r\n";

    #[test]
    fn a_right_message_is_the_same_behind_received() {
        for rest in [
            "Subject: x\r\n y\r\n\r\nbody\r\n.\r\n\r\n",
            "\r\n",
            "\r\n\r\n",
            "X:\r\n\r\n\tb \r\nno final line",
            "Content-Type: text/plain\r\n\r\n\u{e9}\r\n",
        ] {
            let text = format!("{RIGHT}{rest}");
            let raw = RawMessage::new(text.clone().into_bytes()).unwrap();
            let out = repair(&raw, &fixes()).unwrap();
            let out = std::str::from_utf8(out.as_bytes()).unwrap();
            assert!(out.starts_with("Received: from [192.0.2.1]") && out.ends_with(&text), "{out:?}");
            let received = &out[..out.len() - text.len()];
            assert!(received.replace("\r\n", "").len() == received.len() - 2 * received.matches("\r\n").count());
            assert_eq!(repaired(text.as_bytes()).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn what_is_missing_is_added_and_what_must_not_travel_is_removed() {
        let out = repaired(b"Return-Path: <z@b.example>\r\nFrom: a@b.example\r\nbcc: c@d.example,\r\n e@f.example\r\nX-Postern-Verdict: ok\r\nResent-Bcc: q@b.example\r\nTo: t@u.example\r\n\r\nBcc: in the body\r\n").unwrap();
        let out = String::from_utf8(out).unwrap();
        let (header, body) = out.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "Bcc: in the body\r\n");
        assert_eq!(
            header,
            "From: a@b.example\r\nTo: t@u.example\r\nDate: Wed, 18 Nov 2026 11:06:40 +0000\r\nMessage-ID: <ref@gate.example.org>\r\nMIME-Version: 1.0"
        );
        let out = String::from_utf8(repaired("From: a@b.example\r\n\r\n\u{e9}".as_bytes()).unwrap()).unwrap();
        assert!(out.contains("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u{e9}"));
        let headless = String::from_utf8(repaired(b"\r\nbody").unwrap()).unwrap();
        assert!(headless.starts_with("Date: ") && headless.ends_with("MIME-Version: 1.0\r\n\r\nbody"));
        let bodiless = String::from_utf8(repaired(b"From: a@b.example").unwrap()).unwrap();
        assert!(bodiless.starts_with("From: a@b.example\r\nDate: ") && bodiless.ends_with("1.0\r\n\r\n"));
    }

    #[test]
    fn raw_octets_in_the_header_become_encoded_words() {
        for (field, written) in [
            ("Subject: caf\u{e9} =?utf-8?q?noir?=".as_bytes(), "Subject: =?UTF-8?B?Y2Fmw6kgbm9pcg==?=\r\n"),
            (b"Subject: caf\xe9", "Subject: =?UTF-8?B?Y2Fmw6k=?=\r\n"),
            ("To: \u{c9}ric <e@f.example>, b@c.example".as_bytes(), "To: =?UTF-8?B?w4lyaWM=?= <e@f.example>, b@c.example\r\n"),
            (
                "Content-Type: text/plain; name=\"\u{e9}.txt\"".as_bytes(),
                "Content-Type: text/plain; name*=UTF-8''%C3%A9.txt\r\n",
            ),
        ] {
            let out = repaired(&[RIGHT.as_bytes(), field, b"\r\n\r\nx"].concat()).unwrap();
            let out = String::from_utf8(out).unwrap();
            assert!(out.contains(written), "{out}");
        }
        for field in ["To: \u{e9}ric@f.example", "Message-ID: <\u{e9}@b.example>", "To: \u{e9} <a@b.example> c"] {
            assert!(repaired(format!("{field}\r\n\r\nx").as_bytes()).is_err(), "{field}");
        }
    }

    #[test]
    fn long_header_lines_are_folded_and_loops_refused() {
        let long = format!("{RIGHT}References: {}\r\n\r\nx", "<0123456789@b.example> ".repeat(80).trim_end());
        let out = String::from_utf8(repaired(long.as_bytes()).unwrap()).unwrap();
        assert!(out.split("\r\n").all(|line| line.len() <= LONGEST_LINE));
        assert_eq!(out.replace("\r\n <", " <"), long.replace("\r\n <", " <"));
        assert!(repaired(format!("{RIGHT}X: {}\r\n\r\nx", "x".repeat(999)).as_bytes()).is_err());
        let loops = format!("{RIGHT}{}\r\nx", "Received: by a\r\n".repeat(4));
        assert!(repaired(loops.as_bytes()).unwrap_err().what.contains("loop"));
    }

    #[test]
    fn the_subject_is_replaced_and_its_tag_removed() {
        let raw = RawMessage::new(b"A: b\r\nsubject: old\r\n folded\r\nC: d\r\n\r\nSubject: body".to_vec()).unwrap();
        let out = replace_subject(&raw, "[...]").unwrap();
        assert_eq!(out.as_bytes(), b"A: b\r\nSubject: [...]\r\nC: d\r\n\r\nSubject: body");
        for (subject, left) in [
            ("[chiffrer] Bulletin", Some("Bulletin")),
            ("Re: [CHIFFRER] Bulletin", Some("Re: Bulletin")),
            ("[ext] TR : [chiffrer]Bulletin", Some("[ext] TR : Bulletin")),
            ("Bulletin [chiffrer]", None),
            ("[chiffrer", None),
            ("", None),
        ] {
            assert_eq!(remove_subject_tag(subject, "chiffrer").as_deref(), left, "{subject}");
        }
    }
}
