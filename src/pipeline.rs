//! The walk: the one way that every message takes, from a submission to a receipt or a refusal.
//!
//! [`inspect`] is its front half, shared by SMTP, release, `scan`, `explain` and `backtest`. [`Gate::handle`] and [`Gate::release`] add protect, sign and
//! commit. Everything between a submission and an acceptance is synchronous and runs on as many threads as there are processors.

mod agreed;
pub mod answers;
mod copies;
mod dispute;
mod gate;
mod groups;
mod hold;
mod lesson;

pub use agreed::{DueCall, service_tells};
pub use copies::CannotSend;
pub use dispute::WhyNot;
pub use gate::{AskKeys, BrokeDown, Gate, House, Laws, Limits, Rooms};
pub use groups::{AskGroups, GroupsAnswer, GroupsOf, whose_groups};
pub use hold::CannotRelease;

use crate::audit::{self, Decided};
use crate::detect::{self, Findings};
use crate::extract::{self, Extracted, Reader};
use crate::facts::{self, Facts, Known};
use crate::mail::{Address, Origin, Outgoing, Reference, Submission, UnixTime};
use crate::mime::write::{Fixes, repair};
use crate::mime::{self, Malformed, ParsedMessage};
use crate::policy::{self, Answer, Decision, Disposition};
use crate::quotas::Standing;
use crate::smtp::reply::{Accepted, Refusal};
use crate::store::{Acceptance, Answered, AuditLine, Counters, Dispute, RefusalNotice, Refused, StoreError};
use agreed::Agreed;
use answers::Speaker;
use dispute::Past;
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
    Refuse { why: Refusal, audit: AuditLine, remember: Option<Box<Refused>>, counters: Box<Counters> },
}

/// The outcome, and what goes with it.
struct Walked {
    outcome: Outcome,
    /// The refusal whose answer is used up by an acceptance.
    answered: Option<Answered>,
    /// Its sender was refused with so many different versions of something alike.
    probing: Option<AuditLine>,
}

impl From<Outcome> for Walked {
    fn from(outcome: Outcome) -> Walked {
        Walked { outcome, answered: None, probing: None }
    }
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
        // One set of laws for one message, from the first question to the last.
        let laws = self.laws();
        let speaker = Speaker { texts: &laws.texts, reference, language };
        let not_stored = |why: StoreError| {
            tracing::error!(%reference, %why, "not stored: answered with 4yz");
            answers::not_stored(&why, &speaker)
        };
        let past = self.past(&submission, REMEMBERED).await.map_err(not_stored)?;
        self.keys_ready(&submission).await;
        let mut agreed = self.agreed(&laws, &submission.recipients).await.map_err(not_stored)?;
        agreed.groups = self.groups_of(&laws, &submission).await.map_err(|why| {
            tracing::error!(%reference, why, "groups of the parties are not known: answered with 4yz");
            answers::groups_unknown(&speaker)
        })?;
        let octets = submission.raw.len();
        let about = Envelope::of(&submission);
        let remembers = Arc::new(laws.policy.remembers());
        let (past, agreed) = (Arc::new(past), Arc::new(agreed));
        let mut again = 0;
        loop {
            let share = self.quotas.standing(&submission, remembers.clone()).await.map_err(not_stored)?;
            let Walked { outcome, answered, probing } = if share.over && !self.quotas.holds() {
                refuse(&submission, answers::over_quota(&speaker), "over-quota").into()
            } else {
                let (submission, received) = (submission.clone(), received.clone());
                let (laws, past, agreed) = (laws.clone(), past.clone(), agreed.clone());
                let walk = move |gate: &Gate| gate.walk(submission, received, &past, &laws, &agreed, share);
                self.on_cpu(octets, walk).await.map_err(|BrokeDown| answers::broken(&speaker))?
            };
            if let Some(line) = probing.filter(|_| again == 0) {
                tracing::warn!(%reference, sender = about.sender(), "several versions of a refused message: somebody may be trying the rules");
                self.store.record(at, line).await.map_err(not_stored)?;
            }
            let acceptance = match outcome {
                Outcome::Accept(acceptance) => acceptance,
                // Audited first: a refusal that nobody can look up would be no refusal but a loss.
                Outcome::Refuse { why, audit, remember, counters } => {
                    let remember = remember.map(|refused| *refused);
                    self.store.record_refusal(at, remember, *counters, audit).await.map_err(not_stored)?;
                    return Err(why);
                }
            };
            let committed = match answered {
                None => self.store.commit(*acceptance).await,
                Some(answered) => self.store.commit_answered(*acceptance, answered).await,
            };
            match (committed, answered) {
                (Ok(receipt), _) => {
                    let answer = if receipt.is_held() { answers::held } else { answers::accepted };
                    return Ok(answer(receipt, &speaker));
                }
                (Err(StoreError::Answered), Some(Answered { refusal })) => {
                    let why = answers::answer_taken(refusal, &speaker);
                    self.store.record(at, about.refused(&why, "answer-used")).await.map_err(not_stored)?;
                    return Err(why);
                }
                // What was decided by is no longer so.
                (Err(StoreError::Overtaken | StoreError::OverQuota), _) if again < DECIDED_AGAIN => again += 1,
                (Err(why), _) => return Err(not_stored(why)),
            }
        }
    }

    /// The synchronous middle: fix, inspect, and make what the decision asks for.
    fn walk(
        &self,
        mut submission: Submission,
        received: String,
        past: &Past,
        laws: &Laws,
        agreed: &Agreed,
        share: Standing,
    ) -> Walked {
        let (reference, at) = (submission.reference, submission.received_at);
        let speaker = Speaker { texts: &laws.texts, reference, language: submission.language };
        let fixes = Fixes {
            received: Some(received),
            date: at,
            message_id: format!("{reference}@{}", self.house.hostname),
            hops: self.house.limits.message.hops,
            utf8: submission.transport.smtputf8,
        };
        match repair(&submission.raw, &fixes) {
            Ok(raw) => submission.raw = raw,
            Err(why) => return refuse(&submission, answers::malformed(&why, &speaker), "malformed").into(),
        }
        // The words in brackets are taken out before anybody looks: what is inspected is what is delivered.
        let standing = past.asked.as_ref().map(|asked| (asked, asked.standing(&submission, &self.house.limits.message)));
        if let Some((asked, standing)) = &standing
            && standing.strip
        {
            match mime::write::replace_subject(&submission.raw, &asked.tag.rest) {
                Ok(raw) => submission.raw = raw,
                Err(why) => return refuse(&submission, answers::malformed(&why, &speaker), "malformed").into(),
            }
        }
        let keys = self.find_keys(&submission.recipients, at);
        let mut known = self.known(laws, &keys, agreed, &share);
        known.keys_of_parties.extend(self.names_of_senders_keys(&submission, at));
        let key = self.key_of_disputes();
        if !past.refusals.is_empty()
            && let Ok(parsed) = mime::parse(&submission.raw, &self.house.limits.message)
        {
            let alike = dispute::alike(&past.refusals, &dispute::likeness(&submission, &parsed, laws, &key));
            (known.refused_alike, known.versions_refused) = (alike.refused, alike.versions);
        }
        let mut seen = match inspect(&submission, &known, laws, &self.house.limits, &self.reader) {
            Ok(seen) => seen,
            Err(why) => return refuse(&submission, answers::malformed(&why, &speaker), "malformed").into(),
        };
        if let Err(why) = policy::check_sender(&submission, &seen.parsed) {
            return refuse(&submission, answers::not_yours(&why, &speaker), "sender-not-own").into();
        }
        let mut answered = None;
        let mut why_not = None;
        if seen.decision.disposition == Disposition::Block
            && let Some((asked, standing)) = &standing
        {
            match standing.good.and_then(|dispute| self.follow(&submission, &seen, laws, asked, dispute)) {
                Ok((decision, refusal)) => {
                    seen.decision = decision;
                    answered = Some(refusal);
                }
                Err(why) => why_not = Some(why),
            }
        }
        if copies::hangs_on_failed_look_up(&seen.decision, &keys) {
            return refuse(&submission, answers::look_up_failed(&speaker), "key-look-up-failed").into();
        }
        if seen.decision.disposition == Disposition::Allow && copies::would_seal_utf8(&seen, &keys) {
            return refuse(&submission, answers::cannot_seal_utf8(&speaker), "cannot-seal-utf8").into();
        }
        let answer = answered.and(past.asked.as_ref()).map(|asked| audit::Answer {
            asks: asked.tag.asks.word(),
            refusal: asked.tag.reference,
            justification: dispute::masked(&asked.tag.justification, &seen.findings, &seen.extracted, laws),
        });
        // Only what somebody outside was to get: colleagues may tell each other what they like.
        let outside = submission.recipients.iter().any(|recipient| !self.is_inside(recipient.domain()));
        let counters = share.counted(if outside { seen.facts.values.clone() } else { Vec::new() });
        let outcome = match seen.decision.disposition {
            Disposition::Allow => {
                let made = self.make_copies(&submission, &seen, &keys, agreed, at);
                match made.and_then(|outgoing| Ok((self.calls(&submission, &outgoing, agreed)?, outgoing))) {
                    Ok((calls, outgoing)) => {
                        let audit = audit::line::decided(&decided(&submission, &seen, &outgoing));
                        let acceptance =
                            Acceptance { reference, at, outgoing, held: None, notices: Vec::new(), calls, counters, audit };
                        Outcome::Accept(Box::new(acceptance))
                    }
                    Err(why) => self.cannot_send(&submission, &why, &speaker),
                }
            }
            Disposition::Quarantine => match self.make_hold(&submission, &seen, laws) {
                Ok(acceptance) => Outcome::Accept(Box::new(Acceptance { counters, ..acceptance })),
                Err(why) => self.cannot_send(&submission, &why, &speaker),
            },
            Disposition::Defer | Disposition::Block => {
                let dispute = self.dispute(&submission, &seen, laws);
                let may = dispute.as_ref().map_or_else(Default::default, |_| seen.decision.recourse());
                Outcome::Refuse {
                    why: answers::refused(&seen.decision, why_not.as_ref(), may, &speaker),
                    audit: audit::line::decided(&decided(&submission, &seen, &[])),
                    remember: submission.sender().map(|sender| {
                        let content = dispute::content(&seen.parsed, &seen.extracted, &key);
                        Box::new(Refused {
                            sender: sender.clone(),
                            at,
                            likeness: dispute::likeness(&submission, &seen.parsed, laws, &key),
                            version: dispute::version(&content),
                            dispute,
                            notice: self.coaching(&submission, &seen, laws, may),
                        })
                    }),
                    counters: Box::new(counters),
                }
            }
        };
        let outcome = match (outcome, &answer) {
            (Outcome::Accept(mut acceptance), Some(answer)) => {
                acceptance.audit = audit::line::answered(acceptance.audit, answer);
                Outcome::Accept(acceptance)
            }
            (Outcome::Refuse { why, audit, remember, counters }, None) => {
                let audit = match &why_not {
                    Some(why_not) => audit::line::not_answered(audit, why_not.id()),
                    None => audit,
                };
                Outcome::Refuse { why, audit, remember, counters }
            }
            (outcome, _) => outcome,
        };
        let probing = seen.facts.of_message.contains(&facts::Fact::KeepsTrying);
        let probing = probing.then(|| audit::line::probing(&submission, known.versions_refused));
        Walked { outcome, answered, probing }
    }

    /// The decision after a sender's answer, if what they answer for is this very message and the answer opens a way.
    fn follow(
        &self,
        submission: &Submission,
        seen: &Inspection<'_>,
        laws: &Laws,
        asked: &dispute::Asked,
        dispute: &Dispute,
    ) -> Result<(Decision, Answered), WhyNot> {
        let key = self.key_of_disputes();
        let same = dispute::content(&seen.parsed, &seen.extracted, &key) == dispute.content
            && dispute::finds_the_same(dispute, &seen.findings, &seen.extracted, laws, &key);
        if !same {
            return Err(WhyNot::Changed(dispute.reference));
        }
        let answer: Answer = asked.answer(dispute, submission);
        let decision = policy::decide_answered(submission, &seen.facts, &seen.findings, &laws.policy, &answer);
        match decision.disposition {
            Disposition::Block => Err(asked.still_blocked()),
            _ => Ok((decision, Answered { refusal: dispute.reference })),
        }
    }

    /// How the sender of a blocked message may answer; `None`: not at all.
    fn dispute(&self, submission: &Submission, seen: &Inspection<'_>, laws: &Laws) -> Option<Dispute> {
        let key = self.key_of_disputes();
        let terms = dispute::terms(submission, &seen.decision, &seen.findings, &seen.extracted, laws, &key)?;
        Some(Dispute {
            reference: submission.reference,
            sender: submission.sender()?.clone(),
            at: submission.received_at,
            content: dispute::content(&seen.parsed, &seen.extracted, &key),
            terms,
            used: false,
        })
    }

    /// The mail about a refusal. The SMTP reply has said the same in short: without it the refusal stands.
    fn coaching(
        &self,
        submission: &Submission,
        seen: &Inspection<'_>,
        laws: &Laws,
        may: policy::Recourse,
    ) -> Option<RefusalNotice> {
        let notice = self.refusal_notice(submission, seen, laws, may).unwrap_or_else(|why| {
            tracing::error!(reference = %submission.reference, %why, "a sender is told of a refusal by the SMTP reply alone");
            None
        })?;
        Some(RefusalNotice { reference: submission.reference, notice, per_hour: self.house.coaching.per_hour })
    }

    /// Nothing of it leaves, nothing is kept, and it is said aloud: 451, or 552.
    fn cannot_send(&self, submission: &Submission, why: &CannotSend, speaker: &Speaker<'_>) -> Outcome {
        tracing::error!(reference = %submission.reference, %why, "nothing was sent");
        refuse(submission, answers::cannot_send(why, speaker), why.word())
    }
}

/// What an audit line says of a message that has gone into the walk already.
struct Envelope {
    reference: Reference,
    at: UnixTime,
    listener: String,
    sender: Option<Address>,
    recipients: Vec<Address>,
}

impl Envelope {
    fn of(submission: &Submission) -> Envelope {
        Envelope {
            reference: submission.reference,
            at: submission.received_at,
            listener: listener(submission).to_owned(),
            sender: submission.sender().cloned(),
            recipients: submission.recipients.clone(),
        }
    }

    fn sender(&self) -> String {
        self.sender.as_ref().map(Address::to_string).unwrap_or_default()
    }

    fn refused(&self, why: &Refusal, cause: &'static str) -> AuditLine {
        audit::line::refused(&audit::Refused {
            reference: Some(self.reference),
            at: self.at,
            listener: &self.listener,
            sender: self.sender.as_ref(),
            recipients: &self.recipients,
            code: &format!("{} {}", why.reply().code(), why.reply().enhanced()),
            cause,
        })
    }
}

fn listener(submission: &Submission) -> &str {
    match &submission.origin {
        Origin::Listener(name) => name.as_str(),
        Origin::Release => "release",
        Origin::Inspection => "inspection",
    }
}

/// A refusal that no policy decided.
fn refuse(submission: &Submission, why: Refusal, cause: &'static str) -> Outcome {
    let code = format!("{} {}", why.reply().code(), why.reply().enhanced());
    let audit = audit::line::refused(&audit::Refused {
        reference: Some(submission.reference),
        at: submission.received_at,
        listener: listener(submission),
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
