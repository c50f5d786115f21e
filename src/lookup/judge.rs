//! Turns what a source called a recipient's keys into keys that may be used, each with why or why not, at a bounded cost.

use super::folder::{KeyKind, KeyReport};
use super::source::{Candidate, Given, KEY_OCTETS, MOST_KEYS};
use crate::mail::{Address, UnixTime};
use crate::protect::trust::{self, Description, NotUsable, Trust};
use crate::protect::{RecipientKey, WhyNot};
use sequoia_openpgp::cert::raw::RawCertParser;
use sequoia_openpgp::packet::{Tag, UserID};
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::SerializeInto as _;
use sequoia_openpgp::types::RevocationStatus;
use sequoia_openpgp::{Cert, Fingerprint};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One key of a source, judged.
#[derive(Clone)]
pub struct Judged {
    pub report: KeyReport,
    pub key: Option<RecipientKey>,
    /// Nobody could say whether it was revoked, and the operator wants to know for sure: that is no absence.
    pub undecided: bool,
    /// It is another key than the one in use and waits for an officer.
    pub waits: bool,
    /// A certificate's own octets; empty for OpenPGP.
    pub der: Vec<u8>,
}

/// Packets of one OpenPGP certificate that are looked at, after user ids of other addresses are gone: one signature costs up to a
/// third of a millisecond to check, so 10,000 would be a way to keep a processor busy.
const MOST_PACKETS: usize = 600;
/// What is left of it then stays in memory for hours.
const KEPT_OCTETS: usize = 64 * 1024;
/// And before: only their heads are read.
const MOST_RAW_PACKETS: usize = 20_000;

/// Judges everything that a source gave. `memory` holds what was seen of the same certificates before: a revocation that was seen once
/// stays, whoever later gives an older copy.
pub fn judge(given: &Given, recipient: &Address, trust: &Trust, at: UnixTime, memory: &Memory) -> Vec<Judged> {
    let mut judged = Vec::new();
    for (number, (source, candidate)) in given.candidates.iter().enumerate() {
        if number == MOST_KEYS {
            judged.push(refused(
                source,
                KeyKind::Unknown,
                &format!("there are more than {MOST_KEYS} keys; the others are not looked at"),
            ));
            break;
        }
        match candidate {
            Candidate::Certificate(der) if der.len() > KEY_OCTETS => judged.push(too_large(source, KeyKind::Smime)),
            Candidate::Openpgp(octets) if octets.len() > KEY_OCTETS => judged.push(too_large(source, KeyKind::Openpgp)),
            Candidate::Certificate(der) => judged.push(certificate(source, der, recipient, trust, at)),
            Candidate::Openpgp(octets) => match only_for(octets, recipient) {
                Ok(certs) => judged.extend(certs.into_iter().map(|cert| openpgp(source, memory.merge(cert), recipient, at))),
                Err(reason) => judged.push(refused(source, KeyKind::Openpgp, reason)),
            },
        }
    }
    // The one that lasts longest first, like in the folder.
    judged.sort_by_key(|one| std::cmp::Reverse(one.report.expires.map_or(i64::MAX, |end| end.0)));
    judged
}

fn certificate(source: &str, der: &[u8], recipient: &Address, trust: &Trust, at: UnixTime) -> Judged {
    let description = trust::describe_certificate(der);
    let judged = trust::judge_closely(der, at, trust);
    let undecided = matches!(judged, Err(NotUsable::Unknown(_)));
    let key = judged.map(|judged| RecipientKey::Smime(Arc::new(judged)));
    let key = key.map_err(|why| WhyNot { source: source.to_owned(), reason: why.reason().to_owned() });
    Judged { undecided, der: der.to_vec(), ..finish(source, KeyKind::Smime, description, key, recipient) }
}

fn openpgp(source: &str, cert: Cert, recipient: &Address, at: UnixTime) -> Judged {
    let mut description = trust::describe_openpgp(&cert, at);
    let key = trust::judge_openpgp(source, &cert, at).map(|judged| {
        description.expires = judged.expires();
        RecipientKey::Openpgp(Arc::new(judged))
    });
    finish(source, KeyKind::Openpgp, description, key, recipient)
}

fn finish(
    source: &str,
    kind: KeyKind,
    description: Description,
    key: Result<RecipientKey, WhyNot>,
    recipient: &Address,
) -> Judged {
    let key = match key {
        Ok(key) if !key.is_for(recipient) => Err("it is not for this address".to_owned()),
        other => other.map_err(|why| why.reason),
    };
    let report = KeyReport {
        file: source.to_owned(),
        kind,
        addresses: description.addresses,
        fingerprint: description.fingerprint,
        expires: description.expires,
        usable: key.as_ref().map(drop).map_err(Clone::clone),
        not_for: Vec::new(),
    };
    Judged { report, key: key.ok(), undecided: false, waits: false, der: Vec::new() }
}

fn refused(source: &str, kind: KeyKind, reason: &str) -> Judged {
    let description = Description::default();
    let report = KeyReport {
        file: source.to_owned(),
        kind,
        addresses: description.addresses,
        fingerprint: description.fingerprint,
        expires: None,
        usable: Err(reason.to_owned()),
        not_for: Vec::new(),
    };
    Judged { report, key: None, undecided: false, waits: false, der: Vec::new() }
}

fn too_large(source: &str, kind: KeyKind) -> Judged {
    refused(source, kind, &format!("it is larger than {} KiB", KEY_OCTETS / 1024))
}

/// The certificates in these octets with no user ids but those of this address (draft-koch-openpgp-webkey-service §3.1: whoever serves a
/// key under an address must not be able to bring names of others along). What is left out is never parsed.
fn only_for(octets: &[u8], recipient: &Address) -> Result<Vec<Cert>, &'static str> {
    const NONE: &str = "it is no OpenPGP certificate";
    let parser = RawCertParser::from_bytes(octets).map_err(|_| NONE)?;
    let (mut certs, mut others) = (Vec::new(), false);
    for raw in parser.take(MOST_KEYS) {
        let Ok(raw) = raw else { continue };
        if raw.count() > MOST_RAW_PACKETS {
            return Err("it has more user ids and signatures than any key of a person");
        }
        let (mut kept, mut count, mut keep, mut named) = (Vec::new(), 0usize, true, false);
        for packet in raw.packets() {
            keep = match packet.tag() {
                Tag::Signature => keep,
                Tag::UserID => is_of(packet.body(), recipient),
                Tag::PublicKey | Tag::PublicSubkey => true,
                // Secret keys that somebody published by mistake are not taken in; pictures and the unknown are of no use.
                _ => false,
            };
            named |= keep && packet.tag() == Tag::UserID;
            if keep {
                count += 1;
                kept.extend_from_slice(packet.as_bytes());
            }
        }
        if count > MOST_PACKETS || kept.len() > KEPT_OCTETS {
            return Err("it has more signatures than can be checked in reasonable time");
        }
        others |= !named;
        if named && let Ok(cert) = Cert::from_bytes(&kept) {
            certs.push(cert);
        }
    }
    match (certs.is_empty(), others) {
        (false, _) => Ok(certs),
        (true, true) => Err("none of its user ids has this address"),
        (true, false) => Err(NONE),
    }
}

/// Generously: [`trust::judge_openpgp`] decides which addresses a user id really bears.
fn is_of(user_id: &[u8], recipient: &Address) -> bool {
    let id = UserID::from(user_id);
    let email = id.email().ok().flatten().and_then(|text| Address::parse(text).ok());
    let whole = || std::str::from_utf8(user_id).ok().and_then(|text| Address::parse(text).ok());
    email.or_else(whole).is_some_and(|address| address == *recipient)
}

/// OpenPGP certificates that were seen, by fingerprint, for their revocations and newer self-signatures.
#[derive(Default)]
pub struct Memory {
    seen: Mutex<BTreeMap<Fingerprint, Seen>>,
    turns: AtomicU64,
}

struct Seen {
    cert: Cert,
    /// Counts up; the least is forgotten first.
    turn: u64,
}

/// Certificates that are remembered; revoked ones last.
const REMEMBERED: usize = 2_000;

impl Memory {
    /// The certificate with all that was seen of it before.
    fn merge(&self, cert: Cert) -> Cert {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let fingerprint = cert.fingerprint();
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let before = seen.get(&fingerprint).map(|one| one.cert.clone());
        let merged = match before {
            Some(before) => together(before, cert),
            None => cert,
        };
        seen.insert(fingerprint, Seen { cert: merged.clone(), turn });
        if seen.len() > REMEMBERED {
            let oldest = seen.iter().filter(|(_, one)| !is_revoked(&one.cert)).min_by_key(|(_, one)| one.turn);
            let oldest =
                oldest.or_else(|| seen.iter().min_by_key(|(_, one)| one.turn)).map(|(fingerprint, _)| fingerprint.clone());
            oldest.and_then(|fingerprint| seen.remove(&fingerprint));
        }
        merged
    }

    /// Whether a certificate with this fingerprint was ever seen revoked, in whatever source.
    pub fn saw_revoked(&self, fingerprint: &Fingerprint) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(fingerprint).is_some_and(|one| is_revoked(&one.cert))
    }
}

/// One with the signatures of both. Who serves other signatures each day must not make it grow without end: then only the newer
/// stays, or the older where it is revoked.
fn together(before: Cert, newer: Cert) -> Cert {
    match before.clone().merge_public(newer.clone()) {
        Ok(both) if both.serialized_len() <= 2 * KEPT_OCTETS => both,
        _ if is_revoked(&before) => before,
        _ => newer,
    }
}

fn is_revoked(cert: &Cert) -> bool {
    matches!(cert.revocation_status(&StandardPolicy::new(), None), RevocationStatus::Revoked(_))
}
