//! Turns a decided message into the octets that are sealed, and back: a JSON head, then the raw message.

use super::HeldMessage;
use crate::mail::{
    Address, Attributes, Domain, Identity, Language, Origin, RawMessage, Reference, Submission, Transport, UnixTime,
};
use crate::policy::{Applied, Because, Bilingual, Decision, Disposition, PolicyId, Requirements, Verdict};
use serde::{Deserialize, Serialize};

/// Octets of the number that says how long the head is (big endian).
const LENGTH: usize = 4;

#[derive(Serialize, Deserialize)]
struct Head {
    reference: Reference,
    identity: Who,
    mail_from: Option<Address>,
    recipients: Vec<Address>,
    received_at: UnixTime,
    language: Language,
    #[serde(default)]
    requires_tls: bool,
    #[serde(default)]
    transport: Transport,
    decision: Decided,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Who {
    Account {
        login: Address,
        owns: Vec<Address>,
        names: Vec<String>,
        #[serde(default)]
        attributes: Attributes,
    },
    Relay {
        listener: String,
        senders: Vec<Domain>,
        #[serde(default)]
        login: Option<Address>,
    },
    Gate,
}

#[derive(Serialize, Deserialize)]
struct Decided {
    disposition: Disposition,
    verdicts: Vec<ForOne>,
    watched: Vec<String>,
    ruleset: String,
}

#[derive(Serialize, Deserialize)]
struct ForOne {
    recipient: Address,
    disposition: Disposition,
    requires: Requirements,
    reasons: Vec<Reason>,
}

#[derive(Serialize, Deserialize)]
struct Reason {
    policy: String,
    disposition: Disposition,
    requires: Requirements,
    because: Because,
    tell_sender: Option<Bilingual>,
    no_key: bool,
    #[serde(default)]
    container: bool,
}

/// `None` only if a head cannot be written as JSON, or is longer than 4 GiB.
pub(super) fn write(submission: &Submission, decision: &Decision) -> Option<Vec<u8>> {
    let identity = match submission.identity.clone() {
        Identity::Account { login, owns, names, attributes } => Who::Account { login, owns, names, attributes },
        Identity::Relay { listener, senders, login } => Who::Relay { listener, senders, login },
        Identity::Gate => Who::Gate,
    };
    let verdict = |verdict: &Verdict| ForOne {
        recipient: verdict.recipient.clone(),
        disposition: verdict.disposition,
        requires: verdict.requires,
        reasons: verdict.reasons.iter().cloned().map(reason).collect(),
    };
    let head = Head {
        reference: submission.reference,
        identity,
        mail_from: submission.mail_from.clone(),
        recipients: submission.recipients.clone(),
        received_at: submission.received_at,
        language: submission.language,
        requires_tls: submission.requires_tls,
        transport: submission.transport.clone(),
        decision: Decided {
            disposition: decision.disposition,
            verdicts: decision.verdicts.iter().map(verdict).collect(),
            watched: decision.watched.iter().map(|policy| policy.0.to_string()).collect(),
            ruleset: decision.ruleset.to_string(),
        },
    };
    let head = serde_json::to_vec(&head).ok()?;
    let mut octets = Vec::with_capacity(LENGTH + head.len() + submission.raw.len());
    octets.extend_from_slice(&u32::try_from(head.len()).ok()?.to_be_bytes());
    octets.extend_from_slice(&head);
    octets.extend_from_slice(submission.raw.as_bytes());
    Some(octets)
}

/// `None` when another version wrote it otherwise.
pub(super) fn read(octets: &[u8]) -> Option<HeldMessage> {
    let (length, rest) = octets.split_first_chunk::<LENGTH>()?;
    let (head, raw) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let head: Head = serde_json::from_slice(head).ok()?;
    let identity = match head.identity {
        Who::Account { login, owns, names, attributes } => Identity::Account { login, owns, names, attributes },
        Who::Relay { listener, senders, login } => Identity::Relay { listener, senders, login },
        Who::Gate => Identity::Gate,
    };
    let verdict = |one: ForOne| Verdict {
        recipient: one.recipient,
        disposition: one.disposition,
        requires: one.requires,
        reasons: one.reasons.into_iter().map(applied).collect(),
    };
    Some(HeldMessage {
        submission: Submission {
            reference: head.reference,
            identity,
            mail_from: head.mail_from,
            recipients: head.recipients,
            raw: RawMessage::new(raw).ok()?,
            origin: Origin::Release,
            received_at: head.received_at,
            language: head.language,
            requires_tls: head.requires_tls,
            transport: head.transport,
        },
        decision: Decision {
            disposition: head.decision.disposition,
            verdicts: head.decision.verdicts.into_iter().map(verdict).collect(),
            watched: head.decision.watched.into_iter().map(|policy| PolicyId(policy.into())).collect(),
            ruleset: head.decision.ruleset.into(),
        },
    })
}

fn reason(applied: Applied) -> Reason {
    let Applied { policy, disposition, requires, because, tell_sender, no_key, container } = applied;
    Reason { policy: policy.0.to_string(), disposition, requires, because, tell_sender, no_key, container }
}

fn applied(reason: Reason) -> Applied {
    let Reason { policy, disposition, requires, because, tell_sender, no_key, container } = reason;
    Applied { policy: PolicyId(policy.into()), disposition, requires, because, tell_sender, no_key, container }
}
