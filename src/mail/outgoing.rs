//! A copy that is ready to leave: nothing after this point may look into it or change it but DKIM.

use super::{Address, RawMessage, Transport};

/// One message for one upstream transaction. Recipients who get the same octets share it; sealed copies have one recipient.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// MAIL FROM; `None` is the null reverse-path `<>`.
    pub mail_from: Option<Address>,
    /// Never empty.
    pub recipients: Vec<Address>,
    pub raw: RawMessage,
    pub protection: Protection,
    /// The policy demands verified TLS to the upstream.
    pub requires_tls: bool,
    /// What its client asked of the transport; for a sealed copy, of its one recipient.
    pub transport: Transport,
}

/// How the content of a copy is protected against everyone but its recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protection {
    None,
    Smime,
    Openpgp,
    /// Under a password that is agreed with the recipient, or told by another way than mail.
    Container,
    /// It came sealed from the client and is left as it is.
    Client,
}

/// RFC 6152.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    SevenBit,
    EightBitMime,
}

impl Outgoing {
    /// Whether the message as such, its recipients aside, can only go where SMTPUTF8 is offered (RFC 6531 §3.2).
    pub fn needs_smtputf8(&self) -> bool {
        let sender = self.mail_from.as_ref().is_some_and(|sender| !sender.is_ascii());
        sender || self.transport.smtputf8 || !self.raw.header().is_ascii()
    }

    pub fn body_type(&self) -> BodyType {
        if self.raw.is_eight_bit() { BodyType::EightBitMime } else { BodyType::SevenBit }
    }
}
