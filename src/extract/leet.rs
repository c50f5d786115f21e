//! Turns words in which signs stand for the letters that they look like (`D1FFU510N`, `c@rte`) into those words.

use super::apart::Second;

/// Letters of such a word.
const WORD: std::ops::RangeInclusive<usize> = 4..=24;
/// Octets of its line that are told with it, on each side.
const AROUND: usize = 160;

/// Tells every line with such words anew, all of them read.
pub(super) fn signs_for_letters(text: &str, second: &mut Second) {
    let octets = text.as_bytes();
    let mut read = 0;
    let mut at = 0;
    // A sign behind a letter and before another; all else is passed over.
    let begins = |pair: &[u8]| letter(pair[1]).is_some() && pair[0].is_ascii_alphabetic();
    while let Some(n) = octets.get(at..).and_then(|rest| rest.windows(2).position(begins)) {
        at += n + 1;
        if at < read || second.full || !octets.get(at + 1).is_some_and(|octet| is_part(*octet)) {
            continue;
        }
        let start = octets[..at].iter().rev().take(*WORD.end()).take_while(|octet| is_part(**octet)).count();
        let end = at + octets[at..].iter().take(WORD.end() + 1).take_while(|octet| is_part(**octet)).count();
        if word(&text[at - start..end]).is_some() && !is_address(&text[at - start..end], &octets[end..]) {
            // No further than is told: a line may be as long as the text.
            let (first, last) = ((at - start).saturating_sub(AROUND).max(read), (end + AROUND).min(octets.len()));
            let from = memchr::memrchr(b'\n', &octets[first..at]).map_or(first, |n| first + n + 1);
            let to = memchr::memchr(b'\n', &octets[end..last]).map_or(last, |n| end + n);
            let (from, to) = (boundary(text, from), boundary(text, to));
            second.line(&whole(&text[from..to]));
            read = to;
        }
        at = end.max(at + 1);
    }
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

fn whole(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let part = rest.bytes().take_while(|octet| is_part(*octet)).count();
        match word(&rest[..part]) {
            Some(word) if !is_address(&rest[..part], &rest.as_bytes()[part..]) => out.push_str(&word),
            _ => out.push_str(&rest[..part]),
        }
        rest = &rest[part..];
        let other = rest.bytes().position(is_part).unwrap_or(rest.len());
        out.push_str(&rest[..other]);
        rest = &rest[other..];
    }
    out
}

/// `dupont@example` before `.org`.
fn is_address(written: &str, rest: &[u8]) -> bool {
    written.contains('@') && rest.first() == Some(&b'.') && rest.get(1).is_some_and(u8::is_ascii_alphanumeric)
}

fn is_part(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'@' | b'$')
}

/// The word, if it is one: a sign between letters, many letters, all of one case but perhaps the first. Addresses, hashes and
/// references have digits that look like no letter, or end with them.
fn word(written: &str) -> Option<String> {
    if !WORD.contains(&written.len()) {
        return None;
    }
    let letters = written.bytes().filter(u8::is_ascii_alphabetic).count();
    let upper = written.bytes().filter(u8::is_ascii_uppercase).count();
    let first = usize::from(written.as_bytes()[0].is_ascii_uppercase());
    if letters * 10 < written.len() * 4 || letters == written.len() || upper != letters && upper != first {
        return None;
    }
    let last = written.bytes().rposition(|octet| octet.is_ascii_alphabetic())?;
    let begins = written.bytes().position(|octet| octet.is_ascii_alphabetic())?;
    let inside = written.bytes().enumerate().any(|(at, octet)| !octet.is_ascii_alphabetic() && begins < at && at < last);
    let read: Option<String> = written
        .bytes()
        .map(|octet| if octet.is_ascii_alphabetic() { Some(octet) } else { letter(octet) }.map(char::from))
        .collect();
    let read = read.filter(|_| inside)?;
    Some(if upper == letters { read.to_ascii_uppercase() } else { read })
}

/// The letter that a sign looks like.
fn letter(sign: u8) -> Option<u8> {
    Some(match sign {
        b'0' => b'o',
        b'1' => b'i',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'7' => b't',
        b'8' => b'b',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let mut second = Second::of(text);
        signs_for_letters(text, &mut second);
        second.into_text()
    }

    #[test]
    fn signs_that_look_like_letters_are_read_as_such() {
        for (text, wanted) in [
            ("a\nD1FFU510N R35TR31NT3\nb", "DIFFUSION RESTREINTE\n"),
            ("c@rte bancaire 5555 5555", "carte bancaire 5555 5555\n"),
            ("c0nf1d3nti3l et S3cr3t", "confidentiel et Secret\n"),
            ("p4$$word", "password\n"),
            // Nothing of this is a word.
            ("marie.dupont@example.org", ""),
            ("9f86d081884c7d65 C02XK1JHJGH5 FAC202611 covid19 utf8", ""),
            ("1 85 05 78", ""),
            ("aBc1dEf", ""),
        ] {
            assert_eq!(told(text), wanted, "{text:?}");
        }
    }
}
