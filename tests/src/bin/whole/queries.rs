//! Views and Mango's indexes over a hub's documents: made, asked, and read.

use std::time::Instant;

use serde_json::{Value, json};
use tests::Hub;

use crate::engine::rate;
use crate::load::{PRICES, wrk};
use crate::report::Report;

/// Rows that are reduced at once.
const REDUCED: u64 = 1_000_000;

/// Documents of one answer.
const FOUND: u64 = 25;

/// Measures on the hub's database `main`, which has documents made by [`crate::load::body`].
pub(crate) fn measure(hub: &Hub, documents: u64, seconds: u64, report: &mut Report) {
    views(hub, documents, seconds, report);
    reductions(hub, documents, report);
    mango(hub, documents, seconds, report);
}

fn views(hub: &Hub, documents: u64, seconds: u64, report: &mut Report) {
    let map = "function (doc) { emit(doc.price, doc.n); }";
    let build = built(hub, documents, "prices", map);
    report.note("view build", build);
    report.note("view key 16", wrk(hub, 16, seconds, &key_queries(documents)));
    let begun = Instant::now();
    let rows = hub.get("/main/_design/prices/_view/v?reduce=false").expect(200);
    report.note("view rows", rate(documents, begun.elapsed()));
    assert_eq!(rows.json()["rows"].as_array().map(Vec::len), Some(documents as usize));
}

/// Makes a view from nothing; documents a second. Nothing begins before the clock does.
fn built(hub: &Hub, documents: u64, design: &str, map: &str) -> f64 {
    let views = json!({"v": {"map": map, "reduce": "_stats"}});
    let begun = Instant::now();
    hub.put(&format!("/main/_design/{design}"), json!({"views": views})).expect(201);
    hub.get(&format!("/main/_design/{design}/_view/v?reduce=false&limit=1")).expect(200);
    rate(documents, begun.elapsed())
}

/// A million rows in one, of which the first and the last are left out: their pages are looked into.
fn reductions(hub: &Hub, documents: u64, report: &mut Report) {
    let rows = REDUCED.div_ceil(documents);
    let map = format!(
        "function (doc) {{ for (var i = 0; i < {rows}; i++) emit(doc.n * {rows} + i, i); }}"
    );
    report.note("view build, a million rows", rows as f64 * built(hub, documents, "million", &map));
    let last = documents * rows - 2;
    let path = format!("/main/_design/million/_view/v?startkey=1&endkey={last}");
    let ask = || hub.get(&path).expect(200).json()["rows"][0]["value"]["count"].clone();
    assert_eq!(ask(), json!(last));
    let begun = Instant::now();
    assert_eq!(ask(), json!(last));
    report.note("reduce a million rows, ms", begun.elapsed().as_secs_f64() * 1000.0);
}

fn mango(hub: &Hub, documents: u64, seconds: u64, report: &mut Report) {
    let find = |body: &Value| hub.post("/main/_find", body).expect(200).json();
    let begun = Instant::now();
    let unindexed = find(&json!({"selector": {"nested.b.c": "none"}}));
    report.note("find, no index", rate(documents, begun.elapsed()));
    assert_eq!(unindexed["docs"], json!([]));

    let begun = Instant::now();
    let index = json!({"index": {"fields": ["type", "price"]}, "ddoc": "orders", "name": "price"});
    hub.post("/main/_index", index).expect(200);
    let selector = json!({"type": "order", "price": {"$gte": 0}});
    let question = json!({"selector": selector, "limit": FOUND});
    assert_eq!(find(&question)["docs"].as_array().map(Vec::len), Some(FOUND as usize));
    report.note("mango build", rate(documents, begun.elapsed()));
    report.note("find 16", wrk(hub, 16, seconds, &finds()));
}

fn key_queries(documents: u64) -> String {
    format!(
        "local i = 0\nfunction request()\n  i = (i + 7919) % {documents}\n  return wrk.format('GET', \
         string.format('/main/_design/prices/_view/v?reduce=false&key=%d', i * 7919 % {PRICES}))\n\
         end\n"
    )
}

/// Questions that begin at one price after the other, low enough for all to find their documents.
fn finds() -> String {
    format!(
        "local i = 0\nfunction request()\n  i = (i + 7919) % {}\n  return wrk.format('POST', \
         '/main/_find', nil, string.format('{{\"selector\":{{\"type\":\"order\",\"price\":\
         {{\"$gte\":%d}}}},\"limit\":{FOUND}}}', i))\nend\n\
         wrk.headers['Content-Type'] = 'application/json'\n",
        PRICES / 2
    )
}
