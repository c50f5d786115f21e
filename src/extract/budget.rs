//! Turns limits into a purse that every part and level of one message pays from: real octets, never declared sizes.

use super::{Limits, Reason};
use std::io::Read;

#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    input: u64,
    expanded: u64,
    files: usize,
    text: usize,
    effort: u64,
}

/// Blocks of a hash that passwords may cost: some seconds.
const EFFORT: u64 = 8_000_000;

/// Below this many expanded octets no ratio is suspicious: a small text of blanks compresses without bound.
const RATIO_FROM: u64 = 10 << 20;

impl Budget {
    /// `input` is the size of the message in octets.
    pub(super) fn new(limits: &Limits, input: u64) -> Budget {
        Budget { limits: limits.clone(), input: input.max(1), expanded: 0, files: 0, text: 0, effort: 0 }
    }

    pub(super) fn depth(&self) -> usize {
        self.limits.depth
    }

    /// How many more octets may be unpacked.
    pub(super) fn left(&self) -> u64 {
        let by_ratio = RATIO_FROM.max(self.input.saturating_mul(self.limits.ratio));
        self.limits.expanded_octets.min(by_ratio).saturating_sub(self.expanded)
    }

    /// Counts octets that were unpacked by somebody else; false when they are too many.
    pub(super) fn spend(&mut self, octets: u64) -> bool {
        let enough = octets <= self.left();
        self.expanded = self.expanded.saturating_add(octets);
        enough
    }

    /// False when this is one file too many.
    pub(super) fn file(&mut self) -> bool {
        self.files += 1;
        self.files <= self.limits.files
    }

    /// Whether no file may follow any more.
    pub(super) fn is_spent(&self) -> bool {
        self.left() == 0 || self.files >= self.limits.files
    }

    /// Counts what trying a password costs, in blocks of a hash; false when there were too many.
    pub(super) fn effort(&mut self, blocks: u64) -> bool {
        self.effort = self.effort.saturating_add(blocks);
        self.effort <= EFFORT
    }

    /// A purse with the same money, for trying what may come to nothing.
    pub(super) fn aside(&self) -> Budget {
        Budget { limits: self.limits.clone(), ..*self }
    }

    /// How many octets of text may still be kept.
    pub(super) fn text_left(&self) -> usize {
        self.limits.text_octets.saturating_sub(self.text)
    }

    pub(super) fn keep_text(&mut self, octets: usize) {
        self.text = self.text.saturating_add(octets);
    }

    /// Reads an unpacking stream to its end or to the limit; what was read is given in any case.
    pub(super) fn unpack(&mut self, source: impl Read) -> (Vec<u8>, Option<Reason>) {
        let left = self.left();
        let mut octets = Vec::new();
        let end = source.take(left.saturating_add(1)).read_to_end(&mut octets);
        let over = octets.len() as u64 > left;
        self.expanded = self.expanded.saturating_add(octets.len() as u64);
        let reason = match end {
            _ if over => Some(Reason::OverBudget),
            Ok(_) => None,
            Err(_) => Some(Reason::Damaged),
        };
        (octets, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_purse_is_shared_and_real_octets_count() {
        let limits = Limits { expanded_octets: 100, ..Limits::default() };
        let mut budget = Budget::new(&limits, 10);
        assert_eq!(budget.unpack(&[0u8; 60][..]), (vec![0; 60], None));
        let (octets, reason) = budget.unpack(&[0u8; 60][..]);
        assert_eq!((octets.len(), reason), (41, Some(Reason::OverBudget)));
        assert!(!budget.spend(1));
    }

    #[test]
    fn the_ratio_counts_from_ten_megabytes_on() {
        let mut budget = Budget::new(&Limits { ratio: 2, ..Limits::default() }, 1_000);
        assert!(budget.spend(RATIO_FROM));
        assert!(!budget.spend(1));
    }
}
