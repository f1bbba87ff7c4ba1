//! One request and what is expected of its answer: what most suites are made of.

use serde_json::json;

use crate::{Body, Client, Hub, Reply};

/// Sends a request (`PUT /db/a`) and compares the beginning of its answer (`201 {"ok":true`).
///
/// # Panics
/// When the answer begins otherwise.
#[track_caller]
pub fn check(hub: &Hub, request: &str, body: impl Into<Body>, expected: &str) -> Reply {
    let (method, path) = request.split_once(' ').expect("method and path");
    let reply = hub.request(method, path).send(body);
    let found = format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body));
    assert!(found.starts_with(expected), "{request}\n  expected {expected}\n  found    {found}");
    reply
}

/// What an answer with this error looks like, for [`check`].
#[must_use]
pub fn error(status: u16, word: &str, reason: &str) -> String {
    format!("{status} {}", json!({"error": word, "reason": reason}))
}

/// A hub with an empty database `db`.
#[must_use]
pub fn with_db() -> Hub {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    hub
}

/// Gives an app these rights; its client, and its token.
///
/// # Panics
/// When `larder app add` fails.
#[track_caller]
pub fn app(hub: &Hub, name: &str, rights: &[&str]) -> (Client, String) {
    let command: Vec<_> = ["app", "add", name].iter().chain(rights).copied().collect();
    let url = hub.larder(&command).expect_success();
    let token = url.split(['@', ':']).nth(2).unwrap_or_default().to_owned();
    (hub.as_principal(Some((name, &token))), token)
}
