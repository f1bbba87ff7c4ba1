//! Attachments by requests of their own.

use super::raw::Framing;
use super::row::{Row, row};

pub(crate) fn rows() -> Vec<Row> {
    let put = |path: &str| row("PUT /{db}/{doc}/{att}", path).body("x", "text/plain");
    let get = |path: &str| row("GET /{db}/{doc}/{att}", path);
    let delete = |path: &str| row("DELETE /{db}/{doc}/{att}", path);
    let conflict = |row: Row| row.gets(409, "conflict", "Document update conflict.");
    let prohibited =
        |name: &str| format!("Attachment name '{name}' starts with prohibited character '_'");
    let not_satisfiable = |range: &str| {
        get("/db/d/a.txt").header("Range", range).gets(
            416,
            "requested_range_not_satisfiable",
            "Requested range not satisfiable",
        )
    };
    let missing = "Document is missing attachment";
    let encodings = "Only gzip and identity content-encodings are supported";
    let mut rows = vec![
        put("/db/d/_a?rev=1-a").bad(&prohibited("_a")),
        put("/db/d/_a/b?rev=1-a").bad(&prohibited("_a/b")),
        put("/db/d/%FF?rev=1-a").bad("The URL is not UTF-8"),
        put("/db/d/a//b?rev=1-a").bad("Path with an empty segment"),
        put("/db/d/a/../b?rev=1-a").bad("Path with a dot segment"),
        conflict(put("/db/d/a.txt")),
        put("/db/d/a.txt?rev=1-b").gets(409, "not_found", "missing_rev"),
        put("/db/d/a.txt").header("If-Match", "1-b").gets(409, "not_found", "missing_rev"),
        put("/db/d/a.txt?rev=1-a")
            .header("If-Match", "1-b")
            .bad("Document rev and etag have different values"),
        put("/db/none/a?rev=1-a").gets(409, "not_found", "missing_rev"),
        put("/none/d/a").gets(404, "not_found", "Database does not exist."),
        put("/db/_foo/a").gets(
            400,
            "illegal_docid",
            "Only reserved document ids may start with underscore.",
        ),
        put("/db/_local/a/b").bad("_local documents do not accept attachments."),
        put("/db/d/a?rev=1-a").header("Content-Encoding", "br").gets(
            415,
            "bad_content_type",
            encodings,
        ),
        put("/db/d/a?rev=1-a")
            .header("Content-Encoding", "gzip")
            .bad("the attachment is not valid gzip"),
        put("/db/d/a?rev=1-a").header("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==").gets(
            400,
            "content_md5_mismatch",
            "Possible message corruption.",
        ),
        put("/db/d/a?rev=1-a").framed(Framing::Short(10)).bad("the request body could not be read"),
        put("/db/d/a?rev=1-a")
            .framed(Framing::BrokenChunk)
            .bad("the request body could not be read"),
        put("/db/d/a?rev=1-a").framed(Framing::Short((1 << 30) + 1)).gets(
            413,
            "attachment_too_large",
            "a",
        ),
        get("/db/d/none").gets(404, "not_found", missing),
        get("/db/none/a.txt").gets(404, "not_found", "missing"),
        get("/db/gone/a.txt").gets(404, "not_found", "deleted"),
        get("/db/d/a.txt?rev=9-z").gets(404, "not_found", "missing"),
        delete("/db/d/none?rev=1-a").gets(404, "not_found", missing),
        delete("/db/d/none").gets(404, "not_found", missing),
        conflict(delete("/db/d/a.txt")),
        delete("/db/none/a.txt").gets(404, "not_found", "missing"),
        row("PUT /{db}/_design/{design}/{att}", "/db/_design/design/_a?rev=1-a")
            .body("x", "")
            .bad(&prohibited("_a")),
        row("PUT /{db}/_design/{design}/{att}", "/db/_design/design/a?rev=1-b")
            .body("x", "text/plain")
            .gets(409, "not_found", "missing_rev"),
        row("GET /{db}/_design/{design}/{att}", "/db/_design/design/a").gets(
            404,
            "not_found",
            missing,
        ),
        row("DELETE /{db}/_design/{design}/{att}", "/db/_design/design/a?rev=1-a").gets(
            404,
            "not_found",
            missing,
        ),
        row("GET /{db}/{doc}/{att}", "/db/d/a.txt").method("POST").gets(
            405,
            "method_not_allowed",
            "Only DELETE,GET,HEAD,PUT allowed",
        ),
    ];
    rows.extend(["bytes=5-", "bytes=9-10", "bytes=3-2", "bytes=-0"].map(not_satisfiable));
    for malformed in ["rev=", "rev=x", "rev=1"] {
        let bad = |row: Row| row.bad("Invalid rev format");
        rows.push(bad(put(&format!("/db/d/a?{malformed}"))));
        rows.push(bad(get(&format!("/db/d/a.txt?{malformed}"))));
        rows.push(bad(delete(&format!("/db/d/a.txt?{malformed}"))));
    }
    rows
}
