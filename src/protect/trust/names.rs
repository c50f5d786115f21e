//! Turns the name constraints of an authority and the names below it into yes, or a sentence (RFC 5280 §4.2.1.10, RFC 8399 aside).
//!
//! Written here because the path builders at hand refuse every mail certificate below a constrained authority: none of them reads
//! constraints on addresses or directory names, which is what mail authorities are constrained by.

use super::certificate::EMAIL_ADDRESS;
use crate::mail::{Address, Domain};
use der::asn1::{Any, ObjectIdentifier};
use der::{Encode, Tag, Tagged};
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::constraints::name::{GeneralSubtree, NameConstraints};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

/// Comparisons for one path; a hostile authority could ask for millions.
const MOST_COMPARISONS: usize = 100_000;

/// The names of one certificate that constraints speak of.
pub struct Names {
    all: Vec<Form>,
}

enum Form {
    Mail(String),
    Dns(String),
    Uri(String),
    Ip(Vec<u8>),
    Directory(Vec<Vec<Attribute>>),
    /// Other names, addresses of X.400 and EDI: nobody here compares them.
    Other(u8),
}

/// Type and folded value of one attribute; RFC 5280 §7.1 compares without case and repeated spaces.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Attribute(ObjectIdentifier, Vec<u8>);

impl Names {
    /// Subject and subjectAltName. An address in the subject counts where there is no alternative name (RFC 5280 §4.2.1.10), and
    /// also beside one: more names can only be refused more often.
    pub fn of(certificate: &Certificate) -> Result<Names, String> {
        let tbs = certificate.tbs_certificate();
        let mut all = Vec::new();
        if !tbs.subject().is_empty() {
            all.push(Form::Directory(folded(tbs.subject())));
        }
        for attribute in tbs.subject().iter().filter(|attribute| attribute.oid == EMAIL_ADDRESS) {
            all.push(Form::Mail(String::from_utf8_lossy(attribute.value.value()).into_owned()));
        }
        let alternative =
            tbs.get_extension::<SubjectAltName>().map_err(|_| "its alternative names cannot be read".to_owned())?;
        all.extend(alternative.iter().flat_map(|(_, names)| names.0.iter()).map(form));
        Ok(Names { all })
    }
}

/// Whether these names are within what `constraints` permit and outside what they exclude. `spent` counts comparisons of a whole path.
pub fn check(constraints: &NameConstraints, names: &Names, spent: &mut usize) -> Result<(), String> {
    const REFUSED: &str = "an authority on its path may not give out its names (name constraints)";
    let permitted = subtrees(constraints.permitted_subtrees.as_deref())?;
    let excluded = subtrees(constraints.excluded_subtrees.as_deref())?;
    for name in &names.all {
        *spent += permitted.len() + excluded.len();
        if *spent > MOST_COMPARISONS {
            return Err("the authorities on its path constrain more names than can be compared".to_owned());
        }
        let mut any_of_this_form = false;
        let mut within = false;
        for base in permitted.iter().filter(|base| same_form(base, name)) {
            any_of_this_form = true;
            within |= is_within(name, base).unwrap_or(false);
        }
        if any_of_this_form && !within {
            return Err(REFUSED.to_owned());
        }
        // What cannot be compared counts as excluded.
        if excluded.iter().any(|base| same_form(base, name) && is_within(name, base).unwrap_or(true)) {
            return Err(REFUSED.to_owned());
        }
    }
    Ok(())
}

fn subtrees(trees: Option<&[GeneralSubtree]>) -> Result<Vec<Form>, String> {
    let mut bases = Vec::new();
    for tree in trees.unwrap_or_default() {
        // RFC 5280: minimum is 0 and maximum absent; with others nobody knows what is meant.
        if tree.minimum != 0 || tree.maximum.is_some() {
            return Err("an authority on its path has name constraints that cannot be read".to_owned());
        }
        bases.push(form(&tree.base));
    }
    Ok(bases)
}

fn form(name: &GeneralName) -> Form {
    match name {
        GeneralName::Rfc822Name(text) => Form::Mail(text.to_string()),
        GeneralName::DnsName(text) => Form::Dns(text.to_string()),
        GeneralName::UniformResourceIdentifier(text) => Form::Uri(text.to_string()),
        GeneralName::IpAddress(octets) => Form::Ip(octets.as_bytes().to_vec()),
        GeneralName::DirectoryName(name) => Form::Directory(folded(name)),
        GeneralName::OtherName(_) => Form::Other(0),
        GeneralName::EdiPartyName(_) => Form::Other(5),
        GeneralName::RegisteredId(_) => Form::Other(8),
    }
}

fn same_form(a: &Form, b: &Form) -> bool {
    match (a, b) {
        (Form::Other(a), Form::Other(b)) => a == b,
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// `None`: these cannot be compared.
fn is_within(name: &Form, base: &Form) -> Option<bool> {
    match (name, base) {
        (Form::Mail(name), Form::Mail(base)) => mail_within(name, base),
        (Form::Dns(name), Form::Dns(base)) => {
            Some(host_within(name, base.strip_prefix('.').unwrap_or(base), base.starts_with('.')))
        }
        (Form::Uri(name), Form::Uri(base)) => {
            let host = host_of(name)?;
            match base.strip_prefix('.') {
                Some(parent) => Some(host_within(&host, parent, true)),
                None => Some(host.eq_ignore_ascii_case(base)),
            }
        }
        (Form::Ip(name), Form::Ip(base)) => ip_within(name, base),
        (Form::Directory(name), Form::Directory(base)) => Some(name.starts_with(base)),
        _ => None,
    }
}

/// A constraint is a mailbox (`claire@example.org`), a host (`example.org`: the mailboxes at it and not below it), or a domain
/// (`.example.org`: the mailboxes below it and not at it). An empty one is every mailbox.
fn mail_within(name: &str, base: &str) -> Option<bool> {
    let address = Address::parse(name).ok()?;
    if base.is_empty() {
        return Some(true);
    }
    if base.contains('@') {
        return Some(address == Address::parse(base).ok()?);
    }
    match base.strip_prefix('.') {
        Some(parent) => {
            let parent = Domain::parse(parent).ok()?;
            Some(address.domain() != &parent && address.domain().is_within(&parent))
        }
        None => Some(address.domain() == &Domain::parse(base).ok()?),
    }
}

fn host_within(name: &str, parent: &str, only_below: bool) -> bool {
    let (name, parent) = (name.to_ascii_lowercase(), parent.to_ascii_lowercase());
    match name.strip_suffix(&parent) {
        Some("") => !only_below,
        Some(rest) => parent.is_empty() || rest.ends_with('.'),
        None => false,
    }
}

fn host_of(uri: &str) -> Option<String> {
    let rest = uri.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = host.split(':').next()?;
    // RFC 5280: constraints on URIs apply to host names; an address literal is none.
    (!host.is_empty() && !host.starts_with('[')).then(|| host.to_owned())
}

fn ip_within(name: &[u8], base: &[u8]) -> Option<bool> {
    if base.len() != 2 * name.len() {
        // IPv4 within IPv6 or the other way round: another family.
        return (base.len() == 8 || base.len() == 32).then_some(false);
    }
    let (network, mask) = base.split_at(name.len());
    Some(name.iter().zip(network).zip(mask).all(|((octet, network), mask)| octet & mask == network & mask))
}

fn folded(name: &Name) -> Vec<Vec<Attribute>> {
    let one = |oid: ObjectIdentifier, value: &Any| Attribute(oid, folded_value(value));
    name.iter_rdn()
        .map(|relative| {
            let mut attributes: Vec<Attribute> = relative.iter().map(|each| one(each.oid, &each.value)).collect();
            attributes.sort();
            attributes
        })
        .collect()
}

fn folded_value(value: &Any) -> Vec<u8> {
    let text = match value.tag() {
        Tag::PrintableString | Tag::Utf8String | Tag::Ia5String => String::from_utf8_lossy(value.value()).into_owned(),
        // As good as Latin-1, which is what is found in it.
        Tag::TeletexString => value.value().iter().map(|&octet| char::from(octet)).collect(),
        Tag::BmpString => {
            let units = value.value().chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => return value.to_der().unwrap_or_default(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_hosts_and_domains_are_three_kinds_of_constraint() {
        for (name, base, expected) in [
            ("claire@example.org", "example.org", Some(true)),
            ("claire@EXAMPLE.org", "Example.ORG", Some(true)),
            ("claire@sub.example.org", "example.org", Some(false)),
            ("claire@sub.example.org", ".example.org", Some(true)),
            ("claire@example.org", ".example.org", Some(false)),
            ("claire@notexample.org", ".example.org", Some(false)),
            ("claire@notexample.org", "example.org", Some(false)),
            ("claire@example.org", "claire@example.org", Some(true)),
            ("paul@example.org", "claire@example.org", Some(false)),
            ("paul@example.org", "", Some(true)),
            ("no address", "example.org", None),
            ("claire@example.org", "not a host", None),
        ] {
            assert_eq!(mail_within(name, base), expected, "{name} within {base}");
        }
    }

    #[test]
    fn hosts_addresses_and_networks_are_compared_as_the_standard_says() {
        assert!(host_within("www.example.org", "example.org", false));
        assert!(!host_within("example.org", "example.org", true));
        assert!(!host_within("notexample.org", "example.org", false));
        assert_eq!(host_of("https://user@www.example.org:8443/x?y"), Some("www.example.org".to_owned()));
        assert_eq!(host_of("https://[2001:db8::1]/"), None);
        assert_eq!(host_of("urn:x"), None);
        assert_eq!(ip_within(&[192, 0, 2, 9], &[192, 0, 2, 0, 255, 255, 255, 0]), Some(true));
        assert_eq!(ip_within(&[192, 0, 3, 9], &[192, 0, 2, 0, 255, 255, 255, 0]), Some(false));
        assert_eq!(ip_within(&[192, 0, 3, 9], &[0; 32]), Some(false));
        assert_eq!(ip_within(&[192, 0, 3, 9], &[0; 7]), None);
    }
}
