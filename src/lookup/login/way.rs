//! Turns `scheme://host[:port]` of a server that judges logins into a connection to it, over TLS that was verified.

use crate::lookup::names::Names;
use crate::lookup::tls;
use crate::lookup::url::Url;
use rustls_pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// One server and how it is reached.
pub(super) struct Way {
    pub host: String,
    port: u16,
    pub tls: Tls,
    connector: Option<TlsConnector>,
    names: Names,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    FromTheStart,
    /// The protocol's own command starts it, or nothing is said.
    Started,
    /// On this machine.
    None,
}

/// A scheme of the settings: its word, its usual port, whether TLS comes first.
pub(super) struct Scheme {
    pub word: &'static str,
    pub port: u16,
    pub implicit: bool,
}

/// What the operator says of TLS beside the address.
pub(super) struct Trusted<'s> {
    pub ca: Option<&'s Path>,
    pub clear: bool,
}

pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

pub(super) type Connection = Box<dyn Duplex>;

/// For one address of a host, so that a dead one leaves time for the next.
const ONE_ADDRESS: Duration = Duration::from_secs(3);
/// Addresses of a host that are tried.
const TRIED: usize = 4;

impl Way {
    /// Also the place of the scheme in `schemes`. Errors name the setting and say what to write.
    pub fn parse(url: &str, schemes: &[Scheme], trusted: &Trusted, names: Names) -> Result<(Way, usize), String> {
        let example = schemes.first().map_or("", |scheme| scheme.word);
        let write = || format!("urls = [\"{url}\"] names no such server; write it like \"{example}://server.example.org\"");
        let (word, rest) = url.split_once("://").ok_or_else(write)?;
        let (nth, scheme) = schemes.iter().enumerate().find(|(_, scheme)| scheme.word == word).ok_or_else(write)?;
        let bare = rest.trim_end_matches('/');
        // The same strict reading as on the web.
        let read = Url::parse(&format!("http://{bare}/")).map_err(|_| write())?;
        if read.path() != "/" {
            return Err(format!("urls = [\"{url}\"] has a path; write the host alone, like \"{word}://{}\"", read.host()));
        }
        let port = if read.port() == 80 && !bare.ends_with(":80") { scheme.port } else { read.port() };
        let host = read.host().to_owned();
        let tls = match (scheme.implicit, trusted.clear) {
            (true, true) => return Err(format!("clear = true does not go with {word}://; leave it out")),
            (true, false) => Tls::FromTheStart,
            (false, false) => Tls::Started,
            // A password in clear is read by all between.
            (false, true) if !is_this_machine(&host) => {
                return Err(format!("clear = true is for servers on this machine, and {host} is none; leave it out"));
            }
            (false, true) => Tls::None,
        };
        let connector = match tls {
            Tls::None => None,
            _ => Some(tls::connector(trusted.ca, &[])?),
        };
        Ok((Way { host, port, tls, connector, names }, nth))
    }

    /// Before any TLS. The operator chose the server: its address is not judged, unless its words go in clear.
    pub async fn reach(&self) -> Result<TcpStream, String> {
        let addresses = match self.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) if self.host == "localhost" => {
                vec![IpAddr::from([127, 0, 0, 1]), "::1".parse().unwrap_or([127, 0, 0, 1].into())]
            }
            Err(_) => self.names.addresses(&self.host).await.map_err(|why| why.to_string())?,
        };
        let mut why = "it has no address".to_owned();
        for address in addresses.into_iter().take(TRIED) {
            match timeout(ONE_ADDRESS, TcpStream::connect(SocketAddr::new(address, self.port))).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => why = format!("it cannot be reached ({})", error.kind()),
                Err(_) => why = "it cannot be reached in time".to_owned(),
            }
        }
        Err(why)
    }

    /// TLS over a connection that is ready for it.
    pub async fn secure(&self, stream: TcpStream) -> Result<Connection, String> {
        let Some(connector) = &self.connector else { return Err("it is asked without TLS".to_owned()) };
        let name = ServerName::try_from(self.host.clone()).map_err(|_| "its name cannot be one of a certificate")?;
        let secured = connector.connect(name, stream).await.map_err(|why| {
            let inner = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match inner {
                Some(rustls::Error::InvalidCertificate(_)) => "its certificate is not accepted; see ca",
                Some(_) => "no TLS that both sides know",
                None => "the connection was lost before TLS",
            }
        });
        Ok(Box::new(secured?))
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: [Scheme; 2] =
        [Scheme { word: "ldaps", port: 636, implicit: true }, Scheme { word: "ldap", port: 389, implicit: false }];

    #[tokio::test]
    async fn passwords_go_over_tls_or_stay_on_this_machine() {
        let names = Names::new(&["127.0.0.1:1".parse().unwrap()]).unwrap();
        for (url, clear, expected) in [
            ("ldaps://dc.example.org", false, Ok((636, Tls::FromTheStart))),
            ("ldaps://dc.example.org:80", false, Ok((80, Tls::FromTheStart))),
            ("ldap://dc.example.org/", false, Ok((389, Tls::Started))),
            ("ldap://127.0.0.1:3389", true, Ok((3389, Tls::None))),
            ("ldap://[::1]:3389", true, Ok((3389, Tls::None))),
            ("ldap://localhost", true, Ok((389, Tls::None))),
            ("ldap://dc.example.org", true, Err("is for servers on this machine")),
            ("ldap://127.0.0.1.example.org", true, Err("is for servers on this machine")),
            ("ldaps://127.0.0.1", true, Err("does not go with ldaps")),
            ("https://dc.example.org", false, Err("write it like \"ldaps://server.example.org\"")),
            ("dc.example.org", false, Err("write it like")),
            ("ldap://dc.example.org/dc=x", false, Err("has a path")),
            ("ldap://x@dc.example.org", false, Err("write it like")),
            ("ldap://a b", false, Err("write it like")),
        ] {
            let way = Way::parse(url, &SCHEMES, &Trusted { ca: None, clear }, names.clone());
            match (way, expected) {
                (Ok((way, _)), Ok(expected)) => assert_eq!((way.port, way.tls), expected, "{url}"),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{url}: {why}"),
                (way, _) => panic!("{url}: {:?}", way.err()),
            }
        }
    }
}
