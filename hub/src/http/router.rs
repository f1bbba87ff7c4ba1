//! From a request to its answer: route, gate, handler, headers.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tracing::Instrument as _;

use super::path::Path;
use super::route::{Destination, find};
use super::{Call, HttpError, Query, Reply, body};
use crate::access::{self, Action, Principal};
use crate::app::App;

/// Answers a request; whatever goes wrong becomes an answer too.
pub(crate) async fn answer(
    app: Arc<App>,
    principal: Principal,
    request: Request<Incoming>,
) -> Reply {
    let method = request.method().clone();
    let uri = request.uri().clone();
    let id = request_id();
    // A span costs as much as finding a document: below debugging only failures get one. Never the
    // query, which may hold secrets.
    let span = tracing::debug_span!("request", %method, path = uri.path());
    let work = AssertUnwindSafe(dispatch(app, principal, request)).catch_unwind().instrument(span);
    let outcome = match work.await {
        Ok(outcome) => outcome,
        Err(panic) => Err(panicked(panic.as_ref())),
    };
    let reply = outcome.unwrap_or_else(|error| {
        let span = tracing::error_span!("request", %method, path = uri.path());
        span.in_scope(|| error.reply())
    });
    finish(reply, method == Method::HEAD, &id)
}

async fn dispatch(
    app: Arc<App>,
    principal: Principal,
    request: Request<Incoming>,
) -> Result<Reply, HttpError> {
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query())?;
    let path = Path::parse(parts.uri.path())?;
    match find(&path, parts.method.as_str()) {
        Destination::Route(route, captures) => {
            let db = route.names_database().then_some(captures.db.as_str());
            access::decide(&principal, route.action, db).allowed()?;
            let method = parts.method;
            let headers = parts.headers;
            (route.handler)(Call { app, principal, method, captures, query, headers, body }).await
        }
        Destination::Nowhere(db, error) => {
            // Who may not read a database does not learn either what its paths mean.
            let action = if db.is_some() { Action::Read } else { Action::UseServer };
            access::decide(&principal, action, db.as_deref()).allowed()?;
            Err(error)
        }
    }
}

/// Headers of every answer, and the body taken off the answer to a `HEAD`.
fn finish(mut reply: Reply, head: bool, id: &str) -> Reply {
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

fn panicked(panic: &(dyn std::any::Any + Send)) -> HttpError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    HttpError::Internal {
        action: "answer a request",
        cause: text.unwrap_or("a panic without words").into(),
    }
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
        let reply = finish(reply::ok(StatusCode::OK), true, "0123456789");
        assert_eq!(reply.headers()[header::CONTENT_LENGTH], "12");
        assert_eq!(reply.headers()["x-couch-request-id"], "0123456789");
        assert_eq!(reply.body().size_hint().exact(), Some(0));
        let reply = finish(reply::ok(StatusCode::OK), false, "0123456789");
        assert_eq!(reply.body().size_hint().exact(), Some(12));
        assert_eq!(reply.headers()[header::CACHE_CONTROL], "must-revalidate");
    }
}
