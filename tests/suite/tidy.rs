//! Holds the floors of the house: an explicit table of which room may name which, and what stages may never touch.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Room → the rooms it may name. What is not listed is forbidden, a room that is not listed does not exist.
const MAY_NAME: &[(&str, &str)] = &[
    // words
    ("mail", ""),
    ("world", "mail"),
    // stages: each may use those to its left of "<"
    ("smtp", "mail"),
    ("dkim", "mail"),
    ("domains", "mail dkim"),
    ("mime", "mail"),
    ("extract", "mail mime"),
    ("detect", "mail mime extract"),
    ("facts", "mail mime extract detect"),
    ("policy", "mail mime extract detect facts"),
    ("protect", "mail mime extract detect facts policy"),
    // memory: each may use store and the stages; store uses no other memory
    ("store", "mail world smtp"),
    ("vault", "mail world store smtp dkim mime extract detect facts policy protect"),
    ("accounts", "mail world store"),
    ("spool", "mail world store"),
    ("quarantine", "mail world store mime extract detect facts policy"),
    ("quotas", "mail store facts"),
    ("audit", "mail world store mime extract detect facts policy"),
    ("notices", "mail world smtp store mime extract detect facts policy"),
    // the walk
    (
        "pipeline",
        "mail world smtp dkim mime extract detect facts policy protect store vault accounts spool quarantine quotas audit notices",
    ),
    // doors: down to the walk, never to each other
    ("receive", "mail world smtp mime policy detect store accounts quotas pipeline audit"),
    ("relay", "mail world smtp dkim mime store spool notices audit pipeline"),
    ("lookup", "mail world smtp mime protect store accounts pipeline dkim domains"),
    ("worker", "mail world extract"),
    ("console", "mail world store vault accounts spool quarantine audit notices pipeline policy detect"),
    // house
    ("config", "*"),
    ("serve", "*"),
    ("cli", "*"),
    ("main", "*"),
    ("manual", ""),
];

/// Rooms that turn values into values: no sockets, files, clock or asynchrony.
const STAGES: &[&str] = &["mail", "smtp", "dkim", "domains", "mime", "extract", "detect", "facts", "policy", "protect"];

/// What would make a stage impure. Tests inside the files may read their cases.
const NOT_IN_A_STAGE: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::env",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "tokio",
    "async fn",
    ".await",
    "crate::world",
    "println!",
    "eprintln!",
    "tracing::",
    "std::io::stdin",
    "UtcNow",
    "Utc::now",
];

struct Source {
    path: PathBuf,
    room: String,
    /// Without comments, without the tests at its end.
    code: String,
}

/// Files that exist for tests alone may read their cases and run foreign programs.
fn is_test(path: &Path) -> bool {
    const FOR_TESTS: &[&str] = &["tests", "tests.rs", "run_tests.rs", "scripted.rs", "dialogs.rs", "shipped.rs"];
    path.components().any(|part| FOR_TESTS.contains(&part.as_os_str().to_string_lossy().as_ref()))
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("src can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !is_test(&path) {
                let inside = path.strip_prefix(&root).expect("below src");
                let first = inside.components().next().expect("a name").as_os_str().to_string_lossy();
                let room = first.trim_end_matches(".rs").to_owned();
                let text = std::fs::read_to_string(&path).expect("UTF-8");
                found.push(Source { code: code_of(&text), room, path });
            }
        }
    }
    found
}

/// The lines before `#[cfg(test)] mod tests`, each cut at its comment.
fn code_of(text: &str) -> String {
    let before_tests = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    let without_comment = |line: &str| match line.find("//") {
        Some(at) if !line[..at].ends_with(':') => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    before_tests.lines().map(without_comment).collect::<Vec<_>>().join("\n")
}

/// The rooms that a file names: `crate::room…`, and each branch of `use crate::{…}`.
fn named(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    let mut rest = code;
    while let Some(at) = rest.find("crate::") {
        // `pub(crate) ::` and `$crate::` do not occur; `xcrate::` would be another word.
        rest = &rest[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0usize;
            let mut word = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        rooms.insert(std::mem::take(&mut word));
                    }
                    ':' if depth == 0 && !word.ends_with(' ') => word.push(' '),
                    c if depth == 0 && (c.is_alphanumeric() || c == '_') && !word.contains(' ') => word.push(c),
                    _ => {}
                }
            }
            rooms.insert(word);
        } else {
            rooms.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    rooms.into_iter().map(|room| room.trim().to_owned()).filter(|room| !room.is_empty()).collect()
}

#[test]
fn imports_only_go_down() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.room == "lib" {
            continue;
        }
        let Some((_, may)) = MAY_NAME.iter().find(|(room, _)| *room == source.room) else {
            wrong.push(format!("{}: there is no room `{}` in the table of floors", source.path.display(), source.room));
            continue;
        };
        for named in named(&source.code) {
            let known = MAY_NAME.iter().any(|(room, _)| *room == named);
            if known && named != source.room && *may != "*" && !may.split(' ').any(|room| room == named) {
                wrong.push(format!("{}: `{}` may not name `{named}`", source.path.display(), source.room));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn stages_turn_values_into_values() {
    let mut wrong = Vec::new();
    for source in sources() {
        if !STAGES.contains(&source.room.as_str()) {
            continue;
        }
        for word in NOT_IN_A_STAGE {
            if source.code.contains(word) {
                wrong.push(format!("{}: a stage may not say `{word}`", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// DESIGN §1.1: a 2yz after DATA is made from something durable, and only the store makes durable things.
#[test]
fn only_the_store_is_durable() {
    let elsewhere: Vec<_> = sources()
        .into_iter()
        .filter(|source| source.room != "store" && source.code.contains("Durable for"))
        .map(|source| source.path.display().to_string())
        .collect();
    assert!(elsewhere.is_empty(), "`impl Durable for` outside src/store: {elsewhere:?}");
}

#[test]
fn every_file_says_in_one_sentence_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|source| {
            let text = std::fs::read_to_string(&source.path).expect("UTF-8");
            !text.starts_with("//!")
        })
        .map(|source| source.path.strip_prefix(&root).expect("below src").display().to_string())
        .collect();
    assert!(silent.is_empty(), "files without a first `//!` line: {silent:?}");
}

/// What belongs to one machine or to one day's work has no place in the repository.
#[test]
fn no_unfinished_marks_and_no_foreign_paths() {
    let mut wrong = Vec::new();
    for source in sources() {
        let text = std::fs::read_to_string(&source.path).expect("UTF-8");
        for mark in ["todo!", "unimplemented!", "TODO", "FIXME", "XXX"] {
            // VTODO is a word of iCalendar.
            if text.match_indices(mark).any(|(at, _)| !text[..at].ends_with(char::is_alphanumeric)) {
                wrong.push(format!("{}: {mark}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_itself_can_fail() {
    assert_eq!(named("use crate::{mail::Address, world};"), ["mail", "world"].map(String::from).into());
    assert_eq!(named("let x = crate::store::Store::open();"), ["store"].map(String::from).into());
    assert!(code_of("a // crate::store\n#[cfg(test)]\nmod tests {\n use crate::cli; }").trim() == "a");
}
