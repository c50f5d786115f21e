//! Turns a text into its runs: groups of digits and single letters that follow each other with nothing but signs between, be those as
//! odd as they may. A number or stamp that somebody took apart is one; most of a text is words, which are passed over.

/// Signs between two groups, at most: a line's end with marks of quotation, a bullet between blanks.
const LONGEST_GAP: usize = 8;
/// Characters of a group, at most: hashes and tokens are longer.
const LONGEST_GROUP: usize = 34;
/// Groups that are looked at together; a longer run is looked at in pieces.
const LONGEST_RUN: usize = 2_048;
/// Groups that two pieces of a run share: the longest number taken apart lies whole in one of them.
const SHARED: usize = 40;

/// Letters and digits without a sign between: where they stand in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Digits of any script, one or more.
    Digits,
    /// One letter.
    Letter,
    /// Two capitals: a country.
    Pair,
    /// Digits and letters, or letters that look like digits.
    Mixed,
    /// A word that announces the end of a number: `clé`, `NIC`.
    Announces,
}

/// Words that stand inside numbers.
pub(super) const KEY: [&str; 4] = ["clé", "cle", "clef", "key"];
pub(super) const OFFICE: [&str; 1] = ["nic"];

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
/// The first octet of characters that may be signs: `·`, `•`, a no-break blank, full-width forms, emoji.
const PERHAPS: u8 = 4;

/// What each octet may be; 0 for the signs of ASCII.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        classes[octet] = match octet as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            0xc2 | 0xe2 | 0xe3 | 0xef | 0xf0 => LETTER | PERHAPS,
            0x80.. => LETTER,
            _ => 0,
        };
        octet += 1;
    }
    classes
};

/// Calls `look` with each run of the text, in order. Costs no more than the text is long.
pub(super) fn each_run(text: &str, mut look: impl FnMut(&[Group])) {
    let octets = text.as_bytes();
    let mut run: Vec<Group> = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        if CLASSES[usize::from(octets[at])] == 0 {
            at += 1;
            continue;
        }
        let start = at;
        let mut seen = 0;
        while let Some(class) = octets.get(at).map(|octet| CLASSES[usize::from(*octet)]).filter(|class| *class != 0) {
            seen |= class;
            at += 1;
        }
        // Words, which most of a text is. One letter may have up to four octets.
        if seen & (DIGIT | PERHAPS) == 0 && at - start > 1 {
            let first = text[start..].chars().next().map_or(1, char::len_utf8);
            if first < at - start && !is_pair(&octets[start..at]) {
                continue;
            }
        }
        at = follow(text, start, at, &mut run, &mut look);
    }
}

/// Reads character by character from the word at `start`, at least up to `until` and then as long as a run goes on; returns where to
/// go on.
fn follow(text: &str, start: usize, until: usize, run: &mut Vec<Group>, look: &mut impl FnMut(&[Group])) -> usize {
    let mut at = start;
    loop {
        let gap = text[at..].chars().take(LONGEST_GAP + 1).take_while(|c| !c.is_alphanumeric());
        let (signs, length) = gap.fold((0, 0), |(signs, length), c| (signs + 1, length + c.len_utf8()));
        at += length;
        if signs > LONGEST_GAP || at >= text.len() {
            flush(run, look);
            if at >= until || at >= text.len() {
                return at.max(until);
            }
            continue;
        }
        if run.is_empty() && at >= until {
            return at;
        }
        let (end, kind) = group(text, at);
        match kind {
            Some(Kind::Announces) if run.is_empty() => {}
            Some(kind) => {
                run.push(Group { start: at, end, kind });
                if run.len() >= LONGEST_RUN {
                    look(run);
                    run.drain(..run.len() - SHARED);
                }
            }
            None => flush(run, look),
        }
        at = end;
    }
}

fn flush(run: &mut Vec<Group>, look: &mut impl FnMut(&[Group])) {
    if run.len() > 1 || run.first().is_some_and(|group| group.end - group.start >= 5) {
        look(run);
    }
    run.clear();
}

/// The letters and digits at `at`: where they end, and what they are if they can be part of a run.
fn group(text: &str, at: usize) -> (usize, Option<Kind>) {
    let (mut end, mut count, mut digits, mut like_digits) = (at, 0, 0, 0);
    for c in text[at..].chars().take_while(|c| c.is_alphanumeric()) {
        end += c.len_utf8();
        count += 1;
        digits += usize::from(is_digit(c));
        like_digits += usize::from(matches!(c, 'O' | 'o' | 'I' | 'l'));
    }
    let word = &text[at..end];
    let kind = match (count, digits) {
        _ if count > LONGEST_GROUP => None,
        (count, digits) if count == digits => Some(Kind::Digits),
        (1, _) => Some(Kind::Letter),
        (_, 1..) => Some(Kind::Mixed),
        _ if count <= 3 && count == like_digits => Some(Kind::Mixed),
        _ if is_pair(word.as_bytes()) => Some(Kind::Pair),
        _ if count <= 4 && KEY.iter().chain(&OFFICE).any(|known| is_word(word, known)) => Some(Kind::Announces),
        _ => None,
    };
    (end, kind)
}

pub(super) fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || !c.is_ascii() && c.is_numeric()
}

/// Are they the same but for case?
pub(super) fn is_word(written: &str, known: &str) -> bool {
    written.chars().flat_map(char::to_lowercase).eq(known.chars())
}

fn is_pair(octets: &[u8]) -> bool {
    octets.len() == 2 && octets.iter().all(u8::is_ascii_uppercase)
}

impl Group {
    pub fn of<'x>(&self, text: &'x str) -> &'x str {
        &text[self.start..self.end]
    }

    /// One letter or digit.
    pub fn is_single(&self, text: &str) -> bool {
        self.of(text).chars().nth(1).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(text: &str) -> Vec<String> {
        let mut runs = Vec::new();
        each_run(text, |run| runs.push(run.iter().map(|group| group.of(text)).collect::<Vec<_>>().join("+")));
        runs
    }

    #[test]
    fn groups_with_only_signs_between_are_one_run() {
        for (text, wanted) in [
            ("numéro (1) (85) (05) de", vec!["1+85+05"]),
            ("D I F F U S I O N   R E", vec!["D+I+F+F+U+S+I+O+N+R+E"]),
            ("T R È S   S E C R E T", vec!["T+R+È+S+S+E+C+R+E+T"]),
            ("É T A T", vec!["É+T+A+T"]),
            ("D·I·F•F", vec!["D+I+F+F"]),
            ("1\u{a0}85\u{202f}05", vec!["1+85+05"]),
            ("FR_76_3000", vec!["FR+76+3000"]),
            ("> FR76 3000\n> > 6000", vec!["FR76+3000+6000"]),
            ("084 (clé 91)", vec!["084+clé+91"]),
            ("la clé 91 et 12", vec![]),
            ("l 85 O5 OO6", vec!["l+85+O5+OO6"]),
            ("l’été à 8 h", vec!["à+8+h"]),
            ("Bonjour à tous, à mardi.", vec![]),
            ("12 ............ 34", vec![]),
            ("数1 85", vec!["数1+85"]),
            ("", vec![]),
        ] {
            assert_eq!(runs(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_long_run_is_looked_at_in_pieces_that_overlap() {
        let text = "12 ".repeat(10_000);
        let mut lengths = Vec::new();
        each_run(&text, |run| lengths.push(run.len()));
        assert!(lengths.iter().all(|length| *length <= LONGEST_RUN), "{lengths:?}");
        assert_eq!(lengths.iter().sum::<usize>(), 10_000 + (lengths.len() - 1) * SHARED);
    }
}
