//! Turns 7-Zip archives into their members, with a password that the message tells where they need one.

use crate::extract::reading::{File, Reading};
use crate::extract::{Reason, TextKind};
use sevenz_rust2::{Archive, BlockDecoder, EncoderMethod, Error, Password};
use std::io::Cursor;

/// 2^19 rounds of SHA-256 over salt, password and counter, about half a block each: what 7-Zip writes.
const COST: u64 = 300_000;
/// More rounds than 2^24 are asked for by nobody but an attacker.
const ROUNDS: u8 = 24;
const DICTIONARY: u32 = 512 << 20;

const MARK: &[u8] = b"7z\xbc\xaf\x27\x1c\0";

/// Where an archive begins: at the start, or behind the program that unpacks it.
pub(in crate::extract) fn is_seven_zip(octets: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(octets, MARK).take(16).find(|at| {
        let start = &octets[*at..];
        let mut sum = flate2::Crc::new();
        start.get(12..32).is_some_and(|header| {
            sum.update(header);
            super::u32_at(start, 8) == Some(sum.sum())
        })
    })
}

impl Reading {
    pub(in crate::extract) fn seven_zip(&mut self, file: &File, octets: &[u8], place: &str) {
        let listed = |password: &str| Archive::read(&mut Cursor::new(octets), &Password::from(password));
        // A stored member must be read to its end before its checksum says no.
        let cost = COST + octets.len() as u64 / 64;
        let mut password = String::new();
        let archive = match listed("") {
            Ok(archive) => archive,
            Err(Error::PasswordRequired | Error::MaybeBadPassword(_)) => {
                let opened = self.open_with(place, cost, |candidate| Some((listed(candidate).ok()?, candidate.to_owned())));
                let Some((archive, candidate)) = opened else { return self.unreadable(place, Reason::Password) };
                password = candidate;
                archive
            }
            Err(error) => return self.unreadable(place, reason(&error)),
        };
        let mut read = 0;
        for (index, block) in archive.blocks.iter().enumerate() {
            let locked = block.coders.iter().find(|coder| coder.encoder_method_id() == EncoderMethod::ID_AES256_SHA256);
            let wide = block.coders.iter().any(|coder| {
                let (id, properties) = (coder.encoder_method_id(), coder.properties());
                id == EncoderMethod::ID_LZMA && super::u32_at(properties, 1).is_some_and(|size| size > DICTIONARY)
            });
            let slow = locked
                .is_some_and(|coder| coder.properties().first().is_some_and(|first| first & 63 > ROUNDS && first & 63 != 63));
            if wide || slow {
                self.unreadable(place, Reason::OverBudget);
                continue;
            }
            if locked.is_some() {
                let tries = |candidate: &str| opens(&archive, index, octets, candidate).then(|| candidate.to_owned());
                let opened = match tries(&password).filter(|password| !password.is_empty()) {
                    Some(password) => Some(password),
                    None => self.open_with(place, cost, tries),
                };
                let Some(opened) = opened else {
                    let start = archive.stream_map.block_first_file_index.get(index).copied().unwrap_or(0);
                    let count =
                        BlockDecoder::new(1, index, &archive, &Password::empty(), &mut Cursor::new(octets)).entry_count();
                    for entry in archive.files.iter().skip(start).take(count) {
                        self.closed(place, entry.name(), Reason::Password);
                    }
                    continue;
                };
                password = opened;
            }
            read += self.seven_zip_block(file, octets, place, &archive, index, &password);
        }
        // Folders and empty files belong to no block; their names are content all the same.
        for (entry, block) in archive.files.iter().zip(&archive.stream_map.file_block_index) {
            if block.is_none() {
                let group = self.new_group();
                self.name(place, group, entry.name());
            }
        }
        if archive.files.is_empty() && read == 0 && octets.len() > 64 {
            self.unreadable(place, Reason::Damaged);
        }
    }

    fn seven_zip_block(
        &mut self,
        file: &File,
        octets: &[u8],
        place: &str,
        archive: &Archive,
        index: usize,
        password: &str,
    ) -> usize {
        let password = Password::from(password);
        let mut source = Cursor::new(octets);
        let block = BlockDecoder::new(1, index, archive, &password, &mut source);
        let mut read = 0;
        let done = block.for_each_entries(&mut |entry, content| {
            let (content, reason) = self.budget.unpack(content);
            let inner = self.place(place, entry.name());
            let group = self.new_group();
            self.name(&inner, group, entry.name());
            if let Some(reason) = reason {
                self.unreadable(&inner, reason);
            }
            if !content.is_empty() {
                let member = File {
                    within: place,
                    name: entry.name(),
                    declared: "",
                    charset: None,
                    octets: &content,
                    depth: file.depth + 1,
                };
                self.file_at(member, &inner, group);
                read += 1;
            }
            Ok(reason.is_none())
        });
        if let Err(error) = done {
            self.unreadable(place, reason(&error));
            for entry in BlockDecoder::new(1, index, archive, &password, &mut Cursor::new(octets)).entries().iter().skip(read) {
                let group = self.new_group();
                self.name(place, group, entry.name());
            }
        }
        read
    }

    /// A member whose name can be read and whose content cannot.
    pub(super) fn closed(&mut self, within: &str, name: &str, reason: Reason) {
        let place = self.place(within, name);
        let group = self.new_group();
        self.text(&place, TextKind::FileName, group, name);
        self.unreadable(&place, reason);
    }
}

/// The first member with a checksum tells whether the password is right.
fn opens(archive: &Archive, index: usize, octets: &[u8], password: &str) -> bool {
    let password = Password::from(password);
    let mut source = Cursor::new(octets);
    let mut good = false;
    let block = BlockDecoder::new(1, index, archive, &password, &mut source);
    let done = block.for_each_entries(&mut |entry, content| {
        if !entry.has_stream || entry.size == 0 {
            return Ok(true);
        }
        let mut content = std::io::Read::take(content, 256 << 20);
        good = std::io::copy(&mut content, &mut std::io::sink()).is_ok();
        Ok(false)
    });
    good && done.is_ok()
}

fn reason(error: &Error) -> Reason {
    match error {
        Error::PasswordRequired | Error::MaybeBadPassword(_) => Reason::Password,
        Error::Unsupported(_)
        | Error::UnsupportedCompressionMethod(_)
        | Error::ExternalUnsupported
        | Error::UnsupportedVersion { .. } => Reason::Unsupported,
        Error::MaxMemLimited { .. } => Reason::OverBudget,
        _ => Reason::Damaged,
    }
}
