//! Turns the XML of office documents into text: paragraphs are lines, cells are separated by a tab, runs of one word are joined.

use crate::mime::text_in_charset;
use quick_xml::events::Event;
use std::borrow::Cow;

#[derive(Debug, Default)]
pub(super) struct XmlText {
    pub text: String,
    /// Deleted and hidden runs (ECMA-376 part 1 §17.3.2.41, §17.13.5): nobody sees them, so they do not cut a number in two, but
    /// they are there.
    pub hidden: String,
    /// Attributes that people see or fill in (descriptions, link targets, choices), one per line.
    pub beside: String,
    /// `name: value` for each element that holds text only: for document properties.
    pub pairs: String,
    pub damaged: bool,
}

/// Attributes with text of people in them; their local names.
const SPOKEN: [&str; 17] = [
    "descr",
    "title",
    "alt",
    "tooltip",
    "instr",
    "string",
    "displayText",
    "Target",
    "href",
    "display",
    "string-value",
    "formula",
    "prompt",
    "author",
    "label",
    "tag",
    "location",
];

pub(super) fn read(octets: &[u8], limit: usize) -> XmlText {
    let source = decode(octets);
    let mut reader = quick_xml::Reader::from_str(&source);
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_dangling_amp = true;
    let mut out = XmlText::default();
    let mut name = String::new();
    let mut value = String::new();
    let mut run = Run::default();
    loop {
        if out.text.len() > limit {
            return out;
        }
        match reader.read_event() {
            Ok(Event::Eof) => return out,
            Err(_) => {
                out.damaged = true;
                return out;
            }
            Ok(Event::Start(start)) => {
                attributes(&start, &mut out, &mut name);
                value.clear();
                run.begin(&start, &out);
                begin(start.local_name().as_ref(), &mut out.text);
            }
            Ok(Event::Empty(start)) => {
                attributes(&start, &mut out, &mut name);
                run.begin(&start, &out);
                empty(&start, &mut out.text);
            }
            Ok(Event::End(end)) => {
                if !value.trim().is_empty() {
                    let local = end.local_name();
                    let shown = if name.is_empty() { local.as_ref() } else { name.as_str() };
                    out.pairs.push_str(&format!("{shown}: {}\n", value.trim()));
                    name.clear();
                }
                value.clear();
                run.end(end.local_name().as_ref(), &mut out);
                finish(end.local_name().as_ref(), &mut out.text);
            }
            Ok(Event::Text(text)) => add(&text.xml10_content(), &mut out.text, &mut value),
            Ok(Event::CData(text)) => add(&text.xml10_content(), &mut out.text, &mut value),
            Ok(Event::GeneralRef(reference)) => {
                let c = match reference.resolve_char_ref() {
                    Ok(Some(c)) => Some(c),
                    _ => match &*reference {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        // Entities of a document type: never followed (XXE, billion laughs); where they stood stays visible.
                        _ => Some('\u{fffd}'),
                    },
                };
                out.text.extend(c);
                value.extend(c);
            }
            Ok(Event::Comment(comment)) => line(&mut out.beside, &comment.xml10_content()),
            // What an entity stands for is never put in its place, but it can be read here.
            Ok(Event::DocType(declared)) => line(&mut out.beside, &declared.xml10_content()),
            Ok(Event::PI(_) | Event::Decl(_)) => {}
        }
    }
}

/// Where the run that is being read began, and whether it is hidden.
#[derive(Default)]
struct Run {
    start: usize,
    hidden: bool,
}

impl Run {
    fn begin(&mut self, start: &quick_xml::events::BytesStart, out: &XmlText) {
        match start.local_name().as_ref() {
            "r" => *self = Run { start: out.text.len(), hidden: false },
            "delText" => self.hidden = true,
            "vanish" => {
                let value = start.attributes().with_checks(false).flatten().find(|a| a.key.local_name().as_ref() == "val");
                self.hidden = !value.is_some_and(|value| matches!(&*value.value, "0" | "false" | "off"));
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str, out: &mut XmlText) {
        match name {
            "r" if self.hidden && self.start <= out.text.len() => {
                let hidden = out.text.split_off(self.start);
                out.hidden.push_str(&hidden);
                self.hidden = false;
            }
            "p" if !out.hidden.is_empty() && !out.hidden.ends_with('\n') => out.hidden.push('\n'),
            _ => {}
        }
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

fn add(text: &str, out: &mut String, value: &mut String) {
    // Indentation between elements would cut a number that is written in several runs.
    if text.contains('\n') && text.trim().is_empty() {
        return;
    }
    out.push_str(text);
    value.push_str(text);
}

fn attributes(start: &quick_xml::events::BytesStart, out: &mut XmlText, name: &mut String) {
    for attribute in start.attributes().with_checks(false).flatten() {
        let key = attribute.key.local_name();
        // Values of a pivot table's cache (ECMA-376 part 1 §18.10.1.86).
        let cached = key.as_ref() == "v" && matches!(start.local_name().as_ref(), "s" | "n" | "d");
        let spoken = SPOKEN.contains(&key.as_ref()) || cached;
        if !spoken && key.as_ref() != "name" && key.as_ref() != "val" && key.as_ref() != "value" {
            continue;
        }
        let Ok(value) = quick_xml::escape::unescape(&attribute.value) else { continue };
        match key.as_ref() {
            "name" if start.local_name().as_ref() == "property" || start.local_name().as_ref() == "user-defined" => {
                name.clear();
                name.push_str(&value);
            }
            "name" => {}
            // Document variables and data of fields; everything else called `val` is formatting.
            "val"
                if !matches!(
                    start.local_name().as_ref(),
                    "docVar" | "textInput" | "listItem" | "default" | "v" | "tag" | "alias"
                ) => {}
            _ if value.len() >= 4 => line(&mut out.beside, &value),
            _ => {}
        }
    }
}

fn line(out: &mut String, text: &str) {
    let text = text.trim();
    if !text.is_empty() {
        out.push_str(text);
        out.push('\n');
    }
}

fn begin(name: &str, out: &mut String) {
    match name {
        // A field's code stands in the midst of a paragraph, a note's text in the midst of a line.
        "instrText" | "annotation" | "note" => out.push(' '),
        _ => {}
    }
}

fn empty(start: &quick_xml::events::BytesStart, out: &mut String) {
    match start.local_name().as_ref() {
        "br" | "cr" | "line-break" | "p" | "h" => out.push('\n'),
        "tab" => out.push('\t'),
        "noBreakHyphen" => out.push('-'),
        // A sign of a symbol font: its number, often in the private area (ECMA-376 part 1 §17.3.3.30).
        "sym" => {
            let code = start.attributes().with_checks(false).flatten().find(|a| a.key.local_name().as_ref() == "char");
            let code = code.and_then(|code| u32::from_str_radix(&code.value, 16).ok()).unwrap_or(0);
            out.extend(char::from_u32(if code & 0xff00 == 0xf000 { code & 0xff } else { code }));
        }
        // ODF: several blanks.
        "s" => out.push(' '),
        "table-cell" | "covered-table-cell" | "tc" => out.push('\t'),
        _ => {}
    }
}

fn finish(name: &str, out: &mut String) {
    match name {
        "p" | "h" | "tr" | "table-row" | "row" | "si" | "comment" | "text" | "title" | "subject" | "creator" | "keywords"
        | "description"
            if !out.is_empty() && !out.ends_with('\n') =>
        {
            out.push('\n');
        }
        "tc" | "table-cell" => {
            // The paragraph in a cell has ended its line already.
            let length = out.trim_end_matches('\n').len();
            out.truncate(length);
            out.push('\t');
        }
        "instrText" | "annotation" | "note" => out.push(' '),
        _ => {}
    }
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
        assert_eq!(read(lol, 1 << 20).text, "\u{fffd}");
        let wide: Vec<u8> =
            "<?xml version=\"1.0\" encoding=\"utf-16\"?><a>été</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&wide, 1 << 20).text, "été");
    }
}
