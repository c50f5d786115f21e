//! Logging in to the running gate: foreign programs by SCRAM, accounts that cannot be read, app passwords, closed accounts.

use super::client::Client;
use super::gate::{ALICE, Gate, HOSTNAME, PASSWORD, Setup};
use super::peers;
use super::sink::Sink;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::process::{Command, Output};

const OUTSIDE: &str = "citoyen@example.net";

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// `postern user …`, which must succeed; its answer as JSON where it has one.
fn user(gate: &Gate, arguments: &[&str], input: &str) -> serde_json::Value {
    let output = gate.command(&[&["user"], arguments].concat(), input.as_bytes());
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn connect(gate: &Gate) -> Client {
    let mut client = Client::starttls(gate.listener("submission"), &gate.certificate(), HOSTNAME).unwrap();
    client.good("EHLO desk.example.org").unwrap();
    client
}

fn plain(login: &str, password: &str) -> String {
    format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{login}\0{password}")))
}

/// GNU SASL proves the password and checks that the gate knows it too, alone and bound to the TLS connection.
#[test]
fn gsasl_logs_in_by_scram_with_and_without_channel_binding() {
    if !peers::are_here("logins::gsasl", &["gsasl"]) {
        return;
    }
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    for (mechanism, password, works) in [
        ("SCRAM-SHA-256", PASSWORD, true),
        ("SCRAM-SHA-256-PLUS", PASSWORD, true),
        ("SCRAM-SHA-256", "another pass phrase of hers", false),
        ("SCRAM-SHA-256-PLUS", "another pass phrase of hers", false),
    ] {
        let mut gsasl = Command::new("gsasl");
        gsasl.args(["--smtp", "--starttls", "--verbose", "--mechanism", mechanism, "--authentication-id", ALICE]);
        gsasl.args(["--password", password, "--x509-ca-file"]).arg(gate.certificate());
        gsasl.arg(format!("--connect={}", gate.listener("submission")));
        let output = peers::run(&mut gsasl, b"", std::time::Duration::from_secs(60));
        let said = text(&output);
        assert_eq!((said.contains("235 2.7.0"), said.contains("535 5.7.8")), (works, !works), "{mechanism}: {said}");
    }
}

#[test]
fn msmtp_submits_by_scram() {
    if !peers::are_here("logins::msmtp", &["msmtp"]) {
        return;
    }
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    std::fs::write(gate.path("password"), PASSWORD).unwrap();
    let mut msmtp = Command::new("msmtp");
    msmtp.args(["--file=/dev/null", "--host=127.0.0.1", "--tls=on", "--tls-starttls=on", "--auth=scram-sha-256"]);
    msmtp.arg(format!("--port={}", gate.listener("submission").port())).arg(format!("--user={ALICE}"));
    msmtp.arg(format!("--tls-trust-file={}", gate.certificate().display())).arg(format!("--from={ALICE}"));
    msmtp.arg(format!("--tls-host-override={HOSTNAME}"));
    msmtp.arg(format!("--passwordeval=cat {}", gate.path("password").display())).arg(OUTSIDE);
    let message = format!("From: {ALICE}\nTo: {OUTSIDE}\nSubject: essai\n\nbonjour\n");
    let output = peers::run(&mut msmtp, message.as_bytes(), std::time::Duration::from_secs(60));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(sink.wait_for(1, std::time::Duration::from_secs(20))[0].mail_from, ALICE);
}

/// The tables are taken away under the running gate: whoever asks is told to come back, whatever the way; nobody is in; and when they
/// are back everything is as it was.
#[test]
fn accounts_that_cannot_be_read_are_454_and_nothing_is_lost() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let rename = |from: &str, to: &str| {
        let db = rusqlite::Connection::open(gate.path("data/postern.db")).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        db.execute_batch(&format!("PRAGMA legacy_alter_table = ON; ALTER TABLE {from} RENAME TO {to};")).unwrap();
    };
    let mut open = gate.client();
    rename("accounts", "away");
    let scram = STANDARD.encode(format!("n,,n={ALICE},r=0123456789abcdef"));
    for ways in [
        vec![plain(ALICE, PASSWORD)],
        vec![plain(ALICE, "wrong")],
        vec!["AUTH LOGIN".into(), STANDARD.encode(ALICE), STANDARD.encode(PASSWORD)],
        vec![format!("AUTH SCRAM-SHA-256 {scram}")],
    ] {
        let mut client = connect(&gate);
        let last = ways.iter().map(|line| client.command(line).unwrap()).last().unwrap();
        assert_eq!((last.code, last.text.get(..5)), (454, Some("4.7.0")), "{ways:?}: {last:?}");
        assert_eq!(client.command(&format!("MAIL FROM:<{ALICE}>")).unwrap().code, 530);
    }
    assert_eq!(open.command(&format!("MAIL FROM:<{ALICE}>")).unwrap().code, 451);
    rename("away", "accounts");
    let reply = open.send(ALICE, &[OUTSIDE], b"From: alice@example.org\r\nSubject: apres la panne\r\n\r\nbonjour\r\n").unwrap();
    assert!(reply.is_good(), "the open session goes on: {reply:?}");
    assert_eq!(connect(&gate).command(&plain(ALICE, PASSWORD)).unwrap().code, 235);
    sink.wait_for(1, std::time::Duration::from_secs(20));
}

#[test]
fn an_app_password_is_made_used_seen_and_revoked_while_the_gate_runs() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let made = user(&gate, &["app-password", "add", ALICE, "--name", "scanner", "--format", "json"], "");
    let password = made["app_password"].as_str().expect("shown once").to_owned();
    assert!(password.len() >= 28, "{made}");
    let list = || user(&gate, &["app-password", "list", ALICE, "--format", "json"], "");
    assert_eq!(list()["used_on"], serde_json::Value::Null);
    assert!(!list().to_string().contains(&password));
    user(&gate, &["set", ALICE, "--app-passwords-only", "--format", "json"], "");
    assert_eq!(connect(&gate).command(&plain(ALICE, PASSWORD)).unwrap().code, 535, "the main password, over SMTP");
    let mut open = connect(&gate);
    assert_eq!(open.command(&plain(ALICE, &password)).unwrap().code, 235);
    assert!(list()["used_on"].as_str().is_some_and(|day| day.len() == 10), "{}", list());
    user(&gate, &["app-password", "revoke", ALICE, "--name", "scanner", "--format", "json"], "");
    assert_eq!(open.command(&format!("MAIL FROM:<{ALICE}>")).unwrap().code, 421, "out of its open session");
    assert_eq!(connect(&gate).command(&plain(ALICE, &password)).unwrap().code, 535);
    for (file, octets) in gate.at_rest() {
        assert!(!super::gate::contains(&octets, password.as_bytes()), "{}", file.display());
    }
    assert!(!gate.log().contains(&password));
}

#[test]
fn an_account_is_closed_with_a_reason_and_a_new_password_ends_open_sessions() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let mut open = gate.client();
    user(&gate, &["passwd", ALICE, "--password-stdin"], "Un-autre-velo-7!\n");
    assert_eq!(open.command(&format!("MAIL FROM:<{ALICE}>")).unwrap().code, 421);
    assert_eq!(connect(&gate).command(&plain(ALICE, PASSWORD)).unwrap().code, 535);
    let mut open = connect(&gate);
    assert_eq!(open.command(&plain(ALICE, "Un-autre-velo-7!")).unwrap().code, 235);
    user(&gate, &["disable", ALICE, "--because", "partie le 1er decembre"], "");
    assert_eq!(open.command(&format!("MAIL FROM:<{ALICE}>")).unwrap().code, 550);
    assert_eq!(open.command(&format!("MAIL FROM:<{ALICE}>")).unwrap().code, 530, "nobody any more");
    let shown = user(&gate, &["show", ALICE, "--format", "json"], "");
    assert_eq!(
        (shown["state"].as_str(), shown["disabled_because"].as_str()),
        (Some("disabled"), Some("partie le 1er decembre"))
    );
    assert!(shown["disabled_at"].is_string() && shown["created_at"].is_string());
    user(&gate, &["enable", ALICE, "--because", "revenue"], "");
    assert_eq!(connect(&gate).command(&plain(ALICE, "Un-autre-velo-7!")).unwrap().code, 235);
}

#[test]
fn an_account_is_set_to_what_policies_look_at() {
    let sink = Sink::start();
    let gate = Setup::towards(&sink).start();
    let add = ["add", "scanner@example.org", "--password-stdin", "--service", "--group", "Devices", "--because", "2nd floor"];
    user(&gate, &add, "Un-autre-velo-7!\n");
    let set = ["set", "scanner@example.org", "--alias", "scans@example.org", "--group", "payroll", "--no-group", "devices"];
    let shown =
        user(&gate, &[&set[..], &["--private", "scan@example.net", "--name", "Scanner 3", "--format", "json"]].concat(), "");
    let expected = serde_json::json!({
        "kind": "service", "groups": ["payroll"], "private": ["scan@example.net"], "names": ["Scanner 3"],
        "owns": ["scanner@example.org", "scans@example.org"], "created_because": "2nd floor",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[key], value, "{key}");
    }
    let mut client = connect(&gate);
    assert_eq!(client.command(&plain("scanner@example.org", "Un-autre-velo-7!")).unwrap().code, 235);
    assert!(client.command("MAIL FROM:<scans@example.org>").unwrap().is_good());
    user(&gate, &["set", "scanner@example.org", "--no-alias", "scans@example.org", "--format", "json"], "");
    assert_eq!(client.command("RSET").unwrap().code, 250);
    assert_eq!(client.command("MAIL FROM:<scans@example.org>").unwrap().code, 421, "the address is its own no more");
}

/// A certificate from the people's own authority logs in at the real gate, through curl.
#[test]
fn a_client_certificate_logs_in() {
    if !peers::are_here("logins::certificate", &["curl"]) {
        return;
    }
    let sink = Sink::start();
    let listener = "[[listener]]\nname = \"people\"\naddress = \"127.0.0.1:0\"\ntls = \"implicit\"\nauth = true\npeople_ca = \"people.pem\"";
    let mut gate = Setup::towards(&sink).with(listener).prepare();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(gate.path("people.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let authority = rcgen::Issuer::new(params, key);
    gate.start();
    std::fs::write(gate.path("message"), format!("From: {ALICE}\r\nSubject: essai\r\n\r\nbonjour\r\n")).unwrap();
    for (name, works) in [(ALICE, true), ("nobody@example.org", false)] {
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.subject_alt_names = vec![rcgen::SanType::Rfc822Name(name.try_into().unwrap())];
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(gate.path("own.pem"), params.signed_by(&key, &authority).unwrap().pem()).unwrap();
        std::fs::write(gate.path("own.key"), key.serialize_pem()).unwrap();
        let port = gate.listener("people").port();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "30", "--cert", "own.pem", "--key", "own.key"]);
        curl.arg("--cacert").arg(gate.certificate()).args(["--user", &format!("{name}:"), "--login-options", "AUTH=EXTERNAL"]);
        curl.args(["--resolve", &format!("{HOSTNAME}:{port}:127.0.0.1"), "--url", &format!("smtps://{HOSTNAME}:{port}")]);
        curl.args(["--mail-from", ALICE, "--mail-rcpt", OUTSIDE, "--upload-file", "message"]).current_dir(gate.path(""));
        let output = peers::run(&mut curl, b"", std::time::Duration::from_secs(60));
        assert_eq!(output.status.success(), works, "{name}: {}", text(&output));
    }
    assert_eq!(sink.wait_for(1, std::time::Duration::from_secs(20)).len(), 1);
}
