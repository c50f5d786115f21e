//! Turns a public key into the TXT record under which verifiers look for it (RFC 6376 §3.6.1, RFC 8463 §4.2).

use crate::mail::Domain;

/// One TXT record to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `selector._domainkey.example.org`, without a final dot.
    pub name: String,
    /// The record's content in one piece: `v=DKIM1; k=rsa; p=…`.
    pub text: String,
}

/// A character-string of a TXT record holds so many octets (RFC 1035 §3.3); readers join the strings without a space.
const STRING_LIMIT: usize = 255;

impl Record {
    /// `public` is base64: of the SubjectPublicKeyInfo for `rsa`, of the bare 32 octets for `ed25519`.
    pub fn new(selector: &str, domain: &Domain, kind: &str, public: &str) -> Record {
        Record { name: format!("{selector}._domainkey.{domain}"), text: format!("v=DKIM1; k={kind}; p={public}") }
    }

    /// The record as a line of a zone file (RFC 1035 §5.1), its text parted into strings of at most 255 octets.
    pub fn zone_line(&self) -> String {
        let strings: Vec<String> = self.strings().map(|part| format!("\"{part}\"")).collect();
        format!("{}. IN TXT ( {} )", self.name, strings.join(" "))
    }

    /// The text in pieces of at most 255 octets.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        // ASCII throughout, so every cut falls between two characters.
        (0..self.text.len()).step_by(STRING_LIMIT).map(|at| &self.text[at..self.text.len().min(at + STRING_LIMIT)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_parted_where_dns_must_part_them() {
        let domain = Domain::parse("example.org").unwrap();
        let record = Record::new("r1", &domain, "rsa", &"A".repeat(392));
        assert!(record.strings().all(|part| part.len() <= 255));
        assert_eq!(record.strings().collect::<String>(), record.text);
        let line = record.zone_line();
        assert!(line.starts_with("r1._domainkey.example.org. IN TXT ( \"v=DKIM1; k=rsa; p=AAA"), "{line}");
        assert_eq!(line.matches('"').count(), 4);
    }
}
