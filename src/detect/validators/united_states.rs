//! Turns a number into the verdict on numbers of the United States: social security, tax, bank routing, health care.

use super::arithmetic::{digits, value, verdict, weighted};
use super::{Check, Strength, Validator, luhn};

pub(super) static VALIDATORS: [Validator; 6] = [
    Validator::new(
        "us-ssn",
        (
            "sécurité sociale des États-Unis : zone, groupe et série possibles",
            "US social security number: possible area, group and serial",
        ),
        "536-90-4399",
        Strength::Weak,
        check_ssn,
    ),
    Validator::new(
        "us-itin",
        ("contribuable sans SSN : 9xx et groupe attribué", "US individual taxpayer number: 9xx and an assigned group"),
        "912-90-3457",
        Strength::Weak,
        check_itin,
    ),
    Validator::new(
        "us-ein",
        ("employeur des États-Unis : préfixe attribué", "US employer number: an assigned prefix"),
        "91-1144442",
        Strength::Weak,
        check_ein,
    ),
    Validator::new(
        "us-aba",
        ("routage bancaire ABA, 9 chiffres, poids 3 7 1", "US bank routing number, 9 digits, weights 3 7 1"),
        "111000025",
        Strength::Weak,
        check_aba,
    ),
    Validator::new(
        "us-npi",
        ("professionnel de santé (NPI), Luhn précédé de 80840", "US health care provider (NPI), Luhn after 80840"),
        "1234567893",
        Strength::Weak,
        check_npi,
    ),
    Validator::new(
        "us-mbi",
        ("assuré Medicare (MBI), structure seule", "US Medicare beneficiary (MBI), structure only"),
        "1EG4-TE5-MK73",
        Strength::Weak,
        check_mbi,
    ),
];

/// `536-90-4399`: area 536, group 90, serial 4399. Never area 000, 666 or 9xx, group 00, serial 0000; nor the numbers that
/// were printed in advertisements (SSA, "Social Security numbers: the randomization", 2011; SSA history, 078-05-1120).
fn check_ssn(ssn: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<9>(ssn)?;
        let area = value(&d[..3]);
        let assignable = area != 0 && area != 666 && area < 900 && value(&d[3..5]) != 0 && value(&d[5..]) != 0;
        Some(assignable && !matches!(ssn, b"078051120" | b"219099999" | b"457555462"))
    })
}

/// `912-90-3457`: begins with 9, group 50-65, 70-88, 90-92 or 94-99 (IRS, Internal Revenue Manual 3.21.263).
fn check_itin(itin: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<9>(itin)?;
        Some(d[0] == 9 && matches!(value(&d[3..5]), 50..=65 | 70..=88 | 90..=92 | 94..=99))
    })
}

/// `91-1144442`: the first two digits name the campus that gave it (IRS, "How EINs are assigned and valid EIN prefixes").
fn check_ein(ein: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<9>(ein)?;
        Some(
            !matches!(value(&d[..2]), 0 | 7..=9 | 17..=19 | 28..=29 | 49 | 69..=70 | 78..=79 | 89 | 96..=97)
                && value(&d[2..]) != 0,
        )
    })
}

/// `111000025`: 3·1 + 7·1 + 1·1 + 3·0 + … + 7·2 + 1·5 = 30, a multiple of ten (American Bankers Association). The first two digits
/// name a Federal Reserve district, a thrift (+20), an electronic participant (+60) or the Treasury (80); others: only with a word.
fn check_aba(aba: &[u8]) -> Check {
    let right = verdict(|| {
        let d = digits::<9>(aba)?;
        Some(value(&d) != 0 && weighted(&d, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10))
    });
    let district =
        digits::<2>(aba.get(..2).unwrap_or_default()).is_some_and(|d| matches!(value(&d), 0..=12 | 21..=32 | 61..=72 | 80));
    if right == Check::Valid && !district { Check::NeedsLabel } else { right }
}

/// `1234567893`: 808401234567893 fulfils Luhn's formula; begins with 1 or 2 (45 CFR 162.406; CMS, "Requirements for NPI and
/// NPI check digit").
fn check_npi(npi: &[u8]) -> Check {
    verdict(|| Some(npi.len() == 10 && matches!(npi[0], b'1' | b'2') && luhn::holds(&[b"80840", npi].concat())))
}

/// `1EG4-TE5-MK73`: eleven places of digit, letter, either, digit, letter, either, digit, letter, letter, digit, digit; the
/// first is no 0, and no letter is S, L, O, I, B or Z (CMS, "Understanding the MBI format").
fn check_mbi(mbi: &[u8]) -> Check {
    let letter = |byte: u8| byte.is_ascii_uppercase() && !b"SLOIBZ".contains(&byte);
    verdict(|| {
        let right = mbi.iter().zip(b"9A*9A*9AA99").all(|(byte, place)| match place {
            b'9' => byte.is_ascii_digit(),
            b'A' => letter(*byte),
            _ => byte.is_ascii_digit() || letter(*byte),
        });
        Some(mbi.len() == 11 && mbi[0] != b'0' && right)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn social_security_and_tax_numbers() {
        verdicts(
            "us-ssn",
            &["536-90-4399", "001-01-0001", "899-99-9999"],
            &[
                "000-12-3456",
                "666-12-3456",
                "900-12-3456",
                "536-00-4399",
                "536-90-0000",
                "078-05-1120",
                "53690439",
                "5369043999",
                "53A904399",
            ],
        );
        verdicts(
            "us-itin",
            &["912-90-3457", "900-50-1234", "999-99-9999"],
            &["812-90-3457", "912-93-3457", "912-89-3457", "912-49-3457", "912-66-3457"],
        );
        verdicts(
            "us-ein",
            &["91-1144442", "01-1234567", "27-1234567"],
            &["00-1234567", "07-1144442", "19-1144442", "89-1144442", "97-1144442", "91-0000000", "91-114444"],
        );
    }

    #[test]
    fn routing_numbers_and_health_care() {
        verdicts("us-aba", &["111000025", "0210 0002 1", "322271627"], &["111000026", "111000052", "000000000", "11100002"]);
        verdicts("us-npi", &["1234567893", "1497758544"], &["1234567890", "1234567839", "3234567893", "123456789"]);
        verdicts(
            "us-mbi",
            &["1EG4-TE5-MK73", "1eg4te5mk72"],
            &["0EG4TE5MK73", "1SG4TE5MK73", "1EG4TE5MK7", "1EG4TEAMK73", "1EG4TE5M073"],
        );
    }
}
