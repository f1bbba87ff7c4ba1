//! Bodies that a thread which may block writes while they are sent.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use store::OutputError;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::body::Body;
use super::reply::{self, Reply};

/// Bytes gathered before they are handed to the connection: large enough that the hop costs
/// nothing beside the copying, small enough that a thousand of them are no matter.
const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks that wait for a slow reader before their writer waits too.
const CHUNKS_WAITING_MAX: usize = 4;

/// How long a reader may take nothing before its answer is given up, so that readers who stall
/// cannot hold all the threads that may block.
const STALL_MAX: Duration = Duration::from_secs(60);

/// The blocking end of a body.
#[derive(Debug)]
pub(crate) struct Sink {
    chunks: mpsc::Sender<Bytes>,
    runtime: Handle,
    chunk: Vec<u8>,
    whole: Arc<AtomicBool>,
}

impl Sink {
    fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.whole.store(true, Ordering::Release);
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() {
            return Ok(());
        }
        let sending = timeout(STALL_MAX, self.chunks.send(chunk.into()));
        match self.runtime.block_on(sending) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// A body that `work` writes on a thread which may block. When `work` fails the connection breaks
/// off, so that nobody takes a part for the whole.
pub(crate) fn stream(
    work: impl FnOnce(&mut Sink) -> Result<(), OutputError> + Send + 'static,
) -> Body {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING_MAX);
    let whole = Arc::new(AtomicBool::new(false));
    let mut sink = Sink {
        chunks: sender,
        runtime: Handle::current(),
        chunk: Vec::new(),
        whole: Arc::clone(&whole),
    };
    tokio::task::spawn_blocking(move || {
        let outcome = work(&mut sink).and_then(|()| sink.finish().map_err(OutputError::Sink));
        match outcome {
            Ok(()) => {}
            Err(OutputError::Sink(_)) => tracing::debug!("the reader of an answer is gone"),
            Err(OutputError::Store(error)) => {
                tracing::error!(error = error.unnamed(), "an answer was broken off");
            }
        }
    });
    let chunks = futures_util::stream::unfold(Some(receiver), move |receiver| {
        let whole = Arc::clone(&whole);
        async move {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(chunk) => Some((Ok(Frame::data(chunk)), Some(receiver))),
                None if whole.load(Ordering::Acquire) => None,
                None => Some((Err(io::Error::other("the answer could not be finished")), None)),
            }
        }
    });
    StreamBody::new(chunks.boxed()).boxed_unsync()
}

/// A JSON answer that `work` writes on a thread which may block.
pub(crate) fn stream_json(
    status: StatusCode,
    work: impl FnOnce(&mut Sink) -> Result<(), OutputError> + Send + 'static,
) -> Reply {
    reply::json_stream(status, stream(work))
}
