//! Turns an acceptance into a [`Receipt`]: one committed, fsynced transaction that holds everything the acceptance entails.

use crate::mail::{Address, Outgoing, Reference, UnixTime};

/// Everything that accepting one message entails; committed whole or not at all.
#[derive(Debug)]
pub struct Acceptance {
    pub reference: Reference,
    pub at: UnixTime,
    pub outgoing: Vec<Outgoing>,
    pub held: Option<Held>,
    pub notices: Vec<Outgoing>,
    pub audit: AuditLine,
}

/// A message for quarantine: sealed before it comes here.
#[derive(Clone, Debug)]
pub struct Held {
    pub reference: Reference,
    pub at: UnixTime,
    /// Login or MAIL FROM.
    pub sender: Option<Address>,
    pub recipients: Vec<Address>,
    /// Envelope, message and decision, sealed to the review key and to the release key; opaque here.
    pub sealed: Vec<u8>,
    /// What a list may show: masked findings, facts, policies, as JSON. No content of the message.
    pub summary: String,
}

/// One decision as a JSON object without the chain's members; the store adds `seq`, `prev` and `hash` inside the transaction.
#[derive(Clone, Debug)]
pub struct AuditLine(pub serde_json::Map<String, serde_json::Value>);
