//! Turns what the door asks into what memory knows, and an arrival into the submission that walks.

use super::{Arrival, Gatekeeper, Stamp, admission};
use crate::accounts::Accounts;
use crate::mail::{Address, Identity, Language, Origin, Submission};
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

    /// Whose address it is was looked at by the dialogue, whether its login holds by [`Gatekeeper::still`].
    async fn sender(&self, _: &Identity, _: Language, _: Option<&Address>) -> Result<(), Refusal> {
        Ok(())
    }

    /// Nobody is refused by address alone yet: whose key is missing is the policies' matter. It is looked for while the message comes in.
    async fn recipient(&self, _: &Identity, _: Language, recipient: &Address) -> Result<(), Refusal> {
        self.gate.keys.begin(recipient);
        Ok(())
    }

    async fn submit(&self, arrival: Arrival) -> Result<Accepted, Refusal> {
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
            transport: Default::default(),
        };
        self.gate.handle(submission, received).await
    }
}
