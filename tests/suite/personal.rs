//! What becomes of mail to personal mailboxes: every case of tests/messages/personal against its label, under the shipped policy.
//!
//! A refusal is right when the label says block or quarantine. Precision and recall are printed; what is known to go wrong stands by name
//! in `tests/messages/personal_misses.toml`, and nothing else may.

use postern::config::laws;
use postern::extract::Reader;
use postern::facts::{Fact, Known};
use postern::mail::{
    AccountKind, Address, Attributes, Domain, Identity, Language, Origin, RawMessage, Reference, Submission, UnixTime,
};
use postern::pipeline::{Laws, Limits, inspect};
use postern::policy::Disposition;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const INSIDE: &str = "example.gouv.fr";
/// Of refusals that were right, and of what was to be refused.
const FLOOR: f64 = 0.98;
/// The facts that labels speak of; the rest is others' concern.
const LABELLED: [Fact; 8] = [
    Fact::ToPersonalMailbox,
    Fact::ToOwnMailbox,
    Fact::ForwardsInternalMail,
    Fact::AutoForwarded,
    Fact::RepliesToOutsider,
    Fact::OfficeAttachment,
    Fact::ProfessionalContent,
    Fact::MarkedPrivate,
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages")
}

/// The envelope and the label of one case.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    because: String,
    from: Address,
    to: Vec<Address>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    aliases: Vec<Address>,
    #[serde(default)]
    private: Vec<Address>,
    #[serde(default)]
    kind: AccountKind,
    #[serde(default)]
    relay: bool,
    mail_from: Option<Address>,
    expect: Expected,
    facts: BTreeSet<Fact>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allow,
    Quarantine,
    Block,
}

/// What is known to go wrong: case → why.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Misses {
    /// Another verdict than the label's.
    #[serde(default)]
    verdicts: BTreeMap<String, String>,
    /// The right verdict with other facts.
    #[serde(default)]
    facts: BTreeMap<String, String>,
}

/// Read once: the shipped rules take a development build some seconds.
fn laws() -> &'static Laws {
    static LAWS: OnceLock<Laws> = OnceLock::new();
    LAWS.get_or_init(load)
}

fn load() -> Laws {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let inside = [Domain::parse(INSIDE).unwrap()].into();
    let (rules_read, lists) = laws::load_rules_untested(&rules).unwrap_or_else(|problems| panic!("{problems}"));
    let policy = laws::load_policy(&rules, &rules_read, &lists, &inside).unwrap_or_else(|problems| panic!("{problems}"));
    Laws { hash: policy.ruleset().clone(), rules: rules_read, policy, lists, texts: Default::default() }
}

#[test]
fn the_corpus_is_what_its_generator_writes() {
    let Ok(output) = std::process::Command::new("python3").arg(folder().join("make_personal.py")).arg("--check").output()
    else {
        assert!(std::env::var_os("POSTERN_REQUIRE_PEERS").is_none(), "python3 is missing");
        println!("LEFT OUT: python3 is not here");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// The least that one more recipient costs: the machine's other work only ever adds to it.
fn cost_of_a_recipient(domains: usize) -> Duration {
    const RECIPIENTS: u32 = 200;
    let laws = laws();
    // Real ones among as many invented ones as are missing.
    let made = (0..domains).map(|n| format!("provider-{n}.example"));
    let real = laws.lists["personal-domains"].iter().take(100).cloned();
    let mut lists = (*laws.lists).clone();
    lists.insert("personal-domains".into(), real.chain(made).take(domains).chain(["gmail.com".into()]).collect());
    let known = Known { inside: [Domain::parse(INSIDE).unwrap()].into(), lists: lists.into(), ..Known::default() };
    let names = ["amelie.bertholet", "mdupont75", "dupont.marie", "jean-claude.vasseur62", "les.amis.du.parc", "m.dupond"];
    let recipients: Vec<Address> = (0..RECIPIENTS)
        .map(|n| {
            Address::parse(&format!(
                "{}{n}@{}",
                names[n as usize % names.len()],
                ["gmail.com", "mail.company.example"][n as usize % 2]
            ))
            .unwrap()
        })
        .collect();
    let raw = "From: DUPONT Marie <marie.dupont@example.gouv.fr>\r\nSubject: x\r\n\r\nBonjour\r\n".as_bytes().to_vec();
    let label = |to: &[Address]| Label {
        because: String::new(),
        from: Address::parse("marie.dupont@example.gouv.fr").unwrap(),
        to: to.to_vec(),
        names: vec!["DUPONT Marie".into(), "Marie LEFRANC née Dupont".into()],
        aliases: vec![Address::parse("m.dupont@example.gouv.fr").unwrap()],
        private: vec![Address::parse("pseudo.voileux29@gmail.com").unwrap()],
        kind: AccountKind::Person,
        relay: false,
        mail_from: None,
        expect: Expected::Allow,
        facts: BTreeSet::new(),
    };
    let (one, many) = (submission(&label(&recipients[..1]), raw.clone()), submission(&label(&recipients), raw));
    let parsed = postern::mime::parse(&one.raw, &Limits::default().message).unwrap();
    let extracted = postern::extract::extract(&parsed, &Limits::default().reading, &Reader::here());
    let findings = postern::detect::Findings::default();
    let least = |submission: &Submission| {
        let round = || {
            let began = Instant::now();
            let facts = postern::facts::gather(submission, &parsed, &extracted, &findings, &known);
            let decision = postern::policy::decide(submission, &facts, &findings, &laws.policy);
            assert_eq!(decision.verdicts.len(), submission.recipients.len());
            began.elapsed()
        };
        (0..40).map(|_| round()).min().unwrap_or_default()
    };
    least(&many).saturating_sub(least(&one)) / (RECIPIENTS - 1)
}

#[test]
fn one_more_recipient_costs_microseconds_however_long_the_list() {
    // Issue 5 asks for 50 µs of the program as it is shipped; a build for development is many times slower, and is held to the same ratio.
    let limit = Duration::from_micros(if cfg!(debug_assertions) { 1_000 } else { 50 });
    // Other work on the machine only ever adds: one quiet moment out of five is enough to see it.
    let quiet = (0..5).any(|_| {
        let (short, long) = (cost_of_a_recipient(200), cost_of_a_recipient(20_000));
        println!("facts and decision for one recipient: {short:?} with 200 domains, {long:?} with 20,000");
        long <= limit && long <= short * 3 / 2 + Duration::from_micros(5)
    });
    assert!(quiet, "above {limit:?}, or half as much again with the long list, five times");
}

fn submission(label: &Label, raw: Vec<u8>) -> Submission {
    let identity = if label.relay {
        Identity::Relay { listener: "relay".into(), senders: vec![Domain::parse(INSIDE).unwrap()], login: None }
    } else {
        Identity::Account {
            login: label.from.clone(),
            owns: std::iter::once(&label.from).chain(&label.aliases).cloned().collect(),
            names: label.names.clone(),
            attributes: Attributes { kind: label.kind, private: label.private.clone(), ..Attributes::default() },
        }
    };
    Submission {
        reference: Reference::from_random([1; 8]),
        identity,
        mail_from: Some(label.mail_from.clone().unwrap_or_else(|| label.from.clone())),
        recipients: label.to.clone(),
        raw: RawMessage::new(raw).unwrap(),
        origin: Origin::Inspection,
        received_at: UnixTime(1_794_500_000),
        language: Language::Fr,
        requires_tls: false,
        transport: Default::default(),
    }
}

#[test]
fn mail_to_personal_mailboxes_is_refused_where_the_label_says_so() {
    let laws = laws();
    let known = Known { inside: [Domain::parse(INSIDE).unwrap()].into(), lists: laws.lists.clone(), ..Known::default() };
    let (limits, reader) = (Limits::default(), Reader::here());
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder().join("personal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 300, "only {} cases", cases.len());
    let (mut right, mut wrongly, mut missed) = (0u32, 0u32, 0u32);
    let (mut verdicts, mut facts) = (BTreeMap::new(), BTreeMap::new());
    for path in &cases {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let label: Label = toml::from_str(&std::fs::read_to_string(path.with_extension("toml")).unwrap())
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        let raw = std::fs::read_to_string(path).unwrap().replace('\n', "\r\n").into_bytes();
        let submission = submission(&label, raw);
        let seen = inspect(&submission, &known, laws, &limits, &reader).unwrap_or_else(|why| panic!("{name}: {why}"));
        let verdict = match seen.decision.disposition {
            Disposition::Allow => Expected::Allow,
            Disposition::Quarantine => Expected::Quarantine,
            Disposition::Block => Expected::Block,
            other => panic!("{name}: {other:?} has no place in a label"),
        };
        match (label.expect != Expected::Allow, verdict != Expected::Allow) {
            (true, true) => right += 1,
            (false, true) => wrongly += 1,
            (true, false) => missed += 1,
            (false, false) => {}
        }
        let held: BTreeSet<Fact> = seen.facts.of_message.union(&seen.facts.of_recipients[0].facts).copied().collect();
        let held: BTreeSet<Fact> = held.into_iter().filter(|fact| LABELLED.contains(fact)).collect();
        if verdict != label.expect {
            let by: Vec<_> = seen.decision.verdicts.iter().map(|verdict| format!("{verdict:?}")).collect();
            let said =
                format!("{}: {verdict:?} instead of {:?}; {held:?} instead of {:?}", label.because, label.expect, label.facts);
            verdicts.insert(name, if verdict == Expected::Allow { said } else { format!("{said}; {}", by.join(" ")) });
        } else if held != label.facts {
            facts.insert(name, format!("{}: {held:?} instead of {:?}", label.because, label.facts));
        }
    }
    let precision = f64::from(right) / f64::from(right + wrongly);
    let recall = f64::from(right) / f64::from(right + missed);
    println!(
        "{} cases: precision {precision:.4} ({wrongly} wrongly refused), recall {recall:.4} ({missed} missed); {} of {} verdicts and {} sets of facts as labelled",
        cases.len(),
        cases.len() - verdicts.len(),
        cases.len(),
        cases.len() - verdicts.len() - facts.len(),
    );
    let misses: Misses = toml::from_str(&std::fs::read_to_string(folder().join("personal_misses.toml")).unwrap()).unwrap();
    let shown = |wrong: &BTreeMap<String, String>, known: &BTreeMap<String, String>| {
        let unknown = wrong.iter().filter(|(name, _)| !known.contains_key(*name)).map(|(name, why)| format!("{name}: {why}"));
        let healed =
            known.keys().filter(|name| !wrong.contains_key(*name)).map(|name| format!("{name}: right by now, take it out"));
        unknown.chain(healed).collect::<Vec<_>>()
    };
    misses.verdicts.iter().chain(&misses.facts).for_each(|(name, why)| println!("known to go wrong: {name}: {why}"));
    let wrong = [shown(&verdicts, &misses.verdicts), shown(&facts, &misses.facts)].concat();
    assert!(wrong.is_empty(), "{} differ from tests/messages/personal_misses.toml:\n{}", wrong.len(), wrong.join("\n"));
    assert!(precision >= FLOOR && recall >= FLOOR, "precision {precision:.4}, recall {recall:.4}");
}
