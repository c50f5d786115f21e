//! Turns failures to reach the upstream into patience: while it is away only a lone probe knocks, at growing intervals.

use super::connection::Unreachable;
use crate::smtp::dialogue::Whose;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// What all workers know of the upstream.
#[derive(Default)]
pub struct Health {
    away: Mutex<Option<Away>>,
    went_away: Notify,
}

#[derive(Clone)]
struct Away {
    why: Unreachable,
    /// Probes so far.
    probes: u32,
}

/// First and longest wait between two probes, in seconds. A wrong password or certificate does not mend itself, and an account
/// that is tried too often may be locked.
const PASSING: (u64, u64) = (1, 60);
const LASTING: (u64, u64) = (5, 900);

impl Health {
    /// Why nothing is sent just now.
    pub fn away(&self) -> Option<Unreachable> {
        self.state().as_ref().map(|away| away.why.clone())
    }

    /// A connection could not be made. True when that is news.
    pub fn failed(&self, why: Unreachable) -> bool {
        let mut state = self.state();
        let news = state.is_none();
        match &mut *state {
            Some(away) => away.why = why,
            None => *state = Some(Away { why, probes: 0 }),
        }
        drop(state);
        self.went_away.notify_one();
        news
    }

    /// A probe failed too: the next one waits longer.
    pub fn probe_failed(&self, why: Unreachable) {
        if let Some(away) = &mut *self.state() {
            away.why = why;
            away.probes = away.probes.saturating_add(1);
        }
    }

    /// The upstream let us speak.
    pub fn recovered(&self) {
        *self.state() = None;
    }

    /// Returns when it is time for the next probe; not at all while the upstream is there.
    pub async fn time_to_probe(&self) {
        loop {
            let wait = self.state().as_ref().map(Away::wait);
            match wait {
                Some(wait) => return tokio::time::sleep(wait).await,
                None => self.went_away.notified().await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<Away>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Away {
    fn wait(&self) -> Duration {
        let (first, longest) = if self.why.whose == Whose::Operator { LASTING } else { PASSING };
        Duration::from_secs(first.saturating_mul(1 << self.probes.min(20)).min(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_become_rarer_and_a_lasting_fault_is_probed_less() {
        let waits = |whose| {
            let why = Unreachable { why: String::new(), whose };
            (0..40).map(|probes| Away { why: why.clone(), probes }.wait().as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(waits(Whose::Upstream)[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits(Whose::Operator)[..9], [5, 10, 20, 40, 80, 160, 320, 640, 900]);
        assert_eq!(waits(Whose::Operator)[39], 900);
    }
}
