//! Full-text search.

use serde_json::{Value, json};
use tests::Hub;
use tests::exchange::{self, error};

fn design() -> Value {
    let search = "function (doc) {
        index('default', doc.text, {store: true});
        index('kind', doc.kind, {facet: true, store: true});
        index('n', doc.n);
    }";
    let typed = "function (doc) {
        index('text', 'default', doc.text);
        index('string', 'kind', doc.kind, {store: true});
        index('double', 'n', doc.n);
    }";
    json!({
        "indexes": {"all": {"index": search}, "bad": {"index": search, "analyzer": "klingon"}},
        "nouveau": {"all": {"index": typed, "default_analyzer": "english"}},
    })
}

fn filled() -> Hub {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let docs = json!([
        {"_id": "a", "text": "The quick brown fox", "kind": "fox", "n": 1},
        {"_id": "b", "text": "A lazy dog and a quick cat", "kind": "dog", "n": 2},
        {"_id": "c", "text": "Foxes run", "kind": "fox", "n": 3},
        {"_id": "without", "n": 4},
    ]);
    hub.post("/db/_bulk_docs", json!({"docs": docs})).expect(201);
    hub.put("/db/_design/d", design()).expect(201);
    hub
}

#[track_caller]
fn ids(answer: &Value, rows: &str) -> Vec<String> {
    let rows = answer[rows].as_array().expect("rows");
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

#[track_caller]
fn check(hub: &Hub, query: &str, expected: &[&str]) {
    let question = json!({"q": query, "sort": "n"});
    let answer = hub.post("/db/_design/d/_search/all", question).expect(200).json();
    assert_eq!(ids(&answer, "rows"), expected, "{query}");
    assert_eq!(answer["total_rows"], json!(expected.len()), "{query}");
}

#[test]
fn queries_find_documents() {
    let hub = filled();
    check(&hub, "*:*", &["a", "b", "c"]);
    check(&hub, "quick", &["a", "b"]);
    check(&hub, "quick AND NOT dog", &["a"]);
    check(&hub, "\"quick brown\"", &["a"]);
    check(&hub, "fox*", &["a", "c"]);
    check(&hub, "bruwn~1", &["a"]);
    check(&hub, "kind:fox AND n:[2 TO Infinity]", &["c"]);
    check(&hub, "n:{1 TO 3}", &["b"]);
    let path = "/db/_design/d/_search/all?q=quick%20brown&limit=1&include_docs=true";
    let answer = hub.get(path).expect(200).json();
    assert_eq!((ids(&answer, "rows"), &answer["total_rows"]), (vec!["a".into()], &json!(2)));
    let row = &answer["rows"][0];
    assert_eq!(row["fields"], json!({"default": "The quick brown fox", "kind": "fox"}));
    assert_eq!(row["doc"]["_id"], "a");
    assert!(row["order"][0].as_f64().is_some_and(|score| score > 0.0), "{row}");
    let bookmark = answer["bookmark"].as_str().expect("a bookmark");
    let next = hub.get(&format!("{path}&bookmark={bookmark}")).expect(200).json();
    assert_eq!(ids(&next, "rows"), ["b"]);
    let question = json!({"q": "*:*", "counts": ["kind"], "limit": 0,
        "ranges": {"n": {"low": "[0 TO 2]"}}});
    let answer = hub.post("/db/_design/d/_search/all", question).expect(200).json();
    assert_eq!(answer["counts"], json!({"kind": {"dog": 1, "fox": 2}}));
    assert_eq!(answer["ranges"], json!({"n": {"low": 2}}));
    let fields = json!({"q": "dog", "include_fields": ["kind"]});
    let answer = hub.post("/db/_design/d/_search/all", fields).expect(200).json();
    assert_eq!(answer["rows"][0]["fields"], json!({"kind": "dog"}));
}

#[test]
fn hits_come_in_groups_and_highlighted() {
    let hub = filled();
    let path = "/db/_design/d/_search/all";
    let question = json!({"q": "quick OR foxes", "sort": "n", "group_field": "kind",
        "group_sort": "-n<number>", "limit": 1, "include_fields": [], "highlight_fields": ["default"]});
    let answer = hub.post(path, question).expect(200).json();
    let row = |id: &str, n: u64, text: &str| json!({"id": id, "order": [n as f64, 0], "fields": {}, "highlights": {"default": [text]}});
    let foxes = json!({"by": "fox", "total_rows": 2,
        "rows": [row("a", 1, "The <em>quick</em> brown fox")]});
    let dogs = json!({"by": "dog", "total_rows": 1,
        "rows": [row("b", 2, "A lazy dog and a <em>quick</em> cat")]});
    assert_eq!(answer, json!({"total_rows": 3, "groups": [foxes, dogs]}));
    let old = hub.get(&format!("{path}?q=n:[1%20TO%203]&group_by=kind&group_limit=1&limit=0"));
    let groups = json!([{"by": "fox", "total_hits": 2, "hits": []}]);
    let expected = json!({"total_hits": 3, "total_grouped_hits": 2, "groups": groups});
    assert_eq!(old.expect(200).json(), expected);
    let tags = "highlight_pre_tag=%22%5B%22&highlight_post_tag=%22%5D%22&highlight_size=5";
    let path = format!("{path}?q=dog%20cat&highlight_fields=%5B%22default%22%5D&{tags}");
    let answer = hub.get(&path).expect(200).json();
    let highlights = json!({"default": [" [dog]"]});
    assert_eq!(answer["rows"][0]["highlights"], highlights, "{answer}");
}

#[test]
fn nouveau_finds_documents() {
    let hub = filled();
    let path = "/db/_design/d/_nouveau/all";
    let answer = hub.get(&format!("{path}?q=fox&sort=%22-n%3Cdouble%3E%22")).expect(200).json();
    assert_eq!(ids(&answer, "hits"), ["c", "a"]);
    assert_eq!(answer["total_hits_relation"], "EQUAL_TO");
    assert_eq!(answer["hits"][0]["order"][0], json!({"@type": "double", "value": 3.0}));
    let question = json!({"q": "kind:fox", "counts": ["kind"],
        "ranges": {"n": [{"label": "low", "min": 0, "max": 2}]}});
    let answer = hub.post(path, question).expect(200).json();
    assert_eq!(answer["counts"], json!({"kind": {"fox": 2}}));
    assert_eq!(answer["ranges"], json!({"n": {"low": 1}}));
    let info = hub.get("/db/_design/d/_nouveau_info/all").expect(200).json();
    assert_eq!(info["search_index"]["num_docs"], 3);
}

#[test]
fn indexes_follow_documents_and_outlive_the_hub() {
    let hub = filled();
    check(&hub, "dog", &["b"]);
    let rev = hub.get("/db/b").expect(200).json()["_rev"].as_str().expect("a rev").to_owned();
    hub.delete(&format!("/db/b?rev={rev}")).expect(200);
    hub.put("/db/e", json!({"text": "Another dog", "kind": "dog", "n": 9})).expect(201);
    let stale = hub.get("/db/_design/d/_search/all?q=dog&stale=ok").expect(200).json();
    assert_eq!(ids(&stale, "rows"), ["b"]);
    check(&hub, "dog", &["e"]);
    let info = hub.get("/db/_design/d/_search_info/all").expect(200).json();
    assert_eq!(info["name"], "_design/d/all");
    assert_eq!(info["search_index"]["doc_count"], 3);
    assert!(info["search_index"]["disk_size"].as_u64() > Some(0), "{info}");
    let hub = Hub::start_in(hub.stop());
    let stale = hub.get("/db/_design/d/_search/all?q=dog&stale=ok").expect(200).json();
    assert_eq!(ids(&stale, "rows"), ["e"]);
}

#[test]
fn indexes_are_built_before_anybody_asks() {
    let hub = filled();
    let path = "/db/_design/d/_search/all?q=dog&stale=ok";
    tests::eventually("the index is built", || {
        let found = ids(&hub.get(path).expect(200).json(), "rows");
        if found == ["b"] { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

#[test]
fn partitions_are_asked_one_by_one() {
    let hub = Hub::start();
    hub.put("/db?partitioned=true", "").expect(201);
    for id in ["x:1", "x:2", "y:1"] {
        hub.put(&format!("/db/{id}"), json!({"text": "fox", "kind": "fox", "n": 1})).expect(201);
    }
    hub.put("/db/_design/d", design()).expect(201);
    let answer = hub.get("/db/_partition/x/_design/d/_search/all?q=fox").expect(200).json();
    assert_eq!(ids(&answer, "rows"), ["x:1", "x:2"]);
    let answer = hub.get("/db/_partition/y/_design/d/_nouveau/all?q=fox").expect(200).json();
    assert_eq!(ids(&answer, "hits"), ["y:1"]);
    let mandatory = "`partition` parameter is mandatory for queries to this index.";
    let whole = "GET /db/_design/d/_search/all?q=fox";
    exchange::check(&hub, whole, "", &error(400, "bad_request", mandatory));
}

#[test]
fn bad_questions_are_refused() {
    let hub = filled();
    let refused = |path: &str, status: u16, word: &str, reason: &str| {
        let request = format!("GET /db/_design/{path}");
        exchange::check(&hub, &request, "", &error(status, word, reason));
    };
    refused("d/_search/none?q=a", 404, "not_found", "none not found.");
    refused("none/_search/all?q=a", 404, "not_found", "missing");
    refused("d/_search/bad?q=a", 400, "bad_request", "no such analyzer: klingon");
    let what = "Cannot parse the query at character 2: a parenthesis is not closed.";
    refused("d/_search/all?q=(a", 400, "bad_request", what);
    refused(
        "d/_search/all",
        400,
        "query_parse_error",
        "Query must include a 'q' or 'query' argument",
    );
    let bookmark = "Invalid bookmark parameter supplied.";
    refused("d/_search/all?q=a&bookmark=x", 400, "bad_request", bookmark);
    let words = |endpoint: &str, text: &str| {
        let body = json!({"analyzer": "standard", "text": text});
        hub.post(endpoint, body).expect(200).json()["tokens"].clone()
    };
    let address = "ablanks@renovations.com";
    assert_eq!(words("/_search_analyze", address), json!(["ablanks", "renovations.com"]));
    assert_eq!(words("/_nouveau_analyze", "To be"), json!(["to", "be"]));
}
