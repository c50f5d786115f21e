//! Turns an officer's regular expression into one that runs in linear time over normalised text, with what the scanner
//! needs to look only where it could match.
//!
//! Unicode is off: `\b`, `\d`, `\w` and `\s` mean ASCII, which is all that normalised Latin text is, and which keeps the
//! automaton from giving up at the first accent.

use super::reach::{self, ByteSet, MAX_FIRST, Reach};
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::{Anchored, Input, PatternID, meta, nfa::thompson, util::syntax};
use regex_syntax::hir::{Hir, HirKind};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Octets of an expression as written, at most.
const MAX_WRITTEN: usize = 16_384;
/// Octets of its automaton, at most.
pub(crate) const MAX_COMPILED: usize = 4 << 20;
/// Octets that a match may have if it is to be looked for at beginnings of words; of any other expression without an upper length,
/// the octets of a match looked for around a literal.
pub(crate) const MAX_WINDOW: usize = 8_192;
/// Octets that one expression may read per octet of text before it only goes on behind its last match.
const MAX_REREAD: usize = 8;
/// The same in short texts.
const FIRST_ALLOWANCE: usize = 1 << 18;
/// Beginnings that are tried one by one.
const MAX_TRIED: usize = 64;
/// Octets of a match of an expression that hesitates, at most.
const MAX_HESITATION: usize = 1_024;

/// Groups inside one another.
const MAX_NESTED: u32 = 60;
/// Octets of a table of all states.
const MAX_TABLE: usize = 256 << 10;
/// After so many attempts one by one such a table is worth making.
const MANY_TIMES: u32 = 2_000;

/// A compiled expression.
pub(crate) struct Expression {
    regex: meta::Regex,
    /// The same for attempts at one place; `None`: too large.
    table: OnceLock<Option<dense::DFA<Vec<u32>>>>,
    tried: AtomicU32,
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
        let options = || syntax::Config::new().unicode(false).utf8(false).nest_limit(MAX_NESTED);
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
        let reach = reach::reach(&hir);
        let beginnings = reach::beginnings(&hir);
        let longest = hir.properties().maximum_len();
        let anchor = reach::anchor(&hir);
        let hesitates = hesitates(&hir);
        Ok(Expression {
            regex,
            table: OnceLock::new(),
            tried: AtomicU32::new(0),
            pattern,
            values,
            beginnings,
            hesitates,
            anchor,
            longest,
            reach,
        })
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
        if self.tried.load(Ordering::Relaxed) < MANY_TIMES {
            self.tried.fetch_add(1, Ordering::Relaxed);
        } else if let Some(table) = self.table.get_or_init(|| table(&self.pattern))
            && let Ok(found) = table.try_search_fwd(&input)
        {
            return found.map(|found| found.offset());
        }
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
        self.anchor.filter(|_| self.reach.is_vague())
    }

    /// As it was compiled: folded.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    pub fn cache(&self) -> meta::Cache {
        self.regex.create_cache()
    }
}

/// The whole automaton of an expression as one table, if that is small.
fn table(pattern: &str) -> Option<dense::DFA<Vec<u32>>> {
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .dfa_size_limit(Some(MAX_TABLE))
        .determinize_size_limit(Some(4 * MAX_TABLE));
    let syntax = syntax::Config::new().unicode(false).utf8(false).nest_limit(MAX_NESTED);
    dense::Builder::new()
        .configure(config)
        .syntax(syntax)
        .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MAX_COMPILED)))
        .build(pattern)
        .ok()
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
    fn the_table_of_all_states_says_what_the_expression_says_at_every_place() {
        let rules = super::super::tests::rule_set().rules();
        let texts: Vec<&str> = rules.iter().flat_map(|rule| rule.tests.iter().map(|test| test.text.as_str())).collect();
        let mut tables = 0;
        for (number, rule) in rules.iter().enumerate() {
            let Some(expression) = rule.find.expression() else { continue };
            let Some(table) = table(&expression.pattern) else { continue };
            tables += 1;
            let mut cache = expression.cache();
            let others = texts.iter().skip(number * 7 % texts.len()).take(8).copied();
            for text in rule.tests.iter().map(|test| test.text.as_str()).chain(others) {
                let folded = super::super::normalize::normalize(text);
                for start in 0..folded.text().len() {
                    let input = Input::new(folded.text()).span(start..folded.text().len()).anchored(Anchored::Yes);
                    let expected = expression.regex.search_half_with(&mut cache, &input);
                    assert_eq!(table.try_search_fwd(&input).unwrap(), expected, "{} at {start} of {text:?}", rule.id.0);
                }
            }
        }
        assert!(tables > 20, "{tables}");
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
