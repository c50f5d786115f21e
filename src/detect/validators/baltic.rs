//! Turns a number into the verdict on the personal codes of Estonia and Lithuania, which are built alike.

use super::arithmetic::{digits, is_date, verdict, weighted};
use super::{Check, Strength, Validator};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator::new(
        "ee-ik",
        ("isikukood estonien : siècle, naissance, clé modulo 11", "Estonian isikukood: century, birth date, key modulo 11"),
        "36805280109",
        Strength::Weak,
        check_code,
    ),
    Validator::new(
        "lt-ak",
        (
            "asmens kodas lituanien : siècle, naissance, clé modulo 11",
            "Lithuanian asmens kodas: century, birth date, key modulo 11",
        ),
        "33309240064",
        Strength::Weak,
        check_lithuanian,
    ),
];

/// `36805280109`: a man born in 19xx (3) on 28 May 1968; weights 1 to 9 and 1, modulo 11; where that gives 10, weights 3 to 9, 1,
/// 2, 3, and 10 again is written 0 (EVS 585:2007).
fn check_code(code: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<11>(code)?;
        let century = match d[0] {
            1 | 2 => 1800,
            3 | 4 => 1900,
            5 | 6 => 2000,
            7 | 8 => 2100,
            _ => return None,
        };
        Some(is_date(century + d[1] * 10 + d[2], d[3] * 10 + d[4], d[5] * 10 + d[6]) && key_holds(&d))
    })
}

/// `33309240064`: the same; a 9 in front is given to people whose birth date is not known whole (Gyventojų registro nuostatai).
fn check_lithuanian(code: &[u8]) -> Check {
    if code.first() == Some(&b'9') { verdict(|| Some(key_holds(&digits::<11>(code)?))) } else { check_code(code) }
}

fn key_holds(d: &[u32; 11]) -> bool {
    let first = weighted(d, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let key = if first < 10 { first } else { weighted(d, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10 };
    key == d[10]
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people() {
        verdicts(
            "ee-ik",
            &["36805280109", "37605030299"],
            &["36805280108", "36805280190", "36813280109", "06805280109", "3680528010"],
        );
        verdicts("lt-ak", &["33309240064", "38703181745"], &["33309240164", "33309240046", "33313240064", "3330924006"]);
    }
}
