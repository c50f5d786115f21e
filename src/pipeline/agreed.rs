//! Turns the recipients of a message into the passwords under which it could be sent to those who have no key.

use super::copies::CannotSend;
use super::{Gate, Laws};
use crate::mail::{Address, Domain, Language, Outgoing, Protection, Reference, Submission, UnixTime};
use crate::protect::container::{Password, Passwords};
use crate::store::{Call, StoreError};
use std::collections::BTreeSet;

/// A finished snapshot for one message.
#[derive(Debug, Default)]
pub struct Agreed {
    pub passwords: Passwords,
    /// Whose password was made for this message alone, and is told by the service.
    fresh: BTreeSet<Address>,
}

/// Whether the service is asked to tell this recipient a password: only those outside, who get no mail from it.
pub fn service_tells(recipient: &Address, inside: &[Domain]) -> bool {
    !inside.iter().any(|ours| recipient.domain().is_within(ours))
}

impl Gate {
    /// Nothing is read where no policy is content with a container.
    pub(super) async fn agreed(&self, laws: &Laws, recipients: &[Address]) -> Result<Agreed, StoreError> {
        if !laws.policy.uses_containers() {
            return Ok(Agreed::default());
        }
        let language = self.house.language;
        let mut agreed = Agreed { passwords: self.secrets.of(recipients, language).await?, fresh: BTreeSet::new() };
        if self.house.sealing.password_hook.is_none() {
            return Ok(agreed);
        }
        for recipient in recipients.iter().filter(|recipient| service_tells(recipient, &self.house.inside)) {
            if !agreed.passwords.contains_key(recipient) {
                let password = Password::generate(language).map_err(|why| StoreError::Failed(why.to_string()))?;
                agreed.passwords.insert(recipient.clone(), password);
                agreed.fresh.insert(recipient.clone());
            }
        }
        Ok(agreed)
    }

    /// What the service is to tell, once the copies are on disk.
    pub(super) fn calls(
        &self,
        submission: &Submission,
        outgoing: &[Outgoing],
        agreed: &Agreed,
    ) -> Result<Vec<Call>, CannotSend> {
        let locked = outgoing.iter().filter(|copy| copy.protection == Protection::Container).flat_map(|copy| &copy.recipients);
        let mut calls = Vec::new();
        for recipient in locked.filter(|recipient| agreed.fresh.contains(recipient)) {
            let password = agreed.passwords.get(recipient).ok_or(CannotSend::Call)?;
            let text = said(submission.reference, submission.received_at, submission.mail_from.as_ref(), recipient, password);
            let sealed = self.secrets.seal_call(submission.reference, recipient, text.as_bytes());
            let sealed = sealed.map_err(|_| CannotSend::Call)?;
            calls.push(Call { recipient: recipient.clone(), mail_from: submission.mail_from.clone(), sealed });
        }
        Ok(calls)
    }
}

/// The JSON that the service gets.
fn said(
    reference: Reference,
    at: UnixTime,
    sender: Option<&Address>,
    recipient: &Address,
    password: &Password,
) -> zeroize::Zeroizing<String> {
    let language = match password.language {
        Language::Fr => "fr",
        Language::En => "en",
    };
    let value = serde_json::json!({
        "reference": reference.to_string(),
        "at": at.rfc3339(),
        "sender": sender,
        "recipient": recipient,
        "password": password.as_str(),
        "language": language,
    });
    zeroize::Zeroizing::new(value.to_string())
}
