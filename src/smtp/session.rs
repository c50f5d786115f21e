//! Turns what a client sends into questions for the gatekeeper and replies for the client: the server's side of SMTP, without I/O.
//!
//! The caller loops over [`Session::advance`]: it does what the [`Action`] asks, and hands the outcome back.

use super::auth::Mechanism;
use super::auth::{Channel, Offer, Proof, scram};
use super::command::{self, Command, Mail, Recipient};
use super::data::{Content, DataReader, Progress, Spoiled};
use super::inbox::{Expected, Inbox, Line};
pub use super::profile::{Entrance, Limits, Profile, Tls};
use super::reply::{Accepted, Refusal, Reply};
use super::words::Say;
use crate::mail::{Address, Identity, Language, RawMessage};
use authentication::AuthStep;
pub use authentication::{LoggedIn, Stamp};
use std::collections::HashSet;
use std::sync::Arc;

mod authentication;

/// What the caller is to do next.
#[derive(Debug)]
pub enum Action {
    /// Send the output, wait for octets, give them to [`Session::feed`].
    Read(Reading),
    /// Send the output, do the TLS handshake, then [`Session::tls_started`].
    StartTls,
    /// Then [`Session::logged_in`].
    LogIn(Proof),
    /// With what this login's password is salted, whether there is one or not? Then [`Session::salted`].
    Salt(String),
    /// May this MAIL FROM be used? Then [`Session::answered`]. The address is owned by the session's identity.
    Sender(Option<Address>),
    /// May this recipient be written to? Then [`Session::answered`].
    Recipient(Address),
    /// Then [`Session::submitted`].
    Submit(Transaction),
    /// Send the output and close.
    Close,
}

/// For what the session waits: each has its own time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Command,
    Data,
}

/// One complete mail transaction (RFC 5321 §3.3).
#[derive(Debug)]
pub struct Transaction {
    pub mail_from: Option<Address>,
    /// REQUIRETLS (RFC 8689) was asked for.
    pub requires_tls: bool,
    /// In order, each once; never empty.
    pub recipients: Vec<Address>,
    pub raw: RawMessage,
}

/// One connection's dialogue.
pub struct Session {
    profile: Arc<Profile>,
    phase: Phase,
    inbox: Inbox,
    output: Vec<u8>,
    language: Language,
    encrypted: bool,
    hello: Hello,
    identity: Option<Identity>,
    stamp: Option<Stamp>,
    offer: Offer,
    channel: Channel,
    envelope: Option<Envelope>,
    counts: Counts,
}

enum Phase {
    Command,
    /// A 334 was sent.
    Auth(AuthStep),
    /// The caller has the question.
    Asked(Question),
    Handshake,
    Data(DataReader, Progress),
    Closed,
}

enum Question {
    LogIn(Mechanism),
    Salt(scram::First),
    /// And whether REQUIRETLS was asked for.
    Sender(Option<Address>, bool),
    Recipient(Address),
    Submit,
}

#[derive(PartialEq, Eq)]
enum Hello {
    None,
    Helo(String),
    Ehlo(String),
}

struct Envelope {
    mail_from: Option<Address>,
    requires_tls: bool,
    recipients: Vec<Address>,
    /// The same, to find a repetition among a thousand.
    known: HashSet<Address>,
    /// At least one RCPT was refused.
    refused: bool,
}

#[derive(Default)]
struct Counts {
    errors: u32,
    commands: u32,
    idle: u32,
    messages: u32,
    failed_logins: u32,
}

impl Session {
    /// The greeting is in the output; with implicit TLS the handshake is already done.
    pub fn new(profile: Arc<Profile>) -> Session {
        let mut session = Session {
            phase: Phase::Command,
            inbox: Inbox::new(),
            output: Vec::new(),
            language: profile.language,
            encrypted: profile.tls == Tls::Implicit,
            hello: Hello::None,
            identity: None,
            stamp: None,
            offer: Offer::default(),
            channel: Channel::default(),
            envelope: None,
            counts: Counts::default(),
            profile,
        };
        session.identity = session.vouched();
        let greeting = format!("{} ESMTP postern", session.profile.hostname);
        session.send(&Reply::new(220, None, &greeting));
        session
    }

    /// Octets from the client, of any length.
    pub fn feed(&mut self, octets: &[u8]) {
        match &mut self.phase {
            // Data goes straight to the message.
            Phase::Data(reader, progress @ Progress::More) if self.inbox.rest().is_empty() => {
                let (used, new) = reader.read(octets);
                *progress = new;
                self.inbox.push(&octets[used..]);
            }
            _ => self.inbox.push(octets),
        }
    }

    /// Goes on until the caller is needed. Commands that came together are answered in their order (RFC 2920), their replies
    /// gathered in the output.
    pub fn advance(&mut self) -> Action {
        loop {
            let action = match &mut self.phase {
                Phase::Closed => return Action::Close,
                Phase::Handshake => return Action::StartTls,
                Phase::Asked(_) => {
                    self.close(Say::Broken);
                    None
                }
                Phase::Data(reader, progress) => {
                    if *progress == Progress::More && !self.inbox.rest().is_empty() {
                        let (used, new) = reader.read(self.inbox.rest());
                        *progress = new;
                        self.inbox.take(used);
                    }
                    match progress {
                        Progress::More => return Action::Read(Reading::Data),
                        Progress::End => self.data_complete(),
                        Progress::Endless => {
                            self.close(Say::Endless);
                            None
                        }
                    }
                }
                Phase::Command => match self.inbox.line(Expected::Command) {
                    Line::Incomplete => return Action::Read(Reading::Command),
                    Line::Whole(line) => self.command(&line),
                    Line::TooLong => self.wrong(Say::LineTooLong),
                    Line::Broken => self.broken(),
                },
                Phase::Auth(_) => match self.inbox.line(Expected::AuthLine) {
                    Line::Incomplete => return Action::Read(Reading::Command),
                    Line::Whole(line) => self.auth_line(&line),
                    Line::TooLong => {
                        self.phase = Phase::Command;
                        self.wrong(Say::AuthTooLong)
                    }
                    Line::Broken => self.broken(),
                },
            };
            if let Some(action) = action {
                return action;
            }
        }
    }

    /// Replies to be sent.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// The output was sent.
    pub fn sent(&mut self) {
        self.output.clear();
    }

    /// The handshake after [`Action::StartTls`] is done. RFC 3207 §4.2: the state is as after the greeting; whatever was
    /// received in clear behind STARTTLS is forgotten (CVE-2011-0411).
    pub fn tls_started(&mut self) {
        self.inbox.forget();
        self.encrypted = true;
        self.hello = Hello::None;
        self.envelope = None;
        self.identity = self.vouched();
        self.stamp = None;
        self.language = self.profile.language;
        self.phase = Phase::Command;
    }

    /// The answer to [`Action::Sender`] and [`Action::Recipient`].
    pub fn answered(&mut self, answer: Result<(), Refusal>) {
        match (std::mem::replace(&mut self.phase, Phase::Command), answer) {
            (Phase::Asked(Question::Sender(mail_from, requires_tls)), Ok(())) => {
                self.envelope =
                    Some(Envelope { mail_from, requires_tls, recipients: Vec::new(), known: HashSet::new(), refused: false });
                self.say(Say::SenderOk);
            }
            (Phase::Asked(Question::Recipient(recipient)), Ok(())) => {
                let Some(envelope) = &mut self.envelope else {
                    return self.close(Say::Broken);
                };
                if envelope.known.insert(recipient.clone()) {
                    envelope.recipients.push(recipient);
                }
                self.say(Say::RecipientOk);
            }
            (Phase::Asked(Question::Recipient(_)), Err(refusal)) => {
                if let Some(envelope) = &mut self.envelope {
                    envelope.refused = true;
                }
                self.refuse(&refusal);
            }
            (Phase::Asked(Question::Sender(..)), Err(refusal)) => self.refuse(&refusal),
            _ => self.close(Say::Broken),
        }
    }

    /// The answer to [`Action::Submit`]: the only way to a 2yz after DATA goes through [`Accepted`].
    pub fn submitted(&mut self, answer: Result<Accepted, Refusal>) {
        let Phase::Asked(Question::Submit) = self.phase else {
            return self.close(Say::Broken);
        };
        self.phase = Phase::Command;
        self.counts.idle = 0;
        match answer {
            Ok(accepted) => self.send(accepted.reply()),
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Ends the dialogue from our side with a 421 (RFC 5321 §3.8): time is up, or the gate stops.
    pub fn stop(&mut self, why: Say) {
        self.close(why);
    }

    /// Who the client is, once that is known.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// In which language to speak to this client.
    pub fn language(&self) -> Language {
        self.language
    }

    /// By what name the client called itself; empty before EHLO.
    pub fn helo(&self) -> &str {
        match &self.hello {
            Hello::None => "",
            Hello::Helo(name) | Hello::Ehlo(name) => name,
        }
    }

    fn command(&mut self, line: &[u8]) -> Option<Action> {
        let limits = self.profile.limits;
        self.counts.commands += 1;
        self.counts.idle += 1;
        if self.counts.commands > limits.max_commands || self.counts.idle > limits.max_idle_commands {
            self.close(Say::TooManyCommands);
            return None;
        }
        match command::parse(line) {
            Err(say @ (Say::NotMail | Say::NoChunking)) => {
                self.close(say);
                None
            }
            Err(say) => self.wrong(say),
            Ok(Command::Ehlo(name)) => {
                self.hello(Hello::Ehlo(name.as_str().to_owned()));
                None
            }
            Ok(Command::Helo(name)) => {
                self.hello(Hello::Helo(name.as_str().to_owned()));
                None
            }
            Ok(Command::Mail(mail)) => self.mail(mail),
            Ok(Command::Rcpt(recipient)) => self.rcpt(recipient),
            Ok(Command::Data) => self.data(),
            Ok(Command::Rset) => {
                self.envelope = None;
                self.say(Say::Reset);
                None
            }
            Ok(Command::Noop) => {
                self.say(Say::Nothing);
                None
            }
            Ok(Command::Help) => {
                self.say(Say::Help);
                None
            }
            Ok(Command::Vrfy) => {
                self.say(Say::CannotVerify);
                None
            }
            Ok(Command::Quit) => {
                self.close(Say::Bye);
                None
            }
            Ok(Command::StartTls) => self.start_tls(),
            Ok(Command::Auth { mechanism, initial }) => self.auth(mechanism, initial.map(|initial| initial.0)),
        }
    }

    fn hello(&mut self, hello: Hello) {
        self.envelope = None;
        let hostname = self.profile.hostname.to_string();
        let reply = match hello {
            Hello::Ehlo(_) => {
                let size = format!("SIZE {}", self.profile.limits.max_message);
                let mechanisms = self.mechanisms();
                let mut lines = vec![hostname.as_str(), "PIPELINING", &size, "8BITMIME", "ENHANCEDSTATUSCODES"];
                if self.profile.tls == Tls::Starttls && !self.encrypted {
                    lines.push("STARTTLS");
                }
                // RFC 8689 §2: only where TLS is in use already.
                if self.encrypted {
                    lines.push("REQUIRETLS");
                }
                lines.extend(mechanisms.as_deref());
                Reply::from_lines(250, None, lines.into_iter())
            }
            _ => Reply::new(250, None, &hostname),
        };
        self.hello = hello;
        self.send(&reply);
    }

    fn mail(&mut self, mail: Mail) -> Option<Action> {
        if self.hello == Hello::None {
            return self.wrong(Say::HelloFirst);
        }
        let Some(identity) = &self.identity else {
            let tls_first = self.profile.tls == Tls::Starttls && !self.encrypted;
            return self.wrong(if tls_first { Say::TlsFirst } else { Say::LogInFirst });
        };
        if self.envelope.is_some() {
            return self.wrong(Say::MailTwice);
        }
        // It was not offered here: on the way to us the message was open to all.
        if mail.requires_tls && !self.encrypted {
            return self.wrong(Say::UnknownParameter);
        }
        let may = match (&mail.from, identity) {
            // RFC 6409 §6.1. Bounces come from servers, which relays are; a person always has an address.
            (None, Identity::Account { .. }) => Err(Say::NullSender),
            (None, _) => Ok(()),
            (Some(from), identity) if identity.owns(from) => Ok(()),
            (Some(_), Identity::Account { .. }) => Err(Say::SenderNotOwned),
            (Some(_), _) => Err(Say::SenderNotRelayed),
        };
        if let Err(say) = may {
            return self.wrong(say);
        }
        if mail.size.is_some_and(|size| size > self.profile.limits.max_message) {
            return self.wrong(Say::TooLarge);
        }
        if self.counts.messages >= self.profile.limits.max_messages {
            self.close(Say::TooManyMessages);
            return None;
        }
        self.phase = Phase::Asked(Question::Sender(mail.from.clone(), mail.requires_tls));
        Some(Action::Sender(mail.from))
    }

    fn rcpt(&mut self, recipient: Recipient) -> Option<Action> {
        self.counts.idle = self.counts.idle.saturating_sub(1);
        let Some(envelope) = &self.envelope else {
            return self.wrong(Say::MailFirst);
        };
        let recipient = match recipient {
            Recipient::Mailbox(address) => address,
            Recipient::Postmaster => match Address::parse(&format!("postmaster@{}", self.profile.hostname)) {
                Ok(address) => address,
                Err(_) => return self.wrong(Say::RecipientSyntax),
            },
        };
        if envelope.known.contains(&recipient) {
            self.say(Say::RecipientOk);
            return None;
        }
        if envelope.recipients.len() >= self.profile.limits.max_recipients {
            // No error of syntax or order: the client sends the rest in a further message (RFC 5321 §4.5.3.1.10).
            self.say(Say::TooManyRecipients);
            return None;
        }
        self.phase = Phase::Asked(Question::Recipient(recipient.clone()));
        Some(Action::Recipient(recipient))
    }

    fn data(&mut self) -> Option<Action> {
        self.counts.idle = self.counts.idle.saturating_sub(1);
        match &self.envelope {
            None => return self.wrong(Say::MailFirst),
            Some(envelope) if envelope.recipients.is_empty() && envelope.refused => {
                self.say(Say::NoRecipientLeft);
                return None;
            }
            Some(envelope) if envelope.recipients.is_empty() => return self.wrong(Say::RecipientFirst),
            Some(_) => {}
        }
        let limits = &self.profile.limits;
        let limit = usize::try_from(limits.max_message).unwrap_or(usize::MAX);
        self.phase = Phase::Data(DataReader::new(limit, limits.max_discarded), Progress::More);
        self.counts.messages += 1;
        self.say(Say::GoAhead);
        None
    }

    fn data_complete(&mut self) -> Option<Action> {
        let Phase::Data(reader, _) = std::mem::replace(&mut self.phase, Phase::Command) else {
            return None;
        };
        let Some(envelope) = self.envelope.take() else {
            self.close(Say::Broken);
            return None;
        };
        let octets = match reader.finish() {
            Content::Kept(octets) => octets,
            Content::Spoiled(Spoiled::Octets) => return self.wrong(Say::SpoiledOctets),
            Content::Spoiled(Spoiled::TooLarge) => return self.wrong(Say::TooLarge),
        };
        let Ok(raw) = RawMessage::new(octets) else {
            return self.wrong(Say::SpoiledOctets);
        };
        self.phase = Phase::Asked(Question::Submit);
        let Envelope { mail_from, requires_tls, recipients, .. } = envelope;
        Some(Action::Submit(Transaction { mail_from, requires_tls, recipients, raw }))
    }

    fn start_tls(&mut self) -> Option<Action> {
        if self.profile.tls == Tls::None {
            return self.wrong(Say::TlsUnavailable);
        }
        if self.encrypted {
            return self.wrong(Say::TlsAlready);
        }
        if !matches!(self.hello, Hello::Ehlo(_)) {
            return self.wrong(Say::HelloFirst);
        }
        self.say(Say::ReadyForTls);
        self.inbox.forget();
        self.phase = Phase::Handshake;
        None
    }

    /// A relay is known without AUTH, by what the door has checked.
    fn vouched(&self) -> Option<Identity> {
        match &self.profile.entrance {
            Entrance::Submission => None,
            Entrance::Relay { needs_tls: true, .. } if !self.encrypted => None,
            Entrance::Relay { senders, .. } => {
                Some(Identity::Relay { listener: self.profile.listener.clone(), senders: senders.clone() })
            }
        }
    }

    /// The client's mistake; who makes too many is guessing.
    fn wrong(&mut self, say: Say) -> Option<Action> {
        self.counts.errors += 1;
        if self.counts.errors > self.profile.limits.max_errors {
            self.close(Say::TooManyErrors);
        } else {
            self.say(say);
        }
        None
    }

    /// Nothing that follows a broken line can be trusted to be a command.
    fn broken(&mut self) -> Option<Action> {
        self.close(Say::BadOctets);
        None
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.send(refusal.reply());
        if refusal.reply().code() == 421 {
            self.end();
        }
    }

    fn close(&mut self, say: Say) {
        self.say(say);
        self.end();
    }

    fn end(&mut self) {
        self.phase = Phase::Closed;
        self.envelope = None;
        self.inbox.forget();
    }

    fn say(&mut self, say: Say) {
        let reply = say.reply(self.language);
        self.send(&reply);
    }

    fn send(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
    }
}
