//! Turns a message's Subject, references, traces and quotations into: is internal mail forwarded, by whom, or is it an answer?

use super::fold::words;
use super::mailbox::is_inside;
use super::quoted::{Quoted, Style, addresses};
use crate::mail::{Address, Domain};

/// What is known of the correspondence that a message continues.
#[derive(Clone, Debug, Default)]
pub(super) struct Thread {
    /// The Subject has an answer's prefix.
    pub answers: bool,
    /// The Subject has a forwarding prefix, or the body a line that only forwarding clients write.
    pub forwards: bool,
    /// Message-ids of References and In-Reply-To, without angle brackets.
    pub references: Vec<String>,
    pub quoted: Vec<Quoted>,
    /// Attached message/rfc822.
    pub attached: Vec<Attached>,
    /// The From of the message itself, and what else is the sender's.
    pub from: Vec<Address>,
    /// Resent-From, Resent-To, Resent-Date or Resent-Message-ID is there (RFC 5322 §3.6.6).
    pub resent: bool,
}

/// The parties of an attached message.
#[derive(Clone, Debug, Default)]
pub(super) struct Attached {
    pub from: Vec<Address>,
    pub to: Vec<Address>,
    /// Exchange's own kind of address instead of the author's: a colleague.
    pub from_directory: bool,
}

impl Attached {
    /// A mail that was saved as a file, by the lines of its header: RFC 5322's fields, or the properties of Outlook's format.
    pub fn of_header(lines: &str) -> Attached {
        /// Lines of one header.
        const MAX_LINES: usize = 500;
        let mut mail = Attached::default();
        for (name, value) in lines.lines().take(MAX_LINES).filter_map(|line| line.split_once(':')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "from" | "sender" => {
                    mail.from.extend(addresses(value));
                    mail.from_directory |= is_of_directory(value);
                }
                "to" | "cc" | "recipient" => mail.to.extend(addresses(value)),
                _ => {}
            }
        }
        mail
    }
}

/// Whether what `recipient` gets is mail that was written inside for people inside. Somebody who already takes part in the quoted
/// correspondence is being answered, unless it is the sender's own mailbox (`own`): quoting oneself must not open a way out.
pub(super) fn forwards_internal_mail(thread: &Thread, recipient: &Address, own: bool, inside: &[Domain]) -> bool {
    let is_ours = |address: &Address| is_inside(address.domain(), inside);
    if is_ours(recipient) {
        return false;
    }
    if thread.resent && thread.from.iter().any(is_ours) {
        return true;
    }
    if !own && thread.parties().any(|party| party == recipient) {
        return false;
    }
    if thread.attached.iter().any(|mail| mail.from_directory || mail.from.iter().any(is_ours)) {
        return true;
    }
    let internal = |mail: &&Quoted| mail.is_from_inside(inside) && mail.to.iter().all(is_ours);
    if thread.forwards && thread.quoted.iter().any(|mail| internal(&mail)) {
        return true;
    }
    // At home it is no private matter either for a partner's having had a copy, or for an outsider's having written to the house.
    let is_others = |address: &Address| is_ours(address) && !thread.from.contains(address);
    let of_the_house =
        |mail: &Quoted| mail.is_from_inside(inside) && mail.to.iter().any(is_ours) || mail.to.iter().any(is_others);
    if own && thread.forwards && thread.quoted.iter().any(of_the_house) {
        return true;
    }
    let outsider = thread.parties().any(|party| !(is_ours(party) || own && party == recipient));
    // Without a word of forwarding: a header block names the recipients, so it shows that the whole thread was internal.
    let in_full = |mail: &&Quoted| mail.style == Style::Header && !mail.to.is_empty();
    if !outsider && thread.quoted.iter().filter(in_full).any(|mail| internal(&mail)) {
        return true;
    }
    // Whoever answers a colleague but writes to their own mailbox takes the colleague's mail home.
    if own && !outsider && thread.quoted.iter().any(|mail| thread.is_by_colleague(mail, inside)) {
        return true;
    }
    // An answer to a colleague, in a thread that nobody from outside takes part in, goes to somebody who was not in it.
    let is_addressed = |mail: &Quoted| mail.from.is_some() && thread.is_by_colleague(mail, inside);
    if !outsider && thread.refers_inside_or_hosted(recipient, inside) && thread.quoted.iter().any(is_addressed) {
        return true;
    }
    // Message-ids alone: only with a word of forwarding, because an answer to one's own mail to a citizen bears such ids too.
    thread.forwards && !outsider && thread.refers_inside_only(inside)
}

/// Whether this recipient wrote before in the thread: quoted, or the source of a message-id it answers. Anybody can write such a
/// quotation, so this explains and can spare a hold; it must never lift a block.
pub(super) fn replies_to_outsider(thread: &Thread, recipient: &Address, shown: Option<&str>, inside: &[Domain]) -> bool {
    if is_inside(recipient.domain(), inside) || !thread.answers && thread.references.is_empty() {
        return false;
    }
    let by_address = thread.quoted.iter().any(|mail| mail.from.as_ref() == Some(recipient));
    // An id of the recipient's provider is another's where another mailbox of that provider is quoted.
    let others = |id: &Domain| {
        let mut authors = thread.quoted.iter().filter_map(|mail| mail.from.as_ref());
        authors.any(|author| author != recipient && is_of_provider(id, author.domain()))
    };
    let by_id = thread
        .references
        .iter()
        .any(|id| id_domain(id).is_some_and(|domain| is_of_provider(&domain, recipient.domain()) && !others(&domain)));
    let by_name = shown.map(words).filter(|name| name.len() >= 2).is_some_and(|mut name| {
        name.sort();
        thread.quoted.iter().filter(|mail| mail.from.is_none()).any(|mail| {
            let mut author = words(&mail.author);
            author.sort();
            author == name
        })
    });
    by_address || by_id || by_name
}

/// One header field, for [`auto_forwarded`].
pub(super) struct Trace<'t> {
    /// Any case.
    pub name: &'t str,
    /// Unfolded.
    pub value: &'t str,
}

/// Whether a server, not a person, sends this on: the traces of redirections by Exchange, Gmail, Sieve, procmail and SRS. A vacation
/// answer (RFC 3834: `auto-replied`) is written by a server too, but it carries no original.
/// `automatic`: it has the marks of an answer that no person wrote; `original`: another mail is quoted or attached as forwarded.
pub(super) fn auto_forwarded(
    traces: &[Trace],
    mail_from: Option<&Address>,
    automatic: bool,
    original: bool,
    inside: &[Domain],
) -> bool {
    let all = |name: &'static str| traces.iter().filter(move |trace| trace.name.eq_ignore_ascii_case(name));
    let auto_submitted = || all("Auto-Submitted").map(|trace| trace.value.trim().to_ascii_lowercase());
    let machine = all("X-Auto-Response-Suppress").next().is_some()
        && all("X-MS-Exchange-Inbox-Rules-Loop").next().is_none()
        && auto_submitted().any(|value| value.starts_with("auto-generated"));
    // Exchange marks its absence notes with the same fields as what its rules forward.
    if (automatic || machine) && !original {
        return false;
    }
    const TRACES: &[&str] = &[
        "X-MS-Exchange-Inbox-Rules-Loop",
        "X-MS-Exchange-ForwardingLoop",
        "X-MS-Exchange-Organization-AutoForwarded",
        "X-Forwarded-To",
        "X-Forwarded-For",
        "Resent-From",
        // Written at delivery to a mailbox, so it left one again.
        "X-Sieve",
        "X-Sieve-Redirected-From",
        "X-Redirected-From",
        "X-Zimbra-Forwarded",
        // RFC 2156 §5.3.6, and its older spelling.
        "Autoforwarded",
        "Auto-Forwarded",
    ];
    let says_no = |trace: &Trace| ["false", "no", ""].contains(&trace.value.trim().to_ascii_lowercase().as_str());
    if TRACES.iter().any(|name| all(name).any(|trace| !says_no(trace))) {
        return true;
    }
    if all("X-MS-Exchange-Generated-Message-Source").any(|trace| trace.value.trim().eq_ignore_ascii_case("Mailbox Rules Agent"))
    {
        return true;
    }
    if auto_submitted().any(|value| value.starts_with("auto-forwarded")) {
        return true;
    }
    // A mailbox of ours already had this delivered: an alias or a .forward sends it out again. The address of a list is no mailbox, and
    // what it expands to has that trace too; a subscriber's mailbox that sends on adds its own.
    const DELIVERED: [&str; 6] = ["Delivered-To", "X-Original-To", "X-Delivered-To", "Envelope-To", "X-Envelope-To", "X-Loop"];
    let lists: Vec<Address> = all("List-Post").flat_map(|trace| addresses(&trace.value.replace("mailto:", " "))).collect();
    let delivered = DELIVERED.iter().flat_map(|name| all(name)).filter_map(|trace| Address::parse(trace.value.trim()).ok());
    if delivered.into_iter().any(|address| is_inside(address.domain(), inside) && !lists.contains(&address)) {
        return true;
    }
    mail_from.is_some_and(is_rewritten)
}

/// Whether a forwarding server wrote this sender: SRS0 and SRS1, and Exchange's form of it (`marie+SRS=…`).
pub(super) fn is_rewritten(sender: &Address) -> bool {
    let local = sender.local().to_ascii_uppercase();
    ["SRS0=", "SRS0+", "SRS0-", "SRS1=", "SRS1+", "SRS1-"].iter().any(|mark| local.starts_with(mark)) || local.contains("+SRS=")
}

impl Thread {
    /// Every address that the quoted and attached mails name.
    fn parties(&self) -> impl Iterator<Item = &Address> {
        let quoted = self.quoted.iter().flat_map(|mail| mail.from.iter().chain(&mail.to));
        quoted.chain(self.attached.iter().flat_map(|mail| mail.from.iter().chain(&mail.to)))
    }

    /// A mail that somebody inside, not the sender, wrote. Clients that show the author without an address leave it to the message-ids.
    fn is_by_colleague(&self, mail: &Quoted, inside: &[Domain]) -> bool {
        match &mail.from {
            Some(author) => is_inside(author.domain(), inside) && !self.from.contains(author),
            None => mail.is_of_directory() || !mail.author.contains('@') && self.refers_inside_only(inside),
        }
    }

    /// The same, where ids of a hosted system that bear no domain of ours may be ours; they are not where the recipient has them too.
    fn refers_inside_or_hosted(&self, recipient: &Address, inside: &[Domain]) -> bool {
        const HOSTED: [&str; 2] = ["prod.outlook.com", "mail.gmail.com"];
        let is_ours = |id: &String| {
            id_domain(id).is_some_and(|domain| {
                let hosted = HOSTED.iter().any(|hosted| Domain::parse(hosted).is_ok_and(|hosted| domain.is_within(&hosted)));
                is_inside(&domain, inside) || hosted && !is_of_provider(&domain, recipient.domain())
            })
        };
        !self.references.is_empty() && self.references.iter().all(is_ours)
    }

    /// It answers or forwards something, and nothing but mail of ours.
    fn refers_inside_only(&self, inside: &[Domain]) -> bool {
        let is_our_id = |id: &String| id_domain(id).is_some_and(|domain| is_inside(&domain, inside));
        !self.references.is_empty() && self.references.iter().all(is_our_id)
    }
}

impl Quoted {
    fn is_from_inside(&self, inside: &[Domain]) -> bool {
        self.from.as_ref().is_some_and(|author| is_inside(author.domain(), inside)) || self.is_nameless_internal()
    }

    /// Exchange shows colleagues by name alone (`De : MARTIN Paul (DRH)`), outsiders with their address.
    fn is_nameless_internal(&self) -> bool {
        let by_name =
            self.style == Style::Header && self.from.is_none() && !self.author.is_empty() && !self.author.contains('@');
        by_name && self.to.is_empty() || self.is_of_directory()
    }

    fn is_of_directory(&self) -> bool {
        is_of_directory(&self.author)
    }
}

/// Exchange's own kind of address (MS-OXCMAIL: `/O=…/CN=…`, `IMCEAEX-_O=…`), and that of Notes (`Paul Morel/DRH/EXEMPLE@EXEMPLE`): only
/// somebody of the same directory has one.
fn is_of_directory(author: &str) -> bool {
    let author = author.to_ascii_lowercase();
    let notes = |word: &str| {
        word.split_once('@').is_some_and(|(name, domain)| name.contains('/') && !domain.is_empty() && !domain.contains('.'))
    };
    author.contains("/o=") && author.contains("/cn=") || author.contains("imceaex-") || author.split([' ', '<', '>']).any(notes)
}

fn id_domain(id: &str) -> Option<Domain> {
    Domain::parse(id.trim_matches(['<', '>']).rsplit_once('@')?.1).ok()
}

/// Under which domains the great providers make message-ids for their mailboxes.
fn is_of_provider(id: &Domain, mailbox: &Domain) -> bool {
    const ALSO: &[(&str, &[&str])] = &[
        ("prod.outlook.com", &["outlook.com", "outlook.fr", "hotmail.com", "hotmail.fr", "live.com", "live.fr", "msn.com"]),
        ("mail.gmail.com", &["gmail.com", "googlemail.com"]),
        ("mail.yahoo.com", &["yahoo.com", "yahoo.fr", "ymail.com"]),
        ("email.android.com", &[]),
    ];
    if id.is_within(mailbox) {
        return true;
    }
    let within = |name: &str| Domain::parse(name).is_ok_and(|domain| id.is_within(&domain));
    ALSO.iter().any(|(ids, mailboxes)| within(ids) && mailboxes.contains(&mailbox.as_str()))
}

#[cfg(test)]
mod tests {
    use super::super::fold::without_prefixes;
    use super::super::quoted::quotations;
    use super::*;

    fn inside() -> Vec<Domain> {
        vec![Domain::parse("example.gouv.fr").unwrap()]
    }

    fn thread(subject: &str, body: &str, references: &[&str]) -> Thread {
        let subject = without_prefixes(subject);
        let quoted = quotations(body);
        Thread {
            answers: subject.answers,
            forwards: subject.forwards || quoted.forward_line,
            references: references.iter().map(|id| (*id).to_owned()).collect(),
            quoted: quoted.mails,
            ..Thread::default()
        }
    }

    const INTERNAL: &str =
        "De : Paul <paul.martin@example.gouv.fr>\nEnvoyé : jeudi\nÀ : Marie <marie.dupont@example.gouv.fr>\nObjet : x\n";
    const BY_NAME: &str = "De : MARTIN Paul (DRH)\nEnvoyé : jeudi\nÀ : DUPONT Marie\nObjet : x\n";
    const FROM_CITIZEN: &str = "De : Jean <jean@gmail.com>\nEnvoyé : jeudi\nÀ : accueil@example.gouv.fr\nObjet : x\n";
    const TO_CITIZEN: &str = "De : Marie <marie.dupont@example.gouv.fr>\nEnvoyé : jeudi\nÀ : jean@gmail.com\nObjet : x\n";
    const WROTE_INSIDE: &str = "Le 12/11/2026 à 10:00, Paul <paul.martin@example.gouv.fr> a écrit :\n> ok\n";
    const WROTE_CITIZEN: &str = "Le 12/11/2026 à 10:00, Jean <jean@gmail.com> a écrit :\n> ok\n";
    const ZIMBRA: &str =
        "----- Mail transféré -----\nDe: paul.martin@example.gouv.fr\nÀ: marie.dupont@example.gouv.fr\nObjet: x\n";

    #[test]
    fn internal_mail_that_goes_out_is_told_from_an_answer() {
        for (why, subject, body, references, expected) in [
            ("Outlook forward", "TR: x", INTERNAL, &[][..], true),
            ("English prefix", "Fwd: x", INTERNAL, &[], true),
            ("German prefix", "WG: x", INTERNAL, &[], true),
            ("Exchange shows colleagues by name", "TR: x", BY_NAME, &[], true),
            ("Subject rewritten, forward line stays", "vacances", ZIMBRA, &[], true),
            ("Subject rewritten, header block stays", "vacances", INTERNAL, &[], true),
            ("an outsider joined to an internal thread", "RE: x", INTERNAL, &["a@example.gouv.fr"], true),
            ("nothing quoted, ids of ours, forwarding prefix", "TR: x", "voir pj", &["a@mail.example.gouv.fr"], true),
            ("ids of a hosted system, quoted colleagues", "TR: x", INTERNAL, &["a@prod.outlook.com"], true),
            ("gmail-style forward", "Fwd: x", WROTE_INSIDE, &[], true),
            ("answer to the citizen", "RE: x", FROM_CITIZEN, &["a@gmail.com"], false),
            ("answer to the citizen, short style", "Re: x", WROTE_CITIZEN, &["a@mail.gmail.com"], false),
            ("second letter to the citizen", "RE: x", TO_CITIZEN, &["a@example.gouv.fr"], false),
            ("an answer to a colleague, ids of ours", "Re: x", WROTE_INSIDE, &["a@example.gouv.fr"], true),
            ("an answer to a colleague, hosted ids", "Re: x", WROTE_INSIDE, &["A@PR1.prod.outlook.com"], true),
            ("an answer to a colleague, ids of the citizen's provider", "Re: x", WROTE_INSIDE, &["CAx@mail.gmail.com"], false),
            (
                "an answer to a colleague whom the citizen had written to",
                "Re: x",
                &format!("{WROTE_INSIDE}\n{WROTE_CITIZEN}"),
                &["a@example.gouv.fr"],
                false,
            ),
            ("first letter", "Votre dossier", "Bonjour", &[], false),
            ("answer without quotation", "Re: x", "Bonjour", &["a@example.gouv.fr"], false),
            ("a prefix alone", "TR: x", "Bonjour", &[], false),
            ("names alone in an answer", "RE: x", BY_NAME, &[], false),
            (
                "the citizen's mail, answered with what colleagues said",
                "RE: x",
                &format!("{INTERNAL}\n{FROM_CITIZEN}"),
                &[],
                false,
            ),
        ] {
            let recipient = Address::parse("jean@gmail.com").unwrap();
            let thread = thread(subject, body, references);
            assert_eq!(forwards_internal_mail(&thread, &recipient, false, &inside()), expected, "{why}");
        }
    }

    #[test]
    fn quoting_ones_own_mailbox_opens_no_way_out() {
        let own = Address::parse("mdupont75@gmail.com").unwrap();
        let body =
            format!("{INTERNAL}\nDe : moi <mdupont75@gmail.com>\nEnvoyé : x\nÀ : marie.dupont@example.gouv.fr\nObjet : y\n");
        let thread = thread("TR: x", &body, &[]);
        assert!(forwards_internal_mail(&thread, &own, true, &inside()));
        assert!(!forwards_internal_mail(&thread, &own, false, &inside()));
    }

    #[test]
    fn outsiders_mail_is_of_the_house_where_the_house_was_written_to() {
        let own = Address::parse("mdupont75@gmail.com").unwrap();
        let marie = Address::parse("marie.dupont@example.gouv.fr").unwrap();
        const TO_MARIE: &str = "De : Club <club@voile.example>\nEnvoyé : x\nÀ : marie.dupont@example.gouv.fr\nObjet : x\n";
        const OF_NOTES: &str =
            "De : Paul Morel/DRH/EXEMPLE@EXEMPLE\nA : Marie Dupont/DRH/EXEMPLE@EXEMPLE\nDate : x\nObjet : x\n";
        for (why, body, expected) in [
            ("a citizen's letter to the house", FROM_CITIZEN, true),
            ("a club's letter to the sender alone", TO_MARIE, false),
            ("names of a directory", OF_NOTES, true),
        ] {
            let thread = Thread { from: vec![marie.clone()], ..thread("TR: x", body, &[]) };
            assert_eq!(forwards_internal_mail(&thread, &own, true, &inside()), expected, "{why}");
        }
        let other = Address::parse("avocat@gmail.com").unwrap();
        assert!(!forwards_internal_mail(&thread("TR: x", FROM_CITIZEN, &[]), &other, false, &inside()));
    }

    #[test]
    fn an_attached_or_resent_internal_mail_is_forwarded() {
        let outside = Address::parse("jean@gmail.com").unwrap();
        let address = |text| Address::parse(text).unwrap();
        let attach = |from, to| Thread {
            attached: vec![Attached { from: vec![address(from)], to: vec![address(to)], ..Attached::default() }],
            ..Thread::default()
        };
        let (ours, also) = ("paul@example.gouv.fr", "marie@example.gouv.fr");
        assert!(forwards_internal_mail(&attach(ours, also), &outside, false, &inside()));
        assert!(!forwards_internal_mail(&attach("x@company.example", also), &outside, false, &inside()));
        assert!(!forwards_internal_mail(&attach(ours, "jean@gmail.com"), &outside, false, &inside()));
        let resent = Thread { resent: true, from: vec![address(ours)], ..Thread::default() };
        assert!(forwards_internal_mail(&resent, &outside, false, &inside()));
        assert!(!forwards_internal_mail(&resent, &address(also), false, &inside()));
    }

    #[test]
    fn an_answer_to_an_outsider_is_known_by_what_it_quotes() {
        for (why, subject, body, references, shown, expected) in [
            ("quoted address", "RE: x", FROM_CITIZEN, &[][..], None, true),
            ("attribution", "Re: x", WROTE_CITIZEN, &[], None, true),
            ("message-id of the provider", "Re: x", "ok", &["CAx@mail.gmail.com"], None, true),
            (
                "id of the provider, but another wrote",
                "Re: x",
                "De : Luc <luc@gmail.com>\nDate : x\nObjet : x\n",
                &["CAx@mail.gmail.com"],
                None,
                false,
            ),
            ("message-id below the domain", "Re: x", "ok", &["1@smtp.gmail.com"], None, true),
            ("name alone", "Re: x", "Le 12/11/2026 à 10:00, Jean Citoyen a écrit :\n", &[], Some("CITOYEN Jean"), true),
            ("another name", "Re: x", "Le 12/11/2026 à 10:00, Paul Autre a écrit :\n", &[], Some("Jean Citoyen"), false),
            ("quoted, but no answer", "x", FROM_CITIZEN, &[], None, false),
            ("our own ids", "Re: x", "ok", &["1@example.gouv.fr"], None, false),
            ("another provider's id", "Re: x", "ok", &["1@prod.outlook.com"], None, false),
            ("somebody else wrote", "Re: x", INTERNAL, &[], None, false),
            ("a look-alike domain", "Re: x", "ok", &["1@notgmail.com"], None, false),
            ("a first letter", "x", "Bonjour", &[], Some("Jean Citoyen"), false),
        ] {
            let recipient = Address::parse("jean@gmail.com").unwrap();
            assert_eq!(
                replies_to_outsider(&thread(subject, body, references), &recipient, shown, &inside()),
                expected,
                "{why}"
            );
        }
        let outlook = Address::parse("jean@hotmail.fr").unwrap();
        assert!(replies_to_outsider(&thread("Re: x", "", &["A@PR1.eurprd01.prod.outlook.com"]), &outlook, None, &inside()));
    }

    #[test]
    fn redirections_by_servers_leave_traces_and_vacation_answers_are_none() {
        for (why, traces, mail_from, expected) in [
            (
                "Exchange inbox rule",
                &[("X-MS-Exchange-Inbox-Rules-Loop", "marie@example.gouv.fr")][..],
                "a@example.gouv.fr",
                true,
            ),
            ("Exchange says so", &[("X-MS-Exchange-Organization-AutoForwarded", "true")], "a@example.gouv.fr", true),
            ("Exchange says no", &[("X-MS-Exchange-Organization-AutoForwarded", "false")], "a@example.gouv.fr", false),
            (
                "Gmail forwarding",
                &[("X-Forwarded-To", "m@gmail.com"), ("X-Forwarded-For", "a@example.gouv.fr m@gmail.com")],
                "a@example.gouv.fr",
                true,
            ),
            ("resent", &[("Resent-From", "a@example.gouv.fr")], "a@example.gouv.fr", true),
            ("Dovecot Sieve", &[("X-Sieve-Redirected-From", "a@example.gouv.fr")], "a@example.gouv.fr", true),
            ("any case", &[("x-forwarded-to", "m@gmail.com")], "a@example.gouv.fr", true),
            (".forward", &[("Delivered-To", "a@example.gouv.fr")], "a@example.gouv.fr", true),
            ("SRS sender", &[], "SRS0=ab=cd=gmail.com=x@example.gouv.fr", true),
            ("SRS1 sender", &[], "srs1=ab=x==cd=y@example.gouv.fr", true),
            ("says auto-forwarded", &[("Auto-Submitted", "auto-forwarded")], "a@example.gouv.fr", true),
            ("vacation", &[("Auto-Submitted", "auto-replied")], "a@example.gouv.fr", false),
            (
                "Sieve vacation",
                &[("Auto-Submitted", "auto-replied (vacation)"), ("X-Sieve-Redirected-From", "x")],
                "a@example.gouv.fr",
                false,
            ),
            (
                "Exchange out of office",
                &[("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")],
                "a@example.gouv.fr",
                false,
            ),
            ("a newsletter machine", &[("Auto-Submitted", "auto-generated")], "a@example.gouv.fr", false),
            ("delivered elsewhere", &[("Delivered-To", "x@company.example")], "a@example.gouv.fr", false),
            ("an ordinary mail", &[("Subject", "TR: x")], "a@example.gouv.fr", false),
            (
                "Exchange, by the mailbox",
                &[("X-MS-Exchange-ForwardingLoop", "a@example.gouv.fr;8f1c")],
                "a@example.gouv.fr",
                true,
            ),
            ("rules agent", &[("X-MS-Exchange-Generated-Message-Source", "Mailbox Rules Agent")], "a@example.gouv.fr", true),
            ("another agent", &[("X-MS-Exchange-Generated-Message-Source", "Antispam Agent")], "a@example.gouv.fr", false),
            ("Cyrus", &[("X-Sieve", "CMU Sieve 3.0")], "a@example.gouv.fr", true),
            ("Exim", &[("Envelope-To", "a@example.gouv.fr")], "a@example.gouv.fr", true),
            ("procmail", &[("X-Loop", "a@example.gouv.fr")], "a@example.gouv.fr", true),
            ("Exchange's SRS", &[], "marie+SRS=Ab1=EF=gmail.com=jean@example.gouv.fr", true),
            ("plus-addressing", &[], "marie+srs@example.gouv.fr", false),
            (
                "a list's expansion",
                &[("List-Post", "<mailto:info@listes.example.gouv.fr>"), ("Delivered-To", "info@listes.example.gouv.fr")],
                "info-owner@listes.example.gouv.fr",
                false,
            ),
            (
                "a list's mail, sent on by a mailbox",
                &[("List-Post", "<mailto:info@listes.example.gouv.fr>"), ("Delivered-To", "a@example.gouv.fr")],
                "info-owner@listes.example.gouv.fr",
                true,
            ),
        ] {
            let traces: Vec<Trace> = traces.iter().map(|(name, value)| Trace { name, value }).collect();
            let automatic = traces.iter().any(|trace| trace.value.starts_with("auto-replied"));
            let mail_from = Address::parse(mail_from).ok();
            assert_eq!(auto_forwarded(&traces, mail_from.as_ref(), automatic, false, &inside()), expected, "{why}");
        }
    }

    #[test]
    fn an_absence_note_with_the_original_inside_is_a_redirection() {
        let loops = [Trace { name: "X-MS-Exchange-Inbox-Rules-Loop", value: "a@example.gouv.fr" }];
        for (automatic, original, expected) in [(true, false, false), (true, true, true), (false, false, true)] {
            assert_eq!(auto_forwarded(&loops, None, automatic, original, &inside()), expected);
        }
    }

    #[test]
    fn mail_saved_as_a_file_shows_its_parties() {
        let of_eml =
            Attached::of_header("From: Paul <paul@example.gouv.fr>\nTo: a@example.gouv.fr, b@company.example\nSubject: x: y\n");
        assert_eq!((of_eml.from.len(), of_eml.to.len(), of_eml.from_directory), (1, 2, false));
        let of_msg = Attached::of_header(
            "Subject: x\nSender: /O=EXEMPLE/OU=X/CN=RECIPIENTS/CN=PMOREL\nRecipient: Marie marie@example.gouv.fr\n",
        );
        assert_eq!((of_msg.from.len(), of_msg.to.len(), of_msg.from_directory), (0, 1, true));
    }

    #[test]
    fn taken_home_by_answering_is_taken_home() {
        let own = Address::parse("mdupont75@gmail.com").unwrap();
        let marie = Address::parse("marie.dupont@example.gouv.fr").unwrap();
        const BY_NAME_ALONE: &str = "Le 12/11/2026 à 10:00, Paul Martin a écrit :\n> ok\n";
        const BY_HERSELF: &str = "Le 12/11/2026 à 10:00, Marie <marie.dupont@example.gouv.fr> a écrit :\n> ok\n";
        const FROM_HOME: &str = "Le 12/11/2026 à 10:00, Marie <mdupont75@gmail.com> a écrit :\n> ok\n";
        for (why, body, references, expected) in [
            ("a colleague's words", WROTE_INSIDE, &["a@example.gouv.fr"][..], true),
            ("without address, ids of ours", BY_NAME_ALONE, &["a@example.gouv.fr"], true),
            ("without address, ids of the provider", BY_NAME_ALONE, &["a@mail.gmail.com"], false),
            ("her own words", BY_HERSELF, &["a@example.gouv.fr"], false),
            ("her own mail from home", FROM_HOME, &["a@mail.gmail.com"], false),
            ("a citizen's letter to the house, answered", &WROTE_CITIZEN.to_owned()[..], &["CAx@mail.gmail.com"], false),
            ("a citizen's thread", &format!("{WROTE_INSIDE}\n{WROTE_CITIZEN}"), &["a@example.gouv.fr"], false),
        ] {
            let thread = Thread { from: vec![marie.clone()], ..thread("Re: x", body, references) };
            assert_eq!(forwards_internal_mail(&thread, &own, true, &inside()), expected, "{why}");
        }
    }
}
