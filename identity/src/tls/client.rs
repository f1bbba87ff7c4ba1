//! The side that dials.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;

use super::verifier::ServerKey;
use super::{ConfigError, HTTP_1, HTTP_2, VERSIONS, presented, protocols, provider};
use crate::{DeviceKey, PublicKey};

/// TLS for dialling the hub with this key, under our own key or none; whoever else answers is refused.
///
/// # Errors
/// [`ConfigError`], for which no cause is known.
pub fn client_config(
    key: Option<&DeviceKey>,
    expected: PublicKey,
) -> Result<Arc<ClientConfig>, ConfigError> {
    config(key, Arc::new(ServerKey::Only(expected)), protocols([HTTP_1]))
}

/// The same for a connection that carries many requests at a time, where the hub has that: which
/// protocol it chose, the connection tells.
///
/// # Errors
/// [`ConfigError`], for which no cause is known.
pub fn multiplexed_client_config(
    key: &DeviceKey,
    expected: PublicKey,
) -> Result<Arc<ClientConfig>, ConfigError> {
    config(Some(key), Arc::new(ServerKey::Only(expected)), protocols([HTTP_2, HTTP_1]))
}

/// TLS for dialling whoever answers, whatever its key: it proves one, and that it is who is meant is yet
/// to be shown, by a code that two people compare or say to each other. For pairing, and for nothing else.
///
/// # Errors
/// [`ConfigError`], for which no cause is known.
pub fn client_config_for_any_key_not_yet_compared(
    key: &DeviceKey,
) -> Result<Arc<ClientConfig>, ConfigError> {
    config(Some(key), Arc::new(ServerKey::NotYetCompared), protocols([HTTP_1]))
}

fn config(
    key: Option<&DeviceKey>,
    verifier: Arc<dyn ServerCertVerifier>,
    protocols: Vec<Vec<u8>>,
) -> Result<Arc<ClientConfig>, ConfigError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match key {
        Some(key) => builder.with_client_cert_resolver(Arc::new(presented(key)?)),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols;
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    // Whom we call is nobody's business on the way.
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// The name to give where the TLS library asks for a server's: it is neither sent nor compared.
pub fn server_name() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into())
}
