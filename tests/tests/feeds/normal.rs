//! Feeds that end when they have caught up.

use serde_json::{Value, json};
use tests::{Body, encode};

use crate::{check, get, lines, put, shown, with};

#[test]
fn normal_feeds() {
    let hub = with(&["a", "b", "_design/x", "c"]);
    let rev = hub.get("/db/a").text("_rev");
    hub.delete(&format!("/db/a?rev={rev}")).expect(200);
    let at = |n: usize| {
        let feed = hub.get("/db/_changes").json();
        encode(feed["results"][n]["seq"].as_str().unwrap_or_default())
    };
    check(&hub, "", "2:b 3:_design/x 4:c 5:a! 5/0");
    check(&hub, "since=0&limit=2", "2:b 3:_design/x 3/2");
    check(&hub, "limit=4", "2:b 3:_design/x 4:c 5:a! 5/0");
    check(&hub, "limit=0", "0/4");
    check(&hub, &format!("since={}", at(1)), "4:c 5:a! 5/0");
    check(&hub, &format!("since=%22{}%22", at(1)), "4:c 5:a! 5/0");
    check(&hub, &format!("since={}&limit=0", at(1)), "3/2");
    check(&hub, "since=now", "5/0");
    check(&hub, "descending=true", "5:a! 4:c 3:_design/x 2:b 2/0");
    check(&hub, "descending=true&limit=1", "5:a! 5/0");
    check(&hub, "filter=_design", "3:_design/x 5/0");
    check(&hub, "filter=_doc_ids&doc_ids=[\"c\",\"a\",\"none\",\"_bad\"]", "4:c 5:a! 5/0");
    check(&hub, "filter=_doc_ids&doc_ids=[\"c\",\"a\"]&limit=1", "4:c 4/1");
    check(&hub, "seq_interval=2", "2:b -:_design/x 4:c -:a! 5/0");
    check(&hub, "since=1-0123456789abcdef", "2:b 3:_design/x 4:c 5:a! 5/0");
    let posted = hub.post("/db/_changes?filter=_doc_ids", json!({"doc_ids": ["b"]})).expect(200);
    assert_eq!(shown(&posted.json()), "2:b 5/0");
    let posted = hub.post("/db/_changes?limit=1", Body::json_text("")).expect(200);
    assert_eq!(shown(&posted.json()), "2:b 2/3");
}

#[test]
fn rows_are_written_as_couchdb_writes_them() {
    let hub = with(&[]);
    let empty = hub.get("/db/_changes").expect(200);
    let seq = empty.text("last_seq");
    let text = format!("{{\"results\":[\n\n],\n\"last_seq\":\"{seq}\",\"pending\":0}}\n");
    assert_eq!(String::from_utf8_lossy(&empty.body), text);
    let (first, second) = (put(&hub, "a"), put(&hub, "b"));
    let feed = hub.get("/db/_changes").expect(200);
    let epoch = seq.trim_start_matches('0');
    let text = format!(
        "{{\"results\":[\n\
         {{\"seq\":\"1{epoch}\",\"id\":\"a\",\"changes\":[{{\"rev\":\"{first}\"}}]}},\r\n\
         {{\"seq\":\"2{epoch}\",\"id\":\"b\",\"changes\":[{{\"rev\":\"{second}\"}}]}}\n\
         ],\n\"last_seq\":\"2{epoch}\",\"pending\":0}}\n"
    );
    assert_eq!(String::from_utf8_lossy(&feed.body), text);
    let tag = feed.header("etag").to_owned();
    let again = hub.request("GET", "/db/_changes").header("if-none-match", &tag).send("");
    assert!(again.expect(304).body.is_empty());
    put(&hub, "c");
    hub.request("GET", "/db/_changes").header("if-none-match", &tag).send("").expect(200);
}

#[test]
fn rows_show_leaves_and_documents() {
    let hub = with(&[]);
    let at = |rev: &str, deleted: bool| json!({"_id": "a", "_rev": rev, "_deleted": deleted});
    let docs = json!({"new_edits": false, "docs": [
        at("1-a", false), at("1-c", true), at("1-b", false),
        {"_id": "gone", "_rev": "1-x", "_deleted": true},
    ]});
    hub.post("/db/_bulk_docs", docs).expect(201);
    let rows = |query: &str| {
        let feed = get(&hub, query).expect(200).json();
        feed["results"].as_array().cloned().unwrap_or_default()
    };
    let row =
        |query: &str| rows(query).into_iter().find(|row| row["id"] == "a").unwrap_or_default();
    assert_eq!(row("")["changes"], json!([{"rev": "1-b"}]));
    let leaves = json!([{"rev": "1-b"}, {"rev": "1-a"}, {"rev": "1-c"}]);
    assert_eq!(row("style=all_docs")["changes"], leaves);
    assert_eq!(row("include_docs=true")["doc"], json!({"_id": "a", "_rev": "1-b"}));
    let doc = json!({"_id": "a", "_rev": "1-b", "_conflicts": ["1-a"]});
    assert_eq!(row("include_docs=true&conflicts=true")["doc"], doc);
    let all = rows("include_docs=true");
    let gone = all.iter().find(|row| row["id"] == "gone").cloned().unwrap_or_default();
    assert_eq!(gone["doc"], json!({"_id": "gone", "_rev": "1-x", "_deleted": true}));
    assert_eq!(gone["deleted"], true);
}

#[test]
fn refuses() {
    let hub = with(&["a"]);
    let malformed = "Malformed sequence supplied in 'since' parameter.";
    for (query, status, word, reason) in [
        ("since=bogus", 400, "bad_request", malformed),
        ("since=999", 400, "bad_request", malformed),
        ("since=-1", 400, "bad_request", malformed),
        ("feed=other", 400, "bad_request", "Supported `feed` types"),
        ("style=other", 400, "bad_request", "Supported `style` types"),
        ("limit=x", 400, "query_parse_error", "Invalid value for integer: \"x\""),
        ("heartbeat=false", 400, "bad_request", "Invalid heartbeat value."),
        ("heartbeat=0", 400, "bad_request", "The heartbeat value should be a positive integer"),
        ("filter=_doc_ids", 400, "bad_request", "`doc_ids` filter parameter is not a list"),
        ("filter=_doc_ids&doc_ids=1", 400, "bad_request", "`doc_ids` filter parameter"),
        ("filter=_selector", 400, "bad_request", "Selector must be specified in POST payload"),
        ("filter=_view&view=a/b", 404, "not_found", "missing"),
        ("filter=a/b", 404, "not_found", "missing"),
        ("filter=_view", 400, "bad_request", "`view` filter parameter is not provided."),
        ("filter=other", 400, "bad_request", "`filter` must be of the form"),
        ("filter=_other", 400, "bad_request", "unknown builtin filter name"),
    ] {
        for feed in ["normal", "continuous"] {
            let feed = if query.starts_with("feed") { "" } else { feed };
            let query = format!("timeout=0&feed={feed}&{query}").replace("feed=&", "");
            let reply = get(&hub, &query).expect(status);
            assert_eq!(reply.text("error"), word, "{query}");
            assert!(reply.text("reason").starts_with(reason), "{query}: {reply}");
        }
    }
    hub.get("/other/_changes?feed=continuous").expect(404);
    hub.post("/db/_changes", Body::bytes("{}", "text/plain")).expect(415);
    hub.post("/db/_changes", "[]").expect(400);
}

#[test]
fn feeds_of_many_pages_are_whole() {
    let hub = with(&[]);
    let count = 4_321;
    let docs: Vec<Value> = (0..count).map(|n| json!({"_id": format!("{n:06}")})).collect();
    hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201);
    for query in ["", "include_docs=true", "descending=true", "style=all_docs"] {
        let feed = get(&hub, query).expect(200).json();
        let rows = feed["results"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
        assert_eq!(ids.len(), count, "{query}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{query}");
        assert_eq!(feed["pending"], 0, "{query}");
    }
    let feed = hub.get("/db/_changes?limit=2500").json();
    assert_eq!(feed["results"].as_array().map(Vec::len), Some(2500));
    assert_eq!(feed["pending"], count - 2500);
    let ids: Vec<String> = (0..count).step_by(9).map(|n| format!("{n:06}")).collect();
    let posted = hub.post("/db/_changes?filter=_doc_ids", json!({"doc_ids": ids})).expect(200);
    let rows = posted.json()["results"].as_array().map(Vec::len);
    assert_eq!(rows, Some(ids.len()));
    assert_eq!(lines(&hub, "timeout=0").len(), count + 1);
}
