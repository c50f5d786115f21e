//! Turns passwords agreed with recipients into sealed rows of the store, and rows into the snapshot that one message needs.

use super::VaultError;
use super::files::{self, IfThere};
use crate::mail::{Address, Language, Reference, UnixTime};
use crate::protect::container::{Password, Passwords};
use crate::store::{AuditLine, SecretRow, Store, StoreError};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Passwords that recipients without a key know. A copy of the database alone opens none of them: the key lies in `data/keys/`.
#[derive(Clone)]
pub struct Secrets {
    store: Store,
    key: Arc<RandomizedNonceKey>,
}

/// One of them, without the password.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Kept {
    pub address: Address,
    pub language: Option<Language>,
    pub set_by: String,
    pub at: UnixTime,
}

const KEY: usize = 32;
const FILE: &str = "secrets.key";

impl Secrets {
    /// Makes the key when there is none. Reads and writes files: call it from a blocking thread.
    pub fn open(data: &Path, store: Store) -> Result<Secrets, VaultError> {
        let folder = data.join("keys");
        files::private_folder(&folder)?;
        let key = open_key(&folder.join(FILE))?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key[..]).map_err(|_| VaultError::Generate("a key for passwords"))?;
        Ok(Secrets { store, key: Arc::new(key) })
    }

    /// Keeps a password for `address`, in the place of an older one. `language` of the letters around its containers.
    pub async fn set(
        &self,
        address: &Address,
        password: &Password,
        language: Option<Language>,
        by: &str,
        at: UnixTime,
    ) -> Result<(), StoreError> {
        let sealed = self.seal(&address.key(), password.as_str().as_bytes())?;
        let row = SecretRow { address: address.clone(), sealed, language, set_by: by.to_owned(), at };
        self.store.set_secret(row, line("secret-set", address, by, at)).await
    }

    /// False when there was none.
    pub async fn forget(&self, address: &Address, by: &str, at: UnixTime) -> Result<bool, StoreError> {
        self.store.forget_secret(address, at, line("secret-forgotten", address, by, at)).await
    }

    pub async fn list(&self) -> Result<Vec<Kept>, StoreError> {
        let rows = self.store.list_secrets().await?;
        let kept = |row: SecretRow| Kept { address: row.address, language: row.language, set_by: row.set_by, at: row.at };
        Ok(rows.into_iter().map(kept).collect())
    }

    /// Those of `recipients`; letters are in the house's language where nobody said otherwise. One that cannot be opened is an
    /// error: taken for none, a message would be held or told by another way without anybody knowing why.
    pub async fn of(&self, recipients: &[Address], house: Language) -> Result<Passwords, StoreError> {
        let mut passwords = Passwords::new();
        for row in self.store.find_secrets(recipients).await? {
            let text = self.open_sealed(&row.address.key(), &row.sealed)?;
            let text = std::str::from_utf8(&text).map_err(|_| damaged())?.to_owned();
            passwords.insert(row.address, Password::kept(Zeroizing::new(text), row.language.unwrap_or(house)));
        }
        Ok(passwords)
    }

    /// What a service is to be told about one container: only for this message and recipient.
    pub fn seal_call(&self, reference: Reference, recipient: &Address, text: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.seal(&format!("{reference} {}", recipient.key()), text)
    }

    pub fn open_call(
        &self,
        reference: Reference,
        recipient: &Address,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.open_sealed(&format!("{reference} {}", recipient.key()), sealed)
    }

    /// Nonce, then ciphertext and tag. `whose` is bound to it, so that a row cannot be moved to another recipient.
    fn seal(&self, whose: &str, text: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut octets = text.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(whose.as_bytes()), &mut octets).map_err(|_| damaged())?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&octets);
        Ok(sealed)
    }

    fn open_sealed(&self, whose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
        let mut octets = Zeroizing::new(rest.to_vec());
        let length = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(whose.as_bytes()), &mut octets)
            .map_err(|_| damaged())?
            .len();
        octets.truncate(length);
        Ok(octets)
    }
}

fn damaged() -> StoreError {
    StoreError::Failed("an agreed password cannot be opened with data/keys/secrets.key: was that file replaced?".into())
}

fn line(event: &str, address: &Address, by: &str, at: UnixTime) -> AuditLine {
    let mut line = serde_json::Map::new();
    line.insert("event".into(), event.into());
    line.insert("at".into(), at.rfc3339().into());
    line.insert("address".into(), address.to_string().into());
    line.insert("by".into(), by.into());
    AuditLine(line)
}

/// 32 octets in base64 on one line.
pub(super) fn open_key(path: &Path) -> Result<Zeroizing<[u8; KEY]>, VaultError> {
    let damaged = || VaultError::Content(path.into(), "does not hold a key: 32 octets in base64");
    let read = |text: &[u8]| {
        let octets = Zeroizing::new(STANDARD.decode(text.trim_ascii()).map_err(|_| damaged())?);
        Ok(Zeroizing::new(<[u8; KEY]>::try_from(octets.as_slice()).map_err(|_| damaged())?))
    };
    if let Some(text) = files::read_private_if_there(path)? {
        return read(&text);
    }
    let mut fresh = Zeroizing::new([0u8; KEY]);
    aws_lc_rs::rand::fill(&mut fresh[..]).map_err(|_| VaultError::Generate("a key for passwords"))?;
    let text = Zeroizing::new(STANDARD.encode(&fresh[..]) + "\n");
    // Two who begin at once end with one key: the file's.
    files::write_private(path, text.as_bytes(), IfThere::Keep)?;
    read(&files::read_private(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn open(folder: &Path) -> Secrets {
        Secrets::open(folder, Store::open(folder, &store::Settings::default()).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_password_is_kept_replaced_and_forgotten_and_never_lies_in_clear() {
        let folder = tempfile::tempdir().unwrap();
        let (nobody, other) = (address("Nobody@example.net"), address("other@example.net"));
        let at = UnixTime(1_795_262_400);
        let first = Password::kept(Zeroizing::new("kanarienvogel-eins".into()), Language::Fr);
        let second = Password::kept(Zeroizing::new("kanarienvogel-zwei".into()), Language::Fr);
        {
            let secrets = open(folder.path());
            assert!(secrets.of(std::slice::from_ref(&nobody), Language::Fr).await.unwrap().is_empty());
            secrets.set(&nobody, &first, None, "dpo", at).await.unwrap();
            secrets.set(&nobody, &second, Some(Language::En), "dpo", at).await.unwrap();
            secrets.set(&other, &first, None, "dpo", at).await.unwrap();
        }
        // After a start, and under the address in another case.
        let secrets = open(folder.path());
        let known = secrets.of(&[address("nobody@EXAMPLE.net"), other.clone()], Language::Fr).await.unwrap();
        let told: Vec<_> = known.values().map(|password| (password.as_str(), password.language)).collect();
        assert_eq!(told.len(), 2);
        assert!(told.contains(&("kanarienvogel-zwei", Language::En)) && told.contains(&("kanarienvogel-eins", Language::Fr)));
        assert_eq!(secrets.list().await.unwrap().len(), 2);
        assert!(secrets.forget(&other, "dpo", at).await.unwrap());
        assert!(!secrets.forget(&other, "dpo", at).await.unwrap());
        assert!(secrets.of(std::slice::from_ref(&other), Language::Fr).await.unwrap().is_empty());
        for entry in std::fs::read_dir(folder.path()).unwrap().chain(std::fs::read_dir(folder.path().join("keys")).unwrap()) {
            let path = entry.unwrap().path();
            if path.is_file() {
                let octets = std::fs::read(&path).unwrap();
                assert!(memchr::memmem::find(&octets, b"kanarienvogel").is_none(), "{}", path.display());
            }
        }
        // A row that was moved to another recipient opens nothing.
        let rows = secrets.store.find_secrets(std::slice::from_ref(&nobody)).await.unwrap();
        let moved = SecretRow { address: other.clone(), ..rows[0].clone() };
        secrets.store.set_secret(moved, line("secret-set", &other, "x", at)).await.unwrap();
        assert!(secrets.of(&[other], Language::Fr).await.is_err());
    }
}
