//! Turns ciphertext and an allow-listed header into a copy for one recipient.
//!
//! A recipient whose verdict requires encryption is served from here and from nowhere else. [`Sealed`] has two constructors; what they
//! take is an [`Outer`], which only the allow-list of `header_protection` makes, and ciphertext types that only the encrypting functions of
//! `cms` and `openpgp` make. There is no way from octets to any of them, so no mistake in the walk, and no error path, can let a
//! clear message pass for a sealed one: it would not compile.

use super::cms::Enveloped;
use super::header_protection::Outer;
use super::openpgp::{self, Encrypted};
use super::{CannotSeal, smime};
use crate::mail::{Address, Outgoing, Protection, RawMessage};

/// A copy that only its recipient can open.
pub struct Sealed {
    raw: RawMessage,
    protection: Protection,
}

impl Sealed {
    pub fn smime(outer: &Outer, content: &Enveloped) -> Result<Sealed, CannotSeal> {
        Sealed::of(outer, &smime::entity_of(content), Protection::Smime)
    }

    pub fn openpgp(outer: &Outer, content: &Encrypted) -> Result<Sealed, CannotSeal> {
        Sealed::of(outer, &openpgp::entity_of(content), Protection::Openpgp)
    }

    /// The whole message, in octets.
    pub fn len(&self) -> u64 {
        self.raw.len() as u64
    }

    /// For exactly one recipient: copies of others, above all blind ones, must not show in this one's ciphertext.
    pub fn to(self, recipient: Address, mail_from: Option<Address>, requires_tls: bool) -> Outgoing {
        Outgoing { mail_from, recipients: vec![recipient], raw: self.raw, protection: self.protection, requires_tls }
    }

    fn of(outer: &Outer, entity: &[u8], protection: Protection) -> Result<Sealed, CannotSeal> {
        let octets = [outer.render().as_slice(), entity].concat();
        let raw = RawMessage::new(octets).map_err(|_| CannotSeal("the sealed copy has bare line ends"))?;
        Ok(Sealed { raw, protection })
    }
}
