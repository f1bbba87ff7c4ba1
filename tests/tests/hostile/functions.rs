//! Views and functions of design documents.

use super::raw::Framing;
use super::row::{Row, no_json, no_json_type, row};

const VIEW: &str = "/{db}/_design/{design}/_view/{view}";
const LIST: &str = "/{db}/_design/{design}/_list/{function}/{view}";
const OTHER: &str = "/{db}/_design/{design}/_list/{function}/{other}/{view}";
const SHOW: &str = "/{db}/_design/{design}/_show/{function}";
const UPDATE: &str = "/{db}/_design/{design}/_update/{function}";
const REWRITE: &str = "/{db}/_design/{design}/_rewrite";

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = views();
    rows.extend(lists());
    for (method, pattern, path) in [
        ("POST", SHOW, "/db/_design/f/_show/"),
        ("POST", UPDATE, "/db/_design/f/_update/"),
        ("PUT", UPDATE, "/db/_design/f/_update/"),
    ] {
        rows.extend(texts(&format!("{method} {pattern}"), &format!("{path}ok")));
        rows.extend(texts(&format!("{method} {pattern}/{{rest}}"), &format!("{path}ok/d")));
        rows.extend(names(&format!("{method} {pattern}"), path));
    }
    rows.extend(answers());
    rows.extend(rewrites());
    rows
}

fn parse(row: Row, reason: &str) -> Row {
    row.gets(400, "query_parse_error", reason)
}

fn views() -> Vec<Row> {
    let path = "/db/_design/f/_view/v";
    let post = format!("POST {VIEW}");
    let mut rows = no_json(&post, path);
    rows.extend(no_json_type(&post, path));
    let queries = format!("POST {VIEW}/queries");
    rows.extend(no_json(&queries, &format!("{path}/queries")));
    let partition = "POST /{db}/_partition/{partition}/_design/{design}/_view/{view}";
    rows.extend(no_json(partition, "/db/_partition/p/_design/f/_view/v"));
    for (endpoint, path) in
        [(format!("GET {VIEW}"), path), (format!("GET {LIST}"), "/db/_design/f/_list/ok/v")]
    {
        let get = |query: &str| row(&endpoint, &format!("{path}?{query}"));
        for option in ["key", "keys", "startkey", "endkey", "start_key", "end_key"] {
            for text in ["", "a", "[", "%22%5Cud800%22"] {
                rows.push(get(&format!("{option}={text}")).bad("invalid UTF-8 JSON"));
            }
        }
        for option in ["descending", "reduce", "group", "include_docs", "inclusive_end"] {
            rows.push(parse(get(&format!("{option}=x")), "Invalid boolean parameter: \"x\""));
        }
        for option in ["limit", "skip", "group_level"] {
            let negative = "Invalid value for positive integer: \"-1\"";
            rows.push(parse(get(&format!("{option}=-1")), negative));
            rows.push(parse(get(&format!("{option}=x")), "Invalid value for integer: \"x\""));
        }
        rows.push(parse(get("reduce=true"), "Reduce is invalid for map-only views."));
        rows.push(parse(get("group=true"), "Invalid use of grouping on a map view."));
        rows.push(parse(get("stale=x"), "Invalid value for `stale`."));
    }
    let ask = |text: &str| row(&post, path).json(text);
    rows.push(ask("[]").bad("Request body must be a JSON object"));
    rows.push(ask("{\"keys\":5}").bad("`keys` member must be an array."));
    rows.push(parse(ask("{\"limit\":[]}"), "Invalid value for integer: []"));
    let several = |text: &str| row(&queries, &format!("{path}/queries")).json(text);
    rows.push(several("{}").bad("POST body must include `queries` parameter."));
    rows.push(several("{\"queries\":5}").bad("`queries` member must be an array."));
    rows.push(several("{\"queries\":[5]}").bad("`queries` must be an array of objects."));
    let info = "GET /{db}/_design/{design}/_info";
    rows.push(row(info, "/db/_design/none/_info").gets(404, "not_found", "missing"));
    rows.push(row(info, "/none/_design/f/_info").gets(
        404,
        "not_found",
        "Database does not exist.",
    ));
    rows.push(row(&format!("GET {VIEW}"), "/db/_design/f/_view/none").gets(
        404,
        "not_found",
        "missing_named_view",
    ));
    rows
}

fn lists() -> Vec<Row> {
    let mut rows = Vec::new();
    for (pattern, path) in
        [(LIST, "/db/_design/f/_list/ok/v"), (OTHER, "/db/_design/f/_list/ok/f/v")]
    {
        let endpoint = format!("POST {pattern}");
        rows.extend(no_json(&endpoint, path));
        rows.extend(no_json_type(&endpoint, path));
        rows.push(row(&endpoint, path).json("[]").bad("Request body must be a JSON object"));
        rows.push(row(&endpoint, path).json("{\"keys\":5}").bad("`keys` member must be an array."));
    }
    rows.extend(names(&format!("GET {LIST}"), "/db/_design/f/_list/"));
    rows.push(row(&format!("GET {LIST}"), "/db/_design/f/_list/ok/none").gets(
        404,
        "not_found",
        "missing_named_view",
    ));
    rows
}

/// What takes text of any kind refuses.
fn texts(endpoint: &str, path: &str) -> Vec<Row> {
    let with = |bytes: &[u8]| row(endpoint, path).body(bytes, "text/plain");
    vec![
        with(b"\xff").bad("The request body is not UTF-8"),
        with(b"\xed\xa0\x80").bad("The request body is not UTF-8"),
        with(b"x").header("Content-Encoding", "gzip").bad("the request body is not valid gzip"),
        with(b"x").framed(Framing::Short(5)).bad("the request body could not be read"),
        with(b"x").framed(Framing::BrokenChunk).bad("the request body could not be read"),
        row(endpoint, path)
            .body("a=%zz", "application/x-www-form-urlencoded")
            .bad("invalid_url_encoding"),
        row(endpoint, &format!("{path}?key=x")).bad("invalid UTF-8 JSON"),
    ]
}

/// Names of functions that are none.
fn names(endpoint: &str, path: &str) -> Vec<Row> {
    let rest = if endpoint.ends_with("{view}") { "/v" } else { "" };
    let mut rows = Vec::new();
    for name in ["none", "__proto__", "constructor", "toString", "a%2Fb", "%00"] {
        let shown = name.replace("%2F", "/").replace("%00", "\0");
        let reason = format!("missing json key: {shown}");
        rows.push(row(endpoint, &format!("{path}{name}{rest}")).gets(404, "not_found", &reason));
    }
    let gone = path.replace("/f/", "/none/");
    rows.push(row(endpoint, &format!("{gone}ok{rest}")).gets(404, "not_found", "missing"));
    rows
}

/// Functions that answer what is no answer.
fn answers() -> Vec<Row> {
    let invalid = |name: &str, what: &str| {
        row(&format!("GET {SHOW}"), &format!("/db/_design/f/_show/{name}")).gets(
            500,
            "external_response_error",
            &format!("Invalid data from external server: {what}"),
        )
    };
    vec![
        invalid("code", "\"code\": 99"),
        invalid("status", "\"code\": \"200\""),
        invalid("split", "\"headers\": {\"X-A\":\"b\\r\\nSet-Cookie: c\"}"),
        invalid("other", "\"other\": 1"),
        invalid("base64", "\"base64\": \"*\""),
    ]
}

fn rewrites() -> Vec<Row> {
    let mut rows = Vec::new();
    for method in ["POST", "PUT", "COPY"] {
        for rest in ["", "/{rest}"] {
            let endpoint = format!("{method} {REWRITE}{rest}");
            let ask = |design: &str| {
                row(
                    &endpoint,
                    &format!("/db/_design/{design}/_rewrite{rest}").replace(['{', '}'], ""),
                )
            };
            rows.push(ask("design").gets(404, "rewrite_error", "Invalid path."));
            rows.push(ask("none").gets(404, "not_found", "missing"));
            rows.push(ask("f").gets(404, "not_found", "missing"));
        }
    }
    let get = |path: &str| {
        row(&format!("GET {REWRITE}/{{rest}}"), &format!("/db/_design/f/_rewrite/{path}"))
    };
    rows.push(get("loop").bad("Exceeded rewrite recursion limit"));
    rows.push(get("%2e%2e/x").bad("Path with a dot segment"));
    rows.push(get("key?key=x").bad("invalid UTF-8 JSON"));
    let administer = "A rewrite administers nothing.";
    let delete = format!("DELETE {REWRITE}/{{rest}}");
    rows.push(row(&delete, "/db/_design/f/_rewrite/db").gets(403, "forbidden", administer));
    rows
}
