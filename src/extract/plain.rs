//! Turns plain text files, tables of separated values, uuencoded and yEnc blocks into texts.

use super::reading::{File, Reading};
use super::sniff::wide;
use super::*;
use crate::mime::{decode_base64, text_in_charset};
use std::borrow::Cow;

/// How encrypted files that are written in letters begin: age, Ansible, S/MIME in PEM.
const SEALED: [&[u8]; 5] = [
    b"age-encryption.org/v1\n",
    b"-----BEGIN AGE ENCRYPTED FILE-----",
    b"$ANSIBLE_VAULT;",
    b"-----BEGIN PKCS7-----",
    b"-----BEGIN CMS-----",
];

impl Reading {
    /// A file of text: as a table where it is one, otherwise as it stands.
    pub(super) fn plain_file(&mut self, file: &File, place: &str, group: u32) {
        let charset = file.charset.or_else(|| wide(&file.octets[..file.octets.len().min(4096)]));
        let text = text_in_charset(file.octets, charset).0;
        let ending = file.name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
        let tabular = matches!(ending.as_str(), "csv" | "tsv" | "tab")
            || matches!(
                file.declared,
                "text/csv" | "text/tab-separated-values" | "application/csv" | "application/vnd.ms-excel"
            );
        if super::cards::is_cards(&text) {
            self.cards(&text, place, group, file.depth);
            return self.other_charset(file.octets, file.charset, &text, place, group);
        }
        if let Some((content, table)) = separated_values(&text, tabular) {
            return self.table(place, TextKind::Attachment, group, content, Some(table));
        }
        self.embedded(&text, place, file.depth);
        self.other_charset(file.octets, file.charset, &text, place, group);
        self.text(place, TextKind::Attachment, group, text);
    }

    /// A reader that does not know, or does not believe, a charset that is no superset of ASCII shows the octets as they are.
    pub(super) fn other_charset(&mut self, octets: &[u8], charset: Option<&str>, text: &str, place: &str, group: u32) {
        let Some(charset) = charset else { return };
        // UTF-16 the other way round, or behind an octet too many.
        if let Some(other) = wide(&octets[..octets.len().min(4096)])
            && charset.len() > 6
            && !charset.eq_ignore_ascii_case(other)
        {
            return self.text(place, TextKind::Alternative, group, text_in_charset(octets, Some(other)).0);
        }
        let ascii = octets.iter().filter(|b| matches!(b, 32..=126 | b'\r' | b'\n' | b'\t')).count();
        if ascii * 4 < octets.len() * 3 {
            return;
        }
        let odd = ["utf-16", "utf-32", "utf-7", "hz-gb", "iso-2022", "ibm", "cp", "unicode", "x-", "cs", "hz", "ebcdic"];
        let lower = charset.to_ascii_lowercase();
        if odd.iter().any(|start| lower.starts_with(start)) || text.len() * 2 < octets.len() {
            self.text(place, TextKind::Alternative, group, text_in_charset(octets, None).0);
        }
    }

    /// Files inside a text: uuencode and yEnc, which mail readers still unpack by themselves.
    pub(super) fn embedded(&mut self, text: &str, place: &str, depth: usize) {
        let octets = text.as_bytes();
        let mut read = 0;
        for start in memchr::memmem::find_iter(octets, b"begin") {
            // What stands inside one block begins no other: else a thousand beginnings would be read a thousand times each.
            if start >= read && (start == 0 || octets[start - 1] == b'\n') {
                let Some((name, content, length)) = uudecode(&text[start..]) else { continue };
                read = start + length;
                if !self.budget.spend(content.len() as u64) {
                    return self.unreadable(place, Reason::OverBudget);
                }
                self.file(File { within: place, name, declared: "", charset: None, octets: &content, depth: depth + 1 });
            }
        }
        if let Some(at) = memchr::memmem::find(octets, b"-----BEGIN PGP MESSAGE-----") {
            // Sealed or not: of an OpenPGP message that is only signed or packed, its recipient reads the text.
            self.unreadable(place, Reason::ClientEncrypted);
            let inner: String = text[at..]
                .lines()
                .skip(1)
                .take_while(|line| !line.starts_with("-----"))
                .filter(|line| !line.contains(':'))
                .collect();
            let literal = printable(&decode_base64(inner.as_bytes()).octets);
            let group = self.new_group();
            self.text(place, TextKind::Alternative, group, literal);
        }
        if SEALED.iter().any(|mark| memchr::memmem::find(octets, mark).is_some()) {
            self.unreadable(place, Reason::Password);
        }
        if memchr::memmem::find(octets, b"(This file must be converted with BinHex").is_some() {
            self.unreadable(place, Reason::Unsupported);
        }
        if memchr::memmem::find(octets, b"=ybegin ").is_some() {
            // yEnc needs 8-bit octets, which a charset has already changed: nothing safe can be said of it.
            self.unreadable(place, Reason::Unsupported);
        }
    }
}

/// `begin 644 name`, lines whose first character is their length, `end` (POSIX uuencode), or `begin-base64`.
/// Gives the name, the content and how many octets of the text were read.
fn uudecode(text: &str) -> Option<(&str, Vec<u8>, usize)> {
    let mut lines = text.split_inclusive('\n');
    let head = lines.next()?;
    let mut words = head.splitn(3, ' ');
    let (begin, mode, name) = (words.next()?, words.next()?, words.next()?.trim());
    if mode.len() < 3 || mode.len() > 4 || !mode.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if begin == "begin-base64" {
        let inner = &text[head.len()..];
        let end = inner.find("\n====").map_or(inner.len(), |n| n + 1);
        let content = decode_base64(&inner.as_bytes()[..end]).octets;
        return (!content.is_empty()).then_some((name, content, head.len() + end));
    }
    if begin != "begin" {
        return None;
    }
    let mut out = Vec::new();
    let mut length = head.len();
    for line in lines {
        length += line.len();
        let line = line.trim_end_matches(['\r', '\n']).as_bytes();
        if line.starts_with(b"end") && line.trim_ascii() == b"end" {
            break;
        }
        let Some((&count, data)) = line.split_first() else { continue };
        let count = usize::from(count.wrapping_sub(32) & 63);
        if count == 0 {
            continue;
        }
        let needed = count.div_ceil(3) * 4;
        // A reader stops at the first line that is no uuencode; so the rest is text for it, and for us.
        if data.len() + 3 < needed {
            break;
        }
        let value = |n: usize| u32::from(data.get(n).copied().unwrap_or(b' ').wrapping_sub(32) & 63);
        let mut line = Vec::with_capacity(needed);
        for n in (0..needed).step_by(4) {
            let bits = value(n) << 18 | value(n + 1) << 12 | value(n + 2) << 6 | value(n + 3);
            line.extend([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
        }
        line.truncate(count);
        out.extend(line);
    }
    (!out.is_empty()).then_some((name, out, length))
}

/// Rows and cells of separated values (RFC 4180 and its cousins): one line per row, a tab between cells. `None` when it is none:
/// the separator must stand equally often in the first lines, unless the file says that it is a table.
pub(super) fn separated_values(text: &str, declared: bool) -> Option<(String, Table)> {
    let separator = separator(text, declared)?;
    let mut rows: Vec<Vec<Cow<'_, str>>> = vec![Vec::new()];
    let mut rest = text.trim_start_matches('\u{feff}');
    while !rest.is_empty() {
        let (cell, after) = one_cell(rest, separator);
        if let Some(row) = rows.last_mut() {
            row.push(cell);
        }
        rest = match after.chars().next() {
            Some(c) if c == separator => {
                let rest = &after[c.len_utf8()..];
                if rest.is_empty()
                    && let Some(row) = rows.last_mut()
                {
                    row.push("".into());
                }
                rest
            }
            Some('\r') => {
                rows.push(Vec::new());
                after.strip_prefix("\r\n").unwrap_or(&after[1..])
            }
            Some(_) => {
                rows.push(Vec::new());
                &after[1..]
            }
            None => after,
        };
    }
    let mut builder = TableBuilder::default();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            builder.cell(column as u32, cell);
        }
        builder.end_row();
    }
    Some(builder.finish())
}

fn separator(text: &str, declared: bool) -> Option<char> {
    // Excel's own way of saying it.
    if let Some(said) = text.trim_start_matches('\u{feff}').strip_prefix("sep=").and_then(|rest| rest.chars().next())
        && !said.is_alphanumeric()
    {
        return Some(said);
    }
    let rows = first_rows(text);
    if rows.len() < if declared { 1 } else { 3 } {
        return None;
    }
    let candidates = SEPARATORS.map(|c| {
        let at = SEPARATORS.iter().position(|other| *other == c).unwrap_or(0);
        let first = rows[0][at];
        let even = first > 0 && rows.iter().all(|row| row[at] == first);
        (c, first, even)
    });
    let even = candidates.iter().filter(|(_, _, even)| *even).max_by_key(|(_, count, _)| *count);
    match even {
        Some((c, count, _)) if declared || *count >= 2 || *c == '\t' => Some(*c),
        // A title may stand above the header: the widest row decides.
        _ if declared => {
            let widest = |at: usize| rows.iter().map(|row| row[at]).max().unwrap_or(0);
            (0..SEPARATORS.len()).max_by_key(|at| widest(*at)).filter(|at| widest(*at) > 0).map(|at| SEPARATORS[at])
        }
        _ => None,
    }
}

const SEPARATORS: [char; 4] = [';', '\t', ',', '|'];
/// How much of a file tells whether it is a table.
const LOOK: usize = 64 << 10;

/// How often each separator stands in each of the first rows, outside of quotation marks.
fn first_rows(text: &str) -> Vec<[usize; 4]> {
    let mut rows = Vec::new();
    let mut row = [0usize; 4];
    let (mut quoted, mut empty, mut before) = (false, true, b'\n');
    for octet in text.bytes().take(LOOK).chain([b'\n']) {
        match octet {
            b'"' if quoted => quoted = false,
            // Inches and quotations in the midst of a cell open nothing.
            b'"' => quoted = matches!(before, b'\n' | b';' | b'\t' | b',' | b'|'),
            b'\n' if !quoted => {
                before = octet;
                if !std::mem::replace(&mut empty, true) {
                    rows.push(row);
                }
                row = [0; 4];
                if rows.len() == 8 {
                    break;
                }
                continue;
            }
            _ if quoted => {}
            b';' => row[0] += 1,
            b'\t' => row[1] += 1,
            b',' => row[2] += 1,
            b'|' => row[3] += 1,
            _ => {}
        }
        empty &= octet.is_ascii_whitespace();
        before = octet;
    }
    rows
}

fn one_cell(rest: &str, separator: char) -> (Cow<'_, str>, &str) {
    if let Some(inner) = rest.strip_prefix('"') {
        let mut at = 0;
        let mut escaped = false;
        while let Some(n) = memchr::memchr(b'"', &inner.as_bytes()[at..]) {
            let quote = at + n;
            if inner.as_bytes().get(quote + 1) == Some(&b'"') {
                escaped = true;
                at = quote + 2;
                continue;
            }
            let cell: Cow<'_, str> = if escaped { inner[..quote].replace("\"\"", "\"").into() } else { inner[..quote].into() };
            let after = &inner[quote + 1..];
            let end = after.find([separator, '\r', '\n']).unwrap_or(after.len());
            let cell = if end > 0 { format!("{cell}{}", &after[..end]).into() } else { cell };
            return (cell, &after[end..]);
        }
    }
    let end = rest.find([separator, '\r', '\n']).unwrap_or(rest.len());
    (rest[..end].into(), &rest[end..])
}

/// Builds the text of a table and remembers where its cells stand.
#[derive(Default)]
pub(super) struct TableBuilder {
    content: String,
    table: Table,
    /// Where the cells of each of the first rows begin.
    first_rows: Vec<std::ops::Range<usize>>,
    row_start: usize,
}

/// The header stands in one of this many first rows.
const HEADER_ROWS: usize = 10;

impl TableBuilder {
    pub(super) fn len(&self) -> usize {
        self.content.len()
    }

    pub(super) fn cell(&mut self, column: u32, text: &str) {
        if self.table.cells.len() > self.row_start {
            self.content.push('\t');
        }
        let start = self.content.len();
        // A line or tab inside a cell would make a row or a column of it.
        if text.contains(['\n', '\r', '\t']) {
            self.content.extend(text.chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }));
        } else {
            self.content.push_str(text);
        }
        let (start, end) = (start as u32, self.content.len() as u32);
        self.table.cells.push(Cell { start, end, column });
    }

    /// More text for the cell that was given last.
    pub(super) fn extend_last(&mut self, text: &str) {
        if self.table.cells.len() > self.row_start
            && let Some(cell) = self.table.cells.last_mut()
        {
            self.content.extend(text.chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }));
            cell.end = self.content.len() as u32;
        }
    }

    pub(super) fn end_row(&mut self) {
        if self.table.cells.len() == self.row_start {
            return;
        }
        if self.first_rows.len() < HEADER_ROWS {
            self.first_rows.push(self.row_start..self.table.cells.len());
        }
        self.content.push('\n');
        self.row_start = self.table.cells.len();
    }

    /// The header is the first row that is about as wide as the table and whose cells are words.
    pub(super) fn finish(mut self) -> (String, Table) {
        self.end_row();
        let text = |cell: &Cell| &self.content[cell.start as usize..cell.end as usize];
        let is_word = |cell: &Cell| {
            text(cell).chars().any(char::is_alphabetic) && text(cell).chars().filter(char::is_ascii_digit).count() < 6
        };
        let words = |row: &std::ops::Range<usize>| self.table.cells[row.clone()].iter().filter(|cell| is_word(cell)).count();
        let filled =
            |row: &std::ops::Range<usize>| self.table.cells[row.clone()].iter().filter(|cell| cell.end > cell.start).count();
        let width = self.first_rows.iter().map(filled).max().unwrap_or(0);
        let header = self.first_rows.iter().find(|row| filled(row) * 2 >= width && words(row) * 2 > filled(row));
        let mut headers: Vec<Option<String>> = Vec::new();
        for cell in header.map(|row| &self.table.cells[row.clone()]).unwrap_or_default() {
            let column = cell.column as usize;
            if is_word(cell) && column < 20_000 {
                if headers.len() <= column {
                    headers.resize(column + 1, None);
                }
                headers[column] = Some(text(cell).to_owned());
            }
        }
        self.table.headers = headers;
        (self.content, self.table)
    }
}

/// Runs of printable ASCII, as `strings` shows them.
pub(super) fn printable(octets: &[u8]) -> String {
    let mut out = String::new();
    for run in octets.split(|b| !matches!(b, 32..=126 | b'\t')).filter(|run| run.len() >= 6) {
        out.push_str(&String::from_utf8_lossy(run));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separated_values_become_cells_under_their_headers() {
        let (content, table) =
            separated_values("Nom;NIR;Note\r\nDupont;185057800608491;\"a;b \"\"c\"\"\"\r\nX;2;\r\n", true).unwrap();
        assert_eq!(content, "Nom\tNIR\tNote\nDupont\t185057800608491\ta;b \"c\"\nX\t2\t\n");
        assert_eq!(table.headers, [Some("Nom".to_owned()), Some("NIR".to_owned()), Some("Note".to_owned())]);
        let cell = table.cells[4];
        assert_eq!((&content[cell.start as usize..cell.end as usize], cell.column), ("185057800608491", 1));
        assert!(separated_values("Bonjour, ceci est un texte.\nPas de table, ici.\nRien.", false).is_none());
        assert!(separated_values("a\tb\n1\t2\n3\t4\n", false).is_some());
        let quoted = "Nom,Adresse,NIR\n\"Durand, Ann\",\"1 rue\nTours\",2\n\"X, Y\",z,3\n";
        let (content, _) = separated_values(quoted, false).unwrap();
        assert_eq!(content, "Nom\tAdresse\tNIR\nDurand, Ann\t1 rue Tours\t2\nX, Y\tz\t3\n");
        assert_eq!(separated_values("sep=;\na;b\n", false).unwrap().0, "sep=\t\na\tb\n");
        assert_eq!(separated_values("Liste des agents\nNom;NIR\nX;2\n", true).unwrap().0, "Liste des agents\nNom\tNIR\nX\t2\n");
    }

    #[test]
    fn uuencoded_files_are_found() {
        assert_eq!(uudecode("begin 644 a.txt\n#0V%T\n`\nend\n"), Some(("a.txt", b"Cat".to_vec(), 28)));
        assert_eq!(uudecode("begin-base64 644 a.txt\nQ2F0\n====\nx"), Some(("a.txt", b"Cat".to_vec(), 28)));
        assert_eq!(uudecode("begin with a word\nand go on"), None);
    }
}
