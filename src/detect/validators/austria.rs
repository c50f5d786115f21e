//! Turns a number into the verdict on Austrian numbers: tax, social security, VAT.

use super::arithmetic::{cross_weighted, digits, is_short_date, value, verdict, weighted};
use super::{Check, Strength, Validator, luhn};

pub(super) static VALIDATORS: [Validator; 3] = [
    Validator::new(
        "at-tin",
        ("numéro fiscal autrichien, 9 chiffres, Luhn", "Austrian tax number, 9 digits, Luhn"),
        "59-119/9013",
        Strength::Weak,
        check_tin,
    ),
    Validator::new(
        "at-svnr",
        (
            "sécurité sociale autrichienne : clé modulo 11, naissance",
            "Austrian social security number: key modulo 11, birth date",
        ),
        "1237 010180",
        Strength::Weak,
        check_svnr,
    ),
    Validator::new(
        "at-vat",
        ("TVA autrichienne, U et 8 chiffres", "Austrian VAT number, U and 8 digits"),
        "ATU 13585627",
        Strength::Weak,
        check_vat,
    ),
];

/// `59-119/9013`: tax office 59, then seven digits; all nine fulfil Luhn's formula (BMF, "Steuernummer"; OECD TIN sheet AT).
fn check_tin(tin: &[u8]) -> Check {
    verdict(|| Some(value(&digits::<9>(tin)?[..2]) > 0 && luhn::holds(tin)))
}

/// `1237 010180`: 123 is the running number, 7 the key, 1 January 1980 the birth date; 3·1 + 7·2 + 9·3 + 5·0 + 8·1 + 4·0 + 2·1
/// + 1·8 + 6·0 = 62, 62 mod 11 = 7. Months 13 to 15 are used when a day's numbers are exhausted (§ 31 ASVG).
fn check_svnr(svnr: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<10>(svnr)?;
        let (day, month, year) = (d[4] * 10 + d[5], d[6] * 10 + d[7], d[8] * 10 + d[9]);
        let born = is_short_date(year, month, day) || (matches!(month, 13..=15) && (1..=31).contains(&day));
        Some(d[0] != 0 && born && weighted(&d, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 == d[3])
    })
}

/// `ATU 13585627`: 1 2 1 2 1 2 1 times 1358562, digits of the products added = 29; 10 − (29 + 4) mod 10 = 7 (BMF, UID check).
fn check_vat(vat: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<8>(vat.strip_prefix(b"AT").unwrap_or(vat).strip_prefix(b"U")?)?;
        Some((cross_weighted(&d, &[1, 2, 1, 2, 1, 2, 1]) + 4 + d[7]).is_multiple_of(10))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people_and_companies() {
        verdicts("at-tin", &["59-119/9013", "591199013"], &["59-119/9014", "59-119/9031", "00-119/9013", "59119901"]);
        verdicts(
            "at-svnr",
            &["1237 010180", "1237010180"],
            &["2237010180", "1238010180", "1237 320180", "0237 010180", "1237 011680", "123701018"],
        );
        verdicts("at-vat", &["ATU 13585627", "U13585627"], &["ATU13585626", "ATU13586527", "AT13585627", "ATU1358562"]);
    }
}
