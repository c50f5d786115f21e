//! Turns the stream of a PowerPoint presentation before 2007 into the texts of its slides, notes and masters (MS-PPT §2.3).
//!
//! | read | not read |
//! |---|---|
//! | text of slides (hidden ones too), notes, masters, handouts, comments, headers and footers, names, link targets | pictures |
//! | embedded objects, as files (`ExOleObjStg`, packed or not) | charts other than as embedded objects |

use super::octets::{slice_to_end, u16_at, u32_at, utf16};
use std::borrow::Cow;

#[derive(Debug, Default)]
pub(super) struct Slides {
    /// Place below the presentation and text.
    pub texts: Vec<(String, String)>,
    /// Compound files, as they stand or packed by deflate.
    pub objects: Vec<Object>,
    pub encrypted: bool,
    pub damaged: bool,
}

#[derive(Debug)]
pub(super) struct Object {
    pub octets: Vec<u8>,
    pub packed: bool,
}

const DEPTH: usize = 32;
const TEXTS: usize = 20_000;

pub(super) fn read(stream: &[u8]) -> Slides {
    let mut walk = Walk { out: Slides::default(), slides: 0, listed: 0, notes: 0 };
    walk.records(stream, "presentation", 0);
    walk.out
}

struct Walk {
    out: Slides,
    slides: usize,
    /// Slides in the list that holds their outlines.
    listed: usize,
    notes: usize,
}

impl Walk {
    fn records(&mut self, octets: &[u8], place: &str, depth: usize) {
        let mut at = 0;
        let mut place = Cow::Borrowed(place);
        while let (Some(head), Some(kind), Some(length)) = (u16_at(octets, at), u16_at(octets, at + 2), u32_at(octets, at + 4))
        {
            let content = slice_to_end(octets, at + 8, length as usize);
            self.out.damaged |= content.len() < length as usize;
            at = at.saturating_add(8).saturating_add(length as usize);
            let inside: Option<Cow<str>> = match kind {
                0x03ee => {
                    self.slides += 1;
                    Some(format!("slide {}", self.slides).into())
                }
                0x03f0 => {
                    self.notes += 1;
                    Some(format!("notes {}", self.notes).into())
                }
                0x03f8 => Some("master".into()),
                0x0fc9 => Some("handout".into()),
                0x2ee0 => Some(format!("{place} > comment").into()),
                _ => None,
            };
            match kind {
                // The outline of the next slide begins.
                0x03f3 => {
                    self.listed += 1;
                    place = format!("slide {}", self.listed).into();
                }
                0x0fa0 | 0x0fba => self.text(&place, &utf16(content)),
                0x0fa8 => self.text(&place, &super::octets::in_code_page(content, 1252)),
                0x1011 if head >> 4 == 1 => {
                    self.out.objects.push(Object { octets: content.get(4..).unwrap_or_default().to_vec(), packed: true })
                }
                0x1011 => self.out.objects.push(Object { octets: content.to_vec(), packed: false }),
                0x2f14 => self.out.encrypted = true,
                _ if head & 0xf == 0xf && depth < DEPTH => {
                    let before = (self.listed, kind == 0x0ff0 && head >> 4 == 0);
                    if kind == 0x0ff0 {
                        self.listed = 0;
                    }
                    self.records(content, inside.as_deref().unwrap_or(&place), depth + 1);
                    self.listed = before.0;
                }
                _ => {}
            }
        }
    }

    fn text(&mut self, place: &str, text: &str) {
        let text: String = text
            .chars()
            .map(|c| match c {
                '\r' | '\u{b}' => '\n',
                c => c,
            })
            .collect();
        if text.trim().is_empty() || self.out.texts.len() > TEXTS {
            return;
        }
        match self.out.texts.last_mut().filter(|(last, _)| last == place) {
            Some((_, content)) => {
                content.push_str(&text);
                content.push('\n');
            }
            None => self.out.texts.push((place.to_owned(), text + "\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(head: u16, kind: u16, content: &[u8]) -> Vec<u8> {
        [&head.to_le_bytes()[..], &kind.to_le_bytes(), &(content.len() as u32).to_le_bytes(), content].concat()
    }

    #[test]
    fn each_slide_and_note_is_a_place() {
        let wide: Vec<u8> = "Numéro 41".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let outlines =
            [record(0, 0x03f3, &[0; 20]), record(0, 0x0fa0, &wide), record(0, 0x03f3, &[0; 20]), record(0, 0x0fa8, b"b\rc")];
        let stream = [
            record(0xf, 0x03e8, &record(0xf, 0x0ff0, &outlines.concat())),
            record(0xf, 0x03ee, &record(0xf, 0x0f00, &record(0, 0x0fa8, b"in a box"))),
            record(0xf, 0x03f0, &record(0, 0x0fa8, b"spoken")),
        ]
        .concat();
        let texts = read(&stream).texts;
        let texts: Vec<_> = texts.iter().map(|(place, text)| (place.as_str(), text.as_str())).collect();
        let expected = [("slide 1", "Numéro 41\n"), ("slide 2", "b\nc\n"), ("slide 1", "in a box\n"), ("notes 1", "spoken\n")];
        assert_eq!(texts, expected);
        assert!(read(&stream[..stream.len() - 3]).damaged && !read(&stream).damaged);
    }
}
