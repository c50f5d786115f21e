//! Turns a question about one certificate into an OCSP request, and a response into what it says of it (RFC 6960).
//!
//! No nonce is sent: responders that give prepared answers do not return it (RFC 5019 §2.1.1), and thisUpdate and nextUpdate bound how old an
//! answer can be, as they do for lists.

use super::asn1::Signed;
use super::certificate::dates;
use super::path::Authority;
use super::revocation::{CLOCK_SKEW, Revocations, Status, Subject, of_today, reason};
use crate::mail::UnixTime;
use crate::protect::smime::validity;
use aws_lc_rs::digest;
use der::asn1::{Any, BitString, GeneralizedTime, Null, ObjectIdentifier, OctetString};
use der::{Choice, Decode, Encode, Enumerated, Sequence};
use spki::AlgorithmIdentifierOwned as Algorithm;
use std::sync::OnceLock;
use x509_cert::Certificate;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::{CrlReason, ExtendedKeyUsage, KeyUsage};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;

/// The largest response that is read.
pub const LARGEST: usize = 256 * 1024;
/// An answer that does not say when the next one comes tells of the moment it was made (RFC 6960 §2.4).
const WITHOUT_NEXT_UPDATE: i64 = 3600;

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");

#[derive(Clone, PartialEq, Eq, Sequence)]
struct CertId {
    hash_algorithm: Algorithm,
    issuer_name_hash: OctetString,
    issuer_key_hash: OctetString,
    serial_number: SerialNumber,
}

#[derive(Sequence)]
struct Request {
    req_cert: CertId,
}

#[derive(Sequence)]
struct TbsRequest {
    request_list: Vec<Request>,
}

#[derive(Sequence)]
struct OcspRequest {
    tbs_request: TbsRequest,
}

#[derive(Clone, Copy, PartialEq, Eq, Enumerated)]
#[repr(u32)]
enum ResponseStatus {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
    SigRequired = 5,
    Unauthorized = 6,
}

#[derive(Sequence)]
struct ResponseBytes {
    response_type: ObjectIdentifier,
    response: OctetString,
}

#[derive(Sequence)]
struct OcspResponse {
    status: ResponseStatus,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    bytes: Option<ResponseBytes>,
}

#[derive(Sequence)]
struct BasicResponse {
    data: ResponseData,
    signature_algorithm: Algorithm,
    signature: BitString,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    certificates: Option<Vec<Any>>,
}

#[derive(Sequence)]
struct ResponseData {
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    version: Option<u8>,
    responder: ResponderId,
    produced_at: GeneralizedTime,
    responses: Vec<SingleResponse>,
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT")]
    extensions: Option<Extensions>,
}

#[derive(Choice)]
enum ResponderId {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    ByName(Name),
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(OctetString),
}

#[derive(Sequence)]
struct SingleResponse {
    cert_id: CertId,
    status: CertStatus,
    this_update: GeneralizedTime,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT")]
    extensions: Option<Extensions>,
}

#[derive(Choice)]
enum CertStatus {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(Sequence)]
struct RevokedInfo {
    time: GeneralizedTime,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    reason: Option<CrlReason>,
}

/// A basic OCSP response. Its signature is judged when it is used, by the issuer that was found then.
pub struct Answer {
    signed: Signed,
    data: ResponseData,
    certificates: Vec<Vec<u8>>,
    produced_at: UnixTime,
    /// DER of the issuer's key that was asked, and whether that issuer stands behind the signature at that time.
    verified: OnceLock<(Vec<u8>, Signatory)>,
}

/// Who signed an answer: the issuer (`None`), a responder that it appointed, or neither.
type Signatory = Result<Option<Responder>, String>;

/// A responder that the issuer appointed.
#[derive(Clone)]
struct Responder {
    subject: Subject,
    not_before: UnixTime,
    not_after: UnixTime,
}

/// DER of a request about one certificate; SHA-1 only names the issuer (RFC 6960 §4.3: every responder knows it). `None` when it cannot be
/// written.
pub(super) fn request(subject: &Subject, issuer: &Authority) -> Option<Vec<u8>> {
    let (name, key) = issuer.hashes(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    let req_cert = CertId {
        hash_algorithm: Algorithm { oid: SHA1, parameters: Some(Any::null()) },
        issuer_name_hash: OctetString::new(name).ok()?,
        issuer_key_hash: OctetString::new(key).ok()?,
        serial_number: SerialNumber::new(&subject.serial).ok()?,
    };
    OcspRequest { tbs_request: TbsRequest { request_list: vec![Request { req_cert }] } }.to_der().ok()
}

impl Answer {
    pub fn read(octets: &[u8]) -> Result<Answer, String> {
        let wrong = |why: &str| format!("the responder's answer {why}");
        if octets.len() > LARGEST {
            return Err(wrong(&format!("has more than {LARGEST} octets")));
        }
        let unreadable = || wrong("cannot be read as an OCSP response in DER");
        let response = OcspResponse::from_der(octets).map_err(|_| unreadable())?;
        match response.status {
            ResponseStatus::Successful => {}
            ResponseStatus::MalformedRequest => return Err(wrong("is that it cannot read the question")),
            ResponseStatus::InternalError => return Err(wrong("is that it broke down")),
            ResponseStatus::TryLater => return Err(wrong("is to try later")),
            ResponseStatus::SigRequired => return Err(wrong("is that it wants a signed question")),
            ResponseStatus::Unauthorized => return Err(wrong("is that it does not know this certificate")),
        }
        let bytes = response.bytes.filter(|bytes| bytes.response_type == BASIC);
        let bytes = bytes.ok_or_else(|| wrong("is of another type than basic"))?;
        let signed = Signed::read(bytes.response.as_bytes()).ok_or_else(unreadable)?;
        let basic = BasicResponse::from_der(bytes.response.as_bytes()).map_err(|_| unreadable())?;
        let critical = |extensions: &Option<Extensions>| extensions.iter().flatten().any(|extension| extension.critical);
        if critical(&basic.data.extensions) || basic.data.responses.iter().any(|single| critical(&single.extensions)) {
            return Err(wrong("has a critical extension that is not known here"));
        }
        let certificates = basic.certificates.iter().flatten().take(8).filter_map(|any| any.to_der().ok()).collect();
        let produced_at = unix(&basic.data.produced_at);
        Ok(Answer { signed, data: basic.data, certificates, produced_at, verified: OnceLock::new() })
    }

    /// Of which certificates it tells.
    pub fn serials(&self) -> Vec<Vec<u8>> {
        self.data.responses.iter().take(64).map(|single| single.cert_id.serial_number.as_bytes().to_vec()).collect()
    }

    pub fn produced_at(&self) -> UnixTime {
        self.produced_at
    }

    /// `None`: it is about another issuer's certificate of this number.
    pub(super) fn status(&self, subject: &Subject, issuer: &Authority, at: UnixTime, known: &Revocations) -> Option<Status> {
        let single = self.data.responses.iter().find(|single| is_about(&single.cert_id, subject, issuer))?;
        let unknown = |why: &str| Status::Unknown(format!("the responder's answer {why}"));
        match self.responder(issuer) {
            Err(why) => return Some(unknown(&why)),
            Ok(None) => {}
            Ok(Some(responder)) => {
                if dates(responder.not_before, responder.not_after, at).is_err() {
                    return Some(unknown("is by a responder whose certificate is not valid today"));
                }
                // Only lists can tell of a responder: its own answer about itself would be no proof.
                if let Status::Revoked(..) = known.listed(&responder.subject, issuer, at) {
                    return Some(unknown("is by a responder whose certificate was revoked"));
                }
            }
        }
        let this_update = unix(&single.this_update);
        let next_update = match &single.next_update {
            Some(next) => unix(next),
            None => this_update.plus(WITHOUT_NEXT_UPDATE),
        };
        Some(match &single.status {
            CertStatus::Revoked(info) => {
                Status::Revoked(unix(&info.time), reason(info.reason.map_or(0, |reason| reason as u8)))
            }
            CertStatus::Unknown(_) => unknown("is that it does not know this certificate"),
            CertStatus::Good(_) if self.produced_at > at.plus(CLOCK_SKEW) => unknown("is of tomorrow"),
            CertStatus::Good(_) if of_today(this_update, next_update, at) => Status::Good,
            CertStatus::Good(_) => unknown("is not of today"),
        })
    }

    /// Who signed it: the issuer itself (`None`), or a responder whom the issuer appointed directly (RFC 6960 §4.2.2.2).
    fn responder(&self, issuer: &Authority) -> Signatory {
        let key = issuer.key().to_der().unwrap_or_default();
        let (tried, result) = self.verified.get_or_init(|| (key.clone(), self.find_responder(issuer)));
        if *tried == key { result.clone() } else { self.find_responder(issuer) }
    }

    fn find_responder(&self, issuer: &Authority) -> Signatory {
        if self.is_named(issuer.subject(), issuer.key()) && self.signed.is_by(issuer.key()) {
            return Ok(None);
        }
        for der in &self.certificates {
            let Ok(certificate) = Certificate::from_der(der) else { continue };
            let tbs = certificate.tbs_certificate();
            let (Ok(subject), Ok(above)) = (tbs.subject().to_der(), tbs.issuer().to_der()) else { continue };
            let appointed = tbs.get_extension::<ExtendedKeyUsage>().ok().flatten();
            let appointed = appointed.is_some_and(|(_, extended)| extended.0.contains(&OCSP_SIGNING));
            let usage = tbs.get_extension::<KeyUsage>().ok().flatten();
            let signs = usage.is_none_or(|(_, usage)| usage.digital_signature() || usage.non_repudiation());
            if !self.is_named(&subject, tbs.subject_public_key_info()) || above != issuer.subject() || !appointed || !signs {
                continue;
            }
            let by_issuer = Signed::read(der).is_some_and(|signed| signed.is_by(issuer.key()));
            if by_issuer && self.signed.is_by(tbs.subject_public_key_info()) {
                let (not_before, not_after) = validity(&certificate);
                return Ok(Some(Responder { subject: Subject::of(&certificate, false), not_before, not_after }));
            }
        }
        Err("is signed neither by the issuer nor by a responder that it appointed".to_owned())
    }

    fn is_named(&self, subject: &[u8], key: &spki::SubjectPublicKeyInfoOwned) -> bool {
        match &self.data.responder {
            ResponderId::ByName(name) => name.to_der().is_ok_and(|name| name == subject),
            ResponderId::ByKey(hash) => {
                let own = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key.subject_public_key.raw_bytes());
                hash.as_bytes() == own.as_ref()
            }
        }
    }
}

fn is_about(id: &CertId, subject: &Subject, issuer: &Authority) -> bool {
    let algorithm = match id.hash_algorithm.oid {
        SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        SHA256 => &digest::SHA256,
        _ => return false,
    };
    let (name, key) = issuer.hashes(algorithm);
    id.serial_number.as_bytes() == subject.serial
        && id.issuer_name_hash.as_bytes() == name
        && id.issuer_key_hash.as_bytes() == key
}

fn unix(time: &GeneralizedTime) -> UnixTime {
    UnixTime(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
}
