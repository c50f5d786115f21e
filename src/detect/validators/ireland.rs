//! Turns a number into the verdict on Irish numbers: personal public service and VAT.

use super::arithmetic::{digits, letter, verdict, weighted};
use super::{Check, Strength, Validator};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator::new(
        "ie-pps",
        ("numéro personnel irlandais (PPS), lettre modulo 23", "Irish PPS number, letter modulo 23"),
        "6433435F",
        Strength::Weak,
        check_pps,
    ),
    Validator::new(
        "ie-vat",
        ("TVA irlandaise, lettre modulo 23", "Irish VAT number, letter modulo 23"),
        "IE 6433435F",
        Strength::Weak,
        check_vat,
    ),
];

/// `6433435F`: 8·6 + 7·4 + 6·3 + 5·3 + 4·4 + 3·3 + 2·5 = 144; 144 mod 23 = 6, the sixth letter. A second letter A to I counts
/// nine times its place; W, T, P, S and X are not counted (Department of Social Protection, PPS number; SI 302/2012).
fn check_pps(pps: &[u8]) -> Check {
    verdict(|| {
        let (number, letters) = pps.split_at_checked(7)?;
        let second = match letters {
            [_] | [_, b'W' | b'T' | b'P' | b'S' | b'X'] => 0,
            [_, second @ b'A'..=b'I'] => letter(*second)?,
            _ => return None,
        };
        check_letter(&digits::<7>(number)?, second, letters[0])
    })
}

/// The letter that follows seven digits: W stands for 0, A to V for 1 to 22.
fn check_letter(number: &[u32; 7], second: u32, written: u8) -> Option<bool> {
    let sum = weighted(number, &[8, 7, 6, 5, 4, 3, 2]) + 9 * second;
    Some(letter(written)? % 23 == sum % 23 && written <= b'W')
}

/// `IE 6433435F`: as a PPS number; the form before 2013, `IE 8D79739I`, has its second place (a letter, + or *) put aside and
/// its first digit put last, after a 0: 0 79739 8 gives I (Revenue Commissioners, VAT number check).
fn check_vat(vat: &[u8]) -> Check {
    let number = vat.strip_prefix(b"IE").unwrap_or(vat);
    verdict(|| match number {
        [first, b'A'..=b'Z', middle @ .., last] if middle.len() == 5 => {
            let m = digits::<5>(middle)?;
            let [first] = digits::<1>(&[*first])?;
            check_letter(&[0, m[0], m[1], m[2], m[3], m[4], first], 0, *last)
        }
        _ => Some(check_pps(number) == Check::Valid),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people_and_companies() {
        verdicts(
            "ie-pps",
            &["6433435F", "6433435FT", "6433435FW", "6433435OA", "6433435IH"],
            &["6433435E", "6433453F", "6433435VH", "6433435FZ", "643343F", "6433435FTT", "6433435"],
        );
        verdicts(
            "ie-vat",
            &["IE 6433435F", "IE6433435OA", "IE8D79739I", "8D79739I"],
            &["IE6433435E", "IE8D79739J", "IE8D79379I", "FR6433435F", "IE"],
        );
    }
}
