//! From a request to its answer: route, gate, handler.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http::Request;
use hyper::body::Incoming;
use tracing::Instrument as _;

use super::answered::Asked;
use super::call::Answering;
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
    asked: &mut Asked,
) -> Reply {
    let _answering = Answering::begin();
    // A span costs as much as finding a document: below debugging only failures get one.
    let span = tracing::debug_span!("request", id = asked.id());
    let work = dispatch(app, principal, request, asked);
    let work = AssertUnwindSafe(work).catch_unwind().instrument(span);
    let outcome = match work.await {
        Ok(outcome) => outcome,
        Err(panic) => Err(panicked(panic.as_ref())),
    };
    outcome.unwrap_or_else(|error| asked.span().in_scope(|| error.reply()))
}

async fn dispatch(
    app: Arc<App>,
    principal: Principal,
    request: Request<Incoming>,
    asked: &mut Asked,
) -> Result<Reply, HttpError> {
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query())?;
    let path = Path::parse(parts.uri.path())?;
    match find(&path, parts.method.as_str()) {
        Destination::Route(route, mut captures) => {
            asked.means(route.path);
            let db = route.names_database().then_some(captures.db.as_str());
            access::decide(&principal, route.action, db).allowed()?;
            captures.slash = parts.uri.path().ends_with('/');
            let follower = follows(route.path, &query).then(|| app.metrics.follower());
            let method = parts.method;
            let headers = parts.headers;
            let memory = app.memory.clone();
            let uri = parts.uri;
            let call = Call { app, principal, method, uri, captures, query, headers, body };
            let reply = memory.share((route.handler)(call)).await?;
            Ok(match follower {
                Some(follower) => reply.map(|body| body::with(body, follower)),
                None => reply,
            })
        }
        Destination::Nowhere(db, error) => {
            // Who may not read a database does not learn either what its paths mean.
            let action = if db.is_some() { Action::Read } else { Action::UseServer };
            access::decide(&principal, action, db.as_deref()).allowed()?;
            Err(error)
        }
    }
}

/// Whether this is a feed of changes that goes on.
fn follows(route: &str, query: &Query) -> bool {
    route == "/{db}/_changes" && query.text("feed").is_some_and(|feed| feed != "normal")
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> HttpError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    HttpError::Internal {
        action: "answer a request",
        cause: text.unwrap_or("a panic without words").into(),
    }
}
