//! What the walk stands on: memory, keys and the laws in force. Built once by the house; the laws change whole or not at all.

use super::agreed::Agreed;
use super::groups::AskGroups;
use crate::detect::RuleSet;
use crate::dkim;
use crate::extract::{self, Reader};
use crate::facts::Known;
use crate::mail::{Address, Domain, Language, Submission, UnixTime};
use crate::mime::{self, KeyName};
use crate::notices::{self, Texts, TextsInForce};
use crate::policy::Policy;
use crate::protect::{self, FindKeys, Keys, LookUp};
use crate::quarantine::Quarantine;
use crate::quotas::{Quotas, Standing};
use crate::store::Store;
use crate::vault::{Secrets, Vault};
use crate::world::{Clock, Dice};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use tokio::sync::Semaphore;

/// Rules, policies and lists as one whole, named by one hash.
pub struct Laws {
    pub rules: RuleSet,
    pub policy: Policy,
    pub lists: Arc<BTreeMap<String, BTreeSet<String>>>,
    /// `sha256:…` over all files that decide.
    pub hash: Arc<str>,
    /// What is said to senders. They decide nothing: no part of `hash`.
    pub texts: Arc<Texts>,
}

/// What one message may cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub message: mime::Limits,
    pub reading: extract::Limits,
}

/// Who we are and how we work.
#[derive(Clone, Debug)]
pub struct House {
    pub hostname: Domain,
    pub inside: Arc<[Domain]>,
    pub language: Language,
    pub limits: Limits,
    pub sealing: protect::Settings,
    pub coaching: notices::Settings,
}

/// The rooms the walk goes through, held together.
pub struct Gate {
    pub house: House,
    pub store: Store,
    pub quarantine: Quarantine,
    pub quotas: Quotas,
    pub vault: Arc<Vault>,
    pub keys: Arc<dyn AskKeys>,
    /// Passwords agreed with recipients who have no key.
    pub secrets: Secrets,
    pub dkim: Arc<dkim::Signers>,
    pub clock: Clock,
    pub dice: Dice,
    /// Reads attachments of foreign formats.
    pub reader: Reader,
    /// Those of the laws in force, for whoever writes to senders without a message at hand.
    pub texts: TextsInForce,
    pub(super) groups: Option<Arc<dyn AskGroups>>,
    laws: RwLock<Arc<Laws>>,
    /// As many messages are taken apart at once as there are processors, but two at least.
    cpu: Arc<Semaphore>,
    /// Large ones are one fewer: a hundred of them must not keep a line of text waiting behind them all.
    large: Arc<Semaphore>,
}

/// Octets beyond which a message is a large one.
const LARGE: usize = 1 << 20;

/// Everything a gate is made of.
pub struct Rooms {
    pub house: House,
    pub laws: Laws,
    pub store: Store,
    pub quarantine: Quarantine,
    pub quotas: Quotas,
    pub vault: Arc<Vault>,
    pub keys: Arc<dyn AskKeys>,
    pub secrets: Secrets,
    pub dkim: Arc<dkim::Signers>,
    pub clock: Clock,
    pub dice: Dice,
    pub reader: Reader,
}

/// Keys that may have to be asked for: begun at RCPT, ended before the walk, which then finds finished answers only. Whoever has all
/// of them in memory needs to do nothing.
pub trait AskKeys: FindKeys {
    /// Starts looking, without waiting.
    fn begin(&self, _recipient: &Address) {}

    /// Comes back when everything that is to be known of these is known or has failed; each look-up ends with its own budget.
    fn ready<'a>(&'a self, _recipients: &'a [Address]) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }
}

/// A stage panicked: a fault of ours; the message stays with its client.
#[derive(Debug, thiserror::Error)]
#[error("a stage broke down")]
pub struct BrokeDown;

impl Gate {
    pub fn new(rooms: Rooms) -> Gate {
        let texts = TextsInForce::default();
        texts.set(rooms.laws.texts.clone());
        let at_once = std::thread::available_parallelism().map_or(2, |count| count.get()).max(2);
        Gate {
            house: rooms.house,
            store: rooms.store,
            quarantine: rooms.quarantine,
            quotas: rooms.quotas,
            vault: rooms.vault,
            keys: rooms.keys,
            secrets: rooms.secrets,
            dkim: rooms.dkim,
            clock: rooms.clock,
            dice: rooms.dice,
            reader: rooms.reader,
            texts,
            groups: None,
            laws: RwLock::new(Arc::new(rooms.laws)),
            cpu: Arc::new(Semaphore::new(at_once)),
            large: Arc::new(Semaphore::new(at_once - 1)),
        }
    }

    /// The laws in force now; a message keeps the ones it began with.
    pub fn laws(&self) -> Arc<Laws> {
        self.laws.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Puts other laws in force, whole.
    pub fn enact(&self, laws: Laws) {
        self.texts.set(laws.texts.clone());
        *self.laws.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(laws);
    }

    pub fn is_inside(&self, domain: &Domain) -> bool {
        self.house.inside.iter().any(|ours| domain.is_within(ours))
    }

    /// What is known of every recipient's keys at this moment.
    pub(super) fn find_keys(&self, recipients: &[Address], at: UnixTime) -> Keys {
        recipients.iter().map(|recipient| (recipient.clone(), self.keys.find(recipient, at))).collect()
    }

    /// The snapshot that the stages read.
    pub(super) fn known(&self, laws: &Laws, keys: &Keys, agreed: &Agreed, share: &Standing) -> Known {
        let usable = keys.iter().filter(|(_, look_up)| matches!(look_up, LookUp::Usable(_)));
        let contested = keys.iter().filter(|(_, look_up)| matches!(look_up, LookUp::Contested(_)));
        Known {
            inside: self.house.inside.clone(),
            lists: laws.lists.clone(),
            with_key: usable.map(|(recipient, _)| recipient.clone()).collect(),
            contested: contested.map(|(recipient, _)| recipient.clone()).collect(),
            with_password: agreed.passwords.keys().cloned().collect(),
            refused_alike: false,
            versions_refused: 0,
            over_quota: share.over,
            past: share.past.clone(),
            keys_of_parties: protect::names_of(keys.values()),
            groups: agreed.groups.clone(),
            named_groups: laws.policy.groups().clone(),
        }
    }

    /// Waits until everybody whose keys this message is about has been asked for: its recipients, and its sender where a client may have
    /// sealed it, whose name a client writes beside theirs.
    pub(super) async fn keys_ready(&self, submission: &Submission) {
        const SEALED: [&[u8]; 4] = [b"pkcs7-mime", b"PKCS7-MIME", b"pgp-encrypted", b"BEGIN PGP MESSAGE"];
        let raw = submission.raw.as_bytes();
        let sealed = SEALED.iter().any(|mark| memchr::memmem::find(raw, mark).is_some());
        let sender = submission.sender().filter(|_| sealed);
        let all: Vec<Address> = submission.recipients.iter().chain(sender).cloned().collect();
        self.keys.ready(&all).await;
    }

    /// A client encrypts to its own user too: with what name.
    pub(super) fn names_of_senders_keys(&self, submission: &Submission, at: UnixTime) -> BTreeSet<KeyName> {
        let found = submission.sender().map(|sender| self.keys.find(sender, at));
        protect::names_of(found.iter())
    }

    /// Runs the stages of one message of so many octets on the blocking pool, when it has its turn.
    pub(super) async fn on_cpu<T: Send + 'static>(
        self: &Arc<Self>,
        octets: usize,
        work: impl FnOnce(&Gate) -> T + Send + 'static,
    ) -> Result<T, BrokeDown> {
        let large = match octets > LARGE {
            true => Some(self.large.clone().acquire_owned().await.map_err(|_| BrokeDown)?),
            false => None,
        };
        let turn = self.cpu.clone().acquire_owned().await.map_err(|_| BrokeDown)?;
        let gate = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&gate);
            drop((turn, large));
            done
        });
        done.await.map_err(|_| BrokeDown)
    }
}
