//! Turns zip archives into their members. Written here rather than taken from a crate, because readers disagree on zip: the
//! central directory, the local headers and archives put one after the other are all looked into (PKWARE APPNOTE 6.3.10).

use super::compressed::{self, DICTIONARY_KB};
use super::zip_lock::{self, Lock};
use super::{dos_name, u16_at, u32_at, u64_at};
use crate::extract::budget::Budget;
use crate::extract::reading::{File, Reading};
use crate::extract::{FileKind, Reason, TextKind};
use memchr::memmem;
use std::collections::{BTreeMap, BTreeSet};

/// A member as one of the headers tells it.
#[derive(Clone, Debug)]
pub(in crate::extract) struct Member {
    pub name: String,
    /// What the other headers call it, when that is something else.
    other_names: Vec<String>,
    pub encrypted: bool,
    methods: Vec<u16>,
    /// What it is locked with, and how to know the right key.
    lock: Lock,
    /// Octets of content, as the directory says; only some methods need it.
    unpacked: u64,
    /// Of the content; 0 when no header tells it.
    checksum: u32,
    has_end_mark: bool,
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
const AES: u16 = 99;

/// The members of an archive in the order of their data, and whether the archive is damaged.
pub(in crate::extract) fn members(octets: &[u8]) -> (Vec<Member>, bool) {
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
            let crc = u32_at(octets, at + 16)?;
            let head = (u16_at(octets, at + 8)?, u16_at(octets, at + 10)?);
            Some((head, raw_name, (packed, unpacked, crc), header, (extras, notes), length))
        })();
        let Some(((flags, method), name, (packed, unpacked, crc), header, (extras, notes), length)) = entry else {
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
        let name = dos_name(name);
        let local_flags = u16_at(octets, header + 6).unwrap_or(0);
        if name != member.name {
            let local = std::mem::replace(&mut member.name, name);
            member.other_names.push(local);
        }
        if let Some(other) = unicode_name(extras).filter(|other| *other != member.name) {
            member.other_names.push(other);
        }
        if member.unpacked == 0 || local_flags & 8 != 0 {
            member.unpacked = u64::from(unpacked);
        }
        if flags & 1 != 0 && method == AES {
            member.lock = zip_lock::of_extra(extra_field(extras, 0x9901)).unwrap_or(member.lock);
        }
        if let Lock::Traditional { check } = &mut member.lock {
            check[2] = crc.to_le_bytes()[3];
        }
        if local_flags & 8 != 0 || member.checksum == 0 {
            member.checksum = crc;
        }
        if !member.methods.contains(&method) {
            member.methods.insert(0, method);
        }
        // A local header with a data descriptor does not know its length; otherwise the longer one counts.
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
    let name = dos_name(raw_name);
    // With a data descriptor the checksum is not known yet: the time stands for it (APPNOTE 6.1.6).
    let (checksum, time) = (u32_at(octets, at + 14)?, u16_at(octets, at + 10)?);
    let lock = match (flags & 1 != 0, method) {
        (false, _) => Lock::None,
        (true, _) if flags & 64 != 0 => Lock::Unknown,
        (true, AES) => zip_lock::of_extra(extra_field(extras, 0x9901)).unwrap_or(Lock::Unknown),
        (true, _) => Lock::Traditional { check: [checksum.to_le_bytes()[3], time.to_le_bytes()[1], time.to_le_bytes()[1]] },
    };
    Some(Member {
        is_folder: name.ends_with('/') && length == 0,
        other_names: unicode_name(extras).filter(|other| *other != name).into_iter().collect(),
        name,
        lock,
        unpacked: u64::from(unpacked),
        checksum,
        has_end_mark: flags & 2 != 0,
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

/// The name of the Unicode extra field (APPNOTE 4.6.9), which some readers show instead.
fn unicode_name(extras: &[u8]) -> Option<String> {
    let name = extra_field(extras, 0x7075)?.get(5..)?;
    Some(std::str::from_utf8(name).ok()?.to_owned())
}

impl Member {
    /// The octets as they stand in the archive.
    pub(in crate::extract) fn stored<'x>(&self, octets: &'x [u8]) -> &'x [u8] {
        &octets[self.data..self.data + self.length]
    }

    /// Unpacks by each method that a header names, and gives what came out and why not all of it.
    pub(in crate::extract) fn unpack(&self, octets: &[u8], budget: &mut Budget) -> (Vec<u8>, Option<Reason>) {
        let readings = self.readings(self.stored(octets), budget);
        let best = readings.into_iter().min_by_key(|(_, reason)| reason.is_some());
        best.unwrap_or((Vec::new(), Some(Reason::Unsupported)))
    }

    /// One for each method that a header names: readers follow the one or the other.
    fn readings(&self, packed: &[u8], budget: &mut Budget) -> Vec<(Vec<u8>, Option<Reason>)> {
        self.methods.iter().map(|method| self.unpack_by(*method, packed, budget)).collect()
    }

    fn unpack_by(&self, method: u16, packed: &[u8], budget: &mut Budget) -> (Vec<u8>, Option<Reason>) {
        match method {
            STORED => budget.unpack(packed),
            DEFLATED => budget.unpack(flate2::read::DeflateDecoder::new(packed)),
            9 => budget.unpack(deflate64::Deflate64Decoder::new(packed)),
            12 => budget.unpack(bzip2::read::MultiBzDecoder::new(packed)),
            14 => self.lzma(packed, budget),
            20 | 93 => compressed::zstd(packed, budget),
            95 => budget.unpack(compressed::xz(packed)),
            _ => (Vec::new(), Some(Reason::Unsupported)),
        }
    }

    /// A version, the length of the properties, the properties, the stream (APPNOTE 5.8.8).
    fn lzma(&self, packed: &[u8], budget: &mut Budget) -> (Vec<u8>, Option<Reason>) {
        let (Some(5), Some(properties), Some(dictionary), Some(stream)) =
            (u16_at(packed, 2), packed.get(4), u32_at(packed, 5), packed.get(9..))
        else {
            return (Vec::new(), Some(Reason::Damaged));
        };
        if dictionary >> 10 > DICTIONARY_KB {
            return (Vec::new(), Some(Reason::OverBudget));
        }
        let size = if self.has_end_mark { u64::MAX } else { self.unpacked };
        match lzma_rust2::LzmaReader::new_with_props(stream, size, *properties, dictionary, None) {
            Ok(reader) => budget.unpack(reader),
            Err(_) => (Vec::new(), Some(Reason::Damaged)),
        }
    }

    /// The packed octets behind the lock, and the methods that pack them.
    fn unlocked(&self, octets: &[u8], password: &str) -> Option<(Vec<u8>, Member)> {
        let open = zip_lock::open(self.lock, self.stored(octets), password)?;
        let mut member = self.clone();
        if let Lock::Aes { method, .. } = self.lock {
            member.methods = vec![method];
        }
        Some((open, member))
    }
}

impl Reading {
    /// A zip archive, or an office document inside one.
    pub(in crate::extract) fn zip(&mut self, file: &File, place: &str, group: u32) {
        let (members, damaged) = members(file.octets);
        let mut notes = String::new();
        if let Some(comment) = memmem::rfind(file.octets, END).and_then(|at| file.octets.get(at + 22..)) {
            notes.push_str(&crate::mime::text_in_charset(comment, None).0);
        }
        for member in members.iter().filter(|member| member.notes.len() >= 8) {
            notes.push('\n');
            notes.push_str(&crate::extract::plain::printable(&member.notes));
        }
        self.text(place, TextKind::Properties, group, notes);
        if let Some(document) = crate::extract::office::recognise(file.octets, &members) {
            self.seen_archive(place, file, document.media_type(), FileKind::Office);
            return self.office(file, place, group, &members, document);
        }
        self.seen_archive(place, file, "application/zip", FileKind::Archive);
        // Something stands before the end, and no header leads to it.
        let hollow = members.is_empty() && memmem::rfind(file.octets, END).is_none_or(|end| end > 0);
        if damaged || hollow {
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
        let place = self.place(within, &member.name);
        let group = self.new_group();
        self.name(&place, group, &member.name);
        member.other_names.iter().for_each(|other| self.name(&place, group, other));
        let readings = if member.encrypted {
            match self.unlock(file, &place, member) {
                Some(readings) => readings,
                None => {
                    self.unreadable(&place, Reason::Password);
                    return true;
                }
            }
        } else {
            member.readings(member.stored(file.octets), &mut self.budget)
        };
        let over = readings.iter().any(|(_, reason)| *reason == Some(Reason::OverBudget));
        let any_good = readings.iter().any(|(_, reason)| reason.is_none());
        for (n, (content, reason)) in readings.iter().enumerate() {
            // Where the methods differ, one that leads nowhere says nothing.
            if any_good && reason.is_some() || readings[..n].iter().any(|(before, _)| before == content) {
                continue;
            }
            if let Some(reason) = reason {
                self.unreadable(&place, *reason);
            }
            if !content.is_empty() || reason.is_none() {
                let name = member.name.as_str();
                let inner = File { within, name, declared: "", charset: None, octets: content, depth: file.depth + 1 };
                self.file_at(inner, &place, group);
            }
        }
        !over
    }

    /// A wrong password passes the check of one octet once in 256 times, so what it opens must also unpack.
    fn unlock(&mut self, file: &File, place: &str, member: &Member) -> Option<Vec<(Vec<u8>, Option<Reason>)>> {
        let cost = member.lock.cost(member.length);
        let mut candidate_budget = self.budget.aside();
        let (packed, member) = self.open_with(place, cost, |password| {
            let (packed, member) = member.unlocked(file.octets, password)?;
            let sure = matches!(member.lock, Lock::Aes { .. })
                || member
                    .readings(&packed, &mut candidate_budget)
                    .iter()
                    .any(|(content, reason)| reason.is_none() && member.fits(content));
            sure.then_some((packed, member))
        })?;
        Some(member.readings(&packed, &mut self.budget))
    }
}

impl Member {
    /// Whether the content is what was packed, as far as any header tells.
    fn fits(&self, content: &[u8]) -> bool {
        let mut sum = flate2::Crc::new();
        sum.update(content);
        self.checksum == 0 || self.checksum == sum.sum()
    }
}
