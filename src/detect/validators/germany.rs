//! Turns a number into the verdict on German numbers: tax, pension, health, documents, VAT.

use super::arithmetic::{base_36, cross_weighted, digits, is_short_date, letter, mod_11_10_holds, value, verdict, weighted};
use super::{Check, Strength, Validator, valid_if};

pub(super) static VALIDATORS: [Validator; 7] = [
    Validator::new(
        "de-steuer-id",
        ("identifiant fiscal allemand, 11 chiffres, ISO 7064", "German tax identification number, 11 digits, ISO 7064"),
        "36 574 261 809",
        Strength::Weak,
        check_steuer_id,
    ),
    Validator::new(
        "de-steuernr",
        ("numéro fiscal allemand d'un Land, structure seule", "German tax office number, structure only"),
        "151/815/08156",
        Strength::Weak,
        check_steuernr,
    ),
    Validator::new(
        "de-rvnr",
        ("assurance retraite allemande : naissance, lettre, clé", "German pension insurance number: birth date, letter, key"),
        "15 070649 C 103",
        Strength::Weak,
        check_rvnr,
    ),
    Validator::new(
        "de-personalausweis",
        ("carte d'identité allemande, clé 7-3-1 si elle est écrite", "German identity card, key 7-3-1 where written"),
        "L01X00T471",
        Strength::Weak,
        check_personalausweis,
    ),
    Validator::new(
        "de-passport",
        ("passeport allemand, clé 7-3-1 si elle est écrite", "German passport, key 7-3-1 where written"),
        "C01X00T478",
        Strength::Weak,
        check_passport,
    ),
    Validator::new(
        "de-kvnr",
        ("assuré maladie allemand : lettre, 9 chiffres, clé", "German health insurance number: letter, 9 digits, key"),
        "A123456780",
        Strength::Weak,
        check_kvnr,
    ),
    Validator::new(
        "de-vat",
        ("TVA allemande, 9 chiffres, ISO 7064", "German VAT number, 9 digits, ISO 7064"),
        "DE 136 695 976",
        Strength::Weak,
        check_vat,
    ),
];

/// `36 574 261 809`: of the first ten digits one stands there twice (6) or three times, not three together, the others once at
/// most; the last by ISO 7064 MOD 11,10 (§ 139b AO; BZSt, "Aufbau der Identifikationsnummer").
fn check_steuer_id(id: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<11>(id)?;
        let mut counts = [0; 10];
        d[..10].iter().for_each(|digit| counts[*digit as usize] += 1);
        let twice = counts.iter().filter(|count| **count == 2).count();
        let thrice = counts.iter().filter(|count| **count == 3).count();
        let one_repeated = counts.iter().all(|count| *count <= 3) && twice + thrice == 1;
        let three_together = d[..10].windows(3).any(|run| run[0] == run[1] && run[1] == run[2]);
        Some(d[0] != 0 && one_repeated && !three_together && mod_11_10_holds(&d))
    })
}

/// `151/815/08156` (Baden-Württemberg 10 or 11 digits), or thirteen digits for the whole of Germany, `2893081508152`, of which
/// the fifth is 0 (ELSTER, "Prüfung der Steuernummer"). The check digits differ by Land and are not tested.
fn check_steuernr(number: &[u8]) -> Check {
    valid_if(match number.len() {
        10 => digits::<10>(number).is_some_and(|d| value(&d) != 0),
        11 => digits::<11>(number).is_some_and(|d| value(&d) != 0),
        13 => digits::<13>(number)
            .is_some_and(|d| d[4] == 0 && matches!(value(&d[..2]), 10 | 11 | 21..=24 | 26..=32 | 40 | 41 | 50..=59 | 90..=93)),
        _ => false,
    })
}

/// `15 070649 C 103`: institution 15, born on 7 June 1949, name with C = 03; 15 070649 03 10 weighed 2 1 2 5 7 1 2 1 2 1 2 1,
/// digits of the products added = 43, the last digit is 3 (§ 147 SGB VI, VKVV § 2 to 4).
fn check_rvnr(number: &[u8]) -> Check {
    verdict(|| {
        let first = digits::<8>(number.get(..8)?)?;
        let initial = letter(*number.get(8)?)?;
        let last = digits::<3>(number.get(9..)?)?;
        let mut all = [0; 12];
        all[..8].copy_from_slice(&first);
        all[8..].copy_from_slice(&[initial / 10, initial % 10, last[0], last[1]]);
        // Where the numbers of a day are used up its number is raised by 32.
        let day = first[2] * 10 + first[3];
        let day = if (33..=63).contains(&day) { day - 32 } else { day };
        let month = first[4] * 10 + first[5];
        let born = (month == 0 && day == 0) || is_short_date(first[6] * 10 + first[7], month, day.max(1));
        let sum = cross_weighted(&all, &[2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1]);
        Some(matches!(value(&first[..2]), 2..=89) && born && sum % 10 == last[2])
    })
}

/// `L01X00T471`: serial number `L01X00T47` of digits and the letters CFGHJKLMNPRTVWXYZ, check digit 1 (weights 7 3 1, letters
/// from A = 10, modulo 10). Cards before 2010: ten digits and D (PAuswV, annex; ICAO 9303-5).
fn check_personalausweis(number: &[u8]) -> Check {
    let starts = number.first().is_some_and(|first| b"LMNPRTVWXY".contains(first));
    let old = number.len() >= 10 && number[..10].iter().all(u8::is_ascii_digit) && matches!(&number[10..], b"" | b"D");
    verdict(|| if old { checked_serial(&number[..10]) } else { Some(starts && document(number)?) })
}

/// `C01X00T478`: as the identity card, beginning with C, F, G, H, J or K (PassV, annex; ICAO 9303-4).
fn check_passport(number: &[u8]) -> Check {
    verdict(|| Some(number.first().is_some_and(|first| b"CFGHJK".contains(first)) && document(number)?))
}

/// Nine characters, with or without the check digit and the D that follow in the machine-readable zone.
fn document(number: &[u8]) -> Option<bool> {
    let number = number.strip_suffix(b"D").filter(|rest| rest.len() == 10).unwrap_or(number);
    let some_digits = number.iter().filter(|byte| byte.is_ascii_digit()).count() >= 2;
    let allowed = number.iter().all(|byte| byte.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(byte));
    Some(allowed && some_digits && (number.len() == 9 || checked_serial(number)?))
}

fn checked_serial(number: &[u8]) -> Option<bool> {
    let (serial, check) = number.split_at_checked(9)?;
    let values = serial.iter().map(|byte| base_36(*byte)).collect::<Option<Vec<u32>>>()?;
    let [check] = digits::<1>(check)?;
    Some(weighted(&values, &[7, 3, 1, 7, 3, 1, 7, 3, 1]) % 10 == check)
}

/// `A123456780`: A = 01, then 01 12345678 weighed 1 2 1 2 …, digits of the products added = 40, the last digit is 0 (§ 290
/// SGB V; GKV-Spitzenverband, "Krankenversichertennummer").
fn check_kvnr(number: &[u8]) -> Check {
    verdict(|| {
        let (first, rest) = number.split_first()?;
        let initial = letter(*first)?;
        let d = digits::<9>(rest)?;
        let mut all = [0; 10];
        all[..2].copy_from_slice(&[initial / 10, initial % 10]);
        all[2..].copy_from_slice(&d[..8]);
        Some(cross_weighted(&all, &[1, 2, 1, 2, 1, 2, 1, 2, 1, 2]) % 10 == d[8])
    })
}

/// `DE 136 695 976`: nine digits, the first not 0, the last by ISO 7064 MOD 11,10 (BZSt; EU VIES structure). Without DE
/// one number of nine digits in ten passes: only with a word.
fn check_vat(vat: &[u8]) -> Check {
    let prefixed = vat.strip_prefix(b"DE");
    let right = verdict(|| {
        let d = digits::<9>(prefixed.unwrap_or(vat))?;
        Some(d[0] != 0 && mod_11_10_holds(&d))
    });
    if right == Check::Valid && prefixed.is_none() { Check::NeedsLabel } else { right }
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;
    use super::*;

    #[test]
    fn tax() {
        verdicts(
            "de-steuer-id",
            &["36 574 261 809", "47036892816", "65929970489"],
            &["36574261890", "36554266806", "06574261809", "3657426180", "36574261808", "11111111111"],
        );
        verdicts(
            "de-steuernr",
            &["151/815/08156", "93815/08152", "2893081508152"],
            &["0000000000", "2893181508152", "0093081508152", "123456789"],
        );
        verdicts("de-vat", &["DE 136 695 976"], &["DE136695978", "DE136695967", "DE036695976", "FR136695976", "DE13669597"]);
    }

    #[test]
    fn insurance() {
        verdicts(
            "de-rvnr",
            &["15 070649 C 103", "65 170839 J 003"],
            &["15070649C102", "15071349C103", "15320649C103", "15070694C103", "15070649C10", "150706491103"],
        );
        verdicts("de-kvnr", &["A123456780", "t 029 874 211"], &["A123456781", "A123465780", "1123456780", "A12345678"]);
    }

    #[test]
    fn documents() {
        verdicts(
            "de-personalausweis",
            &["L01X00T471", "L01X00T47", "T220001293", "1220001297D"],
            &["L01X00T472", "C01X00T471", "L01X00TA7", "1220001296D", "LMNPRTVWX"],
        );
        verdicts(
            "de-passport",
            &["C01X00T478", "C01X00T47", "C01X00T478D"],
            &["C01X00T477", "L01X00T47", "C01E00T47", "C01X00T4"],
        );
    }

    #[test]
    fn nine_digits_without_their_country_need_a_word() {
        assert_eq!(check_vat(b"136695976"), Check::NeedsLabel);
        assert_eq!(check_vat(b"136695978"), Check::Invalid);
    }
}
