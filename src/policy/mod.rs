//! Turns facts and findings into a decision, by the officer's policies. Pure: the same input gives the same decision.

mod answer;
mod clock;
mod decide;
mod groups;
mod parties;
#[allow(clippy::module_inception)]
mod policy;
mod policy_file;
mod policy_test;
pub mod record;
mod release;
mod sealing;
mod words;

pub use answer::{Answer, Asks, Recourse, Tag, find_tag};
pub use decide::{decide, decide_answered};
pub use parties::{NotYours, Parties, check_sender, has_domain, is_inside, is_listed};
pub use policy::{Article, Mode, Policy, PolicyError, RuleName, RuleNames, SourceText};
pub use policy_test::{CaseOutcome, run_cases};
pub use release::release;

use crate::mail::Address;
use std::sync::Arc;

/// The name of a policy: `identity-leaves-encrypted`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PolicyId(pub Arc<str>);

impl serde::Serialize for PolicyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for PolicyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<PolicyId, D::Error> {
        String::deserialize(deserializer).map(|text| PolicyId(text.into()))
    }
}

/// What becomes of a message. Ordered: the strictest wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    #[default]
    Allow,
    Defer,
    Quarantine,
    Block,
}

/// What must be done to a copy before it may leave. Requirements of several policies add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Requirements {
    /// End-to-end encryption, or the copy does not leave.
    pub encrypt: bool,
    /// With `encrypt`: to a key of the recipient's; a password-protected container is not enough. What was held before there were
    /// containers asked for that.
    #[serde(default = "yes")]
    pub to_key: bool,
    pub encrypt_if_possible: bool,
    /// Verified TLS to the upstream.
    pub tls: bool,
    /// An S/MIME or OpenPGP signature by the sender.
    pub sign: bool,
    /// Each recipient gets a copy of their own.
    pub individual_copies: bool,
    /// The tag by which the sender asked for encryption is taken out of the Subject.
    pub strip_subject_tag: bool,
    /// A sealed copy does not show its Subject outside.
    #[serde(default = "yes")]
    pub hide_subject: bool,
}

/// What was decided for the whole submission.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Decision {
    /// The strictest of all verdicts.
    pub disposition: Disposition,
    /// In the order of [`crate::mail::Submission::recipients`].
    pub verdicts: Vec<Verdict>,
    /// Policies in `mode = "watch"` that would have changed something.
    pub watched: Vec<PolicyId>,
    /// The whole rule and policy set it was decided by: `sha256:…`.
    #[serde(with = "shared_text")]
    pub ruleset: Arc<str>,
    /// What its sender answered to an earlier refusal; it counts again when a held message is released.
    #[serde(default)]
    pub answer: Answer,
}

/// What was decided for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    pub recipient: Address,
    pub disposition: Disposition,
    pub requires: Requirements,
    /// Every policy that applied, the one that decided first.
    pub reasons: Vec<Applied>,
}

/// One policy that applied to one recipient.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Applied {
    pub policy: PolicyId,
    /// What it asked for, itself or by its `if_no_key`.
    pub disposition: Disposition,
    pub requires: Requirements,
    /// What made it apply, for the sender: rule titles with counts, facts; never a value. French and English.
    pub because: Because,
    /// The policy's own words to the sender, `{recipient}` filled in.
    pub tell_sender: Option<Bilingual>,
    /// True when it holds only because no key was found.
    pub no_key: bool,
    /// There is no key, and the policy is content with the password that is agreed with the recipient.
    #[serde(default)]
    pub container: bool,
    /// How the sender may answer, where it blocks.
    #[serde(default)]
    pub recourse: Recourse,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    pub fr: String,
    pub en: String,
}

/// The short cause that stands in the first 60 characters of a reply: `NIR x12`, in both languages.
pub type Because = Bilingual;

impl Disposition {
    /// `allow`, `defer`, `quarantine` or `block`.
    pub fn word(self) -> &'static str {
        match self {
            Disposition::Allow => "allow",
            Disposition::Defer => "defer",
            Disposition::Quarantine => "quarantine",
            Disposition::Block => "block",
        }
    }
}

impl Decision {
    /// How the sender may answer a refusal: only what lifts or turns each single block helps.
    pub fn recourse(&self) -> Recourse {
        let applied = self.verdicts.iter().flat_map(|verdict| &verdict.reasons);
        let blocks: Vec<Recourse> =
            applied.filter(|applied| applied.disposition == Disposition::Block).map(|applied| applied.recourse).collect();
        let any = self.disposition == Disposition::Block && !blocks.is_empty();
        Recourse {
            confirm: any && blocks.iter().all(|block| block.confirm),
            review: any && blocks.iter().all(|block| block.review),
        }
    }
}

impl Verdict {
    /// As `explain` prints it: `allow`, `tls`, `encrypt`, `defer`, `quarantine` or `block`.
    pub fn word(&self) -> &'static str {
        match self.disposition {
            Disposition::Allow if self.requires.encrypt => "encrypt",
            Disposition::Allow if self.requires.tls => "tls",
            other => other.word(),
        }
    }

    /// The copy leaves under a password, because there is no key.
    pub fn is_in_container(&self) -> bool {
        self.disposition == Disposition::Allow
            && self.requires.encrypt
            && !self.requires.to_key
            && self.reasons.iter().any(|applied| applied.container)
    }
}

/// Nothing is asked for, and what is sealed all the same hides its Subject: it is shown only where somebody said so.
impl Default for Requirements {
    fn default() -> Requirements {
        Requirements { to_key: true, hide_subject: true, ..Requirements::NONE }
    }
}

impl Requirements {
    /// The beginning of a [`union`](Requirements::union): it adds nothing.
    pub const NONE: Requirements = Requirements {
        encrypt: false,
        to_key: false,
        encrypt_if_possible: false,
        tls: false,
        sign: false,
        individual_copies: false,
        strip_subject_tag: false,
        hide_subject: false,
    };

    /// All that either asks for.
    pub fn union(self, other: Requirements) -> Requirements {
        Requirements {
            encrypt: self.encrypt || other.encrypt,
            to_key: self.to_key || other.to_key,
            encrypt_if_possible: self.encrypt_if_possible || other.encrypt_if_possible,
            tls: self.tls || other.tls,
            sign: self.sign || other.sign,
            individual_copies: self.individual_copies || other.individual_copies,
            strip_subject_tag: self.strip_subject_tag || other.strip_subject_tag,
            hide_subject: self.hide_subject || other.hide_subject,
        }
    }
}

/// What a record from before a requirement existed asked for: the stricter.
fn yes() -> bool {
    true
}

/// `Arc<str>` as a plain text.
mod shared_text {
    use serde::Deserialize;
    use std::sync::Arc;

    pub fn serialize<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Arc::from)
    }
}

#[cfg(test)]
mod shipped;
