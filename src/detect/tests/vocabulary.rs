//! Tests of the words that tie rules to kinds of text, to published examples, and to each other.

use super::super::*;
use super::text;
use crate::extract::{Text, TextKind};
use std::collections::BTreeMap;

/// A rule: its id, `[find]` and what follows, without tests of its own beyond two that say nothing.
fn rule(id: &str, category: &str, rest: &str) -> SourceFile {
    rule_with_status(id, category, "active", rest)
}

fn rule_with_status(id: &str, category: &str, status: &str, rest: &str) -> SourceFile {
    let text = format!(
        "id = \"{id}\"\ntitle = {{ fr = \"{id}\", en = \"{id}\" }}\nstatus = \"{status}\"\ncategory = \"{category}\"\n{rest}\n"
    );
    SourceFile { path: format!("rules/detect/{id}.toml"), text }
}

/// Adds tests to rules that are only there to be used: what a rule finds is asked of the whole set below.
fn compile(mut files: Vec<SourceFile>) -> Result<RuleSet, Vec<RuleError>> {
    for file in &mut files {
        if !file.text.contains("[[no_match]]") {
            file.text.push_str("[[no_match]]\ntext = \"-\"\nbecause = \"nothing\"\n");
        }
        if !file.text.contains("[[match]]") {
            file.text.push_str("[[match]]\ntext = \"QQ 7777 code\"\nbecause = \"the general example\"\n");
        }
    }
    RuleSet::compile(&files, &BTreeMap::new())
}

fn set(files: Vec<SourceFile>) -> RuleSet {
    compile(files).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// What each rule reports: `id confidence value`, one after the other.
fn reported(rules: &RuleSet, texts: Vec<Text>) -> Vec<String> {
    let extracted = Extracted { texts, ..Extracted::default() };
    let findings = detect(&extracted, rules);
    let mut lines = Vec::new();
    for finding in &findings.found {
        for found in &finding.places {
            let value = &extracted.texts[found.text].content[found.span.0 as usize..found.span.1 as usize];
            lines.push(format!("{} {} {value}", finding.rule.0, rule_test::word(found.confidence)));
        }
    }
    lines
}

fn body(content: &str) -> Vec<Text> {
    vec![text(1, TextKind::Body, content)]
}

const CODE: &str = "[find]\nregex = '(?:QQ )?7[0-9]{3}'";

#[test]
fn a_rule_looks_only_into_the_kinds_of_text_that_it_names() {
    use TextKind::*;
    for (kinds, found_in) in [
        ("[\"header\"]", vec![Header]),
        ("[\"body\", \"name\"]", vec![Body, FileName, Alternative]),
        ("\"attachment\"", vec![Attachment]),
        ("[\"properties\"]", vec![Properties]),
    ] {
        let rules = set(vec![rule("code", "legal", &format!("{CODE}\nin = {kinds}"))]);
        for (group, kind) in (1..).zip([Header, Body, FileName, Attachment, Properties]) {
            let expected = usize::from(found_in.contains(&kind));
            assert_eq!(reported(&rules, vec![text(group, kind, "QQ 7123")]).len(), expected, "{kinds} {kind:?}");
        }
        // A second reading is one of whatever else its group has.
        let second = vec![text(1, Body, "-"), text(1, Alternative, "7123")];
        assert_eq!(reported(&rules, second).len(), usize::from(found_in.contains(&Alternative)), "{kinds}");
    }
}

#[test]
fn published_examples_never_count_however_they_are_written() {
    let rules = set(vec![rule(
        "code",
        "secret",
        "[find]\nregex = '[0-9A-Z]{4}[- ][0-9]{4}'\nexcept = [\"ab12 3456\", \"QQQQ0000\"]\n[[match]]\ntext = \"AB12 3457\"\nbecause = \"not the example\"",
    )]);
    assert!(reported(&rules, body("AB12-3456, ab12 3456, QQQQ-0000")).is_empty());
    assert_eq!(reported(&rules, body("AB12-3457 AB12-3456")), ["code medium AB12-3457"]);
    let report = try_text(&rules, "code", "AB12-3456").unwrap();
    assert!(report.places[0].reasons.iter().any(|reason| reason.contains("never count")), "{report:?}");
}

#[test]
fn only_the_value_group_is_the_value() {
    let find = "[find]\nregex = '(?i)matricule ?: ?(?<value>[0-9]{4,14})|badge (?<value2>[A-Z]{4})'\nmin = 2\n[[match]]\ntext = \"matricule : 7777, badge ABCD\"\nbecause = \"two values\"";
    let rules = set(vec![rule("code", "hr", find)]);
    assert_eq!(
        reported(&rules, body("Matricule: 1234, badge WXYZ, MATRICULE :1234.")),
        ["code medium 1234", "code medium WXYZ", "code medium 1234"]
    );
    assert!(reported(&rules, body("Matricule: 1234 puis matricule :1234")).is_empty(), "one value, told twice");
    let find = "[find]\nregex = '(?i)siren[^0-9]{1,9}(?<value>[0-9]{9})'\nvalidator = \"fr-siren\"\n[[match]]\ntext = \"siren n° 732829320\"\nbecause = \"b\"";
    let rules = set(vec![rule("code", "hr", find)]);
    assert_eq!(reported(&rules, body("SIREN : 732829320.")), ["code medium 732829320"]);
    assert!(reported(&rules, body("SIREN : 732829321.")).is_empty(), "the validator sees the value only");
}

#[test]
fn so_many_different_words_must_be_near() {
    let near = "[near.a]\nwords = [\"rouge\", \"vert\", \"vert clair\", \"bleu\"]\nwithin = 40\nmin = 3\n[confidence]\nhigh = [\"near.a\"]\n[[match]]\ntext = \"7123 rouge vert bleu\"\nbecause = \"b\"";
    let rules = set(vec![rule("code", "legal", &format!("{CODE}\n{near}"))]);
    for (content, found) in [
        ("rouge 7123 vert, bleu", true),
        ("rouge, rouge, vert 7123 vert, rouge", false),
        ("rouge 7123 vert clair", false), // "vert" inside "vert clair" is no word of its own
        ("rouge 7123 vert clair, vert", true),
        ("rouge 7123 vert, xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx bleu", false),
    ] {
        assert_eq!(!reported(&rules, body(content)).is_empty(), found, "{content}");
    }
    // Over the edge of a text, and from the head of a column.
    let parts = vec![text(1, TextKind::Body, "rouge et vert"), text(1, TextKind::Body, "7123 bleu")];
    assert_eq!(reported(&rules, parts).len(), 1);
    let table = crate::extract::Table {
        cells: vec![crate::extract::Cell { start: 0, end: 4, column: 0 }],
        headers: vec![Some("Rouge".into())],
    };
    let cell = |rest: &str| Text { table: Some(table.clone()), ..text(1, TextKind::Attachment, &format!("7123\t{rest}")) };
    assert_eq!(reported(&rules, vec![cell("vert bleu")]).len(), 1);
    assert!(reported(&rules, vec![cell("vert rouge")]).is_empty());
}

#[test]
fn a_word_anywhere_in_the_document_or_in_the_subject_above_it() {
    let near = "[near.a]\nwords = [\"paie\", \"salaire\"]\nwithin = \"document\"\nmin = 2\n[confidence]\nhigh = [\"near.a\"]\n[[match]]\ntext = \"7123 paie salaire\"\nbecause = \"b\"";
    let rules = set(vec![rule("code", "legal", &format!("{CODE}\n{near}"))]);
    let far = format!("7123 paie {} salaire", "x ".repeat(3000));
    assert_eq!(reported(&rules, body(&far)).len(), 1);
    assert!(reported(&rules, body("7123 paie")).is_empty());
    let header = |content: &str, place: &str| {
        let mut header = text(9, TextKind::Header, content);
        header.place = Place(place.into());
        header
    };
    let within = |place: &str| {
        let mut text = text(1, TextKind::Body, "7123 paie");
        text.place = Place(place.into());
        text
    };
    for (subject, home, place, found) in [
        ("From: a\nSubject: le salaire\n", "header", "body 1", true),
        ("From: salaire\nSubject: rien\n", "header", "body 1", false),
        ("Subject: salaire\n", "fwd.eml > header", "fwd.eml > body 1", true),
        ("Subject: salaire\n", "fwd.eml > header", "body 1", false),
        ("Subject: salaire\n", "header", "fwd.eml > x.pdf > page 2", true),
    ] {
        let texts = vec![header(subject, home), within(place)];
        assert_eq!(!reported(&rules, texts).is_empty(), found, "{subject} in {home}, {place}");
    }
    let apart = vec![text(1, TextKind::Body, "7123 paie"), text(2, TextKind::Attachment, "salaire")];
    assert!(reported(&rules, apart).is_empty());
}

/// Two rules for others to name, and one that needs them.
fn tied(group: &str) -> RuleSet {
    set(vec![
        rule("aa", "identity", "[find]\nregex = 'A[0-9]{4}'\n[[match]]\ntext = \"A1234\"\nbecause = \"b\""),
        rule(
            "bb",
            "identity",
            "[find]\nregex = 'B[0-9]{4}'\n[near.x]\nwords = [\"sur\"]\nwithin = 9\n[confidence]\nmedium = [\"near.x\"]\nlow = [\"found\"]\n[[match]]\ntext = \"sur B1234\"\nbecause = \"b\"",
        ),
        rule(
            "code",
            "legal",
            &format!(
                "{CODE}\n[near.a]\n{group}\n[confidence]\nhigh = [\"near.a\"]\n[[match]]\ntext = \"7123 A1234 sur B1234 A1235\"\nbecause = \"b\""
            ),
        ),
    ])
}

#[test]
fn findings_of_other_rules_are_evidence_at_medium_or_above() {
    let one = tied("found = [\"aa\", \"bb\"]\nwithin = 20");
    let category = tied("found = \"category:identity\"\nwithin = 20");
    let two = tied("found = \"category:identity\"\nwithin = 20\nmin = 2");
    let document = tied("found = \"category:identity\"\nwithin = \"document\"\nmin = 2");
    let codes =
        |rules: &RuleSet, texts: Vec<Text>| reported(rules, texts).iter().filter(|line| line.starts_with("code")).count();
    for (content, expected) in [
        ("7123 et A1234", [1, 1, 0, 0]),
        ("7123 et B1234", [0, 0, 0, 0]),
        ("7123 sur B1234", [1, 1, 0, 0]),
        ("A1234 7123 A1235", [1, 1, 1, 1]),
        ("A1234 7123 A1234", [1, 1, 0, 0]),
        ("A1234 A1235 ...................... 7123", [0, 0, 0, 1]),
    ] {
        let found = [&one, &category, &two, &document].map(|rules| codes(rules, body(content)));
        assert_eq!(found, expected, "{content}");
    }
    let across = |number: usize| vec![text(1, TextKind::Body, "A1234 ! "), text(number as u32, TextKind::Body, "7123")];
    assert_eq!(codes(&one, across(1)), 1, "over the edge of a text");
    assert_eq!(codes(&one, across(2)), 0, "not into another attachment");
    let report = try_text(&one, "code", "7123 A1234").unwrap();
    assert!(report.places[0].reasons.iter().any(|reason| reason.contains("near.a holds: a finding")), "{report:?}");
}

#[test]
fn a_value_is_no_evidence_for_itself() {
    let rules = set(vec![
        rule("aa", "identity", "[find]\nregex = '7[0-9]{3}'\n[[match]]\ntext = \"7123\"\nbecause = \"b\""),
        rule(
            "code",
            "legal",
            "[find]\nregex = 'QQ 7[0-9]{3}'\n[near.a]\nfound = \"aa\"\nwithin = 20\n[confidence]\nhigh = [\"near.a\"]\n[[match]]\ntext = \"QQ 7123 7124\"\nbecause = \"b\"",
        ),
    ]);
    assert_eq!(reported(&rules, body("QQ 7123")), ["aa medium 7123"]);
    assert_eq!(reported(&rules, body("QQ 7123 7123")).len(), 3);
}

#[test]
fn what_lies_inside_a_place_of_a_rule_to_which_it_yields_is_not_reported() {
    let short = |extra: &str| {
        rule(
            "short",
            "identity",
            &format!(
                "yields_to = [\"long\"]\n[find]\nregex = '[0-9]{{3}}'\n{extra}[[match]]\ntext = \"x 123\"\nbecause = \"alone\""
            ),
        )
    };
    let long = "[find]\nregex = '(?i)n[0-9]{3}|[0-9]{3}[ -][0-9]{3}'\n[near.sure]\nwords = [\"sur\"]\nwithin = 9\n[confidence]\nhigh = [\"near.sure\"]\nmedium = [\"found\"]\n[[match]]\ntext = \"N123\"\nbecause = \"b\"";
    let rules = set(vec![short(""), rule("long", "identity", long)]);
    assert_eq!(reported(&rules, body("123-456 et 789")), ["long medium 123-456", "short medium 789"]);
    let higher = "[near.h]\nwords = [\"haut\"]\nwithin = 9\n";
    let rules = set(vec![short(higher), rule("long", "identity", long)]);
    assert_eq!(
        reported(&rules, body("haut 123 456")),
        ["long medium 123 456", "short high 123", "short high 456"],
        "surer than what it lies in"
    );
    assert_eq!(reported(&rules, body("sur 123 456")), ["long high 123 456"]);
    let report = try_text(&rules, "short", "123 456").unwrap();
    assert_eq!(report.confidence, None);
    assert!(report.places[0].reasons.iter().any(|reason| reason.contains("what long found")), "{report:?}");
    // A draft is acted on by nobody, so it hides nothing from those who act.
    let rules = set(vec![short(""), rule_with_status("long", "identity", "draft", long)]);
    assert_eq!(reported(&rules, body("123-456")).len(), 3);
}

#[test]
fn who_yields_still_hides_what_yields_to_it_and_its_own_count_is_of_what_remains() {
    let rules = set(vec![
        rule(
            "a",
            "identity",
            "yields_to = \"b\"\n[find]\nregex = '[0-9]{3}'\nmin = 2\n[[match]]\ntext = \"123, 456\"\nbecause = \"b\"",
        ),
        rule(
            "b",
            "identity",
            "yields_to = \"c\"\n[find]\nregex = '[0-9]{3}-[0-9]{3}'\n[[match]]\ntext = \"123-456\"\nbecause = \"b\"",
        ),
        rule("c", "identity", "[find]\nregex = 'X-[0-9]{3}-[0-9]{3}'\n[[match]]\ntext = \"X-123-456\"\nbecause = \"b\""),
    ]);
    assert_eq!(reported(&rules, body("X-123-456")), ["c medium X-123-456"]);
    assert_eq!(reported(&rules, body("X-123-456 789")), ["c medium X-123-456"], "one value remains, two are asked for");
    assert_eq!(reported(&rules, body("123-456 789 987")), ["a medium 789", "a medium 987", "b medium 123-456"]);
}

#[test]
fn mistakes_in_what_ties_rules_together_say_what_to_write() {
    let find = "[find]\nshape = \"9999\"\n";
    let other = || {
        rule(
            "other",
            "legal",
            "[find]\nshape = \"9999\"\n[near.a]\nfound = \"category:hr\"\nwithin = 9\n[confidence]\nlow = [\"found\"]\n",
        )
    };
    for (rest, part) in [
        (format!("yields_to = \"othre\"\n{find}"), "does not exist; did you mean \"other\"?"),
        (format!("yields_to = \"x\"\n{find}"), "cannot yield to itself"),
        (format!("{find}[near.a]\nfound = [\"othre\"]\nwithin = 9"), "does not exist; did you mean \"other\"?"),
        (format!("{find}[near.a]\nfound = [\"other\"]\nwithin = 9"), "uses \"found\" itself"),
        (format!("{find}[near.a]\nfound = [\"x\"]\nwithin = 9"), "no evidence for itself"),
        (format!("{find}[near.a]\nfound = [\"category:identities\"]\nwithin = 9"), "no category \"identities\"; try: identity"),
        (format!("{find}[near.a]\nfound = [\"other\"]\nwords = [\"a\"]\nwithin = 9"), "takes words or found"),
        (format!("{find}[near.a]\nwithin = 9"), "\"words\" is missing"),
        (format!("{find}[near.a]\nfound = []\nwithin = 9"), "\"found\" is empty"),
        (format!("{find}[near.a]\nwords = [\"rouge\"]\nwithin = \"documents\""), "from 1 to 1000"),
        (format!("{find}[near.a]\nwords = [\"rouge\"]\nwithin = 9\nmin = 2"), "fewer"),
        (format!("{find}in = [\"bodies\"]\n"), "try: header, body"),
        (format!("{find}except = \"1234\"\n"), "write except = [\"1234\"]"),
        (format!("{find}except = [\"--\"]\n"), "no letter or digit"),
        (format!("{find}except = \"list:examples\"\n"), "rules/lists/examples.txt"),
        ("[find]\nregex = 'a(?<number>[0-9]+)'\n".to_owned(), "write (?<value>"),
    ] {
        let errors = compile(vec![rule("x", "identity", &rest), other()]).err().unwrap_or_else(|| panic!("{rest} is accepted"));
        assert!(errors.iter().any(|error| error.sentence.contains(part) && error.line > 4), "{rest}: {errors:?}");
    }
    let circle = |to: &str| format!("yields_to = \"{to}\"\n{find}");
    let errors =
        compile(vec![rule("x", "hr", &circle("y")), rule("y", "hr", &circle("z")), rule("z", "hr", &circle("x"))]).unwrap_err();
    assert!(errors.len() == 3 && errors[0].sentence.contains("in the end yields to it"), "{errors:?}");
}
