//! Turns one message into what would have been decided of it, by the rules in force and by new ones.

use super::mailbox::Mail;
use super::pattern::{self, Pattern};
use crate::cli::scan::with_crlf;
use crate::config::Settings;
use crate::detect::{Confidence, Finding, Findings, RuleId, Status, ValueId};
use crate::extract::Reader;
use crate::facts::Known;
use crate::lookup::Folder;
use crate::mail::{Address, Identity, Origin, RawMessage, Reference, Submission, UnixTime};
use crate::mime::{self, ParsedMessage};
use crate::pipeline::{Inspection, Judgement, Laws, inspect, judge};
use crate::policy::{Disposition, PolicyId};
use crate::protect::{FindKeys, LookUp, names_of};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What decides: everything that every message is held against.
pub struct Bench<'a> {
    pub settings: &'a Settings,
    pub keys: &'a Folder,
    pub in_force: &'a Laws,
    pub new: Option<&'a Laws>,
    pub now: UnixTime,
    /// With whom a password is agreed.
    pub agreed: BTreeSet<Address>,
    /// Reads foreign formats, in processes of its own.
    pub reader: Reader,
}

/// What would have become of a message. Ordered: the strictest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Allow,
    Encrypt,
    Defer,
    Quarantine,
    Block,
    /// Refused before any rule: malformed (554), too large (552), or the walk itself broke down (451).
    Unfit,
}

impl Outcome {
    pub const ALL: [Outcome; 6] =
        [Outcome::Allow, Outcome::Encrypt, Outcome::Defer, Outcome::Quarantine, Outcome::Block, Outcome::Unfit];

    pub fn word(self) -> &'static str {
        ["allow", "encrypt", "defer", "quarantine", "block", "unfit"][self as usize]
    }
}

/// One message, looked at.
pub struct Seen {
    pub id: String,
    pub path: PathBuf,
    pub message_id: Option<String>,
    pub in_force: Judged,
    pub new: Option<Judged>,
    /// Values at medium or above that only the new rules find.
    pub caught: Vec<Value>,
    /// Values at medium or above that the new rules find no more.
    pub missed: Vec<Value>,
    /// What stands around the values that the newest rules find.
    pub patterns: BTreeSet<Pattern>,
    /// Octets of input that were read for it.
    pub read: u64,
}

/// What one set of rules and policies made of a message.
pub struct Judged {
    pub outcome: Outcome,
    /// Policies that applied to at least one recipient.
    pub policies: BTreeSet<PolicyId>,
    /// Policies in `mode = "watch"` that would have.
    pub watched: BTreeSet<PolicyId>,
    pub rules: BTreeMap<RuleId, RuleSeen>,
    pub took: Duration,
}

/// What one rule found in a message.
#[derive(Clone, Copy)]
pub struct RuleSeen {
    pub confidence: Confidence,
    /// Different values by the highest confidence of each: low, medium, high.
    pub values: [u64; 3],
    pub draft: bool,
}

/// A value without itself.
#[derive(Clone, Debug)]
pub struct Value {
    pub rule: RuleId,
    pub part: String,
    pub masked: String,
    pub confidence: Confidence,
}

impl Bench<'_> {
    /// Never fails: what no gate would take is [`Outcome::Unfit`].
    pub fn look(&self, mail: Mail) -> Seen {
        let Mail { id, path, octets, too_large, read } = mail;
        let mut seen = Seen::unfit(id, path, read, self.new.is_some());
        if too_large {
            return seen;
        }
        // The gate answers 451 to a message that breaks a stage; a backtest over a million others must go on.
        let _ = catch_unwind(AssertUnwindSafe(|| self.fill(&mut seen, octets)));
        seen
    }

    fn fill(&self, seen: &mut Seen, octets: Vec<u8>) {
        let Ok(raw) = RawMessage::new(with_crlf(octets)) else { return };
        let submission = self.as_sent(raw);
        let usable = |recipient: &&Address| matches!(self.keys.find(recipient, self.now), LookUp::Usable(_));
        let with_key: BTreeSet<Address> = submission.recipients.iter().filter(usable).cloned().collect();
        let disputed = |recipient: &&Address| matches!(self.keys.find(recipient, self.now), LookUp::Contested(_));
        let contested: BTreeSet<Address> = submission.recipients.iter().filter(disputed).cloned().collect();
        let parties = submission.recipients.iter().chain(submission.sender());
        let looked_up: Vec<LookUp> = parties.map(|party| self.keys.find(party, self.now)).collect();
        let keys_of_parties = names_of(&looked_up);
        let known = |laws: &Laws| Known {
            inside: self.settings.inside.clone(),
            lists: laws.lists.clone(),
            with_key: with_key.clone(),
            contested: contested.clone(),
            with_password: self.agreed.iter().filter(|one| submission.recipients.contains(one)).cloned().collect(),
            refused_alike: false,
            versions_refused: 0,
            over_quota: false,
            past: Default::default(),
            keys_of_parties: keys_of_parties.clone(),
            // A directory is not asked a million times, and not about who was where a year ago: lists alone say who is in a group.
            groups: Default::default(),
            named_groups: laws.policy.groups().clone(),
        };
        let began = Instant::now();
        let Ok(inspection) = inspect(&submission, &known(self.in_force), self.in_force, &self.settings.limits, &self.reader)
        else {
            return;
        };
        let whole = began.elapsed();
        let Inspection { parsed, extracted, findings, facts, decision } = inspection;
        let old = Judgement { findings, facts, decision };
        seen.message_id = parsed.message_id();
        seen.in_force = Judged::of(&old, whole);
        let Some(laws) = self.new else {
            seen.patterns = pattern::of(&old.findings, &extracted, &self.in_force.rules);
            return;
        };
        let began = Instant::now();
        let new = judge(&submission, &parsed, &extracted, &known(laws), laws);
        let took = began.elapsed();
        seen.patterns = pattern::of(&new.findings, &extracted, &laws.rules);
        seen.caught = only_in(&new.findings, &old.findings);
        seen.missed = only_in(&old.findings, &new.findings);
        seen.new = Some(Judged::of(&new, took));
    }

    /// The message as its author submitted it, as far as its header tells: From is the login; To, Cc, Bcc and what a server noted
    /// (X-Original-To, Delivered-To, X-Envelope-To) are the recipients; the Date is the hour for policies that ask for it.
    fn as_sent(&self, raw: RawMessage) -> Submission {
        let (from, recipients, date) = match mime::parse(&raw, &self.settings.limits.message) {
            Ok(parsed) => (first_from(&parsed), recipients(&parsed), date(&parsed)),
            Err(_) => (None, Vec::new(), None),
        };
        let identity = match &from {
            Some(login) => Identity::Account {
                login: login.clone(),
                owns: vec![login.clone()],
                names: Vec::new(),
                attributes: Default::default(),
            },
            None => Identity::Gate,
        };
        Submission {
            reference: Reference::from_random([0; 8]),
            identity,
            mail_from: from,
            recipients,
            raw,
            origin: Origin::Inspection,
            received_at: date.unwrap_or(self.now),
            language: self.settings.language,
            requires_tls: false,
            transport: Default::default(),
        }
    }
}

fn first_from(parsed: &ParsedMessage<'_>) -> Option<Address> {
    parsed.mailboxes("From").into_iter().find_map(|mailbox| mailbox.address)
}

fn recipients(parsed: &ParsedMessage<'_>) -> Vec<Address> {
    let mut seen = BTreeSet::new();
    let named =
        ["To", "Cc", "Bcc", "X-Original-To", "Delivered-To", "X-Envelope-To"].iter().flat_map(|name| parsed.mailboxes(name));
    named.filter_map(|mailbox| mailbox.address).filter(|address| seen.insert(address.key())).collect()
}

fn date(parsed: &ParsedMessage<'_>) -> Option<UnixTime> {
    let written = parsed.text_of(parsed.field("Date")?);
    mail_parser::DateTime::parse_rfc822(written.trim()).map(|date| UnixTime(date.to_timestamp()))
}

impl Seen {
    fn unfit(id: String, path: PathBuf, read: u64, new: bool) -> Seen {
        let unfit = || Judged {
            outcome: Outcome::Unfit,
            policies: BTreeSet::new(),
            watched: BTreeSet::new(),
            rules: BTreeMap::new(),
            took: Duration::ZERO,
        };
        Seen {
            id,
            path,
            message_id: None,
            in_force: unfit(),
            new: new.then(unfit),
            caught: Vec::new(),
            missed: Vec::new(),
            patterns: BTreeSet::new(),
            read,
        }
    }

    /// By the rules that are being tried: the new ones, else those in force.
    pub fn tried(&self) -> &Judged {
        self.new.as_ref().unwrap_or(&self.in_force)
    }
}

impl Judged {
    fn of(judgement: &Judgement, took: Duration) -> Judged {
        let decision = &judgement.decision;
        let encrypts = decision.verdicts.iter().any(|verdict| verdict.requires.encrypt);
        let applied = decision.verdicts.iter().flat_map(|verdict| &verdict.reasons);
        Judged {
            outcome: match decision.disposition {
                Disposition::Allow if encrypts => Outcome::Encrypt,
                Disposition::Allow => Outcome::Allow,
                Disposition::Defer => Outcome::Defer,
                Disposition::Quarantine => Outcome::Quarantine,
                Disposition::Block => Outcome::Block,
            },
            policies: applied.map(|applied| applied.policy.clone()).collect(),
            watched: decision.watched.iter().cloned().collect(),
            rules: judgement.findings.found.iter().map(|finding| (finding.rule.clone(), RuleSeen::of(finding))).collect(),
            took,
        }
    }

    /// Does the rule find anything that policies usually act upon?
    pub fn finds(&self, rule: &RuleId) -> bool {
        self.rules.get(rule).is_some_and(|seen| seen.confidence >= Confidence::Medium)
    }
}

impl RuleSeen {
    fn of(finding: &Finding) -> RuleSeen {
        let mut best: BTreeMap<ValueId, Confidence> = BTreeMap::new();
        for found in &finding.places {
            let best = best.entry(found.value).or_insert(found.confidence);
            *best = found.confidence.max(*best);
        }
        let mut values = [0; 3];
        best.values().for_each(|confidence| values[*confidence as usize] += 1);
        RuleSeen { confidence: finding.confidence, values, draft: finding.status == Status::Draft }
    }
}

/// Values at medium or above of `these` that `those` do not have so surely, once for each value.
pub fn only_in(these: &Findings, those: &Findings) -> Vec<Value> {
    let sure = |findings: &Findings| {
        let of = |finding: &Finding| {
            let places = finding.places.iter().filter(|found| found.confidence >= Confidence::Medium);
            places.map(|found| (finding.rule.clone(), found.value)).collect::<Vec<_>>()
        };
        findings.found.iter().flat_map(of).collect::<BTreeSet<_>>()
    };
    let mut known = sure(those);
    let mut only = Vec::new();
    for finding in &these.found {
        for found in finding.places.iter().filter(|found| found.confidence >= Confidence::Medium) {
            if known.insert((finding.rule.clone(), found.value)) {
                only.push(Value {
                    rule: finding.rule.clone(),
                    part: found.place.to_string(),
                    masked: found.masked.clone(),
                    confidence: found.confidence,
                });
            }
        }
    }
    only
}
