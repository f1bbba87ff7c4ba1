//! `_index`: made, listed, removed.

use serde_json::{Value, json};
use tests::exchange::{check, error, with_db};
use tests::{Client, Hub};

use crate::{check_ids, explain, index, with};

#[track_caller]
fn create(hub: &Client, body: &Value) -> (Value, String, String) {
    let reply = hub.post("/db/_index", body).expect(200);
    (reply.json()["result"].clone(), reply.text("id"), reply.text("name"))
}

#[track_caller]
fn listed(hub: &Client, query: &str) -> Vec<String> {
    let list = hub.get(&format!("/db/_index{query}")).expect(200).json();
    let name = |one: &Value| {
        format!("{}/{}", one["ddoc"].as_str().unwrap_or("-"), one["name"].as_str().unwrap())
    };
    list["indexes"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn made_once() {
    let hub = with_db();
    let body = json!({"index": {"fields": ["a", "b.c"]}, "ddoc": "d", "name": "n", "type": "json"});
    assert_eq!(create(&hub, &body), (json!("created"), "_design/d".into(), "n".into()));
    let before = hub.get("/db/_design/d").json();
    assert_eq!(create(&hub, &body), (json!("exists"), "_design/d".into(), "n".into()));
    assert_eq!(hub.get("/db/_design/d").json(), before);
    let prefixed = json!({"index": {"fields": ["a", "b.c"]}, "ddoc": "_design/d", "name": "n"});
    assert_eq!(create(&hub, &prefixed).0, "exists");
    let twice = json!({"index": {"fields": ["a", "b.c", "a"]}, "ddoc": "twice"});
    assert_eq!(
        (create(&hub, &twice).0, create(&hub, &twice).0),
        (json!("created"), json!("exists"))
    );
    let view = &before["views"]["n"];
    assert_eq!(before["language"], "query");
    assert_eq!(view["reduce"], "_count");
    assert_eq!(view["options"], json!({"def": {"fields": ["a", "b.c"]}}));
    let map = json!({"fields": {"a": "asc", "b.c": "asc"}, "partial_filter_selector": {}});
    assert_eq!(view["map"], map);
}

#[test]
fn what_has_no_name_gets_one() {
    let hub = with_db();
    let body = json!({"index": {"fields": ["a"]}});
    let (result, id, name) = create(&hub, &body);
    assert_eq!(result, "created");
    assert_eq!(id, format!("_design/{name}"));
    assert!(name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    assert_eq!(create(&hub, &body), (json!("exists"), id.clone(), name));
    let other = create(&hub, &json!({"index": {"fields": ["b"]}}));
    assert_ne!(other.1, id);
    let (_, id, name) = create(&hub, &json!({"index": {"fields": ["b"]}, "name": "n"}));
    assert!(id.len() == 48 && name == "n", "{id} {name}");
}

#[test]
fn several_in_one_design_document() {
    let hub = with(&json!([{"_id": "x", "a": 1, "b": 1}]));
    let body = |name: &str| json!({"index": {"fields": [name]}, "ddoc": "d", "name": name});
    create(&hub, &body("a"));
    assert_eq!(create(&hub, &body("b")).0, "created");
    assert_eq!(listed(&hub, ""), ["-/_all_docs", "_design/d/a", "_design/d/b"]);
    for name in ["a", "b"] {
        let body = json!({"selector": {name: 1}});
        assert_eq!(explain(&hub, &body)["index"]["name"], name);
        check_ids(&hub, &body, "x");
    }
    // An index of the same name takes the place of what was there.
    create(&hub, &json!({"index": {"fields": ["c"]}, "ddoc": "d", "name": "b"}));
    assert_eq!(explain(&hub, &json!({"selector": {"b": 1}}))["index"]["name"], "_all_docs");
    hub.delete("/db/_index/_design/d/json/b").expect(200);
    assert_eq!(listed(&hub, ""), ["-/_all_docs", "_design/d/a"]);
    hub.get("/db/_design/d").expect(200);
    hub.delete("/db/_index/d/json/a").expect(200);
    assert_eq!(listed(&hub, ""), ["-/_all_docs"]);
    check(&hub, "GET /db/_design/d", "", &error(404, "not_found", "deleted"));
    // What was removed can be made again.
    assert_eq!(create(&hub, &body("a")).0, "created");
    check_ids(&hub, &json!({"selector": {"a": 1}, "use_index": "d", "allow_fallback": false}), "x");
}

#[test]
fn listed_in_parts() {
    let hub = with_db();
    for name in ["e", "a", "c", "b", "d"] {
        index(&hub, name, &json!([name]));
    }
    let list = hub.get("/db/_index?limit=2").expect(200).json();
    let all_documents = json!({
        "ddoc": null, "name": "_all_docs", "type": "special", "def": {"fields": [{"_id": "asc"}]},
    });
    let first = json!({
        "ddoc": "_design/a", "name": "a", "type": "json", "partitioned": false,
        "def": {"fields": [{"a": "asc"}]},
    });
    assert_eq!(list, json!({"total_rows": 6, "indexes": [all_documents, first]}));
    assert_eq!(listed(&hub, "?limit=2&skip=1"), ["_design/a/a", "_design/b/b"]);
    assert_eq!(listed(&hub, "?skip=5"), ["_design/e/e"]);
    assert!(listed(&hub, "?skip=6").is_empty() && listed(&hub, "?skip=100").is_empty());
    assert_eq!(listed(&hub, "?limit=10000000&unknown=x").len(), 6);
    let refused =
        error(500, "invalid_list_index_params", "Index parameter ranges: limit > 1, skip > 0");
    for query in ["limit=0", "limit=-1", "skip=-1", "limit=x", "skip=", "limit=1.5"] {
        check(&hub, &format!("GET /db/_index?{query}"), "", &refused);
    }
}

#[test]
fn what_is_not_there_cannot_be_removed() {
    let hub = with_db();
    index(&hub, "d", &json!(["a"]));
    let script = json!({"views": {"v": {"map": "function (doc) {}"}}});
    hub.put("/db/_design/script", script).expect(201);
    let missing = error(404, "not_found", "missing");
    for path in [
        "none/json/d",
        "d/json/none",
        "d/text/d",
        "d/special/d",
        "script/json/v",
        "_design/script/json/v",
        "_design%2Fscript/json/v",
        "_all_docs/special/_all_docs",
    ] {
        check(&hub, &format!("DELETE /db/_index/{path}"), "", &missing);
    }
    hub.get("/db/_design/script").expect(200);
    check(&hub, "DELETE /db/_index/_design%2Fd/json/d", "", "200 {\"ok\":true}");
}

#[test]
fn many_are_removed_at_once() {
    let hub = with_db();
    for name in ["a", "b", "c"] {
        index(&hub, name, &json!([name]));
    }
    let script = json!({"views": {"v": {"map": "function (doc) {}"}}});
    hub.put("/db/_design/script", script).expect(201);
    hub.put("/db/plain", json!({})).expect(201);
    let body = json!({"docids": ["_design/a", "b", "none", "_design/script", "plain"], "w": 3});
    let reply = hub.post("/db/_index/_bulk_delete", body).expect(200).json();
    let done = |id: &str| json!({"id": id, "ok": true});
    assert_eq!(reply["success"], json!([done("_design/a"), done("_design/b")]));
    let failed = |id: &str| json!({"id": id, "error": "not_found", "reason": "missing"});
    let failed = ["_design/none", "_design/script", "_design/plain"].map(failed);
    assert_eq!(reply["fail"], json!(failed));
    assert_eq!(listed(&hub, ""), ["-/_all_docs", "_design/c/c"]);
    hub.get("/db/_design/script").expect(200);
    hub.get("/db/plain").expect(200);
    let none = hub.post("/db/_index/_bulk_delete", json!({"docids": []})).expect(200).json();
    assert_eq!(none, json!({"success": [], "fail": []}));
}

#[test]
fn written_by_hand() {
    let hub = with(&json!([{"_id": "x", "a": 1, "b": {"c": 2}}, {"_id": "y", "a": 1}]));
    let view = json!({
        "map": {"fields": {"b.c": "asc"}, "partial_filter_selector": {}},
        "reduce": "_count",
        "options": {"def": {"fields": ["b.c"]}},
    });
    // Some that are no indexes stand beside it.
    let design = json!({"language": "query", "views": {
        "good": view, "no options": {"map": {"fields": {"a": "asc"}}},
    }});
    hub.put("/db/_design/hand", design).expect(201);
    assert_eq!(listed(&hub, ""), ["-/_all_docs", "_design/hand/good"]);
    let body = json!({"selector": {"b.c": 2}});
    assert_eq!(explain(&hub, &body)["index"]["ddoc"], "_design/hand");
    check_ids(&hub, &body, "x");
    // It is a view, too, of which only the rows' number can be asked for.
    let reply = hub.get("/db/_design/hand/_view/good").expect(200).json();
    assert_eq!(reply["rows"][0]["value"], 1);
    let rows = hub.get("/db/_design/hand/_view/good?reduce=false").expect(200).json();
    assert_eq!(rows["rows"], json!([{"id": "x", "key": [2], "value": null}]));
}

#[test]
fn functions_and_indexes_do_not_share_a_design_document() {
    let hub = with_db();
    let script = json!({"views": {"v": {"map": "function (doc) { emit(doc.a); }"}}});
    hub.put("/db/_design/script", script).expect(201);
    let body = json!({"index": {"fields": ["a"]}, "ddoc": "script"});
    let reply = hub.post("/db/_index", body).expect(400);
    assert_eq!(reply.text("error"), "invalid_ddoc_lang");
    assert_eq!(listed(&hub, ""), ["-/_all_docs"]);
}

#[test]
fn the_same_index_by_many_at_once() {
    let hub = with_db();
    let bodies = ["a", "b", "c", "d"]
        .map(|name| json!({"index": {"fields": [name]}, "ddoc": "d", "name": name}));
    std::thread::scope(|scope| {
        for body in bodies.iter().chain(&bodies) {
            let client = hub.client().clone();
            scope.spawn(move || client.post("/db/_index", body).expect(200));
        }
    });
    assert_eq!(
        listed(&hub, "?skip=1"),
        ["a", "b", "c", "d"].map(|name| format!("_design/d/{name}"))
    );
}

#[test]
fn a_hub_that_reads_only() {
    let hub: Hub = with(&json!([{"_id": "x", "a": 1}]));
    let (reader, _) = tests::exchange::app(&hub, "reader", &["--db", "db:r"]);
    let body = json!({"index": {"fields": ["a"]}});
    reader.post("/db/_index", body).expect(403);
    check_ids(&reader, &json!({"selector": {"a": 1}}), "x");
    assert_eq!(listed(&reader, "").len(), 1);
}
