//! Request bodies: endless, lying about their length, compressed beyond reason, all at once.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Body, Finished, Hub, Key};

use super::socket::{answer_head, head, host, send, send_to, status};
use super::{assert_grown_at_most, assert_serves, hub_with, resident_mib};

const MIB: usize = 1 << 20;

/// The head of a request with a body of JSON in chunks.
fn chunked(hub: &Hub, line: &str) -> String {
    let head = head(hub, line);
    format!("{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn chunks_that_never_end_are_refused_at_the_limit() {
    let hub =
        hub_with("[limits]\nrequest_bytes_max = 20_000_000\nattachment_bytes_max = 20_000_000");
    let before = resident_mib(&hub);
    let chunk = format!("{:x}\r\n{}\r\n", MIB, " ".repeat(MIB));
    for (line, word) in [
        ("PUT /db/d", "too_large"),
        ("POST /db/_bulk_docs", "too_large"),
        ("POST /db/_revs_diff", "too_large"),
        ("PUT /db/d/a", "attachment_too_large"),
    ] {
        let mut socket = send(&hub, chunked(&hub, line).as_bytes());
        // It goes on sending, whatever it hears.
        for _ in 0..60 {
            let _heard_out = socket.write_all(chunk.as_bytes());
        }
        assert_eq!(status(&mut socket), 413, "{line}");
        let whole = Body::json_text(" ".repeat(21 * MIB));
        let (method, path) = line.split_once(' ').unwrap();
        let reply = hub.request(method, path).send(whole);
        assert_eq!((reply.status, reply.text("error")), (413, word.to_owned()), "{line}");
    }
    assert_serves(&hub, "after");
    assert_grown_at_most(&hub, before, 200);
}

#[test]
fn what_is_too_long_hears_so_over_http_2() {
    let hub = hub_with("");
    hub.put("/_hub/requests", json!({"open": true})).expect(200);
    let folder = TempDir::new().unwrap();
    let (certificate, key) = Key::new().write_to(folder.path());
    let body = folder.path().join("body");
    let ask = |bytes: usize, header: &str| {
        std::fs::write(&body, vec![b' '; bytes]).unwrap();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--insecure", "--http2", "--max-time", "60"]);
        curl.arg("--cert").arg(&certificate).arg("--key").arg(&key);
        curl.args(["--write-out", "\n%{http_version} %{http_code}"]);
        curl.args(["--header", "Content-Type: application/json", "--header", header]);
        curl.arg("--data-binary").arg(format!("@{}", body.display()));
        curl.arg(format!("{}_hub/request", hub.tls_url()));
        Finished::of(&mut curl).expect_success()
    };
    for bytes in [9_000, 70_000, 300_000, 5_000_000] {
        // With its length said, and without.
        for header in ["X-Is: long", "Content-Length:"] {
            let said = ask(bytes, header);
            let refused = said.contains(r#""error":"too_large""#) && said.ends_with("\n2 413");
            assert!(refused, "{bytes} {header} {said}");
        }
    }
    assert_serves(&hub, "after");
}

#[test]
fn what_is_only_announced_takes_no_memory() {
    let hub = hub_with("");
    let before = resident_mib(&hub);
    let announced = |path: &str, bytes: u64| {
        let head = head(&hub, path);
        format!("{head}Content-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n{{")
    };
    let waiting: Vec<_> = (0..300)
        .map(|n| match n % 3 {
            0 => send(&hub, announced("PUT /db/d", 100_000_000).as_bytes()),
            1 => send(&hub, announced("POST /db/_bulk_docs", 4_000_000_000).as_bytes()),
            _ => send(&hub, announced("POST /db/_revs_diff", 16_000_000).as_bytes()),
        })
        .collect();
    assert_serves(&hub, "d");
    assert_grown_at_most(&hub, before, 100);
    for (path, bytes) in [("PUT /db/d", 200_000_000), ("POST /db/_bulk_docs", 5_000_000_000)] {
        assert_eq!(status(&mut send(&hub, announced(path, bytes).as_bytes())), 413);
    }
    drop(waiting);
    assert_serves(&hub, "after");
}

#[test]
fn what_unpacks_to_too_much_is_refused() {
    let hub =
        hub_with("[limits]\nrequest_bytes_max = 50_000_000\nattachment_bytes_max = 50_000_000");
    let before = resident_mib(&hub);
    let bomb = gzip(&vec![b' '; 200 * MIB]);
    assert!(bomb.len() < MIB);
    for (method, path, word) in [
        ("PUT", "/db/d", "too_large"),
        ("POST", "/db/_bulk_docs", "too_large"),
        ("POST", "/db/_revs_diff", "too_large"),
        ("PUT", "/db/d/a", "attachment_too_large"),
    ] {
        let request = hub.request(method, path).header("Content-Encoding", "gzip");
        let reply = request.send(Body::json_text(bomb.clone()));
        assert_eq!((reply.status, reply.text("error")), (413, word.to_owned()), "{path}");
    }
    assert_serves(&hub, "after");
    assert_grown_at_most(&hub, before, 250);
}

#[test]
fn very_many_small_things_in_one_request() {
    let hub = hub_with("");
    hub.put("/db/d", json!({})).expect(201);
    let before = resident_mib(&hub);
    let ids: Vec<_> = (0..100_000).map(|n| format!("id{n}")).collect();
    let rows = hub.post("/db/_all_docs", json!({"keys": ids})).expect(200).json();
    assert_eq!(rows["rows"].as_array().map(Vec::len), Some(100_000));
    let revs: serde_json::Map<_, _> =
        ids.iter().map(|id| (id.clone(), json!(["1-a", "2-b"]))).collect();
    let missing = hub.post("/db/_revs_diff", Value::from(revs)).expect(200).json();
    assert_eq!(missing.as_object().map(serde_json::Map::len), Some(100_000));
    let docs: Vec<_> = ids.iter().take(50_000).map(|id| json!({"id": id})).collect();
    let found = hub.post("/db/_bulk_get", json!({"docs": docs})).expect(200).json();
    assert_eq!(found["results"].as_array().map(Vec::len), Some(50_000));
    let changes = hub.post("/db/_changes?filter=_doc_ids", json!({"doc_ids": ids})).expect(200);
    assert_eq!(changes.json()["results"], json!([]));
    let open: Vec<_> = (1..3_000).map(|n| format!("%22{n}-a%22")).collect();
    let open = hub.get(&format!("/db/d?open_revs=[{}]", open.join(","))).expect(200).json();
    assert_eq!(open.as_array().map(Vec::len), Some(2_999));
    hub.get(&format!("/db/d?{}", "a=b&".repeat(15_000))).expect(200);
    hub.get(&format!("/db/_all_docs?keys=[{}1]", "1,".repeat(20_000))).expect(200);
    assert_grown_at_most(&hub, before, 400);
}

#[test]
fn text_that_becomes_far_more_in_memory_is_refused() {
    let hub = hub_with("");
    let before = resident_mib(&hub);
    let objects = format!("{{\"docs\":[{}{{}}]}}", "{\"a\":1},".repeat(2_000_000));
    let reply = hub.post("/db/_bulk_get", Body::json_text(objects)).expect(413);
    assert_eq!(reply.text("error"), "too_large");
    let members = format!("{{{}\"z\":1}}", "\"a\":1,".repeat(15_000_000));
    let reply = hub.put("/db/d", Body::json_text(members)).expect(413);
    assert_eq!(reply.text("error"), "too_large");
    assert_serves(&hub, "after");
    assert_grown_at_most(&hub, before, 300);
}

#[test]
fn the_requests_of_all_clients_share_one_stock_of_memory() {
    let hub = hub_with("[limits]\nrequest_memory_bytes_max = 67_108_864");
    let before = resident_mib(&hub);
    // Each sends half of what it announces: twenty of them would hold 160 MiB.
    let half = " ".repeat(8 * MIB);
    let request = head(&hub, "POST /db/_revs_diff");
    let request = format!(
        "{request}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{half}",
        16 * MIB
    );
    let host = host(&hub);
    let clients: Vec<_> = std::thread::scope(|scope| {
        let threads = (0..20).map(|_| scope.spawn(|| send_to(host, request.as_bytes())));
        threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // Whoever needs little is served meanwhile.
    assert_serves(&hub, "meanwhile");
    assert_grown_at_most(&hub, before, 150);
    // Whoever found nothing left is told so, the others wait for the rest of their bodies. What they give back
    // when they end is there for nobody before that.
    for socket in &clients {
        socket.set_nonblocking(true).unwrap();
    }
    tests::eventually("refusals", || {
        let answered = |socket: &&TcpStream| socket.peek(&mut [0]).is_ok_and(|bytes| bytes > 0);
        let answered = clients.iter().filter(answered).count();
        if answered >= 8 { Ok(()) } else { Err(format!("{answered} were answered")) }
    });
    let mut refused = 0;
    for mut socket in clients {
        socket.set_nonblocking(false).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        match status(&mut socket) {
            503 => refused += 1,
            status => assert_eq!(status, 400),
        }
    }
    assert!(refused >= 8, "{refused} were refused");
    // All was given back.
    let keys: Vec<_> = (0..100_000).map(|n| n.to_string()).collect();
    hub.post("/db/_all_docs", json!({"keys": keys})).expect(200);
}

#[test]
fn a_connection_ends_with_a_request_that_is_not_read() {
    let hub = hub_with("");
    let ends = |line: &str, body: &str| {
        let head = head(&hub, line);
        let announced = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
        let mut socket = send(&hub, format!("{head}{announced}\r\n\r\n").as_bytes());
        if !line.contains("evil") {
            let _heard_out = socket.write_all(body.as_bytes());
        }
        let head = answer_head(&mut socket).to_ascii_lowercase();
        head.contains("connection: close")
    };
    assert!(ends("POST /_session?next=//evil.test/", "{}"), "refused before its body was sent");
    assert!(!ends("POST /db/_compact", "{}"), "nobody reads it, and it is here");
    assert!(!ends("PUT /db/d", "{}"), "written");
    assert!(!ends("PUT /db/d?rev=1-a", "{}"), "a conflict");
}
