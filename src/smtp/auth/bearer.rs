//! Turns the messages of OAUTHBEARER (RFC 7628) and XOAUTH2 into a bearer token and whom it is said to be of.

use crate::smtp::words::Say;
use zeroize::Zeroizing;

/// The longest token: signed ones carry claims and may be some thousand octets; a line of AUTH has 12,288 of base64.
const TOKEN: usize = 8_192;
/// Separates the parts of both messages.
const SEPARATOR: u8 = 1;

/// What a client of OAuth shows.
pub struct Bearer {
    /// Whom the client says it is; the token decides.
    pub login: Option<String>,
    /// Wiped when dropped.
    pub token: Zeroizing<String>,
}

/// What the client is told before the 535 (RFC 7628 §3.2.2; XOAUTH2 has the status of HTTP). It answers with an empty response.
pub const OAUTHBEARER_REFUSED: &str = r#"{"status":"invalid_token","schemes":"bearer"}"#;
pub const XOAUTH2_REFUSED: &str = r#"{"status":"401","schemes":"bearer","scope":""}"#;

/// `n,a=LOGIN,` then `host=`, `port=` and `auth=Bearer TOKEN`, each after a ^A, and two ^A at the end.
pub fn oauthbearer(octets: &[u8]) -> Result<Bearer, Say> {
    let (header, pairs) = divide(octets)?;
    let fields: Vec<&str> = header.split(',').collect();
    // A client that can bind to the channel (y) meets a server whose OAUTHBEARER cannot; p asks for what is not offered.
    let ["n" | "y", authzid, ""] = fields[..] else { return Err(Say::AuthFields) };
    let login = match authzid {
        "" => None,
        given => Some(super::scram_name(given.strip_prefix("a=").ok_or(Say::AuthFields)?)?),
    };
    Ok(Bearer { login, token: token(pairs)? })
}

/// `user=LOGIN` and `auth=Bearer TOKEN`, each before a ^A, and one more at the end.
pub fn xoauth2(octets: &[u8]) -> Result<Bearer, Say> {
    let (user, pairs) = divide(octets)?;
    let user = user.strip_prefix("user=").ok_or(Say::AuthFields)?;
    Ok(Bearer { login: Some(super::login(user.as_bytes())?), token: token(pairs)? })
}

/// What stands before the first ^A, and the pairs behind it.
fn divide(octets: &[u8]) -> Result<(&str, &[u8]), Say> {
    let at = octets.iter().position(|&octet| octet == SEPARATOR).ok_or(Say::AuthFields)?;
    let head = std::str::from_utf8(&octets[..at]).map_err(|_| Say::AuthFields)?;
    // The last pair ends in one ^A, the message in another.
    let pairs = octets[at + 1..].strip_suffix(&[SEPARATOR, SEPARATOR]).ok_or(Say::AuthFields)?;
    Ok((head, pairs))
}

/// The value of `auth`, which must be there once; of other keys only the form matters.
fn token(pairs: &[u8]) -> Result<Zeroizing<String>, Say> {
    let mut token = None;
    for pair in pairs.split(|&octet| octet == SEPARATOR) {
        let pair = std::str::from_utf8(pair).map_err(|_| Say::AuthFields)?;
        let (key, value) = pair.split_once('=').ok_or(Say::AuthFields)?;
        if key.is_empty() || !key.bytes().all(|octet| octet.is_ascii_alphabetic()) {
            return Err(Say::AuthFields);
        }
        if key == "auth" && token.replace(value).is_some() {
            return Err(Say::AuthFields);
        }
    }
    let (scheme, token) = token.and_then(|value| value.split_once(' ')).ok_or(Say::AuthFields)?;
    let token = token.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || !is_token(token) {
        return Err(Say::AuthFields);
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// `b64token` of RFC 6750 §2.1.
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let is_good = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/".contains(&octet);
    !body.is_empty() && text.len() <= TOKEN && body.bytes().all(is_good)
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bearer({:?}, …)", self.login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = fn(&[u8]) -> Result<Bearer, Say>;

    #[test]
    fn both_messages_give_the_token_and_the_login() {
        let long = format!("n,,\u{1}auth=Bearer {}\u{1}\u{1}", "x".repeat(TOKEN + 1));
        let cases: [(Read, &str, Option<(Option<&str>, &str)>); 21] = [
            // RFC 7628 §4.1
            (
                oauthbearer,
                "n,a=user@example.com,\u{1}host=server.example.com\u{1}port=143\u{1}auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u{1}\u{1}",
                Some((Some("user@example.com"), "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")),
            ),
            (oauthbearer, "n,,\u{1}auth=bearer a.b-c_d~e+/=\u{1}\u{1}", Some((None, "a.b-c_d~e+/="))),
            (oauthbearer, "y,a=a=2Cb,\u{1}auth=Bearer x\u{1}\u{1}", Some((Some("a,b"), "x"))),
            (oauthbearer, "p=tls-exporter,,\u{1}auth=Bearer x\u{1}\u{1}", None),
            (oauthbearer, "n,,\u{1}auth=Basic x\u{1}\u{1}", None),
            (oauthbearer, "n,,\u{1}auth=Bearer x\u{1}auth=Bearer y\u{1}\u{1}", None),
            (oauthbearer, "n,,\u{1}auth=Bearer x\u{1}", None),
            (oauthbearer, "n,,\u{1}auth=Bearer x y\u{1}\u{1}", None),
            (oauthbearer, "n,,\u{1}auth=Bearer \u{1}\u{1}", None),
            (oauthbearer, "n,,\u{1}auth=\u{1}\u{1}", None),
            (oauthbearer, "n,,\u{1}host=h\u{1}\u{1}", None),
            (oauthbearer, "n,,\u{1}\u{1}", None),
            (oauthbearer, "\u{1}", None),
            (oauthbearer, "", None),
            (oauthbearer, &long, None),
            // As Google documents it.
            (
                xoauth2,
                "user=someuser@example.com\u{1}auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\u{1}\u{1}",
                Some((Some("someuser@example.com"), "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")),
            ),
            (xoauth2, "user=\u{1}auth=Bearer x\u{1}\u{1}", None),
            (xoauth2, "user=a\r\nb\u{1}auth=Bearer x\u{1}\u{1}", None),
            (xoauth2, "auth=Bearer x\u{1}\u{1}", None),
            (xoauth2, "user=a\u{1}auth=Bearer x\u{1}", None),
            (xoauth2, "n,a=a,\u{1}auth=Bearer x\u{1}\u{1}", None),
        ];
        for (read, message, expected) in cases {
            let bearer = read(message.as_bytes()).ok();
            let found = bearer.as_ref().map(|bearer| (bearer.login.as_deref(), bearer.token.as_str()));
            assert_eq!(found, expected, "{message:?}");
        }
    }

    #[test]
    fn a_token_shows_in_no_debug() {
        let bearer = xoauth2(b"user=a\x01auth=Bearer sesame\x01\x01").unwrap();
        assert!(!format!("{bearer:?}").contains("sesame"));
    }
}
