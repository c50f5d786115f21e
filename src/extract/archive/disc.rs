//! Turns disc images (ISO 9660 with Joliet, ECMA-119) and cabinets into the files in them.

use super::{dos_name, u16_at, u32_at};
use crate::extract::reading::{File, Reading};
use crate::extract::{Reason, TextKind};
use std::collections::BTreeSet;

const SECTOR: usize = 2048;
/// Folders of one image: each is looked into once.
const FOLDERS: usize = 10_000;

pub(in crate::extract) fn is_disc(octets: &[u8]) -> bool {
    octets.get(16 * SECTOR + 1..16 * SECTOR + 6) == Some(b"CD001")
}

pub(in crate::extract) fn is_cabinet(octets: &[u8]) -> bool {
    octets.starts_with(b"MSCF\0\0\0\0")
}

/// One entry of a folder: where its content stands.
struct Entry {
    start: usize,
    length: usize,
    name: String,
    folder: bool,
}

fn entry(record: &[u8], wide: bool) -> Option<Entry> {
    let length = usize::from(*record.get(32)?);
    let raw = record.get(33..33 + length)?;
    let name = if wide { crate::mime::text_in_charset(raw, Some("utf-16be")).0.into_owned() } else { dos_name(raw) };
    // `;1` is the version.
    let name = name.split(';').next().unwrap_or("").trim_end_matches('.').to_owned();
    let start = (u32_at(record, 2)? as usize).checked_mul(SECTOR)?;
    Some(Entry { start, length: u32_at(record, 10)? as usize, name, folder: record.get(25)? & 2 != 0 })
}

impl Reading {
    pub(in crate::extract) fn disc(&mut self, file: &File, place: &str, group: u32) {
        let octets = file.octets;
        let mut roots = Vec::new();
        for sector in (16..64).map_while(|n| octets.get(n * SECTOR..(n + 1) * SECTOR)) {
            let wide = matches!(sector.get(88..91), Some(b"%/@" | b"%/C" | b"%/E"));
            match sector[0] {
                1 | 2 => {
                    if let Some(root) = entry(&sector[156..190], wide) {
                        roots.push((root, wide));
                    }
                    self.text(place, TextKind::Properties, group, crate::extract::plain::printable(&sector[8..813]));
                }
                255 => break,
                _ => {}
            }
        }
        // The tree with long names is taken first, from the end: what both name is then read under the better name.
        roots.sort_by_key(|(_, wide)| *wide);
        let mut seen = BTreeSet::new();
        let mut contents = BTreeSet::new();
        let mut damaged = roots.is_empty();
        let mut waiting: Vec<(Entry, bool)> = roots;
        while let Some((folder, wide)) = waiting.pop() {
            if !seen.insert(folder.start) || seen.len() > FOLDERS {
                continue;
            }
            let Some(content) = folder.start.checked_add(folder.length).and_then(|end| octets.get(folder.start..end)) else {
                damaged = true;
                continue;
            };
            let mut at = 0;
            while at < content.len() {
                let length = usize::from(content[at]);
                // Records do not cross sectors; the rest of one is zero.
                if length == 0 {
                    at = (at / SECTOR + 1) * SECTOR;
                    continue;
                }
                let record = content.get(at..at + length).and_then(|record| entry(record, wide));
                at += length;
                let Some(entry) = record else {
                    damaged = true;
                    break;
                };
                if entry.name.is_empty() || entry.name == "\0" || entry.name == "\u{1}" {
                    continue;
                }
                if entry.folder {
                    let group = self.new_group();
                    self.name(place, group, &entry.name);
                    waiting.push((entry, wide));
                } else if !contents.insert(entry.start) {
                    let group = self.new_group();
                    self.name(place, group, &entry.name);
                } else {
                    let end = entry.start.saturating_add(entry.length);
                    let inside = octets.get(entry.start..end.min(octets.len())).unwrap_or_default();
                    damaged |= end > octets.len();
                    if !self.member(file, place, &entry.name, inside) {
                        return;
                    }
                }
            }
        }
        if damaged {
            self.unreadable(place, Reason::Damaged);
        }
    }

    /// Names, and what is stored without compression ([MS-CAB] §2).
    pub(in crate::extract) fn cabinet(&mut self, file: &File, place: &str) {
        let octets = file.octets;
        let (Some(files), Some(folders), Some(count), Some(flags)) =
            (u32_at(octets, 16), u16_at(octets, 26), u16_at(octets, 28), u16_at(octets, 30))
        else {
            return self.unreadable(place, Reason::Damaged);
        };
        // Space for signatures may stand between the header and the folders; without it they follow at once.
        let plain = flags == 0;
        let mut stored: Vec<Option<Vec<u8>>> = Vec::new();
        for n in 0..usize::from(folders) {
            stored.push(if plain { self.stored_folder(octets, 36 + n * 8) } else { None });
        }
        let mut at = files as usize;
        for _ in 0..count {
            let read = (|| {
                let (size, offset, folder) = (u32_at(octets, at)?, u32_at(octets, at + 4)?, u16_at(octets, at + 8)?);
                let rest = octets.get(at + 16..)?;
                let end = memchr::memchr(0, &rest[..rest.len().min(512)])?;
                Some((size as usize, offset as usize, usize::from(folder), dos_name(&rest[..end]), at + 17 + end))
            })();
            let Some((size, offset, folder, name, next)) = read else { return self.unreadable(place, Reason::Damaged) };
            at = next;
            let content =
                stored.get(folder).and_then(Option::as_ref).and_then(|folder| folder.get(offset..offset.checked_add(size)?));
            match content {
                Some(content) => {
                    if !self.member(file, place, &name, content) {
                        return;
                    }
                }
                None => self.closed(place, &name, Reason::Unsupported),
            }
        }
    }

    fn stored_folder(&mut self, octets: &[u8], at: usize) -> Option<Vec<u8>> {
        let (start, blocks, kind) = (u32_at(octets, at)?, u16_at(octets, at + 4)?, u16_at(octets, at + 6)?);
        if kind & 15 != 0 {
            return None;
        }
        let mut out = Vec::new();
        let mut at = start as usize;
        for _ in 0..blocks {
            let length = usize::from(u16_at(octets, at + 4)?);
            let content = octets.get(at + 8..at + 8 + length)?;
            if !self.budget.spend(length as u64) {
                return None;
            }
            out.extend_from_slice(content);
            at += 8 + length;
        }
        Some(out)
    }
}
