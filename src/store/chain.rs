//! Turns audit lines into a chain: each names its number and the hash of the one before, so that every gap shows.
//!
//! A line is one JSON object: `{"seq":7,"prev":"<hash of line 6>", … ,"hash":"<hash>"}`. Its hash is SHA-256 over the octets of
//! the line as it stands, without the member `hash` (the line cut before `,"hash"` and closed by `}`). The first `prev` is 64 zeros.

use super::writer::classify;
use super::{AuditLine, Store, StoreError, tally};
use crate::mail::UnixTime;
use rusqlite::{Connection, OptionalExtension, params};

/// What stands before the first line.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The members that the chain itself writes.
const OWN: [&str; 3] = ["seq", "prev", "hash"];
/// `,"hash":"` + 64 digits + `"}`.
const HASH_OPENS: &str = ",\"hash\":\"";
const DIGITS: usize = 64;

/// What one line says of its place in the chain, its own hash recomputed and found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub seq: i64,
    pub prev: String,
    pub hash: String,
}

/// Where the chain ends. Printed and logged, it shows later that nothing was cut off the end since.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Head {
    pub seq: i64,
    pub hash: String,
}

/// The line as it is stored, and its hash.
pub fn write(seq: i64, prev: &str, line: &AuditLine) -> (String, String) {
    let mut text = format!("{{\"seq\":{seq},\"prev\":\"{prev}\"");
    for (name, value) in line.0.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        // Serialising a string and a value cannot fail; both escape line ends.
        text.push_str(&format!(",{}:{value}", serde_json::Value::from(name.as_str())));
    }
    text.push('}');
    let hash = hash(text.as_bytes());
    text.pop();
    text.push_str(HASH_OPENS);
    text.push_str(&hash);
    text.push_str("\"}");
    (text, hash)
}

/// Reads a stored line. The error says what is wrong with it, without its content.
pub fn read(line: &str) -> Result<Link, &'static str> {
    #[derive(serde::Deserialize)]
    struct Members {
        seq: i64,
        prev: String,
        hash: String,
    }
    let tail = HASH_OPENS.len() + DIGITS + 2;
    let cut = line.len().checked_sub(tail).ok_or("is no line of the chain")?;
    if !line.is_char_boundary(cut) || !line[cut..].starts_with(HASH_OPENS) || !line.ends_with("\"}") {
        return Err("does not end in its hash");
    }
    let members: Members = serde_json::from_str(line).map_err(|_| "is no line of the chain")?;
    let mut hashed = line.as_bytes()[..cut].to_vec();
    hashed.push(b'}');
    if hash(&hashed) != members.hash {
        return Err("was altered: its hash does not match");
    }
    Ok(Link { seq: members.seq, prev: members.prev, hash: members.hash })
}

pub(super) fn append(db: &Connection, at: UnixTime, line: AuditLine) -> Result<(), StoreError> {
    let last = db
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        .and_then(|mut ask| ask.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).optional())
        .map_err(|error| classify(&error))?;
    let (seq, prev) = last.map_or((1, GENESIS.to_owned()), |(seq, hash)| (seq + 1, hash));
    let (text, hash) = write(seq, &prev, &line);
    db.prepare_cached("INSERT INTO audit (seq, hash, line) VALUES (?1, ?2, ?3)")
        .and_then(|mut insert| insert.execute(params![seq, hash, text]))
        .map_err(|error| classify(&error))?;
    tally::count(db, at, &line)
}

impl Store {
    /// Stored lines after number `after`, at most `limit` of them, in order.
    pub async fn audit_lines(&self, after: i64, limit: usize) -> Result<Vec<(i64, String)>, StoreError> {
        self.read(move |db| {
            let mut ask = db
                .prepare_cached("SELECT seq, line FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2")
                .map_err(|error| classify(&error))?;
            let rows = ask.query_map(params![after, limit as i64], |row| Ok((row.get(0)?, row.get(1)?)));
            rows.and_then(Iterator::collect).map_err(|error| classify(&error))
        })
        .await
    }

    /// The end of the audit chain; `None` while it is empty.
    pub async fn audit_head(&self) -> Result<Option<Head>, StoreError> {
        self.read(|db| {
            db.query_row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", [], |row| {
                Ok(Head { seq: row.get(0)?, hash: row.get(1)? })
            })
            .optional()
            .map_err(|error| classify(&error))
        })
        .await
    }
}

fn hash(octets: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets);
    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}
