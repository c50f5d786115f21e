//! Makes the random passwords of single programs, and turns them into what is kept of them.
//!
//! 140 random bits cannot be guessed from a fast hash, so SHA-256 is enough: argon2id makes up for the few bits that people choose.

use crate::mail::Address;
use aws_lc_rs::digest;
use zeroize::Zeroizing;

/// Letters and digits that are not taken for each other (RFC 4648 §6, in lower case).
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Of five bits each.
const LETTERS: usize = 28;
const GROUP: usize = 4;

/// `abcd-efgh-ijkl-mnop-qrst-uvwx-yz23`; `None` without randomness.
pub(super) fn generate() -> Option<Zeroizing<String>> {
    let mut random = Zeroizing::new([0u8; LETTERS]);
    aws_lc_rs::rand::fill(&mut *random).ok()?;
    let mut written = Zeroizing::new(String::with_capacity(LETTERS + LETTERS / GROUP));
    for (at, octet) in random.iter().enumerate() {
        if at > 0 && at % GROUP == 0 {
            written.push('-');
        }
        written.push(char::from(ALPHABET[usize::from(octet % 32)]));
    }
    Some(written)
}

/// What is kept of it, and looked for; `None` for what is no app password by its form. Hyphens and blanks are as one likes, and capitals.
pub(super) fn mark(login: &Address, password: &[u8]) -> Option<[u8; 32]> {
    let mut letters = Zeroizing::new(Vec::with_capacity(LETTERS));
    for octet in password.iter().filter(|octet| !b"- ".contains(octet)) {
        let letter = octet.to_ascii_lowercase();
        if letters.len() == LETTERS || !ALPHABET.contains(&letter) {
            return None;
        }
        letters.push(letter);
    }
    if letters.len() != LETTERS {
        return None;
    }
    let mut hashing = digest::Context::new(&digest::SHA256);
    for part in [b"postern app password", login.key().as_bytes(), &letters[..]] {
        hashing.update(&(part.len() as u64).to_be_bytes());
        hashing.update(part);
    }
    let mut mark = [0; 32];
    mark.copy_from_slice(hashing.finish().as_ref());
    Some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_new_and_known_however_it_is_typed() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(*one, *other);
        assert_eq!((one.len(), one.matches('-').count()), (34, 6));
        let alice = Address::parse("alice@example.org").unwrap();
        let kept = mark(&alice, one.as_bytes()).unwrap();
        for typed in [one.replace('-', ""), one.replace('-', " "), one.to_uppercase()] {
            assert_eq!(mark(&alice, typed.as_bytes()), Some(kept));
        }
        assert_ne!(mark(&alice, other.as_bytes()), Some(kept));
        assert_ne!(mark(&Address::parse("bob@example.org").unwrap(), one.as_bytes()), Some(kept));
        for none in [
            "",
            "correct horse battery stapl",
            &one[1..],
            &format!("{}x", *one),
            &one.replace('-', "_"),
            &one.replace('-', "é"),
        ] {
            assert_eq!(mark(&alice, none.as_bytes()), None, "{none}");
        }
    }
}
