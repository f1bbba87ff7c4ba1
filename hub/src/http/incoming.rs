//! The body of a request on its way to whoever reads it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use hyper::body;

/// A body that nobody read is read after the answer if it is at most so long, and comes so soon.
const REST_BYTES_MAX: u64 = 64 * 1024;
const REST_WAIT_MAX: Duration = Duration::from_millis(50);

/// What is longer, of a request that has its answer already, is read up to so many bytes, and let come no longer than so
/// long: enough for a client to see that it was answered.
const LATE_BYTES_MAX: usize = 1024 * 1024;
const LATE_WAIT_MAX: Duration = Duration::from_secs(2);

/// The body of a request: as its client sends it, or as a rewrite gives it.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// It comes over the connection.
    Sent(Sent),
    /// It is all there.
    Given(Full<Bytes>),
}

/// A body that comes over the connection, and is read to its end or not.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Until it is read to its end.
    body: Option<body::Incoming>,
    heard: Heard,
}

/// What nobody read of a client's request.
#[derive(Clone, Debug)]
pub(crate) struct Heard(Arc<Mutex<Option<body::Incoming>>>);

impl Heard {
    /// Reads the rest, where it is short and here. Whether the client was heard to the end; where it was not, what
    /// is left is kept for as long as this is.
    pub(crate) async fn out(&self) -> bool {
        let rest = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut rest) = rest else { return true };
        let is_short = rest.size_hint().upper().is_some_and(|bytes| bytes <= REST_BYTES_MAX);
        let reading = async { is_short && read_out(&mut rest).await };
        let is_out = tokio::time::timeout(REST_WAIT_MAX, reading).await.unwrap_or(false);
        if !is_out {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest);
        }
        is_out
    }
}

/// What was not read of a request, while its answer is sent, and a while after.
///
/// Over HTTP/2, a client that is told to stop in the middle of its request may drop the answer that it has, so that it
/// is told so late.
#[derive(Debug)]
pub(crate) struct Late(pub(crate) Heard);

impl Drop for Late {
    fn drop(&mut self) {
        let rest = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Without a runtime the connection is gone as well.
        if let (Some(rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                let _late = tokio::time::timeout(LATE_WAIT_MAX, let_come(rest)).await;
            });
        }
    }
}

/// Lets a client send until it is done or stops, and throws that away. What is more than enough waits in its window.
async fn let_come(mut rest: body::Incoming) {
    let mut bytes = 0_usize;
    while let Some(Ok(frame)) = rest.frame().await {
        bytes = bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if bytes > LATE_BYTES_MAX {
            return std::future::pending().await;
        }
    }
}

/// Reads what is left and throws it away; whether it came to its end.
async fn read_out(rest: &mut body::Incoming) -> bool {
    loop {
        match rest.frame().await {
            Some(Ok(_thrown_away)) => {}
            Some(Err(_broken)) => return false,
            None => return true,
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| !body.is_end_stream());
        *self.heard.0.lock().unwrap_or_else(PoisonError::into_inner) = rest;
    }
}

impl Incoming {
    /// A body as it comes over a connection, and what will not have been read of it.
    pub(crate) fn sent(body: body::Incoming) -> (Self, Heard) {
        let heard = Heard(Arc::default());
        (Self::Sent(Sent { body: Some(body), heard: heard.clone() }), heard)
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
            Self::Sent(Sent { body, .. }) => {
                let Some(coming) = body else { return Poll::Ready(None) };
                let frame = Pin::new(coming).poll_frame(context);
                if matches!(frame, Poll::Ready(None)) {
                    *body = None;
                }
                frame
            }
            Self::Given(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Sent(Sent { body, .. }) => body.as_ref().is_none_or(Body::is_end_stream),
            Self::Given(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Sent(Sent { body, .. }) => {
                body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
            }
            Self::Given(body) => body.size_hint(),
        }
    }
}
