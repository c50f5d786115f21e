//! Turns key octets into files that survive a crash and that nobody else on the machine can read.

use super::VaultError;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest key file that is read.
const LARGEST: u64 = 1024 * 1024;

/// What becomes of a file that is already there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum IfThere {
    /// It stays: whoever was first wins, two gates that start at once included.
    Keep,
    Replace,
}

/// Reads a private key. Refused when group or others may read it: whoever copied it can sign and read in our name.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let mut file = File::open(path).map_err(|why| VaultError::Read(path.into(), why.kind()))?;
    let facts = file.metadata().map_err(|why| VaultError::Read(path.into(), why.kind()))?;
    judge_facts(path, &facts)?;
    if facts.len() > LARGEST {
        return Err(VaultError::Content(path.into(), "is larger than any key"));
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(facts.len() as usize));
    (&mut file).take(LARGEST).read_to_end(&mut octets).map_err(|why| VaultError::Read(path.into(), why.kind()))?;
    Ok(octets)
}

/// Whether a private key's file is ours alone, without reading it.
pub fn judge(path: &Path) -> Result<(), VaultError> {
    judge_facts(path, &fs::metadata(path).map_err(|why| VaultError::Read(path.into(), why.kind()))?)
}

/// Whether group or others may write into a folder; one that is not there is open to nobody.
pub fn is_open_to_others(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|facts| facts.is_dir() && facts.permissions().mode() & 0o022 != 0)
}

fn judge_facts(path: &Path, facts: &fs::Metadata) -> Result<(), VaultError> {
    if facts.permissions().mode() & 0o077 != 0 {
        return Err(VaultError::Permissions(path.into()));
    }
    // Of another user's file we cannot know who wrote it; root's are given out by the system (systemd credentials).
    if facts.uid() != 0 && facts.uid() != rustix::process::geteuid().as_raw() {
        return Err(VaultError::Owner(path.into()));
    }
    Ok(())
}

/// The same; `None` when there is no such file.
pub fn read_private_if_there(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
    match read_private(path) {
        Ok(octets) => Ok(Some(octets)),
        Err(VaultError::Read(_, ErrorKind::NotFound)) => Ok(None),
        Err(why) => Err(why),
    }
}

/// Writes a file of mode 0600 so that after a crash it is there whole or not at all: a temporary file, fsync, then its name, then fsync
/// of the folder.
pub fn write_private(path: &Path, octets: &[u8], if_there: IfThere) -> Result<(), VaultError> {
    let cannot = |why: std::io::Error| VaultError::Write(path.into(), why.kind());
    let folder = path.parent().ok_or_else(|| VaultError::Write(path.into(), ErrorKind::InvalidInput))?;
    let mut random = [0u8; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| VaultError::Generate("a file name"))?;
    let temporary = folder.join(format!(".new-{:016x}", u64::from_ne_bytes(random)));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(octets)?;
        file.sync_all()?;
        match if_there {
            IfThere::Replace => fs::rename(&temporary, path),
            IfThere::Keep => match fs::hard_link(&temporary, path) {
                Err(why) if why.kind() == ErrorKind::AlreadyExists => Ok(()),
                other => other,
            },
        }?;
        File::open(folder)?.sync_all()
    })();
    // After a rename it is gone already.
    let _ = fs::remove_file(&temporary);
    written.map_err(cannot)
}

/// Makes a folder of mode 0700, and those above it.
pub fn private_folder(path: &Path) -> Result<(), VaultError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|why| VaultError::Write(path.into(), why.kind()))?;
    let mode = fs::metadata(path).map_err(|why| VaultError::Read(path.into(), why.kind()))?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(|why| VaultError::Write(path.into(), why.kind()))?;
    }
    Ok(())
}

/// The files of a folder with one of these endings, sorted by name; empty when there is no such folder.
pub fn files_in(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, VaultError> {
    let unreadable = |why: std::io::Error| VaultError::Read(folder.into(), why.kind());
    let entries = match fs::read_dir(folder) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(unreadable)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if endings.contains(&ending.as_str()) && !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A file name that an address can have: what is not a letter, a digit or one of `.-_@+` becomes `%XX`, so that no address leads out
/// of the folder.
pub fn name_of(address: &str) -> String {
    let mut name = String::with_capacity(address.len());
    for b in address.bytes() {
        if b.is_ascii_alphanumeric() || b"-_@+".contains(&b) || (b == b'.' && !name.is_empty()) {
            name.push(char::from(b));
        } else {
            name.push_str(&format!("%{b:02X}"));
        }
    }
    name
}
