//! Turns attempts to log in into counts and comparisons: each is counted first, and costs the same whoever it is for.

use super::{Admitted, DAY, HOUSE, Inner, LoginRefused, app_password, lock, password};
use crate::mail::Address;
use crate::store::{AccountRow, Derived};
use aws_lc_rs::hmac;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

/// Right passwords remembered at once; beyond that they are hashed again.
const REMEMBERED: usize = 10_000;

/// HMAC-SHA-256 over login, password and the stored hash: a changed password is another digest.
pub(super) type Digest = [u8; 32];

/// The outcome of one attempt, for all who make it at the same time.
pub(super) type Shared = Arc<OnceCell<Result<(), LoginRefused>>>;

/// An attempt that is counted as wrong until it turns out otherwise: else a thousand at once would all be let through to the comparison.
pub(super) struct Counted<'a> {
    inner: &'a Inner,
    name: String,
    peer: IpAddr,
    /// After this one the account has to wait, for the first time in this series.
    locks: bool,
}

impl Counted<'_> {
    pub fn right(self) {
        lock(&self.inner.throttle).forgive(&self.name, self.peer);
    }

    /// Our trouble, not a guess.
    pub fn not_made(self) {
        lock(&self.inner.throttle).give_back(&self.name, self.peer);
    }

    /// `about`: whose account it is, as far as that is an address.
    pub async fn wrong(self, about: Option<&Address>) -> LoginRefused {
        if let Some(login) = about.filter(|_| self.locks) {
            tracing::warn!(%login, from = %self.peer, "too many wrong passwords: further ones have to wait");
            let about = [("login", login.to_string()), ("from", self.peer.to_string())];
            // The refusal stands whether or not it can be written down.
            let _ = self.inner.store.record(self.inner.clock.now(), self.inner.line("login-locked", &about)).await;
        }
        LoginRefused::Wrong
    }
}

impl Inner {
    pub(super) fn count(&self, name: &str, peer: IpAddr) -> Result<Counted<'_>, LoginRefused> {
        let locks = lock(&self.throttle).admit(name, peer, Instant::now()).ok_or(LoginRefused::Throttled)?;
        Ok(Counted { inner: self, name: name.to_owned(), peer, locks })
    }

    /// Lets the owner of an account of the store in, or not; without `row`, does the same work for nobody.
    pub(super) async fn by_password(
        &self,
        login: &str,
        name: &str,
        row: Option<AccountRow>,
        given: &[u8],
        peer: IpAddr,
        counted: Option<Counted<'_>>,
    ) -> Result<Admitted, LoginRefused> {
        let row = row.filter(|row| !row.disabled);
        // Looked for whether there is such an account or not.
        if let Ok(address) = Address::parse(login)
            && let Some(mark) = app_password::mark(&address, given)
            && let Some(id) = self.app_password(mark).await?
            && let Some(row) = &row
        {
            // Its owner is not kept out by who guesses at the main password.
            return self.admit(row.clone(), Some(id));
        }
        // Its main password is compared like any other, and is no use.
        let is_usable = row.as_ref().is_some_and(|row| !row.app_passwords_only);
        let stored = row.as_ref().map_or("", |row| row.password.as_str());
        let given = password::prepare(given);
        let digest = self.digest(login, &given, stored);
        match counted {
            Some(counted) => self.attempt(counted, row.as_ref(), is_usable, &given).await?,
            None if is_usable && self.is_remembered(&digest) => {}
            None => {
                let trying = Trying::join(self, digest);
                let attempt = async || {
                    let counted = self.count(name, peer)?;
                    self.attempt(counted, row.as_ref(), is_usable, &given).await
                };
                (*trying.cell.get_or_init(attempt).await)?;
                self.remember(digest);
            }
        }
        self.admit(row.ok_or(LoginRefused::Wrong)?, None)
    }

    /// One counted, hashed attempt.
    async fn attempt(
        &self,
        counted: Counted<'_>,
        row: Option<&AccountRow>,
        is_usable: bool,
        given: &Zeroizing<Vec<u8>>,
    ) -> Result<(), LoginRefused> {
        match (self.compare(row.map(|row| row.password.clone()), given.clone()).await, row) {
            (Ok(true), Some(row)) if is_usable => {
                counted.right();
                self.strengthen(row, given).await;
                Ok(())
            }
            (Ok(_), row) => Err(counted.wrong(row.map(|row| &row.login)).await),
            (Err(busy), _) => {
                counted.not_made();
                Err(busy)
            }
        }
    }

    /// The number of an app password that there is. On which day it was used is kept.
    async fn app_password(&self, mark: [u8; 32]) -> Result<Option<i64>, LoginRefused> {
        let found = self.store.find_app_password(mark).await.map_err(|why| self.cannot_ask(HOUSE, &why.to_string()))?;
        let Some((id, used_on)) = found else { return Ok(None) };
        let today = self.clock.now().0.div_euclid(DAY);
        if used_on != Some(today) {
            // Of no weight for whether it is right.
            let _ = self.store.use_app_password(id, today).await;
        }
        Ok(Some(id))
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

    /// A hash of other parameters than today's is replaced while the password is at hand, and what SCRAM needs is derived.
    async fn strengthen(&self, row: &AccountRow, password: &Zeroizing<Vec<u8>>) {
        let (cost, iterations) = (self.settings.cost(), self.settings.scram_iterations);
        let kept = row.scram.as_deref().and_then(super::Keys::read).map_or(0, |keys| keys.iterations);
        let (is_strong, has_keys) = (password::has_cost(&row.password, cost), kept == iterations);
        // A password that SASLprep does not take has none each time: an attempt that costs a table look-up.
        if is_strong && has_keys {
            return;
        }
        let (password, old) = (password.clone(), row.clone());
        let deriving = tokio::task::spawn_blocking(move || {
            let hash = if is_strong { Some(old.password) } else { password::hash(&password, cost) };
            let scram = if has_keys { old.scram } else { password::scram(&password, iterations) };
            hash.map(|password| Derived { password, scram })
        });
        if let Ok(Some(derived)) = deriving.await
            && (derived.password != row.password || derived.scram != row.scram)
        {
            // If this fails the old hash is as good as it was.
            let _ = self.store.set_derived(&row.login, row.password.clone(), derived).await;
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
