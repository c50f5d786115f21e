//! Turns the images of a page into files that readers of pictures know: JPEG and JPEG 2000 as they are, plain pixels as PNM, fax lines
//! as TIFF (ISO 32000-2 §8.9.5).

use super::{array, dictionary};
use lopdf::{Dictionary, Document, Object, ObjectId, Stream};

/// `None` for what is a mask, a bar code's rest or broken.
pub(super) fn picture(document: &Document, id: ObjectId, limit: usize) -> Option<Vec<u8>> {
    let Ok(Object::Stream(stream)) = document.get_object(id) else { return None };
    let filters = stream.filters().unwrap_or_default();
    let (last, before) = filters.split_last().map_or((&b""[..], &filters[..]), |(last, before)| (*last, before));
    match last {
        b"DCTDecode" | b"JPXDecode" | b"CCITTFaxDecode" => {
            let packed = if before.is_empty() { stream.content.clone() } else { without_last_filter(stream, before, limit)? };
            if last == b"CCITTFaxDecode" { fax(document, stream, packed) } else { Some(packed) }
        }
        b"JBIG2Decode" => None,
        _ => pixels(document, stream, &stream.get_plain_content_with_limit(limit).ok()?),
    }
}

fn without_last_filter(stream: &Stream, before: &[&[u8]], limit: usize) -> Option<Vec<u8>> {
    let mut dict = Dictionary::new();
    dict.set("Filter", Object::Array(before.iter().map(|filter| Object::Name(filter.to_vec())).collect()));
    Stream::new(dict, stream.content.clone()).get_plain_content_with_limit(limit).ok()
}

fn number(document: &Document, dict: &Dictionary, key: &[u8]) -> Option<i64> {
    document.dereference(dict.get(key).ok()?).ok()?.1.as_i64().ok()
}

/// Colours of a pixel, and the table that a palette's numbers stand for.
fn colours(document: &Document, space: &Object) -> Option<(usize, Option<Vec<u8>>)> {
    let space = document.dereference(space).ok()?.1;
    if let Ok(name) = space.as_name() {
        return match name {
            b"DeviceGray" | b"CalGray" | b"G" => Some((1, None)),
            b"DeviceRGB" | b"CalRGB" | b"RGB" => Some((3, None)),
            b"DeviceCMYK" | b"CMYK" => Some((4, None)),
            _ => None,
        };
    }
    let list = space.as_array().ok()?;
    match list.first()?.as_name().ok()? {
        b"ICCBased" => Some((usize::try_from(number(document, dictionary(document, list.get(1)?)?, b"N")?).ok()?, None)),
        b"CalGray" | b"Separation" => Some((1, None)),
        b"CalRGB" | b"Lab" => Some((3, None)),
        b"Indexed" | b"I" => {
            let (base, _) = colours(document, list.get(1)?).filter(|(_, palette)| palette.is_none())?;
            let table = match document.dereference(list.get(3)?).ok()?.1 {
                Object::String(table, _) => table.clone(),
                Object::Stream(stream) => stream.get_plain_content_with_limit(4096).ok()?,
                _ => return None,
            };
            let rgb = table.chunks_exact(base).flat_map(rgb).collect();
            Some((1, Some(rgb)))
        }
        _ => None,
    }
}

fn rgb(colour: &[u8]) -> [u8; 3] {
    match *colour {
        [red, green, blue] => [red, green, blue],
        [cyan, magenta, yellow, black] => {
            [cyan, magenta, yellow].map(|ink| 255u16.saturating_sub(u16::from(ink) + u16::from(black)) as u8)
        }
        [gray, ..] => [gray; 3],
        [] => [0; 3],
    }
}

/// Gray or red, green and blue, eight bits each.
fn pixels(document: &Document, stream: &Stream, plain: &[u8]) -> Option<Vec<u8>> {
    let dict = &stream.dict;
    let width = usize::try_from(number(document, dict, b"Width")?).ok()?;
    let height = usize::try_from(number(document, dict, b"Height")?).ok()?;
    let is_mask = dict.get(b"ImageMask").and_then(Object::as_bool).unwrap_or(false);
    let bits = if is_mask { 1 } else { usize::try_from(number(document, dict, b"BitsPerComponent")?).ok()? };
    let (count, palette) = if is_mask { (1, None) } else { colours(document, dict.get(b"ColorSpace").ok()?)? };
    if !matches!(bits, 1 | 2 | 4 | 8) || !matches!(count, 1 | 3 | 4) || width == 0 {
        return None;
    }
    let row = width.checked_mul(count)?.checked_mul(bits)?.div_ceil(8);
    if plain.len() < row.checked_mul(height)? {
        return None;
    }
    let turned = dict.get(b"Decode").ok().and_then(|decode| array(document, decode)?.first()?.as_float().ok()) == Some(1.0);
    let gray = count == 1 && palette.is_none();
    let mut out = format!("P{}\n{width} {height}\n255\n", if gray { 5 } else { 6 }).into_bytes();
    let most = (1u16 << bits) - 1;
    for line in plain.chunks_exact(row).take(height) {
        let sample = |n: usize| -> u8 {
            let at = n * bits;
            line[at / 8] >> (8 - bits - at % 8) & most as u8
        };
        let scaled = |n: usize| -> u8 {
            let value = (u16::from(sample(n)) * 255 / most) as u8;
            if turned { 255 - value } else { value }
        };
        for x in 0..width {
            match &palette {
                Some(table) => out.extend(table.chunks_exact(3).nth(usize::from(sample(x))).unwrap_or(&[0; 3])),
                None if gray => out.push(scaled(x)),
                None => {
                    let colour: Vec<u8> = (0..count).map(|n| scaled(x * count + n)).collect();
                    out.extend(rgb(&colour));
                }
            }
        }
    }
    Some(out)
}

/// One strip of a TIFF 6.0 (§11): the fax lines need no other reader than one of TIFF.
fn fax(document: &Document, stream: &Stream, packed: Vec<u8>) -> Option<Vec<u8>> {
    let parameters = stream.dict.get(b"DecodeParms").or_else(|_| stream.dict.get(b"DP")).ok();
    let parameters = parameters.and_then(|parameters| match array(document, parameters) {
        Some(list) => dictionary(document, list.last()?),
        None => dictionary(document, parameters),
    });
    let parameter = |key: &[u8]| parameters.and_then(|parameters| number(document, parameters, key));
    let width = parameter(b"Columns").or_else(|| number(document, &stream.dict, b"Width"))?;
    let height = number(document, &stream.dict, b"Height").or_else(|| parameter(b"Rows"))?;
    let black_is_one = parameters.and_then(|parameters| parameters.get(b"BlackIs1").ok()?.as_bool().ok()).unwrap_or(false);
    let (compression, options) = match parameter(b"K").unwrap_or(0) {
        k if k < 0 => (4u32, 0u32),
        0 => (3, 0),
        _ => (3, 1),
    };
    let entries: [(u16, u16, u32); 9] = [
        (256, 4, u32::try_from(width).ok()?),
        (257, 4, u32::try_from(height).ok()?),
        (258, 3, 1),
        (259, 3, compression),
        (262, 3, u32::from(black_is_one)),
        (273, 4, 8 + 2 + 9 * 12 + 4),
        (278, 4, u32::try_from(height).ok()?),
        (279, 4, u32::try_from(packed.len()).ok()?),
        (if compression == 4 { 293 } else { 292 }, 4, options),
    ];
    let mut out = b"II\x2a\0\x08\0\0\0".to_vec();
    out.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, value) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend([0; 4]);
    out.extend(packed);
    Some(out)
}
