//! Turns what happened into one audit line: who, to whom, what was decided, by which policies and rules. No content, no values.
//!
//! Every line has `event` and `at` (RFC 3339, UTC); most have `reference`. Addresses are those of the sender and the recipients only.
//! Rules stand with counts; places and masked values stay out, because a file's name is content too.

use crate::detect::{Confidence, Findings};
use crate::facts::{Facts, Tally};
use crate::mail::{AccountKind, Address, Domain, Identity, Origin, Outgoing, Protection, Reference, Submission, UnixTime};
use crate::policy::{Decision, Disposition, Requirements, Verdict};
use crate::store::{AuditLine, HeldState};
use serde_json::{Map, Value, json};

/// A message about which a decision was made.
pub struct Decided<'a> {
    pub submission: &'a Submission,
    pub decision: &'a Decision,
    pub findings: &'a Findings,
    pub facts: &'a Facts,
    /// The copies that leave; empty when none does.
    pub outgoing: &'a [Outgoing],
}

/// A message, or one command of it, that was refused before or without a decision of the policies.
pub struct Refused<'a> {
    pub reference: Option<Reference>,
    pub at: UnixTime,
    /// The listener's name.
    pub listener: &'a str,
    pub sender: Option<&'a Address>,
    pub recipients: &'a [Address],
    /// The reply's code and enhanced code: `554 5.6.0`.
    pub code: &'a str,
    /// A fixed word for the cause: `malformed`, `sender-not-own`, `key-lookup-failed`, `cannot-protect` …
    pub cause: &'static str,
}

/// What a sender answered to a refusal.
pub struct Answer {
    /// `confirm` or `review`.
    pub asks: &'static str,
    pub refusal: Option<Reference>,
    /// What they wrote, with every value hidden.
    pub justification: String,
}

/// The outcome of one recipient, for [`relayed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Delivered,
    Failed,
    Expired,
    Queued,
}

/// A decision, as `accepted`, `held`, `refused` or `deferred`, for the whole message and for each recipient.
pub fn decided(decided: &Decided<'_>) -> AuditLine {
    let Decided { submission, decision, findings, facts, outgoing } = decided;
    let event = match decision.disposition {
        Disposition::Allow => "accepted",
        Disposition::Defer => "deferred",
        Disposition::Quarantine => "held",
        Disposition::Block => "refused",
    };
    let mut line = begin(event, submission.received_at, Some(submission.reference));
    describe(&mut line, submission);
    line.insert("ruleset".into(), Value::from(&*decision.ruleset));
    let recipients = decision.verdicts.iter().enumerate().map(|(at, verdict)| {
        let facts = facts.of_recipients.get(at);
        let mut value =
            recipient(verdict, outgoing, facts.map(|facts| (json!(facts.facts), facts.has_key, facts.has_password)));
        // Those that policies name: what the decision rests on.
        if let Some(facts) = facts.filter(|facts| !facts.groups.is_empty()) {
            value["groups"] = json!(facts.groups);
        }
        value
    });
    line.insert("recipients".into(), recipients.collect());
    if !facts.sender_groups.is_empty() {
        line.insert("from_groups".into(), json!(facts.sender_groups));
    }
    if let Identity::Account { attributes, .. } = &submission.identity
        && attributes.kind != AccountKind::default()
    {
        line.insert("from_kind".into(), json!(attributes.kind));
    }
    line.insert("facts".into(), json!(facts.of_message));
    // Numbers by window in seconds: what the sender had tried before, on which `within` rests.
    let past: serde_json::Map<_, _> = facts
        .past
        .iter()
        .filter(|(_, tally)| **tally != Tally::default())
        .map(|(window, tally)| (window.to_string(), json!(tally)))
        .collect();
    if !past.is_empty() {
        line.insert("past".into(), past.into());
    }
    line.insert("findings".into(), found(findings));
    if !findings.unreadable.is_empty() {
        let mut reasons: Vec<_> = findings.unreadable.iter().map(|part| part.reason).collect();
        reasons.sort_unstable();
        line.insert("unreadable".into(), json!(reasons));
    }
    if !decision.watched.is_empty() {
        line.insert("watched".into(), json!(decision.watched));
    }
    AuditLine(line)
}

/// A release: the decision it came to today, by whom, and which policies it lifted.
pub fn released(decided_now: &Decided<'_>, at: UnixTime, by: &str, lifted: &[crate::policy::PolicyId]) -> AuditLine {
    let AuditLine(mut line) = decided(decided_now);
    line.insert("event".into(), "released".into());
    line.insert("at".into(), at.rfc3339().into());
    line.insert("by".into(), by.into());
    line.insert("lifted".into(), json!(lifted));
    AuditLine(line)
}

/// An acceptance that rests on what its sender answered to a refusal: which one, how, and why, with values hidden.
pub fn answered(line: AuditLine, answer: &super::Answer) -> AuditLine {
    let AuditLine(mut line) = line;
    let told = json!({ "asks": answer.asks, "refusal": answer.refusal, "justification": answer.justification });
    line.insert("answer".into(), told);
    AuditLine(line)
}

/// A refusal of a message whose answer to an earlier one was not followed: `answer-used`, `answer-changed` …
pub fn not_answered(line: AuditLine, why: &'static str) -> AuditLine {
    let AuditLine(mut line) = line;
    line.insert("answer".into(), json!({ "not_followed": why }));
    AuditLine(line)
}

/// Somebody was refused with several versions of something alike, and goes on.
pub fn probing(submission: &Submission, versions: usize) -> AuditLine {
    let mut line = begin("probing", submission.received_at, Some(submission.reference));
    describe(&mut line, submission);
    line.insert("versions".into(), versions.into());
    AuditLine(line)
}

/// A rejection by a person, or a hold that nobody ended in time (`by` is then empty).
pub fn hold_ended(reference: Reference, at: UnixTime, state: HeldState, by: &str) -> AuditLine {
    let mut line = begin(state.as_str(), at, Some(reference));
    if !by.is_empty() {
        line.insert("by".into(), by.into());
    }
    AuditLine(line)
}

/// A reviewer read a held message.
pub fn revealed(reference: Reference, at: UnixTime, by: &str) -> AuditLine {
    let mut line = begin("revealed", at, Some(reference));
    line.insert("by".into(), by.into());
    AuditLine(line)
}

/// A refusal without a decision of the policies.
pub fn refused(refused: &Refused<'_>) -> AuditLine {
    let mut line = begin("refused", refused.at, refused.reference);
    line.insert("listener".into(), refused.listener.into());
    line.insert("sender".into(), json!(refused.sender));
    if !refused.recipients.is_empty() {
        let recipients = refused.recipients.iter().map(|address| json!({ "address": address }));
        line.insert("recipients".into(), recipients.collect());
    }
    line.insert("code".into(), refused.code.into());
    line.insert("cause".into(), refused.cause.into());
    AuditLine(line)
}

/// What an attempt of the relay came to. Of the upstream's words only the codes are kept: it may quote what it likes.
pub fn relayed(reference: Reference, copy: i64, at: UnixTime, results: &[(Address, Fate, &str)]) -> AuditLine {
    let mut line = begin("relayed", at, Some(reference));
    line.insert("copy".into(), copy.into());
    let result = |(address, fate, reply): &(Address, Fate, &str)| {
        let mut result = json!({ "address": address, "fate": fate });
        if let Some(codes) = codes(reply) {
            result["code"] = codes.into();
        }
        result
    };
    line.insert("recipients".into(), results.iter().map(result).collect());
    AuditLine(line)
}

/// A copy that an operator gave up: [`relayed`], with who did it.
pub fn withdrawn(reference: Reference, copy: i64, at: UnixTime, results: &[(Address, Fate, &str)], by: &str) -> AuditLine {
    let AuditLine(mut line) = relayed(reference, copy, at, results);
    line.insert("event".into(), "withdrawn".into());
    line.insert("by".into(), by.into());
    AuditLine(line)
}

/// The password of a container was taken by the service that tells it, or given up.
pub fn password(reference: Reference, at: UnixTime, recipient: &Address, told: bool) -> AuditLine {
    let mut line = begin(if told { "password-told" } else { "password-not-told" }, at, Some(reference));
    line.insert("recipient".into(), json!(recipient));
    AuditLine(line)
}

/// A look-up brought another key than the one in use, and it waits.
pub fn key_waits(at: UnixTime, address: &str, fingerprint: &str, instead_of: &str, source: &str) -> AuditLine {
    let mut line = begin("key-waits", at, None);
    for (name, value) in [("address", address), ("fingerprint", fingerprint), ("instead_of", instead_of), ("source", source)] {
        line.insert(name.into(), value.into());
    }
    AuditLine(line)
}

/// An officer let it take the place of the one in use.
pub fn key_approved(at: UnixTime, address: &str, fingerprint: &str, instead_of: &str, by: &str) -> AuditLine {
    let mut line = begin("key-approved", at, None);
    for (name, value) in [("address", address), ("fingerprint", fingerprint), ("instead_of", instead_of), ("by", by)] {
        line.insert(name.into(), value.into());
    }
    AuditLine(line)
}

/// The gate itself: `started`, `stopped`, `reloaded`, with the rule set in force.
pub fn gate(at: UnixTime, event: &'static str, ruleset: &str) -> AuditLine {
    let mut line = begin(event, at, None);
    line.insert("ruleset".into(), ruleset.into());
    AuditLine(line)
}

fn begin(event: &str, at: UnixTime, reference: Option<Reference>) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("event".into(), event.into());
    line.insert("at".into(), at.rfc3339().into());
    if let Some(reference) = reference {
        line.insert("reference".into(), reference.to_string().into());
    }
    line
}

fn describe(line: &mut Map<String, Value>, submission: &Submission) {
    let origin = match &submission.origin {
        Origin::Listener(name) => name.as_str(),
        Origin::Release => "(release)",
        Origin::Inspection => "(inspection)",
    };
    line.insert("listener".into(), origin.into());
    let identity = match &submission.identity {
        Identity::Account { login, .. } => json!({ "login": login }),
        Identity::Relay { listener, senders, login } => {
            let mut relay = json!({ "relay": listener, "senders": senders.iter().map(Domain::as_str).collect::<Vec<_>>() });
            if let Some(login) = login {
                relay["for"] = json!(login);
            }
            relay
        }
        Identity::Gate => json!("gate"),
    };
    line.insert("identity".into(), identity);
    line.insert("sender".into(), json!(submission.mail_from));
    line.insert("size".into(), submission.raw.len().into());
}

fn recipient(verdict: &Verdict, outgoing: &[Outgoing], known: Option<(Value, bool, bool)>) -> Value {
    let copy = outgoing.iter().find(|copy| copy.recipients.contains(&verdict.recipient));
    let policies: Vec<Value> = (verdict.reasons.iter())
        .map(|applied| json!({ "policy": applied.policy, "asked": applied.disposition, "no_key": applied.no_key, "container": applied.container }))
        .collect();
    let mut value = json!({
        "address": verdict.recipient,
        "verdict": verdict.disposition,
        "requires": required(verdict.requires),
        "policies": policies,
    });
    if let Some(copy) = copy {
        value["protection"] = json!(copy.protection);
        // Stands here so that an audit alone shows a promise that was not kept.
        let enough = match copy.protection {
            Protection::None => false,
            Protection::Container => !verdict.requires.to_key,
            Protection::Smime | Protection::Openpgp | Protection::Client => true,
        };
        if verdict.requires.encrypt && !enough {
            value["unprotected"] = true.into();
        }
    }
    if let Some((facts, has_key, has_password)) = known {
        value["facts"] = facts;
        value["has_key"] = has_key.into();
        value["has_password"] = has_password.into();
    }
    value
}

fn required(requires: Requirements) -> Vec<&'static str> {
    let Requirements { encrypt, to_key, encrypt_if_possible, tls, sign, individual_copies, strip_subject_tag, hide_subject } =
        requires;
    let words = [
        (encrypt, "encrypt"),
        (encrypt && to_key, "to_key"),
        (encrypt_if_possible, "encrypt_if_possible"),
        (tls, "tls"),
        (sign, "sign"),
        (individual_copies, "individual_copies"),
        (strip_subject_tag, "strip_subject_tag"),
        ((encrypt || encrypt_if_possible) && hide_subject, "hide_subject"),
    ];
    words.into_iter().filter_map(|(asked, word)| asked.then_some(word)).collect()
}

fn found(findings: &Findings) -> Value {
    let finding = |finding: &crate::detect::Finding| {
        json!({
            "rule": finding.rule,
            "category": finding.category,
            "status": finding.status,
            "confidence": finding.confidence,
            "count": finding.count(Confidence::Low),
            "unique": finding.unique(Confidence::Low),
            "unique_medium": finding.unique(Confidence::Medium),
            "unique_high": finding.unique(Confidence::High),
        })
    };
    findings.found.iter().map(finding).collect()
}

/// `550 5.1.1` out of `550 5.1.1 nobody of this name`; `550` when there is no enhanced code.
fn codes(reply: &str) -> Option<String> {
    let mut words = reply.split([' ', '-']);
    let code = words.next().filter(|word| word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit()))?;
    let is_enhanced = |word: &&str| {
        word.len() <= 11
            && word.split('.').count() == 3
            && word.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    Some(words.next().filter(is_enhanced).map_or(code.to_owned(), |enhanced| format!("{code} {enhanced}")))
}
