//! How the hub reaches other servers: over TCP or through Tor, and TLS where the URL says so.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use http::Uri;
use identity::pairing::FindSecret;
use identity::{DeviceKey, OnionAddress, PublicKey};
use replication::{BoxedIo, Connect};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::destination::Destination;
use crate::onion::{Onion, introduce};

/// The way to where a URL of the scheme `http` or `https` points.
#[derive(Clone)]
pub(super) struct Network {
    /// Certificate authorities trusted beside the platform's.
    ca_file: Option<PathBuf>,
    /// Made when the first URL says `https`: the platform's authorities take a while to read.
    tls: Arc<OnceCell<TlsConnector>>,
    onion: Arc<Onion>,
}

impl Network {
    /// Trusts the platform's authorities and those of a file.
    pub(super) fn new(ca_file: Option<PathBuf>, onion: Arc<Onion>) -> Self {
        Self { ca_file, tls: Arc::default(), onion }
    }

    async fn reach(&self, uri: &Uri) -> io::Result<BoxedIo> {
        let secure = uri.scheme_str() == Some("https");
        let destination = Destination::of(uri).map_err(io::Error::other)?;
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        // An onion service has no key that it is known by here, so it is a group by itself.
        let group = |of: &str| format!("web {of}");
        let stream = stream(&self.onion, &destination, port, group, None).await?;
        if !secure {
            return Ok(stream);
        }
        let host = uri.host().ok_or(io::ErrorKind::InvalidInput)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if destination.onion().is_some() { host.trim_end_matches('.') } else { host };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = self.tls.get_or_try_init(|| connector(self.ca_file.clone())).await?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }
}

impl Connect for Network {
    fn connect(&self, uri: Uri) -> Pin<Box<dyn Future<Output = io::Result<BoxedIo>> + Send>> {
        let network = self.clone();
        Box::pin(async move { network.reach(&uri).await })
    }
}

/// The way to a hub that has to prove its key.
#[derive(Clone)]
pub(crate) struct ToKey {
    device: DeviceKey,
    key: PublicKey,
    onion: Arc<Onion>,
}

impl ToKey {
    /// Whoever answers has to prove `key`; `device` is proven to it.
    pub(crate) fn new(device: &DeviceKey, key: PublicKey, onion: Arc<Onion>) -> Self {
        Self { device: device.clone(), key, onion }
    }

    async fn reach(&self, destination: &Destination, port: u16) -> io::Result<BoxedIo> {
        let config = identity::tls::client_config(Some(&self.device), self.key);
        let connector = TlsConnector::from(config.map_err(io::Error::other)?);
        let stream = self.stream(destination, port).await?;
        let stream = connector.connect(identity::tls::server_name(), stream).await?;
        Ok(Box::new(stream))
    }

    /// A connection to where the URL says, for many requests at a time where the hub has that.
    pub(crate) async fn connect_multiplexed(&self, uri: &Uri) -> io::Result<TlsStream<BoxedIo>> {
        let destination = Destination::of(uri).map_err(io::Error::other)?;
        let port = uri.port_u16().unwrap_or(identity::DEFAULT_PORT);
        let config = identity::tls::multiplexed_client_config(&self.device, self.key);
        let connector = TlsConnector::from(config.map_err(io::Error::other)?);
        let stream = self.stream(&destination, port).await?;
        let stream = connector.connect(identity::tls::server_name(), stream).await?;
        self.introduce(destination, port);
        Ok(stream)
    }

    async fn stream(&self, destination: &Destination, port: u16) -> io::Result<BoxedIo> {
        stream(&self.onion, destination, port, |_| self.key.to_string(), None).await
    }

    /// Tells a hub that has just proven its key by which key this device looks for its onion service;
    /// once, beside everything else, and as well as that goes.
    fn introduce(&self, destination: Destination, port: u16) {
        if !self.onion.is_to_be_introduced(self.key) {
            return;
        }
        let way = self.clone();
        tokio::spawn(async move {
            let told = async {
                let stream = way.reach(&destination, port).await?;
                let key_for = |service: &OnionAddress| way.onion.key_for(service);
                // Its name is its key, which it has proven.
                introduce(stream, "hub", destination.onion(), key_for).await
            };
            if let Err(error) = told.await {
                // With the next connection, then.
                way.onion.was_not_introduced(way.key);
                tracing::debug!(%error, "could not say by which key a hub is looked for");
            }
        });
    }
}

/// A connection for pairing: to the hub with this key, or to whoever answers where none is known yet. An onion
/// service is looked for by what the link holds, if anything.
pub(crate) async fn connect_to_pair(
    device: &DeviceKey,
    onion: &Onion,
    uri: &Uri,
    expected: Option<PublicKey>,
    link: Option<&FindSecret>,
) -> io::Result<TlsStream<BoxedIo>> {
    let destination = Destination::of(uri).map_err(io::Error::other)?;
    let port = uri.port_u16().unwrap_or(identity::DEFAULT_PORT);
    let config = match expected {
        Some(key) => identity::tls::client_config(Some(device), key),
        None => identity::tls::client_config_for_any_key_not_yet_compared(device),
    };
    let connector = TlsConnector::from(config.map_err(io::Error::other)?);
    // Circuits are shared with no other connection: whom it is for may not be known.
    let group = |of: &str| format!("pairing {of}");
    let stream = stream(onion, &destination, port, group, link).await?;
    connector.connect(identity::tls::server_name(), stream).await
}

impl Connect for ToKey {
    fn connect(&self, uri: Uri) -> Pin<Box<dyn Future<Output = io::Result<BoxedIo>> + Send>> {
        let way = self.clone();
        Box::pin(async move {
            let destination = Destination::of(&uri).map_err(io::Error::other)?;
            let port = uri.port_u16().unwrap_or(identity::DEFAULT_PORT);
            let stream = way.reach(&destination, port).await?;
            way.introduce(destination, port);
            Ok(stream)
        })
    }
}

/// A connection to a destination; an onion service is dialled within the group that `group` makes of
/// its address, and looked for by what a link holds, or else by this device's own key.
async fn stream(
    onion: &Onion,
    destination: &Destination,
    port: u16,
    group: impl FnOnce(&str) -> String,
    link: Option<&FindSecret>,
) -> io::Result<BoxedIo> {
    match destination {
        Destination::Onion(address) => {
            let stream = onion.dial(address, port, group(address.full()), link).await;
            Ok(Box::new(stream.map_err(io::Error::other)?))
        }
        Destination::Clear(host) => Ok(Box::new(host.connect(port).await?)),
    }
}

async fn connector(ca_file: Option<PathBuf>) -> io::Result<TlsConnector> {
    let roots = tokio::task::spawn_blocking(move || roots(ca_file.as_deref()));
    let roots = roots.await.map_err(io::Error::other)??;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config).into())
}

/// The authorities that are trusted. May block.
fn roots(ca_file: Option<&Path>) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let platform = rustls_native_certs::load_native_certs();
    for error in platform.errors {
        tracing::warn!(%error, "could not read some of the platform's certificate authorities");
    }
    // Platforms list some that nobody can use.
    let _usable = roots.add_parsable_certificates(platform.certs);
    if let Some(file) = ca_file {
        let failed = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("could not read {}: {error}", file.display()))
        };
        let certificates = CertificateDer::pem_file_iter(file).map_err(|error| failed(&error))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| failed(&error))?;
            roots.add(certificate).map_err(|error| failed(&error))?;
        }
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.pem");
        let error = roots(Some(&missing)).unwrap_err().to_string();
        assert!(error.contains("missing.pem"), "{error}");
        let odd = folder.path().join("odd.pem");
        std::fs::write(&odd, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .unwrap();
        let error = roots(Some(&odd)).unwrap_err().to_string();
        assert!(error.contains("odd.pem"), "{error}");
        roots(None).unwrap();
    }
}
