//! Turns `policy.toml` into a checked [`Policy`]: every name in it exists, and every case in it comes out as it says.

use super::clock::{Hours, Weekdays, Zone};
use super::groups::{Declared, groups_of, names_group};
use super::parties::{Parties, Party};
use super::policy_file::{At, Complaints, Table, read};
use super::policy_test::{Case, run_case};
use super::sealing::{self, Fragile, HideSubject, IfNoKey};
use super::{Bilingual, Disposition, PolicyId};
use crate::detect::{Category, Confidence, RuleId, suggestion};
use crate::extract::Reason;
use crate::facts::{Fact, Remembers};
use crate::mail::{Address, Domain};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A policy file as it was read by whoever may read files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// As messages shall name it: `rules/policy.toml`.
    pub path: String,
    pub text: String,
}

/// One thing to mend: `rules/policy.toml:12: there is no rule "fr-nri"; did you mean "fr-nir"?`
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {sentence}")]
pub struct PolicyError {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    pub sentence: String,
}

/// What a policy may say about rules: their names, and how they are called towards senders.
#[derive(Clone, Debug, Default)]
pub struct RuleNames {
    pub rules: BTreeMap<RuleId, RuleName>,
    /// Names the rule set; part of [`super::Decision::ruleset`].
    pub hash: String,
}

#[derive(Clone, Debug)]
pub struct RuleName {
    pub category: Category,
    pub title: Bilingual,
}

/// The officer's policies, checked. Order-free: their order in the file has no meaning.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) default: Action,
    pub(super) articles: Vec<Article>,
    pub(super) cases: Vec<Case>,
    /// What becomes of messages that sealing would break.
    pub(super) fragile: BTreeMap<Fact, Fragile>,
    pub(super) parties: Parties,
    /// [`Policy::parties`] with the `inside` of `[cases]`.
    pub(super) case_parties: Parties,
    /// How each rule is called in a cause: `NIR`.
    pub(super) short_names: BTreeMap<RuleId, (Category, Bilingual)>,
    /// Every group that a policy names, lower case.
    pub(super) groups: Arc<BTreeSet<String>>,
    pub(super) ruleset: Arc<str>,
}

/// One `[[policy]]`.
#[derive(Clone, Debug)]
pub struct Article {
    pub id: PolicyId,
    pub title: Bilingual,
    pub mode: Mode,
    pub tell_sender: Option<Bilingual>,
    pub(super) when: Condition,
    pub(super) unless: Option<Condition>,
    pub(super) then: Action,
    pub(super) if_no_key: IfNoKey,
    pub(super) hide_subject: HideSubject,
    pub(super) if_private: Disposition,
    /// A sender whom it blocks may ask that a person look at the message.
    pub(super) review: bool,
    /// Its reason, where it is written in both languages.
    pub(super) why: Option<Bilingual>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Enforce,
    /// Reported, changes nothing.
    Watch,
}

/// What a policy asks for: the strictest of its dispositions, and requirements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Action {
    pub disposition: Disposition,
    pub requires: super::Requirements,
    /// It says what becomes of the message, so that `default` is not asked: everything but `sign`, `tls`, `individual_copies`
    /// and `encrypt_if_possible`, which leave open whether the message may go.
    pub settles: bool,
    /// The block is lifted when the sender confirms it.
    pub confirm: bool,
}

impl Action {
    /// Lets everything pass as it is.
    pub const NONE: Action =
        Action { disposition: Disposition::Allow, requires: super::Requirements::NONE, settles: false, confirm: false };
}

/// A `when` or `unless`: all that is named must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    pub found: Vec<Recognised>,
    pub confidence: Option<Confidence>,
    /// Different values.
    pub at_least: u64,
    /// Seconds over which the sender's messages count together.
    pub within: Option<i64>,
    pub from: Vec<Party>,
    pub to: Vec<Party>,
    pub all_facts: BTreeSet<Fact>,
    pub any_fact: BTreeSet<Fact>,
    pub unreadable: BTreeSet<Reason>,
    pub size_over: Option<u64>,
    pub recipients_over: Option<u64>,
    pub visible_external_recipients_over: Option<u64>,
    pub attachment_types: BTreeSet<String>,
    pub subject_tags: BTreeSet<String>,
    pub hours: Option<Hours>,
    pub weekdays: Option<Weekdays>,
    pub zone: Zone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recognised {
    Rule(RuleId),
    Category(Category),
}

const TOP: &[&str] = &["default", "groups", "cases", "policy", "case", sealing::TABLE];
const ARTICLE: &[&str] = &[
    "id",
    "title",
    "when",
    "unless",
    "then",
    "if_no_key",
    "hide_subject",
    "if_private",
    "review",
    "mode",
    "tell_sender",
    "why",
    "owner",
    "reviewed",
];
const CONDITION: &[&str] = &[
    "found",
    "confidence",
    "at_least",
    "within",
    "to",
    "from",
    "all_facts",
    "any_fact",
    "unreadable",
    "size_over",
    "recipients_over",
    "visible_external_recipients_over",
    "attachment_types",
    "subject_tag",
    "time",
];
const ACTIONS: &[&str] =
    &["block", "quarantine", "defer", "confirm", "encrypt", "encrypt_if_possible", "tls", "sign", "individual_copies", "allow"];
pub(super) const FACTS: &[Fact] = Fact::ALL;
const REASONS: [Reason; 5] =
    [Reason::Password, Reason::Damaged, Reason::OverBudget, Reason::Unsupported, Reason::ClientEncrypted];
const CATEGORIES: [Category; 9] = [
    Category::Identity,
    Category::Finance,
    Category::Health,
    Category::Secret,
    Category::Marking,
    Category::Education,
    Category::Hr,
    Category::Legal,
    Category::Technical,
];
const CONFIDENCES: [Confidence; 3] = [Confidence::Low, Confidence::Medium, Confidence::High];
/// Stands in audit lines and causes where no policy applied.
pub(super) const DEFAULT: &str = "default";
/// More policies than an officer can oversee, and a bound on the work per recipient.
const MAX_POLICIES: usize = 500;
const MAX_CASES: usize = 5_000;
/// Seconds: values are not kept longer than a week.
const LONGEST_WITHIN: i64 = 7 * 86_400;

impl Policy {
    /// Reads, checks and tries `file`. `rules` and `parties` say which names exist; membership of lists is decided by `parties`.
    /// All errors of the file at once, in order of lines; a file in which a case fails is an error too.
    pub fn compile(file: &SourceText, rules: &RuleNames, parties: &Parties) -> Result<Policy, Vec<PolicyError>> {
        let mut complaints = Complaints::about(file);
        let policy = compile(file, rules, parties, &mut complaints);
        complaints.errors.sort_by_key(|error| error.line);
        match policy {
            Some(policy) if complaints.errors.is_empty() => Ok(policy),
            _ => Err(complaints.errors),
        }
    }

    pub fn articles(&self) -> &[Article] {
        &self.articles
    }

    pub fn parties(&self) -> &Parties {
        &self.parties
    }

    /// Some policy is content with a password-protected container: whoever decides must know with whom a password is agreed.
    pub fn uses_containers(&self) -> bool {
        self.articles.iter().any(|article| article.if_no_key == IfNoKey::Container)
    }

    /// What a policy asks of a rule's findings for: `None` when it is not about this rule, else from which confidence on.
    pub fn asks_about(&self, policy: &PolicyId, rule: &RuleId, category: Category) -> Option<Confidence> {
        let article = self.articles.iter().find(|article| article.id == *policy)?;
        let about = article.when.found.iter().any(|what| match what {
            Recognised::Rule(id) => id == rule,
            Recognised::Category(of) => *of == category,
        });
        about.then(|| article.when.confidence.unwrap_or(Confidence::Medium))
    }

    /// The reason that a policy gives in both languages.
    pub fn why(&self, policy: &PolicyId) -> Option<&Bilingual> {
        self.articles.iter().find(|article| article.id == *policy)?.why.as_ref()
    }

    /// What a policy asks for of the unreadable.
    pub fn asks_about_unreadable(&self, policy: &PolicyId, reason: Reason) -> bool {
        self.articles.iter().any(|article| article.id == *policy && article.when.unreadable.contains(&reason))
    }

    /// Names of groups, lower case: in which of them the parties of a message are must be known before it is decided about.
    pub fn groups(&self) -> &Arc<BTreeSet<String>> {
        &self.groups
    }

    /// Whether some policy is about the groups of recipients.
    pub fn asks_groups_of_recipients(&self) -> bool {
        self.articles.iter().flat_map(Article::conditions).any(|condition| names_group(&condition.to))
    }

    /// Whether some policy is about the groups of the sender.
    pub fn asks_groups_of_sender(&self) -> bool {
        self.articles.iter().flat_map(Article::conditions).any(|condition| names_group(&condition.from))
    }

    /// What must be remembered of each sender's messages.
    pub fn remembers(&self) -> Remembers {
        let mut remembers = Remembers::default();
        let conditions = self.articles.iter().flat_map(|article| [Some(&article.when), article.unless.as_ref()]).flatten();
        for condition in conditions {
            let Some(window) = condition.within else { continue };
            remembers.windows.insert(window);
            for what in &condition.found {
                match what {
                    Recognised::Rule(id) => remembers.rules.insert(id.0.to_string()),
                    Recognised::Category(category) => remembers.categories.insert(*category),
                };
            }
        }
        remembers
    }

    /// `sha256:…` over the rules, the lists and this file.
    pub fn ruleset(&self) -> &Arc<str> {
        &self.ruleset
    }
}

fn compile(file: &SourceText, rules: &RuleNames, parties: &Parties, complaints: &mut Complaints) -> Option<Policy> {
    let document = read(file, complaints)?;
    let top = Table::new(document.get_ref(), "a policy file", 0, TOP, complaints);
    let declared = Declared::read(&top, complaints);
    let reader = Reader { rules, parties, declared: &declared };
    let default = reader.default(&top, complaints);
    let fragile = sealing::read(&top, complaints);
    let mut case_parties = parties.clone();
    if let Some(cases) = top.table("cases", &["inside"], complaints) {
        let domains = cases.texts("inside", complaints);
        let parsed = domains.iter().filter_map(|text| reader.domain(text, complaints)).collect::<Vec<_>>();
        case_parties.inside = parsed.into();
    }
    let mut articles = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (table, at) in top.tables("policy", complaints) {
        if let Some(article) = reader.article(table, at, &mut seen, complaints) {
            articles.push(article);
        }
    }
    if articles.len() > MAX_POLICIES {
        complaints.say(0, format!("at most {MAX_POLICIES} policies; put what belongs together into one"));
    }
    let groups: Arc<BTreeSet<String>> = Arc::new(articles.iter().flat_map(Article::conditions).flat_map(groups_of).collect());
    // A case may also state that somebody is in a group that changes nothing.
    let stated: BTreeSet<String> = groups.iter().chain(declared.names()).cloned().collect();
    let ids: Vec<&str> = seen.keys().map(String::as_str).collect();
    let mut cases = Vec::new();
    for (table, at) in top.tables("case", complaints) {
        cases.extend(Case::read(table, at, &Named { policies: &ids, groups: &stated }, &reader, complaints));
    }
    if cases.len() > MAX_CASES {
        complaints.say(0, format!("at most {MAX_CASES} cases"));
    }
    let short_name =
        |(id, name): (&RuleId, &RuleName)| (id.clone(), (name.category, super::words::short_name(id, &name.title)));
    let short_names = rules.rules.iter().map(short_name).collect();
    let ruleset = ruleset(file, rules, parties);
    let parties = parties.clone();
    let policy = Policy { default, articles, cases, fragile, parties, case_parties, short_names, groups, ruleset };
    // A case over a half-read file would complain of what was already complained of.
    if complaints.errors.is_empty() {
        for case in &policy.cases {
            if let Some(sentence) = run_case(case, &policy).failure {
                complaints.say(case.at, sentence);
            }
        }
    }
    Some(policy)
}

fn ruleset(file: &SourceText, rules: &RuleNames, parties: &Parties) -> Arc<str> {
    use aws_lc_rs::digest::{Context, SHA256};
    let mut context = Context::new(&SHA256);
    // Lengths before contents, so that no two sets of texts give one input.
    let mut add = |text: &str| {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    };
    add(&rules.hash);
    add(&file.text);
    for domain in parties.inside.iter() {
        add(domain.as_str());
    }
    for (name, entries) in parties.lists.iter() {
        add(name);
        add(&entries.len().to_string());
        entries.iter().for_each(|entry| add(entry));
    }
    let mut text = String::from("sha256:");
    for octet in context.finish().as_ref() {
        text.push_str(&format!("{octet:02x}"));
    }
    text.into()
}

/// Names that the cases of a file may use.
pub(super) struct Named<'n> {
    pub policies: &'n [&'n str],
    pub groups: &'n BTreeSet<String>,
}

/// Reads values whose names must exist.
pub(super) struct Reader<'r> {
    pub rules: &'r RuleNames,
    pub parties: &'r Parties,
    pub declared: &'r Declared,
}

impl Reader<'_> {
    fn default(&self, top: &Table, complaints: &mut Complaints) -> Action {
        if !top.has("default") {
            return Action::NONE;
        }
        let known = ["allow", "defer", "quarantine", "block", "encrypt"];
        let Some(text) = top.text("default", complaints) else { return Action::NONE };
        if known.contains(&text.value) {
            return action(&[text.value]);
        }
        complaints.say(text.at, format!("default cannot be \"{}\"; {}", text.value, suggestion(text.value, &known)));
        Action::NONE
    }

    fn article(
        &self,
        table: &toml::de::DeTable,
        at: usize,
        seen: &mut BTreeMap<String, usize>,
        complaints: &mut Complaints,
    ) -> Option<Article> {
        let unnamed = Table::new(table, "[[policy]]", at, &[ARTICLE, CONDITION].concat(), complaints);
        let id = unnamed.text("id", complaints);
        let Some(id) = id else {
            if !unnamed.has("id") {
                complaints.say(at, "a [[policy]] needs an id: id = \"identity-leaves-encrypted\"");
            }
            return None;
        };
        let well_formed = id.value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !well_formed || id.value == DEFAULT || id.value.len() > 64 {
            complaints.say(id.at, "an id is made of small letters, digits and hyphens, at most 64, and is not \"default\"");
        }
        if let Some(first) = seen.insert(id.value.to_owned(), at) {
            let line = complaints.line(first);
            complaints.say(id.at, format!("\"{}\" is already the id of the policy in line {line}", id.value));
        }
        for key in CONDITION {
            if unnamed.has(key) {
                complaints.say(unnamed.at(key), format!("{key} belongs into when: when = {{ {key} = … }}"));
            }
        }
        let name = format!("policy \"{}\"", id.value);
        let table = unnamed.called(&name);
        let title = table.bilingual("title", complaints).unwrap_or(Bilingual { fr: id.value.into(), en: id.value.into() });
        let mode = match table.text("mode", complaints).map(|text| (text.value, text.at)) {
            None | Some(("enforce", _)) => Mode::Enforce,
            Some(("watch", _)) => Mode::Watch,
            Some((word, at)) => {
                complaints.say(at, format!("mode is \"enforce\" or \"watch\", not \"{word}\""));
                Mode::Watch
            }
        };
        let mut then = self.then(&table, complaints);
        let if_no_key = self.if_no_key(&table, &then, complaints);
        then.requires.to_key = then.requires.encrypt && if_no_key != IfNoKey::Container;
        let hide_subject = sealing::hide_subject(&table, &then, complaints);
        let if_private = match table.text("if_private", complaints).map(|text| (text.value, text.at)) {
            None | Some(("block", _)) => Disposition::Block,
            Some(("quarantine", _)) => Disposition::Quarantine,
            Some((word, at)) => {
                complaints
                    .say(at, format!("if_private is \"block\" (refuse instead of holding) or \"quarantine\", not \"{word}\""));
                Disposition::Block
            }
        };
        let review = match table.text("review", complaints).map(|text| (text.value, text.at)) {
            None => true,
            Some((word, at)) => {
                if then.disposition != Disposition::Block {
                    complaints.say(at, "review has a meaning only with then = \"block\" or \"confirm\"");
                }
                if !["allowed", "never"].contains(&word) {
                    let sentence =
                        format!("review is \"allowed\" (the sender may ask for a person's look) or \"never\", not \"{word}\"");
                    complaints.say(at, sentence);
                }
                word == "allowed"
            }
        };
        // A text in one language explains the policy to those who read the file; in both it is told to senders.
        let why = table.get("why").filter(|why| why.get_ref().as_table().is_some());
        let why = why.and_then(|_| table.bilingual("why", complaints));
        let when = self.condition("when", &table, complaints);
        if !table.has("when") {
            complaints.say(at, format!("{name} needs a when: when = {{ to = \"outside\" }}"));
        }
        let unless = table.has("unless").then(|| self.condition("unless", &table, complaints)).flatten();
        // What makes it encrypt may stand in the Subject itself.
        if hide_subject == HideSubject::Never && when.as_ref().is_some_and(|when| !when.found.is_empty()) {
            let sentence = "what was found may stand in the Subject: write hide_subject = \"when_sensitive\"";
            complaints.say(table.at("hide_subject"), sentence);
        }
        Some(Article {
            id: PolicyId(id.value.into()),
            title,
            mode,
            tell_sender: table.bilingual("tell_sender", complaints),
            when: when?,
            unless,
            then,
            if_no_key,
            hide_subject,
            if_private,
            review,
            why,
        })
    }

    fn then(&self, table: &Table, complaints: &mut Complaints) -> Action {
        if !table.has("then") {
            complaints.say(table.at, format!("{} needs a then: one of {}", table.name, ACTIONS.join(", ")));
        }
        let words = table.texts("then", complaints);
        let mut named = Vec::new();
        for word in words {
            match word.value {
                known if ACTIONS.contains(&known) => named.push(known),
                other => complaints.say(word.at, format!("then cannot be \"{other}\"; {}", suggestion(other, ACTIONS))),
            }
        }
        let dispositions =
            named.iter().filter(|word| ["block", "quarantine", "defer", "confirm", "allow"].contains(word)).count();
        if dispositions > 1 {
            complaints.say(table.at("then"), "then names one of block, quarantine, defer, confirm, allow, not several");
        }
        if named.contains(&"block") && named.len() > 1 {
            complaints.say(table.at("then"), "what is blocked does not leave: write then = \"block\" alone");
        }
        action(&named)
    }

    fn if_no_key(&self, table: &Table, then: &Action, complaints: &mut Complaints) -> IfNoKey {
        let Some(text) = table.text("if_no_key", complaints) else { return IfNoKey::Quarantine };
        if !then.requires.encrypt {
            complaints.say(text.at, "if_no_key has a meaning only with then = \"encrypt\"");
        }
        match text.value {
            "quarantine" => IfNoKey::Quarantine,
            "block" => IfNoKey::Block,
            "container" => IfNoKey::Container,
            other => {
                complaints.say(
                    text.at,
                    format!("if_no_key is \"container\", \"quarantine\" or \"block\", not \"{other}\"; it is never clear"),
                );
                IfNoKey::Block
            }
        }
    }

    fn condition(&self, key: &str, article: &Table, complaints: &mut Complaints) -> Option<Condition> {
        let table = article.table(key, CONDITION, complaints)?;
        if CONDITION.iter().all(|word| !table.has(word)) {
            let example = if key == "when" { "when = { to = \"outside\" }" } else { "unless = { to = \"list:partners\" }" };
            complaints.say(table.at, format!("an empty {key} says nothing; write for example {example}"));
        }
        let found: Vec<Recognised> =
            table.texts("found", complaints).iter().filter_map(|text| self.recognised(text, complaints)).collect();
        for word in ["confidence", "at_least", "within"] {
            if table.has(word) && !table.has("found") {
                complaints
                    .say(table.at(word), format!("{word} says how surely or how often something is found: add found = \"…\""));
            }
        }
        let confidence = table.text("confidence", complaints).and_then(|t| named(&t, "confidence", &CONFIDENCES, complaints));
        let mut time = TimeOfDay::default();
        if let Some(inner) = table.table("time", &["hours", "weekdays", "zone"], complaints) {
            time = TimeOfDay::read(&inner, complaints);
        }
        Some(Condition {
            found,
            confidence,
            at_least: table.number("at_least", 1, complaints).unwrap_or(1),
            within: self.within(&table, complaints),
            from: self.parties(&table, "from", complaints),
            to: self.parties(&table, "to", complaints),
            all_facts: self.facts(&table, "all_facts", complaints),
            any_fact: self.facts(&table, "any_fact", complaints),
            unreadable: self.reasons(&table, complaints),
            size_over: table.octets("size_over", complaints),
            recipients_over: table.number("recipients_over", 0, complaints),
            visible_external_recipients_over: table.number("visible_external_recipients_over", 0, complaints),
            attachment_types: self.attachment_types(&table, complaints),
            subject_tags: table.texts("subject_tag", complaints).iter().map(|text| super::words::tag(text.value)).collect(),
            hours: time.hours,
            weekdays: time.weekdays,
            zone: time.zone,
        })
    }

    fn within(&self, table: &Table, complaints: &mut Complaints) -> Option<i64> {
        let text = table.text("within", complaints)?;
        if !table.has("at_least") {
            complaints.say(text.at, "within says over what time at_least counts: add at_least = 20");
        }
        if table.texts("to", complaints).iter().any(|to| to.value.trim() != "outside") || !table.has("to") {
            complaints.say(text.at, "within counts what goes outside: write to = \"outside\"");
        }
        let seconds =
            text.value.trim().split_at_checked(text.value.trim().len().saturating_sub(1)).and_then(|(number, unit)| {
                let unit = match unit {
                    "h" => 3_600,
                    "d" => 86_400,
                    _ => return None,
                };
                number.parse::<u16>().ok().map(|number| i64::from(number) * unit)
            });
        let known = seconds.filter(|seconds| (3_600..=LONGEST_WITHIN).contains(seconds));
        if known.is_none() {
            complaints.say(text.at, "within is written in hours or days, from 1h to 7d: within = \"24h\"");
        }
        known
    }

    pub fn recognised(&self, text: &At<&str>, complaints: &mut Complaints) -> Option<Recognised> {
        if let Some(category) = text.value.strip_prefix("category:") {
            let inner = At { value: category, at: text.at };
            return named(&inner, "category", &CATEGORIES, complaints).map(Recognised::Category);
        }
        let id = RuleId(text.value.into());
        if self.rules.rules.contains_key(&id) {
            return Some(Recognised::Rule(id));
        }
        let known: Vec<&str> = self.rules.rules.keys().map(|id| &*id.0).collect();
        complaints.say(text.at, format!("there is no rule \"{}\"; {}", text.value, suggestion(text.value, &known)));
        None
    }

    pub fn facts(&self, table: &Table, key: &str, complaints: &mut Complaints) -> BTreeSet<Fact> {
        table.texts(key, complaints).iter().filter_map(|text| named(text, "fact", FACTS, complaints)).collect()
    }

    pub fn reasons(&self, table: &Table, complaints: &mut Complaints) -> BTreeSet<Reason> {
        table.texts("unreadable", complaints).iter().filter_map(|text| named(text, "reason", &REASONS, complaints)).collect()
    }

    fn attachment_types(&self, table: &Table, complaints: &mut Complaints) -> BTreeSet<String> {
        let mut types = BTreeSet::new();
        for text in table.texts("attachment_types", complaints) {
            let lower = text.value.trim().to_lowercase();
            if !lower.starts_with('.') && !lower.contains('/') {
                let sentence = format!("write an ending with its dot or a media type: \".{lower}\" or \"application/pdf\"");
                complaints.say(text.at, sentence);
            }
            types.insert(lower);
        }
        types
    }

    fn parties(&self, table: &Table, key: &str, complaints: &mut Complaints) -> Vec<Party> {
        table.texts(key, complaints).iter().filter_map(|text| self.party(text, key, complaints)).collect()
    }

    fn party(&self, text: &At<&str>, key: &str, complaints: &mut Complaints) -> Option<Party> {
        let word = text.value.trim();
        match word {
            "inside" => return Some(Party::Inside),
            "outside" => return Some(Party::Outside),
            _ => {}
        }
        if let Some(name) = word.strip_prefix("group:") {
            return self.group(text, name, complaints).map(Party::Group);
        }
        if let Some(name) = word.strip_prefix("kind:") {
            return self.kind(text, name, key, complaints).map(Party::Kind);
        }
        if let Some(name) = word.strip_prefix("list:") {
            if self.parties.lists.contains_key(name) {
                return Some(Party::List(name.to_owned()));
            }
            let known: Vec<&str> = self.parties.lists.keys().map(String::as_str).collect();
            let advice = suggestion(name, &known);
            complaints.say(text.at, format!("there is no list \"{name}\" (a file rules/lists/{name}.txt); {advice}"));
            return None;
        }
        if word.contains('@') {
            return match Address::parse(word.strip_prefix('@').unwrap_or(word)) {
                Ok(address) => Some(Party::Address(address)),
                Err(_) if word.starts_with('@') => {
                    self.domain(&At { value: &word[1..], at: text.at }, complaints).map(Party::Domain)
                }
                Err(why) => {
                    complaints.say(text.at, format!("\"{word}\" is no address: {why}"));
                    None
                }
            };
        }
        if !word.contains('.') {
            let advice = suggestion(word, &["inside", "outside"]);
            let sentence =
                format!("\"{word}\" is no party: inside, outside, list:NAME, group:NAME, a domain or an address; {advice}");
            complaints.say(text.at, sentence);
            return None;
        }
        self.domain(text, complaints).map(Party::Domain)
    }

    fn domain(&self, text: &At<&str>, complaints: &mut Complaints) -> Option<Domain> {
        let word = text.value.strip_prefix("*.").unwrap_or(text.value);
        Domain::parse(word).map_err(|why| complaints.say(text.at, format!("\"{word}\" is no domain: {why}"))).ok()
    }
}

fn action(words: &[&str]) -> Action {
    let mut action = Action::NONE;
    for word in words {
        match *word {
            "block" => action.disposition = Disposition::Block,
            "quarantine" => action.disposition = Disposition::Quarantine,
            "defer" => action.disposition = Disposition::Defer,
            "confirm" => {
                action.disposition = Disposition::Block;
                action.confirm = true;
            }
            "encrypt" => {
                action.requires.encrypt = true;
                action.requires.to_key = true;
                action.requires.hide_subject = true;
            }
            "encrypt_if_possible" => {
                action.requires.encrypt_if_possible = true;
                action.requires.hide_subject = true;
            }
            "tls" => action.requires.tls = true,
            "sign" => action.requires.sign = true,
            "individual_copies" => action.requires.individual_copies = true,
            _ => {}
        }
        action.settles |= ["block", "quarantine", "defer", "confirm", "allow", "encrypt"].contains(word);
    }
    action
}

/// The value whose serde name is written in `text`.
pub(super) fn named<T: serde::Serialize + Copy>(
    text: &At<&str>,
    what: &str,
    values: &[T],
    complaints: &mut Complaints,
) -> Option<T> {
    let names: Vec<String> = values.iter().map(word_of).collect();
    if let Some(index) = names.iter().position(|name| name == text.value) {
        return Some(values[index]);
    }
    complaints.say(text.at, format!("there is no {what} \"{}\"; {}", text.value, suggestion(text.value, &names)));
    None
}

/// The word by which files call a value.
pub(super) fn word_of<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[derive(Default)]
struct TimeOfDay {
    hours: Option<Hours>,
    weekdays: Option<Weekdays>,
    zone: Zone,
}

impl TimeOfDay {
    fn read(table: &Table, complaints: &mut Complaints) -> TimeOfDay {
        let mut time = TimeOfDay::default();
        if let Some(text) = table.text("hours", complaints) {
            time.hours = Hours::parse(text.value);
            if time.hours.is_none() {
                complaints.say(text.at, "hours are written from-to: hours = \"19:00-07:00\"");
            }
        }
        for text in table.texts("weekdays", complaints) {
            match Weekdays::parse(text.value) {
                Some(days) => time.weekdays = Some(time.weekdays.unwrap_or_default().and(days)),
                None => complaints.say(text.at, "weekdays are mon tue wed thu fri sat sun: weekdays = [\"sat\", \"sun\"]"),
            }
        }
        if let Some(text) = table.text("zone", complaints) {
            match Zone::parse(text.value) {
                Some(zone) => time.zone = zone,
                None => {
                    complaints.say(text.at, "a zone is \"Europe/Paris\", \"UTC\" or a fixed offset such as \"+11:00\" (Nouméa)")
                }
            }
        }
        if time.hours.is_none() && time.weekdays.is_none() {
            complaints.say(table.at, "time needs hours or weekdays: time = { hours = \"19:00-07:00\" }");
        }
        time
    }
}
