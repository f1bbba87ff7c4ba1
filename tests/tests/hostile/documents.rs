//! Documents, design documents and local documents.

use super::row::{Row, no_json, no_json_type, row};

const BODY_AND_QUERY: &str =
    "Document rev from request body and query string have different values";

/// Endpoints that write one document, with a path of each.
const WRITERS: [(&str, &str); 4] = [
    ("POST /{db}", "/db"),
    ("PUT /{db}/{doc}", "/db/new"),
    ("PUT /{db}/_design/{design}", "/db/_design/new"),
    ("PUT /{db}/_local/{local}", "/db/_local/new"),
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (endpoint, path) in WRITERS {
        rows.extend(no_json(endpoint, path));
        rows.extend(faulty(endpoint, path));
    }
    rows.extend(no_json_type("POST /{db}", "/db"));
    rows.extend(revisions());
    rows.extend(ids());
    rows.extend(reads());
    rows.extend(copies());
    for (endpoint, path) in
        [("POST /{db}/{doc}", "/db/d"), ("POST /{db}/_design/{design}", "/db/_design/design")]
    {
        let form = || row(endpoint, path).body("--b--", "multipart/form-data; boundary=b");
        rows.push(form().bad("Referer header required."));
        let foreign = form().header("Referer", "http://evil.test/");
        rows.push(foreign.bad("Referer header must match host."));
        rows.push(form().header("Referer", "nowhere").bad("Referer header must match host."));
    }
    rows
}

/// Documents that break a rule.
fn faulty(endpoint: &str, path: &str) -> Vec<Row> {
    let text = |text: &str| row(endpoint, path).json(text);
    let invalid = |json: &str, reason: &str| text(json).gets(400, "doc_validation", reason);
    let bad_id = |id: &str, reason: &str| {
        text(&format!("{{\"_id\":{id}}}")).gets(400, "illegal_docid", reason)
    };
    let revisions = |inside: &str, reason: &str| {
        invalid(&format!("{{\"_id\":\"r\",\"_revisions\":{inside}}}"), reason)
    };
    let object = "Document must be a JSON object";
    let reserved = "Only reserved document ids may start with underscore.";
    let hexadecimal = "RevId isn't a valid hexadecimal";
    let body = format!("{{\"_id\":\"big\",\"x\":\"{}\"}}", "x".repeat(9_000_000));
    let mut rows = vec![
        text("[]").bad(object),
        text("5").bad(object),
        text("null").bad(object),
        text("\"{}\"").bad(object),
        invalid("{\"_foo\":1}", "Bad special document member: _foo"),
        invalid("{\"_\":1}", "Bad special document member: _"),
        invalid("{\"\\u005ffoo\":1}", "Bad special document member: _foo"),
        invalid("{\"_deleted\":\"yes\"}", "Bad special document member: _deleted"),
        invalid("{\"_deleted\":null}", "Bad special document member: _deleted"),
        invalid("{\"_attachments\":[]}", "Bad special document member: _attachments"),
        invalid("{\"_attachments\":5}", "Bad special document member: _attachments"),
        invalid("{\"_revisions\":5}", "Bad special document member: _revisions"),
        revisions("{}", "_revisions.start isn't an integer."),
        revisions("{\"start\":\"1\",\"ids\":[]}", "_revisions.start isn't an integer."),
        revisions("{\"start\":1.5,\"ids\":[]}", "_revisions.start isn't an integer."),
        revisions("{\"start\":1}", "_revisions.ids isn't a array."),
        revisions("{\"start\":1,\"ids\":{}}", "_revisions.ids isn't a array."),
        revisions("{\"start\":1,\"ids\":[1]}", "RevId isn't a string"),
        revisions("{\"start\":1,\"ids\":[\"\"]}", hexadecimal),
        revisions(&format!("{{\"start\":1,\"ids\":[\"{}\"]}}", "z".repeat(32)), hexadecimal),
        revisions(&format!("{{\"start\":1,\"ids\":[\"{}\"]}}", "z".repeat(300)), hexadecimal),
        revisions(
            "{\"start\":1,\"ids\":[\"b\",\"a\"]}",
            "_revisions.ids has more revisions than _revisions.start.",
        ),
        bad_id("5", "Document id must be a string"),
        bad_id("null", "Document id must be a string"),
        bad_id("[]", "Document id must be a string"),
        bad_id("\"\"", "Document id must not be empty"),
        bad_id("\"_foo\"", reserved),
        bad_id("\"_design\"", reserved),
        bad_id("\"_design/\"", "Illegal document id `_design/`"),
        bad_id("\"_local/\"", "Illegal document id `_local/`"),
        bad_id(&format!("\"{}\"", "i".repeat(5000)), "Document id is too long"),
        text(&body).gets(413, "document_too_large", "big"),
    ];
    let revs = ["5", "null", "\"\"", "\"1\"", "\"-a\"", "\"1-\"", "\"a-b\"", "\"1-a\\nb\"", "[]"];
    let revs = revs.into_iter().map(str::to_owned);
    let not_hexadecimal = format!("\"1-{}\"", "g".repeat(32));
    let too_long = format!("\"1-{}\"", "g".repeat(300));
    for rev in revs.chain([not_hexadecimal, too_long, format!("\"{}-a\"", "9".repeat(30))]) {
        rows.push(text(&format!("{{\"_rev\":{rev}}}")).bad("Invalid rev format"));
    }
    if !path.contains("_local") {
        rows.extend(attachments(endpoint, path));
    }
    rows
}

/// Attachments within a document that cannot be.
fn attachments(endpoint: &str, path: &str) -> Vec<Row> {
    let with = |name: &str, member: &str| {
        row(endpoint, path).json(format!("{{\"_attachments\":{{\"{name}\":{member}}}}}"))
    };
    let mut rows = vec![
        with("_a", "{\"data\":\"\"}")
            .bad("Attachment name '_a' starts with prohibited character '_'"),
        with("a", "{\"follows\":true,\"length\":1}")
            .bad("Attachment a follows, but the request is not multipart/related"),
        with("a", "{\"stub\":true}").gets(
            412,
            "missing_stub",
            match endpoint {
                "PUT /{db}/_design/{design}" => "Invalid attachment stub in _design/new for a",
                _ => "Invalid attachment stub in new for a",
            },
        ),
    ];
    if endpoint == "POST /{db}" {
        // It would tell a generated id.
        rows.pop();
    }
    for data in [
        "{}",
        "{\"data\":5}",
        "{\"data\":\"\",\"revpos\":\"1\"}",
        "{\"data\":\"!\"}",
        "{\"data\":\"YQ=\"}",
    ] {
        rows.push(with("a", data).bad("Invalid attachment data for a"));
    }
    rows
}

/// Revisions that a request names.
fn revisions() -> Vec<Row> {
    let conflict = |row: Row| row.gets(409, "conflict", "Document update conflict.");
    let put = |query: &str| row("PUT /{db}/{doc}", &format!("/db/d{query}")).json("{}");
    let with_rev =
        |query: &str| row("PUT /{db}/{doc}", &format!("/db/d{query}")).json("{\"_rev\":\"1-a\"}");
    let delete = |query: &str| row("DELETE /{db}/{doc}", &format!("/db/d{query}"));
    let etag = "Document rev and etag have different values";
    let mut rows = vec![
        conflict(put("")),
        conflict(put("?rev=1-b")),
        conflict(put("?rev=2-a")),
        conflict(put("").header("If-Match", "\"1-b\"")),
        with_rev("?rev=1-b").bad(BODY_AND_QUERY),
        with_rev("").header("If-Match", "1-b").bad(etag),
        put("?rev=1-a").header("If-Match", "1-b").bad(etag),
        put("?new_edits=false")
            .bad("When `new_edits: false`, the document needs `_rev` or `_revisions` specified"),
        conflict(delete("")),
        conflict(delete("?rev=1-b")),
        row("DELETE /{db}/{doc}", "/db/none?rev=1-a").gets(404, "not_found", "missing"),
        row("DELETE /{db}/{doc}", "/db/gone?rev=1-a").gets(404, "not_found", "deleted"),
        conflict(row("DELETE /{db}/_design/{design}", "/db/_design/design?rev=1-b")),
        row("DELETE /{db}/_local/{local}", "/db/_local/none").gets(404, "not_found", "missing"),
    ];
    for malformed in ["rev=", "rev=x", "rev=1", "rev=%20"] {
        let bad = |row: Row| row.bad("Invalid rev format");
        rows.push(bad(put(&format!("?{malformed}"))));
        rows.push(bad(delete(&format!("?{malformed}"))));
        rows.push(bad(row("GET /{db}/{doc}", &format!("/db/d?{malformed}"))));
        let design = format!("/db/_design/design?{malformed}");
        rows.push(bad(row("PUT /{db}/_design/{design}", &design).json("{}")));
        rows.push(bad(row("DELETE /{db}/_design/{design}", &design)));
        rows.push(bad(row("GET /{db}/_design/{design}", &design)));
    }
    rows.push(put("").header("If-Match", "*").bad("Invalid rev format"));
    rows.push(put("").header("If-Match", "W/\"1-a\"").bad("Invalid rev format"));
    rows
}

/// Ids that a path cannot name.
fn ids() -> Vec<Row> {
    let put = |path: &str| row("PUT /{db}/{doc}", path).json("{}");
    let reserved = "Only reserved document ids may start with underscore.";
    let long = "i".repeat(5000);
    let path = |path: &str| row("GET /{db}/{doc}", path);
    vec![
        put("/db/_foo").gets(400, "illegal_docid", reserved),
        put("/db/%5Ffoo").gets(400, "illegal_docid", reserved),
        put("/db/_design").gets(400, "illegal_docid", reserved),
        put(&format!("/db/{long}")).gets(400, "illegal_docid", "Document id is too long"),
        path(&format!("/db/{long}")).gets(400, "illegal_docid", "Document id is too long"),
        path("/db/_foo").gets(404, "not_found", "missing"),
        path("/db/none").gets(404, "not_found", "missing"),
        path("/db/gone").gets(404, "not_found", "deleted"),
        path("/none/d").gets(404, "not_found", "Database does not exist."),
        path("/No-Name/d").gets(404, "not_found", "Database does not exist."),
        path("/db/%ff").bad("The URL is not UTF-8"),
        path("/db/%C0%AF").bad("The URL is not UTF-8"),
        path("/db/%ED%A0%80").bad("The URL is not UTF-8"),
        path("/db/d%").bad("invalid_url_encoding"),
        path("/db/..").bad("Path with a dot segment"),
        path("/db/../_users").bad("Path with a dot segment"),
        path("/db//d").bad("Path with an empty segment"),
        path(&format!("/db{}", "/a".repeat(70))).bad("Path with too many segments"),
        row("PUT /{db}/_local/{local}", "/db/_local").json("{}").bad("Invalid _local document id."),
        row("PUT /{db}/_local/{local}", "/db/_local/a/b")
            .json("{}")
            .bad("_local documents do not accept attachments."),
        row("PUT /{db}/_local/{local}", "/db/_local/new")
            .json("{\"_attachments\":{\"a\":{\"data\":\"\"}}}")
            .bad("_local documents do not accept attachments."),
        row("GET /{db}/{doc}", "/db/d").method("PATCH").gets(
            405,
            "method_not_allowed",
            "Only DELETE,GET,HEAD,POST,PUT,COPY allowed",
        ),
    ]
}

/// Options of reads.
fn reads() -> Vec<Row> {
    let mut rows = Vec::new();
    for (endpoint, path) in
        [("GET /{db}/{doc}", "/db/d"), ("GET /{db}/_design/{design}", "/db/_design/design")]
    {
        let get = |query: &str| row(endpoint, &format!("{path}?{query}"));
        for option in ["open_revs", "atts_since"] {
            for list in ["[", "x", "%22", "[%221-a%22", "%22%5Cud800%22"] {
                rows.push(get(&format!("{option}={list}")).bad("invalid UTF-8 JSON"));
            }
            for list in ["5", "{}", "%22all%22", "true"] {
                rows.push(get(&format!("{option}={list}")).bad("Invalid list of revisions"));
            }
            for list in ["[5]", "[%22x%22]", "[null]", "[[%221-a%22]]", "[%22%22]"] {
                rows.push(get(&format!("{option}={list}")).bad("Invalid rev format"));
            }
        }
        rows.push(get("rev=9-z").gets(404, "not_found", "missing"));
    }
    rows.push(row("GET /{db}/{doc}", "/db/none?open_revs=all").gets(404, "not_found", "missing"));
    rows
}

fn copies() -> Vec<Row> {
    let mut rows = Vec::new();
    for (endpoint, path) in
        [("COPY /{db}/{doc}", "/db/d"), ("COPY /{db}/_design/{design}", "/db/_design/design")]
    {
        let to = |to: &str| row(endpoint, path).header("Destination", to);
        let illegal = |id: &str, reason: &str| to(id).gets(400, "illegal_docid", reason);
        rows.extend([
            row(endpoint, path).bad("Destination header is mandatory for COPY."),
            illegal("_foo", "Only reserved document ids may start with underscore."),
            illegal("_local/x", "Only reserved document ids may start with underscore."),
            illegal("_design/", "Illegal document id `_design/`"),
            to("http://evil.test/db/x").bad("Destination URL must be relative."),
            to("x?other=1-a").bad("Destination may have `?rev=` only."),
            to("x?rev=y").bad("Invalid rev format"),
            to("%zz").bad("invalid_url_encoding"),
            to("%ff").bad("The URL is not UTF-8"),
            to("d").gets(409, "conflict", "Document update conflict."),
            to("d?rev=1-b").gets(409, "conflict", "Document update conflict."),
            row(endpoint, &format!("{path}?rev=x"))
                .header("Destination", "x")
                .bad("Invalid rev format"),
            row(endpoint, &format!("{path}?rev=9-z")).header("Destination", "x").gets(
                404,
                "not_found",
                "missing",
            ),
        ]);
    }
    let none = row("COPY /{db}/{doc}", "/db/none").header("Destination", "x");
    rows.push(none.gets(404, "not_found", "missing"));
    rows
}
