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
    "accueil", "achats", "admin", "administrateur", "administration", "agence", "agent", "agents", "alerte", "alertes",
    "amicale", "archives", "assistance", "association", "astreinte", "atelier", "bibliotheque", "bot", "bourses", "budget",
    "cabinet", "cantine", "centre", "club", "collectif", "comite", "commande", "commission", "communication", "compta",
    "comptabilite", "concours", "conseil", "contact", "copieur", "correspondant", "courrier", "daemon", "delegation",
    "demande", "demandes", "departement", "dircab", "directeur", "direction", "directrice", "division", "documentation",
    "dossier", "dossiers", "drh", "dsi", "ecole", "elections", "environnement", "equipe", "etatcivil", "examens",
    "facturation", "facture", "factures", "fax", "finances", "formation", "fournisseur", "fournisseurs", "gestion",
    "gestionnaire", "greffe", "greffes", "groupe", "guichet", "habitat", "helpdesk", "hotline", "humaines", "imprimante",
    "infirmerie", "info", "information", "informations", "informatique", "infos", "inscription", "inscriptions",
    "instruction", "jeunesse", "juridique", "logement", "maintenance", "mairie", "marches", "mediatheque", "mission",
    "monitoring", "musee", "ne-pas-repondre", "nepasrepondre", "newsletter", "no", "noreply", "notification",
    "notifications", "office", "paie", "parquet", "penal", "periscolaire", "permanence", "planning", "pole", "postes",
    "postmaster", "prefecture", "presidence", "presse", "recrutement", "rectorat", "reply", "reseau", "reservation",
    "ressources", "rh", "robot", "root", "sauvegarde", "scanner", "scolarite", "secgen", "secretaire", "secretariat",
    "section", "serveur", "service", "services", "sg", "sociale", "sports", "standard", "supervision", "support",
    "surveillance", "syndicat", "team", "technique", "teleservice", "test", "tresorerie", "tribunal", "unite", "urbanisme",
    "urgence", "urgences", "usagers", "vaccination", "voirie", "webmaster",
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
