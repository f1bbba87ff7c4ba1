//! Functions that filter: feeds of changes of every kind, and replications.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tests::exchange::{self, check, error};
use tests::{Client, Hub, eventually};

/// Documents of a hub with filters: `a1`, `b1`, `a2`, `b2`, and a conflict of `c`.
fn filtered() -> Hub {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let design = json!({
        "filters": {
            "kind": "function (doc, req) { return doc.kind === req.query.kind; }",
            "live": "function (doc, req) { return !doc._deleted; }",
            "by": "function (doc, req) { return doc.kind === req.userCtx.name; }",
            "throws": "function (doc, req) { missing.member; }",
            "endless": "function (doc, req) { while (true) {} }",
            "syntax": "function (doc, req) { return ( }",
            "attachments": "function (doc, req) { return !!doc._attachments; }",
            "asked": "function (doc, req) {
                throw {error: 'seen', reason: JSON.stringify([req.method, req.path, req.query, req.body, req.id, req.userCtx])};
            }",
        },
        "views": {"b": {"map": "function (doc) { if (doc.kind === 'b') emit(null, null); }"}},
    });
    hub.put("/db/_design/f", design).expect(201);
    for (id, kind) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("b2", "b")] {
        hub.put(&format!("/db/{id}"), json!({"kind": kind})).expect(201);
    }
    let docs = json!([
        {"_id": "c", "_rev": "1-a", "kind": "a"},
        {"_id": "c", "_rev": "1-b", "kind": "b"},
        {"_id": "c", "_rev": "1-c", "kind": "c"},
    ]);
    hub.post("/db/_bulk_docs", json!({"docs": docs, "new_edits": false})).expect(201);
    hub
}

fn ids(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| row["id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[track_caller]
fn passing(hub: &Client, query: &str, expected: &[&str]) {
    let reply = hub.get(&format!("/db/_changes?{query}")).expect(200);
    assert_eq!(ids(&reply.json()["results"]), expected, "{query}");
}

#[test]
fn feeds_show_what_functions_pass() {
    let hub = filtered();
    passing(&hub, "filter=f/kind&kind=a", &["a1", "a2"]);
    passing(&hub, "filter=f/kind&kind=b&limit=1", &["b1"]);
    passing(&hub, "filter=f/kind&kind=a&descending=true", &["a2", "a1"]);
    passing(&hub, "filter=f/kind", &["_design/f"]);
    passing(&hub, "filter=_view&view=f/b", &["b1", "b2"]);
    passing(&hub, "filter=f/kind&kind=b&feed=longpoll", &["b1", "b2"]);
    // Which leaves are listed follows from which of them pass.
    passing(&hub, "filter=f/kind&kind=c", &["c"]);
    passing(&hub, "filter=f/kind&kind=a&style=all_docs", &["a1", "a2", "c"]);
    let reply = hub.get("/db/_changes?filter=f/kind&kind=b&style=all_docs").json();
    let changes =
        reply["results"].as_array().expect("rows").last().expect("a row")["changes"].clone();
    assert_eq!(changes, json!([{"rev": "1-b"}]));
    let reply = hub.get("/db/_changes?filter=f/kind&kind=a&include_docs=true").json();
    assert_eq!(reply["results"][0]["doc"]["kind"], "a");
    let rev = hub.get("/db/a1").json()["_rev"].clone();
    hub.delete(&format!("/db/a1?rev={}", rev.as_str().expect("a revision"))).expect(200);
    passing(&hub, "filter=f/live", &["_design/f", "b1", "a2", "b2", "c"]);
    let (app, _) = exchange::app(&hub, "a", &["--db", "db"]);
    passing(&app, "filter=f/by", &["a2"]);
    let reply = hub.post("/db/_changes?filter=f/kind&kind=b", json!({"x": 1})).expect(200);
    assert_eq!(ids(&reply.json()["results"]), ["b1", "b2"]);
}

#[test]
fn functions_see_the_request() {
    let hub = filtered();
    let seen = |reply: tests::Reply| -> Value {
        let reply = reply.expect(500).json();
        assert_eq!(reply["error"], "seen");
        serde_json::from_str(reply["reason"].as_str().expect("a reason")).expect("JSON")
    };
    let user = json!({"db": "db", "name": "owner", "roles": ["_admin"]});
    let path = json!(["db", "_changes"]);
    let query = json!({"filter": "f/asked", "a": "b c", "key": ["x"]});
    let found = seen(hub.get("/db/_changes?filter=f/asked&a=b+c&key=%5B%22x%22%5D"));
    assert_eq!(found, json!(["GET", path, query, "undefined", null, user]));
    let found = seen(hub.post("/db/_changes?filter=f/asked", json!({"x": 1})));
    assert_eq!((&found[0], &found[3]), (&json!("POST"), &json!("{\"x\":1}")));
}

#[test]
fn functions_that_are_none_or_fail() {
    let hub = filtered();
    let get = |query: &str| format!("GET /db/_changes?{query}");
    let missing = |name: &str| error(404, "not_found", &format!("missing json key: {name}"));
    check(&hub, &get("filter=f/none"), "", &missing("none"));
    check(&hub, &get("filter=_view&view=f/none"), "", &missing("none"));
    check(&hub, &get("filter=none/kind"), "", &error(404, "not_found", "missing"));
    hub.put("/db/_design/empty", json!({})).expect(201);
    check(&hub, &get("filter=empty/kind"), "", &missing("filters"));
    let view = error(400, "bad_request", "`view` filter parameter is not provided.");
    check(&hub, &get("filter=_view"), "", &view);
    for (name, status, word) in [
        ("throws", 500, "ReferenceError"),
        ("endless", 500, "os_process_error"),
        ("syntax", 400, "compilation_error"),
    ] {
        let reply = hub.get(&format!("/db/_changes?filter=f/{name}")).expect(status);
        assert_eq!(reply.json()["error"], word, "{name}");
    }
    hub.get("/db/_changes?filter=f/kind&kind=a").expect(200);
}

/// A feed as it comes.
struct Live(BufReader<TcpStream>);

impl Live {
    fn open(hub: &Hub, name: &str, query: &str) -> Self {
        let address = hub.url().trim_start_matches("http://").trim_end_matches('/');
        let (_, token) = exchange::app(hub, name, &["--db", "db"]);
        let mut socket = TcpStream::connect(address).expect("a connection");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let head = format!(
            "GET /db/_changes?{query} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).expect("a request");
        Self(BufReader::new(socket))
    }

    /// The id of the next row.
    fn next(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("a line") > 0, "the feed has ended");
            let row = line.trim().trim_start_matches("data: ").trim_end_matches(',');
            if let Ok(row) = serde_json::from_str::<Value>(row)
                && let Some(id) = row["id"].as_str()
            {
                return id.to_owned();
            }
        }
    }
}

#[test]
fn live_feeds_ask_about_what_is_written_later() {
    let hub = filtered();
    let open = |name: &str, options: &str| {
        Live::open(&hub, name, &format!("filter=f/kind&kind=b&{options}"))
    };
    let mut feeds = [
        open("continuous", "feed=continuous&heartbeat=1000"),
        open("eventsource", "feed=eventsource&heartbeat=500"),
        open("longpoll", "feed=longpoll&since=now"),
    ];
    for feed in &mut feeds[..2] {
        assert_eq!((feed.next().as_str(), feed.next().as_str()), ("b1", "b2"));
    }
    hub.put("/db/a3", json!({"kind": "a"})).expect(201);
    hub.put("/db/b3", json!({"kind": "b"})).expect(201);
    for feed in &mut feeds {
        assert_eq!(feed.next(), "b3");
    }
    let options = "feed=continuous&since=now&heartbeat=100&filter=_view&view=f/b";
    let mut by_view = Live::open(&hub, "view", options);
    hub.put("/db/a4", json!({"kind": "a"})).expect(201);
    hub.put("/db/b4", json!({"kind": "b"})).expect(201);
    assert_eq!(by_view.next(), "b4");
}

#[test]
fn many_documents_are_asked_about_page_by_page() {
    let hub = filtered();
    let docs: Vec<Value> = (0..2500)
        .map(|n| json!({"_id": format!("n{n}"), "kind": if n % 500 == 0 { "rare" } else { "x" }}))
        .collect();
    hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201);
    let reply = hub.get("/db/_changes?filter=f/kind&kind=rare").expect(200).json();
    assert_eq!(ids(&reply["results"]).len(), 5);
    assert_eq!(reply["pending"], 0);
    let reply = hub.get("/db/_changes?filter=f/kind&kind=x").expect(200).json();
    assert_eq!(ids(&reply["results"]).len(), 2495);
}

fn all(hub: &Client, database: &str) -> Vec<String> {
    ids(&hub.get(&format!("/{database}/_all_docs")).expect(200).json()["rows"])
}

#[test]
fn replications_bring_what_functions_pass() {
    let hub = filtered();
    let other = Hub::start();
    let remote = format!("{}db", hub.owner_url());
    for (at, source) in [(&hub, "db"), (&other, remote.as_str())] {
        let replicate = |target: &str, filter: &str, params: Value| {
            at.post(
                "/_replicate",
                json!({
                    "source": source, "target": target, "create_target": true,
                    "filter": filter, "query_params": params,
                }),
            )
        };
        replicate("of-a", "f/kind", json!({"kind": "a"})).expect(200);
        assert_eq!(all(at, "of-a"), ["a1", "a2", "c"], "{source}");
        assert_eq!(at.get("/of-a/c").json()["_rev"], "1-a");
        replicate("of-b", "_view", json!({"view": "f/b"})).expect(200);
        assert_eq!(all(at, "of-b"), ["b1", "b2", "c"], "{source}");
        replicate("designs", "_design", json!({})).expect(200);
        assert_eq!(all(at, "designs"), ["_design/f"], "{source}");
        let failed = replicate("none", "f/none", json!({}));
        assert!(failed.status >= 400, "{failed}");
        assert!(failed.json()["reason"].as_str().expect("a reason").contains("none"), "{failed}");
        let failed = replicate("throws", "f/throws", json!({}));
        assert!(failed.status >= 400, "{failed}");
        // What is told decides which replication it is.
        replicate("of-a", "f/kind", json!({"kind": "b"})).expect(200);
        assert_eq!(all(at, "of-a"), ["a1", "a2", "b1", "b2", "c"], "{source}");
    }
}

#[test]
fn replication_documents_name_functions() {
    let hub = filtered();
    hub.put("/copy", "").expect(201);
    let asked = json!({
        "source": "db", "target": "copy", "continuous": true,
        "filter": "f/kind", "query_params": {"kind": "a"},
    });
    hub.put("/_replicator/r", asked).expect(201);
    let has = |ids: &[&str]| {
        eventually("the copy", || match all(&hub, "copy") {
            found if found == ids => Ok(()),
            found => Err(format!("{found:?}")),
        });
    };
    has(&["a1", "a2", "c"]);
    hub.put("/db/b3", json!({"kind": "b"})).expect(201);
    hub.put("/db/a3", json!({"kind": "a"})).expect(201);
    has(&["a1", "a2", "a3", "c"]);
}
