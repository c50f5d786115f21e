//! Turns work from many submitters into few transactions: one thread, one connection, one fsync for all who wait.

use super::folder::{Folder, free_octets};
use super::schema::{self, PAGE_OCTETS};
use super::{CannotOpen, Settings, StoreError};
use rusqlite::{Connection, ErrorCode};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Work that may wait; further submitters wait for a slot (RFC 5321 gives the client ten minutes for the final reply).
const SLOTS: usize = 1024;
/// One transaction holds at most so many works and so many octets, so that nobody waits for everybody's large attachments.
const BATCH: usize = 256;
const BATCH_OCTETS: u64 = 32 << 20;
/// After so long without work the write-ahead log, which still shows what was deleted, is emptied into the database.
const REST: Duration = Duration::from_secs(1);
/// Free pages that are kept for the next messages (16 MiB), and given back to the disk at once beyond that.
const KEPT_FREE_PAGES: i64 = 4096;
/// How often an unhealthy store may be probed.
const PROBE: Duration = Duration::from_secs(2);
/// Of `max_octets`, one part in so many is kept for what must still be written about messages already accepted.
const RESERVED_PART: u64 = 8;

/// What a piece of work is for. When room gets scarce, what is new is refused before what finishes the old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Brings so many new octets in.
    Accept { octets: u64 },
    /// Results, decisions, audit lines, accounts.
    Settle,
}

pub(super) struct Writer {
    jobs: Option<Sender<Box<dyn Job>>>,
    slots: Arc<Semaphore>,
    commits: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    #[cfg(test)]
    pub(super) faults: Faults,
}

/// One submitter's work and where its answer goes.
trait Job: Send {
    fn purpose(&self) -> Purpose;
    /// Runs inside the open transaction. `Err` when it did not come to an end; what it did is then undone.
    fn run(&mut self, db: &Connection) -> Result<(), StoreError>;
    /// Its work is not in the transaction, for this reason.
    fn refuse(&mut self, why: StoreError);
    /// After COMMIT, or after it failed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Asked<T, F> {
    purpose: Purpose,
    work: Option<F>,
    done: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
    _slot: OwnedSemaphorePermit,
}

impl Writer {
    pub fn start(folder: Folder, settings: Settings) -> Result<Writer, CannotOpen> {
        let db = schema::open_writer(&folder, &settings)?;
        let (jobs, asked) = channel();
        let commits = Arc::new(AtomicU64::new(0));
        #[cfg(test)]
        let faults = Faults::default();
        let database = Database {
            db: Some(db),
            folder,
            settings,
            commits: commits.clone(),
            sick: None,
            #[cfg(test)]
            faults: faults.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || database.serve(&asked))
            .map_err(|source| CannotOpen::Database(source.to_string()))?;
        let slots = Arc::new(Semaphore::new(SLOTS));
        Ok(Writer {
            jobs: Some(jobs),
            slots,
            commits,
            thread: Some(thread),
            #[cfg(test)]
            faults,
        })
    }

    /// Runs `work` in a transaction and comes back after its COMMIT has returned. Dropping the future does not undo the work.
    pub async fn write<T, F>(&self, purpose: Purpose, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let gone = || StoreError::Failed("the store's thread has ended".into());
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| gone())?;
        let (answer, answered) = oneshot::channel();
        let asked = Asked { purpose, work: Some(work), done: None, answer, _slot: slot };
        self.jobs.as_ref().ok_or_else(gone)?.send(Box::new(asked)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Transactions committed since the start.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    /// What was asked is still committed, and the lock on the folder is free when this returns.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has already been answered to every waiter by its dropped channel.
            let _ = thread.join();
        }
    }
}

impl<T, F> Job for Asked<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn purpose(&self) -> Purpose {
        self.purpose
    }

    fn run(&mut self, db: &Connection) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let panicked = |_| Err(StoreError::Failed("a defect in the gate: the work stopped half-way".into()));
        let done = catch_unwind(AssertUnwindSafe(|| work(db))).unwrap_or_else(panicked);
        let outcome = done.as_ref().map(|_| ()).map_err(Clone::clone);
        self.done = Some(done);
        outcome
    }

    fn refuse(&mut self, why: StoreError) {
        self.done = Some(Err(why));
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (self.done, committed) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(shared)) => Err(shared),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Failed("a defect in the gate: the work was not done".into())),
        };
        // Nobody listens when the client has gone; the work stands all the same.
        let _ = self.answer.send(answer);
    }
}

struct Database {
    /// None while it cannot be opened again after a failure.
    db: Option<Connection>,
    folder: Folder,
    settings: Settings,
    commits: Arc<AtomicU64>,
    /// Since when, and why, nothing is committed any more.
    sick: Option<(Instant, StoreError)>,
    #[cfg(test)]
    faults: Faults,
}

impl Database {
    fn serve(mut self, asked: &Receiver<Box<dyn Job>>) {
        let mut unrested = false;
        loop {
            let first =
                if unrested { asked.recv_timeout(REST) } else { asked.recv().map_err(|_| RecvTimeoutError::Disconnected) };
            match first {
                Ok(first) => {
                    self.commit_together(gather(first, asked));
                    unrested = true;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.rest();
                    unrested = false;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.rest();
    }

    fn commit_together(&mut self, mut batch: Vec<Box<dyn Job>>) {
        let committed = match self.healthy() {
            Ok(db) => {
                let begun = db.execute_batch("BEGIN IMMEDIATE").map_err(|error| classify(&error));
                begun.and_then(|()| self.run_all(&mut batch)).and_then(|ran| if ran { self.commit() } else { self.undo() })
            }
            Err(sick) => Err(sick),
        };
        if let Err(error) = &committed {
            self.after_failure(error);
        }
        for job in batch {
            job.answer(committed.clone());
        }
    }

    /// Each work in its own savepoint: a wrong row undoes itself and nobody else. True when anything is to be committed.
    fn run_all(&self, batch: &mut [Box<dyn Job>]) -> Result<bool, StoreError> {
        let Some(db) = &self.db else { return Err(StoreError::Failed("the database is not open".into())) };
        let sql = |text: &str| db.execute_batch(text).map_err(|error| classify(&error));
        let mut ran = false;
        for job in batch {
            sql("SAVEPOINT work")?;
            let outcome = match self.room_for(db, job.purpose()) {
                Ok(()) => job.run(db),
                Err(full) => Err(full),
            };
            // SQLite gives up the whole transaction on a full disk or a failed write: then nobody's work is in it any more.
            if db.is_autocommit() {
                return Err(outcome.err().unwrap_or(StoreError::Failed("the transaction was given up".into())));
            }
            match outcome {
                Ok(()) => {
                    sql("RELEASE work")?;
                    ran = true;
                }
                Err(why) => {
                    sql("ROLLBACK TO work; RELEASE work")?;
                    job.refuse(why);
                }
            }
        }
        Ok(ran)
    }

    fn commit(&self) -> Result<(), StoreError> {
        let Some(db) = &self.db else { return Err(StoreError::Failed("the database is not open".into())) };
        #[cfg(test)]
        self.faults.strike()?;
        db.execute_batch("COMMIT").map_err(|error| classify(&error))?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn undo(&self) -> Result<(), StoreError> {
        match &self.db {
            Some(db) => db.execute_batch("ROLLBACK").map_err(|error| classify(&error)),
            None => Ok(()),
        }
    }

    /// After a failed write or fsync the kernel may have thrown the pages away and call them clean ("fsyncgate"): whether a later
    /// success means anything is only known after the file was opened again, checked, and written to once.
    fn after_failure(&mut self, error: &StoreError) {
        if let Some(db) = &self.db
            && !db.is_autocommit()
        {
            let _ = db.execute_batch("ROLLBACK");
        }
        if matches!(error, StoreError::Failed(_)) && self.sick.is_none() {
            tracing::error!(why = %error, "the store failed to commit: nothing is accepted until it has proved itself again");
            self.sick = Some((Instant::now(), error.clone()));
        }
    }

    /// The connection, if it can be trusted. An unhealthy one is probed, at most every [`PROBE`].
    fn healthy(&mut self) -> Result<&Connection, StoreError> {
        if let Some((since, why)) = &self.sick {
            if since.elapsed() < PROBE {
                return Err(why.clone());
            }
            match self.probe() {
                Ok(()) => {
                    tracing::warn!("the store is whole and writes again");
                    self.sick = None;
                }
                Err(why) => {
                    tracing::error!(%why, "the store still fails");
                    self.sick = Some((Instant::now(), why.clone()));
                    return Err(why);
                }
            }
        }
        self.db.as_ref().ok_or_else(|| StoreError::Failed("the database is not open".into()))
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        self.db = None;
        let failed = |error: &rusqlite::Error| classify(error);
        let reopened = schema::open_writer(&self.folder, &self.settings).map_err(|why| StoreError::Failed(why.to_string()))?;
        let verdict: String = reopened.pragma_query_value(None, "integrity_check", |row| row.get(0)).map_err(|e| failed(&e))?;
        if verdict != "ok" {
            return Err(StoreError::Failed("the database is damaged: restore it from a backup".into()));
        }
        self.db = Some(reopened);
        let Some(db) = &self.db else { return Err(StoreError::Failed("the database is not open".into())) };
        let mark = "BEGIN IMMEDIATE; INSERT INTO settings (name, value) VALUES ('probes', 1)
                    ON CONFLICT (name) DO UPDATE SET value = value + 1;";
        db.execute_batch(mark).map_err(|e| failed(&e))?;
        let committed = self.commit();
        if committed.is_err()
            && let Some(db) = &self.db
            && !db.is_autocommit()
        {
            let _ = db.execute_batch("ROLLBACK");
        }
        committed
    }

    fn room_for(&self, db: &Connection, purpose: Purpose) -> Result<(), StoreError> {
        let Purpose::Accept { octets } = purpose else { return Ok(()) };
        let pages = |name: &str| -> Result<u64, StoreError> {
            let count: i64 = db.pragma_query_value(None, name, |row| row.get(0)).map_err(|error| classify(&error))?;
            Ok(count.unsigned_abs().saturating_mul(PAGE_OCTETS))
        };
        // Overflow pages lose four octets each; rows, indexes and the audit line need a few pages.
        let need = octets.saturating_add(octets / 64).saturating_add(8 * PAGE_OCTETS);
        let free = pages("freelist_count")?;
        if let Some(most) = self.settings.max_octets {
            let used = pages("page_count")?.saturating_sub(free);
            if used.saturating_add(need) > most - most / RESERVED_PART {
                return Err(StoreError::Full);
            }
        }
        // Written twice: to the log, then to the database, which may use its free pages.
        let disk = free_octets(&self.folder.path).map_err(|source| StoreError::Failed(source.to_string()))?;
        if disk.saturating_add(free) < self.settings.reserve_octets.saturating_add(need.saturating_mul(2)) {
            return Err(StoreError::Full);
        }
        Ok(())
    }

    fn rest(&self) {
        if self.sick.is_some() {
            return;
        }
        if let Some(db) = &self.db {
            // After a burst, gives pages back to the disk, a bounded number at a time.
            let free: i64 = db.pragma_query_value(None, "freelist_count", |row| row.get(0)).unwrap_or(0);
            if free > KEPT_FREE_PAGES {
                let _ = db.execute_batch(&format!("PRAGMA incremental_vacuum({KEPT_FREE_PAGES})"));
            }
            // Busy readers may prevent it; the next rest tries again.
            let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }
}

fn gather(first: Box<dyn Job>, asked: &Receiver<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
    let weight = |job: &dyn Job| match job.purpose() {
        Purpose::Accept { octets } => octets,
        Purpose::Settle => 0,
    };
    let mut octets = weight(&*first);
    let mut batch = vec![first];
    while batch.len() < BATCH && octets < BATCH_OCTETS {
        let Ok(job) = asked.try_recv() else { break };
        octets = octets.saturating_add(weight(&*job));
        batch.push(job);
    }
    batch
}

/// Full is the operator's to mend and known to be so; everything else leaves doubt.
pub(super) fn classify(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        _ => StoreError::Failed(words_of(error)),
    }
}

/// What went wrong, without any value of a row: SQLite's words for its code.
pub(super) fn words_of(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(code, _) => format!("{code}"),
        rusqlite::Error::QueryReturnedNoRows => "a row that should be there is not".into(),
        _ => "a row could not be read or written as its type".into(),
    }
}

/// Failures a test orders: the next so many commits fail as if their fsync had.
#[cfg(test)]
#[derive(Clone, Default)]
pub(super) struct Faults(Arc<AtomicU64>);

#[cfg(test)]
impl Faults {
    pub fn order(&self, commits: u64) {
        self.0.store(commits, Ordering::SeqCst);
    }

    fn strike(&self) -> Result<(), StoreError> {
        let left = self.0.load(Ordering::SeqCst);
        if left == 0 {
            return Ok(());
        }
        self.0.store(left - 1, Ordering::SeqCst);
        Err(StoreError::Failed("disk I/O error (ordered by a test)".into()))
    }
}
