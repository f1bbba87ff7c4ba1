//! Selectors against documents of about 1 KB, read from text each time: what a question without an
//! index costs for each document.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "benchmarks")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use query::mango::IndexDefinition;
use query::{Document, Selector};

const DOCUMENTS: u64 = 1000;

/// About 1 KB, as in the store's benchmark.
fn document(number: u64) -> String {
    let pad = "the quick brown fox jumps over the lazy dog ".repeat(18);
    format!(
        "{{\"_id\":\"doc-{number:08}\",\"_rev\":\"1-0123456789abcdef0123456789abcdef\",\
         \"type\":\"order\",\"n\":{number},\"price\":{}.5,\"tags\":[\"t1\",\"t2\"],\
         \"nested\":{{\"a\":1,\"b\":{{\"c\":\"{number}\"}}}},\"pad\":\"{pad}\"}}",
        number % 1000
    )
}

fn matching(criterion: &mut Criterion) {
    let documents: Vec<_> = (0..DOCUMENTS).map(document).collect();
    let mut group = criterion.benchmark_group("match");
    group.throughput(Throughput::Elements(DOCUMENTS));
    for (name, selector) in [
        ("number", r#"{"n":{"$gt":500}}"#),
        ("string", r#"{"type":"order"}"#),
        ("missing", r#"{"x":{"$gt":500}}"#),
        ("nested", r#"{"nested.b.c":{"$gt":"5"}}"#),
        ("three", r#"{"type":"order","n":{"$gt":500},"price":{"$lt":300}}"#),
        ("regex", r#"{"type":{"$regex":"^ord"}}"#),
    ] {
        let selector = Selector::parse(selector).unwrap();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let is_match =
                    |text: &&String| selector.matches(&Document::parse(black_box(text)).unwrap());
                documents.iter().filter(is_match).count()
            });
        });
    }
    group.finish();
}

fn indexing(criterion: &mut Criterion) {
    let documents: Vec<_> = (0..DOCUMENTS).map(document).collect();
    let body = r#"{"index":{"fields":["type","n"]}}"#;
    let index = IndexDefinition::parse(body, false).unwrap();
    let mut group = criterion.benchmark_group("index");
    group.throughput(Throughput::Elements(DOCUMENTS));
    group.bench_function("two fields", |bencher| {
        bencher.iter(|| {
            let key = |text: &String| index.key(&Document::parse(black_box(text)).unwrap());
            documents.iter().filter_map(key).map(|key| key.len()).sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, matching, indexing);
criterion_main!(benches);
