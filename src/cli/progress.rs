//! Shows a person at a terminal how far something is: a bar, how fast it goes and how long it still takes.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// A bar on standard error; nothing where that is no terminal.
pub struct Progress {
    /// What 100 % is, in steps or octets; 0 when nobody knows.
    whole: u64,
    shown: bool,
    began: Instant,
    last: Option<Instant>,
}

const WIDTH: u64 = 30;
/// Often enough to be seen moving, seldom enough to cost nothing.
const EVERY: Duration = Duration::from_millis(100);

impl Progress {
    /// `whole` in any unit; below `worth` of it there is nothing to wait for.
    pub fn of(whole: u64, worth: u64) -> Progress {
        let shown = whole >= worth && std::io::stderr().is_terminal();
        Progress { whole, shown, began: Instant::now(), last: None }
    }

    /// `done` in the unit of the whole, `count` things so far.
    pub fn show(&mut self, done: u64, count: u64) {
        if self.shown && self.last.is_none_or(|last| last.elapsed() >= EVERY) {
            self.last = Some(Instant::now());
            eprint!("\r{}\x1b[K", bar(self.whole, done, count, self.began.elapsed()));
            let _ = std::io::stderr().flush();
        }
    }

    /// Takes the bar away, so that results stand on lines of their own.
    pub fn clear(&mut self) {
        if self.shown && self.last.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// `[######------] 50 %  1200  300/s  0:04`
fn bar(whole: u64, done: u64, count: u64, passed: Duration) -> String {
    let done = done.min(whole);
    let full = (done * WIDTH).checked_div(whole).unwrap_or(0);
    let percent = (done * 100).checked_div(whole).unwrap_or(0);
    let seconds = passed.as_secs_f64().max(0.001);
    let rate = count as f64 / seconds;
    let left = if done > 0 { (seconds * (whole - done) as f64 / done as f64).round() as u64 } else { 0 };
    format!(
        "[{}{}] {percent:3} %  {count}  {rate:.0}/s  {}:{:02}",
        "#".repeat(full as usize),
        "-".repeat((WIDTH - full) as usize),
        left / 60,
        left % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_when_all_is_done_and_says_how_long_it_still_takes() {
        let second = Duration::from_secs(10);
        assert_eq!(bar(40, 0, 0, second), format!("[{}]   0 %  0  0/s  0:00", "-".repeat(30)));
        assert_eq!(bar(40, 10, 10, second), format!("[{}{}]  25 %  10  1/s  0:30", "#".repeat(7), "-".repeat(23)));
        assert_eq!(bar(40, 40, 40, second), format!("[{}] 100 %  40  4/s  0:00", "#".repeat(30)));
        assert_eq!(bar(0, 0, 3, second), format!("[{}]   0 %  3  0/s  0:00", "-".repeat(30)));
    }
}
