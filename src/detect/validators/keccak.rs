//! Turns octets into their Keccak-256 digest, as Ethereum uses it: the sponge of FIPS 202 with the older padding 0x01.

/// Octets taken in at a time: 1600 bits of state less twice 256.
const RATE: usize = 136;

/// The Keccak-256 digest of `message` (not SHA3-256, whose padding differs).
pub(super) fn keccak256(message: &[u8]) -> [u8; 32] {
    let mut state = [0u64; 25];
    let mut blocks = message.chunks_exact(RATE);
    for block in &mut blocks {
        absorb(&mut state, block);
    }
    let mut last = [0u8; RATE];
    let rest = blocks.remainder();
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x01;
    last[RATE - 1] |= 0x80;
    absorb(&mut state, &last);
    let mut digest = [0; 32];
    for (octets, lane) in digest.chunks_exact_mut(8).zip(state) {
        octets.copy_from_slice(&lane.to_le_bytes());
    }
    digest
}

fn absorb(state: &mut [u64; 25], block: &[u8]) {
    for (lane, octets) in state.iter_mut().zip(block.chunks_exact(8)) {
        let mut word = [0; 8];
        word.copy_from_slice(octets);
        *lane ^= u64::from_le_bytes(word);
    }
    let mut constants = 1u8;
    for _ in 0..24 {
        round(state, round_constant(&mut constants));
    }
}

/// FIPS 202 §3.2.5: the bits of a round's constant stand at places 2^j − 1 and come from a shift register.
fn round_constant(register: &mut u8) -> u64 {
    (0..7).fold(0, |constant, j| {
        let bit = u64::from(*register & 1);
        let feedback = *register >> 7;
        *register = (*register << 1) ^ (feedback * 0x71);
        constant | bit << ((1u32 << j) - 1)
    })
}

/// FIPS 202 §3.2: θ, ρ and π, χ, ι. The lane x, y stands at x + 5 y.
fn round(state: &mut [u64; 25], constant: u64) {
    let column = |state: &[u64; 25], x: usize| (0..5).fold(0, |sum, y| sum ^ state[x + 5 * y]);
    let columns: [u64; 5] = std::array::from_fn(|x| column(state, x));
    for (place, lane) in state.iter_mut().enumerate() {
        let x = place % 5;
        *lane ^= columns[(x + 4) % 5] ^ columns[(x + 1) % 5].rotate_left(1);
    }
    let (mut x, mut y, mut carried) = (1, 0, state[1]);
    for step in 0..24u32 {
        (x, y) = (y, (2 * x + 3 * y) % 5);
        let turned = carried.rotate_left((step + 1) * (step + 2) / 2 % 64);
        carried = std::mem::replace(&mut state[x + 5 * y], turned);
    }
    for row in state.chunks_exact_mut(5) {
        let before: [u64; 5] = std::array::from_fn(|x| row[x]);
        for x in 0..5 {
            row[x] = before[x] ^ (!before[(x + 1) % 5] & before[(x + 2) % 5]);
        }
    }
    state[0] ^= constant;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(message: &[u8]) -> String {
        keccak256(message).iter().map(|octet| format!("{octet:02x}")).collect()
    }

    #[test]
    fn published_digests() {
        assert_eq!(hex(b""), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
        assert_eq!(hex(b"abc"), "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
        assert_eq!(
            hex(b"The quick brown fox jumps over the lazy dog"),
            "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15"
        );
    }

    #[test]
    fn a_message_as_long_as_the_rate_gets_a_block_of_padding_of_its_own() {
        let lengths: std::collections::BTreeSet<String> =
            (RATE - 2..=RATE + 2).map(|length| hex(&vec![b'a'; length])).collect();
        assert_eq!(lengths.len(), 5);
    }
}
