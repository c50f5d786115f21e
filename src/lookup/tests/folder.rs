//! What the folder of recipients' keys answers.

use crate::lookup::folder::{Folder, KeyKind, examine};
use crate::mail::{Address, Domain, UnixTime};
use crate::protect::trust::{Bindings, Trust};
use crate::protect::{FindKeys, LookUp, RecipientKey};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    let both = [fs::read(fixture("usable/rsa-2048.pem")).unwrap(), fs::read(fixture("refused/expired.pem")).unwrap()].concat();
    fs::write(folder.path().join("both.pem"), both).unwrap();
    let rings = [fs::read(fixture("usable/cv25519.asc")).unwrap(), fs::read(fixture("usable/rsa3072.asc")).unwrap()].concat();
    fs::write(folder.path().join("ring.asc"), rings).unwrap();
    let keys = Folder::open(folder.path(), Trust::default(), AT);
    let bob = address("bob@example.org");
    assert_eq!(keys.reports().len(), 4);
    assert!(matches!(keys.find(&bob, AT), LookUp::Usable(found) if found.len() == 1));
    assert!(matches!(keys.find(&address("ok@example.org"), AT), LookUp::Usable(_)));
    assert!(matches!(keys.find(&address("rsa@example.org"), AT), LookUp::Usable(_)));
    // 2057
    assert!(matches!(keys.find(&bob, UnixTime(2_745_000_000)), LookUp::Absent(why) if why.len() == 2));
    assert!(matches!(keys.find(&bob, UnixTime(0)), LookUp::Absent(why) if why.len() == 2));
}

/// The fingerprints of the two certificates for bob@example.org, as the reports give them.
fn two_for_bob(folder: &Path) -> (String, String) {
    fs::copy(fixture("usable/rsa-2048.pem"), folder.join("one.pem")).unwrap();
    fs::copy(fixture("usable/p256.pem"), folder.join("two.pem")).unwrap();
    let reports = Folder::open(folder, Trust::default(), AT).reports();
    (reports[0].fingerprint.clone(), reports[1].fingerprint.clone())
}

#[test]
fn two_different_keys_of_one_address_are_held_until_one_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = two_for_bob(folder.path());
    let bob = address("bob@example.org");
    let keys = Folder::open(folder.path(), Trust::default(), AT);
    let LookUp::Contested(why) = keys.find(&bob, AT) else { panic!("a contested key was used") };
    assert!(why.len() == 2 && why.iter().all(|why| why.reason.contains("until you choose")), "{why:?}");
    let mut contradictions = keys.contradictions(AT);
    contradictions.iter_mut().for_each(|(_, both)| both.sort());
    assert_eq!(contradictions, [(bob.clone(), vec![("one.pem".into(), one.clone()), ("two.pem".into(), two.clone())])]);
    for (chosen, file) in [(&one, "one.pem"), (&two, "two.pem")] {
        let mut bindings = Bindings::default();
        bindings.bind(&bob, chosen, false);
        fs::write(folder.path().join("bindings.toml"), bindings.to_text()).unwrap();
        keys.reload(AT).unwrap();
        let LookUp::Usable(found) = keys.find(&bob, AT) else { panic!("{file}: {:?}", keys.find(&bob, AT)) };
        assert!(matches!(&found[..], [RecipientKey::Smime(found)] if found.fingerprint() == chosen), "{file}");
        assert!(keys.contradictions(AT).is_empty());
    }
    // The same key in two certificates, or in two forms, is no contradiction.
    fs::remove_file(folder.path().join("bindings.toml")).unwrap();
    fs::copy(fixture("usable/rsa-2048.pem"), folder.path().join("two.pem")).unwrap();
    keys.reload(AT).unwrap();
    assert!(matches!(keys.find(&bob, AT), LookUp::Usable(_)));
}

#[test]
fn a_file_counts_for_no_address_of_ours_unless_it_was_bound() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture("usable/two-addresses.pem"), folder.path().join("bob.pem")).unwrap();
    let inside: Arc<[Domain]> = Arc::new([Domain::parse("example.org").unwrap()]);
    let keys = Folder::open_for(folder.path(), inside, Trust::default(), AT);
    let (bob, robert) = (address("bob@example.org"), address("robert@example.org"));
    assert!(matches!(keys.find(&bob, AT), LookUp::Absent(why) if why[0].reason.contains("inside")));
    assert_eq!(keys.reports()[0].not_for.len(), 2);
    let mut bindings = Bindings::default();
    bindings.bind(&bob, &keys.reports()[0].fingerprint, false);
    fs::write(folder.path().join("bindings.toml"), bindings.to_text()).unwrap();
    assert_eq!(keys.reload_if_changed(AT), Ok(true));
    assert!(matches!(keys.find(&bob, AT), LookUp::Usable(_)));
    // Narrower than what stands in it, and only as far as it was said.
    assert!(matches!(keys.find(&robert, AT), LookUp::Absent(why) if why[0].reason.contains("bound it to bob@example.org")));
    // Who can no longer read which key is whose uses none.
    fs::write(folder.path().join("bindings.toml"), "[[binding]]\naddress = 1\n").unwrap();
    assert!(keys.reload(AT).unwrap_err().to_string().contains("line 2"));
    assert!(matches!(keys.find(&bob, AT), LookUp::Usable(_)), "the old ones stay in force");
    assert!(matches!(Folder::open(folder.path(), Trust::default(), AT).find(&bob, AT), LookUp::Failed(_)));
}

#[test]
fn a_megabyte_of_garbage_is_a_refused_key_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = |octet: u8| {
        let mut octets = vec![octet; 1 << 20];
        octets.iter_mut().enumerate().for_each(|(nth, octet)| *octet = octet.wrapping_add((nth % 251) as u8));
        octets
    };
    let armor = [b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n".to_vec(), vec![b'A'; 1 << 20]].concat();
    let blocks = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n".repeat(20_000);
    let pem =
        [b"-----BEGIN CERTIFICATE-----\n".to_vec(), vec![b'M'; 1 << 20], b"\n-----END CERTIFICATE-----\n".to_vec()].concat();
    let certificates = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".repeat(15_000);
    for (name, octets) in [
        ("a.der", garbage(0x30)),
        ("b.pgp", garbage(0x99)),
        ("c.asc", armor),
        ("d.asc", blocks),
        ("e.pem", pem),
        ("f.pem", certificates),
    ] {
        fs::write(folder.path().join(name), octets).unwrap();
    }
    fs::copy(fixture("usable/rsa-2048.pem"), folder.path().join("z.pem")).unwrap();
    let began = std::time::Instant::now();
    let keys = Folder::open(folder.path(), Trust::default(), AT);
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(matches!(keys.find(&address("bob@example.org"), AT), LookUp::Usable(_)));
    assert_eq!(keys.reports().iter().filter(|report| report.usable.is_ok()).count(), 1);
    for name in ["a.der", "b.pgp", "c.asc", "d.asc", "e.pem", "f.pem"] {
        assert!(keys.reports().iter().any(|report| report.file == name && report.usable.is_err()), "{name} is not reported");
    }
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

/// A key is judged once between two moments at which something in it begins or ends, and anew after each of them.
#[test]
fn an_openpgp_key_is_judged_again_only_when_something_in_it_changes() {
    use super::made;
    let folder = tempfile::tempdir().unwrap();
    let now = made::now();
    fs::write(folder.path().join("bob.asc"), made::armored(&made::expiring("bob@example.net", 3_000))).unwrap();
    let keys = Folder::open(folder.path(), Trust::default(), now);
    let bob = address("bob@example.net");
    let found = |at: i64| match keys.find(&bob, now.plus(at)) {
        LookUp::Usable(found) => match &found[..] {
            [RecipientKey::Openpgp(key)] => Some(Arc::as_ptr(key)),
            _ => panic!("{found:?}"),
        },
        _ => None,
    };
    let first = found(0).unwrap();
    // Midnight may lie between; then it is judged once more.
    assert!((0..100).all(|_| found(1) == found(1)) && (found(1) == Some(first) || (now.0 + 1) % 86_400 == 0));
    assert!(found(2_990).is_some());
    assert_eq!(found(3_000), None, "ended");
    assert_eq!(found(-2 * 86_400), None, "not made yet");
    assert!(found(1).is_some());
}
