//! Turns a connection into a place at a listener, and a message that comes in into a share of memory, while there are any.

use crate::world::network::Network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// The octets of all messages that are coming in or are being decided, at all listeners: a thousand sessions with 50 MB each
/// would be more than the machine has.
#[derive(Clone, Debug)]
pub struct Memory {
    max: u64,
    used: Arc<AtomicU64>,
}

/// One message's octets; given back when dropped.
#[derive(Debug)]
pub struct Share {
    memory: Memory,
    octets: u64,
}

impl Memory {
    pub fn new(max: u64) -> Memory {
        Memory { max, used: Arc::default() }
    }

    /// No message is begun any more; those that have begun have the last quarter to end in.
    pub fn is_scarce(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.max / 4 * 3
    }

    pub fn share(&self) -> Share {
        Share { memory: self.clone(), octets: 0 }
    }
}

impl Share {
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether there was still room.
    pub fn grow(&mut self, octets: u64) -> bool {
        self.octets += octets;
        self.memory.used.fetch_add(octets, Ordering::Relaxed) + octets <= self.memory.max
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.octets, Ordering::Relaxed);
    }
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
    fn memory_is_shared_and_comes_back() {
        let memory = Memory::new(100);
        let (mut a, mut b) = (memory.share(), memory.share());
        assert!(a.grow(74) && !memory.is_scarce());
        assert!(b.grow(26) && memory.is_scarce());
        assert!(!b.grow(1), "101 of 100");
        drop(b);
        assert!(a.grow(26));
        drop(a);
        assert!(!memory.is_scarce() && memory.share().grow(100));
    }

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
