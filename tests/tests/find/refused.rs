//! Bad input, and what CouchDB says of it.

use serde_json::{Value, json};
use tests::Hub;
use tests::exchange::{check, error, with_db};

#[track_caller]
fn check_all(hub: &Hub, request: &str, rows: &[(Value, &str, &str)]) {
    for (body, word, reason) in rows {
        check(hub, request, body, &error(400, word, reason));
    }
}

#[test]
fn questions() {
    let hub = with_db();
    let with = |name: &str, value: Value| json!({"selector": {}, name: value});
    let rows = [
        (json!({}), "missing_required_key", "Missing required key: selector"),
        (json!([]), "bad_request", "Request body must be a JSON object"),
        (json!({"selector": {}, "bogus": 1}), "invalid_key", "Invalid key bogus for this request."),
        (json!({"selector": 1}), "invalid_selector_json", "Selector must be a JSON object, not: 1"),
        (
            json!({"selector": []}),
            "invalid_selector_json",
            "Selector must be a JSON object, not: []",
        ),
        (
            with("limit", json!(-1)),
            "invalid_non_neg_integer",
            "-1 is not an integer greater than or equal to zero",
        ),
        (
            with("limit", json!("1")),
            "invalid_non_neg_integer",
            "\"1\" is not an integer greater than or equal to zero",
        ),
        (
            with("limit", json!(1.5)),
            "invalid_non_neg_integer",
            "1.5 is not an integer greater than or equal to zero",
        ),
        (
            with("skip", json!(null)),
            "invalid_non_neg_integer",
            "null is not an integer greater than or equal to zero",
        ),
        (with("r", json!(0)), "invalid_pos_integer", "0 is not an integer greater than zero"),
        (with("conflicts", json!("x")), "invalid_boolean", "Invalid boolean value: \"x\""),
        (with("update", json!("False")), "invalid_boolean", "Invalid boolean value: \"False\""),
        (with("stable", json!(1)), "invalid_boolean", "Invalid boolean value: 1"),
        (with("execution_stats", json!(null)), "invalid_boolean", "Invalid boolean value: null"),
        (with("allow_fallback", json!([])), "invalid_boolean", "Invalid boolean value: []"),
        (with("use_index", json!(1)), "invalid_index_name", "Invalid index name: 1"),
        (with("use_index", json!({})), "invalid_index_name", "Invalid index name: {}"),
        (
            with("use_index", json!(["a", "b", "c"])),
            "invalid_index_name",
            "Invalid index name: [\"a\",\"b\",\"c\"]",
        ),
        (with("bookmark", json!("bogus")), "invalid_bookmark", "Invalid bookmark value: \"bogus\""),
        (with("bookmark", json!(5)), "invalid_bookmark", "Invalid bookmark value: 5"),
        (
            with("sort", json!("a")),
            "invalid_sort_json",
            "Sort must be an array of sort specs, not: \"a\"",
        ),
        (with("sort", json!([1])), "invalid_sort_field", "Invalid sort field: 1"),
        (
            with("sort", json!([{"a": "up"}])),
            "invalid_sort_field",
            "Invalid sort field: {\"a\":\"up\"}",
        ),
        (
            with("sort", json!([{"a": "asc"}, {"b": "desc"}])),
            "unsupported_mixed_sort",
            "Sorts currently only support a single direction for all fields.",
        ),
        (
            with("fields", json!("a")),
            "invalid_fields",
            "Fields must be an array of strings, not: \"a\"",
        ),
        (with("fields", json!([1])), "invalid_field", "Invalid JSON for field spec: 1"),
    ];
    check_all(&hub, "POST /db/_find", &rows);
    check_all(&hub, "POST /db/_explain", &rows[..18]);
    check_all(&hub, "POST /db/_explain", &rows[20..]);
}

#[test]
fn selectors() {
    let hub = with_db();
    let argument = |operator: &str, value: Value| {
        let reason = format!("Bad argument for operator {operator}: {value}");
        (json!({"a": {operator: value}}), "bad_arg", reason)
    };
    let rows = [
        argument("$exists", json!(1)),
        argument("$type", json!(1)),
        argument("$in", json!("x")),
        argument("$nin", json!({})),
        argument("$all", json!(1)),
        argument("$size", json!("1")),
        argument("$size", json!(-1)),
        argument("$mod", json!([0, 1])),
        argument("$mod", json!([1.5, 1])),
        argument("$mod", json!([2])),
        argument("$regex", json!(1)),
        argument("$regex", json!("(")),
        argument("$beginsWith", json!(1)),
        argument("$elemMatch", json!([])),
        argument("$allMatch", json!(1)),
        argument("$keyMapMatch", json!("x")),
        argument("$not", json!(1)),
        argument("$and", json!({})),
        argument("$or", json!(1)),
        argument("$nor", json!(null)),
        (json!({"a": {"$bogus": 1}}), "invalid_operator", "Invalid operator: $bogus".into()),
        (json!({"$bogus": 1}), "invalid_operator", "Invalid operator: $bogus".into()),
        (json!({"a": {"$": 1}}), "invalid_operator", "Invalid operator: $".into()),
        (json!({"a": {"$where": "x"}}), "not_supported", "Unsupported operator: $where".into()),
        (json!({"$text": "x"}), "not_supported", "Unsupported operator: $text".into()),
        (
            json!({"$gt": 1}),
            "invalid_selector",
            "One or more conditions is missing a field name.".into(),
        ),
        (
            json!({"a..b": 1}),
            "invalid_selector",
            "One or more conditions is missing a field name.".into(),
        ),
    ];
    for (selector, word, reason) in rows {
        let refused = error(400, word, &reason);
        check(&hub, "POST /db/_find", json!({"selector": selector}), &refused);
        check(&hub, "POST /db/_explain", json!({"selector": selector}), &refused);
        let index = json!({"fields": ["a"], "partial_filter_selector": selector});
        check(&hub, "POST /db/_index", json!({"index": index}), &refused);
    }
    assert_eq!(hub.get("/db").json()["doc_count"], 0);
}

#[test]
fn indexes() {
    let hub = with_db();
    let fields = |value: Value| json!({"index": {"fields": value}});
    let with = |name: &str, value: Value| json!({"index": {"fields": ["a"]}, name: value});
    let sort = |value: &str| format!("Sort must be an array of sort specs, not: {value}");
    let rows = [
        (json!({}), "missing_required_key", "Missing required key: index"),
        (json!({"index": {}}), "missing_required_key", "Missing required key: fields"),
        (json!({"index": 1}), "invalid_index", "JSON indexes must be an object, not: 1"),
        (
            json!({"index": {"fields": [], "x": 1}}),
            "invalid_key",
            "Invalid key x for this request.",
        ),
        (with("x", json!(1)), "invalid_key", "Invalid key x for this request."),
        (fields(json!(null)), "invalid_sort_json", &sort("null")),
        (fields(json!(true)), "invalid_sort_json", &sort("true")),
        (fields(json!("bing")), "invalid_sort_json", &sort("\"bing\"")),
        (fields(json!({"a": "asc"})), "invalid_sort_json", &sort("{\"a\":\"asc\"}")),
        (fields(json!([{"a": 2}])), "invalid_sort_field", "Invalid sort field: {\"a\":2}"),
        (
            fields(json!([{"a": "asc"}, {"b": "desc"}])),
            "unsupported_mixed_sort",
            "Sorts currently only support a single direction for all fields.",
        ),
        (fields(json!([""])), "invalid_sort_field", "Invalid sort field: \"\""),
        (with("type", json!("geo")), "invalid_index", "Invalid type for index: geo"),
        (with("type", json!(null)), "invalid_string", "Invalid string: null"),
        (with("type", json!(["json"])), "invalid_string", "Invalid string: [\"json\"]"),
        (with("name", json!(1.5)), "invalid_string", "Invalid string: 1.5"),
        (with("name", json!(null)), "invalid_string", "Invalid string: null"),
        (with("name", json!("")), "invalid_string", "Invalid string: \"\""),
        (with("ddoc", json!("")), "invalid_string", "Invalid string: \"\""),
        (with("ddoc", json!({"a": 1})), "invalid_string", "Invalid string: {\"a\":1}"),
        (with("w", json!(0)), "invalid_pos_integer", "0 is not an integer greater than zero"),
    ];
    check_all(&hub, "POST /db/_index", &rows);
    let partial = json!({"index": {"fields": ["a"], "partial_filter_selector": 1}});
    let reason = "Selector must be a JSON object, not: 1";
    check(&hub, "POST /db/_index", partial, &error(400, "invalid_selector_json", reason));
    let unavailable = error(503, "required index service unavailable", "text");
    check(&hub, "POST /db/_index", with("type", json!("text")), &unavailable);
    let rows = [
        (json!({}), "missing_required_key", "Missing required key: docids"),
        (
            json!({"docids": 1}),
            "invalid_bulk_docs",
            "Bulk Delete requires an array of non-null docids. Docids: 1",
        ),
        (json!({"docids": [1]}), "invalid_index_name", "Invalid index name: 1"),
        (json!({"docids": [], "x": 1}), "invalid_key", "Invalid key x for this request."),
    ];
    check_all(&hub, "POST /db/_index/_bulk_delete", &rows);
    assert_eq!(hub.get("/db").json()["doc_count"], 0);
}

#[test]
fn methods_and_databases() {
    let hub = with_db();
    for path in ["_find", "_explain", "_index", "_index/_bulk_delete"] {
        let request = format!("POST /none/{path}");
        let missing = error(404, "not_found", "Database does not exist.");
        let body = json!({"selector": {}, "index": {"fields": ["a"]}, "docids": []});
        check(&hub, &request, body, &missing);
        hub.request("PUT", &format!("/db/{path}")).send("{}").expect(405);
        let text = tests::Body::bytes("{}", "text/plain");
        hub.request("POST", &format!("/db/{path}")).send(text).expect(415);
    }
    hub.get("/db/_find").expect(405);
    hub.get("/db/_explain").expect(405);
    let status = hub.get("/db/_index/foo").status;
    assert!([404, 405].contains(&status), "{status}");
}
