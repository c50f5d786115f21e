//! Turns a number into the verdict on the numbers of people of Czechia, Slovakia, Croatia, Slovenia, Romania and Bulgaria.

use super::arithmetic::{digits, is_date, mod_11_10_holds, value, verdict, weighted};
use super::{Check, Strength, Validator};

pub(super) static VALIDATORS: [Validator; 5] = [
    Validator::new(
        "cz-rc",
        (
            "rodné číslo tchèque ou slovaque : naissance, multiple de 11",
            "Czech or Slovak rodné číslo: birth date, multiple of 11",
        ),
        "710319/2745",
        Strength::Weak,
        check_rodne_cislo,
    ),
    Validator::new(
        "hr-oib",
        ("OIB croate, 11 chiffres, ISO 7064", "Croatian OIB, 11 digits, ISO 7064"),
        "33392005961",
        Strength::Weak,
        check_oib,
    ),
    Validator::new(
        "si-emso",
        ("EMŠO slovène : naissance, registre, clé modulo 11", "Slovenian EMŠO: birth date, register, key modulo 11"),
        "0101006500006",
        Strength::Strong,
        check_emso,
    ),
    Validator::new(
        "ro-cnp",
        ("CNP roumain : naissance, département, clé modulo 11", "Romanian CNP: birth date, county, key modulo 11"),
        "1630615123457",
        Strength::Strong,
        check_cnp,
    ),
    Validator::new(
        "bg-egn",
        ("EGN bulgare : naissance, clé modulo 11", "Bulgarian EGN: birth date, key modulo 11"),
        "752316 926 3",
        Strength::Weak,
        check_egn,
    ),
];

/// `710319/2745`: born on 19 March 1971; 7103192745 is a multiple of eleven. Women have 50 added to the month, from 2004 on also
/// 20; until 1953 three digits follow the date and nothing can be tested but that (zákon 133/2000 Sb. § 13).
fn check_rodne_cislo(number: &[u8]) -> Check {
    let born = |d: &[u32]| {
        let (year, month, day) = (d[0] * 10 + d[1], (d[2] * 10 + d[3]) % 50, d[4] * 10 + d[5]);
        let year = match (number.len(), year) {
            (9, _) => 1900 + year,
            (_, 54..) => 1900 + year,
            _ => 2000 + year,
        };
        is_date(year, if month > 20 && year >= 2004 { month - 20 } else { month }, day)
    };
    if let Some(d) = digits::<9>(number) {
        return if born(&d) && value(&d[..2]) < 54 && value(&d[6..]) != 0 { Check::NeedsLabel } else { Check::Invalid };
    }
    verdict(|| {
        let d = digits::<10>(number)?;
        // Some of the years before 1985 have 0 where 10 would be needed.
        Some(born(&d) && value(&d[..9]) % 11 % 10 == u64::from(d[9]))
    })
}

/// `33392005961`: eleven digits, the last by ISO 7064 MOD 11,10 (Zakon o osobnom identifikacijskom broju).
fn check_oib(oib: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<11>(oib.strip_prefix(b"HR").unwrap_or(oib))?;
        Some(value(&d) != 0 && mod_11_10_holds(&d))
    })
}

/// `0101006500006`: born on 1 January 2006 (006), Slovenia (50), 000, key 6; weights 7 6 5 4 3 2 twice, the sum with the key a
/// multiple of eleven (Uredba o načinu določanja osebne identifikacijske številke, Uradni list RS 8/1999). Where the key would be 10
/// some registers of the former common law passed the number over and others wrote 0: both are taken.
fn check_emso(emso: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<13>(emso)?;
        let short = value(&d[4..7]) as u32;
        let year = if short < 800 { 2000 + short } else { 1000 + short };
        let right = (11 - weighted(&d[..12], &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 % 10 == d[12];
        Some(is_date(year, d[2] * 10 + d[3], d[0] * 10 + d[1]) && year < 2100 && right)
    })
}

/// `1630615123457`: a man born in 19xx (1) on 15 June 1963, county 12; weights 2 7 9 1 4 6 3 5 8 2 7 9, modulo 11, 10 written 1
/// (Legea 105/1996; MAI, "Codul numeric personal").
fn check_cnp(cnp: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<13>(cnp)?;
        let century = match d[0] {
            1 | 2 | 7 | 8 | 9 => 1900,
            3 | 4 => 1800,
            5 | 6 => 2000,
            _ => return None,
        };
        let year = d[1] * 10 + d[2];
        let date = |century| is_date(century + year, d[3] * 10 + d[4], d[5] * 10 + d[6]);
        // Residents (7, 8) and foreigners (9) may be of either century.
        let born = date(century) || (d[0] >= 7 && date(2000));
        let county = matches!(value(&d[7..9]), 1..=48 | 51 | 52 | 70 | 80..=83);
        let key = match weighted(&d, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11 {
            10 => 1,
            key => key,
        };
        Some(born && county && key == d[12])
    })
}

/// `752316 926 3`: born on 16 March 1875 (month 23: +20 for 18xx, +40 for 20xx); weights 2 4 8 5 10 9 7 3 6, modulo 11, 10 written
/// 0 (Закон за гражданската регистрация, GRAO).
fn check_egn(egn: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<10>(egn)?;
        let month = d[2] * 10 + d[3];
        let century = [1900, 1800, 2000].get((month / 20) as usize)?;
        let born = is_date(century + d[0] * 10 + d[1], month % 20, d[4] * 10 + d[5]);
        Some(born && weighted(&d, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == d[9])
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;
    use super::*;

    #[test]
    fn people() {
        verdicts(
            "cz-rc",
            &["710319/2745", "7103192745"],
            &["710319/2746", "710319/2754", "711319/2745", "710332/2745", "590312/123", "71031927"],
        );
        assert_eq!(check_rodne_cislo(b"450312123"), Check::NeedsLabel);
        verdicts("hr-oib", &["33392005961", "HR33392005961"], &["33392005962", "33392005916", "00000000000", "3339200596"]);
        verdicts(
            "si-emso",
            &["0101006500006", "0101006500090"],
            &["0101006500007", "0101006500060", "3201006500006", "0113006500006", "010100650000"],
        );
        verdicts(
            "ro-cnp",
            &["1630615123457"],
            &["1630615123458", "1630615123475", "1631315123457", "0630615123457", "1630615993457", "163061512345"],
        );
        verdicts("bg-egn", &["752316 926 3", "8032056031"], &["7523169264", "7523169236", "8019010008", "752316926"]);
    }
}
