//! Turns `pkcs11:` names into private keys that sign where they lie: in a smart card or a hardware module, which never gives them out.

#[cfg(feature = "pkcs11")]
mod module;
mod name;

#[cfg(feature = "pkcs11")]
pub use module::Token;
pub use name::KeyName;

use super::VaultError;
use crate::protect::smime::{HeldElsewhere, Scheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the token is: the table `[pkcs11]`. Nothing is loaded while `module` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The library of the token's maker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<PathBuf>,
    /// The label of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// A file of mode 0600 with its user's PIN on the first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_file: Option<PathBuf>,
}

/// Why a key in a token cannot be used. No PIN, no key, nothing that was to be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotReach {
    #[error("this postern was built without the feature pkcs11: keys in tokens cannot be used")]
    NotBuilt,
    #[error("[pkcs11] module is empty: write the path of the token's library, such as /usr/lib/softhsm/libsofthsm2.so")]
    NoModule,
    #[error("[pkcs11] module {0} cannot be loaded: it is missing, or no PKCS #11 library")]
    Library(PathBuf),
    #[error("[pkcs11] pin_file: {0}")]
    PinFile(String),
    #[error("there is no token \"{0}\"; `pkcs11-tool --list-token-slots` shows which there are")]
    NoToken(String),
    #[error("the token did not accept the PIN of [pkcs11] pin_file; it is not tried again, for a few wrong ones lock a token")]
    Pin,
    #[error("the token holds no private key {0}; `pkcs11-tool --login --list-objects` shows which there are")]
    NoKey(String),
    #[error("the token holds several private keys {0}: name one by its id, such as pkcs11:object=mail;id=%01")]
    SeveralKeys(String),
    #[error("the token does not answer ({0})")]
    Silent(String),
}

/// The token of these settings, asked for when a key file first names a key in it; the session is opened once and kept.
#[derive(Clone, Default)]
pub struct Tokens {
    settings: Settings,
    #[cfg(feature = "pkcs11")]
    opened: Arc<std::sync::OnceLock<Arc<Token>>>,
}

impl Tokens {
    pub fn new(settings: &Settings) -> Tokens {
        Tokens { settings: settings.clone(), ..Tokens::default() }
    }

    /// The key of this name, which was found. `path`: who names it, for the error.
    pub fn key(&self, name: &KeyName, path: &Path) -> Result<Arc<Held>, VaultError> {
        let held = self.reach(name).map_err(|why| VaultError::Token(path.into(), why))?;
        Ok(Arc::new(held))
    }

    #[cfg(feature = "pkcs11")]
    fn reach(&self, name: &KeyName) -> Result<Held, CannotReach> {
        let token = match self.opened.get() {
            Some(token) => token.clone(),
            None => {
                let fresh = Arc::new(Token::open(&self.settings)?);
                self.opened.get_or_init(|| fresh).clone()
            }
        };
        token.has(name)?;
        Ok(Held { token, name: name.clone() })
    }

    #[cfg(not(feature = "pkcs11"))]
    fn reach(&self, _: &KeyName) -> Result<Held, CannotReach> {
        match self.settings.module {
            Some(_) => Err(CannotReach::NotBuilt),
            None => Err(CannotReach::NoModule),
        }
    }
}

/// One private key in a token.
pub struct Held {
    #[cfg(feature = "pkcs11")]
    token: Arc<Token>,
    #[cfg(feature = "pkcs11")]
    name: KeyName,
}

impl HeldElsewhere for Held {
    #[cfg(feature = "pkcs11")]
    fn sign(&self, scheme: Scheme, octets: &[u8]) -> Option<Vec<u8>> {
        let made = self.token.sign(&self.name, scheme, octets);
        made.inspect_err(|why| tracing::error!(key = %self.name, %why, "a token did not sign: mail is put off")).ok()
    }

    #[cfg(not(feature = "pkcs11"))]
    fn sign(&self, _: Scheme, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
