//! Turns one word of a name or an address into what is known of it: a given name, a family name, a filler, a role.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

static GIVEN: LazyLock<HashSet<&str>> = LazyLock::new(|| entries(include_str!("given_names.txt")).collect());
static FAMILY: LazyLock<HashSet<&str>> = LazyLock::new(|| entries(include_str!("family_names.txt")).collect());
static SHORT: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let read = |line: &'static str| {
        let mut words = line.split(' ');
        Some((words.next()?, words.collect()))
    };
    entries(include_str!("short_forms.txt")).filter_map(read).collect()
});

fn entries(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A given name that many bear.
pub(super) fn is_given(word: &str) -> bool {
    GIVEN.contains(word)
}

/// A family name that many bear.
pub(super) fn is_common_family(word: &str) -> bool {
    FAMILY.contains(word)
}

/// Forms in which bearers of this given name shorten it, beyond cutting it.
pub(super) fn short_forms(word: &str) -> &'static [&'static str] {
    SHORT.get(word).map_or(&[], Vec::as_slice)
}

/// Words of a name that tell nobody from anybody: particles, titles, and what joins a married name to a maiden name.
#[rustfmt::skip]
pub(super) const SMALL_WORDS: &[&str] = &[
    "de", "du", "des", "d", "la", "le", "les", "l", "von", "van", "der", "den", "di", "da", "dos", "do", "del", "della", "el",
    "al", "ben", "bin", "abu", "ould", "ait", "mme", "mlle", "mr", "madame", "monsieur", "dr", "me", "epouse", "ep", "nee", "ne",
    "veuve", "vve", "et",
];

/// Particles that people write together with the name: `delatour`, `dasilva`, `benali`. Longest first.
#[rustfmt::skip]
pub(super) const PARTICLES: &[&str] =
    &["della", "dela", "des", "dos", "del", "van", "von", "der", "den", "ben", "ait", "de", "du", "da", "do", "di", "la", "le", "el", "al", "d", "l"];

/// What people add to their name in a private address.
#[rustfmt::skip]
pub(super) const FILLERS: &[&str] = &[
    "perso", "personnel", "personnelle", "prive", "privee", "private", "pro", "mail", "email", "mel", "courriel", "home", "maison",
    "moi", "me", "my", "off", "officiel", "official", "contact", "adresse", "boite", "gmail", "hotmail", "yahoo", "free", "orange",
    "sfr", "laposte", "fr", "com", "net", "mme", "mr", "mlle", "nc", "pf", "re", "gp", "mq", "gf", "yt",
];

/// A display name with one of these says that the mailbox is private, though not whose.
pub(super) const PRIVATE_WORDS: &[&str] =
    &["perso", "personnel", "personnelle", "prive", "privee", "private", "personal", "home", "maison", "domicile"];

/// A display name for oneself.
pub(super) const SELF_WORDS: &[&str] = &["moi", "moimeme", "me", "myself", "self"];

/// Before or after a family name: the mailbox of all who bear it.
pub(super) const FAMILY_WORDS: &[&str] = &["famille", "family", "fam", "chez", "foyer"];

/// What shared mailboxes and offices are called; never a part of a person's name here.
#[rustfmt::skip]
pub(super) const ROLE_WORDS: &[&str] = &[
    "accueil", "administration", "admin", "administrateur", "agence", "assistance", "bibliotheque", "centre", "commande",
    "communication", "comptabilite", "compta", "contact", "correspondant", "courrier", "delegation", "departement", "direction",
    "directeur", "directrice", "dircab", "documentation", "drh", "dsi", "ecole", "equipe", "facturation", "formation", "gestion",
    "gestionnaire", "greffe", "guichet", "helpdesk", "humaines", "info", "informatique", "information", "informations", "infos",
    "juridique", "mairie", "maintenance", "mission", "ne-pas-repondre", "nepasrepondre", "newsletter", "no", "noreply", "notification",
    "notifications", "office", "paie", "permanence", "planning", "pole", "postmaster", "prefecture", "presidence", "presse", "rectorat",
    "recrutement", "reply", "reservation", "ressources", "rh", "scolarite", "secretaire", "secretariat", "service", "services",
    "standard", "support", "team", "technique", "teleservice", "tresorerie", "unite", "urbanisme", "webmaster",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_folded_and_say_what_they_are_named_for() {
        let plain = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        assert!(GIVEN.iter().chain(FAMILY.iter()).all(|word| plain(word)));
        assert!(SHORT.iter().all(|(name, forms)| plain(name) && !forms.is_empty() && forms.iter().all(|form| plain(form))));
        assert!(GIVEN.len() > 1_000 && FAMILY.len() > 300 && SHORT.len() > 150);
        assert!(is_given("jeanne") && is_common_family("dupont") && short_forms("benoit").contains(&"ben"));
        assert!(!is_given("dupont") && !is_common_family("lapeyronnie") && short_forms("lapeyronnie").is_empty());
    }
}
