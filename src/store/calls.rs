//! Turns passwords that a service is to tell recipients into rows that wait until it has taken them.

use super::writer::classify;
use super::{AuditLine, Outgoing, Store, StoreError, chain};
use crate::mail::{Address, Reference, UnixTime};
use rusqlite::{Connection, Row, params};

/// What is to be told about one container; committed with the copy that it opens.
#[derive(Clone)]
pub struct Call {
    pub recipient: Address,
    /// Who hears of it when it cannot be told.
    pub mail_from: Option<Address>,
    /// The password and what goes with it; opaque here.
    pub sealed: Vec<u8>,
}

/// A call that waits.
#[derive(Clone)]
pub struct CallRow {
    pub id: i64,
    pub reference: Reference,
    pub call: Call,
    pub created_at: UnixTime,
    pub attempts: u32,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({})", self.recipient)
    }
}

impl std::fmt::Debug for CallRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CallRow({}, {})", self.reference, self.call.recipient)
    }
}

pub(super) fn insert(db: &Connection, reference: Reference, at: UnixTime, calls: &[Call]) -> Result<(), StoreError> {
    for call in calls {
        db.prepare_cached(
            "INSERT INTO calls (reference, recipient, mail_from, sealed, created_at, next_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                reference.to_string(),
                call.recipient.to_string(),
                call.mail_from.as_ref().map(Address::to_string),
                call.sealed,
                at.0
            ])
        })
        .map_err(|error| classify(&error))?;
    }
    Ok(())
}

impl Store {
    /// Calls whose time has come, the longest waiting first.
    pub async fn due_calls(&self, now: UnixTime, limit: usize) -> Result<Vec<CallRow>, StoreError> {
        self.read(move |db| {
            let sql = |error: rusqlite::Error| classify(&error);
            let mut ask = db
                .prepare_cached(
                    "SELECT id, reference, recipient, mail_from, sealed, created_at, attempts FROM calls
                     WHERE next_at <= ?1 ORDER BY next_at, id LIMIT ?2",
                )
                .map_err(sql)?;
            let rows = ask.query_map(params![now.0, limit as i64], |row| Ok(call(row))).map_err(sql)?;
            rows.map(|row| row.map_err(sql)?).collect()
        })
        .await
    }

    /// It was not taken: again at `next_at`.
    pub async fn postpone_call(&self, id: i64, next_at: UnixTime) -> Result<(), StoreError> {
        self.write(move |db| {
            db.execute("UPDATE calls SET attempts = attempts + 1, next_at = ?2 WHERE id = ?1", params![id, next_at.0])
                .map(drop)
                .map_err(|error| classify(&error))
        })
        .await
    }

    /// It was taken, or is given up: `notices` tell its sender, in the same transaction.
    pub async fn end_call(
        &self,
        call: &CallRow,
        at: UnixTime,
        notices: Vec<Outgoing>,
        audit: AuditLine,
    ) -> Result<(), StoreError> {
        let notices = super::queue::prepare(Vec::new(), notices).await?;
        let wakes = !notices.is_empty();
        let (id, reference) = (call.id, call.reference);
        self.write(move |db| {
            db.execute("DELETE FROM calls WHERE id = ?1", [id]).map_err(|error| classify(&error))?;
            notices.insert(db, reference, at)?;
            chain::append(db, at, audit)
        })
        .await?;
        self.wake(wakes);
        Ok(())
    }
}

fn call(row: &Row<'_>) -> Result<CallRow, StoreError> {
    let sql = |error: rusqlite::Error| classify(&error);
    let unreadable = || StoreError::Failed("a row of the passwords to be told cannot be read".into());
    let address = |text: String| Address::parse(&text).map_err(|_| unreadable());
    Ok(CallRow {
        id: row.get(0).map_err(sql)?,
        reference: Reference::parse(&row.get::<_, String>(1).map_err(sql)?).ok_or_else(unreadable)?,
        call: Call {
            recipient: address(row.get(2).map_err(sql)?)?,
            mail_from: row.get::<_, Option<String>>(3).map_err(sql)?.map(address).transpose()?,
            sealed: row.get(4).map_err(sql)?,
        },
        created_at: UnixTime(row.get(5).map_err(sql)?),
        attempts: row.get(6).map_err(sql)?,
    })
}
