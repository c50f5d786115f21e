//! Turns what a client sends into questions for the gatekeeper and replies for the client: the server's side of SMTP, without I/O.
//!
//! The caller loops over [`Session::advance`]: it does what the [`Action`] asks, and hands the outcome back.

mod chunks;
mod named;

use super::auth::{self, Credentials, Mechanism};
use super::command::{self, Command, Mail, Rcpt, Recipient};
use super::data::{Chunks, Content, DataReader, Progress, Spoiled};
use super::inbox::{Expected, Inbox, Line};
pub use super::profile::{Entrance, Limits, NamesLoginBy, Profile, Tls};
use super::reply::{Accepted, Refusal, Reply};
use super::words::Say;
use crate::mail::{Address, Identity, Language, RawMessage, Reports, Transport};
use chunks::Chunk;
use std::collections::HashSet;
use std::sync::Arc;

/// What the caller is to do next.
#[derive(Debug)]
pub enum Action {
    /// Send the output, wait for octets, give them to [`Session::feed`].
    Read(Reading),
    /// Send the output, do the TLS handshake, then [`Session::tls_started`].
    StartTls,
    /// Then [`Session::logged_in`].
    LogIn(Credentials),
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
    pub transport: Transport,
}

/// What a proved login is to the session.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    pub identity: Identity,
    pub language: Language,
}

/// One connection's dialogue.
pub struct Session {
    profile: Arc<Profile>,
    phase: Phase,
    inbox: Inbox,
    output: Vec<u8>,
    language: Language,
    /// The transaction has SMTPUTF8: replies may have accents (RFC 6531 §3.7.4.2).
    utf8: bool,
    encrypted: bool,
    hello: Hello,
    identity: Option<Identity>,
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
    Chunk(Chunk),
    Closed,
}

enum AuthStep {
    Plain,
    LoginName,
    LoginPassword(String),
}

enum Question {
    LogIn,
    Sender(Box<Mail>),
    Recipient(Address, Reports),
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
    transport: Transport,
    /// Since the first BDAT.
    chunks: Option<Chunks>,
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
            utf8: false,
            encrypted: profile.tls == Tls::Implicit,
            hello: Hello::None,
            identity: None,
            envelope: None,
            counts: Counts::default(),
            profile,
        };
        session.identity = session.vouched();
        session.greet();
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
            Phase::Chunk(_) if self.inbox.rest().is_empty() => {
                let used = self.take_chunk(octets);
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
                Phase::Chunk(chunk) => {
                    // No more than what is the chunk's own: of many small ones in one piece, each would copy all that follow.
                    let piece = self.inbox.rest();
                    let own = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(piece.len());
                    let piece = piece[..own].to_vec();
                    let used = self.take_chunk(&piece);
                    self.inbox.take(used);
                    match &self.phase {
                        Phase::Chunk(chunk) if chunk.left > 0 => return Action::Read(Reading::Data),
                        Phase::Chunk(_) => self.chunk_complete(),
                        _ => None,
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
        self.utf8 = false;
        self.hello = Hello::None;
        self.envelope = None;
        self.identity = self.vouched();
        self.language = self.profile.language;
        self.phase = Phase::Command;
    }

    /// The answer to [`Action::LogIn`].
    pub fn logged_in(&mut self, answer: Result<LoggedIn, Refusal>) {
        let Phase::Asked(Question::LogIn) = self.phase else {
            return self.close(Say::Broken);
        };
        self.phase = Phase::Command;
        match answer {
            Ok(who) => {
                self.identity = Some(who.identity);
                self.language = who.language;
                self.counts.idle = 0;
                self.say(Say::LoggedIn);
            }
            Err(refusal) => {
                // A temporary refusal is our trouble, not a wrong guess.
                self.counts.failed_logins += u32::from(!refusal.is_temporary());
                if self.counts.failed_logins >= self.profile.limits.max_failed_logins {
                    return self.close(Say::TooManyLogins);
                }
                self.refuse(&refusal);
            }
        }
    }

    /// The answer to [`Action::Sender`] and [`Action::Recipient`].
    pub fn answered(&mut self, answer: Result<(), Refusal>) {
        match (std::mem::replace(&mut self.phase, Phase::Command), answer) {
            (Phase::Asked(Question::Sender(mail)), Ok(())) => {
                let Mail { from, requires_tls, smtputf8, ret, envid, .. } = *mail;
                self.envelope = Some(Envelope {
                    mail_from: from,
                    requires_tls,
                    recipients: Vec::new(),
                    known: HashSet::new(),
                    refused: false,
                    transport: Transport { smtputf8, ret, envid, ..Transport::default() },
                    chunks: None,
                });
                self.utf8 = smtputf8;
                self.say(Say::SenderOk);
            }
            (Phase::Asked(Question::Recipient(recipient, reports)), Ok(())) => {
                let Some(envelope) = &mut self.envelope else {
                    return self.close(Say::Broken);
                };
                if envelope.known.insert(recipient.clone()) {
                    if reports != Reports::default() {
                        envelope.transport.reports.insert(recipient.clone(), reports);
                    }
                    envelope.recipients.push(recipient);
                }
                self.say(Say::RecipientOk);
            }
            (Phase::Asked(Question::Recipient(..)), Err(refusal)) => {
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

    /// Chunks of a message are kept while the next command is waited for.
    pub fn holds_content(&self) -> bool {
        self.envelope.as_ref().is_some_and(|envelope| envelope.chunks.is_some())
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
        self.utf8 &= self.envelope.is_some();
        self.counts.commands += 1;
        self.counts.idle += 1;
        if self.counts.commands > limits.max_commands || self.counts.idle > limits.max_idle_commands {
            self.close(Say::TooManyCommands);
            return None;
        }
        match command::parse(line) {
            Err(say @ (Say::NotMail | Say::ChunkSyntax)) => {
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
            Ok(Command::Rcpt(rcpt)) => self.rcpt(rcpt),
            Ok(Command::Data) => self.data(),
            Ok(Command::Bdat(bdat)) => {
                self.bdat(bdat);
                None
            }
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
            Ok(Command::Xclient(said)) => self.xclient(said),
            Ok(Command::Auth { mechanism, initial }) => self.auth(mechanism, initial.map(|initial| initial.0)),
        }
    }

    fn hello(&mut self, hello: Hello) {
        self.envelope = None;
        let hostname = self.profile.hostname.to_string();
        let reply = match hello {
            Hello::Ehlo(_) => {
                let size = format!("SIZE {}", self.profile.limits.max_message);
                let mut lines = vec![
                    hostname.as_str(),
                    "PIPELINING",
                    &size,
                    "8BITMIME",
                    "ENHANCEDSTATUSCODES",
                    "SMTPUTF8",
                    "DSN",
                    "CHUNKING",
                ];
                if self.profile.tls == Tls::Starttls && !self.encrypted {
                    lines.push("STARTTLS");
                }
                // RFC 8689 §2: only where TLS is in use already.
                if self.encrypted {
                    lines.push("REQUIRETLS");
                }
                if matches!(self.profile.entrance, Entrance::Submission) && self.may_send_password() {
                    lines.push("AUTH PLAIN LOGIN");
                }
                if self.may_name_logins() {
                    lines.push("XCLIENT LOGIN");
                }
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
        let from = mail.from.clone();
        self.phase = Phase::Asked(Question::Sender(Box::new(mail)));
        Some(Action::Sender(from))
    }

    fn rcpt(&mut self, rcpt: Rcpt) -> Option<Action> {
        let Rcpt { recipient, reports, utf8 } = rcpt;
        self.counts.idle = self.counts.idle.saturating_sub(1);
        let Some(envelope) = &self.envelope else {
            return self.wrong(Say::MailFirst);
        };
        if utf8 && !envelope.transport.smtputf8 {
            return self.wrong(Say::NotAscii);
        }
        if envelope.chunks.is_some() {
            return self.wrong(Say::ChunkFirst);
        }
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
        self.phase = Phase::Asked(Question::Recipient(recipient.clone(), reports));
        Some(Action::Recipient(recipient))
    }

    fn data(&mut self) -> Option<Action> {
        self.counts.idle = self.counts.idle.saturating_sub(1);
        match &self.envelope {
            None => return self.wrong(Say::MailFirst),
            // RFC 3030 §2: not both in one transaction.
            Some(envelope) if envelope.chunks.is_some() => return self.wrong(Say::ChunkFirst),
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
        self.complete(reader.finish())
    }

    /// The true end of a message was read.
    fn complete(&mut self, content: Content) -> Option<Action> {
        let Some(envelope) = self.envelope.take() else {
            self.close(Say::Broken);
            return None;
        };
        let octets = match content {
            Content::Kept(octets) => octets,
            Content::Spoiled(Spoiled::Octets) => return self.wrong(Say::SpoiledOctets),
            Content::Spoiled(Spoiled::TooLarge) => return self.wrong(Say::TooLarge),
        };
        let Ok(raw) = RawMessage::new(octets) else {
            return self.wrong(Say::SpoiledOctets);
        };
        self.phase = Phase::Asked(Question::Submit);
        let Envelope { mail_from, requires_tls, recipients, transport, .. } = envelope;
        Some(Action::Submit(Transaction { mail_from, requires_tls, recipients, raw, transport }))
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

    fn auth(&mut self, mechanism: Mechanism, initial: Option<&[u8]>) -> Option<Action> {
        if !matches!(self.profile.entrance, Entrance::Submission) {
            return self.wrong(Say::AuthNotOffered);
        }
        if !self.may_send_password() {
            return self.wrong(Say::NoClearAuth);
        }
        match self.hello {
            Hello::None => return self.wrong(Say::HelloFirst),
            Hello::Helo(_) => return self.wrong(Say::EhloFirst),
            Hello::Ehlo(_) => {}
        }
        if self.envelope.is_some() {
            return self.wrong(Say::AuthInMail);
        }
        if self.identity.is_some() {
            return self.wrong(Say::AuthAlready);
        }
        let (step, challenge) = match mechanism {
            Mechanism::Plain => (AuthStep::Plain, ""),
            Mechanism::Login => (AuthStep::LoginName, auth::ASK_LOGIN),
        };
        self.phase = Phase::Auth(step);
        match initial {
            Some(response) => self.auth_line(response),
            None => {
                self.send(&Reply::new(334, None, challenge));
                None
            }
        }
    }

    fn auth_line(&mut self, line: &[u8]) -> Option<Action> {
        let Phase::Auth(step) = std::mem::replace(&mut self.phase, Phase::Command) else {
            return None;
        };
        let credentials = match step {
            AuthStep::Plain => auth::plain(line),
            AuthStep::LoginName => match auth::login_name(line) {
                Ok(login) => {
                    self.phase = Phase::Auth(AuthStep::LoginPassword(login));
                    self.send(&Reply::new(334, None, auth::ASK_PASSWORD));
                    return None;
                }
                Err(say) => Err(say),
            },
            AuthStep::LoginPassword(login) => auth::login_password(login, line),
        };
        match credentials {
            Ok(credentials) => {
                self.phase = Phase::Asked(Question::LogIn);
                Some(Action::LogIn(credentials))
            }
            Err(say) => self.wrong(say),
        }
    }

    /// AUTH PLAIN and LOGIN show the password to whoever listens (RFC 4954 §4).
    fn may_send_password(&self) -> bool {
        self.encrypted || self.profile.tls == Tls::None
    }

    /// A relay is known without AUTH, by what the door has checked.
    fn vouched(&self) -> Option<Identity> {
        match &self.profile.entrance {
            Entrance::Submission => None,
            Entrance::Relay { needs_tls: true, .. } if !self.encrypted => None,
            Entrance::Relay { senders, .. } => {
                Some(Identity::Relay { listener: self.profile.listener.clone(), senders: senders.clone(), login: None })
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

    fn greet(&mut self) {
        let greeting = format!("{} ESMTP postern", self.profile.hostname);
        self.send(&Reply::new(220, None, &greeting));
    }

    fn send(&mut self, reply: &Reply) {
        if self.utf8 { reply.write_utf8_to(&mut self.output) } else { reply.write_to(&mut self.output) }
    }
}
