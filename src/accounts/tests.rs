//! What log-in promises, with hashes counted rather than timed.

use super::*;
use std::time::Duration;

const NOW: UnixTime = UnixTime(1_795_000_000);
const RIGHT: &[u8] = "Vélo-bleu n°42".as_bytes();
const ANOTHER: &[u8] = b"tR7!kwm-zz.Q";

struct Bench {
    _folder: tempfile::TempDir,
    store: Store,
    accounts: Accounts,
}

/// Cheap to hash: what is tried here is what happens around it.
fn cheap() -> Settings {
    Settings { memory_kib: 8, passes: 1, lanes: 1, scram_iterations: 4096, ..Settings::default() }
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
        attributes: Attributes::default(),
        app_passwords_only: false,
        because: String::new(),
    }
}

fn peer(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

#[tokio::test]
async fn the_right_password_gives_what_the_account_owns() {
    let bench = bench(Settings::default()).await;
    for login in ["alice@example.org", "ALICE@EXAMPLE.ORG"] {
        let account = bench.accounts.log_in(login, RIGHT, peer(1)).await.unwrap().account;
        assert_eq!(account.owns, [address("Alice@example.org"), address("team@example.org")]);
        assert_eq!((account.names.as_slice(), account.language), (&["Alice Dupont".to_owned()][..], Language::En));
        assert!(account.identity().owns(&address("team@example.org")));
    }
    // Decomposed, with a no-break space: the same password on another keyboard.
    let elsewhere = "Ve\u{301}lo-bleu\u{a0}n°42".as_bytes();
    bench.accounts.log_in("alice@example.org", elsewhere, peer(1)).await.unwrap();
    let stored = bench.store.find_account(&address("alice@example.org")).await.unwrap().unwrap().password;
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
    assert!(!format!("{:?}", bench.store.find_account(&address("alice@example.org")).await).contains("argon2"));
}

#[tokio::test]
async fn who_is_unknown_is_told_and_costs_the_same_as_who_is_wrong() {
    let bench = bench(cheap()).await;
    bench.accounts.add(NewAccount { login: address("gone@example.org"), ..alice() }, RIGHT, "x").await.unwrap();
    bench.accounts.disable(&address("gone@example.org"), true, "", "x").await.unwrap();
    let long = vec![b'x'; changes::PASSWORD_OCTETS + 1];
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
async fn a_changed_password_and_a_closed_account_count_at_once_in_open_sessions_too() {
    let bench = bench(cheap()).await;
    let login = address("alice@example.org");
    let still = |by: &By| {
        let (accounts, login, by) = (bench.accounts.clone(), login.clone(), by.to_string());
        async move { accounts.still(&login, &by).await }
    };
    let first = bench.accounts.log_in("alice@example.org", RIGHT, peer(1)).await.unwrap().by;
    assert_eq!(still(&first).await, Ok(Still::Holds));
    bench.accounts.passwd(&login, ANOTHER, "officer").await.unwrap();
    assert_eq!(bench.accounts.log_in("alice@example.org", RIGHT, peer(1)).await, Err(LoginRefused::Wrong));
    assert_eq!(still(&first).await, Ok(Still::Changed));
    let second = bench.accounts.log_in("alice@example.org", ANOTHER, peer(1)).await.unwrap().by;
    assert_eq!(still(&second).await, Ok(Still::Holds));
    // By another process, as `postern user disable` is.
    let beside = Accounts::new(bench.store.clone(), cheap(), Clock::set_to(NOW)).unwrap();
    beside.disable(&login, true, "left", "x").await.unwrap();
    assert_eq!(bench.accounts.log_in("alice@example.org", ANOTHER, peer(1)).await, Err(LoginRefused::Wrong));
    assert_eq!(still(&second).await, Ok(Still::Closed));
    let listed = bench.accounts.list().await.unwrap();
    assert_eq!((listed[0].disabled_at, listed[0].disabled_because.as_str()), (Some(NOW), "left"));
    bench.accounts.disable(&login, false, "", "officer").await.unwrap();
    assert_eq!(still(&second).await, Ok(Still::Changed), "opened again is not the same session");
    let third = bench.accounts.log_in("alice@example.org", ANOTHER, peer(1)).await.unwrap().by;
    bench
        .accounts
        .change(&login, Change { remove_owns: vec![address("team@example.org")], ..Change::default() }, "x")
        .await
        .unwrap();
    assert_eq!(still(&third).await, Ok(Still::Changed), "an address was taken away");
    for by in [By::House { serial: 0, app_password: None }, By::Judge("gone".into())] {
        let nobody = bench.accounts.still(&address("nobody@example.org"), &by.to_string()).await;
        assert_eq!(nobody, Ok(Still::Closed));
    }
    assert_eq!(bench.accounts.still(&login, "nonsense").await, Ok(Still::Closed));
    let events = events(&bench).await;
    let expected = ["account-added", "account-password-changed", "account-disabled", "account-enabled", "account-changed"];
    assert_eq!(events, expected);
}

async fn events(bench: &Bench) -> Vec<String> {
    let lines = bench.store.audit_lines(0, 100).await.unwrap().into_iter();
    let event = |(_, line): (_, String)| {
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["event"].as_str().unwrap().to_owned()
    };
    lines.map(event).collect()
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
    assert_eq!(bench.accounts.passwd(&address("alice@example.org"), RIGHT, "x").await, Err(CannotChange::Same));
    let weak = bench.accounts.passwd(&address("alice@example.org"), b"Dupont-75!abcde", "x").await.unwrap_err();
    assert!(matches!(weak, CannotChange::Weak(_)) && weak.to_string().contains("part of the login or of a name"), "{weak}");
    assert_eq!(add(RIGHT).await, Err(CannotChange::Exists));
    for password in [&b""[..], b"with\nline", b"\xff\xfe", &[b'x'; 1025]] {
        assert_eq!(bench.accounts.passwd(&address("alice@example.org"), password, "x").await, Err(CannotChange::Password));
    }
    let nobody = address("nobody@example.org");
    assert_eq!(bench.accounts.passwd(&nobody, RIGHT, "x").await, Err(CannotChange::Unknown));
    assert_eq!(bench.accounts.change(&nobody, Change::default(), "x").await, Err(CannotChange::Unknown));
    assert_eq!(bench.accounts.add_app_password(&nobody, "scanner", "x").await, Err(CannotChange::Unknown));
    let own = Change { remove_owns: vec![address("ALICE@example.org")], ..Change::default() };
    assert_eq!(bench.accounts.change(&address("alice@example.org"), own, "x").await, Err(CannotChange::OwnAddress));
    assert_eq!(bench.accounts.disable(&nobody, true, "", "x").await, Err(CannotChange::Unknown));
    let listed = bench.accounts.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(!serde_json::to_string(&listed).unwrap().contains("argon2"));
    // Only what happened is audited.
    assert_eq!(bench.store.audit_head().await.unwrap().unwrap().seq, 1);
    assert!(Settings { memory_kib: 1, ..Settings::default() }.check().is_err());
    assert!(Settings { hashing_at_once: Some(0), ..Settings::default() }.check().is_err());
    assert!(Settings { scram_iterations: 1, ..Settings::default() }.check().is_err());
    assert!(Settings { judges: vec![], ..Settings::default() }.check().is_err());
    assert!(Settings { judges: vec!["file".into(), "file".into()], ..Settings::default() }.check().is_err());
    assert!(
        Settings { certificates: [("scanner".to_owned(), address("a@example.org"))].into(), ..Settings::default() }
            .check()
            .is_err()
    );
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

#[tokio::test]
async fn a_password_that_is_too_old_lets_nobody_in_until_it_is_renewed() {
    let settings = Settings { password: Policy { renew_after_days: 10, warn_days: 3, ..Policy::default() }, ..cheap() };
    let bench = bench(settings.clone()).await;
    let later = |days: i64| Accounts::new(bench.store.clone(), settings.clone(), Clock::set_to(NOW.plus(days * DAY))).unwrap();
    let login = address("alice@example.org");
    for (day, outcome, renew) in
        [(0, Ok(()), false), (6, Ok(()), false), (7, Ok(()), true), (10, Err(LoginRefused::Expired), true)]
    {
        let accounts = later(day);
        // Twice: a remembered password ages too.
        for _ in 0..2 {
            assert_eq!(accounts.log_in("alice@example.org", RIGHT, peer(1)).await.map(drop), outcome, "day {day}");
        }
        // Who does not know it learns nothing about its age.
        assert_eq!(accounts.log_in("alice@example.org", b"wrong", peer(2)).await, Err(LoginRefused::Wrong));
        assert_eq!(accounts.list().await.unwrap()[0].renew, renew, "day {day}");
        assert_eq!(
            by_scram(&accounts, "alice@example.org", "V\u{e9}lo-bleu n\u{b0}42", peer(3)).await.map(drop),
            outcome,
            "day {day}"
        );
    }
    let app = later(10).add_app_password(&login, "scanner", "x").await.unwrap();
    later(10).log_in("alice@example.org", app.as_bytes(), peer(1)).await.expect("an app password has no age");
    later(10).passwd(&login, ANOTHER, "x").await.unwrap();
    later(19).log_in("alice@example.org", ANOTHER, peer(1)).await.unwrap();
    assert_eq!(later(20).log_in("alice@example.org", ANOTHER, peer(1)).await, Err(LoginRefused::Expired));
    let never = Settings { password: Policy { renew_after_days: 0, ..Policy::default() }, ..cheap() };
    let never = Accounts::new(bench.store.clone(), never, Clock::set_to(NOW.plus(9999 * DAY))).unwrap();
    never.log_in("alice@example.org", ANOTHER, peer(1)).await.unwrap();
}

#[tokio::test]
async fn an_app_password_is_shown_once_dated_and_can_be_revoked() {
    let bench = bench(cheap()).await;
    let login = address("alice@example.org");
    bench.accounts.add(NewAccount { login: address("bob@example.org"), ..alice() }, RIGHT, "x").await.unwrap();
    let password = bench.accounts.add_app_password(&login, "scanner", "x").await.unwrap();
    let again = bench.accounts.add_app_password(&login, "scanner", "x").await;
    assert_eq!(again, Err(CannotChange::AppPasswordExists));
    assert_eq!(bench.accounts.app_passwords(&login).await.unwrap()[0].used_on, None);
    // In any typing, at no cost, for its own account only; guesses at the main password do not keep it out.
    for number in 0..9 {
        let _ = bench.accounts.log_in("alice@example.org", format!("guess {number}").as_bytes(), peer(1)).await;
    }
    let hashes = bench.accounts.hashes();
    for typed in [password.to_string(), password.replace('-', " "), password.to_uppercase()] {
        bench.accounts.log_in("alice@example.org", typed.as_bytes(), peer(1)).await.unwrap();
    }
    assert_eq!(bench.accounts.hashes(), hashes);
    let by = bench.accounts.log_in("alice@example.org", password.as_bytes(), peer(1)).await.unwrap().by;
    let elsewhere = bench.accounts.log_in("bob@example.org", password.as_bytes(), peer(2)).await;
    assert_eq!((elsewhere, bench.accounts.hashes() - hashes), (Err(LoginRefused::Wrong), 1));
    let listed = bench.accounts.app_passwords(&login).await.unwrap();
    assert_eq!((listed.len(), listed[0].used_on), (1, Some(UnixTime(NOW.0 / DAY * DAY))));
    // Its main password can be kept from mail clients.
    let only = Change { app_passwords_only: Some(true), ..Change::default() };
    bench.accounts.change(&login, only, "x").await.unwrap();
    for _ in 0..2 {
        let hashes = bench.accounts.hashes();
        let main = bench.accounts.log_in("alice@example.org", RIGHT, peer(3)).await;
        assert_eq!((main, bench.accounts.hashes() - hashes), (Err(LoginRefused::Wrong), 1));
    }
    assert!(by_scram(&bench.accounts, "alice@example.org", "V\u{e9}lo-bleu n\u{b0}42", peer(3)).await.is_err());
    assert_eq!(bench.accounts.still(&login, &by.to_string()).await, Ok(Still::Changed));
    let by = bench.accounts.log_in("alice@example.org", password.as_bytes(), peer(3)).await.unwrap().by;
    assert_eq!(bench.accounts.still(&login, &by.to_string()).await, Ok(Still::Holds));
    bench.accounts.revoke_app_password(&login, "scanner", "x").await.unwrap();
    assert_eq!(bench.accounts.still(&login, &by.to_string()).await, Ok(Still::Changed));
    assert_eq!(bench.accounts.log_in("alice@example.org", password.as_bytes(), peer(4)).await, Err(LoginRefused::Wrong));
    assert_eq!(bench.accounts.revoke_app_password(&login, "scanner", "x").await, Err(CannotChange::AppPasswordUnknown));
    let lines = bench.store.audit_lines(0, 100).await.unwrap();
    assert!(lines.iter().all(|(_, line)| !line.contains(password.as_str())));
    assert!(events(&bench).await.contains(&"app-password-revoked".to_owned()));
    // A closed account has no app passwords that work.
    let other = bench.accounts.add_app_password(&login, "scanner", "x").await.unwrap();
    bench.accounts.disable(&login, true, "", "x").await.unwrap();
    assert_eq!(bench.accounts.log_in("alice@example.org", other.as_bytes(), peer(5)).await, Err(LoginRefused::Wrong));
}

#[tokio::test]
async fn an_account_is_made_and_changed_with_what_policies_look_at() {
    let bench = bench(cheap()).await;
    let login = address("scanner@example.org");
    let attributes = Attributes {
        kind: crate::mail::AccountKind::Service,
        private: vec![address("scan@example.net")],
        groups: ["Devices".to_owned()].into(),
    };
    let new = NewAccount { login: login.clone(), attributes, because: "2nd floor".into(), ..alice() };
    bench.accounts.add(new, RIGHT, "x").await.unwrap();
    let change = Change {
        add_owns: vec![address("scans@example.org"), address("scans@example.org")],
        add_groups: vec!["Payroll".into()],
        remove_groups: vec!["DEVICES".into()],
        remove_private: vec![address("scan@example.net")],
        language: Some(Language::Fr),
        ..Change::default()
    };
    bench.accounts.change(&login, change, "x").await.unwrap();
    let (shown, _) = bench.accounts.show(&login).await.unwrap();
    assert_eq!((shown.created_because.as_str(), shown.created_at, shown.language), ("2nd floor", NOW, Language::Fr));
    let account = bench.accounts.log_in("scanner@example.org", RIGHT, peer(1)).await.unwrap().account;
    assert_eq!(account.owns.iter().filter(|one| **one == address("scans@example.org")).count(), 1);
    assert_eq!(account.attributes.groups.iter().collect::<Vec<_>>(), ["payroll"]);
    assert_eq!((account.attributes.kind, account.attributes.private.len()), (crate::mail::AccountKind::Service, 0));
    let Identity::Account { attributes, .. } = account.identity() else { panic!("an account") };
    assert_eq!(attributes, account.attributes);
    let two_lines = Change { add_names: vec!["a\nb".into()], ..Change::default() };
    assert!(matches!(bench.accounts.change(&login, two_lines, "x").await, Err(CannotChange::Words(_))));
}

/// A whole exchange, computed as a client does.
async fn by_scram(accounts: &Accounts, login: &str, password: &str, from: IpAddr) -> Result<Admitted, LoginRefused> {
    let Salted { salt, iterations, nonce } = accounts.salt(login).await?;
    let auth_message = format!("n={login},r=c,r=c{nonce},s=x,i={iterations},c=biws,r=c{nonce}");
    let (proof, expected) = scram::client(password, &salt, iterations, &auth_message);
    let sent = ScramAttempt { login, salt: &salt, iterations, auth_message: &auth_message, proof: &proof };
    let admitted = accounts.log_in_by_scram(sent, from).await?;
    assert_eq!(admitted.signature, Some(expected), "the gate proves itself too");
    Ok(admitted)
}

#[tokio::test]
async fn scram_lets_in_whom_a_password_would_and_tells_nobody_who_there_is() {
    let bench = bench(cheap()).await;
    let accounts = &bench.accounts;
    assert!(accounts.offers_scram() && !accounts.takes_tokens());
    let right =
        by_scram(accounts, "Alice@example.org", "V\u{e9}lo-bleu n\u{b0}42".replace('\u{b0}', "o").as_str(), peer(1)).await;
    assert_eq!(right.map(drop), Err(LoginRefused::Wrong));
    // SASLprep is the client's: what it sends is already NFKC. The house keeps the same form.
    let prepared = stringprep::saslprep("V\u{e9}lo-bleu n\u{b0}42").unwrap().into_owned();
    let account = by_scram(accounts, "Alice@example.org", &prepared, peer(2)).await.unwrap().account;
    assert_eq!(account.login, address("alice@example.org"));
    accounts.add(NewAccount { login: address("gone@example.org"), ..alice() }, RIGHT, "x").await.unwrap();
    accounts.disable(&address("gone@example.org"), true, "", "x").await.unwrap();
    // The same form, the same salt each time, in another process too; and no password is hashed for any of it.
    let elsewhere = Accounts::new(bench.store.clone(), cheap(), Clock::set_to(NOW)).unwrap();
    let mut salts = std::collections::BTreeSet::new();
    for login in ["alice@example.org", "nobody@example.org", "gone@example.org", "no address"] {
        let (one, other) = (accounts.salt(login).await.unwrap(), elsewhere.salt(login).await.unwrap());
        assert_eq!((&one.salt, one.iterations, one.nonce.len()), (&other.salt, 4096, 24), "{login}");
        assert_eq!((one.salt.len(), other.iterations), (16, 4096));
        assert_ne!(one.nonce, other.nonce);
        salts.insert(one.salt);
    }
    assert_eq!(salts.len(), 4);
    for (number, login) in ["nobody@example.org", "gone@example.org", "no address"].into_iter().enumerate() {
        let refused = by_scram(accounts, login, &prepared, peer(10 + number as u8)).await;
        assert_eq!(refused, Err(LoginRefused::Wrong), "{login}");
    }
    assert_eq!(accounts.hashes(), 0);
    // Guessing is counted, with passwords and SCRAM together; and the salt of a password that was changed meanwhile is no use.
    let mut answers = Vec::new();
    for number in 0..8 {
        answers.push(by_scram(accounts, "alice@example.org", &format!("guess {number}"), peer(20)).await.map(drop));
    }
    assert_eq!(answers.iter().filter(|one| **one == Err(LoginRefused::Wrong)).count(), 5);
    assert_eq!(accounts.log_in("alice@example.org", RIGHT, peer(20)).await, Err(LoginRefused::Throttled));
    let before = accounts.salt("alice@example.org").await.unwrap();
    accounts.passwd(&address("alice@example.org"), ANOTHER, "x").await.unwrap();
    let (proof, _) = scram::client(&prepared, &before.salt, before.iterations, "m");
    let stale =
        ScramAttempt { login: "alice@example.org", salt: &before.salt, iterations: 4096, auth_message: "m", proof: &proof };
    assert_eq!(accounts.log_in_by_scram(stale, peer(21)).await, Err(LoginRefused::Wrong));
    by_scram(accounts, "alice@example.org", "tR7!kwm-zz.Q", peer(22)).await.unwrap();
}

#[tokio::test]
async fn an_account_of_before_gets_its_scram_keys_at_the_next_log_in() {
    let bench = bench(Settings { scram_iterations: 0, ..cheap() }).await;
    assert!(!bench.accounts.offers_scram() && !bench.accounts.list().await.unwrap()[0].scram);
    let accounts = Accounts::new(bench.store.clone(), cheap(), Clock::set_to(NOW)).unwrap();
    let prepared = stringprep::saslprep("V\u{e9}lo-bleu n\u{b0}42").unwrap().into_owned();
    assert_eq!(by_scram(&accounts, "alice@example.org", &prepared, peer(1)).await.map(drop), Err(LoginRefused::Wrong));
    let by = accounts.log_in("alice@example.org", RIGHT, peer(1)).await.unwrap().by;
    by_scram(&accounts, "alice@example.org", &prepared, peer(1)).await.unwrap();
    // That changed nothing that ends a session, nor the age of the password.
    assert_eq!(accounts.still(&address("alice@example.org"), &by.to_string()).await, Ok(Still::Holds));
    assert_eq!(accounts.list().await.unwrap()[0].password_at, NOW);
}
