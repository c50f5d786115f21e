//! Turns passwords that were agreed with recipients into rows; what opens them is not here.

use super::writer::classify;
use super::{AuditLine, Store, StoreError, chain};
use crate::mail::{Address, Language, UnixTime};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// One password, sealed.
#[derive(Clone)]
pub struct SecretRow {
    pub address: Address,
    /// Opaque here.
    pub sealed: Vec<u8>,
    /// Of the letter around the container; `None`: the house's.
    pub language: Option<Language>,
    /// Who agreed on it.
    pub set_by: String,
    pub at: UnixTime,
}

impl std::fmt::Debug for SecretRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretRow({})", self.address)
    }
}

impl Store {
    /// Keeps a password, in the place of an older one.
    pub async fn set_secret(&self, secret: SecretRow, audit: AuditLine) -> Result<(), StoreError> {
        self.write(move |db| {
            db.execute(
                "INSERT INTO secrets (key, address, sealed, language, set_by, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (key) DO UPDATE SET address = ?2, sealed = ?3, language = ?4, set_by = ?5, at = ?6",
                params![
                    secret.address.key(),
                    secret.address.to_string(),
                    secret.sealed,
                    secret.language.map(super::people::language_word),
                    secret.set_by,
                    secret.at.0
                ],
            )
            .map_err(|error| classify(&error))?;
            chain::append(db, secret.at, audit)
        })
        .await
    }

    /// False when there was none.
    pub async fn forget_secret(&self, address: &Address, at: UnixTime, audit: AuditLine) -> Result<bool, StoreError> {
        let key = address.key();
        self.write(move |db| {
            let gone = db.execute("DELETE FROM secrets WHERE key = ?1", [key]).map_err(|error| classify(&error))? == 1;
            if gone {
                chain::append(db, at, audit)?;
            }
            Ok(gone)
        })
        .await
    }

    /// Those of `addresses` for whom there is one.
    pub async fn find_secrets(&self, addresses: &[Address]) -> Result<Vec<SecretRow>, StoreError> {
        let keys: Vec<String> = addresses.iter().map(Address::key).collect();
        self.read(move |db| {
            let mut ask = db.prepare_cached(&format!("{SELECT} WHERE key = ?1")).map_err(|error| classify(&error))?;
            let mut found = Vec::new();
            for key in keys {
                let row = ask.query_row([key], |row| Ok(secret(row))).optional().map_err(|error| classify(&error))?;
                found.extend(row.transpose()?);
            }
            Ok(found)
        })
        .await
    }

    /// All, by address.
    pub async fn list_secrets(&self) -> Result<Vec<SecretRow>, StoreError> {
        self.read(list).await
    }
}

const SELECT: &str = "SELECT address, sealed, language, set_by, at FROM secrets";

fn list(db: &Connection) -> Result<Vec<SecretRow>, StoreError> {
    let mut ask = db.prepare_cached(&format!("{SELECT} ORDER BY key")).map_err(|error| classify(&error))?;
    let rows = ask.query_map([], |row| Ok(secret(row))).map_err(|error| classify(&error))?;
    rows.map(|row| row.map_err(|error| classify(&error))?).collect()
}

fn secret(row: &Row<'_>) -> Result<SecretRow, StoreError> {
    let sql = |error: rusqlite::Error| classify(&error);
    let unreadable = || StoreError::Failed("a row of the agreed passwords cannot be read".into());
    let language: Option<String> = row.get(2).map_err(sql)?;
    Ok(SecretRow {
        address: Address::parse(&row.get::<_, String>(0).map_err(sql)?).map_err(|_| unreadable())?,
        sealed: row.get(1).map_err(sql)?,
        language: language.map(|word| if word == "en" { Language::En } else { Language::Fr }),
        set_by: row.get(3).map_err(sql)?,
        at: UnixTime(row.get(4).map_err(sql)?),
    })
}
