//! Clients that do not read what they asked for.

use std::io::Read as _;

use serde_json::{Value, json};
use tests::Body;

use super::socket::{head, send};
use super::{assert_grown_at_most, assert_serves, hub_with, resident_mib};

const DOCUMENTS: usize = 4_000;

#[test]
fn slow_readers_hold_little_and_miss_nothing() {
    let hub = hub_with("");
    let text = "x".repeat(4_000);
    for batch in 0..4 {
        let ids = batch * DOCUMENTS / 4..(batch + 1) * DOCUMENTS / 4;
        let docs: Vec<_> = ids.map(|n| json!({"_id": format!("d{n:05}"), "x": text})).collect();
        hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201);
    }
    let large = vec![7; 24 << 20];
    hub.put("/db/a/large", Body::bytes(large.clone(), "image/x")).expect(201);
    let before = resident_mib(&hub);
    let open = |line: &str| {
        send(&hub, format!("{}Connection: close\r\n\r\n", head(&hub, line)).as_bytes())
    };
    // 40 readers of 16 MiB and more each: all of it would be a gigabyte.
    let mut listings: Vec<_> =
        (0..20).map(|_| open("GET /db/_all_docs?include_docs=true")).collect();
    let feeds: Vec<_> = (0..10).map(|_| open("GET /db/_changes?include_docs=true")).collect();
    let mut attachments: Vec<_> = (0..10).map(|_| open("GET /db/a/large")).collect();
    for n in 0..5 {
        assert_serves(&hub, &format!("new{n}"));
    }
    assert_grown_at_most(&hub, before, 150);

    let mut answer = Vec::new();
    listings[0].read_to_end(&mut answer).unwrap();
    assert_eq!(rows(&answer), DOCUMENTS + 1, "rows of the listing");
    answer.clear();
    attachments[0].read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(&large), "not the attachment");
    drop((listings, feeds, attachments));
    assert_serves(&hub, "after");
}

/// How many rows an answer in chunks has, those written while it was read aside.
fn rows(answer: &[u8]) -> usize {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let (mut text, mut rest) = (Vec::new(), &answer[end..]);
    while let Some(line) = rest.windows(2).position(|window| window == b"\r\n") {
        let length = std::str::from_utf8(&rest[..line]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        text.extend_from_slice(&rest[line + 2..line + 2 + length]);
        rest = &rest[line + 4 + length..];
    }
    let listing: Value = serde_json::from_slice(&text).unwrap();
    let ids = listing["rows"].as_array().unwrap().iter().filter_map(|row| row["id"].as_str());
    ids.filter(|id| !id.starts_with("new")).count()
}
