//! Turns a database file into a connection whose schema, durability and limits are what this version expects.

use super::folder::Folder;
use super::{CannotOpen, Settings};
use rusqlite::{Connection, OpenFlags};
use std::time::Duration;

/// "PSTR", in the file's header: `file postern.db` shows it, and another program's database is not taken for ours.
const APPLICATION_ID: i32 = 0x5053_5452;
/// Grows by one with every change below; a newer file is refused, an older one is brought up.
const VERSION: i32 = 3;
pub(super) const PAGE_OCTETS: u64 = 4096;
/// How long to wait for another process (a command beside the gate) that writes.
const BUSY: Duration = Duration::from_secs(5);

const VERSION_1: &str = "
CREATE TABLE bodies (
    id       INTEGER PRIMARY KEY,
    sha256   BLOB NOT NULL,
    octets   BLOB NOT NULL
) STRICT;

-- AUTOINCREMENT: a number is never used again, because upstreams may recognise a repeated copy by it.
CREATE TABLE copies (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    reference    TEXT NOT NULL,
    body         INTEGER REFERENCES bodies (id),
    mail_from    TEXT,
    protection   TEXT NOT NULL,
    requires_tls INTEGER NOT NULL,
    octets       INTEGER NOT NULL,
    queued_at    INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    -- NULL when no recipient is queued any more
    next_at      INTEGER,
    delay_told   INTEGER NOT NULL DEFAULT 0,
    damage_told  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX copies_next ON copies (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX copies_body ON copies (body) WHERE body IS NOT NULL;
CREATE INDEX copies_reference ON copies (reference);

CREATE TABLE deliveries (
    copy      INTEGER NOT NULL REFERENCES copies (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('queued', 'delivered', 'failed', 'expired', 'damaged')),
    at        INTEGER NOT NULL,
    said      TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (copy, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_damaged ON deliveries (copy) WHERE state = 'damaged';

CREATE TABLE held (
    reference  TEXT PRIMARY KEY,
    at         INTEGER NOT NULL,
    sender     TEXT,
    recipients TEXT NOT NULL,
    summary    TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('held', 'released', 'rejected', 'expired')),
    decided_at INTEGER,
    sha256     BLOB NOT NULL,
    sealed     BLOB,
    CHECK ((state = 'held') = (sealed IS NOT NULL))
) STRICT;
CREATE INDEX held_at ON held (at) WHERE state = 'held';

CREATE TABLE audit (
    seq  INTEGER PRIMARY KEY,
    hash TEXT NOT NULL,
    line TEXT NOT NULL
) STRICT;

CREATE TABLE counters (
    day   INTEGER NOT NULL,
    name  TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (day, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE refusals (
    id       INTEGER PRIMARY KEY,
    sender   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    likeness BLOB NOT NULL
) STRICT;
CREATE INDEX refusals_sender ON refusals (sender, at);
CREATE INDEX refusals_at ON refusals (at);

CREATE TABLE accounts (
    key        TEXT PRIMARY KEY,
    login      TEXT NOT NULL,
    owns       TEXT NOT NULL,
    names      TEXT NOT NULL,
    language   TEXT NOT NULL,
    password   TEXT NOT NULL,
    disabled   INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
";

const VERSION_2: &str = "
-- Passwords agreed with recipients who have no key, each sealed by a key that is not here.
CREATE TABLE secrets (
    key      TEXT PRIMARY KEY,
    address  TEXT NOT NULL,
    sealed   BLOB NOT NULL,
    -- of the letter around the container; NULL: the house's
    language TEXT,
    set_by   TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;

-- Passwords on their way to the service that tells them to recipients.
CREATE TABLE calls (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    reference  TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    mail_from  TEXT,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX calls_next ON calls (next_at);
";

/// One text for each matter.
const VERSION_3: &[&str] = &[
    include_str!("schema/3_accounts.sql"),
    include_str!("schema/3_history.sql"),
    include_str!("schema/3_disputes.sql"),
    include_str!("schema/3_delivery.sql"),
    include_str!("schema/3_keys.sql"),
];

/// What brings a file of each version up to the next.
const CHANGES: [&[&str]; VERSION as usize] = [&[VERSION_1], &[VERSION_2], VERSION_3];

/// The one connection that writes. Creates the schema when the file is new.
pub(super) fn open_writer(folder: &Folder, settings: &Settings) -> Result<Connection, CannotOpen> {
    let path = folder.database();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&path, flags).map_err(database)?;
    db.busy_timeout(BUSY).map_err(database)?;
    let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0)).map_err(|_| CannotOpen::NotOurs { path })?;
    let path = folder.database();
    let application: i32 = pragma(&db, "application_id")?;
    let version: i32 = pragma(&db, "user_version")?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(database)?;
    // A crash between the first page and the schema leaves an empty database without our mark: that one is taken.
    if application != APPLICATION_ID && (application != 0 || version != 0 || tables > 0) {
        return Err(CannotOpen::NotOurs { path });
    }
    if version > VERSION {
        return Err(CannotOpen::TooNew { path, version });
    }
    if pages == 0 {
        // Both only take effect before the first table.
        db.pragma_update(None, "page_size", PAGE_OCTETS as i64).map_err(database)?;
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(database)?;
    }
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(database)?;
    if mode != "wal" {
        return Err(CannotOpen::Database("the disk does not allow a write-ahead log (a network file system?)".into()));
    }
    db.pragma_update(None, "synchronous", "FULL").map_err(database)?;
    db.pragma_update(None, "foreign_keys", "ON").map_err(database)?;
    // What is deleted must not be found again in free pages.
    db.pragma_update(None, "secure_delete", "ON").map_err(database)?;
    db.pragma_update(None, "wal_autocheckpoint", 2000).map_err(database)?;
    db.pragma_update(None, "journal_size_limit", 32 << 20).map_err(database)?;
    db.pragma_update(None, "temp_store", "MEMORY").map_err(database)?;
    if let Some(octets) = settings.max_octets {
        let pages = i64::try_from(octets / PAGE_OCTETS).unwrap_or(i64::MAX).max(1);
        db.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0)).map_err(database)?;
    }
    if version < VERSION {
        let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
        let done = usize::try_from(version).unwrap_or_default().min(CHANGES.len());
        let changes = CHANGES[done..].iter().flat_map(|texts| texts.iter().copied()).collect::<String>();
        db.execute_batch(&format!("BEGIN IMMEDIATE; {changes} {marks} COMMIT;")).map_err(database)?;
    }
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// A connection that can only read.
pub(super) fn open_reader(path: &std::path::Path) -> Result<Connection, CannotOpen> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(database)?;
    db.busy_timeout(BUSY).map_err(database)?;
    db.pragma_update(None, "query_only", "ON").map_err(database)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

fn pragma(db: &Connection, name: &str) -> Result<i32, CannotOpen> {
    db.pragma_query_value(None, name, |row| row.get(0)).map_err(database)
}

fn database(error: rusqlite::Error) -> CannotOpen {
    CannotOpen::Database(super::writer::words_of(&error))
}
