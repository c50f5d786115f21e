//! Turns the base64 lines of AUTH PLAIN (RFC 4616), LOGIN and EXTERNAL (RFC 4422) into what a client proves itself with.

pub mod bearer;
pub mod scram;

use super::words::Say;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use zeroize::Zeroizing;

/// SASL mechanisms that are known here; which of them a session has is said in its EHLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Login,
    /// RFC 7677.
    Scram,
    /// RFC 7677, bound to the TLS connection (RFC 5929, RFC 9266).
    ScramPlus,
    /// RFC 7628.
    Oauthbearer,
    /// As Google and Microsoft document it.
    Xoauth2,
    /// RFC 4422 appendix A: the TLS client certificate.
    External,
}

/// Which mechanisms the accounts can serve, besides PLAIN and LOGIN. EXTERNAL is there where the client has shown a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    pub scram: bool,
    pub bearer: bool,
}

/// What the TLS connection of a session proves.
#[derive(Clone, Default)]
pub struct Channel {
    /// `tls-server-end-point` (RFC 5929 §4.1): a hash of the server's certificate.
    pub end_point: Option<Vec<u8>>,
    /// `tls-exporter` (RFC 9266); TLS 1.3 only.
    pub exporter: Option<[u8; 32]>,
    /// The client's certificate in DER, verified.
    pub certificate: Option<Arc<[u8]>>,
}

/// What a client proves itself with.
#[derive(Debug)]
pub enum Proof {
    Password(Credentials),
    Scram(scram::ClientProof),
    Token(bearer::Bearer),
    Certificate(Certificate),
}

/// A login and a password. The login is printable UTF-8; it is foreign text all the same.
pub struct Credentials {
    pub login: String,
    /// Wiped when dropped.
    pub password: Zeroizing<Vec<u8>>,
}

/// A verified TLS client certificate, and whom the client wants to be with it.
pub struct Certificate {
    pub der: Arc<[u8]>,
    /// Absent: whom the certificate names.
    pub login: Option<String>,
}

impl Mechanism {
    pub const ALL: [Mechanism; 7] = [
        Mechanism::Plain,
        Mechanism::Login,
        Mechanism::Scram,
        Mechanism::ScramPlus,
        Mechanism::Oauthbearer,
        Mechanism::Xoauth2,
        Mechanism::External,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::Scram => "SCRAM-SHA-256",
            Mechanism::ScramPlus => "SCRAM-SHA-256-PLUS",
            Mechanism::Oauthbearer => "OAUTHBEARER",
            Mechanism::Xoauth2 => "XOAUTH2",
            Mechanism::External => "EXTERNAL",
        }
    }

    pub fn parse(name: &[u8]) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|known| known.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether a session over `channel` has it.
    pub fn is_offered(self, offer: Offer, channel: &Channel) -> bool {
        match self {
            Mechanism::Plain | Mechanism::Login => true,
            Mechanism::Scram => offer.scram,
            Mechanism::ScramPlus => offer.scram && channel.can_bind(),
            Mechanism::Oauthbearer | Mechanism::Xoauth2 => offer.bearer,
            Mechanism::External => channel.certificate.is_some(),
        }
    }
}

impl Channel {
    /// Whether SCRAM can be bound to it.
    pub fn can_bind(&self) -> bool {
        self.end_point.is_some() || self.exporter.is_some()
    }
}

/// The questions of AUTH LOGIN, as every client knows them: `Username:` and `Password:`.
pub const ASK_LOGIN: &str = "VXNlcm5hbWU6";
pub const ASK_PASSWORD: &str = "UGFzc3dvcmQ6";

/// The longest login: that of an address.
const LOGIN: usize = 320;
/// The longest password that is worth hashing; RFC 4616 §2 asks for 255 at least.
const PASSWORD: usize = 1_024;

/// `authzid NUL authcid NUL passwd`. Nobody acts for another here: authzid is empty or the same as authcid.
pub fn plain(line: &[u8]) -> Result<Credentials, Say> {
    let octets = decode(line)?;
    let mut fields = octets.split(|&b| b == 0);
    let (Some(authzid), Some(authcid), Some(password), None) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Say::AuthFields);
    };
    let credentials = credentials(authcid, password)?;
    if !authzid.is_empty() && !authzid.eq_ignore_ascii_case(authcid) {
        return Err(Say::AuthOtherIdentity);
    }
    Ok(credentials)
}

/// The answer to [`ASK_LOGIN`].
pub fn login_name(line: &[u8]) -> Result<String, Say> {
    login(&decode(line)?)
}

/// The answer to [`ASK_PASSWORD`].
pub fn login_password(login: String, line: &[u8]) -> Result<Credentials, Say> {
    let password = decode(line)?;
    if password.contains(&0) {
        return Err(Say::AuthFields);
    }
    credentials(login.as_bytes(), &password)
}

/// The authorization identity of EXTERNAL; empty: whom the certificate names.
pub fn external(line: &[u8]) -> Result<Option<String>, Say> {
    match decode(line)? {
        octets if octets.is_empty() => Ok(None),
        octets => login(&octets).map(Some),
    }
}

/// A login as SCRAM and OAUTHBEARER write it in their headers.
fn scram_name(written: &str) -> Result<String, Say> {
    login(scram::name_of(written).ok_or(Say::AuthFields)?.as_bytes())
}

fn credentials(authcid: &[u8], password: &[u8]) -> Result<Credentials, Say> {
    let login = login(authcid)?;
    if password.is_empty() || password.len() > PASSWORD {
        return Err(Say::AuthFields);
    }
    Ok(Credentials { login, password: Zeroizing::new(password.to_vec()) })
}

/// No control characters: a login goes into look-ups and log lines.
fn login(octets: &[u8]) -> Result<String, Say> {
    match std::str::from_utf8(octets) {
        Ok(login) if !login.is_empty() && login.len() <= LOGIN && !login.chars().any(char::is_control) => Ok(login.to_owned()),
        _ => Err(Say::AuthFields),
    }
}

/// The line of a challenge: what follows `334 `.
pub fn encode(challenge: &[u8]) -> String {
    STANDARD.encode(challenge)
}

/// Strict: canonical padding and alphabet, no white space (RFC 4954 §4). `=` alone is the empty response.
pub(super) fn decode(line: &[u8]) -> Result<Zeroizing<Vec<u8>>, Say> {
    if line == b"*" {
        return Err(Say::AuthCancelled);
    }
    if line == b"=" {
        return Ok(Zeroizing::new(Vec::new()));
    }
    let mut octets = Zeroizing::new(vec![0; base64::decoded_len_estimate(line.len())]);
    let length = STANDARD.decode_slice(line, &mut octets).map_err(|_| Say::AuthBase64)?;
    octets.truncate(length);
    Ok(octets)
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({:?}, …)", self.login)
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({} octets, for {:?})", self.der.len(), self.login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_gives_login_and_password() {
        for message in ["\0alice@example.org\0sesame", "alice@example.org\0alice@example.org\0sesame", "\0é\0päss wörd"] {
            let credentials = plain(STANDARD.encode(message).as_bytes()).unwrap();
            let mut fields = message.split('\0').skip(1);
            assert_eq!(Some(&*credentials.login), fields.next());
            assert_eq!(Some(&**credentials.password), fields.next().map(str::as_bytes));
        }
    }

    #[test]
    fn what_is_no_plain_response_is_refused() {
        let long = format!("\0a\0{}", "x".repeat(1_025));
        for (message, why) in [
            ("", Say::AuthFields),
            ("\0a", Say::AuthFields),
            ("\0a\0", Say::AuthFields),
            ("\0\0b", Say::AuthFields),
            ("\0a\0b\0c", Say::AuthFields),
            ("\0a\r\nb\0c", Say::AuthFields),
            (&long, Say::AuthFields),
            ("root\0alice\0sesame", Say::AuthOtherIdentity),
        ] {
            assert_eq!(plain(STANDARD.encode(message).as_bytes()).err(), Some(why), "{message:?}");
        }
        assert_eq!(plain(STANDARD.encode(b"\0\xff\0x").as_bytes()).err(), Some(Say::AuthFields));
    }

    #[test]
    fn base64_is_strict() {
        for line in ["AGEAYg", "AGEAYg=", "AGEAYg===", "AGEA Yg==", "AGEAYh==", "AGEAYg==\t", "####", "AGEAYg-_"] {
            assert_eq!(plain(line.as_bytes()).err(), Some(Say::AuthBase64), "{line}");
        }
        assert!(plain(b"AGEAYg==").is_ok());
        assert_eq!(plain(b"*").err(), Some(Say::AuthCancelled));
        assert_eq!(plain(b"=").err(), Some(Say::AuthFields));
    }

    #[test]
    fn a_password_shows_in_no_debug() {
        let credentials = plain(STANDARD.encode("\0alice\0sesame").as_bytes()).unwrap();
        assert!(!format!("{credentials:?}").contains("sesame"));
    }
}
