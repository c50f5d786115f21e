//! Turns a number into the verdict on Portuguese numbers: taxpayer and citizen card.

use super::arithmetic::{base_36, digits, verdict, weighted};
use super::{Check, Strength, Validator};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator::new(
        "pt-nif",
        (
            "contribuable portugais (NIF), 9 chiffres, clé modulo 11",
            "Portuguese taxpayer number (NIF), 9 digits, key modulo 11",
        ),
        "501 964 843",
        Strength::Weak,
        check_nif,
    ),
    Validator::new(
        "pt-cc",
        ("carte de citoyen portugaise, 12 caractères, Luhn", "Portuguese citizen card, 12 characters, Luhn"),
        "00000000 0 ZZ4",
        Strength::Weak,
        check_cc,
    ),
];

/// `501 964 843`: 9·5 + 8·0 + 7·1 + 6·9 + 5·6 + 4·4 + 3·8 + 2·4 = 184; 184 mod 11 = 8, 11 − 8 = 3; 10 and 11 are written 0
/// (Decreto-Lei 463/79; OECD TIN sheet PT).
fn check_nif(nif: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<9>(nif.strip_prefix(b"PT").unwrap_or(nif))?;
        let key = 11 - weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        Some(d[0] != 0 && d[8] == if key >= 10 { 0 } else { key })
    })
}

/// `00000000 0 ZZ4`: identity number, its key, the version ZZ, key 4; every second character from the right doubled, less 9
/// where that gives 10 or more, letters from A = 10: the sum is a multiple of ten (AMA, "Validação de Número de Documento do
/// Cartão de Cidadão").
fn check_cc(cc: &[u8]) -> Check {
    let right = verdict(|| {
        digits::<9>(cc.get(..9)?)?;
        digits::<1>(cc.get(11..)?)?;
        let sum = cc.iter().enumerate().try_fold(0, |sum, (place, byte)| {
            let doubled = base_36(*byte)? * if place % 2 == 0 { 2 } else { 1 };
            Some(sum + if place % 2 == 0 && doubled >= 10 { doubled - 9 } else { doubled })
        })?;
        Some(cc.len() == 12 && sum.is_multiple_of(10))
    });
    // Versions are letters on all cards so far; twelve digits are anything.
    let digits_only = cc.iter().all(u8::is_ascii_digit);
    if right == Check::Valid && digits_only { Check::NeedsLabel } else { right }
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people() {
        verdicts("pt-nif", &["501 964 843", "PT501964843"], &["501964842", "501964834", "001964843", "50196484"]);
        verdicts(
            "pt-cc",
            &["00000000 0 ZZ4"],
            &["00000000 0 ZZ3", "00000000 0 ZY4", "00000001 0 ZZ4", "000000000ZZZ", "00000000ZZ4"],
        );
    }
}
