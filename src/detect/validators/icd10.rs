//! Turns a code of the international classification of diseases into a verdict: is there such a category?

use super::{Check, Strength, Validator, valid_if};

pub(super) static VALIDATORS: [Validator; 1] = [Validator {
    name: "icd10",
    about: ("code CIM-10 dont la catégorie existe", "ICD-10 code whose category exists"),
    example: "E11.9",
    strength: Strength::Weak,
    check,
    length: None,
}];

/// The categories in use, by letter: WHO, ICD-10 version 2019, and the French CIM-10 à usage PMSI, list of three-character
/// categories. Of A-Z and 00-99 about a fifth is unused.
const CATEGORIES: [(u8, &[(u8, u8)]); 26] = [
    (b'A', &[(0, 9), (15, 28), (30, 44), (46, 46), (48, 60), (63, 71), (74, 75), (77, 89), (91, 99)]),
    (b'B', &[(0, 9), (15, 27), (30, 60), (64, 83), (85, 92), (94, 99)]),
    (b'C', &[(0, 26), (30, 34), (37, 41), (43, 58), (60, 86), (88, 88), (90, 97)]),
    (b'D', &[(0, 7), (9, 48), (50, 53), (55, 77), (80, 84), (86, 86), (89, 90)]),
    (b'E', &[(0, 7), (10, 16), (20, 35), (40, 46), (50, 56), (58, 61), (63, 68), (70, 80), (83, 90)]),
    (b'F', &[(0, 7), (9, 25), (28, 34), (38, 45), (48, 48), (50, 55), (59, 66), (68, 73), (78, 84), (88, 95), (98, 99)]),
    (b'G', &[(0, 14), (20, 26), (30, 32), (35, 37), (40, 41), (43, 47), (50, 64), (70, 73), (80, 83), (90, 99)]),
    (
        b'H',
        &[(0, 6), (10, 11), (13, 13), (15, 22), (25, 28), (30, 36), (40, 40), (42, 55), (57, 62), (65, 75), (80, 83), (90, 95)],
    ),
    (b'I', &[(0, 2), (5, 13), (15, 15), (20, 28), (30, 52), (60, 74), (77, 89), (95, 99)]),
    (b'J', &[(0, 6), (9, 18), (20, 22), (30, 47), (60, 70), (80, 82), (84, 86), (90, 96), (98, 99)]),
    (b'K', &[(0, 14), (20, 31), (35, 38), (40, 46), (50, 52), (55, 67), (70, 77), (80, 87), (90, 93)]),
    (b'L', &[(0, 5), (8, 8), (10, 14), (20, 30), (40, 45), (50, 60), (62, 68), (70, 75), (80, 95), (97, 99)]),
    (
        b'M',
        &[(0, 3), (5, 25), (30, 36), (40, 43), (45, 51), (53, 54), (60, 63), (65, 68), (70, 73), (75, 77), (79, 96), (99, 99)],
    ),
    (b'N', &[(0, 8), (10, 23), (25, 37), (39, 51), (60, 64), (70, 77), (80, 99)]),
    (b'O', &[(0, 8), (10, 16), (20, 26), (28, 36), (40, 48), (60, 75), (80, 92), (94, 99)]),
    (b'P', &[(0, 5), (7, 8), (10, 15), (20, 29), (35, 39), (50, 61), (70, 72), (74, 78), (80, 81), (83, 83), (90, 96)]),
    (b'Q', &[(0, 7), (10, 18), (20, 28), (30, 45), (50, 56), (60, 87), (89, 93), (95, 99)]),
    (b'R', &[(0, 7), (9, 23), (25, 36), (39, 65), (68, 87), (89, 99)]),
    (b'S', &[(0, 99)]),
    (b'T', &[(0, 98)]),
    (b'U', &[(4, 4), (6, 12), (82, 85), (99, 99)]),
    (b'V', &[(1, 6), (9, 99)]),
    (b'W', &[(0, 99)]),
    (b'X', &[(0, 99)]),
    (b'Y', &[(1, 36), (40, 98)]),
    (b'Z', &[(0, 13), (20, 54), (55, 65), (70, 99)]),
];

/// `E119` (E11.9, diabetes of type 2): a letter, two digits of a category in use, at most three more.
fn check(code: &[u8]) -> Check {
    let &[letter, tens, ones, ref rest @ ..] = code else { return Check::Invalid };
    if !tens.is_ascii_digit() || !ones.is_ascii_digit() || rest.len() > 3 || !rest.iter().all(u8::is_ascii_digit) {
        return Check::Invalid;
    }
    let category = (tens - b'0') * 10 + (ones - b'0');
    let chapter = CATEGORIES.iter().find(|chapter| chapter.0 == letter);
    valid_if(chapter.is_some_and(|chapter| chapter.1.iter().any(|range| (range.0..=range.1).contains(&category))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_in_use_pass_with_and_without_subdivision() {
        for (code, valid) in [
            ("E11.9", true),
            ("I10", true),
            ("F32.2", true),
            ("C50", true),
            ("Z51.1", true),
            ("U07.1", true),
            ("E17.0", false),
            ("I17", false),
            ("B84", false),
            ("U20.1", false),
            ("E1", false),
            ("11.9", false),
            ("E11.9999", false),
        ] {
            assert_eq!(VALIDATORS[0].check(code) == Check::Valid, valid, "{code}");
        }
    }

    #[test]
    fn the_table_is_in_order_and_its_ranges_do_not_touch_backwards() {
        for (place, (letter, ranges)) in CATEGORIES.iter().enumerate() {
            assert_eq!(*letter, b'A' + place as u8);
            assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "{letter}");
        }
    }
}
