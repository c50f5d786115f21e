//! Turns a rule's own tests, or a text an officer tries, into an answer that says why.

use super::rule::{Expected, Rule};
use super::rule_set::RuleSet;
use super::shape::Writing;
use super::validators::Check;
use super::weigh::{Context, Weighed, best, weigh};
use super::{Confidence, RuleId};
use crate::extract::{Extracted, Place, Text, TextKind};

/// How one `[[match]]` or `[[no_match]]` came out.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    pub rule: RuleId,
    pub file: String,
    /// Where the test begins in the file.
    pub line: usize,
    pub because: String,
    pub expected: Wanted,
    /// The highest confidence that was reached.
    pub got: Option<Confidence>,
    pub passed: bool,
}

/// What a test wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Medium or above.
    Match,
    Exactly(Confidence),
    /// Nothing at medium or above.
    NoMatch,
}

impl TestOutcome {
    /// `a test fails: expected high, found nothing (written as on the card …)`.
    pub fn sentence(&self) -> String {
        let wanted = match self.expected {
            Wanted::Match => "medium or high".to_owned(),
            Wanted::Exactly(confidence) => word(confidence).to_owned(),
            Wanted::NoMatch => "nothing at medium or above".to_owned(),
        };
        let state = if self.passed { "a test passes" } else { "a test fails" };
        let got = self.got.map_or("nothing", word);
        let why =
            if self.passed { String::new() } else { format!("; see why with: postern rules try {} \"…\"", self.rule.0) };
        format!("{state}: expected {wanted}, found {got} ({}){why}", self.because)
    }
}

/// Runs the tests of one rule, or of all.
pub fn run_tests(rules: &RuleSet, id: Option<&str>) -> Vec<TestOutcome> {
    let mut outcomes = Vec::new();
    for (index, rule) in rules.rules().iter().enumerate() {
        if id.is_some_and(|id| id != &*rule.id.0) {
            continue;
        }
        for test in &rule.tests {
            let weighed = weigh_text(rules, index, rule, &test.text);
            let got = best(weighed).iter().filter_map(|one| one.confidence).max();
            let (expected, passed) = match test.expected {
                Expected::Found => (Wanted::Match, got >= Some(Confidence::Medium)),
                Expected::Exactly(confidence) => (Wanted::Exactly(confidence), got == Some(confidence)),
                Expected::Nothing => (Wanted::NoMatch, got < Some(Confidence::Medium)),
            };
            let (file, because) = (rule.file.clone(), test.because.clone());
            outcomes.push(TestOutcome { rule: rule.id.clone(), file, line: test.line, because, expected, got, passed });
        }
    }
    outcomes
}

/// What one rule makes of one text.
#[derive(Clone, Debug)]
pub struct TryReport {
    pub rule: RuleId,
    /// The highest confidence; `None` when nothing is reported.
    pub confidence: Option<Confidence>,
    /// Every place that has what the rule looks for, taken or not.
    pub places: Vec<TryPlace>,
    /// The whole answer in one sentence.
    pub summary: String,
}

/// One place of the tried text.
#[derive(Clone, Debug)]
pub struct TryPlace {
    /// Byte range in the tried text.
    pub span: (usize, usize),
    pub confidence: Option<Confidence>,
    /// In order: what was found, what the validator says, which words are near, what counts against it.
    pub reasons: Vec<String>,
}

/// Applies one rule to a text; `None` when there is no such rule. The report holds no part of the text, only where it is.
pub fn try_text(rules: &RuleSet, id: &str, text: &str) -> Option<TryReport> {
    let (index, rule) = rules.rules().iter().enumerate().find(|(_, rule)| &*rule.id.0 == id)?;
    let normalized = super::normalize::normalize(text);
    let weighed = weigh_text(rules, index, rule, text);
    let places: Vec<TryPlace> = weighed
        .iter()
        .map(|one| TryPlace {
            span: normalized.original(one.candidate.start, one.candidate.end),
            confidence: one.confidence,
            reasons: reasons(rule, one),
        })
        .collect();
    let values = weighed.iter().filter(|one| one.confidence.is_some()).count();
    let kept = best(weighed);
    let confidence = kept.iter().filter_map(|one| one.confidence).max();
    let summary = match (confidence, places.is_empty(), values) {
        (Some(confidence), _, _) => format!("{}: {} place(s), confidence {}", rule.id.0, kept.len(), word(confidence)),
        (None, true, _) => format!("{}: nothing in the text is {}", rule.id.0, rule.looks_for()),
        (None, false, 0) => format!("{}: {} place(s) looked right at first, none had enough evidence", rule.id.0, places.len()),
        (None, false, _) => format!("{}: fewer than {} different values (min)", rule.id.0, rule.min),
    };
    Some(TryReport { rule: rule.id.clone(), confidence, places, summary })
}

fn reasons(rule: &Rule, one: &Weighed) -> Vec<String> {
    let mut reasons = vec![format!("{} stands there", rule.looks_for())];
    if let Some(validator) = rule.validator {
        reasons.push(match one.candidate.check {
            Check::Valid => format!("the validator {} says right", validator.name),
            Check::NeedsLabel => format!("the validator {} says right, but only beside a word that names it", validator.name),
            Check::Invalid => format!("the validator {} says wrong", validator.name),
        });
    }
    for (near, holds) in rule.near.iter().zip(&one.near) {
        reasons.push(format!(
            "near.{} {} within {} characters",
            near.name,
            if *holds { "holds" } else { "does not hold" },
            near.within
        ));
    }
    for (near, holds) in rule.unless_near.iter().zip(&one.unless).filter(|(_, holds)| **holds) {
        let weight = if one.near.contains(&true) { "but a near word does too: no matter" } else { "one tier less" };
        debug_assert!(holds);
        reasons.push(format!("unless_near.{} holds: {weight}", near.name));
    }
    if one.candidate.writing == Writing::Odd {
        reasons.push("grouped in an unusual way: counts only beside a near word".to_owned());
    }
    if one.embedded {
        reasons.push("seems part of a longer number, name or path".to_owned());
    }
    reasons.push(one.confidence.map_or("not reported".to_owned(), |confidence| format!("confidence {}", word(confidence))));
    reasons
}

fn weigh_text(rules: &RuleSet, index: usize, rule: &Rule, text: &str) -> Vec<Weighed> {
    let text = Text { place: Place("text".into()), kind: TextKind::Body, group: 0, content: text.to_owned(), table: None };
    let extracted = Extracted { texts: vec![text], ..Extracted::default() };
    let normalized = super::normalize::normalize(&extracted.texts[0].content);
    let mut candidates = rules.with_workspace(|workspace| rules.scanner.scan(rules.rules(), &normalized, workspace));
    let context = Context { extracted: &extracted, index: 0, normalized: &normalized };
    let weighed = weigh(rule, std::mem::take(&mut candidates[index]), &context);
    let mut known = super::DistinctValues::default();
    for one in best(weighed.clone()) {
        known.add(0, super::mask::value_id(&normalized.text()[one.candidate.start..one.candidate.end]));
    }
    if known.count(0) < rule.min {
        weighed.into_iter().map(|one| Weighed { confidence: None, ..one }).collect()
    } else {
        weighed
    }
}

pub(crate) fn word(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}
