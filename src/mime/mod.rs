//! Turns a [`RawMessage`] into its parts, with byte ranges into the raw octets, and tells where two readers could disagree.

mod ber;
mod decode;
mod encode;
mod header;
mod mailbox;
mod parameters;
mod reencode;
mod sealed;
mod views;
mod walk;
pub mod write;

pub use ber::{sealed_content, signed_content};
pub use decode::{Decoded, decode_base64, decode_quoted_printable, text_in_charset};
pub use encode::{encode_phrase, encode_unstructured, fold, is_ascii_field};
pub use header::decode_words;
pub use sealed::{KeyName, armored_ciphertext, sealed_to};
pub use walk::parse;

use crate::mail::{Address, RawMessage};
use std::ops::Range;

/// Limits of one message; hitting one is [`Malformed`], never a partial reading.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Nesting of multiparts and attached messages.
    pub depth: usize,
    pub parts: usize,
    /// Header fields of one part, and their octets together.
    pub fields: usize,
    pub header_octets: usize,
    /// Parameters of one Content-Type or Content-Disposition.
    pub parameters: usize,
    /// RFC 2047 words in one message.
    pub encoded_words: usize,
    /// Received fields before a message is taken for a loop (RFC 5321 §6.3).
    pub hops: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth: 50,
            parts: 5_000,
            fields: 2_000,
            header_octets: 1_000_000,
            parameters: 1_024,
            encoded_words: 10_000,
            hops: 50,
        }
    }
}

/// A message taken apart. `parts[0]` is the message itself; a parent stands before its children.
#[derive(Debug)]
pub struct ParsedMessage<'x> {
    pub raw: &'x RawMessage,
    pub parts: Vec<Part>,
    /// Where readers disagree without it being grave enough to refuse: all readings are inspected.
    pub anomalies: Vec<Anomaly>,
    /// Octets outside every part, which some readers show all the same: preambles and epilogues.
    pub asides: Vec<Aside>,
}

/// What stands before the first or after the last boundary of a multipart (RFC 2046 §5.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Index of the multipart.
    pub part: usize,
    /// Offsets into [`ParsedMessage::raw`].
    pub range: Range<usize>,
}

/// One entity (RFC 2045 §2.4). Ranges are offsets into [`ParsedMessage::raw`].
#[derive(Clone, Debug)]
pub struct Part {
    /// Index in [`ParsedMessage::parts`] of the part that contains this one.
    pub parent: Option<usize>,
    pub children: Vec<usize>,
    /// `1.2.1` as IMAP numbers it (RFC 9051 §6.4.5.1); the message itself is ``.
    pub number: String,
    pub kind: Kind,
    pub fields: Vec<Field>,
    /// The header section of this part.
    pub header: Range<usize>,
    /// What follows its empty line, up to the CRLF before the next boundary.
    pub body: Range<usize>,
    /// Lower case, without parameters; `text/plain` when absent or unreadable.
    pub content_type: String,
    /// Lower-case names, decoded values (RFC 2231).
    pub parameters: Vec<(String, String)>,
    pub encoding: Encoding,
    /// True for `Content-Disposition: attachment`.
    pub attachment: bool,
    /// The decoded file name, from Content-Disposition or Content-Type.
    pub file_name: Option<String>,
    /// Other names that some reader would take instead: repeated, RFC 2231 beside plain, Content-Type beside Content-Disposition.
    pub other_names: Vec<String>,
    /// It stands inside a multipart/signed: its octets must not change.
    pub in_signed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Leaf,
    Multipart,
    /// message/rfc822 or message/global: its only child is the attached message.
    Message,
}

/// Content-Transfer-Encoding (RFC 2045 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    SevenBit,
    EightBit,
    Binary,
    QuotedPrintable,
    Base64,
    /// Not one of the five: read as it stands and by every encoding, and an [`Anomaly`].
    Unknown,
}

/// One header field (RFC 5322 §2.2) as it stands in the raw octets.
#[derive(Clone, Debug)]
pub struct Field {
    /// As written.
    pub name: String,
    /// The whole field with its folded lines and its last CRLF.
    pub whole: Range<usize>,
    /// What follows the colon, unfolding not done, without the last CRLF.
    pub value: Range<usize>,
}

/// One entry of an address list (RFC 5322 §3.4); groups are taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The decoded display name.
    pub name: Option<String>,
    /// `None` when what is written is no address.
    pub address: Option<Address>,
}

/// A place where readers are known to disagree.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Anomaly {
    /// A stable word: `duplicate-content-type`, `boundary-in-preamble`, `base64-damage` …
    pub kind: &'static str,
    /// [`Part::number`].
    pub part: String,
}

/// Why a message is refused with 554 5.6.0: it cannot be read in one way, and not in all ways either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({place})")]
pub struct Malformed {
    /// What is wrong, in words for the sender's administrator, ASCII, without content of the message.
    pub what: &'static str,
    /// Part number or header name.
    pub place: String,
}
