//! Turns a text and the words that it mentions into candidates: where each rule's shape, expression or words stand, before any
//! evidence is weighed.
//!
//! A rule that can report nothing without one of its near words is searched for only within reach of those (see
//! [`super::windows`]). The rest has prefilters: shapes and expressions that begin a word by their first four octets and the digits
//! that follow; other expressions around their required literals. Only an expression that offers none of these reads every text
//! whole. None of this ever changes what is reported (differential tests below hold it).

use super::expression::{Expression, MAX_WINDOW};
use super::grams::Grams;
use super::literals::{Literals, Spans};
use super::mentions::Mentions;
use super::reach::{Opening, Reach};
use super::rule::{Find, NearWhat, Rule};
use super::rule_file::Within;
use super::shape::{View, Writing};
use super::starts::{At, Start, Starts};
use super::validators::Check;
use super::windows::{Label, Windows};
use super::words::WordBook;
use crate::extract::Extracted;
use regex_automata::{Input, MatchKind, PatternSet, meta, util::syntax};
use std::collections::HashMap;
use std::ops::Range;

/// A place in a normalised text that has what a rule looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub start: usize,
    pub end: usize,
    pub writing: Writing,
    /// What the rule's validator says; `Valid` when it has none.
    pub check: Check,
}

/// The candidates of one text, of each rule (by its index) that has any.
pub(crate) type Candidates = Vec<(usize, Vec<Candidate>)>;

/// Candidates of one rule in one text that their validator denies, at most: nobody is helped by more guesses at typing errors.
const MAX_INVALID: usize = 10_000;
/// Other candidates of one rule in one text, at most.
const MAX_CANDIDATES: usize = 1_000_000;

/// What finds the candidates of a whole rule set.
pub(crate) struct Scanner {
    pub book: WordBook,
    /// For each word of the book the rules that look for it.
    finders: Vec<Vec<u32>>,
    windows: Windows,
    starts: Starts,
    literals: Literals,
    grams: Grams,
    /// Rules that read every text whole, and one automaton that tells which of them match at all.
    everywhere: Vec<usize>,
    /// Rules whose indexes find for them.
    registered: Vec<usize>,
    gate: Option<meta::Regex>,
    /// Rules that would read every text whole but for their labels.
    labelled: Vec<usize>,
    /// For each rule of shapes the words that can name its numbers.
    naming: Vec<Vec<u32>>,
    by_names: bool,
}

/// Automaton caches that one scan at a time uses.
#[derive(Default)]
pub(crate) struct Workspace {
    /// By rule.
    expressions: Vec<Option<meta::Cache>>,
    gate: Option<meta::Cache>,
}

impl Workspace {
    fn cache(&mut self, rule: usize, expression: &Expression) -> &mut meta::Cache {
        if self.expressions.len() <= rule {
            self.expressions.resize_with(rule + 1, || None);
        }
        self.expressions[rule].get_or_insert_with(|| expression.cache())
    }
}

impl Scanner {
    /// Gathers what the rules look for, and tells each where its near words stand in the book.
    pub fn new(rules: &mut [Rule]) -> Scanner {
        let labels = rules.iter().map(Rule::labels).collect();
        Scanner { by_names: true, ..Scanner::with_labels(rules, labels) }
    }

    /// `labels`: for each rule the near groups of which one must hold before it can report anything.
    pub(crate) fn with_labels(rules: &mut [Rule], labels: Vec<Option<Vec<usize>>>) -> Scanner {
        let (book, finders) = book(rules);
        let mut starts = Vec::new();
        let (mut literals, mut grams) = (Literals::default(), Grams::default());
        let (mut everywhere, mut labelled, mut registered) = (Vec::new(), Vec::new(), Vec::new());
        let mut windows = Windows::new(rules.len(), book.len());
        for (index, rule) in rules.iter().enumerate() {
            let mut longest_match = Some(0);
            match &rule.find {
                // Looked for in their indexes.
                Find::Fingerprint(..) | Find::Exact(_) => registered.push(index),
                Find::Words(_) => {}
                Find::Shapes(shapes) => {
                    longest_match = shapes.iter().map(|shape| shape.longest()).max();
                    starts.extend(shapes.iter().enumerate().map(|(number, shape)| Start::of_shape(index, number, shape)));
                }
                Find::Expression(expression) => {
                    longest_match = expression.longest;
                    match &expression.reach {
                        // Better by a seldom sign than by texts that could stand in any word.
                        Reach::Openings(_) if labels[index].is_none() && expression.anchored().is_some() => {
                            labelled.push(index);
                        }
                        Reach::Openings(openings) => {
                            for opening in openings {
                                match opening {
                                    Opening::Word(form) => starts.push(Start::of_word(index, form)),
                                    Opening::Literals(required) => {
                                        let add = |(literal, before): &&(Vec<u8>, _)| !literals.add(index, literal, *before);
                                        let loose: Vec<_> = required.iter().filter(add).cloned().collect();
                                        grams.add(index, &loose);
                                    }
                                }
                            }
                        }
                        Reach::Everywhere if labels[index].is_some() || expression.anchor.is_some() => labelled.push(index),
                        Reach::Everywhere => everywhere.push(index),
                    }
                }
            }
            let anchor = rule.find.expression().and_then(Expression::anchored).filter(|_| labels[index].is_none());
            if let Some(anchor) = anchor {
                windows.anchor(index, anchor, longest_match);
            }
            let labels = labels[index].iter().flatten();
            for group in labels.map(|group| &rule.near[*group]) {
                if let NearWhat::Words { words, .. } = &group.what {
                    windows.add(words, Label { rule: index as u32, within: group.within }, longest_match);
                }
            }
        }
        let naming = rules.iter().map(naming).collect();
        let gate = gate(rules, &everywhere);
        let starts = Starts::new(starts, &windows, rules.len());
        let (literals, grams) = (literals.finish(), grams.finish());
        Scanner {
            book,
            finders,
            windows,
            starts,
            literals,
            grams,
            everywhere,
            gate,
            labelled,
            registered,
            naming,
            by_names: false,
        }
    }

    /// For each rule: does the message mention a word that can name its numbers? What is grouped in an odd way is reported beside such
    /// a word only (see [`super::weigh`]).
    pub fn named(&self, mentions: &Mentions) -> Vec<bool> {
        let mut named = vec![!self.by_names; self.naming.len()];
        for (rule, words) in self.naming.iter().enumerate() {
            named[rule] |= words.iter().any(|word| mentions.anywhere[*word as usize]);
        }
        named
    }

    /// The candidates in one text of a message, with `named` as [`Scanner::named`] tells it.
    pub fn scan(
        &self,
        rules: &[Rule],
        extracted: &Extracted,
        mentions: &Mentions,
        named: &[bool],
        index: usize,
        workspace: &mut Workspace,
    ) -> Candidates {
        let text = &mentions.reads[index].normalized;
        let mut found = Found { rules, text: text.text(), candidates: vec![Vec::new(); rules.len()] };
        let length = text.text().len();
        for hit in &mentions.reads[index].hits {
            for rule in &self.finders[hit.word as usize] {
                let (start, end) = (hit.start as usize, hit.end as usize);
                found.push(*rule as usize, Candidate { start, end, writing: Writing::Plain, check: Check::Valid });
            }
        }
        let windows = self.windows.around(extracted, mentions, index);
        let mut spans = Spans::new(rules.len());
        // Where each rule was last tried: two of its forms may begin with one word.
        let mut tried = vec![usize::MAX; rules.len()];
        let named = |rule: usize| named[rule];
        self.starts.each(text, &windows, &self.literals, &mut spans, named, |start, at, spans| match &rules[start.rule].find {
            Find::Shapes(shapes) => {
                let Some((shape, length)) = start.shape else { return };
                let At { place: at, most, view } = at;
                let view = view.get_or_insert_with(|| View::new(found.text, at, most));
                if let Some((end, writing)) = shapes[shape].matches(view) {
                    found.offer_shape(start.rule, at, end, writing, view.compact(length));
                }
            }
            Find::Expression(expression) => {
                let at = at.place;
                match expression.longest.filter(|longest| *longest <= MAX_WINDOW) {
                    _ if std::mem::replace(&mut tried[start.rule], at) == at => {}
                    None => spans.push(start.rule, at..at + 1),
                    Some(longest) if expression.may_begin(found.text, at) => {
                        let cache = workspace.cache(start.rule, expression);
                        if let Some(end) = expression.match_at(cache, found.text, at, longest) {
                            let value = expression.value(cache, found.text, at..end);
                            found.offer(start.rule, at..end, value, Writing::Plain);
                        }
                    }
                    Some(_) => {}
                }
            }
            _ => {}
        });
        self.literals.signs(text.text(), |rule, span| spans.push(rule, span));
        self.grams.spans(text, &mut spans);
        for (rule, spans) in spans.joined() {
            // Where the last match ended if that stands for all inside it.
            let mut behind = 0;
            for span in spans {
                let whole = 0..length;
                let windows = if self.windows.has(rule) { windows.of(rule) } else { std::slice::from_ref(&whole) };
                let from = windows.partition_point(|window| window.end <= span.start);
                for window in windows[from..].iter().take_while(|window| window.start < span.end) {
                    let starts = window.start.max(span.start).max(behind)..window.end.min(span.end);
                    if starts.start < starts.end {
                        behind = behind.max(search_from(rules, rule, starts, workspace, &mut found));
                    }
                }
            }
        }
        for rule in &self.labelled {
            for window in windows.of(*rule) {
                let end = self.windows.end_of_match(*rule, window.end, length);
                search(rules, *rule, window.start..end, workspace, &mut found);
            }
        }
        if !self.everywhere.is_empty() {
            self.whole_text(length, workspace, &mut found);
        }
        for rule in &self.registered {
            super::index::candidates(&rules[*rule].find, text.text(), |candidate| found.push(*rule, candidate));
        }
        found.candidates.into_iter().enumerate().filter(|(_, candidates)| !candidates.is_empty()).collect()
    }

    fn whole_text(&self, length: usize, workspace: &mut Workspace, found: &mut Found<'_>) {
        let mut matching = PatternSet::new(self.everywhere.len());
        match &self.gate {
            Some(gate) => {
                let cache = workspace.gate.get_or_insert_with(|| gate.create_cache());
                gate.which_overlapping_matches_with(cache, &Input::new(found.text), &mut matching);
            }
            // Too large together: each for itself.
            None => (0..self.everywhere.len()).for_each(|index| {
                matching.insert(regex_automata::PatternID::new_unchecked(index));
            }),
        }
        for pattern in matching.iter() {
            search(found.rules, self.everywhere[pattern.as_usize()], 0..length, workspace, found);
        }
    }
}

/// The words beside which a number in an odd grouping may be reported.
fn naming(rule: &Rule) -> Vec<u32> {
    let shapes = matches!(rule.find, Find::Shapes(_));
    let near = rule.near.iter().filter(|near| shapes && matches!(near.within, Within::Characters(_)));
    near.flat_map(|near| if let NearWhat::Words { words, .. } = &near.what { words.as_slice() } else { &[] }).copied().collect()
}

/// All listed words in one book, with the rules that look for each; rules are told the numbers of their near words.
fn book(rules: &mut [Rule]) -> (WordBook, Vec<Vec<u32>>) {
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut all: Vec<String> = Vec::new();
    let mut finders: Vec<Vec<u32>> = Vec::new();
    let mut number = |word: &str, finders: &mut Vec<Vec<u32>>| {
        *numbers.entry(word.to_owned()).or_insert_with(|| {
            all.push(word.to_owned());
            finders.push(Vec::new());
            all.len() as u32 - 1
        })
    };
    for (index, rule) in rules.iter_mut().enumerate() {
        if let Find::Words(words) = &rule.find {
            for word in words {
                let number = number(word, &mut finders);
                finders[number as usize].push(index as u32);
            }
        }
        for near in rule.near.iter_mut().chain(&mut rule.unless_near) {
            if let NearWhat::Words { written, words } = &mut near.what {
                *words = written.iter().map(|word| number(word, &mut finders)).collect();
                words.sort_unstable();
            }
        }
    }
    (WordBook::new(all.iter().map(String::as_str)), finders)
}

/// Runs one expression at all places of a span of the text; returns where to go on.
fn search_from(rules: &[Rule], rule: usize, starts: Range<usize>, workspace: &mut Workspace, found: &mut Found<'_>) -> usize {
    let Find::Expression(expression) = &rules[rule].find else { return starts.end };
    let cache = workspace.cache(rule, expression);
    expression.matches_from(cache, found.text, starts, |cache, range| {
        let value = expression.value(cache, found.text, range.clone());
        found.offer(rule, range, value, Writing::Plain)
    })
}

/// Runs one expression over a span of the text.
fn search(rules: &[Rule], rule: usize, span: Range<usize>, workspace: &mut Workspace, found: &mut Found<'_>) {
    let Find::Expression(expression) = &rules[rule].find else { return };
    let cache = workspace.cache(rule, expression);
    expression.matches(cache, found.text, span, |cache, range| {
        let value = expression.value(cache, found.text, range.clone());
        found.offer(rule, range, value, Writing::Plain)
    });
}

/// One automaton for all expressions that need to read everything.
fn gate(rules: &[Rule], everywhere: &[usize]) -> Option<meta::Regex> {
    let patterns: Vec<&str> =
        everywhere.iter().filter_map(|rule| rules[*rule].find.expression().map(Expression::pattern)).collect();
    let config = meta::Config::new()
        .match_kind(MatchKind::All)
        .utf8_empty(false)
        .hybrid_cache_capacity(16 << 20)
        .nfa_size_limit(Some(16 << 20));
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    (!patterns.is_empty()).then(|| meta::Builder::new().configure(config).syntax(syntax).build_many(&patterns).ok()).flatten()
}

struct Found<'a> {
    rules: &'a [Rule],
    text: &'a [u8],
    candidates: Vec<Vec<Candidate>>,
}

impl Found<'_> {
    /// Takes a match with a value in it if it is not inside a longer word and its validator does not exclude it.
    fn offer(&mut self, rule: usize, whole: Range<usize>, value: Range<usize>, writing: Writing) -> bool {
        let Some(candidate) = settle(&self.rules[rule], self.text, whole, value, writing) else { return false };
        self.push(rule, candidate);
        true
    }

    /// The same for a shape, whose letters and digits are already known.
    fn offer_shape(&mut self, rule: usize, start: usize, end: usize, writing: Writing, compact: &[u8]) {
        if inside_word(self.text, start, end) {
            return;
        }
        let check = self.rules[rule].validator.map_or(Check::Valid, |validator| (validator.check)(compact));
        if check != Check::Invalid || accepts_invalid(&self.rules[rule], writing) {
            self.push(rule, Candidate { start, end, writing, check });
        }
    }

    fn push(&mut self, rule: usize, candidate: Candidate) {
        let most = if candidate.check == Check::Invalid { MAX_INVALID } else { MAX_CANDIDATES };
        let list = &mut self.candidates[rule];
        if list.len() < most {
            list.push(candidate);
        }
    }
}

/// What remains of a match after the boundaries and the validator: perhaps shorter, perhaps nothing.
fn settle(rule: &Rule, text: &[u8], whole: Range<usize>, value: Range<usize>, writing: Writing) -> Option<Candidate> {
    let (mut whole, mut value) = (whole, value);
    let Some(validator) = rule.validator else {
        let free = !inside_word(text, whole.start, whole.end);
        return free.then_some(Candidate { start: value.start, end: value.end, writing, check: Check::Valid });
    };
    let mut number = validator.read(&text[value.clone()]);
    // "FR76 … 189 BIC AGRIFRPP": an expression takes what follows with it, the country tells where the number ends.
    if let Some(length) = validator.length.and_then(|length| length(&number))
        && length < number.len()
    {
        number.truncate(length);
        value.end = value.start + nth_alphanumeric(&text[value.clone()], length)?;
        whole.end = value.end;
    }
    if inside_word(text, whole.start, whole.end) {
        return None;
    }
    let check = (validator.check)(&number);
    let accepted = check != Check::Invalid || accepts_invalid(rule, writing);
    accepted.then_some(Candidate { start: value.start, end: value.end, writing, check })
}

/// Does a letter or digit touch the match's own first or last one?
fn inside_word(text: &[u8], start: usize, end: usize) -> bool {
    let whole = |at: usize| text.get(at).is_some_and(u8::is_ascii_alphanumeric);
    start >= end || (start > 0 && whole(start - 1) && whole(start)) || (whole(end) && whole(end - 1))
}

/// A wrong key in an odd grouping is just numbers side by side.
fn accepts_invalid(rule: &Rule, writing: Writing) -> bool {
    writing != Writing::Odd && rule.wants_invalid
}

/// The offset behind the `count`-th letter or digit.
fn nth_alphanumeric(text: &[u8], count: usize) -> Option<usize> {
    let places = text.iter().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric());
    places.map(|(at, _)| at + 1).nth(count.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::super::normalize::Normalized;
    use super::super::tests::rule_set;
    use super::*;

    /// Every rule at every place, without any prefilter.
    fn naive(rules: &[Rule], text: &Normalized) -> Vec<Vec<Candidate>> {
        let mut found = Found { rules, text: text.text(), candidates: vec![Vec::new(); rules.len()] };
        let length = text.text().len();
        for (index, rule) in rules.iter().enumerate() {
            match &rule.find {
                Find::Fingerprint(..) | Find::Exact(_) => {}
                Find::Words(words) => {
                    for word in words {
                        let alone = WordBook::new([word.as_str()].into_iter());
                        alone.find(text, |hit| {
                            let (start, end) = (hit.start as usize, hit.end as usize);
                            found.push(index, Candidate { start, end, writing: Writing::Plain, check: Check::Valid });
                        });
                    }
                }
                Find::Shapes(shapes) => {
                    for shape in shapes {
                        for at in 0..length {
                            if let Some((end, writing)) =
                                shape.matches(&View::new(text.text(), at, super::super::shape::MAX_ELEMENTS))
                            {
                                found.offer(index, at..end, at..end, writing);
                            }
                        }
                    }
                }
                Find::Expression(expression) => {
                    let mut cache = expression.cache();
                    if let Some(longest) = expression.longest.filter(|longest| *longest <= MAX_WINDOW) {
                        for at in 0..length {
                            if let Some(end) = expression.match_at(&mut cache, text.text(), at, longest) {
                                let value = expression.value(&mut cache, text.text(), at..end);
                                found.offer(index, at..end, value, Writing::Plain);
                            }
                        }
                    } else {
                        expression.matches(&mut cache, text.text(), 0..length, |cache, range| {
                            let value = expression.value(cache, text.text(), range.clone());
                            found.offer(index, range, value, Writing::Plain)
                        });
                    }
                }
            }
        }
        found.candidates
    }

    /// The shipped rules as if none of them had labels.
    fn without_labels() -> &'static (Vec<Rule>, Scanner) {
        static SET: std::sync::OnceLock<(Vec<Rule>, Scanner)> = std::sync::OnceLock::new();
        SET.get_or_init(|| {
            let mut rules = super::super::tests::shipped_rules();
            let labels = vec![None; rules.len()];
            let scanner = Scanner::with_labels(&mut rules, labels);
            (rules, scanner)
        })
    }

    /// What the prefilters leave is what naive search finds; and what is reported with labels is what is reported without.
    fn same(text: &str) {
        let (rules, scanner) = without_labels();
        let extracted = crate::extract::Extracted {
            texts: vec![super::super::tests::text(1, crate::extract::TextKind::Body, text)],
            ..Default::default()
        };
        let mentions = Mentions::of(&extracted, &scanner.book);
        let mut scanned: HashMap<usize, Vec<Candidate>> = scanner
            .scan(rules, &extracted, &mentions, &vec![true; rules.len()], 0, &mut Workspace::default())
            .into_iter()
            .collect();
        let mut expected = naive(rules, &mentions.reads[0].normalized);
        for (index, rule) in rules.iter().enumerate() {
            let sorted = |candidates: Option<Vec<Candidate>>| {
                let mut candidates = candidates.unwrap_or_default();
                candidates.sort_by_key(|candidate| (candidate.start, candidate.end, candidate.check != Check::Valid));
                candidates.dedup();
                candidates
            };
            assert_eq!(
                sorted(scanned.remove(&index)),
                sorted(Some(std::mem::take(&mut expected[index]))),
                "{} in {text:?}",
                rule.id.0
            );
        }
        let labelled = super::super::search::search(&extracted, rule_set(), None);
        let everywhere = super::super::search::search_with(&extracted, rules, scanner, &mut Workspace::default());
        for ((one, other), rule) in labelled.spots.iter().zip(&everywhere.spots).zip(rules) {
            let places = |spots: &[super::super::search::Spot]| -> Vec<_> {
                spots.iter().map(|spot| (spot.start, spot.end, spot.found.confidence)).collect()
            };
            assert_eq!(places(one), places(other), "{} in {text:?}", rule.id.0);
        }
    }

    #[test]
    fn prefilters_never_change_a_result_on_the_tests_of_all_shipped_rules() {
        // One rule's tests with those of the next: each is a text that somebody thought about.
        let tests: Vec<&str> =
            rule_set().rules().iter().flat_map(|rule| rule.tests.iter().map(|test| test.text.as_str())).collect();
        for some in tests.chunks(8).step_by(3) {
            let text = some.join("\n");
            same(text.get(..1_500).unwrap_or(&text));
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
        #[test]
        fn prefilters_never_change_a_result_on_pieces_put_together(
            pieces in proptest::collection::vec(proptest::sample::select(vec![
                "1 85 05 78 006 084 91", "185057800608491", " ", "\n", "\t", "-", "x", "é", "12", "3 12 ", "FR14 2004 1010 0505 0001 3M02 606",
                "FR14", "AKIA", "QWERTYUI23456723", "-----BEGIN ", "RSA PRIVATE KEY-----", "DIFFUSION RESTREINTE", "[DR]", "Subject: ",
                "https://", "drive.google.com/", "file/d/abc", "diagnostic", "antécédents", "4970 1012 3456 7893", "0123456789M", "mot de passe : ",
                "Ab3$xyz9", "ghp_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
            ]), 0..30),
        ) {
            same(&pieces.concat());
        }
    }
}
