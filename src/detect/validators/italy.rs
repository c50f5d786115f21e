//! Turns a number into the verdict on Italian numbers: fiscal code and VAT.

use super::arithmetic::{base_36, digits, is_short_date, value, verdict};
use super::{Check, Strength, Validator, luhn};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator::new(
        "it-cf",
        ("code fiscal italien, 16 caractères, lettre modulo 26", "Italian fiscal code, 16 characters, letter modulo 26"),
        "RCC MNL 83S18 D969 H",
        Strength::Weak,
        check_cf,
    ),
    Validator::new(
        "it-iva",
        ("TVA italienne, 11 chiffres, Luhn et bureau", "Italian VAT number, 11 digits, Luhn and office"),
        "00743110157",
        Strength::Weak,
        check_iva,
    ),
];

/// Value of 0 to 9 in odd places (the first is odd), also of A to J; then of K to Z.
const ODD_DIGITS: [u32; 10] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
const ODD_LETTERS: [u32; 16] = [2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
/// Months from January (DM 23 December 1976).
const MONTHS: &[u8; 12] = b"ABCDEHLMPRST";

/// `RCC MNL 83S18 D969 H`: surname, name, born on 18 November (S) 1983, in Genoa (D969), check letter H: the characters' values
/// by odd and even place, modulo 26. Women have 40 added to the day. Where two people would have the same code, digits are
/// replaced by LMNPQRSTUV from the right (omocodia) (DM 23 December 1976, art. 2-6).
fn check_cf(code: &[u8]) -> Check {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        letter => b"LMNPQRSTUV".iter().position(|known| *known == letter).map(|place| place as u32),
    };
    verdict(|| {
        let (last, first) = code.split_last().filter(|_| code.len() == 16)?;
        let names = first[..6].iter().all(u8::is_ascii_uppercase);
        let month = 1 + MONTHS.iter().position(|month| first.get(8) == Some(month))? as u32;
        let place = first[11].is_ascii_uppercase() && first[12..].iter().all(|byte| digit(*byte).is_some());
        let year = digit(first[6])? * 10 + digit(first[7])?;
        let day = digit(first[9])? * 10 + digit(first[10])?;
        let born = is_short_date(year, month, if day > 40 { day - 40 } else { day });
        let sum: u32 = first.iter().enumerate().try_fold(0, |sum, (index, byte)| Some(sum + worth(index, *byte)?))?;
        Some(names && place && born && u32::from(last.checked_sub(b'A')?) == sum % 26)
    })
}

fn worth(index: usize, byte: u8) -> Option<u32> {
    let value = base_36(byte)?;
    let rank = if value < 10 { value } else { value - 10 };
    if index % 2 == 1 {
        return Some(rank);
    }
    ODD_DIGITS.get(rank as usize).or_else(|| ODD_LETTERS.get(rank as usize - 10)).copied()
}

/// `00743110157`: number 0074311, office 015 (Milan), Luhn's key 7. Offices are 001 to 100, 120, 121, 888 and 999 (DPR 633/1972
/// art. 35; Agenzia delle Entrate).
fn check_iva(iva: &[u8]) -> Check {
    let iva = iva.strip_prefix(b"IT").unwrap_or(iva);
    verdict(|| {
        let d = digits::<11>(iva)?;
        let office = matches!(value(&d[7..10]), 1..=100 | 120 | 121 | 888 | 999);
        Some(value(&d[..7]) != 0 && office && luhn::holds(iva))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people_and_companies() {
        verdicts(
            "it-cf",
            &["RCC MNL 83S18 D969 H", "RCCMNL83S18D96VW", "BNCMRC80A41F205J"],
            &[
                "RCCMNL83S18D969G",
                "RCCMNL83S32D969H",
                "RCCMNL83F18D969H",
                "RCCMNL83S18D696H",
                "1CCMNL83S18D969H",
                "RCCMNL83S18D969",
            ],
        );
        verdicts(
            "it-iva",
            &["00743110157", "IT00743110157"],
            &["00743110158", "00743110175", "00000000000", "00743112005", "0074311015"],
        );
    }
}
