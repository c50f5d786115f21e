//! Turns what receivers will ask about mail of ours (DKIM, DMARC, names of addresses) into findings.

use super::dmarc::{self as policy, Mode, Wish};
use super::{Answers, Finding, Found, House, Level, Line, OurKey, Ours, Phase, Said, SendsFrom, Topic};
use super::{finding, proposal, shown, unknown};
use crate::dkim::published::{Fault, Published, compare};
use crate::mail::Domain;
use std::net::IpAddr;

/// Whether verifiers find our keys.
pub fn dkim(ours: &Ours, answers: &Answers) -> Vec<Finding> {
    let mut findings: Vec<Finding> = ours.keys.iter().map(|key| dkim_key(key, answers)).collect();
    if ours.signed_by.is_none() {
        let said = Said::new(
            format!("le courrier de {} n'est pas signé, donc refusé (451) : ajoutez le domaine à [gate] inside", ours.domain),
            format!("mail of {} is not signed, and so refused (451): add the domain to [gate] inside", ours.domain),
        );
        findings.push(finding(Topic::Dkim, Level::Wrong, said));
    }
    findings
}

fn dkim_key(key: &OurKey, answers: &Answers) -> Finding {
    let name = &key.record.name;
    let texts = match answers.txt(name) {
        Found::Some(texts) => texts,
        Found::None { .. } => Vec::new(),
        Found::Failed(why) => return unknown(Topic::Dkim, name, &why),
    };
    let published = compare(&key.record, &texts);
    let say = |level, fr: String, en: String| finding(Topic::Dkim, level, Said::new(fr, en));
    let line = || Line::from(&key.record);
    let old = || texts.iter().filter(|text| text.contains("p=")).map(|text| Line::txt(name, text));
    let wrong = |fr: &str, en: &str| {
        // Of a key that signs: mail fails. Of one that waits or goes: nothing fails yet.
        let level = if key.phase == Phase::Signing { Level::Wrong } else { Level::Warning };
        say(level, format!("{name} {fr}"), format!("{name} {en}")).publish(line()).remove(old())
    };
    match (published, key.phase) {
        (Published::Ours { .. } | Published::Several(_) | Published::OtherKey | Published::Unusable(_), Phase::Retired) => {
            let found = say(
                Level::Note,
                format!(
                    "{name} est d'une clé retirée et détruite : publiez-la révoquée (p= vide), ou retirez l'enregistrement"
                ),
                format!(
                    "{name} is of a key that was retired and destroyed: publish it as revoked (an empty p=), or take the record out"
                ),
            );
            found.publish(proposal::revoked(name)).remove(old())
        }
        (Published::Absent | Published::Revoked, Phase::Retired) => say(
            Level::Right,
            format!("{name} n'est plus publié ; sa clé est retirée"),
            format!("{name} is published no more; its key is retired"),
        ),
        (Published::Ours { testing: true }, _) => say(
            Level::Warning,
            format!("{name} porte t=y (essai) : les destinataires peuvent ignorer nos signatures"),
            format!("{name} says t=y (testing): receivers may ignore our signatures"),
        )
        .publish(line())
        .remove(old()),
        (Published::Ours { .. }, phase) => {
            let (fr, en) = match phase {
                Phase::Waiting => (" ; elle attend son tour", "; it waits for its turn"),
                Phase::Retiring => (
                    " ; elle ne signe plus et doit rester publiée encore",
                    "; it signs no more and must stay published for now",
                ),
                Phase::Signing | Phase::Retired => ("", ""),
            };
            say(Level::Right, format!("{name} publie notre clé{fr}"), format!("{name} publishes our key{en}"))
        }
        (Published::Absent, Phase::Waiting) => say(
            Level::Note,
            format!("{name} n'est pas encore publié : la nouvelle clé ne signera qu'une fois visible"),
            format!("{name} is not published yet: the new key will sign only when it can be seen"),
        )
        .publish(line()),
        (Published::Absent, _) => wrong(
            "n'est pas publié : nos signatures ne peuvent pas être vérifiées",
            "is not published: our signatures cannot be verified",
        ),
        (Published::Revoked, _) => wrong(
            "est révoqué (p= vide) : toutes nos signatures sont nulles",
            "is revoked (an empty p=): all our signatures are void",
        ),
        (Published::Several(_), _) => wrong(
            "a plusieurs clés : les destinataires en prennent une au hasard",
            "has several keys: receivers take any of them",
        ),
        (Published::OtherKey, _) => wrong("publie une autre clé que la nôtre", "publishes another key than ours"),
        (Published::Unusable(fault), _) => {
            let (fr, en) = match fault {
                Fault::Syntax => (
                    "n'est pas lisible : ce n'est pas étiquette=valeur, séparé par des points-virgules",
                    "cannot be read: it is not tag=value, parted by semicolons",
                ),
                Fault::Version => ("ne commence pas par v=DKIM1", "does not begin with v=DKIM1"),
                Fault::Kind => ("annonce une clé d'un autre genre (k=)", "announces a key of another kind (k=)"),
                Fault::Hash => ("n'autorise pas sha256 (h=)", "does not allow sha256 (h=)"),
                Fault::Service => ("n'autorise pas le courrier (s=)", "does not allow mail (s=)"),
                Fault::NoKey => ("n'a pas de clé (p=)", "has no key (p=)"),
            };
            wrong(fr, en)
        }
    }
}

pub(super) fn dmarc(ours: &Ours, house: &House, answers: &Answers) -> Vec<Finding> {
    let domain = &ours.domain;
    let say = |level, fr: String, en: String| finding(Topic::Dmarc, level, Said::new(fr, en));
    if let policy::Here::Several(texts) = policy::record_at(domain, answers) {
        let name = format!("_dmarc.{domain}");
        let found = say(
            Level::Wrong,
            format!("{name} a {} enregistrements : les destinataires n'en croient aucun ; gardez-en un seul", texts.len()),
            format!("{name} has {} records: receivers believe none of them; keep a single one", texts.len()),
        );
        let kept = Line::txt(&name, texts.first().map(String::as_str).unwrap_or_default());
        return vec![found.publish(kept).remove(texts.iter().map(|text| Line::txt(&name, text)))];
    }
    let (at, record) = match policy::policy_of(domain, answers) {
        Err(why) => return vec![unknown(Topic::Dmarc, domain.as_str(), &why)],
        Ok(None) => {
            let found = say(
                Level::Wrong,
                format!(
                    "aucune politique DMARC ne vaut pour {domain} : de grands destinataires refusent ce courrier ; commencez par observer (p=none)"
                ),
                format!("no DMARC policy holds for {domain}: large receivers refuse such mail; begin by watching (p=none)"),
            );
            return vec![found.publish(proposal::dmarc(domain, house, "none"))];
        }
        Ok(Some(found)) => found,
    };
    let name = format!("_dmarc.{at}");
    let mut findings = Vec::new();
    for fault in &record.faults {
        use policy::Fault;
        findings.push(match fault {
            Fault::Syntax => say(
                Level::Wrong,
                format!("{name} : ce n'est pas étiquette=valeur partout, ou une étiquette y est deux fois ; beaucoup de destinataires ignorent alors tout"),
                format!("{name}: not everything in it is tag=value, or a tag stands twice; many receivers then ignore all of it"),
            ),
            Fault::NoPolicy => say(Level::Wrong, format!("{name} ne dit pas p= ; écrivez p=quarantine"), format!("{name} does not say p=; write p=quarantine")),
            Fault::Value("p", value) => say(
                Level::Wrong,
                format!("{name} : p={} n'existe pas ; écrivez none, quarantine ou reject", shown(value)),
                format!("{name}: there is no p={}; write none, quarantine or reject", shown(value)),
            ),
            Fault::Value(tag, value) => say(
                Level::Warning,
                format!("{name} : {tag}={} n'existe pas et sera ignoré", shown(value)),
                format!("{name}: there is no {tag}={}; it will be ignored", shown(value)),
            ),
            Fault::Removed(tag) => say(
                Level::Note,
                format!("{name} : {tag}= n'existe plus (RFC 9989) ; retirez-le{}", if *tag == "pct" { ", ou écrivez t=y pour un essai" } else { "" }),
                format!("{name}: {tag}= exists no more (RFC 9989); take it out{}", if *tag == "pct" { ", or write t=y to try" } else { "" }),
            ),
            Fault::Uri(uri) => say(
                Level::Warning,
                format!("{name} : {} n'est pas une adresse de la forme mailto:nom@domaine", shown(uri)),
                format!("{name}: {} is no address like mailto:name@domain", shown(uri)),
            ),
        });
    }
    let below = at != *domain;
    let asked = record.asks(below, true);
    match asked {
        Wish::None => {
            let (fr, en) = if record.testing { (" (t=y)", " (t=y)") } else { ("", "") };
            findings.push(
                say(
                    Level::Warning,
                    format!("{name} ne demande rien contre le courrier falsifié de {domain} (p=none){fr} ; quand les rapports sont bons, écrivez p=quarantine"),
                    format!("{name} asks for nothing against forged mail of {domain} (p=none){en}; when the reports look right, write p=quarantine"),
                )
                .publish(proposal::dmarc(domain, house, "quarantine")),
            );
        }
        wish => {
            let at = if below { format!(" ({name})") } else { String::new() };
            findings.push(say(
                Level::Right,
                format!("DMARC de {domain}{at} : {}", wish.word()),
                format!("DMARC of {domain}{at}: {}", wish.word()),
            ));
        }
    }
    if record.rua.is_empty() {
        findings.push(say(
            Level::Note,
            format!("{name} ne dit pas où envoyer les rapports (rua=) : personne ne vous dira ce qui échoue"),
            format!("{name} does not say where reports go (rua=): nobody will tell you what fails"),
        ));
    }
    findings.extend(permissions(&at, &record, answers));
    findings
}

/// Reports that go to another organisation need its word (RFC 9990 §4).
fn permissions(at: &Domain, record: &policy::Policy, answers: &Answers) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: Vec<Domain> = vec![at.clone()];
    for receiver in record.rua.iter().chain(&record.ruf).filter_map(|uri| policy::report_domain(uri)) {
        if seen.contains(&receiver) {
            continue;
        }
        seen.push(receiver.clone());
        match policy::aligned(at, &receiver, Mode::Relaxed, answers) {
            Ok(true) => continue,
            Ok(false) => {}
            Err(why) => {
                findings.push(unknown(Topic::Dmarc, receiver.as_str(), &why));
                continue;
            }
        }
        let name = policy::permission_name(at, &receiver);
        match answers.txt(&name) {
            Found::Some(texts) if texts.iter().any(|text| text.starts_with("v=DMARC1")) => {}
            Found::Failed(why) => findings.push(unknown(Topic::Dmarc, &name, &why)),
            Found::Some(_) | Found::None { .. } => {
                let said = Said::new(
                    format!(
                        "{receiver} n'a pas accepté les rapports sur {at} : on ne les lui enverra pas ; qu'il publie la ligne ci-dessous"
                    ),
                    format!(
                        "{receiver} has not agreed to get reports about {at}: nobody will send them; it has to publish the line below"
                    ),
                );
                findings.push(finding(Topic::Dmarc, Level::Warning, said).publish(proposal::permission(at, &receiver)));
            }
        }
    }
    findings
}

/// Whether `d=` and MAIL FROM speak for the From domain (RFC 9989 §4.4).
pub fn alignment(ours: &Ours, house: &House, answers: &Answers) -> Vec<Finding> {
    let domain = &ours.domain;
    let (at, record) = match policy::policy_of(domain, answers) {
        // Without a policy nothing needs to align; that there is none was told.
        Ok(None) => return Vec::new(),
        Ok(Some(found)) => found,
        Err(why) => return vec![unknown(Topic::Alignment, domain.as_str(), &why)],
    };
    let mut findings = Vec::new();
    let say = |level, fr: String, en: String| finding(Topic::Alignment, level, Said::new(fr, en));
    if let Some(signer) = &ours.signed_by {
        findings.push(match policy::aligned(domain, signer, record.adkim, answers) {
            Ok(true) => say(
                Level::Right,
                format!("les signatures de {domain} (d={signer}) sont alignées"),
                format!("signatures of {domain} (d={signer}) are aligned"),
            ),
            Ok(false) => {
                let strict = record.adkim == Mode::Strict;
                let (fr, en) = if strict { ("adkim=s l'exige", "adkim=s asks for it") } else { ("ce sont deux organisations", "these are two organisations") };
                say(
                    Level::Wrong,
                    format!("les signatures de {domain} portent d={signer} et ne sont pas alignées ({fr}, _dmarc.{at}) : écrivez [[dkim.domain]] name = \"{domain}\" pour que {domain} ait ses propres clés"),
                    format!("signatures of {domain} say d={signer} and are not aligned ({en}, _dmarc.{at}): write [[dkim.domain]] name = \"{domain}\", so that {domain} has keys of its own"),
                )
            }
            Err(why) => unknown(Topic::Alignment, domain.as_str(), &why),
        });
    }
    for sender in
        house.senders.iter().filter(|sender| *sender != domain && (sender.is_within(domain) || domain.is_within(sender)))
    {
        match policy::aligned(domain, sender, record.aspf, answers) {
            Ok(true) => {}
            Ok(false) => findings.push(say(
                Level::Note,
                format!("un message de {domain} envoyé avec un MAIL FROM de {sender} n'est pas aligné pour SPF : seule sa signature DKIM le défend"),
                format!("a message of {domain} sent with a MAIL FROM of {sender} is not aligned for SPF: its DKIM signature alone speaks for it"),
            )),
            Err(why) => findings.push(unknown(Topic::Alignment, sender.as_str(), &why)),
        }
    }
    findings
}

/// Each address has a name, and the name has the address (RFC 1912 §2.1): without that many refuse the connection.
pub(super) fn ptr(house: &House, answers: &Answers) -> Vec<Finding> {
    let (addresses, level) = match house.sends_from(answers) {
        SendsFrom::Said(addresses) => (addresses, Level::Wrong),
        SendsFrom::Guessed(addresses) => (addresses, Level::Warning),
        SendsFrom::Unknown => return Vec::new(),
    };
    let host = house.smarthost.as_deref().filter(|host| host.parse::<IpAddr>().is_err() && host.contains('.'));
    let host = host.unwrap_or(house.hostname.as_str());
    let mut findings = Vec::new();
    for address in addresses {
        let names = match answers.names_of(address) {
            Found::Failed(why) => {
                findings.push(unknown(Topic::Ptr, &address.to_string(), &why));
                continue;
            }
            Found::Some(names) => names,
            Found::None { .. } => Vec::new(),
        };
        let confirmed = names
            .iter()
            .take(10)
            .find(|name| answers.addresses_like(name, address).some().is_some_and(|found| found.contains(&address)));
        let name = super::answers::reverse_name(address);
        let line = |to: &str| Line { name: name.clone(), kind: "PTR", value: format!("{}.", to.trim_end_matches('.')) };
        findings.push(match (confirmed, names.first()) {
            (Some(found), _) => finding(
                Topic::Ptr,
                Level::Right,
                Said::new(format!("{address} s'appelle {}, qui y renvoie", shown(found)), format!("{address} is called {}, which leads back to it", shown(found))),
            ),
            (None, Some(first)) => {
                let kind = if address.is_ipv4() { "A" } else { "AAAA" };
                let said = Said::new(
                    format!("{address} s'appelle {}, qui ne renvoie pas à cette adresse : publiez son {kind}", shown(first)),
                    format!("{address} is called {}, which does not lead back to that address: publish its {kind}", shown(first)),
                );
                let forward = Line { name: shown(first), kind, value: address.to_string() };
                finding(Topic::Ptr, level, said).publish(forward)
            }
            (None, None) => {
                let said = Said::new(
                    format!("{address} n'a pas de nom (PTR) : beaucoup de destinataires refusent la connexion ; demandez-le à qui fournit l'adresse"),
                    format!("{address} has no name (PTR): many receivers refuse the connection; ask whoever provides the address"),
                );
                finding(Topic::Ptr, level, said).publish(line(host))
            }
        });
    }
    findings
}
