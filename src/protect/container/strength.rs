//! Turns a password that people chose into a cautious estimate of its bits, or into what to write instead.
//!
//! Whoever has the file can try passwords as fast as they like. So everything that a guesser would try first counts for little: a run
//! of letters is a word of a list of 2,048, a run of digits a date, a repetition nothing. Only what no word can hide in, because letters, digits and
//! signs change all the time, counts as random.

use crate::mail::{Address, Language};
use std::collections::BTreeSet;

/// What a container's password must have.
pub const LEAST_BITS: u32 = 80;
/// A PDF's password ends after 127 octets (ISO 32000-2, 7.6.4.3.3).
const LONGEST: usize = 127;
/// A word of a list of 2,048.
const WORD: f64 = 11.0;
/// Letters of one word; what follows counts a little.
const WORD_LETTERS: usize = 7;

/// Why a password is not taken. Never holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weak {
    /// About so many bits.
    Bits(u32),
    /// Programs disagree about what octets accents and other signs are.
    NotAscii,
    TooLong,
    /// A blank at the beginning or end is lost when it is copied.
    Blank,
}

/// At least [`LEAST_BITS`] by [`bits`], and typed alike in every program.
pub fn check(text: &str, recipient: &Address) -> Result<(), Weak> {
    if text.len() > LONGEST {
        return Err(Weak::TooLong);
    }
    if !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err(Weak::NotAscii);
    }
    if text != text.trim() {
        return Err(Weak::Blank);
    }
    let bits = bits(text, recipient);
    if bits < LEAST_BITS { Err(Weak::Bits(bits)) } else { Ok(()) }
}

/// A cautious estimate; `text` is ASCII.
pub fn bits(text: &str, recipient: &Address) -> u32 {
    if_random(text).unwrap_or_default().max(if_words(text, recipient))
}

fn if_words(text: &str, recipient: &Address) -> u32 {
    let lower = text.to_ascii_lowercase();
    let known: Vec<String> = recipient
        .key()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| part.len() >= 3)
        .map(str::to_ascii_lowercase)
        .collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut sum = 0.0;
    for run in runs(&lower) {
        // What was said before, or stands in the address, tells nothing new.
        if (run.len() >= 3 && !seen.insert(run)) || known.iter().any(|part| part == run) {
            continue;
        }
        sum += of_run(run);
    }
    // A big letter at the beginning of a word is where everyone puts it; any other place counts one bit.
    let octets = text.as_bytes();
    let inside = |at: usize| octets[at].is_ascii_uppercase() && at > 0 && octets[at - 1].is_ascii_lowercase();
    sum += (0..octets.len()).filter(|&at| inside(at)).count().min(8) as f64;
    // Few different characters can only make few passwords.
    let different = lower.bytes().collect::<BTreeSet<u8>>().len();
    sum.min(text.len() as f64 * (different as f64).log2()) as u32
}

/// Characters below which nothing is taken for random, and different ones among them.
const RANDOM: usize = 12;
const RANDOM_DIFFERENT: usize = 10;
/// Letters that a word has at least, plainly written and with digits for letters.
const WORD_PLAIN: usize = 4;
const WORD_DISGUISED: usize = 10;

/// For what a machine may have drawn, `k7q2-9fmd-x3wa-htz8-c4rn`: each character counts in full, but for those that look like words and years.
/// `None` when letters, digits and signs change too rarely for that.
fn if_random(text: &str) -> Option<u32> {
    let mut dense: Vec<u8> = text.bytes().filter(|b| !b" -_.".contains(b)).collect();
    // What is written twice is worth once.
    let repeats = |period: usize| dense.iter().zip(&dense[period..]).all(|(a, b)| a.eq_ignore_ascii_case(b));
    if let Some(period) = (1..=dense.len() / 2).find(|&period| repeats(period)) {
        dense.truncate(period);
    }
    let has = |kind: fn(&u8) -> bool| dense.iter().any(kind);
    let both_cases = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let different = dense.iter().map(u8::to_ascii_lowercase).collect::<BTreeSet<u8>>().len();
    let class = |b: u8| (b.is_ascii_lowercase(), b.is_ascii_uppercase(), b.is_ascii_digit());
    let changes = dense.windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count();
    if dense.len() < RANDOM || different < RANDOM_DIFFERENT || !has(u8::is_ascii_alphabetic) || changes * 4 < dense.len() {
        return None;
    }
    let each = match (both_cases, has(u8::is_ascii_punctuation)) {
        _ if dense.iter().all(u8::is_ascii_hexdigit) => 4.0,
        (false, false) => 5.0,
        (true, false) | (false, true) => 5.5,
        (true, true) => 6.0,
    };
    let mut worth = vec![each; dense.len()];
    let mut at = 0;
    while at < dense.len() {
        let end = end_of_run(&dense, at);
        let (run, length) = (&dense[at..end], (end - at) as f64);
        let whole = match run[0] {
            b if b.is_ascii_alphabetic() && run.len() >= WORD_PLAIN && is_wordlike(run, run.len().div_ceil(4)) => {
                WORD + run.len().saturating_sub(WORD_LETTERS) as f64 * 1.5
            }
            b if b.is_ascii_digit() && run.len() >= 4 => 7.0 + (run.len() - 4) as f64 * 2.5,
            _ => each * length,
        };
        worth[at..end].iter_mut().for_each(|bits| *bits = bits.min(whole / length));
        at = end;
    }
    // M0tD3P4ss3 is mot de passe.
    let read: Vec<u8> = dense.iter().map(|b| undisguised(*b)).collect();
    for (at, letters) in read.windows(WORD_DISGUISED).enumerate() {
        if letters.iter().all(u8::is_ascii_lowercase) && is_wordlike(letters, 4) {
            worth[at..at + WORD_DISGUISED].iter_mut().for_each(|bits| *bits = bits.min(1.6));
        }
    }
    Some(worth.iter().sum::<f64>() as u32)
}

/// The end of the letters, digits or signs that begin at `at`; a big letter begins a word anew.
fn end_of_run(text: &[u8], at: usize) -> usize {
    let goes_on = |end: usize| {
        let (before, here) = (text[end - 1], text[end]);
        match text[at] {
            b if b.is_ascii_digit() => here.is_ascii_digit(),
            b if b.is_ascii_alphabetic() => {
                here.is_ascii_alphabetic()
                    && (here.is_ascii_lowercase() == before.is_ascii_lowercase() || end == at + 1 && b.is_ascii_uppercase())
            }
            _ => false,
        }
    };
    (at + 1..text.len()).find(|&end| !goes_on(end)).unwrap_or(text.len())
}

/// As many vowels, and never more than three consonants in a row.
fn is_wordlike(letters: &[u8], vowels: usize) -> bool {
    let is_vowel = |b: &u8| b"aeiouy".contains(&b.to_ascii_lowercase());
    letters.iter().filter(|b| is_vowel(b)).count() >= vowels && letters.split(is_vowel).all(|between| between.len() <= 3)
}

fn undisguised(b: u8) -> u8 {
    match b {
        b'0' => b'o',
        b'1' | b'!' => b'i',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'7' => b't',
        other => other.to_ascii_lowercase(),
    }
}

fn of_run(run: &str) -> f64 {
    let octets = run.as_bytes();
    let length = octets.len();
    // abc, 3210, aaaa: each step is the same.
    let step = |pair: &[u8]| i16::from(pair[1]) - i16::from(pair[0]);
    let steady = length >= 3 && octets.windows(2).all(|pair| step(pair) == step(&octets[..2]) && step(pair).abs() <= 1);
    if steady {
        return 4.0;
    }
    match octets[0] {
        b'0'..=b'9' => match length {
            1..=3 => length as f64 * 3.3,
            // A year, a date, a telephone number; beyond, digits of their own.
            4 => 7.0,
            5..=8 => 12.0,
            _ => 12.0 + (length - 8) as f64 * 3.0,
        },
        b'a'..=b'z' => match length {
            1 => 4.7,
            2 => 8.0,
            3 => 10.0,
            _ if ["azerty", "qwerty", "qwertz"].iter().any(|row| run.contains(row)) => 4.0,
            _ => WORD + length.saturating_sub(WORD_LETTERS) as f64 * 1.5,
        },
        // Blanks and hyphens stand between words by habit.
        b' ' | b'-' | b'_' | b'.' => 0.0,
        // A sign at random.
        _ => 3.0 + length.saturating_sub(1) as f64,
    }
}

/// Runs of letters, of digits, of separators and of other signs.
fn runs(text: &str) -> Vec<&str> {
    let kind = |b: u8| match b {
        b'a'..=b'z' => 0,
        b'0'..=b'9' => 1,
        b' ' | b'-' | b'_' | b'.' => 2,
        _ => 3,
    };
    let octets = text.as_bytes();
    let mut runs = Vec::new();
    let mut begin = 0;
    for at in 1..=octets.len() {
        if at == octets.len() || kind(octets[at]) != kind(octets[begin]) {
            runs.push(&text[begin..at]);
            begin = at;
        }
    }
    runs
}

impl Weak {
    /// What is wrong, and what to write instead.
    pub fn sentence(self, language: Language) -> String {
        let advice = match language {
            Language::Fr => "laissez --generate en choisir un, ou écrivez huit mots sans rapport entre eux",
            Language::En => "let --generate choose one, or write eight words that have nothing to do with each other",
        };
        match (self, language) {
            (Weak::Bits(bits), Language::Fr) => {
                format!("ce mot de passe vaut environ {bits} bits, il en faut {LEAST_BITS} ; {advice}")
            }
            (Weak::Bits(bits), Language::En) => {
                format!("this password is worth about {bits} bits and must have {LEAST_BITS}; {advice}")
            }
            (Weak::NotAscii, Language::Fr) => {
                format!(
                    "les logiciels ne lisent pas les accents de la même façon : lettres sans accent, chiffres et signes ; {advice}"
                )
            }
            (Weak::NotAscii, Language::En) => {
                format!("programs read accents in different ways: use plain letters, digits and signs; {advice}")
            }
            (Weak::TooLong, Language::Fr) => format!("au plus {LONGEST} caractères ; {advice}"),
            (Weak::TooLong, Language::En) => format!("at most {LONGEST} characters; {advice}"),
            (Weak::Blank, Language::Fr) => "sans espace au début ni à la fin : elle se perd quand on recopie".to_owned(),
            (Weak::Blank, Language::En) => "without a blank at the beginning or end: it is lost in copying".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Password;
    use super::*;

    fn jean() -> Address {
        Address::parse("jean.martin@example.net").unwrap()
    }

    #[test]
    fn what_people_write_is_judged_with_caution() {
        for (text, taken) in [
            ("correct horse battery staple", false),
            ("correct horse battery staple orange window seldom gravel", true),
            ("Soleil2026!", false),
            ("motdepasse-motdepasse-motdepasse-motdepasse-motdepasse-motdepasse-motdepasse-motdepasse", false),
            ("jean martin example jean martin example jean martin example one two", false),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("abcdefghijklmnopqrstuvwxyz0123456789", false),
            ("azertyuiopqsdfghjklmwxcvbn1234567890", false),
            ("7391840265194837260518", false),
            ("73918402651948372605187302946158", true),
            ("12345678901234567890", false),
            ("14/07/1789 11/11/1918 08/05/1945", false),
            ("x7#Qm2!vR9@kL4$wT6%zB8", true),
            ("k7q29fmdx3wahtz8c4rn", true),
            ("k7q2-9fmd-x3wa-htz8-c4rn", true),
            ("Kx7mQ2uLv9pR4wTz", true),
            ("k7q29fmdx3wahtz", false),
            ("k7q29fmdk7q29fmdk7q29fmd", false),
            ("M0tD3P4ss3S0l31l2026", false),
            ("P4ssw0rd!P4ssw0rd!2026!", false),
            ("JeanMartin1985Paris75!", false),
            ("MonChienS'appelleRex2019", false),
            ("Azerty123!Azerty456?", false),
            ("Ministere-De-La-Justice-2026!", false),
            ("c1f09a7be24d8365c1f1", false),
            ("", false),
        ] {
            assert_eq!(check(text, &jean()).is_ok(), taken, "{text}: {} bits", bits(text, &jean()));
        }
        assert_eq!(check("élève correct horse battery staple orange window", &jean()), Err(Weak::NotAscii));
        assert_eq!(check(" k7q29fmdx3wahtz8c4rn", &jean()), Err(Weak::Blank));
        assert_eq!(check(&"k7q2 ".repeat(30), &jean()), Err(Weak::TooLong));
    }

    #[test]
    fn what_we_generate_is_always_strong_enough() {
        let mut all = BTreeSet::new();
        let mut recognised = 0;
        for _ in 0..200 {
            let password = Password::generate(Language::Fr).unwrap();
            assert_eq!(password.as_str().len(), 24);
            // A draw of few different signs, or of many letters, is not known for what it is; nearly all are.
            recognised += usize::from(check(password.as_str(), &jean()).is_ok());
            assert!(all.insert(password.as_str().to_owned()));
        }
        assert!(recognised > 100, "{recognised}");
        assert!(format!("{:?}", Password::generate(Language::Fr).unwrap()).len() < 20);
    }
}
