use std::cell::RefCell;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::sandbox::{Limits, Mapper, Reducer, Sandbox};

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(
                ("[a-z_$]{1,10}|__proto__|toJSON|length|constructor", inner),
                0..6
            )
            .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// Pieces of programs, put together by chance.
fn source() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("function(doc) {"),
        Just("}"),
        Just("("),
        Just(")"),
        Just("=>"),
        Just("doc"),
        Just("emit"),
        Just("["),
        Just("]"),
        Just(";"),
        Just("."),
        Just("length"),
        Just("'"),
        Just("`${"),
        Just("/*"),
        Just("//"),
        Just("\n"),
        Just("throw"),
        Just("return"),
        Just("for (;;)"),
        Just("constructor"),
        Just("this"),
        Just("globalThis"),
        Just("="),
        Just("new"),
        Just("class A"),
        Just("await"),
        Just("yield"),
        Just("async"),
        Just("1"),
        Just(","),
        Just("{"),
        Just("..."),
        Just("import"),
        Just("var a"),
        Just("let emit"),
        Just("delete"),
        Just("__proto__"),
        Just("\u{0}"),
        Just("é"),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.join(" "))
}

fn emitted(mapper: &mut Mapper, document: &str) -> Vec<(Value, Value)> {
    let mut rows = Vec::new();
    let read = |text: &str| serde_json::from_str(text).unwrap();
    mapper.map(document, &mut |row| rows.push((read(row.key), read(row.value)))).unwrap();
    rows
}

#[test]
fn what_is_emitted_is_what_was_stored() {
    let sandbox = Sandbox::new(Limits::default(), |_| ());
    let mapper = RefCell::new(Mapper::new(&sandbox, &["doc => emit(doc.a, doc)"], None).unwrap());
    let same = RefCell::new(Reducer::new(&sandbox, "(keys, values) => values[0]").unwrap());
    proptest!(|(value in json())| {
        let document = serde_json::json!({"a": value});
        let rows = emitted(&mut mapper.borrow_mut(), &document.to_string());
        prop_assert_eq!(rows, vec![(value.clone(), document)]);
        let reduced = same.borrow_mut().rereduce(&format!("[{value}]")).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&reduced).unwrap(), value);
    });
}

#[test]
fn no_source_harms_the_next() {
    let limits = Limits { call: Duration::from_millis(100), ..Limits::default() };
    let sandbox = Sandbox::new(limits, |_| ());
    let roomy = Sandbox::new(Limits::default(), |_| ());
    let steady = Mapper::new(&roomy, &["doc => emit(doc._id, [sum([1, 2])])"], None);
    let steady = RefCell::new(steady.unwrap());
    proptest!(ProptestConfig::with_cases(64), |(source in source())| {
        if let Ok(mut mapper) = Mapper::new(&sandbox, &[&source], None) {
            let _ = mapper.map("{}", &mut |_| ());
        }
        if let Ok(mut mapper) = Mapper::new(&roomy, &[&format!("doc => {{ {source} }}")], None) {
            drop(mapper.map("{}", &mut |_| ()));
        }
        let rows = emitted(&mut steady.borrow_mut(), r#"{"_id":"x"}"#);
        prop_assert_eq!(rows, vec![("x".into(), serde_json::json!([3]))]);
    });
}
