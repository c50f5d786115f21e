//! A mail client as people have one: TLS from the first octet, a login, one message at a time.

use crate::cli::Failure;
use crate::mail::Address;
use mail_send::{Credentials, SmtpClient};
use rustls_pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A session with the gate.
pub struct Client(SmtpClient<TlsStream<TcpStream>>);

/// The last reply of a transaction.
#[derive(Debug)]
pub struct Said {
    pub code: u16,
    pub text: String,
}

const PATIENCE: Duration = Duration::from_secs(60);

impl Client {
    /// `certificates`: what the gate shows; trusted because it was read from its own data folder.
    pub async fn connect(
        address: SocketAddr,
        certificates: Vec<CertificateDer<'static>>,
        login: &str,
        password: &str,
    ) -> Result<Client, Failure> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate)?;
        }
        let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
        let plain = SmtpClient::connect(address, PATIENCE).await?;
        plain.stream.set_nodelay(true)?;
        let mut client = plain.into_tls(&connector, "localhost").await?;
        client.read().await?;
        let capabilities = client.ehlo("client.example.gouv.fr").await?;
        client.authenticate(Credentials::new(login, password), &capabilities).await?;
        Ok(Client(client))
    }

    pub async fn submit(&mut self, from: &Address, to: &Address, octets: &[u8]) -> Result<Said, Failure> {
        for command in [format!("MAIL FROM:<{from}>\r\n"), format!("RCPT TO:<{to}>\r\n"), "DATA\r\n".into()] {
            let reply = self.0.cmd(command.as_bytes()).await?;
            if reply.code() >= 400 {
                let said = Said { code: reply.code(), text: reply.message().replace('\n', " ") };
                self.0.cmd(b"RSET\r\n").await?;
                return Ok(said);
            }
        }
        self.0.write_message(octets).await?;
        let reply = self.0.read().await?;
        Ok(Said { code: reply.code(), text: reply.message().replace('\n', " ") })
    }
}
