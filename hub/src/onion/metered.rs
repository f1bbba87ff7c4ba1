//! A stream whose bytes are counted, and held back where there is a data limit.

use std::io;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::bucket::Bucket;

/// What all streams carry together.
#[derive(Debug)]
pub(crate) struct Traffic {
    bucket: Option<Mutex<Bucket>>,
    open: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Traffic {
    /// None yet; at most so many bytes a second, where there is a limit.
    pub(super) fn new(bytes_per_second_max: Option<NonZeroU64>, now: Instant) -> Arc<Self> {
        let bucket = bytes_per_second_max.map(|rate| Mutex::new(Bucket::new(rate, now)));
        Arc::new(Self {
            bucket,
            open: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        })
    }

    /// Streams that are open.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Bytes that came, and bytes that went, since the hub started.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.bytes_in.load(Ordering::Relaxed), self.bytes_out.load(Ordering::Relaxed))
    }

    fn bucket(&self) -> Option<MutexGuard<'_, Bucket>> {
        self.bucket.as_ref().map(|bucket| bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn carried(&self, counter: &AtomicU64, bytes: usize) {
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(mut bucket) = self.bucket() {
            bucket.take(bytes as u64, Instant::now());
        }
    }
}

/// A stream that is counted.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    stream: S,
    traffic: Arc<Traffic>,
    reading: Turn,
    writing: Turn,
}

/// What one direction of a stream waits by.
#[derive(Debug, Default)]
struct Turn(Option<Pin<Box<Sleep>>>);

impl Turn {
    /// How many bytes may be carried now, once some may.
    fn poll(&mut self, traffic: &Traffic, cx: &mut Context<'_>) -> Poll<usize> {
        loop {
            let Some(bucket) = traffic.bucket() else { return Poll::Ready(usize::MAX) };
            let (at, piece) = (bucket.not_before(Instant::now()), bucket.piece());
            drop(bucket);
            let Some(at) = at else { return Poll::Ready(piece) };
            let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
            // Others may have taken more since it was set.
            sleep.as_mut().reset(at);
            ready!(sleep.as_mut().poll(cx));
        }
    }
}

impl<S> Metered<S> {
    /// Counts a stream among the others.
    pub(super) fn new(stream: S, traffic: &Arc<Traffic>) -> Self {
        traffic.open.fetch_add(1, Ordering::Relaxed);
        let traffic = Arc::clone(traffic);
        Self { stream, traffic, reading: Turn::default(), writing: Turn::default() }
    }
}

impl<S> Drop for Metered<S> {
    fn drop(&mut self) {
        self.traffic.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, traffic, reading, .. } = self.get_mut();
        let most = ready!(reading.poll(traffic, cx)).min(buffer.remaining());
        let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(stream).poll_read(cx, &mut piece))?;
        let bytes = piece.filled().len();
        buffer.advance(bytes);
        traffic.carried(&traffic.bytes_in, bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, traffic, writing, .. } = self.get_mut();
        let most = ready!(writing.poll(traffic, cx)).min(bytes.len());
        let piece = bytes.get(..most).unwrap_or(bytes);
        let written = ready!(Pin::new(stream).poll_write(cx, piece))?;
        traffic.carried(&traffic.bytes_out, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn traffic(rate: u64) -> Arc<Traffic> {
        Traffic::new(NonZeroU64::new(rate), Instant::now())
    }

    fn pair(traffic: &Arc<Traffic>) -> (Metered<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(1 << 20);
        (Metered::new(ours, traffic), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn all_streams_share_one_limit_in_both_directions() {
        let traffic = traffic(1000);
        let (mut sending, _taken) = pair(&traffic);
        let (mut receiving, mut theirs) = pair(&traffic);
        theirs.write_all(&[7; 5000]).await.unwrap();
        let began = Instant::now();
        let receive = async {
            let mut received = vec![0; 5000];
            receiving.read_exact(&mut received).await.unwrap();
        };
        let (sent, ()) = tokio::join!(sending.write_all(&[7; 5000]), receive);
        sent.unwrap();
        let took = began.elapsed().as_millis();
        // A second's worth was saved, and the last piece is not waited for.
        assert!((8700..=9100).contains(&took), "{took}");
        assert_eq!((traffic.open(), traffic.bytes()), (2, (5000, 5000)));
        drop((sending, receiving));
        assert_eq!(traffic.open(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        let traffic = Traffic::new(None, Instant::now());
        let (mut stream, mut theirs) = pair(&traffic);
        let began = Instant::now();
        stream.write_all(&[7; 100_000]).await.unwrap();
        theirs.write_all(&[7; 1000]).await.unwrap();
        drop(theirs);
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        assert_eq!((received.len(), began.elapsed().as_millis()), (1000, 0));
        assert_eq!(traffic.bytes(), (1000, 100_000));
    }
}
