//! The walk: the one way that every message takes, from a submission to a receipt or a refusal.
//!
//! [`inspect`] is its front half, shared by SMTP, release, `scan` and `explain`. [`Gate::handle`] and [`Gate::release`] add protect, sign and
//! commit. Everything between a submission and an acceptance is synchronous and runs on as many threads as there are processors.

pub mod answers;
mod gate;

pub use gate::{BrokeDown, Gate, House, Laws, Rooms};

use crate::audit::{self, Event};
use crate::detect::{self, Findings};
use crate::extract::{self, Extracted};
use crate::facts::{self, Facts, Known};
use crate::mail::{Origin, Outgoing, Reference, Submission, UnixTime};
use crate::mime::{self, Malformed, ParsedMessage, write::Fixes};
use crate::notices;
use crate::policy::{self, Decision, Disposition, PolicyId};
use crate::protect::{self, Cause, Keys, LookUp, Signers};
use crate::smtp::reply::{Accepted, Refusal};
use crate::store::{Acceptance, AuditLine, Held, Refused, StoreError};
use std::sync::Arc;

/// What one message may cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub message: mime::Limits,
    pub reading: extract::Limits,
}

/// What looking at a message showed.
#[derive(Debug)]
pub struct Inspection<'x> {
    pub parsed: ParsedMessage<'x>,
    pub extracted: Extracted,
    pub findings: Findings,
    pub facts: Facts,
    pub decision: Decision,
}

/// The front half of the walk: pure, and the same for everyone who looks.
pub fn inspect<'x>(submission: &'x Submission, known: &Known, laws: &Laws, limits: &Limits) -> Result<Inspection<'x>, Malformed> {
    let parsed = mime::parse(&submission.raw, &limits.message)?;
    let extracted = extract::extract(&parsed, &limits.reading);
    let findings = detect::detect(&extracted, &laws.rules);
    let facts = facts::gather(submission, &parsed, &extracted, &findings, known);
    let decision = policy::decide(submission, &facts, &findings, &laws.policy);
    Ok(Inspection { parsed, extracted, findings, facts, decision })
}

/// What the synchronous middle of the walk came to.
enum Outcome {
    Accept(Acceptance),
    Refuse { why: Refusal, audit: AuditLine, remember: Option<Refused> },
}

/// Seconds for which a refusal makes a like message `tried_again`.
const REMEMBERED: i64 = 3600;

impl Gate {
    /// Takes a submission to its receipt or its refusal. `received` is the trace field for the top of the message.
    pub async fn handle(self: &Arc<Self>, submission: Submission, received: String) -> Result<Accepted, Refusal> {
        let (reference, language, at) = (submission.reference, submission.language, submission.received_at);
        let not_stored = |why: StoreError| {
            tracing::error!(%reference, %why, "not stored, answered with 4yz");
            answers::not_stored(&why, reference, language)
        };
        let refused_alike = self.was_refused_alike(&submission).await.map_err(not_stored)?;
        let outcome = self.on_cpu(move |gate| gate.walk(submission, received, refused_alike)).await.map_err(|error| {
            tracing::error!(%reference, %error, "a stage broke down, answered with 451");
            answers::broken(reference, language)
        })?;
        match outcome {
            Outcome::Accept(acceptance) => {
                let receipt = self.store.commit(acceptance).await.map_err(not_stored)?;
                let answer = if receipt.is_held() { answers::held } else { answers::accepted };
                Ok(answer(receipt, reference, language))
            }
            Outcome::Refuse { why, audit, remember } => {
                match remember {
                    Some(refused) => self.store.record_refusal(refused, audit).await.map_err(not_stored)?,
                    None => self.store.record(at, audit).await.map_err(not_stored)?,
                }
                Err(why)
            }
        }
    }

    /// The synchronous middle: fix, inspect, and make what the decision asks for.
    fn walk(&self, mut submission: Submission, received: String, refused_alike: bool) -> Outcome {
        let (reference, language) = (submission.reference, submission.language);
        let fixes = Fixes { received: Some(received), date: submission.received_at, message_id: self.message_id(reference) };
        match mime::write::repair(&submission.raw, &fixes) {
            Ok(raw) => submission.raw = raw,
            Err(why) => return refuse(&submission, answers::malformed(&why, reference, language), Event::Malformed(&why)),
        }
        let laws = self.laws();
        let keys = self.find_keys(&submission.recipients, submission.received_at);
        let known = self.known(&laws, &keys, refused_alike);
        let seen = match inspect(&submission, &known, &laws, &self.house.limits) {
            Ok(seen) => seen,
            Err(why) => return refuse(&submission, answers::malformed(&why, reference, language), Event::Malformed(&why)),
        };
        if let Err(why) = policy::check_sender(&submission, &seen.parsed) {
            return refuse(&submission, answers::not_yours(&why, reference, language), Event::NotYours(&why));
        }
        if let Some(failed) = hangs_on_failed_look_up(&seen.decision, &keys) {
            return refuse(&submission, answers::look_up_failed(reference, language), Event::LookUpFailed(failed));
        }
        match seen.decision.disposition {
            Disposition::Allow => match self.make_copies(&submission, &seen, &keys) {
                Ok(outgoing) => {
                    let audit = audit::line(&submission, Event::Accepted { seen: (&seen.findings, &seen.facts, &seen.decision), outgoing: &outgoing });
                    Outcome::Accept(Acceptance { reference, at: submission.received_at, outgoing, held: None, notices: Vec::new(), audit })
                }
                Err(cannot) => refuse(&submission, cannot.answer(reference, language), Event::CannotSend(&cannot.to_string())),
            },
            Disposition::Quarantine => self.hold(&submission, &seen),
            Disposition::Defer | Disposition::Block => {
                let why = answers::refused(&seen.decision, reference, language);
                let mut outcome = refuse(&submission, why, Event::Refused { seen: (&seen.findings, &seen.facts, &seen.decision) });
                if let (Outcome::Refuse { remember, .. }, Some(sender)) = (&mut outcome, submission.sender()) {
                    *remember = Some(Refused {
                        sender: sender.clone(),
                        at: submission.received_at,
                        likeness: Gate::likeness(&submission),
                    });
                }
                outcome
            }
        }
    }
}
