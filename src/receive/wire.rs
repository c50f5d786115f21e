//! Turns a socket, with TLS or without, into one thing to read from and write to, each within its time.

use super::TlsSeen;
use crate::smtp::auth::Channel;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub enum Wire {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// After our last word the client may still be talking: what it says is read for so long and so far, because closing a socket
/// with unread octets makes the system throw away what we said.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_OCTETS: usize = 256 * 1024;

impl Wire {
    /// Reads something, by `deadline`; 0 is the client's end.
    pub async fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let reading = async {
            match self {
                Wire::Clear(socket) => socket.read(buffer).await,
                Wire::Tls(stream) => stream.read(buffer).await,
            }
        };
        timeout_at(deadline, reading).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Writes and flushes all of it.
    pub async fn write(&mut self, octets: &[u8], limit: Duration) -> io::Result<()> {
        let writing = async {
            match self {
                Wire::Clear(socket) => socket.write_all(octets).await,
                Wire::Tls(stream) => {
                    stream.write_all(octets).await?;
                    stream.flush().await
                }
            }
        };
        timeout(limit, writing).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// The handshake over what was clear so far. Fails when TLS is already there.
    pub async fn secure(self, acceptor: &TlsAcceptor, limit: Duration) -> io::Result<Wire> {
        let Wire::Clear(socket) = self else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        match timeout(limit, acceptor.accept(socket)).await {
            Ok(stream) => Ok(Wire::Tls(Box::new(stream?))),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// How the connection is protected; `None` when it is not.
    pub fn tls(&self) -> Option<TlsSeen> {
        let Wire::Tls(stream) = self else { return None };
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLS",
        };
        let cipher = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        let group = connection.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
        Some(TlsSeen {
            version: version.to_owned(),
            cipher: cipher.unwrap_or_default(),
            key_exchange: group.unwrap_or_default(),
        })
    }

    /// What the connection proves, for SCRAM and EXTERNAL; `end_point` is that of the listener's certificate.
    pub fn channel(&self, end_point: Option<&[u8]>) -> Channel {
        let Wire::Tls(stream) = self else { return Channel::default() };
        let (_, connection) = stream.get_ref();
        // RFC 9266 §4.2: not with TLS 1.2, where the exporter may be the same on two connections.
        let is_new = connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
        let export = || connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok();
        let certificate = connection.peer_certificates().and_then(|chain| chain.first());
        Channel {
            end_point: end_point.map(<[u8]>::to_vec),
            exporter: is_new.then(export).flatten(),
            certificate: certificate.map(|der| Arc::from(der.as_ref())),
        }
    }

    /// Ends our side, and lets the client read what was said last.
    pub async fn close(mut self, limit: Duration) {
        let ending = async {
            match &mut self {
                Wire::Clear(socket) => socket.shutdown().await,
                Wire::Tls(stream) => stream.shutdown().await,
            }
        };
        if !matches!(timeout(limit, ending).await, Ok(Ok(()))) {
            return;
        }
        let deadline = Instant::now() + LINGER;
        let mut buffer = vec![0; 4096];
        let mut read = 0;
        while read < LINGER_OCTETS {
            match self.read(&mut buffer, deadline).await {
                Ok(0) | Err(_) => return,
                Ok(count) => read += count,
            }
        }
    }
}
