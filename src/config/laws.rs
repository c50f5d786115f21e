//! Turns the folder of rules into laws: rules, policies and lists, taken whole or not at all.

use super::problem::{Problem, Problems};
use crate::detect::{Indexes, RuleError, RuleId, RuleSet, SourceFile};
use crate::mail::{Domain, Language};
use crate::notices::{TextFile, Texts};
use crate::pipeline::Laws;
use crate::policy::{Bilingual, Parties, Policy, RuleName, RuleNames, SourceText};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lists as policies and facts see them: lower-case entries.
pub type Lists = Arc<BTreeMap<String, BTreeSet<String>>>;

/// Octets of one file; a rule set of this size was not written by people.
const FILE_LIMIT: u64 = 16 << 20;

/// `detect/*.toml`, `policy.toml`, `lists/*.txt` and `texts/*.ftl` below `folder`. All problems of the rules at once, then all of the policies.
pub fn load(folder: &Path, inside: &Arc<[Domain]>) -> Result<Laws, Problems> {
    let (rules, lists) = load_rules(folder)?;
    let policy = load_policy(folder, &rules, &lists, inside)?;
    let texts = Arc::new(load_texts(folder)?);
    let hash = policy.ruleset().clone();
    Ok(Laws { rules, policy, lists, hash, texts })
}

/// `texts/fr.ftl` and `texts/en.ftl` of a folder over the built-in ones; neither needs to be there.
pub fn load_texts(folder: &Path) -> Result<Texts, Problems> {
    let folder = folder.join("texts");
    let mut files = Vec::new();
    for path in files_of(&folder, "ftl")? {
        let language = match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("fr") => Language::Fr,
            Some("en") => Language::En,
            _ => return Err(Problem::in_file(&path, "is in no language that is spoken here; write fr.ftl or en.ftl").into()),
        };
        files.push(TextFile { text: read(&path)?, path: path.display().to_string(), language });
    }
    Texts::with(&files).map_err(|errors| {
        Problems(errors.into_iter().map(|error| Problem::at(Path::new(&error.path), error.line, error.sentence)).collect())
    })
}

/// The rules alone, for commands that do not decide.
pub fn load_rules(folder: &Path) -> Result<(RuleSet, Lists), Problems> {
    read_rules(folder, RuleSet::compile_with)
}

/// The rules without running their tests: for the commands by which an officer finds out why a test fails.
pub fn load_rules_untested(folder: &Path) -> Result<(RuleSet, Lists), Problems> {
    read_rules(folder, RuleSet::compile_untested)
}

type Compile = fn(&[SourceFile], &BTreeMap<String, SourceFile>, Indexes) -> Result<RuleSet, Vec<RuleError>>;

fn read_rules(folder: &Path, compile: Compile) -> Result<(RuleSet, Lists), Problems> {
    let mut files = Vec::new();
    for path in files_of(&folder.join("detect"), "toml")? {
        files.push(SourceFile { text: read(&path)?, path: path.display().to_string() });
    }
    if files.is_empty() {
        return Err(Problem::in_file(&folder.join("detect"), "holds no rule; write the folder that has detect/*.toml").into());
    }
    let mut written = BTreeMap::new();
    for path in files_of(&folder.join("lists"), "txt")? {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        written.insert(name, SourceFile { text: read(&path)?, path: path.display().to_string() });
    }
    let lists = written.iter().map(|(name, list)| (name.clone(), entries(&list.text))).collect();
    let indexes = super::indexes::load(folder)?;
    let rules = compile(&files, &written, indexes).map_err(|errors| {
        Problems(errors.into_iter().map(|error| Problem::at(Path::new(&error.file), error.line, error.sentence)).collect())
    })?;
    Ok((rules, Arc::new(lists)))
}

/// The policies of a folder, over rules that were read from it.
pub fn load_policy(folder: &Path, rules: &RuleSet, lists: &Lists, inside: &Arc<[Domain]>) -> Result<Policy, Problems> {
    let path = folder.join("policy.toml");
    let file = SourceText { text: read(&path)?, path: path.display().to_string() };
    let parties = Parties { inside: inside.clone(), lists: lists.clone() };
    Policy::compile(&file, &names(rules), &parties).map_err(|errors| {
        Problems(errors.into_iter().map(|error| Problem::at(Path::new(&error.file), error.line, error.sentence)).collect())
    })
}

/// What policies may say about rules.
fn names(rules: &RuleSet) -> RuleNames {
    let name = |rule: &crate::detect::Rule| {
        let title = Bilingual { fr: rule.title_fr.clone(), en: rule.title_en.clone() };
        (rule.id.clone(), RuleName { category: rule.category, title })
    };
    let rules_by_id: BTreeMap<RuleId, RuleName> = rules.rules().iter().map(name).collect();
    RuleNames { rules: rules_by_id, hash: rules.hash().to_owned() }
}

/// One entry per line, `#` begins a comment; case does not matter.
pub(crate) fn entries(text: &str) -> BTreeSet<String> {
    let without_comment = |line: &str| line.split('#').next().unwrap_or("").trim().to_lowercase();
    text.lines().map(without_comment).filter(|entry| !entry.is_empty()).collect()
}

/// Files of one kind in one folder, by name; a folder that is not there holds none.
pub(super) fn files_of(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, Problems> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Problem::in_file(folder, format!("cannot be read ({error})")).into()),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Problem::in_file(folder, format!("cannot be read ({error})")))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String, Problems> {
    let wrong = |sentence: String| Problems::from(Problem::in_file(path, sentence));
    let size = std::fs::metadata(path).map_err(|error| wrong(format!("cannot be read ({error})")))?.len();
    if size > FILE_LIMIT {
        return Err(wrong(format!("is larger than {} MB; split it", FILE_LIMIT >> 20)));
    }
    let octets = std::fs::read(path).map_err(|error| wrong(format!("cannot be read ({error})")))?;
    String::from_utf8(octets).map_err(|_| wrong("is not UTF-8; save it as UTF-8".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_is_named_by_a_shipped_policy() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let (rules, _) = load_rules(&folder).unwrap();
        let policy = read(&folder.join("policy.toml")).unwrap();
        let policies = policy.split("[[case]]").next().unwrap();
        let secrets = rules.rules().iter().filter(|rule| rule.category == crate::detect::Category::Secret);
        // The policies name secrets one by one, because passwords are treated otherwise: a new rule must not be forgotten.
        let forgotten: Vec<&str> =
            secrets.map(|rule| &*rule.id.0).filter(|id| !policies.contains(&format!("\"{id}\""))).collect();
        assert!(forgotten.is_empty(), "no policy names {forgotten:?}");
    }
}
