//! Turns LDAP questions into octets and answers into values (RFC 4511), reading no more than was allowed and never deeper than three levels.
//!
//! The `ldap3` crate's own connection reads answers with a parser that recurses as deep as a server wishes and panics at forms it does not
//! expect; its filter parser and writer, which see only what the operator wrote, are used.

use ldap3::asn1::{ASNTag, Tag as Ber};
use tokio::io::{AsyncRead, AsyncReadExt};

/// One answer of a server.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Entry(Entry),
    /// The end of a bind, a search or an extended operation: its result code.
    Done(Operation, u32),
    /// Something else, which is passed over (references elsewhere, intermediate answers).
    Other,
}

/// What a directory holds under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub dn: String,
    /// Attribute names with their values.
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

/// How deep a search goes (RFC 4511 §4.5.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The entry itself.
    Base,
    /// All below it too.
    Subtree,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Bind,
    Search,
    Extended,
}

/// Why an answer was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    #[error("the connection was lost")]
    Lost,
    #[error("its answer is no LDAP")]
    Form,
    #[error("its answer is larger than may be read")]
    TooLarge,
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const BOOLEAN: u8 = 0x01;
const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const UNBIND_REQUEST: u8 = 0x42;
const SEARCH_REQUEST: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;

/// RFC 4511 §4.14.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

pub fn bind(id: u8, dn: &str, password: &[u8]) -> Vec<u8> {
    let content = [tlv(INTEGER, &[3]), tlv(OCTETS, dn.as_bytes()), tlv(0x80, password)].concat();
    message(id, tlv(BIND_REQUEST, &content))
}

pub fn start_tls(id: u8) -> Vec<u8> {
    message(id, tlv(EXTENDED_REQUEST, &tlv(0x80, START_TLS)))
}

pub fn unbind(id: u8) -> Vec<u8> {
    message(id, tlv(UNBIND_REQUEST, &[]))
}

/// A search; aliases and referrals are not followed. `None`: the filter is none (RFC 4515).
pub fn search(
    id: u8,
    (base, scope): (&str, Scope),
    filter: &str,
    attributes: &[String],
    entries: u16,
    seconds: u8,
) -> Option<Vec<u8>> {
    let filter: Ber = ldap3::parse_filter(filter).ok()?;
    let mut written = Default::default();
    ldap3::asn1::write::encode_into(&mut written, filter.into_structure()).ok()?;
    let attributes: Vec<u8> = attributes.iter().flat_map(|name| tlv(OCTETS, name.as_bytes())).collect();
    let content = [
        tlv(OCTETS, base.as_bytes()),
        tlv(ENUMERATED, &[if scope == Scope::Base { 0 } else { 2 }]),
        tlv(ENUMERATED, &[0]),
        tlv(INTEGER, &positive(entries)),
        // Below 128: one octet without a sign.
        tlv(INTEGER, &[seconds & 0x7f]),
        tlv(BOOLEAN, &[0]),
        written.to_vec(),
        tlv(SEQUENCE, &attributes),
    ];
    Some(message(id, tlv(SEARCH_REQUEST, &content.concat())))
}

/// Without a sign, and no longer than it must be (X.690 §8.3).
fn positive(number: u16) -> Vec<u8> {
    let octets = [0, (number >> 8) as u8, number as u8];
    let spare = octets.windows(2).take_while(|pair| pair[0] == 0 && pair[1] < 0x80).count();
    octets[spare..].to_vec()
}

fn message(id: u8, operation: Vec<u8>) -> Vec<u8> {
    tlv(SEQUENCE, &[tlv(INTEGER, &[id & 0x7f]), operation].concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let octets = (length as u64).to_be_bytes();
        let significant = &octets[octets.iter().position(|octet| *octet != 0).unwrap_or(7)..];
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
    out
}

/// Reads one message of at most `allowance` octets, which become fewer.
pub async fn read(stream: &mut (impl AsyncRead + Unpin), id: u8, allowance: &mut usize) -> Result<Answer, BadAnswer> {
    let lost = |_| BadAnswer::Lost;
    if stream.read_u8().await.map_err(lost)? != SEQUENCE {
        return Err(BadAnswer::Form);
    }
    let length = match stream.read_u8().await.map_err(lost)? {
        short @ 0..=0x7f => usize::from(short),
        // Definite form only (§5.1), and no length that four octets cannot say.
        long @ 0x81..=0x84 => {
            let mut length = 0usize;
            for _ in 0..long & 0x7f {
                length = length << 8 | usize::from(stream.read_u8().await.map_err(lost)?);
            }
            length
        }
        _ => return Err(BadAnswer::Form),
    };
    *allowance = allowance.checked_sub(length + 6).ok_or(BadAnswer::TooLarge)?;
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await.map_err(lost)?;
    understand(&content, id).ok_or(BadAnswer::Form)
}

fn understand(content: &[u8], id: u8) -> Option<Answer> {
    let mut rest = content;
    let number = take(&mut rest, INTEGER)?;
    // Answers to nobody are notices of a server that leaves (§4.4.1).
    if number != [id] {
        return if number == [0] { Some(Answer::Other) } else { None };
    }
    let (tag, mut operation) = take_any(&mut rest)?;
    let code = |operation: &mut &[u8]| {
        let code = take(operation, ENUMERATED)?;
        (code.len() <= 4).then(|| code.iter().fold(0u32, |number, octet| number << 8 | u32::from(*octet)))
    };
    match tag {
        BIND_RESPONSE => Some(Answer::Done(Operation::Bind, code(&mut operation)?)),
        SEARCH_DONE => Some(Answer::Done(Operation::Search, code(&mut operation)?)),
        EXTENDED_RESPONSE => Some(Answer::Done(Operation::Extended, code(&mut operation)?)),
        SEARCH_ENTRY => {
            let dn = String::from_utf8(take(&mut operation, OCTETS)?.to_vec()).ok()?;
            let mut list = take(&mut operation, SEQUENCE)?;
            let mut attributes = Vec::new();
            while !list.is_empty() {
                let mut attribute = take(&mut list, SEQUENCE)?;
                let name = String::from_utf8(take(&mut attribute, OCTETS)?.to_vec()).ok()?;
                let mut set = take(&mut attribute, 0x31)?;
                let mut values = Vec::new();
                while !set.is_empty() {
                    values.push(take(&mut set, OCTETS)?.to_vec());
                }
                attributes.push((name, values));
            }
            Some(Answer::Entry(Entry { dn, attributes }))
        }
        _ => Some(Answer::Other),
    }
}

fn take<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (found, content) = take_any(rest)?;
    (found == tag).then_some(content)
}

fn take_any<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, after) = rest.split_first()?;
    let (&first, mut after) = after.split_first()?;
    let length = match first {
        short @ 0..=0x7f => usize::from(short),
        long @ 0x81..=0x84 => {
            let octets = after.get(..usize::from(long & 0x7f))?;
            after = &after[octets.len()..];
            octets.iter().fold(0usize, |length, octet| length << 8 | usize::from(*octet))
        }
        _ => return None,
    };
    let content = after.get(..length)?;
    *rest = &after[length..];
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_those_of_rfc_4511() {
        assert_eq!(start_tls(1), [&[0x30, 0x1d, 2, 1, 1, 0x77, 0x18, 0x80, 0x16][..], START_TLS].concat());
        assert_eq!(bind(1, "", b""), [0x30, 12, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0]);
        let asked = search(2, ("o=x", Scope::Subtree), "(mail=a\\2a@x)", &["c".to_owned()], 5, 3).unwrap();
        let expected = [
            &[0x30, 44, 2, 1, 2, 0x63, 39, 4, 3][..],
            b"o=x",
            &[10, 1, 2, 10, 1, 0, 2, 1, 5, 2, 1, 3, 1, 1, 0, 0xa3, 12, 4, 4],
            b"mail",
            &[4, 4],
            b"a*@x",
            &[0x30, 3, 4, 1],
            b"c",
        ];
        assert_eq!(asked, expected.concat());
        assert_eq!(search(2, ("o=x", Scope::Base), "(mail=", &[], 5, 3), None);
        let numbers = [(0, vec![0]), (127, vec![127]), (128, vec![0, 128]), (500, vec![1, 244]), (65_535, vec![0, 255, 255])];
        for (number, octets) in numbers {
            assert_eq!(positive(number), octets, "{number}");
        }
    }

    #[test]
    fn damaged_and_endless_answers_are_refused_within_their_size() {
        let entry = |content: &[u8]| message(2, tlv(SEARCH_ENTRY, content));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = |octets: &[u8], mut allowance: usize| runtime.block_on(read(&mut &octets[..], 2, &mut allowance));
        let value = tlv(SEQUENCE, &[tlv(OCTETS, b"mail"), tlv(0x31, &tlv(OCTETS, b"\xff"))].concat());
        let right = entry(&[tlv(OCTETS, b"cn=x"), tlv(SEQUENCE, &value)].concat());
        assert_eq!(
            read(&right, 1000),
            Ok(Answer::Entry(Entry { dn: "cn=x".into(), attributes: vec![("mail".into(), vec![vec![0xff]])] }))
        );
        assert_eq!(read(&right, 20), Err(BadAnswer::TooLarge));
        assert_eq!(
            read(&message(2, tlv(SEARCH_DONE, &[0x0a, 1, 32, 4, 0, 4, 0])), 99),
            Ok(Answer::Done(Operation::Search, 32))
        );
        assert_eq!(read(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], 1000), Err(BadAnswer::TooLarge));
        assert_eq!(read(&[0x30, 0x80, 2, 1, 2, 0, 0], 1000), Err(BadAnswer::Form));
        assert_eq!(read(&[b'H'; 100], 1000), Err(BadAnswer::Form));
        assert_eq!(read(&message(3, tlv(SEARCH_DONE, &[])), 99), Err(BadAnswer::Form));
        // Nested a hundred thousand times: a reader that recurses would end the whole process.
        let nested = [0x30, 0x82].repeat(100_000);
        assert!(read(&tlv(SEQUENCE, &nested), 1 << 20).is_err());
        for cut in 0..right.len() {
            assert!(read(&right[..cut], 1000).is_err(), "{cut}");
        }
        for at in 0..right.len() {
            for value in [0x00, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = right.clone();
                damaged[at] = value;
                let _ = read(&damaged, 1000);
            }
        }
    }
}
