//! Turns a text into the second readings it can be given: letters that hold octets, signs that only set digits apart, runs that
//! the screen turns round. People use them to get past a gate, and programs write them without thinking of it.

use super::apart::{Second, set_apart};
use super::leet::signs_for_letters;
use super::reading::{File, Reading};
use super::sniff::{self, Format};
use super::wrapped::continued;
use super::*;
use crate::mime::{decode_base64, decode_quoted_printable};

/// Disguises inside disguises.
const DEPTH: usize = 3;
/// Octets of base64 that nobody can read, from which on a body of nothing else is held.
const OPAQUE_FROM: usize = 192;

impl Reading {
    /// What else `text` says; `tabular` when its tabs and lines are the cells of a table.
    pub(super) fn disguises(&mut self, text: &str, place: &str, kind: TextKind, group: u32, tabular: bool) {
        if self.unveiled >= DEPTH {
            return;
        }
        self.unveiled += 1;
        let mut second = String::new();
        let whole = matches!(kind, TextKind::Body | TextKind::Attachment | TextKind::Alternative);
        // One string may stand in each of a hundred thousand cells.
        let mut known = std::collections::HashSet::new();
        for block in blocks(text) {
            if !known.insert(fingerprint(&block)) {
                continue;
            }
            match unveil(&block, whole && block.len() * 10 >= text.trim().len() * 9) {
                Unveiled::Text(text) => line(&mut second, &text),
                Unveiled::File(octets) if self.budget.spend(octets.len() as u64) => {
                    let depth = self.unveiled;
                    self.file(File { within: place, name: "base64", declared: "", charset: None, octets: &octets, depth });
                }
                Unveiled::File(_) => self.unreadable(place, Reason::OverBudget),
                Unveiled::Sealed => self.unreadable(place, Reason::Password),
                Unveiled::Opaque => self.unreadable(place, Reason::Unsupported),
                Unveiled::Nothing => {}
            }
        }
        turned_round(text, &mut second);
        escaped(text, &mut second);
        let mut numbers = Second::of(text);
        set_apart(tabular, &mut numbers);
        if !tabular {
            continued(text, &mut numbers);
        }
        signs_for_letters(text, &mut numbers);
        if numbers.full {
            self.unreadable(place, Reason::OverBudget);
        }
        let numbers = numbers.into_text();
        // What was put together is not taken apart again; what was decoded may hold anything.
        if !numbers.is_empty() {
            self.push_second(place, TextKind::Alternative, group, numbers);
        }
        if !second.is_empty() {
            self.text(place, TextKind::Alternative, group, second);
        }
        self.unveiled -= 1;
    }

    /// Of a name only numbers and words that were taken apart: it stays a name, so that what is found in it is hidden where it is shown.
    pub(super) fn disguised_name(&mut self, name: &str, place: &str, group: u32) {
        let mut second = Second::of(name);
        set_apart(false, &mut second);
        let content = second.into_text();
        if !content.is_empty() {
            self.push_second(place, TextKind::FileName, group, content);
        }
    }

    fn push_second(&mut self, place: &str, kind: TextKind, group: u32, mut content: String) {
        let left = self.budget.text_left();
        if content.len() > left {
            let end = (0..=left).rev().find(|end| content.is_char_boundary(*end)).unwrap_or(0);
            content.truncate(end);
            self.unreadable(place, Reason::OverBudget);
        }
        self.budget.keep_text(content.len());
        self.push(Text { place: Place(std::sync::Arc::from(place)), kind, group, content, table: None });
    }
}

fn fingerprint(block: &str) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    block.hash(&mut hasher);
    hasher.finish()
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

enum Unveiled {
    Text(String),
    File(Vec<u8>),
    Sealed,
    Opaque,
    Nothing,
}

/// What a run of base64 or hexadecimal digits holds. Random octets are everywhere in mail (tokens, hashes, keys): only a body
/// that consists of nothing else, and of many, is something that was hidden.
fn unveil(block: &str, alone: bool) -> Unveiled {
    let hex = block.len().is_multiple_of(2) && block.bytes().all(|b| b.is_ascii_hexdigit());
    let octets = if hex {
        let digit = |b: u8| (b as char).to_digit(16).unwrap_or(0) as u8;
        block.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    } else {
        let standard: Vec<u8> = block
            .bytes()
            .map(|b| {
                if b == b'-' {
                    b'+'
                } else if b == b'_' {
                    b'/'
                } else {
                    b
                }
            })
            .collect();
        decode_base64(&standard).octets
    };
    if octets.starts_with(b"Salted__") || octets.starts_with(b"age-encryption.org/") {
        return Unveiled::Sealed;
    }
    let readable = |text: &str| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    match std::str::from_utf8(&octets) {
        Ok(text) if text.len() >= 8 && readable(text) => return Unveiled::Text(text.to_owned()),
        _ => {}
    }
    if octets.len() >= 16
        && let Some(charset) = sniff::wide(&octets)
    {
        return Unveiled::Text(crate::mime::text_in_charset(&octets, Some(charset)).0.into_owned());
    }
    let file = File { within: "", name: "", declared: "", charset: None, octets: &octets, depth: 0 };
    if matches!(
        sniff::sniff(&file),
        Format::Zip | Format::Compressed(_) | Format::SevenZip | Format::Ole | Format::Pdf | Format::Rtf | Format::Tar
    ) {
        return Unveiled::File(octets);
    }
    let mut seen = [false; 256];
    octets.iter().for_each(|octet| seen[usize::from(*octet)] = true);
    let different = seen.iter().filter(|seen| **seen).count();
    if alone && octets.len() >= OPAQUE_FROM && different >= 96 { Unveiled::Opaque } else { Unveiled::Nothing }
}

/// Runs of base64 or hexadecimal digits: lines of one length with a shorter one at the end, also quoted or indented, and long words.
fn blocks(text: &str) -> Vec<String> {
    const SHORTEST: usize = 40;
    let of_alphabet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_');
    let mut found = Vec::new();
    let mut block = String::new();
    let mut width = 0;
    let mut armoured = false;
    for line in text.lines() {
        let content = line.trim_matches([' ', '\t', '>', '\r']);
        if content.starts_with("-----BEGIN ") || content.starts_with("-----END ") {
            // Keys, certificates and signatures have readers of their own.
            armoured = content.starts_with("-----BEGIN ") && !content.contains("SIGNED MESSAGE");
            continue;
        }
        if armoured {
            continue;
        }
        let whole = content.len() >= 4 && content.bytes().all(of_alphabet);
        if whole && (width == 0 && content.len() >= 16 || width > 0 && content.len() <= width) {
            block.push_str(content);
            if width > 0 && content.len() < width {
                found.extend(Some(std::mem::take(&mut block)).filter(|block| block.len() >= SHORTEST));
                width = 0;
            } else {
                width = content.len();
            }
            continue;
        }
        found.extend(Some(std::mem::take(&mut block)).filter(|block| block.len() >= SHORTEST));
        width = 0;
        let marked = content.contains("base64,");
        let words = content.split(|c: char| !c.is_ascii() || !of_alphabet(c as u8));
        found.extend(words.filter(|word| word.len() >= if marked { 16 } else { SHORTEST }).map(str::to_owned));
    }
    found.extend(Some(block).filter(|block| block.len() >= SHORTEST));
    found
}

/// What stands behind U+202E is shown from right to left (Unicode Bidirectional Algorithm, X5).
fn turned_round(text: &str, second: &mut String) {
    if !text.contains('\u{202e}') {
        return;
    }
    for whole in text.lines().filter(|line| line.contains('\u{202e}')) {
        let mut pieces = whole.split('\u{202e}');
        second.push_str(pieces.next().unwrap_or(""));
        for piece in pieces {
            let (turned, rest) = piece.split_once(['\u{202c}', '\u{2069}']).unwrap_or((piece, ""));
            second.extend(turned.chars().rev());
            second.push_str(rest);
        }
        second.push('\n');
    }
}

/// Percent escapes of addresses, escapes of JSON and style sheets, character references in plain text, folded calendars and cards.
fn escaped(text: &str, second: &mut String) {
    let octets = text.as_bytes();
    if memchr::memmem::find(octets, b"BEGIN:V").is_some() {
        // RFC 5545 §3.1, RFC 2425 §5.8.1; vCard 2.1 knows quoted-printable.
        let unfolded = text.replace("\r\n ", "").replace("\n ", "").replace("\r\n\t", "").replace("\n\t", "");
        if memchr::memmem::find(octets, b"QUOTED-PRINTABLE").is_some() {
            line(second, &String::from_utf8_lossy(&decode_quoted_printable(unfolded.as_bytes()).octets));
        } else if unfolded.len() != text.len() {
            line(second, &unfolded);
        }
    }
    let (percent, backslash, reference) = (b'%', b'\\', memchr::memmem::find(octets, b"&#").is_some());
    // Digits in quoted-printable that nobody declared: `=31=38`.
    let printable =
        memchr::memmem::find_iter(octets, b"=3").filter(|at| octets.get(at + 3) == Some(&b'=')).take(4).count() == 4;
    if !reference && !printable && memchr::memchr2(percent, backslash, octets).is_none() {
        return;
    }
    for whole in text.lines() {
        let many = |sign: u8| memchr::memchr_iter(sign, whole.as_bytes()).take(4).count() == 4;
        if printable && many(b'=') {
            line(second, &String::from_utf8_lossy(&decode_quoted_printable(whole.as_bytes()).octets));
        }
        if many(percent) {
            line(second, &unescape_percent(whole));
        }
        if many(backslash) {
            line(second, &unescape_backslash(whole));
        }
        if reference && whole.matches("&#").take(4).count() == 4 {
            line(second, &super::html::render(whole).shown);
        }
    }
}

fn unescape_percent(text: &str) -> String {
    let octets = text.as_bytes();
    let mut out = Vec::with_capacity(octets.len());
    let mut at = 0;
    while at < octets.len() {
        let pair = octets.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (octets[at], pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(octet)) => {
                out.push(octet);
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            (octet, _) => {
                out.push(octet);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `\u0031`, `\x31`, `\31 ` (CSS Syntax §4.3.7).
pub(super) fn unescape_backslash(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (digits, most, blank) = match after.as_bytes().first() {
            Some(b'u') => (&after[1..], 4, false),
            Some(b'x') => (&after[1..], 2, false),
            _ => (after, 6, true),
        };
        let length = digits.bytes().take(most).take_while(u8::is_ascii_hexdigit).count();
        match u32::from_str_radix(&digits[..length], 16).ok().and_then(char::from_u32) {
            Some(c) => {
                out.push(c);
                rest = &digits[length..];
                rest = if blank { rest.strip_prefix(' ').unwrap_or(rest) } else { rest };
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(text: &str) -> Vec<String> {
        let extracted = extract_file("a.txt", text.as_bytes(), &Limits::default(), &Reader::here());
        extracted.texts.into_iter().filter(|text| text.kind == TextKind::Alternative).map(|text| text.content).collect()
    }

    #[test]
    fn what_sets_digits_apart_is_taken_away() {
        for (text, inside) in [
            ("sécu (1) (85) (05) (78) (006) (084) (91)", "sécu (185057800608491"),
            ("sécu 1_85_05_78_006_084_91.", "sécu 185057800608491"),
            (&format!("{}1;85;05;78;006;084;91", "5;123456;".repeat(40)), "185057800608491"),
            ("sécu\t1\t8\t5\t0\t5\t7\t8\t0\t0\t6\t0\t8\t4\t9\t1", "185057800608491"),
            ("I B A N F R 7 6 3 0", "IBANFR7630"),
            ("D I F F U S I O N   R E S T R E I N T E", "DIFFUSION RESTREINTE"),
            ("nir l 85 O5 78 OO6 O84 9l", "nir 1 85 05 78 006 084 91"),
            ("nir I 85 05 78 OO6 084 91 (payé)", "nir 1 85 05 78 006 084 91 (payé)"),
            ("IMEI 1 79 11 5I 017 O99 62 (boîtier)", "IMEI 1 79 11 51 017 099 62 (boîtier)"),
            ("Il dit I85O578OO6O849l.", "Il dit 185057800608491."),
            ("a \u{202e}19 480\u{202c} b", "a 084 91 b"),
            ("> secu 1 85 05\n> 78 006", "secu 1 85 05 78 006"),
            ("q=%31%32%33+%34", "q=123 4"),
            ("\\u0031\\u0032\\u0033\\x34", "1234"),
            ("'\\31 \\32 \\33 \\34 '", "'1234'"),
            ("&#49;&#50;&#51;&#52;", "1234"),
            ("x data:text/plain;base64,Qm9uam91ciBtYWRhbWU= y", "Bonjour madame"),
        ] {
            let found = second(text);
            assert!(found.iter().any(|found| found.contains(inside)), "{text:?}: {found:?}");
        }
    }

    #[test]
    fn ordinary_text_has_no_second_reading() {
        for text in [
            "Bonjour, à mardi 14 h 30.",
            "Tél. 01 99 00 12 34",
            "1 850 578,00 ; 6 084 910,00",
            "a b c d",
            "100 % et 20 %",
            // Words that consist of, begin or end with letters like digits.
            "IMEI 1 79 11 51 017 099 62",
            "Il 1 79 11 51 017 099 62 lol",
            "numéro 1 79 11 51 017 099 62 Olivier",
            "1 79 11 51 017 099 62 oll",
            "C:\\dossier\\a",
        ] {
            assert_eq!(second(text), Vec::<String>::new(), "{text:?}");
        }
    }

    #[test]
    fn only_a_long_body_of_random_octets_is_held_for_being_base64() {
        let random: Vec<u8> = (0u32..400).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let letters = |octets: &[u8]| -> String {
            const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let groups = octets.chunks_exact(3).map(|c| u32::from(c[0]) << 16 | u32::from(c[1]) << 8 | u32::from(c[2]));
            groups.flat_map(|bits| [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize] as char)).collect()
        };
        for (text, held) in [
            ("x".repeat(998), false),
            ("0123456789".repeat(100), false),
            ("Ok".repeat(40), false),
            (letters(&random[..90]), false),
            (letters(&random), true),
            (format!("Voici un jeton qui accompagne une lettre assez longue pour le dire : {}", letters(&random[..90])), false),
        ] {
            let extracted = extract_file("a.txt", text.as_bytes(), &Limits::default(), &Reader::here());
            assert_eq!(!extracted.unreadable.is_empty(), held, "{text:?}");
        }
    }
}
