//! Full-text indexes.

use serde_json::json;

use super::row::{Row, no_json, no_json_type, row};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (endpoint, path) in [
        ("POST /_search_analyze", "/_search_analyze"),
        ("POST /_nouveau_analyze", "/_nouveau_analyze"),
        ("POST /{db}/_design/{design}/_search/{index}", "/db/_design/design/_search/index"),
        ("POST /{db}/_design/{design}/_nouveau/{index}", "/db/_design/design/_nouveau/index"),
        (
            "POST /{db}/_partition/{partition}/_design/{design}/_search/{index}",
            "/db/_partition/p/_design/design/_search/index",
        ),
        (
            "POST /{db}/_partition/{partition}/_design/{design}/_nouveau/{index}",
            "/db/_partition/p/_design/design/_nouveau/index",
        ),
    ] {
        rows.extend(no_json(endpoint, path));
        rows.extend(no_json_type(endpoint, path));
        rows.push(row(endpoint, path).json("[]").bad("Request body must be a JSON object"));
    }
    for (endpoint, path) in [
        ("POST /_search_analyze", "/_search_analyze"),
        ("POST /_nouveau_analyze", "/_nouveau_analyze"),
    ] {
        let words = |body: serde_json::Value| row(endpoint, path).json(body.to_string());
        rows.push(words(json!({})).bad("analyzer parameter is mandatory"));
        let analyzer = "analyzer parameter must be a string or an object";
        rows.push(words(json!({"analyzer": 5})).bad(analyzer));
        rows.push(words(json!({"analyzer": "x"})).bad("no such analyzer: x"));
        rows.push(words(json!({"analyzer": "simple"})).bad("text parameter is mandatory"));
        let text = "text parameter must be a string";
        rows.push(words(json!({"analyzer": "simple", "text": 5})).bad(text));
        let long = json!({"analyzer": "simple", "text": "a".repeat((1 << 20) + 1)});
        rows.push(words(long).gets(413, "too_large", "the request entity is too large"));
    }
    rows.extend(questions());
    rows
}

fn questions() -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in ["_search", "_nouveau"] {
        let endpoint = format!("POST /{{db}}/_design/{{design}}/{kind}/{{index}}");
        let path = format!("/db/_design/design/{kind}/index");
        let ask = |body: serde_json::Value| row(&endpoint, &path).json(body.to_string());
        rows.push(ask(json!({"q": "a"})).gets(404, "not_found", "index not found."));
        rows.push(ask(json!({"q": 5})).gets(400, "query_parse_error", "`q` must be a string."));
        rows.push(ask(json!({"limit": -1})).gets(
            400,
            "query_parse_error",
            "Invalid value for positive integer: -1",
        ));
        rows.push(ask(json!({"sort": 5})).bad("`sort` must be an array of strings."));
        rows.push(ask(json!({"sort": "<x>"})).bad("Unrecognized sort parameter: <x>"));
        rows.push(ask(json!({"counts": 5})).bad("`counts` must be an array of strings."));
        let ranges = "`ranges` must be an object of ranges by label.";
        rows.push(ask(json!({"ranges": 5})).bad(ranges));
        if kind == "_search" {
            let limit = "group_limit must be greater than zero";
            rows.push(ask(json!({"group_limit": 0})).gets(400, "query_parse_error", limit));
            let tag = "`highlight_pre_tag` must be a string.";
            rows.push(ask(json!({"highlight_pre_tag": 5})).bad(tag));
        }
    }
    rows
}
