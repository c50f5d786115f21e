//! The state machine of look-ups: whatever is known, unknown or wrong about recipients' keys, no clear octet leaves for whom encryption is
//! required, and nobody is left without an answer.

use super::*;

mod counting;

use crate::config::{Settings, laws};
use crate::mail::{Address, Identity, Language, Protection, RawMessage, UnixTime};
use crate::protect::{FindKeys, LookUp, WhyNot, trust};
use crate::quarantine::Quarantine;
use crate::store::Store;
use crate::vault::{Secrets, Vault};
use crate::world::{Clock, Dice};
use std::path::Path;
use std::sync::Mutex;

const CANARY: &str = "ornithorynque";
/// Before and after the life of `expiring` below.
const AT: UnixTime = UnixTime(1_795_348_800);

/// What is known of a recipient's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Smime,
    Openpgp,
    /// Another's key, given for this recipient by a broken source.
    Anothers,
    /// Good when it was looked up, over at the moment of sealing.
    Over,
    Nothing,
    /// There are keys, none of which may be used.
    Bad,
    Failed,
    /// Two that contradict each other.
    Contested,
    /// A usable key, and nobody knows when asked a second time.
    OnlyOnce,
}

const ALL: [Known; 9] = [
    Known::Smime,
    Known::Openpgp,
    Known::Anothers,
    Known::Over,
    Known::Nothing,
    Known::Bad,
    Known::Failed,
    Known::Contested,
    Known::OnlyOnce,
];

/// What becomes of the message beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Works,
    /// Every commit is refused.
    Full,
}

#[derive(Default)]
struct Table {
    known: Mutex<Vec<(Address, Known, usize)>>,
}

impl Table {
    fn set(&self, entries: &[(&str, Known)]) {
        let entries = entries.iter().map(|(address, known)| (Address::parse(address).unwrap(), *known, 0)).collect();
        *self.known.lock().unwrap() = entries;
    }
}

impl FindKeys for Table {
    fn find(&self, recipient: &Address, at: UnixTime) -> LookUp {
        let mut known = self.known.lock().unwrap();
        let Some((_, known, asked)) = known.iter_mut().find(|(address, ..)| address == recipient) else {
            return LookUp::Absent(Vec::new());
        };
        *asked += 1;
        match known {
            Known::OnlyOnce if *asked > 1 => LookUp::Failed("asked twice".into()),
            Known::Smime | Known::OnlyOnce => LookUp::Usable(vec![smime(recipient, at)]),
            Known::Openpgp => LookUp::Usable(vec![openpgp(recipient, at)]),
            Known::Anothers => LookUp::Usable(vec![smime(&Address::parse("mallory@example.com").unwrap(), at)]),
            // Judged two days before, when it was good: the source has not looked at its end since.
            Known::Over => LookUp::Usable(vec![openpgp(recipient, at.plus(-2 * 86_400))]),
            Known::Nothing => LookUp::Absent(Vec::new()),
            Known::Bad => LookUp::Absent(vec![WhyNot { source: "x".into(), reason: "it expired".into() }]),
            Known::Failed => LookUp::Failed("no answer".into()),
            Known::Contested => LookUp::Contested(Vec::new()),
        }
    }
}

impl AskKeys for Table {}

fn smime(address: &Address, at: UnixTime) -> crate::protect::RecipientKey {
    let mut params = rcgen::CertificateParams::default();
    params.subject_alt_names = vec![rcgen::SanType::Rfc822Name(address.key().try_into().unwrap())];
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyAgreement];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let judged = trust::judge_certificate("test", made.der(), at, &trust::Trust::default()).unwrap();
    crate::protect::RecipientKey::Smime(Arc::new(judged))
}

/// Lives for a day from the moment it is judged at.
fn openpgp(address: &Address, at: UnixTime) -> crate::protect::RecipientKey {
    use sequoia_openpgp::cert::CertBuilder;
    let made = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at.0 as u64);
    let builder = CertBuilder::new().set_creation_time(made).add_transport_encryption_subkey().add_storage_encryption_subkey();
    let builder = builder.add_userid(address.key()).set_validity_period(std::time::Duration::from_secs(86_400));
    let judged = trust::judge_openpgp("test", &builder.generate().unwrap().0, at.plus(1)).unwrap();
    crate::protect::RecipientKey::Openpgp(Arc::new(judged))
}

/// One policy: what says the canary is dealt with by `then`.
fn rules(folder: &Path, then: &str) {
    std::fs::create_dir_all(folder.join("detect")).unwrap();
    let rule = format!(
        "id = \"word\"\ntitle = {{ fr = \"Mot\", en = \"Word\" }}\ndescription = \"A word.\"\nwhy = \"A test.\"\nowner = \"dpo@example.org\"\n\
         reviewed = 2026-11-21\nstatus = \"active\"\ncategory = \"secret\"\n[find]\nwords = [\"{CANARY}\"]\n[confidence]\nhigh = [\"found\"]\n\
         [[match]]\ntext = \"un {CANARY} ici\"\nconfidence = \"high\"\nbecause = \"it is the word\"\n\
         [[no_match]]\ntext = \"un castor\"\nbecause = \"it is another word\"\n"
    );
    std::fs::write(folder.join("detect/word.toml"), rule).unwrap();
    let policy = format!(
        "default = \"allow\"\n[cases]\ninside = [\"example.org\"]\n[[policy]]\nid = \"p\"\ntitle = {{ fr = \"P\", en = \"P\" }}\n\
         when = {{ found = \"word\", confidence = \"medium\", to = \"outside\" }}\n{then}\n"
    );
    std::fs::write(folder.join("policy.toml"), policy).unwrap();
}

struct Bench {
    gate: Arc<Gate>,
    keys: Arc<Table>,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn open(memory: Memory) -> Bench {
        Bench::open_with(memory, crate::quotas::Settings::default())
    }

    fn open_with(memory: Memory, quotas: crate::quotas::Settings) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        rules(&folder.path().join("rules"), "then = \"sign\"");
        let more = if memory == Memory::Full { "[store]\nreserve_octets = 9_000_000_000_000_000_000\n" } else { "" };
        let text = format!(
            "[gate]\nhostname = \"gate.example.org\"\ninside = [\"example.org\"]\nrules = \"rules\"\n[[listener]]\nname = \"s\"\n\
             address = \"127.0.0.1:0\"\ntls = \"starttls\"\nauth = true\n[upstream]\ncapture = \"out\"\n{more}"
        );
        let settings = Settings::from_text(&folder.path().join("config.toml"), &text).unwrap();
        let (clock, dice) = (Clock::set_to(AT), Dice::seeded(1));
        let store = Store::open(&settings.data, &settings.store).unwrap();
        let vault = Arc::new(Vault::open(&settings.data, &settings.keys, &settings.hostname, clock.clone()).unwrap());
        let dkim = Arc::new(crate::serve::dkim_signers(&vault, &settings).unwrap());
        let keys = Arc::new(Table::default());
        let secrets = Secrets::open(&settings.data, store.clone()).unwrap();
        let gate = Gate::new(Rooms {
            house: settings.house(),
            laws: laws::load(&settings.rules, &settings.inside).unwrap(),
            quotas: crate::quotas::Quotas::new(store.clone(), quotas, &[7; 32]),
            quarantine: Quarantine::new(store.clone(), settings.quarantine.clone(), clock.clone()),
            store,
            vault,
            keys: keys.clone(),
            secrets,
            dkim,
            clock,
            dice,
            reader: crate::extract::Reader::here(),
        });
        Bench { gate: Arc::new(gate), keys, _folder: folder }
    }

    fn enact(&self, then: &str) {
        let folder = self._folder.path().join("rules");
        rules(&folder, then);
        self.gate.enact(laws::load(&folder, &self.gate.house.inside).unwrap());
    }
}

fn submission(recipients: &[&str], gate: &Gate) -> Submission {
    let alice = Address::parse("alice@example.org").unwrap();
    let to = recipients.join(", ");
    let raw = format!(
        "From: <alice@example.org>\r\nTo: {to}\r\nSubject: un {CANARY}\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\
         Message-ID: <1@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nCi-joint un {CANARY} de plus.\r\n"
    );
    Submission {
        reference: gate.dice.reference(),
        identity: Identity::Account {
            login: alice.clone(),
            owns: vec![alice.clone()],
            names: vec!["Alice Martin".into()],
            attributes: Default::default(),
        },
        mail_from: Some(alice),
        recipients: recipients.iter().map(|recipient| Address::parse(recipient).unwrap()).collect(),
        raw: RawMessage::new(raw.into_bytes()).unwrap(),
        origin: Origin::Listener("s".into()),
        received_at: AT,
        requires_tls: false,
        transport: Default::default(),
        language: Language::En,
    }
}

/// The canary in octets, as it is or in the encodings a copy may have.
fn shows(octets: &[u8]) -> bool {
    use base64::Engine as _;
    let joined: Vec<u8> = octets.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
    let plain = String::from_utf8_lossy(&joined).to_lowercase().replace('=', "");
    let inner = |skip: usize| {
        let coded =
            base64::engine::general_purpose::STANDARD_NO_PAD.encode([&vec![b'x'; skip][..], CANARY.as_bytes()].concat());
        coded[4..coded.len() - 4].to_owned()
    };
    plain.contains(CANARY) || (0..3).any(|skip| memchr::memmem::find(&joined, inner(skip).as_bytes()).is_some())
}

/// (bob's keys) × (carol's keys) × (what the policy says): each outcome is judged recipient by recipient.
#[test]
fn no_clear_octet_leaves_for_whom_encryption_is_required_whatever_look_ups_say_and_nobody_is_left_without_an_answer() {
    let bench = Bench::open(Memory::Works);
    let mut outcomes = [0usize; 3];
    for (then, no_key) in [
        ("then = \"encrypt\"\nif_no_key = \"quarantine\"", "held"),
        ("then = \"encrypt\"\nif_no_key = \"block\"", "refused"),
        ("then = \"encrypt_if_possible\"", "clear"),
    ] {
        bench.enact(then);
        for bob in ALL {
            for carol in ALL {
                bench.keys.set(&[("bob@example.net", bob), ("carol@example.com", carol)]);
                let submission = submission(&["bob@example.net", "carol@example.com", "dave@example.org"], &bench.gate);
                let case = format!("{then}: {bob:?}, {carol:?}");
                let (laws, agreed) = (bench.gate.laws(), Agreed::default());
                let outcome = bench
                    .gate
                    .walk(submission, "by gate.example.org".into(), &Past::default(), &laws, &agreed, Default::default())
                    .outcome;
                let both = [bob, carol];
                let contested = both.contains(&Known::Contested);
                let none = contested || both.iter().any(|known| matches!(known, Known::Nothing | Known::Bad));
                let failed = both.contains(&Known::Failed);
                let wrong = both.contains(&Known::Anothers);
                match outcome {
                    Outcome::Accept(acceptance) if acceptance.held.is_some() => {
                        outcomes[0] += 1;
                        let wants_key = no_key == "held" && none || no_key == "clear" && contested;
                        assert!(wants_key && !failed, "{case}: held");
                        assert!(acceptance.outgoing.is_empty(), "{case}: held, and copies left");
                        let held = acceptance.held.unwrap();
                        assert!(!shows(&held.sealed) && !shows(held.summary.as_bytes()), "{case}: at rest in clear");
                        assert_eq!(acceptance.notices.len(), 1, "{case}: its sender is told");
                        assert!(!shows(acceptance.notices[0].raw.as_bytes()), "{case}: the notice tells");
                    }
                    Outcome::Accept(acceptance) => {
                        outcomes[1] += 1;
                        assert!(!failed && !wrong, "{case}: sent, though a look-up failed or gave another's key");
                        assert!(!contested, "{case}: sent, though nobody chose between two keys");
                        let mut served = 0;
                        for copy in &acceptance.outgoing {
                            for recipient in &copy.recipients {
                                served += 1;
                                let known = match recipient.key().as_str() {
                                    "bob@example.net" => bob,
                                    "carol@example.com" => carol,
                                    _ => continue,
                                };
                                let has_key = !matches!(known, Known::Nothing | Known::Bad);
                                assert!(has_key || no_key == "clear", "{case}: a copy for {recipient} without a key");
                                let sealed = matches!(copy.protection, Protection::Smime | Protection::Openpgp);
                                assert_eq!(sealed, has_key, "{case}: {:?} for {recipient}", copy.protection);
                                assert!(!has_key || !shows(copy.raw.as_bytes()), "{case}: clear octets for {recipient}");
                            }
                        }
                        assert_eq!(served, 3, "{case}: somebody is left without an answer");
                    }
                    Outcome::Refuse { why, .. } => {
                        outcomes[2] += 1;
                        let reply = why.reply();
                        let text = format!("{} {} {}", reply.code(), reply.enhanced(), reply.text());
                        match (failed, wrong) {
                            (true, _) => assert!(text.starts_with("451 4.4.3"), "{case}: {text}"),
                            (false, true) if none && no_key == "refused" => {
                                assert!(text.starts_with("550 5.7.1"), "{case}: {text}")
                            }
                            (false, true) => assert!(text.starts_with("451 4.7.0"), "{case}: {text}"),
                            (false, false) => {
                                assert!(text.starts_with("550 5.7.1") && none && no_key == "refused", "{case}: {text}");
                            }
                        }
                        assert!(!shows(text.as_bytes()), "{case}: the reply tells: {text}");
                    }
                }
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 10), "held, sent, refused: {outcomes:?}");
}

#[tokio::test]
async fn a_store_that_fails_means_a_4yz_and_nothing_sent_for_every_state_of_the_keys() {
    let bench = Bench::open(Memory::Full);
    for then in ["then = \"encrypt\"\nif_no_key = \"quarantine\"", "then = \"encrypt\"\nif_no_key = \"block\""] {
        bench.enact(then);
        for bob in ALL {
            bench.keys.set(&[("bob@example.net", bob)]);
            let submission = submission(&["bob@example.net"], &bench.gate);
            let refusal = bench.gate.handle(submission, "by gate.example.org".into()).await.map(|_| ()).unwrap_err();
            let code = refusal.reply().code();
            // A policy's refusal needs room in the audit only, of which some is kept; it sends nothing either.
            let refused =
                then.contains("block") && matches!(bob, Known::Nothing | Known::Bad | Known::Contested) && code == 550;
            assert!(code / 100 == 4 || refused, "{then}: {bob:?}: {}", refusal.reply().text());
        }
    }
}

/// A source that breaks down takes its message with it, and nothing else.
#[tokio::test]
async fn a_look_up_that_breaks_down_is_a_4yz() {
    struct Breaks;
    impl FindKeys for Breaks {
        fn find(&self, _: &Address, _: UnixTime) -> LookUp {
            panic!("a look-up broke down")
        }
    }
    impl AskKeys for Breaks {}
    let bench = Bench::open(Memory::Works);
    let mut gate = Arc::into_inner(bench.gate).unwrap();
    gate.keys = Arc::new(Breaks);
    let gate = Arc::new(gate);
    let refusal = gate.handle(submission(&["bob@example.net"], &gate), "by x".into()).await.map(|_| ()).unwrap_err();
    assert_eq!(refusal.reply().code(), 451, "{}", refusal.reply().text());
}

/// A second message of the same content, with words in front of its Subject, so many seconds later.
fn again(first: &Submission, words: &str, later: i64, gate: &Gate) -> Submission {
    let raw = String::from_utf8(first.raw.as_bytes().to_vec()).unwrap();
    let raw = raw.replace("Subject: ", &format!("Subject: {words} ")).replace("<1@", "<2@");
    Submission {
        reference: gate.dice.reference(),
        raw: RawMessage::new(raw.into_bytes()).unwrap(),
        received_at: AT.plus(later),
        ..first.clone()
    }
}

#[tokio::test]
async fn a_refusal_can_be_answered_for_an_hour() {
    let bench = Bench::open(Memory::Works);
    bench.enact("then = \"confirm\"");
    for (later, passes) in [(0, true), (3_600, true), (3_601, false), (100_000, false), (-30, true)] {
        let first = submission(&["bob@example.net"], &bench.gate);
        let refusal = bench.gate.handle(first.clone(), "by x".into()).await.map(|_| ()).unwrap_err();
        let text = refusal.reply().text();
        assert!(text.contains(&format!("[confirm {} your reason]", first.reference)), "{text}");
        let answer = again(&first, &format!("[confirm {}]", first.reference), later, &bench.gate);
        match bench.gate.handle(answer, "by x".into()).await {
            Ok(accepted) => assert!(passes, "{later}: {:?}", accepted.reply().text()),
            Err(refusal) => {
                assert!(!passes && refusal.reply().code() == 550, "{later}: {refusal}");
                assert!(refusal.reply().text().contains("no longer valid"), "{later}: {refusal}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_stored_is_not_used_up() {
    let bench = Bench::open(Memory::Full);
    bench.enact("then = \"confirm\"");
    let first = submission(&["bob@example.net"], &bench.gate);
    bench.gate.handle(first.clone(), "by x".into()).await.map(|_| ()).unwrap_err();
    for _ in 0..2 {
        let answer = again(&first, &format!("[confirm {}]", first.reference), 60, &bench.gate);
        let refusal = bench.gate.handle(answer, "by x".into()).await.map(|_| ()).unwrap_err();
        assert_eq!(refusal.reply().code(), 452, "{refusal}");
    }
    assert!(!bench.gate.store.find_dispute(first.reference).await.unwrap().unwrap().used);
}
