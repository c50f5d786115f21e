//! Turns a submission into the summary that decides about it: what an audit line keeps, and what is decided again from it.

use super::parties::Parties;
use super::policy::{Policy, Recognised};
use super::{Answer, Decision, decide};
use crate::detect::{Category, Confidence, Findings, RuleId, Status};
use crate::extract::Reason;
use crate::facts::{Fact, Facts, Tally};
use crate::mail::{AccountKind, Address, Identity, Submission, UnixTime};
use std::collections::{BTreeMap, BTreeSet};

/// Everything a decision rests on, without content: addresses, facts, sizes and counts of different values. Serialised into the
/// audit; the same inputs and the same policies give the same decision ([`replay`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Inputs {
    pub from: Option<Address>,
    /// The identity is ours although it names no sender: the gate itself, or a trusted relay's bounce.
    pub from_inside: bool,
    /// Those of the sender that policies name.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub from_groups: BTreeSet<String>,
    /// What the sender's account is; a relay's sender and the gate have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_kind: Option<AccountKind>,
    pub received_at: UnixTimeOrZero,
    pub facts: BTreeSet<Fact>,
    pub recipients: Vec<RecipientInputs>,
    /// By rule name; draft rules are kept apart in `drafts` and decide nothing.
    pub found: BTreeMap<String, Counts>,
    /// Different values of all active rules of a category, each counted once.
    pub categories: BTreeMap<Category, Counts>,
    pub drafts: BTreeMap<String, Counts>,
    pub unreadable: BTreeSet<Reason>,
    pub size: u64,
    pub recipient_count: u64,
    pub visible_external_recipients: u64,
    pub attachment_types: BTreeSet<String>,
    pub subject_tags: Vec<String>,
    /// What the sender answered to an earlier refusal of this message.
    pub answer: Answer,
    /// By window in seconds: different values that the sender tried before, and that are not in this message.
    pub past: BTreeMap<i64, Tally>,
}

/// Seconds since 1970.
pub type UnixTimeOrZero = i64;

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecipientInputs {
    pub address: Address,
    pub has_key: bool,
    /// A password is agreed with this recipient.
    #[serde(default)]
    pub has_password: bool,
    #[serde(default)]
    pub facts: BTreeSet<Fact>,
    /// Those that policies name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
}

/// Different values by the confidence with which they were found at least: `low` counts all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Counts {
    pub high: u64,
    pub medium: u64,
    pub low: u64,
}

impl Counts {
    pub fn at(self, least: Confidence) -> u64 {
        match least {
            Confidence::High => self.high,
            Confidence::Medium => self.medium,
            Confidence::Low => self.low,
        }
    }
}

/// Decides again from what an audit line kept.
pub fn replay(inputs: &Inputs, policy: &Policy) -> Decision {
    decide::judge(inputs, policy, policy.parties())
}

impl Inputs {
    pub fn of(submission: &Submission, facts: &Facts, findings: &Findings) -> Inputs {
        let recipients = submission.recipients.iter().enumerate().map(|(at, address)| {
            // Facts shorter than the recipients would be a mistake of ours: such a recipient has no key and no sparing fact.
            let of = facts.of_recipients.get(at);
            RecipientInputs {
                address: address.clone(),
                has_key: of.is_some_and(|of| of.has_key),
                has_password: of.is_some_and(|of| of.has_password),
                facts: of.map(|of| of.facts.clone()).unwrap_or_default(),
                groups: of.map(|of| of.groups.clone()).unwrap_or_default(),
            }
        });
        let mut inputs = Inputs {
            from: submission.sender().cloned(),
            from_inside: matches!(submission.identity, Identity::Gate)
                || (matches!(submission.identity, Identity::Relay { .. }) && submission.mail_from.is_none()),
            from_groups: facts.sender_groups.clone(),
            from_kind: match &submission.identity {
                Identity::Account { attributes, .. } => Some(attributes.kind),
                Identity::Relay { .. } | Identity::Gate => None,
            },
            received_at: submission.received_at.0,
            facts: facts.of_message.clone(),
            recipients: recipients.collect(),
            unreadable: findings.unreadable.iter().map(|part| part.reason).collect(),
            size: facts.measures.size,
            recipient_count: facts.measures.recipients as u64,
            visible_external_recipients: facts.measures.visible_external_recipients as u64,
            attachment_types: facts.measures.attachment_types.clone(),
            subject_tags: facts.measures.subject_tags.iter().map(|tag| super::words::tag(tag)).collect(),
            past: facts.past.clone(),
            ..Inputs::default()
        };
        inputs.count(findings);
        inputs
    }

    fn count(&mut self, findings: &Findings) {
        let mut of_category: BTreeMap<Category, BTreeMap<u64, Confidence>> = BTreeMap::new();
        for finding in &findings.found {
            let counts = Counts {
                high: finding.unique(Confidence::High) as u64,
                medium: finding.unique(Confidence::Medium) as u64,
                low: finding.unique(Confidence::Low) as u64,
            };
            let id = finding.rule.0.to_string();
            match finding.status {
                Status::Draft => {
                    self.drafts.insert(id, counts);
                }
                Status::Active => {
                    self.found.insert(id, counts);
                    let values = of_category.entry(finding.category).or_default();
                    for place in &finding.places {
                        let best = values.entry(place.value.0).or_insert(place.confidence);
                        *best = place.confidence.max(*best);
                    }
                }
            }
        }
        for (category, values) in of_category {
            let at = |least| values.values().filter(|confidence| **confidence >= least).count() as u64;
            let counts = Counts { high: at(Confidence::High), medium: at(Confidence::Medium), low: at(Confidence::Low) };
            self.categories.insert(category, counts);
        }
    }

    pub(super) fn received(&self) -> UnixTime {
        UnixTime(self.received_at)
    }

    pub(super) fn sender_is_inside(&self, parties: &Parties) -> bool {
        self.from_inside || self.from.as_ref().is_some_and(|address| parties.is_inside(address))
    }

    /// Different values at `least` or above.
    pub(super) fn count_of(&self, what: &Recognised, least: Confidence) -> u64 {
        let counts = match what {
            Recognised::Rule(RuleId(id)) => self.found.get(&**id),
            Recognised::Category(category) => self.categories.get(category),
        };
        counts.map_or(0, |counts| counts.at(least))
    }

    /// The same over `within` seconds, this message included. What is not in this message at all is not counted: a sender who was
    /// refused a list is not kept from writing of other things.
    pub(super) fn count_within(&self, what: &Recognised, least: Confidence, within: Option<i64>) -> u64 {
        let here = self.count_of(what, least);
        let Some(tally) = within.filter(|_| here > 0).and_then(|window| self.past.get(&window)) else { return here };
        let past = match what {
            Recognised::Rule(RuleId(id)) => tally.found.get(&**id),
            Recognised::Category(category) => tally.categories.get(&super::policy::word_of(category)),
        };
        here.saturating_add(past.map_or(0, |counts| counts.at(least)))
    }
}
