//! Turns an address into the keys that its domain publishes in DNS, if DNSSEC proves them: OPENPGPKEY (RFC 7929) and SMIMEA (RFC 8162).
//!
//! We validate ourselves, from our own trust anchors: the word of a resolver (the AD bit) is one that anybody on the way can say. What is not
//! signed is not used, what does not hold is a failure, and "there is none" is believed only with its proof or below an unsigned delegation.

use super::names::configuration;
use super::source::{Candidate, Given, Said};
use crate::mail::Address;
use crate::protect::WhyNot;
use aws_lc_rs::digest;
use base64::Engine as _;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Algorithm, Proof, PublicKeyBuf, TrustAnchors};
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_resolver::proto::rr::{LowerName, Name, RData, RecordType};
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
            let text = std::fs::read_to_string(path)
                .map_err(|why| format!("trust_anchor = {} cannot be read ({})", path.display(), why.kind()))?;
            let anchors = anchors(&text).map_err(|line| {
                format!(
                    "trust_anchor = {}: line {line} is no DNSKEY record; write it like \". DNSKEY 257 3 8 AwEAA…\"",
                    path.display()
                )
            })?;
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

/// One DNSKEY record a line, as `dig`, `keymgr` and `unbound-anchor` write them: time to live and class may be missing, `;` begins a comment.
/// The error is the number of the line.
fn anchors(text: &str) -> Result<TrustAnchors, usize> {
    let mut anchors = TrustAnchors::empty();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split(';').next().unwrap_or_default().split_whitespace();
        let Some(name) = words.next() else { continue };
        let rest: Vec<&str> = words.skip_while(|word| !word.eq_ignore_ascii_case("DNSKEY")).collect();
        let key = match &rest[..] {
            // RFC 4034 §2.1: 257 is a zone key that others point to; the protocol is 3.
            [_, "257", "3", algorithm, key @ ..] if !key.is_empty() => {
                let octets = base64::engine::general_purpose::STANDARD.decode(key.concat());
                algorithm
                    .parse()
                    .ok()
                    .zip(octets.ok())
                    .map(|(code, octets)| PublicKeyBuf::new(octets, Algorithm::from_u8(code)))
            }
            _ => None,
        };
        let (key, name) = key.zip(Name::from_ascii(name).ok()).ok_or(number + 1)?;
        anchors.insert_with_name(&key, LowerName::from(&name));
    }
    Ok(anchors)
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
    fn anchors_are_read_as_other_programs_write_them() {
        let key = "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3";
        for text in [
            format!(". DNSKEY 257 3 8 {key}\n"),
            format!("; the root\n\n.\t172800\tIN\tDNSKEY\t257 3 8 {} {} ; KSK\n", &key[..20], &key[20..]),
        ] {
            assert_eq!(anchors(&text).map(|anchors| anchors.len()).ok(), Some(1), "{text}");
        }
        assert!(anchors("example.org. 60 IN DNSKEY 257 3 13 AAAA").is_ok());
        for text in ["\n. DS 1 8 2 aa", "\n. DNSKEY 256 3 8 AAAA", "\n. DNSKEY 257 3 8", "\n. DNSKEY 257 3 8 ?", "\nDNSKEY"] {
            assert_eq!(anchors(text).map(|anchors| anchors.len()).err(), Some(2), "{text}");
        }
    }

    #[test]
    fn the_name_is_that_of_rfc_7929() {
        // §3: hugh@example.com.
        assert_eq!(hashed_local("hugh"), "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6");
    }
}
