//! What it takes to make a key: once for every row of an index.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "benchmarks")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use query::{Collation, CollationKey};

fn keys(c: &mut Criterion) {
    let mut group = c.benchmark_group("key");
    for (name, text) in [
        ("number", "1234567"),
        ("float", "1234.5"),
        ("ascii", r#""order-00012345""#),
        ("accents", r#""Orléans-Grüße""#),
        ("array", r#"["order",2024,11,27,"a longer part of a key"]"#),
    ] {
        for collation in [Collation::Standard, Collation::Raw] {
            group.bench_function(format!("{name} {collation:?}"), |b| {
                let mut out = Vec::new();
                b.iter(|| {
                    out.clear();
                    CollationKey::write_json(&mut out, black_box(text), collation).unwrap();
                    out.len()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, keys);
criterion_main!(benches);
