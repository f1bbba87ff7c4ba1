//! Requests to a hub, and to a constant.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use serde_json::json;
use tests::{Body, Client, Hub, Key};

use crate::constant::Constant;
use crate::engine::rate;
use crate::queries;
use crate::report::Report;
use crate::starts::note_memory;

const BATCH: u64 = 1000;

/// About 0.9 KB of JSON without an id.
pub(crate) fn body(number: u64) -> String {
    let letter = |at: u64| char::from(b'a' + (at.wrapping_mul(number + 7) / 3 % 26) as u8);
    let pad: String = (0..760).map(letter).collect();
    let (price, tag) = (price(number), number % 7);
    format!(
        "{{\"type\":\"order\",\"n\":{number},\"bucket\":{},\"price\":{price},\"tags\":[\"t{tag}\",\
         \"t{}\"],\"nested\":{{\"a\":{},\"b\":{{\"c\":\"{number}\"}}}},\"pad\":\"{pad}\"}}",
        number % 1000,
        number % 11,
        number % 13
    )
}

/// Prices lie below this; no two of as many documents have the same.
pub(crate) const PRICES: u64 = 100_000;

/// The price in a document.
pub(crate) fn price(number: u64) -> u64 {
    number * 7919 % PRICES
}

/// Measures a fresh hub under every kind of load.
pub(crate) fn measure(documents: u64, seconds: u64, report: &mut Report) {
    let hub = Hub::start();
    note_memory(&hub, "idle", report);
    for connections in [1, 16] {
        hub.put("/put", "").expect(201);
        let name = format!("put {connections}");
        report.note(&name, wrk(&hub, connections, seconds, &puts()));
        hub.delete("/put").expect(200);
    }
    hub.put("/main", "").expect(201);
    report.note("bulk", bulk(&hub, "/main", documents));
    report.note("get 16", wrk(&hub, 16, seconds, &gets(documents)));
    over_tls(&hub, documents, seconds, report);
    let document = hub.get("/main/doc-00000001").expect(200);
    let constant = Constant::start(String::from_utf8(document.body).unwrap());
    let origin = constant.origin();
    report.note("constant 16", wrk_at(&origin, "", 16, seconds, &gets(documents)));
    drop(constant);
    let listings = [
        ("all_docs", "/main/_all_docs"),
        ("all_docs with documents", "/main/_all_docs?include_docs=true"),
        ("changes", "/main/_changes"),
    ];
    for (name, path) in listings {
        let begun = Instant::now();
        hub.get(path).expect(200);
        report.note(name, rate(documents, begun.elapsed()));
    }
    report.note("replication", replication(&hub, documents));
    note_memory(&hub, "after the load", report);
    queries::measure(&hub, documents, seconds, report);
    note_memory(&hub, "after the queries", report);
}

/// The same reads and writes over TLS: by the owner's token, as `wrk` has no key, and by a device's key.
fn over_tls(hub: &Hub, documents: u64, seconds: u64, report: &mut Report) {
    let origin = hub.tls_url();
    let gets = gets(documents);
    let rate = wrk_at(origin.trim_end_matches('/'), &authorization(hub), 16, seconds, &gets);
    report.note("get 16 over TLS", rate);
    let key = Key::new();
    let url = format!("httpkey://127.0.0.1:9/ed25519publickey:{}/", key.text());
    hub.post("/_hub/devices", json!({"url": url, "name": "load"})).expect(201);
    hub.put("/tls", "").expect(201);
    report.note("bulk over TLS", bulk(&hub.as_key(Some(&key)), "/tls", documents));
    hub.delete("/tls").expect(200);
}

fn bulk(hub: &Client, database: &str, documents: u64) -> f64 {
    let requests: Vec<String> = (0..documents / BATCH)
        .map(|batch| {
            let mut text = String::from("{\"docs\":[");
            for number in batch * BATCH..(batch + 1) * BATCH {
                let comma = if number % BATCH == 0 { "" } else { "," };
                let rest = &body(number)[1..];
                write!(text, "{comma}{{\"_id\":\"doc-{number:08}\",{rest}").unwrap();
            }
            text.push_str("]}");
            text
        })
        .collect();
    let begun = Instant::now();
    for text in requests {
        hub.post(&format!("{database}/_bulk_docs"), Body::json_text(text)).expect(201);
    }
    rate(documents, begun.elapsed())
}

/// From hub to hub over HTTP.
fn replication(source: &Hub, documents: u64) -> f64 {
    let target = Hub::start();
    let url = |hub: &Hub, database: &str| format!("{}{database}", hub.owner_url());
    let request = json!({
        "source": url(source, "main"), "target": url(&target, "copy"), "create_target": true,
    });
    let begun = Instant::now();
    let reply = target.post("/_replicate", request).expect(200).json();
    assert_eq!(reply["history"][0]["docs_written"], documents);
    rate(documents, begun.elapsed())
}

/// A document of 0.75 KB a request.
fn puts() -> String {
    format!(
        "local i = 0\nlocal pad = '{}'\nfunction request()\n  i = i + 1\n  return wrk.format('PUT', \
         string.format('/put/w-%08d', i), nil, string.format('{{\"n\":%d,\"pad\":\"%s\"}}', i, pad))\n\
         end\nwrk.headers['Content-Type'] = 'application/json'\n",
        "x".repeat(700)
    )
}

fn gets(documents: u64) -> String {
    format!(
        "local i = 0\nfunction request()\n  i = (i + 7919) % {documents}\n  return \
         wrk.format('GET', string.format('/main/doc-%08d', i))\nend\n"
    )
}

/// Requests a second that a script makes, by the hub's owner.
pub(crate) fn wrk(hub: &Hub, connections: u32, seconds: u64, script: &str) -> f64 {
    wrk_at(hub.url().trim_end_matches('/'), &authorization(hub), connections, seconds, script)
}

/// Requests a second, none of which may have failed.
fn wrk_at(origin: &str, authorization: &str, connections: u32, seconds: u64, script: &str) -> f64 {
    let mut script = script.to_owned();
    if !authorization.is_empty() {
        writeln!(script, "wrk.headers['Authorization'] = '{authorization}'").unwrap();
    }
    script.push_str(
        "function done(summary)\n  io.write(string.format('RATE %f %d\\n', \
         summary.requests / (summary.duration / 1e6), summary.errors.status))\nend\n",
    );
    let file = tempfile::Builder::new().suffix(".lua").tempfile().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let mut command = Command::new("wrk");
    command.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s"]);
    let output = command.arg(file.path()).arg(origin).output();
    let output = output.unwrap_or_else(|error| panic!("wrk (Debian package wrk): {error}"));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("RATE "));
    let (rate, failed) = line.and_then(|line| line.split_once(' ')).unwrap();
    assert_eq!(failed, "0", "requests failed:\n{text}");
    rate.parse().unwrap()
}

/// The owner's `Authorization` header.
fn authorization(hub: &Hub) -> String {
    use base64::Engine as _;
    let (credentials, _) = hub.owner_url().trim_start_matches("http://").split_once('@').unwrap();
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
}
