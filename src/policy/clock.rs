//! Turns `received_at` into the hour and weekday on the wall of the office.

use crate::mail::UnixTime;

/// Minutes of the day, from the first up to but not including the second; wraps over midnight when the first is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hours {
    from: u16,
    to: u16,
}

/// Bit 0 is Monday.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weekdays(u8);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Zone {
    /// Central European Time, with summer time as Directive 2000/84/EC sets it: from the last Sunday of March to the last Sunday
    /// of October, both at 01:00 UTC.
    #[default]
    Paris,
    /// Seconds east of Greenwich: the overseas territories have no summer time.
    Fixed(i32),
}

impl Hours {
    pub fn parse(text: &str) -> Option<Hours> {
        let (from, to) = text.split_once(['-', '–'])?;
        let hours = Hours { from: minutes(from)?, to: minutes(to)? };
        (hours.from != hours.to).then_some(hours)
    }

    pub fn hold(self, moment: UnixTime, zone: Zone) -> bool {
        let minute = (zone.wall(moment).rem_euclid(86_400) / 60) as u16;
        if self.from < self.to { (self.from..self.to).contains(&minute) } else { minute >= self.from || minute < self.to }
    }
}

impl Weekdays {
    pub fn parse(word: &str) -> Option<Weekdays> {
        const WORDS: [[&str; 4]; 7] = [
            ["mon", "monday", "lun", "lundi"],
            ["tue", "tuesday", "mar", "mardi"],
            ["wed", "wednesday", "mer", "mercredi"],
            ["thu", "thursday", "jeu", "jeudi"],
            ["fri", "friday", "ven", "vendredi"],
            ["sat", "saturday", "sam", "samedi"],
            ["sun", "sunday", "dim", "dimanche"],
        ];
        let lower = word.to_lowercase();
        WORDS.iter().position(|names| names.contains(&lower.as_str())).map(|day| Weekdays(1 << day))
    }

    pub fn and(self, other: Weekdays) -> Weekdays {
        Weekdays(self.0 | other.0)
    }

    pub fn hold(self, moment: UnixTime, zone: Zone) -> bool {
        self.0 & (1 << weekday(zone.wall(moment).div_euclid(86_400))) != 0
    }
}

impl Zone {
    pub fn parse(text: &str) -> Option<Zone> {
        match text {
            "Europe/Paris" => return Some(Zone::Paris),
            "UTC" | "Z" => return Some(Zone::Fixed(0)),
            _ => {}
        }
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-" | "−", rest) => (-1, rest),
            _ => return None,
        };
        let minutes = i32::from(minutes(rest)?);
        (minutes <= 14 * 60).then_some(Zone::Fixed(sign * minutes * 60))
    }

    /// Seconds since 1970 as the clock on the wall counts them.
    fn wall(self, moment: UnixTime) -> i64 {
        match self {
            Zone::Fixed(offset) => moment.0.saturating_add(i64::from(offset)),
            Zone::Paris => moment.0.saturating_add(if is_european_summer(moment.0) { 7_200 } else { 3_600 }),
        }
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once([':', 'h'])?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, if minute.is_empty() { 0 } else { minute.parse().ok()? });
    (minute < 60 && (hour < 24 || (hour == 24 && minute == 0))).then_some(hour * 60 + minute)
}

/// 0 is Monday; day 0 of the epoch was a Thursday.
fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

fn is_european_summer(seconds: i64) -> bool {
    // Up to the year 9999; a clock beyond that is broken and must not cost time.
    let seconds = seconds.clamp(0, 253_402_300_799);
    let year = year_of(seconds.div_euclid(86_400));
    let change = |month| {
        let last = day_of(year, month, 31);
        (last - (weekday(last) + 1) % 7) * 86_400 + 3_600
    };
    (change(3)..change(10)).contains(&seconds)
}

/// Days since 1970-01-01 of a date in the Gregorian calendar (the arithmetic of a year that begins in March).
pub(super) fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1 - 719_468
}

fn year_of(day: i64) -> i64 {
    // An estimate that is at most one year off, put right by comparison.
    let guess = 1970 + day.div_euclid(365);
    let mut year = guess - (guess - 1970) / 1_400;
    while day_of(year, 1, 1) > day {
        year -= 1;
    }
    while day_of(year + 1, 1, 1) <= day {
        year += 1;
    }
    year
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_of_paris_follows_summer_time() {
        for (moment, wall) in [
            // 2026-03-29 is the last Sunday of March, 2026-10-25 the last of October.
            (1_774_745_999, 1_774_745_999 + 3_600),
            (1_774_746_000, 1_774_746_000 + 7_200),
            (1_792_889_999, 1_792_889_999 + 7_200),
            (1_792_890_000, 1_792_890_000 + 3_600),
            (1_795_219_200, 1_795_219_200 + 3_600),
            (0, 3_600),
        ] {
            assert_eq!(Zone::Paris.wall(UnixTime(moment)), wall, "{moment}");
        }
    }

    #[test]
    fn hours_wrap_over_midnight_and_weekdays_follow_the_zone() {
        // 2026-11-21, a Saturday, 00:00 UTC.
        let midnight = 1_795_219_200;
        let night = Hours::parse("19:00-07:00").unwrap();
        let day = Hours::parse("8h-18h30").unwrap();
        for (hour, in_night, in_day) in
            [(0, true, false), (5, true, false), (6, false, false), (7, false, true), (17, false, true), (18, true, false)]
        {
            let moment = UnixTime(midnight + hour * 3_600);
            assert_eq!(night.hold(moment, Zone::Paris), in_night, "{hour} UTC");
            assert_eq!(day.hold(moment, Zone::Paris), in_day, "{hour} UTC");
        }
        let saturday = Weekdays::parse("samedi").unwrap();
        assert!(saturday.hold(UnixTime(midnight), Zone::Paris));
        assert!(!saturday.hold(UnixTime(midnight), Zone::parse("-10:00").unwrap()));
        assert!(saturday.hold(UnixTime(midnight + 13 * 3_600 - 1), Zone::parse("+11:00").unwrap()));
        assert!(!saturday.hold(UnixTime(midnight + 13 * 3_600), Zone::parse("+11:00").unwrap()));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "7", "7-8", "25:00-08:00", "07:60-08:00", "07:00-07:00", "x-y"] {
            assert_eq!(Hours::parse(text), None, "{text}");
        }
        for text in ["", "+", "Mars/Olympus", "+15:00", "+é"] {
            assert_eq!(Zone::parse(text), None, "{text}");
        }
        assert_eq!(Weekdays::parse("caturday"), None);
    }
}
