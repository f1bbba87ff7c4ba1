//! Bodies read piece by piece as their reader takes them.

use std::io;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};

use super::HttpError;
use super::body::Body;
use super::call::blocking;

/// A body whose pieces `next` reads, each on a thread that may block. None is read before the
/// connection has room for it, so a slow reader holds no thread and one piece of memory. Where
/// `next` fails the connection breaks off, so that nobody takes a part for the whole.
pub(crate) fn pieces<S: Send + 'static>(
    source: S,
    next: impl Fn(&mut S) -> Result<Option<Vec<u8>>, HttpError> + Clone + Send + 'static,
) -> Body {
    let stream = futures_util::stream::unfold(Some(source), move |source| {
        let next = next.clone();
        async move {
            let mut source = source?;
            let read = blocking(move || {
                let piece = next(&mut source)?;
                Ok((source, piece))
            });
            match read.await {
                Ok((source, Some(piece))) => {
                    Some((Ok(Frame::data(Bytes::from(piece))), Some(source)))
                }
                Ok((_, None)) => None,
                Err(error) => {
                    tracing::error!(error = error.unnamed(), "an answer was broken off");
                    Some((Err(io::Error::other("the answer could not be finished")), None))
                }
            }
        }
    });
    StreamBody::new(stream.boxed()).boxed_unsync()
}
