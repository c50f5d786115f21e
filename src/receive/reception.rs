//! Turns what the door asks into what memory knows, and an arrival into the submission that walks.

use super::settings::Listener;
use super::{Arrival, Gatekeeper, Stamp, admission};
use crate::accounts::Accounts;
use crate::mail::{Address, Domain, Identity, Language, Origin, RawMessage, Submission};
use crate::mime;
use crate::pipeline::Gate;
use crate::smtp::auth::scram::Salt;
use crate::smtp::auth::{Offer, Proof};
use crate::smtp::reply::{Accepted, Refusal};
use crate::smtp::session::LoggedIn;
use std::net::IpAddr;
use std::sync::Arc;

/// The gate's side of the door.
pub struct Reception {
    pub gate: Arc<Gate>,
    pub accounts: Accounts,
    pub identity_fields: IdentityFields,
}

/// The header fields in which mail servers before us name a login, each by the listener whose servers may.
#[derive(Clone, Debug, Default)]
pub struct IdentityFields(Vec<(String, String)>);

/// Why a message whose server names its login by a field is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotName {
    /// Two such fields, or none that holds one address: somebody else wrote one of them.
    NotOne,
    /// Not within the sender domains of the listener.
    NotRelayed,
}

impl IdentityFields {
    pub fn of(listeners: &[Listener]) -> IdentityFields {
        let field = |listener: &Listener| Some((listener.name.clone(), listener.identity_header.clone()?));
        IdentityFields(listeners.iter().filter_map(field).collect())
    }

    /// The message without any such field, from whomever it comes, so that nobody behind us believes one that we did not ask for; and
    /// with the login that it names, where this listener's servers may name one. A message without the field names nobody.
    pub fn read(&self, listener: &str, identity: &mut Identity, raw: RawMessage) -> Result<RawMessage, CannotName> {
        let mut rest = raw;
        for (name, field) in &self.0 {
            if name == listener
                && let Identity::Relay { senders, login, .. } = identity
            {
                *login = named(&rest, field, senders)?;
            }
        }
        for (_, field) in &self.0 {
            // What cannot be taken apart is refused as malformed by the walk, with these fields still in it.
            let Ok(without) = mime::write::without_field(&rest, field) else { return Ok(rest) };
            rest = without;
        }
        Ok(rest)
    }
}

fn named(raw: &RawMessage, field: &str, senders: &[Domain]) -> Result<Option<Address>, CannotName> {
    let values = mime::write::values_of(raw, field).map_err(|_| CannotName::NotOne)?;
    match &values[..] {
        [] => Ok(None),
        [value] => {
            let written = value.strip_prefix('<').and_then(|value| value.strip_suffix('>')).unwrap_or(value);
            let login = Address::parse(written).map_err(|_| CannotName::NotOne)?;
            let within = senders.iter().any(|domain| login.domain().is_within(domain));
            if within { Ok(Some(login)) } else { Err(CannotName::NotRelayed) }
        }
        _ => Err(CannotName::NotOne),
    }
}

impl Gatekeeper for Reception {
    async fn log_in(&self, proof: Proof, peer: IpAddr) -> Result<LoggedIn, Refusal> {
        admission::log_in(&self.accounts, proof, peer).await
    }

    async fn salt(&self, login: &str) -> Result<Salt, Refusal> {
        admission::salt(&self.accounts, login).await
    }

    async fn still(&self, who: &Identity, stamp: &Stamp, language: Language) -> Result<(), Refusal> {
        admission::still(&self.accounts, who, stamp, language).await
    }

    fn offer(&self) -> Offer {
        admission::offer(&self.accounts)
    }

    /// Whose address it is was looked at by the dialogue, whether its login holds by [`Gatekeeper::still`]. Whose quota is used up need not
    /// send the message first; the commit counts again.
    async fn sender(&self, who: &Identity, language: Language, mail_from: Option<&Address>) -> Result<(), Refusal> {
        let gate = &self.gate;
        match (gate.quotas.is_full(who, mail_from, gate.clock.now()).await, language) {
            (Ok(false), _) => Ok(()),
            (Ok(true), Language::Fr) => Err(Refusal::of::<450>(7, 1, "quota d'envoi atteint, réessayez plus tard")),
            (Ok(true), Language::En) => Err(Refusal::of::<450>(7, 1, "sending quota reached, try again later")),
            (Err(why), _) => {
                tracing::error!(%why, "what was sent before cannot be counted");
                Err(Refusal::of::<451>(3, 0, "cannot count now, try again / décompte impossible, réessayez"))
            }
        }
    }

    /// Nobody is refused by address alone yet: whose key is missing is the policies' matter. It is looked for while the message comes in.
    async fn recipient(&self, _: &Identity, _: Language, recipient: &Address) -> Result<(), Refusal> {
        self.gate.keys.begin(recipient);
        Ok(())
    }

    async fn submit(&self, mut arrival: Arrival) -> Result<Accepted, Refusal> {
        let read = self.identity_fields.read(&arrival.listener, &mut arrival.identity, arrival.raw);
        let raw = read.map_err(|why| {
            tracing::warn!(listener = %arrival.listener, ?why, "the identity field of a server before us is not as it should be");
            cannot_name(why, arrival.language)
        })?;
        let received_at = self.gate.clock.now();
        let reference = self.gate.dice.reference();
        // RFC 5321 §4.4, without the client's address: it tells where our people sit (CNIL; RFC 6409 leaves it to us).
        // RFC 3848, RFC 6531 §4.3.
        let protocol = if arrival.transport.smtputf8 { "UTF8SMTP" } else { "ESMTP" };
        let tls_mark = if arrival.tls.is_some() { "S" } else { "" };
        let auth_mark = if arrival.authenticated { "A" } else { "" };
        let with = format!("{protocol}{tls_mark}{auth_mark}");
        let tls = arrival.tls.as_ref().map_or(String::new(), |tls| format!(" ({} {})", tls.version, tls.cipher));
        let received = format!("by {} with {with}{tls} id {reference}; {}", self.gate.house.hostname, received_at.rfc5322());
        let submission = Submission {
            reference,
            identity: arrival.identity,
            mail_from: arrival.mail_from,
            recipients: arrival.recipients,
            raw,
            origin: Origin::Listener(arrival.listener),
            received_at,
            language: arrival.language,
            requires_tls: arrival.requires_tls,
            transport: arrival.transport,
        };
        self.gate.handle(submission, received).await
    }
}

/// The server before us is set up wrongly, or somebody behind it writes its field.
fn cannot_name(why: CannotName, language: Language) -> Refusal {
    match (why, language) {
        (CannotName::NotOne, Language::Fr) => {
            Refusal::of::<553>(7, 1, "champ d'identité double ou illisible : un seul, une adresse")
        }
        (CannotName::NotOne, Language::En) => {
            Refusal::of::<553>(7, 1, "identity field repeated or unreadable: one, with one address")
        }
        (CannotName::NotRelayed, Language::Fr) => {
            Refusal::of::<553>(7, 1, "champ d'identité : domaine non autorisé pour ce relais")
        }
        (CannotName::NotRelayed, Language::En) => Refusal::of::<553>(7, 1, "identity field: domain not allowed for this relay"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> IdentityFields {
        let listener = |name: &str, rest: &str| {
            let text = format!("name = \"{name}\"\naddress = \"127.0.0.1:25\"\ntls = \"none\"\n{rest}");
            toml::from_str::<Listener>(&text).unwrap()
        };
        IdentityFields::of(&[
            listener("groupware", "identity = \"header\"\nidentity_header = \"X-Authenticated-User\""),
            listener("scanner", ""),
        ])
    }

    fn relay() -> Identity {
        Identity::Relay { listener: "any".into(), senders: vec![Domain::parse("example.org").unwrap()], login: None }
    }

    fn read(listener: &str, mut identity: Identity, head: &str) -> Result<(String, String), CannotName> {
        let raw =
            RawMessage::new(format!("{head}From: a@example.org\r\n\r\nX-Authenticated-User: body\r\n").into_bytes()).unwrap();
        let raw = fields().read(listener, &mut identity, raw)?;
        let login = match identity {
            Identity::Relay { login: Some(login), .. } => login.to_string(),
            _ => String::new(),
        };
        let text = String::from_utf8(raw.as_bytes().to_vec()).unwrap();
        assert!(text.ends_with("From: a@example.org\r\n\r\nX-Authenticated-User: body\r\n"), "{text}");
        Ok((login, text.split_once("From:").unwrap().0.to_owned()))
    }

    #[test]
    fn a_field_names_the_login_only_from_the_server_that_may_set_it_and_is_taken_out_from_all() {
        let head = "X-Authenticated-User: alice@example.org\r\nX-Other: 1\r\n";
        assert_eq!(read("groupware", relay(), head), Ok(("alice@example.org".into(), "X-Other: 1\r\n".into())));
        assert_eq!(read("scanner", relay(), head), Ok((String::new(), "X-Other: 1\r\n".into())));
        let login = Address::parse("eve@example.org").unwrap();
        let account = Identity::Account { owns: vec![login.clone()], login, names: vec![], attributes: Default::default() };
        assert_eq!(read("submission", account.clone(), head), Ok((String::new(), "X-Other: 1\r\n".into())));
        assert_eq!(read("groupware", account, head), Ok((String::new(), "X-Other: 1\r\n".into())));
    }

    #[test]
    fn a_field_that_somebody_else_could_have_written_is_refused() {
        for (head, expected) in [
            ("", Ok("")),
            ("x-authenticated-user: <Alice@Example.org>\r\n", Ok("Alice@example.org")),
            ("X-Authenticated-User : boss@example.org\r\n", Err(CannotName::NotOne)),
            ("X-Authenticated-User:\r\n alice@example.org\r\n", Ok("alice@example.org")),
            ("X-Authenticated-User: boss@example.org\r\nX-Authenticated-User: alice@example.org\r\n", Err(CannotName::NotOne)),
            ("X-Authenticated-User: boss@example.org\r\nx-authenticated-USER: alice@example.org\r\n", Err(CannotName::NotOne)),
            ("X-Authenticated-User: alice\r\n", Err(CannotName::NotOne)),
            ("X-Authenticated-User: alice@example.org, boss@example.org\r\n", Err(CannotName::NotOne)),
            ("X-Authenticated-User: (boss@example.org) alice@example.org\r\n", Err(CannotName::NotOne)),
            ("X-Authenticated-User:\r\n", Err(CannotName::NotOne)),
            ("X-Authenticated-User: eve@example.com\r\n", Err(CannotName::NotRelayed)),
        ] {
            let read = read("groupware", relay(), head);
            assert_eq!(read, expected.map(|login| (login.to_owned(), String::new())), "{head}");
        }
    }
}
