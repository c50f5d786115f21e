//! Turns a well-formed answer that is no success into whom it is about: this message, or the way it was handed over.

use super::Command;
use super::answer::Answer;

/// What an answer that is no success means for the recipients it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// This recipient or this message: final.
    Message,
    /// Too many recipients at once: another transaction can take the rest.
    Load,
    /// How the gate speaks or is known to the upstream: the operator has to act, and no sender is told that the mail failed.
    Gate,
}

/// Only a syntactically valid 5yz about this recipient or message is final; RFC 5321 §4.2.2 orders codes by their second digit.
///
/// | answer | about |
/// |---|---|
/// | 50z syntax, unknown or misplaced command | gate: the upstream and we do not understand each other |
/// | 501 to MAIL or RCPT, unless 5.5.z says protocol | message: it speaks of the address in it |
/// | 52z | gate: the channel or the whole host (RFC 7504) |
/// | 53z, 5.7.8, 5.7.9, 5.7.11, 5.7.14 | gate: authentication or encryption is missing (RFC 4954 §6, RFC 5248) |
/// | 452, 552 to RCPT, bare or x.5.3 | load: too many recipients (RFC 5321 §4.5.3.1.10 has 552 taken for 452) |
/// | 554, 555 with 5.5.1, 5.5.2, 5.5.4; 555 | gate: protocol |
/// | 5.3.2, 5.3.5 | gate: the whole upstream is shut or set up wrongly |
/// | every other 5yz | message |
pub(super) fn about(command: Command, answer: &Answer) -> About {
    let enhanced = answer.enhanced.unwrap_or_default();
    match (answer.code, enhanced) {
        (_, [5, 7, 8 | 9 | 11 | 14] | [5, 3, 2 | 5]) => About::Gate,
        (452 | 552, [0, ..] | [_, 5, 3]) if matches!(command, Command::Recipient(_)) => About::Load,
        (501 | 554 | 555, [5, 5, 1 | 2 | 4]) => About::Gate,
        (501, _) if matches!(command, Command::Mail | Command::Recipient(_)) => About::Message,
        (500..=509 | 520..=539 | 555, _) => About::Gate,
        _ => About::Message,
    }
}
