//! `[dkim]`: which domains sign with which keys, for how long, and how keys follow each other.

use crate::mail::Domain;
use std::path::PathBuf;

/// What the operator decides about signatures.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Days for which a signature is good (`x=`); 0: without end.
    pub signature_days: u32,
    /// How often DNS is asked about keys that follow each other, while some do.
    pub ask_seconds: u32,
    /// For how long a new key must have been seen in DNS before it signs: whoever asked before keeps "there is none" for a while.
    pub settle_minutes: u32,
    /// Days for which an old key's record stays after the switch: mail that it signed is still on its way.
    pub retire_days: u32,
    /// Domains that are not as the others.
    pub domain: Vec<DomainSettings>,
}

/// `[[dkim.domain]]`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct DomainSettings {
    /// One of `inside`, or below one.
    pub name: Domain,
    /// A folder of `<selector>.pem`; left out: `keys/dkim/<name>/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
    /// The keys that sign, an RSA and an Ed25519 one; empty: the gate chooses and can rotate.
    #[serde(default)]
    pub selectors: Vec<String>,
    /// Instead of the general one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_days: Option<u32>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { signature_days: 14, ask_seconds: 60, settle_minutes: 60, retire_days: 21, domain: Vec::new() }
    }
}

impl Settings {
    /// What does not hold together: the number of the `[[dkim.domain]]` it is about (`None`: `[dkim]` itself), the setting's name, and what to
    /// write instead.
    pub fn problems(&self, inside: &[Domain]) -> Vec<(Option<usize>, &'static str, String)> {
        let mut problems = Vec::new();
        let mut between = |nth: Option<usize>, key: &'static str, value: u32, least: u32, most: u32| {
            if !(least..=most).contains(&value) {
                problems.push((nth, key, format!("{key} = {value} does not work; write a number from {least} to {most}")));
            }
        };
        between(None, "ask_seconds", self.ask_seconds, 1, 86_400);
        between(None, "settle_minutes", self.settle_minutes, 0, 14 * 24 * 60);
        between(None, "retire_days", self.retire_days, 1, 365);
        let all = self.domain.iter().enumerate().filter_map(|(nth, one)| Some((Some(nth), one.signature_days?)));
        for (nth, days) in std::iter::once((None, self.signature_days)).chain(all.collect::<Vec<_>>()) {
            // Our own spool keeps a copy for up to five days, and the next server as long again: a signature that ends before is none.
            match days {
                0 => {}
                1..=6 => problems.push((
                    nth,
                    "signature_days",
                    format!("signature_days = {days} is less than mail may be on its way; write 7 or more, or 0 for signatures without end"),
                )),
                8.. if days > 365 => problems.push((nth, "signature_days", format!("signature_days = {days} does not work; write a number from 7 to 365, or 0 for signatures without end"))),
                days if days > self.retire_days => problems.push((
                    nth,
                    "signature_days",
                    format!(
                        "signatures are good for {days} days, and retire_days = {} takes their key back before; write retire_days = {days} or more",
                        self.retire_days
                    ),
                )),
                _ => {}
            }
        }
        for (nth, one) in self.domain.iter().enumerate() {
            if !inside.iter().any(|ours| one.name.is_within(ours)) {
                problems.push((
                    Some(nth),
                    "name",
                    format!(
                        "{} is none of our domains: nothing is signed for others; add it to [gate] inside or leave it out",
                        one.name
                    ),
                ));
            }
            if self.domain[..nth].iter().any(|other| other.name == one.name) {
                problems.push((Some(nth), "name", format!("there are two [[dkim.domain]] \"{}\"; make one of them", one.name)));
            }
            if let Some(wrong) = one.selectors.iter().find(|selector| !is_selector(selector)) {
                let shown: String = wrong.chars().filter(|c| c.is_ascii_graphic()).take(63).collect();
                problems.push((
                    Some(nth),
                    "selectors",
                    format!("\"{shown}\" is no DKIM selector: write letters, digits and hyphens, such as s2026a"),
                ));
            }
            if !one.selectors.is_empty() && one.selectors.len() != 2 {
                problems.push((
                    Some(nth),
                    "selectors",
                    "selectors are two: the one of an RSA key and the one of an Ed25519 key; write both, or leave them out"
                        .to_owned(),
                ));
            }
        }
        problems
    }

    pub fn of(&self, domain: &Domain) -> Option<&DomainSettings> {
        self.domain.iter().find(|one| one.name == *domain)
    }

    /// Seconds for which a domain's signatures are good; `None`: without end.
    pub fn good_for(&self, domain: &Domain) -> Option<i64> {
        let days = self.of(domain).and_then(|one| one.signature_days).unwrap_or(self.signature_days);
        (days > 0).then_some(i64::from(days) * 86_400)
    }

    /// All domains that have keys: `inside`, then those that are named here.
    pub fn domains(&self, inside: &[Domain]) -> Vec<Domain> {
        let mut domains = inside.to_vec();
        domains.extend(self.domain.iter().map(|one| one.name.clone()).filter(|name| !inside.contains(name)));
        domains
    }
}

/// A piece of a domain name (RFC 6376 §3.1).
pub fn is_selector(text: &str) -> bool {
    text.len() <= 63 && Domain::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_said() {
        let inside = [Domain::parse("example.org").unwrap()];
        let said = |text: &str| {
            let settings: Settings = toml::from_str(text).unwrap();
            settings.problems(&inside).into_iter().map(|(nth, key, _)| (nth, key)).collect::<Vec<_>>()
        };
        for (text, expected) in [
            ("", &[][..]),
            ("signature_days = 0", &[]),
            ("signature_days = 3", &[(None, "signature_days")]),
            ("signature_days = 30", &[(None, "signature_days")]),
            ("signature_days = 30\nretire_days = 30", &[]),
            ("signature_days = 4000\nretire_days = 365", &[(None, "signature_days")]),
            ("ask_seconds = 0\nretire_days = 0\nsignature_days = 0", &[(None, "ask_seconds"), (None, "retire_days")]),
            ("[[domain]]\nname = \"a.example.org\"", &[]),
            ("[[domain]]\nname = \"example.com\"", &[(Some(0), "name")]),
            ("[[domain]]\nname = \"notexample.org\"", &[(Some(0), "name")]),
            ("[[domain]]\nname = \"example.org\"\n[[domain]]\nname = \"example.org\"", &[(Some(1), "name")]),
            ("[[domain]]\nname = \"example.org\"\nselectors = [\"a b\", \"c\"]", &[(Some(0), "selectors")]),
            ("[[domain]]\nname = \"example.org\"\nselectors = [\"a\"]", &[(Some(0), "selectors")]),
            ("[[domain]]\nname = \"example.org\"\nsignature_days = 60", &[(Some(0), "signature_days")]),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
        assert!(toml::from_str::<Settings>("[[domain]]\nname = \"example.org\"\nselector = \"a\"").is_err());
    }
}
