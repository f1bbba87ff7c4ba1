//! What every answer gets before it leaves: its headers, its line in the log, its place in the
//! metrics.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, StatusCode, header};
use http_body::Body as _;

use super::{Reply, body};
use crate::app::App;
use crate::clock;

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Asked {
    method: Method,
    id: String,
    since: Instant,
    /// The pattern of its path, once that is known: never the path, which anything may be in.
    route: Option<&'static str>,
}

impl Asked {
    /// It came in just now.
    pub(crate) fn now(method: &Method) -> Self {
        Self { method: method.clone(), id: request_id(), since: clock::instant(), route: None }
    }

    /// The row of the table of routes that it means.
    pub(crate) fn means(&mut self, route: &'static str) {
        self.route = Some(route);
    }

    /// Tells it from others in logs.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What a failure is logged within.
    pub(crate) fn span(&self) -> tracing::Span {
        let Self { method, id, route, .. } = self;
        tracing::error_span!("request", %id, %method, route = route.unwrap_or("-"))
    }

    /// Finishes the answer.
    pub(crate) fn answered(self, app: &App, reply: Reply, waited: Duration) -> Reply {
        let took = self.since.elapsed();
        app.metrics.answered(&self.method, self.route, reply.status(), took);
        self.log(app, reply.status(), took);
        finish(reply, self.method == Method::HEAD, &self.id, waited)
    }

    fn log(&self, app: &App, status: StatusCode, took: Duration) {
        let Self { method, id, route, .. } = self;
        let status = status.as_u16();
        let route = route.unwrap_or("-");
        let time_ms = took.as_micros() as f64 / 1000.0;
        if app.logs_requests {
            tracing::info!(%method, route, status, time_ms, %id, "request");
        } else {
            tracing::debug!(%method, route, status, time_ms, %id, "request");
        }
    }
}

/// Headers of every answer, and the body taken off the answer to a `HEAD`.
fn finish(mut reply: Reply, head: bool, id: &str, waited: Duration) -> Reply {
    static SERVER: HeaderValue =
        HeaderValue::from_static(concat!("Larder/", env!("CARGO_PKG_VERSION")));
    // A body of unknown length stays: the connection announces it and sends nothing of it.
    let length = reply.body().size_hint().exact();
    if let Some(length) = length.filter(|_| head && reply.status() != StatusCode::NOT_MODIFIED) {
        reply.headers_mut().entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
        *reply.body_mut() = body::whole("");
    }
    let headers = reply.headers_mut();
    headers.insert(header::SERVER, SERVER.clone());
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(const { HeaderValue::from_static("must-revalidate") });
    let body_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
    headers.insert("x-couchdb-body-time", body_ms.into());
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-couch-request-id", id);
    }
    reply
}

/// Ten hexadecimal digits that tell requests apart in logs; nothing depends on their being secret.
fn request_id() -> String {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| {
        let mut seed = [0; 8];
        // Without chance the ids of two runs are alike, which harms nobody.
        let _filled = getrandom::fill(&mut seed);
        AtomicU64::new(u64::from_le_bytes(seed))
    });
    // SplitMix64 (Steele, Lea, Flood 2014): a counter whose neighbours look nothing alike.
    let count = NEXT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    let mixed = (count ^ (count >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:010x}", (mixed ^ (mixed >> 31)) >> 24)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::reply;

    #[test]
    fn request_ids() {
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| request_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 10));
    }

    #[test]
    fn head_keeps_the_headers() {
        let millis = Duration::from_millis;
        let reply = finish(reply::ok(StatusCode::OK), true, "0123456789", millis(7));
        assert_eq!(reply.headers()[header::CONTENT_LENGTH], "12");
        assert_eq!(reply.headers()["x-couch-request-id"], "0123456789");
        assert_eq!(reply.headers()["x-couchdb-body-time"], "7");
        assert_eq!(reply.body().size_hint().exact(), Some(0));
        let reply = finish(reply::ok(StatusCode::OK), false, "0123456789", millis(0));
        assert_eq!(reply.body().size_hint().exact(), Some(12));
        assert_eq!(reply.headers()[header::CACHE_CONTROL], "must-revalidate");
    }
}
