//! Turns a number into the verdict on Swiss numbers: old-age insurance, companies, VAT.

use super::arithmetic::{digits, verdict, weighted};
use super::{Check, Strength, Validator};

pub(super) static VALIDATORS: [Validator; 3] = [
    Validator::new(
        "ch-ahv",
        ("assurance vieillesse suisse (AVS), 756 et clé EAN-13", "Swiss old-age insurance number (AHV), 756 and EAN-13 key"),
        "756.9217.0769.85",
        Strength::Strong,
        check_ahv,
    ),
    Validator::new(
        "ch-uid",
        ("entreprise suisse (IDE), CHE et clé modulo 11", "Swiss company number (UID), CHE and key modulo 11"),
        "CHE-107.787.577",
        Strength::Weak,
        check_uid,
    ),
    Validator::new(
        "ch-vat",
        ("TVA suisse : IDE suivi de TVA, MWST, IVA ou TPV", "Swiss VAT number: UID followed by MWST, TVA, IVA or TPV"),
        "CHE-107.787.577 TVA",
        Strength::Weak,
        check_vat,
    ),
];

/// `756.9217.0769.85`: 756 is Switzerland (ISO 3166); 1 and 3 in turn times the digits = 115 without the last, 5 up to the
/// next ten (BSV, "Versichertennummer"; GS1 check digit).
fn check_ahv(ahv: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<13>(ahv)?;
        Some(ahv.starts_with(b"756") && weighted(&d, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10))
    })
}

/// `CHE-107.787.577`: 5·1 + 4·0 + 3·7 + 2·7 + 7·8 + 6·7 + 5·5 + 4·7 = 191; 191 mod 11 = 4, 11 − 4 = 7; 10 is not used (eCH-0097).
fn check_uid(uid: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<9>(uid.strip_prefix(b"CHE")?)?;
        Some(d.iter().any(|digit| *digit != 0) && (weighted(&d, &[5, 4, 3, 2, 7, 6, 5, 4]) + d[8]).is_multiple_of(11))
    })
}

/// `CHE-107.787.577 TVA`: a UID and the tax in German, French, Italian or Romansh (MWSTG art. 66; eCH-0097).
fn check_vat(vat: &[u8]) -> Check {
    verdict(|| {
        let (uid, tax) = vat.split_at_checked(12)?;
        Some(matches!(tax, b"MWST" | b"TVA" | b"IVA" | b"TPV") && check_uid(uid) == Check::Valid)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people_and_companies() {
        verdicts(
            "ch-ahv",
            &["756.9217.0769.85", "7569217076985"],
            &["756.9217.0769.84", "756.9217.0796.85", "757.9217.0769.82", "756921707698"],
        );
        verdicts(
            "ch-uid",
            &["CHE-107.787.577", "che107787577"],
            &["CHE-107.787.578", "CHE-107.787.757", "CHF-107.787.577", "CHE-000.000.000", "107787577"],
        );
        verdicts(
            "ch-vat",
            &["CHE-107.787.577 TVA", "CHE107787577MWST"],
            &["CHE-107.787.578 TVA", "CHE-107.787.577", "CHE-107.787.577 VAT"],
        );
    }
}
