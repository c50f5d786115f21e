//! DESIGN's table "which way each thing fails": one test per cell, named after it. Nothing fails open, nothing is lost.

use super::canary::form_of;
use super::gate::{ALICE, Gate, PASSWORD, Setup, contains, message, wait_until};
use super::peers;
use super::people::{Algorithm, GnupgHome, SmimePerson};
use super::sink::{Act, Phase, Sink};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const OUTSIDE: &str = "bob@example.net";
/// Must not be seen by anyone but the recipient.
const CANARY: &str = "Schnabeltier42";
const NIR: &str = "numéro de sécurité sociale : 2 85 05 75 116 203 01";
const SOON: Duration = Duration::from_secs(20);

fn attached(name: &str, kind: &str, octets: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let lines = base64::engine::general_purpose::STANDARD.encode(octets);
    let lines: Vec<&str> = lines.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nFrom: Alice Martin <{ALICE}>\r\nTo: <{OUTSIDE}>\r\nSubject: Essai {CANARY}\r\n\
         Message-ID: <{name}@client.example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nci-joint {CANARY}\r\n--b1\r\nContent-Type: {kind}; name=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\r\n{}\r\n--b1--\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}

/// A message that must not leave but encrypted, with the canary in Subject and body.
fn secret(to: &str, number: usize) -> Vec<u8> {
    message(to, &format!("Dossier {CANARY} {number}"), &format!("{CANARY}\r\n{NIR}\r\n{CANARY}\r\n"))
}

/// The canary is nowhere: not on the wire, not in the log, not at rest, not in what commands print.
fn is_silent(gate: &Gate, sink: &Sink) {
    for (n, transcript) in sink.transcripts().iter().enumerate() {
        let shown = String::from_utf8_lossy(transcript);
        assert_eq!(form_of(CANARY, transcript), None, "in transcript {n}\n{shown}");
        assert!(
            !contains(transcript, b"116 203") && !contains(transcript, b"116203"),
            "the number, in transcript {n}\n{shown}"
        );
    }
    assert_eq!(form_of(CANARY, gate.log().as_bytes()), None, "in the log\n{}", gate.log());
    for (file, octets) in gate.at_rest() {
        assert_eq!(form_of(CANARY, &octets), None, "at rest in {}", file.display());
    }
    for command in [["quarantine", "list"], ["spool", "list"], ["audit", "export"]] {
        let output = gate.command(&command, b"");
        assert_eq!(form_of(CANARY, &[output.stdout, output.stderr].concat()), None, "printed by {command:?}");
    }
}

fn audit(gate: &Gate) -> String {
    let output = gate.command(&["audit", "export"], b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn retry(gate: &Gate) {
    let output = gate.command(&["spool", "retry"], b"");
    assert!(output.status.success(), "spool retry: {}", String::from_utf8_lossy(&output.stderr));
}

/// Asks for another attempt until `count` messages were taken.
fn taken_with_retries(gate: &Gate, sink: &Sink, count: usize) {
    let end = Instant::now() + Duration::from_secs(40);
    while sink.taken_count() < count {
        assert!(Instant::now() < end, "{} of {count}\n{}", sink.taken_count(), gate.log());
        // A store that was full may need a moment; the end of all patience is above.
        gate.command(&["spool", "retry"], b"");
        std::thread::sleep(Duration::from_millis(300));
    }
}

// --- cannot parse --------------------------------------------------------------------------------------------------------

#[test]
fn cannot_parse_554_and_nothing_kept() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let mut nested = String::from_utf8(message(OUTSIDE, CANARY, "")).unwrap().replace(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        "Content-Type: multipart/mixed; boundary=b0\r\n\r\n",
    );
    for depth in 0..400 {
        nested.push_str(&format!("--b{depth}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", depth + 1));
    }
    nested.push_str(CANARY);
    let two_from = [b"From: <boss@example.org>\r\n".as_slice(), &message(OUTSIDE, CANARY, CANARY)].concat();
    for (what, message) in [("nested too deep", nested.into_bytes()), ("two From fields", two_from)] {
        let reply = gate.submit(&[OUTSIDE], &message);
        assert_eq!(reply.code, 554, "{what}: {reply:?}");
        assert!(reply.text.starts_with("5.6.0 "), "{what}: {reply:?}");
        assert_eq!(form_of(CANARY, reply.text.as_bytes()), None, "{what}: {reply:?}");
    }
    assert!(sink.taken().is_empty());
    is_silent(&gate, &sink);
    assert!(audit(&gate).lines().count() >= 2, "refusals are audited\n{}", audit(&gate));
}

// --- cannot read a part ----------------------------------------------------------------------------------------------------

/// Held, with the reference in the reply and a notice to the sender that gives nothing away.
fn unreadable_is_held(name: &str, kind: &str, octets: &[u8]) {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let reply = gate.submit(&[OUTSIDE], &attached(name, kind, octets));
    assert_eq!(reply.code, 250, "{reply:?}\n{}", gate.log());
    let reference = reply.reference().unwrap_or_else(|| panic!("no reference: {reply:?}")).to_string();
    assert!(reply.text.contains("retenu"), "{reply:?}");
    let notice = sink.wait_for(1, SOON).remove(0);
    assert_eq!((notice.mail_from.as_str(), notice.recipients.as_slice()), ("", &[ALICE.to_string()][..]));
    assert!(contains(&notice.data, reference.as_bytes()), "{}", String::from_utf8_lossy(&notice.data));
    let listed = gate.command(&["quarantine", "list"], b"");
    assert!(contains(&listed.stdout, reference.as_bytes()), "{}", String::from_utf8_lossy(&listed.stdout));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(sink.taken_count(), 1, "only the notice leaves");
    is_silent(&gate, &sink);
}

#[test]
fn cannot_read_a_part_password_is_held() {
    let sample = include_bytes!("../../src/cli/demo_samples/09-zip-with-a-password.eml");
    let parsed = mail_parser::MessageParser::default().parse(&sample[..]).unwrap();
    let zip = parsed.attachments().next().unwrap().contents().to_vec();
    unreadable_is_held("plan.zip", "application/zip", &zip);
}

#[test]
fn cannot_read_a_part_damage_is_held() {
    let sample = include_bytes!("../../src/cli/demo_samples/02-iban-list-in-a-workbook.eml");
    let parsed = mail_parser::MessageParser::default().parse(&sample[..]).unwrap();
    let workbook = parsed.attachments().next().unwrap().contents().to_vec();
    // Without its end a zip container has no directory.
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    unreadable_is_held("tableau.xlsx", kind, &workbook[..workbook.len() / 2]);
}

#[test]
fn cannot_read_a_part_beyond_the_budget_is_held() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let block = vec![b' '; 1 << 20];
    for n in 0..2 {
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        archive.start_file(format!("{n}.txt"), options.large_file(false)).unwrap();
        for _ in 0..300 {
            archive.write_all(&block).unwrap();
        }
    }
    let bomb = archive.finish().unwrap().into_inner();
    assert!(bomb.len() < 2 << 20, "{}", bomb.len());
    unreadable_is_held("donnees.zip", "application/zip", &bomb);
}

#[test]
fn cannot_read_a_part_unsupported_is_held() {
    // An old compound file, and nothing in it that this version reads.
    let old = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), vec![0; 1528]].concat();
    unreadable_is_held("rapport.doc", "application/msword", &old);
}

// --- cannot find a usable key ------------------------------------------------------------------------------------------------

fn held_for_want_of_a_key(setup: Setup, sink: &Sink) -> Gate {
    let gate = setup.start();
    let reply = gate.submit(&[OUTSIDE], &secret(OUTSIDE, 1));
    assert_eq!(reply.code, 250, "{reply:?}\n{}", gate.log());
    assert!(reply.text.contains("retenu"), "{reply:?}\n{}", gate.log());
    sink.wait_for(1, SOON);
    is_silent(&gate, sink);
    gate
}

#[test]
fn no_usable_key_is_held_never_clear() {
    let sink = Sink::start();
    let gate = held_for_want_of_a_key(Setup::towards(&sink), &sink);
    // Releasing it does not lift the want of a key: an officer may decide that it may go, not that it may go in clear.
    let listed = String::from_utf8_lossy(&gate.command(&["quarantine", "list", "--format", "json"], b"").stdout).into_owned();
    let reference = listed.split('"').find(|word| word.starts_with("PST-")).expect("a reference").to_string();
    gate.command(&["quarantine", "release", &reference, "--officer", "dpo@example.org"], b"");
    std::thread::sleep(Duration::from_millis(500));
    assert!(sink.taken().iter().all(|one| one.recipients == [ALICE]), "released in clear");
    is_silent(&gate, &sink);
}

#[test]
fn a_damaged_key_among_the_recipients_keys_is_no_key_and_said_aloud() {
    if !peers::are_here("faults::a_damaged_key_among_the_recipients_keys_is_no_key_and_said_aloud", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let person = SmimePerson::make(folder.path(), OUTSIDE, Algorithm::Rsa);
    let mut pem = person.certificate_pem();
    let at = pem.len() / 2;
    pem[at..at + 8].copy_from_slice(b"AAAAAAAA");
    let sink = Sink::start();
    let gate = held_for_want_of_a_key(Setup::towards(&sink).with_key("bob-damaged.pem", pem), &sink);
    assert!(gate.log().contains("bob-damaged.pem"), "nothing said\n{}", gate.log());
}

#[test]
fn an_expired_key_is_no_key() {
    if !peers::are_here("faults::an_expired_key_is_no_key", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let request = folder.path().join("r.pem");
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bob", "-addext"]);
    openssl.arg(format!("subjectAltName=email:{OUTSIDE}")).arg("-keyout").arg(&key).arg("-out").arg(&request);
    peers::must(&mut openssl, b"");
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-req", "-copy_extensions", "copyall", "-days", "-1", "-in"]).arg(&request);
    peers::must(openssl.arg("-signkey").arg(&key).arg("-out").arg(&certificate), b"");
    let sink = Sink::start();
    let setup = Setup::towards(&sink).with_key("bob-expired.pem", std::fs::read(&certificate).unwrap());
    held_for_want_of_a_key(setup, &sink);
}

#[test]
fn a_key_look_up_that_failed_is_451_and_never_clear() {
    let sink = Sink::start();
    let mut gate = Setup::towards(&sink).prepare();
    // A file that cannot be read may hold anybody's key: nobody knows who has none.
    std::os::unix::fs::symlink("/nowhere/at/all", gate.path("keys/recipients/gone.pem")).unwrap();
    gate.start();
    let reply = gate.submit(&[OUTSIDE], &secret(OUTSIDE, 1));
    assert_eq!(reply.code, 451, "{reply:?}");
    assert!(reply.text.starts_with("4.4.3 "), "{reply:?}");
    assert!(gate.log().contains("gone.pem"), "nothing said\n{}", gate.log());
    is_silent(&gate, &sink);
    // What needs no key is not put off.
    assert_eq!(gate.submit(&[OUTSIDE], &message(OUTSIDE, "Bonjour", "rien\r\n")).code, 250);
    sink.wait_for(1, SOON);
}

// --- cannot encrypt, sign, DKIM ------------------------------------------------------------------------------------------------

#[test]
fn cannot_sign_451_and_nothing_sent() {
    let sink = Sink::start();
    // A relay that may use a domain for which the gate has no DKIM key.
    let more = "[[listener]]\nname = \"partner\"\naddress = \"127.0.0.1:0\"\ntls = \"none\"\ntrusted = [\"127.0.0.1/32\"]\n\
                senders = [\"partner.example\"]\n";
    let gate = Setup::towards(&sink).with(more).start();
    let mut client = super::client::Client::plain(gate.listener("partner")).unwrap();
    client.good("EHLO mail.partner.example").unwrap();
    let sent = String::from_utf8(message(OUTSIDE, CANARY, CANARY)).unwrap().replace(ALICE, "carl@partner.example");
    let reply = client.send("carl@partner.example", &[OUTSIDE], sent.as_bytes()).unwrap();
    assert_eq!(reply.code, 451, "{reply:?}");
    assert!(reply.text.starts_with("4.7.0 "), "{reply:?}");
    std::thread::sleep(Duration::from_millis(300));
    assert!(sink.taken().is_empty());
    is_silent(&gate, &sink);
}

#[test]
fn a_damaged_dkim_key_stops_the_start_with_a_sentence() {
    let sink = Sink::start();
    let mut gate = Setup::towards(&sink).start();
    gate.kill();
    let keys: Vec<PathBuf> = super::gate::files_below(&gate.path("data"))
        .into_iter()
        .filter(|file| file.to_string_lossy().contains("dkim") && std::fs::read(file).is_ok_and(|key| !key.is_empty()))
        .collect();
    assert!(!keys.is_empty(), "no DKIM key below data/");
    for key in keys {
        let kept = std::fs::read(&key).unwrap();
        std::fs::write(&key, &kept[..kept.len() / 2]).unwrap();
        let refused = gate.try_start();
        assert!(refused.is_err(), "it started with half a key in {}", key.display());
        let name = key.file_name().unwrap().to_string_lossy().into_owned();
        let stem = name.split('.').next().unwrap();
        assert!(gate.log().contains(stem), "{name} is not named\n{}", gate.log());
        std::fs::write(&key, kept).unwrap();
    }
    gate.start();
}

// --- cannot store or audit -------------------------------------------------------------------------------------------------------

/// Submits until the gate is full, lets it get `worse`, then makes room and lets the spool run empty.
fn fills_and_recovers(gate: &Gate, sink: &Sink, worse: impl FnOnce(), make_room: impl FnOnce()) {
    sink.fail(Phase::Mail, Act::Say("451 4.3.0 not now"), usize::MAX);
    let filling = format!("{}\r\n", "remplissage ".repeat(60)).repeat(300);
    let mut accepted = 0;
    let mut client = gate.client();
    let reply = loop {
        let one = message(OUTSIDE, &format!("numero {accepted}"), &filling);
        let reply = client.send(ALICE, &[OUTSIDE], &one).unwrap();
        if reply.code != 250 {
            break reply;
        }
        accepted += 1;
        assert!(accepted < 400, "never full");
    };
    assert_eq!(reply.code, 452, "{reply:?}\n{}", gate.log());
    assert!(reply.text.starts_with("4.3.1 "), "{reply:?}");
    assert!(accepted > 0, "full from the beginning");
    // Still full, still said so, and nothing half-kept.
    assert_eq!(gate.submit(&[OUTSIDE], &message(OUTSIDE, "encore", &filling)).code, 452);
    worse();
    let reply = client.send(ALICE, &[OUTSIDE], &message(OUTSIDE, "encore", "petit\r\n")).unwrap();
    assert!(reply.code == 452 || reply.code == 250, "{reply:?}");
    let encore = usize::from(reply.code == 250);
    sink.heal();
    make_room();
    taken_with_retries(gate, sink, accepted + encore);
    let mut numbers: Vec<usize> = sink
        .taken()
        .iter()
        .filter_map(|one| {
            let at = memchr::memmem::find(&one.data, b"Subject: numero ")? + 16;
            String::from_utf8_lossy(&one.data[at..at + 6]).split("\r\n").next()?.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..accepted).collect::<Vec<_>>(), "every accepted one once, and no other");
    wait_until(SOON, "room again without a restart", || {
        gate.submit(&[OUTSIDE], &message(OUTSIDE, "de nouveau", "place")).code == 250
    });
    let verified = gate.command(&["audit", "verify"], b"");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn cannot_store_452_when_the_store_is_full_and_it_recovers() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).with("[store]\nmax_octets = 3000000\nreserve_octets = 0\n").start();
    fills_and_recovers(&gate, &sink, || {}, || {});
}

#[test]
fn cannot_store_452_when_the_disk_is_full_and_it_recovers() {
    let test = "faults::cannot_store_452_when_the_disk_is_full_and_it_recovers";
    let sink = Sink::start();
    let disk = tempfile::tempdir().unwrap();
    let data = disk.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=160m,mode=700", "none"]).arg(&data).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        peers::leave_out(test, "no file system of a small size can be mounted here: run as root");
        return;
    }
    let _unmount = Unmount(data.clone());
    let mut gate = Setup::towards(&sink).prepare();
    let config = std::fs::read_to_string(gate.config()).unwrap();
    let elsewhere = config.replace(&format!("data = {:?}", gate.path("data")), &format!("data = {data:?}"));
    assert_ne!(config, elsewhere);
    std::fs::write(gate.config(), elsewhere).unwrap();
    gate.use_data(&data);
    gate.add_user(ALICE, PASSWORD);
    gate.start();
    // Others leave little more than the gate's reserve, and then nothing at all.
    let (ballast, last_octets) = (disk.path().join("data/ballast"), disk.path().join("data/last-octets"));
    fill(&ballast, (64 << 20) + (5 << 20), &data);
    let worse = || fill(&last_octets, 0, &data);
    fills_and_recovers(&gate, &sink, worse, || {
        std::fs::remove_file(&ballast).unwrap();
        std::fs::remove_file(&last_octets).unwrap();
    });
}

/// Writes a file until only so many octets are free.
fn fill(file: &Path, leave: u64, disk: &Path) {
    let free = || -> u64 {
        let output = peers::must(Command::new("df").args(["--output=avail", "-B1"]).arg(disk), b"");
        String::from_utf8_lossy(&output).lines().nth(1).unwrap().trim().parse().unwrap()
    };
    let mut file = std::fs::File::create(file).unwrap();
    while let left @ 1.. = free().saturating_sub(leave) {
        // The last piece is cut short by the full disk.
        let piece = vec![1; usize::try_from(left.min(1 << 20)).unwrap()];
        if file.write(&piece).is_err() {
            break;
        }
    }
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

// --- cannot reach upstream -----------------------------------------------------------------------------------------------------

#[test]
fn upstream_down_250_and_delivered_when_it_is_back() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).unwrap();
    let mut gate = Setup::towards_address(address).start();
    let begin = Instant::now();
    for n in 0..3 {
        assert_eq!(gate.submit(&[OUTSIDE], &message(OUTSIDE, &format!("n {n}"), "rien\r\n")).code, 250);
    }
    assert!(begin.elapsed() < Duration::from_secs(6), "submission waited for the upstream: {:?}", begin.elapsed());
    std::thread::sleep(Duration::from_millis(500));
    gate.kill();
    gate.start();
    let sink = Sink::start_at(address);
    taken_with_retries(&gate, &sink, 3);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(sink.taken_count(), 3, "each once");
    assert!(sink.taken().iter().all(|one| one.mail_from == ALICE), "nobody was told of a failure");
}

fn quick_timeouts(sink: &Sink) -> Setup {
    Setup::towards(sink).with(
        "[upstream.timeouts]\nconnect = 1\ngreeting = 1\ncommand = 1\nmail = 1\nrecipient = 1\ndata_start = 1\ndata_block = 1\n\
         data_end = 1\n",
    )
}

/// The submission is not held up, nothing bounces, and the message arrives once when the upstream is well again.
fn survives(phase: Phase, act: Act) {
    let sink = Sink::start();
    let gate = quick_timeouts(&sink).start();
    sink.fail(phase, act.clone(), usize::MAX);
    let mut client = gate.client();
    let begin = Instant::now();
    let reply = client.send(ALICE, &[OUTSIDE], &message(OUTSIDE, "Bonjour", "rien\r\n")).unwrap();
    assert_eq!(reply.code, 250, "{phase:?} {act:?}: {reply:?}");
    assert!(begin.elapsed() < Duration::from_secs(2), "submission waited for the upstream: {:?}", begin.elapsed());
    wait_until(SOON, "the fault strikes", || sink.seen(phase) > 0);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(sink.taken_count(), 0, "{phase:?} {act:?}: {:?}", sink.taken());
    sink.heal();
    taken_with_retries(&gate, &sink, 1);
    std::thread::sleep(Duration::from_millis(300));
    let taken = sink.taken();
    assert_eq!(
        taken.len(),
        1,
        "{phase:?} {act:?}: once, and no report: {:?}",
        taken.iter().map(|one| &one.mail_from).collect::<Vec<_>>()
    );
    assert_eq!(taken[0].mail_from, ALICE);
}

macro_rules! survives {
    ($($name:ident: $phase:ident, $act:expr;)*) => {$(
        #[test]
        fn $name() {
            survives(Phase::$phase, $act);
        }
    )*};
}

const GARBAGE: Act = Act::Say("\u{fffd}5\tno such thing");

survives! {
    upstream_hanging_at_the_banner: Banner, Act::Hang;
    upstream_hanging_at_ehlo: Ehlo, Act::Hang;
    upstream_hanging_at_mail: Mail, Act::Hang;
    upstream_hanging_at_rcpt: Rcpt, Act::Hang;
    upstream_hanging_at_data: Data, Act::Hang;
    upstream_hanging_in_the_body: Body, Act::Hang;
    upstream_hanging_at_the_final_dot: Dot, Act::Hang;
    upstream_closing_at_the_banner: Banner, Act::Drop;
    upstream_closing_at_mail: Mail, Act::Drop;
    upstream_closing_in_the_body: Body, Act::Drop;
    upstream_closing_at_the_final_dot: Dot, Act::Drop;
    upstream_saying_not_now_at_the_banner: Banner, Act::Say("421 4.3.2 busy");
    upstream_saying_not_now_at_mail: Mail, Act::Say("451 4.3.0 later");
    upstream_saying_not_now_at_rcpt: Rcpt, Act::Say("450 4.2.1 later");
    upstream_saying_not_now_at_the_final_dot: Dot, Act::Say("452 4.3.1 full");
    upstream_talking_nonsense_at_the_banner: Banner, GARBAGE;
    upstream_talking_nonsense_at_rcpt: Rcpt, GARBAGE;
    upstream_talking_nonsense_at_the_final_dot: Dot, GARBAGE;
}

#[test]
fn upstream_refusing_for_good_is_told_to_the_sender_without_the_body() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    sink.fail(Phase::Rcpt, Act::Say("550 5.1.1 no such mailbox"), 1);
    let reply = gate.submit(&[OUTSIDE], &message(OUTSIDE, "Bonjour", &format!("{CANARY}\r\n")));
    assert_eq!(reply.code, 250, "{reply:?}");
    let report = sink.wait_for(1, SOON).remove(0);
    let shown = String::from_utf8_lossy(&report.data).into_owned();
    assert_eq!((report.mail_from.as_str(), report.recipients.as_slice()), ("", &[ALICE.to_string()][..]), "{shown}");
    for wanted in
        ["multipart/report", "message/delivery-status", "text/rfc822-headers", "Auto-Submitted: auto-", OUTSIDE, "5.1.1"]
    {
        assert!(shown.contains(wanted), "{wanted} is missing\n{shown}");
    }
    assert_eq!(form_of(CANARY, &report.data), None, "the body is in the report\n{shown}");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(sink.taken_count(), 1);
}

/// RFC 3834 and RFC 5321 §4.5.5: reports and notices are sent from nobody, so that nothing answers them; and none about them.
#[test]
fn a_report_that_fails_makes_no_other_report() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    sink.fail(Phase::Rcpt, Act::Say("550 5.1.1 no such mailbox"), 2);
    assert_eq!(gate.submit(&[OUTSIDE], &message(OUTSIDE, "Bonjour", "rien\r\n")).code, 250);
    wait_until(SOON, "message and report are refused", || sink.seen(Phase::Rcpt) == 2);
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(sink.taken_count(), 0);
    assert_eq!(sink.seen(Phase::Rcpt), 2, "a report about a report");
}

#[test]
fn an_upstream_without_extensions_gets_seven_bit_mail_and_never_eight_bit_octets() {
    let sink = Sink::without_extensions();
    let gate = Setup::towards(&sink).start();
    let eight_bit = message(OUTSIDE, "Bonjour", "été\r\n");
    assert_eq!(gate.submit(&[OUTSIDE], &eight_bit).code, 250);
    let seven_bit = message(OUTSIDE, "Bonjour", "rien\r\n.\r\n");
    assert_eq!(gate.submit(&[OUTSIDE], &seven_bit).code, 250);
    wait_until(SOON, "the 7-bit message arrives", || sink.taken().iter().any(|one| one.data.ends_with(b"rien\r\n.\r\n")));
    std::thread::sleep(Duration::from_millis(500));
    for one in sink.taken() {
        assert!(one.data.is_ascii(), "8-bit octets to an upstream that did not offer 8BITMIME (RFC 6152 §3)");
        assert_eq!(one.mail_parameters, "", "parameters to an upstream without extensions (RFC 5321 §4.1.1.11)");
        assert_eq!(one.mail_from, ALICE, "nobody is told of a failure");
    }
}

// --- cannot load new rules or config --------------------------------------------------------------------------------------------

fn copy_folder(from: &Path, to: &Path) {
    for file in super::gate::files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
}

/// Breaks a file of the rules folder while the gate runs, asks for a reload, and shows that the old rules hold and that it is said.
fn old_rules_stay(break_it: impl FnOnce(&Path) -> &'static str) {
    let sink = Sink::start();
    let rules = tempfile::tempdir().unwrap();
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"), rules.path());
    let mut gate = Setup { rules: Some(rules.path().to_path_buf()), ..Setup::towards(&sink) }.start();
    let named = break_it(rules.path());
    gate.signal("HUP");
    wait_until(SOON, "it is said aloud", || gate.log().contains(named));
    assert!(gate.is_running());
    let reply = gate.submit(&[OUTSIDE], &secret(OUTSIDE, 1));
    assert!(reply.code == 250 && reply.text.contains("retenu"), "the old rules no longer hold: {reply:?}");
    let reply = gate.submit(&[OUTSIDE], &message(OUTSIDE, "Bonjour", "rien\r\n"));
    assert!(reply.code == 250 && !reply.text.contains("retenu"), "{reply:?}");
    sink.wait_for(2, SOON);
    is_silent(&gate, &sink);
}

#[test]
fn a_broken_rule_file_on_reload_leaves_the_old_rules_in_force() {
    old_rules_stay(|rules| {
        let file = rules.join("detect/fr-nir.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("\"fr-nir\"", "\"fr-nri\"")).unwrap();
        "fr-nir.toml"
    });
}

#[test]
fn a_rule_whose_test_fails_on_reload_leaves_the_old_rules_in_force() {
    old_rules_stay(|rules| {
        let file = rules.join("detect/fr-nir.toml");
        let mut text = std::fs::read_to_string(&file).unwrap();
        text.push_str(
            "\n[[match]]\ntext = \"rien du tout\"\nconfidence = \"high\"\nbecause = \"this test is wrong on purpose\"\n",
        );
        std::fs::write(&file, text).unwrap();
        "fr-nir.toml"
    });
}

#[test]
fn a_broken_policy_file_on_reload_leaves_the_old_policies_in_force() {
    old_rules_stay(|rules| {
        std::fs::write(rules.join("policy.toml"), "default = \"alow\"\n").unwrap();
        "policy.toml"
    });
}

#[test]
fn a_vanished_rules_folder_on_reload_leaves_the_old_rules_in_force() {
    old_rules_stay(|rules| {
        std::fs::remove_dir_all(rules.join("detect")).unwrap();
        "detect"
    });
}

// --- the canary -------------------------------------------------------------------------------------------------------------------

#[test]
fn whoever_must_get_it_encrypted_gets_no_clear_octet_in_any_fault() {
    let test = "faults::whoever_must_get_it_encrypted_gets_no_clear_octet_in_any_fault";
    if !peers::are_here(test, &["openssl", "gpg", "gpg-agent"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let home = GnupgHome::make();
    let (claire, paul, nobody) = ("claire@example.net", "paul@example.net", "nokey@example.net");
    let person = SmimePerson::make(folder.path(), claire, Algorithm::Rsa);
    let sink = Sink::start();
    sink.spare(ALICE);
    let setup = quick_timeouts(&sink).with_key("claire.pem", person.certificate_pem());
    let mut gate = setup.with_key("paul.asc", home.curve25519_person(paul)).start();
    let faults = [
        None,
        Some((Phase::Banner, Act::Drop)),
        Some((Phase::Mail, Act::Say("451 4.3.0 later"))),
        Some((Phase::Rcpt, Act::Say("550 5.1.1 no such mailbox"))),
        Some((Phase::Data, Act::Hang)),
        Some((Phase::Body, Act::Drop)),
        Some((Phase::Dot, Act::Say("554 5.7.1 refused"))),
        Some((Phase::Dot, Act::KeepThenDrop)),
        Some((Phase::Dot, GARBAGE)),
    ];
    let mut held = Vec::new();
    for (n, fault) in faults.into_iter().enumerate() {
        if let Some((phase, act)) = fault {
            sink.fail(phase, act, 1);
        }
        for recipients in [&[claire][..], &[paul], &[claire, paul], &[nobody], &[claire, nobody]] {
            let reply = gate.submit(recipients, &secret(recipients[0], n));
            assert_eq!(reply.code, 250, "{reply:?}\n{}", gate.log());
            assert_eq!(form_of(CANARY, reply.text.as_bytes()), None);
            if let Some(reference) = reply.reference().filter(|_| reply.text.contains("retenu")) {
                held.push(reference.to_string());
            }
        }
        if n == 4 {
            gate.kill();
            gate.start();
        }
        std::thread::sleep(Duration::from_millis(150));
        retry(&gate);
    }
    assert_eq!(held.len(), 2 * 9, "without a key it is held, for all its recipients");
    sink.heal();
    for (n, reference) in held.iter().enumerate() {
        let act = if n % 2 == 0 { "release" } else { "reject" };
        gate.command(&["quarantine", act, reference, "--officer", "dpo@example.org"], b"");
        gate.command(&["quarantine", "show", reference], b"");
    }
    let sealed_to = |who: &str| sink.taken().iter().filter(|one| one.mail_from == ALICE && one.recipients == [who]).count();
    let end = Instant::now() + Duration::from_secs(30);
    // Two of eighteen copies were refused for good, at RCPT and after the data; all others arrive.
    while sealed_to(claire) + sealed_to(paul) < 4 * 9 - 2 && Instant::now() < end {
        retry(&gate);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(sealed_to(claire) + sealed_to(paul) >= 4 * 9 - 2, "{} and {}\n{}", sealed_to(claire), sealed_to(paul), gate.log());
    assert_eq!(sealed_to(nobody), 0, "without a key nothing leaves");
    let reports = sink.taken().iter().filter(|one| contains(&one.data, b"message/delivery-status")).count();
    assert!(reports >= 2, "{reports} reports of what was refused for good");
    is_silent(&gate, &sink);
    gate.stop(Duration::from_secs(20));
    is_silent_at_rest(&gate);
}

fn is_silent_at_rest(gate: &Gate) {
    for (file, octets) in gate.at_rest() {
        assert_eq!(form_of(CANARY, &octets), None, "at rest in {}", file.display());
    }
}
