//! Attachments that are stored compressed, as CouchDB stores them.

#![allow(clippy::unwrap_used, reason = "suites may panic")]

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use tests::exchange::{check, error, with_db};
use tests::{Body, Hub, Reply, encode};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut decoded).unwrap();
    decoded
}

fn md5(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

/// A text that compresses well.
fn verse() -> Vec<u8> {
    b"to and fro, to and fro\n".repeat(20_000)
}

fn text(bytes: &[u8]) -> Body {
    Body::bytes(bytes, "text/plain")
}

fn get(hub: &Hub, path: &str, accepted: &str) -> Reply {
    hub.request("GET", path).header("Accept-Encoding", accepted).send("")
}

/// What a document says of its attachment `x`.
fn told(hub: &Hub, path: &str) -> Value {
    hub.get(path).expect(200).json()["_attachments"]["x"].clone()
}

#[test]
fn text_is_stored_compressed() {
    let hub = with_db();
    let verse = verse();
    hub.put("/db/d/x", text(&verse)).expect(201);

    let encoded = get(&hub, "/db/d/x", "gzip").expect(200);
    assert_eq!(encoded.header("content-encoding"), "gzip");
    assert_eq!(encoded.header("content-length"), encoded.body.len().to_string());
    assert_eq!(encoded.header("content-type"), "text/plain");
    assert!(gunzip(&encoded.body) == verse, "not what was written");
    let digest = md5(&encoded.body);
    assert_eq!(encoded.header("content-md5"), digest);

    let decoded = get(&hub, "/db/d/x", "identity").expect(200);
    assert!(!decoded.headers.contains_key("content-encoding"));
    assert_eq!(decoded.header("content-length"), verse.len().to_string());
    assert!(decoded.body == verse, "not what was written");
    for reply in [&encoded, &decoded] {
        assert_eq!(reply.header("accept-ranges"), "none");
        assert_eq!(reply.header("etag"), format!("\"{digest}\""));
        assert_eq!(reply.header("content-security-policy"), "sandbox");
        assert_eq!(reply.header("vary"), "Accept-Encoding");
    }
    let range = hub.request("GET", "/db/d/x").header("Range", "bytes=0-4").send("").expect(200);
    assert_eq!(range.body.len(), verse.len());
    let known = hub.request("GET", "/db/d/x").header("If-None-Match", &format!("\"{digest}\""));
    assert!(known.send("").expect(304).body.is_empty());
    let head = hub.request("HEAD", "/db/d/x").header("Accept-Encoding", "gzip").send("");
    assert_eq!(head.expect(200).header("content-length"), encoded.body.len().to_string());
    let head = hub.request("HEAD", "/db/d/x").send("").expect(200);
    assert_eq!(head.header("content-length"), verse.len().to_string());

    let stub = json!({
        "content_type": "text/plain", "revpos": 1, "digest": format!("md5-{digest}"),
        "length": verse.len(), "stub": true
    });
    assert_eq!(told(&hub, "/db/d"), stub);
    let mut with_encoding = stub.clone();
    with_encoding["encoding"] = json!("gzip");
    with_encoding["encoded_length"] = json!(encoded.body.len());
    assert_eq!(told(&hub, "/db/d?att_encoding_info=true"), with_encoding);
    for (path, doc) in [
        ("_all_docs?include_docs=true", "/rows/0/doc"),
        ("_changes?include_docs=true", "/results/0/doc"),
    ] {
        let place = format!("{doc}/_attachments/x");
        let rows = hub.get(&format!("/db/{path}")).json();
        assert_eq!(rows.pointer(&place), Some(&stub), "{path}");
        let rows = hub.get(&format!("/db/{path}&att_encoding_info=true")).json();
        assert_eq!(rows.pointer(&place), Some(&with_encoding), "{path}");
    }
    let asked = json!({"docs": [{"id": "d"}]});
    let rows = hub.post("/db/_bulk_get?att_encoding_info=true", asked).expect(200).json();
    let place = "/results/0/docs/0/ok/_attachments/x";
    assert_eq!(rows.pointer(place), Some(&with_encoding));
    let open = hub.get("/db/d?open_revs=all&att_encoding_info=true").json();
    assert_eq!(open.pointer("/0/ok/_attachments/x"), Some(&with_encoding));

    let whole = told(&hub, "/db/d?attachments=true&att_encoding_info=true");
    assert!(STANDARD.decode(whole["data"].as_str().unwrap()).unwrap() == verse, "not the text");
    assert_eq!(whole["encoding"], "gzip");
}

#[test]
fn settings_say_what_is_compressed() {
    let hub = with_db();
    let set = |key: &str, value: &str| {
        let path = format!("/_node/_local/_config/attachments/{key}");
        hub.put(&path, json!(value)).expect(200)
    };
    let is_compressed = |id: &str, content_type: &str| -> bool {
        hub.put(&format!("/db/{id}/x"), Body::bytes("hello", content_type)).expect(201);
        told(&hub, &format!("/db/{id}?att_encoding_info=true"))["encoding"] == "gzip"
    };
    assert!(is_compressed("a", "Text/HTML; charset=utf-8"));
    assert!(is_compressed("b", "application/json"));
    assert!(!is_compressed("c", "application/octet-stream"));
    assert!(!is_compressed("d", "image/png"));
    assert_eq!(
        set("compressible_types", "image/*, a/b").json(),
        json!("text/*, application/javascript, application/json, application/xml")
    );
    assert!(is_compressed("e", "image/png"));
    assert!(!is_compressed("f", "text/plain"));
    assert_eq!(set("compression_level", "0").json(), json!("8"));
    assert!(!is_compressed("g", "image/png"));
    // What is stored stays as it was stored.
    check(&hub, "GET /db/a/x", "", "200 hello");
    check(&hub, "GET /db/g/x", "", "200 hello");
}

#[test]
fn what_comes_compressed_stays_as_it_came() {
    let hub = with_db();
    let compressed = gzip(&verse());
    let put = |path: &str, bytes: &[u8]| {
        let body = Body::bytes(bytes, "image/x");
        hub.request("PUT", path).header("Content-Encoding", "gzip").send(body)
    };
    put("/db/d/x", &compressed).expect(201);
    let expected = json!({
        "content_type": "image/x", "revpos": 1, "digest": format!("md5-{}", md5(&compressed)),
        "length": verse().len(), "stub": true,
        "encoding": "gzip", "encoded_length": compressed.len()
    });
    assert_eq!(told(&hub, "/db/d?att_encoding_info=true"), expected);
    assert!(get(&hub, "/db/d/x", "gzip").expect(200).body == compressed, "not what was written");
    assert!(get(&hub, "/db/d/x", "").expect(200).body == verse(), "not what was written");

    let cut = &compressed[..compressed.len() - 5];
    for broken in [&b""[..], b"hello", cut, &[&compressed[..], b"more"].concat()] {
        let refused = put("/db/e/x", broken).expect(400);
        assert_eq!(refused.text("reason"), "the attachment is not valid gzip");
    }
    check(&hub, "GET /db/e", "", &error(404, "not_found", "missing"));
}

#[test]
fn a_bomb_is_as_large_as_what_it_becomes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let config = "[limits]\nattachment_bytes_max = 1000000\n";
    std::fs::write(folder.path().join("data/larder.toml"), config).unwrap();
    let hub = Hub::start_in(folder);
    hub.put("/db", "").expect(201);
    let bomb = gzip(&vec![0; 1_000_001]);
    let put = |bytes: &[u8]| {
        let body = text(bytes);
        hub.request("PUT", "/db/d/x").header("Content-Encoding", "gzip").send(body)
    };
    let refused = put(&bomb).expect(413);
    assert_eq!(refused.text("error"), "attachment_too_large");
    let said = json!({"_attachments": {"x": {"follows": true, "encoding": "gzip"}}});
    let mut body = format!("--b\r\n\r\n{said}\r\n--b\r\n\r\n").into_bytes();
    body.extend_from_slice(&bomb);
    body.extend_from_slice(b"\r\n--b--");
    let body = Body::bytes(body, "multipart/related; boundary=b");
    check(&hub, "PUT /db/d", body, &error(413, "attachment_too_large", "x"));
    check(&hub, "GET /db/d", "", "404");
    put(&gzip(&vec![0; 1_000_000])).expect(201);
}

#[test]
fn digests_that_clients_send_are_compared() {
    let hub = with_db();
    let put = |path: &str, md5: &str, encoding: &str, bytes: &[u8]| {
        let request = hub.request("PUT", path).header("Content-MD5", md5);
        request.header("Content-Encoding", encoding).send(text(bytes))
    };
    let mismatch = error(400, "content_md5_mismatch", "Possible message corruption.");
    for (encoding, bytes) in [("identity", b"hello".to_vec()), ("gzip", gzip(b"hello"))] {
        for wrong in [&*md5(b"other"), "", "!"] {
            let refused = put("/db/a/x", wrong, encoding, &bytes);
            let found = format!("{} {}", refused.status, String::from_utf8_lossy(&refused.body));
            assert!(found.starts_with(&mismatch), "{wrong}: {found}");
        }
        put(&format!("/db/{encoding}/x"), &md5(&bytes), encoding, &bytes).expect(201);
    }
    check(&hub, "GET /db/a", "", "404");
}

#[test]
fn a_digest_may_come_behind_the_body() {
    let hub = with_db();
    let (credentials, host) = hub.owner_url().rsplit_once('@').unwrap();
    let credentials = STANDARD.encode(credentials.trim_start_matches("http://"));
    let host = host.trim_end_matches('/');
    let put = |id: &str, md5: &str| {
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        let request = format!(
            "PUT /db/{id}/x HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {credentials}\r\n\
             Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: Content-MD5\r\n\
             Connection: close\r\n\r\n5\r\nhello\r\n0\r\nContent-MD5: {md5}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let refused = put("a", &md5(b"other"));
    assert!(refused.contains("content_md5_mismatch"), "{refused}");
    let written = put("a", &md5(b"hello"));
    assert!(written.starts_with("HTTP/1.1 201"), "{written}");
}

#[test]
fn the_encoding_goes_where_the_attachment_goes() {
    let hub = with_db();
    let data = STANDARD.encode(verse());
    let inline = json!({"x": {"content_type": "text/plain", "data": data}});
    let docs = json!({"docs": [{"_id": "a", "_attachments": inline}]});
    let rows = hub.post("/db/_bulk_docs", docs).expect(201).json();
    let before = told(&hub, "/db/a?att_encoding_info=true");
    assert_eq!(before["encoding"], "gzip");

    let copied = hub.request("COPY", "/db/a").header("Destination", "b").send("").expect(201);
    let next = json!({"_rev": rows[0]["rev"], "_attachments": {"x": {"stub": true}}});
    let second = hub.put("/db/a", next).expect(201).rev();
    hub.post("/db/_compact", json!({})).expect(202);
    hub.put(&format!("/db/b/y?rev={}", copied.rev()), text(b"more")).expect(201);
    for id in ["a", "b"] {
        let after = told(&hub, &format!("/db/{id}?att_encoding_info=true"));
        assert_eq!(after, before, "{id}");
        assert!(hub.get(&format!("/db/{id}/x")).expect(200).body == verse(), "{id}");
    }

    // As parts it goes out, and comes back, the way it is stored.
    let request = hub.request("GET", "/db/a?attachments=true&revs=true");
    let parts = request.header("Accept", "multipart/related").send("").expect(200);
    assert_eq!(parts.header("content-length"), parts.body.len().to_string());
    assert_eq!(parts.header("etag"), format!("\"{second}\""));
    let sent = String::from_utf8_lossy(&parts.body).into_owned();
    assert!(sent.contains(r#""follows":true,"encoding":"gzip","encoded_length":"#), "{sent}");
    assert!(sent.contains("\r\nContent-Encoding: gzip\r\n"), "{sent}");
    let body = Body::bytes(parts.body.clone(), parts.header("content-type"));
    hub.put("/other", "").expect(201);
    hub.put("/other/a?new_edits=false", body).expect(201);
    assert_eq!(told(&hub, "/other/a?att_encoding_info=true"), before);
}

#[test]
fn replicated_attachments_keep_their_digests() {
    let (here, there) = (with_db(), with_db());
    here.put("/db/text/x", text(&verse())).expect(201);
    let zipped = Body::bytes(gzip(&verse()), "image/x");
    here.request("PUT", "/db/zipped/x").header("Content-Encoding", "gzip").send(zipped).expect(201);
    here.put("/db/plain/x", Body::bytes(verse(), "image/x")).expect(201);
    let odd = encode("a \"b\"/é");
    here.put(&format!("/db/odd/{odd}"), text(b"odd")).expect(201);
    let off = "/_node/_local/_config/attachments/compression_level";
    here.put(off, json!("0")).expect(200);
    here.put("/db/uncompressed/x", text(&verse())).expect(201);

    let url = |hub: &Hub, db: &str| hub.owner_url().trim_end_matches('/').to_owned() + "/" + db;
    let compare = |hub: &Hub, db: &str, route: &str| {
        // What is sent plain to a server is stored there as its own settings say.
        let pushed = db == "pushed" || db == "between";
        let ids = ["text", "zipped", "plain", "odd", "uncompressed"];
        for id in &ids[..if pushed { 4 } else { 5 }] {
            let path = format!("{id}?att_encoding_info=true");
            let [wanted, found] =
                [here.get(&format!("/db/{path}")), hub.get(&format!("/{db}/{path}"))];
            assert_eq!(found.expect(200).json(), wanted.json(), "{id} {route}");
        }
        let [wanted, found] =
            [get(&here, "/db/zipped/x", "gzip"), get(hub, &format!("/{db}/zipped/x"), "gzip")];
        assert!(found.body == wanted.body, "bytes {route}");
    };
    let replicate = |hub: &Hub, source: Value, target: Value| {
        let asked = json!({"source": source, "target": target, "create_target": true});
        let reply = hub.post("/_replicate", asked).expect(200).json();
        assert_eq!(reply["history"][0]["doc_write_failures"], 0, "{reply}");
        assert_eq!(reply["history"][0]["docs_written"], 5, "{reply}");
    };
    replicate(&here, json!("db"), json!("copy"));
    compare(&here, "copy", "within a hub");
    replicate(&there, json!(url(&here, "db")), json!("pulled"));
    compare(&there, "pulled", "pulled");
    replicate(&here, json!("db"), json!(url(&there, "pushed")));
    compare(&there, "pushed", "pushed");
    replicate(&here, json!(url(&here, "db")), json!(url(&there, "between")));
    compare(&there, "between", "between two others");
}
