//! What a test must be able to own: the time, the dice, and which addresses count as whose. Stages never come here; memory and doors do.

pub mod network;

use crate::mail::{Reference, UnixTime};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The time of day. Intervals are measured by the runtime's monotonic clock, never by this one.
#[derive(Clone)]
pub struct Clock(Arc<Time>);

enum Time {
    System,
    /// A test's time: stands still until it is moved.
    Set(AtomicI64),
}

impl Clock {
    pub fn system() -> Clock {
        Clock(Arc::new(Time::System))
    }

    /// A clock that a test moves with [`Clock::advance`].
    pub fn set_to(now: UnixTime) -> Clock {
        Clock(Arc::new(Time::Set(AtomicI64::new(now.0))))
    }

    pub fn now(&self) -> UnixTime {
        match &*self.0 {
            Time::System => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                UnixTime(since.as_secs() as i64)
            }
            Time::Set(now) => UnixTime(now.load(Ordering::SeqCst)),
        }
    }

    /// Moves a test's clock; the system's is not ours to move.
    pub fn advance(&self, seconds: i64) {
        if let Time::Set(now) = &*self.0 {
            now.fetch_add(seconds, Ordering::SeqCst);
        }
    }
}

/// Random references and names. Keys, IVs and nonces never come from here: cryptographic libraries use the system's source.
#[derive(Clone)]
pub struct Dice(Arc<Source>);

enum Source {
    System,
    /// A test's dice: the same seed rolls the same numbers.
    Seeded(AtomicI64),
}

impl Dice {
    pub fn system() -> Dice {
        Dice(Arc::new(Source::System))
    }

    pub fn seeded(seed: i64) -> Dice {
        Dice(Arc::new(Source::Seeded(AtomicI64::new(seed))))
    }

    /// 64 bits.
    pub fn roll(&self) -> u64 {
        match &*self.0 {
            Source::System => {
                let mut octets = [0u8; 8];
                // Without randomness two messages could share a reference; nothing can go on.
                aws_lc_rs::rand::fill(&mut octets).expect("the system's random source answers");
                u64::from_le_bytes(octets)
            }
            Source::Seeded(state) => {
                // SplitMix64 (Steele, Lea, Flood 2014).
                let mut z = state.fetch_add(0x9e37_79b9_7f4a_7c15u64 as i64, Ordering::SeqCst) as u64;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }
        }
    }

    pub fn reference(&self) -> Reference {
        Reference::from_random(self.roll().to_le_bytes())
    }
}
