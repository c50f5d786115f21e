//! Turns a text into the places where a number or a mail address may begin, without looking at every word: most words of most mails are
//! far from any digit and any "@".

use super::words::TOKEN;

/// Octets behind a word in which a digit makes it the possible beginning of a number (`MAT 007`, `A-12`).
const REACH: usize = 3;
/// Octets of the part of an address before its "@", at most.
pub(super) const LONGEST_LOCAL: usize = 64;

/// The beginnings of all words that have a digit, or are followed by one within [`REACH`] octets; in order, each once.
pub(super) fn number_starts(text: &[u8], mut each: impl FnMut(usize)) {
    // Where the last word that was given ends.
    let mut behind = 0;
    while let Some(digit) = next_digit(text, behind) {
        let start = word_start(text, digit);
        let gap = text[..start].iter().rev().take(REACH).take_while(|byte| !TOKEN[usize::from(**byte)]).count();
        let end_before = start - gap;
        if end_before > behind && digit < end_before + REACH {
            each(word_start(text, end_before - 1));
        }
        each(start);
        behind = digit + text[digit..].iter().take_while(|byte| TOKEN[usize::from(**byte)]).count();
    }
}

/// The beginnings of all words from which only octets of an address stand up to an "@"; in order.
pub(super) fn address_starts(text: &[u8], mut each: impl FnMut(usize)) {
    for at in memchr::memchr_iter(b'@', text) {
        let first = at - text[..at].iter().rev().take(LONGEST_LOCAL).take_while(|byte| is_local(**byte)).count();
        (first..at).filter(|start| starts_word(text, *start)).for_each(&mut each);
    }
}

/// What may stand in an address before its "@", as far as it is compared.
pub(super) fn is_local(byte: u8) -> bool {
    TOKEN[usize::from(byte)] || matches!(byte, b'.' | b'_' | b'-' | b'+')
}

fn starts_word(text: &[u8], at: usize) -> bool {
    TOKEN[usize::from(text[at])] && (at == 0 || !TOKEN[usize::from(text[at - 1])])
}

/// The beginning of the word that has the octet at `at`.
fn word_start(text: &[u8], at: usize) -> usize {
    at - text[..at].iter().rev().take_while(|byte| TOKEN[usize::from(**byte)]).count()
}

/// The first digit at or behind `from`. Eight octets at a time in one register.
fn next_digit(text: &[u8], from: usize) -> Option<usize> {
    let each = |byte: u8| u64::from_le_bytes([byte; 8]);
    let mut at = from;
    while let Some(eight) = text.get(at..at + 8).and_then(|eight| <[u8; 8]>::try_from(eight).ok()) {
        let word = u64::from_le_bytes(eight);
        let low = word & each(0x7f);
        let digits = (low + each(0x80 - b'0')) & !(low + each(0x80 - b'9' - 1)) & !word & each(0x80);
        if digits != 0 {
            return Some(at + digits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    text.get(at..)?.iter().position(u8::is_ascii_digit).map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[u8]) -> Vec<(usize, usize)> {
        let end = |start: usize| start + text[start..].iter().take_while(|byte| TOKEN[usize::from(**byte)]).count();
        (0..text.len()).filter(|at| starts_word(text, *at)).map(|start| (start, end(start))).collect()
    }

    #[test]
    fn a_number_may_begin_at_a_word_with_a_digit_or_just_before_one() {
        for (text, expected) in [
            ("aucun mot", vec![]),
            ("MAT 007", vec![0, 4]),
            ("MAT - 007", vec![6]),
            ("a b4", vec![0, 2]),
            ("a-b-4 c", vec![2, 4]),
            ("12 34", vec![0, 3]),
            ("né le 3", vec![4, 7]),
        ] {
            let mut starts = Vec::new();
            number_starts(text.as_bytes(), |start| starts.push(start));
            assert_eq!(starts, expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_beginning_is_left_out(text in "([a-c]{1,9}|[0-9é@._+ -]|@|  ){0,40}") {
            let text = text.as_bytes();
            let digit = |from: usize, to: usize| text[from..to.min(text.len())].iter().any(u8::is_ascii_digit);
            let expected: Vec<usize> = words(text)
                .into_iter()
                .filter(|(start, end)| digit(*start, *end) || digit(*end, end + REACH))
                .map(|word| word.0)
                .collect();
            let mut starts = Vec::new();
            number_starts(text, |start| starts.push(start));
            proptest::prop_assert_eq!(starts, expected);

            let local = |start: usize| text[start..].iter().take(LONGEST_LOCAL).take_while(|byte| is_local(**byte)).count();
            let expected: Vec<usize> =
                words(text).into_iter().map(|word| word.0).filter(|start| text.get(start + local(*start)) == Some(&b'@')).collect();
            let mut starts = Vec::new();
            address_starts(text, |start| starts.push(start));
            proptest::prop_assert_eq!(starts, expected);
        }
    }
}
