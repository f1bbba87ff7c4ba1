//! A client's stream: patient with slow readers, but not for ever, and polite in parting.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::guest::Guest;
use super::request_line::RequestLines;

/// How long a client may take in nothing of an answer that waits for it.
const STALL_MAX: Duration = Duration::from_secs(120);

/// How long what a client still sends is thrown away after its last answer.
const LINGER_MAX: Duration = Duration::from_secs(10);

/// How long it may pause in this, and how long it is given to show that it sends at all.
const LINGER_PAUSE_MAX: Duration = Duration::from_secs(1);
const LINGER_SILENCE_MAX: Duration = Duration::from_millis(100);

/// Bytes thrown away at a time.
const LINGER_PIECE_BYTES: usize = 8 * 1024;

/// A stream to a client.
///
/// What is written has to be taken in every now and then, else writing fails with
/// [`io::ErrorKind::TimedOut`]: a client that stops reading would hold its answer's memory for ever.
///
/// Shut down while the client still sends, it hears the client out: most clients send their whole
/// request before they read, and would see a broken connection instead of why they were refused.
pub(super) struct ClientStream<S> {
    stream: S,
    guest: Arc<Guest>,
    /// Runs while somebody waits; kept for the next one.
    deadline: Option<Pin<Box<Sleep>>>,
    stalled: bool,
    parting: Parting,
    /// None where requests are no text.
    lines: Option<RequestLines>,
    /// What was read, and is passed on next.
    read: VecDeque<u8>,
}

#[derive(Clone, Copy)]
enum Parting {
    NotYet,
    /// Our side is shut; the client is listened to until then.
    Listening(Instant),
}

impl<S> ClientStream<S> {
    /// Wraps a connection of HTTP/1.1 that was accepted.
    pub(super) fn new(stream: S, guest: Arc<Guest>) -> Self {
        Self { lines: Some(RequestLines::new()), ..Self::of_frames(stream, guest) }
    }

    /// Wraps one whose requests come in frames.
    pub(super) fn of_frames(stream: S, guest: Arc<Guest>) -> Self {
        Self {
            stream,
            guest,
            deadline: None,
            stalled: false,
            parting: Parting::NotYet,
            lines: None,
            read: VecDeque::new(),
        }
    }

    /// Passes a write's outcome on, and gives up when writes have waited for too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.stalled {
                self.stalled = false;
                self.guest.set_stalled(false);
            }
            return written;
        }
        if !self.stalled {
            self.stalled = true;
            self.guest.set_stalled(true);
            self.set_deadline(STALL_MAX);
        }
        ready!(self.poll_deadline(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn set_deadline(&mut self, after: Duration) {
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(after)));
        deadline.as_mut().reset(Instant::now() + after);
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.deadline.as_mut().map_or(Poll::Ready(()), |deadline| deadline.as_mut().poll(cx))
    }
}

impl<S: AsyncRead + Unpin> ClientStream<S> {
    /// Throws away what the client still sends, until it ends, pauses, or goes on for too long.
    fn hear_out(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<io::Result<()>> {
        let mut piece = [0; LINGER_PIECE_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && Instant::now() < until => {
                    self.set_deadline(LINGER_PAUSE_MAX);
                }
                Poll::Pending => return self.poll_deadline(cx).map(Ok),
                Poll::Ready(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            let came = &buffer.filled()[before..];
            match self.lines.as_mut().and_then(|lines| lines.follow(came)) {
                None => return Poll::Ready(Ok(())),
                Some(encoded) => {
                    buffer.set_filled(before);
                    self.read = encoded.into();
                }
            }
        }
        let (front, _) = self.read.as_slices();
        let length = front.len().min(buffer.remaining());
        buffer.put_slice(&front[..length]);
        self.read.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let until = match self.parting {
            Parting::Listening(until) => until,
            Parting::NotYet => {
                ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
                let until = Instant::now() + LINGER_MAX;
                self.parting = Parting::Listening(until);
                self.set_deadline(LINGER_SILENCE_MAX);
                until
            }
        };
        self.hear_out(cx, until)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;
    use crate::listener::guest::Guests;

    fn pair() -> (ClientStream<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(10);
        let entered = Arc::new(Guests::default()).enter();
        (ClientStream::new(ours, Arc::clone(entered.guest())), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_is_given_up() {
        let (mut stream, _theirs) = pair();
        stream.write_all(b"0123456789").await.unwrap();
        let began = Instant::now();
        let error = stream.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 120);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_waited_for() {
        let (mut stream, mut theirs) = pair();
        let reading = async {
            let mut byte = [0];
            for _ in 0..100 {
                sleep(Duration::from_secs(119)).await;
                theirs.read_exact(&mut byte).await.unwrap();
            }
        };
        let writing = async {
            stream.write_all(&[7; 110]).await.unwrap();
        };
        tokio::join!(reading, writing);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_still_sends_is_heard_out() {
        let (mut stream, mut theirs) = pair();
        let began = Instant::now();
        let sending = async {
            for _ in 0..50 {
                theirs.write_all(b"012345").await.unwrap();
                sleep(Duration::from_millis(100)).await;
            }
        };
        let parting = async {
            sleep(Duration::from_millis(1)).await;
            stream.shutdown().await.unwrap();
        };
        tokio::join!(sending, parting);
        assert_eq!(began.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn but_not_for_ever_and_not_when_it_is_silent() {
        let (mut stream, mut theirs) = pair();
        let began = Instant::now();
        let sending = async {
            while theirs.write_all(b"x").await.is_ok() && began.elapsed().as_secs() < 60 {
                sleep(Duration::from_millis(100)).await;
            }
        };
        let parting = async {
            sleep(Duration::from_millis(1)).await;
            stream.shutdown().await.unwrap();
            let took = began.elapsed().as_secs();
            drop(stream);
            took
        };
        assert_eq!(tokio::join!(sending, parting).1, 10);
        let (mut stream, _theirs) = pair();
        let began = Instant::now();
        stream.shutdown().await.unwrap();
        assert_eq!(began.elapsed().as_millis(), 100);
    }
}
