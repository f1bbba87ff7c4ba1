//! A stream through Tor.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;

/// Bytes to and from somebody at the other end of a circuit. Nothing is known of who that is.
#[derive(Debug)]
pub struct OnionStream {
    socket: Socket,
    /// Counts it as open, where somebody counts.
    _counted: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Socket {
    /// The way to the child process.
    Unix(UnixStream),
    /// The way to a system Tor.
    Tcp(TcpStream),
}

impl From<UnixStream> for OnionStream {
    fn from(stream: UnixStream) -> Self {
        Self { socket: Socket::Unix(stream), _counted: None }
    }
}

impl From<TcpStream> for OnionStream {
    fn from(stream: TcpStream) -> Self {
        Self { socket: Socket::Tcp(stream), _counted: None }
    }
}

impl OnionStream {
    /// The stream, which gives this back when it is dropped, so that open ones can be counted.
    pub(crate) fn counted_by(self, permit: OwnedSemaphorePermit) -> Self {
        Self { socket: self.socket, _counted: Some(permit) }
    }
}

/// Calls the same of whichever socket it is.
macro_rules! either {
    ($self:ident, $socket:ident => $call:expr) => {
        match &mut $self.get_mut().socket {
            Socket::Unix($socket) => $call,
            Socket::Tcp($socket) => $call,
        }
    };
}

impl AsyncRead for OnionStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_read(cx, buffer))
    }
}

impl AsyncWrite for OnionStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_shutdown(cx))
    }
}
