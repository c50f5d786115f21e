//! Turns eleven characters into the verdict on a French pupil's or student's number (INE; ministère de l'Éducation nationale).

use super::{Check, Strength, Validator, number, valid_if};

pub(super) static VALIDATORS: [Validator; 1] = [Validator {
    name: "fr-ine",
    about: ("identifiant national de l'élève ou de l'étudiant (RNIE, BEA, base 36, SIFA)", "French student number"),
    example: "0123456789M",
    strength: Strength::Weak,
    check,
    length: None,
}];

/// The letters of the BEA key: no I, O, Q.
pub(super) const KEYS: &[u8; 23] = b"ABCDEFGHJKLMNPRSTUVWXYZ";

/// Forms of eleven characters in use:
/// * BEA, ten digits and a letter: `0123456789M`, for 123456789 mod 23 = 11 and the twelfth letter of the alphabet of keys is M;
/// * base 36, ten characters and a digit: `0A1B2C3D4E0`, last = (6 · the sum of the first nine + the tenth) mod 10;
/// * RNIE, nine digits and two of A-H, J, K: its key is not public, so it needs a word that names it;
/// * SIFA (apprentices) and provisional numbers, `1234A56789B` and `1234D56789B`: the same.
pub(super) fn check(ine: &[u8]) -> Check {
    if ine.len() != 11 {
        return Check::Invalid;
    }
    let digits = ine.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match digits {
        10 => valid_if(number(&ine[..10]).is_some_and(|value| KEYS[(value % 23) as usize] == ine[10])),
        9 if ine[9..].iter().all(|letter| matches!(letter, b'A'..=b'H' | b'J' | b'K')) => Check::NeedsLabel,
        4 if matches!(ine[4], b'A' | b'D') && ine[5..10].iter().all(u8::is_ascii_digit) && KEYS.contains(&ine[10]) => {
            Check::NeedsLabel
        }
        _ => base36(ine),
    }
}

/// One number in ten passes: never without a label. Of numbers drawn in base 36 hardly any is without a letter, but of those that
/// people write most are.
fn base36(ine: &[u8]) -> Check {
    let value = |byte: &u8| (*byte as char).to_digit(36);
    let first: Option<u32> = ine[..9].iter().map(value).sum();
    let letters = ine[..10].iter().any(u8::is_ascii_uppercase);
    match (first, value(&ine[9]), ine[10].is_ascii_digit() && letters) {
        (Some(first), Some(tenth), true) if (6 * first + tenth) % 10 == u32::from(ine[10] - b'0') => Check::NeedsLabel,
        _ => Check::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{single_digit_errors_that_pass, transpositions_that_pass};
    use super::*;

    #[test]
    fn each_form() {
        let cases = [
            ("0123456789M", Check::Valid),      // 123456789 mod 23 = 11 -> M
            ("0123456789H", Check::Invalid),    // another letter
            ("1234567890A", Check::Invalid),    // shown as an example in places; its key is wrong
            ("0123456789I", Check::Invalid),    // no I among the keys
            ("120001234AB", Check::NeedsLabel), // RNIE
            ("120001234AZ", Check::Invalid),    // Z is no RNIE letter
            ("1234A56789B", Check::NeedsLabel), // SIFA
            ("1234D56789B", Check::NeedsLabel), // provisional
            ("1234A56789I", Check::Invalid),
            ("0A1B2C3D4E1", Check::Invalid),
            ("12345678904", Check::Invalid), // digits only: a right key, but another number
            ("0A1B2C3D4E", Check::Invalid),
            ("0123456789", Check::Invalid),
            ("", Check::Invalid),
        ];
        for (number, expected) in cases {
            assert_eq!(check(number.as_bytes()), expected, "{number}");
        }
    }

    #[test]
    fn the_base_36_key_is_six_times_the_sum_plus_the_tenth() {
        // 0+10+1+11+2+12+3+13+4 = 56; 6·56 + 14 (E) = 350: key 0; with F for the tenth, 1.
        assert_eq!(check(b"0A1B2C3D4F1"), Check::NeedsLabel);
        assert_eq!(check(b"0A1B2C3D4F2"), Check::Invalid);
    }

    #[test]
    fn any_single_wrong_digit_of_the_bea_form_is_caught() {
        assert_eq!(single_digit_errors_that_pass(check, "0123456789M"), 0);
        assert_eq!(transpositions_that_pass(check, "0123456789M"), 0);
    }
}
