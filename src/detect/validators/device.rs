//! Turns the numbers of telephones and SIM cards into verdicts: IMEI (3GPP TS 23.003 §6), IMSI (§2), ICCID (ITU-T E.118).

use super::{Check, Strength, Validator, luhn, number, valid_if};

pub(super) static VALIDATORS: [Validator; 3] = [
    Validator {
        name: "imei",
        about: ("appareil mobile (IMEI), 15 chiffres, Luhn", "mobile device (IMEI), 15 digits, Luhn"),
        example: "49-015420-323751-8",
        strength: Strength::Weak,
        check: check_imei,
        length: None,
    },
    Validator {
        name: "imsi",
        about: ("abonné mobile (IMSI), 15 chiffres, indicatif de pays", "mobile subscriber (IMSI), 15 digits, country"),
        example: "208011234567890",
        strength: Strength::Weak,
        check: check_imsi,
        length: None,
    },
    Validator {
        name: "iccid",
        about: ("carte SIM (ICCID), 89, 19 ou 20 chiffres, Luhn", "SIM card (ICCID), 89, 19 or 20 digits, Luhn"),
        example: "8933150319012345670",
        strength: Strength::Weak,
        check: check_iccid,
        length: None,
    },
];

/// `49-015420-323751-8`: type (8 digits), serial number (6), Luhn sum ends in 0.
pub(super) fn check_imei(imei: &[u8]) -> Check {
    valid_if(imei.len() == 15 && imei.iter().any(|digit| *digit != b'0') && luhn::holds(imei))
}

/// `208011234567890`: country 208 (France), network 01, subscriber. No key; countries begin with 2 to 7, 001 is a test network.
pub(super) fn check_imsi(imsi: &[u8]) -> Check {
    let right = imsi.len() == 15 && imsi.iter().all(u8::is_ascii_digit) && matches!(number(&imsi[..3]), Some(202..=750 | 901));
    if right { Check::NeedsLabel } else { Check::Invalid }
}

/// `8933150319012345670`: 89 (telecommunication), country 33, issuer, account, Luhn sum ends in 0. Some issuers print twenty digits of
/// which the last is the key, others print the key's place as a padding: then only beside a word.
pub(super) fn check_iccid(iccid: &[u8]) -> Check {
    if !matches!(iccid.len(), 19 | 20) || !iccid.starts_with(b"89") || !iccid.iter().all(u8::is_ascii_digit) {
        return Check::Invalid;
    }
    match (luhn::holds(iccid), iccid.len()) {
        (true, _) => Check::Valid,
        (false, 20) if luhn::holds(&iccid[..19]) => Check::NeedsLabel,
        (false, _) => Check::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::super::compact;
    use super::super::tests::{single_digit_errors_that_pass, transpositions_that_pass};
    use super::*;

    #[test]
    fn each_form() {
        type Case = (fn(&[u8]) -> Check, &'static str, Check);
        let cases: &[Case] = &[
            (check_imei, "49-015420-323751-8", Check::Valid),
            (check_imei, "49-015420-323751-9", Check::Invalid),
            (check_imei, "490154203237518 0", Check::Invalid),
            (check_imei, "000000000000000", Check::Invalid),
            (check_imsi, "208011234567890", Check::NeedsLabel),
            (check_imsi, "310150123456789", Check::NeedsLabel),
            (check_imsi, "108011234567890", Check::Invalid),
            (check_imsi, "20801123456789", Check::Invalid),
            (check_iccid, "8933150319012345670", Check::Valid),
            (check_iccid, "8933150319012345674", Check::Invalid),
            (check_iccid, "7933150319012345673", Check::Invalid),
            (check_iccid, "893315031901234567", Check::Invalid),
        ];
        for (check, number, expected) in cases {
            assert_eq!(check(&compact(number.as_bytes())), *expected, "{number}");
        }
    }

    #[test]
    fn any_single_wrong_digit_and_any_exchange_but_of_09_and_90_is_caught() {
        assert_eq!(single_digit_errors_that_pass(check_imei, "490154203237518"), 0);
        assert_eq!(transpositions_that_pass(check_imei, "490154203237518"), 1, "Luhn does not see 09 for 90");
        assert_eq!(single_digit_errors_that_pass(check_iccid, "8933150319012345670"), 0);
    }
}
