//! Turns a text into one bit for each of its octets: is it a letter or digit, a digit, part of a word?

/// 64 octets of a text: one bit each, the first lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// ASCII letters and digits.
    pub alphanumeric: u64,
    pub digits: u64,
    /// Octets beyond ASCII: letters of other scripts.
    pub other: u64,
}

/// The blocks of a text that is followed by at least 64 octets of padding, and one empty block.
pub(crate) fn blocks(padded: &[u8], length: usize) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(length / 64 + 2);
    blocks.extend(padded.chunks_exact(64).take(length.div_ceil(64)).map(Block::of));
    blocks.push(Block::default());
    blocks
}

impl Block {
    /// Eight octets at a time in one register, for there is no portable SIMD without `unsafe`.
    fn of(octets: &[u8]) -> Block {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let each = |byte: u8| u64::from_le_bytes([byte; 8]);
        let gather = |bits: u64| ((bits & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        let mut block = Block::default();
        for (index, octets) in octets.chunks_exact(8).enumerate() {
            let mut word = [0; 8];
            word.copy_from_slice(octets);
            let word = u64::from_le_bytes(word);
            let (low, folded) = (word & !HIGH, (word | each(0x20)) & !HIGH);
            let digit = (low + each(0x80 - b'0')) & !(low + each(0x80 - b'9' - 1));
            let letter = (folded + each(0x80 - b'a')) & !(folded + each(0x80 - b'z' - 1));
            block.digits |= gather(digit & !word) << (8 * index);
            block.alphanumeric |= gather((digit | letter) & !word) << (8 * index);
            block.other |= gather(word) << (8 * index);
        }
        block
    }

    /// What a word is made of: ASCII letters and digits and all of other scripts.
    pub fn token(&self) -> u64 {
        self.alphanumeric | self.other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn blocks_say_what_each_octet_is(text in proptest::collection::vec(proptest::num::u8::ANY, 64..200)) {
            let length = text.len();
            let padded = [text.as_slice(), &[0; 128]].concat();
            let blocks = blocks(&padded, length);
            proptest::prop_assert_eq!(blocks.len(), length.div_ceil(64) + 1);
            for (place, byte) in padded.iter().enumerate().take(64 * (blocks.len() - 1)) {
                let (block, bit) = (&blocks[place / 64], place % 64);
                proptest::prop_assert_eq!(block.digits >> bit & 1 == 1, byte.is_ascii_digit(), "{:x}", byte);
                proptest::prop_assert_eq!(block.alphanumeric >> bit & 1 == 1, byte.is_ascii_alphanumeric(), "{:x}", byte);
                proptest::prop_assert_eq!(block.other >> bit & 1 == 1, !byte.is_ascii(), "{:x}", byte);
            }
        }
    }
}
