//! Turns the literals that expressions require into the spans of a text where those expressions could match.
//!
//! Three octets at a time are looked up in a bitmap; a literal is compared only where that says "perhaps".

use super::literals::Spans;
use super::normalize::Normalized;

/// Literals that expressions require, found by one three-octet piece of each.
pub(crate) struct Grams {
    bitmap: Box<[u64; 2048]>,
    /// Only every so many octets is looked at: 1, 2 or 4, as the shortest literal allows.
    stride: usize,
    literals: Vec<(usize, Vec<u8>, Option<usize>)>,
    /// By gram.
    pieces: Vec<(u32, Piece)>,
}

struct Piece {
    rule: usize,
    literal: Vec<u8>,
    /// Where the piece begins in the literal.
    offset: usize,
    /// Octets before the literal in which the match begins; `None`: anywhere in the text.
    before: Option<usize>,
}

impl Default for Grams {
    fn default() -> Grams {
        Grams { bitmap: Box::new([0; 2048]), stride: 1, literals: Vec::new(), pieces: Vec::new() }
    }
}

const FOLD: u32 = 0x0020_2020;
/// Octets of a gram; shorter literals are of no use here.
const GRAM: usize = 3;

impl Grams {
    pub fn add(&mut self, rule: usize, literals: &[(Vec<u8>, Option<usize>)]) {
        self.literals.extend(literals.iter().map(|(literal, before)| (rule, literal.clone(), *before)));
    }

    /// Chooses pieces: as many neighbouring ones of each literal as octets are left out, so that one of them is looked at.
    pub fn finish(mut self) -> Grams {
        let shortest = self.literals.iter().map(|literal| literal.1.len()).min().unwrap_or(GRAM);
        self.stride = if shortest >= GRAM + 3 {
            4
        } else if shortest > GRAM {
            2
        } else {
            1
        };
        for (rule, literal, before) in std::mem::take(&mut self.literals) {
            let windows: Vec<u32> = literal
                .windows(GRAM)
                .map(|piece| {
                    piece.iter().map(|byte| rarity(*byte)).min().unwrap_or(0) * 8
                        + piece.iter().map(|byte| rarity(*byte)).sum::<u32>()
                })
                .collect();
            let rarest = windows.windows(self.stride).enumerate().max_by_key(|(_, pieces)| pieces.iter().min().copied());
            let Some((first, _)) = rarest else { continue };
            for offset in first..first + self.stride {
                let piece = &literal[offset..offset + GRAM];
                let gram = u32::from_le_bytes([piece[0], piece[1], piece[2], 0]) | FOLD;
                let bit = Self::bit(gram);
                self.bitmap[bit >> 6] |= 1 << (bit & 63);
                self.pieces.push((gram, Piece { rule, literal: literal.clone(), offset, before }));
            }
        }
        self.pieces.sort_by_key(|piece| piece.0);
        self
    }

    #[inline(always)]
    fn bit(gram: u32) -> usize {
        (gram.wrapping_mul(0x9e37_79b1) >> 15) as usize
    }

    /// Notes where matches of each rule may begin.
    pub fn spans(&self, text: &Normalized, spans: &mut Spans) {
        if self.pieces.is_empty() {
            return;
        }
        let length = text.text().len();
        let mut at = 0;
        while at < length {
            at = match self.stride {
                4 => self.look::<4>(text, at, spans),
                2 => self.look::<2>(text, at, spans),
                _ => self.look::<1>(text, at, spans),
            };
        }
    }

    /// Looks at eight places at a time, so that one branch serves all; returns where to go on.
    #[inline(always)]
    fn look<const STRIDE: usize>(&self, text: &Normalized, start: usize, spans: &mut Spans) -> usize {
        let padded = text.padded();
        let length = text.text().len();
        let mut at = start;
        while at < length {
            let Some(octets) = padded.get(at..at + 8 * STRIDE + 3) else { return length };
            let mut grams = [0u32; 8];
            let mut any = 0;
            for (place, gram) in grams.iter_mut().enumerate() {
                let from = place * STRIDE;
                *gram = u32::from_le_bytes([octets[from], octets[from + 1], octets[from + 2], 0]) | FOLD;
                let bit = Self::bit(*gram);
                any |= (self.bitmap[bit >> 6] >> (bit & 63) & 1) << place;
            }
            while any != 0 {
                let place = any.trailing_zeros() as usize;
                any &= any - 1;
                self.confirm(text.text(), at + place * STRIDE, grams[place], spans);
            }
            at += 8 * STRIDE;
        }
        at
    }

    #[cold]
    fn confirm(&self, text: &[u8], at: usize, gram: u32, spans: &mut Spans) {
        let from = self.pieces.partition_point(|piece| piece.0 < gram);
        for (_, piece) in self.pieces[from..].iter().take_while(|piece| piece.0 == gram) {
            let Some(start) = at.checked_sub(piece.offset) else { continue };
            // What begins with the literal does not begin inside a word.
            let whole = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
            let inside = |at: usize| whole(at.checked_sub(1)) && whole(Some(at));
            if piece.before == Some(0) && inside(start) {
                continue;
            }
            let end = start + piece.literal.len();
            let stands =
                text.get(start..end).is_some_and(|octets| octets.iter().zip(&piece.literal).all(|(a, b)| a | 0x20 == *b));
            if !stands {
                continue;
            }
            let span = match piece.before {
                Some(before) => start.saturating_sub(before)..start + 1,
                None => 0..text.len(),
            };
            spans.push(piece.rule, span);
        }
    }
}

/// How seldom an octet stands in French and English text, roughly.
fn rarity(byte: u8) -> u32 {
    match byte {
        b' ' | b'e' => 0,
        b'a' | b'i' | b'n' | b'r' | b's' | b't' | b'o' | b'l' | b'u' => 1,
        b'c' | b'd' | b'm' | b'p' => 2,
        b'-' | b'*' => 2, // ruled lines
        _ => 4,
    }
}
