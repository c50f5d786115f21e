//! Turns what the dialogue has to say into replies a person can read, in French or English.

use super::reply::{Refusal, Reply};
use crate::mail::Language;

/// Everything the dialogue itself answers. What policies and the store answer comes as a [`super::reply::Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    // Commands done.
    Bye,
    ReadyForTls,
    LoggedIn,
    SenderOk,
    RecipientOk,
    GoAhead,
    ChunkOk,
    Reset,
    Nothing,
    CannotVerify,
    Help,
    // What is wrong with a command line.
    UnknownCommand,
    NotImplemented,
    NotMail,
    ChunkSyntax,
    ChunkFirst,
    BadOctets,
    LineTooLong,
    Syntax,
    NoArgument,
    HelloName,
    SenderSyntax,
    RecipientSyntax,
    SenderLiteral,
    RecipientLiteral,
    SenderRoute,
    RecipientRoute,
    NotAscii,
    NotInternational,
    UnknownParameter,
    BadParameter,
    TooLarge,
    // Wrong moment.
    HelloFirst,
    EhloFirst,
    TlsFirst,
    TlsUnavailable,
    TlsAlready,
    MailFirst,
    MailTwice,
    RecipientFirst,
    NoRecipientLeft,
    // Logging in.
    LogInFirst,
    NoClearAuth,
    AuthNotOffered,
    AuthAlready,
    AuthInMail,
    AuthMechanism,
    AuthCancelled,
    AuthTooLong,
    AuthBase64,
    AuthFields,
    AuthOtherIdentity,
    // Whose addresses.
    XclientRefused,
    XclientLogin,
    XclientNotRelayed,
    NullSender,
    SenderNotOwned,
    SenderNotRelayed,
    // Content.
    SpoiledOctets,
    Endless,
    // Limits.
    TooManyRecipients,
    TooManyErrors,
    TooManyCommands,
    TooManyMessages,
    TooManyLogins,
    Busy,
    Full,
    NotAllowedHere,
    Idle,
    Stopping,
    Broken,
}

impl Say {
    pub(super) fn reply(self, language: Language) -> Reply {
        let (code, enhanced, fr, en) = self.words();
        let text = match language {
            Language::Fr => fr,
            Language::En => en,
        };
        Reply::new(code, enhanced, text)
    }

    pub fn code(self) -> u16 {
        self.words().0
    }

    /// The same as a refusal; `None` for what refuses nothing.
    pub fn refusal(self, language: Language) -> Option<Refusal> {
        let (code, enhanced, fr, en) = self.words();
        let (subject, detail) = enhanced?;
        Refusal::new(code, subject, detail, if language == Language::Fr { fr } else { en })
    }

    /// Appends the reply to what goes on the wire.
    pub fn write_to(self, language: Language, wire: &mut Vec<u8>) {
        self.reply(language).write_to(wire);
    }

    /// Code, enhanced code without class, French, English.
    fn words(self) -> (u16, Option<(u16, u16)>, &'static str, &'static str) {
        use Say::*;
        match self {
            Bye => (221, Some((0, 0)), "au revoir", "goodbye"),
            ReadyForTls => (220, Some((0, 0)), "prêt pour TLS", "ready for TLS"),
            LoggedIn => (235, Some((7, 0)), "authentifié", "authenticated"),
            SenderOk => (250, Some((1, 0)), "expéditeur accepté", "sender ok"),
            RecipientOk => (250, Some((1, 5)), "destinataire accepté", "recipient ok"),
            GoAhead => {
                (354, None, "envoyez le message, terminez par <CRLF>.<CRLF>", "send the message, end with <CRLF>.<CRLF>")
            }
            ChunkOk => (250, Some((0, 0)), "morceau reçu", "chunk received"),
            Reset => (250, Some((0, 0)), "remis à zéro", "reset"),
            Nothing => (250, Some((0, 0)), "ok", "ok"),
            // RFC 5321 §3.5.3, §7.3: who exists here is nobody's business.
            CannotVerify => (252, Some((5, 0)), "non vérifié, mais envoyez", "not verified, but send it"),
            Help => (
                214,
                Some((0, 0)),
                "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT",
                "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT",
            ),
            UnknownCommand => (500, Some((5, 1)), "commande inconnue", "unknown command"),
            NotImplemented => (502, Some((5, 1)), "commande non proposée ici", "command not offered here"),
            NotMail => (500, Some((5, 1)), "ceci est un serveur SMTP", "this is an SMTP server"),
            ChunkSyntax => (501, Some((5, 4)), "écrivez BDAT 1000 ou BDAT 1000 LAST", "write BDAT 1000 or BDAT 1000 LAST"),
            ChunkFirst => (
                503,
                Some((5, 1)),
                "message commencé par BDAT : BDAT … LAST le finit, RSET l'abandonne",
                "message begun with BDAT: BDAT ... LAST ends it, RSET drops it",
            ),
            BadOctets => (
                500,
                Some((5, 2)),
                "CR, LF ou NUL isolé dans une commande : chaque ligne finit par CRLF",
                "bare CR, LF or NUL in a command: every line ends in CRLF",
            ),
            LineTooLong => (500, Some((5, 2)), "ligne trop longue", "line too long"),
            Syntax => (501, Some((5, 2)), "erreur de syntaxe", "syntax error"),
            NoArgument => (501, Some((5, 4)), "cette commande ne prend pas d'argument", "this command takes no argument"),
            HelloName => (
                501,
                Some((5, 4)),
                "donnez un nom d'hôte, comme EHLO poste.example.org",
                "give a host name, like EHLO desk.example.org",
            ),
            SenderSyntax => (501, Some((1, 7)), "écrivez MAIL FROM:<nom@example.org>", "write MAIL FROM:<name@example.org>"),
            RecipientSyntax => (501, Some((1, 3)), "écrivez RCPT TO:<nom@example.org>", "write RCPT TO:<name@example.org>"),
            SenderLiteral => {
                (553, Some((1, 7)), "écrivez un nom de domaine, pas une adresse IP", "write a domain name, not an IP address")
            }
            RecipientLiteral => {
                (553, Some((1, 3)), "écrivez un nom de domaine, pas une adresse IP", "write a domain name, not an IP address")
            }
            SenderRoute => (
                553,
                Some((1, 7)),
                "adresse avec route refusée : écrivez <nom@example.org>",
                "no routes in addresses: write <name@example.org>",
            ),
            RecipientRoute => (
                550,
                Some((7, 1)),
                "pas de relais par route (@a:, %, !) : écrivez <nom@example.org>",
                "no relaying by route (@a:, %, !): write <name@example.org>",
            ),
            NotAscii => (
                553,
                Some((6, 7)),
                "adresse non ASCII : MAIL FROM:<...> SMTPUTF8, ou le domaine en xn--",
                "non-ASCII address: write MAIL FROM:<...> SMTPUTF8, or the domain as xn--",
            ),
            NotInternational => (
                553,
                Some((6, 7)),
                "domaine international incorrect : en minuscules, ou en xn--",
                "wrong international domain: write it in lower case, or as xn--",
            ),
            UnknownParameter => (555, Some((5, 4)), "paramètre non proposé par EHLO", "parameter not offered by EHLO"),
            BadParameter => (501, Some((5, 4)), "valeur de paramètre incorrecte", "wrong parameter value"),
            TooLarge => (552, Some((3, 4)), "message trop volumineux", "message too large"),
            HelloFirst => (503, Some((5, 1)), "commencez par EHLO", "begin with EHLO"),
            EhloFirst => (503, Some((5, 1)), "AUTH demande EHLO, pas HELO", "AUTH needs EHLO, not HELO"),
            TlsFirst => (530, Some((7, 0)), "commencez par STARTTLS", "issue STARTTLS first"),
            TlsUnavailable => (502, Some((5, 1)), "STARTTLS non proposé ici", "STARTTLS not offered here"),
            TlsAlready => (503, Some((5, 1)), "TLS déjà actif", "TLS is already active"),
            MailFirst => (503, Some((5, 1)), "commencez par MAIL FROM", "MAIL FROM comes first"),
            MailTwice => {
                (503, Some((5, 1)), "un message est en cours ; RSET l'abandonne", "a message is under way; RSET drops it")
            }
            RecipientFirst => (503, Some((5, 1)), "donnez un destinataire par RCPT TO", "give a recipient with RCPT TO"),
            NoRecipientLeft => (554, Some((5, 1)), "aucun destinataire accepté", "no recipient was accepted"),
            LogInFirst => (530, Some((7, 0)), "authentification demandée", "authentication required"),
            NoClearAuth => {
                (538, Some((7, 11)), "pas de mot de passe en clair : STARTTLS d'abord", "no password in clear: STARTTLS first")
            }
            AuthNotOffered => (502, Some((5, 1)), "AUTH non proposé ici", "AUTH not offered here"),
            AuthAlready => (503, Some((5, 1)), "déjà authentifié", "already authenticated"),
            AuthInMail => {
                (503, Some((5, 1)), "AUTH n'est pas permis pendant un message", "AUTH is not allowed during a message")
            }
            AuthMechanism => {
                (504, Some((5, 4)), "mécanisme inconnu ; proposés : PLAIN LOGIN", "unknown mechanism; offered: PLAIN LOGIN")
            }
            AuthCancelled => (501, Some((7, 0)), "authentification abandonnée", "authentication cancelled"),
            AuthTooLong => (500, Some((5, 6)), "réponse d'authentification trop longue", "authentication line too long"),
            AuthBase64 => (501, Some((5, 2)), "base64 incorrect", "wrong base64"),
            AuthFields => (
                501,
                Some((5, 2)),
                "identifiant ou mot de passe vide, trop long ou illisible",
                "login or password empty, too long or unreadable",
            ),
            AuthOtherIdentity => (
                535,
                Some((7, 8)),
                "nul n'agit ici pour un autre : laissez authzid vide",
                "nobody acts for another here: leave authzid empty",
            ),
            XclientRefused => (550, Some((7, 0)), "XCLIENT non autorisé ici", "XCLIENT is not allowed here"),
            XclientLogin => (
                501,
                Some((5, 4)),
                "LOGIN doit être une adresse : LOGIN=nom@example.org",
                "LOGIN must be an address: LOGIN=name@example.org",
            ),
            XclientNotRelayed => (
                550,
                Some((7, 0)),
                "domaine de LOGIN non autorisé pour ce relais",
                "domain of LOGIN not allowed for this relay",
            ),
            NullSender => (
                553,
                Some((7, 1)),
                "expéditeur vide refusé : écrivez votre adresse",
                "empty sender refused: write your address",
            ),
            SenderNotOwned => {
                (553, Some((7, 1)), "cette adresse d'expéditeur n'est pas la vôtre", "this sender address is not yours")
            }
            SenderNotRelayed => (
                553,
                Some((7, 1)),
                "domaine d'expéditeur non autorisé pour ce relais",
                "sender domain not allowed for this relay",
            ),
            SpoiledOctets => (
                550,
                Some((5, 2)),
                "CR, LF ou NUL isolé : chaque ligne finit par CRLF (curl : --crlf)",
                "bare CR, LF or NUL: every line ends in CRLF (curl: use --crlf)",
            ),
            Endless => (421, Some((3, 4)), "message refusé et sans fin", "refused message without end"),
            TooManyRecipients => {
                (452, Some((5, 3)), "trop de destinataires dans un message", "too many recipients in one message")
            }
            TooManyErrors => (421, Some((7, 0)), "trop d'erreurs", "too many errors"),
            TooManyCommands => (421, Some((7, 0)), "trop de commandes", "too many commands"),
            TooManyMessages => (
                421,
                Some((7, 0)),
                "trop de messages dans une session, reconnectez-vous",
                "too many messages in one session, connect again",
            ),
            TooManyLogins => (421, Some((7, 0)), "trop d'échecs d'authentification", "too many failed logins"),
            Busy => (421, Some((3, 2)), "trop de sessions, réessayez", "too many sessions, try again"),
            Full => (452, Some((3, 1)), "trop de messages en cours, réessayez", "too many messages under way, try again"),
            NotAllowedHere => (554, Some((7, 1)), "ce réseau n'est pas autorisé ici", "this network is not allowed here"),
            Idle => (421, Some((4, 2)), "délai dépassé", "timeout"),
            Stopping => (421, Some((3, 2)), "arrêt du service, réessayez", "shutting down, try again"),
            Broken => (421, Some((3, 0)), "erreur interne, réessayez", "internal error, try again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_stands_within_the_first_60_characters_that_clients_show() {
        for say in [
            Say::SpoiledOctets,
            Say::NotAscii,
            Say::NotInternational,
            Say::ChunkFirst,
            Say::XclientLogin,
            Say::XclientNotRelayed,
            Say::SenderNotOwned,
            Say::LogInFirst,
            Say::NoClearAuth,
            Say::TooLarge,
            Say::BadOctets,
        ] {
            for language in [Language::Fr, Language::En] {
                let text = say.reply(language).text();
                assert!(text.len() <= 90, "{text}");
                assert!(!text.contains('?'), "a letter without ASCII form: {text}");
            }
        }
    }
}
