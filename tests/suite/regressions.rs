//! The gate against regressions: what it lets pass, what it objects to, and that what it compares with is there.

#[path = "../../benches/baseline.rs"]
mod baseline;

use baseline::{Counts, Verdict, compare, table};

fn counts(yardstick: u64, steps: &[(&str, u64)]) -> Counts {
    let instructions = steps.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    Counts { why: String::new(), yardstick, instructions }
}

#[test]
fn a_step_that_grew_by_a_tenth_is_named_and_one_that_grew_by_a_twentieth_passes() {
    let before = counts(1_000, &[("extract, docx", 200_000), ("scan, prose", 1_000_000)]);
    for (now, expected) in [
        (counts(1_000, &[("extract, docx", 200_000), ("scan, prose", 1_050_000)]), Ok(vec![])),
        (
            counts(1_000, &[("extract, docx", 200_000), ("scan, prose", 1_100_000)]),
            Err(vec!["scan, prose: +10.0 % (1000000 instructions, now 1100000)"]),
        ),
        (counts(1_000, &[("extract, docx", 190_000), ("scan, prose", 1_000_000)]), Ok(vec![])),
        (
            counts(1_000, &[("extract, docx", 180_000), ("scan, prose", 1_000_000)]),
            Ok(vec!["extract, docx: -10.0 % (200000 instructions, now 180000)"]),
        ),
        // What became cheaper does not pay for what became dearer.
        (
            counts(1_000, &[("extract, docx", 1), ("scan, prose", 1_051_000)]),
            Err(vec!["scan, prose: +5.1 % (1000000 instructions, now 1051000)"]),
        ),
        (
            counts(1_000, &[("extract, docx", 200_000), ("scan, tables", 1), ("scan, prose", 1_000_000)]),
            Err(vec!["scan, tables: is not in the baseline"]),
        ),
        (counts(1_000, &[("extract, docx", 200_000)]), Err(vec!["scan, prose: is in the baseline, but was not counted"])),
    ] {
        let expected = match expected {
            Ok(cheaper) => Verdict::Passes { cheaper: cheaper.into_iter().map(str::to_owned).collect() },
            Err(objections) => Verdict::Fails { objections: objections.into_iter().map(str::to_owned).collect() },
        };
        assert_eq!(compare(&before, &now, None), expected, "{}", table(&before, &now));
    }
    let one = counts(1_000, &[("scan, prose", 1_000_000)]);
    assert_eq!(compare(&before, &one, Some("scan")), Verdict::Passes { cheaper: Vec::new() }, "the rest was not asked for");
}

#[test]
fn counts_of_a_program_that_was_built_otherwise_say_nothing() {
    let before = counts(1_000, &[("scan, prose", 1_000_000)]);
    for yardstick in [0, 900, 1_011, 5_000] {
        let now = counts(yardstick, &[("scan, prose", 1_000_000)]);
        assert_eq!(compare(&before, &now, None), Verdict::CannotTell, "{yardstick}");
    }
    assert_eq!(compare(&Counts::default(), &before, None), Verdict::CannotTell, "no baseline at all");
}
