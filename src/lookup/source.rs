//! What one source said of one address, before anything of it is judged.

use crate::protect::WhyNot;
use std::fmt;
use std::time::Duration;

/// Where keys are looked for, in the words of `[lookup] sources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// `keys/recipients/`.
    Folder,
    /// Directories of certificates.
    Ldap,
    /// The recipient's own domain, over HTTPS.
    Wkd,
    /// OPENPGPKEY and SMIMEA, where DNSSEC proves them.
    Dns,
    /// `keys/harvested/`: what stood in mail that came in, a hint of lower trust.
    Harvested,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Folder => "folder",
            Source::Ldap => "ldap",
            Source::Wkd => "wkd",
            Source::Dns => "dns",
            Source::Harvested => "harvested",
        })
    }
}

/// Octets that a source calls a key.
#[derive(Clone, PartialEq, Eq)]
pub enum Candidate {
    /// X.509 in DER.
    Certificate(Vec<u8>),
    /// Binary or armored.
    Openpgp(Vec<u8>),
}

/// The answer of a source.
#[derive(Clone)]
pub enum Said {
    /// What it holds for the address: nothing, when both are empty. Only this is kept as absence.
    Gave(Given),
    /// Nobody knows. A sentence without content of the answer.
    Failed(String),
}

#[derive(Clone, Default)]
pub struct Given {
    /// With where each was found, for people.
    pub candidates: Vec<(String, Candidate)>,
    /// What was there and is no key.
    pub refused: Vec<WhyNot>,
    /// For how long the source says that it holds.
    pub holds: Option<Duration>,
}

impl Given {
    /// The certificates among them, DER: those that are judged.
    pub fn certificates(&self) -> Vec<Vec<u8>> {
        let ders = self.candidates.iter().take(MOST_KEYS).filter_map(|(_, candidate)| match candidate {
            Candidate::Certificate(der) => Some(der.clone()),
            Candidate::Openpgp(_) => None,
        });
        ders.collect()
    }
}

/// Octets of one key or certificate: what Web Key Directories give out is a tenth of it. Beyond it a key is a way to spend our time.
pub const KEY_OCTETS: usize = 256 * 1024;
/// Keys that one source may give for one address.
pub const MOST_KEYS: usize = 16;

impl Said {
    pub fn nothing() -> Said {
        Said::Gave(Given::default())
    }

    pub fn refused(source: impl Into<String>, reason: impl Into<String>) -> Said {
        let why = WhyNot { source: source.into(), reason: reason.into() };
        Said::Gave(Given { refused: vec![why], ..Given::default() })
    }
}
