//! How a peer is reached: the hub says, and the HTTP client asks it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

/// A connection to a peer.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Any connection to a peer.
pub type BoxedIo = Box<dyn Io>;

/// Makes connections: over TCP, TLS, an onion service or in memory. Its own time-outs are its own
/// affair; the client waits for a connection no longer than for an answer.
pub trait Connect: Send + Sync + 'static {
    /// Connects to the scheme, host and port of `uri`, which holds no credentials.
    fn connect(&self, uri: Uri) -> Pin<Box<dyn Future<Output = io::Result<BoxedIo>> + Send>>;
}

/// [`Connect`] in the shape that hyper's client wants.
#[derive(Clone)]
pub(super) struct Connector(pub(super) Arc<dyn Connect>);

impl Service<Uri> for Connector {
    type Response = PeerConnection;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<PeerConnection>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.connect(uri);
        Box::pin(async move { Ok(PeerConnection(TokioIo::new(connecting.await?))) })
    }
}

/// A connection in the shape that hyper's client wants.
pub(super) struct PeerConnection(TokioIo<BoxedIo>);

impl Connection for PeerConnection {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for PeerConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for PeerConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bytes)
    }
}
