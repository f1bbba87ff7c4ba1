//! Functions that judge documents before they are written.

use serde_json::{Value, json};
use tests::exchange::{self, check, error};
use tests::{Body, Hub};

/// Refuses documents without a type, those whose owner another user changes, and slow ones.
const FUNCTION: &str = "function (newDoc, oldDoc, userCtx, secObj) {
    if (newDoc._deleted) {
        if (oldDoc && oldDoc.locked) throw({forbidden: 'locked'});
        return;
    }
    if (!newDoc.type) throw({forbidden: 'a document needs a type'});
    if (newDoc.type === 'secret') throw({unauthorized: 'who are you?'});
    if (newDoc.type === 'slow') { while (true) {} }
    if (newDoc.type === 'broken') missing.member;
    if (newDoc.type === 'context') {
        throw({forbidden: JSON.stringify([userCtx, secObj, oldDoc && oldDoc.n, newDoc._attachments])});
    }
}";

fn validated() -> Hub {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let design = json!({"validate_doc_update": FUNCTION});
    hub.put("/db/_design/v", design).expect(201);
    hub
}

#[test]
fn every_way_of_writing_asks() {
    let hub = validated();
    let refused = error(403, "forbidden", "a document needs a type");
    check(&hub, "PUT /db/a", "{}", &refused);
    check(&hub, "POST /db", r#"{"_id":"a"}"#, &refused);
    check(&hub, "PUT /db/a?batch=ok", "{}", &refused);
    check(&hub, "PUT /db/a?new_edits=false", r#"{"_rev":"1-a"}"#, &refused);
    hub.request("PUT", "/db/a/x").send(Body::bytes("abc", "text/plain")).expect(403);
    hub.get("/db/a").expect(404);
    let rev = hub.put("/db/a", json!({"type": "x"})).expect(201).json()["rev"].clone();
    let rev = rev.as_str().expect("a revision");
    check(&hub, "PUT /db/a", json!({"_rev": rev}), &refused);
    let secret = error(401, "unauthorized", "who are you?");
    check(&hub, "PUT /db/b", r#"{"type":"secret"}"#, &secret);
    // A conflict is told before anything is asked.
    hub.put("/db/a", json!({"_rev": "1-abc"})).expect(409);
    hub.put("/db/_local/l", json!({})).expect(201);
    hub.put("/db/_design/other", json!({})).expect(201);
    hub.request("COPY", "/db/_design/other").header("destination", "c").send("").expect(403);
    hub.delete(&format!("/db/a?rev={rev}")).expect(200);
    let rev = hub.put("/db/l", json!({"type": "x", "locked": true})).json()["rev"].clone();
    let rev = rev.as_str().expect("a revision");
    check(&hub, &format!("DELETE /db/l?rev={rev}"), "", &error(403, "forbidden", "locked"));
}

#[test]
fn a_bulk_request_writes_what_is_let_in() {
    let hub = validated();
    let docs = json!([{"_id": "a"}, {"_id": "b", "type": "x"}, {"_id": "c", "type": "secret"}]);
    let rows = hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201).json();
    let said = |row: &Value| row.get("error").cloned().unwrap_or_else(|| row["ok"].clone());
    let said: Vec<Value> = rows.as_array().expect("rows").iter().map(said).collect();
    assert_eq!(said, [json!("forbidden"), json!(true), json!("unauthorized")]);
    assert_eq!(rows[0]["reason"], "a document needs a type");
    let docs = json!([{"_id": "d", "_rev": "1-a"}, {"_id": "e", "_rev": "1-b", "type": "x"}]);
    let body = json!({"docs": docs, "new_edits": false});
    let rows = hub.post("/db/_bulk_docs", body).expect(201).json();
    assert_eq!(rows.as_array().expect("rows").len(), 1);
    assert_eq!((&rows[0]["id"], &rows[0]["rev"]), (&json!("d"), &json!("1-a")));
    assert_eq!(hub.get("/db").json()["doc_count"], 3);
}

#[test]
fn a_large_bulk_request_is_judged_to_its_end() {
    let hub = validated();
    let text = "x".repeat(1 << 20);
    let document = |number: usize| match number % 3 {
        0 => json!({"_id": number.to_string(), "text": text}),
        _ => json!({"_id": number.to_string(), "text": text, "type": "x"}),
    };
    let docs: Vec<Value> = (0..14).map(document).collect();
    let rows = hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201).json();
    for (number, row) in rows.as_array().expect("rows").iter().enumerate() {
        assert_eq!(row["error"] == "forbidden", number % 3 == 0, "{row}");
    }
    assert_eq!(hub.get("/db").json()["doc_count"], 10);
}

#[test]
fn functions_see_who_writes_and_what_was_there() {
    let hub = validated();
    hub.put("/db/_security", json!({"admins": {"names": ["x"]}})).expect(200);
    let rev = hub.put("/db/a", json!({"type": "x", "n": 7})).expect(201).json()["rev"].clone();
    let reply = hub.put("/db/a", json!({"type": "context", "_rev": rev})).expect(403).json();
    let seen: Value = serde_json::from_str(reply["reason"].as_str().expect("a reason")).unwrap();
    let owner = json!({"db": "db", "name": "owner", "roles": ["_admin"]});
    assert_eq!(seen, json!([owner, {"admins": {"names": ["x"]}}, 7, null]));
    let (app, _) = exchange::app(&hub, "writer", &["--db", "db:rw"]);
    let reply = app.put("/db/b", json!({"type": "context"})).expect(403).json();
    let seen: Value = serde_json::from_str(reply["reason"].as_str().expect("a reason")).unwrap();
    assert_eq!(seen[0], json!({"db": "db", "name": "writer", "roles": []}));
}

#[test]
fn a_function_that_fails_lets_nothing_in() {
    let hub = validated();
    let reply = hub.put("/db/a", json!({"type": "broken"})).json();
    assert_eq!(reply["error"], "ReferenceError", "{reply}");
    let reply = hub.put("/db/a", json!({"type": "slow"})).expect(500).json();
    assert_eq!(reply["error"], "os_process_error", "{reply}");
    hub.get("/db/a").expect(404);
    hub.put("/db/a", json!({"type": "x"})).expect(201);
    // Another database hears nothing of it.
    hub.put("/other", "").expect(201);
    hub.put("/other/a", json!({})).expect(201);
}

#[test]
fn changed_functions_judge_what_comes_next() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    hub.put("/db/a", json!({})).expect(201);
    let all = "function () { throw({forbidden: 'closed'}); }";
    let reply = hub.put("/db/_design/v", json!({"validate_doc_update": all})).expect(201);
    let rev = reply.json()["rev"].as_str().expect("a revision").to_owned();
    hub.put("/db/b", json!({})).expect(403);
    let hub = Hub::start_in(hub.stop());
    hub.put("/db/b", json!({})).expect(403);
    hub.delete(&format!("/db/_design/v?rev={rev}")).expect(200);
    hub.put("/db/b", json!({})).expect(201);
}

#[test]
fn replication_asks_too() {
    let hub = validated();
    hub.put("/source", "").expect(201);
    for (id, body) in [("a", json!({})), ("b", json!({"type": "x"})), ("c", json!({"type": "x"}))] {
        hub.put(&format!("/source/{id}"), body).expect(201);
    }
    let request = json!({"source": "source", "target": "db"});
    let reply = hub.post("/_replicate", request).expect(200).json();
    let history = &reply["history"][0];
    assert_eq!((&history["docs_written"], &history["doc_write_failures"]), (&json!(2), &json!(1)));
    hub.get("/db/a").expect(404);
    hub.get("/db/b").expect(200);
}

#[test]
fn design_documents_that_cannot_be_are_refused() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let invalid = |reason: &str| error(400, "invalid_design_doc", reason);
    let views = "`views` field must have object type";
    check(&hub, "PUT /db/_design/a", r#"{"views":1}"#, &invalid(views));
    let no_map = "View `a` must contain map function";
    check(&hub, "PUT /db/_design/a", r#"{"views":{"a":{}}}"#, &invalid(no_map));
    let partitioned = "partitioned option cannot be true in a non-partitioned database.";
    check(&hub, "PUT /db/_design/a", r#"{"options":{"partitioned":true}}"#, &invalid(partitioned));
    let syntax = json!({"views": {"a": {"map": "function (doc) { emit( }"}}});
    let reply = hub.put("/db/_design/a", syntax).expect(400).json();
    assert_eq!(reply["error"], "compilation_error");
    let reason = reply["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("Compilation of the map function in the 'a' view failed: "));
    let reduce = json!({"views": {"a": {"map": "function (doc) {}", "reduce": "x y"}}});
    assert_eq!(hub.put("/db/_design/a", reduce).expect(400).json()["error"], "compilation_error");
    let unknown = json!({"language": "erlang", "views": {"a": {"map": "fun() -> ok end"}}});
    hub.put("/db/_design/a", unknown).expect(201);
    assert_eq!(hub.get("/db/_design_docs").json()["total_rows"], 1);
}
