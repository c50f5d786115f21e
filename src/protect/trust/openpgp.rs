//! Turns an OpenPGP certificate into a recipient's, or a sentence that says why not.

use super::super::CannotSeal;
use super::super::openpgp::{self as pgp, system_time, unix_time};
use super::{Description, PROBE, addresses_in, day};
use crate::mail::UnixTime;
use sequoia_openpgp::policy::{Policy, StandardPolicy};
use sequoia_openpgp::types::RevocationStatus;
use sequoia_openpgp::{Cert, Packet, cert::amalgamation::ValidAmalgamation, packet::UserID};
use std::collections::BTreeSet;
use std::time::SystemTime;

/// User ids, subkeys and attributes of one certificate. Keys in the wild that were flooded with others' signatures have thousands.
const MOST_COMPONENTS: usize = 500;

pub(super) fn judge(cert: &Cert, at: UnixTime) -> Result<pgp::RecipientCertificate, String> {
    if let Some(count) = too_many(cert) {
        return Err(format!("it has {count} user ids and subkeys; {MOST_COMPONENTS} are the most"));
    }
    let policy = StandardPolicy::new();
    let time = system_time(at);
    let valid = cert
        .with_policy(&policy as &dyn Policy, time)
        .map_err(|_| "its signature on itself is not accepted: SHA-1, a key under 2048 bits, or made later than now")?;
    if matches!(valid.revocation_status(), RevocationStatus::Revoked(_)) {
        return Err(super::OWNER_REVOKED.to_owned());
    }
    if valid.alive().is_err() {
        return Err(match valid.primary_key().key_expiration_time() {
            Some(end) if end <= time => format!("it expired on {}", day(unix_time(end))),
            _ => "it is not valid yet".to_owned(),
        });
    }
    let mut texts = Vec::new();
    for user_id in valid.userids() {
        if matches!(user_id.revocation_status(), RevocationStatus::Revoked(_)) {
            continue;
        }
        texts.extend(address_of(user_id.userid()));
    }
    let addresses = addresses_in(&texts)?;
    let mut keys = Vec::new();
    let mut last_end: Option<UnixTime> = None;
    let mut endless = false;
    let usable = cert.keys().with_policy(&policy, time).supported().alive().revoked(false);
    for amalgamation in usable.for_transport_encryption().for_storage_encryption() {
        match amalgamation.key_expiration_time() {
            Some(end) => last_end = last_end.max(Some(unix_time(end))),
            None => endless = true,
        }
        keys.push(amalgamation.key().clone().parts_into_public().role_into_unspecified());
    }
    if keys.is_empty() {
        return Err(why_no_encryption_key(cert, &policy, at));
    }
    let own_end = valid.primary_key().key_expiration_time().map(unix_time);
    let expires = match (own_end, if endless { None } else { last_end }) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    // A secret key that somebody dropped here by mistake is not kept in memory.
    let cert = cert.clone().strip_secret_key_material();
    let judged = pgp::RecipientCertificate { cert, keys, addresses, expires };
    pgp::encrypt(PROBE, &judged, None, at)
        .map_err(|CannotSeal(why)| format!("a trial message could not be sealed to it: {why}"))?;
    Ok(judged)
}

/// Until when a judgement of this certificate that was made at `at` stays as it is: the next moment at which something in it begins or ends.
/// At the latest the next midnight, for the dates from which an algorithm is accepted no more are days.
pub fn steady_until(cert: &Cert, at: UnixTime) -> UnixTime {
    const DAY: i64 = 86_400;
    let mut next = (at.0 / DAY + 1) * DAY;
    let mut event = |time: SystemTime| {
        let time = unix_time(time).0;
        if at.0 < time {
            next = next.min(time);
        }
    };
    let created: BTreeSet<SystemTime> = cert.keys().map(|key| key.key().creation_time()).collect();
    let mut lives = BTreeSet::new();
    for packet in cert.clone().into_packets() {
        let Packet::Signature(signature) = packet else { continue };
        let made = signature.signature_creation_time();
        made.into_iter().for_each(&mut event);
        let ends = made.zip(signature.signature_validity_period()).and_then(|(made, life)| made.checked_add(life));
        ends.into_iter().for_each(&mut event);
        lives.extend(signature.key_validity_period());
    }
    for made in &created {
        event(*made);
        // A self-signature tells the life of its own key; of which, costs more to find out than to take all.
        lives.iter().filter_map(|life| made.checked_add(*life)).for_each(&mut event);
    }
    UnixTime(next)
}

fn why_no_encryption_key(cert: &Cert, policy: &dyn Policy, at: UnixTime) -> String {
    let time = system_time(at);
    let all = || cert.keys().with_policy(policy, time).for_transport_encryption().for_storage_encryption();
    if all().next().is_none() {
        return "it has no encryption key".to_owned();
    }
    if all().supported().next().is_none() {
        return "its encryption key is of an algorithm that is not supported".to_owned();
    }
    if all().supported().revoked(false).next().is_none() {
        return "its encryption key was revoked".to_owned();
    }
    match all().supported().revoked(false).filter_map(|key| key.key_expiration_time()).max() {
        Some(end) if end <= time => format!("its encryption key expired on {}", day(unix_time(end))),
        _ => "its encryption key is not valid yet".to_owned(),
    }
}

/// The address of a user id of the form `a@b` or `Name <a@b>`: exactly that, so that `<alice@example.org> <mallory@example.net>`
/// and comments give nobody a second address.
fn address_of(user_id: &UserID) -> Option<String> {
    let text = std::str::from_utf8(user_id.value()).ok()?;
    match text.strip_suffix('>') {
        Some(rest) => {
            let (name, address) = rest.split_once('<')?;
            let plain = name.is_empty() || name.ends_with(' ');
            (plain && !address.contains(['<', '>'])).then(|| address.to_owned())
        }
        // A name alone is no address and nothing suspicious.
        None => (text.contains('@') && !text.contains([' ', '<', '>'])).then(|| text.to_owned()),
    }
}

/// Describes an OpenPGP certificate without judging it.
pub fn describe_openpgp(cert: &Cert, at: UnixTime) -> Description {
    if too_many(cert).is_some() {
        return Description { fingerprint: cert.fingerprint().to_hex(), ..Description::default() };
    }
    let texts: Vec<String> = cert.userids().filter_map(|id| address_of(id.userid())).collect();
    let policy = StandardPolicy::new();
    let valid = cert.with_policy(&policy as &dyn Policy, system_time(at)).ok();
    Description {
        addresses: addresses_in(&texts).unwrap_or_default(),
        fingerprint: cert.fingerprint().to_hex(),
        expires: valid.and_then(|valid| valid.primary_key().key_expiration_time()).map(unix_time),
        authority: false,
    }
}

/// Their number, when it is beyond what a person has.
fn too_many(cert: &Cert) -> Option<usize> {
    let count = cert.userids().count() + cert.keys().count() + cert.user_attributes().count() + cert.bad_signatures().count();
    (count > MOST_COMPONENTS).then_some(count)
}
