//! Turns the text of a rule file into the rule as it was written, with the line of each entry; every mistake is told at once.

use super::suggestion::suggestion;
use super::{Category, Confidence, Status};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file of rules or words, already read by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As errors name it: `rules/detect/iban.toml`.
    pub path: String,
    pub text: String,
}

/// What is wrong in a rule or list file, and what to write instead. The operator's or officer's fault, never temporary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {sentence}")]
pub struct RuleError {
    pub file: String,
    /// From 1.
    pub line: usize,
    pub sentence: String,
}

/// A value and the line it stands on.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub line: usize,
    pub value: T,
}

/// Alternatives, of each of which all terms must hold.
pub(crate) type RawEvidence = Vec<Vec<At<String>>>;

/// A rule as written.
#[derive(Debug)]
pub(crate) struct RawRule {
    pub id: At<String>,
    pub title: (String, String),
    pub description: String,
    pub why: String,
    pub owner: String,
    pub reviewed: String,
    pub status: Status,
    pub category: Category,
    pub find: RawFind,
    pub near: Vec<RawNear>,
    pub unless_near: Vec<RawNear>,
    /// Alternatives of terms that must hold together; `None` when there is no `[confidence]`.
    pub confidence: Option<Vec<(Confidence, RawEvidence)>>,
    /// Names of rules.
    pub yields_to: Vec<At<String>>,
    pub matches: Vec<RawTest>,
    pub no_matches: Vec<RawTest>,
}

#[derive(Debug, Default)]
pub(crate) struct RawFind {
    pub line: usize,
    pub shape: Option<Vec<At<String>>>,
    pub words: Option<At<RawWords>>,
    pub regex: Option<At<String>>,
    pub validator: Option<At<String>>,
    pub min: usize,
    /// Kinds of text; `None`: all.
    pub kinds: Option<Vec<At<String>>>,
    pub except: Option<At<RawWords>>,
}

#[derive(Debug)]
pub(crate) enum RawWords {
    Inline(Vec<At<String>>),
    /// `list:name`, without the prefix.
    List(String),
}

#[derive(Debug)]
pub(crate) struct RawNear {
    pub name: String,
    pub what: RawEvidenceNear,
    /// Different words or values, at least.
    pub min: usize,
    pub within: Within,
}

/// What has to stand near.
#[derive(Debug)]
pub(crate) enum RawEvidenceNear {
    Words(At<RawWords>),
    /// Names of rules, and `category:identity`.
    Found(Vec<At<String>>),
}

/// How near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    /// So many characters before or after.
    Characters(usize),
    /// Anywhere in the same body or attachment, or in the Subject above it.
    Document,
}

#[derive(Debug)]
pub(crate) struct RawTest {
    pub line: usize,
    pub text: String,
    pub confidence: Option<Confidence>,
    pub because: String,
}

/// Different words or values that a `min` of `[near]` may ask for, at most.
const MAX_NEAR: usize = 100;
/// Characters that `within` may say, at most.
pub(crate) const MAX_WITHIN: usize = 1_000;
/// Octets of a rule file, at most.
const MAX_FILE: usize = 1 << 20;

/// Reads one file; `None` when it cannot be made a rule, with the reasons in `errors`.
pub(crate) fn read(file: &SourceFile, errors: &mut Vec<RuleError>) -> Option<RawRule> {
    let mut reader = Reader { file, errors };
    if file.text.len() > MAX_FILE {
        reader.wrong(
            0,
            format!("the file has {} octets, at most {MAX_FILE} are allowed; put words into rules/lists/", file.text.len()),
        );
        return None;
    }
    let parsed = match DeTable::parse(&file.text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let message = error.message().replace('\n', ", ");
            reader.wrong(
                error.span().map_or(0, |span| span.start),
                format!("this is not TOML: {message}; strings stand in \"…\", names before ="),
            );
            return None;
        }
    };
    let before = reader.errors.len();
    let rule = reader.rule(parsed.get_ref());
    if reader.errors.len() > before { None } else { rule }
}

struct Reader<'a> {
    file: &'a SourceFile,
    errors: &'a mut Vec<RuleError>,
}

type Entry<'t, 'i> = &'t Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn wrong(&mut self, offset: usize, sentence: impl Into<String>) {
        let line = self.line(offset);
        self.errors.push(RuleError { file: self.file.path.clone(), line, sentence: sentence.into() });
    }

    fn line(&self, offset: usize) -> usize {
        1 + self.file.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
    }

    fn rule(&mut self, table: &DeTable<'_>) -> Option<RawRule> {
        const KEYS: &[&str] = &[
            "id",
            "title",
            "description",
            "why",
            "owner",
            "reviewed",
            "status",
            "category",
            "find",
            "near",
            "unless_near",
            "confidence",
            "yields_to",
            "match",
            "no_match",
        ];
        self.known_keys(table, KEYS, "a rule");
        let id = self.required(table, 0, "id", "id = \"fr-nir\"").and_then(|entry| self.text_at(entry, "id"));
        let title = self.required(table, 0, "title", "title = { fr = \"…\", en = \"…\" }").and_then(|entry| self.title(entry));
        let status = self.required(table, 0, "status", "status = \"draft\" (counted only) or \"active\"");
        let status =
            status.and_then(|entry| self.one_of(entry, "status", &[("active", Status::Active), ("draft", Status::Draft)]));
        let category = self
            .required(table, 0, "category", "category = \"identity\"")
            .and_then(|entry| self.one_of(entry, "category", CATEGORIES));
        let find = self.required(table, 0, "find", "[find] with shape, words or regex").and_then(|entry| self.find(entry));
        let near = self.near(table, "near");
        let unless_near = self.near(table, "unless_near");
        let confidence = table.get("confidence").map(|entry| self.confidence(entry));
        let yields_to = table.get("yields_to").map(|entry| self.one_or_more(entry, "yields_to")).unwrap_or_default();
        let matches = self.tests(table, "match");
        let no_matches = self.tests(table, "no_match");
        let mut optional = |name: &str| table.get(name).and_then(|entry| self.text(entry, name)).unwrap_or_default();
        let (description, why, owner) = (optional("description"), optional("why"), optional("owner"));
        let reviewed = table.get("reviewed").and_then(|entry| self.date(entry)).unwrap_or_default();
        Some(RawRule {
            id: id?,
            title: title?,
            description,
            why,
            owner,
            reviewed,
            status: status?,
            category: category?,
            find: find?,
            near,
            unless_near,
            confidence,
            yields_to,
            matches,
            no_matches,
        })
    }

    fn known_keys(&mut self, table: &DeTable<'_>, keys: &[&str], what: &str) {
        for (key, _) in table.iter() {
            let name: &str = key.get_ref();
            if !keys.contains(&name) {
                let hint = suggestion(name, keys);
                self.wrong(key.span().start, format!("{what} has no \"{name}\"; {hint}"));
            }
        }
    }

    fn required<'t, 'i>(&mut self, table: &'t DeTable<'i>, offset: usize, name: &str, write: &str) -> Option<Entry<'t, 'i>> {
        let found = table.get(name);
        if found.is_none() {
            self.wrong(offset, format!("\"{name}\" is missing; write {write}"));
        }
        found
    }

    fn text(&mut self, entry: Entry<'_, '_>, name: &str) -> Option<String> {
        let text = entry.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong(entry.span().start, format!("\"{name}\" is a text; write {name} = \"…\""));
        }
        text
    }

    fn text_at(&mut self, entry: Entry<'_, '_>, name: &str) -> Option<At<String>> {
        let line = self.line(entry.span().start);
        self.text(entry, name).map(|value| At { line, value })
    }

    fn date(&mut self, entry: Entry<'_, '_>) -> Option<String> {
        let date = entry.get_ref().as_datetime().map(|date| date.to_string());
        if date.is_none() {
            self.wrong(entry.span().start, "\"reviewed\" is a date; write reviewed = 2026-11-21, without quotes");
        }
        date
    }

    fn one_of<T: Copy>(&mut self, entry: Entry<'_, '_>, name: &str, values: &[(&str, T)]) -> Option<T> {
        let text = self.text(entry, name)?;
        let found = values.iter().find(|value| value.0 == text).map(|value| value.1);
        if found.is_none() {
            let all: Vec<&str> = values.iter().map(|value| value.0).collect();
            self.wrong(entry.span().start, format!("there is no {name} \"{text}\"; try: {}", all.join(", ")));
        }
        found
    }

    fn table<'t, 'i>(&mut self, entry: Entry<'t, 'i>, name: &str, write: &str) -> Option<&'t DeTable<'i>> {
        let table = entry.get_ref().as_table();
        if table.is_none() {
            self.wrong(entry.span().start, format!("\"{name}\" is a table; write {write}"));
        }
        table
    }

    fn title(&mut self, entry: Entry<'_, '_>) -> Option<(String, String)> {
        let table = self.table(entry, "title", "title = { fr = \"…\", en = \"…\" }")?;
        self.known_keys(table, &["fr", "en"], "title");
        let offset = entry.span().start;
        let fr =
            self.required(table, offset, "fr", "title = { fr = \"…\", en = \"…\" }").and_then(|entry| self.text(entry, "fr"));
        let en =
            self.required(table, offset, "en", "title = { fr = \"…\", en = \"…\" }").and_then(|entry| self.text(entry, "en"));
        Some((fr?, en?))
    }

    fn find(&mut self, entry: Entry<'_, '_>) -> Option<RawFind> {
        let table = self.table(entry, "find", "[find] on a line of its own")?;
        let offset = entry.span().start;
        const KEYS: &[&str] = &["shape", "words", "regex", "validator", "min", "in", "except", "fingerprint", "exact"];
        self.known_keys(table, KEYS, "[find]");
        for (later, instead) in [("fingerprint", "words that the document holds"), ("exact", "shape and validator")] {
            if let Some(entry) = table.get(later) {
                self.wrong(entry.span().start, format!("\"{later}\" is not available in this version; use {instead} instead"));
            }
        }
        let mut find = RawFind { line: self.line(offset), min: 1, ..RawFind::default() };
        find.shape = table.get("shape").map(|entry| self.one_or_more(entry, "shape"));
        find.words = table.get("words").and_then(|entry| self.words(entry, "words"));
        find.kinds = table.get("in").map(|entry| self.one_or_more(entry, "in"));
        find.except = table.get("except").and_then(|entry| self.words(entry, "except"));
        find.regex = table.get("regex").and_then(|entry| self.text_at(entry, "regex"));
        find.validator = table.get("validator").and_then(|entry| self.text_at(entry, "validator"));
        if let Some(entry) = table.get("min") {
            find.min = self.number(entry, "min", 1, 1_000).unwrap_or(1);
        }
        match [find.shape.is_some(), table.get("words").is_some(), find.regex.is_some()].iter().filter(|given| **given).count()
        {
            0 if table.get("fingerprint").is_none() && table.get("exact").is_none() => {
                self.wrong(offset, "[find] says what to look for with one of shape, words or regex; none is given");
            }
            0 | 1 => {}
            _ => self.wrong(offset, "[find] takes one of shape, words and regex; make a rule for each"),
        }
        Some(find)
    }

    fn texts(&mut self, entry: Entry<'_, '_>, name: &str) -> Vec<At<String>> {
        let Some(array) = entry.get_ref().as_array() else {
            self.wrong(entry.span().start, format!("\"{name}\" is a list of texts; write {name} = [\"…\", \"…\"]"));
            return Vec::new();
        };
        array.iter().filter_map(|entry| self.text_at(entry, name)).collect()
    }

    /// A text, or a list of texts.
    fn one_or_more(&mut self, entry: Entry<'_, '_>, name: &str) -> Vec<At<String>> {
        let texts = match entry.get_ref() {
            DeValue::String(_) => return self.text_at(entry, name).into_iter().collect(),
            _ => self.texts(entry, name),
        };
        if entry.get_ref().as_array().is_some_and(|array| array.is_empty()) {
            self.wrong(entry.span().start, format!("\"{name}\" is empty; write {name} = [\"…\"], or leave it out"));
        }
        texts
    }

    fn words(&mut self, entry: Entry<'_, '_>, name: &str) -> Option<At<RawWords>> {
        let line = self.line(entry.span().start);
        if let Some(text) = entry.get_ref().as_str() {
            let Some(list) = text.strip_prefix("list:") else {
                self.wrong(
                    entry.span().start,
                    format!("\"{name}\" is a list; write {name} = [\"{text}\"] or {name} = \"list:name\""),
                );
                return None;
            };
            return Some(At { line, value: RawWords::List(list.to_owned()) });
        }
        let words = self.texts(entry, name);
        if words.is_empty() {
            self.wrong(
                entry.span().start,
                format!("\"{name}\" is empty; write {name} = [\"…\", \"…\"] or {name} = \"list:name\""),
            );
        }
        Some(At { line, value: RawWords::Inline(words) })
    }

    fn number(&mut self, entry: Entry<'_, '_>, name: &str, least: usize, most: usize) -> Option<usize> {
        let number =
            entry.get_ref().as_integer().and_then(|integer| usize::from_str_radix(integer.as_str(), integer.radix()).ok());
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.wrong(
                entry.span().start,
                format!("\"{name}\" is a whole number from {least} to {most}; write {name} = {least}"),
            );
        }
        number
    }

    fn within(&mut self, entry: Entry<'_, '_>) -> Option<Within> {
        if entry.get_ref().as_str() == Some("document") {
            return Some(Within::Document);
        }
        self.number(entry, "within", 1, MAX_WITHIN).map(Within::Characters)
    }

    fn near(&mut self, table: &DeTable<'_>, key: &str) -> Vec<RawNear> {
        let write = format!("[{key}.some_name] with words (or found) and within");
        let Some(groups) = table.get(key).and_then(|entry| self.table(entry, key, &write)) else { return Vec::new() };
        let mut near = Vec::new();
        for (name, entry) in groups.iter() {
            let Some(group) = self.table(entry, key, &write) else { continue };
            self.known_keys(group, &["words", "found", "min", "within"], &format!("[{key}.{}]", name.get_ref()));
            let offset = entry.span().start;
            let min = group.get("min").and_then(|entry| self.number(entry, "min", 1, MAX_NEAR)).unwrap_or(1);
            let within = self.required(group, offset, "within", "within = 120 (characters before or after) or \"document\"");
            let within = within.and_then(|entry| self.within(entry));
            let what = match (group.get("words"), group.get("found")) {
                (Some(words), None) => self.words(words, "words").map(RawEvidenceNear::Words),
                (None, Some(found)) => Some(RawEvidenceNear::Found(self.one_or_more(found, "found"))),
                (None, None) => {
                    let write = "words = [\"…\", \"…\"] or found = [\"…\"] (findings of other rules)";
                    self.wrong(offset, format!("\"words\" is missing; write {write}"));
                    None
                }
                (Some(_), Some(_)) => {
                    self.wrong(offset, format!("[{key}.{}] takes words or found; make a group for each", name.get_ref()));
                    None
                }
            };
            if let (Some(what), Some(within)) = (what, within) {
                near.push(RawNear { name: name.get_ref().to_string(), what, min, within });
            }
        }
        near
    }

    fn confidence(&mut self, entry: Entry<'_, '_>) -> Vec<(Confidence, RawEvidence)> {
        let write = "[confidence] with high, medium and low";
        let Some(table) = self.table(entry, "confidence", write) else { return Vec::new() };
        self.known_keys(table, &["high", "medium", "low"], "[confidence]");
        let mut tiers = Vec::new();
        for (name, tier) in [("high", Confidence::High), ("medium", Confidence::Medium), ("low", Confidence::Low)] {
            let Some(entry) = table.get(name) else { continue };
            let Some(array) = entry.get_ref().as_array() else {
                self.wrong(entry.span().start, format!("\"{name}\" is a list; write {name} = [\"valid\", \"near.…\"]"));
                continue;
            };
            let nested = array.iter().any(|entry| entry.get_ref().is_array());
            let alternatives: Vec<_> = if nested {
                array.iter().map(|entry| self.texts(entry, name)).collect()
            } else {
                vec![self.texts(entry, name)]
            };
            if alternatives.iter().any(Vec::is_empty) {
                self.wrong(
                    entry.span().start,
                    format!("\"{name}\" is empty; write {name} = [\"found\"] if being found is enough"),
                );
            }
            tiers.push((tier, alternatives));
        }
        if tiers.is_empty() {
            self.wrong(entry.span().start, format!("[confidence] is empty; write {write}, or leave it out"));
        }
        tiers
    }

    fn tests(&mut self, table: &DeTable<'_>, key: &str) -> Vec<RawTest> {
        let write = format!("[[{key}]] with text and because");
        let Some(entry) = table.get(key) else {
            self.wrong(0, format!("a rule needs at least one {write}"));
            return Vec::new();
        };
        let Some(array) = entry.get_ref().as_array() else {
            self.wrong(entry.span().start, format!("\"{key}\" is written with two brackets; write {write}"));
            return Vec::new();
        };
        let mut tests = Vec::new();
        for entry in array.iter() {
            let Some(test) = self.table(entry, key, &write) else { continue };
            let keys: &[&str] = if key == "match" { &["text", "confidence", "because"] } else { &["text", "because"] };
            self.known_keys(test, keys, &format!("[[{key}]]"));
            let offset = entry.span().start;
            let text = self.required(test, offset, "text", "text = \"…\"").and_then(|entry| self.text(entry, "text"));
            let because = self.required(test, offset, "because", "because = \"why this is the right answer\"");
            let because = because.and_then(|entry| self.text(entry, "because"));
            let tiers = &[("high", Confidence::High), ("medium", Confidence::Medium), ("low", Confidence::Low)];
            let confidence =
                test.get("confidence").filter(|_| key == "match").and_then(|entry| self.one_of(entry, "confidence", tiers));
            if let (Some(text), Some(because)) = (text, because) {
                tests.push(RawTest { line: self.line(offset), text, confidence, because });
            }
        }
        tests
    }
}

/// The category of this name, or all names.
pub(crate) fn category(name: &str) -> Result<Category, Vec<&'static str>> {
    let found = CATEGORIES.iter().find(|known| known.0 == name).map(|known| known.1);
    found.ok_or_else(|| CATEGORIES.iter().map(|known| known.0).collect())
}

const CATEGORIES: &[(&str, Category)] = &[
    ("identity", Category::Identity),
    ("finance", Category::Finance),
    ("health", Category::Health),
    ("secret", Category::Secret),
    ("marking", Category::Marking),
    ("education", Category::Education),
    ("hr", Category::Hr),
    ("legal", Category::Legal),
    ("technical", Category::Technical),
];
