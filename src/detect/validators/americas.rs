//! Turns a number into the verdict on the numbers of people of Canada, Brazil and Mexico.

use super::arithmetic::{digits, is_date, verdict, weighted};
use super::{Check, Strength, Validator, luhn};

pub(super) static VALIDATORS: [Validator; 3] = [
    Validator::new(
        "ca-sin",
        ("assurance sociale canadienne (NAS), 9 chiffres, Luhn", "Canadian social insurance number, 9 digits, Luhn"),
        "130-692-544",
        Strength::Weak,
        check_sin,
    ),
    Validator::new(
        "br-cpf",
        (
            "contribuable brésilien (CPF), 11 chiffres, deux clés modulo 11",
            "Brazilian taxpayer number (CPF), 11 digits, two keys modulo 11",
        ),
        "390.533.447-05",
        Strength::Weak,
        check_cpf,
    ),
    Validator::new(
        "mx-curp",
        ("CURP mexicain : nom, naissance, État, clé modulo 10", "Mexican CURP: name, birth date, state, key modulo 10"),
        "BOXW310820HNERXN09",
        Strength::Weak,
        check_curp,
    ),
];

/// `130-692-544`: Luhn's formula; begins with neither 0 nor 8 (Employment and Social Development Canada, SIN code of practice).
fn check_sin(sin: &[u8]) -> Check {
    verdict(|| Some(!matches!(digits::<9>(sin)?[0], 0 | 8) && luhn::holds(sin)))
}

/// `390.533.447-05`: weights 10 to 2 over nine digits, 11 to 2 over ten; 11 less the rest modulo 11, 10 and 11 written 0; all
/// digits alike are no number (Receita Federal, IN RFB 1548/2015).
fn check_cpf(cpf: &[u8]) -> Check {
    let key = |sum: u32| (11 - sum % 11) % 11 % 10;
    verdict(|| {
        let d = digits::<11>(cpf)?;
        let first = key(weighted(&d, &[10, 9, 8, 7, 6, 5, 4, 3, 2]));
        let second = key(weighted(&d, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]));
        Some(d.iter().any(|digit| *digit != d[0]) && first == d[9] && second == d[10])
    })
}

/// Where one was born: the 32 states, and NE for abroad.
const STATES: &[u8] = b"ASBCBSCCCSCHCLCMDFDGGRGTHGJCMCMNMSNENLNTOCPLQRQTSLSPSRTCTLTSVZYNZS";

/// `BOXW310820HNERXN09`: four letters of the names, born on 20 August 1931, man (H; M woman, X not stated), born abroad (NE),
/// three consonants, a 0 (before 2000, else a letter), key 9: the characters in the alphabet 0-9 A-N Ñ O-Z times 18, 17, … 2, up
/// to the next ten (RENAPO, Instructivo normativo para la asignación de la CURP).
fn check_curp(curp: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<6>(curp.get(4..10)?)?;
        let century = if curp.get(16)?.is_ascii_digit() { 1900 } else { 2000 };
        let born = is_date(century + d[0] * 10 + d[1], d[2] * 10 + d[3], d[4] * 10 + d[5]);
        let names =
            curp.len() == 18 && curp[..4].iter().all(u8::is_ascii_uppercase) && curp[13..16].iter().all(u8::is_ascii_uppercase);
        let place = matches!(curp[10], b'H' | b'M' | b'X') && STATES.chunks(2).any(|state| state == &curp[11..13]);
        let worth = |byte: u8| match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'A'..=b'N' => u32::from(byte - b'A') + 10,
            _ => u32::from(byte - b'A') + 11, // Ñ stands between N and O
        };
        let sum: u32 = (2..=18).rev().zip(curp).map(|(weight, byte)| weight * worth(*byte)).sum();
        let [key] = digits::<1>(curp.get(17..)?)?;
        Some(names && born && place && (10 - sum % 10) % 10 == key)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people() {
        verdicts("ca-sin", &["130-692-544", "123-456-782"], &["123-456-789", "123-456-728", "023-456-783", "12345678"]);
        verdicts(
            "br-cpf",
            &["390.533.447-05", "529.982.247-25"],
            &["231.002.999-00", "390.533.474-05", "111.111.111-11", "3905334470"],
        );
        verdicts(
            "mx-curp",
            &["BOXW310820HNERXN09"],
            &[
                "BOXW310820HNERXN08",
                "BOXW310820HNERXN90",
                "BOXW311320HNERXN09",
                "BOXW310820HXXRXN09",
                "BOXW310820ZNERXN09",
                "BOXW310820HNERXN0",
            ],
        );
    }
}
