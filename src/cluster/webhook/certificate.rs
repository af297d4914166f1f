//! A certificate that signs itself: made at the start, never stored, and renewed at half of its time.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{sync::Arc, time::Duration};

/// How long a certificate lasts.
pub const LASTS: Duration = Duration::from_secs(14 * 24 * 3600);
/// Clocks differ.
const BEFORE: Duration = Duration::from_secs(3600);

/// A certificate with its key.
pub struct Certificate {
    /// For the API server.
    pub pem: String,
    /// For our own listener.
    pub server: Arc<ServerConfig>,
}

/// It could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The names in it, or its key.
    #[error("make a certificate")]
    Make(#[from] rcgen::Error),
    /// The library refuses it.
    #[error("use the certificate")]
    Use(#[from] rustls::Error),
}

/// A certificate for `host`, from `now` (seconds since 1970) on.
pub fn make(host: &str, now: i64) -> Result<Certificate, CertificateError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, host);
    params.distinguished_name = name;
    let at = |seconds: i64| {
        time::OffsetDateTime::from_unix_timestamp(seconds)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
    };
    params.not_before = at(now - seconds(BEFORE));
    params.not_after = at(now + seconds(LASTS));
    let certificate = params.self_signed(&key)?;
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Certificate {
        pem: certificate.pem(),
        server: Arc::new(server),
    })
}

/// For the bundle.
pub fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
