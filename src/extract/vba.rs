//! Turns the modules of a macro project (MS-OVBA) into their source text: passwords and addresses of servers stand in there.

use super::octets::u16_at;

/// A module's source can be no longer than this.
const LONGEST: usize = 4 << 20;

/// The source in one module stream. It lies packed behind compiled code; where, is told elsewhere, but each begins with the word
/// `Attribute`, of which the first eight letters cannot be packed.
pub(super) fn source(stream: &[u8]) -> Option<Vec<u8>> {
    let at = memchr::memmem::find(stream, b"\0Attribut")?.checked_sub(3)?;
    (stream.get(at) == Some(&1)).then(|| unpack(&stream[at + 1..]))
}

/// MS-OVBA §2.4.1: chunks of up to 4096 octets, each with back references into itself.
fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(head) = u16_at(packed, at) {
        let end = (at + 3 + usize::from(head & 0xfff)).min(packed.len());
        let start = out.len();
        at += 2;
        if head & 0x8000 == 0 {
            out.extend_from_slice(&packed[at.min(end)..end]);
            at = end;
            continue;
        }
        while at < end && out.len() < LONGEST {
            let flags = packed[at];
            at += 1;
            for bit in 0..8 {
                if at >= end {
                    break;
                }
                if flags >> bit & 1 == 0 {
                    out.push(packed[at]);
                    at += 1;
                    continue;
                }
                let Some(token) = u16_at(packed, at) else { return out };
                at += 2;
                let done = out.len() - start;
                let width = (usize::BITS - done.saturating_sub(1).leading_zeros()).max(4);
                let length = usize::from(token & (0xffff >> width)) + 3;
                let back = usize::from(token >> (16 - width)) + 1;
                if back > done {
                    return out;
                }
                for _ in 0..length {
                    out.push(out[out.len() - back]);
                }
            }
        }
        if out.len() >= LONGEST {
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_source_is_unpacked() {
        // The example of MS-OVBA §3.2.2 in the form "normal compression".
        let packed = [
            0x2f, 0xb0, 0x00, 0x23, 0x61, 0x61, 0x61, 0x62, 0x63, 0x64, 0x65, 0x82, 0x66, 0x00, 0x70, 0x61, 0x67, 0x68, 0x69,
            0x6a, 0x01, 0x38, 0x08, 0x61, 0x6b, 0x6c, 0x00, 0x30, 0x6d, 0x6e, 0x6f, 0x70, 0x06, 0x71, 0x02, 0x70, 0x04, 0x10,
            0x72, 0x73, 0x74, 0x75, 0x76, 0x10, 0x77, 0x78, 0x79, 0x7a, 0x00, 0x3c,
        ];
        assert_eq!(unpack(&packed), b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa");
    }
}
