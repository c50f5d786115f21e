//! Turns texts into findings: which rule recognised what, where, and how surely.

use crate::extract::{Place, Unreadable};
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
    /// Index in [`crate::extract::Extracted::texts`] and byte range in its content.
    pub text: usize,
    pub span: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u64);

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
