//! What the folder of recipients' keys answers.

use crate::lookup::folder::{Folder, KeyKind, examine};
use crate::mail::{Address, UnixTime};
use crate::protect::trust::Trust;
use crate::protect::{FindKeys, LookUp, RecipientKey};
use std::fs;
use std::path::{Path, PathBuf};

/// 2026-11-22, 12:00.
const AT: UnixTime = UnixTime(1_795_348_800);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn cases(kind: &str) -> Vec<(String, Vec<u8>, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(kind);
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let octets = fs::read(&path).unwrap();
            let first = String::from_utf8_lossy(&octets).lines().next().unwrap_or_default().to_owned();
            let expected = first.strip_prefix("Expected: ").expect("the first line says what is expected").to_owned();
            (path.file_name().unwrap().to_string_lossy().into_owned(), octets, expected)
        })
        .collect();
    cases.sort();
    assert!(cases.len() > 5);
    cases
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

#[test]
fn every_key_that_must_not_be_used_is_refused_with_its_sentence() {
    let mut wrong = Vec::new();
    for (file, octets, expected) in cases("refused") {
        let reports = examine(&file, &octets, &Trust::default(), AT);
        let reasons: Vec<_> = reports.iter().map(|report| report.usable.clone()).collect();
        if reasons != [Err(expected)] {
            wrong.push((file, reasons));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_key_that_may_be_used_is_usable_for_its_addresses_and_no_others() {
    for (file, octets, expected) in cases("usable") {
        let reports = examine(&file, &octets, &Trust::default(), AT);
        let [report] = &reports[..] else { panic!("{file}: {} keys", reports.len()) };
        assert_eq!(report.usable, Ok(()), "{file}");
        let addresses: Vec<String> = report.addresses.iter().map(Address::key).collect();
        assert_eq!(addresses.join(" "), expected, "{file}");
    }
}

#[test]
fn the_addresses_inside_decide_and_not_the_file_names() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture("usable/rsa-2048.pem"), folder.path().join("alice@example.org.CRT")).unwrap();
    fs::copy(fixture("usable/cv25519.asc"), folder.path().join("x.gpg")).unwrap();
    fs::copy(fixture("refused/expired.pem"), folder.path().join("old.pem")).unwrap();
    fs::write(folder.path().join("README.md"), "not a key").unwrap();
    let keys = Folder::open(folder.path(), Trust::default(), AT);
    assert!(matches!(keys.find(&address("alice@example.org"), AT), LookUp::Absent(why) if why.is_empty()));
    assert!(matches!(keys.find(&address("Bob@Example.org"), AT), LookUp::Usable(found) if found.len() == 1));
    match keys.find(&address("ok@example.org"), AT) {
        LookUp::Usable(found) => assert!(matches!(found[..], [RecipientKey::Openpgp(_)])),
        other => panic!("{other:?}"),
    }
    let reports = keys.reports();
    assert_eq!(reports.len(), 3);
    assert_eq!(reports.iter().filter(|report| report.usable.is_ok()).count(), 2);
    assert!(reports.iter().any(|report| report.kind == KeyKind::Openpgp && report.fingerprint.len() == 40));
}

#[test]
fn several_keys_in_one_file_are_all_found_and_dates_are_judged_at_each_look_up() {
    let folder = tempfile::tempdir().unwrap();
    let both = [fs::read(fixture("usable/rsa-2048.pem")).unwrap(), fs::read(fixture("usable/p256.pem")).unwrap()].concat();
    fs::write(folder.path().join("both.pem"), both).unwrap();
    let rings = [fs::read(fixture("usable/cv25519.asc")).unwrap(), fs::read(fixture("usable/rsa3072.asc")).unwrap()].concat();
    fs::write(folder.path().join("ring.asc"), rings).unwrap();
    let keys = Folder::open(folder.path(), Trust::default(), AT);
    let bob = address("bob@example.org");
    assert!(matches!(keys.find(&bob, AT), LookUp::Usable(found) if found.len() == 2));
    assert!(matches!(keys.find(&address("rsa@example.org"), AT), LookUp::Usable(_)));
    // 2057
    assert!(matches!(keys.find(&bob, UnixTime(2_745_000_000)), LookUp::Absent(why) if why.len() == 2));
    assert!(matches!(keys.find(&bob, UnixTime(0)), LookUp::Absent(why) if why.len() == 2));
}

#[test]
fn a_key_that_becomes_valid_later_is_found_then_without_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture("refused/not-yet-valid.pem"), folder.path().join("new.pem")).unwrap();
    let keys = Folder::open(folder.path(), Trust::default(), AT);
    let bob = address("bob@example.org");
    assert!(matches!(keys.find(&bob, AT), LookUp::Absent(why) if why.len() == 1));
    assert!(matches!(keys.find(&bob, AT.plus(90 * 86_400)), LookUp::Usable(_)));
}

#[test]
fn what_could_not_be_read_may_have_been_anybodys_key() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture("usable/rsa-2048.pem"), folder.path().join("bob.pem")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join("gone.pem")).unwrap();
    let keys = Folder::open(folder.path(), Trust::default(), AT);
    assert!(matches!(keys.find(&address("carol@example.org"), AT), LookUp::Failed(why) if why.contains("gone.pem")));
    assert!(matches!(keys.find(&address("bob@example.org"), AT), LookUp::Usable(_)));
    fs::remove_file(folder.path().join("gone.pem")).unwrap();
    assert_eq!(keys.reload_if_changed(AT), Ok(true));
    assert!(matches!(keys.find(&address("carol@example.org"), AT), LookUp::Absent(_)));
    assert_eq!(keys.reload_if_changed(AT), Ok(false));
}

#[test]
fn a_folder_that_is_no_folder_fails_every_look_up_and_a_vanished_one_keeps_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recipients");
    fs::write(&file, "not a folder").unwrap();
    let keys = Folder::open(&file, Trust::default(), AT);
    assert!(matches!(keys.find(&address("bob@example.org"), AT), LookUp::Failed(_)));

    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::copy(fixture("usable/rsa-2048.pem"), inner.join("bob.pem")).unwrap();
    let keys = Folder::open(&inner, Trust::default(), AT);
    fs::remove_dir_all(&inner).unwrap();
    assert!(keys.reload(AT).is_err());
    assert!(matches!(keys.find(&address("bob@example.org"), AT), LookUp::Usable(_)));
    assert!(matches!(Folder::open(&inner, Trust::default(), AT).find(&address("bob@example.org"), AT), LookUp::Absent(_)));
}

#[test]
fn damaged_keys_make_no_panic_and_no_key_for_another() {
    let mut state = 7u64;
    let mut next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize
    };
    for name in ["usable/rsa-2048.pem", "usable/p256.pem", "usable/cv25519.asc"] {
        let octets = fs::read(fixture(name)).unwrap();
        for _ in 0..150 {
            let mut damaged = octets.clone();
            for _ in 0..=next() % 3 {
                let at = next() % damaged.len();
                damaged[at] = next() as u8;
            }
            damaged.truncate(damaged.len() - next() % 4 * (next() % 100));
            for report in examine("damaged", &damaged, &Trust::default(), AT) {
                let known = ["bob@example.org", "ok@example.org"];
                let another = report.addresses.iter().any(|address| !known.contains(&address.key().as_str()));
                // An X.509 name can be changed by damage: only a path would tell, and none is configured here. OpenPGP names are signed.
                assert!(!another || report.kind == KeyKind::Smime || report.usable.is_err(), "{report:?}");
            }
        }
    }
}
