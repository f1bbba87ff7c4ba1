//! Databases and what is set for them.

use super::row::{Row, no_json, no_json_type, row};

const CHARACTERS: &str = "Only lowercase characters (a-z), digits (0-9), and any of the characters \
                          _, $, (, ), +, -, and / are allowed. Must begin with a letter.";

pub(crate) fn rows() -> Vec<Row> {
    let put = |path: &str| row("PUT /{db}", path);
    let illegal = |sent: &str, name: &str| {
        put(&format!("/{sent}")).gets(
            400,
            "illegal_database_name",
            &format!("Name: '{name}'. {CHARACTERS}"),
        )
    };
    let none = "Database does not exist.";
    let long = "a".repeat(239);
    let too_long = format!("At least one path segment of `{long}` is too long.");
    let mut rows = vec![
        illegal("Name", "Name"),
        illegal("1a", "1a"),
        illegal("_name", "_name"),
        illegal("a.b", "a.b"),
        illegal("a%20b", "a b"),
        illegal("%C3%A9", "é"),
        illegal("a%00", "a\0"),
        put(&format!("/{long}")).gets(400, "database_name_too_long", &too_long),
        put("/db").gets(
            412,
            "file_exists",
            "The database could not be created, the file already exists.",
        ),
        put("/new?partitioned=1").bad("Invalid `partitioned` parameter"),
        put("/new?q=0").bad("The `q` value should be a positive integer."),
        put("/new?q=x").bad("The `q` value should be a positive integer."),
        put("/new?n=-1").bad("The `n` value should be a positive integer."),
        row("GET /{db}", "/none").gets(404, "not_found", none),
        row("GET /{db}", "/No-Name").gets(404, "not_found", none),
        row("DELETE /{db}", "/none").gets(404, "not_found", none),
        row("DELETE /{db}", "/db?rev=1-a").bad(
            "You tried to DELETE a database with a ?=rev parameter. Did you mean to DELETE a \
             document instead?",
        ),
        row("GET /{db}", "/db").method("PATCH").gets(
            405,
            "method_not_allowed",
            "Only DELETE,GET,HEAD,POST,PUT allowed",
        ),
        row("POST /{db}/_compact/{design}", "/db/_compact/none").json("{}").gets(
            404,
            "not_found",
            "missing",
        ),
        row("POST /{db}/_compact", "/none/_compact").json("{}").gets(404, "not_found", none),
        row("GET /{db}/_shards/{doc}", "/none/_shards/d").gets(404, "not_found", none),
    ];
    for path in ["_compact", "_ensure_full_commit"] {
        let endpoint = format!("POST /{{db}}/{path}");
        rows.extend(no_json_type(&endpoint, &format!("/db/{path}")));
    }
    rows.extend(no_json("POST /{db}/_purge", "/db/_purge"));
    rows.extend(no_json_type("POST /{db}/_purge", "/db/_purge"));
    rows.extend(no_json("PUT /{db}/_purged_infos_limit", "/db/_purged_infos_limit"));
    rows.push(
        row("POST /{db}/_partition/{partition}/_all_docs", "/db/_partition/p/_all_docs")
            .json("{}")
            .bad("database is not partitioned"),
    );
    rows.extend(limits());
    rows.extend(security());
    rows
}

fn limits() -> Vec<Row> {
    let endpoint = "PUT /{db}/_revs_limit";
    let put = |text: &str| row(endpoint, "/db/_revs_limit").json(text);
    let mut rows = no_json(endpoint, "/db/_revs_limit");
    for limit in ["0", "-1", "1.5", "\"1000\"", "null", "{}", "[]", "true", "1e3"] {
        rows.push(put(limit).bad("`revs_limit` must be a positive integer"));
    }
    rows.push(row(endpoint, "/none/_revs_limit").json("5").gets(
        404,
        "not_found",
        "Database does not exist.",
    ));
    rows
}

fn security() -> Vec<Row> {
    let endpoint = "PUT /{db}/_security";
    let put = |text: &str| row(endpoint, "/db/_security").json(text);
    let mut rows = no_json(endpoint, "/db/_security");
    let names = "names must be a JSON list of strings";
    let roles = "roles must be a JSON list of strings";
    rows.extend([
        put("[]").bad("Request body must be a JSON object"),
        put("5").bad("Request body must be a JSON object"),
        put("{\"admins\":5}").bad("admins or members must be a JSON list of strings"),
        put("{\"members\":[]}").bad("admins or members must be a JSON list of strings"),
        put("{\"admins\":{\"names\":5}}").bad(names),
        put("{\"admins\":{\"names\":[5]}}").bad(names),
        put("{\"members\":{\"roles\":{}}}").bad(roles),
        put("{\"members\":{\"roles\":[null]}}").bad(roles),
        row(endpoint, "/none/_security").json("{}").gets(
            404,
            "not_found",
            "Database does not exist.",
        ),
    ]);
    rows
}
