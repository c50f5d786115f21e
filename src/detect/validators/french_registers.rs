//! Turns the numbers of French public registers into verdicts: TVA, excise, association, school and agent of the Éducation nationale.

use super::siren::check_siren;
use super::{Check, Strength, Validator, number, valid_if};

pub(super) static VALIDATORS: [Validator; 5] = [
    Validator {
        name: "fr-tva",
        about: ("TVA intracommunautaire : FR, clé, SIREN", "French VAT number: FR, key, SIREN"),
        example: "FR 40 303 265 045",
        strength: Strength::Strong,
        check: check_tva,
        length: None,
    },
    Validator {
        name: "fr-accise",
        about: ("numéro d'accise : FR0, année, bureau, type, rang", "French excise number"),
        example: "FR023004N9448",
        strength: Strength::Weak,
        check: check_accise,
        length: None,
    },
    Validator {
        name: "fr-rna",
        about: ("association : W, sous-préfecture, rang", "French association: W, sub-prefecture, order"),
        example: "W751234567",
        strength: Strength::Weak,
        check: check_rna,
        length: None,
    },
    Validator {
        name: "fr-uai",
        about: (
            "établissement scolaire (UAI, ex-RNE) : sept chiffres, lettre modulo 23",
            "French school: seven digits, letter modulo 23",
        ),
        example: "0750652B",
        strength: Strength::Weak,
        check: check_uai,
        length: None,
    },
    Validator {
        name: "fr-numen",
        about: (
            "NUMEN d'un agent de l'Éducation nationale : académie, année, rang, lettres",
            "French education staff number (NUMEN)",
        ),
        example: "11E9512345ABC",
        strength: Strength::Weak,
        check: check_numen,
        length: None,
    },
];

/// `FR 40 303 265 045` (CGI annexe 3, article 242 quater A): key (12 + 3·(SIREN mod 97)) mod 97 = (12 + 3·74) mod 97 = 40.
/// Keys with letters (no I, O) count in an alphabet of 34 and hold modulo 11. SIRENs that begin with 000 are Monaco's and have
/// no Luhn key.
pub(super) fn check_tva(tva: &[u8]) -> Check {
    let Some([first, second, siren @ ..]) = tva.strip_prefix(b"FR") else { return Check::Invalid };
    let (Some(value), 9) = (number(siren), siren.len()) else { return Check::Invalid };
    if value == 0 || (!siren.starts_with(b"000") && check_siren(siren) == Check::Invalid) {
        return Check::Invalid;
    }
    let (Some(one), Some(two)) = (tva_digit(*first), tva_digit(*second)) else { return Check::Invalid };
    valid_if(match (first.is_ascii_digit(), second.is_ascii_digit()) {
        (true, true) => one * 10 + two == (12 + 3 * (value % 97)) % 97,
        (true, false) => tva_letters_hold(value, one * 24 + two - 10),
        (false, _) => tva_letters_hold(value, (one * 34 + two).saturating_sub(100)),
    })
}

/// The place of a letter or digit among 0-9 and the letters without I and O.
fn tva_digit(byte: u8) -> Option<u64> {
    b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ".iter().position(|known| *known == byte).map(|place| place as u64)
}

fn tva_letters_hold(siren: u64, key: u64) -> bool {
    (siren + 1 + key / 11) % 11 == key % 11
}

/// `FR023004N9448` (douane, règlement (UE) n° 389/2012): FR0, the year (23), the customs office (004), the kind of operator (N:
/// E, N, C or B), the order (9448). No key.
pub(super) fn check_accise(accise: &[u8]) -> Check {
    let Some(rest) = accise.strip_prefix(b"FR0") else { return Check::Invalid };
    let right = rest.len() == 10
        && rest.iter().enumerate().all(|(place, byte)| if place == 5 { b"ENCB".contains(byte) } else { byte.is_ascii_digit() });
    if right { Check::NeedsLabel } else { Check::Invalid }
}

/// `W751234567` (répertoire national des associations): W, the sub-prefecture (751: Paris; also 2A1, 9R1), six digits. No key.
pub(super) fn check_rna(rna: &[u8]) -> Check {
    let Some([one, two, three, order @ ..]) = rna.strip_prefix(b"W") else { return Check::Invalid };
    let right = one.is_ascii_digit()
        && (two.is_ascii_digit() || matches!((one, two), (b'2', b'A' | b'B') | (b'9', b'A'..=b'Z')))
        && three.is_ascii_digit()
        && order.len() == 6
        && order.iter().all(u8::is_ascii_digit)
        && (*one, *two) != (b'0', b'0');
    valid_if(right)
}

/// `0750652B` (ministère de l'Éducation nationale, base Ramsese): 750652 mod 23 = 1 and the second letter of the alphabet without
/// I, O, Q is B.
pub(super) fn check_uai(uai: &[u8]) -> Check {
    let Some((letter, digits)) = uai.split_last() else { return Check::Invalid };
    let value = (digits.len() == 7).then(|| number(digits)).flatten().filter(|value| *value > 0);
    valid_if(value.is_some_and(|value| super::ine::KEYS[(value % 23) as usize] == *letter))
}

/// `11E9512345ABC` (arrêté du 28 juin 1991 on Numen; form as published): académie 01-33 or 43, E, G, P or A, year of entry, five
/// digits, three letters. No key, but hardly anything else has this form.
pub(super) fn check_numen(numen: &[u8]) -> Check {
    let Some((academy, rest)) = numen.split_at_checked(2) else { return Check::Invalid };
    let right = matches!(number(academy), Some(1..=33 | 43))
        && rest.len() == 11
        && matches!(rest[0], b'E' | b'G' | b'P' | b'A')
        && rest[1..8].iter().all(u8::is_ascii_digit)
        && rest[8..].iter().all(u8::is_ascii_uppercase);
    // The numbers began in 1992.
    valid_if(right && matches!(number(&rest[1..3]), Some(0..=60 | 92..=99)))
}

#[cfg(test)]
mod tests {
    use super::super::compact;
    use super::super::tests::{single_digit_errors_that_pass, transpositions_that_pass};
    use super::*;

    #[test]
    fn each_form() {
        type Case = (fn(&[u8]) -> Check, &'static str, Check);
        let cases: &[Case] = &[
            (check_tva, "FR40303265045", Check::Valid),
            (check_tva, "FR 23 334 175 221", Check::Valid),
            (check_tva, "FRK7399859412", Check::Valid),   // letter and digit
            (check_tva, "FR4Z123456782", Check::Valid),   // digit and letter
            (check_tva, "FR84323140391", Check::Invalid), // key
            (check_tva, "FRIO334175221", Check::Invalid), // no I, O
            (check_tva, "FR41303265045", Check::Invalid),
            (check_tva, "40303265045", Check::Invalid),
            (check_tva, "FR00000000000", Check::Invalid),
            (check_tva, "FRAA", Check::Invalid),
            (check_accise, "FR023004N9448", Check::NeedsLabel),
            (check_accise, "FR012907A0820", Check::Invalid), // no kind A
            (check_accise, "FR0XX907E0820", Check::Invalid),
            (check_rna, "W751234567", Check::Valid),
            (check_rna, "W2A1000123", Check::Valid),
            (check_rna, "W9R1000123", Check::Valid),
            (check_rna, "W001234567", Check::Invalid),
            (check_rna, "W75123456", Check::Invalid),
            (check_uai, "0750652B", Check::Valid),
            (check_uai, "0750652C", Check::Invalid),
            (check_uai, "0750652I", Check::Invalid),
            (check_uai, "0000000A", Check::Invalid),
            (check_numen, "11E9512345ABC", Check::Valid),
            (check_numen, "43G0700001XYZ", Check::Valid),
            (check_numen, "34E9512345ABC", Check::Invalid), // no such académie
            (check_numen, "11F9512345ABC", Check::Invalid),
            (check_numen, "11E8512345ABC", Check::Invalid), // before there were any
            (check_numen, "11E9512345AB1", Check::Invalid),
        ];
        for (check, number, expected) in cases {
            assert_eq!(check(&compact(number.as_bytes())), *expected, "{number}");
        }
    }

    #[test]
    fn any_single_wrong_digit_is_caught_where_there_is_a_key() {
        assert_eq!(single_digit_errors_that_pass(check_tva, "FR40303265045"), 0);
        assert_eq!(single_digit_errors_that_pass(check_uai, "0750652B"), 0);
    }

    #[test]
    fn any_exchange_of_neighbours_is_caught_where_there_is_a_key() {
        assert_eq!(transpositions_that_pass(check_tva, "FR40303265045"), 0);
        assert_eq!(transpositions_that_pass(check_uai, "0750652B"), 0);
    }

    proptest::proptest! {
        #[test]
        fn a_tva_of_any_siren_passes_with_its_own_key_only(head in 10_000_000u64..100_000_000, off in 1u64..97) {
            let siren = (0..10).map(|last| format!("{head}{last}")).find(|siren| check_siren(siren.as_bytes()) == Check::Valid).unwrap();
            let key = (12 + 3 * (siren.parse::<u64>().unwrap() % 97)) % 97;
            proptest::prop_assert_eq!(check_tva(format!("FR{key:02}{siren}").as_bytes()), Check::Valid);
            let other = (key + off) % 97;
            proptest::prop_assert_eq!(check_tva(format!("FR{other:02}{siren}").as_bytes()), Check::Invalid);
        }

        #[test]
        fn a_school_passes_with_its_own_letter_only(value in 1u64..10_000_000, off in 1usize..23) {
            let place = (value % 23) as usize;
            let letter = |place: usize| super::super::ine::KEYS[place % 23] as char;
            proptest::prop_assert_eq!(check_uai(format!("{value:07}{}", letter(place)).as_bytes()), Check::Valid);
            proptest::prop_assert_eq!(check_uai(format!("{value:07}{}", letter(place + off)).as_bytes()), Check::Invalid);
        }
    }
}
