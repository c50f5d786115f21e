//! Quotas on a real store: the last place, the sliding window, the restart.

use super::*;
use crate::mail::{Attributes, Language, Origin, Outgoing, Protection, RawMessage, Reference, Transport};
use crate::store::{self, Acceptance, AuditLine};
use std::path::Path;

const NOW: UnixTime = UnixTime(1_795_000_000);
const KEY: [u8; 32] = [7; 32];

fn store(folder: &Path) -> Store {
    Store::open(folder, &store::Settings { reserve_octets: 0, ..Default::default() }).unwrap()
}

fn quotas(folder: &Path, settings: &str) -> (Store, Quotas) {
    let store = store(folder);
    let settings: Settings = toml::from_str(settings).unwrap();
    settings.check().unwrap();
    (store.clone(), Quotas::new(store, settings, &KEY))
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn submission(number: u64, login: &str, attributes: Attributes, recipients: usize, at: UnixTime) -> Submission {
    let login = address(login);
    Submission {
        reference: Reference::from_random((number << 8).to_le_bytes()),
        identity: Identity::Account { login: login.clone(), owns: vec![login.clone()], names: vec![], attributes },
        mail_from: Some(login),
        recipients: (0..recipients).map(|n| address(&format!("r{n}@example.net"))).collect(),
        raw: RawMessage::new(&b"Subject: x\r\n\r\n0123456789\r\n"[..]).unwrap(),
        origin: Origin::Listener("s".into()),
        received_at: at,
        language: Language::En,
        requires_tls: false,
        transport: Transport::default(),
    }
}

async fn commit(store: &Store, submission: &Submission, counters: Counters) -> Result<(), StoreError> {
    let copy = Outgoing {
        mail_from: submission.mail_from.clone(),
        recipients: submission.recipients.clone(),
        raw: submission.raw.clone(),
        protection: Protection::None,
        requires_tls: false,
        transport: Transport::default(),
    };
    let mut line = serde_json::Map::new();
    line.insert("event".into(), "accepted".into());
    let acceptance = Acceptance {
        reference: submission.reference,
        at: submission.received_at,
        outgoing: vec![copy],
        held: None,
        notices: vec![],
        calls: vec![],
        counters,
        audit: AuditLine(line),
    };
    store.commit(acceptance).await.map(drop)
}

async fn send(store: &Store, quotas: &Quotas, submission: &Submission) -> Result<bool, StoreError> {
    let standing = quotas.standing(submission, Arc::default()).await?;
    if standing.over {
        return Ok(false);
    }
    commit(store, submission, standing.counted(Vec::new())).await.map(|()| true)
}

#[tokio::test]
async fn of_many_that_come_at_once_only_so_many_get_a_place_as_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let (store, quotas) = quotas(folder.path(), "[person]\nmessages_per_hour = 5");
    let mut standings = Vec::new();
    for number in 1..=20 {
        let submission = submission(number, "alice@example.org", Attributes::default(), 1, NOW);
        // All ask before the first is counted: each is told that there is room.
        let standing = quotas.standing(&submission, Arc::default()).await.unwrap();
        assert!(!standing.over);
        standings.push((submission, standing));
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (submission, standing) in standings {
        let store = store.clone();
        tasks.spawn(async move { commit(&store, &submission, standing.counted(Vec::new())).await });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 5);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(StoreError::OverQuota)).count(), 15);
    // Who has no place left is told before the message; another is not.
    for (login, full) in [("alice@example.org", true), ("bob@example.org", false)] {
        let one = submission(21, login, Attributes::default(), 1, NOW);
        assert_eq!(quotas.is_full(&one.identity, one.mail_from.as_ref(), NOW).await, Ok(full), "{login}");
        assert_eq!(quotas.is_full(&one.identity, one.mail_from.as_ref(), NOW.plus(3_700)).await, Ok(false), "{login}");
    }
}

#[tokio::test]
async fn counts_survive_a_restart_and_leave_with_their_hour() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=3 {
        // Opened anew for each message.
        let (store, quotas) = quotas(folder.path(), "[person]\nmessages_per_hour = 3\nmessages_per_day = 4");
        let sent = send(&store, &quotas, &submission(number, "alice@example.org", Attributes::default(), 1, NOW)).await;
        assert_eq!(sent, Ok(true), "{number}");
    }
    let (store, quotas) = quotas(folder.path(), "[person]\nmessages_per_hour = 3\nmessages_per_day = 4");
    for (number, after, taken) in [
        (4, 1, false),
        (5, 3_500, false),
        (6, 3_700, true),
        // The hour is free, the day is not.
        (7, 2 * 3_600 + 60, false),
        (8, 86_400 + 4_000, true),
    ] {
        let one = submission(number, "alice@example.org", Attributes::default(), 1, NOW.plus(after));
        assert_eq!(send(&store, &quotas, &one).await, Ok(taken), "after {after} seconds");
        let another =
            submission(number + 100, &format!("other{number}@example.org"), Attributes::default(), 1, NOW.plus(after));
        assert_eq!(send(&store, &quotas, &another).await, Ok(true), "another account");
    }
}

#[tokio::test]
async fn recipients_and_octets_count_and_each_kind_of_sender_has_its_own_bounds() {
    let service = || Attributes { kind: AccountKind::Service, ..Attributes::default() };
    let member = || Attributes { groups: ["direction".to_owned()].into(), ..Attributes::default() };
    let octets = submission(0, "a@example.org", Attributes::default(), 1, NOW).raw.len();
    let two_messages = format!("[person]\noctets_per_day = {}", 2 * octets);
    for (settings, login, attributes, recipients, taken) in [
        ("[person]\nrecipients_per_hour = 10", "alice@example.org", Attributes::default(), 4, 2),
        (&*two_messages, "alice@example.org", Attributes::default(), 1, 2),
        ("[service]\nmessages_per_hour = 3", "scan@example.org", service(), 1, 3),
        ("[service]\nmessages_per_hour = 3", "alice@example.org", Attributes::default(), 1, 6),
        ("[[own]]\naccount = \"alice@example.org\"\nmessages_per_hour = 1", "alice@example.org", Attributes::default(), 1, 1),
        ("[[own]]\naccount = \"bob@example.org\"\nmessages_per_hour = 1", "alice@example.org", Attributes::default(), 1, 6),
        ("[[own]]\ngroup = \"Direction\"\nmessages_per_day = 2", "alice@example.org", member(), 1, 2),
        ("[[own]]\ngroup = \"direction\"\nmessages_per_day = 2", "alice@example.org", Attributes::default(), 1, 6),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (store, quotas) = quotas(folder.path(), settings);
        let mut count = 0;
        for number in 1..=6 {
            let one = submission(number, login, attributes.clone(), recipients, NOW);
            count += usize::from(send(&store, &quotas, &one).await.unwrap());
        }
        assert_eq!(count, taken, "{settings}");
    }
}

#[tokio::test]
async fn the_members_of_a_group_share_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let (store, quotas) = quotas(folder.path(), "[[own]]\ngroup = \"direction\"\nmessages_per_day = 3");
    let mut taken = 0;
    for number in 1..=6 {
        let member = Attributes { groups: ["direction".to_owned()].into(), ..Attributes::default() };
        let one = submission(number, &format!("member{number}@example.org"), member, 1, NOW);
        taken += usize::from(send(&store, &quotas, &one).await.unwrap());
    }
    assert_eq!(taken, 3);
}

#[test]
fn a_bound_of_nobody_is_refused() {
    for wrong in ["[[own]]\nmessages_per_hour = 1", "[[own]]\naccount = \"a@example.org\"\ngroup = \"g\""] {
        assert!(toml::from_str::<Settings>(wrong).unwrap().check().is_err(), "{wrong}");
    }
}
