//! Turns the `[[case]]`s of a policy file into outcomes: what was expected, and what came out.

use super::groups::{KINDS, group_name};
use super::policy::{FACTS, Named, Policy, Reader, named};
use super::policy_file::{At, Complaints, Table};
use super::record::{Counts, Inputs, RecipientInputs};
use super::{Disposition, Verdict, decide};
use crate::detect::{RuleId, suggestion};
use crate::facts::{Fact, PastCounts, Tally};
use crate::mail::Address;
use std::collections::BTreeSet;
use toml::de::{DeTable, DeValue};

/// One `[[case]]`, read and checked.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub title: String,
    /// Octet in the file, for messages.
    pub at: usize,
    line: usize,
    inputs: Inputs,
    expect: Expected,
    by: Option<String>,
    watched: Option<BTreeSet<String>>,
}

/// How one case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseOutcome {
    pub title: String,
    pub line: usize,
    /// `None` when it came out as it says.
    pub failure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    /// It leaves, and nobody asks for encryption.
    Allow,
    Encrypt,
    /// It leaves under the password that is agreed with the recipient.
    Container,
    EncryptIfPossible,
    Tls,
    Sign,
    IndividualCopies,
    Defer,
    Quarantine,
    Block,
    /// It is refused, and passes when its sender confirms.
    Confirm,
}

const EXPECTED: [Expected; 11] = [
    Expected::Allow,
    Expected::Encrypt,
    Expected::Container,
    Expected::EncryptIfPossible,
    Expected::Tls,
    Expected::Sign,
    Expected::IndividualCopies,
    Expected::Defer,
    Expected::Quarantine,
    Expected::Block,
    Expected::Confirm,
];

const CASE: &[&str] = &[
    "title",
    "from",
    "from_groups",
    "from_kind",
    "to",
    "to_groups",
    "facts",
    "found",
    "before",
    "unreadable",
    "has_key",
    "has_password",
    "size",
    "recipients",
    "visible_external_recipients",
    "attachment_types",
    "subject_tag",
    "expect",
    "by",
    "watched",
    "because",
    "at",
];

/// Every case of the file, in its order.
pub fn run_cases(policy: &Policy) -> Vec<CaseOutcome> {
    policy.cases.iter().map(|case| run_case(case, policy)).collect()
}

pub(super) fn run_case(case: &Case, policy: &Policy) -> CaseOutcome {
    let decision = decide::judge(&case.inputs, policy, &policy.case_parties);
    // Of several recipients the one who fares worst speaks for the case, as for the submission.
    let verdict = decision.verdicts.iter().max_by_key(|verdict| (verdict.disposition, verdict.requires.encrypt));
    let mut failure = match verdict {
        Some(verdict) => case.expect.missed_by(verdict, case.by.as_deref()),
        None => Some("it names no recipient".to_owned()),
    };
    if let (None, Some(expected)) = (&failure, &case.watched) {
        let watched: BTreeSet<String> = decision.watched.iter().map(|id| id.0.to_string()).collect();
        if watched != *expected {
            let list = watched.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            failure = Some(format!("watched were [{list}]"));
        }
    }
    CaseOutcome {
        title: case.title.clone(),
        line: case.line,
        failure: failure.map(|why| format!("the case \"{}\" fails: {why}", case.title)),
    }
}

impl Expected {
    fn missed_by(self, verdict: &Verdict, by: Option<&str>) -> Option<String> {
        let leaves = verdict.disposition == Disposition::Allow;
        let holds = match self {
            Expected::Allow => leaves && !verdict.requires.encrypt,
            Expected::Encrypt => leaves && verdict.requires.encrypt,
            Expected::Container => verdict.is_in_container(),
            Expected::EncryptIfPossible => leaves && verdict.requires.encrypt_if_possible,
            Expected::Tls => leaves && verdict.requires.tls,
            Expected::Sign => leaves && verdict.requires.sign,
            Expected::IndividualCopies => leaves && verdict.requires.individual_copies,
            Expected::Defer => verdict.disposition == Disposition::Defer,
            Expected::Quarantine => verdict.disposition == Disposition::Quarantine,
            Expected::Block => verdict.disposition == Disposition::Block,
            Expected::Confirm => {
                let mut blocks = verdict.reasons.iter().filter(|applied| applied.disposition == Disposition::Block);
                verdict.disposition == Disposition::Block && blocks.all(|applied| applied.recourse.confirm)
            }
        };
        let decided: Vec<&str> = verdict
            .reasons
            .iter()
            .filter(|applied| applied.disposition == verdict.disposition)
            .filter(|applied| !matches!(self, Expected::Encrypt | Expected::Container) || applied.requires.encrypt)
            .map(|applied| &*applied.policy.0)
            .collect();
        if holds && by.is_none_or(|by| decided.contains(&by)) {
            return None;
        }
        let word = super::policy::word_of(&self);
        let expected = by.map_or(format!("expected {word}"), |by| format!("expected {word} by \"{by}\""));
        let came = if decided.is_empty() { "no policy".to_owned() } else { format!("\"{}\"", decided.join("\", \"")) };
        Some(format!("{expected}, came out {} by {came}", verdict.word()))
    }
}

impl Case {
    pub fn read(table: &DeTable, at: usize, names: &Named, reader: &Reader, complaints: &mut Complaints) -> Option<Case> {
        let policies = names.policies;
        let table = Table::new(table, "[[case]]", at, CASE, complaints);
        for key in ["title", "from", "to", "expect"] {
            if !table.has(key) {
                complaints.say(at, format!("a [[case]] needs {key}"));
            }
        }
        let title = table.text("title", complaints)?;
        let from = table.text("from", complaints).and_then(|text| address(&text, complaints));
        let has_key = table.flag("has_key", complaints).unwrap_or(false);
        let has_password = table.flag("has_password", complaints).unwrap_or(false);
        let facts: BTreeSet<Fact> =
            table.texts("facts", complaints).iter().filter_map(|text| named(text, "fact", FACTS, complaints)).collect();
        let to: Vec<Address> = table.texts("to", complaints).iter().filter_map(|text| address(text, complaints)).collect();
        let to_groups = groups(&table, "to_groups", names, complaints);
        let mut inputs = Inputs {
            from: Some(from?),
            from_groups: groups(&table, "from_groups", names, complaints),
            from_kind: table.text("from_kind", complaints).and_then(|text| named(&text, "kind", &KINDS, complaints)),
            received_at: table.moment("at", complaints).map_or(0, |moment| moment.0),
            facts,
            unreadable: reader.reasons(&table, complaints),
            size: table.octets("size", complaints).unwrap_or(0),
            recipient_count: table.number("recipients", 1, complaints).unwrap_or(to.len() as u64),
            visible_external_recipients: table.number("visible_external_recipients", 0, complaints).unwrap_or(0),
            attachment_types: table.texts("attachment_types", complaints).iter().map(|t| t.value.to_lowercase()).collect(),
            subject_tags: table.texts("subject_tag", complaints).iter().map(|t| super::words::tag(t.value)).collect(),
            ..Inputs::default()
        };
        let one =
            |address| RecipientInputs { address, has_key, has_password, facts: BTreeSet::new(), groups: to_groups.clone() };
        inputs.recipients = to.into_iter().map(one).collect();
        read_found(&table, "found", reader, &mut inputs, complaints);
        read_before(&table, reader, &mut inputs, complaints);
        let expect = table.text("expect", complaints).and_then(|text| named(&text, "outcome", &EXPECTED, complaints));
        let by = table.text("by", complaints);
        if let Some(by) = &by {
            check_policy(by, policies, complaints);
        }
        let watched = table.has("watched").then(|| {
            let names = table.texts("watched", complaints);
            names.iter().for_each(|name| check_policy(name, policies, complaints));
            names.iter().map(|name| name.value.to_owned()).collect()
        });
        Some(Case {
            title: title.value.to_owned(),
            at,
            line: complaints.line(at),
            inputs,
            expect: expect?,
            by: by.map(|by| by.value.to_owned()),
            watched,
        })
    }
}

/// `found = { fr-nir = { high = 1, medium = 2 }, iban = 3 }`: different values by the tier in which they are found; a bare number
/// is of the highest.
fn read_found(table: &Table, key: &str, reader: &Reader, inputs: &mut Inputs, complaints: &mut Complaints) {
    for (name, value) in table.open_table(key, complaints) {
        let counts = match value.get_ref() {
            DeValue::Table(tiers) => {
                let tiers = Table::new(tiers, "found", value.span().start, &["high", "medium", "low"], complaints);
                let mut tier = |key| tiers.number(key, 0, complaints).unwrap_or(0);
                let (high, medium, low) = (tier("high"), tier("medium"), tier("low"));
                Counts { high, medium: high.saturating_add(medium), low: high.saturating_add(medium).saturating_add(low) }
            }
            _ => match table_number(value) {
                Some(count) => Counts { high: count, medium: count, low: count },
                None => {
                    complaints.say(value.span().start, format!("write {} = {{ high = 1 }}", name.value));
                    continue;
                }
            },
        };
        let Some(rule) = reader.rules.rules.get(&RuleId(name.value.into())) else {
            // Says that there is no such rule, with suggestions.
            reader.recognised(&name, complaints);
            continue;
        };
        inputs.found.insert(name.value.to_owned(), counts);
        let category = inputs.categories.entry(rule.category).or_default();
        category.high = category.high.saturating_add(counts.high);
        category.medium = category.medium.saturating_add(counts.medium);
        category.low = category.low.saturating_add(counts.low);
    }
}

/// A name that no policy names is a slip: the case would try nothing.
fn groups(table: &Table, key: &str, names: &Named, complaints: &mut Complaints) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    for text in table.texts(key, complaints) {
        let Some(name) = group_name(&text, text.value, complaints) else { continue };
        if !names.groups.contains(&name) {
            let known: Vec<&str> = names.groups.iter().map(String::as_str).collect();
            complaints.say(text.at, format!("no policy names the group \"{name}\"; {}", suggestion(&name, &known)));
        }
        groups.insert(name);
    }
    groups
}

/// `before = { fr-nir = 19 }`: other values that the same sender tried within the window, whichever it is.
fn read_before(table: &Table, reader: &Reader, inputs: &mut Inputs, complaints: &mut Complaints) {
    let mut before = Inputs::default();
    read_found(table, "before", reader, &mut before, complaints);
    let past = |counts: &Counts| PastCounts { high: counts.high, medium: counts.medium, low: counts.low };
    let tally = Tally {
        found: before.found.iter().map(|(rule, counts)| (rule.clone(), past(counts))).collect(),
        categories: before.categories.iter().map(|(of, counts)| (super::policy::word_of(of), past(counts))).collect(),
    };
    if !tally.found.is_empty() {
        inputs.past = (1..=7 * 24).map(|hours| (hours * 3_600, tally.clone())).collect();
    }
}

fn table_number(value: &toml::Spanned<DeValue>) -> Option<u64> {
    value.get_ref().as_integer().and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok())
}

fn check_policy(name: &At<&str>, policies: &[&str], complaints: &mut Complaints) {
    if !policies.contains(&name.value) && name.value != super::policy::DEFAULT {
        complaints.say(name.at, format!("there is no policy \"{}\"; {}", name.value, suggestion(name.value, policies)));
    }
}

fn address(text: &At<&str>, complaints: &mut Complaints) -> Option<Address> {
    Address::parse(text.value).map_err(|why| complaints.say(text.at, format!("\"{}\" is no address: {why}", text.value))).ok()
}
