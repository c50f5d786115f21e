//! What log-in promises, with hashes counted rather than timed.

use super::*;

const NOW: UnixTime = UnixTime(1_795_000_000);
const RIGHT: &[u8] = "correct horse é".as_bytes();

struct Bench {
    _folder: tempfile::TempDir,
    store: Store,
    accounts: Accounts,
}

/// Cheap to hash: what is tried here is what happens around it.
fn cheap() -> Settings {
    Settings { memory_kib: 8, passes: 1, lanes: 1, ..Settings::default() }
}

async fn bench(settings: Settings) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store_settings = crate::store::Settings { reserve_octets: 0, ..Default::default() };
    let store = Store::open(folder.path(), &store_settings).unwrap();
    let accounts = Accounts::new(store.clone(), settings, Clock::set_to(NOW)).unwrap();
    accounts.add(alice(), RIGHT, "command line").await.unwrap();
    Bench { _folder: folder, store, accounts }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn alice() -> NewAccount {
    NewAccount {
        login: address("Alice@example.org"),
        owns: vec![address("alice@example.org"), address("team@example.org")],
        names: vec!["Alice Dupont".into()],
        language: Language::En,
    }
}

fn peer(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

#[tokio::test]
async fn the_right_password_gives_what_the_account_owns() {
    let bench = bench(Settings::default()).await;
    for login in ["alice@example.org", "ALICE@EXAMPLE.ORG"] {
        let account = bench.accounts.log_in(login, RIGHT, peer(1)).await.unwrap();
        assert_eq!(account.owns, [address("Alice@example.org"), address("team@example.org")]);
        assert_eq!((account.names.as_slice(), account.language), (&["Alice Dupont".to_owned()][..], Language::En));
        assert!(account.identity().owns(&address("team@example.org")));
    }
    // Decomposed, with a no-break space: the same password on another keyboard.
    let elsewhere = "correct\u{a0}horse e\u{301}".as_bytes();
    bench.accounts.log_in("alice@example.org", elsewhere, peer(1)).await.unwrap();
    let stored = bench.store.find_account(&address("alice@example.org")).await.unwrap().unwrap().password;
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
    assert!(!format!("{:?}", bench.store.find_account(&address("alice@example.org")).await).contains("argon2"));
}

#[tokio::test]
async fn who_is_unknown_is_told_and_costs_the_same_as_who_is_wrong() {
    let bench = bench(cheap()).await;
    bench.accounts.add(NewAccount { login: address("gone@example.org"), ..alice() }, RIGHT, "x").await.unwrap();
    bench.accounts.disable(&address("gone@example.org"), true, "x").await.unwrap();
    let long = vec![b'x'; PASSWORD_OCTETS + 1];
    let cases: [(&str, &[u8]); 8] = [
        ("alice@example.org", b"wrong"),
        ("alice@example.org", b""),
        ("alice@example.org", b"\xff\xfe"),
        ("alice@example.org", &long),
        ("nobody@example.org", RIGHT),
        ("gone@example.org", RIGHT),
        ("not an address", RIGHT),
        ("", RIGHT),
    ];
    for (number, (login, password)) in cases.into_iter().enumerate() {
        let before = bench.accounts.hashes();
        let refused = bench.accounts.log_in(login, password, peer(number as u8)).await.unwrap_err();
        assert_eq!((refused, bench.accounts.hashes() - before), (LoginRefused::Wrong, 1), "{login}");
    }
}

#[tokio::test]
async fn guessing_has_to_wait_unhashed_and_is_audited_once() {
    let bench = bench(cheap()).await;
    let mut answers = Vec::new();
    for number in 0..12 {
        let guess = format!("guess {number}");
        answers.push(bench.accounts.log_in("alice@example.org", guess.as_bytes(), peer(1)).await.unwrap_err());
    }
    let wrong = answers.iter().filter(|answer| **answer == LoginRefused::Wrong).count();
    assert_eq!((wrong, answers[11], bench.accounts.hashes()), (5, LoginRefused::Throttled, 5));
    // Not even the right one tells anything from there; from elsewhere it does.
    assert_eq!(bench.accounts.log_in("alice@example.org", RIGHT, peer(1)).await.unwrap_err(), LoginRefused::Throttled);
    bench.accounts.log_in("alice@example.org", RIGHT, peer(2)).await.unwrap();
    let lines = bench.store.audit_lines(0, 100).await.unwrap();
    let locked: Vec<&String> = lines.iter().map(|(_, line)| line).filter(|line| line.contains("login-locked")).collect();
    assert_eq!(locked.len(), 1);
    assert!(locked[0].contains("192.0.2.1") && locked[0].contains("Alice@example.org") && !locked[0].contains("guess"));
}

#[tokio::test]
async fn many_guesses_at_once_are_no_way_around_the_count() {
    let bench = bench(cheap()).await;
    let tries = (0..60).map(|number| {
        let accounts = bench.accounts.clone();
        tokio::spawn(async move { accounts.log_in("alice@example.org", format!("guess {number}").as_bytes(), peer(1)).await })
    });
    for one in tries.collect::<Vec<_>>() {
        one.await.unwrap().unwrap_err();
    }
    assert_eq!(bench.accounts.hashes(), 5);
}

#[tokio::test]
async fn a_client_that_connects_a_hundred_times_is_hashed_once() {
    let bench = bench(cheap()).await;
    let tries = (0..100).map(|_| {
        let accounts = bench.accounts.clone();
        tokio::spawn(async move { accounts.log_in("alice@example.org", RIGHT, peer(1)).await })
    });
    for one in tries.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    bench.accounts.log_in("alice@example.org", RIGHT, peer(9)).await.unwrap();
    assert_eq!(bench.accounts.hashes(), 1);
}

#[tokio::test]
async fn a_right_password_is_remembered_for_a_while_only() {
    let bench = bench(Settings { remember_seconds: 1, ..cheap() }).await;
    bench.accounts.log_in("alice@example.org", RIGHT, peer(1)).await.unwrap();
    assert_eq!(bench.accounts.hashes(), 1);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    bench.accounts.log_in("alice@example.org", RIGHT, peer(1)).await.unwrap();
    assert_eq!(bench.accounts.hashes(), 2);
    let never = self::bench(Settings { remember_seconds: 0, ..cheap() }).await;
    for hashes in 1..4 {
        never.accounts.log_in("alice@example.org", RIGHT, peer(1)).await.unwrap();
        assert_eq!(never.accounts.hashes(), hashes);
    }
}

#[tokio::test]
async fn a_changed_password_and_a_closed_account_count_at_once() {
    let bench = bench(cheap()).await;
    let login = address("alice@example.org");
    bench.accounts.log_in("alice@example.org", RIGHT, peer(1)).await.unwrap();
    bench.accounts.passwd(&login, b"another", "officer").await.unwrap();
    assert_eq!(bench.accounts.log_in("alice@example.org", RIGHT, peer(1)).await, Err(LoginRefused::Wrong));
    bench.accounts.log_in("alice@example.org", b"another", peer(1)).await.unwrap();
    assert_eq!(bench.accounts.still_valid(&login).await, Ok(true));
    // By another process, as `postern user disable` is.
    bench.store.set_disabled(&login, true, NOW, bench.accounts.line("account-disabled", &login, "x")).await.unwrap();
    assert_eq!(bench.accounts.log_in("alice@example.org", b"another", peer(1)).await, Err(LoginRefused::Wrong));
    assert_eq!(bench.accounts.still_valid(&login).await, Ok(false));
    bench.accounts.disable(&login, false, "officer").await.unwrap();
    bench.accounts.log_in("alice@example.org", b"another", peer(1)).await.unwrap();
    assert_eq!(bench.accounts.still_valid(&address("nobody@example.org")).await, Ok(false));
    let events: Vec<String> = (bench.store.audit_lines(0, 100).await.unwrap().into_iter())
        .map(|(_, line)| serde_json::from_str::<serde_json::Value>(&line).unwrap()["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(events, ["account-added", "account-password-changed", "account-disabled", "account-enabled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_at_once_than_there_is_work_for_are_sent_away_and_not_counted() {
    let settings = Settings { hashing_at_once: Some(1), waiting: 2, tries_per_network: 1000, ..Settings::default() };
    let bench = bench(settings).await;
    let tries = (0..30).map(|number| {
        let accounts = bench.accounts.clone();
        tokio::spawn(async move { accounts.log_in(&format!("u{number}@example.org"), RIGHT, peer(1)).await })
    });
    let mut busy = 0;
    for one in tries.collect::<Vec<_>>() {
        busy += usize::from(one.await.unwrap() == Err(LoginRefused::Busy));
    }
    assert!(busy > 0, "nobody was sent away");
    assert_eq!(bench.accounts.hashes() as usize, 30 - busy);
    bench.accounts.log_in("alice@example.org", RIGHT, peer(1)).await.unwrap();
}

#[tokio::test]
async fn a_hash_of_old_parameters_is_replaced_at_the_next_log_in() {
    let bench = bench(cheap()).await;
    let stronger = Settings { memory_kib: 16, passes: 2, ..cheap() };
    let accounts = Accounts::new(bench.store.clone(), stronger, Clock::set_to(NOW)).unwrap();
    for _ in 0..2 {
        accounts.log_in("alice@example.org", RIGHT, peer(1)).await.unwrap();
        let stored = bench.store.find_account(&address("alice@example.org")).await.unwrap().unwrap().password;
        assert!(stored.contains("$m=16,t=2,p=1$"), "{stored}");
    }
}

#[tokio::test]
async fn what_cannot_be_changed_is_told_with_what_to_do() {
    let bench = bench(cheap()).await;
    let add = |password: &'static [u8]| bench.accounts.add(alice(), password, "x");
    assert_eq!(add(RIGHT).await, Err(CannotChange::Exists));
    for password in [&b""[..], b"with\nline", &[b'x'; 1025]] {
        assert_eq!(bench.accounts.passwd(&address("alice@example.org"), password, "x").await, Err(CannotChange::Password));
    }
    let nobody = address("nobody@example.org");
    assert_eq!(bench.accounts.passwd(&nobody, RIGHT, "x").await, Err(CannotChange::Unknown));
    assert_eq!(bench.accounts.disable(&nobody, true, "x").await, Err(CannotChange::Unknown));
    let listed = bench.accounts.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(!serde_json::to_string(&listed).unwrap().contains("argon2"));
    // Only what happened is audited.
    assert_eq!(bench.store.audit_head().await.unwrap().unwrap().seq, 1);
    assert!(Settings { memory_kib: 1, ..Settings::default() }.check().is_err());
    assert!(Settings { hashing_at_once: Some(0), ..Settings::default() }.check().is_err());
    assert_eq!(Settings::default().check(), Ok(()));
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing_behind() {
    let bench = bench(Settings::default()).await;
    for number in 0..5 {
        let trying = bench.accounts.clone();
        let guess = format!("guess {number}");
        let hanging_up = tokio::time::timeout(Duration::from_millis(1), async move {
            trying.log_in("alice@example.org", guess.as_bytes(), peer(number)).await
        });
        let _ = hanging_up.await;
    }
    assert!(lock(&bench.accounts.0.trying).is_empty());
    bench.accounts.log_in("alice@example.org", RIGHT, peer(9)).await.unwrap();
}
