//! Turns RAR archives (1.5 to 7) into the names, comments and uncompressed members in them; their compression is not read.

use super::{dos_name, u16_at, u32_at};
use crate::extract::reading::{File, Reading};
use crate::extract::{Reason, TextKind};

const OLD: &[u8] = b"Rar!\x1a\x07\0";
const NEW: &[u8] = b"Rar!\x1a\x07\x01\0";
/// Blocks of one archive.
const BLOCKS: usize = 100_000;

/// Where an archive begins: at the start, or behind the program that unpacks it.
pub(in crate::extract) fn is_rar(octets: &[u8]) -> Option<usize> {
    memchr::memmem::find(octets, b"Rar!\x1a\x07").filter(|at| octets[*at..].starts_with(OLD) || octets[*at..].starts_with(NEW))
}

struct Member<'x> {
    name: String,
    /// The octets of the member when it is stored without compression.
    stored: Option<&'x [u8]>,
    locked: bool,
    folder: bool,
    cut: bool,
    /// A service block: a comment, not a file.
    service: bool,
}

/// What the blocks of an archive came to.
enum End {
    Whole,
    Damaged,
    /// The headers are encrypted: not even names can be read.
    Locked,
}

impl Reading {
    pub(in crate::extract) fn rar(&mut self, file: &File, octets: &[u8], place: &str, group: u32) {
        let mut members = Vec::new();
        let end = if octets.starts_with(NEW) { new_blocks(octets, &mut members) } else { old_blocks(octets, &mut members) };
        for member in &members {
            if member.service {
                if let Some(comment) = member.stored {
                    self.text(place, TextKind::Properties, group, crate::mime::text_in_charset(comment, None).0);
                }
                continue;
            }
            if member.folder {
                let group = self.new_group();
                self.name(place, group, &member.name);
                continue;
            }
            match member.stored {
                Some(content) if !member.locked => {
                    if !self.budget.spend(content.len() as u64) {
                        return self.closed(place, &member.name, Reason::OverBudget);
                    }
                    let name = member.name.as_str();
                    self.file(File {
                        within: place,
                        name,
                        declared: "",
                        charset: None,
                        octets: content,
                        depth: file.depth + 1,
                    });
                    if member.cut {
                        self.unreadable(place, Reason::Damaged);
                    }
                }
                _ => self.closed(place, &member.name, if member.locked { Reason::Password } else { Reason::Unsupported }),
            }
            if !self.budget.file() {
                return self.unreadable(place, Reason::OverBudget);
            }
        }
        match end {
            End::Whole => {}
            End::Damaged => self.unreadable(place, Reason::Damaged),
            End::Locked => self.unreadable(place, Reason::Password),
        }
    }
}

/// A member's data, and whether it is cut.
fn data(octets: &[u8], start: usize, length: u64) -> (&[u8], bool) {
    let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
    match end.and_then(|end| octets.get(start..end)) {
        Some(data) => (data, false),
        None => (octets.get(start..).unwrap_or_default(), true),
    }
}

/// RAR 1.5 to 4: technote.txt of the archiver, blocks of 7 octets of header and more.
fn old_blocks<'x>(octets: &'x [u8], members: &mut Vec<Member<'x>>) -> End {
    let mut at = OLD.len();
    for _ in 0..BLOCKS {
        if at >= octets.len() {
            return End::Whole;
        }
        let (Some(kind), Some(flags), Some(size)) = (octets.get(at + 2), u16_at(octets, at + 3), u16_at(octets, at + 5)) else {
            return End::Damaged;
        };
        let size = usize::from(size);
        let has_data = flags & 0x8000 != 0 || matches!(kind, 0x74 | 0x7a);
        let mut more = if has_data { u32_at(octets, at + 7).map_or(0, u64::from) } else { 0 };
        match kind {
            0x73 if flags & 0x80 != 0 => return End::Locked,
            0x74 | 0x7a => {
                let member = (|| {
                    if flags & 0x100 != 0 {
                        more |= u64::from(u32_at(octets, at + 32)?) << 32;
                    }
                    let start = at + if flags & 0x100 != 0 { 40 } else { 32 };
                    let length = usize::from(u16_at(octets, at + 26)?);
                    let raw = octets.get(start..start.checked_add(length)?)?;
                    // With the flag 0x200 a packed form in Unicode stands behind the name in the local code page.
                    let plain = raw.split(|b| *b == 0).next().unwrap_or_default();
                    let name = if flags & 0x200 != 0 && plain.len() < raw.len() {
                        unpacked_name(plain, &raw[plain.len() + 1..])
                    } else {
                        dos_name(plain)
                    };
                    let (content, cut) = data(octets, at + size, more);
                    let stored = (octets.get(at + 25) == Some(&0x30)).then_some(content);
                    let folder = flags & 0xe0 == 0xe0;
                    Some(Member { name, stored, locked: flags & 4 != 0, folder, cut, service: *kind == 0x7a })
                })();
                let Some(member) = member else { return End::Damaged };
                members.push(member);
            }
            0x7b => return End::Whole,
            _ => {}
        }
        let next = usize::try_from(more).ok().and_then(|more| at.checked_add(size)?.checked_add(more));
        match next.filter(|next| size >= 7 && *next > at) {
            Some(next) if next <= octets.len() => at = next,
            _ => return End::Damaged,
        }
    }
    End::Damaged
}

/// The Unicode form of a name: runs of two bits that say where each character comes from.
fn unpacked_name(plain: &[u8], packed: &[u8]) -> String {
    let mut out: Vec<u16> = Vec::new();
    let mut octets = packed.iter().copied();
    let high = u16::from(octets.next().unwrap_or(0)) << 8;
    let (mut flags, mut bits) = (0u8, 0);
    while out.len() < 1024 {
        if bits == 0 {
            let Some(next) = octets.next() else { break };
            (flags, bits) = (next, 8);
        }
        let kind = flags >> 6;
        (flags, bits) = (flags << 2, bits - 2);
        let Some(first) = octets.next() else { break };
        match kind {
            0 => out.push(u16::from(first)),
            1 => out.push(u16::from(first) | high),
            2 => out.push(u16::from(first) | u16::from(octets.next().unwrap_or(0)) << 8),
            _ => {
                let correction = if first & 0x80 != 0 { octets.next() } else { None };
                for _ in 0..(first & 0x7f) + 2 {
                    let letter = plain.get(out.len()).copied().unwrap_or(b'?');
                    out.push(match correction {
                        Some(correction) => u16::from(letter.wrapping_add(correction)) | high,
                        None => u16::from(letter),
                    });
                }
            }
        }
    }
    String::from_utf16_lossy(&out)
}

/// Octets read from the front; a number has 7 bits in each octet, the lowest first.
struct Cursor<'x>(&'x [u8]);

impl<'x> Cursor<'x> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..70).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(first & 0x7f).checked_shl(shift)?;
            if first & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'x [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

/// RAR 5: `https://www.rarlab.com/technote.htm`.
fn new_blocks<'x>(octets: &'x [u8], members: &mut Vec<Member<'x>>) -> End {
    let mut at = NEW.len();
    for _ in 0..BLOCKS {
        if at >= octets.len() {
            return End::Whole;
        }
        let mut cursor = Cursor(octets.get(at + 4..).unwrap_or_default());
        let read = (|| {
            let size = cursor.number()?;
            let header_end = octets.len().checked_sub(cursor.0.len())?.checked_add(usize::try_from(size).ok()?)?;
            let mut header = Cursor(cursor.take(size)?);
            let (kind, flags) = (header.number()?, header.number()?);
            let extra = if flags & 1 != 0 { header.number()? } else { 0 };
            let length = if flags & 2 != 0 { header.number()? } else { 0 };
            Some((kind, header, extra, length, header_end))
        })();
        let Some((kind, header, extra, length, header_end)) = read else { return End::Damaged };
        match kind {
            2 | 3 => match member(octets, header, extra, length, header_end, kind == 3) {
                Some(member) => members.push(member),
                None => return End::Damaged,
            },
            4 => return End::Locked,
            5 => return End::Whole,
            _ => {}
        }
        match usize::try_from(length).ok().and_then(|length| header_end.checked_add(length)) {
            Some(next) if next <= octets.len() => at = next,
            _ => return End::Damaged,
        }
    }
    End::Damaged
}

fn member<'x>(
    octets: &'x [u8],
    mut header: Cursor<'x>,
    extra: u64,
    length: u64,
    start: usize,
    service: bool,
) -> Option<Member<'x>> {
    let (flags, _size, _attributes) = (header.number()?, header.number()?, header.number()?);
    if flags & 2 != 0 {
        header.take(4)?;
    }
    if flags & 4 != 0 {
        header.take(4)?;
    }
    let (compression, _system, name) = (header.number()?, header.number()?, header.number()?);
    let name = String::from_utf8_lossy(header.take(name)?).into_owned();
    let mut records = Cursor(header.take(extra).unwrap_or_default());
    let mut locked = false;
    while let Some(size) = records.number() {
        let Some(record) = records.take(size) else { break };
        locked |= Cursor(record).number() == Some(1);
    }
    let (content, cut) = data(octets, start, length);
    let stored = (compression >> 7 & 7 == 0).then_some(content);
    Some(Member { name, stored, locked, folder: flags & 1 != 0, cut, service })
}
