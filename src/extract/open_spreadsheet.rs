//! Turns the sheets of an OpenDocument spreadsheet (ODF 1.3 part 3 §9), or of a spreadsheet in Excel's XML of 2003, into tables.

use super::markup::{Markup, Tag, Token, unescape};
use super::plain::TableBuilder;
use super::reading::Reading;
use super::xml;
use super::*;

#[derive(Default)]
struct Sheet {
    name: String,
    builder: TableBuilder,
    /// Comments, shapes, page headers, former values of changed cells.
    beside: String,
}

/// Columns that a cell may be repeated over: beyond stands nothing that a reader would scroll to.
const COLUMNS: u32 = 16_384;
const SHEETS: usize = 5_000;

impl Reading {
    /// True when there was at least one sheet in it.
    pub(super) fn open_spreadsheet(&mut self, octets: &[u8], place: &str, group: u32) -> bool {
        let source = xml::decode(octets);
        let (sheets, damaged) = sheets(&source, self.budget.text_left());
        let any = !sheets.is_empty();
        for sheet in sheets {
            let place = if sheet.name.is_empty() { place.to_owned() } else { self.place(place, &sheet.name) };
            self.name(&place, group, &sheet.name);
            let (content, table) = sheet.builder.finish();
            self.table(&place, TextKind::Attachment, group, content, Some(table));
            self.text(&place, TextKind::Attachment, group, sheet.beside);
        }
        if damaged {
            self.unreadable(place, Reason::Damaged);
        }
        any
    }
}

#[derive(Default)]
struct Cell {
    /// What the program shows.
    shown: String,
    /// The value behind it.
    value: String,
    repeated: u32,
}

fn sheets(source: &str, limit: usize) -> (Vec<Sheet>, bool) {
    let mut markup = Markup::new(source);
    let mut done: Vec<Sheet> = Vec::new();
    // What stands outside of all sheets.
    let mut now = Sheet::default();
    let mut open = false;
    let mut cell: Option<Cell> = None;
    let mut column = 0u32;
    let mut kept = 0;
    // Comments and shapes, also in the midst of a cell.
    let mut asides = 0usize;
    for token in markup.by_ref() {
        match token {
            Token::Start(tag) => {
                let said = |name: &str| tag.attribute(name).unwrap_or_default().into_owned();
                match tag.name {
                    "table" | "Worksheet" if done.len() < SHEETS => {
                        // In Excel's XML the name stands at the sheet, around the table.
                        let name = if said("name").is_empty() { said("Name") } else { said("name") };
                        // A table in a cell is part of its sheet; one without a name is a sheet all the same.
                        if !(open && tag.name == "table" && name.is_empty()) {
                            done.push(std::mem::take(&mut now));
                            now.name = name;
                            open = true;
                        }
                        column = 0;
                    }
                    "table-row" | "Row" => column = 0,
                    "table-cell" | "covered-table-cell" | "Cell" => {
                        let repeated = said("number-columns-repeated").parse().unwrap_or(1u32).clamp(1, COLUMNS);
                        if let Some(index) = tag.attribute("Index").and_then(|index| index.parse::<u32>().ok()) {
                            column = index.clamp(1, COLUMNS) - 1;
                        }
                        let began = Cell { value: value(&tag), repeated, ..Cell::default() };
                        attributes(&tag, &mut now.beside);
                        match tag.empty {
                            true => column = end_cell(&mut now, began, column),
                            false => cell = Some(began),
                        }
                    }
                    "annotation" | "shapes" | "frame" | "custom-shape" | "Comment" if !tag.empty => asides += 1,
                    "s" | "tab" | "line-break" => {
                        if let Some(cell) = cell.as_mut().filter(|_| asides == 0) {
                            cell.shown.push(' ');
                        }
                    }
                    "p" => {
                        if let Some(cell) = cell.as_mut().filter(|cell| asides == 0 && !cell.shown.is_empty()) {
                            cell.shown.push(' ');
                        }
                    }
                    _ => attributes(&tag, &mut now.beside),
                }
            }
            Token::End(name) => match name {
                "table-cell" | "covered-table-cell" | "Cell" => {
                    if let Some(cell) = cell.take() {
                        kept += cell.shown.len() + cell.value.len();
                        column = match open {
                            true => end_cell(&mut now, cell, column),
                            false => {
                                xml::line(&mut now.beside, &cell.shown);
                                column + 1
                            }
                        };
                    }
                }
                "table-row" | "Row" => now.builder.end_row(),
                "table" | "Worksheet" => now.builder.end_row(),
                "annotation" | "shapes" | "frame" | "custom-shape" | "Comment" => asides = asides.saturating_sub(1),
                "span" | "a" | "Font" | "B" | "I" => {}
                _ if (cell.is_none() || asides > 0) && !now.beside.is_empty() && !now.beside.ends_with('\n') => {
                    now.beside.push('\n');
                }
                _ => {}
            },
            Token::Text(text) => {
                let text = unescape(text);
                match cell.as_mut().filter(|_| asides == 0) {
                    _ if text.contains('\n') && text.trim().is_empty() => {}
                    Some(cell) => cell.shown.push_str(&text),
                    None => now.beside.push_str(&text),
                }
            }
            Token::Cdata(text) | Token::Comment(text) => xml::line(&mut now.beside, text),
            Token::Doctype(_) => {}
        }
        if kept + now.beside.len() > limit {
            break;
        }
    }
    done.push(now);
    let damaged = markup.damaged;
    let any = done.len() > 1;
    // What stood before the first sheet has no name.
    done.retain(|sheet| !sheet.name.is_empty() || sheet.builder.len() > 0 || !sheet.beside.trim().is_empty());
    (if any { done } else { Vec::new() }, damaged)
}

/// The value that a cell has whatever it shows of it.
fn value(tag: &Tag) -> String {
    ["value", "string-value", "date-value"].iter().find_map(|name| tag.attribute(name)).unwrap_or_default().into_owned()
}

/// Gives the column after it.
fn end_cell(sheet: &mut Sheet, cell: Cell, column: u32) -> u32 {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let shown = cell.shown.trim();
    // A long number that is shown rounded or in powers of ten is given with all its digits.
    let number = cell.value.len() >= 9 && cell.value.bytes().all(|octet| octet.is_ascii_digit());
    let hides = shown.is_empty() || (number && !digits(shown).ends_with(&cell.value));
    let full = cell.value.parse::<f64>().ok().filter(|_| cell.value.contains(['e', 'E'])).map(|value| value.to_string());
    match hides || full.is_some() {
        true => {
            xml::line(&mut sheet.beside, shown);
            let value = full.as_deref().unwrap_or(&cell.value);
            if !value.is_empty() {
                sheet.builder.cell(column, value);
            }
        }
        false => sheet.builder.cell(column, shown),
    }
    column.saturating_add(cell.repeated).min(COLUMNS)
}

fn attributes(tag: &Tag, beside: &mut String) {
    xml::attributes(tag, beside, &mut String::new());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(source: &str) -> Vec<(String, String, String)> {
        let (sheets, damaged) = sheets(source, 1 << 20);
        assert!(!damaged);
        sheets.into_iter().map(|sheet| (sheet.name, sheet.builder.finish().0, sheet.beside)).collect()
    }

    #[test]
    fn open_cells_stand_in_rows_with_their_values() {
        let source = "<body><table:table table:name='Agents'>\n <table:table-row><table:table-cell><text:p>Nom</text:p></table:table-cell><table:table-cell number-columns-repeated='1000000'/></table:table-row>\
            <table:table-row number-rows-repeated='1000000'><table:table-cell office:value='185057800608491'><text:p>1,85E+14</text:p></table:table-cell>\
            <table:table-cell office:value='0.5'><office:annotation><text:p>a note</text:p></office:annotation><text:p>0,5</text:p></table:table-cell></table:table-row></table:table></body>";
        assert_eq!(
            told(source),
            [("Agents".to_owned(), "Nom\n185057800608491\t0,5\n".to_owned(), "1,85E+14\na note\n".to_owned())]
        );
    }

    #[test]
    fn the_xml_of_2003_is_a_spreadsheet_too() {
        let source = "<Workbook><Worksheet ss:Name='Agents'><Table><Row><Cell><Data>Nom</Data></Cell><Cell ss:Index='3'><Data>X</Data><Comment><Data>c</Data></Comment></Cell></Row></Table></Worksheet></Workbook>";
        assert_eq!(told(source), [("Agents".to_owned(), "Nom\tX\n".to_owned(), "c\n".to_owned())]);
    }
}
