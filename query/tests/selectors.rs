//! What holds of every selector and every document.

#![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

use proptest::prelude::*;
use query::{Document, Selector};

fn matches(selector: &str, document: &str) -> bool {
    let parsed = Selector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}"));
    parsed.matches(&Document::parse(document).unwrap())
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        (-3..4i64).prop_map(|number| number.to_string()),
        (-3..4i64).prop_map(|number| format!("{number}.5")),
        "[aAbé:;]{0,3}".prop_map(|text| format!("\"{text}\"")),
    ]
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec(("[abc]", inner), 0..3).prop_map(|members| {
                let member = |(name, value): (String, String)| format!("\"{name}\":{value}");
                format!("{{{}}}", members.into_iter().map(member).collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

/// What can be asked of a value.
fn condition() -> impl Strategy<Value = String> {
    let comparison = prop::sample::select(vec!["$lt", "$lte", "$eq", "$ne", "$gte", "$gt"]);
    let list = || prop::collection::vec(value(), 0..4).prop_map(|list| list.join(","));
    let simple = prop_oneof![
        (comparison, value()).prop_map(|(name, value)| format!(r#"{{"{name}":{value}}}"#)),
        list().prop_map(|list| format!(r#"{{"$in":[{list}]}}"#)),
        list().prop_map(|list| format!(r#"{{"$nin":[{list}]}}"#)),
        list().prop_map(|list| format!(r#"{{"$all":[{list}]}}"#)),
        (0..4u8).prop_map(|size| format!(r#"{{"$size":{size}}}"#)),
        (1..4i8, 0..3i8).prop_map(|(divisor, rest)| format!(r#"{{"$mod":[{divisor},{rest}]}}"#)),
        prop::sample::select(vec!["null", "boolean", "number", "string", "array", "object"])
            .prop_map(|name| format!(r#"{{"$type":"{name}"}}"#)),
        "[ab.]{1,2}".prop_map(|pattern| format!(r#"{{"$regex":"{pattern}"}}"#)),
        "[ab]{0,2}".prop_map(|prefix| format!(r#"{{"$beginsWith":"{prefix}"}}"#)),
        any::<bool>().prop_map(|expected| format!(r#"{{"$exists":{expected}}}"#)),
    ];
    let inner = prop::sample::select(vec!["$elemMatch", "$allMatch", "$keyMapMatch"]);
    let simple = simple.boxed();
    prop_oneof![
        4 => simple.clone(),
        1 => (inner, simple).prop_map(|(name, inner)| format!(r#"{{"{name}":{inner}}}"#)),
    ]
}

fn selector() -> impl Strategy<Value = String> {
    let leaf = ("[ab]", condition()).prop_map(|(name, asked)| format!(r#"{{"{name}":{asked}}}"#));
    leaf.prop_recursive(3, 12, 3, |inner| {
        let several = || prop::collection::vec(inner.clone(), 1..4).prop_map(|all| all.join(","));
        prop_oneof![
            several().prop_map(|all| format!(r#"{{"$and":[{all}]}}"#)),
            several().prop_map(|all| format!(r#"{{"$or":[{all}]}}"#)),
            several().prop_map(|all| format!(r#"{{"$nor":[{all}]}}"#)),
            inner.clone().prop_map(|one| format!(r#"{{"$not":{one}}}"#)),
        ]
    })
}

/// A document that has both fields.
fn whole() -> impl Strategy<Value = String> {
    (value(), value()).prop_map(|(a, b)| format!(r#"{{"_id":"x","a":{a},"b":{b}}}"#))
}

/// A document that may lack either field.
fn partial() -> impl Strategy<Value = String> {
    (prop::option::of(value()), prop::option::of(value())).prop_map(|(a, b)| {
        let member = |name: &str, value| format!(r#","{name}":{value}"#);
        let a = a.map(|a| member("a", a)).unwrap_or_default();
        let b = b.map(|b| member("b", b)).unwrap_or_default();
        format!(r#"{{"_id":"x"{a}{b}}}"#)
    })
}

proptest! {
    #[test]
    fn negation_turns_the_answer_where_the_fields_are_there(
        asked in selector(),
        document in whole(),
    ) {
        let negated = format!(r#"{{"$not":{asked}}}"#);
        prop_assert_eq!(matches(&negated, &document), !matches(&asked, &document));
    }

    #[test]
    fn negating_twice_changes_nothing(asked in selector(), document in partial()) {
        let twice = format!(r#"{{"$not":{{"$not":{asked}}}}}"#);
        prop_assert_eq!(matches(&twice, &document), matches(&asked, &document));
    }

    #[test]
    fn de_morgan(one in selector(), other in selector(), document in partial()) {
        let same = |left: String, right: String| {
            prop_assert_eq!(matches(&left, &document), matches(&right, &document));
            Ok(())
        };
        same(
            format!(r#"{{"$not":{{"$and":[{one},{other}]}}}}"#),
            format!(r#"{{"$or":[{{"$not":{one}}},{{"$not":{other}}}]}}"#),
        )?;
        same(
            format!(r#"{{"$not":{{"$or":[{one},{other}]}}}}"#),
            format!(r#"{{"$and":[{{"$not":{one}}},{{"$not":{other}}}]}}"#),
        )?;
        same(
            format!(r#"{{"$nor":[{one},{other}]}}"#),
            format!(r#"{{"$not":{{"$or":[{one},{other}]}}}}"#),
        )?;
    }

    #[test]
    fn combinations_are_what_they_say(
        one in selector(),
        other in selector(),
        document in partial(),
    ) {
        let (left, right) = (matches(&one, &document), matches(&other, &document));
        let and = format!(r#"{{"$and":[{one},{other}]}}"#);
        prop_assert_eq!(matches(&and, &document), left && right);
        let or = format!(r#"{{"$or":[{one},{other}]}}"#);
        prop_assert_eq!(matches(&or, &document), left || right);
    }

    #[test]
    fn fields_move_into_combinations(
        one in condition(),
        other in condition(),
        document in partial(),
    ) {
        for name in ["$and", "$or", "$nor"] {
            let outside = format!(r#"{{"a":{{"{name}":[{one},{other}]}}}}"#);
            let inside = format!(r#"{{"{name}":[{{"a":{one}}},{{"a":{other}}}]}}"#);
            prop_assert_eq!(matches(&outside, &document), matches(&inside, &document), "{}", name);
        }
    }

    #[test]
    fn dots_are_fields_within_fields(asked in condition(), inner in value()) {
        let document = format!(r#"{{"a":{{"b":{inner}}}}}"#);
        let dotted = format!(r#"{{"a.b":{asked}}}"#);
        let nested = format!(r#"{{"a":{{"b":{asked}}}}}"#);
        prop_assert_eq!(matches(&dotted, &document), matches(&nested, &document));
    }

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,60}", json in value()) {
        let _ = Selector::parse(&text);
        let _ = Selector::parse(&json);
        if let Ok(document) = Document::parse(&text) {
            let _ = Selector::parse("{\"a.0\":1}").unwrap().matches(&document);
        }
    }
}
