//! Turns what somebody calls a recipient's key into one that may be used today, or a sentence that says why not.
//!
//! | file | judges |
//! |---|---|
//! | [`certificate`] | an X.509 certificate by itself: form, dates, usage, key, addresses |
//! | [`path`] | the way from it to an anchor of ours (RFC 5280 §6) |
//! | [`names`] | the names that authorities on the way allow (RFC 5280 §4.2.1.10) |
//! | [`revocation`] | whether one on the way was revoked, by [`crl`] and [`ocsp`] |
//! | [`openpgp`] | an OpenPGP certificate |
//! | [`claims`] | two keys that claim one address |

mod asn1;
pub mod certificate;
pub mod claims;
pub mod crl;
pub mod names;
pub mod ocsp;
pub mod openpgp;
pub mod path;
pub mod revocation;
pub mod settings;

use super::openpgp as pgp;
use super::{WhyNot, smime};
use crate::mail::{Address, UnixTime};
pub use certificate::describe_certificate;
pub use claims::{Binding, Bindings};
pub use openpgp::{describe_openpgp, steady_until};
pub use path::Authority;
pub use revocation::{Ask, Asks, Revocations, asks, asks_again};
use sequoia_openpgp::Cert;
pub use settings::{CheckRevocation, NeedsPath, Settings};
use std::sync::Arc;

/// Whom we believe about S/MIME certificates, and what is known of revoked ones: a finished value for the stage. The default believes
/// a certificate as it is: putting it into `keys/recipients/` was the operator's act, and most correspondents' authorities are on
/// no list of ours.
#[derive(Clone, Default)]
pub struct Trust {
    anchors: Vec<Arc<Authority>>,
    intermediates: Vec<Arc<Authority>>,
    /// A certificate without a path to an anchor is refused.
    pub needs_path: bool,
    pub check_revocation: CheckRevocation,
    pub revocations: Arc<Revocations>,
}

/// Why a certificate may not be used now, and whether that may change by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotUsable {
    /// By what it is, or by a date, or because it was revoked.
    Refused(String),
    /// Nobody could say whether it was revoked, and the operator wants to know for sure: asked again later, it may be usable.
    Unknown(String),
}

impl NotUsable {
    pub fn reason(&self) -> &str {
        match self {
            NotUsable::Refused(reason) | NotUsable::Unknown(reason) => reason,
        }
    }

    fn at_source(self, source: &str) -> WhyNot {
        let (NotUsable::Refused(reason) | NotUsable::Unknown(reason)) = self;
        WhyNot { source: source.to_owned(), reason }
    }
}

impl From<String> for NotUsable {
    fn from(reason: String) -> NotUsable {
        NotUsable::Refused(reason)
    }
}

impl Trust {
    /// Anchors and intermediates in DER. What cannot be read as a certificate is left out: `postern check` tells of it when it reads
    /// the files. As soon as there is an anchor, every certificate needs a path: set [`Trust::needs_path`] to say otherwise.
    pub fn new<D: AsRef<[u8]>>(anchors: &[D], intermediates: &[D]) -> Trust {
        let mut trust = Trust { needs_path: !anchors.is_empty(), ..Trust::default() };
        trust.anchors.extend(anchors.iter().filter_map(|der| Authority::read(der.as_ref())).map(Arc::new));
        for der in intermediates {
            trust.add_intermediate(der.as_ref());
        }
        trust
    }

    /// Takes an authority's certificate that may help to build paths; it is believed only below an anchor. At most
    /// [`path::MOST_INTERMEDIATES`] are kept, one of each.
    pub fn add_intermediate(&mut self, der: &[u8]) {
        let known = |authority: &Arc<Authority>| authority.der() == der;
        if self.intermediates.len() < path::MOST_INTERMEDIATES && !self.intermediates.iter().any(known) {
            self.intermediates.extend(Authority::read(der).map(Arc::new));
        }
    }

    pub fn has_anchors(&self) -> bool {
        !self.anchors.is_empty()
    }

    /// The same with what is known of revoked certificates now.
    pub fn with_revocations(&self, revocations: Arc<Revocations>) -> Trust {
        Trust { revocations, ..self.clone() }
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trust({} anchors, {} intermediates)", self.anchors.len(), self.intermediates.len())
    }
}

/// Judges one X.509 certificate (DER) as a recipient's, at a time: form, signature algorithm, dates, usage, key, addresses, path,
/// revocation, and a trial sealing (RFC 8550, RFC 8551 §4). `source` is where it was found, for the sentence.
pub fn judge_certificate(
    source: &str,
    certificate: &[u8],
    at: UnixTime,
    trust: &Trust,
) -> Result<smime::RecipientCertificate, WhyNot> {
    judge_closely(certificate, at, trust).map_err(|why| why.at_source(source))
}

/// The same, and whether asking again later may help.
pub fn judge_closely(certificate: &[u8], at: UnixTime, trust: &Trust) -> Result<smime::RecipientCertificate, NotUsable> {
    certificate::judge(certificate, at, trust)
}

/// Judges the dates again: what was usable when it was loaded may have expired since.
pub fn judge_again(source: &str, certificate: &smime::RecipientCertificate, at: UnixTime) -> Result<(), WhyNot> {
    let judged = certificate::dates(certificate.not_before, certificate.not_after, at);
    judged.map_err(|reason| WhyNot { source: source.to_owned(), reason })
}

/// Judges dates and revocation again, along the path that was found when it was loaded: cheap enough for every message.
pub fn judge_closely_again(certificate: &smime::RecipientCertificate, at: UnixTime, trust: &Trust) -> Result<(), NotUsable> {
    certificate::dates(certificate.not_before, certificate.not_after, at)?;
    match &certificate.path {
        Some(path) => {
            path.still_valid(at)?;
            path.check_revocation(at, trust)
        }
        None if trust.needs_path => Err(path::no_path().into()),
        None => Ok(()),
    }
}

/// Judges one OpenPGP certificate as a recipient's, at a time: valid by today's rules, not expired, not revoked, an address in a user
/// id, a usable encryption key, and a trial sealing.
pub fn judge_openpgp(source: &str, cert: &Cert, at: UnixTime) -> Result<pgp::RecipientCertificate, WhyNot> {
    openpgp::judge(cert, at).map_err(|reason| WhyNot { source: source.to_owned(), reason })
}

/// What a key says of itself, usable or not: for reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    pub addresses: Vec<Address>,
    /// Hexadecimal; empty when it cannot be read.
    pub fingerprint: String,
    pub expires: Option<UnixTime>,
    /// A certification authority's: no recipient's, but of use for building paths.
    pub authority: bool,
}

/// Octets that are sealed to a key on import, to see that they can be.
/// In the sentence about a revoked certificate, its own or an authority's above it.
const WAS_REVOKED: &str = " was revoked on ";
/// The sentence about a revoked OpenPGP key; its owner alone can sign that.
const OWNER_REVOKED: &str = "its owner revoked it";

/// Whether a key is refused because it was taken back, which nobody but its owner or its authority can bring about: not what whoever serves
/// it can do by leaving something out.
pub fn says_revoked(reason: &str) -> bool {
    reason == OWNER_REVOKED || reason.contains(WAS_REVOKED)
}

pub(in crate::protect) const PROBE: &[u8] =
    b"Content-Type: text/plain\r\n\r\npostern seals this to see that the key can be used.\r\n";

/// Addresses in one key: a person has some, a hostile key has ten thousand.
const MOST_ADDRESSES: usize = 500;

/// A name with white space or a control character is no mistake but an attempt ("alice@example.org\0.attacker.example", two readers,
/// two addresses): the whole key is refused. Other unreadable names are passed over.
fn addresses_in(texts: &[String]) -> Result<Vec<Address>, String> {
    if texts.len() > MOST_ADDRESSES {
        return Err(format!("it bears {} addresses; {MOST_ADDRESSES} are the most", texts.len()));
    }
    let mut addresses: Vec<Address> = Vec::new();
    for text in texts {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("one of its addresses holds white space or a control character".to_owned());
        }
        if let Ok(address) = Address::parse(text)
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("it bears no mail address".to_owned()) } else { Ok(addresses) }
}

fn day(at: UnixTime) -> String {
    at.rfc3339().chars().take(10).collect()
}

#[cfg(test)]
mod tests;
