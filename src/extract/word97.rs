//! Turns the streams of a Word document before 2007 into its text, in the order of its piece table (MS-DOC §2.4.1), one text for each
//! subdocument.
//!
//! | read | not read |
//! |---|---|
//! | body, foot- and endnotes, page headers and footers, comments, text boxes; saved fast or whole; 8-bit and UTF-16 pieces | formatting |
//! | hidden and deleted text, by a second reading with it in its place (Word 97 and later) | text that only its style hides |
//! | the codes of fields (link targets), apart from what they show | pictures and drawings (see `ole.rs` for embedded objects) |
//! | text that no piece shows any more | |
//! | Word 6 and 95: the same, in the code page of the document's language | Word 2 and before: its strings only |

use super::octets::{in_code_page, slice, slice_to_end, u8_at, u16_at, u32_at, utf16};
use super::*;
use std::ops::Range;

#[derive(Debug, Default)]
pub(super) struct WordText {
    /// Place below the document (empty: the body) and text.
    pub texts: Vec<(&'static str, String)>,
    /// The same with what is hidden or deleted in its place, where anything is.
    pub everything: String,
    /// Codes of fields.
    pub codes: String,
    /// Text in the stream that no piece refers to: what fast saving left behind.
    pub remains: String,
    pub damaged: bool,
}

/// Where the lengths of the subdocuments stand in the header (MS-DOC §2.5.4), and what they are.
const SUBDOCUMENTS: [(usize, &str); 8] = [
    (0x4c, ""),
    (0x50, "footnotes"),
    (0x54, "headers and footers"),
    (0x58, "macros"),
    (0x5c, "comments"),
    (0x60, "endnotes"),
    (0x64, "text boxes"),
    (0x68, "text boxes of headers"),
];

/// `Err` when it is encrypted or not such a document. `table` gives the stream `0Table` or `1Table`.
pub(super) fn read(main: &[u8], table: impl Fn(&str) -> Vec<u8>) -> Result<WordText, Reason> {
    let flags = u16_at(main, 0x0a).ok_or(Reason::Damaged)?;
    let version = u16_at(main, 2).unwrap_or(0);
    match u16_at(main, 0) {
        Some(0xa5ec | 0xa5dc) => {}
        _ => return Err(Reason::Damaged),
    }
    if flags & 0x0100 != 0 {
        return Err(Reason::Password);
    }
    // Word 6 and 95 keep everything in one stream, and other places in the header.
    let old = version < 0xc0;
    let mut out = WordText::default();
    let places: [(usize, &str); 8] = if old { SUBDOCUMENTS.map(|(at, name)| (at - 0x18, name)) } else { SUBDOCUMENTS };
    let lengths = places.map(|(at, name)| (u32_at(main, at).unwrap_or(0) as usize, name));
    let table = match old {
        true => main.to_vec(),
        false => table(if flags & 0x0200 != 0 { "1Table" } else { "0Table" }),
    };
    let (clx_at, clx_length) = if old { (0x160, 0x164) } else { (0x1a2, 0x1a6) };
    let clx = slice_to_end(&table, u32_at(main, clx_at).unwrap_or(0) as usize, u32_at(main, clx_length).unwrap_or(0) as usize);
    let first = u32_at(main, 0x18).unwrap_or(0) as usize;
    let last = u32_at(main, 0x1c).unwrap_or(0) as usize;
    let page = if old { code_page_of(u16_at(main, 6).unwrap_or(0)) } else { 1252 };
    let mut pieces = pieces(clx, old);
    if pieces.is_empty() {
        // Without a table the text stands in one piece; a complex document has lost it.
        out.damaged = !old || flags & 4 != 0;
        pieces.push(Piece { from: 0, to: last.saturating_sub(first), at: first, wide: false });
    }
    let hidden = if old { Vec::new() } else { hidden(main, &table) };
    let mut covered: Vec<(usize, usize)> = Vec::new();
    let mut start = 0usize;
    for (length, name) in lengths {
        let end = start.saturating_add(length);
        let (mut raw, mut seen) = (String::new(), String::new());
        for piece in &pieces {
            let (from, to) = (piece.from.max(start), piece.to.min(end));
            if from >= to {
                continue;
            }
            let width = if piece.wide { 2 } else { 1 };
            let at = piece.at.saturating_add((from - piece.from) * width);
            let octets = slice_to_end(main, at, (to - from) * width);
            out.damaged |= octets.len() < (to - from) * width;
            covered.push((at, at + octets.len()));
            let text = |octets: &[u8]| if piece.wide { utf16(octets) } else { in_code_page(octets, page) };
            raw.push_str(&text(octets));
            if !hidden.is_empty() {
                for shown in outside(&hidden, at..at + octets.len()) {
                    seen.push_str(&text(&main[shown]));
                }
            }
            // Pieces may overlap a thousand times; what is shown is never longer than this.
            if raw.len() > main.len().saturating_mul(4) {
                out.damaged = true;
                break;
            }
        }
        let everything = shown(&raw, &mut out.codes);
        if hidden.is_empty() || seen == raw {
            out.texts.push((name, everything));
        } else {
            out.texts.push((name, shown(&seen, &mut String::new())));
            out.everything.push_str(&everything);
        }
        start = end;
    }
    out.remains = remains(main, first, last, covered);
    Ok(out)
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Positions in characters.
    from: usize,
    to: usize,
    /// Octets from the beginning of the stream.
    at: usize,
    wide: bool,
}

/// MS-DOC §2.9.38, §2.8.35, §2.9.73.
fn pieces(clx: &[u8], old: bool) -> Vec<Piece> {
    let mut at = 0;
    while u8_at(clx, at) == Some(1) {
        at += 3 + usize::from(u16_at(clx, at + 1).unwrap_or(0));
    }
    if u8_at(clx, at) != Some(2) {
        return Vec::new();
    }
    let plc = slice_to_end(clx, at + 5, u32_at(clx, at + 1).unwrap_or(0) as usize);
    let count = plc.len().saturating_sub(4) / 12;
    let piece = |n: usize| {
        let (from, to) = (u32_at(plc, n * 4)? as usize, u32_at(plc, n * 4 + 4)? as usize);
        let place = u32_at(plc, (count + 1) * 4 + n * 8 + 2)?;
        let wide = !old && place & 0x4000_0000 == 0;
        let at = (place & 0x3fff_ffff) as usize;
        Some(Piece { from, to, at: if wide || old { at } else { at / 2 }, wide })
    };
    (0..count).filter_map(piece).collect()
}

/// Where in the stream text stands that is hidden or deleted, in order (MS-DOC §2.8.6, §2.9.32, §2.6.1).
fn hidden(main: &[u8], table: &[u8]) -> Vec<Range<usize>> {
    let plc = slice_to_end(table, u32_at(main, 0xfa).unwrap_or(0) as usize, u32_at(main, 0xfe).unwrap_or(0) as usize);
    let count = plc.len().saturating_sub(4) / 8;
    let mut found = Vec::new();
    // A stream has no more pages than it is long.
    for n in 0..count.min(main.len() / PAGE + 1) {
        let page = u32_at(plc, (count + 1) * 4 + n * 4).unwrap_or(0) & 0x3f_ffff;
        let Some(page) = slice(main, page as usize * PAGE, PAGE) else { continue };
        let runs = usize::from(page[PAGE - 1]);
        for run in 0..runs {
            let (Some(from), Some(to), Some(at)) =
                (u32_at(page, run * 4), u32_at(page, run * 4 + 4), u8_at(page, (runs + 1) * 4 + run))
            else {
                break;
            };
            let at = usize::from(at) * 2;
            let properties = slice(page, at + 1, usize::from(u8_at(page, at).unwrap_or(0))).unwrap_or_default();
            if at > 0 && from < to && hides(properties) {
                found.push(from as usize..to as usize);
            }
        }
    }
    found.sort_unstable_by_key(|range| (range.start, range.end));
    found
}

/// Octets of a page of formatting.
const PAGE: usize = 512;

/// Does a list of changes to the formatting set "hidden" or "deleted"?
fn hides(properties: &[u8]) -> bool {
    let mut at = 0;
    while let Some(code) = u16_at(properties, at) {
        at += 2;
        let value = u8_at(properties, at).unwrap_or(0);
        // sprmCFVanish, which 0x81 turns against the style, and sprmCFRMarkDel.
        if code == 0x083c && matches!(value, 1 | 0x81) || code == 0x0800 && value == 1 {
            return true;
        }
        at += match code >> 13 {
            0 | 1 => 1,
            2 | 4 | 5 => 2,
            3 => 4,
            6 => 1 + usize::from(value),
            _ => 3,
        };
    }
    false
}

/// The parts of a range that lie outside of all ranges of a sorted list.
fn outside(hidden: &[Range<usize>], whole: Range<usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut at = whole.start;
    // What begins before may reach into it: pages are in order, and so are the runs of one.
    let from = hidden.partition_point(|range| range.end <= whole.start);
    for range in hidden[from..].iter().take_while(|range| range.start < whole.end) {
        if range.start > at {
            parts.push(at..range.start);
        }
        at = at.max(range.end);
    }
    if at < whole.end {
        parts.push(at..whole.end);
    }
    parts
}

/// The special characters of Word (MS-DOC §2.4.1 and §2.8.25) as text; the codes of fields apart.
fn shown(raw: &str, codes: &mut String) -> String {
    let mut out = String::with_capacity(raw.len());
    // For each open field: are we in its code?
    let mut fields: Vec<bool> = Vec::new();
    let mut cell = false;
    for c in raw.chars() {
        let was_cell = std::mem::replace(&mut cell, false);
        if c == '\u{15}' {
            if fields.pop() == Some(true) {
                codes.push('\n');
            }
            continue;
        }
        let in_code = fields.contains(&true);
        let into: &mut String = if in_code { codes } else { &mut out };
        match c {
            '\u{13}' if fields.len() < 100 => fields.push(true),
            '\u{14}' => {
                if let Some(last) = fields.last_mut() {
                    *last = false;
                }
                codes.push('\n');
            }
            // The end of a cell; after the last cell the end of the row.
            '\u{7}' if was_cell => into.push('\n'),
            '\u{7}' => {
                into.push('\t');
                cell = true;
            }
            '\r' | '\u{b}' | '\u{c}' | '\u{e}' => into.push('\n'),
            '\u{1e}' => into.push('-'),
            '\t' | '\n' => into.push(c),
            // Anchors of pictures, notes and drawings, optional hyphens.
            c if c < ' ' => {}
            c => into.push(c),
        }
    }
    out
}

/// Letters between the beginning and the end of the text that belong to no piece.
fn remains(main: &[u8], first: usize, last: usize, mut covered: Vec<(usize, usize)>) -> String {
    covered.sort_unstable();
    covered.push((last, last));
    let mut out = String::new();
    let mut at = first;
    for (from, to) in covered {
        if from > at {
            let gap = slice(main, at, from.min(last).saturating_sub(at)).unwrap_or_default();
            out.push_str(&super::octets::strings(gap));
        }
        at = at.max(to);
    }
    out
}

/// The code page of documents in a language (MS-LCID), for those that were written before UTF-16.
fn code_page_of(language: u16) -> u32 {
    match language & 0x3ff {
        0x05 | 0x0e | 0x15 | 0x18 | 0x1a | 0x1b | 0x1c | 0x24 => 1250,
        0x02 | 0x19 | 0x22 | 0x23 | 0x2f => 1251,
        0x08 => 1253,
        0x1f => 1254,
        0x0d => 1255,
        0x01 => 1256,
        0x25..=0x27 => 1257,
        0x11 => 932,
        0x12 => 949,
        0x04 => 936,
        _ => 1252,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A document of two pieces, the second in UTF-16, with footnotes, and a letter that was deleted by fast saving.
    fn document() -> (Vec<u8>, Vec<u8>) {
        let mut main = vec![0u8; 0x400];
        main[..2].copy_from_slice(&0xa5ecu16.to_le_bytes());
        main[2..4].copy_from_slice(&0xc1u16.to_le_bytes());
        let narrow = b"NIR 1 85 05 \x13 HYPERLINK \"https://x.example\" \x14link\x15 78 \xe9";
        let wide: Vec<u8> = "006 084\u{7}b\u{7}\u{7}\rfoot note\r".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let body = narrow.len() + 12;
        main[0x18..0x1c].copy_from_slice(&0x400u32.to_le_bytes());
        main[0x4c..0x50].copy_from_slice(&(body as u32).to_le_bytes());
        main[0x50..0x54].copy_from_slice(&10u32.to_le_bytes());
        main.extend_from_slice(narrow);
        main.extend_from_slice(b"deleted long ago");
        let at_wide = main.len();
        main.extend_from_slice(&wide);
        let last = main.len() as u32;
        main[0x1c..0x20].copy_from_slice(&last.to_le_bytes());
        let mut plc = Vec::new();
        for cp in [0, narrow.len() as u32, narrow.len() as u32 + 22] {
            plc.extend(cp.to_le_bytes());
        }
        for place in [0x4000_0000 | 0x800, at_wide as u32] {
            plc.extend([0, 0]);
            plc.extend(place.to_le_bytes());
            plc.extend([0, 0]);
        }
        let mut table = vec![2];
        table.extend((plc.len() as u32).to_le_bytes());
        table.extend(plc);
        main[0x1a6..0x1aa].copy_from_slice(&(table.len() as u32).to_le_bytes());
        (main, table)
    }

    #[test]
    fn pieces_make_one_text_and_each_subdocument_its_own() {
        let (main, table) = document();
        let read = read(&main, |_| table.clone()).unwrap();
        assert_eq!(read.texts[0], ("", "NIR 1 85 05 link 78 é006 084\tb\t\n\n".to_owned()));
        assert_eq!(read.texts[1], ("footnotes", "foot note\n".to_owned()));
        assert!(read.codes.contains("https://x.example") && !read.damaged, "{read:?}");
        assert_eq!(read.remains, "deleted long ago\n");
    }

    #[test]
    fn hidden_and_deleted_text_is_left_out_of_what_is_shown_and_read_besides() {
        let (mut main, mut table) = document();
        main.resize(0xa00, 0);
        // One page of formatting: the text begins at 0x400, "85 " is hidden, "05 " deleted, "1 " bold.
        let mut page = vec![0u8; PAGE];
        for (n, place) in [0x400u32, 0x404, 0x406, 0x409, 0x40c, 0x410].into_iter().enumerate() {
            page[n * 4..n * 4 + 4].copy_from_slice(&place.to_le_bytes());
        }
        page[24..29].copy_from_slice(&[0, 0x80, 0x88, 0x90, 0]);
        page[0x100..0x104].copy_from_slice(&[3, 0x35, 0x08, 1]);
        page[0x110..0x117].copy_from_slice(&[6, 0x35, 0x08, 1, 0x3c, 0x08, 1]);
        page[0x120..0x128].copy_from_slice(&[7, 0x43, 0x4a, 24, 0, 0x00, 0x08, 1]);
        page[PAGE - 1] = 5;
        main.extend_from_slice(&page);
        let place = table.len() as u32;
        for value in [0x400, 0x410, 5] {
            table.extend(u32::to_le_bytes(value));
        }
        main[0xfa..0xfe].copy_from_slice(&place.to_le_bytes());
        main[0xfe..0x102].copy_from_slice(&12u32.to_le_bytes());
        let read = read(&main, |_| table.clone()).unwrap();
        assert_eq!(read.texts[0].1, "NIR 1 link 78 é006 084\tb\t\n\n");
        assert_eq!(read.everything, "NIR 1 85 05 link 78 é006 084\tb\t\n\n");
    }

    #[test]
    fn an_encrypted_document_is_told_by_its_header() {
        let (mut main, table) = document();
        main[0x0b] |= 1;
        assert_eq!(read(&main, |_| table.clone()).unwrap_err(), Reason::Password);
    }
}
