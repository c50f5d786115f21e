//! Turns XCLIENT into the login for which a mail server before us speaks, where the settings trust it with that.

use super::{Action, Entrance, Hello, NamesLoginBy, Say, Session};
use crate::mail::Identity;
use crate::smtp::command::Xclient;

impl Session {
    /// Whose message a mail server before us hands on. Its word counts only where the settings say so: from anyone else this
    /// command is the attempt to be somebody.
    pub(super) fn xclient(&mut self, said: Xclient) -> Option<Action> {
        if !self.may_name_logins() {
            return self.wrong(Say::XclientRefused);
        }
        if self.envelope.is_some() {
            return self.wrong(Say::MailTwice);
        }
        let Some(Identity::Relay { login, senders, .. }) = &mut self.identity else {
            return self.wrong(Say::XclientRefused);
        };
        match said {
            Xclient::Silent => {}
            Xclient::Nobody => *login = None,
            Xclient::Login(address) if senders.iter().any(|domain| address.domain().is_within(domain)) => {
                *login = Some(address);
            }
            Xclient::Login(_) => return self.wrong(Say::XclientNotRelayed),
        }
        self.hello = Hello::None;
        self.greet();
        None
    }

    pub(super) fn may_name_logins(&self) -> bool {
        let by_xclient = matches!(self.profile.entrance, Entrance::Relay { names_login_by: NamesLoginBy::Xclient, .. });
        by_xclient && self.identity.is_some()
    }
}
