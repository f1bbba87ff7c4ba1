use super::*;
use crate::Selector;

fn normal(text: &str) -> Normal {
    Selector::parse(text).unwrap();
    Normal::new(Value::parse(text, 99).unwrap())
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let normal = normal(text);
    assert_eq!(normal.to_value().to_string(), expected, "{text}");
    // Unless something lies within an `$elemMatch`, it is a selector that normalises to itself.
    assert_eq!(Normal::new(Value::parse(expected, 99).unwrap()).to_value().to_string(), expected);
}

#[test]
fn operators_are_explicit() {
    check("{}", "{}");
    check(r#"{"a":1}"#, r#"{"a":{"$eq":1}}"#);
    check(r#"{"a":{}}"#, r#"{"a":{"$eq":{}}}"#);
    check(r#"{"a":[1]}"#, r#"{"a":{"$eq":[1]}}"#);
    check(r#"{"a":1,"b":2}"#, r#"{"$and":[{"a":{"$eq":1}},{"b":{"$eq":2}}]}"#);
    check(r#"{"a":{"$gt":1,"$lt":9}}"#, r#"{"$and":[{"a":{"$gt":1}},{"a":{"$lt":9}}]}"#);
    check(
        r#"{"a":{"$elemMatch":{"b":1,"$gt":2}}}"#,
        r#"{"a":{"$elemMatch":{"$and":[{"b":{"$eq":1}},{"":{"$gt":2}}]}}}"#,
    );
}

#[test]
fn names_are_whole() {
    check(r#"{"a":{"b":{"$gt":1}}}"#, r#"{"a.b":{"$gt":1}}"#);
    check(r#"{"a":{"b":1,"c":2}}"#, r#"{"$and":[{"a.b":{"$eq":1}},{"a.c":{"$eq":2}}]}"#);
    check(r#"{"a":{"$or":[1,{"b":2}]}}"#, r#"{"$or":[{"a":{"$eq":1}},{"a.b":{"$eq":2}}]}"#);
}

#[test]
fn negations_are_at_the_leaves() {
    check(r#"{"$not":{"a":{"$gt":1}}}"#, r#"{"a":{"$lte":1}}"#);
    check(r#"{"a":{"$not":{"$not":{"$eq":1}}}}"#, r#"{"a":{"$eq":1}}"#);
    check(
        r#"{"$nor":[{"a":1},{"b":{"$in":[1]}}]}"#,
        r#"{"$and":[{"a":{"$ne":1}},{"b":{"$nin":[1]}}]}"#,
    );
    check(r#"{"$not":{"$nor":[{"a":1}]}}"#, r#"{"$or":[{"a":{"$eq":1}}]}"#);
    check(r#"{"$not":{"a":1,"b":2}}"#, r#"{"$or":[{"a":{"$ne":1}},{"b":{"$ne":2}}]}"#);
    check(r#"{"a":{"$not":{"$exists":true}}}"#, r#"{"a":{"$exists":false}}"#);
    check(r#"{"a":{"$not":{"$size":1}}}"#, r#"{"a":{"$not":{"$size":1}}}"#);
}

#[test]
fn fields_that_must_be_there() {
    for (text, expected) in [
        ("{}", false),
        (r#"{"a":1}"#, true),
        (r#"{"b":1}"#, false),
        (r#"{"a":{"$exists":false}}"#, false),
        (r#"{"a":{"$exists":true}}"#, true),
        (r#"{"a":{"$not":{"$regex":"x"}}}"#, true),
        (r#"{"b":1,"a":{"$gt":1}}"#, true),
        (r#"{"$or":[{"a":1},{"b":1}]}"#, false),
        (r#"{"$or":[{"a":1},{"b":1,"a":2}]}"#, true),
        (r#"{"b":1,"$or":[]}"#, false),
    ] {
        assert_eq!(normal(text).required_fields().contains("a"), expected, "{text}");
    }
}

#[test]
fn fields_of_one_value() {
    for (text, expected) in [
        (r#"{"a":1}"#, true),
        (r#"{"a":1,"b":{"$gt":1}}"#, true),
        (r#"{"a":{"$gte":1}}"#, false),
        (r#"{"$or":[{"a":1}]}"#, false),
        (r#"{"$and":[{"$and":[{"a":1}]}]}"#, true),
        ("{}", false),
    ] {
        assert_eq!(normal(text).constant_fields().contains("a"), expected, "{text}");
    }
}

#[test]
fn fields_by_their_use() {
    let normal = normal(r#"{"c":{"$gt":1},"b":{"$ne":2},"a":3,"$or":[{"d":1},{"e":2}]}"#);
    assert_eq!(normal.fields(), ["a", "b", "c", "d", "e"]);
    assert_eq!(normal.indexable_fields(), ["a", "c"]);
}
