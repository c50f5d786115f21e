//! What a person sees of our sealed mail in the real Thunderbird: subject, text, pictures, files, lock and seal, as a table.

use super::keys::{self, Authority, Keyring, P256, P384, RECIPIENT, RSA_2048};
use super::messages::{SUBJECT, Sample, samples};
use super::{peers, seal};
use postern::protect::Settings;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const STRANGE_SMIME: &str = "S/MIME, a stranger's seal";
const STRANGE_OPENPGP: &str = "OpenPGP, a stranger's seal";

/// A word of the text, how many pictures, how many files, by the name of the sample.
fn expected(sample: &str) -> (&'static str, u64, usize) {
    match sample {
        "plain text" => ("From here on", 0, 0),
        "8-bit French" => ("\u{e0} No\u{eb}l", 0, 0),
        // The second picture is none, and no text shows it.
        "html, related images" => ("l'\u{e9}t\u{e9}", 1, 0),
        "3 attachments" => ("trois pi\u{e8}ces", 0, 3),
        // The letter, and what is attached to it.
        "nested rfc822" => ("voir ci-joint", 0, 2),
        other => panic!("{other}"),
    }
}

#[test]
fn a_person_with_thunderbird_reads_what_was_sealed_and_sees_lock_and_seal() {
    let test = "matrix::thunderbird::a_person_with_thunderbird_reads_what_was_sealed_and_sees_lock_and_seal";
    if !peers::are_here(test, &["thunderbird", "python3", "openssl", "gpg", "gpg-agent"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::make(folder.path());
    let signers = authority.sender("sender", RSA_2048);
    let people = [
        ("S/MIME, RSA-2048", authority.certify("rsa", RECIPIENT, RSA_2048, "digitalSignature,keyEncipherment")),
        ("S/MIME, P-256", authority.certify("p256", RECIPIENT, P256, "keyAgreement")),
        ("S/MIME, P-384", authority.certify("p384", RECIPIENT, P384, "keyAgreement")),
    ];
    let pgp_signers = keys::openpgp_sender(&folder.path().join("marie.sender.asc"));
    let rings = [
        ("OpenPGP, v4 RSA", Keyring::gnupg(folder.path(), "rsa", "rsa3072", "rsa3072")),
        ("OpenPGP, v4 Cv25519", Keyring::gnupg(folder.path(), "cv25519", "ed25519", "cv25519")),
    ];
    let samples = samples(RECIPIENT);
    let usual = Settings::default();
    let mut jobs: Vec<Value> = Vec::new();
    let mut add = |form: &str, sample: &Sample, sealed: Vec<u8>| {
        let file = format!("{}.eml", jobs.len());
        std::fs::write(folder.path().join(&file), sealed).unwrap();
        jobs.push(json!({"name": [form, sample.name], "file": file, "address": RECIPIENT}));
    };
    // All kinds for the first form of each, one for the others.
    for (number, (form, person)) in people.iter().enumerate() {
        person.pkcs12();
        for sample in &samples[..if number == 0 { 5 } else { 2 }] {
            add(form, sample, seal(sample, &person.judged(), &signers, &usual));
        }
    }
    for (number, (form, ring)) in rings.iter().enumerate() {
        for sample in &samples[..if number == 1 { 5 } else { 2 }] {
            add(form, sample, seal(sample, &ring.judged(), &pgp_signers, &usual));
        }
    }
    // Seals that deserve no belief: by an authority and by a key that Thunderbird does not know.
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let stranger = Authority::make(&elsewhere).sender("sender", RSA_2048);
    add(STRANGE_SMIME, &samples[0], seal(&samples[0], &people[0].1.judged(), &stranger, &usual));
    let stranger = keys::openpgp_sender(&elsewhere.join("marie.asc"));
    add(STRANGE_OPENPGP, &samples[0], seal(&samples[0], &rings[1].1.judged(), &stranger, &usual));
    std::fs::write(folder.path().join("jobs.json"), Value::from(jobs.clone()).to_string()).unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/thunderbird.py");
    let output = peers::run(Command::new("python3").arg(script).arg(folder.path()), b"", Duration::from_secs(400));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let answers: Vec<Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), jobs.len(), "{said}");

    let mut table = format!(
        "Thunderbird: what a person sees\n{:<26} {:<21} {:<24} {:<14} text files lock seal\n",
        "form", "mail", "subject", "subject on top"
    );
    let mut wrong = Vec::new();
    for answer in &answers {
        let (form, name) = (answer["name"][0].as_str().unwrap(), answer["name"][1].as_str().unwrap());
        let shown = &answer["shown"];
        let text = |key: &str| shown[key].as_str().unwrap_or_default().to_owned();
        let (subject, body) = (text("subject").trim_start_matches("Subject:").to_owned(), text("body"));
        let files = shown["attachments"].as_array().map_or(0, Vec::len);
        let (word, pictures, attached) = expected(name);
        let on_top = body.contains(&format!("Subject: {SUBJECT}\n"));
        let read = body.contains(word);
        let _ = writeln!(
            table,
            "{form:<26} {name:<21} {subject:<24} {:<14} {:<4} {files:<5} {:<4} {}",
            if on_top { "yes" } else { "no" },
            if read { "yes" } else { "NO" },
            text("lock"),
            text("seal")
        );
        // Protected in OpenPGP, and on top of the text in S/MIME, where Thunderbird shows no protected Subject.
        let subject_is_right =
            if form.starts_with("S/MIME") { subject == "[...]" && on_top } else { subject == SUBJECT && !on_top };
        // "ok" and "verified" are the seals with a green tick; what else there is (unknown, mismatch, notok) has none.
        let believed = ["ok", "verified"].contains(&text("seal").as_str());
        let right = subject_is_right
            && read
            && files == attached
            && shown["pictures"].as_u64() >= Some(pictures)
            && text("lock") == "ok"
            && believed != [STRANGE_SMIME, STRANGE_OPENPGP].contains(&form);
        if !right {
            wrong.push(format!("{form}, {name}: {shown}"));
        }
    }
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/suite");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("interop-thunderbird.txt"), &table).unwrap();
    println!("{table}");
    assert!(wrong.is_empty(), "{table}\n{}\n{said}", wrong.join("\n"));
}
