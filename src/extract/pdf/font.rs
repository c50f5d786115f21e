//! Turns the codes of a font into letters: by its character map to Unicode, its encoding and differences, or the character set its
//! name tells (ISO 32000-2 §9.6, §9.7, §9.10).

use super::lexer::{Lexer, Token};
use super::{array, dictionary};
use lopdf::{Dictionary, Document, Object};
use std::collections::HashMap;

pub(super) struct Font {
    /// Letters of each code by the map that writers add for copying.
    map: Option<Map>,
    /// Letters of each one-octet code by the font's own encoding.
    simple: Option<Box<[Option<char>; 256]>>,
    /// The character set of codes of several octets.
    charset: Option<&'static str>,
    /// Octets of one code.
    octets: usize,
    widths: HashMap<u32, f64>,
    usual: f64,
}

/// What a string says.
pub(super) struct Said {
    pub text: String,
    /// What it says by the other of two tables, where that is something else.
    pub other: Option<String>,
    /// Some codes have no known letter.
    pub unknown: bool,
}

#[derive(Default)]
struct Map {
    singles: HashMap<u32, String>,
    /// From, to, the letter of the first.
    ranges: Vec<(u32, u32, Vec<u16>)>,
    octets: usize,
}

/// Entries of a map or widths of a font.
const ENTRIES: usize = 1 << 17;

impl Font {
    /// What a page names and nobody defines: ASCII.
    pub(super) fn unknown() -> Font {
        let simple = Some(Box::new(std::array::from_fn(|code| (32..127).contains(&code).then_some(code as u8 as char))));
        Font { map: None, simple, charset: None, octets: 1, widths: HashMap::new(), usual: 550.0 }
    }

    pub(super) fn new(document: &Document, font: &Dictionary, limit: usize) -> Font {
        let name = |dictionary: &Dictionary, key: &[u8]| {
            let value = dictionary.get(key).ok().and_then(|value| document.dereference(value).ok());
            value.and_then(|(_, value)| value.as_name().ok().map(|name| String::from_utf8_lossy(name).into_owned()))
        };
        let wide = name(font, b"Subtype").as_deref() == Some("Type0");
        let map = font.get(b"ToUnicode").ok().and_then(|map| document.dereference(map).ok()).and_then(|(_, map)| match map {
            Object::Stream(stream) => Some(Map::parse(&stream.get_plain_content_with_limit(limit).ok()?)),
            _ => None,
        });
        let map = map.filter(|map| !map.singles.is_empty() || !map.ranges.is_empty());
        let base = name(font, b"BaseFont").unwrap_or_default();
        let usual = if base.contains("Courier") {
            600.0
        } else if base.contains("Times") {
            500.0
        } else {
            550.0
        };
        let mut widths = HashMap::new();
        if wide {
            let encoding = name(font, b"Encoding").unwrap_or_default();
            let below = font.get(b"DescendantFonts").ok().and_then(|fonts| array(document, fonts));
            let below = below.and_then(|fonts| dictionary(document, fonts.first()?));
            let usual = below.and_then(|below| number(document, below.get(b"DW").ok()?)).unwrap_or(1000.0);
            if let Some(list) = below.and_then(|below| array(document, below.get(b"W").ok()?)) {
                wide_widths(document, list, &mut widths);
            }
            let octets = if encoding.starts_with("Identity") || encoding.is_empty() {
                2
            } else {
                map.as_ref().map_or(2, |map| map.octets.max(1))
            };
            return Font { map, simple: None, charset: charset(&encoding), octets, widths, usual };
        }
        let first = font.get(b"FirstChar").and_then(Object::as_i64).unwrap_or(0);
        let list = font.get(b"Widths").ok().and_then(|widths| array(document, widths));
        // The widths of a Type 3 font are in its own units (§9.6.4).
        let unit = font
            .get(b"FontMatrix")
            .ok()
            .and_then(|matrix| number(document, array(document, matrix)?.first()?))
            .unwrap_or(0.001)
            * 1000.0;
        for (n, width) in list.into_iter().flatten().take(256).enumerate() {
            let width = number(document, width).unwrap_or(0.0) * unit;
            if let Some(code) = u32::try_from(first).ok().filter(|_| width > 0.0) {
                widths.insert(code.saturating_add(n as u32), width);
            }
        }
        Font { map, simple: simple(document, font, limit), charset: None, octets: 1, widths, usual }
    }

    pub(super) fn is_wide(&self) -> bool {
        self.octets > 1
    }

    pub(super) fn say(&self, string: &[u8]) -> Said {
        if let (None, Some(charset)) = (&self.map, self.charset) {
            return Said {
                text: crate::mime::text_in_charset(string, Some(charset)).0.into_owned(),
                other: None,
                unknown: false,
            };
        }
        let mut said = Said { text: String::with_capacity(string.len()), other: None, unknown: false };
        let mut other = String::new();
        for code in self.codes(string) {
            let by_map = self.map.as_ref().and_then(|map| map.get(code));
            let by_table = self.simple.as_ref().and_then(|table| *table.get(code as usize)?);
            match (&by_map, by_table) {
                (Some(letters), _) => said.text.push_str(letters),
                (None, Some(letter)) => said.text.push(letter),
                // A control or a blank that no table names is drawn by nobody.
                (None, None) => said.unknown |= code > 32,
            }
            match (by_table, by_map) {
                (Some(letter), _) => other.push(letter),
                (None, Some(letters)) => other.push_str(&letters),
                (None, None) => {}
            }
        }
        if self.map.is_some() && self.simple.is_some() && other != said.text {
            said.other = Some(other);
        }
        said
    }

    /// How far a string goes, in thousandths of the size, and how many codes and blanks it has.
    pub(super) fn advance(&self, string: &[u8]) -> (f64, usize, usize) {
        let (mut sum, mut count, mut blanks) = (0.0, 0, 0);
        for code in self.codes(string) {
            sum += self.widths.get(&code).copied().unwrap_or(self.usual);
            count += 1;
            blanks += usize::from(code == 32 && self.octets == 1);
        }
        (sum, count, blanks)
    }

    fn codes<'s>(&self, string: &'s [u8]) -> impl Iterator<Item = u32> + use<'s> {
        string.chunks(self.octets.clamp(1, 4)).map(|code| code.iter().fold(0u32, |sum, octet| sum << 8 | u32::from(*octet)))
    }
}

fn number(document: &Document, object: &Object) -> Option<f64> {
    document.dereference(object).ok()?.1.as_float().ok().map(f64::from)
}

/// `c [w1 w2 …]` and `first last w` (§9.7.4.3).
fn wide_widths(document: &Document, list: &[Object], widths: &mut HashMap<u32, f64>) {
    let mut items = list.iter();
    while let (Some(first), Some(second)) = (items.next(), items.next()) {
        let Some(first) = number(document, first).map(|first| first.max(0.0) as u32) else { return };
        if let Some(list) = array(document, second) {
            for (code, width) in (first..).zip(list).take(ENTRIES) {
                widths.insert(code, number(document, width).unwrap_or(1000.0));
            }
        } else {
            let last = number(document, second).unwrap_or(0.0) as u32;
            let Some(width) = items.next().and_then(|width| number(document, width)) else { return };
            (first..=last.min(first.saturating_add(65_535))).for_each(|code| {
                widths.insert(code, width);
            });
        }
        if widths.len() > ENTRIES {
            return;
        }
    }
}

/// The predefined character maps whose codes are those of a character set (§9.7.5.2).
fn charset(encoding: &str) -> Option<&'static str> {
    match () {
        () if encoding.starts_with("Uni") && (encoding.contains("UCS2") || encoding.contains("UTF16")) => Some("utf-16be"),
        () if encoding.starts_with("Uni") && encoding.contains("UTF8") => Some("utf-8"),
        () if encoding.contains("RKSJ") => Some("shift_jis"),
        () if encoding.starts_with("GBK") || encoding.starts_with("GB-EUC") => Some("gb18030"),
        () if encoding.contains("B5") => Some("big5"),
        () if encoding.starts_with("KSC") => Some("euc-kr"),
        () if encoding.starts_with("EUC-") => Some("euc-jp"),
        () => None,
    }
}

fn simple(document: &Document, font: &Dictionary, limit: usize) -> Option<Box<[Option<char>; 256]>> {
    let described = font.get(b"Encoding").ok().and_then(|encoding| dictionary(document, encoding));
    let mut plain = Dictionary::new();
    plain.set("Type", Object::Name(b"Font".to_vec()));
    let base = match described {
        Some(described) => described.get(b"BaseEncoding").ok(),
        None => font.get(b"Encoding").ok(),
    };
    base.into_iter().for_each(|base| plain.set("Encoding", base.clone()));
    let encoding = plain.get_font_encoding_with_limit(document, limit).ok()?;
    let mut table: Box<[Option<char>; 256]> = Box::new(std::array::from_fn(|code| {
        let letter = encoding.bytes_to_string(&[code as u8]).ok()?;
        letter.chars().next().filter(|letter| *letter != '\0' && *letter != '\u{fffd}')
    }));
    let differences = described.and_then(|described| array(document, described.get(b"Differences").ok()?));
    let mut code = 0usize;
    for item in differences.into_iter().flatten().take(1024) {
        match item {
            // A name that nobody knows (`g12`) hides what would stand there else.
            Object::Name(name) => {
                table.get_mut(code).into_iter().for_each(|entry| *entry = by_number(name).or_else(|| by_name(document, name)));
                code += 1;
            }
            item => code = item.as_i64().ok().and_then(|at| usize::try_from(at).ok()).unwrap_or(code),
        }
    }
    Some(table)
}

/// By the Adobe Glyph List, which lopdf holds but shows only through an encoding.
fn by_name(document: &Document, name: &[u8]) -> Option<char> {
    let stem = name.split(|b| *b == b'.').next().filter(|stem| !stem.is_empty())?;
    let mut differences = Dictionary::new();
    differences.set("Differences", Object::Array(vec![Object::Integer(1), Object::Name(stem.to_vec())]));
    let mut font = Dictionary::new();
    font.set("Type", Object::Name(b"Font".to_vec()));
    font.set("Encoding", Object::Dictionary(differences));
    let encoding = font.get_font_encoding(document).ok()?;
    encoding.bytes_to_string(&[1]).ok()?.chars().next().filter(|letter| *letter != '\u{1}')
}

/// `uni0041`, `u1F600` (Adobe Glyph List Specification §2).
fn by_number(name: &[u8]) -> Option<char> {
    let name = std::str::from_utf8(name).ok()?;
    let name = name.split('.').next().unwrap_or(name);
    let digits = name
        .strip_prefix("uni")
        .map(|digits| digits.get(..4).unwrap_or(""))
        .or_else(|| name.strip_prefix('u').filter(|digits| digits.len() >= 4))?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

impl Map {
    /// A character map (Adobe Technical Note 5014): only what maps codes to UTF-16 matters.
    fn parse(octets: &[u8]) -> Map {
        let mut map = Map::default();
        let mut operands: Vec<Token> = Vec::new();
        let code = |octets: &[u8]| octets.iter().take(4).fold(0u32, |sum, octet| sum << 8 | u32::from(*octet));
        let units = |octets: &[u8]| -> Vec<u16> {
            // One octet is written where two should stand.
            octets.chunks(2).map(|pair| pair.iter().fold(0u16, |sum, octet| sum << 8 | u16::from(*octet))).collect()
        };
        for token in Lexer::new(octets) {
            let Token::Operator(word) = token else {
                operands.push(token);
                continue;
            };
            match word {
                b"endcodespacerange" => {
                    let lengths = operands
                        .iter()
                        .filter_map(|operand| if let Token::Text(code) = operand { Some(code.len()) } else { None });
                    map.octets = lengths.max().unwrap_or(map.octets);
                }
                b"endbfchar" => {
                    for pair in operands.chunks_exact(2) {
                        let [Token::Text(from), Token::Text(to)] = pair else { continue };
                        if map.singles.len() < ENTRIES {
                            map.singles.insert(code(from), String::from_utf16_lossy(&units(to)));
                        }
                    }
                }
                b"endbfrange" => {
                    for triple in operands.chunks_exact(3) {
                        let [Token::Text(from), Token::Text(to), target] = triple else { continue };
                        match target {
                            Token::Text(first) if map.ranges.len() < ENTRIES => {
                                map.ranges.push((code(from), code(to), units(first)))
                            }
                            Token::Array(targets) => {
                                for (code, target) in (code(from)..=code(to)).zip(targets) {
                                    if let Token::Text(target) = target
                                        && map.singles.len() < ENTRIES
                                    {
                                        map.singles.insert(code, String::from_utf16_lossy(&units(target)));
                                    }
                                }
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
            operands.clear();
        }
        map.ranges.sort();
        map
    }

    fn get(&self, code: u32) -> Option<String> {
        if let Some(letters) = self.singles.get(&code) {
            return Some(letters.clone());
        }
        let before = self.ranges.partition_point(|(from, ..)| *from <= code);
        let (from, _, first) = self.ranges[..before].iter().rev().take(4).find(|(_, to, _)| code <= *to)?;
        let mut units = first.clone();
        let last = units.last_mut()?;
        *last = last.wrapping_add((code - from) as u16);
        Some(String::from_utf16_lossy(&units))
    }
}
