//! Turns what senders send into counts: what was taken from each in the last hours, and which values each has tried to send.
//!
//! Nothing here can be read: subjects and values are keyed digests, and the key lies in `data/keys/`.

use super::writer::classify;
use super::{Store, StoreError};
use crate::mail::UnixTime;
use rusqlite::{Connection, OptionalExtension, params};

/// A keyed digest: of a login, a group, a value.
pub type Digest = [u8; 16];

/// Different values kept of one sender. At the bound the sender counts as having tried that many of everything.
pub const MOST_TRIED: usize = 10_000;

const MINUTE: i64 = 60;
/// Seconds after which nothing asks for what was taken: the longest window and a little.
const TAKEN_KEPT: i64 = 25 * 3600;
/// Rows deleted beside one piece of work, so that forgetting never holds up a commit.
const FORGOTTEN_AT_ONCE: i64 = 200;

/// How much one window may take; 0 is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Seconds before now.
    pub window: i64,
    pub messages: u64,
    pub recipients: u64,
    pub octets: u64,
}

/// One account or group that a message is counted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub subject: Digest,
    pub bounds: Vec<Bound>,
}

/// A value that a message holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub rule: String,
    pub value: Digest,
    pub category: String,
    /// 1 low, 2 medium, 3 high.
    pub confidence: u8,
    pub at: UnixTime,
}

/// What accepting or refusing one message adds to the counts; part of its transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub charges: Vec<Charge>,
    pub recipients: u64,
    pub octets: u64,
    /// Counted without asking: it is held because it is over, or was released by a person.
    pub beyond: bool,
    /// Whose values these are; `None`: nobody's are kept.
    pub sender: Option<Digest>,
    pub tried: Vec<Tried>,
    /// The newest value of this sender when it was decided.
    pub seen: i64,
    /// Seconds for which values are kept.
    pub keep: i64,
}

/// What a sender has tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastTries {
    pub values: Vec<Tried>,
    /// The newest of all, in or before the window.
    pub newest: i64,
}

/// Counts an acceptance, or refuses it: what was free when it was decided may be taken now.
pub(super) fn count(db: &Connection, at: UnixTime, counters: &Counters) -> Result<(), StoreError> {
    if !counters.beyond && over(db, at, &counters.charges, counters.recipients, counters.octets)? {
        return Err(StoreError::OverQuota);
    }
    if let Some(sender) = counters.sender.filter(|_| !counters.tried.is_empty())
        && newest(db, sender)? > counters.seen
    {
        return Err(StoreError::Overtaken);
    }
    let sql = |error: rusqlite::Error| classify(&error);
    for charge in &counters.charges {
        db.prepare_cached(
            "INSERT INTO taken (subject, minute, messages, recipients, octets) VALUES (?1, ?2, 1, ?3, ?4)
             ON CONFLICT (subject, minute) DO UPDATE
             SET messages = messages + 1, recipients = recipients + ?3, octets = octets + ?4",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                charge.subject,
                at.0.div_euclid(MINUTE),
                counters.recipients.cast_signed(),
                counters.octets.cast_signed()
            ])
        })
        .map_err(sql)?;
    }
    db.prepare_cached(
        "DELETE FROM taken WHERE (subject, minute) IN (SELECT subject, minute FROM taken WHERE minute < ?1 LIMIT ?2)",
    )
    .and_then(|mut delete| delete.execute([(at.0 - TAKEN_KEPT).div_euclid(MINUTE), FORGOTTEN_AT_ONCE]))
    .map_err(sql)?;
    remember(db, at, counters)
}

/// Keeps the values of a message, whatever became of it: refused ones too, or cutting it up would be a way through.
pub(super) fn remember(db: &Connection, at: UnixTime, counters: &Counters) -> Result<(), StoreError> {
    let sql = |error: rusqlite::Error| classify(&error);
    if counters.keep > 0 {
        db.prepare_cached("DELETE FROM tried WHERE id IN (SELECT id FROM tried WHERE at < ?1 LIMIT ?2)")
            .and_then(|mut delete| delete.execute([at.0 - counters.keep, FORGOTTEN_AT_ONCE]))
            .map_err(sql)?;
    }
    let Some(sender) = counters.sender.filter(|_| !counters.tried.is_empty()) else { return Ok(()) };
    let kept: i64 = db
        .prepare_cached("SELECT count(*) FROM tried WHERE sender = ?1")
        .and_then(|mut ask| ask.query_row([sender], |row| row.get(0)))
        .map_err(sql)?;
    let room = MOST_TRIED.saturating_sub(usize::try_from(kept).unwrap_or(MOST_TRIED));
    let mut insert = db
        .prepare_cached(
            "INSERT INTO tried (sender, rule, value, category, confidence, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (sender, rule, value) DO UPDATE SET at = max(at, ?6), confidence = max(confidence, ?5)",
        )
        .map_err(sql)?;
    for one in counters.tried.iter().take(room) {
        insert.execute(params![sender, one.rule, one.value, one.category, one.confidence, at.0]).map_err(sql)?;
    }
    Ok(())
}

fn newest(db: &Connection, sender: Digest) -> Result<i64, StoreError> {
    db.prepare_cached("SELECT coalesce(max(id), 0) FROM tried WHERE sender = ?1")
        .and_then(|mut ask| ask.query_row([sender], |row| row.get(0)))
        .map_err(|error| classify(&error))
}

/// Whether one more message of so many recipients and octets is beyond any bound.
fn over(db: &Connection, at: UnixTime, charges: &[Charge], recipients: u64, octets: u64) -> Result<bool, StoreError> {
    let mut ask = db
        .prepare_cached(
            "SELECT coalesce(sum(messages), 0), coalesce(sum(recipients), 0), coalesce(sum(octets), 0)
             FROM taken WHERE subject = ?1 AND minute > ?2",
        )
        .map_err(|error| classify(&error))?;
    for charge in charges {
        for bound in &charge.bounds {
            let since = (at.0 - bound.window).div_euclid(MINUTE);
            let taken = ask
                .query_row(params![charge.subject, since], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
                })
                .optional()
                .map_err(|error| classify(&error))?
                .unwrap_or_default();
            let beyond = |most: u64, taken: i64, more: u64| most > 0 && taken.unsigned_abs().saturating_add(more) > most;
            if beyond(bound.messages, taken.0, 1)
                || beyond(bound.recipients, taken.1, recipients)
                || beyond(bound.octets, taken.2, octets)
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

impl Store {
    /// Whether one more message would be beyond any bound. A courtesy: the commit asks again.
    pub async fn is_over(&self, at: UnixTime, charges: Vec<Charge>, recipients: u64, octets: u64) -> Result<bool, StoreError> {
        if charges.iter().all(|charge| charge.bounds.is_empty()) {
            return Ok(false);
        }
        self.read(move |db| over(db, at, &charges, recipients, octets)).await
    }

    /// The values that `sender` has tried since `since`, at most [`MOST_TRIED`].
    pub async fn tried(&self, sender: Digest, since: UnixTime) -> Result<PastTries, StoreError> {
        self.read(move |db| {
            let sql = |error: rusqlite::Error| classify(&error);
            // The number first: a value that comes between is then missing here, and the commit notices it.
            let newest = newest(db, sender)?;
            let mut ask = db
                .prepare_cached(
                    "SELECT rule, value, category, confidence, at FROM tried WHERE sender = ?1 AND at > ?2 LIMIT ?3",
                )
                .map_err(sql)?;
            let rows = ask
                .query_map(params![sender, since.0, MOST_TRIED as i64], |row| {
                    Ok(Tried {
                        rule: row.get(0)?,
                        value: row.get(1)?,
                        category: row.get(2)?,
                        confidence: row.get(3)?,
                        at: UnixTime(row.get(4)?),
                    })
                })
                .map_err(sql)?;
            Ok(PastTries { values: rows.collect::<Result<_, _>>().map_err(sql)?, newest })
        })
        .await
    }
}
