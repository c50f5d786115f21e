//! Turns tape archives (tar: POSIX pax, ustar, GNU, version 7), ar archives (Debian packages too) and cpio archives into their members.

use crate::extract::reading::{File, Reading};
use crate::extract::{Reason, TextKind};

/// Octets of a block.
const BLOCK: usize = 512;
/// Octets of a header of pax or a long name.
const LONG: usize = 64 << 10;

/// Version 7 has no mark; its sum of octets is one (tar(5)).
pub(in crate::extract) fn is_old_tar(octets: &[u8]) -> bool {
    let Some(header) = octets.get(..BLOCK) else { return false };
    let told = number(&header[148..156]);
    let sum: u64 = header.iter().enumerate().map(|(n, b)| if (148..156).contains(&n) { 32 } else { u64::from(*b) }).sum();
    header[0] != 0 && told == Some(sum)
}

pub(in crate::extract) fn is_ar(octets: &[u8]) -> bool {
    octets.starts_with(b"!<arch>\n")
}

pub(in crate::extract) fn is_cpio(octets: &[u8]) -> bool {
    octets.starts_with(b"070701") || octets.starts_with(b"070702") || octets.starts_with(b"070707")
}

/// Octal digits, or the octets themselves behind a first one of 0x80 (GNU).
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        return field.iter().skip(field.len().saturating_sub(7)).try_fold(0u64, |sum, b| Some(sum << 8 | u64::from(*b)));
    }
    let digits: String = field.iter().take_while(|b| **b != 0).map(|b| *b as char).collect();
    let digits = digits.trim();
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

fn field(octets: &[u8]) -> String {
    let end = memchr::memchr(0, octets).unwrap_or(octets.len());
    crate::mime::text_in_charset(&octets[..end], None).0.into_owned()
}

/// `length key=value\n` (pax(1)).
fn pax(content: &[u8], key: &str) -> Option<String> {
    let text = String::from_utf8_lossy(content);
    let mut found = None;
    for line in text.lines() {
        let pair = line.split_once(' ').and_then(|(_, pair)| pair.split_once('='));
        if let Some((name, value)) = pair
            && name == key
        {
            found = Some(value.to_owned());
        }
    }
    found
}

impl Reading {
    /// Headers of 512 octets, each followed by its file.
    pub(in crate::extract) fn tar(&mut self, file: &File, place: &str) {
        let octets = file.octets;
        let mut at = 0;
        let (mut long_name, mut long_size): (Option<String>, Option<u64>) = (None, None);
        while let Some(header) = octets.get(at..at + BLOCK) {
            if header.iter().all(|b| *b == 0) {
                // The end; but a second archive may stand behind it, and `tar -i` reads it.
                at += BLOCK;
                continue;
            }
            let plain = matches!(header[156], b'0' | 0 | b'7' | b'S' | b'1');
            let size = if plain { long_size.take().or_else(|| number(&header[124..136])) } else { number(&header[124..136]) };
            // The map of a sparse file goes on in blocks of its own (GNU tar).
            let mut start = at + BLOCK;
            let mut more = header[156] == b'S' && header[482] != 0;
            while more {
                more = octets.get(start + 504).is_some_and(|more| *more != 0);
                start += BLOCK;
            }
            let content = size.and_then(|size| octets.get(start..start.checked_add(usize::try_from(size).ok()?)?));
            let Some(content) = content else {
                // What is there of a cut or lying member is read all the same.
                let rest = octets.get(start..).unwrap_or_default();
                if self.budget.spend(rest.len() as u64) {
                    let name = field(&header[..100]);
                    self.file(File {
                        within: place,
                        name: &name,
                        declared: "",
                        charset: None,
                        octets: rest,
                        depth: file.depth + 1,
                    });
                }
                return self.unreadable(place, Reason::Damaged);
            };
            let first = &content[..content.len().min(LONG)];
            match header[156] {
                // GNU: the name of the next file, or of what it links to, when it is longer than its field.
                b'L' => long_name = Some(field(first)),
                b'K' => {
                    let group = self.new_group();
                    self.name(place, group, &field(first));
                }
                // pax: anything about the next file, or about all.
                b'x' | b'X' | b'g' => {
                    long_name = pax(first, "path").or(long_name);
                    long_size = pax(first, "size").and_then(|size| size.parse().ok()).or(long_size);
                    let group = self.new_group();
                    self.text(place, TextKind::Properties, group, String::from_utf8_lossy(first));
                }
                _ if plain => {
                    let (prefix, short) = (field(&header[345..500]), field(&header[..100]));
                    let posix = header[257..263] == *b"ustar\0" && !prefix.is_empty();
                    let short = if posix { format!("{prefix}/{short}") } else { short };
                    let name = long_name.take().unwrap_or(short);
                    if !self.budget.spend(content.len() as u64) {
                        return self.unreadable(place, Reason::OverBudget);
                    }
                    // An old archive marks a folder by its name only. The pieces of a sparse file stand one after the other.
                    if name.ends_with('/') && content.is_empty() {
                        let group = self.new_group();
                        self.name(place, group, &name);
                    } else {
                        self.file(File {
                            within: place,
                            name: &name,
                            declared: "",
                            charset: None,
                            octets: content,
                            depth: file.depth + 1,
                        });
                    }
                    if self.budget.is_spent() {
                        return self.unreadable(place, Reason::OverBudget);
                    }
                }
                // Folders and links have names only.
                _ => {
                    let group = self.new_group();
                    let name = long_name.take().unwrap_or_else(|| field(&header[..100]));
                    self.name(place, group, &name);
                    self.name(place, group, &field(&header[157..257]));
                    self.text(place, TextKind::Properties, group, String::from_utf8_lossy(first));
                }
            }
            at = start.saturating_add(content.len().div_ceil(BLOCK) * BLOCK);
        }
        if octets.get(at..).is_some_and(|rest| rest.iter().any(|b| *b != 0)) {
            self.unreadable(place, Reason::Damaged);
        }
    }

    /// ar(5): a line of 60 octets before each member; long names stand in a member of their own (System V) or before the content (BSD).
    pub(in crate::extract) fn ar(&mut self, file: &File, place: &str) {
        let octets = file.octets;
        let mut at = 8;
        let mut names = String::new();
        while let Some(header) = octets.get(at..at + 60) {
            let text = |range: std::ops::Range<usize>| String::from_utf8_lossy(&header[range]).trim().to_owned();
            let size = text(48..58).parse::<usize>().ok().and_then(|size| (at + 60).checked_add(size));
            let Some(mut content) = size.and_then(|end| octets.get(at + 60..end)) else {
                return self.unreadable(place, Reason::Damaged);
            };
            at += 60 + content.len() + content.len() % 2;
            let mut name = text(0..16);
            if name == "//" {
                names = String::from_utf8_lossy(content).into_owned();
                continue;
            }
            if let Some(length) = name.strip_prefix("#1/").and_then(|length| length.parse::<usize>().ok()) {
                let Some((long, rest)) = content.split_at_checked(length) else {
                    return self.unreadable(place, Reason::Damaged);
                };
                (name, content) = (field(long), rest);
            } else if let Some(offset) = name.strip_prefix('/').and_then(|offset| offset.parse::<usize>().ok()) {
                name = names.get(offset..).and_then(|rest| rest.lines().next()).unwrap_or("").to_owned();
            }
            if !self.member(file, place, name.trim_end_matches('/'), content) {
                return;
            }
        }
        if at < octets.len() || octets.len() == 8 {
            self.unreadable(place, Reason::Damaged);
        }
    }

    /// cpio(5): the new form in hexadecimal digits, the portable one in octal digits.
    pub(in crate::extract) fn cpio(&mut self, file: &File, place: &str) {
        let octets = file.octets;
        let mut at = 0;
        while let Some(mark) = octets.get(at..at + 6) {
            let read = |start: usize, length: usize, radix: u32| {
                let digits = std::str::from_utf8(octets.get(at + start..at + start + length)?).ok()?;
                usize::from_str_radix(digits, radix).ok()
            };
            let new = mark != b"070707";
            let (names, sizes, header, pad) =
                if new { (read(94, 8, 16), read(54, 8, 16), 110, 4) } else { (read(59, 6, 8), read(65, 11, 8), 76, 1) };
            let parts = (|| {
                let start = at.checked_add(header)?;
                let end = start.checked_add(names?)?;
                let content = end.next_multiple_of(pad);
                let finish = content.checked_add(sizes?)?;
                Some((octets.get(start..end)?, octets.get(content..finish)?, finish.next_multiple_of(pad)))
            })();
            let Some((name, content, next)) = parts.filter(|_| is_cpio(mark)) else {
                return self.unreadable(place, Reason::Damaged);
            };
            let name = field(name);
            if name == "TRAILER!!!" || !self.member(file, place, &name, content) {
                return;
            }
            at = next;
        }
        // No trailer.
        self.unreadable(place, Reason::Damaged);
    }

    /// A member that stands in the archive as it is; false when the budget is spent.
    pub(super) fn member(&mut self, file: &File, place: &str, name: &str, content: &[u8]) -> bool {
        if !self.budget.spend(content.len() as u64) || self.budget.is_spent() {
            self.unreadable(place, Reason::OverBudget);
            return false;
        }
        if content.is_empty() {
            let group = self.new_group();
            self.name(place, group, name);
        } else {
            self.file(File { within: place, name, declared: "", charset: None, octets: content, depth: file.depth + 1 });
        }
        true
    }
}
