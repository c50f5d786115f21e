//! Turns a parsed expression into what the scanner must see before a match can stand there: for each of its alternatives a form
//! of word, or texts of which one stands in every match.

use regex_automata::nfa::thompson::{self, NFA, State};
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::{Class, Hir, HirKind};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Octets from a match's beginning of which is known what can stand there.
pub(crate) const MAX_FIRST: usize = 16;
/// Octets of a literal, at least.
pub(crate) const SHORTEST: usize = 3;
/// Alternatives of one expression that are looked at by themselves, at most.
const MAX_ALTERNATIVES: usize = 128;
/// The share of all words from which on their beginnings tell too little.
const VAGUE: f64 = 0.001;
/// Letters and digits that a word must have for its length to tell enough.
const LONG_RUN: u32 = 12;
/// Digits that must stand in a match for them to tell enough.
const MANY_DIGITS: u32 = 4;

/// Where the scanner has to try the expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Where one of these is seen: every match has one.
    Openings(Vec<Opening>),
    /// Everywhere.
    Everywhere,
}

/// What stands in every match of one alternative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It begins with a word of this form.
    Word(WordForm),
    /// At most so many octets behind its beginning (`None`: anywhere) stands one of these, folded by `| 0x20`, [`SHORTEST`] octets or more.
    Literals(Vec<(Vec<u8>, Option<usize>)>),
}

/// A word as a match may begin with it, and the digits that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WordForm {
    /// What its first octets can be; those behind the word too.
    pub first: [ByteSet; 4],
    /// How many letters and digits it can have: one bit each; the highest for 63 and more.
    pub runs: u64,
    /// Digits in the first `window` octets, at least.
    pub digits: u32,
    pub window: usize,
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

impl Reach {
    /// Is what is known true of ordinary words too?
    pub fn is_vague(&self) -> bool {
        let vague = |opening: &Opening| match opening {
            Opening::Word(form) => form.digits == 0 && form.first.iter().all(ByteSet::has_common_letters),
            Opening::Literals(literals) => {
                literals.iter().any(|(literal, before)| super::literals::word_in(literal, *before).is_none())
            }
        };
        match self {
            Reach::Openings(openings) => openings.iter().any(vague),
            Reach::Everywhere => true,
        }
    }
}

/// Where an expression has to be tried.
pub(crate) fn reach(hir: &Hir) -> Reach {
    let longest = hir.properties().maximum_len();
    let mut openings: Vec<Opening> = Vec::new();
    let mut literals = Required::new();
    for alternative in alternatives(hir) {
        match opening(&alternative, longest) {
            Some(Opening::Literals(more)) => join(&mut literals, more),
            Some(word) if !openings.contains(&word) => openings.push(word),
            Some(_) => {}
            None => return Reach::Everywhere,
        }
    }
    if !literals.is_empty() {
        openings.push(Opening::Literals(literals.into_iter().collect()));
    }
    Reach::Openings(openings)
}

/// The first octets of each alternative; empty when one cannot be told.
pub(crate) fn beginnings(hir: &Hir) -> Vec<[ByteSet; MAX_FIRST]> {
    let parts = alternatives(hir);
    let all: Option<Vec<_>> = parts.iter().map(|part| Some(first_octets(&automaton(part)?))).collect();
    all.unwrap_or_default()
}

fn opening(hir: &Hir, longest: Option<usize>) -> Option<Opening> {
    let literals = required(hir).filter(|literals| shortest(literals) >= SHORTEST);
    let digits = digits(hir);
    let form = automaton(hir).and_then(|nfa| {
        let first = first_octets(&nfa);
        let window = hir.properties().maximum_len().or(longest).unwrap_or(usize::MAX);
        let runs = if starts_word(&first[0]) { runs(&nfa) } else { 0 };
        (runs != 0).then(|| WordForm { first: [first[0], first[1], first[2], first[3]], runs, digits, window })
    });
    let all = |literals: Required| Opening::Literals(literals.into_iter().collect());
    match (form, literals) {
        (Some(form), Some(literals)) => {
            // Many digits, then a text at the very beginning, then a long word tell most; words that begin as many do tell nothing.
            let near = literals.values().all(|before| before.is_some_and(|before| before <= FAR));
            let vague = digits == 0 && form.first.iter().map(ByteSet::share_of_letters).product::<f64>() > VAGUE;
            let tells = |literal: &Vec<u8>| literal.len() > SHORTEST || !literal.iter().all(u8::is_ascii_alphanumeric);
            let begins = literals.iter().all(|(literal, before)| *before == Some(0) && tells(literal));
            let long = form.runs.trailing_zeros() >= LONG_RUN;
            let by_text = digits < MANY_DIGITS && (begins || (vague && near && !long));
            Some(if by_text { all(literals) } else { Opening::Word(form) })
        }
        (Some(form), None) => Some(Opening::Word(form)),
        (None, literals) => literals.map(all),
    }
}

/// The alternatives of an expression, those at the beginning of a sequence and of what may be missing there included, as far as
/// [`MAX_ALTERNATIVES`] allows.
fn alternatives(hir: &Hir) -> Vec<Hir> {
    let mut all = Vec::new();
    let mut open = VecDeque::from([hir.clone()]);
    while let Some(next) = open.pop_front() {
        match split(&next).filter(|parts| all.len() + open.len() + parts.len() <= MAX_ALTERNATIVES) {
            Some(parts) => open.extend(parts),
            None => all.push(next),
        }
    }
    all
}

/// One step of it; `None` when there is nothing to take apart.
fn split(hir: &Hir) -> Option<Vec<Hir>> {
    match hir.kind() {
        HirKind::Alternation(parts) => Some(parts.clone()),
        HirKind::Capture(capture) => Some(vec![(*capture.sub).clone()]),
        HirKind::Repetition(repetition) if repetition.min == 0 && repetition.max == Some(1) => {
            Some(vec![(*repetition.sub).clone(), Hir::empty()])
        }
        HirKind::Concat(parts) => {
            let first = parts.iter().position(|part| !matches!(part.kind(), HirKind::Look(_)))?;
            let instead = split(&parts[first])?;
            let with = |part: Hir| {
                let rest = parts[first + 1..].iter().cloned();
                Hir::concat(parts[..first].iter().cloned().chain([part]).chain(rest).collect())
            };
            Some(instead.into_iter().map(with).collect())
        }
        _ => None,
    }
}

fn join(all: &mut Required, more: Vec<(Vec<u8>, Option<usize>)>) {
    for (literal, before) in more {
        let known = all.entry(literal).or_insert(before);
        *known = known.zip(before).map(|(one, other)| one.max(other));
    }
}

/// Only letters and digits: if such a set is the first, a match may only begin where a word begins, for the boundary rule
/// forbids it to begin inside one.
fn starts_word(first: &ByteSet) -> bool {
    (0..=255u8).all(|byte| !first.contains(byte) || byte.is_ascii_alphanumeric())
}

fn automaton(hir: &Hir) -> Option<NFA> {
    let config = thompson::Config::new().utf8(false).nfa_size_limit(Some(super::expression::MAX_COMPILED));
    thompson::Compiler::new().configure(config).build_from_hir(hir).ok()
}

/// The states that are reached without reading from some others, with these; look-arounds are taken to hold.
fn closure(nfa: &NFA, states: &BTreeSet<StateID>) -> BTreeSet<StateID> {
    let mut queue: Vec<StateID> = states.iter().copied().collect();
    let mut seen = states.clone();
    while let Some(id) = queue.pop() {
        let mut epsilon = |target| {
            if seen.insert(target) {
                queue.push(target);
            }
        };
        match nfa.state(id) {
            State::Look { next, .. } | State::Capture { next, .. } => epsilon(*next),
            State::Union { alternates } => alternates.iter().for_each(|target| epsilon(*target)),
            State::BinaryUnion { alt1, alt2 } => [*alt1, *alt2].into_iter().for_each(epsilon),
            _ => {}
        }
    }
    seen
}

/// Each range of octets that a state reads, with the state behind it.
fn steps(nfa: &NFA, id: StateID, mut step: impl FnMut(u8, u8, StateID)) {
    match nfa.state(id) {
        State::ByteRange { trans } => step(trans.start, trans.end, trans.next),
        State::Sparse(sparse) => sparse.transitions.iter().for_each(|trans| step(trans.start, trans.end, trans.next)),
        State::Dense(dense) => (0..=255u8).zip(dense.transitions.iter()).for_each(|(byte, target)| step(byte, byte, *target)),
        _ => {}
    }
}

/// Which octets can stand first, second … in a match.
fn first_octets(nfa: &NFA) -> [ByteSet; MAX_FIRST] {
    let mut sets = [ByteSet::default(); MAX_FIRST];
    let mut current = BTreeSet::from([nfa.start_anchored()]);
    for set in &mut sets {
        let mut next = BTreeSet::new();
        for id in closure(nfa, &current) {
            if matches!(nfa.state(id), State::Match { .. }) {
                set.insert(0, 255); // it may end here: anything follows
            }
            steps(nfa, id, |from, to, target| {
                set.insert(from, to);
                next.insert(target);
            });
        }
        // All matches are shorter: whatever follows is right.
        if next.is_empty() && set.0 == [0; 4] {
            set.insert(0, 255);
        }
        // A match that may have ended earlier allows anything from there on.
        current = if set.0 == [u64::MAX; 4] { BTreeSet::new() } else { next };
    }
    sets
}

/// How many letters and digits can stand together at the beginning of a match, where it does not end inside a word.
fn runs(nfa: &NFA) -> u64 {
    let mut runs = 0;
    let mut current = BTreeSet::from([nfa.start_anchored()]);
    for length in 0..64u32 {
        let mut next = BTreeSet::new();
        let mut ends = false;
        for id in closure(nfa, &current) {
            ends |= matches!(nfa.state(id), State::Match { .. });
            steps(nfa, id, |from, to, target| {
                let whole = |byte: u8| byte.is_ascii_alphanumeric();
                ends |= (from..=to).any(|byte| !whole(byte));
                if (from..=to).any(whole) {
                    next.insert(target);
                }
            });
        }
        if length == 63 {
            return runs | 1 << 63;
        }
        runs |= u64::from(ends && length > 0) << length;
        if next.is_empty() {
            return runs;
        }
        current = next;
    }
    runs
}

/// A seldom octet that every match has, and how many octets can stand before it.
pub(crate) fn anchor(hir: &Hir) -> Option<(u8, usize)> {
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
                before = before
                    .checked_add(part.properties().maximum_len()?)
                    .filter(|before| *before <= super::expression::MAX_WINDOW)?;
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
        (shortest >= SHORTEST, near, shortest, std::cmp::Reverse(literals.len()))
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

    fn openings(pattern: &str) -> Vec<Opening> {
        match &super::super::expression::Expression::compile(pattern).unwrap().reach {
            Reach::Openings(openings) => openings.clone(),
            Reach::Everywhere => Vec::new(),
        }
    }

    fn words(pattern: &str) -> Vec<WordForm> {
        let form = |opening| if let Opening::Word(form) = opening { Some(form) } else { None };
        openings(pattern).into_iter().filter_map(form).collect()
    }

    fn literals(pattern: &str) -> Vec<(String, Option<usize>)> {
        let some = |opening| if let Opening::Literals(literals) = opening { literals } else { Vec::new() };
        let all = openings(pattern).into_iter().flat_map(some);
        all.map(|(literal, before)| (String::from_utf8(literal).unwrap(), before)).collect()
    }

    #[test]
    fn the_scanner_is_told_where_to_look() {
        assert_eq!(literals("AKIA[A-Z2-7]{16}"), [("akia".into(), Some(0))]);
        let bits = |lengths: &[u32]| lengths.iter().fold(0, |bits, length| bits | 1u64 << length);
        for (pattern, digits, runs) in [
            ("[A-Z]{2}[0-9]{2}[0-9]{5}", 7, bits(&[9])),
            ("[A-Z]{2} ?[0-9]{9}", 9, bits(&[2, 11])),
            ("[0-9]{3,4}(?:-[0-9]{4})+", 7, bits(&[3, 4])),
            ("[A-Z][a-z]{80}[0-9]{4}", 4, bits(&[63])),
        ] {
            let [form] = &words(pattern)[..] else { panic!("{pattern}") };
            assert_eq!((form.digits, form.runs), (digits, runs), "{pattern}");
        }
        assert_eq!(words("[0-9]{3}|[A-Z]{9}").len(), 2, "each alternative for itself");
        assert_eq!(words("(?:DE)?[0-9]{9}").iter().map(|form| form.runs).collect::<Vec<_>>(), [bits(&[11]), bits(&[9])]);
        assert_eq!(literals("-----BEGIN [A-Z ]{0,30}PRIVATE KEY")[0].1, Some(0));
        assert_eq!(literals("(?i)[/@](?:we\\.tl|mega\\.nz)/").len(), 4);
        assert_eq!(literals("(?m)^.*SECRET$"), [("secret".into(), None)]);
        let found = literals(".?(?:x{2,5}tlp|q?r(?:red|amber))[a-z]+");
        for (literal, before) in [("tlp", 6), ("rred", 1), ("qramber", 1)] {
            let known = found.iter().find(|(known, _)| known.starts_with(literal));
            assert_eq!(known.map(|known| known.1), Some(Some(before)), "{literal} in {found:?}");
        }
        assert!(openings("[^a]b+").is_empty());
        assert!(!words("[A-Z]{2} ?[0-9]{2}|[0-9]+x").is_empty());
    }

    #[test]
    fn short_matches_allow_anything_behind_them() {
        let forms = words("a|bc?");
        for form in &forms {
            assert!(!form.first[0].contains(b'c') && form.first[3].contains(b'z') && form.first[3].contains(0));
        }
        assert!(forms.iter().any(|form| form.first[0].contains(b'a')) && forms.iter().any(|form| form.first[0].contains(b'b')));
    }
}
