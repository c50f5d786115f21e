//! Turns digits into the verdict on a telephone number: the French plan (ARCEP) and international numbers (ITU-T E.164).

use super::{Check, Strength, Validator, valid_if};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator {
        name: "fr-phone",
        about: ("téléphone français, 0 ou 33 ou un indicatif d'outre-mer", "French telephone, 0 or 33 or an overseas prefix"),
        example: "01 99 00 12 34",
        strength: Strength::Weak,
        check: check_french,
        length: None,
    },
    Validator {
        name: "phone-intl",
        about: (
            "téléphone international : indicatif de pays, 8 à 15 chiffres",
            "international telephone: country code, 8 to 15 digits",
        ),
        example: "44 20 7946 0958",
        strength: Strength::Weak,
        check: check_international,
        length: None,
    },
];

/// `01 99 00 12 34`: 0, 1 to 9 and eight digits; `33 1 99 00 12 34` and `33 (0)1 …` abroad; overseas 262, 508, 590, 594, 596, 681,
/// 687 and 689 with the numbers of their own plans.
pub(super) fn check_french(phone: &[u8]) -> Check {
    let phone = phone.strip_prefix(b"00").unwrap_or(phone);
    let digits = phone.iter().all(u8::is_ascii_digit);
    let national = |number: &[u8]| number.len() == 9 && number[0] != b'0';
    valid_if(
        digits
            && match phone {
                [b'0', number @ ..] => national(number),
                [b'3', b'3', b'0', number @ ..] | [b'3', b'3', number @ ..] if national(number) => true,
                [b'2', b'6', b'2', number @ ..] | [b'5', b'9', b'0' | b'4' | b'6', number @ ..] => {
                    national(number.strip_prefix(b"0").unwrap_or(number))
                }
                [b'5', b'0', b'8', number @ ..] | [b'6', b'8', b'1' | b'7', number @ ..] => matches!(number.len(), 6 | 9),
                [b'6', b'8', b'9', number @ ..] => number.len() == 8,
                _ => false,
            },
    )
}

/// `44 20 7946 0958`: a country code of ITU-T E.164 and 8 to 15 digits in all. Anything may look so: only beside a word, or behind
/// a plus sign that the rule asks for.
pub(super) fn check_international(phone: &[u8]) -> Check {
    let phone = phone.strip_prefix(b"00").unwrap_or(phone);
    let right = (8..=15).contains(&phone.len()) && phone.iter().all(u8::is_ascii_digit) && has_country(phone);
    valid_if(right && phone.iter().any(|digit| *digit != phone[0]))
}

/// Zones 1 and 7, the codes of two digits, and the beginnings of those of three.
fn has_country(phone: &[u8]) -> bool {
    const TWO: &[u8] =
        b"202730313233343639404143444546474849515253545556575860616263646566818284869091929394959821222324252629353738\
42505967686980858788969799";
    matches!(phone[0], b'1' | b'7') || TWO.chunks_exact(2).any(|code| phone.starts_with(code))
}

#[cfg(test)]
mod tests {
    use super::super::compact;
    use super::*;

    #[test]
    fn each_form() {
        type Case = (fn(&[u8]) -> Check, &'static str, Check);
        let cases: &[Case] = &[
            (check_french, "01 99 00 12 34", Check::Valid),
            (check_french, "06.39.98.12.34", Check::Valid),
            (check_french, "+33 1 99 00 12 34", Check::Valid),
            (check_french, "+33 (0)1 99 00 12 34", Check::Valid),
            (check_french, "0033 6 39 98 12 34", Check::Valid),
            (check_french, "+262 262 12 34 56", Check::Valid),
            (check_french, "+687 12 34 56", Check::Valid),
            (check_french, "00 99 00 12 34", Check::Invalid),
            (check_french, "01 99 00 12 3", Check::Invalid),
            (check_french, "+33 0 99 00 12", Check::Invalid),
            (check_international, "+44 20 7946 0958", Check::Valid),
            (check_international, "+1 202 555 0123", Check::Valid),
            (check_international, "0041 22 555 01 23", Check::Valid),
            (check_international, "+28 20 7946 0958", Check::Invalid), // no such country
            (check_international, "+44 20 79", Check::Invalid),
            (check_international, "+1111111111", Check::Invalid),
        ];
        for (check, number, expected) in cases {
            assert_eq!(check(&compact(number.as_bytes())), *expected, "{number}");
        }
    }
}
