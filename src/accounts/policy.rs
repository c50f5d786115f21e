//! Turns a new password into yes, or into a sentence that says what to write instead.

use super::settings::Policy;
use aws_lc_rs::digest;
use std::collections::BTreeSet;

/// The 100,000 commonest passwords in lower case, each as the first octets of its SHA-256, sorted. `common_passwords.py` makes it and
/// says where from.
static COMMON: &[u8] = include_bytes!("common_passwords.bin");
const MARK: usize = 5;
/// Words of a phrase that do not count as one: too short to be chosen among many.
const SHORT_WORD: usize = 3;
const PHRASE_WORDS: usize = 4;
/// Parts of a login that a password may hold: two or three letters occur by chance.
const SHORT_PART: usize = 4;

/// Why a password is not taken. Nothing of it stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weak(String);

impl std::fmt::Display for Weak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// `about`: login, further addresses and names of the account, none of which may be in it.
pub(super) fn judge<'a>(password: &str, about: impl Iterator<Item = &'a str>, policy: &Policy) -> Result<(), Weak> {
    let count = password.chars().count();
    let missing = missing_classes(password);
    let is_phrase = policy.phrase_characters > 0 && count >= policy.phrase_characters && words(password).len() >= PHRASE_WORDS;
    let mut wrong = Vec::new();
    if count < policy.characters {
        wrong.push(format!("it has {count} characters of at least {}", policy.characters));
    }
    if !is_phrase && 4 - missing.len() < policy.classes {
        wrong.push(format!("it has no {}", missing.join(", no ")));
    }
    let folded = fold(password);
    if about.flat_map(parts).any(|part| folded.iter().any(|form| form.contains(&part))) {
        wrong.push("it holds a part of the login or of a name of the account".into());
    }
    if !policy.common && is_common(password) {
        wrong.push("it is one of the 100,000 commonest, or one of them with digits and signs around it".into());
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Weak(format!("this password is too weak: {}; {}", wrong.join("; "), advice(policy))))
    }
}

fn advice(policy: &Policy) -> String {
    let Policy { characters, classes, phrase_characters, .. } = policy;
    let of_classes = match classes {
        0 | 1 => String::new(),
        4 => " with lower case, capitals, digits and signs".into(),
        classes => format!(" with {classes} of: lower case, capitals, digits, signs"),
    };
    let phrase = match phrase_characters {
        0 => String::new(),
        least => format!(", or {PHRASE_WORDS} different words of together {least} characters"),
    };
    format!("write {characters} characters or more{of_classes}{phrase}")
}

fn missing_classes(password: &str) -> Vec<&'static str> {
    let classes: [(&str, fn(char) -> bool); 4] = [
        ("lower case", char::is_lowercase),
        ("capitals", char::is_uppercase),
        ("digits", |c| c.is_ascii_digit()),
        ("signs", |c| !c.is_alphanumeric()),
    ];
    classes.into_iter().filter(|(_, is_in)| !password.chars().any(is_in)).map(|(name, _)| name).collect()
}

fn words(password: &str) -> BTreeSet<String> {
    let words = password.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() > SHORT_WORD);
    words.map(str::to_lowercase).collect()
}

/// The words of an address or name: `marie.dupont@…` is marie and dupont.
fn parts(about: &str) -> impl Iterator<Item = String> {
    let local = about.split('@').next().unwrap_or_default().to_lowercase();
    let parts: Vec<String> = local.split(|c: char| !c.is_alphabetic()).map(str::to_owned).collect();
    std::iter::once(local).chain(parts).filter(|part| part.chars().count() >= SHORT_PART)
}

/// In lower case; and with the signs that stand for letters read as those, 1 as i and as l.
fn fold(password: &str) -> [String; 3] {
    let plain = password.to_lowercase();
    let read = |one: char| {
        let letter = |c: char| match c {
            '0' => 'o',
            '1' | '!' => one,
            '3' | '€' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            other => other,
        };
        plain.chars().map(letter).collect::<String>()
    };
    [read('i'), read('l'), plain]
}

/// As it is, and without what people put around a word to have all classes, where the word is at least half of it.
fn is_common(password: &str) -> bool {
    let is_decoration = |c: char| !c.is_alphabetic();
    let half = password.chars().count().div_ceil(2);
    let cores = [password.trim_end_matches(is_decoration), password.trim_matches(is_decoration)];
    let cores = cores.into_iter().filter(|core| core.chars().count() >= half);
    std::iter::once(password).chain(cores).flat_map(fold).any(|form| is_listed(&form))
}

fn is_listed(form: &str) -> bool {
    let hash = digest::digest(&digest::SHA256, form.as_bytes());
    let (marks, _) = COMMON.as_chunks::<MARK>();
    marks.binary_search_by(|mark| mark[..].cmp(&hash.as_ref()[..MARK])).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: [&str; 3] = ["marie.dupont@example.gouv.fr", "presse-75@example.gouv.fr", "Marie Dupont-Lévy"];

    fn verdict(password: &str, policy: &Policy) -> Option<String> {
        judge(password, ABOUT.into_iter(), policy).err().map(|weak| weak.to_string())
    }

    #[test]
    fn the_ministrys_rules_are_the_default() {
        for (password, because) in [
            ("Vélo-bleu-42", None),
            ("tR7!kwm-zz.Q", None),
            ("quatre mots bien choisis", None),
            ("correct horse battery staple", None),
            ("tR7!kwm-zz.", Some("it has 11 characters of at least 12")),
            ("tr7!kwm-zz.q", Some("it has no capitals")),
            ("TR7!KWM-ZZ.Q", Some("it has no lower case")),
            ("tRx!kwm-zz.Q", Some("it has no digits")),
            ("tR7xkwmyzz4Q", Some("it has no signs")),
            ("abcdefghijklmnopqrstu", Some("it has no capitals, no digits, no signs")),
            ("mots mots mots mots mots", Some("it has no capitals, no digits")),
            ("un de la et si on va tu", Some("it has no capitals, no digits")),
            ("trois longs maux", Some("it has no capitals, no digits")),
            ("Marie-1975-!xQ", Some("a part of the login or of a name")),
            ("xD!9upont-Dupont", Some("a part of the login or of a name")),
            ("M@r1e-19xx-!xQ", Some("a part of the login or of a name")),
            ("Presse!2026-xQ", Some("a part of the login or of a name")),
            ("zz-LÉVY-2026-q!", Some("a part of the login or of a name")),
            // In the list as they are, although they keep the other rules.
            ("NICK1234-rem936", Some("one of the 100,000 commonest")),
            ("g00dPa$$w0rD", Some("one of the 100,000 commonest")),
            ("Password2026!", Some("one of the 100,000 commonest")),
            ("P@ssw0rd2026!", Some("one of the 100,000 commonest")),
            ("!!Sunshine42!", Some("one of the 100,000 commonest")),
            ("", Some("it has 0 characters")),
        ] {
            let said = verdict(password, &Policy::default());
            match because {
                None => assert_eq!(said, None, "{password}"),
                Some(because) => {
                    let said = said.unwrap_or_default();
                    assert!(
                        said.contains(because) && said.contains("; write 12 characters or more with"),
                        "{password}: {said}"
                    );
                    assert!(password.is_empty() || !said.contains(password));
                }
            }
        }
    }

    #[test]
    fn each_rule_can_be_set() {
        let default = Policy::default;
        for (password, policy, taken) in [
            ("abcdefgh", Policy { characters: 8, classes: 1, ..default() }, false),
            ("zbkdqfgh", Policy { characters: 8, classes: 1, ..default() }, true),
            ("Password2026!", Policy { common: true, ..default() }, true),
            ("correct horse battery staple", Policy { phrase_characters: 0, ..default() }, false),
            ("correct horse battery staple", Policy { phrase_characters: 40, ..default() }, false),
            ("zbkdqfgh-ABC", Policy { classes: 3, ..default() }, true),
        ] {
            assert_eq!(verdict(password, &policy).is_none(), taken, "{password} {policy:?}");
        }
    }

    #[test]
    fn the_list_is_whole_and_sorted() {
        let (marks, rest) = COMMON.as_chunks::<MARK>();
        assert_eq!((marks.len(), rest.len()), (96_518, 0));
        assert!(marks.is_sorted());
        for known in ["123456", "password", "azerty", "motdepasse", "qwertyuiop", "nick1234-rem936"] {
            assert!(is_listed(known), "{known}");
        }
        assert!(!is_listed("vélo-bleu-42") && !is_listed(""));
    }
}
