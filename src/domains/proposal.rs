//! Turns a domain and what the operator said into the records to publish for it, without asking anybody.

use super::{House, Line, Ours, Phase};
use crate::mail::{Address, Domain};
use std::net::IpAddr;

/// The records of one domain, those to send first.
pub fn lines(ours: &Ours, house: &House) -> Vec<Line> {
    let domain = &ours.domain;
    let mut lines = vec![Line::txt(domain.as_str(), spf(house))];
    lines.extend(ours.keys.iter().filter(|key| key.phase != Phase::Retired).map(|key| Line::from(&key.record)));
    lines.extend(ours.keys.iter().filter(|key| key.phase == Phase::Retired).map(|key| revoked(&key.record.name)));
    lines.push(dmarc(domain, house, "none"));
    let receiver = reports_to(domain, house);
    if !receiver.domain().is_within(domain) && !domain.is_within(receiver.domain()) {
        lines.push(permission(domain, receiver.domain()));
    }
    lines.push(mta_sts(domain, house));
    lines.push(tls_rpt(domain, house));
    lines
}

/// A record that takes a key back (RFC 6376 §3.6.1).
pub fn revoked(name: &str) -> Line {
    Line::txt(name, "v=DKIM1; p=")
}

/// What the operator said, or the smarthost's or the gate's own addresses.
pub fn spf(house: &House) -> String {
    let mut terms = house.settings.spf.clone();
    terms.extend(house.settings.sends_from.iter().map(|address| ip(*address)));
    if terms.is_empty() {
        terms.push(match house.smarthost.as_deref().map(|host| (host, host.parse::<IpAddr>())) {
            Some((_, Ok(address))) if !super::is_local(address) => ip(address),
            Some((host, Err(_))) if host.contains('.') => format!("a:{host}"),
            _ => format!("a:{}", house.hostname),
        });
    }
    format!("v=spf1 {} -all", terms.join(" "))
}

/// The term that allows one address.
pub fn ip(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("ip4:{v4}"),
        IpAddr::V6(v6) => format!("ip6:{v6}"),
    }
}

pub fn reports_to(domain: &Domain, house: &House) -> Address {
    house.settings.reports_to.clone().unwrap_or_else(|| Address::of("postmaster", domain))
}

pub fn dmarc(domain: &Domain, house: &House, wish: &str) -> Line {
    Line::txt(format!("_dmarc.{domain}"), format!("v=DMARC1; p={wish}; rua=mailto:{}", reports_to(domain, house)))
}

/// By which `receiver` agrees to get reports about `domain`; it stands in the receiver's zone.
pub fn permission(domain: &Domain, receiver: &Domain) -> Line {
    Line::txt(super::dmarc::permission_name(domain, receiver), "v=DMARC1")
}

pub fn mta_sts(domain: &Domain, house: &House) -> Line {
    Line::txt(format!("_mta-sts.{domain}"), format!("v=STSv1; id={}", house.today))
}

pub fn tls_rpt(domain: &Domain, house: &House) -> Line {
    Line::txt(format!("_smtp._tls.{domain}"), format!("v=TLSRPTv1; rua=mailto:{}", reports_to(domain, house)))
}

/// The policy file that goes with [`mta_sts`]; without known hosts the place where they go.
pub fn mta_sts_policy(hosts: &[String], mode: &str) -> String {
    let hosts = match hosts {
        [] => vec!["…".to_owned()],
        hosts => hosts.to_vec(),
    };
    let hosts: String = hosts.iter().map(|host| format!("mx: {host}\n")).collect();
    format!("version: STSv1\nmode: {mode}\n{hosts}max_age: 604800\n")
}
