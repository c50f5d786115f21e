//! Turns the lines of AUTH (RFC 4954) into questions for the gatekeeper: the part of the session that lets people in.

use super::{Action, Entrance, Hello, Phase, Question, Session, Tls};
use crate::mail::{Identity, Language};
use crate::smtp::auth::{self, Certificate, Channel, Mechanism, Offer, Proof, bearer, scram};
use crate::smtp::reply::{Refusal, Reply};
use crate::smtp::words::Say;

/// What a proved login is to the session.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    pub identity: Identity,
    pub language: Language,
    /// By what it was let in. The gatekeeper wrote it and is asked with it whether that still holds; the session only keeps it.
    pub stamp: Stamp,
    /// Of SCRAM: what proves to the client that the gate knows its password.
    pub signature: Option<[u8; 32]>,
}

/// A few words in the gatekeeper's own language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(pub String);

/// Where an exchange of AUTH stands: what the client's next line is.
pub(super) enum AuthStep {
    Plain,
    LoginName,
    LoginPassword(String),
    External,
    Bearer(Mechanism),
    /// The token was refused and the client was told why; its answer says nothing.
    BearerRefused(Refusal),
    ScramFirst(Mechanism),
    ScramLast(scram::Waiting),
    /// The proof was right; the client answers the gate's own with nothing.
    ScramConfirmed(Box<LoggedIn>),
}

impl LoggedIn {
    pub fn new(identity: Identity, language: Language) -> LoggedIn {
        LoggedIn { identity, language, stamp: Stamp::default(), signature: None }
    }
}

impl Session {
    /// Which mechanisms there are besides PLAIN and LOGIN. Before the first octet of the client.
    pub fn offer(&mut self, offer: Offer) {
        self.offer = offer;
    }

    /// What the TLS connection proves: at the beginning with implicit TLS, and after [`Session::tls_started`].
    pub fn channel(&mut self, channel: Channel) {
        self.channel = channel;
    }

    /// By what the client was let in; `None` for who did not log in.
    pub fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    /// The login does not hold any more: whatever follows is said by nobody.
    pub fn log_out(&mut self) {
        self.identity = self.vouched();
        self.stamp = None;
        self.envelope = None;
    }

    /// The answer to [`Action::LogIn`].
    pub fn logged_in(&mut self, answer: Result<LoggedIn, Refusal>) {
        let Phase::Asked(Question::LogIn(mechanism)) = self.phase else {
            return self.close(Say::Broken);
        };
        self.phase = Phase::Command;
        match (answer, mechanism) {
            (Ok(who), Mechanism::Scram | Mechanism::ScramPlus) => match who.signature {
                Some(signature) => {
                    self.phase = Phase::Auth(AuthStep::ScramConfirmed(Box::new(who)));
                    self.challenge(scram::confirmation(&signature).as_bytes());
                }
                None => self.close(Say::Broken),
            },
            (Ok(who), _) => self.let_in(who),
            // A temporary refusal is no word about the token.
            (Err(refusal), Mechanism::Oauthbearer | Mechanism::Xoauth2) if !refusal.is_temporary() => {
                let why = match mechanism {
                    Mechanism::Oauthbearer => bearer::OAUTHBEARER_REFUSED,
                    _ => bearer::XOAUTH2_REFUSED,
                };
                self.phase = Phase::Auth(AuthStep::BearerRefused(refusal));
                self.challenge(why.as_bytes());
            }
            (Err(refusal), _) => self.not_let_in(&refusal),
        }
    }

    /// The answer to [`Action::Salt`].
    pub fn salted(&mut self, answer: Result<scram::Salt, Refusal>) {
        match (std::mem::replace(&mut self.phase, Phase::Command), answer) {
            (Phase::Asked(Question::Salt(first)), Ok(salt)) => {
                let (challenge, waiting) = first.challenge(salt);
                self.phase = Phase::Auth(AuthStep::ScramLast(waiting));
                self.challenge(challenge.as_bytes());
            }
            (Phase::Asked(Question::Salt(_)), Err(refusal)) => self.not_let_in(&refusal),
            _ => self.close(Say::Broken),
        }
    }

    /// The line of EHLO, where there is one.
    pub(super) fn mechanisms(&self) -> Option<String> {
        if !matches!(self.profile.entrance, Entrance::Submission) || !self.may_send_password() {
            return None;
        }
        let offered = Mechanism::ALL.into_iter().filter(|mechanism| mechanism.is_offered(self.offer, &self.channel));
        let names: Vec<&str> = std::iter::once("AUTH").chain(offered.map(Mechanism::name)).collect();
        Some(names.join(" "))
    }

    pub(super) fn auth(&mut self, mechanism: Mechanism, initial: Option<&[u8]>) -> Option<Action> {
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
        if !mechanism.is_offered(self.offer, &self.channel) {
            return self.wrong(Say::AuthMechanism);
        }
        let step = match mechanism {
            Mechanism::Plain => AuthStep::Plain,
            Mechanism::Login => AuthStep::LoginName,
            Mechanism::Scram | Mechanism::ScramPlus => AuthStep::ScramFirst(mechanism),
            Mechanism::Oauthbearer | Mechanism::Xoauth2 => AuthStep::Bearer(mechanism),
            Mechanism::External => AuthStep::External,
        };
        self.phase = Phase::Auth(step);
        match initial {
            Some(response) => self.auth_line(response),
            None => {
                let challenge = if mechanism == Mechanism::Login { auth::ASK_LOGIN } else { "" };
                self.send(&Reply::new(334, None, challenge));
                None
            }
        }
    }

    pub(super) fn auth_line(&mut self, line: &[u8]) -> Option<Action> {
        let Phase::Auth(step) = std::mem::replace(&mut self.phase, Phase::Command) else {
            return None;
        };
        let asked = match step {
            AuthStep::Plain => auth::plain(line).map(Proof::Password).map(|proof| (Mechanism::Plain, proof)),
            AuthStep::LoginName => match auth::login_name(line) {
                Ok(login) => {
                    self.phase = Phase::Auth(AuthStep::LoginPassword(login));
                    self.send(&Reply::new(334, None, auth::ASK_PASSWORD));
                    return None;
                }
                Err(say) => Err(say),
            },
            AuthStep::LoginPassword(login) => {
                auth::login_password(login, line).map(|credentials| (Mechanism::Login, Proof::Password(credentials)))
            }
            AuthStep::External => auth::external(line).and_then(|login| {
                let der = self.channel.certificate.clone().ok_or(Say::AuthMechanism)?;
                Ok((Mechanism::External, Proof::Certificate(Certificate { der, login })))
            }),
            AuthStep::Bearer(mechanism) => {
                let read = if mechanism == Mechanism::Oauthbearer { bearer::oauthbearer } else { bearer::xoauth2 };
                auth::decode(line).and_then(|octets| read(&octets)).map(|bearer| (mechanism, Proof::Token(bearer)))
            }
            AuthStep::BearerRefused(refusal) => {
                self.not_let_in(&refusal);
                return None;
            }
            AuthStep::ScramFirst(mechanism) => {
                let plus = mechanism == Mechanism::ScramPlus;
                match auth::decode(line).and_then(|octets| scram::First::read(&octets, plus, &self.channel)) {
                    Ok(first) => {
                        let login = first.login().to_owned();
                        self.phase = Phase::Asked(Question::Salt(first));
                        return Some(Action::Salt(login));
                    }
                    Err(say) => Err(say),
                }
            }
            AuthStep::ScramLast(waiting) => {
                auth::decode(line).and_then(|octets| waiting.last(&octets)).map(|proof| (Mechanism::Scram, Proof::Scram(proof)))
            }
            AuthStep::ScramConfirmed(who) => match auth::decode(line) {
                Ok(octets) if octets.is_empty() => {
                    self.let_in(*who);
                    return None;
                }
                Ok(_) => Err(Say::AuthFields),
                Err(say) => Err(say),
            },
        };
        match asked {
            Ok((mechanism, proof)) => {
                self.phase = Phase::Asked(Question::LogIn(mechanism));
                Some(Action::LogIn(proof))
            }
            Err(say) => self.wrong(say),
        }
    }

    /// AUTH PLAIN and LOGIN show the password to whoever listens (RFC 4954 §4). The others come with them: a client that finds
    /// SCRAM alone before TLS would send its mail in clear.
    pub(super) fn may_send_password(&self) -> bool {
        self.encrypted || self.profile.tls == Tls::None
    }

    fn challenge(&mut self, octets: &[u8]) {
        let line = auth::encode(octets);
        self.send(&Reply::new(334, None, &line));
    }

    fn let_in(&mut self, who: LoggedIn) {
        self.identity = Some(who.identity);
        self.language = who.language;
        self.stamp = Some(who.stamp);
        self.counts.idle = 0;
        self.say(Say::LoggedIn);
    }

    fn not_let_in(&mut self, refusal: &Refusal) {
        // A temporary refusal is our trouble, not a wrong guess.
        self.counts.failed_logins += u32::from(!refusal.is_temporary());
        if self.counts.failed_logins >= self.profile.limits.max_failed_logins {
            return self.close(Say::TooManyLogins);
        }
        self.refuse(refusal);
    }
}
