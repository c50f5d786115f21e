//! Turns the figures of a backtest into one page for a browser or a printer: no script, nothing fetched, every text escaped.

use super::bench::Outcome;
use super::chart::{self, Share, escaped};
use super::tally::Listed;
use super::text::said as share;
use super::verdicts::Score;
use super::{PATTERNS, Report, outcome_word, pattern_words, policies, rules_by_weight, shown_id};
use crate::cli::language::say;
use crate::mail::Language;
use std::fmt::Write;

const STYLE: &str = include_str!("report.css");
/// Bars of one chart; the table below has all.
const BARS: usize = 25;
/// Lines of one list.
const LINES: usize = 60;
/// Room for names beside bars, and the characters that fit there.
const RULE_NAMES: f64 = 330.0;
const RULE_ROOM: usize = 46;
const PATTERN_NAMES: f64 = 540.0;
const PATTERN_ROOM: usize = 70;

pub fn page(report: &Report<'_>) -> String {
    let t = |fr, en| say(report.language, fr, en);
    let title = match report.new {
        Some(_) => t("Règles en vigueur et nouvelles règles", "Rules in force and new rules"),
        None => t("Règles en vigueur", "Rules in force"),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{} · postern</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header><p class=\"over\">postern · {}</p><h1>{}</h1>",
        if report.language == Language::Fr { "fr" } else { "en" },
        escaped(title),
        t("essai à blanc", "backtest"),
        escaped(title),
    );
    let _ = write!(
        page,
        "<p class=\"sub\">{} {} · {}</p></header>",
        report.tally.messages,
        t("messages rejoués, rien n'a été envoyé", "messages replayed, nothing was sent"),
        t("aucune valeur trouvée ne figure dans cette page", "no value that was found stands in this page"),
    );
    cards(report, &mut page);
    decisions(report, &mut page);
    rules(report, &mut page);
    precision(report, &mut page);
    patterns(report, &mut page);
    policy_table(report, &mut page);
    if report.new.is_some() {
        changes(report, &mut page);
        listed(report, t("Nouvellement trouvé", "Newly caught"), &report.tally.caught, &mut page);
        listed(report, t("N'est plus trouvé", "Newly missed"), &report.tally.missed, &mut page);
    }
    foot(report, &mut page);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn card(page: &mut String, figure: impl std::fmt::Display, text: &str, class: &str) {
    let _ = write!(page, "<div class=\"card {class}\"><b>{figure}</b><span>{}</span></div>", escaped(text));
}

fn cards(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let tally = report.tally;
    page.push_str("<section class=\"cards\">");
    card(page, tally.messages, t("messages", "messages"), "");
    match report.new {
        Some(_) => {
            card(page, tally.moves.values().sum::<u64>(), t("décisions qui changent", "decisions that change"), "");
            card(page, tally.caught.values, t("valeurs nouvellement trouvées", "values newly caught"), "good");
            let class = if tally.missed.values > 0 { "bad" } else { "good" };
            card(page, tally.missed.values, t("valeurs qui ne sont plus trouvées", "values newly missed"), class);
            let class = if tally.weaker > 0 { "bad" } else { "good" };
            card(page, tally.weaker, t("messages traités moins strictement", "messages treated less strictly"), class);
        }
        None => {
            for outcome in [Outcome::Encrypt, Outcome::Quarantine, Outcome::Block] {
                card(page, tally.in_force[outcome as usize], outcome_word(outcome, report.language), outcome.word());
            }
        }
    }
    page.push_str("</section>");
}

fn decisions(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let shares = |counts: &[u64; 6]| {
        let share = |outcome: &Outcome| Share {
            name: outcome_word(*outcome, report.language),
            count: counts[*outcome as usize],
            class: outcome.word(),
        };
        Outcome::ALL.iter().map(share).collect::<Vec<_>>()
    };
    let mut rows = vec![(t("en vigueur", "in force"), shares(&report.tally.in_force))];
    if report.new.is_some() {
        rows.push((t("nouvelles", "new"), shares(&report.tally.new)));
    }
    let title = t("Décisions", "Decisions");
    let _ = write!(page, "<section><h2>{title}</h2>{}<p class=\"legend\">", chart::stacked(title, &rows));
    for outcome in Outcome::ALL {
        let (old, new) = (report.tally.in_force[outcome as usize], report.tally.new[outcome as usize]);
        if old + new > 0 {
            let figures = if report.new.is_some() { format!("{old} → {new}") } else { old.to_string() };
            let _ = write!(
                page,
                "<span><i class=\"{}\"></i>{} <b>{figures}</b></span>",
                outcome.word(),
                outcome_word(outcome, report.language)
            );
        }
    }
    page.push_str("</p></section>");
}

fn rules(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let rows = rules_by_weight(report.tally);
    let title = t("Règles", "Rules");
    let _ = write!(page, "<section><h2>{title}</h2>");
    if rows.is_empty() {
        let _ = write!(page, "<p>{}</p></section>", t("Rien n'a été trouvé.", "Nothing was found."));
        return;
    }
    let bars: Vec<_> = rows
        .iter()
        .take(BARS)
        .map(|(id, rule)| {
            let mut bars = vec![(rule.in_force.messages, "old")];
            if report.new.is_some() {
                bars.push((rule.new.messages, "new"));
            }
            (name_of(report, &id.0), bars)
        })
        .collect();
    let what = t(
        "messages où la règle trouve au moins une valeur à « medium » ou plus",
        "messages in which the rule finds a value at medium or above",
    );
    let _ = write!(page, "<p class=\"legend\"><span><i class=\"old\"></i>{}</span>", t("en vigueur", "in force"));
    if report.new.is_some() {
        let _ = write!(page, "<span><i class=\"new\"></i>{}</span>", t("nouvelles", "new"));
    }
    let _ = write!(page, "<span>{what}</span></p>{}", chart::bars(title, RULE_NAMES, &bars));
    let mut head = vec![t("règle", "rule"), t("messages", "messages"), "high", "medium", "low"];
    if report.new.is_some() {
        head.extend([t("messages", "messages"), "high", "medium", "low", t("trouvées", "caught"), t("perdues", "missed")]);
    }
    let groups = report.new.is_some().then(|| (t("en vigueur", "in force"), t("nouvelles", "new")));
    page.push_str("<table class=\"figures\"><thead>");
    if let Some((in_force, new)) = groups {
        let _ = write!(page, "<tr><th></th><th colspan=\"4\">{in_force}</th><th colspan=\"6\">{new}</th></tr>");
    }
    row(page, "th", head.iter().map(|cell| (*cell).to_owned()));
    page.push_str("</thead><tbody>");
    for (id, rule) in rows {
        let draft = if rule.draft { format!(" <em>{}</em>", t("brouillon", "draft")) } else { String::new() };
        let counted = |counted: &super::tally::Counted| {
            let [low, medium, high] = counted.values;
            [counted.messages, high, medium, low].map(figure)
        };
        let mut cells = vec![format!("<code>{}</code>{draft}", escaped(&id.0))];
        cells.extend(counted(&rule.in_force));
        if report.new.is_some() {
            cells.extend(counted(&rule.new));
            cells.push(if rule.caught > 0 { format!("<b class=\"good\">+{}</b>", rule.caught) } else { String::new() });
            cells.push(if rule.missed > 0 { format!("<b class=\"bad\">−{}</b>", rule.missed) } else { String::new() });
        }
        row(page, "td", cells);
    }
    page.push_str("</tbody></table></section>");
}

/// The rule's title in the reader's language; rules that are gone keep their name.
fn name_of(report: &Report<'_>, id: &str) -> String {
    let rule = report.new.and_then(|new| new.rules.rule(id)).or_else(|| report.in_force.rules.rule(id));
    let title = rule.map_or(id, |rule| say(report.language, &rule.title_fr, &rule.title_en));
    shortened(title, RULE_ROOM)
}

fn shortened(text: &str, room: usize) -> String {
    if text.chars().count() <= room { text.to_owned() } else { text.chars().take(room - 1).chain(['…']).collect() }
}

fn figure(count: u64) -> String {
    if count == 0 { "<span class=\"zero\">0</span>".into() } else { count.to_string() }
}

/// `cells` are markup already.
fn row(page: &mut String, tag: &str, cells: impl IntoIterator<Item = String>) {
    page.push_str("<tr>");
    for cell in cells {
        let _ = write!(page, "<{tag}>{cell}</{tag}>");
    }
    page.push_str("</tr>");
}

fn precision(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let mut rows: Vec<(String, &str, Score)> = Vec::new();
    for (id, rule) in &report.tally.rules {
        for (name, score) in [(t("en vigueur", "in force"), rule.score_in_force), (t("nouvelles", "new"), rule.score_new)] {
            if score != Score::default() {
                rows.push((id.0.to_string(), name, score));
            }
        }
    }
    let reviewers = t("examinateurs", "reviewers");
    rows.extend(report.tally.reviewed.iter().map(|(id, score)| (id.0.to_string(), reviewers, *score)));
    if rows.is_empty() {
        return;
    }
    let _ = write!(
        page,
        "<section><h2>{}</h2><p class=\"note\">{}</p><table class=\"figures\"><thead>",
        t("Précision", "Precision"),
        t(
            "Part des messages trouvés que des personnes ont jugés justes, et intervalle de Wilson à 95 %. Un message retenu puis libéré compte comme fausse alerte, un message rejeté comme juste.",
            "The share of the messages found that people judged right, with Wilson's interval at 95 %. A held message that was released counts as a false alarm, a rejected one as right."
        )
    );
    let head = [t("règle", "rule"), "", t("justes / jugées", "right / judged"), "", t("manquées", "not found")];
    row(page, "th", head.iter().map(|cell| (*cell).to_owned()));
    page.push_str("</thead><tbody>");
    for (id, name, score) in rows {
        let drawing = match (score.precision(), score.interval()) {
            (Some(precision), Some((low, high))) => chart::interval(precision, low, high),
            _ => String::new(),
        };
        row(
            page,
            "td",
            [format!("<code>{}</code>", escaped(&id)), name.to_owned(), share(score), drawing, figure(score.not_found)],
        );
    }
    page.push_str("</tbody></table></section>");
}

fn patterns(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let judged = report.tally.is_judged();
    let top = if judged { report.tally.false_patterns.top(PATTERNS) } else { report.tally.patterns.top(PATTERNS) };
    if top.is_empty() {
        return;
    }
    let title = match judged {
        true => t("Fausses alertes les plus fréquentes", "Most frequent false alarms"),
        false => t("Ce qui est trouvé le plus souvent", "What is found most often"),
    };
    let class = if judged { "block" } else { "old" };
    let bar = |one: &super::pattern::Frequent| {
        let name = format!("{} · {}", one.pattern.rule.0, pattern_words(&one.pattern, report.language));
        (shortened(&name, PATTERN_ROOM), vec![(one.messages, class)])
    };
    let bars: Vec<_> = top.iter().map(bar).collect();
    let _ = write!(
        page,
        "<section class=\"wide\"><h2>{title}</h2><p class=\"note\">{}</p>{}</section>",
        t(
            "La forme de la valeur (9 un chiffre, A une lettre) entre le mot qui la précède et celui qui la suit. Un mot n'apparaît que s'il revient dans au moins trois messages.",
            "The shape of the value (9 a digit, A a letter) between the word before and the word after. A word is shown only when it stands there in three messages or more."
        ),
        chart::bars(title, PATTERN_NAMES, &bars)
    );
}

fn changes(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let all: u64 = report.tally.moves.values().sum();
    let _ = write!(page, "<section><h2>{} <small>{all}</small></h2>", t("Décisions qui changent", "Decisions that change"));
    if all == 0 {
        let _ = write!(page, "<p>{}</p></section>", t("Aucune.", "None."));
        return;
    }
    page.push_str("<p class=\"legend\">");
    for ((from, to), messages) in &report.tally.moves {
        let _ = write!(page, "<span>{} <b>{messages}</b></span>", arrow(report.language, *from, *to));
    }
    page.push_str("</p><table><tbody>");
    for changed in report.tally.changed.iter().take(LINES) {
        let policies: Vec<String> = changed.policies.iter().map(|id| format!("<code>{}</code>", escaped(&id.0))).collect();
        let cells =
            [escaped(&shown_id(report, &changed.id)), arrow(report.language, changed.from, changed.to), policies.join(" ")];
        row(page, "td", cells);
    }
    page.push_str("</tbody></table>");
    more(report, all, LINES, page);
    page.push_str("</section>");
}

fn arrow(language: Language, from: Outcome, to: Outcome) -> String {
    let badge =
        |outcome: Outcome| format!("<span class=\"badge {}\">{}</span>", outcome.word(), outcome_word(outcome, language));
    format!("{} → {}", badge(from), badge(to))
}

fn listed(report: &Report<'_>, title: &str, listed: &Listed, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let _ = write!(
        page,
        "<section><h2>{title} <small>{} {}, {} {}</small></h2>",
        listed.values,
        t("valeurs", "values"),
        listed.messages,
        t("messages", "messages")
    );
    if listed.values == 0 {
        let _ = write!(page, "<p>{}</p></section>", t("Rien.", "Nothing."));
        return;
    }
    page.push_str("<table><thead>");
    row(
        page,
        "th",
        [t("message", "message"), t("règle", "rule"), "", t("valeur masquée", "masked value"), t("endroit", "place")]
            .map(str::to_owned),
    );
    page.push_str("</thead><tbody>");
    for (id, value) in listed.listed.iter().take(LINES) {
        let tier = crate::cli::report::said(&value.confidence);
        row(
            page,
            "td",
            [
                escaped(&shown_id(report, id)),
                format!("<code>{}</code>", escaped(&value.rule.0)),
                format!("<span class=\"tier {tier}\">{tier}</span>"),
                format!("<code>{}</code>", escaped(&value.masked)),
                escaped(&value.part),
            ],
        );
    }
    page.push_str("</tbody></table>");
    more(report, listed.values, LINES.min(listed.listed.len()), page);
    page.push_str("</section>");
}

fn more(report: &Report<'_>, all: u64, shown: usize, page: &mut String) {
    let rest = all.saturating_sub(shown as u64);
    if rest > 0 {
        let text = say(report.language, "autres : voir --format json", "more: see --format json");
        let _ = write!(page, "<p class=\"note\">{rest} {text}</p>");
    }
}

fn policy_table(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let laws = report.new.unwrap_or(report.in_force);
    let title_of = |id: &str| {
        let article = laws.policy.articles().iter().find(|article| &*article.id.0 == id);
        article.map_or(String::new(), |article| escaped(say(report.language, &article.title.fr, &article.title.en)))
    };
    let _ = write!(page, "<section><h2>{}</h2><table class=\"figures\"><thead>", t("Politiques", "Policies"));
    let mut head = vec![t("politique", "policy"), t("en vigueur", "in force")];
    if report.new.is_some() {
        head.push(t("nouvelles", "new"));
    }
    head.push(t("observées", "watched"));
    row(page, "th", head.into_iter().map(str::to_owned));
    page.push_str("</thead><tbody>");
    for (id, policy) in policies(report) {
        let mut cells = vec![
            format!("<code>{}</code><br><span class=\"note\">{}</span>", escaped(&id), title_of(&id)),
            figure(policy.in_force),
        ];
        if report.new.is_some() {
            cells.push(figure(policy.new));
        }
        cells.push(figure(policy.watched));
        row(page, "td", cells);
    }
    page.push_str("</tbody></table></section>");
}

fn foot(report: &Report<'_>, page: &mut String) {
    let t = |fr, en| say(report.language, fr, en);
    let (in_force, new) = report.tally.milliseconds();
    let _ = write!(
        page,
        "<footer><p>{}: {in_force:.2} ms",
        t("Temps de calcul par message, lecture comprise", "Processor time per message, reading included")
    );
    if report.new.is_some() {
        let _ = write!(page, " · {}: {new:.2} ms", t("nouvelles règles, lecture exclue", "new rules, reading excluded"));
    }
    let _ = write!(
        page,
        "</p><p>{} {} · {} {}</p><p>{}: <code>{}</code>",
        report.skipped,
        t("fichiers qui ne sont pas des messages", "files that are no messages"),
        report.unread,
        t("qui n'ont pas pu être ouverts", "that could not be opened"),
        t("jeu en vigueur", "set in force"),
        escaped(&report.in_force.hash)
    );
    if let Some(new) = report.new {
        let _ = write!(page, "<br>{}: <code>{}</code>", t("nouveau jeu", "new set"), escaped(&new.hash));
    }
    page.push_str("</p></footer>");
}

#[cfg(test)]
mod tests {
    use super::super::bench::Value;
    use super::super::tally::{Changed, Tally};
    use super::*;
    use crate::config::laws;
    use crate::detect::{Confidence, RuleId};
    use std::collections::BTreeSet;

    /// Names of files and mailboxes are chosen by strangers.
    #[test]
    fn a_name_from_outside_stays_text_and_a_number_in_it_is_hidden() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let laws = laws::load(&folder, &std::sync::Arc::from([])).unwrap();
        let name = "<script>alert(1)</script> 185057800608491.eml";
        let value = Value {
            rule: RuleId("fr-nir".into()),
            part: "<img src=x onerror=alert(1)>".into(),
            masked: "•••91".into(),
            confidence: Confidence::High,
        };
        let mut tally = Tally { messages: 1, ..Tally::default() };
        tally.moves.insert((Outcome::Allow, Outcome::Block), 1);
        tally.changed.push(Changed {
            id: name.into(),
            from: Outcome::Allow,
            to: Outcome::Block,
            policies: BTreeSet::from([crate::policy::PolicyId("\"><b>".into())]),
        });
        (tally.caught.values, tally.caught.messages) = (1, 1);
        tally.caught.listed.push((name.into(), value));
        for language in [Language::Fr, Language::En] {
            let report = Report { tally: &tally, in_force: &laws, new: Some(&laws), language, skipped: 0, unread: 0 };
            let page = page(&report);
            for wrong in ["<script", "<img", "<b>\"", "185057800608491"] {
                assert!(!page.contains(wrong), "{wrong}");
            }
            assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("default-src 'none'"));
            assert_eq!(page.matches("<section").count(), page.matches("</section>").count());
            assert_eq!(page.matches("<table").count(), page.matches("</table>").count());
            let of = say(language, "Nouvellement trouvé", "Newly caught");
            assert!(page.contains(of));
        }
    }
}
