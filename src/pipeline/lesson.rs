//! Turns a decision against a message into what its sender is to learn from it, and into the notice that says so.

use super::{CannotSend, Gate, Inspection, Laws};
use crate::facts::Fact;
use crate::mail::{Outgoing, Submission};
use crate::notices::{self, About, Learned, Lesson, Spot, Why, of_place, spot_of};
use crate::policy::{Applied, Bilingual, Disposition, Recourse};
use std::collections::{BTreeMap, BTreeSet};

/// Places of one kind of finding that are looked at.
const LOOKED_AT: usize = 500;

impl Gate {
    /// The notice of a refusal; `None` where none is owed or wished: to a null sender, a stranger, a machine.
    pub(super) fn refusal_notice(
        &self,
        submission: &Submission,
        seen: &Inspection<'_>,
        laws: &Laws,
        may: Recourse,
    ) -> Result<Option<Outgoing>, CannotSend> {
        if !self.house.coaching.refused || seen.decision.disposition != Disposition::Block || is_from_a_machine(seen) {
            return Ok(None);
        }
        let mut lesson = lesson(seen, laws);
        lesson.answer = (may != Recourse::default()).then_some((submission.reference, may));
        let about = About {
            sender: submission.mail_from.as_ref(),
            reference: submission.reference,
            at: submission.received_at,
            recipients: &submission.recipients,
        };
        self.notice(&laws.texts, submission.language, submission.received_at, submission.mail_from.as_ref(), |head| {
            notices::refused(head, &about, &lesson)
        })
    }
}

/// RFC 3834 §2: an answer to an automatic message is how loops begin.
fn is_from_a_machine(seen: &Inspection<'_>) -> bool {
    let facts = &seen.facts.of_message;
    let submitted = seen.parsed.field("Auto-Submitted").map(|field| seen.parsed.text_of(field).trim().to_ascii_lowercase());
    facts.contains(&Fact::AutoReply)
        || facts.contains(&Fact::DeliveryReport)
        || facts.contains(&Fact::AutoForwarded)
        || submitted.is_some_and(|value| !value.is_empty() && value != "no")
}

/// What decided against it was about: kinds and places, never values.
pub(super) fn lesson(seen: &Inspection<'_>, laws: &Laws) -> Lesson {
    let decision = &seen.decision;
    let against: Vec<&Applied> = decision
        .verdicts
        .iter()
        .filter(|verdict| verdict.disposition == decision.disposition)
        .flat_map(|verdict| &verdict.reasons)
        .filter(|applied| applied.disposition == decision.disposition)
        .collect();
    let mut lesson = Lesson { no_key: against.iter().any(|applied| applied.no_key), ..Lesson::default() };
    let policies: BTreeMap<_, _> = against.iter().map(|applied| (&applied.policy, *applied)).collect();
    for finding in &seen.findings.found {
        let least = policies.keys().filter_map(|id| laws.policy.asks_about(id, &finding.rule, finding.category)).min();
        let Some(least) = least else { continue };
        let count = finding.unique(least);
        let Some(rule) = laws.rules.rules().iter().find(|rule| rule.id == finding.rule).filter(|_| count > 0) else { continue };
        let places = finding.places.iter().filter(|found| found.confidence >= least).take(LOOKED_AT);
        let spots: BTreeSet<Spot> = places.map(|found| spot_of(found, &seen.parsed, &seen.extracted)).collect();
        let title = Bilingual { fr: rule.title_fr.clone(), en: rule.title_en.clone() };
        lesson.found.push(Learned { title, count, spots });
        add(&mut lesson.why, Why::Category(finding.category));
    }
    for part in seen.extracted.unreadable.iter().take(LOOKED_AT) {
        if policies.keys().any(|id| laws.policy.asks_about_unreadable(id, part.reason)) {
            let spot = of_place(&part.part.0, &seen.parsed, &seen.extracted, false);
            lesson.unreadable.insert((part.reason, spot));
            add(&mut lesson.why, Why::Unreadable);
        }
    }
    let facts = || seen.facts.of_message.iter().chain(seen.facts.of_recipients.iter().flat_map(|of| &of.facts));
    if lesson.why.is_empty() && facts().any(|fact| matches!(fact, Fact::ToPersonalMailbox | Fact::ToOwnMailbox)) {
        lesson.why.push(Why::Mailbox);
    }
    for (id, applied) in policies {
        lesson.causes.push(applied.because.clone());
        if let Some(why) = laws.policy.why(id) {
            add(&mut lesson.why, Why::Said(why.clone()));
        }
    }
    if lesson.why.is_empty() {
        lesson.why.push(Why::Other);
    }
    lesson.advice = against.iter().filter_map(|applied| applied.tell_sender.clone()).collect();
    lesson
}

fn add(all: &mut Vec<Why>, why: Why) {
    if !all.contains(&why) {
        all.push(why);
    }
}
