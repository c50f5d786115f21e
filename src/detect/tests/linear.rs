//! Tests that no text and no rule makes scanning cost more than its length: time at growing sizes, for texts made to be slow.

use super::super::*;
use super::{rule_set, text};
use crate::extract::{Cell, Limits, Reader, Table, Text, TextKind, extract_file};
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

const SMALL: usize = 1 << 12;

/// The same octets in one text, in eight, and in 64: the one must not cost much more than the many.
fn stays_linear(name: &str, rules: &RuleSet, make: impl Fn(usize) -> Vec<Text>) {
    is_linear(&[1, 8, 64], name, |size, times| cost(rules, make(size), times));
}

/// `cost` of so many texts of a size, in microseconds, for sizes of so many times `SMALL`; each time of as many octets in all.
fn is_linear(sizes: &[usize], name: &str, cost: impl Fn(usize, usize) -> u64) {
    let largest = *sizes.last().unwrap();
    let costs: Vec<(usize, u64)> = sizes.iter().map(|size| (*size, cost(SMALL * size, largest / size))).collect();
    // Generous: caches, sorting and the clock's ticks (20 ms) make a difference; a square would cost eight times as much, or sixteen.
    let bad = costs.windows(2).find(|pair| pair[1].1 > pair[0].1 * 4 + 20_000);
    assert!(bad.is_none(), "{name}: times the smallest size, and µs for the same octets in all: {costs:?}");
    if shows_costs() {
        let per_octet = |cost: u64| cost as f64 * 1_000.0 / (SMALL * largest) as f64;
        let costs: Vec<String> = costs.iter().map(|(size, cost)| format!("×{size} {:.1}", per_octet(*cost))).collect();
        println!("{name:?}: ns per octet: {}", costs.join(", "));
    }
}

/// All families at all sizes up to 4 MiB, with what they cost: `POSTERN_SHOW_COSTS=1 cargo nextest run --no-capture thousand`.
fn shows_costs() -> bool {
    std::env::var_os("POSTERN_SHOW_COSTS").is_some()
}

fn repeated(piece: &str, size: usize) -> Vec<Text> {
    vec![text(1, TextKind::Body, &piece.repeat(size / piece.len() + 1))]
}

/// Texts made to be slow.
const SLOW: [&str; 18] = [
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
];

/// Those of them that cost most for each octet.
const SLOWEST: [&str; 3] = ["1 ", "NIR 1 85 05 78 006 084 91 ", "passport number 12AB34567 numéro fiscal "];

#[test]
fn texts_made_to_be_slow_cost_no_more_than_their_length() {
    for piece in SLOW {
        stays_linear(piece, rule_set(), |size| repeated(piece, size));
    }
}

/// 4 MiB in one text: more than a mail of 5 MB has.
#[test]
fn the_slowest_texts_stay_linear_to_a_thousand_times_their_size() {
    assert!(SLOWEST.iter().all(|piece| SLOW.contains(piece)));
    let (pieces, sizes): (&[&str], &[usize]) = match shows_costs() {
        true => (&SLOW, &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024]),
        false => (&SLOWEST, &[32, 1_024]),
    };
    for piece in pieces {
        is_linear(sizes, piece, |size, times| cost(rule_set(), repeated(piece, size), times));
    }
}

/// Second readings are made of these before any rule sees them.
#[test]
fn texts_full_of_disguises_are_read_in_no_more_than_their_length() {
    let read = |name: &str, content: &str| {
        extract_file(name, content.as_bytes(), &Limits::default(), &Reader::here())
            .texts
            .iter()
            .map(|text| text.content.len())
            .sum()
    };
    for (name, piece) in [
        ("a.txt", "Bonjour, merci de votre retour du 21 novembre : l'été à Paris, n° 12. "),
        ("a.txt", "(1) (85) (05) (78) (006) (084) (91) x "),
        ("a.txt", "1_85_05_78_006_084_91 "),
        ("a.txt", "D I F F U S I O N   R E S T R E I N T E x "),
        ("a.txt", "1 "),
        ("a.txt", "1."),
        ("a.txt", "67RF 1 "),
        ("a.txt", "FR_76_"),
        ("a.txt", "FR 76 "),
        ("a.txt", "> 1 85\n"),
        ("a.txt", "185057800\n608491\n\n"),
        ("a.txt", "c@rte 5555 "),
        ("a.txt", "D1FFU510N"),
        ("a.txt", "1850578006084 clé 91 "),
        ("a.txt", "clé "),
        ("a.txt", "l 85 O5 OO6 "),
        ("a.txt", "=31=38=35 "),
        ("a.txt", "é1·"),
        ("a.txt", "\u{202e}1\n"),
        ("a.csv", "1;85;05;78;006;084;91\n"),
        ("a.html", "<b style='float:right'>1</b>"),
        ("a.html", "<i style='order:1'>1<i style='direction:rtl'>"),
        ("a.html", "<i style='color:#fff'>1</i>"),
        ("a.html", "<style>.a::before{content:'1'}</style><i class=a></i>"),
        ("a.html", "<style>"),
        ("a.html", "<i hidden>1"),
    ] {
        is_linear(&[4, 64], piece, |size, times| {
            let content = piece.repeat(size / piece.len() + 1);
            let before = cpu();
            for _ in 0..times {
                let length: usize = read(name, &content);
                // What is more is told as over budget.
                assert!(length <= content.len() * 16 + (64 << 10), "{piece}: {length} octets of {}", content.len());
            }
            cpu() - before
        });
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
