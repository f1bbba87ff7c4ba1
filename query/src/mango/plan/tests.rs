use super::*;

/// Indexes of these fields, each named after them.
fn indexes(fields: &[&[&str]]) -> Vec<Arc<IndexDefinition>> {
    let index = |fields: &&[&str]| {
        let name = fields.join("-");
        let list = fields.join(r#"",""#);
        let body =
            format!(r#"{{"index":{{"fields":["{list}"]}},"ddoc":"{name}","name":"{name}"}}"#);
        Arc::new(IndexDefinition::parse(&body, false).unwrap())
    };
    fields.iter().map(index).collect()
}

fn name(index: Option<&Index>) -> String {
    match index {
        None => "none".into(),
        Some(Index::AllDocuments) => "_all_docs".into(),
        Some(Index::Json(index)) => index.name().to_owned(),
    }
}

fn plan(fields: &[&[&str]], body: &str, purpose: Purpose) -> Result<Plan, PlanError> {
    Plan::choose(&FindRequest::parse(body).unwrap(), &indexes(fields), false, purpose)
}

/// Which index is chosen and what is read of it.
#[track_caller]
fn check(fields: &[&[&str]], body: &str, expected: &str) {
    let plan = plan(fields, body, Purpose::Find);
    assert!(plan.as_ref().map_or(true, |plan| plan.candidates.is_empty()), "{body}");
    let found = match plan {
        Err(error) => format!("{}: {error}", error.word()),
        Ok(plan) => {
            let list = |values: &[_]| crate::Value::Array(values.to_vec()).to_string();
            let scan = match &plan.scan {
                Scan::Nothing => "nothing".to_owned(),
                Scan::Keys(range) => format!("{} {}", list(range.low()), list(range.high())),
                Scan::Documents { range, .. } => format!("{:?} {:?}", range.low, range.high),
            };
            format!("{} {scan}", name(plan.index.as_ref()))
        }
    };
    assert_eq!(found, expected, "{body}");
}

#[test]
fn ranges_that_are_read() {
    let ab: &[&[&str]] = &[&["a", "b"]];
    check(ab, r#"{"selector":{"a":1,"b":2}}"#, "a-b [1,2] [1,2]");
    check(ab, r#"{"selector":{"a":1,"b":{"$gt":2}}}"#, "a-b [1,2] [1]");
    check(ab, r#"{"selector":{"a":{"$lt":1},"b":2}}"#, "a-b [] [1,2]");
    check(ab, r#"{"selector":{"a":1,"b":{"$exists":true}}}"#, "a-b [1] [1]");
    check(ab, r#"{"selector":{"a":{"$gt":1,"$lt":1},"b":2}}"#, "a-b nothing");
    check(ab, r#"{"selector":{"a":{"$exists":true},"b":{"$gt":1,"$lt":1}}}"#, "a-b [] []");
    check(&[], r#"{"selector":{}}"#, "_all_docs None None");
    check(&[], r#"{"selector":{"_id":{"$gt":"b"}}}"#, r#"_all_docs Some("b") None"#);
    check(&[], r#"{"selector":{"_id":"b"}}"#, r#"_all_docs Some("b") Some("b")"#);
    check(&[], r#"{"selector":{"_id":{"$gt":null}}}"#, "_all_docs None None");
    check(&[], r#"{"selector":{"_id":{"$lt":5}}}"#, "_all_docs nothing");
    check(&[], r#"{"selector":{"$or":[]}}"#, "_all_docs nothing");
    check(&[], r#"{"selector":{"a":1,"$or":[]}}"#, "_all_docs None None");
}

#[test]
fn the_best_index_is_chosen() {
    let three: &[&[&str]] = &[&["a"], &["b"], &["a", "b"]];
    check(three, r#"{"selector":{"a":1}}"#, "a [1] [1]");
    check(three, r#"{"selector":{"a":1,"b":1}}"#, "a-b [1,1] [1,1]");
    check(three, r#"{"selector":{"a":1,"b":{"$ne":1}}}"#, "a [1] [1]");
    check(three, r#"{"selector":{"a":{"$ne":1},"b":{"$ne":1}}}"#, "a [] []");
    check(three, r#"{"selector":{"c":1}}"#, "_all_docs None None");
    check(three, r#"{"selector":{"a":{"$exists":false}}}"#, "_all_docs None None");
    check(three, r#"{"selector":{"$or":[{"a":1},{"a":2}]}}"#, "a [] []");
    check(
        &[&["b", "x"], &["b", "a"]],
        r#"{"selector":{"b":1,"a":{"$ne":1},"x":{"$ne":1}}}"#,
        "b-a [1] [1]",
    );
}

const NO_SORT: &str =
    "no_usable_index: No index exists for this sort, try indexing by the sort fields.";

#[test]
fn sorts_need_an_index() {
    let ab: &[&[&str]] = &[&["a", "b"]];
    check(&[], r#"{"selector":{"a":1},"sort":["a"]}"#, NO_SORT);
    check(ab, r#"{"selector":{"a":1},"sort":["a"]}"#, NO_SORT);
    check(ab, r#"{"selector":{"a":1},"sort":["a","b"]}"#, "a-b [1] [1]");
    check(ab, r#"{"selector":{"a":1},"sort":["b"]}"#, "a-b [1] [1]");
    check(ab, r#"{"selector":{"a":{"$gt":1}},"sort":["b"]}"#, NO_SORT);
    check(ab, r#"{"selector":{"b":1},"sort":["b","a"]}"#, NO_SORT);
    check(ab, r#"{"selector":{"b":1},"sort":[{"a":"desc"}]}"#, "a-b [] []");
    check(&[], r#"{"selector":{"_id":{"$gt":null}},"sort":["_id"]}"#, "_all_docs None None");
    check(&[], r#"{"selector":{"a":1},"sort":["_id"]}"#, NO_SORT);
}

#[test]
fn indexes_by_name() {
    let two: &[&[&str]] = &[&["a"], &["a", "b"]];
    let body = |rest: &str| format!(r#"{{"selector":{{"a":1,"b":1}},{rest}}}"#);
    check(two, &body(r#""use_index":"a""#), "a [1] [1]");
    check(two, &body(r#""use_index":["_design/a","a"]"#), "a [1] [1]");
    check(two, &body(r#""use_index":"x""#), "a-b [1,1] [1,1]");
    check(
        two,
        &body(r#""use_index":"_design/x","allow_fallback":false"#),
        "invalid_index: _design/x specified by `use_index` could not be found or it is not suitable.",
    );
    check(
        two,
        &body(r#""use_index":["a","y"],"allow_fallback":false"#),
        "invalid_index: _design/a, y specified by `use_index` could not be found \
         or it is not suitable.",
    );
    check(two, &body(r#""allow_fallback":false"#), "a-b [1,1] [1,1]");
    check(
        &[],
        &body(r#""allow_fallback":false"#),
        "invalid_index: You must specify an index with the `use_index` parameter.",
    );
}

#[test]
fn partial_indexes_are_used_by_name_only() {
    let body = r#"{"index":{"fields":["a"],"partial_filter_selector":{"b":1}},"ddoc":"p"}"#;
    let indexes = [Arc::new(IndexDefinition::parse(body, false).unwrap())];
    let choose = |body: &str| {
        let request = FindRequest::parse(body).unwrap();
        Plan::choose(&request, &indexes, false, Purpose::Find).unwrap().index().is_some()
    };
    assert!(!choose(r#"{"selector":{"a":1}}"#));
    assert!(choose(r#"{"selector":{"a":1},"use_index":"p"}"#));
}

#[test]
fn covering() {
    let covers = |body: &str| plan(&[&["a", "b"]], body, Purpose::Find).unwrap().is_covering();
    assert!(covers(r#"{"selector":{"a":1,"b":1},"fields":["_id","b"]}"#));
    assert!(!covers(r#"{"selector":{"a":1,"b":1}}"#));
    assert!(!covers(r#"{"selector":{"a":1,"b":1},"fields":["c"]}"#));
    assert!(!covers(r#"{"selector":{"a":1,"b":1,"c":1},"fields":["a"]}"#));
    assert!(!covers(r#"{"selector":{},"fields":["_id"]}"#));
}

#[test]
fn candidates() {
    let indexes: &[&[&str]] = &[&["a"], &["a", "b"], &["b"], &["c"]];
    let seen = |body: &str| -> Vec<_> {
        let plan = plan(indexes, body, Purpose::Explain).unwrap();
        let seen = |candidate: &Candidate| {
            let name = name(Some(&candidate.index));
            format!("{name} {} {} {}", candidate.usable, candidate.reason.word(), candidate.ranking)
        };
        plan.candidates.iter().map(seen).collect()
    };
    assert_eq!(
        seen(r#"{"selector":{"a":1,"b":1}}"#),
        [
            "c false field_mismatch 4",
            "b true less_overlap 2",
            "a true less_overlap 1",
            "_all_docs true unfavored_type 3",
        ]
    );
    assert_eq!(
        seen(r#"{"selector":{"a":1},"sort":["x"]}"#),
        [
            "c false field_mismatch 1",
            "b false field_mismatch 1",
            "a-b false field_mismatch 1",
            "a false sort_order_mismatch 1",
            "_all_docs false field_mismatch 1",
        ]
    );
    assert_eq!(
        seen(r#"{"selector":{"a":1,"b":1},"use_index":"b"}"#)[1..],
        [
            "a-b true excluded_by_user 1",
            "a true excluded_by_user 1",
            "_all_docs true excluded_by_user 1"
        ]
    );
}
