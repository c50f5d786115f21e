//! Turns the sheets of an xlsx workbook into tables. Read here rather than by a crate: a cell is given with all its digits as they
//! stand in the file, and a lone cell in the last corner of a sheet costs one cell, not a rectangle of seventeen thousand million.
//!
//! | read | not read |
//! |---|---|
//! | cells of every sheet, hidden ones, rows and columns too; all digits; dates, leading zeros and prefixes as formatted | |
//! | formulas with text in them, prompts, lists of choices, page headers, links, strings in no cell | other formulas |

use super::cells::{self, NumberFormat};
use super::markup::{Markup, Tag, Token, unescape};
use super::office::DocumentPart;
use super::plain::TableBuilder;
use super::reading::Reading;
use super::*;
use super::{xlsb, xml};
use std::borrow::Cow;
use std::collections::HashMap;

/// Shared by all sheets of one workbook.
#[derive(Default)]
pub(super) struct Workbook {
    pub strings: Vec<String>,
    /// For each of them: does some cell show it?
    pub used: Vec<bool>,
    /// A string too long for any cell stands in several; only the first of them was given.
    pub too_long: bool,
    /// By index of `cellXfs`.
    pub formats: Vec<NumberFormat>,
    pub from_1904: bool,
}

#[derive(Default)]
pub(super) struct Sheet {
    pub builder: TableBuilder,
    /// Formulas with text in them: `="4111"&A1` shows more than its last value.
    pub formulas: String,
    /// Page headers and footers, prompts, lists of choices.
    pub beside: String,
    pub damaged: bool,
}

/// Octets of text in one cell: at most three for each of 32,767 UTF-16 units (Excel specifications and limits).
const LONGEST_CELL: usize = 3 * 32_767;
/// Styles of one workbook; Excel itself stops at 65,490.
const STYLES: usize = 100_000;

impl Workbook {
    /// What a cell shows of its place among the shared strings. Of a string that is too long for a cell only the first cell gives it:
    /// a hundred thousand cells that name one megabyte cost a few octets each.
    pub(super) fn shared(&mut self, n: usize) -> &str {
        let Some(text) = self.strings.get(n) else { return "" };
        let shown_before = self.used.get_mut(n).is_some_and(|used| std::mem::replace(used, true));
        if shown_before && text.len() > LONGEST_CELL {
            self.too_long = true;
            return "";
        }
        text
    }
}

impl Reading {
    pub(super) fn workbook(&mut self, parts: &[DocumentPart], place: &str, group: u32) {
        let find =
            |name: &str| parts.iter().find(|part| part.name.eq_ignore_ascii_case(name)).map(|part| part.octets.as_slice());
        let mut book = Workbook::default();
        let mut damaged = false;
        if let Some(octets) = find("xl/sharedStrings.xml") {
            damaged |= !shared_strings(octets, &mut book.strings);
        } else if let Some(octets) = find("xl/sharedStrings.bin") {
            xlsb::shared_strings(octets, &mut book.strings);
        }
        book.used = vec![false; book.strings.len()];
        if let Some(octets) = find("xl/styles.xml") {
            book.formats = formats(octets);
        } else if let Some(octets) = find("xl/styles.bin") {
            book.formats = xlsb::formats(octets);
        }
        let binary = find("xl/workbook.bin");
        let relations = find("xl/_rels/workbook.xml.rels").or_else(|| find("xl/_rels/workbook.bin.rels")).unwrap_or_default();
        let targets = targets(relations);
        let names = match binary {
            Some(octets) => xlsb::sheet_names(octets, &mut book),
            None => sheet_names(find("xl/workbook.xml").unwrap_or_default(), &mut book),
        };
        let names: HashMap<&str, &str> =
            names.iter().filter_map(|(id, name)| Some((targets.get(id)?.as_str(), name.as_str()))).collect();
        for part in parts {
            let lower = part.name.to_ascii_lowercase();
            let of_sheets = lower.starts_with("xl/worksheets/") || lower.starts_with("xl/macrosheets/");
            let is_binary = lower.ends_with(".bin") && binary.is_some();
            if !of_sheets || !(lower.ends_with(".xml") || is_binary) || lower.contains("binaryindex") {
                continue;
            }
            let file = part.name.rsplit('/').next().unwrap_or(&part.name);
            let name = names.get(file).copied().unwrap_or_else(|| file.split('.').next().unwrap_or(file)).to_owned();
            let place = self.place(place, &name);
            let limit = self.budget.text_left();
            let sheet =
                if is_binary { xlsb::sheet(&part.octets, &mut book, limit) } else { sheet(&part.octets, &mut book, limit) };
            damaged |= sheet.damaged;
            self.name(&place, group, &name);
            let (content, table) = sheet.builder.finish();
            self.table(&place, TextKind::Attachment, group, content, Some(table));
            self.text(&place, TextKind::Alternative, group, sheet.formulas);
            self.text(&place, TextKind::Attachment, group, sheet.beside);
        }
        // Excel keeps strings of deleted cells for a while; whoever opens the archive can read them.
        let unused = book.strings.iter().zip(&book.used).filter(|(_, used)| !**used);
        let unused: String = unused.flat_map(|(text, _)| [text.as_str(), "\n"]).collect();
        self.text(&format!("{place} > unused strings"), TextKind::Alternative, group, unused);
        if damaged || book.too_long {
            self.unreadable(place, Reason::Damaged);
        }
    }
}

fn shared_strings(octets: &[u8], strings: &mut Vec<String>) -> bool {
    let source = xml::decode(octets);
    let mut markup = Markup::new(&source);
    let (mut current, mut in_text, mut phonetic) = (String::new(), false, false);
    for token in markup.by_ref() {
        match token {
            Token::Start(tag) => match tag.name {
                "si" if tag.empty => strings.push(String::new()),
                "si" => current.clear(),
                "t" => in_text = !phonetic && !tag.empty,
                "rPh" => phonetic = !tag.empty,
                _ => {}
            },
            Token::End(name) => match name {
                "si" => strings.push(std::mem::take(&mut current)),
                "t" => in_text = false,
                "rPh" => phonetic = false,
                _ => {}
            },
            Token::Text(text) if in_text => current.push_str(&unescape(text)),
            Token::Cdata(text) if in_text => current.push_str(text),
            // Counted as a string that no cell shows.
            Token::Comment(text) => strings.push(text.to_owned()),
            _ => {}
        }
    }
    if !current.is_empty() {
        strings.push(current);
    }
    !markup.damaged
}

/// ECMA-376 part 1 §18.8.
fn formats(octets: &[u8]) -> Vec<NumberFormat> {
    let source = xml::decode(octets);
    let mut own: HashMap<String, NumberFormat> = HashMap::new();
    let (mut formats, mut in_cells) = (Vec::new(), false);
    for token in Markup::new(&source) {
        match token {
            Token::Start(tag) => match tag.name {
                "numFmt" => {
                    if let (Some(id), Some(code)) = (tag.attribute("numFmtId"), tag.attribute("formatCode")) {
                        own.insert(id.into_owned(), NumberFormat::written(&code));
                    }
                }
                "cellXfs" => in_cells = true,
                "xf" if in_cells => {
                    let id = tag.attribute("numFmtId").unwrap_or_default();
                    let built_in = || NumberFormat::built_in(id.parse().unwrap_or(0));
                    formats.push(own.get(&*id).cloned().unwrap_or_else(built_in));
                }
                _ => {}
            },
            Token::End("cellXfs") => in_cells = false,
            _ => {}
        }
        if formats.len() >= STYLES {
            break;
        }
    }
    formats
}

/// Which file each relation leads to.
fn targets(relations: &[u8]) -> HashMap<String, String> {
    let source = xml::decode(relations);
    let starts = Markup::new(&source).filter_map(|token| match token {
        Token::Start(tag) => Some((tag.attribute("Id")?.into_owned(), tag.attribute("Target")?)),
        _ => None,
    });
    let file = |target: Cow<str>| target.rsplit('/').next().unwrap_or_default().to_owned();
    starts.take(10_000).map(|(id, target)| (id, file(target))).collect()
}

/// The names of sheets, hidden ones too, by their relation.
fn sheet_names(workbook: &[u8], book: &mut Workbook) -> Vec<(String, String)> {
    let source = xml::decode(workbook);
    let mut names = Vec::new();
    for token in Markup::new(&source) {
        let Token::Start(tag) = token else { continue };
        match tag.name {
            "sheet" => {
                if let (Some(name), Some(id)) = (tag.attribute("name"), tag.attribute("id")) {
                    names.push((id.into_owned(), name.into_owned()));
                }
            }
            "workbookPr" => book.from_1904 = matches!(tag.attribute("date1904").as_deref(), Some("1" | "true")),
            _ => {}
        }
    }
    names
}

#[derive(Clone, Copy, PartialEq)]
enum In {
    Nothing,
    Value,
    Formula,
    Beside,
}

fn sheet(octets: &[u8], book: &mut Workbook, limit: usize) -> Sheet {
    let source = xml::decode(octets);
    let mut markup = Markup::new(&source);
    let mut sheet = Sheet::default();
    let (mut cell, mut column, mut next_column) = (CellStart::default(), 0u32, 0u32);
    let mut value: Cow<str> = "".into();
    let mut formula: Cow<str> = "".into();
    let mut inside = In::Nothing;
    let mut phonetic = false;
    for token in markup.by_ref() {
        match token {
            Token::Start(tag) => match tag.name {
                "c" => {
                    cell = CellStart::read(&tag);
                    column = cell.column.unwrap_or(next_column);
                    next_column = column.saturating_add(1);
                    value = "".into();
                    formula = "".into();
                }
                "v" | "t" if !tag.empty && !phonetic => inside = In::Value,
                "row" => {
                    sheet.builder.end_row();
                    next_column = 0;
                }
                "f" if !tag.empty => inside = In::Formula,
                "rPh" => phonetic = !tag.empty,
                "is" | "r" | "rPr" => {}
                // Page headers and footers, lists of choices, conditions: each ends a line.
                _ => {
                    inside = if tag.empty { In::Nothing } else { In::Beside };
                    xml::attributes(&tag, &mut sheet.beside, &mut String::new());
                }
            },
            Token::Text(text) => match inside {
                In::Value => join(&mut value, unescape(text)),
                In::Formula => join(&mut formula, unescape(text)),
                In::Beside => xml::line(&mut sheet.beside, &unescape(text)),
                In::Nothing => {}
            },
            Token::Cdata(text) => match inside {
                In::Value => join(&mut value, text.into()),
                In::Formula => join(&mut formula, text.into()),
                _ => xml::line(&mut sheet.beside, text),
            },
            Token::End(name) => match name {
                "c" => {
                    let shown = shown(&cell, &value, book);
                    if !shown.is_empty() {
                        sheet.builder.cell(column, within(&shown, limit, sheet.builder.len()));
                    }
                    if formula.contains('"') {
                        xml::line(&mut sheet.formulas, &formula);
                    }
                    inside = In::Nothing;
                }
                "row" => {
                    sheet.builder.end_row();
                    if sheet.builder.len() > limit {
                        break;
                    }
                }
                "rPh" => phonetic = false,
                _ => inside = In::Nothing,
            },
            Token::Comment(text) => xml::line(&mut sheet.beside, text),
            Token::Doctype(_) => {}
        }
        if sheet.builder.len() > limit {
            break;
        }
    }
    sheet.damaged = markup.damaged;
    sheet
}

/// As much of a cell's text as brings the sheet just beyond its limit, so that it is told as over the budget, and no more is copied.
pub(super) fn within(text: &str, limit: usize, used: usize) -> &str {
    &text[..text.ceil_char_boundary(limit.saturating_sub(used).saturating_add(1).min(text.len()))]
}

fn join<'x>(value: &mut Cow<'x, str>, text: Cow<'x, str>) {
    match value.is_empty() {
        true => *value = text,
        false => value.to_mut().push_str(&text),
    }
}

/// What a `c` element says of its cell; read in one pass, for a sheet has a hundred thousand of them.
#[derive(Default)]
struct CellStart {
    column: Option<u32>,
    kind: CellKind,
    style: usize,
}

/// ECMA-376 part 1 §18.18.11.
#[derive(Clone, Copy, Default)]
enum CellKind {
    #[default]
    Number,
    /// Its value is a place among the shared strings.
    Shared,
    /// Its value stands as it is shown.
    Written,
    Truth,
}

impl CellStart {
    fn read(tag: &Tag) -> CellStart {
        let (mut place, mut kind, mut style) = (None, None, None);
        for (key, value) in tag.attributes() {
            // Of a repeated attribute the first counts.
            let wanted = match key {
                "r" => &mut place,
                "t" => &mut kind,
                "s" => &mut style,
                _ => continue,
            };
            wanted.get_or_insert(unescape(value));
        }
        CellStart {
            column: place.and_then(|name| column_of(&name)),
            kind: match kind.as_deref() {
                Some("s") => CellKind::Shared,
                Some("inlineStr" | "str" | "e" | "d") => CellKind::Written,
                Some("b") => CellKind::Truth,
                _ => CellKind::Number,
            },
            style: style.and_then(|n| n.parse().ok()).unwrap_or(0),
        }
    }
}

/// `BC12` is column 54.
fn column_of(cell: &str) -> Option<u32> {
    let letters = cell.bytes().take_while(u8::is_ascii_alphabetic);
    let number = letters.take(4).fold(0u32, |n, b| n * 26 + u32::from(b.to_ascii_uppercase() - b'A') + 1);
    number.checked_sub(1).filter(|n| *n < 16_384)
}

fn shown<'x>(cell: &CellStart, value: &'x str, book: &'x mut Workbook) -> Cow<'x, str> {
    match cell.kind {
        CellKind::Shared => match value.trim().parse::<usize>() {
            Ok(n) => book.shared(n).into(),
            Err(_) => "".into(),
        },
        CellKind::Written => value.into(),
        CellKind::Truth => if value.trim() == "1" { "TRUE" } else { "FALSE" }.into(),
        CellKind::Number => {
            let format = book.formats.get(cell.style).unwrap_or(&NumberFormat::General);
            cells::number(value.trim(), format, book.from_1904)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_cells_are_columns() {
        assert_eq!((column_of("A1"), column_of("BC12"), column_of("XFE1")), (Some(0), Some(54), None));
    }

    #[test]
    fn a_string_too_long_for_a_cell_is_given_once_and_told_and_no_other_is() {
        for (length, given, told) in [(LONGEST_CELL, 3 * LONGEST_CELL, false), (LONGEST_CELL + 1, LONGEST_CELL + 1, true)] {
            let mut book = Workbook { strings: vec!["x".repeat(length)], used: vec![false], ..Workbook::default() };
            let rows = format!("<row>{}</row>", "<c t='s'><v>0</v></c>".repeat(3));
            let sheet = sheet(rows.as_bytes(), &mut book, 1 << 20);
            let shown = sheet.builder.finish().0;
            assert_eq!((shown.matches('x').count(), book.too_long), (given, told));
        }
    }

    #[test]
    fn a_cell_beyond_the_limit_is_cut_and_the_sheet_is_still_over_it() {
        let mut book = Workbook { strings: vec!["é".repeat(1_000)], used: vec![false], ..Workbook::default() };
        let cut = sheet("<row><c t='s'><v>0</v></c><c t='s'><v>0</v></c></row>".as_bytes(), &mut book, 100);
        assert_eq!((cut.builder.len(), within("abc", 100, 97)), (102, "abc"));
    }

    #[test]
    fn a_cell_shows_its_value_as_it_is_formatted() {
        let styles = b"<styleSheet><numFmts><numFmt numFmtId='164' formatCode='0#&quot; &quot;##'/></numFmts><cellXfs><xf numFmtId='0'/><xf numFmtId='164'/></cellXfs></styleSheet>";
        let mut book = Workbook {
            formats: formats(styles),
            strings: vec!["a".into(), "b".into()],
            used: vec![false; 2],
            ..Workbook::default()
        };
        let rows = b"<sheetData><row><c r='B1' t='s'><v>1</v></c><c s='1'><v>7</v></c><c t='inlineStr'><is><r><t>x</t></r><r><t>y</t></r></is></c></row></sheetData><dataValidation prompt='choose'><formula1>\"un,deux\"</formula1></dataValidation><headerFooter><oddFooter>end</oddFooter></headerFooter>";
        let sheet = sheet(rows, &mut book, 1 << 20);
        assert_eq!((sheet.beside.as_str(), book.used.clone()), ("choose\n\"un,deux\"\nend\n", vec![false, true]));
        let (content, table) = sheet.builder.finish();
        assert_eq!((content.as_str(), table.cells[1].column), ("b\t0007\txy\n", 2));
    }
}
