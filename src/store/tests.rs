//! What the store promises, tried on real files.

use super::*;
use crate::mail::{Protection, RawMessage};
use crate::world::Dice;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

const NOW: UnixTime = UnixTime(1_795_000_000);
const FAR: UnixTime = UnixTime(i64::MAX);

fn open(folder: &Path) -> Store {
    Store::open(folder, &Settings { reserve_octets: 0, ..Settings::default() }).unwrap()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn line(event: &str) -> AuditLine {
    let mut map = serde_json::Map::new();
    map.insert("event".into(), event.into());
    AuditLine(map)
}

fn copy(to: &[&str], content: &str) -> Outgoing {
    Outgoing {
        mail_from: Some(address("alice@example.org")),
        recipients: to.iter().map(|to| address(to)).collect(),
        raw: RawMessage::new(content.as_bytes()).unwrap(),
        protection: Protection::None,
        requires_tls: false,
        transport: Default::default(),
    }
}

fn acceptance(reference: Reference, outgoing: Vec<Outgoing>) -> Acceptance {
    Acceptance {
        reference,
        at: NOW,
        outgoing,
        held: None,
        notices: vec![],
        calls: vec![],
        counters: Default::default(),
        audit: line("allowed"),
    }
}

fn hold(reference: Reference) -> Acceptance {
    let held = Held {
        reference,
        at: NOW,
        sender: Some(address("alice@example.org")),
        recipients: vec![address("bob@example.net")],
        sealed: b"SEALED-CANARY".to_vec(),
        summary: r#"{"findings":[]}"#.into(),
    };
    Acceptance {
        reference,
        at: NOW,
        outgoing: vec![],
        held: Some(held),
        notices: vec![],
        calls: vec![],
        counters: Default::default(),
        audit: line("held"),
    }
}

fn reference(number: i64) -> Reference {
    Dice::seeded(number).reference()
}

async fn due(store: &Store) -> Vec<Loaded> {
    let (loaded, damaged) = store.due_copies(NOW, FAR, BTreeSet::new(), 10_000).await.unwrap();
    assert_eq!(damaged, Vec::<i64>::new());
    loaded
}

#[tokio::test]
async fn two_hundred_who_wait_share_few_transactions() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let all = (0..200).map(|number| {
        let store = store.clone();
        let copies = vec![copy(&["bob@example.net"], &format!("Subject: {number}\r\n\r\nx\r\n"))];
        tokio::spawn(async move { store.commit(acceptance(reference(number), copies)).await })
    });
    let mut receipts = BTreeSet::new();
    for one in all.collect::<Vec<_>>() {
        receipts.insert(one.await.unwrap().unwrap().reference());
    }
    assert_eq!(receipts.len(), 200);
    assert!(store.commits() < 50, "{} transactions", store.commits());
    let stored: BTreeSet<Reference> = due(&store).await.into_iter().map(|copy| copy.row.reference).collect();
    assert_eq!(stored, receipts);
    assert_eq!(store.counts_of_day(NOW).await.unwrap(), [("allowed".to_owned(), 200)]);
}

#[tokio::test]
async fn a_wrong_row_fails_alone_among_those_who_share_its_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.commit(hold(reference(1))).await.unwrap();
    // The thread is kept busy until all three are waiting.
    let (go, until) = std::sync::mpsc::channel::<()>();
    let busy = tokio::spawn({
        let store = store.clone();
        async move { store.write(move |_| Ok(until.recv().is_ok())).await }
    });
    let spawn = |acceptance| {
        let store = store.clone();
        tokio::spawn(async move { store.commit(acceptance).await })
    };
    let copies = |number: i64| vec![copy(&["bob@example.net"], &format!("A: {number}\r\n\r\n"))];
    let before = spawn(acceptance(reference(2), copies(2)));
    let bad = spawn(hold(reference(1)));
    let after = spawn(acceptance(reference(3), copies(3)));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    go.send(()).unwrap();
    let (bad, _) = (bad.await.unwrap(), busy.await.unwrap());
    assert!(matches!(bad, Err(StoreError::Failed(_))), "{bad:?}");
    before.await.unwrap().unwrap();
    after.await.unwrap().unwrap();
    assert!(store.commits() <= 3, "they did not share a transaction");
    assert_eq!(due(&store).await.len(), 2);
    // The failed one left nothing behind, its audit line included, and the store is not thought unwell for it.
    assert_eq!(store.audit_head().await.unwrap().unwrap().seq, 3);
    store.record(NOW, line("refused")).await.unwrap();
}

#[tokio::test]
async fn recipients_of_the_same_octets_share_one_body_which_goes_with_the_last_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let copies = vec![copy(&["b@example.net"], "A: b\r\n\r\n"), copy(&["c@example.net"], "A: b\r\n\r\n")];
    store.commit(acceptance(reference(1), copies)).await.unwrap();
    let bodies = || async {
        store.read(|db| Ok(db.query_row("SELECT count(*) FROM bodies", [], |r| r.get::<_, i64>(0)).unwrap())).await
    };
    assert_eq!(bodies().await, Ok(1));
    for (copy, left) in due(&store).await.into_iter().zip([1, 0]) {
        let outcome = Outcome {
            recipient: copy.row.deliveries[0].recipient.clone(),
            state: DeliveryState::Delivered,
            said: "250 2.0.0 ok".into(),
        };
        let done = Settlement { id: copy.row.id, at: NOW, outcomes: vec![outcome], next_at: NOW, tells_delay: false };
        store.settle(done, vec![], None).await.unwrap();
        assert_eq!(bodies().await, Ok(left));
    }
    assert_eq!(due(&store).await.len(), 0);
    let states: Vec<_> =
        store.list_copies(Some(reference(1)), 10).await.unwrap().into_iter().map(|c| c.deliveries[0].state).collect();
    assert_eq!(states, [DeliveryState::Delivered, DeliveryState::Delivered]);
    assert_eq!(store.forget_finished(NOW.plus(1), 10).await, Ok(2));
}

#[tokio::test]
async fn a_full_store_takes_nothing_new_gives_no_receipt_and_still_settles() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_octets: Some(1 << 20), reserve_octets: 0 };
    let store = Store::open(folder.path(), &settings).unwrap();
    let body = format!("A: b\r\n\r\n{}\r\n", "x".repeat(100_000));
    let mut accepted = 0;
    let refused = loop {
        let copies = vec![copy(&["b@example.net"], &body)];
        match store.commit(acceptance(reference(accepted), copies)).await {
            Ok(_) => accepted += 1,
            Err(why) => break why,
        }
        assert!(accepted < 20, "the limit does not hold");
    };
    assert_eq!(refused, StoreError::Full);
    assert!(accepted > 3);
    let waiting = due(&store).await;
    assert_eq!(waiting.len() as i64, accepted, "a refused acceptance left something behind");
    assert_eq!(store.audit_head().await.unwrap().unwrap().seq, accepted);
    // Results and refusals still find room, and make some.
    store.record(NOW, line("refused")).await.unwrap();
    let outcome = Outcome { recipient: address("b@example.net"), state: DeliveryState::Delivered, said: String::new() };
    for copy in &waiting {
        let done = Settlement { id: copy.row.id, at: NOW, outcomes: vec![outcome.clone()], next_at: NOW, tells_delay: false };
        store.settle(done, vec![copy_of_notice()], None).await.unwrap();
    }
    store.commit(acceptance(reference(99), vec![copy(&["b@example.net"], &body)])).await.unwrap();
}

fn copy_of_notice() -> Outgoing {
    Outgoing { mail_from: None, ..copy(&["alice@example.org"], "Subject: notice\r\n\r\n") }
}

#[tokio::test]
async fn a_disk_below_its_reserve_takes_nothing_new() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_octets: None, reserve_octets: u64::MAX / 4 };
    let store = Store::open(folder.path(), &settings).unwrap();
    let one = acceptance(reference(1), vec![copy(&["b@example.net"], "A: b\r\n\r\n")]);
    assert_eq!(store.commit(one).await.unwrap_err(), StoreError::Full);
    store.record(NOW, line("refused")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_commit_nobody_is_believed_until_the_store_has_proved_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.0.writer.faults.order(1);
    let one = |number| acceptance(reference(number), vec![copy(&["b@example.net"], "A: b\r\n\r\n")]);
    assert!(matches!(store.commit(one(1)).await, Err(StoreError::Failed(_))));
    // The disk would work again, but at once is too early to believe it.
    assert!(matches!(store.commit(one(2)).await, Err(StoreError::Failed(_))));
    assert_eq!(store.commits(), 0);
    let mut waited = 0;
    while store.commit(one(3)).await.is_err() {
        waited += 1;
        assert!(waited < 100, "the store never recovers");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(waited > 5);
    let stored: Vec<Reference> = due(&store).await.into_iter().map(|copy| copy.row.reference).collect();
    assert_eq!(stored, [reference(3)], "what failed must not come to life later");
    let probes = store.read(|db| {
        Ok(db.query_row("SELECT value FROM settings WHERE name = 'probes'", [], |r| r.get::<_, String>(0)).unwrap())
    });
    assert_eq!(probes.await.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_files_taken_at_any_moment_holds_all_that_had_a_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let receipts = Arc::new(Mutex::new(Vec::new()));
    let writing = {
        let (store, receipts) = (store.clone(), receipts.clone());
        tokio::spawn(async move {
            for number in 0..120 {
                let body = format!("A: {number}\r\n\r\n{}\r\n", "y".repeat(3000));
                let receipt = store.commit(acceptance(reference(number), vec![copy(&["b@example.net"], &body)])).await.unwrap();
                receipts.lock().unwrap().push(receipt.reference());
            }
        })
    };
    let mut images = Vec::new();
    while !writing.is_finished() {
        let image = tempfile::tempdir().unwrap();
        let known = receipts.lock().unwrap().clone();
        // The database first: a checkpoint between the two copies would otherwise hide frames from both. Such a pair is no crash image
        // and is recognised by the log having been begun anew.
        let generation = wal_header(folder.path());
        std::fs::copy(folder.path().join("postern.db"), image.path().join("postern.db")).unwrap();
        std::fs::copy(folder.path().join("postern.db-wal"), image.path().join("postern.db-wal")).unwrap();
        if wal_header(image.path()) == generation && generation.len() == 32 {
            images.push((image, known));
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    writing.await.unwrap();
    assert!(images.iter().any(|(_, known)| !known.is_empty()), "no image was taken mid-way");
    for (image, known) in images {
        let recovered = open(image.path());
        let stored: BTreeSet<Reference> = due(&recovered).await.into_iter().map(|copy| copy.row.reference).collect();
        assert!(known.iter().all(|receipt| stored.contains(receipt)));
        let lines = recovered.audit_lines(0, 1000).await.unwrap();
        assert_eq!(lines.len(), stored.len(), "an acceptance without its audit line, or the other way round");
    }
}

fn wal_header(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("postern.db-wal")).unwrap_or_default().into_iter().take(32).collect()
}

#[tokio::test]
async fn damaged_octets_are_never_loaded_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for number in 1..=5 {
        let body = format!("A: {number}\r\n\r\nCANARY-{number}\r\n");
        store.commit(acceptance(reference(number), vec![copy(&["b@example.net"], &body)])).await.unwrap();
    }
    drop(store);
    let db = rusqlite::Connection::open(folder.path().join("postern.db")).unwrap();
    db.execute_batch(
        "PRAGMA foreign_keys = OFF;
         UPDATE bodies SET octets = cast(replace(cast(octets AS TEXT), 'CANARY', 'CANAPY') AS BLOB) WHERE id = 1;
         DELETE FROM bodies WHERE id = 2;
         UPDATE bodies SET sha256 = x'00' WHERE id = 3;
         UPDATE deliveries SET recipient = 'nobody' WHERE copy = 4;",
    )
    .unwrap();
    drop(db);
    let store = open(folder.path());
    let (loaded, damaged) = store.due_copies(NOW, FAR, BTreeSet::new(), 10).await.unwrap();
    assert_eq!(damaged, [1, 2, 3, 4]);
    assert_eq!(loaded.into_iter().map(|copy| copy.row.id).collect::<Vec<_>>(), [5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_racing_releases_one_wins_and_one_line_is_audited() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for number in 0..200 {
        let reference = reference(number);
        store.commit(hold(reference)).await.unwrap();
        let released = || acceptance(reference, vec![copy(&["bob@example.net"], "A: b\r\n\r\n")]);
        let tasks = [
            tokio::spawn({
                let (store, a) = (store.clone(), released());
                async move { store.release(reference, a).await.map(|_| ()) }
            }),
            tokio::spawn({
                let (store, a) = (store.clone(), released());
                async move { store.release(reference, a).await.map(|_| ()) }
            }),
            tokio::spawn({
                let store = store.clone();
                async move { store.reject(reference, NOW, vec![], line("rejected")).await }
            }),
        ];
        let mut won = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(()) => won += 1,
                Err(why) => assert_eq!(why, StoreError::NotHeld),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(store.open_held(reference).await.unwrap_err(), StoreError::NotHeld);
    }
    assert_eq!(store.audit_head().await.unwrap().unwrap().seq, 400);
    assert_eq!(store.list_held(Some(HeldState::Held), 1000).await.unwrap().len(), 0);
    let released = store.list_held(Some(HeldState::Released), 1000).await.unwrap().len();
    assert_eq!(due(&store).await.len(), released);
}

#[tokio::test]
async fn what_was_decided_or_relayed_is_in_no_file_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.commit(hold(reference(1))).await.unwrap();
    store.commit(acceptance(reference(2), vec![copy(&["b@example.net"], "A: b\r\n\r\nCLEAR-CANARY\r\n")])).await.unwrap();
    assert!(on_disk(folder.path(), b"SEALED-CANARY") && on_disk(folder.path(), b"CLEAR-CANARY"));
    store.reject(reference(1), NOW, vec![], line("rejected")).await.unwrap();
    let outcome = Outcome { recipient: address("B@example.net"), state: DeliveryState::Failed, said: String::new() };
    let done = Settlement { id: 1, at: NOW, outcomes: vec![outcome], next_at: NOW, tells_delay: false };
    store.settle(done, vec![], None).await.unwrap();
    drop(store);
    assert!(!on_disk(folder.path(), b"SEALED-CANARY"));
    assert!(!on_disk(folder.path(), b"CLEAR-CANARY"));
}

fn on_disk(folder: &Path, octets: &[u8]) -> bool {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    files.into_iter().any(|file| memchr::memmem::find(&file, octets).is_some())
}

#[tokio::test]
async fn an_acceptance_that_keeps_nothing_gets_no_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(store.commit(acceptance(reference(1), vec![])).await.is_err());
    assert!(store.commit(acceptance(reference(1), vec![copy(&[], "A: b\r\n\r\n")])).await.is_err());
    assert_eq!(store.audit_head().await.unwrap(), None);
}

#[tokio::test]
async fn the_folder_is_ours_alone_and_a_second_gate_is_refused() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let store = open(&folder);
    store.record(NOW, line("started")).await.unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    let second = Store::open(&folder, &Settings::default()).unwrap_err();
    assert!(matches!(second, CannotOpen::Locked { .. }));
    assert!(second.to_string().contains("another gate"), "{second}");
    // A command beside it may write, and the chain stays one.
    let beside = Store::open_beside(&folder, &Settings::default()).unwrap();
    beside.record(NOW, line("account-added")).await.unwrap();
    store.record(NOW, line("stopped")).await.unwrap();
    assert_eq!(store.audit_head().await.unwrap().unwrap().seq, 3);
    drop((store, beside));
    open(&folder);
}

#[test]
fn a_folder_that_is_shared_or_a_file_that_is_not_ours_is_refused_with_what_to_do() {
    let above = tempfile::tempdir().unwrap();
    let shared = above.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let cases: [(&Path, &str); 2] = [(&shared, "folder of its own"), (Path::new("/dev/null"), "not a folder")];
    for (path, words) in cases {
        let why = Store::open(path, &Settings::default()).unwrap_err().to_string();
        assert!(why.contains(words), "{why}");
    }
    for (name, make) in [
        (
            "text",
            Box::new(|path: &Path| {
                std::fs::write(path, "not a database, but longer than its header would be …".repeat(20)).unwrap()
            }) as Box<dyn Fn(&Path)>,
        ),
        (
            "other",
            Box::new(|path: &Path| rusqlite::Connection::open(path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap()),
        ),
    ] {
        let folder = above.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        make(&folder.join("postern.db"));
        let why = Store::open(&folder, &Settings::default()).unwrap_err();
        assert!(matches!(why, CannotOpen::NotOurs { .. }), "{name}: {why}");
    }
    let folder = above.path().join("newer");
    drop(open(&folder));
    rusqlite::Connection::open(folder.join("postern.db")).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(Store::open(&folder, &Settings::default()), Err(CannotOpen::TooNew { version: 99, .. })));
}

fn refusal(sender: &Address, at: UnixTime, likeness: Vec<[u8; 16]>, version: u8) -> Refused {
    Refused { sender: sender.clone(), at, likeness, version: [version; 16], dispute: None, notice: None }
}

#[tokio::test]
async fn who_was_refused_is_remembered_by_likeness_and_version_for_as_long_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let alice = address("alice@example.org");
    store
        .record_refusal(NOW, Some(refusal(&alice, NOW, vec![[1; 16], [2; 16]], 7)), Counters::default(), line("refused"))
        .await
        .unwrap();
    let row = |likeness: u8| PastRefusal { likeness: [likeness; 16], version: [7; 16] };
    for (who, since, expected) in [
        (&alice, NOW.plus(-3600), vec![row(2), row(1)]),
        (&address("ALICE@example.org"), NOW, vec![row(2), row(1)]),
        (&alice, NOW.plus(1), vec![]),
        (&address("bob@example.org"), NOW, vec![]),
    ] {
        assert_eq!(store.refusals_since(who, since).await, Ok(expected), "{who} {since:?}");
    }
    store
        .record_refusal(
            NOW.plus(90_000),
            Some(refusal(&alice, NOW.plus(90_000), vec![], 8)),
            Counters::default(),
            line("refused"),
        )
        .await
        .unwrap();
    assert_eq!(store.refusals_since(&alice, UnixTime(0)).await, Ok(vec![]));
}

fn dispute(number: i64, sender: &Address, at: UnixTime) -> Dispute {
    let terms = Terms { recipients: ["b@example.net".to_owned()].into(), may_confirm: true, ..Terms::default() };
    Dispute { reference: reference(number), sender: sender.clone(), at, content: [7; 32], terms, used: false }
}

#[tokio::test]
async fn an_answer_is_used_up_by_one_acceptance_in_time_and_what_it_answers_counts_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let alice = address("alice@example.org");
    let first = dispute(1, &alice, NOW);
    let refused = Refused { dispute: Some(first.clone()), ..refusal(&alice, NOW, vec![[1; 16]], 7) };
    store.record_refusal(refused.at, Some(refused), Counters::default(), line("refused")).await.unwrap();
    store
        .record_refusal(NOW, Some(refusal(&alice, NOW, vec![[1; 16]], 8)), Counters::default(), line("refused"))
        .await
        .unwrap();
    let sent = |number: i64, at: UnixTime| Acceptance {
        at,
        ..acceptance(reference(number), vec![copy(&["b@example.net"], &format!("A: {number}\r\n\r\n"))])
    };
    assert_eq!(store.find_dispute(first.reference).await, Ok(Some(first.clone())));
    assert_eq!(store.find_dispute(reference(9)).await, Ok(None));
    let answered = Answered { refusal: first.reference };
    // Ten at once, over an hour later, and for a reference that never was.
    assert_eq!(store.commit_answered(sent(90, NOW.plus(ANSWERABLE + 1)), answered).await, Err(StoreError::Answered));
    let forged = Answered { refusal: reference(9) };
    assert_eq!(store.commit_answered(sent(91, NOW), forged).await, Err(StoreError::Answered));
    assert!(due(&store).await.is_empty());
    let parallel: Vec<_> = (10..20)
        .map(|number| {
            let (store, sent) = (store.clone(), sent(number, NOW.plus(ANSWERABLE)));
            tokio::spawn(async move { store.commit_answered(sent, answered).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for one in parallel {
        outcomes.push(one.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(StoreError::Answered)).count(), 9);
    assert!(store.find_dispute(first.reference).await.unwrap().unwrap().used);
    assert_eq!(store.list_copies(None, 100).await.unwrap().len(), 1, "what lost the race left something behind");
    let left = store.refusals_since(&alice, NOW).await.unwrap();
    assert_eq!(left, [PastRefusal { likeness: [1; 16], version: [8; 16] }]);
}

#[tokio::test]
async fn nobody_gets_more_notices_of_refusals_in_an_hour_than_agreed_and_one_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let alice = address("alice@example.org");
    for (number, at, expected) in
        [(1, NOW, 1), (2, NOW, 2), (2, NOW, 2), (3, NOW.plus(1), 2), (4, NOW.plus(3_600), 3), (5, NOW.plus(3_600), 4)]
    {
        let notice = copy(&["alice@example.org"], &format!("A: {number}\r\n\r\n"));
        let notice = RefusalNotice { reference: reference(number), notice, per_hour: 2 };
        let refused = Refused { notice: Some(notice), ..refusal(&alice, at, vec![], 0) };
        store.record_refusal(refused.at, Some(refused), Counters::default(), line("refused")).await.unwrap();
        assert_eq!(store.list_copies(None, 100).await.unwrap().len(), expected, "{number} at {}", at.0);
    }
}
