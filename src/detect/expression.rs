//! Turns an officer's regular expression into one that runs in linear time over normalised text, with what the scanner
//! needs to look only where it could match.
//!
//! Unicode is off: `\b`, `\d`, `\w` and `\s` mean ASCII, which is all that normalised Latin text is, and which keeps the
//! automaton from giving up at the first accent.

use super::grams::GRAM;
use regex_automata::{Anchored, Input, PatternID, meta, nfa::thompson, util::syntax};
use regex_syntax::hir::{Class, Hir, HirKind};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Octets of an expression as written, at most.
const MAX_WRITTEN: usize = 16_384;
/// Octets of its automaton, at most.
const MAX_COMPILED: usize = 4 << 20;
/// Octets that a match may have if it is to be looked for at beginnings of words; of any other expression without an upper length,
/// the octets of a match looked for around a literal.
const MAX_WINDOW: usize = 8_192;
/// Octets from a match's beginning of which is known what can stand there.
const MAX_FIRST: usize = 16;
/// Octets that one expression may read per octet of text before it only goes on behind its last match.
const MAX_REREAD: usize = 8;
/// The same in short texts.
const FIRST_ALLOWANCE: usize = 1 << 18;
/// Beginnings that are tried one by one.
const MAX_TRIED: usize = 64;
/// The share of all words from which on their beginnings tell too little.
const VAGUE: f64 = 0.001;
/// Octets of a match of an expression that hesitates, at most.
const MAX_HESITATION: usize = 1_024;

/// A compiled expression.
pub(crate) struct Expression {
    regex: meta::Regex,
    pattern: String,
    /// The groups `value`, `value2` … of which the one that took part is the value; none: the whole match is.
    values: Vec<usize>,
    /// For each alternative which octets can stand first, second … in what begins with a match.
    beginnings: Vec<[ByteSet; MAX_FIRST]>,
    /// Can it, having found a match, read on without end for a better one (`a(?:.*b)?`)? Each search would then read the whole text.
    hesitates: bool,
    /// A seldom octet that stands in every match, at most so many octets behind its beginning.
    pub anchor: Option<(u8, usize)>,
    /// Octets of the longest match, if there is a longest.
    pub longest: Option<usize>,
    pub reach: Reach,
}

/// Where the scanner has to try the expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// At beginnings of words of at least `run` letters and digits, with these octets (one set for each of the first four),
    /// before as many digits, in `longest` octets.
    WordStart { first: [ByteSet; 4], run: u32, digits: u32, longest: usize },
    /// At most so many octets before one of these (folded by `| 0x20`, three octets or more); `None`: anywhere.
    Around { literals: Vec<(Vec<u8>, Option<usize>)> },
    /// Everywhere.
    Everywhere,
}

/// A set of octets.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    pub fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    /// How much of the letters of a text it has, roughly.
    fn share_of_letters(&self) -> f64 {
        let letters = b"etaoinsrhldcumfpgwybvkxjqz";
        let share = |place: usize| 2.0 * (26.5 - place as f64) / (26.0 * 27.0);
        letters.iter().enumerate().filter(|(_, letter)| self.contains(**letter)).map(|(place, _)| share(place)).sum()
    }

    fn has_common_letters(&self) -> bool {
        b"aeinrst".iter().all(|letter| self.contains(*letter))
    }

    fn insert(&mut self, from: u8, to: u8) {
        (from..=to).for_each(|byte| self.0[usize::from(byte >> 6)] |= 1 << (byte & 63));
    }
}

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x?}", self.0)
    }
}

impl Expression {
    /// Compiles an expression; the error is a sentence that says what to write instead.
    pub fn compile(written: &str) -> Result<Expression, String> {
        if written.len() > MAX_WRITTEN {
            return Err(format!(
                "the expression has {} octets, at most {MAX_WRITTEN} are allowed; use words for long lists",
                written.len()
            ));
        }
        let pattern = super::normalize::fold_pattern(written);
        let options = || syntax::Config::new().unicode(false).utf8(false).nest_limit(60);
        let hir = syntax::parse_with(&pattern, &options()).map_err(|error| explain(&pattern, &error))?;
        if hir.properties().minimum_len().unwrap_or(0) == 0 {
            return Err("the expression matches the empty text; make at least one part of it required".to_owned());
        }
        let config = meta::Config::new()
            .nfa_size_limit(Some(MAX_COMPILED))
            .hybrid_cache_capacity(4 << 20)
            .dfa(false)
            .utf8_empty(false)
            .onepass(false);
        let regex = meta::Builder::new().configure(config).syntax(options()).build(&pattern).map_err(|error| {
            match error.size_limit() {
                Some(_) => {
                    "the expression is too large when compiled; write smaller repetitions than {500} of classes".to_owned()
                }
                None => explain(&pattern, &error),
            }
        })?;
        let mut values = Vec::new();
        for (group, name) in regex.group_info().pattern_names(PatternID::ZERO).enumerate() {
            match name {
                Some(name) if name.strip_prefix("value").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())) => {
                    values.push(group);
                }
                Some(name) => {
                    return Err(format!(
                        "the group \"{name}\" has no meaning; write (?<value>…) around what counts as the value, (?:…) elsewhere"
                    ));
                }
                None => {}
            }
        }
        let reach = reach(&hir, first_bytes(&hir).as_ref());
        let alternatives =
            if let HirKind::Alternation(parts) = hir.kind() { parts.as_slice() } else { std::slice::from_ref(&hir) };
        let beginnings: Option<Vec<_>> = alternatives.iter().map(first_bytes).collect();
        let beginnings = beginnings.unwrap_or_default();
        let longest = hir.properties().maximum_len();
        let anchor = anchor(&hir);
        let hesitates = hesitates(&hir);
        Ok(Expression { regex, pattern, values, beginnings, hesitates, anchor, longest, reach })
    }

    /// What of a match counts as the value; the rest is only context.
    pub fn value(&self, cache: &mut meta::Cache, text: &[u8], whole: Range<usize>) -> Range<usize> {
        if self.values.is_empty() {
            return whole;
        }
        let mut captures = self.regex.create_captures();
        let input = Input::new(text).span(whole.clone()).anchored(Anchored::Yes);
        self.regex.search_captures_with(cache, &input, &mut captures);
        let group = self.values.iter().find_map(|group| captures.get_group(*group));
        group.map(|span| span.start..span.end).filter(|value| !value.is_empty()).unwrap_or(whole)
    }

    /// The match that begins exactly at `start`.
    pub fn match_at(&self, cache: &mut meta::Cache, text: &[u8], start: usize, longest: usize) -> Option<usize> {
        let end = (start + longest).min(text.len());
        let input = Input::new(text).span(start..end).anchored(Anchored::Yes);
        self.regex.search_half_with(cache, &input).map(|found| found.offset())
    }

    /// Matches in `span`, from left to right; after each the search goes on one octet behind its beginning, but for taken ones
    /// of an expression that knows no longest match. `accept` says whether one is taken.
    pub fn matches(
        &self,
        cache: &mut meta::Cache,
        text: &[u8],
        span: Range<usize>,
        mut accept: impl FnMut(&mut meta::Cache, Range<usize>) -> bool,
    ) {
        let mut at = span.start;
        let mut allowance = span.len().saturating_mul(MAX_REREAD) + FIRST_ALLOWANCE;
        while at < span.end {
            let end = if self.hesitates { span.end.min(at + 2 * MAX_HESITATION) } else { span.end };
            let Some(found) = self.regex.search_with(cache, &Input::new(text).span(at..end)) else {
                if end == span.end {
                    return;
                }
                at += MAX_HESITATION;
                continue;
            };
            let taken = accept(cache, found.range());
            let read = if self.hesitates { 2 * MAX_HESITATION } else { found.end() - found.start() };
            // A match without an upper length that was taken stands for all that begin inside it; others hide nothing.
            let whole = taken && self.longest.is_none();
            at = match allowance.checked_sub(read) {
                Some(_) if !whole => found.start() + 1,
                None if self.hesitates => found.end().max(at + MAX_HESITATION),
                _ => found.end(),
            };
            allowance = allowance.saturating_sub(read);
        }
    }

    /// Matches that begin in `starts`, from left to right, where `starts` is what a prefilter left.
    pub fn matches_from(
        &self,
        cache: &mut meta::Cache,
        text: &[u8],
        starts: Range<usize>,
        mut accept: impl FnMut(&mut meta::Cache, Range<usize>) -> bool,
    ) -> usize {
        let longest = if self.hesitates { MAX_HESITATION } else { self.longest.unwrap_or(MAX_WINDOW) };
        let mut behind = starts.start;
        if starts.len() > MAX_TRIED {
            let span = starts.start..starts.end.saturating_add(longest).min(text.len());
            self.matches(cache, text, span, |cache, whole| {
                let within = whole.start < starts.end;
                let taken = within && accept(cache, whole.clone());
                if taken && self.longest.is_none() {
                    behind = whole.end;
                }
                taken
            });
            return behind;
        }
        for start in starts {
            let inside = start > 0 && text[start - 1].is_ascii_alphanumeric() && text[start].is_ascii_alphanumeric();
            if start < behind || inside || !self.may_begin(text, start) {
                continue;
            }
            if let Some(end) = self.match_at(cache, text, start, longest)
                && accept(cache, start..end)
                && self.longest.is_none()
            {
                behind = end;
            }
        }
        behind
    }

    /// Can a match begin here, by its first octets? Much cheaper than to ask the automaton.
    pub fn may_begin(&self, text: &[u8], start: usize) -> bool {
        let octets = &text[start..];
        self.beginnings.is_empty()
            || self.beginnings.iter().any(|sets| octets.iter().zip(sets).all(|(octet, set)| set.contains(*octet)))
    }

    /// Is it to be looked for around its anchor, because all else that is known of it stands everywhere?
    pub fn anchored(&self) -> Option<(u8, usize)> {
        let vague = match &self.reach {
            Reach::WordStart { first, digits, .. } => *digits == 0 && first.iter().all(ByteSet::has_common_letters),
            Reach::Around { .. } => false,
            Reach::Everywhere => true,
        };
        self.anchor.filter(|_| vague)
    }

    /// As it was compiled: folded.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    pub fn cache(&self) -> meta::Cache {
        self.regex.create_cache()
    }
}

fn explain(pattern: &str, error: &(dyn std::error::Error + 'static)) -> String {
    for (sign, what) in [
        ("(?=", "looks ahead"),
        ("(?!", "looks ahead"),
        ("(?<=", "looks behind"),
        ("(?<!", "looks behind"),
        ("(?>", "uses an atomic group"),
    ] {
        if pattern.contains(sign) {
            return format!(
                "the expression {what} with \"{sign}\", which cannot be done in linear time; \
                 match more and let [near], [unless_near] or the validator decide"
            );
        }
    }
    if pattern.as_bytes().windows(2).any(|pair| pair[0] == b'\\' && matches!(pair[1], b'1'..=b'9' | b'k')) {
        return "the expression refers back to a group (\\1), which cannot be done in linear time; write the part out"
            .to_owned();
    }
    if pattern.contains("\\p") || pattern.contains("\\P") {
        return "texts are compared without accents: write [A-Za-z] instead of \\p{…}".to_owned();
    }
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let last = cause.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    format!("the expression cannot be read: {last}; compare it with the examples in rules/README.md")
}

fn reach(hir: &Hir, first: Option<&[ByteSet; MAX_FIRST]>) -> Reach {
    let longest = hir.properties().maximum_len().filter(|longest| *longest <= MAX_WINDOW);
    let literals = required(hir).filter(|literals| shortest(literals) >= GRAM);
    // Words begin everywhere: what begins as many of them do is better found by a literal in it.
    let near =
        literals.as_ref().is_some_and(|literals| literals.values().all(|before| before.is_some_and(|before| before <= FAR)));
    let vague = |first: &[ByteSet; MAX_FIRST]| {
        digits(hir) == 0 && near && first[..4].iter().map(ByteSet::share_of_letters).product::<f64>() > VAGUE
    };
    match (longest, first, literals) {
        (Some(longest), Some(first), literals) if starts_word(&first[0]) && !(vague(first) && literals.is_some()) => {
            let run = first.iter().take_while(|set| starts_word(set)).count() as u32;
            let [one, two, three, four, ..] = *first;
            Reach::WordStart { first: [one, two, three, four], run, digits: digits(hir), longest }
        }
        (_, _, Some(literals)) => Reach::Around { literals: literals.into_iter().collect() },
        _ => Reach::Everywhere,
    }
}

/// Only letters and digits: if such a set is the first, a match may only begin where a word begins, for the boundary rule
/// forbids it to begin inside one.
fn starts_word(first: &ByteSet) -> bool {
    (0..=255u8).all(|byte| !first.contains(byte) || byte.is_ascii_alphanumeric())
}

/// Which octets can stand first, second … in a match; look-arounds are taken to hold.
fn first_bytes(hir: &Hir) -> Option<[ByteSet; MAX_FIRST]> {
    use thompson::State;
    let nfa = thompson::Compiler::new()
        .configure(thompson::Config::new().utf8(false).nfa_size_limit(Some(MAX_COMPILED)))
        .build_from_hir(hir)
        .ok()?;
    let mut sets = [ByteSet::default(); MAX_FIRST];
    let mut current = BTreeSet::from([nfa.start_anchored()]);
    for set in &mut sets {
        let mut queue: Vec<_> = current.iter().copied().collect();
        let mut seen = current.clone();
        let mut next = BTreeSet::new();
        while let Some(id) = queue.pop() {
            let mut epsilon = |target| {
                if seen.insert(target) {
                    queue.push(target);
                }
            };
            let mut step = |from: u8, to: u8, target| {
                set.insert(from, to);
                next.insert(target);
            };
            match nfa.state(id) {
                State::ByteRange { trans } => step(trans.start, trans.end, trans.next),
                State::Sparse(sparse) => sparse.transitions.iter().for_each(|trans| step(trans.start, trans.end, trans.next)),
                State::Dense(dense) => {
                    (0..=255u8).zip(dense.transitions.iter()).for_each(|(byte, target)| step(byte, byte, *target))
                }
                State::Look { next, .. } | State::Capture { next, .. } => epsilon(*next),
                State::Union { alternates } => alternates.iter().for_each(|target| epsilon(*target)),
                State::BinaryUnion { alt1, alt2 } => [*alt1, *alt2].into_iter().for_each(epsilon),
                State::Fail => {}
                State::Match { .. } => set.insert(0, 255), // it may end here: anything follows
            }
        }
        if next.is_empty() {
            // All matches are shorter: whatever follows is right.
            if set.0 == [0; 4] {
                set.insert(0, 255);
            }
        }
        // A match that may have ended earlier allows anything from there on.
        let ended = set.0 == [u64::MAX; 4];
        current = next;
        if ended {
            current.clear();
        }
    }
    Some(sets)
}

/// Has it an alternative that repeats something without end before it comes to its own end?
fn hesitates(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => (repetition.min == 0 && runs_on(&repetition.sub)) || hesitates(&repetition.sub),
        HirKind::Capture(capture) => hesitates(&capture.sub),
        HirKind::Concat(parts) => parts.iter().any(hesitates),
        HirKind::Alternation(parts) => parts.iter().any(runs_on),
        _ => false,
    }
}

/// Is something repeated without end in it, with more to come behind?
fn runs_on(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => runs_on(&repetition.sub),
        HirKind::Capture(capture) => runs_on(&capture.sub),
        HirKind::Concat(parts) => {
            let last = parts.len().saturating_sub(1);
            parts
                .iter()
                .enumerate()
                .any(|(place, part)| runs_on(part) || (place < last && part.properties().maximum_len().is_none()))
        }
        HirKind::Alternation(parts) => parts.iter().any(runs_on),
        _ => false,
    }
}

/// A seldom octet that every match has, and how many octets can stand before it.
fn anchor(hir: &Hir) -> Option<(u8, usize)> {
    const SELDOM: &[u8] = b"@<{}|~^\\$%+";
    match hir.kind() {
        HirKind::Literal(literal) => {
            let place = literal.0.iter().position(|byte| SELDOM.contains(byte))?;
            Some((literal.0[place], place))
        }
        HirKind::Capture(capture) => anchor(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => anchor(&repetition.sub),
        HirKind::Concat(parts) => {
            let mut before = 0usize;
            for part in parts {
                if let Some((byte, place)) = anchor(part) {
                    return Some((byte, before + place));
                }
                before = before.checked_add(part.properties().maximum_len()?).filter(|before| *before <= MAX_WINDOW)?;
            }
            None
        }
        HirKind::Alternation(parts) => {
            let mut all = parts.iter().map(anchor);
            let first = all.next()??;
            all.try_fold(first, |(byte, place), other| {
                other.filter(|other| other.0 == byte).map(|other| (byte, place.max(other.1)))
            })
        }
        _ => None,
    }
}

/// How many digits every match has at least.
fn digits(hir: &Hir) -> u32 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.iter().filter(|byte| byte.is_ascii_digit()).count() as u32,
        HirKind::Class(Class::Bytes(class)) => {
            u32::from(class.iter().all(|range| range.start() >= b'0' && range.end() <= b'9') && class.iter().next().is_some())
        }
        HirKind::Class(Class::Unicode(_)) => 0,
        HirKind::Repetition(repetition) => repetition.min.saturating_mul(digits(&repetition.sub)),
        HirKind::Capture(capture) => digits(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(digits).fold(0, u32::saturating_add),
        HirKind::Alternation(parts) => parts.iter().map(digits).min().unwrap_or(0),
    }
}

/// Texts of which one stands in every match, each with the octets that may stand before it in the match, if there is an upper number.
type Required = BTreeMap<Vec<u8>, Option<usize>>;
type Literals = BTreeSet<Vec<u8>>;

/// What is known of the language of an expression, folded by `| 0x20`.
enum Known {
    /// Exactly these texts.
    Exactly(Literals),
    /// One of these stands in every match; `None`: nothing is known.
    Contains(Option<Required>),
}

/// Alternatives kept while following one path through an expression, at most.
const MAX_LITERALS: usize = 512;
/// Literals of one expression, at most.
const MAX_REQUIRED: usize = 4_096;
/// Octets of a class that are followed one by one, at most.
const MAX_CLASS: usize = 27;
/// Octets before a literal from which on another is better, even a shorter one.
const FAR: usize = 64;

/// Texts of which one stands in every match.
fn required(hir: &Hir) -> Option<Required> {
    contained(known(hir), Some(0))
}

/// What is known, `before` octets into a match.
fn contained(known: Known, before: Option<usize>) -> Option<Required> {
    match known {
        Known::Exactly(literals) if literals.is_empty() || literals.iter().any(Vec::is_empty) => None,
        Known::Exactly(literals) => Some(literals.into_iter().map(|literal| (literal, before)).collect()),
        Known::Contains(literals) => {
            let farther = |own: Option<usize>| own.zip(before).and_then(|(own, before)| own.checked_add(before));
            literals.map(|literals| literals.into_iter().map(|(literal, own)| (literal, farther(own))).collect())
        }
    }
}

fn shortest(literals: &Required) -> usize {
    literals.keys().map(Vec::len).min().unwrap_or(0)
}

fn better(one: Option<Required>, other: Option<Required>) -> Option<Required> {
    let worth = |literals: &Required| {
        let shortest = shortest(literals);
        let near = literals.values().all(|before| before.is_some_and(|before| before <= FAR));
        (shortest >= GRAM, near, shortest, std::cmp::Reverse(literals.len()))
    };
    match (one, other) {
        (Some(one), Some(other)) if worth(&one) >= worth(&other) => Some(one),
        (_, Some(other)) => Some(other),
        (one, None) => one,
    }
}

fn known(hir: &Hir) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Known::Exactly([Vec::new()].into()),
        HirKind::Literal(literal) => Known::Exactly([literal.0.iter().map(|byte| byte | 0x20).collect()].into()),
        HirKind::Class(class) => {
            let mut folded = Literals::new();
            if let Class::Bytes(class) = class {
                for byte in class.iter().flat_map(|range| range.start()..=range.end()) {
                    folded.insert(vec![byte | 0x20]);
                }
            }
            if folded.is_empty() || folded.len() > MAX_CLASS { Known::Contains(None) } else { Known::Exactly(folded) }
        }
        HirKind::Capture(capture) => known(&capture.sub),
        HirKind::Repetition(repetition) => match (repetition.min, repetition.max, known(&repetition.sub)) {
            (0, Some(1), Known::Exactly(mut literals)) => {
                literals.insert(Vec::new());
                Known::Exactly(literals)
            }
            (0, _, _) => Known::Contains(None),
            (1, Some(1), sub) => sub,
            (_, _, sub) => Known::Contains(contained(sub, Some(0))),
        },
        HirKind::Alternation(parts) => alternation(parts),
        HirKind::Concat(parts) => concatenation(parts),
    }
}

fn alternation(parts: &[Hir]) -> Known {
    let parts: Vec<Known> = parts.iter().map(known).collect();
    if parts.iter().all(|part| matches!(part, Known::Exactly(_))) {
        let literals =
            parts.into_iter().flat_map(|part| if let Known::Exactly(literals) = part { literals } else { Literals::new() });
        return Known::Exactly(literals.take(MAX_REQUIRED).collect());
    }
    let mut all = Required::new();
    for part in parts {
        let Some(literals) = contained(part, Some(0)) else { return Known::Contains(None) };
        for (literal, before) in literals {
            let known = all.entry(literal).or_insert(before);
            *known = known.zip(before).map(|(one, other)| one.max(other));
        }
    }
    Known::Contains(Some(all).filter(|all| all.len() <= MAX_REQUIRED))
}

fn concatenation(parts: &[Hir]) -> Known {
    let mut run: Literals = [Vec::new()].into();
    // Octets before this part, and before the run, at most.
    let (mut here, mut before) = (Some(0usize), Some(0usize));
    let mut best = None;
    let mut whole = true;
    for part in parts {
        match known(part) {
            Known::Exactly(next)
                if next.len() * run.len() <= MAX_LITERALS || (run.len() == 1 && next.len() <= MAX_REQUIRED) =>
            {
                run = run.iter().flat_map(|start| next.iter().map(move |end| [start.as_slice(), end].concat())).collect();
            }
            other => {
                whole = false;
                best = better(best, contained(Known::Exactly(std::mem::replace(&mut run, [Vec::new()].into())), before));
                before = here;
                match other {
                    Known::Exactly(next) => run = next,
                    contains => {
                        best = better(best, contained(contains, here));
                        before = here.zip(part.properties().maximum_len()).and_then(|(here, more)| here.checked_add(more));
                    }
                }
            }
        }
        here = here.zip(part.properties().maximum_len()).and_then(|(here, more)| here.checked_add(more));
    }
    if whole { Known::Exactly(run) } else { Known::Contains(better(best, contained(Known::Exactly(run), before))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_linear_is_refused_and_says_why() {
        for (pattern, part) in [
            ("a(?=b)c", "looks ahead"),
            ("(?<!a)bcd", "looks behind"),
            (r"(a)\1", "refers back"),
            (r"\p{Lu}+x", "write [A-Za-z]"),
            ("a*", "empty text"),
            ("(abc", "cannot be read"),
            ("((([a-z]{500}){500}){500})", "too large"),
            (&"a".repeat(20_000), "octets"),
        ] {
            let sentence = Expression::compile(pattern).err().expect(pattern);
            assert!(sentence.contains(part), "{pattern}: {sentence}");
        }
    }

    #[test]
    fn the_scanner_is_told_where_to_look() {
        let reach = |pattern| Expression::compile(pattern).unwrap().reach;
        assert!(matches!(reach("AKIA[A-Z2-7]{16}"), Reach::WordStart { digits: 0, run: 16, longest: 20, .. }));
        assert!(matches!(reach("[A-Z]{2}[0-9]{2}[0-9]{5}"), Reach::WordStart { digits: 7, run: 9, .. }));
        assert!(matches!(reach("[A-Z]{2} ?[0-9]{2}|[0-9]+x"), Reach::Everywhere));
        assert!(matches!(reach("[A-Z]{2} ?[0-9]{2}|[0-9]{9}x"), Reach::WordStart { digits: 2, run: 2, longest: 10, .. }));
        assert!(matches!(reach("[0-9]{3}|[A-Z]{9}"), Reach::WordStart { digits: 0, run: 3, .. }));
        let Reach::Around { literals, .. } = reach("-----BEGIN [A-Z ]{0,30}PRIVATE KEY") else { panic!() };
        assert_eq!(literals, [(b"-----begin ".iter().map(|b| b | 0x20).collect::<Vec<u8>>(), Some(0))]);
        let Reach::Around { literals, .. } = reach("(?i)[/@](?:we\\.tl|mega\\.nz)/") else { panic!() };
        assert_eq!(literals.len(), 4);
        assert_eq!(reach("(?m)^.*SECRET$"), Reach::Around { literals: vec![(b"secret".to_vec(), None)] });
        let Reach::Around { literals } = reach("(?:x{2,5}tlp|q?r(?:red|amber)):[a-z]") else { panic!() };
        for (literal, before) in [("tlp", 5), ("rred", 0), ("qramber", 0)] {
            assert!(literals.contains(&(literal.into(), Some(before))), "{literals:?}");
        }
        assert_eq!(reach("[^a]b+"), Reach::Everywhere);
    }

    #[test]
    fn short_matches_allow_anything_behind_them() {
        let Reach::WordStart { first, .. } = Expression::compile("a|bc?").unwrap().reach else { panic!() };
        assert!(first[0].contains(b'a') && first[0].contains(b'b') && !first[0].contains(b'c'));
        for set in &first[1..] {
            assert!(set.contains(b'z') && set.contains(0));
        }
    }

    #[test]
    fn a_catastrophic_pattern_stays_linear() {
        let expression = Expression::compile("(?:a+)+[^a]{1,3}(?:x+x+)+y|[ab]*c").unwrap();
        let text = "ab".repeat(100_000);
        let started = std::time::Instant::now();
        expression.matches(&mut expression.cache(), text.as_bytes(), 0..text.len(), |_, _| false);
        assert!(started.elapsed().as_secs() < 5);
    }
}
