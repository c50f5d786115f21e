//! `postern rules test`: runs the tests in the rule files and the cases of the policies, and says of each failure why and what to write.

use super::{Folder, known};
use crate::cli::progress::Progress;
use crate::cli::report::Paint;
use crate::cli::{Done, Failure, Format};
use crate::config::{laws, rules_folder};
use crate::detect::{Confidence, RuleSet, TestOutcome, Wanted, run_tests, try_text};
use crate::policy;
use clap::Args;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, Args)]
pub struct Test {
    /// One rule; without it all rules and the policies
    id: Option<String>,
    #[command(flatten)]
    folder: Folder,
}

/// Rules from which on a bar is shown.
const WORTH_A_BAR: u64 = 50;

impl Test {
    pub fn run(self) -> Done {
        let began = Instant::now();
        let folder = rules_folder(self.folder.rules.as_deref())?;
        let (rules, lists) = laws::load_rules_untested(&folder)?;
        let json = self.folder.format == Format::Json;
        if let Some(id) = &self.id {
            known(&rules, id)?;
            let outcomes = run_tests(&rules, Some(id));
            outcomes.iter().for_each(|outcome| if json { print_json(outcome) } else { print(&rules, outcome) });
            return if outcomes.iter().all(|outcome| outcome.passed) { Ok(()) } else { Err(Failure::Failed) };
        }
        let mut progress = Progress::of(rules.rules().len() as u64, WORTH_A_BAR);
        let (mut tests, mut failed) = (0usize, 0usize);
        for (n, rule) in rules.rules().iter().enumerate() {
            for outcome in run_tests(&rules, Some(&rule.id.0)) {
                tests += 1;
                if !outcome.passed {
                    failed += 1;
                    progress.clear();
                    if json { print_json(&outcome) } else { print_to_stderr(&rules, &outcome) }
                }
            }
            progress.show(n as u64 + 1, tests as u64);
        }
        progress.clear();
        let (cases, hash) = match policies(&folder, &rules, &lists) {
            Ok(policies) => policies,
            Err(problems) => {
                failed += problems.0.len();
                for problem in &problems.0 {
                    match json {
                        true => println!(
                            "{}",
                            json!({"file": problem.file, "line": problem.line, "passed": false, "sentence": problem.sentence})
                        ),
                        false => eprintln!("{problem}"),
                    }
                }
                (0, None)
            }
        };
        let count = rules.rules().len();
        match self.folder.format {
            Format::Json => {
                println!(
                    "{}",
                    json!({"rules": count, "tests": tests, "cases": cases, "failed": failed, "ruleset": hash.as_deref()})
                );
            }
            Format::Text => {
                let took = began.elapsed().as_secs_f64();
                let verdict = match failed {
                    0 => Paint::Green.on("all pass"),
                    1 => Paint::Red.on("1 fails: this set would not be loaded"),
                    many => Paint::Red.on(format!("{many} fail: this set would not be loaded")),
                };
                println!("{count} rules, {tests} tests, {cases} cases of policies: {verdict} ({took:.1} s)");
            }
        }
        if failed == 0 { Ok(()) } else { Err(Failure::Failed) }
    }
}

/// How many cases pass, and the name of the whole set; a folder without policies holds none.
fn policies(folder: &Path, rules: &RuleSet, lists: &laws::Lists) -> Result<(usize, Option<Arc<str>>), crate::config::Problems> {
    if !folder.join("policy.toml").exists() {
        eprintln!("{}: there is none; the gate needs one beside detect/", folder.join("policy.toml").display());
        return Ok((0, None));
    }
    let policy = laws::load_policy(folder, rules, lists, &Arc::from([]))?;
    Ok((policy::run_cases(&policy).len(), Some(policy.ruleset().clone())))
}

fn print_json(outcome: &TestOutcome) {
    let expected = match outcome.expected {
        Wanted::Match => json!("medium or above"),
        Wanted::Exactly(confidence) => json!(confidence),
        Wanted::NoMatch => json!("nothing at medium or above"),
    };
    println!(
        "{}",
        json!({"rule": outcome.rule, "file": outcome.file, "line": outcome.line, "passed": outcome.passed,
            "expected": expected, "got": outcome.got, "because": outcome.because})
    );
}

fn print(rules: &RuleSet, outcome: &TestOutcome) {
    println!("{}", sentence(outcome));
    if !outcome.passed {
        why(rules, outcome).iter().for_each(|line| println!("    {line}"));
    }
}

fn print_to_stderr(rules: &RuleSet, outcome: &TestOutcome) {
    eprintln!("{}", sentence(outcome));
    why(rules, outcome).iter().for_each(|line| eprintln!("    {line}"));
}

fn sentence(outcome: &TestOutcome) -> String {
    let paint = if outcome.passed { Paint::Green } else { Paint::Red };
    format!("{}:{}: {}", outcome.file, outcome.line, paint.on(outcome.sentence()))
}

/// What the rule saw in the test's text, and the two ways to mend it.
fn why(rules: &RuleSet, outcome: &TestOutcome) -> Vec<String> {
    let mut lines = Vec::new();
    let text = rules.rule(&outcome.rule.0).and_then(|rule| rule.test_text(outcome.line));
    if let Some(tried) = text.and_then(|text| try_text(rules, &outcome.rule.0, text)) {
        let best = tried.places.iter().max_by_key(|place| place.confidence);
        match best {
            Some(place) => lines.extend(place.reasons.iter().cloned()),
            None => lines.push(tried.summary),
        }
    }
    let tier = |confidence: Option<Confidence>| confidence.map(|tier| crate::cli::report::said(&tier));
    lines.push(match (outcome.expected, tier(outcome.got)) {
        (Wanted::Exactly(_), Some(got)) => {
            format!("mend the rule, or write confidence = \"{got}\" if that is the right answer")
        }
        (Wanted::Exactly(_) | Wanted::Match, None) => {
            "mend the rule, or make it a [[no_match]] if it must not be found".to_owned()
        }
        (Wanted::Match, Some(got)) => format!("mend the rule, or write confidence = \"{got}\" if that is the right answer"),
        (Wanted::NoMatch, _) => "mend the rule (a validator, a near word, unless_near), or make it a [[match]]".to_owned(),
    });
    lines
}
