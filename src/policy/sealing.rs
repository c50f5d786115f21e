//! Turns what encryption would break or show into what becomes of it: invitations, reports, and Subjects.

use super::policy::Action;
use super::policy_file::{Complaints, Table};
use super::{Bilingual, Disposition, words};
use crate::facts::Fact;
use std::collections::BTreeMap;

/// What becomes of a copy that a policy wants encrypted and for whose recipient there is no key. Never clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfNoKey {
    Quarantine,
    Block,
    /// Under the password that is agreed with the recipient; held where there is none.
    Container,
}

/// Whether a sealed copy shows its Subject outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HideSubject {
    Always,
    /// Where a rule found something in it, or it bears a marking.
    WhenSensitive,
    Never,
}

/// What becomes of a message that sealing would break, where a policy demands that it be sealed. Never clear: where encryption is
/// only wished for, it leaves as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fragile {
    /// It is sealed all the same.
    Encrypt,
    Quarantine,
    Block,
}

/// The facts that say so, with what is done when the officer says nothing. Calendars and mail servers act on these messages by
/// themselves, and none of them can open a seal; an absence note is read by people.
pub(super) const FRAGILE: [(Fact, Fragile); 4] = [
    (Fact::Calendar, Fragile::Quarantine),
    (Fact::DeliveryReport, Fragile::Quarantine),
    (Fact::AutoReply, Fragile::Encrypt),
    (Fact::Tnef, Fragile::Encrypt),
];

/// The table of the policy file, and the words in it.
pub(super) const TABLE: &str = "breaks_when_sealed";
const KEYS: &[&str] = &["calendar", "delivery_report", "auto_reply", "tnef"];

/// `[breaks_when_sealed]`: `calendar = "block"`.
pub(super) fn read(top: &Table, complaints: &mut Complaints) -> BTreeMap<Fact, Fragile> {
    let mut all: BTreeMap<Fact, Fragile> = FRAGILE.into();
    let Some(table) = top.table(TABLE, KEYS, complaints) else { return all };
    for ((fact, _), key) in FRAGILE.into_iter().zip(KEYS) {
        let Some(text) = table.text(key, complaints) else { continue };
        let what = match text.value {
            "encrypt" => Fragile::Encrypt,
            "quarantine" => Fragile::Quarantine,
            "block" => Fragile::Block,
            other => {
                complaints.say(
                    text.at,
                    format!("{key} is \"quarantine\", \"block\" or \"encrypt\" (sealed all the same), not \"{other}\"; it is never clear"),
                );
                continue;
            }
        };
        all.insert(fact, what);
    }
    all
}

/// `hide_subject = "always"`.
pub(super) fn hide_subject(table: &Table, then: &Action, complaints: &mut Complaints) -> HideSubject {
    let Some(text) = table.text("hide_subject", complaints) else { return HideSubject::Always };
    if !then.requires.encrypt && !then.requires.encrypt_if_possible {
        complaints.say(text.at, "hide_subject has a meaning only with then = \"encrypt\" or \"encrypt_if_possible\"");
    }
    match text.value {
        "always" => HideSubject::Always,
        "when_sensitive" => HideSubject::WhenSensitive,
        "never" => HideSubject::Never,
        other => {
            complaints.say(text.at, format!("hide_subject is \"always\", \"when_sensitive\" or \"never\", not \"{other}\""));
            HideSubject::Always
        }
    }
}

impl HideSubject {
    pub fn hides(self, sensitive: bool) -> bool {
        match self {
            HideSubject::Always => true,
            HideSubject::WhenSensitive => sensitive,
            HideSubject::Never => false,
        }
    }
}

impl Fragile {
    pub fn disposition(self) -> Disposition {
        match self {
            Fragile::Encrypt => Disposition::Allow,
            Fragile::Quarantine => Disposition::Quarantine,
            Fragile::Block => Disposition::Block,
        }
    }
}

/// `invitation à chiffrer`: said of what is held or refused for it.
pub(super) fn because(fact: Fact) -> Bilingual {
    let what = words::fact(fact);
    words::both(&format!("{} à chiffrer", what.fr), &format!("{} to be encrypted", what.en))
}
