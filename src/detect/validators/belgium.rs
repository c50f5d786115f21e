//! Turns a number into the verdict on Belgian numbers: people, companies, identity cards.

use super::arithmetic::{digits, is_moment, is_short_date, value, verdict};
use super::{Check, Strength, Validator};

pub(super) static VALIDATORS: [Validator; 3] = [
    Validator::new(
        "be-nrn",
        ("registre national belge : naissance, clé modulo 97", "Belgian national number: birth date, key modulo 97"),
        "85.07.30-033 28",
        Strength::Weak,
        check_nrn,
    ),
    Validator::new(
        "be-vat",
        ("entreprise et TVA belges, 10 chiffres, clé modulo 97", "Belgian company and VAT number, 10 digits, key modulo 97"),
        "BE 0428.759.497",
        Strength::Weak,
        check_vat,
    ),
    Validator::new(
        "be-eid",
        ("carte d'identité belge, 12 chiffres, clé modulo 97", "Belgian identity card, 12 digits, key modulo 97"),
        "591-1917064-58",
        Strength::Weak,
        check_eid,
    ),
];

/// `85.07.30-033 28`: born on 30 July 1985, 33rd of the day; 97 − 850730033 mod 97 = 28. From 2000 on a 2 is put before the
/// nine digits. Month and day may be unknown (00); bis numbers of people not resident have 20 or 40 added to the month (arrêté
/// royal of 3 April 1984; arrêté royal of 8 February 1991).
fn check_nrn(nrn: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<11>(nrn)?;
        let (number, key) = (value(&d[..9]), value(&d[9..]));
        let (year, month, day) = (d[0] * 10 + d[1], value(&d[2..4]) as u32, d[4] * 10 + d[5]);
        let month = if month >= 40 {
            month - 40
        } else if month >= 20 {
            month - 20
        } else {
            month
        };
        let born = is_short_date(year, month, day) || ((month == 0 || day == 0) && month <= 12 && day <= 31);
        let right = 97 - number % 97 == key || 97 - (2_000_000_000 + number) % 97 == key;
        Some(born && right && number != 0)
    })
}

/// `BE 0428.759.497`: 97 − 4287594 mod 97 = 97; begins with 0 or 1, nine digits before 2005 (Code de droit économique III.17).
fn check_vat(vat: &[u8]) -> Check {
    let prefixed = vat.strip_prefix(b"BE");
    let number = prefixed.unwrap_or(vat);
    verdict(|| {
        let d = match (number.len(), prefixed) {
            (9, Some(_)) => digits::<10>(&[b"0", number].concat())?,
            _ => digits::<10>(number)?,
        };
        let first = value(&d[..8]);
        Some(d[0] <= 1 && first >= 1_000_000 && 97 - first % 97 == value(&d[8..]))
    })
}

/// `591-1917064-58`: 5911917064 mod 97 = 58; 97 where that is 0 (SPF Intérieur, IT 195). As digits of a moment: only with a word.
fn check_eid(eid: &[u8]) -> Check {
    let right = verdict(|| {
        let d = digits::<12>(eid)?;
        let rest = value(&d[..10]) % 97;
        Some(value(&d[..10]) != 0 && value(&d[10..]) == if rest == 0 { 97 } else { rest })
    });
    if right == Check::Valid && digits::<12>(eid).is_some_and(|d| is_moment(&d)) { Check::NeedsLabel } else { right }
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people_and_companies() {
        verdicts(
            "be-nrn",
            &["85.07.30-033 28", "17 07 30 033 84"],
            &["85.07.30-033 29", "85.07.30-303 28", "85.13.30-033 28", "85073003328 1", "85.07.30-033"],
        );
        verdicts(
            "be-vat",
            &["BE 0428.759.497", "BE428759497", "0428759497"],
            &["BE 431150351", "2428759497", "BE0428759479", "428759497", "0000000097"],
        );
        verdicts(
            "be-eid",
            &["591-1917064-58", "000-0011032-71", "591-2010999-97"],
            &["591-1917064-59", "591-1971064-58", "591191706458 1", "000-0000000-97"],
        );
    }
}
