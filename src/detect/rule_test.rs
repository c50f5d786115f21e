//! Turns a rule's own tests, or a text an officer tries, into an answer that says why.

use super::rule::{Expected, Near, NearWhat, Rule};
use super::rule_file::Within;
use super::rule_set::RuleSet;
use super::search::search;
use super::shape::Writing;
use super::validators::Check;
use super::weigh::Weighed;
use super::{Confidence, RuleId};
use crate::extract::{Extracted, Place, Text};

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
            let searched = search(&given(rule, &test.text), rules, Some(index));
            let got = searched.spots[index].iter().map(|spot| spot.found.confidence).max();
            let (expected, passed) = match test.expected {
                Expected::Found => (Wanted::Match, got >= Some(Confidence::Medium)),
                Expected::Exactly(confidence) => (Wanted::Exactly(confidence), got == Some(confidence)),
                Expected::Nothing => (Wanted::NoMatch, got < Some(Confidence::Medium)),
            };
            let (file, because) = (rule.file.clone(), test.because.clone());
            outcomes.push(TestOutcome { rule: rule.id.clone(), file, line: test.line, because, expected, got, passed });
        }
        // Each rule's tests warm automata of many rules. All of them together take more memory than the rules, and it does not
        // go back to the system.
        rules.forget_workspaces();
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
    let searched = search(&given(rule, text), rules, Some(index));
    let normalized = super::normalize::normalize(text);
    let inside = |other: Option<usize>| other.map(|other| &rules.rules()[other]);
    let places: Vec<TryPlace> = searched
        .weighed
        .iter()
        .map(|(one, other)| TryPlace {
            span: normalized.original(one.candidate.start, one.candidate.end),
            confidence: one.confidence.filter(|_| other.is_none()),
            reasons: reasons(rule, one, inside(*other)),
        })
        .collect();
    let values = searched.weighed.iter().filter(|(one, _)| one.confidence.is_some()).count();
    let yielded = searched.weighed.iter().filter(|(_, other)| other.is_some()).count();
    let kept = &searched.spots[index];
    let confidence = kept.iter().map(|spot| spot.found.confidence).max();
    let summary = match (confidence, places.is_empty(), values) {
        (Some(confidence), _, _) => format!("{}: {} place(s), confidence {}", rule.id.0, kept.len(), word(confidence)),
        (None, true, _) => format!("{}: nothing in the text is {}", rule.id.0, rule.looks_for()),
        (None, false, 0) => format!("{}: {} place(s) looked right at first, none had enough evidence", rule.id.0, places.len()),
        (None, false, _) if yielded > 0 => {
            format!("{}: all that was found stands inside something that other rules found (yields_to)", rule.id.0)
        }
        (None, false, _) => format!("{}: fewer than {} different values (min)", rule.id.0, rule.min),
    };
    Some(TryReport { rule: rule.id.clone(), confidence, places, summary })
}

fn reasons(rule: &Rule, one: &Weighed, inside: Option<&Rule>) -> Vec<String> {
    let mut reasons = vec![format!("{} stands there", rule.looks_for())];
    if let Some(validator) = rule.validator {
        reasons.push(match one.candidate.check {
            Check::Valid => format!("the validator {} says right", validator.name),
            Check::NeedsLabel => format!("the validator {} says right, but only beside a word that names it", validator.name),
            Check::Invalid => format!("the validator {} says wrong", validator.name),
        });
    }
    for (near, holds) in rule.near.iter().zip(&one.near) {
        let verb = if *holds { "holds" } else { "does not hold" };
        reasons.push(format!("near.{} {verb}: {}", near.name, asked(near)));
    }
    for (near, _) in rule.unless_near.iter().zip(&one.unless).filter(|(_, holds)| **holds) {
        let weight = if one.near.contains(&true) { "but a near word does too: no matter" } else { "one tier less" };
        reasons.push(format!("unless_near.{} holds: {weight}", near.name));
    }
    if one.candidate.writing == Writing::Odd {
        reasons.push("grouped in an unusual way: counts only beside a near word".to_owned());
    }
    if one.embedded {
        reasons.push("seems part of a longer number, name or path".to_owned());
    }
    if one.excepted {
        reasons.push("one of the values that never count (except)".to_owned());
    }
    if let Some(other) = inside {
        reasons.push(format!("stands inside what {} found, to which this rule yields", other.id.0));
    }
    let confidence = one.confidence.filter(|_| inside.is_none());
    reasons.push(confidence.map_or("not reported".to_owned(), |confidence| format!("confidence {}", word(confidence))));
    reasons
}

/// What a near group asks for, in words.
fn asked(near: &Near) -> String {
    let what = match &near.what {
        NearWhat::Words { .. } if near.min == 1 => "one of its words".to_owned(),
        NearWhat::Words { .. } => format!("{} different words of it", near.min),
        NearWhat::Found(_) if near.min == 1 => "a finding of the rules that it names".to_owned(),
        NearWhat::Found(_) => format!("{} different values that the rules it names found", near.min),
    };
    match near.within {
        Within::Characters(within) => format!("{what} within {within} characters"),
        Within::Document => format!("{what} in the same document"),
    }
}

/// A text to try, of a kind in which the rule looks.
fn given(rule: &Rule, text: &str) -> Extracted {
    let kind = rule.kinds.usual();
    let text = Text { place: Place("text".into()), kind, group: 0, content: text.to_owned(), table: None };
    Extracted { texts: vec![text], ..Extracted::default() }
}

pub(crate) fn word(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}
