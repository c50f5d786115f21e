//! Turns the BER of a CMS object (RFC 5652) into what it is: sealed, signed with its content inside, or neither.

use super::sealed::KeyName;

/// Reads one BER element after the other without copying; indefinite lengths (X.690 §8.1.3.6) as S/MIME writers stream them.
#[derive(Clone, Copy)]
struct Reader<'x> {
    rest: &'x [u8],
}

#[derive(Clone, Copy)]
struct Element<'x> {
    tag: u8,
    content: &'x [u8],
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OCTETS_IN_PIECES: u8 = 0x24;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0xa1;
/// `[1] KeyAgreeRecipientInfo`.
const KEY_AGREEMENT: u8 = 0xa1;
/// Deepest nesting followed while looking for the end of an indefinite length.
const DEPTH: usize = 32;

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
const AUTH_ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17];

impl<'x> Reader<'x> {
    fn next(&mut self) -> Option<Element<'x>> {
        let (element, rest) = element(self.rest, 0)?;
        self.rest = rest;
        Some(element)
    }

    fn expect(&mut self, tag: u8) -> Option<&'x [u8]> {
        self.next().filter(|element| element.tag == tag).map(|element| element.content)
    }
}

fn element(octets: &[u8], depth: usize) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = octets.split_first()?;
    if tag & 0x1f == 0x1f || depth > DEPTH {
        return None;
    }
    let (&length, mut rest) = rest.split_first()?;
    let length = match length {
        0x80 => {
            let start = rest;
            while !rest.starts_with(&[0, 0]) {
                rest = element(rest, depth + 1)?.1;
            }
            let content = &start[..start.len() - rest.len()];
            return Some((Element { tag, content }, &rest[2..]));
        }
        short @ 0..0x80 => usize::from(short),
        long => {
            let count = usize::from(long & 0x7f);
            let (digits, after) = rest.split_at_checked(count).filter(|_| count <= 8)?;
            rest = after;
            digits.iter().try_fold(0usize, |n, b| n.checked_mul(256)?.checked_add(usize::from(*b)))?
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((Element { tag, content }, rest))
}

/// The content of a ContentInfo of this type, if `octets` are one and nothing else.
fn content_info(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (outer, rest) = element(octets, 0)?;
    // What follows would be read by nobody here and by some reader there.
    if outer.tag != SEQUENCE || !rest.trim_ascii().is_empty() {
        return None;
    }
    let mut outer = Reader { rest: outer.content };
    let kind = outer.expect(OID)?;
    let content = outer.expect(CONTEXT_0)?;
    let mut inner = Reader { rest: content };
    Some((kind, inner.expect(SEQUENCE)?))
}

/// The ciphertext inside EnvelopedData (RFC 5652 §6) or AuthEnvelopedData (RFC 5083); `None` when the octets are not really one.
/// A label says nothing: at least one recipient must stand there, a cipher that postern knows, and octets that do not look like text.
pub fn sealed_content(octets: &[u8]) -> Option<Vec<u8>> {
    let (kind, content) = content_info(octets)?;
    if kind != ENVELOPED_DATA && kind != AUTH_ENVELOPED_DATA {
        return None;
    }
    let mut fields = Reader { rest: content };
    fields.expect(INTEGER)?;
    let mut next = fields.next()?;
    if next.tag == CONTEXT_0 {
        next = fields.next()?;
    }
    if next.tag != SET || next.content.is_empty() {
        return None;
    }
    let mut encrypted = Reader { rest: fields.expect(SEQUENCE)? };
    encrypted.expect(OID)?;
    let cipher = Reader { rest: encrypted.expect(SEQUENCE)? }.expect(OID)?;
    if !is_known_cipher(cipher) {
        return None;
    }
    let sealed = encrypted.next()?;
    let sealed = match sealed.tag {
        0x80 => sealed.content.to_vec(),
        CONTEXT_0 => pieces(sealed.content, 0)?,
        _ => return None,
    };
    looks_random(&sealed).then_some(sealed)
}

/// The recipients that a sealed CMS object names (RFC 5652 §6.2); `None` when they cannot be read.
pub(super) fn recipients_of_cms(octets: &[u8]) -> Option<Vec<KeyName>> {
    let (_, content) = content_info(octets)?;
    let mut fields = Reader { rest: content };
    fields.expect(INTEGER)?;
    let mut next = fields.next()?;
    if next.tag == CONTEXT_0 {
        next = fields.next()?;
    }
    let mut infos = Reader { rest: next.content };
    let mut found = Vec::new();
    while !infos.rest.is_empty() {
        let info = infos.next()?;
        let mut inner = Reader { rest: info.content };
        match info.tag {
            SEQUENCE => {
                inner.expect(INTEGER)?;
                found.push(recipient_identifier(inner.next()?));
            }
            KEY_AGREEMENT => {
                inner.expect(INTEGER)?;
                inner.expect(CONTEXT_0)?;
                let mut next = inner.next()?;
                if next.tag == CONTEXT_1 {
                    next = inner.next()?;
                }
                if next.tag != SEQUENCE {
                    return None;
                }
                let mut keys = Reader { rest: inner.expect(SEQUENCE)? };
                while !keys.rest.is_empty() {
                    found.push(recipient_identifier(Reader { rest: keys.expect(SEQUENCE)? }.next()?));
                }
            }
            // A shared key, a password, or what others may invent.
            _ => found.push(KeyName::Nobody),
        }
    }
    Some(found)
}

/// IssuerAndSerialNumber, or a subject key identifier: `[0] OCTET STRING` of key transport, `[0] { OCTET STRING … }` of key agreement.
fn recipient_identifier(element: Element<'_>) -> KeyName {
    match element.tag {
        SEQUENCE => KeyName::Certificate(element.content.to_vec()),
        0x80 => KeyName::SubjectKey(element.content.to_vec()),
        CONTEXT_0 => match (Reader { rest: element.content }).expect(OCTETS) {
            Some(id) => KeyName::SubjectKey(id.to_vec()),
            None => KeyName::Nobody,
        },
        _ => KeyName::Nobody,
    }
}

/// The signed content that is wrapped in SignedData (RFC 5652 §5); `Some(empty)` when the signature is detached.
pub fn signed_content(octets: &[u8]) -> Option<Vec<u8>> {
    let (kind, content) = content_info(octets)?;
    if kind != SIGNED_DATA {
        return None;
    }
    let mut fields = Reader { rest: content };
    fields.expect(INTEGER)?;
    fields.expect(SET)?;
    let mut encapsulated = Reader { rest: fields.expect(SEQUENCE)? };
    encapsulated.expect(OID)?;
    let Some(content) = encapsulated.next() else { return Some(Vec::new()) };
    let mut content = Reader { rest: content.content };
    let content = content.next()?;
    match content.tag {
        OCTETS => Some(content.content.to_vec()),
        OCTETS_IN_PIECES => pieces(content.content, 0),
        _ => None,
    }
}

/// A constructed octet string (X.690 §8.7.3).
fn pieces(mut octets: &[u8], depth: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while !octets.is_empty() {
        let (piece, rest) = element(octets, 0)?;
        match piece.tag {
            OCTETS => out.extend_from_slice(piece.content),
            OCTETS_IN_PIECES if depth < DEPTH => out.extend(pieces(piece.content, depth + 1)?),
            _ => return None,
        }
        octets = rest;
    }
    Some(out)
}

/// AES (2.16.840.1.101.3.4.1.x), Camellia (1.2.392.200011.61.1.1.1.x), triple DES and RC2 in CBC, ChaCha20-Poly1305 (RFC 8103).
fn is_known_cipher(oid: &[u8]) -> bool {
    oid.starts_with(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01])
        || oid.starts_with(&[0x2a, 0x83, 0x08, 0x8c, 0x9a, 0x4b, 0x3d, 0x01, 0x01, 0x01])
        || oid == [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x07]
        || oid == [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x02]
        || oid == [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x03, 0x12]
}

/// Ciphertext is not text: of its octets 37 of 100 are printable ASCII. Clear text that is labelled as sealed has nearly all of
/// them printable, or, compressed, is longer than what hides in chance; below 64 octets nobody can tell.
pub(super) fn looks_random(octets: &[u8]) -> bool {
    // A window at a time, so that a long text is not hidden behind a longer run of noise.
    octets.chunks(4096).filter(|window| window.len() >= 64).all(|window| {
        let printable = window.iter().filter(|b| matches!(b, 32..=126 | b'\r' | b'\n' | b'\t')).count();
        let zero = window.iter().filter(|b| **b == 0).count();
        printable * 10 < window.len() * 6 && zero * 4 < window.len()
    }) && !octets.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x84][..], &length, content].concat()
    }

    fn endless(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, 0x80][..], content, &[0, 0]].concat()
    }

    fn noise(n: usize) -> Vec<u8> {
        let mut x = 7u32;
        let mut next = || {
            x = x.wrapping_mul(1664525).wrapping_add(1013904223);
            (x >> 24) as u8
        };
        (0..n).map(|_| next()).collect()
    }

    fn enveloped(sealed: &[u8], recipients: &[u8]) -> Vec<u8> {
        let aes = wrap(SEQUENCE, &wrap(OID, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a]));
        let info = wrap(SEQUENCE, &[wrap(OID, &[0x2a]), aes, wrap(0x80, sealed)].concat());
        let data = wrap(SEQUENCE, &[wrap(INTEGER, &[0]), wrap(SET, recipients), info].concat());
        endless(SEQUENCE, &[wrap(OID, ENVELOPED_DATA), wrap(CONTEXT_0, &data)].concat())
    }

    #[test]
    fn only_real_ciphertext_counts_as_sealed() {
        let someone = wrap(SEQUENCE, b"x");
        assert_eq!(sealed_content(&enveloped(&noise(300), &someone)), Some(noise(300)));
        assert_eq!(sealed_content(&enveloped(&b"clear text ".repeat(30), &someone)), None, "a label is not an exemption");
        assert_eq!(sealed_content(&enveloped(&noise(300), b"")), None, "nobody could open it");
        assert_eq!(sealed_content(&[enveloped(&noise(300), &someone), b"secret behind".to_vec()].concat()), None);
        let hidden = [noise(8192), b"clear text ".repeat(400), noise(8192)].concat();
        assert_eq!(sealed_content(&enveloped(&hidden, &someone)), None);
        assert_eq!(sealed_content(b"-----BEGIN"), None);
        assert_eq!(sealed_content(&[0x30, 0x80].repeat(100_000)), None);
    }

    #[test]
    fn signed_content_is_taken_out_of_its_wrapping() {
        let piece = |text: &[u8]| wrap(OCTETS, text);
        let content =
            endless(CONTEXT_0, &endless(OCTETS_IN_PIECES, &[piece(b"Content-Type: "), piece(b"text/plain")].concat()));
        let info = endless(SEQUENCE, &[wrap(OID, &[0x2a]), content].concat());
        let data = endless(SEQUENCE, &[wrap(INTEGER, &[1]), wrap(SET, b""), info].concat());
        let all = endless(SEQUENCE, &[wrap(OID, SIGNED_DATA), endless(CONTEXT_0, &data)].concat());
        assert_eq!(signed_content(&all).unwrap(), b"Content-Type: text/plain");
    }
}
