//! How the hub reaches other servers: over TCP, and TLS where the URL says `https`.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use http::Uri;
use identity::{DeviceKey, PublicKey};
use replication::{BoxedIo, Connect};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// The way to where a URL of the scheme `http` or `https` points.
#[derive(Clone, Default)]
pub(super) struct Network {
    /// Certificate authorities trusted beside the platform's.
    ca_file: Option<PathBuf>,
    /// Made when the first URL says `https`: the platform's authorities take a while to read.
    tls: Arc<OnceCell<TlsConnector>>,
}

impl Network {
    /// Trusts the platform's authorities and those of a file.
    pub(super) fn new(ca_file: Option<PathBuf>) -> Self {
        Self { ca_file, tls: Arc::default() }
    }

    async fn reach(&self, uri: &Uri) -> io::Result<BoxedIo> {
        let secure = uri.scheme_str() == Some("https");
        let stream = tcp(uri, if secure { 443 } else { 80 }).await?;
        if !secure {
            return Ok(Box::new(stream));
        }
        let host = uri.host().ok_or(io::ErrorKind::InvalidInput)?;
        let name = ServerName::try_from(bare(host).to_owned()).map_err(io::Error::other)?;
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
pub(super) struct ToKey {
    device: DeviceKey,
    key: PublicKey,
}

impl ToKey {
    /// Whoever answers has to prove `key`; `device` is proven to it.
    pub(super) fn new(device: &DeviceKey, key: PublicKey) -> Self {
        Self { device: device.clone(), key }
    }
}

impl Connect for ToKey {
    fn connect(&self, uri: Uri) -> Pin<Box<dyn Future<Output = io::Result<BoxedIo>> + Send>> {
        let config = identity::tls::client_config(Some(&self.device), self.key);
        Box::pin(async move {
            let connector = TlsConnector::from(config.map_err(io::Error::other)?);
            let stream = tcp(&uri, identity::DEFAULT_PORT).await?;
            let stream = connector.connect(identity::tls::server_name(), stream).await?;
            Ok(Box::new(stream) as BoxedIo)
        })
    }
}

/// A connection to where a URL points.
async fn tcp(uri: &Uri, default_port: u16) -> io::Result<TcpStream> {
    let host = uri.host().ok_or(io::ErrorKind::InvalidInput)?;
    let port = uri.port_u16().unwrap_or(default_port);
    let stream = TcpStream::connect((bare(host), port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Brackets are for URLs, not for looking names up.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
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
