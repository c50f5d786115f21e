//! Turns a login and a password into an identity, at a cost that cannot be used against us.
//!
//! Three things bound the cost: a password is hashed only while fewer than a few others are; an attempt is counted against its
//! account and network before it is hashed; and a password that was right stays known for a few minutes, as a keyed digest in this
//! process only, so that a client that reconnects for each message costs nothing. Equal attempts at the same time are one.

pub mod elsewhere;
pub mod judge;
mod password;
#[cfg(test)]
mod tests;
mod throttle;

use crate::mail::{Address, Attributes, Identity, Language, UnixTime};
use crate::store::{AccountRow, AddedAccount, AuditLine, Store, StoreError};
use crate::world::Clock;
use aws_lc_rs::hmac;
use password::Cost;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use throttle::Throttle;
use tokio::sync::{OnceCell, Semaphore};
use zeroize::Zeroizing;

/// Right passwords remembered at once; beyond that they are hashed again.
const REMEMBERED: usize = 10_000;
/// Octets of a password; longer ones are wrong (RFC 4616 sets no limit, a hash must have one).
const PASSWORD_OCTETS: usize = 1024;

/// `[accounts]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Memory of one argon2id hash, in KiB (OWASP: 19456 with two passes).
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
    /// Passwords hashed at the same time; absent: half of the processors.
    pub hashing_at_once: Option<usize>,
    /// Attempts that may wait for their hash; further ones are told to come back (454 4.7.0).
    pub waiting: usize,
    /// Seconds for which a right password is not hashed again. 0: never remembered.
    pub remember_seconds: u64,
    /// Wrong passwords of one account from one network before it has to wait, 30 seconds at first, then twice as long each time.
    pub tries_per_account_and_network: u32,
    /// The same for all accounts tried from one network (an IPv4 address, an IPv6 /64).
    pub tries_per_network: u32,
    /// The same for one account from everywhere.
    pub tries_per_account: u32,
    /// Who else knows logins.
    pub ldap: Vec<elsewhere::LdapLogin>,
    pub mail_server: Vec<elsewhere::MailServerLogin>,
    pub oauth: Vec<elsewhere::OauthLogin>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
            hashing_at_once: None,
            waiting: 128,
            remember_seconds: 300,
            tries_per_account_and_network: 5,
            tries_per_network: 20,
            tries_per_account: 100,
            ldap: Vec::new(),
            mail_server: Vec::new(),
            oauth: Vec::new(),
        }
    }
}

impl Settings {
    /// What is wrong with these settings, in words that say what to write instead.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.cost().params().is_none() {
            return Err(
                "[accounts] argon2id needs passes and lanes of 1 or more and memory_kib of 8 per lane or more, e.g. 19456, 2, 1",
            );
        }
        if self.hashing_at_once == Some(0) {
            return Err("[accounts] hashing_at_once must be 1 or more, or be left out");
        }
        if self.tries_per_account_and_network == 0 || self.tries_per_network == 0 || self.tries_per_account == 0 {
            return Err("[accounts] tries_per_… must be 1 or more");
        }
        Ok(())
    }

    /// Paths as they stand in the file, from the folder of the file.
    pub fn resolve(&mut self, from: &std::path::Path) {
        self.ldap.iter_mut().for_each(|one| one.resolve(from));
        self.mail_server.iter_mut().for_each(|one| one.resolve(from));
        self.oauth.iter_mut().for_each(|one| one.resolve(from));
    }

    fn cost(&self) -> Cost {
        Cost { memory_kib: self.memory_kib, passes: self.passes, lanes: self.lanes }
    }
}

/// Who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub login: Address,
    /// All addresses it may send from, the login among them.
    pub owns: Vec<Address>,
    pub names: Vec<String>,
    pub language: Language,
    pub attributes: Attributes,
}

/// An account to be made. The login is among what it owns, whether listed or not.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub login: Address,
    pub owns: Vec<Address>,
    pub names: Vec<String>,
    pub language: Language,
}

/// What an operator sees of an account.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Listed {
    pub login: Address,
    pub owns: Vec<Address>,
    pub names: Vec<String>,
    pub language: Language,
    pub disabled: bool,
    pub created_at: UnixTime,
    pub changed_at: UnixTime,
}

/// Why somebody was not let in. An unknown or disabled account is `Wrong` like any other, in words and in work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefused {
    /// 535 5.7.8. The client's.
    #[error("login or password is wrong")]
    Wrong,
    /// 454 4.7.0. Too many wrong ones from there; nothing was compared.
    #[error("too many wrong passwords; try again later")]
    Throttled,
    /// 454 4.7.0. More log-ins at once than there is work for.
    #[error("too many log-ins at once; try again")]
    Busy,
    /// 454 4.7.0. The store could not be asked.
    #[error("accounts cannot be read just now")]
    Unavailable,
}

/// Why an account was not made or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotChange {
    #[error("an account with this login exists; to change its password: postern user passwd")]
    Exists,
    #[error("there is no account with this login; postern user list shows them")]
    Unknown,
    #[error("the password is empty, longer than 1024 octets, or has control characters")]
    Password,
    #[error("the password could not be hashed: [accounts] memory_kib, passes and lanes are not those of argon2id")]
    Hash,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The accounts of a store. Cheap to clone; clones share the throttles, so there is one per gate.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    store: Store,
    settings: Settings,
    clock: Clock,
    hashing: Semaphore,
    /// Who hashes or waits for it.
    inside: Semaphore,
    throttle: Mutex<Throttle>,
    /// Made anew in every process.
    key: hmac::Key,
    /// Digests of log-ins that were right, and until when they need no hash.
    remembered: Mutex<HashMap<Digest, Instant>>,
    trying: Mutex<HashMap<Digest, Shared>>,
    hashes: AtomicU64,
}

/// HMAC-SHA-256 over login, password and the stored hash: a changed password is another digest.
type Digest = [u8; 32];

/// The outcome of one attempt, for all who make it at the same time.
type Shared = Arc<OnceCell<Result<(), LoginRefused>>>;

impl Accounts {
    /// `settings` must have passed [`Settings::check`]; otherwise nobody is let in.
    pub fn new(store: Store, settings: Settings, clock: Clock) -> Result<Accounts, LoginRefused> {
        let mut secret = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *secret).map_err(|_| LoginRefused::Unavailable)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = settings.hashing_at_once.unwrap_or(processors / 2).max(1);
        Ok(Accounts(Arc::new(Inner {
            store,
            clock,
            hashing: Semaphore::new(at_once),
            inside: Semaphore::new(at_once.saturating_add(settings.waiting).min(Semaphore::MAX_PERMITS)),
            throttle: Mutex::new(Throttle::new(&settings)),
            key: hmac::Key::new(hmac::HMAC_SHA256, &*secret),
            remembered: Mutex::default(),
            trying: Mutex::default(),
            hashes: AtomicU64::new(0),
            settings,
        })))
    }

    /// Lets somebody in, or not. `login` is what the client sent; `peer` is where from.
    pub async fn log_in(&self, login: &str, password: &[u8], peer: IpAddr) -> Result<Account, LoginRefused> {
        let inner = &self.0;
        let address = Address::parse(login).ok();
        let row = match &address {
            Some(address) => inner.store.find_account(address).await.map_err(|_| LoginRefused::Unavailable)?,
            None => None,
        };
        let row = row.filter(|row| !row.disabled);
        let password = password::prepare(password);
        let stored = row.as_ref().map_or("", |row| row.password.as_str());
        // What is no address cannot be an account: all such log-ins from one network share one count.
        let name = address.as_ref().map_or_else(String::new, Address::key);
        let digest = inner.digest(login, &password, stored);
        if !inner.is_remembered(&digest) {
            let trying = Trying::join(inner, digest);
            (*trying.cell.get_or_init(|| inner.attempt(&name, row.as_ref(), &password, peer)).await)?;
            inner.remember(digest);
        }
        let row = row.ok_or(LoginRefused::Wrong)?;
        Ok(Account {
            login: row.login,
            owns: row.owns,
            names: row.names,
            language: row.language,
            attributes: Attributes::default(),
        })
    }

    /// Whether a session that logged in may go on: false as soon as the account is disabled or gone.
    pub async fn still_valid(&self, login: &Address) -> Result<bool, StoreError> {
        Ok(self.0.store.find_account(login).await?.is_some_and(|row| !row.disabled))
    }

    /// Makes an account. `by` stands in the audit: an operator's name, or `command line`.
    pub async fn add(&self, new: NewAccount, password: &[u8], by: &str) -> Result<(), CannotChange> {
        let hash = self.hash_new(password).await?;
        let now = self.0.clock.now();
        let mut owns = vec![new.login.clone()];
        owns.extend(new.owns.into_iter().filter(|address| *address != new.login));
        let row = AccountRow {
            login: new.login.clone(),
            owns,
            names: new.names,
            language: new.language,
            password: hash,
            disabled: false,
            created_at: now,
            changed_at: now,
        };
        match self.0.store.add_account(row, self.line("account-added", &new.login, by)).await? {
            AddedAccount::Added => Ok(()),
            AddedAccount::Exists => Err(CannotChange::Exists),
        }
    }

    /// Gives an account another password; the old one is worth nothing from then on.
    pub async fn passwd(&self, login: &Address, password: &[u8], by: &str) -> Result<(), CannotChange> {
        let hash = self.hash_new(password).await?;
        let line = self.line("account-password-changed", login, by);
        let known = self.0.store.set_password(login, hash, self.0.clock.now(), Some(line)).await?;
        if known { Ok(()) } else { Err(CannotChange::Unknown) }
    }

    /// Closes an account at once, or opens it again.
    pub async fn disable(&self, login: &Address, disabled: bool, by: &str) -> Result<(), CannotChange> {
        let event = if disabled { "account-disabled" } else { "account-enabled" };
        let line = self.line(event, login, by);
        let known = self.0.store.set_disabled(login, disabled, self.0.clock.now(), line).await?;
        if known { Ok(()) } else { Err(CannotChange::Unknown) }
    }

    /// All accounts, by login.
    pub async fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let listed = |row: AccountRow| Listed {
            login: row.login,
            owns: row.owns,
            names: row.names,
            language: row.language,
            disabled: row.disabled,
            created_at: row.created_at,
            changed_at: row.changed_at,
        };
        Ok(self.0.store.list_accounts().await?.into_iter().map(listed).collect())
    }

    /// Passwords hashed since the start.
    pub fn hashes(&self) -> u64 {
        self.0.hashes.load(Ordering::Relaxed)
    }

    async fn hash_new(&self, password: &[u8]) -> Result<String, CannotChange> {
        let is_control = |octet: &u8| octet.is_ascii_control();
        if password.is_empty() || password.len() > PASSWORD_OCTETS || password.iter().any(is_control) {
            return Err(CannotChange::Password);
        }
        let (password, cost) = (password::prepare(password), self.0.settings.cost());
        let hashing = tokio::task::spawn_blocking(move || password::hash(&password, cost));
        hashing.await.ok().flatten().ok_or(CannotChange::Hash)
    }

    fn line(&self, event: &str, login: &Address, by: &str) -> AuditLine {
        self.0.line(event, &[("login", login.to_string()), ("by", by.to_owned())])
    }
}

/// An attempt that equal ones may join while it lasts. Leaves the table when it ends, also by its client's hanging up.
struct Trying<'a> {
    inner: &'a Inner,
    digest: Digest,
    cell: Shared,
}

impl<'a> Trying<'a> {
    fn join(inner: &'a Inner, digest: Digest) -> Trying<'a> {
        let cell = lock(&inner.trying).entry(digest).or_default().clone();
        Trying { inner, digest, cell }
    }
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        lock(&self.inner.trying).remove(&self.digest);
    }
}

impl Inner {
    /// One counted, hashed attempt.
    async fn attempt(
        &self,
        name: &str,
        row: Option<&AccountRow>,
        password: &Zeroizing<Vec<u8>>,
        peer: IpAddr,
    ) -> Result<(), LoginRefused> {
        // Counted before it is known to be wrong: else a thousand at once would all be let through to the comparison.
        let locks = lock(&self.throttle).admit(name, peer, Instant::now()).ok_or(LoginRefused::Throttled)?;
        let matches = self.compare(row.map(|row| row.password.clone()), password.clone()).await;
        match matches {
            Ok(true) => {
                lock(&self.throttle).forgive(name, peer);
                if let Some(row) = row {
                    self.strengthen(row, password).await;
                }
                Ok(())
            }
            Ok(false) => {
                if locks && let Some(row) = row {
                    tracing::warn!(login = %row.login, from = %peer, "too many wrong passwords: further ones have to wait");
                    let about = [("login", row.login.to_string()), ("from", peer.to_string())];
                    // The refusal stands whether or not it can be written down.
                    let _ = self.store.record(self.clock.now(), self.line("login-locked", &about)).await;
                }
                Err(LoginRefused::Wrong)
            }
            Err(busy) => {
                lock(&self.throttle).give_back(name, peer);
                Err(busy)
            }
        }
    }

    /// The same work whether there is something to compare with or not.
    async fn compare(&self, stored: Option<String>, password: Zeroizing<Vec<u8>>) -> Result<bool, LoginRefused> {
        let _inside = self.inside.try_acquire().map_err(|_| LoginRefused::Busy)?;
        let _turn = self.hashing.acquire().await.map_err(|_| LoginRefused::Unavailable)?;
        self.hashes.fetch_add(1, Ordering::Relaxed);
        let cost = self.settings.cost();
        let comparing = tokio::task::spawn_blocking(move || match stored {
            Some(stored) => password::matches(&password, &stored),
            None => {
                password::hash(&password, cost);
                false
            }
        });
        comparing.await.map_err(|_| LoginRefused::Unavailable)
    }

    /// A hash of other parameters than today's is replaced while the password is at hand.
    async fn strengthen(&self, row: &AccountRow, password: &Zeroizing<Vec<u8>>) {
        let cost = self.settings.cost();
        if password::has_cost(&row.password, cost) {
            return;
        }
        let password = password.clone();
        let hashed = tokio::task::spawn_blocking(move || password::hash(&password, cost)).await;
        if let Ok(Some(hash)) = hashed {
            // If this fails the old hash is as good as it was.
            let _ = self.store.set_password(&row.login, hash, row.changed_at, None).await;
        }
    }

    fn digest(&self, login: &str, password: &[u8], stored: &str) -> Digest {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [login.as_bytes(), password, stored.as_bytes()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }

    fn is_remembered(&self, digest: &Digest) -> bool {
        lock(&self.remembered).get(digest).is_some_and(|until| Instant::now() < *until)
    }

    fn remember(&self, digest: Digest) {
        if self.settings.remember_seconds == 0 {
            return;
        }
        let now = Instant::now();
        let mut remembered = lock(&self.remembered);
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, until| now < *until);
        }
        if remembered.len() < REMEMBERED {
            remembered.entry(digest).or_insert(now + Duration::from_secs(self.settings.remember_seconds));
        }
    }

    fn line(&self, event: &str, about: &[(&str, String)]) -> AuditLine {
        let mut line = serde_json::Map::new();
        line.insert("event".into(), event.into());
        line.insert("at".into(), self.clock.now().rfc3339().into());
        for (name, value) in about {
            line.insert((*name).into(), value.as_str().into());
        }
        AuditLine(line)
    }
}

impl Account {
    pub fn identity(&self) -> Identity {
        Identity::Account {
            login: self.login.clone(),
            owns: self.owns.clone(),
            names: self.names.clone(),
            attributes: self.attributes.clone(),
        }
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
