//! Turns texts into findings: which rule recognised what, where, and how surely.

mod blocks;
mod exact_match;
mod exact_places;
mod expression;
mod fingerprint;
mod grams;
mod index;
mod links;
mod literals;
mod mask;
mod mentions;
mod near;
mod nearby;
mod normalize;
mod reach;
mod rule;
mod rule_file;
mod rule_set;
mod rule_test;
mod scan;
mod search;
mod shape;
mod starts;
mod suggestion;
mod validators;
mod weigh;
mod windows;
mod words;

pub use exact_match::{ColumnReport, ExactBuilder, ExactIndex};
pub use fingerprint::{FingerprintBuilder, FingerprintIndex};
pub use index::{IndexError, IndexKey, Indexes};
pub use nearby::{NearWord, near_words};
pub use rule::{ListFile, Rule};
pub use rule_file::{RuleError, SourceFile};
pub use rule_set::RuleSet;
pub use rule_test::{TestOutcome, TryPlace, TryReport, Wanted, run_tests, try_text};
pub use suggestion::{closest, suggestion};
pub use validators::{Check, Strength, Validator, validators};

use crate::extract::{Extracted, Place, Reason, Unreadable};
use std::sync::Arc;

/// The name of a rule: `fr-nir`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleId(pub Arc<str>);

impl serde::Serialize for RuleId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// How strong the evidence is. Ordered: `Low < Medium < High`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    Low,
    Medium,
    High,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    Identity,
    Finance,
    Health,
    Secret,
    Marking,
    Education,
    Hr,
    Legal,
    Technical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Active,
    /// Counted and shown, acted on by nobody.
    Draft,
}

/// What all rules found in one message, and what could not be read.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// One per rule that found anything, by rule name.
    pub found: Vec<Finding>,
    pub unreadable: Vec<Unreadable>,
    /// Locked files that a password told in the same message opened.
    pub opened: Vec<Place>,
}

/// What one rule found.
#[derive(Clone, Debug)]
pub struct Finding {
    pub rule: RuleId,
    pub category: Category,
    pub status: Status,
    /// The highest of its places.
    pub confidence: Confidence,
    pub places: Vec<Found>,
}

/// One value in one place.
#[derive(Clone, Debug)]
pub struct Found {
    pub place: Place,
    pub confidence: Confidence,
    /// The value with all but its last two characters hidden; of words and secrets only the rule's title.
    pub masked: String,
    /// Equal for equal normalised values; keyed anew in every process, so that it tells nothing outside it.
    pub value: ValueId,
    /// Equal for equal normalised values, in every process: only to be kept under a key.
    pub digest: ValueDigest,
    /// Index in [`crate::extract::Extracted::texts`] and byte range in its content.
    pub text: usize,
    pub span: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u64);

/// SHA-256 of a normalised value. Numbers can be guessed from it: it never leaves memory but as a keyed digest, and does not show itself.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ValueDigest(pub [u8; 32]);

impl std::fmt::Debug for ValueDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ValueDigest(…)")
    }
}

impl Finding {
    /// How many different values were found at `at_least` or above.
    pub fn unique(&self, at_least: Confidence) -> usize {
        let values = self.places.iter().filter(|found| found.confidence >= at_least).map(|found| found.value);
        values.collect::<std::collections::BTreeSet<_>>().len()
    }

    /// How many places at `at_least` or above.
    pub fn count(&self, at_least: Confidence) -> usize {
        self.places.iter().filter(|found| found.confidence >= at_least).count()
    }
}

/// Places that one finding names, at most; the surest are kept.
const MAX_PLACES: usize = 10_000;

/// Applies all rules to all texts of a message. What could not be read is handed on, with names masked like all places.
pub fn detect(extracted: &Extracted, rules: &RuleSet) -> Findings {
    let mut findings = find(extracted, rules);
    // Where reading was cut short already, that is said once.
    findings.unreadable.retain(|cut| !extracted.unreadable.contains(cut));
    findings.unreadable.splice(..0, extracted.unreadable.iter().cloned());
    findings.opened = extracted.opened.clone();
    mask::mask_places(&mut findings, extracted, rules);
    findings
}

/// The findings with places as they were given.
fn find(extracted: &Extracted, rules: &RuleSet) -> Findings {
    let searched = search::search(extracted, rules, None);
    let found = rules.rules().iter().zip(searched.spots).filter_map(|(rule, spots)| finding(rule, spots)).collect();
    // What was not judged may be anything: it counts as not read.
    let over = |text: &usize| Unreadable { part: extracted.texts[*text].place.clone(), reason: Reason::OverBudget };
    Findings { found, unreadable: searched.cut.iter().map(over).collect(), ..Findings::default() }
}

fn finding(rule: &Rule, spots: Vec<search::Spot>) -> Option<Finding> {
    let mut places: Vec<Found> = spots.into_iter().map(|spot| spot.found).collect();
    if places.len() > MAX_PLACES {
        places.sort_by_key(|found| (std::cmp::Reverse(found.confidence), found.text, found.span));
        places.truncate(MAX_PLACES);
        places.sort_by_key(|found| (found.text, found.span));
    }
    let confidence = places.iter().map(|found| found.confidence).max()?;
    Some(Finding { rule: rule.id.clone(), category: rule.category, status: rule.status, confidence, places })
}

#[cfg(test)]
pub(crate) mod tests;
