//! `[lookup]`: who is asked for recipients' keys, in which order, and for how long.

use super::dns::DnsSettings;
use super::http::HttpSettings;
use super::ldap::LdapSettings;
use super::source::Source;
use super::wkd::WkdSettings;
use crate::mail::Domain;
use std::path::Path;

/// What the operator decides about look-ups.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LookupSettings {
    /// In this order, which is also that of trust: the first that has a usable key is believed, and one that fails before is a failure.
    pub sources: Vec<Source>,
    /// From RCPT on, for all sources of one address together.
    pub budget_seconds: u64,
    /// How long what was found is believed at most; it is asked for again before that.
    pub cache_hours: u32,
    /// How long it is believed that there is no key.
    pub absent_minutes: u32,
    /// Domains that are never asked over the network, with those below.
    pub not_asked: Vec<Domain>,
    /// Days before the end of a correspondent's key that the log tells of it.
    pub warn_days: u32,
    pub http: HttpSettings,
    pub wkd: WkdSettings,
    pub dns: DnsSettings,
    pub ldap: Vec<LdapSettings>,
}

impl Default for LookupSettings {
    fn default() -> LookupSettings {
        LookupSettings {
            sources: vec![Source::Folder],
            budget_seconds: 5,
            cache_hours: 24,
            absent_minutes: 60,
            not_asked: Vec::new(),
            warn_days: 30,
            http: HttpSettings::default(),
            wkd: WkdSettings::default(),
            dns: DnsSettings::default(),
            ldap: Vec::new(),
        }
    }
}

impl LookupSettings {
    /// What does not hold together: the setting's name, and what to write instead.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut between = |key: &'static str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                problems.push((key, format!("{key} = {value} does not work; write a number from {least} to {most}")));
            }
        };
        // RFC 5321 §4.5.3.2.6: a client waits ten minutes for the answer to its last dot; people wait for less.
        between("budget_seconds", self.budget_seconds, 1, 60);
        between("cache_hours", self.cache_hours.into(), 1, 720);
        between("absent_minutes", self.absent_minutes.into(), 1, 10_080);
        between("warn_days", self.warn_days.into(), 1, 365);
        for (number, source) in self.sources.iter().enumerate() {
            if self.sources[..number].contains(source) {
                problems.push(("sources", format!("sources names \"{source}\" twice; leave one out")));
            }
        }
        if self.sources.is_empty() {
            problems.push(("sources", "sources is empty; write sources = [\"folder\"]".to_owned()));
        }
        if self.asks(Source::Ldap) && self.ldap.is_empty() {
            problems.push((
                "sources",
                "sources names \"ldap\" and there is no [[lookup.ldap]]; see `postern config describe`".to_owned(),
            ));
        }
        if !self.asks(Source::Ldap) && !self.ldap.is_empty() {
            problems.push((
                "sources",
                "there is a [[lookup.ldap]] and sources does not name \"ldap\"; add it where it is to be asked".to_owned(),
            ));
        }
        problems
    }

    pub fn asks(&self, source: Source) -> bool {
        self.sources.contains(&source)
    }

    /// Paths as they stand in the file, from the folder of the file.
    pub fn resolve(&mut self, from: &Path) {
        let ldap = self.ldap.iter_mut().flat_map(|ldap| [&mut ldap.ca, &mut ldap.password_file]);
        for path in ldap.chain([&mut self.http.ca, &mut self.dns.trust_anchor]).flatten() {
            *path = from.join(&*path);
        }
    }
}
