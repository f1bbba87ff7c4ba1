#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

/// JSON texts, mostly valid, with odd spelling, odd spacing and duplicates: for the properties of
/// everything that reads JSON.
pub(super) fn texts() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?";
    let string = prop::collection::vec(
        prop::sample::select(vec![
            "a",
            "_",
            "é",
            "😀",
            "\u{7f}",
            " ",
            "},]",
            r"\n",
            r"\/",
            r#"\""#,
            r"\\",
            r"\u0061",
            r"\u00E9",
            r"\ud83d\uDE00",
            "a longer piece of text",
        ]),
        0..5,
    )
    .prop_map(|pieces| format!("\"{}\"", pieces.concat()));
    let word =
        prop::sample::select(vec!["true", "false", "null", "0", "1e400", "[]", "{ }", "[\n]"]);
    let leaf = prop_oneof![number, string, word.prop_map(str::to_owned)];
    leaf.prop_recursive(4, 60, 24, |inner| {
        let member = (names(), spaces(), inner.clone(), spaces())
            .prop_map(|(name, a, value, b)| format!("{a}{name}{b}:{a}{value}{b}"));
        prop_oneof![
            prop::collection::vec((spaces(), inner), 0..5).prop_map(|elements| {
                let spaced = elements.into_iter().map(|(space, value)| format!("{space}{value}"));
                format!("[{}]", spaced.collect::<Vec<_>>().join(","))
            }),
            prop::collection::vec(member, 0..24)
                .prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

fn names() -> impl Strategy<Value = String> {
    let odd = vec![r"\u0061", r"\u005fid", r"_\u0069d", "docs", "_id", "_", "é", r"\u00e9", r"\\"];
    prop_oneof!["[a-d_]{0,2}", prop::sample::select(odd).prop_map(str::to_owned)]
        .prop_map(|name| format!("\"{name}\""))
}

fn spaces() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", " ", "\n\t", "\r\n  "])
}

/// Texts with a few bytes replaced, removed or cut off.
pub(super) fn damaged_texts() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        prop::sample::select(b"\"\\{}[]:,-+.eE0123utfn/ \n\x00\x1f\xc3\xff".to_vec()),
        any::<u8>()
    ];
    let damage = (any::<prop::sample::Index>(), prop::option::of(byte));
    let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (texts(), prop::collection::vec(damage, 0..3), cut).prop_map(|(text, damages, cut)| {
        let mut bytes = text.into_bytes();
        for (index, byte) in damages {
            let at = index.index(bytes.len().max(1));
            match byte {
                Some(byte) if at < bytes.len() => bytes[at] = byte,
                None if at < bytes.len() => drop(bytes.remove(at)),
                _ => {}
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes
    })
}

/// We accept what `serde_json` accepts and nothing else, and take it to mean the same.
fn check(text: &[u8]) {
    let shown = String::from_utf8_lossy(text);
    let theirs = serde_json::from_slice::<Value>(text);
    let ours = compact(text);
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?} {theirs:?} {shown}");
    let document = scan_document(text);
    let (Ok(ours), Ok(theirs)) = (ours, theirs) else {
        return assert!(document.is_err(), "{shown}");
    };
    assert_eq!(serde_json::from_str::<Value>(&ours).unwrap(), theirs, "{shown}");
    assert_eq!(compact(ours.as_bytes()).as_ref(), Ok(&ours), "{shown}");
    assert!(!ours.contains(['\n', '\r', '\t']), "{shown}");
    let Value::Object(theirs) = theirs else {
        return assert_eq!(document, Err(JsonError::NotAnObject), "{shown}");
    };
    let document = document.unwrap();
    let (special, plain): (Map<_, _>, Map<_, _>) =
        theirs.into_iter().partition(|(name, _)| name.starts_with('_'));
    assert_eq!(serde_json::from_str::<Map<_, _>>(&document.body).unwrap(), plain, "{shown}");
    assert_eq!(document.members.len(), special.len(), "{shown}");
    for (name, value) in document.members {
        assert_eq!(serde_json::from_str::<Value>(&value).unwrap(), special[&name], "{shown}");
    }
    assert_eq!(compact(document.body.as_bytes()).as_ref(), Ok(&document.body), "{shown}");
}

pub(super) fn thousand_cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) }
}

proptest! {
    #![proptest_config(thousand_cases())]

    #[test]
    fn agrees_with_serde_json(text in texts()) {
        check(text.as_bytes());
    }

    #[test]
    fn agrees_with_serde_json_on_damaged_texts(text in damaged_texts()) {
        check(&text);
    }
}

#[test]
fn compacts_and_keeps_spelling() {
    for (text, expected) in [
        (" 1.0 ", "1.0"),
        ("[ 1E5 , -0.0e-7,12345678901234567890123 ]", "[1E5,-0.0e-7,12345678901234567890123]"),
        ("[0e999, 1e-999, 1.7976931348623157e308]", "[0e999,1e-999,1.7976931348623157e308]"),
        ("\t\r\n\"\\u00e9 \\/ é\"\n", r#""\u00e9 \/ é""#),
        (r#"{"b": 1, "a" :[ ] , "c":{ }}"#, r#"{"b":1,"a":[],"c":{}}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":1,"b":2,"\u0061":3}"#, r#"{"b":2,"\u0061":3}"#),
        (r#"{"a":{"x":1,"x":2},"a":[{"x":1, "x":2}],"b":0}"#, r#"{"a":[{"x":2}],"b":0}"#),
        (r#"{"_id":1,"_id":{"":1,"":2}}"#, r#"{"_id":{"":2}}"#),
    ] {
        assert_eq!(compact(text.as_bytes()).as_deref(), Ok(expected), "{text}");
        check(text.as_bytes());
    }
    let long = format!("1{}", "0".repeat(308));
    assert_eq!(compact(long.as_bytes()), Ok(long));
}

#[test]
fn cuts_documents() {
    for (text, body, members) in [
        ("{}", "{}", &[][..]),
        (" { } ", "{}", &[]),
        (r#"{"_id":"x"}"#, "{}", &[("_id", r#""x""#)]),
        (r#"{ "_id" : "x" , "a" : 1 }"#, r#"{"a":1}"#, &[("_id", r#""x""#)]),
        (r#"{"a":{},"_b":[ 1 ],"_c":2}"#, r#"{"a":{}}"#, &[("_b", "[1]"), ("_c", "2")]),
        (r#"{"a":1,"_b":2 , "c":3}"#, r#"{"a":1,"c":3}"#, &[("_b", "2")]),
        (r#"{"a":1,"_x":2,"a":3}"#, r#"{"a":3}"#, &[("_x", "2")]),
        (r#"{"_a":1,"_b":2,"\u005fa":3}"#, "{}", &[("_b", "2"), ("_a", "3")]),
        (r#"{"a":{"_deep":1},"_":{"y":1,"y":2}}"#, r#"{"a":{"_deep":1}}"#, &[("_", r#"{"y":2}"#)]),
    ] {
        let members = members.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        let expected = Scanned { body: body.to_owned(), members };
        assert_eq!(scan_document(text.as_bytes()), Ok(expected), "{text}");
        check(text.as_bytes());
    }
}

#[test]
fn names_the_fault() {
    let syntax = |offset| (offset, "syntax");
    for (text, expected) in [
        (&b""[..], syntax(0)),
        (b" ", syntax(1)),
        (b"\xef\xbb\xbf{}", syntax(0)),
        (b"{} {}", syntax(3)),
        (b"1\0", syntax(1)),
        (b"[1,]", syntax(3)),
        (b"[,1]", syntax(1)),
        (b"[1 2]", syntax(3)),
        (b"[1}", syntax(2)),
        (b"[1", syntax(2)),
        (b"{\"a\":1,}", syntax(7)),
        (b"{\"a\" 1}", syntax(5)),
        (b"{a:1}", syntax(1)),
        (b"{1:1}", syntax(1)),
        (b"{\"a\":}", syntax(5)),
        (b"{\"a\":1", syntax(6)),
        (b"01", syntax(1)),
        (b"-", syntax(1)),
        (b"+1", syntax(0)),
        (b".5", syntax(0)),
        (b"1.", syntax(2)),
        (b"1.e5", syntax(2)),
        (b"1e", syntax(2)),
        (b"1e+", syntax(3)),
        (b"0x10", syntax(1)),
        (b"NaN", syntax(0)),
        (b"nul", syntax(0)),
        (b"truely", syntax(4)),
        (b"'a'", syntax(0)),
        (b"\"a", syntax(2)),
        (b"\"a\nb\"", syntax(2)),
        (b"\"\0\"", syntax(1)),
        (b"\"\\", syntax(2)),
        (b"\"\\x\"", syntax(2)),
        (b"\"\\u12g4\"", syntax(2)),
        (b"\"\\u+123\"", syntax(2)),
        (b"\"\\u12", syntax(2)),
        (b"/**/1", syntax(0)),
        (b"[\"\x80\"]", (2, "utf8")),
        (b"\"\xed\xa0\x80\"", (1, "utf8")),
        (b"\"\xc3", (1, "utf8")),
        (b"[1e999]", (1, "range")),
        (b"-1e309", (0, "range")),
        (b"1.8e308", (0, "range")),
        (b"\"a\\ud800\"", (2, "surrogate")),
        (b"\"\\ud800x\"", (1, "surrogate")),
        (b"\"\\ud800\\n\"", (1, "surrogate")),
        (b"\"\\ud800\\u0061\"", (1, "surrogate")),
        (b"\"\\ud800\\ud800\\udc00\"", (1, "surrogate")),
        (b"\"\\uDC00\"", (1, "surrogate")),
    ] {
        let found = match compact(text).unwrap_err() {
            JsonError::Syntax { offset, .. } => (offset, "syntax"),
            JsonError::Utf8 { offset } => (offset, "utf8"),
            JsonError::NumberRange { offset } => (offset, "range"),
            JsonError::Surrogate { offset } => (offset, "surrogate"),
            other => panic!("{other}"),
        };
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(text));
        check(text);
    }
    let digits = "9".repeat(400);
    assert_eq!(compact(digits.as_bytes()), Err(JsonError::NumberRange { offset: 0 }));
    assert_eq!(scan_document(b"[1]"), Err(JsonError::NotAnObject));
}

#[test]
fn bounds_depth_on_a_small_stack() {
    let nested =
        |open: &str, close: &str, levels| open.repeat(levels) + "1" + &close.repeat(levels);
    let body = move || {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            assert!(compact(nested(open, close, 512).as_bytes()).is_ok());
            assert_eq!(compact(nested(open, close, 513).as_bytes()), Err(JsonError::Depth));
        }
        let document = |levels| format!(r#"{{"_a":{}}}"#, nested("[", "]", levels));
        assert!(scan_document(document(511).as_bytes()).is_ok());
        assert_eq!(scan_document(document(512).as_bytes()), Err(JsonError::Depth));
        assert_eq!(compact("[".repeat(1_000_000).as_bytes()), Err(JsonError::Depth));
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(body).unwrap().join().unwrap();
}

#[test]
fn replaces_members_among_very_many() {
    let object = |names: usize| {
        let members: Vec<_> = (0..200_000).map(|i| format!("\"{:x}\":{i}", i % names)).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(compact(object(200_000).as_bytes()), Ok(object(200_000)));
    for names in [1, 2, 16, 17, 100_000] {
        let ours = compact(object(names).as_bytes()).unwrap();
        assert_eq!(ours.matches(':').count(), names);
        assert!(ours.ends_with(":199999}"));
    }
}
