//! Turns the property sets of a compound file (MS-OLEPS; title, author, the organisation's own, sensitivity labels) into lines
//! `name: value`.

use super::octets::{in_code_page, slice, slice_to_end, u16_at, u32_at, until_zero, utf16_until_zero};
use std::collections::HashMap;

/// Properties in one set, members of one list.
const MOST: usize = 2_000;

/// All sets of one stream; of a damaged one what can be read.
pub(super) fn read(stream: &[u8]) -> String {
    let mut out = String::new();
    let sets = u32_at(stream, 24).unwrap_or(0).min(8) as usize;
    for n in 0..sets {
        let Some(offset) = u32_at(stream, 28 + n * 20 + 16) else { break };
        // The first octet of the format's identifier tells the standard sets apart.
        let names: &[(u32, &str)] = match stream.get(28 + n * 20) {
            Some(0xe0) => &SUMMARY,
            Some(0x02) => &DOCUMENT_SUMMARY,
            _ => &[],
        };
        set(stream.get(offset as usize..).unwrap_or_default(), names, &mut out);
    }
    out
}

const SUMMARY: [(u32, &str); 8] = [
    (2, "title"),
    (3, "subject"),
    (4, "author"),
    (5, "keywords"),
    (6, "comments"),
    (7, "template"),
    (8, "last author"),
    (18, "application"),
];

const DOCUMENT_SUMMARY: [(u32, &str); 7] =
    [(2, "category"), (13, "parts"), (14, "manager"), (15, "company"), (26, "content type"), (27, "status"), (28, "language")];

fn set(set: &[u8], names: &[(u32, &str)], out: &mut String) {
    let count = (u32_at(set, 4).unwrap_or(0) as usize).min(MOST);
    let places: Vec<(u32, usize)> =
        (0..count).map_while(|n| Some((u32_at(set, 8 + n * 8)?, u32_at(set, 12 + n * 8)? as usize))).collect();
    let of = |wanted: u32| places.iter().find(|(id, _)| *id == wanted).map(|(_, at)| *at);
    let page = of(1).and_then(|at| u16_at(set, at + 4)).map_or(1252, u32::from);
    let own = of(0).map(|at| dictionary(set, at, page)).unwrap_or_default();
    for (id, at) in places.iter().filter(|(id, _)| *id > 1) {
        let known = names.iter().find(|(known, _)| known == id).map(|(_, name)| (*name).to_owned());
        let name = own.get(id).cloned().or(known).unwrap_or_else(|| format!("property {id}"));
        for value in values(set, *at, page).into_iter().filter(|value| !value.trim().is_empty()) {
            out.push_str(&format!("{name}: {}\n", value.trim()));
        }
    }
}

/// MS-OLEPS §2.17: the names of the properties that people made up.
fn dictionary(set: &[u8], at: usize, page: u32) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    let mut next = at.saturating_add(4);
    for _ in 0..(u32_at(set, at).unwrap_or(0) as usize).min(MOST) {
        let (Some(id), Some(length)) = (u32_at(set, next), u32_at(set, next + 4)) else { break };
        let wide = page == 1200;
        let octets = slice_to_end(set, next + 8, (length as usize).saturating_mul(if wide { 2 } else { 1 }));
        names.insert(id, if wide { utf16_until_zero(octets) } else { in_code_page(until_zero(octets), page) });
        next += 8 + if wide { octets.len().next_multiple_of(4) } else { octets.len() };
    }
    names
}

fn values(set: &[u8], at: usize, page: u32) -> Vec<String> {
    let Some(kind) = u32_at(set, at) else { return Vec::new() };
    let at = at + 4;
    match kind {
        0x101e | 0x101f => {
            let mut next = at + 4;
            let count = (u32_at(set, at).unwrap_or(0) as usize).min(MOST);
            (0..count)
                .map_while(|_| {
                    let (text, after) = string(set, next, kind & 0xfff, page)?;
                    next = after;
                    Some(text)
                })
                .collect()
        }
        // A list of values of any kind: headings and numbers of parts.
        0x100c => {
            let mut next = at + 4;
            let count = (u32_at(set, at).unwrap_or(0) as usize).min(MOST);
            let mut out = Vec::new();
            for _ in 0..count {
                let inner = u32_at(set, next).unwrap_or(0);
                match string(set, next.saturating_add(4), inner, page) {
                    Some((text, after)) => {
                        out.push(text);
                        next = after;
                    }
                    None => next = next.saturating_add(8),
                }
            }
            out
        }
        0x02 => u16_at(set, at).map(|n| n.to_string()).into_iter().collect(),
        0x03 => u32_at(set, at).map(|n| (n as i32).to_string()).into_iter().collect(),
        0x0b => u16_at(set, at).map(|n| if n == 0 { "false" } else { "true" }.to_owned()).into_iter().collect(),
        0x05 => super::octets::f64_at(set, at).map(|n| n.to_string()).into_iter().collect(),
        kind => string(set, at, kind, page).map(|(text, _)| text).into_iter().collect(),
    }
}

/// A counted string and where the next one begins.
fn string(set: &[u8], at: usize, kind: u32, page: u32) -> Option<(String, usize)> {
    let length = u32_at(set, at)? as usize;
    match kind {
        0x1e if page == 1200 => Some((utf16_until_zero(slice(set, at + 4, length)?), at + 4 + length)),
        0x1e => Some((in_code_page(until_zero(slice(set, at + 4, length)?), page), at + 4 + length)),
        0x1f => {
            let octets = slice(set, at + 4, length.checked_mul(2)?)?;
            Some((utf16_until_zero(octets), at + 4 + octets.len().next_multiple_of(4)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_and_labels_are_named() {
        let text = |value: &[u8]| [&0x1eu32.to_le_bytes()[..], &(value.len() as u32).to_le_bytes(), value].concat();
        let mut own = vec![];
        let dictionary = [&1u32.to_le_bytes()[..], &2u32.to_le_bytes(), &5u32.to_le_bytes(), b"Mark\0"].concat();
        let page = [&2u32.to_le_bytes()[..], &1252u32.to_le_bytes()].concat();
        let value = text(b"Restreint\xe9\0");
        let mut at = 8 + 3 * 8;
        for (id, octets) in [(0u32, &dictionary), (1, &page), (2, &value)] {
            own.extend(id.to_le_bytes());
            own.extend((at as u32).to_le_bytes());
            at += octets.len();
        }
        let set = [&[0; 4][..], &3u32.to_le_bytes(), &own, &dictionary, &page, &value].concat();
        let mut stream = vec![0xfe, 0xff];
        stream.resize(24, 0);
        stream.extend(1u32.to_le_bytes());
        stream.extend([5; 16]);
        stream.extend(48u32.to_le_bytes());
        stream.extend(set);
        assert_eq!(read(&stream), "Mark: Restreinté\n");
        for cut in 0..stream.len() {
            read(&stream[..cut]);
        }
    }
}
