//! Turns the answer of a sender to an earlier refusal into what it is good for: this sender, these recipients, this very content, once.
//!
//! A client that sends again writes another Message-ID, Date, boundary and transfer encoding. So the binding is to what the parts hold: the
//! texts as they are shown, with white space made even, and the octets of everything else.

use super::{Gate, Laws};
use crate::detect::Findings;
use crate::extract::{self, Extracted, TextKind};
use crate::mail::{Address, RawMessage, Reference, Submission};
use crate::mime::{self, Kind, ParsedMessage, Part};
use crate::policy::{Answer, Asks, Decision, PolicyId, Recourse, Tag, find_tag, is_inside};
use crate::store::{ANSWERABLE, Dispute, PastRefusal, StoreError, Terms};
use aws_lc_rs::hmac;
use std::collections::{BTreeMap, BTreeSet};

/// What memory knows of a sender's refusals and answers before the walk begins.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub refusals: Vec<PastRefusal>,
    pub asked: Option<Asked>,
}

/// The words in brackets of a message, and the refusal that they name.
#[derive(Debug)]
pub(super) struct Asked {
    pub tag: Tag,
    dispute: Option<Dispute>,
    /// Subject fields of the message.
    subjects: usize,
}

/// Why an answer is not followed. Of a reference that is somebody else's nothing is told but that it is none of the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNot {
    Unreadable,
    Unknown(Reference),
    Used(Reference),
    Expired(Reference),
    Recipients(Reference),
    Changed(Reference),
    NotConfirmed,
    NotReviewed,
    Signed,
    Several,
}

impl WhyNot {
    /// The text that says so.
    pub fn id(&self) -> &'static str {
        match self {
            WhyNot::Unreadable => "answer-unreadable",
            WhyNot::Unknown(_) => "answer-unknown",
            WhyNot::Used(_) => "answer-used",
            WhyNot::Expired(_) => "answer-expired",
            WhyNot::Recipients(_) => "answer-recipients",
            WhyNot::Changed(_) => "answer-changed",
            WhyNot::NotConfirmed => "answer-not-confirmed",
            WhyNot::NotReviewed => "answer-not-reviewed",
            WhyNot::Signed => "answer-signed",
            WhyNot::Several => "answer-several",
        }
    }

    /// The reference in it, as the sender wrote it.
    pub fn used(&self) -> String {
        match self {
            WhyNot::Unknown(used)
            | WhyNot::Used(used)
            | WhyNot::Expired(used)
            | WhyNot::Recipients(used)
            | WhyNot::Changed(used) => used.to_string(),
            _ => String::new(),
        }
    }
}

/// An answer before the message was read: good so far, or not, and whether its words are taken out of the Subject.
pub(super) struct Standing<'a> {
    pub good: Result<&'a Dispute, WhyNot>,
    pub strip: bool,
}

impl Gate {
    /// Reads what is remembered of this sender's refusals, and the refusal that the Subject names.
    pub(super) async fn past(&self, submission: &Submission, since: i64) -> Result<Past, StoreError> {
        let Some(sender) = submission.sender() else { return Ok(Past::default()) };
        let refusals = self.store.refusals_since(sender, submission.received_at.plus(-since)).await?;
        // What cannot be read is refused later, with its own words.
        let subjects = mime::write::subjects(&submission.raw).unwrap_or_default();
        let Some(tag) = subjects.iter().find_map(|subject| find_tag(subject)) else {
            return Ok(Past { refusals, asked: None });
        };
        let dispute = match tag.reference {
            Some(reference) => self.store.find_dispute(reference).await?,
            None => None,
        };
        Ok(Past { refusals, asked: Some(Asked { tag, dispute, subjects: subjects.len() }) })
    }

    pub(super) fn key_of_disputes(&self) -> hmac::Key {
        key_of(&self.vault.release_keys().private[..])
    }
}

/// Derived, so that a copy of the database tells nothing about what was refused.
fn key_of(secret: &[u8]) -> hmac::Key {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&secret, b"postern: what was refused").as_ref())
}

impl Asked {
    /// All that can be said without reading the message's content.
    pub fn standing(&self, submission: &Submission, limits: &mime::Limits) -> Standing<'_> {
        let bad = |why| Standing { good: Err(why), strip: false };
        let Some(reference) = self.tag.reference else { return bad(WhyNot::Unreadable) };
        let own = self.dispute.as_ref().filter(|dispute| submission.sender() == Some(&dispute.sender));
        let Some(dispute) = own else { return bad(WhyNot::Unknown(reference)) };
        if self.subjects > 1 {
            return bad(WhyNot::Several);
        }
        if is_tag_signed(&submission.raw, limits) {
            return bad(WhyNot::Signed);
        }
        let stripped = |good| Standing { good, strip: true };
        if dispute.used {
            return stripped(Err(WhyNot::Used(reference)));
        }
        if submission.received_at.0 - dispute.at.0 > ANSWERABLE {
            return stripped(Err(WhyNot::Expired(reference)));
        }
        if !submission.recipients.iter().all(|recipient| dispute.terms.recipients.contains(&recipient.key())) {
            return stripped(Err(WhyNot::Recipients(reference)));
        }
        match self.tag.asks {
            Asks::Confirm if !dispute.terms.may_confirm => stripped(Err(WhyNot::NotConfirmed)),
            Asks::Review if !dispute.terms.may_review => stripped(Err(WhyNot::NotReviewed)),
            _ => stripped(Ok(dispute)),
        }
    }

    /// What the answer is to a message that holds what was refused.
    pub fn answer(&self, dispute: &Dispute, submission: &Submission) -> Answer {
        match self.tag.asks {
            Asks::Review => Answer::Review,
            Asks::Confirm => {
                let confirmed = submission.recipients.iter().filter_map(|recipient| {
                    let policies = dispute.terms.confirms.get(&recipient.key())?;
                    Some((recipient.clone(), policies.iter().map(|id| PolicyId(id.as_str().into())).collect()))
                });
                Answer::Confirmed(confirmed.collect())
            }
        }
    }

    /// Why it still does not leave, although the answer is good.
    pub fn still_blocked(&self) -> WhyNot {
        match self.tag.asks {
            Asks::Confirm => WhyNot::NotConfirmed,
            Asks::Review => WhyNot::NotReviewed,
        }
    }
}

/// Clients that protect header fields (RFC 9788) repeat the Subject inside what they sign; there nothing can be taken out.
fn is_tag_signed(raw: &RawMessage, limits: &mime::Limits) -> bool {
    let Ok(message) = mime::parse(raw, limits) else { return false };
    if !message.is_signed_by_client() {
        return false;
    }
    let opaque = mime::signed_content(&message.top().decoded(raw).0).and_then(|content| RawMessage::new(content).ok());
    let inside = message.parts.iter().skip(1).filter(|part| part.in_signed).flat_map(|part| part.named("Subject"));
    let inside = inside.map(|field| message.text_of(field));
    let opaque = opaque.map(|content| mime::write::subjects(&content).unwrap_or_default()).unwrap_or_default();
    inside.chain(opaque).any(|subject| find_tag(&subject).is_some())
}

/// The terms of a refusal that can be answered; `None` when it cannot.
pub(super) fn terms(
    submission: &Submission,
    decision: &Decision,
    findings: &Findings,
    extracted: &Extracted,
    laws: &Laws,
    key: &hmac::Key,
) -> Option<Terms> {
    let Recourse { confirm, review } = decision.recourse();
    if !confirm && !review {
        return None;
    }
    let mut confirms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    if confirm {
        for verdict in &decision.verdicts {
            let lifted = verdict.reasons.iter().filter(|applied| applied.recourse.confirm);
            let lifted: BTreeSet<String> = lifted.map(|applied| applied.policy.0.to_string()).collect();
            if !lifted.is_empty() {
                confirms.insert(verdict.recipient.key(), lifted);
            }
        }
    }
    Some(Terms {
        recipients: submission.recipients.iter().map(Address::key).collect(),
        found: found(&confirms, findings, extracted, laws, key),
        confirms,
        may_confirm: confirm,
        may_review: review,
    })
}

/// Whether what the confirmed policies are about is the same as then: hidden text is no part of [`content`], and could hold other values.
pub(super) fn finds_the_same(
    dispute: &Dispute,
    findings: &Findings,
    extracted: &Extracted,
    laws: &Laws,
    key: &hmac::Key,
) -> bool {
    let now = found(&dispute.terms.confirms, findings, extracted, laws, key);
    now.iter().all(|(rule, values)| dispute.terms.found.get(rule) == Some(values))
}

/// For each rule that these policies are about a number that stands for the set of its values.
fn found(
    confirms: &BTreeMap<String, BTreeSet<String>>,
    findings: &Findings,
    extracted: &Extracted,
    laws: &Laws,
    key: &hmac::Key,
) -> BTreeMap<String, u64> {
    let policies: BTreeSet<PolicyId> = confirms.values().flatten().map(|id| PolicyId(id.as_str().into())).collect();
    let about = findings
        .found
        .iter()
        .filter(|finding| policies.iter().any(|id| laws.policy.asks_about(id, &finding.rule, finding.category).is_some()));
    about
        .map(|finding| {
            let values: BTreeSet<String> =
                finding.places.iter().filter_map(|found| value(extracted, found)).map(|value| compact(&value)).collect();
            let mut context = hmac::Context::with_key(key);
            for value in values {
                context.update(value.as_bytes());
                context.update(b"\0");
            }
            let mut number = [0u8; 8];
            number.copy_from_slice(&context.sign().as_ref()[..8]);
            (finding.rule.0.to_string(), u64::from_be_bytes(number))
        })
        .collect()
}

fn value(extracted: &Extracted, found: &crate::detect::Found) -> Option<String> {
    let text = extracted.texts.get(found.text)?;
    text.content.get(found.span.0 as usize..found.span.1 as usize).map(str::to_owned)
}

fn compact(value: &str) -> String {
    value.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What a message holds, as a keyed digest: the same however a client wraps it, another when anything that a recipient sees or opens
/// is another. The Subject counts without the words in brackets.
pub(super) fn content(message: &ParsedMessage<'_>, extracted: &Extracted, key: &hmac::Key) -> [u8; 32] {
    let mut pieces: BTreeSet<[u8; 32]> = BTreeSet::new();
    let mut add = |kind: &str, octets: &[u8]| {
        let mut context = hmac::Context::with_key(key);
        context.update(kind.as_bytes());
        context.update(b"\0");
        context.update(octets);
        pieces.insert(array(context.sign().as_ref()));
    };
    let subject = message.subject().unwrap_or_default();
    let subject = find_tag(&subject).map_or(subject, |tag| tag.rest);
    add("subject", even(&subject).as_bytes());
    for text in extracted.texts.iter().filter(|text| text.kind == TextKind::Body) {
        add("text", even(&text.content).as_bytes());
    }
    for part in &message.parts {
        match part.kind {
            Kind::Multipart => {}
            // An attached message is copied as it is: its header too.
            Kind::Message => {
                let children = part.children.iter().filter_map(|child| message.parts.get(*child));
                children.for_each(|child| add("header", &message.raw.as_bytes()[child.header.clone()]));
            }
            Kind::Leaf => leaf(part, message, extracted, &mut add),
        }
    }
    let mut context = hmac::Context::with_key(key);
    for piece in pieces {
        context.update(&piece);
    }
    array(context.sign().as_ref())
}

fn leaf(part: &Part, message: &ParsedMessage<'_>, extracted: &Extracted, add: &mut impl FnMut(&str, &[u8])) {
    if let Some(name) = part.file_name.as_deref() {
        add("name", name.as_bytes());
    }
    match part.content_type.as_str() {
        // Made anew whenever a client signs.
        "application/pgp-signature" | "application/pkcs7-signature" | "application/x-pkcs7-signature" => {}
        // So is Outlook's wrapping, with dates and numbers of its own; what is in it counts.
        "application/ms-tnef" | "application/vnd.ms-tnef" => {
            for file in extracted.files.iter().filter(|file| file.place.0.contains(" > ")) {
                add("file", format!("{}\0{}\0{}", file.name, file.media_type, file.size).as_bytes());
            }
            for text in extracted.texts.iter().filter(|text| text.kind == TextKind::Attachment) {
                add("text", even(&text.content).as_bytes());
            }
        }
        kind => {
            let octets = part.decoded(message.raw).0;
            let is_text = part.file_name.is_none() && !part.attachment && matches!(kind, "text/plain" | "text/html");
            if !is_text || !is_shown(&octets) {
                add("octets", &octets);
            }
        }
    }
}

/// A body that is no text, or is sealed, is read as a file.
fn is_shown(octets: &[u8]) -> bool {
    let control = octets.iter().any(|octet| matches!(octet, 0..=8 | 11 | 14..=26 | 28..=31));
    !control && memchr::memmem::find(octets, b"-----BEGIN PGP MESSAGE-----").is_none()
}

/// Clients wrap lines anew, and put other blanks between words.
fn even(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn array<const N: usize>(octets: &[u8]) -> [u8; N] {
    let mut out = [0u8; N];
    for (to, from) in out.iter_mut().zip(octets) {
        *to = *from;
    }
    out
}

/// The refusals of the last hour that a message is alike to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Alike {
    pub refused: bool,
    /// Different messages among them.
    pub versions: usize,
}

/// By what later messages are alike to this one: its recipients outside (or all, where there are none) and its attachments.
pub(super) fn likeness(submission: &Submission, message: &ParsedMessage<'_>, laws: &Laws, key: &hmac::Key) -> Vec<[u8; 16]> {
    let inside = &laws.policy.parties().inside;
    let outside: Vec<&Address> = submission.recipients.iter().filter(|to| !is_inside(to.domain(), inside)).collect();
    let recipients = if outside.is_empty() { submission.recipients.iter().collect() } else { outside };
    let sign = |kind: &str, octets: &[u8]| {
        let mut context = hmac::Context::with_key(key);
        context.update(kind.as_bytes());
        context.update(octets);
        array::<16>(context.sign().as_ref())
    };
    // Pictures are left out: the logo under every mail of an office would make them all alike.
    let files = message.leaves().filter(|part| part.attachment && !part.content_type.starts_with("image/"));
    let files = files.map(|part| sign("file\0", &part.decoded(message.raw).0));
    let recipients = recipients.into_iter().map(|recipient| sign("recipient\0", recipient.key().as_bytes()));
    // The store keeps the first of them.
    files.take(FILES).chain(recipients).collect()
}

/// Attachments by which a message is alike.
const FILES: usize = 16;

pub(super) fn alike(past: &[PastRefusal], likeness: &[[u8; 16]]) -> Alike {
    let likeness: BTreeSet<&[u8; 16]> = likeness.iter().collect();
    let versions: BTreeSet<[u8; 16]> =
        past.iter().filter(|refusal| likeness.contains(&refusal.likeness)).map(|refusal| refusal.version).collect();
    Alike { refused: !versions.is_empty(), versions: versions.len() }
}

/// The first half of [`content`] tells refusals apart.
pub(super) fn version(content: &[u8; 32]) -> [u8; 16] {
    array(content)
}

/// A justification with every value hidden that a rule knows, there or in the message.
pub(super) fn masked(justification: &str, findings: &Findings, extracted: &Extracted, laws: &Laws) -> String {
    let own = crate::detect::detect(&extract::extract_text(justification), &laws.rules);
    let mut spans: Vec<(usize, usize)> = own
        .found
        .iter()
        .flat_map(|finding| &finding.places)
        .filter(|found| found.text == 0)
        .map(|found| (found.span.0 as usize, found.span.1 as usize))
        .collect();
    spans.sort_unstable();
    let mut text = String::with_capacity(justification.len());
    let mut end = 0;
    for (from, to) in spans {
        if from >= end {
            text.push_str(justification.get(end..from).unwrap_or_default());
            text.push_str(HIDDEN);
        }
        end = end.max(to);
    }
    text.push_str(justification.get(end..).unwrap_or_default());
    let plain = compact(&text);
    let repeats =
        findings.found.iter().flat_map(|finding| &finding.places).take(VALUES).filter_map(|found| value(extracted, found));
    let repeats = repeats.map(|value| compact(&value)).any(|value| value.chars().count() >= SHORTEST && plain.contains(&value));
    if repeats { HIDDEN.to_owned() } else { text }
}

const HIDDEN: &str = "•••";
/// Values of a message that are looked for in its justification.
const VALUES: usize = 2_000;
/// Shorter ones stand in any sentence.
const SHORTEST: usize = 5;

#[cfg(test)]
mod tests;
