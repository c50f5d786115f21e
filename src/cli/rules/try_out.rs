//! `postern rules try`: what one rule makes of a text, shown in the text itself, with the evidence and what was nearly enough.

use super::{Folder, known};
use crate::cli::language::say;
use crate::cli::report::{Paint, said};
use crate::cli::{Done, Format};
use crate::config::{laws, rules_folder};
use crate::detect::{self, Check, NearWord, RuleSet, TryPlace, TryReport};
use crate::extract;
use crate::mail::Language;
use clap::Args;
use serde_json::json;
use std::io::Read;

#[derive(Debug, Args)]
pub struct Try {
    /// The rule
    id: String,
    /// The text, or `-` for standard input
    text: String,
    #[command(flatten)]
    folder: Folder,
}

/// Octets of a text to try.
const TEXT_LIMIT: u64 = 16 << 20;
/// Characters shown on either side of a place.
const AROUND: usize = 160;
/// Places shown; JSON has them all.
const PLACES: usize = 20;

impl Try {
    pub fn run(self) -> Done {
        let folder = rules_folder(self.folder.rules.as_deref())?;
        // A rule whose own tests fail is the one that must be tried.
        let (rules, _) = laws::load_rules_untested(&folder)?;
        known(&rules, &self.id)?;
        let text = match self.text.as_str() {
            "-" => std::io::read_to_string(std::io::stdin().take(TEXT_LIMIT))?,
            _ => self.text.clone(),
        };
        let Some(tried) = detect::try_text(&rules, &self.id, &text) else { return Ok(()) };
        let words = detect::near_words(&rules, &self.id, &text);
        match self.folder.format {
            Format::Json => println!("{}", as_json(&tried, &words, &text)),
            Format::Text => print!("{}", as_text(&rules, &tried, &words, &text, self.folder.language())),
        }
        Ok(())
    }
}

/// The words of the rule's groups that stand around a place, the nearest of each group first.
fn around<'w>(place: &TryPlace, words: &'w [NearWord], text: &str) -> Vec<(&'w NearWord, usize)> {
    let mut nearest: Vec<(&NearWord, usize)> = Vec::new();
    for word in words {
        let gap = distance(text, place.span, word.span);
        match nearest.iter_mut().find(|(known, _)| (&known.group, known.against) == (&word.group, word.against)) {
            Some(known) if known.1 > gap => *known = (word, gap),
            Some(_) => {}
            None => nearest.push((word, gap)),
        }
    }
    nearest
}

/// Characters between two places of a text; 0 where they touch or overlap.
fn distance(text: &str, one: (usize, usize), other: (usize, usize)) -> usize {
    let (end, start) = if one.0 <= other.0 { (one.1, other.0) } else { (other.1, one.0) };
    text.get(end..start).map_or(0, |between| between.chars().count())
}

fn reaches(word: &NearWord, gap: usize) -> bool {
    word.within.is_none_or(|within| gap <= within)
}

fn as_json(tried: &TryReport, words: &[NearWord], text: &str) -> serde_json::Value {
    let place = |place: &TryPlace| {
        let near = |(word, gap): &(&NearWord, usize)| {
            let kind = if word.against { "unless_near" } else { "near" };
            json!({"group": format!("{kind}.{}", word.group), "start": word.span.0, "end": word.span.1, "distance": gap,
                "within": word.within, "reaches": reaches(word, *gap)})
        };
        json!({"start": place.span.0, "end": place.span.1, "confidence": place.confidence, "reasons": place.reasons,
            "words": around(place, words, text).iter().map(near).collect::<Vec<_>>()})
    };
    json!({"rule": tried.rule, "confidence": tried.confidence, "summary": tried.summary,
        "places": tried.places.iter().map(place).collect::<Vec<_>>()})
}

/// The text is the officer's own; showing where it matched reveals nothing to anyone else.
fn as_text(rules: &RuleSet, tried: &TryReport, words: &[NearWord], text: &str, language: Language) -> String {
    let mut page = String::new();
    for place in tried.places.iter().take(PLACES) {
        let near = around(place, words, text);
        page.push_str(&shown(place, &near, text));
        for reason in &place.reasons {
            page.push_str(&format!("  {reason}\n"));
        }
        for (word, gap) in near {
            page.push_str(&format!("  {}\n", distance_said(word, gap, text, language)));
        }
    }
    if tried.places.len() > PLACES {
        page.push_str(&format!("({} …)\n", tried.places.len() - PLACES));
    }
    page.push_str(&match tried.confidence {
        Some(confidence) => Paint::of(confidence).on(&tried.summary),
        None => Paint::Bold.on(&tried.summary),
    });
    page.push('\n');
    if tried.confidence.is_none() {
        for hint in hints(rules, tried, text, language) {
            page.push_str(&format!("{} {hint}\n", Paint::Yellow.on(say(language, "piste :", "hint:"))));
        }
    }
    page
}

/// `"NIR" (near.identity) stands 12 characters away, within 120`.
fn distance_said(word: &NearWord, gap: usize, text: &str, language: Language) -> String {
    let kind = if word.against { "unless_near" } else { "near" };
    let (name, written) = (&word.group, text.get(word.span.0..word.span.1).unwrap_or_default());
    let written = Paint::Under.on(written.replace(char::is_control, " "));
    match (language, word.within, reaches(word, gap)) {
        (Language::Fr, None, _) => format!("« {written} » ({kind}.{name}) est dans le même document"),
        (Language::En, None, _) => format!("\"{written}\" ({kind}.{name}) stands in the same document"),
        (Language::Fr, Some(within), true) => format!("« {written} » ({kind}.{name}) à {gap} caractères, within = {within}"),
        (Language::En, Some(within), true) => {
            format!("\"{written}\" ({kind}.{name}) stands {gap} characters away, within = {within}")
        }
        (Language::Fr, Some(within), false) => {
            format!("« {written} » ({kind}.{name}) est trop loin : {gap} caractères, within = {within}")
        }
        (Language::En, Some(within), false) => {
            format!("\"{written}\" ({kind}.{name}) is too far away: {gap} characters, within = {within}")
        }
    }
}

/// The lines around a place: the value in red (faint when it does not count), the words near it underlined.
fn shown(place: &TryPlace, near: &[(&NearWord, usize)], text: &str) -> String {
    let (start, end) = place.span;
    let mut marks: Vec<((usize, usize), Paint)> = vec![(place.span, place.confidence.map_or(Paint::Faint, |_| Paint::Red))];
    for (word, gap) in near.iter().filter(|(word, gap)| reaches(word, *gap)) {
        if *gap > 0 || word.span.1 <= start || word.span.0 >= end {
            marks.push((word.span, if word.against { Paint::Yellow } else { Paint::Under }));
        }
    }
    marks.sort_by_key(|mark| mark.0);
    let from = text.floor_char_boundary(start.saturating_sub(AROUND));
    let to = text.ceil_char_boundary((end + AROUND).min(text.len()));
    let mut line = String::new();
    let mut at = from;
    let plain = |part: &str| part.replace(|c: char| c.is_control() && c != '\n' && c != '\t', " ");
    for ((start, end), paint) in marks.into_iter().filter(|((start, end), _)| *start >= from && *end <= to) {
        if let (Some(before), Some(marked)) = (text.get(at..start), text.get(start..end)) {
            line.push_str(&plain(before));
            line.push_str(&paint.on(plain(marked)));
            at = end;
        }
    }
    line.push_str(&plain(text.get(at..to).unwrap_or_default()));
    if !line.ends_with('\n') {
        line.push('\n');
    }
    line
}

/// What was nearly enough.
fn hints(rules: &RuleSet, tried: &TryReport, text: &str, language: Language) -> Vec<String> {
    let mut hints = Vec::new();
    let t = |fr: String, en: String| if language == Language::Fr { fr } else { en };
    let Some(rule) = rules.rule(&tried.rule.0) else { return hints };
    if tried.places.is_empty() {
        let lengths = rule.shape_lengths();
        for (run, length) in runs(text) {
            if let Some(wanted) = lengths.iter().find(|wanted| **wanted == length) {
                if rule.validator_check(run) == Some(Check::Invalid) {
                    hints.push(t(
                        format!("« {run} » a les {wanted} signes voulus, mais sa clé est fausse"),
                        format!("\"{run}\" has the {wanted} signs that are wanted, but its check digits are wrong"),
                    ));
                } else {
                    hints.push(t(
                        format!("« {run} » a les {wanted} signes voulus, mais pas aux places de la forme"),
                        format!("\"{run}\" has the {wanted} signs that are wanted, but not in the places of the shape"),
                    ));
                }
            } else if let Some(wanted) = lengths.iter().find(|wanted| wanted.abs_diff(length) <= 2) {
                hints.push(t(
                    format!("« {run} » a {length} signes, la forme en veut {wanted}"),
                    format!("\"{run}\" has {length} signs, the shape wants {wanted}"),
                ));
            }
        }
        if let Some((written, listed)) = rule.nearest_word(text) {
            hints.push(t(
                format!("« {written} » ressemble à « {listed} » ; écrivez chaque forme dans words"),
                format!("\"{written}\" looks like \"{listed}\"; list each form in words"),
            ));
        }
    }
    let all = detect::detect(&extract::extract_text(text), rules);
    for finding in all.found.iter().filter(|finding| finding.rule != tried.rule) {
        let tier = said(&finding.confidence);
        hints.push(t(
            format!("une autre règle y trouve quelque chose : {} ({tier})", finding.rule.0),
            format!("another rule finds something there: {} ({tier})", finding.rule.0),
        ));
    }
    hints.truncate(HINTS);
    hints
}

const HINTS: usize = 5;

/// Runs of letters and digits with single signs between, as numbers are written; and how many letters and digits each has.
fn runs(text: &str) -> Vec<(&str, usize)> {
    let mut runs = Vec::new();
    let is_part =
        |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || matches!(c, ' ' | '.' | '-' | '/' | '\u{a0}' | '\u{202f}');
    for run in text.split(|c: char| !is_part(c)) {
        let run = run.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let length = run.chars().filter(char::is_ascii_alphanumeric).count();
        if length >= 5 && run.chars().any(|c| c.is_ascii_digit()) {
            runs.push((run, length));
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_between_two_places_is_counted_in_characters() {
        let text = "né le : 12";
        assert_eq!(distance(text, (0, 3), (9, 11)), 6);
        assert_eq!(distance(text, (9, 11), (0, 3)), 6);
        assert_eq!(distance(text, (0, 6), (3, 5)), 0);
    }

    #[test]
    fn numbers_are_found_as_people_write_them() {
        assert_eq!(runs("n° 1 85 05 78 006 084 9, puis 42"), [("1 85 05 78 006 084 9", 14)]);
    }
}
