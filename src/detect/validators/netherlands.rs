//! Turns a number into the verdict on Dutch numbers: citizens, VAT, identity documents.

use super::arithmetic::{base_36, digits, value, verdict, weighted};
use super::{Check, Strength, Validator};

pub(super) static VALIDATORS: [Validator; 3] = [
    Validator::new(
        "nl-bsn",
        ("citoyen néerlandais (BSN), 9 chiffres, épreuve par 11", "Dutch citizen number (BSN), 9 digits, test by 11"),
        "1112.22.333",
        Strength::Weak,
        check_bsn,
    ),
    Validator::new(
        "nl-vat",
        ("TVA néerlandaise : NL, 9 chiffres, B, 2 chiffres", "Dutch VAT number: NL, 9 digits, B, 2 digits"),
        "NL 111222333 B01",
        Strength::Weak,
        check_vat,
    ),
    Validator::new(
        "nl-idcard",
        ("carte d'identité ou passeport néerlandais, structure seule", "Dutch identity card or passport, structure only"),
        "EM0000000",
        Strength::Weak,
        check_idcard,
    ),
];

/// `1112.22.333`: 9·1 + 8·1 + 7·1 + 6·2 + 5·2 + 4·2 + 3·3 + 2·3 − 1·3 = 66, a multiple of eleven (Rijksdienst voor
/// Identiteitsgegevens, Logisch Ontwerp BSN).
fn check_bsn(bsn: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<9>(bsn)?;
        Some(value(&d) != 0 && weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2, 10]).is_multiple_of(11))
    })
}

/// `NL 111222333 B01`: companies have a citizen number's test; people in business since 2020 have all characters, letters from
/// A = 10, modulo 97 = 1 (Belastingdienst, "btw-identificatienummer").
fn check_vat(vat: &[u8]) -> Check {
    verdict(|| {
        let number = vat.strip_prefix(b"NL")?;
        let tail = number.get(9..)?;
        digits::<9>(&number[..9])?;
        let branch = tail.len() == 3 && tail[0] == b'B' && value(&digits::<2>(&tail[1..])?) != 0;
        let rest = vat.iter().try_fold(0, |rest, byte| {
            let value = base_36(*byte)?;
            Some((rest * if value < 10 { 10 } else { 100 } + value) % 97)
        })?;
        Some(branch && (rest == 1 || check_bsn(&number[..9]) == Check::Valid))
    })
}

/// `EM0000000`: two letters, six letters or digits, a digit; never the letter O (Paspoortuitvoeringsregeling; RvIG).
fn check_idcard(number: &[u8]) -> Check {
    verdict(|| {
        let (last, first) = number.split_last()?;
        let letters = first.len() == 8 && first[..2].iter().all(u8::is_ascii_uppercase);
        let some_digits = first.get(2..)?.iter().filter(|byte| byte.is_ascii_digit()).count() >= 2;
        Some(letters && some_digits && last.is_ascii_digit() && !number.contains(&b'O'))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people_and_companies() {
        verdicts("nl-bsn", &["1112.22.333", "123456782"], &["1112.52.333", "123456728", "000000000", "12345678"]);
        verdicts(
            "nl-vat",
            &["NL 111222333 B01", "NL4495445B01".replace("4495445", "004495445").as_str(), "NL002455799B11"],
            &["NL123456789B90", "NL111222333B00", "NL111222333A01", "111222333B01"],
        );
        verdicts("nl-idcard", &["EM0000000", "SPECI2014"], &["E00000000", "EO0000000", "EM000000A", "EM000000", "SPECIMEN1"]);
    }
}
