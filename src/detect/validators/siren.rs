//! Turns 9 or 14 digits into the verdict on a French company (SIREN) or establishment (SIRET) number (INSEE, répertoire Sirene).

use super::{Check, Strength, Validator, luhn, number, valid_if};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator {
        name: "fr-siren",
        about: ("entreprise, 9 chiffres, Luhn", "French company, 9 digits, Luhn"),
        example: "732 829 320",
        strength: Strength::Weak,
        check: check_siren,
        length: None,
    },
    Validator {
        name: "fr-siret",
        about: ("établissement, 14 chiffres, Luhn deux fois, La Poste à part", "French establishment, 14 digits, Luhn twice"),
        example: "732 829 320 00074",
        strength: Strength::Weak,
        check: check_siret,
        length: None,
    },
];

/// `732 829 320`: the Luhn sum of the nine digits is 40.
pub(super) fn check_siren(siren: &[u8]) -> Check {
    valid_if(siren.len() == 9 && siren.iter().any(|digit| *digit != b'0') && luhn::holds(siren))
}

/// `732 829 320 00074`: a right SIREN, and the Luhn sum of all fourteen digits ends in 0. The establishments of La Poste
/// (356 000 000) other than its seat are numbered so that the plain sum of the digits is a multiple of five, and only so.
pub(super) fn check_siret(siret: &[u8]) -> Check {
    if siret.len() != 14 || !siret.iter().all(u8::is_ascii_digit) || check_siren(&siret[..9]) == Check::Invalid {
        return Check::Invalid;
    }
    if siret.starts_with(b"356000000") && siret != b"35600000000048" {
        let plain_sum: u32 = siret.iter().map(|digit| u32::from(digit - b'0')).sum();
        return valid_if(plain_sum.is_multiple_of(5));
    }
    match (luhn::holds(siret), is_moment(siret)) {
        (false, _) => Check::Invalid,
        (true, true) => Check::NeedsLabel,
        (true, false) => Check::Valid,
    }
}

/// `20261121101504`: the fourteen digits of a date and time, of which file names and logs are full.
fn is_moment(digits: &[u8]) -> bool {
    let part =
        |at: usize, least: u64, most: u64| number(&digits[at..at + 2]).is_some_and(|value| (least..=most).contains(&value));
    matches!(&digits[..2], b"19" | b"20")
        && part(4, 1, 12)
        && part(6, 1, 31)
        && part(8, 0, 23)
        && part(10, 0, 59)
        && part(12, 0, 59)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{single_digit_errors_that_pass, transpositions_that_pass};
    use super::*;

    #[test]
    fn sirens() {
        let cases = [
            ("732829320", Check::Valid),
            ("356000000", Check::Valid),
            ("732829321", Check::Invalid),
            ("000000000", Check::Invalid),
            ("73282932", Check::Invalid),
            ("73282932A", Check::Invalid),
        ];
        for (number, expected) in cases {
            assert_eq!(check_siren(number.as_bytes()), expected, "{number}");
        }
    }

    #[test]
    fn sirets() {
        let cases = [
            ("73282932000074", Check::Valid),
            ("35600000000048", Check::Valid),   // La Poste, seat: Luhn
            ("35600000049837", Check::Valid),   // La Poste, an office: 3+5+6+4+9+8+3+7 = 45
            ("35600000049838", Check::Invalid), // neither
            ("73282932000075", Check::Invalid),
            ("20120308112233", Check::Invalid),
            ("20260501000000", Check::NeedsLabel), // a right number that could be a moment
            ("73282932100073", Check::Invalid),    // fourteen right, nine wrong
            ("00000000000000", Check::Invalid),
            ("7328293200007", Check::Invalid),
        ];
        for (number, expected) in cases {
            assert_eq!(check_siret(number.as_bytes()), expected, "{number}");
        }
    }

    #[test]
    fn any_single_wrong_digit_is_caught() {
        assert_eq!(single_digit_errors_that_pass(check_siren, "732829320"), 0);
        assert_eq!(single_digit_errors_that_pass(check_siret, "73282932000074"), 0);
        assert_eq!(transpositions_that_pass(check_siren, "732829320"), 0);
        assert_eq!(transpositions_that_pass(check_siret, "73282932000074"), 0);
    }
}
