//! Wrong configurations, one folder each: `postern check` says the sentence in `expected.txt` and exits with 2.
//!
//! `config.toml` is the configuration; everything else in the folder is copied beside it. `setup.txt` makes what a repository cannot
//! hold: `certificate CERT KEY MODE` a key pair whose key has that mode, `shipped FOLDER` a copy of the shipped folder.

use super::gate::{files_below, postern};
use super::peers;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bad_configs");

fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
}

fn set_up(folder: &Path) {
    for line in std::fs::read_to_string(folder.join("setup.txt")).unwrap_or_default().lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["certificate", certificate, key, mode] => {
                let made = rcgen::generate_simple_self_signed(["gate.example.org".to_string()]).unwrap();
                std::fs::write(folder.join(certificate), made.cert.pem()).unwrap();
                std::fs::write(folder.join(key), made.signing_key.serialize_pem()).unwrap();
                let mode = u32::from_str_radix(mode, 8).unwrap();
                std::fs::set_permissions(folder.join(key), std::fs::Permissions::from_mode(mode)).unwrap();
            }
            ["shipped", name] => copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &folder.join(name)),
            _ => panic!("setup.txt: {line:?} is neither \"certificate CERT KEY MODE\" nor \"shipped FOLDER\""),
        }
    }
}

/// What `postern COMMAND` printed on both streams, with the temporary folder taken out, and how it ended.
fn said(command: &str, folder: &Path) -> (String, Option<i32>) {
    let mut program = postern();
    program.arg(command).arg("--config").arg(folder.join("config.toml")).current_dir(folder);
    let output = peers::run(&mut program, b"", Duration::from_secs(30));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (said.replace(&format!("{}/", folder.display()), ""), output.status.code())
}

#[test]
fn every_wrong_configuration_is_told_in_the_sentence_beside_it() {
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut cases: Vec<_> = std::fs::read_dir(CASES).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    for case in cases {
        count += 1;
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let folder = tempfile::tempdir().unwrap();
        copy(&case, folder.path());
        set_up(folder.path());
        let expected = std::fs::read_to_string(case.join("expected.txt")).unwrap_or_default();
        let (said, code) = said("check", folder.path());
        if code != Some(2) {
            wrong.push(format!("{name}: exit {code:?} instead of 2\n{said}"));
        }
        if expected.trim().is_empty() {
            wrong.push(format!("{name}: expected.txt is missing or empty; it said:\n{said}"));
        }
        for line in expected.lines().filter(|line| !said.contains(line)) {
            wrong.push(format!("{name}: not said: {line}\nbut:\n{said}"));
        }
    }
    assert!(count >= 12, "only {count} cases in {CASES}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What `check` calls wrong, `serve` does not start with.
#[test]
fn no_wrong_configuration_starts() {
    let mut started = Vec::new();
    for case in std::fs::read_dir(CASES).unwrap().map(|entry| entry.unwrap().path()) {
        let folder = tempfile::tempdir().unwrap();
        copy(&case, folder.path());
        set_up(folder.path());
        let (said, code) = said("serve", folder.path());
        if code != Some(2) || said.contains("\"ready\"") {
            started.push(format!("{}: exit {code:?}\n{said}", case.display()));
        }
    }
    assert!(started.is_empty(), "{}", started.join("\n\n"));
}
