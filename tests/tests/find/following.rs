//! An index follows its documents.

use serde_json::{Value, json};
use tests::{Client, Hub};

use crate::{check_ids, explain, find, ids, index, rev, with, write};

fn filled() -> Hub {
    let hub = with(&json!([
        {"_id": "a", "n": 1}, {"_id": "b", "n": 2}, {"_id": "c", "n": 3}, {"_id": "d", "x": 1},
    ]));
    index(&hub, "n", &json!(["n"]));
    hub
}

fn all() -> Value {
    json!({"selector": {"n": {"$gt": null}}, "use_index": "n", "allow_fallback": false})
}

#[track_caller]
fn put(hub: &Client, id: &str, body: &Value) {
    let mut body = body.clone();
    body["_rev"] = json!(rev(hub, id));
    let deleted = body["_deleted"] == true;
    hub.put(&format!("/db/{id}"), body).expect(if deleted { 200 } else { 201 });
}

#[test]
fn edits_and_deletions() {
    let hub = filled();
    check_ids(&hub, &all(), "a b c");
    put(&hub, "a", &json!({"n": 9}));
    check_ids(&hub, &all(), "b c a");
    put(&hub, "b", &json!({"x": 9}));
    put(&hub, "d", &json!({"n": 0}));
    check_ids(&hub, &all(), "d c a");
    hub.delete(&format!("/db/c?rev={}", rev(&hub, "c"))).expect(200);
    check_ids(&hub, &all(), "d a");
    hub.put("/db/c", json!({"n": "back"})).expect(201);
    check_ids(&hub, &all(), "d a c");
    // A deletion that keeps its fields is one.
    put(&hub, "c", &json!({"n": 5, "_deleted": true}));
    check_ids(&hub, &all(), "d a");
    check_ids(&hub, &json!({"selector": {"_deleted": true}}), "");
    // A revision that wins takes the place of another.
    let leaf = json!({"_id": "a", "_rev": "9-0", "n": -1});
    hub.post("/db/_bulk_docs", json!({"docs": [leaf], "new_edits": false})).expect(201);
    check_ids(&hub, &all(), "a d");
    hub.post("/db/_purge", json!({"a": ["9-0"]})).expect(201);
    check_ids(&hub, &all(), "d a");
}

#[test]
fn compaction_and_restart() {
    let hub = filled();
    check_ids(&hub, &all(), "a b c");
    put(&hub, "b", &json!({"n": 0}));
    hub.post("/db/_compact", json!({})).expect(202);
    check_ids(&hub, &all(), "b a c");
    hub.post("/db/_compact/n", json!({})).expect(202);
    hub.post("/db/_view_cleanup", json!({})).expect(202);
    check_ids(&hub, &all(), "b a c");
    put(&hub, "b", &json!({"n": 7}));
    let hub = Hub::start_in(hub.stop());
    assert_eq!(explain(&hub, &all())["index"]["name"], "n");
    check_ids(&hub, &all(), "a c b");
    put(&hub, "a", &json!({"n": 8}));
    let hub = Hub::start_in(hub.kill());
    check_ids(&hub, &all(), "c b a");
}

#[test]
fn who_does_not_wait_gets_what_is_there() {
    let hub = filled();
    check_ids(&hub, &all(), "a b c");
    hub.put("/db/e", json!({"n": 4})).expect(201);
    hub.delete(&format!("/db/a?rev={}", rev(&hub, "a"))).expect(200);
    put(&hub, "b", &json!({"n": 20}));
    let ask = |name: &str, value: Value| {
        let mut body = all();
        body[name] = value;
        ids(&find(&hub, &body))
    };
    // Documents are as they are now, whatever the index says.
    assert_eq!(ask("update", json!(false)), "b c");
    assert_eq!(ask("stale", json!("ok")), "b c");
    assert_eq!(ask("stable", json!(true)), "c e b");
    assert_eq!(ask("update", json!(false)), "c e b");
}

#[test]
fn design_documents_are_never_found() {
    let hub = filled();
    hub.put("/db/_design/x", json!({"n": 2, "language": "query", "views": {}})).expect(201);
    check_ids(&hub, &json!({"selector": {}}), "a b c d");
    check_ids(&hub, &all(), "a b c");
    check_ids(&hub, &json!({"selector": {"language": "query"}}), "");
    check_ids(&hub, &json!({"selector": {"_id": "_design/x"}}), "");
    check_ids(&hub, &json!({"selector": {"_id": {"$gt": "_"}}, "limit": 1}), "a");
    let body = json!({"selector": {"n": 2}, "fields": ["_id"], "use_index": "n"});
    check_ids(&hub, &body, "b");
    hub.put("/db/_local/l", json!({"n": 2})).expect(201);
    check_ids(&hub, &all(), "a b c");
}

#[test]
fn an_index_of_many_documents() {
    let document = |n: usize| json!({"_id": format!("d{n:04}"), "n": n % 10, "m": n});
    let hub = with(&(0..3000).map(document).collect());
    index(&hub, "n-m", &json!(["n", "m"]));
    let body = json!({"selector": {"n": 3, "m": {"$gte": 2000}}, "limit": 5000});
    let found = ids(&find(&hub, &body));
    let expected: Vec<_> =
        (2000..3000).filter(|n| n % 10 == 3).map(|n| format!("d{n:04}")).collect();
    assert_eq!(found, expected.join(" "));
    write(&hub, &(3000..3600).map(document).collect());
    let found = find(&hub, &json!({"selector": {"n": 3, "m": {"$gte": 2995}}, "limit": 5000}));
    assert_eq!(found["docs"].as_array().unwrap().len(), 60);
}

#[test]
fn a_document_of_which_no_key_can_be_made_is_left_out() {
    let hub = filled();
    let deep = format!("{{\"n\":{}1{}}}", "[".repeat(400), "]".repeat(400));
    let written = hub.put("/db/deep", deep.as_str());
    assert!([201, 400].contains(&written.status), "{written}");
    check_ids(&hub, &json!({"selector": {"n": {"$lt": "x"}}, "use_index": "n"}), "a b c");
    let long = "x".repeat(100_000);
    hub.put("/db/long", json!({"n": long})).expect(201);
    check_ids(&hub, &json!({"selector": {"n": long}, "use_index": "n"}), "long");
}
