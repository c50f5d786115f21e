//! Turns places in foreign octets into numbers and strings, and into nothing beyond the end.

pub(super) fn u8_at(octets: &[u8], at: usize) -> Option<u8> {
    octets.get(at).copied()
}

pub(super) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(octets.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(super) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn u64_at(octets: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(octets.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

pub(super) fn f64_at(octets: &[u8], at: usize) -> Option<f64> {
    u64_at(octets, at).map(f64::from_bits)
}

/// `length` octets from `at`.
pub(super) fn slice(octets: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    octets.get(at..at.checked_add(length)?)
}

/// What there is of them.
pub(super) fn slice_to_end(octets: &[u8], at: usize, length: usize) -> &[u8] {
    let start = at.min(octets.len());
    &octets[start..start.saturating_add(length).min(octets.len())]
}

pub(super) fn utf16(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
}

/// Up to the first zero.
pub(super) fn utf16_until_zero(octets: &[u8]) -> String {
    let end = octets.chunks_exact(2).position(|pair| pair == [0, 0]).map_or(octets.len(), |n| n * 2);
    utf16(&octets[..end])
}

pub(super) fn until_zero(octets: &[u8]) -> &[u8] {
    &octets[..memchr::memchr(0, octets).unwrap_or(octets.len())]
}

/// The charset of a Windows code page, as `mime` names charsets.
pub(super) fn code_page(number: u32) -> &'static str {
    match number {
        437 | 850 => "cp850",
        866 => "ibm866",
        874 => "windows-874",
        932 => "shift_jis",
        936 => "gbk",
        949 => "euc-kr",
        950 => "big5",
        1200 => "utf-16le",
        1201 => "utf-16be",
        1250 => "windows-1250",
        1251 => "windows-1251",
        1253 => "windows-1253",
        1254 => "windows-1254",
        1255 => "windows-1255",
        1256 => "windows-1256",
        1257 => "windows-1257",
        1258 => "windows-1258",
        10000 | 32768 => "macintosh",
        10007 => "x-mac-cyrillic",
        20866 => "koi8-r",
        28592 => "iso-8859-2",
        28605 => "iso-8859-15",
        50220..=50222 => "iso-2022-jp",
        51932 => "euc-jp",
        54936 => "gb18030",
        65001 => "utf-8",
        _ => "windows-1252",
    }
}

pub(super) fn in_code_page(octets: &[u8], number: u32) -> String {
    crate::mime::text_in_charset(octets, Some(code_page(number))).0.into_owned()
}

/// Shortest run of letters that is worth showing.
const RUN: usize = 6;

/// Runs of printable characters, in 8 bits and in UTF-16: what stands in octets of an unknown format.
pub(super) fn strings(octets: &[u8]) -> String {
    let mut out = super::plain::printable(octets);
    let mut run = String::new();
    for start in [0, 1] {
        for pair in octets.get(start..).unwrap_or_default().chunks_exact(2).chain([&[0u8, 0][..]]) {
            let unit = u16::from_le_bytes([pair[0], pair[1]]);
            match char::from_u32(u32::from(unit)) {
                Some(c @ (' '..='~' | '\u{a0}'..='\u{17f}' | '\u{2010}'..='\u{203a}' | '€')) => run.push(c),
                _ => {
                    if run.chars().count() >= RUN {
                        out.push_str(&run);
                        out.push('\n');
                    }
                    run.clear();
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let octets = [1, 2, 3, 4];
        assert_eq!((u16_at(&octets, 2), u16_at(&octets, 3), u32_at(&octets, usize::MAX)), (Some(0x0403), None, None));
        assert_eq!((slice(&octets, 3, 2), slice_to_end(&octets, 3, usize::MAX)), (None, &[4][..]));
        assert_eq!(slice_to_end(&octets, 9, 1), &[] as &[u8]);
    }

    #[test]
    fn strings_stand_in_eight_and_in_sixteen_bits() {
        let wide: Vec<u8> = "Numéro 41".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(strings(&[&[0, 1, 2][..], &wide, &[0, 0], b"narrow one\x00no"].concat()), "narrow one\nNuméro 41\n");
    }
}
