//! Turns a number written as a rule found it into a verdict: do its check digits and its structure hold?
//!
//! A check takes the compact form (upper-case ASCII letters and digits, separators removed), or, of tokens and passwords, whose
//! case and signs count, what is written. One family per file.

mod americas;
mod arithmetic;
mod asia_pacific;
mod austria;
mod baltic;
mod bank;
mod belgium;
mod britain;
mod card;
mod central_europe;
mod crypto;
mod device;
mod entropy;
mod french_health;
mod french_papers;
mod french_registers;
mod germany;
mod greece;
mod iban;
mod icd10;
mod ine;
mod ireland;
mod italy;
mod jwt;
mod keccak;
mod luhn;
mod luxembourg;
mod mrz;
mod netherlands;
mod network;
mod nir;
mod nordic;
mod password;
mod phone;
mod poland;
mod portugal;
mod security;
mod siren;
mod south_africa;
mod spain;
mod spi;
mod switzerland;
mod turkey;
#[cfg(test)]
mod typing_errors;
mod united_states;

use std::sync::LazyLock;

/// What a check says of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    Valid,
    /// It holds, but so do many numbers of another kind (times in milliseconds, published test cards, forms whose key is
    /// not public): it counts as valid only beside a word that names it.
    NeedsLabel,
    Invalid,
}

/// How far a right check alone can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// Fewer than one look-alike in five hundred passes: the surroundings may be anything.
    Strong,
    /// Up to one look-alike in ten passes: a number that seems part of a longer one also needs a word that names it.
    Weak,
    /// A token or password: case and signs count, so the check sees it as it is written.
    AsWritten,
}

/// A named check, as `postern rules validators` lists it.
pub struct Validator {
    pub name: &'static str,
    pub about: (&'static str, &'static str),
    /// An invented or published number that passes.
    pub example: &'static str,
    pub strength: Strength,
    pub(crate) check: fn(&[u8]) -> Check,
    /// How many compact characters a number that begins like this has, where the number itself tells (IBAN).
    pub(crate) length: Option<Length>,
}

/// Tells from its beginning how long a number is.
pub(crate) type Length = fn(&[u8]) -> Option<usize>;

impl Validator {
    const fn new(
        name: &'static str,
        about: (&'static str, &'static str),
        example: &'static str,
        strength: Strength,
        check: fn(&[u8]) -> Check,
    ) -> Validator {
        Validator { name, about, example, strength, check, length: None }
    }

    /// Checks a number as a person writes it: separators and case do not matter, where the number's kind allows that.
    pub fn check(&self, number: &str) -> Check {
        (self.check)(&self.read(number.as_bytes()))
    }

    /// What the check sees of a value as it is written.
    pub(crate) fn read(&self, written: &[u8]) -> Vec<u8> {
        if self.strength == Strength::AsWritten { written.to_vec() } else { compact(written) }
    }
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Validator({})", self.name)
    }
}

/// All validators, by name.
pub fn validators() -> &'static [&'static Validator] {
    &VALIDATORS
}

pub(crate) fn find(name: &str) -> Option<&'static Validator> {
    VALIDATORS.iter().copied().find(|validator| validator.name == name)
}

/// Upper-case letters and digits only.
pub(crate) fn compact(written: &[u8]) -> Vec<u8> {
    written.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_uppercase).collect()
}

/// One table per file, each of numbers of one country or kind.
static FAMILIES: &[&[Validator]] = &[
    &americas::VALIDATORS,
    &asia_pacific::VALIDATORS,
    &austria::VALIDATORS,
    &baltic::VALIDATORS,
    &bank::VALIDATORS,
    &belgium::VALIDATORS,
    &britain::VALIDATORS,
    &card::VALIDATORS,
    &central_europe::VALIDATORS,
    &crypto::VALIDATORS,
    &device::VALIDATORS,
    &entropy::VALIDATORS,
    &french_health::VALIDATORS,
    &french_papers::VALIDATORS,
    &french_registers::VALIDATORS,
    &germany::VALIDATORS,
    &greece::VALIDATORS,
    &iban::VALIDATORS,
    &icd10::VALIDATORS,
    &ine::VALIDATORS,
    &ireland::VALIDATORS,
    &italy::VALIDATORS,
    &jwt::VALIDATORS,
    &luhn::VALIDATORS,
    &luxembourg::VALIDATORS,
    &mrz::VALIDATORS,
    &netherlands::VALIDATORS,
    &network::VALIDATORS,
    &nir::VALIDATORS,
    &nordic::VALIDATORS,
    &password::VALIDATORS,
    &phone::VALIDATORS,
    &poland::VALIDATORS,
    &portugal::VALIDATORS,
    &security::VALIDATORS,
    &siren::VALIDATORS,
    &south_africa::VALIDATORS,
    &spain::VALIDATORS,
    &spi::VALIDATORS,
    &switzerland::VALIDATORS,
    &turkey::VALIDATORS,
    &united_states::VALIDATORS,
];

static VALIDATORS: LazyLock<Vec<&'static Validator>> = LazyLock::new(|| {
    let mut all: Vec<&'static Validator> = FAMILIES.iter().flat_map(|family| family.iter()).collect();
    all.sort_by_key(|validator| validator.name);
    all
});

/// The value of a run of digits, modulo `modulus`; `None` when a byte is no digit.
fn digits_mod(digits: &[u8], modulus: u64) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, byte| byte.is_ascii_digit().then(|| (value * 10 + u64::from(byte - b'0')) % modulus))
}

/// The value of a short run of digits (at most 18).
fn number(digits: &[u8]) -> Option<u64> {
    debug_assert!(digits.len() <= 18);
    digits_mod(digits, u64::MAX / 16)
}

fn valid_if(right: bool) -> Check {
    if right { Check::Valid } else { Check::Invalid }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn every_example_passes_its_own_validator() {
        for validator in validators() {
            assert_ne!(validator.check(validator.example), Check::Invalid, "{}", validator.name);
        }
    }

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(validators().windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn no_validator_panics_on_any_short_text() {
        for validator in validators() {
            for text in ["", "0", "A", "é", "FR", "FR7", "2A", "ZZ99", &"9".repeat(100), &"A".repeat(15), "\u{0}"] {
                validator.check(text);
                if let Some(length) = validator.length {
                    length(&compact(text.as_bytes()));
                }
            }
            let example = compact(validator.example.as_bytes());
            for end in 0..example.len() {
                (validator.check)(&example[..end]);
                (validator.check)(&example[end..]);
                (validator.check)(&[&example[..end], b"B1"].concat());
            }
        }
    }

    /// Exchanges each two different neighbours of `right` and counts how many of the results still pass; the places are
    /// those of the compact form.
    pub(crate) fn transpositions_that_pass(check: fn(&[u8]) -> Check, right: &str) -> usize {
        let right = compact(right.as_bytes());
        assert_ne!(check(&right), Check::Invalid);
        let exchanged = (1..right.len()).filter(|at| right[at - 1] != right[*at]).map(|at| {
            let mut wrong = right.clone();
            wrong.swap(at - 1, at);
            wrong
        });
        exchanged.filter(|wrong| check(wrong) != Check::Invalid).count()
    }

    /// Changes each digit of `right` into each other digit and counts how many of the results still pass.
    pub(crate) fn single_digit_errors_that_pass(check: fn(&[u8]) -> Check, right: &str) -> usize {
        let right = compact(right.as_bytes());
        assert_ne!(check(&right), Check::Invalid);
        let mut passed = 0;
        for at in 0..right.len() {
            for digit in b'0'..=b'9' {
                let mut wrong = right.clone();
                if wrong[at].is_ascii_digit() && wrong[at] != digit {
                    wrong[at] = digit;
                    passed += usize::from(check(&wrong) != Check::Invalid);
                }
            }
        }
        passed
    }

    /// Holds that a validator takes all of `right`, and none of `wrong`.
    pub(crate) fn verdicts(name: &str, right: &[&str], wrong: &[&str]) {
        let validator = find(name).unwrap();
        for number in right {
            assert_eq!(validator.check(number), Check::Valid, "{name} {number}");
        }
        for number in wrong {
            assert_eq!(validator.check(number), Check::Invalid, "{name} {number}");
        }
    }
}
