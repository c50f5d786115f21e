//! Calls of the program as data: a folder in `tests/command_line` is one case, read by whoever wants to know what a call says.
//!
//! | file | holds |
//! |---|---|
//! | `cmd.txt` | the arguments, as a shell would part them ("…" keeps blanks); more lines are calls in the same folder, one after the other |
//! | `stdin.txt` | standard input of the last call |
//! | `stdout.txt`, `stderr.txt` | lines that must be in what the last call said; a line that begins with `!` must not be |
//! | `exit.txt` | its exit code; 0 when there is none |
//! | other files | copied to where the calls run, beside a `config.toml` as `postern config describe` prints it unless they bring one |
//!
//! `$REPO` in `cmd.txt` is the repository.

use super::gate::{files_below, postern};
use super::peers;
use std::path::Path;
use std::time::Duration;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
/// What a case says about itself; everything else in its folder is given to the call.
const ABOUT: [&str; 5] = ["cmd.txt", "stdin.txt", "stdout.txt", "stderr.txt", "exit.txt"];

/// Blanks part words, except inside "…".
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    for c in line.chars().chain([' ']) {
        match c {
            '"' => (quoted, any) = (!quoted, true),
            ' ' if !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            _ => word.push(c),
        }
    }
    words
}

/// Sentences about what was not as `expected` says.
fn differences(stream: &str, said: &str, expected: &str) -> Vec<String> {
    let holds = |line: &&str| match line.strip_prefix('!') {
        Some(absent) => !said.contains(absent),
        None => said.contains(*line),
    };
    expected.lines().filter(|line| !line.is_empty() && !holds(line)).map(|line| format!("{stream}: {line}")).collect()
}

fn run(case: &Path) -> Vec<String> {
    let read = |name: &str| std::fs::read_to_string(case.join(name)).unwrap_or_default();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), postern::config::EXAMPLE).unwrap();
    for file in files_below(case).iter().filter(|file| !ABOUT.iter().any(|about| file.ends_with(about))) {
        let target = folder.path().join(file.strip_prefix(case).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
    let calls = read("cmd.txt").replace("$REPO", REPOSITORY);
    let calls: Vec<&str> = calls.lines().filter(|line| !line.is_empty()).collect();
    let mut wrong = Vec::new();
    for (n, call) in calls.iter().enumerate() {
        let last = n + 1 == calls.len();
        let input = if last { read("stdin.txt") } else { String::new() };
        let output =
            peers::run(postern().args(words(call)).current_dir(folder.path()), input.as_bytes(), Duration::from_secs(30));
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let expected: i32 = if last { read("exit.txt").trim().parse().unwrap_or(0) } else { 0 };
        let before = wrong.len();
        if output.status.code() != Some(expected) {
            wrong.push(format!("exit {:?} instead of {expected}", output.status.code()));
        }
        if last {
            wrong.extend(differences("stdout", &out, &read("stdout.txt")));
            wrong.extend(differences("stderr", &err, &read("stderr.txt")));
        }
        if wrong.len() > before {
            wrong.push(format!("postern {call}\n--- stdout\n{out}--- stderr\n{err}"));
        }
    }
    wrong
}

#[test]
fn every_call_says_and_ends_as_its_folder_tells() {
    let mut cases: Vec<_> =
        std::fs::read_dir(format!("{REPOSITORY}/tests/command_line")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 30, "only {} cases", cases.len());
    let results: Vec<String> = std::thread::scope(|scope| {
        let halves = cases.chunks(cases.len().div_ceil(2)).map(|half| {
            scope.spawn(move || {
                let failed = half.iter().map(|case| (case, run(case))).filter(|(_, wrong)| !wrong.is_empty());
                failed.map(|(case, wrong)| format!("## {}\n{}", case.display(), wrong.join("\n"))).collect::<Vec<_>>()
            })
        });
        let halves: Vec<_> = halves.collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    assert!(results.is_empty(), "{}", results.join("\n"));
}

/// All commands that `--help` names, with those below them.
fn commands() -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = vec![vec![]];
    let mut next = 0;
    while next < all.len() {
        let help = help(&all[next]);
        let listed = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
        for line in listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                all.push(all[next].iter().cloned().chain([name.to_owned()]).collect());
            }
        }
        next += 1;
    }
    all
}

fn help(command: &[String]) -> String {
    let output = peers::run(postern().args(command).arg("--help"), b"", Duration::from_secs(30));
    assert_eq!(output.status.code(), Some(0), "{command:?} --help");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_has_help_with_an_example() {
    let commands = commands();
    assert!(commands.len() > 30, "{commands:?}");
    for command in commands {
        let help = help(&command);
        assert!(help.contains("Example"), "{command:?} has no example\n{help}");
        // An option without a word of explanation is no help.
        for line in help.lines().filter(|line| line.trim_start().starts_with('<') && line.trim_end().ends_with('>')) {
            assert!(line.contains("  "), "{command:?}: {line}");
        }
    }
}

/// Every `postern …` that a page for people shows exists, with its words and options.
#[test]
fn every_call_in_the_pages_exists() {
    let existing = commands();
    let mut seen = 0;
    for page in ["README.md", "rules/README.md", "keys/README.md", "config.example.toml", "CHANGELOG.md"] {
        let text = std::fs::read_to_string(Path::new(REPOSITORY).join(page)).unwrap();
        for call in text.split("`postern ").skip(1).map(|rest| rest.split('`').next().unwrap()).chain(
            text.split("```sh")
                .skip(1)
                .filter_map(|rest| rest.split("```").next())
                .flat_map(str::lines)
                .filter_map(|line| line.strip_prefix("postern "))
                .map(|line| line.split(['#', '>', '<']).next().unwrap()),
        ) {
            let all = words(call);
            let command: Vec<String> =
                all.iter().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase())).cloned().collect();
            let known = existing
                .iter()
                .filter(|known| command.starts_with(known) && !known.is_empty())
                .max_by_key(|known| known.len())
                .unwrap_or_else(|| panic!("{page}: there is no `postern {call}`"));
            let help = help(known);
            for option in all.iter().filter(|word| word.starts_with("--")) {
                assert!(help.contains(option.as_str()), "{page}: `postern {call}`: there is no {option}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} calls found");
}

#[test]
fn the_shipped_configuration_explains_every_setting_at_its_default() {
    use postern::config::file::File;
    use serde_json::Value;
    let settings: String = (postern::config::EXAMPLE.lines())
        .map(|line| {
            line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[')).unwrap_or(line)
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let example: toml::Table = toml::from_str(&settings).expect("the example with every setting in force is TOML");
    let minimal = "[gate]\nhostname = \"gate.example.org\"\ninside = [\"example.org\"]\n";
    let default: Value = serde_json::to_value(toml::from_str::<File>(minimal).unwrap()).unwrap();

    let mut tables: Vec<(String, toml::Table)> = vec![(String::new(), example)];
    while let Some((name, table)) = tables.pop() {
        // Its keys are addresses and domains.
        if name == "protect.capabilities" {
            continue;
        }
        // What may stand in a table is what serde names when it meets a word that may not.
        let lists =
            ["listener", "lookup.ldap", "accounts.ldap", "accounts.mail_server", "accounts.oauth", "quotas.own", "dkim.domain"];
        let listed = lists.contains(&name.as_str());
        let header = if listed { format!("[[{name}]]") } else { format!("[{name}]") };
        let asked = match name.as_str() {
            "" => "nonsense = 1".to_owned(),
            _ => format!("{header}\nnonsense = 1"),
        };
        let complaint = toml::from_str::<File>(&asked).unwrap_err().message().to_owned();
        let known: Vec<&str> = complaint.split('`').skip(3).step_by(2).collect();
        assert!(complaint.starts_with("unknown field `nonsense`") && !known.is_empty(), "[{name}]: {complaint}");
        for key in known {
            assert!(table.contains_key(key), "config.example.toml does not explain {key} in [{name}]");
        }
        for (key, value) in table {
            let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            match value {
                // Its keys are the names of hosts.
                toml::Value::Table(_) if path == "lookup.http.hosts" => {}
                // Its keys are hashes and subjects of certificates.
                toml::Value::Table(_) if path == "accounts.certificates" => {}
                toml::Value::Table(below) => tables.push((path, below)),
                toml::Value::Array(items) if items.iter().all(toml::Value::is_table) && !items.is_empty() => {
                    let all = items.into_iter().filter_map(|item| item.as_table().cloned()).flatten();
                    tables.push((path, all.collect()));
                }
                value if !name.is_empty() && !listed && name != "gate" => {
                    let pointer = format!("/{}", path.replace('.', "/"));
                    let usual = default.pointer(&pointer).unwrap_or(&Value::Null);
                    let shown = serde_json::to_value(&value).unwrap();
                    assert!(usual.is_null() || *usual == shown, "{path}: the example says {shown}, the default is {usual}");
                }
                _ => {}
            }
        }
    }
}
