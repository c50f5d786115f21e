//! Recipients without a key, through the running gate: what reaches them opens with their password and with nothing else, and whoever has
//! no password gets nothing.

use super::canary::form_of;
use super::gate::{ALICE, Gate, Setup, contains, message, wait_until};
use super::peers;
use super::sink::{Sink, Transaction};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NOBODY: &str = "nobody@example.net";
const CANARY: &str = "Schnabeltier42";
const SECRET: &str = "k7q29fmdx3wahtz8c4rn";
const SOON: Duration = Duration::from_secs(30);

const POLICY: &str = r#"
[[policy]]
id        = "all-sealed"
when      = { to = "outside" }
then      = "encrypt"
if_no_key = "container"
"#;

const RULE: &str = r#"
id       = "code-word"
title    = { fr = "Mot de code", en = "Code word" }
status   = "active"
category = "legal"

[find]
words = ["opération Mistral"]

[[match]]
text    = "l'opération Mistral commence"
because = "le mot y est"

[[no_match]]
text    = "un vent de mistral"
because = "ce n'est pas lui"
"#;

/// One rule, which loads quickly, and these policies.
fn rules(policy: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for below in ["detect", "lists"] {
        std::fs::create_dir(folder.path().join(below)).unwrap();
    }
    std::fs::write(folder.path().join("detect/code-word.toml"), RULE).unwrap();
    std::fs::write(folder.path().join("policy.toml"), policy).unwrap();
    folder
}

fn gate(sink: &Sink, policy: &str, more: &str) -> (Gate, tempfile::TempDir) {
    let rules = rules(policy);
    let setup = Setup { rules: Some(rules.path().to_path_buf()), ..Setup::towards(sink) };
    (setup.with(more).start(), rules)
}

fn sealed() -> Vec<u8> {
    message(NOBODY, &format!("Dossier {CANARY}"), &format!("Bonjour {CANARY}.\r\n"))
}

fn shows(sink: &Sink) -> Option<&'static str> {
    sink.transcripts().iter().find_map(|octets| form_of(CANARY, octets))
}

/// The copies for the recipient, once there are so many; notices to the sender go the same way.
fn copies(sink: &Sink, count: usize) -> Vec<Transaction> {
    let to_nobody = || sink.taken().into_iter().filter(|copy| copy.recipients == [NOBODY]).collect::<Vec<_>>();
    wait_until(SOON, "the copy for the recipient", || to_nobody().len() >= count);
    to_nobody()
}

/// What lies in the outer and the inner archive of the one attachment.
fn opened(copy: &Transaction, password: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let raw = postern::mail::RawMessage::new(copy.data.clone()).unwrap();
    let read = postern::mime::parse(&raw, &postern::mime::Limits::default()).unwrap();
    let file = read.leaves().find(|part| part.content_type == "application/zip").expect("an archive is attached");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("outer.zip"), file.decoded(&raw).0).unwrap();
    let unpack = |archive: &str, password: &str, to: &str| {
        let mut command = Command::new("7z");
        command.args(["x", "-y", &format!("-o{to}"), &format!("-p{password}"), archive]).current_dir(folder.path());
        peers::run(&mut command, b"", SOON).status.success()
    };
    if !unpack("outer.zip", password, "outer") {
        return None;
    }
    assert!(unpack("outer/message.zip", "", "inner"));
    let files = std::fs::read_dir(folder.path().join("inner")).unwrap().map(|entry| entry.unwrap().path());
    Some(files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())).collect())
}

fn eml(files: &[(String, Vec<u8>)]) -> &[u8] {
    &files.iter().find(|(name, _)| name == "message.eml").expect("the message itself").1
}

#[test]
fn without_a_password_it_is_held_and_with_one_it_leaves_under_it() {
    if !peers::are_here("a container through the gate", &["7z"]) {
        return;
    }
    let sink = Sink::start();
    let (gate, _rules) = gate(&sink, POLICY, "");
    let reply = gate.submit(&[NOBODY], &sealed());
    assert!(reply.code == 250 && reply.text.contains("retenu"), "{reply:?}");
    let held = reply.reference().unwrap().to_owned();

    // What is too weak is not taken, and the sentence says what to write.
    let weak = gate.command(&["keys", "secret", "set", NOBODY], b"Soleil2026!\n");
    assert_eq!(weak.status.code(), Some(2));
    let said = String::from_utf8(weak.stderr).unwrap();
    assert!(said.contains("bits") && said.contains("--generate") && !said.contains("Soleil"), "{said}");
    let set = gate.command(&["keys", "secret", "set", NOBODY, "--language", "en"], format!("{SECRET}\n").as_bytes());
    assert!(set.status.success() && set.stdout.is_empty(), "{}", String::from_utf8_lossy(&set.stderr));

    let reply = gate.submit(&[NOBODY], &sealed());
    assert!(reply.code == 250 && !reply.text.contains("retenu"), "{reply:?}");
    let first = copies(&sink, 1).remove(0);
    let text = String::from_utf8_lossy(&first.data).into_owned();
    assert!(text.contains("Subject: [...]\r\n") && text.contains("a password protects"), "{text}");
    assert!(opened(&first, "k7q29fmdx3wahtz8c4rm").is_none(), "a wrong password opened it");
    let files = opened(&first, SECRET).expect("its password opens it");
    let body = eml(&files).windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let sent = sealed();
    let sent_body = sent.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    assert_eq!(eml(&files)[body..], sent[sent_body..]);
    assert!(contains(eml(&files), format!("Subject: Dossier {CANARY}").as_bytes()));

    // What was held for want of a key or password leaves the same way now, when an officer says so.
    let released = gate.command(&["quarantine", "release", &held, "--officer", "dpo"], b"");
    assert!(released.status.success(), "{}", String::from_utf8_lossy(&released.stderr));
    let second = copies(&sink, 2).remove(1);
    assert!(contains(eml(&opened(&second, SECRET).unwrap()), CANARY.as_bytes()));
    assert_eq!(shows(&sink), None);

    let explained = gate.path("m.eml");
    std::fs::write(&explained, sealed()).unwrap();
    let explain = ["explain", "--from", ALICE, "--to", NOBODY, "--format", "json", explained.to_str().unwrap()];
    let told: serde_json::Value = serde_json::from_slice(&gate.command(&explain, b"").stdout).unwrap();
    let one = &told["recipients"][0];
    assert_eq!((&one["verdict"], &one["protection"]), (&"encrypt".into(), &"container".into()), "{told}");

    let listed = gate.command(&["keys", "secret", "list", "--format", "json"], b"");
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(NOBODY) && listed.contains("\"language\":\"en\"") && !listed.contains(SECRET), "{listed}");
    for (path, octets) in gate.at_rest() {
        assert!(form_of(SECRET, &octets).is_none(), "{} shows the password", path.display());
    }
    let audit = gate.command(&["audit", "export"], b"");
    let audit = String::from_utf8(audit.stdout).unwrap();
    assert!(audit.contains("\"secret-set\"") && audit.contains("\"protection\":\"container\"") && !audit.contains(SECRET));

    assert!(gate.command(&["keys", "secret", "forget", NOBODY], b"").status.success());
    assert!(gate.submit(&[NOBODY], &sealed()).text.contains("retenu"));
    assert_eq!(gate.command(&["keys", "secret", "forget", NOBODY], b"").status.code(), Some(2));
    assert_eq!(shows(&sink), None);
}

#[test]
fn a_password_that_was_made_is_printed_once_and_opens_a_pdf() {
    if !peers::are_here("a PDF container through the gate", &["qpdf"]) {
        return;
    }
    let sink = Sink::start();
    let (gate, _rules) = gate(&sink, POLICY, "[protect]\ncontainer = \"pdf\"");
    let made = gate.command(&["keys", "secret", "set", NOBODY, "--generate"], b"");
    let password = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    assert!(made.status.success() && password.len() == 24, "{password}");
    assert_eq!(gate.submit(&[NOBODY], &sealed()).code, 250);
    let copy = copies(&sink, 1).remove(0);
    let raw = postern::mail::RawMessage::new(copy.data.clone()).unwrap();
    let read = postern::mime::parse(&raw, &postern::mime::Limits::default()).unwrap();
    let file = read.leaves().find(|part| part.content_type == "application/pdf").expect("a PDF is attached");
    std::fs::write(gate.path("m.pdf"), file.decoded(&raw).0).unwrap();
    let show = |password: &str| {
        let mut command = Command::new("qpdf");
        command.args([&format!("--password={password}"), "--show-attachment=00001"]).arg(gate.path("m.pdf"));
        peers::run(&mut command, b"", SOON)
    };
    assert!(contains(&show(&password).stdout, CANARY.as_bytes()));
    let wrong = show("x");
    assert!(!wrong.status.success() && wrong.stdout.is_empty());
    assert_eq!(shows(&sink), None);
}

/// A Python that can do this; `tests/run --install` puts pyzipper below target/peers.
fn python(imports: &str) -> Option<Command> {
    let modules = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/python");
    let on_path = peers::find("python3");
    let all = [Some(std::path::PathBuf::from("/usr/bin/python3")), on_path].into_iter().flatten();
    let command = |python: &std::path::PathBuf| {
        let mut command = Command::new(python);
        command.env("PYTHONPATH", &modules);
        command
    };
    let able = |python: &std::path::PathBuf| {
        python.is_file() && peers::run(command(python).args(["-c", &format!("import {imports}")]), b"", SOON).status.success()
    };
    all.into_iter().find(able).map(|python| command(&python))
}

const OPEN_ZIP: &str = r#"
import sys, io, zipfile, pyzipper
outer = pyzipper.AESZipFile(sys.argv[1])
infos = outer.infolist()
assert [info.filename for info in infos] == ["message.zip"], infos
try:
    outer.read("message.zip", pwd=b"a wrong password")
    sys.exit("a wrong password opened it")
except RuntimeError:
    pass
inner = zipfile.ZipFile(io.BytesIO(outer.read("message.zip", pwd=sys.argv[2].encode())))
sys.stdout.buffer.write(inner.read("message.eml"))
"#;

const OPEN_PDF: &str = r#"
import sys, pypdf
pdf = pypdf.PdfReader(sys.argv[1])
assert pdf.is_encrypted
assert not pdf.decrypt("a wrong password"), "a wrong password opened it"
assert pdf.decrypt(sys.argv[2]), "its password does not open it"
names = pdf.trailer["/Root"]["/Names"]["/EmbeddedFiles"]["/Names"]
for index in range(1, len(names), 2):
    sys.stdout.buffer.write(names[index].get_object()["/EF"]["/F"].get_object().get_data())
"#;

/// "Containers are opened in the tests by 7z, Python and qpdf": what other people's Python makes of both forms.
#[test]
fn python_opens_both_containers_with_their_password_and_with_no_other() {
    for (form, kind, imports, program) in
        [("zip", "application/zip", "pyzipper", OPEN_ZIP), ("pdf", "application/pdf", "pypdf, Cryptodome", OPEN_PDF)]
    {
        let Some(mut python) = python(imports) else {
            peers::leave_out(&format!("a {form} container opened by Python"), &format!("no Python with {imports}"));
            continue;
        };
        let sink = Sink::start();
        let (gate, _rules) = gate(&sink, POLICY, &format!("[protect]\ncontainer = \"{form}\""));
        let set = gate.command(&["keys", "secret", "set", NOBODY], format!("{SECRET}\n").as_bytes());
        assert!(set.status.success(), "{form}");
        assert_eq!(gate.submit(&[NOBODY], &sealed()).code, 250, "{form}");
        let copy = copies(&sink, 1).remove(0);
        let raw = postern::mail::RawMessage::new(copy.data.clone()).unwrap();
        let read = postern::mime::parse(&raw, &postern::mime::Limits::default()).unwrap();
        let file = read.leaves().find(|part| part.content_type == kind).expect("a container is attached");
        std::fs::write(gate.path("container"), file.decoded(&raw).0).unwrap();
        let opened = peers::must(python.args(["-c", program]).arg(gate.path("container")).arg(SECRET), b"");
        assert!(contains(&opened, CANARY.as_bytes()), "{form}: {}", String::from_utf8_lossy(&opened));
        assert_eq!(shows(&sink), None, "{form}");
    }
}

/// One answer for each POST, the last for all further ones; what it was asked.
struct Service {
    address: std::net::SocketAddr,
    asked: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl Service {
    fn start(answers: &'static [u16]) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<serde_json::Value>>>::default();
        let theirs = asked.clone();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { continue };
                let mut reader = BufReader::new(stream);
                let (mut line, mut length, mut first) = (String::new(), 0, String::new());
                while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
                    if first.is_empty() {
                        first = line.clone();
                    }
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                if reader.read_exact(&mut body).is_err() || !first.starts_with("POST /told ") {
                    continue;
                }
                theirs.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                let code = answers[number.min(answers.len() - 1)];
                let _ = reader
                    .into_inner()
                    .write_all(format!("HTTP/1.1 {code} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
            }
        });
        Service { address, asked }
    }

    fn asked(&self) -> Vec<serde_json::Value> {
        self.asked.lock().unwrap().clone()
    }
}

#[test]
fn a_service_is_told_the_password_and_told_again_until_it_takes_it() {
    if !peers::are_here("a container whose password a service tells", &["7z"]) {
        return;
    }
    let service = Service::start(&[503, 204]);
    let sink = Sink::start();
    let (mut gate, _rules) =
        gate(&sink, POLICY, &format!("[protect.password_hook]\nurl = \"http://{}/told\"", service.address));
    assert_eq!(gate.submit(&[NOBODY], &sealed()).code, 250);
    let copy = copies(&sink, 1).remove(0);
    wait_until(SOON, "the first call", || !service.asked().is_empty());
    // What was refused is not lost with the process, and lies nowhere in clear.
    let password = service.asked()[0]["password"].as_str().unwrap().to_owned();
    gate.kill();
    for (path, octets) in gate.at_rest() {
        assert!(form_of(&password, &octets).is_none(), "{} shows the password", path.display());
    }
    gate.start();
    wait_until(SOON, "the second call", || service.asked().len() >= 2);
    let asked = service.asked();
    assert_eq!(asked[0], asked[1]);
    assert_eq!((&asked[0]["recipient"], &asked[0]["sender"]), (&NOBODY.into(), &ALICE.into()));
    assert!(contains(eml(&opened(&copy, &password).expect("the told password opens it")), CANARY.as_bytes()));
    wait_until(SOON, "the audit", || {
        String::from_utf8_lossy(&gate.command(&["audit", "export"], b"").stdout).contains("\"password-told\"")
    });
    assert_eq!(shows(&sink), None);
    assert!(sink.transcripts().iter().all(|octets| form_of(&password, octets).is_none()), "the password travelled by mail");
    assert!(form_of(&password, gate.log().as_bytes()).is_none(), "the password is in the log");
}

/// A service that never takes it: the sender is told, without the password, and the audit says so.
#[test]
fn a_password_that_no_service_takes_is_given_up_and_its_sender_told() {
    let service = Service::start(&[503]);
    let sink = Sink::start();
    let hook = format!("[protect.password_hook]\nurl = \"http://{}/told\"\ngive_up_after_days = 0", service.address);
    let (gate, _rules) = gate(&sink, POLICY, &hook);
    assert_eq!(gate.submit(&[NOBODY], &sealed()).code, 250);
    let notice = || sink.taken().into_iter().find(|copy| copy.recipients == [ALICE]);
    wait_until(SOON, "the notice to the sender", || notice().is_some());
    let notice = notice().unwrap().data;
    let password = service.asked()[0]["password"].as_str().unwrap().to_owned();
    assert!(form_of(&password, &notice).is_none() && form_of(CANARY, &notice).is_none());
    let raw = postern::mail::RawMessage::new(notice).unwrap();
    let read = postern::mime::parse(&raw, &postern::mime::Limits::default()).unwrap();
    let text: String = read.leaves().map(|part| String::from_utf8_lossy(&part.decoded(&raw).0).into_owned()).collect();
    assert!(text.contains(NOBODY), "{text}");
    wait_until(SOON, "the audit", || {
        String::from_utf8_lossy(&gate.command(&["audit", "export"], b"").stdout).contains("\"password-not-told\"")
    });
    assert_eq!(service.asked().len(), 1, "given up is given up");
}

#[test]
fn what_a_policy_wants_to_a_key_is_never_put_under_a_password() {
    let sink = Sink::start();
    let both = format!("{POLICY}\n[[policy]]\nid = \"strict\"\nwhen = {{ found = \"code-word\" }}\nthen = \"encrypt\"\n");
    let (gate, _rules) = gate(&sink, &both, "");
    let set = gate.command(&["keys", "secret", "set", NOBODY], format!("{SECRET}\n").as_bytes());
    assert!(set.status.success());
    let body = format!("L'opération Mistral commence {CANARY}.\r\n");
    assert!(gate.submit(&[NOBODY], &message(NOBODY, "essai", &body)).text.contains("retenu"));
    assert_eq!(shows(&sink), None);
}
