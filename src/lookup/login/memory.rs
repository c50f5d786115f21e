//! Who was let in, and until when that is believed without asking again.

use crate::accounts::Account;
use crate::mail::Address;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Remembered at once; beyond that the one that ends first is forgotten.
const MOST: usize = 10_000;

/// By login; `T` is what a judge needs to ask again.
pub(super) struct Memory<T>(Mutex<HashMap<Address, Remembered<T>>>);

#[derive(Clone)]
pub(super) struct Remembered<T> {
    pub account: Account,
    pub fresh_until: Instant,
    pub more: T,
}

impl<T: Clone> Memory<T> {
    pub fn new() -> Memory<T> {
        Memory(Mutex::default())
    }

    pub fn keep(&self, account: &Account, fresh: Duration, more: T) {
        let mut known = self.lock();
        if known.len() >= MOST && !known.contains_key(&account.login) {
            let oldest = known.iter().min_by_key(|(_, one)| one.fresh_until).map(|(login, _)| login.clone());
            oldest.map(|login| known.remove(&login));
        }
        let remembered = Remembered { account: account.clone(), fresh_until: Instant::now() + fresh, more };
        known.insert(account.login.clone(), remembered);
    }

    pub fn of(&self, login: &Address) -> Option<Remembered<T>> {
        self.lock().get(login).cloned()
    }

    pub fn forget(&self, login: &Address) {
        self.lock().remove(login);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Remembered<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Remembered<T> {
    pub fn is_fresh(&self) -> bool {
        Instant::now() < self.fresh_until
    }
}
