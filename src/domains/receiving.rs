//! Turns what others ask before they send us mail, or show it (MX, MTA-STS, TLSRPT, BIMI, WKD), into findings.

use super::dmarc::{self, Wish};
use super::mta_sts::{self, Mode, Policy};
use super::{Answers, Finding, Found, House, Level, Line, Said, Topic, finding, proposal, shown, unknown};
use crate::dkim::tags::Tags;
use crate::mail::Domain;
use std::net::IpAddr;

/// Hosts of one domain that are looked at.
const MOST_HOSTS: usize = 20;
/// Seconds below which a policy protects nobody: senders forget it before they write again.
const SHORT_AGE: u32 = 86_400;

pub(super) fn examine(domain: &Domain, house: &House, answers: &Answers) -> Vec<Finding> {
    let (mut findings, hosts) = mx(domain, answers);
    findings.extend(mta_sts(domain, house, &hosts, answers));
    findings.extend(tls_rpt(domain, house, answers));
    findings.extend(bimi(domain, answers));
    findings.push(wkd(domain, answers));
    findings
}

/// A domain that sends gets answers and bounces. Also its hosts, by preference.
fn mx(domain: &Domain, answers: &Answers) -> (Vec<Finding>, Vec<String>) {
    let say = |level, fr: String, en: String| finding(Topic::Mx, level, Said::new(fr, en));
    let found = match answers.mx(domain.as_str()) {
        Found::Failed(why) => return (vec![unknown(Topic::Mx, domain.as_str(), &why)], Vec::new()),
        Found::None { .. } => {
            let found = match answers.addresses(domain.as_str()) {
                Found::Some(_) => say(
                    Level::Note,
                    format!("{domain} n'a pas de MX : on lui écrit à son adresse même"),
                    format!("{domain} has no MX: it is written to at its own address"),
                ),
                Found::Failed(why) => unknown(Topic::Mx, domain.as_str(), &why),
                Found::None { .. } => say(
                    Level::Wrong,
                    format!("{domain} n'a ni MX ni adresse : ni réponses ni avis de non-remise n'arrivent, et beaucoup refusent son courrier"),
                    format!("{domain} has neither MX nor address: no answers and no bounces arrive, and many refuse its mail"),
                )
                .publish(Line { name: domain.to_string(), kind: "MX", value: format!("10 mail.{domain}.") }),
            };
            return (vec![found], vec![domain.to_string()]);
        }
        Found::Some(found) => found,
    };
    if found.iter().any(|(_, host)| host.is_empty()) {
        let found = say(
            Level::Wrong,
            format!("{domain} dit ne pas recevoir de courrier (MX nul, RFC 7505) : qui n'en reçoit pas ne doit pas en envoyer"),
            format!("{domain} says that it takes no mail (null MX, RFC 7505): who takes none is not to send any"),
        );
        return (vec![found], Vec::new());
    }
    let hosts: Vec<String> = found.into_iter().map(|(_, host)| host).take(MOST_HOSTS).collect();
    let mut findings = Vec::new();
    for host in &hosts {
        let shown = shown(host);
        if host.parse::<IpAddr>().is_ok() {
            findings.push(say(
                Level::Wrong,
                format!("le MX de {domain} est une adresse ({shown}) : écrivez un nom d'hôte"),
                format!("the MX of {domain} is an address ({shown}): write a host name"),
            ));
            continue;
        }
        match answers.addresses(host) {
            Found::Some(_) => {
                if answers.alias(host).some().is_some() {
                    findings.push(say(
                        Level::Warning,
                        format!("le MX {shown} de {domain} est un alias (CNAME), ce que la RFC 2181 §10.3 interdit"),
                        format!("the MX {shown} of {domain} is an alias (CNAME), which RFC 2181 §10.3 forbids"),
                    ));
                }
            }
            Found::None { .. } => findings.push(say(
                Level::Wrong,
                format!("le MX {shown} de {domain} n'a pas d'adresse"),
                format!("the MX {shown} of {domain} has no address"),
            )),
            Found::Failed(why) => findings.push(unknown(Topic::Mx, &shown, &why)),
        }
    }
    if findings.is_empty() {
        findings.push(say(
            Level::Right,
            format!("{domain} reçoit son courrier sur {}", shown(&hosts.join(", "))),
            format!("{domain} gets its mail at {}", shown(&hosts.join(", "))),
        ));
    }
    (findings, hosts)
}

fn mta_sts(domain: &Domain, house: &House, hosts: &[String], answers: &Answers) -> Vec<Finding> {
    let say = |level, fr: String, en: String| finding(Topic::MtaSts, level, Said::new(fr, en));
    let line = || proposal::mta_sts(domain, house);
    let url = mta_sts::url(domain.as_str());
    match mta_sts::record_at(domain.as_str(), answers) {
        mta_sts::Here::Failed(why) => return vec![unknown(Topic::MtaSts, &format!("_mta-sts.{domain}"), &why)],
        mta_sts::Here::None => {
            let file = proposal::mta_sts_policy(hosts, "testing").replace('\n', " / ");
            let said = Said::new(
                format!(
                    "{domain} n'a pas de MTA-STS : qui nous écrit peut être amené à le faire en clair ; mettez d'abord à {url} : {file}"
                ),
                format!(
                    "{domain} has no MTA-STS: who writes to us can be made to do so in clear text; first put at {url}: {file}"
                ),
            );
            return vec![finding(Topic::MtaSts, Level::Note, said).publish(line())];
        }
        mta_sts::Here::Bad(text) => {
            let found = say(
                Level::Wrong,
                format!(
                    "_mta-sts.{domain} n'est pas un enregistrement unique avec un id de 1 à 32 lettres et chiffres : {}",
                    shown(&text)
                ),
                format!("_mta-sts.{domain} is no single record with an id of 1 to 32 letters and digits: {}", shown(&text)),
            );
            return vec![
                found.publish(line()).remove(text.split("  |  ").map(|text| Line::txt(format!("_mta-sts.{domain}"), text))),
            ];
        }
        mta_sts::Here::One(_) => {}
    }
    let text = match answers.page(&url) {
        Found::Some(text) => text,
        Found::Failed(why) => {
            return vec![say(
                Level::Wrong,
                format!("{url} ne se laisse pas lire ({}) : la politique annoncée n'existe pas", shown(&why)),
                format!("{url} cannot be read ({}): the policy that is announced does not exist", shown(&why)),
            )];
        }
        // Being asked.
        Found::None { .. } => return Vec::new(),
    };
    let policy = match Policy::parse(&text) {
        Ok(policy) => policy,
        Err(bad) => {
            let file = proposal::mta_sts_policy(hosts, "testing").replace('\n', " / ");
            return vec![say(
                Level::Wrong,
                format!("{url} n'est pas une politique (« {} ») ; écrivez : {file}", shown(&bad.0)),
                format!("{url} is no policy (\"{}\"); write: {file}", shown(&bad.0)),
            )];
        }
    };
    let mut findings = Vec::new();
    // A null MX has no hosts, and one that is asked for has none yet.
    for host in hosts.iter().filter(|host| policy.mode != Mode::None && !policy.allows(host)) {
        let level = if policy.mode == Mode::Enforce { Level::Wrong } else { Level::Warning };
        findings.push(
            say(
                level,
                format!(
                    "{url} n'admet pas le MX {} : on ne lui livrera rien ; ajoutez « mx: {} » et changez l'id",
                    shown(host),
                    shown(host)
                ),
                format!(
                    "{url} does not admit the MX {}: nothing will be delivered there; add \"mx: {}\" and change the id",
                    shown(host),
                    shown(host)
                ),
            )
            .publish(line()),
        );
    }
    if policy.mode != Mode::None && policy.max_age < SHORT_AGE {
        findings.push(say(
            Level::Warning,
            format!("{url} ne vaut que {} secondes ; écrivez max_age: 604800 ou plus", policy.max_age),
            format!("{url} holds for {} seconds only; write max_age: 604800 or more", policy.max_age),
        ));
    }
    findings.push(match policy.mode {
        Mode::Enforce => say(Level::Right, format!("MTA-STS de {domain} : enforce"), format!("MTA-STS of {domain}: enforce")),
        Mode::Testing => say(
            Level::Note,
            format!("MTA-STS de {domain} : testing ; quand les rapports TLS sont bons, écrivez mode: enforce et changez l'id"),
            format!("MTA-STS of {domain}: testing; when the TLS reports look right, write mode: enforce and change the id"),
        ),
        Mode::None => say(
            Level::Note,
            format!("MTA-STS de {domain} : none, donc sans effet"),
            format!("MTA-STS of {domain}: none, so without effect"),
        ),
    });
    findings
}

/// RFC 8460 §3.
fn tls_rpt(domain: &Domain, house: &House, answers: &Answers) -> Vec<Finding> {
    let name = format!("_smtp._tls.{domain}");
    let say = |level, fr: String, en: String| finding(Topic::TlsRpt, level, Said::new(fr, en));
    let texts: Vec<String> = match answers.txt(&name) {
        Found::Failed(why) => return vec![unknown(Topic::TlsRpt, &name, &why)],
        Found::None { .. } => Vec::new(),
        Found::Some(texts) => texts.into_iter().filter(|text| text.starts_with("v=TLSRPTv1")).collect(),
    };
    let line = || proposal::tls_rpt(domain, house);
    let found = match &texts[..] {
        [] => say(
            Level::Note,
            format!("{name} n'est pas publié : personne ne vous dira quand TLS vers vous échoue"),
            format!("{name} is not published: nobody will tell you when TLS towards you fails"),
        )
        .publish(line()),
        [one] => {
            let tags = Tags::parse(one).ok().filter(|tags| tags.begins_with("v", "TLSRPTv1"));
            let uris: Vec<&str> = tags
                .as_ref()
                .and_then(|tags| tags.get("rua"))
                .into_iter()
                .flat_map(|rua| rua.split(','))
                .map(str::trim)
                .collect();
            let right = |uri: &&str| {
                dmarc::report_domain(uri).is_some() || uri.strip_prefix("https://").is_some_and(|rest| rest.contains('.'))
            };
            if !uris.is_empty() && uris.iter().all(right) {
                say(
                    Level::Right,
                    format!("{name} : rapports vers {}", shown(&uris.join(", "))),
                    format!("{name}: reports go to {}", shown(&uris.join(", "))),
                )
            } else {
                say(
                    Level::Wrong,
                    format!("{name} ne dit pas où envoyer les rapports (rua=mailto:… ou https://…)"),
                    format!("{name} does not say where reports go (rua=mailto:… or https://…)"),
                )
                .publish(line())
                .remove([Line::txt(&name, one)])
            }
        }
        several => say(
            Level::Wrong,
            format!("{name} a {} enregistrements : ils ne valent rien ; gardez-en un seul", several.len()),
            format!("{name} has {} records: they count for nothing; keep a single one", several.len()),
        )
        .publish(line())
        .remove(several.iter().map(|text| Line::txt(&name, text))),
    };
    vec![found]
}

/// draft-brand-indicators-for-message-identification §4.
fn bimi(domain: &Domain, answers: &Answers) -> Vec<Finding> {
    let name = format!("default._bimi.{domain}");
    let say = |level, fr: String, en: String| finding(Topic::Bimi, level, Said::new(fr, en));
    let texts: Vec<String> = match answers.txt(&name) {
        Found::Failed(why) => return vec![unknown(Topic::Bimi, &name, &why)],
        Found::None { .. } => Vec::new(),
        Found::Some(texts) => texts.into_iter().filter(|text| text.starts_with("v=BIMI1")).collect(),
    };
    let [one] = &texts[..] else {
        return match texts.len() {
            // Nobody needs a logo.
            0 => Vec::new(),
            many => vec![say(
                Level::Wrong,
                format!("{name} a {many} enregistrements : aucun logo ne sera montré ; gardez-en un seul"),
                format!("{name} has {many} records: no logo will be shown; keep a single one"),
            )],
        };
    };
    let Some(tags) = Tags::parse(one).ok().filter(|tags| tags.begins_with("v", "BIMI1")) else {
        return vec![say(
            Level::Wrong,
            format!("{name} n'est pas lisible : {}", shown(one)),
            format!("{name} cannot be read: {}", shown(one)),
        )];
    };
    let (logo, mark) = (tags.get("l").unwrap_or_default(), tags.get("a").unwrap_or_default());
    if logo.is_empty() && mark.is_empty() {
        return vec![say(
            Level::Right,
            format!("{name} : le domaine ne veut pas de logo"),
            format!("{name}: the domain wants no logo"),
        )];
    }
    let mut findings = Vec::new();
    let path = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    if !logo.starts_with("https://") || !(path(logo).ends_with(".svg") || path(logo).ends_with(".svgz")) {
        findings.push(say(
            Level::Wrong,
            format!("{name} : l= doit être l'adresse https:// d'un fichier .svg (SVG Tiny PS)"),
            format!("{name}: l= must be the https:// address of an .svg file (SVG Tiny PS)"),
        ));
    }
    if mark.is_empty() {
        findings.push(say(
            Level::Note,
            format!(
                "{name} n'a pas de certificat de marque (a=, VMC ou CMC) : Gmail et Apple ne montrent pas le logo sans lui"
            ),
            format!("{name} has no mark certificate (a=, VMC or CMC): Gmail and Apple do not show the logo without one"),
        ));
    } else if !mark.starts_with("https://") || !path(mark).ends_with(".pem") {
        findings.push(say(
            Level::Wrong,
            format!("{name} : a= doit être l'adresse https:// d'un fichier .pem"),
            format!("{name}: a= must be the https:// address of a .pem file"),
        ));
    }
    let enforced = match dmarc::policy_of(domain, answers) {
        // At the organisation the policy for what is below may not be none either.
        Ok(Some((at, policy))) => {
            policy.asks(at != *domain, true) != Wish::None && policy.sp != Some(Wish::None) && !policy.testing
        }
        Ok(None) => false,
        Err(why) => return vec![unknown(Topic::Bimi, domain.as_str(), &why)],
    };
    if !enforced {
        findings.push(say(
            Level::Wrong,
            format!("{name} : aucun logo n'est montré tant que DMARC de {domain} ne dit pas p=quarantine ou p=reject, sans sp=none ni t=y"),
            format!("{name}: no logo is shown while DMARC of {domain} does not say p=quarantine or p=reject, without sp=none or t=y"),
        ));
    }
    if findings.is_empty() {
        findings.push(say(Level::Right, format!("{name} : {}", shown(logo)), format!("{name}: {}", shown(logo))));
    }
    findings
}

/// Only whether there is a host for the directory: what it serves is asked by `postern keys find`.
fn wkd(domain: &Domain, answers: &Answers) -> Finding {
    let host = format!("openpgpkey.{domain}");
    match answers.addresses(&host) {
        Found::Some(_) => finding(
            Topic::Wkd,
            Level::Right,
            Said::new(
                format!(
                    "{host} existe : l'annuaire de clés OpenPGP (WKD) y est cherché ; remplissez-le avec postern keys wkd export"
                ),
                format!(
                    "{host} exists: the OpenPGP key directory (WKD) is looked for there; fill it with postern keys wkd export"
                ),
            ),
        ),
        Found::None { .. } => finding(
            Topic::Wkd,
            Level::Note,
            Said::new(
                format!(
                    "{host} n'existe pas : pour que vos correspondants trouvent vos clés OpenPGP, publiez-le et servez-y ce qu'écrit postern keys wkd export"
                ),
                format!(
                    "{host} does not exist: for your correspondents to find your OpenPGP keys, publish it and serve there what postern keys wkd export writes"
                ),
            ),
        ),
        Found::Failed(why) => unknown(Topic::Wkd, &host, &why),
    }
}
