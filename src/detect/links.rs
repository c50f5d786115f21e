//! Turns the names of other rules that rules mention into their places in the set.

use super::rule::{Near, NearWhat, Rule};
use super::rule_file::{At, RuleError};
use super::suggestion::suggestion;
use super::{Category, RuleId};
use std::collections::HashMap;

const CATEGORY: &str = "category:";

/// Resolves what `yields_to` and `found` name in rules sorted by name; mistakes go to `errors`.
pub(crate) fn resolve(rules: &mut [Rule], errors: &mut Vec<RuleError>) {
    let places: HashMap<RuleId, usize> = rules.iter().enumerate().map(|(place, rule)| (rule.id.clone(), place)).collect();
    let names: Vec<String> = rules.iter().map(|rule| rule.id.0.to_string()).collect();
    let kinds: Vec<(Category, bool)> = rules.iter().map(|rule| (rule.category, uses_found(rule))).collect();
    let all = Known { places, names, kinds };
    for (index, rule) in rules.iter_mut().enumerate() {
        let mut wrong = |line: usize, sentence: String| {
            errors.push(RuleError { file: rule.file.clone(), line, sentence });
        };
        let mut yields_to = Vec::new();
        for name in &rule.named.yields_to {
            match all.find(name, "yields_to", &mut wrong) {
                Some(place) if place == index => wrong(name.line, "a rule cannot yield to itself; leave it out".to_owned()),
                found => yields_to.extend(found),
            }
        }
        let groups: Vec<Vec<usize>> = rule.named.found.iter().map(|found| all.expand(found, index, &mut wrong)).collect();
        rule.yields_to = yields_to;
        for (near, found) in rule.near.iter_mut().chain(&mut rule.unless_near).zip(groups) {
            if let NearWhat::Found(rules) = &mut near.what {
                *rules = found;
            }
        }
    }
    circles(rules, errors);
}

/// Does the rule need the findings of others?
pub(crate) fn uses_found(rule: &Rule) -> bool {
    let found = |near: &Near| matches!(near.what, NearWhat::Found(_));
    rule.near.iter().any(found) || rule.unless_near.iter().any(found)
}

/// The rules that must be applied so that this one's answer is right: itself, and all that it or they name.
pub(crate) fn needed(rules: &[Rule], index: usize) -> Vec<bool> {
    let mut needed = vec![false; rules.len()];
    let mut queue = vec![index];
    while let Some(next) = queue.pop() {
        if !std::mem::replace(&mut needed[next], true) {
            queue.extend(&rules[next].yields_to);
            for near in rules[next].near.iter().chain(&rules[next].unless_near) {
                if let NearWhat::Found(found) = &near.what {
                    queue.extend(found);
                }
            }
        }
    }
    needed
}

/// All rules, as others may name them.
struct Known {
    places: HashMap<RuleId, usize>,
    names: Vec<String>,
    /// Of each rule its category, and whether it uses `found` itself.
    kinds: Vec<(Category, bool)>,
}

impl Known {
    fn find(&self, name: &At<String>, word: &str, wrong: &mut impl FnMut(usize, String)) -> Option<usize> {
        let place = self.places.get(&RuleId(name.value.as_str().into())).copied();
        if place.is_none() {
            let hint = suggestion(&name.value, &self.names);
            wrong(name.line, format!("\"{word}\" names a rule \"{}\" that does not exist; {hint}", name.value));
        }
        place
    }

    /// The rules that `found` names: neither itself nor, in a category, those that wait for others too.
    fn expand(&self, found: &[At<String>], own: usize, wrong: &mut impl FnMut(usize, String)) -> Vec<usize> {
        let mut rules = Vec::new();
        for name in found {
            let Some(category) = name.value.strip_prefix(CATEGORY) else {
                match self.find(name, "found", wrong) {
                    Some(place) if place == own => {
                        wrong(name.line, "a rule is no evidence for itself; leave it out".to_owned())
                    }
                    Some(place) if self.kinds[place].1 => wrong(
                        name.line,
                        format!(
                            "the rule \"{}\" uses \"found\" itself, so it cannot be evidence; name the rules that it names",
                            name.value
                        ),
                    ),
                    place => rules.extend(place),
                }
                continue;
            };
            match super::rule_file::category(category) {
                Ok(category) => {
                    let members =
                        self.kinds.iter().enumerate().filter(|(place, kind)| *place != own && **kind == (category, false));
                    rules.extend(members.map(|(place, _)| place));
                }
                Err(all) => wrong(name.line, format!("there is no category \"{category}\"; try: {}", all.join(", "))),
            }
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

/// Two rules that yield to each other would hide a value from both.
fn circles(rules: &[Rule], errors: &mut Vec<RuleError>) {
    // Rules without anyone left to wait for are taken away, until none is left or a circle.
    let mut waits: Vec<usize> = rules.iter().map(|rule| rule.yields_to.len()).collect();
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); rules.len()];
    for (index, rule) in rules.iter().enumerate() {
        rule.yields_to.iter().for_each(|place| before[*place].push(index));
    }
    let mut free: Vec<usize> = (0..rules.len()).filter(|index| waits[*index] == 0).collect();
    while let Some(index) = free.pop() {
        for one in &before[index] {
            waits[*one] -= 1;
            if waits[*one] == 0 {
                free.push(*one);
            }
        }
    }
    for (index, rule) in rules.iter().enumerate().filter(|(index, _)| waits[*index] > 0) {
        let Some(name) = rule
            .named
            .yields_to
            .iter()
            .find(|name| rules.iter().zip(&waits).any(|(other, waits)| *waits > 0 && *other.id.0 == *name.value))
        else {
            continue;
        };
        let sentence = format!(
            "\"{}\" yields to \"{}\", which in the end yields to it: neither would be reported; take one of them away",
            rules[index].id.0, name.value
        );
        errors.push(RuleError { file: rule.file.clone(), line: name.line, sentence });
    }
}
