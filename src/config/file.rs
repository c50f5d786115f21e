//! The configuration as it is written: one type per table, and TOML's complaints in words for people.

use super::problem::{Problem, Problems};
use crate::detect::suggestion;
use crate::lookup::LookupSettings;
use crate::mail::{Domain, Language};
use crate::receive::settings::{Listener, Receive};
use crate::relay::UpstreamFile;
use crate::{accounts, dkim, domains, extract, mime, notices, protect, quarantine, quotas, spool, store};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A whole configuration file. `config.example.toml` explains every key; a test compares the two.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub gate: Gate,
    #[serde(default)]
    pub listener: Vec<Listener>,
    #[serde(default)]
    pub tls: Tls,
    #[serde(default)]
    pub upstream: UpstreamFile,
    #[serde(default)]
    pub receive: Receive,
    #[serde(default)]
    pub message: mime::Limits,
    #[serde(default)]
    pub reading: extract::Limits,
    #[serde(default)]
    pub protect: protect::Settings,
    #[serde(default)]
    pub trust: protect::trust::Settings,
    #[serde(default)]
    pub pkcs11: crate::vault::token::Settings,
    #[serde(default)]
    pub lookup: LookupSettings,
    #[serde(default)]
    pub dkim: dkim::Settings,
    #[serde(default)]
    pub domains: domains::Settings,
    #[serde(default)]
    pub store: store::Settings,
    #[serde(default)]
    pub spool: spool::Settings,
    #[serde(default)]
    pub quarantine: quarantine::Settings,
    #[serde(default)]
    pub coaching: notices::Settings,
    #[serde(default)]
    pub accounts: accounts::Settings,
    #[serde(default)]
    pub quotas: quotas::Settings,
    #[serde(default)]
    pub console: Console,
    #[serde(default)]
    pub log: Log,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    pub hostname: Domain,
    #[serde(default = "data")]
    pub data: PathBuf,
    pub inside: Vec<Domain>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<PathBuf>,
    #[serde(default = "keys")]
    pub keys: PathBuf,
    #[serde(default)]
    pub language: Language,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// `auto`, or a PEM file with the chain.
    pub certificate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

impl Default for Tls {
    fn default() -> Tls {
        Tls { certificate: "auto".into(), key: None }
    }
}

/// Officers reach the gate by the control socket in the data folder; the address is kept for the web console of a later version.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
}

/// The operator's log on standard error. It never holds content of messages.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub level: Level,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

impl Default for Log {
    fn default() -> Log {
        Log { level: Level::Info, format: LogFormat::Text }
    }
}

fn data() -> PathBuf {
    "data".into()
}

fn keys() -> PathBuf {
    "keys".into()
}

/// Faults that one call can tell of; whoever has more mends these first.
const MOST_PROBLEMS: usize = 20;

impl File {
    /// All faults at once, as far as what is wrong can be left out and the rest still be read.
    pub fn parse(path: &Path, text: &str) -> Result<File, Problems> {
        let mut rest = text.to_owned();
        let mut problems = Vec::new();
        let told = |mut problems: Vec<Problem>| {
            problems.sort_by_key(|problem| problem.line);
            Err(Problems(problems))
        };
        loop {
            match toml::from_str(&rest) {
                Ok(file) if problems.is_empty() => return Ok(file),
                Ok(_) => return told(problems),
                Err(error) => {
                    let setting = error.span().and_then(|span| setting_at(&rest, span.start));
                    // What is missing now may be what was left out before.
                    let follows = error.message().starts_with("missing field") && !problems.is_empty();
                    if !follows {
                        problems.push(explain(path, text, &error));
                    }
                    match setting {
                        Some(line) if !follows && problems.len() < MOST_PROBLEMS && parses_as_toml(&rest) => {
                            rest.replace_range(line.clone(), &" ".repeat(line.len()));
                        }
                        _ => return told(problems),
                    }
                }
            }
        }
    }
}

fn parses_as_toml(text: &str) -> bool {
    toml::from_str::<toml::Table>(text).is_ok()
}

/// The octets of the line at `at`, if it holds one whole setting and can be left out.
fn setting_at(text: &str, at: usize) -> Option<std::ops::Range<usize>> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    let line = text.get(start..end)?;
    let whole = !line.trim_start().starts_with('[') && toml::from_str::<toml::Table>(line).is_ok_and(|one| one.len() == 1);
    whole.then_some(start..end)
}

/// TOML's and serde's complaint as a sentence with a line.
fn explain(path: &Path, text: &str, error: &toml::de::Error) -> Problem {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message().lines().next().unwrap_or("it is not TOML");
    let quoted = |begin: &str| message.strip_prefix(begin).and_then(|rest| rest.split_once('`'));
    let words = |rest: &str| rest.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let sentence = if let Some((unknown, rest)) = quoted("unknown field `") {
        format!("there is no setting \"{unknown}\" here; {}", suggestion(unknown, &words(rest)))
    } else if let Some((unknown, rest)) = quoted("unknown variant `") {
        let known: Vec<String> = words(rest).iter().map(|word| format!("\"{word}\"")).collect();
        format!("\"{unknown}\" is no value here; write {}", known.join(" or "))
    } else if let Some((missing, _)) = quoted("missing field `") {
        format!("\"{missing}\" is missing; see `postern config describe`")
    } else if let Some((given, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    {
        format!("this is {}; write {}", kind(given), kind(expected))
    } else if let Some((given, _)) = message.strip_prefix("invalid value: integer `").and_then(|rest| rest.split_once('`')) {
        format!("{given} is too small or too large here; see `postern config describe` for the usual number")
    } else if parses_as_toml(text) {
        message.to_owned()
    } else {
        format!("this is not TOML: {message}; texts stand in \"…\", tables in [ ], every setting on a line of its own")
    };
    Problem { file: path.to_owned(), line, sentence }
}

/// Serde's name of a kind of value in the words of a person.
fn kind(serde: &str) -> &str {
    match serde.split([' ', '`']).next().unwrap_or_default() {
        "string" | "a" if serde.contains("string") => "a text in quotes, like \"example.org\"",
        "path" => "a text in quotes, like \"data\"",
        "integer" | "usize" | "u64" | "u32" | "u16" | "i64" => "a whole number without quotes, like 10",
        "floating" | "f64" => "a number with a point",
        "boolean" | "a" if serde.contains("boolean") => "true or false, without quotes",
        "sequence" | "a" if serde.contains("sequence") => "a list, like [\"example.org\"]",
        "map" | "struct" => "a table",
        _ => serde,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "[gate]\nhostname = \"gate.example.org\"\ninside = [\"example.org\"]\n";

    fn complaint(text: &str) -> String {
        File::parse(Path::new("config.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_word_is_named_with_its_line_and_the_right_one() {
        assert!(File::parse(Path::new("config.toml"), RIGHT).is_ok());
        for (text, sentence) in [
            (
                format!("{RIGHT}hostnam = \"x\"\n"),
                "config.toml:4: there is no setting \"hostnam\" here; did you mean \"hostname\"?",
            ),
            (format!("{RIGHT}language = \"de\"\n"), "config.toml:4: \"de\" is no value here; write \"fr\" or \"en\""),
            (
                "[gate]\nhostname = \"gate.example.org\"\n".into(),
                "config.toml:1: \"inside\" is missing; see `postern config describe`",
            ),
        ] {
            assert_eq!(complaint(&text), sentence);
        }
        assert!(complaint("[gate\n").starts_with("config.toml:1: this is not TOML: "));
    }

    #[test]
    fn several_faults_are_told_at_once() {
        let text = RIGHT.replace("inside", "language = \"de\"\ndate = \"data\"\ninside") + "[store]\nmax_octets = \"3\"\n";
        assert_eq!(
            complaint(&text).lines().collect::<Vec<_>>(),
            [
                "config.toml:3: \"de\" is no value here; write \"fr\" or \"en\"",
                "config.toml:4: there is no setting \"date\" here; did you mean \"data\"?",
                "config.toml:7: this is a text in quotes, like \"example.org\"; write a whole number without quotes, like 10",
            ]
        );
    }
}
