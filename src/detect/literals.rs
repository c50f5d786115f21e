//! Turns the literals that expressions require into the places of a text where one stands: by the words that begin in them, or by
//! a seldom sign in them.
//!
//! At each beginning of a word its first octets are looked up in a bitmap; only where that says "perhaps" is anything compared.

use super::reach::SHORTEST;
use std::ops::Range;

/// Literals in which a word begins, found by the first three to eight octets of that word and of what follows it.
pub(crate) struct Literals {
    four: Table,
    three: Table,
    count: usize,
    /// Those that are found by a seldom sign: the sign, and where it stands in the literal.
    signs: Vec<(u8, Entry)>,
}

/// Entries by their first octets.
struct Table {
    /// One bit for each hash of the first octets.
    bitmap: Box<[u64; 1024]>,
    /// Sorted by their first octets.
    entries: Vec<Entry>,
    /// Open addressing over the first octets: they, and which entries have them; no entries: empty.
    slots: Vec<(u32, Range<u32>)>,
    /// Which octets are the key.
    key: u32,
}

struct Entry {
    /// The first up to eight octets, and which of eight they are.
    value: u64,
    mask: u64,
    literal: Box<[u8]>,
    /// Where the word begins in the literal.
    word: usize,
    rule: u32,
    /// Octets before the literal in which the match begins, at most; `None`: anywhere in the text.
    before: Option<usize>,
}

/// Signs that stay as they are when folded, and that seldom stand in prose, in tables or in HTML.
const SIGNS: &[u8] = b"~${}|";
const FOLD: u64 = 0x2020_2020_2020_2020;

impl Default for Literals {
    fn default() -> Literals {
        let table = |key| Table { bitmap: Box::new([0; 1024]), entries: Vec::new(), slots: Vec::new(), key };
        Literals { four: table(0xffff_ffff), three: table(0x00ff_ffff), count: 0, signs: Vec::new() }
    }
}

impl Literals {
    /// Takes a literal (folded by `| 0x20`) of a rule; `false` when no word certainly begins in it and no seldom sign stands in it.
    pub fn add(&mut self, rule: usize, literal: &[u8], before: Option<usize>) -> bool {
        let entry = |word, value, mask| Entry { value, mask, literal: literal.into(), word, rule: rule as u32, before };
        let Some(word) = word_in(literal, before) else {
            let sign = literal.iter().position(|octet| SIGNS.contains(octet));
            self.signs.extend(sign.map(|place| (literal[place], entry(place, 0, 0))));
            self.signs.sort_by_key(|(sign, _)| *sign);
            return sign.is_some();
        };
        let told = told(literal, word);
        let mut octets = [0; 8];
        octets[..told].copy_from_slice(&literal[word..word + told]);
        let mask = u64::MAX >> (64 - 8 * told);
        let value = u64::from_le_bytes(octets);
        let table = if told > SHORTEST { &mut self.four } else { &mut self.three };
        table.entries.push(entry(word, value, mask));
        self.count += 1;
        true
    }

    pub fn finish(mut self) -> Literals {
        for table in [&mut self.four, &mut self.three] {
            let Table { bitmap, entries, slots, key } = table;
            let first = |entry: &Entry| entry.value as u32 & *key;
            entries.sort_by_key(first);
            *slots = vec![(0, 0..0); (4 * entries.len()).next_power_of_two()];
            let mut from = 0;
            for same in entries.chunk_by(|one, other| first(one) == first(other)) {
                let (octets, to) = (first(&same[0]), from + same.len() as u32);
                let bit = bit(octets);
                bitmap[bit >> 6] |= 1 << (bit & 63);
                let mut slot = bit & (slots.len() - 1);
                while !slots[slot].1.is_empty() {
                    slot = (slot + 1) & (slots.len() - 1);
                }
                slots[slot] = (octets, from..to);
                from = to;
            }
        }
        self
    }

    /// Is there nothing to look for where words begin?
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Tells of the literals with seldom signs where matches of their rules may begin.
    pub fn signs(&self, text: &[u8], mut found: impl FnMut(usize, Range<usize>)) {
        for same in self.signs.chunk_by(|one, other| one.0 == other.0) {
            for at in memchr::memchr_iter(same[0].0, text) {
                same.iter().filter_map(|(_, entry)| entry.span(text, at)).for_each(|(rule, span)| found(rule, span));
            }
        }
    }

    /// Tells for each literal whose word begins at `at` where matches of its rule may begin.
    #[inline(always)]
    pub fn look(&self, padded: &[u8], length: usize, at: usize, found: &mut impl FnMut(usize, Range<usize>)) {
        let Some(octets) = padded.get(at..at + 8) else { return };
        let mut word = [0; 8];
        word.copy_from_slice(octets);
        let word = u64::from_le_bytes(word) | FOLD;
        for table in [&self.four, &self.three] {
            let bit = bit(word as u32 & table.key);
            if table.bitmap[bit >> 6] >> (bit & 63) & 1 == 1 {
                table.confirm(&padded[..length], at, word, found);
            }
        }
    }
}

/// Where a word certainly begins in a literal of which enough follows: the place of which most is known.
pub(crate) fn word_in(literal: &[u8], before: Option<usize>) -> Option<usize> {
    let whole = |at: usize| literal[at].is_ascii_alphanumeric();
    // What begins a match does not stand inside a word.
    let begins = |at: &usize| whole(*at) && if *at == 0 { before == Some(0) } else { !whole(at - 1) };
    let words = (0..literal.len()).filter(begins).filter(|at| told(literal, *at) >= SHORTEST);
    words.max_by_key(|at| (told(literal, *at), std::cmp::Reverse(*at)))
}

/// How many octets from a place on are compared at once.
fn told(literal: &[u8], at: usize) -> usize {
    (literal.len() - at).min(8)
}

#[inline(always)]
fn bit(key: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

impl Table {
    #[inline(never)]
    fn confirm(&self, text: &[u8], at: usize, word: u64, found: &mut impl FnMut(usize, Range<usize>)) {
        let octets = word as u32 & self.key;
        let mut slot = bit(octets) & (self.slots.len() - 1);
        let entries = loop {
            match &self.slots[slot] {
                (_, none) if none.is_empty() => return,
                (known, some) if *known == octets => break some.start as usize..some.end as usize,
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        };
        for entry in &self.entries[entries] {
            if word & entry.mask != entry.value {
                continue;
            }
            if let Some((rule, span)) = entry.span(text, at) {
                found(rule, span);
            }
        }
    }
}

impl Entry {
    /// Where matches may begin when the literal stands around its word or sign at `at`.
    fn span(&self, text: &[u8], at: usize) -> Option<(usize, Range<usize>)> {
        let start = at.checked_sub(self.word)?;
        let octets = text.get(start..start + self.literal.len())?;
        let whole = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
        let inside = || whole(start.checked_sub(1)) && whole(Some(start));
        let stands = octets.iter().zip(&self.literal).all(|(octet, wanted)| octet | 0x20 == *wanted);
        let span = || self.before.map_or(0..text.len(), |before| start.saturating_sub(before)..start + 1);
        (stands && !(self.before == Some(0) && inside())).then(|| (self.rule as usize, span()))
    }
}

/// Where matches of each rule may begin, as it was seen by different signs.
pub(crate) struct Spans {
    of_rule: Vec<Vec<Range<u32>>>,
}

impl Spans {
    pub fn new(rules: usize) -> Spans {
        Spans { of_rule: vec![Vec::new(); rules] }
    }

    /// Notes a span; a text full of one literal must not fill memory with spans of it.
    pub fn push(&mut self, rule: usize, span: Range<usize>) {
        let span = span.start as u32..span.end as u32;
        let spans = &mut self.of_rule[rule];
        match spans.last_mut() {
            Some(last) if last.end >= span.start && last.start <= span.start => last.end = last.end.max(span.end),
            _ => spans.push(span),
        }
    }

    /// For each rule that has any its spans in order, joined where they touch.
    pub fn joined(self) -> impl Iterator<Item = (usize, Vec<Range<usize>>)> {
        let some = self.of_rule.into_iter().enumerate().filter(|(_, spans)| !spans.is_empty());
        some.map(|(rule, mut spans)| {
            spans.sort_unstable_by_key(|span| (span.start, span.end));
            let mut joined: Vec<Range<usize>> = Vec::with_capacity(spans.len());
            for span in spans {
                match joined.last_mut() {
                    Some(last) if last.end >= span.start as usize => last.end = last.end.max(span.end as usize),
                    _ => joined.push(span.start as usize..span.end as usize),
                }
            }
            (rule, joined)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(literals: &[(&str, Option<usize>)], text: &str) -> Vec<(usize, Range<usize>)> {
        let mut all = Literals::default();
        for (rule, (literal, before)) in literals.iter().enumerate() {
            let folded: Vec<u8> = literal.bytes().map(|byte| byte | 0x20).collect();
            assert!(all.add(rule, &folded, *before), "{literal}");
        }
        let all = all.finish();
        let padded = [text.as_bytes(), &[0; 16]].concat();
        let mut found = Vec::new();
        let whole = |at: usize| padded[at].is_ascii_alphanumeric();
        for at in (0..text.len()).filter(|at| whole(*at) && (*at == 0 || !whole(at - 1))) {
            all.look(&padded, text.len(), at, &mut |rule, span| found.push((rule, span)));
        }
        found
    }

    #[test]
    fn a_literal_is_found_by_the_word_that_begins_in_it() {
        let literals =
            [("ghp_", Some(0)), ("eyJ", Some(0)), ("&sig=", Some(2)), ("-----BEGIN RSA", Some(0)), ("secret key", None)];
        for (text, expected) in [
            ("a ghp_12", vec![(0, 2..3)]),
            ("GHP_", vec![(0, 0..1)]),
            ("xghp_", vec![]),
            ("ghp", vec![]),
            ("eyJhbGciOi eyx", vec![(1, 0..1)]),
            ("x?a&sig=1", vec![(2, 1..4)]),
            ("\n-----BEGIN RSA KEY", vec![(3, 1..2)]),
            ("my Secret Key", vec![(4, 0..13)]),
        ] {
            assert_eq!(found(&literals, text), expected, "{text}");
        }
    }

    #[test]
    fn where_no_word_certainly_begins_it_is_not_taken() {
        let mut literals = Literals::default();
        for (literal, before) in [("://", Some(3)), ("nral", Some(36)), (".be", Some(0)), ("a-b", Some(1))] {
            assert!(!literals.add(0, literal.as_bytes(), before), "{literal}");
        }
    }

    #[test]
    fn spans_are_joined_in_order() {
        let mut spans = Spans::new(2);
        for span in [5..8, 7..9, 1..2, 9..10, 20..21] {
            spans.push(1, span);
        }
        assert_eq!(spans.joined().collect::<Vec<_>>(), [(1, vec![1..2, 5..10, 20..21])]);
    }
}
