//! Bodies of requests, sent piece by piece.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http::HeaderValue;
use http_body::{Body, Frame, SizeHint};

use crate::PeerError;

/// Bytes handed to the connection at a time, so that its progress can be seen.
const PIECE_BYTES: usize = 64 * 1024;

/// A body whose length is known beforehand.
pub(super) struct RequestBody {
    content_type: HeaderValue,
    left: u64,
    pieces: Pieces,
    sent: Arc<AtomicU64>,
}

enum Pieces {
    Whole(Bytes),
    Stream(Pin<Box<dyn Stream<Item = Result<Bytes, PeerError>> + Send>>),
}

/// A body of JSON.
impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        let left = bytes.len() as u64;
        let content_type = HeaderValue::from_static("application/json");
        Self { content_type, left, pieces: Pieces::Whole(bytes), sent: Arc::default() }
    }
}

impl RequestBody {
    /// A body of `length` bytes that are made while it is sent.
    pub(super) fn from_stream(
        content_type: HeaderValue,
        length: u64,
        stream: impl Stream<Item = Result<Bytes, PeerError>> + Send + 'static,
    ) -> Self {
        Self {
            content_type,
            left: length,
            pieces: Pieces::Stream(Box::pin(stream)),
            sent: Arc::default(),
        }
    }

    /// Its media type.
    pub(super) fn content_type(&self) -> HeaderValue {
        self.content_type.clone()
    }

    /// Counts what was handed to the connection.
    pub(super) fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PeerError>>> {
        match &mut self.pieces {
            Pieces::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Pieces::Whole(bytes) => {
                Poll::Ready(Some(Ok(bytes.split_to(PIECE_BYTES.min(bytes.len())))))
            }
            Pieces::Stream(stream) => stream.as_mut().poll_next(cx),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = match ready!(self.poll_piece(cx)) {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None if self.left == 0 => return Poll::Ready(None),
            None => return Poll::Ready(Some(Err(wrong_length()))),
        };
        let Some(left) = self.left.checked_sub(piece.len() as u64) else {
            return Poll::Ready(Some(Err(wrong_length())));
        };
        self.left = left;
        self.sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn wrong_length() -> Box<dyn StdError + Send + Sync> {
    Box::new(PeerError::Answer("an attachment has another length than the source said".into()))
}
