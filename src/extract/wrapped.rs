//! Turns numbers that go on in the next line, behind a mark of quotation, a bullet or an indentation, into numbers on one line.

use super::apart::Second;

/// Lines over which one number goes on, and octets of them.
const LINES: usize = 40;
const OCTETS: usize = 400;

/// One pass over the ends of lines; words, which most lines end and begin with, are passed over at once.
pub(super) fn continued(text: &str, second: &mut Second) {
    let octets = text.as_bytes();
    let mut read = 0;
    for end in memchr::memchr_iter(b'\n', octets) {
        if end < read || second.full || !ends_with_number(octets, end) {
            continue;
        }
        let Some(first) = next_line(text, end) else { continue };
        if first.marked || first.indented {
            read = chain(text, end, second);
        } else {
            cut_in_two(text, end, second);
        }
    }
}

/// A line that goes on with a number: where its content begins.
struct Line {
    content: usize,
    end: usize,
    marked: bool,
    indented: bool,
}

/// Is the last word before the line's end at `end` a number?
fn ends_with_number(octets: &[u8], end: usize) -> bool {
    let line = octets[..end].trim_ascii_end();
    let Some(last) = line.last() else { return false };
    // `3M02`: groups of accounts end with letters too.
    last.is_ascii_digit() || last.is_ascii_uppercase() && line.len() > 1 && line[line.len() - 2].is_ascii_digit()
}

/// The line behind the line's end at `end`, if it begins with a digit behind its marks.
fn next_line(text: &str, end: usize) -> Option<Line> {
    let octets = text.as_bytes();
    let start = end + 1;
    if start >= octets.len() {
        return None;
    }
    let content = content_of(text, start);
    let stop = memchr::memchr(b'\n', &octets[content..]).map_or(octets.len(), |n| content + n);
    let begins = octets.get(content).is_some_and(u8::is_ascii_digit) && content < stop;
    let marked = octets[start..content].iter().any(|octet| !octet.is_ascii_whitespace());
    begins.then_some(Line { content, end: stop, marked, indented: content > start })
}

/// Where a line's content begins behind quotation marks, bullets and numbers of a list.
fn content_of(text: &str, start: usize) -> usize {
    let rest = &text[start..];
    let content = rest.trim_start_matches(|c: char| {
        matches!(
            c,
            ' ' | '\t'
                | '>'
                | '|'
                | '-'
                | '*'
                | '+'
                | '•'
                | '·'
                | '–'
                | '—'
                | '‣'
                | '◦'
                | '▪'
                | '●'
                | '■'
                | '→'
                | '\u{a0}'
                | '#'
                | ':'
        )
    });
    let digits = content.bytes().take_while(u8::is_ascii_digit).count();
    let numbered = (1..=2).contains(&digits) && content[digits..].starts_with([')', '.']);
    let content = match content.get(digits + 1..).filter(|rest| numbered && rest.starts_with(' ')) {
        Some(rest) => rest.trim_start_matches(' '),
        None => content,
    };
    text.len() - content.len()
}

/// Joins the lines from the one that ends at `end` on; returns where to go on.
fn chain(text: &str, end: usize, second: &mut Second) -> usize {
    let octets = text.as_bytes();
    let line = memchr::memrchr(b'\n', &octets[..end]).map_or(0, |n| n + 1);
    let mut start = content_of(text, line).min(end).max(end.saturating_sub(OCTETS));
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let mut pieces = vec![text[start..end].trim_end()];
    let mut last = end;
    while let Some(next) = next_line(text, last)
        && (next.marked || next.indented)
        && pieces.len() < LINES
        && next.end - start < OCTETS
    {
        pieces.push(text[next.content..next.end].trim_end());
        last = next.end;
        if !ends_with_number(octets, next.end) {
            break;
        }
    }
    if pieces.len() > 1 {
        second.tell(start, last, &pieces.join(" "));
        // Cut in the midst of a group.
        let long = |piece: &str| piece.bytes().rev().take_while(u8::is_ascii_digit).count() >= 5;
        if pieces.iter().rev().skip(1).all(|piece| long(piece)) {
            second.tell_again(start, last, &pieces.concat());
        }
    }
    last.max(end + 1)
}

/// `1850578006` and `08491` on the next line, and no such numbers on the lines around: a list of numbers is none.
fn cut_in_two(text: &str, end: usize, second: &mut Second) {
    let octets = text.as_bytes();
    let before = octets[..end].trim_ascii_end();
    let digits = |octets: &mut dyn Iterator<Item = &u8>| octets.take_while(|octet| octet.is_ascii_digit()).count();
    let (head, tail) = (digits(&mut before.iter().rev()), digits(&mut octets[end + 1..].iter()));
    if head < 4 || !(13..=19).contains(&(head + tail)) || head == tail {
        return;
    }
    let (from, to) = (before.len() - head, end + 1 + tail);
    let alone = |octet: Option<&u8>| octet.is_none_or(|octet| !octet.is_ascii_alphanumeric());
    let line = memchr::memrchr(b'\n', &octets[..end]).map_or(0, |n| n + 1);
    let after = memchr::memchr(b'\n', &octets[to..]).map_or(octets.len(), |n| to + n + 1);
    let listed = line > 0 && ends_with_number(octets, line - 1) || octets.get(after).is_some_and(u8::is_ascii_digit);
    if !listed && alone(from.checked_sub(1).and_then(|n| octets.get(n))) && alone(octets.get(to)) {
        second.tell(from, to, &[&text[from..before.len()], &text[end + 1..to]].concat());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let mut second = Second::of(text);
        continued(text, &mut second);
        second.into_text().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_number_goes_on_behind_the_marks_of_the_next_lines() {
        for (text, wanted) in [
            ("> secu 1 85 05\n> 78 006", vec!["> secu 1 85 05 78 006"]),
            ("> > 1 85 05\r\n> > 78 006\r\n> > 084 91", vec!["> > 1 85 05 78 006 084 91"]),
            ("nir :\n- 1 85 05\n- 78 006 084 91\n- fin", vec!["nir :\n- 1 85 05 78 006 084 91"]),
            ("1. 1 85 05\n2. 78 006 084 91", vec!["1. 1 85 05 78 006 084 91"]),
            ("• FR14 2004 1010 0505 0001 3M\n• 02 606", vec!["• FR14 2004 1010 0505 0001 3M 02 606"]),
            ("  1 85 05 78\n  006 084 91", vec!["  1 85 05 78 006 084 91"]),
            ("> 1850578006\n> 08491 x", vec!["> 1850578006 08491 x", "> 185057800608491 x"]),
            ("nir 1850578006\n08491.", vec!["nir 185057800608491."]),
            ("1850578006\n08491\n12345", vec![]),
            ("12\n34", vec![]),
            ("- 12 pommes\n- 34 poires", vec![]),
            ("le 12\nau soir", vec![]),
        ] {
            let told = told(text).join("\n");
            assert_eq!(told, wanted.join("\n"), "{text:?}");
        }
    }
}
