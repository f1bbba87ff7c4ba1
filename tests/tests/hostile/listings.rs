//! Lists of documents.

use super::row::{Row, no_json, no_json_type, row};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for list in ["_all_docs", "_design_docs", "_local_docs"] {
        let path = format!("/db/{list}");
        rows.extend(options(&format!("GET /{{db}}/{list}"), &path));
        let post = format!("POST /{{db}}/{list}");
        rows.extend(no_json(&post, &path));
        rows.extend(no_json_type(&post, &path));
        rows.extend(members(&post, &path));
        let queries = format!("POST /{{db}}/{list}/queries");
        let path = format!("{path}/queries");
        rows.extend(no_json(&queries, &path));
        rows.extend(several(&queries, &path));
    }
    rows
}

fn parse(row: Row, reason: &str) -> Row {
    row.gets(400, "query_parse_error", reason)
}

fn options(endpoint: &str, path: &str) -> Vec<Row> {
    let get = |query: &str| row(endpoint, &format!("{path}?{query}"));
    let mut rows = Vec::new();
    for option in ["key", "keys", "startkey", "start_key", "endkey", "end_key"] {
        for text in ["", "a", "[", "%22", "%22%5Cud800%22", "01", "1e999"] {
            rows.push(get(&format!("{option}={text}")).bad("invalid UTF-8 JSON"));
        }
        let deep = format!("{option}={}", "%5B".repeat(600));
        rows.push(get(&deep).bad("invalid UTF-8 JSON"));
    }
    for option in ["inclusive_end", "descending", "update_seq", "include_docs", "conflicts"] {
        for text in ["1", "yes", "", "%22true%22", "null"] {
            let reason = format!("Invalid boolean parameter: {:?}", text.replace("%22", "\""));
            rows.push(parse(get(&format!("{option}={text}")), &reason));
        }
    }
    for option in ["limit", "skip"] {
        for text in ["", "x", "1.5", "1e3", "%2B", "0x1", "%225%22"] {
            let shown = text.replace("%22", "\"").replace("%2B", "+");
            let reason = format!("Invalid value for integer: {shown:?}");
            rows.push(parse(get(&format!("{option}={text}")), &reason));
        }
        let reason = "Invalid value for positive integer: \"-1\"";
        rows.push(parse(get(&format!("{option}=-1")), reason));
    }
    for keys in ["5", "{}", "%22a%22", "true"] {
        rows.push(parse(get(&format!("keys={keys}")), "`keys` must be an array of strings."));
    }
    let incompatible = "`keys` is incompatible with `key`, `start_key` and `end_key`";
    rows.push(parse(get("keys=[%22a%22]&key=%22a%22"), incompatible));
    rows.push(parse(get("keys=[%22a%22]&startkey=%22a%22"), incompatible));
    rows.push(row(endpoint, &path.replace("/db", "/none")).gets(
        404,
        "not_found",
        "Database does not exist.",
    ));
    rows
}

fn members(endpoint: &str, path: &str) -> Vec<Row> {
    let ask = |text: &str| row(endpoint, path).json(text);
    vec![
        ask("[]").bad("Request body must be a JSON object"),
        ask("{\"keys\":5}").bad("`keys` body member must be an array."),
        ask("{\"keys\":{}}").bad("`keys` body member must be an array."),
        ask("{\"keys\":\"a\"}").bad("`keys` body member must be an array."),
        parse(ask("{\"limit\":-1}"), "Invalid value for positive integer: -1"),
        parse(ask("{\"limit\":1.5}"), "Invalid value for integer: 1.5"),
        parse(ask("{\"skip\":[]}"), "Invalid value for integer: []"),
        parse(ask("{\"descending\":1}"), "Invalid boolean parameter: 1"),
        parse(ask("{\"include_docs\":null}"), "Invalid boolean parameter: null"),
        parse(
            ask("{\"keys\":[\"a\"],\"key\":\"a\"}"),
            "`keys` is incompatible with `key`, `start_key` and `end_key`",
        ),
        row(endpoint, &format!("{path}?limit=x")).json("{}").gets(
            400,
            "query_parse_error",
            "Invalid value for integer: \"x\"",
        ),
    ]
}

fn several(endpoint: &str, path: &str) -> Vec<Row> {
    let ask = |text: &str| row(endpoint, path).json(text);
    vec![
        ask("[]").bad("Request body must be a JSON object"),
        ask("{}").bad("POST body must include `queries` parameter."),
        ask("{\"queries\":5}").bad("`queries` member must be an array."),
        ask("{\"queries\":{}}").bad("`queries` member must be an array."),
        ask("{\"queries\":[5]}").bad("`queries` must be an array of objects."),
        ask("{\"queries\":[{},null]}").bad("`queries` must be an array of objects."),
        ask("{\"queries\":[{\"keys\":5}]}").bad("`keys` body member must be an array."),
        parse(ask("{\"queries\":[{},{\"limit\":\"x\"}]}"), "Invalid value for integer: \"x\""),
        ask(&format!("{{\"queries\":[{}{{}}]}}", "{},".repeat(1000)))
            .bad("`queries` must not have more than 1000 elements."),
        row(endpoint, &format!("{path}?keys=[]"))
            .json("{\"queries\":[{}]}")
            .bad("`keys` must be in the body, each query with its own."),
    ]
}
