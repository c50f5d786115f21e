//! Turns encoded octets into what they stand for: base64, quoted-printable (RFC 2045 §6) and charsets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::borrow::Cow;

/// What an encoding stood for, and whether it was written as the RFC says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub octets: Vec<u8>,
    /// The encoding was broken: readers differ in what they make of it.
    pub damage: bool,
    /// Another reading of broken base64: that of readers which stop at the first padding.
    pub until_padding: Option<usize>,
}

const SKIP: u8 = 0xff;
const PAD: u8 = 0xfe;
const BLANK: u8 = 0xfd;
const VALUES: [u8; 256] = {
    let mut table = [SKIP; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut n = 0;
    while n < 64 {
        table[alphabet[n] as usize] = n as u8;
        n += 1;
    }
    table[b'=' as usize] = PAD;
    table[b' ' as usize] = BLANK;
    table[b'\t' as usize] = BLANK;
    table[b'\r' as usize] = BLANK;
    table[b'\n' as usize] = BLANK;
    table
};

/// Base64 as the most lenient reader takes it: foreign characters are skipped, and after a padding a new run begins, as in
/// two encodings put one after the other. `until_padding` tells where the strict reader would have stopped.
pub fn decode_base64(text: &[u8]) -> Decoded {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0u32, 0u8);
    let (mut damage, mut padded, mut until_padding) = (false, false, None);
    let mut at = 0;
    while at < text.len() {
        let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |n| at + n + 1);
        let line = &text[at..end];
        at = end;
        if held == 0 && !padded && whole_groups(super::header::trim_crlf(line), &mut out) {
            continue;
        }
        for &octet in line {
            match VALUES[octet as usize] {
                BLANK => {}
                SKIP => damage = true,
                PAD => {
                    match held {
                        2 => out.push((bits >> 4) as u8),
                        3 => out.extend([(bits >> 10) as u8, (bits >> 2) as u8]),
                        1 => damage = true,
                        _ => damage |= !padded,
                    }
                    (bits, held, padded) = (0, 0, true);
                }
                value => {
                    if padded && until_padding.is_none() {
                        until_padding = Some(out.len());
                        damage = true;
                    }
                    bits = bits << 6 | u32::from(value);
                    held += 1;
                    if held == 4 {
                        out.extend([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
                        (bits, held) = (0, 0);
                    }
                }
            }
        }
    }
    match held {
        2 => out.push((bits >> 4) as u8),
        3 => out.extend([(bits >> 10) as u8, (bits >> 2) as u8]),
        _ => {}
    }
    damage |= held != 0;
    Decoded { octets: out, damage, until_padding }
}

/// Appends what a line of nothing but whole groups of four stands for. Any other line is left to be read octet by octet: false.
fn whole_groups(line: &[u8], out: &mut Vec<u8>) -> bool {
    if !line.len().is_multiple_of(4) {
        return false;
    }
    let before = out.len();
    out.resize(before + line.len() / 4 * 3, 0);
    let good = STANDARD_NO_PAD.decode_slice(line, &mut out[before..]).is_ok();
    if !good {
        out.truncate(before);
    }
    good
}

/// Quoted-printable; what is no escape stands for itself. Blanks at the end of a line are dropped (RFC 2045 §6.7 rule 3).
pub fn decode_quoted_printable(text: &[u8]) -> Decoded {
    let mut out = Vec::with_capacity(text.len());
    let mut damage = false;
    let mut at = 0;
    while at < text.len() {
        let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |n| at + n + 1);
        let line = &text[at..end];
        let ending = if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) };
        let mut content = &line[..line.len() - ending];
        while let [before @ .., b' ' | b'\t'] = content {
            content = before;
        }
        let soft = content.last() == Some(&b'=');
        if soft {
            content = &content[..content.len() - 1];
        }
        let mut rest = content;
        while let Some(n) = memchr::memchr(b'=', rest) {
            out.extend_from_slice(&rest[..n]);
            match hex_pair(rest.get(n + 1..n + 3)) {
                Some(octet) => {
                    out.push(octet);
                    rest = &rest[n + 3..];
                }
                None => {
                    damage = true;
                    out.push(b'=');
                    rest = &rest[n + 1..];
                }
            }
        }
        out.extend_from_slice(rest);
        damage |= !content.is_ascii();
        if !soft {
            out.extend_from_slice(&line[line.len() - ending..]);
        }
        at = end;
    }
    Decoded { octets: out, damage, until_padding: None }
}

/// Two hexadecimal digits, in either case.
pub(super) fn hex_pair(digits: Option<&[u8]>) -> Option<u8> {
    let [high, low] = digits? else { return None };
    let value = |digit: u8| (digit as char).to_digit(16);
    Some((value(*high)? * 16 + value(*low)?) as u8)
}

/// Octets as text, and whether they are what `charset` promised. A byte order mark wins over a label (as in mail clients);
/// what is not right in its charset, or has none that is known, is read as UTF-8 and else as windows-1252, which knows every octet.
pub fn text_in_charset<'x>(octets: &'x [u8], charset: Option<&str>) -> (Cow<'x, str>, bool) {
    if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(octets) {
        let (text, wrong) = encoding.decode_without_bom_handling(&octets[mark..]);
        return (text, !wrong);
    }
    let label = charset.map(|label| label.trim().trim_matches(['"', '\'']));
    match label {
        None | Some("") => match std::str::from_utf8(octets) {
            Ok(text) => (text.into(), true),
            Err(_) => (encoding_rs::WINDOWS_1252.decode_without_bom_handling(octets).0, false),
        },
        Some(label) => in_labelled(octets, label),
    }
}

fn in_labelled<'x>(octets: &'x [u8], label: &str) -> (Cow<'x, str>, bool) {
    let is = |name: &str| label.eq_ignore_ascii_case(name);
    if octets.is_ascii() && (is("utf-8") || is("us-ascii") || is("iso-8859-1") || is("windows-1252")) {
        // Only ASCII: the same in every charset that has no escapes.
        return (std::str::from_utf8(octets).unwrap_or_default().into(), true);
    }
    if is("utf-8") || is("utf8") || is("us-ascii") {
        let right = std::str::from_utf8(octets);
        return match right {
            Ok(text) => (text.into(), !is("us-ascii")),
            Err(_) => (encoding_rs::WINDOWS_1252.decode_without_bom_handling(octets).0, false),
        };
    }
    if is("utf-16") && octets.len() >= 2 {
        // RFC 2781 §4.3 says big-endian without a mark; writers on Intel machines say otherwise: the zero octets tell.
        let even = octets.iter().step_by(2).filter(|b| **b == 0).count();
        let odd = octets.iter().skip(1).step_by(2).filter(|b| **b == 0).count();
        let encoding = if odd > even { encoding_rs::UTF_16LE } else { encoding_rs::UTF_16BE };
        let (text, wrong) = encoding.decode_without_bom_handling(octets);
        return (text, !wrong);
    }
    if is_ebcdic(label) {
        return (octets.iter().map(|octet| from_ebcdic(*octet)).collect::<String>().into(), true);
    }
    if is("hz-gb-2312") {
        return (from_hz(octets).into(), true);
    }
    if is_utf7(label) {
        return (from_utf7(octets).into(), true);
    }
    if let Some(encoding) = encoding_rs::Encoding::for_label(label.as_bytes())
        && encoding != encoding_rs::REPLACEMENT
    {
        let (text, wrong) = encoding.decode_without_bom_handling(octets);
        if !wrong || std::str::from_utf8(octets).is_err() {
            return (text, !wrong);
        }
        return (std::str::from_utf8(octets).unwrap_or_default().into(), false);
    }
    // The DOS code pages, which web browsers, and so encoding_rs, do not know and mail readers do.
    let known = if label.len() <= 45 { mail_parser::decoders::charsets::map::charset_decoder(label.as_bytes()) } else { None };
    match known {
        Some(decoder) => (decoder(octets).into(), true),
        None => (text_in_charset(octets, None).0, false),
    }
}

/// The code pages of IBM mainframes, by the names that IANA knows (`ibm037`, `ibm01140`) and by those of programs (`cp500`).
fn is_ebcdic(label: &str) -> bool {
    let lower = label.to_ascii_lowercase().replace(['-', '_'], "");
    let number = ["ibm", "cp", "csibm"].iter().find_map(|start| lower.strip_prefix(start)).unwrap_or("");
    let number: u32 = number.parse().unwrap_or(0);
    lower.starts_with("ebcdic") || matches!(number, 37 | 273..=297 | 500 | 870 | 871 | 1026 | 1047 | 1140..=1149)
}

/// What all these code pages have in common: letters, digits and the signs between them.
fn from_ebcdic(octet: u8) -> char {
    let nth = |first: u8, from: u8| (first + (octet - from)) as char;
    match octet {
        0x81..=0x89 => nth(b'a', 0x81),
        0x91..=0x99 => nth(b'j', 0x91),
        0xa2..=0xa9 => nth(b's', 0xa2),
        0xc1..=0xc9 => nth(b'A', 0xc1),
        0xd1..=0xd9 => nth(b'J', 0xd1),
        0xe2..=0xe9 => nth(b'S', 0xe2),
        0xf0..=0xf9 => nth(b'0', 0xf0),
        0x05 => '\t',
        0x15 | 0x25 | 0x0d => '\n',
        0x40 | 0x41 => ' ',
        0x4b => '.',
        0x4d => '(',
        0x4e => '+',
        0x51 => 'é',
        0x54 => 'è',
        0x60 => '-',
        0x61 => '/',
        0x5d => ')',
        0x6b => ',',
        0x6d => '_',
        0x7a => ':',
        0x7d => '\'',
        0x7e => '=',
        _ => '*',
    }
}

/// RFC 2152, by the names that IANA and programs know.
fn is_utf7(label: &str) -> bool {
    let lower = label.to_ascii_lowercase().replace(['-', '_'], "");
    matches!(
        lower.as_str(),
        "utf7" | "xutf7" | "unicode11utf7" | "unicode20utf7" | "xunicode20utf7" | "csunicode11utf7" | "csutf7" | "utf7imap"
    )
}

/// Base64 of UTF-16 between `+` and the first sign that is none; `-` there is taken away, and its absence at the end excused.
fn from_utf7(octets: &[u8]) -> String {
    let value = |octet: u8| match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut out = String::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'+' {
            // Octets above ASCII have no place here; readers show them as they would elsewhere.
            out.push(char::from(*first));
            continue;
        }
        let length = rest.iter().take_while(|octet| value(**octet).is_some()).count();
        let mut units = Vec::with_capacity(length * 3 / 8);
        let (mut bits, mut held) = (0u32, 0);
        for six in rest[..length].iter().filter_map(|octet| value(*octet)) {
            bits = bits << 6 | u32::from(six);
            held += 6;
            if held >= 16 {
                held -= 16;
                units.push((bits >> held) as u16);
            }
        }
        if length == 0 {
            out.push('+');
        }
        out.push_str(&String::from_utf16_lossy(&units));
        rest = &rest[length..];
        rest = rest.strip_prefix(b"-").unwrap_or(rest);
    }
    out
}

/// RFC 1843: GB 2312 with seven bits, between `~{` and `~}`.
fn from_hz(octets: &[u8]) -> String {
    let mut wide = Vec::with_capacity(octets.len());
    let mut shifted = false;
    let mut at = 0;
    while at < octets.len() {
        match octets.get(at..at + 2) {
            Some(b"~{") => shifted = true,
            Some(b"~}") => shifted = false,
            Some(b"~~") if !shifted => wide.push(b'~'),
            _ => {
                wide.push(if shifted && octets[at] > 32 { octets[at] | 0x80 } else { octets[at] });
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    encoding_rs::GBK.decode_without_bom_handling(&wide).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_the_most_lenient_reader_does() {
        for (text, octets, damage, until) in [
            (&b"aGVsbG8="[..], &b"hello"[..], false, None),
            (b"aGVs\r\nbG8=\r\n", b"hello", false, None),
            (b"aGVs!bG8=", b"hello", true, None),
            (b"aGk=aGk=", b"hihi", true, Some(2)),
            (b"aGk", b"hi", true, None),
            (b"aGkA=", b"hi\0", true, None),
            (b"", b"", false, None),
            (b"aA==", b"h", false, None),
        ] {
            let decoded = decode_base64(text);
            assert_eq!((&decoded.octets[..], decoded.damage, decoded.until_padding), (octets, damage, until), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn base64_in_whole_lines_is_what_it_is_octet_by_octet(text in "[AZaz09+/]{0,24}[AZaz09+/=! \r\n\t\x0c]{0,40}") {
            let one_by_one: String = text.chars().flat_map(|c| [c, '\n']).collect();
            proptest::prop_assert_eq!(decode_base64(text.as_bytes()), decode_base64(one_by_one.as_bytes()));
        }
    }

    #[test]
    fn quoted_printable_keeps_what_is_no_escape() {
        for (text, octets, damage) in [
            (&b"caf=C3=A9 =\r\nnoir  \r\nx"[..], "café noir\r\nx".as_bytes(), false),
            (b"a=zz=3", b"a=zz=3", true),
            (b"a=3d=  \r\nb", b"a=b", false),
            (b"=", b"", false),
        ] {
            let decoded = decode_quoted_printable(text);
            assert_eq!((&decoded.octets[..], decoded.damage), (octets, damage), "{text:?}");
        }
    }

    #[test]
    fn a_wrong_label_does_not_hide_the_text() {
        for (octets, charset, text, right) in [
            (&b"\xe9t\xe9"[..], Some("iso-8859-1"), "été", true),
            ("été".as_bytes(), Some("us-ascii"), "été", false),
            (b"\xe9t\xe9", Some("utf-8"), "été", false),
            (b"abc", Some("x-nothing"), "abc", false),
            (b"\xff\xfea\0b\0", Some("utf-8"), "ab", true),
            (b"a\0b\0", Some("utf-16"), "ab", true),
            (b"\0a\0b", Some("utf-16"), "ab", true),
            (b"+AOk-t", Some("utf-7"), "ét", true),
            (b"a+-b +ADEAOA-85 +2D3cqQ", Some("UNICODE-1-1-UTF-7"), "a+b 1885 \u{1f4a9}", true),
            (b"+ADE. x +", Some("utf7"), "1. x +", true),
            (b"\x82", Some("cp850"), "é", true),
            (b"\xd5\xc9\xd9\x40\xf1\xf8", Some("IBM037"), "NIR 18", true),
            (b"\xf1", Some("cp1140"), "1", true),
            (b"a~{#1~}~~", Some("hz-gb-2312"), "a１~", true),
            ("été".as_bytes(), None, "été", true),
        ] {
            assert_eq!(text_in_charset(octets, charset), (text.into(), right), "{charset:?}");
        }
    }
}
