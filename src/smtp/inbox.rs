//! Turns received octets into command lines that end in CRLF, and into nothing where another reader would see other lines.

use zeroize::{Zeroize, Zeroizing};

/// Octets that were received and not yet used. They may hold passwords: what leaves the buffer is wiped.
pub struct Inbox {
    octets: Zeroizing<Vec<u8>>,
    /// How many of them are used.
    used: usize,
    /// Octets of a line that is too long and is thrown away until its CRLF.
    skipped: Option<usize>,
}

/// What stands at the beginning of the buffer.
#[derive(PartialEq, Eq)]
pub enum Line {
    /// Not yet a whole line.
    Incomplete,
    /// Without its CRLF.
    Whole(Zeroizing<Vec<u8>>),
    /// Longer than its limit (RFC 5321 §4.5.3.1.9); it was thrown away up to its CRLF.
    TooLong,
    /// A CR or LF that stands alone, a NUL, or a line that is too long and does not end: the connection must.
    Broken,
}

/// RFC 5321 §4.5.3.1.4, CRLF included.
const COMMAND: usize = 512;
/// The same with the parameters SIZE (RFC 1870: 26), BODY (RFC 6152: 17), AUTH (RFC 4954: 500), SMTPUTF8 (RFC 6531: 10), REQUIRETLS
/// (RFC 8689: 12), RET and ENVID (RFC 3461: 116).
const MAIL: usize = COMMAND + 26 + 17 + 500 + 10 + 12 + 116;
/// With NOTIFY and ORCPT (RFC 3461: 500 for the address alone).
const RCPT: usize = COMMAND + 500 + 43;
/// RFC 4954 §4.
pub const AUTH: usize = 12_288;
/// How much of a line that is too long is read before the connection is given up.
const SKIP: usize = 64 * 1024;

/// Which lines are expected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Command,
    /// An answer to a 334.
    AuthLine,
}

impl Inbox {
    pub fn new() -> Inbox {
        Inbox { octets: Zeroizing::new(Vec::new()), used: 0, skipped: None }
    }

    pub fn push(&mut self, octets: &[u8]) {
        let rest = self.octets.len() - self.used;
        self.octets.copy_within(self.used.., 0);
        self.octets[rest..].zeroize();
        self.octets.truncate(rest);
        self.used = 0;
        if self.octets.capacity() < rest + octets.len() {
            // A vector that grows by itself leaves its old octets behind unwiped.
            let mut wider = Zeroizing::new(Vec::with_capacity((rest + octets.len()).next_power_of_two()));
            wider.extend_from_slice(&self.octets);
            self.octets = wider;
        }
        self.octets.extend_from_slice(octets);
    }

    /// What is not yet used.
    pub fn rest(&self) -> &[u8] {
        &self.octets[self.used..]
    }

    pub fn take(&mut self, count: usize) {
        self.used = (self.used + count).min(self.octets.len());
    }

    /// Forgets everything: what came before TLS was not said by whom TLS proves (RFC 3207 §4.2, CVE-2011-0411).
    pub fn forget(&mut self) {
        *self = Inbox::new();
    }

    /// The next line. The first of CR, LF and NUL decides: CR LF ends the line, anything else breaks it.
    pub fn line(&mut self, expected: Expected) -> Line {
        let rest = &self.octets[self.used..];
        let limit = limit(rest, expected);
        let special = memchr::memchr3(b'\r', b'\n', 0, rest);
        let length = match special {
            None => rest.len(),
            Some(at) if rest[at] == b'\r' && at + 1 == rest.len() => at,
            Some(at) if rest[at..].starts_with(b"\r\n") => {
                let line = Zeroizing::new(rest[..at].to_vec());
                self.take(at + 2);
                return match self.skipped.take() {
                    Some(_) => Line::TooLong,
                    None if at + 2 > limit => Line::TooLong,
                    None => Line::Whole(line),
                };
            }
            Some(_) => return Line::Broken,
        };
        if self.skipped.is_some() || length + 2 > limit {
            let skipped = self.skipped.unwrap_or(0) + length;
            self.skipped = Some(skipped);
            self.take(length);
            if skipped > SKIP {
                return Line::Broken;
            }
        }
        Line::Incomplete
    }
}

fn limit(line: &[u8], expected: Expected) -> usize {
    let begins = |verb: &[u8]| line.get(..verb.len()).is_some_and(|start| start.eq_ignore_ascii_case(verb));
    match expected {
        Expected::AuthLine => AUTH,
        Expected::Command if begins(b"AUTH ") => AUTH,
        Expected::Command if begins(b"MAIL ") => MAIL,
        Expected::Command if begins(b"RCPT ") => RCPT,
        Expected::Command => COMMAND,
    }
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox::new()
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Line::Incomplete => "Incomplete",
            Line::Whole(_) => "Whole",
            Line::TooLong => "TooLong",
            Line::Broken => "Broken",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(octets: &[u8], piece: usize) -> Vec<Line> {
        let mut inbox = Inbox::new();
        let mut found = Vec::new();
        for piece in octets.chunks(piece) {
            inbox.push(piece);
            loop {
                match inbox.line(Expected::Command) {
                    Line::Incomplete => break,
                    Line::Broken => {
                        found.push(Line::Broken);
                        return found;
                    }
                    line => found.push(line),
                }
            }
        }
        found
    }

    fn whole(text: &str) -> Line {
        Line::Whole(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn lines_end_in_crlf_however_they_are_cut() {
        for piece in [1, 2, 3, 1_000] {
            assert_eq!(lines(b"NOOP\r\n\r\nQUIT\r\nRS", piece), [whole("NOOP"), whole(""), whole("QUIT")]);
        }
    }

    #[test]
    fn a_lone_cr_lf_or_nul_breaks_the_dialogue() {
        for (octets, before) in [
            (&b"NOOP\nQUIT\r\n"[..], 0),
            (b"NOOP\r\nRSET\nQUIT\r\n", 1),
            (b"NO\rOP\r\n", 0),
            (b"NOOP\r\r\n", 0),
            (b"NOOP\0\r\n", 0),
            (b"\n", 0),
        ] {
            for piece in [1, 2, 1_000] {
                let found = lines(octets, piece);
                assert_eq!((found.len(), found.last()), (before + 1, Some(&Line::Broken)), "{octets:?}");
            }
        }
    }

    #[test]
    fn each_command_has_its_longest_line() {
        for (verb, limit) in [("NOOP ", 512), ("mail ", 1193), ("RCPT ", 1055), ("auth ", 12_288)] {
            let line = |length: usize| format!("{verb}{}\r\n", "x".repeat(length - verb.len() - 2));
            for piece in [7, 100_000] {
                assert_eq!(lines(line(limit).as_bytes(), piece), [whole(line(limit).trim_end())]);
                let longer = line(limit + 1) + "QUIT\r\n";
                assert_eq!(lines(longer.as_bytes(), piece), [Line::TooLong, whole("QUIT")], "{verb}");
            }
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let endless = vec![b'x'; 100_000];
        assert_eq!(lines(&endless, 1_000), [Line::Broken]);
    }
}
