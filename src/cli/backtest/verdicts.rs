//! Turns what people said of findings (a file, folders called true and false) into precision, with how sure one can be of it.

use crate::cli::Failure;
use crate::detect::{RuleId, RuleSet, suggestion};
use std::collections::HashMap;
use std::path::Path;

/// What people said: right or a false alarm, by message and rule.
#[derive(Default)]
pub struct Verdicts {
    /// By message-id, path, or file name.
    said: HashMap<(String, String), bool>,
    rules: HashMap<String, Vec<String>>,
}

/// Stands for every rule.
const ALL_RULES: &str = "*";
/// Octets of a file of verdicts.
const FILE_LIMIT: u64 = 256 << 20;

impl Verdicts {
    /// Lines `message-id-or-file,rule,true|false`; `#` begins a comment, a first line of headings is passed over.
    ///
    /// # Errors
    /// One line that cannot be understood, with file and line: a verdict that is silently left out would falsify the figure.
    pub fn read(path: &Path, known: [&RuleSet; 2]) -> Result<Verdicts, Failure> {
        let wrong = |sentence: String| Failure::Wrong(format!("{}{sentence}", path.display()));
        let size = std::fs::metadata(path).map_err(|why| wrong(format!(": {why}")))?.len();
        if size > FILE_LIMIT {
            return Err(wrong(format!(": larger than {} MB; split it", FILE_LIMIT >> 20)));
        }
        let text = std::fs::read_to_string(path).map_err(|why| wrong(format!(": {why}")))?;
        let mut verdicts = Verdicts::default();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fields = fields(line);
            let [message, rule, verdict] = &fields[..] else {
                return Err(wrong(format!(":{}: write message-id-or-file,rule,true or …,false: three fields", n + 1)));
            };
            let Some(right) = truth(verdict) else {
                if n == 0 {
                    continue;
                }
                return Err(wrong(format!(":{}: \"{verdict}\" is no verdict; write true or false", n + 1)));
            };
            if rule != ALL_RULES && known.iter().all(|rules| rules.rule(rule).is_none()) {
                let mut names: Vec<&str> = known.iter().flat_map(|rules| rules.rules()).map(|rule| &*rule.id.0).collect();
                names.sort_unstable();
                names.dedup();
                return Err(wrong(format!(":{}: there is no rule \"{rule}\"; {}", n + 1, suggestion(rule, &names))));
            }
            let message = message.trim_start_matches('<').trim_end_matches('>');
            verdicts.insert(message, rule, right);
        }
        Ok(verdicts)
    }

    /// Rules of which somebody said something about this message, found or not.
    pub fn rules_of(&self, id: &str, path: &Path, message_id: Option<&str>) -> Vec<RuleId> {
        let mut rules: Vec<RuleId> = Vec::new();
        for key in keys(id, message_id).into_iter().flatten() {
            rules.extend(
                self.rules
                    .get(key)
                    .into_iter()
                    .flatten()
                    .filter(|rule| *rule != ALL_RULES)
                    .map(|rule| RuleId(rule.as_str().into())),
            );
        }
        rules.extend(truth_folder(path).map(|rule| RuleId(rule.into())));
        rules
    }

    /// What was said of what this rule finds in this message. A path through a folder `true/RULE` (`vrai/RULE`) says right of that
    /// rule, one through a folder `false` (`faux`) says false of all.
    pub fn of(&self, id: &str, path: &Path, message_id: Option<&str>, rule: &str) -> Option<bool> {
        let keys = keys(id, message_id);
        let named = |rule: &str| keys.iter().flatten().find_map(|key| self.said.get(&((*key).to_owned(), rule.to_owned())));
        if let Some(right) = named(rule).or_else(|| named(ALL_RULES)) {
            return Some(*right);
        }
        if let Some(right) = truth_folder(path) {
            return (right == rule).then_some(true);
        }
        folders(path).any(|folder| folder == "false" || folder == "faux").then_some(false)
    }

    fn insert(&mut self, message: &str, rule: &str, right: bool) {
        self.said.insert((message.to_owned(), rule.to_owned()), right);
        self.rules.entry(message.to_owned()).or_default().push(rule.to_owned());
    }
}

fn keys<'k>(id: &'k str, message_id: Option<&'k str>) -> [Option<&'k str>; 3] {
    let name = id.rsplit(['/', '\\']).next().unwrap_or(id);
    // One that has no folder is its own name.
    [Some(id), message_id, Some(name).filter(|name| *name != id)]
}

fn folders(path: &Path) -> impl Iterator<Item = String> {
    path.parent().into_iter().flat_map(Path::components).map(|part| part.as_os_str().to_string_lossy().to_lowercase())
}

/// The rule of a folder `true/RULE`.
fn truth_folder(path: &Path) -> Option<String> {
    folders(path).skip_while(|folder| folder != "true" && folder != "vrai").nth(1)
}

/// Fields of one line, with or without quotes.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' | ';' if !quoted => fields.push(std::mem::take(&mut field).trim().to_owned()),
            c => field.push(c),
        }
    }
    fields.push(field.trim().to_owned());
    fields
}

fn truth(word: &str) -> Option<bool> {
    match word.to_lowercase().as_str() {
        "true" | "vrai" | "1" => Some(true),
        "false" | "faux" | "0" => Some(false),
        _ => None,
    }
}

/// What people said of one rule's findings, counted in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Found, and right.
    pub right: u64,
    /// Found, and a false alarm.
    pub false_alarms: u64,
    /// Not found, although people said it is there.
    pub not_found: u64,
}

impl Score {
    pub fn add(&mut self, said: bool, found: bool) {
        match (said, found) {
            (true, true) => self.right += 1,
            (false, true) => self.false_alarms += 1,
            (true, false) => self.not_found += 1,
            (false, false) => {}
        }
    }

    pub fn judged(self) -> u64 {
        self.right + self.false_alarms
    }

    /// The share that was right; `None` where nobody judged.
    pub fn precision(self) -> Option<f64> {
        (self.judged() > 0).then(|| self.right as f64 / self.judged() as f64)
    }

    /// Between which shares the truth lies with 95 % (Wilson's score interval): few verdicts, wide interval.
    pub fn interval(self) -> Option<(f64, f64)> {
        const Z: f64 = 1.959_964;
        let n = self.judged() as f64;
        let p = self.precision()?;
        let middle = p + Z * Z / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let below = 1.0 + Z * Z / n;
        Some((((middle - half) / below).max(0.0), ((middle + half) / below).min(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_verdicts_leave_a_wide_interval() {
        // Published values of Wilson's interval (Newcombe 1998, table I: 81 of 263; 15 of 148).
        for (right, judged, low, high) in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)] {
            let score = Score { right, false_alarms: judged - right, not_found: 0 };
            let (got_low, got_high) = score.interval().unwrap();
            assert!((got_low - low).abs() < 1e-4 && (got_high - high).abs() < 1e-4, "{right}/{judged}: {got_low} {got_high}");
        }
        assert_eq!(Score::default().interval(), None);
    }

    #[test]
    fn a_verdict_is_found_by_message_id_path_name_or_folder() {
        let mut verdicts = Verdicts::default();
        for (message, rule, right) in [("a@example.org", "iban", true), ("2.eml", "*", false), ("in/box#7", "iban", true)] {
            verdicts.insert(message, rule, right);
        }
        for (id, message_id, rule, said) in [
            ("in/1.eml", Some("a@example.org"), "iban", Some(true)),
            ("in/1.eml", Some("a@example.org"), "fr-nir", None),
            ("in/2.eml", None, "fr-nir", Some(false)),
            ("in/box#7", None, "iban", Some(true)),
            ("corpus/faux/x/9.eml", None, "iban", Some(false)),
            ("corpus/true/iban/9.eml", None, "iban", Some(true)),
            ("corpus/true/iban/9.eml", None, "fr-nir", None),
            ("true", None, "iban", None),
        ] {
            let path = id.split('#').next().unwrap();
            assert_eq!(verdicts.of(id, Path::new(path), message_id, rule), said, "{id} {rule}");
        }
    }
}
