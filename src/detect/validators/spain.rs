//! Turns a number into the verdict on Spanish numbers: people, companies, social security, bank accounts.

use super::arithmetic::{digits, is_moment, value, verdict, weighted};
use super::{Check, Strength, Validator, luhn};

pub(super) static VALIDATORS: [Validator; 5] = [
    Validator::new(
        "es-nif",
        ("identité espagnole (DNI/NIF), lettre modulo 23", "Spanish identity number (DNI/NIF), letter modulo 23"),
        "54362315-K",
        Strength::Weak,
        check_nif,
    ),
    Validator::new(
        "es-nie",
        ("étranger en Espagne (NIE), lettre modulo 23", "Spanish foreigner number (NIE), letter modulo 23"),
        "X-2482300W",
        Strength::Weak,
        check_nie,
    ),
    Validator::new(
        "es-cif",
        (
            "entreprise espagnole (CIF), clé de Luhn en chiffre ou lettre",
            "Spanish company number (CIF), Luhn key as digit or letter",
        ),
        "J99216582",
        Strength::Weak,
        check_cif,
    ),
    Validator::new(
        "es-nuss",
        ("sécurité sociale espagnole, 12 chiffres, clé modulo 97", "Spanish social security number, 12 digits, key modulo 97"),
        "28 12345678 40",
        Strength::Weak,
        check_nuss,
    ),
    Validator::new(
        "es-ccc",
        ("compte bancaire espagnol (CCC), deux clés modulo 11", "Spanish bank account (CCC), two keys modulo 11"),
        "1234 1234 16 1234567890",
        Strength::Weak,
        check_ccc,
    ),
];

/// Place `n mod 23` (Orden INT/2058/2008).
const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

fn letter_of(number: u64) -> u8 {
    LETTERS[(number % 23) as usize]
}

/// `54362315-K`: 54362315 mod 23 = 21, K. K, L and M before seven digits: children, residents abroad, foreigners without NIE
/// (RD 1065/2007 art. 19, 20).
fn check_nif(nif: &[u8]) -> Check {
    let nif = nif.strip_prefix(b"ES").unwrap_or(nif);
    verdict(|| {
        let (last, number) = nif.split_last()?;
        let number = match number {
            [b'K' | b'L' | b'M', rest @ ..] => value(&digits::<7>(rest)?),
            _ => value(&digits::<8>(number)?),
        };
        Some(number != 0 && letter_of(number) == *last)
    })
}

/// `X-2482300W`: X, Y and Z count as 0, 1 and 2 before the seven digits; 2482300 mod 23 = 2, W (Orden INT/2058/2008).
fn check_nie(nie: &[u8]) -> Check {
    let nie = nie.strip_prefix(b"ES").unwrap_or(nie);
    verdict(|| {
        let (first, rest) = nie.split_first()?;
        let (last, number) = rest.split_last()?;
        let series = b"XYZ".iter().position(|letter| letter == first)? as u64;
        Some(letter_of(series * 10_000_000 + value(&digits::<7>(number)?)) == *last)
    })
}

/// `J99216582`: Luhn's formula over 9921658 gives 2. Public bodies, churches and foreigners (P Q R S N W) have the letter of
/// JABCDEFGHI in that place, A B E H the digit, the others either (Orden EHA/451/2008).
fn check_cif(cif: &[u8]) -> Check {
    let cif = cif.strip_prefix(b"ES").unwrap_or(cif);
    verdict(|| {
        let (first, rest) = cif.split_first()?;
        let (last, number) = rest.split_last()?;
        let key = (b'0'..=b'9').find(|key| luhn::holds(&[number, &[*key]].concat()))?;
        let (as_digit, as_letter) = (*last == key, *last == b"JABCDEFGHI"[usize::from(key - b'0')]);
        digits::<7>(number)?;
        Some(match first {
            b'P' | b'Q' | b'R' | b'S' | b'N' | b'W' => as_letter,
            b'A' | b'B' | b'E' | b'H' => as_digit,
            b'C' | b'D' | b'F' | b'G' | b'J' | b'U' | b'V' => as_digit || as_letter,
            _ => false,
        })
    })
}

/// `28 12345678 40`: province 28, 2812345678 mod 97 = 40. Two ways are published for short numbers: province and number put
/// together as written, or the number (less than ten million) added to ten million times the province; either is taken
/// (TGSS, "Número de la Seguridad Social"). The same digits as a moment (`202611210930`), or with no province: only with a word.
fn check_nuss(nuss: &[u8]) -> Check {
    let right = verdict(|| {
        let d = digits::<12>(nuss)?;
        let (province, number, key) = (value(&d[..2]), value(&d[2..10]), value(&d[10..]));
        let short = number < 10_000_000 && (province * 10_000_000 + number) % 97 == key;
        Some(province != 0 && number != 0 && (value(&d[..10]) % 97 == key || short))
    });
    let moment_or_nowhere = digits::<12>(nuss).is_some_and(|d| is_moment(&d) || !matches!(value(&d[..2]), 1..=53 | 66));
    if right == Check::Valid && moment_or_nowhere { Check::NeedsLabel } else { right }
}

/// `1234 1234 16 1234567890`: bank and branch weighed 4 8 5 10 9 7 3 6, the account 1 2 4 8 5 10 9 7 3 6; 11 less the rest
/// modulo 11, 10 being written 1 and 11 as 0 (Banco de España, "Código cuenta cliente").
fn check_ccc(ccc: &[u8]) -> Check {
    const WEIGHTS: [u32; 10] = [1, 2, 4, 8, 5, 10, 9, 7, 3, 6];
    let key = |sum: u32| match 11 - sum % 11 {
        10 => 1,
        11 => 0,
        key => key,
    };
    verdict(|| {
        let d = digits::<20>(ccc)?;
        let (bank, account) = (weighted(&d[..8], &WEIGHTS[2..]), weighted(&d[10..], &WEIGHTS));
        Some(value(&d[..8]) != 0 && key(bank) == d[8] && key(account) == d[9])
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;
    use super::*;

    #[test]
    fn people() {
        verdicts(
            "es-nif",
            &["54362315-K", "54.362.315 K", "ES54362315K", "K1234567L"],
            &["54362315Z", "54362351K", "00000000T", "5436231K", "X2482300W", "543623155"],
        );
        verdicts("es-nie", &["X-2482300W", "Y2482300Q", "ESX2482300W"], &["X2482300A", "W2482300W", "X248230W", "X2482030W"]);
        verdicts("es-nuss", &["28 12345678 40"], &["281234567841", "28 12345687 40", "00 12345678 40", "28123456784"]);
        let moments = (0..24).flat_map(|hour| (0..60).map(move |minute| format!("20261121{hour:02}{minute:02}")));
        let moment = moments.into_iter().find(|text| check_nuss(text.as_bytes()) != Check::Invalid);
        assert_eq!(check_nuss(moment.unwrap().as_bytes()), Check::NeedsLabel);
    }

    #[test]
    fn companies_and_accounts() {
        verdicts(
            "es-cif",
            &["J99216582", "A13 585 625", "Q2818014I", "ESB58378431"],
            &["J99216583", "A1358562E", "Q28180149", "X99216582", "J9921658"],
        );
        verdicts(
            "es-ccc",
            &["1234 1234 16 1234567890", "21000418450200051332"],
            &["12341234161234567899", "12341234061234567890", "1234123416123456789", "00000000001234567890"],
        );
    }
}
