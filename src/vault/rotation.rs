//! Turns a domain's DKIM keys into a row in which each follows the one before it, safely over every crash.
//!
//! | state | means | ends when |
//! |---|---|---|
//! | made | the key is there, its record is to be published | all resolvers show the record: visible |
//! | visible | its record is seen, and was for a while | long enough: signing, with its like; not seen any more: made |
//! | signing | it signs | another signs: retiring |
//! | retiring | it signs no more; what it signed is on its way | days later: retired |
//! | retired | the private key is destroyed, the record is to go | the record is gone or revoked: forgotten |
//! | unused | a file that lay there when the row began, and never signed | never |
//!
//! The row is one file, `rotation.json`, beside the keys, replaced as a whole: that is the moment at which something becomes true. New keys
//! are written after the row names them, old ones destroyed after it has let them go. Where there is no such file, the last key
//! by name signs, as it always did.

use super::VaultError;
use super::dkim::{self, Key};
use super::files::{self, IfThere};
use crate::dkim::Record;
use crate::mail::{Domain, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// One key of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DkimKey {
    pub selector: String,
    pub kind: DkimKind,
    pub state: DkimState,
    /// When it came into this state.
    pub since: UnixTime,
    /// The text of its record.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DkimKind {
    Rsa,
    Ed25519,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DkimState {
    Made,
    Visible,
    Signing,
    Retiring,
    Retired,
    Unused,
}

/// What was seen of a record in DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Every resolver shows our key.
    Ours,
    /// One of them shows it missing, revoked or wrong.
    NotOurs,
    /// Every resolver shows it gone, or revoked.
    Gone,
    /// Nobody knows.
    Failed,
}

/// Seconds between the states.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub settle: i64,
    pub retire: i64,
}

/// What became of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub selector: String,
    pub from: DkimState,
    /// `None`: it is forgotten.
    pub to: Option<DkimState>,
}

/// What `rotate` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// New keys wait to be published.
    Made,
    /// Some did already.
    Underway,
}

const NAME: &str = "rotation.json";
pub(super) const FOLDER: &str = "rotated";
/// Octets of the row's file that are read.
const LARGEST_ROW: usize = 256 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    keys: Vec<DkimKey>,
}

/// The keys of one domain.
pub(super) struct Row {
    given: PathBuf,
    made: PathBuf,
    keys: Vec<DkimKey>,
    /// Nobody else changes the row meanwhile: the gate and a command may both want to.
    _lock: Option<File>,
}

impl DkimKey {
    pub fn record(&self, domain: &Domain) -> Record {
        Record { name: format!("{}._domainkey.{domain}", self.selector), text: self.text.clone() }
    }

    /// Whether its record must be looked at for the row to go on.
    pub fn is_moving(&self) -> bool {
        matches!(self.state, DkimState::Made | DkimState::Visible | DkimState::Retiring | DkimState::Retired)
    }
}

/// The row, or what signs where there is none; makes nothing.
pub(super) fn read(given: &Path, made: &Path, now: UnixTime) -> Result<Vec<DkimKey>, VaultError> {
    Ok(Row::open(given, made, now, None)?.keys)
}

/// The selectors that sign, RSA first; `None` where there is no row.
pub(super) fn signing(made: &Path) -> Result<Option<[String; 2]>, VaultError> {
    let Some(keys) = read_file(made)? else { return Ok(None) };
    let of = |kind| keys.iter().find(|key| key.kind == kind && key.state == DkimState::Signing).map(|key| key.selector.clone());
    match (of(DkimKind::Rsa), of(DkimKind::Ed25519)) {
        (Some(rsa), Some(ed25519)) => Ok(Some([rsa, ed25519])),
        _ => Err(VaultError::Content(made.join(NAME), "names no RSA and Ed25519 key that sign")),
    }
}

/// By which a change of the row is noticed.
pub(super) fn mark(made: &Path) -> Option<(std::time::SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt;
    let facts = std::fs::metadata(made.join(NAME)).ok()?;
    Some((facts.modified().ok()?, facts.ino()))
}

/// Where a selector's key lies: those of the row, then the operator's, then ours.
pub(super) fn path_of(given: &Path, made: &Path, selector: &str) -> PathBuf {
    let name = format!("{selector}.pem");
    let places = [made.join(FOLDER).join(&name), given.join(&name), made.join(&name)];
    let there = places.iter().find(|path| path.is_file()).cloned();
    there.unwrap_or_else(|| given.join(&name))
}

/// New keys, if none wait already. What an earlier call could not finish is finished.
pub(super) fn begin(given: &Path, made: &Path, now: UnixTime) -> Result<(Begun, Vec<DkimKey>), VaultError> {
    let mut row = Row::open(given, made, now, Some(lock(made)?))?;
    let waits = |key: &DkimKey| matches!(key.state, DkimState::Made | DkimState::Visible);
    let broken: Vec<String> =
        row.keys.iter().filter(|key| waits(key) && !row.path(key).is_file()).map(|key| key.selector.clone()).collect();
    // Its private half never reached the disk: nobody can have published what cannot be used, or it will be seen as another key.
    row.keys.retain(|key| !broken.contains(&key.selector));
    if row.keys.iter().any(waits) {
        row.write()?;
        return Ok((Begun::Underway, row.keys));
    }
    let mut new = Vec::new();
    for kind in [DkimKind::Rsa, DkimKind::Ed25519] {
        let selector = row.free_selector(kind, now);
        let pem = match kind {
            DkimKind::Rsa => dkim::new_rsa()?,
            DkimKind::Ed25519 => dkim::new_ed25519()?,
        };
        row.keys.push(entry(selector.clone(), kind, now, &pem)?);
        new.push((selector, pem));
    }
    row.write()?;
    files::private_folder(&made.join(FOLDER))?;
    for (selector, pem) in new {
        files::write_private(&made.join(FOLDER).join(format!("{selector}.pem")), pem.as_bytes(), IfThere::Replace)?;
    }
    Ok((Begun::Made, row.keys))
}

/// Takes every step that what was seen allows.
pub(super) fn advance(
    given: &Path,
    made: &Path,
    seen: &BTreeMap<String, Sighting>,
    pace: Pace,
    now: UnixTime,
) -> Result<Vec<Step>, VaultError> {
    // Without a row nothing moves, and none is made for looking.
    if read_file(made)?.is_none() {
        return Ok(Vec::new());
    }
    let mut row = Row::open(given, made, now, Some(lock(made)?))?;
    // First: what a crash left over must not look like a key that somebody wants.
    row.sweep()?;
    let before = row.keys.clone();
    let usable: Vec<bool> = row.keys.iter().map(|key| row.path(key).is_file()).collect();
    let steps = steps(&mut row.keys, &usable, seen, pace, now);
    if row.keys != before {
        row.write()?;
    }
    row.sweep()?;
    Ok(steps)
}

/// The machine itself. `usable`: whose private key is there.
fn steps(keys: &mut Vec<DkimKey>, usable: &[bool], seen: &BTreeMap<String, Sighting>, pace: Pace, now: UnixTime) -> Vec<Step> {
    use DkimState::*;
    let before: Vec<(String, DkimState)> = keys.iter().map(|key| (key.selector.clone(), key.state)).collect();
    let sighting = |key: &DkimKey| seen.get(&key.selector).copied().unwrap_or(Sighting::Failed);
    for key in keys.iter_mut() {
        let next = match (key.state, sighting(key)) {
            (Made, Sighting::Ours) => Visible,
            (Visible, Sighting::NotOurs | Sighting::Gone) => Made,
            (Retiring, _) if key.since.plus(pace.retire) <= now => Retired,
            (state, _) => state,
        };
        if next != key.state {
            key.state = next;
            key.since = now;
        }
    }
    // Those that wait switch together, in one write, and only on a fresh sight of each: one that could not be asked for right now may have
    // been taken back.
    let waiting: Vec<usize> = (0..keys.len()).filter(|at| matches!(keys[*at].state, Made | Visible)).collect();
    let ready = |at: &usize| {
        let key = &keys[*at];
        key.state == Visible
            && sighting(key) == Sighting::Ours
            && key.since.plus(pace.settle) <= now
            && usable.get(*at) == Some(&true)
    };
    if !waiting.is_empty() && waiting.iter().all(ready) {
        for at in waiting {
            let kind = keys[at].kind;
            for key in keys.iter_mut().filter(|key| key.kind == kind && key.state == Signing) {
                key.state = Retiring;
                key.since = now;
            }
            keys[at].state = Signing;
            keys[at].since = now;
        }
    }
    // The operator's own file is still there, and must not be taken for a new one when it is forgotten.
    for (at, key) in keys.iter_mut().enumerate() {
        if key.state == Retired && before[at].1 == Retired && sighting(key) == Sighting::Gone && usable.get(at) == Some(&true) {
            key.state = Unused;
            key.since = now;
        }
    }
    keys.retain(|key| {
        let was_retired = before.iter().any(|(selector, state)| *selector == key.selector && *state == Retired);
        !(key.state == Retired && was_retired && sighting(key) == Sighting::Gone)
    });
    let to = |selector: &str| keys.iter().find(|key| key.selector == selector).map(|key| key.state);
    let steps = before.into_iter().map(|(selector, from)| Step { to: to(&selector), selector, from });
    steps.filter(|step| step.to != Some(step.from)).collect()
}

impl Row {
    /// The row as it is written, with the operator's new keys in it; or one that begins with what signs today.
    fn open(given: &Path, made: &Path, now: UnixTime, lock: Option<File>) -> Result<Row, VaultError> {
        let written = read_file(made)?;
        let begins = written.is_none();
        let mut row = Row { given: given.into(), made: made.into(), keys: written.unwrap_or_default(), _lock: lock };
        let mut last: BTreeMap<DkimKind, usize> = BTreeMap::new();
        for path in files::files_in(made, &["pem"])?.into_iter().chain(files::files_in(given, &["pem"])?) {
            let selector = dkim::selector_of(&path)?;
            // Of two files of one name the operator's counts, as it always did.
            if path != path_of(given, made, &selector) {
                continue;
            }
            let pem = files::read_private(&path)?;
            let Some(key) = dkim::read(&pem) else { return Err(dkim::no_key(path)) };
            if let Some(known) = row.keys.iter_mut().find(|key| key.selector == selector) {
                // The operator may have put another key under the name: what is published must be of the one that signs.
                known.text = key.record_text();
                continue;
            }
            let kind = key.kind();
            // Of several the last by name counts, the operator's after ours.
            if let Some(earlier) = last.insert(kind, row.keys.len()) {
                row.keys[earlier].state = DkimState::Unused;
            }
            let state = if begins { DkimState::Signing } else { DkimState::Made };
            row.keys.push(DkimKey { selector, kind, state, since: written_at(&path).unwrap_or(now), text: key.record_text() });
        }
        Ok(row)
    }

    fn path(&self, key: &DkimKey) -> PathBuf {
        path_of(&self.given, &self.made, &key.selector)
    }

    /// `r20261122`, then `r20261122a` …: a selector is never used for two keys, for DNS remembers (RFC 6376 §3.1).
    fn free_selector(&self, kind: DkimKind, now: UnixTime) -> String {
        let letter = if kind == DkimKind::Rsa { 'r' } else { 'e' };
        let day: String = now.rfc3339().chars().take(10).filter(char::is_ascii_digit).collect();
        let taken = |selector: &str| {
            self.keys.iter().any(|key| key.selector == selector) || path_of(&self.given, &self.made, selector).is_file()
        };
        let names = std::iter::once(String::new()).chain((b'a'..=b'z').map(|c| char::from(c).to_string()));
        let first = names.map(|more| format!("{letter}{day}{more}")).find(|selector| !taken(selector));
        // Past 27 in one day the second decides.
        first.unwrap_or_else(|| format!("{letter}{}", now.0))
    }

    fn write(&self) -> Result<(), VaultError> {
        files::private_folder(&self.made)?;
        let text = serde_json::to_vec_pretty(&Written { version: 1, keys: self.keys.clone() })
            .map_err(|_| VaultError::Generate("the row of DKIM keys"))?;
        files::write_private(&self.made.join(NAME), &text, IfThere::Replace)
    }

    /// Destroys our private keys that the row has let go, those that a crash left over included. The operator's files stay.
    fn sweep(&self) -> Result<(), VaultError> {
        let gone = |selector: &str| {
            self.keys.iter().find(|key| key.selector == selector).is_none_or(|key| key.state == DkimState::Retired)
        };
        for folder in [self.made.join(FOLDER), self.made.clone()] {
            for path in files::files_in(&folder, &["pem"])? {
                if gone(&dkim::selector_of(&path)?) {
                    std::fs::remove_file(&path).map_err(|why| VaultError::Write(path.clone(), why.kind()))?;
                }
            }
        }
        Ok(())
    }
}

fn written_at(path: &Path) -> Option<UnixTime> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|facts| UnixTime(facts.mtime()))
}

fn entry(selector: String, kind: DkimKind, since: UnixTime, pem: &str) -> Result<DkimKey, VaultError> {
    let key = dkim::read(pem.as_bytes()).ok_or(VaultError::Generate("a DKIM key"))?;
    Ok(DkimKey { selector, kind, state: DkimState::Made, since, text: key.record_text() })
}

fn read_file(made: &Path) -> Result<Option<Vec<DkimKey>>, VaultError> {
    let path = made.join(NAME);
    let Some(octets) = files::read_private_if_there(&path)? else { return Ok(None) };
    let written: Option<Written> = (octets.len() <= LARGEST_ROW).then(|| serde_json::from_slice(&octets).ok()).flatten();
    match written {
        Some(written)
            if written.version == 1 && written.keys.iter().all(|key| crate::dkim::settings::is_selector(&key.selector)) =>
        {
            Ok(Some(written.keys))
        }
        _ => Err(VaultError::Content(path, "is not the row of DKIM keys that this version writes; restore it from a backup")),
    }
}

fn lock(made: &Path) -> Result<File, VaultError> {
    files::private_folder(made)?;
    let path = made.join(".rotation.lock");
    let cannot = |why: std::io::Error| VaultError::Write(path.clone(), why.kind());
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(cannot)?;
    file.lock().map_err(cannot)?;
    Ok(file)
}

impl Key {
    pub(super) fn kind(&self) -> DkimKind {
        match self {
            Key::Rsa(..) => DkimKind::Rsa,
            Key::Ed25519(..) => DkimKind::Ed25519,
        }
    }

    /// The text of its record.
    pub(super) fn record_text(&self) -> String {
        match self {
            Key::Rsa(_, public) => format!("v=DKIM1; k=rsa; p={public}"),
            Key::Ed25519(_, public) => format!("v=DKIM1; k=ed25519; p={public}"),
        }
    }
}

#[cfg(test)]
mod tests;
