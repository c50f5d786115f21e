//! Turns connections of mail clients and trusted relays into submissions, and outcomes into replies.

mod admission;
mod connection;
pub mod door;
mod places;
mod reception;
pub mod settings;
pub mod tls;
mod wire;

#[cfg(test)]
mod tests;

pub use crate::smtp::reply::{Accepted, Refusal};
pub use crate::smtp::session::{LoggedIn, Stamp};
pub use crate::world::network;
pub use door::{CannotOpen, Doors, Opening};
pub use reception::Reception;

use crate::mail::{Address, Identity, Language, RawMessage};
use crate::smtp::auth::scram::Salt;
use crate::smtp::auth::{Offer, Proof};
use std::future::Future;
use std::net::IpAddr;

/// Who decides what the door only asks. The door has already held SMTP's own rules: a login owns its MAIL FROM, a relay
/// stays within its sender domains, sizes and numbers are within their limits, every line of the message ends in CRLF.
pub trait Gatekeeper: Send + Sync + 'static {
    /// What a password, token or certificate proves. A wrong password and an unknown login get the same answer for the same work.
    fn log_in(&self, proof: Proof, peer: IpAddr) -> impl Future<Output = Result<LoggedIn, Refusal>> + Send;

    /// The salt of this login's password, for SCRAM: of each login that there could be the same one each time.
    fn salt(&self, login: &str) -> impl Future<Output = Result<Salt, Refusal>> + Send;

    /// Whether what let somebody in still does; asked before each message, its recipients and its end.
    fn still(&self, who: &Identity, stamp: &Stamp, language: Language) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Which mechanisms there are besides PLAIN and LOGIN.
    fn offer(&self) -> Offer;

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
