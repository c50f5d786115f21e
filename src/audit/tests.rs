//! What the audit promises: every change of the chain shows, and no line tells more than it may.

use super::line::{self, Decided, Fate};
use super::*;
use crate::detect::{Category, Confidence, Finding, Findings, Found, RuleId, Status, ValueId};
use crate::extract::{Place, Reason, Unreadable};
use crate::facts::{Fact, Facts, PastCounts, RecipientFacts, Tally};
use crate::mail::{Address, Identity, Language, Origin, Outgoing, Protection, RawMessage, Reference, Submission, UnixTime};
use crate::policy::{Applied, Bilingual, Decision, Disposition, PolicyId, Requirements, Verdict};
use crate::store::{Settings, chain};

const NOW: UnixTime = UnixTime(1_795_000_000);

fn reference() -> Reference {
    Reference::from_random([7; 8])
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Five lines of a whole chain.
fn chained() -> Vec<String> {
    let mut prev = chain::GENESIS.to_owned();
    let lines = (1..=5).map(|seq| {
        let line = line::revealed(reference(), UnixTime(NOW.0 + seq), "officer \"o\"\nsecond line é");
        let (text, hash) = chain::write(seq, &prev, &line);
        prev = hash;
        text
    });
    lines.collect()
}

fn check(lines: &[String], known: &[Head]) -> Result<Report, Break> {
    verify(lines.join("\n").as_bytes(), known)
}

#[test]
fn a_whole_chain_is_proved_and_names_its_end() {
    let lines = chained();
    let report = check(&lines, &[]).unwrap();
    assert_eq!(report.lines, 5);
    let head = report.head.unwrap();
    assert!(lines[4].ends_with(&format!(",\"hash\":\"{}\"}}", head.hash)));
    assert_eq!(check(&lines, &[head]).unwrap().lines, 5);
    assert_eq!(check(&[], &[]).unwrap(), Report { lines: 0, head: None });
    for line in &lines {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(read["by"], "officer \"o\"\nsecond line é");
    }
}

type Change = fn(&mut Vec<String>);

#[test]
fn every_change_shows_at_its_first_line() {
    let cases: &[(&str, Change, i64, What)] = &[
        ("a word altered", |l| l[2] = l[2].replace("officer", "0fficer"), 3, What::Altered),
        ("a member taken out", |l| l[2] = l[2].replace(",\"event\":\"revealed\"", ""), 3, What::Altered),
        ("blanks put in", |l| l[2] = l[2].replace(":", ": "), 3, What::Altered),
        ("a line of the middle removed", |l| drop(l.remove(2)), 3, What::Missing),
        ("the first removed", |l| drop(l.remove(0)), 1, What::Missing),
        ("two swapped", |l| l.swap(1, 2), 2, What::Missing),
        ("one doubled", |l| l.insert(2, l[1].clone()), 2, What::Moved),
        ("moved to the end", |l| l[4] = l[0].clone(), 1, What::Moved),
        ("rewritten with a right hash of its own", |l| forge(l), 4, What::Replaced),
        ("something else", |l| l[1] = "{}".into(), 2, What::Altered),
        ("cut short", |l| l[4].truncate(60), 5, What::Altered),
        ("not text", |l| l[3] = l[3].replace("é", "e"), 4, What::Altered),
    ];
    for (name, change, seq, what) in cases {
        let mut lines = chained();
        change(&mut lines);
        assert_eq!(check(&lines, &[]), Err(Break { seq: *seq, what: what.clone() }), "{name}");
    }
}

/// Line 3 anew, chained to line 2 as it should be: line 4 then does not continue it.
fn forge(lines: &mut [String]) {
    let prev = chain::read(&lines[1]).unwrap().hash;
    lines[2] = chain::write(3, &prev, &line::gate(NOW, "started", "sha256:0")).0;
}

#[test]
fn every_single_octet_counts() {
    let whole = chained();
    for at in 0..whole[2].len() {
        let mut octets = whole[2].clone().into_bytes();
        octets[at] ^= 1;
        let text = [whole[0].as_bytes(), whole[1].as_bytes(), &octets, whole[3].as_bytes()].join(&b'\n');
        assert!(verify(&text[..], &[]).is_err(), "octet {at}");
    }
}

#[test]
fn a_cut_end_shows_only_against_a_head_that_was_kept() {
    let mut lines = chained();
    let head = check(&lines, &[]).unwrap().head.unwrap();
    lines.pop();
    assert!(check(&lines, &[]).is_ok());
    assert_eq!(check(&lines, std::slice::from_ref(&head)), Err(Break { seq: 5, what: What::HeadLost }));
    // Written wholly anew, as long as before.
    let mut prev = chain::GENESIS.to_owned();
    let anew: Vec<String> = (1..=5)
        .map(|seq| {
            let (text, hash) = chain::write(seq, &prev, &line::gate(NOW, "started", "sha256:0"));
            prev = hash;
            text
        })
        .collect();
    assert_eq!(check(&anew, &[head]), Err(Break { seq: 5, what: What::HeadLost }));
}

#[tokio::test]
async fn what_the_store_wrote_is_whole_until_somebody_else_writes_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &Settings { reserve_octets: 0, ..Settings::default() }).unwrap();
    let all = (0..1200).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.record(NOW, line::gate(NOW, "reloaded", "sha256:0")).await })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    let report = verify_store(&store, &[]).await.unwrap().unwrap();
    assert_eq!(report.lines, 1200, "several pages");
    assert_eq!(report.head, store.audit_head().await.unwrap());
    let mut file = String::new();
    let write = |line: &str| {
        file.push_str(line);
        file.push('\n');
        Ok::<(), StoreError>(())
    };
    export(&store, write).await.unwrap();
    assert_eq!(verify(file.as_bytes(), &[]).unwrap(), report);
    let db = rusqlite::Connection::open(folder.path().join("postern.db")).unwrap();
    db.execute_batch("DELETE FROM audit WHERE seq = 700").unwrap();
    assert_eq!(verify_store(&store, &[]).await.unwrap(), Err(Break { seq: 700, what: What::Missing }));
}

#[test]
fn a_decision_is_told_without_any_content() {
    let raw = RawMessage::new(&b"Subject: CANARY-SUBJECT\r\nTo: third@example.com\r\n\r\nCANARY-BODY 185057800608491\r\n"[..])
        .unwrap();
    let login = address("alice@example.org");
    let submission = Submission {
        reference: reference(),
        identity: Identity::Account {
            login: login.clone(),
            owns: vec![login.clone()],
            names: vec!["CANARY-NAME".into()],
            attributes: Default::default(),
        },
        mail_from: Some(login),
        recipients: vec![address("bob@example.net")],
        raw: raw.clone(),
        origin: Origin::Listener("submission".into()),
        received_at: NOW,
        language: Language::Fr,
        requires_tls: false,
        transport: Default::default(),
    };
    let found = Found {
        place: Place("CANARY-FILE.pdf > page 2".into()),
        confidence: Confidence::High,
        masked: "•••••••••••••91".into(),
        value: ValueId(0xCA11A51),
        digest: Default::default(),
        text: 0,
        span: (0, 15),
    };
    let finding = Finding {
        rule: RuleId("fr-nir".into()),
        category: Category::Identity,
        status: Status::Active,
        confidence: Confidence::High,
        places: vec![found.clone(), found],
    };
    let unreadable = Unreadable { part: Place("CANARY-ZIP.zip".into()), reason: Reason::Password };
    let findings = Findings { found: vec![finding], unreadable: vec![unreadable], ..Findings::default() };
    let tried = PastCounts { high: 19, medium: 19, low: 20 };
    let past = Tally { found: [("fr-nir".to_owned(), tried)].into(), ..Tally::default() };
    let facts = Facts {
        of_message: [Fact::OfficeAttachment].into(),
        of_recipients: vec![RecipientFacts {
            facts: [Fact::ToPersonalMailbox].into(),
            has_key: true,
            ..RecipientFacts::default()
        }],
        past: [(86_400, past.clone()), (3_600, Tally::default())].into(),
        ..Facts::default()
    };
    let because = Bilingual { fr: "NIR x1".into(), en: "NIR x1".into() };
    let requires = Requirements { encrypt: true, ..Requirements::NONE };
    let verdict = Verdict {
        recipient: address("bob@example.net"),
        disposition: Disposition::Allow,
        requires,
        reasons: vec![Applied {
            policy: PolicyId("identity-leaves-encrypted".into()),
            disposition: Disposition::Allow,
            requires,
            because,
            tell_sender: None,
            no_key: false,
            container: false,
            recourse: Default::default(),
        }],
    };
    let decision = Decision {
        disposition: Disposition::Allow,
        verdicts: vec![verdict],
        watched: vec![],
        ruleset: "sha256:ab".into(),
        answer: Default::default(),
    };
    let copy = Outgoing {
        mail_from: None,
        recipients: vec![address("bob@example.net")],
        raw,
        protection: Protection::Openpgp,
        requires_tls: false,
        transport: Default::default(),
    };
    let outgoing = [copy];
    let told =
        Decided { submission: &submission, decision: &decision, findings: &findings, facts: &facts, outgoing: &outgoing };
    let (text, _) = chain::write(1, chain::GENESIS, &line::decided(&told));
    for canary in ["CANARY", "third@", "185057", "•", "212933201"] {
        assert!(!text.contains(canary), "{canary} in {text}");
    }
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["event"], "accepted");
    assert_eq!(read["identity"]["login"], "alice@example.org");
    assert_eq!(read["recipients"][0]["protection"], "openpgp");
    assert_eq!(read["recipients"][0]["requires"][0], "encrypt");
    assert_eq!(read["recipients"][0]["unprotected"], serde_json::Value::Null);
    assert_eq!(read["findings"][0]["count"], 2);
    assert_eq!(read["findings"][0]["unique"], 1);
    assert_eq!(read["unreadable"][0], "password");
    assert_eq!(read["ruleset"], "sha256:ab");
    // What was decided by what the sender had tried before can be decided again.
    assert_eq!(read["past"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(serde_json::from_value::<Tally>(read["past"]["86400"].clone()).unwrap(), past);
    let released = line::released(&told, UnixTime(NOW.0 + 60), "officer", &[PolicyId("many".into())]);
    assert_eq!(
        (&released.0["event"], &released.0["by"], &released.0["lifted"][0]),
        (&"released".into(), &"officer".into(), &"many".into())
    );
    // A copy that left in clear although it had to be sealed is shouted from the audit.
    let outgoing = [Outgoing { protection: Protection::None, ..outgoing[0].clone() }];
    let line = line::decided(&Decided { outgoing: &outgoing, ..told });
    assert_eq!(line.0["recipients"][0]["unprotected"], true);
}

#[test]
fn of_the_upstreams_words_only_the_codes_are_kept() {
    let b = address("b@example.net");
    for (reply, code) in [
        ("550 5.1.1 CANARY", serde_json::json!("550 5.1.1")),
        ("550-5.7.1 CANARY", "550 5.7.1".into()),
        ("550 CANARY", "550".into()),
        ("250", "250".into()),
        ("5500 CANARY", serde_json::Value::Null),
        ("CANARY", serde_json::Value::Null),
        ("550 1.2.3.4 CANARY", "550".into()),
        ("", serde_json::Value::Null),
    ] {
        let line = line::relayed(reference(), 1, NOW, &[(b.clone(), Fate::Failed, reply)]);
        assert_eq!(line.0["recipients"][0]["code"], code, "{reply}");
        assert!(!serde_json::Value::Object(line.0).to_string().contains("CANARY"));
    }
}
