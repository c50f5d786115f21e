//! Turns a number into the verdict on Polish numbers: people, taxpayers, companies.

use super::arithmetic::{digits, is_date, value, verdict, weighted};
use super::{Check, Strength, Validator};

pub(super) static VALIDATORS: [Validator; 3] = [
    Validator::new(
        "pl-pesel",
        ("identité polonaise (PESEL) : naissance, clé modulo 10", "Polish identity number (PESEL): birth date, key modulo 10"),
        "44051401359",
        Strength::Weak,
        check_pesel,
    ),
    Validator::new(
        "pl-nip",
        ("contribuable polonais (NIP), 10 chiffres, clé modulo 11", "Polish taxpayer number (NIP), 10 digits, key modulo 11"),
        "856-734-62-15",
        Strength::Weak,
        check_nip,
    ),
    Validator::new(
        "pl-regon",
        (
            "entreprise polonaise (REGON), 9 ou 14 chiffres, clé modulo 11",
            "Polish company number (REGON), 9 or 14 digits, key modulo 11",
        ),
        "192598184",
        Strength::Weak,
        check_regon,
    ),
];

/// `44051401359`: born on 14 May 1944; weights 1 3 7 9, sum 101, up to the next ten 9. The month tells the century: +80 for
/// 18xx, +20, +40, +60 for 20xx to 22xx (ustawa o ewidencji ludności, art. 15-19).
fn check_pesel(pesel: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<11>(pesel)?;
        let (year, month, day) = (d[0] * 10 + d[1], d[2] * 10 + d[3], d[4] * 10 + d[5]);
        let century = [1900, 2000, 2100, 2200, 1800][(month / 20) as usize];
        let right = weighted(&d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10);
        Some(is_date(century + year, month % 20, day) && right)
    })
}

/// `856-734-62-15`: 6·8 + 5·5 + 7·6 + 2·7 + 3·3 + 4·4 + 5·6 + 6·2 + 7·1 = 203, modulo 11 = 5; 10 is not used (ustawa o zasadach
/// ewidencji podatników).
fn check_nip(nip: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<10>(nip.strip_prefix(b"PL").unwrap_or(nip))?;
        Some(value(&d) != 0 && weighted(&d, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == d[9])
    })
}

/// `192598184`: weights 8 9 2 3 4 5 6 7, modulo 11, 10 written as 0; local units have five digits more, with weights 2 4 8 5 0 9
/// 7 3 6 1 2 4 8 (rozporządzenie w sprawie rejestru REGON).
fn check_regon(regon: &[u8]) -> Check {
    let nine = |d: &[u32]| value(d) != 0 && weighted(d, &[8, 9, 2, 3, 4, 5, 6, 7]) % 11 % 10 == d[8];
    verdict(|| {
        if regon.len() == 9 {
            return Some(nine(&digits::<9>(regon)?));
        }
        let d = digits::<14>(regon)?;
        Some(nine(&d[..9]) && weighted(&d, &[2, 4, 8, 5, 0, 9, 7, 3, 6, 1, 2, 4, 8]) % 11 % 10 == d[13])
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people_and_companies() {
        verdicts(
            "pl-pesel",
            &["44051401359", "02270803624"],
            &["44051401358", "44051401395", "44131401359", "44053201359", "4405140135"],
        );
        verdicts("pl-nip", &["856-734-62-15", "PL 8567346215"], &["8567346216", "8567346251", "0000000000", "856734621"]);
        verdicts(
            "pl-regon",
            &["192598184", "12345678512347"],
            &["192598183", "192598148", "12345678512348", "000000000", "1925981840"],
        );
    }
}
