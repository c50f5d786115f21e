//! Turns accounts and their app passwords into rows; what a password is worth is decided in `accounts`.

use super::writer::classify;
use super::{AuditLine, Store, StoreError, chain};
use crate::mail::{Address, Attributes, Language, UnixTime};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// One account as stored.
#[derive(Clone)]
pub struct AccountRow {
    pub login: Address,
    /// All addresses it may send from, the login among them.
    pub owns: Vec<Address>,
    pub names: Vec<String>,
    pub language: Language,
    pub attributes: Attributes,
    /// A PHC string (`$argon2id$…`).
    pub password: String,
    /// What SCRAM compares with, in the form of RFC 5803; absent: not derived yet.
    pub scram: Option<String>,
    pub password_at: UnixTime,
    /// Its main password is not taken from mail clients.
    pub app_passwords_only: bool,
    pub disabled: bool,
    pub created_at: UnixTime,
    pub created_because: String,
    pub disabled_at: Option<UnixTime>,
    pub disabled_because: String,
    pub changed_at: UnixTime,
    /// Grows with every change that ends open sessions; what a new row has is not looked at.
    pub serial: i64,
}

/// Whether something new could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddedAccount {
    Added,
    /// One of this name exists; nothing was changed.
    Exists,
}

/// One app password as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPasswordRow {
    pub id: i64,
    pub name: String,
    pub created_at: UnixTime,
    /// Days since 1970.
    pub used_on: Option<i64>,
}

/// What is derived from a password.
#[derive(Clone)]
pub struct Derived {
    pub password: String,
    pub scram: Option<String>,
}

impl std::fmt::Debug for AccountRow {
    /// Without the hashes: they can be guessed at.
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
            db.execute(
                "INSERT INTO accounts (key, login, owns, names, language, attributes, password, scram, password_at,
                                       app_passwords_only, disabled, created_at, created_because, changed_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                params![
                    account.login.key(),
                    account.login.to_string(),
                    json(&account.owns)?,
                    json(&account.names)?,
                    language_word(account.language),
                    json(&account.attributes)?,
                    account.password,
                    account.scram,
                    account.password_at.0,
                    account.app_passwords_only,
                    account.disabled,
                    account.created_at.0,
                    account.created_because,
                    account.changed_at.0
                ],
            )
            .map_err(|error| classify(&error))?;
            chain::append(db, account.changed_at, audit)?;
            Ok(AddedAccount::Added)
        })
        .await
    }

    /// Gives an account another password and ends its sessions. False when there is no such account.
    pub async fn set_password(
        &self,
        login: &Address,
        derived: Derived,
        at: UnixTime,
        audit: AuditLine,
    ) -> Result<bool, StoreError> {
        let key = login.key();
        self.change(at, Some(audit), move |db| {
            db.execute(
                "UPDATE accounts SET password = ?2, scram = ?3, password_at = ?4, changed_at = ?4, serial = serial + 1
                 WHERE key = ?1",
                params![key, derived.password, derived.scram, at.0],
            )
        })
        .await
    }

    /// Keeps the same password in another form, unless it was changed meanwhile from `old`.
    pub async fn set_derived(&self, login: &Address, old: String, derived: Derived) -> Result<bool, StoreError> {
        let key = login.key();
        self.change(UnixTime(0), None, move |db| {
            db.execute(
                "UPDATE accounts SET password = ?3, scram = ?4 WHERE key = ?1 AND password = ?2",
                params![key, old, derived.password, derived.scram],
            )
        })
        .await
    }

    /// Closes an account, or opens it again; ends its sessions. False when there is no such account.
    pub async fn set_disabled(
        &self,
        login: &Address,
        disabled: bool,
        because: &str,
        at: UnixTime,
        audit: AuditLine,
    ) -> Result<bool, StoreError> {
        let (key, because) = (login.key(), because.to_owned());
        self.change(at, Some(audit), move |db| {
            db.execute(
                "UPDATE accounts SET disabled = ?2, disabled_because = ?3, disabled_at = CASE ?2 WHEN 1 THEN ?4 END,
                        changed_at = ?4, serial = serial + 1
                 WHERE key = ?1",
                params![key, disabled, because, at.0],
            )
        })
        .await
    }

    /// Writes addresses, names, language, attributes and the use of its password, unless the account was changed since `row` was
    /// read; ends its sessions. False when nothing was written.
    pub async fn set_account(&self, row: AccountRow, at: UnixTime, audit: AuditLine) -> Result<bool, StoreError> {
        let (owns, names, attributes) = (json(&row.owns)?, json(&row.names)?, json(&row.attributes)?);
        self.change(at, Some(audit), move |db| {
            db.execute(
                "UPDATE accounts SET owns = ?3, names = ?4, language = ?5, attributes = ?6, app_passwords_only = ?7,
                        changed_at = ?8, serial = serial + 1
                 WHERE key = ?1 AND serial = ?2",
                params![
                    row.login.key(),
                    row.serial,
                    owns,
                    names,
                    language_word(row.language),
                    attributes,
                    row.app_passwords_only,
                    at.0
                ],
            )
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

    /// Makes an app password of an account that is there, with its audit line. `mark` is what is compared.
    pub async fn add_app_password(
        &self,
        login: &Address,
        name: &str,
        mark: [u8; 32],
        at: UnixTime,
        audit: AuditLine,
    ) -> Result<AddedAccount, StoreError> {
        let (key, name) = (login.key(), name.to_owned());
        self.write(move |db| {
            let taken = db
                .prepare_cached("SELECT 1 FROM app_passwords WHERE account = ?1 AND name = ?2")
                .and_then(|mut ask| ask.exists(params![key, name]))
                .map_err(|error| classify(&error))?;
            if taken {
                return Ok(AddedAccount::Exists);
            }
            db.execute(
                "INSERT INTO app_passwords (account, name, mark, created_at) VALUES (?1, ?2, ?3, ?4)",
                params![key, name, mark, at.0],
            )
            .map_err(|error| classify(&error))?;
            chain::append(db, at, audit)?;
            Ok(AddedAccount::Added)
        })
        .await
    }

    /// Ends an app password. False when there is none of this name.
    pub async fn revoke_app_password(
        &self,
        login: &Address,
        name: &str,
        at: UnixTime,
        audit: AuditLine,
    ) -> Result<bool, StoreError> {
        let (key, name) = (login.key(), name.to_owned());
        self.change(at, Some(audit), move |db| {
            db.execute("DELETE FROM app_passwords WHERE account = ?1 AND name = ?2", params![key, name])
        })
        .await
    }

    /// The app passwords of an account, by name.
    pub async fn list_app_passwords(&self, login: &Address) -> Result<Vec<AppPasswordRow>, StoreError> {
        let key = login.key();
        self.read(move |db| {
            let one = |row: &Row<'_>| {
                Ok(AppPasswordRow {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    created_at: UnixTime(row.get(2)?),
                    used_on: row.get(3)?,
                })
            };
            let mut ask = db
                .prepare_cached("SELECT id, name, created_at, used_on FROM app_passwords WHERE account = ?1 ORDER BY name")
                .map_err(|error| classify(&error))?;
            let rows = ask.query_map([key], one).map_err(|error| classify(&error))?;
            rows.map(|row| row.map_err(|error| classify(&error))).collect()
        })
        .await
    }

    /// The app password with this mark, and the day it was used last.
    pub async fn find_app_password(&self, mark: [u8; 32]) -> Result<Option<(i64, Option<i64>)>, StoreError> {
        self.read(move |db| {
            db.prepare_cached("SELECT id, used_on FROM app_passwords WHERE mark = ?1")
                .and_then(|mut ask| ask.query_row([mark], |row| Ok((row.get(0)?, row.get(1)?))).optional())
                .map_err(|error| classify(&error))
        })
        .await
    }

    /// Whether an app password is still there.
    pub async fn has_app_password(&self, id: i64) -> Result<bool, StoreError> {
        self.read(move |db| {
            db.prepare_cached("SELECT 1 FROM app_passwords WHERE id = ?1")
                .and_then(|mut ask| ask.exists([id]))
                .map_err(|error| classify(&error))
        })
        .await
    }

    /// Keeps on which day an app password was used.
    pub async fn use_app_password(&self, id: i64, day: i64) -> Result<bool, StoreError> {
        self.change(UnixTime(0), None, move |db| {
            db.execute("UPDATE app_passwords SET used_on = ?2 WHERE id = ?1", params![id, day])
        })
        .await
    }

    /// What is kept under `name` from the first time on; `fresh` if nothing was. The same in every process of this store.
    pub async fn keep_once(&self, name: &'static str, fresh: String) -> Result<String, StoreError> {
        self.write(move |db| {
            db.execute("INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING", params![name, fresh])
                .and_then(|_| db.query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0)))
                .map_err(|error| classify(&error))
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

const SELECT: &str =
    "SELECT login, owns, names, language, attributes, password, scram, password_at, app_passwords_only, disabled,
                             created_at, created_because, disabled_at, disabled_because, changed_at, serial
                      FROM accounts";

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
        attributes: serde_json::from_str(&text(4)?).map_err(|_| unreadable())?,
        password: text(5)?,
        scram: row.get(6).map_err(sql)?,
        password_at: UnixTime(row.get(7).map_err(sql)?),
        app_passwords_only: row.get(8).map_err(sql)?,
        disabled: row.get(9).map_err(sql)?,
        created_at: UnixTime(row.get(10).map_err(sql)?),
        created_because: text(11)?,
        disabled_at: row.get::<_, Option<i64>>(12).map_err(sql)?.map(UnixTime),
        disabled_because: text(13)?,
        changed_at: UnixTime(row.get(14).map_err(sql)?),
        serial: row.get(15).map_err(sql)?,
    })
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| unreadable())
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
