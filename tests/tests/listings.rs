//! `_all_docs`, `_design_docs` and `_local_docs`, row by row.

use serde_json::{Value, json};
use tests::{Body, Hub, Reply};

/// A hub with a database of these documents.
fn with(ids: &[&str]) -> Hub {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let docs: Vec<Value> = ids.iter().map(|id| json!({"_id": id, "of": id})).collect();
    let written = hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201).json();
    assert!(written.as_array().is_some_and(|rows| rows.iter().all(|row| row["ok"] == true)));
    hub
}

/// The ids (or `key!` for errors) of the rows, then `offset/total`.
#[track_caller]
fn shown(listing: &Value) -> String {
    let rows = listing["rows"].as_array().expect("rows");
    let ids = rows.iter().map(|row| match row["id"].as_str() {
        Some(id) => id.to_owned(),
        None => format!("{}!", row["key"]),
    });
    let ids: Vec<String> = ids.collect();
    format!("{} {}/{}", ids.join(" "), listing["offset"], listing["total_rows"])
}

/// GET, with quotes as they must be sent.
#[track_caller]
fn get(hub: &Hub, path: &str) -> Reply {
    hub.get(&path.replace('"', "%22"))
}

#[track_caller]
fn check(hub: &Hub, path: &str, expected: &str) {
    assert_eq!(shown(&get(hub, path).expect(200).json()), expected, "{path}");
}

#[test]
fn ranges() {
    let hub = with(&["a", "b", "c", "d", "_design/x", "_design/y"]);
    for (query, expected) in [
        ("", "_design/x _design/y a b c d 0/6"),
        ("limit=2", "_design/x _design/y 0/6"),
        ("limit=0", " 0/6"),
        ("skip=4", "c d 4/6"),
        ("skip=9", " 6/6"),
        ("startkey=\"b\"", "b c d 3/6"),
        ("startkey=\"b\"&skip=1&limit=1", "c 4/6"),
        ("startkey=\"b\"&endkey=\"c\"", "b c 3/6"),
        ("start_key=\"b\"&end_key=\"c\"&inclusive_end=false", "b 3/6"),
        ("startkey=\"bb\"", "c d 4/6"),
        ("key=\"b\"", "b 3/6"),
        ("key=\"nothing\"", " 6/6"),
        ("descending=true", "d c b a _design/y _design/x 0/6"),
        ("descending=true&startkey=\"c\"&endkey=\"b\"", "c b 1/6"),
        ("descending=true&startkey=\"c\"&endkey=\"b\"&inclusive_end=false", "c 1/6"),
        ("startkey=\"c\"&endkey=\"b\"", " 6/6"),
        ("startkey=1", "_design/x _design/y a b c d 0/6"),
        ("endkey=1", " 6/6"),
        ("startkey_docid=zzz&endkey_docid=a&stale=ok", "_design/x _design/y a b c d 0/6"),
    ] {
        check(&hub, &format!("/db/_all_docs?{query}"), expected);
    }
    check(&hub, "/db/_design_docs", "_design/x _design/y 0/2");
    check(&hub, "/db/_design_docs?descending=true", "_design/y _design/x 0/2");
    check(&hub, "/db/_design_docs?startkey=\"_design/y\"", "_design/y 1/2");
    check(&hub, "/db/_design_docs?descending=true&startkey=\"_design/x\"", "_design/x 1/2");
    check(&hub, "/db/_design_docs?startkey=\"b\"", " 2/2");
    let posted = hub.post("/db/_all_docs", json!({"startkey": "b", "limit": 2})).expect(200);
    assert_eq!(shown(&posted.json()), "b c 3/6");
}

#[test]
fn keys() {
    let hub = with(&["a", "b", "c"]);
    let rev = hub.get("/db/b").text("_rev");
    let deleted = hub.delete(&format!("/db/b?rev={rev}")).expect(200).rev();
    let listing = get(&hub, "/db/_all_docs?keys=[\"c\",\"b\",\"x\",1,\"c\"]").expect(200).json();
    assert_eq!(shown(&listing), "c b \"x\"! 1! c null/2");
    assert_eq!(listing["rows"][1]["value"], json!({"rev": deleted, "deleted": true}));
    assert_eq!(listing["rows"][2], json!({"key": "x", "error": "not_found"}));
    let posted = hub.post("/db/_all_docs?include_docs=true", json!({"keys": ["b", "a", "x"]}));
    let posted = posted.expect(200).json();
    assert_eq!(posted["rows"][0]["doc"], Value::Null);
    assert!(posted["rows"][0].get("doc").is_some());
    assert_eq!(posted["rows"][1]["doc"]["of"], "a");
    assert_eq!(posted["rows"][2], json!({"key": "x", "error": "not_found"}));
    for (query, expected) in [
        ("descending=true", "\"x\"! b a null/2"),
        ("skip=1&limit=1", "b null/2"),
        ("skip=9", " null/2"),
    ] {
        let posted = hub.post(&format!("/db/_all_docs?{query}"), json!({"keys": ["a", "b", "x"]}));
        assert_eq!(shown(&posted.expect(200).json()), expected, "{query}");
    }
    let none = hub.post("/db/_all_docs", json!({"keys": []})).expect(200).json();
    assert_eq!(shown(&none), " null/2");
    let seq = hub.get("/db/_all_docs?keys=[]&update_seq=true").json();
    assert_eq!(seq["update_seq"], Value::Null);
}

#[test]
fn rows_are_written_as_couchdb_writes_them() {
    let hub = with(&["a\"b", "é"]);
    let rev = |id: &str| hub.get(&format!("/db/{}", tests::encode(id))).text("_rev");
    let (first, second) = (rev("a\"b"), rev("é"));
    let listing = hub.get("/db/_all_docs").expect(200);
    assert_eq!(
        String::from_utf8_lossy(&listing.body),
        format!(
            "{{\"total_rows\":2,\"offset\":0,\"rows\":[\r\n\
             {{\"id\":\"a\\\"b\",\"key\":\"a\\\"b\",\"value\":{{\"rev\":\"{first}\"}}}},\r\n\
             {{\"id\":\"é\",\"key\":\"é\",\"value\":{{\"rev\":\"{second}\"}}}}\r\n]}}\n"
        )
    );
    let listing = hub.get("/db/_all_docs?include_docs=true&limit=1&update_seq=true").expect(200);
    let listing = listing.json();
    assert_eq!(listing["rows"][0]["doc"], json!({"_id": "a\"b", "_rev": first, "of": "a\"b"}));
    assert_eq!(listing["update_seq"], hub.get("/db").json()["update_seq"]);
}

#[test]
fn documents_come_with_conflicts_and_attachments() {
    let hub = with(&[]);
    let at = |rev: &str| json!({"_id": "a", "_rev": rev, "n": rev});
    let both = json!({"new_edits": false, "docs": [at("1-a"), at("1-b")]});
    hub.post("/db/_bulk_docs", both).expect(201);
    hub.put("/db/a/note?rev=1-b", Body::bytes("hello", "text/plain")).expect(201);
    let row = |query: &str| hub.get(&format!("/db/_all_docs?{query}")).json()["rows"][0].clone();
    assert!(row("conflicts=true").get("doc").is_none());
    let doc = row("include_docs=true&conflicts=true")["doc"].clone();
    assert_eq!(doc["_conflicts"], json!(["1-a"]));
    assert_eq!(doc["_attachments"]["note"]["stub"], true);
    let doc = row("include_docs=true&attachments=true")["doc"].clone();
    assert_eq!(doc["_attachments"]["note"]["data"], "aGVsbG8=");
}

#[test]
fn large_attachments_come_inside_documents() {
    let hub = with(&["a", "b"]);
    for (id, length) in [("a", 3_000_000), ("b", 1_500_001)] {
        let rev = hub.get(&format!("/db/{id}")).text("_rev");
        let body = Body::bytes(vec![b'x'; length], "application/octet-stream");
        hub.put(&format!("/db/{id}/large?rev={rev}"), body).expect(201);
    }
    let options = "include_docs=true&attachments=true";
    let listing = hub.get(&format!("/db/_all_docs?{options}")).expect(200).json();
    let feed = hub.get(&format!("/db/_changes?{options}")).expect(200).json();
    let lines = format!("/db/_changes?feed=continuous&timeout=0&{options}");
    let lines = String::from_utf8_lossy(&hub.get(&lines).expect(200).body).into_owned();
    let parse = |line| serde_json::from_str::<Value>(line).ok();
    let lines: Value = lines.lines().filter_map(parse).collect();
    for rows in [&listing["rows"], &feed["results"], &lines] {
        for (position, length) in [(0, 4_000_000), (1, 2_000_004)] {
            let data = rows[position]["doc"]["_attachments"]["large"]["data"].as_str();
            assert_eq!(data.map(str::len), Some(length));
        }
    }
}

#[test]
fn local_documents() {
    let hub = with(&["a"]);
    for id in ["x", "y/z"] {
        hub.put(&format!("/db/_local/{}", tests::encode(id)), json!({"of": id})).expect(201);
    }
    check(&hub, "/db/_local_docs", "_local/x _local/y/z null/null");
    check(&hub, "/db/_local_docs?descending=true&limit=1", "_local/y/z null/null");
    check(&hub, "/db/_local_docs?startkey=\"_local/y\"", "_local/y/z null/null");
    check(&hub, "/db/_local_docs?key=\"_local/x\"", "_local/x null/null");
    check(&hub, "/db/_local_docs?startkey=\"a\"", " null/null");
    let rows = hub.get("/db/_local_docs?include_docs=true").json()["rows"].clone();
    assert_eq!(rows[0]["value"], json!({"rev": "0-1"}));
    assert_eq!(rows[0]["doc"], json!({"_id": "_local/x", "_rev": "0-1", "of": "x"}));
    let posted = hub.post("/db/_local_docs", json!({"keys": ["_local/x", "_local/w"]})).expect(200);
    assert_eq!(shown(&posted.json()), "_local/x \"_local/w\"! null/null");
}

#[test]
fn refuses() {
    let hub = with(&[]);
    for (query, word) in [
        ("limit=x", "query_parse_error"),
        ("limit=-1", "query_parse_error"),
        ("skip=1.5", "query_parse_error"),
        ("include_docs=yes", "query_parse_error"),
        ("startkey=a", "bad_request"),
        ("keys=%7B%7D", "query_parse_error"),
        ("keys=[\"a\"]&key=\"a\"", "query_parse_error"),
    ] {
        let reply = get(&hub, &format!("/db/_all_docs?{query}")).expect(400);
        assert_eq!(reply.text("error"), word, "{query}");
    }
    for body in ["[]", "{\"keys\":1}", "{\"limit\":true}", "{", ""] {
        hub.post("/db/_all_docs", Body::json_text(body)).expect(400);
    }
    hub.post("/db/_all_docs", Body::bytes("{}", "text/plain")).expect(415);
    hub.get("/other/_all_docs").expect(404);
}

#[test]
fn listings_of_many_pages_are_whole() {
    let count = 5_321;
    let ids: Vec<String> = (0..count).map(|n| format!("doc-{n:06}")).collect();
    let hub = with(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    for query in ["", "descending=true", "include_docs=true", "include_docs=true&descending=true"] {
        let listing = hub.get(&format!("/db/_all_docs?{query}")).expect(200).json();
        let rows = listing["rows"].as_array().cloned().unwrap_or_default();
        let mut found: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
        if query.contains("descending") {
            found.reverse();
        }
        assert_eq!(found, ids, "{query}");
        if query.contains("include_docs") {
            assert!(rows.iter().all(|row| row["doc"]["of"] == row["id"]), "{query}");
        }
    }
    let keys = json!({"keys": ids});
    let posted = hub.post("/db/_all_docs?include_docs=true", keys).expect(200).json();
    assert_eq!(posted["rows"].as_array().map(Vec::len), Some(count));
    let some = hub.get("/db/_all_docs?skip=1500&limit=2500").json();
    assert_eq!(some["rows"].as_array().map(Vec::len), Some(2500));
    assert_eq!(some["rows"][0]["id"], "doc-001500");
}
