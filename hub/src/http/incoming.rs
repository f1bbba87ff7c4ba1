//! The body of a request on its way to whoever reads it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body;

/// The body of a request: as its client sends it, or as a rewrite gives it.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// It comes over the connection.
    Sent(body::Incoming),
    /// It is all there.
    Given(Full<Bytes>),
}

impl Incoming {
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
            Self::Sent(body) => Pin::new(body).poll_frame(context),
            Self::Given(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Sent(body) => body.is_end_stream(),
            Self::Given(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Sent(body) => body.size_hint(),
            Self::Given(body) => body.size_hint(),
        }
    }
}
