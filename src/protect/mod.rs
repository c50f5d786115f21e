//! Turns a decided message into the copies that leave: signed and sealed for whom the decision says so, unchanged for the rest.
//!
//! [`protect`] plans first and seals afterwards, one copy at a time. Whatever is in doubt is an error, and an error ends it: a
//! recipient for whom encryption is required is only ever served from a [`sealed::Sealed`].

pub mod capabilities;
pub mod choose;
pub mod cms;
pub mod container;
pub mod header_protection;
mod legacy_display;
pub mod openpgp;
pub mod sealed;
mod seipd1;
pub mod smime;
pub mod trust;

use crate::mail::{Address, Outgoing, Protection, RawMessage, Submission, UnixTime};
use crate::mime::{self, KeyName, ParsedMessage};
use crate::policy::{Decision, Disposition, Verdict};
use base64::Engine as _;
pub use choose::Prefer;
use choose::choose;
use container::{Contents, Password, Passwords};
use header_protection::{For, HIDDEN_SUBJECT, Outer, OuterSubject, Payload, Subject, outer_of_signed, outer_with, payload};
use sealed::Sealed;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Where recipients' keys come from. Finished answers only: whoever has to ask a network does so before the walk.
pub trait FindKeys: Send + Sync {
    fn find(&self, recipient: &Address, at: UnixTime) -> LookUp;
}

/// What is known of one recipient's keys.
#[derive(Clone, Debug)]
pub enum LookUp {
    /// At least one key that may be used now, the preferred first.
    Usable(Vec<RecipientKey>),
    /// Proven absence; with the keys that were there and why each is refused.
    Absent(Vec<WhyNot>),
    /// There are keys, and which one is right only the operator can say: two that contradict each other, or one in the place of another
    /// that is still valid. No key to use, and no absence either: nothing that may be encrypted leaves in clear.
    Contested(Vec<WhyNot>),
    /// Nobody knows: the sender gets 451 4.4.3.
    Failed(String),
}

/// A recipient's key that was judged usable.
#[derive(Clone, Debug)]
pub enum RecipientKey {
    Smime(Arc<smime::RecipientCertificate>),
    Openpgp(Arc<openpgp::RecipientCertificate>),
}

impl RecipientKey {
    /// What sealed messages call it.
    fn names(&self) -> Vec<KeyName> {
        match self {
            RecipientKey::Smime(certificate) => certificate.names(),
            RecipientKey::Openpgp(certificate) => certificate.names(),
        }
    }

    /// Whether this address stands in the key.
    pub fn is_for(&self, recipient: &Address) -> bool {
        match self {
            RecipientKey::Smime(certificate) => certificate.addresses().contains(recipient),
            RecipientKey::Openpgp(certificate) => certificate.addresses().contains(recipient),
        }
    }
}

/// What sealed messages call the usable keys of these answers.
pub fn names_of<'k>(found: impl IntoIterator<Item = &'k LookUp>) -> BTreeSet<KeyName> {
    let usable = found.into_iter().flat_map(|look_up| match look_up {
        LookUp::Usable(keys) => keys.as_slice(),
        LookUp::Absent(_) | LookUp::Contested(_) | LookUp::Failed(_) => &[],
    });
    usable.flat_map(RecipientKey::names).collect()
}

/// One key that may not be used, in a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyNot {
    /// File name or source.
    pub source: String,
    pub reason: String,
}

/// The keys for the recipients of one message.
pub type Keys = BTreeMap<Address, LookUp>;

/// With what this sender's copies are signed.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    pub smime: Option<Arc<smime::Signer>>,
    pub openpgp: Option<Arc<openpgp::Signer>>,
}

/// What the operator decides about forms and limits.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// For a recipient who can read both forms, and for signing in clear.
    pub prefer: Prefer,
    /// In what a recipient without a key gets a message, where a policy says `if_no_key = "container"`.
    pub container: container::Form,
    /// A service that tells recipients without a key the password of their container, by another way than mail.
    pub password_hook: container::PasswordHook,
    /// Octets that may be sealed for one submission, all copies together; beyond it 552. 1,000 recipients of 25 MB would fill a disk.
    pub sealed_octets: u64,
    /// How S/MIME signatures are written, inside an encryption and outside.
    pub signature: smime::SignatureForm,
    pub rsa_signature: smime::RsaPadding,
    /// What the readers of addresses and domains understand beyond AES-256-CBC and PKCS#1 v1.5.
    pub capabilities: capabilities::Said,
    /// Bracketed words at the beginning of a Subject by which a sender asks for encryption, and which `strip_subject_tag` takes out.
    pub subject_tags: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            prefer: Prefer::default(),
            container: container::Form::default(),
            password_hook: container::PasswordHook::default(),
            sealed_octets: 1024 * 1024 * 1024,
            signature: smime::SignatureForm::default(),
            rsa_signature: smime::RsaPadding::default(),
            capabilities: capabilities::Said::new(),
            subject_tags: vec!["chiffrer".to_owned(), "encrypt".to_owned()],
        }
    }
}

/// Why a copy cannot be made: nothing of the submission leaves.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot protect the copy for {recipient}: {why}")]
pub struct CannotProtect {
    pub recipient: Address,
    /// For the log; no content of the message.
    pub why: String,
    pub cause: Cause,
}

/// What kind of obstacle it is, and with it the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nobody could say whether there is a key: 451 4.4.3.
    LookUpFailed,
    /// There is none, and the decision did not foresee it: 451 4.7.0.
    NoKey,
    /// Encryption, signature or rewriting failed: 451 4.7.0.
    Failed,
    /// [`Settings::sealed_octets`]: 552 5.3.4.
    TooLarge,
}

/// Why octets were not signed or sealed; no content of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotSeal(pub &'static str);

impl From<der::Error> for CannotSeal {
    fn from(_: der::Error) -> CannotSeal {
        CannotSeal("a structure could not be written in DER")
    }
}

/// Makes the copies, lazily: nothing is sealed before it is asked for, and only one sealed copy exists at a time. The first error is
/// the last item; whoever meets it sends nothing of the whole submission (451, or 552: [`CannotProtect::cause`]).
pub fn protect<'m>(
    submission: &'m Submission,
    message: &'m ParsedMessage<'m>,
    decision: &'m Decision,
    keys: &'m Keys,
    passwords: &'m Passwords,
    signers: &'m Signers,
    settings: &'m Settings,
) -> impl Iterator<Item = Result<Outgoing, CannotProtect>> + 'm {
    let mut copies = Copies {
        submission,
        message,
        signers,
        settings,
        redated: None,
        entity: None,
        outer: BTreeMap::new(),
        prepared: BTreeMap::new(),
        contents: BTreeMap::new(),
        plan: VecDeque::new(),
        sealed: 0,
    };
    let mut failed = None;
    match plan(submission, message, decision, keys, passwords, signers, settings) {
        Ok(plan) => copies.plan = plan,
        Err(why) => failed = Some(why),
    }
    if copies.plan.iter().any(Copy::is_written_anew) && !is_near(header_protection::date(message), submission.received_at) {
        match mime::write::with_field(message.raw, "Date", &submission.received_at.rfc5322()) {
            Ok(raw) => copies.redated = Some(raw),
            Err(_) => failed = failed.or_else(|| copies.cannot("the Date cannot be put right")),
        }
    }
    std::iter::from_fn(move || {
        if let Some(why) = failed.take() {
            return Some(Err(why));
        }
        let made = copies.make_next()?;
        if made.is_err() {
            copies.plan.clear();
        }
        Some(made)
    })
}

/// What one copy is to be. The two kinds never turn into each other.
enum Copy<'m> {
    /// For one recipient, to be encrypted to this key.
    Seal { recipient: &'m Address, key: &'m RecipientKey, tls: bool, heading: Heading },
    /// For one recipient without a key, under the password that is agreed with them.
    Lock { recipient: &'m Address, password: &'m Password, tls: bool, sign: bool, heading: Heading },
    /// For recipients none of whose verdicts requires encryption, or whose message the client sealed itself.
    Clear(MayBeClear<'m>),
}

/// What a sealed copy tells of its Subject, inside and outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Heading {
    strip_tag: bool,
    hide_subject: bool,
}

impl Copy<'_> {
    /// Signed or sealed by us; everything else leaves byte for byte.
    fn is_written_anew(&self) -> bool {
        match self {
            Copy::Seal { .. } | Copy::Lock { .. } => true,
            Copy::Clear(clear) => clear.how.sign,
        }
    }
}

/// Seconds by which a Date may differ from the receipt. Thunderbird takes a signature for a mismatch that is more than an hour from the
/// Date (measured: 50 minutes good, 2 hours bad), and a client's clock can be years off.
const NEAR: i64 = 3600;

fn is_near(date: Option<UnixTime>, received_at: UnixTime) -> bool {
    date.is_some_and(|date| date.0.abs_diff(received_at.0) <= NEAR.unsigned_abs())
}

/// Recipients who may get the message as it is. Made by [`MayBeClear::new`] only, which asks the verdict.
struct MayBeClear<'m> {
    recipients: Vec<&'m Address>,
    how: ClearForm,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct ClearForm {
    protection: Protection,
    tls: bool,
    sign: bool,
    strip_tag: bool,
    /// Encryption is required, and the client's seal covers the body only: its Subject is hidden as in our own sealed copies.
    hide_subject: bool,
    /// Not to be shared with another recipient.
    alone: bool,
}

impl<'m> MayBeClear<'m> {
    /// `None`: this verdict requires encryption and the client has not done it.
    fn new(verdict: &'m Verdict, sealed_by_client: bool, signed_by_client: bool) -> Option<MayBeClear<'m>> {
        let requires = verdict.requires;
        if requires.encrypt && !sealed_by_client {
            return None;
        }
        let how = ClearForm {
            protection: if sealed_by_client { Protection::Client } else { Protection::None },
            tls: requires.tls,
            // Who sealed it could sign it too, and a second signature around the client's says nothing more.
            sign: requires.sign && !signed_by_client && !sealed_by_client,
            strip_tag: requires.strip_subject_tag,
            hide_subject: requires.encrypt && requires.hide_subject,
            alone: requires.individual_copies,
        };
        Some(MayBeClear { recipients: vec![&verdict.recipient], how })
    }
}

fn plan<'m>(
    submission: &'m Submission,
    message: &'m ParsedMessage<'m>,
    decision: &'m Decision,
    keys: &'m Keys,
    passwords: &'m Passwords,
    signers: &'m Signers,
    settings: &'m Settings,
) -> Result<VecDeque<Copy<'m>>, CannotProtect> {
    let (sealed_by_client, signed_by_client) = (message.is_sealed_by_client(), message.is_signed_by_client());
    let mut plan: VecDeque<Copy<'m>> = VecDeque::new();
    for (at, recipient) in submission.recipients.iter().enumerate() {
        let cannot = |cause: Cause, why: &str| CannotProtect { recipient: recipient.clone(), why: why.to_owned(), cause };
        let verdict = match decision.verdicts.get(at) {
            Some(verdict) if verdict.recipient == *recipient => verdict,
            _ => return Err(cannot(Cause::Failed, "there is no verdict for this recipient")),
        };
        if decision.disposition != Disposition::Allow || verdict.disposition != Disposition::Allow {
            return Err(cannot(Cause::Failed, "the decision does not let it leave"));
        }
        let requires = verdict.requires;
        let heading = Heading { strip_tag: requires.strip_subject_tag, hide_subject: requires.hide_subject };
        let key = if sealed_by_client || !(requires.encrypt || requires.encrypt_if_possible) {
            None
        } else {
            match keys.get(recipient) {
                Some(LookUp::Usable(usable)) => match choose(usable, settings.prefer, signers) {
                    Some(key) => Some(key),
                    None => return Err(cannot(Cause::Failed, "no key can be used: S/MIME needs the sender's certificate")),
                },
                Some(LookUp::Absent(_)) if !requires.encrypt => None,
                Some(LookUp::Absent(_)) if !requires.to_key && passwords.contains_key(recipient) => None,
                Some(LookUp::Absent(_)) => {
                    return Err(cannot(Cause::NoKey, "encryption is required and there is no usable key"));
                }
                Some(LookUp::Contested(_)) => {
                    return Err(cannot(Cause::NoKey, "encryption is asked for, and nobody chose between contradicting keys"));
                }
                Some(LookUp::Failed(why)) => return Err(cannot(Cause::LookUpFailed, why)),
                None => return Err(cannot(Cause::LookUpFailed, "no key was looked up")),
            }
        };
        if let Some(key) = key {
            if !key.is_for(recipient) {
                return Err(cannot(Cause::Failed, "the key that was found is another's"));
            }
            if requires.sign && matches!(key, RecipientKey::Openpgp(_)) && signers.openpgp.is_none() && !signed_by_client {
                return Err(cannot(Cause::Failed, "a signature is required and the sender has no OpenPGP key"));
            }
            plan.push_back(Copy::Seal { recipient, key, tls: requires.tls, heading });
            continue;
        }
        if requires.encrypt && !requires.to_key && !sealed_by_client {
            // Only proven absence of a key comes here.
            let password = passwords.get(recipient);
            let password = password
                .ok_or_else(|| cannot(Cause::NoKey, "encryption is required, there is no usable key and no password"))?;
            let sign = requires.sign && !signed_by_client;
            if sign && signers.smime.is_none() && signers.openpgp.is_none() {
                return Err(cannot(Cause::Failed, "a signature is required and the sender has no key"));
            }
            plan.push_back(Copy::Lock { recipient, password, tls: requires.tls, sign, heading });
            continue;
        }
        let clear = MayBeClear::new(verdict, sealed_by_client, signed_by_client)
            .ok_or_else(|| cannot(Cause::NoKey, "encryption is required and there is no usable key"))?;
        if clear.how.sign && signers.smime.is_none() && signers.openpgp.is_none() {
            return Err(cannot(Cause::Failed, "a signature is required and the sender has no key"));
        }
        let shared = plan.iter_mut().find_map(|copy| match copy {
            Copy::Clear(other) if other.how == clear.how && !clear.how.alone => Some(other),
            _ => None,
        });
        match shared {
            Some(other) => other.recipients.extend(clear.recipients),
            None => plan.push_back(Copy::Clear(clear)),
        }
    }
    Ok(plan)
}

/// The copies still to be made, and what they share.
struct Copies<'m> {
    submission: &'m Submission,
    message: &'m ParsedMessage<'m>,
    signers: &'m Signers,
    settings: &'m Settings,
    plan: VecDeque<Copy<'m>>,
    /// The message with its Date put right, for what is signed or sealed; `None`: it was right.
    redated: Option<RawMessage>,
    /// The inner entity, made once.
    entity: Option<Vec<u8>>,
    outer: BTreeMap<Heading, Outer>,
    /// What is sealed, the same for all recipients of one form: for S/MIME signed already. By its heading.
    prepared: BTreeMap<(For, Heading), Vec<u8>>,
    /// What goes into containers, by whether it is signed.
    contents: BTreeMap<(bool, Heading), Contents>,
    sealed: u64,
}

impl<'m> Copies<'m> {
    fn make_next(&mut self) -> Option<Result<Outgoing, CannotProtect>> {
        let copy = self.plan.pop_front()?;
        let (recipient, made) = match copy {
            Copy::Seal { recipient, key, tls, heading } => (recipient, self.seal(recipient, key, tls, heading)),
            Copy::Lock { recipient, password, tls, sign, heading } => {
                (recipient, self.lock(recipient, password, tls, sign, heading))
            }
            Copy::Clear(clear) => (clear.recipients[0], self.clear(&clear)),
        };
        Some(made.map_err(|obstacle| match obstacle {
            Obstacle::Seal(CannotSeal(why)) => {
                CannotProtect { recipient: recipient.clone(), why: why.to_owned(), cause: Cause::Failed }
            }
            Obstacle::TooLarge => CannotProtect {
                recipient: recipient.clone(),
                why: "the copies of this message exceed what may be sealed for one submission".to_owned(),
                cause: Cause::TooLarge,
            },
        }))
    }

    fn cannot(&self, why: &str) -> Option<CannotProtect> {
        let recipient = self.submission.recipients.first()?.clone();
        Some(CannotProtect { recipient, why: why.to_owned(), cause: Cause::Failed })
    }

    fn seal(
        &mut self,
        recipient: &Address,
        key: &RecipientKey,
        requires_tls: bool,
        heading: Heading,
    ) -> Result<Outgoing, Obstacle> {
        let sealed = match key {
            RecipientKey::Smime(certificate) => {
                let capabilities = certificate.capabilities(recipient, &self.settings.capabilities);
                let content = self.prepared(For::SealedSmime, heading)?;
                let enveloped = cms::envelop_as(content, certificate, &capabilities)?;
                Sealed::smime(self.outer(heading)?, &enveloped)?
            }
            RecipientKey::Openpgp(certificate) => {
                let (signer, at) = (self.signers.openpgp.as_deref(), self.submission.received_at);
                let content = self.prepared(For::SealedOpenpgp, heading)?;
                let encrypted = openpgp::encrypt(content, certificate, signer, at)?;
                Sealed::openpgp(self.outer(heading)?, &encrypted)?
            }
        };
        self.leave(sealed, recipient, requires_tls)
    }

    fn lock(
        &mut self,
        recipient: &Address,
        password: &Password,
        requires_tls: bool,
        sign: bool,
        heading: Heading,
    ) -> Result<Outgoing, Obstacle> {
        if !self.contents.contains_key(&(sign, heading)) {
            let original = if sign { self.signed_in_clear(heading.strip_tag)? } else { self.as_written(heading.strip_tag)? };
            self.contents.insert((sign, heading), Contents::of(&original, self.submission.language)?);
        }
        let contents = self.contents.get(&(sign, heading)).ok_or(CannotSeal("the contents of the container are missing"))?;
        let locked = container::lock(contents, self.settings.container, password)?;
        let sealed = Sealed::container(self.outer(heading)?, &locked, password.language)?;
        self.leave(sealed, recipient, requires_tls)
    }

    /// Within what may be sealed for one submission.
    fn leave(&mut self, sealed: Sealed, recipient: &Address, requires_tls: bool) -> Result<Outgoing, Obstacle> {
        self.sealed = self.sealed.saturating_add(sealed.octets());
        if self.sealed > self.settings.sealed_octets {
            return Err(Obstacle::TooLarge);
        }
        Ok(sealed.to(recipient.clone(), self.submission.mail_from.clone(), requires_tls))
    }

    fn clear(&mut self, clear: &MayBeClear<'_>) -> Result<Outgoing, Obstacle> {
        let raw = if clear.how.sign {
            self.signed_in_clear(clear.how.strip_tag)?
        } else if clear.how.hide_subject
            && self.message.subject().is_some_and(|subject| subject.contains(char::is_alphanumeric))
        {
            let hidden = String::from_utf8_lossy(HIDDEN_SUBJECT);
            mime::write::replace_subject(&self.without_request()?, hidden.trim())
                .map_err(|_| CannotSeal("the Subject cannot be hidden"))?
        } else {
            self.as_written(clear.how.strip_tag)?
        };
        Ok(Outgoing {
            mail_from: self.submission.mail_from.clone(),
            recipients: clear.recipients.iter().map(|&recipient| recipient.clone()).collect(),
            raw,
            protection: clear.how.protection,
            requires_tls: clear.how.tls,
            transport: Default::default(),
        })
    }

    /// The message as its author wrote it, but for what was meant for us.
    fn as_written(&self, strip_tag: bool) -> Result<RawMessage, CannotSeal> {
        let raw = self.without_request()?;
        match self.subject_without_tag(strip_tag) {
            Some(subject) => mime::write::replace_subject(&raw, subject.text())
                .map_err(|_| CannotSeal("the Subject cannot be written without its tag")),
            None => Ok(raw),
        }
    }

    /// Without the field by which the sender asked for encryption.
    fn without_request(&self) -> Result<RawMessage, CannotSeal> {
        mime::write::without_field(self.message.raw, mime::write::ASKS_ENCRYPTION)
            .map_err(|_| CannotSeal("a header field that was meant for the gate cannot be taken out"))
    }

    fn signed_in_clear(&mut self, strip_tag: bool) -> Result<RawMessage, Obstacle> {
        let payload = self.payload(For::Signed, Heading { strip_tag, hide_subject: false })?;
        let signed = match (&self.signers.smime, &self.signers.openpgp, self.settings.prefer) {
            (Some(signer), None, _) | (Some(signer), Some(_), Prefer::Smime) => self.sign_smime(payload.as_bytes(), signer)?,
            (None, Some(signer), _) | (Some(_), Some(signer), Prefer::Openpgp) => {
                openpgp::sign(payload.as_bytes(), signer, self.submission.received_at)?
            }
            (None, None, _) => return Err(CannotSeal("a signature is required and the sender has no key").into()),
        };
        let subject = self.subject_without_tag(strip_tag);
        let mut octets = self.on_message(|message| Ok(outer_of_signed(message, subject.as_ref())))?;
        octets.extend_from_slice(&signed);
        Ok(RawMessage::new(octets).map_err(|_| CannotSeal("the signed copy has bare line ends"))?)
    }

    /// What goes into the encryption, made for the first recipient of its form. Inside S/MIME it is signed always, because CBC is
    /// malleable; OpenPGP signs and encrypts in one go.
    fn prepared(&mut self, purpose: For, heading: Heading) -> Result<&[u8], CannotSeal> {
        if !self.prepared.contains_key(&(purpose, heading)) {
            let payload = self.payload(purpose, heading)?.into_bytes();
            let content = match purpose {
                For::SealedSmime => {
                    let signer = self.signers.smime.as_deref().ok_or(CannotSeal("S/MIME needs the sender's certificate"))?;
                    self.sign_smime(&payload, signer)?
                }
                For::SealedOpenpgp | For::Signed => payload,
            };
            self.prepared.insert((purpose, heading), content);
        }
        self.prepared.get(&(purpose, heading)).map(Vec::as_slice).ok_or(CannotSeal("the payload is missing"))
    }

    fn payload(&mut self, purpose: For, heading: Heading) -> Result<Payload, CannotSeal> {
        if self.entity.is_none() {
            let entity = mime::write::entity_for_sealing(self.message)
                .map_err(|_| CannotSeal("an entity that the client signed would have to be rewritten"))?;
            self.entity = Some(entity.octets(b""));
        }
        let subject = self.subject_without_tag(heading.strip_tag);
        let entity = self.entity.as_deref().ok_or(CannotSeal("the entity to seal is missing"))?;
        let signed_by_client = self.message.is_signed_by_client();
        let payload = self.on_message(|message| {
            let outer = outer_with(message, outer_subject(heading, subject.as_ref()));
            payload(message, entity, signed_by_client, subject.as_ref(), &outer, purpose)
        })?;
        // RFC 8551 §3.1.2, RFC 3156 §3: whatever is not 7-bit is re-encoded on the way, and the seal is broken.
        if payload.as_bytes().is_ascii() { Ok(payload) } else { Err(CannotSeal("the payload is not 7-bit")) }
    }

    fn outer(&mut self, heading: Heading) -> Result<&Outer, CannotSeal> {
        if !self.outer.contains_key(&heading) {
            let subject = self.subject_without_tag(heading.strip_tag);
            let outer = self.on_message(|message| Ok(outer_with(message, outer_subject(heading, subject.as_ref()))))?;
            self.outer.insert(heading, outer);
        }
        self.outer.get(&heading).ok_or(CannotSeal("the clear header is missing"))
    }

    /// The message as it is signed and sealed: with its Date put right.
    fn on_message<T>(&self, look: impl FnOnce(&ParsedMessage<'_>) -> Result<T, CannotSeal>) -> Result<T, CannotSeal> {
        match &self.redated {
            None => look(self.message),
            Some(raw) => {
                let limits = mime::Limits::default();
                look(&mime::parse(raw, &limits).map_err(|_| CannotSeal("the message with its Date put right cannot be read"))?)
            }
        }
    }

    fn sign_smime(&self, payload: &[u8], signer: &smime::Signer) -> Result<Vec<u8>, CannotSeal> {
        let at = self.signing_time(signer)?;
        smime::sign_as(payload, signer, at, self.settings.signature, self.settings.rsa_signature)
    }

    /// The Date field's moment: Thunderbird calls a signature a mismatch that is more than an hour from it (measured), and mail can
    /// leave quarantine hours later. Only where the certificate is not valid then, the moment of submission.
    fn signing_time(&self, signer: &smime::Signer) -> Result<UnixTime, CannotSeal> {
        let date = self.on_message(|message| Ok(header_protection::date(message)))?;
        Ok(date.filter(|&at| signer.is_valid_at(at)).unwrap_or(self.submission.received_at))
    }

    /// `None`: it stays as it is.
    fn subject_without_tag(&self, strip_tag: bool) -> Option<Subject> {
        if !strip_tag {
            return None;
        }
        let subject = self.message.subject()?;
        let stripped = self.settings.subject_tags.iter().find_map(|tag| mime::write::remove_subject_tag(&subject, tag));
        stripped.map(Subject::new)
    }
}

fn outer_subject<'s>(heading: Heading, stripped: Option<&'s Subject>) -> OuterSubject<'s> {
    if heading.hide_subject { OuterSubject::Hidden } else { OuterSubject::Shown(stripped) }
}

/// What stands in the way of one copy.
enum Obstacle {
    Seal(CannotSeal),
    TooLarge,
}

impl From<CannotSeal> for Obstacle {
    fn from(why: CannotSeal) -> Obstacle {
        Obstacle::Seal(why)
    }
}

/// Base64 in lines of 76 characters, each with its CRLF (RFC 2045 §6.8).
fn to_base64_lines(octets: &[u8], out: &mut Vec<u8>) {
    /// Octets that make 76 characters.
    const LINE: usize = 57;
    let mut line = [0u8; LINE / 3 * 4];
    out.reserve(octets.len() / LINE * 78 + 80);
    for chunk in octets.chunks(LINE) {
        // 57 octets always fit into 76 characters.
        if let Ok(written) = base64::engine::general_purpose::STANDARD.encode_slice(chunk, &mut line) {
            out.extend_from_slice(&line[..written]);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// A boundary that no author can have put into the content, because it is thrown afterwards: 128 random bits. Hashing the content would do
/// as well, and cost a pass over all of it; that is left for when there are no random octets. `=_` never occurs in base64 or
/// quoted-printable (RFC 2045 §6.7).
fn boundary_for(content: &[u8]) -> String {
    let mut thrown = [0u8; 16];
    if aws_lc_rs::rand::fill(&mut thrown).is_err() {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
        thrown.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    }
    thrown.iter().fold(String::from("=_postern_"), |text, octet| text + &format!("{octet:02x}"))
}

#[cfg(test)]
use header_protection::outer;
#[cfg(test)]
mod tests;
