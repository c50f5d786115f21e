//! The processes that read attachments: what they cannot do, and that whatever happens to one of them, mail goes on.

use super::gate::{ALICE, Gate, Setup, message, postern, wait_until};
use super::peers;
use postern::extract::{Extracted, Limits, Reader, Reason, extract_file};
use postern::worker::{Portion, confine, open_with};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

const OUTSIDE: &str = "bob@example.net";
const NIR: &str = "numéro de sécurité sociale : 2 85 05 75 116 203 01";
/// On a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tests that look for their own children must not see each other's.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn pool(limits: &Limits) -> Reader {
    open_with(Path::new(env!("CARGO_BIN_EXE_postern")), limits).unwrap()
}

fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(content).unwrap();
    archive.finish().unwrap().into_inner()
}

/// Takes some seconds to read in a development build.
fn long_work() -> Vec<u8> {
    let lines: String =
        (0..800_000u32).map(|n| format!("{n} x{} ({}) ({}) y\n", n.wrapping_mul(7919), n % 97, n % 89)).collect();
    zip("long.txt", lines.as_bytes())
}

fn good() -> Vec<u8> {
    zip("good.txt", NIR.as_bytes())
}

fn is_read(extracted: &Extracted) -> bool {
    extracted.unreadable.is_empty() && extracted.texts.iter().any(|text| text.content.contains("2 85 05 75"))
}

fn reasons(extracted: &Extracted) -> Vec<Reason> {
    extracted.unreadable.iter().map(|one| one.reason).collect()
}

/// The readers among the children of a process.
fn readers_of(parent: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let ids: Vec<u32> =
        children.flat_map(|ids| ids.split(' ').filter_map(|id| id.trim().parse().ok()).collect::<Vec<_>>()).collect();
    let is_reader =
        |id: &u32| std::fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| line.starts_with(b"postern-reader\0"));
    ids.into_iter().filter(is_reader).collect()
}

/// Ticks of processor time in its own code.
fn ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().nth(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// Waits for a reader of `parent` that is at work, and sends it a signal.
fn strike(parent: u32, signal: &str) -> u32 {
    let mut struck = 0;
    wait_until(PATIENCE, "a reader at work", || {
        let at_work = readers_of(parent).into_iter().find(|id| ticks(*id) >= 10);
        struck = at_work.unwrap_or(0);
        struck != 0
    });
    let status = Command::new("kill").args([&format!("-{signal}"), &struck.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{signal} {struck}");
    struck
}

#[test]
fn a_reader_can_do_nothing_but_read_and_answer() {
    let _alone = alone();
    let limits = Limits { memory_octets: 900 << 20, seconds: 7, ..Limits::default() };
    let reader = pool(&limits);
    assert!(is_read(&extract_file("good.zip", &good(), &limits, &reader)));
    let readers = readers_of(std::process::id());
    assert_eq!(readers.len(), 1, "one file, one reader");
    let of = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", readers[0])).unwrap();
    let status = of("status");
    let line = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} {status}"));
        found.trim().to_owned()
    };
    assert_eq!((line("Seccomp:").as_str(), line("NoNewPrivs:").as_str(), line("Threads:").as_str()), ("2", "1", "1"));
    let limited = of("limits");
    for (what, most) in [
        ("Max cpu time", "24"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
        ("Max open files", "0"),
        ("Max locked memory", "0"),
        ("Max address space", "943718400"),
    ] {
        let line = limited.lines().find(|line| line.starts_with(what)).unwrap();
        let words: Vec<&str> = line[what.len()..].split_whitespace().collect();
        assert_eq!(words[..2], [most, most], "{line}");
    }
    // Only its owner and root may look at these.
    if let Ok(open) = std::fs::read_dir(format!("/proc/{}/fd", readers[0])) {
        let mut open: Vec<String> = open.flatten().map(|one| one.file_name().to_string_lossy().into_owned()).collect();
        // What whoever started the tests left open for all is inherited; the filter lets nobody read or write there.
        let inherited =
            |one: &String| one.parse().is_ok_and(|number: u32| number > 3) && Path::new("/proc/self/fd").join(one).exists();
        open.retain(|one| !inherited(one));
        open.sort();
        assert_eq!(open, ["0", "1", "2", "3"], "its socket twice, /dev/null twice");
        assert_eq!(of("environ"), "");
    }
    drop(reader);
    wait_until(PATIENCE, "the end of the reader with its pool", || readers_of(std::process::id()).is_empty());
}

/// Says which act the child of the next test tries.
const ACT: &str = "POSTERN_TEST_ACT";
/// Its own name, to be started again under.
const CONFINED: &str = "worker::what_the_confinement_forbids_cannot_be_done";

/// A child of this test confines itself exactly as a reader does, with its standard output as channel, and tries.
#[test]
fn what_the_confinement_forbids_cannot_be_done() {
    let portion = Portion { memory: 1 << 30, seconds: 20 };
    if let Ok(act) = std::env::var(ACT) {
        let folder = std::env::temp_dir();
        let mut opened_before = std::fs::File::create(folder.join(format!("postern-{}", std::process::id()))).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let lacks = confine::reader(1, portion);
        println!("lacks {lacks:?}");
        let done = match act.as_str() {
            "nothing" => Ok(()),
            "open" => std::fs::File::open("/etc/passwd").map(drop),
            "create" => std::fs::File::create(folder.join("postern-never")).map(drop),
            "remove" => std::fs::remove_file("/etc/postern-never"),
            "write elsewhere" => opened_before.write_all(b"x"),
            "connect" => std::net::TcpStream::connect(address).map(drop),
            "a name" => std::os::unix::net::UnixDatagram::unbound().map(drop),
            "a program" => Command::new("/bin/true").status().map(drop),
            "a thread" => std::thread::Builder::new().spawn(|| {}).map(drop),
            "a fault" => {
                // Deeper than any stack: the runtime's own handler must be able to end the process.
                fn deeper(n: u64) -> u64 {
                    if std::hint::black_box(n) == 0 { 0 } else { deeper(n + 1) + std::hint::black_box(1) }
                }
                println!("has {}", deeper(1));
                Ok(())
            }
            "memory" => {
                let much = vec![1u8; 2 << 30];
                println!("has {}", much.len());
                Ok(())
            }
            other => panic!("{other}"),
        };
        println!("done {:?}", done.map_err(|why| why.raw_os_error()));
        return;
    }
    const SIGABRT: i32 = 6;
    const SIGSYS: i32 = 31;
    for (act, says, signals) in [
        ("nothing", "done Ok(())", &[][..]),
        ("open", "done Err(Some(1))", &[]),
        ("create", "done Err(Some(1))", &[]),
        ("remove", "done Err(Some(1))", &[]),
        ("write elsewhere", "done Err(Some(1))", &[]),
        ("a thread", "done Err(Some(1))", &[]),
        ("connect", "", &[SIGSYS]),
        ("a name", "", &[SIGSYS]),
        // posix_spawn begins with a pair of sockets or with clone, as the library likes.
        ("a program", "done Err(Some(1))", &[SIGSYS]),
        ("memory", "", &[SIGABRT]),
        ("a fault", "", &[SIGABRT]),
    ] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", CONFINED, "--nocapture", "--test-threads=1"]).env(ACT, act);
        let output = peers::run(&mut child, b"", PATIENCE);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let shown = format!("{act}: {} {said} {}", output.status, String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("lacks []") || !said.contains("lacks"), "a layer is missing here: {shown}");
        assert!(said.contains("lacks"), "{shown}");
        match output.status.signal() {
            Some(signal) => assert!(signals.contains(&signal), "{shown}"),
            None => assert!(!says.is_empty() && said.contains(says), "{shown}"),
        }
        assert!(!said.contains("has "), "{shown}");
    }
}

#[test]
fn a_reader_that_falls_takes_one_file_with_it() {
    let _alone = alone();
    let limits = Limits::default();
    let reader = pool(&limits);
    let long = long_work();
    for signal in ["KILL", "ABRT"] {
        let (extracted, struck) = std::thread::scope(|scope| {
            let reading = scope.spawn(|| extract_file("long.zip", &long, &limits, &reader));
            let struck = strike(std::process::id(), signal);
            (reading.join().unwrap(), struck)
        });
        assert_eq!(reasons(&extracted), [Reason::Damaged], "{signal}");
        assert!(!Path::new(&format!("/proc/{struck}")).exists(), "{signal}: it was not waited for");
        assert!(is_read(&extract_file("good.zip", &good(), &limits, &reader)), "after {signal}");
    }
    // One that dies while nobody asks it anything does no harm to the next file.
    let idle = readers_of(std::process::id());
    assert_eq!(idle.len(), 1);
    Command::new("kill").args(["-KILL", &idle[0].to_string()]).status().unwrap();
    wait_until(PATIENCE, "its end", || {
        std::fs::read_to_string(format!("/proc/{}/status", idle[0])).is_ok_and(|status| status.contains("State:\tZ"))
    });
    assert!(is_read(&extract_file("good.zip", &good(), &limits, &reader)));
}

#[test]
fn a_reader_that_hangs_is_ended_in_time() {
    let _alone = alone();
    let limits = Limits { seconds: 4, ..Limits::default() };
    let reader = pool(&limits);
    let long = long_work();
    let begun = Instant::now();
    let (extracted, struck) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| extract_file("long.zip", &long, &limits, &reader));
        let struck = strike(std::process::id(), "STOP");
        (reading.join().unwrap(), struck)
    });
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(reasons(&extracted), [Reason::OverBudget]);
    assert!(!Path::new(&format!("/proc/{struck}")).exists());
    assert!(is_read(&extract_file("good.zip", &good(), &limits, &reader)));
}

#[test]
fn a_reader_that_wants_too_much_memory_falls() {
    let _alone = alone();
    let limits = Limits { memory_octets: 256 << 20, ..Limits::default() };
    let reader = pool(&limits);
    let bomb = zip("blanks.txt", &vec![b' '; 200 << 20]);
    let bomb_limits = Limits { ratio: 1_000_000, ..limits.clone() };
    assert_eq!(reasons(&extract_file("bomb.zip", &bomb, &bomb_limits, &reader)), [Reason::Damaged]);
    assert!(is_read(&extract_file("good.zip", &good(), &limits, &reader)));
}

#[test]
fn without_a_reader_nothing_passes_for_read() {
    let _alone = alone();
    let limits = Limits::default();
    let reader = open_with(Path::new("/nonexistent/postern"), &limits).unwrap();
    assert_eq!(reasons(&extract_file("good.zip", &good(), &limits, &reader)), [Reason::Damaged]);
    let plain = extract_file("plain.txt", NIR.as_bytes(), &limits, &reader);
    assert!(is_read(&plain), "a text needs none");
}

fn attached(name: &str, octets: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let lines = base64::engine::general_purpose::STANDARD.encode(octets);
    let lines: Vec<&str> = lines.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nFrom: Alice Martin <{ALICE}>\r\nTo: <{OUTSIDE}>\r\nSubject: {name}\r\n\
         Message-ID: <{name}@client.example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nci-joint\r\n--b1\r\nContent-Type: application/zip; name=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\r\n{}\r\n--b1--\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}

#[test]
fn a_document_that_fells_its_reader_is_held_and_the_next_mail_goes_on() {
    let mut gate: Gate = Setup::default().start();
    let id = gate.id().unwrap();
    let long = attached("long.zip", &long_work());
    let held = std::thread::scope(|scope| {
        let submitting = scope.spawn(|| gate.submit(&[OUTSIDE], &long));
        strike(id, "KILL");
        submitting.join().unwrap()
    });
    assert!(held.is_good() && held.text.contains("retenu"), "{held:?}\n{}", gate.log());
    let log = gate.log();
    assert!(log.contains("it counts as damaged") && !log.contains("long.zip"), "{log}");
    let plain = gate.submit(&[OUTSIDE], &message(OUTSIDE, "Bonjour", "Rien de particulier.\r\n"));
    assert!(plain.is_good() && !plain.text.contains("retenu"), "{plain:?}");
    let harmless = gate.submit(&[OUTSIDE], &attached("fine.zip", &zip("fine.txt", b"Rien de particulier.")));
    assert!(harmless.is_good() && !harmless.text.contains("retenu"), "{harmless:?}\n{}", gate.log());
    // No key for them: what only the reader could see holds the mail.
    let found = gate.submit(&[OUTSIDE], &attached("number.zip", &good()));
    assert!(!found.is_good() || found.text.contains("retenu"), "{found:?}");
    // The readers end with the gate, whatever ends it.
    let readers = readers_of(id);
    assert!(!readers.is_empty());
    gate.kill();
    wait_until(PATIENCE, "the end of the readers", || readers.iter().all(|id| !Path::new(&format!("/proc/{id}")).exists()));
}

/// What another program may do when it was started like tesseract.
#[test]
fn the_program_for_letters_can_read_system_files_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret.txt");
    std::fs::write(&file, "hidden").unwrap();
    let path = file.to_str().unwrap();
    let fresh = folder.path().join("fresh");
    let fresh = fresh.to_str().unwrap();
    let python = "import socket; socket.socket(); print('connected')";
    for (program, says) in [
        (&["/bin/cat"][..], "from outside"),
        (&["/bin/ls", "/usr/share"], "doc"),
        (&["/bin/cat", path], ""),
        (&["/bin/cat", "/etc/passwd"], ""),
        (&["/usr/bin/touch", fresh], ""),
        (&["/bin/rm", path], ""),
        (&["/usr/bin/python3", "-S", "-c", python], ""),
    ] {
        if !Path::new(program[0]).exists() {
            peers::leave_out("the_program_for_letters_can_read_system_files_and_nothing_else", program[0]);
            continue;
        }
        let mut command = postern();
        command.args(["ocr-worker", "--memory", "1073741824", "--seconds", "10", "--"]).args(program);
        let output = peers::run(&mut command, b"from outside", PATIENCE);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            output.status.success(),
            !says.is_empty(),
            "{program:?}: {said} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(said.contains(says) && !said.contains("hidden") && !said.contains("connected"), "{program:?}: {said}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "hidden");
}

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/reader").join(name);
    std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Places of all texts in which letters of the sample were read.
fn read_at(extracted: &Extracted) -> Vec<String> {
    let squeezed = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let texts = extracted.texts.iter().filter(|text| squeezed(&text.content).contains("285057511620301"));
    texts.map(|text| text.place.to_string()).collect()
}

#[test]
fn letters_on_pictures_are_read() {
    let _alone = alone();
    const NAME: &str = "letters_on_pictures_are_read";
    if !peers::are_here(NAME, &["tesseract"]) {
        return;
    }
    let limits = Limits::default();
    let reader = pool(&limits);
    if !reader.recognises() {
        peers::leave_out(NAME, "tesseract knows neither French nor English");
        return;
    }
    let scan = sample("scan.png");
    assert_eq!(read_at(&extract_file("scan.png", &scan, &limits, &reader)), ["scan.png (OCR)"]);
    let types = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>";
    let document = {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        for (name, content) in
            [("[Content_Types].xml", types.as_bytes()), ("word/document.xml", b"<w/>"), ("word/media/image1.png", &scan)]
        {
            archive.start_file(name, options).unwrap();
            archive.write_all(content).unwrap();
        }
        archive.finish().unwrap().into_inner()
    };
    assert_eq!(read_at(&extract_file("a.docx", &document, &limits, &reader)), ["a.docx > image1.png (OCR)"]);
    // Off, it is not asked.
    let off = Limits { ocr: postern::extract::Ocr::Off, ..Limits::default() };
    assert!(read_at(&extract_file("scan.png", &scan, &off, &pool(&off))).is_empty());
    // A picture that is broken behind its head is no reason to hold a mail, and no reason to wait.
    let broken = extract_file("scan.png", &scan[..300], &limits, &reader);
    assert!(broken.unreadable.is_empty(), "{:?}", broken.unreadable);
}

/// What a scanner makes of a sheet: a page that shows one picture and no letter. The packed pixels of a PNG are those of a PDF with
/// its predictor (ISO 32000-2 §7.4.4.4).
fn scanned(png: &[u8]) -> Vec<u8> {
    let long = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
    let (width, height, bits) = (long(16), long(20), png[24]);
    assert_eq!(png[25], 0, "the sample is gray");
    let (mut pixels, mut at) = (Vec::new(), 8);
    while at < png.len() {
        let length = long(at);
        if &png[at + 4..at + 8] == b"IDAT" {
            pixels.extend(&png[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    let draw = b"q 595 0 0 202 0 600 cm /Im0 Do Q";
    let image = format!(
        "<< /Type /XObject /Subtype /Image /Width {width} /Height {height} /BitsPerComponent {bits} /ColorSpace /DeviceGray \
         /Filter /FlateDecode /DecodeParms << /Predictor 15 /Colors 1 /BitsPerComponent {bits} /Columns {width} >> /Length {} >>",
        pixels.len()
    );
    let stream = |dictionary: &[u8], content: &[u8]| [dictionary, b"\nstream\n", content, b"\nendstream"].concat();
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /XObject << /Im0 5 0 R >> >> >>"
            .to_vec(),
        stream(format!("<< /Length {} >>", draw.len()).as_bytes(), draw),
        stream(image.as_bytes(), &pixels),
    ];
    let mut out = b"%PDF-1.5\n".to_vec();
    let mut places = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend([format!("{} 0 obj\n", n + 1).as_bytes(), object, b"\nendobj\n"].concat());
    }
    let start = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1).bytes());
    places.iter().for_each(|place| out.extend(format!("{place:010} 00000 n \n").bytes()));
    out.extend(format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", places.len() + 1).bytes());
    out
}

#[test]
fn a_scan_finds_what_stands_on_a_picture_and_on_a_scanned_page() {
    if !peers::are_here("a_scan_finds_what_stands_on_a_picture_and_on_a_scanned_page", &["tesseract"]) {
        return;
    }
    let picture = sample("scan.png");
    for (name, octets, place) in
        [("scan.png", picture.clone(), "scan.png (OCR)"), ("scan.pdf", scanned(&picture), "scan.pdf > page 1 (OCR)")]
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), octets).unwrap();
        let mut command = postern();
        command.args(["scan", "--format", "json"]).arg(folder.path()).stdin(Stdio::null());
        let output = peers::run(&mut command, b"", PATIENCE);
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let finding = &line["findings"][0];
        assert_eq!((finding["rule"].as_str(), finding["confidence"].as_str()), (Some("fr-nir"), Some("high")), "{line}");
        assert_eq!(finding["places"][0]["part"], place);
        assert_eq!(line["unreadable"], serde_json::json!([]), "{line}");
    }
}

/// What a hand-over costs: printed, and bounded far above what it should be.
#[test]
fn a_hand_over_costs_little() {
    let _alone = alone();
    let limits = Limits::default();
    let file = good();
    let time = |reader: &Reader| {
        extract_file("good.zip", &file, &limits, reader);
        let mut best = Duration::MAX;
        for _ in 0..40 {
            let begun = Instant::now();
            assert!(is_read(&extract_file("good.zip", &file, &limits, reader)));
            best = best.min(begun.elapsed());
        }
        best
    };
    let begun = Instant::now();
    let reader = pool(&limits);
    assert!(is_read(&extract_file("good.zip", &file, &limits, &reader)));
    let first = begun.elapsed();
    let (here, there) = (time(&Reader::here()), time(&reader));
    println!("here {here:?}, in a reader {there:?}, the first of a reader {first:?}");
    assert!(there < here + Duration::from_millis(20), "here {here:?}, in a reader {there:?}");
}

/// An invented generator, so that a failure can be had again.
fn mutated(good: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let mut octets = good.to_vec();
    for _ in 0..1 + draw(12) {
        let at = draw(octets.len());
        match draw(4) {
            0 => octets[at] ^= 1 << draw(8),
            1 => octets[at] = 0xff,
            2 => octets.truncate(at.max(600)),
            _ => {
                let length = draw(64).min(octets.len() - at);
                let from = draw(octets.len() - length);
                octets.copy_within(from..from + length, at);
            }
        }
    }
    octets
}

#[test]
fn three_hundred_broken_workbooks_do_not_stop_the_mail() {
    let _alone = alone();
    let limits = Limits::default();
    let reader = pool(&limits);
    let workbook = sample("agents.xls");
    for seed in 0..300 {
        let begun = Instant::now();
        let _ = extract_file("a.xls", &mutated(&workbook, seed), &limits, &reader);
        assert!(begun.elapsed() < Duration::from_secs(25), "mutation {seed}: {:?}", begun.elapsed());
    }
    assert!(is_read(&extract_file("good.zip", &good(), &limits, &reader)));
}
