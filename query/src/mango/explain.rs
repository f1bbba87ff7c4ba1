//! What `_explain` answers.
//!
//! Source: CouchDB's `mango_cursor:explain/1` and `mango_cursor_view:explain/1`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use store::Direction;

use super::json::{number, object, text};
use super::plan::{Candidate, Index, Plan};
use super::scan::{Scan, max};
use super::{FindRequest, KeyRange};
use crate::value::Value;

/// How a question would be answered, as JSON text.
#[must_use]
pub fn explain(database: &str, request: &FindRequest, plan: &Plan) -> String {
    let partitioned = plan.partitioned_database;
    let index = plan.index.as_ref().map_or(Value::Null, |index| index.to_value(partitioned));
    let candidates = plan.candidates.iter().map(|candidate| candidate.to_value(partitioned));
    let mut answer = vec![
        ("dbname", text(database)),
        ("index", index),
        ("partitioned", Value::Bool(partitioned)),
        ("selector", request.normal.to_value()),
        ("opts", options(request)),
        ("limit", number(request.limit)),
        ("skip", number(request.skip)),
        ("fields", request.fields.to_array()),
        ("index_candidates", Value::Array(candidates.collect())),
        ("selector_hints", hints(request)),
    ];
    if plan.index.is_some() {
        answer.push(("mrargs", arguments(request, plan)));
        answer.push(("covering", Value::Bool(plan.covering)));
    }
    let answer = answer.into_iter().map(|(name, value)| (Cow::Borrowed(name), value));
    Value::Object(answer.collect()).to_string()
}

/// What was asked, and what follows from what was not.
fn options(request: &FindRequest) -> Value<'static> {
    let partition = request.partition.as_ref().map_or("", |partition| partition.as_str());
    object([
        ("use_index", request.use_index.to_array()),
        ("bookmark", text(request.bookmark.as_deref().unwrap_or("nil"))),
        ("limit", number(request.limit)),
        ("skip", number(request.skip)),
        ("sort", request.sort.to_object()),
        ("fields", request.fields.to_array()),
        ("partition", text(partition)),
        ("r", number(request.r)),
        ("conflicts", Value::Bool(request.conflicts)),
        ("stale", if request.stale { text("ok") } else { Value::Bool(false) }),
        ("update", Value::Bool(request.update)),
        ("stable", Value::Bool(request.stable)),
        ("execution_stats", Value::Bool(request.execution_stats)),
        ("allow_fallback", Value::Bool(request.allow_fallback)),
    ])
}

/// What a view would be asked.
fn arguments(request: &FindRequest, plan: &Plan) -> Value<'static> {
    let list = |values: &[Value<'static>]| Value::Array(values.to_vec());
    let up_to =
        |range: &KeyRange| Value::Array(range.high().iter().cloned().chain([max()]).collect());
    let (first, last) = match &plan.scan {
        Scan::Nothing => (Value::Null, Value::Null),
        Scan::Keys(range) => (list(range.low()), up_to(range)),
        Scan::Documents { shown, .. } => shown.clone(),
    };
    let (direction, start, end) = match request.sort.direction() {
        Direction::Ascending => ("fwd", first, last),
        Direction::Descending => ("rev", last, first),
    };
    let partition = request.partition.as_ref().map(|partition| text(partition.as_str()));
    object([
        ("include_docs", Value::Bool(request.r == 1 && !plan.covering)),
        ("view_type", text("map")),
        ("reduce", Value::Bool(false)),
        ("partition", partition.unwrap_or(Value::Null)),
        ("start_key", start),
        ("end_key", end),
        ("direction", text(direction)),
        ("stable", Value::Bool(request.stable || request.stale)),
        ("update", Value::Bool(request.update && !request.stale)),
        ("conflicts", if request.conflicts { Value::Bool(true) } else { text("undefined") }),
    ])
}

/// Which fields of the selector an index could narrow.
fn hints(request: &FindRequest) -> Value<'static> {
    // CouchDB takes what follows a colon for the type of a text index's field.
    let untyped = |field: &'_ str| field.split(':').next().unwrap_or_default().to_owned();
    let indexable: BTreeSet<_> =
        request.normal.indexable_fields().into_iter().map(untyped).collect();
    let mut others = request.normal.fields();
    others.retain(|field| !indexable.contains(*field));
    let others = others.into_iter().map(text).collect();
    let indexable = indexable.iter().map(|field| text(field)).collect();
    Value::Array(vec![object([
        ("type", text("json")),
        ("indexable_fields", Value::Array(indexable)),
        ("unindexable_fields", Value::Array(others)),
    ])])
}

impl Candidate {
    fn to_value(&self, partitioned_database: bool) -> Value<'static> {
        let reason = object([("name", text(self.reason.word()))]);
        let analysis = object([
            ("usable", Value::Bool(self.usable)),
            ("reasons", Value::Array(vec![reason])),
            ("ranking", number(self.ranking as u64)),
            ("covering", self.covering.map_or(Value::Null, Value::Bool)),
        ]);
        object([
            ("index", Index::to_value(&self.index, partitioned_database)),
            ("analysis", analysis),
        ])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mango::{IndexDefinition, Purpose};

    #[track_caller]
    fn explained(indexes: &[&str], body: &str) -> String {
        let index = |body: &&str| Arc::new(IndexDefinition::parse(body, false).unwrap());
        let indexes: Vec<_> = indexes.iter().map(index).collect();
        let request = FindRequest::parse(body).unwrap();
        let plan = Plan::choose(&request, &indexes, false, Purpose::Explain).unwrap();
        explain("db", &request, &plan)
    }

    /// The example of CouchDB's documentation.
    #[test]
    fn the_documented_answer() {
        let answer = explained(
            &[r#"{"index":{"fields":["year"]},"ddoc":"y","name":"y"}"#],
            r#"{"selector":{"year":{"$gt":2010}},"fields":["_id","title"],
                "sort":[{"year":"asc"}],"limit":2}"#,
        );
        let expected = [
            r#"{"dbname":"db","#,
            r#""index":{"ddoc":"_design/y","name":"y","type":"json","partitioned":false,"#,
            r#""def":{"fields":[{"year":"asc"}]}},"#,
            r#""partitioned":false,"selector":{"year":{"$gt":2010}},"#,
            r#""opts":{"use_index":[],"bookmark":"nil","limit":2,"skip":0,"#,
            r#""sort":{"year":"asc"},"fields":["_id","title"],"partition":"","r":1,"#,
            r#""conflicts":false,"stale":false,"update":true,"stable":false,"#,
            r#""execution_stats":false,"allow_fallback":true},"#,
            r#""limit":2,"skip":0,"fields":["_id","title"],"#,
            r#""index_candidates":[{"index":{"ddoc":null,"name":"_all_docs","type":"special","#,
            r#""def":{"fields":[{"_id":"asc"}]}},"analysis":{"usable":false,"#,
            r#""reasons":[{"name":"field_mismatch"}],"ranking":1,"covering":null}}],"#,
            r#""selector_hints":[{"type":"json","indexable_fields":["year"],"#,
            r#""unindexable_fields":[]}],"#,
            r#""mrargs":{"include_docs":true,"view_type":"map","reduce":false,"partition":null,"#,
            r#""start_key":[2010],"end_key":["<MAX>"],"direction":"fwd","stable":false,"#,
            r#""update":true,"conflicts":"undefined"},"covering":false}"#,
        ];
        assert_eq!(answer, expected.concat());
    }

    #[track_caller]
    fn check_ends(body: &str, expected: &str) {
        let answer = explained(&[r#"{"index":{"fields":["a"]},"ddoc":"a"}"#], body);
        assert!(answer.contains(expected), "{answer}");
    }

    #[test]
    fn ends() {
        check_ends(r#"{"selector":{"b":1}}"#, r#""start_key":null,"end_key":"<MAX>""#);
        check_ends(r#"{"selector":{"_id":{"$lt":"x"}}}"#, r#""start_key":"","end_key":"x""#);
        check_ends(
            r#"{"selector":{"a":{"$gt":1}},"sort":[{"a":"desc"}]}"#,
            r#""start_key":["<MAX>"],"end_key":[1],"direction":"rev""#,
        );
        check_ends(r#"{"selector":{"a":{"$gt":1,"$lt":1}}}"#, r#""start_key":null,"end_key":null"#);
    }

    #[test]
    fn without_an_index() {
        let answer = explained(&[], r#"{"selector":{"a":1},"sort":["b"]}"#);
        assert!(answer.contains(r#""index":null"#) && !answer.contains("mrargs"), "{answer}");
    }
}
