//! Turns a number into the verdict on Greek numbers: social security and tax.

use super::arithmetic::{digits, is_short_date, value, verdict, weighted};
use super::{Check, Strength, Validator, luhn};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator::new(
        "gr-amka",
        ("sécurité sociale grecque (AMKA) : naissance, Luhn", "Greek social security number (AMKA): birth date, Luhn"),
        "01013099997",
        Strength::Weak,
        check_amka,
    ),
    Validator::new(
        "gr-vat",
        (
            "contribuable et TVA grecs (AFM), 9 chiffres, clé modulo 11",
            "Greek taxpayer and VAT number (AFM), 9 digits, key modulo 11",
        ),
        "EL 094259216",
        Strength::Weak,
        check_afm,
    ),
];

/// `01013099997`: born on 1 January 1930; all eleven digits fulfil Luhn's formula (Law 3655/2008 art. 153).
fn check_amka(amka: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<11>(amka)?;
        Some(is_short_date(d[4] * 10 + d[5], d[2] * 10 + d[3], d[0] * 10 + d[1]) && luhn::holds(amka))
    })
}

/// `EL 094259216`: the first eight digits times 256, 128, … 2, modulo 11, then modulo 10 (AADE; EU VIES structure).
fn check_afm(afm: &[u8]) -> Check {
    let number = afm.strip_prefix(b"EL").or_else(|| afm.strip_prefix(b"GR")).unwrap_or(afm);
    verdict(|| {
        let d = digits::<9>(number)?;
        Some(value(&d) != 0 && weighted(&d, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == d[8])
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people_and_companies() {
        verdicts("gr-amka", &["01013099997"], &["01013099998", "01013099979", "01133099997", "32013099997", "0101309999"]);
        verdicts(
            "gr-vat",
            &["EL 094259216", "023456780", "GR094259216"],
            &["EL123456781", "094259261", "000000000", "9425921"],
        );
    }
}
