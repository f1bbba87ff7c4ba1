//! The built-in functions say what CouchDB's do.

use proptest::prelude::*;

use super::*;

fn rows<'a>(values: &[&'a str]) -> Vec<Row<'a>> {
    let row = |value: &&'a str| Row { collation_key: &[1], id: "doc".into(), key: "null", value };
    values.iter().map(row).collect()
}

/// The results for all values at once, and for each of them put together.
fn results(name: &str, values: &[&str]) -> [Result<String, String>; 2] {
    let builtin: Builtin = name.parse().unwrap();
    let all = builtin.reduce(&rows(values)).unwrap();
    let each: Vec<_> =
        values.iter().map(|value| builtin.reduce(&rows(&[value])).unwrap()).collect();
    let parts: Vec<&[u8]> = each.iter().map(Vec::as_slice).collect();
    let together = builtin.rereduce(&parts).unwrap();
    [all, together].map(|result| builtin.finish(&result).map_err(|error| error.to_string()))
}

fn check(name: &str, values: &[&str], expected: &str) {
    for result in results(name, values) {
        assert_eq!(result.as_deref(), Ok(expected), "{name} {values:?}");
    }
}

#[test]
fn names() {
    assert_eq!("_sum".parse(), Ok(Builtin::Sum));
    assert_eq!("_count ".parse(), Ok(Builtin::Count));
    assert_eq!("_top_1".parse(), Ok(Builtin::Top(1)));
    assert_eq!("_bottom_100".parse(), Ok(Builtin::Bottom(100)));
    for bad in ["_x", "_top_", "_top_0", "_top_101", "_top_+1", "_bottom_x", "sum"] {
        let error = bad.parse::<Builtin>().unwrap_err().to_string();
        assert_eq!(error, format!("`{bad}` is not a supported reduce function."));
    }
}

#[test]
fn sums() {
    check("_sum", &["1", "2", "-5"], "-2");
    check("_sum", &["1", "0.5"], "1.5");
    check("_sum", &["1.5", "1.5"], "3.0");
    check("_sum", &["18446744073709551615", "1"], "18446744073709551616");
    check("_sum", &["2", "[3,5,7]", "[0,0,0,42]", "1", "3"], "[9,5,7,42]");
    check("_sum", &["[3,2,4]", "[0,3,3]"], "[3,5,7]");
    check(
        "_sum",
        &[r#"{"g":1,"a":1,"b":[1,2],"c":{"d":3}}"#, r#"{"a":2,"b":3,"c":{"e":5},"f":1,"g":1}"#],
        r#"{"a":3,"b":[4,2],"c":{"d":3,"e":5},"f":1,"g":2}"#,
    );
    check("_sum", &[r#"{"b":1,"a":"x"}"#], r#"{"b":1,"a":"x"}"#);
}

#[test]
fn refusals_repeat_no_long_values() {
    let long = "é".repeat(3000);
    let text = format!("\"{long}\"");
    let array = format!("[1,{text}]");
    let object = format!(r#"{{"sum":1,"count":1,"min":1,"max":1,"sumsqr":{text}}}"#);
    let missing = format!(r#"{{"{long}":1}}"#);
    for values in [[&text, "1"], ["1", &text], ["1", &array], ["1", &object], ["1", &missing]] {
        for result in results("_stats", &values) {
            let reason = result.unwrap_err();
            assert!(reason.len() < 400 && reason.contains('…'), "{reason}");
        }
    }
    let refused = format!(r#"{{"error":"builtin_reduce_error","x":{text}}}"#);
    for values in [[&text, "1"], ["1", &text], ["[1]", &array], ["1", &missing], ["1", &refused]] {
        for result in results("_sum", &values) {
            let refusal = result.unwrap();
            assert!(refusal.starts_with(r#"{"error":"builtin_"#), "{refusal}");
            assert!(refusal.len() < 700, "{refusal}");
        }
    }
}

#[test]
fn what_cannot_be_added_is_said() {
    let refused = |cause: &str| {
        format!(
            r#"{{"error":"builtin_reduce_error","reason":"The _sum function requires that map values be numbers, arrays of numbers, or objects. Objects cannot be mixed with other data structures. Objects can be arbitrarily nested, provided that the values for all fields are themselves numbers, arrays of numbers, or objects.","caused_by":{cause}}}"#
        )
    };
    check("_sum", &["1", r#""x""#, "2"], &refused(r#""x""#));
    check("_sum", &["null"], &refused("null"));
    check("_sum", &["5", r#"{"a":1}"#], &refused(r#"{"a":1}"#));
    check("_sum", &["[1,2]", r#"[1,"x"]"#], &refused("[2]"));
    let long = format!("[{}1]", "1,".repeat(2500));
    check(
        "_sum",
        &[&long],
        r#"{"error":"builtin_reduce_error","reason":"Reduce output must shrink more rapidly: input size: 5007 output size: 5003"}"#,
    );
}

#[test]
fn counts() {
    check("_count", &["1", "null", r#""x""#], "3");
}

#[test]
fn stats() {
    check("_stats", &["2"], r#"{"sum":2,"count":1,"min":2,"max":2,"sumsqr":4}"#);
    check(
        "_stats",
        &["1", "10", "1.5"],
        r#"{"sum":12.5,"count":3,"min":1,"max":10,"sumsqr":103.25}"#,
    );
    check(
        "_stats",
        &["[2,3]", r#"[7,{"sum":11,"count":1,"min":11,"max":11,"sumsqr":121,"x":0}]"#],
        r#"[{"sum":9,"count":2,"min":2,"max":7,"sumsqr":53},{"sum":14,"count":2,"min":3,"max":11,"sumsqr":130}]"#,
    );
    check(
        "_stats",
        &["5000000000", "5000000000"],
        r#"{"sum":10000000000,"count":2,"min":5000000000,"max":5000000000,"sumsqr":50000000000000000000}"#,
    );
    check("_stats", &["[]", "[]"], "[]");
}

#[test]
fn what_has_no_stats_is_said() {
    let check = |values: &[&str], expected: &str| {
        let [all, _] = results("_stats", values);
        assert_eq!(all, Err(expected.into()), "{values:?}");
    };
    check(&[r#""x""#, "1"], r#"non-numeric _stats input: "x""#);
    check(
        &["1", "null"],
        "The _stats function requires that map values be numbers or arrays of numbers, not 'null'",
    );
    check(
        &["[1]", "[1,2]"],
        "The _stats function requires that map values be numbers or arrays of numbers, not '[1,2]'",
    );
    check(&[r#"{"sum":1}"#], r#"user _stats input missing required field count ({"sum":1})"#);
    check(&[r#"{"sum":"1","count":1}"#], r#"non-numeric _stats input received for sum: "1""#);
    for values in [["[1]", "[1,2]"], ["1", "[1]"], ["null", "1"]] {
        assert!(results("_stats", &values)[1].is_err(), "{values:?}");
    }
}

#[test]
fn ranks() {
    check("_top_2", &["1", "3", r#""x""#, "3.0", "2"], r#"["x",3]"#);
    check("_bottom_3", &["1", "3", "null", "1", "2"], "[null,1,2]");
    check("_top_100", &["1"], "[1]");
}

#[test]
fn ends() {
    check("_first", &["[7]", "1", "2"], "[7]");
    check("_last", &["7", "1", r#"{"a":2.50}"#], r#"{"a":2.50}"#);
}

#[test]
fn distinct_keys() {
    let keys: Vec<String> = (0..200_000).map(|number| format!("\"key-{number}\"")).collect();
    let row = |key| Row { collation_key: &[1], id: "doc".into(), key, value: "null" };
    for count in [1, 2, 10, 100, 1000, 5000, 20_000, 200_000] {
        let rows: Vec<_> = keys[..count].iter().flat_map(|key| [row(key), row(key)]).collect();
        let parts: Vec<_> = rows
            .chunks(97)
            .map(|rows| Builtin::ApproxCountDistinct.reduce(rows).unwrap())
            .collect();
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let all = Builtin::ApproxCountDistinct.rereduce(&parts).unwrap();
        assert_eq!(all, Builtin::ApproxCountDistinct.reduce(&rows).unwrap());
        let found: f64 = Builtin::ApproxCountDistinct.finish(&all).unwrap().parse().unwrap();
        let off = (found - count as f64).abs() / count as f64;
        assert!(off < 0.06, "{found} instead of {count}");
        assert!(count > 2 || off == 0.0, "{found} instead of {count}");
    }
}

#[test]
fn a_value_that_is_nested_too_deep_does_no_harm() {
    for levels in 1..4 {
        let levels = LEVELS_MAX - 3 + levels;
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for builtin in ALL {
            let one = builtin.reduce(&rows(&[&deep, "1"])).unwrap();
            let both = builtin.rereduce(&[&one, &one]).unwrap();
            let again = builtin.rereduce(&[&both, &one]).unwrap();
            let _said = builtin.finish(&again);
        }
    }
}

const ALL: [Builtin; 8] = [
    Builtin::Sum,
    Builtin::Count,
    Builtin::Stats,
    Builtin::ApproxCountDistinct,
    Builtin::Top(3),
    Builtin::Bottom(3),
    Builtin::First,
    Builtin::Last,
];

fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (-9..9_i32).prop_map(|number| number.to_string()),
        Just("null".to_owned()),
        Just("\"x\"".to_owned()),
        Just("0.5".to_owned()),
    ];
    scalar.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|elements| format!("[{}]", elements.join(","))),
            inner.prop_map(|value| format!("{{\"a\":{value}}}")),
        ]
    })
}

proptest! {
    #[test]
    fn any_values_are_reduced(values in prop::collection::vec(json(), 1..6)) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        for builtin in ALL {
            let all = builtin.reduce(&rows(&values)).unwrap();
            let again = builtin.rereduce(&[&all, &all]).unwrap();
            if let Ok(text) = builtin.finish(&again) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn whole_numbers_add_up_in_any_cut(
        numbers in prop::collection::vec(-(1 << 58)..1_i64 << 58, 1..20),
        cut in 0..20_usize,
    ) {
        let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let cut = cut.clamp(1, texts.len());
        for builtin in ALL {
            let all = builtin.reduce(&rows(&texts)).unwrap();
            let parts: Vec<_> = [&texts[..cut], &texts[cut..]]
                .into_iter()
                .filter(|part| !part.is_empty())
                .map(|part| builtin.reduce(&rows(part)).unwrap())
                .collect();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(builtin.rereduce(&parts).unwrap(), all, "{:?}", builtin);
        }
    }

    #[test]
    fn damaged_reductions_do_no_harm(bytes in prop::collection::vec(0..5_u8, 0..20)) {
        for builtin in ALL {
            let _results = (builtin.finish(&bytes), builtin.rereduce(&[&bytes]));
        }
    }
}
