//! Turns what our certification authority gave out and took back into two files of lines, each written once and never changed.
//!
//! A certificate that stands in no register could not be revoked by its address, so it is written down before it is handed out.

use super::VaultError;
use crate::mail::{Address, UnixTime};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// One certificate that was given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Hexadecimal.
    pub serial: String,
    pub address: String,
    /// Seconds since 1970.
    pub until: i64,
    /// RFC 3339.
    pub issued: String,
}

/// One certificate that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    pub serial: String,
    pub at: i64,
    pub reason: Reason,
}

/// CRLReason (RFC 5280 §5.3.1), those that people's certificates have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No reason given
    #[default]
    Unspecified,
    /// Somebody else may have the private key
    KeyCompromise,
    /// The person left, or changed name or post
    AffiliationChanged,
    /// Another certificate took its place
    Superseded,
    /// It is no longer used
    CessationOfOperation,
}

/// The register in `data/keys/authority/`.
pub struct Register {
    folder: PathBuf,
}

impl Register {
    pub fn open(folder: &Path) -> Result<Register, VaultError> {
        super::files::private_folder(folder)?;
        Ok(Register { folder: folder.to_owned() })
    }

    pub fn note_issued(&self, serial: &[u8], address: &Address, until: UnixTime, at: UnixTime) -> Result<(), VaultError> {
        let issued = Issued { serial: hex(serial), address: address.key(), until: until.0, issued: at.rfc3339() };
        append(&self.issued_file(), &issued)
    }

    /// One that is revoked already stays as it was.
    pub fn revoke(&self, serial: &str, reason: Reason, at: UnixTime) -> Result<(), VaultError> {
        if self.revoked()?.iter().any(|revoked| revoked.serial == serial) {
            return Ok(());
        }
        append(&self.revoked_file(), &Revoked { serial: serial.to_owned(), at: at.0, reason })
    }

    pub fn issued(&self) -> Result<Vec<Issued>, VaultError> {
        lines(&self.issued_file())
    }

    pub fn revoked(&self) -> Result<Vec<Revoked>, VaultError> {
        lines(&self.revoked_file())
    }

    /// Changes when something was revoked, by whichever process.
    pub fn revoked_state(folder: &Path) -> Option<(SystemTime, u64)> {
        let facts = fs::metadata(folder.join("revoked.jsonl")).ok()?;
        Some((facts.modified().ok()?, facts.len()))
    }

    fn issued_file(&self) -> PathBuf {
        self.folder.join("issued.jsonl")
    }

    fn revoked_file(&self) -> PathBuf {
        self.folder.join("revoked.jsonl")
    }
}

pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let text: Vec<char> = text.chars().filter(|c| *c != ':').collect();
    if text.is_empty() || !text.len().is_multiple_of(2) || text.len() > 40 {
        return None;
    }
    text.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok()).collect()
}

/// One write of one line: two processes that append do not mix theirs.
fn append(path: &Path, line: &impl Serialize) -> Result<(), VaultError> {
    let cannot = |why: std::io::Error| VaultError::Write(path.into(), why.kind());
    let mut text = serde_json::to_vec(line).map_err(|_| VaultError::Generate("a line of the register"))?;
    text.push(b'\n');
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(cannot)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(cannot)
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, VaultError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(VaultError::Read(path.into(), why.kind())),
    };
    // A line that a crash cut short is the last one, and its certificate was never handed out.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let read = |line: &str| {
        serde_json::from_str(line)
            .map_err(|_| VaultError::Content(path.into(), "holds a line that cannot be read; put back a copy of it"))
    };
    whole.lines().map(read).collect()
}
