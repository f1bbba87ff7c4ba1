//! An answer as the body of a response.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Sent, Source};

/// The pieces of an answer, read on blocking threads: one is read while the one before it leaves, and none
/// beyond that.
///
/// It never fails: what goes wrong is told to the target in the last frame.
#[derive(Debug)]
pub struct SyncBody {
    state: State,
    sent: Sent,
}

#[derive(Debug)]
enum State {
    Idle(Box<Source>),
    Reading(JoinHandle<(Box<Source>, Option<Bytes>)>),
    Over,
}

impl SyncBody {
    /// Answers with what this source has.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self { sent: source.sent(), state: State::Idle(Box::new(source)) }
    }

    /// What it has read so far.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.sent
    }
}

fn read(mut source: Box<Source>) -> State {
    State::Reading(spawn_blocking(move || {
        let piece = source.next_piece();
        (source, piece)
    }))
}

impl Stream for SyncBody {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Idle(source) => self.state = read(source),
                State::Reading(mut reading) => match Pin::new(&mut reading).poll(context) {
                    Poll::Pending => {
                        self.state = State::Reading(reading);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((source, Some(piece)))) => {
                        self.sent = source.sent();
                        // Rights may have gone since the piece was read.
                        if let Some(visible) = source.visible()
                            && let Err(refusal) = visible.check()
                        {
                            return Poll::Ready(Some(refusal.to_frame()));
                        }
                        self.state = read(source);
                        return Poll::Ready(Some(piece));
                    }
                    // A store that panicked, or a runtime that ends, cuts the answer off.
                    Poll::Ready(Ok((_, None)) | Err(_)) => return Poll::Ready(None),
                },
                State::Over => return Poll::Ready(None),
            }
        }
    }
}
