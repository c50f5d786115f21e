//! Turns a systemd credential, or a file beside the operator's own keys, into the passphrase that opens them.

use super::VaultError;
use super::files;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// `LoadCredentialEncrypted=postern-keys` in the unit.
pub const CREDENTIAL: &str = "postern-keys";
/// The file in `keys/ours/`, of mode 0600.
pub const FILE: &str = "passphrase";

/// What is said where one is needed and there is none.
pub const NONE: &str = "has a passphrase; give it as the systemd credential postern-keys, or write it into the file passphrase beside it (mode 0600)";

/// Opens private keys; its Debug and its errors never show it.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// The credential goes first; `None` when there is neither.
    pub fn find(ours: &Path) -> Result<Option<Passphrase>, VaultError> {
        let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(CREDENTIAL));
        Passphrase::find_in(credential.as_deref(), &ours.join(FILE))
    }

    fn find_in(credential: Option<&Path>, file: &Path) -> Result<Option<Passphrase>, VaultError> {
        // The service manager alone gives out credentials, and their modes are its own affair: with access lists they look like the group's.
        if let Some(path) = credential
            && let Some(octets) = read_credential(path)?
        {
            return first_line(path, &octets).map(Some);
        }
        if let Some(octets) = files::read_private_if_there(file)? {
            return first_line(file, &octets).map(Some);
        }
        Ok(None)
    }

    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

fn read_credential(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
    match std::fs::read(path) {
        Ok(octets) => Ok(Some(Zeroizing::new(octets))),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
        Err(why) => Err(VaultError::Read(path.into(), why.kind())),
    }
}

fn first_line(path: &Path, octets: &[u8]) -> Result<Passphrase, VaultError> {
    let line = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(VaultError::Content(path.into(), "is empty; write the passphrase on its first line"));
    }
    Ok(Passphrase(Zeroizing::new(line.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_credential_goes_before_the_file_and_others_may_not_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (credential, file) = (folder.path().join("credential"), folder.path().join("file"));
        assert!(Passphrase::find_in(Some(&credential), &file).unwrap().is_none());
        std::fs::write(&file, "from the file\r\nnot this\n").unwrap();
        assert!(matches!(Passphrase::find_in(None, &file), Err(VaultError::Permissions(_))));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(Passphrase::find_in(Some(&credential), &file).unwrap().unwrap().octets(), b"from the file");
        std::fs::write(&credential, "from systemd").unwrap();
        std::fs::set_permissions(&credential, std::fs::Permissions::from_mode(0o440)).unwrap();
        assert_eq!(Passphrase::find_in(Some(&credential), &file).unwrap().unwrap().octets(), b"from systemd");
        std::fs::write(&file, "\n").unwrap();
        assert!(matches!(Passphrase::find_in(None, &file), Err(VaultError::Content(..))));
    }
}
