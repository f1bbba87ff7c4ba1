//! Functions of design documents that answer requests: show, list, update, and rewrites.

use serde_json::{Value, json};
use tests::exchange::{self, check, error};
use tests::{Body, Hub, Reply};

/// What a request to a rewrite of a `code` gets.
const DENY: &str = "function (req) {
    var path = req.path.slice(4);
    if (path[0] === 'loop') return {path: '_rewrite/loop'};
    if (path[0] === 'none') return null;
    if (path[0] === 'bad') return {path: 5};
    if (path[0] === 'throw') throw {forbidden: 'not you'};
    if (path[0] === 'denied') return {code: 403, body: 'no', headers: {'X-Why': 'so', 'Set-Cookie': 'a=b'}};
    if (path[0] === 'seen') return {path: '_show/seen', method: 'POST', body: JSON.stringify(req)};
    if (path[0] === 'twice') return {path: '_rewrite/put/' + path[1], method: 'POST'};
    if (path[0] === 'put') return {path: '../../' + path[1], method: 'PUT', headers: {'X-A': 'b'}};
    return {path: '../../../' + path.join('/')};
}";

fn hub_with(design: Value) -> Hub {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    hub.put("/db/_design/d", design).expect(201);
    hub
}

fn body(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

#[test]
fn updates_write_documents() {
    let hub = hub_with(json!({"updates": {
        "make": "function (doc, req) {
            if (!doc) return [{_id: req.id || req.uuid, n: 1, from: req.body}, 'made'];
            doc.n += 1;
            return [doc, {code: 202, json: {n: doc.n, revs: doc._revisions.start}}];
        }",
        "nothing": "function (doc, req) { return [null, {code: 404, body: 'nothing to do'}]; }",
        "noid": "function (doc, req) { return [{}, 'x']; }",
        "odd": "function (doc, req) { return [5, 'x']; }",
        "stale": "function (doc, req) { return [{_id: 'a', _rev: '1-abc'}, 'x']; }",
        "design": "function (doc, req) { return [{_id: '_design/made'}, 'x']; }",
        "form": "function (doc, req) { return [null, {json: [req.form, req.method, req.query, req.id]}]; }",
        "remove": "function (doc, req) { doc._deleted = true; return [doc, 'gone']; }",
    }, "validate_doc_update": "function (doc) { if (doc.n > 2) throw {forbidden: 'too many'}; }"}));
    let reply = hub.put("/db/_design/d/_update/make/a%2Fb", Body::bytes("hé", "text/plain"));
    let reply = reply.expect(201);
    assert_eq!((body(&reply).as_str(), reply.header("x-couch-id")), ("made", "a%2Fb"));
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(reply.header("content-security-policy"), "sandbox");
    let stored = hub.get("/db/a%2Fb").expect(200).json();
    assert_eq!(stored["_rev"], reply.header("x-couch-update-newrev"));
    assert_eq!((&stored["n"], &stored["from"]), (&json!(1), &json!("hé")));
    // Slashes of an id may stand as they are.
    let reply = hub.post("/db/_design/d/_update/make/a/b", "").expect(202);
    assert_eq!(reply.json(), json!({"n": 2, "revs": 1}));
    let path = "/db/_design/d/_update/make/a/b";
    check(&hub, &format!("POST {path}"), "", &error(403, "forbidden", "too many"));
    assert_eq!(hub.get("/db/a%2Fb").json()["n"], 2);
    hub.post("/db/_design/d/_update/make", "").expect(201);
    assert_eq!(body(&hub.post("/db/_design/d/_update/nothing/x", "").expect(404)), "nothing to do");
    hub.get("/db/x").expect(404);
    hub.post("/db/_design/d/_update/odd", "").expect(200);
    let empty = error(400, "illegal_docid", "Document id must not be empty");
    check(&hub, "POST /db/_design/d/_update/noid", "", &empty);
    hub.put("/db/a", json!({})).expect(201);
    hub.post("/db/_design/d/_update/stale", "").expect(409);
    hub.post("/db/_design/d/_update/design", "").expect(201);
    hub.get("/db/_design/made").expect(200);
    let form = Body::bytes("a=b+c&d=%C3%A9", "application/x-www-form-urlencoded");
    let reply = hub.post("/db/_design/d/_update/form/i?key=%5B1%5D&x=y", form).expect(200).json();
    let query = json!({"key": [1], "x": "y"});
    assert_eq!(reply, json!([{"a": "b c", "d": "é"}, "POST", query, "i"]));
    hub.post("/db/_design/d/_update/remove/a", "").expect(201);
    hub.get("/db/a").expect(404);
    let only = error(405, "method_not_allowed", "Only POST,PUT allowed");
    check(&hub, "GET /db/_design/d/_update/make", "", &only);
    let no_text = error(400, "bad_request", "The request body is not UTF-8");
    check(&hub, "PUT /db/_design/d/_update/make/x", Body::bytes([0xff], "text/plain"), &no_text);
}

#[test]
fn shows_answer() {
    let hub = hub_with(json!({"shows": {
        "hello": "function (doc, req) { return 'Hello ' + (doc ? doc._id : String(req.id)); }",
        "types": "function (doc, req) {
            registerType('foo', 'application/x-foo');
            provides('html', function () { return '<b>' + doc.n + '</b>'; });
            provides('foo', function () { return {body: 'foo', headers: {'X-A': 'b'}}; });
        }",
        "binary": "function () { return {base64: 'AAEC', code: 201, headers: {'Content-Type': 'image/x'}}; }",
        "redirect": "function () { return {code: 302, headers: {Location: '/db'}}; }",
    }}));
    hub.put("/db/a", json!({"n": 7})).expect(201);
    let show = |path: &str| hub.get(&format!("/db/_design/d/_show/{path}"));
    assert_eq!(body(&show("hello").expect(200)), "Hello null");
    assert_eq!(body(&show("hello/a").expect(200)), "Hello a");
    assert_eq!(body(&show("hello/none/x").expect(200)), "Hello none/x");
    assert_eq!(body(&show("hello/_design/d").expect(200)), "Hello _design/d");
    assert_eq!(body(&hub.post("/db/_design/d/_show/hello/a", "x").expect(200)), "Hello a");
    let reply = show("hello/a");
    let tag = reply.header("etag").to_owned();
    assert_eq!(
        (reply.header("vary"), reply.header("content-security-policy")),
        ("Accept", "sandbox")
    );
    let known = |tag: &str| {
        hub.request("GET", "/db/_design/d/_show/hello/a").header("if-none-match", tag).send("")
    };
    known(&tag).expect(304);
    hub.put("/db/b", json!({})).expect(201);
    known(&tag).expect(304);
    let rev = hub.get("/db/a").json()["_rev"].clone();
    hub.put("/db/a", json!({"_rev": rev, "n": 8})).expect(201);
    known(&tag).expect(200);
    let head = hub.request("HEAD", "/db/_design/d/_show/hello/a").send("").expect(200);
    assert_eq!((head.body.len(), head.header("content-length")), (0, "7"));

    let typed = |accept: &str| {
        let request = hub.request("GET", "/db/_design/d/_show/types/a");
        request.header("accept", accept).send("")
    };
    let reply = typed("text/html").expect(200);
    assert_eq!(body(&reply), "<b>8</b>");
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    let reply = typed("application/x-foo").expect(200);
    assert_eq!((body(&reply).as_str(), reply.header("x-a")), ("foo", "b"));
    assert_eq!(reply.header("content-type"), "application/x-foo");
    typed("image/png").expect(406);
    assert_eq!(body(&show("types/a?format=foo").expect(200)), "foo");

    let reply = show("binary").expect(201);
    assert_eq!((reply.body.as_slice(), reply.header("content-type")), (&[0, 1, 2][..], "image/x"));
    assert_eq!(show("redirect").expect(302).header("location"), "/db");
}

#[test]
fn lists_are_made_of_rows() {
    let hub = hub_with(json!({
        "views": {
            "n": {"map": "function (doc) { emit(doc.n, doc._id); }"},
            "sum": {"map": "function (doc) { emit(doc.n % 2, doc.n); }", "reduce": "_sum"},
        },
        "lists": {
            "rows": "function (head, req) {
                start({code: 203, headers: {'Content-Type': 'text/plain', 'X-A': 'b', 'Set-Cookie': 'c'}});
                send(JSON.stringify(head) + '\\n');
                var row;
                while (row = getRow()) send(row.key + '=' + row.value + (row.doc ? row.doc._id : '') + ' ');
                return 'end';
            }",
            "first": "function (head, req) { var row = getRow(); send(row ? row.id : 'none'); }",
            "json": "function (head, req) {
                provides('json', function () { var row, all = []; while (row = getRow()) all.push(row.id); return JSON.stringify(all); });
            }",
            "asked": "function (head, req) { return JSON.stringify([req.method, req.query, req.body, req.id]); }",
            "early": "function (head, req) { missing.member; }",
            "late": "function (head, req) { getRow(); send(new Array(100000).join('x')); getRow(); missing.member; }",
            "quiet": "function (head, req) {}",
        },
    }));
    for n in 1..=5 {
        hub.put(&format!("/db/d{n}"), json!({"n": n})).expect(201);
    }
    hub.put("/db/_design/other", json!({"lists": {"x": "function () { return 'other'; }"}}))
        .expect(201);
    let list = |path: &str| hub.get(&format!("/db/_design/d/_list/{path}"));
    let reply = list("rows/n?startkey=2&limit=3").expect(203);
    assert_eq!(body(&reply), "{\"total_rows\":5,\"offset\":1}\n2=d2 3=d3 4=d4 end");
    assert_eq!((reply.header("content-type"), reply.header("x-a")), ("text/plain", "b"));
    assert_eq!((reply.header("set-cookie"), reply.header("vary")), ("", "Accept"));
    assert_eq!(reply.header("content-security-policy"), "sandbox");
    let request = hub.request("GET", "/db/_design/d/_list/rows/n?startkey=2&limit=3");
    request.header("if-none-match", reply.header("etag")).send("").expect(304);
    let reply = list("rows/n?include_docs=true&key=2").expect(203);
    assert!(body(&reply).ends_with("2=d2d2 end"), "{reply}");
    assert_eq!(body(&list("rows/sum?group=true").expect(203)), "{}\n0=6 1=9 end");
    assert_eq!(body(&list("first/n?descending=true").expect(200)), "d5");
    assert_eq!(body(&list("first/n?key=9").expect(200)), "none");
    assert_eq!(body(&list("first/_all_docs?startkey=%22d2%22").expect(200)), "d2");
    assert_eq!(body(&list("quiet/n").expect(200)), "");
    let request =
        hub.request("GET", "/db/_design/d/_list/json/n").header("accept", "application/json");
    let reply = request.send("").expect(200);
    assert_eq!(reply.json(), json!(["d1", "d2", "d3", "d4", "d5"]));
    assert_eq!(reply.header("content-type"), "application/json");
    let reply = hub.post("/db/_design/d/_list/json/n", json!({"keys": [5, 1]})).expect(200);
    assert_eq!(reply.json(), json!(["d5", "d1"]));
    let reply = hub.post("/db/_design/other/_list/x/d/n", json!({})).expect(200);
    assert_eq!(body(&reply), "other");
    let reply = hub.post("/db/_design/d/_list/asked/n?a=b&limit=1", json!({"keys": [1]})).json();
    assert_eq!(reply, json!(["POST", {"a": "b", "limit": "1"}, "{\"keys\":[1]}", null]));
    let reply = list("early/n").expect(500);
    assert_eq!(reply.json()["error"], "render_error");
    let late = hub.request("GET", "/db/_design/d/_list/late/n").try_send("");
    assert!(late.is_err(), "an answer that failed was whole");
    hub.request("HEAD", "/db/_design/d/_list/rows/n").send("").expect(203);
    let missing = |name: &str| error(404, "not_found", &format!("missing json key: {name}"));
    check(&hub, "GET /db/_design/d/_list/none/n", "", &missing("none"));
    check(
        &hub,
        "GET /db/_design/d/_list/rows/none",
        "",
        &error(404, "not_found", "missing_named_view"),
    );
    check(&hub, "GET /db/_design/d/_list/rows/none/n", "", &error(404, "not_found", "missing"));
}

#[test]
fn long_lists_pass_through() {
    let hub = hub_with(json!({
        "views": {"all": {"map": "function (doc) { for (var i = 0; i < 1000; i++) emit([doc.n, i], i); }"}},
        "lists": {
            "count": "function () { var row, n = 0; while (row = getRow()) n++; return String(n); }",
            "echo": "function () { var row; while (row = getRow()) send(JSON.stringify(row) + '\\n'); }",
        },
    }));
    let docs: Vec<Value> = (0..40).map(|n| json!({"n": n})).collect();
    hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201);
    assert_eq!(body(&hub.get("/db/_design/d/_list/count/all").expect(200)), "40000");
    let reply = hub.get("/db/_design/d/_list/echo/all?descending=true").expect(200);
    let lines: Vec<Value> =
        body(&reply).lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    assert_eq!(lines.len(), 40_000);
    assert_eq!((&lines[0]["key"], &lines[39_999]["key"]), (&json!([39, 999]), &json!([0, 0])));
}

#[test]
fn a_reader_that_goes_ends_a_list() {
    use std::io::{Read as _, Write as _};
    let hub = hub_with(json!({
        "views": {"all": {"map": "function (doc) { for (var i = 0; i < 1000; i++) emit(i, i); }"}},
        "lists": {"echo": "function () {
            var row; while (row = getRow()) { log('row ' + row.id); send(new Array(10000).join('x')); }
        }"},
    }));
    let docs: Vec<Value> = (0..50).map(|n| json!({"n": n})).collect();
    hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201);
    hub.get("/db/_design/d/_view/all?limit=0").expect(200);
    let (app, token) = exchange::app(&hub, "reader", &["--db", "db"]);
    // As many as may run at a time: those that nobody reads make room.
    for _ in 0..10 {
        let address = hub.url().trim_start_matches("http://").trim_end_matches('/');
        let mut socket = std::net::TcpStream::connect(address).expect("a connection");
        let head = format!(
            "GET /db/_design/d/_list/echo/all HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).expect("a request");
        let mut begin = [0; 20];
        socket.read_exact(&mut begin).expect("an answer");
        assert!(begin.starts_with(b"HTTP/1.1 200"));
    }
    let started = std::time::Instant::now();
    app.get("/db/_design/d/_list/echo/all?limit=1").expect(200);
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn rules_rewrite_requests() {
    let hub = hub_with(json!({
        "views": {"n": {"map": "function (doc) { emit(doc.n, null); }"}},
        "shows": {"path": "function (doc, req) {
            return JSON.stringify([req.requested_path, req.path, req.query, req.headers['X-Couchdb-Requested-Path']]);
        }"},
        "rewrites": [
            {"from": "", "to": "_show/path"},
            {"from": "/doc/:id", "to": "../../:id", "method": "GET"},
            {"from": "/doc/:id", "to": "../../:id", "method": "PUT"},
            {"from": "/n/:n", "to": "_view/n", "query": {"key": ":n"}, "formats": {"n": "int"}},
            {"from": "/again/*", "to": "_rewrite/*"},
            {"from": "/loop", "to": "_rewrite/loop"},
            {"from": "/drop", "to": "../..", "method": "DELETE"},
            {"from": "/limit", "to": "../../_revs_limit"},
            {"from": "/show/*", "to": "_show/path/*", "query": {"a": "b"}},
        ],
    }));
    let at = |path: &str| format!("/db/_design/d/_rewrite{path}");
    let asked = |path: &str| hub.get(&at(path)).expect(200).json();
    let before = json!(["db", "_design", "d", "_rewrite"]);
    for path in ["", "/"] {
        let found = asked(path);
        assert_eq!((&found[0], &found[3]), (&before, &json!(at(path))), "{path}");
        assert_eq!(found[1], json!(["db", "_design", "d", "_show", "path"]));
    }
    let found = asked("/again/again/show/x%2Fy/z?c=d");
    let path = json!(["db", "_design", "d", "_show", "path", "x/y", "z"]);
    assert_eq!((&found[1], &found[2]), (&path, &json!({"a": "b", "c": "d"})));
    let path = json!(["db", "_design", "d", "_rewrite", "again", "again", "show", "x/y", "z"]);
    assert_eq!(found[0], path);
    hub.put(&at("/doc/a"), json!({"n": 5})).expect(201);
    assert_eq!(hub.get(&at("/doc/a")).expect(200).json()["n"], 5);
    assert_eq!(hub.get(&at("/n/5")).expect(200).json()["rows"][0]["id"], "a");
    assert_eq!(hub.get(&at("/n/6")).expect(200).json()["rows"], json!([]));
    check(&hub, "DELETE /db/_design/d/_rewrite/doc/a", "", &error(404, "not_found", "missing"));
    check(&hub, "GET /db/_design/d/_rewrite/other", "", &error(404, "not_found", "missing"));
    let limit = error(400, "bad_request", "Exceeded rewrite recursion limit");
    check(&hub, "GET /db/_design/d/_rewrite/loop", "", &limit);
    let nothing = error(403, "forbidden", "A rewrite administers nothing.");
    check(&hub, "DELETE /db/_design/d/_rewrite/drop", "", &nothing);
    check(&hub, "PUT /db/_design/d/_rewrite/limit", "5", &nothing);
    assert_eq!(hub.get(&at("/limit")).expect(200).json(), 1000);
    hub.put("/db/_design/none", json!({})).expect(201);
    check(
        &hub,
        "GET /db/_design/none/_rewrite/x",
        "",
        &error(404, "rewrite_error", "Invalid path."),
    );
    check(&hub, "GET /db/_design/gone/_rewrite/x", "", &error(404, "not_found", "missing"));
    let up = json!({"rewrites": [{"from": "/*", "to": "../../../*"}]});
    hub.put("/db/_design/up", up).expect(201);
    let blocked = error(500, "insecure_rewrite_rule", "too many ../.. segments");
    check(&hub, "GET /db/_design/up/_rewrite/_users", "", &blocked);
}

#[test]
fn functions_rewrite_requests() {
    let hub = hub_with(json!({
        "shows": {"seen": "function (doc, req) { return {json: JSON.parse(req.body)}; }"},
        "rewrites": DENY,
    }));
    hub.put("/other", "").expect(201);
    let at = |path: &str| format!("/db/_design/d/_rewrite/{path}");
    assert_eq!(hub.get(&at("other")).expect(200).json()["db_name"], "other");
    hub.put(&at("other/x"), json!({"n": 1})).expect(201);
    assert_eq!(hub.get("/other/x").expect(200).json()["n"], 1);
    hub.post(&at("put/y"), json!({"m": 2})).expect(201);
    assert_eq!(hub.get("/db/y").expect(200).json()["m"], 2);
    let reply = hub.get(&at("denied")).expect(403);
    assert_eq!((body(&reply).as_str(), reply.header("x-why")), ("no", "so"));
    assert_eq!(reply.header("set-cookie"), "");
    let seen = hub.get(&at("seen?a=b")).expect(200).json();
    assert_eq!((&seen["method"], &seen["query"]), (&json!("GET"), &json!({"a": "b"})));
    assert_eq!((&seen["info"], &seen["body"]), (&Value::Null, &json!("undefined")));
    assert_eq!(seen["headers"].get("Authorization"), None);
    check(&hub, &format!("GET {}", at("none")), "", &error(404, "rewrite_error", "Invalid path."));
    check(&hub, &format!("GET {}", at("bad")), "", &error(500, "rewrite_error", "bad path"));
    let limit = error(400, "bad_request", "Exceeded rewrite recursion limit");
    check(&hub, &format!("GET {}", at("loop")), "", &limit);
    check(&hub, &format!("GET {}", at("throw")), "", &error(403, "forbidden", "not you"));
    hub.get(&at("_hub/status")).expect(403);
    who_follows_a_link_writes_nothing(&hub);
    // Whoever asks gets no further than without it.
    let (app, _) = exchange::app(&hub, "reader", &["--db", "db"]);
    app.get(&at("other")).expect(403);
    app.get(&at("db")).expect(200);
    app.post(&at("put/z"), json!({})).expect(403);
    hub.as_principal(None).get(&at("db")).expect(401);
    // Logging in is nothing that happens to whoever follows a link.
    let session = hub.get(&at("_session")).expect(200);
    assert_eq!(session.json()["userCtx"]["name"], "owner");
}

/// Of a database with the rewrites of `DENY`.
fn who_follows_a_link_writes_nothing(hub: &Hub) {
    let refused = |request: &str, body: &str, reason: &str| {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let request = format!("{method} /db/_design/d/_rewrite/{path}");
        check(hub, &request, body, &error(403, "forbidden", reason));
    };
    let reads = "A rewrite of what reads does not write.";
    refused("GET put/link", "", reads);
    hub.request("HEAD", "/db/_design/d/_rewrite/put/link").send("").expect(403);
    refused("GET twice/link", "", reads);
    hub.get("/db/link").expect(404);
    let design = "A rewrite writes no design documents.";
    refused("PUT db/_design/made", "{}", design);
    refused("PUT db/_design%2Fmade", "{}", design);
    refused("POST db", r#"{"_id":"_design/made"}"#, design);
    refused("POST db/_index", r#"{"index":{"fields":["a"]}}"#, design);
    refused("POST db/_bulk_docs", r#"{"docs":[{"_id":"_design/made"}]}"#, design);
    hub.post("/db/_design/d/_rewrite/db/_bulk_docs", json!({"docs": [{"_id": "a"}]})).expect(201);
    hub.get("/db/_design/made").expect(404);
    refused("PUT made", "", "A rewrite creates no databases.");
    hub.get("/made").expect(404);
    let nothing = "A rewrite replicates nothing.";
    refused("POST _replicate", r#"{"source":"db","target":"other"}"#, nothing);
    refused("PUT _replicator/x", r#"{"source":"db","target":"other"}"#, nothing);
}

#[test]
fn rights_decide() {
    let hub = hub_with(json!({
        "updates": {
            "make": "function (doc, req) { return [{_id: 'x'}, JSON.stringify(req.userCtx)]; }",
        },
        "shows": {"s": "function (doc, req) { return {json: [req.userCtx, req.headers, req.cookie]}; }"},
    }));
    let (reader, _) = exchange::app(&hub, "reader", &["--db", "db"]);
    let (writer, _) = exchange::app(&hub, "writer", &["--db", "db:rw"]);
    reader.post("/db/_design/d/_update/make", "").expect(403);
    let reply = writer.post("/db/_design/d/_update/make", "").expect(201);
    assert_eq!(reply.json(), json!({"db": "db", "name": "writer", "roles": []}));
    let reply = reader.get("/db/_design/d/_show/s").expect(200).json();
    assert_eq!(reply[0]["name"], "reader");
    assert_eq!((reply[1].get("Authorization"), &reply[2]), (None, &json!({})));
    hub.as_principal(None).get("/db/_design/d/_show/s").expect(401);
    // Documents of the replicator are checked, whoever makes them.
    let make = "function () { return [{_id: 'r', source: 5}, 'x']; }";
    hub.put("/_replicator/_design/r", json!({"updates": {"make": make}})).expect(201);
    hub.post("/_replicator/_design/r/_update/make", "").expect(403);
}

#[test]
fn functions_that_fail() {
    let endless = "function () { while (true) {} }";
    let all = |source: &str| json!({"shows": {"f": source}, "updates": {"f": source}, "rewrites": source});
    let hub = hub_with(all(endless));
    for (name, source) in [
        ("throws", "function () { missing.member; }"),
        (
            "huge",
            "function () { var x = 'x'; while (x.length < 40000000) x += x; return [null, {body: x}]; }",
        ),
        ("syntax", "function () { return ( }"),
        ("nothing", "function () {}"),
        ("odd", "function () { return {other: 1, path: 5}; }"),
    ] {
        hub.put(&format!("/db/_design/{name}"), all(source)).expect(201);
    }
    let get = |path: &str| hub.get(&format!("/db/_design/{path}"));
    let said =
        |reply: Reply| (reply.status, reply.json()["error"].as_str().unwrap_or("").to_owned());
    let failed = |status: u16, word: &str| (status, word.to_owned());
    assert_eq!(said(get("d/_show/f")), failed(500, "os_process_error"));
    assert_eq!(said(get("throws/_show/f")), failed(500, "render_error"));
    assert_eq!(said(get("syntax/_show/f")), failed(400, "compilation_error"));
    assert_eq!(said(get("odd/_show/f")), failed(500, "external_response_error"));
    assert_eq!(said(get("odd/_rewrite/x")), failed(500, "rewrite_error"));
    assert_eq!(said(get("throws/_rewrite/x")), failed(500, "ReferenceError"));
    assert_eq!(said(get("nothing/_rewrite/x")), failed(404, "rewrite_error"));
    assert_eq!(body(&get("nothing/_show/f").expect(200)), "");
    let post = |path: &str| hub.post(&format!("/db/_design/{path}"), "");
    assert_eq!(post("huge/_update/f").status, 500);
    assert_eq!(post("nothing/_update/f").status, 500);
    assert_eq!(post("throws/_update/f").status, 500);
    let missing = |name: &str| error(404, "not_found", &format!("missing json key: {name}"));
    check(&hub, "GET /db/_design/d/_show/none", "", &missing("none"));
    check(&hub, "GET /db/_design/d/_show/__proto__", "", &missing("__proto__"));
    check(&hub, "GET /db/_design/d/_list/f/v", "", &missing("lists"));
    check(&hub, "POST /db/_design/d/_update/none/x", "", &missing("none"));
    check(&hub, "GET /db/_design/none/_show/f", "", &error(404, "not_found", "missing"));
    hub.get("/_up").expect(200);
}

#[test]
fn indexes_that_nobody_has_are_removed() {
    let hub = hub_with(json!({"views": {"n": {"map": "function (doc) { emit(doc.n, null); }"}}}));
    let files = || -> usize {
        let mut found = 0;
        let mut folders = vec![hub.data_dir()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
                let path = entry.path();
                let in_indexes = path.parent().is_some_and(|parent| parent.ends_with("indexes"));
                match path.is_dir() {
                    true => folders.push(path),
                    false => found += usize::from(in_indexes),
                }
            }
        }
        found
    };
    hub.get("/db/_design/d/_view/n").expect(200);
    let kept = files();
    assert!(kept > 0);
    hub.post("/db/_view_cleanup", "").expect(202);
    assert_eq!(hub.get("/db/_design/d/_view/n").expect(200).json()["total_rows"], 0);
    let rev = hub.get("/db/_design/d").json()["_rev"].clone();
    let other = json!({"_rev": rev, "views": {"n": {"map": "function (doc) { emit(1, 2); }"}}});
    hub.put("/db/_design/d", other).expect(201);
    hub.get("/db/_design/d/_view/n").expect(200);
    hub.post("/db/_view_cleanup", "").expect(202);
    assert!(files() <= kept);
    hub.get("/db/_design/d/_view/n").expect(200);
    let request = hub.request("POST", "/db/_compact/d").header("content-type", "application/json");
    request.send("").expect(202);
}
