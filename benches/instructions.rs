//! How many instructions does each step cost, and which became dearer since the baseline?
//!
//! `cargo bench --bench instructions` counts under valgrind's callgrind, so that a busy machine changes nothing: parse, extract
//! per format, scan, seal, sign, and the whole walk for each kind of message. It compares with `benches/instructions.toml`, names what
//! grew by more than five per cent, and then fails. A justified growth is written down with its reason:
//! `cargo bench --bench instructions -- --accept "why"`; the new baseline belongs into the commit that causes it.

#[allow(dead_code, reason = "the other benches use the rest")]
mod corpus;
#[allow(dead_code, reason = "the other benches use the rest")]
mod walk;

use corpus::{Dice, Kind, message, prose};
use postern::{detect, extract, mail, mime};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use walk::{FORMS, Sealing, Walk};

/// What one step may grow without a word.
const ALLOWED: f64 = 0.05;
const SEED: u64 = 20_261_121;

/// A step to count, ready to run.
struct Case {
    name: String,
    step: Box<dyn Fn()>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let accept = words.iter().position(|word| word == "--accept").map(|at| words.get(at + 1).cloned().unwrap_or_default());
    if words.iter().any(|word| word == "--counted") {
        for case in cases() {
            // Caches, tables and lazily built automata are made before anything counts.
            (case.step)();
            (case.step)();
            measured(&*case.step);
        }
        return ExitCode::SUCCESS;
    }
    match accept {
        Some(why) if why.trim().is_empty() => {
            eprintln!("write the reason: --accept \"why it costs more now\"");
            ExitCode::from(2)
        }
        accept => compare(&count(), accept),
    }
}

/// Callgrind counts what runs inside of this function only, and writes its numbers down when it returns.
#[inline(never)]
fn measured(step: &dyn Fn()) {
    step();
    black_box(());
}

fn cases() -> Vec<Case> {
    let walk: &'static Walk = Box::leak(Box::new(Walk::new()));
    let mut dice = Dice(SEED);
    let mut cases = Vec::new();
    let mut case = |name: String, step: Box<dyn Fn()>| cases.push(Case { name, step });
    for (name, raw) in [
        ("text of 4 KB", message(&mut dice, Kind::Text, 0)),
        ("HTML of 40 KB", message(&mut dice, Kind::Html, 0)),
        ("docx of 300 KB", message(&mut dice, Kind::Document, 0)),
        ("pdf of 300 KB", message(&mut dice, Kind::Document, 1)),
        ("xlsx of 300 KB", message(&mut dice, Kind::Document, 2)),
    ] {
        let kept = raw.clone();
        case(
            format!("walk, {name}"),
            Box::new(move || drop(black_box(walk.pass(&kept, 1, None, || std::time::Duration::ZERO)))),
        );
        let kept = mail::RawMessage::new(raw.clone()).expect("a message");
        case(format!("parse, {name}"), Box::new(move || drop(black_box(mime::parse(&kept, &walk.limits.message)))));
        let kept: &'static mail::RawMessage = Box::leak(Box::new(mail::RawMessage::new(raw).expect("a message")));
        let parsed = mime::parse(kept, &walk.limits.message).expect("a well-formed message");
        case(
            format!("extract, {name}"),
            Box::new(move || drop(black_box(extract::extract(&parsed, &walk.limits.reading, &walk.reader)))),
        );
    }
    for path in documents() {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // Two formats may have a sample of one name.
        let format = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let label = format!("extract, {format}/{name}");
        let octets = std::fs::read(&path).expect("a sample");
        let step = move || drop(black_box(extract::extract_file(&name, &octets, &walk.limits.reading, &walk.reader)));
        case(label, Box::new(step));
    }
    for (name, text) in [("64 KB of prose", prose(&mut dice, 64 << 10)), ("64 KB of numbers", numbers(&mut dice, 64 << 10))] {
        let extracted = extract::extract_text(&text);
        case(format!("scan, {name}"), Box::new(move || drop(black_box(detect::detect(&extracted, &walk.laws.rules)))));
    }
    let raw = message(&mut dice, Kind::Html, 0);
    for (name, file) in FORMS {
        let (sealing, raw) = (Sealing::to(file), raw.clone());
        let step = move || drop(black_box(walk.pass(&raw, 1, Some(&sealing), || std::time::Duration::ZERO)));
        case(format!("walk and seal, HTML of 40 KB, {name}"), Box::new(step));
    }
    cases
}

/// Rows of numbers as accountants send them.
fn numbers(dice: &mut Dice, octets: usize) -> String {
    let mut text = String::with_capacity(octets + 80);
    while text.len() < octets {
        let row = (0..8).map(|_| dice.below(1_000_000_000).to_string()).collect::<Vec<_>>();
        text.push_str(&row.join("\t"));
        text.push('\n');
    }
    text
}

/// The suite's samples of each format; not the locked ones, whose price is that of their passwords.
fn documents() -> Vec<PathBuf> {
    let below = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).expect("the samples").map(|entry| entry.expect("a sample").path()).collect()
    };
    let formats = below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/documents"));
    let formats = formats.iter().filter(|format| format.is_dir() && !format.ends_with("locked"));
    let mut paths: Vec<PathBuf> =
        formats.flat_map(|format| below(format)).filter(|path| !path.ends_with("index.toml")).collect();
    paths.sort();
    paths
}

/// Runs this program again under callgrind; instructions of each case.
fn count() -> BTreeMap<String, u64> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for callgrind's files");
    let program = std::env::current_exe().expect("this program");
    let out = folder.join("counted");
    let run = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--collect-atstart=no",
            "--toggle-collect=*instructions*measured*",
            "--dump-after=*instructions*measured*",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .arg("--counted")
        .output()
        .unwrap_or_else(|error| panic!("valgrind cannot be started ({error}); install it: apt-get install valgrind"));
    assert!(run.status.success(), "the counted run failed: {}", String::from_utf8_lossy(&run.stderr));
    let mut counts = Vec::new();
    for number in 1.. {
        let Ok(text) = std::fs::read_to_string(folder.join(format!("counted.{number}"))) else { break };
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
        counts.push(total.and_then(|total| total.trim().parse().ok()).unwrap_or(0u64));
    }
    let names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    assert_eq!(counts.len(), names.len(), "one file of callgrind's for each case");
    names.into_iter().zip(counts).collect()
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Baseline {
    /// Why the last change of these numbers was justified.
    why: String,
    instructions: BTreeMap<String, u64>,
}

fn compare(counts: &BTreeMap<String, u64>, accept: Option<String>) -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.toml");
    let baseline: Baseline =
        std::fs::read_to_string(&path).ok().map(|text| toml::from_str(&text).expect("the baseline")).unwrap_or_default();
    let mut grown = Vec::new();
    println!("| instructions | baseline | now | change |\n|---|---|---|---|");
    for (name, now) in counts {
        let before = baseline.instructions.get(name).copied();
        let change = before.map(|before| *now as f64 / before as f64 - 1.0);
        let shown = change.map_or("new".to_owned(), |change| format!("{:+.1} %", change * 100.0));
        println!("| {name} | {} | {now} | {shown} |", before.map_or("-".to_owned(), |before| before.to_string()));
        if change.is_none_or(|change| change > ALLOWED) {
            grown.push(format!("{name}: {shown}"));
        }
    }
    let gone: Vec<&String> = baseline.instructions.keys().filter(|name| !counts.contains_key(*name)).collect();
    if let Some(why) = accept {
        let text = toml::to_string(&Baseline { why, instructions: counts.clone() }).expect("TOML");
        std::fs::write(&path, text).expect("the baseline");
        println!("written: {}", path.display());
        return ExitCode::SUCCESS;
    }
    if grown.is_empty() && gone.is_empty() {
        return ExitCode::SUCCESS;
    }
    grown.iter().for_each(|line| eprintln!("more than {:.0} % dearer, or new: {line}", ALLOWED * 100.0));
    gone.iter().for_each(|name| eprintln!("in the baseline, but no longer counted: {name}"));
    eprintln!("If that is right, say why: cargo bench --bench instructions -- --accept \"why\"");
    ExitCode::FAILURE
}
