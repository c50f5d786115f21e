//! How fast are office documents and PDF read, by size? `cargo bench --bench documents`.
//!
//! Each document is made of invented French prose (`corpus.rs`): a docx with a picture, a workbook of seven columns, a PDF of text pages with a
//! picture, small, as large as in the mix, and ten times that. Read in this process, by the code that the workers run; what the hand-over to a
//! worker costs on top is told by itself. CPU time of this thread, the mean of many rounds: the kernel charges it in ticks of some milliseconds.

#[allow(dead_code, reason = "the other benches use the rest")]
mod corpus;

use corpus::{Dice, docx, pdf, xlsx};
use postern::extract::{Limits, Reader, extract_file};
use std::hint::black_box;
use std::time::{Duration, Instant};

const SEED: u64 = 20_261_121;
/// How often each is read at least, and for how long.
const LEAST_ROUNDS: u32 = 5;
const LEAST_TIME: Duration = Duration::from_millis(400);

fn main() {
    let here = Reader::here();
    let mut dice = Dice(SEED);
    println!("| document | KB | KB of text | CPU ms | MB/s of file | MB/s of text |\n|---|---:|---:|---:|---:|---:|");
    for (size, part) in [("a tenth", 1), ("as in the mix", 10), ("ten times", 100)] {
        for (name, octets) in [
            ("letter.docx", docx(&mut dice, 9_000 * part, 16_500 * part)),
            ("table.xlsx", xlsx(&mut dice, 380 * part)),
            ("report.pdf", pdf(&mut dice, (5 * part).div_ceil(2), 15_000 * part)),
        ] {
            let (cpu, text) = read(name, &octets, &here, thread_cpu);
            let rate = |octets: usize| octets as f64 / 1e6 / cpu.as_secs_f64();
            println!(
                "| {name}, {size} | {} | {} | {:.2} | {:.1} | {:.1} |",
                octets.len() / 1000,
                text / 1000,
                cpu.as_secs_f64() * 1e3,
                rate(octets.len()),
                rate(text)
            );
        }
    }
    hand_over(&mut dice);
}

/// The mean time of reading, and how many octets of text that gave.
fn read(name: &str, octets: &[u8], reader: &Reader, clock: impl Fn() -> Duration) -> (Duration, usize) {
    let (mut rounds, mut text) = (0, 0);
    let begin = clock();
    while rounds < LEAST_ROUNDS || clock() - begin < LEAST_TIME {
        let extracted = black_box(extract_file(name, octets, &Limits::default(), reader));
        assert!(extracted.unreadable.is_empty(), "{name} can be read");
        text = extracted.texts.iter().map(|text| text.content.len()).sum();
        rounds += 1;
    }
    ((clock() - begin) / rounds, text)
}

/// What a worker process adds: the time from handing a document over to having its text, and the same here.
fn hand_over(dice: &mut Dice) {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_postern"));
    let worker = postern::worker::open_with(program, &Limits::default()).expect("a worker");
    let begin = Instant::now();
    let clock = || begin.elapsed();
    println!("\n| document | here ms | in a worker ms |\n|---|---:|---:|");
    for (name, octets) in [("letter.docx", docx(dice, 90_000, 165_000)), ("small.docx", docx(dice, 2_000, 0))] {
        let (here, _) = read(name, &octets, &Reader::here(), clock);
        let (there, _) = read(name, &octets, &worker, clock);
        println!("| {name}, {} KB | {:.2} | {:.2} |", octets.len() / 1000, ms(here), ms(there));
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What the kernel charged this thread, to the nanosecond (proc(5), schedstat).
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0))
}
