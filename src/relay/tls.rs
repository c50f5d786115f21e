//! Turns the operator's choice of authorities into a TLS client, and tells afterwards whether the other side proved who it is.

use super::settings::{Smarthost, Tls};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// A TLS client for one smarthost; made once, for reading the system's authorities takes milliseconds.
pub struct Client {
    pub connector: TlsConnector,
    /// Judges afterwards what an opportunistic handshake let pass; absent where the handshake itself judges, or nothing can.
    judge: Option<Arc<WebPkiServerVerifier>>,
}

impl Client {
    /// With `tls = "required"` a handshake that succeeds is a verified one.
    pub fn new(smarthost: &Smarthost) -> Result<Client, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let builder = versions.map_err(|why| why.to_string())?;
        let (config, judge) = match smarthost.tls {
            Tls::Required => (builder.with_root_certificates(roots(smarthost)?).with_no_client_auth(), None),
            Tls::Opportunistic | Tls::None => {
                let judge = roots(smarthost).ok().and_then(|roots| {
                    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().ok()
                });
                let anyone = Arc::new(Anyone { provider });
                (builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth(), judge)
            }
        };
        Ok(Client { connector: TlsConnector::from(Arc::new(config)), judge })
    }

    /// Whether the certificates that the handshake ended with are right for the smarthost: then, and only then, the connection also
    /// carries mail that demands verified TLS.
    pub fn is_verified(&self, smarthost: &Smarthost, chain: Option<&[CertificateDer<'_>]>) -> bool {
        if smarthost.tls == Tls::Required {
            return true;
        }
        let (Some(judge), Some([end, intermediates @ ..])) = (&self.judge, chain) else { return false };
        judge.verify_server_cert(end, intermediates, &smarthost.hostname, &[], UnixTime::now()).is_ok()
    }
}

/// From the operator's file, or else from the system.
fn roots(smarthost: &Smarthost) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates = match &smarthost.ca {
        Some(path) => {
            let unreadable = |why: String| format!("[upstream] ca = {}: {why}", path.display());
            let iter = CertificateDer::pem_file_iter(path).map_err(|why| unreadable(why.to_string()))?;
            iter.collect::<Result<Vec<_>, _>>().map_err(|why| unreadable(why.to_string()))?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(match &smarthost.ca {
            Some(path) => format!("[upstream] ca = {} holds no certificate in PEM", path.display()),
            None => {
                "this system has no certification authorities: install ca-certificates, or write ca = \"file.pem\"".to_owned()
            }
        });
    }
    Ok(roots)
}

/// Takes any certificate, but checks that the other side holds its key: encryption against those who only listen (RFC 7435).
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
