//! Connections to the one hub that holds a key: nobody else gets a byte of a request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use identity::tls::{self, CertificateFault, ConfigError, HandshakeError};
use identity::{ProvenKey, PublicKey};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use crate::AppKey;
use crate::address::Address;

/// How long a connection may take to come about: an onion service is far away.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);

/// Connects to one hub under an app's key, for clients built on `hyper`; it goes nowhere else.
#[derive(Clone, Debug)]
pub struct Connector {
    address: Arc<Address>,
    key: PublicKey,
    tls: Arc<ClientConfig>,
}

/// A connection to the hub, which has proven its key.
pub struct Stream(TokioIo<TlsStream<TcpStream>>);

/// There is no connection to the hub.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// TLS cannot be set up; the fault is ours.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The request means another server.
    #[error("{0} is not the hub that this client is for")]
    Elsewhere(Uri),
    /// Nobody answers.
    #[error("could not reach the hub at {address}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Whoever answers does not hold the hub's key: something else has taken its place.
    #[error("whoever answers at {address} is not the hub")]
    NotTheHub {
        /// Where it should be.
        address: String,
        /// What the other end showed.
        #[source]
        source: HandshakeError,
    },
    /// TLS failed otherwise.
    #[error("could not speak TLS with the hub at {address}")]
    Handshake {
        /// Where it should be.
        address: String,
        /// The reason.
        #[source]
        source: HandshakeError,
    },
}

impl Connector {
    pub(crate) fn new(
        address: Address,
        key: PublicKey,
        app: &AppKey,
    ) -> Result<Self, ConnectError> {
        let tls = tls::client_config(Some(app.device_key()), key)?;
        Ok(Self { address: Arc::new(address), key, tls })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The TLS that takes nobody but the hub.
    #[cfg(feature = "reqwest")]
    pub(crate) fn tls(&self) -> &ClientConfig {
        &self.tls
    }

    /// Opens a connection; the hub has proven its key when it is there.
    pub(crate) async fn open(&self) -> Result<Stream, ConnectError> {
        match timeout(CONNECT_LIMIT, self.connect()).await {
            Ok(outcome) => outcome,
            Err(slow) => Err(self.unreachable(slow.into())),
        }
    }

    async fn connect(&self) -> Result<Stream, ConnectError> {
        let tcp = TcpStream::connect(self.address.target()).await;
        let tcp = tcp.map_err(|error| self.unreachable(error))?;
        tcp.set_nodelay(true).map_err(|error| self.unreachable(error))?;
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        let stream = tls.connect(tls::server_name(), tcp).await;
        let stream = stream.map_err(|error| self.failed(error.into()))?;
        let proven = ProvenKey::of_client_connection(stream.get_ref().1);
        if proven.is_none_or(|proven| proven.key() != self.key) {
            return Err(self.failed(rustls::Error::from(CertificateFault::Unexpected).into()));
        }
        Ok(Stream(TokioIo::new(stream)))
    }

    fn unreachable(&self, source: io::Error) -> ConnectError {
        ConnectError::Unreachable { address: self.address.to_string(), source }
    }

    fn failed(&self, source: HandshakeError) -> ConnectError {
        let address = self.address.to_string();
        match source {
            HandshakeError::Unproven(_) => ConnectError::NotTheHub { address, source },
            HandshakeError::Misbehaved(_)
            | HandshakeError::Incompatible(_)
            | HandshakeError::Refused(_)
            | HandshakeError::Connection(_)
            | HandshakeError::Ours(_) => ConnectError::Handshake { address, source },
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            if !connector.address.covers(&uri) {
                return Err(ConnectError::Elsewhere(uri));
            }
            connector.open().await
        })
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
