//! Turns the operator's choice of authorities into a TLS client that believes nobody else.

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// `ca`: a PEM file; left out, the system's authorities. Errors name the setting.
pub fn connector(ca: Option<&Path>, protocols: &[&[u8]]) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let unreadable = |_| format!("ca = {} cannot be read as certificates in PEM", path.display());
            let found = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>();
            roots.add_parsable_certificates(found.map_err(unreadable)?);
            if roots.is_empty() {
                return Err(format!("ca = {} holds no certificate in PEM", path.display()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.map_err(|why| why.to_string())?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsConnector::from(Arc::new(config)))
}
