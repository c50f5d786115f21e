//! `postern rules compare`: what one folder of rules finds in the same messages and files that another does not.

use crate::cli::backtest::bench::{Value, only_in};
use crate::cli::language::{self, say};
use crate::cli::progress::Progress;
use crate::cli::report::{Paint, said};
use crate::cli::scan::{files_below, with_crlf};
use crate::cli::{Done, Failure, Format};
use crate::config::laws;
use crate::detect::{self, RuleId, RuleSet};
use crate::extract::{self, Extracted, Reader};
use crate::mail::{Language, RawMessage};
use crate::mime;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Compare {
    /// The folder of rules as they are
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The folder of rules as they shall be
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Messages (.eml), other files, folders
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// fr or en; default: that of the terminal
    #[arg(long, value_name = "fr|en", value_parser = language::parse)]
    language: Option<Language>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Octets of one file.
const FILE_LIMIT: u64 = 256 << 20;
/// Lines per file and kind for a person; JSON has them all.
const LINES: usize = 20;
/// Files from which on a bar is shown.
const WORTH_A_BAR: u64 = 20;

impl Compare {
    pub fn run(self) -> Done {
        let language = self.language.unwrap_or_else(language::here);
        let (old, _) = laws::load_rules(&self.old)?;
        let (new, _) = laws::load_rules(&self.new)?;
        let mut files = Vec::new();
        for path in &self.paths {
            files.extend(files_below(path)?);
        }
        let limits = extract::Limits::default();
        let reader = crate::worker::open(&limits)?;
        let mut progress = Progress::of(files.len() as u64, WORTH_A_BAR);
        let mut totals: BTreeMap<RuleId, (usize, usize)> = BTreeMap::new();
        let mut out = std::io::stdout().lock();
        for (n, file) in files.iter().enumerate() {
            progress.show(n as u64, n as u64);
            let extracted = read(file, &limits, &reader)?;
            let (before, after) = (detect::detect(&extracted, &old), detect::detect(&extracted, &new));
            let (found, lost) = (only_in(&after, &before), only_in(&before, &after));
            found.iter().for_each(|value| totals.entry(value.rule.clone()).or_default().0 += 1);
            lost.iter().for_each(|value| totals.entry(value.rule.clone()).or_default().1 += 1);
            match self.format {
                Format::Json => {
                    let id = file.display().to_string();
                    writeln!(out, "{}", json!({"id": id, "newly_found": as_json(&found), "no_longer_found": as_json(&lost)}))?;
                }
                Format::Text if found.is_empty() && lost.is_empty() => {}
                Format::Text => {
                    progress.clear();
                    write!(out, "{}", as_text(file, &found, &lost, language))?;
                }
            }
        }
        progress.clear();
        let all = totals.values().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        match self.format {
            Format::Json => {
                let rules: BTreeMap<&str, _> = totals
                    .iter()
                    .map(|(rule, (found, lost))| (&*rule.0, json!({"newly_found": found, "no_longer_found": lost})))
                    .collect();
                let summary = json!({"files": files.len(), "newly_found": all.0, "no_longer_found": all.1, "rules": rules,
                    "old": old.hash(), "new": new.hash()});
                writeln!(out, "{}", json!({"summary": summary}))?;
            }
            Format::Text => write!(out, "{}", summary(files.len(), all, &totals, (&old, &new), language))?,
        }
        // A check: whoever wants to lose something says so by not asking for it.
        if all.1 == 0 { Ok(()) } else { Err(Failure::Failed) }
    }
}

fn read(path: &Path, limits: &extract::Limits, reader: &Reader) -> Result<Extracted, Failure> {
    let mut octets = Vec::new();
    std::fs::File::open(path)
        .and_then(|open| open.take(FILE_LIMIT).read_to_end(&mut octets))
        .map_err(|error| Failure::Wrong(format!("{}: {error}", path.display())))?;
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("eml"))
        && let Ok(raw) = RawMessage::new(with_crlf(octets.clone()))
        && let Ok(parsed) = mime::parse(&raw, &mime::Limits::default())
    {
        return Ok(extract::extract(&parsed, limits, reader));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(extract::extract_file(&name, &octets, limits, reader))
}

fn as_json(values: &[Value]) -> Vec<serde_json::Value> {
    let value =
        |value: &Value| json!({"rule": value.rule, "part": value.part, "masked": value.masked, "confidence": value.confidence});
    values.iter().map(value).collect()
}

fn as_text(file: &Path, found: &[Value], lost: &[Value], language: Language) -> String {
    let mut text = format!("{}\n", Paint::Bold.on(file.display()));
    for (sign, paint, values) in [("+", Paint::Green, found), ("-", Paint::Red, lost)] {
        for value in values.iter().take(LINES) {
            let (rule, tier) = (&value.rule.0, said(&value.confidence));
            text.push_str(&format!("  {} {rule} ({tier})  {}  {}\n", paint.on(sign), value.masked, value.part));
        }
        if values.len() > LINES {
            let more = say(language, "et encore", "and");
            text.push_str(&format!("  {} {more} {}\n", paint.on(sign), values.len() - LINES));
        }
    }
    text
}

fn summary(
    files: usize,
    all: (usize, usize),
    totals: &BTreeMap<RuleId, (usize, usize)>,
    (old, new): (&RuleSet, &RuleSet),
    language: Language,
) -> String {
    let t = |fr, en| say(language, fr, en);
    let mut text = format!(
        "{files} {}, {} → {} {}: +{} {}, -{} {}\n",
        t("fichiers", "files"),
        old.rules().len(),
        new.rules().len(),
        t("règles", "rules"),
        all.0,
        t("valeurs nouvellement trouvées", "values newly found"),
        all.1,
        t("qui ne le sont plus", "no longer found")
    );
    for (rule, (found, lost)) in totals {
        text.push_str(&format!("  {}: +{found} -{lost}\n", rule.0));
    }
    text
}
