//! Turns copies into rows that wait for the upstream, and what became of each recipient into the rows' last state.

use super::writer::classify;
use super::{AuditLine, Store, StoreError, chain};
use crate::mail::{Address, Outgoing, Protection, RawMessage, Reference, Transport, UnixTime};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use std::collections::{BTreeSet, HashMap};

/// Above this, hashing is moved off the runtime's threads.
const HASHED_IN_PLACE: usize = 256 << 10;
/// Octets of bodies loaded at once; one copy is always loaded, however large.
const LOADED_OCTETS: i64 = 64 << 20;

/// Where one recipient of one copy stands. All but `Queued` are final (`manual::store_states`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    Queued,
    Delivered,
    Failed,
    Expired,
    /// The stored octets are not those that were accepted: never relayed.
    Damaged,
}

/// A copy without its octets.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CopyRow {
    pub id: i64,
    pub reference: Reference,
    pub mail_from: Option<Address>,
    pub protection: Protection,
    pub requires_tls: bool,
    #[serde(skip)]
    pub transport: Transport,
    /// Of the message as it leaves.
    pub octets: u64,
    pub queued_at: UnixTime,
    /// Attempts so far.
    pub attempts: u32,
    /// `None` when no recipient is queued any more.
    pub next_at: Option<UnixTime>,
    /// The sender has been told once that it takes longer.
    pub delay_told: bool,
    pub deliveries: Vec<DeliveryRow>,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct DeliveryRow {
    pub recipient: Address,
    pub state: DeliveryState,
    /// When it came into this state, or was last tried.
    pub at: UnixTime,
    /// The upstream's last word, made harmless by the relay; empty before the first attempt.
    pub said: String,
}

/// A copy with its octets, proved to be those that were accepted.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub row: CopyRow,
    pub raw: RawMessage,
}

/// A copy whose octets could not be proved.
#[derive(Clone, Debug)]
pub struct Damaged {
    pub id: i64,
    pub reference: Reference,
    pub mail_from: Option<Address>,
    pub queued_at: UnixTime,
    /// Those who will not get it.
    pub recipients: Vec<Address>,
    pub transport: Transport,
}

/// What one attempt changes for one recipient.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub recipient: Address,
    pub state: DeliveryState,
    pub said: String,
}

/// What one attempt changes for one copy.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub id: i64,
    pub at: UnixTime,
    pub outcomes: Vec<Outcome>,
    /// When whoever is still queued afterwards is tried next.
    pub next_at: UnixTime,
    pub tells_delay: bool,
}

/// Copies whose distinct bodies are found and hashed.
pub(super) struct Prepared {
    bodies: Vec<(RawMessage, [u8; 32])>,
    copies: Vec<(Outgoing, usize)>,
}

pub(super) async fn prepare(outgoing: Vec<Outgoing>, notices: Vec<Outgoing>) -> Result<Prepared, StoreError> {
    let octets: usize = outgoing.iter().chain(&notices).map(|copy| copy.raw.len()).sum();
    if octets <= HASHED_IN_PLACE {
        return find_bodies(outgoing, notices);
    }
    let hashing = tokio::task::spawn_blocking(move || find_bodies(outgoing, notices));
    hashing.await.map_err(|_| StoreError::Failed("a defect in the gate: hashing stopped half-way".into()))?
}

fn find_bodies(outgoing: Vec<Outgoing>, notices: Vec<Outgoing>) -> Result<Prepared, StoreError> {
    let mut bodies = Vec::new();
    let mut known = HashMap::new();
    let mut copies = Vec::with_capacity(outgoing.len() + notices.len());
    for copy in outgoing.into_iter().chain(notices) {
        if copy.recipients.is_empty() {
            return Err(StoreError::Failed("a copy for nobody".into()));
        }
        let sha256 = digest(copy.raw.as_bytes());
        let body = *known.entry(sha256).or_insert_with(|| {
            bodies.push((copy.raw.clone(), sha256));
            bodies.len() - 1
        });
        copies.push((copy, body));
    }
    Ok(Prepared { bodies, copies })
}

impl Prepared {
    pub fn octets(&self) -> u64 {
        self.bodies.iter().map(|(raw, _)| raw.len() as u64).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }

    pub fn insert(&self, db: &Connection, reference: Reference, at: UnixTime) -> Result<(), StoreError> {
        self.insert_rows(db, reference, at).map_err(|error| classify(&error))
    }

    fn insert_rows(&self, db: &Connection, reference: Reference, at: UnixTime) -> rusqlite::Result<()> {
        let mut body_ids = Vec::with_capacity(self.bodies.len());
        for (raw, sha256) in &self.bodies {
            db.prepare_cached("INSERT INTO bodies (sha256, octets) VALUES (?1, ?2)")?
                .execute(params![sha256, raw.as_bytes()])?;
            body_ids.push(db.last_insert_rowid());
        }
        for (copy, body) in &self.copies {
            let mut insert = db.prepare_cached(
                "INSERT INTO copies (reference, body, mail_from, protection, requires_tls, octets, queued_at, next_at, transport)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)",
            )?;
            let transport = (copy.transport != Transport::default()).then(|| serde_json::to_string(&copy.transport));
            let transport = transport.transpose().map_err(|why| rusqlite::Error::ToSqlConversionFailure(why.into()))?;
            insert.execute(params![
                reference.to_string(),
                body_ids[*body],
                copy.mail_from.as_ref().map(Address::to_string),
                protection_word(copy.protection),
                copy.requires_tls,
                copy.raw.len() as i64,
                at.0,
                transport
            ])?;
            let id = db.last_insert_rowid();
            let mut insert = db.prepare_cached(
                "INSERT INTO deliveries (copy, position, recipient, state, at) VALUES (?1, ?2, ?3, 'queued', ?4)",
            )?;
            for (position, recipient) in copy.recipients.iter().enumerate() {
                insert.execute(params![id, position as i64, recipient.to_string(), at.0])?;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Copies whose time has come, the longest waiting first, without those in `skip`. Bodies are proved by their checksum;
    /// those that fail come back apart, and the others go on. What seems due only after `far` was written before the clock was
    /// put back: it is due too.
    pub async fn due_copies(
        &self,
        now: UnixTime,
        far: UnixTime,
        skip: BTreeSet<i64>,
        limit: usize,
    ) -> Result<(Vec<Loaded>, Vec<i64>), StoreError> {
        self.read(move |db| {
            let ids = due_ids(db, now, far, &skip, limit).map_err(|error| classify(&error))?;
            let (mut loaded, mut damaged) = (Vec::new(), Vec::new());
            let mut bodies = HashMap::new();
            for id in ids {
                match load(db, id, &mut bodies)? {
                    Some(Ok(copy)) => loaded.push(copy),
                    Some(Err(Unprovable)) => damaged.push(id),
                    None => {}
                }
            }
            Ok((loaded, damaged))
        })
        .await
    }

    /// One copy that still has queued recipients. `Ok(Err(id))`: it is damaged.
    pub async fn load_copy(&self, id: i64) -> Result<Option<Result<Loaded, i64>>, StoreError> {
        self.read(move |db| Ok(load(db, id, &mut HashMap::new())?.map(|copy| copy.map_err(|Unprovable| id)))).await
    }

    /// When the next copy that is not in `skip` is due.
    pub async fn next_due(&self, skip: BTreeSet<i64>) -> Result<Option<UnixTime>, StoreError> {
        self.read(move |db| {
            let mut ask = db
                .prepare_cached("SELECT id, next_at FROM copies WHERE next_at IS NOT NULL ORDER BY next_at, id")
                .map_err(|error| classify(&error))?;
            let mut rows = ask.query([]).map_err(|error| classify(&error))?;
            while let Some(row) = rows.next().map_err(|error| classify(&error))? {
                let (id, at): (i64, i64) = row.try_into().map_err(|error| classify(&error))?;
                if !skip.contains(&id) {
                    return Ok(Some(UnixTime(at)));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Writes what an attempt came to. Recipients that are no longer queued are left as they are, so that a result can be told
    /// twice; a copy without queued recipients loses its octets.
    pub async fn settle(
        &self,
        settlement: Settlement,
        notices: Vec<Outgoing>,
        audit: Option<AuditLine>,
    ) -> Result<(), StoreError> {
        let notices = prepare(Vec::new(), notices).await?;
        let wakes = !notices.is_empty();
        self.write(move |db| {
            let reference = settle_rows(db, &settlement).map_err(|error| classify(&error))?;
            if let Some(reference) = reference.as_deref().and_then(Reference::parse) {
                notices.insert(db, reference, settlement.at)?;
            } else if !notices.is_empty() {
                return Err(StoreError::Failed("a result about a copy that is not there".into()));
            }
            audit.map_or(Ok(()), |line| chain::append(db, settlement.at, line))
        })
        .await?;
        self.wake(wakes);
        Ok(())
    }

    /// Takes a copy whose octets are not those that were accepted out of the queue, for good.
    pub async fn mark_damaged(&self, id: i64, at: UnixTime, audit: AuditLine) -> Result<(), StoreError> {
        self.write(move |db| {
            let mark = || -> rusqlite::Result<()> {
                db.execute(
                    "UPDATE deliveries SET state = 'damaged', at = ?2 WHERE copy = ?1 AND state = 'queued'",
                    params![id, at.0],
                )?;
                db.execute("UPDATE copies SET next_at = NULL WHERE id = ?1", [id])?;
                Ok(())
            };
            mark().map_err(|error| classify(&error))?;
            chain::append(db, at, audit)
        })
        .await
    }

    /// Damaged copies whose senders have not been told yet.
    pub async fn damaged_copies(&self, limit: usize) -> Result<Vec<Damaged>, StoreError> {
        self.read(move |db| {
            let sql = |error: rusqlite::Error| classify(&error);
            let mut ask = db
                .prepare_cached(
                    "SELECT DISTINCT c.id FROM deliveries d JOIN copies c ON c.id = d.copy
                     WHERE d.state = 'damaged' AND c.damage_told = 0 ORDER BY c.id LIMIT ?1",
                )
                .map_err(sql)?;
            let ids: Vec<i64> = ask.query_map([limit as i64], |row| row.get(0)).and_then(Iterator::collect).map_err(sql)?;
            let rows = ids.into_iter().map(|id| copy_row(db, id));
            let damaged = |row: CopyRow| Damaged {
                id: row.id,
                reference: row.reference,
                mail_from: row.mail_from,
                queued_at: row.queued_at,
                transport: row.transport,
                recipients: (row.deliveries.into_iter())
                    .filter(|delivery| delivery.state == DeliveryState::Damaged)
                    .map(|delivery| delivery.recipient)
                    .collect(),
            };
            rows.filter_map(Result::transpose).map(|row| row.map(damaged)).collect()
        })
        .await
    }

    /// Records that the sender of a damaged copy was told, by `notices` in the same transaction, and drops the useless octets.
    pub async fn tell_damage(&self, id: i64, at: UnixTime, notices: Vec<Outgoing>) -> Result<(), StoreError> {
        let notices = prepare(Vec::new(), notices).await?;
        let wakes = !notices.is_empty();
        self.write(move |db| {
            let told = || -> rusqlite::Result<Option<String>> {
                let reference = db
                    .query_row("SELECT reference FROM copies WHERE id = ?1 AND damage_told = 0", [id], |row| row.get(0))
                    .optional()?;
                db.execute("UPDATE copies SET damage_told = 1 WHERE id = ?1", [id])?;
                drop_body(db, id)?;
                Ok(reference)
            };
            match told().map_err(|error| classify(&error))?.as_deref().and_then(Reference::parse) {
                Some(reference) => notices.insert(db, reference, at),
                None => Ok(()),
            }
        })
        .await?;
        self.wake(wakes);
        Ok(())
    }

    /// Copies, the oldest first: with `reference` those of one message, else those that still have queued recipients.
    pub async fn list_copies(&self, reference: Option<Reference>, limit: usize) -> Result<Vec<CopyRow>, StoreError> {
        self.read(move |db| {
            let sql = |error: rusqlite::Error| classify(&error);
            let mut ask = db
                .prepare_cached(
                    "SELECT id FROM copies WHERE reference = ?1 OR (?1 IS NULL AND next_at IS NOT NULL)
                     ORDER BY id LIMIT ?2",
                )
                .map_err(sql)?;
            let reference = reference.map(|reference| reference.to_string());
            let rows = ask.query_map(params![reference, limit as i64], |row| row.get(0)).map_err(sql)?;
            let ids: Vec<i64> = rows.collect::<rusqlite::Result<_>>().map_err(sql)?;
            ids.into_iter().filter_map(|id| copy_row(db, id).transpose()).collect()
        })
        .await
    }

    /// Makes queued copies due now: one by its number, or all. How many there were.
    pub async fn hasten(&self, id: Option<i64>, now: UnixTime) -> Result<usize, StoreError> {
        let hastened = self
            .write(move |db| {
                let sql = "UPDATE copies SET next_at = ?2 WHERE next_at IS NOT NULL AND (?1 IS NULL OR id = ?1)";
                db.execute(sql, params![id, now.0]).map_err(|error| classify(&error))
            })
            .await?;
        self.wake(hastened > 0);
        Ok(hastened)
    }

    /// Forgets finished copies queued before `before`, at most `limit` at once. How many were forgotten.
    pub async fn forget_finished(&self, before: UnixTime, limit: usize) -> Result<usize, StoreError> {
        self.write(move |db| {
            db.execute(
                "DELETE FROM copies WHERE id IN (
                    SELECT id FROM copies WHERE next_at IS NULL AND body IS NULL AND queued_at < ?1 ORDER BY id LIMIT ?2)",
                params![before.0, limit as i64],
            )
            .map_err(|error| classify(&error))
        })
        .await
    }
}

/// The stored octets are not, or not provably, those that were accepted.
struct Unprovable;

fn due_ids(db: &Connection, now: UnixTime, far: UnixTime, skip: &BTreeSet<i64>, limit: usize) -> rusqlite::Result<Vec<i64>> {
    let mut ask =
        db.prepare_cached("SELECT id, octets FROM copies WHERE next_at <= ?1 OR next_at > ?2 ORDER BY next_at, id")?;
    let mut rows = ask.query([now.0, far.0])?;
    let (mut ids, mut octets) = (Vec::new(), 0i64);
    while ids.len() < limit
        && let Some(row) = rows.next()?
    {
        let (id, size): (i64, i64) = row.try_into()?;
        if skip.contains(&id) {
            continue;
        }
        octets = octets.saturating_add(size);
        if octets > LOADED_OCTETS && !ids.is_empty() {
            break;
        }
        ids.push(id);
    }
    Ok(ids)
}

type Bodies = HashMap<i64, RawMessage>;

fn load(db: &Connection, id: i64, bodies: &mut Bodies) -> Result<Option<Result<Loaded, Unprovable>>, StoreError> {
    let row = match copy_row(db, id) {
        Ok(Some(row)) if row.next_at.is_some() => row,
        Ok(_) => return Ok(None),
        // A row that cannot be read as what it is, is damage of this copy, not of the queue.
        Err(StoreError::Failed(_)) => return Ok(Some(Err(Unprovable))),
        Err(other) => return Err(other),
    };
    let stored = db
        .prepare_cached("SELECT b.id, b.sha256 FROM copies c JOIN bodies b ON b.id = c.body WHERE c.id = ?1")
        .and_then(|mut ask| ask.query_row([id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))).optional());
    let (body, sha256) = match stored {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Some(Err(Unprovable))),
        Err(error) if is_damage(&error) => return Ok(Some(Err(Unprovable))),
        Err(error) => return Err(classify(&error)),
    };
    if let Some(raw) = bodies.get(&body) {
        return Ok(Some(Ok(Loaded { row, raw: raw.clone() })));
    }
    let octets = db
        .prepare_cached("SELECT octets FROM bodies WHERE id = ?1")
        .and_then(|mut ask| ask.query_row([body], |row| row.get::<_, Vec<u8>>(0)));
    let octets = match octets {
        Ok(octets) => octets,
        Err(error) if is_damage(&error) => return Ok(Some(Err(Unprovable))),
        Err(error) => return Err(classify(&error)),
    };
    if digest(&octets)[..] != sha256[..] {
        return Ok(Some(Err(Unprovable)));
    }
    let Ok(raw) = RawMessage::new(octets) else { return Ok(Some(Err(Unprovable))) };
    bodies.insert(body, raw.clone());
    Ok(Some(Ok(Loaded { row, raw })))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(..) => error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt),
        _ => true,
    }
}

fn copy_row(db: &Connection, id: i64) -> Result<Option<CopyRow>, StoreError> {
    let sql = |error: rusqlite::Error| classify(&error);
    let unreadable = || StoreError::Failed("a row of the queue cannot be read".into());
    let address = |text: String| Address::parse(&text).map_err(|_| unreadable());
    let mut ask = db
        .prepare_cached(
            "SELECT reference, mail_from, protection, requires_tls, octets, queued_at, attempts, next_at, delay_told, transport
             FROM copies WHERE id = ?1",
        )
        .map_err(sql)?;
    let read = |row: &Row<'_>| {
        let words = (row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, String>(2)?);
        let numbers = (row.get::<_, i64>(4)?, row.get::<_, i64>(5)?, row.get::<_, u32>(6)?);
        let transport = row.get::<_, Option<String>>(9)?;
        Ok((words, row.get::<_, bool>(3)?, numbers, row.get::<_, Option<i64>>(7)?, row.get::<_, bool>(8)?, transport))
    };
    let Some((words, requires_tls, numbers, next_at, delay_told, transport)) =
        ask.query_row([id], read).optional().map_err(sql)?
    else {
        return Ok(None);
    };
    let mut ask = db
        .prepare_cached("SELECT recipient, state, at, said FROM deliveries WHERE copy = ?1 ORDER BY position")
        .map_err(sql)?;
    let mut rows = ask.query([id]).map_err(sql)?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next().map_err(sql)? {
        let (recipient, state, at, said): (String, String, i64, String) = row.try_into().map_err(sql)?;
        deliveries.push(DeliveryRow {
            recipient: address(recipient)?,
            state: DeliveryState::parse(&state).ok_or_else(unreadable)?,
            at: UnixTime(at),
            said,
        });
    }
    Ok(Some(CopyRow {
        id,
        reference: Reference::parse(&words.0).ok_or_else(unreadable)?,
        mail_from: words.1.map(address).transpose()?,
        protection: protection(&words.2).ok_or_else(unreadable)?,
        requires_tls,
        transport: transport.map_or(Ok(Transport::default()), |text| serde_json::from_str(&text).map_err(|_| unreadable()))?,
        octets: numbers.0.unsigned_abs(),
        queued_at: UnixTime(numbers.1),
        attempts: numbers.2,
        next_at: next_at.map(UnixTime),
        delay_told,
        deliveries,
    }))
}

/// The reference of the copy, `None` when there is no such copy.
fn settle_rows(db: &Connection, settlement: &Settlement) -> rusqlite::Result<Option<String>> {
    let id = settlement.id;
    let reference =
        db.query_row("SELECT reference FROM copies WHERE id = ?1", [id], |row| row.get::<_, String>(0)).optional()?;
    if reference.is_none() {
        return Ok(None);
    }
    let mut queued: Vec<(i64, String)> = db
        .prepare_cached("SELECT position, recipient FROM deliveries WHERE copy = ?1 AND state = 'queued'")?
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut update =
        db.prepare_cached("UPDATE deliveries SET state = ?3, at = ?4, said = ?5 WHERE copy = ?1 AND position = ?2")?;
    for outcome in &settlement.outcomes {
        let name = outcome.recipient.key();
        let is_meant = |recipient: &str| {
            let ascii = recipient.eq_ignore_ascii_case(&name);
            ascii || (!recipient.is_ascii() && Address::parse(recipient).is_ok_and(|one| one == outcome.recipient))
        };
        let Some(found) = queued.iter().position(|(_, recipient)| is_meant(recipient)) else { continue };
        let (position, _) = queued.swap_remove(found);
        update.execute(params![id, position, outcome.state.as_str(), settlement.at.0, outcome.said])?;
    }
    let left: i64 = db
        .prepare_cached("SELECT count(*) FROM deliveries WHERE copy = ?1 AND state = 'queued'")?
        .query_row([id], |row| row.get(0))?;
    let next_at = (left > 0).then_some(settlement.next_at.0);
    db.prepare_cached(
        "UPDATE copies SET attempts = attempts + 1, next_at = ?2, delay_told = max(delay_told, ?3) WHERE id = ?1",
    )?
    .execute(params![id, next_at, settlement.tells_delay])?;
    if left == 0 {
        drop_body(db, id)?;
    }
    Ok(reference)
}

/// Takes the octets from a copy; the row that holds them goes with the last copy that needs them.
fn drop_body(db: &Connection, copy: i64) -> rusqlite::Result<()> {
    let body: Option<i64> =
        db.query_row("SELECT body FROM copies WHERE id = ?1", [copy], |row| row.get(0)).optional()?.flatten();
    let Some(body) = body else { return Ok(()) };
    db.prepare_cached("UPDATE copies SET body = NULL WHERE id = ?1")?.execute([copy])?;
    db.prepare_cached("DELETE FROM bodies WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM copies WHERE body = ?1)")?
        .execute([body])?;
    Ok(())
}

impl DeliveryState {
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Queued => "queued",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Failed => "failed",
            DeliveryState::Expired => "expired",
            DeliveryState::Damaged => "damaged",
        }
    }

    fn parse(word: &str) -> Option<DeliveryState> {
        use DeliveryState::{Damaged, Delivered, Expired, Failed, Queued};
        [Queued, Delivered, Failed, Expired, Damaged].into_iter().find(|state| state.as_str() == word)
    }
}

fn protection_word(protection: Protection) -> &'static str {
    match protection {
        Protection::None => "none",
        Protection::Smime => "smime",
        Protection::Openpgp => "openpgp",
        Protection::Container => "container",
        Protection::Client => "client",
    }
}

fn protection(word: &str) -> Option<Protection> {
    use Protection::{Client, Container, None, Openpgp, Smime};
    [None, Smime, Openpgp, Container, Client].into_iter().find(|protection| protection_word(*protection) == word)
}

pub(super) fn digest(octets: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets);
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest.as_ref());
    sha256
}
