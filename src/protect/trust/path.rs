//! Turns a certificate and the authorities we know into the path from it to an anchor (RFC 5280 §6), or a sentence that says why there is none.

use super::asn1::Signed;
use super::certificate::{
    ANY_EXTENDED_KEY_USAGE, EMAIL_PROTECTION, LARGEST, dates, rsa_bits, signature_algorithm, unknown_critical,
};
use super::names::{self, Names};
use super::revocation::{Status, Subject};
use super::{CheckRevocation, NotUsable, Trust, day};
use crate::mail::UnixTime;
use crate::protect::cms;
use crate::protect::smime::validity;
use aws_lc_rs::digest;
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use spki::SubjectPublicKeyInfoOwned;
use std::sync::Arc;
use x509_cert::Certificate;
use x509_cert::ext::pkix::constraints::name::NameConstraints;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, PolicyConstraints, SubjectKeyIdentifier,
};

/// Authorities on one path, the anchor included.
const MOST_AUTHORITIES: usize = 8;
/// Signatures that are verified for one certificate, and authorities that are looked at: where many bear one name, each would be tried
/// under each.
const MOST_SIGNATURES: usize = 64;
const MOST_STEPS: usize = 2_000;
/// Authorities that are kept for building paths.
pub const MOST_INTERMEDIATES: usize = 10_000;

/// A certification authority's certificate, read once.
pub struct Authority {
    der: Vec<u8>,
    signed: Signed,
    /// DER of its name and of its issuer's.
    subject: Vec<u8>,
    issuer: Vec<u8>,
    key: SubjectPublicKeyInfoOwned,
    key_id: Option<Vec<u8>>,
    issuer_key_id: Option<Vec<u8>>,
    not_before: UnixTime,
    not_after: UnixTime,
    path_length: Option<u8>,
    constraints: Option<NameConstraints>,
    names: Names,
    /// May it sign lists of revoked certificates?
    signs_lists: bool,
    as_subject: Subject,
    /// What forbids it to give out certificates for mail, whatever the time.
    fault: Option<String>,
    /// What makes its own signature worthless: of no matter for an anchor.
    weak: Option<String>,
}

/// The authorities above a certificate, its issuer first, an anchor last; none when it is an anchor itself.
#[derive(Clone)]
pub struct Path {
    leaf: Subject,
    issuers: Vec<Arc<Authority>>,
}

pub fn no_path() -> String {
    "no path leads from it to a configured authority".to_owned()
}

/// The first path that holds at this time; signatures, dates, constraints and usages are right on it, revocation is not looked at.
pub fn find(octets: &[u8], certificate: &Certificate, at: UnixTime, trust: &Trust) -> Result<Path, String> {
    if trust.anchors.is_empty() {
        return Err(no_path());
    }
    let leaf = Subject::of(certificate, false);
    if trust.anchors.iter().any(|anchor| anchor.der == octets) {
        return Ok(Path { leaf, issuers: Vec::new() });
    }
    let tbs = certificate.tbs_certificate();
    let signed = Signed::read(octets).ok_or_else(no_path)?;
    let mut search = Search { trust, at, names: Names::of(certificate)?, signatures: 0, steps: 0, why: None };
    let mut above = Vec::new();
    let issuer_key_id = key_id_of_issuer(certificate);
    let below = Below {
        signed: &signed,
        issuer: &tbs.issuer().to_der().map_err(|_| no_path())?,
        issuer_key_id: issuer_key_id.as_deref(),
    };
    if search.climb(&below, &mut above) {
        return Ok(Path { leaf, issuers: above });
    }
    Err(search.why.map_or_else(no_path, |(_, why)| why))
}

struct Search<'t> {
    trust: &'t Trust,
    at: UnixTime,
    names: Names,
    signatures: usize,
    steps: usize,
    /// Of the highest authority that was reached, and why it went no further.
    why: Option<(usize, String)>,
}

/// What is to be found an issuer of.
struct Below<'c> {
    signed: &'c Signed,
    issuer: &'c [u8],
    issuer_key_id: Option<&'c [u8]>,
}

impl Search<'_> {
    fn climb(&mut self, below: &Below<'_>, above: &mut Vec<Arc<Authority>>) -> bool {
        let trust = self.trust;
        let anchors = trust.anchors.iter().map(|authority| (authority, true));
        let intermediates = trust.intermediates.iter().map(|authority| (authority, false));
        let mut candidates: Vec<_> =
            anchors.chain(intermediates).filter(|(authority, _)| authority.subject == below.issuer).collect();
        // RFC 4158 §3.5: the right key first, for the budget is small. The sort is stable: anchors stay ahead.
        candidates.sort_by_key(|(authority, _)| match (below.issuer_key_id, &authority.key_id) {
            (Some(wanted), Some(id)) => u8::from(wanted != id.as_slice()),
            _ => 1,
        });
        for (authority, is_anchor) in candidates {
            self.steps += 1;
            if self.steps > MOST_STEPS || self.signatures >= MOST_SIGNATURES {
                self.why = Some((usize::MAX, "too many authorities of one name would have to be tried for it".to_owned()));
                return false;
            }
            // RFC 4158 §5.2: the same key under the same name again is a loop.
            if above.iter().any(|earlier| earlier.subject == authority.subject && earlier.key == authority.key) {
                continue;
            }
            if let Err(why) = self.may_stand_above(authority, is_anchor, above) {
                self.failed(above.len(), why);
                continue;
            }
            self.signatures += 1;
            if !below.signed.is_by(&authority.key) {
                self.failed(above.len(), format!("{} did not sign it: the signature is wrong", authority.name()));
                continue;
            }
            above.push(authority.clone());
            if is_anchor {
                match self.check_names(above) {
                    Ok(()) => return true,
                    Err(why) => self.failed(above.len(), why),
                }
            } else if above.len() < MOST_AUTHORITIES {
                let next = Below {
                    signed: &authority.signed,
                    issuer: &authority.issuer,
                    issuer_key_id: authority.issuer_key_id.as_deref(),
                };
                if self.climb(&next, above) {
                    return true;
                }
            }
            above.pop();
        }
        false
    }

    fn may_stand_above(&self, authority: &Authority, is_anchor: bool, below: &[Arc<Authority>]) -> Result<(), String> {
        if let Some(fault) = &authority.fault {
            return Err(format!("{}, above it, cannot be used: {fault}", authority.name()));
        }
        if let Some(weak) = authority.weak.as_ref().filter(|_| !is_anchor) {
            return Err(format!("{}, above it, cannot be used: {weak}", authority.name()));
        }
        authority.still_valid(self.at)?;
        // RFC 5280 §4.2.1.9: self-issued ones do not count.
        let between = below.iter().filter(|earlier| earlier.subject != earlier.issuer).count();
        match authority.path_length {
            Some(most) if between > usize::from(most) => {
                Err(format!("{}, above it, may have no further authorities below it", authority.name()))
            }
            _ => Ok(()),
        }
    }

    fn check_names(&self, above: &[Arc<Authority>]) -> Result<(), String> {
        let mut spent = 0;
        for (nth, authority) in above.iter().enumerate() {
            let Some(constraints) = &authority.constraints else { continue };
            names::check(constraints, &self.names, &mut spent)?;
            for lower in above[..nth].iter().filter(|lower| lower.subject != lower.issuer) {
                names::check(constraints, &lower.names, &mut spent)?;
            }
        }
        Ok(())
    }

    fn failed(&mut self, height: usize, why: String) {
        if self.why.as_ref().is_none_or(|(highest, _)| *highest < height) {
            self.why = Some((height, why));
        }
    }
}

impl Path {
    /// Dates of the authorities; the leaf's own are the caller's.
    pub fn still_valid(&self, at: UnixTime) -> Result<(), String> {
        self.issuers.iter().try_for_each(|authority| authority.still_valid(at))
    }

    /// The certificate and every authority below the anchor, by what is known now.
    pub fn check_revocation(&self, at: UnixTime, trust: &Trust) -> Result<(), NotUsable> {
        if trust.check_revocation == CheckRevocation::Off {
            return Ok(());
        }
        for (nth, (subject, issuer)) in self.pairs().enumerate() {
            // The leaf is "it", an authority is named.
            let who = match nth {
                0 => "it".to_owned(),
                nth => format!("{}, above it,", self.issuers[nth - 1].name()),
            };
            match trust.revocations.status(subject, issuer, at) {
                Status::Good => {}
                Status::Revoked(at, reason) => {
                    return Err(NotUsable::Refused(format!("{who}{}{} ({reason})", super::WAS_REVOKED, day(at))));
                }
                Status::Unknown(why) if trust.check_revocation == CheckRevocation::Hard => {
                    return Err(NotUsable::Unknown(format!("nobody could say whether {who} was revoked: {why}")));
                }
                Status::Unknown(_) => {}
            }
        }
        Ok(())
    }

    /// Each certificate that can be revoked, with the authority that would.
    pub fn pairs(&self) -> impl Iterator<Item = (&Subject, &Arc<Authority>)> {
        let subjects = std::iter::once(&self.leaf).chain(self.issuers.iter().map(|authority| &authority.as_subject));
        subjects.zip(&self.issuers)
    }
}

impl Authority {
    /// `None` when the octets are no certificate; one that may not be used is read all the same, with the reason.
    pub fn read(der: &[u8]) -> Option<Authority> {
        if der.len() > LARGEST {
            return None;
        }
        let certificate = Certificate::from_der(der).ok()?;
        let tbs = certificate.tbs_certificate();
        let basic = tbs.get_extension::<BasicConstraints>().ok().flatten().map(|(_, basic)| basic);
        let usage = tbs.get_extension::<KeyUsage>().ok().flatten().map(|(_, usage)| usage);
        let key_id = tbs.get_extension::<SubjectKeyIdentifier>().ok().flatten().map(|(_, id)| id.0.as_bytes().to_vec());
        let (not_before, not_after) = validity(&certificate);
        Some(Authority {
            der: der.to_vec(),
            signed: Signed::read(der)?,
            subject: tbs.subject().to_der().ok()?,
            issuer: tbs.issuer().to_der().ok()?,
            key: tbs.subject_public_key_info().clone(),
            key_id,
            issuer_key_id: key_id_of_issuer(&certificate),
            not_before,
            not_after,
            path_length: basic.and_then(|basic| basic.path_len_constraint),
            constraints: tbs.get_extension::<NameConstraints>().ok().flatten().map(|(_, constraints)| constraints),
            names: Names::of(&certificate).ok()?,
            signs_lists: usage.is_none_or(|usage| usage.crl_sign()),
            as_subject: Subject::of(&certificate, true),
            fault: fault(&certificate).err(),
            weak: signature_algorithm(&certificate).err(),
        })
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// DER of its name.
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    pub fn key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.key
    }

    pub fn key_id(&self) -> Option<&[u8]> {
        self.key_id.as_deref()
    }

    pub fn signs_lists(&self) -> bool {
        self.signs_lists
    }

    /// What `postern check` says of it at a time; `None`: nothing forbids it to give out certificates for mail.
    pub fn problem(&self, at: UnixTime) -> Option<String> {
        self.fault.clone().or_else(|| dates(self.not_before, self.not_after, at).err())
    }

    /// The most telling part of its name, for a sentence.
    pub fn name(&self) -> String {
        const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
        let name = x509_cert::name::Name::from_der(&self.subject).unwrap_or_default();
        let last = name.iter().filter(|each| each.oid == COMMON_NAME).last().or_else(|| name.iter().last());
        let text = last.map(|each| String::from_utf8_lossy(each.value.value()).into_owned()).unwrap_or_default();
        let text: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
        format!("the authority \"{text}\"")
    }

    fn still_valid(&self, at: UnixTime) -> Result<(), String> {
        dates(self.not_before, self.not_after, at).map_err(|why| format!("{}, above it, cannot be used: {why}", self.name()))
    }

    /// SHA-1 of name and key: how OCSP names an issuer (RFC 6960 §4.1.1). An identifier, not a proof.
    pub fn hashes(&self, algorithm: &'static digest::Algorithm) -> (Vec<u8>, Vec<u8>) {
        let hash = |octets: &[u8]| digest::digest(algorithm, octets).as_ref().to_vec();
        (hash(&self.subject), hash(self.key.subject_public_key.raw_bytes()))
    }
}

fn key_id_of_issuer(certificate: &Certificate) -> Option<Vec<u8>> {
    let found = certificate.tbs_certificate().get_extension::<AuthorityKeyIdentifier>().ok().flatten();
    Some(found?.1.key_identifier?.as_bytes().to_vec())
}

/// RFC 5280 §6.1.4, §4.2.1: what an authority on a path for mail must be.
fn fault(certificate: &Certificate) -> Result<(), String> {
    // Those of a leaf, and name constraints, policy mappings, policy constraints, inhibitAnyPolicy.
    const KNOWN: [&str; 11] = [
        "2.5.29.17",
        "2.5.29.19",
        "2.5.29.15",
        "2.5.29.37",
        "2.5.29.32",
        "2.5.29.35",
        "2.5.29.14",
        "2.5.29.30",
        "2.5.29.33",
        "2.5.29.36",
        "2.5.29.54",
    ];
    let tbs = certificate.tbs_certificate();
    if let Some(id) = unknown_critical(certificate, &KNOWN)? {
        return Err(format!("it has a critical extension that is not known here ({id})"));
    }
    let unreadable = |what: &str| format!("its {what} cannot be read");
    let basic = tbs.get_extension::<BasicConstraints>().map_err(|_| unreadable("basic constraints"))?;
    if !basic.is_some_and(|(_, basic)| basic.ca) {
        return Err("it is no certification authority (basic constraints lack CA)".to_owned());
    }
    let usage = tbs.get_extension::<KeyUsage>().map_err(|_| unreadable("key usage"))?;
    if usage.is_some_and(|(_, usage)| !usage.key_cert_sign()) {
        return Err("it may not sign certificates (key usage lacks keyCertSign)".to_owned());
    }
    let extended = tbs.get_extension::<ExtendedKeyUsage>().map_err(|_| unreadable("extended key usage"))?;
    if let Some((_, extended)) = extended
        && !extended.0.contains(&EMAIL_PROTECTION)
        && !extended.0.contains(&ANY_EXTENDED_KEY_USAGE)
    {
        return Err("it may not give out certificates for mail (extended key usage lacks emailProtection)".to_owned());
    }
    tbs.get_extension::<NameConstraints>().map_err(|_| unreadable("name constraints"))?;
    // The tree of policies is not computed; who demands one is not believed.
    let policies = tbs.get_extension::<PolicyConstraints>().map_err(|_| unreadable("policy constraints"))?;
    if policies.is_some_and(|(_, policies)| policies.require_explicit_policy.is_some()) {
        return Err("it demands certificate policies (requireExplicitPolicy), which are not judged here".to_owned());
    }
    let key = tbs.subject_public_key_info();
    if key.algorithm.oid == cms::RSA_ENCRYPTION {
        match rsa_bits(key.subject_public_key.raw_bytes()) {
            Some(bits) if bits >= 2048 => {}
            Some(bits) => return Err(format!("its RSA key has {bits} bits; 2048 is the least")),
            None => return Err(unreadable("RSA key")),
        }
    }
    Ok(())
}
