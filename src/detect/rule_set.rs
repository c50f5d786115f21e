//! Turns the files of a rules folder into one set of rules that is taken whole or not at all.

use super::index::Indexes;
use super::links;
use super::rule::{self, ListFile, Rule};
use super::rule_file::{self, RuleError, SourceFile};
use super::rule_test;
use super::scan::{Scanner, Workspace};
use super::{Findings, mask};
use crate::extract::{Extracted, Place, Text, TextKind};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Rules that were read, checked, compiled and found to pass their own tests.
pub struct RuleSet {
    rules: Vec<Rule>,
    hash: String,
    pub(crate) scanner: Scanner,
    /// Automaton caches of scans that are over, for the next ones.
    workspaces: Mutex<Vec<Workspace>>,
}

/// Rules of one set, at most.
const MAX_RULES: usize = 2_000;
/// Workspaces kept for later, at most: as many as scans run at once.
const MAX_WORKSPACES: usize = 64;

impl RuleSet {
    /// Compiles the rules of all `files`; words written as `list:name` come from `lists`.
    ///
    /// # Errors
    /// Everything that is wrong in any file, a rule's own test that fails included; then no rule is taken.
    pub fn compile(files: &[SourceFile], lists: &BTreeMap<String, ListFile>) -> Result<RuleSet, Vec<RuleError>> {
        RuleSet::compile_with(files, lists, Indexes::default())
    }

    /// The same with what `fingerprint = "…"` and `exact = "…"` name.
    ///
    /// # Errors
    /// The same; and a name that no index has.
    pub fn compile_with(
        files: &[SourceFile],
        lists: &BTreeMap<String, ListFile>,
        indexes: Indexes,
    ) -> Result<RuleSet, Vec<RuleError>> {
        let set = RuleSet::compile_untested(files, lists, indexes)?;
        let failed = rule_test::run_tests(&set, None).into_iter().filter(|outcome| !outcome.passed);
        let errors: Vec<RuleError> = failed
            .map(|outcome| RuleError { file: outcome.file.clone(), line: outcome.line, sentence: outcome.sentence() })
            .collect();
        if errors.is_empty() { Ok(set) } else { Err(errors) }
    }

    /// Frees the automata that scans have warmed.
    pub(super) fn forget_workspaces(&self) {
        self.workspaces.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    /// The same without running the rules' own tests: only for those who ask why one of them fails.
    ///
    /// # Errors
    /// Everything that is wrong in any file; then no rule is taken.
    pub fn compile_untested(
        files: &[SourceFile],
        lists: &BTreeMap<String, ListFile>,
        indexes: Indexes,
    ) -> Result<RuleSet, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut rules: Vec<Rule> = Vec::new();
        if let Some(file) = files.get(MAX_RULES) {
            let sentence = format!(
                "there are {} rules, at most {MAX_RULES} are allowed; put words that belong together into one",
                files.len()
            );
            return Err(vec![RuleError { file: file.path.clone(), line: 1, sentence }]);
        }
        for file in files {
            let raw = rule_file::read(file, &mut errors);
            rules.extend(raw.and_then(|raw| rule::check(raw, file, lists, &indexes, &mut errors)));
        }
        rules.sort_by(|one, other| one.id.cmp(&other.id));
        for pair in rules.windows(2).filter(|pair| pair[0].id == pair[1].id) {
            let sentence = format!("the rule \"{}\" stands in {} too; give one of them another id", pair[1].id.0, pair[0].file);
            errors.push(RuleError { file: pair[1].file.clone(), line: 1, sentence });
        }
        if errors.is_empty() {
            links::resolve(&mut rules, &mut errors);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let scanner = Scanner::new(&mut rules);
        Ok(RuleSet { rules, hash: hash(files, lists, &indexes), scanner, workspaces: Mutex::new(Vec::new()) })
    }

    /// `sha256:` and the digest of all files and lists, in order.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// All rules, by name.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.binary_search_by(|rule| (*rule.id.0).cmp(id)).ok().map(|index| &self.rules[index])
    }

    /// A file name or place with everything hidden that a rule recognises in it.
    pub fn mask_name(&self, name: &str) -> String {
        let text = Text { place: Place("".into()), kind: TextKind::FileName, group: 0, content: name.to_owned(), table: None };
        let extracted = Extracted { texts: vec![text], ..Extracted::default() };
        let found: Findings = super::find(&extracted, self);
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for place in found.found.iter().flat_map(|finding| &finding.places) {
            spans.push((place.span.0 as usize, place.span.1 as usize));
        }
        spans.sort_unstable();
        let mut masked = String::with_capacity(name.len());
        let mut at = 0;
        for (start, end) in spans {
            if end > at {
                masked.push_str(name.get(at..start.max(at)).unwrap_or_default());
                masked.push_str(&mask::bullets(name.get(start.max(at)..end).unwrap_or_default()));
                at = end;
            }
        }
        masked.push_str(name.get(at..).unwrap_or_default());
        masked
    }

    pub(crate) fn with_workspace<T>(&self, work: impl FnOnce(&mut Workspace) -> T) -> T {
        let pool = || self.workspaces.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut workspace = pool().pop().unwrap_or_default();
        let result = work(&mut workspace);
        let mut pool = pool();
        if pool.len() < MAX_WORKSPACES {
            pool.push(workspace);
        }
        result
    }
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RuleSet({} rules, {})", self.rules.len(), self.hash)
    }
}

/// Each file's name and text with their lengths, so that no two sets hash alike by moving a boundary.
fn hash(files: &[SourceFile], lists: &BTreeMap<String, ListFile>, indexes: &Indexes) -> String {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut add = |name: &str, text: &[u8]| {
        for part in [name.as_bytes(), text] {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
    };
    for file in files {
        add(file.path.rsplit(['/', '\\']).next().unwrap_or_default(), file.text.as_bytes());
    }
    lists.iter().for_each(|(name, list)| add(name, list.text.as_bytes()));
    indexes.seals().for_each(|(name, seal)| add(name, seal));
    let hex: String = digest.finish().as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("sha256:{hex}")
}
