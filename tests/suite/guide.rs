//! `rules/README.md` against the program: every rule, list and policy in it loads with its tests, every message it quotes is said.

use postern::config::laws;
use postern::mail::Domain;
use std::path::Path;
use std::sync::Arc;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

fn guide() -> String {
    std::fs::read_to_string(Path::new(REPOSITORY).join("rules/README.md")).unwrap()
}

/// Blocks in this fence whose first line names a file: `# detect/x.toml`.
fn blocks<'g>(guide: &'g str, fence: &str) -> Vec<(&'g str, &'g str)> {
    let open = format!("```{fence}\n");
    let all = guide.split(open.as_str()).skip(1).filter_map(|rest| rest.split("```").next());
    all.map(|block| (block.lines().next().unwrap_or_default().trim_start_matches("# "), block)).collect()
}

/// The shipped rules, with the guide's beside them.
fn folder_with_examples() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for below in ["detect", "lists"] {
        std::fs::create_dir(folder.path().join(below)).unwrap();
        for entry in std::fs::read_dir(Path::new(REPOSITORY).join("rules").join(below)).unwrap() {
            let from = entry.unwrap().path();
            std::fs::copy(&from, folder.path().join(below).join(from.file_name().unwrap())).unwrap();
        }
    }
    let guide = guide();
    let mut rules = 0;
    for (name, block) in blocks(&guide, "toml").into_iter().chain(blocks(&guide, "text")) {
        if name.starts_with("detect/") || name.starts_with("lists/") {
            let path = folder.path().join(name);
            assert!(!path.exists(), "{name} stands twice in the guide, or is shipped");
            std::fs::write(path, block).unwrap();
            rules += usize::from(name.starts_with("detect/"));
        }
    }
    assert!(rules >= 15, "only {rules} rules in the guide");
    folder
}

#[test]
fn every_example_of_the_guide_holds() {
    let folder = folder_with_examples();
    let (rules, lists) = laws::load_rules(folder.path()).unwrap_or_else(|problems| panic!("{problems}"));
    let inside: Arc<[Domain]> = Arc::from([Domain::parse("example.org").unwrap()]);
    let mut policies = 0;
    let guide = guide();
    for (name, block) in blocks(&guide, "toml") {
        match name {
            "policy.toml" => {
                std::fs::write(folder.path().join("policy.toml"), block).unwrap();
                let policy = laws::load_policy(folder.path(), &rules, &lists, &inside);
                let policy = policy.unwrap_or_else(|problems| panic!("{problems}\n{block}"));
                assert!(!postern::policy::run_cases(&policy).is_empty(), "a policy without a case\n{block}");
                policies += 1;
            }
            name => assert!(name.starts_with("detect/"), "a block that nobody runs begins with {name}"),
        }
    }
    assert!(policies >= 10, "only {policies} policies in the guide");
}

/// A rule or policy in which the slip stands where its word belongs.
fn with_slip(slip: &str) -> (&'static str, String) {
    let key = slip.split(' ').next().unwrap();
    let rule = |line: &str, instead: &str| {
        let right = "id = \"slip\"\ntitle = { fr = \"x\", en = \"x\" }\nstatus = \"draft\"\ncategory = \"legal\"\n[find]\n\
                     shape = \"9999\"\n[near.dossier]\nwords = [\"x\"]\nwithin = 30\n[confidence]\nhigh = [\"found\"]\n\
                     [[match]]\ntext = \"1234\"\nbecause = \"x\"\n[[no_match]]\ntext = \"x\"\nbecause = \"x\"\n";
        assert!(line.is_empty() || right.contains(line), "{line}");
        match line {
            "" => format!("{instead}\n{right}"),
            line => right.replacen(line, instead, 1),
        }
    };
    let policy = |text: String| format!("[[policy]]\nid = \"slip\"\n{text}\n");
    match key {
        "sahpe" | "validator" => ("detect/slip.toml", rule("shape = \"9999\"", &format!("shape = \"9999\"\n{slip}"))),
        "words" | "shape" => ("detect/slip.toml", rule("shape = \"9999\"", slip)),
        "id" => ("detect/slip.toml", rule("id = \"slip\"", slip)),
        "status" => ("detect/slip.toml", rule("status = \"draft\"", slip)),
        "reviewed" => ("detect/slip.toml", rule("", slip)),
        "high" => ("detect/slip.toml", rule("high = [\"found\"]", slip)),
        "within" => ("detect/slip.toml", rule("within = 30", slip)),
        "then" => ("policy.toml", policy(format!("when = {{ to = \"outside\" }}\n{slip}"))),
        "found" => ("policy.toml", policy(format!("when = {{ {slip} }}\nthen = \"block\""))),
        "score" => ("policy.toml", policy(format!("when = {{ {slip}, to = \"outside\" }}\nthen = \"block\""))),
        other => panic!("where does {other} stand?"),
    }
}

#[test]
fn every_message_that_the_guide_quotes_is_said() {
    let folder = folder_with_examples();
    let guide = guide();
    let table =
        guide.split("| écrit | message |\n|---|---|\n").nth(1).expect("the table of mistakes").split("\n\n").next().unwrap();
    let (rules, lists) = laws::load_rules(folder.path()).unwrap();
    let mut rows = 0;
    for row in table.lines() {
        let cells: Vec<&str> = row.split('`').collect();
        let (slip, message) = (cells[1], cells[3]);
        let (file, text) = with_slip(slip);
        let said = if file == "policy.toml" {
            std::fs::write(folder.path().join(file), text).unwrap();
            laws::load_policy(folder.path(), &rules, &lists, &Arc::from([])).map(|_| ()).unwrap_err()
        } else {
            let alone = tempfile::tempdir().unwrap();
            std::fs::create_dir(alone.path().join("detect")).unwrap();
            std::fs::write(alone.path().join(file), text).unwrap();
            laws::load_rules(alone.path()).map(|_| ()).unwrap_err()
        };
        assert!(said.to_string().contains(message), "{slip}\nquoted: {message}\nsaid: {said}");
        rows += 1;
    }
    assert!(rows >= 10, "only {rows} mistakes");
}
