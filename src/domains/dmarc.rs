//! Turns a domain into the DMARC policy that holds for it and into its organisation (RFC 9989 §4.7, §4.10: the DNS tree walk).

use super::answers::{Answers, Found};
use crate::dkim::tags::Tags;
use crate::mail::Domain;

/// A DMARC Policy Record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// As it was published; `none` where it was left out.
    pub p: Wish,
    pub sp: Option<Wish>,
    pub np: Option<Wish>,
    pub adkim: Mode,
    pub aspf: Mode,
    pub psd: Psd,
    /// `t=y`: one level less is asked for.
    pub testing: bool,
    /// Where reports go, as written.
    pub rua: Vec<String>,
    pub ruf: Vec<String>,
    pub faults: Vec<Fault>,
}

/// What the domain's owner asks receivers to do with mail that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    None,
    Quarantine,
    Reject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Relaxed,
    Strict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Psd {
    Yes,
    No,
    Unsaid,
}

/// What is wrong in a record that is one all the same: such a tag is ignored by receivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not tag=value, or a tag twice; older receivers ignore the whole record.
    Syntax,
    NoPolicy,
    /// The tag and its value.
    Value(&'static str, String),
    /// Removed by RFC 9989: pct, rf, ri.
    Removed(&'static str),
    /// No URI, or of a scheme that nobody must know.
    Uri(String),
}

impl Wish {
    fn parse(text: &str) -> Option<Wish> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Some(Wish::None),
            "quarantine" => Some(Wish::Quarantine),
            "reject" => Some(Wish::Reject),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Wish::None => "none",
            Wish::Quarantine => "quarantine",
            Wish::Reject => "reject",
        }
    }
}

impl Policy {
    /// `None`: this text is no DMARC record. Its version must match exactly and stand first (§4.7).
    pub fn parse(text: &str) -> Option<Policy> {
        let version = text.split(';').next().unwrap_or_default().split_once('=');
        if version.map(|(name, value)| (name.trim(), value.trim())) != Some(("v", "DMARC1")) {
            return None;
        }
        let mut policy = Policy {
            p: Wish::None,
            sp: None,
            np: None,
            adkim: Mode::Relaxed,
            aspf: Mode::Relaxed,
            psd: Psd::Unsaid,
            testing: false,
            rua: Vec::new(),
            ruf: Vec::new(),
            faults: Vec::new(),
        };
        let tags = match Tags::parse(text) {
            Ok(tags) => tags,
            // What can be read of it is (§4.7: errors in the remainder are ignored): piece by piece, the first of two counts.
            Err(_) => {
                policy.faults.push(Fault::Syntax);
                let mut kept = String::new();
                for piece in text.chars().take(crate::dkim::tags::LONGEST / 4).collect::<String>().split(';') {
                    let longer = format!("{kept}{piece};");
                    if Tags::parse(&longer).is_ok() {
                        kept = longer;
                    }
                }
                Tags::parse(&kept).ok()?
            }
        };
        if tags.get("p").is_none() {
            policy.faults.push(Fault::NoPolicy);
        }
        for (name, value) in tags.iter() {
            let lower = value.to_ascii_lowercase();
            match (name, lower.as_str()) {
                ("p", _) => match Wish::parse(value) {
                    Some(wish) => policy.p = wish,
                    None => policy.faults.push(Fault::Value("p", value.to_owned())),
                },
                ("sp", _) => policy.sp = policy.wish("sp", value),
                ("np", _) => policy.np = policy.wish("np", value),
                ("adkim", "s") => policy.adkim = Mode::Strict,
                ("aspf", "s") => policy.aspf = Mode::Strict,
                ("adkim" | "aspf", "r") | ("psd", "u") | ("t", "n") => {}
                ("psd", "y") => policy.psd = Psd::Yes,
                ("psd", "n") => policy.psd = Psd::No,
                ("t", "y") => policy.testing = true,
                ("adkim", _) => policy.faults.push(Fault::Value("adkim", value.to_owned())),
                ("aspf", _) => policy.faults.push(Fault::Value("aspf", value.to_owned())),
                ("psd", _) => policy.faults.push(Fault::Value("psd", value.to_owned())),
                ("t", _) => policy.faults.push(Fault::Value("t", value.to_owned())),
                ("rua", _) => policy.rua = policy.uris(value),
                ("ruf", _) => policy.ruf = policy.uris(value),
                ("fo", _) if !lower.split(':').all(|option| matches!(option.trim(), "0" | "1" | "d" | "s")) => {
                    policy.faults.push(Fault::Value("fo", value.to_owned()));
                }
                ("pct", _) => policy.faults.push(Fault::Removed("pct")),
                ("rf", _) => policy.faults.push(Fault::Removed("rf")),
                ("ri", _) => policy.faults.push(Fault::Removed("ri")),
                // Unknown tags must be ignored.
                _ => {}
            }
        }
        Some(policy)
    }

    fn wish(&mut self, name: &'static str, value: &str) -> Option<Wish> {
        let wish = Wish::parse(value);
        if wish.is_none() {
            self.faults.push(Fault::Value(name, value.to_owned()));
        }
        wish
    }

    fn uris(&mut self, value: &str) -> Vec<String> {
        let mut uris = Vec::new();
        for uri in value.split(',').map(str::trim).filter(|uri| !uri.is_empty()) {
            match report_domain(uri) {
                Some(_) => uris.push(uri.to_owned()),
                None => self.faults.push(Fault::Uri(uri.to_owned())),
            }
        }
        uris
    }

    /// What is asked for mail of a domain: the record's own, or one below it.
    pub fn asks(&self, below: bool, exists: bool) -> Wish {
        let wish = match (below, exists) {
            (false, _) => self.p,
            (true, true) => self.sp.unwrap_or(self.p),
            (true, false) => self.np.or(self.sp).unwrap_or(self.p),
        };
        match (self.testing, wish) {
            (true, Wish::Reject) => Wish::Quarantine,
            (true, _) => Wish::None,
            (false, wish) => wish,
        }
    }
}

/// The domain to which a `mailto:` URI sends reports; `None` for any other scheme, which receivers need not know. A size behind `!` is
/// ignored since RFC 9989.
pub fn report_domain(uri: &str) -> Option<Domain> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("mailto") {
        return None;
    }
    let address = rest.split(['?', '!']).next()?;
    let (local, domain) = address.rsplit_once('@')?;
    if local.is_empty() || local.contains(char::is_whitespace) {
        return None;
    }
    Domain::parse(domain).ok()
}

/// What stands at `_dmarc.<domain>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Here {
    None,
    One(Box<Policy>, String),
    /// Receivers discard them all (§4.10).
    Several(Vec<String>),
    Failed(String),
}

pub fn record_at(domain: &Domain, answers: &Answers) -> Here {
    let texts = match answers.txt(&format!("_dmarc.{domain}")) {
        Found::Some(texts) => texts,
        Found::None { .. } => return Here::None,
        Found::Failed(why) => return Here::Failed(why),
    };
    let mut policies: Vec<(Policy, String)> =
        texts.into_iter().filter_map(|text| Policy::parse(&text).map(|policy| (policy, text))).collect();
    match (policies.len(), policies.pop()) {
        (1, Some((policy, text))) => Here::One(Box::new(policy), text),
        (0, _) | (_, None) => Here::None,
        (_, Some(last)) => Here::Several(policies.into_iter().chain([last]).map(|(_, text)| text).collect()),
    }
}

/// Questions of one walk at most: longer names jump to their last seven labels (§4.10).
const MOST_STEPS: usize = 8;

/// The names that a walk from `start` asks, longest first.
fn steps(start: &Domain) -> Vec<Domain> {
    let labels: Vec<&str> = start.as_str().split('.').collect();
    let mut steps = vec![start.clone()];
    let below = (labels.len() - 1).min(MOST_STEPS - 1);
    for count in (1..=below).rev() {
        // The last labels of a domain are one.
        steps.extend(Domain::parse(&labels[labels.len() - count..].join(".")).ok());
    }
    steps
}

/// All records that a walk from `start` finds, longest name first; it stops at psd=y and psd=n. The error: somebody could not be asked.
fn walk(start: &Domain, answers: &Answers) -> Result<Vec<(Domain, Policy)>, String> {
    let mut found = Vec::new();
    for name in steps(start) {
        match record_at(&name, answers) {
            Here::One(policy, _) => {
                let ends = policy.psd != Psd::Unsaid;
                found.push((name, *policy));
                if ends {
                    break;
                }
            }
            Here::None | Here::Several(_) => {}
            Here::Failed(why) => return Err(format!("_dmarc.{name} {why}")),
        }
    }
    Ok(found)
}

/// The Organizational Domain (§4.10.2).
pub fn organisation(domain: &Domain, answers: &Answers) -> Result<Domain, String> {
    let found = walk(domain, answers)?;
    for (name, policy) in &found {
        match policy.psd {
            Psd::No => return Ok(name.clone()),
            Psd::Yes if name != domain => return Ok(one_below(domain, name)),
            Psd::Yes | Psd::Unsaid => {}
        }
    }
    // The fewest labels are those of the last.
    Ok(found.into_iter().next_back().map_or_else(|| domain.clone(), |(name, _)| name))
}

/// `mail.example` of `a.mail.example` and `example`.
fn one_below(domain: &Domain, suffix: &Domain) -> Domain {
    let labels = |domain: &Domain| domain.as_str().split('.').count();
    let count = labels(suffix) + 1;
    let all: Vec<&str> = domain.as_str().split('.').collect();
    Domain::parse(&all[all.len().saturating_sub(count)..].join(".")).unwrap_or_else(|_| domain.clone())
}

/// Which record decides about mail whose From is in `domain` (§4.10.1): its own, its organisation's, or the public suffix's.
pub fn policy_of(domain: &Domain, answers: &Answers) -> Result<Option<(Domain, Policy)>, String> {
    let found = walk(domain, answers)?;
    if let Some(own) = found.iter().find(|(name, _)| name == domain) {
        return Ok(Some(own.clone()));
    }
    let organisation = organisation(domain, answers)?;
    let of_organisation = found.iter().find(|(name, _)| *name == organisation);
    let of_suffix = || found.iter().find(|(_, policy)| policy.psd == Psd::Yes);
    Ok(of_organisation.or_else(of_suffix).cloned())
}

/// Whether what was authenticated speaks for the From domain (§4.4, §4.10.2).
pub fn aligned(from: &Domain, authenticated: &Domain, mode: Mode, answers: &Answers) -> Result<bool, String> {
    if from == authenticated {
        return Ok(true);
    }
    match mode {
        Mode::Strict => Ok(false),
        Mode::Relaxed => Ok(organisation(from, answers)? == organisation(authenticated, answers)?),
    }
}

/// The name at which another domain agrees to get reports about `domain` (RFC 9990 §4).
pub fn permission_name(domain: &Domain, receiver: &Domain) -> String {
    format!("{domain}._report._dmarc.{receiver}")
}

#[cfg(test)]
mod tests {
    use super::super::answers::zone::judge;
    use super::*;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    #[test]
    fn a_record_is_read_as_the_standard_says() {
        let policy = Policy::parse("v=DMARC1; p=Reject; sp=quarantine; np=none; adkim=s; aspf=r; psd=n; t=y; fo=1:d; rua=mailto:a@example.org,mailto:b@example.net!10m").unwrap();
        assert_eq!((policy.p, policy.sp, policy.np), (Wish::Reject, Some(Wish::Quarantine), Some(Wish::None)));
        assert_eq!((policy.adkim, policy.aspf, policy.psd, policy.testing), (Mode::Strict, Mode::Relaxed, Psd::No, true));
        assert_eq!(policy.rua.len(), 2);
        assert!(policy.faults.is_empty(), "{:?}", policy.faults);
        for text in
            ["", "v=dmarc1; p=none", "V=DMARC1; p=none", "p=none; v=DMARC1", "v=DMARC2", "v=DMARC1.0; p=none", "v=spf1 -all"]
        {
            assert_eq!(Policy::parse(text), None, "{text}");
        }
        for (text, p, fault) in [
            ("v=DMARC1", Wish::None, Fault::NoPolicy),
            ("v=DMARC1; p=refuse", Wish::None, Fault::Value("p", "refuse".into())),
            ("v=DMARC1; p=reject; pct=50", Wish::Reject, Fault::Removed("pct")),
            ("v=DMARC1; p=reject; rua=https://example.org/", Wish::Reject, Fault::Uri("https://example.org/".into())),
            ("v=DMARC1; p=reject; aspf=strict", Wish::Reject, Fault::Value("aspf", "strict".into())),
            ("v=DMARC1; p=reject; nonsense; sp=none", Wish::Reject, Fault::Syntax),
            ("v=DMARC1; p=reject; p=none", Wish::Reject, Fault::Syntax),
        ] {
            let policy = Policy::parse(text).unwrap();
            assert_eq!((policy.p, policy.faults.first()), (p, Some(&fault)), "{text}");
        }
        assert!(Policy::parse("v = DMARC1 ;p=none;").unwrap().faults.is_empty());
    }

    #[test]
    fn testing_asks_for_one_level_less() {
        let asks = |text: &str, below, exists| Policy::parse(text).unwrap().asks(below, exists);
        for (text, below, exists, wish) in [
            ("v=DMARC1; p=reject", false, true, Wish::Reject),
            ("v=DMARC1; p=reject; t=y", false, true, Wish::Quarantine),
            ("v=DMARC1; p=quarantine; t=y", false, true, Wish::None),
            ("v=DMARC1; p=reject; sp=none", true, true, Wish::None),
            ("v=DMARC1; p=none; sp=quarantine; np=reject", true, false, Wish::Reject),
            ("v=DMARC1; p=none; sp=quarantine", true, false, Wish::Quarantine),
            ("v=DMARC1; p=quarantine", true, false, Wish::Quarantine),
        ] {
            assert_eq!(asks(text, below, exists), wish, "{text}");
        }
    }

    #[test]
    fn a_walk_asks_the_names_of_the_standard_and_no_more() {
        let names = |text: &str| steps(&domain(text)).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names("a.mail.example.com"), ["a.mail.example.com", "mail.example.com", "example.com", "com"]);
        assert_eq!(
            names("a.b.c.d.e.f.g.h.i.j.mail.example.com"),
            [
                "a.b.c.d.e.f.g.h.i.j.mail.example.com",
                "g.h.i.j.mail.example.com",
                "h.i.j.mail.example.com",
                "i.j.mail.example.com",
                "j.mail.example.com",
                "mail.example.com",
                "example.com",
                "com"
            ]
        );
        assert_eq!(names("1.2.3.4.5.6.7.8").len(), 8);
        assert_eq!(names("1.2.3.4.5.6.7.8")[1], "2.3.4.5.6.7.8");
        assert_eq!(names("com"), ["com"]);
    }

    #[test]
    fn the_organisation_is_found_by_walking() {
        const P: &str = "TXT v=DMARC1; p=none";
        for (zone, of, expected) in [
            // The three examples of §4.10.2.
            (format!("_dmarc.mail.example.com {P}\n_dmarc.example.com {P}"), "a.mail.example.com", "example.com"),
            (format!("_dmarc.mail.example.com {P}; psd=n\n_dmarc.example.com {P}"), "a.mail.example.com", "mail.example.com"),
            (format!("_dmarc.com {P}; psd=y"), "a.mail.example.com", "example.com"),
            // No record anywhere: itself.
            (String::new(), "a.example.com", "a.example.com"),
            // psd=y where the walk starts does not count.
            (format!("_dmarc.gouv.example {P}; psd=y"), "gouv.example", "gouv.example"),
            (format!("_dmarc.gouv.example {P}; psd=y\n_dmarc.example {P}"), "x.y.gouv.example", "y.gouv.example"),
            // Two records are none.
            (
                format!("_dmarc.example.com {P}\n_dmarc.example.com {P}\n_dmarc.a.example.com {P}"),
                "b.a.example.com",
                "a.example.com",
            ),
            (format!("_dmarc.example.com TXT v=DMARC2\n_dmarc.a.example.com {P}"), "a.example.com", "a.example.com"),
        ] {
            let found = judge(&zone, |answers| organisation(&domain(of), answers));
            assert_eq!(found, Ok(domain(expected)), "{of} in\n{zone}");
        }
        let failed = judge("_dmarc.example.com TXT !", |answers| organisation(&domain("a.example.com"), answers));
        assert!(failed.unwrap_err().starts_with("_dmarc.example.com was not answered"));
    }

    #[test]
    fn the_record_that_decides_is_the_nearest_of_three() {
        const P: &str = "TXT v=DMARC1; p=none";
        for (zone, of, expected) in [
            (format!("_dmarc.a.example.com {P}\n_dmarc.example.com {P}"), "a.example.com", Some("a.example.com")),
            (format!("_dmarc.example.com {P}"), "b.a.example.com", Some("example.com")),
            // Between the domain and its organisation: not asked.
            (format!("_dmarc.a.example.com {P}\n_dmarc.example.com {P}"), "b.a.example.com", Some("example.com")),
            (format!("_dmarc.com {P}; psd=y"), "example.com", Some("com")),
            (format!("_dmarc.com {P}; psd=y\n_dmarc.example.com {P}"), "a.example.com", Some("example.com")),
            (String::new(), "example.com", None),
        ] {
            let found = judge(&zone, |answers| policy_of(&domain(of), answers)).unwrap();
            assert_eq!(found.map(|(name, _)| name), expected.map(domain), "{of} in\n{zone}");
        }
    }

    #[test]
    fn alignment_is_of_organisations_or_of_names() {
        let zone = "_dmarc.example.com TXT v=DMARC1; p=none\n_dmarc.own.example.com TXT v=DMARC1; p=none; psd=n";
        for (from, other, mode, expected) in [
            ("example.com", "example.com", Mode::Strict, true),
            ("a.example.com", "example.com", Mode::Relaxed, true),
            ("a.example.com", "example.com", Mode::Strict, false),
            ("example.com", "bounces.example.com", Mode::Relaxed, true),
            ("own.example.com", "example.com", Mode::Relaxed, false),
            ("x.own.example.com", "own.example.com", Mode::Relaxed, true),
            ("example.com", "example.net", Mode::Relaxed, false),
        ] {
            let found = judge(zone, |answers| aligned(&domain(from), &domain(other), mode, answers));
            assert_eq!(found, Ok(expected), "{from} {other} {mode:?}");
        }
    }
}
