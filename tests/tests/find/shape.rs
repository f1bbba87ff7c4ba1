//! What an answer looks like: fields, conflicts, statistics, warnings.

use serde_json::{Value, json};
use tests::Hub;

use crate::{check_ids, find, index, rev, with};

fn people() -> Hub {
    let hub = with(&json!([
        {"_id": "a", "name": {"first": "Ada", "last": "L"}, "age": 36, "tags": ["x", {"y": 1}]},
        {"_id": "b", "name": {"first": "Bob"}, "age": null},
        {"_id": "c", "age": 20, "a.b": 1, "": 2},
    ]));
    index(&hub, "age", &json!(["age"]));
    hub
}

#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "the tables read better so")]
fn check_fields(hub: &Hub, id: &str, fields: &[&str], expected: Value) {
    let found = find(hub, &json!({"selector": {"_id": id}, "fields": fields}));
    assert_eq!(found["docs"], json!([expected]), "{fields:?}");
}

#[test]
fn only_the_fields_asked_for() {
    let hub = people();
    let rev = rev(&hub, "a");
    check_fields(&hub, "a", &["_id", "_rev"], json!({"_id": "a", "_rev": rev}));
    check_fields(&hub, "a", &["name.first", "age"], json!({"name": {"first": "Ada"}, "age": 36}));
    check_fields(&hub, "a", &["name"], json!({"name": {"first": "Ada", "last": "L"}}));
    check_fields(&hub, "a", &["tags.1.y"], json!({"tags": {"1": {"y": 1}}}));
    check_fields(&hub, "b", &["age", "name.last", "nothing"], json!({"age": null}));
    check_fields(&hub, "c", &["a\\.b"], json!({"a.b": 1}));
    check_fields(&hub, "c", &["a.b"], json!({}));
    check_fields(&hub, "b", &[], hub.get("/db/b").json());
}

#[test]
fn an_answer_as_it_is_written() {
    let hub = people();
    let body = json!({"selector": {"age": {"$gt": 20}}, "fields": ["_id"]});
    let reply = hub.post("/db/_find", body).expect(200);
    assert_eq!(reply.header("content-type"), "application/json");
    let text = String::from_utf8(reply.body).unwrap();
    assert!(text.starts_with("{\"docs\":[\r\n{\"_id\":\"a\"}\r\n],\r\n\"bookmark\": \""), "{text}");
    assert!(text.ends_with("\"}\n"), "{text}");
}

#[test]
fn statistics_are_told_when_asked_for() {
    let hub = people();
    let statistics = |body: Value| {
        let mut told = find(&hub, &body)["execution_stats"].take();
        let time = told["execution_time_ms"].take();
        assert!(time.as_f64().is_some_and(|time| time > 0.0), "{time}");
        [
            "total_keys_examined",
            "total_docs_examined",
            "total_quorum_docs_examined",
            "results_returned",
        ]
        .map(|name| told[name].as_u64().unwrap())
    };
    let ask = |selector: Value, fields: Value| json!({"selector": selector, "fields": fields, "execution_stats": true});
    assert_eq!(statistics(ask(json!({"age": {"$gt": 20}}), json!([]))), [2, 2, 0, 1]);
    assert_eq!(statistics(ask(json!({"age": {"$gte": 20}}), json!(["_id"]))), [2, 0, 0, 2]);
    assert_eq!(statistics(ask(json!({"name.first": "Bob"}), json!([]))), [4, 3, 0, 1]);
    let silent = find(&hub, &json!({"selector": {}, "execution_stats": false}));
    assert!(silent.get("execution_stats").is_none());
}

#[test]
fn warnings() {
    let hub = people();
    let warning = |body: Value| find(&hub, &body)["warning"].as_str().map(str::to_owned);
    let none = "No matching index found, create an index to optimize query time.";
    assert_eq!(warning(json!({"selector": {"age": 20}})), None);
    assert_eq!(warning(json!({"selector": {"name.first": "x"}})).as_deref(), Some(none));
    assert_eq!(warning(json!({"selector": {"_id": "a"}})).as_deref(), Some(none));
    let not_used = |what: &str| format!("{what} for this query.\n{none}");
    let design = not_used("_design/age was not used because it does not contain a valid index");
    for name in ["age", "_design/age"] {
        let body = json!({"selector": {"name.first": "x"}, "use_index": name});
        assert_eq!(warning(body), Some(design.clone()), "{name}");
    }
    let named = not_used("_design/age, age was not used because it is not a valid index");
    for name in [json!(["age", "age"]), json!(["_design/age", "age"]), json!("age/age")] {
        let body = json!({"selector": {"name.first": "x"}, "use_index": name});
        assert_eq!(warning(body), Some(named.clone()), "{name}");
    }
    let body = json!({"selector": {"age": 20}, "use_index": "nowhere"});
    let nowhere = "_design/nowhere was not used because it does not contain a valid index for this \
                   query.";
    assert_eq!(warning(body).as_deref(), Some(nowhere));
}

#[test]
fn conflicts_are_shown_when_asked_for() {
    let hub = people();
    let lost = format!("1-{}", "0".repeat(32));
    let leaf = json!({"_id": "a", "_rev": lost, "age": 1});
    hub.post("/db/_bulk_docs", json!({"docs": [leaf], "new_edits": false})).expect(201);
    let ask = |body: Value| find(&hub, &body)["docs"][0].take();
    let found = ask(json!({"selector": {"age": 36}, "conflicts": true}));
    assert_eq!(found["_conflicts"], json!([lost]));
    let found = ask(json!({"selector": {"_conflicts": {"$exists": true}}, "conflicts": true}));
    assert_eq!((&found["_id"], &found["_conflicts"]), (&json!("a"), &json!([lost])));
    assert!(ask(json!({"selector": {"age": 36}})).get("_conflicts").is_none());
    // What did not win is not found.
    check_ids(&hub, &json!({"selector": {"age": 1}}), "");
}

#[test]
fn attachments_are_told_of() {
    let hub = people();
    let path = format!("/db/b/x.txt?rev={}", rev(&hub, "b"));
    hub.put(&path, tests::Body::bytes("abc", "text/plain")).expect(201);
    let body = json!({"selector": {"_attachments": {"$exists": true}}});
    let found = find(&hub, &body);
    assert_eq!(found["docs"], json!([hub.get("/db/b").json()]));
    let body = json!({"selector": {"_id": "b"}, "fields": ["_attachments.x\\.txt.length"]});
    assert_eq!(find(&hub, &body)["docs"], json!([{"_attachments": {"x.txt": {"length": 3}}}]));
}
