//! Which index answers.

use serde_json::{Value, json};
use tests::exchange::{check, error};
use tests::{Client, Hub};

use crate::{check_ids, explain, find, ids, index, with};

#[track_caller]
fn check_index(hub: &Client, body: &Value, expected: &str) {
    let index = explain(hub, body)["index"].take();
    assert_eq!(index["name"], expected, "{body}");
}

fn filled() -> Hub {
    let hub = with(&json!([
        {"_id": "1", "a": 1, "b": 1, "c": 1},
        {"_id": "2", "a": 1, "b": 2},
        {"_id": "3", "a": 2},
        {"_id": "4", "b": 4, "c": null},
    ]));
    index(&hub, "a", &json!(["a"]));
    index(&hub, "a-b", &json!(["a", "b"]));
    index(&hub, "b-a", &json!(["b", "a"]));
    index(&hub, "c", &json!(["c"]));
    hub
}

#[test]
fn the_index_of_the_most_fields() {
    let hub = filled();
    check_index(&hub, &json!({"selector": {"a": 1}}), "a");
    check_index(&hub, &json!({"selector": {"a": 1, "b": 1}}), "a-b");
    check_index(&hub, &json!({"selector": {"a": 1, "c": {"$gt": 1}}}), "a");
    check_index(&hub, &json!({"selector": {"b": 1}}), "_all_docs");
    check_index(&hub, &json!({"selector": {"b": 1, "a": {"$exists": true}}}), "b-a");
    check_index(&hub, &json!({"selector": {"c": {"$exists": false}}}), "_all_docs");
    check_index(&hub, &json!({"selector": {"c": {"$exists": true}}}), "c");
    check_index(&hub, &json!({"selector": {"$or": [{"c": 1}, {"c": 2}]}}), "c");
    check_index(&hub, &json!({"selector": {"$or": [{"c": 1}, {"d": 2}]}}), "_all_docs");
    check_index(&hub, &json!({"selector": {}}), "_all_docs");
}

#[test]
fn documents_without_the_field_are_in_no_index() {
    let hub = filled();
    check_ids(&hub, &json!({"selector": {"b": {"$gt": 1}}}), "2 4");
    check_ids(&hub, &json!({"selector": {"b": {"$gt": 1}}, "use_index": "b-a"}), "2 4");
    check_ids(&hub, &json!({"selector": {"b": {"$gt": 1}}, "sort": ["b", "a"]}), "2");
    check_ids(&hub, &json!({"selector": {"c": null}, "use_index": "c"}), "4");
    check_ids(&hub, &json!({"selector": {}, "sort": ["c"]}), "4 1");
}

#[test]
fn the_index_that_is_named() {
    let hub = filled();
    let ask = |name: Value| json!({"selector": {"a": 1, "b": {"$gt": 0}}, "use_index": name});
    check_index(&hub, &ask(json!(null)), "a-b");
    check_index(&hub, &ask(json!([])), "a-b");
    for name in [
        json!("b-a"),
        json!("_design/b-a"),
        json!(["b-a"]),
        json!(["_design/b-a"]),
        json!(["b-a", "b-a"]),
        json!(["_design/b-a", "b-a"]),
        json!("b-a/b-a"),
    ] {
        check_index(&hub, &ask(name.clone()), "b-a");
        check_ids(&hub, &ask(name), "1 2");
    }
    // What is not usable, or not there, is passed over.
    for name in [json!("c"), json!("none"), json!(["b-a", "none"]), json!("_all_docs")] {
        check_index(&hub, &ask(name.clone()), "a-b");
        assert!(find(&hub, &ask(name.clone()))["warning"].is_string(), "{name}");
    }
}

#[test]
fn without_a_fallback() {
    let hub = filled();
    let ask = |selector: Value, name: Value| json!({"selector": selector, "use_index": name, "allow_fallback": false});
    check_ids(&hub, &ask(json!({"a": 1}), json!("a")), "1 2");
    check_ids(&hub, &ask(json!({"a": 1}), json!(["a", "a"])), "1 2");
    check_ids(&hub, &json!({"selector": {"a": 1}, "allow_fallback": false}), "1 2");
    let refused = |what: &str| {
        let reason =
            format!("{what} specified by `use_index` could not be found or it is not suitable.");
        error(400, "invalid_index", &reason)
    };
    for (name, shown) in [
        (json!("b-a"), "_design/b-a"),
        (json!("_design/none"), "_design/none"),
        (json!(["b-a", "b-a"]), "_design/b-a, b-a"),
        (json!(["_design/a", "none"]), "_design/a, none"),
    ] {
        let body = ask(json!({"a": 1}), name);
        check(&hub, "POST /db/_find", &body, &refused(shown));
        check(&hub, "POST /db/_explain", &body, &refused(shown));
    }
    let body = json!({"selector": {"b": 1}, "allow_fallback": false});
    let reason = "You must specify an index with the `use_index` parameter.";
    check(&hub, "POST /db/_find", &body, &error(400, "invalid_index", reason));
}

#[test]
fn an_order_needs_an_index() {
    let hub = filled();
    let sorted = |selector: Value, sort: Value| json!({"selector": selector, "sort": sort});
    check_ids(&hub, &sorted(json!({"a": {"$gt": 0}}), json!(["a", "b"])), "1 2");
    check_ids(&hub, &sorted(json!({"a": {"$gt": 0}}), json!([{"a": "desc"}])), "3 2 1");
    // A field that is the same everywhere may stand before.
    check_index(&hub, &sorted(json!({"a": 1, "b": {"$gt": 0}}), json!(["b"])), "a-b");
    check_ids(&hub, &sorted(json!({"a": 1}), json!([{"b": "desc"}])), "2 1");
    check_ids(&hub, &sorted(json!({"_id": {"$gt": "1"}}), json!([{"_id": "desc"}])), "4 3 2");
    let reason = "No index exists for this sort, try indexing by the sort fields.";
    let refused = error(400, "no_usable_index", reason);
    for body in [
        sorted(json!({"b": 1}), json!(["d"])),
        sorted(json!({"a": {"$gt": 0}}), json!(["c", "a"])),
        sorted(json!({"a": {"$gt": 0}}), json!(["a", "c"])),
        sorted(json!({"a": 1}), json!(["_id"])),
    ] {
        check(&hub, "POST /db/_find", &body, &refused);
        // What cannot be asked can be explained.
        assert_eq!(explain(&hub, &body)["index"], Value::Null, "{body}");
    }
}

#[test]
fn only_some_documents_are_in_a_partial_index() {
    let hub = filled();
    let partial = |design: &str, selector: Value| {
        let index = json!({"fields": ["a"], "partial_filter_selector": selector});
        hub.post("/db/_index", json!({"index": index, "ddoc": design, "name": design})).expect(200)
    };
    partial("p", json!({"b": {"$gt": 1}, "status": {"$ne": "archived"}}));
    partial("q", json!({"b": {"$gt": 1}}));
    let listed = hub.get("/db/_index").json();
    let one = |design: &str| {
        let all = listed["indexes"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["name"] == design).unwrap()["def"].take()
    };
    let filter = json!({"$and": [{"b": {"$gt": 1}}, {"status": {"$ne": "archived"}}]});
    let expected = json!({"fields": [{"a": "asc"}], "partial_filter_selector": filter});
    assert_eq!(one("p"), expected);
    check_index(&hub, &json!({"selector": {"a": 1}}), "a");
    let body = json!({"selector": {"a": {"$gt": 0}}, "use_index": "q"});
    check_index(&hub, &body, "q");
    check_ids(&hub, &body, "2");
    check_ids(&hub, &json!({"selector": {"a": {"$gt": 0}}, "use_index": "p"}), "");
    hub.put("/db/5", json!({"a": 5, "b": 5, "status": "x"})).expect(201);
    check_ids(&hub, &json!({"selector": {"a": {"$gt": 0}}, "use_index": "p"}), "5");
    check_ids(&hub, &body, "2 5");
    // One that leaves the filter leaves the index.
    let rev = crate::rev(&hub, "5");
    hub.put("/db/5", json!({"_rev": rev, "a": 5, "b": 0, "status": "x"})).expect(201);
    check_ids(&hub, &body, "2");
    // An empty filter keeps nobody out.
    partial("r", json!({}));
    check_ids(&hub, &json!({"selector": {"a": {"$gt": 0}}, "use_index": "r"}), "1 2 3 5");
}

#[test]
fn an_index_that_holds_all_that_is_asked_for() {
    let hub = filled();
    let covered = |body: &Value| explain(&hub, body)["covering"] == true;
    let body = json!({"selector": {"a": 1, "b": {"$gt": 0}}, "fields": ["_id", "b"]});
    assert!(covered(&body));
    let found = find(&hub, &body);
    assert_eq!(found["docs"], json!([{"_id": "1", "b": 1}, {"_id": "2", "b": 2}]));
    for body in [
        json!({"selector": {"a": 1}}),
        json!({"selector": {"a": 1}, "fields": ["_id", "_rev"]}),
        json!({"selector": {"a": 1}, "fields": ["a.x"]}),
        json!({"selector": {"a": 1, "c": {"$exists": false}}, "fields": ["a"]}),
        json!({"selector": {}, "fields": ["_id"]}),
    ] {
        assert!(!covered(&body), "{body}");
        find(&hub, &body);
    }
    let nested = json!(["x.y", "x.z"]);
    index(&hub, "nested", &nested);
    hub.put("/db/n", json!({"x": {"y": [1], "z": null, "w": 3}})).expect(201);
    let body =
        json!({"selector": {"x.y": {"$size": 1}, "x.z": null}, "fields": ["x.z", "x.y", "_id"]});
    assert!(covered(&body));
    assert_eq!(find(&hub, &body)["docs"], json!([{"_id": "n", "x": {"y": [1], "z": null}}]));
}

#[test]
fn revisions_and_ids_can_be_indexed() {
    let hub = filled();
    index(&hub, "i", &json!(["_rev", "_id"]));
    let rev = crate::rev(&hub, "3");
    let body = json!({"selector": {"_rev": rev}, "use_index": "i", "allow_fallback": false});
    check_ids(&hub, &body, "3");
    assert_eq!(
        ids(&find(&hub, &json!({"selector": {"_rev": {"$gt": "1"}}, "use_index": "i"}))).len(),
        7
    );
}

#[test]
fn what_is_said_of_the_others() {
    let hub = filled();
    let answer = explain(&hub, &json!({"selector": {"a": 1}, "fields": ["a"], "limit": 3}));
    assert_eq!((&answer["dbname"], &answer["limit"]), (&json!("db"), &json!(3)));
    assert_eq!(answer["selector"], json!({"a": {"$eq": 1}}));
    assert_eq!(answer["mrargs"]["start_key"], json!([1]));
    assert_eq!(answer["mrargs"]["end_key"], json!([1, "<MAX>"]));
    assert_eq!(answer["mrargs"]["include_docs"], false);
    let candidates = answer["index_candidates"].as_array().unwrap();
    let shown: Vec<_> = candidates
        .iter()
        .map(|one| format!("{}: {}", one["index"]["name"], one["analysis"]["reasons"][0]["name"]))
        .collect();
    assert_eq!(
        shown,
        [
            r#""c": "field_mismatch""#,
            r#""b-a": "field_mismatch""#,
            r#""a-b": "field_mismatch""#,
            r#""_all_docs": "unfavored_type""#,
        ]
    );
    let hints = json!([{"type": "json", "indexable_fields": ["a"], "unindexable_fields": []}]);
    assert_eq!(answer["selector_hints"], hints);
}
