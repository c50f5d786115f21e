//! Turns the addresses of wallets into verdicts: Bitcoin (base58check; BIP 173 and 350) and Ethereum (EIP-55).
//!
//! Small and capital letters differ here, so these read the value as it was written.

use super::keccak::keccak256;
use super::{Check, Strength, Validator, valid_if};
use aws_lc_rs::digest::{SHA256, digest};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator {
        name: "bitcoin",
        about: ("adresse Bitcoin, base58check ou bech32", "Bitcoin address, base58check or bech32"),
        example: "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        strength: Strength::AsWritten,
        check: check_bitcoin,
        length: None,
    },
    Validator {
        name: "ethereum",
        about: ("adresse Ethereum, casse selon EIP-55", "Ethereum address, capitals by EIP-55"),
        example: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        strength: Strength::AsWritten,
        check: check_ethereum,
        length: None,
    },
];

/// `1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa` (the first block's): 25 octets in base 58, a version (0: key, 5: script) and a hash, of
/// which the last four begin the double SHA-256 of the others. Addresses that begin with `bc1` see [`check_segwit`].
pub(super) fn check_bitcoin(address: &[u8]) -> Check {
    if address.len() > 2 && address[..3].eq_ignore_ascii_case(b"bc1") {
        return check_segwit(address);
    }
    if !(26..=35).contains(&address.len()) {
        return Check::Invalid;
    }
    let Some(octets) = base58(address) else { return Check::Invalid };
    let (payload, sum) = octets.split_at(21);
    let twice = digest(&SHA256, digest(&SHA256, payload).as_ref());
    valid_if(matches!(octets[0], 0 | 5) && twice.as_ref().starts_with(sum))
}

/// 25 octets, where so many come out.
fn base58(address: &[u8]) -> Option<[u8; 25]> {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut octets = [0u8; 25];
    for character in address {
        let mut carry = ALPHABET.iter().position(|known| known == character)? as u32;
        for octet in octets.iter_mut().rev() {
            carry += u32::from(*octet) * 58;
            *octet = carry as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    // Each leading 1 is one zero octet and the other way round: else the same octets could be written in many ways.
    let ones = address.iter().take_while(|character| **character == b'1').count();
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    (ones == zeros).then_some(octets)
}

/// `bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4` (BIP 173): version 0, twenty octets, checksum 1; version 1 and above end in the
/// checksum 0x2bc830a3 (BIP 350).
fn check_segwit(address: &[u8]) -> Check {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let mixed = address.iter().any(u8::is_ascii_lowercase) && address.iter().any(u8::is_ascii_uppercase);
    let Some((prefix, data)) = address.split_at_checked(3) else { return Check::Invalid };
    if mixed || !prefix.eq_ignore_ascii_case(b"bc1") || !(8..=87).contains(&data.len()) {
        return Check::Invalid;
    }
    let values: Option<Vec<u8>> = data
        .iter()
        .map(|byte| ALPHABET.iter().position(|known| *known == byte.to_ascii_lowercase()).map(|place| place as u8))
        .collect();
    let Some(values) = values else { return Check::Invalid };
    // "bc" expanded: the high bits of each letter, a zero, the low ones.
    let sum = [3u8, 3, 0, 2, 3].iter().chain(&values).fold(1u32, |sum, value| polymod(sum, *value));
    let octets = (values.len() - 7) * 5 / 8;
    valid_if(match values[0] {
        0 => sum == 1 && matches!(octets, 20 | 32),
        1..=16 => sum == 0x2bc8_30a3 && (2..=40).contains(&octets),
        _ => false,
    })
}

fn polymod(sum: u32, value: u8) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = sum >> 25;
    let mut next = (sum & 0x1ff_ffff) << 5 ^ u32::from(value);
    for (bit, term) in GENERATOR.iter().enumerate() {
        if top >> bit & 1 == 1 {
            next ^= term;
        }
    }
    next
}

/// `0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed` (EIP-55): a letter is a capital where the digest of the small letters has a digit
/// of 8 or more. Without capitals (or without small letters) there is no key, so it needs a word that names it.
pub(super) fn check_ethereum(address: &[u8]) -> Check {
    let Some(digits) = address.strip_prefix(b"0x").or_else(|| address.strip_prefix(b"0X")) else { return Check::Invalid };
    if digits.len() != 40 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Check::Invalid;
    }
    let small = digits.to_ascii_lowercase();
    let one_case = digits.iter().all(|byte| !byte.is_ascii_uppercase()) || digits.iter().all(|byte| !byte.is_ascii_lowercase());
    if one_case {
        return if digits.iter().any(|byte| *byte != digits[0]) { Check::NeedsLabel } else { Check::Invalid };
    }
    let digest = keccak256(&small);
    let nibble = |place: usize| digest[place / 2] >> (4 * (1 - place % 2)) & 0xf;
    valid_if(
        digits
            .iter()
            .enumerate()
            .all(|(place, byte)| byte.is_ascii_digit() || byte.is_ascii_uppercase() == (nibble(place) >= 8)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitcoin_addresses() {
        let cases = [
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", Check::Valid),
            ("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", Check::Valid),
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", Check::Invalid),
            ("1a1zp1ep5qgefi2dmptftl5slmv7divfna", Check::Invalid), // capitals matter
            ("2A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", Check::Invalid),
            ("11A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", Check::Invalid), // a zero octet too many
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7Div0Na", Check::Invalid),  // no 0 in base 58
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", Check::Valid),
            ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", Check::Valid),
            ("bc1Qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", Check::Invalid), // mixed
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", Check::Invalid),
            ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", Check::Valid), // version 1
            ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", Check::Invalid), // BIP 350: the older checksum
            ("bc1", Check::Invalid),
            ("", Check::Invalid),
        ];
        for (address, expected) in cases {
            assert_eq!(check_bitcoin(address.as_bytes()), expected, "{address}");
        }
    }

    #[test]
    fn ethereum_addresses_of_the_standard() {
        for right in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert_eq!(check_ethereum(right.as_bytes()), Check::Valid, "{right}");
            assert_eq!(check_ethereum(right.to_lowercase().as_bytes()), Check::NeedsLabel, "{right}");
        }
        for wrong in [
            "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x0000000000000000000000000000000000000000",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
        ] {
            assert_eq!(check_ethereum(wrong.as_bytes()), Check::Invalid, "{wrong}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn any_other_character_is_caught(place in 3usize..42, put in proptest::sample::select(b"qpzry9x8gf2tvdw0s3jn54khce6mua7l".to_vec())) {
            let mut address = b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4".to_vec();
            proptest::prop_assume!(address[place] != put);
            address[place] = put;
            proptest::prop_assert_eq!(check_bitcoin(&address), Check::Invalid);
        }

        #[test]
        fn no_address_panics(address in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
            check_bitcoin(&address);
            check_segwit(&address);
            check_ethereum(&address);
        }
    }
}
