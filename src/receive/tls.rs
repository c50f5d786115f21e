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
    #[error(
        "client_ca holds so many authorities that it must be a list of public ones: whoever buys a certificate could send; \
         write a file with the authority of your own mail servers alone"
    )]
    PublicAuthorities,
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

/// An organisation's own authorities, old and new, for the mail servers before the gate; public lists have more than a hundred.
const OWN_AUTHORITIES: usize = 20;

/// What one listener serves TLS with. With `client_ca`, a handshake without a certificate from one of these authorities fails.
/// Sessions are resumed by tickets, so that clients that come often cost little.
pub fn server_config(server: &ServerTls, client_ca: Option<&[u8]>) -> Result<Arc<ServerConfig>, TlsProblem> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsProblem::Unusable)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let roots = Arc::new(authorities(pem)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|_| TlsProblem::ClientCa)?)
        }
    };
    let (chain, key) = (server.certificates.clone(), server.key.clone_key());
    let mut config = builder.with_single_cert(chain, key).map_err(TlsProblem::Unusable)?;
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsProblem::Unusable)?;
    Ok(Arc::new(config))
}

/// Who may vouch for the mail servers before us.
pub fn authorities(pem: &[u8]) -> Result<RootCertStore, TlsProblem> {
    let certificates = certificates(pem).ok_or(TlsProblem::ClientCa)?;
    if certificates.len() > OWN_AUTHORITIES {
        return Err(TlsProblem::PublicAuthorities);
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|_| TlsProblem::ClientCa)?;
    }
    Ok(roots)
}

/// `None` when there is none, or one is damaged.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(chain: &str, key: &str, client_ca: Option<&[u8]>) -> Result<Arc<ServerConfig>, TlsProblem> {
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
        let many = chain.repeat(21);
        assert!(matches!(wrong(&chain, &key, Some(many.as_bytes())), TlsProblem::PublicAuthorities));
    }

    #[test]
    fn only_authenticated_encryption_and_the_post_quantum_exchange_first() {
        let made = rcgen::generate_simple_self_signed(["gate.example.org".to_owned()]).unwrap();
        let config = config(&made.cert.pem(), &made.signing_key.serialize_pem(), None).unwrap();
        for suite in &config.crypto_provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert!(name.contains("GCM") || name.contains("CHACHA20_POLY1305"), "{name}");
        }
        assert_eq!(config.crypto_provider().kx_groups[0].name(), rustls::NamedGroup::X25519MLKEM768);
        assert!(config.ticketer.enabled());
    }
}
