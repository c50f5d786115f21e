//! Turns the sheets of an xlsx workbook into tables. Read here rather than by a crate: a cell is given with all its digits as they
//! stand in the file, and a lone cell in the last corner of a sheet costs one cell, not a rectangle of seventeen thousand million.

use super::office::DocumentPart;
use super::plain::TableBuilder;
use super::reading::Reading;
use super::*;
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

/// Shared by all sheets of one workbook.
#[derive(Default)]
struct Workbook {
    strings: Vec<String>,
    /// For each of them: does some cell show it?
    used: RefCell<Vec<bool>>,
    /// By index of `cellXfs`: whether numbers of this style are dates.
    dates: Vec<bool>,
    from_1904: bool,
}

#[derive(Default)]
struct Sheet {
    builder: TableBuilder,
    /// Formulas with text in them: `="4111"&A1` shows more than its last value.
    formulas: String,
    /// Page headers and footers.
    beside: String,
    damaged: bool,
}

impl Reading {
    pub(super) fn workbook(&mut self, parts: &[DocumentPart], place: &str, group: u32) {
        let find =
            |name: &str| parts.iter().find(|part| part.name.eq_ignore_ascii_case(name)).map(|part| part.octets.as_slice());
        let mut book = Workbook::default();
        let mut damaged = false;
        if let Some(octets) = find("xl/sharedStrings.xml") {
            damaged |= !shared_strings(octets, &mut book.strings);
            book.used = RefCell::new(vec![false; book.strings.len()]);
        }
        if let Some(octets) = find("xl/styles.xml") {
            book.dates = date_styles(octets);
        }
        let names = sheet_names(
            find("xl/workbook.xml").unwrap_or_default(),
            find("xl/_rels/workbook.xml.rels").unwrap_or_default(),
            &mut book,
        );
        for part in parts {
            let lower = part.name.to_ascii_lowercase();
            if !(lower.starts_with("xl/worksheets/") && lower.ends_with(".xml")) {
                continue;
            }
            let file = part.name.rsplit('/').next().unwrap_or(&part.name);
            let name = names.get(file).cloned().unwrap_or_else(|| file.trim_end_matches(".xml").to_owned());
            let place = self.place(place, &name);
            let sheet = sheet(&part.octets, &book, self.budget.text_left());
            damaged |= sheet.damaged;
            self.name(&place, group, &name);
            let (content, table) = sheet.builder.finish();
            self.table(&place, TextKind::Attachment, group, content, Some(table));
            self.text(&place, TextKind::Alternative, group, sheet.formulas);
            self.text(&place, TextKind::Attachment, group, sheet.beside);
        }
        // Excel keeps strings of deleted cells for a while; whoever opens the archive can read them.
        let used = book.used.take();
        let unused = book.strings.iter().zip(used).filter(|(_, used)| !used);
        let unused: String = unused.flat_map(|(text, _)| [text.as_str(), "\n"]).collect();
        self.text(&format!("{place} > unused strings"), TextKind::Alternative, group, unused);
        if damaged {
            self.unreadable(place, Reason::Damaged);
        }
    }
}

fn attribute(start: &BytesStart, name: &str) -> Option<String> {
    let found =
        start.attributes().with_checks(false).flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
    quick_xml::escape::unescape(&found.value).ok().map(|value| value.into_owned())
}

/// Walks the events of a part; false when it is broken.
fn walk(octets: &[u8], mut each: impl FnMut(&Event) -> bool) -> bool {
    let source = super::xml::decode(octets);
    let mut reader = quick_xml::Reader::from_str(&source);
    reader.config_mut().check_end_names = false;
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => return true,
            Ok(event) => {
                if !each(&event) {
                    return true;
                }
            }
            Err(_) => return false,
        }
    }
}

/// Text, CDATA and references of an element.
fn push(event: &Event, out: &mut String) {
    match event {
        Event::Text(text) => out.push_str(&text.xml10_content()),
        Event::CData(text) => out.push_str(&text.xml10_content()),
        Event::GeneralRef(reference) => out.extend(match reference.resolve_char_ref() {
            Ok(Some(c)) => Some(c),
            _ => Some(match &**reference {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => '\u{fffd}',
            }),
        }),
        _ => {}
    }
}

fn shared_strings(octets: &[u8], strings: &mut Vec<String>) -> bool {
    let (mut current, mut in_text, mut phonetic) = (String::new(), false, false);
    walk(octets, |event| {
        match event {
            Event::Start(start) => match start.local_name().as_ref() {
                "si" => current.clear(),
                "t" => in_text = !phonetic,
                "rPh" => phonetic = true,
                _ => {}
            },
            Event::End(end) => match end.local_name().as_ref() {
                "si" => strings.push(std::mem::take(&mut current)),
                "t" => in_text = false,
                "rPh" => phonetic = false,
                _ => {}
            },
            Event::Empty(start) if start.local_name().as_ref() == "si" => strings.push(String::new()),
            event if in_text => push(event, &mut current),
            _ => {}
        }
        true
    })
}

/// ECMA-376 part 1 §18.8.30: formats 14 to 22 and 45 to 47 are dates; of one's own those that name a day, month, year or hour.
fn date_styles(octets: &[u8]) -> Vec<bool> {
    let mut own: HashMap<String, bool> = HashMap::new();
    let (mut dates, mut in_cells) = (Vec::new(), false);
    walk(octets, |event| {
        if let Event::Start(start) | Event::Empty(start) = event {
            match start.local_name().as_ref() {
                "numFmt" => {
                    if let (Some(id), Some(code)) = (attribute(start, "numFmtId"), attribute(start, "formatCode")) {
                        own.insert(id, is_date_format(&code));
                    }
                }
                "cellXfs" => in_cells = true,
                "xf" if in_cells => {
                    let id = attribute(start, "numFmtId").unwrap_or_default();
                    let built_in = matches!(id.parse::<u32>(), Ok(14..=22 | 45..=47));
                    dates.push(own.get(&id).copied().unwrap_or(built_in));
                }
                _ => {}
            }
        } else if let Event::End(end) = event
            && end.local_name().as_ref() == "cellXfs"
        {
            in_cells = false;
        }
        dates.len() < 100_000
    });
    dates
}

fn is_date_format(code: &str) -> bool {
    let (mut quoted, mut bracket, mut date) = (false, false, false);
    let mut chars = code.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '\\' | '_' | '*' => drop(chars.next()),
            '[' => bracket = true,
            ']' => bracket = false,
            _ if bracket => {}
            'd' | 'D' | 'm' | 'M' | 'y' | 'Y' | 'h' | 'H' => date = true,
            _ => {}
        }
    }
    date
}

/// Which sheet file bears which name, hidden sheets too.
fn sheet_names(workbook: &[u8], relations: &[u8], book: &mut Workbook) -> HashMap<String, String> {
    let mut targets: HashMap<String, String> = HashMap::new();
    walk(relations, |event| {
        if let Event::Start(start) | Event::Empty(start) = event
            && let (Some(id), Some(target)) = (attribute(start, "Id"), attribute(start, "Target"))
        {
            targets.insert(id, target.rsplit('/').next().unwrap_or_default().to_owned());
        }
        targets.len() < 10_000
    });
    let mut names = HashMap::new();
    walk(workbook, |event| {
        if let Event::Start(start) | Event::Empty(start) = event {
            match start.local_name().as_ref() {
                "sheet" => {
                    if let (Some(name), Some(target)) =
                        (attribute(start, "name"), attribute(start, "id").and_then(|id| targets.get(&id)))
                    {
                        names.insert(target.clone(), name);
                    }
                }
                "workbookPr" => book.from_1904 = matches!(attribute(start, "date1904").as_deref(), Some("1" | "true")),
                _ => {}
            }
        }
        true
    });
    names
}

fn sheet(octets: &[u8], book: &Workbook, limit: usize) -> Sheet {
    let mut sheet = Sheet::default();
    let (mut cell, mut column, mut next_column) = (CellStart::default(), 0u32, 0u32);
    let (mut value, mut formula) = (String::new(), String::new());
    #[derive(PartialEq)]
    enum In {
        Nothing,
        Value,
        Formula,
        Beside,
    }
    let mut inside = In::Nothing;
    let good = walk(octets, |event| {
        match event {
            Event::Start(start) | Event::Empty(start) => {
                let opened = matches!(event, Event::Start(_));
                match start.local_name().as_ref() {
                    "row" => next_column = 0,
                    "c" => {
                        cell = CellStart::read(start);
                        column = cell.column.unwrap_or(next_column);
                        next_column = column.saturating_add(1);
                        value.clear();
                        formula.clear();
                    }
                    "v" | "t" if opened => inside = In::Value,
                    "f" if opened => inside = In::Formula,
                    "oddHeader" | "oddFooter" | "evenHeader" | "evenFooter" | "firstHeader" | "firstFooter" if opened => {
                        inside = In::Beside
                    }
                    _ => {}
                }
            }
            Event::End(end) => match end.local_name().as_ref() {
                "v" | "t" | "f" => inside = In::Nothing,
                "oddHeader" | "oddFooter" | "evenHeader" | "evenFooter" | "firstHeader" | "firstFooter" => {
                    inside = In::Nothing;
                    sheet.beside.push('\n');
                }
                "c" => {
                    let shown = shown(&cell, &value, book);
                    if !shown.is_empty() {
                        sheet.builder.cell(column, &shown);
                    }
                    if formula.contains('"') {
                        sheet.formulas.push_str(&formula);
                        sheet.formulas.push('\n');
                    }
                }
                "row" => sheet.builder.end_row(),
                _ => {}
            },
            event => match inside {
                In::Value => push(event, &mut value),
                In::Formula => push(event, &mut formula),
                In::Beside => push(event, &mut sheet.beside),
                In::Nothing => {}
            },
        }
        sheet.builder.len() <= limit
    });
    sheet.damaged = !good;
    sheet
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
    fn read(start: &BytesStart) -> CellStart {
        let (mut place, mut kind, mut style) = (None, None, None);
        for attribute in start.attributes().with_checks(false).flatten() {
            // Of a repeated attribute the first counts.
            let wanted = match attribute.key.local_name().as_ref() {
                "r" => &mut place,
                "t" => &mut kind,
                "s" => &mut style,
                _ => continue,
            };
            wanted.get_or_insert(attribute.value);
        }
        let [place, kind, style] =
            [&place, &kind, &style].map(|value| value.as_deref().and_then(|value| quick_xml::escape::unescape(value).ok()));
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

fn shown<'x>(cell: &CellStart, value: &'x str, book: &'x Workbook) -> Cow<'x, str> {
    match cell.kind {
        CellKind::Shared => {
            let Some(n) = value.trim().parse::<usize>().ok() else { return "".into() };
            if let Some(used) = book.used.borrow_mut().get_mut(n) {
                *used = true;
            }
            book.strings.get(n).map_or("", String::as_str).into()
        }
        CellKind::Written => value.into(),
        CellKind::Truth => if value.trim() == "1" { "TRUE" } else { "FALSE" }.into(),
        CellKind::Number => number(value.trim(), book.dates.get(cell.style).copied().unwrap_or(false), book.from_1904),
    }
}

/// A number with all its digits, never `1.85E+14`; a date as year-month-day. A number too large for a date is given as it is,
/// whatever its format says: that would be the simplest way to hide it.
fn number(value: &str, date: bool, from_1904: bool) -> Cow<'_, str> {
    let scientific = value.contains(['e', 'E']);
    if !date && !scientific {
        return value.into();
    }
    let parsed = value.parse::<f64>().ok().filter(|n| n.is_finite() && n.abs() < 1e22);
    match parsed {
        Some(days) if date && (1.0..2_958_466.0).contains(&days) => {
            let days = if from_1904 { days + 1462.0 } else { days };
            let (year, month, day) = civil(days.floor() as i64 - 25_569);
            let seconds = ((days - days.floor()) * 86_400.0).round() as u64;
            match seconds {
                0 => format!("{year:04}-{month:02}-{day:02}").into(),
                s => format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", s / 3600, s / 60 % 60).into(),
            }
        }
        Some(number) if scientific => format!("{number}").into(),
        _ => value.into(),
    }
}

/// Days since 1970-01-01 as year, month, day of the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_all_their_digits_and_dates_are_dates() {
        for (value, date, shown) in [
            ("185057800608491", false, "185057800608491"),
            ("1.85057800608491E14", false, "185057800608491"),
            ("4.111111111111111E+15", true, "4111111111111111"),
            ("0.5", false, "0.5"),
            ("46347", true, "2026-11-21"),
            ("46347.75", true, "2026-11-21 18:00"),
            ("61", true, "1900-03-01"),
            ("text", false, "text"),
            ("185057800608491", true, "185057800608491"),
        ] {
            assert_eq!(number(value, date, false), shown, "{value}");
        }
        assert_eq!(number("44885", true, true), "2026-11-21");
        assert!(is_date_format("dd/mm/yyyy") && !is_date_format("0.00\" mois\"") && !is_date_format("[Red]0"));
        assert_eq!((column_of("A1"), column_of("BC12"), column_of("XFE1")), (Some(0), Some(54), None));
    }
}
