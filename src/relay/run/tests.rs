//! Turns a real store, a real spool and a scripted upstream into the whole way of an accepted message.

use super::super::scripted::{Fault, Place, Script, Server};
use super::super::settings::{Timeouts, UpstreamFile, Way};
use super::super::*;
use crate::dkim::{Signer, Signers, generate};
use crate::mail::{Address, Domain, Language, Outgoing, Protection, RawMessage, Reference};
use crate::spool::Spool;
use crate::store::{Acceptance, AuditLine, DeliveryState, Store};
use crate::world::{Clock, Dice};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

struct House {
    _folder: tempfile::TempDir,
    store: Store,
    spool: Spool,
    clock: Clock,
    stop: watch::Sender<bool>,
}

fn mail(recipients: &[&str], text: &str) -> Outgoing {
    Outgoing {
        mail_from: Some(Address::parse("alice@example.org").unwrap()),
        recipients: recipients.iter().map(|text| Address::parse(text).unwrap()).collect(),
        raw: RawMessage::new(text.as_bytes().to_vec()).unwrap(),
        protection: Protection::None,
        requires_tls: false,
        transport: Default::default(),
    }
}

fn way(port: u16) -> Way {
    let timeouts = Timeouts { data_end: 2, ..Timeouts::default() };
    let file = UpstreamFile { address: Some(format!("127.0.0.1:{port}")), timeouts, ..UpstreamFile::default() };
    file.check().unwrap()
}

impl House {
    fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let settings = crate::store::Settings { reserve_octets: 0, ..Default::default() };
        let store = Store::open(folder.path(), &settings).unwrap();
        let clock = Clock::system();
        let spool = Spool::new(store.clone(), crate::spool::Settings::default(), clock.clone(), Dice::seeded(7));
        House { _folder: folder, store, spool, clock, stop: watch::channel(false).0 }
    }

    async fn accept(&self, number: i64, recipients: &[&str]) -> Reference {
        let reference = Dice::seeded(number).reference();
        let copy = mail(recipients, &format!("From: alice@example.org\r\nSubject: {number}\r\n\r\nCANARY\r\n"));
        let audit = AuditLine(serde_json::Map::from_iter([("event".to_owned(), "accepted".into())]));
        let at = self.clock.now();
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
        self.store.commit(acceptance).await.unwrap();
        reference
    }

    fn relay(&self, way: Way, signers: Signers) -> tokio::task::JoinHandle<()> {
        let relay = Relay {
            spool: self.spool.clone(),
            upstream: Arc::new(Upstream::new(way, "gate.example.org")),
            signers: Arc::new(signers),
            reports: Reports {
                texts: Default::default(),
                hostname: Domain::parse("gate.example.org").unwrap(),
                postmaster: Address::parse("postmaster@example.org").unwrap(),
                inside: vec![Domain::parse("example.org").unwrap()],
                language: Language::En,
                dice: Dice::seeded(11),
            },
            clock: self.clock.clone(),
        };
        tokio::spawn(relay.run(self.stop.subscribe(), Duration::from_millis(300)))
    }

    async fn states(&self, reference: Reference) -> Vec<DeliveryState> {
        let copies = self.spool.list(Some(reference), 10).await.unwrap();
        copies.into_iter().flat_map(|copy| copy.deliveries).map(|delivery| delivery.state).collect()
    }
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..400 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what}: not within 10 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_arrives_and_a_refusal_is_told_by_a_signed_report() {
    let house = House::new();
    let server = Server::start(Script::default()).await;
    let keys = generate().unwrap();
    let domain = Domain::parse("example.org").unwrap();
    let signer = Signer::new(domain, "r", &keys.rsa_pkcs8_pem, "e", &keys.ed25519_pkcs8_der).unwrap();
    let relay = house.relay(way(server.port), Signers::new([signer]));
    let reference = house.accept(1, &["b@example.net", "refuse550@example.net"]).await;
    let messages = until("the message and the report", async || {
        let messages = server.seen().messages;
        (messages.len() == 2).then_some(messages)
    })
    .await;
    assert_eq!(messages[0].0, ["b@example.net"]);
    assert_eq!(messages[1].0, ["alice@example.org"]);
    let report = String::from_utf8(messages[1].1.clone()).unwrap();
    assert!(
        report.starts_with("DKIM-Signature: ")
            && report.contains("Final-Recipient: rfc822; refuse550@example.net")
            && report.contains("smtp; 550 no"),
        "{report}"
    );
    assert!(!report.contains("CANARY"), "a report never holds the body:\n{report}");
    assert_eq!(house.states(reference).await[..2], [DeliveryState::Delivered, DeliveryState::Failed]);
    house.stop.send(true).unwrap();
    relay.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_comes_back_gets_all_that_waited_once() {
    let house = House::new();
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let relay = house.relay(way(unused), Signers::default());
    for number in 0..10 {
        house.accept(number, &["b@example.net"]).await;
    }
    until("an attempt each", async || {
        let copies = house.spool.list(None, 100).await.unwrap();
        copies.iter().all(|copy| copy.attempts > 0).then_some(())
    })
    .await;
    let server = Server::start_at(unused, Script::default()).await;
    until("all ten", async || (server.seen().messages.len() == 10).then_some(())).await;
    until("an empty spool", async || house.spool.list(None, 100).await.unwrap().is_empty().then_some(())).await;
    house.stop.send(true).unwrap();
    relay.await.unwrap();
    assert_eq!(server.seen().messages.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_go_over_few_connections_each_once() {
    let house = House::new();
    let server = Server::start(Script::default()).await;
    let relay = house.relay(way(server.port), Signers::default());
    for number in 0..60 {
        house.accept(number, &[&format!("r{number}@example.net")]).await;
    }
    until("an empty spool", async || house.spool.list(None, 100).await.unwrap().is_empty().then_some(())).await;
    house.stop.send(true).unwrap();
    relay.await.unwrap();
    let seen = server.seen();
    let mut reached: Vec<String> = seen.messages.into_iter().flat_map(|(recipients, _)| recipients).collect();
    reached.sort();
    reached.dedup();
    assert_eq!(reached.len(), 60);
    assert!(seen.connections <= 4, "{}", seen.connections);
    assert_eq!(seen.commands.iter().filter(|command| *command == "QUIT").count(), seen.connections, "a polite end");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_does_not_wait_for_an_upstream_that_hangs_and_the_copy_stays() {
    let house = House::new();
    let script = Script { fault: Some((Place::Dot, Fault::Hang, 9)), ..Script::default() };
    let server = Server::start(script).await;
    let relay = house.relay(way(server.port), Signers::default());
    let reference = house.accept(1, &["b@example.net"]).await;
    until("the message at the upstream", async || (server.seen().messages.len() == 1).then_some(())).await;
    house.stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(1), relay).await.expect("it stops").unwrap();
    assert_eq!(house.states(reference).await, [DeliveryState::Queued]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_capture_upstream_takes_everything_once() {
    let house = House::new();
    let outbox = tempfile::tempdir().unwrap();
    let relay = house.relay(Way::Capture(outbox.path().join("outbox")), Signers::default());
    for number in 0..20 {
        house.accept(number, &["b@example.net"]).await;
    }
    until("an empty spool", async || house.spool.list(None, 100).await.unwrap().is_empty().then_some(())).await;
    house.stop.send(true).unwrap();
    relay.await.unwrap();
    let files = std::fs::read_dir(outbox.path().join("outbox/new")).unwrap().count();
    assert_eq!(files, 20);
}
