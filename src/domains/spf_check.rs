//! Turns a sending address and a domain into SPF's verdict about it, within the limits that receivers keep (RFC 7208 §4, §4.6.4).

use super::answers::{Answers, Found};
use super::spf::{BadTerm, Here, Mechanism, Sender, Spec, Spf, Verdict, is_name, record_at};
use std::net::IpAddr;

/// Terms that ask DNS (§4.6.4).
pub const MOST_LOOKUPS: usize = 10;
/// Of those, the ones that may find nothing.
pub const MOST_VOID: usize = 2;
/// MX records of one `mx`, PTR records of one `ptr`.
const MOST_HOSTS: usize = 10;
/// Terms that are counted at most, so that records which name each other end.
const MOST_COUNTED: usize = 40;
/// Records inside each other that are counted.
const DEEPEST: usize = 12;

/// What a check found and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub verdict: Verdict,
    /// The directive that matched, or what was wrong; in the words of the record.
    pub by: String,
    pub lookups: usize,
    pub void: usize,
}

/// `check_host()` for MAIL FROM in `domain`.
pub fn check(sender: &Sender<'_>, domain: &str, answers: &Answers) -> Checked {
    let mut check = Check { sender, answers, lookups: 0, void: 0, by: String::new() };
    let verdict = check.host(domain).unwrap_or_else(|end| end);
    Checked { verdict, by: check.by, lookups: check.lookups, void: check.void }
}

struct Check<'x> {
    sender: &'x Sender<'x>,
    answers: &'x Answers,
    lookups: usize,
    void: usize,
    by: String,
}

impl Check<'_> {
    /// `Err` ends everything: temperror or permerror.
    fn host(&mut self, domain: &str) -> Result<Verdict, Verdict> {
        if !is_name(domain) {
            return Ok(Verdict::None);
        }
        let text = match record_at(domain, self.answers) {
            Here::None => return Ok(Verdict::None),
            Here::One(text) => text,
            Here::Several(_) => return self.end(Verdict::PermError, format!("{domain}: 2 × v=spf1")),
            Here::Failed(why) => return self.end(Verdict::TempError, format!("{domain} {why}")),
        };
        let spf = match Spf::parse(&text) {
            Ok(spf) => spf,
            Err(BadTerm { term, .. }) => return self.end(Verdict::PermError, format!("{domain}: {term}")),
        };
        for directive in &spf.directives {
            if self.matches(&directive.mechanism, domain)? {
                self.by = format!("{domain}: {}", directive.text);
                return Ok(directive.qualifier);
            }
        }
        match &spf.redirect {
            Some(spec) if spf.all().is_none() => {
                self.spend()?;
                let target = spec.expand(self.sender, domain);
                match self.host(&target)? {
                    Verdict::None => self.end(Verdict::PermError, format!("{domain}: redirect={target}")),
                    verdict => Ok(verdict),
                }
            }
            _ => Ok(Verdict::Neutral),
        }
    }

    fn end<T>(&mut self, verdict: Verdict, by: String) -> Result<T, Verdict> {
        self.by = by;
        Err(verdict)
    }

    fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Verdict> {
        let address = self.sender.address;
        let name_of = |spec: &Option<Spec>, sender: &Sender<'_>| match spec {
            Some(spec) => spec.expand(sender, domain),
            None => domain.to_owned(),
        };
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, length) => Ok(is_in(address, IpAddr::V4(*network), *length)),
            Mechanism::Ip6(network, length) => Ok(is_in(address, IpAddr::V6(*network), *length)),
            Mechanism::Include(spec) => {
                self.spend()?;
                let target = spec.expand(self.sender, domain);
                match self.host(&target)? {
                    Verdict::Pass => Ok(true),
                    Verdict::None => self.end(Verdict::PermError, format!("{domain}: include:{target}")),
                    _ => Ok(false),
                }
            }
            Mechanism::A(spec, v4, v6) => {
                self.spend()?;
                let name = name_of(spec, self.sender);
                let length = if address.is_ipv4() { *v4 } else { *v6 };
                let found = self.answers.addresses_like(&name, address);
                let found = self.counted(found, &name)?;
                Ok(found.iter().any(|one| is_in(address, *one, length)))
            }
            Mechanism::Mx(spec, v4, v6) => {
                self.spend()?;
                let name = name_of(spec, self.sender);
                let length = if address.is_ipv4() { *v4 } else { *v6 };
                let found = self.answers.mx(&name);
                let hosts = self.counted(found, &name)?;
                if hosts.len() > MOST_HOSTS {
                    return self.end(Verdict::PermError, format!("{name}: MX > {MOST_HOSTS}"));
                }
                for (_, host) in hosts.iter().filter(|(_, host)| !host.is_empty()) {
                    match self.answers.addresses_like(host, address) {
                        Found::Some(found) if found.iter().any(|one| is_in(address, *one, length)) => return Ok(true),
                        Found::Failed(why) => return self.end(Verdict::TempError, format!("{host} {why}")),
                        Found::Some(_) | Found::None { .. } => {}
                    }
                }
                Ok(false)
            }
            Mechanism::Ptr(spec) => {
                self.spend()?;
                let target = name_of(spec, self.sender);
                // §5.5: what cannot be asked fails to match.
                let names = self.answers.names_of(address).some().unwrap_or_default();
                let confirmed = names.iter().take(MOST_HOSTS).any(|name| {
                    let within =
                        name.eq_ignore_ascii_case(&target) || name.to_ascii_lowercase().ends_with(&format!(".{target}"));
                    within && self.answers.addresses_like(name, address).some().is_some_and(|found| found.contains(&address))
                });
                Ok(confirmed)
            }
            Mechanism::Exists(spec) => {
                self.spend()?;
                let name = spec.expand(self.sender, domain);
                // An A record always, also for IPv6 (§5.7).
                let found = self.answers.addresses_like(&name, IpAddr::from([0, 0, 0, 0]));
                Ok(!self.counted(found, &name)?.is_empty())
            }
        }
    }

    fn spend(&mut self) -> Result<(), Verdict> {
        self.lookups += 1;
        if self.lookups > MOST_LOOKUPS {
            return self.end(Verdict::PermError, format!("> {MOST_LOOKUPS} DNS"));
        }
        Ok(())
    }

    fn counted<T>(&mut self, found: Found<Vec<T>>, name: &str) -> Result<Vec<T>, Verdict> {
        match found {
            Found::Some(found) => Ok(found),
            Found::Failed(why) => self.end(Verdict::TempError, format!("{name} {why}")),
            Found::None { .. } => {
                self.void += 1;
                if self.void > MOST_VOID {
                    return self.end(Verdict::PermError, format!("> {MOST_VOID} DNS: {name}"));
                }
                Ok(Vec::new())
            }
        }
    }
}

/// Whether two addresses of one family agree in their first bits.
fn is_in(address: IpAddr, network: IpAddr, length: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            a.to_bits() & mask == b.to_bits() & mask
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            a.to_bits() & mask == b.to_bits() & mask
        }
        _ => false,
    }
}

/// What a record costs a receiver for whom nothing matches: the most that any address can cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    pub lookups: usize,
    /// Names that were asked for in vain, each with its term.
    pub void: Vec<String>,
    /// A record that includes itself.
    pub circle: Option<String>,
    /// Included records that are missing or wrong.
    pub broken: Vec<String>,
    /// Names that could not be asked.
    pub failed: Vec<String>,
}

/// Counts a record with all that it includes. `sender` fills macros.
pub fn weigh(spf: &Spf, sender: &Sender<'_>, domain: &str, answers: &Answers) -> Weight {
    let mut weight = Weight::default();
    add(&mut weight, spf, sender, &mut vec![domain.to_owned()], answers);
    weight
}

fn add(weight: &mut Weight, spf: &Spf, sender: &Sender<'_>, path: &mut Vec<String>, answers: &Answers) {
    let domain = path.last().cloned().unwrap_or_default();
    for directive in &spf.directives {
        if weight.lookups >= MOST_COUNTED {
            return;
        }
        let named = |spec: &Option<Spec>| spec.as_ref().map_or_else(|| domain.clone(), |spec| spec.expand(sender, &domain));
        let nothing = |asked: bool, name: &str| asked.then(|| format!("{} ({name})", directive.text));
        match &directive.mechanism {
            Mechanism::All => return,
            Mechanism::Ip4(..) | Mechanism::Ip6(..) => {}
            Mechanism::Include(spec) => {
                weight.lookups += 1;
                follow(weight, &spec.expand(sender, &domain), &directive.text, sender, path, answers);
            }
            Mechanism::A(spec, ..) => {
                weight.lookups += 1;
                let name = named(spec);
                weight.void.extend(nothing(matches!(answers.addresses(&name), Found::None { .. }), &name));
            }
            Mechanism::Mx(spec, ..) => {
                weight.lookups += 1;
                let name = named(spec);
                weight.void.extend(nothing(matches!(answers.mx(&name), Found::None { .. }), &name));
            }
            // What these find depends on the sender.
            Mechanism::Ptr(_) | Mechanism::Exists(_) => weight.lookups += 1,
        }
    }
    if let Some(spec) = &spf.redirect {
        weight.lookups += 1;
        follow(weight, &spec.expand(sender, &domain), "redirect", sender, path, answers);
    }
}

fn follow(weight: &mut Weight, target: &str, term: &str, sender: &Sender<'_>, path: &mut Vec<String>, answers: &Answers) {
    if path.iter().any(|above| above == target) || path.len() >= DEEPEST {
        weight.circle.get_or_insert_with(|| target.to_owned());
        return;
    }
    if weight.lookups >= MOST_COUNTED {
        return;
    }
    match record_at(target, answers) {
        Here::One(text) => match Spf::parse(&text) {
            Ok(inner) => {
                path.push(target.to_owned());
                add(weight, &inner, sender, path, answers);
                path.pop();
            }
            Err(bad) => weight.broken.push(format!("{target}: {}", bad.term)),
        },
        Here::None | Here::Several(_) => weight.broken.push(format!("{term} ({target})")),
        Here::Failed(_) => weight.failed.push(target.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::answers::zone::judge;
    use super::*;

    fn sender(address: &str) -> Sender<'static> {
        Sender { address: address.parse().unwrap(), local: "postmaster", domain: "example.org", helo: "gate.example.org" }
    }

    fn verdict(zone: &str, address: &str) -> Verdict {
        judge(zone, |answers| check(&sender(address), "example.org", answers)).verdict
    }

    #[test]
    fn a_sending_address_gets_the_verdict_of_the_standard() {
        use Verdict::*;
        let many_mx: String = (0..11).map(|n| format!("example.org MX 10 m{n}.example.org\n")).collect();
        for (zone, address, expected) in [
            ("", "192.0.2.1", None),
            ("example.org TXT v=spf10 -all", "192.0.2.1", None),
            ("example.org TXT v=spf1 -all", "192.0.2.1", Fail),
            ("example.org TXT v=spf1", "192.0.2.1", Neutral),
            ("example.org TXT v=spf1 ~all", "192.0.2.1", SoftFail),
            ("example.org TXT v=spf1 -all\nexample.org TXT v=spf1 +all", "192.0.2.1", PermError),
            ("example.org TXT !", "192.0.2.1", TempError),
            ("example.org TXT v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.77", Pass),
            ("example.org TXT v=spf1 ip4:192.0.2.0/24 -all", "192.0.3.1", Fail),
            ("example.org TXT v=spf1 ip4:0.0.0.0/0 -all", "203.0.113.1", Pass),
            ("example.org TXT v=spf1 ip6:2001:db8::/32 -all", "2001:db8:1::1", Pass),
            ("example.org TXT v=spf1 ip6:2001:db8::/32 -all", "192.0.2.1", Fail),
            ("example.org TXT v=spf1 a -all\nexample.org A 192.0.2.1", "192.0.2.1", Pass),
            ("example.org TXT v=spf1 a/24 -all\nexample.org A 192.0.2.1", "192.0.2.200", Pass),
            ("example.org TXT v=spf1 a:h.example.org//64 -all\nh.example.org AAAA 2001:db8::1", "2001:db8::2", Pass),
            ("example.org TXT v=spf1 mx -all\nexample.org MX 10 m.example.org\nm.example.org A 192.0.2.1", "192.0.2.1", Pass),
            ("example.org TXT v=spf1 mx -all\nexample.org MX 10 m.example.org\nm.example.org A !", "192.0.2.1", TempError),
            ("example.org TXT v=spf1 include:i.example -all\ni.example TXT v=spf1 ip4:192.0.2.1 -all", "192.0.2.1", Pass),
            ("example.org TXT v=spf1 include:i.example ~all\ni.example TXT v=spf1 -all", "192.0.2.1", SoftFail),
            ("example.org TXT v=spf1 include:i.example ~all", "192.0.2.1", PermError),
            ("example.org TXT v=spf1 include:i.example ~all\ni.example TXT v=spf1 ipv4:1", "192.0.2.1", PermError),
            ("example.org TXT v=spf1 redirect=r.example\nr.example TXT v=spf1 ip4:192.0.2.1 -all", "192.0.2.9", Fail),
            ("example.org TXT v=spf1 redirect=r.example", "192.0.2.9", PermError),
            ("example.org TXT v=spf1 ?all redirect=r.example", "192.0.2.9", Neutral),
            ("example.org TXT v=spf1 include:example.org -all", "192.0.2.1", PermError),
            ("example.org TXT v=spf1 a:1.example a:2.example -all", "192.0.2.1", Fail),
            ("example.org TXT v=spf1 a:1.example a:2.example a:3.example -all", "192.0.2.1", PermError),
            ("example.org TXT v=spf1 exists:%{ir}.ok.example -all\n1.2.0.192.ok.example A 127.0.0.2", "192.0.2.1", Pass),
            (
                "example.org TXT v=spf1 ptr -all\n1.2.0.192.in-addr.arpa PTR h.example.org\nh.example.org A 192.0.2.1",
                "192.0.2.1",
                Pass,
            ),
            (
                "example.org TXT v=spf1 ptr -all\n1.2.0.192.in-addr.arpa PTR h.example.org\nh.example.org A 192.0.2.2",
                "192.0.2.1",
                Fail,
            ),
            (
                "example.org TXT v=spf1 ptr -all\n1.2.0.192.in-addr.arpa PTR h.notexample.org\nh.notexample.org A 192.0.2.1",
                "192.0.2.1",
                Fail,
            ),
        ] {
            assert_eq!(verdict(zone, address), expected, "{address} in\n{zone}");
        }
        let zone = format!("{many_mx}example.org TXT v=spf1 mx -all");
        assert_eq!(verdict(&zone, "192.0.2.1"), PermError);
    }

    #[test]
    fn ten_lookups_are_allowed_and_eleven_are_not() {
        let zone = |count: usize| {
            let terms: String = (0..count).map(|n| format!(" include:i{n}.example")).collect();
            let included: String = (0..count).map(|n| format!("i{n}.example TXT v=spf1 ip4:198.51.100.{n} -all\n")).collect();
            format!("example.org TXT v=spf1{terms} ip4:192.0.2.1 -all\n{included}")
        };
        assert_eq!(verdict(&zone(10), "192.0.2.1"), Verdict::Pass);
        assert_eq!(verdict(&zone(11), "192.0.2.1"), Verdict::PermError);
    }

    #[test]
    fn records_are_weighed_with_all_that_they_include_and_circles_end() {
        let weight = |zone: &str| {
            judge(zone, |answers| {
                let Here::One(text) = record_at("example.org", answers) else { return Weight::default() };
                weigh(&Spf::parse(&text).unwrap(), &sender("192.0.2.1"), "example.org", answers)
            })
        };
        let found = weight(
            "example.org TXT v=spf1 a mx include:i.example -all\ni.example TXT v=spf1 a:gone.example redirect=r.example\nr.example TXT v=spf1 ip4:192.0.2.1 exists:%{i}.x.example -all a a a\nexample.org A 192.0.2.1\nexample.org MX 10 example.org",
        );
        assert_eq!((found.lookups, found.void, found.circle), (6, vec!["a:gone.example (gone.example)".into()], None));
        let found = weight(
            "example.org TXT v=spf1 include:i.example include:gone.example -all\ni.example TXT v=spf1 include:example.org -all",
        );
        assert_eq!(found.circle.as_deref(), Some("example.org"));
        assert_eq!(found.broken, ["include:gone.example (gone.example)"]);
        // Every record includes two others: without a limit 2^n records.
        let tree: String = (0..64)
            .map(|n| format!("n{n}.example TXT v=spf1 include:n{}.example include:n{}.example -all\n", n * 2 + 1, n * 2 + 2))
            .collect();
        assert!(weight(&format!("example.org TXT v=spf1 include:n0.example -all\n{tree}")).lookups <= 41);
    }
}
