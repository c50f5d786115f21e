//! Many small messages are one large one: values are counted over a day, quotas hold or defer, and nothing readable is kept.

use super::*;

fn laws_of(bench: &Bench, policy: &str) {
    let folder = bench._folder.path().join("rules");
    rules(&folder, "then = \"sign\"");
    let rule = "id = \"file\"\ntitle = { fr = \"Dossier\", en = \"File\" }\ndescription = \"A file.\"\nwhy = \"A test.\"\n\
                owner = \"dpo@example.org\"\nreviewed = 2026-11-21\nstatus = \"active\"\ncategory = \"identity\"\n[find]\n\
                regex = '''dossier-[0-9]{4}'''\n[confidence]\nhigh = [\"found\"]\n[[match]]\ntext = \"un dossier-1234 ici\"\n\
                confidence = \"high\"\nbecause = \"it is one\"\n[[no_match]]\ntext = \"un dossier\"\nbecause = \"no number\"\n";
    std::fs::write(folder.join("detect/file.toml"), rule).unwrap();
    let text = format!("default = \"allow\"\n[cases]\ninside = [\"example.org\"]\n[[policy]]\nid = \"drip\"\n{policy}\n");
    std::fs::write(folder.join("policy.toml"), text).unwrap();
    bench.gate.enact(laws::load(&folder, &bench.gate.house.inside).unwrap());
}

fn holding(numbers: &[u32], to: &str, at: i64, gate: &Gate) -> Submission {
    let files: Vec<String> = numbers.iter().map(|number| format!("dossier-{number:04}")).collect();
    let raw = format!(
        "From: <alice@example.org>\r\nTo: {to}\r\nSubject: x\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n{}\r\n",
        files.join(" et ")
    );
    Submission { raw: RawMessage::new(raw.into_bytes()).unwrap(), received_at: AT.plus(at), ..submission(&[to], gate) }
}

/// `250`, `250 held`, or the code.
async fn send(bench: &Bench, submission: Submission) -> String {
    match bench.gate.handle(submission, "by gate.example.org".into()).await {
        Ok(accepted) if accepted.reply().to_string().contains("held") => "held".into(),
        Ok(_) => "sent".into(),
        Err(refusal) => refusal.reply().code().to_string(),
    }
}

const DRIP: &str = "when = { found = \"category:identity\", at_least = 5, within = \"24h\", to = \"outside\" }\nthen = ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_values_of_a_day_count_together_whatever_became_of_their_messages() {
    let bench = Bench::open(Memory::Works);
    laws_of(&bench, &format!("{DRIP}\"block\""));
    const OUT: &str = "bob@example.net";
    for (what, numbers, to, at, came) in [
        ("four values, one by one", &[1][..], OUT, 0, "sent"),
        ("", &[2], OUT, 10, "sent"),
        ("", &[3, 4], OUT, 20, "sent"),
        ("the same values again are no new ones", &[1, 2, 3, 4], OUT, 30, "sent"),
        ("among colleagues nothing is counted", &[11, 12, 13], "carol@example.org", 40, "sent"),
        ("the fifth is one too many", &[5], OUT, 50, "550"),
        ("and again", &[5], OUT, 60, "550"),
        ("who has nothing in the message is not locked out", &[], OUT, 70, "sent"),
        ("old values are still five with it, for it was tried", &[4], OUT, 80, "550"),
        ("a day after the last try the window is empty", &[6], OUT, 86_400 + 90, "sent"),
    ] {
        assert_eq!(send(&bench, holding(numbers, to, at, &bench.gate)).await, came, "{what} {numbers:?}");
    }
    for file in std::fs::read_dir(bench.gate.store.folder()).unwrap().flatten().filter(|file| file.path().is_file()) {
        let octets = std::fs::read(file.path()).unwrap();
        // The fifth never left and was counted all the same.
        assert!(memchr::memmem::find(&octets, b"dossier-0005").is_none(), "{file:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_no_more_values_leave_than_one_message_could_hold() {
    let bench = Arc::new(Bench::open(Memory::Works));
    laws_of(&bench, &format!("{DRIP}\"block\""));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..12 {
        let bench = bench.clone();
        tasks.spawn(async move { send(&bench, holding(&[number], "bob@example.net", 0, &bench.gate)).await });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "sent").count(), 4, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "550").count(), 8, "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_message_of_a_drip_can_be_released_and_what_it_held_stays_counted() {
    let bench = Bench::open(Memory::Works);
    laws_of(&bench, &format!("{DRIP}\"quarantine\""));
    assert_eq!(send(&bench, holding(&[1, 2, 3, 4], "bob@example.net", 0, &bench.gate)).await, "sent");
    let fifth = holding(&[5], "bob@example.net", 1, &bench.gate);
    let reference = fifth.reference;
    assert_eq!(send(&bench, fifth).await, "held");
    bench.gate.release(reference, "officer").await.unwrap();
    assert_eq!(send(&bench, holding(&[6], "bob@example.net", 2, &bench.gate)).await, "held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_a_quota_a_message_comes_later_or_waits_for_a_person() {
    for (over, came) in [("defer", "450"), ("hold", "held")] {
        let settings = format!("over = \"{over}\"\n[person]\nmessages_per_hour = 2");
        let bench = Bench::open_with(Memory::Works, toml::from_str(&settings).unwrap());
        laws_of(&bench, &format!("{DRIP}\"block\""));
        for expected in ["sent", "sent", came, came] {
            assert_eq!(send(&bench, holding(&[], "bob@example.net", 0, &bench.gate)).await, expected, "{over}");
        }
        assert_eq!(send(&bench, holding(&[], "bob@example.net", 3_700, &bench.gate)).await, "sent", "{over}");
    }
}
