//! Turns a rule as written into a rule that can be applied: words folded, shapes and expressions compiled, names resolved.

use super::exact_match::ExactIndex;
use super::expression::Expression;
use super::fingerprint::FingerprintIndex;
use super::index::Indexes;
use super::normalize::fold_pattern;
use super::rule_file::{At, RawEvidence, RawEvidenceNear, RawNear, RawRule, RawTest, RawWords, RuleError, SourceFile, Within};
use super::shape::Shape;
use super::suggestion::{closest, suggestion};
use super::validators::{self, Validator, compact, validators};
use super::words::LONGEST_PHRASE;
use super::{Category, Confidence, RuleId, Status};
use crate::extract::TextKind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A list of words, domains or people: one entry per line, `#` begins a comment.
pub type ListFile = SourceFile;

/// A checked rule.
pub struct Rule {
    pub id: RuleId,
    pub title_fr: String,
    pub title_en: String,
    pub description: String,
    pub why: String,
    pub owner: String,
    pub reviewed: String,
    pub status: Status,
    pub category: Category,
    /// The file it came from.
    pub file: String,
    pub(crate) find: Find,
    pub(crate) validator: Option<&'static Validator>,
    /// Different values in one body or attachment from which on they count.
    pub(crate) min: usize,
    /// In which kinds of text it looks.
    pub(crate) kinds: Kinds,
    /// Values that never count, compact.
    pub(crate) except: BTreeSet<Vec<u8>>,
    pub(crate) near: Vec<Near>,
    pub(crate) unless_near: Vec<Near>,
    pub(crate) tiers: Vec<Tier>,
    /// Could a value whose validator says no still be reported?
    pub(crate) wants_invalid: bool,
    /// Rules (by index in their set) inside whose places nothing is reported.
    pub(crate) yields_to: Vec<usize>,
    /// The names of other rules, until the set is complete.
    pub(crate) named: Named,
    pub(crate) tests: Vec<Test>,
}

/// Other rules as a rule names them, with the lines.
#[derive(Default)]
pub(crate) struct Named {
    pub yields_to: Vec<At<String>>,
    /// For each near group, then each unless_near group.
    pub found: Vec<Vec<At<String>>>,
}

pub(crate) enum Find {
    Shapes(Vec<Shape>),
    Words(Vec<String>),
    Expression(Box<Expression>),
    /// Passages of registered documents, of at least so many sentences.
    Fingerprint(Arc<FingerprintIndex>, usize),
    /// Rows of a registered table.
    Exact(Arc<ExactIndex>),
}

impl Find {
    /// Is it found by an index that `postern rules index` made?
    pub fn is_registered(&self) -> bool {
        matches!(self, Find::Fingerprint(..) | Find::Exact(_))
    }

    pub fn expression(&self) -> Option<&Expression> {
        if let Find::Expression(expression) = self { Some(expression) } else { None }
    }
}

/// What counts as evidence near a value.
pub(crate) struct Near {
    pub name: String,
    pub what: NearWhat,
    /// Different words or values, at least.
    pub min: usize,
    pub within: Within,
}

pub(crate) enum NearWhat {
    /// Their numbers in the set's book, in order; known once the set is complete.
    Words { written: Vec<String>, words: Vec<u32> },
    /// Findings of these rules (by index in the set) at medium or above.
    Found(Vec<usize>),
}

/// A set of kinds of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    const NAMES: [(&'static str, TextKind); 5] = [
        ("header", TextKind::Header),
        ("body", TextKind::Body),
        ("attachment", TextKind::Attachment),
        ("name", TextKind::FileName),
        ("properties", TextKind::Properties),
    ];
    pub const NONE: Kinds = Kinds(0);
    /// What a second reading may be one of, where nothing tells.
    pub const WHOLE: Kinds = Kinds(0b110);
    const ALL: Kinds = Kinds(0b1_1111);

    pub fn of(kind: TextKind) -> Kinds {
        Kinds(Self::NAMES.iter().position(|known| known.1 == kind).map_or(0, |place| 1 << place))
    }

    pub fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    pub fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    /// The kind that a text without any other context is taken for: a body, or else the first.
    pub fn usual(self) -> TextKind {
        let first = Self::NAMES.iter().map(|known| known.1).find(|kind| self.meets(Kinds::of(*kind)));
        if self.meets(Kinds::of(TextKind::Body)) { TextKind::Body } else { first.unwrap_or(TextKind::Body) }
    }

    fn names() -> Vec<&'static str> {
        Self::NAMES.iter().map(|known| known.0).collect()
    }
}

impl std::fmt::Display for Kinds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = Self::NAMES.iter().filter(|known| self.meets(Kinds::of(known.1))).map(|known| known.0);
        f.write_str(&names.collect::<Vec<_>>().join(", "))
    }
}

/// A confidence and the evidence it needs: one of the alternatives, all of its terms.
pub(crate) struct Tier {
    pub confidence: Confidence,
    pub alternatives: Vec<Vec<Term>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    Found,
    Valid,
    /// Index in [`Rule::near`].
    Near(usize),
}

pub(crate) struct Test {
    pub line: usize,
    pub text: String,
    pub expected: Expected,
    pub because: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Medium or above.
    Found,
    Exactly(Confidence),
    /// Nothing at medium or above.
    Nothing,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rule({})", self.id.0)
    }
}

impl Rule {
    /// Are values of this rule never shown, not even their last characters?
    pub(crate) fn hides_values(&self) -> bool {
        matches!(self.category, Category::Secret | Category::Marking | Category::Health)
            || matches!(self.find, Find::Words(_))
            || self.find.is_registered()
    }

    /// The near groups of words of which one must hold before the rule can report anything, if there are such: then it need only be
    /// searched for around their words.
    pub(crate) fn labels(&self) -> Option<Vec<usize>> {
        let mut labels = Vec::new();
        for terms in self.tiers.iter().flat_map(|tier| &tier.alternatives) {
            let near = terms.iter().filter_map(|term| if let Term::Near(group) = term { Some(*group) } else { None });
            let words = near.filter(|group| matches!(self.near[*group].what, NearWhat::Words { .. }));
            // A near label restricts more than one anywhere in the document.
            labels.push(words.min_by_key(|group| self.near[*group].within == Within::Document)?);
        }
        labels.sort_unstable();
        labels.dedup();
        Some(labels)
    }

    /// What makes the rule slow, for `rules explain`: it has to read every text whole, word for word.
    pub fn slow(&self) -> Option<&'static str> {
        let everywhere =
            |expression: &Expression| expression.reach == super::reach::Reach::Everywhere && expression.anchored().is_none();
        (self.find.expression().is_some_and(everywhere) && self.labels().is_none()).then_some(
            "slow: the expression begins with anything and requires no text of three characters or more, so every message is read \
             whole for it; begin it with a fixed word, or ask for a [near] word in every line of [confidence]",
        )
    }

    /// One line that says what the rule looks for, as `rules explain` prints it.
    pub fn looks_for(&self) -> String {
        let what = match &self.find {
            Find::Shapes(_) => "a shape",
            Find::Words(words) => return format!("one of {} words or phrases", words.len()),
            Find::Expression(_) => "an expression",
            Find::Fingerprint(index, sentences) => {
                return format!("{sentences} sentences in a row of any of {} registered documents", index.documents());
            }
            Find::Exact(index) => {
                return format!("two cells of one of {} registered rows ({})", index.rows(), index.columns().join(", "));
            }
        };
        match self.validator {
            Some(validator) => format!("{what} that passes the validator {} ({})", validator.name, validator.about.1),
            None => what.to_owned(),
        }
    }
}

/// Checks one rule; `None` when something is wrong, with all reasons in `errors`.
pub(crate) fn check(
    raw: RawRule,
    file: &SourceFile,
    lists: &BTreeMap<String, ListFile>,
    indexes: &Indexes,
    errors: &mut Vec<RuleError>,
) -> Option<Rule> {
    let mut checker = Checker { file, lists, indexes, errors };
    let before = checker.errors.len();
    checker.name(&raw);
    let find = checker.find(&raw);
    let validator = raw.find.validator.as_ref().and_then(|name| checker.validator(name));
    if let (Some(name), Some(_)) = (&raw.find.validator, &raw.find.words) {
        checker.wrong(name.line, "words need no validator; leave it out or use shape or regex");
    }
    let registered = find.as_ref().is_some_and(Find::is_registered);
    if let (Some(name), true) = (&raw.find.validator, registered) {
        checker.wrong(name.line, "registered documents and rows need no validator; leave it out");
    }
    let validated = validator.is_some() || registered;
    let near: Vec<Near> = raw.near.iter().map(|near| checker.near(near)).collect();
    let unless_near: Vec<Near> = raw.unless_near.iter().map(|near| checker.near(near)).collect();
    let kinds = checker.kinds(raw.find.kinds.as_deref());
    let except = raw.find.except.as_ref().map(|except| checker.except(except)).unwrap_or_default();
    let tiers = match &raw.confidence {
        Some(written) => checker.tiers(written, &raw.near, validated),
        // A whole document, or three cells of a row, are surer than a passage, or two.
        None if registered => vec![
            Tier { confidence: Confidence::High, alternatives: vec![vec![Term::Valid]] },
            Tier { confidence: Confidence::Medium, alternatives: vec![vec![Term::Found]] },
        ],
        None => usual_tiers(near.len(), validator.is_some()),
    };
    let found = |near: &RawNear| if let RawEvidenceNear::Found(names) = &near.what { names.clone() } else { Vec::new() };
    let named = Named { found: raw.near.iter().chain(&raw.unless_near).map(found).collect(), yields_to: raw.yields_to };
    let tests = checker.tests(raw.matches, raw.no_matches);
    if checker.errors.len() > before {
        return None;
    }
    Some(Rule {
        id: RuleId(raw.id.value.into()),
        title_fr: raw.title.0,
        title_en: raw.title.1,
        description: raw.description,
        why: raw.why,
        owner: raw.owner,
        reviewed: raw.reviewed,
        status: raw.status,
        category: raw.category,
        file: file.path.clone(),
        find: find?,
        validator,
        min: raw.find.min,
        kinds,
        except,
        near,
        unless_near,
        wants_invalid: tiers.iter().flat_map(|tier| &tier.alternatives).any(|terms| !terms.contains(&Term::Valid)),
        tiers,
        yields_to: Vec::new(),
        named,
        tests,
    })
}

/// Without `[confidence]`: found (and valid) is medium, beside any of the near words high.
fn usual_tiers(near: usize, validated: bool) -> Vec<Tier> {
    let base = if validated { Term::Valid } else { Term::Found };
    let mut tiers = Vec::new();
    if near > 0 {
        let alternatives = (0..near).map(|index| vec![base, Term::Near(index)]).collect();
        tiers.push(Tier { confidence: Confidence::High, alternatives });
    }
    tiers.push(Tier { confidence: Confidence::Medium, alternatives: vec![vec![base]] });
    tiers
}

/// Words of one list, at most.
const MAX_WORDS: usize = 100_000;

/// The entries of a list file: one per line, without comments and empty lines, with their lines.
pub(crate) fn list_entries(list: &ListFile) -> impl Iterator<Item = (usize, &str)> {
    let lines =
        list.text.lines().enumerate().map(|(index, line)| (index + 1, line.split('#').next().unwrap_or_default().trim()));
    lines.filter(|(_, entry)| !entry.is_empty())
}

/// `nir` of `fr-nir`.
fn last_part(name: &str) -> &str {
    name.rsplit('-').next().unwrap_or(name)
}

struct Checker<'a> {
    file: &'a SourceFile,
    lists: &'a BTreeMap<String, ListFile>,
    indexes: &'a Indexes,
    errors: &'a mut Vec<RuleError>,
}

impl<'a> Checker<'a> {
    fn wrong(&mut self, line: usize, sentence: impl Into<String>) {
        self.errors.push(RuleError { file: self.file.path.clone(), line, sentence: sentence.into() });
    }

    fn name(&mut self, raw: &RawRule) {
        let id = &raw.id.value;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.is_empty() || id.len() > 64 || !id.chars().all(plain) || id.starts_with('-') {
            self.wrong(
                raw.id.line,
                format!("\"{id}\" is no rule name; write small letters, digits and dashes: id = \"fr-nir\""),
            );
        }
        let stem = self.file.path.rsplit(['/', '\\']).next().unwrap_or_default().trim_end_matches(".toml");
        if stem != id {
            self.wrong(raw.id.line, format!("the file is called {stem}.toml but its rule \"{id}\"; name the file {id}.toml"));
        }
    }

    fn find(&mut self, raw: &RawRule) -> Option<Find> {
        if let Some(shapes) = &raw.find.shape {
            let mut good = Vec::new();
            for shape in shapes {
                match Shape::parse(&shape.value) {
                    Ok(shape) => good.push(shape),
                    Err(sentence) => self.wrong(shape.line, sentence),
                }
            }
            if shapes.is_empty() {
                self.wrong(raw.find.line, "\"shape\" is empty; write shape = \"9 99 99 9* 999 999 99\"");
            }
            Some(Find::Shapes(good))
        } else if let Some(words) = &raw.find.words {
            let mut words = self.words(words);
            words.sort();
            words.dedup();
            Some(Find::Words(words))
        } else if let Some(name) = &raw.find.fingerprint {
            let index = self.index(name, &self.indexes.fingerprints, "FOLDER")?;
            Some(Find::Fingerprint(index, raw.find.sentences))
        } else if let Some(name) = &raw.find.exact {
            Some(Find::Exact(self.index(name, &self.indexes.exact, "FILE.csv")?))
        } else {
            let regex = raw.find.regex.as_ref()?;
            match Expression::compile(&regex.value) {
                Ok(expression) => Some(Find::Expression(Box::new(expression))),
                Err(sentence) => {
                    self.wrong(regex.line, sentence);
                    None
                }
            }
        }
    }

    fn index<T>(&mut self, name: &At<String>, all: &BTreeMap<String, Arc<T>>, made_of: &str) -> Option<Arc<T>> {
        let found = all.get(&name.value).cloned();
        if found.is_none() {
            let hint = match closest(&name.value, all.keys().map(String::as_str)) {
                Some(close) => format!("did you mean \"{close}\"?"),
                None => format!("make it with: postern rules index {made_of} --name {}", name.value),
            };
            self.wrong(name.line, format!("there is no index \"{}\"; {hint}", name.value));
        }
        found
    }

    fn list(&mut self, name: &str, line: usize) -> Option<&'a ListFile> {
        let lists = self.lists;
        if !lists.contains_key(name) {
            let hint = match closest(name, lists.keys().map(String::as_str)) {
                Some(close) => format!("did you mean \"list:{close}\"?"),
                None => format!("write the entries into rules/lists/{name}.txt, one per line"),
            };
            self.wrong(line, format!("there is no list \"{name}\"; {hint}"));
        }
        lists.get(name)
    }

    fn words(&mut self, words: &At<RawWords>) -> Vec<String> {
        match &words.value {
            RawWords::Inline(words) => {
                let mut folded = Vec::new();
                for word in words {
                    self.word(word.line, &word.value, None, &mut folded);
                }
                folded
            }
            RawWords::List(name) => {
                let Some(list) = self.list(name, words.line) else { return Vec::new() };
                let mut folded = Vec::new();
                let path = list.path.clone();
                let entries: Vec<(usize, String)> = list_entries(list).map(|(line, entry)| (line, entry.to_owned())).collect();
                for (line, entry) in entries.into_iter().take(MAX_WORDS) {
                    self.word(line, &entry, Some(&path), &mut folded);
                }
                if folded.is_empty() {
                    self.wrong(words.line, format!("the list \"{name}\" is empty; write one word per line"));
                }
                folded
            }
        }
    }

    fn word(&mut self, line: usize, word: &str, list: Option<&str>, folded: &mut Vec<String>) {
        let fold = fold_pattern(word.trim()).to_lowercase();
        let letters = fold.chars().filter(|c| c.is_alphanumeric()).count();
        let sentence = if word.contains('*') {
            format!("\"{word}\": * stands for nothing in a word; list each form that people write")
        } else if letters == 0 {
            format!("\"{word}\" has no letter; write a word")
        } else if !fold.starts_with(char::is_alphanumeric) {
            format!("\"{word}\" begins with a sign; begin with its first letter")
        } else if fold.len() > LONGEST_PHRASE {
            format!("\"{word}\" is longer than {LONGEST_PHRASE} letters; write its most telling part")
        } else {
            folded.push(fold);
            return;
        };
        let file = list.unwrap_or(&self.file.path).to_owned();
        self.errors.push(RuleError { file, line, sentence });
    }

    fn validator(&mut self, name: &At<String>) -> Option<&'static Validator> {
        let found = validators::find(&name.value);
        if found.is_none() {
            let all: Vec<&str> = validators().iter().map(|validator| validator.name).collect();
            // The closest first, then well-known ones: an officer sees how such names look.
            let mut tries: Vec<&str> =
                closest(&name.value, all.iter().flat_map(|known| [*known, last_part(known)])).into_iter().collect();
            tries
                .iter_mut()
                .for_each(|part| *part = all.iter().copied().find(|known| last_part(known) == *part).unwrap_or(part));
            for known in ["fr-nir", "iban", "luhn"] {
                if !tries.contains(&known) {
                    tries.push(known);
                }
            }
            self.wrong(name.line, format!("there is no validator \"{}\"; try: {}", name.value, tries.join(", ")));
        }
        found
    }

    fn near(&mut self, raw: &RawNear) -> Near {
        let what = match &raw.what {
            RawEvidenceNear::Words(written) => {
                let mut words = self.words(written);
                words.sort();
                words.dedup();
                if words.len() < raw.min {
                    let sentence = format!("\"min\" asks for {} different words of {}; write fewer", raw.min, words.len());
                    self.wrong(written.line, sentence);
                }
                NearWhat::Words { written: words, words: Vec::new() }
            }
            RawEvidenceNear::Found(_) => NearWhat::Found(Vec::new()),
        };
        Near { name: raw.name.clone(), what, min: raw.min, within: raw.within }
    }

    fn kinds(&mut self, written: Option<&[At<String>]>) -> Kinds {
        let Some(written) = written else { return Kinds::ALL };
        let mut kinds = Kinds::NONE;
        for name in written {
            match Kinds::NAMES.iter().find(|known| known.0 == name.value) {
                Some(known) => kinds = kinds.and(Kinds::of(known.1)),
                None => {
                    let hint = suggestion(&name.value, &Kinds::names());
                    self.wrong(name.line, format!("there is no kind of text \"{}\"; {hint}", name.value));
                }
            }
        }
        kinds
    }

    /// Published examples, as they are compared: without separators and case.
    fn except(&mut self, written: &At<RawWords>) -> BTreeSet<Vec<u8>> {
        let entries: Vec<(usize, String)> = match &written.value {
            RawWords::Inline(values) => values.iter().map(|value| (value.line, value.value.clone())).collect(),
            RawWords::List(name) => match self.list(name, written.line) {
                Some(list) => list_entries(list).map(|(_, entry)| (written.line, entry.to_owned())).collect(),
                None => Vec::new(),
            },
        };
        let mut values = BTreeSet::new();
        for (line, value) in entries {
            let compact = compact(fold_pattern(&value).as_bytes());
            if compact.is_empty() {
                self.wrong(line, format!("\"{value}\" has no letter or digit; write a value that must not count"));
            }
            values.insert(compact);
        }
        values
    }

    fn tiers(&mut self, written: &[(Confidence, RawEvidence)], near: &[RawNear], validated: bool) -> Vec<Tier> {
        let mut tiers = Vec::new();
        for (confidence, alternatives) in written {
            let alternatives = alternatives
                .iter()
                .map(|terms| terms.iter().filter_map(|term| self.term(term, near, validated)).collect())
                .collect();
            tiers.push(Tier { confidence: *confidence, alternatives });
        }
        tiers
    }

    fn term(&mut self, term: &At<String>, near: &[RawNear], validated: bool) -> Option<Term> {
        let names = || near.iter().map(|near| format!("near.{}", near.name)).collect::<Vec<_>>();
        match term.value.as_str() {
            "found" => Some(Term::Found),
            "valid" if validated => Some(Term::Valid),
            "valid" => {
                self.wrong(term.line, "\"valid\" needs a validator in [find]; add one or write \"found\"");
                None
            }
            other => {
                let found = other.strip_prefix("near.").and_then(|name| near.iter().position(|near| near.name == name));
                if found.is_none() {
                    let mut all = vec!["valid".to_owned(), "found".to_owned()];
                    all.extend(names());
                    let hint = suggestion(other, &all);
                    self.wrong(term.line, format!("there is no evidence \"{other}\" in this rule; {hint}"));
                }
                found.map(Term::Near)
            }
        }
    }

    fn tests(&mut self, matches: Vec<RawTest>, no_matches: Vec<RawTest>) -> Vec<Test> {
        let expected = |test: &RawTest| test.confidence.map_or(Expected::Found, Expected::Exactly);
        let mut tests: Vec<Test> = Vec::new();
        tests.extend(matches.into_iter().map(|test| Test {
            line: test.line,
            expected: expected(&test),
            text: test.text,
            because: test.because,
        }));
        tests.extend(no_matches.into_iter().map(|test| Test {
            line: test.line,
            expected: Expected::Nothing,
            text: test.text,
            because: test.because,
        }));
        for test in &tests {
            if test.because.trim().is_empty() {
                self.wrong(test.line, "\"because\" is empty; write why this is the right answer");
            }
        }
        tests
    }
}
