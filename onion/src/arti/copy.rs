//! Streams carried between Tor and the parent, and what else the parent is told.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc};

use super::control::Writer;
use super::gathered::Gathered;
use super::message::ToParent;

/// Messages that wait for a parent that is busy.
const MESSAGES_MAX: usize = 256;

/// Streams that are carried at once. The parent has limits of its own, below this.
const STREAMS_MAX: u32 = 1 << 16;

/// Bytes carried at a time, each way: some thirty of Tor's cells.
const PIECE_BYTES: usize = 16 * 1024;

/// The way to the parent.
#[derive(Clone, Debug)]
pub(super) struct Parent {
    messages: mpsc::Sender<(ToParent, Option<OwnedFd>)>,
    streams: Arc<Semaphore>,
}

impl Parent {
    pub(super) fn begin(mut writer: Writer) -> Self {
        let (messages, mut waiting) = mpsc::channel::<(ToParent, Option<OwnedFd>)>(MESSAGES_MAX);
        tokio::spawn(async move {
            while let Some((message, stream)) = waiting.recv().await {
                if let Err(error) = writer.send(&message, stream.as_ref().map(OwnedFd::as_fd)).await
                {
                    tracing::debug!(%error, "the parent is gone");
                    return;
                }
            }
        });
        Self { messages, streams: Arc::new(Semaphore::new(STREAMS_MAX as usize)) }
    }

    /// Tells it something. A parent that is gone hears nothing, and whoever reads from it notices.
    pub(super) async fn tell(&self, message: ToParent) {
        let _gone = self.messages.send((message, None)).await;
    }

    /// Hands it one end of a stream, and carries what comes and goes until both sides have ended.
    pub(super) async fn pass_on<S>(&self, message: ToParent, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Ok(_carried) = self.streams.acquire().await else { return };
        let (mut ours, theirs) = match pair() {
            Ok(pair) => pair,
            Err(error) => return tracing::warn!(%error, "a stream cannot be passed on"),
        };
        if self.messages.send((message, Some(theirs))).await.is_ok() {
            let mut stream = Gathered::from(stream);
            // How it ends is seen at both of its ends.
            let _ended =
                copy_bidirectional_with_sizes(&mut ours, &mut stream, PIECE_BYTES, PIECE_BYTES)
                    .await;
        }
    }

    /// Waits until no stream is open.
    pub(super) async fn all_ended(&self) {
        let _closed = self.streams.acquire_many(STREAMS_MAX).await;
    }
}

fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs.into()))
}
