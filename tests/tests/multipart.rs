//! Documents and their attachments in bodies of several parts, as CouchDB's replicator has them.

#![allow(clippy::unwrap_used, reason = "suites may panic")]

use serde_json::{Value, json};
use tests::exchange::{check, error, with_db};
use tests::{Body, Hub};

const RELATED: &str = "multipart/related; boundary=\"b\"";

/// `hello` as gzip writes it.
const HELLO_GZIP: &[u8] =
    &[31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 203, 72, 205, 201, 201, 7, 0, 134, 166, 16, 54, 5, 0, 0, 0];

/// A document and the parts that follow it, each with the lines of its headers.
fn related(document: &Value, parts: &[(&str, &[u8])]) -> Body {
    let mut body = format!("--b\r\nContent-Type: application/json\r\n\r\n{document}").into_bytes();
    for (headers, data) in parts {
        body.extend_from_slice(format!("\r\n--b\r\n{headers}\r\n").as_bytes());
        body.extend_from_slice(data);
    }
    body.extend_from_slice(b"\r\n--b--");
    Body::bytes(body, RELATED)
}

fn follows(length: usize) -> Value {
    json!({"content_type": "image/x", "follows": true, "length": length})
}

fn two(first: usize, second: usize) -> Value {
    json!({"_attachments": {"a": follows(first), "z/é": follows(second)}})
}

#[test]
fn writes_a_document_with_its_attachments() {
    let hub = with_db();
    let put = hub.put("/db/d", related(&two(5, 4), &[("", b"hello"), ("", b"more")])).expect(201);
    assert_eq!(put.header("etag"), format!("\"{}\"", put.rev()));
    check(&hub, "GET /db/d/a", "", "200 hello");
    check(&hub, "GET /db/d/z/é".replace('é', "%C3%A9").as_str(), "", "200 more");
    let named = [
        ("Content-Disposition: attachment; filename=\"z/é\"\r\n", &b"second"[..]),
        ("Content-Disposition: attachment; filename=\"a\"\r\n", b"1st"),
    ];
    hub.put(&format!("/db/d?rev={}", put.rev()), related(&two(3, 6), &named)).expect(201);
    check(&hub, "GET /db/d/a", "", "200 1st");
    hub.put("/db/_design/x", related(&two(1, 0), &[("", b"1"), ("", b"")])).expect(201);
    check(&hub, "GET /db/_design/x/a", "", "200 1");
}

#[test]
fn replicates_a_revision_with_stubs_and_large_attachments() {
    let hub = with_db();
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(|i| i.to_le_bytes()).collect();
    let revisions = |start: u64, ids: &[&str]| json!({"start": start, "ids": ids});
    let first = json!({
        "_id": "d", "_rev": "1-a", "_revisions": revisions(1, &["a"]),
        "_attachments": {"big": {
            "content_type": "image/x", "follows": true, "length": large.len(), "revpos": 1
        }}
    });
    let put = hub.put("/db/d?new_edits=false", related(&first, &[("", &large)])).expect(201);
    assert_eq!(put.rev(), "1-a");
    let second = json!({
        "_id": "d", "_rev": "2-b", "_revisions": revisions(2, &["b", "a"]),
        "_attachments": {
            "big": {"stub": true, "revpos": 1, "length": large.len()},
            "small": {
                "content_type": "text/plain", "follows": true, "length": 5, "revpos": 2,
                "digest": "md5-XUFAKrxLKna5cZ2REBfFkg=="
            }
        }
    });
    hub.put("/db/d?new_edits=false", related(&second, &[("", b"hello")])).expect(201);
    assert!(hub.get("/db/d/big").expect(200).body == large, "not what was written");
    let document = hub.get("/db/d").json();
    assert_eq!(document["_rev"], "2-b");
    assert_eq!(document["_attachments"]["big"]["revpos"], 1);
    check(&hub, "GET /db/d/small", "", "200 hello");
}

#[test]
fn keeps_what_comes_compressed() {
    let hub = with_db();
    let said = json!({"_attachments": {"a": {
        "content_type": "text/plain", "follows": true, "length": 5, "encoding": "gzip",
        "encoded_length": HELLO_GZIP.len(), "digest": "md5-iMaiC8wqiFlD2NjLTemvCQ=="
    }}});
    let header = "Content-Encoding: gzip\r\n";
    hub.put("/db/a", related(&said, &[(header, HELLO_GZIP)])).expect(201);
    check(&hub, "GET /db/a/a", "", "200 hello");
    let stub = &hub.get("/db/a?att_encoding_info=true").json()["_attachments"]["a"];
    assert_eq!((&stub["length"], &stub["encoded_length"]), (&json!(5), &json!(25)));
    hub.put("/db/b", related(&said, &[("", HELLO_GZIP)])).expect(201);
    check(&hub, "GET /db/b/a", "", "200 hello");
    let plain = json!({"_attachments": {"a": follows(5)}});
    hub.put("/db/c", related(&plain, &[(header, HELLO_GZIP)])).expect(201);
    check(&hub, "GET /db/c/a", "", "200 hello");
    hub.put("/db/e", related(&said, &[(header, b"hello")])).expect(400);
    hub.put("/db/e", related(&said, &[(header, &HELLO_GZIP[..20])])).expect(400);
    hub.put("/db/e", related(&plain, &[("Content-Encoding: br\r\n", b"hello")])).expect(415);
    assert_missing(&hub, "e");
}

fn assert_missing(hub: &Hub, id: &str) {
    check(hub, &format!("GET /db/{id}"), "", &error(404, "not_found", "missing"));
}

#[test]
fn writes_nothing_on_a_fault() {
    let hub = with_db();
    let refused = |body: Body, reason: &str| {
        check(&hub, "PUT /db/d", body, &error(400, "bad_request", reason));
    };
    let shorter = "attachment shorter than expected";
    refused(related(&two(6, 4), &[("", b"hello"), ("", b"more")]), shorter);
    let longer = "attachment longer than expected";
    refused(related(&two(4, 4), &[("", b"hello"), ("", b"more")]), longer);
    let decoded =
        json!({"_attachments": {"a": {"follows": true, "length": 6, "encoding": "gzip"}}});
    let other = "Attachment a is not as long as the document says";
    refused(related(&decoded, &[("", HELLO_GZIP)]), other);
    let fewer = "an attachment that follows is missing";
    refused(related(&two(5, 4), &[("", b"hello")]), fewer);
    let more = "a part is no attachment that the document says follows";
    refused(related(&json!({}), &[("", b"hello")]), more);
    let other = "Content-Disposition: attachment; filename=\"x\"\r\n";
    refused(related(&two(5, 4), &[(other, b"hello"), ("", b"more")]), more);
    let digest = json!({"_attachments": {"a": {"follows": true, "digest": "md5-AAAA"}}});
    let mismatch = error(400, "content_md5_mismatch", "Possible message corruption.");
    check(&hub, "PUT /db/d", related(&digest, &[("", b"hello")]), &mismatch);
    let cut = "multipart body ends before its closing boundary";
    refused(Body::bytes("--b\r\n\r\n{}\r\n--b", RELATED), cut);
    refused(Body::bytes("", RELATED), cut);
    refused(Body::bytes("--b--", RELATED), "the document's part is missing");
    let boundary = "multipart without a valid boundary";
    refused(Body::bytes("--b\r\n\r\n{}\r\n--b--", "multipart/related"), boundary);
    refused(Body::bytes("--b\r\n\r\n{\r\n--b--", RELATED), "invalid UTF-8 JSON");
    assert_missing(&hub, "d");
    assert_eq!(hub.get("/db").json()["doc_count"], 0);
}

/// The parts of a body, split at its boundary: each with its headers.
fn parts(content_type: &str, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let boundary = content_type.split_once("boundary=").unwrap().1.trim_matches('"');
    let body = [b"\r\n", body].concat();
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut starts: Vec<_> =
        (0..body.len()).filter(|&at| body[at..].starts_with(&delimiter)).collect();
    let end = starts.pop().unwrap();
    assert_eq!(body[end + delimiter.len()..].trim_ascii_end(), b"--");
    let ends = starts.iter().skip(1).copied().chain([end]);
    let part = |(start, end): (&usize, usize)| {
        let part = &body[start + delimiter.len()..end];
        let at = part.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        (String::from_utf8(part[2..at].to_vec()).unwrap(), part[at + 4..].to_vec())
    };
    starts.iter().zip(ends).map(part).collect()
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

#[test]
fn sends_a_document_with_its_attachments() {
    let hub = with_db();
    let large: Vec<u8> = (0..700_000_u32).flat_map(|i| i.to_le_bytes()).collect();
    let document = two(large.len(), 4);
    let first = hub.put("/db/d", related(&document, &[("", &large), ("", b"more")])).expect(201);
    let get = |path: &str, accept: &str| {
        hub.request("GET", path).header("Accept", accept).send("").expect(200)
    };
    let reply = get("/db/d?attachments=true", "multipart/related");
    let content_type = reply.header("content-type").to_owned();
    assert!(content_type.starts_with("multipart/related; boundary="), "{content_type}");
    let found = parts(&content_type, &reply.body);
    assert_eq!(found[0].0, "Content-Type: application/json");
    let text = parse(&found[0].1);
    assert_eq!(text["_attachments"]["a"]["follows"], true);
    assert_eq!(text["_attachments"]["z/é"]["length"], 4);
    assert!(found[1].1 == large, "not what was written");
    let headers = "Content-Disposition: attachment; filename=\"z/é\"\r\n\
                   Content-Type: image/x\r\nContent-Length: 4";
    assert_eq!(found[2], (headers.to_owned(), b"more".to_vec()));
    assert_eq!(found.len(), 3);

    // What is sent can be sent back.
    let body = Body::bytes(reply.body, &content_type);
    let copy = hub.put("/db/copy?new_edits=false", body).expect(201);
    assert_eq!(copy.rev(), first.rev());
    assert!(hub.get("/db/copy/a").expect(200).body == large, "not what was sent");

    let since = format!("/db/d?atts_since=[\"{}\"]", first.rev());
    for (path, accept) in [
        ("/db/d?attachments=true", "application/json"),
        ("/db/d?attachments=true", "*/*"),
        ("/db/d?attachments=true", "multipart/related, application/json"),
        ("/db/d", "multipart/related"),
        (since.replace('"', "%22").as_str(), "multipart/related"),
    ] {
        assert_eq!(get(path, accept).header("content-type"), "application/json", "{path} {accept}");
    }
}

#[test]
fn sends_open_revisions_as_couchdbs_replicator_wants_them() {
    let hub = with_db();
    let revision = |rev: &str, ids: &[&str], attachments: Value| {
        json!({
            "_id": "d", "_rev": rev, "_revisions": {"start": ids.len(), "ids": ids},
            "_attachments": attachments
        })
    };
    let put = |document: &Value, parts: &[(&str, &[u8])]| {
        hub.put("/db/d?new_edits=false", related(document, parts)).expect(201)
    };
    put(&revision("1-a", &["a"], json!({"old": follows(3)})), &[("", b"old")]);
    let old = json!({"stub": true, "revpos": 1});
    let both = json!({"old": old, "new": {"follows": true, "length": 3, "revpos": 2}});
    put(&revision("2-b", &["b", "a"], both), &[("", b"new")]);
    put(&revision("2-c", &["c", "a"], json!({})), &[]);
    let get = |query: &str| {
        let path = format!("/db/d?{}", query.replace('"', "%22"));
        let reply = hub.request("GET", &path).header("Accept", "multipart/mixed").send("");
        let reply = reply.expect(200);
        let content_type = reply.header("content-type");
        assert!(content_type.starts_with("multipart/mixed; boundary="), "{content_type}");
        parts(content_type, &reply.body)
    };

    let found = get(r#"revs=true&latest=true&open_revs=["1-a","9-x"]&atts_since=["1-a"]"#);
    assert_eq!(found.len(), 3);
    let with = found.iter().find(|(headers, _)| headers.contains("multipart/related")).unwrap();
    let inner = parts(&with.0, &with.1);
    let document = parse(&inner[0].1);
    assert_eq!(document["_revisions"], json!({"start": 2, "ids": ["b", "a"]}));
    assert_eq!(document["_attachments"]["old"]["stub"], true);
    assert_eq!(document["_attachments"]["new"]["follows"], true);
    assert_eq!(inner.len(), 2);
    assert_eq!(inner[1].1, b"new");
    let without = found.iter().find(|(headers, _)| headers == "Content-Type: application/json");
    assert_eq!(parse(&without.unwrap().1)["_rev"], "2-c");
    let missing = "Content-Type: application/json; error=\"true\"";
    assert_eq!(found[2], (missing.to_owned(), br#"{"missing":"9-x"}"#.to_vec()));

    // Without atts_since everything comes.
    let found = get(r#"revs=true&open_revs=["2-b"]"#);
    assert_eq!(parts(&found[0].0, &found[0].1).len(), 3);

    let json = hub.request("GET", "/db/d?open_revs=all").header("Accept", "*/*").send("");
    assert_eq!(json.expect(200).json().as_array().unwrap().len(), 2);
}

#[test]
fn bulk_get_answers_in_parts() {
    let hub = with_db();
    let first = hub.put("/db/d", related(&two(5, 4), &[("", b"hello"), ("", b"more")])).expect(201);
    let next = json!({
        "_rev": first.rev(),
        "_attachments": {"a": {"stub": true}, "n": {"data": "bmV3"}}
    });
    let second = hub.put("/db/d", next).expect(201).rev();
    hub.put("/db/plain", json!({"n": 1})).expect(201);
    let ask = |accept: &str, docs: Value| {
        let request = hub.request("POST", "/db/_bulk_get?revs=true").header("Accept", accept);
        let reply = request.send(json!({ "docs": docs })).expect(200);
        let content_type = reply.header("content-type").to_owned();
        assert!(content_type.starts_with(&format!("{accept}; boundary=")), "{content_type}");
        (content_type, reply.body)
    };
    let docs = json!([
        {"id": "d", "rev": second, "atts_since": [first.rev()]},
        {"id": "plain"}, {"id": "none"}, {"id": "d", "rev": "9-x"}, {"id": "d", "rev": "x"}, 5
    ]);
    for accept in ["multipart/mixed", "multipart/related"] {
        let (content_type, body) = ask(accept, docs.clone());
        let found = parts(&content_type, &body);
        assert_eq!(found.len(), 6);
        let said = format!("X-Doc-Id: d\r\nX-Rev-Id: {second}\r\nContent-Type: multipart/related;");
        assert!(found[0].0.starts_with(&said), "{}", found[0].0);
        let inner = parts(&found[0].0, &found[0].1);
        let document = parse(&inner[0].1);
        assert_eq!(document["_revisions"]["start"], 2);
        assert_eq!(document["_attachments"]["a"]["stub"], true);
        assert_eq!(document["_attachments"]["n"]["follows"], true);
        assert_eq!((inner.len(), &inner[1].1), (2, &b"new".to_vec()));
        assert!(found[1].0.ends_with("\r\nContent-Type: application/json"), "{}", found[1].0);
        assert_eq!(parse(&found[1].1)["n"], 1);
        let faults = [
            json!({"id": "none", "rev": "undefined", "error": "not_found", "reason": "missing"}),
            json!({"id": "d", "rev": "9-x", "error": "not_found", "reason": "missing"}),
            json!({"id": "d", "rev": "x", "error": "bad_request", "reason": "Invalid rev format"}),
            json!({
                "id": null, "rev": null, "error": "bad_request",
                "reason": "document must be a JSON object"
            }),
        ];
        for ((headers, fault), expected) in found[2..].iter().zip(faults) {
            assert_eq!(headers, "Content-Type: application/json; error=\"true\"");
            assert_eq!(parse(fault), expected);
        }
    }
    assert_eq!(ask("multipart/mixed", json!([])).1, b"");
    // All attachments come where nothing is said of those there are.
    let (content_type, body) = ask("multipart/mixed", json!([{"id": "d", "rev": second}]));
    let found = parts(&content_type, &body);
    assert_eq!(parts(&found[0].0, &found[0].1).len(), 3);
    let json = hub.request("POST", "/db/_bulk_get").header("Accept", "*/*");
    json.send(json!({"docs": [{"id": "plain"}]})).expect(200).json();
}

#[test]
fn forms_add_files_to_a_document() {
    let hub = with_db();
    let form = |fields: &[(&str, &[u8])]| {
        let mut body = Vec::new();
        for (disposition, data) in fields {
            let head = format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(data);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--b--\r\n");
        Body::bytes(body, "multipart/form-data; boundary=b")
    };
    let page = format!("{}_utils/", hub.url());
    let post =
        |path: &str, body: Body| hub.request("POST", path).header("Referer", &page).send(body);
    let refused = |reply: tests::Reply, status: u16, word: &str, reason: &str| {
        let found = format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body));
        assert!(found.starts_with(&error(status, word, reason)), "{found}");
    };
    let file = "name=\"_attachments\"; filename=\"f.txt\"\r\nContent-Type: text/plain";
    let first = hub.put(
        "/db/d",
        json!({"n": 1, "_attachments": {
            "f.txt": {"data": "b2xk"}, "kept": {"data": "a2VwdA=="}
        }}),
    );
    let rev = first.expect(201).rev();
    let fields = [("name=\"_rev\"", rev.as_bytes()), (file, &b"new"[..])];
    let second = post("/db/d", form(&fields)).expect(201);
    assert_eq!(second.header("etag"), format!("\"{}\"", second.rev()));
    let document = hub.get("/db/d").json();
    assert_eq!((&document["n"], &document["_rev"]), (&json!(1), &json!(second.rev())));
    check(&hub, "GET /db/d/f.txt", "", "200 new");
    check(&hub, "GET /db/d/kept", "", "200 kept");
    assert_eq!(document["_attachments"]["f.txt"]["content_type"], "text/plain");

    let document = br#"{"_rev":"REV","n":2}"#;
    let document = String::from_utf8_lossy(document).replace("REV", &second.rev());
    let none = "name=\"_attachments\"; filename=\"\"";
    let fields = [("name=\"_doc\"", document.as_bytes()), (none, &b""[..]), ("name=x", &b"y"[..])];
    post("/db/d", form(&fields)).expect(201);
    let document = hub.get("/db/d").json();
    assert_eq!((&document["n"], &document["_attachments"]), (&json!(2), &Value::Null));
    let before = hub.get("/db").json()["update_seq"].clone();

    refused(post("/db/d", form(&fields)), 409, "conflict", "Document update conflict.");
    let stale = [("name=\"_rev\"", &b"9-x"[..]), (file, &b"new"[..])];
    refused(post("/db/d", form(&stale)), 409, "not_found", "missing_rev");
    refused(post("/db/d", form(&[(file, b"x")])), 400, "bad_request", "Invalid rev format");
    let bad = "name=_attachments; filename=_x";
    let reason = "Attachment name '_x' starts with prohibited character '_'";
    refused(post("/db/d", form(&[(bad, b"x")])), 400, "bad_request", reason);
    let cut = Body::bytes("--b\r\n\r\nx", "multipart/form-data; boundary=b");
    let reason = "multipart body ends before its closing boundary";
    refused(post("/db/d", cut), 400, "bad_request", reason);
    let reason = "Content-Type must be multipart/form-data";
    refused(post("/db/d", Body::from("{}")), 415, "bad_content_type", reason);
    let unnamed = hub.post("/db/d", form(&[]));
    refused(unnamed, 400, "bad_request", "Referer header required.");
    let foreign = hub.request("POST", "/db/d").header("Referer", "http://evil.example/");
    refused(foreign.send(form(&[])), 400, "bad_request", "Referer header must match host.");
    assert_eq!(hub.get("/db").json()["update_seq"], before);
}
