//! Turns queued copies into work for the relay, and the upstream's answers into what each recipient's copy becomes.

use crate::mail::{Address, Outgoing, Reference, UnixTime};

/// A copy that waits for the upstream.
#[derive(Clone, Debug)]
pub struct Queued {
    pub id: i64,
    pub reference: Reference,
    /// Only the recipients that are still to be served.
    pub outgoing: Outgoing,
    pub queued_at: UnixTime,
    /// Attempts before this one.
    pub attempts: u32,
}

/// What one attempt came to for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The upstream gave a 2yz after the data.
    Delivered { reply: String },
    /// Everything that is neither a 2yz nor a well-formed 5yz: unreachable, 4yz, nonsense.
    TryLater { why: String },
    /// A syntactically valid 5yz of the upstream about this recipient or this message.
    Failed { reply: String },
}

/// One attempt for all recipients of a copy.
#[derive(Clone, Debug)]
pub struct Attempted {
    pub id: i64,
    pub at: UnixTime,
    pub results: Vec<(Address, Attempt)>,
}
