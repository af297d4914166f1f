//! TLS to upstreams: the roots of the web, and a company's own.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Two ways to ask for a connection.
#[derive(Clone)]
pub struct Tls {
    /// For requests: HTTP/2, or HTTP/1.1, as the upstream likes.
    pub any: Arc<ClientConfig>,
    /// For what only HTTP/1.1 can carry.
    pub http1: Arc<ClientConfig>,
}

/// No TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file with further roots.
    #[error("can't read the certificates in {}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A certificate in it.
    #[error("a certificate in {} can't be used", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The file holds none.
    #[error("there is no certificate in {}", .0.display())]
    Empty(PathBuf),
    /// The library and its cryptography don't go together.
    #[error("can't set TLS up")]
    Setup(#[source] rustls::Error),
}

impl Tls {
    /// With the roots that browsers trust, and those of `bundle`.
    pub fn new(bundle: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        if let Some(path) = bundle {
            let failed = |source| TlsError::Bundle {
                path: path.to_owned(),
                source,
            };
            let before = roots.len();
            for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
                roots.add(certificate.map_err(failed)?).map_err(|source| {
                    TlsError::Certificate {
                        path: path.to_owned(),
                        source,
                    }
                })?;
            }
            if roots.len() == before {
                return Err(TlsError::Empty(path.to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut http1 = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut any = http1.clone();
        any.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            any: Arc::new(any),
            http1: Arc::new(http1),
        })
    }
}
