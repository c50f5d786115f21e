//! Turns the lines of a machine-readable zone into the verdict on an identity document (ICAO Doc 9303; the French card of 1988-2021).
//!
//! Fillers (`<`) and ends of lines count here, so it reads the value as it was written.

use super::{Check, Strength, Validator, valid_if};

pub(super) static VALIDATORS: [Validator; 1] = [Validator {
    name: "mrz",
    about: (
        "zone de lecture automatique : passeport, carte d'identité, titre de séjour, ancienne CNI ; clés 7-3-1",
        "machine-readable zone: passport, identity card, residence permit, old French card; keys 7-3-1",
    ),
    example: "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
    strength: Strength::AsWritten,
    check,
    length: None,
}];

/// Lines of 30 (three: TD1), 36 (two: TD2, or the old French card) or 44 characters (two: TD3). In each, digits are worth
/// themselves, letters 10 to 35, fillers nothing; times 7, 3, 1, 7, 3, 1 …; the sum's last digit is the key. In
/// `L898902C36UTO7408122F1204159…`: number L898902C3 key 6, birth 740812 key 2, expiry 120415 key 9, the whole key 0.
pub(super) fn check(written: &[u8]) -> Check {
    let lines = lines(written);
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    valid_if(match lines.as_slice() {
        [one, two, three] if lines.iter().all(|line| line.len() == 30) => td1(one, two, three),
        [one, two] if one.len() == 44 && two.len() == 44 => td3(one, two),
        [one, two] if one.len() == 36 && two.len() == 36 && one.starts_with(b"IDFRA") && !date_at(two, 13) => {
            old_french(one, two)
        }
        [one, two] if one.len() == 36 && two.len() == 36 => {
            td2(one, two) || (one.starts_with(b"IDFRA") && old_french(one, two))
        }
        _ => false,
    })
}

/// Upper-case, without the spaces that mail programs put at the ends of lines and scanners between characters.
fn lines(written: &[u8]) -> Vec<Vec<u8>> {
    let lines = written.split(|byte| *byte == b'\n').map(|line| {
        line.iter()
            .filter(|byte| byte.is_ascii_alphanumeric() || **byte == b'<')
            .map(u8::to_ascii_uppercase)
            .collect::<Vec<u8>>()
    });
    lines.filter(|line| !line.is_empty()).take(4).collect()
}

/// Passports: 44 characters in two lines.
fn td3(one: &[u8], two: &[u8]) -> bool {
    let number_to_expiry = [&two[..10], &two[13..20], &two[21..43]].concat();
    matches!(one[0], b'P' | b'V')
        && keyed(&two[..9], two[9])
        && date_at(two, 13)
        && keyed(&two[13..19], two[19])
        && keyed(&two[21..27], two[27])
        // A visa has no key over the whole.
        && (one[0] == b'V' || keyed(&number_to_expiry, two[43]))
}

/// Cards and visas of 36 characters in two lines.
fn td2(one: &[u8], two: &[u8]) -> bool {
    let number_to_expiry = [&two[..10], &two[13..20], &two[21..35]].concat();
    matches!(one[0], b'I' | b'A' | b'C' | b'V' | b'P')
        && keyed(&two[..9], two[9])
        && date_at(two, 13)
        && keyed(&two[13..19], two[19])
        && keyed(&two[21..27], two[27])
        && (one[0] == b'V' || keyed(&number_to_expiry, two[35]))
}

/// Cards of 30 characters in three lines.
fn td1(one: &[u8], two: &[u8], _names: &[u8]) -> bool {
    let all = [&one[5..30], &two[..7], &two[8..15], &two[18..29]].concat();
    matches!(one[0], b'I' | b'A' | b'C')
        // A number of more than nine characters goes on behind its key's place (Doc 9303-5 §4.2.2), where a filler then stands.
        && (one[14] == b'<' || keyed(&one[5..14], one[14]))
        && date_at(two, 0)
        && keyed(&two[..6], two[6])
        && keyed(&two[8..14], two[14])
        && keyed(&all, two[29])
}

/// The French card until 2021: IDFRA and the name; then number (12), key, first names (14), birth, key, sex, key over both lines.
fn old_french(one: &[u8], two: &[u8]) -> bool {
    let all = [one, &two[..35]].concat();
    keyed(&two[..12], two[12]) && date_at(two, 27) && keyed(&two[27..33], two[33]) && keyed(&all, two[35])
}

fn keyed(field: &[u8], key: u8) -> bool {
    let sum: Option<u32> = field
        .iter()
        .zip([7, 3, 1].into_iter().cycle())
        .map(|(byte, weight)| if *byte == b'<' { Some(0) } else { (*byte as char).to_digit(36).map(|value| value * weight) })
        .sum();
    // An empty optional field may have a filler for its key.
    sum.is_some_and(|sum| char::from(key).to_digit(10) == Some(sum % 10) || (key == b'<' && sum == 0))
}

/// A birth date YYMMDD of which month and day may be unknown (fillers).
fn date_at(line: &[u8], at: usize) -> bool {
    let part = |from: usize, most: u8| match &line[at + from..at + from + 2] {
        b"<<" => true,
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => (tens - b'0') * 10 + ones - b'0' <= most,
        _ => false,
    };
    part(0, 99) && part(2, 12) && part(4, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specimens of Doc 9303 parts 4, 5 and 6, and the French specimen card.
    const SPECIMENS: [&str; 4] = [
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
        "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<",
        "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6",
        "IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<\n8806923102858CORINNE<<<<<<<6512068F6",
    ];

    #[test]
    fn the_specimens_pass_in_capitals_and_small_letters_and_with_spaces_at_the_ends() {
        for specimen in SPECIMENS {
            assert_eq!(check(specimen.as_bytes()), Check::Valid, "{specimen}");
            assert_eq!(check(specimen.to_lowercase().as_bytes()), Check::Valid, "{specimen}");
            assert_eq!(check(specimen.replace('\n', " \n ").as_bytes()), Check::Valid, "{specimen}");
        }
    }

    #[test]
    fn any_other_digit_where_there_was_one_is_caught() {
        for specimen in SPECIMENS {
            for at in 0..specimen.len() {
                let mut wrong = specimen.as_bytes().to_vec();
                // The first line of TD2 and TD3 has names and no key.
                if wrong[at].is_ascii_digit() {
                    wrong[at] = b'0' + (wrong[at] - b'0' + 1) % 10;
                    assert_eq!(check(&wrong), Check::Invalid, "{}", String::from_utf8_lossy(&wrong));
                }
            }
        }
    }

    #[test]
    fn other_lengths_and_forms_do_not_pass() {
        for wrong in [
            "",
            "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
            "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
            "<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<\n<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<",
        ] {
            assert_eq!(check(wrong.as_bytes()), Check::Invalid, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(written in "[A-Z0-9<\n]{0,100}") {
            check(written.as_bytes());
        }
    }
}
