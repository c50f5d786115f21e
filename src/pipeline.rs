//! The walk: the one way that every message takes, from a submission to a receipt or a refusal.
//!
//! [`inspect`] is its front half, shared by SMTP, release, `scan`, `explain` and `backtest`. [`Gate::handle`] and [`Gate::release`] add protect, sign and
//! commit. Everything between a submission and an acceptance is synchronous and runs on as many threads as there are processors.

mod agreed;
pub mod answers;
mod copies;
mod gate;
mod hold;

pub use agreed::{DueCall, service_tells};
pub use copies::CannotSend;
pub use gate::{AskKeys, BrokeDown, Gate, House, Laws, Limits, Rooms};
pub use hold::CannotRelease;

use crate::audit::{self, Decided};
use crate::detect::{self, Findings};
use crate::extract::{self, Extracted, Reader};
use crate::facts::{self, Facts, Known};
use crate::mail::{Origin, Outgoing, Submission};
use crate::mime::write::{Fixes, repair};
use crate::mime::{self, Malformed, ParsedMessage};
use crate::policy::{self, Decision, Disposition};
use crate::quotas::Standing;
use crate::smtp::reply::{Accepted, Refusal};
use crate::store::{Acceptance, AuditLine, Counters, Refused, StoreError};
use agreed::Agreed;
use std::sync::Arc;

/// What looking at a message showed.
#[derive(Debug)]
pub struct Inspection<'x> {
    pub parsed: ParsedMessage<'x>,
    pub extracted: Extracted,
    pub findings: Findings,
    pub facts: Facts,
    pub decision: Decision,
}

/// The front half of the walk: pure but for `reader`, and the same for everyone who looks.
pub fn inspect<'x>(
    submission: &'x Submission,
    known: &Known,
    laws: &Laws,
    limits: &Limits,
    reader: &Reader,
) -> Result<Inspection<'x>, Malformed> {
    let parsed = mime::parse(&submission.raw, &limits.message)?;
    let extracted = extract::extract(&parsed, &limits.reading, reader);
    let Judgement { findings, facts, decision } = judge(submission, &parsed, &extracted, known, laws);
    Ok(Inspection { parsed, extracted, findings, facts, decision })
}

/// What one set of laws makes of a message that was read.
#[derive(Debug)]
pub struct Judgement {
    pub findings: Findings,
    pub facts: Facts,
    pub decision: Decision,
}

/// The second half of [`inspect`]: by itself for those who ask several sets of laws about one reading.
pub fn judge(
    submission: &Submission,
    parsed: &ParsedMessage<'_>,
    extracted: &Extracted,
    known: &Known,
    laws: &Laws,
) -> Judgement {
    let mut findings = detect::detect(extracted, &laws.rules);
    facts::take_out_seals_of_parties(&mut findings, extracted, known);
    let facts = facts::gather(submission, parsed, extracted, &findings, known);
    let decision = policy::decide(submission, &facts, &findings, &laws.policy);
    Judgement { findings, facts, decision }
}

/// What the synchronous middle of the walk came to.
enum Outcome {
    Accept(Box<Acceptance>),
    Refuse { why: Refusal, audit: AuditLine, remember: Option<Refused>, counters: Box<Counters> },
}

/// Seconds for which a refusal makes a like message `tried_again`.
const REMEMBERED: i64 = 3600;
/// How often a message is decided again because another of the same sender was counted meanwhile. One of those that meet gets through
/// each time, so that many at once end; whoever loses more often is told to come back.
const DECIDED_AGAIN: usize = 50;

impl Gate {
    /// Takes a submission to its receipt or its refusal. `received` is the value of the trace field for the top of the message.
    pub async fn handle(self: &Arc<Self>, submission: Submission, received: String) -> Result<Accepted, Refusal> {
        let (reference, language, at) = (submission.reference, submission.language, submission.received_at);
        let not_stored = |why: StoreError| {
            tracing::error!(%reference, %why, "not stored: answered with 4yz");
            answers::not_stored(&why, reference, language)
        };
        let tried_again = self.was_refused_alike(&submission).await.map_err(not_stored)?;
        self.keys.ready(&submission.recipients).await;
        // One set of laws for one message, from the first question to the last.
        let laws = self.laws();
        let agreed = self.agreed(&laws, &submission.recipients).await.map_err(not_stored)?;
        let octets = submission.raw.len();
        let remembers = Arc::new(laws.policy.remembers());
        let agreed = Arc::new(agreed);
        let mut again = 0;
        let outcome = loop {
            let standing = self.quotas.standing(&submission, remembers.clone()).await.map_err(not_stored)?;
            if standing.over && !self.quotas.holds() {
                break refuse(&submission, answers::over_quota(reference, language), "over-quota");
            }
            let (submission, received) = (submission.clone(), received.clone());
            let (laws, agreed) = (laws.clone(), agreed.clone());
            let walked =
                self.on_cpu(octets, move |gate| gate.walk(submission, received, tried_again, &laws, &agreed, standing)).await;
            match walked.map_err(|BrokeDown| answers::broken(reference, language))? {
                Outcome::Accept(acceptance) => match self.store.commit(*acceptance).await {
                    Ok(receipt) => {
                        let answer = if receipt.is_held() { answers::held } else { answers::accepted };
                        return Ok(answer(receipt, reference, language));
                    }
                    // What was decided by is no longer so.
                    Err(StoreError::Overtaken | StoreError::OverQuota) if again < DECIDED_AGAIN => again += 1,
                    Err(why) => return Err(not_stored(why)),
                },
                refused => break refused,
            }
        };
        match outcome {
            Outcome::Accept(_) => Err(answers::broken(reference, language)),
            // Audited first: a refusal that nobody can look up would be no refusal but a loss.
            Outcome::Refuse { why, audit, remember, counters } => {
                self.store.record_tried(at, remember, *counters, audit).await.map_err(not_stored)?;
                Err(why)
            }
        }
    }

    /// The synchronous middle: fix, inspect, and make what the decision asks for.
    fn walk(
        &self,
        mut submission: Submission,
        received: String,
        tried_again: bool,
        laws: &Laws,
        agreed: &Agreed,
        standing: Standing,
    ) -> Outcome {
        let (reference, language, at) = (submission.reference, submission.language, submission.received_at);
        let fixes = Fixes {
            received: Some(received),
            date: at,
            message_id: format!("{reference}@{}", self.house.hostname),
            hops: self.house.limits.message.hops,
            utf8: submission.transport.smtputf8,
        };
        match repair(&submission.raw, &fixes) {
            Ok(raw) => submission.raw = raw,
            Err(why) => return refuse(&submission, answers::malformed(&why, reference, language), "malformed"),
        }
        let keys = self.find_keys(&submission.recipients, at);
        let mut known = self.known(laws, &keys, agreed, tried_again, &standing);
        known.keys_of_parties.extend(self.names_of_senders_keys(&submission, at));
        let seen = match inspect(&submission, &known, laws, &self.house.limits, &self.reader) {
            Ok(seen) => seen,
            Err(why) => return refuse(&submission, answers::malformed(&why, reference, language), "malformed"),
        };
        if let Err(why) = policy::check_sender(&submission, &seen.parsed) {
            return refuse(&submission, answers::not_yours(&why, reference, language), "sender-not-own");
        }
        if copies::hangs_on_failed_look_up(&seen.decision, &keys) {
            return refuse(&submission, answers::look_up_failed(reference, language), "key-look-up-failed");
        }
        if seen.decision.disposition == Disposition::Allow && copies::would_seal_utf8(&seen, &keys) {
            return refuse(&submission, answers::cannot_seal_utf8(reference, language), "cannot-seal-utf8");
        }
        // Only what somebody outside was to get: colleagues may tell each other what they like.
        let outside = submission.recipients.iter().any(|recipient| !self.is_inside(recipient.domain()));
        let counters = standing.counted(if outside { seen.facts.values.clone() } else { Vec::new() });
        match seen.decision.disposition {
            Disposition::Allow => {
                let made = self.make_copies(&submission, &seen, &keys, agreed, at);
                match made.and_then(|outgoing| Ok((self.calls(&submission, &outgoing, agreed)?, outgoing))) {
                    Ok((calls, outgoing)) => {
                        let audit = audit::line::decided(&decided(&submission, &seen, &outgoing));
                        let acceptance =
                            Acceptance { reference, at, outgoing, held: None, notices: Vec::new(), calls, counters, audit };
                        Outcome::Accept(Box::new(acceptance))
                    }
                    Err(why) => self.cannot_send(&submission, &why),
                }
            }
            Disposition::Quarantine => match self.make_hold(&submission, &seen) {
                Ok(acceptance) => Outcome::Accept(Box::new(Acceptance { counters, ..acceptance })),
                Err(why) => self.cannot_send(&submission, &why),
            },
            Disposition::Defer | Disposition::Block => Outcome::Refuse {
                why: answers::refused(&seen.decision, reference, language),
                audit: audit::line::decided(&decided(&submission, &seen, &[])),
                remember: submission.sender().map(|sender| Refused {
                    sender: sender.clone(),
                    at,
                    likeness: gate::likeness(&submission),
                }),
                counters: Box::new(counters),
            },
        }
    }

    /// Nothing of it leaves, nothing is kept, and it is said aloud: 451, or 552.
    fn cannot_send(&self, submission: &Submission, why: &CannotSend) -> Outcome {
        tracing::error!(reference = %submission.reference, %why, "nothing was sent");
        refuse(submission, answers::cannot_send(why, submission.reference, submission.language), why.word())
    }

    async fn was_refused_alike(&self, submission: &Submission) -> Result<bool, StoreError> {
        let Some(sender) = submission.sender() else { return Ok(false) };
        let since = submission.received_at.plus(-REMEMBERED);
        self.store.was_refused_alike(sender, since, gate::likeness(submission)).await
    }
}

/// A refusal that no policy decided.
fn refuse(submission: &Submission, why: Refusal, cause: &'static str) -> Outcome {
    let listener = match &submission.origin {
        Origin::Listener(name) => name.as_str(),
        Origin::Release => "release",
        Origin::Inspection => "inspection",
    };
    let code = format!("{} {}", why.reply().code(), why.reply().enhanced());
    let audit = audit::line::refused(&audit::Refused {
        reference: Some(submission.reference),
        at: submission.received_at,
        listener,
        sender: submission.sender(),
        recipients: &submission.recipients,
        code: &code,
        cause,
    });
    Outcome::Refuse { why, audit, remember: None, counters: Box::default() }
}

fn decided<'a>(submission: &'a Submission, seen: &'a Inspection<'_>, outgoing: &'a [Outgoing]) -> Decided<'a> {
    Decided { submission, decision: &seen.decision, findings: &seen.findings, facts: &seen.facts, outgoing }
}

#[cfg(test)]
mod tests;
