//! Turns a display name or a local part into the words of a person's name, and says which of them are given and which family names.

use super::super::fold::words;
use super::words::{ROLE_WORDS, SMALL_WORDS, is_common_family, is_given, short_forms};
use unicode_normalization::UnicodeNormalization;

/// One name of a person, as the words it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct PersonName {
    /// At most [`MAX_WORDS`], folded, without titles, particles and words of offices.
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub word: String,
    pub role: Role,
    /// Parts with the same number are one given name: `Jean-Pierre`.
    pub compound: Option<u8>,
    pub given: bool,
    pub common_family: bool,
    pub short: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Given,
    Family,
    Unknown,
}

/// A bound on the search for ways to write a name; longer names than eight words are cut.
const MAX_WORDS: usize = 8;
/// A display name is at most a line; what follows names no person.
const MAX_NAME: usize = 400;
/// Letters of a word that is cut short: fewer are an initial, more are the word.
const CUTS: std::ops::RangeInclusive<usize> = 2..=8;

impl PersonName {
    /// The name as written and, where it has German umlauts, as it is written without them (`Jürgen`: jurgen, juergen).
    pub fn spellings(text: &str) -> impl Iterator<Item = PersonName> {
        let umlauts = text.contains(['ä', 'ö', 'ü', 'Ä', 'Ö', 'Ü']);
        let spelt = umlauts.then(|| {
            let pairs = [('ä', "ae"), ('ö', "oe"), ('ü', "ue"), ('Ä', "AE"), ('Ö', "OE"), ('Ü', "UE")];
            pairs.iter().fold(text.to_owned(), |text, (letter, plain)| text.replace(*letter, plain))
        });
        PersonName::read(text).into_iter().chain(spelt.and_then(|text| PersonName::read(&text)))
    }

    /// `None` when not even one word of three letters is left. In a display name a word in capitals is the family name.
    pub fn read(text: &str) -> Option<PersonName> {
        let composed: String = text.chars().take(MAX_NAME).nfc().collect();
        let mut parts: Vec<Part> = Vec::new();
        let mut group = 0u8;
        for token in without_offices(&composed).split(|c: char| c != '-' && !c.is_alphabetic()) {
            group = group.saturating_add(1);
            let begin = parts.len();
            for written in token.split('-') {
                let capitals = written.chars().count() > 2 && !written.chars().any(char::is_lowercase);
                for word in words(written) {
                    let known = parts.iter().any(|part| part.word == word);
                    let small = SMALL_WORDS.contains(&word.as_str()) || ROLE_WORDS.contains(&word.as_str());
                    if !known && !small && parts.len() < MAX_WORDS {
                        parts.push(Part::of(word, if capitals { Role::Family } else { Role::Unknown }));
                    }
                }
            }
            if parts.len() - begin >= 2 && parts[begin..].iter().all(|part| part.given) {
                parts[begin..].iter_mut().for_each(|part| part.compound = Some(group));
            }
        }
        // A lone `marie-pierre` is no given name with nothing behind it but both names of a person.
        if parts.iter().all(|part| part.compound.is_some()) {
            parts.iter_mut().for_each(|part| part.compound = None);
        }
        // A name wholly in capitals tells nothing about which word is which.
        if parts.iter().all(|part| part.role == Role::Family) {
            parts.iter_mut().for_each(|part| part.role = Role::Unknown);
        }
        give_roles(&mut parts);
        parts.iter().any(|part| part.word.len() >= 3).then_some(PersonName { parts })
    }

    /// Whether each word of `other` is one of these.
    pub(in super::super) fn says_all_of(&self, other: &PersonName) -> bool {
        other.parts.iter().all(|part| self.parts.iter().any(|known| known.word == part.word))
    }

    /// Every part is one that thousands bear: `Jean Martin`.
    pub(super) fn is_common(&self) -> bool {
        self.parts.iter().all(|part| part.given || part.common_family)
    }
}

/// Without what directories put behind a name: `DUPONT Marie (DRH)`, `DUPONT Marie - Bureau B`, `DUPONT Marie/DRH`. What a bracket says
/// of another name of the person's stays: `(née Kermarrec)`.
fn without_offices(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(['(', '[']) {
        kept.push_str(&rest[..open]);
        let inner = &rest[open + 1..];
        let close = inner.find([')', ']']).unwrap_or(inner.len());
        let first = words(&inner[..close]).into_iter().next().unwrap_or_default();
        if ["nee", "ne", "ep", "epouse", "veuve", "vve"].contains(&first.as_str()) {
            kept.push(' ');
            kept.push_str(&inner[..close]);
        }
        kept.push(' ');
        rest = inner.get(close + 1..).unwrap_or_default();
    }
    kept.push_str(rest);
    let end = [" - ", " – ", " — ", "/", "|", ";", " via "].iter().filter_map(|mark| kept.find(mark)).min();
    match end {
        Some(end) if words(&kept[..end]).iter().any(|word| word.len() >= 3) => kept[..end].to_owned(),
        _ => kept,
    }
}

/// Which word is the family name: the one in capitals, else the last, unless only the last is a given name that many bear
/// (`dupont.marie`). The others are given names where many bear them; an unusual one stays unknown.
fn give_roles(parts: &mut [Part]) {
    if parts.len() < 2 {
        return;
    }
    if parts.iter().all(|part| part.role == Role::Unknown) {
        let last = parts.len() - 1;
        let reversed = parts[last].given && !parts[0].given;
        parts[if reversed { 0 } else { last }].role = Role::Family;
    }
    for part in parts.iter_mut().filter(|part| part.role == Role::Unknown) {
        if part.given {
            part.role = Role::Given;
        }
    }
}

impl Part {
    fn of(word: String, role: Role) -> Part {
        Part {
            role,
            compound: None,
            given: is_given(&word),
            common_family: is_common_family(&word),
            short: short_forms(&word),
            word,
        }
    }

    /// Whether its first `n` letters, fewer than all, stand for the word and are no name of somebody else's.
    pub(super) fn can_be_cut_to(&self, n: usize) -> bool {
        CUTS.contains(&n) && !is_given(&self.word[..n]) && !is_common_family(&self.word[..n])
    }

    /// Taken for a given name: by its place, or because many bear it and nothing speaks for a family name.
    pub(super) fn is_given_here(&self) -> bool {
        match self.role {
            Role::Given => true,
            Role::Family => false,
            Role::Unknown => self.given && !self.common_family,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Role)> {
        let name = PersonName::read(text);
        name.map(|name| name.parts.into_iter().map(|part| (part.word, part.role)).collect()).unwrap_or_default()
    }

    #[test]
    fn names_are_read_as_directories_and_logins_write_them() {
        use Role::{Family, Given, Unknown};
        for (text, expected) in [
            ("DUPONT Marie", &[("dupont", Family), ("marie", Given)][..]),
            ("Marie Dupont", &[("marie", Given), ("dupont", Family)]),
            ("dupont.marie", &[("dupont", Family), ("marie", Given)]),
            ("MARIE DUPONT", &[("marie", Given), ("dupont", Family)]),
            ("DUPONT Marie (DRH/Bureau de la paie)", &[("dupont", Family), ("marie", Given)]),
            ("DUPONT Marie - Direction des achats", &[("dupont", Family), ("marie", Given)]),
            ("DUPONT Marie/DRH/EXEMPLE", &[("dupont", Family), ("marie", Given)]),
            ("Marie Dupont [EXT]", &[("marie", Given), ("dupont", Family)]),
            ("Marie DUPONT (née KERMARREC)", &[("marie", Given), ("dupont", Family), ("kermarrec", Family)]),
            ("Mme Marie de La Tour", &[("marie", Given), ("tour", Family)]),
            ("Waimiri NAISSELINE", &[("waimiri", Unknown), ("naisseline", Family)]),
            ("Secrétariat du service", &[]),
            ("ressources-humaines", &[]),
            ("Li", &[]),
            ("", &[]),
        ] {
            let expected: Vec<(String, Role)> = expected.iter().map(|(word, role)| ((*word).to_owned(), *role)).collect();
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn compound_given_names_hang_together_and_double_family_names_do_not() {
        for (text, compounds) in [
            ("Jean-Pierre MARTIN", 2),
            ("jean-pierre.martin", 2),
            ("LE GOFF François-Xavier", 2),
            ("Marie DUPONT-LEFRANC", 0),
            ("marie-pierre", 0),
            ("Jean Pierre MARTIN", 0),
        ] {
            let name = PersonName::read(text).unwrap();
            assert_eq!(name.parts.iter().filter(|part| part.compound.is_some()).count(), compounds, "{text}");
        }
    }

    #[test]
    fn a_name_cut_short_is_never_another_name() {
        for (word, n, expected) in [("jeanne", 4, false), ("jeanne", 3, true), ("rouxel", 4, false), ("rouxel", 1, false)] {
            assert_eq!(Part::of(word.to_owned(), Role::Unknown).can_be_cut_to(n), expected, "{}", &word[..n]);
        }
    }

    #[test]
    fn umlauts_have_two_spellings() {
        let spellings: Vec<String> = PersonName::spellings("Jürgen").map(|name| name.parts[0].word.clone()).collect();
        assert_eq!(spellings, ["jurgen", "juergen"]);
        assert_eq!(PersonName::spellings("Marie").count(), 1);
    }
}
