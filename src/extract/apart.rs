//! Turns the runs of a text into the numbers and words that they spell: letters set apart, groups between odd signs, a key told in
//! words, an account cut into pieces, a number written backwards. What rules find anyway is not told again.

use super::runs::{Group, KEY, Kind, OFFICE, each_run, is_digit, is_word};

/// Letters from which on single letters are a word: `S E C R E T`.
const SPELT: usize = 6;
/// Letters or digits of the longest thing that is spelt: a stamp in four words.
const LONGEST_SPELT: usize = 80;
/// Digits of the identifiers that are looked for glued: a NIR without its key to the longest card.
const NUMBER: std::ops::RangeInclusive<usize> = 13..=19;
/// Letters and digits of an IBAN (ISO 13616).
const ACCOUNT: std::ops::RangeInclusive<usize> = 15..=34;
/// Octets of the words before a number, and behind it, that stay near it.
const BEFORE: usize = 120;
const AFTER: usize = 80;
/// A second reading costs no more than so many times its text; what costs more was made to cost it.
const MOST_TIMES: usize = 6;
const MOST_BESIDES: usize = 4_096;

/// The second reading of one text while it is put together.
pub(super) struct Second<'x> {
    text: &'x str,
    out: String,
    /// Up to where the text was told already: the words before the next number begin there.
    told: usize,
    pub full: bool,
}

impl<'x> Second<'x> {
    pub fn of(text: &'x str) -> Second<'x> {
        Second { text, out: String::new(), told: 0, full: false }
    }

    pub fn into_text(self) -> String {
        self.out
    }

    /// A line of its own.
    pub fn line(&mut self, line: &str) {
        if self.out.len() + line.len() > self.text.len() * MOST_TIMES + MOST_BESIDES {
            self.full = true;
            return;
        }
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// What the text says when `value` stands from `start` to `end`, with the words around it: they may say what the number is, or
    /// is not.
    pub fn tell(&mut self, start: usize, end: usize, value: &str) {
        let from = start.saturating_sub(BEFORE);
        // What was told with the number before stands on the line above.
        let before = if from < self.told { &self.text[self.told.min(start)..start] } else { before(self.text, from, start) };
        self.line(&[before, value, after(self.text, end)].concat());
        self.told = end;
    }

    /// The same place read in another way, with the nearest words.
    pub fn tell_again(&mut self, start: usize, end: usize, value: &str) {
        let before = before(self.text, start.saturating_sub(BEFORE / 3), start);
        self.line(&[before, value, after(self.text, end)].concat());
        self.told = end;
    }
}

/// What all runs of the text spell; `tabular` when its tabs and lines are the cells of a table.
pub(super) fn set_apart(tabular: bool, second: &mut Second) {
    let text = second.text;
    each_run(text, |run| {
        if second.full {
            return;
        }
        let run = Run { text, groups: run };
        // Most runs are dates, amounts and telephones: one look tells that nothing is to be read in them.
        let has = |kind: Kind| run.groups.iter().any(|group| group.kind == kind);
        let (mixed, odd) = (has(Kind::Mixed), (1..run.groups.len()).any(|n| run.gap(n - 1) != Gap::Expected));
        if run.groups.iter().filter(|group| group.end - group.start <= 4 && group.is_single(text)).count() >= SPELT {
            run.spelt(second);
        }
        if odd {
            run.numbers(tabular, second);
        }
        if mixed {
            run.glued(second);
        }
        if odd && (mixed || has(Kind::Pair)) {
            run.accounts(second);
        }
        if has(Kind::Announces) {
            run.announced(second);
        }
        if mixed || run.groups.len() >= 7 || run.groups.iter().any(|group| group.end - group.start >= 15) {
            run.backwards(second);
        }
        if mixed || has(Kind::Letter) {
            run.letters_for_digits(second);
        }
    });
}

#[derive(Clone, Copy)]
struct Run<'x> {
    text: &'x str,
    groups: &'x [Group],
}

/// What stands between two groups.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// What rules expect between groups anyway (RULES.md, `shape`).
    Expected,
    /// Signs of which any may stand between the groups of one number.
    Odd,
    /// Signs that make lists, amounts and times; the end of a line or cell.
    Listing,
}

impl<'x> Run<'x> {
    fn gap_text(&self, before: usize) -> &'x str {
        &self.text[self.groups[before].end..self.groups[before + 1].start]
    }

    fn gap(&self, before: usize) -> Gap {
        gap(self.gap_text(before))
    }

    fn part(&self, from: usize, to: usize) -> Run<'x> {
        Run { text: self.text, groups: &self.groups[from..to] }
    }

    fn joined(&self, with: &str) -> String {
        self.groups.iter().map(|group| group.of(self.text)).collect::<Vec<_>>().join(with)
    }

    /// Letters and digits.
    fn count(&self) -> usize {
        self.groups.iter().map(|group| count(group.of(self.text))).sum()
    }

    fn tell(&self, second: &mut Second, value: &str) {
        if let (Some(first), Some(last)) = (self.groups.first(), self.groups.last()) {
            second.tell(first.start, last.end, value);
        }
    }

    fn tell_again(&self, second: &mut Second, value: &str) {
        if let (Some(first), Some(last)) = (self.groups.first(), self.groups.last()) {
            second.tell_again(first.start, last.end, value);
        }
    }

    /// The longest parts all of whose groups are `of` a kind.
    fn parts(&self, of: impl Fn(&Group) -> bool) -> Vec<Run<'x>> {
        let mut parts = Vec::new();
        let mut from = None;
        for (n, group) in self.groups.iter().enumerate() {
            match (of(group), from) {
                (true, None) => from = Some(n),
                (false, Some(start)) => {
                    parts.push(self.part(start, n));
                    from = None;
                }
                _ => {}
            }
        }
        parts.extend(from.map(|start| self.part(start, self.groups.len())));
        parts
    }

    /// `D I F F U S I O N   R E S T R E I N T E`, `F R 7 6  3 0 0 0`: wider gaps part words, or mean nothing.
    fn spelt(&self, second: &mut Second) {
        for part in self.parts(|group| group.is_single(self.text)) {
            for piece in part.groups.chunks(LONGEST_SPELT).filter(|piece| piece.len() >= SPELT) {
                Run { text: self.text, groups: piece }.spelt_piece(second);
            }
        }
    }

    fn spelt_piece(&self, second: &mut Second) {
        let gaps = || (0..self.groups.len() - 1).map(|n| self.gap_text(n));
        let narrow = gaps().min_by_key(|gap| gap.chars().count()).unwrap_or("");
        let wider = gaps().filter(|gap| *gap != narrow).count();
        // Single letters in a formula or a list have all kinds of signs between.
        if wider * 2 > self.groups.len() {
            return;
        }
        // `0.2, 0.4, 0.4`: between the groups of a number spelt in digits there are blanks, or more of the same sign.
        let only_digits = self.groups.iter().all(|group| group.kind == Kind::Digits);
        if only_digits && gaps().any(|gap| !gap.chars().all(|c| c.is_whitespace() || narrow.contains(c))) {
            return;
        }
        let (mut glued, mut words) = (String::new(), String::new());
        for (n, group) in self.groups.iter().enumerate() {
            glued.push_str(group.of(self.text));
            words.push_str(group.of(self.text));
            if n + 1 < self.groups.len() && self.gap_text(n) != narrow {
                // `T L P : R E D` keeps its colon.
                words.push_str(if self.gap_text(n).contains(':') { ":" } else { " " });
            }
        }
        self.tell(second, &glued);
        if wider > 0 {
            self.tell_again(second, &words);
        }
        // `I B A N F R 7 6 3 0 …`: nobody left a wider gap before the number.
        let digits = glued.bytes().position(|octet| octet.is_ascii_digit());
        if let Some(letters) = digits.filter(|letters| *letters >= 3 && glued.len() >= letters + 8 && glued.is_ascii()) {
            let (word, number) = glued.split_at(letters);
            self.tell_again(second, &format!("{word} {number}"));
            let (word, number) = glued.split_at(letters - 2);
            self.tell_again(second, &format!("{word} {number}"));
        }
    }

    /// `(1) (85) (05)`, `1_85_05`: groups of digits between signs that no rule expects.
    fn numbers(&self, tabular: bool, second: &mut Second) {
        let numeric = |group: &Group| match group.kind {
            Kind::Digits => true,
            // Corsica.
            Kind::Mixed => matches!(group.of(self.text), "2A" | "2B" | "2a" | "2b"),
            _ => false,
        };
        for part in self.parts(numeric).into_iter().filter(|part| part.groups.len() > 1) {
            let mut from = 0;
            for n in 0..part.groups.len() {
                let ends = n + 1 == part.groups.len() || part.gap(n) == Gap::Listing;
                if ends {
                    part.part(from, n + 1).number_between_signs(second);
                    from = n + 1;
                }
            }
            if tabular {
                part.rows(second);
            } else {
                part.number_in_a_list(second);
            }
        }
    }

    /// All gaps are expected or odd, and one is odd.
    fn number_between_signs(&self, second: &mut Second) {
        let gaps = || (0..self.groups.len() - 1).map(|n| self.gap(n));
        if self.groups.len() < 2 || self.groups.len() > 40 || !gaps().any(|gap| gap == Gap::Odd) {
            return;
        }
        // `+33 (0)1 99 00 12 34`.
        let trunk = |n: &usize| self.groups[*n].of(self.text) == "0" && self.gap_text(n - 1).ends_with('(');
        if (1..self.groups.len()).any(|n| trunk(&n)) {
            return;
        }
        let count = self.count();
        if NUMBER.contains(&count) {
            // With a card's number the day it expires.
            self.tell(second, &format!("{} | {}", self.joined(""), self.joined(" ")));
        } else if count > *NUMBER.end() {
            // A card and the day it expires, two cells of a line drawn with bars: rules look at each group's beginning.
            self.tell(second, &self.joined(" "));
        } else if (7..13).contains(&count) && (1..self.groups.len()).all(|n| self.gap_text(n - 1).contains(['_', '|'])) {
            self.tell(second, &self.joined(" "));
        }
    }

    /// The same sign between all groups, be it a comma or a line's end with a bullet. A list may be longer than the number in it: it is
    /// looked for at the end.
    fn number_in_a_list(&self, second: &mut Second) {
        let mut from = 0;
        for n in 1..self.groups.len() {
            let last = n + 1 == self.groups.len();
            let goes_on = !last && self.gap_text(n) == self.gap_text(n - 1);
            if goes_on {
                continue;
            }
            let gap = self.gap_text(n - 1);
            let listed = matches!(self::gap(gap), Gap::Listing) || self.part(from, n + 1).count() > *NUMBER.end();
            if listed && !is_expected(gap) {
                self.part(from, n + 1).tail(second);
            }
            // The group between two kinds of signs may belong to either.
            from = n;
        }
    }

    fn tail(&self, second: &mut Second) {
        let mut length = 0;
        let counts = self.groups.iter().enumerate().rev().map(|(n, group)| {
            length += count(group.of(self.text));
            (n, length)
        });
        let longest =
            counts.take_while(|(_, length)| length <= NUMBER.end()).filter(|(_, length)| NUMBER.contains(length)).last();
        if let Some((from, _)) = longest.filter(|(from, _)| self.groups.len() - from >= 3) {
            let tail = self.part(from, self.groups.len());
            tail.tell(second, &tail.joined(""));
        }
    }

    /// A cell for each group, grouped as no rule expects.
    fn rows(&self, second: &mut Second) {
        let mut from = 0;
        for n in 0..self.groups.len() {
            if n + 1 == self.groups.len() || self.gap_text(n).contains('\n') {
                self.part(from, n + 1).row(second);
                from = n + 1;
            }
        }
    }

    fn row(&self, second: &mut Second) {
        let lengths: Vec<usize> = self.groups.iter().take(41).map(|group| group.end - group.start).collect();
        let nought = |group: &Group| group.end - group.start > 1 && group.of(self.text).starts_with('0');
        // SIREN and NIC.
        for n in 1..lengths.len() {
            if lengths[n - 1..=n] == [9, 5] && nought(&self.groups[n]) {
                self.part(n - 1, n + 1).tell(second, &self.part(n - 1, n + 1).joined(" "));
            }
        }
        let count = lengths.iter().sum::<usize>();
        if lengths.len() < 3
            || lengths.len() > 40
            || self.text[self.groups[0].start..self.groups[lengths.len() - 1].end].contains([',', ';', '.'])
        {
            return;
        }
        // The noughts that a spreadsheet takes from a NIR's groups.
        const WIDTHS: [usize; 7] = [1, 2, 2, 2, 3, 3, 2];
        if lengths.len() == WIDTHS.len() && count < 15 && lengths.iter().zip(WIDTHS).all(|(length, width)| *length <= width) {
            let padded = self.groups.iter().zip(WIDTHS).map(|(group, width)| format!("{:0>width$}", group.of(self.text)));
            self.tell(second, &oddly(&padded.collect::<String>()));
        } else if NUMBER.contains(&count) {
            let glued = self.joined("");
            // A row of counts has no noughts before them: without any it takes a word that names the number.
            let value = if self.groups.iter().any(nought) { glued } else { oddly(&glued) };
            self.tell(second, &value);
        }
    }

    /// `nir185057800608491`: no rule looks inside of words.
    fn glued(&self, second: &mut Second) {
        for group in self.groups.iter().filter(|group| group.kind == Kind::Mixed && group.end - group.start >= 15) {
            let written = group.of(self.text);
            let letters = written.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (word, number) = written.split_at(letters);
            if letters >= 2 && NUMBER.contains(&number.len()) && number.bytes().all(|octet| octet.is_ascii_digit()) {
                second.tell(group.start, group.end, &format!("{word} {}", oddly(number)));
            }
        }
    }

    /// `FR_76|3000 … 189`: an IBAN whose groups rules do not expect to stand so.
    fn accounts(&self, second: &mut Second) {
        let mut n = 0;
        while n < self.groups.len() {
            if !self.begins_account(n) {
                n += 1;
                continue;
            }
            let (mut to, mut length, mut odd) = (n + 1, count(self.groups[n].of(self.text)), false);
            while to < self.groups.len() && self.groups[to].kind != Kind::Announces {
                let longer = length + count(self.groups[to].of(self.text));
                if longer > *ACCOUNT.end() {
                    break;
                }
                odd |= !self.gap_text(to - 1).bytes().all(|octet| matches!(octet, b' ' | b'.' | b'/' | b'-'));
                length = longer;
                to += 1;
            }
            let account = self.part(n, to);
            if odd && ACCOUNT.contains(&length) && account.groups.iter().filter(|group| group.is_single(self.text)).count() < 8
            {
                account.tell(second, &account.joined(" "));
            }
            n = to;
        }
    }

    fn begins_account(&self, n: usize) -> bool {
        let octets = self.groups[n].of(self.text).as_bytes();
        match self.groups[n].kind {
            Kind::Mixed => {
                octets.len() >= 4
                    && octets[..2].iter().all(u8::is_ascii_alphabetic)
                    && octets[2..4].iter().all(u8::is_ascii_digit)
            }
            Kind::Pair => self.groups.get(n + 1).is_some_and(|next| next.kind == Kind::Digits && next.end - next.start >= 2),
            _ => false,
        }
    }

    /// `1 85 05 78 006 084 (clé 91)`, `732 829 320, NIC 00074`: a word before the last group.
    fn announced(&self, second: &mut Second) {
        for n in 1..self.groups.len().saturating_sub(1) {
            let (word, last) = (self.groups[n], self.groups[n + 1]);
            if word.kind != Kind::Announces || last.kind != Kind::Digits {
                continue;
            }
            let (whole, end) = if OFFICE.iter().any(|known| is_word(word.of(self.text), known)) { (9, 5) } else { (13, 2) };
            debug_assert!(KEY.iter().chain(&OFFICE).any(|known| is_word(word.of(self.text), known)));
            if count(last.of(self.text)) != end {
                continue;
            }
            let mut length = 0;
            let before = self.groups[..n].iter().enumerate().rev().map(|(at, group)| {
                length += count(group.of(self.text));
                (at, length)
            });
            let from = before.take_while(|(_, length)| *length <= whole).find(|(_, length)| *length == whole);
            if let Some((from, _)) = from {
                let value = format!("{} {}", self.part(from, n).joined(" "), last.of(self.text));
                self.part(from, n + 2).tell(second, &value);
            }
        }
    }

    /// `19 480 600 87 50 58 1`: fifteen digits or an IBAN from the last to the first.
    fn backwards(&self, second: &mut Second) {
        for n in 0..self.groups.len() {
            let octets = self.groups[n].of(self.text).as_bytes();
            // `67RF`: where an IBAN ends that begins here.
            let account = self.groups[n].kind == Kind::Mixed && octets.len() >= 4 && {
                let (digits, letters) = octets[octets.len() - 4..].split_at(2);
                digits.iter().all(u8::is_ascii_digit) && letters.iter().all(u8::is_ascii_alphabetic)
            };
            if account {
                let from = (0..n).rev().take(ACCOUNT.end() / 2).take_while(|before| self.gap(*before) == Gap::Expected).last();
                self.part(from.unwrap_or(n), n + 1).turned(second, &ACCOUNT);
            }
        }
        for part in self.parts(|group| group.kind == Kind::Digits) {
            let lengths: Vec<usize> = part.groups.iter().take(8).map(|group| count(group.of(self.text))).collect();
            // As a NIR is written, or all in one.
            let grouped = lengths == [2, 3, 3, 2, 2, 2, 1] && (0..6).all(|n| part.gap(n) == Gap::Expected);
            if grouped || lengths == [15] {
                part.turned(second, &(15..=15));
            }
        }
    }

    fn turned(&self, second: &mut Second, lengths: &std::ops::RangeInclusive<usize>) {
        if lengths.contains(&self.count()) {
            let turned: String = self.joined(" ").chars().rev().collect();
            self.tell_again(second, &turned);
        }
    }

    /// `l 85 O5`: letters in the place of the digits that they look like. Only among groups of digits: a word stays a word, for it may
    /// be the very one that casts doubt on the number behind it ("IMEI 1 79 11").
    fn letters_for_digits(&self, second: &mut Second) {
        let like = |group: &Group| {
            let written = group.of(self.text);
            let one_letter = || written.bytes().all(|octet| octet.eq_ignore_ascii_case(&written.as_bytes()[0]));
            written.chars().all(|c| digit_like(c).is_some()) && (written.chars().any(is_digit) || one_letter())
        };
        for part in self.parts(like) {
            let mut from = 0;
            for n in 0..part.groups.len() {
                if n + 1 < part.groups.len() && part.gap(n) != Gap::Listing {
                    continue;
                }
                let piece = part.part(from, n + 1);
                from = n + 1;
                let (count, joined) = (piece.count(), piece.joined(" "));
                let digits = joined.bytes().filter(u8::is_ascii_digit).count();
                if NUMBER.contains(&count) && digits < count && digits * 10 >= count * 6 {
                    let value: String = joined.chars().map(|c| digit_like(c).unwrap_or(c)).collect();
                    piece.tell_again(second, &value);
                }
            }
        }
    }
}

fn count(written: &str) -> usize {
    if written.is_ascii() { written.len() } else { written.chars().count() }
}

/// In groups in which nobody writes a number: rules then believe it only beside a word that names it (RULES.md, `shape`).
fn oddly(digits: &str) -> String {
    let groups: Vec<&str> = (0..digits.len()).step_by(5).map(|at| &digits[at..(at + 5).min(digits.len())]).collect();
    groups.join(" ")
}

fn digit_like(c: char) -> Option<char> {
    match c {
        'O' | 'o' => Some('0'),
        'I' | 'l' => Some('1'),
        c if c.is_ascii_digit() => Some(c),
        _ => None,
    }
}

fn is_expected(gap: &str) -> bool {
    matches!(gap, " " | "-" | "." | "/")
        || !gap.is_empty() && gap.chars().all(|c| c.is_whitespace() && !matches!(c, '\n' | '\r' | '\t'))
}

fn gap(signs: &str) -> Gap {
    if is_expected(signs) {
        return Gap::Expected;
    }
    let odd = |c: char| {
        c == ' '
            || matches!(
                c,
                '_' | '|'
                    | '/'
                    | '\\'
                    | '*'
                    | '~'
                    | '#'
                    | '('
                    | ')'
                    | '['
                    | ']'
                    | '{'
                    | '}'
                    | '<'
                    | '>'
                    | '-'
                    | '.'
                    | '"'
                    | '\''
                    | '^'
            )
            || !c.is_ascii() && !c.is_control()
    };
    // `2. 1783401823213 3. questions`.
    let numbers_a_list = signs.starts_with('.') && signs.ends_with(' ');
    if signs.chars().all(odd) && !numbers_a_list { Gap::Odd } else { Gap::Listing }
}

/// What stands before a place, cut between words and not within a number.
fn before(text: &str, from: usize, at: usize) -> &str {
    let from = floor(text, from);
    let words = &text[from..at];
    if from == 0 {
        return words;
    }
    let whole = words.find(char::is_whitespace).map_or("", |n| &words[n..]);
    whole.trim_start_matches(|c: char| !c.is_alphabetic())
}

/// The rest of the line behind a place, cut in the same way.
fn after(text: &str, at: usize) -> &str {
    let to = floor(text, (at + AFTER).min(text.len()));
    let words = text[at..to].lines().next().unwrap_or("");
    if at + words.len() < to || to == text.len() {
        return words;
    }
    let whole = words.rfind(char::is_whitespace).map_or("", |n| &words[..n]);
    whole.trim_end_matches(|c: char| !c.is_alphabetic())
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, tabular: bool) -> Vec<String> {
        let mut second = Second::of(text);
        set_apart(tabular, &mut second);
        assert!(!second.full);
        second.into_text().lines().map(str::to_owned).collect()
    }

    #[test]
    fn cells_of_a_row_are_a_number_where_noughts_begin_them() {
        for (row, wanted) in [
            ("sécu\t18505\t7800\t0608\t491\nx\t1\t2", "sécu\t1850578000608491\t"),
            ("sécu\t18505\t7800\t6084\t91", "sécu\t18505 78006 08491"),
            ("NIR\t1\t85\t5\t78\t6\t84\t91", "NIR\t18505 78006 08491"),
            ("Exemple\t732829320\t00074\tParis", "Exemple\t732829320 00074\tParis"),
        ] {
            assert_eq!(told(row, true), [wanted.trim_end()], "{row:?}");
        }
        assert_eq!(told("Nord\t12\t345\t6789", true), Vec::<String>::new());
        assert_eq!(told("IBAN\tFR76\t3000\t6000\t0112\t3456\t7890\t189", true), ["IBAN\tFR76 3000 6000 0112 3456 7890 189"]);
    }

    #[test]
    fn what_was_taken_apart_is_put_together() {
        for (text, inside) in [
            ("sécu (1) (85) (05) (78) (006) (084) (91)", "sécu (185057800608491"),
            ("sécu 1_85_05_78_006_084_91.", "sécu 185057800608491 | 1 85 05 78 006 084 91."),
            ("1|85|05|78|006|084|91", "185057800608491"),
            ("1.85-05/78_006 084|91", "185057800608491"),
            ("1 85 05 78 006 084 / 91", "185057800608491"),
            ("1 85 05 2A 006 084 (91)", "185052A00608491"),
            ("1 85 05 78 006 084 (clé 91)", "1 85 05 78 006 084 91)"),
            ("1850578006084 Clé : 91", "1850578006084 91"),
            ("SIREN 732 829 320, NIC 00074", "SIREN 732 829 320 00074"),
            ("SIREN 732829320 (NIC 00074)", "732829320 00074)"),
            ("siren 732_829_320 ok", "siren 732 829 320 ok"),
            ("F R 7 6  3 0 0 0  6 0 0 0", "FR7630006000"),
            ("I B A N F R 7 6 3 0 0 0 6 0", "IBAN FR76300060"),
            ("N I R 1 8 5 0 5 7 8 0", "NIR 18505780"),
            ("D I F F U S I O N   R E S T R E I N T E", "DIFFUSION RESTREINTE"),
            ("D.I.F.F.U.S.I.O.N R.E.S.T.R.E.I.N.T.E", "DIFFUSION RESTREINTE"),
            ("T R È S   S E C R E T", "TRÈS SECRET"),
            ("S\nE\nC\nR\nE\nT", "SECRET"),
            ("T L P : R E D", "TLP:RED"),
            ("FR76_3000_6000_0112_3456_7890_189", "FR76 3000 6000 0112 3456 7890 189"),
            ("FR|76|3000|6000|0112|3456|7890|189", "FR 76 3000 6000 0112 3456 7890 189"),
            ("FR76 3000\n> 6000 0112\n> 3456 7890 189", "FR76 3000 6000 0112 3456 7890 189"),
            ("• 1\n• 85\n• 05\n• 78\n• 006\n• 084\n• 91", "185057800608491"),
            ("nir 19 480 600 87 50 58 1 fin", "nir 1 85 05 78 006 084 91 fin"),
            ("981 0987 6543 2110 0006 0003 67RF", "FR76 3000 6000 0112 3456 7890 189"),
            ("nir185057800608491", "nir 18505 78006 08491"),
            ("carte|5555|5555|5555|4444|12/27", "carte|5555 5555 5555 4444 12 27"),
            ("nir l 85 O5 78 OO6 O84 9l", "nir 1 85 05 78 006 084 91"),
            ("Il dit I85O578OO6O849l.", "Il dit 185057800608491."),
            (&format!("{}1;85;05;78;006;084;91", "5;123456;".repeat(40)), "185057800608491"),
            (&format!("{}1;85;05;78;006;084;91", "5;123456;".repeat(9_000)), "185057800608491"),
        ] {
            let told = told(text, false);
            assert!(told.iter().any(|line| line.contains(inside)), "{text:.80?}: {told:.200?}");
        }
    }

    #[test]
    fn ordinary_text_is_not_told_again() {
        for text in [
            "Bonjour, à mardi 14 h 30.",
            "Tél. 01 99 00 12 34 ou +33 6 39 98 12 34",
            "1 850 578,00 ; 6 084 910,00",
            "a b c d",
            "1 85 05 78 006 084 91",
            "FR76 3000 6000 0112 3456 7890 189 BIC AGRIFRPP",
            "2026-11-21T10:00:00Z",
            "21/11/2026 14:30",
            "IMEI 1 79 11 51 017 099 62",
            "+33 (0)1 99 00 12 34 ou 0033 (0)1 99 00 12 34",
            "la clé 91 est sous le paillasson 12",
            "x = 3 + 4, y = 5",
            "hsv(0.2, 0.4, 0.4) (0.5, 0.5, 0.4)",
            "1. procès-verbal 2. 1783401823213 3. questions",
        ] {
            assert_eq!(told(text, false), Vec::<String>::new(), "{text:?}");
        }
    }

    #[test]
    fn a_text_made_of_runs_costs_no_more_than_its_length() {
        for piece in
            ["(1) (85) (05) (78) (006) (084) (91) x ", "1_85_05_78_006_084_91 ", "D I F F U S I O N x ", "1 ", "67RF 1 "]
        {
            let text = piece.repeat(20_000);
            let mut second = Second::of(&text);
            set_apart(false, &mut second);
            assert!(second.out.len() <= text.len() * MOST_TIMES + MOST_BESIDES, "{piece}");
        }
    }
}
