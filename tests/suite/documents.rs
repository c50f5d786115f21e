//! Every document of tests/corpus/documents gives the texts that its index names, at their places; and no mutation of it brings a
//! reader down. A folder is a format; adding a document needs a file and an entry in the folder's `index.toml`.

use postern::extract::{Cell, Extracted, Limits, Reader, Reason, Text, extract_file};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    document: Vec<Document>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    file: String,
    #[serde(default)]
    found: Vec<Found>,
    /// All that cannot be read of it; nothing else may be.
    #[serde(default)]
    unreadable: Vec<Unreadable>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    place: String,
    text: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Unreadable {
    part: String,
    reason: Reason,
}

fn documents() -> Vec<(PathBuf, Document)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/documents");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut all = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let text = std::fs::read_to_string(folder.join("index.toml")).unwrap();
        let index: Index = toml::from_str(&text).unwrap_or_else(|wrong| panic!("{}: {wrong}", folder.display()));
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != "index.toml")
            .collect();
        let mut told: Vec<String> = index.document.iter().map(|document| document.file.clone()).collect();
        files.sort();
        told.sort();
        assert_eq!(files, told, "{}: files and index", folder.display());
        all.extend(index.document.into_iter().map(|document| (folder.join(&document.file), document)));
    }
    all
}

fn read(name: &str, octets: &[u8]) -> Extracted {
    extract_file(name, octets, &Limits::default(), &Reader::here())
}

#[test]
fn every_document_gives_its_texts_at_their_places() {
    let documents = documents();
    assert!(documents.len() >= 25, "the corpus shrank to {}", documents.len());
    let mut wrong = Vec::new();
    for (path, document) in &documents {
        let extracted = read(&document.file, &std::fs::read(path).unwrap());
        for found in &document.found {
            let places: Vec<&str> =
                extracted.texts.iter().filter(|text| text.content.contains(&found.text)).map(|text| &*text.place.0).collect();
            if !places.contains(&found.place.as_str()) {
                wrong.push(format!("{}: {:?} at {:?}: found at {places:?}", path.display(), found.text, found.place));
            }
        }
        let told: Vec<(&str, Reason)> = document.unreadable.iter().map(|it| (it.part.as_str(), it.reason)).collect();
        let seen: Vec<(&str, Reason)> = extracted.unreadable.iter().map(|it| (&*it.part.0, it.reason)).collect();
        if told != seen {
            wrong.push(format!("{}: unreadable {seen:?}, not {told:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), documents.len(), wrong.join("\n"));
}

/// Mutations of each document, and of one that costs much.
const MUTATIONS: usize = 500;
const LEAST: usize = 10;
/// None may cost more of the processor's time: that of this thread, for the machine may be busy with other things.
/// Passwords tried in vain take up to two seconds of it (`EFFORT` in src/extract/budget.rs).
const LONGEST: Duration = Duration::from_secs(4);
/// What the mutations of one document may cost together: where passwords are tried in vain, each costs a second.
const ENOUGH: Duration = Duration::from_secs(15);
/// Mutations that are told, at most.
const TOLD: usize = 50;

/// Processor time that this thread has had (Linux, proc(5) schedstat).
fn spent() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

/// Flips bits, cuts the end or the middle, blows lengths up, puts one piece in the place of another.
fn mutate(octets: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut out = octets.to_vec();
    for _ in 0..1 + dice.below(8) {
        let length = out.len();
        if length < 32 {
            break;
        }
        match dice.below(6) {
            0 => out[dice.below(length)] ^= 1 << dice.below(8),
            1 => out[dice.below(length)] = dice.below(256) as u8,
            2 => out.truncate(length - dice.below(length / 4)),
            3 => {
                let from = dice.below(length);
                out.drain(from..(from + dice.below(64)).min(length));
            }
            4 => {
                let at = dice.below(length - 4) / 2 * 2;
                let huge: u32 = [u32::MAX, i32::MAX as u32, 0x0100_0000, 0, 0x8000][dice.below(5)];
                out[at..at + 4].copy_from_slice(&huge.to_le_bytes());
            }
            _ => {
                let size = 1 + dice.below(length / 2);
                let (from, to) = (dice.below(length - size), dice.below(length - size));
                out.copy_within(from..from + size, to);
            }
        }
    }
    out
}

/// Octets of text that a mutated document may give: a length that was blown up must not be believed.
fn most_text(octets: &[u8]) -> usize {
    (1 << 20) + octets.len() * 400
}

#[test]
fn no_mutated_document_brings_its_reader_down() {
    let mut wrong = Vec::new();
    for (path, document) in documents() {
        let octets = std::fs::read(&path).unwrap();
        let mut dice = Dice(20_261_121);
        let begun = spent();
        for n in 0..MUTATIONS {
            if n >= LEAST && spent() - begun > ENOUGH {
                break;
            }
            let mutant = mutate(&octets, &mut dice);
            wrong.extend(
                fault(&document.file, &mutant, most_text(&octets))
                    .map(|what| format!("{}: mutation {n} {what}", path.display())),
            );
        }
        println!("{:7.2} s  {}", (spent() - begun).as_secs_f32(), path.display());
    }
    let told = wrong.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} mutations:\n{told}", wrong.len());
}

/// Trying passwords takes most of the time above, so that few mutations of locked files are read. Here they stand alone, with no message
/// around them that tells one.
#[test]
fn no_mutated_lock_brings_its_reader_down() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (path, _) in documents().into_iter().filter(|(path, _)| path.parent().is_some_and(|folder| folder.ends_with("locked")))
    {
        let octets = std::fs::read(&path).unwrap();
        let crlf = String::from_utf8(octets).unwrap().replace("\r\n", "\n").replace('\n', "\r\n");
        let raw = postern::mail::RawMessage::new(crlf.into_bytes()).unwrap();
        let message = postern::mime::parse(&raw, &postern::mime::Limits::default()).unwrap();
        for part in message.leaves().filter(|part| part.file_name.is_some()) {
            let locked = part.decoded(&raw).0.into_owned();
            let mut dice = Dice(20_261_122);
            let begun = spent();
            for n in 0..MUTATIONS {
                let fault = fault("a.docx", &mutate(&locked, &mut dice), most_text(&locked));
                wrong.extend(fault.map(|what| format!("{}: mutation {n} {what}", path.display())));
            }
            seen += 1;
            println!("{:7.2} s  {} alone", (spent() - begun).as_secs_f32(), path.display());
        }
    }
    assert!(seen >= 3, "{seen} locked files");
    assert!(wrong.is_empty(), "{} mutations:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong with the reading of one file, if anything.
fn fault(name: &str, octets: &[u8], most: usize) -> Option<String> {
    let begun = spent();
    let Ok(extracted) = std::panic::catch_unwind(|| read(name, octets)) else { return Some("panicked past the guard".into()) };
    let cost = spent() - begun;
    if cost > LONGEST {
        return Some(format!("took {cost:?}"));
    }
    let length: usize = extracted.texts.iter().map(|text| text.content.len()).sum();
    if length > most {
        return Some(format!("gave {length} octets of text"));
    }
    let cells = extracted
        .texts
        .iter()
        .flat_map(|text| text.table.iter().flat_map(move |table| table.cells.iter().map(move |cell| (text, cell))));
    let outside = |(text, cell): &(&Text, &Cell)| text.content.get(cell.start as usize..cell.end as usize).is_none();
    cells.into_iter().any(|cell| outside(&cell)).then(|| "gave a cell outside of its text".into())
}
