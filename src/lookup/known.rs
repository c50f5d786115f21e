//! Turns the keys that look-ups bring into those that may be used: the first is taken, another one in its place needs an officer's word.
//!
//! Whoever takes over a directory, a web server or a zone could give out a key of his own for anybody. While the key that was used before
//! is still valid, nobody needs another in its place; an officer who knows better says `postern keys approve FINGERPRINT`.
//!
//! The gate alone writes `known.json` in the data folder; the command alone writes the approvals beside the operator's keys.

use crate::mail::{Address, UnixTime};
use crate::protect::RecipientKey;
use crate::protect::trust::claims::plain;
use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Addresses that are remembered, and keys that wait for an officer; beyond it nothing new is taken.
const MOST_ADDRESSES: usize = 200_000;
const MOST_WAITING: usize = 10_000;

/// Which keys look-ups brought before.
pub struct KnownKeys {
    path: PathBuf,
    approvals: PathBuf,
    book: Mutex<Book>,
    /// The gate's own; a command only looks.
    writes: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Book {
    /// By address and kind: the keys that are used.
    known: BTreeMap<String, Vec<Known>>,
    /// Keys that wait for an officer.
    waiting: Vec<Waiting>,
    /// Those of them that are not in the audit yet.
    #[serde(skip)]
    news: Vec<Waiting>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Known {
    fingerprint: String,
    /// SHA-256 of the public key, so that a renewed certificate of the same key is the same.
    key: String,
    /// Seconds since 1970; `None`: it does not end.
    until: Option<i64>,
}

/// A key that a look-up brought in the place of one that is still valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub address: String,
    /// `smime` or `openpgp`.
    pub kind: String,
    pub fingerprint: String,
    /// Of the one in use.
    pub instead_of: String,
    /// Where it came from.
    pub source: String,
    /// RFC 3339.
    pub since: String,
}

/// Why known keys cannot be used: every look-up fails then, for nobody could say what is new.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotKnow {
    #[error("{}: cannot be read ({})", .0.display(), .1)]
    Read(PathBuf, ErrorKind),
    #[error("{}: is damaged; put back a copy, or delete it and every key counts as seen for the first time", .0.display())]
    Damaged(PathBuf),
    #[error("{}: cannot be written ({})", .0.display(), .1)]
    Write(PathBuf, ErrorKind),
}

impl KnownKeys {
    /// `data`: the gate's data folder. `keys`: the operator's key folder.
    pub fn open(data: &Path, keys: &Path) -> Result<KnownKeys, CannotKnow> {
        let path = data.join("known.json");
        let book = match fs::read(&path) {
            Ok(octets) => serde_json::from_slice(&octets).map_err(|_| CannotKnow::Damaged(path.clone()))?,
            Err(why) if why.kind() == ErrorKind::NotFound => Book::default(),
            Err(why) => return Err(CannotKnow::Read(path, why.kind())),
        };
        Ok(KnownKeys { path, approvals: approvals_of(keys), book: Mutex::new(book), writes: true })
    }

    /// As a command sees them: it says what the gate would say, and remembers nothing.
    pub fn only_look(data: &Path, keys: &Path) -> Result<KnownKeys, CannotKnow> {
        Ok(KnownKeys { writes: false, ..KnownKeys::open(data, keys)? })
    }

    /// Whether an officer approved this key. Who cannot read that counts it as not approved.
    pub fn is_approved(&self, fingerprint: &str) -> bool {
        read_approvals(&self.approvals).is_ok_and(|approved| approved.contains(&plain(fingerprint)))
    }

    /// Which of the usable keys that a look-up brought for an address may be used, in their order: the known ones; the first ever, if none is
    /// known that is still valid; those that an officer approved. The others wait, each with its sentence. What is learned is on the
    /// disk before this returns.
    pub fn admit(
        &self,
        address: &Address,
        source: &str,
        found: &[RecipientKey],
        at: UnixTime,
    ) -> Result<Vec<Result<(), String>>, CannotKnow> {
        let approved = read_approvals(&self.approvals)?;
        let mut book = self.lock();
        let before = |kind| book.known.get(&place(address, kind)).cloned().unwrap_or_default();
        let (smime, openpgp) = (before("smime"), before("openpgp"));
        let (mut admitted, mut changed) = (Vec::new(), false);
        for key in found {
            let (kind, one) = describe(key);
            let earlier = if kind == "smime" { &smime } else { &openpgp };
            let in_use = earlier.iter().find(|known| known.until.is_none_or(|until| until >= at.0));
            let same = earlier.iter().find(|known| known.key == one.key);
            admitted.push(match (same, in_use) {
                (Some(same), _) if same.fingerprint == one.fingerprint && same.until == one.until => Ok(()),
                (None, Some(in_use)) if !approved.contains(&plain(&one.fingerprint)) => {
                    changed |= wait(&mut book, address, kind, &one, in_use, source, at);
                    Err(format!(
                        "it is another key than the one in use, which is still valid; if it is right, run postern keys approve {}",
                        one.fingerprint
                    ))
                }
                _ => {
                    changed = true;
                    remember(&mut book, address, kind, one, at)?;
                    Ok(())
                }
            });
        }
        if changed && self.writes {
            write_whole(&self.path, &serde_json::to_vec(&*book).unwrap_or_default())?;
        }
        Ok(admitted)
    }

    /// The key is no longer good (revoked, withdrawn): another may take its place without an officer.
    pub fn forget(&self, address: &Address, fingerprint: &str) -> Result<(), CannotKnow> {
        let wanted = plain(fingerprint);
        let mut book = self.lock();
        let mut changed = false;
        for kind in ["smime", "openpgp"] {
            if let Some(known) = book.known.get_mut(&place(address, kind)) {
                let before = known.len();
                known.retain(|known| plain(&known.fingerprint) != wanted);
                changed |= known.len() != before;
            }
        }
        if changed && self.writes { write_whole(&self.path, &serde_json::to_vec(&*book).unwrap_or_default()) } else { Ok(()) }
    }

    /// Keys that wait for an officer and were not approved since.
    pub fn waiting(&self) -> Result<Vec<Waiting>, CannotKnow> {
        let approved = read_approvals(&self.approvals)?;
        let book = self.lock();
        Ok(book.waiting.iter().filter(|waiting| !approved.contains(&plain(&waiting.fingerprint))).cloned().collect())
    }

    /// What began to wait since this was asked last, for the audit.
    pub fn news(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.lock().news)
    }

    /// Could not be written; to be told again.
    pub fn put_back(&self, one: Waiting) {
        self.lock().news.push(one);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes an officer's word down: from now on this key may take the place of one that is still valid. One that is there already stays once.
pub fn approve(keys: &Path, fingerprint: &str, at: UnixTime) -> Result<(), CannotKnow> {
    let path = approvals_of(keys);
    let wanted = plain(fingerprint);
    if read_approvals(&path)?.contains(&wanted) {
        return Ok(());
    }
    let cannot = |why: std::io::Error| CannotKnow::Write(path.clone(), why.kind());
    fs::create_dir_all(keys).map_err(cannot)?;
    let mut file = fs::OpenOptions::new().create(true).append(true).mode(0o644).open(&path).map_err(cannot)?;
    file.write_all(format!("{wanted} {}\n", at.rfc3339()).as_bytes()).and_then(|()| file.sync_all()).map_err(cannot)
}

fn approvals_of(keys: &Path) -> PathBuf {
    keys.join("approved.txt")
}

/// A line each: the fingerprint, a space, and when.
fn read_approvals(path: &Path) -> Result<Vec<String>, CannotKnow> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(plain).collect()),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(why) => Err(CannotKnow::Read(path.to_owned(), why.kind())),
    }
}

fn place(address: &Address, kind: &str) -> String {
    format!("{kind} {}", address.key())
}

fn describe(key: &RecipientKey) -> (&'static str, Known) {
    let hash = |octets: &[u8]| {
        let digest = digest::digest(&digest::SHA256, octets);
        digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect::<String>()
    };
    match key {
        RecipientKey::Smime(certificate) => {
            let key = hash(&certificate.public_key_der());
            let until = Some(certificate.not_after().0);
            ("smime", Known { fingerprint: certificate.fingerprint().to_owned(), key, until })
        }
        RecipientKey::Openpgp(certificate) => {
            let fingerprint = certificate.fingerprint();
            let until = certificate.expires().map(|end| end.0);
            ("openpgp", Known { key: hash(fingerprint.as_bytes()), fingerprint, until })
        }
    }
}

fn remember(book: &mut Book, address: &Address, kind: &str, one: Known, at: UnixTime) -> Result<(), CannotKnow> {
    let place = place(address, kind);
    if book.known.len() >= MOST_ADDRESSES && !book.known.contains_key(&place) {
        return Err(CannotKnow::Write(PathBuf::from("known.json"), ErrorKind::StorageFull));
    }
    book.waiting.retain(|waiting| waiting.fingerprint != one.fingerprint);
    let known = book.known.entry(place).or_default();
    known.retain(|known| known.key != one.key && known.until.is_none_or(|until| until >= at.0));
    known.push(one);
    Ok(())
}

fn wait(book: &mut Book, address: &Address, kind: &str, one: &Known, in_use: &Known, source: &str, at: UnixTime) -> bool {
    let key = address.key();
    let there = book.waiting.iter().any(|waiting| waiting.fingerprint == one.fingerprint && waiting.address == key);
    if there || book.waiting.len() >= MOST_WAITING {
        return false;
    }
    tracing::warn!(%address, fingerprint = one.fingerprint, source, "a look-up brought another key than the one in use: it waits for an officer");
    let waiting = Waiting {
        address: key,
        kind: kind.to_owned(),
        fingerprint: one.fingerprint.clone(),
        instead_of: in_use.fingerprint.clone(),
        source: source.to_owned(),
        since: at.rfc3339(),
    };
    book.news.push(waiting.clone());
    book.waiting.push(waiting);
    true
}

/// After a crash the file is there as it was or as it is to be.
fn write_whole(path: &Path, octets: &[u8]) -> Result<(), CannotKnow> {
    let write = || -> std::io::Result<()> {
        let half = path.with_extension("new");
        let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&half)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&half, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|why| CannotKnow::Write(path.to_owned(), why.kind()))
}
