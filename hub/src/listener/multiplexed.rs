//! One connection over HTTP/2: many requests at a time, each answered as if it had come alone.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Request, Uri, header};
use hyper::body;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use super::connection::{HEAD_BYTES_MAX, told_to_stop};
use super::door::Door;
use super::guest::{Answering, Entered, until_sent};
use super::stream::ClientStream;
use crate::app::App;
use crate::http::incoming::{Incoming, Late};

/// Requests that one connection may have open: a hub that follows another has a handful.
const STREAMS_MAX: u32 = 64;

/// Requests taken back before they were looked at, and ones refused for being none, before whoever
/// sends them is sent away.
const RESETS_MAX: usize = 20;
const ERRORS_MAX: usize = 100;

/// What a client may send unasked, of one request and of all together, in bytes.
const REQUEST_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// What waits for a client that takes its answers slowly, for each request, in bytes.
const WAITING_BYTES_MAX: usize = 256 * 1024;

/// How long a connection may lie idle.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// How often a client that says nothing is asked whether it is there, and how long it may take to say
/// so. One that asks in turn does so more often.
const PING_EVERY: Duration = Duration::from_secs(600);
const PING_PATIENCE: Duration = Duration::from_secs(60);

/// How long a connection that is told to end may take.
const PARTING_MAX: Duration = Duration::from_secs(10);

/// Serves a connection until its client or the hub is done with it.
///
/// `held` is what it counts as until then.
pub(super) async fn serve<S, H>(app: Arc<App>, door: Door, stream: S, entered: Entered, held: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Send + 'static,
{
    let shutdown = app.shutdown.clone();
    let stream = ClientStream::of_frames(stream, Arc::clone(entered.guest()));
    let requests = Arc::new(Requests { entered, open: Mutex::default() });
    let respond = |request: Request<body::Incoming>| {
        let (app, door) = (Arc::clone(&app), door.clone());
        let one = Requests::one_more(&requests);
        async move {
            let (head, body) = as_over_http_1(request).into_parts();
            let (body, heard) = Incoming::sent(body);
            let reply = door.answer(app, Request::from_parts(head, body)).await;
            // A request whose body is let go before it was answered is taken back, answer and all, and some
            // clients drop an answer that comes while they still send: what is short is read first, and the rest
            // let go after the answer.
            let _all_heard = heard.out().await;
            Ok::<_, Infallible>(until_sent(reply, (one, Late(heard))))
        }
    };
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(ERRORS_MAX)
        .initial_stream_window_size(REQUEST_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(WAITING_BYTES_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_PATIENCE)
        .serve_connection(TokioIo::new(stream), service_fn(respond));
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        biased;
        outcome = connection.as_mut() => outcome,
        () = requests.entered.sent_away() => {
            tracing::debug!("connection ended for another one");
            return;
        }
        () = told_to_stop(shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = requests.silence() => {
            connection.as_mut().graceful_shutdown();
            timeout(PARTING_MAX, connection).await.unwrap_or(Ok(()))
        }
    };
    // Clients come and go as they like; a broken connection is no news.
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection ended early");
    }
    drop(held);
}

/// The request as HTTP/1.1 would bring it: the host in a header, the path alone in its line. A URL of
/// another scheme stays whole.
fn as_over_http_1<B>(mut request: Request<B>) -> Request<B> {
    let uri = request.uri();
    let host = uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    let path = uri.path_and_query().cloned();
    let of_web = matches!(uri.scheme_str(), Some("http" | "https"));
    // A header beside it may say something else; this is what the connection is for.
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(path) = path.filter(|_| of_web) {
        *request.uri_mut() = Uri::from(path);
    }
    request
}

/// The requests of one connection.
struct Requests {
    entered: Entered,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// How many are being answered, and what says so.
    count: usize,
    answering: Option<Answering>,
    /// How many there were.
    begun: u64,
}

/// One of them, until it is answered.
struct OneRequest(Arc<Requests>);

impl Requests {
    fn one_more(requests: &Arc<Self>) -> OneRequest {
        let mut open = requests.open();
        open.count += 1;
        open.begun += 1;
        if open.answering.is_none() {
            open.answering = Some(requests.entered.answer());
        }
        OneRequest(Arc::clone(requests))
    }

    /// Ends when nothing was asked for long.
    async fn silence(&self) {
        let look = || {
            let open = self.open();
            (open.count, open.begun)
        };
        let mut before = look();
        loop {
            sleep(IDLE_MAX).await;
            let now = look();
            if now == before && now.0 == 0 {
                return;
            }
            before = now;
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OneRequest {
    fn drop(&mut self) {
        let mut open = self.0.open();
        open.count -= 1;
        if open.count == 0 {
            open.answering = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::guest::Guests;

    fn check(uri: &str, host: Option<&str>, expected: (&str, &str)) {
        let mut request = Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        let request = as_over_http_1(request.body(()).unwrap());
        let host = request.headers()[header::HOST].to_str().unwrap();
        assert_eq!((request.uri().to_string().as_str(), host), expected, "{uri}");
    }

    #[test]
    fn requests_look_as_over_http_1() {
        check("https://localhost:6984/db?a=1", None, ("/db?a=1", "localhost:6984"));
        check("https://evil.example/", Some("localhost:6984"), ("/", "evil.example"));
        check(
            "httpkey://h:1/ed25519publickey:k/db",
            None,
            ("httpkey://h:1/ed25519publickey:k/db", "h:1"),
        );
        check("/db", Some("h:1"), ("/db", "h:1"));
    }

    #[test]
    fn a_connection_is_answered_as_long_as_one_of_its_requests_is() {
        let guests = Arc::new(Guests::default());
        let requests = Arc::new(Requests { entered: guests.enter(), open: Mutex::default() });
        let first = Requests::one_more(&requests);
        let second = Requests::one_more(&requests);
        drop(first);
        assert!(!guests.send_longest_waiting_away());
        drop(second);
        assert!(guests.send_longest_waiting_away());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_ends_in_the_end() {
        let guests = Arc::new(Guests::default());
        let requests = Arc::new(Requests { entered: guests.enter(), open: Mutex::default() });
        let one = Requests::one_more(&requests);
        assert!(timeout(IDLE_MAX * 3, requests.silence()).await.is_err());
        drop(one);
        assert!(timeout(IDLE_MAX * 2, requests.silence()).await.is_ok());
    }
}
