//! Turns received octets into a [`RawMessage`]: lines that end in CRLF, and nothing that another reader could end elsewhere.

use std::sync::Arc;

/// A message as it travels (RFC 5322), without dot-stuffing and without the final `.`: every CR is followed by LF and every LF
/// preceded by CR, and there is no NUL. The last line may lack its CRLF. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct RawMessage {
    octets: Arc<[u8]>,
    body: usize,
}

/// Why octets are no [`RawMessage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLines {
    #[error("a carriage return without line feed at octet {0}")]
    BareCr(usize),
    #[error("a line feed without carriage return at octet {0}")]
    BareLf(usize),
    #[error("a NUL octet at octet {0}")]
    Nul(usize),
    #[error("what is to stand above the header is not whole header fields, at octet {0}")]
    EmptyLine(usize),
}

impl RawMessage {
    /// Refuses what makes two readers see two messages ("SMTP smuggling", VU#302671).
    pub fn new(octets: impl Into<Arc<[u8]>>) -> Result<RawMessage, BadLines> {
        let octets = octets.into();
        for at in memchr::memchr3_iter(b'\r', b'\n', 0, &octets) {
            match octets[at] {
                b'\r' if octets.get(at + 1) != Some(&b'\n') => return Err(BadLines::BareCr(at)),
                b'\n' if at == 0 || octets[at - 1] != b'\r' => return Err(BadLines::BareLf(at)),
                0 => return Err(BadLines::Nul(at)),
                _ => {}
            }
        }
        let body = end_of_header(&octets);
        Ok(RawMessage { octets, body })
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    pub fn len(&self) -> usize {
        self.octets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The header section with the CRLF of its last field, without the empty line.
    pub fn header(&self) -> &[u8] {
        let end = if self.octets[..self.body].ends_with(b"\r\n\r\n") || &self.octets[..self.body] == b"\r\n" {
            self.body - 2
        } else {
            self.body
        };
        &self.octets[..end]
    }

    /// What follows the first empty line; empty when there is none.
    pub fn body(&self) -> &[u8] {
        &self.octets[self.body..]
    }

    /// Where [`RawMessage::body`] begins.
    pub fn body_offset(&self) -> usize {
        self.body
    }

    /// The same message below further header fields, copied once. `fields` is whole fields with their CRLF; anything that could
    /// end the header section early, or begin with a continuation of nothing, is refused with the octet where it stands.
    pub fn below(&self, fields: &[u8]) -> Result<RawMessage, BadLines> {
        check_fields(fields)?;
        match self.octets.first() {
            _ if fields.is_empty() => return Ok(self.clone()),
            // The message's first line would become a continuation of the last field above it.
            Some(b' ' | b'\t') => return Err(BadLines::EmptyLine(fields.len())),
            _ => {}
        }
        Ok(RawMessage { octets: joined([fields, b"", &self.octets]), body: fields.len() + self.body })
    }

    /// The same body below another header section, copied once and not read again. `fields` as for [`RawMessage::below`].
    pub fn with_header(&self, fields: &[u8]) -> Result<RawMessage, BadLines> {
        check_fields(fields)?;
        Ok(RawMessage { octets: joined([fields, b"\r\n", self.body()]), body: fields.len() + 2 })
    }

    /// True when an octet above 127 stands anywhere: such a message needs 8BITMIME on its way (RFC 6152).
    pub fn is_eight_bit(&self) -> bool {
        !self.octets.is_ascii()
    }
}

impl AsRef<[u8]> for RawMessage {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

impl std::fmt::Debug for RawMessage {
    /// Never the content: a message must not reach a log through a derived `Debug`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawMessage({} octets)", self.octets.len())
    }
}

/// Nothing, or whole fields with their CRLF.
fn check_fields(fields: &[u8]) -> Result<(), BadLines> {
    RawMessage::new(fields)?;
    if let Some(at) = memchr::memmem::find(fields, b"\r\n\r\n") {
        return Err(BadLines::EmptyLine(at + 2));
    }
    match fields.first() {
        Some(b'\r' | b' ' | b'\t') => Err(BadLines::EmptyLine(0)),
        Some(_) if !fields.ends_with(b"\r\n") => Err(BadLines::EmptyLine(fields.len())),
        _ => Ok(()),
    }
}

fn joined(pieces: [&[u8]; 3]) -> Arc<[u8]> {
    let mut octets: Arc<[u8]> = std::iter::repeat_n(0, pieces.iter().map(|piece| piece.len()).sum()).collect();
    if let Some(mut place) = Arc::get_mut(&mut octets) {
        for piece in pieces {
            let (here, rest) = place.split_at_mut(piece.len());
            here.copy_from_slice(piece);
            place = rest;
        }
    }
    octets
}

fn end_of_header(octets: &[u8]) -> usize {
    if octets.starts_with(b"\r\n") {
        return 2;
    }
    memchr::memmem::find(octets, b"\r\n\r\n").map_or(octets.len(), |at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(octets: &[u8]) -> Result<RawMessage, BadLines> {
        RawMessage::new(octets.to_vec())
    }

    #[test]
    fn what_two_readers_would_end_at_two_places_is_refused() {
        assert_eq!(raw(b"a\nb").unwrap_err(), BadLines::BareLf(1));
        assert_eq!(raw(b"\nb").unwrap_err(), BadLines::BareLf(0));
        assert_eq!(raw(b"a\r.\r\n").unwrap_err(), BadLines::BareCr(1));
        assert_eq!(raw(b"a\r").unwrap_err(), BadLines::BareCr(1));
        assert_eq!(raw(b"a\r\r\n").unwrap_err(), BadLines::BareCr(1));
        assert_eq!(raw(b"a\r\n\0").unwrap_err(), BadLines::Nul(3));
    }

    #[test]
    fn header_and_body_are_parted_at_the_first_empty_line() {
        for (octets, header, body) in [
            (&b"A: b\r\n\r\nbody\r\n\r\n"[..], &b"A: b\r\n"[..], &b"body\r\n\r\n"[..]),
            (b"\r\nbody", b"", b"body"),
            (b"A: b\r\n", b"A: b\r\n", b""),
            (b"A: b", b"A: b", b""),
            (b"", b"", b""),
            (b"A: b\r\n\r\n", b"A: b\r\n", b""),
        ] {
            let message = raw(octets).unwrap();
            assert_eq!(message.header(), header);
            assert_eq!(message.body(), body);
        }
    }

    #[test]
    fn fields_put_on_top_move_the_body_and_nothing_else() {
        for octets in [&b"A: b\r\n\r\nbody"[..], b"\r\nbody", b"A: b\r\n", b"", b"body without header"] {
            let message = raw(octets).unwrap();
            let below = message.below(b"X: y\r\n\tz\r\n").unwrap();
            let again = raw(&[b"X: y\r\n\tz\r\n", octets].concat()).unwrap();
            assert_eq!(below, again, "{octets:?}");
            assert_eq!(below.body(), again.body());
        }
    }

    #[test]
    fn another_header_leaves_the_body_as_it_is() {
        for octets in [&b"A: b\r\n\r\nbody\r\n\r\n"[..], b"\r\nbody", b"A: b\r\n", b"A: b", b""] {
            let message = raw(octets).unwrap();
            for fields in [&b"X: y\r\n\tz\r\n"[..], b""] {
                let other = message.with_header(fields).unwrap();
                assert_eq!(other, raw(&[fields, b"\r\n", message.body()].concat()).unwrap(), "{octets:?}");
                assert_eq!((other.header(), other.body()), (fields, message.body()), "{octets:?}");
            }
        }
    }

    #[test]
    fn what_is_no_whole_field_is_not_put_on_top() {
        let message = raw(b"A: b\r\n\r\nbody").unwrap();
        for fields in [&b"X: y"[..], b"X: y\r\n\r\nZ: w\r\n", b"\r\nX: y\r\n", b" X: y\r\n", b"X: y\n", b"X: \0\r\n"] {
            assert!(message.below(fields).is_err(), "{fields:?}");
            assert!(message.with_header(fields).is_err(), "{fields:?}");
        }
        assert_eq!(message.below(b"").unwrap(), message);
    }
}
