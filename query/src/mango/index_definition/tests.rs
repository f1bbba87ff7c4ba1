use super::*;

fn index(body: &str) -> IndexDefinition {
    IndexDefinition::parse(body, false).unwrap()
}

#[track_caller]
fn check_refused(body: &str, expected: &str) {
    let error = IndexDefinition::parse(body, false).unwrap_err();
    assert_eq!(format!("{}: {error}", error.word()), expected, "{body}");
}

#[test]
fn refusals() {
    check_refused("{}", "missing_required_key: Missing required key: index");
    check_refused(r#"{"index":1}"#, "invalid_index: JSON indexes must be an object, not: 1");
    check_refused(r#"{"index":{}}"#, "missing_required_key: Missing required key: fields");
    let key = "invalid_key: Invalid key x for this request.";
    check_refused(r#"{"index":{"fields":[],"x":1}}"#, key);
    check_refused(r#"{"index":{"fields":[]},"x":1}"#, key);
    let fields = "invalid_sort_json: Sort must be an array of sort specs, not: 1";
    check_refused(r#"{"index":{"fields":1}}"#, fields);
    let kind = "invalid_index: Invalid type for index: geo";
    check_refused(r#"{"index":{"fields":[]},"type":"geo"}"#, kind);
    check_refused(r#"{"index":{},"type":"text"}"#, "required index service unavailable: text");
    check_refused(r#"{"index":{"fields":[]},"name":1}"#, "invalid_string: Invalid string: 1");
    let selector = "invalid_selector_json: Selector must be a JSON object, not: 1";
    check_refused(r#"{"index":{"fields":[],"partial_filter_selector":1}}"#, selector);
    let partitioned =
        "bad_request: partitioned option cannot be true in a non-partitioned database.";
    check_refused(r#"{"index":{"fields":[]},"partitioned":true}"#, partitioned);
}

#[test]
fn names_that_nobody_gave() {
    let one = index(r#"{"index":{"fields":["a"]}}"#);
    assert_eq!(one.design(), format!("_design/{}", one.name()));
    assert_eq!(one.name().len(), 40);
    assert_eq!(one.name(), index(r#"{"index":{"fields":["a"]},"type":"json"}"#).name());
    assert_ne!(one.name(), index(r#"{"index":{"fields":["b"]}}"#).name());
    let named = index(r#"{"index":{"fields":["a"]},"name":"n","ddoc":"_design/d"}"#);
    assert_eq!((named.design(), named.name()), ("_design/d", "n"));
}

const PARTIAL: &str = r#"{"index":{"fields":["a",{"b.c":"asc"}],
    "partial_filter_selector":{"s":{"$ne":1}}},"ddoc":"d","name":"n"}"#;

#[test]
fn a_field_is_indexed_once() {
    assert_eq!(index(r#"{"index":{"fields":["a","b","a"]}}"#).fields(), ["a", "b"]);
}

#[test]
fn documents_have_keys() {
    let index = index(PARTIAL);
    for (document, key) in [
        (r#"{"_id":"x","s":2,"a":1E2,"b":{"c":[null]}}"#, Some("[1E2,[null]]")),
        (r#"{"_id":"x","s":1,"a":1,"b":{"c":2}}"#, None),
        (r#"{"_id":"x","a":1,"b":{"c":2}}"#, None),
        (r#"{"_id":"x","s":2,"a":1,"b":{}}"#, None),
        (r#"{"_id":"x","s":2,"a":1,"b":3}"#, None),
        (r#"{"_id":"_design/x","s":2,"a":1,"b":{"c":2}}"#, None),
    ] {
        assert_eq!(index.key(&Document::parse(document).unwrap()).as_deref(), key, "{document}");
    }
}

#[test]
fn listed() {
    let partial = index(PARTIAL);
    assert_eq!(
        partial.to_json(false),
        r#"{"ddoc":"_design/d","name":"n","type":"json","partitioned":false,"def":{"#.to_owned()
            + r#""fields":[{"a":"asc"},{"b.c":"asc"}],"#
            + r#""partial_filter_selector":{"s":{"$ne":1}}}}"#,
    );
    assert_eq!(
        list_indexes([&partial], false, 0..1),
        r#"{"total_rows":2,"indexes":[{"ddoc":null,"name":"_all_docs","type":"special","#
            .to_owned()
            + r#""def":{"fields":[{"_id":"asc"}]}}]}"#,
    );
}

#[test]
fn parts_of_the_list() {
    assert_eq!(list_part(None, None), Ok(0..usize::MAX));
    assert_eq!(list_part(Some("2"), Some("+3")), Ok(3..5));
    let most = "99999999999999999999999";
    assert_eq!(list_part(Some(most), Some(most)), Ok(usize::MAX..usize::MAX));
    for (limit, skip) in [("0", "0"), ("-1", "0"), ("1", "-1"), ("", "0"), ("1", "x"), ("1.5", "0")]
    {
        assert_eq!(list_part(Some(limit), Some(skip)), Err(IndexError::ListPart), "{limit} {skip}");
    }
}

#[test]
fn design_documents_are_made_read_and_unmade() {
    let first = index(PARTIAL);
    let Addition::Changed(text) = first.add_to(None).unwrap() else { panic!("it is new") };
    assert_eq!(
        text,
        r#"{"_id":"_design/d","language":"query","views":{"n":{"map":{"fields":"#.to_owned()
            + r#"{"a":"asc","b.c":"asc"},"partial_filter_selector":{"s":{"$ne":1}}},"#
            + r#""reduce":"_count","options":{"def":{"fields":["a",{"b.c":"asc"}],"#
            + r#""partial_filter_selector":{"s":{"$ne":1}}}}}}}"#,
    );
    let read = IndexDefinition::read_design(&text);
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].to_json(false), first.to_json(false));
    assert_eq!(read[0].add_to(Some(&text)).unwrap(), Addition::Exists);

    let second = index(r#"{"index":{"fields":["z"]},"ddoc":"d","name":"m"}"#);
    let Addition::Changed(both) = second.add_to(Some(&text)).unwrap() else { panic!("it is new") };
    assert!(both.contains(r#""m":{"map":{"fields":{"z":"asc"},"partial_filter_selector":{}}"#));
    assert_eq!(IndexDefinition::read_design(&both).len(), 2);

    assert_eq!(remove_index(&both, "m").unwrap(), Removal::Changed(text.clone()));
    assert_eq!(remove_index(&text, "n").unwrap(), Removal::Deleted);
    assert_eq!(remove_index(&text, "m"), Err(IndexError::NotFound("m".into())));
    let other = r#"{"_id":"_design/d","language":"javascript"}"#;
    assert_eq!(first.add_to(Some(other)).unwrap_err().word(), "invalid_ddoc_lang");
    let partitioned = r#"{"_id":"_design/d","language":"query","options":{"partitioned":false}}"#;
    assert_eq!(first.add_to(Some(partitioned)).unwrap_err().word(), "invalid_partitioned_option");
}

#[test]
fn what_is_no_index_is_passed_over() {
    for view in [
        r#"{"map":"function (doc) {}"}"#,
        r#"{"map":{"fields":["a"]},"options":{}}"#,
        r#"{"map":{"fields":{"a":"asc"}}}"#,
        r#"{"map":{"fields":{"a..b":"asc"}},"options":{}}"#,
        r#"{"map":{"fields":{"a":"asc"},"partial_filter_selector":{"$x":1}},"options":{}}"#,
        "1",
    ] {
        let text = format!(r#"{{"_id":"_design/d","language":"query","views":{{"n":{view}}}}}"#);
        assert!(IndexDefinition::read_design(&text).is_empty(), "{text}");
    }
    assert!(IndexDefinition::read_design("[]").is_empty());
}

#[test]
fn deleting_several() {
    let parsed = BulkDelete::parse(r#"{"docids":["a","_design/b"],"w":3}"#).unwrap();
    assert_eq!(parsed.designs, ["_design/a", "_design/b"]);
    for (body, word) in [
        ("{}", "missing_required_key"),
        (r#"{"docids":1}"#, "invalid_bulk_docs"),
        (r#"{"docids":[1]}"#, "invalid_index_name"),
        (r#"{"docids":[],"x":1}"#, "invalid_key"),
    ] {
        assert_eq!(BulkDelete::parse(body).unwrap_err().word(), word, "{body}");
    }
}
