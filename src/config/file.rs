//! The configuration as it is written: one type per table, and TOML's complaints in words for people.

use super::problem::{Problem, Problems};
use crate::mail::{Domain, Language};
use crate::receive::settings::{Listener, Receive};
use crate::relay::UpstreamFile;
use crate::{accounts, extract, mime, protect, quarantine, spool, store};
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
    pub store: store::Settings,
    #[serde(default)]
    pub spool: spool::Settings,
    #[serde(default)]
    pub quarantine: quarantine::Settings,
    #[serde(default)]
    pub accounts: accounts::Settings,
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

impl File {
    pub fn parse(path: &Path, text: &str) -> Result<File, Problems> {
        toml::from_str(text).map_err(|error| Problems(vec![explain(path, text, &error)]))
    }
}

/// TOML's and serde's complaint as a sentence with a line.
fn explain(path: &Path, text: &str, error: &toml::de::Error) -> Problem {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message().lines().next().unwrap_or("it is not TOML");
    let sentence = match message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
        Some((unknown, rest)) => {
            let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
            let nearest =
                known.iter().max_by(|a, b| strsim::jaro_winkler(unknown, a).total_cmp(&strsim::jaro_winkler(unknown, b)));
            match nearest.filter(|word| strsim::jaro_winkler(unknown, word) > 0.8) {
                Some(word) => format!("there is no setting \"{unknown}\" here; did you mean \"{word}\"?"),
                None => format!("there is no setting \"{unknown}\" here; try: {}", known.join(", ")),
            }
        }
        None => match message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once('`')) {
            Some((unknown, rest)) => {
                let known: Vec<String> = rest.split('`').skip(1).step_by(2).map(|word| format!("\"{word}\"")).collect();
                format!("\"{unknown}\" is no value here; write {}", known.join(" or "))
            }
            None => match message.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
                Some((missing, _)) => format!("\"{missing}\" is missing; see `postern config describe`"),
                None => message.to_owned(),
            },
        },
    };
    Problem { file: path.to_owned(), line, sentence }
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
        assert!(complaint("[gate\n").starts_with("config.toml:1: "));
    }
}
