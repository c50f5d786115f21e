//! Turns thirteen digits into the verdict on a French tax number (SPI, "numéro fiscal"; DGFiP, impots.gouv.fr).

use super::{Check, Strength, Validator, number};

pub(super) static VALIDATORS: [Validator; 1] = [Validator {
    name: "fr-spi",
    about: ("numéro fiscal, 13 chiffres, clé modulo 511", "French tax number, 13 digits, key modulo 511"),
    example: "30 23 217 600 053",
    strength: Strength::Strong,
    check,
    length: None,
}];

/// `30 23 217 600 053`: begins with 0 to 3, and 3023217600 mod 511 = 53 = the last three digits.
pub(super) fn check(spi: &[u8]) -> Check {
    if spi.len() != 13 || !matches!(spi[0], b'0'..=b'3') {
        return Check::Invalid;
    }
    match (number(&spi[..10]), number(&spi[10..])) {
        (Some(0), _) => Check::Invalid,
        (Some(first), Some(key)) if first % 511 == key => {
            // Milliseconds since 1970, between 2020 and 2028, have the same thirteen digits: log files are full of them.
            if (1_577_836_800..1_861_920_000).contains(&first) { Check::NeedsLabel } else { Check::Valid }
        }
        _ => Check::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{single_digit_errors_that_pass, transpositions_that_pass};
    use super::*;

    #[test]
    fn right_and_wrong_numbers() {
        let cases: [(&str, Check); 9] = [
            ("3023217600053", Check::Valid),
            ("0701987765432", Check::Invalid),
            ("0701987765493", Check::Valid),
            ("3023217600054", Check::Invalid),
            ("4023217600053", Check::Invalid),
            ("302321760005", Check::Invalid),
            ("30232176000533", Check::Invalid),
            ("0000000000000", Check::Invalid),
            ("A023217600053", Check::Invalid),
        ];
        for (number, expected) in cases {
            assert_eq!(check(number.as_bytes()), expected, "{number}");
        }
    }

    #[test]
    fn what_could_be_a_time_in_milliseconds_needs_a_label() {
        let first = 1_763_725_200u64;
        assert_eq!(check(format!("{first}{:03}", first % 511).as_bytes()), Check::NeedsLabel);
    }

    #[test]
    fn any_single_wrong_digit_is_caught() {
        assert_eq!(single_digit_errors_that_pass(check, "3023217600053"), 0);
        assert_eq!(transpositions_that_pass(check, "3023217600053"), 0);
    }

    proptest::proptest! {
        #[test]
        fn a_number_with_its_own_key_passes(first in 1u64..4_000_000_000) {
            let right = format!("{first:010}{:03}", first % 511);
            proptest::prop_assert_ne!(check(right.as_bytes()), Check::Invalid);
            let wrong = format!("{first:010}{:03}", (first + 1) % 511);
            proptest::prop_assert_eq!(check(wrong.as_bytes()), Check::Invalid);
        }
    }
}
