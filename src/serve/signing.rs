//! Turns settings, key files and DNS into the signers of all our domains, while their keys follow each other.

use super::{CannotServe, aside};
use crate::config::Settings;
use crate::dkim;
use crate::dkim::published::{Published, compare};
use crate::domains::{Answer, Data, House, Kind, OurKey, Ours, Phase, Question};
use crate::lookup::records::Records;
use crate::mail::{Domain, UnixTime};
use crate::relay::settings::Way;
use crate::vault::{self, DkimKey, DkimState, Pace, Sighting, Step, Vault, VaultError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked whether another process has begun or ended a rotation.
const ROWS_EVERY: Duration = Duration::from_secs(2);

/// The DKIM keys of all our domains, made where they are missing.
pub fn dkim_signers(vault: &Vault, settings: &Settings) -> Result<dkim::Signers, CannotServe> {
    Ok(dkim::Signers::new(all_signers(vault, settings)?))
}

fn all_signers(vault: &Vault, settings: &Settings) -> Result<Vec<dkim::Signer>, CannotServe> {
    settings.dkim.domains(&settings.inside).iter().map(|domain| signer(vault, settings, domain)).collect()
}

/// The keys of one of our domains, made where they are missing.
pub fn signer(vault: &Vault, settings: &Settings, domain: &Domain) -> Result<dkim::Signer, CannotServe> {
    let keys = vault.dkim_keys_as(domain, settings.dkim.of(domain))?;
    let (rsa, ed25519) = (&keys.rsa_selector, &keys.ed25519_selector);
    let signer = dkim::Signer::new(domain.clone(), rsa, &keys.rsa_pem, ed25519, &keys.ed25519_der)?;
    Ok(signer.good_for(settings.dkim.good_for(domain)))
}

/// The same, and the records of those that were made just now.
pub(super) fn new_signers(vault: &Vault, settings: &Settings) -> Result<(dkim::Signers, Vec<dkim::Record>), CannotServe> {
    let mut known = BTreeSet::new();
    for domain in settings.dkim.domains(&settings.inside) {
        for file in vault.dkim_files(&domain, settings.dkim.of(&domain))? {
            let selector = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            known.insert(format!("{selector}._domainkey.{domain}"));
        }
    }
    let signers = dkim_signers(vault, settings)?;
    let mut made = Vec::new();
    for signer in signers.iter() {
        made.extend(signer.records()?.into_iter().filter(|record| !known.contains(&record.name)));
    }
    Ok((signers, made))
}

/// Whether the gate may choose this domain's keys, or the settings have.
pub fn rotates(settings: &Settings, domain: &Domain) -> bool {
    settings.dkim.of(domain).is_none_or(|said| said.selectors.is_empty())
}

pub fn pace(settings: &Settings) -> Pace {
    Pace { settle: i64::from(settings.dkim.settle_minutes) * 60, retire: i64::from(settings.dkim.retire_days) * 86_400 }
}

/// Takes each step of each domain's row when DNS shows that it may be taken, and signs with what signs then. Ends never.
pub(super) async fn follow_rows(settings: Settings, vault: Arc<Vault>, signers: Arc<dkim::Signers>) {
    let settings = Arc::new(settings);
    let domains: Vec<Domain> =
        settings.dkim.domains(&settings.inside).into_iter().filter(|domain| rotates(&settings, domain)).collect();
    let marks = || domains.iter().map(|domain| vault.dkim_mark(domain)).collect::<Vec<_>>();
    let mut seen = marks();
    let mut next = Instant::now();
    // One complaint about one fault is enough.
    let mut complained = String::new();
    loop {
        let now = marks();
        if now != seen {
            let (settings, vault) = (settings.clone(), vault.clone());
            match aside(move || all_signers(&vault, &settings)).await {
                Ok(Ok(new)) => {
                    signers.replace(new);
                    tracing::info!("DKIM keys changed and were loaded again");
                    (seen, next) = (now, Instant::now());
                }
                Ok(Err(why)) | Err(why) => {
                    complain(&mut complained, format!("DKIM keys changed and were NOT loaded: the old ones sign on: {why}"));
                }
            }
        }
        if Instant::now() >= next {
            next = Instant::now() + Duration::from_secs(settings.dkim.ask_seconds.into());
            for domain in domains.iter().filter(|domain| vault.dkim_mark(domain).is_some()) {
                match step(&settings, &vault, domain).await {
                    Ok(steps) => tell(domain, &steps),
                    Err(why) => complain(&mut complained, format!("the DKIM keys of {domain} cannot be followed: {why}")),
                }
            }
        }
        tokio::time::sleep(ROWS_EVERY.min(Duration::from_secs(settings.dkim.ask_seconds.into()))).await;
    }
}

fn complain(before: &mut String, why: String) {
    if *before != why {
        tracing::error!("{why}");
        *before = why;
    }
}

fn tell(domain: &Domain, steps: &[Step]) {
    for step in steps {
        let (selector, name) = (&step.selector, format!("{}._domainkey.{domain}", step.selector));
        match step.to {
            Some(DkimState::Signing) => tracing::warn!(%domain, selector, "this DKIM key signs from now on"),
            Some(DkimState::Retired) => {
                tracing::warn!(%domain, selector, "this DKIM key is retired and destroyed; publish its record as revoked: {name}. IN TXT \"v=DKIM1; p=\"")
            }
            Some(state) => tracing::info!(%domain, selector, ?state, "a DKIM key went on"),
            None => tracing::info!(%domain, selector, "the record of a retired DKIM key is gone"),
        }
    }
}

/// Looks at DNS for one domain's keys and takes the steps that are due.
pub async fn step(settings: &Settings, vault: &Arc<Vault>, domain: &Domain) -> Result<Vec<Step>, CannotServe> {
    let said = settings.dkim.of(domain).cloned();
    let keys = aside({
        let (vault, domain, said) = (vault.clone(), domain.clone(), said.clone());
        move || vault.dkim_row(&domain, said.as_ref())
    });
    let keys = keys.await??;
    let resolvers = Records::of_each(&settings.lookup.dns.servers).map_err(CannotServe::Lookup)?;
    let seen = sightings(&resolvers, domain, &keys).await;
    let (vault, domain, pace) = (vault.clone(), domain.clone(), pace(settings));
    Ok(aside(move || vault.dkim_advance(&domain, said.as_ref(), &seen, pace)).await??)
}

/// What every resolver shows of the keys that move.
pub async fn sightings(resolvers: &[Records], domain: &Domain, keys: &[DkimKey]) -> BTreeMap<String, Sighting> {
    let mut seen = BTreeMap::new();
    for key in keys.iter().filter(|key| key.is_moving()) {
        let record = key.record(domain);
        let mut each = Vec::new();
        for resolver in resolvers {
            let found = match resolver.ask(&Question::Dns(record.name.to_ascii_lowercase(), Kind::Txt)).await {
                Answer::Records(records) => Some(records),
                Answer::Nothing | Answer::NoSuchName => Some(Vec::new()),
                Answer::Page(_) | Answer::Failed(_) => None,
            };
            let texts = found.map(|records| {
                records
                    .into_iter()
                    .filter_map(|data| if let Data::Txt(text) = data { Some(text) } else { None })
                    .collect::<Vec<_>>()
            });
            each.push(texts.map(|texts| compare(&record, &texts)));
        }
        let all = |is: fn(&Published) -> bool| each.iter().all(|one| one.as_ref().is_some_and(is));
        let sighting = if each.is_empty() || each.contains(&None) {
            Sighting::Failed
        } else if all(|one| matches!(one, Published::Ours { .. })) {
            Sighting::Ours
        } else if all(|one| matches!(one, Published::Absent | Published::Revoked)) {
            Sighting::Gone
        } else {
            Sighting::NotOurs
        };
        seen.insert(key.selector.clone(), sighting);
    }
    seen
}

/// The keys of a domain as they are, without making any: those that the settings name sign, where they name some.
pub fn keys_of(settings: &Settings, domain: &Domain, now: UnixTime) -> Result<Vec<DkimKey>, VaultError> {
    let said = settings.dkim.of(domain);
    let mut keys = vault::dkim_row(&settings.data, &settings.keys, domain, said, now)?;
    if let Some(selectors) = said.map(|said| &said.selectors).filter(|selectors| !selectors.is_empty()) {
        for key in &mut keys {
            key.state = if selectors.contains(&key.selector) { DkimState::Signing } else { DkimState::Unused };
        }
    }
    Ok(keys)
}

/// Everything about one domain that its records are judged by.
pub fn ours(settings: &Settings, domain: &Domain, now: UnixTime) -> Result<Ours, VaultError> {
    let signing = settings.dkim.domains(&settings.inside);
    let signed_by = signing.iter().filter(|ours| domain.is_within(ours)).max_by_key(|ours| ours.as_str().len()).cloned();
    let mut keys = Vec::new();
    if signed_by.as_ref() == Some(domain) {
        for key in keys_of(settings, domain, now)? {
            let phase = match key.state {
                DkimState::Made | DkimState::Visible => Phase::Waiting,
                DkimState::Signing => Phase::Signing,
                DkimState::Retiring => Phase::Retiring,
                DkimState::Retired => Phase::Retired,
                DkimState::Unused => continue,
            };
            keys.push(OurKey { record: key.record(domain), phase });
        }
    }
    Ok(Ours { domain: domain.clone(), signed_by, keys })
}

/// What all our domains have in common.
pub fn house(settings: &Settings, now: UnixTime) -> House {
    let smarthost = match &settings.way {
        Way::Smarthost(host) => Some(host.host.clone()),
        Way::Capture(_) => None,
    };
    let today = now.rfc3339().chars().take(10).filter(char::is_ascii_digit).collect();
    House {
        hostname: settings.hostname.clone(),
        smarthost,
        settings: settings.domains.clone(),
        senders: domains(settings),
        today,
    }
}

/// The domains that may send: ours, those with keys of their own, and those of the relays before us.
pub fn domains(settings: &Settings) -> Vec<Domain> {
    let mut domains = settings.dkim.domains(&settings.inside);
    for sender in settings.listeners.iter().flat_map(|listener| &listener.senders) {
        if !domains.contains(sender) {
            domains.push(sender.clone());
        }
    }
    domains
}
