//! Keys of invented people, made for one test.

use crate::mail::UnixTime;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::packet::UserID;
use sequoia_openpgp::serialize::Serialize;
use sequoia_openpgp::types::ReasonForRevocation;
use sequoia_openpgp::{Cert, Packet};
use std::time::{Duration, SystemTime};

pub fn now() -> UnixTime {
    crate::world::Clock::system().now()
}

/// A v4 certificate on Curve25519 for these user ids, one day old.
pub fn cert(user_ids: &[&str]) -> Cert {
    let made = SystemTime::now() - Duration::from_secs(86_400);
    let mut builder =
        CertBuilder::new().set_creation_time(made).add_transport_encryption_subkey().add_storage_encryption_subkey();
    for id in user_ids {
        builder = builder.add_userid(*id);
    }
    builder.generate().unwrap().0
}

pub fn expiring(user_id: &str, seconds_from_now: i64) -> Cert {
    let made = SystemTime::now() - Duration::from_secs(86_400);
    let builder = CertBuilder::new().set_creation_time(made).add_transport_encryption_subkey().add_storage_encryption_subkey();
    let life = Duration::from_secs((86_400 + seconds_from_now) as u64);
    builder.add_userid(user_id).set_validity_period(life).generate().unwrap().0
}

/// The same certificate, whose owner took it back.
pub fn revoked(user_id: &str) -> (Cert, Cert) {
    let made = SystemTime::now() - Duration::from_secs(86_400);
    let builder = CertBuilder::new().set_creation_time(made).add_transport_encryption_subkey().add_storage_encryption_subkey();
    let (cert, _) = builder.add_userid(user_id).generate().unwrap();
    let mut signer = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let revocation = cert.revoke(&mut signer, ReasonForRevocation::KeyCompromised, b"lost").unwrap();
    let taken_back = cert.clone().insert_packets(vec![Packet::from(revocation)]).unwrap().0;
    (cert, taken_back)
}

pub fn binary(cert: &Cert) -> Vec<u8> {
    let mut octets = Vec::new();
    cert.serialize(&mut octets).unwrap();
    octets
}

pub fn armored(cert: &Cert) -> Vec<u8> {
    let mut octets = Vec::new();
    cert.armored().serialize(&mut octets).unwrap();
    octets
}

/// Names that nobody signed, behind the primary key: a few octets each.
pub fn with_unsigned_names(cert: &Cert, count: usize, name: impl Fn(usize) -> String) -> Vec<u8> {
    let whole = binary(cert);
    let mut primary = Vec::new();
    Packet::from(cert.primary_key().key().clone()).serialize(&mut primary).unwrap();
    let mut octets = primary.clone();
    for number in 0..count {
        Packet::from(UserID::from(name(number))).serialize(&mut octets).unwrap();
    }
    octets.extend_from_slice(&whole[primary.len()..]);
    octets
}
