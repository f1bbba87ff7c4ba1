//! Attachments: by themselves, inside documents, in parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::exchange::{check, error, with_db};
use tests::{Body, Hub, encode};

fn text(text: &str) -> Body {
    Body::bytes(text, "image/x-note")
}

/// Bytes that repeat nowhere near each other.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let step = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(step).take(length).collect()
}

#[test]
fn life_of_an_attachment() {
    let hub = with_db();
    let put =
        check(&hub, "PUT /db/a/x", text("hello"), "201 {\"ok\":true,\"id\":\"a\",\"rev\":\"1-");
    assert!(put.header("location").ends_with("/db/a/x"), "{}", put.header("location"));
    assert_eq!(put.header("etag"), format!("\"{}\"", put.rev()));
    let get = check(&hub, "GET /db/a/x", "", "200 hello");
    let digest = "XUFAKrxLKna5cZ2REBfFkg==";
    assert_eq!(get.header("etag"), format!("\"{digest}\""));
    assert_eq!(get.header("content-md5"), digest);
    assert_eq!(get.header("content-type"), "image/x-note");
    assert_eq!(get.header("content-length"), "5");
    assert_eq!(get.header("accept-ranges"), "bytes");
    assert_eq!(get.header("content-security-policy"), "sandbox");
    assert_eq!(get.header("cache-control"), "must-revalidate");
    let head = hub.request("HEAD", "/db/a/x").send("").expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("5", 0));
    let known = hub.request("GET", "/db/a/x").header("If-None-Match", &format!("\"{digest}\""));
    assert!(known.send("").expect(304).body.is_empty());
    assert_eq!(
        hub.get("/db/a").json()["_attachments"]["x"],
        json!({
            "content_type": "image/x-note",
            "revpos": 1,
            "digest": format!("md5-{digest}"),
            "length": 5,
            "stub": true
        })
    );

    check(&hub, "PUT /db/a/y", text("no"), &error(409, "conflict", "Document update conflict."));
    check(&hub, "PUT /db/a/y?rev=1-x", text("no"), &error(409, "not_found", "missing_rev"));
    let second = hub.put(&format!("/db/a/y/z?rev={}", put.rev()), text("more")).expect(201);
    check(&hub, "GET /db/a/y/z", "", "200 more");
    check(&hub, "GET /db/a/y%2Fz", "", "200 more");
    check(&hub, "GET /db/a/x", "", "200 hello");
    assert_eq!(hub.get("/db/a").json()["_attachments"]["y/z"]["revpos"], 2);
    check(
        &hub,
        &format!("PUT /db/a/y?rev={}", put.rev()),
        text("no"),
        &error(409, "conflict", "Document update conflict."),
    );

    let gone = "Document is missing attachment";
    check(&hub, "GET /db/a/none", "", &error(404, "not_found", gone));
    check(&hub, "GET /db/none/x", "", &error(404, "not_found", "missing"));
    check(
        &hub,
        &format!("DELETE /db/a/none?rev={}", second.rev()),
        "",
        &error(404, "not_found", gone),
    );
    check(&hub, "DELETE /db/a/x", "", &error(409, "conflict", "Document update conflict."));
    check(&hub, "DELETE /db/a/none", "", &error(404, "not_found", gone));
    check(&hub, "DELETE /db/none/x", "", &error(404, "not_found", "missing"));
    check(&hub, "DELETE /db/a/x?rev=9-x", "", &error(409, "not_found", "missing_rev"));
    let third = hub.request("DELETE", "/db/a/x").header("If-Match", &second.rev()).send("");
    let third = third.expect(200).rev();
    check(&hub, "GET /db/a/x", "", &error(404, "not_found", gone));
    let matched = |text: &str| hub.request("GET", "/db/a/x").header("If-Match", text).send("");
    assert_eq!(matched(&second.rev()).expect(200).body, b"hello");
    assert_eq!(matched(&format!("\"{}\"", second.rev())).expect(200).body, b"hello");
    matched("\"XUFAKrxLKna5cZ2REBfFkg==\"").expect(404);
    check(&hub, &format!("GET /db/a/x?rev={}", second.rev()), "", "200 hello");
    check(&hub, "GET /db/a/x?rev=9-x", "", &error(404, "not_found", "missing"));
    hub.delete(&format!("/db/a?rev={third}")).expect(200);
    check(&hub, "GET /db/a/y/z", "", &error(404, "not_found", "deleted"));
    hub.put("/db/a/again", text("back")).expect(201);
    assert!(hub.get("/db/a").text("_rev").starts_with("5-"));
}

#[test]
fn names_and_types() {
    let hub = with_db();
    let reason = "Attachment name '_x' starts with prohibited character '_'";
    check(&hub, "PUT /db/a/_x", text(""), &error(400, "bad_request", reason));
    for (index, name) in ["a b", "é", "x.png", "+", "a&b=c?d", "\"q\"", "a/b/c"].iter().enumerate()
    {
        let path = format!("/db/n{index}/{}", encode(name));
        hub.put(&path, text(name)).expect(201);
        let get = hub.get(&path).expect(200);
        assert_eq!(get.body, name.as_bytes());
        assert!(hub.get(&format!("/db/n{index}")).json()["_attachments"][name].is_object());
    }
    hub.put("/db/t/x", Body::none()).expect(201);
    assert_eq!(hub.get("/db/t/x").expect(200).header("content-type"), "application/octet-stream");
    hub.put("/db/_design/d/x", text("design")).expect(201);
    check(&hub, "GET /db/_design/d/x", "", "200 design");
    let zipped = hub.request("PUT", "/db/z/x").header("Content-Encoding", "br").send(text("x"));
    assert_eq!(zipped.expect(415).text("error"), "bad_content_type");
}

#[test]
fn large_ones_come_back_whole_and_in_parts() {
    let hub = with_db();
    let all = bytes(3_000_001);
    hub.put("/db/a/x", Body::bytes(all.clone(), "application/octet-stream")).expect(201);
    assert!(hub.get("/db/a/x").expect(200).body == all, "not what was written");
    let part = |range: &str| hub.request("GET", "/db/a/x").header("Range", range).send("");
    for (range, expected) in [
        ("bytes=0-4", 0..5),
        ("bytes=2999990-", 2_999_990..3_000_001),
        ("bytes=-10", 2_999_991..3_000_001),
        ("bytes=100000-2000000", 100_000..2_000_001),
    ] {
        let reply = part(range).expect(206);
        assert!(reply.body == all[expected.clone()], "{range}");
        let content_range = format!("bytes {}-{}/3000001", expected.start, expected.end - 1);
        assert_eq!(reply.header("content-range"), content_range);
        assert_eq!(reply.header("content-length"), expected.len().to_string());
    }
    for whole in ["bytes=0-", "lines=1-2", "bytes=x"] {
        assert_eq!(part(whole).expect(200).body.len(), all.len(), "{whole}");
    }
    for outside in ["bytes=3000001-", "bytes=5-4"] {
        let reply = part(outside).expect(416);
        assert_eq!(reply.text("error"), "requested_range_not_satisfiable");
        assert_eq!(reply.header("content-range"), "bytes */3000001");
    }
    let several = part("bytes=0-1,10-12").expect(206);
    assert!(several.header("content-type").starts_with("multipart/byteranges; boundary="));
    let needle = b"Content-Range: bytes 10-12/3000001\r\n\r\n";
    let at = several.body.windows(needle.len()).position(|window| window == needle);
    let at = at.expect("the second part") + needle.len();
    assert_eq!(several.body[at..at + 3], all[10..13]);
    let stale =
        hub.request("GET", "/db/a/x").header("Range", "bytes=0-4").header("If-Range", "\"x\"");
    assert_eq!(stale.send("").expect(200).body.len(), all.len());
}

#[test]
fn inside_documents() {
    let hub = with_db();
    let large = bytes(2_500_000);
    let inline =
        |bytes: &[u8]| json!({"content_type": "image/png", "data": STANDARD.encode(bytes)});
    let document = json!({"_attachments": {"s": inline(b"small"), "l": inline(&large)}});
    let first = hub.put("/db/a", &document).expect(201).rev();
    assert!(hub.get("/db/a/l").expect(200).body == large, "not what was written");

    let data = |query: &str, name: &str| -> Option<Vec<u8>> {
        let document = hub.get(&format!("/db/a?{query}")).expect(200).json();
        let data = document["_attachments"][name]["data"].as_str().map(str::to_owned);
        data.map(|data| STANDARD.decode(data).expect("base64"))
    };
    assert_eq!(data("", "s"), None);
    assert_eq!(data("attachments=true", "s").as_deref(), Some(&b"small"[..]));
    assert!(data("attachments=true", "l") == Some(large.clone()), "not what was written");
    assert!(data(&format!("attachments=true&rev={first}"), "l").is_some());

    let stubs = hub.get("/db/a").json()["_attachments"].clone();
    let mut next = json!({"_rev": first, "_attachments": stubs});
    next["_attachments"]["n"] = inline(b"new");
    let second = hub.put("/db/a", &next).expect(201).rev();
    let shown = hub.get("/db/a").json()["_attachments"].clone();
    let revpos = |name: &str| shown[name]["revpos"].as_u64();
    assert_eq!((revpos("s"), revpos("l"), revpos("n")), (Some(1), Some(1), Some(2)));
    let since = format!("atts_since={}", encode(&format!("[\"{first}\"]")));
    assert_eq!(data(&since, "n").as_deref(), Some(&b"new"[..]));
    assert_eq!(data(&since, "s"), None);
    let since = format!("atts_since={}", encode("[\"1-x\"]"));
    assert!(data(&since, "l").is_some());

    // What is not listed is gone.
    let third = hub.put("/db/a", json!({"_rev": second})).expect(201).rev();
    assert_eq!(hub.get("/db/a").json()["_attachments"], Value::Null);
    let stub = json!({"_rev": third, "_attachments": {"s": {"stub": true}}});
    check(&hub, "PUT /db/a", stub, "412 {\"error\":\"missing_stub\"");

    let rows = json!({"docs": [{"id": "a", "rev": second}, {"id": "a", "atts_since": []}]});
    let rows = hub.post("/db/_bulk_get?attachments=true", rows).expect(200).json();
    let got = &rows["results"][0]["docs"][0]["ok"]["_attachments"];
    assert_eq!(got["n"]["data"], STANDARD.encode("new"));
    assert_eq!(got["l"]["data"], STANDARD.encode(&large));
}

#[test]
fn refuses_what_is_too_large() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    let config = "[limits]\nattachment_bytes_max = 1000000\n";
    std::fs::write(folder.path().join("data/larder.toml"), config).expect("a file");
    let hub = Hub::start_in(folder);
    hub.put("/db", "").expect(201);
    let large = || Body::bytes(bytes(1_000_001), "image/png");
    check(&hub, "PUT /db/a/big", large(), &error(413, "attachment_too_large", "big"));
    let inline = json!({"_attachments": {"big": {"data": STANDARD.encode(bytes(1_000_001))}}});
    check(&hub, "PUT /db/a", inline, &error(413, "attachment_too_large", "big"));
    check(&hub, "GET /db/a", "", "404");
    hub.put("/db/a/fits", Body::bytes(bytes(1_000_000), "image/png")).expect(201);
}
