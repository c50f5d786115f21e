//! How many instructions does each step cost, and which became dearer since the baseline?
//!
//! Counted under valgrind's callgrind, so that a busy machine changes nothing: parse, facts, decide, extract per format, read and scan
//! per kind of text, sign, seal, and the walk for each kind of message. Each step is run once to warm it, then counted three times, and the lowest stands. `benches/count`
//! builds and runs it as CI does, in the development profile that the suite has built already: two counts are comparable only if the
//! program was built alike, and a yardstick that no change of the product touches tells whether it was.
//!
//! ```text
//! benches/count                              compares with benches/instructions.toml; exit 1 names each step that grew by more than 5 %
//! benches/count --accept "why it is worth it"  writes a new baseline, for the commit that causes it
//! benches/count --against FILE               compares with another baseline
//! benches/count --only scan                  counts the steps that have this in their name, while working on them
//! ```
//!
//! What moves the figures without any change of ours, most by less than 0.5 % and the smallest steps by up to 2 % (`benches/runs/`): what the
//! allocator finds free, the seeds of the standard library's hash tables, keys (each run makes its own), and random numbers in signatures.
//! Valgrind shows each machine of a family the same processor (with AVX2, without SHA extensions), so the arithmetic libraries choose one
//! code everywhere; it is not the code that they choose outside. Documents are read in this process, not in a worker of its own.

mod baseline;
#[allow(dead_code, reason = "the other benches use the rest")]
mod corpus;
mod texts;
#[allow(dead_code, reason = "the other benches use the rest")]
mod walk;

use baseline::{Counts, Verdict, compare, table};
use corpus::{Dice, Kind, message, small_document};
use postern::mail::{Address, Submission};
use postern::policy::{Decision, Disposition};
use postern::protect::container::Passwords;
use postern::{detect, extract, facts, mime, policy, protect};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use walk::{FORMS, NOW, Sealing, Walk, keys_for};

const SEED: u64 = 20_261_121;
/// Octets of a text that is scanned.
const TEXT: usize = 32 << 10;
/// Recipients of the message that is decided about.
const RECIPIENTS: usize = 20;
/// How often each step is counted; the lowest stands. Now and then a step pays for the allocator's tidying up behind all that went before.
const ROUNDS: usize = 3;
/// The step that [`Counts::yardstick`] is counted from.
const YARDSTICK: &str = "yardstick";

fn main() -> ExitCode {
    match Call::parse(std::env::args().skip(1)) {
        Ok(Call::Run { keys, only }) => run(&keys, only.as_deref()),
        Ok(Call::Compare { against, only, accept }) => judge(&against, only.as_deref(), accept),
        Err(what_to_write) => {
            eprintln!("{what_to_write}");
            ExitCode::from(2)
        }
    }
}

/// What was asked for.
enum Call {
    /// Under callgrind: run the steps.
    Run {
        keys: PathBuf,
        only: Option<String>,
    },
    Compare {
        against: PathBuf,
        only: Option<String>,
        accept: Option<String>,
    },
}

impl Call {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Call, String> {
        let mut against = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.toml");
        let (mut only, mut accept, mut keys) = (None, None, None);
        while let Some(word) = words.next() {
            let mut value = |example: &str| {
                let value = words.next().filter(|value| !value.trim().is_empty());
                value.ok_or_else(|| format!("{word} needs a word behind it: {word} {example}"))
            };
            match word.as_str() {
                "--against" => against = value("other.toml")?.into(),
                "--only" => only = Some(value("scan")?),
                "--accept" => accept = Some(value("\"why it costs more now\"")?),
                "--counted" => keys = Some(PathBuf::from(value("FOLDER")?)),
                // `cargo bench` hands it on.
                "--bench" => {}
                _ => return Err(format!("{word} is not known; write --against FILE, --only WORD or --accept \"why\"")),
            }
        }
        match (keys, &only, &accept) {
            (Some(keys), ..) => Ok(Call::Run { keys, only }),
            (None, Some(_), Some(_)) => Err("a baseline is of all steps: leave out --only".to_owned()),
            _ => Ok(Call::Compare { against, only, accept }),
        }
    }
}

/// Runs each step once to warm it (caches, tables, automata built when first needed) and then to be counted; says which.
fn run(keys: &Path, only: Option<&str>) -> ExitCode {
    let walk: &'static Walk = Box::leak(Box::new(Walk::with_keys_of(keys)));
    let mut steps = Steps { only, list: Vec::new() };
    steps.add(YARDSTICK.to_owned(), yardstick);
    of_messages(walk, &mut steps);
    of_formats(walk, &mut steps);
    of_texts(walk, &mut steps);
    of_copies(walk, &mut steps);
    for (name, step) in steps.list {
        step();
        (0..ROUNDS).for_each(|_| measured(&*step));
        println!("{name}");
    }
    ExitCode::SUCCESS
}

/// Callgrind counts what runs inside of this function only, and writes its numbers down when it returns.
#[inline(never)]
fn measured(step: &dyn Fn()) {
    step();
    black_box(());
}

/// What is to be counted, by name.
struct Steps<'a> {
    only: Option<&'a str>,
    list: Vec<(String, Box<dyn Fn()>)>,
}

impl Steps<'_> {
    fn add<T>(&mut self, name: String, step: impl Fn() -> T + 'static) {
        if name == YARDSTICK || self.only.is_none_or(|only| name.contains(only)) {
            self.list.push((name, Box::new(move || drop(black_box(step())))));
        }
    }
}

/// Some sorting and hashing of the standard library's, instantiated here.
fn yardstick() -> u64 {
    let mut dice = Dice(SEED);
    let mut numbers: Vec<u64> = (0..4_000).map(|_| dice.next()).collect();
    numbers.sort();
    let words: Vec<String> = numbers.iter().map(|number| format!("{number:x}")).collect();
    let counted = words.iter().fold(BTreeMap::new(), |mut counted: BTreeMap<&str, u64>, word| {
        *counted.entry(&word[..2]).or_default() += word.len() as u64;
        counted
    });
    counted.values().fold(0, |sum, count| black_box(sum ^ count))
}

/// A message on its way, each stage's result kept for the next.
struct Seen {
    raw: Vec<u8>,
    submission: &'static Submission,
    parsed: &'static mime::ParsedMessage<'static>,
    extracted: extract::Extracted,
    findings: detect::Findings,
    facts: facts::Facts,
}

fn see(walk: &Walk, raw: Vec<u8>, recipients: Option<Vec<Address>>) -> &'static Seen {
    let mut submission = walk.submission(&raw, 1, None);
    submission.recipients = recipients.unwrap_or(submission.recipients);
    let submission: &'static Submission = Box::leak(Box::new(submission));
    let parsed = mime::parse(&submission.raw, &walk.limits.message).expect("a well-formed message");
    let parsed: &'static mime::ParsedMessage = Box::leak(Box::new(parsed));
    let extracted = extract::extract(parsed, &walk.limits.reading, &walk.reader);
    let findings = detect::detect(&extracted, &walk.laws.rules);
    let facts = facts::gather(submission, parsed, &extracted, &findings, &walk.known);
    Box::leak(Box::new(Seen { raw, submission, parsed, extracted, findings, facts }))
}

/// Each kind of message: its stages that depend on it, and the whole walk.
fn of_messages(walk: &'static Walk, steps: &mut Steps) {
    let mut dice = Dice(SEED);
    for (name, raw) in [
        ("text of 4 KB", message(&mut dice, Kind::Text, 0)),
        ("HTML of 40 KB", message(&mut dice, Kind::Html, 0)),
        ("with docx", small_document(&mut dice, 0)),
        ("with pdf", small_document(&mut dice, 1)),
        ("with xlsx", small_document(&mut dice, 2)),
        ("with zip", small_document(&mut dice, 3)),
    ] {
        let seen = see(walk, raw, None);
        steps.add(format!("parse, {name}"), move || mime::parse(&seen.submission.raw, &walk.limits.message));
        steps.add(format!("extract, {name}"), move || extract::extract(seen.parsed, &walk.limits.reading, &walk.reader));
        steps.add(format!("facts, {name}"), move || {
            facts::gather(seen.submission, seen.parsed, &seen.extracted, &seen.findings, &walk.known)
        });
        steps.add(format!("walk, {name}"), move || walk.pass(&seen.raw, 1, None, || Duration::ZERO).left.is_some());
    }
    // What lies between detection and the verdict for one recipient at a provider, with a short and a long list of providers.
    let raw = message(&mut Dice(SEED), Kind::Text, 0);
    let seen = see(walk, raw, Some(vec![Address::parse("amelie.bertholet75@gmail.com").expect("an address")]));
    for domains in [200, 20_000] {
        let mut lists = (*walk.laws.lists).clone();
        let made = (0..domains).map(|n| format!("provider-{n}.example")).chain(["gmail.com".to_owned()]);
        lists.insert("personal-domains".to_owned(), made.collect());
        let known: &'static facts::Known = Box::leak(Box::new(facts::Known { lists: lists.into(), ..walk.known.clone() }));
        steps.add(format!("facts and decide, one recipient, {domains} personal domains"), move || {
            let facts = facts::gather(seen.submission, seen.parsed, &seen.extracted, &seen.findings, known);
            policy::decide(seen.submission, &facts, &seen.findings, &walk.laws.policy)
        });
    }
    // A message that many policies have something to say about.
    let many = (0..RECIPIENTS).map(|n| Address::parse(&format!("citoyen{n}@commune.example")).expect("an address"));
    let mut raw = message(&mut dice, Kind::Text, 0);
    raw.extend_from_slice(
        "NIR : 1 85 05 78 006 084 91\r\nIBAN FR14 2004 1010 0505 0001 3M02 606\r\nmot de passe : Azur-71-vif\r\n".as_bytes(),
    );
    let seen = see(walk, raw, Some(many.collect()));
    assert!(seen.findings.found.len() >= 2, "{:?}", seen.findings.found.len());
    steps.add(format!("decide, {RECIPIENTS} recipients"), move || {
        policy::decide(seen.submission, &seen.facts, &seen.findings, &walk.laws.policy)
    });
}

/// One of the suite's samples for each format and way of packing.
const DOCUMENTS: [&str; 25] = [
    "archives/plain.zip",
    "archives/plain.7z",
    "archives/ustar.tgz",
    "archives/gnu.tar.xz",
    "archives/pax.tar.zst",
    "archives/v7.tar.bz2",
    "archives/stored5.rar",
    "archives/stored.cab",
    "doc/letter.doc",
    "docx/letter.docx",
    "epub/letter.epub",
    "flat/agents-excel2003.xml",
    "flat/letter-word2003.xml",
    "odp/slides.odp",
    "ods/agents.ods",
    "odt/letter.odt",
    "outlook/message.msg",
    "outlook/winmail.dat",
    "pdf/standard.pdf",
    "pdf/truetype.pdf",
    "ppt/slides.ppt",
    "pptx/slides.pptx",
    "rtf/letter.rtf",
    "xls/agents.xls",
    "xlsx/agents.xlsx",
];

fn of_formats(walk: &'static Walk, steps: &mut Steps) {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/documents");
    for document in DOCUMENTS {
        let octets = std::fs::read(samples.join(document)).unwrap_or_else(|why| panic!("{document}: {why}"));
        let read = move || extract::extract_file(document, &octets, &walk.limits.reading, &walk.reader);
        assert!(!read().texts.is_empty(), "{document} can be read");
        steps.add(format!("extract, {document}"), read);
    }
}

/// Texts by themselves: read by a set without rules (folding, words), and with all of them.
fn of_texts(walk: &'static Walk, steps: &mut Steps) {
    let none: &'static detect::RuleSet =
        Box::leak(Box::new(detect::RuleSet::compile(&[], &BTreeMap::new()).expect("no rules")));
    let mut seed = texts::Seed(SEED);
    for (name, kind) in texts::KINDS {
        let text: &'static extract::Extracted = Box::leak(Box::new(texts::message(kind, TEXT, &mut seed)));
        let name = name.split(':').next().unwrap_or(name);
        steps.add(format!("read, {name}"), move || detect::detect(text, none));
        steps.add(format!("scan, {name}"), move || detect::detect(text, &walk.laws.rules));
    }
}

/// What leaves: signed, sealed in each form, and the signatures that come last; then the walk with it.
fn of_copies(walk: &'static Walk, steps: &mut Steps) {
    let mut dice = Dice(SEED);
    let raw = message(&mut dice, Kind::Html, 0);
    let allowed = |submission: &Submission, seen: &Seen| -> Decision {
        let decision = policy::decide(submission, &seen.facts, &seen.findings, &walk.laws.policy);
        assert_eq!(decision.disposition, Disposition::Allow);
        decision
    };
    for (name, file) in FORMS {
        let sealing: &'static Sealing = Box::leak(Box::new(Sealing::to(file)));
        let seen = see(walk, raw.clone(), Some(vec![sealing.recipient.clone()]));
        let mut decision = allowed(seen.submission, seen);
        decision.verdicts.iter_mut().for_each(|verdict| verdict.requires.encrypt = true);
        let keys = keys_for(seen.submission, Some(sealing));
        steps.add(format!("sign and seal, {name}"), move || copies(walk, seen, &decision, &keys, &walk.signers));
        steps.add(format!("walk and seal, {name}"), move || {
            walk.pass(&seen.raw, 1, Some(sealing), || Duration::ZERO).left.is_some()
        });
    }
    let seen = see(walk, raw, None);
    let both = walk.signers.clone();
    for (name, signers) in
        [("S/MIME", protect::Signers { openpgp: None, ..both.clone() }), ("OpenPGP", protect::Signers { smime: None, ..both })]
    {
        let mut decision = allowed(seen.submission, seen);
        decision.verdicts.iter_mut().for_each(|verdict| verdict.requires.sign = true);
        let keys = keys_for(seen.submission, None);
        steps.add(format!("sign, {name}"), move || copies(walk, seen, &decision, &keys, &signers));
    }
    let plain = copies(walk, seen, &allowed(seen.submission, seen), &keys_for(seen.submission, None), &walk.signers);
    steps.add("sign, DKIM".to_owned(), move || plain.iter().map(|copy| walk.dkim.sign(copy.clone(), NOW)).collect::<Vec<_>>());
}

fn copies(
    walk: &Walk,
    seen: &Seen,
    decision: &Decision,
    keys: &protect::Keys,
    signers: &protect::Signers,
) -> Vec<postern::mail::Outgoing> {
    let passwords = Passwords::new();
    let copies = protect::protect(seen.submission, seen.parsed, decision, keys, &passwords, signers, &walk.sealing);
    copies.collect::<Result<_, _>>().expect("copies")
}

/// Runs this program again under callgrind. Our own keys are made before: making one costs more than all the rest, and by chance.
fn count(only: Option<&str>) -> Counts {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    let _ = std::fs::remove_dir_all(&folder);
    let keys = folder.join("data");
    std::fs::create_dir_all(&keys).expect("a folder for callgrind's files");
    drop(Walk::with_keys_of(&keys));
    let program = std::env::current_exe().expect("this program");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--collect-atstart=no", "--dump-line=no"])
        .args(["--toggle-collect=instructions::measured", "--dump-after=instructions::measured"])
        .arg(format!("--callgrind-out-file={}", folder.join("counted").display()))
        .arg(program)
        .arg("--counted")
        .arg(&keys);
    if let Some(only) = only {
        valgrind.args(["--only", only]);
    }
    let run = valgrind
        .output()
        .unwrap_or_else(|error| panic!("valgrind cannot be started ({error}); install it: apt-get install valgrind"));
    assert!(run.status.success(), "the counted run failed: {}", String::from_utf8_lossy(&run.stderr));
    let mut dumps = (1..).map(|number| instructions_of(&folder.join(format!("counted.{number}"))));
    let mut instructions: BTreeMap<String, u64> = BTreeMap::new();
    for name in String::from_utf8_lossy(&run.stdout).lines() {
        let lowest = dumps.by_ref().take(ROUNDS).min().filter(|count| *count > 0);
        instructions.insert(name.to_owned(), lowest.unwrap_or_else(|| panic!("callgrind counted nothing for {name}")));
    }
    let yardstick = instructions.remove(YARDSTICK).expect("the yardstick was counted");
    Counts { why: String::new(), yardstick, instructions }
}

/// The sum of one of callgrind's files.
fn instructions_of(path: &Path) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    total.and_then(|total| total.trim().parse().ok()).unwrap_or(0)
}

fn judge(against: &Path, only: Option<&str>, accept: Option<String>) -> ExitCode {
    let before: Counts = match std::fs::read_to_string(against) {
        Ok(text) => toml::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", against.display())),
        Err(_) if accept.is_some() => Counts::default(),
        Err(why) => {
            eprintln!("{}: {why}; write a first one with: benches/count --accept \"the first\"", against.display());
            return ExitCode::from(2);
        }
    };
    let now = count(only);
    print!("{}", table(&before, &now));
    if let Some(why) = accept {
        let text = toml::to_string(&Counts { why, ..now }).expect("TOML");
        std::fs::write(against, text).unwrap_or_else(|error| panic!("{}: {error}", against.display()));
        println!("written: {}", against.display());
        return ExitCode::SUCCESS;
    }
    match compare(&before, &now, only) {
        Verdict::Passes { cheaper } => {
            cheaper.iter().for_each(|line| println!("cheaper: {line}"));
            if !cheaper.is_empty() {
                println!("Write it down, or it may grow back unseen: benches/count --accept \"why it is cheaper\"");
            }
            ExitCode::SUCCESS
        }
        Verdict::Fails { objections } => {
            objections.iter().for_each(|line| eprintln!("DEARER: {line}"));
            eprintln!("If that is right, say why, in the same commit: benches/count --accept \"why it costs more now\"");
            ExitCode::FAILURE
        }
        Verdict::CannotTell => {
            eprintln!(
                "The yardstick took {} instructions in the baseline and {} now: this program was built otherwise (another compiler or \
                 profile). Count with benches/count; after a change of compiler: benches/count --accept \"Rust 1.xx\"",
                before.yardstick, now.yardstick
            );
            ExitCode::from(2)
        }
    }
}
