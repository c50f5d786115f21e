//! Turns wrong passwords into waiting: per account and network, per network, per account.

use super::Settings;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Counts kept at once; when there are more, those that waited longest are forgotten.
const COUNTS: usize = 30_000;
/// The first wait; each further wrong password doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// One wrong password is forgotten after so long.
const FORGETS_ONE_IN: Duration = Duration::from_secs(60);

pub(super) struct Throttle {
    counts: HashMap<Key, Count>,
    per_account_and_network: u32,
    per_network: u32,
    per_account: u32,
}

/// An account is only shut out for everybody by many more attempts than for one network: else anybody could keep anybody out.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Both(String, Network),
    Network(Network),
    Account(String),
}

/// What one attacker has at will: one IPv4 address, one IPv6 /64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Network([u8; 8]);

struct Count {
    wrong: f64,
    at: Instant,
    waits_until: Option<Instant>,
}

impl Throttle {
    pub fn new(settings: &Settings) -> Throttle {
        Throttle {
            counts: HashMap::new(),
            per_account_and_network: settings.tries_per_account_and_network,
            per_network: settings.tries_per_network,
            per_account: settings.tries_per_account,
        }
    }

    /// Counts an attempt as wrong until [`Throttle::forgive`] or [`Throttle::give_back`]. `None`: it has to wait, and is not counted.
    /// True: after this one the account has to wait, for the first time in this series.
    pub fn admit(&mut self, account: &str, peer: IpAddr, now: Instant) -> Option<bool> {
        let keys = self.keys(account, peer);
        let waits =
            |(key, _): &(Key, u32)| self.counts.get(key).is_some_and(|count| count.waits_until.is_some_and(|at| now < at));
        if keys.iter().any(waits) {
            return None;
        }
        self.make_room(keys.len());
        let mut first = false;
        for (key, allowed) in keys {
            let about_account = !matches!(key, Key::Network(_));
            let count = self.counts.entry(key).or_insert(Count { wrong: 0.0, at: now, waits_until: None });
            count.forget(now);
            count.wrong += 1.0;
            let beyond = count.wrong - f64::from(allowed);
            // Half a try of slack: what was forgotten meanwhile must not give one away.
            if beyond > -0.5 {
                first |= about_account && beyond < 0.5;
                let doubled = FIRST_WAIT.mul_f64(2f64.powf(beyond.clamp(0.0, 10.0).floor()));
                let until = now + doubled.min(LONGEST_WAIT);
                count.waits_until = Some(until);
                // Waiting is not behaving well: forgetting begins when it is over.
                count.at = until;
            }
        }
        Some(first)
    }

    /// The password was right: the account has a clean slate there. The network keeps what else was tried from it, so that one
    /// right password does not pay for guessing others.
    pub fn forgive(&mut self, account: &str, peer: IpAddr) {
        self.give_back(account, peer);
        self.counts.remove(&Key::Both(account.to_owned(), network(peer)));
    }

    /// The attempt was not made after all.
    pub fn give_back(&mut self, account: &str, peer: IpAddr) {
        for (key, allowed) in self.keys(account, peer) {
            if let Some(count) = self.counts.get_mut(&key) {
                count.wrong = (count.wrong - 1.0).max(0.0);
                if count.wrong < f64::from(allowed) {
                    count.waits_until = None;
                }
            }
        }
    }

    fn keys(&self, account: &str, peer: IpAddr) -> [(Key, u32); 3] {
        let network = network(peer);
        [
            (Key::Both(account.to_owned(), network), self.per_account_and_network),
            (Key::Network(network), self.per_network),
            (Key::Account(account.to_owned()), self.per_account),
        ]
    }

    fn make_room(&mut self, more: usize) {
        if self.counts.len() + more <= COUNTS {
            return;
        }
        // A tenth at once, so that a flood of names does not sort the table for each of them.
        let mut ages: Vec<Instant> = self.counts.values().map(|count| count.at).collect();
        let tenth = ages.len() / 10;
        let (_, oldest_kept, _) = ages.select_nth_unstable(tenth);
        let oldest_kept = *oldest_kept;
        self.counts.retain(|_, count| count.at > oldest_kept);
    }
}

impl Count {
    fn forget(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.wrong = (self.wrong - passed / FORGETS_ONE_IN.as_secs_f64()).max(0.0);
        self.at = now;
    }
}

fn network(peer: IpAddr) -> Network {
    let mut octets = [0; 8];
    match peer.to_canonical() {
        // 0.0.0.0/8 of IPv6 is not routed: no IPv6 network looks like this.
        IpAddr::V4(address) => octets[4..].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => octets.copy_from_slice(&address.octets()[..8]),
    }
    Network(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn throttle() -> Throttle {
        Throttle::new(&Settings::default())
    }

    /// How many of `tries` are let through at once.
    fn admitted(throttle: &mut Throttle, account: &str, peer: &str, tries: usize, now: Instant) -> usize {
        (0..tries).filter(|_| throttle.admit(account, at(peer), now).is_some()).count()
    }

    #[test]
    fn five_tries_then_waiting_that_doubles_up_to_a_limit() {
        let (mut throttle, mut now) = (throttle(), Instant::now());
        assert_eq!(admitted(&mut throttle, "a@example.org", "192.0.2.1", 50, now), 5);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let mut waited = 0;
            while throttle.admit("a@example.org", at("192.0.2.1"), now).is_none() {
                now += Duration::from_secs(1);
                waited += 1;
            }
            waits.push(waited);
        }
        assert_eq!(waits[0], 30);
        assert!(waits.windows(2).all(|pair| pair[1] >= pair[0]), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= 900), "{waits:?}");
        assert!(*waits.last().unwrap() >= 240, "{waits:?}");
    }

    #[test]
    fn one_network_and_one_account_are_each_counted_whatever_the_other() {
        let now = Instant::now();
        let mut many_names = throttle();
        let tried = (0..100).filter(|n| many_names.admit(&format!("u{n}@example.org"), at("192.0.2.1"), now).is_some());
        assert_eq!(tried.count(), 20);
        // Neighbours go on.
        assert_eq!(admitted(&mut many_names, "b@example.org", "192.0.2.2", 1, now), 1);
        let mut many_places = throttle();
        let tried = (0..250).filter(|n| many_places.admit("a@example.org", at(&format!("192.0.2.{n}")), now).is_some());
        assert_eq!(tried.count(), 100);
        // One IPv6 /64 is one place, and an IPv4 address written as IPv6 is itself.
        let mut six = throttle();
        let tried = (0..100).filter(|n| six.admit("a@example.org", at(&format!("2001:db8:1:2::{n:x}")), now).is_some());
        assert_eq!(tried.count(), 5);
        assert_eq!(admitted(&mut six, "a@example.org", "2001:db8:1:3::1", 1, now), 1);
        assert!(network(at("::ffff:192.0.2.1")) == network(at("192.0.2.1")));
        assert!(network(at("192.0.2.1")) != network(at("192.0.2.2")));
    }

    #[test]
    fn a_right_password_clears_the_account_but_not_the_network() {
        let (mut throttle, now) = (throttle(), Instant::now());
        for _ in 0..4 {
            assert_eq!(admitted(&mut throttle, "victim@example.org", "192.0.2.1", 1, now), 1);
        }
        throttle.admit("own@example.org", at("192.0.2.1"), now).unwrap();
        throttle.forgive("own@example.org", at("192.0.2.1"));
        assert_eq!(admitted(&mut throttle, "victim@example.org", "192.0.2.1", 9, now), 1, "his own log-in paid for guessing");
        // A user who mistyped four times, then not, has five again.
        assert_eq!(admitted(&mut throttle, "a@example.org", "192.0.2.9", 4, now), 4);
        throttle.admit("a@example.org", at("192.0.2.9"), now).unwrap();
        throttle.forgive("a@example.org", at("192.0.2.9"));
        assert_eq!(admitted(&mut throttle, "a@example.org", "192.0.2.9", 9, now), 5);
    }

    #[test]
    fn the_table_is_bounded_and_keeps_who_came_last() {
        let (mut throttle, mut now) = (throttle(), Instant::now());
        for n in 0..31_000u32 {
            now += Duration::from_millis(1);
            let peer = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
            throttle.admit(&format!("u{n}@example.org"), peer, now);
            assert!(throttle.counts.len() <= COUNTS);
        }
        assert_eq!(admitted(&mut throttle, "u30999@example.org", "192.0.2.1", 9, now), 5);
        assert!(throttle.counts.len() > COUNTS / 2);
    }
}
