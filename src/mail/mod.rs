//! The words of mail: values that every room speaks of, without behaviour of the outside world.

pub mod address;
pub mod id;
pub mod outgoing;
pub mod raw;
pub mod submission;

pub use address::{Address, BadAddress, Domain};
pub use id::Reference;
pub use outgoing::{BodyType, Outgoing, Protection};
pub use raw::{BadLines, RawMessage};
pub use submission::{AccountKind, Attributes, Identity, Language, Notify, Origin, Reports, Return, Submission, Transport};

/// Seconds since 1970-01-01T00:00:00Z, as given by [`crate::world::Clock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// This moment as a `Date` header field wants it (RFC 5322 §3.3), in UTC.
    pub fn rfc5322(self) -> String {
        mail_parser::DateTime::from_timestamp(self.0).to_rfc822()
    }

    /// This moment as logs and audit lines want it (RFC 3339), in UTC.
    pub fn rfc3339(self) -> String {
        mail_parser::DateTime::from_timestamp(self.0).to_rfc3339()
    }

    /// `seconds` later.
    pub fn plus(self, seconds: i64) -> UnixTime {
        UnixTime(self.0.saturating_add(seconds))
    }
}
