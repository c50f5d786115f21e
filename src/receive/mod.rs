//! Turns connections of mail clients and trusted relays into submissions, and outcomes into replies.

mod connection;
pub mod door;
mod places;
mod reception;
pub mod settings;
pub mod tls;
mod wire;

#[cfg(test)]
mod open_relay;
#[cfg(test)]
mod tests;

pub use crate::smtp::reply::{Accepted, Refusal};
pub use crate::smtp::session::LoggedIn;
pub use crate::world::network;
pub use door::{CannotOpen, Doors, Opening};
pub use reception::{IdentityFields, Reception};

use crate::mail::{Address, Identity, Language, RawMessage, Transport};
use std::future::Future;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// Who decides what the door only asks. The door has already held SMTP's own rules: a login owns its MAIL FROM, a relay
/// stays within its sender domains, sizes and numbers are within their limits, every line of the message ends in CRLF.
pub trait Gatekeeper: Send + Sync + 'static {
    /// `password` is wiped when the door drops it. A wrong password and an unknown login get the same answer in the same time.
    fn log_in(
        &self,
        login: &str,
        password: &Zeroizing<Vec<u8>>,
        peer: IpAddr,
    ) -> impl Future<Output = Result<LoggedIn, Refusal>> + Send;

    /// May this MAIL FROM (`None` is `<>`) be used now? Asked once for each message, before any recipient.
    fn sender(
        &self,
        who: &Identity,
        language: Language,
        mail_from: Option<&Address>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// May this recipient be written to at all? Asked once for each different one: key look-ups begin here.
    fn recipient(
        &self,
        who: &Identity,
        language: Language,
        recipient: &Address,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Takes the message or says why not. A client that goes away does not end this call: only the stop of the gate does,
    /// when its time to drain is over.
    fn submit(&self, arrival: Arrival) -> impl Future<Output = Result<Accepted, Refusal>> + Send;
}

/// A complete message at the door.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub identity: Identity,
    pub language: Language,
    /// `None` is the null reverse-path `<>`.
    pub mail_from: Option<Address>,
    /// REQUIRETLS (RFC 8689) was asked for.
    pub requires_tls: bool,
    /// In order, each once; never empty.
    pub recipients: Vec<Address>,
    pub raw: RawMessage,
    /// SMTPUTF8 and what delivery reports were asked for.
    pub transport: Transport,
    /// The listener's name in the configuration.
    pub listener: String,
    /// By what name the client called itself: letters, digits and `.-_:[]`. Claimed, not proved.
    pub helo: String,
    pub peer: IpAddr,
    pub tls: Option<TlsSeen>,
    /// By AUTH; a relay is known without.
    pub authenticated: bool,
}

/// How the client's connection was protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSeen {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: String,
    /// As rustls names it: `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The key exchange: `X25519MLKEM768`, `X25519`; empty when rustls does not tell.
    pub key_exchange: String,
}
