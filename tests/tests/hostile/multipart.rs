//! Documents with their attachments in parts.

use super::raw::Framing;
use super::row::{Row, row};

const PUT: &str = "PUT /{db}/{doc}";

const RELATED: &str = "multipart/related; boundary=\"b\"";

/// A document that says one attachment of five bytes follows.
const ONE: &str = r#"{"_attachments":{"a":{"follows":true,"length":5,"content_type":"x/y"}}}"#;

pub(crate) fn rows() -> Vec<Row> {
    let send = |body: &str| row(PUT, "/db/new").body(body, RELATED);
    let typed = |content_type: &str| row(PUT, "/db/new").body(related("{}", &[]), content_type);
    let parts = |document: &str, parts: &[&str]| send(&related(document, parts));
    let boundary = "multipart without a valid boundary";
    let unfinished = "multipart body ends before its closing boundary";
    let headers = "multipart part has invalid headers";
    let digest = r#"{"_attachments":{"a":{"follows":true,"length":5,"digest":"md5-AAAAAAAAAAAAAAAAAAAAAA=="}}}"#;
    let gzip = r#"{"_attachments":{"a":{"follows":true,"length":5,"encoding":"gzip"}}}"#;
    let mut rows = vec![
        typed("multipart/related").bad(boundary),
        typed("multipart/related; boundary=").bad(boundary),
        typed("multipart/related; boundary=\"\"").bad(boundary),
        typed("multipart/related; boundary=\"b").bad(boundary),
        typed(&format!("multipart/related; boundary={}", "b".repeat(71))).bad(boundary),
        typed("multipart/related; boundary=\"b \"").bad(boundary),
        typed("multipart/related; boundary=other").bad(unfinished),
        send("").bad(unfinished),
        send("{}").bad(unfinished),
        send("--b").bad(unfinished),
        send("--b--").bad("the document's part is missing"),
        send("--b\r\n\r\n{}").bad(unfinished),
        send("--b\r\n\r\n{}\r\n--b").bad(unfinished),
        send("--b\r\n\r\n{}\r\n--b-").bad(unfinished),
        send("--b\n\n{}\n--b--").bad("multipart boundary is not on a line of its own"),
        send("--bx\r\n\r\n{}\r\n--b--").bad("multipart boundary is not on a line of its own"),
        send(&format!("--b{}\r\n", " ".repeat(100)))
            .bad("multipart boundary is not on a line of its own"),
        send(&"x".repeat(20_000)).bad("multipart body does not begin with its boundary"),
        send("--b\r\nno header\r\n\r\n{}\r\n--b--").bad(headers),
        send("--b\r\nA b: c\r\n\r\n{}\r\n--b--").bad(headers),
        send("--b\r\n: c\r\n\r\n{}\r\n--b--").bad(headers),
        send(&format!("--b\r\nA: {}\r\n\r\n{{}}\r\n--b--", "x".repeat(20_000))).bad(headers),
        send(&format!("--b\r\n{}\r\n{{}}\r\n--b--", "A: b\r\n".repeat(40))).bad(headers),
        parts("{", &[]).bad("invalid UTF-8 JSON"),
        parts("", &[]).bad("invalid UTF-8 JSON"),
        parts("{\"x\":\"\\ud800\"}", &[]).bad("invalid UTF-8 JSON"),
        parts(&"[".repeat(600), &[]).bad("invalid UTF-8 JSON"),
        parts("5", &[]).bad("Document must be a JSON object"),
        parts("{\"_foo\":1}", &[]).gets(400, "doc_validation", "Bad special document member: _foo"),
        parts("{\"_rev\":\"x\"}", &[]).bad("Invalid rev format"),
        parts(ONE, &[]).bad("an attachment that follows is missing"),
        parts(ONE, &["\r\nhell"]).bad("attachment shorter than expected"),
        parts(ONE, &["\r\nhello!"]).bad("attachment longer than expected"),
        parts(ONE, &["\r\nhello", "\r\nmore"])
            .bad("a part is no attachment that the document says follows"),
        parts("{}", &["\r\nhello"]).bad("a part is no attachment that the document says follows"),
        parts(ONE, &["Content-Disposition: attachment; filename=\"z\"\r\n\r\nhello"])
            .bad("a part is no attachment that the document says follows"),
        parts(ONE, &["Content-Encoding: br\r\n\r\nhello"]).gets(
            415,
            "bad_content_type",
            "Only gzip and identity content-encodings are supported",
        ),
        parts(ONE, &["Content-Encoding: gzip\r\n\r\nhello"])
            .bad("the attachment is not valid gzip"),
        parts(gzip, &["\r\nhello"]).bad("the attachment is not valid gzip"),
        parts(digest, &["\r\nhello"]).gets(
            400,
            "content_md5_mismatch",
            "Possible message corruption.",
        ),
        parts(&ONE.replace("\"a\"", "\"_a\""), &["\r\nhello"])
            .bad("Attachment name '_a' starts with prohibited character '_'"),
        parts(&ONE.replace('5', "\"5\""), &["\r\nhello"]).bad("Invalid attachment data for a"),
        parts(&ONE.replace('5', "-5"), &["\r\nhello"]).bad("Invalid attachment data for a"),
        send(&related(ONE, &["\r\nhello"])).header("Content-Encoding", "gzip").gets(
            415,
            "bad_content_type",
            "multipart/related is read unencoded only",
        ),
        send(&related(ONE, &["\r\nhello"]))
            .framed(Framing::BrokenChunk)
            .bad("the request body could not be read"),
        send("--b\r\n\r\n{}\r\n")
            .framed(Framing::Short(100))
            .bad("the request body could not be read"),
        row(PUT, "/db/d").body(related("{}", &[]), RELATED).gets(
            409,
            "conflict",
            "Document update conflict.",
        ),
    ];
    let big = format!("{{\"_id\":\"big\",\"x\":\"{}\"}}", "x".repeat(9_000_000));
    rows.push(parts(&big, &[]).gets(413, "document_too_large", "big"));
    rows
}

/// A document and what follows it, each with its headers, an empty line and its bytes.
fn related(document: &str, parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("\r\n--b\r\n{part}")).collect();
    format!("--b\r\nContent-Type: application/json\r\n\r\n{document}{parts}\r\n--b--")
}
