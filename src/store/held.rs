//! Turns sealed messages into rows that wait for one person's word, and are wiped at that word.

use super::queue::digest;
use super::writer::classify;
use super::{Held, Store, StoreError};
use crate::mail::{Address, Reference, UnixTime};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// What has become of a held message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldState {
    Held,
    Released,
    Rejected,
    Expired,
}

/// What a list shows of a held message.
#[derive(Clone, Debug, serde::Serialize)]
pub struct HeldSummary {
    pub reference: Reference,
    pub at: UnixTime,
    pub sender: Option<Address>,
    pub recipients: Vec<Address>,
    pub state: HeldState,
    pub decided_at: Option<UnixTime>,
    /// Octets of the sealed form; 0 when it is gone.
    pub octets: u64,
    /// [`Held::summary`]: masked findings as JSON.
    pub summary: serde_json::Value,
}

/// A held message as it lies there.
#[derive(Clone)]
pub struct SealedMessage {
    pub about: HeldSummary,
    pub sealed: Vec<u8>,
}

impl HeldState {
    pub fn as_str(self) -> &'static str {
        match self {
            HeldState::Held => "held",
            HeldState::Released => "released",
            HeldState::Rejected => "rejected",
            HeldState::Expired => "expired",
        }
    }

    fn parse(word: &str) -> Option<HeldState> {
        [HeldState::Held, HeldState::Released, HeldState::Rejected, HeldState::Expired].into_iter().find(|s| s.as_str() == word)
    }
}

impl std::fmt::Debug for SealedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedMessage({}, {} octets)", self.about.reference, self.sealed.len())
    }
}

pub(super) fn octets(held: &Held) -> u64 {
    (held.sealed.len() + held.summary.len()) as u64
}

pub(super) fn insert(db: &Connection, held: &Held) -> Result<(), StoreError> {
    let recipients = serde_json::to_string(&held.recipients).map_err(|_| unreadable())?;
    db.prepare_cached(
        "INSERT INTO held (reference, at, sender, recipients, summary, state, sha256, sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, 'held', ?6, ?7)",
    )
    .and_then(|mut insert| {
        insert.execute(params![
            held.reference.to_string(),
            held.at.0,
            held.sender.as_ref().map(Address::to_string),
            recipients,
            held.summary,
            digest(&held.sealed),
            held.sealed
        ])
    })
    .map_err(|error| classify(&error))?;
    Ok(())
}

/// One winner: whoever finds it still held. The sealed octets go in the same transaction.
pub(super) fn end(db: &Connection, reference: Reference, state: HeldState, at: UnixTime) -> Result<(), StoreError> {
    let changed = db
        .prepare_cached("UPDATE held SET state = ?2, decided_at = ?3, sealed = NULL WHERE reference = ?1 AND state = 'held'")
        .and_then(|mut update| update.execute(params![reference.to_string(), state.as_str(), at.0]))
        .map_err(|error| classify(&error))?;
    if changed == 1 { Ok(()) } else { Err(StoreError::NotHeld) }
}

impl Store {
    /// Held messages, the oldest first; with `state` only those in it. At most `limit`.
    pub async fn list_held(&self, state: Option<HeldState>, limit: usize) -> Result<Vec<HeldSummary>, StoreError> {
        self.read(move |db| {
            let mut ask = db
                .prepare_cached(&format!("{SELECT} WHERE ?1 IS NULL OR state = ?1 ORDER BY at, reference LIMIT ?2"))
                .map_err(|error| classify(&error))?;
            let rows = ask
                .query_map(params![state.map(HeldState::as_str), limit as i64], |row| Ok(summary(row)))
                .map_err(|error| classify(&error))?;
            rows.map(|row| row.map_err(|error| classify(&error))?).collect()
        })
        .await
    }

    /// What lists show of one message, in whatever state.
    pub async fn find_held(&self, reference: Reference) -> Result<Option<HeldSummary>, StoreError> {
        self.read(move |db| {
            db.prepare_cached(&format!("{SELECT} WHERE reference = ?1"))
                .and_then(|mut ask| ask.query_row([reference.to_string()], |row| Ok(summary(row))).optional())
                .map_err(|error| classify(&error))?
                .transpose()
        })
        .await
    }

    /// The sealed octets of a message that is still held. Damaged ones are an error, not a release.
    pub async fn open_held(&self, reference: Reference) -> Result<SealedMessage, StoreError> {
        let about = self.find_held(reference).await?.ok_or(StoreError::NotHeld)?;
        let sealed = self
            .read(move |db| {
                let row = db
                    .prepare_cached("SELECT sealed, sha256 FROM held WHERE reference = ?1 AND state = 'held'")
                    .and_then(|mut ask| {
                        let read = |row: &Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?));
                        ask.query_row([reference.to_string()], read).optional()
                    })
                    .map_err(|error| classify(&error))?;
                let (sealed, expected) = row.ok_or(StoreError::NotHeld)?;
                if digest(&sealed) != expected[..] {
                    tracing::error!(%reference, "a held message is damaged on disk");
                    return Err(StoreError::Failed("this held message is damaged on disk: restore it from a backup".into()));
                }
                Ok(sealed)
            })
            .await?;
        Ok(SealedMessage { about, sealed })
    }

    /// Messages that have been held since before `before`, the oldest first.
    pub async fn held_before(&self, before: UnixTime, limit: usize) -> Result<Vec<HeldSummary>, StoreError> {
        self.read(move |db| {
            let mut ask = db
                .prepare_cached(&format!("{SELECT} WHERE state = 'held' AND at < ?1 ORDER BY at LIMIT ?2"))
                .map_err(|error| classify(&error))?;
            let rows =
                ask.query_map(params![before.0, limit as i64], |row| Ok(summary(row))).map_err(|error| classify(&error))?;
            rows.map(|row| row.map_err(|error| classify(&error))?).collect()
        })
        .await
    }
}

const SELECT: &str =
    "SELECT reference, at, sender, recipients, summary, state, decided_at, coalesce(length(sealed), 0) FROM held";

fn summary(row: &Row<'_>) -> Result<HeldSummary, StoreError> {
    let sql = |error: rusqlite::Error| classify(&error);
    let text = |column: usize| row.get::<_, String>(column).map_err(sql);
    let sender: Option<String> = row.get(2).map_err(sql)?;
    Ok(HeldSummary {
        reference: Reference::parse(&text(0)?).ok_or_else(unreadable)?,
        at: UnixTime(row.get(1).map_err(sql)?),
        sender: sender.map(|text| Address::parse(&text)).transpose().map_err(|_| unreadable())?,
        recipients: serde_json::from_str(&text(3)?).map_err(|_| unreadable())?,
        summary: serde_json::from_str(&text(4)?).unwrap_or(serde_json::Value::Null),
        state: HeldState::parse(&text(5)?).ok_or_else(unreadable)?,
        decided_at: row.get::<_, Option<i64>>(6).map_err(sql)?.map(UnixTime),
        octets: row.get::<_, i64>(7).map_err(sql)?.unsigned_abs(),
    })
}

fn unreadable() -> StoreError {
    StoreError::Failed("a row of the quarantine cannot be read".into())
}
