//! Turns what DNS holds at a selector's name into what verifiers will make of our signatures (RFC 6376 §3.6.1, §6.1.2).

use super::Record;
use super::tags::Tags;

/// What a verifier finds where our key should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// Our key. `testing`: `t=y`, by which verifiers may treat a bad signature and a good one alike as none.
    Ours {
        testing: bool,
    },
    Absent,
    /// `p=` is empty: every signature by this selector is void.
    Revoked,
    /// Several records of a key: verifiers may take any of them or none.
    Several(usize),
    /// A right record with another key.
    OtherKey,
    /// A record that no verifier can use for us, and why.
    Unusable(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Syntax,
    /// `v=` is not first, or not DKIM1.
    Version,
    /// `k=` is not our key's kind.
    Kind,
    /// `h=` leaves out sha256.
    Hash,
    /// `s=` leaves out mail.
    Service,
    NoKey,
}

/// Compares the TXT records at `wanted.name`, each in one piece, with the one to publish.
pub fn compare(wanted: &Record, found: &[String]) -> Published {
    // Wildcards and other people's verification texts are no keys; a text that names DKIM1 or holds p= means to be one.
    let keys: Vec<&String> = found.iter().filter(|text| text.contains("DKIM1") || text.contains("p=")).collect();
    match keys[..] {
        [] => Published::Absent,
        [one] => judge(wanted, one),
        ref several => Published::Several(several.len()),
    }
}

fn judge(wanted: &Record, text: &str) -> Published {
    let Ok(tags) = Tags::parse(text) else { return Published::Unusable(Fault::Syntax) };
    if tags.get("v").is_some() && !tags.begins_with("v", "DKIM1") {
        return Published::Unusable(Fault::Version);
    }
    let Some(key) = tags.get("p") else { return Published::Unusable(Fault::NoKey) };
    if key.is_empty() {
        return Published::Revoked;
    }
    let ours = Tags::parse(&wanted.text).ok();
    let ours = |name: &str| ours.as_ref().and_then(|tags| tags.get(name)).unwrap_or_default().to_owned();
    let listed =
        |list: Option<&str>, one: &[&str]| list.is_none_or(|list| list.split(':').any(|item| one.contains(&item.trim())));
    if tags.get("k").unwrap_or("rsa") != ours("k") {
        return Published::Unusable(Fault::Kind);
    }
    if !listed(tags.get("h"), &["sha256"]) {
        return Published::Unusable(Fault::Hash);
    }
    if !listed(tags.get("s"), &["*", "email"]) {
        return Published::Unusable(Fault::Service);
    }
    // Blanks may stand anywhere in base64 (RFC 6376 §2.8).
    if key.chars().filter(|c| !c.is_ascii_whitespace()).ne(ours("p").chars()) {
        return Published::OtherKey;
    }
    Published::Ours { testing: tags.get("t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_dns_is_judged_as_a_verifier_would() {
        use Published::*;
        let wanted = Record { name: "r._domainkey.example.org".into(), text: "v=DKIM1; k=rsa; p=MIIBAQAB".into() };
        for (found, expected) in [
            (&[][..], Absent),
            (&["google-site-verification=x"], Absent),
            (&["v=DKIM1; k=rsa; p=MIIBAQAB"], Ours { testing: false }),
            (&["p=MIIBAQAB"], Ours { testing: false }),
            (&["v=DKIM1; p=MIIB AQAB ;"], Ours { testing: false }),
            (&["v=DKIM1; h=sha1:sha256; s=email; t=s; p=MIIBAQAB"], Ours { testing: false }),
            (&["v=DKIM1; t=s:y; p=MIIBAQAB"], Ours { testing: true }),
            (&["v=DKIM1; p=", "hello"], Revoked),
            (&["v=DKIM1; p=MIIBAQAB", "v=DKIM1; p=MIIBAQAC"], Several(2)),
            (&["v=DKIM1; p=MIIBAQAC"], OtherKey),
            (&["v=DKIM1; p=miibaqab"], OtherKey),
            (&["v=DKIM1; k=ed25519; p=MIIBAQAB"], Unusable(Fault::Kind)),
            (&["v=DKIM1; h=sha1; p=MIIBAQAB"], Unusable(Fault::Hash)),
            (&["v=DKIM1; s=tlsrpt; p=MIIBAQAB"], Unusable(Fault::Service)),
            (&["p=MIIBAQAB; v=DKIM1"], Unusable(Fault::Version)),
            (&["v=DKIM2; p=MIIBAQAB"], Unusable(Fault::Version)),
            (&["v=DKIM1"], Unusable(Fault::NoKey)),
            (&["v=DKIM1 p=MIIBAQAB;;x"], Unusable(Fault::Syntax)),
        ] {
            let texts: Vec<String> = found.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(compare(&wanted, &texts), expected, "{found:?}");
        }
        let huge = vec!["v=DKIM1; p=".to_owned() + &"A".repeat(10_000_000)];
        assert_eq!(compare(&wanted, &huge), Unusable(Fault::Syntax));
    }
}
