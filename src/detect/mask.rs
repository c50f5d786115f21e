//! Turns values into what may be shown of them, and hides them in the names of the files they stand in.

use super::rule::Rule;
use super::rule_set::RuleSet;
use super::validators::compact;
use super::{Findings, ValueDigest, ValueId};
use crate::extract::{Extracted, Place, TextKind};
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::OnceLock;

/// Signs that stand for hidden characters, at most.
const MAX_BULLETS: usize = 30;
/// Values of one file's name that are looked for in the places inside it, at most.
const MAX_IN_NAME: usize = 100;
/// Of shorter values not even the last two characters are shown.
const SHORTEST_SHOWN: usize = 8;

/// All but the last two characters hidden; of words, secrets, markings and health only what kind it is.
pub(crate) fn masked(rule: &Rule, value: &[u8]) -> String {
    let compact = compact(value);
    if rule.hides_values() || compact.is_empty() {
        return rule.title_fr.clone();
    }
    let shown = if compact.len() >= SHORTEST_SHOWN { 2 } else { 0 };
    let last = String::from_utf8_lossy(&compact[compact.len() - shown..]);
    format!("{}{last}", "•".repeat((compact.len() - shown).min(MAX_BULLETS)))
}

/// The same for equal values however they are grouped, and of no use outside this process.
pub(crate) fn value_id(value: &[u8]) -> ValueId {
    static KEY: OnceLock<std::hash::RandomState> = OnceLock::new();
    let normal = compact(value);
    let known = if normal.is_empty() { value } else { &normal };
    ValueId(KEY.get_or_init(std::hash::RandomState::new).hash_one(known))
}

/// The same for equal values in every process.
pub(crate) fn value_digest(value: &[u8]) -> ValueDigest {
    let normal = compact(value);
    let known = if normal.is_empty() { value } else { &normal };
    let mut digest = ValueDigest::default();
    digest.0.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, known).as_ref());
    digest
}

/// Hides in every place of the findings what rules recognise in file names: `185057800608491.pdf > page 2` must not be told.
pub(crate) fn mask_places(findings: &mut Findings, extracted: &Extracted, rules: &RuleSet) {
    // By the place of the file that bears the name: a name stands in its own place and in those of what is inside the file.
    let mut values: HashMap<&str, Vec<&str>> = HashMap::new();
    for found in findings.found.iter().flat_map(|finding| &finding.places) {
        let text = &extracted.texts[found.text];
        if text.kind == TextKind::FileName
            && let Some(value) =
                text.content.get(found.span.0 as usize..found.span.1 as usize).filter(|value| !value.is_empty())
        {
            let known = values.entry(&text.place.0).or_default();
            // One name has few values; what is left out here is found again in the place itself, below.
            if known.len() < MAX_IN_NAME && !known.contains(&value) {
                known.push(value);
            }
        }
    }
    values.values_mut().for_each(|values| values.sort_by_key(|value| std::cmp::Reverse(value.len())));
    let mut known: HashMap<Place, Place> = HashMap::new();
    let mut hide = |place: &mut Place| {
        let masked = known.entry(place.clone()).or_insert_with(|| {
            let mut name = place.0.to_string();
            let ends = place.0.match_indices(" > ").map(|(at, _)| at).chain([place.0.len()]);
            for value in ends.filter_map(|end| values.get(&place.0[..end])).flatten() {
                if name.contains(value) {
                    name = name.replace(value, &bullets(value));
                } else if let Some(range) = taken_apart(&name, value) {
                    let hidden = bullets(&name[range.clone()]);
                    name.replace_range(range, &hidden);
                }
            }
            Place(rules.mask_name(&name).into())
        });
        *place = masked.clone();
    };
    findings.found.iter_mut().flat_map(|finding| &mut finding.places).for_each(|found| hide(&mut found.place));
    findings.unreadable.iter_mut().for_each(|unreadable| hide(&mut unreadable.part));
    findings.opened.iter_mut().for_each(&mut hide);
}

/// Where the letters and digits of a value stand in a name with other signs between them: `1_85_05_78_006_084_91.pdf`.
fn taken_apart(name: &str, value: &str) -> Option<std::ops::Range<usize>> {
    let letters = |text: &str| -> Vec<(usize, char)> { text.char_indices().filter(|(_, c)| c.is_alphanumeric()).collect() };
    let (all, wanted) = (letters(name), letters(value));
    let same = |window: &[(usize, char)]| window.iter().zip(&wanted).all(|(one, other)| one.1.eq_ignore_ascii_case(&other.1));
    let found = all.windows(wanted.len().max(1)).find(|window| !wanted.is_empty() && same(window))?;
    let (last, c) = found.last()?;
    Some(found.first()?.0..last + c.len_utf8())
}

/// As many signs as the value has characters.
pub(crate) fn bullets(value: &str) -> String {
    "•".repeat(value.chars().count().min(MAX_BULLETS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_a_name_that_takes_it_apart() {
        for (name, value, range) in [
            ("nir_1_85_05.pdf", "18505", Some(4..11)),
            ("F R 7 6.txt", "FR76", Some(0..7)),
            ("é-1·8.txt", "18", Some(3..7)),
            ("nir.pdf", "18505", None),
            ("x", "", None),
        ] {
            assert_eq!(taken_apart(name, value), range, "{name}");
        }
    }
}
