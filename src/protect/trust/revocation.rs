//! Turns lists of revoked certificates and responders' answers into what is known of one certificate today.

use super::crl::Crl;
use super::ocsp::{self, Answer};
use super::path::{self, Authority};
use super::{CheckRevocation, Trust};
use crate::mail::UnixTime;
use crate::protect::smime;
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use std::collections::BTreeMap;
use std::sync::Arc;
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, CrlDistributionPoints};

/// How far a clock may be wrong, theirs or ours.
pub(super) const CLOCK_SKEW: i64 = 300;
/// Lists of one issuer, and answers about one serial number, that are kept: the newest.
const MOST_OF_ONE: usize = 16;
/// Addresses to ask that are taken from one certificate.
const MOST_ASKS: usize = 4;

/// All that is known of revoked certificates: a value that never changes. A door collects it; here it is only read.
#[derive(Clone, Default)]
pub struct Revocations {
    /// By DER of the issuer's name.
    lists: BTreeMap<Vec<u8>, Vec<Arc<Crl>>>,
    /// By serial number.
    answers: BTreeMap<Vec<u8>, Vec<Arc<Answer>>>,
}

/// What is known of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Good,
    /// When, and the reason in words.
    Revoked(UnixTime, &'static str),
    /// Nobody could say, and why.
    Unknown(String),
}

/// What identifies a certificate to its issuer, and where it says to ask.
#[derive(Clone)]
pub struct Subject {
    pub(super) serial: Vec<u8>,
    pub(super) is_authority: bool,
    /// DER of each name of its distribution points.
    pub(super) points: Vec<Vec<u8>>,
    lists: Vec<String>,
    responders: Vec<String>,
}

/// One thing to fetch. What it brings is given to [`Revocations::add_list`] or [`Revocations::add_answer`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// GET, a list of revoked certificates (RFC 5280 §5).
    List { url: String },
    /// POST of `application/ocsp-request` (RFC 6960 appendix A.1).
    Responder { url: String, request: Vec<u8> },
}

/// What would tell of one certificate: one of them is enough, in this order.
#[derive(Clone)]
pub struct Asks {
    pub asks: Vec<Ask>,
    subject: Subject,
    issuer: Arc<Authority>,
}

impl Asks {
    /// What was fetched, if it tells of this certificate today: signed by whom it must be, fresh, about it. Anything else is not worth
    /// keeping, and forged lists must not push out the real one. Reading megabytes takes its time: call it from a blocking thread.
    pub fn tell(&self, ask: &Ask, octets: &[u8], at: UnixTime) -> Result<Revocations, String> {
        let mut alone = Revocations::default();
        match ask {
            Ask::List { .. } => alone.add_list(octets)?,
            Ask::Responder { .. } => alone.add_answer(octets)?,
        }
        match alone.status(&self.subject, &self.issuer, at) {
            Status::Good | Status::Revoked(..) => Ok(alone),
            Status::Unknown(why) => Err(why),
        }
    }
}

impl Revocations {
    /// Takes a list in DER. Its signature is judged when it is used, by the issuer that was found then.
    pub fn add_list(&mut self, octets: &[u8]) -> Result<(), String> {
        self.keep_list(Arc::new(Crl::read(octets)?));
        Ok(())
    }

    /// Takes an OCSP response in DER.
    pub fn add_answer(&mut self, octets: &[u8]) -> Result<(), String> {
        let answer = Arc::new(Answer::read(octets)?);
        answer.serials().into_iter().for_each(|serial| self.keep_answer(serial, answer.clone()));
        Ok(())
    }

    /// Takes all that another knows.
    pub fn take_in(&mut self, other: Revocations) {
        other.lists.into_values().flatten().for_each(|list| self.keep_list(list));
        for (serial, answers) in other.answers {
            answers.into_iter().for_each(|answer| self.keep_answer(serial.clone(), answer));
        }
    }

    fn keep_list(&mut self, list: Arc<Crl>) {
        let lists = self.lists.entry(list.issuer().to_vec()).or_default();
        if lists.iter().any(|known| known.octets() == list.octets()) {
            return;
        }
        lists.push(list);
        lists.sort_by_key(|list| std::cmp::Reverse(list.this_update()));
        lists.truncate(MOST_OF_ONE);
    }

    fn keep_answer(&mut self, serial: Vec<u8>, answer: Arc<Answer>) {
        let answers = self.answers.entry(serial).or_default();
        answers.push(answer);
        answers.sort_by_key(|answer| std::cmp::Reverse(answer.produced_at()));
        answers.truncate(MOST_OF_ONE);
    }

    /// Both together.
    pub fn and(&self, other: &Revocations) -> Revocations {
        let mut both = self.clone();
        for (issuer, lists) in &other.lists {
            both.lists.entry(issuer.clone()).or_default().extend(lists.iter().cloned());
        }
        for (serial, answers) in &other.answers {
            both.answers.entry(serial.clone()).or_default().extend(answers.iter().cloned());
        }
        both
    }

    pub fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.answers.is_empty()
    }

    /// One proof of revocation is enough, however old: nobody takes it back. "Good" takes one that is of today.
    pub fn status(&self, subject: &Subject, issuer: &Authority, at: UnixTime) -> Status {
        let answers = self.answers.get(&subject.serial).into_iter().flatten();
        let answers = answers.filter_map(|answer| answer.status(subject, issuer, at, self));
        most_telling(answers.chain([self.listed(subject, issuer, at)]))
    }

    /// The same by lists alone.
    pub(super) fn listed(&self, subject: &Subject, issuer: &Authority, at: UnixTime) -> Status {
        let lists = self.lists.get(issuer.subject()).into_iter().flatten();
        most_telling(lists.map(|list| list.status(subject, issuer, at)))
    }
}

fn most_telling(all: impl Iterator<Item = Status>) -> Status {
    const NOTHING: &str = "there is neither a list nor a responder's answer for it";
    let mut best = Status::Unknown(NOTHING.to_owned());
    for status in all {
        match (&best, &status) {
            (_, Status::Revoked(..)) => return status,
            (Status::Good, _) => {}
            // The reason that says most.
            (Status::Unknown(known), Status::Unknown(_)) if known != NOTHING => {}
            _ => best = status,
        }
    }
    best
}

impl Subject {
    pub fn of(certificate: &Certificate, is_authority: bool) -> Subject {
        const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
        let tbs = certificate.tbs_certificate();
        let (mut points, mut lists, mut responders) = (Vec::new(), Vec::new(), Vec::new());
        let found = tbs.get_extension::<CrlDistributionPoints>().ok().flatten();
        for point in found.iter().flat_map(|(_, points)| points.0.iter()) {
            // A point for some reasons only, or another issuer's, tells half of it.
            if point.reasons.is_some() || point.crl_issuer.is_some() {
                continue;
            }
            let Some(DistributionPointName::FullName(names)) = &point.distribution_point else { continue };
            for name in names.iter().take(MOST_ASKS) {
                points.extend(name.to_der());
                lists.extend(url(name));
            }
        }
        let found = tbs.get_extension::<AuthorityInfoAccessSyntax>().ok().flatten();
        for access in found.iter().flat_map(|(_, access)| access.0.iter()).filter(|access| access.access_method == OCSP) {
            responders.extend(url(&access.access_location));
        }
        points.truncate(MOST_ASKS);
        lists.truncate(MOST_ASKS);
        responders.truncate(MOST_ASKS);
        Subject { serial: tbs.serial_number().as_bytes().to_vec(), is_authority, points, lists, responders }
    }
}

fn url(name: &GeneralName) -> Option<String> {
    let GeneralName::UniformResourceIdentifier(text) = name else { return None };
    let text = text.to_string();
    let known = text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
        || text.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    (known && text.len() <= 1024 && text.bytes().all(|octet| octet.is_ascii_graphic())).then_some(text)
}

/// What to fetch so that this certificate can be judged at `at`: nothing where it is known already, where nothing is to be checked, and
/// above all where no path leads to an anchor, for then the addresses in it are a stranger's.
pub fn asks(certificate: &[u8], at: UnixTime, trust: &Trust) -> Vec<Asks> {
    if trust.check_revocation == CheckRevocation::Off {
        return Vec::new();
    }
    let Ok(parsed) = Certificate::from_der(certificate) else { return Vec::new() };
    match path::find(certificate, &parsed, at, trust) {
        Ok(path) => asks_along(&path, at, trust),
        Err(_) => Vec::new(),
    }
}

/// The same for a certificate that was judged usable, along the path that was found then.
pub fn asks_again(certificate: &smime::RecipientCertificate, at: UnixTime, trust: &Trust) -> Vec<Asks> {
    match (&certificate.path, trust.check_revocation) {
        (None, _) | (_, CheckRevocation::Off) => Vec::new(),
        (Some(path), _) => asks_along(path, at, trust),
    }
}

fn asks_along(path: &path::Path, at: UnixTime, trust: &Trust) -> Vec<Asks> {
    let mut wanted = Vec::new();
    for (subject, issuer) in path.pairs() {
        if !matches!(trust.revocations.status(subject, issuer, at), Status::Unknown(_)) {
            continue;
        }
        let request = ocsp::request(subject, issuer);
        let responders = subject.responders.iter().zip(std::iter::repeat(&request));
        let responders =
            responders.filter_map(|(url, request)| Some(Ask::Responder { url: url.clone(), request: request.clone()? }));
        let asks: Vec<Ask> = responders.chain(subject.lists.iter().map(|url| Ask::List { url: url.clone() })).collect();
        if !asks.is_empty() {
            wanted.push(Asks { asks, subject: subject.clone(), issuer: issuer.clone() });
        }
    }
    wanted
}

/// CRLReason (RFC 5280 §5.3.1) in words.
pub(super) fn reason(code: u8) -> &'static str {
    match code {
        1 => "its key was compromised",
        2 => "its authority was compromised",
        3 => "its owner left",
        4 => "it was replaced",
        5 => "it is no longer used",
        6 => "it is on hold",
        9 => "its rights were withdrawn",
        10 => "an attribute authority was compromised",
        _ => "no reason given",
    }
}

/// Whether something published then, and renewed then, tells of now.
pub(super) fn of_today(this_update: UnixTime, next_update: UnixTime, at: UnixTime) -> bool {
    this_update <= at.plus(CLOCK_SKEW) && at <= next_update.plus(CLOCK_SKEW)
}
