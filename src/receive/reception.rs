//! Turns what the door asks into what memory knows, and an arrival into the submission that walks.

use super::{Arrival, Gatekeeper};
use crate::accounts::{Accounts, LoginRefused};
use crate::mail::{Address, Identity, Language, Origin, Submission};
use crate::pipeline::Gate;
use crate::smtp::reply::{Accepted, Refusal};
use crate::smtp::session::LoggedIn;
use std::net::IpAddr;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The gate's side of the door.
pub struct Reception {
    pub gate: Arc<Gate>,
    pub accounts: Accounts,
}

impl Gatekeeper for Reception {
    async fn log_in(&self, login: &str, password: &Zeroizing<Vec<u8>>, peer: IpAddr) -> Result<LoggedIn, Refusal> {
        let account = self.accounts.log_in(login, password, peer).await.map_err(login_refused)?;
        let language = account.language;
        Ok(LoggedIn {
            identity: Identity::Account {
                login: account.login,
                owns: account.owns,
                names: account.names,
                attributes: account.attributes,
            },
            language,
        })
    }

    /// A disabled account is out at once, also in sessions that were open before.
    async fn sender(&self, who: &Identity, language: Language, _: Option<&Address>) -> Result<(), Refusal> {
        let Identity::Account { login, .. } = who else { return Ok(()) };
        match (self.accounts.still_valid(login).await, language) {
            (Ok(true), _) => Ok(()),
            (Ok(false), Language::Fr) => Err(Refusal::of::<550>(7, 1, "compte désactivé")),
            (Ok(false), Language::En) => Err(Refusal::of::<550>(7, 1, "account disabled")),
            (Err(why), _) => {
                tracing::error!(%why, "accounts cannot be read");
                Err(Refusal::of::<451>(3, 0, "accounts cannot be read now / comptes illisibles pour l'instant"))
            }
        }
    }

    /// Nobody is refused by address alone yet: whose key is missing is the policies' matter. It is looked for while the message comes in.
    async fn recipient(&self, _: &Identity, _: Language, recipient: &Address) -> Result<(), Refusal> {
        self.gate.keys.begin(recipient);
        Ok(())
    }

    async fn submit(&self, arrival: Arrival) -> Result<Accepted, Refusal> {
        // Asked again: whoever holds a session open between MAIL and the final dot would otherwise outlive the account.
        self.sender(&arrival.identity, arrival.language, arrival.mail_from.as_ref()).await?;
        let received_at = self.gate.clock.now();
        let reference = self.gate.dice.reference();
        // RFC 5321 §4.4, without the client's address: it tells where our people sit (CNIL; RFC 6409 leaves it to us). "with" as RFC 3848 has it.
        let with = match (arrival.tls.is_some(), arrival.authenticated) {
            (true, true) => "ESMTPSA",
            (true, false) => "ESMTPS",
            (false, true) => "ESMTPA",
            (false, false) => "ESMTP",
        };
        let tls = arrival.tls.as_ref().map_or(String::new(), |tls| format!(" ({} {})", tls.version, tls.cipher));
        let received = format!("by {} with {with}{tls} id {reference}; {}", self.gate.house.hostname, received_at.rfc5322());
        let submission = Submission {
            reference,
            identity: arrival.identity,
            mail_from: arrival.mail_from,
            recipients: arrival.recipients,
            raw: arrival.raw,
            origin: Origin::Listener(arrival.listener),
            received_at,
            language: arrival.language,
            requires_tls: arrival.requires_tls,
            transport: arrival.transport,
        };
        self.gate.handle(submission, received).await
    }
}

/// RFC 4954 §6. Wrong password and unknown login read the same.
fn login_refused(why: LoginRefused) -> Refusal {
    match why {
        LoginRefused::Wrong => Refusal::of::<535>(7, 8, "login or password wrong / identifiant ou mot de passe incorrect"),
        LoginRefused::Throttled => Refusal::of::<454>(7, 0, "too many attempts, wait / trop de tentatives, patientez"),
        LoginRefused::Busy => Refusal::of::<454>(7, 0, "busy, try again / occupé, réessayez"),
        LoginRefused::Unavailable => Refusal::of::<454>(7, 0, "logins cannot be checked now / vérification impossible"),
    }
}
