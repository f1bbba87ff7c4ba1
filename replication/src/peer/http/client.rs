//! Sending requests to other servers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::body::RequestBody;
use super::connect::{Connect, Connector};
use super::reply::{self, Reply};
use crate::PeerError;

/// How long a connection without a request is kept.
const KEPT_IDLE_S: u64 = 60;

const USER_AGENT: &str = concat!("larder-replication/", env!("CARGO_PKG_VERSION"));

/// Sends requests, and keeps the connections of all peers that share it.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<Connector, RequestBody>,
    timeouts: Timeouts,
}

/// How long a peer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection and the beginning of an answer, as long as nothing of the request moves.
    pub answer_s: u64,
    /// For the next part of an answer; more than the ten seconds between two heartbeats.
    pub idle_s: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { answer_s: 60, idle_s: 60 }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client that connects as it is told.
    #[must_use]
    pub fn new(connect: Arc<dyn Connect>, timeouts: Timeouts) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(KEPT_IDLE_S))
            .build(Connector(connect));
        Self { client, timeouts }
    }

    /// The same, with its own patience; connections stay shared.
    #[must_use]
    pub fn with_timeouts(&self, timeouts: Timeouts) -> Self {
        Self { client: self.client.clone(), timeouts }
    }

    /// Sends a request and waits for the head of a successful answer; `what` it is about is said in
    /// errors.
    pub(super) async fn send(
        &self,
        what: &'static str,
        method: Method,
        uri: Uri,
        headers: &HeaderMap,
        body: Option<RequestBody>,
    ) -> Result<Reply, PeerError> {
        let mut request = Request::new(RequestBody::from(bytes::Bytes::new()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers.clone();
        let user_agent = HeaderValue::from_static(USER_AGENT);
        request.headers_mut().insert(header::USER_AGENT, user_agent);
        if let Some(body) = body {
            request.headers_mut().insert(header::CONTENT_TYPE, body.content_type());
            *request.body_mut() = body;
        }
        let sent = request.body().sent();
        let answer = self.client.request(request);
        let response = self.unless_stuck(what, answer, &sent).await?;
        let response = response.map_err(|error| PeerError::Unreachable(Box::new(error)))?;
        let idle = Duration::from_secs(self.timeouts.idle_s);
        reply::check(Reply::new(what, response, idle)).await
    }

    /// Waits as long as something of the request moves.
    async fn unless_stuck<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = T>,
        sent: &AtomicU64,
    ) -> Result<T, PeerError> {
        let seconds = self.timeouts.answer_s;
        let mut answer = std::pin::pin!(answer);
        let mut seen = sent.load(Ordering::Relaxed);
        loop {
            let wait = tokio::time::timeout(Duration::from_secs(seconds), answer.as_mut());
            if let Ok(done) = wait.await {
                return Ok(done);
            }
            let now = sent.load(Ordering::Relaxed);
            if now == seen {
                return Err(PeerError::TimedOut { what, seconds });
            }
            seen = now;
        }
    }
}
