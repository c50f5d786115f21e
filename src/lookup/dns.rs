//! Turns an address into the keys that its domain publishes in DNS, if DNSSEC proves them: OPENPGPKEY (RFC 7929) and SMIMEA (RFC 8162).
//!
//! We validate ourselves, from our own trust anchors: the word of a resolver (the AD bit) is one that anybody on the way can say. What is not
//! signed is not used, what does not hold is a failure, and "there is none" is believed only with its proof or below an unsigned delegation.

use super::names::configuration;
use super::source::{Candidate, Given, Said};
use crate::mail::Address;
use crate::protect::WhyNot;
use aws_lc_rs::digest;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// `[lookup.dns]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsSettings {
    /// Resolvers, with their ports; empty: those of the system. They must hand on DNSSEC records, and need not be trusted.
    pub servers: Vec<SocketAddr>,
    /// DNSKEY records of the keys to start from; left out: the root's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_anchor: Option<PathBuf>,
}

#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
}

/// What one name holds.
enum Found {
    /// With the least time to live of the answer.
    Records(Vec<RData>, Duration),
    /// There are records, and nothing proves that they are the domain's.
    Unsigned,
    Nothing,
    Failed(&'static str),
}

impl Dns {
    /// Errors name the setting.
    pub fn new(settings: &DnsSettings) -> Result<Dns, String> {
        let (config, mut options) = configuration(&settings.servers)?;
        options.validate = true;
        options.use_hosts_file = ResolveHosts::Never;
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        if let Some(path) = &settings.trust_anchor {
            let anchors = TrustAnchors::from_file(path)
                .map_err(|_| format!("trust_anchor = {} cannot be read as DNSKEY records", path.display()))?;
            if anchors.is_empty() {
                return Err(format!("trust_anchor = {} holds no DNSKEY record", path.display()));
            }
            builder = builder.with_trust_anchor(Arc::new(anchors));
        }
        Ok(Dns { resolver: builder.build().map_err(|why| format!("the resolver cannot be made: {why}"))? })
    }

    /// Both kinds side by side.
    pub async fn ask(&self, address: &Address) -> Said {
        let (openpgp, smime) = tokio::join!(
            self.records(address, "_openpgpkey", RecordType::OPENPGPKEY),
            self.records(address, "_smimecert", RecordType::SMIMEA),
        );
        let mut given = Given::default();
        for (found, kind) in [(openpgp, "OPENPGPKEY"), (smime, "SMIMEA")] {
            let refused = |reason: &str| WhyNot { source: kind.to_owned(), reason: reason.to_owned() };
            match found {
                Found::Failed(why) => return Said::Failed(format!("dns: {kind} {why}")),
                Found::Unsigned => {
                    given.refused.push(refused("its domain is not signed with DNSSEC: anybody could have written it"))
                }
                Found::Nothing => {}
                Found::Records(records, holds) => {
                    given.holds = Some(given.holds.map_or(holds, |other: Duration| other.min(holds)));
                    for record in records {
                        match candidate(record) {
                            Ok(candidate) => given.candidates.push((kind.to_owned(), candidate)),
                            Err(reason) => given.refused.push(refused(reason)),
                        }
                    }
                }
            }
        }
        Said::Gave(given)
    }

    /// First as the local part is written, then in lower case: publishers do the one or the other (RFC 7929 §4).
    async fn records(&self, address: &Address, label: &str, kind: RecordType) -> Found {
        let written = address.local();
        let lower = written.to_ascii_lowercase();
        let mut found = self.records_of(written, address, label, kind).await;
        if lower != written && matches!(found, Found::Nothing | Found::Unsigned) {
            found = self.records_of(&lower, address, label, kind).await;
        }
        found
    }

    async fn records_of(&self, local: &str, address: &Address, label: &str, kind: RecordType) -> Found {
        let text = format!("{}.{label}.{}.", hashed_local(local), address.domain());
        let Ok(name) = Name::from_ascii(&text) else { return Found::Nothing };
        let lookup = match self.resolver.lookup(name, kind).await {
            Ok(lookup) => lookup,
            Err(why) => return absent_or_failed(&why),
        };
        let answers = lookup.answers();
        // Of a chain of aliases each link counts: the weakest decides. Signatures stand beside what they sign.
        let weakest =
            answers.iter().filter(|record| record.record_type() != RecordType::RRSIG).map(|record| record.proof).min();
        match weakest {
            None => Found::Nothing,
            Some(Proof::Bogus | Proof::Indeterminate) => Found::Failed("could not be proven by DNSSEC"),
            Some(Proof::Insecure) => Found::Unsigned,
            Some(Proof::Secure) => {
                let of_kind = || answers.iter().filter(|record| record.record_type() == kind);
                let ttl = of_kind().map(|record| record.ttl).min().unwrap_or(0);
                let records: Vec<RData> = of_kind().map(|record| record.data.clone()).collect();
                if records.is_empty() { Found::Nothing } else { Found::Records(records, Duration::from_secs(ttl.into())) }
            }
        }
    }
}

/// What was proven not to be there, or lies where nothing can be proven, from what failed.
fn absent_or_failed(why: &NetError) -> Found {
    match why {
        NetError::Dns(DnsError::NoRecordsFound(_)) => Found::Nothing,
        NetError::Dns(DnsError::Nsec { proof: Proof::Insecure, .. }) => Found::Nothing,
        NetError::Dns(DnsError::Nsec { .. } | DnsError::DnssecBogus) => Found::Failed("could not be proven absent by DNSSEC"),
        NetError::Timeout => Found::Failed("was not answered in time"),
        _ => Found::Failed("could not be resolved"),
    }
}

fn candidate(record: RData) -> Result<Candidate, &'static str> {
    match record {
        RData::OPENPGPKEY(key) => Ok(Candidate::Openpgp(key.public_key)),
        RData::SMIMEA(smimea) => match (smimea.cert_usage, smimea.selector, smimea.matching) {
            (CertUsage::PkixEe | CertUsage::DaneEe, Selector::Full, Matching::Raw) => {
                Ok(Candidate::Certificate(smimea.0.cert_data))
            }
            (CertUsage::PkixTa | CertUsage::DaneTa, ..) => {
                Err("it names an authority and holds no certificate of the recipient")
            }
            (.., Matching::Sha256 | Matching::Sha512) => {
                Err("it holds only the hash of a certificate: nothing can be encrypted to that")
            }
            _ => Err("it holds a bare key or a form that is not known"),
        },
        _ => Err("it is a record of another kind"),
    }
}

/// SHA-256, cut to 28 octets, in hexadecimal (RFC 7929 §3, RFC 8162 §3).
fn hashed_local(local: &str) -> String {
    let hash = digest::digest(&digest::SHA256, local.as_bytes());
    hash.as_ref()[..28].iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_rfc_7929() {
        // §3: hugh@example.com.
        assert_eq!(hashed_local("hugh"), "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6");
    }
}
