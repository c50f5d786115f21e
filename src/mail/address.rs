//! Turns `local@domain` into an [`Address`] that is right once and compared in one way.

use std::fmt;
use std::sync::Arc;

/// A host name below which mailboxes live: lower-case ASCII labels (RFC 5321 §4.1.2, RFC 5890 A-labels).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Arc<str>);

/// A mailbox (RFC 5321 §4.1.2). The local part is kept as it was written, without its quotes; equality and order ignore its
/// ASCII case, because no organisation gives `Alice@` and `alice@` to two people and rules must not be dodged by a capital.
#[derive(Clone)]
pub struct Address {
    local: Arc<str>,
    domain: Domain,
}

/// Why a text is no [`Address`] or [`Domain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error("an address looks like name@example.org")]
    NoDomain,
    #[error("the part before the @ is empty, longer than 64 octets, or has characters that must be quoted")]
    LocalPart,
    #[error("this is not a domain name: write letters, digits and hyphens, like example.org")]
    Domain,
    #[error("characters outside ASCII need SMTPUTF8, which is not offered")]
    NotAscii,
}

impl Domain {
    /// At most 255 octets, labels of 1 to 63 letters, digits and inner hyphens or underscores; a final dot is dropped.
    pub fn parse(text: &str) -> Result<Domain, BadAddress> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if !text.is_ascii() {
            return Err(BadAddress::NotAscii);
        }
        if text.is_empty() || text.len() > 255 {
            return Err(BadAddress::Domain);
        }
        for label in text.split('.') {
            let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if label.is_empty() || label.len() > 63 || !inner || label.starts_with('-') || label.ends_with('-') {
                return Err(BadAddress::Domain);
            }
        }
        Ok(Domain(text.to_ascii_lowercase().into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the domain itself and every domain below it.
    pub fn is_within(&self, parent: &Domain) -> bool {
        match self.0.strip_suffix(parent.as_str()) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }
}

impl Address {
    /// Reads `local@domain`, with a quoted local part where it needs one. Address literals (`user@[192.0.2.1]`), source routes
    /// and comments are refused: a gate to the Internet has no use for them and others have been fooled by them.
    pub fn parse(text: &str) -> Result<Address, BadAddress> {
        if !text.is_ascii() {
            return Err(BadAddress::NotAscii);
        }
        let at = text.rfind('@').ok_or(BadAddress::NoDomain)?;
        let (local, domain) = (&text[..at], &text[at + 1..]);
        let local = match local.strip_prefix('"') {
            Some(rest) => unquote(rest).ok_or(BadAddress::LocalPart)?,
            None if is_dot_atom(local) => local.to_owned(),
            None => return Err(BadAddress::LocalPart),
        };
        if local.is_empty() || local.len() > 64 {
            return Err(BadAddress::LocalPart);
        }
        Ok(Address { local: local.into(), domain: Domain::parse(domain)? })
    }

    /// A mailbox that every domain has, such as `postmaster` (RFC 2142): a local part that is right as it stands.
    pub fn of(local: &'static str, domain: &Domain) -> Address {
        Address { local: local.into(), domain: domain.clone() }
    }

    /// The local part without quotes.
    pub fn local(&self) -> &str {
        &self.local
    }

    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The form under which lists, keys and accounts are looked up: all lower case.
    pub fn key(&self) -> String {
        format!("{self}").to_ascii_lowercase()
    }
}

impl fmt::Display for Address {
    /// As it must stand on the wire: the local part is quoted again where it needs to be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_atom(&self.local) {
            return write!(f, "{}@{}", self.local, self.domain);
        }
        f.write_str("\"")?;
        for c in self.local.chars() {
            if c == '"' || c == '\\' {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{}", self.domain)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Address) -> bool {
        self.domain == other.domain && self.local.eq_ignore_ascii_case(&other.local)
    }
}

impl Eq for Address {}

impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.domain.hash(state);
        for b in self.local.bytes() {
            state.write_u8(b.to_ascii_lowercase());
        }
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Address) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Address) -> std::cmp::Ordering {
        let local = |a: &Address| a.local.to_ascii_lowercase();
        (&self.domain, local(self)).cmp(&(&other.domain, local(other)))
    }
}

impl std::str::FromStr for Address {
    type Err = BadAddress;
    fn from_str(text: &str) -> Result<Address, BadAddress> {
        Address::parse(text)
    }
}

impl std::str::FromStr for Domain {
    type Err = BadAddress;
    fn from_str(text: &str) -> Result<Domain, BadAddress> {
        Domain::parse(text)
    }
}

impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        let text = String::deserialize(deserializer)?;
        Address::parse(&text).map_err(|why| serde::de::Error::custom(format!("\"{text}\": {why}")))
    }
}

impl serde::Serialize for Domain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Domain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Domain, D::Error> {
        let text = String::deserialize(deserializer)?;
        Domain::parse(&text).map_err(|why| serde::de::Error::custom(format!("\"{text}\": {why}")))
    }
}

/// RFC 5322 §3.2.3 `dot-atom-text`.
fn is_dot_atom(text: &str) -> bool {
    !text.is_empty()
        && text.split('.').all(|atom| {
            !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
        })
}

/// The content of a quoted string whose opening quote is gone: printable ASCII only, so that no control character, and with it
/// no second SMTP command, hides in an address.
fn unquote(rest: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(out),
            '\\' => out.push(chars.next().filter(|c| (' '..='~').contains(c))?),
            c if (' '..='~').contains(&c) => out.push(c),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_addresses_are_written_as_they_must_stand_on_the_wire() {
        for (text, wire) in [
            ("alice@example.org", "alice@example.org"),
            ("Alice.B+x@EXAMPLE.org.", "Alice.B+x@example.org"),
            ("\"a b\"@example.org", "\"a b\"@example.org"),
            ("\"a.b\"@example.org", "a.b@example.org"),
            ("\"a\\\"b@c\"@example.org", "\"a\\\"b@c\"@example.org"),
            ("o'neil@xn--caf-dma.example", "o'neil@xn--caf-dma.example"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), wire, "{text}");
        }
    }

    #[test]
    fn wrong_addresses_are_refused() {
        for text in [
            "",
            "alice",
            "@example.org",
            "a@",
            "a b@example.org",
            "a@[192.0.2.1]",
            "@relay.example:a@example.org",
            "a@exa mple.org",
            "a@-example.org",
            "a..b@example.org",
            "\"a\r\nRCPT TO:<b@c.d>\"@example.org",
            "a@example.org\0",
            "é@example.org",
            "a@example..org",
            &format!("{}@example.org", "x".repeat(65)),
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn case_does_not_tell_two_mailboxes_apart() {
        let (a, b) = (Address::parse("Alice@Example.ORG").unwrap(), Address::parse("alice@example.org").unwrap());
        assert_eq!(a, b);
        assert_eq!(a.cmp(&b), std::cmp::Ordering::Equal);
        assert_eq!(a.key(), "alice@example.org");
    }

    #[test]
    fn a_domain_is_within_its_parents_only() {
        let parent = Domain::parse("example.org").unwrap();
        assert!(Domain::parse("sub.example.org").unwrap().is_within(&parent));
        assert!(parent.is_within(&parent));
        assert!(!Domain::parse("badexample.org").unwrap().is_within(&parent));
    }
}
