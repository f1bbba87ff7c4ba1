//! Requests about many documents.

use super::row::{Row, no_json, no_json_type, row};

const BULK: &str = "POST /{db}/_bulk_docs";
const GET: &str = "POST /{db}/_bulk_get";

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (endpoint, path) in [
        (BULK, "/db/_bulk_docs"),
        (GET, "/db/_bulk_get"),
        ("POST /{db}/_revs_diff", "/db/_revs_diff"),
        ("POST /{db}/_missing_revs", "/db/_missing_revs"),
    ] {
        rows.extend(no_json(endpoint, path));
        rows.extend(no_json_type(endpoint, path));
        let object = "Request body must be a JSON object";
        rows.push(row(endpoint, path).json("[]").bad(object));
        rows.push(row(endpoint, path).json("5").bad(object));
        rows.push(row(endpoint, path).json("null").bad(object));
        rows.push(row(endpoint, &path.replace("db", "none")).json("{}").gets(
            404,
            "not_found",
            "Database does not exist.",
        ));
    }
    rows.extend(documents());
    rows.extend(reads());
    for path in ["_revs_diff", "_missing_revs"] {
        let endpoint = format!("POST /{{db}}/{path}");
        let ask = |text: &str| row(&endpoint, &format!("/db/{path}")).json(text);
        let lists = "Request body must map document ids to lists of revisions";
        rows.extend([
            ask("{\"a\":5}").bad(lists),
            ask("{\"a\":{}}").bad(lists),
            ask("{\"a\":\"1-a\"}").bad(lists),
            ask("{\"a\":[5]}").bad(lists),
            ask("{\"a\":[\"x\"]}").bad("Invalid rev format"),
            ask("{\"a\":[\"1-a\"],\"b\":[\"\"]}").bad("Invalid rev format"),
        ]);
    }
    rows
}

/// One fault refuses all documents of a request.
fn documents() -> Vec<Row> {
    let ask = |text: &str| row(BULK, "/db/_bulk_docs").json(text);
    let second = |document: &str| ask(&format!("{{\"docs\":[{{\"_id\":\"new\"}},{document}]}}"));
    let illegal = |id: &str, reason: &str| {
        second(&format!("{{\"_id\":{id}}}")).gets(400, "illegal_docid", reason)
    };
    let big = format!("{{\"_id\":\"big\",\"x\":\"{}\"}}", "x".repeat(9_000_000));
    let many = format!("{{\"docs\":[{}5]}}", "{\"_id\":\"new\"},".repeat(20_000));
    vec![
        ask("{}").bad("POST body must include `docs` parameter."),
        ask("{\"docs\":{}}").bad("`docs` parameter must be an array."),
        ask("{\"docs\":null}").bad("`docs` parameter must be an array."),
        ask("{\"docs\":\"[]\"}").bad("`docs` parameter must be an array."),
        ask("{\"docs\":[{}],\"docs\":[{}]}").bad("invalid UTF-8 JSON"),
        ask("{\"docs\":[{\"_id\":\"new\"}],\"new_edits\":1}")
            .bad("`new_edits` parameter must be a boolean."),
        ask("{\"docs\":[{\"_id\":\"new\"}],\"new_edits\":\"false\"}")
            .bad("`new_edits` parameter must be a boolean."),
        ask("{\"docs\":[{\"_id\":\"new\"}],\"new_edits\":null}")
            .bad("`new_edits` parameter must be a boolean."),
        ask("{\"docs\":[{\"_id\":\"new\"}],\"new_edits\":false}")
            .bad("When `new_edits: false`, the document needs `_rev` or `_revisions` specified"),
        ask("{\"docs\":[{\"_id\":\"new\"}]").bad("invalid UTF-8 JSON"),
        ask("{\"docs\":[{\"_id\":\"new\"},]}").bad("invalid UTF-8 JSON"),
        ask("{\"docs\":[{\"_id\":\"new\"}]} x").bad("invalid UTF-8 JSON"),
        ask("{\"docs\":[{\"_id\":\"new\"}],\"x\":1e999}").bad("invalid UTF-8 JSON"),
        second("{\"x\":\"\\ud800\"}").bad("invalid UTF-8 JSON"),
        second("{\"x\":1e999}").bad("invalid UTF-8 JSON"),
        second("5").bad("Document must be a JSON object"),
        second("null").bad("Document must be a JSON object"),
        second("[]").bad("Document must be a JSON object"),
        second("{\"_foo\":1}").gets(400, "doc_validation", "Bad special document member: _foo"),
        second("{\"_deleted\":1}").gets(
            400,
            "doc_validation",
            "Bad special document member: _deleted",
        ),
        second("{\"_rev\":\"x\"}").bad("Invalid rev format"),
        second("{\"_attachments\":{\"a\":{\"data\":\"!\"}}}").bad("Invalid attachment data for a"),
        second("{\"_attachments\":{\"_a\":{\"data\":\"\"}}}")
            .bad("Attachment name '_a' starts with prohibited character '_'"),
        illegal("5", "Document id must be a string"),
        illegal("\"\"", "Document id must not be empty"),
        illegal("\"_foo\"", "Only reserved document ids may start with underscore."),
        second(&big).gets(413, "document_too_large", "big"),
        ask(&many).bad("Document must be a JSON object"),
    ]
}

fn reads() -> Vec<Row> {
    let ask = |query: &str, text: &str| row(GET, &format!("/db/_bulk_get{query}")).json(text);
    let mut rows = vec![
        ask("", "{}").bad("Missing JSON list of 'docs'."),
        ask("", "{\"docs\":{}}").bad("Missing JSON list of 'docs'."),
        ask("", "{\"docs\":null}").bad("Missing JSON list of 'docs'."),
        ask("", "{\"docs\":\"a\"}").bad("Missing JSON list of 'docs'."),
    ];
    for option in ["open_revs", "new_edits", "w", "rev", "atts_since"] {
        rows.push(
            ask(&format!("?{option}=x"), "{\"docs\":[]}")
                .bad(&format!("\"{option}\" query parameter is not acceptable")),
        );
    }
    rows
}
