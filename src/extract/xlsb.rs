//! Turns the binary sheets of an xlsb workbook (MS-XLSB) into the same tables as those of an xlsx workbook.

use super::cells::{self, NumberFormat};
use super::octets::{f64_at, slice_to_end, strings, u8_at, u16_at, u32_at, utf16};
use super::spreadsheet::{Sheet, Workbook, within};
use std::collections::HashMap;

/// Records of a part: number and content (MS-XLSB §2.1.4).
fn records(octets: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let id = number(octets, &mut at, 2)?;
        let length = number(octets, &mut at, 4)? as usize;
        let content = slice_to_end(octets, at, length);
        at = at.saturating_add(length);
        Some((id, content))
    })
}

/// Seven bits an octet, the lowest first.
fn number(octets: &[u8], at: &mut usize, most: usize) -> Option<u32> {
    let mut value = 0u32;
    for n in 0..most {
        let octet = u8_at(octets, *at)?;
        *at += 1;
        // The number of a record keeps the bit that says that it goes on.
        value |= match most {
            2 => u32::from(octet) << (8 * n),
            _ => u32::from(octet & 0x7f) << (7 * n),
        };
        if octet & 0x80 == 0 {
            break;
        }
    }
    Some(value)
}

/// A counted string in UTF-16, and what follows it.
fn wide_string(content: &[u8], at: usize) -> (String, usize) {
    let length = u32_at(content, at).unwrap_or(0) as usize;
    let length = if length == u32::MAX as usize { 0 } else { length.saturating_mul(2) };
    let octets = slice_to_end(content, at + 4, length);
    (utf16(octets), at + 4 + octets.len())
}

pub(super) fn shared_strings(octets: &[u8], out: &mut Vec<String>) {
    out.extend(records(octets).filter(|(id, _)| *id == 19).map(|(_, content)| wide_string(content, 1).0));
}

pub(super) fn formats(octets: &[u8]) -> Vec<NumberFormat> {
    let mut own: HashMap<u16, NumberFormat> = HashMap::new();
    let (mut formats, mut in_cells) = (Vec::new(), false);
    for (id, content) in records(octets) {
        match id {
            44 => {
                own.insert(u16_at(content, 0).unwrap_or(0), NumberFormat::written(&wide_string(content, 2).0));
            }
            // Where the styles of cells begin and end (BrtBeginCellXFs, BrtEndCellXFs).
            0x04e9 => in_cells = true,
            0x04ea => in_cells = false,
            47 if in_cells && formats.len() < 100_000 => {
                let id = u16_at(content, 2).unwrap_or(0);
                formats.push(own.get(&id).cloned().unwrap_or_else(|| NumberFormat::built_in(u32::from(id))));
            }
            _ => {}
        }
    }
    formats
}

/// Relation and name of each sheet.
pub(super) fn sheet_names(octets: &[u8], book: &mut Workbook) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for (id, content) in records(octets) {
        match id {
            // BrtBundleSh.
            0x019c => {
                let (relation, after) = wide_string(content, 8);
                names.push((relation, wide_string(content, after).0));
            }
            // BrtWbProp.
            0x0199 => book.from_1904 = u8_at(content, 0).is_some_and(|flags| flags & 1 != 0),
            _ => {}
        }
    }
    names
}

pub(super) fn sheet(octets: &[u8], book: &mut Workbook, limit: usize) -> Sheet {
    let mut sheet = Sheet::default();
    for (id, content) in records(octets) {
        let column = u32_at(content, 0).unwrap_or(0) & 0xffff;
        let style = (u32_at(content, 4).unwrap_or(0) & 0xff_ffff) as usize;
        let format = book.formats.get(style).cloned().unwrap_or_default();
        let float = |value: f64| cells::float(value, &format, book.from_1904);
        match id {
            0 => sheet.builder.end_row(),
            2 => {
                let text = float(cells::compressed_number(u32_at(content, 8).unwrap_or(0)));
                sheet.builder.cell(column, &text);
            }
            5 | 9 => {
                let text = float(f64_at(content, 8).unwrap_or(0.0));
                sheet.builder.cell(column, &text);
            }
            4 | 10 => sheet.builder.cell(column, if u8_at(content, 8) == Some(0) { "FALSE" } else { "TRUE" }),
            6 | 8 => sheet.builder.cell(column, &wide_string(content, 8).0),
            62 => sheet.builder.cell(column, &wide_string(content, 9).0),
            7 => {
                let text = book.shared(u32_at(content, 8).unwrap_or(u32::MAX) as usize);
                sheet.builder.cell(column, within(text, limit, sheet.builder.len()));
            }
            // Links, lists of choices, page headers, and whatever else holds text.
            _ if content.len() >= 12 => sheet.beside.push_str(&strings(content)),
            _ => {}
        }
        if sheet.builder.len() > limit || sheet.beside.len() > limit {
            break;
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u32, content: &[u8]) -> Vec<u8> {
        let mut out = vec![id as u8];
        if id > 127 {
            out.push((id >> 8) as u8);
        }
        out.push(content.len() as u8);
        out.extend(content);
        out
    }

    fn text(text: &str) -> Vec<u8> {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [&((units.len() / 2) as u32).to_le_bytes()[..], &units].concat()
    }

    #[test]
    fn binary_cells_are_read() {
        let mut strings = Vec::new();
        shared_strings(&record(19, &[&[0][..], &text("NIR")].concat()), &mut strings);
        let styles = [
            record(44, &[&164u16.to_le_bytes()[..], &text("00000")].concat()),
            record(0x04e9, b""),
            record(47, &[0, 0, 0, 0]),
            record(47, &[0, 0, 164, 0]),
            record(0x04ea, b""),
        ]
        .concat();
        let mut book = Workbook { used: vec![false; strings.len()], strings, formats: formats(&styles), ..Workbook::default() };
        let at = |column: u32, style: u32| [column.to_le_bytes(), style.to_le_bytes()].concat();
        let rows = [
            record(0, &[0; 4]),
            record(7, &[at(0, 0), 0u32.to_le_bytes().to_vec()].concat()),
            record(6, &[at(1, 0), text("Code")].concat()),
            record(0, &[0; 4]),
            record(5, &[at(0, 0), 185_057_800_608_491f64.to_le_bytes().to_vec()].concat()),
            record(2, &[at(1, 1), (75u32 << 2 | 2).to_le_bytes().to_vec()].concat()),
        ]
        .concat();
        let (content, table) = sheet(&rows, &mut book, 1 << 20).builder.finish();
        assert_eq!(content, "NIR\tCode\n185057800608491\t00075\n");
        assert_eq!((table.headers.len(), &book.used), (2, &vec![true]));
        let names = sheet_names(&record(0x019c, &[&[0; 8][..], &text("rId1"), &text("Agents")].concat()), &mut book);
        assert_eq!(names, [("rId1".to_owned(), "Agents".to_owned())]);
    }
}
