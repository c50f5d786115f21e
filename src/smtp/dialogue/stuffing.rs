//! Turns a message into the octets that follow 354: one more dot on each line that begins with one, and the end of data.

use crate::mail::RawMessage;

/// Pieces of the message and of what is put between them, in order; nothing of the message is copied. A line that begins with a
/// dot gets one more (RFC 5321 §4.5.2); a last line without CRLF gets one; `.` CRLF ends it.
pub struct Stuffed<'m> {
    rest: &'m [u8],
    at_line_start: bool,
    left: Left,
}

enum Left {
    Message,
    LineEnd,
    Dot,
    Nothing,
}

pub fn stuffed(message: &RawMessage) -> Stuffed<'_> {
    Stuffed { rest: message.as_bytes(), at_line_start: true, left: Left::Message }
}

/// What SIZE= announces: all octets with the CRLF that is added, without the dots and the end (RFC 1870 §3).
pub fn announced_size(message: &RawMessage) -> usize {
    message.len() + if lacks_line_end(message.as_bytes()) { 2 } else { 0 }
}

fn lacks_line_end(octets: &[u8]) -> bool {
    !octets.is_empty() && !octets.ends_with(b"\r\n")
}

impl<'m> Iterator for Stuffed<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        match self.left {
            Left::Message => {
                if self.at_line_start && self.rest.first() == Some(&b'.') {
                    self.at_line_start = false;
                    return Some(b".");
                }
                let end = memchr::memmem::find(self.rest, b"\r\n.").map(|at| at + 2);
                let (piece, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                self.at_line_start = true;
                if end.is_none() {
                    self.left = if lacks_line_end(piece) { Left::LineEnd } else { Left::Dot };
                }
                if piece.is_empty() { self.next() } else { Some(piece) }
            }
            Left::LineEnd => {
                self.left = Left::Dot;
                Some(b"\r\n")
            }
            Left::Dot => {
                self.left = Left::Nothing;
                Some(b".\r\n")
            }
            Left::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_the_wire(octets: &[u8]) -> (Vec<u8>, usize) {
        let message = RawMessage::new(octets.to_vec()).unwrap();
        (stuffed(&message).collect::<Vec<_>>().concat(), announced_size(&message))
    }

    #[test]
    fn dots_are_doubled_at_line_starts_only_and_the_end_is_exact() {
        for (octets, wire) in [
            (&b""[..], &b".\r\n"[..]),
            (b"\r\n", b"\r\n.\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"..\r\n", b"...\r\n.\r\n"),
            (b".\r\n.\r\n.\r\n", b"..\r\n..\r\n..\r\n.\r\n"),
            (b"a\r\n.b\r\nc.\r\n", b"a\r\n..b\r\nc.\r\n.\r\n"),
            (b"a\r\n\r\n..\r\n.", b"a\r\n\r\n...\r\n..\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a. b .\r\n", b"a. b .\r\n.\r\n"),
        ] {
            assert_eq!(on_the_wire(octets).0, wire, "{:?}", String::from_utf8_lossy(octets));
        }
    }

    #[test]
    fn the_announced_size_counts_the_added_line_end_and_no_dots() {
        assert_eq!(on_the_wire(b"").1, 0);
        assert_eq!(on_the_wire(b".a").1, 4);
        assert_eq!(on_the_wire(b".a\r\n").1, 4);
    }

    proptest::proptest! {
        #[test]
        fn removing_the_added_dots_gives_the_message_back(lines in proptest::collection::vec("[.a ]{0,4}", 0..8), end: bool) {
            let mut octets = lines.join("\r\n").into_bytes();
            if end {
                octets.extend_from_slice(b"\r\n");
            }
            let (wire, _) = on_the_wire(&octets);
            let data = wire.strip_suffix(b".\r\n").unwrap();
            let unstuffed: Vec<u8> = data
                .split_inclusive(|&b| b == b'\n')
                .flat_map(|line| line.strip_prefix(b".").unwrap_or(line).to_vec())
                .collect();
            let whole = octets.is_empty() || octets.ends_with(b"\r\n");
            let wanted = if whole { octets } else { [octets, b"\r\n".to_vec()].concat() };
            proptest::prop_assert_eq!(unstuffed, wanted);
            proptest::prop_assert!(!data.starts_with(b".\r\n"));
            proptest::prop_assert!(memchr::memmem::find(data, b"\r\n.\r\n").is_none());
        }
    }
}
