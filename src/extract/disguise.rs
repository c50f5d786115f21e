//! Turns a text into the second readings it can be given: letters that hold octets, signs that only set digits apart, runs that
//! the screen turns round. People use them to get past a gate, and programs write them without thinking of it.

use super::reading::{File, Reading};
use super::sniff::{self, Format};
use super::*;
use crate::mime::{decode_base64, decode_quoted_printable};

/// Disguises inside disguises.
const DEPTH: usize = 3;
/// Numbers set apart in odd ways, in one text; a table of measurements has more, and is none.
const MOST_RUNS: usize = 50;
/// Signs between two groups of a number.
const LONGEST_GAP: usize = 4;
/// Groups at the end of a run among which a number is looked for.
const KEPT: usize = 20;
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
        set_apart(text, tabular, &mut second);
        letters_for_digits(text, &mut second);
        turned_round(text, &mut second);
        wrapped_quotation(text, &mut second);
        escaped(text, &mut second);
        if !second.is_empty() {
            self.text(place, TextKind::Alternative, group, second);
        }
        self.unveiled -= 1;
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

/// Numbers and words whose groups are kept apart by signs that no rule expects: `(1) (85) (05)`, `D.I.F.F.U.S.I.O.N`, a cell for each
/// digit. The same sign must stand between all of them.
fn set_apart(text: &str, tabular: bool, second: &mut String) {
    let octets = text.as_bytes();
    let mut runs = 0;
    let mut at = 0;
    while let Some(start) = octets[at..].iter().position(u8::is_ascii_alphanumeric).map(|n| at + n) {
        let first = octets[start..].iter().position(|b| !b.is_ascii_alphanumeric()).map_or(octets.len(), |n| start + n);
        let atom = &octets[start..first];
        // Words, which most of a text is, begin nothing.
        if atom.len() > 6 || atom.len() > 1 && !atom.iter().all(u8::is_ascii_digit) && !is_account(atom) {
            at = first;
            continue;
        }
        let (mut single, mut digits, mut seen, mut count) = (true, true, 0, 0);
        // The last of the run, each from its start to its end.
        let mut atoms: Vec<std::ops::Range<usize>> = Vec::new();
        let account_begins = is_account(atom);
        let mut gap: Option<&str> = None;
        let mut end;
        let mut next = start;
        loop {
            let stop = octets[next..].iter().position(|b| !b.is_ascii_alphanumeric()).map_or(octets.len(), |n| next + n);
            atoms.push(next..stop);
            single &= stop - next == 1;
            digits &= octets[next..stop].iter().all(u8::is_ascii_digit);
            seen += 1;
            count += stop - next;
            end = stop;
            let odd = !tabular && digits && !gap.is_some_and(is_expected);
            // Only a run of numbers is followed to its end, be it as long as the text: else each of them would begin one anew.
            if !(single || odd || account_begins) || count > 40 && (single || !odd) {
                break;
            }
            if atoms.len() > KEPT * 2 {
                atoms.drain(..KEPT);
            }
            let after = octets[stop..].iter().take(LONGEST_GAP * 4).position(u8::is_ascii_alphanumeric).map(|n| stop + n);
            let Some(after) = after else { break };
            let between = &text[stop..after];
            if between.chars().count() > LONGEST_GAP
                || between.chars().any(char::is_alphanumeric)
                || gap.is_some_and(|gap| gap != between)
            {
                break;
            }
            // A run of single letters or digits is not continued by a word.
            let length = octets[after..].iter().take(7).take_while(|b| b.is_ascii_alphanumeric()).count();
            if length > 6 || seen > 1 && single && length > 1 {
                break;
            }
            gap = Some(between);
            next = after;
        }
        let expected = gap.is_some_and(is_expected);
        let spelt = single && seen >= 8;
        let mut from = 0;
        if digits && !spelt {
            // The longest end of the run that can be a number.
            let mut length = 0;
            let ends = atoms.iter().enumerate().rev().map(|(n, atom)| {
                length += atom.len();
                (n, length)
            });
            let longest = ends.take_while(|(_, length)| *length <= 19).filter(|(_, length)| *length >= 13).last();
            from = longest.map_or(0, |(n, _)| n);
        }
        let joined: String = atoms[from..].iter().map(|atom| &text[atom.clone()]).collect();
        let apart = !expected && atoms.len() - from >= 3;
        let number = digits && !tabular && apart && (13..=19).contains(&joined.len());
        let account = apart && (14..=34).contains(&joined.len()) && is_account(joined.as_bytes());
        let found = spelt || number || account;
        at = if found || seen > KEPT { end } else { first };
        if found {
            let start = atoms[from].start;
            runs += 1;
            if runs > MOST_RUNS {
                return;
            }
            // The words around stay near; a word spelt after a spelt word stays on its line.
            second.push_str(before(text, start));
            line(second, &joined);
            if spelt {
                // DIFFUSION and RESTREINTE are one stamp.
                let rest = &text[end..floor(text, (end + 80).min(text.len()))];
                let squeezed: String =
                    rest.lines().next().unwrap_or("").split("   ").map(without_gaps).collect::<Vec<_>>().join(" ");
                line(second, &format!("\n{joined} {}", squeezed.trim()));
                let squeezed: String =
                    rest.lines().next().unwrap_or("").split(' ').map(without_gaps).collect::<Vec<_>>().join(" ");
                line(second, &format!("\n{joined} {}", squeezed.trim()));
            }
        }
    }
}

/// What rules expect between groups anyway (RULES.md, `shape`).
fn is_expected(gap: &str) -> bool {
    matches!(gap, " " | "-" | "." | "/" | "\u{a0}" | "\u{202f}")
}

fn without_gaps(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The beginning of an IBAN.
fn is_account(octets: &[u8]) -> bool {
    octets.len() >= 4 && octets[..2].iter().all(u8::is_ascii_alphabetic) && octets[2..4].iter().all(u8::is_ascii_digit)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `l 85 O5`: letters in the place of the digits that they look like. Only among groups of digits: a word stays a word, for it may be
/// the very one that casts doubt on the number behind it ("IMEI 1 79 11").
fn letters_for_digits(text: &str, second: &mut String) {
    let mut runs = 0;
    for piece in text.split(|c: char| !(digit_like(c).is_some() || is_gap(c))) {
        if piece.len() < 13 {
            continue;
        }
        let start = offset(text, piece);
        for run in groups_of_digits(text, start..start + piece.len()) {
            let letters_and_digits = run.chars().filter(|c| !is_gap(*c)).count();
            let digits = run.bytes().filter(u8::is_ascii_digit).count();
            let enough = (13..=19).contains(&letters_and_digits) && run.len() <= 60;
            if !enough || digits == letters_and_digits || digits * 10 < letters_and_digits * 6 {
                continue;
            }
            runs += 1;
            if runs > MOST_RUNS {
                return;
            }
            let start = offset(text, run);
            second.push_str(before(text, start));
            second.extend(run.chars().map(|c| digit_like(c).unwrap_or(c)));
            line(second, after(text, start + run.len()));
        }
    }
}

fn digit_like(c: char) -> Option<char> {
    match c {
        'O' | 'o' => Some('0'),
        'I' | 'l' => Some('1'),
        c if c.is_ascii_digit() => Some(c),
        _ => None,
    }
}

fn is_gap(c: char) -> bool {
    matches!(c, ' ' | '.' | '-' | '\u{a0}')
}

/// Where `part`, which is a piece of `text`, begins in it.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

/// The runs of groups in a piece of the text: groups with a digit in them, and between or beside such groups those of one letter over
/// and over. What a word begins or ends with is no group.
fn groups_of_digits(text: &str, piece: std::ops::Range<usize>) -> Vec<&str> {
    let in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (cut_before, cut_after) = (in_word(text[..piece.start].chars().next_back()), in_word(text[piece.end..].chars().next()));
    let mut runs = Vec::new();
    let mut run: Option<(std::ops::Range<usize>, bool)> = None;
    let mut end_run = |run: &mut Option<(std::ops::Range<usize>, bool)>| {
        if let Some((range, true)) = run.take() {
            runs.push(&text[range]);
        }
    };
    for group in text[piece.clone()].split(is_gap).filter(|group| !group.is_empty()) {
        let at = offset(text, group);
        let range = at..at + group.len();
        let of_a_word = cut_before && range.start == piece.start || cut_after && range.end == piece.end;
        let digits = group.bytes().any(|b| b.is_ascii_digit());
        let one_letter = group.bytes().all(|b| b.eq_ignore_ascii_case(&group.as_bytes()[0]));
        if of_a_word || !(digits || one_letter) {
            end_run(&mut run);
            continue;
        }
        let (start, seen) = run.take().map_or((range.start, false), |(before, seen)| (before.start, seen));
        run = Some((start..range.end, seen || digits));
    }
    end_run(&mut run);
    runs
}

/// What stands before a place on the same lines, cut between words and not within a number.
fn before(text: &str, at: usize) -> &str {
    let from = floor(text, at.saturating_sub(120));
    let words = &text[from..at];
    if from == 0 {
        return words;
    }
    let whole = words.find(char::is_whitespace).map_or("", |n| &words[n..]);
    whole.trim_start_matches(|c: char| !c.is_alphabetic())
}

/// The rest of the line behind a place, cut in the same way: a word there may say what the number is, or is not.
fn after(text: &str, at: usize) -> &str {
    let to = floor(text, (at + 80).min(text.len()));
    let words = text[at..to].lines().next().unwrap_or("");
    if at + words.len() < to || to == text.len() {
        return words;
    }
    let whole = words.rfind(char::is_whitespace).map_or("", |n| &words[..n]);
    whole.trim_end_matches(|c: char| !c.is_alphabetic())
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

/// A number that was wrapped, in a quotation: `> 1 85 05 78` and `> 006 084 91`.
fn wrapped_quotation(text: &str, second: &mut String) {
    let quoted = |line: &str| line.starts_with('>');
    let mut before: Option<&str> = None;
    for now in text.lines() {
        let inner = now.trim_start_matches(['>', ' ', '\t']);
        if let Some(before) = before
            && quoted(now)
            && before.ends_with(|c: char| c.is_ascii_digit())
            && inner.starts_with(|c: char| c.is_ascii_digit())
        {
            line(second, &format!("{before} {inner}"));
        }
        before = quoted(now).then(|| inner.trim_end());
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
    if !reference && memchr::memchr2(percent, backslash, octets).is_none() {
        return;
    }
    for whole in text.lines() {
        let many = |sign: u8| memchr::memchr_iter(sign, whole.as_bytes()).take(4).count() == 4;
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
fn unescape_backslash(text: &str) -> String {
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
