//! Turns the data folder into the key under which logins and values are counted without being readable.

use super::VaultError;
use super::files;
use super::secrets::open_key;
use std::path::Path;
use zeroize::Zeroizing;

const FILE: &str = "counters.key";

/// Makes the key when there is none. Whoever takes it away makes the gate forget what was counted. Reads and writes files: call it
/// from a blocking thread.
pub fn counting_key(data: &Path) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let folder = data.join("keys");
    files::private_folder(&folder)?;
    open_key(&folder.join(FILE))
}
