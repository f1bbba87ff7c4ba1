//! What it takes to fill an index on disk, to keep it up to date, and to read it.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "benchmarks")]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use query::index::reduce::Builtin;
use query::index::{
    Builder, Cut, DocRows, Emitted, GroupLevel, IndexError, Progress, Range, Reduce, View,
    apply_batch, tree,
};
use query::{Collation, CollationKey};
use store::{Direction, IndexFile, Millis, Options, Store};

const ROWS: u64 = 1_000_000;
const CHANGED: u64 = 1000;

const REDUCERS: [&dyn Reduce; 2] = [&Builtin::Sum, &Builtin::Count];
const VIEWS: [View<'_>; 1] = [View { collation: Collation::Standard, reducers: &REDUCERS }];

/// Numbers from 0 on, each once, in no order.
fn scattered(number: u64) -> u64 {
    number * 7_368_787 % ROWS
}

fn document(number: u64, round: u64) -> DocRows {
    let of_day = scattered(number + round);
    let key = format!("[\"customer-{:04}\",{},{of_day}]", of_day / 1000, of_day / 100 % 10);
    let row = Emitted { view: 0, key, value: (number % 100).to_string() };
    DocRows { id: format!("doc-{:08}", scattered(number)), rows: vec![row] }
}

struct Place {
    _folder: tempfile::TempDir,
    _store: Arc<Store>,
    index: Arc<IndexFile>,
}

fn empty() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { writer_threads: 0, open_databases_max: 4, device: [7; 32] };
    let store = Store::open(folder.path(), &options).unwrap();
    let database = store.create(&"db".parse().unwrap(), Millis(0)).unwrap();
    let index = database.index(&"ab".parse().unwrap()).unwrap();
    Place { _folder: folder, _store: store, index }
}

fn build(place: &Place, rows: u64) {
    let mut builder = Builder::new(&place.index, &VIEWS).unwrap();
    (0..rows).for_each(|number| builder.add(&document(number, 0)).unwrap());
    place.index.write(|pages| builder.finish(pages, Progress::default())).unwrap();
}

fn filling(c: &mut Criterion) {
    let mut group = c.benchmark_group("fill");
    group.sample_size(10).throughput(Throughput::Elements(ROWS));
    group.bench_function("build", |b| {
        let build = |place| {
            build(&place, ROWS);
            place
        };
        b.iter_batched(empty, build, BatchSize::PerIteration);
    });
    group.throughput(Throughput::Elements(ROWS / 10));
    group.bench_function("batches of 1000", |b| {
        let fill = |place: Place| {
            for batch in 0..ROWS / 10 / CHANGED {
                let batch: Vec<_> = (batch * CHANGED..(batch + 1) * CHANGED)
                    .map(|number| document(number, 0))
                    .collect();
                let to = Progress::default();
                place.index.write(|pages| apply_batch(pages, &VIEWS, &batch, to)).unwrap();
            }
            place
        };
        b.iter_batched(empty, fill, BatchSize::PerIteration);
    });
    group.finish();
}

fn reading(c: &mut Criterion) {
    let place = empty();
    build(&place, ROWS);
    let read = |look: &dyn Fn(&query::index::Tree<'_>, &dyn store::Pages)| {
        let look = |pages: &dyn store::Pages| {
            look(&tree(pages, 0, VIEWS[0])?, pages);
            Ok::<_, IndexError>(())
        };
        place.index.read(look).unwrap();
    };
    let mut group = c.benchmark_group("read");
    group.sample_size(20).throughput(Throughput::Elements(ROWS));
    group.bench_function("all rows", |b| {
        b.iter(|| {
            read(&|tree, pages| {
                let mut bytes = 0;
                let mut show = |row: &query::index::Row<'_>| {
                    bytes += row.key.len() + row.value.len() + row.id.len();
                    ControlFlow::Continue(())
                };
                let all = (0, u64::MAX);
                tree.range(pages, &Range::all(), Direction::Ascending, all, &mut show).unwrap();
                black_box(bytes);
            });
        });
    });
    let key = |text| CollationKey::of_json(text, Collation::Standard).unwrap();
    let most = Range {
        low: Cut::before_key(&key(r#"["customer-0001",3]"#)),
        high: Cut::before_key(&key(r#"["customer-0998",7]"#)),
    };
    group.bench_function("groups of a thousand", |b| {
        b.iter(|| {
            read(&|tree, pages| {
                let mut go = |_: &str, _: &[u8]| ControlFlow::Continue(());
                let level = GroupLevel::Elements(1);
                tree.group(pages, &most, level, 0, Direction::Ascending, &mut go).unwrap();
            });
        });
    });
    group.bench_function("groups of one", |b| {
        b.iter(|| {
            read(&|tree, pages| {
                let mut go = |_: &str, _: &[u8]| ControlFlow::Continue(());
                let (level, all) = (GroupLevel::Exact, Range::all());
                tree.group(pages, &all, level, 0, Direction::Ascending, &mut go).unwrap();
            });
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("reduce most", |b| {
        b.iter(|| {
            read(&|tree, pages| {
                black_box(tree.reduce(pages, &most, 0).unwrap());
            });
        });
    });
    group.bench_function("twenty behind half a million", |b| {
        b.iter(|| {
            read(&|tree, pages| {
                let mut go = |_: &query::index::Row<'_>| ControlFlow::Continue(());
                let page = (ROWS / 2, 20);
                tree.range(pages, &Range::all(), Direction::Descending, page, &mut go).unwrap();
            });
        });
    });
    group.throughput(Throughput::Elements(CHANGED));
    group.bench_function("change a thousand", |b| {
        let mut round = 0;
        b.iter(|| {
            round += 1;
            let batch: Vec<_> = (round * CHANGED..(round + 1) * CHANGED)
                .map(|number| document(number % ROWS, round))
                .collect();
            let to = Progress::default();
            place.index.write(|pages| apply_batch(pages, &VIEWS, &batch, to)).unwrap();
        });
    });
    group.finish();
}

criterion_group!(benches, filling, reading);
criterion_main!(benches);
