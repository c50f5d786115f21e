//! `postern backtest` beside a real gate: what reviewers decided counts, and nothing is left behind.

use super::gate::{Setup, files_below, message, wait_until};
use serde_json::Value;
use std::time::Duration;

const OUTSIDE: &str = "bob@company.example";
const SOON: Duration = Duration::from_secs(20);

/// Three invented accounts: a list that a person looks at.
const ACCOUNTS: &str =
    "IBAN DE44 5001 0517 5407 3249 31\r\nIBAN DE62 3704 0044 0532 0137 77\r\nIBAN DE37 2004 1133 0123 4567 02\r\n";
const NIR: &str = "Sécurité sociale : 1 85 05 78 006 084 91\r\n";

#[test]
fn what_reviewers_released_and_rejected_is_the_precision_of_rules() {
    let gate = Setup::default().start();
    let mut mailbox = Vec::new();
    for (subject, body, act) in [("accounts", ACCOUNTS, "release"), ("number", NIR, "reject")] {
        let text = message(OUTSIDE, subject, body);
        let reply = gate.submit(&[OUTSIDE], &text);
        assert!(reply.text.contains("retenu"), "{subject}: {reply:?}");
        let reference = reply.reference().expect("a reference").to_owned();
        let done = gate.command(&["quarantine", act, &reference, "--officer", "dpo"], b"");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        mailbox.extend_from_slice(b"From alice Sat Nov 21 10:00:00 2026\n");
        mailbox.extend(text.iter().copied().filter(|octet| *octet != b'\r'));
        mailbox.push(b'\n');
    }
    let path = gate.path("Sent.mbox");
    std::fs::write(&path, &mailbox).unwrap();
    let path = path.display().to_string();
    let mut gate = gate;
    // Asked of the running gate, then of the store that it left.
    for running in [true, false] {
        if !running {
            gate.stop(SOON);
            wait_until(SOON, "the gate ended", || !gate.is_running());
        }
        let before = files_below(&gate.path("data")).len();
        let output = gate.command(&["backtest", "--format", "json", &path], b"");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3, "{said}");
        for (line, number) in lines.iter().zip(1..=2) {
            assert!(line["message"].as_str().unwrap().ends_with(&format!("Sent.mbox#{number}")), "{line}");
            assert_eq!(line["in_force"]["decision"], "quarantine", "{line}");
        }
        let summary = &lines[2]["summary"];
        assert_eq!(summary["decisions_in_force"]["quarantine"], 2, "{summary}");
        let reviewed = |rule: &str, what: &str| summary["rules"][rule]["reviewed"][what].clone();
        assert_eq!((reviewed("iban", "false_alarms"), reviewed("iban", "right")), (1.into(), 0.into()), "{summary}");
        assert_eq!((reviewed("fr-nir", "false_alarms"), reviewed("fr-nir", "right")), (0.into(), 1.into()), "{summary}");
        for secret in ["084 91", "185057800608491", "5407"] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
        if running {
            assert_eq!(files_below(&gate.path("data")).len(), before, "a backtest leaves nothing behind");
        }
    }
}
