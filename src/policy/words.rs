//! Turns rules, facts and reasons into the few words that fit the first line of a reply, in both languages.

use super::Bilingual;
use crate::detect::RuleId;
use crate::extract::Reason;
use crate::facts::Fact;

/// Characters of one item of a cause: `550 5.7.1 PST-7F3A2CQX9KMD ` takes 27 of the 60 that clients show.
const ROOM: usize = 28;

/// How a rule is called towards senders: the abbreviation in the brackets of its title (`… (NIR)`), or a title short enough, or
/// the last word of its name in capitals (`fr-nir`: `NIR`). Titles and names are the officer's, never content.
pub(super) fn short_name(id: &RuleId, title: &Bilingual) -> Bilingual {
    let of = |title: &str| {
        let bracketed = title.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside.trim());
        if let Some(inside) = bracketed.filter(|inside| (2..=12).contains(&inside.chars().count())) {
            return inside.to_owned();
        }
        if !title.is_empty() && title.chars().count() <= ROOM {
            return title.to_owned();
        }
        id.0.rsplit('-').next().unwrap_or(&id.0).to_uppercase()
    };
    Bilingual { fr: of(&title.fr), en: of(&title.en) }
}

/// `NIR x12`.
pub(super) fn counted(name: &Bilingual, count: u64) -> Bilingual {
    Bilingual { fr: format!("{} x{count}", name.fr), en: format!("{} x{count}", name.en) }
}

pub(super) fn fact(fact: Fact) -> Bilingual {
    let (fr, en) = match fact {
        Fact::ToPersonalMailbox => ("boîte personnelle", "personal mailbox"),
        Fact::ToOwnMailbox => ("votre boîte personnelle", "your own mailbox"),
        Fact::ForwardsInternalMail => ("transfert interne", "forwarded internal mail"),
        Fact::AutoForwarded => ("redirection automatique", "automatic redirection"),
        Fact::RepliesToOutsider => ("réponse à un tiers", "reply to an outsider"),
        Fact::OfficeAttachment => ("document joint", "attached document"),
        Fact::ViaRelay => ("relais", "relay"),
        Fact::TriedAgain => ("nouvel essai", "tried again"),
        Fact::KeepsTrying => ("essais répétés", "repeated attempts"),
        Fact::ProfessionalContent => ("contenu professionnel", "work content"),
        Fact::MarkedPrivate => ("message privé", "private message"),
        Fact::SealedByClient => ("déjà chiffré", "already encrypted"),
        Fact::SignedByClient => ("déjà signé", "already signed"),
        Fact::AsksEncryption => ("chiffrement demandé", "encryption asked for"),
        Fact::CompanyConfidential => ("marqué confidentiel", "marked confidential"),
        Fact::SensitiveSubject => ("objet sensible", "sensitive subject"),
        Fact::Calendar => ("invitation", "invitation"),
        Fact::DeliveryReport => ("rapport de remise", "delivery report"),
        Fact::AutoReply => ("réponse automatique", "automatic reply"),
        Fact::Tnef => ("winmail.dat", "winmail.dat"),
        Fact::RequiresTls => ("REQUIRETLS", "REQUIRETLS"),
        Fact::OverQuota => ("quota dépassé", "over quota"),
        Fact::TlsOptional => ("TLS-Required: no", "TLS-Required: no"),
        Fact::ContestedKey => ("clés contradictoires", "contradicting keys"),
    };
    both(fr, en)
}

pub(super) fn unreadable(reason: Reason) -> Bilingual {
    let (fr, en) = match reason {
        Reason::Password => ("pièce à mot de passe", "password-protected part"),
        Reason::Damaged => ("pièce endommagée", "damaged part"),
        Reason::OverBudget => ("pièce trop complexe", "part too complex to read"),
        Reason::Unsupported => ("format illisible", "unreadable format"),
        Reason::ClientEncrypted => ("chiffré pour une clé inconnue", "encrypted to an unknown key"),
    };
    both(fr, en)
}

pub(super) fn both(fr: &str, en: &str) -> Bilingual {
    Bilingual { fr: fr.to_owned(), en: en.to_owned() }
}

pub(super) fn joined(items: Vec<Bilingual>) -> Bilingual {
    let join = |of: fn(&Bilingual) -> &str| {
        let mut text = String::new();
        for item in &items {
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(of(item));
        }
        text
    };
    Bilingual { fr: join(|item| &item.fr), en: join(|item| &item.en) }
}

/// A subject tag in the form in which tags are compared: no brackets, lower case, no accents.
pub(super) fn tag(text: &str) -> String {
    crate::facts::fold(text.trim().trim_start_matches('[').trim_end_matches(']').trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_called_by_what_a_sender_knows_it_by() {
        for (id, title, short) in [
            ("fr-nir", "Numéro de sécurité sociale (NIR)", "NIR"),
            ("iban", "IBAN", "IBAN"),
            ("card-pan", "Numéro de carte de paiement", "Numéro de carte de paiement"),
            ("fr-spi", "Numéro fiscal de référence d'un contribuable français", "SPI"),
            ("fr-ine", "Identifiant national d'un élève (qui a plusieurs formes, toutes à onze caractères)", "INE"),
        ] {
            assert_eq!(short_name(&RuleId(id.into()), &both(title, title)).fr, short);
        }
    }
}
