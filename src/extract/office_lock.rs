//! Turns an Office document with a password (MS-OFFCRYPTO §2.3.4, agile and standard encryption) into the document, given the password.

use super::markup::{Markup, Token};
use super::octets::{slice, u16_at, u32_at, u64_at};
use crate::mime::decode_base64;
use aes::cipher::{BlockCipherDecrypt, KeyInit};
use aws_lc_rs::digest::{self, Algorithm};

/// How a document is locked.
#[derive(Debug)]
pub(super) enum Lock {
    Agile(Box<Agile>),
    Standard(Box<Standard>),
}

#[derive(Debug)]
pub(super) struct Agile {
    /// Of the package: salt and hash.
    package: Protected,
    /// Of the key.
    key: Protected,
    rounds: u32,
    verifier: Vec<u8>,
    verifier_hash: Vec<u8>,
    encrypted_key: Vec<u8>,
}

#[derive(Debug)]
struct Protected {
    salt: Vec<u8>,
    hash: &'static Algorithm,
    key_octets: usize,
    block: usize,
}

#[derive(Debug)]
pub(super) struct Standard {
    salt: Vec<u8>,
    key_octets: usize,
    verifier: Vec<u8>,
    verifier_hash: Vec<u8>,
}

/// MS-OFFCRYPTO §2.3.4.10: no program writes or reads more.
const MOST_ROUNDS: u32 = 10_000_000;
const STANDARD_ROUNDS: u32 = 50_000;
/// Octets of the package that are encrypted together.
const SEGMENT: usize = 4096;

impl Lock {
    /// From the stream `EncryptionInfo`; `None` for what is encrypted in another way (RC4, rights management).
    pub(super) fn read(info: &[u8]) -> Option<Lock> {
        match (u16_at(info, 0)?, u16_at(info, 2)?) {
            (4, 4) => agile(info.get(8..)?).map(Box::new).map(Lock::Agile),
            (2..=4, 2) => standard(info).map(Box::new).map(Lock::Standard),
            _ => None,
        }
    }

    /// Blocks of a hash that one attempt costs.
    pub(super) fn cost(&self) -> u64 {
        match self {
            // SHA-512 has blocks of twice the size, and each round begins anew.
            Lock::Agile(agile) => u64::from(agile.rounds) * 8,
            Lock::Standard(_) => u64::from(STANDARD_ROUNDS) * 4,
        }
    }

    /// The document, when this is its password. `package` is the stream `EncryptedPackage`.
    pub(super) fn open(&self, package: &[u8], password: &str) -> Option<Vec<u8>> {
        let length = usize::try_from(u64_at(package, 0)?).ok()?;
        let content = package.get(8..)?;
        let mut out = match self {
            Lock::Agile(agile) => {
                let key = agile.key(password)?;
                let mut out = Vec::with_capacity(content.len());
                for (n, segment) in content.chunks(SEGMENT).enumerate() {
                    let iv = hash(agile.package.hash, &[&agile.package.salt, &(n as u32).to_le_bytes()]);
                    out.extend(cbc(&key, &fitted(iv, agile.package.block), segment)?);
                }
                out
            }
            Lock::Standard(standard) => blocks(&standard.key(password)?, content)?,
        };
        out.truncate(length);
        Some(out)
    }
}

fn agile(xml: &[u8]) -> Option<Agile> {
    let source = super::xml::decode(xml);
    let tags = Markup::new(&source).filter_map(|token| match token {
        Token::Start(tag) if matches!(tag.name, "keyData" | "encryptedKey") => Some(tag),
        _ => None,
    });
    let (mut package, mut key) = (None, None);
    for tag in tags {
        let number = |name: &str| tag.attribute(name).and_then(|value| value.parse::<usize>().ok());
        let octets = |name: &str| tag.attribute(name).map(|value| decode_base64(value.as_bytes()).octets);
        if tag.attribute("cipherAlgorithm").as_deref() != Some("AES")
            || tag.attribute("cipherChaining").as_deref() != Some("ChainingModeCBC")
        {
            continue;
        }
        let protected = Protected {
            salt: octets("saltValue")?,
            hash: match tag.attribute("hashAlgorithm")?.as_ref() {
                "SHA1" | "SHA-1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
                "SHA256" | "SHA-256" => &digest::SHA256,
                "SHA384" | "SHA-384" => &digest::SHA384,
                "SHA512" | "SHA-512" => &digest::SHA512,
                _ => return None,
            },
            key_octets: number("keyBits").filter(|bits| matches!(bits, 128 | 192 | 256))? / 8,
            block: number("blockSize").filter(|block| *block == 16)?,
        };
        if tag.name == "keyData" {
            package = Some(protected);
        } else {
            let rounds = number("spinCount").and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= MOST_ROUNDS)?;
            let (verifier, value) = (octets("encryptedVerifierHashInput")?, octets("encryptedVerifierHashValue")?);
            key = Some((protected, rounds, verifier, value, octets("encryptedKeyValue")?));
        }
    }
    let (key, rounds, verifier, verifier_hash, encrypted_key) = key?;
    Some(Agile { package: package?, key, rounds, verifier, verifier_hash, encrypted_key })
}

impl Agile {
    /// MS-OFFCRYPTO §2.3.4.11 to §2.3.4.13.
    fn key(&self, password: &str) -> Option<Vec<u8>> {
        const VERIFIER: [u8; 8] = [0xfe, 0xa7, 0xd2, 0x76, 0x3b, 0x4b, 0x9e, 0x79];
        const VERIFIER_HASH: [u8; 8] = [0xd7, 0xaa, 0x0f, 0x6d, 0x30, 0x61, 0x34, 0x4e];
        const KEY: [u8; 8] = [0x14, 0x6e, 0x0b, 0xe7, 0xab, 0xac, 0xd0, 0xd6];
        let spun = spin(self.key.hash, &self.key.salt, password, self.rounds);
        let iv = fitted(self.key.salt.clone(), self.key.block);
        let decrypt = |purpose: &[u8], content: &[u8]| {
            cbc(&fitted(hash(self.key.hash, &[&spun, purpose]), self.key.key_octets), &iv, content)
        };
        let mut verifier = decrypt(&VERIFIER, &self.verifier)?;
        verifier.truncate(self.key.salt.len());
        let expected = decrypt(&VERIFIER_HASH, &self.verifier_hash)?;
        if !expected.starts_with(&hash(self.key.hash, &[&verifier])) {
            return None;
        }
        let mut key = decrypt(&KEY, &self.encrypted_key)?;
        key.truncate(self.package.key_octets);
        Some(key)
    }
}

/// MS-OFFCRYPTO §2.3.4.5, §2.3.3.
fn standard(info: &[u8]) -> Option<Standard> {
    let header = u32_at(info, 8)? as usize;
    let algorithm = u32_at(info, 12 + 8)?;
    let bits = u32_at(info, 12 + 16)?;
    // RC4 is not read.
    if !matches!(algorithm, 0x660e..=0x6610) || !matches!(bits, 128 | 192 | 256) {
        return None;
    }
    let verifier = header.checked_add(12)?;
    Some(Standard {
        salt: slice(info, verifier.checked_add(4)?, 16)?.to_vec(),
        key_octets: bits as usize / 8,
        verifier: slice(info, verifier.checked_add(20)?, 16)?.to_vec(),
        verifier_hash: slice(info, verifier.checked_add(40)?, 32)?.to_vec(),
    })
}

impl Standard {
    /// MS-OFFCRYPTO §2.3.4.7 and §2.3.4.9.
    fn key(&self, password: &str) -> Option<Vec<u8>> {
        let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
        let last = hash(sha1, &[&spin(sha1, &self.salt, password, STANDARD_ROUNDS), &[0; 4]]);
        let mixed = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(&last).for_each(|(octet, hashed)| *octet ^= hashed);
            hash(sha1, &[&block])
        };
        let mut key = [mixed(0x36), mixed(0x5c)].concat();
        key.truncate(self.key_octets);
        let verifier = hash(sha1, &[&blocks(&key, &self.verifier)?]);
        blocks(&key, &self.verifier_hash)?.starts_with(&verifier).then_some(key)
    }
}

fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = digest::Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().to_vec()
}

fn spin(algorithm: &'static Algorithm, salt: &[u8], password: &str, rounds: u32) -> Vec<u8> {
    let password: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut turned = digest::digest(algorithm, &[salt, &password].concat());
    let mut content = [0u8; 4 + digest::MAX_OUTPUT_LEN];
    for n in 0..rounds {
        let before = turned.as_ref();
        content[..4].copy_from_slice(&n.to_le_bytes());
        content[4..4 + before.len()].copy_from_slice(before);
        turned = digest::digest(algorithm, &content[..4 + before.len()]);
    }
    turned.as_ref().to_vec()
}

/// Cut, or filled up as the specification says.
fn fitted(mut octets: Vec<u8>, length: usize) -> Vec<u8> {
    octets.resize(length, 0x36);
    octets
}

/// Whole blocks, each by itself.
fn blocks(key: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    fn all<C: KeyInit + BlockCipherDecrypt>(key: &[u8], content: &[u8]) -> Option<Vec<u8>> {
        let cipher = C::new_from_slice(key).ok()?;
        let mut out = Vec::with_capacity(content.len());
        for block in content.chunks_exact(16) {
            let mut block = aes::cipher::Block::<C>::try_from(block).ok()?;
            cipher.decrypt_block(&mut block);
            out.extend_from_slice(&block);
        }
        Some(out)
    }
    match key.len() {
        16 => all::<aes::Aes128>(key, content),
        24 => all::<aes::Aes192>(key, content),
        32 => all::<aes::Aes256>(key, content),
        _ => None,
    }
}

fn cbc(key: &[u8], iv: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    let mut out = blocks(key, content)?;
    let before = iv.iter().chain(content);
    out.iter_mut().zip(before).for_each(|(octet, before)| *octet ^= before);
    Some(out)
}
