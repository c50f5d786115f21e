//! Turns a domain's SPF record into what is wrong with it for mail of ours, and the record to publish instead.

use super::spf::{self, BadTerm, Mechanism, Sender, Spf, Verdict, Why};
use super::spf_check::{self, MOST_LOOKUPS, MOST_VOID};
use super::{Answers, Finding, House, Level, Line, Said, SendsFrom, Topic, finding, proposal, shown, unknown};
use crate::mail::Domain;
use std::net::IpAddr;

/// Octets of an SPF record beyond which the answer may not fit into one packet with the other TXT records of the domain (RFC 7208 §3.4).
const COMFORTABLE_SPF: usize = 450;

pub(super) fn examine(domain: &Domain, house: &House, answers: &Answers) -> Vec<Finding> {
    let name = domain.as_str();
    let wrong = |fr: String, en: String| finding(Topic::Spf, Level::Wrong, Said::new(fr, en));
    let old = |text: &str| Line::txt(name, text);
    let text = match spf::record_at(name, answers) {
        spf::Here::Failed(why) => return vec![unknown(Topic::Spf, name, &why)],
        spf::Here::None => {
            let said = Said::new(
                format!("{name} n'a pas d'enregistrement SPF : n'importe qui peut envoyer en son nom ; publiez-en un"),
                format!("{name} has no SPF record: anybody may send in its name; publish one"),
            );
            return vec![finding(Topic::Spf, Level::Wrong, said).publish(old(&proposal::spf(house)))];
        }
        spf::Here::Several(texts) => {
            let found = wrong(
                format!(
                    "{name} a {} enregistrements SPF : les destinataires n'en croient aucun (permerror) ; gardez-en un seul",
                    texts.len()
                ),
                format!(
                    "{name} has {} SPF records: receivers believe none of them (permerror); keep a single one",
                    texts.len()
                ),
            );
            return vec![found.publish(old(&merged(&texts))).remove(texts.iter().map(|text| old(text)))];
        }
        spf::Here::One(text) => text,
    };
    let record = match Spf::parse(&text) {
        Ok(record) => record,
        Err(bad) => {
            let (fr, en) = bad_term(&bad);
            let found = wrong(
                format!(
                    "SPF de {name} : « {} » {fr} ; les destinataires ne croient rien de l'enregistrement (permerror)",
                    shown(&bad.term)
                ),
                format!("SPF of {name}: \"{}\" {en}; receivers believe nothing of the record (permerror)", shown(&bad.term)),
            );
            return vec![found.publish(old(&repaired(&text, &bad))).remove([old(&text)])];
        }
    };
    let mut findings = spf_shape(domain, &text, &record);
    findings.extend(spf_weight(domain, house, &record, answers));
    let (addresses, level) = match house.sends_from(answers) {
        SendsFrom::Said(addresses) => (addresses, Level::Wrong),
        SendsFrom::Guessed(addresses) => (addresses, Level::Warning),
        SendsFrom::Unknown => {
            let said = Said::new(
                "de quelles adresses notre courrier part n'est pas connu : écrivez-les dans [domains] sends_from pour que SPF et PTR soient vérifiés",
                "from which addresses our mail leaves is not known: write them into [domains] sends_from, so that SPF and PTR can be checked",
            );
            findings.push(finding(Topic::Spf, Level::Note, said));
            (Vec::new(), Level::Note)
        }
    };
    let mut text_with = text.clone();
    let mut missing: Vec<IpAddr> = Vec::new();
    for address in addresses {
        let sender = Sender { address, local: "postmaster", domain: name, helo: house.hostname.as_str() };
        let checked = spf_check::check(&sender, name, answers);
        match checked.verdict {
            Verdict::Pass => {
                let said = Said::new(
                    format!("SPF de {name} permet {address} ({}, {} requêtes)", shown(&checked.by), checked.lookups),
                    format!("SPF of {name} allows {address} ({}, {} look-ups)", shown(&checked.by), checked.lookups),
                );
                findings.push(finding(Topic::Spf, Level::Right, said));
            }
            Verdict::TempError => findings.push(unknown(Topic::Spf, name, &shown(&checked.by))),
            // Told already: whatever the address, it ends so.
            Verdict::PermError if findings.iter().any(|found| found.level == Level::Wrong) => {}
            verdict => {
                let by = shown(&checked.by);
                let (fr, en) = match level {
                    Level::Wrong => ("", ""),
                    _ => (
                        " (c'est l'adresse du relais ; s'il émet depuis une autre, écrivez-la dans [domains] sends_from)",
                        " (this is the smarthost's address; if it sends from another, write that into [domains] sends_from)",
                    ),
                };
                let said = Said::new(
                    format!("SPF de {name} ne permet pas {address}, d'où part notre courrier{fr} : {} {by}", verdict.word()),
                    format!("SPF of {name} does not allow {address}, from which our mail leaves{en}: {} {by}", verdict.word()),
                );
                findings.push(finding(Topic::Spf, level, said));
                missing.push(address);
            }
        }
    }
    // One line to publish, with all that is missing.
    for address in missing {
        text_with = with_term(&text_with, &proposal::ip(address));
    }
    if text_with != text
        && let Some(last) = findings.iter_mut().rev().find(|found| found.level == level)
    {
        last.publish.push(old(&text_with));
        last.remove.push(old(&text));
    }
    findings
}

/// What is wrong with a record by itself, however it is used.
fn spf_shape(domain: &Domain, text: &str, record: &Spf) -> Vec<Finding> {
    let name = domain.as_str();
    let mut findings = Vec::new();
    let mut say = |level, fr: String, en: String, better: Option<String>| {
        let mut found = finding(Topic::Spf, level, Said::new(fr, en));
        if let Some(better) = better {
            found = found.publish(Line::txt(name, better)).remove([Line::txt(name, text)]);
        }
        findings.push(found);
    };
    match record.all().map(|all| (all.qualifier, all.text.as_str())) {
        Some((Verdict::Pass, term)) => say(
            Level::Wrong,
            format!("SPF de {name} finit par « {term} » : toute machine du monde peut envoyer en son nom"),
            format!("SPF of {name} ends in \"{term}\": every machine in the world may send in its name"),
            Some(with_all(text, "-all")),
        ),
        Some((Verdict::Neutral, _)) => say(
            Level::Warning,
            format!("SPF de {name} finit par « ?all » : il n'interdit rien"),
            format!("SPF of {name} ends in \"?all\": it forbids nothing"),
            Some(with_all(text, "-all")),
        ),
        Some(_) => {}
        None if record.redirect.is_none() => say(
            Level::Warning,
            format!("SPF de {name} ne finit pas par « -all » : il n'interdit rien"),
            format!("SPF of {name} does not end in \"-all\": it forbids nothing"),
            Some(format!("{} -all", text.trim_end())),
        ),
        None => {}
    }
    if record.all().is_some() && record.redirect.is_some() {
        say(
            Level::Warning,
            format!("SPF de {name} : « redirect= » n'est jamais suivi à côté de « all » ; retirez l'un des deux"),
            format!("SPF of {name}: \"redirect=\" is never followed beside \"all\"; take one of them out"),
            None,
        );
    }
    let behind = record.directives.iter().skip_while(|directive| directive.mechanism != Mechanism::All).skip(1);
    let behind: Vec<&str> = behind.map(|directive| directive.text.as_str()).collect();
    if !behind.is_empty() {
        say(
            Level::Warning,
            format!("SPF de {name} : ce qui suit « all » n'est jamais lu : {}", shown(&behind.join(" "))),
            format!("SPF of {name}: what follows \"all\" is never read: {}", shown(&behind.join(" "))),
            None,
        );
    }
    if record.directives.iter().any(|directive| matches!(directive.mechanism, Mechanism::Ptr(_))) {
        say(
            Level::Warning,
            format!("SPF de {name} utilise « ptr », que la norme déconseille (RFC 7208 §5.5) ; écrivez des adresses"),
            format!("SPF of {name} uses \"ptr\", which the standard advises against (RFC 7208 §5.5); write addresses"),
            None,
        );
    }
    if text.len() > COMFORTABLE_SPF {
        say(
            Level::Note,
            format!(
                "SPF de {name} a {} octets : au-delà de {COMFORTABLE_SPF}, la réponse peut ne plus tenir dans un paquet",
                text.len()
            ),
            format!("SPF of {name} has {} octets: beyond {COMFORTABLE_SPF} the answer may not fit into one packet", text.len()),
            None,
        );
    }
    findings
}

/// What a record costs receivers.
fn spf_weight(domain: &Domain, house: &House, record: &Spf, answers: &Answers) -> Vec<Finding> {
    let name = domain.as_str();
    let sender =
        Sender { address: IpAddr::from([192, 0, 2, 1]), local: "postmaster", domain: name, helo: house.hostname.as_str() };
    let weight = spf_check::weigh(record, &sender, name, answers);
    let mut findings = Vec::new();
    let mut wrong = |fr: String, en: String| findings.push(finding(Topic::Spf, Level::Wrong, Said::new(fr, en)));
    if let Some(circle) = &weight.circle {
        wrong(
            format!("SPF de {name} tourne en rond par {} : les destinataires n'en croient rien (permerror)", shown(circle)),
            format!("SPF of {name} runs in a circle through {}: receivers believe none of it (permerror)", shown(circle)),
        );
    }
    for broken in &weight.broken {
        wrong(
            format!(
                "SPF de {name} inclut un enregistrement absent ou faux : {} ; retirez-le ou faites-le corriger",
                shown(broken)
            ),
            format!(
                "SPF of {name} includes a record that is missing or wrong: {}; take it out or have it mended",
                shown(broken)
            ),
        );
    }
    if weight.lookups > MOST_LOOKUPS {
        wrong(
            format!(
                "SPF de {name} demande {} requêtes DNS, et {MOST_LOOKUPS} sont permises : au-delà, permerror ; remplacez des include, a et mx par des ip4 et ip6",
                weight.lookups
            ),
            format!(
                "SPF of {name} asks for {} DNS look-ups, and {MOST_LOOKUPS} are allowed: beyond is a permerror; write ip4 and ip6 instead of some include, a and mx",
                weight.lookups
            ),
        );
    }
    if weight.void.len() > MOST_VOID {
        wrong(
            format!(
                "SPF de {name} demande {} noms qui n'existent pas, et {MOST_VOID} sont permis ; retirez : {}",
                weight.void.len(),
                shown(&weight.void.join(", "))
            ),
            format!(
                "SPF of {name} asks for {} names that do not exist, and {MOST_VOID} are allowed; take out: {}",
                weight.void.len(),
                shown(&weight.void.join(", "))
            ),
        );
    } else if !weight.void.is_empty() {
        let said = Said::new(
            format!("SPF de {name} demande des noms qui n'existent pas ; retirez : {}", shown(&weight.void.join(", "))),
            format!("SPF of {name} asks for names that do not exist; take out: {}", shown(&weight.void.join(", "))),
        );
        findings.push(finding(Topic::Spf, Level::Warning, said));
    }
    findings.extend(weight.failed.iter().map(|failed| unknown(Topic::Spf, failed, "SPF")));
    findings
}

fn bad_term(bad: &BadTerm) -> (&'static str, &'static str) {
    match bad.why {
        Why::Unknown => (
            "n'est aucun mécanisme (connus : ip4, ip6, a, mx, include, exists, all)",
            "is no mechanism (known are: ip4, ip6, a, mx, include, exists, all)",
        ),
        Why::Argument => {
            ("a ce qui manque ou ce qui est de trop après « : »", "lacks what follows the \":\", or has too much of it")
        }
        Why::Network => {
            ("n'est pas une adresse avec une longueur de préfixe juste", "is no address with a right prefix length")
        }
        Why::Domain => ("ne nomme pas un domaine", "names no domain"),
        Why::Twice => ("est écrit deux fois", "is written twice"),
        Why::Characters => (
            "contient des caractères interdits, ou l'enregistrement est trop long",
            "has characters that are not allowed, or the record is too long",
        ),
    }
}

/// The record without the wrong term, or with what was meant by it.
fn repaired(text: &str, bad: &BadTerm) -> String {
    let terms = text.split(' ').filter(|term| !term.is_empty()).filter_map(|term| {
        if !term.starts_with(bad.term.as_str()) {
            return Some(term.to_owned());
        }
        let meant = match term.parse::<IpAddr>() {
            Ok(address) => proposal::ip(address),
            Err(_) => term.replace("ipv4:", "ip4:").replace("ipv6:", "ip6:").replace("redirect:", "redirect="),
        };
        Spf::parse(&format!("v=spf1 {meant}")).is_ok().then_some(meant)
    });
    terms.collect::<Vec<_>>().join(" ")
}

/// All directives of several records in one, with the strictest end.
fn merged(texts: &[String]) -> String {
    let mut terms: Vec<&str> = Vec::new();
    let mut strict = false;
    for term in texts.iter().flat_map(|text| text.split(' ').skip(1)).filter(|term| !term.is_empty()) {
        match term.to_ascii_lowercase().as_str() {
            "-all" => strict = true,
            "all" | "+all" | "?all" | "~all" => {}
            _ if !terms.contains(&term) => terms.push(term),
            _ => {}
        }
    }
    let all = if strict { "-all" } else { "~all" };
    ["v=spf1"].into_iter().chain(terms).chain([all]).collect::<Vec<_>>().join(" ")
}

fn is_all(term: &str) -> bool {
    term.trim_start_matches(['+', '-', '?', '~']).eq_ignore_ascii_case("all")
}

fn with_all(text: &str, all: &str) -> String {
    let terms = text.split(' ').filter(|term| !term.is_empty() && !is_all(term));
    terms.chain([all]).collect::<Vec<_>>().join(" ")
}

/// The record with one term more, before its `all` or redirect.
fn with_term(text: &str, term: &str) -> String {
    let mut terms: Vec<&str> = text.split(' ').filter(|term| !term.is_empty()).collect();
    let end = terms.iter().position(|term| is_all(term) || term.to_ascii_lowercase().starts_with("redirect="));
    terms.insert(end.unwrap_or(terms.len()), term);
    terms.join(" ")
}
