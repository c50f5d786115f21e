//! Turns a copy and an upstream's capabilities into the commands of one transaction, and its answers into one outcome per recipient.
//!
//! A machine without input or output: [`Transaction::step`] says what to write or that an answer is to be read,
//! [`Transaction::answered`] takes that answer. A nonsensical upstream is never the reason for a bounce: only a syntactically valid
//! 5yz about this recipient or this message is final (the table is at `verdict::about`); whatever else happens is for later.

pub mod answer;
mod capabilities;
pub mod stuffing;
mod verdict;

pub use answer::{Answer, Answers, Kind, Nonsense};
pub use capabilities::Capabilities;
pub use stuffing::{Stuffed, stuffed};

use super::parameters;
use crate::mail::{Address, BodyType, Outgoing, Return};
use std::collections::VecDeque;
use verdict::About;

/// How it ended for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A 2yz after the end of data.
    Delivered {
        said: String,
    },
    /// The same, by a server that offers no DSN, of a recipient for whom the sender asked to hear of success: nobody behind will tell
    /// of it, so we do (RFC 3461 §5.2.2).
    Relayed {
        said: String,
    },
    Later {
        why: String,
        whose: Whose,
    },
    /// A valid 5yz about this recipient or message.
    Failed {
        said: String,
    },
}

/// Who has to do something about a delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Nobody here: it will pass.
    Upstream,
    /// The gate's operator: this will not pass by itself.
    Operator,
    /// Nobody: there were too many recipients for one transaction, those left over can follow at once (RFC 5321 §4.5.3.1.10).
    Crowd,
}

/// What the caller has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Write these octets and flush, then ask again.
    Write(Vec<u8>),
    /// Write [`stuffed`] of the message and flush, then ask again.
    WriteMessage,
    /// Read one answer within this phase's time and hand it to [`Transaction::answered`].
    Read(Phase),
    Done(Afterwards),
}

/// RFC 5321 §4.5.3.2 gives each its own patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Mail,
    Recipient,
    DataStart,
    DataEnd,
}

/// What may be done with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// Begin the next transaction.
    Reuse,
    /// RSET first.
    Reset,
    Close,
}

/// Why this copy cannot go to this upstream at all as it is; the operator has to choose another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotCarry {
    /// Making it 7-bit now would break the DKIM signatures that it already bears; it waits instead.
    #[error("the message has 8-bit octets and the upstream does not offer 8BITMIME: use an upstream that does")]
    EightBit,
}

/// A command that awaits its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Mail,
    /// By its place among the recipients.
    Recipient(usize),
    Data,
    EndOfData,
}

/// So many recipients go out before answers are read. RFC 2920 §3.1: one who only writes while the other only writes waits for ever
/// once both windows are full; 100 commands and 100 answers fit into any.
const FLIGHT: usize = 100;

/// RFC 6531 §3.5, RFC 3463 as RFC 5248 registers it. Final: no later attempt would find another upstream, and nothing is written
/// otherwise than it was.
const NO_UTF8_ADDRESS: &str = "550 5.6.7 the next server takes no addresses beyond ASCII (it does not offer SMTPUTF8)";
const NO_UTF8_MESSAGE: &str =
    "550 5.6.9 the next server takes no sender or header with addresses beyond ASCII (it does not offer SMTPUTF8)";

/// One message to one upstream.
#[derive(Debug)]
pub struct Transaction<'m> {
    message: &'m Outgoing,
    capabilities: Capabilities,
    unanswered: VecDeque<Command>,
    /// One per recipient; `None` while undecided.
    outcomes: Vec<Option<Outcome>>,
    mail: Mail,
    /// Recipients that are done with or whose RCPT was sent, and of those the ones that were taken.
    asked: usize,
    accepted: Vec<usize>,
    data: Data,
    afterwards: Option<Afterwards>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mail {
    NotSent,
    Sent,
    Accepted,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    NotSent,
    Sent,
    /// 354 stands there and recipients wait for the message.
    Wanted,
    /// 354 stands there though no recipient was taken (RFC 2920 §3.1).
    WantedByNobody,
    Written,
}

impl<'m> Transaction<'m> {
    pub fn new(message: &'m Outgoing, capabilities: Capabilities) -> Result<Transaction<'m>, CannotCarry> {
        if message.body_type() == BodyType::EightBitMime && !capabilities.eight_bit_mime {
            return Err(CannotCarry::EightBit);
        }
        let outcomes: Vec<Option<Outcome>> = match (capabilities.smtputf8, message.needs_smtputf8()) {
            (true, _) => vec![None; message.recipients.len()],
            (false, true) => vec![Some(Outcome::Failed { said: NO_UTF8_MESSAGE.to_owned() }); message.recipients.len()],
            (false, false) => {
                let failed = || Outcome::Failed { said: NO_UTF8_ADDRESS.to_owned() };
                message.recipients.iter().map(|recipient| (!recipient.is_ascii()).then(failed)).collect()
            }
        };
        // Nothing to say to this upstream.
        let afterwards = outcomes.iter().all(Option::is_some).then_some(Afterwards::Reuse);
        Ok(Transaction {
            message,
            capabilities,
            unanswered: VecDeque::new(),
            outcomes,
            mail: Mail::NotSent,
            asked: 0,
            accepted: Vec::new(),
            data: Data::NotSent,
            afterwards,
        })
    }

    pub fn step(&mut self) -> Step {
        if let Some(afterwards) = self.afterwards {
            return Step::Done(afterwards);
        }
        if let Some(command) = self.unanswered.front() {
            return Step::Read(match command {
                Command::Mail => Phase::Mail,
                Command::Recipient(_) => Phase::Recipient,
                Command::Data => Phase::DataStart,
                Command::EndOfData => Phase::DataEnd,
            });
        }
        match self.data {
            Data::Wanted => {
                self.data = Data::Written;
                self.unanswered.push_back(Command::EndOfData);
                Step::WriteMessage
            }
            Data::WantedByNobody => {
                self.data = Data::Written;
                self.unanswered.push_back(Command::EndOfData);
                Step::Write(b".\r\n".to_vec())
            }
            Data::NotSent if self.mail != Mail::Refused => self.next_commands(),
            // Everything was answered and nothing is left to ask.
            Data::NotSent | Data::Sent | Data::Written => self.end(Afterwards::Reset),
        }
    }

    /// Takes the answer to the oldest command that awaits one.
    pub fn answered(&mut self, answer: Result<Answer, Nonsense>) {
        let Some(command) = self.unanswered.pop_front() else { return };
        let answer = match answer {
            Ok(answer) => answer,
            Err(nonsense) => return self.broken(&nonsense.to_string()),
        };
        // RFC 5321 §3.8: 421 may come at any time, and nothing that follows it means anything.
        if answer.code == 421 {
            return self.broken(&format!("the upstream closed the connection: {}", answer.said()));
        }
        match (command, answer.kind()) {
            (Command::Mail, Kind::Good) => self.mail = Mail::Accepted,
            (Command::Mail, Kind::Later | Kind::Never) => {
                self.mail = Mail::Refused;
                self.refuse(command, &answer, 0..self.outcomes.len());
            }
            // Answers to what was sent behind a refused MAIL mean nothing, least of all "503 need MAIL".
            (Command::Recipient(_), kind) if self.mail == Mail::Refused && kind != Kind::GoOn => {}
            (Command::Recipient(i), Kind::Good) => self.accepted.push(i),
            (Command::Recipient(i), Kind::Later | Kind::Never) => self.refuse(command, &answer, [i]),
            // A 354 after a refused MAIL: a lone dot could send an empty message to whoever was taken; hang up instead.
            (Command::Data, Kind::GoOn) if self.mail == Mail::Refused => self.afterwards = Some(Afterwards::Close),
            (Command::Data, Kind::GoOn) if self.accepted.is_empty() => self.data = Data::WantedByNobody,
            (Command::Data, Kind::GoOn) => self.data = Data::Wanted,
            (Command::Data, Kind::Later | Kind::Never) => self.refuse(command, &answer, self.accepted.clone()),
            (Command::EndOfData, Kind::Good) => {
                for &i in &self.accepted {
                    let wants_success = self.message.transport.notify(&self.message.recipients[i]).success;
                    let said = answer.said();
                    self.outcomes[i] = Some(match wants_success && !self.capabilities.dsn {
                        true => Outcome::Relayed { said },
                        false => Outcome::Delivered { said },
                    });
                }
                self.afterwards = Some(if self.accepted.is_empty() { Afterwards::Reset } else { Afterwards::Reuse });
            }
            (Command::EndOfData, Kind::Later | Kind::Never) => {
                self.refuse(command, &answer, self.accepted.clone());
                self.afterwards = Some(Afterwards::Reset);
            }
            (Command::Data, Kind::Good) | (_, Kind::GoOn) => {
                self.broken(&format!("the upstream's answer makes no sense here: {}", answer.said()));
            }
        }
        // "500 what?" after the data: it took the message's lines for commands. Nothing it says can be matched to anything.
        if command == Command::EndOfData && matches!(answer.code, 500..=509) {
            self.afterwards = Some(Afterwards::Close);
        }
    }

    /// The connection is lost, silent or senseless: whatever is undecided is for later, and the connection is done with.
    pub fn broken(&mut self, why: &str) {
        for outcome in self.outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
            *outcome = Some(Outcome::Later { why: why.to_owned(), whose: Whose::Upstream });
        }
        self.unanswered.clear();
        self.afterwards = Some(Afterwards::Close);
    }

    /// One outcome for each recipient of the copy, in its order.
    pub fn outcomes(self) -> impl Iterator<Item = (&'m Address, Outcome)> {
        let undecided = || Outcome::Later { why: "the transaction was left unfinished".to_owned(), whose: Whose::Upstream };
        let outcomes = self.outcomes.into_iter().map(move |outcome| outcome.unwrap_or_else(undecided));
        self.message.recipients.iter().zip(outcomes)
    }

    /// RFC 2920: everything up to DATA in one piece where the upstream can, one command at a time where it cannot.
    fn next_commands(&mut self) -> Step {
        let mut octets = Vec::new();
        let flight = if self.capabilities.pipelining { FLIGHT } else { 1 };
        if self.mail == Mail::NotSent {
            self.mail_command(&mut octets);
            self.mail = Mail::Sent;
            self.unanswered.push_back(Command::Mail);
            if flight == 1 {
                return Step::Write(octets);
            }
        }
        let recipients = &self.message.recipients;
        let mut sent = 0;
        while self.asked < recipients.len() && sent < flight {
            let i = self.asked;
            self.asked += 1;
            if self.outcomes[i].is_none() {
                self.recipient_command(&recipients[i], &mut octets);
                self.unanswered.push_back(Command::Recipient(i));
                sent += 1;
            }
        }
        let all_asked = self.asked == recipients.len();
        // DATA rides along with recipients whose answers are still out, or goes alone once one of them is known to be taken.
        if all_asked && (flight > 1 || self.unanswered.is_empty()) && (!self.accepted.is_empty() || !self.unanswered.is_empty())
        {
            octets.extend_from_slice(b"DATA\r\n");
            self.unanswered.push_back(Command::Data);
            self.data = Data::Sent;
        }
        if octets.is_empty() { self.end(Afterwards::Reset) } else { Step::Write(octets) }
    }

    fn mail_command(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(b"MAIL FROM:<");
        if let Some(sender) = &self.message.mail_from {
            octets.extend_from_slice(sender.to_string().as_bytes());
        }
        octets.push(b'>');
        if self.capabilities.size {
            octets.extend_from_slice(format!(" SIZE={}", stuffing::announced_size(&self.message.raw)).as_bytes());
        }
        if self.message.body_type() == BodyType::EightBitMime {
            octets.extend_from_slice(b" BODY=8BITMIME");
        }
        let to_utf8 = || self.message.recipients.iter().any(|recipient| !recipient.is_ascii());
        if self.capabilities.smtputf8 && (self.message.needs_smtputf8() || to_utf8()) {
            octets.extend_from_slice(b" SMTPUTF8");
        }
        // RFC 8689 §4.2.1: who takes the message on is bound too.
        if self.message.requires_tls && self.capabilities.requiretls {
            octets.extend_from_slice(b" REQUIRETLS");
        }
        if self.capabilities.dsn {
            // RFC 8689 §5: what must not be read on its way must not come back by another way either.
            match self.message.transport.ret {
                _ if self.message.requires_tls => octets.extend_from_slice(b" RET=HDRS"),
                Some(Return::Full) => octets.extend_from_slice(b" RET=FULL"),
                Some(Return::Headers) => octets.extend_from_slice(b" RET=HDRS"),
                None => {}
            }
            if let Some(envid) = &self.message.transport.envid {
                octets.extend_from_slice(format!(" ENVID={}", parameters::xtext(envid)).as_bytes());
            }
        }
        octets.extend_from_slice(b"\r\n");
    }

    /// RFC 3461 §5.2.1: NOTIFY and ORCPT as they were given; where none was given, none.
    fn recipient_command(&self, recipient: &Address, octets: &mut Vec<u8>) {
        octets.extend_from_slice(format!("RCPT TO:<{recipient}>").as_bytes());
        if let Some(asked) = self.message.transport.reports.get(recipient).filter(|_| self.capabilities.dsn) {
            if let Some(notify) = asked.notify {
                octets.extend_from_slice(format!(" NOTIFY={}", parameters::notify_words(notify)).as_bytes());
            }
            if let Some((kind, address)) = &asked.original {
                octets.extend_from_slice(format!(" ORCPT={}", parameters::original_words(kind, address)).as_bytes());
            }
        }
        octets.extend_from_slice(b"\r\n");
    }

    fn refuse(&mut self, command: Command, answer: &Answer, recipients: impl IntoIterator<Item = usize>) {
        let said = answer.said();
        let outcome = match (answer.kind(), verdict::about(command, answer)) {
            (Kind::Never, About::Message) => Outcome::Failed { said },
            (Kind::Never, About::Gate) => Outcome::Later { why: said, whose: Whose::Operator },
            (_, About::Load) => Outcome::Later { why: said, whose: Whose::Crowd },
            _ => Outcome::Later { why: said, whose: Whose::Upstream },
        };
        for i in recipients {
            self.outcomes[i].get_or_insert(outcome.clone());
        }
    }

    fn end(&mut self, afterwards: Afterwards) -> Step {
        self.afterwards = Some(afterwards);
        Step::Done(afterwards)
    }
}

#[cfg(test)]
mod tests;
