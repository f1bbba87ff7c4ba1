//! From a request to its answer: route, gate, handler.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{HeaderValue, Request, header};
use tracing::Instrument as _;

use super::answered::Asked;
use super::body::with;
use super::call::{Answering, Rewritten};
use super::incoming::Incoming;
use super::path::Path;
use super::route::{Destination, find};
use super::routes::{Handler, Next};
use super::{Call, HttpError, Query, Reply};
use crate::access::{Action, Principal, Proof, Target};
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

/// Answers a request, or those that design documents make of it, one after the other. Whoever asked
/// asks each of them: every one passes the gate.
async fn dispatch(
    app: Arc<App>,
    principal: Principal,
    mut request: Request<Incoming>,
    asked: &mut Asked,
) -> Result<Reply, HttpError> {
    let mut rewritten = Rewritten::default();
    loop {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        match step(&app, &principal, request, &rewritten, asked).await? {
            Next::Reply(mut reply) => {
                if rewritten.is_rewritten() {
                    // Whoever follows a link does not ask for another log-in.
                    reply.headers_mut().remove(header::SET_COOKIE);
                }
                return Ok(reply);
            }
            Next::Request(next) => request = *next,
        }
        rewritten.once_more(&method, uri)?;
        if let Some(path) = rewritten.requested().and_then(http::Uri::path_and_query)
            && let Ok(path) = HeaderValue::from_str(path.as_str())
        {
            request.headers_mut().insert("x-couchdb-requested-path", path);
        }
    }
}

async fn step(
    app: &Arc<App>,
    principal: &Principal,
    request: Request<Incoming>,
    rewritten: &Rewritten,
    asked: &mut Asked,
) -> Result<Next, HttpError> {
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query())?;
    let path = Path::parse(parts.uri.path())?;
    let (route, mut captures) = match find(&path, parts.method.as_str()) {
        Destination::Route(route, captures) => (route, captures),
        Destination::Nowhere(db, error) => {
            // Who may not read a database does not learn either what its paths mean.
            let (action, target) = match &db {
                Some(db) => (Action::Read, Target::Database(db)),
                None => (Action::UseServer, Target::Server),
            };
            let _scope = app.admit(principal, action, target)?;
            return Err(error);
        }
    };
    if !rewritten.is_rewritten() {
        asked.means(route.path);
    }
    let scope = app.admit(principal, route.action, route.target(&captures))?;
    if principal.is_guest() {
        route.admit_guest(&query)?;
    }
    if let Some(Proof::Cookie(_)) = parts.extensions.get() {
        route.admit_cookie()?;
    }
    let db = route.path.starts_with("/{db}").then_some(captures.db.as_str());
    rewritten.allows(route.action, db)?;
    captures.slash = parts.uri.path().ends_with('/');
    let follower = follows(route.path, &query).then(|| app.metrics.follower());
    let call = Call {
        app: Arc::clone(app),
        principal: principal.clone(),
        method: parts.method,
        uri: parts.uri,
        captures,
        query,
        scope,
        headers: parts.headers,
        body,
        rewritten: rewritten.clone(),
    };
    let reply = match route.handler {
        Handler::Rewrite(handler) => return app.memory.share(handler(call)).await,
        Handler::Answer(handler) => app.memory.share(handler(call)).await?,
    };
    Ok(Next::Reply(match follower {
        Some(follower) => reply.map(|body| with(body, follower)),
        None => reply,
    }))
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
