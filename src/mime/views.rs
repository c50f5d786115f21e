//! Turns ranges into what the rest of the house asks for: fields, names, addresses, decoded bodies.

use super::decode::{decode_base64, decode_quoted_printable, text_in_charset};
use super::header::{decode_words, unfold};
use super::{Encoding, Field, Kind, Mailbox, ParsedMessage, Part, mailbox};
use crate::mail::RawMessage;
use std::borrow::Cow;

impl<'x> ParsedMessage<'x> {
    /// All header fields of the message itself with this name, in order; ASCII case does not matter.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &Field> {
        self.parts[0].named(name)
    }

    /// The first of them.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.parts[0].field(name)
    }

    /// A field's value as a reader sees it: unfolded, RFC 2047 decoded, without CR and LF.
    pub fn text_of(&self, field: &Field) -> String {
        decode_words(&self.written(field))
    }

    /// A field's value unfolded but not decoded.
    pub fn written(&self, field: &Field) -> String {
        unfold(&self.raw.as_bytes()[field.value.clone()])
    }

    /// The decoded Subject; `None` when there is none.
    pub fn subject(&self) -> Option<String> {
        self.field("Subject").map(|field| self.text_of(field))
    }

    /// All mailboxes in all fields of this name (`From`, `To`, `Resent-From` …), groups taken apart.
    pub fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        self.mailboxes_of(0, name)
    }

    /// The same of another part: an attached message is the only child of its [`Kind::Message`].
    pub fn mailboxes_of(&self, part: usize, name: &str) -> Vec<Mailbox> {
        let Some(part) = self.parts.get(part) else { return Vec::new() };
        part.named(name).flat_map(|field| mailbox::mailboxes(&self.written(field))).collect()
    }

    /// The Message-ID without its angle brackets.
    pub fn message_id(&self) -> Option<String> {
        let field = self.field("Message-ID")?;
        ids(&self.written(field)).into_iter().next()
    }

    /// The message-ids of References and In-Reply-To, without angle brackets, in order, each once.
    pub fn references(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for field in self.fields("References").chain(self.fields("In-Reply-To")) {
            for id in ids(&self.written(field)) {
                if !all.contains(&id) {
                    all.push(id);
                }
            }
        }
        all
    }

    /// The message itself.
    pub fn top(&self) -> &Part {
        &self.parts[0]
    }

    /// Parts that hold content of their own.
    pub fn leaves(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.kind == Kind::Leaf)
    }

    /// The octets of a part's body as they stand.
    pub fn body_of(&self, part: &Part) -> &'x [u8] {
        &self.raw.as_bytes()[part.body.clone()]
    }
}

impl Part {
    /// This part's fields of one name; ASCII case does not matter.
    pub fn named<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s Field> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name))
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.named(name).next()
    }

    /// A parameter of the Content-Type; give the name in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn charset(&self) -> Option<&str> {
        self.parameter("charset")
    }

    /// The body with its transfer encoding undone, and whether that encoding was broken. Borrowed where nothing had to be undone;
    /// an unknown encoding is given as it stands.
    pub fn decoded<'x>(&self, raw: &'x RawMessage) -> (Cow<'x, [u8]>, bool) {
        let body = &raw.as_bytes()[self.body.clone()];
        let decoded = match self.encoding {
            Encoding::SevenBit | Encoding::EightBit | Encoding::Binary | Encoding::Unknown => return (body.into(), false),
            Encoding::QuotedPrintable => decode_quoted_printable(body),
            Encoding::Base64 => decode_base64(body),
        };
        (decoded.octets.into(), decoded.damage)
    }

    /// The decoded body as text in its declared charset, and whether encoding and charset were what they were said to be.
    pub fn text<'x>(&self, raw: &'x RawMessage) -> (Cow<'x, str>, bool) {
        let (octets, damage) = self.decoded(raw);
        match octets {
            Cow::Borrowed(octets) => {
                let (text, right) = text_in_charset(octets, self.charset());
                (text, right && !damage)
            }
            Cow::Owned(octets) => {
                // Most bodies are UTF-8 already: then the octets become the text without a copy.
                let label = self.charset().unwrap_or("utf-8");
                let utf8 = label.eq_ignore_ascii_case("utf-8")
                    && !octets.starts_with(b"\xef\xbb\xbf")
                    && !octets.starts_with(b"\xff")
                    && !octets.starts_with(b"\xfe");
                match if utf8 { String::from_utf8(octets).map_err(|e| e.into_bytes()) } else { Err(octets) } {
                    Ok(text) => (text.into(), !damage),
                    Err(octets) => {
                        let (text, right) = text_in_charset(&octets, self.charset());
                        (text.into_owned().into(), right && !damage)
                    }
                }
            }
        }
    }
}

/// `<id>` `<id>` …; what stands outside of brackets is dropped.
fn ids(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let Some(close) = rest[open..].find('>') else { break };
        let id: String = rest[open + 1..open + close].chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        if !id.is_empty() {
            found.push(id);
        }
        rest = &rest[open + close + 1..];
    }
    found
}
