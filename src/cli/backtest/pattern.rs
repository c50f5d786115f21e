//! Turns findings into patterns of what stands there: the shape of the value and the words beside it, never the value.
//!
//! Words beside a value may be somebody's name, so a report shows only those that stand beside values of the same rule in several
//! messages ([`Patterns::COMMON`]); and no word that any rule recognised.

use crate::detect::{Confidence, Findings, RuleId, RuleSet};
use crate::extract::Extracted;
use crate::facts::fold;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One finding without its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    pub rule: RuleId,
    /// `9 99 99 99 999 999 99`; empty where a rule's values are never shown.
    pub shape: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// Places of one rule in one message that are looked at, at most.
const PLACES: usize = 100;
/// Octets before and after a value in which its neighbours are looked for.
const WINDOW: usize = 48;
const LONGEST_SHAPE: usize = 40;
const LONGEST_WORD: usize = 20;

/// The patterns of what was found at medium or above, each once.
pub fn of(findings: &Findings, extracted: &Extracted, rules: &RuleSet) -> BTreeSet<Pattern> {
    let mut taken: HashMap<usize, Vec<(usize, usize)>> = HashMap::new();
    for found in findings.found.iter().flat_map(|finding| &finding.places) {
        taken.entry(found.text).or_default().push((found.span.0 as usize, found.span.1 as usize));
    }
    let mut patterns = BTreeSet::new();
    for finding in &findings.found {
        let hidden = rules.rule(&finding.rule.0).is_none_or(|rule| rule.hides_values());
        let sure = finding.places.iter().filter(|found| found.confidence >= Confidence::Medium);
        for found in sure.take(PLACES) {
            let Some(text) = extracted.texts.get(found.text).map(|text| text.content.as_str()) else { continue };
            let (start, end) = (found.span.0 as usize, found.span.1 as usize);
            let (Some(before), Some(value), Some(after)) = (text.get(..start), text.get(start..end), text.get(end..)) else {
                continue;
            };
            let free = |from: usize, to: usize| {
                taken.get(&found.text).is_none_or(|spans| spans.iter().all(|(start, end)| to <= *start || from >= *end))
            };
            patterns.insert(Pattern {
                rule: finding.rule.clone(),
                shape: if hidden { String::new() } else { shape(value) },
                before: last_word(before).filter(|(at, word)| free(*at, at + word.len())).and_then(|(_, word)| neighbour(word)),
                after: first_word(after)
                    .filter(|(at, word)| free(end + at, end + at + word.len()))
                    .and_then(|(_, word)| neighbour(word)),
            });
        }
    }
    patterns
}

/// Digits as `9`, letters as `A`, runs of blanks as one.
fn shape(value: &str) -> String {
    let mut shape = String::new();
    for c in value.chars() {
        let sign = match c {
            c if c.is_numeric() => '9',
            c if c.is_alphabetic() => 'A',
            c if c.is_whitespace() => ' ',
            c if c.is_ascii_punctuation() => c,
            _ => '·',
        };
        if sign == ' ' && shape.ends_with(' ') {
            continue;
        }
        if shape.chars().count() == LONGEST_SHAPE {
            shape.push('…');
            break;
        }
        shape.push(sign);
    }
    shape
}

/// A word in the form in which words are compared; a number only by its shape.
fn neighbour(word: &str) -> Option<String> {
    if word.chars().count() > LONGEST_WORD {
        return None;
    }
    Some(if word.chars().any(char::is_numeric) { shape(word) } else { fold(word) })
}

fn last_word(text: &str) -> Option<(usize, &str)> {
    let from = text.ceil_char_boundary(text.len().saturating_sub(WINDOW));
    let near = &text[from..];
    let end = near.trim_end_matches(|c: char| !c.is_alphanumeric()).len();
    let start = near[..end].rfind(|c: char| !c.is_alphanumeric()).map_or(0, |at| near.ceil_char_boundary(at + 1));
    // What begins at the window's edge may be the end of a longer word.
    (end > start && (start > 0 || from == 0)).then(|| (from + start, &near[start..end]))
}

fn first_word(text: &str) -> Option<(usize, &str)> {
    let near = &text[..text.floor_char_boundary(WINDOW.min(text.len()))];
    let start = near.find(char::is_alphanumeric)?;
    let end = near[start..].find(|c: char| !c.is_alphanumeric()).map_or(near.len(), |at| start + at);
    (end < near.len() || near.len() == text.len()).then(|| (start, &near[start..end]))
}

/// The patterns of many messages.
#[derive(Default)]
pub struct Patterns {
    counted: HashMap<Pattern, u64>,
    /// In how many messages a word stands beside values of a rule.
    beside: HashMap<(RuleId, String), u64>,
}

/// A line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frequent {
    pub pattern: Pattern,
    pub messages: u64,
}

impl Patterns {
    /// A word that stands beside the values of one rule in so many messages is nobody's name.
    pub const COMMON: u64 = 3;
    /// Different patterns that are counted, at most: the frequent ones come early.
    const MOST: usize = 100_000;

    /// The patterns of one message.
    pub fn add(&mut self, of_one: &BTreeSet<Pattern>) {
        let words = |pattern: &Pattern| {
            let word = |word: &Option<String>| word.clone().map(|word| (pattern.rule.clone(), word));
            [word(&pattern.before), word(&pattern.after)]
        };
        let beside: BTreeSet<(RuleId, String)> = of_one.iter().flat_map(words).flatten().collect();
        for key in beside {
            bounded(&mut self.beside, key, Patterns::MOST);
        }
        for pattern in of_one {
            bounded(&mut self.counted, pattern.clone(), Patterns::MOST);
        }
    }

    /// The most frequent ones, with uncommon words hidden.
    pub fn top(&self, most: usize) -> Vec<Frequent> {
        let mut merged: BTreeMap<Pattern, u64> = BTreeMap::new();
        for (pattern, messages) in &self.counted {
            let shown = |word: &Option<String>| {
                let common = |word: &String| {
                    self.beside.get(&(pattern.rule.clone(), word.clone())).is_some_and(|n| *n >= Patterns::COMMON)
                };
                word.clone().filter(common)
            };
            let pattern = Pattern { before: shown(&pattern.before), after: shown(&pattern.after), ..pattern.clone() };
            *merged.entry(pattern).or_default() += messages;
        }
        let mut top: Vec<Frequent> = merged.into_iter().map(|(pattern, messages)| Frequent { pattern, messages }).collect();
        top.sort_by_key(|one| std::cmp::Reverse(one.messages));
        top.truncate(most);
        top
    }
}

fn bounded<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, u64>, key: K, most: usize) {
    if counts.len() < most || counts.contains_key(&key) {
        *counts.entry(key).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_told_by_its_shape_alone() {
        assert_eq!(shape("1 85 05\u{a0} 2A 006"), "9 99 99 9A 999");
        assert_eq!(shape("FR76-3000"), "AA99-9999");
        assert_eq!(shape(&"9".repeat(50)), format!("{}…", "9".repeat(40)));
    }

    #[test]
    fn the_nearest_words_are_whole_words() {
        assert_eq!(last_word("Dossier suivi n° : "), Some((14, "n")));
        assert_eq!(last_word("  : "), None);
        assert_eq!(last_word(&"x".repeat(60)), None);
        assert_eq!(first_word(" (annulé), puis"), Some((2, "annulé")));
        assert_eq!(first_word(&"x".repeat(60)), None);
        assert_eq!(last_word("né"), Some((0, "né")));
    }

    #[test]
    fn a_word_that_stands_in_few_messages_is_not_shown() {
        let pattern = |before: &str| Pattern {
            rule: RuleId("fr-nir".into()),
            shape: "9".into(),
            before: Some(before.into()),
            after: None,
        };
        let mut patterns = Patterns::default();
        for before in ["commande", "dupont", "commande", "commande", "martin"] {
            patterns.add(&BTreeSet::from([pattern(before)]));
        }
        let top = patterns.top(10);
        let shown: Vec<(Option<&str>, u64)> = top.iter().map(|one| (one.pattern.before.as_deref(), one.messages)).collect();
        assert_eq!(shown, [(Some("commande"), 3), (None, 2)]);
    }
}
