//! Turns decisions into what later ones may ask for: daily counts, and who was refused lately with what.

use super::writer::classify;
use super::{AuditLine, Store, StoreError, chain};
use crate::mail::{Address, UnixTime};
use rusqlite::{Connection, params};

const DAY: i64 = 86_400;
/// Refusals older than this are forgotten; policies ask about the last hour.
const REMEMBERED: i64 = DAY;
/// Likenesses kept of one refusal.
const LIKENESSES: usize = 64;

/// A refusal to remember, so that trying again in small changes cannot be used to ask the rules questions.
#[derive(Clone, Debug)]
pub struct Refused {
    pub sender: Address,
    pub at: UnixTime,
    /// Keyed digests of what the message was alike by (findings, recipients, attachments …); no content. The first 64 count.
    pub likeness: Vec<[u8; 16]>,
}

/// One more of this event on this day.
pub(super) fn count(db: &Connection, at: UnixTime, line: &AuditLine) -> Result<(), StoreError> {
    let Some(event) = line.0.get("event").and_then(|value| value.as_str()) else { return Ok(()) };
    db.prepare_cached(
        "INSERT INTO counters (day, name, count) VALUES (?1, ?2, 1) ON CONFLICT (day, name) DO UPDATE SET count = count + 1",
    )
    .and_then(|mut insert| insert.execute(params![at.0.div_euclid(DAY), event]))
    .map_err(|error| classify(&error))?;
    Ok(())
}

/// Keeps a refusal, and forgets those that nobody asks for any more.
pub(super) fn remember(db: &Connection, refused: &Refused) -> Result<(), StoreError> {
    let sql = |error: rusqlite::Error| classify(&error);
    db.prepare_cached("DELETE FROM refusals WHERE at < ?1")
        .and_then(|mut delete| delete.execute([refused.at.0 - REMEMBERED]))
        .map_err(sql)?;
    let mut insert = db.prepare_cached("INSERT INTO refusals (sender, at, likeness) VALUES (?1, ?2, ?3)").map_err(sql)?;
    for likeness in refused.likeness.iter().take(LIKENESSES) {
        insert.execute(params![refused.sender.key(), refused.at.0, likeness]).map_err(sql)?;
    }
    Ok(())
}

impl Store {
    /// Writes a refusal's audit line and remembers the refusal, in one transaction.
    pub async fn record_refusal(&self, refused: Refused, audit: AuditLine) -> Result<(), StoreError> {
        self.write(move |db| {
            remember(db, &refused)?;
            chain::append(db, refused.at, audit)
        })
        .await
    }

    /// Whether `sender` was refused since `since` with something that shares a likeness.
    pub async fn was_refused_alike(
        &self,
        sender: &Address,
        since: UnixTime,
        likeness: Vec<[u8; 16]>,
    ) -> Result<bool, StoreError> {
        let sender = sender.key();
        self.read(move |db| {
            let mut ask = db
                .prepare_cached("SELECT 1 FROM refusals WHERE sender = ?1 AND at >= ?2 AND likeness = ?3")
                .map_err(|error| classify(&error))?;
            for one in likeness.iter().take(LIKENESSES) {
                if ask.exists(params![sender, since.0, one]).map_err(|error| classify(&error))? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }

    /// How often each audited event happened on the day (UTC) of `at`, by name.
    pub async fn counts_of_day(&self, at: UnixTime) -> Result<Vec<(String, u64)>, StoreError> {
        self.read(move |db| {
            let mut ask = db
                .prepare_cached("SELECT name, count FROM counters WHERE day = ?1 ORDER BY name")
                .map_err(|error| classify(&error))?;
            let rows = ask.query_map([at.0.div_euclid(DAY)], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())));
            rows.and_then(Iterator::collect).map_err(|error| classify(&error))
        })
        .await
    }
}
