//! TLS towards a daemon: certificate files → a rustls configuration. Certificates are always verified.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::endpoint::TlsFiles;
use crate::diagnostic::printable_path;

/// Builds the client side of a connection. The error is the reason as text, naming the file.
pub(super) fn client_config(files: &TlsFiles, ca_bundle: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    if let Some(ca) = &files.ca {
        add_authorities(&mut roots, ca)?;
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(bundle) = ca_bundle {
        add_authorities(&mut roots, bundle)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let config = match &files.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error.to_string()))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| unreadable(certificate, &error.to_string()))?
        }
    };
    Ok(Arc::new(config))
}

fn add_authorities(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| unreadable(file, &error.to_string()))?;
    }
    Ok(())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(file, &error.to_string()))?;
    if found.is_empty() { Err(unreadable(file, "it holds no certificate")) } else { Ok(found) }
}

fn unreadable(file: &Path, reason: &str) -> String {
    format!("cannot use `{}`: {reason}", printable_path(file))
}
