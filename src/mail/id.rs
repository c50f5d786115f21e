//! Turns 60 random bits into the reference that people quote: `PST-7F3A2CQX9KMD`.

use std::fmt;

/// What a refusal, a held message, its audit line and its notices have in common. 60 random bits in Crockford's base 32
/// (no I, L, O, U), so that it can be read out on the telephone and never spells a matched value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(u64);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DIGITS: usize = 12;

impl Reference {
    /// From eight random octets, of which 60 bits are used.
    pub fn from_random(octets: [u8; 8]) -> Reference {
        Reference(u64::from_le_bytes(octets) >> 4)
    }

    /// Reads `PST-` and 12 digits; case does not matter, and I, L and O are taken for the digits they look like.
    pub fn parse(text: &str) -> Option<Reference> {
        let upper = text.trim().to_ascii_uppercase();
        let digits = upper.strip_prefix("PST-")?;
        if digits.len() != DIGITS {
            return None;
        }
        digits
            .bytes()
            .map(|b| match b {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            })
            .try_fold(0u64, |value, b| {
                let digit = ALPHABET.iter().position(|&a| a == b)?;
                Some(value << 5 | digit as u64)
            })
            .map(Reference)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PST-")?;
        for i in (0..DIGITS).rev() {
            let digit = (self.0 >> (5 * i)) & 31;
            write!(f, "{}", char::from(ALPHABET[digit as usize]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl serde::Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
        let text = String::deserialize(deserializer)?;
        Reference::parse(&text).ok_or_else(|| serde::de::Error::custom("a reference looks like PST-7F3A2CQX9KMD"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for seed in [0u64, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let reference = Reference::from_random(seed.to_le_bytes());
            let text = reference.to_string();
            assert_eq!(text.len(), 16);
            assert_eq!(Reference::parse(&text), Some(reference));
            assert_eq!(Reference::parse(&text.to_lowercase()), Some(reference));
        }
    }

    #[test]
    fn anything_else_is_no_reference() {
        for text in ["", "PST-", "PST-7F3A2CQX9KM", "PST-7F3A2CQX9KMDD", "XYZ-7F3A2CQX9KMD", "PST-7F3A2CQX9KM!"] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }
}
