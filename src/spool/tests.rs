//! What the spool promises, on a real store and a clock that the tests move.

use super::*;
use crate::mail::{Protection, RawMessage};
use crate::store::Acceptance;
use std::path::Path;

const NOW: UnixTime = UnixTime(1_795_000_000);
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

struct Bench {
    folder: tempfile::TempDir,
    store: Store,
    spool: Spool,
    clock: Clock,
}

fn store_at(folder: &Path) -> Store {
    Store::open(folder, &crate::store::Settings { reserve_octets: 0, ..Default::default() }).unwrap()
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = store_at(folder.path());
    let clock = Clock::set_to(NOW);
    let spool = Spool::new(store.clone(), Settings::default(), clock.clone(), Dice::seeded(7));
    Bench { folder, store, spool, clock }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn audit(event: &str) -> AuditLine {
    AuditLine(serde_json::Map::from_iter([("event".to_owned(), event.into())]))
}

impl Bench {
    async fn accept(&self, number: i64, to: &[&str]) -> Reference {
        let reference = Dice::seeded(number).reference();
        let copy = Outgoing {
            mail_from: Some(address("alice@example.org")),
            recipients: to.iter().map(|to| address(to)).collect(),
            raw: RawMessage::new(format!("Subject: {number}\r\n\r\n").into_bytes()).unwrap(),
            protection: Protection::Smime,
            requires_tls: true,
            transport: Default::default(),
        };
        let (at, held, notices) = (self.clock.now(), None, vec![]);
        let acceptance = Acceptance {
            reference,
            at,
            outgoing: vec![copy],
            held,
            notices,
            calls: vec![],
            counters: Default::default(),
            audit: audit("allowed"),
        };
        self.store.commit(acceptance).await.unwrap().reference()
    }

    async fn due(&self) -> Vec<Queued> {
        self.spool.due(self.clock.now(), 10).await.unwrap()
    }

    async fn states(&self, reference: Reference) -> Vec<DeliveryState> {
        let copies = self.spool.list(Some(reference), 10).await.unwrap();
        copies.into_iter().flat_map(|copy| copy.deliveries).map(|delivery| delivery.state).collect()
    }

    fn attempted(&self, queued: &Queued, results: &[(&str, Attempt)]) -> Attempted {
        let results = results.iter().map(|(to, attempt)| (address(to), attempt.clone())).collect();
        Attempted { id: queued.id, at: self.clock.now(), results }
    }
}

fn later() -> Attempt {
    Attempt::TryLater { why: "451 4.3.2 not now".into() }
}

fn delivered() -> Attempt {
    Attempt::Delivered { reply: "250 2.0.0 ok".into() }
}

fn failed() -> Attempt {
    Attempt::Failed { reply: "550 5.1.1 nobody\r\nX-Injected: yes \u{e9}".into() }
}

#[tokio::test]
async fn a_copy_is_in_one_pair_of_hands_at_a_time_and_comes_back_as_it_was() {
    let bench = bench();
    let reference = bench.accept(1, &["b@example.net", "c@example.net"]).await;
    let first = bench.due().await;
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].reference, first[0].attempts, first[0].outgoing.recipients.len()), (reference, 0, 2));
    assert_eq!(first[0].outgoing.protection, Protection::Smime);
    assert!(first[0].outgoing.requires_tls);
    assert!(bench.due().await.is_empty());
    assert!(bench.spool.take(first[0].id).await.unwrap().is_none());
    assert_eq!(bench.spool.next_due().await.unwrap(), None);
    bench.spool.give_back(first[0].id);
    assert_eq!(bench.spool.next_due().await.unwrap(), Some(NOW));
    assert_eq!(bench.due().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_never_hold_one_copy_twice() {
    let bench = bench();
    for number in 0..40 {
        bench.accept(number, &["b@example.net"]).await;
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let workers = (0..8).map(|_| {
        let (spool, seen) = (bench.spool.clone(), seen.clone());
        tokio::spawn(async move {
            loop {
                let due = spool.due(NOW, 3).await.unwrap();
                if due.is_empty() {
                    break;
                }
                for copy in due {
                    seen.lock().unwrap().push(copy.id);
                    let results = vec![(address("b@example.net"), delivered())];
                    spool.settle(&copy, Attempted { id: copy.id, at: NOW, results }, vec![], None).await.unwrap();
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen.len(), 40);
    seen.dedup();
    assert_eq!(seen.len(), 40, "a copy was sent twice");
}

#[tokio::test]
async fn each_recipient_has_a_fate_of_its_own_and_the_served_are_not_served_again() {
    let bench = bench();
    let reference = bench.accept(1, &["b@example.net", "c@example.net", "d@example.net", "e@example.net"]).await;
    let copy = bench.due().await.remove(0);
    // Nothing was heard of e, and the upstream wrote B in its own way.
    let results = [("B@EXAMPLE.net", delivered()), ("c@example.net", failed()), ("d@example.net", later())];
    let attempted = bench.attempted(&copy, &results);
    let plan = bench.spool.plan(&copy, &attempted);
    assert_eq!(plan.failed.len(), 1);
    let (address, Failure::Refused(words)) = &plan.failed[0] else { panic!("{plan:?}") };
    assert_eq!(address.to_string(), "c@example.net");
    assert_eq!(words, "550 5.1.1 nobody??X-Injected: yes ?");
    assert!(plan.delayed.is_empty());
    bench.spool.settle(&copy, attempted.clone(), vec![], Some(audit("relayed"))).await.unwrap();
    use DeliveryState::{Delivered, Failed, Queued};
    assert_eq!(bench.states(reference).await, [Delivered, Failed, Queued, Queued]);
    // The same result told again changes nothing that is final.
    bench.spool.settle(&copy, bench.attempted(&copy, &[("b@example.net", failed())]), vec![], None).await.unwrap();
    assert_eq!(bench.states(reference).await, [Delivered, Failed, Queued, Queued]);
    assert!(bench.due().await.is_empty(), "before its time");
    bench.clock.advance(HOUR);
    let copy = bench.due().await.remove(0);
    let left: Vec<String> = copy.outgoing.recipients.iter().map(Address::to_string).collect();
    assert_eq!(left, ["d@example.net", "e@example.net"]);
}

#[tokio::test]
async fn the_sender_is_told_of_a_delay_once_and_of_the_end_when_the_time_is_up() {
    let bench = bench();
    let reference = bench.accept(1, &["b@example.net"]).await;
    let (mut delays, mut failures, mut attempts) = (Vec::new(), Vec::new(), 0);
    while bench.states(reference).await == [DeliveryState::Queued] {
        let next = bench.spool.next_due().await.unwrap().unwrap();
        bench.clock.advance(next.0 - bench.clock.now().0);
        let copy = bench.due().await.remove(0);
        let attempted = bench.attempted(&copy, &[("b@example.net", later())]);
        let plan = bench.spool.plan(&copy, &attempted);
        let since = bench.clock.now().0 - NOW.0;
        delays.extend(plan.delayed.iter().map(|_| since));
        failures.extend(plan.failed.iter().map(|(_, failure)| (since, failure.clone())));
        bench.spool.settle(&copy, attempted, vec![], None).await.unwrap();
        attempts += 1;
        assert!(attempts < 100);
    }
    assert_eq!(bench.states(reference).await, [DeliveryState::Expired]);
    assert_eq!(delays.len(), 1);
    assert!((4 * HOUR..9 * HOUR).contains(&delays[0]), "{delays:?}");
    assert_eq!(failures, [(5 * DAY, Failure::Expired("451 4.3.2 not now".into()))]);
    assert!((30..50).contains(&attempts), "{attempts}");
    assert_eq!(bench.spool.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn a_clock_that_jumps_gives_nothing_up_and_strands_nothing() {
    let bench = bench();
    let reference = bench.accept(1, &["b@example.net"]).await;
    bench.clock.advance(10 * 365 * DAY);
    let copy = bench.due().await.remove(0);
    let attempted = bench.attempted(&copy, &[("b@example.net", later())]);
    assert!(bench.spool.plan(&copy, &attempted).failed.is_empty());
    bench.spool.settle(&copy, attempted, vec![], None).await.unwrap();
    assert_eq!(bench.states(reference).await, [DeliveryState::Queued]);
    assert!(bench.due().await.is_empty(), "tried again without a pause");
    // Back again: what is due in ten years is due now.
    bench.clock.advance(-10 * 365 * DAY);
    assert!(bench.spool.next_due().await.unwrap().unwrap() <= bench.clock.now());
    assert_eq!(bench.due().await.len(), 1);
}

#[tokio::test]
async fn reports_are_queued_with_the_result_that_caused_them_and_wake_the_relay() {
    let bench = bench();
    let reference = bench.accept(1, &["b@example.net"]).await;
    bench.spool.wait(Duration::ZERO).await;
    let copy = bench.due().await.remove(0);
    let report = Outgoing { mail_from: None, recipients: vec![address("alice@example.org")], ..copy.outgoing.clone() };
    let attempted = bench.attempted(&copy, &[("b@example.net", failed())]);
    bench.spool.settle(&copy, attempted, vec![report], Some(audit("relayed"))).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), bench.store.queued()).await.expect("the relay was not woken");
    let report = bench.due().await.remove(0);
    assert_eq!((report.reference, report.outgoing.mail_from), (reference, None));
    assert_eq!(bench.states(reference).await, [DeliveryState::Failed, DeliveryState::Queued]);
}

#[tokio::test]
async fn after_a_crash_what_was_in_hand_is_due_again() {
    let bench = bench();
    let reference = bench.accept(1, &["b@example.net"]).await;
    let in_hand = bench.due().await.remove(0);
    let Bench { folder, store, spool, clock } = bench;
    drop((store, spool));
    let spool = Spool::new(store_at(folder.path()), Settings::default(), clock, Dice::seeded(8));
    let again = spool.due(NOW, 10).await.unwrap();
    assert_eq!((again[0].id, again[0].reference), (in_hand.id, reference));
}

#[tokio::test]
async fn a_damaged_copy_is_set_aside_its_sender_owed_a_word_and_the_others_go_on() {
    let bench = bench();
    let damaged = bench.accept(1, &["b@example.net"]).await;
    let whole = bench.accept(2, &["b@example.net"]).await;
    let Bench { folder, store, spool, clock } = bench;
    drop((store, spool));
    let db = rusqlite::Connection::open(folder.path().join("postern.db")).unwrap();
    db.execute_batch("UPDATE bodies SET octets = cast('Subject: 7' AS BLOB) WHERE id = 1").unwrap();
    drop(db);
    let store = store_at(folder.path());
    let spool = Spool::new(store.clone(), Settings::default(), clock.clone(), Dice::seeded(8));
    let bench = Bench { folder, store, spool, clock };
    let due = bench.due().await;
    assert_eq!(due.iter().map(|copy| copy.reference).collect::<Vec<_>>(), [whole]);
    assert_eq!(bench.states(damaged).await, [DeliveryState::Damaged]);
    let owed = bench.spool.damaged().await.unwrap();
    assert_eq!((owed.len(), owed[0].reference, &owed[0].recipients), (1, damaged, &vec![address("b@example.net")]));
    let report = Outgoing { mail_from: None, recipients: vec![address("alice@example.org")], ..due[0].outgoing.clone() };
    bench.spool.damage_told(owed[0].id, vec![report.clone()]).await.unwrap();
    bench.spool.damage_told(owed[0].id, vec![report]).await.unwrap();
    assert!(bench.spool.damaged().await.unwrap().is_empty());
    assert_eq!(bench.due().await.len(), 1, "told twice, or not at all");
}

#[tokio::test]
async fn the_operator_lists_hastens_and_withdraws() {
    let bench = bench();
    let reference = bench.accept(1, &["b@example.net", "c@example.net"]).await;
    let copy = bench.due().await.remove(0);
    let attempted = bench.attempted(&copy, &[("b@example.net", later()), ("c@example.net", delivered())]);
    bench.spool.settle(&copy, attempted, vec![], None).await.unwrap();
    let listed = bench.spool.list(None, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].attempts, listed[0].deliveries[0].said.as_str()), (1, "451 4.3.2 not now"));
    assert!(listed[0].next_at.unwrap() > bench.clock.now());
    assert!(bench.due().await.is_empty());
    assert_eq!(bench.spool.retry(None).await, Ok(1));
    assert_eq!(bench.due().await.len(), 1);
    bench.spool.give_back(copy.id);
    let copy = bench.spool.take(copy.id).await.unwrap().unwrap();
    let withdrawn = bench.spool.withdrawn(&copy);
    assert_eq!(bench.spool.plan(&copy, &withdrawn).failed.len(), 1);
    bench.spool.settle(&copy, withdrawn, vec![], Some(audit("withdrawn"))).await.unwrap();
    assert_eq!(bench.states(reference).await, [DeliveryState::Failed, DeliveryState::Delivered]);
    assert!(bench.spool.take(copy.id).await.unwrap().is_none());
    assert!(bench.spool.list(None, 10).await.unwrap().is_empty());
    assert_eq!(bench.spool.sweep().await, Ok(0));
    bench.clock.advance(31 * DAY);
    assert_eq!(bench.spool.sweep().await, Ok(1));
}

#[tokio::test]
async fn what_the_client_asked_of_the_transport_waits_with_the_copy_and_recipients_beyond_ascii_are_settled() {
    use crate::mail::{Notify, Reports, Return, Transport};
    let bench = bench();
    let (elodie, bob) = (address("Élodie@example.net"), address("bob@example.net"));
    let original = Some(("utf-8".to_owned(), "é@example.net".to_owned()));
    let reports = Reports { notify: Some(Notify { success: true, ..Notify::default() }), original };
    let transport = Transport {
        smtputf8: true,
        ret: Some(Return::Headers),
        envid: Some("a b".into()),
        reports: [(elodie.clone(), reports), (bob.clone(), Reports { notify: Some(Default::default()), original: None })]
            .into(),
    };
    let copy = Outgoing {
        mail_from: Some(address("alice@example.org")),
        recipients: vec![elodie.clone(), bob.clone()],
        raw: RawMessage::new(b"Subject: 1\r\n\r\n".to_vec()).unwrap(),
        protection: Protection::None,
        requires_tls: false,
        transport: transport.clone(),
    };
    let (reference, at) = (Dice::seeded(1).reference(), bench.clock.now());
    let audit = audit("allowed");
    let acceptance = Acceptance {
        reference,
        at,
        outgoing: vec![copy],
        held: None,
        notices: vec![],
        calls: vec![],
        counters: Default::default(),
        audit,
    };
    bench.store.commit(acceptance).await.unwrap();
    let copy = bench.due().await.remove(0);
    assert_eq!(copy.outgoing.transport, transport);
    let relayed = Attempt::Relayed { reply: "250 2.0.0 ok".into() };
    let attempted = bench.attempted(&copy, &[("élodie@example.net", relayed), ("bob@example.net", failed())]);
    let plan = bench.spool.plan(&copy, &attempted);
    assert_eq!(plan.relayed, [(elodie, "250 2.0.0 ok".to_owned())]);
    assert_eq!(plan.failed.len(), 1, "NEVER is a matter of telling, not of what became of it");
    bench.spool.settle(&copy, attempted, vec![], None).await.unwrap();
    assert_eq!(bench.states(reference).await, [DeliveryState::Delivered, DeliveryState::Failed]);
}
