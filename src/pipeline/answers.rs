//! Turns what became of a message into the reply its sender reads: the one place where errors become SMTP codes.
//!
//! The first 60 characters carry the reference and the cause, because many clients cut the rest. Nothing here ever sees a matched value: causes
//! are rule names with counts, and words of policies.

use super::CannotSend;
use crate::mail::{Language, Reference};
use crate::mime::Malformed;
use crate::policy::{Decision, Disposition, NotYours, Verdict};
use crate::protect::{CannotProtect, Cause};
use crate::smtp::reply::{Accepted, Refusal};
use crate::store::{Receipt, StoreError};

/// Recipients named in one refusal; more are counted.
const NAMED: usize = 5;

fn say<'t>(language: Language, fr: &'t str, en: &'t str) -> &'t str {
    match language {
        Language::Fr => fr,
        Language::En => en,
    }
}

/// It is on disk, on its way.
pub fn accepted(receipt: Receipt, reference: Reference, language: Language) -> Accepted {
    Accepted::new(receipt, &format!("{reference} {}", say(language, "accepté", "accepted")))
}

/// It is on disk, sealed, and waits for a person.
pub fn held(receipt: Receipt, reference: Reference, language: Language) -> Accepted {
    Accepted::new(receipt, &format!("{reference} {}", say(language, "retenu pour examen", "held for review")))
}

/// A policy says no: `550 5.7.1 PST-… NIR x12 vers gmail.com`, then the policy's own words, then who is meant.
pub fn refused(decision: &Decision, reference: Reference, language: Language) -> Refusal {
    let strictest: Vec<&Verdict> = decision.verdicts.iter().filter(|v| v.disposition == decision.disposition).collect();
    let cause = strictest.first().and_then(|verdict| verdict.reasons.first());
    let mut lines = Vec::new();
    let because = cause.map_or("", |applied| say(language, &applied.because.fr, &applied.because.en));
    let to = strictest
        .first()
        .map_or(String::new(), |verdict| format!(" {} {}", say(language, "vers", "to"), verdict.recipient.domain()));
    lines.push(format!("{reference} {because}{to}"));
    for verdict in &strictest {
        let told = verdict.reasons.iter().filter(|applied| applied.disposition == decision.disposition);
        for words in told.filter_map(|applied| applied.tell_sender.as_ref()) {
            let words = say(language, &words.fr, &words.en).to_owned();
            if !lines.contains(&words) && lines.len() <= NAMED {
                lines.push(words);
            }
        }
    }
    let named: Vec<String> = strictest.iter().take(NAMED).map(|verdict| verdict.recipient.to_string()).collect();
    let more = strictest.len().saturating_sub(NAMED);
    lines.push(format!(
        "{} {}{}",
        say(language, "Destinataires concernés :", "Recipients concerned:"),
        named.join(", "),
        if more > 0 { format!(" (+{more})") } else { String::new() }
    ));
    let text = lines.join("\n");
    match decision.disposition {
        Disposition::Defer => Refusal::of::<450>(7, 1, &text),
        Disposition::Block | Disposition::Quarantine | Disposition::Allow => Refusal::of::<550>(7, 1, &text),
    }
}

/// It cannot be read in one way: what is wrong, and where.
pub fn malformed(why: &Malformed, reference: Reference, language: Language) -> Refusal {
    let text =
        format!("{reference} {} {why}", say(language, "message ambigu ou malformé :", "ambiguous or malformed message:"));
    Refusal::of::<554>(6, 0, &text)
}

/// MAIL FROM, From or Sender is not this login's.
pub fn not_yours(why: &NotYours, reference: Reference, language: Language) -> Refusal {
    let text = format!("{reference} {} {why}", say(language, "expéditeur non autorisé :", "sender not allowed:"));
    Refusal::of::<553>(7, 1, &text)
}

/// Nobody could say whether this recipient has a key.
pub fn look_up_failed(reference: Reference, language: Language) -> Refusal {
    let text = say(language, "recherche de clé impossible pour l'instant, réessayez", "key look-up failed for now, try again");
    Refusal::of::<451>(4, 3, &format!("{reference} {text}"))
}

/// A copy cannot be made: the sender's message is as it was, and nothing left.
pub fn cannot_send(why: &CannotSend, reference: Reference, language: Language) -> Refusal {
    let text = match why {
        CannotSend::Protect(CannotProtect { cause: Cause::TooLarge, .. }) => {
            let text = say(
                language,
                "trop volumineux pour autant de destinataires chiffrés, envoyez en plusieurs fois",
                "too large for so many encrypted recipients, send to fewer at a time",
            );
            return Refusal::of::<552>(3, 4, &format!("{reference} {text}"));
        }
        CannotSend::Protect(CannotProtect { cause: Cause::LookUpFailed, .. }) => return look_up_failed(reference, language),
        CannotSend::Protect(_) | CannotSend::OwnKeys(_) | CannotSend::Call => say(
            language,
            "chiffrement impossible pour l'instant, rien n'a été envoyé",
            "cannot encrypt for now, nothing was sent",
        ),
        CannotSend::Sign(_) => {
            say(language, "signature impossible pour l'instant, rien n'a été envoyé", "cannot sign for now, nothing was sent")
        }
        CannotSend::Hold(_) | CannotSend::Notice => say(
            language,
            "mise en attente impossible pour l'instant, rien n'a été gardé",
            "cannot hold for now, nothing was kept",
        ),
    };
    Refusal::of::<451>(7, 0, &format!("{reference} {text}"))
}

/// It must be sealed, and its header has addresses beyond ASCII: trying again would not help.
pub fn cannot_seal_utf8(reference: Reference, language: Language) -> Refusal {
    let text = say(
        language,
        "à chiffrer ou signer : écrivez De, À et Cc avec des adresses ASCII",
        "to be encrypted or signed: write From, To and Cc with ASCII addresses",
    );
    Refusal::of::<550>(6, 9, &format!("{reference} {text}"))
}

/// Store or audit did not take it: nothing was sent.
pub fn not_stored(why: &StoreError, reference: Reference, language: Language) -> Refusal {
    match why {
        StoreError::OverQuota => over_quota(reference, language),
        StoreError::Full => {
            let text = say(language, "espace insuffisant, réessayez plus tard", "insufficient storage, try again later");
            Refusal::of::<452>(3, 1, &format!("{reference} {text}"))
        }
        _ => {
            let text = say(language, "enregistrement impossible, réessayez plus tard", "cannot store, try again later");
            Refusal::of::<451>(3, 0, &format!("{reference} {text}"))
        }
    }
}

/// The sender's share of the hour or day is used up: nothing is lost, the client tries again.
pub fn over_quota(reference: Reference, language: Language) -> Refusal {
    let text = say(language, "quota d'envoi atteint, réessayez plus tard", "sending quota reached, try again later");
    Refusal::of::<450>(7, 1, &format!("{reference} {text}"))
}

/// A stage broke down (a fault of ours): the client keeps the message.
pub fn broken(reference: Reference, language: Language) -> Refusal {
    let text = say(language, "erreur interne, réessayez plus tard", "internal error, try again later");
    Refusal::of::<451>(3, 0, &format!("{reference} {text}"))
}
