//! Turns an acceptance into a [`Receipt`]: one committed, fsynced transaction that holds everything the acceptance entails.
//!
//! One thread writes (`writer`), a few connections read. Other rooms of memory keep their meaning to themselves and call the
//! typed operations here; no SQL stands anywhere else, so that another engine can take this one's place.

mod calls;
pub mod chain;
mod disputes;
mod folder;
mod held;
mod history;
mod people;
mod queue;
mod schema;
mod secrets;
mod tally;
#[cfg(test)]
mod tests;
mod writer;

use crate::mail::{Address, Outgoing, Reference, UnixTime};
use folder::{Access, Folder};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, Semaphore};
use writer::{Purpose, Writer};

pub use calls::{Call, CallRow};
pub use disputes::{ANSWERABLE, Answered, Dispute, Terms};
pub use folder::DATABASE;
pub use held::{HeldState, HeldSummary, SealedMessage};
pub use history::{Bound, Charge, Counters, Digest, MOST_TRIED, PastTries, Tried};
pub use people::{AccountRow, AddedAccount, AppPasswordRow, Derived};
pub use queue::{CopyRow, Damaged, DeliveryRow, DeliveryState, Loaded, Outcome, Settlement};
pub use secrets::SecretRow;
pub use tally::{PastRefusal, RefusalNotice, Refused};

/// Connections that read at the same time.
const READERS: usize = 4;

/// Everything that accepting one message entails; committed whole or not at all.
#[derive(Debug)]
pub struct Acceptance {
    pub reference: Reference,
    pub at: UnixTime,
    pub outgoing: Vec<Outgoing>,
    pub held: Option<Held>,
    pub notices: Vec<Outgoing>,
    /// Passwords of containers among `outgoing` that a service is to tell their recipients.
    pub calls: Vec<Call>,
    pub counters: Counters,
    pub audit: AuditLine,
}

/// A message for quarantine: sealed before it comes here.
#[derive(Clone, Debug)]
pub struct Held {
    pub reference: Reference,
    pub at: UnixTime,
    /// Login or MAIL FROM.
    pub sender: Option<Address>,
    pub recipients: Vec<Address>,
    /// Envelope, message and decision, sealed to the review key and to the release key; opaque here.
    pub sealed: Vec<u8>,
    /// What a list may show: masked findings, facts, policies, as JSON. No content of the message.
    pub summary: String,
}

/// One decision as a JSON object without the chain's members; the store adds `seq`, `prev` and `hash` inside the transaction.
#[derive(Clone, Debug)]
pub struct AuditLine(pub serde_json::Map<String, serde_json::Value>);

/// `[store]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The most that the database file may grow to, in octets; absent: as far as the disk goes. Its last eighth is kept for
    /// what must still be written about messages already accepted. The log beside it comes on top.
    pub max_octets: Option<u64>,
    /// Free octets of the disk below which nothing new is accepted (452).
    pub reserve_octets: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { max_octets: None, reserve_octets: 64 << 20 }
    }
}

/// Proof that everything one acceptance entails is on stable storage. There is no other way to one than [`Store::commit`] and
/// [`Store::release`], after their COMMIT has returned:
///
/// ```compile_fail,E0451
/// use postern::{mail::Reference, store::Receipt};
/// let forged = Receipt { reference: Reference::from_random([0; 8]), held: false };
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt {
    reference: Reference,
    held: bool,
}

/// The one implementation: nothing else can be answered with a 250 after DATA.
impl crate::smtp::reply::Durable for Receipt {}

impl Receipt {
    fn of(reference: Reference, held: bool) -> Receipt {
        Receipt { reference, held }
    }

    pub fn reference(&self) -> Reference {
        self.reference
    }

    /// True when the message waits for a person instead of being on its way.
    pub fn is_held(&self) -> bool {
        self.held
    }
}

/// Why something was not written or read. All but [`StoreError::NotHeld`] and [`StoreError::Answered`] are ours or the operator's fault and temporary for the
/// client. No text here holds a value of a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// 452 4.3.1. The operator's.
    #[error("the store is full: free disk space under the data folder, or raise [store] max_octets")]
    Full,
    /// 451 4.3.0. Another process kept the database for itself too long.
    #[error("the store is busy: another command is writing to it")]
    Busy,
    /// 451 4.3.0. Final for this work; the store refuses everything until it has proved itself again.
    #[error("the store failed: {0}")]
    Failed(String),
    /// Somebody else released, rejected or let expire this message, or there never was one.
    #[error("no message is held under this reference: it was released, rejected or has expired")]
    NotHeld,
    /// 550. Another message used up this answer to a refusal, or the hour is over.
    #[error("this refusal was answered already, or more than an hour ago")]
    Answered,
    /// 450 4.7.1. The sender's, or a group's, share of the hour or day is used up. Nothing was kept.
    #[error("over quota")]
    OverQuota,
    /// Another message of this sender came between the decision and the commit: decide again. Nothing was kept.
    #[error("another message of the same sender was counted meanwhile")]
    Overtaken,
}

/// Why the data folder could not be opened. All are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum CannotOpen {
    #[error("{}: another gate is running on this data folder; stop it, or give this one its own [gate] data", path.display())]
    Locked { path: PathBuf },
    #[error("{}: a folder shared with others cannot hold mail; give [gate] data a folder of its own (mode 0700)", path.display())]
    Shared { path: PathBuf },
    #[error("{}: {why}", path.display())]
    Folder { path: PathBuf, why: String },
    #[error("{}: is not a database of postern; move it away, or give [gate] data another folder", path.display())]
    NotOurs { path: PathBuf },
    #[error("{}: was written by a newer postern (schema {version}); run that one, or restore an older backup", path.display())]
    TooNew { path: PathBuf, version: i32 },
    #[error("the database cannot be used: {0}")]
    Database(String),
}

/// The store. Cheap to clone; when the last clone is dropped, what was asked is written and the folder's lock is given back.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    // Dropped first: readers must not keep the log from being emptied at the end.
    readers: Mutex<Vec<Connection>>,
    reading: Semaphore,
    writer: Writer,
    queued: Notify,
    path: PathBuf,
}

impl Store {
    /// Opens `folder` for the gate, alone: a second one is refused ([`CannotOpen::Locked`]). Creates what is missing.
    pub fn open(folder: &Path, settings: &Settings) -> Result<Store, CannotOpen> {
        Store::open_as(folder, settings, Access::Gate)
    }

    /// Opens `folder` for a short command while a gate may be running on it: SQLite's own locks keep them apart. The gate does not
    /// hear of what is queued here before its next look.
    pub fn open_beside(folder: &Path, settings: &Settings) -> Result<Store, CannotOpen> {
        Store::open_as(folder, settings, Access::Beside)
    }

    fn open_as(path: &Path, settings: &Settings, access: Access) -> Result<Store, CannotOpen> {
        let folder = Folder::open(path, access)?;
        let database = folder.database();
        let writer = Writer::start(folder, settings.clone())?;
        let readers = (0..READERS).map(|_| schema::open_reader(&database)).collect::<Result<Vec<_>, _>>()?;
        Ok(Store(Arc::new(Inner {
            readers: Mutex::new(readers),
            reading: Semaphore::new(READERS),
            writer,
            queued: Notify::new(),
            path: path.to_owned(),
        })))
    }

    /// Writes all of `acceptance` in one transaction, shared with whoever else is waiting. An acceptance that neither queues nor
    /// holds anything is refused: its 250 would be a promise about nothing.
    pub async fn commit(&self, acceptance: Acceptance) -> Result<Receipt, StoreError> {
        self.commit_with(acceptance, |_| Ok(())).await
    }

    /// Ends the hold of `reference` and queues what was made of it. Of two who try, one gets [`StoreError::NotHeld`].
    pub async fn release(&self, reference: Reference, acceptance: Acceptance) -> Result<Receipt, StoreError> {
        if acceptance.outgoing.is_empty() || acceptance.held.is_some() {
            return Err(StoreError::Failed("a release that sends nothing, or holds again".into()));
        }
        let queue = queue::prepare(acceptance.outgoing, acceptance.notices).await?;
        let purpose = Purpose::Accept { octets: queue.octets() };
        let (at, calls, audit) = (acceptance.at, acceptance.calls, acceptance.audit);
        self.0
            .writer
            .write(purpose, move |db| {
                held::end(db, reference, HeldState::Released, at)?;
                queue.insert(db, reference, at)?;
                calls::insert(db, reference, at, &calls)?;
                chain::append(db, at, audit)
            })
            .await?;
        self.wake(true);
        Ok(Receipt::of(reference, false))
    }

    /// Ends the hold of `reference` without sending it: rejected by a person, or expired. `notices` tell the sender.
    pub async fn end_hold(
        &self,
        reference: Reference,
        state: HeldState,
        at: UnixTime,
        notices: Vec<Outgoing>,
        audit: AuditLine,
    ) -> Result<(), StoreError> {
        if matches!(state, HeldState::Held | HeldState::Released) {
            return Err(StoreError::Failed("a hold ends here by rejection or expiry only".into()));
        }
        let queue = queue::prepare(Vec::new(), notices).await?;
        let wakes = !queue.is_empty();
        self.0
            .writer
            .write(Purpose::Settle, move |db| {
                held::end(db, reference, state, at)?;
                queue.insert(db, reference, at)?;
                chain::append(db, at, audit)
            })
            .await?;
        self.wake(wakes);
        Ok(())
    }

    /// Rejection by a person: [`Store::end_hold`] with [`HeldState::Rejected`].
    pub async fn reject(
        &self,
        reference: Reference,
        at: UnixTime,
        notices: Vec<Outgoing>,
        audit: AuditLine,
    ) -> Result<(), StoreError> {
        self.end_hold(reference, HeldState::Rejected, at, notices, audit).await
    }

    /// Writes one audit line: refusals are audited first, then answered.
    pub async fn record(&self, at: UnixTime, audit: AuditLine) -> Result<(), StoreError> {
        self.0.writer.write(Purpose::Settle, move |db| chain::append(db, at, audit)).await
    }

    /// Waits until something new may be due. A wake-up that nobody waited for is kept.
    pub async fn queued(&self) {
        self.0.queued.notified().await;
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.0.path
    }

    /// Transactions committed since the start; with group commit fewer than acceptances.
    pub fn commits(&self) -> u64 {
        self.0.writer.commits()
    }

    fn wake(&self, something: bool) {
        if something {
            self.0.queued.notify_one();
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.writer.write(Purpose::Settle, work).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::Failed("the store's readers are gone".into());
        let inner = self.0.clone();
        let _turn = self.0.reading.acquire().await.map_err(|_| gone())?;
        let taken = inner.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = taken.ok_or_else(gone)?;
        let read = move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&db)));
            // A transaction left open by a panic would pin the log; a fresh look is what this connection gives next.
            if !db.is_autocommit() {
                let _ = db.execute_batch("ROLLBACK");
            }
            inner.readers.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            done.unwrap_or_else(|_| Err(StoreError::Failed("a defect in the gate: the reading stopped half-way".into())))
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| gone())?
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.0.path.display())
    }
}
