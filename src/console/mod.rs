//! How officers reach the gate: requests over a Unix socket in the data folder, answered by the running gate.

mod desk;
mod socket;

pub use desk::Desk;
pub use socket::{NotRunning, ask, listen};

use crate::accounts::Change;
use crate::mail::{Address, Attributes, Reference};
use serde::{Deserialize, Serialize};

/// What an officer or operator can ask for: one JSON object on one line. Requests without fields have braces too: serde refuses unknown
/// fields only there.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    QuarantineList {},
    /// What was released and rejected, with the rules that found something: for the precision of rules.
    QuarantineDecided {},
    QuarantineShow {
        reference: Reference,
    },
    QuarantineRelease {
        reference: Reference,
        officer: String,
    },
    QuarantineReject {
        reference: Reference,
        officer: String,
    },
    SpoolList {},
    SpoolRetry {
        /// One copy, or all.
        id: Option<i64>,
    },
    SpoolBounce {
        id: i64,
        officer: String,
    },
    UserAdd {
        login: Address,
        password: Secret,
        owns: Vec<Address>,
        names: Vec<String>,
        language: Option<crate::mail::Language>,
        #[serde(default)]
        attributes: Attributes,
        #[serde(default)]
        app_passwords_only: bool,
        #[serde(default)]
        because: String,
    },
    UserPassword {
        login: Address,
        password: Secret,
    },
    UserSet {
        login: Address,
        change: Box<Change>,
        by: String,
    },
    UserDisable {
        login: Address,
        #[serde(default)]
        because: String,
        /// Who decides, for the audit.
        by: String,
    },
    UserEnable {
        login: Address,
        #[serde(default)]
        because: String,
        by: String,
    },
    UserList {},
    UserShow {
        login: Address,
    },
    AppPasswordAdd {
        login: Address,
        name: String,
        by: String,
    },
    AppPasswordList {
        login: Address,
    },
    AppPasswordRevoke {
        login: Address,
        name: String,
        by: String,
    },
}

/// A password on its way through the socket: never printed, wiped when dropped.
#[derive(Clone)]
pub struct Secret(pub zeroize::Zeroizing<String>);

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(|text| Secret(text.into()))
    }
}

/// The answer: lines for a listing, or why not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// One JSON object per row; empty when there is nothing.
    Rows(Vec<serde_json::Value>),
    /// It could not be done: a sentence for the person who asked.
    No(String),
}

impl std::fmt::Debug for Request {
    /// Only what is asked for: some requests carry a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Request::QuarantineList {} => "quarantine-list",
            Request::QuarantineDecided {} => "quarantine-decided",
            Request::QuarantineShow { .. } => "quarantine-show",
            Request::QuarantineRelease { .. } => "quarantine-release",
            Request::QuarantineReject { .. } => "quarantine-reject",
            Request::SpoolList {} => "spool-list",
            Request::SpoolRetry { .. } => "spool-retry",
            Request::SpoolBounce { .. } => "spool-bounce",
            Request::UserAdd { .. } => "user-add",
            Request::UserPassword { .. } => "user-password",
            Request::UserDisable { .. } => "user-disable",
            Request::UserList {} => "user-list",
            Request::UserSet { .. } => "user-set",
            Request::UserEnable { .. } => "user-enable",
            Request::UserShow { .. } => "user-show",
            Request::AppPasswordAdd { .. } => "app-password-add",
            Request::AppPasswordList { .. } => "app-password-list",
            Request::AppPasswordRevoke { .. } => "app-password-revoke",
        };
        f.write_str(name)
    }
}
