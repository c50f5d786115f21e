//! Turns the addresses that keys claim into those they may be used for: what stands in a key is a claim, not a proof.

use crate::mail::{Address, Domain};
use crate::protect::RecipientKey;
use serde::{Deserialize, Serialize};

/// The name of the file beside recipients' keys in which the operator's choices stand.
pub const BINDINGS: &str = "bindings.toml";
/// Choices in one file.
const MOST_BINDINGS: usize = 100_000;

/// The operator's word that this key is this address's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    #[serde(with = "as_text")]
    pub address: Address,
    /// As `postern keys list` shows it; case, spaces and colons do not matter.
    pub fingerprint: String,
}

/// All of them: `[[binding]]` tables of a TOML file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bindings {
    #[serde(default)]
    binding: Vec<Binding>,
}

impl Bindings {
    pub fn parse(text: &str) -> Result<Bindings, String> {
        let bindings: Bindings = toml::from_str(text).map_err(|why| {
            let line = why.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            format!("line {line}: {}; write [[binding]] tables with address = \"…\" and fingerprint = \"…\"", why.message())
        })?;
        if bindings.binding.len() > MOST_BINDINGS {
            return Err(format!("more than {MOST_BINDINGS} bindings"));
        }
        let bad = bindings.binding.iter().find(|binding| plain(&binding.fingerprint).len() < 40);
        match bad {
            Some(binding) => {
                Err(format!("the fingerprint for {} is none; write it as `postern keys list` shows it", binding.address))
            }
            None => Ok(bindings),
        }
    }

    pub fn to_text(&self) -> String {
        let head = "# Which key is whose, by the operator's word: written by `postern keys import --for`.\n";
        let tables = self.binding.iter().map(|binding| {
            format!("\n[[binding]]\naddress = {:?}\nfingerprint = {:?}\n", binding.address.key(), binding.fingerprint)
        });
        head.to_owned() + &tables.collect::<String>()
    }

    /// This key becomes the address's; other keys of the same address stay chosen only when `beside`.
    pub fn bind(&mut self, address: &Address, fingerprint: &str, beside: bool) {
        let same = plain(fingerprint);
        self.binding.retain(|binding| binding.address != *address || (beside && plain(&binding.fingerprint) != same));
        self.binding.push(Binding { address: address.clone(), fingerprint: fingerprint.to_owned() });
    }

    pub fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.binding.iter()
    }

    /// Whether this key may be used for this address, by the operator's choices and because of where the address lies. A key that is
    /// bound is bound to these addresses and no others; an address with a bound key takes no other. For our own domains only what is
    /// bound counts: a file that claims a colleague's address would read what we write to each other.
    pub fn allow(&self, address: &Address, fingerprint: &str, inside: &[Domain]) -> Result<(), String> {
        let wanted = plain(fingerprint);
        let of_key = || self.binding.iter().filter(|binding| plain(&binding.fingerprint) == wanted);
        if of_key().any(|binding| binding.address == *address) {
            return Ok(());
        }
        if let Some(other) = of_key().next() {
            return Err(format!("the operator bound it to {}, not to {address}", other.address));
        }
        if self.binding.iter().any(|binding| binding.address == *address) {
            return Err(format!("the operator chose another key for {address}"));
        }
        if inside.iter().any(|domain| address.domain().is_within(domain)) {
            return Err(format!(
                "{address} is inside: a file is no proof there; if it is right, run postern keys import FILE --for {address}"
            ));
        }
        Ok(())
    }
}

/// Whether these usable keys of one address contradict each other: two of one kind, with different keys in them, and nobody to say which is
/// right. Certificates that an authority of ours vouches for do not: it looked at who asked. An S/MIME certificate beside an OpenPGP key
/// is no contradiction but two forms. `chosen`: the operator bound them.
pub fn contradict(usable: &[RecipientKey]) -> bool {
    let mut smime: Vec<(Vec<u8>, bool)> = Vec::new();
    let mut openpgp: Vec<String> = Vec::new();
    for key in usable {
        match key {
            RecipientKey::Smime(certificate) => smime.push((certificate.public_key_der(), certificate.has_path())),
            RecipientKey::Openpgp(certificate) => openpgp.push(certificate.fingerprint()),
        }
    }
    let all_vouched_for = smime.iter().all(|(_, vouched_for)| *vouched_for);
    let differ = |keys: &[(Vec<u8>, bool)]| keys.windows(2).any(|pair| pair[0].0 != pair[1].0);
    (!all_vouched_for && differ(&smime)) || openpgp.windows(2).any(|pair| pair[0] != pair[1])
}

/// What is said of keys that contradict each other.
pub fn contradiction(address: &Address) -> String {
    format!(
        "several different keys claim {address} and none is used until you choose: postern keys import FILE --for {address}"
    )
}

/// Hexadecimal digits only, lower case.
pub fn plain(fingerprint: &str) -> String {
    let digits = fingerprint.chars().filter(|c| !c.is_whitespace() && *c != ':');
    let text: String = digits.map(|c| c.to_ascii_lowercase()).collect();
    if text.chars().all(|c| c.is_ascii_hexdigit()) { text } else { String::new() }
}

mod as_text {
    use crate::mail::Address;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(address)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Address, D::Error> {
        Address::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn a_binding_narrows_a_key_to_an_address_and_an_address_to_a_key() {
        let (one, other) = ("AB".repeat(20), "cd".repeat(32));
        let inside = [Domain::parse("example.gouv.fr").unwrap()];
        let mut bindings = Bindings::default();
        let claire = address("claire@example.org");
        let ours = address("marie@sub.example.gouv.fr");
        assert!(bindings.allow(&claire, &one, &inside).is_ok());
        assert!(bindings.allow(&ours, &one, &inside).unwrap_err().contains("inside"));
        bindings.bind(&claire, &one, false);
        let spaced = "ab:AB ".repeat(10);
        assert!(bindings.allow(&address("Claire@EXAMPLE.org"), &spaced, &inside).is_ok());
        assert!(bindings.allow(&claire, &other, &inside).unwrap_err().contains("another key"));
        assert!(bindings.allow(&address("paul@example.org"), &one, &inside).unwrap_err().contains("bound it to"));
        assert!(bindings.allow(&address("paul@example.org"), &other, &inside).is_ok());
        bindings.bind(&claire, &other, false);
        assert!(bindings.allow(&claire, &one, &inside).is_err());
        bindings.bind(&ours, &other, false);
        assert!(bindings.allow(&ours, &other, &inside).is_ok() && bindings.allow(&claire, &other, &inside).is_ok());
        assert_eq!(Bindings::parse(&bindings.to_text()), Ok(bindings));
    }

    #[test]
    fn a_file_of_bindings_that_is_wrong_says_where() {
        for (text, expected) in [
            ("[[binding]]\naddress = \"no\"\nfingerprint = \"ab\"\n", "line 2"),
            ("[[binding]]\naddress = \"a@example.org\"\nfingerprint = \"ab\"\n", "the fingerprint for a@example.org"),
            ("[[bindings]]\n", "line 1"),
            ("x", "line 1"),
        ] {
            let why = Bindings::parse(text).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
        assert_eq!(Bindings::parse(""), Ok(Bindings::default()));
    }
}
