//! Turns fifteen characters into the verdict on a French social security number (NIR; INSEE, décret n° 82-103).

use super::{Check, Strength, Validator, digits_mod, number, valid_if};

pub(super) static VALIDATORS: [Validator; 1] = [Validator {
    name: "fr-nir",
    about: (
        "numéro de sécurité sociale : sexe, mois, département, clé",
        "French social security number: sex, month, département, key",
    ),
    example: "1 85 05 78 006 084 91",
    strength: Strength::Strong,
    check,
    length: None,
}];

/// `1 85 05 78 006 084 91`: a man (1), born in 1985 (85), May (05), Yvelines (78), commune 006, 84th of the month;
/// key 97 − (1850578006084 mod 97) = 97 − 6 = 91. For the key, 2A counts as 19 and 2B as 18.
///
/// Without its key (thirteen characters, as in many files) only the structure speaks for it, so it needs a word that names it.
pub(super) fn check(nir: &[u8]) -> Check {
    match (nir.len(), is_right(nir)) {
        (13, Some(true)) => Check::NeedsLabel,
        (15, right) => valid_if(right.unwrap_or(false)),
        _ => Check::Invalid,
    }
}

fn is_right(nir: &[u8]) -> Option<bool> {
    if !matches!(nir.len(), 13 | 15) {
        return Some(false);
    }
    // 1, 2: men and women; 3, 4: not yet certified; 7, 8: temporary (people born abroad).
    let sex = matches!(nir[0], b'1' | b'2' | b'3' | b'4' | b'7' | b'8');
    if !sex {
        return Some(false);
    }
    // 20 and above: the month of birth is not known, or the month's numbers were used up.
    let month = matches!(number(&nir[3..5])?, 1..=12 | 20..=42 | 50..=99);
    number(&nir[1..3])?;
    let (department, for_key) = match &nir[5..7] {
        b"2A" => (true, *b"19"),
        b"2B" => (true, *b"18"),
        // 96: the former protectorates and Algeria, 97 and 98: overseas, 99: abroad.
        digits => (number(digits)? >= 1, [digits[0], digits[1]]),
    };
    let order = number(&nir[10..13])? != 0;
    number(&nir[7..10])?;
    if !(month && department && order) {
        return Some(false);
    }
    let mut first = [0; 13];
    first.copy_from_slice(&nir[..13]);
    first[5..7].copy_from_slice(&for_key);
    let counted = digits_mod(&first, 97)?;
    Some(nir.len() == 13 || number(&nir[13..])? == 97 - counted)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{single_digit_errors_that_pass, transpositions_that_pass};
    use super::super::{Strength, compact, find};
    use super::*;

    fn with_key(first: &str) -> String {
        let counted = first.replace("2A", "19").replace("2B", "18");
        format!("{first}{:02}", 97 - counted.parse::<u64>().unwrap() % 97)
    }

    #[test]
    fn right_numbers_pass() {
        for first in [
            "1850578006084", // the usual form
            "2550214168025",
            "1760320166001", // Corsica before 1976
            "298052A004001",
            "199122B033012",
            "2840197411023", // Réunion
            "1900799351001", // born abroad
            "3680696352001", // not certified, born in Algeria before 1962
            "7850599350123", // temporary
            "1852078006084", // month 20: unknown
            "1855078006084",
            "1859978006084",
        ] {
            assert_eq!(check(with_key(first).as_bytes()), Check::Valid, "{first}");
        }
        assert_eq!(check(&compact(b"2 95 10 99 126 111 93")), Check::Valid);
        assert_eq!(check(b"253072B07300470"), Check::Valid);
        assert_eq!(check(b"253072A07300443"), Check::Valid);
    }

    #[test]
    fn impossible_parts_do_not_pass_even_with_a_right_key() {
        for first in ["5850578006084", "9850578006084", "1851378006084", "1854578006084", "1850578006000", "1850500006084"] {
            assert_eq!(check(with_key(first).as_bytes()), Check::Invalid, "{first}");
        }
        for wrong in ["185057800608492", "18505780060849", "1850578006084911", "253072C07300443", "185052A00608A91"] {
            assert_eq!(check(wrong.as_bytes()), Check::Invalid, "{wrong}");
        }
    }

    #[test]
    fn any_single_wrong_digit_is_caught() {
        for right in ["185057800608491", "253072B07300470", "253072A07300443"] {
            assert_eq!(single_digit_errors_that_pass(check, right), 0);
            assert_eq!(transpositions_that_pass(check, right), 0);
        }
    }

    #[test]
    fn without_its_key_it_needs_a_word() {
        for (number, expected) in [
            ("1850578006084", Check::NeedsLabel),
            ("253072B073004", Check::NeedsLabel),
            ("1851378006084", Check::Invalid), // month 13
            ("5850578006084", Check::Invalid),
            ("185057800608", Check::Invalid),
            ("18505780060849", Check::Invalid),
        ] {
            assert_eq!(check(number.as_bytes()), expected, "{number}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_number_with_its_own_key_passes_and_with_another_does_not(
            year in 0u32..100, month in 1u32..13, department in 1u32..96, commune in 1u32..991, order in 1u32..1000, off in 1u64..97,
        ) {
            let first = format!("2{year:02}{month:02}{department:02}{commune:03}{order:03}");
            let right = with_key(&first);
            proptest::prop_assert_eq!(check(right.as_bytes()), Check::Valid);
            let key: u64 = right[13..].parse().unwrap();
            let other = (key - 1 + off) % 97 + 1;
            proptest::prop_assert_eq!(check(format!("{first}{other:02}").as_bytes()), Check::Invalid);
        }
    }

    #[test]
    fn it_is_strong() {
        assert_eq!(find("fr-nir").unwrap().strength, Strength::Strong);
    }
}
