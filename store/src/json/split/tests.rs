#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::json::tests::{damaged_texts, texts, thousand_cases};

const ELEMENT_BYTES_MAX: usize = 10_000;

/// The elements of "docs", compacted, and the rest, read in chunks of that size.
fn split(text: &[u8], chunk_bytes: usize) -> Result<(Vec<String>, Rest), JsonError> {
    let mut splitter = ArraySplitter::new("docs", ELEMENT_BYTES_MAX);
    let mut elements = Vec::new();
    for chunk in text.chunks(chunk_bytes) {
        splitter.push(chunk, |element| {
            elements.push(compact(element)?);
            Ok::<(), JsonError>(())
        })?;
    }
    Ok((elements, splitter.finish()?))
}

/// Elements, other members, and what became of the array.
type Parts<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], ArrayMember);

/// Splitting gives the same at every chunk size.
fn check(text: &str, expected: Result<Parts<'_>, JsonError>) {
    let expected = expected.map(|(elements, members, array)| {
        let members = members.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        (elements.iter().map(|&e| e.to_owned()).collect(), Rest { members, array })
    });
    for chunk_bytes in 1..=text.len() {
        assert_eq!(split(text.as_bytes(), chunk_bytes), expected, "{text} by {chunk_bytes}");
    }
}

#[test]
fn splits() {
    use ArrayMember::{Absent, NotAnArray, Split};
    check("{}", Ok((&[], &[], Absent)));
    check(r#" { "docs" : [ ] } "#, Ok((&[], &[], Split)));
    check(r#"{"docs":[1]}"#, Ok((&["1"], &[], Split)));
    check(
        r#"{"new_edits":false,"docs":[{"a":"]}\"\\"}, {"é": "\u00e9😀"} ,[[]],"x",-1.5e3 ,null]}"#,
        Ok((
            &[r#"{"a":"]}\"\\"}"#, r#"{"é":"\u00e9😀"}"#, "[[]]", r#""x""#, "-1.5e3", "null"],
            &[("new_edits", "false")],
            Split,
        )),
    );
    check(
        r#"{"\u0064ocs":[{}],"a" : { "docs": [ 1 ] } , "b":1,"b":2}"#,
        Ok((&["{}"], &[("a", r#"{"docs":[1]}"#), ("b", "2")], Split)),
    );
    check(r#"{"a":1,"docs":{"x":[1]}}"#, Ok((&[], &[("a", "1")], NotAnArray)));
    check(r#"{"\u0061":1,"b":2,"a":3}"#, Ok((&[], &[("b", "2"), ("a", "3")], Absent)));
}

#[test]
fn refuses() {
    let syntax = |offset, expected| Err(JsonError::Syntax { offset, expected });
    let separator = "a comma or the end of the array or object";
    for other in ["[]", " 5", "\"{}\"", "null"] {
        check(other, Err(JsonError::NotAnObject));
    }
    check("x", syntax(0, "a value"));
    check(" ", syntax(1, "more text"));
    check(r#"{"docs":[1]"#, syntax(11, "more text"));
    check(r#"{"docs":["#, syntax(9, "more text"));
    check(r#"{"docs":[1]} x"#, syntax(13, "the end of the text"));
    check(r#"{"docs":[1,]}"#, syntax(11, "a value"));
    check(r#"{"docs":[,1]}"#, syntax(9, "a value"));
    check(r#"{"docs":[1 2]}"#, syntax(11, separator));
    check(r#"{"docs":[{}}]"#, syntax(11, separator));
    check(r#"{"docs":[1],}"#, syntax(12, "a string"));
    check(r#"{"docs" [1]}"#, syntax(8, "a colon"));
    check(r#"{"docs":}"#, syntax(8, "a value"));
    check(r#"{docs:[]}"#, syntax(1, "a string"));
    check(r#"{"a":1,"b": tru}"#, syntax(12, "a value"));
    check("{\"a\tb\":1}", syntax(3, "the rest of a string without control characters"));
    check(r#"{"a":["\ud800"]}"#, Err(JsonError::Surrogate { offset: 7 }));
    check(r#"{"docs":[],"docs":[]}"#, Err(JsonError::ArrayTwice));
    check(r#"{"docs":1,"d\u006fcs":[]}"#, Err(JsonError::ArrayTwice));
}

#[test]
fn bounds_what_it_holds() {
    let docs = |bytes| format!(r#"{{"docs":["{}"]}}"#, "x".repeat(bytes - 2));
    for chunk_bytes in [1, 7, 9_000, 20_000] {
        assert!(split(docs(ELEMENT_BYTES_MAX).as_bytes(), chunk_bytes).is_ok());
        let large = docs(ELEMENT_BYTES_MAX + 1);
        assert_eq!(split(large.as_bytes(), chunk_bytes), Err(JsonError::ElementTooLarge));
    }
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(REST_BYTES_MAX));
    let tiny: Vec<_> = (0..REST_BYTES_MAX / 40).map(|i| format!("\"{i}\":0")).collect();
    for text in [long, format!("{{{}}}", tiny.join(","))] {
        assert_eq!(split(text.as_bytes(), 4096), Err(JsonError::RestTooLarge));
    }
}

/// The splitter accepts what the scanner accepts of the whole, and gives the same values.
fn check_whole(text: &[u8], chunk_bytes: usize) {
    let shown = String::from_utf8_lossy(text);
    let whole = compact(text).ok().map(|whole| serde_json::from_str(&whole).unwrap());
    let (elements, rest) = match (split(text, chunk_bytes), &whole) {
        (Err(JsonError::ArrayTwice | JsonError::ElementTooLarge), _) => return,
        (Err(error), Some(Value::Object(_))) => panic!("{error}: {shown}"),
        (Err(_), _) => return,
        (Ok(split), _) => split,
    };
    let Some(Value::Object(mut whole)) = whole else { panic!("accepted: {shown}") };
    let value = |text: &String| serde_json::from_str::<Value>(text).unwrap();
    match (whole.remove("docs"), rest.array) {
        (None, ArrayMember::Absent) => {}
        (Some(Value::Array(array)), ArrayMember::Split) => {
            assert_eq!(elements.iter().map(value).collect::<Vec<_>>(), array, "{shown}");
        }
        (Some(other), ArrayMember::NotAnArray) => assert!(!other.is_array(), "{shown}"),
        other => panic!("{other:?}: {shown}"),
    }
    assert_eq!(rest.members.len(), whole.len(), "{shown}");
    for (name, text) in &rest.members {
        assert_eq!(value(text), whole[name], "{shown}");
    }
}

proptest! {
    #![proptest_config(thousand_cases())]

    #[test]
    fn agrees_with_the_scanner(
        elements in prop::collection::vec(texts(), 0..4),
        other in texts(),
        chunk_bytes in 1..40usize,
    ) {
        let text = format!(r#"{{"a":{other}, "docs": [{}]}}"#, elements.join(" ,\n"));
        check_whole(text.as_bytes(), chunk_bytes);
    }

    #[test]
    fn agrees_with_the_scanner_on_damaged_texts(
        before in damaged_texts(),
        inside in damaged_texts(),
        chunk_bytes in 1..40usize,
    ) {
        let text = [br#"{"a":"#, &before[..], br#","docs":["#, &inside, b",1]}"].concat();
        check_whole(&text, chunk_bytes);
        check_whole(&before, chunk_bytes);
    }
}
