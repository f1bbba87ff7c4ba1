//! How many documents a second map functions see.

#![allow(missing_docs, reason = "criterion's macros write functions without any")]
#![allow(clippy::unwrap_used, reason = "a benchmark may stop")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use query::{Functions, Limits, Mapper, Reducer, Sandbox};

const POST: &str = "function(doc) { if (doc.type == 'post') emit([doc.author, doc.date], 1) }";

fn map(criterion: &mut Criterion) {
    let sandbox = Sandbox::new(Limits::default(), |_| ());
    let document = document();
    let mut group = criterion.benchmark_group("map");
    group.throughput(Throughput::Elements(1));
    for (name, sources) in [
        ("one function", vec![POST]),
        ("five functions", vec![POST; 5]),
        ("nothing to emit", vec!["function(doc) { if (doc.type == 'page') emit(doc._id) }"]),
    ] {
        let mut mapper = Mapper::new(&sandbox, &sources, None).unwrap();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                mapper.map(black_box(&document), &mut |row| {
                    black_box(row);
                })
            });
        });
    }
    group.finish();
}

fn reduce(criterion: &mut Criterion) {
    let sandbox = Sandbox::new(Limits::default(), |_| ());
    let mut reducer = Reducer::new(&sandbox, "(keys, values) => sum(values)").unwrap();
    let keys = format!("[{}]", vec![r#"["key","name"]"#; 100].join(","));
    let values = format!("[{}]", vec!["1"; 100].join(","));
    criterion.bench_function("reduce 100 rows", |bencher| {
        bencher.iter(|| reducer.reduce(black_box(&keys), black_box(&values)));
    });
}

fn validate(criterion: &mut Criterion) {
    let sandbox = Sandbox::new(Limits::default(), |_| ());
    let design = r#"{"_id":"_design/d","validate_doc_update":
        "function(doc, old, user, security) { if (!doc.type) throw({forbidden: 'a type'}) }"}"#
        .replace('\n', " ");
    let mut functions = Functions::new(&sandbox, &design).unwrap();
    let document = document();
    criterion.bench_function("validate", |bencher| {
        bencher.iter(|| functions.validate(black_box(&document), None, "{}", "{}"));
    });
}

fn worlds(criterion: &mut Criterion) {
    let sandbox = Sandbox::new(Limits::default(), |_| ());
    criterion.bench_function("compile in a new world", |bencher| {
        bencher.iter(|| Mapper::new(&sandbox, &[POST], None).unwrap());
    });
}

/// A document of about a thousand bytes.
fn document() -> String {
    let text = "There is hardly anything to be said about this post. ".repeat(13);
    format!(
        r#"{{"_id":"post-000017","_rev":"3-0123456789abcdef0123456789abcdef","type":"post","author":"ada","date":"2026-11-27T10:00:00Z","title":"Seventeen","tags":["red","blue","old"],"likes":12,"public":true,"place":{{"latitude":52.5,"longitude":13.4}},"text":"{text}"}}"#
    )
}

criterion_group!(benches, map, reduce, validate, worlds);
criterion_main!(benches);
