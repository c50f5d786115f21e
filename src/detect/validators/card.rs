//! Turns digits into the verdict on a payment card number (PAN; ISO/IEC 7812-1: issuer prefix, length, Luhn).

use super::{Check, Strength, Validator, luhn, number};

pub(super) static VALIDATORS: [Validator; 1] = [Validator {
    name: "card",
    about: ("carte de paiement : préfixe d'émetteur, longueur, Luhn", "payment card: issuer prefix, length, Luhn"),
    example: "4970 1012 3456 7893",
    strength: Strength::Weak,
    check,
    length: None,
}];

/// `4970 1012 3456 7893`: prefix 4 (Visa), 16 digits, Luhn sum 60.
pub(super) fn check(pan: &[u8]) -> Check {
    if !(12..=19).contains(&pan.len()) || !issued(pan) || !luhn::holds(pan) {
        Check::Invalid
    } else if PUBLISHED.contains(&pan) || pan.iter().all(|digit| *digit == pan[0]) || (pan.len() == 15 && pan[0] == b'1') {
        // UATP's prefix is one digit: whatever has fifteen digits, a NIR among them, would be such a card.
        Check::NeedsLabel
    } else {
        Check::Valid
    }
}

/// Prefix and length, by scheme.
fn issued(pan: &[u8]) -> bool {
    let (Some(two), Some(three), Some(four)) = (number(&pan[..2]), number(&pan[..3]), number(&pan[..4])) else { return false };
    match pan.len() {
        13 if pan[0] == b'4' => true,                                                          // Visa, old
        14 if matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39) => true,         // Diners
        15 if matches!(two, 34 | 37) || matches!(four, 2131 | 1800) || pan[0] == b'1' => true, // American Express, JCB, UATP
        16 | 19 if pan[0] == b'4' => true,                                                     // Visa
        16 if matches!(two, 51..=55) || matches!(four, 2221..=2720 | 2200..=2204) => true,     // Mastercard, Mir
        16..=19 if four == 6011 || matches!(three, 644..=649) || two == 65 => true,            // Discover
        16..=19 if matches!(four, 3528..=3589) || matches!(two, 30 | 36 | 38 | 39 | 62) => true, // JCB, Diners, UnionPay
        16..=19 if two == 81 || (two == 82 && pan.len() == 16) || four == 9792 => true,        // UnionPay, RuPay, Troy
        12..=19 if two == 50 || matches!(two, 56..=58) || matches!(two, 60 | 61 | 63 | 64 | 66..=69) => true, // Maestro
        _ => false,
    }
}

/// Published by the schemes and payment services for tests: documentation is full of them, so only beside a label.
const PUBLISHED: [&[u8]; 18] = [
    b"4111111111111111",
    b"4012888888881881",
    b"4242424242424242",
    b"4000056655665556",
    b"4000000000000002",
    b"4222222222222",
    b"5555555555554444",
    b"5105105105105100",
    b"5200828282828210",
    b"2223003122003222",
    b"2223000048400011",
    b"378282246310005",
    b"371449635398431",
    b"6011111111111117",
    b"6011000990139424",
    b"30569309025904",
    b"38520000023237",
    b"3530111333300000",
];

#[cfg(test)]
mod tests {
    use super::super::tests::{single_digit_errors_that_pass, transpositions_that_pass};
    use super::*;

    #[test]
    fn each_scheme() {
        let cases = [
            ("4970101234567893", Check::Valid),
            ("4111111111111111", Check::NeedsLabel),
            ("5555555555554444", Check::NeedsLabel),
            ("2223003122003222", Check::NeedsLabel),
            ("378282246310005", Check::NeedsLabel),
            ("6011111111111117", Check::NeedsLabel),
            ("4970101234567894", Check::Invalid),
            ("1970101234567896", Check::Invalid), // no such prefix
            ("0000000000000000", Check::Invalid),
            ("73282932000074", Check::Invalid),    // a SIRET
            ("4716989580001715211", Check::Valid), // Visa, nineteen digits
            ("6283875070985593", Check::Valid),
            ("8171999927660000", Check::Valid),
            ("6759649826438453", Check::Valid), // Maestro
            ("36168002586009", Check::Valid),
            ("122000000000003", Check::NeedsLabel), // UATP
            ("2200770212727079", Check::Valid),     // Mir
            ("49701012345", Check::Invalid),
            ("497010123456789A", Check::Invalid),
        ];
        for (number, expected) in cases {
            assert_eq!(check(number.as_bytes()), expected, "{number}");
        }
    }

    #[test]
    fn published_test_numbers_are_right_numbers() {
        for pan in PUBLISHED {
            assert_eq!(check(pan), Check::NeedsLabel, "{}", String::from_utf8_lossy(pan));
        }
    }

    #[test]
    fn the_two_series_of_mastercard_begins_at_2221_and_ends_at_2720() {
        for (prefix, expected) in [("2221", true), ("2720", true), ("2220", false), ("2721", false)] {
            let passes = (0..10).any(|last| check(format!("{prefix}00123456789{last}").as_bytes()) == Check::Valid);
            assert_eq!(passes, expected, "{prefix}");
        }
    }

    #[test]
    fn any_single_wrong_digit_is_caught() {
        assert_eq!(single_digit_errors_that_pass(check, "4970101234567893"), 0);
    }

    #[test]
    fn any_exchange_of_neighbours_is_caught_but_of_09_and_90() {
        assert_eq!(transpositions_that_pass(check, "4970101234567893"), 0);
        assert_eq!(transpositions_that_pass(check, "4970109234567896"), 1, "Luhn does not see 09 for 90");
    }
}
