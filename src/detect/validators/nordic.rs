//! Turns a number into the verdict on the numbers of people (and Swedish companies) of Sweden, Denmark, Finland, Norway, Iceland.

use super::arithmetic::{digits, is_date, is_short_date, value, verdict, weighted};
use super::{Check, Strength, Validator, luhn};

pub(super) static VALIDATORS: [Validator; 6] = [
    Validator::new(
        "se-pnr",
        ("personne en Suède : naissance, Luhn", "Swedish personal number: birth date, Luhn"),
        "880320-0016",
        Strength::Weak,
        check_pnr,
    ),
    Validator::new(
        "se-orgnr",
        ("organisation suédoise, 10 chiffres, Luhn", "Swedish organisation number, 10 digits, Luhn"),
        "212000-0142",
        Strength::Weak,
        check_orgnr,
    ),
    Validator::new(
        "dk-cpr",
        (
            "personne au Danemark : naissance seule, la clé n'existe plus",
            "Danish personal number: birth date only, the key was given up",
        ),
        "211062-5629",
        Strength::Weak,
        check_cpr,
    ),
    Validator::new(
        "fi-hetu",
        ("personne en Finlande : naissance, caractère modulo 31", "Finnish personal code: birth date, character modulo 31"),
        "131052-308T",
        Strength::Strong,
        check_hetu,
    ),
    Validator::new(
        "no-fnr",
        ("personne en Norvège : naissance, deux clés modulo 11", "Norwegian birth number: birth date, two keys modulo 11"),
        "151086 95088",
        Strength::Strong,
        check_fnr,
    ),
    Validator::new(
        "is-kt",
        ("kennitala islandaise : naissance, clé modulo 11, siècle", "Icelandic kennitala: birth date, key modulo 11, century"),
        "120174-3399",
        Strength::Weak,
        check_kt,
    ),
];

/// `880320-0016`, also with the century `19880320-0016`: Luhn's formula over the last ten digits; coordination numbers have 60
/// added to the day (Skatteverket, SKV 704; folkbokföringslagen § 18).
fn check_pnr(pnr: &[u8]) -> Check {
    verdict(|| {
        let (century, short) = pnr.split_at_checked(pnr.len().checked_sub(10)?)?;
        let d = digits::<10>(short)?;
        let (year, month, day) = (d[0] * 10 + d[1], d[2] * 10 + d[3], (d[4] * 10 + d[5]) % 60);
        let born = match century {
            b"" => is_short_date(year, month, day),
            b"18" => is_date(1800 + year, month, day),
            b"19" => is_date(1900 + year, month, day),
            b"20" => is_date(2000 + year, month, day),
            _ => false,
        };
        Some(born && value(&d[6..9]) != 0 && luhn::holds(short))
    })
}

/// `212000-0142`: Luhn's formula; the third digit is 2 or more, so that it is no birth date, but people in business use their own
/// personal number (SFS 1974:174). VAT: SE, the ten digits, 01.
fn check_orgnr(orgnr: &[u8]) -> Check {
    let number = orgnr.strip_prefix(b"SE").and_then(|rest| rest.strip_suffix(b"01")).unwrap_or(orgnr);
    let number = number.strip_prefix(b"16").filter(|rest| rest.len() == 10).unwrap_or(number);
    verdict(|| {
        let d = digits::<10>(number)?;
        Some(value(&d) != 0 && luhn::holds(number))
    })
}

/// `211062-5629`: born on 21 October 1962, the seventh digit tells the century. Since 2007 numbers are given without the key
/// modulo 11, so nothing but the date can be tested: only with a word (CPR-kontoret, "Personnummeret i CPR").
fn check_cpr(cpr: &[u8]) -> Check {
    let right = verdict(|| {
        let d = digits::<10>(cpr)?;
        let (day, month, year) = (d[0] * 10 + d[1], d[2] * 10 + d[3], d[4] * 10 + d[5]);
        let century = match (d[6], year) {
            (0..=3, _) | (4 | 9, 37..) => 1900,
            (4..=9, ..=36) | (5..=8, 37..=57) => 2000,
            _ => 1800,
        };
        Some(is_date(century + year, month, day))
    });
    if right == Check::Valid { Check::NeedsLabel } else { right }
}

/// `131052-308T`: born on 13 October 1952; 131052308 mod 31 = 25, T. The sign is + for 18xx, - and U to Y for 19xx, A to F for
/// 20xx; of the signs only letters are part of the compact form (VTJ, asetus 128/2010; from 2023 on asetus 690/2022).
fn check_hetu(hetu: &[u8]) -> Check {
    const KEYS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    verdict(|| {
        let (date, rest) = hetu.split_at_checked(6)?;
        let (sign, rest) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
        let d = digits::<6>(date)?;
        let serial = digits::<3>(&rest[..3])?;
        let (day, month, year) = (d[0] * 10 + d[1], d[2] * 10 + d[3], d[4] * 10 + d[5]);
        let born = match sign {
            b"" => is_date(1900 + year, month, day) || is_date(1800 + year, month, day),
            [b'U'..=b'Y'] => is_date(1900 + year, month, day),
            [b'A'..=b'F'] => is_date(2000 + year, month, day),
            _ => false,
        };
        let number = value(&d) * 1000 + value(&serial);
        Some(born && value(&serial) >= 2 && KEYS[(number % 31) as usize] == rest[3])
    })
}

/// `151086 95088`: born on 15 October 1986; weights 3 7 6 1 8 9 4 5 2 and 1 for the first key, 5 4 3 2 7 6 5 4 3 2 and 1 for the
/// second, both sums multiples of eleven. D numbers have 40 added to the day, H numbers 40 and test numbers 80 to the month
/// (Skatteetaten, folkeregisterforskriften § 2-2-1).
fn check_fnr(fnr: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<11>(fnr)?;
        let (day, month, year) = ((d[0] * 10 + d[1]) % 40, (d[2] * 10 + d[3]) % 40, d[4] * 10 + d[5]);
        let first = weighted(&d, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]);
        let second = weighted(&d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]);
        Some(is_short_date(year, month, day) && first.is_multiple_of(11) && second.is_multiple_of(11))
    })
}

/// `120174-3399`: born on 12 January 1974; 3·1 + 2·2 + 7·0 + 6·1 + 5·7 + 4·4 + 3·3 + 2·3 = 79, with the key 9 a multiple of
/// eleven; the last digit is the century (8, 9, 0). Companies have 40 added to the day (Þjóðskrá, kennitala).
fn check_kt(kt: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<10>(kt)?;
        let (day, month, year) = ((d[0] * 10 + d[1]) % 40, d[2] * 10 + d[3], d[4] * 10 + d[5]);
        let century = match d[9] {
            8 => 1800,
            9 => 1900,
            0 => 2000,
            _ => return None,
        };
        Some(is_date(century + year, month, day) && weighted(&d, &[3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;
    use super::*;

    #[test]
    fn people() {
        verdicts(
            "se-pnr",
            &["880320-0016", "19880320-0016", "880380-0012".replace("0012", &pnr_end("880380")).as_str()],
            &["880320-0018", "880332-0016", "17880320-0016", "881320-0016", "880320-001"],
        );
        verdicts(
            "fi-hetu",
            &["131052-308T", "131052308T", "131052+308T", "131052A308T", "131052W308T"],
            &["131052-308U", "131352-308T", "131052-380T", "131052-001B", "131052G308T", "131052308"],
        );
        verdicts("no-fnr", &["151086 95088", "15108695088"], &["15108695077", "15108695808", "15138695088", "1510869508"]);
        verdicts(
            "is-kt",
            &["120174-3399", "450401-3150"],
            &["530575-0299", "320174-3399", "120174-3391", "121374-3399", "120174339"],
        );
    }

    fn pnr_end(date: &str) -> String {
        (0..10).map(|key| format!("001{key}")).find(|end| check_pnr(format!("{date}{end}").as_bytes()) == Check::Valid).unwrap()
    }

    #[test]
    fn a_danish_number_always_needs_a_word() {
        for (number, expected) in [
            ("2110625629", Check::NeedsLabel),
            ("2902004000", Check::NeedsLabel), // 29 February 2000
            ("2902000000", Check::Invalid),    // 1900 had none
            ("3210625629", Check::Invalid),
            ("211062562", Check::Invalid),
        ] {
            assert_eq!(check_cpr(number.as_bytes()), expected, "{number}");
        }
    }

    #[test]
    fn organisations() {
        verdicts("se-orgnr", &["212000-0142", "SE212000014201", "162120000142"], &["212000-0143", "212000-0124", "21200001"]);
    }
}
