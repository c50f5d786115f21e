//! Turns a header section into its fields, and a field's octets into the text a reader sees (RFC 5322 §2.2, RFC 2047).

use super::decode::{self, text_in_charset};
use super::{Field, Limits, Malformed};
use std::ops::Range;

/// Splits `octets[from..to]` into fields up to and including the empty line. Returns the fields, the header's range and where
/// the body begins. Anything that is neither a field nor its continuation is refused: some readers end the header there,
/// others skip the line, and a Content-Type behind it would count for the latter only.
pub(super) fn split(
    octets: &[u8],
    from: usize,
    to: usize,
    limits: &Limits,
    place: &str,
) -> Result<(Vec<Field>, Range<usize>, usize), Malformed> {
    let refuse = |what| Err(Malformed { what, place: place.to_owned() });
    let mut fields: Vec<Field> = Vec::new();
    let mut at = from;
    while at < to {
        let end = memchr::memchr(b'\n', &octets[at..to]).map_or(to, |n| at + n + 1);
        let line = &octets[at..end];
        let text = trim_crlf(line);
        if text.is_empty() {
            return Ok((fields, from..at, end));
        }
        if end - from > limits.header_octets {
            return refuse("the header section is too long");
        }
        if matches!(text[0], b' ' | b'\t') {
            let Some(last) = fields.last_mut() else { return refuse("the header section begins with a continuation line") };
            // RFC 5322 §4.2: never to be generated; half of the readers take it for the end of the header section.
            if text.iter().all(|b| matches!(b, b' ' | b'\t')) {
                return refuse("a header line of white space only");
            }
            last.whole.end = end;
            last.value.end = at + text.len();
        } else {
            let Some(colon) = memchr::memchr(b':', text) else { return refuse("a header line without a colon") };
            let name = &text[..colon];
            if name.is_empty() || !name.iter().all(|b| (33..=126).contains(b)) {
                return refuse("a header field name with a space or a character that is not allowed");
            }
            if fields.len() >= limits.fields {
                return refuse("too many header fields");
            }
            fields.push(Field {
                name: String::from_utf8_lossy(name).into_owned(),
                whole: at..end,
                value: at + colon + 1..at + text.len(),
            });
        }
        at = end;
    }
    Ok((fields, from..at, at))
}

/// The line without its CRLF.
pub(super) fn trim_crlf(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Unfolds (RFC 5322 §2.2.3) and reads raw 8-bit octets as UTF-8, or else as windows-1252, which defines every octet that
/// old clients send; white space around is dropped. Encoded words stay.
pub(super) fn unfold(value: &[u8]) -> String {
    let text: std::borrow::Cow<'_, str> = match std::str::from_utf8(value) {
        Ok(text) => text.into(),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(value).0,
    };
    let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
    if !trimmed.contains('\n') {
        return trimmed.to_owned();
    }
    trimmed.replace("\r\n", "")
}

/// Decodes the encoded words of an unfolded value wherever they stand, as most readers do, also inside quotes; white space
/// between two of them is dropped (RFC 2047 §6.2). A character split between two words of one charset is put together again.
/// No decoded CR or LF survives: it would make a new header line wherever the text is written again.
pub fn decode_words(text: &str) -> String {
    if !text.contains("=?") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut pending: Option<(&str, Vec<u8>)> = None;
    let mut rest = text;
    while !rest.is_empty() {
        let start = rest.find("=?").unwrap_or(rest.len());
        let (between, tail) = rest.split_at(start);
        if !between.trim_matches([' ', '\t']).is_empty() || (tail.is_empty() || word_at(tail).is_none()) {
            flush(&mut pending, &mut out);
            out.push_str(between);
        } else if pending.is_none() {
            out.push_str(between);
        }
        if tail.is_empty() {
            break;
        }
        match word_at(tail) {
            Some(word) => {
                match &mut pending {
                    Some((charset, octets)) if charset.eq_ignore_ascii_case(word.charset) => octets.extend(word.octets),
                    _ => {
                        flush(&mut pending, &mut out);
                        pending = Some((word.charset, word.octets));
                    }
                }
                rest = &tail[word.length..];
            }
            None => {
                flush(&mut pending, &mut out);
                out.push_str("=?");
                rest = &tail[2..];
            }
        }
    }
    flush(&mut pending, &mut out);
    out
}

/// How many encoded words may begin in a header section.
pub(super) fn count_words(header: &[u8]) -> usize {
    memchr::memmem::find_iter(header, b"=?").count()
}

/// RFC 2047 §2 allows 75 octets; many clients write longer words and readers decode them.
const LONGEST_WORD: usize = 16 << 10;

struct Word<'x> {
    charset: &'x str,
    octets: Vec<u8>,
    length: usize,
}

/// `=?charset?encoding?text?=` at the beginning of `text`; the language of RFC 2231 §5 is dropped. Blanks in the text are
/// let through, because some readers do.
fn word_at(text: &str) -> Option<Word<'_>> {
    let inner = text.strip_prefix("=?")?;
    // Looked for near by only: ten thousand beginnings without an end must not search the whole header each.
    let near = |text: &str, mark: &[u8], room: usize| memchr::memmem::find(&text.as_bytes()[..text.len().min(room)], mark);
    let (charset, inner) = near(inner, b"?", 61).map(|at| (&inner[..at], &inner[at + 1..]))?;
    let (encoding, inner) = near(inner, b"?", 2).map(|at| (&inner[..at], &inner[at + 1..]))?;
    let end = near(inner, b"?=", LONGEST_WORD)?;
    if charset.is_empty() || charset.contains([' ', '\t', '"', '<', '=']) {
        return None;
    }
    let body = &inner[..end];
    if body.contains('?') && !encoding.eq_ignore_ascii_case("q") {
        return None;
    }
    let octets = match encoding {
        "b" | "B" => decode::decode_base64(body.as_bytes()).octets,
        "q" | "Q" => decode_q(body.as_bytes()),
        _ => return None,
    };
    let charset = charset.split('*').next().unwrap_or(charset);
    Some(Word { charset, octets, length: text.len() - inner.len() + end + 2 })
}

/// RFC 2047 §4.2.
fn decode_q(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'_' => out.push(b' '),
            b'=' => match decode::hex_pair(text.get(at + 1..at + 3)) {
                Some(octet) => {
                    out.push(octet);
                    at += 2;
                }
                None => out.push(b'='),
            },
            octet => out.push(octet),
        }
        at += 1;
    }
    out
}

fn flush(pending: &mut Option<(&str, Vec<u8>)>, out: &mut String) {
    if let Some((charset, octets)) = pending.take() {
        let text = text_in_charset(&octets, Some(charset)).0;
        out.extend(text.chars().map(|c| if matches!(c, '\r' | '\n' | '\0') { ' ' } else { c }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_decoded_as_readers_do() {
        for (written, read) in [
            ("=?utf-8?q?caf=C3=A9_noir?=", "café noir"),
            ("=?ISO-8859-1?B?6Q==?= x", "é x"),
            ("a =?utf-8?q?b?= =?utf-8?q?c?= d", "a bc d"),
            ("=?utf-8?b?w6k=?==?utf-8?b?w6k=?=", "éé"),
            ("=?utf-8?q?=C3?= =?UTF-8?q?=A9?=", "é"),
            ("=?utf-8*fr?q?x?=", "x"),
            ("=?utf-8?q?x=0D=0ABcc:_a?=", "x  Bcc: a"),
            ("=?utf-8?q?a b?=", "a b"),
            ("\"=?utf-8?q?quoted?=\"", "\"quoted\""),
            ("=?nonsense", "=?nonsense"),
            ("=?a?x?b?=", "=?a?x?b?="),
            ("1 =? 2 ?= 3", "1 =? 2 ?= 3"),
            ("=?utf-7?q?+AOk-?=", "é"),
        ] {
            assert_eq!(decode_words(written), read, "{written}");
        }
    }

    #[test]
    fn what_is_no_field_is_refused() {
        for (header, what) in [
            ("Subject: a\r\nno colon here\r\n\r\n", "colon"),
            (" continued\r\nSubject: a\r\n\r\n", "continuation"),
            ("Subject : a\r\n\r\n", "name"),
            (": a\r\n\r\n", "name"),
            ("S\u{e9}: a\r\n\r\n", "name"),
            ("Subject: a\r\n \t \r\nTo: b\r\n\r\n", "white space"),
        ] {
            let why = split(header.as_bytes(), 0, header.len(), &Limits::default(), "").unwrap_err();
            assert!(why.what.contains(what), "{header:?}: {why}");
        }
    }

    #[test]
    fn a_header_without_end_is_all_there_is() {
        let (fields, header, body) = split(b"A: b\r\n c", 0, 8, &Limits::default(), "").unwrap();
        assert_eq!((fields.len(), header, body), (1, 0..8, 8));
        assert_eq!(fields[0].value, 2..8);
    }
}
