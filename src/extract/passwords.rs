//! Turns what a message tells into the passwords that its locked attachments are tried with.
//!
//! People write "le mot de passe est …" beside the archive it opens. Whoever receives both can read the archive, so it is read here too.

use super::reading::Reading;
use super::*;
use std::collections::HashSet;

/// Different passwords tried on one message.
const CANDIDATES: usize = 100;
/// Octets of one text, and of all texts, that are looked through.
const LOOK_IN_TEXT: usize = 64 << 10;
const LOOK: usize = 256 << 10;
/// Characters of a password.
const SHORTEST: usize = 3;
const LONGEST: usize = 80;
/// Words that announce a password, folded to lower case without accents.
const MARKS: [&str; 24] = [
    "mot de passe",
    "mots de passe",
    "mot-de-passe",
    "motdepasse",
    "mdp",
    "password",
    "passwort",
    "passwd",
    "pwd",
    "pass",
    "passphrase",
    "phrase de passe",
    "phrase secrete",
    "code",
    "codes",
    "cle",
    "clef",
    "key",
    "pin",
    "secret",
    "contrasena",
    "wachtwoord",
    "kennwort",
    "parola",
];
/// Words between the announcement and the password.
const BETWEEN: [&str; 40] = [
    "est",
    "sera",
    "is",
    "will",
    "be",
    "ist",
    "es",
    "le",
    "la",
    "les",
    "the",
    "du",
    "de",
    "des",
    "d",
    "l",
    "of",
    "for",
    "pour",
    "fichier",
    "file",
    "zip",
    "archive",
    "document",
    "piece",
    "jointe",
    "suivant",
    "suivante",
    "following",
    "as",
    "comme",
    "suit",
    "a",
    "ouvrir",
    "open",
    "to",
    "donc",
    "ci-dessous",
    "below",
    "this",
];

/// What was gathered, and what opened something before.
#[derive(Default)]
pub(super) struct Passwords {
    gathered_from: usize,
    candidates: Vec<String>,
    opened: Vec<String>,
    /// By the message around it, when only a file of it is read here.
    told: Vec<String>,
}

impl Passwords {
    pub(super) fn told(told: Vec<String>) -> Passwords {
        Passwords { told, ..Passwords::default() }
    }
}

impl Reading {
    /// Tries what the message tells, the surest first; `cost` is what one attempt costs in blocks of a hash, counted against the
    /// budget. What opens one thing is tried first on the next. `place` is noted in [`Extracted::opened`].
    pub(super) fn open_with<T>(&mut self, place: &str, cost: u64, mut attempt: impl FnMut(&str) -> Option<T>) -> Option<T> {
        for candidate in self.candidates() {
            if !self.budget.effort(cost) {
                return None;
            }
            if let Some(opened) = attempt(&candidate) {
                self.passwords.opened.retain(|known| *known != candidate);
                self.passwords.opened.insert(0, candidate);
                self.note_opened(place);
                return Some(opened);
            }
        }
        None
    }

    /// The surest first.
    pub(super) fn candidates(&mut self) -> Vec<String> {
        let texts = self.texts();
        if texts.len() != self.passwords.gathered_from {
            let kinds = [TextKind::Body, TextKind::Header, TextKind::Attachment, TextKind::Alternative];
            let of_kind = |kind| texts.iter().filter(move |text| text.kind == kind);
            let mut left = LOOK;
            let mut looked: Vec<&str> = Vec::new();
            for text in kinds.into_iter().flat_map(of_kind) {
                let mut end = text.content.len().min(LOOK_IN_TEXT).min(left);
                while !text.content.is_char_boundary(end) {
                    end -= 1;
                }
                left -= end;
                looked.push(&text.content[..end]);
            }
            let (gathered_from, candidates) = (texts.len(), gather(&looked));
            self.passwords.gathered_from = gathered_from;
            self.passwords.candidates = candidates;
        }
        let Passwords { opened, told, candidates, .. } = &self.passwords;
        let mut seen = HashSet::new();
        let all = opened.iter().chain(told).chain(candidates).filter(|candidate| seen.insert(candidate.as_str()));
        all.take(CANDIDATES).cloned().collect()
    }
}

/// The surest first: what stands behind an announcement, then the last lines, then all that looks drawn by lot.
fn gather(texts: &[&str]) -> Vec<String> {
    let mut found = Found::default();
    texts.iter().for_each(|text| announced(text, &mut found));
    for text in texts {
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
        found.with_variants(last);
        last.split_whitespace().next_back().into_iter().for_each(|word| found.with_variants(word));
    }
    for word in texts.iter().flat_map(|text| text.split_whitespace()) {
        if looks_drawn_by_lot(trimmed(word)) {
            found.with_variants(word);
        }
    }
    found.list
}

#[derive(Default)]
struct Found {
    seen: HashSet<String>,
    list: Vec<String>,
}

impl Found {
    fn add(&mut self, word: &str) {
        let length = word.chars().count();
        if (SHORTEST..=LONGEST).contains(&length) && self.list.len() < CANDIDATES && self.seen.insert(word.to_owned()) {
            self.list.push(word.to_owned());
        }
    }

    /// Without the signs of the sentence around it, and with them: `S3cret!` may or may not end in its sign.
    fn with_variants(&mut self, word: &str) {
        let bare = word.trim_matches(['"', '\'', '«', '»', '“', '”', '‘', '’', '`', '<', '>', '*', ' ', '\u{a0}', '\u{202f}']);
        let sentence = bare.trim_end_matches(['.', ',', ';', ':']);
        self.add(sentence);
        self.add(trimmed(word));
        self.add(bare);
    }
}

fn trimmed(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

/// What follows an announcement, on its line or on the next.
fn announced(text: &str, found: &mut Found) {
    let lines: Vec<&str> = text.lines().collect();
    for (n, line) in lines.iter().enumerate() {
        let folded = folded(line);
        let ends = MARKS.iter().flat_map(|mark| {
            let ends_word = |at: usize| !folded[at..].starts_with(|c: char| c.is_alphanumeric());
            let begins_word = |at: usize| !folded[..at].ends_with(|c: char| c.is_alphanumeric());
            folded
                .match_indices(mark)
                .map(|(at, mark)| (at, at + mark.len()))
                .filter(move |(at, end)| begins_word(*at) && ends_word(*end))
        });
        let mut ends: Vec<usize> = ends.map(|(_, end)| end).collect();
        ends.sort_unstable();
        ends.dedup();
        for end in ends {
            // Folding keeps one character for one, so a count of characters finds the place again.
            let skip = folded[..end].chars().count();
            let rest: String = line.chars().skip(skip).collect();
            let before = found.list.len();
            after_mark(&rest, found);
            if found.list.len() == before
                && let Some(next) = lines[n + 1..].iter().map(|line| line.trim()).find(|line| !line.is_empty())
            {
                found.with_variants(next);
                after_mark(next, found);
            }
        }
    }
}

fn after_mark(rest: &str, found: &mut Found) {
    // A quoted text is it, blanks and all.
    for (open, close) in [('"', '"'), ('«', '»'), ('“', '”'), ('\'', '\''), ('`', '`'), ('‘', '’')] {
        if let Some((_, inside)) = rest.split_once(open)
            && let Some((inside, _)) = inside.split_once(close)
        {
            found.add(inside.trim_matches([' ', '\u{a0}', '\u{202f}']));
        }
    }
    let after_sign = rest.split_once([':', '=', '→']).map(|(_, after)| after.trim());
    if let Some(after) = after_sign {
        after.split_whitespace().next().into_iter().for_each(|word| found.with_variants(word));
        found.with_variants(after);
    }
    let words = rest.split_whitespace().filter(|word| {
        let bare = folded(trimmed(word));
        !bare.is_empty() && !BETWEEN.contains(&bare.as_str())
    });
    words.take(3).for_each(|word| found.with_variants(word));
}

/// One lower-case letter without accent for each character.
fn folded(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    let fold = |c: char| std::iter::once(c).nfd().next().unwrap_or(c).to_lowercase().next().unwrap_or(c);
    text.chars().map(fold).collect()
}

/// At least two kinds of characters among letters and digits in the middle of a word, which is no address.
fn looks_drawn_by_lot(word: &str) -> bool {
    let has = |is: fn(&char) -> bool| word.chars().any(|c| is(&c));
    let kinds = [
        has(|c| c.is_lowercase()),
        word.chars().skip(1).any(char::is_uppercase),
        has(|c| c.is_ascii_digit()),
        has(|c| !c.is_alphanumeric()),
    ];
    let address = word.contains("://") || word.contains("www.") || (word.contains('@') && word.contains('.'));
    (6..=40).contains(&word.chars().count())
        && !address
        && word.chars().any(char::is_alphabetic)
        && kinds.into_iter().filter(|kind| *kind).count() >= 2
        && (kinds[1] || kinds[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_as_people_tell_it() {
        for (text, told) in [
            ("Le mot de passe est Soleil-2031.", "Soleil-2031"),
            ("mdp : tr0ub4dor", "tr0ub4dor"),
            ("MDP=abc", "abc"),
            ("Password: correct horse battery\nRegards", "correct horse battery"),
            ("Le mot de passe du fichier zip est « Deux Mots »", "Deux Mots"),
            ("Mot de passe :\n\n  Vh7!kk2p\nCordialement", "Vh7!kk2p"),
            ("le code pour ouvrir l'archive : 482913", "482913"),
            ("Bonjour,\nci-joint.\nJuin2031!", "Juin2031!"),
            ("Voici: pour l'ouvrir Azerty99 suffit", "Azerty99"),
            ("The password is: hunter2.", "hunter2"),
            ("clé : \"x y z\"", "x y z"),
            ("Mot de passe S3cret! à garder", "S3cret!"),
        ] {
            let found = gather(&[text]);
            assert!(found.iter().any(|one| one == told), "{text:?}: {found:?}");
        }
    }

    #[test]
    fn no_more_than_a_hundred_are_tried() {
        let many: String = (0..10_000).map(|n| format!("mdp{n}X ")).collect();
        assert_eq!(gather(&[&many]).len(), CANDIDATES);
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_looked_through(text in "(mot de passe|[éßİ:«» \\n]|code|\\PC){0,40}") {
            assert!(gather(&[&text]).len() <= CANDIDATES);
        }
    }
}
