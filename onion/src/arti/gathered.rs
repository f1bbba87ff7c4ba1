//! A stream read by as much as has come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of which everything is read that has come, up to the size of the buffer: Tor's gives one cell at a
/// time, and each would be written to the parent by itself.
pub(super) struct Gathered<S> {
    stream: S,
    /// How it ended, after bytes that had to be handed over first. Tor's tells that once.
    end: Option<io::Result<()>>,
}

impl<S> From<S> for Gathered<S> {
    fn from(stream: S) -> Self {
        Self { stream, end: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(end) = self.end.take() {
            return Poll::Ready(end);
        }
        let before = buffer.filled().len();
        while buffer.remaining() > 0 {
            let so_far = buffer.filled().len();
            match Pin::new(&mut self.stream).poll_read(cx, buffer) {
                Poll::Ready(Ok(())) if buffer.filled().len() > so_far => {}
                nothing if so_far == before => return nothing,
                Poll::Ready(end) => {
                    self.end = Some(end);
                    break;
                }
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Gives its bytes one cell at a time, then how it ends, once, as Tor's streams do.
    struct Cells {
        cells: Vec<Option<&'static [u8]>>,
        end: Option<io::Result<()>>,
    }

    impl AsyncRead for Cells {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.cells.is_empty() {
                let again = Err(io::ErrorKind::NotConnected.into());
                return Poll::Ready(self.end.take().unwrap_or(again));
            }
            match self.cells.remove(0) {
                Some(cell) => {
                    buffer.put_slice(cell);
                    Poll::Ready(Ok(()))
                }
                None => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        }
    }

    fn gathered(end: io::Result<()>) -> Gathered<Cells> {
        let cells = vec![Some(&b"ab"[..]), Some(&b"cd"[..]), None, Some(&b"ef"[..])];
        Gathered::from(Cells { cells, end: Some(end) })
    }

    #[tokio::test]
    async fn what_has_come_is_read_at_once_and_its_end_is_told_after_it() {
        let mut stream = gathered(Ok(()));
        let mut buffer = [0; 16];
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 4);
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 2);
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);

        let mut stream = gathered(Err(io::ErrorKind::ConnectionReset.into()));
        let mut read = Vec::new();
        let error = stream.read_to_end(&mut read).await.unwrap_err();
        assert_eq!(
            (read.as_slice(), error.kind()),
            (&b"abcdef"[..], io::ErrorKind::ConnectionReset)
        );
    }

    #[tokio::test]
    async fn no_more_is_read_than_there_is_room_for() {
        let (mut near, far) = tokio::io::duplex(64);
        near.write_all(b"abcdef").await.unwrap();
        let mut stream = Gathered::from(far);
        let mut buffer = [0; 4];
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 4);
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 2);
    }
}
