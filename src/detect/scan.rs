//! Turns a text and the words that it mentions into candidates: where each rule's shape, expression or words stand, before any
//! evidence is weighed.
//!
//! A rule that can report nothing without one of its near words is searched for only within reach of those (see
//! [`super::windows`]). The rest has prefilters: shapes and expressions that begin a word by their first four octets and the digits
//! that follow; other expressions around their required literals. Only an expression that offers none of these reads every text
//! whole. None of this ever changes what is reported (differential tests below hold it).

use super::expression::{Expression, Reach};
use super::grams::Grams;
use super::mentions::Mentions;
use super::rule::{Find, NearWhat, Rule};
use super::shape::{MAX_ELEMENTS, MAX_SEPARATORS, View, Writing};
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
/// Octets after a word's beginning in which its digits are counted.
const DIGIT_WINDOW: usize = 64;

/// What finds the candidates of a whole rule set.
pub(crate) struct Scanner {
    pub book: WordBook,
    /// For each word of the book the rules that look for it.
    finders: Vec<Vec<u32>>,
    windows: Windows,
    starts: Vec<StartGroup>,
    /// For each rule where its starts are: group and bits.
    start_bits: Vec<Vec<(usize, u64)>>,
    /// The starts of rules that are searched for everywhere.
    free: Vec<u64>,
    /// Letters and digits of the longest shape.
    longest_shape: usize,
    grams: Grams,
    /// Rules that read every text whole, and one automaton that tells which of them match at all.
    everywhere: Vec<usize>,
    /// Rules whose indexes find for them.
    registered: Vec<usize>,
    gate: Option<meta::Regex>,
    /// Rules that would read every text whole but for their labels.
    labelled: Vec<usize>,
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
        Scanner::with_labels(rules, labels)
    }

    /// `labels`: for each rule the near groups of which one must hold before it can report anything.
    pub(crate) fn with_labels(rules: &mut [Rule], labels: Vec<Option<Vec<usize>>>) -> Scanner {
        let (book, finders) = book(rules);
        let mut starts = Vec::new();
        let mut grams = Grams::default();
        let (mut everywhere, mut labelled, mut registered) = (Vec::new(), Vec::new(), Vec::new());
        let mut windows = Windows::new(rules.len(), book.len());
        for (index, rule) in rules.iter().enumerate() {
            let mut longest_match = Some(0);
            match &rule.find {
                // Looked for in their indexes.
                Find::Fingerprint(..) | Find::Exact(_) => registered.push(index),
                Find::Words(_) => {}
                Find::Shapes(shapes) => {
                    for (shape, parsed) in shapes.iter().enumerate() {
                        let (digits, longest) = (parsed.digits, parsed.longest());
                        longest_match = longest_match.max(Some(longest));
                        starts.push(Start::new(index, Some((shape, parsed.length())), 1, digits, longest, |place, byte| {
                            parsed.allows(place, byte)
                        }));
                    }
                }
                Find::Expression(expression) => {
                    longest_match = expression.longest;
                    match &expression.reach {
                        Reach::WordStart { first, run, digits, longest } => {
                            starts.push(Start::new(index, None, *run, *digits, *longest, |place, byte| {
                                first[place].contains(byte)
                            }));
                        }
                        Reach::Around { literals } => grams.add(index, literals),
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
        let gate = gate(rules, &everywhere);
        let longest_shape = starts.iter().filter_map(|start| start.shape).map(|shape| shape.1).max().unwrap_or(0);
        // Those that are looked for everywhere stand together, so that few groups are looked at where no label is near.
        starts.sort_by_key(|start| windows.has(start.rule));
        let mut start_bits = vec![Vec::new(); rules.len()];
        let mut free = Vec::new();
        let mut groups = Vec::new();
        let mut starts = starts.into_iter().peekable();
        while starts.peek().is_some() {
            let group: Vec<Start> = starts.by_ref().take(64).collect();
            let mut always = 0;
            for (bit, start) in group.iter().enumerate() {
                start_bits[start.rule].push((groups.len(), 1 << bit));
                always |= u64::from(!windows.has(start.rule)) << bit;
            }
            free.push(always);
            groups.push(StartGroup::new(group));
        }
        let grams = grams.finish();
        Scanner {
            book,
            finders,
            windows,
            starts: groups,
            start_bits,
            free,
            longest_shape,
            grams,
            everywhere,
            gate,
            labelled,
            registered,
        }
    }

    /// The candidates in one text of a message.
    pub fn scan(
        &self,
        rules: &[Rule],
        extracted: &Extracted,
        mentions: &Mentions,
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
        if !self.starts.is_empty() {
            self.word_starts(text.padded(), length, &windows, workspace, &mut found);
        }
        // The rule last looked for, and where its last match ended if that stands for all inside it.
        let mut behind = (usize::MAX, 0);
        for (rule, span) in self.grams.spans(text) {
            if behind.0 != rule {
                behind = (rule, 0);
            }
            let whole = 0..length;
            let windows = if self.windows.has(rule) { windows.of(rule) } else { std::slice::from_ref(&whole) };
            let from = windows.partition_point(|window| window.end <= span.start);
            for window in windows[from..].iter().take_while(|window| window.start < span.end) {
                let starts = window.start.max(span.start).max(behind.1)..window.end.min(span.end);
                if starts.start < starts.end {
                    behind.1 = behind.1.max(search_from(rules, rule, starts, workspace, &mut found));
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

    fn word_starts(
        &self,
        padded: &[u8],
        length: usize,
        windows: &super::windows::Around,
        workspace: &mut Workspace,
        found: &mut Found<'_>,
    ) {
        let mut active = self.free.clone();
        let mut turns = windows.turns.iter().peekable();
        let mut before = 0u64; // was the octet before the block a letter or digit?
        let mut block = Masks::of(padded, 0);
        for base in (0..length).step_by(64) {
            let next = Masks::of(padded, base + 64);
            let mut starts = block.alphanumeric & !(block.alphanumeric << 1 | before);
            while starts != 0 {
                let offset = starts.trailing_zeros();
                starts &= starts - 1;
                let at = base + offset as usize;
                while let Some(turn) = turns.next_if(|turn| turn.at <= at) {
                    for (group, bits) in &self.start_bits[turn.rule as usize] {
                        if turn.on { active[*group] |= bits } else { active[*group] &= !bits }
                    }
                }
                let mut view = None;
                let mut around = None;
                for (group, active) in self.starts.iter().zip(&active) {
                    if *active == 0 {
                        continue;
                    }
                    let mut possible = group.possible(padded, at) & active;
                    if possible == 0 {
                        continue;
                    }
                    let (words, digits) = *around.get_or_insert_with(|| {
                        let words = u128::from(block.alphanumeric) | u128::from(next.alphanumeric) << 64;
                        let digits = u128::from(block.digits) | u128::from(next.digits) << 64;
                        (words >> offset, (digits >> offset) as u64)
                    });
                    if possible & group.shapes != 0 {
                        possible &= if digits.count_ones() < group.least_digits {
                            !group.shapes
                        } else {
                            group.ending(ends(words, 128 - offset, self.longest_shape))
                        };
                    }
                    while possible != 0 {
                        let start = &group.starts[possible.trailing_zeros() as usize];
                        possible &= possible - 1;
                        if (digits & start.window).count_ones() >= start.digits && start.fits(words.trailing_ones()) {
                            start.attempt(found, at, self.longest_shape, &mut view, workspace);
                        }
                    }
                }
            }
            before = block.alphanumeric >> 63;
            block = next;
        }
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
    fn offer_shape(&mut self, rule: usize, start: usize, end: usize, writing: Writing, view: &View) {
        if inside_word(self.text, start, end) {
            return;
        }
        let check = self.rules[rule].validator.map_or(Check::Valid, |validator| (validator.check)(view.compact_to(end)));
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

/// A shape or expression that begins where a word begins.
struct Start {
    rule: usize,
    /// Index and letters and digits of the shape, for a rule of shapes.
    shape: Option<(usize, usize)>,
    /// Letters and digits together that its matches begin with, at least.
    run: u32,
    digits: u32,
    /// The octets in which they are counted.
    window: u64,
    longest: usize,
    /// For each of the first four octets the 256 that are possible.
    first: Box<[[bool; 256]; 4]>,
}

impl Start {
    fn new(
        rule: usize,
        shape: Option<(usize, usize)>,
        run: u32,
        digits: u32,
        longest: usize,
        allows: impl Fn(usize, u8) -> bool,
    ) -> Start {
        let mut first = Box::new([[false; 256]; 4]);
        for (place, set) in first.iter_mut().enumerate() {
            (0..=255u8).for_each(|byte| set[usize::from(byte)] = allows(place, byte));
        }
        // Digits beyond the window cannot be counted, so then none are asked for.
        let (digits, window) =
            if longest <= DIGIT_WINDOW { (digits, u64::MAX >> (DIGIT_WINDOW - longest)) } else { (0, u64::MAX) };
        Start { rule, shape, run, digits, window, longest, first }
    }

    /// Can a match begin with a word of (at least) so many letters and digits? In a longer one it would end inside.
    #[inline(always)]
    fn fits(&self, word: u32) -> bool {
        word >= self.run && word as usize <= self.longest
    }

    fn attempt(
        &self,
        found: &mut Found<'_>,
        at: usize,
        longest_shape: usize,
        view: &mut Option<View>,
        workspace: &mut Workspace,
    ) {
        match (&found.rules[self.rule].find, self.shape) {
            (Find::Shapes(shapes), Some((shape, _))) => {
                let view = view.get_or_insert_with(|| View::new(found.text, at, longest_shape));
                if let Some((end, writing)) = shapes[shape].matches(view) {
                    found.offer_shape(self.rule, at, end, writing, view);
                }
            }
            (Find::Expression(expression), _) if expression.may_begin(found.text, at) => {
                let cache = workspace.cache(self.rule, expression);
                if let Some(end) = expression.match_at(cache, found.text, at, self.longest) {
                    let value = expression.value(cache, found.text, at..end);
                    found.offer(self.rule, at..end, value, Writing::Plain);
                }
            }
            _ => {}
        }
    }
}

/// Up to 64 starts, whose first octets are tested together: one bit each.
struct StartGroup {
    starts: Vec<Start>,
    tables: Box<[[u64; 256]; 4]>,
    /// Those that are shapes, the fewest digits of any of them, and those of each length.
    shapes: u64,
    least_digits: u32,
    of_length: [u64; MAX_ELEMENTS + 1],
}

impl StartGroup {
    fn new(starts: Vec<Start>) -> StartGroup {
        let mut tables = Box::new([[0u64; 256]; 4]);
        for (bit, start) in starts.iter().enumerate() {
            for (table, set) in tables.iter_mut().zip(start.first.iter()) {
                for (entry, allowed) in table.iter_mut().zip(set) {
                    *entry |= u64::from(*allowed) << bit;
                }
            }
        }
        let (mut shapes, mut of_length) = (0, [0; MAX_ELEMENTS + 1]);
        for (bit, start) in starts.iter().enumerate() {
            if let Some((_, length)) = start.shape {
                shapes |= 1 << bit;
                of_length[length] |= 1 << bit;
            }
        }
        let least_digits = starts.iter().filter(|start| start.shape.is_some()).map(|start| start.digits).min().unwrap_or(0);
        StartGroup { starts, tables, shapes, least_digits, of_length }
    }

    /// Which starts can end where a word ends (see [`ends`]): all that are no shapes, and shapes of the right length.
    #[inline(always)]
    fn ending(&self, mut ends: u64) -> u64 {
        let mut allowed = !self.shapes;
        while ends != 0 {
            allowed |= self.of_length[ends.trailing_zeros() as usize + 1];
            ends &= ends - 1;
        }
        allowed
    }

    /// Which of the starts the four octets at `at` allow.
    #[inline(always)]
    fn possible(&self, padded: &[u8], at: usize) -> u64 {
        let Some(&[a, b, c, d]) = padded.get(at..at + 4) else { return 0 };
        let [first, second, third, fourth] = &*self.tables;
        first[usize::from(a)] & second[usize::from(b)] & third[usize::from(c)] & fourth[usize::from(d)]
    }
}

/// After how many letters and digits a word ends: one bit for each number up to `most`, one lowest. `words` has a bit for each
/// of the next octets that is a letter or digit, of which `known` are known; what lies beyond may be anything.
#[inline(always)]
fn ends(mut words: u128, mut known: u32, most: usize) -> u64 {
    let (mut ends, mut count) = (0u64, 0);
    loop {
        let word = words.trailing_ones();
        count += word;
        if count as usize > most {
            return ends;
        }
        if known <= word + MAX_SEPARATORS as u32 {
            return u64::MAX >> (64 - MAX_ELEMENTS);
        }
        ends |= 1 << (count - 1);
        words >>= word;
        let gap = words.trailing_zeros();
        if gap > MAX_SEPARATORS as u32 {
            return ends;
        }
        words >>= gap;
        known -= word + gap;
    }
}

/// Which of 64 octets are letters or digits: one bit each, the first lowest.
struct Masks {
    alphanumeric: u64,
    digits: u64,
}

impl Masks {
    /// Eight octets at a time in one register, for there is no portable SIMD without `unsafe`.
    fn of(padded: &[u8], base: usize) -> Masks {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let each = |byte: u8| u64::from_le_bytes([byte; 8]);
        let gather = |bits: u64| ((bits & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        let mut masks = Masks { alphanumeric: 0, digits: 0 };
        let Some(block) = padded.get(base..base + 64) else { return masks };
        for (index, octets) in block.chunks_exact(8).enumerate() {
            let mut word = [0; 8];
            word.copy_from_slice(octets);
            let word = u64::from_le_bytes(word);
            let (low, folded) = (word & !HIGH, (word | each(0x20)) & !HIGH);
            let digit = (low + each(0x80 - b'0')) & !(low + each(0x80 - b'9' - 1));
            let letter = (folded + each(0x80 - b'a')) & !(folded + each(0x80 - b'z' - 1));
            masks.digits |= gather(digit & !word) << (8 * index);
            masks.alphanumeric |= gather((digit | letter) & !word) << (8 * index);
        }
        masks
    }
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
                        alone.find(text.padded(), 0..length, |hit| {
                            let (start, end) = (hit.start as usize, hit.end as usize);
                            found.push(index, Candidate { start, end, writing: Writing::Plain, check: Check::Valid });
                        });
                    }
                }
                Find::Shapes(shapes) => {
                    for shape in shapes {
                        for at in 0..length {
                            if let Some((end, writing)) = shape.matches(&View::new(text.text(), at, MAX_ELEMENTS)) {
                                found.offer(index, at..end, at..end, writing);
                            }
                        }
                    }
                }
                Find::Expression(expression) => {
                    let mut cache = expression.cache();
                    if let Reach::WordStart { longest, .. } = expression.reach {
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
        let mut scanned: HashMap<usize, Vec<Candidate>> =
            scanner.scan(rules, &extracted, &mentions, 0, &mut Workspace::default()).into_iter().collect();
        let mut expected = naive(rules, &mentions.reads[0].normalized);
        for (index, rule) in rules.iter().enumerate() {
            let sorted = |candidates: Option<Vec<Candidate>>| {
                let mut candidates = candidates.unwrap_or_default();
                candidates.sort_by_key(|candidate| (candidate.start, candidate.end, candidate.check != Check::Valid));
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

        #[test]
        fn masks_say_what_each_octet_is(text in proptest::collection::vec(proptest::num::u8::ANY, 64)) {
            let masks = Masks::of(&text, 0);
            for (place, byte) in text.iter().enumerate() {
                proptest::prop_assert_eq!(masks.digits >> place & 1 == 1, byte.is_ascii_digit(), "{:x}", byte);
                proptest::prop_assert_eq!(masks.alphanumeric >> place & 1 == 1, byte.is_ascii_alphanumeric(), "{:x}", byte);
            }
        }
    }
}
