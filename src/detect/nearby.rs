//! Turns a rule and a text that an officer tries into what stands there besides the value: words of its groups, and near misses.

use super::RuleSet;
use super::normalize::normalize;
use super::rule::{Find, Near, NearWhat, Rule};
use super::rule_file::Within;
use super::validators::Check;
use super::words::WordBook;

/// A word of one of the rule's groups.
#[derive(Clone, Debug)]
pub struct NearWord {
    /// `identity` of `[near.identity]`.
    pub group: String,
    /// It stands in an `[unless_near]`.
    pub against: bool,
    /// Byte range in the tried text.
    pub span: (usize, usize),
    /// Characters before or after; `None`: anywhere in the document.
    pub within: Option<usize>,
}

/// Words of one group that are reported, at most.
const MOST: usize = 1_000;

/// All words of the rule's groups in a text, in order; nothing where there is no such rule. Groups made of other rules' findings have none.
pub fn near_words(rules: &RuleSet, id: &str, text: &str) -> Vec<NearWord> {
    let Some(rule) = rules.rule(id) else { return Vec::new() };
    let normalized = normalize(text);
    let mut words = Vec::new();
    let mut add = |near: &Near, against: bool| {
        let NearWhat::Words { written, .. } = &near.what else { return };
        let listed = WordBook::new(written.iter().map(String::as_str));
        let within = match near.within {
            Within::Characters(within) => Some(within),
            Within::Document => None,
        };
        let mut found = Vec::new();
        listed.find(&normalized, |hit| {
            if found.len() < MOST {
                found.push(normalized.original(hit.start as usize, hit.end as usize));
            }
        });
        let group = near.name.clone();
        words.extend(found.into_iter().map(|span| NearWord { group: group.clone(), against, span, within }));
    };
    rule.near.iter().for_each(|near| add(near, false));
    rule.unless_near.iter().for_each(|near| add(near, true));
    words.sort_by_key(|word| word.span);
    words
}

impl Rule {
    /// The text of the test that begins in this line of the rule's file.
    pub fn test_text(&self, line: usize) -> Option<&str> {
        self.tests.iter().find(|test| test.line == line).map(|test| test.text.as_str())
    }

    /// How many letters and digits each of its shapes has.
    pub fn shape_lengths(&self) -> Vec<usize> {
        match &self.find {
            Find::Shapes(shapes) => shapes.iter().map(|shape| shape.length()).collect(),
            _ => Vec::new(),
        }
    }

    /// What its validator says of a number; `None` when it has none.
    pub fn validator_check(&self, number: &str) -> Option<Check> {
        self.validator.map(|validator| validator.check(number))
    }

    /// A word or phrase of the text that differs a little from a listed one, and that one.
    pub fn nearest_word<'t>(&self, text: &'t str) -> Option<(&'t str, &str)> {
        let Find::Words(words) = &self.find else { return None };
        const SHORTEST: usize = 5;
        const LONGEST: usize = 4;
        const TEXT: usize = 2_000;
        let text = &text[..text.floor_char_boundary(TEXT.min(text.len()))];
        let mut tokens: Vec<(usize, usize)> = Vec::new();
        for token in text.split(|c: char| !c.is_alphanumeric()).filter(|token| !token.is_empty()) {
            let start = token.as_ptr() as usize - text.as_ptr() as usize;
            tokens.push((start, start + token.len()));
        }
        for length in 1..=LONGEST {
            for window in tokens.windows(length) {
                let written = &text[window[0].0..window[length - 1].1];
                let folded = super::normalize::fold_pattern(written).to_lowercase();
                let differs = |word: &&String| {
                    let alike = word.len() >= SHORTEST && word.len().abs_diff(folded.len()) <= 2;
                    alike && (1..=2).contains(&strsim::osa_distance(word, &folded))
                };
                if let Some(word) = words.iter().take(1_000).find(differs) {
                    return Some((written, word));
                }
            }
        }
        None
    }
}
