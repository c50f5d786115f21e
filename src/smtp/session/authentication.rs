//! Turns the lines of AUTH (RFC 4954) into questions for the gatekeeper: the part of the session that lets people in.

use super::{Action, Entrance, Hello, LoggedIn, Phase, Question, Session, Tls};
use crate::smtp::auth::{self, Mechanism};
use crate::smtp::reply::{Refusal, Reply};
use crate::smtp::words::Say;

/// Where an exchange of AUTH stands.
pub(super) enum AuthStep {
    Plain,
    LoginName,
    LoginPassword(String),
}

impl Session {
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

    pub(super) fn auth_line(&mut self, line: &[u8]) -> Option<Action> {
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
    pub(super) fn may_send_password(&self) -> bool {
        self.encrypted || self.profile.tls == Tls::None
    }
}
