//! A web server that does what a table says: answers, drips, loops, or says nothing.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the server does with one request.
#[derive(Clone)]
pub enum Does {
    Answers {
        status: u16,
        fields: &'static str,
        body: Vec<u8>,
    },
    RedirectsTo(String),
    /// These octets as they are, then it closes.
    Says(Vec<u8>),
    /// One octet of an answer each 20 ms, without end.
    Drips,
    /// Holds the connection open.
    IsSilent,
    /// As many octets as somebody takes, without saying how many.
    Floods,
}

impl Does {
    pub fn give(body: impl Into<Vec<u8>>) -> Does {
        Does::Answers { status: 200, fields: "Content-Type: application/octet-stream\r\n", body: body.into() }
    }

    pub fn refuse(status: u16) -> Does {
        Does::Answers { status, fields: "", body: b"<html>no</html>".to_vec() }
    }
}

pub struct Web {
    pub address: SocketAddr,
    /// Host and path of each request, in order; of a POST also its body, and who asked.
    pub asked: Arc<Mutex<Vec<String>>>,
    /// The authority of its certificate, in PEM.
    pub ca: PathBuf,
    _folder: tempfile::TempDir,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Web {
    /// HTTPS for these names; `None`: plain HTTP.
    pub async fn serve(names: Option<&[&str]>, does: impl Fn(&str, &str) -> Does + Send + Sync + 'static) -> Web {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let acceptor = names.map(|names| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let made = rcgen::generate_simple_self_signed(names).unwrap();
            std::fs::write(&ca, made.cert.pem()).unwrap();
            let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
            let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            TlsAcceptor::from(Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap()))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, does) = (asked.clone(), Arc::new(does));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, does, acceptor) = (log.clone(), does.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                answer(stream, &log, &*does).await;
                            }
                        }
                        None => answer(stream, &log, &*does).await,
                    }
                });
            }
        });
        Web { address, asked, ca, _folder: folder, server }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    log: &Mutex<Vec<String>>,
    does: &(dyn Fn(&str, &str) -> Does + Send + Sync),
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let field = |name: &str| head.lines().find_map(|line| line.to_lowercase().strip_prefix(name).map(|v| v.trim().to_owned()));
    let mut body = vec![0; field("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    let (host, path) = (field("host:").unwrap_or_default(), head.split(' ').nth(1).unwrap_or_default().to_owned());
    let shown = String::from_utf8_lossy(&body);
    let space = if shown.is_empty() { "" } else { " " };
    // Names and passwords have capitals.
    let named =
        head.lines().find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("authorization")));
    let by = named.map_or_else(String::new, |(_, value)| format!(" {value}"));
    log.lock().unwrap().push(format!("{host}{path}{space}{shown}{by}"));
    let host = host.split(':').next().unwrap_or_default();
    let said = match does(host, &path) {
        Does::Answers { status, fields, body } => {
            let head = format!("HTTP/1.1 {status} Said\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
            [head.into_bytes(), body].concat()
        }
        Does::RedirectsTo(location) => {
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into()
        }
        Does::Says(octets) => octets,
        Does::Drips => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await;
            while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            return;
        }
        Does::IsSilent => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return;
        }
        Does::Floods => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
            return;
        }
    };
    let _ = stream.write_all(&said).await;
    let _ = stream.shutdown().await;
}
