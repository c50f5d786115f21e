//! Turns a sender's names and a recipient's address into: is this a personal mailbox, and is it the sender's own?

use super::Known;
use super::fold::{fold, words};
use super::sender::SenderNames;
use crate::mail::{Address, Domain};
use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;

/// The lists behind `to_personal_mailbox`: as shipped, with an organisation's own additions and exceptions.
const SHIPPED: &str = "personal-domains";
const LOCAL: &str = "personal-domains-local";
const EXCEPT: &str = "personal-domains-except";

/// True when the recipient's domain, or one above it, is that of a free-mail or access provider. Our own domains never are.
pub(super) fn is_personal(recipient: &Address, known: &Known) -> bool {
    let listed = |name: &str| known.lists.get(name).is_some_and(|entries| has(recipient, entries));
    !is_inside(recipient.domain(), &known.inside) && !listed(EXCEPT) && (listed(SHIPPED) || listed(LOCAL))
}

pub(super) fn is_inside(domain: &Domain, inside: &[Domain]) -> bool {
    inside.iter().any(|ours| domain.is_within(ours))
}

/// The address itself, its domain or a domain above it.
pub(super) fn has(address: &Address, entries: &BTreeSet<String>) -> bool {
    if entries.contains(&address.key()) {
        return true;
    }
    let mut rest = Some(address.domain().as_str());
    while let Some(domain) = rest {
        if entries.contains(domain) {
            return true;
        }
        rest = domain.split_once('.').map(|(_, above)| above);
    }
    false
}

/// True when the recipient is, by name, the sender. `shown` is the display name the message gives the recipient.
pub(super) fn is_own(sender: &SenderNames, recipient: &Address, shown: Option<&str>, known: &Known) -> bool {
    if is_inside(recipient.domain(), &known.inside) {
        return false;
    }
    if sender.owns.contains(recipient) {
        return true;
    }
    // gmail's plus-addressing; the other great providers have it too, and some use a hyphen, which `words` parts anyway.
    let local = fold(recipient.local().split('+').next().unwrap_or_default());
    let local: Vec<String> = words(&local);
    let place = Place::of(recipient, known);
    sender.names.iter().any(|name| {
        let by_local = name.explains(&local);
        let by_display = shown.map_or(Likeness::None, |shown| name.explains(&words(shown)));
        match place {
            Place::Personal => by_local >= Likeness::Agrees || by_display >= Likeness::Agrees,
            // At another employer a namesake is as likely as the sender: both names in full, and not names that thousands bear.
            Place::Elsewhere => by_local == Likeness::Full && !name.is_common() || name.is_vanity(&local, recipient.domain()),
            Place::Authority => false,
        }
    })
}

/// Where a recipient's mailbox lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Personal,
    /// Another administration: an official mailbox, whoever's it is.
    Authority,
    Elsewhere,
}

impl Place {
    fn of(recipient: &Address, known: &Known) -> Place {
        let domain = recipient.domain().as_str();
        let is_authority = ["gouv.fr", "gov.uk", "europa.eu"]
            .iter()
            .any(|above| domain.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
        match (is_personal(recipient, known), is_authority) {
            (true, _) => Place::Personal,
            (false, true) => Place::Authority,
            (false, false) => Place::Elsewhere,
        }
    }
}

/// How much of a recipient's name is explained by the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    None,
    /// A full name and an initial, or one very rare name.
    Agrees,
    /// Two names in full.
    Full,
}

/// One name of a person, as the words it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PersonName {
    /// At most [`MAX_WORDS`], folded, without titles and particles.
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    word: String,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Given,
    Family,
    Unknown,
}

/// A bound on the search below; longer names than eight words are cut.
const MAX_WORDS: usize = 8;
/// Ways to write one recipient that are tried: names of people need some dozens, only `aaaa` made of a, aa, aaa needs more.
const STEPS: u32 = 5_000;
/// Longer local parts do not exist (RFC 5321 §4.5.3.1.1); a longer display name is not compared.
const MAX_LETTERS: usize = 64;

/// Words of a name that tell nobody from anybody: particles, titles, and what joins a married name to a maiden name.
const SMALL_WORDS: &[&str] = &[
    "de", "du", "des", "d", "la", "le", "les", "l", "von", "van", "der", "den", "di", "da", "dos", "del", "della", "el", "al",
    "ben", "bin", "abu", "ould", "mme", "mlle", "mr", "madame", "monsieur", "dr", "epouse", "ep", "nee", "ne", "veuve", "vve",
    "et",
];
/// What people add to their name in a private address.
const FILLERS: &[&str] = &[
    "perso",
    "personnel",
    "personnelle",
    "prive",
    "privee",
    "private",
    "pro",
    "mail",
    "email",
    "mel",
    "courriel",
    "home",
    "maison",
    "moi",
    "me",
    "my",
    "off",
    "officiel",
    "contact",
    "adresse",
    "boite",
    "gmail",
    "free",
    "orange",
    "fr",
];
/// Given names borne by so many (INSEE, names given in France) that one with an initial is nobody in particular.
const COMMON_GIVEN: &[&str] = &[
    "adele",
    "adrien",
    "agathe",
    "agnes",
    "alain",
    "albert",
    "alex",
    "alexandra",
    "alexandre",
    "alexis",
    "alice",
    "aline",
    "ambre",
    "amandine",
    "amelie",
    "anais",
    "andre",
    "andrea",
    "andree",
    "angelique",
    "anna",
    "anne",
    "annie",
    "anthony",
    "antoine",
    "arnaud",
    "arthur",
    "audrey",
    "aurelie",
    "aurore",
    "axel",
    "baptiste",
    "beatrice",
    "benjamin",
    "benoit",
    "bernadette",
    "bernard",
    "brigitte",
    "bruno",
    "camille",
    "carine",
    "carole",
    "caroline",
    "catherine",
    "cecile",
    "cedric",
    "celia",
    "celine",
    "chantal",
    "charles",
    "charlotte",
    "chloe",
    "christelle",
    "christian",
    "christiane",
    "christine",
    "christophe",
    "claire",
    "clara",
    "claude",
    "claudine",
    "clement",
    "colette",
    "corinne",
    "cyril",
    "damien",
    "daniel",
    "daniele",
    "david",
    "delphine",
    "denis",
    "denise",
    "didier",
    "dominique",
    "eleonore",
    "elisabeth",
    "elise",
    "elodie",
    "emilie",
    "emma",
    "emmanuel",
    "emmanuelle",
    "enzo",
    "eric",
    "estelle",
    "etienne",
    "eva",
    "evelyne",
    "fabien",
    "fabienne",
    "fabrice",
    "fanny",
    "florence",
    "florent",
    "florian",
    "franck",
    "francine",
    "francis",
    "francois",
    "francoise",
    "frederic",
    "gabriel",
    "gaelle",
    "genevieve",
    "georges",
    "gerard",
    "ghislaine",
    "gilbert",
    "gilles",
    "gisele",
    "gregory",
    "guillaume",
    "guy",
    "helene",
    "henri",
    "herve",
    "hugo",
    "ines",
    "irene",
    "isabelle",
    "jacqueline",
    "jacques",
    "jean",
    "jeanne",
    "jeannine",
    "jennifer",
    "jerome",
    "jessica",
    "joel",
    "jose",
    "josette",
    "josiane",
    "jules",
    "julia",
    "julie",
    "julien",
    "juliette",
    "justine",
    "karim",
    "karine",
    "katia",
    "kevin",
    "laetitia",
    "laura",
    "laure",
    "laurence",
    "laurent",
    "lea",
    "lena",
    "leo",
    "leon",
    "lionel",
    "lisa",
    "louis",
    "louise",
    "loic",
    "luc",
    "lucas",
    "lucie",
    "ludovic",
    "lydie",
    "madeleine",
    "magali",
    "manon",
    "marc",
    "marcel",
    "margaux",
    "marie",
    "marina",
    "marine",
    "marion",
    "martial",
    "martine",
    "maryse",
    "mathieu",
    "mathilde",
    "matthieu",
    "maurice",
    "max",
    "maxime",
    "melanie",
    "michel",
    "michele",
    "micheline",
    "mickael",
    "mireille",
    "mohamed",
    "monique",
    "morgane",
    "muriel",
    "myriam",
    "nadia",
    "nadine",
    "nathalie",
    "nathan",
    "nicolas",
    "nicole",
    "noel",
    "noemie",
    "odette",
    "odile",
    "olivia",
    "olivier",
    "pascal",
    "pascale",
    "patrice",
    "patricia",
    "patrick",
    "paul",
    "paulette",
    "pauline",
    "philippe",
    "pierre",
    "quentin",
    "rachel",
    "raphael",
    "raymond",
    "regine",
    "regis",
    "remi",
    "remy",
    "rene",
    "renee",
    "robert",
    "roger",
    "roland",
    "romain",
    "roxane",
    "sabine",
    "sabrina",
    "samuel",
    "sandra",
    "sandrine",
    "sarah",
    "sebastien",
    "serge",
    "severine",
    "simon",
    "simone",
    "solange",
    "sonia",
    "sophie",
    "stephane",
    "stephanie",
    "suzanne",
    "sylvain",
    "sylvie",
    "therese",
    "thibault",
    "thierry",
    "thomas",
    "tristan",
    "valentin",
    "valerie",
    "vanessa",
    "veronique",
    "victor",
    "vincent",
    "virginie",
    "viviane",
    "xavier",
    "yann",
    "yannick",
    "yves",
    "yvette",
    "yvonne",
    "zoe",
];
/// The family names borne by most people in France (INSEE, family names), and the most common elsewhere.
const COMMON_FAMILY: &[&str] = &[
    "martin",
    "bernard",
    "thomas",
    "petit",
    "robert",
    "richard",
    "durand",
    "dubois",
    "moreau",
    "laurent",
    "simon",
    "michel",
    "lefebvre",
    "leroy",
    "roux",
    "david",
    "bertrand",
    "morel",
    "fournier",
    "girard",
    "bonnet",
    "dupont",
    "lambert",
    "fontaine",
    "rousseau",
    "vincent",
    "muller",
    "lefevre",
    "faure",
    "andre",
    "mercier",
    "blanc",
    "guerin",
    "boyer",
    "garnier",
    "chevalier",
    "francois",
    "legrand",
    "gauthier",
    "garcia",
    "perrin",
    "robin",
    "clement",
    "morin",
    "nicolas",
    "henry",
    "roussel",
    "mathieu",
    "gautier",
    "masson",
    "marchand",
    "duval",
    "denis",
    "dumont",
    "marie",
    "lemaire",
    "noel",
    "meyer",
    "dufour",
    "meunier",
    "brun",
    "blanchard",
    "giraud",
    "joly",
    "riviere",
    "lucas",
    "brunet",
    "gaillard",
    "barbier",
    "arnaud",
    "martinez",
    "gerard",
    "roche",
    "renard",
    "schmitt",
    "roy",
    "leroux",
    "colin",
    "vidal",
    "caron",
    "picard",
    "roger",
    "fabre",
    "aubert",
    "lemoine",
    "renaud",
    "dumas",
    "lacroix",
    "olivier",
    "philippe",
    "bourgeois",
    "pierre",
    "benoit",
    "rey",
    "leclerc",
    "payet",
    "rolland",
    "leclercq",
    "guillaume",
    "lecomte",
    "lopez",
    "jean",
    "dupuy",
    "guillot",
    "hubert",
    "berger",
    "carpentier",
    "sanchez",
    "dupuis",
    "moulin",
    "louis",
    "deschamps",
    "huet",
    "vasseur",
    "perez",
    "boucher",
    "fleury",
    "royer",
    "klein",
    "jacquet",
    "adam",
    "paris",
    "poirier",
    "marty",
    "aubry",
    "guyot",
    "carre",
    "charles",
    "renault",
    "charpentier",
    "menard",
    "maillard",
    "baron",
    "bertin",
    "bailly",
    "herve",
    "schneider",
    "fernandez",
    "collet",
    "leger",
    "bouvier",
    "julien",
    "prevost",
    "millet",
    "perrot",
    "daniel",
    "cousin",
    "germain",
    "breton",
    "besson",
    "langlois",
    "remy",
    "pelletier",
    "leblanc",
    "barre",
    "lebrun",
    "marchal",
    "weber",
    "mallet",
    "hamon",
    "boulanger",
    "jacob",
    "monnier",
    "michaud",
    "rodriguez",
    "guichard",
    "gillet",
    "etienne",
    "grondin",
    "poulain",
    "tessier",
    "chevallier",
    "collin",
    "chauvin",
    "bouchet",
    "gay",
    "lemaitre",
    "benard",
    "marechal",
    "humbert",
    "reynaud",
    "antoine",
    "hoarau",
    "perret",
    "barthelemy",
    "cordier",
    "pichon",
    "lejeune",
    "gilbert",
    "lamy",
    "delaunay",
    "pasquier",
    "carlier",
    "laporte",
    "nguyen",
    "tran",
    "smith",
    "johnson",
    "williams",
    "diallo",
    "traore",
    "silva",
    "santos",
];

impl PersonName {
    /// `None` when not even one word of three letters is left. In a display name a word in capitals is the family name.
    pub fn read(text: &str) -> Option<PersonName> {
        let mut parts: Vec<Part> = Vec::new();
        let composed: String = text.nfc().collect();
        for written in composed.split(|c: char| !c.is_alphabetic()) {
            let capitals = written.chars().count() > 2 && !written.chars().any(char::is_lowercase);
            for word in words(written) {
                let role = if capitals { Role::Family } else { Role::Unknown };
                let known = parts.iter().any(|part| part.word == word);
                if !known && !SMALL_WORDS.contains(&word.as_str()) && parts.len() < MAX_WORDS {
                    parts.push(Part { word, role });
                }
            }
        }
        // A name wholly in capitals tells nothing about which word is which.
        if parts.iter().all(|part| part.role == Role::Family) {
            parts.iter_mut().for_each(|part| part.role = Role::Unknown);
        }
        give_roles(&mut parts);
        parts.iter().any(|part| part.word.len() >= 3).then_some(PersonName { parts })
    }

    /// Whether the recipient's words are this name's, in any order: each part in full or by its initial, with particles and
    /// fillers between them and nothing left over.
    fn explains(&self, recipient: &[String]) -> Likeness {
        let letters = recipient.concat();
        if letters.len() < 3 || letters.len() > MAX_LETTERS {
            return Likeness::None;
        }
        // `dupont.perso` and `marie.de.la.tour`: fillers and small words are dropped where they stand as words of their own.
        let own: Vec<&str> = recipient
            .iter()
            .map(String::as_str)
            .filter(|word| {
                !FILLERS.contains(word) && !SMALL_WORDS.contains(word) || self.parts.iter().any(|part| part.word == **word)
            })
            .collect();
        let tight = own.concat();
        let whole = self.cover(&letters, 0, Covered::default(), &mut { STEPS });
        if whole == Likeness::Full || own.is_empty() {
            return whole;
        }
        whole.max(self.cover(&tight, 0, Covered::default(), &mut { STEPS }))
    }

    /// The best way to write `rest` with parts not `used` yet; depth at most the number of parts plus the small words.
    fn cover(&self, rest: &str, used: u32, so_far: Covered, steps: &mut u32) -> Likeness {
        if rest.is_empty() {
            return so_far.likeness();
        }
        *steps = steps.saturating_sub(1);
        if *steps == 0 {
            return Likeness::None;
        }
        let mut best = Likeness::None;
        for (at, part) in self.parts.iter().enumerate() {
            if used & (1 << at) != 0 {
                continue;
            }
            if let Some(after) = rest.strip_prefix(part.word.as_str()).filter(|_| part.word.len() >= 2) {
                best = best.max(self.cover(after, used | 1 << at, so_far.with_full(part), steps));
            }
            if best == Likeness::Full {
                return best;
            }
            if so_far.initials < 3 && rest.starts_with(&part.word[..1]) {
                best = best.max(self.cover(&rest[1..], used | 1 << at, so_far.with_initial(), steps));
            }
        }
        // `delatour`, `vanderberg`: particles written together with the name. Only where a full name follows or went before.
        if so_far.small < 2 {
            for small in ["dela", "de", "du", "des", "la", "le", "van", "von", "der", "d", "l"] {
                if let Some(after) =
                    rest.strip_prefix(small).filter(|after| self.parts.iter().any(|part| after.starts_with(&part.word)))
                {
                    best = best.max(self.cover(after, used, Covered { small: so_far.small + 1, ..so_far }, steps));
                }
            }
        }
        best
    }

    /// `dupont-marie.fr`, `marie@dupont.fr`: the domain's own label bears the name in full.
    fn is_vanity(&self, local: &[String], domain: &Domain) -> bool {
        let labels: Vec<&str> = domain.as_str().split('.').collect();
        // The label before the public suffix; two for such suffixes as co.uk and asso.fr.
        let candidates = labels.len().saturating_sub(3)..labels.len().saturating_sub(1);
        candidates.into_iter().any(|at| {
            let label = words(labels[at]);
            if self.explains(&label) == Likeness::Full {
                return true;
            }
            let one = |words: &[String]| self.parts.iter().position(|part| part.word.len() >= 3 && part.word == words.concat());
            matches!((one(local), one(&label)), (Some(given), Some(family)) if given != family)
        })
    }

    /// Every part is one that thousands bear: `Jean Martin`.
    fn is_common(&self) -> bool {
        self.parts.iter().all(|part| part.is_common_given() || part.is_common_family())
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
        let reversed = parts[last].is_common_given() && !parts[0].is_common_given();
        parts[if reversed { 0 } else { last }].role = Role::Family;
    }
    for part in parts.iter_mut().filter(|part| part.role == Role::Unknown) {
        if part.is_common_given() {
            part.role = Role::Given;
        }
    }
}

impl Part {
    fn is_common_given(&self) -> bool {
        COMMON_GIVEN.contains(&self.word.as_str())
    }

    fn is_common_family(&self) -> bool {
        COMMON_FAMILY.contains(&self.word.as_str())
    }
}

/// What of a name was met so far on the way through a recipient's letters.
#[derive(Clone, Copy, Default)]
struct Covered {
    full: u8,
    initials: u8,
    small: u8,
    /// A full part that can be told apart with an initial beside it: four letters, and no common given name.
    telling: bool,
    /// A full part so rare that it stands for its bearer alone: eight letters, on no list of common names.
    rare: bool,
}

impl Covered {
    fn with_full(self, part: &Part) -> Covered {
        let given = match part.role {
            Role::Given => true,
            Role::Family => false,
            Role::Unknown => part.is_common_given() && !part.is_common_family(),
        };
        let rare = part.word.len() >= 8 && !part.is_common_given() && !part.is_common_family();
        Covered {
            full: self.full + 1,
            telling: self.telling || part.word.len() >= 4 && !given,
            rare: self.rare || rare,
            ..self
        }
    }

    fn with_initial(self) -> Covered {
        Covered { initials: self.initials + 1, ..self }
    }

    fn likeness(self) -> Likeness {
        match (self.full, self.initials) {
            (2.., _) => Likeness::Full,
            (1, 1..) if self.telling => Likeness::Agrees,
            (1, 0) if self.rare => Likeness::Agrees,
            _ => Likeness::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn known() -> Known {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
        let lists = BTreeMap::from([
            (SHIPPED.to_owned(), set(&["gmail.com", "orange.fr", "laposte.net", "free.fr", "lagoon.nc", "outlook.fr"])),
            (LOCAL.to_owned(), set(&["vallee-fibre.example"])),
            (EXCEPT.to_owned(), set(&["mairie-petitbourg@orange.fr", "pro.free.fr"])),
        ]);
        Known { inside: Arc::new([Domain::parse("example.gouv.fr").unwrap()]), lists: Arc::new(lists), ..Known::default() }
    }

    fn own(login: &str, names: &[&str], recipient: &str, shown: Option<&str>) -> bool {
        let login = Address::parse(login).unwrap();
        let sender = SenderNames::of(std::slice::from_ref(&login), names.iter().copied());
        is_own(&sender, &Address::parse(recipient).unwrap(), shown, &known())
    }

    #[test]
    fn personal_mailboxes_lie_with_free_mail_and_access_providers() {
        for (recipient, personal) in [
            ("a@gmail.com", true),
            ("a@GMAIL.com", true),
            ("a@orange.fr", true),
            ("a@mail.laposte.net", true),
            ("a@lagoon.nc", true),
            ("a@vallee-fibre.example", true),
            ("a@notgmail.com", false),
            ("a@gmail.com.example.org", false),
            ("a@company.example", false),
            ("mairie-petitbourg@orange.fr", false),
            ("a@pro.free.fr", false),
            ("a@free.fr", true),
            ("a@example.gouv.fr", false),
        ] {
            assert_eq!(is_personal(&Address::parse(recipient).unwrap(), &known()), personal, "{recipient}");
        }
    }

    #[test]
    fn ones_own_mailbox_is_known_by_name() {
        for (login, name, recipient, expected) in [
            // the plain forms, in both orders, with birth years and départements
            ("marie.dupont", "", "mdupont75@gmail.com", true),
            ("marie.dupont", "", "dupont.marie@orange.fr", true),
            ("marie.dupont", "", "marie.dupont@gmail.com", true),
            ("marie.dupont", "", "mariedupont1982@gmail.com", true),
            ("marie.dupont", "", "dupont-marie_77@laposte.net", true),
            ("marie.dupont", "", "dupontm@free.fr", true),
            ("marie.dupont", "", "m.d.u.p.o.n.t@gmail.com", true),
            ("marie.dupont", "", "marie.dupont+boulot@gmail.com", true),
            ("marie.dupont", "", "MARIE.DUPONT.perso@gmail.com", true),
            ("marie.dupont", "", "marie75dupont@gmail.com", true),
            // compound given names
            ("jean-pierre.martin", "", "jpmartin@gmail.com", true),
            ("jean-pierre.martin", "", "jp.martin59@orange.fr", true),
            ("jean-pierre.martin", "", "jeanpierre.martin@free.fr", true),
            ("jean-pierre.martin", "", "martin.jean-pierre@free.fr", true),
            ("jp.martin", "Jean-Pierre MARTIN", "jeanpierremartin@gmail.com", true),
            // particles, apostrophes, accents, ligatures
            ("charles.delatour", "Charles de La Tour", "charles.de.la.tour@gmail.com", true),
            ("c.delatour", "Charles de La Tour", "charlesdelatour@gmail.com", true),
            ("elodie.coeur", "Élodie CŒUR", "e.coeur@laposte.net", true),
            ("helene.dormesson", "Hélène d'Ormesson", "helene.ormesson@gmail.com", true),
            // married and double names
            ("marie.dupont", "Marie Dupont épouse Lefranc", "marie.lefranc@gmail.com", true),
            ("marie.dupont-lefranc", "", "mlefranc@gmail.com", true),
            ("marie.lefranc", "Marie LEFRANC née Grosjean", "grosjean.marie@gmail.com", true),
            // a rare name alone is enough, a common or short one is not
            ("anne.lapeyronnie", "", "lapeyronnie31@orange.fr", true),
            ("marie.dupont", "", "dupont75@gmail.com", false),
            ("marie.dupont", "", "marie@gmail.com", false),
            ("marie.dupont", "", "marie75@gmail.com", false),
            ("christophe.durand", "", "christophe@free.fr", false),
            ("li.ly", "Li Ly", "lly@gmail.com", false),
            ("marie.dupont", "", "marie.d@gmail.com", false),
            // other people
            ("marie.dupont", "", "marie.durand@gmail.com", false),
            ("marie.dupont", "", "paul.dupont@gmail.com", false),
            ("marie.dupont", "", "mdupontel@gmail.com", false),
            ("marie.dupont", "", "citoyen.inconnu@gmail.com", false),
            ("jean-pierre.martin", "", "jmartinez@gmail.com", false),
            ("marie.dupont", "", "contact@gmail.com", false),
            // a vanity domain
            ("marie.dupont", "", "contact@dupont-marie.fr", true),
            ("marie.dupont", "", "moi@mariedupont.example", true),
            ("marie.grosjean", "", "marie@grosjean.fr", true),
            ("marie.grosjean", "", "contact@grosjean.fr", false),
            // namesakes at work elsewhere
            ("jean.martin", "", "jean.martin@company.example", false),
            ("jean.martin", "", "jean.martin@autre.gouv.fr", false),
            ("zoe.grosjean", "", "zoe.grosjean@company.example", true),
            // our own colleagues
            ("marie.dupont", "", "mdupont@example.gouv.fr", false),
        ] {
            let login = format!("{login}@example.gouv.fr");
            let names: &[&str] = if name.is_empty() { &[] } else { &[name] };
            assert_eq!(own(&login, names, recipient, None), expected, "{login} {name} -> {recipient}");
        }
    }

    #[test]
    fn the_name_that_the_message_shows_counts_too() {
        let login = "marie.dupont@example.gouv.fr";
        for (shown, expected) in [
            ("Marie Dupont", true),
            ("DUPONT Marie (perso)", true),
            ("M. Dupont", true),
            ("Marie", false),
            ("Paul Dupont", false),
            ("Marie Dupont et Paul Durand", false),
        ] {
            assert_eq!(own(login, &[], "pseudo99@gmail.com", Some(shown)), expected, "{shown}");
        }
    }

    #[test]
    fn hostile_names_cost_little() {
        let login = "a.a.a.a.a.a.a.a@example.gouv.fr";
        let name = "aa aaa aaaa aaaaa aaaaaa aaaaaaa aaaaaaaa aaaaaaaaa";
        let recipient = format!("{}b@gmail.com", "a".repeat(60));
        assert!(!own(login, &[name], &recipient, None));
    }
}
