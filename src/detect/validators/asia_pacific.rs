//! Turns a number into the verdict on numbers of China, Korea, India, Singapore, Israel and Australia.

use super::arithmetic::{digits, is_date, value, verdict, verhoeff_holds, weighted};
use super::{Check, Strength, Validator, luhn};

pub(super) static VALIDATORS: [Validator; 8] = [
    Validator::new(
        "cn-ric",
        (
            "identité chinoise, 18 caractères : naissance, ISO 7064",
            "Chinese identity number, 18 characters: birth date, ISO 7064",
        ),
        "360426199101010071",
        Strength::Strong,
        check_ric,
    ),
    Validator::new(
        "kr-rrn",
        ("résident coréen : naissance, clé modulo 11", "Korean resident number: birth date, key modulo 11"),
        "971013-9019902",
        Strength::Weak,
        check_rrn,
    ),
    Validator::new(
        "in-aadhaar",
        ("Aadhaar indien, 12 chiffres, Verhoeff", "Indian Aadhaar, 12 digits, Verhoeff"),
        "2341 2341 2346",
        Strength::Weak,
        check_aadhaar,
    ),
    Validator::new(
        "in-pan",
        ("contribuable indien (PAN), structure seule", "Indian taxpayer number (PAN), structure only"),
        "ACUPA7085R",
        Strength::Weak,
        check_pan,
    ),
    Validator::new(
        "sg-nric",
        ("identité singapourienne (NRIC/FIN), lettre modulo 11", "Singapore identity number (NRIC/FIN), letter modulo 11"),
        "S1234567D",
        Strength::Weak,
        check_nric,
    ),
    Validator::new(
        "il-id",
        ("identité israélienne, 9 chiffres, Luhn", "Israeli identity number, 9 digits, Luhn"),
        "3933742-3",
        Strength::Weak,
        check_teudat_zehut,
    ),
    Validator::new(
        "au-tfn",
        ("contribuable australien (TFN), 9 chiffres, modulo 11", "Australian tax file number, 9 digits, modulo 11"),
        "123 456 782",
        Strength::Weak,
        check_tfn,
    ),
    Validator::new(
        "au-abn",
        ("entreprise australienne (ABN), 11 chiffres, modulo 89", "Australian business number, 11 digits, modulo 89"),
        "83 914 571 673",
        Strength::Weak,
        check_abn,
    ),
];

/// `360426199101010071`: county 360426, born on 1 January 1991, 007, check character by ISO 7064 MOD 11-2, X being 10 (GB 11643).
fn check_ric(ric: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<17>(ric.get(..17)?)?;
        let last = match ric.get(17..)? {
            b"X" => 10,
            digit => digits::<1>(digit)?[0],
        };
        let year = value(&d[6..10]) as u32;
        let born = is_date(year, d[10] * 10 + d[11], d[12] * 10 + d[13]) && (1850..2100).contains(&year);
        let sum = weighted(&d, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
        Some(matches!(d[0], 1..=8) && born && (sum + last) % 11 == 1)
    })
}

/// `971013-9019902`: born on 13 October 1897 (9: a man of 18xx); weights 2 to 9 and 2 to 5, 11 less the rest modulo 11, modulo 10
/// (주민등록법). Numbers given since October 2020 have no key any more and are not found.
fn check_rrn(rrn: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<13>(rrn)?;
        let century = match d[6] {
            1 | 2 | 5 | 6 => 1900,
            3 | 4 | 7 | 8 => 2000,
            _ => 1800,
        };
        let born = is_date(century + d[0] * 10 + d[1], d[2] * 10 + d[3], d[4] * 10 + d[5]);
        let sum = weighted(&d, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
        Some(born && (11 - sum % 11) % 10 == d[12])
    })
}

/// `2341 2341 2346`: begins with 2 to 9, the last digit by Verhoeff's formula; not the same read backwards (UIDAI, "UID
/// numbering scheme").
fn check_aadhaar(aadhaar: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<12>(aadhaar)?;
        Some(d[0] >= 2 && !d.iter().eq(d.iter().rev()) && verhoeff_holds(&d))
    })
}

/// `ACUPA7085R`: the fourth letter is the kind of holder, P a person; four digits, not 0000 (Income Tax Department, PAN; its
/// check letter is not public).
fn check_pan(pan: &[u8]) -> Check {
    verdict(|| {
        let letters = pan.len() == 10 && pan[..5].iter().all(u8::is_ascii_uppercase) && pan[9].is_ascii_uppercase();
        Some(letters && b"ABCFGHJLPT".contains(&pan[3]) && value(&digits::<4>(&pan[5..9])?) != 0)
    })
}

/// `S1234567D`: 2·1 + 7·2 + 6·3 + 5·4 + 4·5 + 3·6 + 2·7 = 106, 106 mod 11 = 7, place 7 of JZIHGFEDCBA; T and G add 4, M adds 3; F, G
/// and M (foreigners) have rows of their own (ICA; National Registration Act).
fn check_nric(nric: &[u8]) -> Check {
    verdict(|| {
        let (first, rest) = nric.split_first()?;
        let (last, number) = rest.split_last()?;
        let (added, letters): (u32, &[u8; 11]) = match first {
            b'S' => (0, b"JZIHGFEDCBA"),
            b'T' => (4, b"JZIHGFEDCBA"),
            b'F' => (0, b"XWUTRQPNMLK"),
            b'G' => (4, b"XWUTRQPNMLK"),
            b'M' => (3, b"XWUTRQPNJLK"),
            _ => return None,
        };
        let sum = weighted(&digits::<7>(number)?, &[2, 7, 6, 5, 4, 3, 2]) + added;
        let place = if *first == b'M' { 10 - sum % 11 } else { sum % 11 };
        let letters_of_m = if *first == b'M' { b"KLJNPQRTUWX" } else { letters };
        Some(letters_of_m[place as usize] == *last)
    })
}

/// `3933742-3`: up to nine digits, filled up with zeros, by Luhn's formula (Israeli Population Registry).
fn check_teudat_zehut(id: &[u8]) -> Check {
    verdict(|| {
        let number = id.iter().all(u8::is_ascii_digit) && matches!(id.len(), 8 | 9);
        Some(number && id.iter().any(|digit| *digit != b'0') && luhn::holds(id))
    })
}

/// `123 456 782`: weights 1 4 3 7 5 8 6 9 10 give 253, a multiple of eleven (ATO, tax file number algorithm).
fn check_tfn(tfn: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<9>(tfn)?;
        Some(value(&d) != 0 && weighted(&d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11))
    })
}

/// `83 914 571 673`: one less in the first place, weights 10 1 3 5 … 19: a multiple of 89 (Australian Business Register, "Format of
/// the ABN").
fn check_abn(abn: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<11>(abn)?;
        let sum = weighted(&d, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
        Some(d[0] != 0 && (sum - 10).is_multiple_of(89))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people() {
        verdicts(
            "cn-ric",
            &["360426199101010071", "11010519491231002X"],
            &["360426199101010072", "360426199101010017", "360426199113010071", "11010519491231002Y", "36042619910101007"],
        );
        verdicts("kr-rrn", &["971013-9019902"], &["971013-9019903", "971013-9019920", "971313-9019902", "971013-901990"]);
        verdicts(
            "in-aadhaar",
            &["2341 2341 2346"],
            &["2341 2341 2347", "2341 2341 2364", "1341 2341 2346", "222222222222", "23412341234"],
        );
        verdicts("in-pan", &["ACUPA7085R"], &["ACUXA7085R", "ACUPA0000R", "ACUP17085R", "ACUPA7085"]);
        verdicts(
            "sg-nric",
            &["S1234567D", "T1234567J", "F1234567N", "G1234567X"],
            &["S1234567E", "S1234576D", "A1234567D", "S123456D"],
        );
        verdicts("il-id", &["3933742-3", "039337423"], &["3933742-2", "3933472-3", "000000000", "393374"]);
    }

    #[test]
    fn taxpayers() {
        verdicts("au-tfn", &["123 456 782"], &["123 456 789", "123 456 728", "000000000", "12345678"]);
        verdicts("au-abn", &["83 914 571 673", "51824753556"], &["99 999 999 999", "83914571637", "00000000000", "8391457167"]);
    }
}
