//! Turns the digits of a number into the sums and dates that check digits and birth dates are made of.

use super::{Check, valid_if};

/// Valid if the number could be read and is right.
pub(super) fn verdict(right: impl FnOnce() -> Option<bool>) -> Check {
    valid_if(right().unwrap_or(false))
}

/// The values of exactly `N` ASCII digits; `None` when there are more, fewer, or something else among them.
pub(super) fn digits<const N: usize>(written: &[u8]) -> Option<[u32; N]> {
    let written: &[u8; N] = written.try_into().ok()?;
    written.iter().all(u8::is_ascii_digit).then(|| written.map(|byte| u32::from(byte - b'0')))
}

/// The number that a few digits (at most 18) write.
pub(super) fn value(digits: &[u32]) -> u64 {
    digits.iter().fold(0, |value, digit| value * 10 + u64::from(*digit))
}

/// The place of an ASCII capital in the alphabet, from A = 1.
pub(super) fn letter(byte: u8) -> Option<u32> {
    byte.is_ascii_uppercase().then(|| u32::from(byte - b'A') + 1)
}

/// 0 to 9 for digits, 10 to 35 for capitals.
pub(super) fn base_36(byte: u8) -> Option<u32> {
    if byte.is_ascii_digit() { Some(u32::from(byte - b'0')) } else { letter(byte).map(|letter| letter + 9) }
}

/// Each digit times its weight, added up; digits without a weight are left out.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The same with the digits of each (two-digit) product added instead of the product.
pub(super) fn cross_weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).map(|product| product / 10 + product % 10).sum()
}

/// ISO/IEC 7064, hybrid system MOD 11,10, the last digit being the check digit: `794623`.
pub(super) fn mod_11_10_holds(digits: &[u32]) -> bool {
    let Some((last, first)) = digits.split_last() else { return false };
    let product = first.iter().fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (product + last) % 10 == 1
}

/// Verhoeff's dihedral check (J. Verhoeff, Error Detecting Decimal Codes, 1969), the last digit being the check digit: `2363`.
pub(super) fn verhoeff_holds(digits: &[u32]) -> bool {
    // One row of the permutation; the others are its powers.
    const NEXT: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let permuted = |digit: u32, times: usize| (0..times % 8).fold(digit, |digit, _| NEXT[digit as usize]);
    digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| turned(sum, permuted(*digit, place))) == 0
}

/// The product in the group of the ten rotations (0-4) and reflections (5-9) of a pentagon.
fn turned(left: u32, right: u32) -> u32 {
    match (left < 5, right < 5) {
        (true, true) => (left + right) % 5,
        (true, false) => (left + right) % 5 + 5,
        (false, true) => (left - right) % 5 + 5,
        (false, false) => (left + 5 - right) % 5,
    }
}

/// Does the day exist in the Gregorian calendar?
pub(super) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Does the day exist in 19xx or in 20xx?
pub(super) fn is_short_date(year_of_century: u32, month: u32, day: u32) -> bool {
    is_date(1900 + year_of_century, month, day) || is_date(2000 + year_of_century, month, day)
}

/// Twelve digits that begin like a moment since 2000 (year, month, day, hour, minute): file names and logs are full of them.
pub(super) fn is_moment(digits: &[u32]) -> bool {
    digits.len() >= 12
        && (2000..2040).contains(&value(&digits[..4]))
        && is_date(value(&digits[..4]) as u32, value(&digits[4..6]) as u32, value(&digits[6..8]) as u32)
        && value(&digits[8..10]) < 24
        && value(&digits[10..12]) < 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_examples_of_the_two_named_schemes() {
        let iso = |written: &[u8; 6]| mod_11_10_holds(&digits::<6>(written).unwrap());
        let verhoeff = |written: &[u8; 4]| verhoeff_holds(&digits::<4>(written).unwrap());
        assert!(iso(b"794623") && !iso(b"794624") && !iso(b"796423"));
        assert!(verhoeff(b"2363") && !verhoeff(b"2364") && !verhoeff(b"3263"));
    }

    #[test]
    fn days_that_exist() {
        for (year, month, day, exists) in [
            (2000, 2, 29, true),
            (1900, 2, 29, false),
            (2026, 4, 31, false),
            (2026, 12, 31, true),
            (2026, 13, 1, false),
            (2026, 1, 0, false),
        ] {
            assert_eq!(is_date(year, month, day), exists, "{year}-{month}-{day}");
        }
        assert!(is_short_date(0, 2, 29) && !is_short_date(1, 2, 29));
    }
}
