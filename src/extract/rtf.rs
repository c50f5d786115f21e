//! Turns rich text (RTF 1.9.1) into its text, what is hidden in it, and the objects embedded in it.
//!
//! | read | not read |
//! |---|---|
//! | text in all code pages (of the document and of each font), `\u`, `\'`, tables as rows and tabs | pictures (`\pict`) |
//! | notes, comments, page headers and footers, text boxes, field codes, hidden and deleted text, unknown destinations | styles and lists |
//! | title, author, the organisation's own properties, document variables | |
//! | embedded objects (`\objdata`), as files | linked objects: their names only |

use super::octets::{code_page, slice, u32_at, until_zero};
use super::reading::{File, Reading};
use super::*;
use std::collections::HashMap;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RichText {
    pub text: String,
    /// Text marked as hidden or deleted, field codes, destinations that no reader shows.
    pub hidden: String,
    /// Notes, page headers and footers, comments.
    pub beside: String,
    /// Properties, one per line.
    pub info: String,
    /// Embedded objects (MS-OLEDS §2.2).
    pub objects: Vec<Vec<u8>>,
    pub damaged: bool,
}

impl Reading {
    pub(super) fn rtf(&mut self, file: &File, place: &str, group: u32) {
        let read = read(file.octets);
        if read.damaged {
            self.unreadable(place, Reason::Damaged);
        }
        self.rich_text(&read, place, TextKind::Attachment, group, file.depth + 1);
    }

    pub(super) fn rich_text(&mut self, read: &RichText, place: &str, kind: TextKind, group: u32, depth: usize) {
        self.text(place, kind, group, read.text.as_str());
        self.text(&format!("{place} > notes and headers"), kind, group, read.beside.as_str());
        self.text(place, TextKind::Alternative, group, read.hidden.as_str());
        self.text(place, TextKind::Properties, group, read.info.as_str());
        for object in &read.objects {
            let Some((name, octets)) = embedded(object) else {
                self.text(place, TextKind::Alternative, group, super::octets::strings(object));
                self.unreadable(place, Reason::Unsupported);
                continue;
            };
            if !self.budget.spend(octets.len() as u64) {
                return self.unreadable(place, Reason::OverBudget);
            }
            let declared = if name.is_empty() { "embedded object" } else { "" };
            self.file(File { within: place, name: &name, declared, charset: None, octets, depth });
        }
    }
}

/// The file in an embedded object and its name; `None` of one that is only linked, or broken.
fn embedded(object: &[u8]) -> Option<(String, &[u8])> {
    if object.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Some((String::new(), object));
    }
    (u32_at(object, 4)? == 2).then_some(())?;
    let mut at = 8usize;
    let mut class = &object[..0];
    for n in 0..3 {
        let length = u32_at(object, at)? as usize;
        if n == 0 {
            class = until_zero(slice(object, at + 4, length)?);
        }
        at = at.checked_add(4)?.checked_add(length)?;
    }
    let length = u32_at(object, at)? as usize;
    let rest = object.get(at + 4..)?;
    let content = &rest[..length.min(rest.len())];
    if class.eq_ignore_ascii_case(b"package") {
        // As in a compound file, but for the length in front.
        let framed = [&[0; 4][..], content].concat();
        let (name, inner) = super::ole::package(&framed)?;
        let start = content.len().checked_sub(framed.len() - (inner.as_ptr() as usize - framed.as_ptr() as usize))?;
        return Some((name, &content[start..(start + inner.len()).min(content.len())]));
    }
    Some((String::new(), content))
}

#[derive(Clone, Copy)]
struct Group {
    into: Into,
    /// How many characters stand for one `\u`.
    skip: usize,
    hidden: bool,
    /// The code page of the font.
    page: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Into {
    Text,
    Hidden,
    Beside,
    Info,
    Object,
    FontTable,
    Nothing,
}

/// Deepest nesting of groups; what is deeper stays in its outer group.
const DEPTH: usize = 10_000;
const OBJECTS: usize = 1_000;

struct Reader<'x> {
    octets: &'x [u8],
    at: usize,
    out: RichText,
    groups: Vec<Group>,
    now: Group,
    /// Characters that are still to be passed over after a `\u`.
    drop: usize,
    document_page: u32,
    fonts: HashMap<i64, u32>,
    font: i64,
    /// Octets of the code page that belong together: one character may need two.
    pending: Vec<u8>,
    high: Option<u16>,
    /// The object that is being read, in octets and a half.
    object: Vec<u8>,
    half: Option<u8>,
}

pub(super) fn read(octets: &[u8]) -> RichText {
    let now = Group { into: Into::Text, skip: 1, hidden: false, page: 0 };
    let mut reader = Reader {
        octets,
        at: 0,
        out: RichText::default(),
        groups: Vec::new(),
        now,
        drop: 0,
        document_page: 1252,
        fonts: HashMap::new(),
        font: 0,
        pending: Vec::new(),
        high: None,
        object: Vec::new(),
        half: None,
    };
    reader.all();
    reader.out
}

impl Reader<'_> {
    fn all(&mut self) {
        while let Some(&octet) = self.octets.get(self.at) {
            match octet {
                b'{' => {
                    self.settle();
                    if self.groups.len() < DEPTH {
                        self.groups.push(self.now);
                    }
                    self.at += 1;
                    self.drop = 0;
                }
                b'}' => {
                    self.settle();
                    self.at += 1;
                    self.drop = 0;
                    self.leave();
                }
                b'\\' => self.control(),
                b'\r' | b'\n' => self.at += 1,
                octet => {
                    self.at += 1;
                    self.octet(octet);
                }
            }
        }
        self.settle();
        self.out.damaged = !self.groups.is_empty();
        self.end_object();
    }

    fn leave(&mut self) {
        let Some(before) = self.groups.pop() else { return };
        if self.now.into == Into::Object && before.into != Into::Object {
            self.end_object();
        }
        if matches!(self.now.into, Into::Beside | Into::Hidden) && before.into != self.now.into {
            self.push("\n");
        }
        self.now = before;
    }

    fn end_object(&mut self) {
        self.half = None;
        if !self.object.is_empty() && self.out.objects.len() < OBJECTS {
            self.out.objects.push(std::mem::take(&mut self.object));
        }
        self.object.clear();
    }

    /// One octet of text in the code page of the font, or a digit of an object.
    fn octet(&mut self, octet: u8) {
        if self.drop > 0 {
            self.drop -= 1;
            return;
        }
        if self.now.into == Into::Object {
            let Some(digit) = char::from(octet).to_digit(16) else { return };
            match self.half.take() {
                None => self.half = Some(digit as u8),
                Some(high) => self.object.push(high << 4 | digit as u8),
            }
            return;
        }
        if octet < 128 && self.pending.is_empty() {
            self.push(char::from(octet).encode_utf8(&mut [0; 4]));
        } else {
            self.pending.push(octet);
            // The second octet of a pair may be a letter; whatever follows the pair is none of it.
            if octet < 128 {
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let page = if self.now.page == 0 { self.document_page } else { self.now.page };
        let text = crate::mime::text_in_charset(&std::mem::take(&mut self.pending), Some(code_page(page))).0.into_owned();
        self.push(&text);
    }

    fn push(&mut self, text: &str) {
        match self.now.into {
            Into::Text if self.now.hidden => self.out.hidden.push_str(text),
            Into::Text => self.out.text.push_str(text),
            // A font may be called anything.
            Into::Hidden | Into::FontTable => self.out.hidden.push_str(text),
            Into::Beside => self.out.beside.push_str(text),
            Into::Info => self.out.info.push_str(text),
            Into::Object | Into::Nothing => {}
        }
    }

    fn control(&mut self) {
        let octets = self.octets;
        let start = self.at + 1;
        if octets.get(start) == Some(&b'\'') {
            let digits = octets.get(start + 1..start + 3).and_then(|digits| std::str::from_utf8(digits).ok());
            let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(b'?');
            self.at = (start + 3).min(octets.len());
            match self.drop {
                0 if self.now.into == Into::Object => {}
                0 => self.pending.push(value),
                _ => self.drop -= 1,
            }
            return;
        }
        self.settle();
        let end = octets[start..].iter().position(|b| !b.is_ascii_alphabetic()).map_or(octets.len(), |n| start + n);
        if end == start {
            self.at = (start + 1).min(octets.len());
            let symbol = octets.get(start).copied();
            if self.drop > 0 && !matches!(symbol, Some(b'*')) {
                self.drop -= 1;
                return;
            }
            match symbol {
                Some(c @ (b'\\' | b'{' | b'}')) => self.push(char::from(c).encode_utf8(&mut [0; 4])),
                Some(b'~') => self.push("\u{a0}"),
                Some(b'_') => self.push("-"),
                Some(b'\n' | b'\r') => self.push("\n"),
                // No reader shows a destination that it does not know; it is there all the same.
                Some(b'*') if !matches!(self.now.into, Into::Nothing | Into::Object | Into::FontTable | Into::Info) => {
                    self.now.into = Into::Hidden;
                    self.push("\n");
                }
                _ => {}
            }
            return;
        }
        let word = &octets[start..end];
        let mut stop = end + usize::from(octets.get(end) == Some(&b'-'));
        while octets.get(stop).is_some_and(u8::is_ascii_digit) {
            stop += 1;
        }
        let number: Option<i64> = std::str::from_utf8(&octets[end..stop]).ok().and_then(|digits| digits.parse().ok());
        self.at = stop + usize::from(octets.get(stop) == Some(&b' '));
        self.word(word, number);
    }

    fn word(&mut self, word: &[u8], number: Option<i64>) {
        if word != b"u" {
            self.drop = 0;
        }
        match word {
            b"u" => {
                let unit = number.unwrap_or(63) as u16;
                let text = match (self.high.take(), unit) {
                    (_, 0xd800..=0xdbff) => {
                        self.high = Some(unit);
                        String::new()
                    }
                    (Some(high), low) => String::from_utf16_lossy(&[high, low]),
                    // A sign of a symbol font (RTF 1.9.1, "Unicode RTF").
                    (None, unit @ 0xf020..=0xf0ff) => char::from((unit & 0xff) as u8).to_string(),
                    (None, unit) => String::from_utf16_lossy(&[unit]),
                };
                self.push(&text);
                self.drop = self.now.skip;
            }
            b"uc" => self.now.skip = number.unwrap_or(1).clamp(0, 100) as usize,
            b"ansicpg" => self.document_page = number.and_then(|n| u32::try_from(n).ok()).unwrap_or(1252),
            b"mac" => self.document_page = 10_000,
            b"pc" | b"pca" => self.document_page = 850,
            b"f" => {
                self.font = number.unwrap_or(0);
                if self.now.into != Into::FontTable {
                    self.now.page = self.fonts.get(&self.font).copied().unwrap_or(0);
                }
            }
            b"fcharset" | b"cpg" if self.now.into == Into::FontTable => {
                let number = number.unwrap_or(0);
                let page = if word == b"cpg" { u32::try_from(number).unwrap_or(0) } else { page_of_charset(number) };
                if page != 0 && self.fonts.len() < 10_000 {
                    self.fonts.insert(self.font, page);
                }
            }
            b"plain" => {
                self.now.hidden = false;
                self.now.page = 0;
            }
            b"v" | b"deleted" => self.now.hidden = number != Some(0),
            b"par" | b"line" | b"row" | b"sect" | b"page" | b"column" | b"nestrow" => self.push("\n"),
            b"tab" | b"cell" | b"nestcell" => self.push("\t"),
            b"emdash" | b"endash" => self.push("-"),
            b"emspace" | b"enspace" | b"qmspace" => self.push(" "),
            b"lquote" | b"rquote" => self.push("'"),
            b"ldblquote" | b"rdblquote" => self.push("\""),
            b"bullet" => self.push("•"),
            b"bin" => {
                let length = number.unwrap_or(0).max(0) as usize;
                let end = self.at.saturating_add(length).min(self.octets.len());
                if self.now.into == Into::Object {
                    self.object.extend_from_slice(&self.octets[self.at..end]);
                }
                self.at = end;
            }
            word => self.destination(word),
        }
    }

    fn destination(&mut self, word: &[u8]) {
        let into = match word {
            b"info" | b"userprops" => Into::Info,
            b"author" | b"title" | b"subject" | b"company" | b"manager" | b"operator" | b"category" | b"keywords"
            | b"comment" | b"doccomm" | b"hlinkbase" | b"propname"
                if self.now.into == Into::Info =>
            {
                self.push("\n");
                if word != b"propname" {
                    let word = String::from_utf8_lossy(word).into_owned();
                    self.push(&format!("{word}: "));
                }
                return;
            }
            // The properties of a drawing: its description and link are said by their values.
            b"sv" => return self.push("\n"),
            b"staticval" if self.now.into == Into::Info => return self.push(": "),
            _ if matches!(self.now.into, Into::Nothing | Into::Object) => return,
            b"annotation" | b"footnote" | b"header" | b"headerl" | b"headerr" | b"headerf" | b"footer" | b"footerl"
            | b"footerr" | b"footerf" | b"atnid" | b"atnauthor" => Into::Beside,
            b"fldinst" | b"bkmkstart" | b"docvar" | b"nonesttables" => Into::Hidden,
            b"fonttbl" => Into::FontTable,
            b"objdata" => Into::Object,
            b"shptxt" => {
                self.now.into = Into::Beside;
                return self.push("\n");
            }
            b"colortbl"
            | b"stylesheet"
            | b"themedata"
            | b"colorschememapping"
            | b"generator"
            | b"pict"
            | b"datastore"
            | b"latentstyles"
            | b"blipuid"
            | b"listtable"
            | b"listoverridetable"
            | b"rsidtbl"
            | b"xmlnstbl"
            | b"panose"
            | b"wgrffmtfilter"
            | b"mmathPr"
            | b"pgptbl"
            | b"picprop"
            | b"sn"
            | b"objclass"
            | b"pntext" => Into::Nothing,
            _ => return,
        };
        self.now.into = into;
    }
}

/// RTF 1.9.1, "Font Table": `\fcharset`.
fn page_of_charset(charset: i64) -> u32 {
    match charset {
        77 => 10_000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        254 => 437,
        255 => 850,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rich_text_is_stripped_to_its_text() {
        for (rtf, text) in [
            (r"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0 Num\'e9ro : {\b 1 85}\par suite}", "Numéro : 1 85\nsuite"),
            (r"{\rtf1\uc1 \u233?t\u233?\u-10179?\u-8704?}", "été😀"),
            (r"{\rtf1\uc2 \u233\'c3\'a9t{\uc0 \u233}e}", "étée"),
            (r"{\rtf1 a\tab b\cell c\row {\*\secret x}{\pict 00ff}d\~e}", "a\tb\tc\nd\u{a0}e"),
            (r"{\rtf1 a\bin4 xxxxb}", "ab"),
            (r"{\rtf1 41{\v zz}11}", "4111"),
            (r"{\rtf1 41{\deleted zz}11\v zz\v0 22}", "411122"),
            (r"{\rtf1 41{\footnote zz}11}", "4111"),
            (r"{\rtf1 \\\{\}", "\\{}"),
            (r"{\rtf1 a\", "a"),
            (r"{\rtf1{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial;}}\f1\'cf\'f0\f0\'e9}", "Прé"),
            (r"{\rtf1{\fonttbl{\f1\fcharset128 M;}}\f1\'83e\'83X\'83g}", "テスト"),
            (r"{\rtf1{\field{\*\fldinst HYPERLINK x}{\fldrslt lien}} fin}", "lien fin"),
        ] {
            assert_eq!(read(rtf.as_bytes()).text, text, "{rtf}");
        }
        assert_eq!(read(br"{\rtf1{\info{\title Plan}}x{\v h}}").hidden, "h");
        assert_eq!(read(br"{\rtf1 x{\header en-t\'eate}}").beside, "en-tête\n");
        let info =
            read(br"{\rtf1{\info{\title Plan}{\author Ann}}{\*\userprops{\propname Mark}\proptype30{\staticval DR}}x}").info;
        assert!(info.contains("title: Plan") && info.contains("Mark: DR"), "{info}");
        assert!(read(br"{\rtf1 {a").damaged);
    }

    #[test]
    fn embedded_objects_are_files() {
        let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let mut package = b"\x02\0a.txt\0C:\\a.txt\0\0\0\x03\0\x01\0\0\0\0".to_vec();
        package.extend(6u32.to_le_bytes());
        package.extend(b"inside rest");
        let mut object = [1u32, 2, 8].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        object.extend(b"Package\0");
        object.extend([0; 8]);
        object.extend((package.len() as u32).to_le_bytes());
        object.extend(&package);
        let rtf = format!("{{\\rtf1 x{{\\object\\objemb{{\\*\\objdata {}\n{}}}}}y}}", &hex(&object)[..20], &hex(&object)[20..]);
        let extracted = extract_file("a.rtf", rtf.as_bytes(), &Limits::default(), &crate::extract::Reader::here());
        let found: Vec<_> = extracted.texts.iter().map(|text| (&*text.place.0, text.content.as_str())).collect();
        assert!(found.contains(&("a.rtf > a.txt", "inside")) && found.contains(&("a.rtf", "xy")), "{found:?}");
        assert_eq!(extracted.unreadable, []);
    }
}
