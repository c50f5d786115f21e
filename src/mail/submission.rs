//! A message at the moment it was handed in: who, to whom, what, when.

use super::{Address, Domain, RawMessage, Reference, UnixTime};
use std::collections::{BTreeMap, BTreeSet};

/// One SMTP transaction whose data is complete (RFC 5321 §3.3, RFC 6409). Stages take their time from `received_at`.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Stands in the reply, the audit and every notice about this message.
    pub reference: Reference,
    pub identity: Identity,
    /// MAIL FROM; `None` is the null reverse-path `<>`.
    pub mail_from: Option<Address>,
    /// RCPT TO, in order, without repetitions; never empty.
    pub recipients: Vec<Address>,
    /// The message after the fixes of RFC 6409 §8.
    pub raw: RawMessage,
    pub origin: Origin,
    pub received_at: UnixTime,
    /// In which language this sender is spoken to.
    pub language: Language,
    /// The client asked for REQUIRETLS (RFC 8689): nobody gets it over a connection that is not verified.
    pub requires_tls: bool,
    pub transport: Transport,
}

/// Who hands the message in, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A login of ours, proved by AUTH.
    Account {
        login: Address,
        /// All addresses it may send from, the login among them.
        owns: Vec<Address>,
        /// The person's names as the account knows them: display name, former names.
        names: Vec<String>,
        attributes: Attributes,
    },
    /// A trusted mail server: it vouches for its senders within these domains.
    Relay {
        listener: String,
        senders: Vec<Domain>,
        /// For whom it says that it speaks, by XCLIENT or a header field that only it may set; within `senders`.
        login: Option<Address>,
    },
    /// The gate itself: notices and delivery reports.
    Gate,
}

/// What an account, or the directory that it comes from, says beyond names and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Attributes {
    pub kind: AccountKind,
    /// The person's own mailboxes outside, as far as the organisation knows them.
    pub private: Vec<Address>,
    /// Names of groups, lower case.
    pub groups: BTreeSet<String>,
}

/// Who stands behind an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    #[default]
    Person,
    /// A shared mailbox, an application, a scanner.
    Service,
}

/// What the client asked of the transport, for the whole message.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Transport {
    /// SMTPUTF8 (RFC 6531): of a submission, that it was asked for; of a copy, that it cannot go without.
    pub smtputf8: bool,
    /// RET (RFC 3461 §4.3): how much of the message a report shall bring back.
    pub ret: Option<Return>,
    /// ENVID (RFC 3461 §4.4), decoded: printable ASCII, at most 100 octets.
    pub envid: Option<String>,
    /// NOTIFY and ORCPT of each recipient that had one.
    pub reports: BTreeMap<Address, Reports>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Return {
    Full,
    Headers,
}

/// Of what a recipient's delivery the sender wants to hear (RFC 3461 §4.1, §4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Reports {
    /// Absent: the server decides, which for us is failure and delay.
    pub notify: Option<Notify>,
    /// ORCPT, decoded: the type and the address.
    pub original: Option<(String, String)>,
}

/// All false is NEVER.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Notify {
    pub success: bool,
    pub failure: bool,
    pub delay: bool,
}

impl Transport {
    /// What of it concerns a copy for these recipients: nobody else's NOTIFY or ORCPT travels with it.
    pub fn of_copy(&self, recipients: &[Address], smtputf8: bool) -> Transport {
        let reports = recipients.iter().filter_map(|recipient| self.reports.get_key_value(recipient));
        Transport {
            smtputf8,
            ret: self.ret,
            envid: self.envid.clone(),
            reports: reports.map(|(recipient, reports)| (recipient.clone(), reports.clone())).collect(),
        }
    }

    /// What the sender of a copy wants to hear of this recipient: by default of failure and delay (RFC 3461 §4.1).
    pub fn notify(&self, recipient: &Address) -> Notify {
        let asked = self.reports.get(recipient).and_then(|reports| reports.notify);
        asked.unwrap_or(Notify { success: false, failure: true, delay: true })
    }
}

/// By which way the message came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A listener, by its name in the configuration.
    Listener(String),
    /// Out of quarantine, by an officer's act.
    Release,
    /// A command that only looks: scan, explain, backtest.
    Inspection,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    Fr,
    En,
}

impl Submission {
    /// Whom policies take for the sender: the authenticated login; for a relay the login it names, else the MAIL FROM.
    pub fn sender(&self) -> Option<&Address> {
        match &self.identity {
            Identity::Account { login, .. } | Identity::Relay { login: Some(login), .. } => Some(login),
            Identity::Relay { .. } | Identity::Gate => self.mail_from.as_ref(),
        }
    }
}

impl Identity {
    /// Whether this identity may use `address` as MAIL FROM, From or Sender (RFC 6409 §6.1).
    pub fn owns(&self, address: &Address) -> bool {
        match self {
            Identity::Account { owns, .. } => owns.contains(address),
            Identity::Relay { senders, .. } => senders.iter().any(|domain| address.domain().is_within(domain)),
            Identity::Gate => true,
        }
    }
}
