use super::*;

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let error = FindRequest::parse(text).unwrap_err();
    assert_eq!(format!("{}: {error}", error.word()), expected, "{text}");
}

#[test]
fn defaults() {
    let request = FindRequest::parse(r#"{"selector":{"a":1}}"#).unwrap();
    assert_eq!((request.limit, request.skip, request.r), (25, 0, 1));
    assert_eq!(request.use_index, UseIndex::Any);
    assert_eq!(request.bookmark, None);
    assert_eq!(request.fields, Fields::default());
    assert!(request.update && request.allow_fallback);
    assert!(!request.conflicts && !request.stale && !request.stable && !request.execution_stats);
}

#[test]
fn everything() {
    let request = FindRequest::parse(
        r#"{"selector":{},"limit":3,"skip":18446744073709551616,"sort":["a"],"fields":["b"],
            "use_index":["d","n"],"bookmark":"nil","r":2,"conflicts":true,"stale":"ok",
            "update":false,"stable":true,"execution_stats":true,"allow_fallback":false,
            "partition":"p","limit":4}"#,
    );
    // Beyond 64 bits it is no whole number any more.
    assert_eq!(request.unwrap_err().word(), "invalid_non_neg_integer");
    let request = FindRequest::parse(
        r#"{"selector":{},"limit":3,"sort":["a"],"fields":["b"],"use_index":["d","n"],
            "bookmark":"nil","stale":"ok","partition":"p","limit":4}"#,
    )
    .unwrap();
    assert_eq!(request.limit, 4);
    assert_eq!(request.bookmark, None);
    assert_eq!(request.sort.fields(), ["a"]);
    assert_eq!(request.fields.names().unwrap(), ["b"]);
    assert_eq!(request.partition.unwrap().as_str(), "p");
    assert!(request.stale);
}

#[test]
fn refusals() {
    check_refused("", "bad_request: invalid UTF-8 JSON");
    check_refused("[]", "bad_request: Request body must be a JSON object");
    check_refused("{}", "missing_required_key: Missing required key: selector");
    let not_an_object = "invalid_selector_json: Selector must be a JSON object, not: [1]";
    check_refused(r#"{"selector":[1]}"#, not_an_object);
    let missing = "invalid_selector: One or more conditions is missing a field name.";
    check_refused(r#"{"selector":{"$gt":1}}"#, missing);
    for (member, expected) in [
        (r#""x":1"#, "invalid_key: Invalid key x for this request."),
        (
            r#""limit":-1"#,
            "invalid_non_neg_integer: -1 is not an integer greater than or equal to zero",
        ),
        (
            r#""skip":1.0"#,
            "invalid_non_neg_integer: 1.0 is not an integer greater than or equal to zero",
        ),
        (r#""r":0"#, "invalid_pos_integer: 0 is not an integer greater than zero"),
        (r#""conflicts":1"#, "invalid_boolean: Invalid boolean value: 1"),
        (r#""use_index":1"#, "invalid_index_name: Invalid index name: 1"),
        (r#""use_index":["a",1]"#, r#"invalid_index_name: Invalid index name: ["a",1]"#),
        (r#""bookmark":1"#, "invalid_bookmark: Invalid bookmark value: 1"),
        (r#""fields":"a""#, r#"invalid_fields: Fields must be an array of strings, not: "a""#),
        (r#""sort":1"#, "invalid_sort_json: Sort must be an array of sort specs, not: 1"),
        (r#""stale":true"#, "invalid_value: Invalid value for stale: true"),
        (r#""partition":"_x""#, "illegal_partition: Partition must not start with an underscore"),
    ] {
        check_refused(&format!(r#"{{"selector":{{}},{member}}}"#), expected);
    }
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    for (open, close) in
        [(r#"{"a":"#, "}"), (r#"{"$not":"#, "}"), (r#"{"$and":["#, "]}"), ("[", "]")]
    {
        let deep = format!("{}1{}", open.repeat(1000), close.repeat(1000));
        check_refused(&format!(r#"{{"selector":{deep}}}"#), "bad_request: invalid UTF-8 JSON");
        let inside = format!(r#"{{"selector":{{"a":{{"$in":[{deep}]}}}}}}"#);
        check_refused(&inside, "bad_request: invalid UTF-8 JSON");
    }
}
