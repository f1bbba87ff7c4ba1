//! TLS in which a peer is the key that it proves: no names, no dates, no authorities.

mod client;
mod fault;
mod proven;
mod server;
#[cfg(test)]
mod tests;
mod verifier;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{SupportedProtocolVersion, version};

use crate::{Certificate, CertificateError, DeviceKey};

pub use client::{
    client_config, client_config_for_any_key_not_yet_compared, multiplexed_client_config,
    server_name,
};
pub use fault::{CertificateFault, HandshakeError};
pub use proven::{ChannelBinding, EXPORTER_LABEL, ProvenKey};
pub use server::server_config;
pub use verifier::CERTIFICATE_BYTES_MAX;
#[cfg(any(test, fuzzing))]
pub(crate) use verifier::key_of;

/// HTTP/2, over which many requests travel at a time.
pub const HTTP_2: &[u8] = b"h2";

/// HTTP/1.1.
const HTTP_1: &[u8] = b"http/1.1";

/// Nothing older.
const VERSIONS: [&SupportedProtocolVersion; 1] = [&version::TLS13];

/// A TLS configuration could not be made; the fault is ours.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no certificate to show.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The TLS library does not take the key or the settings.
    #[error("could not set TLS up")]
    Tls(#[from] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn protocols<const N: usize>(names: [&[u8]; N]) -> Vec<Vec<u8>> {
    names.map(<[u8]>::to_vec).into()
}

/// What shows a device's certificate to every peer, and signs for it.
fn presented(key: &DeviceKey) -> Result<SingleCertAndKey, ConfigError> {
    let certificate = Certificate::of(key)?;
    let pkcs8 = key.to_pkcs8();
    let signing =
        rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()))?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing).into())
}
