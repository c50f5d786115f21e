//! Turns the text of `policy.toml` into tables whose every value remembers its line, and every slip into a sentence.

use super::clock::day_of;
use super::{PolicyError, SourceText};
use crate::detect::suggestion;
use crate::mail::UnixTime;
use crate::policy::Bilingual;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Octets of a policy file: an officer writes some thousands; more is a mistake or an attempt to keep the loader busy.
pub(super) const MAX_FILE: usize = 1 << 20;

/// Collects all errors of one file, so that an officer mends them in one go.
pub(super) struct Complaints<'f> {
    file: &'f SourceText,
    pub errors: Vec<PolicyError>,
}

/// One table of the file with the words that may stand in it.
pub(super) struct Table<'d> {
    table: &'d DeTable<'d>,
    /// How messages call it: `[[policy]] "secrets"`.
    pub name: String,
    pub at: usize,
}

/// A value and where it stands (octet in the file).
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub value: T,
    pub at: usize,
}

impl<'f> Complaints<'f> {
    pub fn about(file: &'f SourceText) -> Complaints<'f> {
        Complaints { file, errors: Vec::new() }
    }

    pub fn say(&mut self, at: usize, sentence: impl Into<String>) {
        let line = self.line(at);
        self.errors.push(PolicyError { file: self.file.path.clone(), line, sentence: sentence.into() });
    }

    /// Counted from 1.
    pub fn line(&self, at: usize) -> usize {
        let end = at.min(self.file.text.len());
        1 + memchr::memchr_iter(b'\n', &self.file.text.as_bytes()[..end]).count()
    }
}

/// The whole document, or the first sentence about its TOML.
pub(super) fn read<'f>(file: &'f SourceText, complaints: &mut Complaints) -> Option<Spanned<DeTable<'f>>> {
    if file.text.len() > MAX_FILE {
        complaints.say(0, format!("a policy file may have at most {MAX_FILE} octets"));
        return None;
    }
    match DeTable::parse(&file.text) {
        Ok(document) => Some(document),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            complaints.say(at, format!("this is not TOML: {}", error.message()));
            None
        }
    }
}

impl<'d> Table<'d> {
    /// `known`: every key that may stand here; anything else is a complaint with the nearest known word.
    pub fn new(table: &'d DeTable<'d>, name: &str, at: usize, known: &[&str], complaints: &mut Complaints) -> Table<'d> {
        for (key, _) in table {
            let word: &str = key.get_ref().as_ref();
            if !known.contains(&word) {
                let advice = match word {
                    "score" | "weight" | "points" => {
                        "there are no scores: name a confidence and at_least = a number".to_owned()
                    }
                    "except" | "exception" | "exceptions" => {
                        "an exception is written unless = { … } inside the policy".to_owned()
                    }
                    "order" | "priority" => "policies have no order: the strictest wins".to_owned(),
                    _ => suggestion(word, known),
                };
                complaints.say(key.span().start, format!("{name} has no \"{word}\"; {advice}"));
            }
        }
        Table { table, name: name.to_owned(), at }
    }

    /// The same table under a better name, once it is known.
    pub fn called(self, name: &str) -> Table<'d> {
        Table { name: name.to_owned(), ..self }
    }

    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub fn get(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.table.get(key)
    }

    /// Where `key` stands, or the table when it is absent.
    pub fn at(&self, key: &str) -> usize {
        self.get(key).map_or(self.at, |value| value.span().start)
    }

    pub fn text(&self, key: &str, complaints: &mut Complaints) -> Option<At<&'d str>> {
        let value = self.get(key)?;
        match value.get_ref().as_str() {
            Some(text) if !text.trim().is_empty() => Some(At { value: text, at: value.span().start }),
            _ => {
                complaints.say(value.span().start, format!("{key} must be a text: {key} = \"…\""));
                None
            }
        }
    }

    /// One text or a list of texts.
    pub fn texts(&self, key: &str, complaints: &mut Complaints) -> Vec<At<&'d str>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let items: Vec<&Spanned<DeValue>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let mut texts = Vec::new();
        for item in &items {
            match item.get_ref().as_str() {
                Some(text) if !text.trim().is_empty() => texts.push(At { value: text, at: item.span().start }),
                _ => {
                    complaints.say(item.span().start, format!("{key} takes a text or a list of texts: {key} = [\"…\", \"…\"]"))
                }
            }
        }
        if items.is_empty() {
            complaints.say(value.span().start, format!("{key} = [] holds for nothing; leave it out or name something"));
        }
        texts
    }

    /// A whole number from `least` on.
    pub fn number(&self, key: &str, least: u64, complaints: &mut Complaints) -> Option<u64> {
        let value = self.get(key)?;
        let number = value.get_ref().as_integer().and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok());
        match number {
            Some(number) if number >= least => Some(number),
            _ => {
                complaints.say(value.span().start, format!("{key} must be a whole number of at least {least}"));
                None
            }
        }
    }

    /// Octets: a whole number, or a text such as `"10 MB"` (1 MB = 1,000,000 octets).
    pub fn octets(&self, key: &str, complaints: &mut Complaints) -> Option<u64> {
        let value = self.get(key)?;
        let Some(text) = value.get_ref().as_str() else { return self.number(key, 1, complaints) };
        let text = text.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
            "" | "b" | "o" => Some(1),
            "kb" | "ko" => Some(1_000),
            "mb" | "mo" => Some(1_000_000),
            "gb" | "go" => Some(1_000_000_000),
            _ => None,
        };
        let number = text[..digits].parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
        if number.is_none() {
            complaints.say(value.span().start, format!("{key} must be a size: {key} = \"10 MB\""));
        }
        number
    }

    /// A moment with its offset: `2026-11-21T20:00:00+01:00`.
    pub fn moment(&self, key: &str, complaints: &mut Complaints) -> Option<UnixTime> {
        let value = self.get(key)?;
        let moment = value.get_ref().as_datetime().and_then(|written| {
            let (date, time, offset) = (written.date?, written.time?, written.offset?);
            let minutes = match offset {
                toml::value::Offset::Z => 0,
                toml::value::Offset::Custom { minutes } => i64::from(minutes),
            };
            let day = day_of(date.year.into(), date.month.into(), date.day.into());
            let minute = i64::from(time.hour) * 60 + i64::from(time.minute) - minutes;
            Some(UnixTime(day * 86_400 + minute * 60 + i64::from(time.second)))
        });
        if moment.is_none() {
            complaints.say(value.span().start, format!("{key} must be a moment: {key} = 2026-11-21T20:00:00+01:00"));
        }
        moment
    }

    pub fn flag(&self, key: &str, complaints: &mut Complaints) -> Option<bool> {
        let value = self.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            complaints.say(value.span().start, format!("{key} must be true or false"));
        }
        flag
    }

    pub fn table(&self, key: &str, known: &[&str], complaints: &mut Complaints) -> Option<Table<'d>> {
        let value = self.get(key)?;
        match value.get_ref().as_table() {
            Some(table) => Some(Table::new(table, &format!("{key} of {}", self.name), value.span().start, known, complaints)),
            None => {
                complaints.say(value.span().start, format!("{key} must be a table: {key} = {{ … }}"));
                None
            }
        }
    }

    /// A table whose keys are names the caller checks.
    pub fn open_table(&self, key: &str, complaints: &mut Complaints) -> Vec<(At<&'d str>, &'d Spanned<DeValue<'d>>)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        match value.get_ref().as_table() {
            Some(table) => table.iter().map(|(k, v)| (At { value: k.get_ref().as_ref(), at: k.span().start }, v)).collect(),
            None => {
                complaints.say(value.span().start, format!("{key} must be a table: {key} = {{ … }}"));
                Vec::new()
            }
        }
    }

    /// The tables written `[[key]]`.
    pub fn tables(&self, key: &str, complaints: &mut Complaints) -> Vec<(&'d DeTable<'d>, usize)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            complaints.say(value.span().start, format!("write [[{key}]] with two brackets: there may be several"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            match item.get_ref().as_table() {
                Some(table) => tables.push((table, item.span().start)),
                None => complaints.say(item.span().start, format!("each {key} is a table: [[{key}]]")),
            }
        }
        tables
    }

    /// `{ fr = "…", en = "…" }`, or one text for both.
    pub fn bilingual(&self, key: &str, complaints: &mut Complaints) -> Option<Bilingual> {
        let value = self.get(key)?;
        if let Some(text) = value.get_ref().as_str() {
            return Some(Bilingual { fr: text.to_owned(), en: text.to_owned() });
        }
        let table = self.table(key, &["fr", "en"], complaints)?;
        let texts = (table.text("fr", complaints), table.text("en", complaints));
        let (Some(fr), Some(en)) = texts else {
            complaints.say(value.span().start, format!("{key} needs both languages: {key} = {{ fr = \"…\", en = \"…\" }}"));
            return None;
        };
        Some(Bilingual { fr: fr.value.to_owned(), en: en.value.to_owned() })
    }
}
