//! Turns an address into the certificates that a directory holds for it, over TLS and within limits.

pub mod wire;

use super::names::Names;
use super::source::{Candidate, Given, Said};
use super::tls;
use crate::mail::{Address, Domain};
use crate::protect::WhyNot;
use der::Decode;
use rustls_pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wire::{Answer, BadAnswer, Operation, Scope};
use zeroize::Zeroizing;

/// `[[lookup.ldap]]`, one directory.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct LdapSettings {
    /// `ldaps://host[:port]`, or `ldap://host[:port]`, which then starts TLS.
    pub url: String,
    /// Where the search begins.
    pub base: String,
    /// With `{address}`, `{local}` or `{domain}`, which are escaped (RFC 4515).
    #[serde(default = "by_mail")]
    pub filter: String,
    #[serde(default = "attributes")]
    pub attributes: Vec<String>,
    /// Recipients whose directory this is, with the domains below; empty: all.
    #[serde(default)]
    pub domains: Vec<Domain>,
    /// Who asks; left out: anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_dn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Authorities of the directory's certificate (PEM); left out: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// `ldap://` without TLS: whoever stands between may put their own key into the answer.
    #[serde(default)]
    pub clear: bool,
}

fn by_mail() -> String {
    "(mail={address})".to_owned()
}

/// RFC 4523 §4.1 wants `;binary`, Active Directory knows none.
fn attributes() -> Vec<String> {
    ["userCertificate;binary", "userSMIMECertificate;binary", "userCertificate", "userSMIMECertificate"]
        .map(str::to_owned)
        .to_vec()
}

/// One directory.
#[derive(Clone)]
pub struct Ldap {
    settings: Arc<LdapSettings>,
    names: Names,
    host: String,
    port: u16,
    tls: Tls,
    password: Arc<Zeroizing<Vec<u8>>>,
}

#[derive(Clone)]
enum Tls {
    FromTheStart(TlsConnector),
    Started(TlsConnector),
    None,
}

/// Entries of one answer: an address of one person. More is a filter that is too wide.
const MOST_ENTRIES: u16 = 8;
/// Octets of one answer.
const ANSWER_OCTETS: usize = 1024 * 1024;
/// Of a bind's or StartTLS's answer.
const SHORT_OCTETS: usize = 16 * 1024;
/// What a directory is asked to take at most; our own budget ends earlier.
const ITS_SECONDS: u8 = 10;

impl Ldap {
    /// Errors name the setting and say what to write.
    pub fn new(settings: LdapSettings, names: Names) -> Result<Ldap, String> {
        let write = || format!("url = \"{}\" is no directory; write it like \"ldaps://ldap.example.org\"", settings.url);
        let (implicit, rest) = match (settings.url.strip_prefix("ldaps://"), settings.url.strip_prefix("ldap://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(write()),
        };
        let default_port = if implicit { 636 } else { 389 };
        // The same strict reading as on the web.
        let url = super::url::Url::parse(&format!("http://{}/", rest.trim_end_matches('/'))).map_err(|_| write())?;
        if url.path() != "/" {
            return Err(format!("url = \"{}\" has a path; write it into base, filter and attributes", settings.url));
        }
        let port = if url.port() == 80 && !rest.contains(":80") { default_port } else { url.port() };
        if !["{address}", "{local}", "{domain}"].iter().any(|word| settings.filter.contains(word)) {
            return Err("filter has no {address}; write it like \"(mail={address})\"".to_owned());
        }
        if wire::search(1, ("", Scope::Subtree), &filled(&settings.filter, "a", "b.example"), &[], 1, 1).is_none() {
            return Err(format!("filter = \"{}\" is no filter; write it like \"(mail={{address}})\"", settings.filter));
        }
        let password = match (&settings.bind_dn, &settings.password_file) {
            (Some(_), Some(path)) => read_password(path)?,
            (None, Some(_)) => return Err("password_file goes with bind_dn".to_owned()),
            (Some(_), None) => return Err("bind_dn goes with password_file".to_owned()),
            (None, None) => Zeroizing::new(Vec::new()),
        };
        let tls = match (implicit, settings.clear) {
            (true, true) => return Err("clear = true goes with ldap://, not with ldaps://".to_owned()),
            (true, false) => Tls::FromTheStart(tls::connector(settings.ca.as_deref(), &[])?),
            (false, false) => Tls::Started(tls::connector(settings.ca.as_deref(), &[])?),
            (false, true) if settings.bind_dn.is_some() => {
                return Err("bind_dn with clear = true would send the password in clear; leave out one of them".to_owned());
            }
            (false, true) => Tls::None,
        };
        Ok(Ldap { host: url.host().to_owned(), port, tls, password: Arc::new(password), names, settings: Arc::new(settings) })
    }

    /// Whether this directory holds addresses of this domain.
    pub fn is_for(&self, domain: &Domain) -> bool {
        self.settings.domains.is_empty() || self.settings.domains.iter().any(|ours| domain.is_within(ours))
    }

    /// The caller holds the time.
    pub async fn ask(&self, address: &Address) -> Said {
        match self.search(address).await {
            Ok(given) => Said::Gave(given),
            Err(Failure::Answer(BadAnswer::Form | BadAnswer::TooLarge)) => {
                Said::refused(&self.host, "its answer is no LDAP, or larger than may be read")
            }
            Err(Failure::Answer(BadAnswer::Lost)) => Said::Failed(format!("ldap: the connection to {} was lost", self.host)),
            Err(Failure::Other(why)) => Said::Failed(format!("ldap: {}: {why}", self.host)),
        }
    }

    async fn search(&self, address: &Address) -> Result<Given, Failure> {
        let mut stream = self.connect().await?;
        let secure = |connector: &TlsConnector| {
            let name = ServerName::try_from(self.host.clone())
                .map_err(|_| Failure::Other("its name cannot be one of a certificate".into()));
            name.map(|name| (connector.clone(), name))
        };
        match &self.tls {
            Tls::None => self.converse(stream, address).await,
            Tls::FromTheStart(connector) => {
                let (connector, name) = secure(connector)?;
                self.converse(connector.connect(name, stream).await.map_err(no_tls)?, address).await
            }
            Tls::Started(connector) => {
                stream.write_all(&wire::start_tls(1)).await.map_err(|_| BadAnswer::Lost)?;
                // Octet by octet from the socket: whatever somebody put behind the answer meets the handshake and breaks it.
                match wire::read(&mut stream, 1, &mut SHORT_OCTETS.clone()).await? {
                    Answer::Done(Operation::Extended, 0) => {}
                    _ => return Err(Failure::Other("it does not start TLS".into())),
                }
                let (connector, name) = secure(connector)?;
                self.converse(connector.connect(name, stream).await.map_err(no_tls)?, address).await
            }
        }
    }

    /// The operator chose the directory: its address is not judged.
    async fn connect(&self) -> Result<TcpStream, Failure> {
        let addresses = match self.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.names.addresses(&self.host).await.map_err(|why| Failure::Other(why.to_string()))?,
        };
        let mut why = std::io::ErrorKind::NotFound;
        for address in addresses {
            match TcpStream::connect(SocketAddr::new(address, self.port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => why = error.kind(),
            }
        }
        Err(Failure::Other(format!("it cannot be reached ({why})")))
    }

    async fn converse(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, address: &Address) -> Result<Given, Failure> {
        let lost = |_| Failure::Answer(BadAnswer::Lost);
        if let Some(dn) = &self.settings.bind_dn {
            stream.write_all(&wire::bind(2, dn, &self.password)).await.map_err(lost)?;
            match wire::read(&mut stream, 2, &mut SHORT_OCTETS.clone()).await? {
                Answer::Done(Operation::Bind, 0) => {}
                Answer::Done(Operation::Bind, 49) => return Err(Failure::Other("bind_dn or its password is wrong".into())),
                Answer::Done(Operation::Bind, code) => return Err(Failure::Other(format!("the bind ended with {code}"))),
                _ => return Err(BadAnswer::Form.into()),
            }
        }
        let filter = filled(&self.settings.filter, address.local(), address.domain().as_str());
        let base = (self.settings.base.as_str(), Scope::Subtree);
        let question = wire::search(3, base, &filter, &self.settings.attributes, MOST_ENTRIES, ITS_SECONDS);
        let question = question.ok_or_else(|| Failure::Other("no filter can be made of this address".into()))?;
        stream.write_all(&question).await.map_err(lost)?;
        let (mut allowance, mut given) = (ANSWER_OCTETS, Given::default());
        loop {
            match wire::read(&mut stream, 3, &mut allowance).await? {
                Answer::Entry(entry) => self.take(entry.attributes, &mut given),
                Answer::Done(Operation::Search, 0) => break,
                // sizeLimitExceeded: what came is what came.
                Answer::Done(Operation::Search, 4) => {
                    given.refused.push(
                        self.refused("it has more entries for this address than are looked at; make the filter narrower"),
                    );
                    break;
                }
                Answer::Done(Operation::Search, 32) => return Err(Failure::Other("there is nothing at its base".into())),
                Answer::Done(Operation::Search, 10) => return Err(Failure::Other("it refers to another directory".into())),
                Answer::Done(Operation::Search, code) => return Err(Failure::Other(format!("the search ended with {code}"))),
                Answer::Done(..) => return Err(BadAnswer::Form.into()),
                Answer::Other => {}
            }
        }
        let _ = stream.write_all(&wire::unbind(4)).await;
        let _ = stream.shutdown().await;
        Ok(given)
    }

    fn refused(&self, reason: &str) -> WhyNot {
        WhyNot { source: self.host.clone(), reason: reason.to_owned() }
    }

    fn take(&self, attributes: Vec<(String, Vec<Vec<u8>>)>, given: &mut Given) {
        for value in attributes.into_iter().flat_map(|(_, values)| values) {
            match candidates(value) {
                Ok(found) => {
                    for candidate in found {
                        // The same certificate stands in both attributes often.
                        if !given.candidates.iter().any(|(_, other)| *other == candidate) {
                            given.candidates.push((self.host.clone(), candidate));
                        }
                    }
                }
                Err(reason) => given.refused.push(self.refused(reason)),
            }
        }
    }
}

enum Failure {
    Answer(BadAnswer),
    Other(String),
}

impl From<BadAnswer> for Failure {
    fn from(why: BadAnswer) -> Failure {
        Failure::Answer(why)
    }
}

fn no_tls(why: std::io::Error) -> Failure {
    let certificate = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match certificate {
        Some(rustls::Error::InvalidCertificate(_)) => Failure::Other("its certificate is not accepted; see ca".into()),
        _ => Failure::Other("no TLS that both sides know".into()),
    }
}

/// The filter with the address in it, escaped: `*` in a local part would match everybody (RFC 4515 §3).
fn filled(filter: &str, local: &str, domain: &str) -> String {
    let escape = |text: &str| ldap3::ldap_escape(text.to_owned()).into_owned();
    let mut out = String::new();
    let mut rest = filter;
    while let Some(at) = rest.find('{') {
        let (before, word) = rest.split_at(at);
        out += before;
        rest = if let Some(after) = word.strip_prefix("{address}") {
            out += &escape(&format!("{local}@{domain}"));
            after
        } else if let Some(after) = word.strip_prefix("{local}") {
            out += &escape(local);
            after
        } else if let Some(after) = word.strip_prefix("{domain}") {
            out += &escape(domain);
            after
        } else {
            out.push('{');
            &word[1..]
        };
    }
    out + rest
}

/// A value is a certificate, or a PKCS #7 message with certificates in it (RFC 2798 §2.8: userSMIMECertificate).
pub(super) fn candidates(value: Vec<u8>) -> Result<Vec<Candidate>, &'static str> {
    if x509_cert::Certificate::from_der(&value).is_ok() {
        return Ok(vec![Candidate::Certificate(value)]);
    }
    let certificates = certificates_of_signed(&value).ok_or("a value is neither a certificate nor a PKCS #7 message")?;
    Ok(certificates.into_iter().map(Candidate::Certificate).collect())
}

/// The certificates inside a CMS SignedData, authorities' left out.
pub(super) fn certificates_of_signed(octets: &[u8]) -> Option<Vec<Vec<u8>>> {
    use cms::cert::CertificateChoices;
    use der::Encode;
    let info = cms::content_info::ContentInfo::from_der(octets).ok()?;
    let signed: cms::signed_data::SignedData = info.content.decode_as().ok()?;
    let mut found = Vec::new();
    for choice in signed.certificates.iter().flat_map(|set| set.0.iter()).take(super::source::MOST_KEYS) {
        if let CertificateChoices::Certificate(certificate) = choice
            && let Ok(der) = certificate.to_der()
            && !crate::protect::trust::describe_certificate(&der).authority
        {
            found.push(der);
        }
    }
    Some(found)
}

pub(super) fn read_password(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut octets = Zeroizing::new(
        std::fs::read(path).map_err(|why| format!("password_file = {} cannot be read ({})", path.display(), why.kind()))?,
    );
    while matches!(octets.last(), Some(b'\n' | b'\r')) {
        octets.pop();
    }
    // RFC 4513 §5.1.2: a name without a password is taken for nobody, and succeeds.
    if octets.is_empty() { Err(format!("password_file = {} is empty", path.display())) } else { Ok(octets) }
}
