//! Says whether a foreign program is here. One that is missing is named at the end of `tests/run`; under
//! `POSTERN_REQUIRE_PEERS` it is a failure.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// True when all `programs` are here; otherwise the test that asks is left out, aloud.
pub fn are_here(test: &str, programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| find(program).is_none()).collect();
    missing.is_empty() || leave_out(test, &format!("not installed: {}", missing.join(", ")))
}

/// Records that `test` did not look at anything, and why. Always false, so that callers can `return`.
pub fn leave_out(test: &str, why: &str) -> bool {
    assert!(std::env::var_os("POSTERN_REQUIRE_PEERS").is_none(), "{test} is required and cannot run: {why}");
    println!("LEFT OUT {test}: {why}");
    false
}

/// Where a program is; Debian puts some servers where only root's PATH looks.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A Python with dkimpy and Ed25519: Debian's, or the one on the PATH.
pub fn python_with_dkim() -> Option<PathBuf> {
    let on_path = find("python3");
    [Some(PathBuf::from("/usr/bin/python3")), on_path].into_iter().flatten().find(|python| {
        let probe = Command::new(python).args(["-c", "import dkim, nacl.signing"]).stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    })
}

/// `tests/run --install` puts it there, pinned.
pub fn nodemailer() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/node_modules/nodemailer");
    folder.join("package.json").is_file().then_some(folder)
}

/// Runs a program to its end, within `limit`, with `input` on its standard input.
pub fn run(command: &mut Command, input: &[u8], limit: Duration) -> Output {
    let shown = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let mut stdin = child.stdin.take().expect("its standard input");
    let input = input.to_vec();
    // Its own thread: a program that writes before it has read all would otherwise stop both.
    std::thread::spawn(move || drop(stdin.write_all(&input)));
    let id = child.id();
    let (done, over) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let end = Instant::now() + limit;
        if over.recv_timeout(end - Instant::now()) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        }
    });
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let _ = done.send(());
    let _ = watch.join();
    output
}

/// Runs a program that must succeed and returns its standard output.
pub fn must(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let output = run(command, input, Duration::from_secs(60));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
