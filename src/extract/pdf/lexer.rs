//! Turns the octets of a page's content or of a character map into operands and operators (ISO 32000-2 §7.2, §7.8.2). What cannot be
//! understood is stepped over, as viewers do; only nesting beyond reason is told.

use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'x> {
    Number(f64),
    Text(Cow<'x, [u8]>),
    Name(Cow<'x, [u8]>),
    Array(Vec<Token<'x>>),
    Dictionary(Vec<Token<'x>>),
    Operator(&'x [u8]),
}

pub(super) struct Lexer<'x> {
    octets: &'x [u8],
    at: usize,
    /// Nesting went deeper than [`DEEPEST`].
    pub too_deep: bool,
}

/// Arrays and dictionaries in each other.
const DEEPEST: usize = 32;
/// Values in one array.
const LONGEST: usize = 1 << 20;

fn is_blank(octet: u8) -> bool {
    matches!(octet, 0 | b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

fn is_delimiter(octet: u8) -> bool {
    matches!(octet, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

impl<'x> Lexer<'x> {
    pub(super) fn new(octets: &'x [u8]) -> Lexer<'x> {
        Lexer { octets, at: 0, too_deep: false }
    }

    /// Steps over the data of an image that stands in the content: from `ID` to an `EI` between blanks.
    pub(super) fn skip_image(&mut self) {
        let rest = &self.octets[self.at.min(self.octets.len())..];
        let end = memchr::memmem::find_iter(rest, b"EI").find(|at| {
            let before = at.checked_sub(1).is_none_or(|before| is_blank(rest[before]));
            before && rest.get(at + 2).is_none_or(|after| is_blank(*after))
        });
        self.at += end.map_or(rest.len(), |end| end + 2);
    }

    fn blanks(&mut self) {
        while let Some(octet) = self.octets.get(self.at) {
            if *octet == b'%' {
                let rest = &self.octets[self.at..];
                self.at += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            } else if is_blank(*octet) {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    fn word(&mut self) -> &'x [u8] {
        let rest = &self.octets[self.at..];
        let length = rest.iter().position(|b| is_blank(*b) || is_delimiter(*b)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn token(&mut self, depth: usize) -> Option<Token<'x>> {
        loop {
            self.blanks();
            let first = *self.octets.get(self.at)?;
            match first {
                b'(' => return Some(Token::Text(self.literal())),
                b'/' => {
                    self.at += 1;
                    return Some(Token::Name(unescaped(self.word())));
                }
                b'<' if self.octets.get(self.at + 1) == Some(&b'<') => {
                    self.at += 2;
                    return Some(Token::Dictionary(self.inside(depth)?));
                }
                b'<' => return Some(Token::Text(self.hexadecimal())),
                b'[' => {
                    self.at += 1;
                    return Some(Token::Array(self.inside(depth)?));
                }
                b']' | b'>' | b')' | b'{' | b'}' => {
                    // The end of an array or dictionary is seen by who reads it; elsewhere such signs mean nothing.
                    if depth > 0 && matches!(first, b']' | b'>') {
                        return None;
                    }
                    self.at += 1;
                }
                _ => {
                    let word = self.word();
                    return Some(number(word).map_or(Token::Operator(word), Token::Number));
                }
            }
        }
    }

    fn inside(&mut self, depth: usize) -> Option<Vec<Token<'x>>> {
        if depth >= DEEPEST {
            self.too_deep = true;
            self.at = self.octets.len();
            return None;
        }
        let mut items = Vec::new();
        while items.len() < LONGEST {
            match self.token(depth + 1) {
                Some(item) => items.push(item),
                None => break,
            }
        }
        let closing = self.octets.get(self.at).copied();
        self.at += if closing == Some(b'>') && self.octets.get(self.at + 1) == Some(&b'>') {
            2
        } else {
            usize::from(closing.is_some())
        };
        Some(items)
    }

    /// `(…)`, with brackets in pairs and escapes (§7.3.4.2).
    fn literal(&mut self) -> Cow<'x, [u8]> {
        let start = self.at + 1;
        let rest = &self.octets[start..];
        let plain = rest.iter().position(|b| matches!(b, b'(' | b')' | b'\\' | b'\r')).unwrap_or(rest.len());
        if rest.get(plain) == Some(&b')') {
            self.at = start + plain + 1;
            return Cow::Borrowed(&rest[..plain]);
        }
        let mut out = Vec::new();
        let mut depth = 1;
        let mut at = start;
        while let Some(octet) = self.octets.get(at).copied() {
            at += 1;
            match octet {
                b'(' => depth += 1,
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                b'\\' => {
                    let Some(next) = self.octets.get(at).copied() else { break };
                    at += 1;
                    match next {
                        b'n' => out.push(b'\n'),
                        b'r' => out.push(b'\r'),
                        b't' => out.push(b'\t'),
                        b'b' => out.push(8),
                        b'f' => out.push(12),
                        b'0'..=b'7' => {
                            let mut value = u32::from(next - b'0');
                            for _ in 0..2 {
                                match self.octets.get(at) {
                                    Some(digit @ b'0'..=b'7') => {
                                        value = value * 8 + u32::from(digit - b'0');
                                        at += 1;
                                    }
                                    _ => break,
                                }
                            }
                            out.push(value as u8);
                        }
                        b'\r' => at += usize::from(self.octets.get(at) == Some(&b'\n')),
                        b'\n' => {}
                        other => out.push(other),
                    }
                    continue;
                }
                _ => {}
            }
            out.push(octet);
        }
        self.at = at;
        Cow::Owned(out)
    }

    fn hexadecimal(&mut self) -> Cow<'x, [u8]> {
        let rest = &self.octets[self.at + 1..];
        let end = memchr::memchr(b'>', rest).unwrap_or(rest.len());
        self.at += end + 2;
        self.at = self.at.min(self.octets.len());
        let digits: Vec<u8> = rest[..end].iter().filter_map(|b| (*b as char).to_digit(16)).map(|digit| digit as u8).collect();
        Cow::Owned(digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect())
    }
}

impl<'x> Iterator for Lexer<'x> {
    type Item = Token<'x>;

    fn next(&mut self) -> Option<Token<'x>> {
        self.token(0)
    }
}

/// `#2F` in a name.
fn unescaped(name: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'#', name).is_none() {
        return Cow::Borrowed(name);
    }
    let digit = |at: usize| name.get(at).and_then(|b| (*b as char).to_digit(16)).map(|digit| digit as u8);
    let mut out = Vec::new();
    let mut at = 0;
    while at < name.len() {
        match (name[at], digit(at + 1), digit(at + 2)) {
            (b'#', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            (octet, ..) => {
                out.push(octet);
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}

/// Signs, digits and one dot; `--5` and `5-3` are what writers produce and viewers take.
fn number(word: &[u8]) -> Option<f64> {
    if !word.first().is_some_and(|first| first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let (mut value, mut scale, mut digits) = (0f64, 0f64, 0);
    let negative = word[0] == b'-';
    for (n, octet) in word.iter().enumerate() {
        match octet {
            b'0'..=b'9' => {
                digits += 1;
                let digit = f64::from(octet - b'0');
                if scale == 0.0 {
                    value = value * 10.0 + digit;
                } else {
                    value += digit * scale;
                    scale /= 10.0;
                }
            }
            b'.' if scale == 0.0 => scale = 0.1,
            b'+' | b'-' if digits == 0 => {}
            b'-' | b'.' if n > 0 => break,
            _ => return None,
        }
    }
    (digits > 0 || scale > 0.0).then_some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_and_operators_are_told_apart() {
        let tokens: Vec<Token> = Lexer::new(b"/F#31 12 Tf [(a\\)\\101) -20.5 <4 1>]TJ % no\n-.5 --3 T* (b(c)").collect();
        let text = |octets: &'static [u8]| Token::Text(Cow::Borrowed(octets));
        assert_eq!(
            tokens,
            [
                Token::Name(Cow::Borrowed(b"F1")),
                Token::Number(12.0),
                Token::Operator(b"Tf"),
                Token::Array(vec![text(b"a)A"), Token::Number(-20.5), text(b"A")]),
                Token::Operator(b"TJ"),
                Token::Number(-0.5),
                Token::Number(-3.0),
                Token::Operator(b"T*"),
                text(b"b(c)"),
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_octets_come_to_an_end(octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            proptest::prop_assert!(Lexer::new(&octets).count() <= octets.len());
        }
    }
}
