//! Turns a listener's settings into what its sessions go by.

use crate::mail::{Domain, Language};

/// What a listener is to all its sessions.
#[derive(Clone, Debug)]
pub struct Profile {
    /// By what name the gate calls itself.
    pub hostname: Domain,
    /// The listener's name in the configuration.
    pub listener: String,
    pub entrance: Entrance,
    pub tls: Tls,
    /// Spoken until a login's own is known.
    pub language: Language,
    pub limits: Limits,
}

/// Who may come in here.
#[derive(Clone, Debug)]
pub enum Entrance {
    /// Logins of ours (RFC 6409).
    Submission,
    /// A mail server before us, whose network the door has checked. It vouches for senders within these domains.
    Relay {
        senders: Vec<Domain>,
        /// It is known by its certificate: nothing goes before TLS, which is only established with the right one.
        needs_tls: bool,
        names_login_by: NamesLoginBy,
    },
}

/// How a mail server before us tells for whom it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamesLoginBy {
    /// Not at all; or by a header field, which is no matter of the dialogue.
    Message,
    /// Postfix's XCLIENT, attribute LOGIN.
    Xclient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// From the first octet (RFC 8314 §3.3).
    Implicit,
    /// RFC 3207.
    Starttls,
    /// Passwords in clear are taken too: the settings allow this on loopback only.
    None,
}

/// What one session may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of one message.
    pub max_message: u64,
    /// Octets that are still read after a message was refused while it came in.
    pub max_discarded: u64,
    /// Different recipients of one message.
    pub max_recipients: usize,
    pub max_messages: u32,
    /// Commands that were wrong: syntax, order, address form.
    pub max_errors: u32,
    pub max_commands: u32,
    /// Commands since the last message that were neither RCPT nor DATA.
    pub max_idle_commands: u32,
    pub max_failed_logins: u32,
}
