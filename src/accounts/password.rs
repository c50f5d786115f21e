//! Turns a password into an argon2id hash (RFC 9106) as a PHC string, and compares with one.

use super::changes::PASSWORD_OCTETS;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

const SALT_OCTETS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Cost {
    pub fn params(self) -> Option<Params> {
        Params::new(self.memory_kib, self.passes, self.lanes, None).ok()
    }
}

/// The form that is compared (RFC 8265 §4.2): an é typed on another system is the same é, every kind of space is a space.
pub(super) fn prepare(password: &[u8]) -> Zeroizing<Vec<u8>> {
    match std::str::from_utf8(password) {
        Ok(text) if !text.is_ascii() => {
            let spaced = text.chars().map(|c| if c.is_whitespace() && !c.is_ascii() { ' ' } else { c });
            let normal: Zeroizing<String> = Zeroizing::new(spaced.nfc().collect());
            Zeroizing::new(normal.as_bytes().to_vec())
        }
        _ => Zeroizing::new(password.to_vec()),
    }
}

/// `None` when the parameters are none of argon2id, or there is no randomness.
pub(super) fn hash(password: &[u8], cost: Cost) -> Option<String> {
    let mut salt = [0; SALT_OCTETS];
    aws_lc_rs::rand::fill(&mut salt).ok()?;
    let salt = SaltString::encode_b64(&salt).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params()?);
    // A longer one is wrong whatever it is, but takes as long.
    let password = &password[..password.len().min(PASSWORD_OCTETS)];
    argon2.hash_password(password, &salt).ok().map(|hash| hash.to_string())
}

pub(super) fn matches(password: &[u8], stored: &str) -> bool {
    let Ok(stored) = PasswordHash::new(stored) else { return false };
    let cut = &password[..password.len().min(PASSWORD_OCTETS)];
    Argon2::default().verify_password(cut, &stored).is_ok() && cut.len() == password.len()
}

pub(super) fn has_cost(stored: &str, cost: Cost) -> bool {
    let Ok(stored) = PasswordHash::new(stored) else { return false };
    let Ok(params) = Params::try_from(&stored) else { return false };
    stored.algorithm == Algorithm::Argon2id.ident()
        && (params.m_cost(), params.t_cost(), params.p_cost()) == (cost.memory_kib, cost.passes, cost.lanes)
}

/// What SCRAM compares with; `None` where it is turned off, or no client could prove such a password.
pub(super) fn scram(password: &[u8], iterations: u32) -> Option<String> {
    if iterations == 0 || password.len() > PASSWORD_OCTETS {
        return None;
    }
    let password = std::str::from_utf8(password).ok()?;
    super::Keys::derive(password, iterations).map(|keys| keys.write())
}
