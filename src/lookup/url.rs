//! Turns the text of an address on the web into one that is asked, strictly: what two readers could read in two ways is refused.

use hyper::Uri;
use std::fmt;

/// `https://host[:port]/path[?query]`, or `http://…` for those who may ask so.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    /// Lower-case, without brackets and final dot.
    host: String,
    port: u16,
    path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Https,
    Http,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadUrl(pub &'static str);

/// Octets of a URL (RFC 9110 §4.1 asks readers for 8000).
const LONGEST: usize = 8000;

impl Url {
    pub fn parse(text: &str) -> Result<Url, BadUrl> {
        if text.len() > LONGEST {
            return Err(BadUrl("the address is longer than 8000 octets"));
        }
        if !text.is_ascii() || text.bytes().any(|b| b <= b' ' || b == b'\\' || b == 0x7f) {
            return Err(BadUrl("the address holds characters that have no place in one"));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            _ => return Err(BadUrl("the address begins with neither https:// nor http://")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // "https://good.example@127.0.0.1/": a name before the sign has fooled many.
        if authority.contains('@') {
            return Err(BadUrl("the address holds a user name"));
        }
        let (host, port) = split_port(authority)?;
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let url = Url { scheme, host, port: port.unwrap_or(scheme.port()), path };
        // The client below must read it as we do.
        let read = url.to_string().parse::<Uri>().map_err(|_| BadUrl("the address cannot be read"))?;
        if read.host().map(bare) != Some(url.host.as_str()) {
            return Err(BadUrl("the address can be read in two ways"));
        }
        Ok(url)
    }

    /// The address that a redirect from here leads to (RFC 9110 §10.2.2).
    pub fn join(&self, location: &str) -> Result<Url, BadUrl> {
        if location.contains("://") && !location.starts_with(['/', '?']) {
            return Url::parse(location);
        }
        let scheme = self.scheme.word();
        if let Some(rest) = location.strip_prefix("//") {
            return Url::parse(&format!("{scheme}://{rest}"));
        }
        let here = self.path.split('?').next().unwrap_or_default();
        let path = match location.as_bytes().first() {
            None => return Err(BadUrl("a redirect leads to nowhere")),
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{here}{location}"),
            Some(_) => format!("{}/{location}", here.rsplit_once('/').map_or("", |(folder, _)| folder)),
        };
        Url::parse(&format!("{scheme}://{}{path}", self.authority()))
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// With its query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// As it stands in the Host field: without the port that goes without saying.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl Scheme {
    fn port(self) -> u16 {
        match self {
            Scheme::Https => 443,
            Scheme::Http => 80,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Scheme::Https => "https",
            Scheme::Http => "http",
        }
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), BadUrl> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(BadUrl("the address has a bracket too few"))?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| BadUrl("what stands in brackets is no IPv6 address"))?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(port),
                None if after.is_empty() => None,
                None => return Err(BadUrl("the address cannot be read")),
            };
            return Ok((host, port.map(number).transpose()?));
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let named = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if !named {
        return Err(BadUrl("the address has no host name"));
    }
    // RFC 3986 §7.4: 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1 to some resolvers and a name to others.
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    if last.starts_with(|c: char| c.is_ascii_digit()) && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(BadUrl("the host looks like an IPv4 address and is none"));
    }
    Ok((host, port.map(number).transpose()?))
}

fn number(port: &str) -> Result<u16, BadUrl> {
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadUrl("the port is no number"));
    }
    port.parse().ok().filter(|&port| port != 0).ok_or(BadUrl("the port is no number from 1 to 65535"))
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.word(), self.authority(), self.path)
    }
}

/// The host alone: a path may hold what nobody should read in a log.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.scheme.word(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_one_way_or_not_at_all() {
        for (text, read) in [
            ("https://example.org", "https://example.org/"),
            ("HTTPS://Example.ORG.:443/a?b#c", "https://example.org/a?b"),
            ("https://example.org:8443?x", "https://example.org:8443/?x"),
            ("http://192.0.2.1/crl", "http://192.0.2.1/crl"),
            ("https://[2001:db8::1]:444/", "https://[2001:db8::1]:444/"),
        ] {
            assert_eq!(Url::parse(text).map(|url| url.to_string()), Ok(read.to_owned()), "{text}");
        }
        for text in [
            "",
            "example.org",
            "ftp://example.org/",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://a@b/",
            "https://a b/",
            "https://example.org\\@127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://[::1/",
            "https://[::1]x/",
            "https://[fe80::1%25eth0]/",
            "https://h:0/",
            "https://h:65536/",
            "https://h:+1/",
            "https://h:/",
            "https://é.example/",
            "https://h\r\nX: y/",
            "https://%31.example/",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_redirect_leads_where_it_says() {
        let here = Url::parse("https://example.org/a/b?c").unwrap();
        for (location, there) in [
            ("https://other.example/x", "https://other.example/x"),
            ("//other.example/x", "https://other.example/x"),
            ("/x?u=http://y", "https://example.org/x?u=http://y"),
            ("x", "https://example.org/a/x"),
            ("?d", "https://example.org/a/b?d"),
            ("http://example.org/", "http://example.org/"),
        ] {
            assert_eq!(here.join(location).map(|url| url.to_string()), Ok(there.to_owned()), "{location}");
        }
        for location in ["", "javascript:alert(1)//://", "file:///etc/passwd"] {
            assert!(here.join(location).is_err(), "{location}");
        }
    }
}
