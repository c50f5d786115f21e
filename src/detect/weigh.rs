//! Turns the candidates of one rule in one text into values with a confidence, by the evidence around them.

use super::Confidence;
use super::normalize::{Normalized, normalize};
use super::rule::{Near, Rule, Term};
use super::scan::Candidate;
use super::shape::{Writing, is_separator};
use super::validators::{Check, Strength};
use super::words::TOKEN;
use crate::extract::{Extracted, Text};
use std::ops::Range;

/// What speaks for and against one candidate.
#[derive(Clone, Debug)]
pub(crate) struct Weighed {
    pub candidate: Candidate,
    /// For each of the rule's near groups: does one of its words stand near?
    pub near: Vec<bool>,
    /// The same of its unless_near groups.
    pub unless: Vec<bool>,
    /// Part of something longer, as far as one can see.
    pub embedded: bool,
    /// `None`: not enough to report.
    pub confidence: Option<Confidence>,
}

/// One text and where it stands among the others.
pub(crate) struct Context<'a> {
    pub extracted: &'a Extracted,
    /// Index of the text.
    pub index: usize,
    pub normalized: &'a Normalized,
}

/// A listed phrase can be so long, in octets: what begins farther away cannot reach into the window.
const LONGEST_PHRASE: usize = 128;

/// Weighs the candidates, which stand in text order.
pub(crate) fn weigh(rule: &Rule, mut candidates: Vec<Candidate>, context: &Context<'_>) -> Vec<Weighed> {
    candidates.sort_by_key(|candidate| (candidate.start, candidate.end));
    let near: Vec<Vec<bool>> = rule.near.iter().map(|near| is_near(near, &candidates, context)).collect();
    let unless: Vec<Vec<bool>> = rule.unless_near.iter().map(|near| is_near(near, &candidates, context)).collect();
    let text = context.normalized.text();
    let weighed = candidates.into_iter().enumerate().map(|(index, candidate)| {
        let mut weighed = Weighed {
            near: near.iter().map(|group| group[index]).collect(),
            unless: unless.iter().map(|group| group[index]).collect(),
            embedded: is_embedded(text, &candidate),
            candidate,
            confidence: None,
        };
        weighed.confidence = confidence(rule, &weighed);
        weighed
    });
    weighed.collect()
}

/// Of candidates that overlap the surest remains, of equally sure ones the longest, then the first; in text order.
pub(crate) fn best(mut weighed: Vec<Weighed>) -> Vec<Weighed> {
    weighed.retain(|one| one.confidence.is_some());
    weighed.sort_by_key(|one| {
        let length = one.candidate.end - one.candidate.start;
        (std::cmp::Reverse((one.confidence, length)), one.candidate.start)
    });
    let mut kept: std::collections::BTreeMap<usize, Weighed> = std::collections::BTreeMap::new();
    for one in weighed {
        // What is kept does not overlap, so only the last that begins before this one's end can reach into it.
        let before = kept.range(..one.candidate.end).next_back();
        if before.is_none_or(|(_, other)| other.candidate.end <= one.candidate.start) {
            kept.insert(one.candidate.start, one);
        }
    }
    kept.into_values().collect()
}

fn confidence(rule: &Rule, weighed: &Weighed) -> Option<Confidence> {
    let labelled = weighed.near.contains(&true);
    let weak = rule.validator.is_none_or(|validator| validator.strength == Strength::Weak);
    let odd = weighed.candidate.writing == Writing::Odd;
    // A number among numbers: with an odd grouping anything can be cut out of a table, and a weak key then proves nothing.
    if (odd && !labelled) || (weighed.embedded && rule.validator.is_some() && weak && (odd || !labelled)) {
        return None;
    }
    let valid = match weighed.candidate.check {
        Check::Valid => true,
        Check::NeedsLabel => labelled,
        Check::Invalid => false,
    };
    let holds = |term: &Term| match term {
        Term::Found => true,
        Term::Valid => valid,
        Term::Near(index) => weighed.near.get(*index).copied().unwrap_or(false),
    };
    let tier = rule.tiers.iter().find(|tier| tier.alternatives.iter().any(|terms| terms.iter().all(holds)));
    let doubted = weighed.unless.contains(&true) && !labelled;
    match (tier?.confidence, doubted) {
        (confidence, false) => Some(confidence),
        (Confidence::High, true) => Some(Confidence::Medium),
        (Confidence::Medium, true) => Some(Confidence::Low),
        (Confidence::Low, true) => None,
    }
}

/// Is the candidate glued to a longer identifier, path or decimal, or, written in groups, does it go on in the same way?
fn is_embedded(text: &[u8], candidate: &Candidate) -> bool {
    let at = |index: Option<usize>| index.and_then(|index| text.get(index)).copied().unwrap_or(b'\n');
    let (before, after) = (at(candidate.start.checked_sub(1)), at(Some(candidate.end)));
    let (before_that, after_that) = (at(candidate.start.checked_sub(2)), at(Some(candidate.end + 1)));
    let glue = |byte: u8| matches!(byte, b'-' | b'/' | b'_' | b'.' | b'=' | b'+' | b'@' | b'%' | b'&' | b'#' | b'~');
    let glued = |sign: u8, beyond: u8| glue(sign) && beyond.is_ascii_alphanumeric();
    let goes_on = |sign: u8, beyond: u8| {
        candidate.writing != Writing::Plain && is_separator(sign) && !matches!(sign, b'\n' | b'\t') && beyond.is_ascii_digit()
    };
    // "=" and "#" before a number introduce it (`siret=73282932000074`).
    let introduced = matches!(before, b'=' | b'#');
    (glued(before, before_that) && !introduced)
        || glued(after, after_that)
        || goes_on(before, before_that)
        || goes_on(after, after_that)
}

/// For each candidate: does a word of the group stand within reach, in this text, in the texts beside it in the same body or
/// attachment, or at the head of its column?
fn is_near(near: &Near, candidates: &[Candidate], context: &Context<'_>) -> Vec<bool> {
    let length = context.normalized.text().len();
    let reach = near.within + LONGEST_PHRASE;
    let mut words = Vec::new();
    for window in windows(candidates, reach, length) {
        near.words.find(context.normalized.padded(), window, |hit| words.push((hit.start, hit.end)));
    }
    let mut beside = Beside { context, near, before: None, after: None };
    let mut headers = Headers { text: &context.extracted.texts[context.index], near, known: Vec::new() };
    let stands_near = |candidate: &Candidate| {
        let from = words.partition_point(|word| word.0 < candidate.start.saturating_sub(reach));
        let mut within = words[from..].iter().take_while(|word| word.0 <= candidate.end + near.within);
        within.any(|word| word.1 + near.within >= candidate.start)
            || (candidate.start < near.within && beside.before().is_some_and(|gap| gap + candidate.start <= near.within))
            || (candidate.end + near.within > length
                && beside.after().is_some_and(|gap| gap + (length - candidate.end) <= near.within))
            || headers.above(context.normalized.original(candidate.start, candidate.end).0)
    };
    candidates.iter().map(stands_near).collect()
}

/// What is around the candidates, joined where it overlaps; each begins where a word may begin.
fn windows(candidates: &[Candidate], reach: usize, length: usize) -> Vec<Range<usize>> {
    let mut windows: Vec<Range<usize>> = Vec::new();
    for candidate in candidates {
        let (start, end) = (candidate.start.saturating_sub(reach), (candidate.end + reach).min(length));
        match windows.last_mut() {
            Some(last) if last.end >= start => last.end = last.end.max(end),
            _ => windows.push(start..end),
        }
    }
    windows
}

/// The texts before and after, of which only the ends matter.
struct Beside<'a> {
    context: &'a Context<'a>,
    near: &'a Near,
    /// Characters between the group's last word and the end of the text before; computed when first asked for.
    before: Option<Option<usize>>,
    after: Option<Option<usize>>,
}

impl Beside<'_> {
    fn before(&mut self) -> Option<usize> {
        let (context, near, octets) = (self.context, self.near, self.octets());
        let found = self.before.get_or_insert_with(|| {
            let text = neighbour(context, context.index.checked_sub(1)?)?;
            let mut start = text.content.len().saturating_sub(octets);
            while !text.content.is_char_boundary(start) {
                start += 1;
            }
            let tail = normalize(&text.content[start..]);
            let mut last = None;
            let cut = if start > 0 { tail.text().iter().take_while(|byte| TOKEN[**byte as usize]).count() } else { 0 };
            near.words.find(tail.padded(), cut..tail.text().len(), |hit| last = last.max(Some(hit.end)));
            last.map(|end| tail.text().len() - end)
        });
        *found
    }

    fn after(&mut self) -> Option<usize> {
        let (context, near, octets) = (self.context, self.near, self.octets());
        let found = self.after.get_or_insert_with(|| {
            let text = neighbour(context, context.index + 1)?;
            let mut end = text.content.len().min(octets);
            while !text.content.is_char_boundary(end) {
                end -= 1;
            }
            let head = normalize(&text.content[..end]);
            let mut first = None;
            near.words.find(head.padded(), 0..head.text().len(), |hit| first = first.or(Some(hit.start)));
            first
        });
        *found
    }

    /// Enough of a neighbour: a character has at most four octets.
    fn octets(&self) -> usize {
        (self.near.within + LONGEST_PHRASE) * 4
    }
}

fn neighbour<'a>(context: &'a Context<'_>, index: usize) -> Option<&'a Text> {
    let text = context.extracted.texts.get(index)?;
    (text.group == context.extracted.texts[context.index].group).then_some(text)
}

/// The headers of the columns of a table.
struct Headers<'a> {
    text: &'a Text,
    near: &'a Near,
    /// For the columns asked for so far: does the header hold one of the words?
    known: Vec<(u32, bool)>,
}

impl Headers<'_> {
    /// Does the header of the column that the octet `at` of the original stands in hold one of the words?
    fn above(&mut self, at: usize) -> bool {
        let Some(table) = &self.text.table else { return false };
        let cell = table.cells.partition_point(|cell| cell.start as usize <= at).checked_sub(1).map(|index| table.cells[index]);
        let Some(cell) = cell.filter(|cell| (cell.end as usize) > at) else { return false };
        if let Some(known) = self.known.iter().find(|known| known.0 == cell.column) {
            return known.1;
        }
        let header = table.headers.get(cell.column as usize).and_then(Option::as_ref);
        let holds = header.is_some_and(|header| self.near.words.any(normalize(header).padded()));
        self.known.push((cell.column, holds));
        holds
    }
}
