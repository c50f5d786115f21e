//! Turns many messages that were looked at into the figures of a report.

use super::bench::{Judged, Outcome, Seen, Value};
use super::pattern::Patterns;
use super::verdicts::{Score, Verdicts};
use crate::detect::{Confidence, RuleId};
use crate::policy::PolicyId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// All figures of one backtest.
#[derive(Default)]
pub struct Tally {
    pub messages: u64,
    pub octets: u64,
    /// By [`Outcome`] as index.
    pub in_force: [u64; 6],
    pub new: [u64; 6],
    /// Messages whose outcome is another one, by from and to.
    pub moves: BTreeMap<(Outcome, Outcome), u64>,
    pub rules: BTreeMap<RuleId, RuleTally>,
    pub policies: BTreeMap<PolicyId, PolicyTally>,
    pub caught: Listed,
    pub missed: Listed,
    pub changed: Vec<Changed>,
    /// Messages that fare less strictly by the new rules and policies.
    pub weaker: u64,
    pub patterns: Patterns,
    /// The same of messages that people judged to be false alarms.
    pub false_patterns: Patterns,
    pub took_in_force: Duration,
    pub took_new: Duration,
    /// What reviewers did with what the gate held: released, rejected; by rule.
    pub reviewed: BTreeMap<RuleId, Score>,
}

/// One rule over all messages.
#[derive(Default)]
pub struct RuleTally {
    pub in_force: Counted,
    pub new: Counted,
    /// Values that only the new rules find, and those that they find no more.
    pub caught: u64,
    pub missed: u64,
    pub draft: bool,
    pub score_in_force: Score,
    pub score_new: Score,
}

#[derive(Clone, Copy, Default)]
pub struct Counted {
    /// In which it finds something at medium or above.
    pub messages: u64,
    /// Different values of each message, added up: low, medium, high.
    pub values: [u64; 3],
}

#[derive(Clone, Copy, Default)]
pub struct PolicyTally {
    pub in_force: u64,
    pub new: u64,
    /// It only watches in the set that is being tried.
    pub watched: u64,
}

/// Values that are listed for a person, and how many there are.
#[derive(Default)]
pub struct Listed {
    pub values: u64,
    pub messages: u64,
    pub listed: Vec<(String, Value)>,
}

/// A message that would fare otherwise.
pub struct Changed {
    pub id: String,
    pub from: Outcome,
    pub to: Outcome,
    pub policies: BTreeSet<PolicyId>,
}

/// Lines of one list of the report, at most: more is for programs (`--format json`).
const MOST: usize = 500;
/// Lines of one message: a table of ten thousand numbers must not fill the list.
const MOST_OF_ONE: usize = 20;

impl Tally {
    pub fn add(&mut self, seen: &Seen, verdicts: &Verdicts) {
        self.messages += 1;
        self.octets += seen.read;
        self.in_force[seen.in_force.outcome as usize] += 1;
        self.took_in_force += seen.in_force.took;
        self.count(&seen.in_force, |tally| &mut tally.in_force, |tally| &mut tally.in_force);
        if let Some(new) = &seen.new {
            self.new[new.outcome as usize] += 1;
            self.took_new += new.took;
            self.count(new, |tally| &mut tally.new, |tally| &mut tally.new);
            self.compare(seen, new);
        }
        for policy in &seen.tried().watched {
            self.policies.entry(policy.clone()).or_default().watched += 1;
        }
        self.judge(seen, verdicts);
    }

    fn count(
        &mut self,
        judged: &Judged,
        of_rule: fn(&mut RuleTally) -> &mut Counted,
        of_policy: fn(&mut PolicyTally) -> &mut u64,
    ) {
        for (rule, seen) in &judged.rules {
            let tally = self.rules.entry(rule.clone()).or_default();
            tally.draft = seen.draft;
            let counted = of_rule(tally);
            counted.messages += u64::from(seen.confidence >= Confidence::Medium);
            counted.values.iter_mut().zip(seen.values).for_each(|(all, these)| *all += these);
        }
        for policy in &judged.policies {
            *of_policy(self.policies.entry(policy.clone()).or_default()) += 1;
        }
    }

    fn compare(&mut self, seen: &Seen, new: &Judged) {
        for value in &seen.caught {
            self.rules.entry(value.rule.clone()).or_default().caught += 1;
        }
        for value in &seen.missed {
            self.rules.entry(value.rule.clone()).or_default().missed += 1;
        }
        self.caught.add(&seen.id, &seen.caught);
        self.missed.add(&seen.id, &seen.missed);
        let (from, to) = (seen.in_force.outcome, new.outcome);
        if from != to {
            *self.moves.entry((from, to)).or_default() += 1;
            self.weaker += u64::from(to < from);
            if self.changed.len() < MOST {
                let policies = if to < from { &seen.in_force.policies } else { &new.policies };
                self.changed.push(Changed { id: seen.id.clone(), from, to, policies: policies.clone() });
            }
        }
    }

    fn judge(&mut self, seen: &Seen, verdicts: &Verdicts) {
        let said = |rule: &RuleId| verdicts.of(&seen.id, &seen.path, seen.message_id.as_deref(), &rule.0);
        let mut rules: BTreeSet<RuleId> = seen.in_force.rules.keys().chain(seen.tried().rules.keys()).cloned().collect();
        rules.extend(verdicts.rules_of(&seen.id, &seen.path, seen.message_id.as_deref()));
        let mut false_alarms = BTreeSet::new();
        for rule in rules {
            let Some(right) = said(&rule) else { continue };
            let tally = self.rules.entry(rule.clone()).or_default();
            tally.score_in_force.add(right, seen.in_force.finds(&rule));
            if let Some(new) = &seen.new {
                tally.score_new.add(right, new.finds(&rule));
            }
            if !right {
                false_alarms.extend(seen.patterns.iter().filter(|pattern| pattern.rule == rule).cloned());
            }
        }
        self.patterns.add(&seen.patterns);
        self.false_patterns.add(&false_alarms);
    }

    /// Is anything found less surely, or treated less strictly?
    pub fn misses(&self) -> bool {
        self.missed.values > 0 || self.weaker > 0
    }

    pub fn is_judged(&self) -> bool {
        self.rules.values().any(|rule| rule.score_in_force != Score::default() || rule.score_new != Score::default())
    }

    /// Milliseconds that one message takes on one processor: by the set in force (with reading it), by the new one (reading excluded).
    pub fn milliseconds(&self) -> (f64, f64) {
        let each = |all: Duration| all.as_secs_f64() * 1000.0 / (self.messages.max(1)) as f64;
        (each(self.took_in_force), each(self.took_new))
    }
}

impl Listed {
    fn add(&mut self, id: &str, values: &[Value]) {
        self.messages += u64::from(!values.is_empty());
        self.values += values.len() as u64;
        let room = MOST.saturating_sub(self.listed.len()).min(MOST_OF_ONE);
        self.listed.extend(values.iter().take(room).map(|value| (id.to_owned(), value.clone())));
    }
}
