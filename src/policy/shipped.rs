//! Shows that the shipped `rules/policy.toml` holds, and what the reader says of files with slips.

use super::policy::{Policy, RuleName, RuleNames, SourceText};
use super::{Bilingual, Parties};
use crate::detect::{Category, RuleId};
use crate::mail::Domain;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What policies may say about the shipped rules: of each file its name, title and category.
pub(super) fn rule_names() -> RuleNames {
    #[derive(serde::Deserialize)]
    struct Head {
        id: String,
        title: Bilingual,
        category: Category,
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/detect");
    let files = std::fs::read_dir(folder).expect("the shipped rules").map(|entry| entry.expect("a rule").path());
    let named = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let head: Head = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (RuleId(head.id.into()), RuleName { category: head.category, title: head.title })
    };
    RuleNames { rules: files.map(named).collect(), hash: "sha256:test".to_owned() }
}

pub(super) fn parties() -> Parties {
    let partners: BTreeSet<String> = ["partner.example", "paul@company.example"].map(str::to_owned).into();
    Parties {
        inside: Arc::new([Domain::parse("example.gouv.fr").expect("a domain")]),
        lists: Arc::new(BTreeMap::from([("partners".to_owned(), partners)])),
    }
}

pub(super) fn compile(text: &str) -> Result<Policy, Vec<String>> {
    let file = SourceText { path: "rules/policy.toml".to_owned(), text: text.to_owned() };
    Policy::compile(&file, &rule_names(), &parties()).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// The shipped policies.
pub(super) fn shipped() -> Policy {
    compile(include_str!("../../rules/policy.toml")).unwrap_or_else(|errors| panic!("{}", errors.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policies_hold_their_cases() {
        let outcomes = crate::policy::run_cases(&shipped());
        assert!(outcomes.len() >= 20);
        for outcome in outcomes {
            assert_eq!(outcome.failure, None, "{}", outcome.title);
        }
    }

    #[test]
    fn the_shipped_policies_speak_of_the_shipped_rules() {
        use crate::detect::{RuleSet, SourceFile};
        let rules = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let files_below = |folder: &str| {
            let mut paths: Vec<_> = std::fs::read_dir(rules.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            let read = |path: std::path::PathBuf| {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                (name, SourceFile { text: std::fs::read_to_string(&path).unwrap(), path: path.display().to_string() })
            };
            paths.into_iter().map(read).collect::<Vec<_>>()
        };
        let sources: Vec<SourceFile> = files_below("detect").into_iter().map(|(_, file)| file).collect();
        let lists = files_below("lists").into_iter().collect();
        let set = RuleSet::compile(&sources, &lists).unwrap();
        let mut names = RuleNames { hash: set.hash().to_owned(), ..RuleNames::default() };
        for rule in set.rules() {
            let title = Bilingual { fr: rule.title_fr.clone(), en: rule.title_en.clone() };
            names.rules.insert(rule.id.clone(), RuleName { category: rule.category, title });
        }
        let text = include_str!("../../rules/policy.toml").to_owned();
        let compiled = Policy::compile(&SourceText { path: "rules/policy.toml".to_owned(), text }, &names, &parties());
        assert_eq!(compiled.err(), None);
    }

    #[test]
    fn personal_domains_are_many_well_formed_and_complete_for_france() {
        let text = include_str!("../../rules/lists/personal-domains.txt");
        let entries: BTreeSet<&str> =
            text.lines().map(|line| line.split('#').next().unwrap_or("").trim()).filter(|e| !e.is_empty()).collect();
        assert!(entries.len() > 1_500);
        for entry in &entries {
            assert_eq!(Domain::parse(entry).map(|domain| domain.as_str() == *entry), Ok(true), "{entry}");
            assert!(entry.contains('.') && !entry.ends_with("gouv.fr"), "{entry}");
        }
        for french in [
            "orange.fr",
            "wanadoo.fr",
            "free.fr",
            "sfr.fr",
            "neuf.fr",
            "laposte.net",
            "bbox.fr",
            "numericable.fr",
            "aliceadsl.fr",
            "club-internet.fr",
            "mailo.com",
            "caramail.fr",
            "lagoon.nc",
            "gmail.com",
            "outlook.fr",
            "hotmail.fr",
            "yahoo.fr",
            "gmx.fr",
            "proton.me",
            "tutanota.com",
            "icloud.com",
            "mls.nc",
            "mail.pf",
            "only.fr",
            "izi-media.com",
            "wanadoo.yt",
            "cheznoo.net",
            "mediaserv.net",
            "lilo.org",
            "noos.fr",
            "bluewin.ch",
            "videotron.ca",
            "skynet.be",
        ] {
            assert!(entries.contains(french), "{french}");
        }
        // Each with the lists that name it and the date on which they were read: two published ones, or by hand with the provider.
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (_, remark) = line.split_once("  # ").unwrap_or_else(|| panic!("{line}: no remark"));
            let mut words = remark.splitn(3, ' ');
            let (letters, date) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            assert!(letters.chars().all(|letter| "HFKEP".contains(letter)) && date.len() == 10, "{line}");
            assert!(if letters.contains('H') { words.next().is_some() } else { letters.len() >= 2 }, "{line}");
        }
        for company in [
            "orange.com",
            "sfr.com",
            "laposte.fr",
            "bouyguestelecom.fr",
            "gouv.fr",
            "ovh.com",
            "microsoft.com",
            "google.com",
            "facebook.com",
            "berlin.de",
            "yopmail.com",
        ] {
            assert!(!entries.contains(company), "{company}");
        }
    }

    #[test]
    fn a_file_in_which_a_case_fails_is_not_loaded() {
        let text = include_str!("../../rules/policy.toml");
        let weakened =
            text.replace("then        = \"block\"", "then        = \"encrypt\"").replace("review      = \"never\"", "");
        assert_ne!(text, weakened);
        let errors = compile(&weakened).unwrap_err();
        assert!(
            errors
                .iter()
                .any(|error| error.contains("block wins over encrypt\" fails: expected block by \"no-work-to-own-mailbox\""))
        );
    }

    #[test]
    fn the_ruleset_names_rules_lists_and_policies() {
        let file = |text: &str| SourceText { path: "p".into(), text: text.into() };
        let hash = |text: &str, rules: &RuleNames, parties: &Parties| {
            Policy::compile(&file(text), rules, parties).unwrap().ruleset().clone()
        };
        let first = hash("default = \"allow\"", &rule_names(), &parties());
        assert!(first.starts_with("sha256:") && first.len() == 71);
        assert_eq!(first, hash("default = \"allow\"", &rule_names(), &parties()));
        assert_ne!(first, hash("default = \"block\"", &rule_names(), &parties()));
        assert_ne!(first, hash("default = \"allow\"", &RuleNames { hash: "sha256:x".into(), ..rule_names() }, &parties()));
        assert_ne!(first, hash("default = \"allow\"", &rule_names(), &Parties::default()));
    }

    #[test]
    fn every_slip_is_answered_with_a_line_and_what_to_write() {
        let policy = |body: &str| format!("[[policy]]\nid = \"x\"\n{body}\n");
        let case =
            |body: &str| format!("[[case]]\ntitle = \"t\"\nfrom = \"a@example.gouv.fr\"\nto = \"b@example.org\"\n{body}\n");
        let good = "when = { to = \"outside\" }\nthen = \"block\"";
        for (text, line, sentence) in [
            ("default = \"alow\"".to_owned(), 1, "default cannot be \"alow\"; did you mean \"allow\"?"),
            ("default = ".to_owned(), 1, "this is not TOML"),
            ("[[polcy]]\nid = \"x\"".to_owned(), 1, "a policy file has no \"polcy\"; did you mean \"policy\"?"),
            ("[policy]\nid = \"x\"".to_owned(), 1, "write [[policy]] with two brackets"),
            (format!("[[policy]]\n{good}"), 1, "a [[policy]] needs an id"),
            (policy("then = \"block\""), 1, "policy \"x\" needs a when"),
            (policy("when = { to = \"outside\" }"), 1, "policy \"x\" needs a then: one of block"),
            (policy("when = {}\nthen = \"block\""), 3, "an empty when says nothing"),
            (policy(&format!("{good}\nunless = {{}}")), 5, "an empty unless says nothing"),
            (policy("when = { to = \"outside\" }\nthen = \"blok\""), 4, "then cannot be \"blok\"; did you mean \"block\"?"),
            (policy("when = { to = \"outside\" }\nthen = [\"confirm\", \"quarantine\"]"), 4, "not several"),
            (policy(&format!("{good}\nreview = \"no\"")), 5, "review is \"allowed\""),
            (policy("when = { to = \"outside\" }\nthen = \"encrypt\"\nreview = \"never\""), 5, "only with then = \"block\" or"),
            (policy(&format!("{good}\nwhy = {{ fr = \"x\" }}")), 5, "why needs both languages"),
            (policy("when = { to = \"outside\" }\nthen = [\"block\", \"allow\"]"), 4, "not several"),
            (policy("when = { to = \"outside\" }\nthen = [\"block\", \"encrypt\"]"), 4, "write then = \"block\" alone"),
            (
                policy("when = { to = \"outside\" }\nthen = \"encrypt\"\nhide_subject = \"no\""),
                5,
                "\"when_sensitive\" or \"never\"",
            ),
            (policy(&format!("{good}\nhide_subject = \"never\"")), 5, "only with then = \"encrypt\""),
            (
                policy("when = { found = \"iban\" }\nthen = \"encrypt\"\nhide_subject = \"never\""),
                5,
                "write hide_subject = \"when_sensitive\"",
            ),
            ("[breaks_when_sealed]\ncalendar = \"allow\"".to_owned(), 2, "it is never clear"),
            ("[breaks_when_sealed]\ncalender = \"block\"".to_owned(), 2, "did you mean \"calendar\"?"),
            (policy("when = { to = \"outside\" }\nthen = \"encrypt\"\nif_no_key = \"allow\""), 5, "it is never clear"),
            (policy(&format!("{good}\nif_no_key = \"block\"")), 5, "only with then = \"encrypt\""),
            (policy(&format!("{good}\nif_private = \"show\"")), 5, "if_private is \"block\""),
            (policy(&format!("{good}\nmode = \"wach\"")), 5, "mode is \"enforce\" or \"watch\""),
            (policy(&format!("{good}\ntitle = {{ fr = \"x\" }}")), 5, "title needs both languages"),
            (policy(&format!("{good}\nscore = 5")), 5, "there are no scores"),
            (policy(&format!("{good}\nfound = \"iban\"")), 5, "found belongs into when"),
            (
                policy("when = { found = \"fr-nri\" }\nthen = \"block\""),
                3,
                "there is no rule \"fr-nri\"; did you mean \"fr-nir\"?",
            ),
            (policy("when = { found = \"category:identitty\" }\nthen = \"block\""), 3, "did you mean \"identity\"?"),
            (
                policy("when = { to = \"list:partner\" }\nthen = \"block\""),
                3,
                "there is no list \"partner\" (a file rules/lists/partner.txt); did you mean \"partners\"?",
            ),
            (policy("when = { to = \"outsid\" }\nthen = \"block\""), 3, "did you mean \"outside\"?"),
            (policy("when = { to = \"a b@example.org\" }\nthen = \"block\""), 3, "is no address"),
            (policy("when = { to = \"exa mple.org\" }\nthen = \"block\""), 3, "is no domain"),
            (
                policy("when = { all_facts = [\"to_own_mailbx\"] }\nthen = \"block\""),
                3,
                "there is no fact \"to_own_mailbx\"; did you mean \"to_own_mailbox\"?",
            ),
            (policy("when = { any_fact = [] }\nthen = \"block\""), 3, "any_fact = [] holds for nothing"),
            (policy("when = { unreadable = [\"passwrd\"] }\nthen = \"block\""), 3, "did you mean \"password\"?"),
            (policy("when = { to = \"outside\", confidence = \"high\" }\nthen = \"block\""), 3, "add found"),
            (policy("when = { found = \"iban\", confidence = \"hihg\" }\nthen = \"block\""), 3, "did you mean \"high\"?"),
            (
                policy("when = { found = \"iban\", at_least = 0 }\nthen = \"block\""),
                3,
                "at_least must be a whole number of at least 1",
            ),
            (policy("when = { size_over = \"10 parsecs\" }\nthen = \"block\""), 3, "size_over must be a size"),
            (policy("when = { attachment_types = \"exe\" }\nthen = \"block\""), 3, "\".exe\""),
            (policy("when = { time = { hours = \"evening\" } }\nthen = \"block\""), 3, "hours are written from-to"),
            (policy("when = { time = { weekdays = \"caturday\" } }\nthen = \"block\""), 3, "weekdays are mon"),
            (policy("when = { time = { zone = \"UTC\" } }\nthen = \"block\""), 3, "time needs hours or weekdays"),
            (
                policy("when = { time = { hours = \"1:00-2:00\", zone = \"Asia/Nowhere\" } }\nthen = \"block\""),
                3,
                "a zone is \"Europe/Paris\"",
            ),
            (
                policy("when = { fond = \"iban\" }\nthen = \"block\""),
                3,
                "when of policy \"x\" has no \"fond\"; did you mean \"found\"?",
            ),
            (format!("{0}{0}", policy(good)), 6, "\"x\" is already the id of the policy in line 1"),
            (policy(good).replace("\"x\"", "\"default\""), 2, "is not \"default\""),
            (case("expect = \"alow\""), 5, "there is no outcome \"alow\"; did you mean \"allow\"?"),
            (case("expect = \"block\""), 1, "fails: expected block, came out allow by no policy"),
            (case("expect = \"allow\"\nby = \"y\""), 6, "there is no policy \"y\""),
            (case("expect = \"allow\"\nfound = { ibann = { high = 1 } }"), 6, "did you mean \"iban\"?"),
            (case("expect = \"allow\"\nfound = { iban = { hihg = 1 } }"), 6, "did you mean \"high\"?"),
            (case("expect = \"allow\"\nat = 12"), 6, "at must be a moment"),
            ("[[case]]\ntitle = \"t\"".to_owned(), 1, "a [[case]] needs from"),
        ] {
            let errors = match compile(&text) {
                Ok(_) => panic!("loaded: {text}"),
                Err(errors) => errors,
            };
            let expected = format!("rules/policy.toml:{line}: ");
            assert!(errors.iter().any(|error| error.starts_with(&expected) && error.contains(sentence)), "{text}\n{errors:#?}");
        }
    }

    #[test]
    fn a_case_may_name_its_moment() {
        let text = "[[policy]]\nid = 'night'\nwhen = { time = { hours = '19:00-07:00' }, to = 'outside' }\nthen = 'defer'\n";
        for (at, expect) in [
            ("2026-11-21T20:00:00+01:00", "defer"),
            ("2026-11-21T12:00:00+01:00", "allow"),
            ("2026-07-14T05:30:00Z", "allow"),
            ("2026-07-14T04:59:59Z", "defer"),
        ] {
            let case = format!(
                "[[case]]\ntitle = 't'\nfrom = 'a@example.gouv.fr'\nto = 'b@example.org'\nat = {at}\nexpect = '{expect}'\n"
            );
            assert!(compile(&format!("{text}{case}")).is_ok(), "{at}");
        }
    }

    #[test]
    fn all_slips_of_a_file_are_told_at_once() {
        let text = "default = \"x\"\n[[policy]]\nid = \"a\"\nwhen = { found = \"y\" }\nthen = \"z\"\n";
        assert_eq!(compile(text).unwrap_err().len(), 3);
    }
}
