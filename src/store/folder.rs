//! Turns the path of the data folder into a folder that is ours alone: closed to others, locked against a second gate.

use super::CannotOpen;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file of the store in the data folder.
pub const DATABASE: &str = "postern.db";
const LOCK: &str = "postern.lock";

/// The data folder, opened. The lock is held as long as this lives; the kernel gives it back when the process dies, however.
pub(super) struct Folder {
    pub path: PathBuf,
    _lock: Option<File>,
}

/// Whether this process is the gate, or a command beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Gate,
    Beside,
}

impl Folder {
    /// Creates what is missing (folder 0700, database 0600) and takes the lock when `access` is the gate's.
    pub fn open(path: &Path, access: Access) -> Result<Folder, CannotOpen> {
        let fails = |source: std::io::Error| CannotOpen::Folder { path: path.to_owned(), why: source.to_string() };
        if !path.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fails)?;
        }
        close_to_others(path)?;
        let lock = match access {
            Access::Gate => Some(lock(path)?),
            Access::Beside => None,
        };
        let database = path.join(DATABASE);
        // SQLite would create it by the umask; its -wal and -shm files take their mode from this one.
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&database).map_err(fails)?;
        if file.metadata().map_err(fails)?.mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(fails)?;
        }
        // The new name must survive a power cut too, not only the octets.
        File::open(path).and_then(|folder| folder.sync_all()).map_err(fails)?;
        Ok(Folder { path: path.to_owned(), _lock: lock })
    }

    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }
}

/// Octets that an unprivileged process may still write below `path`.
pub(super) fn free_octets(path: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn close_to_others(path: &Path) -> Result<(), CannotOpen> {
    let fails = |source: std::io::Error| CannotOpen::Folder { path: path.to_owned(), why: source.to_string() };
    let metadata = path.metadata().map_err(fails)?;
    if !metadata.is_dir() {
        return Err(CannotOpen::Folder { path: path.to_owned(), why: "it is not a folder".into() });
    }
    // A sticky or world-writable folder is a shared one (/tmp): making it ours would hurt its other users.
    if metadata.mode() & 0o1002 != 0 {
        return Err(CannotOpen::Shared { path: path.to_owned() });
    }
    if metadata.mode() & 0o077 != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(fails)?;
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, CannotOpen> {
    let fails = |source: std::io::Error| CannotOpen::Folder { path: path.to_owned(), why: source.to_string() };
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path.join(LOCK)).map_err(fails)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(CannotOpen::Locked { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(fails(source)),
    }
}
