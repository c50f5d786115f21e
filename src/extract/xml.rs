//! Turns the XML of office documents into text: paragraphs are lines, cells are separated by a tab, runs of one word are joined; and
//! other XML into lines `name: value`.

use super::markup::{Markup, Tag, Token, unescape};
use crate::mime::text_in_charset;
use std::borrow::Cow;

#[derive(Debug, Default)]
pub(super) struct XmlText {
    pub text: String,
    /// Deleted and hidden runs (ECMA-376 part 1 §17.3.2.41, §17.13.5): nobody sees them, so they do not cut a number in two, but
    /// they are there.
    pub hidden: String,
    /// Attributes that people see or fill in (descriptions, link targets, choices), comments, one per line.
    pub beside: String,
    /// `name: value` for each element that holds text only: for document properties.
    pub pairs: String,
    pub damaged: bool,
}

/// Attributes with text of people in them; their local names.
fn is_spoken(name: &str) -> bool {
    matches!(
        name,
        "descr"
            | "title"
            | "alt"
            | "tooltip"
            | "screenTip"
            | "instr"
            | "string"
            | "displayText"
            | "Target"
            | "href"
            | "display"
            | "string-value"
            | "formula"
            | "prompt"
            | "promptTitle"
            | "error"
            | "author"
            | "label"
            | "tag"
            | "location"
            | "displayName"
            | "connection"
            | "command"
            | "sourceFile"
            | "url"
            | "caption"
            | "UnicodeString"
            | "userName"
            | "help-message"
            | "condition"
            | "current-value"
    )
}

pub(super) fn read(octets: &[u8], limit: usize) -> XmlText {
    let source = decode(octets);
    let mut markup = Markup::new(&source);
    let mut reader = Reader::default();
    for token in markup.by_ref() {
        match token {
            Token::Start(tag) => reader.start(&tag),
            Token::End(name) => reader.end(name),
            Token::Text(text) => reader.add(&unescape(text)),
            Token::Cdata(text) => reader.add(text),
            // What an entity stands for is never put in its place, but it can be read here.
            Token::Comment(text) => line(&mut reader.out.beside, text),
            Token::Doctype(text) if text.starts_with("DOCTYPE") || text.starts_with("ENTITY") => {
                line(&mut reader.out.beside, text)
            }
            Token::Doctype(_) => {}
        }
        if reader.out.text.len() > limit {
            break;
        }
    }
    reader.out.damaged = markup.damaged;
    let asides = std::mem::take(&mut reader.asides);
    reader.out.text.push_str(&asides);
    reader.out
}

#[derive(Default)]
struct Reader {
    out: XmlText,
    /// The name of a property, until its value comes.
    name: String,
    value: String,
    /// Where each open run began, and whether it is hidden.
    runs: Vec<(usize, bool)>,
    /// Paragraphs that are open, one in the other.
    paragraphs: usize,
    /// Notes and text boxes in the midst of a paragraph: where each began, and how many paragraphs were open around it.
    open_asides: Vec<(usize, usize)>,
    /// Their text, given after the paragraph that they would cut in two.
    asides: String,
    /// The element that is open has text of its own.
    direct: bool,
    /// What it holds are measures.
    muted: bool,
}

/// Runs in runs, notes in notes.
const DEPTH: usize = 256;

/// Where a drawing stands: numbers in the midst of a paragraph that nobody sees.
fn is_measure(name: &str) -> bool {
    matches!(name, "posOffset" | "align" | "pctWidth" | "pctHeight" | "pctPosHOffset" | "pctPosVOffset")
}

fn is_aside(name: &str) -> bool {
    matches!(name, "annotation" | "note" | "txbxContent" | "text-box")
}

impl Reader {
    fn start(&mut self, tag: &Tag) {
        attributes(tag, &mut self.out.beside, &mut self.name);
        self.value.clear();
        self.direct = false;
        let name = tag.name;
        self.muted = !tag.empty && is_measure(name);
        if tag.empty {
            return self.empty(tag);
        }
        match name {
            "r" if self.runs.len() < DEPTH => self.runs.push((self.out.text.len(), false)),
            "delText" | "vanish" => self.hide(tag),
            "p" | "h" => self.paragraphs += 1,
            // A field's code stands in the midst of a paragraph.
            "instrText" => self.out.text.push(' '),
            _ if is_aside(name) && self.paragraphs > 0 && self.open_asides.len() < DEPTH => {
                self.open_asides.push((self.out.text.len(), self.paragraphs));
                self.paragraphs = 0;
            }
            _ => {}
        }
    }

    fn hide(&mut self, tag: &Tag) {
        let shown = tag.name == "vanish" && tag.attribute("val").is_some_and(|value| matches!(&*value, "0" | "false" | "off"));
        if let Some(run) = self.runs.last_mut() {
            run.1 = !shown;
        }
    }

    fn empty(&mut self, tag: &Tag) {
        let out = &mut self.out.text;
        match tag.name {
            "br" | "cr" | "line-break" | "p" | "h" => out.push('\n'),
            "tab" => out.push('\t'),
            "noBreakHyphen" => out.push('-'),
            // A sign of a symbol font: its number, often in the private area (ECMA-376 part 1 §17.3.3.30).
            "sym" => {
                let code = tag.attribute("char").and_then(|code| u32::from_str_radix(&code, 16).ok()).unwrap_or(0);
                out.extend(char::from_u32(if code & 0xff00 == 0xf000 { code & 0xff } else { code }));
            }
            // ODF: several blanks.
            "s" => out.push(' '),
            "table-cell" | "covered-table-cell" | "tc" => out.push('\t'),
            "vanish" => self.hide(tag),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if !self.value.trim().is_empty() {
            let shown = if self.name.is_empty() { name } else { self.name.as_str() };
            self.out.pairs.push_str(shown);
            self.out.pairs.push_str(": ");
            self.out.pairs.push_str(self.value.trim());
            self.out.pairs.push('\n');
            self.name.clear();
        }
        self.value.clear();
        self.muted = false;
        let direct = std::mem::take(&mut self.direct);
        let out = &mut self.out;
        match name {
            "r" => {
                if let Some((start, true)) = self.runs.pop()
                    && start <= out.text.len()
                {
                    let hidden = out.text.split_off(start);
                    out.hidden.push_str(&hidden);
                }
            }
            "p" | "h" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                end_line(&mut out.text);
                if !out.hidden.is_empty() && !out.hidden.ends_with('\n') {
                    out.hidden.push('\n');
                }
                if self.paragraphs == 0 && self.open_asides.is_empty() {
                    out.text.push_str(&self.asides);
                    self.asides.clear();
                }
            }
            "tr" | "table-row" | "row" | "si" | "comment" | "text" | "title" | "subject" | "creator" | "keywords"
            | "description" => end_line(&mut out.text),
            "tc" | "table-cell" => {
                // The paragraph in a cell has ended its line already.
                let length = out.text.trim_end_matches('\n').len();
                out.text.truncate(length);
                out.text.push('\t');
            }
            "instrText" => out.text.push(' '),
            "t" | "delText" => {}
            _ if is_aside(name) => {
                if let Some((start, paragraphs)) = self.open_asides.pop() {
                    self.paragraphs = paragraphs;
                    if start <= out.text.len() {
                        let mut aside = out.text.split_off(start);
                        end_line(&mut aside);
                        self.asides.push_str(&aside);
                    }
                }
            }
            // Values of a chart, names, properties: each stands alone.
            _ if direct && self.paragraphs == 0 => end_line(&mut out.text),
            _ => {}
        }
    }

    fn add(&mut self, text: &str) {
        // Indentation between elements would cut a number that is written in several runs.
        let blank = text.trim().is_empty();
        if blank && (text.contains('\n') || self.paragraphs == 0) {
            return;
        }
        if self.muted {
            // A reader places the drawing by it; whoever wants can write anything there.
            return line(&mut self.out.beside, text);
        }
        self.direct = true;
        self.out.text.push_str(text);
        self.value.push_str(text);
    }
}

fn end_line(out: &mut String) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

/// XML says its charset itself; office documents are UTF-8, others may be anything.
pub(super) fn decode(octets: &[u8]) -> Cow<'_, str> {
    let start = &octets[..octets.len().min(200)];
    let label = memchr::memmem::find(start, b"encoding=").and_then(|at| {
        let rest = start.get(at + 10..)?;
        let end = rest.iter().position(|b| matches!(b, b'"' | b'\''))?;
        std::str::from_utf8(&rest[..end]).ok()
    });
    text_in_charset(octets, label.or_else(|| super::sniff::wide(start))).0
}

/// The attributes of an element that people see or fill in, one per line; `name` is the name that a property says of itself.
pub(super) fn attributes(tag: &Tag, beside: &mut String, name: &mut String) {
    for (key, raw) in tag.attributes() {
        let element = tag.name;
        match key {
            "name" if matches!(element, "property" | "user-defined") => {
                name.clear();
                name.push_str(&unescape(raw));
            }
            "name" if element == "definedName" => spoken(beside, raw),
            // Word's own bookmarks begin with a low line and are numbered.
            "name" if element == "bookmarkStart" && !raw.starts_with('_') => spoken(beside, raw),
            // Document variables and data of fields; everything else called `val` is formatting.
            "val" if matches!(element, "docVar" | "textInput" | "listItem" | "default" | "tag" | "alias") => {
                spoken(beside, raw)
            }
            "value" | "displayText" if matches!(element, "listItem" | "attr" | "datastoreItem") => spoken(beside, raw),
            // Values of a pivot table's cache (ECMA-376 part 1 §18.10.1.86).
            "v" if matches!(element, "s" | "n" | "d") => spoken(beside, raw),
            "Target" if tag.attribute("TargetMode").is_none() && element == "Relationship" => {}
            key if raw.len() >= 4 && is_spoken(key) => spoken(beside, raw),
            _ => {}
        }
    }
}

fn spoken(beside: &mut String, raw: &str) {
    if raw.len() >= 4 {
        line(beside, &unescape(raw));
    }
}

pub(super) fn line(out: &mut String, text: &str) {
    let text = text.trim();
    if !text.is_empty() {
        out.push_str(text);
        out.push('\n');
    }
}

/// XML of no office program.
#[derive(Debug, Default)]
pub(super) struct XmlData {
    /// `name: value` for each text and attribute.
    pub lines: String,
    /// All texts without a break, where elements stand in the midst of text and might cut a number in two.
    pub joined: Option<String>,
    pub beside: String,
    pub damaged: bool,
}

pub(super) fn read_data(octets: &[u8], limit: usize) -> XmlData {
    let source = decode(octets);
    let mut markup = Markup::new(&source);
    let mut out = XmlData::default();
    let mut joined = String::new();
    let mut mixed = false;
    let mut names: Vec<&str> = Vec::new();
    for token in markup.by_ref() {
        match token {
            Token::Start(tag) => {
                mixed |= !out.lines.is_empty() && !out.lines.ends_with('\n');
                end_line(&mut out.lines);
                for (key, raw) in tag.attributes().filter(|(_, raw)| !raw.is_empty()) {
                    out.lines.push_str(key);
                    out.lines.push_str(": ");
                    line(&mut out.lines, &unescape(raw));
                }
                if !tag.empty && names.len() < DEPTH {
                    names.push(tag.name);
                }
            }
            Token::End(name) => {
                end_line(&mut out.lines);
                if let Some(at) = names.iter().rposition(|open| *open == name) {
                    names.truncate(at);
                }
                if matches!(name, "p" | "div" | "tr" | "li" | "text") {
                    end_line(&mut joined);
                }
            }
            Token::Text(text) => data_text(&unescape(text), &names, &mut out.lines, &mut joined),
            Token::Cdata(text) => data_text(text, &names, &mut out.lines, &mut joined),
            Token::Comment(text) | Token::Doctype(text) => line(&mut out.beside, text),
        }
        if out.lines.len() > limit {
            break;
        }
    }
    out.joined = mixed.then_some(joined);
    out.damaged = markup.damaged;
    out
}

fn data_text(text: &str, names: &[&str], lines: &mut String, joined: &mut String) {
    joined.push_str(text);
    if text.trim().is_empty() {
        return;
    }
    if lines.is_empty() || lines.ends_with('\n') {
        lines.push_str(names.last().unwrap_or(&""));
        lines.push_str(": ");
    }
    lines.push_str(text.trim_end_matches(['\n', '\r']));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_joined_and_cells_separated() {
        for (xml, text) in [
            ("<w:p><w:r><w:t>1 85</w:t></w:r>\n  <w:r><w:t> 05</w:t></w:r></w:p><w:p><w:t>b</w:t></w:p>", "1 85 05\nb\n"),
            (
                "<w:tbl><w:tr><w:tc><w:p><w:t>a</w:t></w:p></w:tc><w:tc><w:p><w:t>b</w:t></w:p></w:tc></w:tr></w:tbl>",
                "a\tb\t\n",
            ),
            ("<text:p>a<text:s/>b<text:tab/>c&amp;d&#233;&x;</text:p>", "a b\tc&dé\u{fffd}\n"),
            ("<a>before<b", "before"),
            ("<text:p>41<text:note><text:p>a note</text:p></text:note>11</text:p><text:p>b</text:p>", "4111\na note\nb\n"),
            (
                "<w:p><w:r><w:t>41</w:t><w:txbxContent><w:p><w:t>x</w:t></w:p></w:txbxContent></w:r><w:t>11</w:t></w:p>",
                "4111\nx\n",
            ),
            ("<w:p><w:r><w:t>41</w:t><wp:posOffset>635</wp:posOffset><w:t>11</w:t></w:r></w:p>", "4111\n"),
            ("<c:pt><c:v>12</c:v></c:pt><c:pt><c:v>34</c:v></c:pt>", "12\n34\n"),
            ("<text:p>a <text:date>1</text:date>2</text:p>", "a 12\n"),
        ] {
            assert_eq!(read(xml.as_bytes(), 1 << 20).text, text, "{xml}");
        }
        let read_hidden = read(
            b"<w:p><w:r><w:t>41</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>zz</w:t></w:r><w:del><w:r><w:delText>yy</w:delText></w:r></w:del><w:r><w:t>11</w:t></w:r></w:p>",
            1 << 20,
        );
        assert_eq!((read_hidden.text.as_str(), read_hidden.hidden.as_str()), ("4111\n", "zzyy\n"));
        assert!(read(b"<a>before<b", 1 << 20).damaged);
        let lol = b"<!DOCTYPE a [<!ENTITY b \"&c;&c;\"><!ENTITY c SYSTEM \"file:///etc/hosts\">]><a>&b;</a>";
        assert_eq!(read(lol, 1 << 20).text, "\u{fffd}\n");
        let wide: Vec<u8> =
            "<?xml version=\"1.0\" encoding=\"utf-16\"?><a>été</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&wide, 1 << 20).text, "été\n");
    }

    #[test]
    fn data_are_names_and_values() {
        let data = read_data(b"<a x='1'><nir>185057800608491</nir><b><c>d</c></b></a>", 1 << 20);
        assert_eq!((data.lines.as_str(), data.joined), ("x: 1\nnir: 185057800608491\nc: d\n", None));
        let mixed = read_data(b"<svg><text>41<tspan>11</tspan></text></svg>", 1 << 20);
        assert_eq!((mixed.lines.as_str(), mixed.joined.as_deref()), ("text: 41\ntspan: 11\n", Some("4111\n")));
    }
}
