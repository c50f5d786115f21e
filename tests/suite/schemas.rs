//! The JSON Schemas that editors read, against the readers of rule and policy files: the same words, and every file fits.

use postern::detect::{Category, Confidence, RuleSet, SourceFile};
use postern::facts::Fact;
use postern::policy::{Parties, Policy, RuleNames, SourceText};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).expect("a schema is JSON")
}

/// A word that no known one resembles, so that the complaint about it lists all that are known.
const NONSENSE: &str = "zzqqxx";

/// The words of `try: a, b, c` in the complaint about the nonsense.
fn listed(complaints: &[String]) -> BTreeSet<String> {
    let complaint =
        complaints.iter().find(|complaint| complaint.contains(NONSENSE)).unwrap_or_else(|| panic!("{complaints:?}"));
    let words = complaint.split("try: ").nth(1).unwrap_or_else(|| panic!("{complaint}"));
    assert!(!words.ends_with('…'), "more words than a complaint shows: {complaint}");
    words.split(", ").map(str::to_owned).collect()
}

fn complaints_of_rule(text: &str) -> Vec<String> {
    let file = SourceFile { path: "detect/x.toml".into(), text: text.into() };
    let errors = RuleSet::compile(&[file], &BTreeMap::new()).map(|_| ()).unwrap_err();
    errors.iter().map(|error| error.sentence.clone()).collect()
}

fn complaints_of_policy(text: &str) -> Vec<String> {
    let file = SourceText { path: "policy.toml".into(), text: text.into() };
    match Policy::compile(&file, &RuleNames::default(), &Parties::default()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(|error| error.sentence.clone()).collect(),
    }
}

fn keys(schema: &Value, pointer: &str) -> BTreeSet<String> {
    let at = schema.pointer(pointer).unwrap_or_else(|| panic!("the schema has no {pointer}"));
    at["properties"].as_object().unwrap_or_else(|| panic!("{pointer} has no properties")).keys().cloned().collect()
}

#[test]
fn the_schema_of_a_rule_has_the_words_of_its_reader() {
    let schema = schema("rule.schema.json");
    for (text, pointer) in [
        (format!("{NONSENSE} = 1"), ""),
        (format!("[find]\n{NONSENSE} = 1"), "/properties/find"),
        (format!("[near.x]\n{NONSENSE} = 1"), "/$defs/near"),
        (format!("[confidence]\n{NONSENSE} = []"), "/properties/confidence"),
        (format!("[[match]]\n{NONSENSE} = 1"), "/properties/match/items"),
        (format!("[[no_match]]\n{NONSENSE} = 1"), "/properties/no_match/items"),
        (format!("[title]\n{NONSENSE} = 1"), "/$defs/bilingual"),
    ] {
        assert_eq!(keys(&schema, pointer), listed(&complaints_of_rule(&text)), "{pointer}");
    }
    let words = |value: &Value| -> BTreeSet<String> {
        value["enum"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    for (text, pointer) in [
        (format!("category = \"{NONSENSE}\""), "/properties/category"),
        (format!("status = \"{NONSENSE}\""), "/properties/status"),
        (
            format!("[[match]]\ntext = \"x\"\nbecause = \"x\"\nconfidence = \"{NONSENSE}\""),
            "/properties/match/items/properties/confidence",
        ),
    ] {
        assert_eq!(words(schema.pointer(pointer).unwrap()), listed(&complaints_of_rule(&text)), "{pointer}");
    }
}

#[test]
fn the_schema_of_policies_has_the_words_of_its_reader() {
    let schema = schema("policy.schema.json");
    let base = "[[policy]]\nid = \"x\"\nthen = \"block\"\n";
    let whole = format!("{base}when = {{ to = \"outside\" }}\n");
    let case = "[[case]]\ntitle = \"x\"\nfrom = \"a@example.org\"\nto = \"b@example.org\"\nexpect = \"allow\"\n";
    for (text, pointer) in [
        (format!("{NONSENSE} = 1"), ""),
        (format!("[cases]\n{NONSENSE} = 1"), "/properties/cases"),
        (format!("{base}when = {{ {NONSENSE} = 1 }}"), "/$defs/condition"),
        (format!("{base}when = {{ time = {{ {NONSENSE} = 1 }} }}"), "/$defs/condition/properties/time"),
        (format!("{case}{NONSENSE} = 1"), "/properties/case/items"),
        (
            format!("{case}found = {{ x = {{ {NONSENSE} = 1 }} }}"),
            "/properties/case/items/properties/found/additionalProperties/anyOf/1",
        ),
    ] {
        assert_eq!(keys(&schema, pointer), listed(&complaints_of_policy(&text)), "{pointer}");
    }
    // What belongs into `when` is known beside it too, in order to say so: it is no word of a policy.
    let of_policy = keys(&schema, "/properties/policy/items");
    let complaints = complaints_of_policy(&format!("{whole}{NONSENSE} = 1"));
    let complaint = complaints.iter().find(|complaint| complaint.contains(NONSENSE)).unwrap();
    let mut known: BTreeSet<String> =
        complaint.split("try: ").nth(1).unwrap().split(", ").map(|word| word.trim_end_matches(" …").to_owned()).collect();
    known.retain(|key| {
        let misplaced = complaints_of_policy(&format!("[[policy]]\nid = \"x\"\n{key} = 1\n"));
        key == "id" || !misplaced.iter().any(|complaint| complaint.contains("belongs into when"))
    });
    assert_eq!(of_policy, known);
    for (text, pointer) in [
        (format!("default = \"{NONSENSE}\""), "/properties/default"),
        (format!("[[policy]]\nid = \"x\"\nthen = \"{NONSENSE}\"\n"), "/properties/policy/items/properties/then/anyOf/0"),
        (format!("{base}when = {{ all_facts = \"{NONSENSE}\" }}"), "/$defs/condition/properties/all_facts/anyOf/0"),
        (format!("{base}when = {{ unreadable = \"{NONSENSE}\" }}"), "/$defs/condition/properties/unreadable/anyOf/0"),
        (
            format!("{case}expect = 1")
                .replace("expect = \"allow\"\n", &format!("expect = \"{NONSENSE}\"\n"))
                .replace("expect = 1", ""),
            "/properties/case/items/properties/expect",
        ),
    ] {
        let known: BTreeSet<String> = schema.pointer(pointer).unwrap()["enum"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(known, listed(&complaints_of_policy(&text)), "{pointer}");
    }
    let facts: BTreeSet<String> =
        Fact::ALL.iter().map(|fact| serde_json::to_value(fact).unwrap().as_str().unwrap().to_owned()).collect();
    let written = schema.pointer("/$defs/condition/properties/any_fact/anyOf/0/enum").unwrap();
    assert_eq!(serde_json::from_value::<BTreeSet<String>>(written.clone()).unwrap(), facts);
}

/// Enough of JSON Schema 2020-12 for the two files; a keyword it does not know fails the test, so that none is silently passed over.
fn misfits(value: &Value, schema: &Value, root: &Value, path: &str, wrong: &mut Vec<String>) {
    for (keyword, asked) in schema.as_object().unwrap() {
        let fits = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "format" => true,
            "$ref" => {
                let target = root.pointer(asked.as_str().unwrap().trim_start_matches('#')).unwrap();
                misfits(value, target, root, path, wrong);
                true
            }
            "type" => match asked.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_i64(),
                "boolean" => value.is_boolean(),
                other => panic!("type {other}"),
            },
            "enum" => asked.as_array().unwrap().contains(value),
            "const" => asked == value,
            "anyOf" => asked.as_array().unwrap().iter().any(|one| {
                let mut why = Vec::new();
                misfits(value, one, root, path, &mut why);
                why.is_empty()
            }),
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    misfits(item, asked, root, &format!("{path}/{n}"), wrong);
                }
                true
            }
            "required" => asked.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" => {
                for (key, inner) in asked.as_object().unwrap() {
                    if let Some(found) = value.get(key) {
                        misfits(found, inner, root, &format!("{path}/{key}"), wrong);
                    }
                }
                true
            }
            "additionalProperties" => {
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if schema["properties"].get(key).is_none() {
                        match asked {
                            Value::Bool(false) => wrong.push(format!("{path}: \"{key}\" is not known")),
                            schema => misfits(inner, schema, root, &format!("{path}/{key}"), wrong),
                        }
                    }
                }
                true
            }
            "pattern" => {
                let expression = regex_automata::meta::Regex::new(asked.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| expression.is_match(text))
            }
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= asked.as_u64().unwrap()),
            "minProperties" => value.as_object().is_none_or(|members| members.len() as u64 >= asked.as_u64().unwrap()),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= asked.as_u64().unwrap()),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= asked.as_u64().unwrap()),
            "minimum" => value.as_i64().is_none_or(|number| number >= asked.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|number| number <= asked.as_i64().unwrap()),
            other => panic!("the test does not know the keyword {other}"),
        };
        if !fits {
            wrong.push(format!("{path}: {keyword} {asked}"));
        }
    }
}

fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(key, value)| (key, as_json(value))).collect()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(as_json).collect()),
        // Editors take a date for a text of that format.
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        other => serde_json::to_value(other).unwrap(),
    }
}

fn fits(file: &str, text: &str, schema: &Value) -> Vec<String> {
    let table: toml::Table = toml::from_str(text).unwrap_or_else(|why| panic!("{file}: {why}"));
    let mut wrong = Vec::new();
    misfits(&as_json(toml::Value::Table(table)), schema, schema, file, &mut wrong);
    wrong
}

fn rule_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/detect");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect()
}

#[test]
fn every_shipped_file_fits_its_schema() {
    let (rule, policy) = (schema("rule.schema.json"), schema("policy.schema.json"));
    let mut wrong = Vec::new();
    let files = rule_files();
    assert!(files.len() >= 16);
    for path in files {
        wrong.extend(fits(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap(), &rule));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/policy.toml");
    wrong.extend(fits("policy.toml", &std::fs::read_to_string(path).unwrap(), &policy));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_wrong_does_not_fit() {
    let rule = schema("rule.schema.json");
    let right = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/detect/fr-nir.toml")).unwrap();
    assert_eq!(fits("right", &right, &rule), Vec::<String>::new());
    for (from, to) in [
        ("category    = \"identity\"", "category    = \"identité\""),
        ("[find]", "[find]\nshapes = \"9999\""),
        ("id          = \"fr-nir\"", "id          = \"FR NIR\""),
        ("[[no_match]]\ntext", "[[no_match]]\ntexte"),
        ("status", "state"),
    ] {
        let text = right.replacen(from, to, 1);
        assert_ne!(text, right, "{from}");
        assert!(!fits("wrong", &text, &rule).is_empty(), "{to}");
    }
    // The words by which code calls tiers and categories are those of the files.
    let word = |value: Value| value.as_str().unwrap().to_owned();
    assert_eq!(word(serde_json::to_value(Category::Hr).unwrap()), "hr");
    assert_eq!(word(serde_json::to_value(Confidence::High).unwrap()), "high");
}
