//! Turns the first octets of a picture into its format and size, and decides which pictures are worth looking for letters on.

use super::reading::Reading;
use super::*;

/// A picture that may hold text: a scanned page, a photograph of a document, a screenshot. It has no `Debug`: it is content.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Picture {
    /// The page, document or attachment that shows it.
    pub place: Place,
    pub group: u32,
    pub role: PictureRole,
    /// PNG, JPEG, TIFF, PNM, GIF, BMP, WebP or JPEG 2000, whole.
    pub octets: Octets,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({:?}, {} octets)", self.role, self.octets.0.len())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum PictureRole {
    /// All that a page shows: who cannot read it has not read the page.
    Page,
    /// An attachment of its own, or beside the text of a document: a photograph or a logo more often than a text.
    Beside,
}

/// Octets that travel as a block instead of one by one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Octets(pub Vec<u8>);

impl serde::Serialize for Octets {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Octets {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Octets, D::Error> {
        struct Block;
        impl serde::de::Visitor<'_> for Block {
            type Value = Octets;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("octets")
            }

            fn visit_bytes<E: serde::de::Error>(self, octets: &[u8]) -> Result<Octets, E> {
                Ok(Octets(octets.to_vec()))
            }

            fn visit_byte_buf<E: serde::de::Error>(self, octets: Vec<u8>) -> Result<Octets, E> {
                Ok(Octets(octets))
            }
        }
        deserializer.deserialize_byte_buf(Block)
    }
}

/// What the head of a picture says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub media_type: &'static str,
    /// Width and height in pixels; `None` where the head does not say.
    pub size: Option<(u32, u32)>,
}

/// The usual formats of pictures by their first octets; read here, so that a logo needs no foreign parser.
pub(super) fn head(octets: &[u8]) -> Option<Head> {
    let (media_type, size) = match octets {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => ("image/png", pair(octets, 16, 20, be32)),
        [0xff, 0xd8, 0xff, ..] => ("image/jpeg", jpeg_size(octets)),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => ("image/gif", pair(octets, 6, 8, le16)),
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => ("image/bmp", pair(octets, 18, 22, le32)),
        [b'I', b'I', 42, 0, ..] => ("image/tiff", tiff_size(octets, le16, le32)),
        [b'M', b'M', 0, 42, ..] => ("image/tiff", tiff_size(octets, be16, be32)),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ("image/webp", webp_size(octets)),
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] => ("image/jp2", jp2_size(octets)),
        // A bare JPEG 2000 code stream (ISO 15444-1 annex A.5.1): SOC, SIZ.
        [0xff, 0x4f, 0xff, 0x51, ..] => ("image/jp2", pair(octets, 8, 12, be32)),
        _ => return None,
    };
    Some(Head { media_type, size })
}

fn be16(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16::from_be_bytes(octets.get(at..at.checked_add(2)?)?.try_into().ok()?)))
}

fn le16(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16::from_le_bytes(octets.get(at..at.checked_add(2)?)?.try_into().ok()?)))
}

fn be32(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn le32(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

type Number = fn(&[u8], usize) -> Option<u32>;

fn pair(octets: &[u8], width: usize, height: usize, number: Number) -> Option<(u32, u32)> {
    // The height of a bitmap is negative when its lines stand from top to bottom.
    Some((number(octets, width)?, (number(octets, height)? as i32).unsigned_abs()))
}

/// The frame header (ITU T.81 §B.2.2) behind any number of other segments.
fn jpeg_size(octets: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    for _ in 0..1_000 {
        while octets.get(at)? == &0xff && octets.get(at + 1)? == &0xff {
            at += 1;
        }
        let (mark, code) = (*octets.get(at)?, *octets.get(at + 1)?);
        if mark != 0xff {
            return None;
        }
        match code {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => return pair(octets, at + 7, at + 5, be16),
            0x01 | 0xd0..=0xd8 => at += 2,
            0xd9 | 0xda => return None,
            _ => at = at.checked_add(2 + be16(octets, at + 2)? as usize)?,
        }
    }
    None
}

/// Tags 256 and 257 of the first directory (TIFF 6.0 §2).
fn tiff_size(octets: &[u8], short: Number, long: Number) -> Option<(u32, u32)> {
    let directory = long(octets, 4)? as usize;
    let (mut width, mut height) = (None, None);
    for n in 0..short(octets, directory)? as usize {
        let entry = directory.checked_add(2 + n * 12)?;
        let value = match short(octets, entry + 2)? {
            3 => short(octets, entry + 8)?,
            _ => long(octets, entry + 8)?,
        };
        match short(octets, entry)? {
            256 => width = Some(value),
            257 => height = Some(value),
            _ => {}
        }
    }
    width.zip(height)
}

fn webp_size(octets: &[u8]) -> Option<(u32, u32)> {
    let three = |at: usize| Some(le16(octets, at)? | u32::from(*octets.get(at + 2)?) << 16);
    match octets.get(12..16)? {
        b"VP8X" => Some((three(24)? + 1, three(27)? + 1)),
        b"VP8 " => pair(octets, 26, 28, le16).map(|(width, height)| (width & 0x3fff, height & 0x3fff)),
        b"VP8L" => le32(octets, 21).map(|bits| ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)),
        _ => None,
    }
}

fn jp2_size(octets: &[u8]) -> Option<(u32, u32)> {
    let box_at = memchr::memmem::find(&octets[..octets.len().min(1024)], b"ihdr")?;
    Some((be32(octets, box_at + 8)?, be32(octets, box_at + 4)?))
}

/// Packed comments of one picture that are looked at.
const MOST_COMMENTS: usize = 100;

/// The packed comments of a PNG picture: its chunks `zTXt` and `iTXt` (PNG 3rd edition §11.3.3), without their keywords, which stand
/// in clear.
fn packed_comments(octets: &[u8]) -> Vec<&[u8]> {
    let mut comments = Vec::new();
    let mut rest = octets.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap_or_default();
    while let Some(length) = be32(rest, 0).filter(|_| comments.len() < MOST_COMMENTS) {
        let length = length as usize;
        let Some(chunk) = rest.get(4..8 + length) else { break };
        let behind_name = |data| -> Option<&[u8]> { memchr::memchr(0, data).map(|at| &data[at + 1..]) };
        let packed = match chunk.split_at(4) {
            (b"zTXt", data) => behind_name(data).and_then(|data| data.strip_prefix(b"\0")),
            // Flag, method, language, translated keyword.
            (b"iTXt", data) => {
                behind_name(data).and_then(|data| data.strip_prefix(b"\x01\0")).and_then(behind_name).and_then(behind_name)
            }
            _ => None,
        };
        comments.extend(packed);
        rest = rest.get(12 + length..).unwrap_or_default();
    }
    comments
}

/// Below this width or height nobody writes more than a name: logos, icons, lines, tracking pixels.
const SMALLEST: (u32, u32) = (200, 60);
/// Pixels up to which a picture shown inside a mail's text is taken for part of a signature.
const SIGNATURE: u64 = 800 * 300;
/// Octets of all pictures of one message together.
const MOST_OCTETS: usize = 96 << 20;

impl Reading {
    /// Keeps a picture, to look for letters on it when all else is read.
    pub(super) fn picture(&mut self, place: &str, group: u32, role: PictureRole, octets: &[u8]) {
        let size = head(octets).and_then(|head| head.size).or_else(|| pnm_size(octets));
        let page = role == PictureRole::Page;
        let (Some((width, height)), false) = (size, self.budget.ocr_off()) else {
            if page {
                self.unreadable(place, Reason::Unsupported);
            }
            return;
        };
        if !page && (width < SMALLEST.0 || height < SMALLEST.1) {
            return;
        }
        let held: usize = self.pictures().iter().map(|picture| picture.octets.0.len()).sum();
        let pixels = u64::from(width) * u64::from(height);
        let over = pixels > self.budget.picture_pixels() || self.pictures_left() == 0 || held + octets.len() > MOST_OCTETS;
        if !over {
            let octets = Octets(octets.to_vec());
            self.keep_picture(Picture { place: Place(place.into()), group, role, octets });
        } else if page {
            self.unreadable(place, Reason::OverBudget);
        }
    }

    /// What a picture's packed comments say. One that is broken is shown by no reader; what can be unpacked of it is read.
    pub(super) fn picture_comments(&mut self, place: &str, group: u32, octets: &[u8]) {
        for packed in packed_comments(octets) {
            let (comment, reason) = self.budget.unpack(flate2::read::ZlibDecoder::new(packed));
            self.text(place, TextKind::Alternative, group, String::from_utf8_lossy(&comment));
            if reason == Some(Reason::OverBudget) {
                return self.unreadable(place, Reason::OverBudget);
            }
        }
    }

    /// Has the letters on all kept pictures read. A logo that nobody reads is no reason to hold a mail; a page that nobody reads is.
    pub(super) fn letters(&mut self, reader: &Reader) {
        let mut left = self.budget.ocr_milliseconds();
        let required = self.budget.ocr_required();
        for picture in self.take_pictures() {
            let read = match left {
                0 => Err(NotRead { reason: Reason::OverBudget, milliseconds: 0 }),
                left => reader.recognise(&picture, left),
            };
            match read {
                Ok(Recognised { text, milliseconds }) => {
                    left = left.saturating_sub(milliseconds);
                    self.text(&format!("{} (OCR)", picture.place), TextKind::Attachment, picture.group, text);
                }
                Err(NotRead { reason, milliseconds }) => {
                    left = left.saturating_sub(milliseconds);
                    if required || picture.role == PictureRole::Page {
                        self.unreadable(&picture.place.0, reason);
                    }
                }
            }
        }
    }
}

/// Whether a picture inside the text of a mail is part of a signature rather than of the letter.
pub(super) fn is_signature(octets: &[u8]) -> bool {
    let size = head(octets).and_then(|head| head.size);
    size.is_none_or(|(width, height)| u64::from(width) * u64::from(height) <= SIGNATURE)
}

/// `P5 2480 3508 255`: what raw pixels of a PDF are given as.
fn pnm_size(octets: &[u8]) -> Option<(u32, u32)> {
    if !matches!(octets, [b'P', b'1'..=b'6', b' ' | b'\n' | b'\t', ..]) {
        return None;
    }
    let head = std::str::from_utf8(&octets[2..octets.len().min(40)]).ok().or_else(|| {
        // Pixels follow the three numbers at once.
        octets[2..octets.len().min(40)].utf8_chunks().next().map(|chunk| chunk.valid())
    })?;
    let mut numbers = head.split_ascii_whitespace();
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_picture_says_what_it_is_and_how_large() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x04\x00\0\0\x03\x00\x08\x02\0\0\0";
        let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08\x03\x00\x04\x00\x03";
        let gif = b"GIF89a\x00\x04\x00\x03";
        let bmp = b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x00\x04\0\0\x00\xfd\xff\xff";
        let tiff = b"II*\0\x08\0\0\0\x02\0\x00\x01\x03\0\x01\0\0\0\x00\x04\0\0\x01\x01\x04\0\x01\0\0\0\x00\x03\0\0";
        let webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x03\0\xff\x02\0";
        for (octets, media_type) in [
            (&png[..], "image/png"),
            (jpeg, "image/jpeg"),
            (gif, "image/gif"),
            (bmp, "image/bmp"),
            (tiff, "image/tiff"),
            (webp, "image/webp"),
        ] {
            assert_eq!(head(octets), Some(Head { media_type, size: Some((1024, 768)) }), "{media_type}");
            for cut in 0..octets.len() {
                let _ = head(&octets[..cut]);
            }
        }
        assert_eq!(head(b"%PDF-1.7"), None);
        assert_eq!(pnm_size(b"P5\n1024 768 255\n\xff\xfe"), Some((1024, 768)));
    }

    #[test]
    fn pages_are_looked_at_and_logos_are_not() {
        struct Eyes;
        impl ReadForeign for Eyes {
            fn read(&self, _: &ForeignFile, _: &[u8]) -> Result<Foreign, NotRead> {
                Err(NotRead { reason: Reason::Damaged, milliseconds: 0 })
            }
            fn recognises(&self) -> bool {
                true
            }
            fn recognise(&self, picture: &Picture, left: u64) -> Result<Recognised, NotRead> {
                match picture.octets.0.last() {
                    Some(b'!') => Err(NotRead { reason: Reason::OverBudget, milliseconds: left }),
                    _ => Ok(Recognised { text: "letters".into(), milliseconds: 10 }),
                }
            }
        }
        let page = |width: u32, end: &str| format!("P5 {width} 1000 255 {end}").into_bytes();
        let read = |pictures: &[(PictureRole, Vec<u8>)]| {
            let limits = Limits { pictures: 3, picture_pixels: 2_000_000, ..Limits::default() };
            let mut reading = Reading::new(&limits, 1, &Reader::new(Eyes));
            for (n, (role, octets)) in pictures.iter().enumerate() {
                reading.picture(&format!("page {n}"), 1, *role, octets);
            }
            let out = reading.finish();
            let texts: Vec<String> = out.texts.iter().map(|text| text.place.0.to_string()).collect();
            (texts.join(", "), out.unreadable.into_iter().map(|one| one.reason).collect::<Vec<_>>())
        };
        use PictureRole::{Beside, Page};
        for (pictures, texts, unreadable) in [
            (vec![(Page, page(800, "")), (Beside, page(800, ""))], "page 0 (OCR), page 1 (OCR)", vec![]),
            // Small: a stamp that is all a page shows is looked at, a logo is not.
            (vec![(Page, page(100, "")), (Beside, page(100, ""))], "page 0 (OCR)", vec![]),
            (vec![(Page, page(3000, "")), (Beside, page(3000, ""))], "", vec![Reason::OverBudget]),
            (vec![(Page, b"?".to_vec()), (Beside, b"?".to_vec())], "", vec![Reason::Unsupported]),
            // The first took all the time that there was.
            (vec![(Beside, page(800, "!")), (Page, page(800, ""))], "", vec![Reason::OverBudget]),
            (vec![(Page, page(800, "")); 4], "page 0 (OCR), page 1 (OCR), page 2 (OCR)", vec![Reason::OverBudget]),
        ] {
            assert_eq!(read(&pictures), (texts.to_owned(), unreadable));
        }
    }
}
