//! Turns a decided message into a sealed one that only a reviewer or a release can open.
//!
//! [`hold`] seals (RFC 9180) to two public keys; the gate that seals cannot open. [`Quarantine`] lists what is held, opens it with
//! a private key that its caller brings, and ends holds: each in one transaction, with one winner.

mod record;
mod sealed;
#[cfg(test)]
mod tests;

use crate::detect::{Confidence, Findings};
use crate::facts::Facts;
use crate::mail::{Origin, Outgoing, Reference, Submission};
use crate::policy::Decision;
use crate::store::{Acceptance, AuditLine, Held, HeldState, HeldSummary, Receipt, Store, StoreError};
use crate::world::Clock;
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub use sealed::{PUBLIC_KEY_OCTETS, PrivateKey, PublicKeys, Purpose};

/// Masked values shown of one rule.
const MASKED: usize = 5;
/// Holds that are ended in one round.
const OVERDUE_AT_ONCE: usize = 100;

/// `[quarantine]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Days after which a message that nobody decided about is dropped and its sender told.
    pub expire_after_days: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { expire_after_days: 30 }
    }
}

/// A held message, opened.
#[derive(Debug)]
pub struct HeldMessage {
    /// As it was handed in, but [`Origin::Release`].
    pub submission: Submission,
    /// What was decided then, with the policies that held it.
    pub decision: Decision,
}

/// Why a message cannot be held: 451 4.3.0, and nothing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotSeal {
    #[error("the review or the release key is no X25519 public key of 32 octets")]
    Key,
    #[error("the message cannot be written down for quarantine")]
    Record,
}

/// Why a held message cannot be opened. Says nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotOpen {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("this key does not open this message, or the message was tampered with")]
    Sealed,
    #[error("this message was sealed by another version of postern")]
    Version,
}

/// Held messages over a store. Cheap to clone.
#[derive(Clone)]
pub struct Quarantine {
    store: Store,
    settings: Settings,
    clock: Clock,
}

/// Seals a decided message for [`Acceptance::held`], with the summary that lists may show: masked values, no content.
pub fn hold(
    submission: &Submission,
    decision: &Decision,
    findings: &Findings,
    facts: &Facts,
    keys: &PublicKeys,
) -> Result<Held, CannotSeal> {
    let record = record::write(submission, decision).ok_or(CannotSeal::Record)?;
    Ok(Held {
        reference: submission.reference,
        at: submission.received_at,
        sender: submission.sender().cloned(),
        recipients: submission.recipients.clone(),
        sealed: sealed::seal(submission.reference, &record, keys)?,
        summary: summary(submission, decision, findings, facts).to_string(),
    })
}

impl Quarantine {
    pub fn new(store: Store, settings: Settings, clock: Clock) -> Quarantine {
        Quarantine { store, settings, clock }
    }

    /// After how many days [`Quarantine::overdue`] names a message: for the notice to its sender.
    pub fn expires_after_days(&self) -> u32 {
        self.settings.expire_after_days
    }

    /// Held messages, the oldest first; `state` `None` lists the decided ones too.
    pub async fn list(&self, state: Option<HeldState>, limit: usize) -> Result<Vec<HeldSummary>, StoreError> {
        self.store.list_held(state, limit).await
    }

    /// What lists may show of one message, in whatever state.
    pub async fn show(&self, reference: Reference) -> Result<Option<HeldSummary>, StoreError> {
        self.store.find_held(reference).await
    }

    /// Opens a message that is still held, with the review key or the release key. Reading it by the review key is an act that its
    /// caller records ([`crate::audit::line::revealed`]) before it shows anything.
    pub async fn open(&self, reference: Reference, key: &PrivateKey) -> Result<HeldMessage, CannotOpen> {
        let held = self.store.open_held(reference).await?;
        let record = Zeroizing::new(sealed::open(reference, &held.sealed, key)?);
        let mut message = record::read(&record).ok_or(CannotOpen::Version)?;
        message.submission.reference = reference;
        message.submission.origin = Origin::Release;
        Ok(message)
    }

    /// Opens a message in order to release it: by the key that can do nothing else.
    pub async fn open_for_release(&self, reference: Reference, release_private: &[u8; 32]) -> Result<HeldMessage, CannotOpen> {
        self.open(reference, &PrivateKey::new(Purpose::Release, release_private)).await
    }

    /// Ends the hold and queues what the walk made of the message. Of several who try one wins.
    pub async fn release(&self, reference: Reference, acceptance: Acceptance) -> Result<Receipt, StoreError> {
        self.store.release(reference, acceptance).await
    }

    /// Ends the hold without sending; `notices` tell the sender.
    pub async fn reject(&self, reference: Reference, notices: Vec<Outgoing>, audit: AuditLine) -> Result<(), StoreError> {
        self.store.end_hold(reference, HeldState::Rejected, self.clock.now(), notices, audit).await
    }

    /// Messages that have been held longer than [`Settings::expire_after_days`]; each is ended by [`Quarantine::expire`].
    pub async fn overdue(&self) -> Result<Vec<HeldSummary>, StoreError> {
        let before = self.clock.now().plus(-86_400 * i64::from(self.settings.expire_after_days));
        self.store.held_before(before, OVERDUE_AT_ONCE).await
    }

    /// Ends a hold that nobody decided about; `notices` tell the sender.
    pub async fn expire(&self, reference: Reference, notices: Vec<Outgoing>, audit: AuditLine) -> Result<(), StoreError> {
        self.store.end_hold(reference, HeldState::Expired, self.clock.now(), notices, audit).await
    }
}

fn summary(submission: &Submission, decision: &Decision, findings: &Findings, facts: &Facts) -> Value {
    let found = findings.found.iter().map(|finding| {
        let mut masked: Vec<&str> = finding.places.iter().map(|found| found.masked.as_str()).collect();
        masked.dedup();
        masked.truncate(MASKED);
        json!({
            "rule": finding.rule,
            "confidence": finding.confidence,
            "count": finding.count(Confidence::Low),
            "unique": finding.unique(Confidence::Low),
            "masked": masked,
        })
    });
    let recipients = decision.verdicts.iter().map(|verdict| {
        let reasons = verdict.reasons.iter().map(|applied| json!({ "policy": applied.policy, "because": applied.because }));
        json!({ "address": verdict.recipient, "verdict": verdict.disposition, "reasons": reasons.collect::<Value>() })
    });
    let unreadable: Vec<_> = findings.unreadable.iter().map(|part| part.reason).collect();
    json!({
        "size": submission.raw.len(),
        "mail_from": submission.mail_from,
        "language": submission.language,
        "findings": found.collect::<Value>(),
        "recipients": recipients.collect::<Value>(),
        "facts": facts.of_message,
        "unreadable": unreadable,
        "ruleset": &*decision.ruleset,
    })
}
