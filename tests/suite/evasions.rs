//! Every message of tests/corpus/evasions comes to what its index says: found, unreadable, refused; honest mail to nothing.

use postern::config::laws;
use postern::detect::{self, Confidence};
use postern::mail::RawMessage;
use postern::{extract, mime};
use std::collections::BTreeSet;
use std::path::Path;

#[derive(serde::Deserialize)]
struct Index {
    /// Rules whose findings stand in every footer.
    public: BTreeSet<String>,
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    file: String,
    because: String,
    /// All of these, or what else is allowed below.
    found: Option<BTreeSet<String>>,
    #[serde(default)]
    unreadable: bool,
    #[serde(default)]
    refused: bool,
    #[serde(default)]
    clean: bool,
    known_miss: Option<String>,
}

/// What came of a message.
enum Seen {
    Refused,
    Read { strong: BTreeSet<String>, unreadable: bool },
}

fn look(octets: Vec<u8>, rules: &detect::RuleSet) -> Seen {
    let Ok(raw) = RawMessage::new(octets) else { return Seen::Refused };
    let Ok(message) = mime::parse(&raw, &mime::Limits::default()) else { return Seen::Refused };
    let findings = detect::detect(&extract::extract(&message, &extract::Limits::default(), &extract::Reader::here()), rules);
    let strong = findings.found.iter().filter(|found| found.confidence >= Confidence::Medium);
    Seen::Read { strong: strong.map(|found| found.rule.0.to_string()).collect(), unreadable: !findings.unreadable.is_empty() }
}

impl Case {
    fn holds(&self, seen: &Seen, public: &BTreeSet<String>) -> bool {
        match seen {
            Seen::Refused => self.refused,
            Seen::Read { strong, unreadable } if self.clean => strong.is_subset(public) && !unreadable,
            Seen::Read { strong, unreadable } => {
                *unreadable && self.unreadable || self.found.as_ref().is_some_and(|found| found.is_subset(strong))
            }
        }
    }
}

#[test]
fn no_disguise_hides_a_secret_and_no_honest_mail_is_held() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/corpus/evasions");
    let index: Index = toml::from_str(&std::fs::read_to_string(folder.join("index.toml")).unwrap()).unwrap();
    let (rules, _) = laws::load_rules(&root.join("rules")).unwrap();
    let mut wrong = Vec::new();
    for case in &index.case {
        let seen = look(std::fs::read(folder.join(&case.file)).unwrap(), &rules);
        let told = match &seen {
            Seen::Refused => "refused".to_owned(),
            Seen::Read { strong, unreadable } => format!("found {strong:?}{}", if *unreadable { ", unreadable" } else { "" }),
        };
        match (case.holds(&seen, &index.public), &case.known_miss) {
            (true, None) => {}
            (false, Some(why)) => println!("known miss: {}: {}: {why}", case.file, case.because),
            (true, Some(_)) => wrong.push(format!("{}: is no longer a miss: take `miss` out of make_evasions.py", case.file)),
            (false, None) => wrong.push(format!("{}: {}: {told}", case.file, case.because)),
        }
    }
    let honest = index.case.iter().filter(|case| case.clean).count();
    assert!(index.case.len() - honest >= 120 && honest >= 40, "the corpus shrank: {} and {honest}", index.case.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), index.case.len(), wrong.join("\n"));
}
