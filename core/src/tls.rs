//! The TLS settings of every connection that leaves the product: rustls with ring, the system's roots.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};

/// The shared settings, made at first use and kept for the life of the process.
///
/// Roots are those of the operating system (`SSL_CERT_FILE` and `SSL_CERT_DIR` replace them), or Mozilla's where
/// it has none, as in a minimal container. No ALPN is set: who wants HTTP/2 clones the settings and adds it.
pub fn client_config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    Arc::clone(CONFIG.get_or_init(|| Arc::new(config(roots()))))
}

/// Settings that trust nobody, for clients that never speak TLS: reading the system's roots takes milliseconds.
pub(crate) fn no_roots() -> ClientConfig {
    config(RootCertStore::empty())
}

fn config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn roots() -> RootCertStore {
    let mut store = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "a root certificate of the system could not be read");
    }
    let (_, broken) = store.add_parsable_certificates(native.certs);
    if broken > 0 {
        tracing::debug!(broken, "root certificates of the system were left out");
    }
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_made_once_and_speak_both_versions() {
        let first = client_config();
        assert!(Arc::ptr_eq(&first, &client_config()));
        assert!(first.alpn_protocols.is_empty());
        assert_eq!(first.crypto_provider().kx_groups.len(), 3);
    }
}
