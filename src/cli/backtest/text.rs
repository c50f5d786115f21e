//! Turns the figures of a backtest into a page for a terminal.

use super::bench::Outcome;
use super::tally::Listed;
use super::verdicts::Score;
use super::{PATTERNS, Report, outcome_word, pattern_words, policies, rules_by_weight, shown_id};
use crate::cli::language::say;
use crate::cli::report::{Paint, aligned};

/// Lines of one list.
const LINES: usize = 25;
/// Lines of one message.
const OF_ONE: usize = 3;

pub fn page(report: &Report<'_>) -> String {
    let t = |fr, en| say(report.language, fr, en);
    let tally = report.tally;
    let mut page = format!(
        "{} {} ({} MB)\n",
        Paint::Bold.on(tally.messages),
        t("messages rejoués, rien n'est envoyé", "messages replayed, nothing is sent"),
        tally.octets.div_ceil(1_000_000)
    );
    if report.skipped + report.unread > 0 {
        page.push_str(&format!(
            "{} {}, {} {}\n",
            report.skipped,
            t("fichiers ne sont pas des messages", "files are no messages"),
            report.unread,
            t("n'ont pas pu être ouverts", "could not be opened")
        ));
    }
    decisions(report, &mut page);
    rules(report, &mut page);
    precision(report, &mut page);
    policy_table(report, &mut page);
    if report.new.is_some() {
        changes(report, &mut page);
        listed(report, t("Nouvellement trouvé", "Newly caught"), &tally.caught, &mut page);
        listed(report, t("N'est plus trouvé", "Newly missed"), &tally.missed, &mut page);
    }
    patterns(report, &mut page);
    let (in_force, new) = tally.milliseconds();
    page.push_str(&format!(
        "\n{}: {in_force:.2} ms",
        t("temps par message, lecture comprise", "time per message, reading included")
    ));
    if report.new.is_some() {
        page.push_str(&format!("; {}: {new:.2} ms", t("nouvelles règles, lecture exclue", "new rules, reading excluded")));
    }
    page.push('\n');
    page
}

fn heading(page: &mut String, text: &str) {
    page.push_str(&format!("\n{}\n", Paint::Bold.on(text)));
}

/// Headings and rows below each other; the first column is a name.
fn table(page: &mut String, head: &[&str], rows: Vec<Vec<String>>) {
    let lines = std::iter::once(head.iter().map(|cell| (*cell).to_owned()).collect()).chain(rows);
    for line in aligned(lines.collect()).lines() {
        page.push_str(&format!("  {line}\n"));
    }
}

fn decisions(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    heading(page, t("Décisions", "Decisions"));
    let mut rows = Vec::new();
    for outcome in Outcome::ALL {
        let (old, new) = (report.tally.in_force[outcome as usize], report.tally.new[outcome as usize]);
        if old + new == 0 {
            continue;
        }
        let mut row = vec![outcome_word(outcome, report.language).to_owned(), old.to_string()];
        if report.new.is_some() {
            row.extend([new.to_string(), signed(old, new)]);
        }
        rows.push(row);
    }
    let in_force = t("en vigueur", "in force");
    match report.new {
        Some(_) => table(page, &["", in_force, t("nouvelles", "new"), ""], rows),
        None => table(page, &["", in_force], rows),
    }
}

fn signed(old: u64, new: u64) -> String {
    match new.cmp(&old) {
        std::cmp::Ordering::Equal => String::new(),
        std::cmp::Ordering::Greater => format!("+{}", new - old),
        std::cmp::Ordering::Less => format!("-{}", old - new),
    }
}

fn rules(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    heading(page, t("Règles (messages ; valeurs fortes / moyennes / faibles)", "Rules (messages; values high / medium / low)"));
    let mut rows = Vec::new();
    for (id, rule) in rules_by_weight(report.tally) {
        let name = if rule.draft { format!("{} ({})", id.0, t("brouillon", "draft")) } else { id.0.to_string() };
        let values = |[low, medium, high]: [u64; 3]| format!("{high} / {medium} / {low}");
        let mut row = vec![name, rule.in_force.messages.to_string(), values(rule.in_force.values)];
        if report.new.is_some() {
            row.extend([rule.new.messages.to_string(), values(rule.new.values)]);
            row.push(if rule.caught > 0 { format!("+{}", rule.caught) } else { String::new() });
            row.push(if rule.missed > 0 { format!("-{}", rule.missed) } else { String::new() });
        }
        rows.push(row);
    }
    if rows.is_empty() {
        page.push_str(&format!("  {}\n", t("rien n'a été trouvé", "nothing was found")));
        return;
    }
    let (in_force, values) = (t("en vigueur", "in force"), t("valeurs", "values"));
    match report.new {
        Some(_) => {
            let head = ["", in_force, values, t("nouvelles", "new"), values, t("trouvées", "caught"), t("perdues", "missed")];
            table(page, &head, rows);
        }
        None => table(page, &["", in_force, values], rows),
    }
}

fn precision(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let mut rows = Vec::new();
    for (id, rule) in &report.tally.rules {
        let sets = [(t("en vigueur", "in force"), rule.score_in_force), (t("nouvelles", "new"), rule.score_new)];
        for (name, score) in sets {
            if score != Score::default() {
                rows.push(vec![id.0.to_string(), name.to_owned(), said(score), score.not_found.to_string()]);
            }
        }
    }
    for (id, score) in &report.tally.reviewed {
        rows.push(vec![id.0.to_string(), t("examinateurs", "reviewers").to_owned(), said(*score), String::new()]);
    }
    if !rows.is_empty() {
        heading(page, t("Précision, d'après les avis connus", "Precision, by the verdicts that are known"));
        let head = ["", "", t("justes / jugées (95 %)", "right / judged (95 %)"), t("manquées", "not found")];
        table(page, &head, rows);
    }
}

/// `18/20 = 90 % (70–97)`
pub fn said(score: Score) -> String {
    match (score.precision(), score.interval()) {
        (Some(precision), Some((low, high))) => {
            let percent = |share: f64| (share * 100.0).round();
            format!("{}/{} = {} % ({}–{})", score.right, score.judged(), percent(precision), percent(low), percent(high))
        }
        _ => "–".into(),
    }
}

fn policy_table(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    heading(page, t("Politiques (messages)", "Policies (messages)"));
    let mut rows = Vec::new();
    for (id, policy) in policies(report) {
        let mut row = vec![id, policy.in_force.to_string()];
        if report.new.is_some() {
            row.push(policy.new.to_string());
        }
        row.push(if policy.watched > 0 { policy.watched.to_string() } else { String::new() });
        rows.push(row);
    }
    let (in_force, watched) = (t("en vigueur", "in force"), t("observées", "watched"));
    match report.new {
        Some(_) => table(page, &["", in_force, t("nouvelles", "new"), watched], rows),
        None => table(page, &["", in_force, watched], rows),
    }
}

fn changes(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let all: u64 = report.tally.moves.values().sum();
    heading(page, &format!("{}: {all}", t("Décisions qui changent", "Decisions that change")));
    for changed in report.tally.changed.iter().take(LINES) {
        let policies: Vec<&str> = changed.policies.iter().map(|id| &*id.0).collect();
        page.push_str(&format!(
            "  {}: {} → {}  {}\n",
            shown_id(report, &changed.id),
            outcome_word(changed.from, report.language),
            Paint::Bold.on(outcome_word(changed.to, report.language)),
            Paint::Faint.on(policies.join(", "))
        ));
    }
    more(report, page, all, LINES);
}

fn listed(report: &Report<'_>, title: &str, listed: &Listed, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    heading(
        page,
        &format!("{title}: {} {}, {} {}", listed.values, t("valeurs", "values"), listed.messages, t("messages", "messages")),
    );
    let mut shown = 0;
    for (n, (id, value)) in listed.listed.iter().enumerate() {
        // A few of each message, so that one table does not hide all others.
        let of_this = listed.listed[..n].iter().rev().take_while(|(before, _)| before == id).count();
        if shown == LINES || of_this >= OF_ONE {
            continue;
        }
        shown += 1;
        page.push_str(&format!(
            "  {}: {} ({})  {}  {}\n",
            shown_id(report, id),
            value.rule.0,
            crate::cli::report::said(&value.confidence),
            value.masked,
            value.part
        ));
    }
    more(report, page, listed.values, shown);
}

fn more(report: &Report<'_>, page: &mut String, all: u64, shown: usize) {
    let rest = all.saturating_sub(shown as u64);
    if rest > 0 {
        let and = say(report.language, "et encore", "and");
        let how = say(report.language, "(toutes : --format json)", "more (all: --format json)");
        page.push_str(&format!("  {and} {rest} {how}\n"));
    }
}

fn patterns(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let judged = report.tally.is_judged();
    let top = if judged { report.tally.false_patterns.top(PATTERNS) } else { report.tally.patterns.top(PATTERNS) };
    if top.is_empty() {
        return;
    }
    heading(
        page,
        match judged {
            true => t("Fausses alertes les plus fréquentes", "Most frequent false alarms"),
            false => {
                t("Ce qui est trouvé le plus souvent (à relire d'abord)", "What is found most often (look at these first)")
            }
        },
    );
    let row = |one: &super::pattern::Frequent| {
        vec![one.messages.to_string(), one.pattern.rule.0.to_string(), pattern_words(&one.pattern, report.language)]
    };
    let head =
        [t("messages", "messages"), t("règle", "rule"), t("mot avant [ forme ] mot après", "word before [ shape ] word after")];
    table(page, &head, top.iter().map(row).collect());
}
