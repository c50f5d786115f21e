//! Turns the rows of a table into keyed hashes, and a text into the rows of which several cells stand together in it.
//!
//! A cell that tells a row nearly alone (a number, an address, a full name) is looked for in the whole text; only around one that is
//! found are the row's other cells looked for. Cells are compared as people write them: without case, accents and
//! separators, names in any order, dates in any form.

use super::exact_places::{LONGEST_LOCAL, address_starts, is_local, number_starts};
use super::index::{Array, Filter, IndexError, IndexKey, IndexReader, IndexWriter, mix};
use super::normalize::normalize;
use super::words::TOKEN;
use std::ops::Range;

/// Characters around a cell in which the others of its row are looked for.
const WITHIN: usize = 300;
/// Columns of one index, at most.
const MAX_COLUMNS: usize = 16;
/// Columns that are looked for in the whole text, at most.
const MAX_SEARCHED: usize = 4;
/// Rows of one index, at most.
const MAX_ROWS: usize = 20_000_000;
/// Rows that share one cell and are still compared, at most.
const MAX_SHARING: usize = 64;
/// Letters and digits of a number, an address or a name.
const LONGEST: usize = 64;
/// Words of a name.
const MAX_WORDS: usize = 4;
/// Different cells that a column must have: fewer (a sex, a département) say nothing about a row.
const FEWEST_DIFFERENT: usize = 100;
/// Rows found in one text, at most.
const MAX_FOUND: usize = 10_000;
const MAGIC: &[u8; 8] = b"PSTNEDM1";

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// A number or code: letters and digits in their order.
    Number = 1,
    Address = 2,
    Date = 3,
    /// Words in any order.
    Words = 4,
}

/// What was made of each column, for the person who makes an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnReport {
    pub name: String,
    pub different: usize,
    /// Is it looked for in the whole text, or only around another?
    pub searched: bool,
    /// Why it was left out.
    pub refused: Option<&'static str>,
}

/// Rows of a table, as hashes.
pub struct ExactIndex {
    octets: Vec<u8>,
    key: IndexKey,
    rolling: u64,
    filter: Filter,
    kinds: Vec<Kind>,
    names: Vec<String>,
    /// 32 bits for each cell, row after row; 0 for an empty one.
    cells: Array,
    searched: Vec<Searched>,
    /// Lengths of searched numbers, one bit each.
    lengths: u64,
    words: bool,
    addresses: bool,
}

struct Searched {
    column: usize,
    /// Sorted, with the row of each.
    hashes: Array,
    rows: Array,
}

impl std::fmt::Debug for ExactIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ExactIndex({} rows)", self.rows())
    }
}

/// A row of which at least two cells stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowFound {
    /// Octets of the normalised text: the cell that tells the row.
    pub start: usize,
    pub end: usize,
    pub row: u32,
    /// Cells of different columns, this one included.
    pub cells: usize,
    /// All cells that the row has.
    pub of: usize,
}

/// Takes rows one after the other.
pub struct ExactBuilder {
    key: IndexKey,
    names: Vec<String>,
    kinds: Vec<Kind>,
    /// A hash for each cell, row after row; 0 for an empty one. With the hash of the filter beside it.
    cells: Vec<u64>,
    lengths: u64,
    filters: Vec<u64>,
}

impl ExactBuilder {
    /// `names` are the columns to register, `sample` some rows of them, from which it is told what the columns hold.
    ///
    /// # Errors
    /// Fewer than two columns, or too many.
    pub fn new(key: &IndexKey, names: Vec<String>, sample: &[Vec<String>]) -> Result<ExactBuilder, IndexError> {
        if !(2..=MAX_COLUMNS).contains(&names.len()) {
            return Err(IndexError::Refused(format!(
                "needs 2 to {MAX_COLUMNS} columns; a single cell is better found by a rule of its own"
            )));
        }
        let kinds = (0..names.len()).map(|column| kind(sample.iter().filter_map(|row| row.get(column)))).collect();
        Ok(ExactBuilder { key: key.clone(), names, kinds, cells: Vec::new(), lengths: 0, filters: Vec::new() })
    }

    /// # Errors
    /// One row too many.
    pub fn add(&mut self, row: &[String]) -> Result<(), IndexError> {
        if self.cells.len() / self.names.len() >= MAX_ROWS {
            return Err(IndexError::Refused(format!("has more than {MAX_ROWS} rows; make an index for each part")));
        }
        let rolling = rolling_key(&self.key);
        for (column, kind) in self.kinds.iter().enumerate() {
            let cell = row.get(column).and_then(|cell| canonical(*kind, cell));
            let (hash, filter) = match &cell {
                Some(value) => {
                    if *kind == Kind::Number {
                        self.lengths |= 1 << value.len().min(63);
                    }
                    (self.key.hash(*kind as u8, value).max(1), prefilter(*kind, rolling, value))
                }
                None => (0, 0),
            };
            self.cells.push(hash);
            self.filters.push(filter);
        }
        Ok(())
    }

    /// The index as a file, and what became of each column.
    ///
    /// # Errors
    /// No rows; no column that tells rows apart; fewer than two columns that are worth comparing.
    pub fn finish(self) -> Result<(Vec<u8>, Vec<ColumnReport>), IndexError> {
        let columns = self.names.len();
        let rows = self.cells.len() / columns;
        if rows == 0 {
            return Err(IndexError::Refused("has no rows below its first line".into()));
        }
        let column = |column: usize| self.cells.iter().skip(column).step_by(columns).copied();
        let mut reports = Vec::with_capacity(columns);
        for (index, name) in self.names.iter().enumerate() {
            let mut hashes: Vec<u64> = column(index).filter(|hash| *hash != 0).collect();
            hashes.sort_unstable();
            hashes.dedup();
            let different = hashes.len();
            let refused = if different == 0 {
                Some("no cell of it can be compared: shorter than three characters, or empty")
            } else if different < FEWEST_DIFFERENT.min(rows / 2 + 1) || different < rows / 500 {
                Some("too few different cells: they say nothing about a row")
            } else {
                None
            };
            reports.push(ColumnReport { name: name.clone(), different, searched: false, refused });
        }
        let kept: Vec<usize> = (0..columns).filter(|column| reports[*column].refused.is_none()).collect();
        // Numbers and addresses first: what is looked for costs least and tells most.
        let mut searched: Vec<usize> = kept.clone();
        searched.retain(|column| self.kinds[*column] != Kind::Date && reports[*column].different >= rows.div_ceil(50));
        searched.sort_by_key(|column| (self.kinds[*column], std::cmp::Reverse(reports[*column].different)));
        searched.truncate(MAX_SEARCHED);
        if searched.is_empty() || kept.len() < 2 {
            let refused: Vec<&str> = reports.iter().filter(|one| one.refused.is_some()).map(|one| one.name.as_str()).collect();
            return Err(IndexError::Refused(format!(
                "has not two columns that tell rows apart{}; add a number, an address or a full name",
                if refused.is_empty() { String::new() } else { format!(" (left out: {})", refused.join(", ")) }
            )));
        }
        searched.iter().for_each(|column| reports[*column].searched = true);
        let mut out = IndexWriter::new(MAGIC);
        out.number(kept.len());
        for column in &kept {
            out.octets(self.names[*column].as_bytes());
            out.number(self.kinds[*column] as usize);
        }
        out.number(rows);
        out.number(self.lengths as usize);
        out.words(self.cells.chunks(columns).flat_map(|row| kept.iter().map(|column| short(row[*column]))));
        out.number(searched.len());
        for column in &searched {
            let mut entries: Vec<(u64, u32)> =
                column_entries(&self.cells, columns, *column).filter(|entry| entry.0 != 0).collect();
            entries.sort_unstable();
            out.number(kept.iter().position(|kept| kept == column).unwrap_or_default());
            out.number(entries.len());
            out.hashes(entries.iter().map(|entry| entry.0));
            out.words(entries.iter().map(|entry| entry.1));
        }
        let mut filters: Vec<u64> = Vec::with_capacity(rows * searched.len());
        for column in &searched {
            filters.extend(self.filters.iter().skip(*column).step_by(columns).filter(|filter| **filter != 0));
        }
        filters.sort_unstable();
        filters.dedup();
        out.number(filters.len());
        // Of these only the bits of the filter are needed; they tell less about a cell than its hash does.
        out.words(filters.iter().map(|filter| (*filter >> 20) as u32));
        Ok((out.finish(&self.key), reports))
    }
}

fn column_entries(cells: &[u64], columns: usize, column: usize) -> impl Iterator<Item = (u64, u32)> {
    cells.iter().skip(column).step_by(columns).enumerate().map(|(row, hash)| (*hash, row as u32))
}

/// What is kept of a cell that is only looked for around another.
fn short(hash: u64) -> u32 {
    if hash == 0 { 0 } else { ((hash >> 32) as u32).max(1) }
}

impl ExactIndex {
    /// # Errors
    /// Octets that are no such index, or of another key.
    pub fn read(octets: Vec<u8>, key: &IndexKey) -> Result<ExactIndex, IndexError> {
        let mut reader = IndexReader::open(&octets, MAGIC, key)?;
        let columns = reader.number()?;
        if !(2..=MAX_COLUMNS).contains(&columns) {
            return Err(IndexError::NoIndex);
        }
        let (mut names, mut kinds) = (Vec::new(), Vec::new());
        for _ in 0..columns {
            names.push(reader.text()?);
            kinds.push(match reader.number()? {
                1 => Kind::Number,
                2 => Kind::Address,
                3 => Kind::Date,
                4 => Kind::Words,
                _ => return Err(IndexError::NoIndex),
            });
        }
        let rows = reader.number()?;
        let lengths = reader.number()? as u64;
        let cells = reader.array(rows.checked_mul(columns).ok_or(IndexError::NoIndex)?, 4)?;
        let mut searched = Vec::new();
        for _ in 0..reader.number()?.min(MAX_SEARCHED) {
            let (column, entries) = (reader.number()?, reader.number()?);
            if column >= columns {
                return Err(IndexError::NoIndex);
            }
            searched.push(Searched { column, hashes: reader.array(entries, 8)?, rows: reader.array(entries, 4)? });
        }
        let filters = reader.number()?;
        let bits = reader.array(filters, 4)?;
        let mut filter = Filter::new(filters);
        (0..filters).for_each(|index| filter.add(u64::from(bits.word(&octets, index)) << 20));
        let is_searched = |kind: Kind| searched.iter().any(|one| kinds[one.column] == kind);
        Ok(ExactIndex {
            rolling: rolling_key(key),
            key: key.clone(),
            lengths: if is_searched(Kind::Number) { lengths } else { 0 },
            words: is_searched(Kind::Words),
            addresses: is_searched(Kind::Address),
            filter,
            kinds,
            names,
            cells,
            searched,
            octets,
        })
    }

    pub fn rows(&self) -> usize {
        self.cells.len / self.kinds.len()
    }

    /// The registered columns.
    pub fn columns(&self) -> &[String] {
        &self.names
    }

    pub(super) fn file(&self) -> &[u8] {
        &self.octets
    }

    /// Octets that the index takes in memory.
    pub fn octets(&self) -> usize {
        self.octets.len()
    }

    /// The rows of which at least two cells stand within 300 characters of a normalised text, in text order.
    pub(crate) fn rows_in(&self, text: &[u8]) -> Vec<RowFound> {
        let hits = self.hits(text);
        let mut found = Vec::new();
        let mut around = Around::default();
        for (span, kind, hash) in hits {
            for searched in self.searched.iter().filter(|one| self.kinds[one.column] == kind) {
                let first = searched.hashes.first(&self.octets, hash);
                let same = (first..searched.hashes.len).take_while(|at| searched.hashes.hash(&self.octets, *at) == hash);
                let rows: Vec<u32> = same.take(MAX_SHARING).map(|at| searched.rows.word(&self.octets, at)).collect();
                if rows.is_empty() {
                    continue;
                }
                around.look(self, text, &span);
                for row in rows {
                    let (cells, of) = self.cells_around(row, searched.column, &around, &span);
                    if cells >= 2 {
                        found.push(RowFound { start: span.start, end: span.end, row, cells, of });
                    }
                }
            }
            if found.len() >= MAX_FOUND {
                break;
            }
        }
        found.sort_by_key(|one| (one.start, std::cmp::Reverse(one.cells), one.row));
        found.dedup_by_key(|one| (one.start, one.end));
        found
    }

    /// What may be cells of searched columns, in text order.
    fn hits(&self, text: &[u8]) -> Vec<(Range<usize>, Kind, u64)> {
        let mut hits: Vec<(Range<usize>, Kind, u64)> = Vec::new();
        let mut each = |span: Range<usize>, kind: Kind, hash: u64| hits.push((span, kind, hash));
        // A name may begin at every word; numbers and addresses only where there are digits and "@".
        if self.words {
            self.values(text, 0..text.len(), false, &mut each);
            return hits;
        }
        if self.lengths != 0 {
            let mut word = [0u8; LONGEST];
            number_starts(text, |start| self.numbers(text, start, false, &mut word, &mut each));
        }
        if self.addresses {
            address_starts(text, |start| self.address(text, start, false, &mut each));
            hits.sort_by_key(|hit| hit.0.start);
        }
        hits
    }

    /// How many cells of a row stand around one of them, that one included, and how many it has.
    fn cells_around(&self, row: u32, column: usize, around: &Around, span: &Range<usize>) -> (usize, usize) {
        let (mut cells, mut of) = (1, 1);
        for other in (0..self.kinds.len()).filter(|other| *other != column) {
            let cell = self.cells.word(&self.octets, row as usize * self.kinds.len() + other);
            if cell == 0 {
                continue;
            }
            of += 1;
            let same = around.values.partition_point(|value| value.0 < cell);
            let mut same = around.values[same..].iter().take_while(|value| value.0 == cell);
            // The same characters are no second evidence.
            cells += usize::from(same.any(|value| value.2 as usize <= span.start || value.1 as usize >= span.end));
        }
        (cells, of)
    }

    /// Everything in a range that could be a cell; unless `all`, only what may be one of a searched column.
    fn values(&self, text: &[u8], range: Range<usize>, all: bool, each: &mut dyn FnMut(Range<usize>, Kind, u64)) {
        let mut word = [0u8; LONGEST];
        let mut at = range.start;
        let mut inside = at > 0 && is_token(text, at - 1);
        while at < range.end {
            if !is_token(text, at) {
                inside = false;
                at += 1;
                continue;
            }
            if inside {
                at += 1;
                continue;
            }
            inside = true;
            let end = token_end(text, at);
            let digits = text[at..end].iter().any(u8::is_ascii_digit);
            let next_digits = || text[end..].iter().take(3).any(u8::is_ascii_digit);
            if all || self.lengths != 0 && (digits || next_digits()) {
                self.numbers(text, at, all, &mut word, each);
            }
            if all && digits {
                date_at(text, at, |span, date| each(span, Kind::Date, self.key.hash(Kind::Date as u8, &date).max(1)));
            } else if all {
                month_first(text, at, |span, date| each(span, Kind::Date, self.key.hash(Kind::Date as u8, &date).max(1)));
            }
            if (all || self.words) && !digits {
                self.names(text, at, all, each);
            }
            if all || self.addresses {
                self.address(text, at, all, each);
            }
            at = end;
        }
    }

    /// The address that begins at a word.
    fn address(&self, text: &[u8], start: usize, all: bool, each: &mut dyn FnMut(Range<usize>, Kind, u64)) {
        if let Some(span) = address_at(text, start)
            && let Some(value) = canonical_octets(Kind::Address, &text[span.clone()])
            && (all || self.filter.perhaps(prefilter(Kind::Address, self.rolling, &value)))
        {
            each(span, Kind::Address, self.key.hash(Kind::Address as u8, &value).max(1));
        }
    }

    /// Numbers that begin at a word: its letters and digits and those of the next words, as far as a registered length goes.
    fn numbers(
        &self,
        text: &[u8],
        start: usize,
        all: bool,
        word: &mut [u8; LONGEST],
        each: &mut dyn FnMut(Range<usize>, Kind, u64),
    ) {
        let (mut len, mut digits, mut at) = (0, 0, start);
        let mut rolling = self.rolling;
        loop {
            while at < text.len() && text[at].is_ascii_alphanumeric() {
                if len >= LONGEST - 1 {
                    return;
                }
                word[len] = text[at].to_ascii_lowercase();
                rolling = roll(rolling, word[len]);
                digits += usize::from(text[at].is_ascii_digit());
                len += 1;
                at += 1;
            }
            let possible = if all { len >= 3 } else { self.lengths >> len.min(63) & 1 == 1 };
            if possible && digits * 2 >= len && (all || self.filter.perhaps(mix(rolling))) {
                each(start..at, Kind::Number, self.key.hash(Kind::Number as u8, &word[..len]).max(1));
            }
            let gap = text[at..].iter().take(3).take_while(|byte| is_gap(**byte)).count();
            if gap == 0 || gap > 2 || !text.get(at + gap).is_some_and(u8::is_ascii_alphanumeric) {
                return;
            }
            at += gap;
        }
    }

    /// Names that begin at a word, of one to four words.
    fn names(&self, text: &[u8], start: usize, all: bool, each: &mut dyn FnMut(Range<usize>, Kind, u64)) {
        let mut at = start;
        let mut sum = 0u64;
        for _ in 0..MAX_WORDS {
            let end = token_end(text, at);
            if end - at > LONGEST || text[at..end].iter().any(u8::is_ascii_digit) {
                return;
            }
            sum = sum.wrapping_add(word_hash(self.rolling, &text[at..end]));
            if (all || self.filter.perhaps(mix(sum)))
                && let Some(value) = canonical_octets(Kind::Words, &text[start..end])
            {
                each(start..end, Kind::Words, self.key.hash(Kind::Words as u8, &value).max(1));
            }
            let gap = text[end..]
                .iter()
                .take(4)
                .take_while(|byte| is_gap(**byte) || matches!(byte, b',' | b'\'' | b';' | b'"'))
                .count();
            if gap == 0 || gap > 3 || !is_token(text, end + gap) {
                return;
            }
            at = end + gap;
        }
    }
}

/// What could be cells around the last place looked at.
#[derive(Default)]
struct Around {
    range: Range<usize>,
    /// Sorted: 32 bits of the hash, and where it stands.
    values: Vec<(u32, u32, u32)>,
}

impl Around {
    fn look(&mut self, index: &ExactIndex, text: &[u8], span: &Range<usize>) {
        let range = span.start.saturating_sub(WITHIN)..(span.end + WITHIN).min(text.len());
        if range == self.range {
            return;
        }
        self.values.clear();
        let values = &mut self.values;
        index.values(text, range.clone(), true, &mut |span, _, hash| {
            values.push((short(hash), span.start as u32, span.end as u32))
        });
        self.values.sort_unstable();
        self.range = range;
    }
}

/// What most cells of a column are.
fn kind<'c>(cells: impl Iterator<Item = &'c String>) -> Kind {
    let (mut all, mut dates, mut addresses, mut numbers) = (0, 0, 0, 0);
    for cell in cells.filter(|cell| !cell.trim().is_empty()).take(10_000) {
        all += 1;
        let text = normalize(cell.trim());
        let digits = text.text().iter().filter(|byte| byte.is_ascii_digit()).count();
        let letters = text.text().iter().filter(|byte| TOKEN[usize::from(**byte)]).count();
        dates += usize::from(canonical(Kind::Date, cell).is_some());
        addresses += usize::from(text.text().contains(&b'@'));
        numbers += usize::from(digits * 2 >= letters && digits >= 3);
    }
    let most = |some: usize| some * 5 >= all * 4 && all > 0;
    match (most(dates), most(addresses), most(numbers)) {
        (true, ..) => Kind::Date,
        (_, true, _) => Kind::Address,
        (_, _, true) => Kind::Number,
        _ => Kind::Words,
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Kind) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Kind) -> std::cmp::Ordering {
        (*self as u8).cmp(&(*other as u8))
    }
}

/// A cell as it is compared; `None` when it says too little.
fn canonical(kind: Kind, cell: &str) -> Option<Vec<u8>> {
    canonical_octets(kind, normalize(cell.trim()).text())
}

fn canonical_octets(kind: Kind, text: &[u8]) -> Option<Vec<u8>> {
    match kind {
        Kind::Number => {
            let value: Vec<u8> = text.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
            (3..LONGEST).contains(&value.len()).then_some(value)
        }
        Kind::Address => {
            let value: Vec<u8> = text.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_lowercase).collect();
            (5..=254).contains(&value.len()).then_some(value)
        }
        Kind::Date => {
            let mut date = None;
            let start = text.iter().position(|byte| byte.is_ascii_alphanumeric())?;
            date_at(text, start, |_, found| date = date.or(Some(found)));
            month_first(text, start, |_, found| date = date.or(Some(found)));
            date.map(|date| date.to_vec())
        }
        Kind::Words => {
            let mut words: Vec<Vec<u8>> = text
                .split(|byte| !TOKEN[usize::from(*byte)])
                .filter(|word| !word.is_empty())
                .map(|word| word.to_ascii_lowercase())
                .collect();
            let letters: usize = words.iter().map(Vec::len).sum();
            if letters < 3 || words.len() > MAX_WORDS || words.iter().flatten().any(u8::is_ascii_digit) {
                return None;
            }
            words.sort();
            Some(words.join(&b' '))
        }
    }
}

/// A cheap hash of a cell for the filter, equal to what the scan computes as it goes.
fn prefilter(kind: Kind, rolling: u64, value: &[u8]) -> u64 {
    let hash = match kind {
        Kind::Number | Kind::Address => value.iter().fold(rolling, |hash, byte| roll(hash, *byte)),
        Kind::Date => return 0,
        Kind::Words => value.split(|byte| *byte == b' ').fold(0u64, |sum, word| sum.wrapping_add(word_hash(rolling, word))),
    };
    mix(hash)
}

#[inline(always)]
fn roll(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}

fn word_hash(rolling: u64, word: &[u8]) -> u64 {
    mix(word.iter().fold(rolling, |hash, byte| roll(hash, byte.to_ascii_lowercase())))
}

fn rolling_key(key: &IndexKey) -> u64 {
    let mut octets = [0u8; 8];
    key.derive("row filter", &mut octets);
    u64::from_le_bytes(octets)
}

fn is_token(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(|byte| TOKEN[usize::from(*byte)])
}

fn token_end(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|byte| TOKEN[usize::from(**byte)]).count()
}

/// What people put between the groups of a number or the words of a name.
fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'.' | b'-' | b'/' | b'_' | b'\t' | b'\n' | b'|')
}

/// The mail address that begins at a word.
fn address_at(text: &[u8], start: usize) -> Option<Range<usize>> {
    let part = |from: usize| text[from..].iter().take(LONGEST_LOCAL).take_while(|byte| is_local(**byte)).count();
    let local = part(start);
    if text.get(start + local) != Some(&b'@') {
        return None;
    }
    let domain = start + local + 1;
    let mut end = domain + part(domain);
    while end > domain && !TOKEN[usize::from(text[end - 1])] {
        end -= 1;
    }
    (end > domain).then_some(start..end)
}

/// The date that begins at a number: 03/05/1978, 3.5.1978, 1978-05-03, 3 mai 1978, 03 MAY 1978.
fn date_at(text: &[u8], start: usize, mut found: impl FnMut(Range<usize>, [u8; 8])) {
    let Some((first, one)) = number_at(text, start) else { return };
    let Some(second) = after_gap(text, one) else { return };
    let (month, two) = match number_at(text, second) {
        Some(found) => found,
        None => match month_at(text, second) {
            Some(found) => found,
            None => return,
        },
    };
    let Some((third, end)) = after_gap(text, two).and_then(|third| number_at(text, third)) else { return };
    if is_token(text, end) {
        return;
    }
    let mut offer = |year: u32, month: u32, day: u32| {
        if (1..=12).contains(&month) && (1..=31).contains(&day) && (1850..2100).contains(&year) {
            let number = year * 10_000 + month * 100 + day;
            let mut digits = [0u8; 8];
            let mut rest = number;
            digits.iter_mut().rev().for_each(|digit| {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            });
            found(start..end, digits);
        }
    };
    if first > 31 {
        offer(first, month, third);
    } else if third > 31 || third >= 1000 {
        // Day first, as in Europe; only where that is no date, month first.
        if month <= 12 { offer(third, month, first) } else { offer(third, first, month) }
    }
}

/// The date that begins at the name of a month: May 3, 1978.
fn month_first(text: &[u8], start: usize, mut found: impl FnMut(Range<usize>, [u8; 8])) {
    let Some((month, one)) = month_at(text, start) else { return };
    let Some((day, two)) = after_gap(text, one).and_then(|second| number_at(text, second)) else { return };
    let gap = text[two..].iter().take(3).take_while(|byte| is_gap(**byte) || **byte == b',').count();
    let Some((year, end)) = number_at(text, two + gap) else { return };
    if (1850..2100).contains(&year) && (1..=31).contains(&day) && !is_token(text, end) {
        let written = format!("{year:04}{month:02}{day:02}");
        if let Ok(date) = written.as_bytes().try_into() {
            found(start..end, date);
        }
    }
}

fn number_at(text: &[u8], start: usize) -> Option<(u32, usize)> {
    let len = text.get(start..)?.iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
    let number = text[start..start + len].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    // "1er mai 1978", "3rd May 1978".
    let mut end = start + len;
    if [&b"er"[..], b"st", b"nd", b"rd", b"th"].iter().any(|ending| text[end..].starts_with(ending)) {
        end += 2;
    }
    (1..=4).contains(&len).then_some((number, end))
}

fn after_gap(text: &[u8], at: usize) -> Option<usize> {
    let gap = text.get(at..)?.iter().take(3).take_while(|byte| is_gap(**byte)).count();
    (1..=2).contains(&gap).then_some(at + gap)
}

/// Months by their first letters, French and English, folded.
fn month_at(text: &[u8], start: usize) -> Option<(u32, usize)> {
    const MONTHS: [(&[u8], u32); 17] = [
        (b"jan", 1),
        (b"fev", 2),
        (b"feb", 2),
        (b"mar", 3),
        (b"avr", 4),
        (b"apr", 4),
        (b"mai", 5),
        (b"may", 5),
        (b"juin", 6),
        (b"jun", 6),
        (b"juil", 7),
        (b"jul", 7),
        (b"aou", 8),
        (b"aug", 8),
        (b"sep", 9),
        (b"oct", 10),
        (b"nov", 11),
    ];
    let end = token_end(text, start);
    let word = text.get(start..end)?.to_ascii_lowercase();
    if word.len() < 3 || word.len() > 9 {
        return None;
    }
    let month = MONTHS.iter().find(|month| word.starts_with(month.0)).map(|month| month.1);
    month.or(word.starts_with(b"dec").then_some(12)).map(|month| (month, end))
}

#[cfg(test)]
mod tests {
    use super::super::index::test_key;
    use super::*;

    const FIRST: &[&str] = &["Élodie", "Marc", "Inès", "Paul", "Zoé", "Hugo", "Léa", "Noël", "Aïcha", "Yann"];
    const LAST: &[&str] = &[
        "Durand", "Lefèvre", "Nguyen", "Martin", "O'Brien", "Le Goff", "Bâ", "Petit", "Moreau", "Roux", "Faure", "Blanc",
        "Garnier",
    ];

    /// Invented agents: number, first name, last name, birth date, address, sex.
    fn row(number: usize) -> Vec<String> {
        let mixed = mix(number as u64 + 1) as usize;
        vec![
            format!(
                "1{:02} {:02} {:02} {:03} {:03}",
                mixed % 100,
                1 + mixed / 7 % 12,
                1 + mixed / 11 % 95,
                mixed / 13 % 1000,
                number % 1000
            ),
            FIRST[mixed % FIRST.len()].to_owned(),
            format!("{}{}", LAST[mixed / 17 % LAST.len()], ["", "-Petit", " de Lys"][mixed / 19 % 3]),
            format!("{:02}/{:02}/{}", 1 + mixed / 23 % 28, 1 + mixed / 29 % 12, 1950 + mixed / 31 % 50),
            format!("agent{number}@example.gouv.fr"),
            ["F", "M"][mixed % 2].to_owned(),
        ]
    }

    fn columns() -> Vec<String> {
        ["nir", "prenom", "nom", "naissance", "courriel", "sexe"].map(str::to_owned).to_vec()
    }

    fn index(rows: usize) -> (ExactIndex, Vec<ColumnReport>) {
        let key = test_key(3);
        let sample: Vec<Vec<String>> = (0..100).map(row).collect();
        let mut builder = ExactBuilder::new(&key, columns(), &sample).unwrap();
        (0..rows).for_each(|number| builder.add(&row(number)).unwrap());
        let (octets, reports) = builder.finish().unwrap();
        (ExactIndex::read(octets, &key).unwrap(), reports)
    }

    fn found(index: &ExactIndex, text: &str) -> Vec<(u32, usize)> {
        index.rows_in(normalize(text).text()).iter().map(|one| (one.row, one.cells)).collect()
    }

    #[test]
    fn cells_of_one_row_are_found_together_however_they_are_written() {
        let (index, reports) = index(2_000);
        let refused: Vec<&str> = reports.iter().filter(|one| one.refused.is_some()).map(|one| one.name.as_str()).collect();
        assert_eq!(refused, ["prenom", "nom", "sexe"], "too few different ones: {reports:?}");
        let agent = row(1234);
        let compact: String = agent[0].split(' ').collect();
        let dashed = agent[0].replace(' ', "-");
        let (day, month, year) = (&agent[3][..2], &agent[3][3..5], &agent[3][6..]);
        for text in [
            format!("Agent {} né le {}", agent[0], agent[3]),
            format!("né le {} ; numéro {compact}", agent[3]),
            format!("{dashed}\t{year}-{month}-{day}"),
            format!(
                "n° {compact}, {} {} {year}",
                day.trim_start_matches('0'),
                [
                    "janvier",
                    "fév.",
                    "mars",
                    "avril",
                    "mai",
                    "juin",
                    "juillet",
                    "août",
                    "sept.",
                    "octobre",
                    "novembre",
                    "décembre"
                ][month.parse::<usize>().unwrap() - 1]
            ),
            format!("{}: {}", agent[4].to_uppercase(), agent[3].replace('/', ".")),
        ] {
            assert_eq!(found(&index, &text), [(1234, 2)], "{text}");
        }
        let all = format!("{} {} {}", agent[4], agent[3], agent[0]);
        assert!(found(&index, &all).iter().all(|one| *one == (1234, 3)), "{all}");
    }

    #[test]
    fn cells_of_two_rows_or_far_apart_or_alone_are_nothing() {
        let (index, _) = index(2_000);
        let (one, other) = (row(7), row(8));
        for text in [
            format!("{} seul", one[0]),
            format!("{} et {}", one[0], other[3]),
            format!("{}{}{}", one[0], " mot".repeat(100), one[3]),
            format!("{}7 {}", one[0].replace(' ', ""), one[3]),
            one[3].clone(),
            format!("{} {}", one[1], one[2]),
        ] {
            assert!(found(&index, &text).is_empty(), "{text}");
        }
    }

    #[test]
    fn full_names_in_any_order_tell_a_row_when_they_are_registered_as_one_column() {
        let key = test_key(5);
        let rows: Vec<Vec<String>> = (0..400)
            .map(|number| {
                vec![
                    format!(
                        "{} Abc{}",
                        FIRST[number % 10],
                        String::from_utf8(vec![b'a' + (number / 26) as u8, b'a' + (number % 26) as u8]).unwrap()
                    ),
                    format!("{:02}/{:02}/{}", 1 + number % 28, 1 + number % 12, 1950 + number % 50),
                ]
            })
            .collect();
        let mut builder = ExactBuilder::new(&key, vec!["nom complet".into(), "naissance".into()], &rows).unwrap();
        rows.iter().for_each(|row| builder.add(row).unwrap());
        let index = ExactIndex::read(builder.finish().unwrap().0, &key).unwrap();
        let (first, last) = rows[321][0].split_once(' ').unwrap();
        for text in [format!("{first} {last}, {}", rows[321][1]), format!("{} {first} - {}", last.to_uppercase(), rows[321][1])]
        {
            assert_eq!(found(&index, &text), [(321, 2)], "{text}");
        }
    }

    #[test]
    fn nothing_readable_is_in_an_index_and_a_million_rows_fit_in_a_hundred_megabytes() {
        let (index, _) = index(20_000);
        for value in ["example", "agent1", "1950", "Durand"] {
            assert!(!index.octets.windows(value.len()).any(|octets| octets.eq_ignore_ascii_case(value.as_bytes())), "{value}");
        }
        let in_memory = index.octets.len() + index.filter.octets();
        assert!(in_memory / index.rows() < 100, "{} octets a row", in_memory / index.rows());
        assert_eq!(ExactIndex::read(index.octets.clone(), &test_key(4)).unwrap_err(), IndexError::OtherKey);
    }

    #[test]
    fn a_table_that_tells_no_rows_apart_is_refused() {
        let key = test_key(3);
        let rows: Vec<Vec<String>> =
            (0..50).map(|number| vec![["F", "M"][number % 2].into(), format!("{:03}", number % 5)]).collect();
        let mut builder = ExactBuilder::new(&key, vec!["sexe".into(), "département".into()], &rows).unwrap();
        rows.iter().for_each(|row| builder.add(row).unwrap());
        assert!(matches!(builder.finish(), Err(IndexError::Refused(_))));
        assert!(matches!(ExactBuilder::new(&key, vec!["nir".into()], &rows), Err(IndexError::Refused(_))));
    }

    proptest::proptest! {
        #[test]
        fn leaving_out_words_far_from_digits_and_at_signs_hides_nothing(
            numbers in proptest::collection::vec(0usize..500, 0..6),
            between in proptest::collection::vec("[a-z0-9@._é -]{0,20}", 6),
        ) {
            let (index, _) = index_once();
            let cells = numbers.iter().flat_map(|number| [row(*number).swap_remove(0), row(*number).swap_remove(4)]);
            let text: String = cells.zip(between.iter().cycle()).map(|(cell, between)| format!("{between} {cell}")).collect();
            let text = normalize(&text);
            let mut all = Vec::new();
            index.values(text.text(), 0..text.text().len(), false, &mut |span, kind, hash| all.push((span, kind, hash)));
            all.sort_by_key(|hit| hit.0.start);
            proptest::prop_assert_eq!(index.hits(text.text()), all);
        }

        #[test]
        fn no_text_breaks_the_search(text in ".{0,200}") {
            let (index, _) = index_once();
            for one in index.rows_in(normalize(&text).text()) {
                proptest::prop_assert!(one.start < one.end);
            }
        }
    }

    fn index_once() -> &'static (ExactIndex, Vec<ColumnReport>) {
        static INDEX: std::sync::OnceLock<(ExactIndex, Vec<ColumnReport>)> = std::sync::OnceLock::new();
        INDEX.get_or_init(|| index(500))
    }
}
