//! Turns the fate of some recipients into a delivery report (RFC 3464, RFC 6522) that people and programs can read.

use super::texts::Words;
use super::{Letterhead, NoNotice, crlf, write};
use crate::mail::{Address, Outgoing, RawMessage, Reference, Transport, UnixTime};
use crate::smtp::parameters::unicode_xtext;
use mail_builder::headers::content_type::ContentType;
use mail_builder::mime::{BodyPart, MimePart};

/// Octets quoted of the copy's header section, cut at a line.
const HEADER_OCTETS: usize = 32 << 10;
/// RFC 5322 §2.1.1, without CRLF.
const LINE_OCTETS: usize = 998;
/// Octets quoted of a reply.
const REPLY_OCTETS: usize = 512;

/// Failed for good, not yet delivered, or handed to a server that will not tell more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Failed,
    /// It is tried until then.
    Delayed {
        until: UnixTime,
    },
    /// RFC 3461 §5.2.2, RFC 3464 §2.3.3.
    Relayed,
}

/// Why a recipient has not got it. The texts are the upstream's last words; what is not printable ASCII in them is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream's 5yz.
    Refused(String),
    /// The time was up.
    Expired(String),
    /// The stored copy was damaged.
    Damaged,
    /// For [`Action::Delayed`]: the last reason.
    NotYet(String),
    /// For [`Action::Relayed`]: the upstream's reply.
    Taken(String),
}

/// The queued copy that the report is about.
#[derive(Clone, Copy, Debug)]
pub struct Copy<'a> {
    /// To whom the report goes: the copy's MAIL FROM.
    pub sender: Option<&'a Address>,
    pub reference: Reference,
    pub queued_at: UnixTime,
    /// The copy as it is queued; only its header section is quoted. `None` when it is damaged.
    pub raw: Option<&'a RawMessage>,
    /// What its sender called it (ENVID) and its recipients (ORCPT).
    pub asked: Option<&'a Transport>,
}

/// The report about `recipients` (not empty) of one copy, all of the same `action`.
pub fn report(
    head: &Letterhead<'_>,
    copy: &Copy<'_>,
    action: Action,
    recipients: &[(Address, Outcome)],
) -> Result<Outgoing, NoNotice> {
    let words = Words::of(head.language);
    let subject = match action {
        Action::Failed => words.failed_subject(),
        Action::Delayed { .. } => words.delayed_subject(),
        Action::Relayed => words.relayed_subject(),
    };
    let mut parts = vec![
        MimePart::new("text/plain", crlf(&for_people(head, copy, action, recipients))),
        plain("message/delivery-status", for_programs(head, copy, action, recipients)),
    ];
    if let Some(raw) = copy.raw {
        parts.push(match std::str::from_utf8(raw.header()) {
            // RFC 6533 §4. In base64, so that the report can go where the message could not.
            Ok(header) if !header.is_ascii() => {
                MimePart::new(ContentType::new("message/global-headers"), BodyPart::Binary(header_of(raw).into_bytes().into()))
            }
            _ => plain("text/rfc822-headers", header_of(raw)),
        });
    }
    let kind = ContentType::new("multipart/report")
        .attribute("report-type", "delivery-status")
        .attribute("boundary", format!("=_{:016x}_{}", head.number, copy.reference));
    write(head, copy.sender, subject, copy.reference, MimePart::new(kind, BodyPart::Multipart(parts)))
}

/// A part of short ASCII lines, which needs no encoding (RFC 3464 §2.1 asks for none).
fn plain(kind: &'static str, text: String) -> MimePart<'static> {
    MimePart::new(ContentType::new(kind), BodyPart::Binary(text.into_bytes().into())).transfer_encoding("7bit")
}

fn for_people(head: &Letterhead<'_>, copy: &Copy<'_>, action: Action, recipients: &[(Address, Outcome)]) -> String {
    let words = Words::of(head.language);
    let mut text = match action {
        Action::Failed => words.failed_opening().to_owned(),
        Action::Delayed { until } => words.delayed_opening(&words.time(until)),
        Action::Relayed => words.relayed_opening().to_owned(),
    };
    text.push_str("\n\n");
    for (address, outcome) in recipients {
        let why = match outcome {
            Outcome::Refused(reply) if matches!(status(action, outcome).as_str(), "5.6.7" | "5.6.9") => {
                format!("{}\n    {}", words.not_international(), words.refused_by_upstream(&harmless(reply)))
            }
            Outcome::Refused(reply) | Outcome::Taken(reply) => words.refused_by_upstream(&harmless(reply)),
            Outcome::Expired(why) => words.out_of_time(&harmless(why)),
            Outcome::Damaged => words.damaged().to_owned(),
            Outcome::NotYet(why) => words.not_yet(&harmless(why)),
        };
        text.push_str(&format!("  {address}\n    {why}\n"));
    }
    text.push('\n');
    text.push_str(&words.sent_at(&copy.reference.to_string(), &words.time(copy.queued_at)));
    text.push('\n');
    text.push_str(&words.closing(head.postmaster));
    text
}

fn for_programs(head: &Letterhead<'_>, copy: &Copy<'_>, action: Action, recipients: &[(Address, Outcome)]) -> String {
    let envid = copy.asked.and_then(|asked| asked.envid.as_deref());
    let mut text = envid.map_or(String::new(), |envid| format!("Original-Envelope-Id: {}\r\n", harmless(envid)));
    text.push_str(&format!(
        "Reporting-MTA: dns; {}\r\nX-Postern-Reference: {}\r\nArrival-Date: {}\r\n",
        head.hostname,
        copy.reference,
        copy.queued_at.rfc5322()
    ));
    for (address, outcome) in recipients {
        let word = match action {
            Action::Failed => "failed",
            Action::Delayed { .. } => "delayed",
            Action::Relayed => "relayed",
        };
        text.push_str("\r\n");
        let original = copy.asked.and_then(|asked| asked.reports.get(address)?.original.as_ref());
        if let Some((kind, original)) = original {
            text.push_str(&format!("Original-Recipient: {}\r\n", typed(kind, original)));
        }
        let kind = if address.is_ascii() { "rfc822" } else { "utf-8" };
        text.push_str(&format!("Final-Recipient: {}\r\nAction: {word}\r\n", typed(kind, &address.to_string())));
        text.push_str(&format!("Status: {}\r\n", status(action, outcome)));
        if let Some(reply) = reply(outcome) {
            text.push_str(&format!("Diagnostic-Code: smtp; {reply}\r\n"));
        }
        text.push_str(&format!("Last-Attempt-Date: {}\r\n", head.now.rfc5322()));
        if let Action::Delayed { until } = action {
            text.push_str(&format!("Will-Retry-Until: {}\r\n", until.rfc5322()));
        }
    }
    text
}

/// RFC 3464 §2.3.1; `utf-8` in ASCII as RFC 6533 §3 has it.
fn typed(kind: &str, address: &str) -> String {
    if kind == "utf-8" { format!("utf-8; {}", unicode_xtext(address)) } else { format!("{kind}; {}", harmless(address)) }
}

/// RFC 3463: the upstream's own code where it is of the right class, else ours.
fn status(action: Action, outcome: &Outcome) -> String {
    let class = match action {
        Action::Failed => '5',
        Action::Delayed { .. } => '4',
        Action::Relayed => '2',
    };
    match outcome {
        Outcome::Expired(_) => "5.4.7".into(),
        Outcome::Damaged => "5.3.0".into(),
        Outcome::Refused(reply) | Outcome::NotYet(reply) | Outcome::Taken(reply) => {
            let found = reply.split([' ', '-']).nth(1).filter(|code| code.starts_with(class) && is_status(code));
            found.map_or(format!("{class}.0.0"), str::to_owned)
        }
    }
}

fn is_status(code: &str) -> bool {
    let mut parts = code.split('.');
    let class = parts.next().is_some_and(|part| part.len() == 1);
    let rest: Vec<&str> = parts.collect();
    class
        && rest.len() == 2
        && rest.iter().all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
}

/// Only what begins like a reply is one (RFC 3464 §2.3.6); our own words about a lost connection are not.
fn reply(outcome: &Outcome) -> Option<String> {
    let (Outcome::Refused(text) | Outcome::Expired(text) | Outcome::NotYet(text) | Outcome::Taken(text)) = outcome else {
        return None;
    };
    let digits = text.get(..3).is_some_and(|code| code.bytes().all(|b| b.is_ascii_digit()));
    (digits && matches!(text.as_bytes().get(3), None | Some(b' ' | b'-'))).then(|| harmless(text))
}

fn harmless(text: &str) -> String {
    text.chars().take(REPLY_OCTETS).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

/// The header section of the queued copy: never its body.
fn header_of(raw: &RawMessage) -> String {
    let mut text = String::new();
    let whole = std::str::from_utf8(raw.header());
    for line in raw.header().split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = &line[..line.len().min(LINE_OCTETS)];
        // A message may lack the empty line; what looks like no field is body then, and stays out.
        if !is_field(line, !text.is_empty()) || text.len() + line.len() > HEADER_OCTETS {
            break;
        }
        // What is not UTF-8 throughout goes into a part that is declared 7bit.
        match whole {
            Ok(_) => text.push_str(&String::from_utf8_lossy(line)),
            Err(_) => text.extend(line.iter().map(|octet| if octet.is_ascii() { char::from(*octet) } else { '?' })),
        }
        text.push_str("\r\n");
    }
    text
}

/// RFC 5322 §2.2: a name of printable octets and a colon, or a folded line of the field before.
fn is_field(line: &[u8], continues: bool) -> bool {
    if continues && matches!(line.first(), Some(b' ' | b'\t')) {
        return true;
    }
    let name = line.split(|octet| *octet == b':').next().unwrap_or_default();
    name.len() < line.len() && !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}
