//! Turns a PDF into the text of its pages, its form fields, notes and properties.

use super::reading::Reading;
use super::*;
use lopdf::content::{Content, Operation};
use lopdf::{Dictionary, Document, Encoding, LoadOptions, Object, ObjectId};
use std::collections::{BTreeMap, BTreeSet};

/// Forms drawn inside forms.
const FORMS: usize = 8;

impl Reading {
    pub(super) fn pdf(&mut self, octets: &[u8], place: &str, group: u32, depth: usize) {
        let options = LoadOptions { max_decompressed_size: Some(limit(self)), ..LoadOptions::default() };
        let document = match Document::load_mem_with_options(octets, options) {
            Ok(document) => document,
            Err(lopdf::Error::Decompress(_)) => return self.unreadable(place, Reason::OverBudget),
            Err(lopdf::Error::Unimplemented(_)) => return self.unreadable(place, Reason::Unsupported),
            Err(lopdf::Error::Decryption(_) | lopdf::Error::InvalidPassword) => {
                return self.unreadable(place, Reason::Password);
            }
            Err(_) => return self.unreadable(place, Reason::Damaged),
        };
        // An empty password opens it for everybody, so for us too; any other is unknown.
        if document.is_encrypted() {
            return self.unreadable(place, Reason::Password);
        }
        let pages = document.get_pages();
        if pages.is_empty() || promised(&document).is_some_and(|count| count > pages.len() as i64) {
            self.unreadable(place, Reason::Damaged);
        }
        let mut seen = BTreeSet::new();
        for (number, id) in &pages {
            let place = format!("{place} > page {number}");
            if !seen.insert(*id) {
                continue;
            }
            if self.budget.left() == 0 || !self.budget.file() {
                self.unreadable(&place, Reason::OverBudget);
                break;
            }
            let mut page = Page::new(&document, limit(self));
            page.read(*id);
            let Page { text, beside, spent, images, failed, .. } = page;
            self.budget.spend(spent as u64);
            if let Some(reason) = failed {
                self.unreadable(&place, reason);
            } else if text.trim().is_empty() && images {
                // A scanned page: whoever sees it reads what we cannot.
                self.unreadable(&place, Reason::Unsupported);
            }
            self.text(&place, TextKind::Attachment, group, text);
            self.text(&place, TextKind::Alternative, group, beside);
            let notes = annotations(&document, *id);
            self.text(&format!("{place} > notes"), TextKind::Attachment, group, notes);
        }
        let fields = form_fields(&document);
        self.text(&format!("{place} > form"), TextKind::Attachment, group, fields);
        let info = document.trailer.get(b"Info").ok().and_then(|info| dictionary(&document, info));
        let lines = info.map(|info| strings(&document, info)).unwrap_or_default();
        self.text(place, TextKind::Properties, group, lines);
        let beside = self.beside_pages(&document, octets, &pages);
        self.text(&format!("{place} > beside the pages"), TextKind::Alternative, group, beside);
        self.embedded_files(&document, place, depth);
    }

    /// All that is in the file and on no page: strings of every object (bookmarks, notes, fields, scripts, descriptions), streams
    /// that no page draws (XMP, XFA, appearances, forms), comments, and what stands behind the end.
    fn beside_pages(&mut self, document: &Document, octets: &[u8], pages: &BTreeMap<u32, ObjectId>) -> String {
        let mut out = String::new();
        let drawn: BTreeSet<ObjectId> = pages.values().flat_map(|page| document.get_page_contents(*page)).collect();
        for (id, object) in &document.objects {
            if out.len() > limit(self) {
                break;
            }
            strings_in(object, &mut out);
            let Object::Stream(stream) = object else { continue };
            let kind = |key: &[u8]| stream.dict.get(key).and_then(Object::as_name).unwrap_or_default();
            let binary = matches!(kind(b"Subtype"), b"Image" | b"Type1C" | b"CIDFontType0C" | b"OpenType")
                || matches!(kind(b"Type"), b"XRef" | b"ObjStm" | b"EmbeddedFile")
                || stream.dict.has(b"Length1");
            if binary || drawn.contains(id) {
                continue;
            }
            let Ok(content) = stream.get_plain_content_with_limit(limit(self)) else { continue };
            if !self.budget.spend(content.len() as u64) || !super::sniff::is_text(&content) {
                continue;
            }
            if memchr::memmem::find(&content, b"Tj").is_some() || memchr::memmem::find(&content, b"TJ").is_some() {
                let mut page = Page::new(document, limit(self));
                let own = stream.dict.get(b"Resources").ok().and_then(|own| dictionary(document, own));
                page.content(&content, &own.into_iter().collect::<Vec<_>>(), FORMS);
                out.push_str(&page.text);
            } else {
                out.push_str(&crate::mime::text_in_charset(&content, None).0);
            }
            out.push('\n');
        }
        for line in octets.split(|b| matches!(b, b'\n' | b'\r')).filter(|line| line.first() == Some(&b'%')) {
            out.push_str(&super::plain::printable(line));
        }
        let end = memchr::memmem::rfind(octets, b"%%EOF").map_or(octets.len(), |at| at + 5);
        out.push_str(&super::plain::printable(&octets[end..]));
        out
    }

    /// Files attached to a PDF (ISO 32000-1 §7.11.4).
    fn embedded_files(&mut self, document: &Document, place: &str, depth: usize) {
        for object in document.objects.values() {
            let Ok(spec) = object.as_dict() else { continue };
            let Some(files) = spec.get(b"EF").ok().and_then(|files| dictionary(document, files)) else { continue };
            let name = [&b"UF"[..], b"F"].iter().find_map(|key| spec.get(key).ok()).and_then(text_string).unwrap_or_default();
            let Some(stream) = [&b"UF"[..], b"F"].iter().find_map(|key| files.get(key).ok()) else { continue };
            let Ok((_, Object::Stream(stream))) = document.dereference(stream) else { continue };
            match stream.get_plain_content_with_limit(limit(self)) {
                Ok(octets) if self.budget.spend(octets.len() as u64) => {
                    let name = if name.is_empty() { "attached file" } else { name.as_str() };
                    self.file(super::reading::File {
                        within: place,
                        name,
                        declared: "",
                        charset: None,
                        octets: &octets,
                        depth: depth + 1,
                    });
                }
                Ok(_) => self.unreadable(place, Reason::OverBudget),
                Err(_) => self.unreadable(place, Reason::Damaged),
            }
        }
    }
}

fn limit(reading: &Reading) -> usize {
    usize::try_from(reading.budget.left()).unwrap_or(usize::MAX).min(64 << 20)
}

struct Page<'d> {
    document: &'d Document,
    text: String,
    /// What stands behind marked text (ISO 32000-1 §14.9.4): read aloud and copied instead of it.
    beside: String,
    limit: usize,
    spent: usize,
    images: bool,
    failed: Option<Reason>,
    /// Forms already read: drawn a thousand times, each within itself, they say nothing more.
    forms: BTreeSet<ObjectId>,
    /// Where the last string ended on the page.
    end: Option<(f64, f64)>,
}

/// What decides where the next string stands (ISO 32000-1 §8.3, §9.4).
struct State {
    size: f64,
    leading: f64,
    /// Where the next letter stands in its line.
    advanced: f64,
    /// Of the line, towards the drawing; of the drawing, towards the page.
    line: Matrix,
    page: Matrix,
    kept: Vec<Matrix>,
}

/// Drawings kept in drawings.
const KEPT: usize = 256;

/// `[a b c d e f]`: x' = ax + cy + e, y' = bx + dy + f.
type Matrix = [f64; 6];
const UNIT: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

fn times(m: Matrix, n: Matrix) -> Matrix {
    let [a, b, c, d, e, f] = m;
    let row = |x: f64, y: f64| (x * n[0] + y * n[2], x * n[1] + y * n[3]);
    let ((a, b), (c, d), (e, f)) = (row(a, b), row(c, d), row(e, f));
    [a, b, c, d, e + n[4], f + n[5]]
}

impl State {
    fn move_line(&mut self, x: f64, y: f64) {
        self.line = times([1.0, 0.0, 0.0, 1.0, x, y], self.line);
        self.advanced = 0.0;
    }
}

struct Font<'d> {
    encoding: Option<Encoding<'d>>,
    first: i64,
    widths: Vec<f64>,
    wide: bool,
}

impl<'d> Page<'d> {
    fn new(document: &'d Document, limit: usize) -> Page<'d> {
        Page {
            document,
            text: String::new(),
            beside: String::new(),
            limit,
            spent: 0,
            images: false,
            failed: None,
            forms: BTreeSet::new(),
            end: None,
        }
    }

    /// Whether all filters of a stream are undone (ISO 32000-1 §7.4); what is not comes out as it went in.
    fn can_unpack(&self, id: ObjectId) -> bool {
        let Ok(Object::Stream(stream)) = self.document.get_object(id) else { return true };
        let filters = stream.filters().unwrap_or_default();
        filters.iter().all(|filter| {
            matches!(*filter, b"FlateDecode" | b"LZWDecode" | b"ASCII85Decode" | b"ASCIIHexDecode" | b"RunLengthDecode")
        })
    }

    fn read(&mut self, id: ObjectId) {
        if self.document.get_page_contents(id).iter().any(|content| !self.can_unpack(*content)) {
            self.failed = Some(Reason::Unsupported);
        }
        // A cut file is repaired as far as it goes; what its pages refer to is then missing.
        let whole = |content: &ObjectId| match self.document.get_object(*content) {
            Ok(Object::Stream(stream)) => {
                !stream.content.is_empty() || stream.dict.get(b"Length").and_then(Object::as_i64).unwrap_or(0) == 0
            }
            Ok(object) => object.as_array().is_ok(),
            Err(_) => false,
        };
        if !self.document.get_page_contents(id).iter().all(whole) {
            self.failed = Some(Reason::Damaged);
        }
        let content = match self.document.get_page_content_with_limit(id, self.limit) {
            Ok(content) => content,
            Err(lopdf::Error::Decompress(_)) => return self.failed = Some(Reason::OverBudget),
            Err(_) => return self.failed = Some(Reason::Damaged),
        };
        let (own, inherited) = self.document.get_page_resources(id).unwrap_or((None, Vec::new()));
        let resources: Vec<&Dictionary> =
            own.into_iter().chain(inherited.iter().filter_map(|id| self.document.get_dictionary(*id).ok())).collect();
        self.content(&content, &resources, 0);
    }

    fn content(&mut self, content: &[u8], resources: &[&'d Dictionary], depth: usize) {
        self.spent += content.len();
        let Ok(content) = Content::decode(content) else {
            self.failed = Some(Reason::Damaged);
            return;
        };
        let mut fonts: BTreeMap<Vec<u8>, Font<'d>> = BTreeMap::new();
        let mut font: Option<Vec<u8>> = None;
        let mut state = State { size: 1.0, leading: 0.0, advanced: 0.0, line: UNIT, page: UNIT, kept: Vec::new() };
        for operation in &content.operations {
            if self.text.len() > self.limit {
                return self.failed = Some(Reason::OverBudget);
            }
            let Operation { operator, operands } = operation;
            let number = |n: usize| operands.get(n).and_then(|object| object.as_float().ok()).map_or(0.0, f64::from);
            match operator.as_str() {
                "Tf" => {
                    let Some(name) = operands.first().and_then(|name| name.as_name().ok()) else { continue };
                    state.size = if number(1).abs() > 0.0 { number(1).abs() } else { 1.0 };
                    if !fonts.contains_key(name) {
                        fonts.insert(name.to_vec(), self.font(resources, name));
                    }
                    font = Some(name.to_vec());
                }
                "TL" => state.leading = number(0),
                "BT" => (state.line, state.advanced) = (UNIT, 0.0),
                "Td" => state.move_line(number(0), number(1)),
                "TD" => {
                    state.leading = -number(1);
                    state.move_line(number(0), number(1));
                }
                "Tm" => (state.line, state.advanced) = (matrix(&number), 0.0),
                "T*" => self.next_line(&mut state),
                "cm" => state.page = times(matrix(&number), state.page),
                "q" if state.kept.len() < KEPT => state.kept.push(state.page),
                "Q" => state.page = state.kept.pop().unwrap_or(state.page),
                "BDC" | "DP" => {
                    for key in [&b"ActualText"[..], b"Alt", b"E"] {
                        let marked = operands.get(1).and_then(|marked| dictionary(self.document, marked));
                        if let Some(text) = marked.and_then(|marked| marked.get(key).ok()).and_then(text_string) {
                            self.beside.push_str(&text);
                            self.beside.push('\n');
                        }
                    }
                }
                "Tj" | "'" | "\"" => {
                    if operator != "Tj" {
                        self.next_line(&mut state);
                    }
                    if let Some(Object::String(string, _)) = operands.last() {
                        self.show(string, font.as_ref().and_then(|name| fonts.get(name)), &mut state);
                    }
                }
                "TJ" => {
                    for item in operands.first().and_then(|array| array.as_array().ok()).into_iter().flatten() {
                        match item {
                            Object::String(string, _) => {
                                self.show(string, font.as_ref().and_then(|name| fonts.get(name)), &mut state)
                            }
                            item => {
                                let back = item.as_float().map_or(0.0, f64::from);
                                state.advanced -= back / 1000.0 * state.size;
                            }
                        }
                    }
                }
                "Do" => self.draw(operands.first(), resources, depth),
                "BI" => self.images = true,
                _ => {}
            }
        }
        self.line();
    }

    fn next_line(&mut self, state: &mut State) {
        // Without a leading both lines would stand in one place.
        let down = if state.leading == 0.0 { state.size } else { state.leading };
        state.move_line(0.0, -down);
    }

    fn draw(&mut self, name: Option<&Object>, resources: &[&'d Dictionary], depth: usize) {
        let Some(name) = name.and_then(|name| name.as_name().ok()) else { return };
        let found = resources.iter().find_map(|resources| {
            let objects = dictionary(self.document, resources.get(b"XObject").ok()?)?;
            self.document.dereference(objects.get(name).ok()?).ok()
        });
        let Some((id, Object::Stream(stream))) = found else { return };
        if id.is_some_and(|id| !self.forms.insert(id)) {
            return;
        }
        match stream.dict.get(b"Subtype").and_then(Object::as_name) {
            Ok(b"Image") => self.images = true,
            Ok(b"Form") if depth < FORMS && self.spent < self.limit => {
                let Ok(content) = stream.get_plain_content_with_limit(self.limit - self.spent) else {
                    self.failed = Some(Reason::Damaged);
                    return;
                };
                let own = stream.dict.get(b"Resources").ok().and_then(|own| dictionary(self.document, own));
                let all: Vec<&Dictionary> = own.into_iter().chain(resources.iter().copied()).collect();
                self.content(&content, &all, depth + 1);
            }
            Ok(b"Form") => self.failed = Some(Reason::OverBudget),
            _ => {}
        }
    }

    fn font(&self, resources: &[&'d Dictionary], name: &[u8]) -> Font<'d> {
        let font = resources.iter().find_map(|resources| {
            let fonts = dictionary(self.document, resources.get(b"Font").ok()?)?;
            dictionary(self.document, fonts.get(name).ok()?)
        });
        let Some(font) = font else { return Font { encoding: None, first: 0, widths: Vec::new(), wide: false } };
        let widths = font.get(b"Widths").ok().and_then(|widths| self.document.dereference(widths).ok());
        let widths = widths.and_then(|(_, widths)| widths.as_array().ok()).into_iter().flatten().take(256);
        Font {
            encoding: font.get_font_encoding_with_limit(self.document, self.limit).ok(),
            first: font.get(b"FirstChar").and_then(Object::as_i64).unwrap_or(0),
            widths: widths.map(|width| width.as_float().map_or(0.0, f64::from)).collect(),
            wide: font.get(b"Subtype").and_then(Object::as_name).is_ok_and(|kind| kind == b"Type0"),
        }
    }

    /// A string is on another line, behind a gap, or goes on from the last one, by where it stands on the page.
    fn place(&mut self, state: &State) {
        let all = times(state.line, state.page);
        let size = state.size * all[0].hypot(all[1]).max(1e-6);
        let (x, y) = (all[4] + state.advanced * all[0], all[5] + state.advanced * all[1]);
        if let Some((end, line)) = self.end {
            if (y - line).abs() > size * 0.2 {
                self.line();
            } else if x - end > size * 0.2 || x - end < -size {
                self.blank();
            }
        }
    }

    fn show(&mut self, string: &[u8], font: Option<&Font>, state: &mut State) {
        if string.is_empty() {
            return;
        }
        self.place(state);
        let decoded =
            font.and_then(|font| font.encoding.as_ref()).and_then(|encoding| Document::decode_text(encoding, string).ok());
        match decoded {
            Some(text) => self.text.push_str(&text.replace('\0', "")),
            // Without an encoding the octets are all there is: standard fonts use ASCII, those of two octets numbers of glyphs.
            None if string.is_ascii() && !font.is_some_and(|font| font.wide) => {
                self.text.push_str(&String::from_utf8_lossy(string))
            }
            None if !string.is_empty() => self.failed = Some(Reason::Unsupported),
            None => {}
        }
        let width = |octet: &u8| match font {
            Some(font) if !font.wide => {
                let index = usize::try_from(i64::from(*octet) - font.first).ok();
                index.and_then(|n| font.widths.get(n)).copied().filter(|width| *width > 0.0).unwrap_or(550.0)
            }
            Some(_) => 275.0,
            None => 550.0,
        };
        state.advanced += string.iter().map(width).sum::<f64>() / 1000.0 * state.size;
        let all = times(state.line, state.page);
        self.end = Some((all[4] + state.advanced * all[0], all[5] + state.advanced * all[1]));
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
}

fn matrix(number: &impl Fn(usize) -> f64) -> Matrix {
    std::array::from_fn(number)
}

/// All strings of an object, without recursion: arrays may be nested a hundred thousand times.
fn strings_in(object: &Object, out: &mut String) {
    let mut waiting = vec![object];
    while let Some(object) = waiting.pop() {
        match object {
            Object::String(..) => {
                if let Some(text) = text_string(object).filter(|text| text.len() >= 4) {
                    out.push_str(&text);
                    out.push('\n');
                }
            }
            Object::Array(items) => waiting.extend(items.iter().rev()),
            Object::Dictionary(dictionary) => waiting.extend(dictionary.iter().map(|(_, value)| value)),
            Object::Stream(stream) => waiting.extend(stream.dict.iter().map(|(_, value)| value)),
            _ => {}
        }
    }
}

/// How many pages the root of the page tree says there are.
fn promised(document: &Document) -> Option<i64> {
    let root = dictionary(document, document.catalog().ok()?.get(b"Pages").ok()?)?;
    root.get(b"Count").ok()?.as_i64().ok()
}

fn dictionary<'d>(document: &'d Document, object: &'d Object) -> Option<&'d Dictionary> {
    match document.dereference(object).ok()?.1 {
        Object::Dictionary(dictionary) => Some(dictionary),
        Object::Stream(stream) => Some(&stream.dict),
        _ => None,
    }
}

/// UTF-16 with a mark, UTF-8 with a mark, or PDFDocEncoding, which is near windows-1252 (ISO 32000-2 §7.9.2.2).
fn text_string(object: &Object) -> Option<String> {
    let Object::String(octets, _) = object else { return None };
    let label = if std::str::from_utf8(octets).is_ok() { None } else { Some("windows-1252") };
    Some(crate::mime::text_in_charset(octets, label).0.into_owned())
}

fn strings(document: &Document, dictionary: &Dictionary) -> String {
    let mut out = String::new();
    for (key, value) in dictionary.iter() {
        let value = document.dereference(value).ok().and_then(|(_, value)| text_string(value));
        let technical = matches!(key.as_slice(), b"CreationDate" | b"ModDate" | b"Producer" | b"Creator");
        if let Some(value) = value.filter(|value| !value.trim().is_empty() && !technical) {
            out.push_str(&format!("{}: {value}\n", String::from_utf8_lossy(key)));
        }
    }
    out
}

fn annotations(document: &Document, page: ObjectId) -> String {
    let mut out = String::new();
    let add = |text: Option<String>, out: &mut String| {
        if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            out.push_str(&text);
            out.push('\n');
        }
    };
    for note in document.get_page_annotations(page).unwrap_or_default().into_iter().take(10_000) {
        for key in [&b"Contents"[..], b"V", b"TU"] {
            let value =
                note.get(key).ok().and_then(|value| document.dereference(value).ok()).and_then(|(_, value)| text_string(value));
            add(value, &mut out);
        }
        let target =
            note.get(b"A").ok().and_then(|action| dictionary(document, action)).and_then(|action| action.get(b"URI").ok());
        add(target.and_then(text_string), &mut out);
    }
    out
}

/// The values of a form (ISO 32000-1 §12.7); its tree is walked without following a loop.
fn form_fields(document: &Document) -> String {
    let mut out = String::new();
    let form =
        document.catalog().ok().and_then(|catalog| catalog.get(b"AcroForm").ok()).and_then(|form| dictionary(document, form));
    let mut waiting: Vec<&Object> =
        form.and_then(|form| array(document, form.get(b"Fields").ok()?)).into_iter().flatten().collect();
    let mut left = 10_000;
    while let Some(field) = waiting.pop() {
        left -= 1;
        if left == 0 {
            break;
        }
        let Some(field) = dictionary(document, field) else { continue };
        let text = |key: &[u8]| document.dereference(field.get(key).ok()?).ok().and_then(|(_, value)| text_string(value));
        if let Some(value) = text(b"V").filter(|value| !value.trim().is_empty()) {
            out.push_str(&format!("{}: {value}\n", text(b"T").unwrap_or_default()));
        }
        waiting.extend(field.get(b"Kids").ok().and_then(|kids| array(document, kids)).into_iter().flatten());
    }
    out
}

fn array<'d>(document: &'d Document, object: &'d Object) -> Option<&'d Vec<Object>> {
    document.dereference(object).ok()?.1.as_array().ok()
}
