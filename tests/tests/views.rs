//! Map/reduce views.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tests::exchange::{check, error};
use tests::{Hub, eventually};

fn design() -> Value {
    json!({"views": {
        "lib": {"twice": "exports.of = function (n) { return n * 2; }"},
        "by_type": {"map": "function (doc) { emit(doc.type, doc.n); }"},
        "sum": {
            "map": "function (doc) { emit([doc.type, doc.n], doc.n); }",
            "reduce": "_sum",
        },
        "twice": {
            "map": "function (doc) { emit(doc.type, require('views/lib/twice').of(doc.n)); }",
            "reduce": "function (keys, values, rereduce) { return sum(values); }",
        },
        "links": {"map": "function (doc) { emit(doc.n, {_id: doc.next}); }"},
    }})
}

/// Documents d1 to d6 of the types `odd` and `even`, each with a link to the next.
fn filled() -> Hub {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let kind = |n: u32| if n.is_multiple_of(2) { "even" } else { "odd" };
    let document =
        |n| json!({"_id": format!("d{n}"), "type": kind(n), "n": n, "next": format!("d{}", n + 1)});
    let docs: Vec<Value> = (1..=6).map(document).collect();
    hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201);
    hub.put("/db/_design/v", design()).expect(201);
    hub
}

#[track_caller]
fn rows(hub: &Hub, query: &str) -> Vec<Value> {
    let reply = hub.get(&format!("/db/_design/v/_view/{query}")).expect(200).json();
    reply["rows"].as_array().expect("rows").clone()
}

#[track_caller]
fn check_ids(hub: &Hub, query: &str, expected: &[&str]) {
    let ids: Vec<Value> = rows(hub, query).iter().map(|row| row["id"].clone()).collect();
    assert_eq!(json!(ids), json!(expected), "{query}");
}

/// Keys and values of reduced rows.
#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "the tables read better so")]
fn check_reduced(hub: &Hub, query: &str, expected: Value) {
    let pairs: Vec<Value> =
        rows(hub, query).iter().map(|row| json!([row["key"], row["value"]])).collect();
    assert_eq!(json!(pairs), expected, "{query}");
}

#[test]
fn rows_are_in_order_and_cut_as_asked() {
    let hub = filled();
    check_ids(&hub, "by_type", &["d2", "d4", "d6", "d1", "d3", "d5"]);
    check_ids(&hub, "by_type?descending=true", &["d5", "d3", "d1", "d6", "d4", "d2"]);
    check_ids(&hub, "by_type?key=%22odd%22", &["d1", "d3", "d5"]);
    check_ids(&hub, "by_type?key=%22odd%22&limit=1&skip=1", &["d3"]);
    check_ids(&hub, "by_type?startkey=%22f%22", &["d1", "d3", "d5"]);
    check_ids(&hub, "by_type?endkey=%22odd%22&inclusive_end=false", &["d2", "d4", "d6"]);
    check_ids(&hub, "by_type?key=%22odd%22&startkey_docid=d2", &["d3", "d5"]);
    check_ids(&hub, "by_type?key=%22odd%22&endkey_docid=d3", &["d1", "d3"]);
    let exclusive = "by_type?key=%22odd%22&endkey_docid=d3&inclusive_end=false";
    check_ids(&hub, exclusive, &["d1"]);
    let backwards = "by_type?key=%22odd%22&startkey_docid=d3&descending=true";
    check_ids(&hub, backwards, &["d3", "d1"]);
    check_ids(
        &hub,
        "by_type?keys=%5B%22odd%22,%22none%22,%22even%22%5D&limit=4",
        &["d1", "d3", "d5", "d2"],
    );
    let reply = hub.get("/db/_design/v/_view/by_type?key=%22odd%22&skip=1").expect(200).json();
    assert_eq!((&reply["total_rows"], &reply["offset"]), (&json!(6), &json!(4)));
    let reply = hub.get("/db/_design/v/_view/by_type?limit=0&update_seq=true").json();
    assert_eq!(reply["rows"], json!([]));
    assert_eq!(reply["update_seq"], hub.get("/db").json()["update_seq"]);
    let posted = hub.post("/db/_design/v/_view/by_type", json!({"keys": ["even"], "limit": 2}));
    assert_eq!(posted.expect(200).json()["rows"].as_array().map(Vec::len), Some(2));
}

#[test]
fn rows_are_reduced() {
    let hub = filled();
    check_reduced(&hub, "sum", json!([[null, 21]]));
    check_reduced(&hub, "sum?group_level=1", json!([[["even"], 12], [["odd"], 9]]));
    check_reduced(
        &hub,
        "sum?group=true&limit=2&skip=1",
        json!([[["even", 4], 4], [["even", 6], 6]]),
    );
    check_reduced(
        &hub,
        "sum?group=true&limit=2&descending=true",
        json!([[["odd", 5], 5], [["odd", 3], 3]]),
    );
    check_reduced(&hub, "sum?startkey=%5B%22odd%22,2%5D", json!([[null, 8]]));
    check_reduced(&hub, "sum?startkey=%5B%22z%22%5D", json!([]));
    check_reduced(&hub, "twice?group=true", json!([["even", 24], ["odd", 18]]));
    check_reduced(&hub, "twice?group=true&keys=%5B%22odd%22,%22x%22%5D", json!([["odd", 18]]));
    check_ids(&hub, "sum?reduce=false&limit=2", &["d2", "d4"]);
}

#[test]
fn documents_come_along() {
    let hub = filled();
    let shown = rows(&hub, "by_type?include_docs=true&limit=1");
    assert_eq!(shown[0]["doc"], hub.get("/db/d2").json());
    let linked = rows(&hub, "links?include_docs=true");
    assert_eq!(linked[0]["doc"]["_id"], "d2");
    assert_eq!(linked[5]["doc"], Value::Null);
}

#[test]
fn an_index_follows_its_documents() {
    let hub = filled();
    check_reduced(&hub, "sum", json!([[null, 21]]));
    let rev = hub.get("/db/d6").json()["_rev"].as_str().expect("a revision").to_owned();
    hub.delete(&format!("/db/d6?rev={rev}")).expect(200);
    // Asked not to wait, it answers with what it has.
    check_reduced(&hub, "sum?update=false", json!([[null, 21]]));
    check_reduced(&hub, "sum?stale=ok", json!([[null, 21]]));
    check_reduced(&hub, "sum", json!([[null, 15]]));
    hub.put("/db/d7", json!({"type": "odd", "n": 7})).expect(201);
    let hub = Hub::start_in(hub.stop());
    check_reduced(&hub, "sum?update=lazy", json!([[null, 15]]));
    check_reduced(&hub, "sum", json!([[null, 22]]));
    let purged = hub.get("/db/d7").json()["_rev"].clone();
    hub.post("/db/_purge", json!({"d7": [purged]})).expect(201);
    check_reduced(&hub, "sum", json!([[null, 15]]));
    hub.post("/db/_compact", json!({})).expect(202);
    check_reduced(&hub, "sum", json!([[null, 15]]));
}

#[test]
fn what_is_known_already_is_not_sent_again() {
    let hub = filled();
    let path = "/db/_design/v/_view/by_type";
    let tag = hub.get(path).expect(200).header("etag").to_owned();
    hub.request("GET", path).header("if-none-match", &tag).send("").expect(304);
    let other = format!("{path}?limit=1");
    hub.request("GET", &other).header("if-none-match", &tag).send("").expect(200);
    hub.put("/db/d7", json!({"type": "odd", "n": 7})).expect(201);
    hub.request("GET", path).header("if-none-match", &tag).send("").expect(200);
}

#[test]
fn several_queries_at_once() {
    let hub = filled();
    let queries = json!({"queries": [{"key": "odd", "limit": 1}, {"keys": ["even"], "skip": 2}]});
    for path in ["/db/_design/v/_view/by_type/queries", "/db/_design/v/_view/by_type"] {
        let reply = hub.post(path, queries.clone()).expect(200).json();
        let ids = |at: usize| reply["results"][at]["rows"][0]["id"].clone();
        assert_eq!((ids(0), ids(1)), (json!("d1"), json!("d6")));
    }
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let hub = filled();
    let view = |rest: &str| format!("GET /db/_design/v/_view/{rest}");
    let query = |reason: &str| error(400, "query_parse_error", reason);
    check(&hub, &view("none"), "", &error(404, "not_found", "missing_named_view"));
    check(&hub, "GET /db/_design/x/_view/y", "", &error(404, "not_found", "missing"));
    let reduce = query("Reduce is invalid for map-only views.");
    check(&hub, &view("by_type?reduce=true"), "", &reduce);
    let range = "No rows can match your key range, reverse your start_key and end_key or set \
                 descending=true";
    check(&hub, &view("by_type?startkey=2&endkey=1"), "", &query(range));
    let range = range.replace("true", "false");
    check(&hub, &view("by_type?startkey=1&endkey=2&descending=true"), "", &query(&range));
    let json = error(400, "bad_request", "invalid UTF-8 JSON");
    check(&hub, &view("by_type?key=%7B"), "", &json);
}

#[test]
fn functions_that_fail_are_told_of() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    hub.put("/db/a", json!({"n": 1})).expect(201);
    let view = |map: &str, reduce: Value| match reduce {
        Value::Null => json!({"map": map}),
        reduce => json!({"map": map, "reduce": reduce}),
    };
    let emits = "function (doc) { emit(doc._id, doc.n); }";
    let design = |name: &str, view: Value| {
        hub.put(&format!("/db/_design/{name}"), json!({"views": {"v": view}})).expect(201);
        hub.get(&format!("/db/_design/{name}/_view/v"))
    };
    // What throws emits nothing.
    let thrown = design("thrown", view("function (doc) { throw 'no'; }", Value::Null));
    assert_eq!(thrown.expect(200).json()["rows"], json!([]));
    let endless = design("endless", view("function (doc) { while (true) {} }", Value::Null));
    assert_eq!(endless.expect(500).json()["error"], "os_process_error");
    let grows = "function (k, v, r) { return 'x'.repeat(10000); }";
    let overflow = design("grows", view(emits, json!(grows)));
    assert_eq!(overflow.expect(500).json()["error"], "reduce_overflow_error");
    hub.put("/db/text", json!({"n": "no number"})).expect(201);
    let sum = design("sum", view(emits, json!("_sum")));
    assert_eq!(sum.expect(200).json()["rows"][0]["value"]["error"], "builtin_reduce_error");
    // Others are served all the same.
    let count = design("count", view(emits, json!("_count")));
    assert_eq!(count.expect(200).json()["rows"][0]["value"], 2);
}

#[test]
fn an_index_goes_with_its_design_document() {
    let hub = filled();
    rows(&hub, "by_type");
    let indexes = |hub: &Hub| {
        let databases = hub.data_dir().join("databases").read_dir().expect("databases");
        let folders = databases.map(|entry| entry.expect("a folder").path().join("indexes"));
        folders.filter_map(|folder| folder.read_dir().ok()).flatten().count()
    };
    assert!(indexes(&hub) > 0);
    let rev = hub.get("/db/_design/v").json()["_rev"].as_str().expect("a revision").to_owned();
    hub.delete(&format!("/db/_design/v?rev={rev}")).expect(200);
    // In the background, whoever reads the design documents first.
    eventually("the index is gone", || match indexes(&hub) {
        0 => Ok(()),
        count => Err(format!("{count} indexes")),
    });
    hub.get("/db/_design/v/_view/by_type").expect(404);
}

#[test]
fn many_rows_come_in_pages() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let docs: Vec<Value> = (0..3000).map(|n| json!({"_id": format!("d{n:04}"), "n": n})).collect();
    hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201);
    let map = "function (doc) { for (var i = 0; i < 3; i++) emit(doc.n % 7, [doc.n, i]); }";
    let views = json!({"views": {"v": {"map": map, "reduce": "_count"}}});
    hub.put("/db/_design/v", views).expect(201);
    let all = rows(&hub, "v?reduce=false");
    assert_eq!(all.len(), 9000);
    let mut backwards = rows(&hub, "v?reduce=false&descending=true");
    backwards.reverse();
    assert_eq!(all, backwards);
    let mut distinct: Vec<String> = all.iter().map(|row| row["value"].to_string()).collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 9000);
    assert_eq!(rows(&hub, "v?reduce=false&skip=8995").as_slice(), &all[8995..]);
    let shown = rows(&hub, "v?reduce=false&include_docs=true");
    assert!(shown.iter().zip(&all).all(|(one, other)| one["value"] == other["value"]));
    check_reduced(&hub, "v", json!([[null, 9000]]));
    assert_eq!(rows(&hub, "v?group=true").len(), 7);
}

#[test]
fn addresses_may_hold_quotation_marks() {
    let hub = filled();
    let url = hub.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(&url).expect("a connection");
    let (path, token) = ("/db/_design/v/_view/by_type?key=\"odd\"&limit=1", hub.owner_url());
    let credentials = token.trim_start_matches("http://").split('@').next().unwrap_or_default();
    let authorization = format!("Basic {}", BASE64.encode(credentials));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {url}\r\nAuthorization: {authorization}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains(r#""id":"d1""#), "{reply}");
}

#[test]
fn partitions_have_views_of_their_own() {
    let hub = Hub::start();
    hub.put("/db?partitioned=true", "").expect(201);
    for id in ["a:1", "a:2", "b:1"] {
        hub.put(&format!("/db/{id}"), json!({"n": id})).expect(201);
    }
    let map = "function (doc) { emit(doc.n, 1); }";
    let views = json!({"views": {"v": {"map": map, "reduce": "_count"}}});
    hub.put("/db/_design/v", views.clone()).expect(201);
    let whole = json!({"options": {"partitioned": false}, "views": views["views"]});
    hub.put("/db/_design/whole", whole).expect(201);
    let one = "/db/_partition/a/_design/v/_view/v";
    let reply = hub.get(&format!("{one}?reduce=false")).expect(200).json();
    let keys: Vec<&Value> =
        reply["rows"].as_array().expect("rows").iter().map(|r| &r["key"]).collect();
    assert_eq!(keys, ["a:1", "a:2"]);
    assert_eq!(reply["total_rows"], 2);
    let key = format!("{one}?reduce=false&key=%22a:2%22");
    assert_eq!(hub.get(&key).json()["rows"][0]["id"], "a:2");
    assert_eq!(hub.get(one).json()["rows"][0]["value"], 2);
    assert_eq!(hub.get("/db/_design/whole/_view/v").json()["rows"][0]["value"], 3);
    let mandatory = "`partition` parameter is mandatory for queries to this view.";
    let mandatory = error(400, "query_parse_error", mandatory);
    check(&hub, "GET /db/_design/v/_view/v", "", &mandatory);
    let unsupported = "`partition` parameter is not supported in this design doc";
    let unsupported = error(400, "query_parse_error", unsupported);
    check(&hub, "GET /db/_partition/a/_design/whole/_view/v", "", &unsupported);
}

#[test]
fn partitions_are_grouped_as_databases_are() {
    let hub = Hub::start();
    hub.put("/parts?partitioned=true", "").expect(201);
    hub.put("/whole", "").expect(201);
    let keys =
        json!([[1, 2, 3], [1, 2], [1, 3, "é"], [1], [], [2, [3]], "a", {"b": 1}, null, [1, 2, 3]]);
    let doc = |n: usize| json!({"key": keys[n]});
    for n in 0..10 {
        hub.put(&format!("/whole/{n}"), doc(n)).expect(201);
        hub.put(&format!("/parts/p:{n}"), doc(n)).expect(201);
        hub.put(&format!("/parts/o:{n}"), doc(9 - n)).expect(201);
    }
    let map = "function (doc) { emit(doc.key, doc._id.length); }";
    for db in ["whole", "parts"] {
        let views = json!({"views": {"v": {"map": map, "reduce": "_count"}}});
        hub.put(&format!("/{db}/_design/v"), views).expect(201);
    }
    for level in 1..=4 {
        for rest in ["", "&descending=true", "&skip=2&limit=3", "&startkey=[1]&endkey=[1,2,3]"] {
            let query = format!("_design/v/_view/v?group_level={level}{rest}");
            let whole = hub.get(&format!("/whole/{query}")).expect(200).json();
            let part = hub.get(&format!("/parts/_partition/p/{query}")).expect(200).json();
            assert_eq!(part, whole, "{query}");
            assert!(whole["rows"].as_array().is_some_and(|rows| !rows.is_empty()), "{whole}");
        }
    }
}

/// Files and folders of all indexes.
fn indexes(hub: &Hub) -> BTreeSet<PathBuf> {
    let databases = std::fs::read_dir(hub.data_dir().join("databases")).expect("a folder");
    let folders =
        databases.flatten().filter_map(|at| std::fs::read_dir(at.path().join("indexes")).ok());
    // What lies beside an open file is no index of its own.
    let is_index =
        |path: &PathBuf| path.is_dir() || path.extension().is_some_and(|e| e == "sqlite");
    folders.flatten().flatten().map(|entry| entry.path()).filter(is_index).collect()
}

#[test]
fn a_clean_up_leaves_what_is_defined() {
    let hub = filled();
    let index = |field: &str| json!({"index": format!("doc => {{ index('{field}', doc.type); }}")});
    let design = json!({"indexes": {"one": index("one"), "two": index("two")}});
    let rev = hub.put("/db/_design/x", design).expect(201).json()["rev"].clone();
    rows(&hub, "by_type");
    for name in ["one", "two"] {
        let found = hub.get(&format!("/db/_design/x/_search/{name}?q={name}:odd")).expect(200);
        assert_eq!(found.json()["total_rows"], 3);
    }
    let there = indexes(&hub);
    assert_eq!(there.len(), 3, "{there:?}");
    hub.post("/db/_view_cleanup", "").expect(202);
    assert_eq!(indexes(&hub), there);
    let design = json!({"_rev": rev, "indexes": {"one": index("one")}});
    hub.put("/db/_design/x", design).expect(201);
    hub.post("/db/_view_cleanup", "").expect(202);
    let left = indexes(&hub);
    assert!(left.len() == 2 && left.is_subset(&there), "{left:?}");
    let found = hub.get("/db/_design/x/_search/one?q=one:even").expect(200);
    assert_eq!(found.json()["total_rows"], 3);
}
