//! Turns decisions into what later ones may ask for: daily counts, and who was refused lately with what.

use super::writer::classify;
use super::{AuditLine, Counters, Dispute, Store, StoreError, chain, disputes, history, queue};
use crate::mail::{Address, Outgoing, Reference, UnixTime};
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
    /// Keyed digest of what the message holds: a message that is sent again unchanged has the same.
    pub version: [u8; 16],
    /// How its sender may answer.
    pub dispute: Option<Dispute>,
    pub notice: Option<RefusalNotice>,
}

/// A notice about a refusal, not sent when its sender had enough of them within the hour.
#[derive(Clone, Debug)]
pub struct RefusalNotice {
    pub reference: Reference,
    pub notice: Outgoing,
    pub per_hour: u32,
}

/// What one remembered refusal was alike by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastRefusal {
    pub likeness: [u8; 16],
    pub version: [u8; 16],
}

/// Seconds over which notices to one sender are counted.
const HOUR: i64 = 3_600;
/// Rows of one sender's refusals that are looked at, the latest first.
const ROWS: usize = 4_096;

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

impl Store {
    /// Writes a refusal: its audit line, and the values that the message held; what it was alike by, how it may be answered, and the notice
    /// about it, where it is to be remembered. One transaction.
    pub async fn record_refusal(
        &self,
        at: UnixTime,
        refused: Option<Refused>,
        counters: Counters,
        audit: AuditLine,
    ) -> Result<(), StoreError> {
        let (mut refused, mut notices) = (refused, Vec::new());
        let told = refused.as_mut().and_then(|refused| refused.notice.take());
        let told = told.map(|RefusalNotice { reference, notice, per_hour }| {
            notices.push(notice);
            (reference, per_hour)
        });
        let notice = queue::prepare(Vec::new(), notices).await?;
        let wakes = !notice.is_empty();
        self.write(move |db| {
            if let Some(refused) = &refused {
                remember(db, refused)?;
                if let Some((reference, per_hour)) = told
                    && may_be_told(db, &refused.sender, reference, at, per_hour)?
                {
                    notice.insert(db, reference, at)?;
                }
            }
            history::remember(db, at, &counters)?;
            chain::append(db, at, audit)
        })
        .await?;
        self.wake(wakes);
        Ok(())
    }

    /// What `sender` was refused since `since`, the latest first.
    pub async fn refusals_since(&self, sender: &Address, since: UnixTime) -> Result<Vec<PastRefusal>, StoreError> {
        let sender = sender.key();
        self.read(move |db| {
            let sql = |error: rusqlite::Error| classify(&error);
            let mut ask = db
                .prepare_cached(
                    "SELECT likeness, version FROM refusals WHERE sender = ?1 AND at >= ?2 AND version IS NOT NULL
                     ORDER BY at DESC, id DESC LIMIT ?3",
                )
                .map_err(sql)?;
            let rows = ask.query_map(params![sender, since.0, ROWS as i64], |row| {
                Ok(PastRefusal { likeness: row.get(0)?, version: row.get(1)? })
            });
            rows.and_then(Iterator::collect).map_err(sql)
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

/// Keeps what a refusal was alike by and how it may be answered, and forgets those that nobody asks for any more.
fn remember(db: &Connection, refused: &Refused) -> Result<(), StoreError> {
    let sql = |error: rusqlite::Error| classify(&error);
    db.prepare_cached("DELETE FROM refusals WHERE at < ?1")
        .and_then(|mut delete| delete.execute([refused.at.0 - REMEMBERED]))
        .map_err(sql)?;
    let mut insert =
        db.prepare_cached("INSERT INTO refusals (sender, at, likeness, version) VALUES (?1, ?2, ?3, ?4)").map_err(sql)?;
    for likeness in refused.likeness.iter().take(LIKENESSES) {
        insert.execute(params![refused.sender.key(), refused.at.0, likeness, refused.version]).map_err(sql)?;
    }
    refused.dispute.as_ref().map_or(Ok(()), |dispute| disputes::insert(db, dispute))
}

/// At most one notice about one refusal, and not too many to one sender; the answer is written down.
fn may_be_told(
    db: &Connection,
    sender: &Address,
    reference: Reference,
    at: UnixTime,
    per_hour: u32,
) -> Result<bool, StoreError> {
    let sql = |error: rusqlite::Error| classify(&error);
    db.prepare_cached("DELETE FROM coached WHERE at < ?1")
        .and_then(|mut delete| delete.execute([at.0 - REMEMBERED]))
        .map_err(sql)?;
    let told: i64 = db
        .prepare_cached("SELECT count(*) FROM coached WHERE sender = ?1 AND at > ?2")
        .and_then(|mut ask| ask.query_row(params![sender.key(), at.0 - HOUR], |row| row.get(0)))
        .map_err(sql)?;
    if told >= i64::from(per_hour) {
        return Ok(false);
    }
    let new = db
        .prepare_cached("INSERT INTO coached (reference, sender, at) VALUES (?1, ?2, ?3) ON CONFLICT (reference) DO NOTHING")
        .and_then(|mut insert| insert.execute(params![reference.to_string(), sender.key(), at.0]))
        .map_err(sql)?;
    Ok(new == 1)
}
