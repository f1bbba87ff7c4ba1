//! The side that listens.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;

use super::verifier::AnyKey;
use super::{ConfigError, HTTP_1, HTTP_2, VERSIONS, presented, protocols, provider};
use crate::DeviceKey;

/// TLS for a hub's listeners: TLS 1.3, a client may show a certificate or none.
///
/// Every connection is a full handshake: a peer that was shut out does not come back by a session from
/// before, and nothing arrives that could be replayed.
///
/// # Errors
/// [`ConfigError`], for which no cause is known.
pub fn server_config(key: &DeviceKey) -> Result<Arc<ServerConfig>, ConfigError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&VERSIONS)?
        .with_client_cert_verifier(Arc::new(AnyKey))
        .with_cert_resolver(Arc::new(presented(key)?));
    config.alpn_protocols = protocols([HTTP_2, HTTP_1]);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
