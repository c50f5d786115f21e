//! Turns a question to a web server that somebody else chose into its answer: within a time, within a size, and never to a machine inside.
//!
//! Every address that a name leads to is judged before any of them is connected to, and what is connected to is that very address:
//! a second answer of the resolver (DNS rebinding) is never asked for. No cookies, no compression, one question per connection.

use super::names::{Names, NoAddress, may_be_asked};
use super::tls;
use super::url::{BadUrl, Scheme, Url};
use crate::world::network::Network;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

/// How web servers are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// `proxy.example.org:3128`: asked with CONNECT, for all servers but those in `hosts` and `allow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Authorities of web servers (PEM); the system's when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Networks inside that may be asked; without them only the public Internet is.
    pub allow: Vec<Network>,
    /// Host name → where it is asked instead of where DNS says. Who is written here may be asked, wherever it lies.
    pub hosts: BTreeMap<String, SocketAddr>,
}

/// Asks web servers.
#[derive(Clone)]
pub struct Http {
    names: Names,
    tls: TlsConnector,
    proxy: Option<(String, u16)>,
    allow: Arc<[Network]>,
    hosts: Arc<BTreeMap<String, SocketAddr>>,
}

/// What is asked, and what the answer may cost.
#[derive(Clone)]
pub struct Question {
    url: Url,
    /// Of a POST, with its media type.
    body: Option<(&'static str, Bytes)>,
    accept: &'static str,
    /// Of the Authorization field; never follows a redirect, because no POST does.
    authorization: Option<HeaderValue>,
    plain: Plain,
    redirects: usize,
    budget: Duration,
    octets: usize,
}

/// Whether `http://` will do: CRL and OCSP are signed themselves and stand there; a Web Key Directory is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plain {
    Never,
    Also,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Lower-case, without parameters; empty when it was not said.
    pub content_type: String,
    pub body: Vec<u8>,
}

/// Why there is no answer. [`HttpError::is_answered`] tells what the server did from what is simply unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error(transparent)]
    Url(#[from] BadUrl),
    #[error("{0} may only be asked over https")]
    Plain(String),
    #[error("there is no host {0}")]
    NoSuchHost(String),
    #[error("the name {0} could not be resolved")]
    Names(String),
    #[error("{0} leads to an address that is not on the public Internet; to ask it, name its network in [lookup.http] allow")]
    Inside(String),
    #[error("{0} is to be asked at an unusual port; only 80 and 443 are, or networks in [lookup.http] allow")]
    Port(String),
    #[error("more than {MOST_REDIRECTS} redirects")]
    Redirects,
    #[error("the answer is larger than {0} octets")]
    TooLarge(usize),
    #[error("the answer is no HTTP that is understood here ({0})")]
    Protocol(&'static str),
    #[error("{0} did not answer in time")]
    TimedOut(String),
    #[error("{0} cannot be reached ({1})")]
    Unreachable(String, std::io::ErrorKind),
    #[error("{0} does not prove that it is {0} ({1})")]
    NotProven(String, String),
    #[error("the connection to {0} was lost")]
    Lost(String),
    #[error("the proxy cannot be used ({0})")]
    Proxy(&'static str),
}

impl HttpError {
    /// The server (or who named it) answered, and asking again soon would give the same: its answer is no good. Everything else is a
    /// failure, of which nobody knows what it hides.
    pub fn is_answered(&self) -> bool {
        match self {
            HttpError::Url(_) | HttpError::Plain(_) | HttpError::Inside(_) | HttpError::Port(_) => true,
            HttpError::NoSuchHost(_) | HttpError::Redirects | HttpError::TooLarge(_) | HttpError::Protocol(_) => true,
            HttpError::Names(_) | HttpError::TimedOut(_) | HttpError::Unreachable(..) => false,
            HttpError::NotProven(..) | HttpError::Lost(_) | HttpError::Proxy(_) => false,
        }
    }
}

const MOST_REDIRECTS: usize = 3;
/// Fields and octets of an answer's head.
const MOST_FIELDS: usize = 64;
const HEAD_OCTETS: usize = 16 * 1024;
/// Octets of a proxy's answer to CONNECT.
const PROXY_OCTETS: usize = 8 * 1024;
/// For connecting to one address of a host, so that a dead one leaves time for the next.
const ONE_ADDRESS: Duration = Duration::from_secs(3);
/// Addresses of a host that are tried.
const TRIED: usize = 4;
/// Behind a proxy many networks resolve no outside names at all; then the proxy is the one that judges.
const NAMES_BEHIND_PROXY: Duration = Duration::from_secs(1);

impl Question {
    pub fn get(url: Url) -> Question {
        Question {
            url,
            body: None,
            accept: "*/*",
            authorization: None,
            plain: Plain::Never,
            redirects: MOST_REDIRECTS,
            budget: Duration::from_secs(5),
            octets: 64 * 1024,
        }
    }

    pub fn post(url: Url, content_type: &'static str, body: Vec<u8>) -> Question {
        Question { body: Some((content_type, body.into())), ..Question::get(url) }
    }

    /// `http://` too: for what is signed in itself.
    pub fn also_plain(self) -> Question {
        Question { plain: Plain::Also, ..self }
    }

    /// A redirect is an answer like any other, with its status.
    pub fn without_redirects(self) -> Question {
        Question { redirects: 0, ..self }
    }

    /// For everything together: names, connections, redirects, the answer's last octet. 5 s when it is not said.
    pub fn within(self, budget: Duration) -> Question {
        Question { budget, ..self }
    }

    /// Of the answer's body. 64 KiB when it is not said.
    pub fn at_most(self, octets: usize) -> Question {
        Question { octets, ..self }
    }

    /// A POST with a name and a password for it (RFC 7617); both without control characters.
    pub fn authorized(self, basic: &str) -> Question {
        let mut value = HeaderValue::from_str(basic).ok();
        value.iter_mut().for_each(|value| value.set_sensitive(true));
        Question { authorization: value.filter(|_| self.body.is_some()), ..self }
    }

    pub fn accepting(self, accept: &'static str) -> Question {
        Question { accept, ..self }
    }
}

impl Http {
    /// Errors name the setting.
    pub fn new(settings: &HttpSettings, names: Names) -> Result<Http, String> {
        let proxy = settings.proxy.as_deref().map(proxy_address).transpose()?;
        let hosts = settings.hosts.iter().map(|(host, address)| (host.to_ascii_lowercase(), *address)).collect();
        Ok(Http {
            names,
            tls: tls::connector(settings.ca.as_deref(), &[b"http/1.1"])?,
            proxy,
            allow: settings.allow.clone().into(),
            hosts: Arc::new(hosts),
        })
    }

    /// Asks, and follows redirects of a GET; each leads to a host that is judged like the first.
    pub async fn ask(&self, question: Question) -> Result<Answer, HttpError> {
        let deadline = Instant::now() + question.budget;
        let mut url = question.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let host = url.host().to_owned();
            let (answer, location) =
                timeout_at(deadline, self.ask_one(&url, &question)).await.map_err(|_| HttpError::TimedOut(host))??;
            let redirected =
                matches!(answer.status, 301 | 302 | 303 | 307 | 308) && question.body.is_none() && question.redirects > 0;
            match location {
                Some(location) if redirected => url = url.join(&location)?,
                _ => return Ok(answer),
            }
        }
        Err(HttpError::Redirects)
    }

    async fn ask_one(&self, url: &Url, question: &Question) -> Result<(Answer, Option<String>), HttpError> {
        let host = || url.host().to_owned();
        if url.scheme() == Scheme::Http && question.plain == Plain::Never {
            return Err(HttpError::Plain(host()));
        }
        let stream = self.connect(url).await?;
        match url.scheme() {
            Scheme::Http => exchange(stream, url, question).await,
            Scheme::Https => {
                let name =
                    ServerName::try_from(host()).map_err(|_| BadUrl("the host's name cannot be one of a certificate"))?;
                let secure = self.tls.connect(name, stream).await.map_err(|why| not_secure(url, &why))?;
                exchange(secure, url, question).await
            }
        }
    }

    /// A connection to an address that was judged, or through the proxy.
    async fn connect(&self, url: &Url) -> Result<TcpStream, HttpError> {
        let host = || url.host().to_owned();
        if let Some(address) = self.hosts.get(url.host()) {
            return reach(url.host(), &[*address]).await;
        }
        let addresses = match (url.host().parse::<IpAddr>(), &self.proxy) {
            (Ok(address), _) => Some(vec![address]),
            (Err(_), None) => Some(self.names.addresses(url.host()).await?),
            (Err(_), Some(_)) => timeout(NAMES_BEHIND_PROXY, self.names.addresses(url.host())).await.ok().and_then(Result::ok),
        };
        let addresses = addresses.unwrap_or_default();
        let allowed = |address: &IpAddr| self.allow.iter().any(|network| network.contains(*address));
        let named = !addresses.is_empty() && addresses.iter().all(allowed);
        if !named {
            // A name that leads outside and inside is no public server's: all or none.
            if is_name_inside(url.host()) || !addresses.iter().all(|address| may_be_asked(*address, &self.allow)) {
                return Err(HttpError::Inside(host()));
            }
            if !matches!(url.port(), 80 | 443) {
                return Err(HttpError::Port(format!("{}:{}", url.host(), url.port())));
            }
        }
        match &self.proxy {
            Some((proxy, port)) if !named => self.through_proxy(proxy, *port, url).await,
            _ => {
                let sockets: Vec<_> = addresses.iter().map(|address| SocketAddr::new(*address, url.port())).collect();
                reach(url.host(), &sockets).await
            }
        }
    }

    /// RFC 9110 §9.3.6. The proxy is the operator's own: its address is not judged.
    async fn through_proxy(&self, proxy: &str, port: u16, url: &Url) -> Result<TcpStream, HttpError> {
        let addresses = match proxy.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.names.addresses(proxy).await.map_err(|_| HttpError::Proxy("its name cannot be resolved"))?,
        };
        let sockets: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        let mut stream = reach(proxy, &sockets).await.map_err(|_| HttpError::Proxy("it cannot be reached"))?;
        let lost = |_| HttpError::Proxy("it closed the connection");
        let host = if url.host().contains(':') { format!("[{}]", url.host()) } else { url.host().to_owned() };
        let target = format!("{host}:{}", url.port());
        stream.write_all(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").as_bytes()).await.map_err(lost)?;
        // Octet by octet: what follows the empty line is the server's, and it has not spoken yet.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= PROXY_OCTETS {
                return Err(HttpError::Proxy("its answer does not end"));
            }
            head.push(stream.read_u8().await.map_err(lost)?);
        }
        let status = head.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)).unwrap_or_default();
        match status {
            [b'2', ..] => Ok(stream),
            b"407" => Err(HttpError::Proxy("it asks for a password, which is not supported; let this machine pass")),
            b"403" => Err(HttpError::Proxy("it refuses this host")),
            _ => Err(HttpError::Proxy("it could not connect")),
        }
    }
}

impl From<NoAddress> for HttpError {
    fn from(why: NoAddress) -> HttpError {
        match why {
            NoAddress::NoSuchHost(host) => HttpError::NoSuchHost(host),
            NoAddress::Failed(host) => HttpError::Names(host),
        }
    }
}

/// Names that mean this machine or this network (RFC 6761, RFC 6762, RFC 8375, ICANN 2024) or that only a search list completes:
/// behind a proxy no address is seen that could be judged.
fn is_name_inside(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    host.parse::<IpAddr>().is_err()
        && (!host.contains('.')
            || matches!(last, "localhost" | "local" | "internal" | "intranet" | "lan" | "corp" | "home" | "arpa"))
}

async fn reach(host: &str, addresses: &[SocketAddr]) -> Result<TcpStream, HttpError> {
    let mut why = HttpError::NoSuchHost(host.to_owned());
    for address in addresses.iter().take(TRIED) {
        match timeout(ONE_ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => why = HttpError::Unreachable(host.to_owned(), error.kind()),
            Err(_) => why = HttpError::TimedOut(host.to_owned()),
        }
    }
    Err(why)
}

/// One request and its answer over a connection, which then closes.
async fn exchange<S>(stream: S, url: &Url, question: &Question) -> Result<(Answer, Option<String>), HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lost = |_: hyper::Error| HttpError::Lost(url.host().to_owned());
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_headers(MOST_FIELDS).max_buf_size(HEAD_OCTETS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(lost)?;
    // Dropped at every way out of here, and the connection with it.
    let mut background = JoinSet::new();
    background.spawn(async move { drop(connection.await) });
    let response = sender.send_request(request(url, question)?).await.map_err(|why| unreadable(url, &why))?;
    let (head, mut body) = response.into_parts();
    let location = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if is_encoded(&head.headers) {
        return Err(HttpError::Protocol("it is compressed, though that was not asked for"));
    }
    let mut octets = Vec::new();
    if head.status.is_redirection() {
        return Ok((answer(head.status, &head.headers, octets), location));
    }
    // Said beforehand: not an octet of it needs to be read.
    let said = hyper::body::Body::size_hint(&body).lower();
    if said > question.octets as u64 {
        return Err(HttpError::TooLarge(question.octets));
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|why| unreadable(url, &why))?;
        if let Some(data) = frame.data_ref() {
            if octets.len() + data.len() > question.octets {
                return Err(HttpError::TooLarge(question.octets));
            }
            octets.extend_from_slice(data);
        }
    }
    Ok((answer(head.status, &head.headers, octets), location))
}

fn request(url: &Url, question: &Question) -> Result<Request<Full<Bytes>>, HttpError> {
    let mut request = Request::builder()
        .method(if question.body.is_some() { Method::POST } else { Method::GET })
        .uri(url.path())
        .header(header::HOST, url.authority())
        .header(header::USER_AGENT, HeaderValue::from_static("postern"))
        .header(header::ACCEPT, HeaderValue::from_static(question.accept))
        .header(header::CONNECTION, HeaderValue::from_static("close"));
    if let Some((content_type, _)) = &question.body {
        request = request.header(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(authorization) = &question.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let body = question.body.as_ref().map(|(_, body)| body.clone()).unwrap_or_default();
    request.body(Full::new(body)).map_err(|_| BadUrl("the address cannot be asked for").into())
}

fn answer(status: StatusCode, headers: &HeaderMap, body: Vec<u8>) -> Answer {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Answer { status: status.as_u16(), content_type, body }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// What is not HTTP is an answer; a connection that ends early is none.
fn unreadable(url: &Url, why: &hyper::Error) -> HttpError {
    // Also what is longer than it may be.
    if why.is_parse() { HttpError::Protocol("it cannot be read") } else { HttpError::Lost(url.host().to_owned()) }
}

fn not_secure(url: &Url, why: &std::io::Error) -> HttpError {
    let host = url.host().to_owned();
    let inner = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(reason)) => {
            let reason = match reason {
                rustls::CertificateError::UnknownIssuer => "its certificate is by an unknown authority",
                rustls::CertificateError::NotValidForName | rustls::CertificateError::NotValidForNameContext { .. } => {
                    "its certificate is for other names"
                }
                rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. } => {
                    "its certificate has expired"
                }
                _ => "its certificate is not accepted",
            };
            HttpError::NotProven(host, reason.to_owned())
        }
        Some(_) => HttpError::NotProven(host, "no TLS that both sides know".to_owned()),
        None => HttpError::Lost(host),
    }
}

/// `host:port`, also behind `http://`.
fn proxy_address(text: &str) -> Result<(String, u16), String> {
    let write = || format!("proxy = \"{text}\" is no proxy; write it like \"proxy.example.org:3128\"");
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let url = Url::parse(&format!("http://{bare}/")).map_err(|_| write())?;
    if url.path() != "/" || bare.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
        return Err(write());
    }
    Ok((url.host().to_owned(), url.port()))
}
