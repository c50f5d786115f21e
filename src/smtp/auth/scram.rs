//! Turns the messages of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) into a proof that the accounts can judge.

use super::Channel;
use crate::smtp::words::Say;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest message of a client; what stands in one is a login, a nonce and 32 octets of proof.
const MESSAGE: usize = 4_096;
/// The shortest nonce of a client that is any use against replay (RFC 5802 §5.1 sets none), and the longest: with it the challenge still
/// fits into one line.
const NONCE: std::ops::RangeInclusive<usize> = 8..=256;

/// The client's first message. For whom, and what it said of channel binding.
#[derive(Debug)]
pub struct First {
    login: String,
    /// With which `c=` of the last message must begin, and what must follow.
    binding: Vec<u8>,
    bare: String,
    nonce: String,
}

/// What the gate answers with: the account's salt, or one that looks like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salt {
    pub salt: Vec<u8>,
    pub iterations: u32,
    /// The server's part of the nonce: printable ASCII without a comma, made anew for each exchange.
    pub nonce: String,
}

/// The exchange while the client computes.
#[derive(Debug)]
pub struct Waiting {
    login: String,
    binding: Vec<u8>,
    nonce: String,
    salt: Vec<u8>,
    iterations: u32,
    /// `client-first-message-bare "," server-first-message`
    said: String,
}

/// What the client proves itself with; whether it is right is the accounts' to say.
pub struct ClientProof {
    pub login: String,
    /// As they were sent: the account may have others by now.
    pub salt: Vec<u8>,
    pub iterations: u32,
    /// RFC 5802 §3.
    pub auth_message: String,
    pub proof: [u8; 32],
}

impl First {
    /// Reads it. `plus`: the mechanism was SCRAM-SHA-256-PLUS.
    pub fn read(message: &[u8], plus: bool, channel: &Channel) -> Result<First, Say> {
        let text = std::str::from_utf8(message).ok().filter(|text| text.len() <= MESSAGE).ok_or(Say::AuthFields)?;
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(authzid), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Say::AuthFields);
        };
        let mut binding = format!("{flag},{authzid},").into_bytes();
        match (flag, plus) {
            // The client would have bound itself, and was told that we cannot: somebody between us has taken it out of our EHLO
            // (RFC 5802 §6).
            ("y", _) if channel.can_bind() => return Err(Say::AuthBinding),
            ("n" | "y", false) => {}
            ("n" | "y", true) => return Err(Say::AuthBinding),
            (flag, plus) => {
                let name = flag.strip_prefix("p=").ok_or(Say::AuthFields)?;
                let bound: Option<&[u8]> = match name {
                    _ if !plus => None,
                    "tls-exporter" => channel.exporter.as_ref().map(|octets| &octets[..]),
                    "tls-server-end-point" => channel.end_point.as_deref(),
                    _ => None,
                };
                binding.extend_from_slice(bound.ok_or(Say::AuthBinding)?);
            }
        }
        let mut attributes = bare.split(',');
        let login = attributes.next().and_then(|name| name.strip_prefix("n=")).and_then(name_of).ok_or(Say::AuthFields)?;
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).ok_or(Say::AuthFields)?;
        if !NONCE.contains(&nonce.len()) || !nonce.bytes().all(is_printable) || !attributes.all(is_attribute) {
            return Err(Say::AuthFields);
        }
        let authzid = match authzid {
            "" => None,
            given => Some(given.strip_prefix("a=").and_then(name_of).ok_or(Say::AuthFields)?),
        };
        let login = super::login(login.as_bytes())?;
        if authzid.is_some_and(|authzid| !authzid.eq_ignore_ascii_case(&login)) {
            return Err(Say::AuthOtherIdentity);
        }
        let (bare, nonce) = (bare.to_owned(), nonce.to_owned());
        Ok(First { login, binding, bare, nonce })
    }

    pub fn login(&self) -> &str {
        &self.login
    }

    /// The server's first message, and what waits for its answer.
    pub fn challenge(self, salt: Salt) -> (String, Waiting) {
        let nonce = self.nonce + &salt.nonce;
        let challenge = format!("r={nonce},s={},i={}", STANDARD.encode(&salt.salt), salt.iterations);
        let said = format!("{},{challenge}", self.bare);
        let Salt { salt, iterations, .. } = salt;
        (challenge, Waiting { login: self.login, binding: self.binding, nonce, salt, iterations, said })
    }
}

impl Waiting {
    /// Reads the client's last message. Its channel binding and nonce are checked here, its proof is not.
    pub fn last(self, message: &[u8]) -> Result<ClientProof, Say> {
        let text = std::str::from_utf8(message).ok().filter(|text| text.len() <= MESSAGE).ok_or(Say::AuthFields)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Say::AuthFields)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|binding| binding.strip_prefix("c=")).ok_or(Say::AuthFields)?;
        let binding = STANDARD.decode(binding).map_err(|_| Say::AuthFields)?;
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).ok_or(Say::AuthFields)?;
        if nonce != self.nonce || !attributes.all(is_attribute) {
            return Err(Say::AuthFields);
        }
        // Another TLS connection than ours ends at the client, or its first message was changed on the way.
        if binding != self.binding {
            return Err(Say::AuthBinding);
        }
        let proof = STANDARD.decode(proof).ok().and_then(|proof| proof.try_into().ok()).ok_or(Say::AuthFields)?;
        let auth_message = format!("{},{without_proof}", self.said);
        Ok(ClientProof { login: self.login, salt: self.salt, iterations: self.iterations, auth_message, proof })
    }
}

/// The server's last message: it knows the password too.
pub fn confirmation(signature: &[u8; 32]) -> String {
    format!("v={}", STANDARD.encode(signature))
}

/// `saslname`: `=2C` and `=3D` stand for a comma and an equals sign.
pub(super) fn name_of(written: &str) -> Option<String> {
    let mut name = String::with_capacity(written.len());
    let mut pieces = written.split('=');
    name.push_str(pieces.next()?);
    for piece in pieces {
        let (sign, rest) = (piece.get(..2)?, &piece[2..]);
        name.push(match sign {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        name.push_str(rest);
    }
    Some(name)
}

/// RFC 5802 §7 `printable`: no comma.
fn is_printable(octet: u8) -> bool {
    octet.is_ascii_graphic() && octet != b','
}

/// An extension that may be ignored: all but `m` (RFC 5802 §5.1, mandatory and unknown).
fn is_attribute(text: &str) -> bool {
    let octets = text.as_bytes();
    octets.first().is_some_and(|letter| letter.is_ascii_alphabetic() && *letter != b'm') && octets.get(1) == Some(&b'=')
}

impl std::fmt::Debug for ClientProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientProof({:?}, …)", self.login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> Channel {
        Channel { end_point: Some(b"hash".to_vec()), exporter: Some([7; 32]), certificate: None }
    }

    /// RFC 7677 §3.
    #[test]
    fn the_exchange_of_the_rfc_gives_its_auth_message_and_proof() {
        let first = First::read(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", false, &Channel::default()).unwrap();
        assert_eq!(first.login(), "user");
        let salt = Salt {
            salt: STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(),
            iterations: 4096,
            nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into(),
        };
        let (challenge, waiting) = first.challenge(salt);
        assert_eq!(challenge, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let proof = waiting.last(last.as_bytes()).unwrap();
        assert_eq!(proof.auth_message, format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{challenge},{}", &last[..last.len() - 47]));
        assert_eq!(STANDARD.encode(proof.proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert!(!format!("{proof:?}").contains("dHzb"));
    }

    #[test]
    fn what_a_client_says_of_channel_binding_is_held_against_what_there_is() {
        let (none, some) = (Channel::default(), channel());
        let only_end_point = Channel { exporter: None, ..channel() };
        for (flag, plus, channel, outcome) in [
            ("n", false, &none, Ok(())),
            ("n", false, &some, Ok(())),
            ("y", false, &none, Ok(())),
            ("y", false, &some, Err(Say::AuthBinding)),
            ("y", true, &some, Err(Say::AuthBinding)),
            ("n", true, &some, Err(Say::AuthBinding)),
            ("p=tls-exporter", true, &some, Ok(())),
            ("p=tls-server-end-point", true, &some, Ok(())),
            ("p=tls-server-end-point", true, &only_end_point, Ok(())),
            ("p=tls-exporter", true, &only_end_point, Err(Say::AuthBinding)),
            ("p=tls-exporter", false, &some, Err(Say::AuthBinding)),
            ("p=tls-unique", true, &some, Err(Say::AuthBinding)),
            ("p=", true, &some, Err(Say::AuthBinding)),
            ("p", true, &some, Err(Say::AuthFields)),
            ("x", false, &none, Err(Say::AuthFields)),
        ] {
            let message = format!("{flag},,n=alice@example.org,r=0123456789");
            assert_eq!(First::read(message.as_bytes(), plus, channel).map(drop), outcome, "{flag} {plus}");
        }
    }

    #[test]
    fn what_is_no_first_message_is_refused() {
        let long = format!("n,,n=a,r={}", "x".repeat(257));
        for (message, outcome) in [
            ("n,,n=a=2Cb=3Dc,r=0123456789", Ok("a,b=c")),
            ("n,a=Alice,n=alice,r=0123456789,x=later", Ok("alice")),
            ("n,a=bob,n=alice,r=0123456789", Err(Say::AuthOtherIdentity)),
            ("", Err(Say::AuthFields)),
            ("n,,", Err(Say::AuthFields)),
            ("n,,n=,r=0123456789", Err(Say::AuthFields)),
            ("n,,n=a=2cb,r=0123456789", Err(Say::AuthFields)),
            ("n,,n=a=,r=0123456789", Err(Say::AuthFields)),
            ("n,,n=a\u{0},r=0123456789", Err(Say::AuthFields)),
            ("n,,n=a,r=short", Err(Say::AuthFields)),
            ("n,,n=a,r=0123456789\u{e9}", Err(Say::AuthFields)),
            ("n,,m=x,n=a,r=0123456789", Err(Say::AuthFields)),
            ("n,,n=a,r=0123456789,m=x", Err(Say::AuthFields)),
            ("n,b=a,n=a,r=0123456789", Err(Say::AuthFields)),
            (&long, Err(Say::AuthFields)),
        ] {
            let read = First::read(message.as_bytes(), false, &Channel::default());
            assert_eq!(read.map(|first| first.login), outcome.map(str::to_owned), "{message:?}");
        }
    }

    #[test]
    fn a_last_message_of_another_connection_or_nonce_is_refused() {
        let proof = STANDARD.encode([1; 32]);
        let run = |last: &str| {
            let first = First::read(b"p=tls-exporter,,n=alice,r=0123456789", true, &channel()).unwrap();
            let salt = Salt { salt: vec![1; 16], iterations: 4096, nonce: "server".into() };
            first.challenge(salt).1.last(last.as_bytes()).map(drop)
        };
        let bound = |octets: &[u8]| STANDARD.encode([b"p=tls-exporter,,", octets].concat());
        let (right, other) = (bound(&[7; 32]), bound(&[8; 32]));
        let unbound = STANDARD.encode("n,,");
        for (last, outcome) in [
            (format!("c={right},r=0123456789server,p={proof}"), Ok(())),
            (format!("c={right},r=0123456789server,x=y,p={proof}"), Ok(())),
            (format!("c={other},r=0123456789server,p={proof}"), Err(Say::AuthBinding)),
            (format!("c={unbound},r=0123456789server,p={proof}"), Err(Say::AuthBinding)),
            (format!("c={right},r=0123456789,p={proof}"), Err(Say::AuthFields)),
            (format!("c={right},r=0123456789servers,p={proof}"), Err(Say::AuthFields)),
            (format!("c={right},r=0123456789server,p=AAAA"), Err(Say::AuthFields)),
            (format!("c={right},r=0123456789server"), Err(Say::AuthFields)),
            (format!("r=0123456789server,c={right},p={proof}"), Err(Say::AuthFields)),
            (format!("c={right},r=0123456789server,m=x,p={proof}"), Err(Say::AuthFields)),
            (String::new(), Err(Say::AuthFields)),
        ] {
            assert_eq!(run(&last), outcome, "{last}");
        }
    }
}
