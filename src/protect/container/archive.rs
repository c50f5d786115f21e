//! Turns files into an encrypted ZIP in which neither their names nor their number can be seen.

use super::super::CannotSeal;
use super::contents::Contents;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{AesMode, CompressionMethod, ZipWriter};

/// The one entry of the outer archive, the same in every message: entry names stand in clear in a ZIP.
const ENTRY: &str = "message.zip";
const FAILED: CannotSeal = CannotSeal("the archive could not be written");

/// WinZip AES-256 (AE-2: no checksum of the clear text stands outside).
pub(super) fn lock(contents: &Contents, password: &str) -> Result<Vec<u8>, CannotSeal> {
    if contents.packed.get().is_none() {
        let packed = pack(contents)?;
        let _ = contents.packed.set(packed);
    }
    let inner = contents.packed.get().ok_or(FAILED)?;
    // Written as a stream, because a ZIP that is written with going back is AE-1, with the clear text's checksum in it.
    let mut outer = ZipWriter::new_stream(Vec::with_capacity(inner.len() + 512));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .with_aes_encryption(AesMode::Aes256, password);
    outer.start_file(ENTRY, options).map_err(|_| FAILED)?;
    outer.write_all(inner).map_err(|_| FAILED)?;
    Ok(outer.finish().map_err(|_| FAILED)?.into_inner())
}

/// The inner archive, in clear.
fn pack(contents: &Contents) -> Result<Vec<u8>, CannotSeal> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for file in &contents.files {
        writer.start_file(file.name.as_str(), options).map_err(|_| FAILED)?;
        writer.write_all(&file.octets).map_err(|_| FAILED)?;
    }
    Ok(writer.finish().map_err(|_| FAILED)?.into_inner())
}
