//! Turns letters and digits into the verdict on a bank account number (IBAN; ISO 13616, SWIFT IBAN registry).

use super::bank::rib_key_holds;
use super::{Check, Strength, Validator, digits_mod};

pub(super) static VALIDATORS: [Validator; 1] = [Validator {
    name: "iban",
    about: (
        "compte bancaire : longueur et structure du pays, clé modulo 97, clé nationale (FR, MC, BE, ES, IT, PT …)",
        "bank account: length and structure of the country, key modulo 97, national key (FR, MC, BE, ES, IT, PT …)",
    ),
    example: "FR14 2004 1010 0505 0001 3M02 606",
    strength: Strength::Strong,
    check,
    length: Some(length),
}];

/// `FR14 2004 1010 0505 0001 3M02 606`: France has 27 characters (5 + 5 digits, 11 letters or digits, 2 digits); moved to
/// the end, `FR14` makes the whole 1 modulo 97 (ISO/IEC 7064 MOD 97-10); the national key (RIB) is 06.
///
/// Countries that use the form without being in the registry, and accounts whose own country would not make their national key,
/// need a word that names them.
pub(super) fn check(iban: &[u8]) -> Check {
    let Some(structure) = structure(iban) else { return Check::Invalid };
    let (country, national) = (&iban[..2], iban.get(4..).unwrap_or_default());
    // Keys 00, 01 and 99 are never given (ISO 7064: the remainder is 02 to 98).
    let key = iban.get(2..4).and_then(|key| digits_mod(key, 100)).is_some_and(|key| (2..=98).contains(&key));
    if !key || !fits(structure, national) || remainder(iban) != Some(1) {
        return Check::Invalid;
    }
    match (national_key(country, national), is_registered(country)) {
        (NationalKey::Wrong, _) => Check::Invalid,
        (NationalKey::Doubtful, _) | (_, false) => Check::NeedsLabel,
        (NationalKey::Right, true) => Check::Valid,
    }
}

/// How many characters an IBAN that begins so has.
pub(super) fn length(iban: &[u8]) -> Option<usize> {
    Some(4 + pieces(structure(iban)?).map(|(count, _)| count).sum::<usize>())
}

/// What follows country and key, per country of the registry: counts of digits (n), letters (a) and either (c).
const STRUCTURES: [(&str, &str); 89] = [
    ("AD", "8n 12c"),
    ("AE", "19n"),
    ("AL", "8n 16c"),
    ("AT", "16n"),
    ("AZ", "4a 20c"),
    ("BA", "16n"),
    ("BE", "12n"),
    ("BG", "4a 6n 8c"),
    ("BH", "4a 14c"),
    ("BI", "23n"),
    ("BR", "23n 1a 1c"),
    ("BY", "4c 4n 16c"),
    ("CH", "5n 12c"),
    ("CR", "18n"),
    ("CY", "8n 16c"),
    ("CZ", "20n"),
    ("DE", "18n"),
    ("DJ", "23n"),
    ("DK", "14n"),
    ("DO", "4c 20n"),
    ("EE", "16n"),
    ("EG", "25n"),
    ("ES", "20n"),
    ("FI", "14n"),
    ("FK", "2a 12n"),
    ("FO", "14n"),
    ("FR", "10n 11c 2n"),
    ("GB", "4a 14n"),
    ("GE", "2a 16n"),
    ("GI", "4a 15c"),
    ("GL", "14n"),
    ("GR", "7n 16c"),
    ("GT", "24c"),
    ("HN", "4a 20n"),
    ("HR", "17n"),
    ("HU", "24n"),
    ("IE", "4a 14n"),
    ("IL", "19n"),
    ("IQ", "4a 15n"),
    ("IS", "22n"),
    ("IT", "1a 10n 12c"),
    ("JO", "4a 4n 18c"),
    ("KW", "4a 22c"),
    ("KZ", "3n 13c"),
    ("LB", "4n 20c"),
    ("LC", "4a 24c"),
    ("LI", "5n 12c"),
    ("LT", "16n"),
    ("LU", "3n 13c"),
    ("LV", "4a 13c"),
    ("LY", "21n"),
    ("MC", "10n 11c 2n"),
    ("MD", "20c"),
    ("ME", "18n"),
    ("MK", "3n 10c 2n"),
    ("MN", "16n"),
    ("MR", "23n"),
    ("MT", "4a 5n 18c"),
    ("MU", "4a 19n 3a"),
    ("NI", "4a 20n"),
    ("NL", "4a 10n"),
    ("NO", "11n"),
    ("OM", "3n 16c"),
    ("PK", "4a 16c"),
    ("PL", "24n"),
    ("PS", "4a 21c"),
    ("PT", "21n"),
    ("QA", "4a 21c"),
    ("RO", "4a 16c"),
    ("RS", "18n"),
    ("RU", "14n 15c"),
    ("SA", "2n 18c"),
    ("SC", "4a 20n 3a"),
    ("SD", "14n"),
    ("SE", "20n"),
    ("SI", "15n"),
    ("SK", "20n"),
    ("SM", "1a 10n 12c"),
    ("SO", "19n"),
    ("ST", "21n"),
    ("SV", "4a 20n"),
    ("TL", "19n"),
    ("TN", "20n"),
    ("TR", "6n 16c"),
    ("UA", "6n 19c"),
    ("VA", "18n"),
    ("VG", "4a 16n"),
    ("XK", "16n"),
    ("YE", "4a 4n 18c"),
];

/// Not in the registry: African and other countries that give numbers of this form, and territories whose banks use FR, GB or FI but
/// which some programs write with their own letters.
const UNREGISTERED: [(&str, &str); 38] = [
    ("AO", "21n"),
    ("AX", "14n"),
    ("BF", "2c 22n"),
    ("BJ", "2c 22n"),
    ("BL", "10n 11c 2n"),
    ("CF", "23n"),
    ("CG", "23n"),
    ("CI", "2c 22n"),
    ("CM", "23n"),
    ("CV", "21n"),
    ("DZ", "22n"),
    ("GA", "23n"),
    ("GF", "10n 11c 2n"),
    ("GG", "4a 14n"),
    ("GP", "10n 11c 2n"),
    ("GQ", "23n"),
    ("GW", "2c 19n"),
    ("IM", "4a 14n"),
    ("IR", "22n"),
    ("JE", "4a 14n"),
    ("KM", "23n"),
    ("MA", "24n"),
    ("MF", "10n 11c 2n"),
    ("MG", "23n"),
    ("ML", "2c 22n"),
    ("MQ", "10n 11c 2n"),
    ("MZ", "21n"),
    ("NC", "10n 11c 2n"),
    ("NE", "2c 22n"),
    ("PF", "10n 11c 2n"),
    ("PM", "10n 11c 2n"),
    ("RE", "10n 11c 2n"),
    ("SN", "2c 22n"),
    ("TD", "23n"),
    ("TF", "10n 11c 2n"),
    ("TG", "2c 22n"),
    ("WF", "10n 11c 2n"),
    ("YT", "10n 11c 2n"),
];

fn structure(iban: &[u8]) -> Option<&'static str> {
    let country = std::str::from_utf8(iban.get(..2)?).ok()?;
    let among =
        |table: &'static [(&str, &str)]| table.binary_search_by_key(&country, |entry| entry.0).ok().map(|found| table[found].1);
    among(&STRUCTURES).or_else(|| among(&UNREGISTERED))
}

fn is_registered(country: &[u8]) -> bool {
    std::str::from_utf8(country).is_ok_and(|country| STRUCTURES.binary_search_by_key(&country, |entry| entry.0).is_ok())
}

fn pieces(structure: &'static str) -> impl Iterator<Item = (usize, u8)> {
    structure.split(' ').filter_map(|piece| {
        let (count, kind) = piece.split_at(piece.len() - 1);
        Some((count.parse().ok()?, kind.as_bytes()[0]))
    })
}

fn fits(structure: &'static str, mut national: &[u8]) -> bool {
    for (count, kind) in pieces(structure) {
        let Some((piece, rest)) = national.split_at_checked(count) else { return false };
        let right = piece.iter().all(|byte| match kind {
            b'n' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
        });
        if !right {
            return false;
        }
        national = rest;
    }
    national.is_empty()
}

/// The whole modulo 97, its first four characters last, A = 10 … Z = 35.
fn remainder(iban: &[u8]) -> Option<u32> {
    iban[4..].iter().chain(&iban[..4]).try_fold(0u32, |rest, byte| {
        let value = (*byte as char).to_digit(36)?;
        Some((rest * if value < 10 { 10 } else { 100 } + value) % 97)
    })
}

/// What the key inside the national number says.
enum NationalKey {
    /// It holds, or the country publishes none.
    Right,
    /// It does not, but not all banks of the country keep to it.
    Doubtful,
    Wrong,
}

fn national_key(country: &[u8], national: &[u8]) -> NationalKey {
    let strict = |right| if right { NationalKey::Right } else { NationalKey::Wrong };
    let lenient = |right| if right { NationalKey::Right } else { NationalKey::Doubtful };
    match country {
        b"FR" | b"MC" => strict(rib_key_holds(national)),
        b"BL" | b"GF" | b"GP" | b"MF" | b"MQ" | b"NC" | b"PF" | b"PM" | b"RE" | b"TF" | b"WF" | b"YT" => {
            strict(rib_key_holds(national))
        }
        // The first ten digits modulo 97, 97 for 0 (Febelfin).
        b"BE" => strict(
            digits_mod(&national[..10], 97).map(|rest| if rest == 0 { 97 } else { rest }) == digits_mod(&national[10..], 100),
        ),
        b"ES" => strict(ccc(national)),
        b"IT" | b"SM" => lenient(cin(&national[1..]) == Some(national[0])),
        // The whole is 1 modulo 97 (ISO/IEC 7064 MOD 97-10).
        b"BA" | b"ME" | b"MK" | b"PT" | b"RS" | b"SI" => lenient(digits_mod(national, 97).is_none_or(|rest| rest == 1)),
        _ => NationalKey::Right,
    }
}

/// CIN (Banca d'Italia): the places of the 22 letters and digits in two tables, odd and even, modulo 26.
fn cin(account: &[u8]) -> Option<u8> {
    const ODD: [u32; 26] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let sum = account.iter().enumerate().try_fold(0, |sum, (place, byte)| {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A',
            _ => return None,
        };
        Some(sum + if place % 2 == 0 { ODD[usize::from(value)] } else { u32::from(value) })
    })?;
    Some(b'A' + (sum % 26) as u8)
}

/// CCC (Banco de España): two check digits modulo 11, for bank and branch, and for the account.
fn ccc(national: &[u8]) -> bool {
    let digit = |digits: &[u8]| {
        let sum: u32 = digits.iter().rev().zip([6, 3, 7, 9, 10, 5, 8, 4, 2, 1]).map(|(d, w)| u32::from(d - b'0') * w).sum();
        match 11 - sum % 11 {
            11 => b'0',
            10 => b'1',
            other => b'0' + other as u8,
        }
    };
    digit(&national[..8]) == national[8] && digit(&national[10..]) == national[9]
}

#[cfg(test)]
mod tests {
    use super::super::compact;
    use super::super::tests::{single_digit_errors_that_pass, transpositions_that_pass};
    use super::*;

    #[test]
    fn published_examples_of_the_registry_pass() {
        for right in [
            "FR14 2004 1010 0505 0001 3M02 606",
            "MC58 1122 2000 0101 2345 6789 030",
            "DE89 3704 0044 0532 0130 00",
            "GB29 NWBK 6016 1331 9268 19",
            "BE68 5390 0754 7034",
            "ES91 2100 0418 4502 0005 1332",
            "IT60 X054 2811 1010 0000 0123 456",
            "CH93 0076 2011 6238 5295 7",
            "LU28 0019 4006 4475 0000",
            "NL91 ABNA 0417 1643 00",
            "NO93 8601 1117 947",
            "PT50 0002 0123 1234 5678 9015 4",
            "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
            "MU17 BOMM 0101 1010 3030 0200 000M UR",
            "BR18 0036 0305 0000 1000 9795 493C 1",
            "SC18 SSCB 1101 0000 0000 0000 1497 USD",
            "AD12 0001 2030 2003 5910 0100",
            "UA21 3223 1300 0002 6007 2335 6600 1",
            "VA59 0011 2300 0012 3456 78",
        ] {
            let number = compact(right.as_bytes());
            assert_eq!(check(&number), Check::Valid, "{right}");
            assert_eq!(length(&number), Some(number.len()), "{right}");
        }
    }

    #[test]
    fn other_lengths_countries_structures_and_keys_do_not() {
        for wrong in [
            "FR1420041010050500013M0260",   // a character short
            "FR1420041010050500013M026066", // one too many
            "XX1420041010050500013M02606",  // no such country
            "FR1520041010050500013M02606",  // key
            "FR1420041010050500013M02607",  // national key
            "GB2960161331926819NWBK",       // letters in the wrong place
            "DE8937040044053201300A",
            "FR",
            "",
        ] {
            assert_eq!(check(wrong.as_bytes()), Check::Invalid, "{wrong}");
        }
    }

    #[test]
    fn a_right_outer_key_does_not_excuse_a_wrong_national_key() {
        let national = "20041010050500013M02607";
        let outer = 98 - remainder(format!("FR00{national}").as_bytes()).unwrap();
        let iban = format!("FR{outer:02}{national}");
        assert_eq!(remainder(iban.as_bytes()), Some(1));
        assert_eq!(check(iban.as_bytes()), Check::Invalid);
    }

    #[test]
    fn any_single_wrong_digit_and_any_exchange_of_neighbours_is_caught() {
        for right in
            ["FR1420041010050500013M02606", "DE89370400440532013000", "GB29NWBK60161331926819", "PT50000201231234567890154"]
        {
            assert_eq!(single_digit_errors_that_pass(check, right), 0, "{right}");
            assert_eq!(transpositions_that_pass(check, right), 0, "{right}");
        }
    }

    fn with_key(country: &str, national: &str) -> String {
        let key = 98 - remainder(format!("{country}00{national}").as_bytes()).unwrap();
        format!("{country}{key:02}{national}")
    }

    #[test]
    fn a_doubtful_national_key_and_a_country_outside_the_registry_need_a_word() {
        for (country, national, expected) in [
            ("IT", "X0542811101000000123456", Check::Valid),
            ("IT", "Y0542811101000000123456", Check::NeedsLabel),
            ("PT", "000201231234567890155", Check::NeedsLabel),
            ("RS", "260005601001611379", Check::Valid),
            ("SN", "SN100152000048500003035", Check::Invalid),
            ("SN", "SN0100152000048500003035", Check::NeedsLabel),
            ("MA", "011519000001205000534921", Check::NeedsLabel),
            ("RE", "20041010050500013M02606", Check::NeedsLabel),
            ("RE", "20041010050500013M02607", Check::Invalid),
        ] {
            assert_eq!(check(with_key(country, national).as_bytes()), expected, "{country} {national}");
        }
    }

    #[test]
    fn countries_are_sorted_so_that_they_are_found() {
        assert!(STRUCTURES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(UNREGISTERED.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(UNREGISTERED.iter().all(|entry| !is_registered(entry.0.as_bytes())));
        assert!(
            STRUCTURES
                .iter()
                .all(|(_, structure)| (11..=30).contains(&pieces(structure).map(|(count, _)| count).sum::<usize>()))
        );
    }
}
