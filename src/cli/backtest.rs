//! `postern backtest`: what would have been decided of mail that was sent, by the rules in force and by new ones.

pub mod bench;
mod chart;
mod html;
pub mod mailbox;
pub mod pattern;
mod tally;
mod text;
mod verdicts;

use super::progress::Progress;
use super::{ConfigFile, Done, Failure, Format, language};
use crate::config::{Settings, laws};
use crate::console::{Answer, Request};
use crate::detect::RuleId;
use crate::mail::Language;
use crate::pipeline::Laws;
use crate::serve;
use bench::{Bench, Judged, Outcome, Seen, Value};
use clap::Args;
use mailbox::{Mail, Mailboxes};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use tally::Tally;
use verdicts::Verdicts;

/// Replays sent mail: nothing is sent, stored or counted.
///
/// The envelope is taken from each message's header: From is the login; To, Cc, Bcc, X-Original-To, Delivered-To and X-Envelope-To are
/// the recipients; Date is the hour. Keys are those of now. What a gate remembers (tried_again) is not replayed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  postern backtest --config config.toml Sent.mbox\n  \
    postern backtest --config config.toml --rules rules-new --html report.html archive/\n  \
    postern backtest --config config.toml --rules rules-new --verdicts verdicts.csv --fail-on-missed archive/\n\n\
    Verdicts: a CSV file with lines message-id-or-file,rule,true|false; or folders: …/true/RULE/… holds what RULE must find, \
    …/false/… holds ordinary mail.\n\
    Exit codes: 0 done; with --fail-on-missed 1 when new rules find less or decide less strictly; 2 the call or a file was wrong")]
pub struct Backtest {
    #[command(flatten)]
    file: ConfigFile,
    /// The folder of new rules and policies; without it only those in force are asked
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// What people said of findings: message-id-or-file,rule,true|false
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
    /// Also write the report as one page for a browser or a printer
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// End with 1 when the new rules miss what those in force find, or decide less strictly
    #[arg(long, requires = "rules")]
    fail_on_missed: bool,
    /// The report's language: fr or en; default: that of the configuration
    #[arg(long, value_name = "fr|en", value_parser = language::parse)]
    language: Option<Language>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Messages (.eml), mbox files, Maildirs, folders of any of these
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
}

/// What a report is about.
pub struct Report<'a> {
    pub tally: &'a Tally,
    pub in_force: &'a Laws,
    pub new: Option<&'a Laws>,
    pub language: Language,
    /// Files that are neither messages nor mailboxes, and those that could not be opened.
    pub skipped: u64,
    pub unread: u64,
}

impl Backtest {
    pub fn run(self) -> Done {
        let settings = Settings::load(&self.file.config)?;
        let in_force = serve::load_laws(&settings)?;
        let new = self.rules.as_deref().map(|folder| laws::load(folder, &settings.inside)).transpose()?;
        let both = [&in_force.rules, new.as_ref().map_or(&in_force.rules, |new| &new.rules)];
        let verdicts = match &self.verdicts {
            Some(path) => Verdicts::read(path, both)?,
            None => Verdicts::default(),
        };
        let (keys, now) = serve::open_keys(&settings);
        let boxes = Mailboxes::below(&self.paths)?;
        let reader = crate::worker::open(&settings.limits.reading)?;
        let mut agreed = super::keys::secret::everyone(&settings, &in_force)?;
        if let Some(new) = &new {
            agreed.extend(super::keys::secret::everyone(&settings, new)?);
        }
        let bench = Bench { settings: &settings, keys: &keys, in_force: &in_force, new: new.as_ref(), now, agreed, reader };
        let mut tally = Tally { reviewed: self.reviewed(&settings), ..Tally::default() };
        let mut progress = Progress::of(boxes.octets, 1);
        let mut unread = 0;
        let mut out = std::io::stdout().lock();
        let mut written = Ok(());
        replay(&boxes, &bench, |step| match step {
            Step::Seen(seen) => {
                tally.add(&seen, &verdicts);
                if self.format == Format::Json && written.is_ok() {
                    written = writeln!(out, "{}", line(&seen));
                }
                progress.show(tally.octets, tally.messages);
            }
            Step::Unread(path, why) => {
                progress.clear();
                eprintln!("{}: {why}", path.display());
                unread += 1;
            }
        });
        progress.clear();
        written?;
        if tally.messages == 0 {
            let sentence = "no message there; name messages (.eml), mbox files, Maildirs, or folders of them";
            return Err(Failure::Wrong(sentence.into()));
        }
        let report = Report {
            tally: &tally,
            in_force: &in_force,
            new: new.as_ref(),
            language: self.language.unwrap_or(settings.language),
            skipped: boxes.skipped,
            unread,
        };
        if let Some(path) = &self.html {
            std::fs::write(path, html::page(&report)).map_err(|why| Failure::Wrong(format!("{}: {why}", path.display())))?;
            eprintln!("{}", path.display());
        }
        match self.format {
            Format::Json => writeln!(out, "{}", json!({"summary": summary(&report)}))?,
            Format::Text => write!(out, "{}", text::page(&report))?,
        }
        if self.fail_on_missed && tally.misses() { Err(Failure::Failed) } else { Ok(()) }
    }

    /// What reviewers did with what was held, where a store of this configuration can be asked.
    fn reviewed(&self, settings: &Settings) -> BTreeMap<RuleId, verdicts::Score> {
        let mut scores: BTreeMap<RuleId, verdicts::Score> = BTreeMap::new();
        // A backtest makes no store where none is.
        if !settings.data.join(crate::store::DATABASE).is_file() {
            return scores;
        }
        let Ok(Answer::Rows(rows)) = super::ask_or_open(&self.file.config, Request::QuarantineDecided {}) else {
            return scores;
        };
        for row in rows {
            let Some(right) = row["state"].as_str().map(|state| state == "rejected") else { continue };
            for rule in row["rules"].as_array().into_iter().flatten().filter_map(|rule| rule.as_str()) {
                scores.entry(RuleId(rule.into())).or_default().add(right, true);
            }
        }
        scores
    }
}

enum Step {
    Seen(Box<Seen>),
    Unread(PathBuf, std::io::Error),
}

/// Messages read ahead of each thread that looks at them.
const AHEAD: usize = 2;

/// Looks at all messages on all processors, and hands them on in their order. At any time a few messages are in memory.
fn replay(boxes: &Mailboxes, bench: &Bench<'_>, mut take: impl FnMut(Step)) {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let (give_mail, mails) = sync_channel::<(u64, Mail)>(threads * AHEAD);
    let (give_step, steps) = sync_channel::<(u64, Step)>(threads * AHEAD);
    let mails = Mutex::new(mails);
    std::thread::scope(|scope| {
        let failed = give_step.clone();
        scope.spawn(move || {
            let next = std::cell::Cell::new(0u64);
            let number = || next.replace(next.get() + 1);
            boxes.each(
                |mail| match give_mail.send((number(), mail)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                },
                |path, why| drop(failed.send((number(), Step::Unread(path.to_owned(), why)))),
            );
        });
        for _ in 0..threads {
            let (mails, give_step) = (&mails, give_step.clone());
            scope.spawn(move || {
                while let Some((number, mail)) = next_of(mails) {
                    let seen = Box::new(bench.look(mail));
                    if give_step.send((number, Step::Seen(seen))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(give_step);
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        for (number, step) in steps {
            waiting.insert(number, step);
            while let Some(step) = waiting.remove(&next) {
                take(step);
                next += 1;
            }
        }
    });
}

fn next_of(mails: &Mutex<Receiver<(u64, Mail)>>) -> Option<(u64, Mail)> {
    mails.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// One line of `--format json`: a message.
fn line(seen: &Seen) -> serde_json::Value {
    let judged = |judged: &Judged| {
        let rules: BTreeMap<&str, serde_json::Value> = judged
            .rules
            .iter()
            .map(|(rule, seen)| {
                let [low, medium, high] = seen.values;
                let values = json!({"high": high, "medium": medium, "low": low});
                (&*rule.0, json!({"confidence": seen.confidence, "values": values, "draft": seen.draft}))
            })
            .collect();
        json!({"decision": judged.outcome, "policies": judged.policies, "watched": judged.watched, "rules": rules})
    };
    let values = |values: &[Value]| {
        let value = |value: &Value| json!({"rule": value.rule, "part": value.part, "masked": value.masked, "confidence": value.confidence});
        values.iter().map(value).collect::<Vec<_>>()
    };
    let mut line = json!({"message": seen.id, "in_force": judged(&seen.in_force)});
    if let Some(new) = &seen.new {
        line["new"] = judged(new);
        line["newly_caught"] = json!(values(&seen.caught));
        line["newly_missed"] = json!(values(&seen.missed));
    }
    line
}

/// The last line of `--format json`.
fn summary(report: &Report<'_>) -> serde_json::Value {
    let tally = report.tally;
    let decisions = |counts: &[u64; 6]| {
        Outcome::ALL.iter().map(|outcome| (outcome.word(), counts[*outcome as usize])).collect::<BTreeMap<_, _>>()
    };
    let score = |score: verdicts::Score| {
        json!({"right": score.right, "false_alarms": score.false_alarms, "not_found": score.not_found,
            "precision": score.precision(), "interval_95": score.interval()})
    };
    let counted = |counted: &tally::Counted| {
        let [low, medium, high] = counted.values;
        json!({"messages": counted.messages, "values": {"high": high, "medium": medium, "low": low}})
    };
    let with_new = report.new.is_some();
    let rules: BTreeMap<&str, serde_json::Value> = tally
        .rules
        .iter()
        .map(|(id, rule)| {
            let mut row = json!({"in_force": counted(&rule.in_force), "draft": rule.draft});
            if with_new {
                row["new"] = counted(&rule.new);
                row["newly_caught"] = json!(rule.caught);
                row["newly_missed"] = json!(rule.missed);
            }
            if rule.score_in_force != verdicts::Score::default() {
                row["judged_in_force"] = score(rule.score_in_force);
            }
            if rule.score_new != verdicts::Score::default() {
                row["judged_new"] = score(rule.score_new);
            }
            if let Some(reviewed) = tally.reviewed.get(id) {
                row["reviewed"] = score(*reviewed);
            }
            (&*id.0, row)
        })
        .collect();
    let policies: BTreeMap<&str, serde_json::Value> = tally
        .policies
        .iter()
        .map(|(id, policy)| {
            let mut row = json!({"in_force": policy.in_force, "watched": policy.watched});
            if with_new {
                row["new"] = json!(policy.new);
            }
            (&*id.0, row)
        })
        .collect();
    let patterns = |top: Vec<pattern::Frequent>| {
        let row = |one: &pattern::Frequent| {
            json!({"rule": one.pattern.rule, "shape": one.pattern.shape, "before": one.pattern.before,
                "after": one.pattern.after, "messages": one.messages})
        };
        top.iter().map(row).collect::<Vec<_>>()
    };
    let mut summary = json!({
        "messages": tally.messages, "octets": tally.octets, "skipped_files": report.skipped, "unread_files": report.unread,
        "ruleset_in_force": &*report.in_force.hash, "decisions_in_force": decisions(&tally.in_force),
        "rules": rules, "policies": policies, "patterns": patterns(tally.patterns.top(PATTERNS)),
        "false_alarm_patterns": patterns(tally.false_patterns.top(PATTERNS)),
        "milliseconds_in_force": tally.milliseconds().0,
    });
    if let Some(new) = report.new {
        summary["ruleset_new"] = json!(&*new.hash);
        summary["decisions_new"] = json!(decisions(&tally.new));
        summary["changes"] = tally.moves.iter().map(|((from, to), n)| json!({"from": from, "to": to, "messages": n})).collect();
        summary["newly_caught"] = json!({"values": tally.caught.values, "messages": tally.caught.messages});
        summary["newly_missed"] = json!({"values": tally.missed.values, "messages": tally.missed.messages});
        summary["less_strict"] = json!(tally.weaker);
        summary["milliseconds_new"] = json!(tally.milliseconds().1);
    }
    summary
}

/// Patterns that a report shows.
const PATTERNS: usize = 20;

/// Rules that found anything in either set, those that find most first.
fn rules_by_weight(tally: &Tally) -> Vec<(&RuleId, &tally::RuleTally)> {
    let judged = |rule: &tally::RuleTally| rule.score_in_force.not_found + rule.score_new.not_found > 0;
    let mut rules: Vec<_> = tally
        .rules
        .iter()
        .filter(|(_, rule)| judged(rule) || rule.in_force.values.iter().chain(&rule.new.values).any(|values| *values > 0))
        .collect();
    rules.sort_by_key(|(id, rule)| (std::cmp::Reverse(rule.in_force.messages.max(rule.new.messages)), (*id).clone()));
    rules
}

/// All policies that applied or watched, and those of the tried set that never did: an officer asks why.
fn policies<'t>(report: &Report<'t>) -> Vec<(String, tally::PolicyTally)> {
    let laws = report.new.unwrap_or(report.in_force);
    let mut ids: BTreeSet<String> = report.tally.policies.keys().map(|id| id.0.to_string()).collect();
    ids.extend(laws.policy.articles().iter().map(|article| article.id.0.to_string()));
    let tally = |id: &String| {
        let id = crate::policy::PolicyId(id.as_str().into());
        report.tally.policies.get(&id).copied().unwrap_or_default()
    };
    let mut rows: Vec<(String, tally::PolicyTally)> = ids.into_iter().map(|id| (id.clone(), tally(&id))).collect();
    rows.sort_by_key(|(id, policy)| (std::cmp::Reverse(policy.in_force.max(policy.new).max(policy.watched)), id.clone()));
    rows
}

/// A message's name as a report may show it: file names are content, and reports are passed on.
fn shown_id(report: &Report<'_>, id: &str) -> String {
    report.new.unwrap_or(report.in_force).rules.mask_name(id)
}

/// How decisions are called.
fn outcome_word(outcome: Outcome, language: Language) -> &'static str {
    match (language, outcome) {
        (Language::Fr, Outcome::Allow) => "envoyé",
        (Language::Fr, Outcome::Encrypt) => "chiffré",
        (Language::Fr, Outcome::Defer) => "différé",
        (Language::Fr, Outcome::Quarantine) => "retenu",
        (Language::Fr, Outcome::Block) => "refusé",
        (Language::Fr, Outcome::Unfit) => "malformé",
        (Language::En, Outcome::Allow) => "sent",
        (Language::En, Outcome::Encrypt) => "encrypted",
        (Language::En, Outcome::Defer) => "deferred",
        (Language::En, Outcome::Quarantine) => "held",
        (Language::En, Outcome::Block) => "refused",
        (Language::En, Outcome::Unfit) => "malformed",
    }
}

/// `9 99 99 · after "commande"` in words.
fn pattern_words(pattern: &pattern::Pattern, language: Language) -> String {
    let hidden = language::say(language, "(valeur jamais montrée)", "(value never shown)");
    let shape = if pattern.shape.is_empty() { hidden } else { &pattern.shape };
    let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "…".into());
    format!("{} [ {shape} ] {}", word(&pattern.before), word(&pattern.after))
}
