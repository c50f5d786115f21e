//! Turns the stream of an Excel workbook before 2007 (BIFF5 and BIFF8, MS-XLS §2.1.7) into tables, with all digits of its numbers.
//! Read here rather than by a crate: the one at hand panicked on one in eight broken files and shows dates and numbers its own way.
//!
//! | read | not read |
//! |---|---|
//! | cells of all sheets, hidden ones, rows and columns too: texts, numbers, dates, cached results of formulas | formulas themselves |
//! | comments and text boxes, page headers and footers, links, defined names, cached values of other workbooks, charts' values | pictures |
//! | strings that no cell shows | workbooks of Excel 4 and before |

use super::cells::{self, NumberFormat};
use super::octets::{f64_at, in_code_page, slice_to_end, strings, u8_at, u16_at, u32_at, utf16};
use super::plain::TableBuilder;
use super::*;
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Book {
    pub sheets: Vec<Sheet>,
    /// Names, links, strings in no cell, one per line.
    pub beside: String,
    pub unused: String,
    pub damaged: bool,
    pub over_budget: bool,
}

#[derive(Default)]
pub(super) struct Sheet {
    pub name: String,
    pub builder: TableBuilder,
    /// Comments, text boxes, page headers.
    pub beside: String,
    row: u16,
}

const CONTINUE: u16 = 0x3c;
const SHEETS: usize = 5_000;

/// `Err` when it is encrypted or no workbook. At most `limit` octets of text.
pub(super) fn read(stream: &[u8], limit: usize) -> Result<Book, Reason> {
    let mut reader = Reader { limit, ..Reader::default() };
    let mut at = 0;
    let mut any = false;
    while let (Some(id), Some(length)) = (u16_at(stream, at), u16_at(stream, at + 2)) {
        let content = slice_to_end(stream, at + 4, usize::from(length));
        reader.book.damaged |= content.len() < usize::from(length);
        let start = at;
        at += 4 + content.len();
        // What follows in records of its own belongs to this one.
        let mut pieces = vec![content];
        while u16_at(stream, at) == Some(CONTINUE) {
            let more = slice_to_end(stream, at + 4, usize::from(u16_at(stream, at + 2).unwrap_or(0)));
            pieces.push(more);
            at += 4 + more.len();
        }
        if id == 0x2f {
            return Err(Reason::Password);
        }
        any |= id == 0x0809;
        if !any && start > 4096 {
            return Err(Reason::Damaged);
        }
        reader.record(id, &pieces, start);
        if reader.spent() {
            reader.book.over_budget = true;
            break;
        }
    }
    if !any {
        return Err(Reason::Damaged);
    }
    Ok(reader.finish())
}

#[derive(Default)]
struct Reader {
    book: Book,
    limit: usize,
    kept: usize,
    biff5: bool,
    page: u32,
    from_1904: bool,
    /// Sheets' names by the place of their beginning.
    names: HashMap<usize, String>,
    texts: Vec<String>,
    used: Vec<bool>,
    formats: HashMap<u16, NumberFormat>,
    /// By index of XF.
    styles: Vec<u16>,
    /// Indices of the sheets that are open: a chart stands inside a sheet.
    open: Vec<Option<usize>>,
}

impl Reader {
    fn spent(&self) -> bool {
        self.kept > self.limit
    }

    fn record(&mut self, id: u16, pieces: &[&[u8]], start: usize) {
        let content = pieces.first().copied().unwrap_or_default();
        match id {
            0x0809 => self.begin(content, start),
            0x000a => drop(self.open.pop()),
            0x0042 => self.page = u32::from(u16_at(content, 0).unwrap_or(1252)),
            0x0022 => self.from_1904 = u16_at(content, 0) == Some(1),
            0x0085 => {
                let name = self.string(content, 6, 1);
                self.names.insert(u32_at(content, 0).unwrap_or(0) as usize, name);
            }
            0x00fc => self.shared_strings(pieces),
            0x041e => {
                let code = self.string(content, 2, if self.biff5 { 1 } else { 2 });
                self.formats.insert(u16_at(content, 0).unwrap_or(0), NumberFormat::written(&code));
            }
            0x00e0 => self.styles.push(u16_at(content, 2).unwrap_or(0)),
            0x00fd => {
                let n = u32_at(content, 6).unwrap_or(u32::MAX) as usize;
                if let Some(used) = self.used.get_mut(n) {
                    *used = true;
                    let text = std::mem::take(&mut self.texts[n]);
                    self.cell(content, &text);
                    self.texts[n] = text;
                }
            }
            0x0204 | 0x00d6 => {
                let text = self.string(content, 6, 2);
                self.cell(content, &text);
            }
            0x0203 => {
                let value = f64_at(content, 6).unwrap_or(0.0);
                self.number(content, u16_at(content, 2), u16_at(content, 4), value);
            }
            0x027e => {
                let value = cells::compressed_number(u32_at(content, 6).unwrap_or(0));
                self.number(content, u16_at(content, 2), u16_at(content, 4), value);
            }
            0x00bd => {
                let first = u16_at(content, 2).unwrap_or(0);
                for (n, pair) in content.get(4..).unwrap_or_default().chunks_exact(6).enumerate() {
                    let value = cells::compressed_number(u32_at(pair, 2).unwrap_or(0));
                    self.number(content, Some(first.saturating_add(n as u16)), u16_at(pair, 0), value);
                }
            }
            0x0006 => match (u16_at(content, 12), u8_at(content, 6)) {
                // The text of the result stands in the next record; it is put where the last cell is.
                (Some(0xffff), Some(0)) => self.cell(content, ""),
                (Some(0xffff), Some(1)) => {
                    let truth = if u8_at(content, 8) == Some(0) { "FALSE" } else { "TRUE" };
                    self.cell(content, truth);
                }
                (Some(0xffff), _) => {}
                _ => {
                    let value = f64_at(content, 6).unwrap_or(0.0);
                    self.number(content, u16_at(content, 2), u16_at(content, 4), value);
                }
            },
            0x0207 => {
                let text = self.continued(pieces, 0);
                self.kept += text.len();
                if let Some(sheet) = self.sheet() {
                    sheet.builder.extend_last(&text);
                }
            }
            0x0014 | 0x0015 => {
                let text = self.string(content, 0, if self.biff5 { 1 } else { 2 });
                self.beside(&text);
            }
            // A text box or comment: its text is in the first record that continues it.
            0x01b6 => {
                let length = usize::from(u16_at(content, 10).unwrap_or(0));
                let text = self.characters(pieces.get(1..).unwrap_or_default(), length);
                self.beside(&text);
            }
            0x0018 if !self.biff5 => {
                let length = usize::from(u8_at(content, 3).unwrap_or(0));
                let text = characters(slice_to_end(content, 15, length * 2), u8_at(content, 14).unwrap_or(0) & 1 != 0, length);
                self.beside(&text);
                self.beside(&strings(content));
            }
            // A comment before BIFF8; names, links, conditions, external values, lists of choices, queries, texts of charts.
            0x0018 | 0x001c | 0x01b8 | 0x01ae | 0x005a | 0x0017 | 0x01be | 0x01ad | 0x00cd | 0x00dc | 0x100d | 0x0023
            | 0x01b1 | 0x0800 => {
                let text = strings(&pieces.concat());
                self.beside(&text);
            }
            _ => {}
        }
    }

    fn begin(&mut self, content: &[u8], start: usize) {
        self.biff5 = u16_at(content, 0) == Some(0x0500);
        let globals = u16_at(content, 2) == Some(5);
        if globals || self.book.sheets.len() >= SHEETS || self.open.len() > 8 {
            self.open.push(None);
            return;
        }
        let name = self.names.get(&start).cloned().unwrap_or_else(|| format!("sheet {}", self.book.sheets.len() + 1));
        self.book.sheets.push(Sheet { name, ..Sheet::default() });
        self.open.push(Some(self.book.sheets.len() - 1));
    }

    /// The sheet that is being read; cells before the first one are given as one.
    fn sheet(&mut self) -> Option<&mut Sheet> {
        let index = self.open.last().copied().flatten()?;
        self.book.sheets.get_mut(index)
    }

    fn cell(&mut self, content: &[u8], text: &str) {
        let (Some(row), Some(column)) = (u16_at(content, 0), u16_at(content, 2)) else { return };
        self.kept += text.len() + 1;
        if let Some(sheet) = self.sheet() {
            if sheet.row != row {
                sheet.builder.end_row();
                sheet.row = row;
            }
            sheet.builder.cell(u32::from(column), text);
        }
    }

    fn number(&mut self, content: &[u8], column: Option<u16>, style: Option<u16>, value: f64) {
        let format = style.and_then(|style| self.styles.get(usize::from(style))).copied().unwrap_or(0);
        let built_in = NumberFormat::built_in(u32::from(format));
        let text = cells::float(value, self.formats.get(&format).unwrap_or(&built_in), self.from_1904);
        let (Some(row), Some(column)) = (u16_at(content, 0), column) else { return };
        let head = [row.to_le_bytes(), column.to_le_bytes()].concat();
        self.cell(&head, &text);
    }

    fn beside(&mut self, text: &str) {
        let text = text.trim_matches(|c: char| c.is_control() || c == ' ');
        if text.is_empty() || self.spent() {
            return;
        }
        self.kept += text.len() + 1;
        let into = match self.open.last().copied().flatten().and_then(|index| self.book.sheets.get_mut(index)) {
            Some(sheet) => &mut sheet.beside,
            None => &mut self.book.beside,
        };
        into.push_str(text);
        into.push('\n');
    }

    /// A string with its length in `width` octets before it, and a mark for UTF-16 in BIFF8.
    fn string(&self, content: &[u8], at: usize, width: usize) -> String {
        let length = match width {
            1 => usize::from(u8_at(content, at).unwrap_or(0)),
            _ => usize::from(u16_at(content, at).unwrap_or(0)),
        };
        let rest = content.get(at + width..).unwrap_or_default();
        if self.biff5 {
            return in_code_page(slice_to_end(rest, 0, length), self.page);
        }
        let Some((flags, rest)) = rest.split_first() else { return String::new() };
        characters(rest, flags & 1 != 0, length)
    }

    /// The same over several records.
    fn continued(&self, pieces: &[&[u8]], at: usize) -> String {
        if self.biff5 {
            return self.string(pieces.first().copied().unwrap_or_default(), at, 2);
        }
        let mut pieces = Pieces { pieces: pieces.to_vec(), piece: 0, at };
        let length = pieces.u16().unwrap_or(0);
        let wide = pieces.u8().unwrap_or(0) & 1 != 0;
        pieces.characters(usize::from(length), wide)
    }

    fn characters(&self, pieces: &[&[u8]], length: usize) -> String {
        if self.biff5 {
            return in_code_page(&pieces.concat(), self.page);
        }
        let mut pieces = Pieces { pieces: pieces.to_vec(), piece: 0, at: 0 };
        let wide = pieces.u8().unwrap_or(0) & 1 != 0;
        pieces.characters(length, wide)
    }

    /// MS-XLS §2.4.265.
    fn shared_strings(&mut self, pieces: &[&[u8]]) {
        let mut pieces = Pieces { pieces: pieces.to_vec(), piece: 0, at: 8 };
        while let (Some(length), Some(flags)) = (pieces.u16(), pieces.u8()) {
            let runs = if flags & 8 != 0 { pieces.u16().unwrap_or(0) } else { 0 };
            let extension = if flags & 4 != 0 { pieces.u32().unwrap_or(0) } else { 0 };
            let text = pieces.characters(usize::from(length), flags & 1 != 0);
            pieces.skip(usize::from(runs) * 4 + extension as usize);
            self.texts.push(text);
        }
        self.used = vec![false; self.texts.len()];
    }

    fn finish(mut self) -> Book {
        let unused = self.texts.iter().zip(&self.used).filter(|(_, used)| !**used);
        self.book.unused = unused.flat_map(|(text, _)| [text.as_str(), "\n"]).collect();
        self.book
    }
}

fn characters(octets: &[u8], wide: bool, length: usize) -> String {
    match wide {
        true => utf16(slice_to_end(octets, 0, length * 2)),
        false => slice_to_end(octets, 0, length).iter().map(|b| char::from(*b)).collect(),
    }
}

/// Records that continue each other, read as one.
struct Pieces<'x> {
    pieces: Vec<&'x [u8]>,
    piece: usize,
    at: usize,
}

impl Pieces<'_> {
    fn u8(&mut self) -> Option<u8> {
        loop {
            match self.pieces.get(self.piece)?.get(self.at) {
                Some(octet) => {
                    self.at += 1;
                    return Some(*octet);
                }
                None => self.next_piece(),
            }
        }
    }

    fn next_piece(&mut self) {
        self.at = self.at.saturating_sub(self.pieces.get(self.piece).map_or(0, |piece| piece.len()));
        self.piece += 1;
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.u8()?, self.u8()?]))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) | u32::from(self.u16()?) << 16)
    }

    fn skip(&mut self, octets: usize) {
        self.at = self.at.saturating_add(octets);
        while self.pieces.get(self.piece).is_some_and(|piece| self.at > piece.len()) {
            self.next_piece();
        }
    }

    /// Where characters go on in another record a mark says anew how wide they are (MS-XLS §2.5.293).
    fn characters(&mut self, length: usize, mut wide: bool) -> String {
        let mut out = String::new();
        let mut left = length;
        while left > 0 {
            let Some(piece) = self.pieces.get(self.piece) else { break };
            let rest = piece.get(self.at..).unwrap_or_default();
            let here = (rest.len() / if wide { 2 } else { 1 }).min(left);
            out.push_str(&characters(rest, wide, here));
            self.at += here * if wide { 2 } else { 1 };
            left -= here;
            if left > 0 {
                self.piece += 1;
                self.at = 0;
                let Some(mark) = self.u8() else { break };
                wide = mark & 1 != 0;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u16, content: &[u8]) -> Vec<u8> {
        [&id.to_le_bytes()[..], &(content.len() as u16).to_le_bytes(), content].concat()
    }

    fn cell(row: u16, column: u16, style: u16, rest: &[u8]) -> Vec<u8> {
        [&row.to_le_bytes()[..], &column.to_le_bytes(), &style.to_le_bytes(), rest].concat()
    }

    #[test]
    fn cells_of_all_kinds_stand_in_their_rows() {
        let bof = |kind: u16| record(0x0809, &[&0x0600u16.to_le_bytes()[..], &kind.to_le_bytes()].concat());
        let mut stream = bof(5);
        let sheet_name = stream.len();
        stream.extend(record(0x85, b"\0\0\0\0\0\0\x06\0Agents"));
        stream.extend(record(0xe0, &[0; 4]));
        stream.extend(record(0xe0, &[0, 0, 14, 0]));
        // Two strings, the second continued in UTF-16.
        stream.extend(record(0xfc, b"\x02\0\0\0\x02\0\0\0\x03\0\0NIR\x04\0\0ab"));
        stream.extend(record(0x3c, b"\x01c\0d\0"));
        stream.extend(record(0x0a, b""));
        let at = stream.len() as u32;
        stream[sheet_name + 4..sheet_name + 8].copy_from_slice(&at.to_le_bytes());
        stream.extend(bof(0x10));
        stream.extend(record(0xfd, &cell(0, 0, 0, &0u32.to_le_bytes())));
        stream.extend(record(0x0204, &cell(0, 1, 0, b"\x06\0\0Depuis")));
        stream.extend(record(0x0203, &cell(1, 0, 0, &185_057_800_608_491f64.to_le_bytes())));
        stream.extend(record(0x027e, &cell(1, 1, 1, &(46_347u32 << 2 | 2).to_le_bytes())));
        stream.extend(record(0x0006, &cell(2, 0, 0, &[0, 0, 0, 0, 0, 0, 0xff, 0xff])));
        stream.extend(record(0x0207, b"\x05\0\0given"));
        stream.extend(record(0x01b6, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]));
        stream.extend(record(0x3c, b"\0note"));
        stream.extend(record(0x0a, b""));
        let book = read(&stream, 1 << 20).unwrap();
        assert_eq!(book.unused, "abcd\n");
        let sheet = book.sheets.into_iter().next().unwrap();
        assert_eq!((sheet.name.as_str(), sheet.beside.as_str()), ("Agents", "note\n"));
        let (content, table) = sheet.builder.finish();
        assert_eq!(content, "NIR\tDepuis\n185057800608491\t2026-11-21\ngiven\n");
        assert_eq!(table.headers, [Some("NIR".to_owned()), Some("Depuis".to_owned())]);
        let locked = [record(0x0809, &[0, 6, 5, 0]), record(0x2f, &[0; 6])].concat();
        assert_eq!(read(&locked, 1 << 20).err(), Some(Reason::Password));
    }
}
