//! Turns a message's structure into the answer whether the client itself signed or sealed it. Only what is really there counts: a
//! label would be the simplest way past inspection.

use super::ber::{looks_random, recipients_of_cms, sealed_content, signed_content};
use super::decode::decode_base64;
use super::{Kind, ParsedMessage, Part};

/// What a sealed message says of one key that opens it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum KeyName {
    /// Of an OpenPGP key, primary or subkey: its key id, 8 octets.
    Openpgp([u8; 8]),
    /// Of a certificate: the DER of its issuer, and of its serial number behind it.
    Certificate(Vec<u8>),
    /// Of a certificate: its subject key identifier.
    SubjectKey(Vec<u8>),
    /// A password, a hidden recipient, or a way that is not known here: nobody of whom we know.
    Nobody,
}

/// The keys that a sealed message is encrypted to, by its own word; empty when it is not sealed, or says it in a way that is not
/// understood. An OpenPGP message (armored or not) or a CMS object.
pub fn sealed_to(octets: &[u8]) -> Vec<KeyName> {
    if sealed_content(octets).is_some() {
        return recipients_of_cms(octets).unwrap_or_default();
    }
    match armored_ciphertext(octets) {
        Some(packets) => recipients_of_packets(&packets),
        None if is_sealed_packets(octets) => recipients_of_packets(octets),
        None => Vec::new(),
    }
}

fn recipients_of_packets(octets: &[u8]) -> Vec<KeyName> {
    let mut found = Vec::new();
    let mut rest = octets;
    while let Some((tag, body, after)) = packet(rest) {
        match tag {
            PUBLIC_KEY_SESSION => found.push(recipient_of(&body).unwrap_or(KeyName::Nobody)),
            SYMMETRIC_SESSION => found.push(KeyName::Nobody),
            _ => {}
        }
        rest = after;
    }
    found
}

/// RFC 9580 §5.1: version 3 names a key id, all zero for a hidden recipient; version 6 a fingerprint, empty for one.
fn recipient_of(body: &[u8]) -> Option<KeyName> {
    let id: &[u8] = match body.first()? {
        3 => body.get(1..9)?,
        6 => {
            let length = usize::from(*body.get(1)?);
            match (body.get(2)?, body.get(3..2 + length)?) {
                // The key id is at the end of a version 4 fingerprint and at the beginning of a version 6 one (RFC 9580 §5.5.4).
                (4, print) if print.len() == 20 => &print[12..],
                (6, print) if print.len() == 32 => &print[..8],
                _ => return None,
            }
        }
        _ => return None,
    };
    let id: [u8; 8] = id.try_into().ok()?;
    (id != [0; 8]).then_some(KeyName::Openpgp(id))
}

impl ParsedMessage<'_> {
    /// The client signed the message: multipart/signed (RFC 1847), opaque S/MIME (RFC 8551 §3.5.2) or inline OpenPGP.
    pub fn is_signed_by_client(&self) -> bool {
        let top = self.top();
        match top.content_type.as_str() {
            "multipart/signed" => {
                let [_, signature] = top.children[..] else { return false };
                let signature = &self.parts[signature];
                let protocol = top.parameter("protocol").map(str::to_ascii_lowercase).unwrap_or_default();
                let known = ["application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"];
                known.contains(&signature.content_type.as_str())
                    && (protocol.is_empty() || known.contains(&protocol.as_str()))
                    && !signature.body.is_empty()
            }
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
                signed_content(&top.decoded(self.raw).0).is_some_and(|content| !content.is_empty())
            }
            "text/plain" => self.body_of(top).trim_ascii_start().starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----"),
            _ => false,
        }
    }

    /// The client encrypted the whole message end to end: PGP/MIME (RFC 3156 §4), S/MIME (RFC 8551 §3.3) or an inline OpenPGP
    /// message that is the whole body. Nothing readable stands beside the ciphertext.
    pub fn is_sealed_by_client(&self) -> bool {
        let top = self.top();
        match top.content_type.as_str() {
            "multipart/encrypted" => self.is_pgp_mime(0),
            "application/pkcs7-mime" | "application/x-pkcs7-mime" | "text/plain" => self.is_sealed_leaf(top),
            _ => false,
        }
    }

    /// The same of one multipart/encrypted inside a message.
    pub fn is_pgp_mime(&self, part: usize) -> bool {
        let multipart = &self.parts[part];
        let protocol = multipart.parameter("protocol").is_some_and(|p| p.eq_ignore_ascii_case("application/pgp-encrypted"));
        let [control, sealed] = multipart.children[..] else { return false };
        let (control, sealed) = (&self.parts[control], &self.parts[sealed]);
        let note = |range: std::ops::Range<usize>| self.raw.as_bytes()[range].trim_ascii();
        // Enigmail writes a sentence for old readers; anything longer is a message beside the message.
        let quiet = self.asides.iter().filter(|aside| aside.part == part).all(|aside| {
            note(aside.range.clone()).starts_with(b"This is an OpenPGP/MIME encrypted message") && aside.range.len() < 120
        });
        let version = control.decoded(self.raw).0;
        let octets = sealed.decoded(self.raw).0;
        multipart.content_type == "multipart/encrypted"
            && protocol
            && quiet
            && control.content_type == "application/pgp-encrypted"
            && version.trim_ascii().eq_ignore_ascii_case(b"Version: 1")
            && sealed.kind == Kind::Leaf
            && (armored_ciphertext(&octets).is_some() || is_sealed_packets(&octets))
    }

    /// One leaf that is nothing but ciphertext.
    pub fn is_sealed_leaf(&self, part: &Part) -> bool {
        let octets = part.decoded(self.raw).0;
        match part.content_type.as_str() {
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => sealed_content(&octets).is_some(),
            _ => armored_ciphertext(&octets).is_some(),
        }
    }
}

/// The packets inside an armored OpenPGP message (RFC 9580 §6) that is all there is in `octets`, if they are ciphertext and
/// nothing else. Of armor headers only the technical ones may stand there, and short: they are clear text.
pub fn armored_ciphertext(octets: &[u8]) -> Option<Vec<u8>> {
    let text = octets.trim_ascii();
    let inner = text.strip_prefix(b"-----BEGIN PGP MESSAGE-----")?.strip_suffix(b"-----END PGP MESSAGE-----")?;
    if memchr::memmem::find(inner, b"-----").is_some() {
        return None;
    }
    let mut at = 0;
    let mut blank = false;
    // The first line is what remains of the BEGIN line.
    for (n, line) in inner.split_inclusive(|b| *b == b'\n').enumerate() {
        let text = line.trim_ascii();
        let technical = [&b"Version:"[..], b"Comment:", b"Charset:", b"Hash:", b"MessageID:"];
        match text {
            [] if n == 0 => {}
            [] => blank = true,
            _ if n > 0 && n < 6 && text.len() <= 80 && technical.iter().any(|name| text.starts_with(name)) => {}
            _ => return None,
        }
        at += line.len();
        if blank {
            break;
        }
    }
    let body = &inner[at..];
    // The checksum line begins with `=`, which base64 never does.
    let end = memchr::memmem::find(body, b"\n=").map_or(body.len(), |n| n + 1);
    let (body, checksum) = body.split_at(end);
    let decoded = decode_base64(body);
    let good = !decoded.damage && checksum.trim_ascii().len() <= 5 && is_sealed_packets(&decoded.octets);
    good.then_some(decoded.octets)
}

const MARKER: u8 = 10;
const PUBLIC_KEY_SESSION: u8 = 1;
const SYMMETRIC_SESSION: u8 = 3;
const INTEGRITY_PROTECTED: u8 = 18;
/// The "OCB encrypted data" packet of GnuPG 2.3 and later.
const OCB_PROTECTED: u8 = 20;

/// Session keys first, then exactly one encrypted container to the end (RFC 9580 §10.3). The old container without integrity
/// protection (tag 9) does not count: anyone can cut clear text into it (EFAIL).
fn is_sealed_packets(octets: &[u8]) -> bool {
    let mut rest = octets;
    let mut keys = 0;
    loop {
        let Some((tag, body, after)) = packet(rest) else { return false };
        match tag {
            MARKER if body.as_slice() == b"PGP" => {}
            PUBLIC_KEY_SESSION | SYMMETRIC_SESSION if body.len() < 8192 => keys += 1,
            // The first octets of the container say how it is sealed; the rest is ciphertext.
            INTEGRITY_PROTECTED | OCB_PROTECTED => {
                return keys > 0 && after.is_empty() && body.len() > 20 && matches!(body[0], 1 | 2) && looks_random(&body[1..]);
            }
            _ => return false,
        }
        rest = after;
    }
}

/// One packet: tag, body, what follows (RFC 9580 §4.2).
fn packet(octets: &[u8]) -> Option<(u8, Vec<u8>, &[u8])> {
    let (&head, mut rest) = octets.split_first()?;
    if head & 0x80 == 0 {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
    if head & 0x40 == 0 {
        let (digits, after) = match head & 3 {
            3 => return Some((head >> 2 & 15, rest.to_vec(), &[])),
            kind => rest.split_at_checked(1 << kind)?,
        };
        let (body, after) = after.split_at_checked(number(digits))?;
        return Some((head >> 2 & 15, body.to_vec(), after));
    }
    let mut body = Vec::new();
    loop {
        let (&first, after) = rest.split_first()?;
        let (length, after, partial) = match first {
            0..192 => (usize::from(first), after, false),
            192..224 => {
                let (&second, after) = after.split_first()?;
                ((usize::from(first) - 192) * 256 + usize::from(second) + 192, after, false)
            }
            224..255 => (1usize << (first & 0x1f), after, true),
            255 => {
                let (digits, after) = after.split_at_checked(4)?;
                (number(digits), after, false)
            }
        };
        let (piece, after) = after.split_at_checked(length)?;
        body.extend_from_slice(piece);
        rest = after;
        if !partial {
            return Some((head & 0x3f, body, rest));
        }
    }
}
