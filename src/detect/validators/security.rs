//! Turns the numbers of securities and legal entities into verdicts: ISIN (ISO 6166) and LEI (ISO 17442).

use super::bank::is_country;
use super::{Check, Strength, Validator, luhn, valid_if};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator {
        name: "isin",
        about: ("titre financier (ISIN) : pays, neuf caractères, Luhn", "security (ISIN): country, nine characters, Luhn"),
        example: "FR0000131104",
        strength: Strength::Weak,
        check: check_isin,
        length: None,
    },
    Validator {
        name: "lei",
        about: ("entité juridique (LEI), 20 caractères, clé modulo 97", "legal entity (LEI), 20 characters, key modulo 97"),
        example: "7LTWFZYICNSX8D621K86",
        strength: Strength::Weak,
        check: check_lei,
        length: None,
    },
];

/// `FR0000131104`: country or XS and other codes for supranational issues; with A = 10 … Z = 35 written as two digits each, the
/// Luhn sum ends in 0.
pub(super) fn check_isin(isin: &[u8]) -> Check {
    let Some((country, rest)) = isin.split_at_checked(2) else { return Check::Invalid };
    let form = isin.len() == 12
        && (is_country(country) || matches!(country, b"XS" | b"EU" | b"XA" | b"XB" | b"XC" | b"XD" | b"XF" | b"QS" | b"QT"))
        && rest.iter().all(u8::is_ascii_alphanumeric)
        && rest[9].is_ascii_digit()
        && rest[..9].iter().filter(|byte| byte.is_ascii_digit()).count() >= 2;
    let mut digits = Vec::with_capacity(24);
    for byte in isin {
        match byte {
            b'0'..=b'9' => digits.push(*byte),
            b'A'..=b'Z' => digits.extend([b'1' + (byte - b'A') / 10, b'0' + (byte - b'A') % 10]),
            _ => return Check::Invalid,
        }
    }
    valid_if(form && luhn::holds(&digits))
}

/// `7LTWFZYICNSX8D621K86`: issuer's prefix, entity, two check digits that make the whole 1 modulo 97 (ISO/IEC 7064 MOD 97-10).
/// Twenty digits without any letter are something else more often: only beside a word.
pub(super) fn check_lei(lei: &[u8]) -> Check {
    if lei.len() != 20 || !lei[18..].iter().all(u8::is_ascii_digit) {
        return Check::Invalid;
    }
    let rest = lei.iter().try_fold(0u32, |rest, byte| {
        let value = (*byte as char).to_digit(36)?;
        Some((rest * if value < 10 { 10 } else { 100 } + value) % 97)
    });
    match rest {
        Some(1) if lei.iter().any(u8::is_ascii_uppercase) => Check::Valid,
        Some(1) if lei.iter().any(|digit| *digit != lei[0]) => Check::NeedsLabel,
        _ => Check::Invalid,
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
            (check_isin, "FR0000131104", Check::Valid),
            (check_isin, "US0378331005", Check::Valid),
            (check_isin, "GB0002634946", Check::Valid),
            (check_isin, "AU0000XVGZA3", Check::Valid),
            (check_isin, "FR0000131105", Check::Invalid),
            (check_isin, "ZZ0000131104", Check::Invalid),
            (check_isin, "FR000013110A", Check::Invalid),
            (check_isin, "FR", Check::Invalid),
            (check_lei, "7LTWFZYICNSX8D621K86", Check::Valid),
            (check_lei, "5493001KJTIIGC8Y1R12", Check::Valid),
            (check_lei, "7LTWFZYICNSX8D621K87", Check::Invalid),
            (check_lei, "7LTWFZYICNSX8D621KA6", Check::Invalid),
            (check_lei, "11111111111111111111", Check::Invalid),
        ];
        for (check, number, expected) in cases {
            assert_eq!(check(number.as_bytes()), *expected, "{number}");
        }
    }

    #[test]
    fn any_single_wrong_digit_is_caught() {
        assert_eq!(single_digit_errors_that_pass(check_isin, "US0378331005"), 0);
        assert_eq!(single_digit_errors_that_pass(check_lei, "5493001KJTIIGC8Y1R12"), 0);
    }

    #[test]
    fn any_exchange_of_neighbours_is_caught_by_the_lei() {
        assert_eq!(transpositions_that_pass(check_lei, "5493001KJTIIGC8Y1R12"), 0);
    }
}
