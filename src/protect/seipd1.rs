//! Turns signed OpenPGP packets into an armored message: a session key for each key of one recipient, and the container that is encrypted
//! and protected against change in the way that every reader knows (RFC 9580 §5.13.1).
//!
//! Sequoia writes the packets and encrypts the session key. The container is written here with aws-lc's arithmetic, because half of the
//! cost of a sealed message was its SHA-1, which Sequoia computes with a search for collisions that an encrypted checksum does not need.

use super::{CannotSeal, to_base64_lines};
use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, rand};
use openpgp::crypto::SessionKey;
use openpgp::packet::{Key, Packet, key, pkesk::PKESK3};
use openpgp::serialize::Marshal;
use openpgp::types::SymmetricAlgorithm;
use sequoia_openpgp as openpgp;
use zeroize::Zeroizing;

const BLOCK: usize = 16;
/// Packet 18, then 19, in the new format (RFC 9580 §5).
const CONTAINER: u8 = 0xd2;
const MODIFICATION_DETECTION: [u8; 2] = [0xd3, 20];

/// The message in armor, lines ending in CRLF. With a checksum, although RFC 9580 §6.1 advises against it: without one GnuPG 2.2 reads on
/// into the last line of the armor where the base64 ends without a `=`, and says that something is wrong.
pub fn seal<'k>(
    packets: &[u8],
    keys: impl Iterator<Item = &'k Key<key::PublicParts, key::UnspecifiedRole>>,
) -> Result<Vec<u8>, CannotSeal> {
    const FAILED: CannotSeal = CannotSeal("the OpenPGP encryption failed");
    let mut session_key = Zeroizing::new([0u8; 32]);
    rand::fill(&mut session_key[..]).map_err(|_| CannotSeal("no random octets for the session key"))?;
    let mut out = Vec::with_capacity(packets.len() + 4096);
    for key in keys {
        let session_key = SessionKey::from(&session_key[..]);
        let encrypted = PKESK3::for_recipient(SymmetricAlgorithm::AES256, &session_key, key).map_err(|_| FAILED)?;
        Packet::from(encrypted).serialize(&mut out).map_err(|_| FAILED)?;
    }
    if out.is_empty() {
        return Err(CannotSeal("the OpenPGP key has no encryption key"));
    }
    let container = container(packets, &session_key)?;
    let length = u32::try_from(container.len() + 1).map_err(|_| CannotSeal("the message is too long for OpenPGP"))?;
    out.extend_from_slice(&[CONTAINER, 255]);
    out.extend_from_slice(&length.to_be_bytes());
    out.push(1);
    out.extend_from_slice(&container);

    let mut armored = Vec::with_capacity(out.len() / 57 * 78 + 256);
    armored.extend_from_slice(b"-----BEGIN PGP MESSAGE-----\r\n\r\n");
    to_base64_lines(&out, &mut armored);
    armored.push(b'=');
    to_base64_lines(&crc24(&out), &mut armored);
    armored.extend_from_slice(b"-----END PGP MESSAGE-----\r\n");
    Ok(armored)
}

/// Random block, its last two octets again, the packets, and the SHA-1 of all that, in CFB with an IV of zeros: the random block does its
/// work.
fn container(packets: &[u8], session_key: &[u8; 32]) -> Result<Vec<u8>, CannotSeal> {
    let mut octets = Zeroizing::new(Vec::with_capacity(packets.len() + BLOCK + 2 + 22));
    octets.resize(BLOCK, 0);
    rand::fill(&mut octets[..]).map_err(|_| CannotSeal("no random octets for the session"))?;
    octets.extend_from_within(BLOCK - 2..);
    octets.extend_from_slice(packets);
    octets.extend_from_slice(&MODIFICATION_DETECTION);
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &octets);
    octets.extend_from_slice(digest.as_ref());
    let key = UnboundCipherKey::new(&cipher::AES_256, session_key).map_err(|_| CannotSeal("session key"))?;
    let encrypting = EncryptingKey::cfb128(key).map_err(|_| CannotSeal("AES-256-CFB is not available"))?;
    let zeros = EncryptionContext::Iv128(FixedLength::from([0u8; BLOCK]));
    encrypting.less_safe_encrypt(&mut octets, zeros).map_err(|_| CannotSeal("AES-256-CFB failed"))?;
    Ok(std::mem::take(&mut *octets))
}

/// RFC 9580 §6.1.1, four octets at a time. The 24 bits stand in the upper ones of 32.
fn crc24(octets: &[u8]) -> [u8; 3] {
    const GENERATOR: u32 = 0x864c_fb00;
    const START: u32 = 0xb704_ce00;
    const TABLES: [[u32; 256]; 4] = {
        let mut tables = [[0u32; 256]; 4];
        let mut index = 0;
        while index < 256 {
            let mut remainder = (index as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                remainder = remainder << 1 ^ if remainder >> 31 == 1 { GENERATOR } else { 0 };
                bit += 1;
            }
            tables[0][index] = remainder;
            index += 1;
        }
        let mut table = 1;
        while table < 4 {
            let mut index = 0;
            while index < 256 {
                let before = tables[table - 1][index];
                tables[table][index] = before << 8 ^ tables[0][(before >> 24) as usize];
                index += 1;
            }
            table += 1;
        }
        tables
    };
    let mut state = START;
    let mut fours = octets.chunks_exact(4);
    for four in &mut fours {
        if let [a, b, c, d] = *four {
            state ^= u32::from_be_bytes([a, b, c, d]);
        }
        let [a, b, c, d] = state.to_be_bytes().map(usize::from);
        state = TABLES[3][a] ^ TABLES[2][b] ^ TABLES[1][c] ^ TABLES[0][d];
    }
    for octet in fours.remainder() {
        state = state << 8 ^ TABLES[0][(state >> 24) as usize ^ usize::from(*octet)];
    }
    let [a, b, c, _] = state.to_be_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_armor_is_that_of_the_catalogue() {
        // CRC-24/OPENPGP.
        assert_eq!(crc24(b"123456789"), [0x21, 0xcf, 0x02]);
        assert_eq!(crc24(b""), [0xb7, 0x04, 0xce]);
        assert_eq!(crc24(b"a"), [0xf2, 0x57, 0x13]);
    }
}
