//! Keeps what sources said of addresses for as long as it may be believed, and knows which addresses are being asked for just now.

use super::judge::Judged;
use super::source::Source;
use crate::mail::{Address, UnixTime};
use std::collections::{BTreeMap, HashMap};
use tokio::sync::watch;

/// What one source said, judged.
#[derive(Clone)]
pub enum Verdict {
    /// Its keys, usable or not; none is absence.
    Keys(Vec<Judged>, Vec<crate::protect::WhyNot>),
    Failed(String),
}

/// With the times between which it counts.
#[derive(Clone)]
pub struct Kept {
    pub verdict: Verdict,
    /// From then on it is asked for again, while this still counts.
    pub refresh: UnixTime,
    /// From then on it counts no more.
    pub until: UnixTime,
}

/// What is known of each address, and who is being asked for.
#[derive(Default)]
pub struct Cache {
    entries: HashMap<Address, BTreeMap<Source, Kept>>,
    /// Ends (by being dropped) when the look-up of the address has ended.
    flights: HashMap<Address, watch::Receiver<()>>,
}

/// Addresses that are kept; the one that ends first makes room.
const MOST_ADDRESSES: usize = 4096;

impl Cache {
    /// What a source said, while it counts.
    pub fn get(&self, address: &Address, source: Source, at: UnixTime) -> Option<&Kept> {
        self.entries.get(address)?.get(&source).filter(|kept| at < kept.until)
    }

    /// A failure does not put out what still counts: a key that was found is good until its time, whether or not its server is up.
    pub fn put(&mut self, address: &Address, source: Source, kept: Kept, at: UnixTime) {
        let fails = matches!(kept.verdict, Verdict::Failed(_));
        if fails && self.get(address, source, at).is_some_and(|old| !matches!(old.verdict, Verdict::Failed(_))) {
            if let Some(old) = self.entries.get_mut(address).and_then(|sources| sources.get_mut(&source)) {
                old.refresh = kept.until;
            }
            return;
        }
        if !self.entries.contains_key(address) && self.entries.len() >= MOST_ADDRESSES {
            let end = |sources: &BTreeMap<Source, Kept>| sources.values().map(|kept| kept.until).max();
            let first = self.entries.iter().min_by_key(|(_, sources)| end(sources)).map(|(address, _)| address.clone());
            first.and_then(|address| self.entries.remove(&address));
        }
        self.entries.entry(address.clone()).or_default().insert(source, kept);
    }

    /// What was said counts no more; look-ups under way go on.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The look-up of this address that is under way, if there is one.
    pub fn flight(&self, address: &Address) -> Option<watch::Receiver<()>> {
        self.flights.get(address).cloned()
    }

    /// Marks a look-up as begun; the sender is dropped at its end. `None`: one is under way.
    pub fn depart(&mut self, address: &Address) -> Option<watch::Sender<()>> {
        if self.flights.contains_key(address) {
            return None;
        }
        let (sender, receiver) = watch::channel(());
        self.flights.insert(address.clone(), receiver);
        Some(sender)
    }

    pub fn land(&mut self, address: &Address) {
        self.flights.remove(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(verdict: Verdict, until: i64) -> Kept {
        Kept { verdict, refresh: UnixTime(until - 1), until: UnixTime(until) }
    }

    #[test]
    fn what_ended_counts_no_more_and_a_failure_puts_nothing_out() {
        let (mut cache, bob) = (Cache::default(), Address::parse("bob@example.org").unwrap());
        let nothing = || Verdict::Keys(Vec::new(), Vec::new());
        let failed = || Verdict::Failed("x".into());
        let fails = |cache: &Cache, at: i64| {
            cache.get(&bob, Source::Wkd, UnixTime(at)).map(|kept| matches!(kept.verdict, Verdict::Failed(_)))
        };
        cache.put(&bob, Source::Wkd, kept(failed(), 10), UnixTime(0));
        assert_eq!((fails(&cache, 9), fails(&cache, 10)), (Some(true), None));
        cache.put(&bob, Source::Wkd, kept(nothing(), 20), UnixTime(5));
        assert_eq!(fails(&cache, 19), Some(false));
        cache.put(&bob, Source::Wkd, kept(failed(), 30), UnixTime(19));
        assert_eq!((fails(&cache, 19), fails(&cache, 20)), (Some(false), None));
        cache.put(&bob, Source::Wkd, kept(failed(), 40), UnixTime(20));
        assert_eq!(fails(&cache, 21), Some(true));
        assert!(cache.get(&bob, Source::Dns, UnixTime(0)).is_none());
    }

    #[test]
    fn no_more_addresses_are_kept_than_there_is_room_for() {
        let mut cache = Cache::default();
        for number in 0..MOST_ADDRESSES + 10 {
            let address = Address::parse(&format!("a{number}@example.org")).unwrap();
            cache.put(&address, Source::Wkd, kept(Verdict::Failed("x".into()), 1000 + number as i64), UnixTime(0));
        }
        assert_eq!(cache.entries.len(), MOST_ADDRESSES);
        assert!(cache.get(&Address::parse("a9@example.org").unwrap(), Source::Wkd, UnixTime(0)).is_none());
        assert!(cache.get(&Address::parse("a10@example.org").unwrap(), Source::Wkd, UnixTime(0)).is_some());
    }
}
