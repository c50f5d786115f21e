//! What does one message cost on its way through the walk, stage by stage, and how many a second does one core, and the whole machine, take?
//!
//! `cargo bench --bench pipeline`, optionally `-- SECONDS`. The mail is an afternoon's mix (`corpus.rs`): 70 % texts of 4 KB, 20 % text and
//! HTML of 40 KB, 8 % documents of 300 KB, 2 % of 3 MB. Measured is what lies between the door and the store: repair, parse, extract,
//! detect, facts, decide, protect and the two DKIM signatures: first as they are (nobody has a key), then each message sealed to one
//! recipient in each of the forms we write, then with the store's group commit behind it. CPU is what the kernel charged, so a busy
//! machine lengthens the run but not (much) the numbers. What is worth keeping goes into `benches/runs/`.

#[allow(dead_code, reason = "the other benches use the rest")]
mod corpus;
mod walk;

use corpus::{Kind, mix};
use postern::store;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use walk::{FORMS, STAGES, Sealing, Walk};

const SEED: u64 = 20_261_121;
const HUNDREDS: usize = 2;
fn main() {
    // `cargo bench` hands its own flags on; the only word of ours is a number.
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(8);
    let walk = Walk::new();
    let samples = mix(SEED, HUNDREDS);
    for sample in samples.iter().take(20) {
        walk.pass(&sample.raw, 1, None, no_clock);
    }
    println!("as they are:");
    one_core(&walk, &samples, Duration::from_secs(seconds), None);
    for (name, file) in FORMS {
        println!("everything sealed, {name}:");
        one_core(&walk, &samples, Duration::from_secs(seconds / 2), Some(&Sealing::to(file)));
    }
    println!("as they are, on all cores:");
    all_cores(&walk, &samples, Duration::from_secs(seconds));
    println!("as they are, into the store, {WAITING} at once:");
    stored(walk, samples, Duration::from_secs(seconds));
}

#[derive(Default, Clone)]
struct Sum {
    messages: usize,
    octets: usize,
    held: usize,
    cpu: Duration,
    stages: [Duration; STAGES.len()],
}

fn one_core(walk: &Walk, samples: &[corpus::Sample], limit: Duration, sealing: Option<&Sealing>) {
    let mut sums: BTreeMap<(Kind, &str), Sum> = BTreeMap::new();
    let begin = Instant::now();
    let mut timed = Duration::ZERO;
    let mut rounds = 0;
    // Whole rounds only, so that the mix stays the mix.
    while begin.elapsed() < limit || rounds == 0 {
        for (number, sample) in samples.iter().enumerate() {
            let sum = sums.entry((sample.kind, sample.file)).or_default();
            let (before, wall) = (thread_cpu(), Instant::now());
            let passed = walk.pass(&sample.raw, number as u64 + 1, sealing, no_clock);
            sum.cpu += thread_cpu().saturating_sub(before);
            timed += wall.elapsed();
            sum.messages += 1;
            sum.octets += sample.raw.len();
            sum.held += usize::from(passed.left.is_none());
            // Once more for the stages: asking the kernel between them has its own price.
            let passed = walk.pass(&sample.raw, number as u64 + 1, sealing, thread_cpu);
            for (total, one) in sum.stages.iter_mut().zip(passed.stages) {
                *total += one;
            }
        }
        rounds += 1;
    }
    let mut all = Sum::default();
    for sum in sums.values() {
        all.messages += sum.messages;
        all.octets += sum.octets;
        all.held += sum.held;
        all.cpu += sum.cpu;
        all.stages.iter_mut().zip(sum.stages).for_each(|(total, one)| *total += one);
    }
    println!(
        "one thread: {} messages in {:.1} s, {:.0} a second",
        all.messages,
        timed.as_secs_f64(),
        per_second(all.messages, timed)
    );
    println!("| CPU ms each | messages | KB each | held | all | {} |", STAGES.join(" | "));
    println!("|---|{}", "---|".repeat(STAGES.len() + 4));
    let named = sums.iter().map(|((kind, file), sum)| (format!("{kind:?} {file}").trim_end().to_string(), sum));
    for (name, sum) in named.chain([("the mix".to_string(), &all)]) {
        let each = |time: Duration| ms(time) / sum.messages as f64;
        let stages: Vec<String> = sum.stages.iter().map(|time| format!("{:.3}", each(*time))).collect();
        let size = sum.octets as f64 / 1000.0 / sum.messages as f64;
        println!("| {name} | {} | {size:.1} | {} | {:.3} | {} |", sum.messages, sum.held, each(sum.cpu), stages.join(" | "));
    }
}

fn all_cores(walk: &Walk, samples: &[corpus::Sample], limit: Duration) {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let before = process_cpu();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    black_box(walk.pass(&samples[number % samples.len()].raw, number as u64 + 1, None, no_clock).left);
                }
            });
        }
        std::thread::sleep(limit);
        over.store(true, Ordering::Relaxed);
    });
    let (wall, cpu, done) = (begin.elapsed(), process_cpu().saturating_sub(before), next.load(Ordering::Relaxed));
    println!(
        "{threads} threads: {done} messages in {:.1} s, {:.0} a second, {:.3} ms of CPU each; peak memory {} MiB",
        wall.as_secs_f64(),
        per_second(done, wall),
        ms(cpu) / done as f64,
        peak_memory() >> 10
    );
}

/// Submissions that wait for their commit at once.
const WAITING: usize = 64;

/// The same with a store behind it: what a message costs until its 250, sockets left out.
fn stored(walk: Walk, samples: Vec<corpus::Sample>, limit: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store::Store::open(folder.path(), &store::Settings::default()).expect("a store");
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let (walk, samples, cpu) = (Arc::new(walk), Arc::new(samples), Arc::new(tokio::sync::Semaphore::new(threads)));
    let next = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let before = process_cpu();
    let begin = Instant::now();
    runtime.block_on(async {
        let submissions = (0..WAITING).map(|_| {
            let (walk, samples, cpu, next, store) = (walk.clone(), samples.clone(), cpu.clone(), next.clone(), store.clone());
            tokio::spawn(async move {
                while begin.elapsed() < limit {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let turn = cpu.clone().acquire_owned().await.expect("open");
                    let (walk, samples) = (walk.clone(), samples.clone());
                    let passed = tokio::task::spawn_blocking(move || {
                        let passed = walk.pass(&samples[number % samples.len()].raw, number as u64 + 1, None, no_clock);
                        drop(turn);
                        passed
                    });
                    if let Some(acceptance) = passed.await.expect("a walk").left {
                        store.commit(acceptance).await.expect("a receipt");
                    }
                }
            })
        });
        for submission in submissions.collect::<Vec<_>>() {
            submission.await.expect("a submission");
        }
    });
    let (wall, used, done) = (begin.elapsed(), process_cpu().saturating_sub(before), next.load(Ordering::Relaxed));
    println!(
        "{done} messages in {:.1} s, {:.0} a second, {:.3} ms of CPU each; {} transactions",
        wall.as_secs_f64(),
        per_second(done, wall),
        ms(used) / done as f64,
        store.commits()
    );
}

fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn no_clock() -> Duration {
    Duration::ZERO
}

/// What the kernel charged this thread, to the nanosecond (proc(5), schedstat).
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0))
}

/// User and system time of all threads, in ticks of 10 ms (proc(5), stat).
fn process_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or("").split_whitespace();
    Duration::from_millis(fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}

/// KiB.
fn peak_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}
