//! `postern rules explain`: turns a rule file back into sentences, with the policies that act upon what it finds.

use super::{Folder, known};
use crate::cli::language::say;
use crate::cli::report::{Paint, said};
use crate::cli::{Done, Format};
use crate::config::{laws, rules_folder};
use crate::detect::{Rule, Status, validators};
use crate::mail::Language;
use clap::Args;
use serde_json::json;
use std::path::Path;
use toml::{Table, Value};

#[derive(Debug, Args)]
pub struct Explain {
    /// The rule
    id: String,
    #[command(flatten)]
    folder: Folder,
}

/// Words of a list that are shown.
const WORDS: usize = 12;
const WIDTH: usize = 100;
/// What [`Rule::slow`] says, in French.
const SLOW: &str = "lente : l'expression peut commencer par n'importe quoi et n'exige aucun texte de trois caractères ou plus ; chaque \
                    message est donc lu en entier pour elle. Faites-la commencer par un mot fixe, ou demandez un mot [near] dans \
                    chaque ligne de [confidence]";

impl Explain {
    pub fn run(self) -> Done {
        let folder = rules_folder(self.folder.rules.as_deref())?;
        let (rules, _) = laws::load_rules_untested(&folder)?;
        known(&rules, &self.id)?;
        let Some(rule) = rules.rule(&self.id) else { return Ok(()) };
        // The rule was read and checked from this very text; as written it is nearer to the officer than as used.
        let written: Table = toml::from_str(&std::fs::read_to_string(&rule.file)?)?;
        let policies = policies_that_use(&folder, rule);
        let language = self.folder.language();
        match self.folder.format {
            Format::Text => print!("{}", as_text(rule, &written, &policies, language)),
            Format::Json => println!(
                "{}",
                json!({"rule": rule.id, "fr": rule.title_fr, "en": rule.title_en, "description": rule.description,
                    "why": rule.why, "looks_for": rule.looks_for(), "category": rule.category, "status": rule.status,
                    "owner": rule.owner, "reviewed": rule.reviewed, "file": rule.file, "find": as_json(written.get("find")),
                    "near": as_json(written.get("near")), "unless_near": as_json(written.get("unless_near")),
                    "confidence": as_json(written.get("confidence")),
                    "slow": rule.slow(), "sentences": sentences(&written, language),
                    "policies": policies.iter().map(|policy| json!({"policy": policy.id, "then": policy.then, "fr": policy.fr,
                        "en": policy.en, "watch": policy.watch})).collect::<Vec<_>>()})
            ),
        }
        Ok(())
    }
}

fn as_json(value: Option<&Value>) -> serde_json::Value {
    value.and_then(|value| serde_json::to_value(value).ok()).unwrap_or_default()
}

fn as_text(rule: &Rule, written: &Table, policies: &[Used], language: Language) -> String {
    let t = |fr, en| say(language, fr, en);
    // Both languages: the title is what senders and reviewers of either see.
    let (title, other) = (t(&rule.title_fr, &rule.title_en), t(&rule.title_en, &rule.title_fr));
    let mut page = format!("{}  {title}  {}\n", Paint::Bold.on(&rule.id.0), Paint::Faint.on(other));
    if rule.status == Status::Draft {
        let draft = t(
            "brouillon : elle compte et se montre, rien n'agit sur elle",
            "draft: it counts and is shown, nothing acts upon it",
        );
        page.push_str(&format!("{}\n", Paint::Yellow.on(draft)));
    }
    let mut paragraph = |name: &str, text: &str| {
        if !text.is_empty() {
            page.push_str(&format!("\n{}\n", Paint::Faint.on(name)));
            wrapped(text).iter().for_each(|line| page.push_str(&format!("  {line}\n")));
        }
    };
    paragraph(t("Ce que c'est", "What it is"), &rule.description);
    paragraph(t("Pourquoi", "Why"), &rule.why);
    if let Some(why) = rule.slow() {
        paragraph(t("Ce qu'elle coûte", "What it costs"), t(SLOW, why));
    }
    for (name, lines) in sentences(written, language) {
        page.push_str(&format!("\n{}\n", Paint::Faint.on(name)));
        for line in lines {
            wrapped(&line).iter().for_each(|line| page.push_str(&format!("  {line}\n")));
        }
    }
    page.push_str(&format!("\n{}\n", Paint::Faint.on(t("Politiques qui s'en servent", "Policies that use it"))));
    if policies.is_empty() {
        page.push_str(&format!(
            "  {}\n",
            t("aucune : elle est trouvée et rien ne suit", "none: it is found and nothing follows")
        ));
    }
    for policy in policies {
        let watch = if policy.watch { t(" (observe seulement)", " (only watches)") } else { "" };
        page.push_str(&format!("  {} → {}{watch}: {}\n", policy.id, policy.then, t(&policy.fr, &policy.en)));
    }
    page.push_str(&format!("\n{}\n", Paint::Faint.on(t("Fiche", "Record"))));
    let record = [
        (t("catégorie", "category"), said(&rule.category)),
        (t("responsable", "owner"), rule.owner.clone()),
        (t("revue le", "reviewed"), rule.reviewed.clone()),
        (t("fichier", "file"), rule.file.clone()),
    ];
    for (name, value) in record.iter().filter(|(_, value)| !value.is_empty()) {
        page.push_str(&format!("  {name}: {value}\n"));
    }
    page
}

/// Headings with the sentences below each.
fn sentences(written: &Table, language: Language) -> Vec<(&'static str, Vec<String>)> {
    let t = |fr, en| say(language, fr, en);
    let mut all = vec![(t("Ce qu'elle cherche", "What it looks for"), looks_for(written, language))];
    let groups = |key: &str| written.get(key).and_then(Value::as_table).into_iter().flatten().collect::<Vec<_>>();
    let near: Vec<String> = groups("near").iter().map(|(name, group)| near(name, group, language)).collect();
    if !near.is_empty() {
        all.push((t("Ce qui la confirme", "What confirms it"), near));
    }
    let against: Vec<String> = groups("unless_near").iter().map(|(name, group)| self::near(name, group, language)).collect();
    if !against.is_empty() {
        let name = t(
            "Ce qui fait douter (un degré de moins, sans rien qui confirme)",
            "What raises doubt (one tier less, where nothing confirms)",
        );
        all.push((name, against));
    }
    all.push((t("Confiance", "Confidence"), tiers(written, language)));
    all
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn listed(words: &[String], language: Language) -> String {
    let quoted = |word: &String| if language == Language::Fr { format!("« {word} »") } else { format!("\"{word}\"") };
    let mut shown = words.iter().take(WORDS).map(quoted).collect::<Vec<_>>().join(", ");
    if words.len() > WORDS {
        let more = say(language, "autres", "more");
        shown.push_str(&format!(" … ({} {more})", words.len() - WORDS));
    }
    shown
}

fn looks_for(written: &Table, language: Language) -> Vec<String> {
    let t = |fr: String, en: String| if language == Language::Fr { fr } else { en };
    let Some(find) = written.get("find").and_then(Value::as_table) else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some(words) = find.get("words") {
        lines.push(match words.as_str() {
            Some(list) => {
                let name = list.trim_start_matches("list:");
                t(format!("un des mots de lists/{name}.txt"), format!("one of the words in lists/{name}.txt"))
            }
            None => {
                let words = listed(&texts(Some(words)), language);
                t(format!("un de ces mots entiers : {words}"), format!("one of these whole words: {words}"))
            }
        });
    }
    for shape in texts(find.get("shape")) {
        lines.push(t(
            format!("une suite de la forme {shape} (9 un chiffre, A une lettre, * l'un ou l'autre)"),
            format!("a run of the shape {shape} (9 a digit, A a letter, * either)"),
        ));
    }
    if let Some(regex) = find.get("regex").and_then(Value::as_str) {
        lines.push(t(format!("ce que décrit l'expression {regex}"), format!("what the expression {regex} describes")));
    }
    for key in ["fingerprint", "exact"] {
        if let Some(name) = find.get(key).and_then(Value::as_str) {
            lines
                .push(t(format!("ce qui est enregistré sous {name} ({key})"), format!("what is registered as {name} ({key})")));
        }
    }
    if let Some(validator) = find.get("validator").and_then(Value::as_str) {
        let about = validators().iter().find(|known| known.name == validator).map(|known| known.about).unwrap_or(("", ""));
        lines.push(t(
            format!("« valid » : le contrôle {validator} est juste ({})", about.0),
            format!("\"valid\": the check {validator} is right ({})", about.1),
        ));
    }
    let kinds = texts(find.get("in"));
    if !kinds.is_empty() {
        let kinds = kinds.join(", ");
        lines.push(t(format!("seulement dans : {kinds}"), format!("only in: {kinds}")));
    }
    if let Some(min) = find.get("min").and_then(Value::as_integer).filter(|min| *min > 1) {
        lines.push(t(
            format!("à partir de {min} valeurs différentes dans le même corps ou la même pièce jointe"),
            format!("from {min} different values in one body or attachment on"),
        ));
    }
    if let Some(except) = find.get("except") {
        let except = match except.as_str() {
            Some(list) => format!("lists/{}.txt", list.trim_start_matches("list:")),
            None => listed(&texts(Some(except)), language),
        };
        lines.push(t(format!("jamais : {except} (exemples publiés)"), format!("never: {except} (published examples)")));
    }
    let yields_to = texts(written.get("yields_to"));
    if !yields_to.is_empty() {
        let others = yields_to.join(", ");
        lines.push(t(
            format!("pas à l'intérieur de ce que trouvent aussi sûrement : {others}"),
            format!("not inside what these find as surely: {others}"),
        ));
    }
    lines
}

fn near(name: &str, group: &Value, language: Language) -> String {
    let t = |fr: String, en: String| if language == Language::Fr { fr } else { en };
    let what = if group.get("found").is_some() {
        let rules = texts(group.get("found")).join(", ");
        t(format!("ce que trouvent d'autres règles ({rules})"), format!("what other rules find ({rules})"))
    } else if let Some(list) = group.get("words").and_then(Value::as_str) {
        let name = list.trim_start_matches("list:");
        t(format!("un mot de lists/{name}.txt"), format!("a word of lists/{name}.txt"))
    } else {
        listed(&texts(group.get("words")), language)
    };
    let min = group.get("min").and_then(Value::as_integer).filter(|min| *min > 1);
    let min = min
        .map(|min| t(format!("au moins {min} différents parmi "), format!("at least {min} different ones of ")))
        .unwrap_or_default();
    let within = match group.get("within") {
        Some(Value::Integer(within)) => t(format!("à {within} caractères au plus"), format!("within {within} characters")),
        _ => t("dans le même document".to_owned(), "in the same document".to_owned()),
    };
    t(format!("{name} : {min}{what}, {within}"), format!("{name}: {min}{what}, {within}"))
}

fn tiers(written: &Table, language: Language) -> Vec<String> {
    let t = |fr, en| say(language, fr, en);
    let validated = written.get("find").and_then(|find| find.get("validator")).is_some();
    let groups: Vec<&String> =
        written.get("near").and_then(Value::as_table).into_iter().flatten().map(|(name, _)| name).collect();
    let base = if validated { "valid" } else { "found" };
    let of = |tier: &str| -> Vec<Vec<String>> {
        match written.get("confidence") {
            Some(confidence) => match confidence.get(tier) {
                Some(Value::Array(items)) if items.iter().any(Value::is_array) => {
                    items.iter().map(|item| texts(Some(item))).collect()
                }
                Some(item) => vec![texts(Some(item))],
                None => Vec::new(),
            },
            // What a rule without [confidence] means.
            None => match tier {
                "high" => groups.iter().map(|name| vec![base.to_owned(), format!("near.{name}")]).collect(),
                "medium" => vec![vec![base.to_owned()]],
                _ => Vec::new(),
            },
        }
    };
    let term = |term: &String| match term.as_str() {
        "valid" => t("le contrôle est juste", "the check is right").to_owned(),
        "found" => t("il est trouvé", "it is found").to_owned(),
        near => match language {
            Language::Fr => format!("{} est près", near.trim_start_matches("near.")),
            Language::En => format!("{} is near", near.trim_start_matches("near.")),
        },
    };
    let mut lines = Vec::new();
    for tier in ["high", "medium", "low"] {
        let alternatives: Vec<String> =
            of(tier).iter().map(|terms| terms.iter().map(term).collect::<Vec<_>>().join(t(" et ", " and "))).collect();
        if !alternatives.is_empty() {
            let or = t(" ; ou ", "; or ");
            lines.push(format!("{tier}: {} {}", t("quand", "when"), alternatives.join(or)));
        }
    }
    lines.push(t("sinon, rien n'est signalé", "otherwise nothing is reported").to_owned());
    lines
}

struct Used {
    id: String,
    then: String,
    fr: String,
    en: String,
    watch: bool,
}

/// Policies whose `when` names the rule or its category; a folder without policies has none.
fn policies_that_use(folder: &Path, rule: &Rule) -> Vec<Used> {
    let Ok(text) = std::fs::read_to_string(folder.join("policy.toml")) else { return Vec::new() };
    let Ok(file) = toml::from_str::<Table>(&text) else { return Vec::new() };
    let category = format!("category:{}", said(&rule.category));
    let names = |policy: &&Value| {
        let found = texts(policy.get("when").and_then(|when| when.get("found")));
        found.iter().any(|name| **name == *rule.id.0 || *name == category)
    };
    let text = |policy: &Value, key: &str| policy.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let used = |policy: &Value| {
        let title = |language: &str| match policy.get("title") {
            Some(Value::Table(title)) => title.get(language).and_then(Value::as_str).unwrap_or_default().to_owned(),
            other => other.and_then(Value::as_str).unwrap_or_default().to_owned(),
        };
        Used {
            id: text(policy, "id"),
            then: texts(policy.get("then")).join(" + "),
            fr: title("fr"),
            en: title("en"),
            watch: text(policy, "mode") == "watch",
        }
    };
    file.get("policy").and_then(Value::as_array).into_iter().flatten().filter(names).map(used).collect()
}

/// Lines of at most so many characters, parted at blanks.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said_of(rule: &str) -> Vec<String> {
        let table: Table = toml::from_str(rule).unwrap();
        sentences(&table, Language::En).into_iter().flat_map(|(_, lines)| lines).collect()
    }

    #[test]
    fn a_rule_without_tiers_is_explained_by_the_usual_ones() {
        let lines = said_of("[find]\nshape = \"9999\"\nvalidator = \"luhn\"\n[near.x]\nwords = [\"a\"]\nwithin = 3\n");
        assert!(lines.contains(&"high: when the check is right and x is near".to_owned()), "{lines:?}");
        assert!(lines.contains(&"medium: when the check is right".to_owned()), "{lines:?}");
    }

    #[test]
    fn every_word_of_the_vocabulary_becomes_a_sentence() {
        let lines = said_of(
            "yields_to = [\"iban\"]\n[find]\nwords = [\"a\", \"b\"]\nmin = 3\nin = [\"body\"]\nexcept = [\"c\"]\n\
             [near.x]\nfound = [\"fr-nir\"]\nwithin = \"document\"\n[near.y]\nwords = \"list:l\"\nmin = 2\nwithin = 9\n\
             [confidence]\nhigh = [[\"near.x\"], [\"near.y\", \"found\"]]\n",
        );
        for line in [
            "one of these whole words: \"a\", \"b\"",
            "only in: body",
            "from 3 different values in one body or attachment on",
            "never: \"c\" (published examples)",
            "not inside what these find as surely: iban",
            "x: what other rules find (fr-nir), in the same document",
            "y: at least 2 different ones of a word of lists/l.txt, within 9 characters",
            "high: when x is near; or y is near and it is found",
        ] {
            assert!(lines.iter().any(|said| said == line), "{line}\n{lines:#?}");
        }
    }
}
