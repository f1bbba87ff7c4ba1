//! The body of a request on its way to whoever reads it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body;

/// The body of a request: as its client sends it, or as a rewrite gives it.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// It comes over the connection, and is read to its end or not.
    Sent(body::Incoming, Heard),
    /// It is all there.
    Given(Full<Bytes>),
}

/// Whether a client was heard to the end of its request.
#[derive(Clone, Debug)]
pub(crate) struct Heard(Option<Arc<AtomicBool>>);

impl Heard {
    /// To the end, by now.
    pub(crate) fn all(&self) -> bool {
        self.0.as_ref().is_none_or(|all| all.load(Relaxed))
    }

    fn end(&self) {
        if let Some(all) = &self.0 {
            all.store(true, Relaxed);
        }
    }
}

impl Incoming {
    /// A body as it comes over a connection, and where to see whether it was read.
    pub(crate) fn sent(body: body::Incoming) -> (Self, Heard) {
        let heard = Heard((!body.is_end_stream()).then(Arc::default));
        (Self::Sent(body, heard.clone()), heard)
    }

    /// A body that is all there.
    pub(crate) fn given(bytes: impl Into<Bytes>) -> Self {
        Self::Given(Full::new(bytes.into()))
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Sent(body, heard) => {
                let frame = Pin::new(&mut *body).poll_frame(context);
                if matches!(frame, Poll::Ready(None)) || body.is_end_stream() {
                    heard.end();
                }
                frame
            }
            Self::Given(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Sent(body, _) => body.is_end_stream(),
            Self::Given(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Sent(body, _) => body.size_hint(),
            Self::Given(body) => body.size_hint(),
        }
    }
}
