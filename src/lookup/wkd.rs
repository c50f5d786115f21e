//! Turns an address into the OpenPGP keys that its own domain publishes: Web Key Directory (draft-koch-openpgp-webkey-service).

use super::http::{Answer, Http, HttpError, Question};
use super::source::{Candidate, Given, KEY_OCTETS, Said};
use super::url::Url;
use crate::mail::Address;
use aws_lc_rs::digest;
use std::time::Duration;

/// `[lookup.wkd]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WkdSettings {
    pub unreachable: Unreachable,
}

/// What it means that a host refuses connections or has no certificate for its name. Time-outs and broken answers are failures always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unreachable {
    /// A failure: 451, and the sender's program tries again.
    #[default]
    Failed,
    /// No directory there. Many domains have a web server that does not answer to their bare name.
    Absent,
}

#[derive(Clone)]
pub struct Wkd {
    pub http: Http,
    pub unreachable: Unreachable,
}

impl Wkd {
    /// The advanced method, and only where there is no such host the direct one (§3.1).
    pub async fn ask(&self, address: &Address, budget: Duration) -> Said {
        let began = tokio::time::Instant::now();
        for text in urls(address) {
            let Ok(url) = Url::parse(&text) else {
                return Said::refused("wkd", "no address of a directory can be made of this");
            };
            let host = url.host().to_owned();
            let left = budget.saturating_sub(began.elapsed());
            let answer = self.http.ask(Question::get(url).within(left).at_most(KEY_OCTETS)).await;
            match answer {
                Err(HttpError::NoSuchHost(_)) => {}
                Err(HttpError::Unreachable(_, std::io::ErrorKind::ConnectionRefused) | HttpError::NotProven(..))
                    if self.unreachable == Unreachable::Absent => {}
                Err(why) if why.is_answered() => return Said::refused(host, why.to_string()),
                Err(why) => return Said::Failed(format!("wkd: {why}")),
                Ok(answer) => return read(&host, answer),
            }
        }
        Said::nothing()
    }
}

fn read(host: &str, answer: Answer) -> Said {
    match answer.status {
        200 if answer.body.is_empty() => Said::refused(host, "its answer is empty"),
        // Armored too: the draft wants binary, and many serve a file as it was exported.
        200 => Said::Gave(Given { candidates: vec![(host.to_owned(), Candidate::Openpgp(answer.body))], ..Given::default() }),
        404 | 410 => Said::nothing(),
        408 | 425 | 429 | 500..=599 => Said::Failed(format!("wkd: {host} answered {}", answer.status)),
        other => Said::refused(host, format!("it answered {other}")),
    }
}

/// Advanced, then direct.
fn urls(address: &Address) -> [String; 2] {
    let domain = address.domain().as_str();
    let hashed = hashed_local(address.local());
    let local = percent_encoded(address.local());
    [
        format!("https://openpgpkey.{domain}/.well-known/openpgpkey/{domain}/hu/{hashed}?l={local}"),
        format!("https://{domain}/.well-known/openpgpkey/hu/{hashed}?l={local}"),
    ]
}

/// SHA-1 of the lower-case local part in Z-Base-32: a name of a file, not a proof of anything.
pub fn hashed_local(local: &str) -> String {
    let lower = local.to_ascii_lowercase();
    zbase32(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, lower.as_bytes()).as_ref())
}

/// RFC 6189 §5.1.6.
fn zbase32(octets: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
    let (mut text, mut bits, mut held) = (String::new(), 0u32, 0u32);
    for octet in octets {
        held = held << 8 | u32::from(*octet);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(LETTERS[(held >> bits & 31) as usize]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(LETTERS[(held << (5 - bits) & 31) as usize]));
    }
    text
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, octet| {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(octet));
        } else {
            out += &format!("%{octet:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_the_urls_of_the_draft() {
        let address = Address::parse("Joe.Doe@Example.ORG").unwrap();
        // The example of draft-koch-openpgp-webkey-service §3.1.
        assert_eq!(
            urls(&address),
            [
                "https://openpgpkey.example.org/.well-known/openpgpkey/example.org/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe",
                "https://example.org/.well-known/openpgpkey/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe",
            ]
        );
        let odd = Address::parse("\"a&b=c d/../é\"@example.org");
        assert!(odd.is_err() || !urls(&odd.unwrap())[0].contains(' '));
        assert!(urls(&Address::parse("a+b/c@example.org").unwrap())[1].ends_with("?l=a%2Bb%2Fc"));
    }

    #[test]
    fn zbase32_is_that_of_rfc_6189() {
        for (octets, text) in
            [(&[][..], ""), (&[0], "yy"), (&[0xff], "9h"), (&[0xf0, 0xbf, 0xc7], "6n9hq"), (&[0xd4, 0x7a, 0x04], "4t7ye")]
        {
            assert_eq!(zbase32(octets), text);
        }
    }
}
