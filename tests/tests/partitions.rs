//! Partitioned databases.

use serde_json::{Value, json};
use tests::exchange::{check, error};
use tests::{Body, Hub};

fn partitioned() -> Hub {
    let hub = Hub::start();
    hub.put("/parts?partitioned=true", "").expect(201);
    hub
}

/// 100 documents, the even ones in the partition `foo`, the others in `bar`.
fn filled() -> Hub {
    let hub = partitioned();
    let id = |n: u32| format!("{}:{n}", if n.is_multiple_of(2) { "foo" } else { "bar" });
    let docs: Vec<Value> = (1..=100).map(|n| json!({"_id": id(n), "n": n})).collect();
    hub.post("/parts/_bulk_docs", json!({"docs": docs})).expect(201);
    hub
}

fn keys(listing: &Value) -> Vec<String> {
    let rows = listing["rows"].as_array().expect("rows").iter();
    rows.map(|row| row["key"].as_str().expect("a key").to_owned()).collect()
}

#[test]
fn are_created_and_say_so() {
    let hub = partitioned();
    assert!(
        hub.get("/").json()["features"]
            .as_array()
            .expect("features")
            .contains(&json!("partitioned"))
    );
    assert_eq!(hub.get("/parts").json()["props"], json!({"partitioned": true}));
    hub.put("/whole?partitioned=false", "").expect(201);
    assert_eq!(hub.get("/whole").json()["props"], json!({}));
    let invalid = error(400, "bad_request", "Invalid `partitioned` parameter");
    check(&hub, "PUT /bad-db?partitioned=tru", "", &invalid);
    check(&hub, "PUT /bad-db?partitioned=", "", &invalid);
    let system = error(400, "bad_request", "Cannot partition a system database");
    check(&hub, "PUT /_replicator?partitioned=true", "", &system);
    check(&hub, "PUT /mine%2F_users?partitioned=true", "", &system);
    hub.get("/bad-db").expect(404);

    hub.put("/parts/a:b", json!({})).expect(201);
    hub.post("/parts/_compact", json!({})).expect(202);
    let hub = Hub::start_in(hub.stop());
    assert_eq!(hub.get("/parts").json()["props"], json!({"partitioned": true}));
    hub.put("/parts/ab", json!({})).expect(400);
    assert_eq!(hub.get("/whole").json()["props"], json!({}));
}

#[test]
fn every_way_of_writing_asks_for_a_partition() {
    let hub = partitioned();
    let id = |reason: &str| error(400, "illegal_docid", reason);
    let form = id("Doc id must be of form partition:id");
    let reserved = id("Only reserved document ids may start with underscore.");
    let empty = id("Document id must not be empty");
    check(&hub, "PUT /parts/x", "{}", &form);
    check(&hub, "PUT /parts/x?batch=ok", "{}", &form);
    check(&hub, "PUT /parts/x?new_edits=false", r#"{"_rev":"1-a"}"#, &form);
    check(&hub, "PUT /parts/_bad:x", "{}", &reserved);
    check(&hub, "PUT /parts/a:_b", "{}", &reserved);
    check(&hub, "PUT /parts/bad:", "{}", &empty);
    let nameless = error(400, "illegal_partition", "Partition must not be empty");
    check(&hub, "PUT /parts/%3Ax", "{}", &nameless);
    check(&hub, "POST /parts", r#"{"_id":"x"}"#, &form);
    check(&hub, "POST /parts", "{}", &form);
    check(&hub, "POST /parts?batch=ok", "{}", &form);
    check(&hub, "PUT /parts/x/att", "text", &form);
    for (docs, expected) in [
        (json!([{"_id": "a:1"}, {"_id": "foo1"}]), &form),
        (json!([{"_id": "a:1"}, {}]), &form),
        (json!([{"_id": "a:1"}, {"_id": "_foo:1"}]), &reserved),
        (json!([{"_id": "a:1"}, {"_id": "foo:"}]), &empty),
    ] {
        check(&hub, "POST /parts/_bulk_docs", json!({"docs": docs}), expected);
    }
    let replicated = json!({"docs": [{"_id": "x", "_rev": "1-a"}], "new_edits": false});
    check(&hub, "POST /parts/_bulk_docs", &replicated, &form);
    assert_eq!(hub.get("/parts").json()["doc_count"], 0, "nothing of any of them was written");

    let rev = hub.put("/parts/a:b:c", json!({"n": 1})).expect(201).rev();
    let copied =
        hub.request("COPY", "/parts/a:b:c").header("destination", "x").send("").expect(400);
    assert_eq!(copied.text("error"), "illegal_docid");
    hub.request("COPY", "/parts/a:b:c").header("destination", "d:e").send("").expect(201);
    hub.put(&format!("/parts/a:b:c/att?rev={rev}"), Body::bytes("text", "text/plain")).expect(201);
    hub.post("/parts", json!({"_id": "p:posted"})).expect(201);
    hub.put("/parts/_design/x", json!({})).expect(201);
    hub.put("/parts/_local/x", json!({})).expect(201);
    let rev = hub.get("/parts/d:e").rev_of();
    check(&hub, "POST /parts/_purge", r#"{"x":["1-a"]}"#, &form);
    let purged = hub.post("/parts/_purge", json!({"d:e": [rev]})).expect(201).json();
    assert_eq!(purged["purged"]["d:e"], json!([rev]));

    // Replication from a database that is not partitioned.
    hub.put("/whole", "").expect(201);
    hub.put("/whole/x", json!({})).expect(201);
    hub.put("/whole/q:y", json!({})).expect(201);
    let done = hub.post("/_replicate", json!({"source": "whole", "target": "parts"})).expect(200);
    let history = done.json()["history"][0].clone();
    assert_eq!((&history["docs_written"], &history["doc_write_failures"]), (&json!(1), &json!(1)));
    hub.get("/parts/q:y").expect(200);
    hub.get("/parts/x").expect(404);
}

trait RevOf {
    fn rev_of(&self) -> String;
}

impl RevOf for tests::Reply {
    fn rev_of(&self) -> String {
        self.text("_rev")
    }
}

#[test]
fn list_their_documents() {
    let hub = filled();
    let list =
        |query: &str| hub.get(&format!("/parts/_partition/foo/_all_docs{query}")).expect(200);
    let all = keys(&list("").json());
    assert_eq!(all.len(), 50);
    assert!(all.iter().all(|key| key.starts_with("foo:")));
    assert_eq!(keys(&hub.get("/parts/_partition/ba/_all_docs").json()), Vec::<String>::new());
    assert_eq!(keys(&hub.get("/parts/_all_docs?partition=bar").json()).len(), 50);
    for (query, expected) in [
        ("?limit=5", "foo:10 foo:100 foo:12 foo:14 foo:16"),
        ("?skip=5&limit=5", "foo:18 foo:2 foo:20 foo:22 foo:24"),
        ("?descending=true&limit=3", "foo:98 foo:96 foo:94"),
        ("?start_key=\"foo:12\"&end_key=\"foo:2\"", "foo:12 foo:14 foo:16 foo:18 foo:2"),
        ("?startkey=\"a\"&endkey=\"foo:12\"", "foo:10 foo:100 foo:12"),
        ("?startkey=\"foo:98\"&endkey=\"zoo\"", "foo:98"),
        ("?key=\"foo:22\"", "foo:22"),
        ("?key=\"bar:21\"", ""),
        ("?startkey=\"goo\"", ""),
        ("?partition=foo&limit=1", "foo:10"),
    ] {
        let query = query.replace('"', "%22");
        assert_eq!(keys(&list(&query).json()).join(" "), expected, "{query}");
    }
    let row = list("?limit=1&include_docs=true").json()["rows"][0].clone();
    assert_eq!((&row["doc"]["_id"], &row["doc"]["n"]), (&json!("foo:10"), &json!(10)));
    let wanted = json!({"keys": ["foo:2", "bar:1", "foo:4", "foo:3"]});
    let found = hub.post("/parts/_partition/foo/_all_docs", wanted).expect(200).json();
    let rows = found["rows"].as_array().expect("rows");
    let found: Vec<_> = rows.iter().map(|row| row.get("id").is_some()).collect();
    assert_eq!(found, [true, false, true, false], "only what is in the partition");
}

#[test]
fn say_what_they_hold() {
    let hub = filled();
    let rev = hub.get("/parts/foo:2").text("_rev");
    hub.delete(&format!("/parts/foo:2?rev={rev}")).expect(200);
    let info = hub.get("/parts/_partition/foo").expect(200).json();
    assert_eq!(info["db_name"], "parts");
    assert_eq!(info["partition"], "foo");
    assert_eq!((&info["doc_count"], &info["doc_del_count"]), (&json!(49), &json!(1)));
    assert!(info["sizes"]["active"].as_u64() > Some(0));
    assert!(info["sizes"]["external"].as_u64() > Some(0));
    let none = hub.get("/parts/_partition/none").expect(200).json();
    assert_eq!((&none["doc_count"], &none["sizes"]["external"]), (&json!(0), &json!(0)));
}

#[test]
fn refuse_what_is_no_partition() {
    let hub = partitioned();
    hub.put("/whole", "").expect(201);
    let bad = |reason: &str| error(400, "bad_request", reason);
    let illegal = |reason: &str| error(400, "illegal_partition", reason);
    let underscore = illegal("Partition must not start with an underscore");
    for (request, body, expected) in [
        ("GET /parts/_partition", "", bad("invalid_partition_req")),
        ("GET /parts/_partition/_x", "", underscore.clone()),
        ("GET /parts/_partition/_x/_all_docs", "", underscore),
        ("GET /parts/_partition/a%3Ab", "", illegal("Partition must not contain a colon")),
        ("GET /parts/_partition//_all_docs", "", "400".into()),
        ("GET /parts/_partition/%ff/_all_docs", "", "400".into()),
        ("GET /whole/_partition/a", "", bad("database is not partitioned")),
        ("GET /whole/_partition/a/_all_docs", "", bad("database is not partitioned")),
        ("POST /whole/_partition/a/_all_docs", "{}", bad("database is not partitioned")),
        (
            "GET /parts/_partition/a/_all_docs?partition=b",
            "",
            bad("Conflicting value for `partition` in query string"),
        ),
        (
            "GET /whole/_all_docs?partition=a",
            "",
            error(400, "query_parse_error", "`partition` parameter is not supported on this db"),
        ),
        (
            "GET /parts/_partition/a/_all_docs?limit=268435457",
            "",
            error(400, "query_parse_error", "Limit is too large, must not exceed 268435456"),
        ),
        ("GET /parts/_partition/a/other", "", error(404, "not_found", "missing")),
        (
            "PUT /parts/_partition/a",
            "{}",
            error(405, "method_not_allowed", "Only GET,HEAD allowed"),
        ),
        ("GET /none/_partition/a", "", error(404, "not_found", "Database does not exist.")),
    ] {
        check(&hub, request, body, &expected);
    }
}
