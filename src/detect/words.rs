//! Turns a list of words into the places of a normalised text where one stands as a whole word.
//!
//! At each beginning of a word the first eight octets are looked up in a bitmap; only where that says "perhaps" is anything
//! compared. Case never matters; a space or dash of a listed phrase matches any run of spaces, dashes, underscores or one
//! line end; its apostrophe also a space.

use std::collections::HashMap;
use std::ops::Range;

/// Words and phrases of one purpose; `O` says whose each is.
pub(crate) struct WordSet<O> {
    bitmap: Box<[u64; 1024]>,
    by_key: HashMap<u64, Vec<usize>>,
    words: Vec<(Vec<u8>, O)>,
}

/// A listed word found in a text.
pub(crate) struct Hit<O> {
    pub start: usize,
    pub end: usize,
    pub owner: O,
}

impl<O: Copy> WordSet<O> {
    /// Builds a set of words already folded by [`super::normalize::fold_pattern`]. Empty ones are left out.
    pub fn new(words: impl Iterator<Item = (String, O)>) -> WordSet<O> {
        let mut set = WordSet { bitmap: Box::new([0; 1024]), by_key: HashMap::new(), words: Vec::new() };
        for (word, owner) in words {
            let word = word.trim().to_lowercase().into_bytes();
            if word.is_empty() {
                continue;
            }
            let mut padded = word.clone();
            padded.resize(word.len() + 8, 0);
            let key = key(&padded, 0, token_length(&padded, 0));
            let bit = bit(key);
            set.bitmap[bit >> 6] |= 1 << (bit & 63);
            set.by_key.entry(key).or_default().push(set.words.len());
            set.words.push((word, owner));
        }
        set
    }

    /// The words that begin in `range` of a padded text (at least 64 octets must follow the range), in order.
    pub fn find(&self, padded: &[u8], range: Range<usize>, mut found: impl FnMut(Hit<O>)) {
        if self.words.is_empty() {
            return;
        }
        let end = range.end.min(padded.len().saturating_sub(64));
        let mut before = range.start.checked_sub(1).is_some_and(|at| TOKEN[padded[at] as usize]) as u64;
        let mut base = range.start;
        let mut block = token_mask(padded, base);
        while base < end {
            let next = token_mask(padded, base + 64);
            let wide = u128::from(block) | u128::from(next) << 64;
            let mut starts = block & !(block << 1 | before);
            while starts != 0 {
                let offset = starts.trailing_zeros();
                starts &= starts - 1;
                let at = base + offset as usize;
                if at >= end {
                    return;
                }
                let length = ((wide >> offset) as u64).trailing_ones().min(8) as usize;
                let key = key(padded, at, length);
                let bit = bit(key);
                if self.bitmap[bit >> 6] >> (bit & 63) & 1 == 1 {
                    self.compare(padded, at, key, &mut found);
                }
            }
            before = block >> 63;
            block = next;
            base += 64;
        }
    }

    /// The words that begin in `range`, in order, without those inside a longer one: "numéro de dossier" is not "dossier" too.
    pub fn different(&self, padded: &[u8], range: Range<usize>) -> Vec<Hit<O>> {
        let mut hits: Vec<Hit<O>> = Vec::new();
        self.find(padded, range, |hit| match hits.last_mut() {
            Some(last) if last.start == hit.start && last.end < hit.end => *last = hit,
            Some(last) if hit.end <= last.end => {}
            _ => hits.push(hit),
        });
        hits
    }

    #[cold]
    fn compare(&self, padded: &[u8], at: usize, key: u64, found: &mut impl FnMut(Hit<O>)) {
        for &index in self.by_key.get(&key).into_iter().flatten() {
            let (word, owner) = &self.words[index];
            if let Some(end) = matches_at(padded, at, word)
                && !(TOKEN[word[word.len() - 1] as usize] && padded.get(end).is_some_and(|byte| TOKEN[*byte as usize]))
            {
                found(Hit { start: at, end, owner: *owner });
            }
        }
    }
}

/// Separators that one space or dash of a phrase may stand for, at most.
const MAX_GAP: usize = 4;

fn matches_at(text: &[u8], start: usize, word: &[u8]) -> Option<usize> {
    let mut at = start;
    let mut previous_gap = false;
    for &wanted in word {
        let gap = matches!(wanted, b' ' | b'-' | b'_');
        if gap {
            let run =
                text[at..].iter().take(MAX_GAP).take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'-' | b'_')).count();
            if run == 0 && !previous_gap {
                return None;
            }
            at += run;
        } else {
            let byte = *text.get(at)?;
            // Letters of other scripts are already in lower case.
            if byte.to_ascii_lowercase() != wanted && !(wanted == b'\'' && byte == b' ') {
                return None;
            }
            at += 1;
        }
        previous_gap = gap;
    }
    Some(at)
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

/// Which of 64 octets are part of a token: one bit each, the first lowest. Eight octets at a time in one register.
fn token_mask(padded: &[u8], base: usize) -> u64 {
    let Some(block) = padded.get(base..base + 64) else { return 0 };
    let each = |byte: u8| u64::from_le_bytes([byte; 8]);
    let mut mask = 0;
    for (index, octets) in block.chunks_exact(8).enumerate() {
        let mut word = [0; 8];
        word.copy_from_slice(octets);
        let word = u64::from_le_bytes(word);
        let (low, folded) = (word & each(0x7f), (word | each(0x20)) & each(0x7f));
        let digit = (low + each(0x80 - b'0')) & !(low + each(0x80 - b'9' - 1));
        let letter = (folded + each(0x80 - b'a')) & !(folded + each(0x80 - b'z' - 1));
        let token = (digit | letter | word) & each(0x80);
        mask |= ((token >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * index);
    }
    mask
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

#[cfg(test)]
mod tests {
    use super::super::normalize::{fold_pattern, normalize};
    use super::*;

    fn found(words: &[&str], text: &str) -> Vec<String> {
        let set = WordSet::new(words.iter().map(|word| (fold_pattern(word), ())));
        let normalized = normalize(text);
        let mut hits = Vec::new();
        set.find(normalized.padded(), 0..normalized.text().len(), |hit| {
            let (start, end) = normalized.original(hit.start, hit.end);
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
        fn the_bitmap_hides_nothing(text in "[ab é'\n-]{0,40}", words in proptest::collection::vec("[abé]{1,3}( [abé]{1,3})?", 1..4)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let normalized = normalize(&text);
            let mut expected = 0;
            for at in 0..normalized.text().len() {
                for word in &words {
                    let word = fold_pattern(word);
                    let before = at == 0 || !TOKEN[normalized.padded()[at - 1] as usize];
                    if let (true, Some(end)) = (before, matches_at(normalized.padded(), at, word.as_bytes())) {
                        expected += usize::from(!TOKEN[normalized.padded()[end] as usize]);
                    }
                }
            }
            proptest::prop_assert_eq!(found(&words, &text).len(), expected);
        }
    }
}
