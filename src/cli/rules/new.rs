//! `postern rules new`: writes the file of a new rule that passes its own tests, for its author to change line by line.

use crate::cli::language;
use crate::cli::language::say;
use crate::cli::{Done, Failure, Format};
use crate::config::{laws, rules_folder};
use crate::detect::run_tests;
use crate::mail::Language;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct New {
    /// The rule's name: small letters, digits and dashes, such as project-names
    id: String,
    /// What it starts from
    #[arg(long, value_enum, default_value_t)]
    from: From,
    /// The folder of rules to write into; default: the shipped ones
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// The language of the explanations in the file: fr or en; default: that of the terminal
    #[arg(long, value_name = "fr|en", value_parser = language::parse)]
    language: Option<Language>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum From {
    /// Words or phrases
    #[default]
    Words,
    /// The shape of a number
    Shape,
    /// A regular expression
    Regex,
}

impl New {
    pub fn run(self) -> Done {
        let id = &self.id;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.is_empty() || id.len() > 64 || !id.chars().all(plain) || id.starts_with('-') {
            let sentence = format!("\"{id}\" is no rule name; write small letters, digits and dashes, such as {}", tidy(id));
            return Err(Failure::Wrong(sentence));
        }
        let language = self.language.unwrap_or_else(language::here);
        let folder = rules_folder(self.rules.as_deref())?;
        let path = folder.join("detect").join(format!("{id}.toml"));
        if path.exists() {
            return Err(Failure::Wrong(format!(
                "{}: there is such a rule already; edit it, or choose another name",
                path.display()
            )));
        }
        std::fs::create_dir_all(folder.join("detect"))?;
        let wrong = |why: std::io::Error| Failure::Wrong(format!("{}: {why}", path.display()));
        // Never over a file that came into being meanwhile.
        let mut file = std::fs::File::create_new(&path).map_err(wrong)?;
        file.write_all(draft(id, self.from, language).as_bytes()).map_err(wrong)?;
        let (rules, _) = laws::load_rules_untested(&folder)?;
        let tests = run_tests(&rules, Some(id));
        if tests.is_empty() || tests.iter().any(|test| !test.passed) {
            return Err(Failure::Wrong(format!("{}: its own tests fail; please report it", path.display())));
        }
        let count = tests.len();
        match self.format {
            Format::Json => println!("{}", json!({"rule": id, "file": path, "tests": count, "status": "draft"})),
            Format::Text => {
                let own = self.rules.as_ref().map(|folder| format!(" --rules {}", folder.display())).unwrap_or_default();
                println!("{}", path.display());
                println!(
                    "{}",
                    say(language, "un brouillon dont les essais passent. Ensuite :", "a draft whose tests pass. Next:")
                );
                println!(
                    "  1. {} {}",
                    say(language, "ouvrez ce fichier et remplacez les exemples", "open this file and replace the examples"),
                    path.display()
                );
                println!("  2. postern rules test {id}{own}");
                println!("  3. postern backtest --config config.toml{own} Sent.mbox");
                println!(
                    "  4. {}",
                    say(
                        language,
                        "écrivez status = \"active\", et une politique dans policy.toml",
                        "write status = \"active\", and a policy in policy.toml"
                    )
                );
            }
        }
        Ok(())
    }
}

/// The nearest name that would do.
fn tidy(id: &str) -> String {
    let folded = crate::facts::fold(id);
    let dashed: String = folded.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    let parts: Vec<&str> = dashed.split('-').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "project-names".into() } else { parts.join("-").chars().take(64).collect() }
}

fn draft(id: &str, from: From, language: Language) -> String {
    let template = match language {
        Language::Fr => include_str!("draft.fr.toml"),
        Language::En => include_str!("draft.en.toml"),
    };
    let mark = match from {
        From::Words => "words",
        From::Shape => "shape",
        From::Regex => "regex",
    };
    // One template for all: a section between "#~ words" and the next "#~" is for that kind alone, "#~ all" for every kind.
    let mut text = String::new();
    let mut wanted = true;
    for line in template.lines() {
        if let Some(kinds) = line.strip_prefix("#~ ") {
            wanted = kinds.split(' ').any(|kind| kind == mark || kind == "all");
        } else if wanted {
            text.push_str(&line.replace("NAME", id));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{RuleSet, SourceFile};
    use std::collections::BTreeMap;

    #[test]
    fn every_draft_is_a_rule_that_passes_its_tests() {
        for from in [From::Words, From::Shape, From::Regex] {
            for language in [Language::Fr, Language::En] {
                let text = draft("my-rule", from, language);
                let file = SourceFile { path: "detect/my-rule.toml".into(), text: text.clone() };
                let rules = RuleSet::compile(&[file], &BTreeMap::new()).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
                assert!(run_tests(&rules, None).len() >= 4, "{from:?}");
                assert!(text.contains("status      = \"draft\"") && !text.contains("#~"), "{text}");
                let schema = text.lines().next().unwrap();
                assert_eq!(schema, "#:schema ../rule.schema.json");
            }
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_a_right_one() {
        assert_eq!(tidy("Numéro de Dossier !"), "numero-de-dossier");
        assert_eq!(tidy("!!"), "project-names");
    }
}
