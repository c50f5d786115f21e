//! Turns bank numbers that are no IBAN into verdicts: the French RIB (CFONB) and the BIC (ISO 9362).

use super::{Check, Strength, Validator, compact, digits_mod};

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator {
        name: "fr-rib",
        about: (
            "RIB : banque, guichet, compte, clé modulo 97",
            "French bank details (RIB): bank, branch, account, key modulo 97",
        ),
        example: "20041 01005 0500013M026 06",
        strength: Strength::AsWritten,
        check: check_rib,
        length: None,
    },
    Validator {
        name: "bic",
        about: ("BIC : huit ou onze caractères, pays, casse", "BIC: eight or eleven characters, country"),
        example: "AGRIFRPP882",
        strength: Strength::Weak,
        check: check_bic,
        length: None,
    },
];

/// `20041 01005 0500013M026 06`: letters count A-I 1-9, J-R 1-9, S-Z 2-9, so M is 4; key 97 − (89·20041 + 15·1005 +
/// 3·05000134026) mod 97 = 6. In other groups, or with the names of the
/// parts between them (`Banque 20041 Guichet 01005 …`), it needs a word.
pub(super) fn check_rib(written: &[u8]) -> Check {
    let parts: Vec<&[u8]> = written.split(|byte| !byte.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let usual = matches!(lengths.as_slice(), [23] | [21, 2] | [10, 11, 2] | [10, 13] | [5, 5, 13] | [5, 5, 11, 2]);
    // Without the names of the parts, which have no digits.
    let numbers = parts.iter().filter(|part| usual || compact(written).len() == 23 || part.iter().any(u8::is_ascii_digit));
    let rib: Vec<u8> = numbers.flat_map(|part| part.to_ascii_uppercase()).collect();
    match (is_rib(&rib), usual) {
        (true, true) => Check::Valid,
        (true, false) => Check::NeedsLabel,
        (false, _) => Check::Invalid,
    }
}

fn is_rib(rib: &[u8]) -> bool {
    let Some((numbers, key)) = rib.split_last_chunk::<2>() else { return false };
    // A key is 01 to 97: what is left after a division by 97, taken from 97.
    rib.len() == 23
        && numbers[..10].iter().all(u8::is_ascii_digit)
        && numbers.iter().any(|digit| *digit != b'0')
        && digits_mod(key, 100).is_some_and(|key| (1..=97).contains(&key))
        && rib_key_holds(rib)
}

/// The key of the 23 letters and digits of a RIB, wherever they stand.
pub(super) fn rib_key_holds(rib: &[u8]) -> bool {
    let digits: Vec<u8> = rib
        .iter()
        .map(|byte| match byte {
            b'A'..=b'I' => byte - b'A' + b'1',
            b'J'..=b'R' => byte - b'J' + b'1',
            b'S'..=b'Z' => byte - b'S' + b'2',
            digit => *digit,
        })
        .collect();
    // Bank, branch, account and key in one number are a multiple of 97: the weights 89, 15 and 3 say the same.
    digits_mod(&digits, 97) == Some(0)
}

/// `AGRIFRPP882`: four letters, a country (FR), two letters or digits, and perhaps three for a branch. There is no key, so it
/// needs a word that names it.
pub(super) fn check_bic(bic: &[u8]) -> Check {
    let right = matches!(bic.len(), 8 | 11)
        && bic[..6].iter().all(u8::is_ascii_uppercase)
        && is_country(&bic[4..6])
        && bic[6..].iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && !WORDS.contains(&bic);
    if right { Check::NeedsLabel } else { Check::Invalid }
}

/// Words in capitals that stand in bank forms and have a country's letters in their fifth and sixth place.
const WORDS: &[&[u8]] = &[
    b"BANCAIRE",
    b"ARGUMENT",
    b"VIREMENT",
    b"PAIEMENT",
    b"DOCUMENT",
    b"DOMICILE",
    b"MONTANTS",
    b"COMPTABLE",
    b"REGLEMENT",
    b"ADMINISTRATIF",
    b"FOURNISSEUR",
    b"IDENTIFIANT",
    b"ETABLISSEMENT",
    b"BANQUAIRE",
    b"PRESTATAIRE",
    b"EXPEDITEUR",
    b"ORDONNATEUR",
    b"ATTACHMENT",
    b"TRANSFER",
    b"STATEMENT",
    b"BENEFICIARY",
    b"CONFIDENTIAL",
    b"RECIPIENT",
    b"CUSTOMER",
    b"INVOICES",
];

/// ISO 3166-1 alpha-2 with Kosovo, as the registries of ISO 9362 and ISO 6166 use it.
pub(super) fn is_country(letters: &[u8]) -> bool {
    const COUNTRIES: &[u8] = b"ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCV\
CWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKG\
KHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPM\
PNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWS\
XKYEYTZAZMZW";
    COUNTRIES.chunks_exact(2).any(|country| country == letters)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{single_digit_errors_that_pass, transpositions_that_pass};
    use super::*;

    #[test]
    fn ribs() {
        let cases = [
            ("20041 01005 0500013M026 06", Check::Valid),
            ("30001 00794 12345678901 85", Check::Valid),
            ("30006 00001 12345678901 89", Check::Valid),
            ("20041 01005 0500 013M 026 06", Check::NeedsLabel),
            ("20041 Code guichet : 01005 N* de compte : 0500013M026 Cle RIB : 06", Check::NeedsLabel),
            ("20041 Code guichet : 01005 N* de compte : 0500013M026 Cle RIB : 07", Check::Invalid),
            ("20041 01005 0500013M026 07", Check::Invalid),
            ("20041 01005 0500013M026 6", Check::Invalid),
            ("2004A 01005 0500013M026 06", Check::Invalid),
            ("00000 00000 00000000000 97", Check::Invalid),
            ("00000 00000 00000000000 00", Check::Invalid),
            ("", Check::Invalid),
        ];
        for (rib, expected) in cases {
            assert_eq!(check_rib(rib.as_bytes()), expected, "{rib}");
        }
    }

    #[test]
    fn any_single_wrong_digit_and_any_exchange_of_neighbouring_digits_is_caught() {
        // An exchange with the letter M breaks the form or changes the value by a multiple of nine: 97 sees both.
        assert_eq!(single_digit_errors_that_pass(check_rib, "20041 01005 0500013M026 06"), 0);
        assert_eq!(transpositions_that_pass(check_rib, "30006 00001 12345678901 89"), 0);
    }

    #[test]
    fn bics() {
        let cases = [
            ("AGRIFRPP882", Check::NeedsLabel),
            ("BNPAFRPP", Check::NeedsLabel),
            ("PSSTFRPPLIL", Check::NeedsLabel),
            ("DEUTDEFF500", Check::NeedsLabel),
            ("BNPAZZPP", Check::Invalid),
            ("BANCAIRE", Check::Invalid),
            ("AGRIFRPP88", Check::Invalid),
            ("AGR1FRPP", Check::Invalid),
        ];
        for (bic, expected) in cases {
            assert_eq!(check_bic(bic.as_bytes()), expected, "{bic}");
        }
    }
}
