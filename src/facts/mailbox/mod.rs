//! Turns a sender's names and a recipient's address into: is this a personal mailbox, and is it the sender's own?

mod compare;
mod name;
mod vanity;
mod words;

pub(super) use name::PersonName;

use super::Known;
use super::fold::{fold, words as words_of};
use super::sender::SenderNames;
use crate::mail::{Address, Domain};
use compare::Likeness;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The lists behind `to_personal_mailbox`: as shipped, with an organisation's own additions and exceptions.
pub const SHIPPED: &str = "personal-domains";
pub const LOCAL: &str = "personal-domains-local";
pub const EXCEPT: &str = "personal-domains-except";

/// Why a domain, or an address, is or is not taken for personal mailboxes: the entry that says so, as it stands in its list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One of our own domains.
    Inside,
    /// On [`EXCEPT`], whatever the other lists say.
    Excepted(String),
    /// On [`LOCAL`].
    Local(String),
    /// On [`SHIPPED`].
    Shipped(String),
    NotListed,
}

impl Standing {
    /// How a domain stands, `address` when it is asked for one mailbox: an entry may be an address, a domain, or one above it.
    pub fn of(
        domain: &Domain,
        address: Option<&Address>,
        inside: &[Domain],
        lists: &BTreeMap<String, BTreeSet<String>>,
    ) -> Standing {
        if is_inside(domain, inside) {
            return Standing::Inside;
        }
        let entry = |name: &str| entry_of(domain, address, lists.get(name)?).map(Cow::into_owned);
        match (entry(EXCEPT), entry(LOCAL), entry(SHIPPED)) {
            (Some(entry), ..) => Standing::Excepted(entry),
            (None, Some(entry), _) => Standing::Local(entry),
            (None, None, Some(entry)) => Standing::Shipped(entry),
            (None, None, None) => Standing::NotListed,
        }
    }

    pub fn is_personal(&self) -> bool {
        matches!(self, Standing::Local(_) | Standing::Shipped(_))
    }
}

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
    entry_of(address.domain(), Some(address), entries).is_some()
}

/// One look-up for the address and one for each label: how long the list is does not matter.
fn entry_of<'e>(domain: &'e Domain, address: Option<&Address>, entries: &BTreeSet<String>) -> Option<Cow<'e, str>> {
    if let Some(key) = address.map(Address::key).filter(|key| entries.contains(key)) {
        return Some(Cow::Owned(key));
    }
    let mut rest = Some(domain.as_str());
    while let Some(domain) = rest {
        if entries.contains(domain) {
            return Some(Cow::Borrowed(domain));
        }
        rest = domain.split_once('.').map(|(_, above)| above);
    }
    None
}

/// True when the recipient is, by name, the sender. `shown` is the display name the message gives the recipient.
pub(super) fn is_own(sender: &SenderNames, recipient: &Address, shown: Option<&str>, known: &Known) -> bool {
    if is_inside(recipient.domain(), &known.inside) {
        return false;
    }
    if sender.owns.contains(recipient) || sender.private.iter().any(|private| is_same_mailbox(private, recipient)) {
        return true;
    }
    let local = fold(untagged(recipient.local()));
    let local = words_of(&local);
    let shown = shown.map(words_of).unwrap_or_default();
    match Place::of(recipient, known) {
        Place::Personal => {
            !sender.names.is_empty() && is_shown_as_oneself(&shown)
                || sender.names.iter().any(|name| {
                    explains_couple(name, &local)
                        || name.explains(&local) == Likeness::Full
                        || name.explains(&local) == Likeness::Agrees && !is_shown_as_relative(sender, &shown, &local)
                        || name.explains(&shown) >= Likeness::Agrees
                        || name.is_called_private(&shown)
                })
        }
        // At another employer a namesake is as likely as the sender: both names in full, and not names that thousands bear.
        Place::Elsewhere => sender.names.iter().any(|name| {
            name.explains(&local) == Likeness::Full && !name.is_common() || name.is_vanity(&local, recipient.domain())
        }),
        Place::Authority => false,
    }
}

/// Without the tag of plus-addressing: gmail's, and the other great providers have it too.
fn untagged(local: &str) -> &str {
    local.split('+').next().unwrap_or(local)
}

/// Whether two addresses are one mailbox: tags never count, and Gmail ignores dots and has two names.
fn is_same_mailbox(one: &Address, other: &Address) -> bool {
    const GMAIL: [&str; 2] = ["gmail.com", "googlemail.com"];
    let at_gmail = |address: &Address| GMAIL.contains(&address.domain().as_str());
    let both = at_gmail(one) && at_gmail(other);
    let local = |address: &Address| -> String {
        let local = untagged(address.local()).to_ascii_lowercase();
        if both { local.replace('.', "") } else { local }
    };
    (both || one.domain() == other.domain()) && local(one) == local(other)
}

/// `Moi <…>`, `moi perso`, `perso`: nobody writes that of somebody else.
fn is_shown_as_oneself(shown: &[String]) -> bool {
    let is = |list: &[&str], word: &String| list.contains(&word.as_str());
    !shown.is_empty()
        && shown.iter().all(|word| is(words::SELF_WORDS, word) || is(words::PRIVATE_WORDS, word) || is(words::FILLERS, word))
        && shown.iter().any(|word| is(words::SELF_WORDS, word) || is(words::PRIVATE_WORDS, word))
}

/// `Michel Dupont <m.dupont@…>`: the name shown is written in the address as well as the sender's, and its given name is another's.
fn is_shown_as_relative(sender: &SenderNames, shown: &[String], local: &[String]) -> bool {
    let is_named = |word: &String| {
        sender.names.iter().any(|name| name.parts.iter().any(|part| part.word == *word || part.short.contains(&word.as_str())))
    };
    let foreign = shown.iter().any(|word| words::is_given(word) && !is_named(word));
    foreign && PersonName::read(&shown.join(" ")).is_some_and(|name| name.explains(local) >= Likeness::Agrees)
}

/// `marie.et.paul.dupont`: the mailbox of two, one of whom is the sender.
fn explains_couple(name: &PersonName, local: &[String]) -> bool {
    let Some(at) = local.iter().position(|word| ["et", "and", "und", "y", "e"].contains(&word.as_str())) else { return false };
    let (first, second) = (&local[..at], &local[at + 1..]);
    let [one] = first else { return false };
    let Some((family, _)) = second.split_last().filter(|(_, given)| !given.is_empty()) else { return false };
    name.explains(second) == Likeness::Full || name.explains(&[one.clone(), family.clone()]) == Likeness::Full
}

impl PersonName {
    /// `Nathalie perso`: a part of the sender's name, and the word that it is private.
    fn is_called_private(&self, shown: &[String]) -> bool {
        let (private, named): (Vec<&String>, Vec<&String>) =
            shown.iter().partition(|word| words::PRIVATE_WORDS.contains(&word.as_str()));
        !private.is_empty() && !named.is_empty() && named.iter().all(|word| self.parts.iter().any(|part| part.word == **word))
    }
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
        match (is_personal(recipient, known), is_authority(recipient.domain())) {
            (true, _) => Place::Personal,
            (false, true) => Place::Authority,
            (false, false) => Place::Elsewhere,
        }
    }
}

/// By the naming habits of administrations, académies, universities and hospitals.
fn is_authority(domain: &Domain) -> bool {
    #[rustfmt::skip]
    const ABOVE: &[&str] = &[
        "gouv.fr", "gov.uk", "europa.eu", "justice.fr", "assemblee-nationale.fr", "senat.fr", "cnrs.fr", "inserm.fr", "inrae.fr",
        "aphp.fr", "cnam.fr", "caf.fr", "urssaf.fr", "pole-emploi.fr", "francetravail.fr", "admin.ch", "fgov.be", "gov", "mil", "int",
    ];
    const BEGINS: &[&str] = &[
        "ac-",
        "univ-",
        "u-",
        "mairie-",
        "mairie",
        "ville-",
        "chu-",
        "ch-",
        "cc-",
        "ca-",
        "agglo-",
        "dept",
        "departement",
        "region-",
        "sdis",
    ];
    let name = domain.as_str();
    let labels = name.rsplit('.').collect::<Vec<_>>();
    ABOVE.iter().any(|above| name.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        || labels.get(1).is_some_and(|label| *label == "gov" || *label == "gouv" || *label == "gob")
        || labels.first() == Some(&"fr")
            && labels.get(1).is_some_and(|label| BEGINS.iter().any(|begin| label.starts_with(begin)))
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
            ("moi", true),
            ("Perso", true),
            ("Marie perso", true),
            ("Paul perso", false),
            ("Maman", false),
        ] {
            assert_eq!(own(login, &[], "pseudo99@gmail.com", Some(shown)), expected, "{shown}");
        }
    }

    #[test]
    fn a_relative_shown_by_name_is_not_taken_for_the_sender() {
        let login = "marie.dupont@example.gouv.fr";
        for (recipient, shown, expected) in [
            ("m.dupont@orange.fr", Some("Michel Dupont"), false),
            ("m.dupont@orange.fr", None, true),
            ("m.dupont@orange.fr", Some("M. Dupont"), true),
            ("m.dupont@orange.fr", Some("Jean Citoyen"), true),
            ("marie.dupont@orange.fr", Some("Michel Dupont"), true),
        ] {
            assert_eq!(own(login, &[], recipient, shown), expected, "{recipient} {shown:?}");
        }
    }

    #[test]
    fn a_private_address_that_the_directory_knows_is_ones_own_in_every_spelling() {
        let address = |text: &str| Address::parse(text).unwrap();
        let sender = SenderNames {
            private: vec![address("pseudo.voileux29@gmail.com"), address("atelier@ceramique.example")],
            ..SenderNames::default()
        };
        for (recipient, expected) in [
            ("pseudo.voileux29@gmail.com", true),
            ("PseudoVoileux29@googlemail.com", true),
            ("pseudo.voileux29+x@gmail.com", true),
            ("atelier+x@ceramique.example", true),
            ("ate.lier@ceramique.example", false),
            ("pseudo.voileux29@orange.fr", false),
        ] {
            assert_eq!(is_own(&sender, &address(recipient), Some("moi"), &known()), expected, "{recipient}");
        }
    }

    #[test]
    fn other_administrations_are_told_by_their_domains() {
        for (domain, expected) in [
            ("autre.gouv.fr", true),
            ("ac-exemple.fr", true),
            ("univ-exemple.fr", true),
            ("mairie-exemple.fr", true),
            ("exemple.gov.uk", true),
            ("exemple.gouv.ci", true),
            ("exemple.europa.eu", true),
            ("gouv.fr.exemple.com", false),
            ("academie-exemple.com", false),
            ("grosjean.fr", false),
        ] {
            assert_eq!(is_authority(&Domain::parse(domain).unwrap()), expected, "{domain}");
        }
    }

    #[test]
    fn why_a_domain_is_personal_is_told_by_its_entry() {
        let known = known();
        for (asked, expected) in [
            ("mail.laposte.net", Standing::Shipped("laposte.net".into())),
            ("vallee-fibre.example", Standing::Local("vallee-fibre.example".into())),
            ("pro.free.fr", Standing::Excepted("pro.free.fr".into())),
            ("x.example.gouv.fr", Standing::Inside),
            ("company.example", Standing::NotListed),
        ] {
            let standing = Standing::of(&Domain::parse(asked).unwrap(), None, &known.inside, &known.lists);
            assert_eq!(standing, expected, "{asked}");
        }
        let address = Address::parse("mairie-petitbourg@orange.fr").unwrap();
        let standing = Standing::of(address.domain(), Some(&address), &known.inside, &known.lists);
        assert_eq!(standing, Standing::Excepted(address.key()));
        assert!(!standing.is_personal());
    }

    #[test]
    fn hostile_names_cost_little() {
        let login = "a.a.a.a.a.a.a.a@example.gouv.fr";
        let name = "aa aaa aaaa aaaaa aaaaaa aaaaaaa aaaaaaaa aaaaaaaaa";
        let recipient = format!("{}b@gmail.com", "a".repeat(60));
        assert!(!own(login, &[name], &recipient, None));
    }
}
