//! Turns zip and gzip archives into their members. Written here rather than taken from a crate, because readers disagree on zip: the
//! central directory, the local headers and archives put one after the other are all looked into (PKWARE APPNOTE 6.3.10).

use super::reading::{File, Reading};
use super::*;
use memchr::memmem;
use std::collections::{BTreeMap, BTreeSet};

/// A member as one of the headers tells it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub name: String,
    /// What the local header calls it, when that is something else.
    pub other_name: Option<String>,
    pub encrypted: bool,
    methods: Vec<u16>,
    /// Where the local header stands, and its data.
    data: usize,
    /// Compressed octets; the larger of what the headers say, at most to the end of the archive.
    length: usize,
    pub is_folder: bool,
    /// Its comment and extra fields: few readers show them, every tool can write them.
    notes: Vec<u8>,
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
/// Archives put one after the other in one file.
const ENDS: usize = 16;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// The members of an archive in the order of their data, and whether the archive is damaged.
pub(super) fn members(octets: &[u8]) -> (Vec<Member>, bool) {
    let mut damaged = false;
    // By the offset of the local header: the central directory may name one member twice.
    let mut found: BTreeMap<usize, Member> = BTreeMap::new();
    let mut any_end = false;
    // Every end record could name the same huge directory; the last one is the one that most readers take.
    let last = memmem::rfind(octets, END);
    for end in memmem::find_iter(octets, END).take(ENDS).chain(last) {
        any_end = true;
        central(octets, end, &mut found, &mut damaged);
    }
    let mut taken: BTreeSet<(usize, usize)> = found.values().map(|member| (member.data, member.data + member.length)).collect();
    let mut at = 0;
    while let Some(n) = memmem::find(&octets[at..], LOCAL) {
        let start = at + n;
        at = start + 4;
        // What stands inside a member's data belongs to that member.
        let inside = taken.range(..=(start, usize::MAX)).next_back().is_some_and(|(from, to)| *from <= start && start < *to);
        if inside || found.contains_key(&start) {
            continue;
        }
        if let Some(member) = local(octets, start, false) {
            taken.insert((member.data, member.data + member.length));
            found.insert(start, member);
        }
    }
    (found.into_values().collect(), damaged || !any_end)
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(octets.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(octets: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(octets.get(at..at + 8)?.try_into().ok()?))
}

/// The directory that ends at the end record `end`. Offsets count from the archive's own beginning, which is not the file's
/// when something was put in front of it.
fn central(octets: &[u8], end: usize, found: &mut BTreeMap<usize, Member>, damaged: &mut bool) {
    let (Some(mut size), Some(mut offset)) = (u32_at(octets, end + 12).map(u64::from), u32_at(octets, end + 16).map(u64::from))
    else {
        return;
    };
    let mut finish = end;
    // Zip64: the real numbers stand in a record before.
    if (size == 0xffff_ffff || offset == 0xffff_ffff)
        && let Some(record) = memmem::rfind(&octets[..end], b"PK\x06\x06")
        && let (Some(s), Some(o)) = (u64_at(octets, record + 40), u64_at(octets, record + 48))
    {
        (size, offset, finish) = (s, o, record);
    }
    let (Ok(size), Ok(offset)) = (usize::try_from(size), usize::try_from(offset)) else {
        *damaged = true;
        return;
    };
    // Where the directory must begin by its size, else where it says that it begins.
    let by_size = finish.checked_sub(size).filter(|at| octets[*at..].starts_with(CENTRAL));
    let Some(start) = by_size.or_else(|| octets.get(offset..).filter(|rest| rest.starts_with(CENTRAL)).map(|_| offset)) else {
        *damaged |= size > 0;
        return;
    };
    let shift = start as i128 - offset as i128;
    let mut at = start;
    while octets.get(at..).is_some_and(|rest| rest.starts_with(CENTRAL)) && found.len() < 100_000 {
        let entry = (|| {
            let (name, extra, comment) = (u16_at(octets, at + 28)?, u16_at(octets, at + 30)?, u16_at(octets, at + 32)?);
            let (name, extra, comment) = (usize::from(name), usize::from(extra), usize::from(comment));
            let raw_name = octets.get(at + 46..at + 46 + name)?;
            let extras = octets.get(at + 46 + name..at + 46 + name + extra)?;
            let (mut packed, unpacked) = (u64::from(u32_at(octets, at + 20)?), u32_at(octets, at + 24)?);
            let mut header = u64::from(u32_at(octets, at + 42)?);
            if let Some(wide) = extra_field(extras, 1) {
                let mut values = wide.chunks_exact(8).filter_map(|chunk| u64_at(chunk, 0));
                if unpacked == u32::MAX {
                    values.next();
                }
                if packed == 0xffff_ffff {
                    packed = values.next().unwrap_or(packed);
                }
                if header == 0xffff_ffff {
                    header = values.next().unwrap_or(header);
                }
            }
            let length = 46 + name + extra + comment;
            let notes = octets.get(at + 46 + name..(at + length).min(octets.len()))?;
            Some((u16_at(octets, at + 8)?, u16_at(octets, at + 10)?, raw_name, packed, header, notes, length))
        })();
        let Some((flags, method, name, packed, header, notes, length)) = entry else {
            *damaged = true;
            return;
        };
        at += length;
        let header = usize::try_from(i128::from(header) + shift).unwrap_or(usize::MAX);
        let Some(mut member) = local(octets, header, true) else {
            *damaged = true;
            continue;
        };
        let packed = usize::try_from(packed).unwrap_or(usize::MAX).min(octets.len() - member.data);
        let name = decode_name(name, flags);
        if name != member.name {
            member.other_name = Some(std::mem::replace(&mut member.name, name));
        }
        if !member.methods.contains(&method) {
            member.methods.insert(0, method);
        }
        // A local header with a data descriptor does not know its length; otherwise the longer one counts.
        let local_flags = u16_at(octets, header + 6).unwrap_or(0);
        member.length = if local_flags & 8 != 0 { packed } else { member.length.max(packed) };
        member.encrypted |= flags & 1 != 0;
        member.is_folder = member.name.ends_with('/') && member.length == 0;
        member.notes.extend_from_slice(notes);
        found.entry(header).or_insert(member);
    }
}

/// A local header; `known` when the directory tells the length anyway, so that nobody needs to look for the end of the data.
fn local(octets: &[u8], at: usize, known: bool) -> Option<Member> {
    if !octets.get(at..)?.starts_with(LOCAL) {
        return None;
    }
    let (flags, method) = (u16_at(octets, at + 6)?, u16_at(octets, at + 8)?);
    let (mut packed, unpacked) = (u64::from(u32_at(octets, at + 18)?), u32_at(octets, at + 22)?);
    let (name, extra) = (usize::from(u16_at(octets, at + 26)?), usize::from(u16_at(octets, at + 28)?));
    let raw_name = octets.get(at + 30..at + 30 + name)?;
    let data = at + 30 + name + extra;
    let extras = octets.get(data - extra..data)?;
    if packed == 0xffff_ffff
        && let Some(wide) = extra_field(extras, 1)
    {
        packed = u64_at(wide, if unpacked == u32::MAX { 8 } else { 0 }).unwrap_or(packed);
    }
    let rest = octets.len() - data;
    // With a data descriptor the length stands behind the data: a deflated stream ends by itself, a stored one at the next header.
    let length = match (flags & 8 != 0, method) {
        (true, STORED) if !known => next_record(&octets[data..]),
        (true, _) => rest,
        (false, _) => usize::try_from(packed).unwrap_or(usize::MAX).min(rest),
    };
    let name = decode_name(raw_name, flags);
    Some(Member {
        is_folder: name.ends_with('/') && length == 0,
        name,
        other_name: None,
        encrypted: flags & 1 != 0,
        methods: vec![method],
        data,
        length,
        notes: extras.to_vec(),
    })
}

fn next_record(octets: &[u8]) -> usize {
    memmem::find_iter(octets, b"PK")
        .find(|at| matches!(octets.get(at + 2..at + 4), Some([3, 4] | [1, 2] | [7, 8])))
        .unwrap_or(octets.len())
}

fn extra_field(mut extras: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (id, size) = (u16_at(extras, 0)?, usize::from(u16_at(extras, 2)?));
        let content = extras.get(4..4 + size)?;
        if id == wanted {
            return Some(content);
        }
        extras = &extras[4 + size..];
    }
}

/// UTF-8 where it is that, whatever the flag says; else the code page of DOS.
fn decode_name(name: &[u8], _flags: u16) -> String {
    match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => crate::mime::text_in_charset(name, Some("cp850")).0.into_owned(),
    }
}

impl Member {
    /// The octets as they stand in the archive.
    pub(super) fn stored<'x>(&self, octets: &'x [u8]) -> &'x [u8] {
        &octets[self.data..self.data + self.length]
    }

    /// Unpacks by each method that a header names, and gives what came out and why not all of it.
    pub(super) fn unpack(&self, octets: &[u8], budget: &mut super::budget::Budget) -> (Vec<u8>, Option<Reason>) {
        let packed = self.stored(octets);
        let mut best: Option<(Vec<u8>, Option<Reason>)> = None;
        for method in &self.methods {
            let result = match *method {
                STORED => budget.unpack(packed),
                DEFLATED => budget.unpack(flate2::read::DeflateDecoder::new(packed)),
                _ => (Vec::new(), Some(Reason::Unsupported)),
            };
            let better = match &best {
                None => true,
                Some((_, reason)) => reason.is_some() && result.1.is_none(),
            };
            if better {
                best = Some(result);
            }
        }
        best.unwrap_or((Vec::new(), Some(Reason::Unsupported)))
    }
}

impl Reading {
    /// A zip archive, or an office document inside one.
    pub(super) fn zip(&mut self, file: &File, place: &str, group: u32) {
        let (members, damaged) = members(file.octets);
        let mut notes = String::new();
        if let Some(comment) = memmem::rfind(file.octets, END).and_then(|at| file.octets.get(at + 22..)) {
            notes.push_str(&crate::mime::text_in_charset(comment, None).0);
        }
        for member in members.iter().filter(|member| member.notes.len() >= 8) {
            notes.push('\n');
            notes.push_str(&super::plain::printable(&member.notes));
        }
        self.text(place, TextKind::Properties, group, notes);
        if let Some(document) = super::office::recognise(file.octets, &members) {
            self.seen_archive(place, file, document.media_type(), FileKind::Office);
            return self.office(file, place, group, &members, document);
        }
        self.seen_archive(place, file, "application/zip", FileKind::Archive);
        if damaged {
            self.unreadable(place, Reason::Damaged);
        }
        for member in &members {
            if !self.unpack_member(file, place, member) {
                return;
            }
        }
    }

    /// False when the budget is spent and nothing more is to be unpacked.
    fn unpack_member(&mut self, file: &File, within: &str, member: &Member) -> bool {
        if member.is_folder {
            let place = self.place(within, &member.name);
            let group = self.new_group();
            self.name(&place, group, &member.name);
            return true;
        }
        if member.encrypted {
            let place = self.place(within, &member.name);
            let group = self.new_group();
            self.name(&place, group, &member.name);
            self.unreadable(&place, Reason::Password);
            return true;
        }
        let (content, reason) = member.unpack(file.octets, &mut self.budget);
        let place = self.place(within, &member.name);
        let group = self.new_group();
        self.name(&place, group, &member.name);
        if let Some(other) = &member.other_name {
            self.name(&place, group, other);
        }
        if let Some(reason) = reason {
            self.unreadable(&place, reason);
        }
        if !content.is_empty() || reason.is_none() {
            let name = member.name.as_str();
            self.file_at(
                File { within, name, declared: "", charset: None, octets: &content, depth: file.depth + 1 },
                &place,
                group,
            );
        }
        reason != Some(Reason::OverBudget)
    }

    pub(super) fn gzip(&mut self, file: &File, place: &str, group: u32) {
        let (content, reason) = self.budget.unpack(flate2::read::MultiGzDecoder::new(file.octets));
        if let Some(reason) = reason {
            self.unreadable(place, reason);
        }
        // The header keeps the original name, and may hold a comment and anything else (RFC 1952 §2.3).
        let first = flate2::read::GzDecoder::new(file.octets);
        for field in [first.header().and_then(|head| head.comment()), first.header().and_then(|head| head.extra())] {
            self.text(place, TextKind::Properties, group, super::plain::printable(field.unwrap_or_default()));
        }
        let inner = first.header().and_then(|head| head.filename().map(<[u8]>::to_vec));
        let inner = inner.map(|name| crate::mime::text_in_charset(&name, None).0.into_owned()).unwrap_or_default();
        let stem = file.name.strip_suffix(".gz").or_else(|| file.name.strip_suffix(".GZ")).unwrap_or("content");
        let name = if inner.is_empty() { stem } else { &inner };
        if !content.is_empty() {
            self.file(File { within: place, name, declared: "", charset: None, octets: &content, depth: file.depth + 1 });
        }
    }

    /// A tape archive (POSIX pax, ustar): headers of 512 octets, each followed by its file.
    pub(super) fn tar(&mut self, file: &File, place: &str) {
        let octets = file.octets;
        let mut at = 0;
        let mut long_name: Option<String> = None;
        while let Some(header) = octets.get(at..at + 512) {
            if header.iter().all(|b| *b == 0) {
                // The end; but a second archive may stand behind it, and `tar -i` reads it.
                at += 512;
                continue;
            }
            let text = |range: std::ops::Range<usize>| {
                let field = &header[range];
                let end = memchr::memchr(0, field).unwrap_or(field.len());
                crate::mime::text_in_charset(&field[..end], None).0.into_owned()
            };
            let size = usize::from_str_radix(text(124..136).trim(), 8).ok();
            let Some(content) = size.and_then(|size| octets.get(at + 512..(at + 512).checked_add(size)?)) else {
                return self.unreadable(place, Reason::Damaged);
            };
            match header[156] {
                // GNU: the name of the next file, when it is longer than its field.
                b'L' => long_name = Some(String::from_utf8_lossy(content).trim_end_matches('\0').to_owned()),
                b'0' | 0 | b'7' => {
                    let short =
                        if text(345..500).is_empty() { text(0..100) } else { format!("{}/{}", text(345..500), text(0..100)) };
                    let name = long_name.take().unwrap_or(short);
                    if !self.budget.spend(content.len() as u64) {
                        return self.unreadable(place, Reason::OverBudget);
                    }
                    self.file(File {
                        within: place,
                        name: &name,
                        declared: "",
                        charset: None,
                        octets: content,
                        depth: file.depth + 1,
                    });
                }
                // Folders and links have a name only; pax headers are text.
                _ => {
                    let group = self.new_group();
                    self.name(place, group, &text(0..100));
                    self.text(
                        place,
                        TextKind::Properties,
                        group,
                        String::from_utf8_lossy(&content[..content.len().min(65_536)]),
                    );
                }
            }
            at += 512 + content.len().div_ceil(512) * 512;
        }
    }
}
