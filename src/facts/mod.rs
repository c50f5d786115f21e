//! Turns a message and what is known of its parties into facts: what is true of it as a whole, and of each recipient.

mod fold;
mod forwarding;
mod kind;
mod mailbox;
mod marking;
mod measures;
mod past;
mod quoted;
mod seals;
mod sender;

pub use fold::fold;
pub use mailbox::{EXCEPT, LOCAL, SHIPPED, Standing};
pub use past::{Past, PastCounts, PastKey, PastTry, Remembers, Tally};
pub use seals::take_out_seals_of_parties;

use crate::detect::Findings;
use crate::extract::{Extracted, FileKind, TextKind};
use crate::mail::{Address, Domain, Identity, Submission};
use crate::mime::{KeyName, Kind, Mailbox, ParsedMessage};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything a policy may ask about one message: what is true of it as a whole, and of each recipient, by what `known` tells of
/// the parties. Facts that can be forged by the sender only ever add reasons or spare holds (DESIGN §8).
pub fn gather(
    submission: &Submission,
    message: &ParsedMessage,
    extracted: &Extracted,
    findings: &Findings,
    known: &Known,
) -> Facts {
    let subject = message.subject().unwrap_or_default();
    let visible: Vec<Mailbox> = ["To", "Cc"].iter().flat_map(|name| message.mailboxes(name)).collect();
    let visible_addresses: Vec<Address> = visible.iter().filter_map(|mailbox| mailbox.address.clone()).collect();
    let from: Vec<(Option<String>, Option<Address>)> =
        message.mailboxes("From").into_iter().map(|mailbox| (mailbox.name, mailbox.address)).collect();
    let mut thread = thread(message, &subject, &from, extracted);
    let sender = sender::SenderNames::of_submission(submission, &from);
    thread.from.extend_from_slice(&sender.owns);
    // By address: a search of all for each would cost the square of their number.
    let mut names: std::collections::HashMap<&Address, Option<&str>> = std::collections::HashMap::new();
    for mailbox in &visible {
        if let Some(address) = &mailbox.address {
            names.entry(address).or_insert(mailbox.name.as_deref());
        }
    }
    let of_recipients = submission.recipients.iter().map(|recipient| {
        let shown = names.get(recipient).copied().flatten();
        let own = mailbox::is_own(&sender, recipient, shown, known);
        let facts = [
            (Fact::ToPersonalMailbox, mailbox::is_personal(recipient, known)),
            (Fact::ToOwnMailbox, own),
            (Fact::ForwardsInternalMail, forwarding::forwards_internal_mail(&thread, recipient, own, &known.inside)),
            (Fact::RepliesToOutsider, forwarding::replies_to_outsider(&thread, recipient, shown, &known.inside)),
            (Fact::ContestedKey, known.contested.contains(recipient)),
        ];
        RecipientFacts {
            facts: held(&facts),
            has_key: known.with_key.contains(recipient),
            has_password: known.with_password.contains(recipient),
            groups: known.groups.get(recipient).map(|groups| known.counting(groups)).unwrap_or_default(),
        }
    });
    let fields: Vec<(&str, String)> =
        message.top().fields.iter().map(|field| (field.name.as_str(), message.text_of(field))).collect();
    let traces: Vec<forwarding::Trace> = fields.iter().map(|(name, value)| forwarding::Trace { name, value }).collect();
    let labels: Vec<marking::Label> = fields.iter().map(|(name, value)| marking::Label { name, value }).collect();
    let mut parties = visible_addresses.clone();
    parties.extend(thread.quoted.iter().flat_map(|mail| mail.from.iter().chain(&mail.to)).cloned());
    let office = |kind: FileKind| matches!(kind, FileKind::Office | FileKind::Pdf | FileKind::Archive);
    let mail_from = submission.mail_from.as_ref();
    let automatic = kind::is_auto_reply(message);
    let original = thread.forwards && !thread.quoted.is_empty() || !thread.attached.is_empty();
    let of_message = [
        (Fact::AutoForwarded, forwarding::auto_forwarded(&traces, mail_from, automatic, original, &known.inside)),
        (Fact::OfficeAttachment, extracted.files.iter().any(|file| office(file.kind))),
        (Fact::ViaRelay, matches!(submission.identity, Identity::Relay { .. })),
        (Fact::TriedAgain, known.refused_alike),
        (Fact::KeepsTrying, known.versions_refused >= VERSIONS),
        (Fact::ProfessionalContent, marking::professional_content(findings, &labels, extracted, &parties, known)),
        (Fact::MarkedPrivate, marking::is_marked_private(&subject)),
        (Fact::SealedByClient, message.is_sealed_by_client()),
        (Fact::SignedByClient, message.is_signed_by_client()),
        (Fact::AsksEncryption, kind::asks_encryption(message)),
        (Fact::CompanyConfidential, kind::is_company_confidential(message)),
        (Fact::SensitiveSubject, kind::is_subject_sensitive(&subject, extracted, findings)),
        (Fact::Calendar, kind::is_calendar(message)),
        (Fact::DeliveryReport, kind::is_delivery_report(message)),
        (Fact::AutoReply, automatic),
        (Fact::Tnef, kind::has_tnef(message)),
        (Fact::RequiresTls, submission.requires_tls),
        // RFC 8689: where REQUIRETLS was asked for, the field is ignored.
        (Fact::OverQuota, known.over_quota),
        (Fact::TlsOptional, !submission.requires_tls && kind::makes_tls_optional(message)),
    ];
    let (values, past) = past::past(findings, &known.past, submission.received_at);
    Facts {
        values,
        past,
        of_message: held(&of_message),
        of_recipients: of_recipients.collect(),
        sender_groups: known.groups_of_sender(submission),
        measures: measures::measures(submission, &subject, &visible_addresses, extracted, known),
    }
}

/// Different refused messages after which somebody seems to be looking for a way round the rules. Whoever corrects a message is refused
/// once or twice.
const VERSIONS: usize = 3;

fn held(facts: &[(Fact, bool)]) -> BTreeSet<Fact> {
    facts.iter().filter(|(_, holds)| *holds).map(|(fact, _)| *fact).collect()
}

/// Octets of body text that are searched for quotations: they stand at its beginning or behind a long answer, not behind megabytes.
const MAX_QUOTING: usize = 2 << 20;

fn thread(
    message: &ParsedMessage,
    subject: &str,
    from: &[(Option<String>, Option<Address>)],
    extracted: &Extracted,
) -> forwarding::Thread {
    let prefixes = fold::prefixes_past_tags(subject);
    let mut thread = forwarding::Thread {
        answers: prefixes.answers,
        // Thunderbird's word for a mail that it forwards.
        forwards: prefixes.forwards || message.field("X-Forwarded-Message-Id").is_some(),
        references: message.references(),
        from: from.iter().filter_map(|(_, address)| address.clone()).collect(),
        resent: ["Resent-From", "Resent-To", "Resent-Date", "Resent-Message-ID"]
            .iter()
            .any(|name| message.field(name).is_some()),
        ..forwarding::Thread::default()
    };
    let mut left = MAX_QUOTING;
    for text in extracted.texts.iter().filter(|text| text.kind == TextKind::Body) {
        let content = &text.content[..text.content.floor_char_boundary(left.min(text.content.len()))];
        left -= content.len();
        let found = quoted::quotations(content);
        thread.forwards |= found.forward_line;
        thread.quoted.extend(found.mails);
    }
    let attached = message
        .parts
        .iter()
        .enumerate()
        .filter(|(_, part)| part.parent.is_some_and(|parent| message.parts[parent].kind == Kind::Message));
    for (index, _) in attached {
        let addresses = |name| message.mailboxes_of(index, name).into_iter().filter_map(|mailbox| mailbox.address);
        thread.attached.push(forwarding::Attached {
            from: addresses("From").collect(),
            to: addresses("To").chain(addresses("Cc")).collect(),
            from_directory: false,
        });
    }
    let saved = extracted.texts.iter().filter(|text| text.kind == TextKind::Header && is_of_saved_mail(&text.place.0));
    thread.attached.extend(saved.take(MAX_SAVED).map(|text| forwarding::Attached::of_header(&text.content)));
    thread
}

/// Mails among the files of one message.
const MAX_SAVED: usize = 200;

/// `TR planning.eml > header`, `mails.zip > a.msg > header`: mail that was saved as a file and attached.
fn is_of_saved_mail(place: &str) -> bool {
    let mut inner = place.rsplit(" > ");
    let is_header = inner.next().is_some_and(|last| last.starts_with("header"));
    let file = inner.next().unwrap_or_default().to_lowercase();
    is_header && (file.ends_with(".eml") || file.ends_with(".msg"))
}

/// What a policy can name (RULES.md, DESIGN §8). In files: the snake-case word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    ToPersonalMailbox,
    ToOwnMailbox,
    ForwardsInternalMail,
    AutoForwarded,
    RepliesToOutsider,
    OfficeAttachment,
    ViaRelay,
    TriedAgain,
    /// Several different versions of something alike were refused within the hour.
    KeepsTrying,
    ProfessionalContent,
    MarkedPrivate,
    /// The client already encrypted the message end to end.
    SealedByClient,
    /// The client already signed the message.
    SignedByClient,
    /// `X-Postern-Encrypt: yes` in the header.
    AsksEncryption,
    /// `Sensitivity: Company-Confidential` (RFC 2156 §5.3.4).
    CompanyConfidential,
    /// Something was found in the Subject.
    SensitiveSubject,
    /// An invitation, or the answer to one (RFC 6047).
    Calendar,
    /// A report of a mail server or reader (RFC 3462).
    DeliveryReport,
    /// An answer that no person wrote just now (RFC 3834).
    AutoReply,
    /// Outlook's own wrapping: `winmail.dat`.
    Tnef,
    /// The client asked for REQUIRETLS (RFC 8689).
    RequiresTls,
    /// The message says `TLS-Required: no` (RFC 8689 §3).
    TlsOptional,
    /// Keys that contradict each other claim the recipient's address.
    ContestedKey,
    /// The sender's, or a group's, share of the hour or day is used up, and the house holds instead of deferring.
    OverQuota,
}

impl Fact {
    /// All of them, in the order in which they are shown.
    pub const ALL: &[Fact] = &[
        Fact::ToPersonalMailbox,
        Fact::ToOwnMailbox,
        Fact::ForwardsInternalMail,
        Fact::AutoForwarded,
        Fact::RepliesToOutsider,
        Fact::OfficeAttachment,
        Fact::ViaRelay,
        Fact::TriedAgain,
        Fact::KeepsTrying,
        Fact::ProfessionalContent,
        Fact::MarkedPrivate,
        Fact::SealedByClient,
        Fact::SignedByClient,
        Fact::AsksEncryption,
        Fact::CompanyConfidential,
        Fact::SensitiveSubject,
        Fact::Calendar,
        Fact::DeliveryReport,
        Fact::AutoReply,
        Fact::Tnef,
        Fact::RequiresTls,
        Fact::TlsOptional,
        Fact::ContestedKey,
        Fact::OverQuota,
    ];

    /// It depends on who receives a copy; otherwise it holds of the message as a whole.
    pub fn is_of_recipient(self) -> bool {
        matches!(
            self,
            Fact::ToPersonalMailbox
                | Fact::ToOwnMailbox
                | Fact::ForwardsInternalMail
                | Fact::RepliesToOutsider
                | Fact::ContestedKey
        )
    }

    /// When it holds, in French and in English, for those who write policies.
    pub fn meaning(self) -> (&'static str, &'static str) {
        match self {
            Fact::ToPersonalMailbox => (
                "le domaine du destinataire est dans lists/personal-domains.txt (messageries grand public)",
                "the recipient's domain is on lists/personal-domains.txt (free-mail and access providers)",
            ),
            Fact::ToOwnMailbox => (
                "le destinataire porte le nom de l'expéditeur, ailleurs : sa propre boîte personnelle",
                "the recipient bears the sender's name, elsewhere: their own personal mailbox",
            ),
            Fact::ForwardsInternalMail => (
                "un échange interne est transféré : Tr:/Fwd: avec des en-têtes internes cités, ou un message interne joint",
                "internal mail is forwarded: Fwd:/Tr: with quoted internal headers, or an internal message attached",
            ),
            Fact::AutoForwarded => (
                "un serveur a redirigé le message (règle de boîte, Sieve, SRS) ; une réponse d'absence n'en est pas une",
                "a server redirected the message (mailbox rule, Sieve, SRS); a vacation answer is not one",
            ),
            Fact::RepliesToOutsider => (
                "la conversation a été ouverte par ce destinataire ; falsifiable : sert à épargner une retenue, jamais à lever un refus",
                "this recipient opened the thread; it can be forged: it may spare a hold, never lift a block",
            ),
            Fact::OfficeAttachment => (
                "un document bureautique, un PDF ou une archive est joint",
                "an office document, a PDF or an archive is attached",
            ),
            Fact::ViaRelay => (
                "l'expéditeur est attesté par un serveur de confiance, pas par une connexion chez nous",
                "the sender is a trusted relay's word, not a login of ours",
            ),
            Fact::TriedAgain => (
                "le même expéditeur a essuyé un refus dans l'heure pour un message semblable",
                "the same sender was refused within the hour for something alike",
            ),
            Fact::KeepsTrying => (
                "le même expéditeur a essuyé dans l'heure des refus pour au moins trois versions différentes d'un message semblable ; renvoyer le même message ne compte qu'une fois",
                "the same sender was refused within the hour for at least three different versions of something alike; sending the same message again counts once",
            ),
            Fact::ProfessionalContent => (
                "une mention de protection, un label, une liste interne parmi les destinataires, ou un document aux propriétés de l'organisation",
                "a marking, a sensitivity label, an internal list among the recipients, or a document with the organisation's properties",
            ),
            Fact::MarkedPrivate => (
                "l'objet commence par PERSONNEL, PRIVÉ, PERSONAL ou PRIVATE : correspondance protégée",
                "the Subject begins with PERSONNEL, PRIVÉ, PERSONAL or PRIVATE: protected correspondence",
            ),
            Fact::SealedByClient => (
                "le logiciel de l'expéditeur a déjà chiffré le message de bout en bout",
                "the sender's client already encrypted the message end to end",
            ),
            Fact::SignedByClient => {
                ("le logiciel de l'expéditeur a déjà signé le message", "the sender's client already signed the message")
            }
            Fact::AsksEncryption => (
                "l'en-tête dit X-Postern-Encrypt: yes : l'expéditeur demande le chiffrement (le champ est retiré)",
                "the header says X-Postern-Encrypt: yes: the sender asks for encryption (the field is taken out)",
            ),
            Fact::CompanyConfidential => (
                "l'en-tête dit Sensitivity: Company-Confidential (« Confidentiel » dans Outlook)",
                "the header says Sensitivity: Company-Confidential (\"Confidential\" in Outlook)",
            ),
            Fact::SensitiveSubject => (
                "une règle a trouvé quelque chose dans l'objet, à n'importe quel degré",
                "a rule found something in the Subject, with any confidence",
            ),
            Fact::Calendar => (
                "une invitation, sa mise à jour, son annulation ou la réponse qu'on y fait (text/calendar avec une méthode)",
                "an invitation, its update or cancellation, or the answer to one (text/calendar with a method)",
            ),
            Fact::DeliveryReport => (
                "un rapport de remise, d'échec ou de lecture (multipart/report)",
                "a report of delivery, failure or reading (multipart/report)",
            ),
            Fact::AutoReply => (
                "une réponse que personne n'a écrite à l'instant : absence, accusé automatique",
                "an answer that nobody wrote just now: out of office, automatic acknowledgement",
            ),
            Fact::Tnef => (
                "le message est enveloppé par Outlook dans winmail.dat, que d'autres logiciels n'ouvrent pas",
                "Outlook wrapped the message in winmail.dat, which other programs do not open",
            ),
            Fact::RequiresTls => (
                "le client a demandé REQUIRETLS : rien ne part sans TLS vérifié",
                "the client asked for REQUIRETLS: nothing leaves without verified TLS",
            ),
            Fact::TlsOptional => (
                "le message dit TLS-Required: no ; refusé là où une politique demande une protection",
                "the message says TLS-Required: no; refused where a policy asks for protection",
            ),
            Fact::ContestedKey => (
                "plusieurs clés différentes se disputent l'adresse du destinataire ; ce qui serait chiffré est retenu jusqu'au choix",
                "several different keys claim the recipient's address; what would be encrypted is held until one is chosen",
            ),
            Fact::OverQuota => (
                "l'expéditeur ou son groupe a dépassé son quota de l'heure ou du jour, et [quotas] over = \"hold\"",
                "the sender or a group of theirs is over the quota of the hour or day, and [quotas] over = \"hold\"",
            ),
        }
    }
}

/// What is true of one submission.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub of_message: BTreeSet<Fact>,
    /// In the order of [`crate::mail::Submission::recipients`].
    pub of_recipients: Vec<RecipientFacts>,
    /// The sender's, those that policies name.
    pub sender_groups: BTreeSet<String>,
    pub measures: Measures,
    /// Values of this message that policies count over several messages: to be kept.
    pub values: Vec<PastTry>,
    /// By window in seconds: what the sender tried before.
    pub past: BTreeMap<i64, Tally>,
}

#[derive(Clone, Debug, Default)]
pub struct RecipientFacts {
    pub facts: BTreeSet<Fact>,
    /// A usable key for this recipient is known.
    pub has_key: bool,
    /// A password is agreed with this recipient, or will be told to them by another way.
    pub has_password: bool,
    /// Groups that policies name.
    pub groups: BTreeSet<String>,
}

/// Plain quantities that policies compare.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// Octets of the raw message.
    pub size: u64,
    pub recipients: usize,
    /// Addresses outside that all recipients can see in To and Cc.
    pub visible_external_recipients: usize,
    /// Media types and name endings of all files, lower case: `application/pdf`, `.xlsx`.
    pub attachment_types: BTreeSet<String>,
    /// Bracketed words that begin the Subject, lower case without brackets: `chiffrer`.
    pub subject_tags: Vec<String>,
}

/// A finished snapshot of what memory knows about this message's parties. Stages read it; they never ask.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Our own domains; their subdomains are inside too.
    pub inside: Arc<[Domain]>,
    /// `lists/<name>.txt` as sets of lower-case entries: an address, or a domain.
    pub lists: Arc<BTreeMap<String, BTreeSet<String>>>,
    /// Recipients for whom a usable key is known.
    pub with_key: BTreeSet<Address>,
    /// Recipients whose address several keys claim that contradict each other.
    pub contested: BTreeSet<Address>,
    /// Recipients to whom a password-protected container can be sent.
    pub with_password: BTreeSet<Address>,
    /// This sender was refused within the last hour for something alike.
    pub refused_alike: bool,
    /// So many different messages of this sender, alike to this one, were refused within the last hour.
    pub versions_refused: usize,
    /// Beyond a quota, in a house that holds then.
    pub over_quota: bool,
    /// What this sender has tried to send.
    pub past: Past,
    /// Of the recipients' usable keys and of the sender's.
    pub keys_of_parties: BTreeSet<KeyName>,
    /// Names of groups, lower case, by the address of a recipient or of the sender.
    pub groups: BTreeMap<Address, BTreeSet<String>>,
    /// Those that policies name: no others are kept, because a directory knows hundreds of each person.
    pub named_groups: Arc<BTreeSet<String>>,
}

impl Known {
    fn counting(&self, groups: &BTreeSet<String>) -> BTreeSet<String> {
        groups.intersection(&self.named_groups).cloned().collect()
    }

    /// What the account says, and what is known of its address.
    fn groups_of_sender(&self, submission: &Submission) -> BTreeSet<String> {
        let mut groups = match &submission.identity {
            Identity::Account { attributes, .. } => self.counting(&attributes.groups),
            Identity::Relay { .. } | Identity::Gate => BTreeSet::new(),
        };
        let asked = submission.sender().and_then(|sender| self.groups.get(sender));
        groups.extend(asked.map(|asked| self.counting(asked)).unwrap_or_default());
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{FileSeen, Place, Text};
    use crate::mail::{Language, Origin, RawMessage, Reference, UnixTime};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    /// The facts of one message with the given header and body, towards the recipients.
    fn facts_of(header: &str, body: &str, files: &[FileKind], recipients: &[&str]) -> Facts {
        let login = address("marie.dupont@example.gouv.fr");
        let raw = format!("From: Marie Dupont <marie.dupont@example.gouv.fr>\n{header}\n\n{body}\n").replace('\n', "\r\n");
        let submission = Submission {
            reference: Reference::from_random([1; 8]),
            identity: Identity::Account {
                owns: vec![login.clone()],
                login: login.clone(),
                names: vec!["Marie DUPONT".into()],
                attributes: Default::default(),
            },
            mail_from: Some(login),
            recipients: recipients.iter().map(|text| address(text)).collect(),
            raw: RawMessage::new(raw.into_bytes()).unwrap(),
            origin: Origin::Inspection,
            received_at: UnixTime(0),
            language: Language::Fr,
            requires_tls: false,
            transport: Default::default(),
        };
        let personal: BTreeSet<String> = ["gmail.com", "orange.fr"].map(str::to_owned).into();
        let known = Known {
            inside: Arc::new([Domain::parse("example.gouv.fr").unwrap()]),
            lists: Arc::new(BTreeMap::from([("personal-domains".to_owned(), personal)])),
            with_key: BTreeSet::from([address("rh@urssaf.example")]),
            contested: BTreeSet::from([address("rh@urssaf.example")]),
            with_password: BTreeSet::new(),
            ..Known::default()
        };
        let place = || Place("body".into());
        let text = Text { place: place(), kind: TextKind::Body, group: 0, content: body.to_owned(), table: None };
        let file = |kind: &FileKind| FileSeen {
            place: place(),
            name: "a.pdf".into(),
            media_type: "application/pdf".into(),
            kind: *kind,
            size: 1,
            sealed_to: Vec::new(),
        };
        let extracted = Extracted { texts: vec![text], files: files.iter().map(file).collect(), ..Extracted::default() };
        let message = crate::mime::parse(&submission.raw, &crate::mime::Limits::default()).unwrap();
        gather(&submission, &message, &extracted, &Findings::default(), &known)
    }

    const QUOTED: &str =
        "De : Paul <paul.martin@example.gouv.fr>\nEnvoyé : jeudi\nÀ : marie.dupont@example.gouv.fr\nObjet : paie\n\nBonjour";

    #[test]
    fn a_payslip_forwarded_to_ones_own_mailbox_has_all_its_facts() {
        let facts = facts_of(
            "To: mdupont75@gmail.com, rh@urssaf.example\nSubject: =?utf-8?q?TR=C2=A0=3A_bulletin?=",
            QUOTED,
            &[FileKind::Pdf],
            &["mdupont75@gmail.com", "rh@urssaf.example"],
        );
        assert!(facts.of_message.contains(&Fact::OfficeAttachment));
        let own = [Fact::ToPersonalMailbox, Fact::ToOwnMailbox, Fact::ForwardsInternalMail];
        assert_eq!(facts.of_recipients[0].facts, own.into());
        assert!(!facts.of_recipients[0].has_key && facts.of_recipients[1].has_key);
        assert!(!facts.of_recipients[1].facts.contains(&Fact::ToOwnMailbox));
        assert!(facts.of_recipients[1].facts.contains(&Fact::ContestedKey));
        assert_eq!(facts.measures.visible_external_recipients, 2);
        assert!(facts.measures.attachment_types.contains(".pdf"));
    }

    #[test]
    fn an_answer_to_a_citizen_is_only_that() {
        let facts = facts_of(
            "To: Jean Citoyen <jean.citoyen@gmail.com>\nSubject: Re: Ma demande\nIn-Reply-To: <CAx@mail.gmail.com>",
            "Bonjour,\n\nLe 12 nov. 2026 à 10:00, Jean Citoyen <jean.citoyen@gmail.com> a écrit :\n> Bonjour",
            &[],
            &["jean.citoyen@gmail.com"],
        );
        assert_eq!(facts.of_message, BTreeSet::new());
        assert_eq!(facts.of_recipients[0].facts, [Fact::ToPersonalMailbox, Fact::RepliesToOutsider].into());
    }

    #[test]
    fn a_first_letter_to_a_citizen_has_no_fact_but_where_it_goes() {
        let facts = facts_of("To: citoyen@orange.fr\nSubject: Votre dossier", "Bonjour", &[], &["citoyen@orange.fr"]);
        assert_eq!(facts.of_message, BTreeSet::new());
        assert_eq!(facts.of_recipients[0].facts, [Fact::ToPersonalMailbox].into());
    }

    #[test]
    fn an_attached_internal_mail_is_a_forward() {
        let attached = "--b\nContent-Type: message/rfc822\n\nFrom: paul@example.gouv.fr\nTo: marie.dupont@example.gouv.fr\nSubject: x\n\nx\n--b--";
        let header = "To: x@gmail.com\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b";
        let facts = facts_of(header, attached, &[], &["x@gmail.com"]);
        assert!(facts.of_recipients[0].facts.contains(&Fact::ForwardsInternalMail));
    }

    #[test]
    fn what_the_header_says_of_the_message_is_read() {
        for (header, fact) in [
            ("Subject: [PERSONNEL] x", Fact::MarkedPrivate),
            ("Subject: =?utf-8?q?PRIV=C3=89?= : x", Fact::MarkedPrivate),
            ("X-Forwarded-To: x@gmail.com", Fact::AutoForwarded),
        ] {
            let facts = facts_of(header, "x", &[], &["x@company.example"]);
            assert_eq!(facts.of_message, [fact].into(), "{header}");
        }
        let facts = facts_of("Sensitivity: Company-Confidential\nX-Postern-Encrypt: yes", "x", &[], &["x@company.example"]);
        let marked = [Fact::ProfessionalContent, Fact::AsksEncryption, Fact::CompanyConfidential];
        assert_eq!(facts.of_message, marked.into());
    }
}
