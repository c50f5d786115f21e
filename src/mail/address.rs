//! Turns `local@domain` into an [`Address`] that is right once and compared in one way.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// A host name below which mailboxes live: lower-case ASCII labels (RFC 5321 §4.1.2, RFC 5890 A-labels). An internationalised name
/// has this one form, however it was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Arc<str>);

/// A mailbox (RFC 5321 §4.1.2, RFC 6531 §3.3). The local part is kept as it was written, without its quotes and in NFC; equality and
/// order ignore its case, because no organisation gives `Alice@` and `alice@` to two people and rules must not be dodged by a capital.
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
    /// Of a domain; see [`Address::parse`] for local parts.
    #[error("this international domain name is not in its normal form: write it in lower case, or as xn--")]
    NotInternational,
}

impl Domain {
    /// At most 255 octets, labels of 1 to 63 letters, digits and inner hyphens or underscores; a final dot is dropped. A label may
    /// be a U-label (RFC 5890 §2.3.2.1) in any case, but what IDNA would map to something else (full-width letters, ligatures, the
    /// ideographic full stop) is refused: RFC 5891 knows no mapping, and `ｅxample.org` must not become ours.
    pub fn parse(text: &str) -> Result<Domain, BadAddress> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if !text.is_ascii() {
            return Domain::of_u_labels(text);
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

    fn of_u_labels(text: &str) -> Result<Domain, BadAddress> {
        if text.len() > 4 * 255 {
            return Err(BadAddress::Domain);
        }
        let idna = Uts46::new();
        let ascii = idna
            .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
            .map_err(|_| BadAddress::NotInternational)?;
        let written: String = text.to_lowercase().nfc().collect();
        let (back, right) = idna.to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        // A label that was written as xn-- beside another in letters comes back in letters; such mixtures are nobody's habit.
        if right.is_err() || back != written {
            return Err(BadAddress::NotInternational);
        }
        Domain::parse(&ascii)
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
    ///
    /// Local parts beyond ASCII (RFC 6531 §3.3) are put in NFC (RFC 6532 §3.1). Characters that nobody sees, and those that are
    /// another way of writing ASCII (full-width letters, the Kelvin sign), are refused: the next reader may take the ASCII.
    pub fn parse(text: &str) -> Result<Address, BadAddress> {
        let at = text.rfind('@').ok_or(BadAddress::NoDomain)?;
        let (local, domain) = (&text[..at], &text[at + 1..]);
        let local = match local.strip_prefix('"') {
            Some(rest) => unquote(rest).ok_or(BadAddress::LocalPart)?,
            None if is_dot_atom(local) => local.to_owned(),
            None => return Err(BadAddress::LocalPart),
        };
        let local: String = if local.is_ascii() { local } else { local.nfc().collect() };
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

    /// Whether it can stand where SMTPUTF8 was not asked for; the domain always can.
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
    }

    /// The form under which lists, keys and accounts are looked up: all lower case.
    pub fn key(&self) -> String {
        let wire = format!("{self}");
        if self.is_ascii() { wire.to_ascii_lowercase() } else { wire.to_lowercase() }
    }

    /// What is compared of the local part. In NFC no local part in ASCII has the fold of another that is not.
    fn folded(&self) -> Cow<'_, str> {
        match (self.local.is_ascii(), self.local.bytes().any(|b| b.is_ascii_uppercase())) {
            (true, false) => Cow::Borrowed(&self.local),
            (true, true) => Cow::Owned(self.local.to_ascii_lowercase()),
            (false, _) => Cow::Owned(self.local.to_lowercase()),
        }
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
        self.domain == other.domain && (self.local.eq_ignore_ascii_case(&other.local) || self.folded() == other.folded())
    }
}

impl Eq for Address {}

impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.domain.hash(state);
        self.folded().hash(state);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Address) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Address) -> std::cmp::Ordering {
        (&self.domain, self.folded()).cmp(&(&other.domain, other.folded()))
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

/// RFC 5322 §3.2.3 `dot-atom-text`, with RFC 6532 §3.2.
fn is_dot_atom(text: &str) -> bool {
    let in_atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_letter_beyond_ascii(c);
    !text.is_empty() && text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(in_atom))
}

/// Visible, itself, and no other way of writing ASCII: `％` would be a route and `ａ` an `a` for whoever folds them.
fn is_letter_beyond_ascii(c: char) -> bool {
    let invisible = matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFF}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}');
    !c.is_ascii()
        && !c.is_control()
        && !c.is_whitespace()
        && !invisible
        && !std::iter::once(c).nfkc().any(|folded| folded.is_ascii())
}

/// The content of a quoted string whose opening quote is gone: printable characters only, so that no control character, and with it
/// no second SMTP command, hides in an address.
fn unquote(rest: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(out),
            '\\' => out.push(chars.next().filter(|c| (' '..='~').contains(c))?),
            c if (' '..='~').contains(&c) || is_letter_beyond_ascii(c) => out.push(c),
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

    #[test]
    fn international_addresses_have_one_form() {
        for (text, wire) in [
            ("élodie@example.org", "élodie@example.org"),
            ("e\u{301}lodie@example.org", "élodie@example.org"),
            ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
            ("δοκιμή@παράδειγμα.δοκιμή", "δοκιμή@xn--hxajbheg2az3al.xn--jxalpdlp"),
            ("น้ำ@example.org", "น้ำ@example.org"),
            ("\"é b\"@example.org", "\"é b\"@example.org"),
            ("a@Caf\u{c9}.example", "a@xn--caf-dma.example"),
            ("a@cafe\u{301}.example", "a@xn--caf-dma.example"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), wire, "{text}");
            assert_eq!(Address::parse(wire).unwrap(), address, "what is stored is read again: {wire}");
        }
        let (a, b) = (Address::parse("ÉLODIE@example.org").unwrap(), Address::parse("élodie@example.org").unwrap());
        assert_eq!((&a, a.key()), (&b, b.key()));
        assert_eq!(std::collections::HashSet::from([a, b]).len(), 1);
    }

    /// Each looks, or is folded by someone, like `kim@example.org`, `alice@example.org` or a route.
    #[test]
    fn look_alikes_are_no_addresses_or_others() {
        for text in [
            "\u{212A}im@example.org",
            "ａlice@example.org",
            "𝒶lice@example.org",
            "alice\u{200B}@example.org",
            "al\u{AD}ice@example.org",
            "alice\u{202E}@example.org",
            "alice\u{A0}@example.org",
            "alice\u{FE0F}@example.org",
            "alice\u{FFFD}@example.org",
            "alice\u{85}@example.org",
            "alice％b@example.org",
            "alice＠b@example.org",
            "alice！b@example.org",
            "alice@ｅxample.org",
            "alice@example。org",
            "alice@exa\u{AD}mple.org",
            "alice@exam\u{200D}ple.org",
            "alice@ﬁn.example",
            "alice@xn--caf-dma.café.example",
            "alice@-é.example",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
        let alice = Address::parse("alice@example.org").unwrap();
        for text in ["аlice@example.org", "alicе@example.org", "álice@example.org", "alıce@example.org", "alice@exаmple.org"]
        {
            assert_ne!(Address::parse(text).unwrap(), alice, "{text}");
        }
    }
}
