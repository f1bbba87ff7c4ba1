//! Response bodies: whole ones, and ones that are written while they are sent.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use std::io;
use tokio::sync::mpsc;

/// The body of a response.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Chunks that wait for a slow reader before their writer waits too.
const CHUNKS_WAITING_MAX: usize = 4;

/// A body that is all there.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The same body; what comes with it lives as long.
pub(crate) fn with<T: Send + 'static>(body: Body, companion: T) -> Body {
    body.map_frame(move |frame| {
        let _alive = &companion;
        frame
    })
    .boxed_unsync()
}

/// A body that a task writes while it is sent.
pub(crate) fn channel() -> (BodySender, Body) {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING_MAX);
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let chunk: io::Result<Bytes> = receiver.recv().await?;
        Some((chunk.map(Frame::data), receiver))
    });
    (BodySender(sender), StreamBody::new(stream.boxed()).boxed_unsync())
}

/// The reader of a response has gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReaderGone;

/// The writing end of a body; dropping it ends the body.
#[derive(Clone, Debug)]
pub(crate) struct BodySender(mpsc::Sender<io::Result<Bytes>>);

impl BodySender {
    /// Sends a chunk, waiting for the reader.
    pub(crate) async fn send(&self, chunk: impl Into<Bytes>) -> Result<(), ReaderGone> {
        self.0.send(Ok(chunk.into())).await.map_err(|_| ReaderGone)
    }

    /// Breaks the connection off, so that the reader cannot take what it has for the whole.
    pub(crate) async fn abort(&self, reason: &'static str) {
        // A reader that has gone already needs no telling.
        let _gone = self.0.send(Err(io::Error::other(reason))).await;
    }

    /// Ends when the reader has gone.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}
