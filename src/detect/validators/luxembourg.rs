//! Turns a number into the verdict on numbers of Luxembourg: people and VAT.

use super::arithmetic::{digits, is_date, value, verdict, verhoeff_holds};
use super::{Check, Strength, Validator, luhn};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator::new(
        "lu-matricule",
        (
            "matricule luxembourgeois, 13 chiffres : naissance, Luhn, Verhoeff",
            "Luxembourg matricule, 13 digits: birth date, Luhn, Verhoeff",
        ),
        "1893 1201 0573 2",
        Strength::Strong,
        check_matricule,
    ),
    Validator::new(
        "lu-vat",
        ("TVA luxembourgeoise, 8 chiffres, clé modulo 89", "Luxembourg VAT number, 8 digits, key modulo 89"),
        "LU 150 274 42",
        Strength::Weak,
        check_vat,
    ),
];

/// `1893 1201 0573 2`: born on 1 December 1893, 105th; the twelfth digit by Luhn's, the thirteenth by Verhoeff's formula, each
/// over the first eleven (loi du 19 juin 2013 art. 2; OECD TIN sheet LU).
fn check_matricule(matricule: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<13>(matricule)?;
        let born = is_date(value(&d[..4]) as u32, value(&d[4..6]) as u32, value(&d[6..8]) as u32)
            && (1850..2100).contains(&value(&d[..4]));
        let mut verhoeff = [0; 12];
        verhoeff.copy_from_slice(&d[..12]);
        verhoeff[11] = d[12];
        Some(born && luhn::holds(&matricule[..12]) && verhoeff_holds(&verhoeff))
    })
}

/// `LU 150 274 42`: 150274 mod 89 = 42. Without LU eight digits are too often a date: only with a word (AED; EU VIES structure).
fn check_vat(vat: &[u8]) -> Check {
    let prefixed = vat.strip_prefix(b"LU");
    let right = verdict(|| {
        let d = digits::<8>(prefixed.unwrap_or(vat))?;
        Some(value(&d[..6]) != 0 && value(&d[..6]) % 89 == value(&d[6..]))
    });
    if right == Check::Valid && prefixed.is_none() { Check::NeedsLabel } else { right }
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;
    use super::*;

    #[test]
    fn people_and_companies() {
        verdicts(
            "lu-matricule",
            &["1893 1201 0573 2", "1893120105732"],
            &["1893120105733", "1893120105742", "1893130105732", "189312010573"],
        );
        verdicts("lu-vat", &["LU 150 274 42", "LU15027442"], &["LU15027443", "LU15072442", "LU00000000", "LU1502744"]);
        assert_eq!(check_vat(b"15027442"), Check::NeedsLabel);
    }
}
