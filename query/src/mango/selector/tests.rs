use super::*;

/// Whether `selector` matches each of the documents: `+` yes, `-` no.
#[track_caller]
fn check(selector: &str, documents: &[(char, &str)]) {
    let parsed = Selector::parse(selector).unwrap();
    for (expected, text) in documents {
        let document = Document::parse(text).unwrap();
        assert_eq!(parsed.matches(&document), *expected == '+', "{selector} {text}");
    }
}

/// Values of the field `x`, against a condition and its negation.
#[track_caller]
fn check_field(condition: &str, values: &[(char, &str)]) {
    let documents: Vec<_> =
        values.iter().map(|(sign, value)| (*sign, format!(r#"{{"x":{value}}}"#))).collect();
    let plain: Vec<_> = documents.iter().map(|(sign, text)| (*sign, text.as_str())).collect();
    check(&format!(r#"{{"x":{condition}}}"#), &plain);
    let turned = |sign| if sign == '+' { '-' } else { '+' };
    let negated: Vec<_> = plain.iter().map(|(sign, text)| (turned(*sign), *text)).collect();
    check(&format!(r#"{{"x":{{"$not":{condition}}}}}"#), &negated);
    check(&format!(r#"{{"$nor":[{{"x":{condition}}}]}}"#), &negated);
}

#[test]
fn implicit_operators() {
    check("{}", &[('+', "{}"), ('+', r#"{"a":1}"#)]);
    check(r#"{"a":1}"#, &[('+', r#"{"a":1}"#), ('+', r#"{"a":1.0}"#), ('-', r#"{"a":"1"}"#)]);
    check(r#"{"a":1,"b":2}"#, &[('+', r#"{"b":2,"a":1}"#), ('-', r#"{"a":1}"#)]);
    check(r#"{"a":{}}"#, &[('+', r#"{"a":{}}"#), ('-', r#"{"a":{"b":1}}"#)]);
    check(r#"{"a":[1,2]}"#, &[('+', r#"{"a":[1,2]}"#), ('-', r#"{"a":[2,1]}"#)]);
    check(r#"{"a":{"$gt":1,"$lt":5}}"#, &[('+', r#"{"a":2}"#), ('-', r#"{"a":5}"#)]);
    check(
        r#"{"a":{"$gt":{"n":1},"b":2}}"#,
        &[('+', r#"{"a":{"n":1,"b":2}}"#), ('-', r#"{"a":{"n":1,"b":3}}"#)],
    );
}

#[test]
fn fields_within_fields() {
    let document = r#"{"a":{"b":{"c":7}},"d":[{"e":1}],"f.g":3}"#;
    for (sign, selector) in [
        ('+', r#"{"a":{"b":{"c":7}}}"#),
        ('+', r#"{"a.b.c":7}"#),
        ('+', r#"{"a.b":{"c":{"$lt":8}}}"#),
        ('+', r#"{"a":{"b.c":7}}"#),
        ('+', r#"{"a.b":{"$eq":{"c":7}}}"#),
        ('+', r#"{"d.0.e":1}"#),
        ('+', r#"{"f\\.g":3}"#),
        ('-', r#"{"f.g":3}"#),
        ('-', r#"{"d.1.e":1}"#),
        ('-', r#"{"d.e":1}"#),
    ] {
        check(selector, &[(sign, document)]);
    }
}

#[test]
fn comparisons() {
    check_field(
        r#"{"$lt":5}"#,
        &[('+', "4"), ('-', "5"), ('-', "6"), ('+', "null"), ('-', "\"\"")],
    );
    check_field(r#"{"$lte":5}"#, &[('+', "4"), ('+', "5.0"), ('-', "5.1")]);
    check_field(
        r#"{"$gt":5}"#,
        &[('-', "5"), ('+', "6"), ('+', "\"1\""), ('+', "[]"), ('-', "true")],
    );
    check_field(r#"{"$gte":"b"}"#, &[('+', "\"B\""), ('-', "\"A\""), ('+', "{}"), ('-', "9")]);
    check_field(r#"{"$ne":5}"#, &[('-', "5"), ('+', "6"), ('+', "null")]);
    check_field(r#"{"$eq":null}"#, &[('+', "null"), ('-', "false"), ('-', "0")]);
    check_field(r#"{"$gt":[1,2,3]}"#, &[('-', "[1,2]"), ('-', "[1,2,3]"), ('+', "[1,3]")]);
    check_field(
        r#"{"$eq":{"a":1,"b":2}}"#,
        &[('+', r#"{"a":1,"b":2}"#), ('-', r#"{"b":2,"a":1}"#)],
    );
    check_field(r#"{"$eq":"é"}"#, &[('+', "\"e\u{301}\""), ('-', "\"e\"")]);
    // The semicolon comes before the colon, other than in ASCII.
    check_field(r#"{"$gt":"h:","$lt":"h;"}"#, &[('-', "\"h:1\""), ('-', "\"h;\"")]);
}

#[test]
fn ids_by_their_bytes() {
    check(r#"{"_id":{"$gt":"a"}}"#, &[('-', r#"{"_id":"A"}"#), ('+', r#"{"_id":"b"}"#)]);
    check(r#"{"_id":{"$gt":"h:","$lt":"h;"}}"#, &[('+', r#"{"_id":"h:1"}"#)]);
    check(r#"{"_id":{"$gt":null}}"#, &[('+', r#"{"_id":"A"}"#)]);
    check(r#"{"_id":{"$lt":[]}}"#, &[('-', r#"{"_id":"A"}"#)]);
    check(
        r#"{"_id":{"$in":["b","a","C"]}}"#,
        &[('+', r#"{"_id":"C"}"#), ('+', r#"{"_id":"a"}"#), ('-', r#"{"_id":"c"}"#)],
    );
}

#[test]
fn a_missing_field_passes_one_test_only() {
    let astray = r#"{"x":5}"#;
    for selector in [
        r#"{"x":{"$ne":5}}"#,
        r#"{"x":{"$nin":[5]}}"#,
        r#"{"$not":{"x":5}}"#,
        r#"{"$nor":[{"x":5}]}"#,
        r#"{"x":{"$not":{"$regex":"a"}}}"#,
        r#"{"x":{"$gt":null}}"#,
        r#"{"x":{"$exists":true}}"#,
    ] {
        check(selector, &[('-', "{}")]);
    }
    check(r#"{"x":{"$exists":false}}"#, &[('+', "{}"), ('-', astray), ('-', r#"{"x":null}"#)]);
    check(r#"{"$not":{"x":{"$exists":true}}}"#, &[('+', "{}"), ('-', astray)]);
    check(r#"{"x.y":{"$exists":false}}"#, &[('+', "{}"), ('+', r#"{"x":{}}"#), ('-', astray)]);
    check(
        r#"{"x":{"$not":{"$exists":true,"$eq":0}}}"#,
        &[('+', r#"{"x":1}"#), ('-', r#"{"x":0}"#), ('+', "{}")],
    );
}

#[test]
fn sets() {
    check_field(r#"{"$in":[]}"#, &[('-', "0"), ('-', "[]")]);
    check_field(
        r#"{"$in":[42,false,"bar",[["nested"],"list"],{"b":2}]}"#,
        &[
            ('+', "42"),
            ('+', "42.0"),
            ('+', "false"),
            ('+', "\"bar\""),
            ('+', r#"{"b":2}"#),
            ('-', "43"),
            ('-', "\"bars\""),
            ('-', r#"{"b":2,"c":3}"#),
            ('+', "[0,42]"),
            ('-', r#"[["nested"],"list"]"#),
            ('+', r#"[0,[["nested"],"list"]]"#),
        ],
    );
    check_field(
        r#"{"$nin":[42,"a"]}"#,
        &[('-', "42"), ('-', "[1,42]"), ('+', "[1]"), ('+', "\"A\"")],
    );
}

#[test]
fn arrays() {
    check_field(r#"{"$all":[]}"#, &[('-', "[]"), ('-', "[1]"), ('-', "{}")]);
    check_field(
        r#"{"$all":[1,2]}"#,
        &[('+', "[2,0,1]"), ('-', "[1]"), ('-', "[1.0,2]"), ('-', "1")],
    );
    check_field(r#"{"$all":[[1,2]]}"#, &[('+', "[1,2]"), ('+', "[[1,2],3]"), ('-', "[2,1]")]);
    check_field(r#"{"$all":["a"]}"#, &[('-', "\"a\""), ('+', "[\"a\"]")]);
    check_field(r#"{"$size":2}"#, &[('+', "[1,2]"), ('-', "[]"), ('-', "\"ab\""), ('-', "2")]);
    check_field(
        r#"{"$elemMatch":{"$gte":80,"$lt":85}}"#,
        &[('+', "[1,82]"), ('-', "[79,85]"), ('-', "[]"), ('-', "82")],
    );
    check_field(
        r#"{"$elemMatch":{"a":1,"b":{"$exists":false}}}"#,
        &[('+', r#"[{"a":1}]"#), ('-', r#"[{"a":1,"b":2},{"c":3}]"#), ('-', "[1]")],
    );
    check_field(
        r#"{"$allMatch":{"$gt":1}}"#,
        &[('+', "[2,3]"), ('-', "[1,2]"), ('-', "[]"), ('-', "2")],
    );
    check_field(
        r#"{"$keyMapMatch":{"$eq":"b"}}"#,
        &[('+', r#"{"a":1,"b":2}"#), ('-', r#"{"a":"b"}"#), ('-', "{}"), ('-', "[\"b\"]")],
    );
}

#[test]
fn the_rest() {
    check_field(
        r#"{"$type":"number"}"#,
        &[('+', "1"), ('+', "1.5"), ('-', "\"1\""), ('-', "null")],
    );
    check_field(r#"{"$type":"object"}"#, &[('+', "{}"), ('-', "[]")]);
    check_field(r#"{"$type":"boolean"}"#, &[('+', "false"), ('-', "null")]);
    check_field(r#"{"$type":"other"}"#, &[('-', "1")]);
    check_field(r#"{"$mod":[28,1]}"#, &[('+', "29"), ('-', "58"), ('-', "29.0"), ('-', "\"29\"")]);
    check_field(r#"{"$mod":[3,-1]}"#, &[('+', "-4"), ('-', "-5"), ('-', "4")]);
    check_field(
        r#"{"$regex":"^[0-9a-f]+$"}"#,
        &[('+', "\"3a0\""), ('-', "\"\""), ('-', "\"g\""), ('-', "3")],
    );
    check_field(r#"{"$regex":"(?i)B"}"#, &[('+', "\"abc\""), ('-', "[\"abc\"]")]);
    check_field(
        r#"{"$beginsWith":"fo"}"#,
        &[('+', "\"foo\""), ('-', "\"Foo\""), ('-', "\"f\""), ('-', "1")],
    );
}

#[test]
fn combinations() {
    let documents = [('+', r#"{"a":1,"b":1}"#), ('-', r#"{"a":1}"#), ('-', r#"{"a":2,"b":1}"#)];
    for selector in [
        r#"{"$and":[{"a":1},{"b":1}]}"#,
        r#"{"a":1,"$or":[{"b":1},{"b":2}]}"#,
        r#"{"a":{"$or":[{"$eq":1},{"$gt":7}]},"b":1}"#,
        r#"{"$not":{"$or":[{"a":{"$ne":1}},{"b":{"$exists":false}}]}}"#,
    ] {
        check(selector, &documents);
    }
    // Of no conditions, none fails.
    for selector in [r#"{"$and":[]}"#, r#"{"$or":[]}"#, r#"{"$nor":[]}"#] {
        check(selector, &[('+', "{}")]);
    }
    // A selector that names no field asks about the document itself.
    check(r#"{"$and":[{}]}"#, &[('+', "{}"), ('-', r#"{"a":1}"#)]);
}

#[track_caller]
fn check_refused(selector: &str, expected: &str) {
    let error = Selector::parse(selector).unwrap_err();
    assert_eq!(format!("{}: {error}", error.word()), expected, "{selector}");
}

#[test]
fn refuses() {
    check_refused("{", "bad_request: invalid UTF-8 JSON");
    check_refused("[]", "invalid_selector_json: Selector error: expected a JSON object");
    for (operator, argument) in [
        ("$and", "1"),
        ("$or", "{}"),
        ("$nor", r#"{"a":[1,null]}"#),
        ("$not", "[]"),
        ("$in", "\"x\""),
        ("$nin", "1.5"),
        ("$exists", "1"),
        ("$type", "null"),
        ("$mod", "[1]"),
        ("$mod", "[0,1]"),
        ("$mod", "[1,0.5]"),
        ("$regex", "\"(\""),
        ("$regex", "7"),
        ("$all", "{}"),
        ("$elemMatch", "[]"),
        ("$allMatch", "true"),
        ("$keyMapMatch", "\"a\""),
        ("$size", "-1"),
        ("$size", "1.0"),
        ("$beginsWith", "1"),
    ] {
        let expected = format!("bad_arg: Bad argument for operator {operator}: {argument}");
        check_refused(&format!(r#"{{"x":{{"{operator}":{argument}}}}}"#), &expected);
    }
    check_refused(r#"{"x":{"$foo":1}}"#, "invalid_operator: Invalid operator: $foo");
    check_refused(r#"{"$default":1}"#, "invalid_operator: Invalid operator: $default");
    check_refused(r#"{"$text":"a"}"#, "not_supported: Unsupported operator: $text");
    check_refused(r#"{"x":{"$where":"a"}}"#, "not_supported: Unsupported operator: $where");
    let nameless = "invalid_selector: One or more conditions is missing a field name.";
    for selector in [r#"{"$gt":1}"#, r#"{"":1}"#, r#"{"a..b":1}"#, r#"{"a":{"":1}}"#] {
        check_refused(selector, nameless);
    }
}

#[test]
fn what_a_selector_may_hold_is_bounded() {
    let too_large = "invalid_selector: The selector has too many conditions.";
    let many = |count: usize, condition: &str| {
        format!(r#"{{"$or":[{}]}}"#, vec![condition; count].join(","))
    };
    check_refused(&many(10_001, r#"{"a":1}"#), too_large);
    check_refused(&many(33, r#"{"a":{"$regex":"a"}}"#), too_large);
    // A name that is written once, and held by each of the conditions under it.
    let long =
        |count| format!(r#"{{"{}":{}}}"#, "n".repeat(1_000_000), many(count, r#"{"$gt":1}"#));
    check_refused(&long(10), too_large);
    Selector::parse(&long(2)).unwrap();
    Selector::parse(&many(32, r#"{"a":{"$regex":"a"}}"#)).unwrap();
    let large = r#"{"a":{"$regex":"(\\w{200}){200}"}}"#;
    assert!(matches!(Selector::parse(large), Err(SelectorError::BadArgument { .. })));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    assert_eq!(Selector::parse(&deep).unwrap_err(), SelectorError::Json);
    let shown = format!(r#"{{"a":{{"$in":"{}"}}}}"#, "é".repeat(1000));
    assert!(Selector::parse(&shown).unwrap_err().to_string().len() < 300);
}
