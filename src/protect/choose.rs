//! Turns the usable keys of one recipient into the one that is used.

use super::{RecipientKey, Signers};

/// Which form a recipient gets who can read both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// Outlook, Apple Mail and Thunderbird open it without an add-on, and in administrations the certificate is usually the one that
    /// the organisation itself gave out.
    #[default]
    Smime,
    Openpgp,
}

/// The first key of the preferred form, else the first of the other. S/MIME needs a signer: CBC is malleable, so what is not signed
/// inside is not sealed that way (EFAIL). `None` when nothing can be used.
pub fn choose<'k>(keys: &'k [RecipientKey], prefer: Prefer, signers: &Signers) -> Option<&'k RecipientKey> {
    let possible = |key: &&RecipientKey| match key {
        RecipientKey::Smime(_) => signers.smime.is_some(),
        RecipientKey::Openpgp(_) => true,
    };
    let preferred = |key: &&RecipientKey| match key {
        RecipientKey::Smime(_) => prefer == Prefer::Smime,
        RecipientKey::Openpgp(_) => prefer == Prefer::Openpgp,
    };
    keys.iter().filter(possible).find(preferred).or_else(|| keys.iter().find(possible))
}
