//! Turns a locked member of a zip archive and a password into the packed octets behind the lock: the traditional cipher of PKWARE
//! (APPNOTE 6.1) and AES as WinZip writes it (AE-1, AE-2).

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aws_lc_rs::{hmac, pbkdf2};
use std::num::NonZeroU32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    None,
    /// The last octet of the header must be one of these, by what the archiver knew when it wrote it.
    Traditional {
        check: [u8; 3],
    },
    /// Octets of key, and the method that packs what is inside.
    Aes {
        key: usize,
        method: u16,
    },
    Unknown,
}

const ROUNDS: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// The extra field 0x9901: a version, `AE`, the strength, the method.
pub(super) fn of_extra(extra: Option<&[u8]>) -> Option<Lock> {
    let [_, _, b'A', b'E', strength, low, high, ..] = extra? else { return None };
    let key = match strength {
        1 => 16,
        2 => 24,
        3 => 32,
        _ => return None,
    };
    Some(Lock::Aes { key, method: u16::from_le_bytes([*low, *high]) })
}

impl Lock {
    /// Of one attempt, in blocks of a hash.
    pub(super) fn cost(self, length: usize) -> u64 {
        match self {
            Lock::Aes { key, .. } => 4 * u64::from(ROUNDS.get()) * (key as u64 * 2 + 2).div_ceil(20),
            _ => 16 + length as u64 / 256,
        }
    }
}

/// `None` when the password is wrong, or nothing is known of the lock.
pub(super) fn open(lock: Lock, locked: &[u8], password: &str) -> Option<Vec<u8>> {
    match lock {
        Lock::Traditional { check } => traditional(locked, password.as_bytes(), check).or_else(|| {
            // Archivers on Windows take the octets of a DOS code page.
            let dos: Option<Vec<u8>> = (!password.is_ascii()).then(|| in_cp850(password)).flatten();
            traditional(locked, &dos?, check)
        }),
        Lock::Aes { key, .. } => aes_locked(locked, password, key),
        Lock::None | Lock::Unknown => None,
    }
}

fn in_cp850(password: &str) -> Option<Vec<u8>> {
    let letters: std::collections::HashMap<char, u8> =
        (128u8..=255).filter_map(|octet| Some((super::dos_name(&[octet]).chars().next()?, octet))).collect();
    password.chars().map(|c| if c.is_ascii() { Some(c as u8) } else { letters.get(&c).copied() }).collect()
}

struct Keys {
    keys: [u32; 3],
    table: [u32; 256],
}

impl Keys {
    fn new() -> Keys {
        let entry = |n: usize| (0..8).fold(n as u32, |crc, _| if crc & 1 != 0 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 });
        Keys { keys: [0x1234_5678, 0x2345_6789, 0x3456_7890], table: std::array::from_fn(entry) }
    }

    fn crc(&self, crc: u32, octet: u8) -> u32 {
        crc >> 8 ^ self.table[usize::from(crc as u8 ^ octet)]
    }

    fn update(&mut self, octet: u8) {
        self.keys[0] = self.crc(self.keys[0], octet);
        self.keys[1] = self.keys[1].wrapping_add(self.keys[0] & 255).wrapping_mul(134_775_813).wrapping_add(1);
        self.keys[2] = self.crc(self.keys[2], (self.keys[1] >> 24) as u8);
    }

    fn decrypt(&mut self, octet: u8) -> u8 {
        let temporary = (self.keys[2] | 2) & 0xffff;
        let plain = octet ^ (temporary.wrapping_mul(temporary ^ 1) >> 8) as u8;
        self.update(plain);
        plain
    }
}

fn traditional(locked: &[u8], password: &[u8], check: [u8; 3]) -> Option<Vec<u8>> {
    let (header, locked) = locked.split_at_checked(12)?;
    let mut keys = Keys::new();
    password.iter().for_each(|octet| keys.update(*octet));
    let last = header.iter().map(|octet| keys.decrypt(*octet)).last()?;
    check.contains(&last).then(|| locked.iter().map(|octet| keys.decrypt(*octet)).collect())
}

fn aes_locked(locked: &[u8], password: &str, key: usize) -> Option<Vec<u8>> {
    let (salt, rest) = locked.split_at_checked(key / 2)?;
    let (check, rest) = rest.split_at_checked(2)?;
    let (content, seal) = rest.split_at_checked(rest.len().checked_sub(10)?)?;
    let mut derived = vec![0; key * 2 + 2];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA1, ROUNDS, salt, password.as_bytes(), &mut derived);
    if derived[key * 2..] != *check {
        return None;
    }
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &derived[key..key * 2]), content);
    if mac.as_ref()[..10] != *seal {
        return None;
    }
    let key = &derived[..key];
    Some(match key.len() {
        16 => counted(&aes::Aes128::new_from_slice(key).ok()?, content),
        24 => counted(&aes::Aes192::new_from_slice(key).ok()?, content),
        _ => counted(&aes::Aes256::new_from_slice(key).ok()?, content),
    })
}

/// Counter mode with the lowest octet first, from one: unlike everybody else's.
fn counted<C: BlockCipherEncrypt>(cipher: &C, content: &[u8]) -> Vec<u8> {
    let mut out = content.to_vec();
    let mut pad = aes::cipher::Block::<C>::default();
    for (count, chunk) in (1u128..).zip(out.chunks_mut(16)) {
        pad.copy_from_slice(&count.to_le_bytes());
        cipher.encrypt_block(&mut pad);
        chunk.iter_mut().zip(pad.iter()).for_each(|(octet, pad)| *octet ^= pad);
    }
    out
}
