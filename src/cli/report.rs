//! Turns findings and answers into what a person reads or a program parses.

use super::{Done, Failure, Format};
use crate::console::Answer;
use crate::detect::{Confidence, Findings};
use crate::extract::Unreadable;
use crate::facts::Fact;
use crate::mime::Anomaly;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};

/// Prints the rows of an answer; a refusal goes to standard error and ends with 2. `columns` are those for people, in their order: a
/// program gets every member.
pub fn rows(answer: Answer, format: Format, columns: &[&str]) -> Done {
    let rows = match answer {
        Answer::Rows(rows) => rows,
        Answer::No(sentence) => return Err(Failure::Wrong(sentence)),
    };
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => {
            for row in &rows {
                writeln!(out, "{row}")?;
            }
        }
        Format::Text => write!(out, "{}", table(&rows, columns))?,
    }
    Ok(())
}

/// Columns of the rows as an aligned table; a single row as one `key  value` per line. A column that is empty throughout is left out.
pub fn table(rows: &[Value], columns: &[&str]) -> String {
    let used: Vec<&str> = columns.iter().copied().filter(|key| rows.iter().any(|row| !cell(&row[*key]).is_empty())).collect();
    match rows {
        [] => "nothing\n".into(),
        [one] => {
            let width = used.iter().map(|key| key.chars().count()).max().unwrap_or(0);
            used.iter().map(|key| format!("{}  {}\n", Paint::Faint.on(format!("{key:width$}")), cell(&one[*key]))).collect()
        }
        many => {
            let lines = many.iter().map(|row| used.iter().map(|key| cell(&row[*key])).collect());
            aligned(std::iter::once(used.iter().map(|key| (*key).to_owned()).collect()).chain(lines).collect())
        }
    }
}

/// Cells below each other, the first line as a heading.
pub fn aligned(lines: Vec<Vec<String>>) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (n, line) in lines.iter().enumerate() {
        let padded: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let joined = padded.join("  ");
        let line = joined.trim_end();
        text.push_str(&if n == 0 { Paint::Faint.on(line) } else { line.to_owned() });
        text.push('\n');
    }
    text
}

/// A value as a person reads it; nothing where there is nothing.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(is) => if *is { "yes" } else { "no" }.into(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            members.iter().map(|(key, value)| format!("{key} {}", cell(value))).collect::<Vec<_>>().join(" ")
        }
        Value::Number(number) => number.to_string(),
    }
}

/// `findings` as `scan` and `explain` print them.
pub fn findings_json(findings: &Findings) -> Value {
    let found = findings.found.iter().map(|finding| {
        json!({
            "rule": finding.rule,
            "confidence": finding.confidence,
            "count": finding.count(Confidence::Low),
            "unique": finding.unique(Confidence::Low),
            "status": finding.status,
            "places": finding.places.iter().map(|found| json!({
                "part": found.place,
                "masked": found.masked,
                "confidence": found.confidence,
            })).collect::<Vec<_>>(),
        })
    });
    Value::Array(found.collect())
}

/// Where readers may disagree, and what was locked and is no secret any more: its password stands in the message itself.
pub fn anomalies_json(findings: &Findings, anomalies: &[Anomaly]) -> Value {
    let disagree = anomalies.iter().map(|anomaly| json!(anomaly));
    let opened = findings.opened.iter().map(|place| json!({ "kind": OPENED, "part": place }));
    Value::Array(disagree.chain(opened).collect())
}

/// The word for it in JSON.
const OPENED: &str = "opened-with-told-password";

/// One line of `scan --format json`.
pub fn scan_json(id: &str, findings: &Findings, anomalies: &[Anomaly], facts: &BTreeSet<Fact>) -> Value {
    json!({
        "id": id,
        "findings": findings_json(findings),
        "unreadable": findings.unreadable,
        "anomalies": anomalies_json(findings, anomalies),
        "facts": facts,
    })
}

/// The same for a person: what was found, where, how surely; what could not be read.
pub fn scan_text(id: &str, findings: &Findings, anomalies: &[Anomaly], facts: &BTreeSet<Fact>) -> String {
    let mut text = format!("{}\n", Paint::Bold.on(id));
    let nothing = findings.found.is_empty() && findings.unreadable.is_empty() && findings.opened.is_empty();
    if nothing && anomalies.is_empty() {
        text.push_str("  nothing found\n");
    }
    for finding in &findings.found {
        let tier = Paint::of(finding.confidence).on(word(finding.confidence));
        text.push_str(&format!("  {} ({tier}): {} different\n", finding.rule.0, finding.unique(Confidence::Low)));
        for found in finding.places.iter().take(PLACES_SHOWN) {
            text.push_str(&format!("    {}  {}  {}\n", word(found.confidence), found.masked, found.place));
        }
        if finding.places.len() > PLACES_SHOWN {
            text.push_str(&format!("    and {} more\n", finding.places.len() - PLACES_SHOWN));
        }
    }
    for Unreadable { part, reason } in &findings.unreadable {
        text.push_str(&format!("  could not be read ({}): {part}\n", said(reason)));
    }
    for anomaly in anomalies {
        let part = if anomaly.part.is_empty() { "message" } else { &anomaly.part };
        text.push_str(&format!("  readers may disagree ({}): part {part}\n", anomaly.kind));
    }
    for place in &findings.opened {
        text.push_str(&format!("  opened with a password that the message tells ({OPENED}): {place}\n"));
    }
    if !facts.is_empty() {
        let words: Vec<String> = facts.iter().map(said).collect();
        text.push_str(&format!("  facts: {}\n", words.join(", ")));
    }
    text
}

/// Places printed per rule for a person; JSON has them all.
const PLACES_SHOWN: usize = 5;

fn word(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

/// The word by which a value is written in files and JSON.
pub fn said<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// Colours on a terminal, nothing elsewhere; never the only bearer of a meaning.
#[derive(Clone, Copy)]
pub enum Paint {
    Bold,
    Red,
    Yellow,
    Green,
    Faint,
    Under,
}

impl Paint {
    pub fn of(confidence: Confidence) -> Paint {
        match confidence {
            Confidence::High => Paint::Red,
            Confidence::Medium => Paint::Yellow,
            Confidence::Low => Paint::Faint,
        }
    }

    pub fn on(self, text: impl std::fmt::Display) -> String {
        if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
            return text.to_string();
        }
        let code = match self {
            Paint::Bold => 1,
            Paint::Red => 31,
            Paint::Yellow => 33,
            Paint::Green => 32,
            Paint::Faint => 2,
            Paint::Under => 4,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_an_aligned_table() {
        let rows = [json!({"id": 1, "to": ["a@example.org", "b@example.org"], "last": null}), json!({"id": 22, "to": []})];
        assert_eq!(
            table(&rows, &["to", "id", "last"]),
            "to                            id\na@example.org, b@example.org  1\n                              22\n"
        );
        assert_eq!(table(&[], &["id"]), "nothing\n");
        assert_eq!(table(&[json!({"key": "value", "whole": true})], &["whole", "key"]), "whole  yes\nkey    value\n");
    }
}
