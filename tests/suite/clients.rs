//! Programs by other people submit through the gate with TLS and AUTH, in both ways, and the upstream receives what they meant.

use super::gate::{ALICE, Gate, HOSTNAME, PASSWORD, Setup, contains};
use super::peers;
use super::sink::{Sink, Transaction};
use mail_parser::MimeHeaders;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const TO: &str = "citoyen@example.net";
const BCC: &str = "archives@example.net";
const TEXT: &str =
    "Bonjour,\n\nla réunion aura lieu à 14 h 30 ; le goûter suivra : œufs à la neige.\n.\n..deux points\n\nÀ bientôt\n";

/// How TLS begins, and which listener speaks so.
const WAYS: [(&str, &str); 2] = [("starttls", "submission"), ("implicit", "submissions")];

/// What a client's run is given.
struct Errand<'a> {
    gate: &'a Gate,
    /// "starttls" or "implicit".
    tls: &'a str,
    port: String,
    certificate: PathBuf,
    password_file: PathBuf,
    /// A whole message with Bcc, 8-bit text and an attachment; its lines end in LF, as files do here.
    message: PathBuf,
}

/// Notes that no rule objects to, so that what is measured is the transport.
fn notes() -> Vec<u8> {
    (1..400).map(|n| format!("ligne {n} : tout va bien, même les accents éèàç\r\n")).collect::<String>().into_bytes()
}

fn whole_message() -> String {
    use base64::Engine;
    let notes = base64::engine::general_purpose::STANDARD.encode(notes());
    let notes: Vec<&str> = notes.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "Date: Sat, 21 Nov 2026 10:00:00 +0100\nFrom: Alice Martin <{ALICE}>\nTo: <{TO}>\nBcc: <{BCC}>\nSubject: Reunion de service\n\
         Message-ID: <whole@client.example.org>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"part-1\"\n\n\
         --part-1\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{TEXT}\
         --part-1\nContent-Type: text/plain; charset=utf-8; name=\"notes.txt\"\nContent-Transfer-Encoding: base64\n\
         Content-Disposition: attachment; filename=\"notes.txt\"\n\n{}\n--part-1--\n",
        notes.join("\n")
    )
}

/// Runs one client both ways through one gate, and looks at what arrived.
fn both_ways(run: impl Fn(&Errand) -> Command, line_ends: &str) {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let password_file = gate.path("password");
    std::fs::write(&password_file, format!("{PASSWORD}\n")).unwrap();
    let message = gate.path("message.eml");
    std::fs::write(&message, whole_message().replace('\n', line_ends)).unwrap();
    std::fs::write(gate.path("text"), TEXT).unwrap();
    std::fs::write(gate.path("notes"), notes()).unwrap();
    for (count, (tls, listener)) in WAYS.into_iter().enumerate() {
        let errand = Errand {
            gate: &gate,
            tls,
            port: gate.listener(listener).port().to_string(),
            certificate: gate.certificate(),
            password_file: password_file.clone(),
            message: message.clone(),
        };
        peers::must(run(&errand).current_dir(gate.path("")), b"");
        let taken = sink.wait_for(count + 1, Duration::from_secs(20));
        as_meant(&taken[count], tls);
    }
}

fn as_meant(taken: &Transaction, tls: &str) {
    let data = &taken.data;
    let shown = String::from_utf8_lossy(data);
    assert_eq!(taken.mail_from, ALICE, "{tls}");
    let mut recipients = taken.recipients.clone();
    recipients.sort();
    assert_eq!(recipients, [BCC, TO], "{tls}: the Bcc recipient is served");
    assert!(!shown.to_ascii_lowercase().contains("\nbcc:"), "{tls}: nobody sees the Bcc\n{shown}");
    assert!(!contains(data, BCC.as_bytes()), "{tls}: not even elsewhere\n{shown}");
    assert!(memchr::memchr_iter(b'\n', data).all(|at| at > 0 && data[at - 1] == b'\r'), "{tls}: only CRLF");
    let parsed = mail_parser::MessageParser::default().parse(data).expect("a message");
    for field in ["Date", "Message-ID", "From", "DKIM-Signature", "Received"] {
        assert!(parsed.header(field).is_some(), "{tls}: {field} is there\n{shown}");
    }
    let text = parsed.body_text(0).expect("a text").replace("\r\n", "\n");
    assert_eq!(text.trim_end(), TEXT.trim_end(), "{tls}");
    let attachment = parsed.attachments().next().expect("an attachment");
    assert_eq!(attachment.attachment_name(), Some("notes.txt"), "{tls}");
    assert_eq!(attachment.contents(), notes(), "{tls}: the attachment, octet for octet");
}

fn swaks_with_tls(test: &str) -> bool {
    let tls = || Command::new("perl").args(["-MNet::SSLeay", "-e", "1"]).output().is_ok_and(|output| output.status.success());
    peers::are_here(test, &["swaks"]) && (tls() || peers::leave_out(test, "swaks has no TLS without Net::SSLeay"))
}

#[test]
fn swaks_submits() {
    if !swaks_with_tls("clients::swaks_submits") {
        return;
    }
    let run = |errand: &Errand| {
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &errand.port, "--timeout", "30s"]);
        swaks.arg(if errand.tls == "implicit" { "--tls-on-connect" } else { "--tls" });
        swaks.arg("--tls-verify").arg("--tls-ca-path").arg(&errand.certificate);
        swaks.args(["--auth", "PLAIN", "--auth-user", ALICE, "--auth-password", PASSWORD]);
        swaks.args(["--from", ALICE, "--to", &format!("{TO},{BCC}"), "--data"]).arg(format!("@{}", errand.message.display()));
        swaks
    };
    both_ways(run, "\n");
}

#[test]
fn swaks_with_auth_login_submits() {
    if !swaks_with_tls("clients::swaks_with_auth_login_submits") {
        return;
    }
    let run = |errand: &Errand| {
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &errand.port, "--timeout", "30s"]);
        swaks.arg(if errand.tls == "implicit" { "--tls-on-connect" } else { "--tls" });
        swaks.args(["--auth", "LOGIN", "--auth-user", ALICE, "--auth-password", PASSWORD]);
        swaks.args(["--from", ALICE, "--to", &format!("{TO},{BCC}"), "--data"]).arg(format!("@{}", errand.message.display()));
        swaks
    };
    both_ways(run, "\n");
}

#[test]
fn msmtp_submits() {
    if !peers::are_here("clients::msmtp_submits", &["msmtp"]) {
        return;
    }
    let run = |errand: &Errand| {
        let starttls = if errand.tls == "implicit" { "off" } else { "on" };
        let mut msmtp = Command::new("sh");
        // msmtp reads the message from its standard input.
        msmtp.arg("-c").arg(format!(
            "exec msmtp --file=/dev/null --host=127.0.0.1 --port={} --timeout=30 --tls=on --tls-starttls={starttls} --tls-trust-file={} \
             --tls-host-override={HOSTNAME} --auth=plain --user={ALICE} --passwordeval='cat {}' --from={ALICE} {TO} {BCC} < {}",
            errand.port,
            errand.certificate.display(),
            errand.password_file.display(),
            errand.message.display()
        ));
        msmtp
    };
    both_ways(run, "\n");
}

#[test]
fn curl_submits() {
    if !peers::are_here("clients::curl_submits", &["curl"]) {
        return;
    }
    let run = |errand: &Errand| {
        let scheme = if errand.tls == "implicit" { "smtps" } else { "smtp" };
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "30", "--ssl-reqd", "--noproxy", "*"]);
        curl.args(["--url", &format!("{scheme}://{HOSTNAME}:{}", errand.port)]);
        curl.args(["--resolve", &format!("{HOSTNAME}:{}:127.0.0.1", errand.port)]);
        curl.arg("--cacert").arg(&errand.certificate).args(["--user", &format!("{ALICE}:{PASSWORD}")]);
        curl.args(["--mail-from", ALICE, "--mail-rcpt", TO, "--mail-rcpt", BCC, "--upload-file"]).arg(&errand.message);
        curl
    };
    both_ways(run, "\r\n");
}

/// curl sends a file's bare LFs as they are: that is refused with the way out, and nothing of it leaves.
#[test]
fn curl_with_bare_line_feeds_is_told_to_use_crlf() {
    if !peers::are_here("clients::curl_with_bare_line_feeds_is_told_to_use_crlf", &["curl"]) {
        return;
    }
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let message = gate.path("message.eml");
    std::fs::write(&message, whole_message()).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--verbose", "--max-time", "30", "--ssl-reqd", "--noproxy", "*"]);
    let port = gate.listener("submission").port();
    curl.args(["--url", &format!("smtp://{HOSTNAME}:{port}"), "--resolve", &format!("{HOSTNAME}:{port}:127.0.0.1")]);
    curl.arg("--cacert").arg(gate.certificate()).args(["--user", &format!("{ALICE}:{PASSWORD}")]);
    curl.args(["--mail-from", ALICE, "--mail-rcpt", TO, "--upload-file"]).arg(&message);
    let output = peers::run(&mut curl, b"", Duration::from_secs(40));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("550 5.5.2") && said.contains("--crlf"), "{said}");
    assert!(sink.taken().is_empty());
}

#[test]
fn smtplib_submits() {
    if !peers::are_here("clients::smtplib_submits", &["python3"]) {
        return;
    }
    let run = |errand: &Errand| {
        let mut python = Command::new("python3");
        python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/submit.py")).args(["127.0.0.1", &errand.port, errand.tls]);
        python.arg(&errand.certificate).arg(ALICE).arg(&errand.password_file).arg(&errand.message).args([TO, BCC]);
        python
    };
    both_ways(run, "\r\n");
}

#[test]
fn nodemailer_submits() {
    let test = "clients::nodemailer_submits";
    if !peers::are_here(test, &["node"]) {
        return;
    }
    let Some(nodemailer) = peers::nodemailer() else {
        peers::leave_out(test, "target/peers/node_modules/nodemailer is not there");
        return;
    };
    let run = |errand: &Errand| {
        let mut node = Command::new("node");
        node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/submit.cjs")).arg(&nodemailer);
        node.args(["127.0.0.1", &errand.port, errand.tls]).arg(&errand.certificate).args([HOSTNAME, ALICE]);
        node.arg(&errand.password_file).args([TO, BCC]).arg(errand.gate.path("text")).arg(errand.gate.path("notes"));
        node
    };
    both_ways(run, "\n");
}
