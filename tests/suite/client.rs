//! A small blocking submission client: speaks SMTP over TCP or TLS exactly as told, one command at a time.

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long the gate may take for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Client {
    wire: Wire,
    received: Vec<u8>,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
    /// Between the two, while STARTTLS takes place.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// All lines, without the code, joined by line feeds.
    pub text: String,
}

impl Reply {
    pub fn is_good(&self) -> bool {
        self.code < 400
    }

    /// The first `PST-…` word: the reference of a decision.
    pub fn reference(&self) -> Option<&str> {
        self.text.split_whitespace().find(|word| word.starts_with("PST-"))
    }
}

impl Client {
    /// Connects in clear and reads the banner.
    pub fn plain(address: SocketAddr) -> io::Result<Client> {
        let mut client = Client { wire: Wire::Plain(connect(address)?), received: Vec::new() };
        client.expect_good()?;
        Ok(client)
    }

    /// EHLO, STARTTLS and the handshake (RFC 3207).
    pub fn starttls(address: SocketAddr, certificate: &Path, name: &str) -> io::Result<Client> {
        let mut client = Client::plain(address)?;
        client.good("EHLO client.example.org")?;
        client.good("STARTTLS")?;
        if let Wire::Plain(stream) = std::mem::replace(&mut client.wire, Wire::Gone) {
            client.wire = Wire::Tls(Box::new(secure(stream, certificate, name)?));
        }
        Ok(client)
    }

    /// EHLO and AUTH PLAIN (RFC 4616).
    pub fn log_in(&mut self, login: &str, password: &str) -> io::Result<Reply> {
        use base64::Engine;
        self.good("EHLO client.example.org")?;
        let secret = base64::engine::general_purpose::STANDARD.encode(format!("\0{login}\0{password}"));
        self.command(&format!("AUTH PLAIN {secret}"))
    }

    pub fn command(&mut self, line: &str) -> io::Result<Reply> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// One transaction; the answer is the first refusal, or what was said after the data. `message` travels as it is: its
    /// final line may lack the CRLF, which SMTP then adds.
    pub fn send(&mut self, mail_from: &str, recipients: &[&str], message: &[u8]) -> io::Result<Reply> {
        let eight_bit = if message.is_ascii() { "" } else { " BODY=8BITMIME" };
        let reply = self.command(&format!("MAIL FROM:<{mail_from}>{eight_bit}"))?;
        if !reply.is_good() {
            return Ok(reply);
        }
        for recipient in recipients {
            let reply = self.command(&format!("RCPT TO:<{recipient}>"))?;
            if !reply.is_good() {
                self.command("RSET")?;
                return Ok(reply);
            }
        }
        let reply = self.command("DATA")?;
        if reply.code != 354 {
            return Ok(reply);
        }
        self.write(&stuffed(message))?;
        self.reply()
    }

    /// Octets as they are.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.wire {
            Wire::Plain(stream) => stream.write_all(octets),
            Wire::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
            Wire::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code: u16 = code.ok_or_else(|| io::Error::other(format!("no reply: {line:?}")))?;
            lines.push(line.get(4..).unwrap_or("").to_string());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply { code, text: lines.join("\n") });
            }
        }
    }

    pub fn good(&mut self, line: &str) -> io::Result<Reply> {
        let reply = self.command(line)?;
        if reply.is_good() { Ok(reply) } else { Err(io::Error::other(format!("{line}: {reply:?}"))) }
    }

    fn expect_good(&mut self) -> io::Result<()> {
        let reply = self.reply()?;
        if reply.is_good() { Ok(()) } else { Err(io::Error::other(format!("{reply:?}"))) }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.received.drain(..end + 2).collect::<Vec<u8>>();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let mut chunk = [0; 4096];
            let read = match &mut self.wire {
                Wire::Plain(stream) => stream.read(&mut chunk)?,
                Wire::Tls(stream) => stream.read(&mut chunk)?,
                Wire::Gone => 0,
            };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.received.extend_from_slice(&chunk[..read]);
        }
    }
}

/// RFC 5321 §4.5.2, with the final dot.
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    if !wire.is_empty() && !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn secure(
    stream: TcpStream,
    certificate: &Path,
    name: &str,
) -> io::Result<rustls::StreamOwned<rustls::ClientConnection, TcpStream>> {
    let mut believed = rustls::RootCertStore::empty();
    for one in CertificateDer::pem_file_iter(certificate).map_err(io::Error::other)? {
        believed.add(one.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(believed)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_string()).map_err(io::Error::other)?;
    let connection = rustls::ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(rustls::StreamOwned::new(connection, stream))
}
