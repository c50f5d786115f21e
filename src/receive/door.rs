//! Turns listeners into sessions: opens the sockets, gives each connection a place or a refusal, and drains when the gate stops.

use super::Gatekeeper;
use super::connection::Connection;
use super::places::{Memory, Place, Places};
use super::settings::{Listener, Receive, TlsMode, seconds};
use crate::mail::{Domain, Language};
use crate::smtp::session::Profile;
use crate::smtp::words::Say;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A listener's settings and, unless it has `tls = "none"`, its TLS ([`super::tls::server_config`]).
pub struct Opening {
    pub listener: Listener,
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Why a door stays shut: the operator's settings or system.
#[derive(Debug, thiserror::Error)]
pub enum CannotOpen {
    #[error("listener \"{name}\" cannot listen on {address}: {why}")]
    Address { name: String, address: SocketAddr, why: std::io::Error },
    #[error("listener \"{0}\" wants TLS and was given no certificate; write [tls] certificate = \"auto\" or a PEM path")]
    NoCertificate(String),
}

/// Open sockets, not yet served.
pub struct Doors {
    doors: Vec<(TcpListener, SocketAddr, Opening)>,
    settings: Arc<Receive>,
    hostname: Domain,
    language: Language,
}

/// What all connections of one listener share.
pub struct Hall<G> {
    pub listener: Listener,
    pub profile: Arc<Profile>,
    pub tls: Option<TlsAcceptor>,
    pub settings: Arc<Receive>,
    pub places: Places,
    /// The same for all listeners.
    pub memory: Memory,
    pub gatekeeper: Arc<G>,
}

/// The pause after the system refused a connection, mostly for want of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

impl Doors {
    /// Opens every listener, or none. `language` is spoken to clients that have not logged in.
    pub async fn open(
        openings: Vec<Opening>,
        settings: Receive,
        hostname: Domain,
        language: Language,
    ) -> Result<Doors, CannotOpen> {
        let mut doors = Vec::with_capacity(openings.len());
        for opening in openings {
            let Listener { name, address, tls, .. } = &opening.listener;
            if *tls != TlsMode::None && opening.tls.is_none() {
                return Err(CannotOpen::NoCertificate(name.clone()));
            }
            let cannot = |why| CannotOpen::Address { name: name.clone(), address: *address, why };
            let socket = TcpListener::bind(address).await.map_err(cannot)?;
            let bound = socket.local_addr().map_err(cannot)?;
            doors.push((socket, bound, opening));
        }
        Ok(Doors { doors, settings: Arc::new(settings), hostname, language })
    }

    /// Name and address of each listener; the port is the real one where the settings say 0.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.doors.iter().map(|(_, address, opening)| (opening.listener.name.clone(), *address)).collect()
    }

    /// Serves until `stop` becomes true (or its sender is gone): then idle sessions get 421, messages that are coming in may end
    /// within `drain_timeout`, and the rest is cut off. Returns when no session is left.
    pub async fn serve<G: Gatekeeper>(self, gatekeeper: Arc<G>, stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        let memory = Memory::new(self.settings.max_memory);
        for (socket, _, opening) in self.doors {
            let profile = opening.listener.profile(&self.settings, self.hostname.clone(), self.language);
            let relay = !opening.listener.auth;
            // A trusted server opens as many sessions as it has mail; it is bound by the listener's number only.
            let per_network = if relay { self.settings.max_sessions } else { self.settings.max_sessions_per_network };
            let hall = Hall {
                listener: opening.listener,
                profile: Arc::new(profile),
                tls: opening.tls.map(TlsAcceptor::from),
                settings: self.settings.clone(),
                places: Places::new(self.settings.max_sessions, per_network),
                memory: memory.clone(),
                gatekeeper: gatekeeper.clone(),
            };
            tasks.spawn(attend(socket, Arc::new(hall), stop.clone()));
        }
        tasks.join_all().await;
    }
}

async fn attend<G: Gatekeeper>(socket: TcpListener, hall: Arc<Hall<G>>, mut stop: watch::Receiver<bool>) {
    let mut sessions = JoinSet::new();
    let stopping = stop.clone();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = sessions.join_next() => if let Err(error) = ended {
                tracing::error!(listener = %hall.listener.name, %error, "a session broke off: this is a fault of the gate");
            },
            accepted = socket.accept() => match accepted {
                Ok((socket, peer)) => {
                    let peer = peer.ip().to_canonical();
                    match admit(&hall, peer) {
                        Ok(place) => drop(sessions.spawn(session(hall.clone(), place, socket, peer, stopping.clone()))),
                        Err(why) => turn_away(&hall, socket, peer, why),
                    }
                }
                Err(error) => {
                    tracing::warn!(listener = %hall.listener.name, %error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
    drop(socket);
    let drained = async { while sessions.join_next().await.is_some() {} };
    if tokio::time::timeout(seconds(hall.settings.drain_timeout), drained).await.is_err() {
        tracing::warn!(listener = %hall.listener.name, sessions = sessions.len(), "sessions were cut off at the end of drain_timeout");
        sessions.shutdown().await;
    }
}

/// Until `stop` is true; when nobody is left who could say so, at once.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|&stop| stop).await;
}

/// Deny, deny, then a place.
fn admit<G>(hall: &Hall<G>, peer: IpAddr) -> Result<Place, Say> {
    if !hall.listener.admits(peer) {
        return Err(Say::NotAllowedHere);
    }
    hall.places.take(peer).ok_or(Say::Busy)
}

/// A word without waiting, where the client can read it: before a TLS handshake it cannot.
fn turn_away<G>(hall: &Hall<G>, socket: TcpStream, peer: IpAddr, why: Say) {
    tracing::info!(listener = %hall.listener.name, %peer, reason = ?why, "connection turned away");
    if hall.listener.tls == TlsMode::Implicit {
        return;
    }
    let mut reply = Vec::new();
    why.write_to(hall.profile.language, &mut reply);
    if let Ok(mut socket) = socket.into_std() {
        // A few octets fit into any fresh socket's buffer; if not, the client sees the end alone.
        let _ = socket.write(&reply);
    }
}

async fn session<G: Gatekeeper>(
    hall: Arc<Hall<G>>,
    _place: Place,
    socket: TcpStream,
    peer: IpAddr,
    stop: watch::Receiver<bool>,
) {
    if let Err(error) = Connection::new(&hall, peer, stop).converse(socket).await {
        tracing::debug!(listener = %hall.listener.name, %peer, %error, "connection lost");
    }
}
