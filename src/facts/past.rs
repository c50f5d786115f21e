//! Turns what a sender has tried before, and what a message holds, into counts of different values over hours and days.

use crate::detect::{Category, Confidence, Findings, Status, ValueDigest};
use crate::mail::UnixTime;
use aws_lc_rs::hmac;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What policies count over several messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembers {
    pub rules: BTreeSet<String>,
    pub categories: BTreeSet<Category>,
    /// Seconds.
    pub windows: BTreeSet<i64>,
}

impl Remembers {
    /// The longest window in seconds; 0 when nothing is counted.
    pub fn longest(&self) -> i64 {
        self.windows.last().copied().unwrap_or(0)
    }
}

/// One value that was tried, or is in this message: nothing that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastTry {
    pub rule: String,
    /// Keyed digest.
    pub value: [u8; 16],
    pub category: String,
    /// 1 low, 2 medium, 3 high.
    pub confidence: u8,
    pub at: UnixTime,
}

/// The key of the digests.
#[derive(Clone, Debug)]
pub struct PastKey(Arc<hmac::Key>);

impl PastKey {
    pub fn new(key: &[u8; 32]) -> PastKey {
        PastKey(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// Half of HMAC-SHA-256; `kind` keeps digests of different things apart.
    pub fn digest(&self, kind: &str, what: &[u8]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(what);
        let mut half = [0; 16];
        half.copy_from_slice(&context.sign().as_ref()[..16]);
        half
    }

    fn of_value(&self, value: &ValueDigest) -> [u8; 16] {
        self.digest("value", &value.0)
    }
}

/// What memory knows of this sender's earlier messages.
#[derive(Clone, Debug, Default)]
pub struct Past {
    pub remembers: Arc<Remembers>,
    /// Within the longest window.
    pub tries: Vec<PastTry>,
    /// As many as are kept: there may have been more.
    pub at_bound: bool,
    /// Absent where nothing is remembered: in commands that only look.
    pub key: Option<PastKey>,
}

/// Different values, by the confidence with which they were found at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct PastCounts {
    pub high: u64,
    pub medium: u64,
    pub low: u64,
}

/// Different values tried within one window before this message and not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Tally {
    pub found: BTreeMap<String, PastCounts>,
    pub categories: BTreeMap<String, PastCounts>,
}

/// Stands for "as many as can be" where more were tried than are kept: fail closed.
const AT_BOUND: u64 = 10_000;

/// The values of this message that count, and by window (seconds) what was tried before.
pub(super) fn past(findings: &Findings, past: &Past, at: UnixTime) -> (Vec<PastTry>, BTreeMap<i64, Tally>) {
    let Some(key) = past.key.as_ref().filter(|_| past.remembers.longest() > 0) else { return Default::default() };
    let mut values: HashMap<(String, [u8; 16]), PastTry> = HashMap::new();
    let wanted = |finding: &&crate::detect::Finding| {
        finding.status == Status::Active
            && (past.remembers.rules.contains(&*finding.rule.0) || past.remembers.categories.contains(&finding.category))
    };
    for finding in findings.found.iter().filter(wanted) {
        for place in &finding.places {
            let (rule, value) = (finding.rule.0.to_string(), key.of_value(&place.digest));
            let confidence = grade(place.confidence);
            let one = values.entry((rule.clone(), value)).or_insert_with(|| PastTry {
                rule,
                value,
                category: word(finding.category),
                confidence,
                at,
            });
            one.confidence = one.confidence.max(confidence);
        }
    }
    let here: BTreeSet<[u8; 16]> = values.values().map(|one| one.value).collect();
    let tally = |window: &i64| {
        let mut tally = Tally::default();
        // A category counts a value once, whichever of its rules found it.
        let mut of_category: BTreeMap<(&str, [u8; 16]), u8> = BTreeMap::new();
        for one in past.tries.iter().filter(|one| one.at.0 > at.0 - window) {
            if !values.contains_key(&(one.rule.clone(), one.value)) {
                tally.found.entry(one.rule.clone()).or_default().add(one.confidence);
            }
            if !here.contains(&one.value) {
                let best = of_category.entry((&one.category, one.value)).or_default();
                *best = one.confidence.max(*best);
            }
        }
        for ((category, _), confidence) in of_category {
            tally.categories.entry(category.to_owned()).or_default().add(confidence);
        }
        if past.at_bound {
            let most = PastCounts { high: AT_BOUND, medium: AT_BOUND, low: AT_BOUND };
            tally.found.extend(values.keys().map(|(rule, _)| (rule.clone(), most)));
            tally.categories.extend(values.values().map(|one| (one.category.clone(), most)));
        }
        (*window, tally)
    };
    let tallies = past.remembers.windows.iter().map(tally).collect();
    (values.into_values().collect(), tallies)
}

impl PastCounts {
    fn add(&mut self, confidence: u8) {
        self.low += 1;
        self.medium += u64::from(confidence >= 2);
        self.high += u64::from(confidence >= 3);
    }

    pub fn at(self, least: Confidence) -> u64 {
        match least {
            Confidence::High => self.high,
            Confidence::Medium => self.medium,
            Confidence::Low => self.low,
        }
    }
}

fn grade(confidence: Confidence) -> u8 {
    match confidence {
        Confidence::Low => 1,
        Confidence::Medium => 2,
        Confidence::High => 3,
    }
}

/// A category as files call it.
fn word(category: Category) -> String {
    serde_json::to_value(category).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
