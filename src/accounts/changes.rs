//! Turns an operator's wishes about accounts into rows and audit lines.

use super::{Accounts, Inner, Weak, app_password, password, policy};
use crate::mail::{AccountKind, Address, Attributes, Language, UnixTime};
use crate::store::{AccountRow, AddedAccount, AppPasswordRow, AuditLine, Derived, StoreError};
use zeroize::Zeroizing;

/// Octets of a password; longer ones are wrong (RFC 4616 sets no limit, a hash must have one).
pub(super) const PASSWORD_OCTETS: usize = 1024;
/// Characters of a reason, of a name, of a group.
const WORDS: usize = 200;
/// Addresses, names, groups of one account.
const ENTRIES: usize = 500;
/// App passwords of one account.
const APP_PASSWORDS: usize = 50;

/// An account to be made. The login is among what it owns, whether listed or not.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub login: Address,
    pub owns: Vec<Address>,
    pub names: Vec<String>,
    pub language: Language,
    pub attributes: Attributes,
    /// Its main password is not taken from mail clients.
    pub app_passwords_only: bool,
    /// Why it is made; may be empty.
    pub because: String,
}

/// What is to be different about an account. What is absent or empty stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    pub add_owns: Vec<Address>,
    pub remove_owns: Vec<Address>,
    pub add_names: Vec<String>,
    pub remove_names: Vec<String>,
    pub add_private: Vec<Address>,
    pub remove_private: Vec<Address>,
    pub add_groups: Vec<String>,
    pub remove_groups: Vec<String>,
    pub language: Option<Language>,
    pub kind: Option<AccountKind>,
    pub app_passwords_only: Option<bool>,
}

/// What an operator sees of an account.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Listed {
    pub login: Address,
    pub owns: Vec<Address>,
    pub names: Vec<String>,
    pub language: Language,
    pub attributes: Attributes,
    pub app_passwords_only: bool,
    pub disabled: bool,
    pub disabled_at: Option<UnixTime>,
    pub disabled_because: String,
    pub created_at: UnixTime,
    pub created_because: String,
    pub changed_at: UnixTime,
    pub password_at: UnixTime,
    /// When the main password lets nobody in any more.
    pub password_ends: Option<UnixTime>,
    /// That is past, or within `warn_days`.
    pub renew: bool,
    /// SCRAM-SHA-256 can prove the main password.
    pub scram: bool,
}

/// What an operator sees of an app password.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AppPassword {
    pub name: String,
    pub created_at: UnixTime,
    /// The day, at midnight UTC.
    pub used_on: Option<UnixTime>,
}

/// Why an account was not made or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotChange {
    #[error("an account with this login exists; to change its password: postern user passwd")]
    Exists,
    #[error("there is no account with this login; postern user list shows them")]
    Unknown,
    #[error("the password is empty, longer than 1024 octets, not UTF-8, or has control characters")]
    Password,
    #[error("{0}")]
    Weak(Weak),
    #[error("this is the password it has; write another")]
    Same,
    #[error("the password could not be hashed: [accounts] memory_kib, passes and lanes are not those of argon2id")]
    Hash,
    #[error("{0}")]
    Words(&'static str),
    #[error("the login's own address cannot be taken away; to close the account: postern user disable")]
    OwnAddress,
    #[error("an app password of this name exists; write another name, or revoke it first")]
    AppPasswordExists,
    #[error("there is no app password of this name; postern user app-password list shows them")]
    AppPasswordUnknown,
    #[error("somebody else changed this account just now; look at it and try again")]
    Overtaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Makes an account. `by` stands in the audit: an operator's name, or `command line`.
    pub async fn add(&self, mut new: NewAccount, password: &[u8], by: &str) -> Result<(), CannotChange> {
        let mut owns = vec![new.login.clone()];
        owns.extend(new.owns.into_iter().filter(|address| *address != new.login));
        new.attributes.groups = new.attributes.groups.iter().map(|group| group.to_lowercase()).collect();
        check_words([&new.because].into_iter().chain(&new.names).chain(&new.attributes.groups))?;
        let derived = self.derive(password, &owns, &new.names).await?;
        let now = self.0.clock.now();
        let mut about = vec![("login", new.login.to_string()), ("by", by.to_owned())];
        about.extend((!new.because.is_empty()).then(|| ("because", new.because.clone())));
        let line = self.0.line("account-added", &about);
        let row = AccountRow {
            login: new.login,
            owns,
            names: new.names,
            language: new.language,
            attributes: new.attributes,
            password: derived.password,
            scram: derived.scram,
            password_at: now,
            app_passwords_only: new.app_passwords_only,
            disabled: false,
            created_at: now,
            created_because: new.because,
            disabled_at: None,
            disabled_because: String::new(),
            changed_at: now,
            serial: 0,
        };
        match self.0.store.add_account(row, line).await? {
            AddedAccount::Added => Ok(()),
            AddedAccount::Exists => Err(CannotChange::Exists),
        }
    }

    /// Gives an account another password; the old one is worth nothing from then on, and sessions that it opened end.
    pub async fn passwd(&self, login: &Address, password: &[u8], by: &str) -> Result<(), CannotChange> {
        let row = self.found(login).await?;
        let derived = self.derive(password, &row.owns, &row.names).await?;
        let (given, stored) = (password::prepare(password), row.password);
        let is_same = tokio::task::spawn_blocking(move || password::matches(&given, &stored)).await;
        // Renewing a password means another one.
        if is_same.unwrap_or(false) {
            return Err(CannotChange::Same);
        }
        let line = self.line("account-password-changed", login, by);
        let known = self.0.store.set_password(login, derived, self.0.clock.now(), line).await?;
        if known { Ok(()) } else { Err(CannotChange::Unknown) }
    }

    /// Closes an account at once, or opens it again. `because` may be empty.
    pub async fn disable(&self, login: &Address, disabled: bool, because: &str, by: &str) -> Result<(), CannotChange> {
        check_words([because])?;
        let event = if disabled { "account-disabled" } else { "account-enabled" };
        let mut about = vec![("login", login.to_string()), ("by", by.to_owned())];
        about.extend((!because.is_empty()).then(|| ("because", because.to_owned())));
        let line = self.0.line(event, &about);
        let known = self.0.store.set_disabled(login, disabled, because, self.0.clock.now(), line).await?;
        if known { Ok(()) } else { Err(CannotChange::Unknown) }
    }

    /// Changes addresses, names, language, attributes; open sessions of the account have to log in again.
    pub async fn change(&self, login: &Address, change: Change, by: &str) -> Result<(), CannotChange> {
        if change.remove_owns.contains(login) {
            return Err(CannotChange::OwnAddress);
        }
        let mut row = self.found(login).await?;
        edit(&mut row.owns, change.add_owns, &change.remove_owns);
        edit(&mut row.names, change.add_names, &change.remove_names);
        edit(&mut row.attributes.private, change.add_private, &change.remove_private);
        row.attributes.groups.extend(change.add_groups.iter().map(|group| group.to_lowercase()));
        for group in &change.remove_groups {
            row.attributes.groups.remove(&group.to_lowercase());
        }
        row.language = change.language.unwrap_or(row.language);
        row.attributes.kind = change.kind.unwrap_or(row.attributes.kind);
        row.app_passwords_only = change.app_passwords_only.unwrap_or(row.app_passwords_only);
        check_words(row.names.iter().chain(&row.attributes.groups))?;
        let counts = [row.owns.len(), row.names.len(), row.attributes.private.len(), row.attributes.groups.len()];
        if counts.iter().any(|count| *count > ENTRIES) {
            return Err(CannotChange::Words("an account has at most 500 addresses, names, private mailboxes and groups each"));
        }
        let written = self.0.store.set_account(row, self.0.clock.now(), self.line("account-changed", login, by)).await?;
        if written { Ok(()) } else { Err(CannotChange::Overtaken) }
    }

    /// All accounts, by login.
    pub async fn list(&self) -> Result<Vec<Listed>, StoreError> {
        Ok(self.0.store.list_accounts().await?.into_iter().map(|row| self.0.listed(row)).collect())
    }

    /// One account with its app passwords.
    pub async fn show(&self, login: &Address) -> Result<(Listed, Vec<AppPassword>), CannotChange> {
        let row = self.found(login).await?;
        Ok((self.0.listed(row), self.app_passwords(login).await?))
    }

    /// Makes an app password; it is nowhere but in the answer.
    pub async fn add_app_password(&self, login: &Address, name: &str, by: &str) -> Result<Zeroizing<String>, CannotChange> {
        if name.trim().is_empty() {
            return Err(CannotChange::Words("an app password has a name; write which program it is for, like \"scanner\""));
        }
        check_words([name])?;
        let row = self.found(login).await?;
        if self.0.store.list_app_passwords(login).await?.len() >= APP_PASSWORDS {
            return Err(CannotChange::Words("an account has at most 50 app passwords; revoke those that are not used"));
        }
        let password = app_password::generate().ok_or(CannotChange::Hash)?;
        let mark = app_password::mark(&row.login, password.as_bytes()).ok_or(CannotChange::Hash)?;
        let line = self.app_password_line("app-password-added", login, name, by);
        match self.0.store.add_app_password(login, name, mark, self.0.clock.now(), line).await? {
            AddedAccount::Added => Ok(password),
            AddedAccount::Exists => Err(CannotChange::AppPasswordExists),
        }
    }

    /// Ends an app password and the sessions that it opened.
    pub async fn revoke_app_password(&self, login: &Address, name: &str, by: &str) -> Result<(), CannotChange> {
        self.found(login).await?;
        let line = self.app_password_line("app-password-revoked", login, name, by);
        let known = self.0.store.revoke_app_password(login, name, self.0.clock.now(), line).await?;
        if known { Ok(()) } else { Err(CannotChange::AppPasswordUnknown) }
    }

    /// The app passwords of an account, by name.
    pub async fn app_passwords(&self, login: &Address) -> Result<Vec<AppPassword>, CannotChange> {
        self.found(login).await?;
        let seen = |row: AppPasswordRow| AppPassword {
            name: row.name,
            created_at: row.created_at,
            used_on: row.used_on.map(|day| UnixTime(day.saturating_mul(super::DAY))),
        };
        Ok(self.0.store.list_app_passwords(login).await?.into_iter().map(seen).collect())
    }

    async fn found(&self, login: &Address) -> Result<AccountRow, CannotChange> {
        self.0.store.find_account(login).await?.ok_or(CannotChange::Unknown)
    }

    async fn derive(&self, password: &[u8], owns: &[Address], names: &[String]) -> Result<Derived, CannotChange> {
        let prepared = password::prepare(password);
        let text = std::str::from_utf8(&prepared).map_err(|_| CannotChange::Password)?;
        if text.is_empty() || password.len() > PASSWORD_OCTETS || text.chars().any(char::is_control) {
            return Err(CannotChange::Password);
        }
        let owned: Vec<String> = owns.iter().map(Address::to_string).collect();
        let about = owned.iter().chain(names).map(String::as_str);
        policy::judge(text, about, &self.0.settings.password).map_err(CannotChange::Weak)?;
        let (cost, iterations) = (self.0.settings.cost(), self.0.settings.scram_iterations);
        let deriving = tokio::task::spawn_blocking(move || {
            let scram = password::scram(&prepared, iterations);
            password::hash(&prepared, cost).map(|password| Derived { password, scram })
        });
        deriving.await.ok().flatten().ok_or(CannotChange::Hash)
    }

    fn line(&self, event: &str, login: &Address, by: &str) -> AuditLine {
        self.0.line(event, &[("login", login.to_string()), ("by", by.to_owned())])
    }

    fn app_password_line(&self, event: &str, login: &Address, name: &str, by: &str) -> AuditLine {
        self.0.line(event, &[("login", login.to_string()), ("name", name.to_owned()), ("by", by.to_owned())])
    }
}

impl Inner {
    fn listed(&self, row: AccountRow) -> Listed {
        let password_ends = self.expires_at(&row);
        let warned_from = self.clock.now().plus(i64::from(self.settings.password.warn_days) * super::DAY);
        Listed {
            login: row.login,
            owns: row.owns,
            names: row.names,
            language: row.language,
            attributes: row.attributes,
            app_passwords_only: row.app_passwords_only,
            disabled: row.disabled,
            disabled_at: row.disabled_at,
            disabled_because: row.disabled_because,
            created_at: row.created_at,
            created_because: row.created_because,
            changed_at: row.changed_at,
            password_at: row.password_at,
            password_ends,
            renew: password_ends.is_some_and(|end| end <= warned_from),
            scram: row.scram.is_some(),
        }
    }
}

fn edit<T: PartialEq>(list: &mut Vec<T>, add: Vec<T>, remove: &[T]) {
    list.retain(|entry| !remove.contains(entry));
    for entry in add {
        if !list.contains(&entry) {
            list.push(entry);
        }
    }
}

/// They stand in lists and in the audit.
fn check_words(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), CannotChange> {
    let is_fit = |text: &str| text.chars().count() <= WORDS && !text.chars().any(char::is_control);
    match texts.into_iter().all(|text| is_fit(text.as_ref())) {
        true => Ok(()),
        false => Err(CannotChange::Words("names, groups and reasons are at most 200 characters, on one line")),
    }
}
