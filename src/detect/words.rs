//! Turns a list of words into the places of a normalised text where one stands as a whole word.
//!
//! At each beginning of a word the first eight octets are looked up in a bitmap; only where that says "perhaps" is anything
//! compared. Case never matters; a space or dash of a listed phrase matches any run of spaces, dashes, underscores or one
//! line end; its apostrophe also such a gap.

use super::normalize::Normalized;

/// All words and phrases that a rule set lists, found in one pass.
pub(crate) struct WordBook {
    bitmap: Box<[u64; 1024]>,
    /// Open addressing over the keys of first tokens: the key, and its bucket's number from 1.
    slots: Vec<(u64, u32)>,
    buckets: Vec<Bucket>,
    words: usize,
}

/// All phrases with one first token, in order.
struct Bucket {
    phrases: Vec<Phrase>,
    /// Octets of the longest.
    longest: usize,
    /// Octets of the first token, as far as they are the key.
    token: usize,
    /// Is one of them nothing but its first token (or longer than the key tells)?
    alone: bool,
    /// One bit for the two octets behind the first token of each.
    behind: u64,
}

/// A way to write a listed word: lower case, one space for each gap.
struct Phrase {
    octets: Vec<u8>,
    word: u32,
    /// The longest other phrase of the bucket that this one begins with.
    parent: Option<u32>,
}

/// A listed word found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub start: u32,
    pub end: u32,
    /// Its number in the book.
    pub word: u32,
}

/// Phrases with one first token from which on they are looked up together.
const MANY: usize = 6;
/// Octets of a phrase, without repeated gaps.
pub(crate) const LONGEST_PHRASE: usize = 128;
/// Apostrophes of a phrase that may each be written as a space.
const MAX_APOSTROPHES: usize = 3;

impl WordBook {
    /// Builds a book of words already folded by [`super::normalize::fold_pattern`]; the number of each is its place. Empty ones, and
    /// those of more than [`LONGEST_PHRASE`] octets, are never found.
    pub fn new<'a>(words: impl Iterator<Item = &'a str>) -> WordBook {
        let mut by_key: std::collections::BTreeMap<u64, Vec<Phrase>> = std::collections::BTreeMap::new();
        let mut count = 0;
        for (word, number) in words.zip(0u32..) {
            count += 1;
            for octets in writings(word) {
                let mut padded = octets.clone();
                padded.resize(octets.len() + 8, 0);
                let key = key(&padded, 0, token_length(&padded, 0));
                by_key.entry(key).or_default().push(Phrase { octets, word: number, parent: None });
            }
        }
        let size = (by_key.len() * 4).next_power_of_two().max(16);
        let mut book = WordBook { bitmap: Box::new([0; 1024]), slots: vec![(0, 0); size], buckets: Vec::new(), words: count };
        for (key, mut bucket) in by_key {
            let bit = bit(key);
            book.bitmap[bit >> 6] |= 1 << (bit & 63);
            bucket.sort_by(|one, other| (&one.octets, one.word).cmp(&(&other.octets, other.word)));
            let mut open: Vec<u32> = Vec::new();
            for place in 0..bucket.len() {
                while open.last().is_some_and(|last| !bucket[place].octets.starts_with(&bucket[*last as usize].octets)) {
                    open.pop();
                }
                bucket[place].parent = open.last().copied();
                open.push(place as u32);
            }
            let token = token_length_of(&bucket[0].octets);
            let rest = |phrase: &Phrase| phrase.octets.get(token..token + 2).map(|two| [two[0], two[1]]);
            book.buckets.push(Bucket {
                longest: bucket.iter().map(|phrase| phrase.octets.len()).max().unwrap_or(0),
                token,
                alone: bucket.iter().any(|phrase| rest(phrase).is_none()),
                behind: bucket.iter().filter_map(rest).fold(0, |bits, two| bits | pair_bit(two)),
                phrases: bucket,
            });
            let mut slot = hash(key) & (size - 1);
            while book.slots[slot].1 != 0 {
                slot = (slot + 1) & (size - 1);
            }
            book.slots[slot] = (key, book.buckets.len() as u32);
        }
        book
    }

    /// How many words it was built of.
    pub fn len(&self) -> usize {
        self.words
    }

    /// The words of a text, in order of their beginning.
    pub fn find(&self, text: &Normalized, mut found: impl FnMut(Hit)) {
        if self.buckets.is_empty() {
            return;
        }
        let padded = text.padded();
        let mut before = 0;
        for (number, pair) in text.blocks().windows(2).enumerate() {
            let (block, next) = (pair[0].token(), pair[1].token());
            let mut starts = block & !(block << 1 | before);
            before = block >> 63;
            while starts != 0 {
                let offset = starts.trailing_zeros();
                starts &= starts - 1;
                let at = number * 64 + offset as usize;
                // Up to eight octets of the token: those in this block, and perhaps those in the next.
                let rest = block >> offset | (next << 1) << (63 - offset);
                let length = rest.trailing_ones().min(8);
                let key = key(padded, at, length as usize);
                let bit = bit(key);
                if self.bitmap[bit >> 6] >> (bit & 63) & 1 == 1 {
                    self.look_up(padded, at, key, &mut found);
                }
            }
        }
    }

    #[inline(never)]
    fn look_up(&self, padded: &[u8], at: usize, key: u64, found: &mut impl FnMut(Hit)) {
        let mut slot = hash(key) & (self.slots.len() - 1);
        let bucket = loop {
            match self.slots[slot] {
                (_, 0) => return,
                (known, bucket) if known == key => break &self.buckets[bucket as usize - 1],
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        };
        let mut hit = |end: usize, phrase: &Phrase| {
            let inside = TOKEN[padded[end - 1] as usize] && padded.get(end).is_some_and(|byte| TOKEN[*byte as usize]);
            if !inside {
                found(Hit { start: at as u32, end: end as u32, word: phrase.word });
            }
        };
        if !bucket.alone {
            let gap = padded.get(at + bucket.token).is_some_and(|byte| is_gap(*byte));
            let second = if gap { at + bucket.token + gap_length(padded, at + bucket.token) } else { at + bucket.token + 1 };
            let first = if gap { b' ' } else { padded.get(at + bucket.token).copied().unwrap_or(0).to_ascii_lowercase() };
            let second = padded.get(second).copied().unwrap_or(0).to_ascii_lowercase();
            if bucket.behind & pair_bit([first, second]) == 0 {
                return;
            }
        }
        if bucket.phrases.len() < MANY {
            for phrase in &bucket.phrases {
                if let Some(end) = matches_at(padded, at, &phrase.octets) {
                    hit(end, phrase);
                }
            }
            return;
        }
        // The text as a phrase would be written: all phrases that it begins with are found on the way to its place among them.
        let (mut text, mut ends) = ([0u8; LONGEST_PHRASE], [0u32; LONGEST_PHRASE]);
        let length = as_phrase(padded, at, bucket.longest, &mut text, &mut ends);
        let text = &text[..length];
        let bucket = &bucket.phrases;
        let place = bucket.partition_point(|phrase| phrase.octets.as_slice() <= text);
        let Some(mut next) = place.checked_sub(1) else { return };
        loop {
            let phrase = &bucket[next];
            if text.starts_with(&phrase.octets) {
                hit(ends[phrase.octets.len() - 1] as usize, phrase);
            }
            match phrase.parent {
                Some(parent) => next = parent as usize,
                None => return,
            }
        }
    }
}

/// All ways to write a word: lower case, one space for any gap, each apostrophe also as a gap.
fn writings(word: &str) -> Vec<Vec<u8>> {
    let mut octets = Vec::new();
    for byte in word.trim().to_lowercase().bytes() {
        match byte {
            b' ' | b'-' | b'_' if octets.last() == Some(&b' ') => {}
            b' ' | b'-' | b'_' => octets.push(b' '),
            byte => octets.push(byte),
        }
    }
    if octets.is_empty() || octets.len() > LONGEST_PHRASE {
        return Vec::new();
    }
    let mut all = vec![octets.clone()];
    let inside = 1..octets.len() - 1;
    let places = octets.iter().enumerate().filter(|(place, byte)| **byte == b'\'' && inside.contains(place));
    for (place, _) in places.take(MAX_APOSTROPHES) {
        let spaced: Vec<Vec<u8>> = all
            .iter()
            .map(|octets| {
                let mut octets = octets.clone();
                octets[place] = b' ';
                octets
            })
            .collect();
        all.extend(spaced);
    }
    all
}

/// Separators that one space or dash of a phrase may stand for, at most.
const MAX_GAP: usize = 4;

fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'-' | b'_')
}

/// How many gap octets stand at `at`; 0 when there are too many.
fn gap(text: &[u8], at: usize) -> usize {
    let run = text[at..].iter().take(MAX_GAP + 1).take_while(|byte| is_gap(**byte)).count();
    if run > MAX_GAP { 0 } else { run }
}

/// How many gap octets stand at `at`, as far as one gap goes; never 0.
fn gap_length(text: &[u8], at: usize) -> usize {
    text[at..].iter().take(MAX_GAP).take_while(|byte| is_gap(**byte)).count().max(1)
}

fn matches_at(text: &[u8], start: usize, phrase: &[u8]) -> Option<usize> {
    let mut at = start;
    for &wanted in phrase {
        if wanted == b' ' {
            at += Some(gap(text, at)).filter(|run| *run > 0)?;
        } else if text.get(at)?.to_ascii_lowercase() == wanted {
            at += 1;
        } else {
            return None;
        }
    }
    Some(at)
}

/// Writes down at most `most` octets of what stands at `start` as a phrase would be written, and where each of them ends; says
/// how many they are.
fn as_phrase(
    text: &[u8],
    start: usize,
    most: usize,
    octets: &mut [u8; LONGEST_PHRASE],
    ends: &mut [u32; LONGEST_PHRASE],
) -> usize {
    let (mut at, mut length) = (start, 0);
    while length < most.min(LONGEST_PHRASE) {
        let Some(byte) = text.get(at).copied().filter(|byte| *byte != 0) else { break };
        if is_gap(byte) {
            let run = gap(text, at);
            if run == 0 {
                break;
            }
            octets[length] = b' ';
            at += run;
        } else {
            octets[length] = byte.to_ascii_lowercase();
            at += 1;
        }
        ends[length] = at as u32;
        length += 1;
    }
    length
}

/// The length of a phrase's first token, as far as it is the key.
fn token_length_of(phrase: &[u8]) -> usize {
    phrase.iter().take(8).take_while(|byte| TOKEN[**byte as usize]).count().max(1)
}

fn pair_bit(two: [u8; 2]) -> u64 {
    1 << (u32::from(u16::from_le_bytes(two)).wrapping_mul(0x9e37_79b1) >> 26)
}

/// ASCII letters and digits and all of other scripts: what a word is made of.
pub(crate) static TOKEN: [bool; 256] = {
    let mut token = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        token[byte] = byte >= 0x80 || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    token
};

/// The length of the token at `at`, at most 8; at least 1 even where no token is (a word that begins with a sign).
#[inline(always)]
fn token_length(padded: &[u8], at: usize) -> usize {
    let mut length = 1;
    while length < 8 && TOKEN[padded[at + length] as usize] {
        length += 1;
    }
    length
}

/// The first octets of a token, ASCII case folded away (and, harmlessly, some of other scripts).
#[inline(always)]
fn key(padded: &[u8], at: usize, length: usize) -> u64 {
    let mut octets = [0u8; 8];
    octets.copy_from_slice(&padded[at..at + 8]);
    let folded = u64::from_le_bytes(octets) | 0x2020_2020_2020_2020;
    folded & (u64::MAX >> (64 - 8 * length as u32))
}

#[inline(always)]
fn bit(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
}

fn hash(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::super::normalize::{fold_pattern, normalize};
    use super::*;

    fn found(words: &[&str], text: &str) -> Vec<String> {
        let folded: Vec<String> = words.iter().map(|word| fold_pattern(word)).collect();
        let set = WordBook::new(folded.iter().map(String::as_str));
        let normalized = normalize(text);
        let mut hits = Vec::new();
        set.find(&normalized, |hit| {
            let (start, end) = normalized.original(hit.start as usize, hit.end as usize);
            hits.push(text[start..end].to_owned());
        });
        hits
    }

    #[test]
    fn whole_words_whatever_case_accent_space_dash_and_quote() {
        for (word, text, expected) in [
            ("sécurité sociale", "la SECURITE\u{a0}SOCIALE :", "SECURITE\u{a0}SOCIALE"),
            ("sécurité sociale", "Sécurité\nsociale", "Sécurité\nsociale"),
            ("sécurité sociale", "securite_sociale.xlsx", "securite_sociale"),
            ("sécurité sociale", "sécurité-sociale", "sécurité-sociale"),
            ("mot-clé", "mot clé", "mot clé"),
            ("n° sécu", "N° Sécu : 1", "N° Sécu"),
            ("n° sécu", "nº secu", "nº secu"),
            ("avis d'impôt", "avis d’impôt 2026", "avis d’impôt"),
            ("avis d'impôt", "AVIS D IMPOT", "AVIS D IMPOT"),
            ("NIR", "le nir.", "nir"),
            ("NIR", "nir", "nir"),
            ("immatriculation", "l'Immatriculation", "Immatriculation"),
            ("né(e) le", "née: né(e) le 3", "né(e) le"),
            ("Щука", "ЩУКА", "ЩУКА"),
        ] {
            assert_eq!(found(&[word], text), [expected], "{word} in {text}");
        }
    }

    #[test]
    fn a_part_of_a_word_is_not_the_word() {
        for (word, text) in [
            ("NIR", "venir"),
            ("NIR", "nirvana"),
            ("NIR", "nir2"),
            ("NIR", "Щnir"),
            ("immatriculation", "immatriculations"),
            ("sécurité sociale", "sécurité, sociale"),
            ("sécurité sociale", "sécuritésociale"),
            ("assuré", "rassuré"),
        ] {
            assert!(found(&[word], text).is_empty(), "{word} in {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_book_hides_nothing(text in "[ab é'\n-]{0,40}", words in proptest::collection::vec("[abé]{1,3}([ '][abé]{1,3}){0,2}", 1..20)) {
            let folded: Vec<String> = words.iter().map(|word| fold_pattern(word)).collect();
            let book = WordBook::new(folded.iter().map(String::as_str));
            let normalized = normalize(&text);
            let padded = normalized.padded();
            let mut expected = Vec::new();
            for at in 0..normalized.text().len() {
                if !TOKEN[padded[at] as usize] || at > 0 && TOKEN[padded[at - 1] as usize] {
                    continue;
                }
                for (word, number) in folded.iter().zip(0..) {
                    for phrase in writings(word) {
                        if let Some(end) = matches_at(padded, at, &phrase).filter(|end| !TOKEN[padded[*end] as usize]) {
                            expected.push((at as u32, end as u32, number));
                        }
                    }
                }
            }
            let mut hits = Vec::new();
            book.find(&normalized, |hit| hits.push((hit.start, hit.end, hit.word)));
            hits.sort_unstable();
            expected.sort_unstable();
            proptest::prop_assert_eq!(hits, expected);
        }
    }
}
