//! Turns what happened to a message into a mail that its sender understands.
//!
//! Every mail here is built from fixed texts, addresses, times, references, short causes of policies and, in delivery reports, the
//! upstream's reply made harmless. Neither Subject nor body nor file names of the message are ever quoted; a delivery report holds
//! the header of the copy as it was queued, whose Subject is the protected one where it was encrypted. All leave with the null
//! reverse-path, so that they are never answered by a machine, and only to addresses of our own domains.

mod report;
#[cfg(test)]
mod tests;
mod texts;

use crate::mail::{Address, Domain, Language, Outgoing, Protection, RawMessage, Reference, UnixTime};
use crate::policy::Bilingual;
use mail_builder::MessageBuilder;
use mail_builder::headers::HeaderType;
use mail_builder::headers::address::Address as Mailbox;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::MimePart;
use texts::Words;

pub use report::{Action, Copy, Outcome, report};

/// Recipients named in a notice; further ones are counted.
const NAMED: usize = 20;
/// Causes named in a notice.
const CAUSES: usize = 5;

/// Who writes, when, in which language.
#[derive(Clone, Copy, Debug)]
pub struct Letterhead<'a> {
    /// The gate's name: in Message-ID and Reporting-MTA.
    pub hostname: &'a Domain,
    /// The From, where a person reads answers: `postmaster@example.org`.
    pub postmaster: &'a Address,
    /// Our own domains. To anybody else nothing is written: a gate that answers strangers is a source of backscatter.
    pub inside: &'a [Domain],
    pub language: Language,
    pub now: UnixTime,
    /// A roll of [`crate::world::Dice`], for the Message-ID and the MIME boundary.
    pub number: u64,
}

/// The message a notice is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// To whom the notice goes: the message's MAIL FROM.
    pub sender: Option<&'a Address>,
    pub reference: Reference,
    /// When it was handed in.
    pub at: UnixTime,
    pub recipients: &'a [Address],
}

/// Why no notice was written. The first two are no failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoNotice {
    #[error("a message with the null reverse-path is never answered (RFC 5321 §6.1)")]
    NullSender,
    #[error("the sender is not of our own domains")]
    Outside,
    #[error("the notice could not be written")]
    CannotWrite,
}

/// "Your message waits for a person": reference, what kind of thing, what happens next. Never the value.
pub fn held(
    head: &Letterhead<'_>,
    about: &About<'_>,
    causes: &[Bilingual],
    expires_after_days: u32,
) -> Result<Outgoing, NoNotice> {
    let words = Words::of(head.language);
    let causes = pick(causes, head.language);
    let text = words.held(&line_of(head, about), &causes, expires_after_days, head.postmaster);
    notice(head, about, words.held_subject(), &text)
}

/// "Your message was refused by a person."
pub fn rejected(head: &Letterhead<'_>, about: &About<'_>) -> Result<Outgoing, NoNotice> {
    let words = Words::of(head.language);
    notice(head, about, words.rejected_subject(), &words.rejected(&line_of(head, about), head.postmaster))
}

/// "Your message has been released and is on its way."
pub fn released(head: &Letterhead<'_>, about: &About<'_>) -> Result<Outgoing, NoNotice> {
    let words = Words::of(head.language);
    notice(head, about, words.released_subject(), &words.released(&line_of(head, about)))
}

/// "Nobody decided in time; your message was dropped."
pub fn hold_expired(head: &Letterhead<'_>, about: &About<'_>) -> Result<Outgoing, NoNotice> {
    let words = Words::of(head.language);
    notice(head, about, words.hold_expired_subject(), &words.hold_expired(&line_of(head, about), head.postmaster))
}

/// "Your message arrived under a password, and the password could not be told to its recipient."
pub fn password_not_told(head: &Letterhead<'_>, about: &About<'_>) -> Result<Outgoing, NoNotice> {
    let words = Words::of(head.language);
    let text = words.password_not_told(&line_of(head, about), head.postmaster);
    notice(head, about, words.password_not_told_subject(), &text)
}

/// What every notice says of the message.
struct Described {
    reference: Reference,
    at: String,
    recipients: Vec<String>,
    others: usize,
}

fn line_of(head: &Letterhead<'_>, about: &About<'_>) -> Described {
    let recipients: Vec<String> = about.recipients.iter().take(NAMED).map(Address::to_string).collect();
    let others = about.recipients.len() - recipients.len();
    Described { reference: about.reference, at: Words::of(head.language).time(about.at), recipients, others }
}

fn pick(causes: &[Bilingual], language: Language) -> Vec<String> {
    let mut picked: Vec<String> = Vec::new();
    for cause in causes {
        let words = match language {
            Language::Fr => &cause.fr,
            Language::En => &cause.en,
        };
        let words: String = words.chars().filter(|c| !c.is_control()).take(200).collect();
        if !words.is_empty() && !picked.contains(&words) && picked.len() < CAUSES {
            picked.push(words);
        }
    }
    picked
}

fn notice(head: &Letterhead<'_>, about: &About<'_>, subject: &str, text: &str) -> Result<Outgoing, NoNotice> {
    let body = MimePart::new("text/plain", crlf(text));
    write(head, about.sender, subject, about.reference, body)
}

/// The one place where a mail of the gate is made. `subject` is a fixed text.
fn write(
    head: &Letterhead<'_>,
    sender: Option<&Address>,
    subject: &str,
    reference: Reference,
    body: MimePart<'_>,
) -> Result<Outgoing, NoNotice> {
    let to = sender.ok_or(NoNotice::NullSender)?;
    if !head.inside.iter().any(|domain| to.domain().is_within(domain)) {
        return Err(NoNotice::Outside);
    }
    let raw = |value: &str| HeaderType::Raw(Raw::new(value.to_owned()));
    let octets = MessageBuilder::new()
        .header("From", Mailbox::new_address(Some("postern"), head.postmaster.to_string()))
        .header("To", raw(&to.to_string()))
        .subject(format!("{subject} ({reference})"))
        .header("Date", raw(&head.now.rfc5322()))
        .message_id(format!("{:016x}.{reference}@{}", head.number, head.hostname))
        .header("Auto-Submitted", raw("auto-replied"))
        .header("X-Auto-Response-Suppress", raw("All"))
        .header("Content-Language", raw(Words::of(head.language).tag()))
        .body(body)
        .write_to_vec()
        .map_err(|_| NoNotice::CannotWrite)?;
    Ok(Outgoing {
        mail_from: None,
        recipients: vec![to.clone()],
        raw: RawMessage::new(octets).map_err(|_| NoNotice::CannotWrite)?,
        protection: Protection::None,
        requires_tls: false,
        transport: Default::default(),
    })
}

fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}
