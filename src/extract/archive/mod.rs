//! Turns archives and compressed files into the files inside them, whatever way they were packed.
//!
//! | format | read | not read |
//! |---|---|---|
//! | zip | stored, deflate, deflate64, bzip2, LZMA, xz, zstd; zip64; all directories and local headers; a told password (ZipCrypto, WinZip AES) | PPMd, shrink, implode, PKWARE strong encryption |
//! | 7z | copy, LZMA, LZMA2, PPMd, bzip2, deflate, filters; a told password, encrypted headers too | zstd, brotli, split volumes |
//! | tar, ar, deb, cpio | all members, pax and GNU names | |
//! | gz, bz2, xz, zst, lz, lzma, zlib | all members and streams | .Z, lz4 |
//! | iso 9660 | both trees (Joliet) | UDF only |
//! | rar 4 and 5 | names, comments, stored members | compressed members |
//! | cab | names, stored folders | MSZIP, Quantum, LZX |

pub(super) mod compressed;
mod disc;
mod rar;
mod seven_zip;
mod tape;
pub(super) mod zip;
mod zip_lock;

pub(super) use disc::{is_cabinet, is_disc};
pub(super) use rar::is_rar;
pub(super) use seven_zip::is_seven_zip;
pub(super) use tape::{is_ar, is_cpio, is_old_tar};

/// Little-endian numbers where there are enough octets for them.
fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(octets.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(octets: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(octets.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// UTF-8 where it is that, else the code page of DOS.
fn dos_name(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => crate::mime::text_in_charset(name, Some("cp850")).0.into_owned(),
    }
}

#[cfg(test)]
mod tests;
