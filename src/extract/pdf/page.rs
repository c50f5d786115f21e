//! Turns what is drawn on a page into its text: in the order in which it is drawn, and where that differs, by its place on the page.

use super::font::Font;
use super::lexer::{Lexer, Token};
use super::{Known, dictionary, text_string};
use crate::extract::Reason;
use lopdf::{Dictionary, Document, Object, ObjectId};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// Forms drawn inside forms.
const FORMS: usize = 8;
/// Images of one page that are handed on.
const IMAGES: usize = 50;
/// Drawings kept in drawings.
const KEPT: usize = 256;
/// Strings of a page that are also read by their place, and octets of their text.
const PLACED: usize = 20_000;
const PLACED_OCTETS: usize = 256 << 10;

pub(super) struct Page<'d, 'k> {
    document: &'d Document,
    known: &'k mut Known,
    text: String,
    /// What stands behind marked text (ISO 32000-1 §14.9.4): read aloud and copied instead of it. Also what fonts say by another table.
    beside: String,
    limit: usize,
    spent: usize,
    pub images: bool,
    /// Images drawn, in order.
    pub drawn: Vec<ObjectId>,
    pub failed: Option<Reason>,
    /// Forms already read: drawn a thousand times, each within itself, they say nothing more.
    forms: BTreeSet<ObjectId>,
    /// Where the last string ended on the page.
    end: Option<(f64, f64)>,
    placed: Vec<Placed>,
}

/// A string on the page: where it begins and ends, and where it stands in the text.
struct Placed {
    x: f64,
    end: f64,
    y: f64,
    size: f64,
    text: std::ops::Range<usize>,
}

/// What decides where the next string stands (ISO 32000-1 §8.3, §9.3, §9.4).
#[derive(Clone)]
struct State {
    font: Option<Rc<Font>>,
    size: f64,
    leading: f64,
    /// Added after each letter, and after each blank.
    letters: f64,
    words: f64,
    /// 1 when letters are not stretched.
    stretch: f64,
    rise: f64,
    page: Matrix,
}

/// Where the next letter stands.
struct Cursor {
    /// Of the line, towards the drawing.
    line: Matrix,
    advanced: f64,
}

/// `[a b c d e f]`: x' = ax + cy + e, y' = bx + dy + f.
type Matrix = [f64; 6];
const UNIT: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

fn times(m: Matrix, n: Matrix) -> Matrix {
    let [a, b, c, d, e, f] = m;
    let row = |x: f64, y: f64| (x * n[0] + y * n[2], x * n[1] + y * n[3]);
    let ((a, b), (c, d), (e, f)) = (row(a, b), row(c, d), row(e, f));
    [a, b, c, d, e + n[4], f + n[5]]
}

impl Cursor {
    fn move_line(&mut self, x: f64, y: f64) {
        self.line = times([1.0, 0.0, 0.0, 1.0, x, y], self.line);
        self.advanced = 0.0;
    }

    fn next_line(&mut self, state: &State) {
        // Without a leading both lines would stand in one place.
        let down = if state.leading == 0.0 { state.size } else { state.leading };
        self.move_line(0.0, -down);
    }
}

impl<'d, 'k> Page<'d, 'k> {
    pub(super) fn new(document: &'d Document, known: &'k mut Known, limit: usize) -> Page<'d, 'k> {
        Page {
            document,
            known,
            text: String::new(),
            beside: String::new(),
            limit,
            spent: 0,
            images: false,
            drawn: Vec::new(),
            failed: None,
            forms: BTreeSet::new(),
            end: None,
            placed: Vec::new(),
        }
    }

    /// Octets of content read, the text, and what is beside it.
    pub(super) fn finish(mut self) -> (usize, String, String) {
        self.by_place();
        (self.spent, self.text, self.beside)
    }

    pub(super) fn read(&mut self, id: ObjectId) {
        let mut content = Vec::new();
        for stream in self.document.get_page_contents(id) {
            self.known.drawn.insert(stream);
            let Ok(Object::Stream(stream)) = self.document.get_object(stream) else {
                // A cut file is repaired as far as it goes; what its pages refer to is then missing.
                if !self.document.get_object(stream).is_ok_and(|object| object.as_array().is_ok()) {
                    self.failed = Some(Reason::Damaged);
                }
                continue;
            };
            if stream.content.is_empty() && stream.dict.get(b"Length").and_then(Object::as_i64).unwrap_or(0) != 0 {
                self.failed = Some(Reason::Damaged);
            }
            // What a filter does not undo comes out as it went in (ISO 32000-1 §7.4).
            let can_undo = |filter: &&[u8]| {
                matches!(*filter, b"FlateDecode" | b"LZWDecode" | b"ASCII85Decode" | b"ASCIIHexDecode" | b"RunLengthDecode")
            };
            if !stream.filters().unwrap_or_default().iter().all(can_undo) {
                self.failed = Some(Reason::Unsupported);
            }
            match stream.get_plain_content_with_limit(self.limit.saturating_sub(content.len()).max(1)) {
                Ok(more) => content.extend(more),
                Err(lopdf::Error::Decompress(_)) => self.failed = Some(Reason::OverBudget),
                Err(_) => self.failed = Some(Reason::Damaged),
            }
            content.push(b'\n');
        }
        let (own, inherited) = self.document.get_page_resources(id).unwrap_or((None, Vec::new()));
        let resources: Vec<&Dictionary> =
            own.into_iter().chain(inherited.iter().filter_map(|id| self.document.get_dictionary(*id).ok())).collect();
        self.content(&content, &resources, UNIT, 0);
    }

    /// A drawing that no page draws.
    pub(super) fn stray(&mut self, content: &[u8], described: &'d Dictionary) {
        let own = described.get(b"Resources").ok().and_then(|own| dictionary(self.document, own));
        self.content(content, &own.into_iter().collect::<Vec<_>>(), UNIT, FORMS);
    }

    fn content(&mut self, content: &[u8], resources: &[&'d Dictionary], base: Matrix, depth: usize) {
        self.spent += content.len();
        let mut fonts: HashMap<Vec<u8>, Rc<Font>> = HashMap::new();
        let mut state =
            State { font: None, size: 1.0, leading: 0.0, letters: 0.0, words: 0.0, stretch: 1.0, rise: 0.0, page: base };
        let mut kept: Vec<State> = Vec::new();
        let mut cursor = Cursor { line: UNIT, advanced: 0.0 };
        let mut operands: Vec<Token> = Vec::new();
        let mut lexer = Lexer::new(content);
        while let Some(token) = lexer.next() {
            let Token::Operator(operator) = token else {
                // No operator takes more than 33 operands (§A.2); what is more is noise.
                if operands.len() < 64 {
                    operands.push(token);
                }
                continue;
            };
            if self.text.len() > self.limit {
                return self.failed = Some(Reason::OverBudget);
            }
            let number = |n: usize| if let Some(Token::Number(number)) = operands.get(n) { *number } else { 0.0 };
            let matrix = || -> Matrix { std::array::from_fn(number) };
            match operator {
                b"Tf" => {
                    if let Some(Token::Name(name)) = operands.first() {
                        state.size = if number(1).abs() > 0.0 { number(1).abs() } else { 1.0 };
                        let font = fonts.entry(name.to_vec()).or_insert_with(|| self.font(resources, name));
                        state.font = Some(Rc::clone(font));
                    }
                }
                b"gs" => {
                    // A font may come with other settings (§8.4.5).
                    if let Some(Token::Name(name)) = operands.first()
                        && let Some((font, size)) = self.font_of_settings(resources, name)
                    {
                        (state.font, state.size) = (Some(font), size);
                    }
                }
                b"TL" => state.leading = number(0),
                b"Tc" => state.letters = number(0),
                b"Tw" => state.words = number(0),
                b"Tz" => state.stretch = number(0) / 100.0,
                b"Ts" => state.rise = number(0),
                b"BT" => cursor = Cursor { line: UNIT, advanced: 0.0 },
                b"Td" => cursor.move_line(number(0), number(1)),
                b"TD" => {
                    state.leading = -number(1);
                    cursor.move_line(number(0), number(1));
                }
                b"Tm" => cursor = Cursor { line: matrix(), advanced: 0.0 },
                b"T*" => cursor.next_line(&state),
                b"cm" => state.page = times(matrix(), state.page),
                b"q" if kept.len() < KEPT => kept.push(state.clone()),
                b"Q" => state = kept.pop().unwrap_or(state),
                b"BDC" | b"DP" => self.marked(&operands, resources),
                b"Tj" | b"'" | b"\"" => {
                    if operator == b"\"" {
                        (state.words, state.letters) = (number(0), number(1));
                    }
                    if operator != b"Tj" {
                        cursor.next_line(&state);
                    }
                    if let Some(Token::Text(string)) = operands.last() {
                        self.show(string, &state, &mut cursor);
                    }
                }
                b"TJ" => {
                    for item in operands
                        .first()
                        .into_iter()
                        .flat_map(|list| if let Token::Array(list) = list { &list[..] } else { &[] })
                    {
                        match item {
                            Token::Text(string) => self.show(string, &state, &mut cursor),
                            Token::Number(back) => cursor.advanced -= back / 1000.0 * state.size * state.stretch,
                            _ => {}
                        }
                    }
                }
                b"Do" => {
                    if let Some(Token::Name(name)) = operands.first() {
                        self.draw(name, resources, state.page, depth);
                    }
                }
                b"ID" => {
                    self.images = true;
                    lexer.skip_image();
                }
                _ => {}
            }
            operands.clear();
        }
        if lexer.too_deep {
            self.failed = Some(Reason::Damaged);
        }
        self.line();
    }

    fn marked(&mut self, operands: &[Token], resources: &[&'d Dictionary]) {
        let mut add = |text: String| {
            self.beside.push_str(&text);
            self.beside.push('\n');
        };
        match operands.get(1) {
            Some(Token::Dictionary(pairs)) => {
                for pair in pairs.chunks_exact(2) {
                    if let [Token::Name(key), Token::Text(text)] = pair
                        && matches!(key.as_ref(), b"ActualText" | b"Alt" | b"E")
                    {
                        text_string(&Object::string_literal(text.to_vec())).into_iter().for_each(&mut add);
                    }
                }
            }
            // A name stands for a dictionary among the resources (§14.6.2).
            Some(Token::Name(name)) => {
                let marked = resources.iter().find_map(|resources| {
                    let all = dictionary(self.document, resources.get(b"Properties").ok()?)?;
                    dictionary(self.document, all.get(name).ok()?)
                });
                for key in [&b"ActualText"[..], b"Alt", b"E"] {
                    marked.and_then(|marked| marked.get(key).ok()).and_then(text_string).into_iter().for_each(&mut add);
                }
            }
            _ => {}
        }
    }

    fn draw(&mut self, name: &[u8], resources: &[&'d Dictionary], base: Matrix, depth: usize) {
        let found = resources.iter().find_map(|resources| {
            let objects = dictionary(self.document, resources.get(b"XObject").ok()?)?;
            self.document.dereference(objects.get(name).ok()?).ok()
        });
        let Some((id, Object::Stream(stream))) = found else { return };
        if id.is_some_and(|id| !self.forms.insert(id)) {
            return;
        }
        match stream.dict.get(b"Subtype").and_then(Object::as_name) {
            Ok(b"Image") => {
                self.images = true;
                self.drawn.extend(id.filter(|_| self.drawn.len() < IMAGES));
            }
            Ok(b"Form") if depth < FORMS && self.spent < self.limit => {
                self.known.drawn.extend(id);
                let Ok(content) = stream.get_plain_content_with_limit(self.limit - self.spent) else {
                    self.failed = Some(Reason::Damaged);
                    return;
                };
                let own = stream.dict.get(b"Resources").ok().and_then(|own| dictionary(self.document, own));
                let all: Vec<&Dictionary> = own.into_iter().chain(resources.iter().copied()).collect();
                let matrix = stream.dict.get(b"Matrix").ok().and_then(|matrix| super::array(self.document, matrix));
                let matrix = matrix
                    .filter(|matrix| matrix.len() == 6)
                    .map_or(UNIT, |matrix| std::array::from_fn(|n| matrix[n].as_float().map_or(0.0, f64::from)));
                self.content(&content, &all, times(matrix, base), depth + 1);
            }
            Ok(b"Form") => self.failed = Some(Reason::OverBudget),
            _ => {}
        }
    }

    fn font(&mut self, resources: &[&'d Dictionary], name: &[u8]) -> Rc<Font> {
        let document = self.document;
        let found = resources.iter().find_map(|resources| dictionary(document, resources.get(b"Font").ok()?)?.get(name).ok());
        self.font_of(found)
    }

    fn font_of_settings(&mut self, resources: &[&'d Dictionary], name: &[u8]) -> Option<(Rc<Font>, f64)> {
        let document = self.document;
        let settings = resources.iter().find_map(|resources| {
            dictionary(document, dictionary(document, resources.get(b"ExtGState").ok()?)?.get(name).ok()?)
        })?;
        let [font, size] = &super::array(document, settings.get(b"Font").ok()?)?[..] else { return None };
        Some((self.font_of(Some(font)), f64::from(size.as_float().ok()?)))
    }

    fn font_of(&mut self, found: Option<&'d Object>) -> Rc<Font> {
        let id = found.and_then(|font| font.as_reference().ok());
        if let Some(known) = id.and_then(|id| self.known.fonts.get(&id)) {
            return Rc::clone(known);
        }
        let described = found.and_then(|font| dictionary(self.document, font));
        let font = Rc::new(described.map_or_else(Font::unknown, |font| Font::new(self.document, font, self.limit)));
        id.into_iter().for_each(|id| {
            self.known.fonts.insert(id, Rc::clone(&font));
        });
        font
    }

    fn show(&mut self, string: &[u8], state: &State, cursor: &mut Cursor) {
        if string.is_empty() {
            return;
        }
        let all = times(times([1.0, 0.0, 0.0, 1.0, 0.0, state.rise], cursor.line), state.page);
        let unknown;
        let font = match &state.font {
            Some(font) => font,
            None => {
                unknown = Rc::new(Font::unknown());
                &unknown
            }
        };
        let (width, count, blanks) = font.advance(string);
        let extra = count as f64 * state.letters + blanks as f64 * state.words;
        let begin = cursor.advanced;
        cursor.advanced += (width / 1000.0 * state.size + extra) * state.stretch;
        let scale = all[0].hypot(all[1]).max(1e-6);
        let (direction_x, direction_y) = (all[0] / scale, all[1] / scale);
        let at = |advanced: f64| (all[4] + advanced * all[0], all[5] + advanced * all[1]);
        // Along the direction of writing and across it, so that turned text has lines too.
        let along = |(x, y): (f64, f64)| (x * direction_x + y * direction_y, y * direction_x - x * direction_y);
        let ((x, y), (end, _)) = (along(at(begin)), along(at(cursor.advanced)));
        let size = state.size * scale;
        self.place(x, y, size);
        self.end = Some((end, y));
        let said = font.say(string);
        let start = self.text.len();
        self.text.extend(said.text.chars().filter(|c| *c != '\0'));
        if let Some(other) = said.other {
            self.beside.push_str(&other);
            self.beside.push('\n');
        }
        if said.unknown && (font.is_wide() || said.text.is_empty()) {
            self.failed = Some(Reason::Unsupported);
        }
        if self.placed.len() <= PLACED {
            self.placed.push(Placed { x, end, y, size, text: start..self.text.len() });
        }
    }

    /// A string is on another line, behind a gap, or goes on from the last one, by where it stands on the page.
    fn place(&mut self, x: f64, y: f64, size: f64) {
        if let Some((end, line)) = self.end {
            if (y - line).abs() > size * 0.2 {
                self.line();
            } else if x - end > size * 0.2 || x - end < -size {
                self.blank();
            }
        }
    }

    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
            self.text.push(' ');
        }
    }

    /// Lines as the eye finds them, where no line of the text says the same: digits drawn from the last to the first, a table drawn
    /// column by column.
    fn by_place(&mut self) {
        if self.placed.len() > PLACED || self.text.len() > PLACED_OCTETS {
            return;
        }
        let mut placed = std::mem::take(&mut self.placed);
        placed.retain(|one| one.x.is_finite() && one.y.is_finite() && !self.text[one.text.clone()].trim().is_empty());
        placed.sort_by(|a, b| b.y.total_cmp(&a.y));
        let drawn: String = self.text.chars().filter(|c| !c.is_whitespace()).collect();
        let mut rest = &mut placed[..];
        while let Some(first) = rest.first() {
            let (y, size) = (first.y, first.size.max(0.1));
            let length = rest.iter().position(|one| y - one.y > size * 0.3).unwrap_or(rest.len());
            let (line, below) = rest.split_at_mut(length);
            rest = below;
            line.sort_by(|a, b| a.x.total_cmp(&b.x));
            let mut text = String::new();
            let mut end = f64::NEG_INFINITY;
            for one in line.iter() {
                if end.is_finite() && one.x - end > one.size * 0.2 {
                    text.push(' ');
                }
                text.push_str(&self.text[one.text.clone()]);
                end = one.end;
            }
            let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            if line.len() > 1 && memchr::memmem::find(drawn.as_bytes(), bare.as_bytes()).is_none() {
                self.beside.push_str(&text);
                self.beside.push('\n');
            }
        }
    }
}
