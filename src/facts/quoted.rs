//! Turns the text of a mail into the correspondence quoted in it: who wrote to whom, as the main clients write it down.

use super::fold::fold;
use crate::mail::Address;

/// One quoted mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Quoted {
    pub from: Option<Address>,
    /// What stands for the author when there is no address: `MARTIN Paul (DRH)`.
    pub author: String,
    /// Addresses of To and Cc.
    pub to: Vec<Address>,
    pub style: Style,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    /// Lines such as `De :`, `Envoyé :`, `À :`, `Objet :`.
    #[default]
    Header,
    /// `Le 12 novembre 2026 à 10:00, Paul Martin <…> a écrit :`
    Attribution,
}

/// Everything quoted in one text.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotations {
    pub mails: Vec<Quoted>,
    /// A line by which clients begin a forwarded mail, and never an answer.
    pub forward_line: bool,
}

/// A long thread has some dozens; what comes after adds nothing to the facts.
const MAX_MAILS: usize = 200;
const MAX_LINES: usize = 50_000;
/// A header block with blank and folded lines between its fields.
const BLOCK_LINES: usize = 16;
/// Addresses of one To or Cc that are read.
const MAX_ADDRESSES: usize = 200;
/// A line longer than this is no header line of a quoted mail.
const MAX_LINE: usize = 4_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    From,
    To,
    Date,
    Subject,
    Other,
}

/// What precedes the colon, folded. French, English, German, Spanish, Italian, Dutch, Portuguese.
const KEYS: &[(Key, &[&str])] = &[
    (Key::From, &["de", "from", "von", "da", "van", "expediteur", "remitente", "mittente", "auteur"]),
    (
        Key::To,
        &[
            "a",
            "to",
            "an",
            "para",
            "pour",
            "aan",
            "destinataire",
            "destinataires",
            "cc",
            "copie",
            "copie a",
            "kopie",
            "copia",
            "bcc",
            "cci",
        ],
    ),
    (
        Key::Date,
        &[
            "date",
            "envoye",
            "envoye le",
            "sent",
            "gesendet",
            "datum",
            "inviato",
            "enviado",
            "enviado el",
            "fecha",
            "data",
            "verzonden",
        ],
    ),
    (Key::Subject, &["objet", "sujet", "subject", "betreff", "oggetto", "asunto", "assunto", "onderwerp"]),
    (
        Key::Other,
        &[
            "importance",
            "priorite",
            "priority",
            "pieces jointes",
            "attachments",
            "repondre a",
            "reply-to",
            "organisation",
            "organization",
        ],
    ),
];

const FORWARD_LINES: &[&str] = &[
    "message transfere",
    "mail transfere",
    "courriel transfere",
    "debut du message transfere",
    "debut du message reexpedie",
    "message reexpedie",
    "forwarded message",
    "begin forwarded message",
    "forwarded by",
    "transfere par",
    "weitergeleitete nachricht",
    "mensaje reenviado",
    "messaggio inoltrato",
    "mensagem encaminhada",
    "doorgestuurd bericht",
];

const WROTE: &[&str] = &["a ecrit", "wrote", "schrieb", "escribio", "ha scritto", "escreveu", "schreef", "ecrivait"];

/// Reads `text` line by line; quotation marks (`>`, `|`) and the asterisks of bold text before and in a line do not matter.
pub(super) fn quotations(text: &str) -> Quotations {
    let lines: Vec<&str> = text.lines().take(MAX_LINES).map(bare).collect();
    let mut found = Quotations::default();
    let mut at = 0;
    while at < lines.len() && found.mails.len() < MAX_MAILS {
        let line = lines[at];
        found.forward_line |= is_forward_line(line);
        if let Some((mail, next)) = header_block(&lines, at) {
            found.mails.push(mail);
            at = next;
            continue;
        }
        found.mails.extend(attribution(&lines, at));
        at += 1;
    }
    found
}

/// Without what quoting and bold type put around a line.
fn bare(line: &str) -> &str {
    line.trim_start_matches(|c: char| c.is_whitespace() || ">|*_\u{FEFF}\u{200B}".contains(c)).trim_end()
}

fn is_forward_line(line: &str) -> bool {
    let ruled = line.starts_with(['-', '=', '–', '—']);
    if line.len() > 120 || !ruled && !line.ends_with(':') {
        return false;
    }
    let folded = fold(line);
    let inner = folded.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    FORWARD_LINES.iter().any(|known| inner == *known || ruled && inner.starts_with(known))
}

/// `De : …` and what follows; the key and the rest.
fn keyed(line: &str) -> Option<(Key, &str)> {
    if line.len() > MAX_LINE {
        return None;
    }
    let (key, value) = line.split_once([':', '：'])?;
    if key.len() > 40 {
        return None;
    }
    let key = fold(key);
    let key = key.trim_matches(|c: char| c.is_whitespace() || "*_\t".contains(c));
    let (kind, _) = KEYS.iter().find(|(_, words)| words.contains(&key))?;
    Some((*kind, value.trim_matches(|c: char| c.is_whitespace() || "*_".contains(c))))
}

/// Author, and two of date, recipient and subject, in any order, close together.
fn header_block(lines: &[&str], start: usize) -> Option<(Quoted, usize)> {
    keyed(lines[start])?;
    let mut mail = Quoted::default();
    let (mut has_from, mut others) = (false, [false; 3]);
    let mut last = None;
    let mut blank = 0;
    let mut end = start;
    for (at, line) in lines.iter().enumerate().skip(start).take(BLOCK_LINES) {
        if line.is_empty() {
            blank += 1;
            // HTML turned into text often has an empty line after each field, a real end has more.
            if blank > 1 {
                break;
            }
            continue;
        }
        let (key, value) = match keyed(line) {
            Some((Key::From, _)) if has_from => break,
            Some((key, value)) => (key, value),
            // A folded To, or a value on the line below its key.
            None if blank == 0 && last.is_some_and(|(_, open)| open) => (last.map_or(Key::Other, |(key, _)| key), *line),
            None => break,
        };
        blank = 0;
        end = at + 1;
        match key {
            Key::From => {
                has_from = true;
                mail.from = mail.from.or_else(|| addresses(value).into_iter().next());
                if mail.author.is_empty() {
                    mail.author = value.to_owned();
                }
            }
            Key::To => {
                others[0] = true;
                mail.to.extend(addresses(value));
                mail.to.truncate(MAX_ADDRESSES);
            }
            Key::Date => others[1] = true,
            Key::Subject => others[2] = true,
            Key::Other => {}
        }
        last = Some((key, value.is_empty() || value.ends_with([',', ';']) || matches!(key, Key::To)));
    }
    (has_from && others.iter().filter(|seen| **seen).count() >= 2).then_some((mail, end))
}

/// A sentence that ends in "wrote:", over at most three lines (clients wrap it at 72 columns).
fn attribution(lines: &[&str], start: usize) -> Option<Quoted> {
    const LONGEST: usize = 400;
    let near = &lines[start..lines.len().min(start + 3)];
    let last = near.iter().position(|line| line.is_empty() || line.ends_with(':'))?;
    let near = &near[..=last];
    if near[last].is_empty() || near.iter().map(|line| line.len() + 1).sum::<usize>() > LONGEST {
        return None;
    }
    let sentence = near.join(" ");
    let body = sentence.strip_suffix(':')?.trim_end();
    let folded = fold(body);
    let begins = ["le ", "on ", "am ", "el ", "il ", "em ", "op "].iter().any(|word| folded.starts_with(word));
    let wrote = WROTE.iter().any(|word| folded.ends_with(word)) || begins && folded.contains(" schrieb ");
    let from = addresses(body).into_iter().next();
    if !wrote || !begins && from.is_none() {
        return None;
    }
    // The name is what stands between the last comma (or `à 10:00`) and the address or the verb.
    let head = body.split('<').next().unwrap_or(body);
    let mut author = head.rsplit(',').next().unwrap_or(head).trim();
    for verb in ["a écrit", "a ecrit", "wrote", "schrieb"] {
        author = author.strip_suffix(verb).unwrap_or(author).trim();
    }
    Some(Quoted { from, author: author.to_owned(), to: Vec::new(), style: Style::Attribution })
}

/// Every address written in a line, with or without angle brackets, `mailto:` included.
pub(super) fn addresses(text: &str) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    let ends = |c: char| c.is_whitespace() || "<>()[],;:\"'|*".contains(c);
    for word in text.split(ends).filter(|word| word.contains('@')) {
        if found.len() == MAX_ADDRESSES {
            break;
        }
        // Directories write `Paul Morel/DRH/EXEMPLE@EXEMPLE`: a name, and no address.
        if let Ok(address) = Address::parse(word.trim_matches('.'))
            && address.domain().as_str().contains('.')
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUL: &str = "paul.martin@example.gouv.fr";

    /// (client, text, author's address, recipients, forward line)
    const STYLES: &[(&str, &str, &str, usize, bool)] = &[
        (
            "Outlook, French",
            "Pour info\n\n________________________________\nDe : Paul Martin <paul.martin@example.gouv.fr>\nEnvoyé : jeudi 12 novembre 2026 10:00\nÀ : Marie Dupont <marie.dupont@example.gouv.fr>\nObjet : Budget\n\nBonjour",
            PAUL,
            1,
            false,
        ),
        (
            "Outlook, English, classic",
            "-----Original Message-----\nFrom: Paul Martin <paul.martin@example.gouv.fr> \nSent: Thursday, November 12, 2026 10:00\nTo: a@example.gouv.fr; b@example.gouv.fr\nCc: c@example.gouv.fr\nSubject: Budget\n",
            PAUL,
            3,
            false,
        ),
        (
            "Outlook's HTML as text, bold marks and empty lines",
            "*De :* Paul Martin <paul.martin@example.gouv.fr>\n\n*Envoyé :* jeudi\n\n*À :* Marie <marie.dupont@example.gouv.fr>\n\n*Objet :* Budget\n",
            PAUL,
            1,
            false,
        ),
        (
            "Thunderbird, French forward",
            "-------- Message transféré --------\nSujet : \tBudget\nDate : \tThu, 12 Nov 2026 10:00:00 +0100\nDe : \tPaul Martin <paul.martin@example.gouv.fr>\nPour : \tMarie Dupont <marie.dupont@example.gouv.fr>\n\nBonjour",
            PAUL,
            1,
            true,
        ),
        (
            "Thunderbird, English forward",
            "-------- Forwarded Message --------\nSubject: \tBudget\nDate: \tThu, 12 Nov 2026\nFrom: \tPaul Martin <paul.martin@example.gouv.fr>\nTo: \tmarie.dupont@example.gouv.fr\n",
            PAUL,
            1,
            true,
        ),
        (
            "Thunderbird, answer with address",
            "Le 12/11/2026 à 10:00, Paul Martin <paul.martin@example.gouv.fr> a écrit :\n> Bonjour",
            PAUL,
            0,
            false,
        ),
        (
            "Apple Mail, French forward",
            "> Début du message transféré :\n> \n> De: Paul Martin <paul.martin@example.gouv.fr>\n> Objet: Budget\n> Date: 12 novembre 2026 à 10:00:00 UTC+1\n> À: Marie <marie.dupont@example.gouv.fr>\n",
            PAUL,
            1,
            true,
        ),
        ("Apple Mail, answer", "On 12 Nov 2026, at 10:00, Paul Martin <paul.martin@example.gouv.fr> wrote:\n", PAUL, 0, false),
        (
            "Gmail, forward",
            "---------- Forwarded message ---------\nDe : Paul Martin <paul.martin@example.gouv.fr>\nDate: jeu. 12 nov. 2026 à 10:00\nSubject: Budget\nTo: <marie.dupont@example.gouv.fr>\n",
            PAUL,
            1,
            true,
        ),
        (
            "Gmail, answer, wrapped",
            "Le jeu. 12 nov. 2026 à 10:00, Paul Martin <paul.martin@example.gouv.fr> a\nécrit :\n> ok",
            PAUL,
            0,
            false,
        ),
        (
            "Zimbra, forward",
            "----- Mail transféré -----\nDe: \"Paul Martin\" <paul.martin@example.gouv.fr>\nÀ: \"Marie\" <marie.dupont@example.gouv.fr>\nEnvoyé: Jeudi 12 Novembre 2026 10:00:00\nObjet: Budget\n",
            PAUL,
            1,
            true,
        ),
        (
            "Roundcube, forward",
            "-------- Message original --------\nObjet: Budget\nDate: 2026-11-12 10:00\nDe: Paul Martin <paul.martin@example.gouv.fr>\nÀ: Marie Dupont <marie.dupont@example.gouv.fr>\n",
            PAUL,
            1,
            false,
        ),
        ("Roundcube, answer", "Le 2026-11-12 10:00, paul.martin@example.gouv.fr a écrit :\n", PAUL, 0, false),
        (
            "Outlook, German",
            "Von: Paul Martin <paul.martin@example.gouv.fr>\nGesendet: Donnerstag, 12. November 2026\nAn: x@example.gouv.fr\nBetreff: WG\n",
            PAUL,
            1,
            false,
        ),
    ];

    #[test]
    fn the_main_clients_quotations_are_read() {
        for (client, text, author, recipients, forward) in STYLES {
            let found = quotations(text);
            assert_eq!(found.mails.len(), 1, "{client}: {found:?}");
            let mail = &found.mails[0];
            assert_eq!(mail.from, Address::parse(author).ok(), "{client}");
            assert_eq!(mail.to.len(), *recipients, "{client}");
            assert_eq!(found.forward_line, *forward, "{client}");
        }
    }

    #[test]
    fn ordinary_prose_quotes_nobody() {
        for text in [
            "Bonjour,\nle budget est joint.\nCordialement",
            "De : Paris\nBonjour",
            "A : oui\nB : non",
            "Date : demain\nObjet : réunion\nLieu : salle 3",
            "Le ministre a écrit :\n« … »\n",
            "On the other hand, nobody wrote:",
            "Message transféré à qui de droit par mes soins.",
        ] {
            let found = quotations(text);
            assert!(found.mails.iter().all(|mail| mail.from.is_none()) && !found.forward_line, "{text}: {found:?}");
        }
        assert!(quotations("De : Paris\nBonjour").mails.is_empty());
        assert!(quotations("Date : demain\nObjet : réunion\nLieu : salle 3").mails.is_empty());
    }

    #[test]
    fn names_without_addresses_are_kept() {
        let text = "De : MARTIN Paul (DRH)\nEnvoyé : jeudi\nÀ : DUPONT Marie\nObjet : x\n\nLe 12/11/2026 à 10:00, Jean Citoyen a écrit :\n";
        let found = quotations(text);
        assert_eq!(found.mails.len(), 2);
        assert_eq!((&found.mails[0].from, found.mails[0].author.as_str()), (&None, "MARTIN Paul (DRH)"));
        assert_eq!(found.mails[1].author, "Jean Citoyen");
    }

    #[test]
    fn long_and_hostile_texts_cost_little() {
        let began = std::time::Instant::now();
        for line in ["À :\n", "De : x\n", "a:\n", "Le x a écrit :\n", "> > > > >\n", "é\n"] {
            quotations(&line.repeat(12_000));
        }
        // Generous for a busy machine and an unoptimised build; a quadratic search would take minutes.
        assert!(began.elapsed().as_secs() < 20);
    }

    #[test]
    fn two_quoted_mails_in_a_row_are_two() {
        let one = "From: a@example.org\nSent: x\nTo: b@example.org\nSubject: y\n\n> text\n";
        assert_eq!(quotations(&format!("{one}{one}")).mails.len(), 2);
        assert_eq!(quotations(&one.repeat(1_000)).mails.len(), MAX_MAILS);
    }
}
