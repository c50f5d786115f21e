//! Turns a message into a password-protected file for a recipient without a key, attached to a letter that tells nothing.
//!
//! The file is an AES-256 encrypted ZIP (WinZip AE-2) whose one entry has a neutral name and is itself a ZIP, so that not even the number
//! of files shows; or a PDF 2.0 encrypted with AES-256 (ISO 32000-2, revision 6). Both hold the original message as `.eml`, a page
//! to read and the attachments. Both derive their key from the password cheaply (1,000 rounds of PBKDF2 in a ZIP), which is
//! why a password of less than [`strength::LEAST_BITS`] is not taken.

mod archive;
mod contents;
mod letter;
mod page;
mod pdf;
pub mod strength;

pub use contents::Contents;
pub use letter::write_entity;

use super::CannotSeal;
use crate::mail::{Address, Language};
use std::collections::BTreeMap;
use strength::Weak;
use zeroize::Zeroizing;

/// In what a recipient without a key gets a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Opened by 7-Zip, WinZip, Keka and the like.
    #[default]
    Zip,
    /// Opened by every reader of PDF since Acrobat X.
    Pdf,
}

/// `[protect.password_hook]`: who tells a password that was made for one message to its recipient (SMS, telephone).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordHook {
    /// Gets a POST of JSON for each container: `reference`, `at`, `sender`, `recipient`, `password`, `language`. Any 2xx takes it.
    /// `None`: there is no such service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Seconds for one POST.
    pub seconds: u64,
    /// Days after which a password that could not be told is given up, and its sender told.
    pub give_up_after_days: u32,
}

impl Default for PasswordHook {
    fn default() -> PasswordHook {
        PasswordHook { url: None, seconds: 10, give_up_after_days: 3 }
    }
}

/// What recipients without a key agreed on with us, for one message: a finished snapshot, like [`super::Keys`].
pub type Passwords = BTreeMap<Address, Password>;

/// A password strong enough for a container, and the language of the letter around it.
#[derive(Clone)]
pub struct Password {
    text: Zeroizing<String>,
    pub language: Language,
}

/// A file that only its password opens.
pub struct Locked {
    octets: Vec<u8>,
    form: Form,
}

/// Makes the file for one password.
pub fn lock(contents: &Contents, form: Form, password: &Password) -> Result<Locked, CannotSeal> {
    let octets = match form {
        Form::Zip => archive::lock(contents, password.as_str())?,
        Form::Pdf => pdf::lock(contents, password.as_str())?,
    };
    Ok(Locked { octets, form })
}

impl Locked {
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }
}

impl Form {
    /// Of the attachment; the same for every message.
    fn file_name(self) -> &'static str {
        match self {
            Form::Zip => "message.zip",
            Form::Pdf => "message.pdf",
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Form::Zip => "application/zip",
            Form::Pdf => "application/pdf",
        }
    }
}

/// Groups and characters of a generated password: 20 of 32 signs are 100 bits.
const GROUPS: usize = 5;
const GROUP: usize = 4;
/// No sign that is taken for another when it is read out or written down by hand.
const SIGNS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

impl Password {
    /// 100 random bits by the system's random source, to be read out on the telephone: `k7q2-9fmd-x3wa-htz8-c4rn`.
    pub fn generate(language: Language) -> Result<Password, CannotSeal> {
        let mut random = Zeroizing::new([0u8; GROUPS * GROUP]);
        aws_lc_rs::rand::fill(&mut random[..]).map_err(|_| CannotSeal("the system gave no random octets"))?;
        let mut text = Zeroizing::new(String::with_capacity(GROUPS * (GROUP + 1)));
        for (at, octet) in random.iter().enumerate() {
            if at > 0 && at % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(SIGNS[usize::from(octet % 32)]));
        }
        Ok(Password { text, language })
    }

    /// One that people chose. It is for `recipient`, whose name adds nothing to it.
    pub fn chosen(text: &str, recipient: &Address, language: Language) -> Result<Password, Weak> {
        strength::check(text, recipient)?;
        Ok(Password { text: Zeroizing::new(text.to_owned()), language })
    }

    /// One that was judged when it was kept.
    pub fn kept(text: Zeroizing<String>, language: Language) -> Password {
        Password { text, language }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests;
