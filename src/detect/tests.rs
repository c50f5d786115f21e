//! Tests of detection as a whole, with the shipped rules.

pub(crate) mod linear;
mod vocabulary;

use super::index::Indexes;
use super::*;
use crate::extract::{Cell, Reason, Table, Text, TextKind};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

/// The shipped rules and lists, as `config` reads them.
pub(crate) fn shipped() -> (Vec<SourceFile>, BTreeMap<String, ListFile>) {
    let read = |folder: &str, ending: &str| {
        let mut files: Vec<SourceFile> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(ending))
            .map(|name| SourceFile {
                path: format!("{folder}/{name}"),
                text: std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(&name)).unwrap(),
            })
            .collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        files
    };
    let lists = read("rules/lists", ".txt").into_iter().map(|list| {
        let name = list.path.trim_start_matches("rules/lists/").trim_end_matches(".txt").to_owned();
        (name, list)
    });
    (read("rules/detect", ".toml"), lists.collect())
}

/// The shipped rules by themselves.
pub(crate) fn shipped_rules() -> Vec<Rule> {
    let (files, lists) = shipped();
    let mut errors = Vec::new();
    let read = files.iter().filter_map(|file| rule_file::read(file, &mut errors).map(|raw| (raw, file))).collect::<Vec<_>>();
    let mut rules: Vec<Rule> =
        read.into_iter().filter_map(|(raw, file)| rule::check(raw, file, &lists, &Indexes::default(), &mut errors)).collect();
    rules.sort_by(|one, other| one.id.cmp(&other.id));
    links::resolve(&mut rules, &mut errors);
    assert!(errors.is_empty(), "{errors:?}");
    rules
}

pub(crate) fn rule_set() -> &'static RuleSet {
    static SET: OnceLock<RuleSet> = OnceLock::new();
    SET.get_or_init(|| {
        let (files, lists) = shipped();
        RuleSet::compile(&files, &lists).unwrap_or_else(|errors| {
            panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        })
    })
}

pub(crate) fn text(group: u32, kind: TextKind, content: &str) -> Text {
    let place = match kind {
        TextKind::Body => "body".to_owned(),
        TextKind::FileName => "attachments".to_owned(),
        _ => format!("attachment {group}"),
    };
    Text { place: Place(place.into()), kind, group, content: content.to_owned(), table: None }
}

fn detect_in(texts: Vec<Text>) -> Findings {
    detect(&Extracted { texts, ..Extracted::default() }, rule_set())
}

fn confidence_of(rule: &str, findings: &Findings) -> Option<Confidence> {
    findings.found.iter().find(|finding| &*finding.rule.0 == rule).map(|finding| finding.confidence)
}

#[test]
fn the_shipped_rules_load_and_pass_their_own_tests() {
    let rules = rule_set();
    for rule in rules.rules() {
        let count =
            |nothing: bool| rule.tests.iter().filter(|test| (test.expected == rule::Expected::Nothing) == nothing).count();
        assert!(count(false) >= 4 && count(true) >= 4, "{} has too few tests", rule.id.0);
        assert!(
            !rule.why.is_empty() && !rule.description.is_empty() && !rule.owner.is_empty() && !rule.reviewed.is_empty(),
            "{}",
            rule.id.0
        );
    }
}

#[test]
fn loading_the_shipped_rules_is_quick_even_in_a_debug_build() {
    let (files, lists) = shipped();
    let before = linear::cpu();
    let set = RuleSet::compile(&files, &lists).unwrap();
    let took = linear::cpu() - before;
    assert!(took < 8_000_000, "{took} µs of CPU time");
    assert_eq!(set.hash(), rule_set().hash());
    assert!(set.hash().starts_with("sha256:") && set.hash().len() == 71);
}

#[test]
fn any_change_of_a_file_or_list_changes_the_hash() {
    let (files, mut lists) = shipped();
    lists.get_mut("health").unwrap().text.push_str("rhinopharyngite\n");
    assert_ne!(RuleSet::compile(&files, &lists).unwrap().hash(), rule_set().hash());
}

#[test]
fn spans_lead_to_the_value_as_it_was_written() {
    let content = "Sécurité sociale n°\u{a0}: 1\u{a0}85\u{202f}05 78\u{200b} 006 084 91, merci";
    let findings = detect_in(vec![text(1, TextKind::Body, content)]);
    let found = &findings.found[0].places[0];
    assert_eq!((&*findings.found[0].rule.0, found.confidence), ("fr-nir", Confidence::High));
    assert_eq!(&content[found.span.0 as usize..found.span.1 as usize], "1\u{a0}85\u{202f}05 78\u{200b} 006 084 91");
    assert_eq!(found.masked, format!("{}91", "•".repeat(13)));
}

#[test]
fn the_same_number_in_any_spelling_is_one_value() {
    let findings = detect_in(vec![text(
        1,
        TextKind::Body,
        "NIR 185057800608491, NIR 1 85 05 78 006 084 91, NIR １８５０５７８００６０８４９１",
    )]);
    assert_eq!(findings.found[0].count(Confidence::High), 3);
    assert_eq!(findings.found[0].unique(Confidence::High), 1);
}

#[test]
fn a_column_header_is_near_every_cell_of_its_column() {
    let mut content = String::from("Nom\tNuméro de sécurité sociale\tObservations\n");
    content.push_str(&"x\ty\tz\n".repeat(300));
    let mut cells = Vec::new();
    for (column, value) in ["Dupont", "185057800608491", "253072B07300470"].into_iter().enumerate() {
        let start = content.len() as u32;
        content.push_str(value);
        cells.push(Cell { start, end: content.len() as u32, column: column as u32 });
        content.push('\t');
    }
    let headers = vec![Some("Nom".into()), Some("Numéro de sécurité sociale".into()), Some("Observations".into())];
    let table = Some(Table { cells, headers });
    let findings = detect_in(vec![Text { table, ..text(1, TextKind::Attachment, &content) }]);
    let tiers: Vec<Confidence> = findings.found[0].places.iter().map(|found| found.confidence).collect();
    // The second number is near the first one's cell, not under its header.
    assert_eq!(tiers, [Confidence::High, Confidence::Medium]);
}

#[test]
fn words_reach_into_the_next_text_of_the_same_attachment_only() {
    let label = "… numéro de sécurité sociale de l'agent :";
    let number = "185057800608491 le 3 mai";
    for (groups, expected) in [((1, 1), Confidence::High), ((1, 2), Confidence::Medium)] {
        let texts = vec![text(groups.0, TextKind::Attachment, label), text(groups.1, TextKind::Attachment, number)];
        assert_eq!(confidence_of("fr-nir", &detect_in(texts)), Some(expected), "label before, {groups:?}");
        let texts = vec![text(groups.0, TextKind::Attachment, number), text(groups.1, TextKind::Attachment, label)];
        assert_eq!(confidence_of("fr-nir", &detect_in(texts)), Some(expected), "label after, {groups:?}");
    }
}

#[test]
fn near_means_within_so_many_characters() {
    for (distance, expected) in [(0, Confidence::High), (110, Confidence::High), (140, Confidence::Medium)] {
        let filler = ". ".repeat(distance / 2);
        for content in [format!("NIR {filler}185057800608491"), format!("185057800608491 {filler}NIR")] {
            assert_eq!(
                confidence_of("fr-nir", &detect_in(vec![text(1, TextKind::Body, &content)])),
                Some(expected),
                "{distance}"
            );
        }
    }
}

#[test]
fn different_words_count_in_one_attachment_not_over_several() {
    let together =
        vec![text(1, TextKind::Body, "antécédents"), text(1, TextKind::Body, "IRM"), text(1, TextKind::Body, "biopsie")];
    assert!(confidence_of("health-words", &detect_in(together)).is_some());
    let apart =
        vec![text(1, TextKind::Body, "antécédents"), text(2, TextKind::Body, "IRM"), text(3, TextKind::Body, "biopsie")];
    assert_eq!(confidence_of("health-words", &detect_in(apart)), None);
}

#[test]
fn secrets_and_words_are_never_shown() {
    let findings =
        detect_in(vec![text(1, TextKind::Body, "clé ASIAY34FZKBOKMUTVV7A\nDIFFUSION RESTREINTE\nMDPH, RQTH, inaptitude")]);
    for (rule, title) in
        [("secret-aws", "Clé d'accès AWS"), ("mark-dr", "Mention Diffusion Restreinte"), ("health-words", "Données de santé")]
    {
        let finding = findings.found.iter().find(|finding| &*finding.rule.0 == rule).unwrap();
        assert!(finding.places.iter().all(|found| found.masked == title), "{rule}");
    }
}

#[test]
fn file_names_are_scanned_and_masked_in_every_place() {
    let name = "NIR 185057800608491.pdf";
    let mut page = text(2, TextKind::Attachment, "IBAN FR14 2004 1010 0505 0001 3M02 606");
    page.place = Place(format!("{name} > page 1").into());
    let unreadable = vec![Unreadable { part: Place(format!("{name} > page 2").into()), reason: Reason::Damaged }];
    let opened = vec![Place(name.into())];
    let extracted =
        Extracted { texts: vec![text(2, TextKind::FileName, name), page], unreadable, opened, ..Extracted::default() };
    let findings = detect(&extracted, rule_set());
    assert_eq!(confidence_of("fr-nir", &findings), Some(Confidence::High));
    let places = findings.found.iter().flat_map(|finding| finding.places.iter().map(|found| &found.place));
    for place in places.chain(findings.unreadable.iter().map(|unreadable| &unreadable.part)).chain(&findings.opened) {
        assert!(!place.0.contains("1850578") && !format!("{findings:?}").contains("185057800608491"), "{place}");
    }
    assert_eq!(&*findings.unreadable[0].part.0, format!("NIR {}.pdf > page 2", "•".repeat(15)));
}

#[test]
fn hostile_spellings_are_found() {
    for (spelling, what) in [
        ("sécurité sociale : 1\u{ad}850578006\u{200d}08491", "invisible characters"),
        ("ѕécurité sоciаle : 185057800608491", "Cyrillic look-alikes in the label"),
        ("SE\u{301}CURITE\u{301} SOCIALE 1–85–05–78–006–084–91", "decomposed accents and dashes"),
        ("carte vitale : ١٨٥٠٥٧٨٠٠٦٠٨٤٩١", "Arabic digits"),
        ("n°sécu:185057800608491 / n° sécu", "glued"),
        ("NIR=185057800608491", "an equals sign"),
        ("NIR n°185057800608491", "glued to n°"),
        ("NIR\t1 85 05 78 006 084 91\t3", "between tabs"),
    ] {
        assert_eq!(
            confidence_of("fr-nir", &detect_in(vec![text(1, TextKind::Body, spelling)])),
            Some(Confidence::High),
            "{what}"
        );
    }
}

#[test]
fn look_alikes_in_ordinary_mail_are_not_reported_at_medium() {
    for content in [
        "uuid 550e8400-e29b-41d4-a716-446655440000",
        "Message-ID: <1763725200417.185057800608492@mail.example.org>",
        "https://example.org/a/732829320000740/b",
        "Tél. 01 23 45 67 89 - 06 12 34 56 78",
        "2026-11-21 10:15:00 1763725200417 1763725200928 1763725201439",
        "Commande 4500012345, lot 20261121, facture 2026-0001234",
        "12 345 678,90 EUR; 1 234 567 890 123 456",
    ] {
        let findings = detect_in(vec![text(1, TextKind::Body, content)]);
        let grave: Vec<_> = findings.found.iter().filter(|finding| finding.confidence >= Confidence::Medium).collect();
        assert!(grave.is_empty(), "{content}: {grave:?}");
    }
}

#[test]
fn the_result_is_the_same_every_time() {
    let all: String =
        rule_set().rules().iter().flat_map(|rule| rule.tests.iter().map(|test| format!("{}\n\n\n", test.text))).collect();
    let once = format!("{:?}", detect_in(vec![text(1, TextKind::Body, &all)]));
    for _ in 0..3 {
        assert_eq!(once, format!("{:?}", detect_in(vec![text(1, TextKind::Body, &all)])));
    }
    assert!(once.contains("fr-nir") && once.contains("iban"));
}

/// A whole rule with one line changed.
fn rule_with(change: impl Fn(&str) -> String) -> Result<RuleSet, Vec<RuleError>> {
    let base = "id = \"x\"\ntitle = { fr = \"X\", en = \"X\" }\nstatus = \"active\"\ncategory = \"identity\"\n[find]\nshape = \"9999\"\n\
                [near.a]\nwords = [\"code\"]\nwithin = 20\n[confidence]\nhigh = [\"near.a\"]\n[[match]]\ntext = \"code 1234\"\nbecause = \"b\"\n\
                [[no_match]]\ntext = \"1234\"\nbecause = \"b\"\n";
    RuleSet::compile(&[SourceFile { path: "rules/detect/x.toml".into(), text: change(base) }], &BTreeMap::new())
}

#[test]
fn every_mistake_names_its_line_and_what_to_write() {
    assert!(rule_with(str::to_owned).is_ok());
    for (from, to, line, part) in [
        ("[find]\n", "[find]\nvalidator = \"nri\"\n", 6, "there is no validator \"nri\"; try: fr-nir, iban"),
        ("status", "statos", 3, "did you mean \"status\"?"),
        ("shape = \"9999\"", "shapes = \"9999\"", 6, "did you mean \"shape\"?"),
        ("shape = \"9999\"", "shape = \"99B9\"", 6, "use regex"),
        ("shape = \"9999\"", "regex = 'a(?=b)'", 6, "linear time"),
        ("shape = \"9999\"", "words = \"list:nmaes\"", 6, "rules/lists/nmaes.txt"),
        ("shape = \"9999\"", "fingerprint = \"registre\"", 6, "there is no index"),
        ("shape = \"9999\"", "exact = \"agents.csv\"", 6, "there is no index"),
        ("shape = \"9999\"", "", 5, "none is given"),
        ("shape = \"9999\"", "shape = \"9999\"\nregex = 'abcd'", 5, "one of shape, words, regex"),
        ("\"active\"", "\"actif\"", 3, "try: active, draft"),
        ("\"identity\"", "\"identities\"", 4, "there is no category"),
        ("[\"near.a\"]", "[\"near.b\"]", 11, "near.a"),
        ("[\"near.a\"]", "[\"valid\"]", 11, "needs a validator"),
        ("within = 20", "within = 5000", 9, "from 1 to 1000"),
        ("within = 20", "wihtin = 20", 9, "did you mean \"within\"?"),
        ("id = \"x\"", "id = \"Y Z\"", 1, "no rule name"),
        ("id = \"x\"", "id = \"y\"", 1, "name the file y.toml"),
        ("because = \"b\"\n[[no", "[[no", 12, "\"because\" is missing"),
        ("title = { fr = \"X\", en = \"X\" }", "title = { fr = \"X\" }", 2, "\"en\" is missing"),
        ("status = \"active\"", "status = \"active", 3, "not TOML"),
        ("\"code 1234\"", "\"1234\"", 12, "a test fails: expected medium or high, found nothing"),
        ("text = \"1234\"", "text = \"code 1234\"", 15, "a test fails: expected nothing at medium or above, found high"),
    ] {
        let errors = rule_with(|base| base.replacen(from, to, 1)).err().unwrap_or_else(|| panic!("{to} is accepted"));
        assert!(errors.iter().any(|error| error.line == line && error.sentence.contains(part)), "{to}: {errors:?}");
        assert!(errors.iter().all(|error| error.file == "rules/detect/x.toml"));
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let errors = rule_with(|base| {
        base.replace("\"active\"", "\"on\"").replace("within = 20", "within = 0").replace("id = \"x\"", "id = 3")
    })
    .unwrap_err();
    assert!(errors.len() >= 3, "{errors:?}");
}

#[test]
fn a_try_says_why() {
    for (content, confidence, part) in [
        ("NIR 185057800608491", Some(Confidence::High), "near.identity holds"),
        ("NIR 185057800608492", Some(Confidence::Low), "says wrong"),
        ("IMEI 185057800608491", Some(Confidence::Low), "one tier less"),
        ("18 50 57 80 06 08 491", None, "unusual way"),
        ("rien", None, ""),
    ] {
        let report = try_text(rule_set(), "fr-nir", content).unwrap();
        assert_eq!(report.confidence, confidence, "{content}");
        assert!(
            part.is_empty() || report.places[0].reasons.iter().any(|reason| reason.contains(part)),
            "{content}: {report:?}"
        );
        assert!(!format!("{report:?}").contains("185057800608491"));
    }
    assert!(try_text(rule_set(), "fr-nri", "x").is_none());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]
    #[test]
    fn no_text_makes_it_panic_and_all_spans_hold(content in "(\\PC|[0-9 .\t\n]|AKIA|é|NIR |1850578006084){0,80}") {
        let findings = detect_in(vec![text(1, TextKind::Body, &content)]);
        for found in findings.found.iter().flat_map(|finding| &finding.places) {
            proptest::prop_assert!(content.get(found.span.0 as usize..found.span.1 as usize).is_some());
        }
    }
}
