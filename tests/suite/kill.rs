//! Kill -9 under load, many times and at chosen moments: every message that got its 250 arrives or is held, and none twice but in
//! the one window that `manual/store_states` names (the upstream said 250 and the gate died before it had recorded that).

use super::client::{Client, Reply};
use super::gate::{ALICE, Gate, HOSTNAME, PASSWORD, Setup, wait_until};
use super::peers;
use super::people::{Algorithm, SmimePerson};
use super::sink::{Phase, Sink};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const KILLS: usize = 50;
const SEED: u64 = 20_261_121;
const CLIENTS: usize = 6;
/// All rounds together; what is left of them is cut short aloud.
const BUDGET: Duration = Duration::from_secs(75);
/// How long before a kill an upstream's 250 may lie that was not recorded: one group commit on a machine under load.
const WINDOW: Duration = Duration::from_millis(500);

const PLAIN: &str = "bob@example.net";
const WITH_KEY: &str = "claire@example.net";
const WITHOUT_KEY: &str = "nokey@example.net";

/// What decides when the next kill falls.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// After so long, wherever it falls.
    Anywhere,
    /// A client has sent its final dot: around the commit.
    FinalDot,
    /// A client has read its 250: around the reply.
    Reply,
    /// The upstream has all of a message, and has not answered.
    UpstreamHasIt,
    /// The upstream has just said 250: around the recording.
    UpstreamSaid250,
}

const MOMENTS: [Moment; 5] =
    [Moment::Anywhere, Moment::FinalDot, Moment::Reply, Moment::UpstreamHasIt, Moment::UpstreamSaid250];

/// What the submitting threads share with the one that kills.
#[derive(Default)]
struct Shared {
    /// Where the gate listens now; none while it is dead.
    target: Mutex<Option<(SocketAddr, PathBuf)>>,
    over: AtomicBool,
    next: AtomicUsize,
    dots: AtomicUsize,
    replies: AtomicUsize,
    /// Message number → what its 250 said.
    accepted: Mutex<BTreeMap<usize, Reply>>,
    /// Answers that were neither a 250 nor the silence of a dead gate.
    odd: Mutex<Vec<String>>,
}

#[test]
fn fifty_kills_lose_nothing_and_double_only_in_the_documented_window() {
    if !peers::are_here("kill::fifty_kills_lose_nothing_and_double_only_in_the_documented_window", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let person = SmimePerson::make(folder.path(), WITH_KEY, Algorithm::Rsa);
    let mut gate = Setup::towards(&sink).with_key("claire.pem", person.certificate_pem()).prepare();
    let shared = Arc::new(Shared::default());
    let begin = Instant::now();
    gate.start();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let shared = shared.clone();
            std::thread::spawn(move || submit_until_over(&shared))
        })
        .collect();

    let mut dice = Dice(SEED);
    let mut kills: Vec<(Moment, Instant)> = Vec::new();
    while kills.len() < KILLS {
        assert!(begin.elapsed() < BUDGET, "only {} kills in {BUDGET:?}", kills.len());
        publish(&gate, &shared);
        let moment = MOMENTS[kills.len() % MOMENTS.len()];
        await_moment(moment, &shared, &sink, &mut dice);
        gate.kill();
        kills.push((moment, Instant::now()));
        *shared.target.lock().unwrap() = None;
        gate.start();
    }
    publish(&gate, &shared);
    std::thread::sleep(Duration::from_millis(300));
    shared.over.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().unwrap();
    }

    let accepted = shared.accepted.lock().unwrap().clone();
    let held: BTreeSet<usize> = accepted.iter().filter(|(_, reply)| is_held(reply)).map(|(number, _)| *number).collect();
    assert!(accepted.len() > 4 * KILLS, "too little load to show anything: {} accepted", accepted.len());
    assert!(held.len() >= 5, "too few held to show anything: {}", held.len());
    let odd = shared.odd.lock().unwrap().clone();
    assert!(odd.is_empty(), "{odd:?}");

    let missing = |sink: &Sink| -> Vec<usize> {
        let there = arrivals(sink);
        accepted.keys().filter(|number| !held.contains(number) && !there.contains_key(number)).copied().collect()
    };
    let end = Instant::now() + Duration::from_secs(30);
    while !missing(&sink).is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(missing(&sink).is_empty(), "accepted and lost: {:?} of {}\n{}", missing(&sink), accepted.len(), gate.log());

    let listed = gate.command(&["quarantine", "list", "--format", "json"], b"");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for number in &held {
        let reference = accepted[number].reference().expect("the reference of a held message");
        assert!(listed.contains(reference), "held and lost: {reference}\n{listed}");
    }

    // Nothing more may come: what was delivered is recorded, and what is recorded is not sent again.
    let settled = sink.taken().len();
    gate.kill();
    gate.start();
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(sink.taken().len(), settled, "sent again after everything had arrived");

    let mut in_window = 0;
    for (number, times) in arrivals(&sink) {
        assert!(!held.contains(&number), "message {number} is held and was sent");
        for earlier in &times[..times.len() - 1] {
            let excused = kills.iter().any(|(_, kill)| *kill >= *earlier && kill.duration_since(*earlier) <= WINDOW);
            assert!(excused, "message {number} came {} times, and no kill explains it", times.len());
            in_window += 1;
        }
    }
    let audit = gate.command(&["audit", "verify"], b"");
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    println!(
        "{} kills in {:?}: {} accepted, {} of them held, {in_window} sent twice in the window",
        kills.len(),
        begin.elapsed(),
        accepted.len(),
        held.len()
    );
}

fn is_held(reply: &Reply) -> bool {
    reply.text.contains("retenu")
}

fn publish(gate: &Gate, shared: &Shared) {
    *shared.target.lock().unwrap() = Some((gate.listener("submission"), gate.certificate()));
}

/// Returns at the moment, with a few seeded milliseconds around it, or after a second in which it did not come.
fn await_moment(moment: Moment, shared: &Shared, sink: &Sink, dice: &mut Dice) {
    let count = || match moment {
        Moment::Anywhere => usize::MAX,
        Moment::FinalDot => shared.dots.load(Ordering::SeqCst),
        Moment::Reply => shared.replies.load(Ordering::SeqCst),
        Moment::UpstreamHasIt => sink.seen(Phase::Dot),
        Moment::UpstreamSaid250 => sink.taken_count(),
    };
    if matches!(moment, Moment::Anywhere) {
        std::thread::sleep(Duration::from_millis(dice.below(400)));
        return;
    }
    // Some come at once, so that a start is interrupted too; most wait until a few messages are on their way.
    let wanted = count().saturating_add(dice.below(16) as usize + 1);
    let end = Instant::now() + Duration::from_secs(1);
    while count() < wanted && Instant::now() < end {
        std::thread::sleep(Duration::from_micros(100));
    }
    std::thread::sleep(Duration::from_micros(dice.below(6_000)));
}

fn submit_until_over(shared: &Shared) {
    while !shared.over.load(Ordering::SeqCst) {
        let target = shared.target.lock().unwrap().clone();
        let Some((address, certificate)) = target else {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        };
        // Every error here is the gate's death; what has no 250 was not promised.
        let _ = session(shared, address, &certificate);
    }
}

fn session(shared: &Shared, address: SocketAddr, certificate: &std::path::Path) -> std::io::Result<()> {
    let mut client = Client::starttls(address, certificate, HOSTNAME)?;
    client.log_in(ALICE, PASSWORD)?;
    for _ in 0..20 {
        if shared.over.load(Ordering::SeqCst) {
            break;
        }
        let number = shared.next.fetch_add(1, Ordering::SeqCst);
        let (recipient, message) = message(number);
        client.good(&format!("MAIL FROM:<{ALICE}> BODY=8BITMIME"))?;
        client.good(&format!("RCPT TO:<{recipient}>"))?;
        client.command("DATA")?;
        client.write(&super::client::stuffed(&message))?;
        shared.dots.fetch_add(1, Ordering::SeqCst);
        let reply = client.reply()?;
        match reply.code {
            250 => {
                shared.accepted.lock().unwrap().insert(number, reply);
                shared.replies.fetch_add(1, Ordering::SeqCst);
            }
            _ => shared.odd.lock().unwrap().push(format!("{number}: {reply:?}")),
        }
    }
    Ok(())
}

/// Most go as they are, some are sealed, some are held; their number stands in the Message-ID, which is never hidden.
fn message(number: usize) -> (&'static str, Vec<u8>) {
    let nir = "numéro de sécurité sociale : 2 85 05 75 116 203 01";
    let (recipient, body) = match number % 7 {
        3 => (WITH_KEY, nir),
        5 => (WITHOUT_KEY, nir),
        _ => (PLAIN, "rien à signaler"),
    };
    let filling = "une ligne de plus, pour que la copie ait un corps\r\n".repeat(number % 40);
    let text = format!(
        "Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nFrom: <{ALICE}>\r\nTo: <{recipient}>\r\nSubject: n {number}\r\n\
         Message-ID: <kill-{number}@client.example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n{filling}"
    );
    (recipient, text.into_bytes())
}

/// Message number → when its copies were taken, earliest first. Notices and reports have other ids and are not counted.
fn arrivals(sink: &Sink) -> BTreeMap<usize, Vec<Instant>> {
    let mut arrivals: BTreeMap<usize, Vec<Instant>> = BTreeMap::new();
    for one in sink.taken() {
        let id = memchr::memmem::find(&one.data, b"Message-ID: <kill-").map(|at| at + 18);
        let digits = id.map(|at| one.data[at..].iter().take_while(|octet| octet.is_ascii_digit()).copied().collect::<Vec<_>>());
        if let Some(number) = digits.and_then(|digits| String::from_utf8(digits).ok()?.parse().ok())
            && one.mail_from == ALICE
        {
            arrivals.entry(number).or_default().push(one.at);
        }
    }
    arrivals.values_mut().for_each(|times| times.sort());
    arrivals
}

/// xorshift64*: seeded, so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

/// The count of duplicates is worth something only if a duplicate would be seen.
#[test]
fn copies_are_counted_by_message_id() {
    let sink = Sink::start();
    let mut client = Client::plain(sink.address()).unwrap();
    client.good("EHLO client.example.org").unwrap();
    for number in [7, 8, 7] {
        let (recipient, message) = message(number);
        client.send(ALICE, &[recipient], &message).unwrap();
    }
    client.send("", &[ALICE], &message(9).1).unwrap();
    wait_until(Duration::from_secs(2), "four messages", || sink.taken().len() == 4);
    let arrivals = arrivals(&sink);
    assert_eq!(arrivals.iter().map(|(number, times)| (*number, times.len())).collect::<Vec<_>>(), [(7, 2), (8, 1)]);
}
