//! Turns the candidates of one rule in one text into values with a confidence, by the evidence around them.

use super::near::Surroundings;
use super::rule::{NearWhat, Rule, Term};
use super::rule_file::Within;
use super::scan::Candidate;
use super::shape::{MAX_SEPARATORS, Writing, is_separator};
use super::validators::{Check, Strength, compact};
use super::{Category, Confidence};
use std::ops::Range;

/// What speaks for and against one candidate.
#[derive(Clone, Debug)]
pub(crate) struct Weighed {
    pub candidate: Candidate,
    /// For each of the rule's near groups: does it hold?
    pub near: Vec<bool>,
    /// The same of its unless_near groups.
    pub unless: Vec<bool>,
    /// Part of something longer, as far as one can see.
    pub embedded: bool,
    /// One of the values that never count.
    pub excepted: bool,
    /// `None`: not enough to report.
    pub confidence: Option<Confidence>,
}

/// Weighs the candidates of the rule with this index, which stand in text order.
pub(crate) fn weigh(
    (place, rule): (usize, &Rule),
    mut candidates: Vec<Candidate>,
    text: usize,
    surroundings: &mut Surroundings<'_>,
) -> Vec<Weighed> {
    candidates.sort_by_key(|candidate| (candidate.start, candidate.end));
    candidates.dedup();
    drop_parts_of_wrong_numbers(&mut candidates, surroundings.mentions.reads[text].normalized.text());
    let groups = rule.near.iter().chain(&rule.unless_near).enumerate();
    let near: Vec<Vec<bool>> = groups.map(|(group, near)| surroundings.hold((place, group), near, &candidates, text)).collect();
    let (near, unless) = near.split_at(rule.near.len());
    let text = surroundings.mentions.reads[text].normalized.text();
    let weighed = candidates.into_iter().enumerate().map(|(index, candidate)| {
        let mut weighed = Weighed {
            near: near.iter().map(|group| group[index]).collect(),
            unless: unless.iter().map(|group| group[index]).collect(),
            embedded: is_embedded(text, &candidate) || is_dialled(rule, text, &candidate),
            excepted: !rule.except.is_empty() && rule.except.contains(&compact(&text[candidate.start..candidate.end])),
            candidate,
            confidence: None,
        };
        weighed.confidence = confidence(rule, &weighed);
        weighed
    });
    weighed.collect()
}

/// A form that has no key of its own (a NIR's thirteen characters) is not believed where it is part of one whose key is wrong,
/// or where what may be its key stands apart (`006 084 / 92`): had it been right, the longer number would be a candidate too.
fn drop_parts_of_wrong_numbers(candidates: &mut Vec<Candidate>, text: &[u8]) {
    let wrong: Vec<Range<usize>> =
        candidates.iter().filter(|one| one.check == Check::Invalid).map(|one| one.start..one.end).collect();
    let part = |one: &Candidate| {
        // In text order, and all of one rule's length: only the last that begins before it can reach beyond it.
        let before = wrong.partition_point(|other| other.start <= one.start).checked_sub(1);
        before.is_some_and(|at| wrong[at].end >= one.end && wrong[at].len() > one.end - one.start)
    };
    let key_apart = |one: &Candidate| {
        let behind = &text[one.end..];
        let gap = behind
            .iter()
            .take(MAX_SEPARATORS)
            .take_while(|byte| is_separator(**byte) && !matches!(**byte, b'\n' | b'\t'))
            .count();
        let digits = behind[gap..].iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        one.writing != Writing::Plain && gap > 1 && digits == 2
    };
    candidates.retain(|one| one.check != Check::NeedsLabel || !(part(one) || key_apart(one)));
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
    if weighed.excepted {
        return None;
    }
    // A word somewhere in the document names nothing, and another number beside it is no label.
    let names = |(near, holds): (&super::rule::Near, &bool)| {
        *holds && matches!((&near.what, near.within), (NearWhat::Words { .. }, Within::Characters(_)))
    };
    let labelled = rule.near.iter().zip(&weighed.near).any(names);
    let weak = rule.validator.is_none_or(|validator| validator.strength == Strength::Weak);
    let odd = weighed.candidate.writing == Writing::Odd;
    // A number among numbers: with an odd grouping anything can be cut out of a table, and a weak key then proves nothing.
    let doubtful = if weak { odd || !labelled } else { odd && weighed.candidate.check == Check::NeedsLabel };
    if (odd && !labelled) || (weighed.embedded && rule.validator.is_some() && doubtful) {
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

/// `+33612345678` is a telephone with its country, whatever else its digits could be; rules of telephones are technical.
fn is_dialled(rule: &Rule, text: &[u8], candidate: &Candidate) -> bool {
    let before = text[..candidate.start].strip_suffix(b" ").unwrap_or(&text[..candidate.start]);
    // The country, of up to three digits, may stand apart: "+39 0142171118".
    let digits = before.iter().rev().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let plus = before[..before.len() - digits].last() == Some(&b'+');
    plus && rule.category != Category::Technical
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
