//! Turns queued copies into work for the relay, and the upstream's answers into what each recipient's copy becomes.
//!
//! The states and who changes them are described in [`crate::manual::store_states`].

mod settings;
#[cfg(test)]
mod tests;

pub use settings::Settings;

use crate::mail::{Address, Outgoing, Reference, UnixTime};
use crate::store::{AuditLine, CopyRow, Damaged, DeliveryState, Loaded, Outcome, Settlement, Store, StoreError};
use crate::world::{Clock, Dice};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The upstream's words that are kept with a recipient, in octets.
const SAID: usize = 512;
/// Finished copies forgotten in one transaction.
const FORGOTTEN_AT_ONCE: usize = 500;

/// A copy that waits for the upstream.
#[derive(Clone, Debug)]
pub struct Queued {
    pub id: i64,
    pub reference: Reference,
    /// Only the recipients that are still to be served.
    pub outgoing: Outgoing,
    pub queued_at: UnixTime,
    /// Attempts before this one.
    pub attempts: u32,
    /// The sender has been told once that it takes longer.
    pub delay_told: bool,
}

/// What one attempt came to for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The upstream gave a 2yz after the data.
    Delivered { reply: String },
    /// The same, of a recipient for whom the sender asked to hear of success, by a server that will not tell of it.
    Relayed { reply: String },
    /// Everything that is neither a 2yz nor a well-formed 5yz: unreachable, 4yz, nonsense.
    TryLater { why: String },
    /// A syntactically valid 5yz of the upstream about this recipient or this message.
    Failed { reply: String },
}

/// One attempt for all recipients of a copy.
#[derive(Clone, Debug)]
pub struct Attempted {
    pub id: i64,
    pub at: UnixTime,
    pub results: Vec<(Address, Attempt)>,
}

/// What an attempt leads to, before it is written: so that the reports it calls for can be made and written with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Recipients that will not get it, with the upstream's last word: by a 5yz, or because the time is up.
    pub failed: Vec<(Address, Failure)>,
    /// Recipients of whose delivery we have to tell, with the upstream's reply.
    pub relayed: Vec<(Address, String)>,
    /// Recipients for whom it takes long enough that the sender is told now, once, with the last reason.
    pub delayed: Vec<(Address, String)>,
    /// Until when it will be tried.
    pub gives_up_at: UnixTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The upstream refused for good: its reply.
    Refused(String),
    /// It could not be delivered in time: the last reason.
    Expired(String),
}

/// The queue. Cheap to clone; all clones share the claims, so there is one per store.
#[derive(Clone)]
pub struct Spool(Arc<Inner>);

struct Inner {
    store: Store,
    settings: Settings,
    clock: Clock,
    dice: Dice,
    /// Copies that a worker has in hand: never given out twice at once. Lost with the process, on purpose.
    claimed: Mutex<BTreeSet<i64>>,
    /// Held from looking at the claims to adding to them: else one worker could read a copy as queued, another send and settle it
    /// meanwhile, and the first then claim what it read.
    looking: tokio::sync::Mutex<()>,
}

impl Spool {
    pub fn new(store: Store, settings: Settings, clock: Clock, dice: Dice) -> Spool {
        Spool(Arc::new(Inner {
            store,
            settings,
            clock,
            dice,
            claimed: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        }))
    }

    /// Up to `limit` copies whose time has come, claimed until [`Spool::settle`] or [`Spool::give_back`]. A copy whose stored
    /// octets are damaged is taken out of the queue instead; see [`Spool::damaged`].
    pub async fn due(&self, now: UnixTime, limit: usize) -> Result<Vec<Queued>, StoreError> {
        let _looking = self.0.looking.lock().await;
        let skip = self.claims().clone();
        let far = now.plus(self.0.settings.longest_wait());
        let (loaded, damaged) = self.0.store.due_copies(now, far, skip, limit).await?;
        for id in damaged {
            self.set_damaged_aside(id, now).await?;
        }
        // Claimed last, without a pause in between: a caller that is dropped while waiting must not leave claims behind.
        Ok(loaded.into_iter().filter_map(|copy| self.claim(copy)).collect())
    }

    /// One copy by its number, due or not, claimed. `None` when it is finished, damaged, or in a worker's hands just now.
    pub async fn take(&self, id: i64) -> Result<Option<Queued>, StoreError> {
        let _looking = self.0.looking.lock().await;
        if self.claims().contains(&id) {
            return Ok(None);
        }
        match self.0.store.load_copy(id).await? {
            Some(Ok(copy)) => Ok(self.claim(copy)),
            Some(Err(id)) => self.set_damaged_aside(id, self.0.clock.now()).await.map(|()| None),
            None => Ok(None),
        }
    }

    /// Gives a claimed copy back unattempted: it is due as before.
    pub fn give_back(&self, id: i64) {
        self.claims().remove(&id);
    }

    /// What `attempted` leads to. Pure: the relay makes the reports it names, then hands both to [`Spool::settle`].
    pub fn plan(&self, queued: &Queued, attempted: &Attempted) -> Plan {
        plan(&self.0.settings, queued, attempted)
    }

    /// Writes an attempt's results, the reports about them and the audit line in one transaction, and ends the claim. When it
    /// fails the claim stays: the upstream may have the copy already, so call again with the same values rather than attempt
    /// again. Recipients without a result count as [`Attempt::TryLater`].
    pub async fn settle(
        &self,
        queued: &Queued,
        attempted: Attempted,
        notices: Vec<Outgoing>,
        audit: Option<AuditLine>,
    ) -> Result<(), StoreError> {
        let settings = &self.0.settings;
        let plan = plan(settings, queued, &attempted);
        let expired = is_over(settings, queued, attempted.at);
        let result_of = |recipient: &Address| attempted.results.iter().find(|(address, _)| address == recipient);
        let outcomes = queued.outgoing.recipients.iter().map(|recipient| {
            let (state, said) = match result_of(recipient).map(|(_, attempt)| attempt) {
                Some(Attempt::Delivered { reply } | Attempt::Relayed { reply }) => (DeliveryState::Delivered, reply.as_str()),
                Some(Attempt::Failed { reply }) => (DeliveryState::Failed, reply.as_str()),
                Some(Attempt::TryLater { why }) if expired => (DeliveryState::Expired, why.as_str()),
                None if expired => (DeliveryState::Expired, ""),
                Some(Attempt::TryLater { why }) => (DeliveryState::Queued, why.as_str()),
                None => (DeliveryState::Queued, ""),
            };
            Outcome { recipient: recipient.clone(), state, said: shorten(said) }
        });
        let next_at = attempted.at.plus(settings.wait_after(queued.attempts, self.0.dice.roll()));
        // The last attempt is made when the time is up, not a long wait later.
        let next_at = if attempted.at < plan.gives_up_at { next_at.min(plan.gives_up_at) } else { next_at };
        let settlement = Settlement {
            id: queued.id,
            at: attempted.at,
            outcomes: outcomes.collect(),
            next_at,
            tells_delay: !plan.delayed.is_empty(),
        };
        self.0.store.settle(settlement, notices, audit).await?;
        self.give_back(queued.id);
        Ok(())
    }

    /// The operator's word that a copy shall not be tried any more: settle it like any attempt, so that its sender is told.
    pub fn withdrawn(&self, queued: &Queued) -> Attempted {
        let reply = || Attempt::Failed { reply: "550 5.7.0 withdrawn by the operator".into() };
        let results = queued.outgoing.recipients.iter().map(|recipient| (recipient.clone(), reply())).collect();
        Attempted { id: queued.id, at: self.0.clock.now(), results }
    }

    /// Damaged copies whose senders have not been told yet, until [`Spool::damage_told`]; kept over a restart.
    pub async fn damaged(&self) -> Result<Vec<Damaged>, StoreError> {
        self.0.store.damaged_copies(64).await
    }

    /// Queues the report about a damaged copy (none for a null sender) and forgets its octets, in one transaction.
    pub async fn damage_told(&self, id: i64, notices: Vec<Outgoing>) -> Result<(), StoreError> {
        self.0.store.tell_damage(id, self.0.clock.now(), notices).await
    }

    /// When the next unclaimed copy is due; `None` when nothing waits.
    pub async fn next_due(&self) -> Result<Option<UnixTime>, StoreError> {
        let skip = self.claims().clone();
        let next = self.0.store.next_due(skip).await?;
        let now = self.0.clock.now();
        Ok(next.map(|at| if at > now.plus(self.0.settings.longest_wait()) { now } else { at }))
    }

    /// Waits until something new was queued, or for `at_most`. Commands beside the gate cannot wake it, so keep that short.
    pub async fn wait(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.0.store.queued()).await;
    }

    /// Copies that wait, the oldest first; with `reference` all copies of that message, finished ones too.
    pub async fn list(&self, reference: Option<Reference>, limit: usize) -> Result<Vec<CopyRow>, StoreError> {
        self.0.store.list_copies(reference, limit).await
    }

    /// Makes one copy, or all that wait, due now. How many.
    pub async fn retry(&self, id: Option<i64>) -> Result<usize, StoreError> {
        self.0.store.hasten(id, self.0.clock.now()).await
    }

    /// Forgets finished copies older than [`Settings::remember_days`]; call it every hour or so. How many were forgotten.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let before = self.0.clock.now().plus(-86_400 * i64::from(self.0.settings.remember_days));
        self.0.store.forget_finished(before, FORGOTTEN_AT_ONCE).await
    }

    fn claim(&self, copy: Loaded) -> Option<Queued> {
        self.claims().insert(copy.row.id).then(|| queued(copy))
    }

    fn claims(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.0.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn set_damaged_aside(&self, id: i64, at: UnixTime) -> Result<(), StoreError> {
        tracing::error!(copy = id, "a queued copy is damaged on disk: it is not relayed, its sender will be told");
        let mut line = serde_json::Map::new();
        line.insert("event".into(), "damaged".into());
        line.insert("at".into(), at.rfc3339().into());
        line.insert("copy".into(), id.into());
        self.0.store.mark_damaged(id, at, AuditLine(line)).await
    }
}

fn plan(settings: &Settings, queued: &Queued, attempted: &Attempted) -> Plan {
    let gives_up_at = queued.queued_at.plus(settings.give_up_after_seconds());
    let tells_delay = !queued.delay_told && attempted.at >= queued.queued_at.plus(settings.tell_delay_after_seconds());
    let mut plan = Plan { failed: Vec::new(), relayed: Vec::new(), delayed: Vec::new(), gives_up_at };
    for recipient in &queued.outgoing.recipients {
        let result = attempted.results.iter().find(|(address, _)| address == recipient).map(|(_, attempt)| attempt);
        let why = match result {
            Some(Attempt::Delivered { .. }) => continue,
            Some(Attempt::Relayed { reply }) => {
                plan.relayed.push((recipient.clone(), shorten(reply)));
                continue;
            }
            Some(Attempt::Failed { reply }) => {
                plan.failed.push((recipient.clone(), Failure::Refused(shorten(reply))));
                continue;
            }
            Some(Attempt::TryLater { why }) => shorten(why),
            None => String::new(),
        };
        if is_over(settings, queued, attempted.at) {
            plan.failed.push((recipient.clone(), Failure::Expired(why)));
        } else if tells_delay {
            plan.delayed.push((recipient.clone(), why));
        }
    }
    plan
}

/// Time alone gives nothing up: after a clock that jumped, or a gate that was off for a week, every copy still gets the whole
/// series of waits.
fn is_over(settings: &Settings, queued: &Queued, at: UnixTime) -> bool {
    let tried = usize::try_from(queued.attempts).unwrap_or(usize::MAX).saturating_add(1);
    at >= queued.queued_at.plus(settings.give_up_after_seconds()) && tried > settings.retry_minutes.len()
}

fn queued(copy: Loaded) -> Queued {
    let Loaded { row, raw } = copy;
    let still = row.deliveries.into_iter().filter(|delivery| delivery.state == DeliveryState::Queued);
    Queued {
        id: row.id,
        reference: row.reference,
        outgoing: Outgoing {
            mail_from: row.mail_from,
            recipients: still.map(|delivery| delivery.recipient).collect(),
            raw,
            protection: row.protection,
            requires_tls: row.requires_tls,
            transport: row.transport,
        },
        queued_at: row.queued_at,
        attempts: row.attempts,
        delay_told: row.delay_told,
    }
}

/// Printable ASCII of bounded length: what an upstream says ends up in lists, logs and reports.
fn shorten(said: &str) -> String {
    let harmless = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    said.chars().take(SAID).map(harmless).collect()
}
