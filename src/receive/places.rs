//! Turns a connection into a place at a listener, while there is one.

use super::network::Network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sessions of one listener, counted in all and for each client network.
#[derive(Clone, Debug)]
pub struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max: usize,
    max_per_network: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_network: HashMap<Network, usize>,
}

/// One session's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    network: Network,
}

impl Places {
    pub fn new(max: usize, max_per_network: usize) -> Places {
        Places(Arc::new(Shared { max, max_per_network, taken: Mutex::default() }))
    }

    /// `None` when all are taken, by everybody or by this client's network.
    pub fn take(&self, peer: IpAddr) -> Option<Place> {
        let network = Network::of_client(peer);
        let mut taken = self.taken();
        if taken.all >= self.0.max || taken.by_network.get(&network).is_some_and(|&count| count >= self.0.max_per_network) {
            return None;
        }
        taken.all += 1;
        *taken.by_network.entry(network).or_default() += 1;
        Some(Place { places: self.clone(), network })
    }

    /// Three of four are taken: clients that have not said who they are get less time.
    pub fn are_scarce(&self) -> bool {
        self.taken().all * 4 >= self.0.max * 3
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.by_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.by_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_in_all_and_for_each_network_and_come_back() {
        let places = Places::new(3, 2);
        let take = |text: &str| places.take(text.parse().unwrap());
        let (a, b) = (take("192.0.2.1").unwrap(), take("192.0.2.1").unwrap());
        assert!(take("192.0.2.1").is_none(), "this network has its two");
        assert!(!places.are_scarce());
        let c = take("192.0.2.2").unwrap();
        assert!(places.are_scarce());
        assert!(take("192.0.2.3").is_none(), "all three are taken");
        drop(a);
        assert!(take("192.0.2.1").is_some());
        drop((b, c));
        assert!(places.taken().by_network.is_empty(), "nothing is remembered of who is gone");
    }
}
