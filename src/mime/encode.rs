//! Turns text into what may stand in a header or body of 7-bit lines: RFC 2047 words, folded fields, quoted-printable, base64.

use super::{Field, Mailbox};

/// Longest line to write (RFC 5322 §2.1.1), without its CRLF.
const LINE: usize = 76;
/// Longest encoded word (RFC 2047 §2).
const WORD: usize = 75;

/// True when a field holds ASCII only.
pub fn is_ascii_field(raw: &[u8], field: &Field) -> bool {
    raw[field.whole.clone()].is_ascii()
}

/// An unstructured value (Subject, Comments, X-…) as ASCII, with RFC 2047 words where it needs them, not yet folded. CR, LF and
/// other control characters become blanks: a value never makes a second line.
pub fn encode_unstructured(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if is_plain(&clean) { clean } else { words(&clean) }
}

/// A display name as RFC 5322 phrase: atoms, a quoted string, or RFC 2047 words.
pub fn encode_phrase(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if !is_plain(&clean) {
        return words(&clean);
    }
    let atoms = |c: char| c.is_ascii_alphanumeric() || " !#$%&'*+-/=?^_`{|}~".contains(c);
    if clean.chars().all(atoms) && clean.trim() == clean {
        return clean;
    }
    let mut out = String::from("\"");
    for c in clean.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A mailbox list as it stands in To or From, not yet folded; `None` where an entry has no right address, or none in ASCII.
pub(super) fn encode_mailboxes(list: &[Mailbox]) -> Option<String> {
    let mut out: Vec<String> = Vec::with_capacity(list.len());
    for mailbox in list {
        let address = mailbox.address.as_ref().filter(|address| address.is_ascii())?;
        out.push(match &mailbox.name {
            Some(name) => format!("{} <{address}>", encode_phrase(name)),
            None => address.to_string(),
        });
    }
    Some(out.join(", "))
}

/// `Name: value` folded at white space to lines of 76 octets where that is possible, with its CRLF. The value must be ASCII
/// without CR and LF. Unfolded it is the same value again.
pub fn fold(name: &str, value: &str) -> String {
    let mut out = String::with_capacity(name.len() + value.len() + 8);
    out.push_str(name);
    out.push(':');
    let mut line = out.len();
    let mut rest = value;
    let mut first = true;
    while !rest.is_empty() || first {
        // A piece is white space and the word behind it; a line may only be broken before such a white space.
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let word = rest[blank..].find([' ', '\t']).map_or(rest.len(), |n| blank + n);
        let piece = &rest[..word];
        let (piece, lead) = if first { (piece.trim_start_matches([' ', '\t']), " ") } else { (piece, "") };
        // The first word stays beside its name: a first line of a name alone is broken by some readers.
        if !first && line + piece.len() > LINE && blank < piece.len() {
            out.push_str("\r\n");
            line = 0;
        }
        out.push_str(lead);
        out.push_str(piece);
        line += lead.len() + piece.len();
        rest = &rest[word..];
        first = false;
    }
    out.push_str("\r\n");
    out
}

/// Quoted-printable of text whose line ends are CRLF (RFC 2045 §6.7); every other CR and LF is written as an octet.
pub(super) fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 8);
    let mut line = 0;
    let mut at = 0;
    while at < octets.len() {
        let octet = octets[at];
        if octet == b'\r' && octets.get(at + 1) == Some(&b'\n') {
            out.extend_from_slice(b"\r\n");
            line = 0;
            at += 2;
            continue;
        }
        let at_end = matches!(octets.get(at + 1..), Some([] | [b'\r', b'\n', ..]));
        let plain = match octet {
            b'=' => false,
            // Blanks at the end of a line are lost on the way (rule 3).
            b' ' | b'\t' => !at_end,
            // "From " would be changed by mbox writers, a lone "." by bad SMTP clients.
            b'F' | b'.' => line != 0,
            33..=126 => true,
            _ => false,
        };
        let width = if plain { 1 } else { 3 };
        // One column stays free for the `=` of a soft line break.
        if line + width > LINE - usize::from(!at_end) {
            out.extend_from_slice(b"=\r\n");
            line = 0;
            continue;
        }
        if plain {
            out.push(octet);
        } else {
            out.extend([b'=', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]);
        }
        line += width;
        at += 1;
    }
    out
}

/// Base64 in lines of 76 (RFC 2045 §6.8), each with its CRLF.
pub(super) fn base64_lines(octets: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let mut out = Vec::with_capacity(octets.len() / 57 * 78 + 80);
    for chunk in octets.chunks(57) {
        out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(chunk).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Something that looks like an encoded word must be encoded itself, or readers would decode it.
fn is_plain(text: &str) -> bool {
    text.is_ascii() && !text.contains("=?")
}

/// RFC 2047 B words of at most 75 octets, cut between characters, separated by one blank.
fn words(text: &str) -> String {
    use base64::Engine;
    // `=?UTF-8?B?` and `?=` leave room for 63 octets of base64, that is 45 of text.
    const ROOM: usize = (WORD - 12) / 4 * 3;
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(ROOM);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str("=?UTF-8?B?");
        base64::engine::general_purpose::STANDARD.encode_string(&rest[..end], &mut out);
        out.push_str("?=");
        rest = &rest[end..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::decode::decode_quoted_printable;
    use super::super::header::decode_words;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_never_makes_a_second_line() {
        assert_eq!(encode_unstructured("a\r\nBcc: b@c.example"), "a  Bcc: b@c.example");
        assert!(!encode_unstructured("é\r\nBcc: b").contains(['\r', '\n']));
        assert_eq!(encode_phrase("Bob, \"C\""), "\"Bob, \\\"C\\\"\"");
    }

    proptest! {
        #[test]
        fn encoded_text_is_decoded_to_itself(text in "\\PC{0,200}") {
            let encoded = encode_unstructured(&text);
            prop_assert!(encoded.is_ascii());
            prop_assert_eq!(decode_words(&encoded), text.clone());
            let folded = fold("Subject", &encoded);
            let longest = encoded.split([' ', '\t']).map(str::len).max().unwrap_or(0);
            prop_assert!(folded.split("\r\n").all(|line| line.len() <= LINE.max(longest + 10 + encoded.len() - encoded.trim_start().len())));
            let unfolded = folded.replace("\r\n", "");
            prop_assert_eq!(unfolded.strip_prefix("Subject: ").unwrap_or(""), encoded.trim_start_matches([' ', '\t']));
        }

        #[test]
        fn quoted_printable_is_decoded_to_itself(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            let encoded = quoted_printable(&octets);
            let decoded = decode_quoted_printable(&encoded);
            prop_assert!(encoded.is_ascii() && encoded.split(|b| *b == b'\n').all(|line| line.len() <= 77));
            prop_assert!(!decoded.damage);
            prop_assert_eq!(decoded.octets, octets);
        }
    }
}
