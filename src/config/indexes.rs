//! Turns the folder `indexes/` of the rules into what rules name as `fingerprint` and `exact`, and keeps its key.

use super::problem::{Problem, Problems};
use crate::detect::{ExactIndex, FingerprintIndex, IndexError, IndexKey, Indexes};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Octets of one index; an index of this size would fill the gate's memory.
const INDEX_LIMIT: u64 = 2 << 30;
/// The endings of the two kinds of index.
const FINGERPRINTS: &str = "fingerprints";
const EXACT: &str = "exact";

/// Where the indexes of a rules folder lie.
pub fn folder(rules: &Path) -> PathBuf {
    rules.join("indexes")
}

/// The file of one index: `agents.csv.exact`, `registre-hr.fingerprints`.
pub fn file(rules: &Path, name: &str, exact: bool) -> PathBuf {
    folder(rules).join(format!("{name}.{}", if exact { EXACT } else { FINGERPRINTS }))
}

/// All indexes of a rules folder. A folder without any holds none.
///
/// # Errors
/// An index without its key, or that does not fit it: what it should find would go out unseen.
pub fn load(rules: &Path) -> Result<Indexes, Problems> {
    let mut indexes = Indexes::default();
    let (fingerprints, exact) =
        (super::laws::files_of(&folder(rules), FINGERPRINTS)?, super::laws::files_of(&folder(rules), EXACT)?);
    if fingerprints.is_empty() && exact.is_empty() {
        return Ok(indexes);
    }
    let Some(key) = read_key(rules)? else {
        let sentence =
            "is missing, without which no index can be used; put it back, or make the indexes again with: postern rules index";
        return Err(Problem::in_file(&key_file(rules), sentence).into());
    };
    let mut problems = Vec::new();
    for path in fingerprints {
        match read(&path).and_then(|octets| FingerprintIndex::read(octets, &key).map_err(|why| wrong(&path, &why))) {
            Ok(index) => drop(indexes.fingerprints.insert(name(&path), Arc::new(index))),
            Err(problem) => problems.push(problem),
        }
    }
    for path in exact {
        match read(&path).and_then(|octets| ExactIndex::read(octets, &key).map_err(|why| wrong(&path, &why))) {
            Ok(index) => drop(indexes.exact.insert(name(&path), Arc::new(index))),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(indexes) } else { Err(Problems(problems)) }
}

/// The key of a rules folder's indexes, made when there is none: 32 random octets that only their owner may read.
pub fn key(rules: &Path) -> Result<IndexKey, Problems> {
    if let Some(key) = read_key(rules)? {
        return Ok(key);
    }
    let path = key_file(rules);
    let cannot = |why: std::io::Error| Problem::in_file(&path, format!("cannot be written ({why})"));
    std::fs::create_dir_all(folder(rules)).map_err(cannot)?;
    let mut octets = Zeroizing::new([0u8; IndexKey::OCTETS]);
    aws_lc_rs::rand::fill(&mut octets[..])
        .map_err(|_| Problem::in_file(&path, "cannot be made: the system gave no random octets"))?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(cannot)?;
    file.write_all(&octets[..]).and_then(|()| file.sync_all()).map_err(cannot)?;
    let key = IndexKey::from_octets(&octets[..]);
    key.ok_or_else(|| Problem::in_file(&path, "is no key").into())
}

/// Writes an index so that it is there whole or not at all.
pub fn write(path: &Path, octets: &[u8]) -> Result<(), Problem> {
    let cannot = |why: std::io::Error| Problem::in_file(path, format!("cannot be written ({why})"));
    let new = path.with_extension("new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(cannot)?;
    file.write_all(octets).and_then(|()| file.sync_all()).map_err(cannot)?;
    std::fs::rename(&new, path).map_err(cannot)
}

fn key_file(rules: &Path) -> PathBuf {
    folder(rules).join("key")
}

/// Refused when group or others may read it: whoever has it and an index can try values against it.
fn read_key(rules: &Path) -> Result<Option<IndexKey>, Problems> {
    let path = key_file(rules);
    let cannot = |why: std::io::Error| Problem::in_file(&path, format!("cannot be read ({why})"));
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(cannot(why).into()),
    };
    let mode = file.metadata().map_err(cannot)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Problem::in_file(&path, format!("can be read by others (mode {:o}); write chmod 600", mode & 0o777)).into());
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(64));
    file.take(64).read_to_end(&mut octets).map_err(cannot)?;
    match IndexKey::from_octets(&octets) {
        Some(key) => Ok(Some(key)),
        None => Err(Problem::in_file(&path, format!("is no key: {} octets long", IndexKey::OCTETS)).into()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let cannot = |why: std::io::Error| Problem::in_file(path, format!("cannot be read ({why})"));
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > INDEX_LIMIT {
        return Err(Problem::in_file(path, format!("is larger than {} MB; make an index for each part", INDEX_LIMIT >> 20)));
    }
    std::fs::read(path).map_err(cannot)
}

fn wrong(path: &Path, why: &IndexError) -> Problem {
    Problem::in_file(path, why.to_string())
}

fn name(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
