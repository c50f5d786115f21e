//! Turns submissions into counts: how much a sender may still send, and which values it has tried to send outside.
//!
//! What is asked here before the walk is a courtesy and a snapshot; the store asks again inside the commit ([`Counters`]).

#[cfg(test)]
mod tests;

use crate::facts::{Past, PastKey, PastTry, Remembers};
use crate::mail::{AccountKind, Address, Identity, Submission, UnixTime};
use crate::store::{Bound, Charge, Counters, Digest, MOST_TRIED, Store, StoreError, Tried};
use std::sync::Arc;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// `[quotas]` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What becomes of a message beyond a bound.
    pub over: Over,
    pub person: Person,
    pub service: Service,
    pub relay: Relay,
    /// Bounds of single accounts, in the place of those of their kind, and of groups, beside them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<Own>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// 450 4.7.1: the client tries again later.
    #[default]
    Defer,
    /// Held for a person.
    Hold,
}

/// The six bounds of one kind of sender, each with its own defaults; 0 is no bound.
macro_rules! bounds {
    ($(#[$doc:meta])* $name:ident, $mh:expr, $rh:expr, $oh:expr, $md:expr, $rd:expr, $od:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            pub messages_per_hour: u64,
            pub recipients_per_hour: u64,
            pub octets_per_hour: u64,
            pub messages_per_day: u64,
            pub recipients_per_day: u64,
            pub octets_per_day: u64,
        }

        impl Default for $name {
            fn default() -> $name {
                $name {
                    messages_per_hour: $mh,
                    recipients_per_hour: $rh,
                    octets_per_hour: $oh,
                    messages_per_day: $md,
                    recipients_per_day: $rd,
                    octets_per_day: $od,
                }
            }
        }

        impl $name {
            fn bounds(&self) -> Vec<Bound> {
                bounds(
                    (self.messages_per_hour, self.recipients_per_hour, self.octets_per_hour),
                    (self.messages_per_day, self.recipients_per_day, self.octets_per_day),
                )
            }
        }
    };
}

bounds!(
    /// Accounts of persons.
    Person, 10_000, 50_000, 20_000_000_000, 50_000, 200_000, 100_000_000_000
);
bounds!(
    /// Shared mailboxes, applications, scanners: nobody notices when one is abused.
    Service, 1_000, 5_000, 2_000_000_000, 5_000, 20_000, 10_000_000_000
);
bounds!(
    /// Each sender of a trusted server, which has its own quotas.
    Relay, 0, 0, 0, 0, 0, 0
);

/// One account or group with bounds of its own; what is left out has no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Own {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    pub messages_per_hour: u64,
    pub recipients_per_hour: u64,
    pub octets_per_hour: u64,
    pub messages_per_day: u64,
    pub recipients_per_day: u64,
    pub octets_per_day: u64,
}

impl Own {
    fn bounds(&self) -> Vec<Bound> {
        bounds(
            (self.messages_per_hour, self.recipients_per_hour, self.octets_per_hour),
            (self.messages_per_day, self.recipients_per_day, self.octets_per_day),
        )
    }
}

impl Settings {
    /// What is wrong with these settings, in words that say what to write instead.
    pub fn check(&self) -> Result<(), &'static str> {
        let named = |own: &Own| own.account.is_some() != own.group.is_some();
        if !self.own.iter().all(named) {
            return Err("[[quotas.own]] needs either account = \"scan@example.org\" or group = \"direction\"");
        }
        Ok(())
    }
}

fn bounds(hour: (u64, u64, u64), day: (u64, u64, u64)) -> Vec<Bound> {
    let bound = |window, (messages, recipients, octets)| Bound { window, messages, recipients, octets };
    let all = [bound(HOUR, hour), bound(DAY, day)];
    all.into_iter().filter(|bound| bound.messages + bound.recipients + bound.octets > 0).collect()
}

/// The counts of a store. Cheap to clone.
#[derive(Clone)]
pub struct Quotas {
    store: Store,
    settings: Arc<Settings>,
    key: PastKey,
}

/// What is known of one sender's counts before the walk.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// What the acceptance is to be counted for; the values are added after the walk.
    pub counters: Counters,
    pub over: bool,
    pub past: Past,
}

impl Quotas {
    /// `key` is that of [`crate::vault::counting_key`].
    pub fn new(store: Store, settings: Settings, key: &[u8; 32]) -> Quotas {
        Quotas { store, settings: Arc::new(settings), key: PastKey::new(key) }
    }

    /// Beyond a bound a message is held instead of deferred.
    pub fn holds(&self) -> bool {
        self.settings.over == Over::Hold
    }

    /// Whether nothing more would be taken of this sender now: for an early answer.
    pub async fn is_full(&self, identity: &Identity, mail_from: Option<&Address>, at: UnixTime) -> Result<bool, StoreError> {
        if self.holds() {
            return Ok(false);
        }
        self.store.is_over(at, self.charges(identity, mail_from), 1, 1).await
    }

    /// The counts that this submission meets. `remembers`: what policies count over several messages.
    pub async fn standing(&self, submission: &Submission, remembers: Arc<Remembers>) -> Result<Standing, StoreError> {
        let at = submission.received_at;
        let charges = self.charges(&submission.identity, submission.mail_from.as_ref());
        let (recipients, octets) = (submission.recipients.len() as u64, submission.raw.len() as u64);
        let over = self.store.is_over(at, charges.clone(), recipients, octets).await?;
        let mut counters =
            Counters { charges, recipients, octets, beyond: over, keep: remembers.longest(), ..Counters::default() };
        let mut past = Past { remembers, key: Some(self.key.clone()), ..Past::default() };
        // The gate's own mail, and bounces, are nobody's.
        let sender = submission.sender().filter(|_| !matches!(submission.identity, Identity::Gate));
        if let Some(sender) = sender.filter(|_| counters.keep > 0) {
            let digest = self.digest("sender", &sender.key());
            let tried = self.store.tried(digest, at.plus(-counters.keep)).await?;
            counters.sender = Some(digest);
            counters.seen = tried.newest;
            past.at_bound = tried.values.len() >= MOST_TRIED;
            past.tries = tried.values.into_iter().map(past_try).collect();
        }
        Ok(Standing { counters, over, past })
    }

    /// An account counts as itself and for each of its groups that has bounds; a relay's sender as itself.
    fn charges(&self, identity: &Identity, mail_from: Option<&Address>) -> Vec<Charge> {
        let own = |who: &Address| self.settings.own.iter().find(|own| own.account.as_ref() == Some(who)).map(Own::bounds);
        let (who, usual) = match identity {
            Identity::Account { login, attributes, .. } => {
                let usual = match attributes.kind {
                    AccountKind::Person => self.settings.person.bounds(),
                    AccountKind::Service => self.settings.service.bounds(),
                };
                (Some(login), usual)
            }
            Identity::Relay { .. } => (mail_from, self.settings.relay.bounds()),
            Identity::Gate => (None, Vec::new()),
        };
        let Some(who) = who else { return Vec::new() };
        let mut charges = vec![Charge { subject: self.digest("account", &who.key()), bounds: own(who).unwrap_or(usual) }];
        if let Identity::Account { attributes, .. } = identity {
            for bounded in &self.settings.own {
                let Some(group) = bounded.group.as_ref().map(|group| group.to_lowercase()) else { continue };
                if attributes.groups.contains(&group) {
                    charges.push(Charge { subject: self.digest("group", &group), bounds: bounded.bounds() });
                }
            }
        }
        charges.retain(|charge| !charge.bounds.is_empty());
        charges
    }

    fn digest(&self, kind: &str, name: &str) -> Digest {
        self.key.digest(kind, name.as_bytes())
    }
}

impl Standing {
    /// What is to be counted of a message whose values are these.
    pub fn counted(self, values: Vec<PastTry>) -> Counters {
        let tried = values.into_iter().map(|one| Tried {
            rule: one.rule,
            value: one.value,
            category: one.category,
            confidence: one.confidence,
            at: one.at,
        });
        Counters { tried: tried.collect(), ..self.counters }
    }
}

fn past_try(one: Tried) -> PastTry {
    PastTry { rule: one.rule, value: one.value, category: one.category, confidence: one.confidence, at: one.at }
}
