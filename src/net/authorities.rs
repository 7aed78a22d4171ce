//! Certificate authorities from files: PEM → certificates that the TLS library can use.

use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::error::NetworkError;
use crate::host::{Environment, FILE_LIMIT, read_named};
use crate::origin::Origin;

/// The certificates of a PEM file, at least one and each usable as authority.
pub fn read_authorities(file: &Path, origin: &Origin) -> Result<Vec<CertificateDer<'static>>, NetworkError> {
    let unusable = |reason: String| NetworkError::Authorities { file: file.into(), origin: origin.clone(), reason };
    let bytes = read_named(file, FILE_LIMIT).map_err(|error| unusable(error.to_string()))?;
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(pem_reason(&error)))?;
    if found.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    let mut store = RootCertStore::empty();
    for (index, certificate) in found.iter().enumerate() {
        store
            .add(certificate.clone())
            .map_err(|error| unusable(format!("certificate {} of {}: {error}", index + 1, found.len())))?;
    }
    Ok(found)
}

fn pem_reason(error: &rustls_pki_types::pem::Error) -> String {
    match error {
        rustls_pki_types::pem::Error::Io(error) => error.to_string(),
        rustls_pki_types::pem::Error::NoItemsFound => "it holds no certificate".to_owned(),
        _ => "it is no valid PEM file".to_owned(),
    }
}

/// The system's authorities, or the ones of `SSL_CERT_FILE` and `SSL_CERT_DIR`; Mozilla's where a system has none, as in an
/// empty image.
pub(super) fn trusted(environment: &Environment) -> Result<Vec<CertificateDer<'static>>, NetworkError> {
    let (file, folders) = (environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR"));
    if file.is_none() && folders.is_none() {
        let system = usable(rustls_native_certs::load_native_certs().certs);
        let bundled = || webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec();
        return Ok(if system.is_empty() { bundled() } else { system });
    }
    let mut found = Vec::new();
    if let Some(file) = file {
        found.extend(read_authorities(Path::new(file), &Origin::Variable("SSL_CERT_FILE".to_owned()))?);
    }
    for folder in folders.into_iter().flat_map(|list| list.split(':')).filter(|folder| !folder.is_empty()) {
        found.extend(usable(rustls_native_certs::load_certs_from_paths(None, Some(Path::new(folder))).certs));
    }
    if found.is_empty() {
        return Err(NetworkError::Authorities {
            file: folders.unwrap_or_default().into(),
            origin: Origin::Variable("SSL_CERT_DIR".to_owned()),
            reason: "no folder of it holds a certificate under its hashed name".to_owned(),
        });
    }
    Ok(found)
}

/// A system's store may hold what the TLS library refuses; one such certificate would take all others down with it.
fn usable(mut found: Vec<CertificateDer<'static>>) -> Vec<CertificateDer<'static>> {
    found.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    found
}
