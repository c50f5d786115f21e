//! Turns refusals into rows that their senders may answer once, and an answer into the end of its row.

use super::writer::{Purpose, classify};
use super::{Acceptance, Receipt, Store, StoreError};
use crate::mail::{Address, Reference, UnixTime};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds after which a refusal can no longer be answered.
pub const ANSWERABLE: i64 = 3_600;
/// Rows older than this are forgotten; until then a used one can be told from one that never was.
const REMEMBERED: i64 = 86_400;

/// A refusal that its sender may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    pub reference: Reference,
    /// The login, or a relay's MAIL FROM.
    pub sender: Address,
    pub at: UnixTime,
    /// Keyed digest of what the message holds, however it is wrapped.
    pub content: [u8; 32],
    pub terms: Terms,
    pub used: bool,
}

/// For what an answer is good.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    /// Keys of the recipients ([`Address::key`]).
    pub recipients: BTreeSet<String>,
    /// Different values by rule.
    pub found: BTreeMap<String, u64>,
    /// By recipient the policies that may be confirmed.
    pub confirms: BTreeMap<String, BTreeSet<String>>,
    /// Confirming lifts all that blocked.
    pub may_confirm: bool,
    /// All that blocked gives way to a person's look.
    pub may_review: bool,
}

/// The answer that an acceptance rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The refusal's.
    pub refusal: Reference,
}

pub(super) fn insert(db: &Connection, dispute: &Dispute) -> Result<(), StoreError> {
    let sql = |error: rusqlite::Error| classify(&error);
    let terms = serde_json::to_string(&dispute.terms).map_err(|_| unreadable())?;
    db.prepare_cached("DELETE FROM disputes WHERE at < ?1")
        .and_then(|mut delete| delete.execute([dispute.at.0 - REMEMBERED]))
        .map_err(sql)?;
    db.prepare_cached("INSERT INTO disputes (reference, sender, at, content, terms) VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut insert| {
            let key = dispute.sender.key();
            insert.execute(params![dispute.reference.to_string(), key, dispute.at.0, dispute.content, terms])
        })
        .map_err(sql)?;
    Ok(())
}

/// One winner: whoever finds it unused, in time.
fn consume(db: &Connection, answered: Answered, by: Reference, at: UnixTime) -> Result<(), StoreError> {
    let changed = db
        .prepare_cached("UPDATE disputes SET used_at = ?2, used_by = ?3 WHERE reference = ?1 AND used_at IS NULL AND at >= ?4")
        .and_then(|mut update| update.execute(params![answered.refusal.to_string(), at.0, by.to_string(), at.0 - ANSWERABLE]))
        .map_err(|error| classify(&error))?;
    if changed != 1 {
        return Err(StoreError::Answered);
    }
    // What its sender stands by was no attempt to find a way round the rules.
    db.prepare_cached(
        "DELETE FROM refusals WHERE (sender, version) = (SELECT sender, substr(content, 1, 16) FROM disputes WHERE reference = ?1)",
    )
    .and_then(|mut delete| delete.execute([answered.refusal.to_string()]))
    .map(drop)
    .map_err(|error| classify(&error))
}

impl Store {
    /// The refusal of this reference, used or not, as long as it is remembered.
    pub async fn find_dispute(&self, reference: Reference) -> Result<Option<Dispute>, StoreError> {
        self.read(move |db| {
            db.prepare_cached("SELECT reference, sender, at, content, terms, used_at FROM disputes WHERE reference = ?1")
                .and_then(|mut ask| ask.query_row([reference.to_string()], |row| Ok(dispute(row))).optional())
                .map_err(|error| classify(&error))?
                .transpose()
        })
        .await
    }

    /// [`Store::commit`] of what a sender's answer let pass; the answer is used up in the same transaction. Of two who answer one refusal
    /// the second gets [`StoreError::Answered`], and nothing of theirs is kept.
    pub async fn commit_answered(&self, acceptance: Acceptance, answered: Answered) -> Result<Receipt, StoreError> {
        let (by, at) = (acceptance.reference, acceptance.at);
        self.commit_with(acceptance, move |db| consume(db, answered, by, at)).await
    }
}

impl Store {
    /// As [`Store::commit`], with `first` before everything else in the transaction.
    pub(super) async fn commit_with(
        &self,
        acceptance: Acceptance,
        first: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<Receipt, StoreError> {
        if acceptance.outgoing.is_empty() && acceptance.held.is_none() {
            return Err(StoreError::Failed("an acceptance that keeps nothing".into()));
        }
        let (reference, held) = (acceptance.reference, acceptance.held.is_some());
        let queue = super::queue::prepare(acceptance.outgoing, acceptance.notices).await?;
        let octets = queue.octets() + acceptance.held.as_ref().map_or(0, super::held::octets);
        let (at, keep, calls, audit) = (acceptance.at, acceptance.held, acceptance.calls, acceptance.audit);
        let counters = acceptance.counters;
        let wakes = !queue.is_empty();
        self.0
            .writer
            .write(Purpose::Accept { octets }, move |db| {
                first(db)?;
                super::history::count(db, at, &counters)?;
                queue.insert(db, reference, at)?;
                if let Some(held) = &keep {
                    super::held::insert(db, held)?;
                }
                super::calls::insert(db, reference, at, &calls)?;
                super::chain::append(db, at, audit)
            })
            .await?;
        self.wake(wakes);
        Ok(Receipt::of(reference, held))
    }
}

fn dispute(row: &Row<'_>) -> Result<Dispute, StoreError> {
    let sql = |error: rusqlite::Error| classify(&error);
    let text = |column: usize| row.get::<_, String>(column).map_err(sql);
    Ok(Dispute {
        reference: Reference::parse(&text(0)?).ok_or_else(unreadable)?,
        sender: Address::parse(&text(1)?).map_err(|_| unreadable())?,
        at: UnixTime(row.get(2).map_err(sql)?),
        content: row.get(3).map_err(sql)?,
        terms: serde_json::from_str(&text(4)?).map_err(|_| unreadable())?,
        used: row.get::<_, Option<i64>>(5).map_err(sql)?.is_some(),
    })
}

fn unreadable() -> StoreError {
    StoreError::Failed("a row of the refusals that may be answered cannot be read".into())
}
