//! Turns the numbers of French carers, health establishments and insurance cards into verdicts: RPPS, ADELI, FINESS, carte Vitale.

use super::{Check, Strength, Validator, luhn, number, valid_if};

pub(super) static VALIDATORS: [Validator; 4] = [
    Validator {
        name: "fr-rpps",
        about: ("professionnel de santé (RPPS), 11 chiffres, Luhn", "French health professional (RPPS), 11 digits, Luhn"),
        example: "10003456786",
        strength: Strength::Weak,
        check: check_rpps,
        length: None,
    },
    Validator {
        name: "fr-adeli",
        about: ("professionnel de santé (ADELI), département et 7 chiffres", "French health professional (ADELI)"),
        example: "759312345",
        strength: Strength::Weak,
        check: check_adeli,
        length: None,
    },
    Validator {
        name: "fr-finess",
        about: ("établissement de santé (FINESS), département, Luhn", "French health establishment (FINESS), Luhn"),
        example: "750712184",
        strength: Strength::Weak,
        check: check_finess,
        length: None,
    },
    Validator {
        name: "fr-vitale",
        about: ("numéro de série d'une carte Vitale, 21 chiffres", "serial number of a carte Vitale, 21 digits"),
        example: "801234567890123456789",
        strength: Strength::Weak,
        check: check_vitale,
        length: None,
    },
];

/// `10003456786` (arrêté du 6 février 2009, RPPS): eleven digits that begin with 1 or 8 and whose Luhn sum ends in 0.
pub(super) fn check_rpps(rpps: &[u8]) -> Check {
    valid_if(rpps.len() == 11 && matches!(rpps[0], b'1' | b'8') && luhn::holds(rpps))
}

/// `759312345` (répertoire ADELI): département (75; 2A, 2B; overseas 9A to 9F), profession (93 …), order. No public key.
pub(super) fn check_adeli(adeli: &[u8]) -> Check {
    let right = adeli.len() == 9 && is_department(&adeli[..2]) && adeli[2..].iter().all(u8::is_ascii_digit);
    if right { Check::NeedsLabel } else { Check::Invalid }
}

/// `750712184` (répertoire FINESS): département, then seven digits, the last of which completes the Luhn sum; of 2A and 2B (and
/// 9A to 9F overseas) the letter counts as its place in the alphabet.
pub(super) fn check_finess(finess: &[u8]) -> Check {
    if finess.len() != 9 || !is_department(&finess[..2]) {
        return Check::Invalid;
    }
    let mut digits = [0; 9];
    digits.copy_from_slice(finess);
    if digits[1].is_ascii_uppercase() {
        digits[1] = digits[1] - b'A' + b'1';
    }
    valid_if(luhn::holds(&digits))
}

/// 21 digits without a key (ten, ten and one on the card's back): only beside a word.
pub(super) fn check_vitale(card: &[u8]) -> Check {
    let right = card.len() == 21 && card.iter().all(u8::is_ascii_digit) && card.iter().any(|digit| *digit != card[0]);
    if right { Check::NeedsLabel } else { Check::Invalid }
}

fn is_department(two: &[u8]) -> bool {
    match two {
        [b'2', b'A' | b'B'] | [b'9', b'A'..=b'F'] => true,
        digits => matches!(number(digits), Some(1..=98)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{single_digit_errors_that_pass, transpositions_that_pass};
    use super::*;

    #[test]
    fn each_form() {
        type Case = (fn(&[u8]) -> Check, &'static str, Check);
        let cases: &[Case] = &[
            (check_rpps, "10003456786", Check::Valid),
            (check_rpps, "10003456785", Check::Invalid),
            (check_rpps, "20003456784", Check::Invalid),
            (check_rpps, "1000345678", Check::Invalid),
            (check_adeli, "759312345", Check::NeedsLabel),
            (check_adeli, "2A9312345", Check::NeedsLabel),
            (check_adeli, "009312345", Check::Invalid),
            (check_adeli, "75931234A", Check::Invalid),
            (check_finess, "750712184", Check::Valid),
            (check_finess, "750712185", Check::Invalid),
            (check_finess, "2A0000154", Check::Valid), // A counts as 1: 2·2=4 … 4+1+1+2+2 = 10
            (check_finess, "2B0000154", Check::Invalid),
            (check_finess, "000712187", Check::Invalid),
            (check_vitale, "801234567890123456789", Check::NeedsLabel),
            (check_vitale, "80123456789012345678", Check::Invalid),
            (check_vitale, "000000000000000000000", Check::Invalid),
        ];
        for (check, number, expected) in cases {
            assert_eq!(check(number.as_bytes()), *expected, "{number}");
        }
    }

    #[test]
    fn any_single_wrong_digit_is_caught_where_there_is_a_key() {
        assert_eq!(single_digit_errors_that_pass(check_rpps, "10003456786"), 0);
        assert_eq!(single_digit_errors_that_pass(check_finess, "750712184"), 0);
    }

    #[test]
    fn any_exchange_of_neighbours_but_of_09_and_90_is_caught() {
        assert_eq!(transpositions_that_pass(check_rpps, "10003456786"), 0);
        assert_eq!(transpositions_that_pass(check_finess, "750712184"), 0);
    }
}
