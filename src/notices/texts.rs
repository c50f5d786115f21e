//! Turns Fluent files into the sentences that senders read, in French and in English.
//!
//! Everything that is said to a sender stands in `rules/texts/fr.ftl` and `en.ftl`, which are built in. A rules folder may have files of the
//! same names: their texts take the place of the built-in ones, one by one. A file with a slip is refused whole, and the sentence says
//! where and what to write; so a text can be missing in no reply.

use crate::detect::suggestion;
use crate::mail::{Language, UnixTime};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentError, FluentResource, FluentValue};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

const FR: &str = include_str!("../../rules/texts/fr.ftl");
const EN: &str = include_str!("../../rules/texts/en.ftl");

/// Octets of one file; the shipped ones have some ten thousand.
const FILE_LIMIT: usize = 256 << 10;
/// Replies whose first words clients show: the reference must be among them.
const REPLIES: &str = "smtp-";
/// These follow a first line that bears the reference.
const LATER_LINES: [&str; 3] = ["smtp-refused-recipients", "smtp-confirm", "smtp-review"];

/// All sentences of both languages.
pub struct Texts {
    fr: FluentBundle<FluentResource>,
    en: FluentBundle<FluentResource>,
}

/// The texts in force now; they change whole, when the laws do. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TextsInForce(Arc<RwLock<Arc<Texts>>>);

/// A file of an administration's own, as it was read.
#[derive(Clone, Debug)]
pub struct TextFile {
    /// As messages shall name it.
    pub path: String,
    pub text: String,
    pub language: Language,
}

/// One slip: `texts/fr.ftl:12: there is no text "smtp-hold"; did you mean "smtp-held"?`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    pub sentence: String,
}

/// What stands for `{ $name }`.
#[derive(Clone, Copy, Debug)]
pub enum Value<'v> {
    Text(&'v str),
    Count(usize),
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Value<'v> {
        Value::Text(text)
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Value<'v> {
        Value::Text(text)
    }
}

impl From<usize> for Value<'_> {
    fn from(count: usize) -> Self {
        Value::Count(count)
    }
}

impl Default for TextsInForce {
    fn default() -> TextsInForce {
        TextsInForce(Arc::new(RwLock::new(Arc::new(Texts::shipped()))))
    }
}

impl TextsInForce {
    pub fn now(&self) -> Arc<Texts> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, texts: Arc<Texts>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = texts;
    }
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Texts")
    }
}

impl Default for Texts {
    fn default() -> Texts {
        Texts::shipped()
    }
}

impl Texts {
    /// The built-in ones alone.
    pub fn shipped() -> Texts {
        Texts { fr: bundle(Language::Fr), en: bundle(Language::En) }
    }

    /// The built-in ones, with those of `files` in their places. All slips of all files at once.
    pub fn with(files: &[TextFile]) -> Result<Texts, Vec<TextError>> {
        let mut texts = Texts::shipped();
        let mut wrong = Vec::new();
        for file in files {
            let slips = slips(file);
            if !slips.is_empty() {
                wrong.extend(slips);
                continue;
            }
            if let Ok(resource) = FluentResource::try_new(file.text.clone()) {
                texts.bundle_mut(file.language).add_resource_overriding(resource);
            }
        }
        // References between texts, calls and the like show only when a text is written.
        if wrong.is_empty() {
            for file in files {
                wrong.extend(texts.unwritable(file));
            }
        }
        if wrong.is_empty() { Ok(texts) } else { Err(wrong) }
    }

    /// One sentence, or several lines. A value stands as it is, without marks around it.
    pub fn say(&self, language: Language, id: &str, values: &[(&str, Value<'_>)]) -> String {
        let (text, errors) = self.written(language, id, values);
        debug_assert!(errors.is_empty(), "{id}: {errors:?}");
        text
    }

    /// `21/11/2026 à 18:04 (UTC)`, `2026-11-21 18:04 (UTC)`.
    pub fn moment(&self, language: Language, at: UnixTime) -> String {
        let stamp = at.rfc3339();
        let (Some(year), Some(month), Some(day), Some(time)) =
            (stamp.get(..4), stamp.get(5..7), stamp.get(8..10), stamp.get(11..16))
        else {
            return stamp;
        };
        let values = [("year", year.into()), ("month", month.into()), ("day", day.into()), ("time", time.into())];
        self.say(language, "moment", &values)
    }

    fn written(&self, language: Language, id: &str, values: &[(&str, Value<'_>)]) -> (String, Vec<FluentError>) {
        let bundle = match language {
            Language::Fr => &self.fr,
            Language::En => &self.en,
        };
        let Some(pattern) = bundle.get_message(id).and_then(|message| message.value()) else {
            return (id.to_owned(), vec![]);
        };
        let mut args = FluentArgs::new();
        for (name, value) in values {
            match value {
                Value::Text(text) => args.set(*name, FluentValue::from(*text)),
                Value::Count(count) => args.set(*name, FluentValue::from(*count)),
            }
        }
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned();
        (text, errors)
    }

    fn bundle_mut(&mut self, language: Language) -> &mut FluentBundle<FluentResource> {
        match language {
            Language::Fr => &mut self.fr,
            Language::En => &mut self.en,
        }
    }

    /// Texts of a file that cannot be written with the values they are given.
    fn unwritable(&self, file: &TextFile) -> Vec<TextError> {
        let shipped = texts_in(shipped_text(file.language));
        let mut wrong = Vec::new();
        for (id, written) in texts_in(&file.text) {
            let names: Vec<&str> = shipped.get(id).into_iter().flat_map(|text| text.variables.iter().copied()).collect();
            let failed = [0, 1, 2, 7].iter().any(|count| {
                let values: Vec<(&str, Value<'_>)> = names.iter().map(|name| (*name, sample(name, *count))).collect();
                let (_, errors) = self.written(file.language, id, &values);
                !errors.is_empty()
            });
            if failed {
                let sentence = format!(
                    "the text \"{id}\" cannot be written: it may name variables, and texts and terms of this file, and call nothing"
                );
                wrong.push(TextError { path: file.path.clone(), line: written.line, sentence });
            }
        }
        wrong
    }
}

fn sample(name: &str, count: usize) -> Value<'static> {
    if COUNTS.contains(&name) { Value::Count(count) } else { Value::Text("x") }
}

/// Variables that are numbers; all others are texts.
const COUNTS: [&str; 5] = ["count", "others", "days", "number", "page"];

fn shipped_text(language: Language) -> &'static str {
    match language {
        Language::Fr => FR,
        Language::En => EN,
    }
}

fn bundle(language: Language) -> FluentBundle<FluentResource> {
    let tag = match language {
        Language::Fr => "fr",
        Language::En => "en",
    };
    let mut bundle = FluentBundle::new_concurrent(vec![tag.parse().unwrap_or_default()]);
    // Marks of direction around values would be `?` in an SMTP reply.
    bundle.set_use_isolating(false);
    // A test reads the shipped files without a slip.
    let resource = FluentResource::try_new(shipped_text(language).to_owned()).unwrap_or_else(|(good, _)| good);
    let _ = bundle.add_resource(resource);
    bundle
}

/// One text of a file.
#[derive(Debug)]
struct Written<'t> {
    line: usize,
    variables: BTreeSet<&'t str>,
    /// What follows the `=`, there or in the next line.
    begins: &'t str,
}

/// The texts of a file by name: what begins at the left margin with a name and `=` (Fluent 1.0, Message).
fn texts_in(text: &str) -> BTreeMap<&str, Written<'_>> {
    let mut found: BTreeMap<&str, Written<'_>> = BTreeMap::new();
    let mut last: Option<&str> = None;
    for (at, line) in text.lines().enumerate() {
        if let Some((id, begins)) = head_of(line) {
            last = Some(id);
            found.insert(id, Written { line: at + 1, variables: variables(line), begins });
        } else if line.starts_with([' ', '\t', '}']) {
            let text = last.and_then(|id| found.get_mut(id));
            if let Some(text) = text {
                text.variables.extend(variables(line));
                if text.begins.is_empty() {
                    text.begins = line.trim();
                }
            }
        } else if !line.trim().is_empty() {
            // A comment or a term.
            last = None;
        }
    }
    found
}

fn head_of(line: &str) -> Option<(&str, &str)> {
    let (id, rest) = line.split_once('=')?;
    let id = id.trim_end_matches([' ', '\t']);
    let named = id.starts_with(|c: char| c.is_ascii_alphabetic())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    named.then_some((id, rest.trim_start()))
}

fn variables(line: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let after = |at: usize| &line[at + 1..];
    let names = line.match_indices('$').map(|(at, _)| {
        let rest = after(at);
        &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// What is wrong with a file, as far as it shows without writing its texts.
fn slips(file: &TextFile) -> Vec<TextError> {
    let mut wrong = Vec::new();
    let mut say = |line: usize, sentence: String| wrong.push(TextError { path: file.path.clone(), line, sentence });
    if file.text.len() > FILE_LIMIT {
        say(1, format!("is larger than {} KB; put only the texts here that you change", FILE_LIMIT >> 10));
        return wrong;
    }
    if let Err((_, errors)) = FluentResource::try_new(file.text.clone()) {
        for error in errors {
            let line = 1 + file.text.as_bytes()[..error.pos.start.min(file.text.len())].iter().filter(|b| **b == b'\n').count();
            say(line, format!("this is not Fluent ({}); a text is written: name = words {{ $variable }}", error.kind));
        }
    }
    let shipped = texts_in(shipped_text(file.language));
    for (id, text) in texts_in(&file.text) {
        let Some(original) = shipped.get(id) else {
            let known: Vec<&str> = shipped.keys().copied().collect();
            say(text.line, format!("there is no text \"{id}\"; {}", suggestion(id, &known)));
            continue;
        };
        for name in text.variables.difference(&original.variables) {
            let known: Vec<&str> = original.variables.iter().copied().collect();
            let advice = match known.is_empty() {
                true => "it has none".to_owned(),
                false => format!("it has ${}", known.join(", $")),
            };
            say(text.line, format!("the text \"{id}\" has no variable ${name}; {advice}"));
        }
        let first = text.begins.replace(' ', "");
        if id.starts_with(REPLIES) && !LATER_LINES.contains(&id) && !first.starts_with("{$reference}") {
            say(
                text.line,
                format!("begin the text \"{id}\" with {{ $reference }}: clients show only the first words of a reply"),
            );
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(language: Language, text: &str) -> TextFile {
        TextFile { path: "texts/fr.ftl".into(), text: text.into(), language }
    }

    #[test]
    fn both_languages_say_the_same_things_with_the_same_variables() {
        for text in [FR, EN] {
            assert!(
                FluentResource::try_new(text.to_owned()).is_ok(),
                "{:?}",
                FluentResource::try_new(text.to_owned()).err().map(|e| e.1)
            );
        }
        let (fr, en) = (texts_in(FR), texts_in(EN));
        assert_eq!(fr.keys().collect::<Vec<_>>(), en.keys().collect::<Vec<_>>());
        for (id, text) in &fr {
            // A date is written in another order, never with other pieces.
            assert_eq!(text.variables, en[id].variables, "{id}");
        }
        assert!(fr.len() > 80);
        let texts = Texts::shipped();
        for (language, all) in [(Language::Fr, &fr), (Language::En, &en)] {
            for (id, written) in all {
                for count in [0, 1, 2, 7] {
                    let values: Vec<_> = written.variables.iter().map(|name| (*name, sample(name, count))).collect();
                    let (text, errors) = texts.written(language, id, &values);
                    assert!(errors.is_empty() && text != **id && !text.contains('$'), "{id}: {text} {errors:?}");
                    assert!(!text.contains(['\u{2068}', '\u{2069}']), "marks of direction in {id}");
                }
            }
        }
        // The shipped files obey what is asked of an administration's.
        for (language, text) in [(Language::Fr, FR), (Language::En, EN)] {
            assert_eq!(slips(&own(language, text)), []);
            Texts::with(&[own(language, text)]).unwrap();
        }
    }

    #[test]
    fn french_nought_is_singular_and_english_nought_is_plural() {
        let texts = Texts::shipped();
        for (language, count, expected) in [
            (Language::Fr, 0, "et 0 autre"),
            (Language::Fr, 1, "et 1 autre"),
            (Language::Fr, 2, "et 2 autres"),
            (Language::En, 0, "and 0 others"),
            (Language::En, 1, "and 1 other"),
            (Language::En, 2, "and 2 others"),
        ] {
            assert_eq!(texts.say(language, "recipients-others", &[("count", count.into())]).trim(), expected);
        }
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        let texts = Texts::shipped();
        assert_eq!(texts.moment(Language::Fr, UnixTime(1_795_284_240)), "21/11/2026 à 18:04 (UTC)");
        assert_eq!(texts.moment(Language::En, UnixTime(0)), "1970-01-01 00:00 (UTC)");
        assert_eq!(texts.moment(Language::Fr, UnixTime(0)), "01/01/1970 à 00:00 (UTC)");
    }

    #[test]
    fn an_administrations_text_takes_the_place_of_ours_and_the_others_stay() {
        let file = own(
            Language::Fr,
            "-us = Mairie\nheld-subject = { -us } : message en attente\n\n# rien\nsmtp-held =\n    { $reference } en attente\n",
        );
        let texts = Texts::with(&[file]).unwrap();
        assert_eq!(texts.say(Language::Fr, "held-subject", &[]), "Mairie : message en attente");
        assert_eq!(texts.say(Language::Fr, "smtp-held", &[("reference", "PST-X".into())]), "PST-X en attente");
        assert_eq!(texts.say(Language::En, "held-subject", &[]), "Message held for review");
        assert_eq!(texts.say(Language::Fr, "rejected-subject", &[]), "Message refusé après examen");
    }

    #[test]
    fn a_slip_is_answered_with_a_line_and_what_to_write() {
        for (text, line, sentence) in [
            ("held-subjet = x\n", 1, "there is no text \"held-subjet\"; did you mean \"held-subject\"?"),
            ("\nclosing = Écrivez à { $postmster }\n", 2, "has no variable $postmster; it has $postmaster"),
            ("kind-pdf = { $count } PDF\n", 1, "has no variable $count; it has none"),
            ("# a\n\nsmtp-held = retenu { $reference }\n", 3, "begin the text \"smtp-held\" with { $reference }"),
            ("held-subject = x\nrefused-subject { $x }\n", 2, "this is not Fluent"),
            ("held-subject = { rejected-subjekt }\n", 1, "cannot be written"),
            ("held-subject = { DATETIME($x) }\n", 1, "has no variable $x"),
            ("recipients-others = { NUMBER($count) }\n", 1, "cannot be written"),
            ("held-subject = { $\n", 1, "this is not Fluent"),
        ] {
            let wrong = Texts::with(&[own(Language::Fr, text)]).unwrap_err();
            assert!(wrong.iter().any(|error| error.line == line && error.sentence.contains(sentence)), "{text:?}: {wrong:?}");
        }
        let large = "#".repeat(FILE_LIMIT + 1);
        assert!(Texts::with(&[own(Language::En, &large)]).unwrap_err()[0].sentence.contains("only the texts"));
    }
}
