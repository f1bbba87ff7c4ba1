//! What holds of every text that clients send or replicate.

#![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

use std::sync::Arc;

use proptest::prelude::*;
use query::mango::{
    Addition, BulkDelete, Find, FindRequest, IndexDefinition, Plan, Purpose, Removal, explain,
    remove_index,
};

/// JSON of the names that requests and design documents have.
fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i8>().prop_map(|number| number.to_string()),
        Just("1e300".to_owned()),
        prop::sample::select(vec!["asc", "desc", "a", "a..b", "", "_id", "ok", "query", "json"])
            .prop_map(|text| format!("\"{text}\"")),
    ];
    let names = vec![
        "a",
        "b",
        "_id",
        "",
        "$and",
        "$or",
        "$nor",
        "$not",
        "$eq",
        "$gt",
        "$lte",
        "$in",
        "$exists",
        "$elemMatch",
        "$all",
        "fields",
        "partial_filter_selector",
        "map",
        "options",
        "def",
    ];
    scalar.prop_recursive(5, 24, 4, move |inner| {
        let member = (prop::sample::select(names.clone()), inner.clone());
        prop_oneof![
            1 => prop::collection::vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            2 => prop::collection::vec(member, 0..4).prop_map(|members| {
                let member = |(name, value): (&str, String)| format!("\"{name}\":{value}");
                format!("{{{}}}", members.into_iter().map(member).collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn requests_are_answered_or_refused(selector in json(), other in json(), name in "[a-z_]{1,9}") {
        let body = format!(r#"{{"selector":{selector},"{name}":{other}}}"#);
        let _ = FindRequest::parse(&body);
        for member in ["sort", "fields", "use_index", "bookmark"] {
            let _ = FindRequest::parse(&format!(r#"{{"selector":{{}},"{member}":{other}}}"#));
        }
        let index = IndexDefinition::parse(r#"{"index":{"fields":["a","b"]}}"#, false).unwrap();
        if let Ok(request) = FindRequest::parse(&format!(r#"{{"selector":{selector}}}"#)) {
            let plan = Plan::choose(&request, &[Arc::new(index)], false, Purpose::Explain).unwrap();
            let explained = explain("db", &request, &plan);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&explained).is_ok());
            prop_assert!(Find::new(request, plan).is_ok());
        }
    }

    #[test]
    fn indexes_survive_their_design_documents(definition in json(), filter in json()) {
        let _ = IndexDefinition::parse(&format!(r#"{{"index":{definition}}}"#), false);
        let body =
            format!(r#"{{"index":{{"fields":["a"],"partial_filter_selector":{filter}}}}}"#);
        if let Ok(index) = IndexDefinition::parse(&body, false) {
            let Addition::Changed(text) = index.add_to(None).unwrap() else {
                panic!("it is new")
            };
            let read = IndexDefinition::read_design(&text);
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].to_json(false), index.to_json(false));
            prop_assert_eq!(read[0].add_to(Some(&text)).unwrap(), Addition::Exists);
            prop_assert_eq!(remove_index(&text, index.name()).unwrap(), Removal::Deleted);
        }
    }

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,60}", json in json()) {
        for text in [&text, &json] {
            let _ = FindRequest::parse(text);
            let _ = IndexDefinition::parse(text, true);
            let _ = BulkDelete::parse(text);
            let _ = remove_index(text, "a");
            let design =
                format!(r#"{{"_id":"_design/d","language":"query","views":{{"v":{text}}}}}"#);
            let _ = IndexDefinition::read_design(&design);
            let _ = IndexDefinition::read_design(text);
        }
    }
}

#[test]
fn a_filter_that_is_nested_too_deep_is_no_index() {
    let deep = format!("{}1{}", r#"{"$not":"#.repeat(400), "}".repeat(400));
    let text = format!(
        r#"{{"_id":"_design/d","language":"query","views":{{"v":{{"map":{{"fields":{{"a":"asc"}},"partial_filter_selector":{deep}}},"options":{{}}}}}}}}"#
    );
    assert!(IndexDefinition::read_design(&text).is_empty());
}

#[test]
fn a_large_selector_is_planned_in_time() {
    let conditions: Vec<_> = (0..4900).map(|n| format!(r#"{{"f{n}":{{"$gt":1}}}}"#)).collect();
    let body = format!(r#"{{"selector":{{"$and":[{}]}}}}"#, conditions.join(","));
    let request = FindRequest::parse(&body).unwrap();
    let plan = Plan::choose(&request, &[], false, Purpose::Explain).unwrap();
    assert!(explain("db", &request, &plan).contains("f4899"));
}
