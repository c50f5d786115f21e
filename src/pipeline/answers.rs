//! Turns what became of a message into the reply its sender reads: the one place where errors become SMTP codes.
//!
//! The first 60 characters carry the reference and the cause, because many clients cut the rest. Nothing here ever sees a matched value: causes
//! are rule names with counts, and words of policies. The sentences themselves stand in `rules/texts/` ([`crate::notices::Texts`]).

use super::CannotSend;
use super::dispute::WhyNot;
use crate::mail::{Language, Reference};
use crate::mime::Malformed;
use crate::notices::{Texts, Value};
use crate::policy::{Decision, Disposition, NotYours, Recourse, Verdict};
use crate::protect::{CannotProtect, Cause};
use crate::smtp::reply::{Accepted, Refusal};
use crate::store::{Receipt, StoreError};

/// Recipients named in one refusal; more are counted.
const NAMED: usize = 5;

/// About which message is spoken, in which words.
#[derive(Clone, Copy)]
pub struct Speaker<'t> {
    pub texts: &'t Texts,
    pub reference: Reference,
    pub language: Language,
}

impl Speaker<'_> {
    /// The text `id`, on one line: a reply's further lines are ours to begin.
    fn say(&self, id: &str, values: &[(&str, Value<'_>)]) -> String {
        let reference = self.reference.to_string();
        let mut all = vec![("reference", Value::from(&reference))];
        all.extend_from_slice(values);
        let text = self.texts.say(self.language, id, &all);
        text.replace(['\r', '\n'], " ")
    }

    fn choose<'w>(&self, words: &'w crate::policy::Bilingual) -> &'w str {
        match self.language {
            Language::Fr => &words.fr,
            Language::En => &words.en,
        }
    }
}

/// It is on disk, on its way.
pub fn accepted(receipt: Receipt, speaker: &Speaker<'_>) -> Accepted {
    Accepted::new(receipt, &speaker.say("smtp-accepted", &[]))
}

/// It is on disk, sealed, and waits for a person.
pub fn held(receipt: Receipt, speaker: &Speaker<'_>) -> Accepted {
    Accepted::new(receipt, &speaker.say("smtp-held", &[]))
}

/// A policy says no: `550 5.7.1 PST-… NIR x12 vers gmail.com`, then the policy's own words, who is meant, why an answer to an earlier refusal
/// was not followed, and how to answer this one.
pub fn refused(decision: &Decision, why_not: Option<&WhyNot>, may: Recourse, speaker: &Speaker<'_>) -> Refusal {
    let strictest: Vec<&Verdict> = decision.verdicts.iter().filter(|v| v.disposition == decision.disposition).collect();
    let cause = strictest.first().and_then(|verdict| verdict.reasons.first());
    let because = cause.map_or("", |applied| speaker.choose(&applied.because));
    let domain = strictest.first().map_or(String::new(), |verdict| verdict.recipient.domain().to_string());
    let mut lines = vec![speaker.say("smtp-refused", &[("cause", because.into()), ("domain", (&domain).into())])];
    lines.extend(why_not.map(|why| speaker.say(why.id(), &[("used", (&why.used()).into())])));
    let first = lines.len();
    for verdict in &strictest {
        let told = verdict.reasons.iter().filter(|applied| applied.disposition == decision.disposition);
        for words in told.filter_map(|applied| applied.tell_sender.as_ref()) {
            let words = speaker.choose(words).to_owned();
            if !lines.contains(&words) && lines.len() < first + NAMED {
                lines.push(words);
            }
        }
    }
    let named: Vec<String> = strictest.iter().take(NAMED).map(|verdict| verdict.recipient.to_string()).collect();
    let more = strictest.len().saturating_sub(NAMED);
    let named = named.join(", ");
    lines.push(speaker.say("smtp-refused-recipients", &[("recipients", (&named).into()), ("others", more.into())]));
    for (may, id) in [(may.confirm, "smtp-confirm"), (may.review, "smtp-review")] {
        if may {
            lines.push(speaker.say(id, &[]));
        }
    }
    let text = lines.join("\n");
    match decision.disposition {
        Disposition::Defer => Refusal::of::<450>(7, 1, &text),
        Disposition::Block | Disposition::Quarantine | Disposition::Allow => Refusal::of::<550>(7, 1, &text),
    }
}

/// Two messages with the same answer to one refusal came at once, and the other was quicker.
pub fn answer_taken(used: Reference, speaker: &Speaker<'_>) -> Refusal {
    Refusal::of::<550>(7, 1, &speaker.say("smtp-answer-taken", &[("used", (&used.to_string()).into())]))
}

/// It cannot be read in one way: what is wrong, and where.
pub fn malformed(why: &Malformed, speaker: &Speaker<'_>) -> Refusal {
    Refusal::of::<554>(6, 0, &speaker.say("smtp-malformed", &[("what", (&why.to_string()).into())]))
}

/// MAIL FROM, From or Sender is not this login's.
pub fn not_yours(why: &NotYours, speaker: &Speaker<'_>) -> Refusal {
    Refusal::of::<553>(7, 1, &speaker.say("smtp-not-yours", &[("what", (&why.to_string()).into())]))
}

/// A policy names groups, and who knows them does not answer.
pub fn groups_unknown(speaker: &Speaker<'_>) -> Refusal {
    Refusal::of::<451>(4, 3, &speaker.say("smtp-groups-unknown", &[]))
}

/// Nobody could say whether this recipient has a key.
pub fn look_up_failed(speaker: &Speaker<'_>) -> Refusal {
    Refusal::of::<451>(4, 3, &speaker.say("smtp-look-up-failed", &[]))
}

/// A copy cannot be made: the sender's message is as it was, and nothing left.
pub fn cannot_send(why: &CannotSend, speaker: &Speaker<'_>) -> Refusal {
    let id = match why {
        CannotSend::Protect(CannotProtect { cause: Cause::TooLarge, .. }) => {
            return Refusal::of::<552>(3, 4, &speaker.say("smtp-too-large", &[]));
        }
        CannotSend::Protect(CannotProtect { cause: Cause::LookUpFailed, .. }) => return look_up_failed(speaker),
        CannotSend::Protect(_) | CannotSend::OwnKeys(_) | CannotSend::Call => "smtp-cannot-encrypt",
        CannotSend::Sign(_) => "smtp-cannot-sign",
        CannotSend::Hold(_) | CannotSend::Notice => "smtp-cannot-hold",
    };
    Refusal::of::<451>(7, 0, &speaker.say(id, &[]))
}

/// It must be sealed, and its header has addresses beyond ASCII: trying again would not help.
pub fn cannot_seal_utf8(speaker: &Speaker<'_>) -> Refusal {
    Refusal::of::<550>(6, 9, &speaker.say("smtp-cannot-seal-utf8", &[]))
}

/// Store or audit did not take it: nothing was sent.
pub fn not_stored(why: &StoreError, speaker: &Speaker<'_>) -> Refusal {
    match why {
        StoreError::OverQuota => over_quota(speaker),
        StoreError::Full => Refusal::of::<452>(3, 1, &speaker.say("smtp-full", &[])),
        _ => Refusal::of::<451>(3, 0, &speaker.say("smtp-not-stored", &[])),
    }
}

/// The sender's share of the hour or day is used up: nothing is lost, the client tries again.
pub fn over_quota(speaker: &Speaker<'_>) -> Refusal {
    Refusal::of::<450>(7, 1, &speaker.say("smtp-over-quota", &[]))
}

/// A stage broke down (a fault of ours): the client keeps the message.
pub fn broken(speaker: &Speaker<'_>) -> Refusal {
    Refusal::of::<451>(3, 0, &speaker.say("smtp-broken", &[]))
}
