use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use proptest::prelude::*;
use store::Direction;

use super::*;
use crate::collation;
use crate::mango::Path;
use crate::mango::{DocumentRange, IndexDefinition, KeyRange, Plan, Purpose};

/// Documents in memory, their indexes made anew for each reading.
#[derive(Clone, Debug, Default)]
struct Memory(BTreeMap<String, String>);

impl Memory {
    fn new(documents: &[&str]) -> Self {
        documents.iter().map(|text| (*text).to_owned()).collect()
    }
}

impl Memory {
    /// The values by which a document is sorted, of which what was found has at least the id.
    fn sort_key(&self, found: &str, sort: &[&str]) -> String {
        let document = Document::parse(&self.0[&id(found)]).unwrap();
        let values: Vec<_> = sort.iter().map(|name| field(&document, name).unwrap()).collect();
        format!("[{}]", values.join(","))
    }
}

impl FromIterator<String> for Memory {
    fn from_iter<T: IntoIterator<Item = String>>(texts: T) -> Self {
        Self(texts.into_iter().map(|text| (id(&text), text)).collect())
    }
}

fn id(text: &str) -> String {
    let document = Document::parse(text).unwrap();
    match Value::parse(field(&document, "_id").unwrap(), 0).unwrap() {
        Value::String(id) => id.into_owned(),
        other => panic!("{other}"),
    }
}

fn field<'d>(document: &Document<'d>, name: &str) -> Option<&'d str> {
    document.find_text(&Path::parse(name).unwrap())
}

fn key(text: &str) -> Vec<Value<'_>> {
    match Value::parse(text, 99).unwrap() {
        Value::Array(values) => values,
        other => panic!("{other}"),
    }
}

fn compare(one: &Row, other: &Row) -> Ordering {
    let keys = (Value::Array(key(&one.key)), Value::Array(key(&other.key)));
    collation::compare(&keys.0, &keys.1).then_with(|| one.id.cmp(&other.id))
}

/// Those behind `after`, as many as wanted.
fn part<T, R>(
    mut all: Vec<T>,
    read: &Read<'_, R>,
    compare: impl Fn(&T, &Row) -> Ordering,
) -> Vec<T> {
    if read.direction == Direction::Descending {
        all.reverse();
    }
    let behind = match read.direction {
        Direction::Ascending => Ordering::Greater,
        Direction::Descending => Ordering::Less,
    };
    let is_behind = |one: &T| read.after.is_none_or(|after| compare(one, after) == behind);
    all.into_iter().filter(is_behind).take(read.rows_max).collect()
}

impl Source for Memory {
    type Error = Infallible;

    fn rows(
        &mut self,
        index: &IndexDefinition,
        read: &Read<'_, KeyRange>,
    ) -> Result<Vec<Row>, Infallible> {
        let row = |(id, text): (&String, &String)| {
            let key = index.key(&Document::parse(text).unwrap())?;
            Some(Row { key, id: id.clone() })
        };
        let mut rows: Vec<_> = self.0.iter().filter_map(row).collect();
        rows.sort_by(compare);
        rows.retain(|row| read.range.contains(&key(&row.key)));
        Ok(part(rows, read, compare))
    }

    fn ids(&mut self, read: &Read<'_, DocumentRange>) -> Result<Vec<String>, Infallible> {
        let DocumentRange { low, high } = read.range;
        let mut ids: Vec<_> = self.0.keys().cloned().collect();
        ids.retain(|id| low.as_ref().is_none_or(|low| id >= low));
        ids.retain(|id| high.as_ref().is_none_or(|high| id <= high));
        Ok(part(ids, read, |id, row| id.cmp(&row.id)))
    }

    fn document(&mut self, id: &str, _conflicts: bool) -> Result<Option<String>, Infallible> {
        Ok(self.0.get(id).cloned())
    }
}

fn index(body: &str) -> Arc<IndexDefinition> {
    Arc::new(IndexDefinition::parse(body, false).unwrap())
}

/// All that is answered, and its end; nothing without a usable index.
fn find(
    source: &mut Memory,
    indexes: &[Arc<IndexDefinition>],
    request: FindRequest,
    step: Step,
) -> Option<(Vec<String>, Find)> {
    let plan = Plan::choose(&request, indexes, false, Purpose::Find).ok()?;
    let mut find = Find::new(request, plan).unwrap();
    let mut documents = Vec::new();
    while find.step(source, step, &mut documents) == Ok(Progress::More) {}
    Some((documents, find))
}

const ONE_STEP: Step = Step { rows_max: 1000, bytes_max: usize::MAX };

#[track_caller]
fn check(indexes: &[Arc<IndexDefinition>], body: &str, expected: &[&str]) -> Find {
    let mut source = Memory::new(&[
        r#"{"_id":"_design/x","a":1}"#,
        r#"{"_id":"d1","a":1,"b":"x"}"#,
        r#"{"_id":"d2","a":2}"#,
        r#"{"_id":"d3","a":3,"b":1E2}"#,
        r#"{"_id":"d4","b":true}"#,
    ]);
    let request = FindRequest::parse(body).unwrap();
    let (documents, find) = find(&mut source, indexes, request, ONE_STEP).unwrap();
    assert_eq!(documents, expected, "{body}");
    find
}

#[test]
fn without_an_index() {
    let found = check(
        &[],
        r#"{"selector":{"a":{"$gt":1}},"fields":["_id"],"execution_stats":true}"#,
        &[r#"{"_id":"d2"}"#, r#"{"_id":"d3"}"#],
    );
    let ending = found.ending(1.5);
    assert_eq!(
        ending.execution_stats.unwrap(),
        r#"{"total_keys_examined":5,"total_docs_examined":4,"total_quorum_docs_examined":0,"#
            .to_owned()
            + r#""results_returned":2,"execution_time_ms":1.5}"#,
    );
    let warning = "No matching index found, create an index to optimize query time.";
    assert_eq!(ending.warning.unwrap(), warning);
}

#[test]
fn with_an_index() {
    let indexes = [index(r#"{"index":{"fields":["a","b"]},"ddoc":"ab"}"#)];
    let body = r#"{"selector":{"a":{"$gt":1},"b":{"$exists":true}}}"#;
    let found = check(&indexes, body, &[r#"{"_id":"d3","a":3,"b":1E2}"#]);
    assert_eq!(found.ending(1.0).warning, None);
    assert_eq!(found.statistics().total_keys_examined, 2);
    let body = r#"{"selector":{"a":{"$gt":0}},"sort":[{"a":"desc"},{"b":"desc"}],"fields":["b"]}"#;
    let found = check(&indexes, body, &[r#"{"b":1E2}"#, r#"{"b":"x"}"#]);
    // The index holds all that is asked for.
    assert_eq!(found.statistics().total_docs_examined, 0);
    let body = r#"{"selector":{"a":{"$gt":1}},"use_index":"ab","fields":["_id"]}"#;
    let found = check(&indexes, body, &[r#"{"_id":"d2"}"#, r#"{"_id":"d3"}"#]);
    assert_eq!(
        found.ending(1.0).warning.unwrap(),
        "_design/ab was not used because it does not contain a valid index for this query.\n\
         No matching index found, create an index to optimize query time.",
    );
}

#[test]
fn where_nothing_can_match_nothing_is_said() {
    let found = check(&[], r#"{"selector":{"$or":[]},"execution_stats":true}"#, &[]);
    assert_eq!(found.ending(1.0), Ending::default());
    let found = check(&[], r#"{"selector":{"a":7}}"#, &[]);
    assert_eq!(found.ending(1.0).bookmark.unwrap(), "nil");
}

#[test]
fn many_documents_for_few_answers() {
    let mut source: Memory =
        (10..40).map(|n| format!(r#"{{"_id":"d{n}","a":{}}}"#, n % 11)).collect();
    let request = FindRequest::parse(r#"{"selector":{"a":20}}"#).unwrap();
    let (_, found) = find(&mut source, &[], request, ONE_STEP).unwrap();
    let warning = found.ending(1.0).warning.unwrap();
    assert!(warning.ends_with(
        "The number of documents examined is high in proportion to the number of results \
         returned. Consider adding a more specific index to improve this."
    ));
}

#[test]
fn one_partition_only() {
    let mut source = Memory::new(&[
        r#"{"_id":"a:1"}"#,
        r#"{"_id":"b:1"}"#,
        r#"{"_id":"b:2"}"#,
        r#"{"_id":"b;"}"#,
    ]);
    let request = FindRequest::parse(r#"{"selector":{},"partition":"b"}"#).unwrap();
    let (documents, _) = find(&mut source, &[], request, ONE_STEP).unwrap();
    assert_eq!(documents, [r#"{"_id":"b:1"}"#, r#"{"_id":"b:2"}"#]);
}

#[test]
fn a_foreign_bookmark_is_refused() {
    let request = FindRequest::parse(r#"{"selector":{},"bookmark":"g1AAAA"}"#).unwrap();
    let plan = Plan::choose(&request, &[], false, Purpose::Find).unwrap();
    let error = Find::new(request, plan).unwrap_err();
    assert_eq!(error.word(), "invalid_bookmark");
    assert_eq!(error.to_string(), r#"Invalid bookmark value: "g1AAAA""#);
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        (-2..4i64).prop_map(|number| number.to_string()),
        (-2..4i64).prop_map(|number| format!("{number}.5")),
        "[aAbé]{0,2}".prop_map(|text| format!("\"{text}\"")),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => scalar(),
        1 => prop::collection::vec(scalar(), 0..3).prop_map(|list| format!("[{}]", list.join(","))),
        1 => scalar().prop_map(|inner| format!(r#"{{"c":{inner}}}"#)),
    ]
}

const FIELDS: [&str; 4] = ["a", "b", "a.c", "c"];

fn documents() -> impl Strategy<Value = Memory> {
    let value = || prop::option::weighted(0.8, value());
    let document = (any::<bool>(), value(), value(), value());
    prop::collection::vec(document, 0..30).prop_map(|documents| {
        let text = |(position, (design, a, b, c)): (usize, _)| {
            let id = if design && position % 7 == 0 { "_design/d" } else { "d" };
            let member = |(name, value): (&str, Option<String>)| {
                value.map(|value| format!(r#","{name}":{value}"#)).unwrap_or_default()
            };
            let members: String = [("a", a), ("b", b), ("c", c)].into_iter().map(member).collect();
            format!(r#"{{"_id":"{id}{position:02}"{members}}}"#)
        };
        documents.into_iter().enumerate().map(text).collect()
    })
}

fn selector() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(vec!["$lt", "$lte", "$eq", "$ne", "$gte", "$gt"]);
    let condition = prop_oneof![
        8 => (operator, scalar()).prop_map(|(name, value)| format!(r#"{{"{name}":{value}}}"#)),
        1 => any::<bool>().prop_map(|there| format!(r#"{{"$exists":{there}}}"#)),
        1 => prop::collection::vec(scalar(), 0..3)
            .prop_map(|list| format!(r#"{{"$in":[{}]}}"#, list.join(","))),
        1 => Just(r#"{"$type":"number"}"#.to_owned()),
    ];
    let names = prop::sample::select(FIELDS.to_vec());
    let leaf = prop_oneof![
        9 => (names, condition).prop_map(|(name, asked)| format!(r#"{{"{name}":{asked}}}"#)),
        1 => (0..30).prop_map(|n| format!(r#"{{"_id":{{"$gte":"d{n:02}"}}}}"#)),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        let several = |least| prop::collection::vec(inner.clone(), least..4);
        prop_oneof![
            3 => several(0).prop_map(|all| format!(r#"{{"$and":[{}]}}"#, all.join(","))),
            1 => several(0).prop_map(|all| format!(r#"{{"$or":[{}]}}"#, all.join(","))),
            1 => several(1).prop_map(|all| format!(r#"{{"$nor":[{}]}}"#, all.join(","))),
            1 => inner.clone().prop_map(|one| format!(r#"{{"$not":{one}}}"#)),
        ]
    })
}

fn fields() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(FIELDS.to_vec(), 0..3).prop_shuffle()
}

fn indexes() -> impl Strategy<Value = Vec<Arc<IndexDefinition>>> {
    prop::collection::vec(fields(), 0..5).prop_map(|all| {
        let body = |fields: Vec<&str>| {
            let quoted: Vec<_> = fields.iter().map(|field| format!("\"{field}\"")).collect();
            let list = quoted.join(",");
            index(&format!(r#"{{"index":{{"fields":[{list}]}},"ddoc":"by-{}"}}"#, fields.join("-")))
        };
        all.into_iter().map(body).collect()
    })
}

/// A request without its braces: selector, sort, fields.
fn request() -> impl Strategy<Value = (String, Vec<&'static str>)> {
    let direction = prop::sample::select(vec!["asc", "desc"]);
    (selector(), fields(), direction, fields()).prop_map(|(selector, sort, direction, fields)| {
        let by: Vec<_> = sort.iter().map(|name| format!(r#"{{"{name}":"{direction}"}}"#)).collect();
        let by = by.join(",");
        let quoted: String = fields.iter().map(|field| format!(",\"{field}\"")).collect();
        let body = format!(r#""selector":{selector},"sort":[{by}],"fields":["_id"{quoted}]"#);
        (body, sort)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_found_is_what_matches(
        source in documents(),
        indexes in indexes(),
        (body, sort) in request(),
    ) {
        let mut source = source;
        let request = FindRequest::parse(&format!(r#"{{{body},"limit":99}}"#)).unwrap();
        let matching = |text: &String| {
            let document = Document::parse(text).unwrap();
            let is_there = |name: &&str| field(&document, name).is_some();
            let is_in = !document.is_design() && sort.iter().all(is_there);
            (is_in && request.selector.matches(&document)).then(|| request.fields.extract(&document))
        };
        // A combination of nothing as the whole selector is answered with nothing.
        let mut expected: Vec<_> = source.0.values().filter_map(matching).collect();
        if request.normal.is_nothing() {
            expected.clear();
        }
        let step = Step { rows_max: 3, bytes_max: 50 };
        if let Some((mut found, _)) = find(&mut source, &indexes, request.clone(), step) {
            let wrong = match request.sort.direction() {
                Direction::Ascending => Ordering::Greater,
                Direction::Descending => Ordering::Less,
            };
            let keys: Vec<_> = found.iter().map(|text| source.sort_key(text, &sort)).collect();
            for pair in keys.windows(2) {
                let row = |key: &String| Row { key: key.clone(), id: String::new() };
                prop_assert_ne!(compare(&row(&pair[0]), &row(&pair[1])), wrong);
            }
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn pages_together_are_the_whole(
        source in documents(),
        indexes in indexes(),
        (body, _) in request(),
        limit in 1..5u8,
        skip in 0..3u8,
        rows_max in 1..5usize,
    ) {
        let mut source = source;
        let whole = FindRequest::parse(&format!(r#"{{{body},"limit":99}}"#)).unwrap();
        let Some((whole, _)) = find(&mut source, &indexes, whole, ONE_STEP) else { return Ok(()) };
        let step = Step { rows_max, bytes_max: usize::MAX };
        let mut pages = Vec::new();
        let mut bookmark = "nil".to_owned();
        for page in 0.. {
            // Only the first page leaves any out.
            let skip = if page == 0 { skip } else { 0 };
            let body = format!(r#"{{{body},"limit":{limit},"skip":{skip},"bookmark":"{bookmark}"}}"#);
            let request = FindRequest::parse(&body).unwrap();
            let (documents, found) = find(&mut source, &indexes, request, step).unwrap();
            let is_last = documents.len() < limit.into();
            pages.extend(documents);
            match found.ending(1.0).bookmark {
                Some(next) if !is_last => bookmark = next,
                _ => break,
            }
        }
        prop_assert_eq!(&pages[..], &whole[whole.len().min(skip.into())..]);
    }
}
