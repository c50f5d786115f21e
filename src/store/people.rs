//! Turns accounts into rows; what a password is worth is decided in `accounts`.

use super::writer::classify;
use super::{AuditLine, Store, StoreError, chain};
use crate::mail::{Address, Language, UnixTime};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// One account as stored.
#[derive(Clone)]
pub struct AccountRow {
    pub login: Address,
    /// All addresses it may send from, the login among them.
    pub owns: Vec<Address>,
    pub names: Vec<String>,
    pub language: Language,
    /// A PHC string (`$argon2id$…`).
    pub password: String,
    pub disabled: bool,
    pub created_at: UnixTime,
    pub changed_at: UnixTime,
}

/// Whether a new account could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddedAccount {
    Added,
    /// An account of this login exists; nothing was changed.
    Exists,
}

impl std::fmt::Debug for AccountRow {
    /// Without the hash: it can be guessed at.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountRow({}, disabled: {})", self.login, self.disabled)
    }
}

impl Store {
    /// Makes an account, with its audit line.
    pub async fn add_account(&self, account: AccountRow, audit: AuditLine) -> Result<AddedAccount, StoreError> {
        self.write(move |db| {
            if find(db, &account.login.key())?.is_some() {
                return Ok(AddedAccount::Exists);
            }
            let owns = serde_json::to_string(&account.owns).map_err(|_| unreadable())?;
            let names = serde_json::to_string(&account.names).map_err(|_| unreadable())?;
            db.execute(
                "INSERT INTO accounts (key, login, owns, names, language, password, disabled, created_at, changed_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    account.login.key(),
                    account.login.to_string(),
                    owns,
                    names,
                    language_word(account.language),
                    account.password,
                    account.disabled,
                    account.created_at.0,
                    account.changed_at.0
                ],
            )
            .map_err(|error| classify(&error))?;
            chain::append(db, account.changed_at, audit)?;
            Ok(AddedAccount::Added)
        })
        .await
    }

    /// Gives an account another password hash. False when there is no such account.
    pub async fn set_password(
        &self,
        login: &Address,
        password: String,
        at: UnixTime,
        audit: Option<AuditLine>,
    ) -> Result<bool, StoreError> {
        let key = login.key();
        self.change(at, audit, move |db| {
            db.execute("UPDATE accounts SET password = ?2, changed_at = ?3 WHERE key = ?1", params![key, password, at.0])
        })
        .await
    }

    /// Closes an account, or opens it again. False when there is no such account.
    pub async fn set_disabled(
        &self,
        login: &Address,
        disabled: bool,
        at: UnixTime,
        audit: AuditLine,
    ) -> Result<bool, StoreError> {
        let key = login.key();
        self.change(at, Some(audit), move |db| {
            db.execute("UPDATE accounts SET disabled = ?2, changed_at = ?3 WHERE key = ?1", params![key, disabled, at.0])
        })
        .await
    }

    pub async fn find_account(&self, login: &Address) -> Result<Option<AccountRow>, StoreError> {
        let key = login.key();
        self.read(move |db| find(db, &key)).await
    }

    /// All accounts, by login.
    pub async fn list_accounts(&self) -> Result<Vec<AccountRow>, StoreError> {
        self.read(|db| {
            let mut ask = db.prepare_cached(&format!("{SELECT} ORDER BY key")).map_err(|error| classify(&error))?;
            let rows = ask.query_map([], |row| Ok(account(row))).map_err(|error| classify(&error))?;
            rows.map(|row| row.map_err(|error| classify(&error))?).collect()
        })
        .await
    }

    async fn change(
        &self,
        at: UnixTime,
        audit: Option<AuditLine>,
        update: impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<bool, StoreError> {
        self.write(move |db| {
            let changed = update(db).map_err(|error| classify(&error))? == 1;
            if let Some(line) = audit.filter(|_| changed) {
                chain::append(db, at, line)?;
            }
            Ok(changed)
        })
        .await
    }
}

const SELECT: &str = "SELECT login, owns, names, language, password, disabled, created_at, changed_at FROM accounts";

fn find(db: &Connection, key: &str) -> Result<Option<AccountRow>, StoreError> {
    db.prepare_cached(&format!("{SELECT} WHERE key = ?1"))
        .and_then(|mut ask| ask.query_row([key], |row| Ok(account(row))).optional())
        .map_err(|error| classify(&error))?
        .transpose()
}

fn account(row: &Row<'_>) -> Result<AccountRow, StoreError> {
    let sql = |error: rusqlite::Error| classify(&error);
    let text = |column: usize| row.get::<_, String>(column).map_err(sql);
    Ok(AccountRow {
        login: Address::parse(&text(0)?).map_err(|_| unreadable())?,
        owns: serde_json::from_str(&text(1)?).map_err(|_| unreadable())?,
        names: serde_json::from_str(&text(2)?).map_err(|_| unreadable())?,
        language: if text(3)? == language_word(Language::En) { Language::En } else { Language::Fr },
        password: text(4)?,
        disabled: row.get(5).map_err(sql)?,
        created_at: UnixTime(row.get(6).map_err(sql)?),
        changed_at: UnixTime(row.get(7).map_err(sql)?),
    })
}

pub(super) fn language_word(language: Language) -> &'static str {
    match language {
        Language::Fr => "fr",
        Language::En => "en",
    }
}

fn unreadable() -> StoreError {
    StoreError::Failed("a row of the accounts cannot be read".into())
}
