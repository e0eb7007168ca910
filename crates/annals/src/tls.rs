//! Looking at TLS files before anything is done.

use annals_server::{TlsError, TlsFiles};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::exit::{Exit, Failure};

/// Reads a certificate chain and its key as the server will, and forgets them.
///
/// # Errors
///
/// `Invalid`, when the server could not use them.
pub(crate) fn check(files: &TlsFiles) -> Result<(), Failure> {
    read(files).map_err(|error| Failure::new(Exit::Invalid, error.to_string()))
}

fn read(files: &TlsFiles) -> Result<(), TlsError> {
    let certificates = CertificateDer::pem_file_iter(&files.certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| TlsError::File { path: files.certificates.clone(), cause })?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { path: files.certificates.clone() });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|cause| TlsError::File { path: files.key.clone(), cause })?;
    CertifiedKey::from_der(certificates, key, &default_provider())?;
    Ok(())
}
