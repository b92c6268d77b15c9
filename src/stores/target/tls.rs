//! TLS of targets whose protocols are not HTTP: one configuration, always with verification.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::stores::{Fault, StoreError};

/// Returns a configuration that trusts the certificates of a PEM file, or those of the system.
///
/// # Errors
/// [`Fault::Setup`] if there is no certificate to trust.
pub(super) fn client(target: &str, ca_file: Option<&Path>) -> Result<ClientConfig, StoreError> {
    let wrong = |what: &str, help: &str| StoreError::new(target, Fault::Setup, what, help);
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let unreadable = || {
            wrong(
                "`ca-file` holds no certificate that can be read",
                "name a file with the CA's certificate in PEM",
            )
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|_| unreadable())? {
            let certificate = certificate.map_err(|_| unreadable())?;
            roots.add(certificate).map_err(|_| unreadable())?;
        }
    } else {
        // Single broken certificates of a system are its own matter; no certificate at all is an error below.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(wrong(
            "there is no certificate to trust",
            "install the system's CA certificates (Debian: ca-certificates)",
        ));
    }
    // Named, not looked up: clouds' libraries bring another provider, and then rustls knows no default.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| {
            wrong(
                "TLS cannot be set up",
                "this is a fault of keysweep: report it",
            )
        })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
