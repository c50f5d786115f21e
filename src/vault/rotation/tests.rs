//! The machine state by state, and its files over crashes.

use super::DkimState::*;
use super::Sighting::*;
use super::*;
use std::os::unix::fs::PermissionsExt;

const AT: UnixTime = UnixTime(1_795_000_000);
const PACE: Pace = Pace { settle: 3600, retire: 86_400 };

fn key(selector: &str, kind: DkimKind, state: DkimState, since: i64) -> DkimKey {
    DkimKey { selector: selector.into(), kind, state, since: UnixTime(since), text: String::new() }
}

fn seen(list: &[(&str, Sighting)]) -> BTreeMap<String, Sighting> {
    list.iter().map(|(selector, sighting)| ((*selector).to_owned(), *sighting)).collect()
}

/// States of r1, e1, r2, e2 after one step.
fn after(states: [DkimState; 4], sights: [Sighting; 4], usable: [bool; 4], waited: i64) -> Vec<Option<DkimState>> {
    use DkimKind::*;
    let names = ["r1", "e1", "r2", "e2"];
    let kinds = [Rsa, Ed25519, Rsa, Ed25519];
    let mut keys: Vec<DkimKey> = (0..4).map(|n| key(names[n], kinds[n], states[n], AT.0)).collect();
    let list: Vec<_> = names.into_iter().zip(sights).collect();
    steps(&mut keys, &usable, &seen(&list), PACE, AT.plus(waited));
    names.iter().map(|name| keys.iter().find(|key| key.selector == *name).map(|key| key.state)).collect()
}

#[test]
fn each_state_ends_when_it_is_said_to_and_not_before() {
    let all = [true; 4];
    for (states, sights, usable, waited, expected) in [
        // Not published, half published, published.
        ([Signing, Signing, Made, Made], [Ours, Ours, Gone, Gone], all, 9_999_999, [Signing, Signing, Made, Made]),
        ([Signing, Signing, Made, Made], [Ours, Ours, Ours, Gone], all, 0, [Signing, Signing, Visible, Made]),
        ([Signing, Signing, Made, Made], [Ours, Ours, Ours, Ours], all, 0, [Signing, Signing, Visible, Visible]),
        // Seen for the first time only now, however long ago it was made.
        ([Signing, Signing, Made, Made], [Ours, Ours, Ours, Ours], all, 9_999_999, [Signing, Signing, Visible, Visible]),
        ([Signing, Signing, Visible, Visible], [Ours, Ours, Ours, Ours], all, 3599, [Signing, Signing, Visible, Visible]),
        ([Signing, Signing, Visible, Visible], [Ours, Ours, Ours, Ours], all, 3600, [Retiring, Retiring, Signing, Signing]),
        // One of the two was taken back, or cannot be seen, or lost its private half: neither switches.
        ([Signing, Signing, Visible, Visible], [Ours, Ours, NotOurs, Ours], all, 3600, [Signing, Signing, Made, Visible]),
        ([Signing, Signing, Visible, Visible], [Ours, Ours, Failed, Ours], all, 3600, [Signing, Signing, Visible, Visible]),
        (
            [Signing, Signing, Visible, Visible],
            [Ours; 4],
            [true, true, true, false],
            3600,
            [Signing, Signing, Visible, Visible],
        ),
        // What signs goes on, even when its own record is lost: the other is not there yet.
        ([Signing, Signing, Made, Made], [Gone, Gone, Failed, Failed], all, 3600, [Signing, Signing, Made, Made]),
        ([Retiring, Retiring, Signing, Signing], [Ours; 4], all, 86_399, [Retiring, Retiring, Signing, Signing]),
        ([Retiring, Retiring, Signing, Signing], [Gone, Ours, Ours, Ours], all, 86_400, [Retired, Retired, Signing, Signing]),
        ([Retired, Retired, Signing, Signing], [Ours, Failed, Ours, Ours], all, 99, [Retired, Retired, Signing, Signing]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(Some).collect();
        assert_eq!(after(states, sights, usable, waited), expected, "{states:?} {sights:?} {waited}");
    }
    // Forgotten when its record is gone; kept as unused while the operator's file lies there.
    let found = after([Retired, Retired, Signing, Signing], [Gone, Gone, Ours, Ours], [false, true, true, true], 9);
    assert_eq!(found, [None, Some(Unused), Some(Signing), Some(Signing)]);
}

struct House {
    _folder: tempfile::TempDir,
    given: PathBuf,
    made: PathBuf,
    domain: Domain,
}

fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let domain = Domain::parse("example.org").unwrap();
    let (given, above) = (folder.path().join("keys/example.org"), folder.path().join("data"));
    dkim::open(&given, &above.join("example.org"), AT).unwrap();
    House { given, made: above.join("example.org"), domain, _folder: folder }
}

impl House {
    fn states(&self) -> Vec<(String, DkimState)> {
        read(&self.given, &self.made, AT).unwrap().into_iter().map(|key| (key.selector, key.state)).collect()
    }

    fn signs(&self) -> [String; 2] {
        let keys = dkim::open(&self.given, &self.made, AT).unwrap();
        [keys.rsa_selector, keys.ed25519_selector]
    }

    fn advance(&self, seen: &BTreeMap<String, Sighting>, at: UnixTime) -> Vec<Step> {
        advance(&self.given, &self.made, seen, Pace { settle: 0, retire: 100 }, at).unwrap()
    }
}

#[test]
fn a_rotation_goes_from_the_first_to_the_last_state_and_its_files_with_it() {
    let house = house();
    let all = |sighting| ["r2026", "e2026", "r20261118", "e20261118"].map(|one| (one.to_owned(), sighting)).into();
    assert_eq!(house.states(), [("e2026".to_owned(), Signing), ("r2026".to_owned(), Signing)]);
    assert!(!house.made.join(NAME).exists(), "looking writes nothing");
    assert!(house.advance(&all(Ours), AT).is_empty() && !house.made.join(NAME).exists());

    let (begun, keys) = begin(&house.given, &house.made, AT).unwrap();
    assert_eq!((begun, keys.len()), (Begun::Made, 4));
    assert_eq!(keys[2].record(&house.domain).name, "r20261118._domainkey.example.org");
    assert_eq!(house.signs(), ["r2026", "e2026"], "the old ones sign until the new ones are seen");
    assert_eq!(begin(&house.given, &house.made, AT.plus(5)).unwrap(), (Begun::Underway, keys.clone()));
    for name in ["rotated/r20261118.pem", NAME] {
        assert_eq!(std::fs::metadata(house.made.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    assert!(house.advance(&all(Gone), AT).is_empty());
    assert_eq!(house.advance(&all(Ours), AT).len(), 4);
    assert_eq!(house.signs(), ["r20261118", "e20261118"]);
    assert!(house.made.join("r2026.pem").exists());
    house.advance(&all(Ours), AT.plus(100));
    assert!(!house.made.join("r2026.pem").exists(), "a retired key is destroyed");
    house.advance(&seen(&[("r2026", Gone), ("e2026", Ours)]), AT.plus(101));
    assert_eq!(house.states().len(), 3);
    house.advance(&seen(&[("e2026", Gone)]), AT.plus(102));
    assert_eq!(house.states(), [("r20261118".to_owned(), Signing), ("e20261118".to_owned(), Signing)]);
    assert_eq!(house.signs(), ["r20261118", "e20261118"]);
    // The next one of the same day has other selectors.
    let (_, keys) = begin(&house.given, &house.made, AT).unwrap();
    assert_eq!(keys[2].selector, "r20261118a");
}

#[test]
fn a_crash_at_any_point_leaves_a_row_that_signs_and_can_go_on() {
    let house = house();
    begin(&house.given, &house.made, AT).unwrap();
    let ours = seen(&[("r20261118", Ours), ("e20261118", Ours)]);
    // After the row was written and before the keys were: the row is not stuck, and does not switch to a key that is not there.
    std::fs::remove_file(house.made.join("rotated/e20261118.pem")).unwrap();
    house.advance(&ours, AT);
    assert_eq!(house.signs(), ["r2026", "e2026"]);
    let (begun, keys) = begin(&house.given, &house.made, AT).unwrap();
    assert_eq!(begun, Begun::Underway);
    assert_eq!(keys.len(), 3);
    house.advance(&ours, AT);
    assert_eq!(house.signs(), ["r20261118", "e2026"], "what is left of it goes its way");

    // After the row let a key go and before its file was destroyed.
    let written = std::fs::read(house.made.join("rotated/r20261118.pem")).unwrap();
    files::write_private(&house.made.join("rotated/r20200101.pem"), &written, IfThere::Keep).unwrap();
    house.advance(&ours, AT);
    assert!(!house.made.join("rotated/r20200101.pem").exists());

    // The row itself is lost or broken: nothing is guessed, or the keys of before sign.
    let row = std::fs::read(house.made.join(NAME)).unwrap();
    files::write_private(&house.made.join(NAME), &row[..row.len() / 2], IfThere::Replace).unwrap();
    let why = dkim::open(&house.given, &house.made, AT).map(|_| ()).unwrap_err();
    assert!(why.to_string().contains("rotation.json: is not the row of DKIM keys"), "{why}");
    std::fs::remove_file(house.made.join(NAME)).unwrap();
    assert_eq!(house.signs(), ["r2026", "e2026"]);
}

#[test]
fn keys_that_are_too_weak_are_refused_with_the_reason() {
    let house = house();
    files::private_folder(&house.given).unwrap();
    for (name, pem, why) in [
        // RSA of 1024 bits, made for this test.
        ("weak.pem", WEAK, "is neither an RSA key of 2048 bits or more nor Ed25519, in PKCS#8 PEM"),
        ("text.pem", "no key", "is neither an RSA key of 2048 bits or more nor Ed25519, in PKCS#8 PEM"),
        ("a b.pem", "no key", "its name is the selector and must be of letters, digits and hyphens"),
    ] {
        let path = house.given.join(name);
        files::write_private(&path, pem.as_bytes(), IfThere::Keep).unwrap();
        for said in [
            dkim::open(&house.given, &house.made, AT).map(drop).unwrap_err(),
            dkim::judge(&path).unwrap_err(),
            begin(&house.given, &house.made, AT).map(drop).unwrap_err(),
        ] {
            assert!(said.to_string().ends_with(why), "{name}: {said}");
        }
        std::fs::remove_file(path).unwrap();
    }
    assert!(dkim::chosen(&house.given, &house.made, &["r2026".into(), "r2026".into()]).is_err());
    assert!(dkim::chosen(&house.given, &house.made, &["r2026".into(), "gone".into()]).is_err());
    assert!(dkim::chosen(&house.given, &house.made, &["r2026".into(), "e2026".into()]).is_ok());
}

#[test]
fn of_two_files_of_one_name_the_operators_signs_before_and_after_a_rotation_begins() {
    let house = house();
    files::private_folder(&house.given).unwrap();
    let own = dkim::new_rsa().unwrap();
    files::write_private(&house.given.join("r2026.pem"), own.as_bytes(), IfThere::Keep).unwrap();
    let public = || dkim::open(&house.given, &house.made, AT).unwrap().rsa_public;
    let before = public();
    begin(&house.given, &house.made, AT).unwrap();
    assert_eq!(public(), before);
    let keys = read(&house.given, &house.made, AT).unwrap();
    let signing = keys.iter().find(|key| key.selector == "r2026").unwrap();
    assert!(signing.text.ends_with(&before) && signing.state == Signing);
}

const WEAK: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBANDRpuL+amMQc2Yi\n\
    nHVtYHDOdCNKiDdeTcJZ6Hs4HSRWn9WgiRTPinHvudTuwBGG4eIgWKftbAHibKRX\n\
    suefE53khyMhIvr2YicR8WKSchsK8h1w1seqSwaI7FKtTx0TsYouO1qNAToGsSg1\n\
    X4zo4Pum+aKUCVPCOvqgo0KR/YqfAgMBAAECgYACcaGxYGbgV+3x0Q/hs/EAAPqM\n\
    +y9S7pCcaK722jZFGZpvRpy0GKW3JaYYHt8ylVCJc/V1qaqs7vh0h+45FbyGBBwW\n\
    5CqqEocolhqqg9eZhhapTqPt/rMF6VM2jNxX64rPwNflXbc7KaZLcBfs3mGrgGOD\n\
    KpzbiwwiIYGBC2QL2QJBAPnH5U2qTY1QibOSkYwBMx3IsBWJw+pGFJHaioW2PLP2\n\
    IDROA4+gn7gvnFROeAo8GkeIOYEIVdEGVd49O6Fj59UCQQDWBKo3FSJ/sB3IFy76\n\
    YxltmcZfOhySnvEubvHZ3V8+ceLqW2nPc6sI7f3l87j7KxgXWDFLEaDaSJwzqu7x\n\
    kjajAkBy7AbTgfymfRyuE0yF9vNWy8RAVJ9gRZgnNz6uoJczUZWlmxNGXOe/raAm\n\
    pefTBa4tpT6X4IbjYh/V3aR27+l1AkEAsGD50xmE7Ay+DpgkrFAdtbjkxrhCsgdx\n\
    px3iDfYmN3VuWExsIH8oNtzEwc2h5sW2Pg792Os3UI5ExUQbVlV01wJBAOFqc0pp\n\
    j+88kQG0n6qRs4h+uDjryPnbRIscOr/pVJVlntCmQ1n28hAFq/HMOSFsBQ/ohf5P\n\
    xlcgq0tv2sMoN/0=\n\
    -----END PRIVATE KEY-----\n";

#[test]
fn a_key_that_the_operator_puts_beside_the_row_waits_like_any_other() {
    let house = house();
    std::fs::create_dir_all(&house.given).unwrap();
    begin(&house.given, &house.made, AT).unwrap();
    house.advance(&seen(&[("r20261118", Ours), ("e20261118", Ours)]), AT);
    files::write_private(&house.given.join("mail1.pem"), dkim::new_rsa().unwrap().as_bytes(), IfThere::Keep).unwrap();
    assert_eq!(house.signs(), ["r20261118", "e20261118"]);
    house.advance(&seen(&[("mail1", Gone)]), AT);
    assert_eq!(house.signs(), ["r20261118", "e20261118"]);
    house.advance(&seen(&[("mail1", Ours)]), AT);
    assert_eq!(house.signs(), ["mail1", "e20261118"]);
    // Rotated away in its turn, its file stays the operator's and does not come back.
    begin(&house.given, &house.made, AT.plus(86_400)).unwrap();
    house.advance(&seen(&[("r20261119", Ours), ("e20261119", Ours)]), AT.plus(86_400));
    for at in [200_000, 300_000, 400_000, 500_000] {
        house.advance(&seen(&[("mail1", Gone)]), AT.plus(at));
    }
    assert!(house.given.join("mail1.pem").exists());
    assert_eq!(house.signs(), ["r20261119", "e20261119"]);
    assert!(house.states().contains(&("mail1".to_owned(), Unused)));
}
