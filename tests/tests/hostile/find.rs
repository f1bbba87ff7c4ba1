//! Questions and indexes.

use super::row::{Row, no_json, no_json_type, row};

const FIND: &str = "POST /{db}/_find";
const EXPLAIN: &str = "POST /{db}/_explain";
const INDEX: &str = "POST /{db}/_index";
const BULK_DELETE: &str = "POST /{db}/_index/_bulk_delete";
const LIST: &str = "GET /{db}/_index";

/// Endpoints that take JSON, and a path of each.
const ENDPOINTS: [(&str, &str); 6] = [
    (FIND, "/db/_find"),
    (EXPLAIN, "/db/_explain"),
    ("POST /{db}/_partition/{partition}/_find", "/db/_partition/p/_find"),
    ("POST /{db}/_partition/{partition}/_explain", "/db/_partition/p/_explain"),
    (INDEX, "/db/_index"),
    (BULK_DELETE, "/db/_index/_bulk_delete"),
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (endpoint, path) in ENDPOINTS {
        rows.extend(no_json(endpoint, path));
        rows.extend(no_json_type(endpoint, path));
        let object = "Request body must be a JSON object";
        for text in ["[]", "5", "null", "\"x\""] {
            rows.push(row(endpoint, path).json(text).bad(object));
        }
        let none = path.replacen("db", "none", 1);
        let missing = row(endpoint, &none).json("{}");
        rows.push(missing.gets(404, "not_found", "Database does not exist."));
        let large = format!("{{\"selector\":{{\"a\":\"{}\"}}}}", "x".repeat(9 << 20));
        let large = row(endpoint, path).json(large);
        rows.push(large.gets(413, "too_large", "the request entity is too large"));
        let unknown = row(endpoint, path)
            .json("{\"selector\":{},\"index\":{\"fields\":[\"a\"]},\"docids\":[],\"\\u0000x\":1}");
        let first = match endpoint {
            INDEX => "selector",
            BULK_DELETE => "selector",
            _ => "index",
        };
        let reason = format!("Invalid key {first} for this request.");
        rows.push(unknown.gets(400, "invalid_key", &reason));
    }
    rows.extend(selectors());
    rows.extend(members());
    rows.extend(indexes());
    rows
}

/// Selectors that are refused wherever they are asked.
fn selectors() -> Vec<Row> {
    let conditions = "The selector has too many conditions.";
    let pattern = |text: &str| {
        let reason = format!("Bad argument for operator $regex: \"{text}\"");
        (format!("{{\"a\":{{\"$regex\":\"{text}\"}}}}"), "bad_arg", reason)
    };
    let no_field = "One or more conditions is missing a field name.";
    let repeat = |text: &str, count: usize| vec![text; count].join(",");
    let long = "x".repeat(1 << 20);
    let tables = [
        pattern("((a{1000}){1000}){1000}"),
        pattern("(?=a)"),
        pattern("(a)\\\\1"),
        pattern("("),
        (
            format!("{{\"$and\":[{}]}}", repeat("{\"a\":{\"$regex\":\"(a*)*b\"}}", 33)),
            "invalid_selector",
            conditions.to_owned(),
        ),
        (
            format!("{{\"$or\":[{}]}}", repeat("{\"a\":1}", 10_001)),
            "invalid_selector",
            conditions.to_owned(),
        ),
        (
            format!("{{\"{long}\":{{\"$or\":[{}]}}}}", repeat("1", 5)),
            "invalid_selector",
            conditions.to_owned(),
        ),
        ("{\"a\":{\"$x\":1}}".into(), "invalid_operator", "Invalid operator: $x".into()),
        ("{\"$x\":{}}".into(), "invalid_operator", "Invalid operator: $x".into()),
        ("{\"$lt\":1}".into(), "invalid_selector", no_field.into()),
        ("{\".\":1}".into(), "invalid_selector", no_field.into()),
        (
            "{\"a\":{\"$mod\":[0,0]}}".into(),
            "bad_arg",
            "Bad argument for operator $mod: [0,0]".into(),
        ),
        (
            "{\"a\":{\"$size\":1e300}}".into(),
            "bad_arg",
            "Bad argument for operator $size: 1e+300".into(),
        ),
    ];
    let mut rows = Vec::new();
    for (selector, word, reason) in tables {
        for (endpoint, path) in &ENDPOINTS[..4] {
            let question = format!("{{\"selector\":{selector}}}");
            rows.push(row(endpoint, path).json(question).gets(400, word, &reason));
        }
        let index =
            format!("{{\"index\":{{\"fields\":[\"a\"],\"partial_filter_selector\":{selector}}}}}");
        rows.push(row(INDEX, "/db/_index").json(index).gets(400, word, &reason));
    }
    for opening in ["{\"$not\":", "{\"a\":", "{\"$and\":[", "{\"a\":{\"$elemMatch\":"] {
        let closing: String = opening.chars().rev().filter_map(closing).collect();
        let deep =
            format!("{{\"selector\":{}{{\"a\":1}}{}}}", opening.repeat(1000), closing.repeat(1000));
        for (endpoint, path) in &ENDPOINTS[..4] {
            rows.push(row(endpoint, path).json(deep.as_str()).bad("invalid UTF-8 JSON"));
        }
    }
    rows
}

fn closing(letter: char) -> Option<char> {
    match letter {
        '{' => Some('}'),
        '[' => Some(']'),
        _ => None,
    }
}

/// Members beside the selector.
fn members() -> Vec<Row> {
    let ask = |rest: &str| row(FIND, "/db/_find").json(format!("{{\"selector\":{{}},{rest}}}"));
    let count = |shown: &str| format!("{shown} is not an integer greater than or equal to zero");
    let long = "x".repeat(1000);
    let shown = format!("Invalid bookmark value: \"{}…", &long[1..200]);
    vec![
        ask("\"limit\":-1").gets(400, "invalid_non_neg_integer", &count("-1")),
        ask("\"limit\":1e3").gets(400, "invalid_non_neg_integer", &count("1000.0")),
        ask("\"skip\":\"0\"").gets(400, "invalid_non_neg_integer", &count("\"0\"")),
        ask("\"skip\":{}").gets(400, "invalid_non_neg_integer", &count("{}")),
        ask(&format!("\"bookmark\":\"{long}\"")).gets(400, "invalid_bookmark", &shown),
        ask("\"bookmark\":\"g1AAAAA\"").gets(
            400,
            "invalid_bookmark",
            "Invalid bookmark value: \"g1AAAAA\"",
        ),
        ask("\"use_index\":[[]]").gets(400, "invalid_index_name", "Invalid index name: [[]]"),
        ask("\"sort\":[{}]").gets(400, "invalid_sort_field", "Invalid sort field: {}"),
        ask("\"fields\":[\"a..b\"]").gets(
            400,
            "invalid_field",
            "Invalid JSON for field spec: \"a..b\"",
        ),
        ask("\"partition\":5").gets(400, "invalid_string", "Invalid string: 5"),
    ]
}

fn indexes() -> Vec<Row> {
    let make = |text: &str| row(INDEX, "/db/_index").json(text);
    let fields = |text: &str| make(&format!("{{\"index\":{{\"fields\":{text}}}}}"));
    let listed = |query: &str| {
        let refused = "Index parameter ranges: limit > 1, skip > 0";
        row(LIST, &format!("/db/_index?{query}")).gets(500, "invalid_list_index_params", refused)
    };
    let remove = |path: &str, short: bool| {
        let endpoint = match short {
            true => "DELETE /{db}/_index/{design}/{key}/{function}",
            false => "DELETE /{db}/_index/_design/{design}/{key}/{function}",
        };
        row(endpoint, &format!("/db/_index/{path}")).gets(404, "not_found", "missing")
    };
    vec![
        make("{}").gets(400, "missing_required_key", "Missing required key: index"),
        make("{\"index\":[]}").gets(
            400,
            "invalid_index",
            "JSON indexes must be an object, not: []",
        ),
        fields("null").gets(
            400,
            "invalid_sort_json",
            "Sort must be an array of sort specs, not: null",
        ),
        fields("[\"\"]").gets(400, "invalid_sort_field", "Invalid sort field: \"\""),
        fields("[[\"a\"]]").gets(400, "invalid_sort_field", "Invalid sort field: [\"a\"]"),
        make("{\"index\":{\"fields\":[\"a\"]},\"type\":\"text\"}").gets(
            503,
            "required index service unavailable",
            "text",
        ),
        listed("limit=0"),
        listed("limit=-1"),
        listed("skip=99999999999999999999999999999999999999999"),
        remove("design/json/x", true),
        remove("none/json/x", true),
        remove("design/text/x", true),
        remove("_design/design/json/x", false),
        remove("_design/none/%00/x", false),
        row(BULK_DELETE, "/db/_index/_bulk_delete").json("{\"docids\":[null]}").gets(
            400,
            "invalid_index_name",
            "Invalid index name: null",
        ),
    ]
}
