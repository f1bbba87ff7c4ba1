//! Limit, skip and bookmarks.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::Hub;

use crate::{check_ids, find, index, rev, with, write};

const DOCUMENTS: usize = 700;

fn id(n: usize) -> String {
    format!("d{n:04}")
}

fn many() -> Hub {
    let document = |n: usize| json!({"_id": id(n), "n": n % 7, "text": "x".repeat(n % 50)});
    let hub = with(&(0..DOCUMENTS).map(document).collect());
    index(&hub, "n", &json!(["n"]));
    hub
}

/// All pages, with something done between two of them.
fn pages(hub: &Hub, body: &Value, mut between: impl FnMut(usize, &[Value])) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut body = body.clone();
    loop {
        let answer = find(hub, &body);
        let documents = answer["docs"].as_array().unwrap().clone();
        body["bookmark"] = answer["bookmark"].clone();
        body["skip"] = json!(0);
        if documents.is_empty() {
            // Behind the end nothing moves.
            assert_eq!(find(hub, &body)["bookmark"], body["bookmark"]);
            return pages;
        }
        between(pages.len(), &documents);
        pages.push(documents);
    }
}

fn bodies() -> [Value; 5] {
    [
        json!({"selector": {}}),
        json!({"selector": {"_id": {"$gt": "d0003"}}, "sort": [{"_id": "desc"}]}),
        json!({"selector": {"n": {"$gte": 1}}}),
        json!({"selector": {"n": {"$gte": 1}}, "sort": [{"n": "desc"}]}),
        json!({"selector": {"n": {"$gt": 1, "$ne": 4}}, "fields": ["_id", "n"]}),
    ]
}

#[test]
fn pages_together_are_the_whole() {
    let hub = many();
    for mut body in bodies() {
        body["limit"] = json!(10_000);
        let whole = find(&hub, &body)["docs"].as_array().unwrap().clone();
        assert!(whole.len() >= 400, "{}", whole.len());
        for limit in [1000, 333, 70] {
            body["limit"] = json!(limit);
            let pages = pages(&hub, &body, |_, _| {});
            assert!(pages.iter().rev().skip(1).all(|page| page.len() == limit));
            assert_eq!(pages.concat(), whole, "{body}");
        }
        body["skip"] = json!(5);
        assert_eq!(pages(&hub, &body, |_, _| {}).concat(), whole[5..], "{body}");
    }
}

#[test]
fn whoever_writes_between_pages_disturbs_nobody() {
    let hub = many();
    for (round, mut body) in bodies().into_iter().enumerate() {
        body["limit"] = json!(1000);
        let whole = names(&find(&hub, &body));
        body["limit"] = json!(60);
        let mut removed = BTreeSet::new();
        let seen = pages(&hub, &body, |page, documents| {
            // The document that the bookmark stands on goes, others come before and behind it.
            let last = documents.last().unwrap()["_id"].as_str().unwrap().to_owned();
            hub.delete(&format!("/db/{last}?rev={}", rev(&hub, &last))).expect(200);
            removed.insert(last);
            let new = |n: usize| json!({"_id": format!("e{round}-{page:02}-{n}"), "n": n});
            write(&hub, &(0..7).map(new).collect());
        });
        let seen: Vec<String> =
            seen.concat().iter().map(|one| one["_id"].as_str().unwrap().to_owned()).collect();
        let once: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(once.len(), seen.len(), "{body}");
        assert!(!removed.is_empty());
        let missing: Vec<_> = whole.difference(&once).collect();
        assert!(missing.is_empty(), "{body}: {missing:?}");
        // They are behind the bookmark of whoever reads the ids forwards.
        assert!(round != 0 || once.iter().any(|id| id.starts_with('e')));
    }
}

fn names(answer: &Value) -> BTreeSet<String> {
    let documents = answer["docs"].as_array().unwrap();
    documents.iter().map(|one| one["_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn limit_and_skip() {
    let hub = many();
    let body =
        |limit: Value, skip: u32| json!({"selector": {"n": 3}, "limit": limit, "skip": skip});
    check_ids(&hub, &body(json!(2), 0), "d0003 d0010");
    check_ids(&hub, &body(json!(2), 1), "d0010 d0017");
    check_ids(&hub, &body(json!(2), 1000), "");
    check_ids(&hub, &body(json!(0), 0), "");
    assert_eq!(find(&hub, &json!({"selector": {"n": 3}}))["docs"].as_array().unwrap().len(), 25);
    let all = body(json!(u64::MAX), 0);
    assert_eq!(find(&hub, &all)["docs"].as_array().unwrap().len(), 100);
}

#[test]
fn where_nothing_was_found_the_bookmark_is_nil() {
    let hub = many();
    for bookmark in [json!(null), json!(""), json!("nil")] {
        let body = json!({"selector": {"n": 99}, "bookmark": bookmark});
        assert_eq!(find(&hub, &body)["bookmark"], "nil", "{bookmark}");
    }
    let body = json!({"selector": {"n": 1}, "limit": 0});
    assert_eq!(find(&hub, &body)["bookmark"], "nil");
}
