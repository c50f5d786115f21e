//! Turns the record and the policy file of MTA-STS into what senders of mail to us hold themselves to (RFC 8461).

use super::answers::{Answers, Found};
use crate::dkim::tags::Tags;

/// What stands at `_mta-sts.<domain>` (§3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Here {
    None,
    /// The policy's number.
    One(String),
    /// Several, or one that is none: senders then see no policy.
    Bad(String),
    Failed(String),
}

pub fn record_at(domain: &str, answers: &Answers) -> Here {
    let texts = match answers.txt(&format!("_mta-sts.{domain}")) {
        Found::Some(texts) => texts,
        Found::None { .. } => return Here::None,
        Found::Failed(why) => return Here::Failed(why),
    };
    let records: Vec<String> = texts.into_iter().filter(|text| text.starts_with("v=STSv1")).collect();
    match &records[..] {
        [] => Here::None,
        [one] => {
            let tags = Tags::parse(one).ok().filter(|tags| tags.begins_with("v", "STSv1"));
            let id = tags
                .as_ref()
                .and_then(|tags| tags.get("id"))
                .filter(|id| (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric()));
            id.map_or_else(|| Here::Bad(one.clone()), |id| Here::One(id.to_owned()))
        }
        several => Here::Bad(several.join("  |  ")),
    }
}

/// Where the policy is (§3.3).
pub fn url(domain: &str) -> String {
    format!("https://mta-sts.{domain}/.well-known/mta-sts.txt")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Enforce,
    Testing,
    None,
}

/// A policy file (§3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    /// Host names or `*.example.org`; empty only with mode none.
    pub mx: Vec<String>,
    /// Seconds, up to 31_557_600.
    pub max_age: u32,
}

/// Why a policy is none: the line, or what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPolicy(pub String);

const LONGEST_AGE: u32 = 31_557_600;
/// Lines of a file that are read.
const MOST_LINES: usize = 1_000;

impl Policy {
    /// Lines end in CRLF or LF; of a field that may stand once the first counts, unknown ones are passed over.
    pub fn parse(text: &str) -> Result<Policy, BadPolicy> {
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in
            text.split('\n').take(MOST_LINES).map(|line| line.trim_end_matches('\r')).filter(|line| !line.trim().is_empty())
        {
            let bad = || BadPolicy(line.chars().take(80).collect());
            let (key, value) = line.split_once(':').ok_or_else(bad)?;
            let value = value.trim();
            match key.trim() {
                "version" => {
                    version.get_or_insert(value);
                }
                "mode" if mode.is_none() => {
                    mode = Some(match value {
                        "enforce" => Mode::Enforce,
                        "testing" => Mode::Testing,
                        "none" => Mode::None,
                        _ => return Err(bad()),
                    });
                }
                "max_age" if max_age.is_none() => {
                    max_age = Some(value.parse().ok().filter(|age| *age <= LONGEST_AGE).ok_or_else(bad)?);
                }
                "mx" => {
                    let name = value.strip_prefix("*.").unwrap_or(value);
                    if crate::mail::Domain::parse(name).is_err() {
                        return Err(bad());
                    }
                    mx.push(value.trim_end_matches('.').to_ascii_lowercase());
                }
                _ => {}
            }
        }
        let missing = |what: &str| BadPolicy(format!("{what}: ?"));
        if version != Some("STSv1") {
            return Err(missing("version"));
        }
        let mode = mode.ok_or_else(|| missing("mode"))?;
        let max_age = max_age.ok_or_else(|| missing("max_age"))?;
        if mx.is_empty() && mode != Mode::None {
            return Err(missing("mx"));
        }
        Ok(Policy { mode, mx, max_age })
    }

    /// Whether a host may receive: a `*` stands for one label (§4.1).
    pub fn allows(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && rest == parent),
            None => *pattern == host,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::answers::zone::judge;
    use super::*;

    #[test]
    fn policies_are_read_as_the_standard_writes_them() {
        let policy = Policy::parse(
            "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n",
        )
        .unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, 604_800));
        for (host, allowed) in [
            ("mail.example.com", true),
            ("MAIL.example.com.", true),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            ("evil-example.net", false),
            ("mail.example.com.evil.example", false),
        ] {
            assert_eq!(policy.allows(host), allowed, "{host}");
        }
        assert!(Policy::parse("version: STSv1\nmode: none\nmax_age: 86400").is_ok());
        assert!(
            Policy::parse("version: STSv1\nmode: testing\nmode: enforce\nmx: a.example\nmax_age: 1\nfuture: x\n").unwrap().mode
                == Mode::Testing
        );
        for text in [
            "",
            "mode: enforce\nmx: a.example\nmax_age: 1",
            "version: STSv2\nmode: enforce\nmx: a.example\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmax_age: 1",
            "version: STSv1\nmode: Enforce\nmx: a.example\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 31557601",
            "version: STSv1\nmode: enforce\nmx: a.*.example\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a.example",
            "<html>\nversion: STSv1",
        ] {
            assert!(Policy::parse(text).is_err(), "{text:?}");
        }
        assert!(Policy::parse(&"x".repeat(10_000_000)).is_err());
    }

    #[test]
    fn only_one_right_record_announces_a_policy() {
        let at = |zone: &str| judge(zone, |answers| record_at("example.org", answers));
        assert_eq!(at("_mta-sts.example.org TXT v=STSv1; id=20261122;"), Here::One("20261122".into()));
        assert_eq!(at("_mta-sts.example.org TXT something else"), Here::None);
        for text in ["v=STSv1", "v=STSv1; id=", "v=STSv1; id=2026-11", "v=STSv12; id=1"] {
            assert!(matches!(at(&format!("_mta-sts.example.org TXT {text}")), Here::Bad(_)), "{text}");
        }
        assert!(matches!(at("_mta-sts.example.org TXT v=STSv1; id=1\n_mta-sts.example.org TXT v=STSv1; id=2"), Here::Bad(_)));
    }
}
