//! Turns a signed message into the certificates inside its signature, if the signature holds (RFC 8551 §3.5, RFC 5652 §5.4).

use crate::mime::{Kind, ParsedMessage};
use aws_lc_rs::digest;
use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use rustls_pki_types::CertificateDer;
use std::borrow::Cow;
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectKeyIdentifier;

const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SMIME_CAPABILITIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.15");
/// Octets of what a reader says of itself: some dozen algorithms.
const CAPABILITIES_OCTETS: usize = 4096;
/// Octets of a signature with its certificates.
const SIGNATURE_OCTETS: usize = 256 * 1024;
const MOST_CERTIFICATES: usize = 16;
const MOST_SIGNERS: usize = 4;

/// All certificates but authorities'. `None`: there is no S/MIME signature around the whole message.
pub fn certificates(message: &ParsedMessage<'_>) -> Option<Result<Signed, &'static str>> {
    let top = message.top();
    let (signature, content) = match top.content_type.as_str() {
        "multipart/signed" => {
            let [entity, signature] = top.children[..] else { return None };
            let (entity, signature) = (&message.parts[entity], &message.parts[signature]);
            let is_smime =
                ["application/pkcs7-signature", "application/x-pkcs7-signature"].contains(&signature.content_type.as_str());
            if !is_smime || signature.kind != Kind::Leaf {
                return None;
            }
            let octets = message.raw.as_bytes().get(entity.header.start..entity.body.end)?;
            (signature.decoded(message.raw).0, Some(octets))
        }
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => (top.decoded(message.raw).0, None),
        _ => return None,
    };
    let signed = ContentInfo::from_der(&signature).ok().and_then(|info| info.content.decode_as::<SignedData>().ok());
    match signed {
        // An encrypted message is no signature, and not damaged either.
        None if content.is_none() => None,
        None => Some(Err("its signature cannot be read")),
        Some(_) if signature.len() > SIGNATURE_OCTETS && content.is_some() => Some(Err("its signature is larger than 256 KiB")),
        Some(signed) => Some(check(&signed, content)),
    }
}

/// What a signature that holds brings along.
pub struct Signed {
    /// DER.
    pub certificates: Vec<Vec<u8>>,
    /// The signer's certificate, and what its reader says that it understands: SMIMECapabilities in DER (RFC 8551 §2.5.2).
    pub told: Option<(Vec<u8>, Vec<u8>)>,
}

fn check(signed: &SignedData, detached: Option<&[u8]>) -> Result<Signed, &'static str> {
    let content: Cow<'_, [u8]> = match (detached, &signed.encap_content_info.econtent) {
        (Some(octets), None) => octets.into(),
        (None, Some(inside)) => {
            inside.decode_as::<OctetString>().map_err(|_| "its content cannot be read")?.into_bytes().to_vec().into()
        }
        _ => return Err("its signature is in a form that is not known"),
    };
    let choices = signed.certificates.iter().flat_map(|set| set.0.iter()).take(MOST_CERTIFICATES);
    let certificates: Vec<&Certificate> = choices
        .filter_map(|choice| match choice {
            CertificateChoices::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    let whose = |signer: &&SignerInfo| {
        let of = |certificate: &&&Certificate| is_by(signer, certificate) && verify(signer, certificate, &content).is_some();
        certificates.iter().find(of).map(|certificate| (**certificate).clone())
    };
    let mut signers = signed.signer_infos.0.iter().take(MOST_SIGNERS);
    let found = signers.find_map(|signer| whose(&signer).map(|certificate| (signer, certificate)));
    let (signer, certificate) = found.ok_or("its signature does not hold")?;
    let told = told(signer).and_then(|list| Some((certificate.to_der().ok()?, list)));
    let ders = certificates.iter().filter_map(|certificate| certificate.to_der().ok());
    let certificates = ders.filter(|der| !crate::protect::trust::describe_certificate(der).authority).collect();
    Ok(Signed { certificates, told })
}

/// Among the attributes that were signed.
fn told(signer: &SignerInfo) -> Option<Vec<u8>> {
    let attributes = signer.signed_attrs.as_ref()?;
    let list = attributes.iter().find(|attribute| attribute.oid == SMIME_CAPABILITIES)?.values.get(0)?;
    list.to_der().ok().filter(|list| list.len() <= CAPABILITIES_OCTETS)
}

fn is_by(signer: &SignerInfo, certificate: &Certificate) -> bool {
    let tbs = certificate.tbs_certificate();
    match &signer.sid {
        SignerIdentifier::IssuerAndSerialNumber(id) => id.issuer == *tbs.issuer() && id.serial_number == *tbs.serial_number(),
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            tbs.get_extension::<SubjectKeyIdentifier>().ok().flatten().is_some_and(|(_, own)| own.0 == id.0)
        }
    }
}

fn verify(signer: &SignerInfo, certificate: &Certificate, content: &[u8]) -> Option<()> {
    // SHA-1 is not among them: what it signs can be forged.
    let algorithm = match signer.digest_alg.oid.to_string().as_str() {
        "2.16.840.1.101.3.4.2.1" => &digest::SHA256,
        "2.16.840.1.101.3.4.2.2" => &digest::SHA384,
        "2.16.840.1.101.3.4.2.3" => &digest::SHA512,
        _ => return None,
    };
    let signed = match &signer.signed_attrs {
        None => content.to_vec(),
        Some(attributes) => {
            let said = attributes.iter().find(|attribute| attribute.oid == MESSAGE_DIGEST)?.values.get(0)?;
            let said: OctetString = said.decode_as().ok()?;
            if said.as_bytes() != digest::digest(algorithm, content).as_ref() {
                return None;
            }
            // §5.4: as SET OF, not with the tag under which they stand.
            attributes.to_der().ok()?
        }
    };
    let der = CertificateDer::from(certificate.to_der().ok()?);
    let end = webpki::EndEntityCert::try_from(&der).ok()?;
    let signature = signer.signature.as_bytes();
    // Each fits one kind of key and hash; one that fits and holds is the proof.
    webpki::ALL_VERIFICATION_ALGS
        .iter()
        .find(|algorithm| end.verify_signature(**algorithm, &signed, signature).is_ok())
        .map(drop)
}
