//! Turns the texts of one message into what each rule found in them: rules that need nothing but text first, then those that
//! need the findings of others, then what stands inside something better is taken away.

use super::links::{needed, uses_found};
use super::mask;
use super::mentions::Mentions;
use super::near::{Seen, Surroundings};
use super::rule::{Kinds, NearWhat, Rule};
use super::rule_set::RuleSet;
use super::scan::{Candidate, Room, Scanner, Workspace};
use super::shape::Writing;
use super::weigh::{Weighed, best, weigh};
use super::{Confidence, Found, Status, ValueId};
use crate::extract::{Extracted, TextKind};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One value in one place, and where it stands in the normalised text.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub found: Found,
    pub start: usize,
    pub end: usize,
}

/// What came of a search.
#[derive(Debug)]
pub(crate) struct Searched {
    /// Per rule what is reported, in text order.
    pub spots: Vec<Vec<Spot>>,
    /// Of the one rule that was asked for: every candidate, and the rule inside whose place it stands.
    pub weighed: Vec<(Weighed, Option<usize>)>,
    /// Texts that had more candidates than are judged.
    pub cut: Vec<usize>,
}

/// Applies all rules; or one, with those that it names, and says why.
pub(crate) fn search(extracted: &Extracted, rules: &RuleSet, only: Option<usize>) -> Searched {
    let wanted = only.map_or(vec![true; rules.rules().len()], |only| needed(rules.rules(), only));
    rules.with_workspace(|workspace| run(extracted, rules.rules(), &rules.scanner, &wanted, only, workspace))
}

/// Applies all rules with another scanner.
#[cfg(test)]
pub(crate) fn search_with(extracted: &Extracted, rules: &[Rule], scanner: &Scanner, workspace: &mut Workspace) -> Searched {
    run(extracted, rules, scanner, &vec![true; rules.len()], None, workspace)
}

fn run(
    extracted: &Extracted,
    rules: &[Rule],
    scanner: &Scanner,
    wanted: &[bool],
    only: Option<usize>,
    workspace: &mut Workspace,
) -> Searched {
    let mut search = Search {
        all: rules,
        only,
        surroundings: Surroundings::new(extracted, Mentions::of(extracted, &scanner.book)),
        standing: vec![Vec::new(); rules.len()],
        weighed: Vec::new(),
        cut: Vec::new(),
    };
    let waiting = search.first_round(scanner, wanted, workspace);
    if !waiting.is_empty() {
        search.second_round(waiting);
    }
    search.finish()
}

/// Candidates of a rule that needs the findings of others.
struct Waiting {
    rule: usize,
    text: usize,
    candidates: Vec<Candidate>,
}

struct Search<'a> {
    all: &'a [Rule],
    only: Option<usize>,
    surroundings: Surroundings<'a>,
    /// What each rule found, whether or not it yields to another.
    standing: Vec<Vec<Spot>>,
    weighed: Vec<(usize, Weighed)>,
    cut: Vec<usize>,
}

impl<'a> Search<'a> {
    fn first_round(&mut self, scanner: &Scanner, wanted: &[bool], workspace: &mut Workspace) -> Vec<Waiting> {
        let extracted = self.surroundings.extracted;
        let second_readings = second_readings(extracted);
        let waits: Vec<bool> = self.all.iter().map(uses_found).collect();
        // Who asks about one rule is told of every candidate.
        let named = match self.only {
            Some(_) => vec![true; self.all.len()],
            None => scanner.named(&self.surroundings.mentions),
        };
        let mut room = Room::new(self.all.len());
        let mut later = Vec::new();
        for (text, written) in extracted.texts.iter().enumerate() {
            let kinds = match written.kind {
                TextKind::Alternative => second_readings.get(&written.group).copied().unwrap_or(Kinds::WHOLE),
                kind => Kinds::of(kind),
            };
            let room = (&mut room, &mut *workspace);
            let (candidates, whole) = scanner.scan(self.all, extracted, &self.surroundings.mentions, &named, text, room);
            if !whole {
                self.cut.push(text);
            }
            for (rule, candidates) in candidates {
                if candidates.is_empty() || !wanted[rule] || !self.all[rule].kinds.meets(kinds) {
                    continue;
                }
                if waits[rule] {
                    later.push(Waiting { rule, text, candidates });
                } else {
                    self.weigh(rule, candidates, text);
                }
            }
        }
        for (rule, standing) in self.all.iter().zip(&mut self.standing) {
            enough(rule, standing, extracted);
        }
        later
    }

    fn second_round(&mut self, waiting: Vec<Waiting>) {
        let mut rules: Vec<usize> = waiting.iter().map(|waiting| waiting.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        let mut evidence: HashMap<usize, Vec<Seen>> = HashMap::new();
        for rule in &rules {
            for (group, near) in self.all[*rule].near.iter().chain(&self.all[*rule].unless_near).enumerate() {
                let NearWhat::Found(others) = &near.what else { continue };
                let mut seen = Vec::new();
                for other in others.iter().filter(|other| self.counts_for(**other, *rule)) {
                    seen.extend_from_slice(evidence.entry(*other).or_insert_with(|| self.evidence_of(*other)));
                }
                self.surroundings.know((*rule, group), seen);
            }
        }
        for Waiting { rule, text, candidates } in waiting {
            self.weigh(rule, candidates, text);
        }
        for rule in rules {
            enough(&self.all[rule], &mut self.standing[rule], self.surroundings.extracted);
        }
    }

    fn weigh(&mut self, rule: usize, candidates: Vec<Candidate>, text: usize) {
        let weighed = weigh((rule, &self.all[rule]), candidates, text, &mut self.surroundings);
        if self.only == Some(rule) {
            self.weighed.extend(weighed.iter().cloned().map(|one| (text, one)));
        }
        let spots = best(weighed).into_iter().filter_map(|one| spot(&self.all[rule], one, text, &self.surroundings));
        self.standing[rule].extend(spots);
    }

    /// A draft is acted on by nobody: it is no evidence for active rules, and hides nothing of theirs.
    fn counts_for(&self, other: usize, rule: usize) -> bool {
        self.all[other].status == Status::Active || self.all[rule].status == Status::Draft
    }

    /// The findings of a rule that may be evidence for another.
    fn evidence_of(&self, rule: usize) -> Vec<Seen> {
        let sure = self.standing[rule].iter().filter(|spot| spot.found.confidence >= Confidence::Medium);
        let own =
            sure.filter(|spot| self.yields(rule, (spot.found.text, spot.start, spot.end), spot.found.confidence).is_none());
        own.map(|spot| Seen {
            text: spot.found.text,
            start: spot.start,
            end: spot.end,
            span: spot.found.span,
            value: spot.found.value,
        })
        .collect()
    }

    /// The rule inside one of whose places this place of `rule` lies, at the same or a higher confidence.
    fn yields(&self, rule: usize, (text, start, end): (usize, usize, usize), confidence: Confidence) -> Option<usize> {
        let holds = |other: &&usize| {
            let spots = &self.standing[**other];
            let before = spots.partition_point(|spot| (spot.found.text, spot.start) <= (text, start));
            let spot = before.checked_sub(1).map(|place| &spots[place]);
            spot.is_some_and(|spot| spot.found.text == text && spot.end >= end && spot.found.confidence >= confidence)
        };
        self.all[rule].yields_to.iter().filter(|other| self.counts_for(**other, rule)).find(holds).copied()
    }

    fn finish(mut self) -> Searched {
        let yielding: Vec<Vec<bool>> = (0..self.all.len())
            .map(|rule| {
                let place = |spot: &Spot| (spot.found.text, spot.start, spot.end);
                let yields = |spot: &Spot| self.yields(rule, place(spot), spot.found.confidence).is_some();
                if self.all[rule].yields_to.is_empty() { Vec::new() } else { self.standing[rule].iter().map(yields).collect() }
            })
            .collect();
        let weighed = std::mem::take(&mut self.weighed).into_iter().map(|(text, one)| {
            let place = (text, one.candidate.start, one.candidate.end);
            let inside = one.confidence.and_then(|confidence| self.yields(self.only?, place, confidence));
            (one, inside)
        });
        let weighed = weighed.collect();
        let extracted = self.surroundings.extracted;
        for ((rule, spots), yields) in self.all.iter().zip(&mut self.standing).zip(yielding) {
            if yields.contains(&true) {
                let mut yields = yields.into_iter();
                spots.retain(|_| yields.next() != Some(true));
                enough(rule, spots, extracted);
            }
        }
        Searched { spots: self.standing, weighed, cut: self.cut }
    }
}

/// Of each group the kinds of its texts: what a second reading of one of them may be a reading of.
fn second_readings(extracted: &Extracted) -> HashMap<u32, Kinds> {
    let mut kinds: HashMap<u32, Kinds> = HashMap::new();
    for text in extracted.texts.iter().filter(|text| !matches!(text.kind, TextKind::Alternative | TextKind::FileName)) {
        let known = kinds.entry(text.group).or_insert(Kinds::NONE);
        *known = known.and(Kinds::of(text.kind));
    }
    kinds
}

fn spot(rule: &Rule, one: Weighed, text: usize, surroundings: &Surroundings<'_>) -> Option<Spot> {
    let Candidate { start, end, .. } = one.candidate;
    let normalized = &surroundings.mentions.reads[text].normalized;
    let value = &normalized.text()[start..end];
    let original = normalized.original(start, end);
    // Of a registered document or row its number counts, however its passage begins and ends.
    let (masked, value, digest) = match one.candidate.writing {
        Writing::Passage { document, share } => (
            format!("{} n° {document} ({share} %)", rule.title_fr),
            mask::value_id(&document.to_le_bytes()),
            mask::value_digest(&document.to_le_bytes()),
        ),
        Writing::Row { row } => {
            (mask::masked(rule, value), mask::value_id(&row.to_le_bytes()), mask::value_digest(&row.to_le_bytes()))
        }
        _ => (mask::masked(rule, value), mask::value_id(value), mask::value_digest(value)),
    };
    let found = Found {
        place: surroundings.extracted.texts[text].place.clone(),
        confidence: one.confidence?,
        masked,
        value,
        digest,
        text,
        span: (original.0 as u32, original.1 as u32),
    };
    Some(Spot { found, start, end })
}

/// What remains after `min`, which counts different values in one body or attachment.
fn enough(rule: &Rule, spots: &mut Vec<Spot>, extracted: &Extracted) {
    if rule.min <= 1 {
        return;
    }
    let mut values: BTreeMap<u32, BTreeSet<ValueId>> = BTreeMap::new();
    for Spot { found, .. } in spots.iter() {
        values.entry(extracted.texts[found.text].group).or_default().insert(found.value);
    }
    spots.retain(|spot| values.get(&extracted.texts[spot.found.text].group).is_some_and(|values| values.len() >= rule.min));
}
