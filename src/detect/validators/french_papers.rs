//! Turns the numbers on French identity papers and vehicles into verdicts; none has a key outside its machine-readable zone.

use super::{Check, Strength, Validator, number};

pub(super) static VALIDATORS: [Validator; 7] = [
    Validator {
        name: "fr-cni",
        about: (
            "carte nationale d'identité : 12 chiffres (année, mois) ou 9 caractères",
            "French identity card, old or new number",
        ),
        example: "880692310285",
        strength: Strength::Weak,
        check: check_card,
        length: None,
    },
    Validator {
        name: "fr-passport",
        about: (
            "passeport : deux chiffres, deux lettres, cinq chiffres",
            "French passport: two digits, two letters, five digits",
        ),
        example: "12AB34567",
        strength: Strength::Weak,
        check: check_passport,
        length: None,
    },
    Validator {
        name: "fr-permis",
        about: ("permis de conduire : NEPH (12 chiffres) ou numéro du titre", "French driving licence: NEPH or title"),
        example: "140675100123",
        strength: Strength::Weak,
        check: check_licence,
        length: None,
    },
    Validator {
        name: "fr-plaque",
        about: ("plaque d'immatriculation SIV ou FNI", "French number plate, new or old"),
        example: "AB-123-CD",
        strength: Strength::Weak,
        check: check_plate,
        length: None,
    },
    Validator {
        name: "fr-caf",
        about: ("allocataire CAF, 7 chiffres", "French benefits office (CAF), 7 digits"),
        example: "1234567",
        strength: Strength::Weak,
        check: check_benefit,
        length: None,
    },
    Validator {
        name: "fr-france-travail",
        about: ("demandeur d'emploi, 7 ou 8 chiffres et une lettre", "French employment office, 7 or 8 digits and a letter"),
        example: "1234567A",
        strength: Strength::Weak,
        check: check_job_seeker,
        length: None,
    },
    Validator {
        name: "fr-agdref",
        about: ("numéro d'étranger (AGDREF), 10 chiffres", "French residence file (AGDREF), 10 digits"),
        example: "7503012345",
        strength: Strength::Weak,
        check: check_residence,
        length: None,
    },
];

/// `880692310285`: issued in 1988 (88), June (06), département 923 and five digits; or, since 2021, nine letters and digits
/// (`D2H6862M2`, the specimen), of which at least one is a letter and two are digits, so that it is no word.
pub(super) fn check_card(card: &[u8]) -> Check {
    let right = match card.len() {
        12 => card.iter().all(u8::is_ascii_digit) && matches!(number(&card[2..4]), Some(1..=12)) && card[4..] != *b"00000000",
        9 => {
            let digits = card.iter().filter(|byte| byte.is_ascii_digit()).count();
            (2..=8).contains(&digits) && card.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        }
        _ => false,
    };
    needs_label_if(right)
}

/// `12AB34567`: two digits, two letters, five digits.
pub(super) fn check_passport(passport: &[u8]) -> Check {
    needs_label_if(passport.len() == 9 && has_form(passport, b"99AA99999"))
}

/// `140675100123` (NEPH): year, month, département (here 751) and order; the card's own number is like a passport's.
pub(super) fn check_licence(licence: &[u8]) -> Check {
    let right = match licence.len() {
        12 => {
            has_form(licence, b"999999999999") && matches!(number(&licence[2..4]), Some(1..=12)) && licence[4..] != *b"00000000"
        }
        9 => has_form(licence, b"99AA99999"),
        _ => false,
    };
    needs_label_if(right)
}

/// `AB-123-CD` (SIV, arrêté du 9 février 2009): no I, O, U, no SS at either side, no 000, first pair not WW (provisional);
/// or `1234 AB 75` (FNI, until 2009): up to four digits, two or three letters but
/// I, O, U (so no `12 AU 15`), département.
pub(super) fn check_plate(plate: &[u8]) -> Check {
    if plate.len() == 7 && has_form(plate, b"AA999AA") {
        let letters = || plate[..2].iter().chain(&plate[5..]);
        let right = letters().all(|letter| !b"IOU".contains(letter))
            && &plate[..2] != b"SS"
            && &plate[5..] != b"SS"
            && &plate[..2] != b"WW"
            && &plate[2..5] != b"000";
        return if right { Check::Valid } else { Check::Invalid };
    }
    let digits = plate.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let letters = plate[digits..].iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let right = (1..=4).contains(&digits)
        && (2..=3).contains(&letters)
        && plate[0] != b'0'
        && plate[digits..digits + letters].iter().all(|letter| !b"IOU".contains(letter))
        && is_department(&plate[digits + letters..]);
    needs_label_if(right)
}

/// A département: 01-95, 2A, 2B, 971-976, 98x.
fn is_department(department: &[u8]) -> bool {
    match department {
        [b'2', b'A' | b'B'] => true,
        [_, _] => matches!(number(department), Some(1..=95)),
        [b'9', b'7', b'1'..=b'8'] | [b'9', b'8', b'6'..=b'8'] => true,
        _ => false,
    }
}

/// Seven digits, perhaps with a letter for the office's key: `1234567`, `1234567A`.
pub(super) fn check_benefit(benefit: &[u8]) -> Check {
    let form = has_form(benefit, b"9999999") || has_form(benefit, b"9999999A");
    needs_label_if(form && varies(benefit))
}

/// Seven digits and a letter or eight digits, or eight and a letter: `1234567A`. Eight digits that are a date are none.
pub(super) fn check_job_seeker(number: &[u8]) -> Check {
    let form =
        has_form(number, b"9999999A") || has_form(number, b"99999999A") || (has_form(number, b"99999999") && !is_date(number));
    needs_label_if(form && varies(number))
}

/// Ten digits of which the first two are a département: `7503012345`. What begins with 0 is a telephone number more often.
pub(super) fn check_residence(number: &[u8]) -> Check {
    needs_label_if(has_form(number, b"9999999999") && number[0] != b'0' && varies(number))
}

fn varies(number: &[u8]) -> bool {
    number.iter().any(|byte| *byte != number[0])
}

/// `20261121` or `21112026`.
fn is_date(digits: &[u8]) -> bool {
    let part = |at: usize| number(&digits[at..at + 2]).unwrap_or(0);
    let (day, month) = (|value| (1..=31).contains(&value), |value| (1..=12).contains(&value));
    (matches!(part(0), 19 | 20) && month(part(4)) && day(part(6)))
        || (day(part(0)) && month(part(2)) && matches!(part(4), 19 | 20))
}

fn needs_label_if(right: bool) -> Check {
    if right { Check::NeedsLabel } else { Check::Invalid }
}

/// 9 a digit, A a letter.
fn has_form(number: &[u8], form: &[u8]) -> bool {
    number.len() == form.len()
        && number
            .iter()
            .zip(form)
            .all(|(byte, kind)| if *kind == b'9' { byte.is_ascii_digit() } else { byte.is_ascii_uppercase() })
}

#[cfg(test)]
mod tests {
    use super::super::compact;
    use super::*;

    #[test]
    fn each_form() {
        type Case = (fn(&[u8]) -> Check, &'static str, Check);
        let cases: &[Case] = &[
            (check_card, "880692310285", Check::NeedsLabel),
            (check_card, "881392310285", Check::Invalid), // month 13
            (check_card, "D2H6862M2", Check::NeedsLabel),
            (check_card, "IDENTITES", Check::Invalid),
            (check_card, "123456789", Check::Invalid), // digits only
            (check_passport, "12AB34567", Check::NeedsLabel),
            (check_passport, "12ABC4567", Check::Invalid),
            (check_passport, "12AB3456", Check::Invalid),
            (check_licence, "140675100123", Check::NeedsLabel),
            (check_licence, "141375100123", Check::Invalid),
            (check_licence, "13AA00002", Check::NeedsLabel),
            (check_plate, "AB-123-CD", Check::Valid),
            (check_plate, "AB-123-CO", Check::Invalid), // O
            (check_plate, "SS-123-AB", Check::Invalid),
            (check_plate, "WW-123-AB", Check::Invalid), // provisional
            (check_plate, "AB-000-CD", Check::Invalid),
            (check_plate, "1234 AB 75", Check::NeedsLabel),
            (check_plate, "123 ABC 2A", Check::NeedsLabel),
            (check_plate, "1234 AB 96", Check::Invalid),
            (check_plate, "1234 ABCD 75", Check::Invalid),
            (check_plate, "12 AU 15", Check::Invalid), // from the 12th to the 15th
            (check_plate, "75", Check::Invalid),
            (check_benefit, "1234567", Check::NeedsLabel),
            (check_benefit, "0000000", Check::Invalid),
            (check_benefit, "123456", Check::Invalid),
            (check_job_seeker, "1234567A", Check::NeedsLabel),
            (check_job_seeker, "20261121", Check::Invalid), // a date
            (check_job_seeker, "21112026", Check::Invalid),
            (check_residence, "7503012345", Check::NeedsLabel),
            (check_residence, "0199001234", Check::Invalid), // a telephone number
        ];
        for (check, number, expected) in cases {
            assert_eq!(check(&compact(number.as_bytes())), *expected, "{number}");
        }
    }
}
