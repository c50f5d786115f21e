//! Turns a password into what SCRAM-SHA-256 compares with (RFC 5802, RFC 7677, kept as RFC 5803 writes it), and compares.
//!
//! What is kept here is a second hash of the same password: who steals the store will try the cheaper of the two. So PBKDF2 gets the
//! 600,000 iterations that OWASP asks for where it stands alone, and not the 4,096 that RFC 7677 allows; the client pays them once for
//! each connection (a quarter of a second), the gate only when a password is set.

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

const SCHEME: &str = "SCRAM-SHA-256";
const SALT: usize = 16;
const HASH: usize = 32;

/// What is kept of a password.
pub(super) struct Keys {
    pub iterations: u32,
    pub salt: Vec<u8>,
    stored: [u8; HASH],
    server: [u8; HASH],
}

impl Keys {
    /// `None` for a password that SASLprep (RFC 4013) does not take: no client could prove it. Costs `iterations`.
    pub fn derive(password: &str, iterations: u32) -> Option<Keys> {
        let mut salt = [0; SALT];
        aws_lc_rs::rand::fill(&mut salt).ok()?;
        Keys::with_salt(password, &salt, iterations)
    }

    fn with_salt(password: &str, salt: &[u8], iterations: u32) -> Option<Keys> {
        let prepared = stringprep::saslprep(password).ok().filter(|prepared| !prepared.is_empty())?;
        let prepared = Zeroizing::new(prepared.into_owned());
        let mut salted = Zeroizing::new([0; HASH]);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, NonZeroU32::new(iterations)?, salt, prepared.as_bytes(), &mut *salted);
        let client = Zeroizing::new(mac(&*salted, b"Client Key"));
        Some(Keys { iterations, salt: salt.to_vec(), stored: sha256(&*client), server: mac(&*salted, b"Server Key") })
    }

    /// What looks like the keys of a login that there is not: the same salt each time, as a real one has (RFC 5802 §9 says nothing of
    /// it, and who asks twice could tell).
    pub fn of_nobody(secret: &[u8], login: &str, iterations: u32) -> Keys {
        let derived = mac(secret, login.as_bytes());
        Keys { iterations, salt: derived[..SALT].to_vec(), stored: mac(&derived, b"stored"), server: mac(&derived, b"server") }
    }

    pub fn read(text: &str) -> Option<Keys> {
        let mut fields = text.split('$');
        let (scheme, work, keys) = (fields.next()?, fields.next()?, fields.next()?);
        let (iterations, salt) = work.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let hash = |text: &str| STANDARD.decode(text).ok()?.try_into().ok();
        (scheme == SCHEME && fields.next().is_none()).then_some(())?;
        Some(Keys {
            iterations: iterations.parse().ok()?,
            salt: STANDARD.decode(salt).ok()?,
            stored: hash(stored)?,
            server: hash(server)?,
        })
    }

    pub fn write(&self) -> String {
        let encode = |octets: &[u8]| STANDARD.encode(octets);
        let (salt, stored, server) = (encode(&self.salt), encode(&self.stored), encode(&self.server));
        format!("{SCHEME}${}:{salt}${stored}:{server}", self.iterations)
    }

    /// Our signature when `proof` is right. The same work whichever it is.
    pub fn verify(&self, auth_message: &str, proof: &[u8; HASH]) -> Option<[u8; HASH]> {
        let signature = mac(&self.stored, auth_message.as_bytes());
        let mut client = Zeroizing::new([0; HASH]);
        for ((octet, proved), signed) in client.iter_mut().zip(proof).zip(signature) {
            *octet = proved ^ signed;
        }
        let server = mac(&self.server, auth_message.as_bytes());
        constant_time::verify_slices_are_equal(&sha256(&*client), &self.stored).is_ok().then_some(server)
    }
}

fn mac(key: &[u8], message: &[u8]) -> [u8; HASH] {
    let mut out = [0; HASH];
    out.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref());
    out
}

fn sha256(octets: &[u8]) -> [u8; HASH] {
    let mut out = [0; HASH];
    out.copy_from_slice(digest::digest(&digest::SHA256, octets).as_ref());
    out
}

/// What a client computes (RFC 5802 §3): its proof, and the signature that it expects.
#[cfg(test)]
pub(super) fn client(password: &str, salt: &[u8], iterations: u32, auth_message: &str) -> ([u8; HASH], [u8; HASH]) {
    let mut salted = [0; HASH];
    let count = NonZeroU32::new(iterations).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, count, salt, password.as_bytes(), &mut salted);
    let key = mac(&salted, b"Client Key");
    let signature = mac(&sha256(&key), auth_message.as_bytes());
    let proof = std::array::from_fn(|at| key[at] ^ signature[at]);
    (proof, mac(&mac(&salted, b"Server Key"), auth_message.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3.
    #[test]
    fn the_example_of_the_rfc_is_right_and_confirmed() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = Keys::with_salt("pencil", &salt, 4096).unwrap();
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap().try_into().unwrap();
        let signature = keys.verify(message, &proof).map(|signature| STANDARD.encode(signature));
        assert_eq!(signature.as_deref(), Some("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert_eq!(keys.verify(&message.replace("user", "usex"), &proof), None);
        let again = Keys::read(&keys.write()).unwrap();
        assert!(again.verify(message, &proof).is_some() && again.salt == salt && again.iterations == 4096);
        // `gsasl --mkpasswd --mechanism SCRAM-SHA-256 --iteration-count 4096` makes the same keys of this salt and password.
        let foreign = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        assert_eq!(keys.write(), foreign);
    }

    #[test]
    fn what_is_no_kept_form_is_nothing() {
        let good = Keys::with_salt("pencil", b"salt", 4096).unwrap().write();
        for broken in [
            String::new(),
            good.replace("256", "1"),
            good.replace(':', ";"),
            good.replace('=', ""),
            format!("{good}$x"),
            good[..good.len() - 4].to_owned(),
        ] {
            assert!(Keys::read(&broken).is_none(), "{broken}");
        }
        // Unassigned in Unicode 3.2, and a private use character.
        assert!(Keys::derive("\u{e000}", 1).is_none() && Keys::derive("", 1).is_none());
    }

    #[test]
    fn nobody_has_the_same_salt_each_time_and_another_than_his_neighbour() {
        let of = |secret: &[u8], login: &str| Keys::of_nobody(secret, login, 4096);
        assert_eq!(of(b"s", "a@example.org").write(), of(b"s", "a@example.org").write());
        assert_ne!(of(b"s", "a@example.org").salt, of(b"s", "b@example.org").salt);
        assert_ne!(of(b"s", "a@example.org").salt, of(b"t", "a@example.org").salt);
        assert_eq!(of(b"s", "a@example.org").salt.len(), Keys::derive("x", 1).unwrap().salt.len());
    }
}
