//! How many messages a second does the real gate take, from a client's TLS and AUTH to the upstream, and what does each cost?
//!
//! `cargo bench --bench e2e`, optionally `-- MESSAGES`: starts the gate and a sink on loopback, submits the afternoon's mix (`corpus.rs`) on
//! eight sessions with STARTTLS and AUTH, and prints one JSON object: messages a second, CPU per message (gate and its workers), the
//! median and the 99th percentile of the time from MAIL to the answer, and the memory that is its own (PSS), with the workers and without. Client and sink
//! share the machine with the gate, so the rate is a lower bound; the CPU per message is the gate's alone.

#[allow(dead_code)]
#[path = "../tests/suite/client.rs"]
mod client;
#[allow(dead_code, reason = "the other benches use the rest")]
mod corpus;
#[allow(dead_code)]
#[path = "../tests/suite/gate.rs"]
mod gate;
#[allow(dead_code)]
#[path = "../tests/suite/peers.rs"]
mod peers;
#[allow(dead_code)]
#[path = "../tests/suite/sink.rs"]
mod sink;

use gate::Setup;
use serde_json::json;
use sink::Sink;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SESSIONS: usize = 8;
const SEED: u64 = 20_261_121;
const MARIE: &str = "marie.dupont@example.org";
const PASSWORD: &str = "correct horse battery staple";

fn main() {
    let messages = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000usize);
    let samples = corpus::mix(SEED, 2);
    let sink = Sink::start();
    let mut gate = Setup::towards(&sink).prepare();
    gate.add_user(MARIE, PASSWORD);
    gate.start();
    let process = gate.id().expect("a running gate");
    submit(&gate, &samples, SESSIONS * 4);
    let (relayed_before, before) = (settled(&sink), cpu(process));
    let begin = Instant::now();
    let (mut times, refused) = submit(&gate, &samples, messages);
    let wall = begin.elapsed();
    // Relaying is part of the price.
    let relayed = settled(&sink) - relayed_before;
    let cpu = cpu(process) - before;
    times.sort_unstable();
    let percentile = |hundredth: usize| times[(times.len() - 1) * hundredth / 100].as_secs_f64() * 1000.0;
    println!(
        "{}",
        json!({
            "messages": messages, "sessions": SESSIONS, "seconds": wall.as_secs_f64(), "relayed": relayed, "not_accepted": refused,
            "messages_per_second": messages as f64 / wall.as_secs_f64(), "cpu_ms_per_message": cpu.as_secs_f64() * 1000.0 / messages as f64,
            "p50_ms": percentile(50), "p99_ms": percentile(99), "pss_kib": family(process).into_iter().map(pss).sum::<u64>(),
            "pss_kib_of_gate_alone": pss(process),
        })
    );
}

/// How many messages the sink has taken, once no more come.
fn settled(sink: &Sink) -> usize {
    let mut count = sink.taken_count();
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(300));
        if std::mem::replace(&mut count, sink.taken_count()) == count {
            break;
        }
    }
    count
}

/// Sends so many messages over all sessions; the time of each, and how many were not accepted.
fn submit(gate: &gate::Gate, samples: &[corpus::Sample], messages: usize) -> (Vec<Duration>, usize) {
    let (next, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut times = Vec::with_capacity(messages);
    // Once: each call writes the file anew, and another session would read half of it.
    let believed = gate.certificate();
    std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|_| {
                scope.spawn(|| {
                    let door = gate.listener("submission");
                    let mut client = client::Client::starttls(door, &believed, gate::HOSTNAME).expect("a session");
                    assert!(client.log_in(MARIE, PASSWORD).expect("an answer").is_good(), "logged in");
                    let mut times = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= messages {
                            return times;
                        }
                        let raw = &samples[number % samples.len()].raw;
                        let begin = Instant::now();
                        let reply = client.send(MARIE, &["citoyen@commune.example"], raw).expect("an answer");
                        times.push(begin.elapsed());
                        refused.fetch_add(usize::from(!reply.is_good()), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        sessions.into_iter().for_each(|session| times.extend(session.join().expect("a session")));
    });
    (times, refused.into_inner())
}

/// A process and its children.
fn family(process: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let mut all = vec![process];
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    for task in tasks {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
    }
    all.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
    all.sort_unstable();
    all.dedup();
    all
}

/// User and system time of a process, its living children and those it has waited for (proc(5), stat).
fn cpu(process: u32) -> Duration {
    let ticks = |id: u32, fields: usize| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let rest = text.rsplit(") ").next().unwrap_or("").to_owned();
        rest.split_whitespace().skip(11).take(fields).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
    };
    let children = family(process).into_iter().filter(|id| *id != process);
    let all = ticks(process, 4) + children.map(|id| ticks(id, 2)).sum::<u64>();
    Duration::from_millis(all * 10)
}

/// KiB of memory that are a process's own, shared pages by their share (proc(5), smaps_rollup).
fn pss(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}
