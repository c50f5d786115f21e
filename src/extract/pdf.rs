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
            let mut page =
                Page { document: &document, text: String::new(), limit: limit(self), spent: 0, images: false, failed: None };
            page.read(*id);
            let Page { text, spent, images, failed, .. } = page;
            self.budget.spend(spent as u64);
            if let Some(reason) = failed {
                self.unreadable(&place, reason);
            } else if text.trim().is_empty() && images {
                // A scanned page: whoever sees it reads what we cannot.
                self.unreadable(&place, Reason::Unsupported);
            }
            self.text(&place, TextKind::Attachment, group, text);
            let notes = annotations(&document, *id);
            self.text(&format!("{place} > notes"), TextKind::Attachment, group, notes);
        }
        let fields = form_fields(&document);
        self.text(&format!("{place} > form"), TextKind::Attachment, group, fields);
        let info = document.trailer.get(b"Info").ok().and_then(|info| dictionary(&document, info));
        let lines = info.map(|info| strings(&document, info)).unwrap_or_default();
        self.text(place, TextKind::Properties, group, lines);
        self.embedded_files(&document, place, depth);
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
    limit: usize,
    spent: usize,
    images: bool,
    failed: Option<Reason>,
}

/// What decides where the next string stands, in thousandths of the font size where it is a width.
#[derive(Clone)]
struct State {
    size: f64,
    /// End of the last string, as far as it is known, relative to the line's beginning.
    advanced: f64,
    line_y: f64,
    matrix_x: f64,
}

struct Font<'d> {
    encoding: Option<Encoding<'d>>,
    first: i64,
    widths: Vec<f64>,
    wide: bool,
}

impl<'d> Page<'d> {
    fn read(&mut self, id: ObjectId) {
        // A cut file is repaired as far as it goes; what its pages refer to is then missing.
        if self.document.get_page_contents(id).iter().any(|content| !self.document.has_object(*content)) {
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
        let mut state = State { size: 1.0, advanced: 0.0, line_y: 0.0, matrix_x: 0.0 };
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
                "Td" | "TD" => {
                    if number(1).abs() > state.size * 0.2 {
                        self.line();
                    } else if number(0) - state.advanced > state.size * 0.2 || number(0) < 0.0 {
                        self.blank();
                    }
                    state.advanced = 0.0;
                }
                "Tm" => {
                    let scale = if number(0).abs() > 0.0 { number(0).abs() } else { 1.0 };
                    if (number(5) - state.line_y).abs() > state.size * scale * 0.2 {
                        self.line();
                    } else if (number(4) - state.matrix_x) / scale - state.advanced > state.size * 0.2
                        || number(4) < state.matrix_x
                    {
                        self.blank();
                    }
                    (state.line_y, state.matrix_x, state.advanced) = (number(5), number(4), 0.0);
                }
                "T*" => self.line(),
                "ET" => self.line(),
                "Tj" | "'" | "\"" => {
                    if operator != "Tj" {
                        self.line();
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
                                // Kerning is small; a gap of a fifth of the size is a blank between words.
                                if back < -200.0 {
                                    self.blank();
                                }
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

    fn draw(&mut self, name: Option<&Object>, resources: &[&'d Dictionary], depth: usize) {
        let Some(name) = name.and_then(|name| name.as_name().ok()) else { return };
        let found = resources.iter().find_map(|resources| {
            let objects = dictionary(self.document, resources.get(b"XObject").ok()?)?;
            self.document.dereference(objects.get(name).ok()?).ok()
        });
        let Some((_, Object::Stream(stream))) = found else { return };
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

    fn show(&mut self, string: &[u8], font: Option<&Font>, state: &mut State) {
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
