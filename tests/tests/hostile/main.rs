//! What bad input gets: a table of requests, each with status, error word and reason; nothing is
//! written by any of them, and the hub lives on.

#![allow(clippy::unwrap_used, reason = "suites may panic")]

mod attachments;
mod bulk;
mod databases;
mod documents;
mod feeds;
mod find;
mod functions;
mod heads;
mod listings;
mod multipart;
mod raw;
mod row;
mod search;
mod server;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::Hub;

use row::{Row, row};

/// A part of the table, with its name.
type Group = (&'static str, fn() -> Vec<Row>);

/// The groups of the table.
const GROUPS: [Group; 12] = [
    ("documents", documents::rows),
    ("bulk", bulk::rows),
    ("feeds", feeds::rows),
    ("find", find::rows),
    ("listings", listings::rows),
    ("functions", functions::rows),
    ("attachments", attachments::rows),
    ("multipart", multipart::rows),
    ("databases", databases::rows),
    ("server", server::rows),
    ("search", search::rows),
    ("heads", heads::rows),
];

/// Endpoints that take nothing but their path and method; what all endpoints refuse is all there is.
const TAKE_NOTHING: [&str; 13] = [
    "POST /_hub/backup",
    "POST /_hub/held/{doc}/release",
    "POST /_hub/login",
    "POST /_hub/onion/check",
    "POST /_hub/overwritten/{doc}/restore",
    "POST /_hub/verify",
    "POST /_node/{node}/_config/_reload",
    "POST /{db}/_compact",
    "POST /{db}/_compact/{design}",
    "POST /{db}/_ensure_full_commit",
    "POST /{db}/_sync_shards",
    "POST /{db}/_view_cleanup",
    "PUT /{db}/_design/{design}/{att}",
];

#[test]
fn bad_input_is_refused_and_nothing_is_written() {
    let hub = Hub::start();
    prepare(&hub);
    let before = written(&hub);
    let mut failures = Vec::new();
    let every: Vec<Row> = endpoints().iter().flat_map(|endpoint| common(endpoint)).collect();
    let groups = GROUPS.map(|(name, rows)| (name, rows()));
    for (name, rows) in groups.into_iter().chain([("every endpoint", every)]) {
        let count = failures.len();
        failures.extend(rows.iter().filter_map(|row| row.check(&hub).err()));
        let after = written(&hub);
        if after != before {
            failures.push(format!("{name}: written:\n{before:#}\n{after:#}"));
        }
        hub.get("/_up").expect(200);
        if failures.len() > count {
            failures.insert(count, format!("-- {name}"));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    hub.stop();
}

#[test]
fn every_endpoint_is_in_the_table() {
    let rows = GROUPS.iter().flat_map(|(_, rows)| rows());
    let named: BTreeSet<String> = rows.map(|row| row.endpoint).collect();
    let all = endpoints();
    let takes_input = |endpoint: &&String| {
        !endpoint.starts_with("GET ")
            && !endpoint.starts_with("DELETE ")
            && !TAKE_NOTHING.contains(&endpoint.as_str())
    };
    let missing: Vec<_> = all.iter().filter(takes_input).filter(|e| !named.contains(*e)).collect();
    assert!(missing.is_empty(), "endpoints without a row: {missing:?}");
    let unknown: Vec<_> = named.iter().filter(|endpoint| !all.contains(*endpoint)).collect();
    assert!(unknown.is_empty(), "rows without an endpoint: {unknown:?}");
}

/// What `docs/compat.md` says is done or partly done.
fn endpoints() -> BTreeSet<String> {
    let page = include_str!("../../../docs/compat.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [endpoint, _, "done" | "partly", _] = cells[..] else { return None };
        Some(endpoint.trim_start_matches("| ").trim_matches('`').to_owned())
    });
    rows.collect()
}

/// What each endpoint refuses, whatever it is for.
fn common(endpoint: &str) -> Vec<Row> {
    let (_, pattern) = endpoint.split_once(' ').unwrap();
    let names = [("{db}", "db"), ("{doc}", "d"), ("{att}", "a.txt"), ("{node}", "_local")];
    let path = names.iter().fold(pattern.to_owned(), |path, (name, text)| path.replace(name, text));
    let path = path.replace(['{', '}'], "");
    let with = |rest: &str| row(endpoint, &format!("{path}{rest}"));
    let mut rows = vec![
        with("?a=%zz").bad("invalid_url_encoding"),
        with("?%ff").bad("The URL is not UTF-8"),
        with("").header("Host", "evil.test").bad("more than one Host header"),
        with("").header("Origin", "http://evil.test").gets(
            403,
            "forbidden",
            "Pages of this origin may not use the hub; `larder app add --origin` lists those of an \
             app, `origins` in larder.toml and CouchDB's `cors/origins` with `chttpd/enable_cors` \
             those of all.",
        ),
        with("")
            .header("Authorization", "Basic !")
            .anonymous()
            .bad("Authorization header has invalid base64 value"),
    ];
    if path != "/" {
        rows.push(with("/%2e%2E/x").bad("Path with a dot segment"));
        rows.push(with("//").bad("Path with an empty segment"));
    }
    let pages = path.starts_with("/_hub/ui") || path == "/_hub/session";
    if !pages
        && !["/", "/_up", "/_session", "/_utils", "/_utils/rest", "/favicon.ico"]
            .contains(&path.as_str())
    {
        let log_in = "You are not authorized to access this db.";
        rows.push(with("").anonymous().gets(401, "unauthorized", log_in));
    }
    rows
}

/// What the rows meet.
fn prepare(hub: &Hub) {
    hub.put("/db", "").expect(201);
    let text = json!({"content_type": "image/x", "data": "aGVsbG8="});
    let first = json!({
        "_id": "d", "_rev": "1-a", "n": 1, "_attachments": {"a.txt": text},
        "_revisions": {"start": 1, "ids": ["a"]},
    });
    let docs = json!([
        first,
        {"_id": "gone", "_rev": "1-a", "_deleted": true},
        {"_id": "_design/design", "_rev": "1-a"},
        functions(),
    ]);
    hub.post("/db/_bulk_docs", json!({"docs": docs, "new_edits": false})).expect(201);
    hub.put("/db/_local/local", json!({"n": 1})).expect(201);
}

/// A design document with functions of every kind.
fn functions() -> Value {
    json!({
        "_id": "_design/f", "_rev": "1-a",
        "views": {"v": {"map": "function (doc) { emit(doc.n, null); }"}},
        "lists": {"ok": "function () { return 'list'; }"},
        "updates": {"ok": "function () { return [null, 'update']; }"},
        "shows": {
            "ok": "function () { return 'show'; }",
            "code": "function () { return {code: 99}; }",
            "status": "function () { return {code: '200'}; }",
            "split": "function () { return {headers: {'X-A': 'b\\r\\nSet-Cookie: c'}}; }",
            "other": "function () { return {other: 1}; }",
            "base64": "function () { return {base64: '*'}; }",
        },
        "rewrites": [
            {"from": "/loop", "to": "_rewrite/loop"},
            {"from": "/key", "to": "_view/v"},
            {"from": "/db", "to": "../..", "method": "DELETE"},
        ],
    })
}

/// Everything that a request could have changed.
fn written(hub: &Hub) -> Value {
    let json = |path: &str| hub.get(path).expect(200).json();
    let info = json("/db");
    let counts = ["doc_count", "doc_del_count", "update_seq", "purge_seq"];
    let counts: Vec<_> = counts.iter().map(|member| info[*member].clone()).collect();
    json!({
        "databases": json("/_all_dbs"),
        "counts": counts,
        "documents": json("/db/_all_docs?include_docs=true"),
        "local": json("/db/_local_docs?include_docs=true"),
        "revs_limit": json("/db/_revs_limit"),
        "security": json("/db/_security"),
        "apps": json("/_hub/apps"),
        "settings": json("/_node/_local/_config"),
        "tasks": json("/_active_tasks"),
    })
}
