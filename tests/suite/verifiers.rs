//! Foreign programs verify the DKIM signatures of every copy, plain and sealed, and see every change.

use super::gate::{Gate, Setup};
use super::peers::{self, must};
use super::people::{Algorithm, GnupgHome, SmimePerson};
use super::readers::{RECIPIENT, message};
use super::sink::Sink;
use super::zone::{Zone, txt_records};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

/// What the gate publishes for its DKIM keys.
fn published(gate: &Gate) -> BTreeMap<String, String> {
    let output = gate.command(&["dkim", "dns"], b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let records = txt_records(&String::from_utf8_lossy(&output.stdout));
    assert!(records.len() >= 2, "{}", String::from_utf8_lossy(&output.stdout));
    records
}

/// A plain copy, an S/MIME one and an OpenPGP one, as the upstream received them.
fn signed_copies() -> (Gate, Vec<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let person = SmimePerson::make(folder.path(), RECIPIENT, Algorithm::Rsa);
    let home = GnupgHome::make();
    let paul = "paul@example.net";
    let setup = Setup::towards(&sink).with_key("claire.pem", person.certificate_pem());
    let gate = setup.with_key("paul.asc", home.curve25519_person(paul)).start();
    let clean = super::gate::message("citoyen@example.net", "Bonjour", "rien  à signaler \r\n.\r\n\r\n\r\n");
    for (to, message) in [("citoyen@example.net", clean), (RECIPIENT, message(RECIPIENT)), (paul, message(paul))] {
        let reply = gate.submit(&[to], &message);
        assert_eq!(reply.code, 250, "{reply:?}");
    }
    let copies = sink.wait_for(3, Duration::from_secs(30));
    (gate, copies.into_iter().map(|one| one.data).collect())
}

fn altered(message: &[u8]) -> Vec<u8> {
    let mut altered = message.to_vec();
    let body = memchr::memmem::find(message, b"\r\n\r\n").expect("a body") + 4;
    let letter = altered[body..].iter().position(u8::is_ascii_alphanumeric).expect("a letter");
    altered[body + letter] ^= 1;
    altered
}

#[test]
fn dkimpy_verifies_both_signatures_of_every_copy() {
    let test = "verifiers::dkimpy_verifies_both_signatures_of_every_copy";
    if !peers::are_here(test, &["openssl", "gpg"]) {
        return;
    }
    let Some(python) = peers::python_with_dkim() else {
        peers::leave_out(test, "no Python with dkim and nacl");
        return;
    };
    let (gate, copies) = signed_copies();
    let records = gate.path("records.json");
    std::fs::write(&records, serde_json::to_vec(&published(&gate)).unwrap()).unwrap();
    let verify = |message: &[u8]| {
        let mut dkimpy = Command::new(&python);
        dkimpy.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/verify_dkim.py")).arg(&records);
        let output = peers::run(&mut dkimpy, message, Duration::from_secs(30));
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        (lines, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for copy in &copies {
        let shown = String::from_utf8_lossy(copy);
        let (lines, errors) = verify(copy);
        let mut words: Vec<Vec<&str>> = lines.lines().map(|line| line.split(' ').collect()).collect();
        words.sort();
        assert_eq!(words.len(), 2, "{lines}\n{errors}\n{shown}");
        assert_eq!((words[0][0], words[1][0]), ("ed25519-sha256", "rsa-sha256"), "{lines}");
        assert!(words.iter().all(|line| line[1] == "example.org" && line[3] == "ok"), "{lines}\n{errors}\n{shown}");
        assert!(!shown.contains(" l="), "{shown}");
        let (lines, _) = verify(&altered(copy));
        assert!(lines.lines().all(|line| line.ends_with("bad")), "an altered body was believed: {lines}");
        for second in ["From: Mallory <mallory@example.com>\r\n", "Subject: autre\r\n"] {
            let (lines, _) = verify(&[second.as_bytes(), copy].concat());
            assert!(lines.lines().all(|line| line.ends_with("bad")), "a second {second:?} was believed: {lines}");
        }
    }
}

#[test]
fn opendkim_verifies_each_signature_of_every_copy() {
    let test = "verifiers::opendkim_verifies_each_signature_of_every_copy";
    if !peers::are_here(test, &["opendkim-testmsg", "unshare", "openssl", "gpg"]) {
        return;
    }
    let (gate, copies) = signed_copies();
    let opendkim = match Opendkim::asking(published(&gate)) {
        Ok(opendkim) => opendkim,
        Err(why) => {
            peers::leave_out(test, why);
            return;
        }
    };
    for copy in &copies {
        for alone in ["a=rsa-sha256", "a=ed25519-sha256"] {
            let one = with_one_signature(copy, alone);
            opendkim.verify(&one).unwrap_or_else(|said| panic!("{alone}: {said}\n{}", String::from_utf8_lossy(&one)));
            assert!(opendkim.verify(&altered(&one)).is_err(), "{alone}: an altered body was believed");
        }
        opendkim.verify(copy).unwrap();
    }
}

/// The checks themselves are checked: what opendkim signed it believes through our little name server, and not when altered.
#[test]
fn opendkim_asks_our_name_server() {
    let test = "verifiers::opendkim_asks_our_name_server";
    if !peers::are_here(test, &["opendkim-testmsg", "unshare", "openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    must(Command::new("openssl").args(["genrsa", "-traditional", "-out"]).arg(&key).arg("2048"), b"");
    let public = must(Command::new("openssl").args(["rsa", "-pubout", "-outform", "DER", "-in"]).arg(&key), b"");
    use base64::Engine;
    let record = format!("v=DKIM1; k=rsa; p={}", base64::engine::general_purpose::STANDARD.encode(public));
    let opendkim = match Opendkim::asking([("s._domainkey.example.org".to_string(), record)].into()) {
        Ok(opendkim) => opendkim,
        Err(why) => {
            peers::leave_out(test, why);
            return;
        }
    };
    let mut sign = Command::new("opendkim-testmsg");
    sign.env("PATH", path_with_servers())
        .args(["-C", "-d", "example.org", "-s", "s", "-k"])
        .arg(&key)
        .arg("-t")
        .arg(folder.path());
    let signed = must(&mut sign, &super::gate::message("b@example.net", "Bonjour", "rien\r\n"));
    opendkim.verify(&signed).unwrap();
    assert!(opendkim.verify(&altered(&signed)).is_err());
}

/// opendkim-testmsg with a resolv.conf and a name server of its own: it insists on asking one.
struct Opendkim {
    folder: tempfile::TempDir,
    _zone: Zone,
}

impl Opendkim {
    fn asking(records: BTreeMap<String, String>) -> Result<Opendkim, &'static str> {
        let probe = Command::new("unshare").args(["--mount", "true"]).status();
        if !probe.is_ok_and(|status| status.success()) {
            return Err("mount namespaces are not allowed here");
        }
        let zone = Zone::serve(records).map_err(|_| "port 53 on loopback cannot be taken: run as root")?;
        let folder = tempfile::tempdir().expect("a folder");
        let resolv = format!("nameserver {}\noptions timeout:2 attempts:1\n", zone.address);
        std::fs::write(folder.path().join("resolv.conf"), resolv).expect("resolv.conf");
        Ok(Opendkim { folder, _zone: zone })
    }

    /// It says nothing about a good signature.
    fn verify(&self, message: &[u8]) -> Result<(), String> {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-c", "mount --bind resolv.conf /etc/resolv.conf && exec opendkim-testmsg -C -t ."]);
        let unshare = unshare.current_dir(self.folder.path()).env("PATH", path_with_servers());
        let output = peers::run(unshare, message, Duration::from_secs(30));
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() && said.is_empty() { Ok(()) } else { Err(format!("{}: {said}", output.status)) }
    }
}

fn path_with_servers() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

/// The message without the DKIM signatures that do not contain `algorithm`.
fn with_one_signature(message: &[u8], algorithm: &str) -> Vec<u8> {
    let body = memchr::memmem::find(message, b"\r\n\r\n").expect("a body") + 2;
    let mut kept = Vec::new();
    let mut keep = true;
    for line in message[..body].split_inclusive(|octet| *octet == b'\n') {
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            let field_end = next_field(&message[..body], line);
            let field = String::from_utf8_lossy(field_end);
            keep = !field.to_ascii_lowercase().starts_with("dkim-signature:") || field.contains(algorithm);
        }
        if keep {
            kept.extend_from_slice(line);
        }
    }
    kept.extend_from_slice(&message[body..]);
    kept
}

/// The whole field that begins with `line`, a slice of `header`.
fn next_field<'a>(header: &'a [u8], line: &[u8]) -> &'a [u8] {
    let begin = line.as_ptr() as usize - header.as_ptr() as usize;
    let mut end = begin + line.len();
    while matches!(header.get(end), Some(b' ' | b'\t')) {
        end += memchr::memchr(b'\n', &header[end..]).expect("a line end") + 1;
    }
    &header[begin..end]
}
