//! Turns ciphertext and an allow-listed header into a copy for one recipient.
//!
//! A recipient whose verdict requires encryption is served from here and from nowhere else. [`Sealed`] has three constructors; what they
//! take is an [`Outer`], which only the allow-list of `header_protection` makes, and ciphertext types that only the encrypting functions of
//! `cms`, `openpgp` and `container` make. There is no way from octets to any of them, so no mistake in the walk, and no error path, can let a
//! clear message pass for a sealed one: it would not compile.

use super::cms::Enveloped;
use super::container::{self, Locked};
use super::header_protection::Outer;
use super::openpgp::{self, Encrypted};
use super::{CannotSeal, smime};
use crate::mail::{Address, Language, Outgoing, Protection, RawMessage};

/// A copy that only its recipient can open.
///
/// Neither it nor what it is made of can be had from octets:
/// ```compile_fail,E0423
/// let enveloped = postern::protect::cms::Enveloped(b"clear".to_vec());
/// ```
/// ```compile_fail,E0423
/// let encrypted = postern::protect::openpgp::Encrypted(b"clear".to_vec());
/// ```
/// ```compile_fail,E0451
/// fn locked(octets: Vec<u8>) -> postern::protect::container::Locked {
///     postern::protect::container::Locked { octets, form: postern::protect::container::Form::Zip }
/// }
/// ```
/// ```compile_fail,E0451
/// fn pass(raw: postern::mail::RawMessage) -> postern::protect::sealed::Sealed {
///     postern::protect::sealed::Sealed { raw, protection: postern::mail::Protection::Smime }
/// }
/// ```
pub struct Sealed {
    raw: RawMessage,
    protection: Protection,
}

impl Sealed {
    pub fn smime(outer: &Outer, content: &Enveloped) -> Result<Sealed, CannotSeal> {
        let mut octets = outer.render(content.as_der().len() * 3 / 2);
        smime::write_entity(content, &mut octets);
        Sealed::of(octets, Protection::Smime)
    }

    pub fn openpgp(outer: &Outer, content: &Encrypted) -> Result<Sealed, CannotSeal> {
        let mut octets = outer.render(content.as_armor().len());
        openpgp::write_entity(content, &mut octets);
        Sealed::of(octets, Protection::Openpgp)
    }

    /// The container is attached to a covering letter that says in `language` what it is.
    pub fn container(outer: &Outer, content: &Locked, language: Language) -> Result<Sealed, CannotSeal> {
        let mut octets = outer.render(content.as_bytes().len() * 3 / 2);
        container::write_entity(content, language, &mut octets);
        Sealed::of(octets, Protection::Container)
    }

    /// The size of the whole message.
    pub fn octets(&self) -> u64 {
        self.raw.len() as u64
    }

    /// For exactly one recipient: copies of others, above all blind ones, must not show in this one's ciphertext.
    pub fn to(self, recipient: Address, mail_from: Option<Address>, requires_tls: bool) -> Outgoing {
        Outgoing {
            mail_from,
            recipients: vec![recipient],
            raw: self.raw,
            protection: self.protection,
            requires_tls,
            transport: Default::default(),
        }
    }

    fn of(octets: Vec<u8>, protection: Protection) -> Result<Sealed, CannotSeal> {
        let raw = RawMessage::new(octets).map_err(|_| CannotSeal("the sealed copy has bare line ends"))?;
        Ok(Sealed { raw, protection })
    }
}
