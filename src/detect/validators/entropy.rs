//! Turns a token as it is written into a verdict: was it drawn at random, or is it a word, a name or a placeholder?

use super::{Check, Strength, Validator, valid_if};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator {
        name: "random-token",
        about: (
            "suite tirée au hasard : entropie d'au moins 3 bits (hexadécimal) ou 3,5 par caractère, ni mot, ni UUID, ni exemple",
            "drawn at random: entropy of at least 3 bits (hexadecimal) or 3.5 a character, no word, no UUID, no placeholder",
        ),
        example: "q8Zt3LxVb1nRk7wYp5Hs9GdJ",
        strength: Strength::AsWritten,
        check: random,
        length: None,
    },
    Validator {
        name: "token",
        about: (
            "jeton d'un format connu qui n'est ni un exemple ni une suite de caractères répétés",
            "a token of a known form that is neither a placeholder nor one sign repeated",
        ),
        example: "ghp_q8Zt3LxVb1nRk7wYp5Hs9GdJc2Mf4Ta6Eu0i",
        strength: Strength::AsWritten,
        check: token,
        length: None,
    },
];

/// Bits of information per octet by the frequencies within the token itself (Shannon 1948): `aabb` has 1, `abcd` 2.
pub(super) fn entropy(token: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    token.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let length = token.len() as f64;
    let bits = |count: u32| {
        let share = f64::from(count) / length;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(|count| bits(*count)).sum()
}

/// Words that stand where a real token belongs.
const PLACEHOLDERS: [&[u8]; 25] = [
    b"example",
    b"exemple",
    b"placeholder",
    b"changeme",
    b"change-me",
    b"change_me",
    b"redacted",
    b"xxxx",
    b"****",
    b"....",
    b"your_",
    b"your-",
    b"yourtoken",
    b"yourapi",
    b"votre_",
    b"votre-",
    b"insert",
    b"dummy",
    b"sample",
    b"replace",
    b"masked",
    b"notreal",
    b"abcdefghijklmnopqrstuvwxyz",
    b"<token",
    b"00000000",
];

pub(super) fn is_placeholder(token: &[u8]) -> bool {
    let lower = token.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|word| lower.windows(word.len()).any(|window| window == *word))
        || token.starts_with(b"${")
        || token.starts_with(b"$(")
        || token.starts_with(b"{{")
        || token.starts_with(b"<")
        || token.starts_with(b"%")
}

/// `ghp_q8Zt3L…`: a vendor's form is known, so it is enough that it is no placeholder; 2.5 bits let through any random digits.
fn token(token: &[u8]) -> Check {
    valid_if(token.len() >= 8 && !is_placeholder(token) && entropy(token) >= 2.5)
}

/// `q8Zt3LxVb1nRk7wYp5Hs9GdJ` has 4.6 bits an octet, letters of both cases and digits; `my-service-account-name` reads as words.
fn random(token: &[u8]) -> Check {
    let token = token.strip_suffix(b"==").or_else(|| token.strip_suffix(b"=")).unwrap_or(token);
    if token.len() < 16 || is_placeholder(token) || is_uuid(token) {
        return Check::Invalid;
    }
    let digits = token.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == token.len() {
        return Check::Invalid;
    }
    if token.iter().all(u8::is_ascii_hexdigit) {
        return valid_if(digits >= token.len() / 5 && entropy(token) >= 3.0);
    }
    let count = |is: fn(&u8) -> bool| token.iter().filter(|byte| is(byte)).count();
    let (lower, upper, bits) = (count(u8::is_ascii_lowercase), count(u8::is_ascii_uppercase), entropy(token));
    // Short tokens cannot reach 3.5 bits even when all their characters differ.
    let enough = if token.len() < 20 { 3.2 } else { 3.5 };
    let mixed = digits >= 2 && lower + upper > 0 || lower >= 3 && upper >= 3 && bits >= 3.8;
    valid_if(mixed && bits >= enough && !reads_as_words(token))
}

/// 8-4-4-4-12 hexadecimal digits: names a thing, opens nothing.
fn is_uuid(token: &[u8]) -> bool {
    let groups: Vec<&[u8]> = token.split(|byte| *byte == b'-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.iter().all(u8::is_ascii_hexdigit))
}

/// Most of it is runs of four or more small letters with vowels in them: `reference-dossier-2026-retraite`, `getUserById2`.
fn reads_as_words(token: &[u8]) -> bool {
    let mut in_words = 0;
    for run in token.split(|byte| !byte.is_ascii_lowercase()) {
        let vowels = run.iter().filter(|byte| b"aeiouy".contains(byte)).count();
        if run.len() >= 4 && vowels * 5 >= run.len() && vowels * 4 <= run.len() * 3 {
            in_words += run.len();
        }
    }
    in_words * 2 > token.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_the_definition() {
        for (token, bits) in [("aaaa", 0.0), ("aabb", 1.0), ("abcd", 2.0), ("abcdefgh", 3.0)] {
            assert!((entropy(token.as_bytes()) - bits).abs() < 1e-9, "{token}");
        }
    }

    #[test]
    fn what_is_drawn_at_random_passes_and_what_people_write_does_not() {
        for (token, valid) in [
            ("q8Zt3LxVb1nRk7wYp5Hs9GdJ", true),
            ("9f86d081884c7d659a2feaa0c55ad015", true),
            ("kX9vQ2mN8pL4rT6wY1zB", true),
            ("wJ7/kq+PzM2nVx5tB8cR4yL1oH6gD3sF==", true),
            ("123e4567-e89b-42d3-a456-426614174000", false),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("your_api_key_goes_here_123", false),
            ("EXAMPLEKEY1234567890abcd", false),
            ("${SECRET_TOKEN_FROM_VAULT}", false),
            ("reference-dossier-2026-retraite-04", false),
            ("getUserPasswordFromVault2", false),
            ("qWzTbXkRmNpLvGhJdFsCyQwE", true),
            ("1234567890123456", false),
            ("deadbeefdeadbeefdeadbeef", false),
            ("short1A", false),
        ] {
            assert_eq!(random(token.as_bytes()) == Check::Valid, valid, "{token}");
        }
    }

    #[test]
    fn a_known_form_filled_with_one_sign_or_a_placeholder_is_none() {
        for (text, valid) in [
            ("ghp_q8Zt3LxVb1nRk7wYp5Hs9GdJc2Mf4Ta6Eu0i", true),
            ("glpat-xxxxxxxxxxxxxxxxxxxx", false),
            ("AKIAIOSFODNN7EXAMPLE", false),
            ("sk_live_your_key_here0000000000", false),
            ("SK00000000000000000000000000000000", false),
        ] {
            assert_eq!(token(text.as_bytes()) == Check::Valid, valid, "{text}");
        }
    }
}
