//! Turns a decided message into the copies that leave: signed and sealed for whom the decision says so, unchanged for the rest.

pub mod openpgp;
pub mod smime;

use crate::mail::{Address, UnixTime};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where recipients' keys come from. Finished answers only: whoever has to ask a network does so before the walk.
pub trait FindKeys: Send + Sync {
    fn find(&self, recipient: &Address, at: UnixTime) -> LookUp;
}

/// What is known of one recipient's keys.
#[derive(Clone, Debug)]
pub enum LookUp {
    /// At least one key that may be used now, the preferred first.
    Usable(Vec<RecipientKey>),
    /// Proven absence; with the keys that were there and why each is refused.
    Absent(Vec<WhyNot>),
    /// Nobody knows: the sender gets 451 4.4.3.
    Failed(String),
}

/// A recipient's key that was judged usable.
#[derive(Clone, Debug)]
pub enum RecipientKey {
    Smime(Arc<smime::RecipientCertificate>),
    Openpgp(Arc<openpgp::RecipientCertificate>),
}

/// One key that may not be used, in a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyNot {
    /// File name or source.
    pub source: String,
    pub reason: String,
}

/// The keys for the recipients of one message.
pub type Keys = BTreeMap<Address, LookUp>;

/// With what this sender's copies are signed.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    pub smime: Option<Arc<smime::Signer>>,
    pub openpgp: Option<Arc<openpgp::Signer>>,
}

/// Why a copy cannot be made: the sender gets 451 4.7.0 and nothing leaves.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot protect the copy for {recipient}: {why}")]
pub struct CannotProtect {
    pub recipient: Address,
    /// For the log; no content of the message.
    pub why: String,
}
