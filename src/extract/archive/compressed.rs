//! Turns single compressed files (gzip, bzip2, xz, Zstandard, lzip, LZMA, zlib) into what they were before.

use crate::extract::budget::Budget;
use crate::extract::reading::{File, Reading};
use crate::extract::{Reason, TextKind};
use std::io::Read;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::extract) enum Codec {
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Lzip,
    /// The format of before xz: `.lzma`.
    Lzma,
    Zlib,
}

/// Memory of a dictionary: xz -9 takes 64 MB.
pub(super) const DICTIONARY_KB: u32 = 136 << 10;
/// The largest window of Zstandard without `--ultra`, doubled.
const WINDOW: u64 = 16 << 20;

/// By the first octets.
pub(in crate::extract) fn codec(octets: &[u8]) -> Option<Codec> {
    match octets {
        [0x1f, 0x8b, 8, ..] => Some(Codec::Gzip),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Some(Codec::Bzip2),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Codec::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Codec::Zstd),
        [b'L', b'Z', b'I', b'P', 1, ..] => Some(Codec::Lzip),
        // Properties 0x5d, a dictionary of a whole power of two, an unknown or small length.
        [0x5d, 0, 0, _, _, rest @ ..] if rest.len() > 8 && (rest[..8] == [0xff; 8] || rest[4..8] == [0; 4]) => {
            Some(Codec::Lzma)
        }
        _ => None,
    }
}

/// A zlib stream (RFC 1950) has two octets of header only, so it is tried.
pub(in crate::extract) fn is_zlib(octets: &[u8]) -> bool {
    let [cmf, flags, ..] = octets else { return false };
    let fits =
        cmf & 15 == 8 && cmf >> 4 <= 7 && (u16::from(*cmf) << 8 | u16::from(*flags)).is_multiple_of(31) && flags & 32 == 0;
    let mut start = [0; 64];
    fits && octets.len() >= 8 && flate2::read::ZlibDecoder::new(octets).read(&mut start).is_ok_and(|count| count > 0)
}

pub(super) fn xz(packed: &[u8]) -> impl Read {
    lzma_rust2::XzReader::new_mem_limit(packed, true, DICTIONARY_KB)
}

/// All frames, with those that hold no data skipped (RFC 8878 §3.1.2).
pub(super) fn zstd(packed: &[u8], budget: &mut Budget) -> (Vec<u8>, Option<Reason>) {
    let mut out = Vec::new();
    let mut rest = packed;
    while !rest.is_empty() {
        if let ([0x50..=0x5f, 0x2a, 0x4d, 0x18, ..], Some(length)) = (rest, super::u32_at(rest, 4)) {
            let Some(next) = rest.get(8..).and_then(|rest| rest.get(length as usize..)) else {
                return (out, Some(Reason::Damaged));
            };
            rest = next;
            continue;
        }
        let mut source = rest;
        let (more, reason) = match ruzstd::decoding::StreamingDecoder::new_with_max_window_size(&mut source, WINDOW) {
            Ok(frame) => budget.unpack(frame),
            Err(ruzstd::decoding::errors::FrameDecoderError::WindowSizeTooBig { .. }) => (Vec::new(), Some(Reason::OverBudget)),
            Err(_) => (Vec::new(), Some(Reason::Damaged)),
        };
        out.extend(more);
        if reason.is_some() || source.len() == rest.len() {
            return (out, reason.or(Some(Reason::Damaged)));
        }
        rest = source;
    }
    (out, None)
}

impl Codec {
    fn unpack(self, octets: &[u8], budget: &mut Budget) -> (Vec<u8>, Option<Reason>) {
        match self {
            Codec::Gzip => budget.unpack(flate2::read::MultiGzDecoder::new(octets)),
            Codec::Bzip2 => budget.unpack(bzip2::read::MultiBzDecoder::new(octets)),
            Codec::Xz => budget.unpack(xz(octets)),
            Codec::Zstd => zstd(octets, budget),
            Codec::Lzip => budget.unpack(lzma_rust2::LzipReader::new(octets)),
            Codec::Lzma => match lzma_rust2::LzmaReader::new_mem_limit(octets, DICTIONARY_KB, None) {
                Ok(reader) => budget.unpack(reader),
                Err(_) => (Vec::new(), Some(Reason::Damaged)),
            },
            Codec::Zlib => budget.unpack(flate2::read::ZlibDecoder::new(octets)),
        }
    }

    pub(in crate::extract) fn media_type(self) -> &'static str {
        match self {
            Codec::Gzip => "application/gzip",
            Codec::Bzip2 => "application/x-bzip2",
            Codec::Xz => "application/x-xz",
            Codec::Zstd => "application/zstd",
            Codec::Lzip => "application/x-lzip",
            Codec::Lzma => "application/x-lzma",
            Codec::Zlib => "application/zlib",
        }
    }
}

impl Reading {
    pub(in crate::extract) fn compressed(&mut self, file: &File, place: &str, group: u32, codec: Codec) {
        let (content, reason) = codec.unpack(file.octets, &mut self.budget);
        if let Some(reason) = reason {
            self.unreadable(place, reason);
        }
        let told = if codec == Codec::Gzip { self.gzip_header(file, place, group) } else { String::new() };
        let stem = match file.name.rsplit_once('.') {
            Some((stem, ending)) if ending.eq_ignore_ascii_case("tgz") || ending.eq_ignore_ascii_case("tbz2") => {
                format!("{stem}.tar")
            }
            Some((stem, ending)) if ending.len() <= 4 && !stem.is_empty() => stem.to_owned(),
            _ => "content".to_owned(),
        };
        let name = if told.is_empty() { stem } else { told };
        if !content.is_empty() {
            self.file(File {
                within: place,
                name: &name,
                declared: "",
                charset: None,
                octets: &content,
                depth: file.depth + 1,
            });
        }
    }

    /// The original name; the header may hold a comment and anything else too (RFC 1952 §2.3).
    fn gzip_header(&mut self, file: &File, place: &str, group: u32) -> String {
        let first = flate2::read::GzDecoder::new(file.octets);
        let Some(header) = first.header() else { return String::new() };
        for field in [header.comment(), header.extra()] {
            self.text(place, TextKind::Properties, group, crate::extract::plain::printable(field.unwrap_or_default()));
        }
        header.filename().map(|name| crate::mime::text_in_charset(name, None).0.into_owned()).unwrap_or_default()
    }
}
