//! Many documents in one request: `_bulk_docs` and `_bulk_get`.

use serde_json::{Value, json};
use tests::Body;
use tests::exchange::{check, error, with_db};

const BULK: &str = "POST /db/_bulk_docs";

#[test]
fn edits_are_answered_row_by_row() {
    let hub = with_db();
    let rev = hub.put("/db/b", "{}").expect(201).rev();
    let docs = json!({"docs": [
        {"_id": "a", "n": 1},
        {"_id": "b"},
        {"_id": "b", "_rev": rev, "_deleted": true},
        {"n": 2},
        {"_id": "_local/l", "n": 3},
        {"_id": "_design/d", "views": {}},
        {"_id": "a", "n": 4},
        {"_id": "s", "_attachments": {"x": {"stub": true}}},
        {"_id": "i", "_attachments": {"x": {"data": "aGk="}}},
    ]});
    let rows = hub.post("/db/_bulk_docs", docs).expect(201).json();
    let shown: Vec<String> = rows.as_array().expect("rows").iter().map(shown).collect();
    let generated = rows[3]["id"].as_str().expect("an id");
    assert_eq!(generated.len(), 32);
    assert_eq!(
        shown,
        [
            "a 1",
            "b conflict: Document update conflict.",
            "b 2",
            &format!("{generated} 1"),
            "_local/l 0",
            "_design/d 1",
            "a conflict: Document update conflict.",
            "s missing_stub: Invalid attachment stub in s for x",
            "i 1",
        ]
    );
    assert_eq!(hub.get("/db/a").json()["n"], 1);
    assert_eq!(hub.get("/db/i/x").expect(200).body, b"hi");
    assert_eq!(hub.get("/db/_local/l").json()["n"], 3);
    assert_eq!(hub.get("/db").json()["doc_count"], 4);
    check(&hub, BULK, json!({"docs": []}), "201 []\n");
    check(&hub, BULK, json!({"docs": [], "all_or_nothing": true, "w": 1}), "201 []\n");
}

/// `id generation`, or `id error: reason`.
fn shown(row: &Value) -> String {
    let text = |member: &str| row[member].as_str().unwrap_or("?").to_owned();
    match row["error"].as_str() {
        Some(error) => format!("{} {error}: {}", text("id"), text("reason")),
        None => format!("{} {}", text("id"), text("rev").split('-').next().unwrap_or("?")),
    }
}

#[test]
fn revisions_of_other_servers_are_answered_by_failures_only() {
    let hub = with_db();
    let docs = json!([
        {"_id": "a", "_revisions": {"start": 2, "ids": ["b", "a"]}, "n": 2},
        {"_id": "a", "_rev": "2-x", "n": 3},
        {"_id": "s", "_rev": "1-a", "_attachments": {"x": {"stub": true}}},
    ]);
    let rows = hub.post("/db/_bulk_docs", json!({"docs": docs, "new_edits": false})).expect(201);
    let reason = "Invalid attachment stub in s for x";
    let expected = json!([{"id": "s", "rev": "1-a", "error": "missing_stub", "reason": reason}]);
    assert_eq!(rows.json(), expected);
    let document = hub.get("/db/a?revs=true&conflicts=true").json();
    assert_eq!(document["_rev"], "2-x");
    assert_eq!(document["_conflicts"], json!(["2-b"]));
    check(
        &hub,
        BULK,
        json!({"new_edits": false, "docs": [{"_id": "b", "_rev": "1-a"}]}),
        "201 []\n",
    );
}

#[test]
fn one_fault_refuses_the_whole_request() {
    let hub = with_db();
    let bad = |reason: &str| error(400, "bad_request", reason);
    check(&hub, BULK, "{}", &bad("POST body must include `docs` parameter."));
    check(&hub, BULK, r#"{"docs":{}}"#, &bad("`docs` parameter must be an array."));
    check(&hub, BULK, "[]", &bad("Request body must be a JSON object"));
    check(&hub, BULK, r#"{"docs":[{"_id":"a"},5]}"#, &bad("Document must be a JSON object"));
    let reason = "`new_edits` parameter must be a boolean.";
    check(&hub, BULK, r#"{"docs":[{"_id":"a"}],"new_edits":"x"}"#, &bad(reason));
    let reason = "When `new_edits: false`, the document needs `_rev` or `_revisions` specified";
    check(&hub, BULK, r#"{"docs":[{"_id":"a"}],"new_edits":false}"#, &bad(reason));
    for body in
        [r#"{"docs":[{"_id":"a"}"#, r#"{"docs":[{"_id":"a"},]}"#, r#"{"docs":[{"_id":"a"}]}}"#]
    {
        check(&hub, BULK, body, r#"400 {"error":"bad_request","reason":"invalid UTF-8 JSON"#);
    }
    let reason = "Bad special document member: _x";
    check(&hub, BULK, r#"{"docs":[{"_id":"a"},{"_x":1}]}"#, &error(400, "doc_validation", reason));
    check(&hub, BULK, r#"{"docs":[{"_id":"a"},{"_id":""}]}"#, "400 {\"error\":\"illegal_docid\"");
    let large = json!({"docs": [{"_id": "a"}, {"_id": "l", "x": "x".repeat(8_000_001)}]});
    check(&hub, BULK, large, &error(413, "document_too_large", "l"));
    let reason = "Content-Type must be application/json";
    let text = Body::bytes(*b"{\"docs\":[]}", "text/plain");
    check(&hub, BULK, text, &error(415, "bad_content_type", reason));
    check(&hub, "POST /none/_bulk_docs", "{}", "404");
    let info = hub.get("/db").json();
    assert_eq!((&info["doc_count"], &info["doc_del_count"]), (&json!(0), &json!(0)));
    assert!(info["update_seq"].as_str().is_some_and(|seq| seq.starts_with("0-")));
}

#[test]
fn more_than_memory_holds() {
    let hub = with_db();
    let filler = "x".repeat(2000);
    let count = 12_345;
    let docs: Vec<Value> =
        (0..count).map(|n| json!({"_id": format!("{n:05}"), "x": filler})).collect();
    let rows = hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201).json();
    let rows = rows.as_array().expect("rows");
    assert_eq!(rows.len(), count);
    for (n, row) in rows.iter().enumerate() {
        assert_eq!((&row["ok"], &row["id"]), (&json!(true), &json!(format!("{n:05}"))));
    }
    assert_eq!(hub.get("/db").json()["doc_count"], count);
    let mut broken = json!({"docs": docs}).to_string();
    broken.truncate(broken.len() - 1);
    check(
        &hub,
        BULK,
        broken.as_str(),
        r#"400 {"error":"bad_request","reason":"invalid UTF-8 JSON"#,
    );

    // The same as other server's revisions, all of which are conflicts of the first.
    let docs: Vec<Value> = docs
        .into_iter()
        .map(|mut document| {
            document["_rev"] = json!("1-x");
            document
        })
        .collect();
    check(&hub, BULK, json!({"docs": docs, "new_edits": false}), "201 []\n");
    let ids: Vec<Value> =
        (0..count).map(|n| json!({"id": format!("{n:05}"), "rev": "1-x"})).collect();
    let rows = hub.post("/db/_bulk_get", json!({"docs": ids})).expect(200).json();
    let rows = rows["results"].as_array().expect("rows");
    assert_eq!(rows.len(), count);
    assert!(rows.iter().all(|row| row["docs"][0]["ok"]["x"] == json!(filler)));
}

#[test]
fn reads_revisions_and_says_what_is_missing() {
    let hub = with_db();
    let docs = json!([
        {"_id": "a", "_revisions": {"start": 2, "ids": ["b", "a"]}, "n": 2},
        {"_id": "a", "_rev": "2-x", "n": 3, "_deleted": true},
    ]);
    hub.post("/db/_bulk_docs", json!({"docs": docs, "new_edits": false})).expect(201);
    let get = |query: &str, docs: Value| {
        let reply = hub.post(&format!("/db/_bulk_get{query}"), json!({"docs": docs})).expect(200);
        reply.json()["results"].clone()
    };
    let live = json!({"ok": {"_id": "a", "_rev": "2-b", "n": 2}});
    let dead = json!({"ok": {"_id": "a", "_rev": "2-x", "n": 3, "_deleted": true}});
    let missing = |id: &str, rev: &str| json!({"error": {"id": id, "rev": rev, "error": "not_found", "reason": "missing"}});
    assert_eq!(
        get("", json!([{"id": "a"}, {"id": "a", "rev": "2-x"}, {"id": "none"}])),
        json!([
            {"id": "a", "docs": [live, dead]},
            {"id": "a", "docs": [dead]},
            {"id": "none", "docs": [missing("none", "undefined")]}
        ])
    );
    assert_eq!(
        get("?latest=true", json!([{"id": "a", "rev": "1-a"}, {"id": "a", "rev": "9-z"}])),
        json!([{"id": "a", "docs": [live]}, {"id": "a", "docs": [missing("a", "9-z")]}])
    );
    assert_eq!(
        get("", json!([{"id": "a", "rev": "1-a"}, {"id": "none", "rev": "1-a"}])),
        json!([
            {"id": "a", "docs": [missing("a", "1-a")]},
            {"id": "none", "docs": [missing("none", "1-a")]}
        ])
    );
    let with_revs = get("?revs=true", json!([{"id": "a", "rev": "2-b"}]));
    let revisions = json!({"start": 2, "ids": ["b", "a"]});
    assert_eq!(with_revs[0]["docs"][0]["ok"]["_revisions"], revisions);
    let refused =
        json!({"id": null, "rev": null, "error": "bad_request", "reason": "document id missed"});
    assert_eq!(
        get("", json!([{"rev": "1-a"}]))[0],
        json!({"id": null, "docs": [{"error": refused}]})
    );
    assert_eq!(get("", json!([])), json!([]));

    let bad = |reason: &str| error(400, "bad_request", reason);
    check(&hub, "POST /db/_bulk_get", "{}", &bad("Missing JSON list of 'docs'."));
    let reason = "\"rev\" query parameter is not acceptable";
    check(&hub, "POST /db/_bulk_get?rev=1-a", json!({"docs": []}), &bad(reason));
}
