//! Turns `[spool]` of the configuration into when a copy is tried again and when it is given up.

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `[spool]`: RFC 5321 §4.5.4.1 asks for at least four to five days of trying.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Minutes to wait after the first, second … attempt; the last holds for all later ones. A fifth is added or taken at random.
    pub retry_minutes: Vec<u32>,
    /// Hours after which the sender is told once that it takes longer.
    pub tell_delay_after_hours: u32,
    /// Days after which a copy is given up and its sender told.
    pub give_up_after_days: u32,
    /// Days for which finished copies are remembered, without their octets.
    pub remember_days: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            retry_minutes: vec![1, 5, 15, 30, 60, 120, 240],
            tell_delay_after_hours: 4,
            give_up_after_days: 5,
            remember_days: 30,
        }
    }
}

impl Settings {
    /// What is wrong with these settings, in words that say what to write instead.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.retry_minutes.is_empty() || self.retry_minutes.contains(&0) {
            return Err("[spool] retry_minutes needs at least one number, each 1 or more, e.g. [1, 5, 15, 30, 60, 120, 240]");
        }
        if self.give_up_after_days == 0 {
            return Err("[spool] give_up_after_days must be 1 or more; RFC 5321 asks for 4 to 5");
        }
        Ok(())
    }

    /// Seconds until the next attempt, after `attempts` earlier ones and the one that just failed. `roll` is 64 random bits: copies that failed
    /// together must not come back together.
    pub(super) fn wait_after(&self, attempts: u32, roll: u64) -> i64 {
        let step = usize::try_from(attempts).unwrap_or(usize::MAX).min(self.retry_minutes.len().saturating_sub(1));
        let wait = self.retry_minutes.get(step).map_or(HOUR, |minutes| i64::from((*minutes).max(1)) * MINUTE);
        let spread = wait * 2 / 5;
        wait - spread / 2 + (roll % (spread as u64 + 1)) as i64
    }

    /// No copy can be due later than in so many seconds, unless the clock was put back.
    pub(super) fn longest_wait(&self) -> i64 {
        let longest = self.retry_minutes.iter().max().map_or(HOUR, |minutes| i64::from(*minutes) * MINUTE);
        longest * 6 / 5 + MINUTE
    }

    pub(super) fn tell_delay_after_seconds(&self) -> i64 {
        i64::from(self.tell_delay_after_hours) * HOUR
    }

    pub(super) fn give_up_after_seconds(&self) -> i64 {
        i64::from(self.give_up_after_days) * DAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_last_one_and_are_spread_by_a_fifth() {
        let settings = Settings::default();
        for (attempts, minutes) in [(0, 1), (1, 5), (2, 15), (3, 30), (4, 60), (5, 120), (6, 240), (7, 240), (u32::MAX, 240)] {
            let wait = minutes * MINUTE;
            let all: Vec<i64> = (0..1000u64).map(|roll| settings.wait_after(attempts, roll * 7919)).collect();
            assert!(all.iter().all(|seconds| (wait * 4 / 5..=wait * 6 / 5).contains(seconds)), "{attempts}");
            assert!(all.iter().min() != all.iter().max(), "not spread: {attempts}");
        }
    }

    #[test]
    fn settings_that_would_hammer_or_never_try_are_told() {
        for retry_minutes in [vec![], vec![0], vec![1, 0]] {
            assert!(Settings { retry_minutes, ..Settings::default() }.check().unwrap_err().contains("retry_minutes"));
        }
        assert!(Settings { give_up_after_days: 0, ..Settings::default() }.check().is_err());
        assert_eq!(Settings::default().check(), Ok(()));
    }
}
