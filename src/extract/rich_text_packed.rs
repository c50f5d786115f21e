//! Turns the packed rich text of Outlook's messages (MS-OXRTFCP) into rich text.

use super::octets::u32_at;

/// What the dictionary holds before the first octet (MS-OXRTFCP §2.1.2.1).
const BEFORE: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const DICTIONARY: usize = 4096;

/// `None` when it is neither packed nor marked as unpacked. At most `limit` octets, and whether it was whole.
pub(super) fn unpack(packed: &[u8], limit: usize) -> Option<(Vec<u8>, bool)> {
    let length = u32_at(packed, 4)? as usize;
    let content = packed.get(16..)?;
    match &packed[8..12] {
        b"MELA" => Some((content[..length.min(content.len())].to_vec(), length <= content.len())),
        b"LZFu" => Some(unpack_references(content, length.min(limit), length)),
        _ => None,
    }
}

fn unpack_references(packed: &[u8], limit: usize, length: usize) -> (Vec<u8>, bool) {
    let mut dictionary = [b' '; DICTIONARY];
    dictionary[..BEFORE.len()].copy_from_slice(BEFORE);
    let mut write = BEFORE.len();
    let mut out = Vec::new();
    let mut octets = packed.iter().copied();
    let mut put = |octet: u8, write: &mut usize, dictionary: &mut [u8; DICTIONARY]| {
        dictionary[*write] = octet;
        *write = (*write + 1) % DICTIONARY;
        out.push(octet);
        out.len() < limit
    };
    let whole = 'all: {
        while let Some(flags) = octets.next() {
            for bit in 0..8 {
                let Some(octet) = octets.next() else { break 'all false };
                if flags >> bit & 1 == 0 {
                    if !put(octet, &mut write, &mut dictionary) {
                        break 'all true;
                    }
                    continue;
                }
                let Some(second) = octets.next() else { break 'all false };
                let reference = usize::from(octet) << 8 | usize::from(second);
                let (at, count) = (reference >> 4, (reference & 15) + 2);
                if at == write {
                    break 'all true;
                }
                for n in 0..count {
                    let octet = dictionary[(at + n) % DICTIONARY];
                    if !put(octet, &mut write, &mut dictionary) {
                        break 'all true;
                    }
                }
            }
        }
        false
    };
    let enough = out.len() >= length.min(limit);
    (out, whole && enough && limit >= length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification_are_unpacked() {
        // MS-OXRTFCP §3.1.1.1 and §3.2.1.
        let simple = [
            0x2d, 0x00, 0x00, 0x00, 0x2b, 0x00, 0x00, 0x00, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0x00, 0x0a,
            0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20,
            0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        let expected = b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n";
        assert_eq!(BEFORE.len(), 207);
        assert_eq!(unpack(&simple, 1 << 20), Some((expected.to_vec(), true)));
        assert_eq!(unpack(&simple[..30], 1 << 20).map(|(_, whole)| whole), Some(false));
        assert_eq!(unpack(&simple, 10), Some((expected[..10].to_vec(), false)));
        let plain = [&[0u8, 0, 0, 0, 5, 0, 0, 0][..], b"MELA\0\0\0\0{\\rtf"].concat();
        assert_eq!(unpack(&plain, 99), Some((b"{\\rtf".to_vec(), true)));
    }
}
