//! One connection over HTTP/1.1, from its first request to its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, header};
use hyper::body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::door::Door;
use super::guest::Entered;
use super::stream::ClientStream;
use crate::app::App;
use crate::http::incoming::Incoming;

/// How long a connection may lie idle, and how long a request's head may take. Longer than HTTP
/// clients keep idle connections, so that it is they who close them.
const HEAD_MAX: Duration = Duration::from_secs(120);

/// Longest head of a request, in bytes: room for any id in a path, no more.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Serves a connection until its client or the hub is done with it.
///
/// `held` is what it counts as until then.
pub(super) async fn serve<S, H>(app: Arc<App>, door: Door, stream: S, entered: Entered, held: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Send + 'static,
{
    let shutdown = app.shutdown.clone();
    let respond = |request: Request<body::Incoming>| {
        let app = Arc::clone(&app);
        let door = door.clone();
        let answering = entered.answer();
        async move {
            let (head, body) = request.into_parts();
            let (body, heard) = Incoming::sent(body);
            let mut reply = door.answer(app, Request::from_parts(head, body)).await;
            if !heard.out().await {
                // The rest of the request may not be here yet, and the connection ends with it: whoever
                // used it once more would be cut off without an answer.
                reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answering.until_sent(reply))
        }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(
            TokioIo::new(ClientStream::new(stream, Arc::clone(entered.guest()))),
            service_fn(respond),
        );
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        biased;
        outcome = connection.as_mut() => outcome,
        () = entered.sent_away() => {
            tracing::debug!("connection ended for another one");
            return;
        }
        () = told_to_stop(shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Clients come and go as they like; a broken connection is no news.
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection ended early");
    }
    drop(held);
}

/// Ends when the hub stops.
pub(super) async fn told_to_stop(mut shutdown: watch::Receiver<bool>) {
    // An error means that the sender is gone, and the hub with it.
    let _stop = shutdown.wait_for(|&stop| stop).await;
}
