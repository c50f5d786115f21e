//! How many megabytes of text does one core recognise per second, with the shipped rules? (Aim: 250 MB/s or more of
//! ordinary mail.)
//!
//! The text is made here from a seed: French and English prose with accents and ordinary punctuation, one tenth tables of
//! numbers, and about one sensitive value in 16 KB. HTML source, tables alone, and text made to be slow are measured by themselves. CPU time of this thread is counted, not the clock, so that others on the
//! machine matter less. Run with `cargo bench --bench scan`; a word behind `--` chooses the texts whose name has it.

mod texts;

use postern::detect::{ListFile, RuleSet, SourceFile, detect};
use std::collections::BTreeMap;
use std::path::Path;
use texts::{KINDS, Seed};

const MEGABYTES: usize = 8;
const MESSAGE: usize = 16 << 10;

fn main() {
    let before = cpu_nanoseconds();
    let rules = shipped();
    let loaded = (cpu_nanoseconds() - before) / 1_000_000;
    println!("{} rules, read, compiled and tested in {loaded} ms of CPU time", rules.rules().len());
    for rule in rules.rules() {
        if let Some(why) = rule.slow() {
            println!("{}: {why}", rule.id.0);
        }
    }
    let rounds = std::env::var("ROUNDS").map_or(3, |n| n.parse().unwrap_or(3));
    let chosen = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    for (name, kind) in KINDS {
        if !name.contains(&chosen) {
            continue;
        }
        let mut seed = Seed(20_261_121);
        let messages: Vec<_> = (0..MEGABYTES * (1 << 20) / MESSAGE).map(|_| texts::message(kind, MESSAGE, &mut seed)).collect();
        let octets: usize = messages.iter().map(|message| message.texts[0].content.len()).sum();
        // Three rounds, the best one counts: the others were disturbed or filled the caches.
        let rounds = (0..rounds).map(|_| {
            let before = cpu_nanoseconds();
            let found: usize = messages.iter().map(|message| detect(message, &rules).found.len()).sum();
            (cpu_nanoseconds() - before, found)
        });
        let (nanoseconds, found) = rounds.min().unwrap_or((1, 0));
        println!(
            "{name}: {:.0} MB/s of CPU time ({octets} octets, {found} findings)",
            octets as f64 * 1e3 / nanoseconds as f64
        );
    }
}

fn shipped() -> RuleSet {
    let read = |folder: &str| -> Vec<SourceFile> {
        let mut paths: Vec<_> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
            .expect("the rules lie beside Cargo.toml")
            .map(|entry| entry.expect("readable").path())
            .collect();
        paths.sort();
        let file = |path: &std::path::PathBuf| SourceFile {
            path: path.display().to_string(),
            text: std::fs::read_to_string(path).expect("UTF-8"),
        };
        paths.iter().map(file).collect()
    };
    let stem = |list: &ListFile| Path::new(&list.path).file_stem().expect("a name").to_string_lossy().into_owned();
    let lists: BTreeMap<String, ListFile> = read("rules/lists").into_iter().map(|list| (stem(&list), list)).collect();
    RuleSet::compile(&read("rules/detect"), &lists).expect("the shipped rules are right")
}

/// Nanoseconds that this thread has run (Linux, proc(5) schedstat).
fn cpu_nanoseconds() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    stat.split(' ').next().and_then(|first| first.parse().ok()).expect("a number first")
}
