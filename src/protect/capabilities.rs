//! Turns what a recipient's reader is said to understand into the algorithms that S/MIME may use for them.
//!
//! Everybody reads AES-256-CBC and RSA PKCS#1 v1.5. AES-256-GCM shows an empty message in Thunderbird 153 and none in Outlook; OAEP is
//! unreadable for NSS 3.87 and gpgsm 2.2 (measured). So the newer ones are used only where somebody says that they are understood.

use crate::mail::{Address, Domain};
use der::asn1::ObjectIdentifier;
use der::{Any, Decode, Sequence, Tagged};
use spki::AlgorithmIdentifierOwned as Algorithm;
use std::collections::{BTreeMap, BTreeSet};
use x509_cert::Certificate;

/// An algorithm beyond those that everybody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Capability {
    /// AuthEnvelopedData with AES-256-GCM (RFC 5083, RFC 5084).
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
    /// The content key under RSAES-OAEP with SHA-256 and MGF1 with SHA-256 (RFC 3560, RFC 8551 §2.3).
    #[serde(rename = "rsa-oaep")]
    RsaOaep,
}

/// What one reader understands.
pub type Capabilities = BTreeSet<Capability>;

/// Whose reader a setting is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Whose {
    Address(Address),
    /// All its addresses; not its subdomains.
    Domain(Domain),
}

/// What the operator says, `[protect.capabilities]`: an address before its domain, and either before the certificate.
pub type Said = BTreeMap<Whose, Capabilities>;

impl TryFrom<String> for Whose {
    type Error = String;

    fn try_from(text: String) -> Result<Whose, String> {
        let wrong =
            || format!("\"{text}\" is neither an address nor a domain; write \"bob@partner.example\" or \"partner.example\"");
        if text.contains('@') {
            return Address::parse(&text).map(Whose::Address).map_err(|_| wrong());
        }
        Domain::parse(&text).map(Whose::Domain).map_err(|_| wrong())
    }
}

impl From<Whose> for String {
    fn from(whose: Whose) -> String {
        match whose {
            Whose::Address(address) => address.to_string(),
            Whose::Domain(domain) => domain.to_string(),
        }
    }
}

/// What the operator says of a recipient.
pub fn said_of(recipient: &Address, said: &Said) -> Option<Capabilities> {
    let of_address = said.get(&Whose::Address(recipient.clone()));
    of_address.or_else(|| said.get(&Whose::Domain(recipient.domain().clone()))).cloned()
}

/// The extension SMIMECapabilities of a certificate (RFC 4262); none where it is missing or damaged.
pub fn of_certificate(certificate: &Certificate) -> Capabilities {
    let extensions = certificate.tbs_certificate().extensions().into_iter().flatten();
    let mut found = extensions.filter(|extension| extension.extn_id == SMIME_CAPABILITIES);
    found.next().map(|extension| of_list(extension.extn_value.as_bytes())).unwrap_or_default()
}

/// SMIMECapabilities (RFC 8551 §2.5.2) in DER, most preferred first: of the content ciphers the first that we can write counts, so that
/// a reader who can do GCM and would rather have CBC gets CBC.
pub fn of_list(der: &[u8]) -> Capabilities {
    let Ok(list) = Vec::<Algorithm>::from_der(der) else { return Capabilities::new() };
    let mut found = Capabilities::new();
    let cipher = list.iter().find(|listed| [AES256_GCM, AES256_CBC].contains(&listed.oid));
    if cipher.is_some_and(|listed| listed.oid == AES256_GCM) {
        found.insert(Capability::Aes256Gcm);
    }
    if list.iter().any(|listed| listed.oid == RSAES_OAEP && listed.parameters.as_ref().is_some_and(is_sha256)) {
        found.insert(Capability::RsaOaep);
    }
    found
}

pub(super) const SMIME_CAPABILITIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.15");
pub(super) const AES256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");
pub(super) const AES256_GCM: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.46");
pub(super) const RSAES_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// RSAES-OAEP-params (RFC 4055 §4.1).
#[derive(Sequence)]
pub(super) struct OaepParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    hash: Algorithm,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT")]
    mask: Algorithm,
}

/// The same without tags: so RFC 3560 §5 prints it for capabilities.
#[derive(Sequence)]
struct UntaggedParameters {
    hash: Algorithm,
    mask: Algorithm,
}

/// RSASSA-PSS-params (RFC 4055 §3.1); the trailer is the default.
#[derive(Sequence)]
pub(super) struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    hash: Algorithm,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT")]
    mask: Algorithm,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    salt: u8,
}

/// SHA-256 throughout. The hash bears NULL, as RFC 4055 §2.1 and OpenSSL write it.
pub(super) fn oaep_sha256() -> der::Result<OaepParameters> {
    let hash = Algorithm { oid: SHA256, parameters: Some(Any::null()) };
    let mask = Algorithm { oid: MGF1, parameters: Some(Any::encode_from(&hash)?) };
    Ok(OaepParameters { hash, mask })
}

/// SHA-256 throughout, and a salt of its length.
pub(super) fn pss_sha256() -> der::Result<PssParameters> {
    let OaepParameters { hash, mask } = oaep_sha256()?;
    Ok(PssParameters { hash, mask, salt: 32 })
}

/// True for SHA-256 in both places, with NULL or nothing beside it; the default, SHA-1, is not what we write.
fn is_sha256(parameters: &Any) -> bool {
    let (hash, mask) = if let Ok(OaepParameters { hash, mask }) = parameters.decode_as() {
        (hash, mask)
    } else if let Ok(UntaggedParameters { hash, mask }) = parameters.decode_as() {
        (hash, mask)
    } else {
        return false;
    };
    let plain = |algorithm: &Algorithm| {
        algorithm.oid == SHA256 && algorithm.parameters.as_ref().is_none_or(|given| given.tag() == der::Tag::Null)
    };
    let inner = mask.parameters.as_ref().and_then(|given| given.decode_as::<Algorithm>().ok());
    plain(&hash) && mask.oid == MGF1 && inner.is_some_and(|inner| plain(&inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::Encode;

    /// RSAES-OAEP with SHA-256 as RFC 3560 §5 prints it.
    const OAEP_SHA256: &[u8] = &[
        0x30, 0x38, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, 0x30, 0x2b, 0x30, 0x0d, 0x06, 0x09, 0x60,
        0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
        0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    ];
    const OAEP_SHA1: &[u8] = &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, 0x30, 0x00];

    fn list(entries: &[&[u8]]) -> Vec<u8> {
        let inner = entries.concat();
        let mut out = vec![0x30, 0x81, u8::try_from(inner.len()).unwrap()];
        if inner.len() < 0x80 {
            out.remove(1);
        }
        out.extend(inner);
        out
    }

    fn plain(id: ObjectIdentifier) -> Vec<u8> {
        Algorithm { oid: id, parameters: None }.to_der().unwrap()
    }

    #[test]
    fn only_what_is_said_to_be_understood_is_used() {
        let (gcm, cbc) = (plain(AES256_GCM), plain(AES256_CBC));
        let triple_des = plain(ObjectIdentifier::new_unwrap("1.2.840.113549.3.7"));
        let ours = Algorithm { oid: RSAES_OAEP, parameters: Some(Any::encode_from(&oaep_sha256().unwrap()).unwrap()) };
        let tagged = ours.to_der().unwrap();
        use Capability::{Aes256Gcm, RsaOaep};
        for (name, der, expected) in [
            ("nothing", list(&[]), vec![]),
            ("only the old ones", list(&[&cbc, &triple_des]), vec![]),
            ("GCM first", list(&[&gcm, &cbc]), vec![Aes256Gcm]),
            ("GCM behind one that we never write", list(&[&triple_des, &gcm]), vec![Aes256Gcm]),
            ("CBC preferred", list(&[&cbc, &gcm]), vec![]),
            ("OAEP with SHA-256", list(&[&tagged]), vec![RsaOaep]),
            ("the same as RFC 3560 prints it", list(&[OAEP_SHA256]), vec![RsaOaep]),
            ("OAEP with SHA-1", list(&[OAEP_SHA1, &gcm]), vec![Aes256Gcm]),
            ("damaged", vec![0x30, 0x05, 0x06], vec![]),
        ] {
            assert_eq!(of_list(&der), expected.into_iter().collect(), "{name}");
        }
    }

    #[test]
    fn an_address_goes_before_its_domain_and_the_operator_before_the_certificate() {
        let certificate = crate::protect::tests::certificate_with_capabilities(&list(&[&plain(AES256_GCM)]));
        let said: Said = toml::from_str("'bob@example.org' = ['rsa-oaep']\n'example.org' = []").unwrap();
        let of = |text: &str| said_of(&Address::parse(text).unwrap(), &said).unwrap_or_else(|| of_certificate(&certificate));
        assert_eq!(of("bob@example.org"), [Capability::RsaOaep].into());
        assert_eq!(of("Carol@EXAMPLE.org"), Capabilities::new(), "the operator knows that the certificate says too much");
        assert_eq!(of("bob@sub.example.org"), [Capability::Aes256Gcm].into());
        let why = toml::from_str::<Said>("'not a domain' = []").unwrap_err().to_string();
        assert!(why.contains("write \"bob@partner.example\" or \"partner.example\""), "{why}");
        assert!(toml::from_str::<Said>("'example.org' = ['aes-128-gcm']").is_err());
    }
}
