//! Turns a verified TLS client certificate into the logins it may stand for.

use crate::mail::Address;
use aws_lc_rs::digest;
use std::collections::BTreeMap;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Names of one certificate that are looked at.
const NAMES: usize = 16;

/// The login that the configuration gives it, alone; otherwise each rfc822Name (RFC 5280 §4.2.1.6), in their order. An address in the
/// subject's `emailAddress` is not looked at: authorities that check subjects loosely are known.
pub(super) fn logins(der: &[u8], configured: &BTreeMap<String, Address>) -> Vec<Address> {
    let Ok(certificate) = Certificate::from_der(der) else { return Vec::new() };
    let hash = digest::digest(&digest::SHA256, der);
    let fingerprint: String = hash.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    let subject = certificate.tbs_certificate().subject().to_string();
    let mapped = configured.get(&format!("sha256:{fingerprint}")).or_else(|| configured.get(&subject));
    if let Some(login) = mapped {
        return vec![login.clone()];
    }
    let Ok(Some((_, names))) = certificate.tbs_certificate().get_extension::<SubjectAltName>() else { return Vec::new() };
    let address = |name: &GeneralName| match name {
        GeneralName::Rfc822Name(name) => Address::parse(name.as_str()).ok(),
        _ => None,
    };
    names.0.iter().take(NAMES).filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn made(names: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, "Scanner 3");
        let name = |name: &&str| match name.contains('@') {
            true => SanType::Rfc822Name((*name).try_into().unwrap()),
            false => SanType::DnsName((*name).try_into().unwrap()),
        };
        params.subject_alt_names = names.iter().map(name).collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_stands_for_its_addresses_or_for_what_is_configured() {
        let address = |text: &str| Address::parse(text).unwrap();
        let none = BTreeMap::new();
        let der = made(&["desk.example.org", "alice@example.org", "team@example.org"]);
        assert_eq!(logins(&der, &none), [address("alice@example.org"), address("team@example.org")]);
        assert!(logins(&made(&["desk.example.org"]), &none).is_empty());
        assert!(logins(&made(&["not an@address@x"]), &none).is_empty());
        assert!(logins(&made(&[]), &none).is_empty() && logins(b"", &none).is_empty());
        let by_subject = BTreeMap::from([("CN=Scanner 3,O=Example".to_owned(), address("scanner@example.org"))]);
        assert_eq!(logins(&made(&[]), &by_subject), [address("scanner@example.org")]);
        let hash: String = digest::digest(&digest::SHA256, &der).as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
        let by_hash = BTreeMap::from([(format!("sha256:{hash}"), address("scanner@example.org"))]);
        assert_eq!(logins(&der, &by_hash), [address("scanner@example.org")]);
    }
}
