//! Documents one at a time, local ones included: requests, and what CouchDB 3.5 answers.

use serde_json::{Value, json};
use tests::exchange::{check, error, with_db};
use tests::{Body, Hub, encode};

/// Writes revisions under foreign ids: `3-c 2-b 1-a`, newest first.
#[track_caller]
fn replicate(hub: &Hub, id: &str, path: &str, members: Value) {
    let revs: Vec<&str> = path.split(' ').collect();
    let start = revs[0].split('-').next().and_then(|start| start.parse::<u64>().ok());
    let ids: Vec<&str> = revs.iter().filter_map(|rev| rev.split('-').nth(1)).collect();
    let mut document = members;
    document["_revisions"] = json!({"start": start, "ids": ids});
    hub.put(&format!("/db/{}?new_edits=false", encode(id)), document);
}

#[test]
fn life_of_a_document() {
    let hub = with_db();
    let created = hub.put("/db/a", r#"{"n": 1.50, "m":{"z":1,"a":2}}"#).expect(201);
    let rev = created.rev();
    assert!(rev.starts_with("1-") && rev.len() == 34, "{rev}");
    assert_eq!(created.text("id"), "a");
    assert_eq!(created.header("etag"), format!("\"{rev}\""));
    assert!(created.header("location").ends_with("/db/a"), "{}", created.header("location"));

    let read = hub.get("/db/a").expect(200);
    let expected =
        format!("{{\"_id\":\"a\",\"_rev\":\"{rev}\",\"n\":1.50,\"m\":{{\"z\":1,\"a\":2}}}}\n");
    assert_eq!(String::from_utf8_lossy(&read.body), expected);
    assert_eq!(read.header("etag"), format!("\"{rev}\""));
    assert_eq!(read.header("content-type"), "application/json");
    let head = hub.request("HEAD", "/db/a").send("").expect(200);
    assert_eq!(head.header("etag"), format!("\"{rev}\""));
    assert_eq!(head.header("content-length"), expected.len().to_string());
    assert!(head.body.is_empty());

    check(&hub, "PUT /db/a", "{}", &error(409, "conflict", "Document update conflict."));
    let updated = hub.put("/db/a", json!({"_rev": rev, "n": 2})).expect(201);
    let gone = format!("DELETE /db/a?rev={rev}");
    check(&hub, &gone, "", &error(409, "conflict", "Document update conflict."));
    check(&hub, "DELETE /db/a", "", &error(409, "conflict", "Document update conflict."));
    check(&hub, "DELETE /db/a?rev=x", "", &error(400, "bad_request", "Invalid rev format"));
    let deleted = hub.delete(&format!("/db/a?rev={}", updated.rev())).expect(200);
    assert_eq!(deleted.header("etag"), format!("\"{}\"", deleted.rev()));
    assert!(deleted.rev().starts_with("3-"));
    check(&hub, "GET /db/a", "", &error(404, "not_found", "deleted"));
    check(&hub, "DELETE /db/a", "", &error(404, "not_found", "deleted"));
    check(&hub, "GET /db/none", "", &error(404, "not_found", "missing"));
    check(&hub, "DELETE /db/none?rev=1-a", "", &error(404, "not_found", "missing"));
    check(&hub, "GET /none/a", "", &error(404, "not_found", "Database does not exist."));
    let tombstone = hub.get(&format!("/db/a?rev={}", deleted.rev())).expect(200).json();
    assert_eq!(tombstone, json!({"_id": "a", "_rev": deleted.rev(), "_deleted": true}));
    assert_eq!(hub.get("/db/a?deleted=true").expect(200).json(), tombstone);

    let again = hub.put("/db/a", json!({"n": 3})).expect(201);
    assert!(again.rev().starts_with("4-"), "{}", again.rev());
}

#[test]
fn the_base_of_a_write_may_stand_in_three_places() {
    let hub = with_db();
    let rev = hub.put("/db/a", "{}").expect(201).rev();
    let put = |hub: &Hub, query: &str, if_match: &str, body: Value| {
        let request = hub.request("PUT", &format!("/db/a{query}"));
        let request =
            if if_match.is_empty() { request } else { request.header("If-Match", if_match) };
        request.send(body)
    };
    let rev = put(&hub, &format!("?rev={rev}"), "", json!({})).expect(201).rev();
    let rev = put(&hub, "", &format!("\"{rev}\""), json!({})).expect(201).rev();
    let rev = put(&hub, "", &rev, json!({})).expect(201).rev();
    let rev = put(&hub, &format!("?rev={rev}"), &rev, json!({"_rev": rev})).expect(201).rev();
    let refused = put(&hub, "?rev=1-x", "", json!({"_rev": rev})).expect(400);
    assert_eq!(
        refused.text("reason"),
        "Document rev from request body and query string have different values"
    );
    let refused = put(&hub, "", "1-x", json!({"_rev": rev})).expect(400);
    assert_eq!(refused.text("reason"), "Document rev and etag have different values");
    put(&hub, "", "*", json!({})).expect(400);
    put(&hub, "", "", json!({"_rev": "9-x"})).expect(409);
    hub.request("DELETE", "/db/a").header("If-Match", &rev).send("").expect(200);
}

#[test]
fn what_is_no_document_is_refused() {
    let hub = with_db();
    for (body, word, reason) in [
        ("[]", "bad_request", "Document must be a JSON object"),
        ("5", "bad_request", "Document must be a JSON object"),
        (r#"{"_foo":1}"#, "doc_validation", "Bad special document member: _foo"),
        (r#"{"_deleted":"x"}"#, "doc_validation", "Bad special document member: _deleted"),
        (r#"{"_id":5}"#, "illegal_docid", "Document id must be a string"),
        (r#"{"_rev":"x"}"#, "bad_request", "Invalid rev format"),
        (r#"{"_rev":5}"#, "bad_request", "Invalid rev format"),
        (r#"{"_attachments":{"a":{"data":"?"}}}"#, "bad_request", "Invalid attachment data for a"),
        (
            r#"{"_attachments":{"_a":{"data":""}}}"#,
            "bad_request",
            "Attachment name '_a' starts with prohibited character '_'",
        ),
        (r#"{"_revisions":{"start":"x"}}"#, "doc_validation", "_revisions.start isn't an integer."),
    ] {
        check(&hub, "PUT /db/a", body, &error(400, word, reason));
        check(&hub, "POST /db", body, &error(400, word, reason));
    }
    for body in ["{", "{}x", r#"{"a":01}"#, r#"{"a":"\ud800"}"#, "nonsense"] {
        check(
            &hub,
            "PUT /db/a",
            body,
            r#"400 {"error":"bad_request","reason":"invalid UTF-8 JSON"#,
        );
    }
    check(&hub, "PUT /db/a", Body::bytes(*b"{\"a\":\"\xff\"}", "application/json"), "400");
    check(&hub, "PUT /db/a", "", "400");
    check(&hub, "PUT /db/_foo", "{}", "400 {\"error\":\"illegal_docid\"");
    let stub = r#"{"_attachments":{"s":{"stub":true}}}"#;
    check(&hub, "PUT /db/a", stub, "412 {\"error\":\"missing_stub\"");
    let large = json!({"_id": "large", "x": "x".repeat(8_000_000)});
    check(&hub, "PUT /db/large", &large, &error(413, "document_too_large", "large"));
    check(&hub, "GET /db/a", "", "404");
    let multipart = Body::bytes(*b"--x--", "multipart/related; boundary=x");
    check(&hub, "PUT /db/a", multipart, "400");
}

#[test]
fn post_makes_ids() {
    let hub = with_db();
    let first = hub.post("/db", json!({"n": 1})).expect(201);
    let second = hub.post("/db/", json!({"n": 2, "_rev": "1-x"})).expect(201);
    assert_eq!(first.text("id").len(), 32);
    assert!(first.text("id") < second.text("id"));
    assert!(first.header("location").ends_with(&format!("/db/{}", first.text("id"))));
    let named = hub.post("/db", json!({"_id": "a b", "n": 3})).expect(201);
    assert!(named.header("location").ends_with("/db/a%20b"), "{}", named.header("location"));
    check(&hub, "POST /db", json!({"_id": "a b"}), "409");
    let text = Body::bytes(*b"{}", "text/plain");
    let reason = "Content-Type must be application/json";
    check(&hub, "POST /db", text, &error(415, "bad_content_type", reason));
    let batched = hub.post("/db?batch=ok", json!({"_id": "batched"})).expect(202);
    assert_eq!(batched.json(), json!({"ok": true, "id": "batched"}));
    let local = hub.post("/db", json!({"_id": "_local/l", "n": 1})).expect(201);
    assert_eq!((local.text("id"), local.rev()), ("_local/l".into(), "0-1".into()));
}

#[test]
fn what_a_write_answers() {
    let hub = with_db();
    let batched = hub.put("/db/b?batch=ok", "{}").expect(202);
    assert_eq!(batched.json(), json!({"ok": true, "id": "b"}));
    let rev = hub.put("/db/a", "{}").expect(201).rev();
    hub.put("/db/a", json!({"_rev": rev, "_deleted": true, "why": "kept"})).expect(200);
    let kept = hub.get("/db/a?deleted=true").json();
    assert_eq!((&kept["_deleted"], &kept["why"]), (&json!(true), &json!("kept")));
    let text = Body::bytes(*b"{}", "text/plain");
    hub.request("PUT", "/db/plain").send(text).expect(201);
}

#[test]
fn ids_of_every_kind() {
    let hub = with_db();
    for id in ["a/b", "a+b", "a b", "é", "a&b=c?d", "%2F", "\"q\"", "_design/x/y", "-", "0"] {
        let path = format!("/db/{}", encode(id));
        let put = hub.put(&path, json!({"id": id})).expect(201);
        assert_eq!(put.text("id"), id);
        let read = hub.get(&path).expect(200).json();
        assert_eq!((&read["_id"], &read["id"]), (&json!(id), &json!(id)));
    }
    hub.put("/db/_design/d", json!({"views": {}})).expect(201);
    assert_eq!(hub.get("/db/%5Fdesign%2Fd").expect(200).text("_id"), "_design/d");
    check(&hub, &format!("PUT /db/{}", "i".repeat(4097)), "{}", "400 {\"error\":\"illegal_docid\"");
}

#[test]
fn conditional_reads() {
    let hub = with_db();
    let rev = hub.put("/db/a", "{}").expect(201).rev();
    let get =
        |path: &str, tag: &str| hub.request("GET", path).header("If-None-Match", tag).send("");
    let same = get("/db/a", &format!("\"{rev}\"")).expect(304);
    assert!(same.body.is_empty());
    assert_eq!(same.header("etag"), format!("\"{rev}\""));
    get("/db/a", &format!("W/\"{rev}\", \"x\"")).expect(304);
    get("/db/a", "\"x\"").expect(200);
    get("/db/a", &rev).expect(200);
    // The winner's tag says nothing of the tree around it.
    let meta = get("/db/a?revs_info=true", &format!("\"{rev}\"")).expect(200);
    assert_eq!(meta.header("etag"), "");
    let head = hub.request("HEAD", "/db/a").header("If-None-Match", &format!("\"{rev}\""));
    head.send("").expect(304);
}

#[test]
fn trees_and_what_is_shown_of_them() {
    let hub = with_db();
    replicate(&hub, "t", "1-a", json!({"n": 1}));
    replicate(&hub, "t", "3-c 2-b 1-a", json!({"n": 3}));
    replicate(&hub, "t", "2-x 1-a", json!({"n": 2}));
    replicate(&hub, "t", "2-y 1-a", json!({"_deleted": true}));
    let get = |query: &str| hub.get(&format!("/db/t?{query}")).expect(200).json();
    let winner = json!({"_id": "t", "_rev": "3-c", "n": 3});
    assert_eq!(get(""), winner);
    assert_eq!(get("revs=yes&attachments=1&nonsense=true"), winner);
    assert_eq!(get("revs=true")["_revisions"], json!({"start": 3, "ids": ["c", "b", "a"]}));
    let meta = get("meta=true&local_seq=true");
    assert_eq!(meta["_conflicts"], json!(["2-x"]));
    assert_eq!(meta["_deleted_conflicts"], json!(["2-y"]));
    assert!(meta["_local_seq"].is_u64());
    assert_eq!(
        meta["_revs_info"],
        json!([
            {"rev": "3-c", "status": "available"},
            {"rev": "2-b", "status": "missing"},
            {"rev": "1-a", "status": "available"}
        ])
    );
    assert_eq!(get("rev=2-x&conflicts=true"), json!({"_id": "t", "_rev": "2-x", "n": 2}));
    assert_eq!(get("rev=1-a&latest=true"), winner);
    assert_eq!(get("rev=2-b&latest=true"), winner);
    assert_eq!(get("rev=2-x&latest=true"), json!({"_id": "t", "_rev": "2-x", "n": 2}));
    for missing in ["rev=2-b", "rev=9-z", "rev=9-z&latest=true"] {
        check(&hub, &format!("GET /db/t?{missing}"), "", &error(404, "not_found", "missing"));
    }
    check(&hub, "GET /db/t?rev=x", "", &error(400, "bad_request", "Invalid rev format"));

    let revs = |wanted: &str, latest: bool| {
        let rows = get(&format!("open_revs={}&latest={latest}", encode(wanted)));
        let revs = rows.as_array().expect("a list").iter().map(|row| {
            let ok = row["ok"]["_rev"].as_str().map(str::to_owned);
            ok.unwrap_or_else(|| format!("missing {}", row["missing"].as_str().unwrap_or("?")))
        });
        revs.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(revs("all", false), "3-c 2-x 2-y");
    assert_eq!(revs(r#"["2-x","2-b","9-z"]"#, false), "2-x missing 2-b missing 9-z");
    assert_eq!(revs(r#"["2-b","9-z"]"#, true), "3-c missing 9-z");
    assert_eq!(revs(r#"["1-a"]"#, true), "3-c 2-x 2-y");
    assert_eq!(get("open_revs=%5B%222-x%22%5D&revs=true")[0]["ok"]["_revisions"]["start"], 2);
    check(&hub, "GET /db/none?open_revs=all", "", &error(404, "not_found", "missing"));
    check(&hub, "GET /db/none?open_revs=%5B%221-a%22%5D", "", "200 [{\"missing\":\"1-a\"}]\n");
    let reason = "Invalid list of revisions";
    check(&hub, "GET /db/t?open_revs=%7B%7D", "", &error(400, "bad_request", reason));
}

#[test]
fn revisions_of_other_servers() {
    let hub = with_db();
    let reason = "When `new_edits: false`, the document needs `_rev` or `_revisions` specified";
    check(&hub, "PUT /db/a?new_edits=false", "{}", &error(400, "bad_request", reason));
    let put = hub.put("/db/a?new_edits=false", json!({"_rev": "2-b", "n": 1})).expect(201);
    assert_eq!(put.rev(), "2-b");
    assert_eq!(hub.get("/db/a").text("_rev"), "2-b");
    // Writing what is there already changes nothing.
    hub.put("/db/a?new_edits=false", json!({"_rev": "2-b", "n": 1})).expect(201);
    hub.put("/db/a?new_edits=false", json!({"_rev": "2-a", "n": 2})).expect(201);
    assert_eq!(hub.get("/db/a?conflicts=true").json()["_conflicts"], json!(["2-a"]));
    let gap = json!({"_revisions": {"start": 1, "ids": ["b", "a"]}});
    check(&hub, "PUT /db/a?new_edits=false", gap, "400 {\"error\":\"doc_validation\"");
}

#[test]
fn local_documents() {
    let hub = with_db();
    check(&hub, "GET /db/_local/l", "", &error(404, "not_found", "missing"));
    check(&hub, "DELETE /db/_local/l", "", &error(404, "not_found", "missing"));
    let put = hub.put("/db/_local/l", r#"{"n": 1.0}"#).expect(201);
    assert_eq!((put.text("id"), put.rev()), ("_local/l".into(), "0-1".into()));
    let read = hub.get("/db/_local/l").expect(200);
    assert_eq!(read.body, b"{\"_id\":\"_local/l\",\"_rev\":\"0-1\",\"n\":1.0}\n");
    let tag = read.header("etag").to_owned();
    let get = |tag: &str| hub.request("GET", "/db/_local/l").header("If-None-Match", tag).send("");
    get(&tag).expect(304);
    assert_eq!(hub.put("/db/_local/l", json!({"_rev": "0-1"})).expect(201).rev(), "0-2");
    assert_eq!(hub.put("/db/_local/l", json!({"n": 5})).expect(201).rev(), "0-1");
    get(&tag).expect(200);
    assert_eq!(hub.put("/db/_local%2Fl?rev=0-6", "{}").expect(201).rev(), "0-7");
    check(&hub, "PUT /db/_local/l", json!({"_rev": "1-x"}), "400");
    let attached = r#"{"_attachments":{"a":{"data":""}}}"#;
    let reason = "_local documents do not accept attachments.";
    check(&hub, "PUT /db/_local/l", attached, &error(400, "bad_request", reason));
    assert_eq!(hub.delete("/db/_local/l?rev=0-7").expect(200).rev(), "0-0");
    check(&hub, "GET /db/_local/l", "", "404");
    hub.put("/db/_local/l", "{}").expect(201);
    assert_eq!(hub.put("/db/_local/l", r#"{"_deleted":true}"#).expect(200).rev(), "0-0");
    check(&hub, "GET /db/_local/l", "", "404");
    assert_eq!(hub.get("/db").json()["doc_count"], 0);
}

#[test]
fn compressed_requests() {
    let hub = with_db();
    let gzip = |bytes: &[u8]| Body::bytes(bytes, "application/json");
    let put = |path: &str, coding: &str, bytes: &[u8]| {
        hub.request("PUT", path).header("Content-Encoding", coding).send(gzip(bytes))
    };
    // gzip of {"n":1}
    let text = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 202, 83, 178, 50, 172, 5, 0, 126, 59, 75, 212, 7,
        0, 0, 0,
    ];
    put("/db/zipped", "gzip", &text).expect(201);
    assert_eq!(hub.get("/db/zipped").json()["n"], 1);
    put("/db/cut", "gzip", &text[..text.len() - 4]).expect(400);
    put("/db/plain", "identity", b"{}").expect(201);
    put("/db/bad", "gzip", b"{}").expect(400);
    assert_eq!(put("/db/bad", "br", b"{}").expect(415).text("error"), "bad_content_type");
}
