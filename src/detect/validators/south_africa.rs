//! Turns thirteen digits into the verdict on a South African identity number (Identification Act 68 of 1997; Home Affairs).

use super::arithmetic::{digits, is_short_date, verdict};
use super::{Check, Strength, Validator, luhn};

pub(super) static VALIDATORS: [Validator; 1] = [Validator::new(
    "za-id",
    ("identité sud-africaine : naissance, nationalité, Luhn", "South African identity number: birth date, citizenship, Luhn"),
    "750330 5044 08 9",
    Strength::Strong,
    check_id,
)];

/// `750330 5044 08 9`: born on 30 March 1975, citizen (0; 1 permanent resident, 2 refugee), Luhn's key 9.
fn check_id(id: &[u8]) -> Check {
    verdict(|| {
        let d = digits::<13>(id)?;
        Some(is_short_date(d[0] * 10 + d[1], d[2] * 10 + d[3], d[4] * 10 + d[5]) && d[10] <= 2 && luhn::holds(id))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::verdicts;

    #[test]
    fn people() {
        verdicts(
            "za-id",
            &["7503305044089", "8001015009087"],
            &["7503305044088", "7503305044098", "7513305044089", "7503305044389", "750330504408"],
        );
    }
}
