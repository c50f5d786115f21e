//! Turns eleven digits into the verdict on a Turkish identity number (T.C. kimlik numarası; 5490 sayılı Nüfus Hizmetleri Kanunu).

use super::arithmetic::{digits, verdict};
use super::{Check, Strength, Validator};

pub(super) static VALIDATORS: [Validator; 1] = [Validator::new(
    "tr-tckn",
    ("identité turque, 11 chiffres, deux clés modulo 10", "Turkish identity number, 11 digits, two keys modulo 10"),
    "17291716060",
    Strength::Weak,
    check_tckn,
)];

/// `17291716060`: the first, third … ninth digits (1+2+1+1+0 = 5) times 7 less the second … eighth (7+9+7+6 = 29) end in 6, the
/// tenth; the sum of the first ten, 40, ends in 0, the eleventh.
fn check_tckn(tckn: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<11>(tckn)?;
        let odd: u32 = d[..9].iter().step_by(2).sum();
        let even: u32 = d[1..8].iter().step_by(2).sum();
        // 40 more, so that the difference stays above zero: four digits are at most 36.
        Some(d[0] != 0 && (odd * 7 + 40 - even) % 10 == d[9] && d[..10].iter().sum::<u32>() % 10 == d[10])
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people() {
        verdicts("tr-tckn", &["17291716060", "10000000146"], &["17291716050", "17291716006", "07291716060", "1729171606"]);
    }
}
