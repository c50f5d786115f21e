//! Turns an outgoing copy into one that carries our DKIM signatures, last of all.
//!
//! Two signatures stand on every copy: `rsa-sha256`, which every verifier must know (RFC 8301 §3.1), and `ed25519-sha256`
//! (RFC 8463). The RSA one stands on top: a verifier that looks at the first signature only, or stops at an algorithm it does not
//! know, finds the one it can judge. Both are relaxed/relaxed and never carry `l=`, which would let anyone append to the body
//! (RFC 6376 §8.2).

pub mod canonical;
pub mod dns_record;
pub mod published;
pub mod settings;
pub mod sign;
pub mod tags;

pub use dns_record::Record;
pub use settings::Settings;
pub use sign::{Keys, Signer, generate, sign};

use crate::mail::{Domain, Outgoing, UnixTime};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Why a copy leaves without signature, which is to say: does not leave. The sender gets 451 4.7.0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotSign {
    #[error("the DKIM key {selector}._domainkey.{domain} is no {wanted}")]
    Key { domain: Domain, selector: String, wanted: &'static str },
    #[error("\"{0}\" is no DKIM selector: write letters, digits and hyphens, such as s2026a")]
    Selector(String),
    #[error("the message has no From field with one readable address")]
    NoFrom,
    #[error("the From domain {0} is none of ours: add it to [gate] inside and give it DKIM keys")]
    NotOurs(Domain),
    #[error("the message's header cannot take another field")]
    Header,
    #[error("the cryptographic library refused to sign")]
    Arithmetic,
}

/// The signers of all our domains. A From in a subdomain is signed by its nearest configured parent (RFC 6376 §3.5 `d=`,
/// which is aligned for DMARC in its relaxed mode). They can be exchanged while the gate runs: whatever is signed is signed by one whole
/// set.
#[derive(Debug, Default)]
pub struct Signers(RwLock<Arc<BTreeMap<Domain, Arc<Signer>>>>);

impl Signers {
    pub fn new(signers: impl IntoIterator<Item = Signer>) -> Signers {
        let made = Signers::default();
        made.replace(signers);
        made
    }

    /// From now on these sign, and no others.
    pub fn replace(&self, signers: impl IntoIterator<Item = Signer>) {
        let all = signers.into_iter().map(|signer| (signer.domain().clone(), Arc::new(signer))).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
    }

    fn all(&self) -> Arc<BTreeMap<Domain, Arc<Signer>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The longest configured domain that is `domain` or above it.
    pub fn of(&self, domain: &Domain) -> Option<Arc<Signer>> {
        nearest(&self.all(), domain).cloned()
    }

    /// Signs for the domain of the From field. Every mailbox of a From with several must be ours, the first one's domain signs.
    pub fn sign(&self, outgoing: Outgoing, at: UnixTime) -> Result<Outgoing, CannotSign> {
        let all = self.all();
        let domains = canonical::from_domains(outgoing.raw.header()).ok_or(CannotSign::NoFrom)?;
        if let Some(stranger) = domains.iter().find(|domain| nearest(&all, domain).is_none()) {
            return Err(CannotSign::NotOurs(stranger.clone()));
        }
        let signer = domains.first().and_then(|domain| nearest(&all, domain)).ok_or(CannotSign::NoFrom)?;
        sign(outgoing, signer, at)
    }

    pub fn iter(&self) -> impl Iterator<Item = Arc<Signer>> {
        let signers: Vec<Arc<Signer>> = self.all().values().cloned().collect();
        signers.into_iter()
    }
}

fn nearest<'a>(all: &'a BTreeMap<Domain, Arc<Signer>>, domain: &Domain) -> Option<&'a Arc<Signer>> {
    let above = all.iter().filter(|(ours, _)| domain.is_within(ours));
    above.max_by_key(|(ours, _)| ours.as_str().len()).map(|(_, signer)| signer)
}
