//! Turns a certificate and its key into the TLS that clients meet: 1.3, and 1.2 with AEAD only; post-quantum key exchange first.

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// Why there is no TLS: always the operator's files.
#[derive(Debug, thiserror::Error)]
pub enum TlsProblem {
    #[error("the certificate file holds no certificate; write a PEM chain, the server's own certificate first")]
    NoCertificate,
    #[error("the key file holds no unencrypted private key; write one in PEM (PKCS#8, PKCS#1 or SEC1)")]
    NoKey,
    #[error("the certificate and the key do not go together, or are of a kind that TLS cannot use: {0}")]
    Unusable(rustls::Error),
    #[error("client_ca holds no certificate authority that can be used; write their certificates in PEM")]
    ClientCa,
}

/// What the gate shows to clients.
pub struct ServerTls {
    /// The server's own certificate first.
    pub certificates: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl ServerTls {
    /// From the operator's PEM files.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<ServerTls, TlsProblem> {
        Ok(ServerTls {
            certificates: certificates(chain).ok_or(TlsProblem::NoCertificate)?,
            key: PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsProblem::NoKey)?,
        })
    }
}

/// What one listener serves TLS with.
#[derive(Clone, Debug)]
pub struct TlsServer {
    pub config: Arc<ServerConfig>,
    /// `tls-server-end-point` of its certificate (RFC 5929 §4.1), where that is defined.
    pub end_point: Option<Vec<u8>>,
}

/// TLS of a listener for servers, or for people without certificates. With `client_ca`, a handshake without a certificate from one of
/// these authorities fails. Sessions are resumed by tickets, so that clients that come often cost little.
pub fn server_config(server: &ServerTls, client_ca: Option<&[u8]>) -> Result<TlsServer, TlsProblem> {
    let mut config = config(server, client_ca, Certificates::Demanded)?;
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsProblem::Unusable)?;
    Ok(TlsServer { config: Arc::new(config), end_point: end_point(&server.certificates) })
}

/// TLS of a listener where people may log in by a certificate from one of the authorities of `people_ca` (EXTERNAL); who has none logs
/// in otherwise. No session is resumed: a ticket would let a certificate outlive its last day.
pub fn people_config(server: &ServerTls, people_ca: &[u8]) -> Result<TlsServer, TlsProblem> {
    let mut config = config(server, Some(people_ca), Certificates::Welcome)?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(TlsServer { config: Arc::new(config), end_point: end_point(&server.certificates) })
}

/// What a client without a certificate is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Certificates {
    Demanded,
    Welcome,
}

fn config(server: &ServerTls, client_ca: Option<&[u8]>, certificates_are: Certificates) -> Result<ServerConfig, TlsProblem> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsProblem::Unusable)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem).ok_or(TlsProblem::ClientCa)? {
                roots.add(certificate).map_err(|_| TlsProblem::ClientCa)?;
            }
            let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            if certificates_are == Certificates::Welcome {
                verifier = verifier.allow_unauthenticated();
            }
            builder.with_client_cert_verifier(verifier.build().map_err(|_| TlsProblem::ClientCa)?)
        }
    };
    let (chain, key) = (server.certificates.clone(), server.key.clone_key());
    builder.with_single_cert(chain, key).map_err(TlsProblem::Unusable)
}

/// The hash of the certificate by the hash function of its own signature, SHA-256 where that is MD5 or SHA-1; undefined where the
/// signature has none of its own, as with Ed25519 and RSASSA-PSS (whose parameters name it).
fn end_point(chain: &[CertificateDer<'static>]) -> Option<Vec<u8>> {
    use aws_lc_rs::digest;
    use x509_cert::der::Decode;
    let der = chain.first()?;
    let certificate = x509_cert::Certificate::from_der(der).ok()?;
    let hash = match certificate.signature_algorithm().oid.to_string().as_str() {
        // RSA with MD5, SHA-1, SHA-256; ECDSA with SHA-1, SHA-256
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => &digest::SHA256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(hash, der).as_ref().to_vec())
}

/// `None` when there is none, or one is damaged.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(chain: &str, key: &str, client_ca: Option<&[u8]>) -> Result<TlsServer, TlsProblem> {
        server_config(&ServerTls::from_pem(chain.as_bytes(), key.as_bytes())?, client_ca)
    }

    #[test]
    fn each_unusable_file_is_named() {
        let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (one, other) = (made("gate.example.org"), made("gate.example.org"));
        let (chain, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        assert!(config(&chain, &key, None).is_ok());
        assert!(config(&chain, &key, Some(chain.as_bytes())).is_ok());
        let wrong = |chain: &str, key: &str, ca| config(chain, key, ca).unwrap_err();
        assert!(matches!(wrong("", &key, None), TlsProblem::NoCertificate));
        assert!(matches!(wrong(&chain.replace("MII", "!!!"), &key, None), TlsProblem::NoCertificate));
        assert!(matches!(wrong(&chain, &chain, None), TlsProblem::NoKey));
        assert!(matches!(wrong(&chain, &other.signing_key.serialize_pem(), None), TlsProblem::Unusable(_)));
        assert!(matches!(wrong(&chain, &key, Some(b"")), TlsProblem::ClientCa));
    }

    #[test]
    fn only_authenticated_encryption_and_the_post_quantum_exchange_first() {
        let made = rcgen::generate_simple_self_signed(["gate.example.org".to_owned()]).unwrap();
        let config = config(&made.cert.pem(), &made.signing_key.serialize_pem(), None).unwrap().config;
        for suite in &config.crypto_provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert!(name.contains("GCM") || name.contains("CHACHA20_POLY1305"), "{name}");
        }
        assert_eq!(config.crypto_provider().kx_groups[0].name(), rustls::NamedGroup::X25519MLKEM768);
        assert!(config.ticketer.enabled());
    }

    #[test]
    fn where_people_show_certificates_no_session_is_resumed() {
        let made = rcgen::generate_simple_self_signed(["gate.example.org".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let server = ServerTls::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let config = people_config(&server, chain.as_bytes()).unwrap().config;
        assert!(!config.ticketer.enabled() && !config.session_storage.can_cache() && config.send_tls13_tickets == 0);
        assert!(matches!(people_config(&server, b""), Err(TlsProblem::ClientCa)));
    }

    /// RFC 5929 §4.1.
    #[test]
    fn the_end_point_is_the_certificates_hash_by_its_own_function() {
        for (algorithm, hash) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(&aws_lc_rs::digest::SHA256)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(&aws_lc_rs::digest::SHA384)),
            (&rcgen::PKCS_RSA_SHA512, Some(&aws_lc_rs::digest::SHA512)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let made = rcgen::CertificateParams::new(vec!["gate.example.org".to_owned()]).unwrap().self_signed(&key).unwrap();
            let expected = hash.map(|hash| aws_lc_rs::digest::digest(hash, made.der()).as_ref().to_vec());
            assert_eq!(end_point(&[made.der().clone()]), expected, "{algorithm:?}");
        }
        assert_eq!(end_point(&[CertificateDer::from(vec![1, 2, 3])]), None);
    }
}
