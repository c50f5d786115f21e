//! Turns a kind of notice into its words, in French and in English.

use super::Described;
use crate::mail::{Address, Language, UnixTime};

/// The texts of one language.
#[derive(Clone, Copy)]
pub(super) enum Words {
    Fr,
    En,
}

impl Words {
    pub fn of(language: Language) -> Words {
        match language {
            Language::Fr => Words::Fr,
            Language::En => Words::En,
        }
    }

    fn choose<'a>(self, fr: &'a str, en: &'a str) -> &'a str {
        match self {
            Words::Fr => fr,
            Words::En => en,
        }
    }

    pub fn tag(self) -> &'static str {
        self.choose("fr", "en")
    }

    /// `21/11/2026 à 18:04 (UTC)`, `2026-11-21 18:04 (UTC)`.
    pub fn time(self, at: UnixTime) -> String {
        let stamp = at.rfc3339();
        let (Some(date), Some(time)) = (stamp.get(..10), stamp.get(11..16)) else { return stamp };
        match self {
            Words::Fr => {
                let mut parts: Vec<&str> = date.split('-').collect();
                parts.reverse();
                format!("{} à {time} (UTC)", parts.join("/"))
            }
            Words::En => format!("{date} {time} (UTC)"),
        }
    }

    pub fn held_subject(self) -> &'static str {
        self.choose("Message retenu pour examen", "Message held for review")
    }

    pub fn held(self, about: &Described, causes: &[String], days: u32, postmaster: &Address) -> String {
        let described = self.describe(about);
        let causes = causes.iter().map(|cause| format!("  {cause}\n")).collect::<String>();
        match self {
            Words::Fr => format!(
                "Bonjour,\n\nVotre message n’est pas encore parti\u{a0}: il est retenu pour examen.\n\n{described}{}\
                 \nCe qui va se passer\u{a0}:\n\
                 - une personne habilitée l’examine\u{a0};\n\
                 - si elle l’accepte, il part aussitôt, protégé comme il doit l’être\u{a0};\n\
                 - si elle le refuse, vous en êtes averti par courriel\u{a0};\n\
                 - sans décision sous {days}\u{a0}jours, il est abandonné et vous en êtes averti.\n\n\
                 Il est inutile de le renvoyer.\n\n{}",
                if causes.is_empty() { String::new() } else { format!("\nMotif\u{a0}:\n{causes}") },
                self.closing(postmaster)
            ),
            Words::En => format!(
                "Hello,\n\nYour message has not left yet: it is held for review.\n\n{described}{}\
                 \nWhat happens next:\n\
                 - an authorised person reviews it;\n\
                 - if it is accepted it leaves at once, protected as it has to be;\n\
                 - if it is refused you are told by mail;\n\
                 - without a decision within {days} days it is dropped and you are told.\n\n\
                 There is no need to send it again.\n\n{}",
                if causes.is_empty() { String::new() } else { format!("\nReason:\n{causes}") },
                self.closing(postmaster)
            ),
        }
    }

    pub fn password_not_told_subject(self) -> &'static str {
        self.choose("Mot de passe non communiqué", "Password not told")
    }

    pub fn password_not_told(self, about: &Described, postmaster: &Address) -> String {
        let described = self.describe(about);
        match self {
            Words::Fr => format!(
                "Bonjour,\n\nVotre message est parti chiffré, dans un fichier que protège un mot de passe, et ce mot de passe n’a pas pu être \
                 communiqué au destinataire\u{a0}: il ne peut pas lire votre message.\n\n{described}\
                 \nConvenez d’un mot de passe avec lui (votre service informatique l’enregistre), puis renvoyez le message.\n\n{}",
                self.closing(postmaster)
            ),
            Words::En => format!(
                "Hello,\n\nYour message left encrypted, in a file that a password protects, and the password could not be told to its \
                 recipient, who cannot read your message.\n\n{described}\
                 \nAgree on a password with them (your IT department keeps it), then send the message again.\n\n{}",
                self.closing(postmaster)
            ),
        }
    }

    pub fn rejected_subject(self) -> &'static str {
        self.choose("Message refusé après examen", "Message refused after review")
    }

    pub fn rejected(self, about: &Described, postmaster: &Address) -> String {
        let (described, closing) = (self.describe(about), self.closing(postmaster));
        match self {
            Words::Fr => format!(
                "Bonjour,\n\nVotre message, retenu pour examen, a été refusé. Il n’a été envoyé à aucun destinataire et son \
                 contenu n’est pas conservé.\n\n{described}\nSi l’envoi reste nécessaire, convenez d’abord du moyen avec \
                 la personne chargée de la protection des données.\n\n{closing}"
            ),
            Words::En => format!(
                "Hello,\n\nYour message was held for review and has been refused. It was sent to no recipient and its content is \
                 not kept.\n\n{described}\nIf it still has to be sent, first agree on the means with the person in charge \
                 of data protection.\n\n{closing}"
            ),
        }
    }

    pub fn released_subject(self) -> &'static str {
        self.choose("Message accepté après examen", "Message accepted after review")
    }

    pub fn released(self, about: &Described) -> String {
        let described = self.describe(about);
        match self {
            Words::Fr => {
                format!("Bonjour,\n\nVotre message, retenu pour examen, a été accepté\u{a0}: il est en route.\n\n{described}")
            }
            Words::En => {
                format!("Hello,\n\nYour message was held for review and has been accepted: it is on its way.\n\n{described}")
            }
        }
    }

    pub fn hold_expired_subject(self) -> &'static str {
        self.choose("Message abandonné faute d’examen", "Message dropped without review")
    }

    pub fn hold_expired(self, about: &Described, postmaster: &Address) -> String {
        let (described, closing) = (self.describe(about), self.closing(postmaster));
        match self {
            Words::Fr => format!(
                "Bonjour,\n\nVotre message était retenu pour examen et personne ne s’est prononcé à temps\u{a0}: il a été \
                 abandonné. Il n’a été envoyé à aucun destinataire.\n\n{described}\nS’il est toujours utile, renvoyez-le.\n\n{closing}"
            ),
            Words::En => format!(
                "Hello,\n\nYour message was held for review and nobody decided in time: it was dropped. It was sent to no \
                 recipient.\n\n{described}\nIf it is still needed, send it again.\n\n{closing}"
            ),
        }
    }

    pub fn failed_subject(self) -> &'static str {
        self.choose("Message non remis", "Message not delivered")
    }

    pub fn delayed_subject(self) -> &'static str {
        self.choose("Message retardé", "Message delayed")
    }

    pub fn failed_opening(self) -> &'static str {
        self.choose(
            "Bonjour,\n\nVotre message n’a pas pu être remis aux destinataires suivants. Il ne sera plus essayé.",
            "Hello,\n\nYour message could not be delivered to the following recipients. It will not be tried again.",
        )
    }

    pub fn delayed_opening(self, until: &str) -> String {
        match self {
            Words::Fr => format!(
                "Bonjour,\n\nVotre message n’a pas encore pu être remis aux destinataires suivants. Vous n’avez rien à faire\u{a0}: \
                 il est essayé de nouveau jusqu’au {until}, et vous serez averti s’il n’aboutit pas."
            ),
            Words::En => format!(
                "Hello,\n\nYour message could not yet be delivered to the following recipients. You need not do anything: it is \
                 tried again until {until}, and you will be told if it fails."
            ),
        }
    }

    pub fn refused_by_upstream(self, reply: &str) -> String {
        match self {
            Words::Fr => format!("réponse du serveur suivant\u{a0}: {reply}"),
            Words::En => format!("the next server answered: {reply}"),
        }
    }

    pub fn out_of_time(self, why: &str) -> String {
        let last = match (self, why.is_empty()) {
            (_, true) => String::new(),
            (Words::Fr, false) => format!(" Dernière réponse\u{a0}: {why}"),
            (Words::En, false) => format!(" Last answer: {why}"),
        };
        format!("{}{last}", self.choose("le délai de remise est écoulé.", "the time for delivery has run out."))
    }

    pub fn damaged(self) -> &'static str {
        self.choose(
            "la copie enregistrée est endommagée et n’a pas été envoyée\u{a0}; renvoyez le message.",
            "the stored copy is damaged and was not sent; send the message again.",
        )
    }

    pub fn not_yet(self, why: &str) -> String {
        match (self, why.is_empty()) {
            (Words::Fr, true) => "pas encore joignable.".into(),
            (Words::En, true) => "not yet reachable.".into(),
            (Words::Fr, false) => format!("dernière réponse\u{a0}: {why}"),
            (Words::En, false) => format!("last answer: {why}"),
        }
    }

    pub fn relayed_subject(self) -> &'static str {
        self.choose("Message transmis", "Message handed on")
    }

    pub fn relayed_opening(self) -> &'static str {
        self.choose(
            "Bonjour,\n\nVous avez demandé une confirmation de remise. Votre message a été transmis au serveur suivant, qui ne confirme \
             pas lui-même\u{a0}: pour ces destinataires, il n’y aura pas d’autre confirmation. Vous serez averti en cas d’échec.",
            "Hello,\n\nYou asked to hear of the delivery. Your message was handed to the next server, which does not confirm by itself: \
             there will be no other confirmation for these recipients. You will be told if it fails.",
        )
    }

    pub fn not_international(self) -> &'static str {
        self.choose(
            "le serveur suivant n’accepte pas les adresses qui contiennent d’autres lettres que celles de l’anglais (é, ü, 用…)\u{a0}; \
             demandez au destinataire une autre adresse.",
            "the next server does not take addresses with letters beyond the English ones (é, ü, 用…); ask the recipient for another address.",
        )
    }

    pub fn sent_at(self, reference: &str, at: &str) -> String {
        match self {
            Words::Fr => format!("Référence\u{a0}: {reference}\nEnvoyé le\u{a0}: {at}\n"),
            Words::En => format!("Reference: {reference}\nSent: {at}\n"),
        }
    }

    pub fn closing(self, postmaster: &Address) -> String {
        match self {
            Words::Fr => format!("Une question\u{a0}? Écrivez à {postmaster} en citant la référence.\n"),
            Words::En => format!("Questions? Write to {postmaster} and quote the reference.\n"),
        }
    }

    fn describe(self, about: &Described) -> String {
        let mut text = self.sent_at(&about.reference.to_string(), &about.at);
        text.push_str(self.choose("Destinataires\u{a0}:\n", "Recipients:\n"));
        for recipient in &about.recipients {
            text.push_str(&format!("  {recipient}\n"));
        }
        if about.others > 0 {
            text.push_str(&match self {
                Words::Fr => format!("  et {} autres\n", about.others),
                Words::En => format!("  and {} others\n", about.others),
            });
        }
        text
    }
}
