//! Which certificates are believed of the servers that login providers are asked on.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// TLS towards a server whose certificate an authority of this machine has signed, or one of the file or folder that
/// `SSL_CERT_FILE` or `SSL_CERT_DIR` names. The image has no authorities of its own.
///
/// # Errors
/// When the cryptography knows no version of TLS.
pub(super) fn tls() -> Result<Arc<ClientConfig>, rustls::Error> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "certificates of authorities cannot be read");
    }
    let mut authorities = RootCertStore::empty();
    let (usable, _) = authorities.add_parsable_certificates(found.certs);
    if usable == 0 {
        tracing::warn!(
            "no certificates of authorities are found: name them in SSL_CERT_FILE, or servers of login providers cannot be asked over TLS"
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
