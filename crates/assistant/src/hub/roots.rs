//! Whose certificates are believed: the system's store, so that a company's proxy which signs with its own root works
//! here as it does in the browser. `SSL_CERT_FILE` and `SSL_CERT_DIR` name another store.

use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::HubError;
use super::environment::set;

/// The settings of connections, with the roots of the system, or the public ones where the system has none.
///
/// # Errors
/// When a store was named and holds no certificate that can be read.
pub(super) fn tls() -> Result<TlsConfig, HubError> {
    let found = rustls_native_certs::load_native_certs();
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
    let named = named.into_iter().find_map(|name| Some((name, set(name)?)));
    let roots = match (found.certs.is_empty(), named) {
        (false, _) => {
            let certificates = found.certs.iter();
            let owned = certificates.map(|der| Certificate::from_der(der).to_owned());
            RootCerts::from(owned.collect::<Vec<_>>())
        }
        (true, None) => RootCerts::WebPki,
        (true, Some((variable, store))) => {
            let reason = found.errors.first();
            return Err(HubError::NoRoots {
                variable,
                store,
                reason: reason.map_or_else(|| "it is empty".to_owned(), ToString::to_string),
            });
        }
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}
