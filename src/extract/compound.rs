//! Turns a compound file (MS-CFB: Office before 2007, Outlook, Office with a password) into its storages and streams. Written here
//! rather than taken from a crate: of a damaged file everything that can still be reached is wanted, and a chain that bites its tail
//! must cost no more than the file is long.

use super::octets::{slice, u16_at, u32_at, u64_at, utf16};
use std::collections::HashSet;

pub(super) struct Compound<'x> {
    octets: &'x [u8],
    /// Octets in a sector, as a power of two.
    sector_shift: u32,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    /// The stream that small streams lie in.
    mini: Vec<u8>,
    mini_cutoff: u64,
    entries: Vec<Entry>,
    pub damaged: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    kind: EntryKind,
    left: u32,
    right: u32,
    child: u32,
    start: u32,
    size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Root,
    Storage,
    Stream,
    Unused,
}

/// Directory entries that are looked at: a message with a thousand attachments has fewer.
const ENTRIES: usize = 50_000;
const MINI_SHIFT: u32 = 6;
/// Sector numbers from here on mean something else (MS-CFB §2.1).
const LAST_SECTOR: u32 = 0xffff_fffa;

impl<'x> Compound<'x> {
    /// `None` when not even the directory can be read.
    pub(super) fn open(octets: &'x [u8]) -> Option<Compound<'x>> {
        let sector_shift = match u16_at(octets, 30)? {
            12 => 12,
            // Only 9 and 12 exist; nearly all files have 9, whatever a flipped bit says.
            _ => 9,
        };
        let mut compound = Compound {
            octets,
            sector_shift,
            fat: Vec::new(),
            mini_fat: Vec::new(),
            mini: Vec::new(),
            mini_cutoff: u64::from(u32_at(octets, 56)?).min(1 << 16),
            entries: Vec::new(),
            damaged: false,
        };
        compound.read_fat();
        let directory = compound.chain(u32_at(octets, 48)?, u64::MAX);
        for raw in directory.chunks_exact(128).take(ENTRIES) {
            compound.entries.push(entry(raw, sector_shift)?);
        }
        if compound.entries.first().is_none_or(|root| root.kind == EntryKind::Unused) {
            return None;
        }
        let mini_fat = compound.chain(u32_at(octets, 60)?, u64::MAX);
        compound.mini_fat = mini_fat.chunks_exact(4).filter_map(|n| u32_at(n, 0)).collect();
        let root = compound.entries[0].clone();
        compound.mini = compound.chain(root.start, root.size);
        Some(compound)
    }

    fn sector(&self, number: u32) -> Option<&'x [u8]> {
        let at = (number as usize).checked_add(1)?.checked_mul(1 << self.sector_shift)?;
        let rest = self.octets.get(at..).filter(|rest| !rest.is_empty())?;
        // The last sector of a file that was cut.
        Some(&rest[..rest.len().min(1 << self.sector_shift)])
    }

    fn read_fat(&mut self) {
        let mut places: Vec<u32> = (0..109).filter_map(|n| u32_at(self.octets, 76 + n * 4)).collect();
        let mut next = u32_at(self.octets, 68).unwrap_or(u32::MAX);
        let most = self.octets.len() >> self.sector_shift;
        let mut seen = HashSet::new();
        while next < LAST_SECTOR && seen.insert(next) && places.len() <= most {
            let Some(sector) = self.sector(next) else { break };
            let numbers: Vec<u32> = sector.chunks_exact(4).filter_map(|n| u32_at(n, 0)).collect();
            let Some((last, numbers)) = numbers.split_last() else { break };
            places.extend(numbers);
            next = *last;
        }
        let mut seen = HashSet::new();
        for place in places.into_iter().filter(|place| *place < LAST_SECTOR) {
            match self.sector(place) {
                Some(sector) if seen.insert(place) => self.fat.extend(sector.chunks_exact(4).filter_map(|n| u32_at(n, 0))),
                _ => self.damaged = true,
            }
        }
    }

    /// The sectors from `start` on, at most `size` octets.
    fn chain(&mut self, start: u32, size: u64) -> Vec<u8> {
        let (octets, whole) = self.chained(start, size);
        self.damaged |= !whole && size > 0 && size != u64::MAX;
        octets
    }

    fn chained(&self, start: u32, size: u64) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let mut next = start;
        // No chain has more sectors than the file.
        for _ in 0..=self.octets.len() >> self.sector_shift {
            if next >= LAST_SECTOR || out.len() as u64 >= size {
                break;
            }
            let Some(sector) = self.sector(next) else { return (out, false) };
            out.extend_from_slice(sector);
            next = self.fat.get(next as usize).copied().unwrap_or(u32::MAX);
        }
        let whole = out.len() as u64 >= size;
        out.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        (out, whole)
    }

    /// What is in a storage, the root being 0. Streams and storages of a tree that does not hold together are missing.
    pub(super) fn children(&self, storage: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut open = vec![self.entries.get(storage).map_or(u32::MAX, |entry| entry.child)];
        while let Some(next) = open.pop() {
            let Some(entry) = self.entries.get(next as usize).filter(|entry| entry.kind != EntryKind::Unused) else { continue };
            if next as usize != storage && seen.insert(next) {
                found.push(next as usize);
                open.extend([entry.left, entry.right]);
            }
        }
        // A root that lost its tree: everything is given as its own.
        if storage == 0 && found.is_empty() {
            found = (1..self.entries.len()).filter(|n| self.entries[*n].kind == EntryKind::Stream).collect();
        }
        found.sort_unstable();
        found
    }

    pub(super) fn name(&self, entry: usize) -> &str {
        self.entries.get(entry).map_or("", |entry| entry.name.as_str())
    }

    pub(super) fn is_stream(&self, entry: usize) -> bool {
        self.entries.get(entry).is_some_and(|entry| entry.kind == EntryKind::Stream)
    }

    /// Names are compared without case (MS-CFB §2.6.4).
    pub(super) fn find(&self, storage: usize, name: &str) -> Option<usize> {
        self.children(storage).into_iter().find(|child| self.name(*child).eq_ignore_ascii_case(name))
    }

    /// The octets of a stream, and whether all of them were there.
    pub(super) fn stream(&self, entry: usize) -> (Vec<u8>, bool) {
        let Some(entry) = self.entries.get(entry) else { return (Vec::new(), false) };
        if entry.size >= self.mini_cutoff {
            return self.chained(entry.start, entry.size);
        }
        let mut out = Vec::new();
        let mut next = entry.start;
        for _ in 0..=(entry.size >> MINI_SHIFT) {
            if next >= LAST_SECTOR || out.len() as u64 >= entry.size {
                break;
            }
            let Some(sector) = slice(&self.mini, (next as usize) << MINI_SHIFT, 1 << MINI_SHIFT) else {
                return (out, false);
            };
            out.extend_from_slice(sector);
            next = self.mini_fat.get(next as usize).copied().unwrap_or(u32::MAX);
        }
        let whole = out.len() as u64 >= entry.size;
        out.truncate(entry.size as usize);
        (out, whole)
    }

    /// A stream by name; empty when there is none.
    pub(super) fn named(&self, storage: usize, name: &str) -> Option<Vec<u8>> {
        self.find(storage, name).filter(|entry| self.is_stream(*entry)).map(|entry| self.stream(entry).0)
    }
}

/// MS-CFB §2.6.1.
fn entry(raw: &[u8], sector_shift: u32) -> Option<Entry> {
    let length = usize::from(u16_at(raw, 64)?).clamp(2, 64) - 2;
    let size = u64_at(raw, 120)?;
    Some(Entry {
        name: utf16(&raw[..length / 2 * 2]),
        kind: match raw[66] {
            1 => EntryKind::Storage,
            2 => EntryKind::Stream,
            5 => EntryKind::Root,
            _ => EntryKind::Unused,
        },
        left: u32_at(raw, 68)?,
        right: u32_at(raw, 72)?,
        child: u32_at(raw, 76)?,
        start: u32_at(raw, 116)?,
        // The upper half is not to be trusted in files of the older version (MS-CFB §2.6.3).
        size: if sector_shift == 9 { size & 0xffff_ffff } else { size },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};

    fn made() -> Vec<u8> {
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        file.create_storage("/Inner").unwrap();
        file.create_stream("/small").unwrap().write_all(b"a small one").unwrap();
        file.create_stream("/Inner/large").unwrap().write_all(&vec![7; 9_000]).unwrap();
        file.flush().unwrap();
        file.into_inner().into_inner()
    }

    #[test]
    fn storages_and_streams_are_found() {
        let octets = made();
        let compound = Compound::open(&octets).unwrap();
        assert_eq!(compound.named(0, "SMALL").unwrap(), b"a small one");
        let inner = compound.find(0, "Inner").unwrap();
        assert!(!compound.is_stream(inner) && !compound.damaged);
        assert_eq!(compound.named(inner, "large").unwrap(), vec![7; 9_000]);
        assert_eq!(compound.find(inner, "small"), None);
    }

    #[test]
    fn a_chain_that_bites_its_tail_ends() {
        let mut octets = made();
        let compound = Compound::open(&octets).unwrap();
        let large = compound.children(compound.find(0, "Inner").unwrap())[0];
        let start = compound.entries[large].start;
        let fat = (u32_at(&octets, 76).unwrap() as usize + 1) << compound.sector_shift;
        let at = fat + start as usize * 4;
        octets[at..at + 4].copy_from_slice(&start.to_le_bytes());
        let size = memchr::memmem::find(&octets, &9_000u32.to_le_bytes()).unwrap();
        octets[size..size + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let (read, whole) = Compound::open(&octets).unwrap().stream(large);
        assert!(read.len() <= octets.len() + 4096 && !whole);
    }
}
