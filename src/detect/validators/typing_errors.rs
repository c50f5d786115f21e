//! Holds that every scheme catches the typing errors it was made for: one wrong digit, two neighbours exchanged.
//!
//! A template gives the parts that stay (`?` is any digit, `#` a place where the key is looked for); what a scheme cannot
//! catch by its nature stands beside it, with the reason.

use super::{Check, compact, find};
use proptest::prelude::*;

/// Which of the possible errors are caught.
enum Catches {
    All,
    /// Most of them, and why not all.
    Most(&'static str),
}
use Catches::{All, Most};

struct Scheme {
    validator: &'static str,
    template: &'static str,
    wrong_digit: Catches,
    exchanged: Catches,
}

const fn scheme(validator: &'static str, template: &'static str, wrong_digit: Catches, exchanged: Catches) -> Scheme {
    Scheme { validator, template, wrong_digit, exchanged }
}

const LUHN: Catches = Most("Luhn's formula does not see 09 and 90");
const FIVE: Catches = Most("weights that differ by an even number do not see digits that differ by five");
const TEN: Catches = Most("two remainders modulo 11 share one key");
const TWICE: Catches = Most("two ways of computing the key are in use");
const HYBRID: Catches = Most("ISO 7064 MOD 11,10 lets a few exchanges pass");

static SCHEMES: [Scheme; 56] = [
    scheme("us-aba", "1110????#", All, FIVE),
    scheme("us-npi", "1????????#", All, LUHN),
    scheme("gb-nhs", "?????????#", All, All),
    scheme("gb-utr", "#?????????", TEN, TEN),
    scheme("gb-vat", "???????##", TWICE, TWICE),
    scheme("gb-upn", "B????????????", All, All),
    scheme("ie-pps", "???????F", All, All),
    scheme("de-steuer-id", "#5742618??#", All, HYBRID),
    scheme("de-vat", "DE1???????#", All, HYBRID),
    scheme("de-rvnr", "15070649C??#", Most("the weight 7 gives 4 and 0 the same sum"), TEN),
    scheme("de-kvnr", "A????????#", All, LUHN),
    scheme("de-personalausweis", "L?1X0?T4?#", All, FIVE),
    scheme("at-tin", "5???????#", All, LUHN),
    scheme("at-svnr", "1??#010180", All, All),
    scheme("at-vat", "ATU???????#", All, LUHN),
    scheme("ch-ahv", "756?????????#", All, FIVE),
    scheme("ch-uid", "CHE????????#", All, All),
    scheme("ch-vat", "CHE????????#TVA", All, All),
    scheme("es-nif", "???????#K", All, All),
    scheme("es-nie", "X??????#W", All, All),
    scheme("es-cif", "J???????#", All, LUHN),
    scheme("es-nuss", "28????????##", TWICE, TWICE),
    scheme("es-ccc", "????????##??????????", TEN, TEN),
    scheme("pt-nif", "5???????#", TEN, TEN),
    scheme("pt-cc", "????????#ZZ#", All, Most("letters and digits are weighed as in Luhn's formula")),
    scheme("it-iva", "???????015#", All, LUHN),
    scheme("be-nrn", "850730?????", TWICE, TWICE),
    scheme("be-vat", "0???????##", All, All),
    scheme("be-eid", "591???????##", All, All),
    scheme("nl-bsn", "????????#", All, All),
    scheme("nl-vat", "NL????????#B01", TWICE, TWICE),
    scheme("lu-vat", "LU??????##", All, All),
    scheme("lu-matricule", "18931201???##", All, All),
    scheme("pl-pesel", "440514????#", All, FIVE),
    scheme("pl-nip", "?????????#", All, All),
    scheme("pl-regon", "????????#", TEN, TEN),
    scheme("se-pnr", "880320???#", All, LUHN),
    scheme("se-orgnr", "212?????##", All, LUHN),
    scheme("fi-hetu", "131052?##T", All, All),
    scheme("no-fnr", "151086???##", All, All),
    scheme("is-kt", "120174??#9", Most("the last digit, the century, is not counted"), Most("the last digit is not counted")),
    scheme("ee-ik", "3680528???#", TEN, TEN),
    scheme("lt-ak", "3330924???#", TEN, TEN),
    scheme("cz-rc", "710319???#", TEN, TEN),
    scheme("hr-oib", "??????????#", All, HYBRID),
    scheme("si-emso", "0101006500??#", TEN, TEN),
    scheme("ro-cnp", "163061512???#", TEN, TEN),
    scheme("bg-egn", "752316???#", TEN, TEN),
    scheme("gr-amka", "010130????#", All, LUHN),
    scheme("gr-vat", "????????#", TEN, TEN),
    scheme("tr-tckn", "1????????##", All, FIVE),
    scheme("za-id", "750330????08#", All, LUHN),
    scheme("ca-sin", "1???????#", All, LUHN),
    scheme("br-cpf", "?????????##", TEN, TEN),
    scheme("cn-ric", "36042619910101???#", All, All),
    scheme("kr-rrn", "971013?????##", TEN, TEN),
];

/// The schemes of which everything is caught and that begin with a digit other than 0.
static MORE: [Scheme; 4] = [
    scheme("in-aadhaar", "2??????????#", All, All),
    scheme("sg-nric", "S??????#D", All, All),
    scheme("au-tfn", "????????#", All, All),
    scheme("au-abn", "8?????????#", All, All),
];

/// A right number made from a template, if those digits have one.
fn completed(scheme: &Scheme, digits: &[u8]) -> Option<Vec<u8>> {
    let mut drawn = digits.iter().cycle();
    let number: Vec<u8> =
        scheme.template.bytes().map(|byte| if byte == b'?' { *drawn.next().unwrap() } else { byte }).collect();
    let keys: Vec<usize> = (0..number.len()).filter(|at| number[*at] == b'#').collect();
    let check = find(scheme.validator).unwrap().check;
    (0..10usize.pow(keys.len() as u32)).find_map(|mut key| {
        let mut tried = number.clone();
        for at in &keys {
            tried[*at] = b'0' + (key % 10) as u8;
            key /= 10;
        }
        (check(&tried) != Check::Invalid).then_some(tried)
    })
}

/// All numbers with one digit changed.
fn wrong_digits(right: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for at in (0..right.len()).filter(|at| right[*at].is_ascii_digit()) {
        for digit in (b'0'..=b'9').filter(|digit| *digit != right[at]) {
            let mut wrong = right.to_vec();
            wrong[at] = digit;
            all.push(wrong);
        }
    }
    all
}

/// All numbers with two different neighbouring digits exchanged.
fn exchanges(right: &[u8]) -> Vec<Vec<u8>> {
    let digits = |at: &usize| right[*at].is_ascii_digit() && right[at + 1].is_ascii_digit() && right[*at] != right[at + 1];
    (1..right.len())
        .map(|at| at - 1)
        .filter(digits)
        .map(|at| {
            let mut wrong = right.to_vec();
            wrong.swap(at, at + 1);
            wrong
        })
        .collect()
}

fn holds(scheme: &Scheme, caught: &Catches, errors: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let check = find(scheme.validator).unwrap().check;
    let passed: Vec<_> = errors.iter().filter(|wrong| check(wrong) != Check::Invalid).collect();
    match caught {
        All => prop_assert!(passed.is_empty(), "{}: {:?}", scheme.validator, String::from_utf8_lossy(passed[0])),
        Most(why) => {
            prop_assert!(!why.is_empty() && passed.len() < errors.len().max(10), "{}: {}", scheme.validator, passed.len());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn typing_errors_are_caught(digits in proptest::collection::vec(b'0'..=b'9', 20)) {
        for scheme in SCHEMES.iter().chain(&MORE) {
            if let Some(right) = completed(scheme, &digits) {
                holds(scheme, &scheme.wrong_digit, &wrong_digits(&right))?;
                holds(scheme, &scheme.exchanged, &exchanges(&right))?;
            }
        }
    }
}

#[test]
fn every_template_can_be_completed() {
    for scheme in SCHEMES.iter().chain(&MORE) {
        let digits = |seed: u32| {
            (0..20u32).map(|at| b'0' + (seed.wrapping_mul(2_654_435_761).rotate_left(at * 5) % 10) as u8).collect::<Vec<u8>>()
        };
        let found = (1..2_000).find_map(|seed| completed(scheme, &digits(seed)));
        let found = found.unwrap_or_else(|| panic!("{} {}", scheme.validator, scheme.template));
        assert_eq!(found, compact(&found));
    }
}

/// A scheme said to be strong lets fewer than one look-alike in five hundred pass.
#[test]
fn strong_means_fewer_than_one_in_five_hundred() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut digit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'0' + ((state >> 33) % 10) as u8
    };
    for validator in super::validators().iter().filter(|validator| validator.strength == super::Strength::Strong) {
        // Digits are drawn anew, letters stay; 8 of 4,000 are expected at most, and chance may double it.
        let example = compact(validator.example.as_bytes());
        let mut passed = 0;
        for _ in 0..4_000 {
            let alike: Vec<u8> = example.iter().map(|byte| if byte.is_ascii_digit() { digit() } else { *byte }).collect();
            passed += usize::from((validator.check)(&alike) == Check::Valid);
        }
        assert!(passed <= 16, "{} lets {passed} of 4000 pass", validator.name);
    }
}
