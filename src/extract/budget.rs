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
    milliseconds: u64,
}

/// Blocks of a hash that passwords may cost: some seconds.
const EFFORT: u64 = 8_000_000;

/// Below this many expanded octets no ratio is suspicious: a small text of blanks compresses without bound.
const RATIO_FROM: u64 = 10 << 20;

impl Budget {
    /// `input` is the size of the message in octets.
    pub(super) fn new(limits: &Limits, input: u64) -> Budget {
        Budget { limits: limits.clone(), input: input.max(1), expanded: 0, files: 0, text: 0, effort: 0, milliseconds: 0 }
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

    pub(super) fn files_left(&self) -> usize {
        self.limits.files.saturating_sub(self.files)
    }

    /// Of reading by foreign parsers; the time itself is measured by whoever runs them.
    pub(super) fn milliseconds_left(&self) -> u64 {
        self.limits.seconds.saturating_mul(1_000).saturating_sub(self.milliseconds)
    }

    pub(super) fn take_time(&mut self, milliseconds: u64) {
        self.milliseconds = self.milliseconds.saturating_add(milliseconds);
    }

    /// What somebody else spent of it.
    pub(super) fn take(&mut self, spent: &super::Spent) {
        self.expanded = self.expanded.saturating_add(spent.expanded);
        self.files = self.files.saturating_add(spent.files);
        self.take_time(spent.milliseconds);
    }

    pub(super) fn spent(&self) -> super::Spent {
        super::Spent { expanded: self.expanded, files: self.files, milliseconds: self.milliseconds }
    }

    /// The limits of whoever reads one of the files elsewhere: what is left here. The ratio is in the octets already.
    pub(super) fn limits_left(&self, pictures: usize) -> Limits {
        Limits {
            expanded_octets: self.left(),
            ratio: u64::MAX,
            files: self.files_left(),
            text_octets: self.text_left(),
            pictures,
            ..self.limits.clone()
        }
    }

    pub(super) fn pictures(&self) -> usize {
        self.limits.pictures
    }

    pub(super) fn ocr_off(&self) -> bool {
        self.limits.ocr == super::Ocr::Off
    }

    pub(super) fn picture_pixels(&self) -> u64 {
        self.limits.picture_pixels
    }

    pub(super) fn ocr_milliseconds(&self) -> u64 {
        self.limits.ocr_seconds.saturating_mul(1_000)
    }

    pub(super) fn ocr_required(&self) -> bool {
        self.limits.ocr == super::Ocr::Required
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
