//! Turns what happened to a message into a mail that its sender understands.
//!
//! Every mail here is built from fixed texts, addresses, times, references, short causes of policies and, in delivery reports, the
//! upstream's reply made harmless. Neither Subject nor body nor file names of the message are ever quoted; a delivery report holds
//! the header of the copy as it was queued, whose Subject is the protected one where it was encrypted. All leave with the null
//! reverse-path, so that they are never answered by a machine, and only to addresses of our own domains.

mod lesson;
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

pub use lesson::{Learned, Lesson, Spot, Why, of_place, spot_of};
pub use report::{Action, Copy, Outcome, report};
pub use texts::{TextError, TextFile, Texts, TextsInForce, Value};

/// Recipients named in a notice; further ones are counted.
const NAMED: usize = 20;
/// Causes named in a notice.
const CAUSES: usize = 5;

/// `[coaching]` of the configuration: who is told by mail why a message did not leave, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// After a refusal by a policy: clients cut the SMTP reply, which is all that the sender sees otherwise.
    pub refused: bool,
    /// In the notice of a held message, which is sent in any case: what was found, why it matters, what to do.
    pub held: bool,
    /// Notices of refusals that one sender gets within an hour, at most; further refusals are told by the SMTP reply alone.
    pub per_hour: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { refused: true, held: true, per_hour: 10 }
    }
}

/// Who writes, when, in which language.
#[derive(Clone, Copy, Debug)]
pub struct Letterhead<'a> {
    /// The sentences in force.
    pub texts: &'a Texts,
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
pub fn held(head: &Letterhead<'_>, about: &About<'_>, hold: &Hold<'_>) -> Result<Outgoing, NoNotice> {
    let asked = if hold.asked { "yes" } else { "no" };
    let mut text = paragraphs(head, about, "held", &[("asked", asked.into())]);
    match hold.lesson {
        Some(lesson) => text.push(lesson::written(head, lesson)),
        None => text.extend(causes(head, "held-causes", hold.causes)),
    }
    text.push(head.say("held-next", &[("days", usize::try_from(hold.expires_after_days).unwrap_or(usize::MAX).into())]));
    notice(head, about, "held-subject", text, true)
}

/// What a sender is told of a hold.
#[derive(Clone, Copy, Debug)]
pub struct Hold<'a> {
    pub causes: &'a [Bilingual],
    /// The sender asked for a person's look instead of a refusal.
    pub asked: bool,
    pub expires_after_days: u32,
    /// `None`: the causes alone.
    pub lesson: Option<&'a Lesson>,
}

/// "Your message was refused": what was found where, why it matters, what to do. Never the value, never a file's name.
pub fn refused(head: &Letterhead<'_>, about: &About<'_>, lesson: &Lesson) -> Result<Outgoing, NoNotice> {
    let mut text = paragraphs(head, about, "refused", &[]);
    text.push(lesson::written(head, lesson));
    notice(head, about, "refused-subject", text, true)
}

/// "Your message was refused by a person."
pub fn rejected(head: &Letterhead<'_>, about: &About<'_>) -> Result<Outgoing, NoNotice> {
    notice(head, about, "rejected-subject", paragraphs(head, about, "rejected", &[]), true)
}

/// "Your message has been released and is on its way."
pub fn released(head: &Letterhead<'_>, about: &About<'_>) -> Result<Outgoing, NoNotice> {
    notice(head, about, "released-subject", paragraphs(head, about, "released", &[]), false)
}

/// "Nobody decided in time; your message was dropped."
pub fn hold_expired(head: &Letterhead<'_>, about: &About<'_>) -> Result<Outgoing, NoNotice> {
    notice(head, about, "hold-expired-subject", paragraphs(head, about, "hold-expired", &[]), true)
}

/// "Your message arrived under a password, and the password could not be told to its recipient."
pub fn password_not_told(head: &Letterhead<'_>, about: &About<'_>) -> Result<Outgoing, NoNotice> {
    notice(head, about, "password-not-told-subject", paragraphs(head, about, "password-not-told", &[]), true)
}

impl Letterhead<'_> {
    fn say(&self, id: &str, values: &[(&str, Value<'_>)]) -> String {
        self.texts.say(self.language, id, values)
    }

    /// Reference and moment of a message.
    fn described(&self, reference: Reference, at: UnixTime) -> String {
        let (reference, at) = (reference.to_string(), self.texts.moment(self.language, at));
        self.say("message-described", &[("reference", (&reference).into()), ("at", (&at).into())])
    }

    fn closing(&self) -> String {
        self.say("closing", &[("postmaster", (&self.postmaster.to_string()).into())])
    }
}

/// The text `id`, in which `{ $described }` is the message: reference, moment, recipients.
fn paragraphs(head: &Letterhead<'_>, about: &About<'_>, id: &str, more: &[(&str, Value<'_>)]) -> Vec<String> {
    let mut described = vec![head.described(about.reference, about.at), head.say("recipients-heading", &[])];
    described.extend(about.recipients.iter().take(NAMED).map(|recipient| format!("  {recipient}")));
    let others = about.recipients.len().saturating_sub(NAMED);
    if others > 0 {
        described.push(head.say("recipients-others", &[("count", others.into())]));
    }
    let described = described.join("\n");
    let mut values = vec![("described", Value::from(&described))];
    values.extend_from_slice(more);
    vec![head.say(id, &values)]
}

/// The causes under their heading; `None` when there are none.
fn causes(head: &Letterhead<'_>, heading: &str, causes: &[Bilingual]) -> Option<String> {
    let causes = pick(causes, head.language);
    if causes.is_empty() {
        return None;
    }
    let lines = causes.iter().map(|cause| format!("\n  {cause}"));
    Some(head.say(heading, &[]) + &lines.collect::<String>())
}

fn of_language(words: &Bilingual, language: Language) -> &str {
    match language {
        Language::Fr => &words.fr,
        Language::En => &words.en,
    }
}

fn pick(causes: &[Bilingual], language: Language) -> Vec<String> {
    let mut picked: Vec<String> = Vec::new();
    for cause in causes {
        let words: String = of_language(cause, language).chars().filter(|c| !c.is_control()).take(200).collect();
        if !words.is_empty() && !picked.contains(&words) && picked.len() < CAUSES {
            picked.push(words);
        }
    }
    picked
}

fn notice(
    head: &Letterhead<'_>,
    about: &About<'_>,
    subject: &str,
    mut text: Vec<String>,
    closing: bool,
) -> Result<Outgoing, NoNotice> {
    if closing {
        text.push(head.closing());
    }
    let body = MimePart::new("text/plain", crlf(&(text.join("\n\n") + "\n")));
    write(head, about.sender, subject, about.reference, body)
}

/// The one place where a mail of the gate is made. `subject` names a text.
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
        .subject(format!("{} ({reference})", one_line(&head.say(subject, &[]))))
        .header("Date", raw(&head.now.rfc5322()))
        .message_id(format!("{:016x}.{reference}@{}", head.number, head.hostname))
        .header("Auto-Submitted", raw("auto-replied"))
        .header("X-Auto-Response-Suppress", raw("All"))
        .header("Content-Language", raw(tag(head.language)))
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

/// RFC 5646.
fn tag(language: Language) -> &'static str {
    match language {
        Language::Fr => "fr",
        Language::En => "en",
    }
}

/// An administration's text may have lines; a Subject has none.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}
