//! Turns what was counted now and what was written down before into what grew, what shrank, and whether that may pass.

use std::collections::BTreeMap;

/// What one step may grow without a word, as a share; as much less is worth writing down.
pub const ALLOWED: f64 = 0.05;
/// How far the yardstick may be off before two counts are of two differently built programs.
const SAME_BUILD: f64 = 0.01;

/// Instructions by the name of the step, as `benches/instructions.toml` keeps them.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Why the last change of these numbers was justified.
    pub why: String,
    /// Instructions of a piece of work that no change of the product touches: it tells another compiler, or other settings of it.
    pub yardstick: u64,
    pub instructions: BTreeMap<String, u64>,
}

/// What a comparison comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing is dearer than it may be. What became cheaper should be written down, or the next growth up to here goes unseen.
    Passes { cheaper: Vec<String> },
    /// One sentence for each step.
    Fails { objections: Vec<String> },
    /// The programs were not built alike, so their counts say nothing about each other.
    CannotTell,
}

/// Every step that is in either, against what may pass. `only`: the steps that were asked for, where not all were counted.
pub fn compare(before: &Counts, now: &Counts, only: Option<&str>) -> Verdict {
    if change(before.yardstick, now.yardstick).is_none_or(|change| change.abs() > SAME_BUILD) {
        return Verdict::CannotTell;
    }
    let (mut objections, mut cheaper) = (Vec::new(), Vec::new());
    for (name, count) in &now.instructions {
        let Some(known) = before.instructions.get(name) else {
            objections.push(format!("{name}: is not in the baseline"));
            continue;
        };
        let told = |change: f64| format!("{name}: {} ({known} instructions, now {count})", percent(change));
        match change(*known, *count) {
            Some(change) if change > ALLOWED => objections.push(told(change)),
            Some(change) if change < -ALLOWED => cheaper.push(told(change)),
            Some(_) => {}
            None => objections.push(format!("{name}: the baseline says 0")),
        }
    }
    let gone = before.instructions.keys().filter(|name| !now.instructions.contains_key(*name));
    let gone = gone.filter(|name| only.is_none_or(|only| name.contains(only)));
    objections.extend(gone.map(|name| format!("{name}: is in the baseline, but was not counted")));
    if objections.is_empty() { Verdict::Passes { cheaper } } else { Verdict::Fails { objections } }
}

/// All steps that were counted, as a table in Markdown.
pub fn table(before: &Counts, now: &Counts) -> String {
    let mut table = String::from("| step | baseline | now | change |\n|---|---:|---:|---:|\n");
    for (name, count) in &now.instructions {
        let known = before.instructions.get(name);
        let change = known.and_then(|known| change(*known, *count)).map_or("new".to_owned(), percent);
        let known = known.map_or("-".to_owned(), u64::to_string);
        table.push_str(&format!("| {name} | {known} | {count} | {change} |\n"));
    }
    table
}

/// The growth from one to the other as a share; `None` when there was nothing.
fn change(before: u64, now: u64) -> Option<f64> {
    (before > 0).then(|| (now as f64 - before as f64) / before as f64)
}

fn percent(change: f64) -> String {
    format!("{:+.1} %", change * 100.0)
}
