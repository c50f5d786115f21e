//! Turns a shape (`9 99 99 9* 999 999 99`) into a match at one place of a normalised text.

/// A shape as an officer wrote it, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    elements: Vec<Element>,
    /// Where the shape has a space before the element, asks for a digit, for a letter: one bit each.
    gaps: u64,
    digit_places: u64,
    letter_places: u64,
    /// Digits that any match has at least.
    pub digits: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Element {
    class: Class,
    /// A space stands before it in the shape.
    gap: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Digit,
    Letter,
    Either,
}

/// How a number was grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// Without any separator.
    Plain,
    /// Separators only where the shape has its spaces.
    Grouped,
    /// Separators elsewhere too, or several together: believed only with a right key and beside a label.
    Odd,
    /// No number: a passage of a registered document, by the document's number and how much of it the text holds, in percent.
    Passage { document: u32, share: u8 },
    /// No number of its own: a cell of a registered row.
    Row { row: u32 },
}

/// Letters and digits of a shape, at most.
pub(crate) const MAX_ELEMENTS: usize = 40;
/// Separators together in an odd writing, at most (`084 - 91`).
pub(crate) const MAX_SEPARATORS: usize = 3;

impl Shape {
    /// Reads a shape; the error says what to write instead.
    pub fn parse(written: &str) -> Result<Shape, String> {
        let mut elements = Vec::new();
        let mut gap = false;
        for character in written.trim().chars() {
            let class = match character {
                '9' => Class::Digit,
                'A' => Class::Letter,
                '*' => Class::Either,
                ' ' => {
                    gap = true;
                    continue;
                }
                other => {
                    return Err(format!(
                        "a shape is written with 9 (a digit), A (a letter), * (either) and spaces, not \"{other}\"; for fixed letters use regex"
                    ));
                }
            };
            elements.push(Element { class, gap });
            gap = false;
        }
        let digits = elements.iter().filter(|element| element.class == Class::Digit).count();
        if elements.len() < 4 || elements.len() > MAX_ELEMENTS {
            return Err(format!("a shape has 4 to {MAX_ELEMENTS} letters and digits, this one {}", elements.len()));
        }
        if digits < 3 {
            return Err("a shape has at least three 9s, else every word would have it; use words or regex".to_owned());
        }
        let places = |of: &dyn Fn(&Element) -> bool| {
            elements.iter().enumerate().filter(|(_, element)| of(element)).fold(0u64, |places, (place, _)| places | 1 << place)
        };
        let (gaps, digit_places) = (places(&|element| element.gap), places(&|element| element.class == Class::Digit));
        let letter_places = places(&|element| element.class == Class::Letter);
        Ok(Shape { gaps: gaps & !1, digit_places, letter_places, elements, digits: digits as u32 })
    }

    /// Behind how many letters and digits a space stands: one bit each.
    pub fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Letters and digits of a match.
    pub fn length(&self) -> usize {
        self.elements.len()
    }

    /// The longest match, in octets.
    pub fn longest(&self) -> usize {
        let gaps = self.elements.iter().filter(|element| element.gap).count();
        self.elements.len() * 2 - 1 + gaps * (MAX_SEPARATORS - 1)
    }

    /// Matches what stands at the view's beginning; what comes after is not looked at.
    pub fn matches(&self, view: &View) -> Option<(usize, Writing)> {
        let length = self.elements.len();
        if length > view.count || view.digits & self.digit_places != self.digit_places || view.digits & self.letter_places != 0
        {
            return None;
        }
        let within = (1u64 << length) - 2; // what stands before the first character is no separator of this number
        let (separated, many) = (view.separated & within, view.many & within);
        if many & !self.gaps != 0 {
            return None;
        }
        let odd = many != 0 || separated & !self.gaps != 0;
        // The end of a line or of a table cell separates only a number that is grouped throughout: else two cells, or the
        // last number of a line and the first of the next, would be read as one.
        if view.wide & within != 0 && (odd || separated & self.gaps != self.gaps) {
            return None;
        }
        let writing = match (odd, separated) {
            (true, _) => Writing::Odd,
            (false, 0) => Writing::Plain,
            (false, _) => Writing::Grouped,
        };
        Some((view.start + usize::from(view.ends[length - 1]), writing))
    }

    /// Can a match have `byte` as its octet number `place`?
    pub fn allows(&self, place: usize, byte: u8) -> bool {
        if place > 0 && is_separator(byte) {
            return true;
        }
        let from = place.div_ceil(1 + MAX_SEPARATORS).min(self.elements.len());
        let to = (place + 1).min(self.elements.len());
        self.elements.get(from..to).unwrap_or_default().iter().any(|element| match element.class {
            Class::Digit => byte.is_ascii_digit(),
            Class::Letter => byte.is_ascii_alphabetic(),
            Class::Either => byte.is_ascii_alphanumeric(),
        })
    }
}

/// The letters and digits from one place of a text on, with what separates them: read once, then compared with every shape.
pub(crate) struct View {
    /// Upper-case.
    compact: [u8; MAX_ELEMENTS],
    /// Where in the text the view begins, and how far behind that each character ends.
    start: usize,
    ends: [u8; MAX_ELEMENTS],
    count: usize,
    /// One bit for each character that is a digit; that has a separator before it; more than one; an end of line or cell.
    digits: u64,
    separated: u64,
    many: u64,
    wide: u64,
}

impl View {
    /// Reads at most `most` characters, or [`MAX_ELEMENTS`].
    pub fn new(text: &[u8], start: usize, most: usize) -> View {
        let mut view = View {
            compact: [0; MAX_ELEMENTS],
            start,
            ends: [0; MAX_ELEMENTS],
            count: 0,
            digits: 0,
            separated: 0,
            many: 0,
            wide: 0,
        };
        let most = most.min(MAX_ELEMENTS);
        let mut at = start;
        while view.count < most {
            // A word, then what separates it from the next.
            let from = view.count;
            for byte in text[at..].iter().take(most - from).take_while(|byte| byte.is_ascii_alphanumeric()) {
                view.compact[view.count] = byte.to_ascii_uppercase();
                view.digits |= u64::from(byte.is_ascii_digit()) << view.count;
                view.count += 1;
                at += 1;
                view.ends[view.count - 1] = (at - start) as u8; // at most 40 characters with 3 separators each
            }
            let apart = text[at..].iter().take(MAX_SEPARATORS + 1).take_while(|byte| is_separator(**byte)).count();
            if view.count == from || apart == 0 || apart > MAX_SEPARATORS {
                break;
            }
            let wide = text[at..at + apart].iter().any(|byte| matches!(byte, b'\t' | b'\n'));
            view.separated |= 1 << view.count;
            view.many |= u64::from(apart > 1) << view.count;
            view.wide |= u64::from(wide) << view.count;
            at += apart;
        }
        view
    }

    /// The first `length` letters and digits.
    pub fn compact(&self, length: usize) -> &[u8] {
        &self.compact[..length.min(self.count)]
    }
}

pub(crate) fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'.' | b'-' | b'/' | b'\t' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_start(shape: &str, text: &str) -> Option<(usize, Writing)> {
        Shape::parse(shape).unwrap().matches(&View::new(text.as_bytes(), 0, MAX_ELEMENTS))
    }

    #[test]
    fn one_separator_where_the_shape_has_a_space() {
        let nir = "9 99 99 9* 999 999 99";
        assert_eq!(at_start(nir, "185057800608491"), Some((15, Writing::Plain)));
        assert_eq!(at_start(nir, "1 85 05 78 006 084 91"), Some((21, Writing::Grouped)));
        assert_eq!(at_start(nir, "1.85-05/78 006084 91 2"), Some((20, Writing::Grouped)));
        assert_eq!(at_start(nir, "1 98 05 2A 004 001 55"), Some((21, Writing::Grouped)));
        assert_eq!(at_start(nir, "18 50 57 80 06 08 491"), Some((21, Writing::Odd)));
        assert_eq!(at_start(nir, "1 85 05 78 006 084 - 91"), Some((23, Writing::Odd)));
        assert_eq!(at_start(nir, "1 85 05 78 006\n084 91"), Some((21, Writing::Grouped)));
        assert_eq!(at_start(nir, "185057800608\n491"), None, "an end of line inside an ungrouped number");
        assert_eq!(at_start(nir, "1 85 05 78 006 084"), None);
        assert_eq!(at_start(nir, "1 85 05 78 0O6 084 91"), None);
    }

    #[test]
    fn a_bad_shape_says_what_to_write() {
        for (shape, part) in [("FR99 9999", "use regex"), ("99", "4 to 40"), ("AAAA", "three 9s"), ("", "4 to 40")] {
            assert!(Shape::parse(shape).unwrap_err().contains(part), "{shape}");
        }
    }

    proptest::proptest! {
        #[test]
        fn allows_never_denies_what_matches(shape in "[9A*][9A* ]{2,8}999", text in "[0-9a .\t]{0,24}") {
            let shape = Shape::parse(&shape).unwrap();
            if let Some((end, _)) = shape.matches(&View::new(text.as_bytes(), 0, MAX_ELEMENTS)) {
                for (place, byte) in text.bytes().take(end).enumerate() {
                    proptest::prop_assert!(shape.allows(place, byte));
                }
                proptest::prop_assert!(end <= shape.longest());
            }
        }
    }
}
