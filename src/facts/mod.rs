//! Turns a message and what is known of its parties into facts: what is true of it as a whole, and of each recipient.

use crate::mail::{Address, Domain};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a policy can name (RULES.md, DESIGN §8). In files: the snake-case word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    ToPersonalMailbox,
    ToOwnMailbox,
    ForwardsInternalMail,
    AutoForwarded,
    RepliesToOutsider,
    OfficeAttachment,
    ViaRelay,
    TriedAgain,
    ProfessionalContent,
    MarkedPrivate,
    /// The client already encrypted the message end to end.
    SealedByClient,
    /// The client already signed the message.
    SignedByClient,
}

/// What is true of one submission.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub of_message: BTreeSet<Fact>,
    /// In the order of [`crate::mail::Submission::recipients`].
    pub of_recipients: Vec<RecipientFacts>,
    pub measures: Measures,
}

#[derive(Clone, Debug, Default)]
pub struct RecipientFacts {
    pub facts: BTreeSet<Fact>,
    /// A usable key for this recipient is known.
    pub has_key: bool,
}

/// Plain quantities that policies compare.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// Octets of the raw message.
    pub size: u64,
    pub recipients: usize,
    /// Addresses outside that all recipients can see in To and Cc.
    pub visible_external_recipients: usize,
    /// Media types and name endings of all files, lower case: `application/pdf`, `.xlsx`.
    pub attachment_types: BTreeSet<String>,
    /// Bracketed words that begin the Subject, lower case without brackets: `chiffrer`.
    pub subject_tags: Vec<String>,
}

/// A finished snapshot of what memory knows about this message's parties. Stages read it; they never ask.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Our own domains; their subdomains are inside too.
    pub inside: Arc<[Domain]>,
    /// `lists/<name>.txt` as sets of lower-case entries: an address, or a domain.
    pub lists: Arc<BTreeMap<String, BTreeSet<String>>>,
    /// Recipients for whom a usable key is known.
    pub with_key: BTreeSet<Address>,
    /// This sender was refused within the last hour for something alike.
    pub refused_alike: bool,
}
