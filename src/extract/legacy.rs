//! Turns rich text (RTF) into text, and says of the older Office containers what they are.

use super::reading::Reading;
use super::*;

impl Reading {
    pub(super) fn rtf(&mut self, octets: &[u8], place: &str, group: u32) {
        let stripped = strip(octets);
        if stripped.objects {
            // An embedded object or picture in hexadecimal: it is not looked into.
            self.unreadable(place, Reason::Unsupported);
        }
        self.text(place, TextKind::Attachment, group, stripped.text);
        self.text(place, TextKind::Alternative, group, stripped.hidden);
        self.text(place, TextKind::Properties, group, stripped.info);
    }

    /// Word, Excel and PowerPoint before 2007, Outlook messages, and Office documents with a password: those are an OLE container
    /// with a stream `EncryptedPackage` (MS-OFFCRYPTO §2.3.4.4), whose name stands in UTF-16.
    pub(super) fn ole(&mut self, octets: &[u8], place: &str) {
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let encrypted = memchr::memmem::find(octets, &name).is_some();
        self.unreadable(place, if encrypted { Reason::Password } else { Reason::Unsupported });
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Stripped {
    text: String,
    /// Text marked as hidden, notes of the author.
    hidden: String,
    info: String,
    objects: bool,
}

#[derive(Clone, Copy)]
struct Group {
    into: Into,
    /// How many characters stand for one `\u` (RTF 1.9.1).
    skip: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Into {
    Text,
    Hidden,
    Info,
    Nothing,
}

/// Deepest nesting of groups; what is deeper stays in its outer group.
const DEPTH: usize = 10_000;

fn strip(octets: &[u8]) -> Stripped {
    let mut out = Stripped::default();
    let mut groups: Vec<Group> = Vec::new();
    let mut now = Group { into: Into::Text, skip: 1 };
    let mut drop = 0usize;
    let mut codepage = "windows-1252";
    // Octets of the code page that belong together: one character may need two.
    let mut pending: Vec<u8> = Vec::new();
    let mut high: Option<u16> = None;
    let mut at = 0;
    while at < octets.len() {
        let octet = octets[at];
        let hex = octet == b'\\' && octets.get(at + 1) == Some(&b'\'');
        if !hex && !pending.is_empty() {
            let text = crate::mime::text_in_charset(&std::mem::take(&mut pending), Some(codepage)).0.into_owned();
            push(&mut out, now.into, &text);
        }
        match octet {
            b'{' => {
                if groups.len() < DEPTH {
                    groups.push(now);
                }
                at += 1;
                if octets[at..].starts_with(b"\\*") && now.into != Into::Nothing {
                    // No reader shows a destination that it does not know; it is there all the same.
                    now.into = Into::Hidden;
                    push(&mut out, now.into, "\n");
                }
            }
            b'}' => {
                if let Some(before) = groups.pop() {
                    now = before;
                }
                at += 1;
            }
            b'\\' if hex => {
                let digits = octets.get(at + 2..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
                let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(b'?');
                if drop > 0 {
                    drop -= 1;
                } else {
                    pending.push(value);
                }
                at = (at + 4).min(octets.len());
            }
            b'\\' => {
                let start = at + 1;
                let end = octets[start..].iter().position(|b| !b.is_ascii_alphabetic()).map_or(octets.len(), |n| start + n);
                if end == start {
                    match octets.get(start) {
                        Some(c @ (b'\\' | b'{' | b'}')) => push(&mut out, now.into, &(*c as char).to_string()),
                        Some(b'~') => push(&mut out, now.into, "\u{a0}"),
                        Some(b'_') => push(&mut out, now.into, "-"),
                        Some(b'\n' | b'\r') => push(&mut out, now.into, "\n"),
                        _ => {}
                    }
                    at = (start + 1).min(octets.len());
                    continue;
                }
                let word = &octets[start..end];
                let mut stop = end;
                if octets.get(stop) == Some(&b'-') {
                    stop += 1;
                }
                while octets.get(stop).is_some_and(u8::is_ascii_digit) {
                    stop += 1;
                }
                let number: Option<i64> = std::str::from_utf8(&octets[end..stop]).ok().and_then(|digits| digits.parse().ok());
                at = stop + usize::from(octets.get(stop) == Some(&b' '));
                match word {
                    b"u" => {
                        let unit = number.unwrap_or(63) as u16;
                        let text = match (high.take(), unit) {
                            (_, 0xd800..=0xdbff) => {
                                high = Some(unit);
                                String::new()
                            }
                            (Some(high), low) => String::from_utf16_lossy(&[high, low]),
                            (None, unit) => String::from_utf16_lossy(&[unit]),
                        };
                        push(&mut out, now.into, &text);
                        drop = now.skip;
                        continue;
                    }
                    b"uc" => now.skip = number.unwrap_or(1).clamp(0, 100) as usize,
                    b"ansicpg" => codepage = code_page(number.unwrap_or(1252)),
                    b"par" | b"line" | b"row" | b"sect" | b"page" => push(&mut out, now.into, "\n"),
                    b"tab" | b"cell" => push(&mut out, now.into, "\t"),
                    b"emdash" | b"endash" => push(&mut out, now.into, "-"),
                    b"v" if now.into == Into::Text && number != Some(0) => now.into = Into::Hidden,
                    b"v" if now.into == Into::Hidden => now.into = Into::Text,
                    b"info" => now.into = Into::Info,
                    b"author" | b"title" | b"subject" | b"company" if now.into == Into::Info => push(&mut out, now.into, "\n"),
                    b"annotation" | b"footnote" | b"fldinst" | b"header" | b"footer" => now.into = Into::Hidden,
                    b"fonttbl" | b"stylesheet" => now.into = Into::Hidden,
                    b"colortbl"
                    | b"themedata"
                    | b"colorschememapping"
                    | b"generator"
                    | b"pict"
                    | b"datastore"
                    | b"latentstyles"
                    | b"blipuid" => now.into = Into::Nothing,
                    b"objdata" => {
                        out.objects = true;
                        now.into = Into::Nothing;
                    }
                    b"bin" => at = at.saturating_add(number.unwrap_or(0).max(0) as usize).min(octets.len()),
                    _ => {}
                }
                drop = 0;
            }
            b'\r' | b'\n' => at += 1,
            octet if octet < 128 => {
                if drop > 0 {
                    drop -= 1;
                } else {
                    push(&mut out, now.into, (octet as char).encode_utf8(&mut [0; 4]));
                }
                at += 1;
            }
            _ => {
                let end = octets[at..].iter().position(|b| *b < 128).map_or(octets.len(), |n| at + n);
                let text = crate::mime::text_in_charset(&octets[at..end], Some(codepage)).0.into_owned();
                push(&mut out, now.into, &text);
                at = end;
            }
        }
    }
    if !pending.is_empty() {
        let text = crate::mime::text_in_charset(&pending, Some(codepage)).0.into_owned();
        push(&mut out, now.into, &text);
    }
    out
}

fn push(out: &mut Stripped, into: Into, text: &str) {
    match into {
        Into::Text => out.text.push_str(text),
        Into::Hidden => out.hidden.push_str(text),
        Into::Info => out.info.push_str(text),
        Into::Nothing => {}
    }
}

fn code_page(number: i64) -> &'static str {
    match number {
        437 | 850 => "cp850",
        874 => "windows-874",
        932 => "shift_jis",
        936 => "gbk",
        949 => "euc-kr",
        950 => "big5",
        1250 => "windows-1250",
        1251 => "windows-1251",
        1253 => "windows-1253",
        1254 => "windows-1254",
        1255 => "windows-1255",
        1256 => "windows-1256",
        1257 => "windows-1257",
        1258 => "windows-1258",
        10000 => "macintosh",
        65001 => "utf-8",
        _ => "windows-1252",
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
            (r"{\rtf1 a\tab b\cell c\row {\*\secret x}{\pict 00ff}d\~e}", "a\tb\tc\nd\u{a0}e"),
            (r"{\rtf1 a\bin4 xxxxb}", "ab"),
            (r"{\rtf1 41{\v zz}11}", "4111"),
            (r"{\rtf1 \\\{\}", "\\{}"),
            (r"{\rtf1 a\", "a"),
        ] {
            assert_eq!(strip(rtf.as_bytes()).text, text, "{rtf}");
        }
        assert_eq!(strip(br"{\rtf1{\info{\title Plan}}x{\v h}}").hidden, "h");
    }
}
