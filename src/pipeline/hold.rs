//! Turns a message that waits for a person into a sealed one with a notice, and a person's word into what becomes of it.

use super::agreed::Agreed;
use super::{CannotSend, Gate, Inspection, Laws, copies, decided, inspect};
use crate::audit;
use crate::mail::{Address, Language, Outgoing, Reference, Submission, UnixTime};
use crate::mime::Malformed;
use crate::notices::{self, About, Letterhead, NoNotice, Texts};
use crate::policy::{self, Answer, Bilingual, Decision, Disposition, PolicyId};
use crate::quarantine::{self, CannotOpen, PublicKeys};
use crate::quotas::Standing;
use crate::store::{Acceptance, Counters, HeldState, HeldSummary, StoreError};
use std::sync::Arc;

/// Why a held message was not released. It stays held.
#[derive(Debug, thiserror::Error)]
pub enum CannotRelease {
    #[error(transparent)]
    Open(#[from] CannotOpen),
    #[error("today's rules do not let it leave: {0}")]
    Decided(String),
    #[error("whether a recipient has a key could not be found out; try again later")]
    LookUpFailed,
    #[error("in which groups its parties are could not be found out ({0}); try again later")]
    Groups(String),
    #[error("today it cannot be read any more: {0}")]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Send(#[from] CannotSend),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a stage broke down; the message stays held")]
    BrokeDown,
}

impl Gate {
    /// The sealed message, the notice to its sender, and the audit line: one acceptance.
    pub(super) fn make_hold(
        &self,
        submission: &Submission,
        seen: &Inspection<'_>,
        laws: &Laws,
    ) -> Result<Acceptance, CannotSend> {
        let keys = PublicKeys { review: self.vault.review_public(), release: self.vault.release_keys().public };
        let held = quarantine::hold(submission, &seen.decision, &seen.findings, &seen.facts, &keys)?;
        let causes: Vec<Bilingual> = seen
            .decision
            .verdicts
            .iter()
            .filter(|verdict| verdict.disposition == Disposition::Quarantine)
            .flat_map(|verdict| &verdict.reasons)
            .filter(|applied| applied.disposition == Disposition::Quarantine)
            .map(|applied| applied.because.clone())
            .collect();
        let about = About {
            sender: submission.mail_from.as_ref(),
            reference: submission.reference,
            at: submission.received_at,
            recipients: &submission.recipients,
        };
        let lesson = self.house.coaching.held.then(|| super::lesson::lesson(seen, laws));
        let hold = notices::Hold {
            causes: &causes,
            asked: seen.decision.answer == Answer::Review,
            expires_after_days: self.quarantine.expires_after_days(),
            lesson: lesson.as_ref(),
        };
        let (language, at) = (submission.language, submission.received_at);
        let notice =
            self.notice(&laws.texts, language, at, submission.mail_from.as_ref(), |head| notices::held(head, &about, &hold))?;
        Ok(Acceptance {
            reference: submission.reference,
            at: submission.received_at,
            outgoing: Vec::new(),
            held: Some(held),
            notices: notice.into_iter().collect(),
            calls: Vec::new(),
            counters: Counters::default(),
            audit: audit::line::decided(&decided(submission, seen, &[])),
        })
    }

    /// Sends a held message on: opened with the release key, it takes the walk again under today's rules, and only the policies
    /// that held it are lifted. Of two who release at once, one wins.
    pub async fn release(self: &Arc<Self>, reference: Reference, officer: &str) -> Result<(), CannotRelease> {
        let private = self.vault.release_keys().private.clone();
        let held = self.quarantine.open_for_release(reference, &private).await?;
        let officer = officer.to_owned();
        self.keys_ready(&held.submission).await;
        let octets = held.submission.raw.len();
        let laws = self.laws();
        let mut agreed = self.agreed(&laws, &held.submission.recipients).await?;
        agreed.groups = self.groups_of(&laws, &held.submission).await.map_err(CannotRelease::Groups)?;
        let made =
            self.on_cpu(octets, move |gate| gate.walk_again(held.submission, &held.decision, &officer, &laws, &agreed)).await;
        let acceptance = made.map_err(|_| CannotRelease::BrokeDown)??;
        self.quarantine.release(reference, acceptance).await?;
        Ok(())
    }

    fn walk_again(
        &self,
        submission: Submission,
        then: &Decision,
        officer: &str,
        laws: &Laws,
        agreed: &Agreed,
    ) -> Result<Acceptance, CannotRelease> {
        let now = self.clock.now();
        let keys = self.find_keys(&submission.recipients, now);
        let mut known = self.known(laws, &keys, agreed, &Standing::default());
        known.keys_of_parties.extend(self.names_of_senders_keys(&submission, now));
        let mut seen = inspect(&submission, &known, laws, &self.house.limits, &self.reader)?;
        // What the sender answered when it was held still counts: today's policies lift by it what they allow to be lifted.
        let today = policy::decide_answered(&submission, &seen.facts, &seen.findings, &laws.policy, &then.answer);
        let lifted = held_by(then);
        seen.decision = policy::release(then, &lifted, today);
        if copies::hangs_on_failed_look_up(&seen.decision, &keys) {
            return Err(CannotRelease::LookUpFailed);
        }
        if seen.decision.disposition != Disposition::Allow {
            return Err(CannotRelease::Decided(obstacles(&seen.decision)));
        }
        let outgoing = self.make_copies(&submission, &seen, &keys, agreed, now)?;
        let calls = self.calls(&submission, &outgoing, agreed)?;
        let about = about(&submission);
        let notice = self
            .notice(&laws.texts, submission.language, now, submission.mail_from.as_ref(), |head| {
                notices::released(head, &about)
            })
            .map_err(CannotRelease::Send)?;
        let audit = audit::line::released(&decided(&submission, &seen, &outgoing), now, officer, &lifted);
        Ok(Acceptance {
            reference: submission.reference,
            at: now,
            outgoing,
            held: None,
            notices: notice.into_iter().collect(),
            calls,
            // Counted when it was held.
            counters: Counters::default(),
            audit,
        })
    }

    /// Refuses a held message for good; its sender is told.
    pub async fn reject(self: &Arc<Self>, reference: Reference, officer: &str) -> Result<(), CannotRelease> {
        let held = self.quarantine.show(reference).await?.ok_or(StoreError::NotHeld)?;
        let now = self.clock.now();
        let notice = self.notice_of_end(held, now, notices::rejected).await?;
        let audit = audit::line::hold_ended(reference, now, HeldState::Rejected, officer);
        Ok(self.quarantine.reject(reference, notice, audit).await?)
    }

    /// Ends holds that nobody decided about in time; their senders are told. One that cannot be ended now does not keep the others.
    pub async fn expire_holds(self: &Arc<Self>) -> Result<usize, CannotRelease> {
        let mut count = 0;
        for held in self.quarantine.overdue().await? {
            let reference = held.reference;
            match self.expire_hold(held).await {
                Ok(()) => count += 1,
                // An officer was quicker.
                Err(CannotRelease::Store(StoreError::NotHeld)) => {}
                Err(why) => tracing::error!(%reference, %why, "a hold whose time is over could not be ended"),
            }
        }
        Ok(count)
    }

    async fn expire_hold(self: &Arc<Self>, held: HeldSummary) -> Result<(), CannotRelease> {
        let (reference, now) = (held.reference, self.clock.now());
        let notice = self.notice_of_end(held, now, notices::hold_expired).await?;
        let audit = audit::line::hold_ended(reference, now, HeldState::Expired, "");
        Ok(self.quarantine.expire(reference, notice, audit).await?)
    }

    /// Signing is arithmetic: it runs where the walk runs.
    async fn notice_of_end(
        self: &Arc<Self>,
        held: HeldSummary,
        now: UnixTime,
        write: impl FnOnce(&Letterhead<'_>, &About<'_>) -> Result<Outgoing, NoNotice> + Send + 'static,
    ) -> Result<Vec<Outgoing>, CannotRelease> {
        let made = self.on_cpu(0, move |gate| {
            let (sender, language) = addressee(&held, gate.house.language);
            let about = About { sender: sender.as_ref(), reference: held.reference, at: held.at, recipients: &held.recipients };
            gate.notice(&gate.texts.now(), language, now, sender.as_ref(), |head| write(head, &about))
        });
        let notice = made.await.map_err(|_| CannotRelease::BrokeDown)??;
        Ok(notice.into_iter().collect())
    }

    /// A signed notice; `None` where none is owed: to a null sender, or to a stranger.
    pub(super) fn notice(
        &self,
        texts: &Texts,
        language: Language,
        now: UnixTime,
        to: Option<&Address>,
        write: impl FnOnce(&Letterhead<'_>) -> Result<Outgoing, NoNotice>,
    ) -> Result<Option<Outgoing>, CannotSend> {
        match self.write_notice(texts, language, now, to, write) {
            Some(Ok(notice)) => Ok(Some(self.dkim.sign(notice, now)?)),
            None | Some(Err(NoNotice::NullSender | NoNotice::Outside)) => Ok(None),
            Some(Err(NoNotice::CannotWrite)) => Err(CannotSend::Notice),
        }
    }

    /// A notice under our letterhead; `None` to a stranger.
    pub(super) fn write_notice(
        &self,
        texts: &Texts,
        language: Language,
        now: UnixTime,
        to: Option<&Address>,
        write: impl FnOnce(&Letterhead<'_>) -> Result<Outgoing, NoNotice>,
    ) -> Option<Result<Outgoing, NoNotice>> {
        let signer = self.dkim.of(to?.domain())?;
        // RFC 5321 §4.5.1: every domain that sends mail has this mailbox.
        let postmaster = Address::of("postmaster", signer.domain());
        let head = Letterhead {
            texts,
            hostname: &self.house.hostname,
            postmaster: &postmaster,
            inside: &self.house.inside,
            language,
            now,
            number: self.dice.roll(),
        };
        Some(write(&head))
    }
}

fn about(submission: &Submission) -> About<'_> {
    About {
        sender: submission.mail_from.as_ref(),
        reference: submission.reference,
        at: submission.received_at,
        recipients: &submission.recipients,
    }
}

/// To whom the end of a hold is told, and in which language: as the notice at its beginning was. A summary from before it said so has
/// the login and the house's language.
fn addressee(held: &HeldSummary, house: Language) -> (Option<Address>, Language) {
    let said = |name: &str| held.summary.get(name).cloned();
    let language = said("language").and_then(|value| serde_json::from_value(value).ok()).unwrap_or(house);
    let sender = match said("mail_from").map(serde_json::from_value::<Option<Address>>) {
        Some(Ok(mail_from)) => mail_from,
        None | Some(Err(_)) => held.sender.clone(),
    };
    (sender, language)
}

/// The policies that were named as the reason for holding; a missing key is none: that is never lifted.
fn held_by(then: &Decision) -> Vec<PolicyId> {
    let applied = then.verdicts.iter().flat_map(|verdict| &verdict.reasons);
    let mut ids: Vec<PolicyId> = applied
        .filter(|applied| applied.disposition == Disposition::Quarantine && !applied.no_key)
        .map(|applied| applied.policy.clone())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Which policies stand in the way, for the officer.
fn obstacles(decision: &Decision) -> String {
    let mut words: Vec<String> = decision
        .verdicts
        .iter()
        .filter(|verdict| verdict.disposition != Disposition::Allow)
        .flat_map(|verdict| verdict.reasons.iter().map(move |applied| (verdict, applied)))
        .filter(|(_, applied)| applied.disposition != Disposition::Allow)
        .map(|(verdict, applied)| {
            let key = if applied.no_key { ", no usable key" } else { "" };
            format!("{} ({}, {}{key})", applied.policy.0, verdict.recipient, applied.disposition.word())
        })
        .collect();
    words.sort();
    words.dedup();
    words.join("; ")
}
