//! Turns the near words of a message, and seldom signs, into the windows of a text outside which a rule that needs one of them could
//! report nothing.

use super::mentions::Mentions;
use super::rule_file::Within;
use crate::extract::Extracted;
use std::ops::Range;

/// What the words of the book do for the rules that need some of them.
pub(crate) struct Windows {
    /// For each word the rules that it labels.
    labels: Vec<Vec<u32>>,
    /// For each rule how far its labels reach, if it needs any.
    reach: Vec<Option<Reach>>,
    /// The farthest of all.
    farthest: usize,
    /// Octets that rules need, with how many may stand before them in a match.
    anchors: Vec<(u8, u32, usize)>,
}

/// A near group of words that a rule cannot do without.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub rule: u32,
    pub within: Within,
}

#[derive(Clone, Copy, Debug)]
struct Reach {
    /// Octets between a label and a value, at most; `None`: one label makes the whole message worth reading.
    within: Option<usize>,
    /// Octets of the longest match.
    longest: usize,
}

/// The windows of one text.
pub(crate) struct Around {
    /// Of each rule, in order, where its matches may begin: windows that do not touch. Rules that need no label have none.
    windows: Vec<Vec<Range<usize>>>,
    /// The same as turning points, in order.
    pub turns: Vec<Turn>,
}

/// From `at` on the rule is, or is no longer, searched for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub at: usize,
    pub on: bool,
    pub rule: u32,
}

impl Windows {
    pub fn new(rules: usize, words: usize) -> Windows {
        Windows { labels: vec![Vec::new(); words], reach: vec![None; rules], farthest: 0, anchors: Vec::new() }
    }

    /// Notes that the rule needs one of these words (or one of those noted before); `longest` of its matches, if there is one.
    pub fn add(&mut self, words: &[u32], label: Label, longest: Option<usize>) {
        let within = match (label.within, longest) {
            (Within::Characters(within), Some(_)) => Some(within),
            _ => None,
        };
        let reach = self.reach[label.rule as usize].get_or_insert(Reach { within: Some(0), longest: longest.unwrap_or(0) });
        reach.within = reach.within.zip(within).map(|(one, other)| one.max(other));
        self.farthest = self.farthest.max(within.unwrap_or(0));
        for word in words {
            let rules = &mut self.labels[*word as usize];
            if !rules.contains(&label.rule) {
                rules.push(label.rule);
            }
        }
    }

    /// Notes that matches of the rule have this octet, at most `before` octets behind their beginning.
    pub fn anchor(&mut self, rule: usize, (octet, before): (u8, usize), longest: Option<usize>) {
        self.reach[rule] = Some(Reach { within: longest.map(|_| 0), longest: longest.unwrap_or(0) });
        self.anchors.push((octet, rule as u32, before));
        self.anchors.sort_unstable();
    }

    /// Does the rule need labels, or an anchor?
    pub fn has(&self, rule: usize) -> bool {
        self.reach[rule].is_some()
    }

    /// Where a match that begins before `end` must have ended, in a text of `length` octets.
    pub fn end_of_match(&self, rule: usize, end: usize, length: usize) -> usize {
        match self.reach[rule] {
            Some(Reach { within: Some(_), longest }) => (end + longest).min(length),
            _ => length,
        }
    }

    /// The windows of one text of a message.
    pub fn around(&self, extracted: &Extracted, mentions: &Mentions, index: usize) -> Around {
        let read = &mentions.reads[index];
        let length = read.normalized.text().len();
        let mut around = Around { windows: vec![Vec::new(); self.reach.len()], turns: Vec::new() };
        for word in mentions.anywhere.iter().enumerate().filter(|(_, stands)| **stands).map(|(word, _)| word) {
            for rule in &self.labels[word] {
                if matches!(self.reach[*rule as usize], Some(Reach { within: None, .. })) {
                    around.open(*rule, 0..length);
                }
            }
        }
        for (_, word) in &read.headers {
            self.labels[*word as usize].iter().for_each(|rule| around.open(*rule, 0..length));
        }
        let (before, after) = mentions.beside(extracted, index);
        if let Some(before) = before {
            let its = before.normalized.text().len();
            for hit in before.last(self.farthest) {
                self.open(&mut around, hit.word, |within, _| 0..(within + hit.end as usize + 1).saturating_sub(its), length);
            }
        }
        for hit in &read.hits {
            let (start, end) = (hit.start as usize, hit.end as usize);
            self.open(
                &mut around,
                hit.word,
                |within, longest| start.saturating_sub(within + longest)..end + within + 1,
                length,
            );
        }
        if let Some(after) = after {
            for hit in after.first(self.farthest) {
                let start = hit.start as usize;
                let from = |within: usize, longest: usize| (length + start).saturating_sub(within + longest);
                self.open(&mut around, hit.word, |within, longest| from(within, longest)..length, length);
            }
        }
        for same in self.anchors.chunk_by(|one, other| one.0 == other.0) {
            for at in memchr::memchr_iter(same[0].0, read.normalized.text()) {
                for (_, rule, before) in same {
                    let bounded = matches!(self.reach[*rule as usize], Some(Reach { within: Some(_), .. }));
                    around.open(*rule, if bounded { at.saturating_sub(*before)..at + 1 } else { 0..length });
                }
            }
        }
        for (rule, windows) in around.windows.iter().enumerate() {
            for window in windows {
                around.turns.push(Turn { at: window.start, on: true, rule: rule as u32 });
                around.turns.push(Turn { at: window.end, on: false, rule: rule as u32 });
            }
        }
        // Windows of one rule do not touch, so its turns never fall together.
        around.turns.sort_unstable_by_key(|turn| turn.at);
        around
    }

    fn open(&self, around: &mut Around, word: u32, window: impl Fn(usize, usize) -> Range<usize>, length: usize) {
        for rule in &self.labels[word as usize] {
            if let Some(Reach { within: Some(within), longest }) = self.reach[*rule as usize] {
                let window = window(within, longest);
                around.open(*rule, window.start..window.end.min(length));
            }
        }
    }
}

impl Around {
    /// Where matches of a rule that needs labels may begin.
    pub fn of(&self, rule: usize) -> &[Range<usize>] {
        &self.windows[rule]
    }

    /// Windows of one rule are opened in the order of their beginnings.
    fn open(&mut self, rule: u32, window: Range<usize>) {
        if window.start >= window.end {
            return;
        }
        let windows = &mut self.windows[rule as usize];
        match windows.last_mut() {
            Some(last) if window.start <= last.end => last.end = last.end.max(window.end),
            _ => windows.push(window),
        }
    }
}
