//! Feeds of what a selector means.

use std::thread;

use serde_json::{Value, json};
use tests::{Body, Hub};

use crate::{put, row, shown, with};

#[track_caller]
fn check(hub: &Hub, query: &str, selector: &Value, expected: &str) {
    let body = json!({"selector": selector});
    let feed = hub.post(&format!("/db/_changes?filter=_selector&{query}"), body).expect(200);
    assert_eq!(shown(&feed.json()), expected, "{query} {selector}");
}

#[test]
fn documents_are_chosen_by_what_they_say() {
    let hub = with(&["a", "b", "_design/x", "c"]);
    let rev = hub.get("/db/a").text("_rev");
    hub.delete(&format!("/db/a?rev={rev}")).expect(200);
    check(&hub, "", &json!({}), "2:b 3:_design/x 4:c 5:a! 5/0");
    check(&hub, "", &json!({"of": {"$in": ["b", "a"]}}), "2:b 5/0");
    check(&hub, "", &json!({"_id": {"$regex": "^_design/"}}), "3:_design/x 5/0");
    check(&hub, "", &json!({"_deleted": true}), "5:a! 5/0");
    check(&hub, "limit=1", &json!({"of": {"$gt": null}}), "2:b 2/3");
    check(&hub, "since=now", &json!({}), "5/0");
    check(&hub, "descending=true&include_docs=true", &json!({"of": "b"}), "2:b 2/0");
    check(&hub, "feed=longpoll&timeout=1", &json!({"of": "none"}), "5/0");
    let attached = json!({"_attachments": {"f": {"data": "YQ==", "content_type": "a/b"}}});
    hub.put("/db/d", attached).expect(201);
    check(&hub, "", &json!({"_attachments.f.length": 1}), "6:d 6/0");
}

#[test]
fn leaves_are_chosen_one_by_one() {
    let hub = with(&[]);
    let at = |rev: &str, n: i64, deleted: bool| json!({"_id": "a", "_rev": rev, "n": n, "_deleted": deleted});
    let docs = json!({"new_edits": false, "docs": [
        at("1-a", 1, false), at("1-c", 3, true), at("1-b", 2, false),
    ]});
    hub.post("/db/_bulk_docs", docs).expect(201);
    let leaves = |style: &str, selector: Value| {
        let path = format!("/db/_changes?filter=_selector&style={style}");
        let feed = hub.post(&path, json!({"selector": selector})).expect(200).json();
        feed["results"][0]["changes"].clone()
    };
    let revs = |revs: &[&str]| Value::from_iter(revs.iter().map(|rev| json!({"rev": rev})));
    let n = |n: i64| json!({"n": n});
    assert_eq!(leaves("main_only", n(2)), revs(&["1-b"]));
    assert_eq!(leaves("main_only", n(1)), Value::Null);
    assert_eq!(leaves("all_docs", n(1)), revs(&["1-a"]));
    assert_eq!(leaves("all_docs", json!({"n": {"$gte": 2}})), revs(&["1-b", "1-c"]));
    assert_eq!(leaves("all_docs", json!({"_deleted": true})), revs(&["1-c"]));
    assert_eq!(leaves("main_only", json!({"_conflicts.0": "1-a"})), revs(&["1-b"]));
}

#[test]
fn feeds_of_many_pages_are_whole() {
    let hub = with(&[]);
    let docs: Vec<Value> = (0..3_000).map(|n| json!({"_id": format!("{n:06}"), "n": n})).collect();
    hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201);
    let body = json!({"selector": {"n": {"$mod": [1000, 999]}}});
    let feed = hub.post("/db/_changes?filter=_selector", body).expect(200).json();
    assert_eq!(feed["results"].as_array().map(Vec::len), Some(3));
    // Paging, as a client does that asks for so many rows at a time.
    let (mut since, mut left) = ("0".to_owned(), 3_000);
    while left > 0 {
        let page = hub.get(&format!("/db/_changes?limit=700&since={since}")).expect(200).json();
        left -= page["results"].as_array().map_or(0, Vec::len);
        assert_eq!(page["pending"], left);
        since = page["last_seq"].as_str().unwrap_or_default().to_owned();
    }
}

#[test]
fn live_feeds_choose_too() {
    let hub = with(&["a"]);
    let client = hub.client();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let body = json!({"selector": {"of": {"$beginsWith": "x"}}});
            let path = "/db/_changes?filter=_selector&feed=continuous&limit=1&heartbeat=50";
            client.post(path, body).expect(200)
        });
        put(&hub, "b");
        put(&hub, "x1");
        let reply = waiting.join().expect("a reply");
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let line = text.lines().find(|line| !line.is_empty()).unwrap_or_default();
        let change: Value = serde_json::from_str(line).expect("a change");
        assert_eq!(row(&change), "3:x1");
    });
}

#[test]
fn refuses() {
    let hub = with(&["a"]);
    for (body, reason) in [
        (json!({}), "Selector must be specified in POST payload"),
        (json!({"selector": null}), "Selector error: expected a JSON object"),
        (json!({"selector": 5}), "Selector error: expected a JSON object"),
        (json!({"selector": {"a": {"$in": 1}}}), "Bad argument for operator $in: 1"),
        (json!({"selector": {"$text": "a"}}), "Unsupported operator: $text"),
    ] {
        for feed in ["normal", "continuous", "longpoll"] {
            let path = format!("/db/_changes?filter=_selector&timeout=0&feed={feed}");
            let reply = hub.post(&path, body.clone()).expect(400);
            assert_eq!(
                (reply.text("error"), reply.text("reason")),
                ("bad_request".into(), reason.into())
            );
        }
    }
    hub.post("/db/_changes?filter=_selector", "{\"selector\":{}").expect(400);
    hub.post("/db/_changes?filter=_selector", Body::json_text("")).expect(400);
}
