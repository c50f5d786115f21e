//! Turns addresses into parties: inside or outside, on which list, and whether a From is the sender's own.

use crate::mail::{Address, Domain, Identity, Submission};
use crate::mime::{Field, Mailbox, ParsedMessage};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// Who is inside, and who stands on which list.
#[derive(Clone, Debug, Default)]
pub struct Parties {
    /// Our own domains; their subdomains are inside too.
    pub inside: Arc<[Domain]>,
    /// `lists/<name>.txt` as sets of lower-case entries: an address, or a domain (which stands for its subdomains too).
    pub lists: Arc<BTreeMap<String, BTreeSet<String>>>,
}

/// One way to name a party in a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Party {
    Inside,
    Outside,
    List(String),
    Domain(Domain),
    Address(Address),
}

/// Why a message is refused with 553 5.7.1. Says which field, never what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotYours {
    #[error("the message needs exactly one From field")]
    NotOneFrom,
    #[error("the message may have at most one Sender field, with one address")]
    NotOneSender,
    #[error("an entry of the {0} field is no address")]
    NoAddress(&'static str),
    #[error("the address in the {0} field is not yours to send from")]
    NotOwned(&'static str),
    #[error("a From of several addresses needs a Sender field (RFC 5322 3.6.2)")]
    SenderMissing,
    #[error("the name in the {0} field is another person's address")]
    PosingName(&'static str),
}

impl Parties {
    pub fn is_inside(&self, address: &Address) -> bool {
        is_inside(address.domain(), &self.inside)
    }

    /// True when the address, its domain or a domain above it stands on the list.
    pub fn is_listed(&self, address: &Address, list: &str) -> bool {
        self.lists.get(list).is_some_and(|entries| is_listed(address, entries))
    }

    pub(super) fn is(&self, address: &Address, party: &Party) -> bool {
        match party {
            Party::Inside => self.is_inside(address),
            Party::Outside => !self.is_inside(address),
            Party::List(name) => self.is_listed(address, name),
            Party::Domain(domain) => address.domain().is_within(domain),
            Party::Address(wanted) => address == wanted,
        }
    }
}

pub fn is_inside(domain: &Domain, inside: &[Domain]) -> bool {
    inside.iter().any(|ours| domain.is_within(ours))
}

/// True when the address, its domain or a domain above it is among the lower-case `entries`.
pub fn is_listed(address: &Address, entries: &BTreeSet<String>) -> bool {
    entries.contains(&address.key()) || has_domain(address.domain(), entries)
}

/// True when the domain or a domain above it is among the lower-case `entries`.
pub fn has_domain(domain: &Domain, entries: &BTreeSet<String>) -> bool {
    let mut rest = domain.as_str();
    loop {
        if entries.contains(rest) {
            return true;
        }
        match rest.split_once('.') {
            Some((_, above)) => rest = above,
            None => return false,
        }
    }
}

/// A login writes in its own name only (RFC 6409 §6.1): one From field, every address in From, Sender, Resent-From and Resent-Sender owned
/// by the identity, a Sender where From has several, and no display name that shows a reader another address than the one that sends.
pub fn check_sender(submission: &Submission, message: &ParsedMessage) -> Result<(), NotYours> {
    let list = |name| AddressList { fields: message.fields(name).count(), mailboxes: message.mailboxes(name) };
    check_lists(&submission.identity, &list("From"), &list("Sender"))?;
    // Whoever resends is who is here now (RFC 5322 §3.6.6); clients show it as "by way of". There may be one block for each time.
    for name in ["Resent-From", "Resent-Sender"] {
        let resent = list(name);
        if resent.fields > resent.mailboxes.len() {
            return Err(NotYours::NoAddress(name));
        }
        resent.mailboxes.iter().try_for_each(|mailbox| check_mailbox(&submission.identity, name, mailbox))?;
    }
    // Groups and comments are no part of a mailbox, but some readers show them.
    let poses_around =
        |name| message.fields(name).any(|field| poses(&around(message, field), |shown| submission.identity.owns(shown)));
    match ["From", "Sender", "Resent-From", "Resent-Sender"].into_iter().find(|name| poses_around(name)) {
        Some(field) => Err(NotYours::PosingName(field)),
        None => Ok(()),
    }
}

/// The text of an address field without its addresses.
fn around(message: &ParsedMessage, field: &Field) -> String {
    let addresses = message.mailboxes(&field.name).into_iter().filter_map(|mailbox| mailbox.address);
    addresses.fold(message.text_of(field).to_lowercase(), |text, address| text.replace(&address.key(), " "))
}

/// What a message says in all its fields of one name.
struct AddressList {
    fields: usize,
    mailboxes: Vec<Mailbox>,
}

fn check_lists(identity: &Identity, from: &AddressList, sender: &AddressList) -> Result<(), NotYours> {
    if from.fields != 1 || from.mailboxes.is_empty() {
        return Err(NotYours::NotOneFrom);
    }
    if sender.fields > 1 || sender.fields != sender.mailboxes.len() {
        return Err(NotYours::NotOneSender);
    }
    if from.mailboxes.len() > 1 && sender.mailboxes.is_empty() {
        return Err(NotYours::SenderMissing);
    }
    let named = from.mailboxes.iter().map(|mailbox| ("From", mailbox));
    let mut all = named.chain(sender.mailboxes.iter().map(|mailbox| ("Sender", mailbox)));
    all.try_for_each(|(field, mailbox)| check_mailbox(identity, field, mailbox))
}

fn check_mailbox(identity: &Identity, field: &'static str, mailbox: &Mailbox) -> Result<(), NotYours> {
    let address = mailbox.address.as_ref().ok_or(NotYours::NoAddress(field))?;
    if !identity.owns(address) {
        return Err(NotYours::NotOwned(field));
    }
    let name = mailbox.name.as_deref().unwrap_or_default();
    if poses(name, |shown| identity.owns(shown)) { Err(NotYours::PosingName(field)) } else { Ok(()) }
}

/// True when a display name shows an address that the sender does not own: most clients show the name alone. Look-alikes of the
/// at sign and invisible characters are folded first, because that is how such names pass simpler checks.
fn poses(name: &str, owns: impl Fn(&Address) -> bool) -> bool {
    // An encoded word that we did not decode (a line break in it, an unknown charset) another reader may.
    if name.contains("=?") || name.contains("?=") {
        return true;
    }
    // What is written backwards between such characters is shown forwards.
    let overridden = name.contains(['\u{202A}', '\u{202B}', '\u{202D}', '\u{202E}', '\u{2066}', '\u{2067}', '\u{2068}']);
    shows_foreign(name, &owns) || overridden && shows_foreign(&name.chars().rev().collect::<String>(), &owns)
}

fn shows_foreign(name: &str, owns: impl Fn(&Address) -> bool) -> bool {
    let folded: String = name.nfkc().filter(|c| !is_invisible(*c)).map(|c| if c == '\u{24B6}' { '@' } else { c }).collect();
    // "boss @ example.org" reads as an address too.
    let tight = folded.replace(" @", "@").replace("@ ", "@");
    tight.split(|c: char| c.is_whitespace() || "<>()[]{},;:\"'`|/\\".contains(c)).filter(|word| word.contains('@')).any(
        |word| {
            let word = word.trim_matches('.');
            // `Alice @ Finances` is no address. `boß@example.org` is none by the standard, but a reader takes it for one.
            let looks = word.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
            looks && Address::parse(word).map_or(true, |shown| !owns(&shown))
        },
    )
}

/// Characters that no reader sees: zero-width and bidirectional controls, soft hyphen, variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
        || c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn inside_means_our_domains_and_those_below_them() {
        let parties = Parties { inside: Arc::new([Domain::parse("example.gouv.fr").unwrap()]), ..Parties::default() };
        for (text, inside) in [
            ("a@example.gouv.fr", true),
            ("a@dr.example.gouv.fr", true),
            ("a@EXAMPLE.gouv.fr", true),
            ("a@badexample.gouv.fr", false),
            ("a@example.gouv.fr.evil.example", false),
            ("a@gouv.fr", false),
        ] {
            assert_eq!(parties.is_inside(&address(text)), inside, "{text}");
        }
    }

    #[test]
    fn a_list_holds_addresses_and_domains_with_their_subdomains() {
        let entries: BTreeSet<String> = ["urssaf.example", "paul@example.org"].map(str::to_owned).into();
        for (text, listed) in [
            ("x@urssaf.example", true),
            ("x@idf.urssaf.example", true),
            ("x@noturssaf.example", false),
            ("Paul@Example.org", true),
            ("pauline@example.org", false),
        ] {
            assert_eq!(is_listed(&address(text), &entries), listed, "{text}");
        }
    }

    fn list(entries: &[(&str, &str)]) -> AddressList {
        let mailbox = |&(name, text): &(&str, &str)| Mailbox {
            name: (!name.is_empty()).then(|| name.to_owned()),
            address: Address::parse(text).ok(),
        };
        AddressList { fields: usize::from(!entries.is_empty()), mailboxes: entries.iter().map(mailbox).collect() }
    }

    #[test]
    fn a_login_writes_in_its_own_name_only() {
        let identity = Identity::Account {
            login: address("alice@example.org"),
            owns: vec![address("alice@example.org"), address("team@example.org")],
            names: vec![],
            attributes: Default::default(),
        };
        let (alice, team, boss) = (("Alice", "alice@example.org"), ("", "team@example.org"), ("Boss", "boss@example.org"));
        for (from, sender, result) in [
            (&[alice][..], &[][..], Ok(())),
            (&[team], &[alice], Ok(())),
            (&[alice, team], &[alice], Ok(())),
            (&[("", "ALICE@EXAMPLE.ORG")], &[], Ok(())),
            (&[], &[], Err(NotYours::NotOneFrom)),
            (&[boss], &[], Err(NotYours::NotOwned("From"))),
            (&[boss], &[alice], Err(NotYours::NotOwned("From"))),
            (&[alice, boss], &[alice], Err(NotYours::NotOwned("From"))),
            (&[alice], &[boss], Err(NotYours::NotOwned("Sender"))),
            (&[alice, team], &[], Err(NotYours::SenderMissing)),
            (&[alice], &[alice, team], Err(NotYours::NotOneSender)),
            (&[("Alice", "no address")], &[], Err(NotYours::NoAddress("From"))),
            (&[("boss@example.org", "alice@example.org")], &[], Err(NotYours::PosingName("From"))),
            (&[alice], &[("boss@example.org", "alice@example.org")], Err(NotYours::PosingName("Sender"))),
        ] {
            assert_eq!(check_lists(&identity, &list(from), &list(sender)), result, "{from:?} {sender:?}");
        }
        let two_fields = AddressList { fields: 2, ..list(&[alice]) };
        assert_eq!(check_lists(&identity, &two_fields, &list(&[])), Err(NotYours::NotOneFrom));
        let two_senders = AddressList { fields: 2, ..list(&[alice]) };
        assert_eq!(check_lists(&identity, &list(&[alice]), &two_senders), Err(NotYours::NotOneSender));
    }

    #[test]
    fn a_relay_vouches_for_its_domains() {
        let relay =
            Identity::Relay { listener: "relay".into(), senders: vec![Domain::parse("example.org").unwrap()], login: None };
        assert_eq!(check_lists(&relay, &list(&[("", "anyone@sub.example.org")]), &list(&[])), Ok(()));
        assert_eq!(check_lists(&relay, &list(&[("", "a@example.net")]), &list(&[])), Err(NotYours::NotOwned("From")));
    }

    #[test]
    fn a_display_name_may_not_show_an_address_that_is_not_the_senders() {
        let own = address("alice@example.org");
        for (name, posing) in [
            ("Alice Martin", false),
            ("alice@example.org", false),
            ("Alice (ALICE@example.org)", false),
            ("Alice @ Finances", false),
            ("Élodie @ DGFiP", false),
            ("boss@example.org", true),
            ("Boss <boss@example.org>", true),
            ("boss＠example.org", true),
            ("boss﹫example.org", true),
            ("bo\u{200B}ss@exam\u{00AD}ple.org", true),
            ("boss @ example.org", true),
            ("bôss@example.org", true),
            ("alice@example.org boss@example.org", true),
            ("mailto:boss@example.org", true),
            ("\u{202E}boss@example.org", true),
            ("\u{202E}gro.elpmaxe@ssob", true),
            ("\u{202E}gro.elpmaxe@ecila", false),
            ("\u{200F}\u{05D0}\u{05D1}", false),
            ("=?utf-8?q?a=0D=0AFrom:_boss=40example.org?=", true),
            ("_boss=40example.org?=", true),
        ] {
            assert_eq!(poses(name, |shown| *shown == own), posing, "{name}");
        }
    }

    fn submission(message: &str) -> Submission {
        use crate::mail::{Language, Origin, RawMessage, Reference, UnixTime};
        let login = address("alice@example.org");
        Submission {
            reference: Reference::from_random([1; 8]),
            identity: Identity::Account {
                owns: vec![login.clone()],
                login: login.clone(),
                names: vec![],
                attributes: Default::default(),
            },
            mail_from: Some(login),
            recipients: vec![address("bob@example.net")],
            raw: RawMessage::new(message.replace('\n', "\r\n").into_bytes()).unwrap(),
            origin: Origin::Inspection,
            received_at: UnixTime(0),
            language: Language::En,
            requires_tls: false,
            transport: Default::default(),
        }
    }

    #[test]
    fn the_check_reads_the_message_as_a_client_shows_it() {
        for (header, result) in [
            ("From: Alice <alice@example.org>", Ok(())),
            ("From: \"Martin, Alice\" <alice@example.org>", Ok(())),
            ("from: alice@example.org", Ok(())),
            ("From: =?utf-8?q?=C3=89lodie?= <alice@example.org>", Ok(())),
            ("Subject: x", Err(NotYours::NotOneFrom)),
            ("From: ", Err(NotYours::NotOneFrom)),
            ("From: boss@example.org", Err(NotYours::NotOwned("From"))),
            ("From: Alice <alice@example.org>, Boss <boss@example.org>", Err(NotYours::SenderMissing)),
            (
                "From: Alice <alice@example.org>, Boss <boss@example.org>\nSender: alice@example.org",
                Err(NotYours::NotOwned("From")),
            ),
            ("From: team: alice@example.org, boss@example.org;\nSender: alice@example.org", Err(NotYours::NotOwned("From"))),
            ("From: \"boss@example.org\" <alice@example.org>", Err(NotYours::PosingName("From"))),
            ("From: =?utf-8?b?Ym9zc0BleGFtcGxlLm9yZw==?= <alice@example.org>", Err(NotYours::PosingName("From"))),
            ("From: boss@example.org (Alice) <alice@example.org>", Err(NotYours::PosingName("From"))),
            ("From: Alice <alice@example.org>\nSender: boss@example.org", Err(NotYours::NotOwned("Sender"))),
            ("From: alice@example.org\nResent-From: alice@example.org\nResent-To: bob@example.net", Ok(())),
            ("From: alice@example.org\nResent-From: boss@example.org", Err(NotYours::NotOwned("Resent-From"))),
            ("From: alice@example.org\nresent-FROM : boss@example.org", Err(NotYours::NotOwned("Resent-From"))),
            ("From: boss@example.org\nResent-From: alice@example.org", Err(NotYours::NotOwned("From"))),
            (
                "From: alice@example.org\nResent-From: alice@example.org\nResent-From: boss@example.org",
                Err(NotYours::NotOwned("Resent-From")),
            ),
            (
                "From: alice@example.org\nResent-From: alice@example.org\nResent-Sender: boss@example.org",
                Err(NotYours::NotOwned("Resent-Sender")),
            ),
            ("From: alice@example.org\nResent-Sender: team: boss@example.org;", Err(NotYours::NotOwned("Resent-Sender"))),
            ("From: alice@example.org\nResent-From: ", Err(NotYours::NoAddress("Resent-From"))),
            ("From: alice@example.org\nResent-From: nobody", Err(NotYours::NoAddress("Resent-From"))),
            (
                "From: alice@example.org\nResent-From: \"boss@example.org\" <alice@example.org>",
                Err(NotYours::PosingName("Resent-From")),
            ),
            (
                "From: alice@example.org\nResent-From: alice@example.org (boss@example.org)",
                Err(NotYours::PosingName("Resent-From")),
            ),
            // With SMTPUTF8 these come here as they are written.
            ("From: аlice@example.org", Err(NotYours::NotOwned("From"))),
            ("From: alicе@example.org", Err(NotYours::NotOwned("From"))),
            ("From: a\u{301}lice@example.org", Err(NotYours::NotOwned("From"))),
            ("From: ａlice@example.org", Err(NotYours::NoAddress("From"))),
            ("From: alice@ｅxample.org", Err(NotYours::NoAddress("From"))),
            ("From: alice@example。org", Err(NotYours::NoAddress("From"))),
            ("From: alice＠example.org", Err(NotYours::NoAddress("From"))),
            ("From: alice\u{200b}@example.org", Err(NotYours::NoAddress("From"))),
            ("From: alice@exаmple.org", Err(NotYours::NotOwned("From"))),
            ("From: bоss@example.org <alice@example.org>", Err(NotYours::PosingName("From"))),
            ("From: \"bоss@example.org\" <alice@example.org>", Err(NotYours::PosingName("From"))),
            ("From: \"boss＠example.org\" <alice@example.org>", Err(NotYours::PosingName("From"))),
            ("From: Élodie Martin <alice@example.org>", Ok(())),
        ] {
            let submission = submission(&format!("{header}\nTo: bob@example.net\n\nx\n"));
            let message = crate::mime::parse(&submission.raw, &crate::mime::Limits::default());
            match message {
                Ok(message) => assert_eq!(check_sender(&submission, &message), result, "{header}"),
                // Refused as malformed: stricter, and just as well.
                Err(_) => assert!(result.is_err(), "{header}"),
            }
        }
    }
}
