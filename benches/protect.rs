//! What does it cost to sign and seal a message of 100 KB to one S/MIME and one OpenPGP recipient? At most 1.5 ms of CPU time.
//!
//! `cargo bench --bench protect`. Keys of `tests/keys/usable/`; the sender's own keys as the gate makes them (RSA-2048 and Ed25519). CPU
//! is what the kernel charged the thread, so that a busy machine changes little. Ends with 1 when both
//! copies together cost more than they may. What is worth keeping goes into `benches/runs/`.

#[allow(dead_code, reason = "the other benches use the rest")]
mod corpus;
#[allow(dead_code, reason = "the other benches use the rest")]
mod walk;

use corpus::{Dice, prose};
use postern::mail::{Address, Identity, Language, Origin, RawMessage, Reference, Submission};
use postern::policy::{Decision, Disposition, Requirements, Verdict};
use postern::protect::{Keys, protect};
use postern::{mime, protect::FindKeys as _};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;
use walk::{NOW, Sealing, Walk};

const ALLOWED: Duration = Duration::from_micros(1_500);
const ROUNDS: u32 = 1_000;

fn main() -> ExitCode {
    let walk = Walk::new();
    let raw = message();
    println!("a message of {} octets, {ROUNDS} rounds, mean CPU time:", raw.len());
    let (rsa, p256, cv25519) = (Sealing::to("rsa-2048.pem"), Sealing::to("p256.pem"), Sealing::to("cv25519.asc"));
    for (name, recipients) in [
        ("S/MIME to RSA-2048", vec![&rsa]),
        ("S/MIME to P-256", vec![&p256]),
        ("OpenPGP to Cv25519", vec![&cv25519]),
        ("S/MIME to RSA-2048 and to P-256", vec![&rsa, &p256]),
    ] {
        println!("  {name}: {:.3} ms", milliseconds(seal(&walk, &raw, &recipients)));
    }
    let both = seal(&walk, &raw, &[&rsa, &cv25519]);
    println!("  S/MIME to RSA-2048 and OpenPGP to Cv25519: {:.3} ms; at most {:.3}", milliseconds(both), milliseconds(ALLOWED));
    look_up();
    if both > ALLOWED { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// French prose and an attachment, 100 KB.
fn message() -> RawMessage {
    use base64::Engine;
    let mut dice = Dice(20_261_122);
    let octets: Vec<u8> = (0..68_000).map(|_| dice.below(256) as u8).collect();
    let encoded = base64::engine::general_purpose::STANDARD.encode(octets);
    let lines: String =
        encoded.as_bytes().chunks(76).flat_map(|line| [std::str::from_utf8(line).expect("base64"), "\r\n"]).collect();
    let text = format!(
        "Date: {}\r\nFrom: Marie Dupont <marie.dupont@example.org>\r\nTo: <x@commune.example>\r\nSubject: Suite de votre demande\r\n\
         Message-ID: <1@poste.example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
         Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}\r\n--b\r\n\
         Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{lines}--b--\r\n",
        NOW.rfc5322(),
        prose(&mut dice, 9_000)
    );
    RawMessage::new(text.into_bytes()).expect("a message")
}

/// The mean CPU time of making all copies of one message.
fn seal(walk: &Walk, raw: &RawMessage, recipients: &[&Sealing]) -> Duration {
    let marie = Address::parse("marie.dupont@example.org").expect("an address");
    let submission = Submission {
        reference: Reference::from_random([1; 8]),
        identity: Identity::Account {
            login: marie.clone(),
            owns: vec![marie.clone()],
            names: Vec::new(),
            attributes: Default::default(),
        },
        mail_from: Some(marie),
        recipients: recipients.iter().map(|sealing| sealing.recipient.clone()).collect(),
        raw: raw.clone(),
        origin: Origin::Inspection,
        received_at: NOW,
        requires_tls: false,
        transport: Default::default(),
        language: Language::Fr,
    };
    let parsed = mime::parse(&submission.raw, &mime::Limits::default()).expect("a message");
    let requires = Requirements { encrypt: true, ..Requirements::default() };
    let verdicts = submission.recipients.iter().cloned();
    let verdicts =
        verdicts.map(|recipient| Verdict { recipient, disposition: Disposition::Allow, requires, reasons: Vec::new() });
    let decision = Decision {
        disposition: Disposition::Allow,
        verdicts: verdicts.collect(),
        watched: Vec::new(),
        ruleset: "sha256:0".into(),
        answer: Default::default(),
    };
    let keys: Keys = recipients.iter().map(|sealing| (sealing.recipient.clone(), sealing.key.clone())).collect();
    mean(|| {
        for copy in protect(&submission, &parsed, &decision, &keys, &Default::default(), &walk.signers, &walk.sealing) {
            black_box(copy.expect("a copy"));
        }
    })
}

/// Keys are parsed and judged when they are loaded; a look-up hands out what was made then.
fn look_up() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/usable");
    let keys = postern::lookup::Folder::open(&folder, postern::protect::trust::Trust::default(), NOW);
    for file in ["rsa-2048.pem", "cv25519.asc"] {
        let reports = keys.reports();
        let address = &reports.iter().find(|report| report.file == file).expect("the key").addresses[0];
        let cost = mean(|| drop(black_box(keys.find(address, NOW))));
        println!("  a look-up of {file}: {:.3} ms", milliseconds(cost));
    }
}

/// The kernel charges at its ticks and at each change of thread: only the sum of many rounds says something, read when we come back
/// from a pause.
fn mean(step: impl Fn()) -> Duration {
    let charged = || {
        std::thread::sleep(Duration::from_millis(2));
        thread_cpu()
    };
    for _ in 0..20 {
        step();
    }
    let before = charged();
    for _ in 0..ROUNDS {
        step();
    }
    charged().saturating_sub(before) / ROUNDS
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Of this thread (proc(5), schedstat).
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0))
}
