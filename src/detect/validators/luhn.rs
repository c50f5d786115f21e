//! Turns digits into the verdict of the Luhn formula (ISO/IEC 7812-1, annex B).

use super::{Check, Strength, Validator, valid_if};

pub(super) static VALIDATORS: [Validator; 1] = [Validator {
    name: "luhn",
    about: ("clé de Luhn seule, 8 à 19 chiffres", "Luhn key alone, 8 to 19 digits"),
    example: "79927398713",
    strength: Strength::Weak,
    check,
    length: None,
}];

/// `79927398713`: from the right, every second digit doubled and its digits added: 3+2+7+6+9+6+7+4+9+9+8 = 70.
pub(super) fn check(number: &[u8]) -> Check {
    valid_if((8..=19).contains(&number.len()) && number.iter().any(|digit| *digit != b'0') && holds(number))
}

/// True when all are digits and their Luhn sum ends in 0.
pub(super) fn holds(number: &[u8]) -> bool {
    if !number.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = number.iter().rev().enumerate().map(|(place, digit)| weigh(u32::from(digit - b'0'), place % 2 == 1)).sum();
    sum.is_multiple_of(10)
}

fn weigh(digit: u32, doubled: bool) -> u32 {
    match (doubled, digit) {
        (false, digit) => digit,
        (true, 0..=4) => digit * 2,
        (true, _) => digit * 2 - 9,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::single_digit_errors_that_pass;
    use super::*;

    #[test]
    fn the_textbook_number_passes_and_its_neighbours_do_not() {
        assert_eq!(check(b"79927398713"), Check::Valid);
        for last in b"012456789" {
            assert_eq!(check(&[b"7992739871", &[*last][..]].concat()), Check::Invalid);
        }
    }

    #[test]
    fn zeros_letters_and_other_lengths_do_not_pass() {
        for wrong in ["00000000", "0000000", "7992739871A", "", "00000000000000000018"] {
            assert_eq!(check(wrong.as_bytes()), Check::Invalid, "{wrong}");
        }
    }

    #[test]
    fn any_single_wrong_digit_is_caught() {
        assert_eq!(single_digit_errors_that_pass(check, "79927398713"), 0);
    }
}
