//! Every operator, through an index and without one: the answers are the same.

use serde_json::{Value, json};
use tests::Hub;

use crate::{find, ids, index, with};

/// Values of the field `v` in the order of the collation; what follows them has no such field.
fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(false),
        json!(true),
        json!(-1.5),
        json!(0),
        json!(1),
        json!(2),
        json!(10),
        json!(""),
        json!("a"),
        json!("A"),
        json!("aa"),
        json!("b"),
        json!("é"),
        json!("z"),
        json!([]),
        json!([1]),
        json!([1, 2]),
        json!(["a"]),
        json!({}),
        json!({"a": 1}),
        json!({"b": 1}),
    ]
}

fn id(position: usize) -> String {
    format!("k{position:02}")
}

/// Documents `k00` and so on, one for each value, and two without the field. They are written in
/// another order than theirs.
fn filled() -> Hub {
    let values = values();
    let missing = values.len();
    let document = |(position, value)| json!({"_id": id(position), "v": value, "w": position % 3});
    let mut documents: Vec<_> = values.into_iter().enumerate().map(document).collect();
    documents.push(json!({"_id": id(missing), "w": 1}));
    documents.push(json!({"_id": id(missing + 1)}));
    documents.push(json!({"_id": "_design/x", "v": 1, "w": 1}));
    documents.reverse();
    with(&json!(documents))
}

fn named(positions: &[usize]) -> String {
    positions.iter().map(|position| id(*position)).collect::<Vec<_>>().join(" ")
}

fn span(first: usize, last: usize) -> Vec<usize> {
    (first..=last).collect()
}

fn without(positions: &[usize]) -> Vec<usize> {
    span(0, 21).into_iter().filter(|position| !positions.contains(position)).collect()
}

/// Selectors, and the documents that they match.
fn table() -> Vec<(Value, Vec<usize>)> {
    let on = |asked: Value, expected: Vec<usize>| (json!({"v": asked}), expected);
    vec![
        on(json!({"$lt": 1}), span(0, 4)),
        on(json!({"$lte": 1}), span(0, 5)),
        on(json!({"$lt": ""}), span(0, 7)),
        on(json!({"$gt": "a"}), span(10, 21)),
        on(json!({"$gte": "a"}), span(9, 21)),
        on(json!({"$gt": null}), span(1, 21)),
        on(json!({"$gte": null}), span(0, 21)),
        on(json!({"$gt": []}), span(16, 21)),
        on(json!({"$gt": [1]}), span(17, 21)),
        on(json!({"$lt": {"b": 1}}), span(0, 20)),
        on(json!({"$eq": null}), vec![0]),
        on(json!(1), vec![5]),
        on(json!(1.0), vec![5]),
        on(json!("A"), vec![10]),
        on(json!("e\u{301}"), vec![13]),
        on(json!([1, 2]), vec![17]),
        on(json!({"$eq": {"a": 1}}), vec![20]),
        on(json!({}), vec![19]),
        on(json!({"$ne": 1}), without(&[5])),
        on(json!({"$in": [1, "a", null, 7]}), vec![0, 5, 9, 16, 17, 18]),
        on(json!({"$in": []}), vec![]),
        on(json!({"$nin": [1, "a"]}), without(&[5, 9, 16, 17, 18])),
        on(json!({"$exists": true}), span(0, 21)),
        on(json!({"$exists": false}), vec![22, 23]),
        on(json!({"$type": "null"}), vec![0]),
        on(json!({"$type": "boolean"}), vec![1, 2]),
        on(json!({"$type": "number"}), span(3, 7)),
        on(json!({"$type": "string"}), span(8, 14)),
        on(json!({"$type": "array"}), span(15, 18)),
        on(json!({"$type": "object"}), span(19, 21)),
        on(json!({"$type": "integer"}), vec![]),
        on(json!({"$mod": [2, 1]}), vec![5]),
        on(json!({"$mod": [2, 0]}), vec![4, 6, 7]),
        on(json!({"$regex": "^a"}), vec![9, 11]),
        on(json!({"$regex": "(?i)^a$"}), vec![9, 10]),
        on(json!({"$beginsWith": "a"}), vec![9, 11]),
        on(json!({"$size": 0}), vec![15]),
        on(json!({"$size": 1}), vec![16, 18]),
        on(json!({"$all": [1]}), vec![16, 17]),
        on(json!({"$all": [2, 1]}), vec![17]),
        on(json!({"$all": [[1, 2]]}), vec![17]),
        on(json!({"$all": []}), vec![]),
        on(json!({"$elemMatch": {"$eq": 1}}), vec![16, 17]),
        on(json!({"$elemMatch": {"$gt": 1}}), vec![17, 18]),
        on(json!({"$allMatch": {"$eq": 1}}), vec![16]),
        on(json!({"$keyMapMatch": {"$eq": "a"}}), vec![20]),
        on(json!({"$not": {"$gt": 1}}), span(0, 5)),
        on(json!({"$not": {"$regex": "^a"}}), without(&[9, 11])),
        on(json!({"$not": {"$exists": true}}), vec![22, 23]),
        on(json!({"$gt": 1, "$lt": "b"}), span(6, 11)),
        on(json!({"$gt": 1, "$ne": 10, "$lte": "a"}), vec![6, 8, 9]),
        on(json!({"$gt": 1, "$lt": 1}), vec![]),
        on(json!({"$and": [{"$gt": 1}, {"$lt": "b"}]}), span(6, 11)),
        on(json!({"$or": [1, "b"]}), vec![5, 12]),
        (json!({"$and": [{"v": {"$gt": 1}}, {"v": {"$lt": "b"}}]}), span(6, 11)),
        (json!({"$or": [{"v": 1}, {"v": {"$gt": {}}}]}), vec![5, 20, 21]),
        (json!({"$or": [{"v": 1}, {"w": 1}], "v": {"$lt": 10}}), vec![1, 4, 5]),
        (json!({"$nor": [{"v": {"$lt": "b"}}, {"v": {"$gt": "z"}}]}), vec![12, 13, 14]),
        (json!({"$not": {"v": {"$gt": 1}}}), span(0, 5)),
        (json!({"v": {"$gte": 0}, "w": 2}), vec![5, 8, 11, 14, 17, 20]),
        (json!({"v.a": 1}), vec![20]),
        (json!({"v": {"a": 1}}), vec![20]),
        (json!({"v.0": 1}), vec![16, 17]),
        (json!({"v.a": {"$exists": false}}), vec![19, 21, 22, 23]),
        (json!({"_id": {"$gt": "k03", "$lte": "k05"}}), vec![4, 5]),
        (json!({"_id": {"$in": ["k03", "k01"]}, "v": {"$gt": null}}), vec![1, 3]),
        (json!({}), span(0, 23)),
    ]
}

/// Ways to ask the same: what is added to the body, and whether the field is needed for it.
fn ways() -> Vec<(Value, bool)> {
    let sorted = |direction: &str, design: &str| json!({"sort": [{"v": direction}], "use_index": design, "allow_fallback": false});
    vec![
        (json!({}), false),
        (json!({"use_index": "v"}), false),
        (json!({"use_index": "v-w"}), false),
        (json!({"use_index": "w-v"}), false),
        (json!({"fields": ["_id", "v"]}), false),
        (sorted("asc", "v"), true),
        (sorted("desc", "v"), true),
        (json!({"sort": ["v"], "fields": ["_id"]}), true),
    ]
}

#[test]
fn answers_do_not_depend_on_indexes() {
    let hub = filled();
    let table = table();
    let ask = |selector: &Value, way: &Value| {
        let mut body = json!({"selector": selector, "limit": 99});
        body.as_object_mut().unwrap().extend(way.as_object().unwrap().clone());
        ids(&find(&hub, &body))
    };
    for (selector, expected) in &table {
        assert_eq!(ask(selector, &json!({})), named(expected), "{selector}");
    }
    index(&hub, "v", &json!(["v"]));
    index(&hub, "v-w", &json!(["v", "w"]));
    index(&hub, "w-v", &json!(["w", "v"]));
    for (selector, expected) in &table {
        for (way, needed) in ways() {
            let mut expected = expected.clone();
            expected.retain(|position| !needed || *position < 22);
            let found = ask(selector, &way);
            let mut found: Vec<_> = found.split(' ').filter(|id| !id.is_empty()).collect();
            if way["sort"][0]["v"] == "desc" {
                found.reverse();
            } else if !needed {
                found.sort_unstable();
            }
            assert_eq!(found.join(" "), named(&expected), "{selector} {way}");
        }
    }
}

#[test]
fn nothing_matches_a_combination_of_nothing() {
    let hub = filled();
    for selector in [json!({"$or": []}), json!({"$and": []})] {
        let body = json!({"selector": selector, "execution_stats": true});
        assert_eq!(find(&hub, &body), json!({"docs": []}), "{selector}");
    }
}

#[test]
fn ids_are_ordered_by_their_bytes_and_strings_by_their_letters() {
    let hub = with(&json!([
        {"_id": "a", "s": "a"}, {"_id": "B", "s": "B"}, {"_id": "c", "s": "c"},
        {"_id": "h:1", "s": "h:1"}, {"_id": "ä", "s": "ä"},
    ]));
    index(&hub, "s", &json!(["s"]));
    let by = |field: &str| {
        ids(&find(&hub, &json!({"selector": {field: {"$gt": null}}, "sort": [field]})))
    };
    assert_eq!(by("_id"), "B a c h:1 ä");
    assert_eq!(by("s"), "a ä B c h:1");
    let between = |field: &str, low: &str, high: &str| {
        ids(&find(&hub, &json!({"selector": {field: {"$gt": low, "$lt": high}}})))
    };
    assert_eq!(between("_id", "h", "i"), "h:1");
    // Whether anything can be between two strings is told by their letters, for ids too: a semicolon
    // comes before a colon.
    for field in ["_id", "s"] {
        assert_eq!(between(field, "h:", "h;"), "", "{field}");
    }
}

#[test]
fn numbers_are_compared_as_numbers() {
    let hub = Hub::start();
    hub.put("/db", "").expect(201);
    let big = "9007199254740993";
    for (id, number) in [
        ("a", "-1e300"),
        ("b", "-0.0"),
        ("c", "1E0"),
        ("d", "9007199254740992"),
        ("e", big),
        ("f", "1e300"),
    ] {
        hub.put(&format!("/db/{id}"), format!("{{\"n\":{number}}}").as_str()).expect(201);
    }
    index(&hub, "n", &json!(["n"]));
    let ask = |selector: &str, rest: &str| {
        let body = format!("{{\"selector\":{selector},\"sort\":[\"n\"]{rest}}}");
        ids(&hub.post("/db/_find", body.as_str()).expect(200).json())
    };
    assert_eq!(ask("{}", ""), "a b c d e f");
    assert_eq!(ask(r#"{"n":1}"#, ""), "c");
    assert_eq!(ask(r#"{"n":0}"#, ""), "b");
    assert_eq!(ask(&format!(r#"{{"n":{{"$gte":{big}}}}}"#), ""), "e f");
    // What a document says of a number is what is answered.
    let body = json!({"selector": {"n": {"$lte": 1}}, "fields": ["n"]});
    let text = String::from_utf8(hub.post("/db/_find", body).expect(200).body).unwrap();
    assert!(text.contains("{\"n\":-1e300}") && text.contains("{\"n\":1E0}"), "{text}");
}
