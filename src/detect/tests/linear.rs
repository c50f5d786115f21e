//! Tests that no text and no rule makes scanning cost more than its length: time at growing sizes, for texts made to be slow.

use super::super::*;
use super::{rule_set, text};
use crate::extract::{Cell, Table, Text, TextKind};
use std::collections::BTreeMap;

/// CPU time of this thread, in microseconds (Linux, proc(5) schedstat): others on the machine do not count.
pub(crate) fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|first| first.parse::<u64>().ok()).map_or(0, |nanoseconds| nanoseconds / 1_000)
}

/// The cost of `times` rounds over the texts.
fn cost(rules: &RuleSet, texts: Vec<Text>, times: usize) -> u64 {
    let extracted = Extracted { texts, ..Extracted::default() };
    let before = cpu();
    for _ in 0..times {
        let findings = detect(&extracted, rules);
        assert!(findings.found.iter().all(|finding| finding.places.len() <= MAX_PLACES));
    }
    cpu() - before
}

/// The same octets in one text, in eight, and in 64: the one must not cost much more than the many.
fn stays_linear(name: &str, rules: &RuleSet, make: impl Fn(usize) -> Vec<Text>) {
    const SMALL: usize = 1 << 12;
    let [many, some, one] = [(1, 64), (8, 8), (64, 1)].map(|(size, times)| cost(rules, make(SMALL * size), times));
    // Generous: caches, sorting and the clock's ticks (20 ms) make a difference; a square would cost eight and 64 times as much.
    let most = |base: u64| base * 4 + 20_000;
    assert!(some <= most(many) && one <= most(some), "{name}: {many} µs in 64 texts, {some} in 8, {one} in one");
}

fn repeated(piece: &str, size: usize) -> Vec<Text> {
    vec![text(1, TextKind::Body, &piece.repeat(size / piece.len() + 1))]
}

#[test]
fn texts_made_to_be_slow_cost_no_more_than_their_length() {
    for piece in [
        "1",
        "1 ",
        "1-8.5/0 5\t7\n",
        "185057800608491 ",
        "NIR NIR NIR ",
        "NIR 1 85 05 78 006 084 91 ",
        "carte 4970 1012 3456 7893 compte ",
        "-----BEGIN ",
        "AKIA",
        "a@",
        "mot de passe : ",
        "passport number 12AB34567 numéro fiscal ",
        "FR76 ",
        "е\u{301}",
        "е",
        "((((",
        "https://a.b/c?d=",
        "\u{202e}1",
    ] {
        stays_linear(piece, rule_set(), |size| repeated(piece, size));
    }
}

#[test]
fn tables_and_many_small_texts_cost_no_more_than_their_length() {
    stays_linear("a table", rule_set(), |size| {
        let mut content = String::new();
        let mut cells = Vec::new();
        while content.len() < size {
            for column in 0..8 {
                let start = content.len() as u32;
                content.push_str("185057800608491");
                cells.push(Cell { start, end: content.len() as u32, column });
                content.push('\t');
            }
            content.push('\n');
        }
        let headers = (0..8).map(|column| (column % 2 == 0).then(|| "Numéro de sécurité sociale".to_owned())).collect();
        vec![Text { table: Some(Table { cells, headers }), ..text(1, TextKind::Attachment, &content) }]
    });
    stays_linear("many texts", rule_set(), |size| {
        let one = |number: usize| text((number / 7) as u32, TextKind::Attachment, "NIR 185057800608491 IBAN ");
        (0..size / 24).map(one).collect()
    });
    stays_linear("many names", rule_set(), |size| {
        let one = |number: usize| {
            let mut name = text(number as u32, TextKind::FileName, &format!("NIR 185057800608491 {number}.pdf"));
            name.place = Place(name.content.as_str().into());
            name
        };
        (0..size / 96).map(one).collect()
    });
}

#[test]
fn rules_made_to_be_slow_cost_no_more_than_the_length_of_the_text() {
    let file = |id: &str, rest: &str| SourceFile {
        path: format!("rules/detect/{id}.toml"),
        text: format!(
            "id = \"{id}\"\ntitle = {{ fr = \"x\", en = \"x\" }}\nstatus = \"active\"\ncategory = \"legal\"\n{rest}\n\
             [[match]]\ntext = \"ab ab ab abz abab\"\nbecause = \"b\"\n[[no_match]]\ntext = \"-\"\nbecause = \"b\"\n"
        ),
    };
    let files = [
        file("again", "[find]\nregex = '(?:a|b)(?:(?:a|b| )*z)?'"),
        file("wide", "[find]\nregex = '(?:a|b|ab|ba| ){3,400}'"),
        file("open", "[find]\nregex = 'ab[^q]*'"),
        file("short", "yields_to = \"wide\"\n[find]\nregex = 'ab'"),
        file("many", "[find]\nregex = 'a[b ]'\n[near.x]\nwords = [\"ab\", \"abz\", \"abab\"]\nmin = 2\nwithin = 1000"),
        file(
            "all",
            "[find]\nwords = [\"ab\", \"ab ab\", \"ab ab ab\"]\n[near.x]\nfound = [\"short\", \"wide\", \"again\"]\nmin = 2\nwithin = 1000",
        ),
        file("whole", "[find]\nregex = 'a[b ]'\n[near.x]\nfound = \"category:legal\"\nwithin = \"document\""),
    ];
    let rules = RuleSet::compile(&files, &BTreeMap::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
    for piece in ["ab", "ab ", "a", "ab ab z", "ab\n"] {
        stays_linear(piece, &rules, |size| repeated(piece, size));
    }
}

/// What finds no room among the candidates is told: a value behind a hundred thousand decoys must not pass as clean.
#[test]
fn a_text_with_more_candidates_than_are_judged_counts_as_not_read() {
    let decoys = "a@b.fr ".repeat(100_001);
    let found = |content: &str| {
        detect(&Extracted { texts: vec![text(1, TextKind::Body, content)], ..Extracted::default() }, rule_set())
    };
    let findings = found(&decoys);
    assert_eq!(findings.unreadable.len(), 1, "{:?}", findings.unreadable);
    assert_eq!(findings.unreadable[0].reason, crate::extract::Reason::OverBudget);
    assert!(found(&decoys[7..7 * 100_001]).unreadable.is_empty());
}
