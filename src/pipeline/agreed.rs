//! Turns the recipients of a message into the passwords under which it could be sent to those who have no key.

use super::copies::CannotSend;
use super::{Gate, GroupsOf, Laws};
use crate::audit;
use crate::mail::{Address, Domain, Language, Outgoing, Protection, Reference, Submission, UnixTime};
use crate::notices::{self, About};
use crate::protect::container::{Password, Passwords};
use crate::store::{Call, CallRow, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A finished snapshot for one message.
#[derive(Debug, Default)]
pub struct Agreed {
    pub passwords: Passwords,
    /// In which groups the parties are, where a policy asks.
    pub groups: GroupsOf,
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
        let mut agreed = Agreed { passwords: self.secrets.of(recipients, language).await?, ..Agreed::default() };
        if self.house.sealing.password_hook.url.is_none() {
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

/// Seconds after the first, second … attempt; the last holds for all later ones.
const AGAIN_AFTER: [i64; 6] = [10, 60, 300, 900, 3_600, 14_400];
/// Calls taken up at once.
const CALLS: usize = 20;

/// A password that is due to be told, as the JSON for the service.
pub struct DueCall {
    row: CallRow,
    pub text: zeroize::Zeroizing<Vec<u8>>,
}

impl Gate {
    /// What the service has not taken yet, the longest waiting first. One that cannot be opened is given up aloud: it never will be.
    pub async fn due_calls(self: &Arc<Self>) -> Result<Vec<DueCall>, StoreError> {
        let mut due = Vec::new();
        for row in self.store.due_calls(self.clock.now(), CALLS).await? {
            match self.secrets.open_call(row.reference, &row.call.recipient, &row.call.sealed) {
                Ok(text) => due.push(DueCall { row, text }),
                Err(why) => {
                    tracing::error!(reference = %row.reference, %why, "the password of a container is lost");
                    self.give_up(row).await?;
                }
            }
        }
        Ok(due)
    }

    /// The service took it.
    pub async fn call_taken(&self, call: DueCall) -> Result<(), StoreError> {
        let now = self.clock.now();
        let audit = audit::line::password(call.row.reference, now, &call.row.call.recipient, true);
        self.store.end_call(&call.row, now, Vec::new(), audit).await
    }

    /// It did not: again later, or given up and its sender told. The message itself has long been sent, sealed.
    pub async fn call_failed(self: &Arc<Self>, call: DueCall) -> Result<(), StoreError> {
        let (now, row) = (self.clock.now(), call.row);
        let days = i64::from(self.house.sealing.password_hook.give_up_after_days);
        if now.0 - row.created_at.0 >= days * 86_400 {
            tracing::error!(reference = %row.reference, recipient = %row.call.recipient, "the password of a container was not told in time");
            return self.give_up(row).await;
        }
        let at = usize::try_from(row.attempts).unwrap_or(usize::MAX).min(AGAIN_AFTER.len() - 1);
        self.store.postpone_call(row.id, now.plus(AGAIN_AFTER[at])).await
    }

    async fn give_up(self: &Arc<Self>, row: CallRow) -> Result<(), StoreError> {
        let now = self.clock.now();
        let told = row.clone();
        let made = self.on_cpu(0, move |gate| {
            let recipients = [told.call.recipient.clone()];
            let sender = told.call.mail_from.as_ref();
            let about = About { sender, reference: told.reference, at: told.created_at, recipients: &recipients };
            gate.notice(&gate.texts.now(), gate.house.language, now, sender, |head| notices::password_not_told(head, &about))
        });
        let failed = |why: String| StoreError::Failed(why);
        let notice = made.await.map_err(|why| failed(why.to_string()))?.map_err(|why| failed(why.to_string()))?;
        let audit = audit::line::password(row.reference, now, &row.call.recipient, false);
        self.store.end_call(&row, now, notice.into_iter().collect(), audit).await
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
