//! Turns a list of revoked certificates (RFC 5280 §5, complete and direct) into what it says of one.

use super::asn1::{Signed, unix};
use super::path::Authority;
use super::revocation::{Status, Subject, of_today, reason};
use crate::mail::UnixTime;
use aws_lc_rs::digest;
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use x509_cert::crl::CertificateList;
use x509_cert::ext::pkix::crl::IssuingDistributionPoint;
use x509_cert::ext::pkix::name::DistributionPointName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlReason};

/// The largest list that is read.
pub const LARGEST: usize = 32 * 1024 * 1024;

const REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");
const DELTA: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const ISSUING_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const AUTHORITY_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");

pub struct Crl {
    octets: Vec<u8>,
    signed: Signed,
    issuer: Vec<u8>,
    key_id: Option<Vec<u8>>,
    this_update: UnixTime,
    next_update: UnixTime,
    scope: Scope,
    revoked: BTreeMap<Vec<u8>, (UnixTime, u8)>,
    /// The key that was tried, and whether it signed this list: a signature over megabytes is verified once.
    verified: OnceLock<(Vec<u8>, bool)>,
}

/// Of which certificates a list tells (RFC 5280 §5.2.5).
#[derive(Default)]
struct Scope {
    only_users: bool,
    only_authorities: bool,
    /// DER of the names of its own distribution point; empty: all.
    points: Vec<Vec<u8>>,
}

impl Crl {
    /// Reads DER. What is no complete list by the issuer of the certificates themselves is refused: half a list is no proof.
    pub fn read(octets: &[u8]) -> Result<Crl, String> {
        let wrong = |why: &str| format!("the list of revoked certificates {why}");
        if octets.len() > LARGEST {
            return Err(wrong(&format!("has more than {LARGEST} octets")));
        }
        let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(octets)
            .map_err(|_| wrong("cannot be read as a CRL in DER"))?;
        let signed = Signed::read(octets).ok_or_else(|| wrong("cannot be read as a CRL in DER"))?;
        let tbs = &list.tbs_cert_list;
        if tbs.signature != list.signature_algorithm {
            return Err(wrong("names two different signature algorithms"));
        }
        let mut scope = Scope::default();
        let mut key_id = None;
        for extension in tbs.crl_extensions.iter().flatten() {
            let value = extension.extn_value.as_bytes();
            match extension.extn_id {
                DELTA => return Err(wrong("tells of changes only (delta CRL)")),
                ISSUING_POINT => {
                    let point = IssuingDistributionPoint::from_der(value)
                        .map_err(|_| wrong("has an issuing distribution point that cannot be read"))?;
                    scope = scope_of(&point).map_err(|why| wrong(&why))?;
                }
                AUTHORITY_KEY => {
                    let id = AuthorityKeyIdentifier::from_der(value).ok().and_then(|id| id.key_identifier);
                    key_id = id.map(|id| id.as_bytes().to_vec());
                }
                NUMBER => {}
                other if extension.critical => {
                    return Err(wrong(&format!("has a critical extension that is not known here ({other})")));
                }
                _ => {}
            }
        }
        let mut revoked = BTreeMap::new();
        for entry in tbs.revoked_certificates.iter().flatten() {
            let mut code = 0u8;
            for extension in entry.crl_entry_extensions.iter().flatten() {
                match extension.extn_id {
                    REASON => {
                        code = CrlReason::from_der(extension.extn_value.as_bytes()).map_or(0, |reason| reason as u8);
                    }
                    // RFC 5280 §5.3.3: from here on the entries are another issuer's.
                    CERTIFICATE_ISSUER => return Err(wrong("tells of other issuers' certificates (indirect CRL)")),
                    other if extension.critical => {
                        return Err(wrong(&format!("has an entry with a critical extension that is not known here ({other})")));
                    }
                    _ => {}
                }
            }
            revoked.insert(entry.serial_number.as_bytes().to_vec(), (unix(&entry.revocation_date), code));
        }
        // RFC 5280 §5.1.2.5: it must say when the next one comes; a list for ever would hide every later revocation.
        let next = tbs.next_update.as_ref().ok_or_else(|| wrong("does not say when the next one comes (nextUpdate)"))?;
        Ok(Crl {
            octets: octets.to_vec(),
            issuer: tbs.issuer.to_der().map_err(|_| wrong("has an issuer that cannot be read"))?,
            key_id,
            this_update: unix(&tbs.this_update),
            next_update: unix(next),
            signed,
            scope,
            revoked,
            verified: OnceLock::new(),
        })
    }

    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub fn this_update(&self) -> UnixTime {
        self.this_update
    }

    pub(super) fn status(&self, subject: &Subject, issuer: &Authority, at: UnixTime) -> Status {
        let unknown = |why: &str| Status::Unknown(format!("its issuer's list {why}"));
        if !issuer.signs_lists() {
            return unknown("is by a key that may not sign lists (key usage lacks cRLSign)");
        }
        if self.key_id.as_deref().zip(issuer.key_id()).is_some_and(|(listed, own)| listed != own) {
            return unknown("is by another of its keys");
        }
        if !self.is_by(issuer) {
            return unknown("is not signed by it");
        }
        if !self.scope.covers(subject) {
            return unknown("tells of other certificates only");
        }
        match self.revoked.get(&subject.serial) {
            Some((since, code)) => Status::Revoked(*since, reason(*code)),
            None if of_today(self.this_update, self.next_update, at) => Status::Good,
            None => unknown("is not of today"),
        }
    }

    fn is_by(&self, issuer: &Authority) -> bool {
        let key = issuer.key();
        let Ok(der) = key.to_der() else { return false };
        let print = digest::digest(&digest::SHA256, &der).as_ref().to_vec();
        let (tried, result) = self.verified.get_or_init(|| (print.clone(), self.signed.is_by(key)));
        if *tried == print { *result } else { self.signed.is_by(key) }
    }
}

impl Scope {
    /// RFC 5280 §6.3.3 (b).
    fn covers(&self, subject: &Subject) -> bool {
        if (self.only_users && subject.is_authority) || (self.only_authorities && !subject.is_authority) {
            return false;
        }
        self.points.is_empty() || self.points.iter().any(|point| subject.points.contains(point))
    }
}

fn scope_of(point: &IssuingDistributionPoint) -> Result<Scope, String> {
    if point.indirect_crl {
        return Err("tells of other issuers' certificates (indirect CRL)".to_owned());
    }
    if point.only_some_reasons.is_some() {
        return Err("tells of some reasons only".to_owned());
    }
    if point.only_contains_attribute_certs {
        return Err("tells of attribute certificates only".to_owned());
    }
    let points = match &point.distribution_point {
        None => Vec::new(),
        Some(DistributionPointName::FullName(names)) => names.iter().filter_map(|name| name.to_der().ok()).collect(),
        Some(DistributionPointName::NameRelativeToCRLIssuer(_)) => {
            return Err("has a distribution point relative to its issuer, which is not read here".to_owned());
        }
    };
    Ok(Scope { only_users: point.only_contains_user_certs, only_authorities: point.only_contains_ca_certs, points })
}
