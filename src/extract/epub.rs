//! Turns an electronic book (EPUB 3.3) into its chapters in the order in which they are read.
//!
//! | read | not read |
//! |---|---|
//! | chapters in the order of the spine, then what stands in no spine; metadata, tables of contents | what is protected: told as `password` |

use super::markup::{Markup, Token};
use super::office::DocumentPart;
use super::reading::{File, Reading};
use super::*;
use std::collections::HashMap;

impl Reading {
    pub(super) fn book(&mut self, mut parts: Vec<DocumentPart>, place: &str, group: u32, depth: usize) {
        let order = parts.iter().find(|part| part.name.ends_with(".opf")).map(|part| spine(&part.octets)).unwrap_or_default();
        let of = |name: &str| order.get(name.rsplit('/').next().unwrap_or(name)).copied().unwrap_or(usize::MAX);
        parts.sort_by(|a, b| (of(&a.name), &a.name).cmp(&(of(&b.name), &b.name)));
        for part in &parts {
            let lower = part.name.to_ascii_lowercase();
            let name = part.name.rsplit('/').next().unwrap_or(&part.name);
            match () {
                () if lower == "meta-inf/encryption.xml" || lower == "meta-inf/rights.xml" => {
                    self.unreadable(place, Reason::Password)
                }
                () if [".xhtml", ".html", ".htm"].iter().any(|ending| lower.ends_with(ending)) => {
                    let text = super::xml::decode(&part.octets).into_owned();
                    let inner = self.place(place, name);
                    self.html(&text, &inner, TextKind::Attachment, group);
                }
                () if lower.ends_with(".opf") => {
                    let read = super::xml::read(&part.octets, self.budget.text_left());
                    self.text(place, TextKind::Properties, group, read.pairs);
                }
                () if lower == "mimetype" => {}
                () => {
                    let octets = part.octets.as_slice();
                    self.file(File { within: place, name, declared: "", charset: None, octets, depth: depth + 1 });
                }
            }
        }
    }
}

/// The position of each file (without its folder) in the order of reading.
fn spine(package: &[u8]) -> HashMap<String, usize> {
    let source = super::xml::decode(package);
    let mut files: HashMap<String, String> = HashMap::new();
    let mut order = HashMap::new();
    for token in Markup::new(&source) {
        let Token::Start(tag) = token else { continue };
        match tag.name {
            "item" => {
                if let (Some(id), Some(href)) = (tag.attribute("id"), tag.attribute("href")) {
                    files.insert(id.into_owned(), href.rsplit('/').next().unwrap_or_default().to_owned());
                }
            }
            "itemref" => {
                if let Some(file) = tag.attribute("idref").and_then(|id| files.get(&*id)) {
                    let position = order.len();
                    order.entry(file.clone()).or_insert(position);
                }
            }
            _ => {}
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spine_tells_the_order() {
        let order = spine(b"<package><manifest><item id='a' href='text/1.xhtml'/><item id='b' href='2.xhtml'/></manifest><spine><itemref idref='b'/><itemref idref='a'/></spine></package>");
        assert_eq!((order.get("2.xhtml"), order.get("1.xhtml")), (Some(&0), Some(&1)));
    }
}
