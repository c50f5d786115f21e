//! Turns a number into the verdict on numbers of the United Kingdom: insurance, health, tax, pupils, drivers.

use super::arithmetic::{digits, value, verdict, weighted};
use super::{Check, Strength, Validator};

pub(super) static VALIDATORS: [Validator; 6] = [
    Validator::new(
        "gb-nino",
        (
            "assurance nationale britannique : préfixe et suffixe attribués",
            "UK National Insurance number: assigned prefix and suffix",
        ),
        "AB 12 34 56 C",
        Strength::Weak,
        check_nino,
    ),
    Validator::new(
        "gb-nhs",
        ("patient du NHS, 10 chiffres, clé modulo 11", "UK NHS number, 10 digits, key modulo 11"),
        "943 476 5919",
        Strength::Weak,
        check_nhs,
    ),
    Validator::new(
        "gb-utr",
        ("contribuable britannique (UTR), 10 chiffres, clé en tête", "UK taxpayer reference, 10 digits, key first"),
        "1955839661",
        Strength::Weak,
        check_utr,
    ),
    Validator::new(
        "gb-vat",
        ("TVA britannique, 9 ou 12 chiffres, clé modulo 97", "UK VAT number, 9 or 12 digits, key modulo 97"),
        "GB 980 7806 84",
        Strength::Weak,
        check_vat,
    ),
    Validator::new(
        "gb-upn",
        ("élève anglais (UPN), lettre de contrôle en tête", "English pupil number, check letter first"),
        "B801200005001",
        Strength::Weak,
        check_upn,
    ),
    Validator::new(
        "gb-dl",
        (
            "permis de conduire britannique : nom, date de naissance, initiales",
            "UK driving licence: name, birth date, initials",
        ),
        "MORGA 753116 SM9IJ",
        Strength::Weak,
        check_dl,
    ),
];

/// `AB 12 34 56 C`: two letters that were given out, six digits, A to D (HMRC, NIM39110).
fn check_nino(nino: &[u8]) -> Check {
    let assigned = |pair: &[u8]| {
        pair.iter().all(|letter| letter.is_ascii_uppercase() && !b"DFIQUV".contains(letter))
            && pair[1] != b'O'
            && !matches!(pair, b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ")
    };
    verdict(|| {
        Some(nino.len() == 9 && assigned(&nino[..2]) && digits::<6>(&nino[2..8]).is_some() && matches!(nino[8], b'A'..=b'D'))
    })
}

/// `943 476 5919`: 10·9 + 9·4 + 8·3 + 7·4 + 6·7 + 5·6 + 4·5 + 3·9 + 2·1 = 299; 299 mod 11 = 2, 11 − 2 = 9, the last digit; a
/// remainder that would need 10 is not used (NHS Data Dictionary, NHS NUMBER).
fn check_nhs(nhs: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<10>(nhs)?;
        Some(value(&d) != 0 && weighted(&d, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11))
    })
}

/// `1955839661`: 6·9 + 7·5 + 8·5 + 9·8 + 10·3 + 5·9 + 4·6 + 3·6 + 2·1 = 320; 320 mod 11 = 1, place 1 of 21987654321 = 1, the
/// first digit; a K may follow (HMRC, CT modulus 11 check).
fn check_utr(utr: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<10>(utr.strip_suffix(b"K").unwrap_or(utr))?;
        let sum = weighted(&d[1..], &[6, 7, 8, 9, 10, 5, 4, 3, 2]);
        Some(value(&d) != 0 && d[0] == [2, 1, 9, 8, 7, 6, 5, 4, 3, 2, 1][(sum % 11) as usize])
    })
}

/// `GB 980 7806 84`: 8·9 + 7·8 + 6·0 + 5·7 + 4·8 + 3·0 + 2·6 = 207; 207 + 84 = 291 = 3·97. Since 2009 the same with 55 (or, as some publish it, 42) more;
/// three digits more name a branch; GD and HA are government and health authorities (HMRC, VATREG; EU VIES structure).
fn check_vat(vat: &[u8]) -> Check {
    let number = vat.strip_prefix(b"GB").or_else(|| vat.strip_prefix(b"XI")).unwrap_or(vat);
    verdict(|| match number {
        [b'G', b'D', rest @ ..] => Some(number.len() < vat.len() && value(&digits::<3>(rest)?) < 500),
        [b'H', b'A', rest @ ..] => Some(number.len() < vat.len() && value(&digits::<3>(rest)?) >= 500),
        _ => {
            let d = match number.len() {
                9 => digits::<9>(number)?,
                _ => digits::<12>(number).and_then(|d| d[..9].try_into().ok())?,
            };
            let sum = u64::from(weighted(&d, &[8, 7, 6, 5, 4, 3, 2])) + value(&d[7..]);
            Some(value(&d[..7]) != 0 && matches!(sum % 97, 0 | 42 | 55))
        }
    })
}

/// `B801200005001`: 2·8 + 3·0 + 4·1 + 5·2 + … + 13·1 = 70; 70 mod 23 = 1, letter 1 of the alphabet without I, O and S, from
/// A = 0; a temporary number ends in such a letter (Department for Education, "Unique pupil numbers", 2019).
fn check_upn(upn: &[u8]) -> Check {
    const LETTERS: &[u8; 23] = b"ABCDEFGHJKLMNPQRTUVWXYZ";
    let place = |byte: u8| LETTERS.iter().position(|letter| *letter == byte).map(|place| place as u32);
    verdict(|| {
        let (first, rest) = upn.split_first()?;
        let (last, middle) = rest.split_last()?;
        let d = digits::<11>(middle)?;
        let last = if last.is_ascii_digit() { u32::from(last - b'0') } else { place(*last)? };
        Some(place(*first)? == (weighted(&d, &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) + 13 * last) % 23)
    })
}

/// `MORGA 753116 SM9IJ`: five letters of the surname filled up with 9, the decade (7), the month (53: 5 is added for women),
/// the day (11), the year (6), two initials, and three characters that make it unique (DVLA INF1D).
fn check_dl(licence: &[u8]) -> Check {
    // What is missing in a name is 9s at its end.
    let name = |part: &[u8]| {
        let letters = part.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
        part[letters..].iter().all(|byte| *byte == b'9')
    };
    verdict(|| {
        let (number, issue) = licence.split_at_checked(16)?;
        let d = digits::<6>(&number[5..11])?;
        let (year, month) = (d[0] * 10 + d[5], (d[1] % 5) * 10 + d[2]);
        let birth = matches!(d[1], 0 | 1 | 5 | 6) && super::arithmetic::is_short_date(year, month, d[3] * 10 + d[4]);
        let tail = number[13].is_ascii_digit() && number[14..].iter().all(u8::is_ascii_alphanumeric);
        let issued = issue.is_empty() || (issue.len() == 2 && issue.iter().all(u8::is_ascii_digit));
        Some(number[0].is_ascii_uppercase() && name(&number[..5]) && birth && name(&number[11..13]) && tail && issued)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people() {
        verdicts(
            "gb-nino",
            &["AB 12 34 56 C", "jg103759a"],
            &["DA123456A", "AO123456A", "GB123456A", "ZZ123456A", "AB123456E", "AB12345C", "A1123456A"],
        );
        verdicts("gb-nhs", &["943 476 5919", "401 023 2137"], &["943 476 5918", "943 476 9519", "0000000000", "94347659190"]);
        verdicts(
            "gb-upn",
            &["B801200005001", "H801200001001", "L80120000100D"],
            &["C801200005001", "B801200005010", "I801200005001", "B80120000500"],
        );
        verdicts(
            "gb-dl",
            &["MORGA 753116 SM9IJ", "MORGA753116SM9IJ 35", "FOX99 001010 A99AB"],
            &[
                "MORGA733116SM9IJ",
                "MORGA753326SM9IJ",
                "9ORGA753116SM9IJ",
                "MO9GA753116SM9IJ",
                "MORGA753116SMAIJ",
                "MORGA753116SM9I",
            ],
        );
    }

    #[test]
    fn tax() {
        verdicts("gb-utr", &["1955839661", "1955839661K"], &["2955839661", "1955839616", "0000000000", "195583966"]);
        verdicts(
            "gb-vat",
            &["GB 980 7806 84", "980780684", "GB980780684001", "GBGD001", "GBHA599", "XI980780684"],
            &["GB802311781", "GB980780648", "GBGD600", "GBHA400", "HA599", "GB98078068"],
        );
    }
}
