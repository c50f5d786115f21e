//! What do a million registered rows cost: to register, to load, in memory, and for each message that is scanned?
//!
//! `cargo bench --bench registered`, optionally `-- ROWS`: writes a CSV of invented people (family name, first name, birth date, social security
//! number, address), has the real `postern rules index` register it, and then loads the shipped rules without and with one that looks for
//! those rows. Aims: a million rows in less than 100 MB, and no measurable cost of a scan of ordinary mail. The text is that of the bench `scan`;
//! text full of registered numbers is measured too. CPU time of this thread; the two sets take turns, the best of several rounds counts.

mod texts;

use postern::config::laws::load_rules;
use postern::detect::{RuleSet, detect};
use postern::extract::Extracted;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use texts::{KINDS, Seed};

const ROWS: usize = 1_000_000;
const MESSAGE: usize = 16 << 10;
const MESSAGES: usize = 128;
const ROUNDS: usize = 7;
const RULE: &str = "id = \"agents\"\ntitle = { fr = \"Agents\", en = \"Agents\" }\nstatus = \"active\"\ncategory = \"hr\"\n\
                    [find]\nexact = \"agents.csv\"\n";

fn main() {
    let rows = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(ROWS);
    let folder = tempfile::tempdir().expect("a folder");
    let (without, with) = (folder.path().join("without"), folder.path().join("with"));
    for rules in [&without, &with] {
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"), rules);
    }
    std::fs::write(with.join("detect/agents.toml"), RULE).expect("a rule");
    let table = folder.path().join("agents.csv");
    let people: Vec<Person> = (0..rows).map(Person::new).collect();
    std::fs::write(&table, csv(&people)).expect("a table");
    register(&table, &with);

    let (plain, alone) = load("the shipped rules", &without);
    let (registered, together) = load("with the registered rows", &with);
    let growth = together.saturating_sub(alone);
    println!("the rows take {:.1} MB in memory, {:.0} octets each", growth as f64 / 1e6, growth as f64 / rows as f64);

    println!("\n| text | MB/s without | MB/s with | CPU with / without |\n|---|---:|---:|---:|");
    let mut seed = Seed(20_261_121);
    for (name, kind) in KINDS {
        let messages: Vec<_> = (0..MESSAGES).map(|_| texts::message(kind, MESSAGE, &mut seed)).collect();
        scan(name, &messages, &plain, &registered);
    }
    let letters: Vec<_> = (0..MESSAGES).map(|n| letter(&people, n)).collect();
    scan("letters that name a registered person in every paragraph", &letters, &plain, &registered);
}

/// An invented person, the same for the same number.
struct Person {
    family: String,
    first: &'static str,
    birth: String,
    nir: String,
    address: String,
}

const FIRST: [&str; 24] = [
    "Marie", "Jean", "Chloé", "Hugo", "Inès", "Paul", "Zoé", "Léo", "Anaïs", "Karim", "Fatou", "Noé", "Élise", "Yann", "Maud",
    "Gaël", "Sarah", "Luc", "Aïcha", "Théo", "Rose", "Adam", "Lina", "Marc",
];
const SYLLABLES: [&str; 20] = [
    "bar", "del", "mon", "ri", "fau", "cher", "vil", "gran", "ber", "lan", "tour", "ne", "mar", "chan", "quer", "sal", "bou",
    "tre", "gi", "pel",
];

impl Person {
    fn new(number: usize) -> Person {
        let mut seed = Seed(number as u64 * 7_919 + 1);
        let family: String = (0..3).map(|_| SYLLABLES[seed.below(SYLLABLES.len())]).collect();
        let first = FIRST[seed.below(FIRST.len())];
        let (year, month, day) = (1950 + seed.below(55), 1 + seed.below(12), 1 + seed.below(28));
        let begin = format!(
            "{}{:02}{month:02}{:02}{:03}{:03}",
            1 + seed.below(2),
            year % 100,
            1 + seed.below(95),
            1 + seed.below(900),
            1 + seed.below(990)
        );
        let key = 97 - begin.parse::<u64>().expect("thirteen digits") % 97;
        let plain = fold(first);
        Person {
            birth: format!("{day:02}/{month:02}/{year}"),
            nir: format!("{begin}{key:02}"),
            address: format!("{plain}.{family}{number}@agents.example.org"),
            family,
            first,
        }
    }
}

fn fold(name: &str) -> String {
    let plain = |c: char| match c {
        'é' | 'É' | 'ë' => 'e',
        'ï' => 'i',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(plain).collect()
}

fn csv(people: &[Person]) -> String {
    let mut text = String::from("nom;prenom;naissance;nir;courriel\n");
    for Person { family, first, birth, nir, address } in people {
        let _ = writeln!(text, "{family};{first};{birth};{nir};{address}");
    }
    text
}

fn letter(people: &[Person], number: usize) -> Extracted {
    let mut seed = Seed(number as u64 + 1);
    let mut content = String::new();
    while content.len() < MESSAGE {
        let Person { family, first, birth, nir, .. } = &people[seed.below(people.len())];
        let _ = write!(
            content,
            "Monsieur le directeur, la demande de {first} {family}, né le {birth}, dont le numéro est {nir}, a été reçue hier et sera \
             traitée dans la semaine par le service compétent, qui vous écrira.\n\n"
        );
    }
    postern::extract::extract_text(&content)
}

/// Has the real command make the index; says how long that took, and how much memory at most.
fn register(table: &Path, rules: &Path) {
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(["rules", "index"]).arg(table).arg("--rules").arg(rules).stdin(Stdio::null());
    let mut child = command.spawn().expect("postern");
    let (status, mut peak) = (format!("/proc/{}/status", child.id()), 0);
    let done = loop {
        peak = peak.max(kilobytes(&status, "VmHWM:"));
        if let Some(done) = child.try_wait().expect("postern") {
            break done;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(done.success(), "rules index failed");
    let file = postern::config::indexes::file(rules, "agents.csv", true);
    println!(
        "registered in {:.1} s, {} MiB at most; the table has {:.1} MB, the index {:.1} MB",
        begin.elapsed().as_secs_f64(),
        peak >> 10,
        std::fs::metadata(table).expect("the table").len() as f64 / 1e6,
        std::fs::metadata(&file).expect("the index").len() as f64 / 1e6
    );
}

/// The rules of a folder, and by how many octets they made this process grow.
fn load(name: &str, folder: &Path) -> (RuleSet, u64) {
    let resident = || kilobytes("/proc/self/status", "VmRSS:") << 10;
    let (before, begin) = (resident(), thread_cpu());
    let (rules, _) = load_rules(folder).expect("right rules");
    let growth = resident().saturating_sub(before);
    println!(
        "{name}: {} rules read, compiled and tested in {:.0} ms of CPU time, {:.1} MB more in memory",
        rules.rules().len(),
        (thread_cpu() - begin).as_secs_f64() * 1e3,
        growth as f64 / 1e6
    );
    (rules, growth)
}

fn scan(name: &str, messages: &[Extracted], without: &RuleSet, with: &RuleSet) {
    let octets: usize = messages.iter().map(|message| message.texts[0].content.len()).sum();
    let mut found = 0;
    let mut time = |rules: &RuleSet| {
        let before = thread_cpu();
        let count: usize = messages.iter().map(|message| detect(message, rules).found.len()).sum();
        found = count;
        thread_cpu() - before
    };
    let rounds: Vec<(Duration, Duration)> = (0..ROUNDS).map(|_| (time(without), time(with))).collect();
    let best = |of: fn(&(Duration, Duration)) -> Duration| rounds.iter().map(of).min().expect("rounds").as_secs_f64();
    let (before, now) = (best(|round| round.0), best(|round| round.1));
    let rate = |seconds: f64| octets as f64 / 1e6 / seconds;
    println!("| {name} ({found} findings) | {:.0} | {:.0} | {:.3} |", rate(before), rate(now), now / before);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the shipped rules") {
        let path = entry.expect("readable").path();
        let target = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy(&path, &target),
            false => assert!(std::fs::copy(&path, &target).is_ok(), "a copy of {}", path.display()),
        }
    }
}

/// A line of proc(5) that ends in kB.
fn kilobytes(path: &str, line: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What the kernel charged this thread, to the nanosecond (proc(5), schedstat).
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0))
}
